//! CloudWatch Logs: groups, streams, lines.

mod events;
mod groups;
mod lines;
mod pattern;
mod put;
mod selector;

#[cfg(test)]
mod tests;

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::Cloud;
use crate::call::{self, Call, Refusal, Reply};
use crate::cloud::Config;
use crate::permission::Permission;
use crate::state::{Persisted, StateError};

use groups::{Group, Groups, Stream};
use lines::{Line, Lines};

/// The service's state.
#[derive(Debug)]
pub struct Logs {
    account: String,
    region: String,
    partition: &'static str,
    groups: Persisted<Groups>,
    lines: Lines,
    /// When what need not be kept was removed last.
    swept: Mutex<Option<Instant>>,
}

/// How often what need not be kept is looked for.
const SWEEP_EVERY: Duration = Duration::from_mins(1);

impl Logs {
    /// Reads the state.
    pub fn open(config: &Config) -> Result<Self, StateError> {
        Ok(Self {
            account: config.account.clone(),
            region: config.region.clone(),
            partition: config.partition(),
            groups: Persisted::open(&config.state_dir, "logs")?,
            lines: Lines::new(&config.state_dir),
            swept: Mutex::default(),
        })
    }

    /// Whether no log group exists, but for this one.
    pub fn is_empty_but_for(&self, group: &str) -> bool {
        self.groups.read(|groups| groups.0.keys().all(|name| name == group))
    }

    /// Whether there is such a group.
    pub fn has_group(&self, group: &str) -> bool {
        self.groups.read(|groups| groups.0.contains_key(group))
    }

    /// Appends one line, creating the group (without retention, as AWS does) and stream at need.
    pub fn append(&self, group: &str, stream: &str, line: &str) {
        let now = now_ms();
        let line = Line { at_ms: now, ingested_ms: now, message: line.to_owned() };
        let appended = self.place(group, stream).and_then(|(folder, file)| {
            self.lines.append(&folder, &file, &[line]).map_err(|error| Refusal::of_disk("a log line", &error))
        });
        if let Err(refusal) = appended {
            tracing::warn!(group, stream, why = refusal.message, "could not append a log line");
        }
        self.sweep();
    }

    /// Removes from disk what is older than its group's retention or more than a group may hold, now and then.
    fn sweep(&self) {
        let mut swept = self.swept.lock().unwrap_or_else(PoisonError::into_inner);
        if swept.is_some_and(|swept| swept.elapsed() < SWEEP_EVERY) {
            return;
        }
        *swept = Some(Instant::now());
        drop(swept);
        let groups = self.groups.read(|groups| {
            let groups = groups.0.values();
            groups.map(|group| (group.folder.clone(), group.oldest_ms(now_ms()))).collect::<Vec<_>>()
        });
        for (folder, oldest_ms) in groups {
            if let Err(error) = self.lines.sweep(&folder, oldest_ms) {
                tracing::warn!(%error, folder, "could not remove log lines that need not be kept");
            }
        }
        self.forget_streams();
    }

    /// Forgets the streams that are too many in their group: those without lines that were made first.
    fn forget_streams(&self) {
        let crowded = |group: &Group| group.streams.len() > groups::MAX_STREAMS;
        if !self.groups.read(|groups| groups.0.values().any(crowded)) {
            return;
        }
        let forgotten = self.groups.write(|groups| {
            for group in groups.0.values_mut() {
                group.forget_streams(|folder, file| self.lines.has(folder, file));
            }
            Ok(())
        });
        if let Err(refusal) = forgotten {
            tracing::warn!(why = refusal.message, "could not forget log streams");
        }
    }

    /// Appends one line to a group that somebody made, as deliveries of other services do: without it, the line is lost.
    pub fn deliver(&self, group: &str, stream: &str, line: &str) {
        if self.groups.read(|groups| groups.0.contains_key(group)) {
            self.append(group, stream, line);
        }
    }

    /// Folder and file of a stream, made at need.
    fn place(&self, name: &str, stream: &str) -> Result<(String, String), Refusal> {
        let known = self.groups.read(|groups| {
            let group = groups.0.get(name)?;
            Some((group.folder.clone(), group.streams.get(stream)?.file.clone()))
        });
        if let Some(known) = known {
            return Ok(known);
        }
        self.groups.write(|groups| {
            let group = groups.0.entry(name.to_owned()).or_insert_with(Group::new);
            let stream = group.streams.entry(stream.to_owned()).or_insert_with(Stream::new);
            Ok((group.folder.clone(), stream.file.clone()))
        })
    }

    /// A group's ARN as tagging wants it: without `:*`.
    fn arn(&self, group: &str) -> String {
        format!("arn:{}:logs:{}:{}:log-group:{group}", self.partition, self.region, self.account)
    }
}

#[cfg(test)]
impl Logs {
    /// Makes a group for tests of other services.
    pub(crate) fn group_for_test(&self, group: &str) {
        groups::create_group(self, &json!({ "logGroupName": group })).unwrap();
    }

