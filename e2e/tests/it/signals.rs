//! Signals that end the runner, and what becomes of the programs that it started.

use std::fs;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::harness::Scene;
use crate::own_training::{command, scene_with_model};

/// For what must come about, however slow the machine.
const LIMIT: Duration = Duration::from_mins(1);

/// A training of two processes, one of which never ends by itself, that waits for the file `go`.
const SCRIPT: &str = "echo run >> runs\n\
                      sh -c 'while true; do echo tick >> ticks; sleep 0.05; done' &\n\
                      while ! test -e go; do sleep 0.05; done\n\
                      cp src/made.json out.json\n";

fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < LIMIT, "not within {} s: {what}", LIMIT.as_secs());
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn send(child: &Child, signal: Signal) {
    kill_process(Pid::from_raw(child.id().try_into().unwrap()).unwrap(), signal).unwrap();
}

/// A scene in which `apply` runs this training, and has begun to.
fn training(script: &str) -> (Scene, Child) {
    let scene = scene_with_model(&command("sh, src/train.sh", ""));
    fs::write(scene.path("src/train.sh"), script).unwrap();
    let child = scene.start(&["apply"]);
    wait_for("the training has begun", || scene.path("ticks").exists());
    (scene, child)
}

/// Processes of the training.
fn alive(scene: &Scene) -> Vec<String> {
    scene.processes().into_iter().filter(|words| words.contains("train.sh") || words.contains("ticks")).collect()
}

fn nothing_survives(scene: &Scene) {
    wait_for("the training has ended", || alive(scene).is_empty());
    let ticks = fs::read(scene.path("ticks")).unwrap().len();
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(fs::read(scene.path("ticks")).unwrap().len(), ticks, "something still writes");
}

#[test]
fn the_first_signal_lets_the_training_finish_and_reports() {
    for (signal, name) in [(Signal::TERM, "SIGTERM"), (Signal::HUP, "SIGHUP"), (Signal::INT, "SIGINT")] {
        let (scene, child) = training(SCRIPT);
        send(&child, signal);
        std::thread::sleep(Duration::from_millis(300));
        assert!(!alive(&scene).is_empty(), "{name} ended the training");
        fs::write(scene.path("go"), "").unwrap();
        let ended = child.wait_with_output().unwrap();
        let said = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(130), "{name}: {said}");
        assert!(said.contains(&format!("{name}: finishing what runs; ")), "{said}");
        assert!(said.contains("error: interrupted; still to do: "), "{said}");
        nothing_survives(&scene);
        // What was finished is kept.
        scene.apply();
        assert_eq!(fs::read_to_string(scene.path("runs")).unwrap().lines().count(), 1, "{name}");
    }
}

#[test]
fn the_second_signal_ends_at_once_and_nothing_survives() {
    let (scene, mut child) = training(SCRIPT);
    send(&child, Signal::TERM);
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(child.try_wait().unwrap(), None);
    send(&child, Signal::TERM);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    nothing_survives(&scene);
}

#[test]
fn a_training_ends_with_a_runner_that_is_killed() {
    // The second does not end when it is asked to.
    for script in [SCRIPT, &format!("trap '' TERM\n{SCRIPT}")] {
        let (scene, mut child) = training(script);
        send(&child, Signal::KILL);
        child.wait().unwrap();
        nothing_survives(&scene);
        assert!(!scene.path("out.json").exists());
    }
}

#[test]
fn a_signal_before_anything_is_written_ends_at_once_and_says_so() {
    for (signal, name) in [(Signal::TERM, "SIGTERM"), (Signal::HUP, "SIGHUP")] {
        let scene = Scene::new(&crate::harness::Pipeline::train("{ data: rows.csv, features: [V1, V2] }"));
        // Nobody writes to it, so that reading it never ends.
        assert!(Command::new("mkfifo").arg(scene.path("rows.csv")).status().unwrap().success());
        let child = scene.start(&["apply"]);
        wait_for("the runner waits for signals", || {
            let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
            let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap().trim().to_owned();
            u64::from_str_radix(&caught, 16).unwrap() & (1 << 14) != 0
        });
        send(&child, signal);
        let ended = child.wait_with_output().unwrap();
        let said = String::from_utf8(ended.stderr).unwrap();
        assert_eq!((ended.status.code(), said), (Some(130), format!("ended by {name}; nothing was changed\n")));
    }
}
