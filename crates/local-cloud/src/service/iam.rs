//! Roles and policies, and the decision whether a role may do something.

mod session;

use crate::Cloud;
use crate::call::{Call, Refusal, Reply};
use crate::cloud::Config;
use crate::state::StateError;

pub use session::Session;
use session::Sessions;

/// The service's state.
#[derive(Debug)]
pub struct Iam {
    sessions: Sessions,
}

impl Iam {
    /// Reads the state.
    pub fn open(config: &Config) -> Result<Self, StateError> {
        Ok(Self { sessions: Sessions::new(config) })
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
    pub fn session(&self, role_arn: &str, session_name: &str) -> Session {
        self.sessions.start(role_arn, session_name)
    }

    /// The key of a session, by its id.
    pub(crate) fn key(&self, access_key_id: &str) -> Option<crate::signature::Key> {
        self.sessions.key(access_key_id)
    }
}

/// Answers one call in the query protocol.
pub async fn handle(_cloud: &Cloud, call: &Call) -> Reply {
    Err(Refusal::new(400, "InvalidAction", format!("Could not find operation {}", call.operation)))
}
