//! Constraint checks in the words of AWS's request validation, which lists every fault of a request at once.

use std::collections::BTreeMap;
use std::fmt::Display;

use serde_json::{Map, Value};

use super::record::invalid;
use crate::call::Refusal;

/// A request's members, or those of a structure inside it.
pub(in crate::service) type Members = Map<String, Value>;

/// Most tags of one resource.
const MAX_TAGS: usize = 50;
/// Pattern of nearly every name.
const NAME_PATTERN: &str = "[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}";
/// Pattern of a model's name, which says the same.
const MODEL_NAME_PATTERN: &str = "[a-zA-Z0-9]([\\-a-zA-Z0-9]*[a-zA-Z0-9])?";
const ROLE_PATTERN: &str = "arn:aws[a-z\\-]*:iam::\\d{12}:role/?[a-zA-Z_0-9+=,.@\\-_/]+";
const TAG_PATTERN: &str = "([\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]*)";

/// What is wrong with a request.
#[derive(Debug, Default)]
pub(in crate::service) struct Faults(Vec<String>);

impl Faults {
    /// Notes that `value` breaks a rule; `path` is the member in AWS's spelling, as `productionVariants.1.member.modelName`.
    pub(in crate::service) fn add(&mut self, value: impl Display, path: &str, rule: impl Display) {
        self.0.push(format!("Value '{value}' at '{path}' failed to satisfy constraint: Member must {rule}"));
    }

    /// Notes that a member is missing.
    pub(in crate::service) fn missing(&mut self, path: &str) {
        self.0.push(format!("Value null at '{path}' failed to satisfy constraint: Member must not be null"));
    }

    /// Checks the name of a config, endpoint or variant.
    pub(in crate::service) fn name(&mut self, value: Option<&str>, path: &str) {
        self.pattern_name(value, path, NAME_PATTERN);
    }

    /// Checks the name of a model.
    pub(in crate::service) fn model_name(&mut self, value: Option<&str>, path: &str) {
        self.pattern_name(value, path, MODEL_NAME_PATTERN);
    }

