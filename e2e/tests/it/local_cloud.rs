//! The embedded local cloud as a process: found, asked, stopped, hurt.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;
use rustix::process::{Pid, Signal, kill_process};

use crate::harness::{Http, Pipeline, Scene, features};

const OURS: &str = "pipeline.yaml";

/// Ends every connection that is begun, so that nobody has to wait for an answer.
fn hang_up(listener: &TcpListener, over: &AtomicBool) {
    listener.set_nonblocking(true).unwrap();
    while !over.load(Ordering::Relaxed) {
        drop(listener.accept());
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_plan_in_a_fresh_folder_starts_nothing_and_writes_nothing() {
    let scene = Scene::bare(&Pipeline::default());
    scene.runner(&["plan"]).exits(0);
    scene.runner(&["plan", "--teardown"]).exits(0);
    scene.runner(&["status"]).exits(0);
    assert_eq!(scene.files(), Vec::<String>::new());
    assert_eq!(scene.processes(), Vec::<String>::new());
}

#[test]
fn a_teardown_of_nothing_does_nothing() {
    let scene = Scene::bare(&Pipeline::default());
    let ran = scene.runner(&["teardown"]).exits(0);
    insta::assert_snapshot!(ran.stdout, @"Nothing of ours is here.");
    assert_eq!(scene.files(), Vec::<String>::new());
    assert_eq!(scene.processes(), Vec::<String>::new());
}

#[test]
fn after_a_teardown_no_process_and_only_the_cache_remains() {
    let scene = Scene::new(&Pipeline::default());
    scene.apply();
    assert!(scene.processes().len() > 1, "{:?}", scene.processes());
    scene.runner(&["teardown"]).exits(0);
    assert_eq!(scene.processes(), Vec::<String>::new());
    let elsewhere: Vec<_> = scene.files().into_iter().filter(|file| !file.starts_with(".runner/cache")).collect();
    assert_eq!(elsewhere, [".runner", ".runner/.gitignore", ".runner/owner.json"]);
    scene.runner(&["teardown"]).exits(0);
    assert_eq!(scene.processes(), Vec::<String>::new());
}

#[test]
fn what_a_teardown_keeps_is_kept_and_taken_up_again() {
    let keep = Pipeline { teardown: "{ keep: [bucket, logs] }".to_owned(), ..Pipeline::default() };
    let scene = Scene::new(&keep);
    scene.apply();
    scene.runner(&["teardown"]).exits(0);
    let kinds: Vec<_> = scene.aws().inventory().into_iter().map(|(kind, _)| kind).collect();
    let objects = ["object", "object", "object-version", "object-version"];
    assert_eq!(kinds, [&["bucket", "log-group", "log-group", "log-group"], &objects[..]].concat());
    scene.apply();
    scene.keeps_all(OURS);
    scene.answers(OURS);
}

#[test]
fn it_says_where_it_runs_and_ends_when_told() {
    let scene = Scene::new(&Pipeline::default());
    let none = scene.runner(&["local", "status"]).exits(0);
    assert_eq!(none.stdout, "no local cloud runs\n");
    scene.runner(&["local", "env"]).exits(1);
    scene.apply();
    let aws = scene.aws();
    let status = scene.runner(&["local", "status"]).exits(0);
    assert_eq!(status.stdout, format!("the local cloud runs at {} as process {}\n", aws.base(), aws.pid));
    let env = scene.runner(&["local", "env"]).exits(0);
    assert!(env.stdout.contains(&format!("export AWS_ENDPOINT_URL={}\n", aws.base())), "{}", env.stdout);
    assert!(env.stdout.contains("export AWS_SECRET_ACCESS_KEY="), "{}", env.stdout);
    let logs = scene.runner(&["local", "logs"]).exits(0);
    assert!(logs.stdout.contains("CreateRole"), "{}", logs.stdout);
    scene.runner(&["local", "stop"]).exits(0);
    assert_eq!(scene.processes(), Vec::<String>::new());
    let again = scene.runner(&["local", "stop"]).exits(0);
    assert_eq!(again.stdout, "no local cloud runs\n");
    scene.keeps_all(OURS);
    scene.answers(OURS);
}

#[test]
fn it_comes_back_at_the_same_address_after_a_kill() {
    let scene = Scene::new(&Pipeline::default());
    scene.apply();
    let (url, pid) = (scene.url(OURS), scene.aws().pid);
    let before = scene.answers(OURS);
    kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
    scene.keeps_all(OURS);
    assert_ne!(scene.aws().pid, pid);
    assert_eq!(scene.url(OURS), url);
    scene.apply();
    assert_eq!(scene.answers(OURS).text, before.text);
    scene.runner(&["teardown"]).exits(0);
    assert_eq!(scene.processes(), Vec::<String>::new());
}

#[test]
fn it_answers_on_the_loopback_interface_alone() {
    let scene = Scene::new(&Pipeline::default());
    scene.apply();
    let port = scene.aws().port;
    let reaches = |address: &str| {
        let address: SocketAddr = format!("{address}:{port}").parse().unwrap();
        TcpStream::connect_timeout(&address, Duration::from_secs(2)).is_ok()
    };
    assert!(reaches("127.0.0.1"));
    // Every address of 127.0.0.0/8 is this machine's, so a server on all interfaces would answer here.
    assert!(!reaches("127.0.0.2"));
    assert!(!reaches("[::1]"));
}

#[test]
fn whoever_does_not_sign_is_refused() {
    let scene = Scene::new(&Pipeline::default());
    scene.apply();
    let base = scene.aws().base();
    let http = Http::new();
    let get = |path: &str| Request::get(format!("{base}{path}")).body(Full::new(Bytes::new())).unwrap();
    for path in ["/", "/v2/apis", "/2015-03-31/functions/", "/fraud-000000000000-us-east-1", "/_local/requests"] {
        assert_eq!(http.send(get(path)).status, 403, "{path}");
    }
    let target = Request::post(format!("{base}/")).header("x-amz-target", "SageMaker.ListModels");
    let answer = http.send(target.body(Full::new(Bytes::from("{}"))).unwrap());
    assert!(matches!(answer.status, 400 | 403), "{answer:?}");
    assert!(!answer.text.contains("fraud-"), "{answer:?}");
    // The deployed API is public, as it is on AWS.
    assert_eq!(http.post(&scene.url(OURS), &features()).status, 200);
}

#[test]
fn a_taken_port_is_said_and_nothing_is_lost() {
    let scene = Scene::new(&Pipeline::default());
    scene.apply();
    let port = scene.aws().port;
    scene.runner(&["local", "stop"]).exits(0);
    let taken = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let over = AtomicBool::new(false);
    // Judged only once the other thread has ended: it would wait for ever for a test that has failed.
    let ran = std::thread::scope(|scope| {
        scope.spawn(|| hang_up(&taken, &over));
        let ran = ["plan", "apply", "status", "teardown"].map(|command| scene.runner(&[command]));
        over.store(true, Ordering::Relaxed);
        ran
    });
    drop(taken);
    for refused in ran {
        let refused = refused.exits(1);
        for said in [&*format!("could not listen on port {port} of 127.0.0.1"), "nothing was lost"] {
            assert!(refused.stderr.contains(said), "{}", refused.stderr);
        }
    }
    scene.keeps_all(OURS);
    scene.answers(OURS);
}

#[test]
fn a_damaged_state_file_is_named_and_left_alone() {
    let scene = Scene::new(&Pipeline::default());
    scene.apply();
    scene.runner(&["local", "stop"]).exits(0);
    let json = |file: &String| Path::new(file).extension().is_some_and(|extension| extension == "json");
    let of_the_cloud = |file: &String| file.starts_with(".runner/local/");
    let states: Vec<_> = scene.files().into_iter().filter(json).filter(of_the_cloud).collect();
    assert!(states.len() > 5, "{states:?}");
    for name in &states {
        let file = scene.path(name);
        let whole = fs::read(&file).unwrap();
        let damaged = &whole[..whole.len() / 2];
        fs::write(&file, damaged).unwrap();
        let refused = scene.runner(&["plan"]).exits(1);
        assert!(refused.stderr.contains(name.rsplit('/').next().unwrap()), "{name}: {}", refused.stderr);
        assert!(refused.stderr.contains("damaged"), "{name}: {}", refused.stderr);
        assert_eq!(fs::read(&file).unwrap(), damaged, "{name}");
        fs::write(&file, whole).unwrap();
    }
    scene.keeps_all(OURS);
    scene.answers(OURS);
}

#[test]
fn two_applies_at_once_start_one_cloud() {
    let scene = Scene::new(&Pipeline::default());
    scene.write_as("neighbour.yaml", &Pipeline { name: "neighbour", ..Pipeline::default() });
    std::thread::scope(|scope| {
        let ours = scope.spawn(|| scene.runner(&["apply", OURS]).exits(0));
        let theirs = scope.spawn(|| scene.runner(&["apply", "neighbour.yaml"]).exits(0));
        ours.join().unwrap();
        theirs.join().unwrap();
    });
    for file in [OURS, "neighbour.yaml"] {
        scene.keeps_all(file);
        scene.answers(file);
    }
}
