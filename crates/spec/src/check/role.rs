//! Statements of policies: everything that IAM would refuse only when the policy is put.

use std::collections::BTreeMap;

use serde_json::Value;

use super::words::{quoted, shown};
use super::{Block, Checker, suggest};
use crate::forms::TextOrList;
use crate::limits;
use crate::raw::{RawCreateRole, RawRole, RawStatement};
use crate::types::{CreateRole, Effect, PLACEHOLDERS, RolePolicy, Scope, Statement, fill};

/// The operators of conditions, without `IfExists` behind them. Source: IAM user guide, condition operators.
const OPERATORS: [&str; 27] = [
    "StringEquals",
    "StringNotEquals",
    "StringEqualsIgnoreCase",
    "StringNotEqualsIgnoreCase",
    "StringLike",
    "StringNotLike",
    "NumericEquals",
    "NumericNotEquals",
    "NumericLessThan",
    "NumericLessThanEquals",
    "NumericGreaterThan",
    "NumericGreaterThanEquals",
    "DateEquals",
    "DateNotEquals",
    "DateLessThan",
    "DateLessThanEquals",
    "DateGreaterThan",
    "DateGreaterThanEquals",
    "Bool",
    "BinaryEquals",
    "IpAddress",
    "NotIpAddress",
    "ArnEquals",
    "ArnLike",
    "ArnNotEquals",
    "ArnNotLike",
    "Null",
];

pub(super) fn create_role(checker: &mut Checker<'_>, block: Block<'_>) -> Option<CreateRole> {
    let raw: RawCreateRole = checker.stage("create-role", block)?;
    let sagemaker = role(checker, "stages.create-role.sagemaker", raw.sagemaker);
    let proxy = role(checker, "stages.create-role.proxy", raw.proxy);
    Some(CreateRole { sagemaker, proxy })
}

fn role(checker: &mut Checker<'_>, path: &str, raw: Option<RawRole>) -> RolePolicy {
    let raw = raw.unwrap_or_default();
    let policy_path = format!("{path}.policy");
    if raw.policy.as_ref().is_some_and(Vec::is_empty) {
        let complaint = checker.places.complain_key(&policy_path, "`policy` has no statement");
        checker.say(complaint.help("leave it out to have the default statements"));
    }
    let mut sids = BTreeMap::new();
    let mut read = |raw: Option<Vec<RawStatement>>, path: &str| {
        let written = raw.into_iter().flatten().enumerate();
        written
            .filter_map(|(index, raw)| statement(checker, &format!("{path}[{index}]"), raw, &mut sids))
            .collect::<Vec<_>>()
    };
    let policy = raw.policy.is_some().then(|| read(raw.policy, &policy_path));
    RolePolicy { policy, also: read(raw.also, &format!("{path}.also")) }
}

fn statement(
    checker: &mut Checker<'_>,
    path: &str,
    raw: RawStatement,
    sids: &mut BTreeMap<String, String>,
) -> Option<Statement> {
    if let Some(sid) = &raw.sid {
        check_sid(checker, &format!("{path}.Sid"), sid, sids);
    }
    let effect = match raw.effect.as_str() {
        "Allow" => Some(Effect::Allow),
        "Deny" => Some(Effect::Deny),
        other => {
            let complaint =
                checker.places.complain(&format!("{path}.Effect"), format!("unknown effect {}", quoted(other)));
            checker.say(suggest(complaint, other, "effects", &["Allow", "Deny"]));
            None
        }
    };
    let action = scope(checker, path, ["Action", "NotAction"], raw.action, raw.not_action, check_action);
    let resource = scope(checker, path, ["Resource", "NotResource"], raw.resource, raw.not_resource, check_resource);
    let condition = condition(checker, &format!("{path}.Condition"), raw.condition.unwrap_or_default());
    Some(Statement { sid: raw.sid, effect: effect?, action: action?, resource: resource?, condition })
}

fn check_sid(checker: &mut Checker<'_>, path: &str, sid: &str, sids: &mut BTreeMap<String, String>) {
    if !sid.chars().all(|c| c.is_ascii_alphanumeric()) {
        let message = format!("a `Sid` has letters and digits only, unlike {}", quoted(sid));
        checker.say(checker.places.complain(path, message));
    }
    if let Some(first) = sids.insert(sid.to_owned(), path.to_owned()) {
        let complaint = checker.places.complain(path, format!("the `Sid` {} is written twice", quoted(sid)));
        checker.say(complaint.label("again here").also(checker.places.find(&first), "first here"));
    }
}

