//! Roles and policies, and the decision whether a role may do something.
//!
//! The owner sees a change at once; services see it after [`Delays::iam_propagation`](crate::Delays), as on AWS, and
//! go on seeing what was before until then.

mod aws_managed;
mod check;
mod decisions;
mod grammar;
mod keys;
mod managed;
mod members;
mod operations;
mod policy;
mod resource_policy;
mod role;
mod session;
mod simulate;
mod versions;
mod xml;

#[cfg(test)]
mod tests;

use std::time::Duration;

use jiff::Timestamp;

use crate::Cloud;
use crate::call::{Call, Caller, Refusal, Reply};
use crate::cloud::Config;
use crate::permission::Permission;
use crate::signature::Key;
use crate::state::{Persisted, StateError};

pub(crate) use check::{Form, length, validation};
pub use decisions::Decided;
use decisions::Decisions;
pub(crate) use grammar::{Statement, check_parts, is_service, names_principals, read};
pub use keys::{Keys, Tags};
use policy::{Asker, Decision, Question, decide};
use resource_policy::session_may;
use role::Roles;
pub use session::Session;
use session::Sessions;
pub(crate) use session::assumed_role_arn;

/// Below this path are the program's own roles, as below `/_local/` are its own routes. They do not count as anybody's.
const OWN_PATH: &str = "/_local/";

/// The service's state.
#[derive(Debug)]
pub struct Iam {
    account: String,
    region: String,
    partition: &'static str,
    propagation: Duration,
    roles: Persisted<Roles>,
    sessions: Sessions,
    decisions: Decisions,
}

impl Iam {
    /// Reads the state.
    pub fn open(config: &Config) -> Result<Self, StateError> {
        Ok(Self {
            account: config.account.clone(),
            region: config.region.clone(),
            partition: config.partition(),
            propagation: config.delays.iam_propagation,
            roles: Persisted::open(&config.state_dir, "iam")?,
            sessions: Sessions::open(config)?,
            decisions: Decisions::default(),
        })
    }

    /// Whether no role exists but the program's own, and no managed policy.
    pub fn is_empty(&self) -> bool {
        self.roles
            .read(|roles| roles.managed.is_empty() && roles.roles.values().all(|role| role.path.starts_with(OWN_PATH)))
    }

    /// The latest decisions about roles, oldest first.
    pub fn decisions(&self, keep: impl Fn(&Decided) -> bool) -> Vec<Decided> {
        self.decisions.list(keep)
    }

    /// Forgets the decisions, but not their count.
    pub fn forget_decisions(&self) {
        self.decisions.clear();
    }

    /// Whether `service` (for example `sagemaker.amazonaws.com`) may assume the role now: the role exists, its
    /// trust policy says so under `source_arn` and the account, and the change has propagated.
    pub fn may_assume(&self, role_arn: &str, service: &str, source_arn: &str) -> bool {
        self.may_assume_at(Timestamp::now(), role_arn, service, source_arn)
    }

    fn may_assume_at(&self, now: Timestamp, role_arn: &str, service: &str, source_arn: &str) -> bool {
        let keys = Keys::from(&[("aws:SourceArn", source_arn), ("aws:SourceAccount", self.account.as_str())][..]);
        self.trust(now, role_arn, Asker::Service(service), &keys) == Decision::Allowed
    }

    /// Whether the caller may begin a session of the role now. A trust policy that names the account leaves it to the
    /// caller's own policies; one that names the caller does not. Source: IAM, policy evaluation within one account.
    pub fn may_begin_session(&self, caller: &Caller, role_arn: &str, keys: &Keys) -> bool {
        let now = Timestamp::now();
        let keys = self.keys_of(keys, caller.role.as_deref().unwrap_or(&caller.arn));
        let root = self.root();
        let by_name = self.trust(now, role_arn, Asker::Principals(&names(caller)), &keys);
        let by_account = self.trust(now, role_arn, Asker::Principals(&[&self.account, &root]), &keys);
        match (by_name, by_account) {
            (Decision::Denied, _) | (_, Decision::Denied) => false,
            (Decision::Allowed, _) => true,
            (_, Decision::Allowed) => self.ask(caller, &Permission::new("sts:AssumeRole", role_arn)).is_ok(),
            _ => false,
        }
    }

