//! API Gateway v2 HTTP APIs: control plane and data plane.
//!
//! HTTP APIs with Lambda proxy integrations, payload 2.0, routes that are open or ask for a signature or a token, stages,
//! throttling, CORS and access logs. What else AWS knows is refused by name, never ignored. A stage serves the API as it is now: a deployment is a
//! record without a copy of the routes.

mod access;
mod access_log;
mod answer;
#[expect(clippy::struct_field_names, reason = "the fields are named as the wire names them")]
mod authorizer;
mod control;
mod cors;
mod data_plane;
mod event;
mod issuers;
mod jwt;
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
    management: throttle::Management,
    issuers: issuers::Issuers,
}

impl ApiGateway {
    /// Reads the state.
    pub fn open(config: &Config) -> Result<Self, StateError> {
        Ok(Self {
            apis: Persisted::open(&config.state_dir, "apigateway/apis")?,
            buckets: throttle::Buckets::default(),
            management: throttle::Management::default(),
            issuers: issuers::Issuers::default(),
        })
    }

    /// Whether no API exists.
    pub fn is_empty(&self) -> bool {
        self.apis.read(BTreeMap::is_empty)
    }
}

/// Answers one control-plane call in REST-JSON.
pub async fn handle(cloud: &Arc<Cloud>, call: &Call) -> Reply {
    control::handle(cloud, call).await
}

/// Whether there is such an API, so that somebody may answer its requests.
pub(crate) fn exists(cloud: &Cloud, api_id: &str) -> bool {
    cloud.apigateway.apis.read(|apis| apis.contains_key(api_id))
}

/// Answers one request of the public: `path` is what follows the API's own prefix and begins with `/`.
pub async fn serve(cloud: &Arc<Cloud>, api_id: &str, path: &str, request: Request<Bytes>) -> Response<Bytes> {
    data_plane::serve(cloud, api_id, path, request).await
}
