//! APIs and what they consist of: remembered in the form the wire has.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::call::Refusal;

use super::access_log;
use super::authorizer::Authorizer;
use super::route::RouteKey;

/// Scopes of a route, and characters of one. Source: API Gateway quotas; botocore, `AuthorizationScopes`.
const MAX_SCOPES: usize = 10;
const MAX_SCOPE_CHARS: usize = 64;

/// One API with everything below it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) api: Api,
    pub(super) integrations: BTreeMap<String, Integration>,
    pub(super) routes: BTreeMap<String, Route>,
    pub(super) stages: BTreeMap<String, Stage>,
    pub(super) deployments: BTreeMap<String, Deployment>,
    /// Absent from the state of versions that had none.
    #[serde(default)]
    pub(super) authorizers: BTreeMap<String, Authorizer>,
}

/// A kind of thing that can be created from a request and changed by a partial one.
pub(super) trait Resource: Serialize + serde::de::DeserializeOwned {
    /// Members that the service sets itself; a request that names one is refused.
    const OWN: &'static [&'static str];

    /// Checks what the types cannot say.
    fn check(&self) -> Result<(), Refusal>;
}

/// Builds a resource from the members of a request over those it has. A null counts as left out.
pub(super) fn merge<T: Resource>(base: Value, given: &Value) -> Result<T, Refusal> {
    let mut merged = base;
    let members = given.as_object().ok_or_else(|| bad("Invalid request body: an object is expected"))?;
    for (name, value) in members.iter().filter(|(_, value)| !value.is_null()) {
        if T::OWN.contains(&name.as_str()) {
            return Err(bad(format!("Invalid request body: {name} cannot be set")));
        }
        merged[name] = value.clone();
    }
    let resource: T =
        serde_json::from_value(merged).map_err(|error| bad(format!("Invalid or unsupported request body: {error}")))?;
    resource.check()?;
    Ok(resource)
}

/// A resource with the service's own members.
pub(super) fn to_value<T: Resource>(resource: &T) -> Value {
    // The types hold nothing but strings, numbers and maps with string keys.
    serde_json::to_value(resource).unwrap_or_default()
}

/// `BadRequestException`.
pub(super) fn bad(message: impl Into<String>) -> Refusal {
    Refusal::new(400, "BadRequestException", message)
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Api {
    pub(super) api_id: String,
    pub(super) api_endpoint: String,
    pub(super) created_date: Timestamp,
    pub(super) name: String,
    pub(super) protocol_type: String,
    #[serde(default = "route_selection")]
    pub(super) route_selection_expression: String,
    #[serde(default = "api_key_selection")]
    pub(super) api_key_selection_expression: String,
    #[serde(default)]
    pub(super) disable_execute_api_endpoint: bool,
    #[serde(default = "ipv4")]
    pub(super) ip_address_type: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) version: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) cors_configuration: Option<Cors>,
    #[serde(default)]
    pub(super) tags: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct Cors {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) allow_credentials: Option<bool>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) allow_headers: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) allow_methods: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) allow_origins: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) expose_headers: Vec<String>,
    /// Seconds; -1 forbids to remember.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) max_age: Option<i32>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Integration {
    pub(super) integration_id: String,
    pub(super) integration_type: String,
    #[serde(default = "post")]
    pub(super) integration_method: String,
    pub(super) integration_uri: String,
    #[serde(default = "internet")]
    pub(super) connection_type: String,
    pub(super) payload_format_version: String,
    #[serde(default = "longest_wait")]
    pub(super) timeout_in_millis: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Route {
    pub(super) route_id: String,
    pub(super) route_key: String,
    #[serde(default)]
    pub(super) api_key_required: bool,
    #[serde(default = "no_authorization")]
    pub(super) authorization_type: String,
    /// Empty when there is none, as an update that takes it away says.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) authorizer_id: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) authorization_scopes: Vec<String>,
    /// `integrations/<id>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) target: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) operation_name: Option<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Stage {
    pub(super) stage_name: String,
    pub(super) created_date: Timestamp,
    pub(super) last_updated_date: Timestamp,
    #[serde(default)]
    pub(super) auto_deploy: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) deployment_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) last_deployment_status_message: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<String>,
    #[serde(default)]
    pub(super) default_route_settings: RouteSettings,
    /// By route key.
    #[serde(default)]
    pub(super) route_settings: BTreeMap<String, RouteSettings>,
    #[serde(default)]
    pub(super) stage_variables: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) access_log_settings: Option<AccessLog>,
    #[serde(default)]
    pub(super) tags: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct RouteSettings {
    pub(super) detailed_metrics_enabled: bool,
    /// Requests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) throttling_burst_limit: Option<u32>,
    /// Requests a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) throttling_rate_limit: Option<f64>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct AccessLog {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) destination_arn: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) format: Option<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Deployment {
    pub(super) deployment_id: String,
    pub(super) created_date: Timestamp,
    pub(super) deployment_status: String,
    pub(super) auto_deployed: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<String>,
}

