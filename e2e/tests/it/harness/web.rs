//! A web server on this machine, of a few fixed answers.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// For a client that connects and says nothing.
const PATIENCE: Duration = Duration::from_secs(10);

/// A server on 127.0.0.1 that answers by path, and remembers what it was asked for.
pub(crate) struct Web {
    port: u16,
    asked: Arc<Mutex<Vec<String>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Web {
    /// Serves these answers, each as it goes over the wire; 404 for any other path.
    pub(crate) fn new(answers: &[(&'static str, Vec<u8>)]) -> Self {
        Self::serving(|_| answers.to_vec())
    }

    /// The same, where the answers hang on the server's own URL.
    pub(crate) fn serving(answers: impl FnOnce(&str) -> Vec<(&'static str, Vec<u8>)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (asked, stop) = (Arc::<Mutex<Vec<String>>>::default(), Arc::<AtomicBool>::default());
        let answers: BTreeMap<_, _> = answers(&format!("http://127.0.0.1:{port}")).into_iter().collect();
        let thread = thread::spawn({
            let (asked, stop) = (Arc::clone(&asked), Arc::clone(&stop));
            move || {
                for stream in listener.incoming() {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    if let Some(path) = answer(stream.unwrap(), &answers) {
                        asked.lock().unwrap().push(path);
                    }
                }
            }
        });
        Self { port, asked, stop, thread: Some(thread) }
    }

    /// The URL of a path.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// Paths asked for so far, in order.
    pub(crate) fn asked(&self) -> Vec<String> {
        // The client may have its answer before the path is written down.
        thread::sleep(Duration::from_millis(20));
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        _ = TcpStream::connect(("127.0.0.1", self.port));
        if let Some(thread) = self.thread.take() {
            _ = thread.join();
        }
    }
}

/// The answer with this body.
pub(crate) fn ok(body: &str) -> Vec<u8> {
    said_to_have(body.len(), body)
}

/// The answer with this body and a header that may lie about its length.
pub(crate) fn said_to_have(bytes: usize, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {bytes}\r\n\r\n{body}").into_bytes()
}

/// The answer that what is wanted is elsewhere.
pub(crate) fn moved(to: &str) -> Vec<u8> {
    format!("HTTP/1.1 302 Found\r\nconnection: close\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n").into_bytes()
}

/// Answers one request; its path, unless the client went away.
fn answer(mut stream: TcpStream, answers: &BTreeMap<&str, Vec<u8>>) -> Option<String> {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    let first = lines.next()?.ok()?;
    // The whole request is read, since closing a connection with unread bytes resets it.
    while !lines.next()?.ok()?.is_empty() {}
    let path = first.split(' ').nth(1)?.to_owned();
    let missing = b"HTTP/1.1 404 Not Found\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
    _ = stream.write_all(answers.get(&*path).map_or(missing, |answer| answer.as_slice()));
    Some(path)
}
