//! Roles and policies, and the decision whether a role may do something.
//!
//! The owner sees a change at once; services see it after [`Delays::iam_propagation`](crate::Delays), as on AWS, and
//! go on seeing what was before until then.

mod check;
mod operations;
mod policy;
mod resource_policy;
mod role;
mod session;
mod xml;

#[cfg(test)]
mod tests;

use std::time::Duration;

use jiff::Timestamp;

use crate::Cloud;
use crate::call::{Call, Caller, Refusal, Reply};
use crate::cloud::Config;
use crate::signature::Key;
use crate::state::{Persisted, StateError};

use check::Form;
pub(crate) use policy::check_resource;
use policy::{Decision, Question, decide};
use role::Roles;
pub use session::Session;
use session::Sessions;

/// The service's state.
#[derive(Debug)]
pub struct Iam {
    account: String,
    region: String,
    propagation: Duration,
    roles: Persisted<Roles>,
    sessions: Sessions,
}

impl Iam {
    /// Reads the state.
    pub fn open(config: &Config) -> Result<Self, StateError> {
        Ok(Self {
            account: config.account.clone(),
            region: config.region.clone(),
            propagation: config.delays.iam_propagation,
            roles: Persisted::open(&config.state_dir, "iam")?,
            sessions: Sessions::new(config),
        })
    }

    /// Whether no role exists.
    pub fn is_empty(&self) -> bool {
        self.roles.read(|roles| roles.roles.is_empty())
    }

    /// Whether `service` (for example `sagemaker.amazonaws.com`) may assume the role now: the role exists, its
    /// trust policy says so under `source_arn` and the account, and the change has propagated.
    pub fn may_assume(&self, role_arn: &str, service: &str, source_arn: &str) -> bool {
        self.may_assume_at(Timestamp::now(), role_arn, service, source_arn)
    }

    fn may_assume_at(&self, now: Timestamp, role_arn: &str, service: &str, source_arn: &str) -> bool {
        let context = [("aws:SourceArn", source_arn), ("aws:SourceAccount", self.account.as_str())];
        let question = Question { action: "sts:AssumeRole", resource: None, service: Some(service), context: &context };
        self.roles.read(|roles| {
            let seen = roles.seen(role_arn, now, self.propagation);
            seen.is_some_and(|seen| decide([seen.trust.as_str()], question) == Decision::Allowed)
        })
    }

    /// Whether the role's policies allow `action` on `resource` now. The error is AWS's sentence:
    /// `User: … is not authorized to perform: … on resource: … because no identity-based policy allows the … action`.
    pub fn authorize(&self, role_arn: &str, action: &str, resource: &str) -> Result<(), String> {
        self.authorize_with(role_arn, action, resource, &[])
    }

    /// Like [`Iam::authorize`], with condition keys of the request, for example `iam:PassedToService` or `s3:prefix`.
    pub fn authorize_with(
        &self,
        role_arn: &str,
        action: &str,
        resource: &str,
        context: &[(&str, &str)],
    ) -> Result<(), String> {
        let caller = Caller { arn: role_arn.to_owned(), role: Some(role_arn.to_owned()) };
        self.authorize_caller(&caller, action, resource, context)
    }

    /// Like [`Iam::authorize_with`], for whoever signed a request: the account's own key may do anything.
    pub fn authorize_caller(
        &self,
        caller: &Caller,
        action: &str,
        resource: &str,
        context: &[(&str, &str)],
    ) -> Result<(), String> {
        self.authorize_at(Timestamp::now(), caller, action, resource, context)
    }

    fn authorize_at(
        &self,
        now: Timestamp,
        caller: &Caller,
        action: &str,
        resource: &str,
        context: &[(&str, &str)],
    ) -> Result<(), String> {
        let why = match self.own_policies_decide(now, caller, action, resource, context) {
            Decision::Allowed => return Ok(()),
            Decision::Unmentioned => format!("because no identity-based policy allows the {action} action"),
            Decision::Denied => "with an explicit deny in an identity-based policy".to_owned(),
        };
        Err(not_authorized(caller, action, resource, &why))
    }

    /// What the policies of whoever asks say. The account's own key may do anything.
    fn own_policies_decide(
        &self,
        now: Timestamp,
        caller: &Caller,
        action: &str,
        resource: &str,
        context: &[(&str, &str)],
    ) -> Decision {
        let Some(role_arn) = caller.role.as_deref() else { return Decision::Allowed };
        let context = [context, &self.global_context(role_arn)].concat();
        let question = Question { action, resource: Some(resource), service: None, context: &context };
        self.roles.read(|roles| {
            let seen = roles.seen(role_arn, now, self.propagation);
            seen.map_or(Decision::Unmentioned, |seen| decide(seen.policies.values().map(String::as_str), question))
        })
    }

    /// Condition keys that every request has. Loopback stands for TLS: a policy that insists on it means the cloud, not
    /// the simulation.
    fn global_context<'a>(&'a self, principal_arn: &'a str) -> [(&'a str, &'a str); 4] {
        [
            ("aws:PrincipalArn", principal_arn),
            ("aws:PrincipalAccount", &self.account),
            ("aws:RequestedRegion", &self.region),
            ("aws:SecureTransport", "true"),
        ]
    }

    /// Credentials that act as the role, valid until the process ends.
    pub fn session(&self, role_arn: &str, session_name: &str) -> Session {
        self.sessions.start(role_arn, session_name)
    }

    /// The key of a session, by its id.
    pub(crate) fn key(&self, access_key_id: &str) -> Option<Key> {
        self.sessions.key(access_key_id)
    }

    /// What `aws:userid` says of a role's sessions before the colon; begins `AROA`.
    pub(crate) fn role_id(&self, role_arn: &str) -> Option<String> {
        self.roles.read(|roles| roles.roles.values().find(|role| role.arn == role_arn).map(|role| role.id.clone()))
    }
}

/// Answers one call in the query protocol.
#[expect(clippy::unused_async, reason = "every service is called alike")]
pub async fn handle(cloud: &Cloud, call: &Call) -> Reply {
    let form = Form::parse(&call.body);
    let (action, resource) = (format!("iam:{}", call.operation), resource(&cloud.iam, &form));
    let allowed = cloud.iam.authorize_caller(&call.caller, &action, &resource, &[]);
    allowed.map_err(|message| Refusal::new(403, "AccessDenied", message))?;
    operations::answer(&cloud.iam, call, &form)
}

fn not_authorized(caller: &Caller, action: &str, resource: &str, why: &str) -> String {
    format!("User: {} is not authorized to perform: {action} on resource: {resource} {why}", caller.arn)
}

/// What a call is about, for authorization.
fn resource(iam: &Iam, form: &Form) -> String {
    let Some(name) = form.get("RoleName") else { return format!("arn:aws:iam::{}:role/", iam.account) };
    let known = iam.roles.read(|roles| roles.roles.get(&name.to_lowercase()).map(|role| role.arn.clone()));
    known.unwrap_or_else(|| format!("arn:aws:iam::{}:role{}{name}", iam.account, form.get("Path").unwrap_or("/")))
}
