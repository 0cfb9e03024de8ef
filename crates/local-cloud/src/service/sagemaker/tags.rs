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
    faults.finish()?;
    cloud.sagemaker.memory.write(|memory| {
        let tags = tags_of(memory, arn)?;
        for key in keys.unwrap_or_default() {
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
    let mut memory = cloud.sagemaker.memory.read(Memory::clone);
    let tags = tags_of(&mut memory, arn)?;
    Ok(json!({ "Tags": rendered(tags) }))
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

fn tags_of<'a>(memory: &'a mut Memory, arn: &str) -> Result<&'a mut BTreeMap<String, String>, Refusal> {
    let resource = arn.splitn(6, ':').nth(5).and_then(|resource| resource.split_once('/'));
    let Some((kind, name)) = resource else {
        return Err(invalid(format!("The resource ARN \"{arn}\" is invalid.")));
    };
    let key = name.to_ascii_lowercase();
    let (noun, found) = match kind {
        "model" => (model::NOUN, memory.models.get_mut(&key).map(|record| (&record.arn, &mut record.tags))),
        "endpoint-config" => {
            (endpoint_config::NOUN, memory.configs.get_mut(&key).map(|record| (&record.arn, &mut record.tags)))
        }
        "endpoint" => (endpoint::NOUN, memory.endpoints.get_mut(&key).map(|record| (&record.arn, &mut record.tags))),
        "training-job" => {
            let job = memory.training_jobs.get_mut(&key).filter(|job| job.arn == arn.to_ascii_lowercase());
            return job.map(|job| &mut job.tags).ok_or_else(training::not_found);
        }
        _ => return Err(invalid(format!("The resource ARN \"{arn}\" is invalid."))),
    };
    match found {
        Some((known, tags)) if *known == arn.to_ascii_lowercase() => Ok(tags),
        _ => Err(absent(noun, arn)),
    }
}

fn rendered(tags: &BTreeMap<String, String>) -> Vec<Value> {
    tags.iter().map(|(key, value)| json!({ "Key": key, "Value": value })).collect()
}
