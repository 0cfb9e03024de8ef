//! Log groups and streams: what is remembered, and the operations on them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::call::Refusal;
use crate::service::logs::{Logs, absent, invalid, limit, missing, no_group, now_ms, text, violation};

/// Days that a retention policy may say. Source: botocore, `PutRetentionPolicy`.
const RETENTION_DAYS: [u64; 22] =
    [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653];

/// Tags of one group. Source: botocore, `Tags`.
const MAX_TAGS: usize = 50;

/// Streams of a group that are remembered though they have no lines any more.
pub(super) const MAX_STREAMS: usize = 1_000;

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// All groups by name.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(super) struct Groups(pub(super) BTreeMap<String, Group>);

#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Group {
    /// Folder of its lines: new each time, so that a group made again does not find the lines of the old one.
    pub(super) folder: String,
    pub(super) created_ms: i64,
    pub(super) retention_days: Option<u64>,
    pub(super) tags: BTreeMap<String, String>,
    pub(super) streams: BTreeMap<String, Stream>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Stream {
    /// File of its lines, without extension.
    pub(super) file: String,
    pub(super) created_ms: i64,
}

impl Group {
    pub(super) fn new() -> Self {
        Self {
            folder: fresh(),
            created_ms: now_ms(),
            retention_days: None,
            tags: BTreeMap::new(),
            streams: BTreeMap::new(),
        }
    }
}

impl Group {
    /// Before when lines need not be kept at `now_ms`; both are milliseconds since 1970.
    pub(super) fn oldest_ms(&self, now_ms: i64) -> Option<i64> {
        Some(now_ms - i64::try_from(self.retention_days?).unwrap_or(i64::MAX / DAY_MS) * DAY_MS)
    }

    /// Forgets as many streams as are too many, of those that have no lines; the oldest go first.
    pub(super) fn forget_streams(&mut self, has_lines: impl Fn(&str, &str) -> bool) {
        let too_many = self.streams.len().saturating_sub(MAX_STREAMS);
        let empty = self.streams.iter().filter(|(_, stream)| !has_lines(&self.folder, &stream.file));
        let mut empty: Vec<(i64, String)> = empty.map(|(name, stream)| (stream.created_ms, name.clone())).collect();
        empty.sort();
        for (_, name) in empty.into_iter().take(too_many) {
            self.streams.remove(&name);
        }
    }
}

impl Stream {
    pub(super) fn new() -> Self {
        Self { file: fresh(), created_ms: now_ms() }
    }
}

pub(super) fn create_group(logs: &Logs, body: &Value) -> Result<Value, Refusal> {
    let name = group_name(body)?;
    let mut group = Group::new();
    group.tags = tags(body)?;
    logs.groups.write(|groups| {
        if groups.0.contains_key(name) {
            return Err(Refusal::new(400, "ResourceAlreadyExistsException", "The specified log group already exists"));
        }
        groups.0.insert(name.to_owned(), group);
        Ok(Value::Null)
    })
}

pub(super) fn delete_group(logs: &Logs, body: &Value) -> Result<Value, Refusal> {
    let name = group_name(body)?;
    let group = logs.groups.write(|groups| groups.0.remove(name).ok_or_else(no_group))?;
    // The state no longer mentions the lines; a folder that stays behind is only space.
    if let Err(error) = logs.lines.remove(&group.folder, None) {
        tracing::warn!(%error, group = name, "could not remove a log group's lines");
    }
    Ok(Value::Null)
}

pub(super) fn describe_groups(logs: &Logs, body: &Value) -> Result<Value, Refusal> {
    let (prefix, pattern) = (text(body, "logGroupNamePrefix"), text(body, "logGroupNamePattern"));
    if prefix.is_some() && pattern.is_some() {
        let message = "LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.";
        return Err(invalid(message));
    }
    let pattern = pattern.map(str::to_lowercase);
    logs.groups.read(|groups| {
        let found = groups.0.iter().filter(|(name, _)| {
            prefix.is_none_or(|prefix| name.starts_with(prefix))
                && pattern.as_ref().is_none_or(|pattern| name.to_lowercase().contains(pattern))
        });
        page(body, "logGroups", found.map(|(name, group)| (name.as_str(), describe(logs, name, group))))
    })
}

fn describe(logs: &Logs, name: &str, group: &Group) -> Value {
    let arn = logs.arn(name);
    let mut described = json!({
        "logGroupName": name,
        "creationTime": group.created_ms,
        "metricFilterCount": 0,
        "arn": format!("{arn}:*"),
        "logGroupArn": arn,
        "storedBytes": 0,
        "logGroupClass": "STANDARD",
    });
    if let Some(days) = group.retention_days {
        described["retentionInDays"] = days.into();
    }
    described
}

