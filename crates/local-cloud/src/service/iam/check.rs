//! Parameters of the query protocol, checked as IAM checks them.

use bytes::Bytes;

use crate::call::Refusal;
use crate::service::iam::grammar::{self, Identity, Place};

/// What a policy document may have in characters, in any request. Source: botocore, `policyDocumentType`.
const MAX_DOCUMENT_CHARS: usize = 131_072;

/// Default quota of a trust policy, white space not counted. Source: IAM quotas.
const MAX_TRUST_CHARS: usize = 2_048;

/// Tags of one role. Source: IAM quotas.
pub(super) const MAX_TAGS: usize = 50;

/// A request's form.
pub(crate) struct Form(Vec<(String, String)>);

impl Form {
    pub(crate) fn parse(body: &Bytes) -> Self {
        Self(form_urlencoded::parse(body).into_owned().collect())
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// `<name>.member.1<field>`, `<name>.member.2<field>`, ….
    fn members<'a>(&'a self, name: &str, field: &str) -> impl Iterator<Item = Option<&'a str>> {
        let (name, field) = (name.to_owned(), field.to_owned());
        (1..).map(move |n| self.get(&format!("{name}.member.{n}{field}")))
    }

    pub(crate) fn required(&self, name: &str) -> Result<&str, Refusal> {
        self.get(name).ok_or_else(|| {
            let field = lower_camel(name);
            validation(&format!("Value null at '{field}' failed to satisfy constraint: Member must not be null"))
        })
    }

    /// A name of 1 to `max_chars` of `[\w+=,.@-]`.
    pub(super) fn name(&self, parameter: &str, max_chars: usize) -> Result<&str, Refusal> {
        let name = self.required(parameter)?;
        let field = lower_camel(parameter);
        length(&field, name, 1, max_chars)?;
        if name.chars().all(|c| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c)) {
            return Ok(name);
        }
        Err(Refusal::new(
            400,
            "ValidationError",
            format!(
                "The specified value for {field} is invalid. It must contain only alphanumeric characters and/or the \
                 following: +=,.@_-"
            ),
        ))
    }

    pub(super) fn role_name(&self) -> Result<&str, Refusal> {
        self.name("RoleName", 64)
    }

    pub(super) fn path(&self) -> Result<&str, Refusal> {
        let path = self.get("Path").unwrap_or("/");
        length("path", path, 1, 512)?;
        let inner = path.chars().all(|c| ('!'..='~').contains(&c));
        if path.starts_with('/') && path.ends_with('/') && inner {
            return Ok(path);
        }
        let text = "The specified value for path is invalid. It must begin and end with / and contain only \
                    alphanumeric characters and/or / characters.";
        Err(Refusal::new(400, "ValidationError", text))
    }

    pub(super) fn description(&self) -> Result<Option<&str>, Refusal> {
        let description = self.get("Description");
        if let Some(description) = description {
            length("description", description, 0, 1000)?;
        }
        Ok(description)
    }

    /// In seconds; an hour when absent.
    pub(super) fn max_session_s(&self) -> Result<u32, Refusal> {
        let Some(text) = self.get("MaxSessionDuration") else { return Ok(3600) };
        let fail = |limit: &str| {
            let field = "maxSessionDuration";
            validation(&format!(
                "Value '{text}' at '{field}' failed to satisfy constraint: Member must have value {limit}"
            ))
        };
        match text.parse::<u32>() {
            Ok(seconds @ 3600..=43200) => Ok(seconds),
            Ok(seconds) if seconds > 43200 => Err(fail("less than or equal to 43200")),
            _ => Err(fail("greater than or equal to 3600")),
        }
    }

    /// A trust policy under `name`.
    pub(super) fn trust(&self, name: &str, place: &Place<'_>) -> Result<&str, Refusal> {
        let text = self.document(name)?;
        grammar::check_trust(text, place).map_err(malformed)?;
        if quota_chars(text) > MAX_TRUST_CHARS {
            let text = format!("Cannot exceed quota for ACLSizePerRole: {MAX_TRUST_CHARS}");
            return Err(Refusal::new(409, "LimitExceeded", text));
        }
        Ok(text)
    }

    /// A policy of an identity.
    pub(super) fn policy(&self, kind: Identity, partition: &str) -> Result<&str, Refusal> {
        let text = self.document("PolicyDocument")?;
        grammar::check_identity(text, kind, partition).map_err(malformed)?;
        Ok(text)
    }

    /// An ARN of 20 to 2,048 characters. Source: botocore, `arnType`.
    pub(super) fn arn(&self, name: &str) -> Result<&str, Refusal> {
        let arn = self.required(name)?;
        length(&lower_camel(name), arn, 20, 2048)?;
        Ok(arn)
    }

    /// A truth value; none where it is not sent.
    pub(super) fn flag(&self, name: &str) -> Result<bool, Refusal> {
        match self.get(name) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(other) => {
                let text = format!("{other} is not a valid value for {name}; it must be true or false");
                Err(Refusal::new(400, "MalformedInput", text))
            }
        }
    }

    /// One of a few values; none where it is not sent.
    pub(super) fn choice(&self, name: &str, choices: &[&str]) -> Result<Option<&str>, Refusal> {
        let Some(value) = self.get(name) else { return Ok(None) };
        if choices.contains(&value) {
            return Ok(Some(value));
        }
        let (field, all) = (lower_camel(name), choices.join(", "));
        Err(validation(&format!(
            "Value '{value}' at '{field}' failed to satisfy constraint: Member must satisfy enum value set: [{all}]"
        )))
    }

    /// A version's number, sent as `v1`, `v2`, ….
    pub(super) fn version(&self) -> Result<u32, Refusal> {
        let text = self.required("VersionId")?;
        let (number, rest) =
            text.strip_prefix('v').unwrap_or_default().split_once('.').unwrap_or((&text[1.min(text.len())..], ""));
        let digits = number.bytes().all(|byte| byte.is_ascii_digit()) && !number.starts_with('0') && !number.is_empty();
        let suffix = rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if text.starts_with('v') && digits && suffix {
            // A number that no policy has.
            return Ok(number.parse().unwrap_or(u32::MAX));
        }
        Err(validation(&format!(
            "Value '{text}' at 'versionId' failed to satisfy constraint: Member must satisfy regular expression pattern: \
             v[1-9][0-9]*(\\.[A-Za-z0-9-]*)?"
        )))
    }

    /// Refuses by name what the operation has on AWS and this cloud does not do.
    pub(crate) fn only(&self, operation: &str, offered: &[&str]) -> Result<(), Refusal> {
        let members = self.0.iter().map(|(name, _)| name.split('.').next().unwrap_or(name));
        let mut others = members.filter(|name| !matches!(*name, "Action" | "Version") && !offered.contains(name));
        others.next().map_or(Ok(()), |name| Err(Refusal::not_offered(format!("`{name}` of {operation}"))))
    }

    fn document(&self, name: &str) -> Result<&str, Refusal> {
        let text = self.required(name)?;
        let field = lower_camel(name);
        length(&field, text, 1, MAX_DOCUMENT_CHARS)?;
        if text.chars().all(|c| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{ff}')) {
            return Ok(text);
        }
        Err(validation(&format!(
            "Value at '{field}' failed to satisfy constraint: Member must satisfy regular expression pattern: \
             [\\u0009\\u000A\\u000D\\u0020-\\u00FF]+"
        )))
    }

    /// `Tags.member.N.Key` and `.Value`. Keys are the same whatever their case.
    pub(super) fn tags(&self) -> Result<Vec<(String, String)>, Refusal> {
        let keys = self.members("Tags", ".Key").map_while(|key| key);
        let values = self.members("Tags", ".Value");
        let mut tags: Vec<(String, String)> = Vec::new();
        for (key, value) in keys.zip(values) {
            let value = value.unwrap_or_default();
            let field = format!("tags.{}.member", tags.len() + 1);
            length(&format!("{field}.key"), key, 1, 128)?;
            tag_chars(&format!("{field}.key"), key, '+')?;
            length(&format!("{field}.value"), value, 0, 256)?;
            tag_chars(&format!("{field}.value"), value, '*')?;
            if key.to_lowercase().starts_with("aws:") {
                let text = "aws: prefixed tag key names are not allowed for external use.";
                return Err(Refusal::new(400, "InvalidInput", text));
            }
            if tags.iter().any(|(other, _)| other.to_lowercase() == key.to_lowercase()) {
                let text = "Duplicate tag keys found. Please note that Tag keys are case insensitive.";
                return Err(Refusal::new(400, "InvalidInput", text));
            }
            tags.push((key.to_owned(), value.to_owned()));
        }
        if tags.len() > MAX_TAGS {
            return Err(validation(&format!(
                "Value at 'tags' failed to satisfy constraint: Member must have length less than or equal to {MAX_TAGS}"
            )));
        }
        Ok(tags)
    }

    /// `TagKeys.member.N`.
    pub(super) fn tag_keys(&self) -> Result<Vec<&str>, Refusal> {
        let keys = self.list("TagKeys");
        if keys.len() > MAX_TAGS {
            return Err(validation(&format!(
                "Value at 'tagKeys' failed to satisfy constraint: Member must have length less than or equal to \
                 {MAX_TAGS}"
            )));
        }
        for (at, key) in keys.iter().enumerate() {
            let field = format!("tagKeys.{}.member", at + 1);
            length(&field, key, 1, 128)?;
            tag_chars(&field, key, '+')?;
        }
        Ok(keys)
    }

    /// `<name>.member.1`, `<name>.member.2`, ….
    pub(super) fn list(&self, name: &str) -> Vec<&str> {
        self.members(name, "").map_while(|value| value).collect()
    }

    /// How many items a list may answer with. Source: botocore, `maxItemsType`.
    pub(super) fn max_items(&self) -> Result<usize, Refusal> {
        let Some(text) = self.get("MaxItems") else { return Ok(100) };
        text.parse().ok().filter(|items| (1..=1000).contains(items)).ok_or_else(|| {
            validation(&format!(
                "Value '{text}' at 'maxItems' failed to satisfy constraint: Member must have value between 1 and 1000"
            ))
        })
    }
}