    fn pattern_name(&mut self, value: Option<&str>, path: &str, pattern: &str) {
        let Some(value) = value else { return self.missing(path) };
        self.longest(value, path, 63);
        let is_edge = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
        let bytes = value.as_bytes();
        let inside = bytes.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'-');
        if !(inside && is_edge(bytes.first()) && is_edge(bytes.last())) {
            self.add(value, path, format_args!("satisfy regular expression pattern: {pattern}"));
        }
    }

    /// Checks a length in characters.
    pub(in crate::service) fn longest(&mut self, value: &str, path: &str, most: usize) {
        if value.chars().count() > most {
            self.add(value, path, format_args!("have length less than or equal to {most}"));
        }
    }

    /// Checks a role ARN.
    pub(in crate::service) fn role(&mut self, value: &str, path: &str) {
        if !is_role(value) {
            self.add(value, path, format_args!("satisfy regular expression pattern: {ROLE_PATTERN}"));
        }
    }

    /// Checks the name of a KMS key.
    pub(in crate::service) fn kms_key(&mut self, value: &str, path: &str) {
        self.longest(value, path, 2048);
        if !value.bytes().all(|b| b.is_ascii_alphanumeric() || b":/_-".contains(&b)) {
            self.add(value, path, "satisfy regular expression pattern: [a-zA-Z0-9:/_-]*");
        }
    }

    /// Checks a list's length.
    pub(in crate::service) fn length(&mut self, length: usize, path: &str, least: usize, most: usize) {
        if length < least {
            self.add("[]", path, format_args!("have length greater than or equal to {least}"));
        }
        if length > most {
            self.add("[...]", path, format_args!("have length less than or equal to {most}"));
        }
    }

    /// Checks a number's range.
    pub(in crate::service) fn range(&mut self, value: Option<i64>, path: &str, least: i64, most: i64) {
        let Some(value) = value else { return };
        if value < least {
            self.add(value, path, format_args!("have value greater than or equal to {least}"));
        }
        if value > most {
            self.add(value, path, format_args!("have value less than or equal to {most}"));
        }
    }

    /// Checks a choice of words.
    pub(in crate::service) fn one_of(&mut self, value: Option<&str>, path: &str, words: &[&str]) {
        let Some(value) = value else { return };
        if !words.contains(&value) {
            self.add(value, path, format_args!("satisfy enum value set: [{}]", words.join(", ")));
        }
    }

    /// Reads and checks `Tags`.
    pub(in crate::service) fn tags(&mut self, members: &Members) -> Result<BTreeMap<String, String>, Refusal> {
        let mut tags = BTreeMap::new();
        let given = list(members, "Tags")?.unwrap_or_default();
        if given.len() > MAX_TAGS {
            self.add("[...]", "tags", format_args!("have length less than or equal to {MAX_TAGS}"));
        }
        for (index, tag) in given.iter().enumerate() {
            let tag = structure(tag)?;
            let at = |member: &str| format!("tags.{}.member.{member}", index + 1);
            let key = text(tag, "Key")?;
            let value = text(tag, "Value")?;
            match key {
                None => self.missing(&at("key")),
                Some("") => self.add("", &at("key"), "have length greater than or equal to 1"),
                Some(key) => self.tag_text(key, &at("key"), 128),
            }
            match value {
                None => self.missing(&at("value")),
                Some(value) => self.tag_text(value, &at("value"), 256),
            }
            if let (Some(key), Some(value)) = (key, value)
                && tags.insert(key.to_owned(), value.to_owned()).is_some()
            {
                return Err(invalid("Duplicate tag keys found. Please note that Tag keys are case insensitive."));
            }
        }
        Ok(tags)
    }

    /// Checks the keys of tags that are to go. Source: botocore, `TagKeyList`.
    pub(in crate::service) fn tag_keys(&mut self, keys: &[Value]) {
        self.length(keys.len(), "tagKeys", 0, MAX_TAGS);
        for (index, key) in keys.iter().enumerate() {
            self.tag_text(key.as_str().unwrap_or_default(), &format!("tagKeys.{}.member", index + 1), 128);
        }
    }

    fn tag_text(&mut self, value: &str, path: &str, most: usize) {
        self.longest(value, path, most);
        if !value.chars().all(|c| c.is_alphanumeric() || c == ' ' || "_.:/=+-@".contains(c)) {
            self.add(value, path, format_args!("satisfy regular expression pattern: {TAG_PATTERN}"));
        }
    }

    /// Refuses when anything was noted.
    pub(in crate::service) fn finish(self) -> Result<(), Refusal> {
        let plural = match self.0.len() {
            0 => return Ok(()),
            1 => "",
            _ => "s",
        };
        Err(invalid(format!("{} validation error{plural} detected: {}", self.0.len(), self.0.join("; "))))
    }
}

fn is_role(arn: &str) -> bool {
    let Some((partition, rest)) = arn.split_once(":iam::") else { return false };
    let Some((account, role)) = rest.split_once(":role") else { return false };
    partition.strip_prefix("arn:aws").is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'))
        && account.len() == 12
        && account.bytes().all(|b| b.is_ascii_digit())
        && !role.trim_start_matches('/').is_empty()
        && role.bytes().all(|b| b.is_ascii_alphanumeric() || b"+=,.@-_/".contains(&b))
}

/// Reads a request's body.
pub(in crate::service) fn members(body: &[u8]) -> Result<Members, Refusal> {
    if body.is_empty() {
        return Ok(Members::new());
    }
    serde_json::from_slice(body).map_err(|error| wrong_type(&format!("the body is no JSON object: {error}")))
}

/// Reads a string. An explicit null counts as absent, here and below.
pub(in crate::service) fn text<'a>(members: &'a Members, key: &str) -> Result<Option<&'a str>, Refusal> {
    read(members, key, "a string", Value::as_str)
}

