//! Tags of APIs and stages.

use std::collections::BTreeMap;

use http::Method;
use serde_json::json;

use crate::Cloud;
use crate::call::{self, Call, Refusal, Reply};

use super::control::{body, no_content, not_found, read, unknown, write};
use super::resource::{Entry, bad, tag_count};

/// Answers `TagResource`, `UntagResource` and `GetTags`. `arn` is decoded.
pub(super) fn handle(cloud: &Cloud, call: &Call, arn: &str) -> Reply {
    let (api, stage) = target(cloud, arn)?;
    match call.method {
        Method::GET => read(cloud, api, |entry| {
            let tags = match stage {
                None => &entry.api.tags,
                Some(stage) => &entry.stages.get(stage).ok_or_else(absent)?.tags,
            };
            Ok(call::json(&json!({ "tags": tags })))
        }),
        Method::POST => {
            let given: BTreeMap<String, String> = serde_json::from_value(body(call)?["tags"].clone())
                .map_err(|error| bad(format!("Invalid request body: {error}")))?;
            write(cloud, api, |entry| {
                let tags = tags(entry, stage)?;
                tags.extend(given);
                tag_count(tags)
            })?;
            Ok(call::json_status(201, &json!({})))
        }
        Method::DELETE => {
            write(cloud, api, |entry| {
                let tags = tags(entry, stage)?;
                for (_, key) in call.query.iter().filter(|(parameter, _)| parameter == "tagKeys") {
                    tags.remove(key);
                }
                Ok(())
            })?;
            Ok(no_content())
        }
        _ => Err(unknown(call)),
    }
}

/// The API, and the stage when the ARN names one: `arn:aws:apigateway:R::/apis/<id>[/stages/<name>]`.
fn target<'a>(cloud: &Cloud, arn: &'a str) -> Result<(&'a str, Option<&'a str>), Refusal> {
    let prefix = format!("arn:{}:apigateway:{}::/apis/", cloud.config.partition(), cloud.config.region);
    let rest = arn.strip_prefix(&prefix).ok_or_else(|| bad(format!("Invalid ARN specified: {arn}")))?;
    match rest.split('/').collect::<Vec<_>>().as_slice() {
        [api] => Ok((api, None)),
        [api, "stages", stage] => Ok((api, Some(stage))),
        _ => Err(bad(format!("Invalid ARN specified: {arn}"))),
    }
}

fn tags<'a>(entry: &'a mut Entry, stage: Option<&str>) -> Result<&'a mut BTreeMap<String, String>, Refusal> {
    match stage {
        None => Ok(&mut entry.api.tags),
        Some(stage) => Ok(&mut entry.stages.get_mut(stage).ok_or_else(absent)?.tags),
    }
}

fn absent() -> Refusal {
    not_found("Invalid stage identifier specified")
}
