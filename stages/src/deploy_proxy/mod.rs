//! Stage `deploy-proxy`: the function in front of the endpoint, and the HTTP API in front of the function.

mod environment;
mod function;
mod http_api;
mod permission;

use std::sync::Arc;

pub use environment::check;
pub(crate) use function::get as function;
pub(crate) use function::owner;
pub use function::{FUNCTION, decide_by};
pub use http_api::{API, API_ID, URL};
pub use permission::PERMISSION;
use plan::ResourceId;

use serde_json::Value as Json;

use crate::create_role::{Grant, Need};
use crate::log_group::{LogGroup, Writer};
use crate::{Declared, Names, Right, Stage, Wanted};

/// The stage.
pub const STAGE: Stage =
    Stage { name: "deploy-proxy", summary: "the function in front of the endpoint, and its public HTTP API", declare };

/// The log group of the function.
pub const LOGS: ResourceId = ResourceId::new("deploy-proxy/logs");
/// The log group of the API, which has a line for each request.
pub const ACCESS_LOGS: ResourceId = ResourceId::new("deploy-proxy/access-logs");

fn declare(wanted: &Wanted<'_>, declared: &mut Declared) {
    let (spec, names) = (wanted.spec, wanted.names);
    let proxy = &spec.deploy_proxy;
    declared.resource(LogGroup {
        id: LOGS,
        name: names.function_log_group(),
        writer: Writer::Function,
        retention_days: proxy.log_retention_days,
        names: names.clone(),
    });
    let access_logs = LogGroup {
        id: ACCESS_LOGS,
        name: names.access_log_group(),
        writer: Writer::Gateway,
        retention_days: proxy.access_log_days.unwrap_or(proxy.log_retention_days),
        names: names.clone(),
    };
    match proxy.access_log_days {
        Some(_) => declared.resource(access_logs),
        None => declared.unwanted(access_logs),
    }
    declared.resource(function::Function {
        settings: environment::settings(spec, &names.endpoint),
        threshold: proxy.response.threshold,
        memory_mb: proxy.memory_mb,
        timeout_s: proxy.timeout_s,
        architecture: spec.package.architecture,
        inputs: Arc::clone(wanted.inputs),
        names: names.clone(),
    });
    declared.resource(http_api::HttpApi::of(proxy, names));
    declared.resource(permission::Permission { route: proxy.route.clone(), names: names.clone() });
}

/// What looking at the function needs: whose it is stands in its tags.
pub(crate) fn rights_to_look(names: &Names) -> Vec<Right> {
    vec![Right::new("Function", &["lambda:GetFunction", "lambda:ListTags"], names.function_arn())]
}

/// What the proxy needs its role to be allowed: one endpoint, and one log group, which exists already.
pub(crate) fn grants(names: &Names) -> Vec<Grant> {
    let need = |action, resource, without, told| Need { action, resource, keys: vec![], without, told };
    let stream = names.site.arn("logs", &format!("log-group:{}:log-stream:2026/01/31/0", names.function_log_group()));
    let log = |action| need(action, stream.clone(), "the function's log stays empty", &[]);
    vec![
        Grant {
            sid: "Score",
            actions: &["sagemaker:InvokeEndpoint"],
            resources: vec!["arn:{partition}:sagemaker:{region}:{account}:endpoint/{endpoint}".to_owned()],
            condition: Json::Null,
            needs: vec![need(
                "sagemaker:InvokeEndpoint",
                names.site.arn("sagemaker", &format!("endpoint/{}", names.endpoint)),
                "the function cannot ask the model",
                &["may not call the model's endpoint", "perform: sagemaker:InvokeEndpoint"],
            )],
        },
        Grant {
            sid: "Logs",
            actions: &["logs:CreateLogStream", "logs:PutLogEvents"],
            resources: vec!["arn:{partition}:logs:{region}:{account}:log-group:/aws/lambda/{function}:*".to_owned()],
            condition: Json::Null,
            needs: vec![log("logs:CreateLogStream"), log("logs:PutLogEvents")],
        },
    ]
}
