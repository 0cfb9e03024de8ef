//! Who gets what, of those who listen where a cloud did, or knock where one does.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::harness::{Pipeline, Scene};

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
        let mut buffer = [0; 65536];
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
