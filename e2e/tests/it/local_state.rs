//! The files that the local cloud remembers by: what a lost one does, and that reading writes none.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::harness::{Pipeline, Scene};

const OURS: &str = "pipeline.yaml";

#[test]
fn a_missing_state_file_is_named_and_every_other_file_stays() {
    let scene = Scene::new(&Pipeline::default());
    scene.apply();
    scene.runner(&["local", "stop"]).exits(0);
    let before = state_of(&scene);
    let is_state = |file: &&String| Path::new(file.as_str()).extension().is_some_and(|it| it == "json");
    let states: Vec<_> = before.keys().filter(is_state).cloned().collect();
    assert!(states.len() > 5, "{states:?}");
    for name in states.iter().map(String::as_str).chain([".runner/local/cloud.json"]) {
        let (file, copy) = (scene.path(name), scene.path("copy"));
        fs::rename(&file, &copy).unwrap();
        let refused = scene.runner(&["status"]).exits(1);
        assert!(refused.stderr.contains(name.rsplit('/').next().unwrap()), "{name}: {}", refused.stderr);
        assert!(refused.stderr.contains("missing") && refused.stderr.contains("restore"), "{name}: {}", refused.stderr);
        assert!(!file.exists(), "{name}");
        fs::rename(&copy, &file).unwrap();
        assert_eq!(changed(&before, &state_of(&scene)), BTreeSet::new(), "{name}");
    }
    scene.keeps_all(OURS);
    scene.answers(OURS);
}

/// Digests of everything that the local cloud remembers, by path. Left out are its address, its log and its lock, what
/// its processes run in, and the log streams, to which a server that comes back adds its own lines.
fn state_of(scene: &Scene) -> BTreeMap<String, String> {
    let of_its_processes = |file: &str| {
        let name = file.trim_start_matches(".runner/local/");
        matches!(name, "cloud.json" | "cloud.log" | "lock" | "logs.json")
            || name.contains("run/")
            || name.starts_with("logs/")
    };
    let files = scene.files().into_iter().filter(|file| file.starts_with(".runner/local/") && !of_its_processes(file));
    let digest = |file: String| {
        let bytes = fs::read(scene.path(&file)).ok()?;
        Some((file, hex::encode(Sha256::digest(bytes))))
    };
    files.filter_map(digest).collect()
}

/// Files that came, went, or have another content.
fn changed<'a>(before: &'a BTreeMap<String, String>, after: &'a BTreeMap<String, String>) -> BTreeSet<&'a String> {
    before.keys().chain(after.keys()).filter(|file| before.get(*file) != after.get(*file)).collect()
}

#[test]
fn commands_that_read_write_no_state() {
    // With a policy of its own, each command would take a session, which the cloud remembers.
    let pipeline = Pipeline { local: "{ iam-propagation-ms: 0 }".to_owned(), ..Pipeline::default() };
    let scene = Scene::new(&pipeline);
    scene.apply();
    scene.runner(&["local", "stop"]).exits(0);
    // What a crash leaves: neither removed nor moved by a command that reads.
    let bucket = fs::read_dir(scene.path(".runner/local/s3")).unwrap().next().unwrap().unwrap().path();
    for name in ["incoming-cut-off", "unnamed"] {
        fs::write(bucket.join(name), "x").unwrap();
    }
    let before = state_of(&scene);
    assert!(before.len() > 10, "{:?}", before.keys());
    let none = BTreeSet::new();
    for command in ["status", "plan", "doctor"] {
        scene.runner(&[command]).exits(0);
        assert_eq!(changed(&before, &state_of(&scene)), none, "{command}");
        scene.runner(&["local", "stop"]).exits(0);
        assert_eq!(changed(&before, &state_of(&scene)), none, "{command}, and a stop");
    }
}
