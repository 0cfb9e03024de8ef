//! Parameters, checked as ECR checks them, and its refusals.

use serde_json::Value;

use super::Ecr;
use super::record::{Registry, Repository};
use crate::call::Refusal;

/// What a repository's name must satisfy, as AWS prints it.
const NAME_PATTERN: &str = "(?:[a-z0-9]+(?:[._-][a-z0-9]+)*/)*[a-z0-9]+(?:[._-][a-z0-9]+)*";
/// What a digest must satisfy. Source: botocore, `LayerDigest`.
const DIGEST_PATTERN: &str = "[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+";

pub(super) fn refuse(code: &str, message: impl Into<String>) -> Refusal {
    Refusal::new(400, code, message)
}

/// `field` in lower camel case, `rule` as AWS words it.
pub(super) fn invalid(field: &str, rule: &str) -> Refusal {
    refuse(
        "InvalidParameterException",
        format!("Invalid parameter at '{field}' failed to satisfy constraint: '{rule}'"),
    )
}

/// A text. An explicit null counts as absent, here and below.
pub(super) fn text<'a>(body: &'a Value, field: &str) -> Result<Option<&'a str>, Refusal> {
    match body.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => value.as_str().map(Some).ok_or_else(|| wrong_type(field, "a string")),
    }
}

pub(super) fn required<'a>(body: &'a Value, field: &str) -> Result<&'a str, Refusal> {
    text(body, field)?.ok_or_else(|| invalid(field, "must not be null"))
}

pub(super) fn number(body: &Value, field: &str) -> Result<Option<u64>, Refusal> {
    match body.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => value.as_u64().map(Some).ok_or_else(|| wrong_type(field, "a number")),
    }
}

pub(super) fn flag(body: &Value, field: &str) -> Result<bool, Refusal> {
    match body.get(field) {
        None | Some(Value::Null) => Ok(false),
        Some(value) => value.as_bool().ok_or_else(|| wrong_type(field, "a boolean")),
    }
}

/// A list of 1 to `most` items; none when it is absent.
pub(super) fn list<'a>(body: &'a Value, field: &str, most: usize) -> Result<Option<&'a [Value]>, Refusal> {
    let list = match body.get(field) {
        None | Some(Value::Null) => return Ok(None),
        Some(value) => value.as_array().ok_or_else(|| wrong_type(field, "a list"))?,
    };
    match list.len() {
        0 => Err(invalid(field, "Member must have length greater than or equal to 1")),
        length if length > most => {
            Err(invalid(field, &format!("Member must have length less than or equal to {most}")))
        }
        _ => Ok(Some(list)),
    }
}

fn wrong_type(field: &str, kind: &str) -> Refusal {
    refuse("SerializationException", format!("{field} is not {kind}"))
}

/// The name in a request, checked or not: what a caller asks about is authorised first.
pub(super) fn name_of(body: &Value) -> Option<&str> {
    body.get("repositoryName").and_then(Value::as_str)
}

pub(super) fn repository_name(body: &Value) -> Result<&str, Refusal> {
    let name = required(body, "repositoryName")?;
    if is_name(name) {
        return Ok(name);
    }
    Err(invalid("repositoryName", &format!("must satisfy regular expression '{NAME_PATTERN}'")))
}

/// Two to 256 characters; words of letters and digits, parted by `.`, `_`, `__` or hyphens, in parts parted by `/`.
pub(super) fn is_name(name: &str) -> bool {
    (2..=256).contains(&name.len()) && name.split('/').all(is_part)
}

fn is_part(part: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    part.starts_with(plain)
        && part.ends_with(plain)
        && part
            .split(plain)
            .all(|between| matches!(between, "" | "." | "_" | "__") || between.bytes().all(|b| b == b'-'))
}

pub(super) fn is_digest(digest: &str) -> bool {
    digest.split_once(':').is_some_and(|(algorithm, hex)| {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_+.".contains(&b);
        !algorithm.is_empty()
            && algorithm.bytes().all(plain)
            && !hex.is_empty()
            && hex.bytes().all(|b| b.is_ascii_hexdigit())
    })
}

pub(super) fn is_tag(tag: &str) -> bool {
    (1..=128).contains(&tag.len())
        && !tag.starts_with(['.', '-'])
        && tag.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}

pub(super) fn bad_digest(what: &str) -> String {
    format!("Invalid request parameters: {what} digest should satisfy the regex '{DIGEST_PATTERN}'")
}

impl Ecr {
    pub(super) fn no_repository(&self, name: &str) -> Refusal {
        let message =
            format!("The repository with name '{name}' does not exist in the registry with id '{}'", self.account);
        refuse("RepositoryNotFoundException", message)
    }

    /// The repository of that name, of a state that is looked at.
    pub(super) fn repository<'a>(&self, registry: &'a Registry, name: &str) -> Result<&'a Repository, Refusal> {
        registry.repositories.get(name).ok_or_else(|| self.no_repository(name))
    }

    /// The same, to change it.
    pub(super) fn repository_mut<'a>(
        &self,
        registry: &'a mut Registry,
        name: &str,
    ) -> Result<&'a mut Repository, Refusal> {
        registry.repositories.get_mut(name).ok_or_else(|| self.no_repository(name))
    }
}

/// A page of items whose keys ascend; the token is the last key of the page before. `most` is the page's length when
/// the request names none.
pub(super) fn page(
    body: &Value,
    name: &str,
    items: impl IntoIterator<Item = (String, Value)>,
) -> Result<Value, Refusal> {
    let limit = match number(body, "maxResults")? {
        None => 100,
        Some(limit @ 1..=1000) => usize::try_from(limit).unwrap_or(100),
        Some(_) => return Err(invalid("maxResults", "must be between 1 and 1000")),
    };
    let token = text(body, "nextToken")?;
    let rest: Vec<_> = items.into_iter().filter(|(key, _)| token.is_none_or(|token| key.as_str() > token)).collect();
    let next = (rest.len() > limit).then(|| rest[limit - 1].0.clone());
    let items: Vec<Value> = rest.into_iter().take(limit).map(|(_, item)| item).collect();
    let mut answer = serde_json::json!({ name: items });
    if let Some(next) = next {
        answer["nextToken"] = next.into();
    }
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_pattern() {
        for good in ["ab", "runner/fraud-detection", "a0/b.c/d_e__f", "a--b"] {
            assert!(is_name(good), "{good}");
        }
        for bad in ["a", "A", "Fraud", "a/", "/a", "a//b", "a..b", "-a", "a-", "a b", "a___b", &"a".repeat(257)] {
            assert!(!is_name(bad), "{bad}");
        }
    }
}
