//! What a function process prints, on its way to the log.

use std::io::{self, ErrorKind};
use std::sync::{Mutex, PoisonError, Weak};

use tokio::net::unix::pipe;

use crate::Cloud;

/// Bytes of output kept for `X-Amz-Log-Result`.
const TAIL: usize = 4096;
/// Bytes after which a line is cut.
const MAX_LINE: usize = 256 * 1024;

/// Where a process's lines go.
#[derive(Clone, Debug)]
pub(super) struct Log {
    pub(super) cloud: Weak<Cloud>,
    pub(super) group: String,
    pub(super) stream: String,
    /// Whether the function's role may write there; without that AWS drops the lines.
    pub(super) permitted: bool,
    /// Whether it may make the group when there is none.
    pub(super) creates: bool,
}

/// Lines of one process, with Lambda's own lines between them in the order of time.
#[derive(Debug)]
pub(super) struct Output {
    log: Log,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    /// Bytes after the last newline.
    partial: Vec<u8>,
    /// What was logged since the invocation began.
    tail: Vec<u8>,
}

impl Output {
    /// Nothing printed yet.
    pub(super) fn new(log: Log) -> Self {
        Self { log, held: Mutex::default() }
    }

    /// Where the lines go.
    pub(super) fn log(&self) -> &Log {
        &self.log
    }

    /// Forgets the tail: an invocation begins.
    pub(super) fn begin(&self) {
        self.lock().tail.clear();
    }

    /// Adds a line of Lambda's own.
    pub(super) fn line(&self, line: &str) {
        let mut held = self.lock();
        self.flush(&mut held);
        self.write(&mut held, line);
    }

    /// The last bytes logged in this invocation.
    pub(super) fn tail(&self) -> Vec<u8> {
        let held = self.lock();
        held.tail[held.tail.len().saturating_sub(TAIL)..].to_vec()
    }

    /// Takes everything the process has printed so far. Says whether the other end is closed.
    pub(super) fn pump(&self, mut read: impl FnMut(&mut [u8]) -> io::Result<usize>) -> io::Result<bool> {
        let mut held = self.lock();
        let mut buffer = [0; 8192];
        loop {
            match read(&mut buffer) {
                Ok(0) => {
                    self.flush(&mut held);
                    return Ok(true);
                }
                Ok(count) => self.add(&mut held, &buffer[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Pumps until the other end is closed.
    pub(super) async fn follow(&self, pipe: &pipe::Receiver) -> io::Result<()> {
        loop {
            pipe.readable().await?;
            if self.pump(|buffer| pipe.try_read(buffer))? {
                return Ok(());
            }
        }
    }

    fn add(&self, held: &mut Held, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            held.partial.extend_from_slice(piece);
            if piece.ends_with(b"\n") || held.partial.len() > MAX_LINE {
                self.flush(held);
            }
        }
    }

    fn flush(&self, held: &mut Held) {
        if held.partial.is_empty() {
            return;
        }
        let bytes = std::mem::take(&mut held.partial);
        let line = String::from_utf8_lossy(&bytes);
        self.write(held, line.trim_end_matches(['\n', '\r']));
    }

    fn write(&self, held: &mut Held, line: &str) {
        held.tail.extend_from_slice(line.as_bytes());
        held.tail.push(b'\n');
        if held.tail.len() > 2 * MAX_LINE {
            let cut = held.tail.len() - TAIL;
            held.tail.drain(..cut);
        }
        if let (true, Some(cloud)) = (self.log.permitted, self.log.cloud.upgrade())
            && (self.log.creates || cloud.logs.has_group(&self.log.group))
        {
            cloud.logs.append(&self.log.group, &self.log.stream, line);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
