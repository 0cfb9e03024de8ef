//! The request log: who asked what, and what became of it.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use serde::Serialize;

use crate::server::operation::Described;

/// How many requests are remembered; the oldest go first.
const MAX_ENTRIES: usize = 10_000;
/// Bytes of what a request says of itself that are kept. Source: the longest key of S3.
const MAX_TEXT: usize = 1024;

/// One request.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Entry {
    /// Order of arrival, from 1.
    pub(super) seq: u64,
    /// When it arrived.
    pub(super) time: Timestamp,
    /// Signing name, or `execute-api`.
    pub(super) service: &'static str,
    /// For example `CreateRole`.
    pub(super) operation: String,
    /// What it is about, as the request names it; may be empty.
    pub(super) resource: String,
    /// None when the connection ended without an answer.
    pub(super) status: Option<u16>,
    /// Whether such a request changes state, answered or refused.
    pub(super) write: bool,
    /// Until the answer's headers.
    pub(super) duration_ms: f64,
    /// ARN of who signed; none when nobody did, or not truly. Under S3 it is whose key was named: `s3s` checks later.
    pub(super) caller: Option<String>,
    /// The fault that a rule chose.
    pub(super) fault: Option<&'static str>,
    /// As in the answer.
    pub(super) request_id: String,
}

/// The latest requests, in order of their answers.
#[derive(Debug, Default)]
pub(super) struct RequestLog {
    last: AtomicU64,
    entries: Mutex<VecDeque<Entry>>,
}

impl RequestLog {
    /// Begins an entry.
    pub(super) fn entry(&self, service: &'static str, described: &Described, caller: Option<String>) -> Entry {
        Entry {
            seq: self.last.fetch_add(1, Ordering::Relaxed) + 1,
            time: Timestamp::now(),
            service,
            operation: bounded(&described.operation),
            resource: bounded(&described.resource),
            status: None,
            write: described.write,
            duration_ms: 0.0,
            caller,
            fault: None,
            request_id: String::new(),
        }
    }

    /// Keeps a finished entry. Called before the answer leaves, so whoever has an answer finds its entry.
    pub(super) fn push(&self, entry: Entry) {
        let Entry { seq, service, operation, resource, status, write, duration_ms, fault, .. } = &entry;
        tracing::info!(seq, service, operation, resource, status, write, duration_ms, fault, "request");
        let mut entries = self.lock();
        if entries.len() == MAX_ENTRIES {
            entries.pop_front();
        }
        entries.push_back(entry);
    }

    /// The entries in order of arrival.
    pub(super) fn list(&self, keep: impl Fn(&Entry) -> bool) -> Vec<Entry> {
        let mut entries: Vec<Entry> = self.lock().iter().filter(|entry| keep(entry)).cloned().collect();
        entries.sort_by_key(|entry| entry.seq);
        entries
    }

    /// Forgets all entries, but not the count.
    pub(super) fn clear(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The beginning of a text that somebody else made up.
fn bounded(text: &str) -> String {
    let end = text.floor_char_boundary(MAX_TEXT);
    if end == text.len() { text.to_owned() } else { format!("{}…", &text[..end]) }
}