/// Sets the retention, or takes it away when `days` is none.
pub(super) fn put_retention(logs: &Logs, body: &Value, days: Option<u64>) -> Result<Value, Refusal> {
    let name = group_name(body)?;
    if let Some(days) = days.filter(|days| !RETENTION_DAYS.contains(days)) {
        let allowed = RETENTION_DAYS.map(|days| days.to_string()).join(", ");
        return Err(violation(&days.to_string(), "retentionInDays", &format!("satisfy enum value set: [{allowed}]")));
    }
    logs.groups.write(|groups| {
        groups.0.get_mut(name).ok_or_else(no_group)?.retention_days = days;
        Ok(Value::Null)
    })
}

pub(super) fn create_stream(logs: &Logs, body: &Value) -> Result<Value, Refusal> {
    let (name, stream) = (group_name(body)?, stream_name(body)?);
    logs.groups.write(|groups| {
        let group = groups.0.get_mut(name).ok_or_else(no_group)?;
        if group.streams.contains_key(stream) {
            return Err(Refusal::new(400, "ResourceAlreadyExistsException", "The specified log stream already exists"));
        }
        group.streams.insert(stream.to_owned(), Stream::new());
        Ok(Value::Null)
    })
}

pub(super) fn delete_stream(logs: &Logs, body: &Value) -> Result<Value, Refusal> {
    let (name, stream) = (group_name(body)?, stream_name(body)?);
    let (folder, file) = logs.groups.write(|groups| {
        let group = groups.0.get_mut(name).ok_or_else(no_group)?;
        let stream = group.streams.remove(stream).ok_or_else(|| absent("log stream"))?;
        Ok((group.folder.clone(), stream.file))
    })?;
    if let Err(error) = logs.lines.remove(&folder, Some(&file)) {
        tracing::warn!(%error, stream, "could not remove a log stream's lines");
    }
    Ok(Value::Null)
}

pub(super) fn tag(logs: &Logs, body: &Value) -> Result<Value, Refusal> {
    let tags = tags(body)?;
    change_tags(logs, body, |group| {
        group.tags.extend(tags);
        if group.tags.len() > MAX_TAGS {
            let message = "The maximum number of tags per resource has been reached.";
            return Err(Refusal::new(400, "TooManyTagsException", message));
        }
        Ok(())
    })
}

pub(super) fn untag(logs: &Logs, body: &Value) -> Result<Value, Refusal> {
    let keys: Vec<&str> = body["tagKeys"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if keys.len() > MAX_TAGS {
        return Err(violation("[...]", "tagKeys", &format!("have length less than or equal to {MAX_TAGS}")));
    }
    keys.iter().try_for_each(|key| tag_text(key, 1, 128))?;
    change_tags(logs, body, |group| {
        group.tags.retain(|key, _| !keys.contains(&key.as_str()));
        Ok(())
    })
}

pub(super) fn list_tags(logs: &Logs, body: &Value) -> Result<Value, Refusal> {
    let name = tagged_group(logs, body)?;
    logs.groups.read(|groups| {
        let group = groups.0.get(name).ok_or_else(|| absent("resource"))?;
        Ok(json!({ "tags": group.tags }))
    })
}

fn change_tags(
    logs: &Logs,
    body: &Value,
    change: impl FnOnce(&mut Group) -> Result<(), Refusal>,
) -> Result<Value, Refusal> {
    let name = tagged_group(logs, body)?;
    logs.groups.write(|groups| {
        change(groups.0.get_mut(name).ok_or_else(|| absent("resource"))?)?;
        Ok(Value::Null)
    })
}

/// The group behind `resourceArn`, which has no `:*` at its end here.
fn tagged_group<'a>(logs: &Logs, body: &'a Value) -> Result<&'a str, Refusal> {
    let arn = text(body, "resourceArn").ok_or_else(|| missing("resourceArn"))?;
    arn.strip_prefix(&logs.arn("")).ok_or_else(|| absent("resource"))
}

fn tags(body: &Value) -> Result<BTreeMap<String, String>, Refusal> {
    let Some(tags) = body.get("tags").and_then(Value::as_object) else { return Ok(BTreeMap::new()) };
    if tags.len() > MAX_TAGS {
        return Err(invalid(format!(
            "1 validation error detected: Value at 'tags' failed to satisfy constraint: Member must have length less \
             than or equal to {MAX_TAGS}"
        )));
    }
    let text = |(key, value): (&String, &Value)| (key.clone(), value.as_str().unwrap_or_default().to_owned());
    let tags: BTreeMap<String, String> = tags.iter().map(text).collect();
    for (key, value) in &tags {
        tag_text(key, 1, 128)?;
        tag_text(value, 0, 256)?;
    }
    Ok(tags)
}

