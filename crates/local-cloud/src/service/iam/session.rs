//! Temporary credentials of roles.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use crate::call::Caller;
use crate::cloud::Config;
use crate::signature::{Key, hmac_hex};

/// Temporary credentials of a role session.
#[derive(Clone)]
pub struct Session {
    /// Begins `ASIA`.
    pub access_key_id: String,
    /// Secret key.
    pub secret_access_key: String,
    /// Goes into `X-Amz-Security-Token`.
    pub session_token: String,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("access_key_id", &self.access_key_id).finish_non_exhaustive()
    }
}

/// The sessions that were started. Who asks again for the same role and name gets the same credentials, also after
/// a restart: they are derived from the account's secret.
pub(super) struct Sessions {
    secret: String,
    keys: Mutex<HashMap<String, Key>>,
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions").finish_non_exhaustive()
    }
}

impl Sessions {
    pub(super) fn new(config: &Config) -> Self {
        Self { secret: config.secret_access_key.clone(), keys: Mutex::default() }
    }

    pub(super) fn start(&self, role_arn: &str, name: &str) -> Session {
        let derive = |purpose: &str| hmac_hex(&self.secret, &format!("{purpose}\n{role_arn}\n{name}"));
        let session = Session {
            access_key_id: format!("ASIA{}", derive("access key id")[..16].to_uppercase()),
            secret_access_key: derive("secret access key")[..40].to_owned(),
            session_token: derive("session token"),
        };
        let key = Key {
            secret_access_key: session.secret_access_key.clone(),
            session_token: Some(session.session_token.clone()),
            caller: Caller { arn: assumed_role_arn(role_arn, name), role: Some(role_arn.to_owned()) },
        };
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).insert(session.access_key_id.clone(), key);
        session
    }

    pub(super) fn key(&self, access_key_id: &str) -> Option<Key> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).get(access_key_id).cloned()
    }
}

/// `arn:aws:iam::A:role/path/NAME` as a session: `arn:aws:sts::A:assumed-role/NAME/SESSION`.
fn assumed_role_arn(role_arn: &str, session: &str) -> String {
    let account = role_arn.split(':').nth(4).unwrap_or_default();
    let role = role_arn.rsplit('/').next().unwrap_or_default();
    format!("arn:aws:sts::{account}:assumed-role/{role}/{session}")
}
