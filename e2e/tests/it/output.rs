//! Output that cannot be written, and output that a terminal would obey.

use std::fmt::Write;
use std::fs::{self, File, OpenOptions};
use std::process::{Command, Stdio};

use crate::harness::{Pipeline, Scene};

/// Exit code of a result that cannot be written, as in `sysexits.h`.
const UNWRITTEN: i32 = 74;

/// Title, clipboard, clear screen, a C1 control in place of ESC, DEL, and text that reads backwards; no line feed.
const ATTACK: &str = "\u{1b}]0;owned\u{7}\u{1b}]52;c;cm0=\u{7}\u{1b}[2J\u{9b}31m\u{7f}\u{202e}\u{2066}x";

fn full() -> File {
    OpenOptions::new().write(true).open("/dev/full").unwrap()
}

/// What the runner does with this on both outputs: exit code and stderr.
fn ended(mut command: Command, stdout: impl Into<Stdio>, stderr: impl Into<Stdio>) -> (Option<i32>, String) {
    let child = command.stdout(stdout).stderr(stderr).spawn().unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!said.contains("panicked"), "{said}");
    (output.status.code(), said)
}

#[track_caller]
fn is_safe(text: &str) {
    let obeyed = |c: &char| {
        (c.is_control() && *c != '\n' && *c != '\t') || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    assert_eq!(text.chars().find(obeyed), None, "{text:?}");
}

#[test]
fn a_result_that_cannot_be_written_has_an_exit_code_of_its_own() {
    let scene = Scene::new(&Pipeline::default());
    for arguments in [
        &["plan"][..],
        &["plan", "--format", "json"],
        &["plan", "--format", "json", "--detailed-exitcode"],
        &["apply"],
        &["apply", "--format", "json"],
        &["status"],
        &["doctor"],
        &["policy"],
        &["local", "status"],
        &["local", "env"],
        &["report", "--no-open"],
        &["teardown"],
        &["--help"],
        &["--version"],
    ] {
        let (code, said) = ended(scene.command(arguments), full(), Stdio::piped());
        assert_eq!(code, Some(UNWRITTEN), "{arguments:?}: {said}");
        let because =
            "error: could not write the result to standard output\n  because: No space left on device (os error 28)";
        assert!(said.contains(because), "{arguments:?}: {said}");
        // Nobody can be told, and what was done counts.
        let (code, _) = ended(scene.command(arguments), full(), full());
        assert_eq!(code, Some(UNWRITTEN), "{arguments:?}");
    }
}

#[test]
fn what_cannot_be_said_on_the_way_stops_nothing() {
    let scene = Scene::new(&Pipeline::default());
    assert_eq!(ended(scene.command(&["plan", "no-such-file"]), full(), full()).0, Some(64));
    assert_eq!(ended(scene.command(&["apply"]), Stdio::null(), full()).0, Some(0));
    scene.keeps_all("pipeline.yaml");
    assert_eq!(ended(scene.command(&["doctor"]), Stdio::null(), full()).0, Some(0));
    assert_eq!(
        ended(scene.command(&["report", "--no-open", "--output", "/dev/full"]), Stdio::null(), full()).0,
        Some(64)
    );
    assert_eq!(ended(scene.command(&["teardown"]), Stdio::null(), full()).0, Some(0));
    scene.runner(&["status"]).exits(0);
}

#[test]
fn a_reader_who_has_read_enough_is_no_error() {
    let scene = Scene::new(&Pipeline::default());
    // Both ends of these pipes are closed before anything is printed.
    for arguments in [&["apply"][..], &["plan"], &["status"], &["doctor"], &["policy"], &["teardown"]] {
        let closed = || {
            let (reader, writer) = std::io::pipe().unwrap();
            drop(reader);
            Stdio::from(writer)
        };
        assert_eq!(ended(scene.command(arguments), closed(), closed()).0, Some(0), "{arguments:?}");
    }
}

#[test]
fn nothing_that_others_wrote_reaches_the_terminal_as_a_command() {
    let file = format!("rows{ATTACK}.csv");
    let train =
        |data: &str, more: &str| Pipeline::train(format!("{{ data: \"{data}\", features: [V1, V2]{more} }}")).text();
    // In YAML's escapes, since a file of YAML may not hold most of these characters.
    let mut escaped = String::new();
    for c in file.chars() {
        write!(escaped, "\\U{:08x}", u32::from(c)).unwrap();
    }
    let scene = Scene::with_text(&train(&escaped, ""));
    fs::write(scene.path(&file), "V1,V2,Class\n1,2,0\n3,4,1\n").unwrap();
    for arguments in
        [&["plan"][..], &["plan", "--format", "json"], &["doctor"], &["doctor", "--format", "json"], &["status"]]
    {
        let ran = scene.runner(arguments);
        is_safe(&ran.stdout);
        is_safe(&ran.stderr);
    }
    let planned = scene.runner(&["plan"]).exits(0).stdout;
    assert!(planned.contains("rows\\u{1b}]0;owned\\u{7}"), "{planned}");
    let read: serde_json::Value = scene.runner(&["plan", "--format", "json"]).exits(0).json();
    assert!(read.to_string().contains("owned\\u0007"), "JSON says the same");

    // Columns, cells and names in errors; a name of a pipeline file.
    fs::write(scene.path(&file), format!("V1,{ATTACK},Class\n1,2,0\n3,4,1\n")).unwrap();
    is_safe(&scene.runner(&["plan"]).exits(64).stderr);
    fs::write(scene.path(&file), format!("V1,V2,Class\n1,{ATTACK},0\n3,4,1\n")).unwrap();
    is_safe(&scene.runner(&["plan"]).exits(64).stderr);
    let named = format!("pipeline{ATTACK}.yaml");
    is_safe(&scene.runner(&["plan", &named]).exits(64).stderr);
    fs::write(scene.path(&named), "name: [\n").unwrap();
    is_safe(&scene.runner(&["plan", &named]).exits(64).stderr);
    fs::write(scene.path(&named), format!("name: \u{9b}x\u{202e}\n# {ATTACK}\nstages: 1\n")).unwrap();
    is_safe(&scene.runner(&["plan", &named]).exits(64).stderr);
    is_safe(&scene.runner(&["plan", "--target", ATTACK]).exits(64).stderr);

    // Colours are ours alone.
    let coloured = scene.runner_with(&["plan", &named], &[("CLICOLOR_FORCE", "1")]).exits(64).stderr;
    let without_ours: String =
        coloured.split('\u{1b}').map(|part| part.split_once('m').map_or(part, |(_, rest)| rest)).collect();
    is_safe(&without_ours);
}

#[test]
fn what_a_training_and_a_container_print_is_shown_and_not_obeyed() {
    let scene = crate::own_training::scene_with_model(&crate::own_training::command("sh, src/train.sh", ""));
    fs::write(scene.path("said"), format!("said {ATTACK}\n")).unwrap();
    fs::write(scene.path("src/train.sh"), "cat said\nexit 1\n").unwrap();
    let failed = scene.runner(&["apply"]).exits(1);
    assert!(failed.stderr.contains("train: | said \\u{1b}]0;owned"), "{}", failed.stderr);
    is_safe(&failed.stderr);

    let scene = Scene::new(&Pipeline::default()).scripted();
    fs::write(scene.path("said"), format!("said {ATTACK}\n")).unwrap();
    scene.serve_after(&format!("cat '{}'\nexit 1\n", scene.path("said").display()));
    let failed = scene.runner(&["apply"]).exits(1);
    assert!(failed.stderr.contains("owned"), "{}", failed.stderr);
    is_safe(&failed.stderr);
    let log = scene.path(".runner/local/cloud.log");
    let before = fs::read_to_string(&log).unwrap_or_default();
    fs::write(&log, format!("{before}line {ATTACK}\n")).unwrap();
    let logs = scene.runner(&["local", "logs"]).exits(0).stdout;
    assert!(logs.contains("line \\u{1b}]0;owned"), "{logs}");
    is_safe(&logs);
}
