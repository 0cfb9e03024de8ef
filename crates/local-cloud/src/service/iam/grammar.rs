//! The grammar of policies as IAM checks it, and what IAM says of a document that breaks it.
//!
//! Sources of the sentences and of their order: moto's `test_iam_policies.py`, which has IAM's own answers; reports of
//! users for trust policies. Values of conditions other than dates are refused like dates, by analogy.

mod arn;
mod condition;
mod json;
mod principal;
mod syntax;

#[cfg(test)]
mod tests;

use std::collections::HashSet;

use serde_json::Value;

pub(crate) use principal::is_service;
pub(crate) use syntax::{Document, Statement};

const SYNTAX: &str = "Syntax errors in policy.";
const LEGACY: &str = "The policy failed legacy parsing";

/// Actions of STS in a trust policy. Source: service authorization reference, STS.
const TRUST_ACTIONS: [&str; 12] = [
    "sts:AssumeRole",
    "sts:AssumeRoleWithSAML",
    "sts:AssumeRoleWithWebIdentity",
    "sts:DecodeAuthorizationMessage",
    "sts:GetAccessKeyInfo",
    "sts:GetCallerIdentity",
    "sts:GetFederationToken",
    "sts:GetServiceBearerToken",
    "sts:GetSessionToken",
    "sts:SetContext",
    "sts:SetSourceIdentity",
    "sts:TagSession",
];

/// GitHub's identity provider, whose tokens are anybody's until the subject is looked at.
const GITHUB: &str = "token.actions.githubusercontent.com";

/// What a role's own or a managed policy is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Identity {
    /// Inline.
    Inline,
    /// Managed: of version 2012-10-17.
    Managed,
}

/// Where a trust policy is put.
pub(super) struct Place<'a> {
    pub(super) partition: &'a str,
    pub(super) account: &'a str,
    /// Whether a user, role or session of this account exists, by ARN or by unique id.
    pub(super) exists: &'a dyn Fn(&str) -> bool,
}

/// Whether a document may become a policy of an identity. The error is the message of `MalformedPolicyDocument`.
pub(super) fn check_identity(text: &str, kind: Identity, partition: &str) -> Result<(), String> {
    let document = read(text)?;
    if kind == Identity::Managed && document.version.as_deref() != Some("2012-10-17") {
        return fail("Policy document must be version 2012-10-17 or greater.");
    }
    let statements = &document.statements;
    legacy(statements)?;
    let resources = match resources(statements, partition) {
        Err(arn::Fault::Legacy) => return fail(LEGACY),
        Err(arn::Fault::Said(said)) => Err(said),
        Ok(()) => Ok(()),
    };
    sids(statements)?;
    if statements.iter().any(|statement| statement.principal.is_some() || statement.not_principal.is_some()) {
        return fail("Policy document should not specify a principal.");
    }
    if statements.iter().any(|statement| statement.actions().is_none_or(<[String]>::is_empty)) {
        return fail("Policy statement must contain actions.");
    }
    resources?;
    actions(statements)?;
    if statements.iter().any(|statement| statement.resources().is_none_or(<[String]>::is_empty)) {
        return fail("Policy statement must contain resources.");
    }
    Ok(())
}

/// Whether a document may become a role's trust policy. The error is the message of `MalformedPolicyDocument`.
pub(super) fn check_trust(text: &str, place: &Place<'_>) -> Result<(), String> {
    let document = read(text)?;
    let statements = &document.statements;
    legacy(statements)?;
    if statements.iter().any(|statement| statement.resources().is_some()) {
        return fail("Has prohibited field Resource");
    }
    if statements.iter().any(|statement| statement.principal.is_none() && statement.not_principal.is_none()) {
        return fail("Missing required field Principal");
    }
    if statements.iter().any(|statement| statement.action.as_ref().is_none_or(Vec::is_empty)) {
        return fail("Missing required field Action");
    }
    sids(statements)?;
    statements
        .iter()
        .flat_map(|statement| statement.action.iter().flatten())
        .try_for_each(|action| trust_action(action))?;
    statements.iter().try_for_each(|statement| principals(statement, place))
}

/// Reads a document for the policy of a resource, whose service has words of its own.
pub(crate) fn read(text: &str) -> Result<Document, String> {
    let value = json::parse(text).map_err(|fault| match fault {
        json::Fault::NotJson => "This policy contains invalid Json".to_owned(),
        json::Fault::Doubled => SYNTAX.to_owned(),
    })?;
    Document::of(&value).ok_or_else(|| SYNTAX.to_owned())
}

