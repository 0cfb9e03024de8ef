//! What grows with requests: nothing that answers them may. Judged by the resident size of each process.
//!
//! Over 300,000 requests each, a build without optimisation takes more than ten minutes on two slow cores that others use
//! too. The limit is for 100,000 requests and holds over any number, so that fewer do. They come in rounds, and the
//! steadiest round is judged: what grows with every request grows in every round, and a pool that is filled does not.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::harness::{Pipeline, Scene, lambda_proxy, runner};

/// Bytes that a process may grow by in 100,000 requests: an eighth of what `_X_AMZN_TRACE_ID` cost.
const LIMIT: f64 = 2.0 * 1024.0 * 1024.0;
/// Requests to the model server, after those that fill its pools.
const TO_MODEL: u64 = 100_000;
/// Requests to the local cloud: each is signed, asked of IAM, logged and passed on.
const TO_CLOUD: u64 = 5_000;
/// Events of the function, each of which the SDK passes on.
const TO_PROXY: u64 = 5_000;
/// Rounds that the requests come in.
const ROUNDS: u64 = 5;
/// Where the cloud keeps what endpoints serve, by the endpoint's name.
const RUN: &str = ".runner/local/sagemaker/run/";
/// Longest that one program may take.
const PATIENCE: Duration = Duration::from_mins(10);

fn resident_bytes(pid: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse::<f64>().unwrap() * 1024.0
}

/// Sends requests in rounds, and judges the round in which the process grew least.
#[track_caller]
fn must_not_grow(what: &str, pid: u32, requests: u64, mut send: impl FnMut(u64)) {
    let mut sizes = vec![resident_bytes(pid)];
    for _ in 0..ROUNDS {
        send(requests / ROUNDS);
        sizes.push(resident_bytes(pid));
    }
    let least = sizes.windows(2).map(|pair| pair[1] - pair[0]).fold(f64::INFINITY, f64::min);
    let grown = least * 100_000.0 * ROUNDS as f64 / requests as f64;
    let sizes: Vec<_> = sizes.iter().map(|bytes| bytes / 1024.0).collect();
    assert!(grown < LIMIT, "{what} grew by {:.0} KiB in 100,000 requests: {sizes:?} KiB", grown / 1024.0);
}

/// Sends the same request again and again over four connections.
fn repeat(port: u16, request: &[u8], times: u64) {
    let left = AtomicU64::new(times);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
                stream.set_nodelay(true).unwrap();
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
                    stream.write_all(request).unwrap();
                    let (head, _) = read_message(&mut stream).unwrap();
                    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
                }
            });
        }
    });
}

/// One request or answer: its head, and its body by `content-length`. None when the connection has ended.
fn read_message(stream: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 8192]);
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().unwrap())
            });
            let mut body = bytes.split_off(end + 4);
            let length = length.unwrap_or(0);
            while body.len() < length {
                let count = stream.read(&mut buffer).ok().filter(|count| *count > 0)?;
                body.extend_from_slice(&buffer[..count]);
            }
            return Some((head, body));
        }
        let count = stream.read(&mut buffer).ok().filter(|count| *count > 0)?;
        bytes.extend_from_slice(&buffer[..count]);
    }
}

