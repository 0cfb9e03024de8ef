//! Policy documents: how they are evaluated. The grammar is checked before, when a document is put.
//!
//! What cannot be decided here, be it an operator that is not known or a context key that nobody supplied, fails
//! closed: an `Allow` does not apply, a `Deny` does.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::keys::{Keys, Known};

/// What a policy is asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Question<'a> {
    /// For example `s3:GetObject`.
    pub(super) action: &'a str,
    /// ARN; none for a trust policy, which is about its own role.
    pub(super) resource: Option<&'a str>,
    /// Who asks.
    pub(super) asker: Asker<'a>,
    /// Condition keys of the request.
    pub(super) keys: &'a Keys,
}

/// Who asks a policy.
#[derive(Clone, Copy, Debug)]
pub(super) enum Asker<'a> {
    /// Whoever the policy belongs to.
    Own,
    /// A service, by its principal.
    Service(&'a str),
    /// A user or a session, which these `AWS` principals stand for.
    Principals(&'a [&'a str]),
}

/// What policies answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// Some statement allows it and none denies it.
    Allowed,
    /// No statement allows it.
    Unmentioned,
    /// Some statement denies it.
    Denied,
}

/// Asks all policies; a denial of one outweighs the others.
pub(super) fn decide<'a>(documents: impl IntoIterator<Item = &'a str>, question: Question<'_>) -> Decision {
    let mut decision = Decision::Unmentioned;
    for text in documents {
        // Only documents that were readable are kept; one that is not any more must not open anything.
        let Ok(document) = serde_json::from_str::<Document>(text) else { return Decision::Denied };
        for statement in document.statement.all() {
            let applies = statement.applies(question);
            match statement.effect {
                Effect::Deny if applies != Some(false) => return Decision::Denied,
                Effect::Allow if applies == Some(true) => decision = Decision::Allowed,
                _ => {}
            }
        }
    }
    decision
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Document {
    #[serde(rename = "Version")]
    _version: Option<String>,
    #[serde(rename = "Id")]
    _id: Option<String>,
    statement: OneOrMore<Statement>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Statement {
    #[serde(rename = "Sid")]
    _sid: Option<String>,
    effect: Effect,
    principal: Option<Principal>,
    #[serde(rename = "NotPrincipal")]
    _not_principal: Option<Value>,
    action: Option<Names>,
    not_action: Option<Names>,
    resource: Option<Names>,
    not_resource: Option<Names>,
    #[serde(default)]
    condition: Map<String, Value>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
enum Effect {
    Allow,
    Deny,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Principal {
    /// `*`.
    Anyone(#[expect(dead_code, reason = "the grammar lets no other text through")] String),
    Kinds(Map<String, Value>),
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum OneOrMore<T> {
    More(Vec<T>),
    Bare(T),
}

impl<T> OneOrMore<T> {
    fn all(&self) -> &[T] {
        match self {
            Self::More(more) => more,
            Self::Bare(bare) => std::slice::from_ref(bare),
        }
    }
}

/// IAM skips what is null in a list.
type Names = OneOrMore<Option<String>>;

impl Names {
    fn texts(&self) -> impl Iterator<Item = &str> {
        self.all().iter().flatten().map(String::as_str)
    }
}

impl Statement {
    /// Whether the statement is about the question; none when that cannot be decided.
    fn applies(&self, question: Question<'_>) -> Option<bool> {
        let parts = [
            self.names_principal(question.asker),
            self.names_action(question.action),
            self.names_resource(question.resource),
            self.conditions_met(question.keys),
        ];
        if parts.contains(&Some(false)) {
            Some(false)
        } else {
            parts.into_iter().collect::<Option<Vec<_>>>().map(|_| true)
        }
    }

    fn names_principal(&self, asker: Asker<'_>) -> Option<bool> {
        match (asker, &self.principal) {
            (Asker::Own, _) => Some(true),
            // Anyone is any account; whether that includes services is not worth opening a role for.
            (_, None) | (Asker::Service(_), Some(Principal::Anyone(_))) => None,
            (Asker::Principals(all), Some(Principal::Anyone(_))) => Some(all.contains(&"*")),
            (Asker::Service(service), Some(Principal::Kinds(kinds))) => {
                let named = kinds.get("Service").map(values).unwrap_or_default();
                Some(named.iter().any(|named| named.eq_ignore_ascii_case(service)))
            }
            (Asker::Principals(all), Some(Principal::Kinds(kinds))) => {
                let named = kinds.get("AWS").map(values).unwrap_or_default();
                Some(named.iter().any(|named| all.contains(&named.as_str())))
            }
        }
    }

    fn names_action(&self, action: &str) -> Option<bool> {
        let action = action.to_ascii_lowercase();
        let names = |list: &Names| list.texts().any(|pattern| like(&pattern.to_ascii_lowercase(), &action));
        match (&self.action, &self.not_action) {
            (Some(list), None) => Some(names(list)),
            (None, Some(list)) => Some(!names(list)),
            _ => None,
        }
    }

    fn names_resource(&self, resource: Option<&str>) -> Option<bool> {
        let Some(resource) = resource else { return Some(true) };
        let (list, wanted) = match (&self.resource, &self.not_resource) {
            (Some(list), None) => (list, true),
            (None, Some(list)) => (list, false),
            _ => return None,
        };
        if list.texts().any(|pattern| like(pattern, resource)) {
            return Some(wanted);
        }
        // A pattern with variables may have matched, had they been filled in.
        if list.texts().any(has_variable) { None } else { Some(!wanted) }
    }

    fn conditions_met(&self, known: &Keys) -> Option<bool> {
        let mut met = Some(true);
        for (operator, keys) in &self.condition {
            for (key, wanted) in keys.as_object()? {
                match condition(operator, &known.get(key), &values(wanted)) {
                    Some(true) => {}
                    Some(false) => return Some(false),
                    None => met = None,
                }
            }
        }
        met
    }
}

/// Which of a key's values an operator must hold for.
#[derive(Clone, Copy)]
enum Quantifier {
    Any,
    All,
}

/// One condition key under one operator; none when that cannot be decided. A key that the request is known to lack is
/// judged as AWS judges it: only negated operators, `IfExists` and `ForAllValues` hold then.
fn condition(operator: &str, known: &Known<'_>, wanted: &[String]) -> Option<bool> {
    if operator == "Null" {
        let absent = match known {
            Known::Unknown => return None,
            known => *known == Known::Absent,
        };
        return Some(wanted.iter().any(|wanted| wanted.eq_ignore_ascii_case(if absent { "true" } else { "false" })));
    }
    let (name, quantifier) = match operator.split_once(':') {
        Some(("ForAllValues", name)) => (name, Some(Quantifier::All)),
        Some(("ForAnyValue", name)) => (name, Some(Quantifier::Any)),
        _ => (operator, None),
    };
    let (name, if_exists) = name.strip_suffix("IfExists").map_or((name, false), |name| (name, true));
    let (matches, negated): (fn(&str, &str) -> bool, bool) = match name {
        "StringEquals" => (|wanted, actual| wanted == actual, false),
        "StringNotEquals" => (|wanted, actual| wanted == actual, true),
        "StringEqualsIgnoreCase" | "Bool" => (str::eq_ignore_ascii_case, false),
        "StringNotEqualsIgnoreCase" => (str::eq_ignore_ascii_case, true),
        "StringLike" => (like, false),
        "StringNotLike" => (like, true),
        "ArnLike" | "ArnEquals" => (arn_like, false),
        "ArnNotLike" | "ArnNotEquals" => (arn_like, true),
        _ => return None,
    };
    let values = match known {
        Known::Unknown => return None,
        Known::Absent => {
            return Some(match quantifier {
                Some(Quantifier::All) => true,
                Some(Quantifier::Any) => if_exists,
                None => negated || if_exists,
            });
        }
        Known::Values(values) => values,
    };
    if wanted.iter().any(|wanted| has_variable(wanted)) {
        return None;
    }
    let holds = |actual: &&str| wanted.iter().any(|wanted| matches(wanted, actual)) != negated;
    Some(match quantifier {
        Some(Quantifier::All) => values.iter().all(holds),
        _ => values.iter().any(holds),
    })
}

fn has_variable(pattern: &str) -> bool {
    pattern.contains("${")
}

/// A value or a list of values, as text.
fn values(value: &Value) -> Vec<String> {
    match value {
        Value::Array(list) => list.iter().flat_map(values).collect(),
        Value::String(text) => vec![text.clone()],
        other => vec![other.to_string()],
    }
}

/// Whether an ARN matches part by part: a wildcard does not reach over a colon, but for those of the last part.
fn arn_like(pattern: &str, arn: &str) -> bool {
    let (pattern, arn): (Vec<_>, Vec<_>) = (pattern.splitn(6, ':').collect(), arn.splitn(6, ':').collect());
    pattern.len() == 6 && arn.len() == 6 && pattern.iter().zip(&arn).all(|(pattern, part)| like(pattern, part))
}

/// Whether text matches a pattern in which `*` is any run of characters and `?` any one. Linear in practice: only
/// the latest `*` is ever reconsidered.
fn like(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(&wanted) if wanted == '?' || wanted == text[t] => {
                p += 1;
                t += 1;
            }
            _ => {
                let Some((star_p, star_t)) = star else { return false };
                star = Some((star_p, star_t + 1));
                p = star_p + 1;
                t = star_t + 1;
            }
        }
    }
    pattern[p..].iter().all(|rest| *rest == '*')
}

#[cfg(test)]
#[path = "policy_tests.rs"]
mod tests;
