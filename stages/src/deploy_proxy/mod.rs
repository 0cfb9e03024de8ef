//! Stage `deploy-proxy`: the function in front of the endpoint, and the HTTP API in front of the function.

mod function;
mod http_api;
mod permission;

use std::sync::Arc;

pub use function::{FUNCTION, decide_by};
pub use http_api::{API, API_ID, URL};
pub use permission::PERMISSION;
use plan::ResourceId;

use crate::log_group::LogGroup;
use crate::{Declared, Stage, Wanted};

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
        retention_days: proxy.log_retention_days,
        names: names.clone(),
    });
    let access_logs = LogGroup {
        id: ACCESS_LOGS,
        name: names.access_log_group(),
        retention_days: proxy.access_log_days.unwrap_or(proxy.log_retention_days),
        names: names.clone(),
    };
    match proxy.access_log_days {
        Some(_) => declared.resource(access_logs),
        None => declared.unwanted(access_logs),
    }
    declared.resource(function::Function {
        settings: function::settings(spec, names),
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
