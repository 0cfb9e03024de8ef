//! Lines in and out.

use serde_json::{Value, json};

use crate::call::Refusal;
use crate::service::logs::groups::{Group, group_name, stream_name};
use crate::service::logs::lines::Line;
use crate::service::logs::pattern::Pattern;
use crate::service::logs::{Logs, absent, invalid, limit, no_group, now_ms, text, violation};

/// Events that one answer may hold. Source: botocore, `EventsLimit`.
const MAX_EVENTS: usize = 10_000;

pub(super) const DAY_MS: i64 = 24 * 60 * 60 * 1000;

pub(super) fn describe_streams(logs: &Logs, body: &Value) -> Result<Value, Refusal> {
    let name = group_name(body)?;
    let prefix = text(body, "logStreamNamePrefix").unwrap_or_default();
    let by_time = match text(body, "orderBy") {
        None | Some("LogStreamName") => false,
        Some("LastEventTime") if !prefix.is_empty() => {
            return Err(invalid("Cannot order by LastEventTime with a logStreamNamePrefix."));
        }
        Some("LastEventTime") => true,
        Some(other) => {
            return Err(violation(other, "orderBy", "satisfy enum value set: [LogStreamName, LastEventTime]"));
        }
    };
    let group = group(logs, name)?;
    let mut streams = Vec::new();
    for (stream, kept) in group.streams.iter().filter(|(stream, _)| stream.starts_with(prefix)) {
        let lines = logs.lines.read(&group.folder, &kept.file).map_err(|error| unreadable(&error))?;
        let mut described = json!({
            "logStreamName": stream,
            "creationTime": kept.created_ms,
            "arn": format!("{}:log-stream:{stream}", logs.arn(name)),
            "storedBytes": 0,
            "uploadSequenceToken": "1",
        });
        if let (Some(first), Some(last)) = (lines.first(), lines.last()) {
            described["firstEventTimestamp"] = first.at_ms.into();
            described["lastEventTimestamp"] = last.at_ms.into();
            described["lastIngestionTime"] = last.ingested_ms.into();
        }
        streams.push((lines.last().map_or(0, |line| line.at_ms), described));
    }
    if by_time {
        streams.sort_by_key(|(last_ms, _)| *last_ms);
    }
    if body["descending"].as_bool() == Some(true) {
        streams.reverse();
    }
    let (from, to, next) = window(body, streams.len(), 50)?;
    let found: Vec<Value> = streams.drain(from..to).map(|(_, described)| described).collect();
    Ok(with_token(json!({ "logStreams": found }), next))
}

/// Tokens are `f/N` and `b/N`, `N` counting lines of the stream within the times asked for.
pub(super) fn get_events(logs: &Logs, body: &Value) -> Result<Value, Refusal> {
    let (name, stream) = (group_name(body)?, stream_name(body)?);
    let group = group(logs, name)?;
    let kept = group.streams.get(stream).ok_or_else(|| absent("log stream"))?;
    let mut lines = logs.lines.read(&group.folder, &kept.file).map_err(|error| unreadable(&error))?;
    lines.retain(|line| wanted(body, &group, line));
    lines.sort_by_key(|line| line.at_ms);
    let limit = limit(body, MAX_EVENTS)?;
    let (from, to) =
        match text(body, "nextToken").map(|token| token.split_once('/').ok_or_else(bad_token)).transpose()? {
            Some(("f", n)) => {
                let from = position(n)?.min(lines.len());
                (from, (from + limit).min(lines.len()))
            }
            Some(("b", n)) => {
                let to = position(n)?.min(lines.len());
                (to.saturating_sub(limit), to)
            }
            Some(_) => return Err(bad_token()),
            None if body["startFromHead"].as_bool() == Some(true) => (0, limit.min(lines.len())),
            None => (lines.len().saturating_sub(limit), lines.len()),
        };
    let event =
        |line: &Line| json!({"timestamp": line.at_ms, "message": line.message, "ingestionTime": line.ingested_ms});
    Ok(json!({
        "events": lines[from..to].iter().map(event).collect::<Vec<_>>(),
        "nextForwardToken": format!("f/{to}"),
        "nextBackwardToken": format!("b/{from}"),
    }))
}

pub(super) fn filter_events(logs: &Logs, body: &Value) -> Result<Value, Refusal> {
    let name = group_name(body)?;
    let pattern = Pattern::parse(text(body, "filterPattern").unwrap_or_default())?;
    let prefix = text(body, "logStreamNamePrefix").unwrap_or_default();
    let named: Vec<&str> = body["logStreamNames"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let group = group(logs, name)?;
    let mut events = Vec::new();
    for (stream, kept) in &group.streams {
        if !stream.starts_with(prefix) || !(named.is_empty() || named.contains(&stream.as_str())) {
            continue;
        }
        let lines = logs.lines.read(&group.folder, &kept.file).map_err(|error| unreadable(&error))?;
        for (n, line) in lines.into_iter().enumerate() {
            if wanted(body, &group, &line) && pattern.matches(&line.message) {
                events.push((line.at_ms, stream, format!("{}{n:012}", kept.file), line));
            }
        }
    }
    events.sort_by_key(|(at_ms, ..)| *at_ms);
    let (from, to, next) = window(body, events.len(), MAX_EVENTS)?;
    let event = |(at_ms, stream, id, line): (i64, &String, String, Line)| {
        json!({
            "logStreamName": stream,
            "timestamp": at_ms,
            "message": line.message,
            "ingestionTime": line.ingested_ms,
            "eventId": id,
        })
    };
    let found: Vec<Value> = events.drain(from..to).map(event).collect();
    Ok(with_token(json!({ "events": found, "searchedLogStreams": [] }), next))
}

fn group(logs: &Logs, name: &str) -> Result<Group, Refusal> {
    logs.groups.read(|groups| groups.0.get(name).cloned()).ok_or_else(no_group)
}

/// Whether a line is within `startTime` and `endTime` (milliseconds, the end excluded) and the group's retention.
fn wanted(body: &Value, group: &Group, line: &Line) -> bool {
    let oldest_ms = group.oldest_ms(now_ms());
    body["startTime"].as_i64().is_none_or(|start| line.at_ms >= start)
        && body["endTime"].as_i64().is_none_or(|end| line.at_ms < end)
        && oldest_ms.is_none_or(|oldest| line.at_ms >= oldest)
}

/// From where to where a page goes, and where the next one begins; tokens are positions.
fn window(body: &Value, count: usize, max: usize) -> Result<(usize, usize, Option<usize>), Refusal> {
    let from = text(body, "nextToken").map_or(Ok(0), position)?.min(count);
    let to = (from + limit(body, max)?).min(count);
    Ok((from, to, (to < count).then_some(to)))
}

fn position(token: &str) -> Result<usize, Refusal> {
    token.parse().map_err(|_| bad_token())
}

fn bad_token() -> Refusal {
    invalid("The specified nextToken is invalid.")
}

fn with_token(mut answer: Value, next: Option<usize>) -> Value {
    if let Some(next) = next {
        answer["nextToken"] = next.to_string().into();
    }
    answer
}

pub(super) fn unreadable(error: &std::io::Error) -> Refusal {
    Refusal::of_disk("log lines", error)
}
