//! Roles and policies, and the decision whether a role may do something.

use crate::Cloud;
use crate::call::{Call, Refusal, Reply};
use crate::cloud::Config;
use crate::state::StateError;

/// Temporary credentials of a role session.
#[derive(Clone, Debug)]
pub struct Session {
    /// Begins `ASIA`.
    pub access_key_id: String,
    /// Secret key.
    pub secret_access_key: String,
    /// Goes into `X-Amz-Security-Token`.
    pub session_token: String,
}

/// The service's state.
#[derive(Debug)]
pub struct Iam {}

impl Iam {
    /// Reads the state.
    pub fn open(_config: &Config) -> Result<Self, StateError> {
        Ok(Self {})
    }

    /// Whether no role exists.
    pub fn is_empty(&self) -> bool {
        true
    }

    /// Whether `service` (for example `sagemaker.amazonaws.com`) may assume the role now: the role exists, its
    /// trust policy says so under `source_arn` and the account, and the change has propagated.
    pub fn may_assume(&self, _role_arn: &str, _service: &str, _source_arn: &str) -> bool {
        true
    }

    /// Whether the role's policies allow `action` on `resource` now. The error is AWS's sentence:
    /// `User: … is not authorized to perform: … on resource: … because no identity-based policy allows the … action`.
    pub fn authorize(&self, _role_arn: &str, _action: &str, _resource: &str) -> Result<(), String> {
        Ok(())
    }

    /// Credentials that act as the role, valid until the process ends.
    pub fn session(&self, _role_arn: &str, _session_name: &str) -> Session {
        Session { access_key_id: String::new(), secret_access_key: String::new(), session_token: String::new() }
    }
}

/// Answers one call in the query protocol.
pub async fn handle(_cloud: &Cloud, call: &Call) -> Reply {
    Err(Refusal::new(400, "InvalidAction", format!("Could not find operation {}", call.operation)))
}
