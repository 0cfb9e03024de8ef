//! The decisions about roles: who asked for what, and whether it was allowed.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use serde::Serialize;

/// How many decisions are remembered; the oldest go first.
const MAX_ENTRIES: usize = 100_000;

/// One decision about a role, or about one of its sessions.
#[derive(Clone, Debug, Serialize)]
pub struct Decided {
    /// Order of the decisions, from 1.
    pub seq: u64,
    /// When it was made.
    pub time: Timestamp,
    /// ARN of the session; of the role, when a service acted as it.
    pub caller: String,
    /// For example `s3:GetObject`.
    pub action: String,
    /// ARN, or `*`.
    pub resource: String,
    /// What was decided.
    pub allowed: bool,
}

/// The latest decisions.
#[derive(Debug, Default)]
pub(super) struct Decisions(Mutex<(u64, VecDeque<Decided>)>);

impl Decisions {
    pub(super) fn push(&self, caller: &str, action: &str, resource: &str, allowed: bool) {
        let mut log = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        log.0 += 1;
        let seq = log.0;
        if log.1.len() == MAX_ENTRIES {
            log.1.pop_front();
        }
        let (caller, action, resource) = (caller.to_owned(), action.to_owned(), resource.to_owned());
        log.1.push_back(Decided { seq, time: Timestamp::now(), caller, action, resource, allowed });
    }

    pub(super) fn list(&self, keep: impl Fn(&Decided) -> bool) -> Vec<Decided> {
        let log = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        log.1.iter().filter(|decided| keep(decided)).cloned().collect()
    }

    pub(super) fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1.clear();
    }
}
