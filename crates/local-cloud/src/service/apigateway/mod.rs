//! API Gateway v2 HTTP APIs: control plane and data plane.
//!
//! HTTP APIs with Lambda proxy integrations, payload 2.0, routes without authorizers, stages, throttling and CORS.
//! What else AWS knows is refused by name, never ignored. A stage serves the API as it is now: a deployment is a
//! record without a copy of the routes.

mod answer;
mod control;
mod cors;
mod data_plane;
mod event;
mod needs;
#[expect(clippy::struct_field_names, reason = "the fields are named as the wire names them")]
mod resource;
mod route;
mod stages;
mod tags;
#[cfg(test)]
mod tests;
mod throttle;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};

use crate::Cloud;
use crate::call::{Call, Reply};
use crate::cloud::Config;
use crate::state::{Persisted, StateError};

pub use needs::needs;

/// The service's state.
#[derive(Debug)]
pub struct ApiGateway {
    apis: Persisted<BTreeMap<String, resource::Entry>>,
    buckets: throttle::Buckets,
}

impl ApiGateway {
    /// Reads the state.
    pub fn open(config: &Config) -> Result<Self, StateError> {
        let dir = config.state_dir.join("apigateway");
        Ok(Self { apis: Persisted::open(&dir, "apis")?, buckets: throttle::Buckets::default() })
    }

    /// Whether no API exists.
    pub fn is_empty(&self) -> bool {
        self.apis.read(BTreeMap::is_empty)
    }
}

/// Answers one control-plane call in REST-JSON.
pub fn handle(cloud: &Arc<Cloud>, call: &Call) -> impl Future<Output = Reply> {
    // The server awaits every service alike, though nothing here waits.
    std::future::ready(control::handle(cloud, call))
}

/// Answers one request of the public: `path` is what follows the API's own prefix and begins with `/`.
pub async fn serve(cloud: &Arc<Cloud>, api_id: &str, path: &str, request: Request<Bytes>) -> Response<Bytes> {
    data_plane::serve(cloud, api_id, path, request).await
}
