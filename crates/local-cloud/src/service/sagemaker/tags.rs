//! Tags of models, configs, endpoints and training jobs, by ARN.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::record::{Memory, absent, invalid};
use super::validate::{Faults, Members, list, text};
use super::{endpoint, endpoint_config, model, training};
use crate::Cloud;
use crate::call::Refusal;

/// `AddTags`: adds and replaces.
pub(super) fn add(cloud: &Cloud, request: &Members) -> Result<Value, Refusal> {
    let mut faults = Faults::default();
    let arn = resource(request, &mut faults)?;
    if list(request, "Tags")?.is_none() {
        faults.missing("tags");
    }
    let new = faults.tags(request)?;
    faults.finish()?;
    cloud.sagemaker.memory.write(|memory| {
        let tags = tags_of(memory, arn)?;
        tags.extend(new);
        if tags.len() > 50 {
            return Err(invalid("A resource can have at most 50 tags."));
        }
        Ok(json!({ "Tags": rendered(tags) }))
    })
}

/// `DeleteTags`: a key that is not there is no fault.
pub(super) fn delete(cloud: &Cloud, request: &Members) -> Result<Value, Refusal> {
    let mut faults = Faults::default();
    let arn = resource(request, &mut faults)?;
    let keys = list(request, "TagKeys")?;
    if keys.is_none() {
        faults.missing("tagKeys");
    }
    let keys = keys.unwrap_or_default();
    faults.tag_keys(keys);
    faults.finish()?;
    cloud.sagemaker.memory.write(|memory| {
        let tags = tags_of(memory, arn)?;
        for key in keys {
            tags.remove(key.as_str().unwrap_or_default());
        }
        Ok(json!({}))
    })
}

/// `ListTags`: all of them, since no resource has more than a page.
pub(super) fn list_all(cloud: &Cloud, request: &Members) -> Result<Value, Refusal> {
    let mut faults = Faults::default();
    let arn = resource(request, &mut faults)?;
    faults.finish()?;
    cloud.sagemaker.memory.read(|memory| Ok(json!({ "Tags": rendered(tags_at(memory, arn)?) })))
}

fn resource<'a>(request: &'a Members, faults: &mut Faults) -> Result<&'a str, Refusal> {
    let arn = text(request, "ResourceArn")?;
    if arn.is_none() {
        faults.missing("resourceArn");
    }
    let arn = arn.unwrap_or_default();
    faults.longest(arn, "resourceArn", 256);
    Ok(arn)
}

/// The tags of whatever has this ARN.
pub(super) fn tags_at<'a>(memory: &'a Memory, arn: &str) -> Result<&'a BTreeMap<String, String>, Refusal> {
    let (kind, key) = parts(arn)?;
    let found = match kind {
        "model" => memory.models.get(&key).map(|it| (&it.arn, &it.tags)),
        "endpoint-config" => memory.configs.get(&key).map(|it| (&it.arn, &it.tags)),
        "endpoint" => memory.endpoints.get(&key).map(|it| (&it.arn, &it.tags)),
        _ => memory.training_jobs.get(&key).map(|it| (&it.arn, &it.tags)),
    };
    found.filter(|(known, _)| **known == arn.to_ascii_lowercase()).map(|(_, tags)| tags).ok_or_else(|| none(kind, arn))
}

fn tags_of<'a>(memory: &'a mut Memory, arn: &str) -> Result<&'a mut BTreeMap<String, String>, Refusal> {
    tags_at(memory, arn)?;
    let (kind, key) = parts(arn)?;
    let tags = match kind {
        "model" => memory.models.get_mut(&key).map(|it| &mut it.tags),
        "endpoint-config" => memory.configs.get_mut(&key).map(|it| &mut it.tags),
        "endpoint" => memory.endpoints.get_mut(&key).map(|it| &mut it.tags),
        _ => memory.training_jobs.get_mut(&key).map(|it| &mut it.tags),
    };
    tags.ok_or_else(|| none(kind, arn))
}

/// Kind and key of what an ARN names.
fn parts(arn: &str) -> Result<(&str, String), Refusal> {
    let resource = arn.splitn(6, ':').nth(5).and_then(|resource| resource.split_once('/'));
    match resource {
        Some((kind @ ("model" | "endpoint-config" | "endpoint" | "training-job"), name)) => {
            Ok((kind, name.to_ascii_lowercase()))
        }
        _ => Err(invalid(format!("The resource ARN \"{arn}\" is invalid."))),
    }
}

fn none(kind: &str, arn: &str) -> Refusal {
    match kind {
        "model" => absent(model::NOUN, arn),
        "endpoint-config" => absent(endpoint_config::NOUN, arn),
        "endpoint" => absent(endpoint::NOUN, arn),
        _ => training::not_found(),
    }
}

fn rendered(tags: &BTreeMap<String, String>) -> Vec<Value> {
    tags.iter().map(|(key, value)| json!({ "Key": key, "Value": value })).collect()
}
