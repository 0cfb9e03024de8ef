//! The folder `.runner`: whose it is, and that one of somebody else is not used.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::harness::state_folder::make_own;
use crate::harness::{Pipeline, Scene, note};

const COMMANDS: [&[&str]; 9] = [
    &["plan"],
    &["apply"],
    &["status"],
    &["teardown"],
    &["report", "--no-open"],
    &["doctor"],
    &["local", "status"],
    &["local", "stop"],
    &["local", "logs"],
];

/// Every command refuses the folder of this scene and starts nothing.
#[track_caller]
fn refused(scene: &Scene, why: &str) {
    for command in COMMANDS {
        let said = scene.runner(command).exits(1).stderr;
        for words in ["`.runner` was not made here, and programs in it would be run", why, "hint: ", "rm -r '.runner'"]
        {
            assert!(said.contains(words), "{command:?}: {words} is not in {said}");
        }
    }
    assert_eq!(scene.processes(), Vec::<String>::new());
}

fn run(folder: &Path, program: &str, arguments: &[&str]) -> bool {
    let output = Command::new(program).args(arguments).current_dir(folder).output();
    output.is_ok_and(|output| output.status.success())
}

#[test]
fn the_folder_is_private_ignored_by_git_and_marked() {
    let scene =
        Scene::bare(&Pipeline::train("{ data: { generate: { rows: 2000, seed: 42 } }, require: { recall: 1 } }"));
    scene.runner(&["apply"]).exits(3);
    let folder = scene.path(".runner");
    assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(fs::read_to_string(folder.join(".gitignore")).unwrap(), "*\n");
    let mark = fs::read_to_string(folder.join("owner.json")).unwrap();
    assert!(mark.contains(&format!("\"path\":\"{}", fs::canonicalize(&folder).unwrap().display())), "{mark}");
    let secret = fs::metadata(folder.join("local/cloud.json")).unwrap();
    assert_eq!(secret.permissions().mode() & 0o777, 0o600);
    // Whoever opened it to others has it closed again.
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
    scene.runner(&["status"]).exits(0);
    assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
}

#[test]
fn a_folder_of_another_project_machine_or_user_is_refused_and_a_moved_project_is_not() {
    let scene = Scene::new(&Pipeline::default());
    scene.apply();
    scene.runner(&["local", "stop"]).exits(0);
    let copy = Scene::bare(&Pipeline::default());
    assert!(run(&scene.path("."), "cp", &["-a", ".runner", &copy.path(".runner").display().to_string()]));
    refused(&copy, "its mark is of `");

    fs::remove_file(copy.path(".runner/owner.json")).unwrap();
    refused(&copy, "it bears no mark of this machine and user");
    fs::remove_dir_all(copy.path(".runner")).unwrap();

    let mark = scene.path(".runner/owner.json");
    let text = fs::read_to_string(&mark).unwrap();
    for (field, why) in [("machine", "its mark is of another machine"), ("uid", "its mark is of user 4242")] {
        let mut other: serde_json::Value = serde_json::from_str(&text).unwrap();
        other[field] = if field == "uid" { 4242.into() } else { "0".repeat(64).into() };
        fs::write(&mark, other.to_string()).unwrap();
        refused(&scene, why);
    }
    fs::write(&mark, &text).unwrap();

    // The folder itself under another name, as when its project is renamed.
    fs::rename(scene.path(".runner"), copy.path(".runner")).unwrap();
    copy.runner(&["status"]).exits(0);
    copy.runner(&["local", "stop"]).exits(0);
}

#[test]
fn a_folder_that_comes_with_a_clone_is_refused() {
    let scene = Scene::bare(&Pipeline::default());
    let folder = scene.path("origin");
    fs::create_dir_all(folder.join(".runner/local/endpoints/fraud")).unwrap();
    fs::write(folder.join("pipeline.yaml"), Pipeline::default().text()).unwrap();
    fs::write(folder.join(".runner/local/endpoints/fraud/image.json"), r#"{"command":["/bin/sh","-c","touch owned"]}"#)
        .unwrap();
    let user = ["-c", "user.name=a", "-c", "user.email=a@example.org"];
    let git = |words: &[&str]| run(&folder, "git", &[&user, words].concat());
    if !git(&["init", "-q"]) {
        note("skipped: no git");
        return;
    }
    assert!(git(&["add", "--all", "--force"]) && git(&["commit", "-qm", "all"]));
    let clone = Scene::bare(&Pipeline::default());
    fs::remove_file(clone.path("pipeline.yaml")).unwrap();
    assert!(run(&clone.path("."), "git", &["clone", "-q", &folder.display().to_string(), "."]));
    refused(&clone, "it bears no mark of this machine and user");
    assert!(!clone.path("owned").exists());
}

#[test]
fn a_folder_that_a_repository_keeps_is_refused_although_it_is_ours() {
    let scene = Scene::new(&Pipeline::default());
    scene.runner(&["local", "status"]).exits(0);
    let git = |words: &[&str]| run(&scene.path("."), "git", words);
    if !git(&["init", "-q"]) {
        note("skipped: no git");
        return;
    }
    if !scene.path(".runner").exists() {
        make_own(&scene.path(".runner"));
    }
    fs::create_dir_all(scene.path(".runner/local/endpoints")).unwrap();
    fs::write(scene.path(".runner/local/endpoints/image.json"), "{}").unwrap();
    scene.runner(&["status"]).exits(0);
    assert!(git(&["add", "--force", ".runner/local/endpoints/image.json"]));
    for command in COMMANDS {
        let said = scene.runner(command).exits(1).stderr;
        for words in
            ["`.runner` is in a git repository", "can change `.runner/local/endpoints/image.json`", "git rm -r"]
        {
            assert!(said.contains(words), "{command:?}: {words} is not in {said}");
        }
    }
    assert!(git(&["rm", "-q", "-r", "--cached", ".runner"]));
    scene.runner(&["status"]).exits(0);
}
