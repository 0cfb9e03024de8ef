//! What can be asked of `CloudWatch`, and who may ask.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::alarm::{Alarm, State, finish, invalid};
use super::wire::Protocol;
use super::{CloudWatch, data, now_ms};
use crate::call::{Call, Refusal};
use crate::permission::Permission;
use crate::service::iam::Tags;
use crate::service::sagemaker::validate::{Faults, Members, integer, list, text};

/// Alarms on a page, when nothing is said. Source: `DescribeAlarms`.
const PAGE: usize = 50;

pub(super) fn answer(service: &CloudWatch, call: &Call, protocol: Protocol) -> Result<Value, Refusal> {
    let request = protocol.read(&call.body)?;
    match call.operation.as_str() {
        "PutMetricAlarm" => {
            service.put(Alarm::read(&request)?, now_ms())?;
            Ok(json!({}))
        }
        "DescribeAlarms" => describe_alarms(service, &request),
        "DeleteAlarms" => delete_alarms(service, &request),
        "SetAlarmState" => set_alarm_state(service, &request),
        "TagResource" => tag(service, &request),
        "UntagResource" => untag(service, &request),
        "ListTagsForResource" => list_tags(service, &request),
        "PutMetricData" => data::put_metric_data(service, &request),
        "GetMetricStatistics" => data::get_metric_statistics(service, &request),
        "GetMetricData" => data::get_metric_data(service, &request),
        "ListMetrics" => data::list_metrics(service, &request),
        other => Err(Refusal::no_operation("CloudWatch", other)),
    }
}

/// What a call needs to be allowed. Source: Service Authorization Reference, Amazon `CloudWatch`.
pub(super) fn needs(service: &CloudWatch, call: &Call, protocol: Protocol) -> Vec<Permission> {
    // A request that cannot be read is refused by the operation itself.
    let request = protocol.read(&call.body).unwrap_or_default();
    let named = |member: &str| text(&request, member).ok().flatten().unwrap_or_default();
    let on = |resource: String| Permission::new(format!("cloudwatch:{}", call.operation), resource);
    match call.operation.as_str() {
        "PutMetricAlarm" => {
            let arn = service.arn(named("AlarmName"));
            let tags = put_tags(&request);
            let tagged = (!tags.is_empty())
                .then(|| Permission::new("cloudwatch:TagResource", arn.as_str()).putting(tags.clone()));
            [on(arn.clone()).putting(tags).bearing(service.tags_at(&arn))].into_iter().chain(tagged).collect()
        }
        "SetAlarmState" => {
            let arn = service.arn(named("AlarmName"));
            vec![on(arn.clone()).bearing(service.tags_at(&arn))]
        }
        "DeleteAlarms" => {
            let arns = names(&request, "AlarmNames").unwrap_or_default().into_iter().map(|name| service.arn(&name));
            arns.map(|arn| on(arn.clone()).bearing(service.tags_at(&arn))).collect()
        }
        "DescribeAlarms" => vec![on(service.arn("*"))],
        "TagResource" | "UntagResource" | "ListTagsForResource" => {
            let arn = named("ResourceARN");
            vec![on(arn.to_owned()).putting(put_tags(&request)).bearing(service.tags_at(arn))]
        }
        "PutMetricData" => vec![on("*".to_owned()).with("cloudwatch:namespace", named("Namespace"))],
        _ => vec![on("*".to_owned())],
    }
}

/// The tags that a request puts, and the keys of those that it takes away.
fn put_tags(request: &Members) -> Tags {
    let of = |tag: &Value, name: &str| tag.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let given = list(request, "Tags").ok().flatten().unwrap_or_default().iter();
    let mut tags: Tags = given.map(|tag| (of(tag, "Key"), of(tag, "Value"))).collect();
    tags.extend(names(request, "TagKeys").unwrap_or_default().into_iter().map(|key| (key, String::new())));
    tags
}

fn names(request: &Members, member: &str) -> Result<Vec<String>, Refusal> {
    Ok(list(request, member)?.unwrap_or_default().iter().filter_map(Value::as_str).map(str::to_owned).collect())
}

