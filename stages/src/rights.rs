//! What whoever deploys a pipeline must be allowed: every resource names the calls that it makes, and the policy of the
//! deployer is what they name together.

use std::collections::{BTreeMap, BTreeSet};

mod ci_trust;
mod denial;

pub use ci_trust::CiTrust;
pub use denial::Denial;
use plan::ResourceId;
use serde_json::{Value as Json, json};

use crate::policy::{self, Question, Verdict, verdict};
use crate::{Declared, Item, Site};

/// Beginnings of the names of actions that change nothing.
const READS: [&str; 5] = ["Get", "GET", "List", "Describe", "Filter"];

/// A right to make some calls on some resources.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Right {
    sid: &'static str,
    actions: BTreeSet<String>,
    resources: BTreeSet<String>,
    condition: Option<(String, String)>,
    only_to_delete: bool,
    only_to_write: bool,
}

impl Right {
    /// Actions on an ARN, or on `*`. `sid` is the id of the statement, where the right is the first in it.
    pub fn new(sid: &'static str, actions: &[&str], resource: impl Into<String>) -> Self {
        Self {
            sid,
            actions: actions.iter().map(|action| (*action).to_owned()).collect(),
            resources: [resource.into()].into(),
            condition: None,
            only_to_delete: false,
            only_to_write: false,
        }
    }

    /// The same actions on another ARN as well.
    #[must_use]
    pub fn and(mut self, resource: impl Into<String>) -> Self {
        self.resources.insert(resource.into());
        self
    }

    /// Holds only while a condition key has this value.
    #[must_use]
    pub fn when(mut self, key: &str, value: &str) -> Self {
        self.condition = Some((key.to_owned(), value.to_owned()));
        self
    }

    /// Is needed only to delete the thing, so not when a teardown keeps it.
    #[must_use]
    pub fn to_delete(mut self) -> Self {
        self.only_to_delete = true;
        self
    }

    /// Is needed only to change something, whatever its actions are called.
    #[must_use]
    pub fn to_write(mut self) -> Self {
        self.only_to_write = true;
        self
    }

    /// To hand a role to a service, and to no other.
    pub fn pass_role(sid: &'static str, role_arn: String, service: &str) -> Self {
        Self::new(sid, &["iam:PassRole"], role_arn).when("iam:PassedToService", service)
    }

    /// Without what changes something; none when nothing is left.
    fn reading(mut self) -> Option<Self> {
        self.actions.retain(|action| !self.only_to_write && is_read(action));
        (!self.actions.is_empty()).then_some(self)
    }

    fn as_json(&self, sid: &str) -> Json {
        let mut statement = json!({
            "Sid": sid, "Effect": "Allow", "Action": one_or_more(&self.actions), "Resource": one_or_more(&self.resources)
        });
        if let Some((key, value)) = &self.condition {
            statement["Condition"] = json!({ "StringEquals": { key: value } });
        }
        statement
    }
}

fn is_read(action: &str) -> bool {
    let name = action.split(':').nth(1).unwrap_or_default();
    READS.iter().any(|read| name.starts_with(read))
}

fn one_or_more(texts: &BTreeSet<String>) -> Json {
    match texts.first() {
        Some(only) if texts.len() == 1 => json!(only),
        _ => json!(texts),
    }
}

/// The policy of whoever deploys a pipeline.
#[derive(Clone, Debug)]
pub struct Deployer {
    statements: Vec<Json>,
}

impl Deployer {
    /// What everything that was declared needs, from the first look to the teardown.
    pub fn of(declared: &Declared) -> Self {
        Self::composed(rights(declared))
    }

    /// What looking needs: `plan` and `status`.
    pub fn reading(declared: &Declared) -> Self {
        Self::composed(rights(declared).into_iter().filter_map(Right::reading).collect())
    }

    /// One of them, and what `runner doctor` asks besides.
    pub fn with_doctor(declared: &Declared, site: &Site, read_only: bool) -> Self {
        let all = if read_only { Self::reading(declared) } else { Self::of(declared) };
        let principals = |kind: &str| format!("arn:{}:iam::{}:{kind}/*", site.partition(), site.account);
        let asks = [
            Right::new("Simulate", &["iam:SimulatePrincipalPolicy"], principals("role")).and(principals("user")),
            // The path of one's own role, which the name of a session lacks.
            Right::new("OwnRole", &["iam:GetRole"], principals("role")),
            Right::new("Quotas", &["servicequotas:ListServiceQuotas"], "*"),
        ];
        let asks = asks.iter().map(|right| right.as_json(right.sid));
        Self { statements: all.statements.into_iter().chain(asks).collect() }
    }

    /// As a document of IAM.
    pub fn document(&self) -> Json {
        policy::document(&self.statements)
    }

    /// Characters that quotas count: all but white space.
    pub fn chars(&self) -> usize {
        policy::quota_chars(&self.document())
    }