/// Reads what a statement names by one key, or excludes by the other.
fn scope(
    checker: &mut Checker<'_>,
    path: &str,
    keys: [&str; 2],
    of: Option<TextOrList>,
    but: Option<TextOrList>,
    check: fn(&str) -> Result<(), String>,
) -> Option<Scope> {
    let [named, excluded] = keys;
    let (list, key) = match (of, but) {
        (Some(list), None) => (list, named),
        (None, Some(list)) => (list, excluded),
        (Some(_), Some(_)) => {
            let message = format!("`{named}` and `{excluded}` exclude each other");
            checker.two_of(path, &keys, &[true, true], &message, ["", "the statement has it already"]);
            return None;
        }
        (None, None) => {
            let message = format!("the statement has neither `{named}` nor `{excluded}`");
            checker.say(checker.places.complain(path, message));
            return None;
        }
    };
    let path = format!("{path}.{key}");
    if list.all().is_empty() {
        checker.say(checker.places.complain(&path, format!("`{key}` names nothing")));
        return None;
    }
    for (index, text) in list.all().iter().enumerate() {
        if let Err(why) = check(text) {
            checker.say(with_placeholders(checker.places.complain(&list.path(&path, index), why.clone()), &why));
        }
    }
    let all = list.all().to_vec();
    Some(if key == named { Scope::Of(all) } else { Scope::AllBut(all) })
}

/// Checks that IAM takes every character; it refuses others with `MalformedPolicyDocument`.
fn check_chars(text: &str) -> Result<(), String> {
    let taken = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..=limits::LAST_POLICY_CHAR);
    match text.chars().find(|c| !taken(*c)) {
        Some(wrong) => Err(format!("IAM takes no {} in a policy", shown(wrong))),
        None => Ok(()),
    }
}

fn check_action(text: &str) -> Result<(), String> {
    let sound = text.split_once(':').is_some_and(|(service, action)| {
        let word = |text: &str, more: &str| {
            !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c))
        };
        word(service, "-") && word(action, "*?")
    });
    if text == "*" || sound {
        return Ok(());
    }
    Err(format!("an action reads like `s3:GetObject`, unlike {}", quoted(text)))
}

fn check_resource(text: &str) -> Result<(), String> {
    check_chars(text)?;
    fill(text, |_| String::new()).map_err(|why| format!("{why} in {}", quoted(text)))?;
    if text == "*" || (text.starts_with("arn:") && text.splitn(6, ':').count() == 6) {
        return Ok(());
    }
    Err(format!("a resource is an ARN or `*`, unlike {}", quoted(text)))
}

fn with_placeholders(complaint: crate::Complaint, why: &str) -> crate::Complaint {
    if !why.contains("placeholder") && !why.contains("without a") {
        return complaint;
    }
    let known = PLACEHOLDERS.map(|name| format!("{{{name}}}"));
    complaint.help(format!("placeholders: {}; IAM's own variables are `${{…}}`", known.join(", ")))
}

fn condition(
    checker: &mut Checker<'_>,
    path: &str,
    raw: BTreeMap<String, BTreeMap<String, Value>>,
) -> BTreeMap<String, BTreeMap<String, Vec<String>>> {
    let mut conditions: BTreeMap<String, BTreeMap<String, Vec<String>>> = BTreeMap::new();
    for (operator, keys) in raw {
        let path = format!("{path}.{operator}");
        let name = operator.strip_prefix("ForAllValues:").or_else(|| operator.strip_prefix("ForAnyValue:"));
        let name = name.unwrap_or(&operator);
        let base = name.strip_suffix("IfExists").unwrap_or(name);
        if !OPERATORS.contains(&base) || (base == "Null" && base != name) {
            let complaint = checker.places.complain_key(&path, format!("unknown operator {}", quoted(&operator)));
            checker.say(suggest(complaint, base, "operators", &OPERATORS));
        }
        for (key, value) in keys {
            let at = format!("{path}.{key}");
            let texts = values(&value);
            if texts.is_empty() {
                checker.say(checker.places.complain(&at, format!("the condition on {} names no value", quoted(&key))));
            }
            if let Err(why) = check_chars(&key) {
                checker.say(checker.places.complain_key(&at, why));
            }
            for text in &texts {
                if let Err(why) = check_chars(text) {
                    checker.say(checker.places.complain(&at, format!("{why}, as in {}", quoted(text))));
                }
                if let Err(why) = fill(text, |_| String::new()) {
                    let complaint = checker.places.complain(&at, format!("{why} in {}", quoted(text)));
                    checker.say(with_placeholders(complaint, &why));
                }
            }
            conditions.entry(operator.clone()).or_default().insert(key, texts);
        }
    }
    conditions
}

/// A value or a list of values, as text; IAM takes numbers and truths as texts too.
fn values(value: &Value) -> Vec<String> {
    match value {
        Value::Array(list) => list.iter().flat_map(values).collect(),
        Value::String(text) => vec![text.clone()],
        Value::Null | Value::Object(_) => vec![],
        other => vec![other.to_string()],
    }
}