/// Reads a whole number.
pub(in crate::service) fn integer(members: &Members, key: &str) -> Result<Option<i64>, Refusal> {
    read(members, key, "an integer", Value::as_i64)
}

/// Reads a number.
pub(in crate::service) fn number(members: &Members, key: &str) -> Result<Option<f64>, Refusal> {
    read(members, key, "a number", Value::as_f64)
}

/// Reads a boolean.
pub(in crate::service) fn flag(members: &Members, key: &str) -> Result<Option<bool>, Refusal> {
    read(members, key, "a boolean", Value::as_bool)
}

/// Reads a list.
pub(in crate::service) fn list<'a>(members: &'a Members, key: &str) -> Result<Option<&'a [Value]>, Refusal> {
    read(members, key, "a list", |value| value.as_array().map(Vec::as_slice))
}

/// Reads a structure.
pub(in crate::service) fn inner<'a>(members: &'a Members, key: &str) -> Result<Option<&'a Members>, Refusal> {
    read(members, key, "a structure", Value::as_object)
}

/// Reads a list's element as a structure.
pub(in crate::service) fn structure(value: &Value) -> Result<&Members, Refusal> {
    value.as_object().ok_or_else(|| wrong_type("a list holds something else than structures"))
}

fn read<'a, T>(
    members: &'a Members,
    key: &str,
    kind: &str,
    look: impl FnOnce(&'a Value) -> Option<T>,
) -> Result<Option<T>, Refusal> {
    match members.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => look(value).map(Some).ok_or_else(|| wrong_type(&format!("{key} is not {kind}"))),
    }
}

fn wrong_type(message: &str) -> Refusal {
    Refusal::new(400, "SerializationException", message)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn message(check: impl FnOnce(&mut Faults)) -> String {
        let mut faults = Faults::default();
        check(&mut faults);
        faults.finish().unwrap_err().message
    }

    #[test]
    fn every_fault_of_a_name_is_listed() {
        let name = format!("-{}", "a".repeat(63));
        insta::assert_snapshot!(message(|faults| faults.name(Some(&name), "endpointName")), @r"2 validation errors detected: Value '-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' at 'endpointName' failed to satisfy constraint: Member must have length less than or equal to 63; Value '-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' at 'endpointName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}");
        insta::assert_snapshot!(message(|faults| faults.model_name(None, "modelName")), @"1 validation error detected: Value null at 'modelName' failed to satisfy constraint: Member must not be null");
    }

    #[test]
    fn role_arns_follow_the_pattern() {
        assert!(is_role("arn:aws:iam::123456789012:role/runner/fraud-sagemaker"));
        assert!(is_role("arn:aws-us-gov:iam::123456789012:role/x"));
        for bad in
            ["arn:aws:iam::1234:role/x", "arn:aws:iam::123456789012:user/x", "arn:aws:iam::123456789012:role/", "x"]
        {
            assert!(!is_role(bad), "{bad}");
        }
    }

    #[test]
    fn tags_are_checked_by_key_value_and_number() {
        let tags = |value: Value| {
            let mut faults = Faults::default();
            let tags = faults.tags(json!({ "Tags": value }).as_object().unwrap())?;
            faults.finish().map(|()| tags)
        };
        assert_eq!(tags(json!([{ "Key": "runner:stage", "Value": "é 1" }])).unwrap()["runner:stage"], "é 1");
        assert!(tags(json!([{ "Key": "a!", "Value": "" }])).unwrap_err().message.contains("'tags.1.member.key'"));
        assert!(tags(json!([{ "Key": "a" }])).unwrap_err().message.contains("Value null at 'tags.1.member.value'"));
        let many: Vec<_> = (0..51).map(|n| json!({ "Key": n.to_string(), "Value": "" })).collect();
        assert!(tags(json!(many)).unwrap_err().message.contains("less than or equal to 50"));
        assert!(tags(json!([{ "Key": "a", "Value": "" }, { "Key": "a", "Value": "" }])).is_err());
    }
}
