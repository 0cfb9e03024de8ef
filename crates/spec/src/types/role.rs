//! What `create-role` can say: statements of policies.

use std::collections::BTreeMap;

/// What the two roles may do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CreateRole {
    /// Of the role that `SageMaker` assumes.
    pub sagemaker: RolePolicy,
    /// Of the role that Lambda assumes.
    pub proxy: RolePolicy,
}

/// The policy of one role.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RolePolicy {
    /// Instead of the default statements; at least one.
    pub policy: Option<Vec<Statement>>,
    /// Beside the others.
    pub also: Vec<Statement>,
}

/// A statement, as IAM writes it. Its texts have placeholders, which [`fill`] fills in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// Letters and digits; unique within what is written for the role.
    pub sid: Option<String>,
    /// Whether it allows or denies.
    pub effect: Effect,
    /// What it is about.
    pub action: Scope,
    /// Upon what.
    pub resource: Scope,
    /// Operator → key → values. All must hold.
    pub condition: BTreeMap<String, BTreeMap<String, Vec<String>>>,
}

/// What a statement does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It allows.
    Allow,
    /// It denies, whatever others allow.
    Deny,
}

/// Actions or resources that a statement names; at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// These.
    Of(Vec<String>),
    /// All but these.
    AllBut(Vec<String>),
}

/// Names that a statement may have in braces.
pub const PLACEHOLDERS: [&str; 7] = ["partition", "region", "account", "bucket", "name", "endpoint", "function"];

/// Replaces each placeholder by its value; IAM's own variables, `${…}`, stay. The error is what is wrong with the text.
pub fn fill(text: &str, value: impl Fn(&str) -> String) -> Result<String, String> {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(open) = rest.find(['{', '}']) {
        let variable = rest[..open].ends_with('$');
        if rest[open..].starts_with('}') {
            return Err("a `}` without a `{`".to_owned());
        }
        let Some(length) = rest[open..].find('}') else { return Err("a `{` without a `}`".to_owned()) };
        let name = &rest[open + 1..open + length];
        filled.push_str(&rest[..open]);
        if variable {
            filled.push_str(&rest[open..=open + length]);
        } else if PLACEHOLDERS.contains(&name) {
            filled.push_str(&value(name));
        } else {
            return Err(format!("unknown placeholder `{{{name}}}`"));
        }
        rest = &rest[open + length + 1..];
    }
    filled.push_str(rest);
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_filled_in_and_variables_of_iam_stay() {
        let filled = |text: &str| fill(text, |name| format!("<{name}>"));
        let arn = filled("arn:{partition}:s3:::{bucket}/${aws:username}/*");
        assert_eq!(arn.unwrap(), "arn:<partition>:s3:::<bucket>/${aws:username}/*");
        assert_eq!(filled("*").unwrap(), "*");
        assert_eq!(filled("{buckets}").unwrap_err(), "unknown placeholder `{buckets}`");
        assert_eq!(filled("a{bucket").unwrap_err(), "a `{` without a `}`");
        assert_eq!(filled("a}b").unwrap_err(), "a `}` without a `{`");
    }
}
