//! As much of GitHub's REST API as the scripts use, on this machine.

use std::io::{BufRead, BufReader, Cursor, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::{Value as Json, json};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// The only token that is accepted.
pub(super) const TOKEN: &str = "ghs_test";
/// The plan in the artifact of the pull request that was merged as `merged`.
pub(super) const REVIEWED: &str = r#"{"goal":"present","changes":[]}"#;

/// Comments to a page. Source: GitHub REST API, "List issue comments".
const PAGE: usize = 100;
/// For a client that connects and sends nothing.
const PATIENCE: Duration = Duration::from_secs(10);

/// A stand-in with one repository, `acme/fraud`, and the comments of its pull request 7.
pub(super) struct GitHub {
    port: u16,
    comments: Arc<Mutex<Vec<String>>>,
}

struct Request {
    method: String,
    path: String,
    query: String,
    is_authorized: bool,
    body: Vec<u8>,
}

impl GitHub {
    pub(super) fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let comments = Arc::<Mutex<Vec<String>>>::default();
        let kept = Arc::clone(&comments);
        // Ends with the process of the test.
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let Some(request) = read(&stream) else { continue };
                let (status, more, body) = answer(&request, port, &mut kept.lock().unwrap());
                let head =
                    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n{more}\r\n", body.len());
                _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
            }
        });
        Self { port, comments }
    }

    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Adds what somebody wrote.
    pub(super) fn comment(&self, text: &str) {
        self.comments.lock().unwrap().push(text.to_owned());
    }

    pub(super) fn comments(&self) -> Vec<String> {
        self.comments.lock().unwrap().clone()
    }
}

fn read(stream: &TcpStream) -> Option<Request> {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let (mut is_authorized, mut length) = (false, 0);
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let Some((name, value)) = header.trim_end().split_once(": ") else { break };
        match &*name.to_lowercase() {
            "authorization" => is_authorized = value == format!("Bearer {TOKEN}"),
            "content-length" => length = value.parse().ok()?,
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    Some(Request { method, path: path.to_owned(), query: query.to_owned(), is_authorized, body })
}

fn answer(request: &Request, port: u16, comments: &mut Vec<String>) -> (&'static str, String, Vec<u8>) {
    let ok = |body: &Json| ("200 OK", String::new(), body.to_string().into_bytes());
    if !request.is_authorized {
        return ("401 Unauthorized", String::new(), json!({ "message": "Bad credentials" }).to_string().into_bytes());
    }
    let Some(path) = request.path.strip_prefix("/repos/acme/fraud/") else { return missing() };
    let text = || {
        let body: Json = serde_json::from_slice(&request.body).unwrap();
        body["body"].as_str().unwrap().to_owned()
    };
    match (&*request.method, path) {
        ("GET", "issues/7/comments") => {
            let page = request.query.split('&').find_map(|pair| pair.strip_prefix("page=")?.parse::<usize>().ok());
            let all = comments.iter().enumerate().map(|(id, body)| json!({ "id": id, "body": body }));
            ok(&all.skip((page.unwrap_or(1) - 1) * PAGE).take(PAGE).collect())
        }
        ("POST", "issues/7/comments") => {
            comments.push(text());
            ok(&json!({ "id": comments.len() - 1 }))
        }
        ("PATCH", path) => {
            let id = path.strip_prefix("issues/comments/").and_then(|id| id.parse::<usize>().ok());
            let Some(comment) = id.and_then(|id| comments.get_mut(id)) else { return missing() };
            *comment = text();
            ok(&json!({}))
        }
        ("GET", "commits/merged/pulls") => ok(&json!([
            { "number": 5, "merged_at": null, "head": { "sha": "open" } },
            { "number": 7, "merged_at": "2026-11-02T10:00:00Z", "head": { "sha": "head" } },
        ])),
        ("GET", "commits/old/pulls") => {
            ok(&json!([{ "number": 6, "merged_at": "2026-01-02T10:00:00Z", "head": { "sha": "before" } }]))
        }
        ("GET", "commits/direct/pulls") => ok(&json!([])),
        ("GET", "actions/artifacts") => {
            let artifact = |id: u32, sha: &str, created: &str, expired: bool| {
                json!({
                    "created_at": created, "expired": expired, "workflow_run": { "head_sha": sha },
                    "archive_download_url": format!("http://127.0.0.1:{port}/repos/acme/fraud/actions/artifacts/{id}/zip"),
                })
            };
            ok(&json!({ "artifacts": [
                artifact(1, "another", "2026-11-03T00:00:00Z", false),
                artifact(2, "head", "2026-11-01T00:00:00Z", false),
                artifact(3, "head", "2026-11-02T00:00:00Z", false),
                artifact(4, "before", "2026-01-01T00:00:00Z", true),
            ] }))
        }
        ("GET", "actions/artifacts/3/zip") => {
            let to = format!("location: http://127.0.0.1:{port}/repos/acme/fraud/stored\r\n");
            ("302 Found", to, vec![])
        }
        ("GET", "stored") => ("200 OK", String::new(), archive()),
        _ => missing(),
    }
}

fn missing() -> (&'static str, String, Vec<u8>) {
    ("404 Not Found", String::new(), json!({ "message": "Not Found" }).to_string().into_bytes())
}

fn archive() -> Vec<u8> {
    let mut archive = ZipWriter::new(Cursor::new(vec![]));
    for (name, text) in [("plan.txt", "a plan"), ("plan.json", REVIEWED)] {
        archive.start_file(name, SimpleFileOptions::default()).unwrap();
        archive.write_all(text.as_bytes()).unwrap();
    }
    archive.finish().unwrap().into_inner()
}