/// A policy's size as quotas count it: without white space.
pub(super) fn quota_chars(text: &str) -> usize {
    text.chars().filter(|c| !c.is_whitespace()).count()
}

pub(crate) fn length(field: &str, value: &str, min: usize, max: usize) -> Result<(), Refusal> {
    let chars = value.chars().count();
    let limit = match chars {
        _ if chars < min => format!("greater than or equal to {min}"),
        _ if chars > max => format!("less than or equal to {max}"),
        _ => return Ok(()),
    };
    // Long values are left out, as IAM does for documents.
    let shown = if chars > 1000 { String::new() } else { format!(" '{value}'") };
    Err(validation(&format!("Value{shown} at '{field}' failed to satisfy constraint: Member must have length {limit}")))
}

/// Letters, digits, separators and `_.:/=+-@`. Source: botocore, `tagKeyType` and `tagValueType`.
fn tag_chars(field: &str, value: &str, times: char) -> Result<(), Refusal> {
    let fits = |c: char| {
        c.is_alphabetic() || c.is_numeric() || (c.is_whitespace() && !c.is_control()) || "_.:/=+-@".contains(c)
    };
    if value.chars().all(fits) {
        return Ok(());
    }
    Err(validation(&format!(
        "Value '{value}' at '{field}' failed to satisfy constraint: Member must satisfy regular expression pattern: \
         [\\p{{L}}\\p{{Z}}\\p{{N}}_.:/=+\\-@]{times}"
    )))
}

fn malformed(message: String) -> Refusal {
    Refusal::new(400, "MalformedPolicyDocument", message)
}

pub(crate) fn validation(what: &str) -> Refusal {
    Refusal::new(400, "ValidationError", format!("1 validation error detected: {what}"))
}

fn lower_camel(name: &str) -> String {
    let (first, rest) = name.split_at(1);
    format!("{}{rest}", first.to_lowercase())
}
