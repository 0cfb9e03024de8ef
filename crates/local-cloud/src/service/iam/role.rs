//! What IAM remembers: roles as their owner sees them, and as services see them a little later.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::OWN_PATH;

/// A role as its owner sees it.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Role {
    pub(super) name: String,
    pub(super) path: String,
    /// Begins `AROA`.
    pub(super) id: String,
    pub(super) arn: String,
    pub(super) created: Timestamp,
    pub(super) description: Option<String>,
    pub(super) max_session_s: u32,
    /// Trust policy, as it was sent.
    pub(super) trust: String,
    /// Inline policies by name, as they were sent.
    pub(super) policies: BTreeMap<String, String>,
    pub(super) tags: Vec<(String, String)>,
    /// ARNs of managed policies.
    #[serde(default)]
    pub(super) attached: Vec<String>,
}

/// A policy of the account's own that roles can be given.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Managed {
    pub(super) name: String,
    pub(super) path: String,
    /// Begins `ANPA`.
    pub(super) id: String,
    pub(super) created: Timestamp,
    pub(super) description: Option<String>,
    /// As it was sent.
    pub(super) document: String,
    pub(super) tags: Vec<(String, String)>,
}

/// All roles. Names are unique whatever their case, so keys are in lower case.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[expect(clippy::struct_field_names, reason = "the file on disk names them so")]
pub(super) struct Roles {
    pub(super) roles: BTreeMap<String, Role>,
    /// Managed policies by ARN.
    #[serde(default)]
    pub(super) managed: BTreeMap<String, Managed>,
    /// What became true when, latest last; kept until services have seen what follows.
    history: BTreeMap<String, Vec<Change>>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
struct Change {
    /// Milliseconds since 1970.
    at_ms: i64,
    /// None once the role was deleted.
    seen: Option<Seen>,
}

/// A role as services see it.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Seen {
    pub(super) arn: String,
    pub(super) trust: String,
    /// Inline ones by name, attached ones by ARN.
    pub(super) policies: BTreeMap<String, String>,
}

impl Roles {
    /// The role with this ARN, as its owner sees it.
    pub(super) fn by_arn(&self, arn: &str) -> Option<&Role> {
        self.roles.values().find(|role| role.arn == arn)
    }

    /// Notes that trust, policies or existence of a role changed at `now`. Roles of the program itself change at once.
    pub(super) fn changed(&mut self, key: &str, now: Timestamp, propagation: Duration) {
        let own = self.roles.get(key).is_some_and(|role| role.path == OWN_PATH);
        let now = if own { now.checked_sub(propagation).unwrap_or(now) } else { now };
        let seen = self.roles.get(key).map(|role| {
            let attached =
                role.attached.iter().filter_map(|arn| Some((arn.clone(), self.managed.get(arn)?.document.clone())));
            let policies = role.policies.clone().into_iter().chain(attached).collect();
            Seen { arn: role.arn.clone(), trust: role.trust.clone(), policies }
        });
        let changes = self.history.entry(key.to_owned()).or_default();
        changes.push(Change { at_ms: now.as_millisecond(), seen });
        let visible = changes.iter().rposition(|change| change.visible(now, propagation)).unwrap_or(0);
        changes.drain(..visible);
        if matches!(changes.as_slice(), [Change { seen: None, .. }]) {
            self.history.remove(key);
        }
    }

    /// The role as services see it at `now`.
    pub(super) fn seen(&self, role_arn: &str, now: Timestamp, propagation: Duration) -> Option<&Seen> {
        let key = role_arn.rsplit('/').next()?.to_lowercase();
        let change = self.history.get(&key)?.iter().rfind(|change| change.visible(now, propagation))?;
        change.seen.as_ref().filter(|seen| seen.arn == role_arn)
    }
}

impl Change {
    fn visible(&self, now: Timestamp, propagation: Duration) -> bool {
        let propagation_ms = i64::try_from(propagation.as_millis()).unwrap_or(i64::MAX);
        self.at_ms.saturating_add(propagation_ms) <= now.as_millisecond()
    }
}
