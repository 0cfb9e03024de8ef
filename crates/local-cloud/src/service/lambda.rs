//! Lambda: functions, and the uploaded `bootstrap` run under the Runtime API.

use std::sync::Arc;

use bytes::Bytes;

use crate::Cloud;
use crate::call::{Call, Refusal, Reply};
use crate::cloud::Config;
use crate::state::StateError;

/// The service's state.
#[derive(Debug)]
pub struct Lambda {}

impl Lambda {
    /// Reads the state.
    pub fn open(_config: &Config) -> Result<Self, StateError> {
        Ok(Self {})
    }

    /// Whether no function exists.
    pub fn is_empty(&self) -> bool {
        true
    }

    /// Whether the function's resource policy lets `principal` invoke it from `source_arn`.
    pub fn allows(&self, _function_arn: &str, _principal: &str, _source_arn: &str) -> bool {
        true
    }

    /// Ends every function process.
    pub async fn shut_down(&self) {}
}

/// What a function answered: its payload, or the error kind of `X-Amz-Function-Error` with the error document.
pub type Invoked = Result<Bytes, (String, Bytes)>;

/// Runs a function once, starting a process when none is idle.
pub async fn run(_cloud: &Arc<Cloud>, _function_arn: &str, _payload: Bytes) -> Result<Invoked, Refusal> {
    Err(Refusal::new(404, "ResourceNotFoundException", "not here"))
}

/// Answers one call in REST-JSON.
pub async fn handle(_cloud: &Arc<Cloud>, _call: &Call) -> Reply {
    Err(Refusal::new(404, "ResourceNotFoundException", "not here"))
}