fn describe_alarms(service: &CloudWatch, request: &Members) -> Result<Value, Refusal> {
    let named = list(request, "AlarmNames")?.map(|_| names(request, "AlarmNames")).transpose()?;
    let prefix = text(request, "AlarmNamePrefix")?;
    if named.is_some() && prefix.is_some() {
        let message = "AlarmNames and AlarmNamePrefix cannot be specified together.";
        return Err(Refusal::new(400, "InvalidParameterCombination", message));
    }
    let state = match text(request, "StateValue")? {
        None => None,
        Some(text) => Some(State::parse(text).ok_or_else(|| invalid(format!("unknown StateValue {text}")))?),
    };
    let mut faults = Faults::default();
    let most = integer(request, "MaxRecords")?;
    faults.range(most, "maxRecords", 1, 100);
    finish(faults)?;
    let page = most.and_then(|most| usize::try_from(most).ok()).unwrap_or(PAGE);
    let types = names(request, "AlarmTypes")?;
    let metric_alarms = types.is_empty() || types.iter().any(|kind| kind == "MetricAlarm");
    let action = text(request, "ActionPrefix")?;
    service.evaluate(now_ms());
    let after = text(request, "NextToken")?.map(decode_token).transpose()?;
    let mut found: Vec<Alarm> = service.memory.read(|memory| {
        let has_action = |alarm: &Alarm| {
            action.is_none_or(|prefix| {
                let all = alarm.ok_actions.iter().chain(&alarm.actions).chain(&alarm.insufficient_data_actions);
                all.into_iter().any(|action| action.starts_with(prefix))
            })
        };
        let wanted = memory.alarms.values().filter(|alarm| {
            named.as_ref().is_none_or(|named| named.contains(&alarm.name))
                && prefix.is_none_or(|prefix| alarm.name.starts_with(prefix))
                && state.is_none_or(|state| alarm.state == state)
                && after.as_ref().is_none_or(|after| alarm.name > *after)
                && has_action(alarm)
                && metric_alarms
        });
        wanted.take(page + 1).cloned().collect()
    });
    let more = found.len() > page;
    found.truncate(page);
    let mut answer = json!({
        "CompositeAlarms": [],
        "MetricAlarms": found.iter().map(Alarm::describe).collect::<Vec<_>>(),
    });
    if let (true, Some(last)) = (more, found.last()) {
        answer["NextToken"] = hex::encode(&last.name).into();
    }
    Ok(answer)
}

fn decode_token(token: &str) -> Result<String, Refusal> {
    let bytes = hex::decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    bytes.ok_or_else(|| Refusal::new(400, "InvalidNextToken", "The next token specified is invalid."))
}

/// When one is not there, none is deleted. Source: `DeleteAlarms`.
fn delete_alarms(service: &CloudWatch, request: &Members) -> Result<Value, Refusal> {
    let mut faults = Faults::default();
    if list(request, "AlarmNames")?.is_none() {
        faults.missing("alarmNames");
    }
    let names = names(request, "AlarmNames")?;
    faults.length(names.len(), "alarmNames", 0, 100);
    finish(faults)?;
    service.memory.write(|memory| {
        for name in &names {
            if memory.alarms.remove(name).is_none() {
                return Err(absent(name));
            }
        }
        Ok(json!({}))
    })
}

fn absent(name: &str) -> Refusal {
    Refusal::new(404, "ResourceNotFound", format!("Alarm {name} does not exist"))
}

/// The state is left alone for one period, so that whoever watches sees it; then what was measured counts again.
fn set_alarm_state(service: &CloudWatch, request: &Members) -> Result<Value, Refusal> {
    let mut faults = Faults::default();
    let name = text(request, "AlarmName")?;
    let state = text(request, "StateValue")?;
    let reason = text(request, "StateReason")?;
    for (value, at) in [(name, "alarmName"), (state, "stateValue"), (reason, "stateReason")] {
        if value.is_none() {
            faults.missing(at);
        }
    }
    faults.one_of(state, "stateValue", &["INSUFFICIENT_DATA", "ALARM", "OK"]);
    finish(faults)?;
    let (name, now) = (name.unwrap_or_default(), now_ms());
    let state = state.and_then(State::parse).unwrap_or_default();
    service.memory.write(|memory| {
        let alarm = memory.alarms.get_mut(name).ok_or_else(|| absent(name))?;
        alarm.become_state(state, reason.unwrap_or_default().to_owned(), now);
        alarm.held_until_ms = now + (alarm.period_s as f64 * service.second_ms) as i64;
        Ok(json!({}))
    })
}

fn tagged<R>(
    service: &CloudWatch,
    request: &Members,
    change: impl FnOnce(&mut BTreeMap<String, String>) -> Result<R, Refusal>,
) -> Result<R, Refusal> {
    let mut faults = Faults::default();
    let arn = text(request, "ResourceARN")?;
    if arn.is_none() {
        faults.missing("resourceARN");
    }
    finish(faults)?;
    let arn = arn.unwrap_or_default();
    service.memory.write(|memory| {
        let alarm = memory.alarms.values_mut().find(|alarm| alarm.arn == arn);
        let alarm = alarm.ok_or_else(|| {
            Refusal::new(404, "ResourceNotFoundException", format!("Unknown resource with identifier: {arn}"))
        })?;
        change(&mut alarm.tags)
    })
}

fn tag(service: &CloudWatch, request: &Members) -> Result<Value, Refusal> {
    let mut faults = Faults::default();
    let new = faults.tags(request)?;
    finish(faults)?;
    tagged(service, request, |tags| {
        tags.extend(new);
        Ok(json!({}))
    })
}

fn untag(service: &CloudWatch, request: &Members) -> Result<Value, Refusal> {
    let keys = names(request, "TagKeys")?;
    tagged(service, request, |tags| {
        tags.retain(|key, _| !keys.contains(key));
        Ok(json!({}))
    })
}

fn list_tags(service: &CloudWatch, request: &Members) -> Result<Value, Refusal> {
    tagged(service, request, |tags| {
        let tags: Vec<_> = tags.iter().map(|(key, value)| json!({ "Key": key, "Value": value })).collect();
        Ok(json!({ "Tags": tags }))
    })
}
