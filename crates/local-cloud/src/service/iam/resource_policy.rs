//! Policies of resources, which name whom they are about: a bucket's, for example.
//!
//! A caller of the account may do what an own policy or the resource's allows, unless one of them denies it. Source:
//! IAM user guide, "Policy evaluation logic". Whom a policy names in a way that is not known here, such as by
//! `NotPrincipal`, is undecided, which fails closed.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::policy::{Decision, Question, decide};
use super::{Iam, not_authorized};
use crate::call::Caller;

/// What is not denied to the account itself, so that a mistake in a policy can be mended. Source: IAM user guide, of
/// the root user. The account's own key stands for that user here, since there is no other.
const OWNERS: [&str; 3] = ["s3:GetBucketPolicy", "s3:PutBucketPolicy", "s3:DeleteBucketPolicy"];

impl Iam {
    /// Like [`Iam::authorize_caller`], for a resource that may have a policy of its own.
    pub fn authorize_on(
        &self,
        caller: &Caller,
        action: &str,
        resource: &str,
        context: &[(&str, &str)],
        policy: Option<&str>,
    ) -> Result<(), String> {
        let own = || self.authorize_caller(caller, action, resource, context);
        let Some(policy) = policy.filter(|_| caller.role.is_some() || !OWNERS.contains(&action)) else { return own() };
        let principal = caller.role.as_deref().unwrap_or(&caller.arn);
        let all = [context, &self.global_context(principal)].concat();
        let question = Question { action, resource: Some(resource), service: None, context: &all };
        let now = Timestamp::now();
        match self.resources_policy_decides(now, caller, policy, question) {
            Decision::Denied => {
                Err(not_authorized(caller, action, resource, "with an explicit deny in a resource-based policy"))
            }
            Decision::Allowed
                if self.own_policies_decide(now, caller, action, resource, context) != Decision::Denied =>
            {
                Ok(())
            }
            Decision::Allowed | Decision::Unmentioned => own(),
        }
    }

    fn resources_policy_decides(
        &self,
        now: Timestamp,
        caller: &Caller,
        policy: &str,
        question: Question<'_>,
    ) -> Decision {
        let Ok(document) = serde_json::from_str::<Value>(policy) else { return Decision::Denied };
        let gone = |role| self.roles.read(|roles| roles.seen(role, now, self.propagation).is_none());
        // The name of a role that is gone allows nobody anything.
        let allows = !caller.role.as_deref().is_some_and(gone);
        let about = statements(&document).iter().filter(|statement| allows || statement["Effect"] != "Allow");
        let about: Vec<Value> = about.filter_map(|statement| self.about(caller, statement)).collect();
        decide([json!({ "Version": document["Version"], "Statement": about }).to_string().as_str()], question)
    }

    /// The statement without whom it names, if that is the caller.
    fn about(&self, caller: &Caller, statement: &Value) -> Option<Value> {
        let denies = statement["Effect"] != "Allow";
        let undecided = denies;
        let is_about = match &statement["Principal"] {
            _ if statement.get("NotPrincipal").is_some() => undecided,
            Value::String(anyone) => anyone == "*",
            Value::Object(kinds) => {
                let named = kinds.get("AWS").map(texts).unwrap_or_default();
                named.into_iter().any(|named| self.is(caller, named, denies))
            }
            _ => undecided,
        };
        let mut statement = statement.clone();
        let members = statement.as_object_mut().filter(|_| is_about)?;
        members.remove("Principal");
        members.remove("NotPrincipal");
        Some(statement)
    }

    /// Whether an ARN or account in a policy means the caller. What is allowed to the account as a whole is not thereby
    /// allowed to its roles: that needs policies of their own, which are asked anyway.
    fn is(&self, caller: &Caller, named: &str, denies: bool) -> bool {
        let account = named == self.account || named == format!("arn:aws:iam::{}:root", self.account);
        named == "*"
            || named == caller.arn
            || caller.role.as_deref() == Some(named)
            || account && (denies || caller.role.is_none())
    }
}

fn statements(document: &Value) -> &[Value] {
    match &document["Statement"] {
        Value::Array(statements) => statements,
        Value::Null => &[],
        single => std::slice::from_ref(single),
    }
}

fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::Array(values) => values.iter().filter_map(Value::as_str).collect(),
        single => single.as_str().into_iter().collect(),
    }
}
