//! What each call needs to be allowed. Source: "Actions, resources, and condition keys for Amazon Elastic Container
//! Registry". Tags in a create call need the permission to tag, too.

use serde_json::Value;

use super::Ecr;
use super::check::{name_of, text};
use super::tags;
use crate::Cloud;
use crate::call::Call;
use crate::permission::Permission;
use crate::service::iam::Tags;

/// What a call to the API needs. A request that cannot be read is refused by the operation itself.
pub fn needs(cloud: &Cloud, call: &Call) -> Vec<Permission> {
    let ecr = &cloud.ecr;
    let body: Value = serde_json::from_slice(&call.body).unwrap_or_default();
    let action = format!("ecr:{}", call.operation);
    if call.operation == "GetAuthorizationToken" {
        return vec![Permission::new(action, "*")];
    }
    let put = put_tags(&body);
    let resources = resources(ecr, &call.operation, &body);
    let mut needs: Vec<Permission> = resources.iter().map(|arn| on(ecr, &action, arn).putting(put.clone())).collect();
    if call.operation == "CreateRepository" && !put.is_empty() {
        needs.extend(resources.iter().map(|arn| on(ecr, "ecr:TagResource", arn).putting(put.clone())));
    }
    needs
}

/// What a request in the registry's own protocol needs, which is called as the API's operation is.
pub(super) fn on_repository(ecr: &Ecr, action: &str, name: &str) -> Permission {
    on(ecr, action, &ecr.arn(name))
}

fn resources(ecr: &Ecr, operation: &str, body: &Value) -> Vec<String> {
    if let Ok(Some(arn)) = text(body, "resourceArn") {
        return vec![arn.to_owned()];
    }
    match (operation, body["repositoryNames"].as_array()) {
        ("DescribeRepositories", Some(names)) => {
            names.iter().filter_map(Value::as_str).map(|name| ecr.arn(name)).collect()
        }
        ("DescribeRepositories", None) => vec![ecr.arn("*")],
        _ => vec![ecr.arn(name_of(body).unwrap_or_default())],
    }
}

/// An action on a repository and the tags that it bears, under both names that conditions have for them.
fn on(ecr: &Ecr, action: &str, arn: &str) -> Permission {
    let name = arn.strip_prefix(&ecr.arn("")).unwrap_or_default();
    let found = ecr.registry.read(|registry| Some(registry.repositories.get(name)?.tags.clone()));
    let bears: Tags = found.unwrap_or_default().into_iter().collect();
    let own = bears.iter().map(|(key, value)| (format!("ecr:ResourceTag/{key}"), value.clone()));
    let need = own.fold(Permission::new(action, arn), |need, (key, value)| need.with(key, value));
    need.bearing(bears)
}

fn put_tags(body: &Value) -> Tags {
    let keys = body["tagKeys"].as_array().into_iter().flatten().filter_map(Value::as_str);
    tags::given(body).into_iter().chain(keys.map(|key| (key.to_owned(), String::new()))).collect()
}