    /// The statement that allows an action on a resource, by its id.
    pub fn statement_for(&self, action: &str, resource: &str) -> Option<&str> {
        let question = Question { action, resource, keys: &[] };
        let allows = |statement: &&Json| verdict(std::slice::from_ref(*statement), question) == Verdict::Covered;
        self.statements.iter().find(allows)?["Sid"].as_str()
    }

    /// Every action with the resources and the condition that it is allowed under, a statement after the other.
    pub fn grants(&self) -> Vec<Granted> {
        let grants = self.statements.iter().flat_map(|statement| {
            let condition = condition(statement);
            let resources = texts(&statement["Resource"]);
            texts(&statement["Action"]).into_iter().map(move |action| Granted {
                action,
                resources: resources.clone(),
                condition: condition.clone(),
            })
        });
        grants.collect()
    }

    /// What to ask IAM to find out whether somebody has these rights: with a resource for each pattern.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        let example =
            |pattern: String| if pattern == "*" { pattern } else { pattern.replace('*', "x").replace('?', "0") };
        let of = |statement: &Json| Asked {
            sid: statement["Sid"].as_str().unwrap_or_default().to_owned(),
            actions: texts(&statement["Action"]),
            resources: texts(&statement["Resource"]).into_iter().map(example).collect(),
            condition: condition(statement),
        };
        self.statements.iter().map(of).collect()
    }

    /// Leaves out what is allowed everywhere anyway, then joins what is allowed on the same resources, then what is allowed
    /// alike on several.
    fn composed(rights: Vec<Right>) -> Self {
        let on_the_same = joined(
            without_repeats(rights),
            |known, right| known.resources == right.resources && known.condition == right.condition,
            |known, right| known.actions.extend(right.actions),
        );
        let alike = joined(
            on_the_same,
            |known, right| known.actions == right.actions && known.condition == right.condition,
            |known, right| known.resources.extend(right.resources),
        );
        let mut taken: BTreeMap<&str, u32> = BTreeMap::new();
        let statements = alike.iter().map(|right| {
            let count = taken.entry(right.sid).or_default();
            *count += 1;
            right.as_json(&if *count == 1 { right.sid.to_owned() } else { format!("{}{count}", right.sid) })
        });
        Self { statements: statements.collect() }
    }
}

/// A statement as questions about somebody's policies.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) sid: String,
    pub(crate) actions: Vec<String>,
    /// ARNs without wildcards, or `*`.
    pub(crate) resources: Vec<String>,
    pub(crate) condition: Option<(String, String)>,
}

fn texts(value: &Json) -> Vec<String> {
    match value {
        Json::Array(list) => list.iter().filter_map(Json::as_str).map(ToOwned::to_owned).collect(),
        other => other.as_str().map(ToOwned::to_owned).into_iter().collect(),
    }
}

fn condition(statement: &Json) -> Option<(String, String)> {
    let (key, value) = statement["Condition"]["StringEquals"].as_object()?.iter().next()?;
    Some((key.clone(), value.as_str()?.to_owned()))
}

/// Without actions on single resources that another right gives on all.
fn without_repeats(mut rights: Vec<Right>) -> Vec<Right> {
    let everywhere = |right: &&Right| right.resources.contains("*") && right.condition.is_none();
    let given: BTreeSet<String> =
        rights.iter().filter(everywhere).flat_map(|right| right.actions.iter().cloned()).collect();
    for right in &mut rights {
        if !everywhere(&&*right) {
            right.actions.retain(|action| !given.contains(action));
        }
    }
    rights.retain(|right| !right.actions.is_empty());
    rights
}

/// With those that go together made one, where the first of them stood.
fn joined(rights: Vec<Right>, together: fn(&Right, &Right) -> bool, join: fn(&mut Right, Right)) -> Vec<Right> {
    let mut all: Vec<Right> = vec![];
    for right in rights {
        if let Some(known) = all.iter_mut().find(|known| together(known, &right)) {
            join(known, right);
        } else {
            all.push(right);
        }
    }
    all
}

/// One action of the deployer's policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Granted {
    /// For example `s3:CreateBucket`.
    pub action: String,
    /// ARNs with wildcards, or `*`.
    pub resources: Vec<String>,
    /// A condition key and the value that it must have.
    pub condition: Option<(String, String)>,
}

fn rights(declared: &Declared) -> Vec<Right> {
    let of = |item: &Item| {
        let (id, rights): (ResourceId, Vec<Right>) = match item {
            Item::Resource(resource) => (resource.id(), resource.rights()),
            Item::Check(check) => (check.id(), check.rights()),
        };
        let (kept, wanted) = (declared.keeps(&id), declared.is_wanted(&id));
        let rights = rights.into_iter().filter(move |right| !(kept && right.only_to_delete));
        // What an earlier file may have asked for is looked for, and deleted.
        rights.filter_map(move |right| if wanted || right.only_to_delete { Some(right) } else { right.reading() })
    };
    declared.items().iter().flat_map(of).collect()
}

#[cfg(test)]
mod tests;
