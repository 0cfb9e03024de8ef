//! The public side: stage, route, permission, function, response.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use jiff::Timestamp;
use percent_encoding::percent_decode_str;

use crate::Cloud;
use crate::service::lambda;

use super::answer::{from_payload, message};
use super::cors;
use super::event::{self, Context};
use super::resource::{Cors, Entry, Route, RouteSettings, Stage};
use super::route::RouteKey;

/// Bytes of a request's body: 10 MB; and of the event around it, which Lambda limits to 6 MB.
const MAX_BODY: usize = 10 * 1024 * 1024;
const MAX_EVENT: usize = 6_291_456;

/// Answers one request.
pub(super) async fn serve(cloud: &Arc<Cloud>, api_id: &str, path: &str, request: Request<Bytes>) -> Response<Bytes> {
    let request_id = STANDARD.encode(rand::random::<[u8; 11]>());
    let chosen = cloud.apigateway.apis.read(|apis| {
        let entry = apis.get(api_id).filter(|entry| !entry.api.disable_execute_api_endpoint)?;
        Some((entry.api.cors_configuration.clone(), choose(entry, &request, path)))
    });
    let mut response = match chosen {
        None => message(StatusCode::NOT_FOUND, "Not Found"),
        Some((None, choice)) => respond(cloud, api_id, path, &request, &request_id, choice).await,
        Some((Some(cors), choice)) => shared(cloud, api_id, path, &request, &request_id, choice, &cors).await,
    };
    if let Ok(id) = HeaderValue::from_str(&request_id) {
        response.headers_mut().insert(HeaderName::from_static("apigw-requestid"), id);
    }
    response
}

/// What answers a request.
struct Choice {
    stage: Stage,
    /// None when no route does.
    route: Option<Chosen>,
}

struct Chosen {
    key: RouteKey,
    route: Route,
    parameters: BTreeMap<String, String>,
    /// The function and how long it may take.
    target: Option<(String, Duration)>,
}

/// Chooses the stage that the first segment names, else `$default`; then the closest route.
fn choose(entry: &Entry, request: &Request<Bytes>, path: &str) -> Option<Choice> {
    let (first, rest) = split_first(path);
    let served = |name: &str| entry.stages.get(name).filter(|stage| stage.deployment_id.is_some());
    let (stage, path) = match served(&percent_decode_str(first).decode_utf8_lossy()) {
        Some(stage) if !first.is_empty() && stage.stage_name != "$default" => (stage, rest),
        _ => (served("$default")?, path),
    };
    let path = if path.is_empty() { "/" } else { path };
    let candidates = entry.routes.values().filter_map(|route| {
        let key = RouteKey::parse(&route.route_key)?;
        let parameters = key.matches(request.method().as_str(), path)?;
        Some((key, route, parameters))
    });
    let closest = candidates.min_by_key(|(key, ..)| key.rank());
    let route = closest.map(|(key, route, parameters)| Chosen {
        key,
        route: route.clone(),
        parameters,
        target: route.target.as_ref().and_then(|target| {
            let integration = entry.integrations.get(target.strip_prefix("integrations/")?)?;
            let limit = Duration::from_millis(integration.timeout_in_millis);
            Some((integration.function_arn()?.to_owned(), limit))
        }),
    });
    Some(Choice { stage: stage.clone(), route })
}

/// Answers for an API with a cross-origin policy.
async fn shared(
    cloud: &Arc<Cloud>,
    api_id: &str,
    path: &str,
    request: &Request<Bytes>,
    request_id: &str,
    choice: Option<Choice>,
    cors: &Cors,
) -> Response<Bytes> {
    if let Some(response) = cors::preflight(cors, request.method(), request.headers()) {
        return response;
    }
    let origin: &HeaderMap = request.headers();
    let mut response = respond(cloud, api_id, path, request, request_id, choice).await;
    cors::apply(cors, origin, response.headers_mut());
    response
}

async fn respond(
    cloud: &Arc<Cloud>,
    api_id: &str,
    path: &str,
    request: &Request<Bytes>,
    request_id: &str,
    choice: Option<Choice>,
) -> Response<Bytes> {
    let Some(Choice { stage, route: Some(chosen) }) = choice else {
        return message(StatusCode::NOT_FOUND, "Not Found");
    };
    let key = &chosen.route.route_key;
    if !admitted(cloud, api_id, &stage, key) {
        return message(StatusCode::TOO_MANY_REQUESTS, "Too Many Requests");
    }
    if request.body().len() > MAX_BODY {
        return message(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large");
    }
    let failed = || message(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error");
    let Some((function, limit)) = &chosen.target else { return failed() };
    let config = &cloud.config;
    let source = format!(
        "arn:aws:execute-api:{}:{}:{api_id}/{}/{}",
        config.region,
        config.account,
        stage.stage_name,
        chosen.key.execution_path(key, request.method().as_str())
    );
    if !cloud.lambda.allows(function, "apigateway.amazonaws.com", &source) {
        tracing::warn!(%function, %source, "the function's resource policy does not let the API in");
        return failed();
    }
    let context = Context {
        account: &config.account,
        region: &config.region,
        api_id,
        stage: &stage.stage_name,
        stage_variables: &stage.stage_variables,
        route_key: key,
        path,
        path_parameters: &chosen.parameters,
        request_id,
        now: Timestamp::now(),
    };
    let event = Bytes::from(event::build(&context, request).to_string());
    if event.len() > MAX_EVENT {
        return message(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large");
    }
    match tokio::time::timeout(*limit, lambda::run(cloud, function, event)).await {
        Ok(Ok(Ok(payload))) => from_payload(&payload).unwrap_or_else(failed),
        Ok(Ok(Err(_))) => failed(),
        Ok(Err(refusal)) => {
            tracing::warn!(%function, code = refusal.code, message = refusal.message, "the function did not run");
            failed()
        }
        Err(_) => message(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable"),
    }
}

/// Takes a token from the route's own bucket, or else the stage's.
fn admitted(cloud: &Cloud, api_id: &str, stage: &Stage, route_key: &str) -> bool {
    let limits = |settings: &&RouteSettings| {
        settings.throttling_rate_limit.is_some() || settings.throttling_burst_limit.is_some()
    };
    let own = stage.route_settings.get(route_key).filter(limits);
    let scope = own.map_or_else(|| stage.stage_name.clone(), |_| format!("{} {route_key}", stage.stage_name));
    let settings = own.unwrap_or(&stage.default_route_settings);
    cloud.apigateway.buckets.admit(api_id, &scope, settings, Instant::now())
}

/// `/prod/items` into `prod` and `/items`.
fn split_first(path: &str) -> (&str, &str) {
    let path = path.strip_prefix('/').unwrap_or(path);
    path.find('/').map_or((path, ""), |end| path.split_at(end))
}