    fn trust(&self, now: Timestamp, role_arn: &str, asker: Asker<'_>, keys: &Keys) -> Decision {
        let question = Question { action: "sts:AssumeRole", resource: None, asker, keys };
        self.roles.read(|roles| {
            let seen = roles.seen(role_arn, now, self.propagation);
            seen.map_or(Decision::Unmentioned, |seen| decide([seen.trust.as_str()], question))
        })
    }

    /// Whether the role's policies allow `action` on `resource` now, for a service that acts as the role.
    pub fn authorize(&self, role_arn: &str, action: &str, resource: &str) -> Result<(), String> {
        self.authorize_with(role_arn, action, resource, &[])
    }

    /// Like [`Iam::authorize`], with condition keys of the request, for example `s3:prefix`.
    pub fn authorize_with(
        &self,
        role_arn: &str,
        action: &str,
        resource: &str,
        context: &[(&str, &str)],
    ) -> Result<(), String> {
        let caller = Caller { arn: role_arn.to_owned(), role: Some(role_arn.to_owned()) };
        self.ask(&caller, &Permission { keys: Keys::from(context), ..Permission::new(action, resource) })
    }

    /// Whether whoever signed a request may do this now: the account's own key may do anything, a session what its
    /// role's policies or the resource's allow, and nobody what one of them denies. The error is AWS's sentence: `User: …
    /// is not authorized to perform: … on resource: … because no identity-based policy allows the … action`.
    pub fn ask(&self, caller: &Caller, permission: &Permission) -> Result<(), String> {
        self.ask_at(Timestamp::now(), caller, permission)
    }

    fn ask_at(&self, now: Timestamp, caller: &Caller, permission: &Permission) -> Result<(), String> {
        let Permission { action, or, resource, called, keys, policy } = permission;
        let keys = self.keys_of(keys, caller.role.as_deref().unwrap_or(&caller.arn));
        let say = |action: &str| {
            let theirs =
                policy.as_deref().map(|policy| self.resource_says(now, caller, policy, action, resource, &keys));
            (theirs.unwrap_or(Decision::Unmentioned), self.own_say(now, caller, action, resource, &keys))
        };
        let said = match (say(action), or) {
            ((Decision::Unmentioned, Own { identity: Decision::Unmentioned, .. }), Some(or)) => say(or),
            (said, _) => said,
        };
        let why = match said {
            (Decision::Denied, _) => Some("with an explicit deny in a resource-based policy".to_owned()),
            (_, Own { identity: Decision::Denied, .. }) => {
                Some("with an explicit deny in an identity-based policy".to_owned())
            }
            (_, Own { boundary: Decision::Denied, .. }) => {
                Some("with an explicit deny in a permissions boundary".to_owned())
            }
            (Decision::Unmentioned, Own { identity: Decision::Unmentioned, .. }) => {
                Some(format!("because no identity-based policy allows the {action} action"))
            }
            // What a resource's policy allows to the session itself, no boundary takes away.
            (theirs, Own { boundary: Decision::Unmentioned, .. })
                if theirs == Decision::Unmentioned
                    || !session_may(caller, policy.as_deref(), action, resource, &keys) =>
            {
                Some(format!("because no permissions boundary allows the {action} action"))
            }
            _ => None,
        };
        if caller.role.is_some() {
            self.decisions.push(&caller.arn, action, resource, why.is_none());
        }
        let Some(why) = why else { return Ok(()) };
        // S3 puts quotes around the ARN, and what is about no resource names none: reports of users.
        let on = match (called, resource.as_str()) {
            (Some(called), _) => format!("on resource: {called} "),
            (None, "*") => String::new(),
            (None, arn) if action.starts_with("s3:") => format!("on resource: \"{arn}\" "),
            (None, arn) => format!("on resource: {arn} "),
        };
        Err(format!("User: {} is not authorized to perform: {action} {on}{why}", caller.arn))
    }

    /// What the policies of the caller say. The account's own key may do anything.
    fn own_say(&self, now: Timestamp, caller: &Caller, action: &str, resource: &str, keys: &Keys) -> Own {
        let role = caller.role.as_deref();
        role.map_or(Own::ALL, |role_arn| self.decide(now, role_arn, &Extra::default(), action, resource, keys))
    }