/// A process that ends with the test.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_model_server_and_the_cloud_do_not_grow_with_requests() {
    // What CloudWatch measures is kept for three hours in slots of a second. Slots of the usual 10 ms would fill meanwhile.
    let local = "{ iam-propagation-ms: 0, second-ms: 1000 }".to_owned();
    let scene = Scene::new(&Pipeline { local, ..Pipeline::default() });
    scene.apply();
    let aws = scene.aws();
    let model = scene.files().into_iter().find(|file| file.starts_with(RUN) && file.ends_with("/model")).unwrap();
    let endpoint = model[RUN.len()..].split('/').next().unwrap();
    // Columns that are not there are missing values.
    let row = "0.5";
    let invoke = aws.written("sagemaker", "POST", &format!("/endpoints/{endpoint}/invocations"), row);
    let pid = u32::try_from(aws.pid).unwrap();
    // The request log fills.
    repeat(aws.port, &invoke, 11_000);
    must_not_grow("the local cloud", pid, TO_CLOUD, |requests| repeat(aws.port, &invoke, requests));

    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut command = Command::new(runner());
    command.args(["model-server", "serve"]).env("MODEL_DIR", scene.path(&model)).env("PORT", port.to_string());
    let server = Ended(command.env("BIND_ADDRESS", "127.0.0.1").stdout(Stdio::null()).spawn().unwrap());
    let begun = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(begun.elapsed() < Duration::from_secs(20), "the model server does not listen");
        std::thread::sleep(Duration::from_millis(20));
    }
    let request = format!(
        "POST /invocations HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: text/csv\r\ncontent-length: {}\r\n\r\n{row}",
        row.len()
    );
    repeat(port, request.as_bytes(), 10_000);
    must_not_grow("the model server", server.0.id(), TO_MODEL, |requests| repeat(port, request.as_bytes(), requests));
}

/// The Runtime API, which has another trace id for each event as AWS has, and the endpoint behind the function.
fn serve_function(listener: &TcpListener, events: &Arc<AtomicU64>) {
    for stream in listener.incoming() {
        let (mut stream, events) = (stream.unwrap(), Arc::clone(events));
        std::thread::spawn(move || {
            stream.set_nodelay(true).unwrap();
            let event = r#"{"body":"{\"a\":1,\"b\":2}","requestContext":{"requestId":"r"}}"#;
            while let Some((head, _)) = read_message(&mut stream) {
                let line = head.lines().next().unwrap().to_owned();
                let answer = if line.ends_with("/invocation/next HTTP/1.1") {
                    let number = events.fetch_add(1, Ordering::Relaxed);
                    format!(
                        "HTTP/1.1 200 OK\r\nlambda-runtime-aws-request-id: {number:08x}-0000-4000-8000-000000000000\r\n\
                         lambda-runtime-deadline-ms: 9999999999999\r\n\
                         lambda-runtime-invoked-function-arn: arn:aws:lambda:us-east-1:123456789012:function:f\r\n\
                         lambda-runtime-trace-id: Root=1-{number:08x}-{number:024x};Parent={number:016x};Sampled=0\r\n\
                         content-type: application/json\r\ncontent-length: {}\r\n\r\n{event}",
                        event.len()
                    )
                } else if line.contains("/invocations ") {
                    "HTTP/1.1 200 OK\r\ncontent-type: text/csv\r\ncontent-length: 4\r\n\r\n0.25".to_owned()
                } else {
                    "HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n".to_owned()
                };
                if stream.write_all(answer.as_bytes()).is_err() {
                    return;
                }
            }
        });
    }
}

#[test]
fn the_function_does_not_grow_with_events() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let events = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&events);
    std::thread::spawn(move || serve_function(&listener, &counted));
    let mut command = Command::new(lambda_proxy());
    command.env_clear().stdout(Stdio::null()).envs([
        ("AWS_LAMBDA_FUNCTION_NAME", "f"),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128"),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("ENDPOINT_NAME", "fraud"),
        ("DECISION_FIELD", "is_fraud"),
        ("SCORE_FIELD", "fraud_score"),
        ("THRESHOLD", "0.5"),
        ("FEATURES", "a,b"),
        ("AWS_LAMBDA_RUNTIME_API", &address),
        ("AWS_ENDPOINT_URL", &format!("http://{address}")),
    ]);
    let function = Ended(command.spawn().unwrap());
    let mut awaited = 0;
    let mut send = |requests: u64| {
        awaited += requests;
        let begun = Instant::now();
        while events.load(Ordering::Relaxed) < awaited {
            assert!(begun.elapsed() < PATIENCE, "{} events", events.load(Ordering::Relaxed));
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    send(3_000);
    must_not_grow("the function", function.0.id(), TO_PROXY, send);
}
