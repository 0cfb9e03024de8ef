//! Policies of resources, which name whom they are about: a bucket's, for example.
//!
//! A caller of the account may do what an own policy or the resource's allows, unless one of them denies it. Source:
//! IAM user guide, "Policy evaluation logic". Whom a policy names in a way that is not known here, such as by
//! `NotPrincipal`, is undecided, which fails closed.

use jiff::Timestamp;

use super::policy::{Asker, Decision, Question, decide};
use super::{Iam, Keys, names};
use crate::call::Caller;

impl Iam {
    /// What a resource's policy says of the caller. What it allows to the account as a whole is not thereby allowed to
    /// the account's roles: that needs policies of their own, which are asked anyway. What it denies to the account is
    /// denied to everybody in it.
    pub(super) fn resource_says(
        &self,
        now: Timestamp,
        caller: &Caller,
        policy: &str,
        action: &str,
        resource: &str,
        keys: &Keys,
    ) -> Decision {
        let say = |all: &[&str]| {
            decide([policy], Question { action, resource: Some(resource), asker: Asker::Principals(all), keys })
        };
        let root = self.root();
        let by_name = names(caller);
        let with_account = [by_name.as_slice(), &[&self.account, &root]].concat();
        match (say(&with_account), caller.role.as_deref()) {
            (Decision::Denied, _) => Decision::Denied,
            (decision, None) => decision,
            // The name of a role that is gone allows nobody anything.
            (_, Some(role)) if self.roles.read(|roles| roles.seen(role, now, self.propagation).is_none()) => {
                Decision::Unmentioned
            }
            _ => say(&by_name),
        }
    }
}

/// Whether a resource's policy allows something to the caller's session by its name, which no boundary limits.
/// Source: IAM user guide, "Permissions boundaries", evaluation with resource-based policies.
pub(super) fn session_may(caller: &Caller, policy: Option<&str>, action: &str, resource: &str, keys: &Keys) -> bool {
    let is_session = caller.role.as_deref().is_some_and(|role| role != caller.arn);
    let asker = Asker::Principals(&[&caller.arn]);
    let question = Question { action, resource: Some(resource), asker, keys };
    is_session && policy.is_some_and(|policy| decide([policy], question) == Decision::Allowed)
}