/// Whether what a resource's policy says is decidable later: effects, conditions, resources and actions.
pub(crate) fn check_parts(document: &Document, partition: &str) -> Result<(), String> {
    legacy(&document.statements)?;
    resources(&document.statements, partition).map_err(|fault| match fault {
        arn::Fault::Legacy => LEGACY.to_owned(),
        arn::Fault::Said(said) => said,
    })?;
    actions(&document.statements)
}

/// Whether an element names principals whose form is right.
pub(crate) fn names_principals(element: &Value, kinds: &[&str]) -> bool {
    principal::named(element).is_some_and(|all| all.iter().all(|named| kinds.contains(&named.kind)))
}

fn fail(message: &str) -> Result<(), String> {
    Err(message.to_owned())
}

fn legacy(statements: &[Statement]) -> Result<(), String> {
    let taken = |statement: &Statement| {
        matches!(statement.effect.as_str(), "Allow" | "Deny") && statement.condition.iter().all(condition::fits)
    };
    if statements.iter().all(taken) { Ok(()) } else { fail(LEGACY) }
}

fn resources(statements: &[Statement], partition: &str) -> Result<(), arn::Fault> {
    statements.iter().filter_map(Statement::resources).try_for_each(|resources| arn::check(resources, partition))
}

fn sids(statements: &[Statement]) -> Result<(), String> {
    let sids = || statements.iter().filter_map(|statement| statement.sid.as_deref()).filter(|sid| !sid.is_empty());
    if !sids().all(|sid| sid.bytes().all(|byte| byte.is_ascii_alphanumeric())) {
        return fail(
            "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression \
             [0-9A-Za-z]*",
        );
    }
    let mut seen = HashSet::new();
    if sids().all(|sid| seen.insert(sid)) {
        Ok(())
    } else {
        fail("Statement IDs (SID) in a single policy must be unique.")
    }
}

fn actions(statements: &[Statement]) -> Result<(), String> {
    statements.iter().filter_map(Statement::actions).flatten().try_for_each(|action| check_action(action))
}

fn check_action(action: &str) -> Result<(), String> {
    let Some((vendor, name)) = action.split_once(':') else {
        return match action {
            "*" => Ok(()),
            _ => fail("Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."),
        };
    };
    if name.contains(':') {
        return fail("Actions/Condition can contain only one colon.");
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
    if vendor == "*" || (!vendor.is_empty() && vendor.chars().all(plain)) {
        Ok(())
    } else {
        Err(format!("Vendor {vendor} is not valid"))
    }
}

/// The sentence about actions of other services is that of reports of users, the one about actions that STS does not
/// have is that of moto's tests.
fn trust_action(action: &str) -> Result<(), String> {
    if TRUST_ACTIONS.iter().any(|known| known.eq_ignore_ascii_case(action)) {
        return Ok(());
    }
    if action.to_ascii_lowercase().starts_with("sts:") {
        fail(
            "Trust Policy statement actions can only be sts:AssumeRole, sts:AssumeRoleWithSAML,  and \
             sts:AssumeRoleWithWebIdentity",
        )
    } else {
        fail("AssumeRole policy may only specify STS AssumeRole actions.")
    }
}

fn principals(statement: &Statement, place: &Place<'_>) -> Result<(), String> {
    let Some(element) = statement.principal.as_ref().or(statement.not_principal.as_ref()) else { return Ok(()) };
    let all = principal::named(element).ok_or("Invalid principal in policy")?;
    for named in &all {
        if !principal::is_known(named, place.partition, place.account, place.exists) {
            let kind = named.kind.to_ascii_uppercase();
            return Err(format!("Invalid principal in policy: \"{kind}\":\"{}\"", named.name));
        }
        if statement.effect == "Allow" && named.kind == "Federated" && named.name.ends_with(GITHUB) {
            github(statement, named.name)?;
        }
    }
    Ok(())
}

/// IAM wants a look at the subject, or at the workflow, of GitHub's tokens. Source: reports of users.
fn github(statement: &Statement, provider: &str) -> Result<(), String> {
    let keys = [format!("{GITHUB}:sub"), format!("{GITHUB}:job_workflow_ref")];
    let looked_at = statement.condition.iter().any(|test| {
        let operator = matches!(test.operator.as_str(), "StringEquals" | "StringLike" | "StringEqualsIgnoreCase");
        let scoped =
            test.values.iter().all(|value| !value.is_empty() && value.chars().any(|c| !matches!(c, '*' | '?')));
        operator && keys.iter().any(|key| key.eq_ignore_ascii_case(&test.key)) && !test.values.is_empty() && scoped
    });
    if looked_at {
        return Ok(());
    }
    Err(format!(
        "Trust policy with trusted principal {provider} must evaluate, using StringEquals, StringLike or \
         StringEqualsIgnoreCase, {} or {} which is not scoped to all.",
        keys[0], keys[1]
    ))
}