/// Checks the key or the value of a tag. Source: botocore, `TagKey` and `TagValue`.
fn tag_text(text: &str, least: usize, most: usize) -> Result<(), Refusal> {
    let length = text.chars().count();
    if length < least || length > most {
        let bound = if length < least {
            format!("greater than or equal to {least}")
        } else {
            format!("less than or equal to {most}")
        };
        return Err(violation(text, "tags", &format!("have length {bound}")));
    }
    if text.chars().all(|c| c.is_alphanumeric() || c.is_whitespace() || "_.:/=+-@".contains(c)) {
        return Ok(());
    }
    Err(violation(text, "tags", r"satisfy regular expression pattern: ^([\p{L}\p{Z}\p{N}_.:/=+\-@]*)$"))
}

/// The group that a request is about, if it names one.
pub(super) fn named<'a>(logs: &Logs, body: &'a Value) -> Option<&'a str> {
    if let Some(arn) = text(body, "resourceArn") {
        return arn.strip_prefix(&logs.arn(""));
    }
    let identifier = || text(body, "logGroupIdentifier").map(|id| id.splitn(7, ':').nth(6).unwrap_or(id));
    text(body, "logGroupName").or_else(identifier)
}

/// The tags that a request would put or take away.
pub(super) fn put_tags(body: &Value) -> BTreeMap<String, String> {
    let keys = body["tagKeys"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let keys = keys.map(|key| (key.to_owned(), String::new()));
    tags(body).unwrap_or_default().into_iter().chain(keys).collect()
}

/// `logGroupName`, or the name in `logGroupIdentifier`.
pub(super) fn group_name(body: &Value) -> Result<&str, Refusal> {
    let name = match (text(body, "logGroupName"), text(body, "logGroupIdentifier")) {
        (Some(name), _) => name,
        // Source of the pattern: botocore, `LogGroupIdentifier`.
        (None, Some(id)) if !id.chars().all(|c| c.is_ascii_alphanumeric() || "_#+=/:,.@-".contains(c)) => {
            let rule = r"satisfy regular expression pattern: [\w#+=/:,.@-]*";
            return Err(violation(id, "logGroupIdentifier", rule));
        }
        // An identifier may be an ARN.
        (None, Some(id)) => id.splitn(7, ':').nth(6).unwrap_or(id),
        (None, None) => return Err(missing("logGroupName")),
    };
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-/#".contains(c);
    if name.chars().count() > 512 {
        return Err(invalid("Invalid LogGroup or LogStream, both must have length less than or equal to 512."));
    }
    if name.is_empty() || !name.chars().all(allowed) {
        return Err(violation(name, "logGroupName", r"satisfy regular expression pattern: [\.\-_/#A-Za-z0-9]+"));
    }
    if name.to_lowercase().starts_with("aws/") {
        return Err(invalid("Log groups starting with AWS/ are reserved for AWS."));
    }
    Ok(name)
}

pub(super) fn stream_name(body: &Value) -> Result<&str, Refusal> {
    let name = text(body, "logStreamName").ok_or_else(|| missing("logStreamName"))?;
    if name.is_empty() || name.contains([':', '*']) {
        return Err(violation(name, "logStreamName", "satisfy regular expression pattern: [^:*]*"));
    }
    if name.chars().count() > 512 {
        return Err(invalid("Invalid LogGroup or LogStream, both must have length less than or equal to 512."));
    }
    Ok(name)
}

/// One page of at most `limit` (50 by default) items whose keys ascend; the token is the last key of the page before.
fn page<'a>(body: &Value, name: &str, items: impl Iterator<Item = (&'a str, Value)>) -> Result<Value, Refusal> {
    let limit = limit(body, 50)?;
    let token = text(body, "nextToken");
    let rest: Vec<(&str, Value)> = items.filter(|(key, _)| token.is_none_or(|token| *key > token)).collect();
    let next = (rest.len() > limit).then(|| rest[limit - 1].0.to_owned());
    let mut answer = json!({ name: rest.into_iter().take(limit).map(|(_, item)| item).collect::<Vec<_>>() });
    if let Some(next) = next {
        answer["nextToken"] = next.into();
    }
    Ok(answer)
}

fn fresh() -> String {
    format!("{:016x}", rand::random::<u64>())
}
