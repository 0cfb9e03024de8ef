//! The elements of a policy and the types of their values.

use serde_json::{Map, Value};

/// Operators of conditions, without `ForAllValues:`, `ForAnyValue:` and `IfExists`. Source: IAM user guide, condition
/// operators.
const OPERATORS: [&str; 26] = [
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
];

/// A policy whose elements have the right names and types.
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) version: Option<String>,
    /// At least one.
    pub(crate) statements: Vec<Statement>,
}

/// A statement whose elements have the right names and types.
#[derive(Debug)]
pub(crate) struct Statement {
    pub(crate) sid: Option<String>,
    /// `Allow` or `Deny`, in whatever case.
    pub(crate) effect: String,
    pub(crate) principal: Option<Value>,
    pub(crate) not_principal: Option<Value>,
    pub(crate) action: Option<Vec<String>>,
    pub(crate) not_action: Option<Vec<String>>,
    pub(crate) resource: Option<Vec<String>>,
    pub(crate) not_resource: Option<Vec<String>>,
    pub(crate) condition: Vec<Test>,
}

/// One key of a condition.
#[derive(Debug)]
pub(crate) struct Test {
    /// As it stands, for example `ForAllValues:StringLike`.
    pub(crate) operator: String,
    pub(crate) key: String,
    pub(crate) values: Vec<String>,
}

impl Document {
    /// Reads a document; none where an element is unknown or has a value of the wrong type.
    pub(crate) fn of(value: &Value) -> Option<Self> {
        let top = value.as_object()?;
        only(top, &["Version", "Id", "Statement"])?;
        optional(top.get("Id"), text)?;
        let version = optional(top.get("Version"), text)?;
        if version.as_deref().is_some_and(|version| !matches!(version, "2008-10-17" | "2012-10-17")) {
            return None;
        }
        let statements = match top.get("Statement")? {
            Value::Array(list) => list.iter().map(Statement::of).collect::<Option<Vec<_>>>()?,
            one => vec![Statement::of(one)?],
        };
        (!statements.is_empty()).then_some(Self { version, statements })
    }
}

impl Statement {
    fn of(value: &Value) -> Option<Self> {
        let map = value.as_object()?;
        only(
            map,
            &[
                "Sid",
                "Effect",
                "Principal",
                "Action",
                "Resource",
                "NotPrincipal",
                "NotAction",
                "NotResource",
                "Condition",
            ],
        )?;
        for (one, other) in [("Principal", "NotPrincipal"), ("Action", "NotAction"), ("Resource", "NotResource")] {
            if map.contains_key(one) && map.contains_key(other) {
                return None;
            }
        }
        let effect = text(map.get("Effect")?)?;
        if !effect.eq_ignore_ascii_case("Allow") && !effect.eq_ignore_ascii_case("Deny") {
            return None;
        }
        Some(Self {
            sid: optional(map.get("Sid"), text)?,
            effect,
            principal: map.get("Principal").cloned(),
            not_principal: map.get("NotPrincipal").cloned(),
            action: optional(map.get("Action"), names)?,
            not_action: optional(map.get("NotAction"), names)?,
            resource: optional(map.get("Resource"), names)?,
            not_resource: optional(map.get("NotResource"), names)?,
            condition: optional(map.get("Condition"), tests)?.unwrap_or_default(),
        })
    }

    /// The actions, be they those meant or those left out.
    pub(crate) fn actions(&self) -> Option<&[String]> {
        self.action.as_deref().or(self.not_action.as_deref())
    }

    /// The resources, be they those meant or those left out.
    pub(crate) fn resources(&self) -> Option<&[String]> {
        self.resource.as_deref().or(self.not_resource.as_deref())
    }
}

impl Test {
    /// The operator without what stands around it: `StringLike` of `ForAllValues:StringLikeIfExists`.
    pub(crate) fn kind(&self) -> &str {
        kind(&self.operator)
    }
}

fn kind(operator: &str) -> &str {
    let name = operator.strip_prefix("ForAllValues:").or_else(|| operator.strip_prefix("ForAnyValue:"));
    let name = name.unwrap_or(operator);
    name.strip_suffix("IfExists").unwrap_or(name)
}

/// `Null` takes neither a quantifier nor `IfExists`. Source: IAM user guide, condition operators.
fn is_operator(operator: &str) -> bool {
    operator == "Null" || OPERATORS.contains(&kind(operator))
}

fn only(map: &Map<String, Value>, known: &[&str]) -> Option<()> {
    map.keys().all(|key| known.contains(&key.as_str())).then_some(())
}

#[expect(clippy::option_option, reason = "an element that is wrong, missing, or there")]
fn optional<T>(value: Option<&Value>, read: impl Fn(&Value) -> Option<T>) -> Option<Option<T>> {
    value.map_or(Some(None), |value| read(value).map(Some))
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

/// A text or a list of texts. IAM skips what is null in a list.
fn names(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::Array(list) => list.iter().filter(|item| !item.is_null()).map(text).collect(),
        one => Some(vec![text(one)?]),
    }
}

/// An operator that is not known passes when it has no key.
fn tests(value: &Value) -> Option<Vec<Test>> {
    let mut tests = Vec::new();
    for (operator, keys) in value.as_object()? {
        for (key, values) in keys.as_object()? {
            if !is_operator(operator) {
                return None;
            }
            tests.push(Test { operator: operator.clone(), key: key.clone(), values: condition_values(values)? });
        }
    }
    Some(tests)
}

/// Texts, numbers and truth values, one or a list of them.
fn condition_values(value: &Value) -> Option<Vec<String>> {
    let one = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    };
    match value {
        Value::Array(list) => list.iter().map(one).collect(),
        value => Some(vec![one(value)?]),
    }
}
