//! Temporary credentials of roles.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::call::{Caller, Refusal};
use crate::cloud::Config;
use crate::signature::{Key, hmac_hex};
use crate::state::{Persisted, StateError};

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

/// The sessions that were started or granted. Their secrets are derived from the account's, so none is on disk.
pub(super) struct Sessions {
    secret: String,
    /// Those of functions. Who asks again for the same role and name gets the same credentials, also after a restart.
    started: Mutex<HashMap<String, Key>>,
    /// Those that somebody asked STS for, by the id of their key.
    granted: Persisted<BTreeMap<String, Granted>>,
}

/// A session that somebody asked for.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct Granted {
    role_arn: String,
    name: String,
    until: Timestamp,
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions").finish_non_exhaustive()
    }
}

impl Sessions {
    pub(super) fn open(config: &Config) -> Result<Self, StateError> {
        let granted = Persisted::open(&config.state_dir, "sts")?;
        Ok(Self { secret: config.secret_access_key.clone(), started: Mutex::default(), granted })
    }

    pub(super) fn start(&self, role_arn: &str, name: &str) -> Session {
        let what = format!("{role_arn}\n{name}");
        let id = format!("ASIA{}", self.derived("access key id", &what)[..16].to_uppercase());
        let session = self.session(&id, &what);
        let key = key(&session, role_arn, name, None);
        self.started.lock().unwrap_or_else(PoisonError::into_inner).insert(id, key);
        session
    }

    /// A new session, each time; those that have ended are forgotten.
    pub(super) fn grant(&self, role_arn: &str, name: &str, until: Timestamp) -> Result<Session, Refusal> {
        let id = format!("ASIA{}", hex::encode_upper(rand::random::<[u8; 8]>()));
        let granted = Granted { role_arn: role_arn.to_owned(), name: name.to_owned(), until };
        self.granted.write(|all| {
            all.retain(|_, granted| granted.until > Timestamp::now());
            all.insert(id.clone(), granted);
            Ok(())
        })?;
        Ok(self.session(&id, &id))
    }

    pub(super) fn key(&self, access_key_id: &str) -> Option<Key> {
        if let Some(key) = self.started.lock().unwrap_or_else(PoisonError::into_inner).get(access_key_id) {
            return Some(key.clone());
        }
        let granted = self.granted.read(|all| all.get(access_key_id).cloned())?;
        let session = self.session(access_key_id, access_key_id);
        Some(key(&session, &granted.role_arn, &granted.name, Some(granted.until)))
    }

    fn session(&self, id: &str, what: &str) -> Session {
        Session {
            access_key_id: id.to_owned(),
            secret_access_key: self.derived("secret access key", what)[..40].to_owned(),
            session_token: self.derived("session token", what),
        }
    }

    fn derived(&self, purpose: &str, what: &str) -> String {
        hmac_hex(&self.secret, &format!("{purpose}\n{what}"))
    }
}

fn key(session: &Session, role_arn: &str, name: &str, expires: Option<Timestamp>) -> Key {
    Key {
        secret_access_key: session.secret_access_key.clone(),
        session_token: Some(session.session_token.clone()),
        expires,
        caller: Caller { arn: assumed_role_arn(role_arn, name), role: Some(role_arn.to_owned()) },
    }
}

/// `arn:aws:iam::A:role/path/NAME` as a session: `arn:aws:sts::A:assumed-role/NAME/SESSION`.
pub(crate) fn assumed_role_arn(role_arn: &str, session: &str) -> String {
    let mut parts = role_arn.split(':');
    let (partition, account) = (parts.nth(1).unwrap_or("aws"), parts.nth(2).unwrap_or_default());
    let role = role_arn.rsplit('/').next().unwrap_or_default();
    format!("arn:{partition}:sts::{account}:assumed-role/{role}/{session}")
}
