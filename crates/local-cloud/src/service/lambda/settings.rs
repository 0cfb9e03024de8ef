//! The calls that look at functions, tag them, limit them and delete them.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{Method, Response, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::Cloud;
use crate::call::{self, Call, Reply};
use crate::permission::Permission;

use super::function::Function;
use super::{refuse, request, validate};

/// Concurrent executions of an account, and how many of them no function may reserve.
const ACCOUNT_CONCURRENCY: u32 = 1000;
const UNRESERVED_MINIMUM: u32 = 100;
/// Functions on a page.
const MAX_ITEMS: usize = 50;

/// Answers `GetFunction`. The archive cannot be fetched from here, so `Code` has no `Location`. Whoever may not list tags
/// is told so in the stead of them. Source: botocore, `TagsError`.
pub(super) fn get_function(cloud: &Cloud, call: &Call, name: &str) -> Reply {
    let function = cloud.lambda.function(name)?;
    let mut shown = json!({ "Configuration": qualified(call, &function), "Code": { "RepositoryType": "S3" } });
    if !function.tags.is_empty() {
        let may_list = Permission::new("lambda:ListTags", function.arn.as_str()).bearing(function.tags.clone());
        match cloud.iam.ask(&call.caller, &may_list) {
            Ok(()) => shown["Tags"] = json!(function.tags),
            Err(message) => shown["TagsError"] = json!({ "ErrorCode": "AccessDeniedException", "Message": message }),
        }
    }
    if let Some(reserved) = function.reserved {
        shown["Concurrency"] = json!({ "ReservedConcurrentExecutions": reserved });
    }
    Ok(call::json(&shown))
}

/// Answers `GetFunctionConfiguration`.
pub(super) fn get_configuration(cloud: &Cloud, call: &Call, name: &str) -> Reply {
    Ok(call::json(&qualified(call, &cloud.lambda.function(name)?)))
}

/// A function's configuration. Its ARN has the qualifier of the request, of which `$LATEST` is the only one here.
/// Source: moto's tests that were run against AWS.
fn qualified(call: &Call, function: &Function) -> Value {
    let mut shown = function.configuration();
    if request::query(call, "Qualifier").is_some() {
        shown["FunctionArn"] = format!("{}:$LATEST", function.arn).into();
    }
    shown
}

/// Answers `ListFunctions`, sorted by name.
pub(super) fn list_functions(cloud: &Cloud, call: &Call) -> Reply {
    let limit = match request::query(call, "MaxItems") {
        None => MAX_ITEMS,
        Some(text) => match text.parse::<usize>() {
            Ok(items) if items > 0 => items.min(MAX_ITEMS),
            _ => {
                let constraint = "Member must have value greater than or equal to 1";
                return Err(refuse::validation(&[refuse::violation(text, "maxItems", constraint)]));
            }
        },
    };
    let after = request::query(call, "Marker").unwrap_or_default();
    let mut names: Vec<String> = cloud
        .lambda
        .functions
        .read(|functions| functions.keys().filter(|name| name.as_str() > after).take(limit + 1).cloned().collect());
    let more = names.len() > limit;
    names.truncate(limit);
    // One that is deleted meanwhile is left out.
    let shown: Vec<Value> =
        names.iter().filter_map(|name| Some(cloud.lambda.function(name).ok()?.configuration())).collect();
    let mut page = json!({ "Functions": shown });
    if let (true, Some(last)) = (more, names.last()) {
        page["NextMarker"] = json!(last);
    }
    Ok(call::json(&page))
}

/// Answers `DeleteFunction`: its policy and tags go along, its log group and role stay.
pub(super) fn delete_function(cloud: &Cloud, name: &str) -> Reply {
    let lambda = &cloud.lambda;
    let gone = lambda
        .functions
        .write(|functions| functions.remove(name).ok_or_else(|| refuse::no_function(&lambda.names.arn(name))))?;
    lambda.pools.retire(name);
    lambda.forget_code(&gone.code);
    Ok(empty())
}

/// Answers `PutFunctionConcurrency`.
pub(super) fn put_concurrency(cloud: &Cloud, call: &Call, name: &str) -> Reply {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Given {
        reserved_concurrent_executions: u32,
    }
    let Given { reserved_concurrent_executions: reserved } = request::body(call)?;
    cloud.lambda.functions.write(|functions| {
        let others: u32 =
            functions.values().filter(|other| other.name != name).filter_map(|other| other.reserved).sum();
        let function = functions.get_mut(name).ok_or_else(|| refuse::no_function(&cloud.lambda.names.arn(name)))?;
        if others.saturating_add(reserved) > ACCOUNT_CONCURRENCY - UNRESERVED_MINIMUM {
            return Err(refuse::invalid(format!(
                "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution \
                 below its minimum value of [{UNRESERVED_MINIMUM}]."
            )));
        }
        function.reserved = Some(reserved);
        Ok(())
    })?;
    Ok(call::json(&json!({ "ReservedConcurrentExecutions": reserved })))
}

/// Answers `GetFunctionConcurrency`: an empty object when nothing is reserved.
pub(super) fn get_concurrency(cloud: &Cloud, name: &str) -> Reply {
    let mut shown = json!({});
    if let Some(reserved) = cloud.lambda.function(name)?.reserved {
        shown["ReservedConcurrentExecutions"] = json!(reserved);
    }
    Ok(call::json(&shown))
}

/// Answers `DeleteFunctionConcurrency`.
pub(super) fn delete_concurrency(cloud: &Cloud, name: &str) -> Reply {
    cloud.lambda.change(name, |function| {
        function.reserved = None;
        Ok(())
    })?;
    Ok(empty())
}

/// Answers `TagResource`, `UntagResource` and `ListTags`.
pub(super) fn tags(cloud: &Cloud, call: &Call, method: &Method, arn: &str) -> Reply {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Given {
        #[serde(default)]
        tags: BTreeMap<String, String>,
    }
    // arn, partition, service, region, account, "function", name: an eighth part would be a version or an alias.
    if arn.split(':').count() > 7 {
        return Err(refuse::invalid(
            "Tags on function aliases and versions are not supported. Please specify a function ARN.",
        ));
    }
    let lambda = &cloud.lambda;
    let name = lambda.names.resolve(arn, None)?;
    match *method {
        Method::GET => Ok(call::json(&json!({ "Tags": lambda.function(&name)?.tags }))),
        Method::POST => {
            let Given { tags } = request::body(call)?;
            if tags.is_empty() {
                return Err(refuse::invalid("An error occurred and the request cannot be processed."));
            }
            lambda.change(&name, |function| {
                function.tags.extend(tags);
                validate::tag_count(function.tags.len())
            })?;
            Ok(empty())
        }
        Method::DELETE => {
            lambda.change(&name, |function| {
                for (_, key) in call.query.iter().filter(|(parameter, _)| parameter == "tagKeys") {
                    function.tags.remove(key);
                }
                Ok(())
            })?;
            Ok(empty())
        }
        _ => Err(refuse::unknown_operation(call)),
    }
}

/// Status 204.
pub(super) fn empty() -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}
