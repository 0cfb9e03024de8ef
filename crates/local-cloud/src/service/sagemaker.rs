//! SageMaker hosting and its runtime: models, configs, endpoints and the inference servers behind them.

use std::sync::Arc;

use crate::Cloud;
use crate::call::{Call, Refusal, Reply};
use crate::cloud::Config;
use crate::state::StateError;

/// The service's state.
#[derive(Debug)]
pub struct SageMaker {}

impl SageMaker {
    /// Reads the state.
    pub fn open(_config: &Config) -> Result<Self, StateError> {
        Ok(Self {})
    }

    /// Whether no model, config or endpoint exists.
    pub fn is_empty(&self) -> bool {
        true
    }

    /// Ends every inference server.
    pub async fn shut_down(&self) {}
}

/// Starts the servers of the endpoints that the state knows.
pub async fn resume(_cloud: &Arc<Cloud>) {}

/// Answers one control-plane call in JSON 1.1.
pub async fn handle(_cloud: &Arc<Cloud>, call: &Call) -> Reply {
    Err(Refusal::new(400, "UnknownOperationException", format!("unknown operation {}", call.operation)))
}

/// Answers one `POST /endpoints/{name}/invocations`.
pub async fn invoke(_cloud: &Arc<Cloud>, _call: &Call) -> Reply {
    Err(Refusal::new(400, "ValidationError", "not here"))
}
