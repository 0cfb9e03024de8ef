//! What each call needs to be allowed. Source: "Actions, resources, and condition keys for Amazon SageMaker", and for the
//! two ARNs of an update a report of a user.

use serde_json::Value;

use super::record::{Memory, Names};
use super::tags::tags_at;
use super::validate::{Members, list, members, text};
use super::{PRINCIPAL, runtime};
use crate::Cloud;
use crate::call::Call;
use crate::permission::Permission;
use crate::service::iam::Tags;

/// Members that name what a call is about, and the kinds of their ARNs. `CreateEndpoint` and `UpdateEndpoint` are
/// about two things, and asked about both.
const NAMES: [(&str, &str); 4] = [
    ("EndpointName", "endpoint"),
    ("EndpointConfigName", "endpoint-config"),
    ("ModelName", "model"),
    ("TrainingJobName", "training-job"),
];

/// What a call to the control plane needs. A request that cannot be read is refused by the operation itself.
pub fn needs(cloud: &Cloud, call: &Call) -> Vec<Permission> {
    let sagemaker = &cloud.sagemaker;
    let request = members(&call.body).unwrap_or_default();
    let action = format!("sagemaker:{}", call.operation);
    let resources = resources(&sagemaker.names, &request);
    let put = put_tags(&request);
    let creates = call.operation.starts_with("Create");
    let bears = |arn: &str| sagemaker.memory.read(|memory| borne(memory, arn));
    let mut needs: Vec<Permission> = resources
        .iter()
        .map(|arn| Permission::new(action.clone(), arn.as_str()).putting(put.clone()).bearing(bears(arn)))
        .collect();
    if creates && !put.is_empty() {
        // The new thing is the one that the request names first.
        needs.push(Permission::new("sagemaker:AddTags", resources[0].as_str()).putting(put));
    }
    let role = ["ExecutionRoleArn", "RoleArn"].into_iter().find_map(|member| text(&request, member).ok().flatten());
    needs.extend(role.map(|role| Permission::pass_role(role, PRINCIPAL)));
    needs.extend(key(cloud, call, &request));
    needs
}

/// Who makes or switches an endpoint lets the service use the key of its config. There is no KMS here, so that an alias
/// stands for any key. Source: AWS documentation, "Protect data at rest using encryption".
fn key(cloud: &Cloud, call: &Call, request: &Members) -> Option<Permission> {
    if !matches!(&*call.operation, "CreateEndpoint" | "UpdateEndpoint") {
        return None;
    }
    let (sagemaker, config) = (&cloud.sagemaker, text(request, "EndpointConfigName").ok()??);
    let key = sagemaker.memory.read(|memory| {
        let config = memory.configs.get(&config.to_ascii_lowercase())?;
        text(&config.given, "KmsKeyId").ok()?.map(str::to_owned)
    })?;
    let names = &sagemaker.names;
    let arn = match &*key {
        key if key.contains(":key/") => key.to_owned(),
        key if key.contains("alias/") => names.key_arn("*"),
        key => names.key_arn(key),
    };
    let suffix = if names.region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
    let service = format!("sagemaker.{}.{suffix}", names.region);
    Some(Permission::new("kms:CreateGrant", arn).with("kms:ViaService", service))
}

/// What an invocation needs.
pub fn needs_of_invocation(cloud: &Cloud, call: &Call) -> Vec<Permission> {
    let Some(name) = runtime::endpoint_name(call) else { return vec![] };
    vec![Permission::new("sagemaker:InvokeEndpoint", cloud.sagemaker.names.arn("endpoint", &name))]
}

fn resources(names: &Names, request: &Members) -> Vec<String> {
    let named = NAMES.iter().filter_map(|(member, kind)| Some(names.arn(kind, text(request, member).ok()??)));
    let mut resources: Vec<String> = named.collect();
    resources.extend(text(request, "ResourceArn").ok().flatten().map(str::to_owned));
    if resources.is_empty() {
        resources.push("*".to_owned());
    }
    resources
}

fn put_tags(request: &Members) -> Tags {
    let given = list(request, "Tags").ok().flatten().unwrap_or_default().iter();
    let mut tags: Tags = given
        .filter_map(|tag| {
            let member = |name: &str| tag.get(name).and_then(Value::as_str);
            Some((member("Key")?.to_owned(), member("Value").unwrap_or_default().to_owned()))
        })
        .collect();
    let keys = list(request, "TagKeys").ok().flatten().unwrap_or_default().iter().filter_map(Value::as_str);
    tags.extend(keys.map(|key| (key.to_owned(), String::new())));
    tags
}

fn borne(memory: &Memory, arn: &str) -> Tags {
    tags_at(memory, arn).cloned().unwrap_or_default()
}
