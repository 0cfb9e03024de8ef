//! What IAM remembers: roles as their owner sees them, and as services see them a little later.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{OWN_PATH, aws_managed};
use crate::clock;

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
    /// ARN of the managed policy that limits what the others allow.
    #[serde(default)]
    pub(super) boundary: Option<String>,
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
    /// The default version, as it was sent.
    pub(super) document: String,
    pub(super) tags: Vec<(String, String)>,
    #[serde(default)]
    pub(super) versions: Versions,
}

/// The versions of a managed policy.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Versions {
    /// Number of the default one.
    pub(super) default: u32,
    /// When the default one was created; with the policy, if that is not kept.
    pub(super) created: Option<Timestamp>,
    /// Number of the latest one, be it deleted or not.
    pub(super) latest: u32,
    /// When a version was added last.
    pub(super) updated: Option<Timestamp>,
    /// All but the default one, by number.
    pub(super) others: BTreeMap<u32, Version>,
}

/// A version of a managed policy that is not the default one.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Version {
    pub(super) created: Timestamp,
    pub(super) document: String,
}

impl Default for Versions {
    fn default() -> Self {
        Self { default: 1, created: None, latest: 1, updated: None, others: BTreeMap::new() }
    }
}

impl Managed {
    /// When the default version was created.
    pub(super) fn default_created(&self) -> Timestamp {
        self.versions.created.unwrap_or(self.created)
    }

    /// A version by its number.
    pub(super) fn version(&self, number: u32) -> Option<Version> {
        if number == self.versions.default {
            return Some(Version { created: self.default_created(), document: self.document.clone() });
        }
        self.versions.others.get(&number).cloned()
    }

    /// Makes another version the default one; false when there is no such version.
    pub(super) fn set_default(&mut self, number: u32) -> bool {
        if number == self.versions.default {
            return true;
        }
        let Some(next) = self.versions.others.remove(&number) else { return false };
        let created = self.default_created();
        let before = Version { created, document: std::mem::replace(&mut self.document, next.document) };
        self.versions.others.insert(self.versions.default, before);
        self.versions.default = number;
        self.versions.created = Some(next.created);
        true
    }
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
    /// ARNs of the attached policies of AWS's own, whose documents are not repeated here.
    #[serde(default)]
    aws: Vec<String>,
    /// The boundary, if the role has one: the document, or the ARN of a policy of AWS's own.
    #[serde(default)]
    boundary: Option<String>,
}

impl Seen {
    /// The documents of the role's policies.
    pub(super) fn documents(&self) -> Vec<Cow<'_, str>> {
        let own = self.policies.values().map(|text| Cow::Borrowed(text.as_str()));
        own.chain(self.aws.iter().filter_map(|arn| aws_managed::document(arn)).map(Cow::Owned)).collect()
    }

    /// The document of the role's boundary.
    pub(super) fn boundary(&self) -> Option<Cow<'_, str>> {
        let boundary = self.boundary.as_deref()?;
        Some(aws_managed::document(boundary).map_or(Cow::Borrowed(boundary), Cow::Owned))
    }
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
            let aws = role.attached.iter().filter(|arn| aws_managed::is_aws(arn)).cloned().collect();
            // A boundary that is gone would let through what it held back; as its own text it lets nothing through.
            let boundary = role.boundary.as_ref();
            let boundary = boundary.map(|arn| self.managed.get(arn).map_or(arn, |policy| &policy.document).clone());
            Seen { arn: role.arn.clone(), trust: role.trust.clone(), policies, aws, boundary }
        });
        let changes = self.history.entry(key.to_owned()).or_default();
        changes.push(Change { at_ms: now.as_millisecond(), seen });
        let visible = changes.iter().rposition(|change| change.visible(now, propagation)).unwrap_or(0);
        changes.drain(..visible);
        if matches!(changes.as_slice(), [Change { seen: None, .. }]) {
            self.history.remove(key);
        }
    }

    /// Notes that a managed policy changed, for the roles that it is attached to or limits.
    pub(super) fn policy_changed(&mut self, arn: &str, now: Timestamp, propagation: Duration) {
        let concerned = |role: &Role| role.attached.iter().chain(&role.boundary).any(|used| used == arn);
        let keys = self.roles.iter().filter(|(_, role)| concerned(role)).map(|(key, _)| key.clone());
        for key in keys.collect::<Vec<_>>() {
            self.changed(&key, now, propagation);
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
        clock::is_over(self.at_ms, propagation, now.as_millisecond())
    }
}