    /// Every line of a group, as tests of other services see it; none when there is no group.
    pub(crate) fn lines_for_test(&self, group: &str) -> Vec<String> {
        let Ok(found) = events::filter_events(self, &json!({ "logGroupName": group })) else { return vec![] };
        found["events"].as_array().unwrap().iter().map(|event| event["message"].as_str().unwrap().to_owned()).collect()
    }
}

/// Answers one call in JSON 1.1.
#[expect(clippy::unused_async, reason = "every service is called alike")]
pub async fn handle(cloud: &Cloud, call: &Call) -> Reply {
    let malformed = |error: serde_json::Error| Refusal::new(400, "SerializationException", error.to_string());
    let body: Value =
        if call.body.is_empty() { json!({}) } else { serde_json::from_slice(&call.body).map_err(malformed)? };
    Ok(call::json(&cloud.logs.answer(&call.operation, &body)?))
}

/// What a call needs to be allowed. Source: "Actions, resources, and condition keys for Amazon CloudWatch Logs"; the form
/// of the ARNs is that of refusals.
pub fn needs(cloud: &Cloud, call: &Call) -> Vec<Permission> {
    let body: Value = serde_json::from_slice(&call.body).unwrap_or_default();
    let logs = &cloud.logs;
    let group = groups::named(logs, &body);
    let bears = logs.groups.read(|groups| Some(groups.0.get(group?)?.tags.clone())).unwrap_or_default();
    let put = groups::put_tags(&body);
    let main = Permission::new(format!("logs:{}", call.operation), logs.resource(&body));
    let mut needs = vec![main.putting(put.clone()).bearing(bears)];
    if call.operation == "CreateLogGroup" && !put.is_empty() {
        let arn = logs.arn(group.unwrap_or_default());
        needs.push(Permission::new("logs:TagResource", arn).or("logs:TagLogGroup").putting(put));
    }
    needs
}

impl Logs {
    /// What a call is about, for authorization.
    fn resource(&self, body: &Value) -> String {
        if let Some(arn) = text(body, "resourceArn") {
            return arn.to_owned();
        }
        let group = groups::named(self, body).unwrap_or_default();
        format!("{}:log-stream:{}", self.arn(group), text(body, "logStreamName").unwrap_or_default())
    }

    /// An answer's body; operations without one answer with an empty object.
    fn answer(&self, operation: &str, body: &Value) -> Result<Value, Refusal> {
        let answer = match operation {
            "CreateLogGroup" => groups::create_group(self, body),
            "DeleteLogGroup" => groups::delete_group(self, body),
            "DescribeLogGroups" => groups::describe_groups(self, body),
            "PutRetentionPolicy" => {
                groups::put_retention(self, body, Some(body["retentionInDays"].as_u64().unwrap_or_default()))
            }
            "DeleteRetentionPolicy" => groups::put_retention(self, body, None),
            "CreateLogStream" => groups::create_stream(self, body),
            "DeleteLogStream" => groups::delete_stream(self, body),
            "DescribeLogStreams" => events::describe_streams(self, body),
            "PutLogEvents" => put::put_events(self, body),
            "GetLogEvents" => events::get_events(self, body),
            "FilterLogEvents" => events::filter_events(self, body),
            "TagResource" => groups::tag(self, body),
            "UntagResource" => groups::untag(self, body),
            "ListTagsForResource" => groups::list_tags(self, body),
            other => Err(Refusal::no_operation("CloudWatch Logs", other)),
        }?;
        Ok(if answer.is_null() { json!({}) } else { answer })
    }
}

fn text<'a>(body: &'a Value, name: &str) -> Option<&'a str> {
    body.get(name)?.as_str()
}

fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::new(400, "InvalidParameterException", message)
}

/// A value that breaks a rule, in the words of AWS's request validation.
fn violation(value: &str, member: &str, rule: &str) -> Refusal {
    invalid(format!(
        "1 validation error detected: Value '{value}' at '{member}' failed to satisfy constraint: Member must {rule}"
    ))
}

fn missing(member: &str) -> Refusal {
    invalid(format!(
        "1 validation error detected: Value null at '{member}' failed to satisfy constraint: Member must not be null"
    ))
}

/// Items of a page: `limit`, or as many as there may be.
fn limit(body: &Value, most: usize) -> Result<usize, Refusal> {
    let Some(limit) = body.get("limit").and_then(Value::as_i64) else { return Ok(most) };
    match usize::try_from(limit) {
        Ok(limit) if (1..=most).contains(&limit) => Ok(limit),
        Ok(1..) => Err(violation(&limit.to_string(), "limit", &format!("have value less than or equal to {most}"))),
        _ => Err(violation(&limit.to_string(), "limit", "have value greater than or equal to 1")),
    }
}

fn no_group() -> Refusal {
    absent("log group")
}

fn absent(what: &str) -> Refusal {
    Refusal::new(400, "ResourceNotFoundException", format!("The specified {what} does not exist."))
}

fn now_ms() -> i64 {
    Timestamp::now().as_millisecond()
}