    /// What a role's policies and its boundary say, together with what a simulation adds.
    fn decide(
        &self,
        now: Timestamp,
        role_arn: &str,
        extra: &Extra<'_>,
        action: &str,
        resource: &str,
        keys: &Keys,
    ) -> Own {
        let question = Question { action, resource: Some(resource), asker: Asker::Own, keys };
        self.roles.read(|roles| {
            let Some(seen) = roles.seen(role_arn, now, self.propagation) else { return Own::NONE };
            let documents = seen.documents();
            let all = documents.iter().map(AsRef::as_ref).chain(extra.policies.iter().copied());
            let own = seen.boundary();
            let boundary = match extra.boundary.as_slice() {
                [] => own.as_deref().map_or(Decision::Allowed, |text| decide([text], question)),
                other => decide(other.iter().copied(), question),
            };
            Own { identity: decide(all, question), boundary }
        })
    }

    /// The keys of a request, and those that every request has.
    fn keys_of(&self, keys: &Keys, principal_arn: &str) -> Keys {
        let mut keys = keys.clone();
        keys.put("aws:PrincipalArn", principal_arn);
        keys.put("aws:PrincipalAccount", &self.account);
        keys.put("aws:RequestedRegion", &self.region);
        // Loopback stands for TLS: a policy that insists on it means the cloud, not the simulation.
        keys.put("aws:SecureTransport", "true");
        keys
    }

    /// Credentials that act as the role, valid until the process ends.
    pub fn session(&self, role_arn: &str, session_name: &str) -> Session {
        self.sessions.start(role_arn, session_name)
    }

    /// Credentials that act as the role until then, also after a restart.
    pub(crate) fn grant(&self, role_arn: &str, session_name: &str, until: Timestamp) -> Result<Session, Refusal> {
        self.sessions.grant(role_arn, session_name, until)
    }

    /// How long sessions of the role may be; none when there is no such role.
    pub(crate) fn max_session_s(&self, role_arn: &str) -> Option<u32> {
        self.roles.read(|roles| roles.by_arn(role_arn).map(|role| role.max_session_s))
    }

    /// The key of a session, by its id.
    pub(crate) fn key(&self, access_key_id: &str) -> Option<Key> {
        self.sessions.key(access_key_id)
    }

    /// What `aws:userid` says of a role's sessions before the colon; begins `AROA`.
    pub(crate) fn role_id(&self, role_arn: &str) -> Option<String> {
        self.roles.read(|roles| roles.by_arn(role_arn).map(|role| role.id.clone()))
    }

    /// How policies name the account, beside its number.
    fn root(&self) -> String {
        format!("arn:{}:iam::{}:root", self.partition, self.account)
    }

    /// ARN of something below a path of this account.
    fn arn(&self, kind: &str, path: &str, name: &str) -> String {
        format!("arn:{}:iam::{}:{kind}{path}{name}", self.partition, self.account)
    }
}

/// What the policies of a caller say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Own {
    /// Inline and managed policies.
    identity: Decision,
    /// The permissions boundary; `Allowed` without one.
    boundary: Decision,
}

impl Own {
    const ALL: Self = Self { identity: Decision::Allowed, boundary: Decision::Allowed };
    const NONE: Self = Self { identity: Decision::Unmentioned, boundary: Decision::Allowed };
}

/// Documents that a simulation adds to those of a role.
#[derive(Debug, Default)]
struct Extra<'a> {
    policies: Vec<&'a str>,
    /// In place of the role's own boundary, where there are any.
    boundary: Vec<&'a str>,
}

/// How policies name a caller, alone or among all others; the account as a whole is not meant.
fn names(caller: &Caller) -> Vec<&str> {
    [caller.arn.as_str(), "*"].into_iter().chain(caller.role.as_deref()).collect()
}

/// Answers one call in the query protocol.
#[expect(clippy::unused_async, reason = "every service is called alike")]
pub async fn handle(cloud: &Cloud, call: &Call) -> Reply {
    operations::answer(&cloud.iam, call, &Form::parse(&call.body))
}

