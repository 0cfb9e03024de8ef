//! Tags of repositories.

use serde_json::{Value, json};

use super::Ecr;
use super::check::{invalid, refuse, required};
use super::record::Repository;
use crate::call::Refusal;

/// Tags of one repository. Source: ECR quotas.
const MAX_TAGS: usize = 50;

/// The tags in a request as they are, for authorization.
pub(super) fn given(body: &Value) -> Vec<(String, String)> {
    let tags = body["tags"].as_array().into_iter().flatten();
    tags.filter_map(|tag| Some((tag["Key"].as_str()?.to_owned(), tag["Value"].as_str().unwrap_or_default().to_owned())))
        .collect()
}

/// The tags in a request, checked.
pub(super) fn checked(body: &Value) -> Result<Vec<(String, String)>, Refusal> {
    let tags = given(body);
    if tags.len() != body["tags"].as_array().map_or(0, Vec::len) {
        return Err(refuse("InvalidTagParameterException", "Every tag needs a key."));
    }
    let plain = |text: &str| text.chars().all(|c| c.is_alphanumeric() || c == ' ' || "_.:/=+-@".contains(c));
    for (index, (key, value)) in tags.iter().enumerate() {
        let fits = (1..=128).contains(&key.chars().count()) && value.chars().count() <= 256;
        if !fits || !plain(key) || !plain(value) || key.to_lowercase().starts_with("aws:") {
            let message = format!("Invalid parameter at 'tags': the tag with key '{key}' cannot be used");
            return Err(refuse("InvalidTagParameterException", message));
        }
        if tags[..index].iter().any(|(other, _)| other == key) {
            return Err(refuse("InvalidTagParameterException", format!("The tag key '{key}' is given twice")));
        }
    }
    Ok(tags)
}

/// Adds tags, within the quota.
pub(super) fn add(repository: &mut Repository, tags: Vec<(String, String)>) -> Result<(), Refusal> {
    repository.tags.extend(tags);
    if repository.tags.len() > MAX_TAGS {
        let message = format!("A repository can have at most {MAX_TAGS} tags");
        return Err(refuse("TooManyTagsException", message));
    }
    Ok(())
}

/// `TagResource`.
pub(super) fn tag(ecr: &Ecr, body: &Value) -> Result<Value, Refusal> {
    let (name, tags) = (tagged(ecr, body)?, checked(body)?);
    ecr.registry.write(|registry| add(ecr.repository_mut(registry, name)?, tags))?;
    Ok(json!({}))
}

/// `UntagResource`. A key that is not there is taken away already.
pub(super) fn untag(ecr: &Ecr, body: &Value) -> Result<Value, Refusal> {
    let name = tagged(ecr, body)?;
    let keys: Vec<&str> = body["tagKeys"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    ecr.registry.write(|registry| {
        ecr.repository_mut(registry, name)?.tags.retain(|key, _| !keys.contains(&key.as_str()));
        Ok(json!({}))
    })
}

/// `ListTagsForResource`.
pub(super) fn list(ecr: &Ecr, body: &Value) -> Result<Value, Refusal> {
    let name = tagged(ecr, body)?;
    ecr.registry.read(|registry| {
        let tags = ecr.repository(registry, name)?.tags.iter();
        Ok(json!({ "tags": tags.map(|(key, value)| json!({ "Key": key, "Value": value })).collect::<Vec<_>>() }))
    })
}

/// The repository's name in `resourceArn`.
fn tagged<'a>(ecr: &Ecr, body: &'a Value) -> Result<&'a str, Refusal> {
    let arn = required(body, "resourceArn")?;
    arn.strip_prefix(&ecr.arn("")).ok_or_else(|| invalid("resourceArn", "Invalid ARN"))
}