impl Resource for Api {
    const OWN: &'static [&'static str] = &["apiId", "apiEndpoint", "createdDate"];

    fn check(&self) -> Result<(), Refusal> {
        if self.protocol_type != "HTTP" {
            return Err(bad("Invalid protocol specified. Must be one of [HTTP, WEBSOCKET]"));
        }
        if self.name.is_empty() || self.name.chars().count() > 128 {
            return Err(bad("Invalid API name specified: between 1 and 128 characters are allowed"));
        }
        let cors = self.cors_configuration.as_ref();
        if cors.is_some_and(|cors| cors.allow_credentials == Some(true) && cors.allow_origins.iter().any(|o| o == "*"))
        {
            return Err(bad("allow-credentials is not supported for wildcard allow-origins"));
        }
        if cors.and_then(|cors| cors.max_age).is_some_and(|age| !(-1..=86_400).contains(&age)) {
            return Err(bad("Invalid max-age specified: between -1 and 86400 seconds are allowed"));
        }
        tag_count(&self.tags)
    }
}

impl Resource for Integration {
    const OWN: &'static [&'static str] = &["integrationId"];

    fn check(&self) -> Result<(), Refusal> {
        if self.integration_type != "AWS_PROXY" {
            return Err(bad(format!("Invalid integration type specified: {}", self.integration_type)));
        }
        if self.payload_format_version != "2.0" {
            return Err(bad("PayloadFormatVersion must be one of [1.0, 2.0]"));
        }
        if self.connection_type != "INTERNET" {
            return Err(bad(format!("Invalid connection type specified: {}", self.connection_type)));
        }
        if !(50..=30_000).contains(&self.timeout_in_millis) {
            return Err(bad("Timeout should be between 50 ms and 30000 ms"));
        }
        if self.function_arn().is_none() {
            return Err(bad("Invalid integration URI specified: the ARN of a Lambda function is expected"));
        }
        Ok(())
    }
}

impl Integration {
    /// The function behind either form of the URI.
    pub(super) fn function_arn(&self) -> Option<&str> {
        let uri = &self.integration_uri;
        let inner = uri.split_once(":lambda:path/2015-03-31/functions/").map(|(_, rest)| rest);
        let arn = inner.map_or(Some(uri.as_str()), |inner| inner.strip_suffix("/invocations"))?;
        (arn.starts_with("arn:") && arn.contains(":lambda:") && arn.contains(":function:")).then_some(arn)
    }
}

impl Resource for Route {
    const OWN: &'static [&'static str] = &["routeId"];

    fn check(&self) -> Result<(), Refusal> {
        match self.authorization_type.as_str() {
            "NONE" | "AWS_IAM" if !self.authorization_scopes.is_empty() => {
                return Err(bad("Authorization scopes are supported for the authorization type JWT only"));
            }
            "JWT" if self.authorizer_id.is_empty() => {
                return Err(bad("AuthorizerId is required for the authorization type JWT"));
            }
            "NONE" | "AWS_IAM" | "JWT" => {}
            other => return Err(bad(format!("Invalid authorization type specified: {other}"))),
        }
        let scopes = &self.authorization_scopes;
        if scopes.len() > MAX_SCOPES
            || scopes.iter().any(|scope| !(1..=MAX_SCOPE_CHARS).contains(&scope.chars().count()))
        {
            let limits = format!("at most {MAX_SCOPES} of 1 to {MAX_SCOPE_CHARS} characters are allowed");
            return Err(bad(format!("Invalid authorization scopes specified: {limits}")));
        }
        RouteKey::parse(&self.route_key).map(|_| ()).ok_or_else(|| {
            bad("The provided route key is not formatted properly for HTTP protocol. Format should be \"<HTTP METHOD> \
                 /<RESOURCE PATH>\" or \"$default\"")
        })
    }
}

impl Resource for Stage {
    const OWN: &'static [&'static str] = &["createdDate", "lastUpdatedDate", "lastDeploymentStatusMessage"];

    fn check(&self) -> Result<(), Refusal> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        let named = !self.stage_name.is_empty() && self.stage_name.len() <= 128 && self.stage_name.bytes().all(fits);
        if !named && self.stage_name != "$default" {
            return Err(bad("Stage name only allows a-zA-Z0-9_-"));
        }
        let rates = self.route_settings.values().chain([&self.default_route_settings]);
        if rates.filter_map(|settings| settings.throttling_rate_limit).any(|rate| rate < 0.0 || !rate.is_finite()) {
            return Err(bad("Invalid throttling rate limit specified"));
        }
        self.access_log_settings.as_ref().map_or(Ok(()), AccessLog::check)?;
        tag_count(&self.tags)
    }
}

impl AccessLog {
    fn check(&self) -> Result<(), Refusal> {
        let format = self.format.as_deref().unwrap_or_default();
        if self.destination_arn.as_deref().is_none_or(|arn| access_log::group(arn).is_none()) {
            return Err(bad("Invalid access log destination specified: the ARN of a log group is expected"));
        }
        access_log::check(format).map_err(bad)
    }
}

impl Resource for Deployment {
    const OWN: &'static [&'static str] = &["deploymentId", "createdDate", "deploymentStatus", "autoDeployed"];

    fn check(&self) -> Result<(), Refusal> {
        Ok(())
    }
}

/// Tags a thing may bear.
pub(super) fn tag_count(tags: &BTreeMap<String, String>) -> Result<(), Refusal> {
    if tags.len() > 50 { Err(bad("Too many tags: at most 50 are allowed")) } else { Ok(()) }
}

fn route_selection() -> String {
    "$request.method $request.path".to_owned()
}

fn api_key_selection() -> String {
    "$request.header.x-api-key".to_owned()
}

fn ipv4() -> String {
    "ipv4".to_owned()
}

fn post() -> String {
    "POST".to_owned()
}

fn internet() -> String {
    "INTERNET".to_owned()
}

fn longest_wait() -> u64 {
    30_000
}

fn no_authorization() -> String {
    "NONE".to_owned()
}
