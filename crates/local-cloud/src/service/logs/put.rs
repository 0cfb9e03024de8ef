//! `PutLogEvents`.
//!
//! Source of the limits: API reference, `PutLogEvents`. The words of the refusals are those of public reports.

use serde_json::{Map, Value, json};

use super::events::{DAY_MS, unreadable};
use super::groups::{group_name, stream_name};
use super::lines::Line;
use super::{Logs, absent, invalid, missing, no_group, now_ms, violation};
use crate::call::Refusal;

/// Events of one request.
const MAX_EVENTS: usize = 10_000;
/// Bytes of one request: those of the messages, and some for each of them.
const MAX_BYTES: usize = 1_048_576;
const BYTES_OF_EVENT: usize = 26;
/// How far back and ahead an event may be.
const MAX_AGE_MS: i64 = 14 * DAY_MS;
const MAX_AHEAD_MS: i64 = 2 * 60 * 60 * 1000;

/// Keeps the events that are neither too old nor too new, and tells which were not kept.
pub(super) fn put_events(logs: &Logs, body: &Value) -> Result<Value, Refusal> {
    let (name, stream) = (group_name(body)?, stream_name(body)?);
    let now = now_ms();
    let mut lines = read(body, now)?;
    let (folder, file, retention_days) = logs.groups.read(|groups| {
        let group = groups.0.get(name).ok_or_else(no_group)?;
        let stream = group.streams.get(stream).ok_or_else(|| absent("log stream"))?;
        Ok::<_, Refusal>((group.folder.clone(), stream.file.clone(), group.retention_days))
    })?;
    let too_old = lines.partition_point(|line| line.at_ms < now - MAX_AGE_MS);
    let too_new = lines.partition_point(|line| line.at_ms <= now + MAX_AHEAD_MS);
    let days = retention_days.and_then(|days| i64::try_from(days).ok());
    let expired = days.map_or(0, |days| lines.partition_point(|line| line.at_ms < now - days * DAY_MS));
    let mut rejected = Map::new();
    // Ends are exclusive, starts inclusive.
    for (member, index, is_told) in [
        ("tooOldLogEventEndIndex", too_old, too_old > 0),
        ("expiredLogEventEndIndex", expired, expired > 0),
        ("tooNewLogEventStartIndex", too_new, too_new < lines.len()),
    ] {
        if is_told {
            rejected.insert(member.to_owned(), index.into());
        }
    }
    lines.truncate(too_new);
    let kept = lines.get(too_old.max(expired)..).unwrap_or_default();
    logs.lines.append(&folder, &file, kept).map_err(|error| unreadable(&error))?;
    let mut answer = json!({ "nextSequenceToken": "1" });
    if !rejected.is_empty() {
        answer["rejectedLogEventsInfo"] = rejected.into();
    }
    Ok(answer)
}

/// The events of a request, in chronological order.
fn read(body: &Value, now: i64) -> Result<Vec<Line>, Refusal> {
    let events = body["logEvents"].as_array().ok_or_else(|| missing("logEvents"))?;
    if events.is_empty() {
        return Err(violation("[]", "logEvents", "have length greater than or equal to 1"));
    }
    if events.len() > MAX_EVENTS {
        return Err(violation("[...]", "logEvents", &format!("have length less than or equal to {MAX_EVENTS}")));
    }
    let mut lines = Vec::with_capacity(events.len());
    for (index, event) in events.iter().enumerate() {
        let missing = |member: &str| missing(&format!("logEvents.{}.member.{member}", index + 1));
        lines.push(Line {
            at_ms: event["timestamp"].as_i64().ok_or_else(|| missing("timestamp"))?,
            ingested_ms: now,
            message: event["message"].as_str().ok_or_else(|| missing("message"))?.to_owned(),
        });
    }
    let bytes: usize = lines.iter().map(|line| line.message.len() + BYTES_OF_EVENT).sum();
    if bytes > MAX_BYTES {
        return Err(invalid(format!("Upload too large: {bytes} bytes exceeds limit of {MAX_BYTES}")));
    }
    if lines.windows(2).any(|pair| pair[0].at_ms > pair[1].at_ms) {
        return Err(invalid("Log events in a single PutLogEvents request must be in chronological order."));
    }
    if let (Some(first), Some(last)) = (lines.first(), lines.last())
        && last.at_ms.saturating_sub(first.at_ms) > DAY_MS
    {
        let message = "The batch of log events in a single PutLogEvents request cannot span more than 24 hours.";
        return Err(invalid(message));
    }
    Ok(lines)
}
