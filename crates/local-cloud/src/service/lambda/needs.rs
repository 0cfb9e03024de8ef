//! What each call needs to be allowed. Source: "Actions, resources, and condition keys for AWS Lambda", and Lambda's
//! developer guide about tags.

use percent_encoding::percent_decode_str;
use serde::Deserialize;

use crate::Cloud;
use crate::call::Call;
use crate::permission::Permission;
use crate::service::iam::Tags;

use super::{PRINCIPAL, request};

/// The members of any request that permissions hang on.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Given {
    function_name: Option<String>,
    role: Option<String>,
    tags: Tags,
    principal: Option<String>,
    s3_bucket: Option<String>,
    s3_key: Option<String>,
    code: Option<Code>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Code {
    #[serde(rename = "S3Bucket")]
    s3_bucket: Option<String>,
    #[serde(rename = "S3Key")]
    s3_key: Option<String>,
}

/// What a call needs; `operation` is its name. A request that cannot be read is refused by the operation itself.
pub fn needs(cloud: &Cloud, call: &Call, operation: &str) -> Vec<Permission> {
    let given: Given = request::body(call).unwrap_or_default();
    let segments: Vec<String> = call.path.split('/').skip(2).map(decoded).collect();
    let name = match segments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["functions", name, ..] if !name.is_empty() => Some((*name).to_owned()),
        ["tags", arn] => Some((*arn).to_owned()),
        _ => given.function_name.clone(),
    };
    let lambda = &cloud.lambda;
    let name = name.map(|given| lambda.names.resolve(&given, None).unwrap_or(given));
    let resource = name.as_deref().map_or_else(|| "*".to_owned(), |name| lambda.names.arn(name));
    let bears = lambda.functions.read(|functions| name.and_then(|name| Some(functions.get(&name)?.tags.clone())));
    let action = if operation == "Invoke" { "InvokeFunction" } else { operation };
    let keys = call.query.iter().filter(|(parameter, _)| parameter == "tagKeys");
    let put: Tags = given.tags.into_iter().chain(keys.map(|(_, key)| (key.clone(), String::new()))).collect();

    let mut main = Permission::new(format!("lambda:{action}"), resource.as_str());
    main = main.putting(put.clone()).bearing(bears.unwrap_or_default());
    if let Some(principal) = given.principal {
        main = main.with("lambda:Principal", principal);
    }
    let mut needs = vec![main];
    if operation == "CreateFunction" && !put.is_empty() {
        needs.push(Permission::new("lambda:TagResource", resource).putting(put));
    }
    if matches!(operation, "CreateFunction" | "UpdateFunctionConfiguration") {
        needs.extend(given.role.map(|role| Permission::pass_role(&role, PRINCIPAL)));
    }
    let code = given.code.unwrap_or(Code { s3_bucket: given.s3_bucket, s3_key: given.s3_key });
    if let (Some(bucket), Some(key)) = (code.s3_bucket, code.s3_key) {
        let partition = cloud.config.partition();
        needs.push(Permission::new("s3:GetObject", format!("arn:{partition}:s3:::{bucket}/{key}")));
    }
    needs
}

fn decoded(part: &str) -> String {
    percent_decode_str(part).decode_utf8_lossy().into_owned()
}
