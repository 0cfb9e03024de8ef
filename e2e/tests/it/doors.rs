//! Who gets what, of those who listen where a cloud did, or knock where one does.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::harness::{Pipeline, Scene, runner};

const OURS: &str = "pipeline.yaml";

/// The secret of the scene's cloud.
fn secret(scene: &Scene) -> String {
    let address = std::fs::read(scene.path(".runner/local/cloud.json")).unwrap();
    let address: serde_json::Value = serde_json::from_slice(&address).unwrap();
    address["secret_access_key"].as_str().unwrap().to_owned()
}

/// Answers every request as a cloud with this process id might, and writes down what comes.
fn impersonate(listener: &TcpListener, pid: i32, heard: &Mutex<Vec<u8>>, over: &AtomicBool) {
    listener.set_nonblocking(true).unwrap();
    let nonce = "0".repeat(32);
    let body = format!(r#"{{"pid":{pid},"empty":true,"nonce":"{nonce}","proof":"{nonce}{nonce}"}}"#);
    let answer =
        format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len()).into_bytes();
    while !over.load(Ordering::Relaxed) {
        let Ok((mut stream, _)) = listener.accept() else {
            std::thread::sleep(Duration::from_millis(5));
            continue;
        };
        stream.set_nonblocking(false).unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        let mut buffer = vec![0; 65536];
        let count = stream.read(&mut buffer).unwrap_or(0);
        heard.lock().unwrap().extend_from_slice(&buffer[..count]);
        // Whoever has left does not read it.
        let _ = stream.write_all(&answer);
    }
}

#[test]
fn whoever_holds_the_port_of_a_cloud_gets_no_secret_and_is_not_taken_for_it() {
    let scene = Scene::new(&Pipeline::default());
    scene.apply();
    let (aws, secret) = (scene.aws(), secret(&scene));
    scene.runner(&["local", "stop"]).exits(0);
    let listener = TcpListener::bind(("127.0.0.1", aws.port)).unwrap();
    let (heard, over) = (Mutex::default(), AtomicBool::new(false));
    // Judged only once the other thread has ended: it would wait for ever for a test that has failed.
    let ran = std::thread::scope(|scope| {
        scope.spawn(|| impersonate(&listener, aws.pid, &heard, &over));
        let commands: [&[&str]; 5] =
            [&["local", "status"], &["local", "stop"], &["local", "env"], &["plan"], &["teardown"]];
        let ran = commands.map(|command| scene.runner(command));
        over.store(true, Ordering::Relaxed);
        ran
    });
    drop(listener);
    let heard = String::from_utf8_lossy(&heard.into_inner().unwrap()).into_owned();
    assert!(heard.contains("GET /_local/health?nonce="), "{heard}");
    assert!(!heard.contains(&secret), "{heard}");
    assert!(!heard.contains("POST ") && !heard.contains("authorization"), "{heard}");
    let [status, stop, env, plan, teardown] = ran;
    assert!(status.exits(0).stdout.contains("no local cloud runs"));
    assert!(stop.exits(0).stdout.contains("no local cloud runs"));
    for refused in [env, plan, teardown] {
        let refused = refused.exits(1);
        assert!(!refused.stdout.contains(&secret), "{}", refused.stdout);
    }
    scene.keeps_all(OURS);
}

#[test]
fn the_children_of_a_cloud_that_is_killed_end_with_it() {
    let scene = Scene::new(&Pipeline::default());
    scene.apply();
    scene.answers(OURS);
    let pid = scene.aws().pid;
    assert!(scene.processes().len() >= 3, "cloud, model server and function: {:?}", scene.processes());
    kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
    let begun = Instant::now();
    while !scene.processes().is_empty() {
        assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", scene.processes());
        std::thread::sleep(Duration::from_millis(20));
    }
    scene.answers(OURS);
}

#[test]
fn a_log_that_has_grown_makes_room_and_keeps_its_end() {
    let scene = Scene::new(&Pipeline::default());
    scene.apply();
    let log = scene.path(".runner/local/cloud.log");
    let mut file = std::fs::OpenOptions::new().append(true).open(&log).unwrap();
    file.write_all(&b"a line of a cloud that has run for long\n".repeat(300_000)).unwrap();
    let aws = scene.aws();
    for _ in 0..600 {
        aws.ask_iam("ListRoles", &[]);
    }
    let length = |file: &std::path::Path| std::fs::metadata(file).unwrap().len();
    assert!(length(&log) < 1024 * 1024, "{}", length(&log));
    assert!(length(&scene.path(".runner/local/cloud.log.1")) > 10_000_000);
    assert!(scene.runner(&["local", "logs"]).exits(0).stdout.contains("ListRoles"));
}

#[test]
fn a_cloud_whose_log_cannot_be_written_keeps_answering() {
    let scene = Scene::new(&Pipeline::default());
    scene.apply();
    scene.runner(&["local", "stop"]).exits(0);
    let full = || Stdio::from(std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap());
    let mut command = Command::new(runner());
    command.args(["local", "serve", "--region", "us-east-1", "--state"]).arg(scene.path(".runner/local"));
    let mut cloud = command.stdin(Stdio::null()).stdout(full()).stderr(full()).spawn().unwrap();
    let begun = Instant::now();
    while !scene.runner(&["local", "status"]).exits(0).stdout.contains("runs at") {
        assert!(begun.elapsed() < Duration::from_secs(20) && cloud.try_wait().unwrap().is_none());
        std::thread::sleep(Duration::from_millis(50));
    }
    for _ in 0..3 {
        scene.answers(OURS);
    }
    scene.runner(&["local", "stop"]).exits(0);
    assert_eq!(cloud.wait().unwrap().code(), Some(0));
}
