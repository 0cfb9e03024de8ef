//! API Gateway v2 HTTP APIs: control plane and data plane.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};

use crate::Cloud;
use crate::call::{Call, Refusal, Reply};
use crate::cloud::Config;
use crate::state::StateError;

/// The service's state.
#[derive(Debug)]
pub struct ApiGateway {}

impl ApiGateway {
    /// Reads the state.
    pub fn open(_config: &Config) -> Result<Self, StateError> {
        Ok(Self {})
    }

    /// Whether no API exists.
    pub fn is_empty(&self) -> bool {
        true
    }
}

/// Answers one control-plane call in REST-JSON.
pub async fn handle(_cloud: &Arc<Cloud>, _call: &Call) -> Reply {
    Err(Refusal::new(404, "NotFoundException", "not here"))
}

/// Answers one request of the public: `path` is what follows the API's own prefix and begins with `/`.
pub async fn serve(_cloud: &Arc<Cloud>, _api_id: &str, _path: &str, _request: Request<Bytes>) -> Response<Bytes> {
    Response::new(Bytes::new())
}