/// What a call needs to be allowed.
pub fn needs(cloud: &Cloud, call: &Call) -> Vec<Permission> {
    let (iam, form) = (&cloud.iam, Form::parse(&call.body));
    let (resource, bears) = about(iam, &form, &call.operation);
    let mut main = Permission::new(format!("iam:{}", call.operation), resource.clone()).bearing(bears);
    main.called = unknown_role(iam, &form, &call.operation);
    if let Some(arn) = form.get("PolicyArn").filter(|_| form.get("RoleName").is_some()) {
        main = main.with("iam:PolicyARN", arn);
    }
    main = limited(iam, &form, &call.operation, main);
    let tags: Tags = form.tags().unwrap_or_default().into_iter().collect();
    let tagging = match call.operation.as_str() {
        "CreateRole" => "iam:TagRole",
        "CreatePolicy" => "iam:TagPolicy",
        "TagRole" | "TagPolicy" => return vec![main.putting(tags)],
        "UntagRole" | "UntagPolicy" => {
            let keys = form.list("TagKeys").into_iter().map(|key| (key.to_owned(), String::new()));
            return vec![main.putting(keys.collect())];
        }
        _ => return vec![main],
    };
    let mut needs = vec![main.putting(tags.clone())];
    if !tags.is_empty() {
        needs.push(Permission::new(tagging, resource).putting(tags));
    }
    needs
}

/// Operations whose condition key `iam:PermissionsBoundary` is the boundary that the role has. Source: IAM user guide,
/// `iam:PermissionsBoundary`.
const LIMITED: [&str; 5] =
    ["AttachRolePolicy", "DetachRolePolicy", "PutRolePolicy", "DeleteRolePolicy", "DeleteRolePermissionsBoundary"];

/// Says which boundary a call sets, or finds.
fn limited(iam: &Iam, form: &Form, operation: &str, main: Permission) -> Permission {
    let boundary = match operation {
        "CreateRole" | "PutRolePermissionsBoundary" => form.get("PermissionsBoundary").map(str::to_owned),
        other if LIMITED.contains(&other) => {
            let name = form.get("RoleName").unwrap_or_default().to_lowercase();
            iam.roles.read(|roles| roles.roles.get(&name).and_then(|role| role.boundary.clone()))
        }
        _ => return main,
    };
    match boundary {
        Some(arn) => main.with("iam:PermissionsBoundary", arn),
        None => main.without("iam:PermissionsBoundary"),
    }
}

/// What a denial calls a role that is not there, whose path nobody knows: `role NAME`, in reports of users (aws-cdk
/// issue 27067, chalice issue 591).
fn unknown_role(iam: &Iam, form: &Form, operation: &str) -> Option<String> {
    let name = form.get("RoleName").filter(|_| operation != "CreateRole")?;
    let known = iam.roles.read(|roles| roles.roles.contains_key(&name.to_lowercase()));
    (!known).then(|| format!("role {name}"))
}

/// What a call is about, and the tags that it bears.
fn about(iam: &Iam, form: &Form, operation: &str) -> (String, Tags) {
    let path = form.get("Path").unwrap_or("/");
    if let Some(name) = form.get("RoleName") {
        let known = iam.roles.read(|roles| {
            let role = roles.roles.get(&name.to_lowercase())?;
            Some((role.arn.clone(), role.tags.iter().cloned().collect()))
        });
        return known.unwrap_or_else(|| (iam.arn("role", path, name), Tags::new()));
    }
    let resource = match operation {
        "CreatePolicy" => iam.arn("policy", path, form.get("PolicyName").unwrap_or_default()),
        "ListPolicies" => iam.arn("policy", path, ""),
        "SimulatePrincipalPolicy" => form.get("PolicySourceArn").unwrap_or("*").to_owned(),
        _ => match form.get("PolicyArn") {
            Some(arn) => {
                let tags = |roles: &Roles| Some(roles.managed.get(arn)?.tags.iter().cloned().collect());
                return (arn.to_owned(), iam.roles.read(tags).unwrap_or_default());
            }
            None => iam.arn("role", form.get("PathPrefix").unwrap_or("/"), ""),
        },
    };
    (resource, Tags::new())
}
