//! CloudWatch Logs: groups, streams, lines.

use crate::Cloud;
use crate::call::{Call, Refusal, Reply};
use crate::cloud::Config;
use crate::state::StateError;

/// The service's state.
#[derive(Debug)]
pub struct Logs {}

impl Logs {
    /// Reads the state.
    pub fn open(_config: &Config) -> Result<Self, StateError> {
        Ok(Self {})
    }

    /// Whether no log group exists.
    pub fn is_empty(&self) -> bool {
        true
    }

    /// Appends one line, creating the group (without retention, as AWS does) and stream at need.
    pub fn append(&self, _group: &str, _stream: &str, _line: &str) {}
}

/// Answers one call in JSON 1.1.
pub async fn handle(_cloud: &Cloud, call: &Call) -> Reply {
    Err(Refusal::new(400, "UnknownOperationException", format!("unknown operation {}", call.operation)))
}
