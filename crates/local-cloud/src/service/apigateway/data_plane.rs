//! The public side: stage, route, admission, permission, function, response, access log.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use jiff::Timestamp;
use percent_encoding::percent_decode_str;

use crate::Cloud;
use crate::service::lambda;

use super::access::{Access, Admitted, Refused};
use super::access_log::{self, Variables};
use super::answer::{from_payload, message};
use super::cors;
use super::event::{self, Context, domain_name, shown_time};
use super::resource::{Cors, Entry, Route, RouteSettings, Stage};
use super::route::RouteKey;

/// Bytes of a request's body: 10 MB; and of the event around it, which Lambda limits to 6 MB.
const MAX_BODY: usize = 10 * 1024 * 1024;
const MAX_EVENT: usize = 6_291_456;
/// Bytes of a request's first line and its headers together. Source: API Gateway quotas; what AWS answers beyond it is
/// not written down.
const MAX_HEAD: usize = 10_240;

/// Answers one request.
pub(super) async fn serve(cloud: &Arc<Cloud>, api_id: &str, path: &str, request: Request<Bytes>) -> Response<Bytes> {
    let request_id = STANDARD.encode(rand::random::<[u8; 11]>());
    let chosen = cloud.apigateway.apis.read(|apis| {
        let entry = apis.get(api_id).filter(|entry| !entry.api.disable_execute_api_endpoint)?;
        Some((entry.api.cors_configuration.clone(), choose(entry, &request, path)))
    });
    let (cors, choice) = chosen.unwrap_or_default();
    let mut exchange = Exchange {
        cloud,
        api_id,
        path,
        request: &request,
        request_id: &request_id,
        began: Instant::now(),
        now: Timestamp::now(),
        notes: Variables::new(),
    };
    let mut response = exchange.answer(cors.as_ref(), choice.as_ref()).await;
    if let Ok(id) = HeaderValue::from_str(&request_id) {
        response.headers_mut().insert(HeaderName::from_static("apigw-requestid"), id);
    }
    if let Some(choice) = &choice
        && let Some(settings) = &choice.stage.access_log_settings
    {
        access_log::write(cloud, settings, api_id, &exchange.variables(choice, &response));
    }
    response
}

/// What answers a request.
struct Choice {
    stage: Stage,
    /// What follows the stage's segment, or all of it; begins with `/`.
    path: String,
    /// None when no route does.
    route: Option<Chosen>,
}

struct Chosen {
    key: RouteKey,
    route: Route,
    access: Access,
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
        access: Access::of(route, entry),
        parameters,
        target: route.target.as_ref().and_then(|target| {
            let integration = entry.integrations.get(target.strip_prefix("integrations/")?)?;
            let limit = Duration::from_millis(integration.timeout_in_millis);
            Some((integration.function_arn()?.to_owned(), limit))
        }),
    });
    Some(Choice { stage: stage.clone(), path: path.to_owned(), route })
}

/// One request on its way.
struct Exchange<'a> {
    cloud: &'a Arc<Cloud>,
    api_id: &'a str,
    path: &'a str,
    request: &'a Request<Bytes>,
    request_id: &'a str,
    began: Instant,
    now: Timestamp,
    /// What the access log may say of it that its response does not tell.
    notes: Variables,
}

impl Exchange<'_> {
    /// The gateway answers a browser's preflight request itself; but a route that answers its method, such as `ANY`
    /// or `$default`, first asks for what it asks of every request.
    async fn answer(&mut self, cors: Option<&Cors>, choice: Option<&Choice>) -> Response<Bytes> {
        let Some(cors) = cors else { return self.respond(choice).await };
        let Some(preflight) = cors::preflight(cors, self.request.method(), self.request.headers()) else {
            let mut response = self.respond(choice).await;
            cors::apply(cors, self.request.headers(), response.headers_mut());
            return response;
        };
        let Some(Choice { stage, path, route: Some(chosen) }) = choice else { return preflight };
        match self.admit(stage, path, chosen).await {
            Ok(_) => preflight,
            Err(refused) => self.refuse(&refused),
        }
    }

    async fn respond(&mut self, choice: Option<&Choice>) -> Response<Bytes> {
        if head_bytes(self.request) > MAX_HEAD {
            return self.gateway(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "Request Header Fields Too Large");
        }
        let Some(Choice { stage, path, route: Some(chosen) }) = choice else {
            return self.gateway(StatusCode::NOT_FOUND, "Not Found");
        };
        if !self.may_pass(stage, &chosen.route.route_key) {
            return self.gateway(StatusCode::TOO_MANY_REQUESTS, "Too Many Requests");
        }
        if self.request.body().len() > MAX_BODY {
            return self.gateway(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large");
        }
        match self.admit(stage, path, chosen).await {
            Ok(admitted) => self.invoke(stage, chosen, &admitted).await,
            Err(refused) => self.refuse(&refused),
        }
    }

    async fn admit(&mut self, stage: &Stage, path: &str, chosen: &Chosen) -> Result<Admitted, Refused> {
        let invoked = self.execution_arn(stage, &format!("{}{path}", self.request.method()));
        let admitted = chosen.access.admit(self.cloud, self.request, &invoked).await?;
        self.notes.extend(admitted.variables.iter().cloned());
        Ok(admitted)
    }

    async fn invoke(&mut self, stage: &Stage, chosen: &Chosen, admitted: &Admitted) -> Response<Bytes> {
        let key = &chosen.route.route_key;
        let Some((function, limit)) = &chosen.target else {
            return self.failed("No integration is attached to the route");
        };
        let source = self.execution_arn(stage, &chosen.key.execution_path(key, self.request.method().as_str()));
        if !self.cloud.lambda.allows(function, "apigateway.amazonaws.com", &source) {
            tracing::warn!(%function, %source, "the function's resource policy does not let the API in");
            return self.failed(
                "The IAM role configured on the integration or API Gateway doesn't have permissions to call the \
                 integration. Check the permissions and try again.",
            );
        }
        let config = &self.cloud.config;
        let context = Context {
            account: &config.account,
            region: &config.region,
            api_id: self.api_id,
            stage: &stage.stage_name,
            stage_variables: &stage.stage_variables,
            route_key: key,
            path: self.path,
            path_parameters: &chosen.parameters,
            request_id: self.request_id,
            authorizer: admitted.context.as_ref(),
            now: self.now,
        };
        let event = Bytes::from(event::build(&context, self.request).to_string());
        if event.len() > MAX_EVENT {
            return self.gateway(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large");
        }
        let called = Instant::now();
        let ran = tokio::time::timeout(*limit, lambda::run(self.cloud, function, event)).await;
        self.note(&["integrationLatency", "integration.latency"], called.elapsed().as_millis().to_string());
        match ran {
            Ok(Ok(Ok(payload))) => {
                self.note(&["integrationStatus", "integration.integrationStatus"], "200");
                let response = from_payload(&payload);
                if let Some(response) = &response {
                    self.note(&["integration.status"], response.status().as_u16().to_string());
                }
                response.unwrap_or_else(|| {
                    self.failed(
                        "The response from the Lambda function doesn't match the format that API Gateway expects",
                    )
                })
            }
            Ok(Ok(Err(_))) => {
                self.note(&["integrationStatus", "integration.integrationStatus"], "200");
                self.failed("The Lambda function returned an error")
            }
            Ok(Err(refusal)) => {
                tracing::warn!(%function, code = refusal.code, message = refusal.message, "the function did not run");
                self.failed(&refusal.message)
            }
            Err(_) => {
                self.note(&["integrationErrorMessage", "integration.error"], "The integration did not answer in time");
                self.gateway(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable")
            }
        }
    }

    fn failed(&mut self, why: &str) -> Response<Bytes> {
        self.note(&["integrationErrorMessage", "integration.error"], why);
        self.gateway(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")
    }

    fn refuse(&mut self, refused: &Refused) -> Response<Bytes> {
        if let Some(error) = &refused.error {
            self.note(&["authorizer.error"], error.as_str());
        }
        let response = refused.answer();
        let text = response.status().canonical_reason().unwrap_or_default();
        self.note(&["error.message"], text);
        self.note(&["error.messageString"], format!("\"{text}\""));
        response
    }

    /// The gateway's own answer.
    fn gateway(&mut self, status: StatusCode, text: &str) -> Response<Bytes> {
        self.note(&["error.message"], text);
        self.note(&["error.messageString"], format!("\"{text}\""));
        message(status, text)
    }

    fn note(&mut self, names: &[&str], value: impl Into<String>) {
        let value = value.into();
        self.notes.extend(names.iter().map(|name| ((*name).to_owned(), value.clone())));
    }

    /// Takes a token from the route's own bucket, or else the stage's.
    fn may_pass(&self, stage: &Stage, route_key: &str) -> bool {
        let limits = |settings: &&RouteSettings| {
            settings.throttling_rate_limit.is_some() || settings.throttling_burst_limit.is_some()
        };
        let own = stage.route_settings.get(route_key).filter(limits);
        let scope = own.map_or_else(|| stage.stage_name.clone(), |_| format!("{} {route_key}", stage.stage_name));
        let settings = own.unwrap_or(&stage.default_route_settings);
        self.cloud.apigateway.buckets.admit(self.api_id, &scope, settings, Instant::now())
    }

    fn execution_arn(&self, stage: &Stage, path: &str) -> String {
        self.cloud.config.arn("execute-api", &format!("{}/{}/{path}", self.api_id, stage.stage_name))
    }

    /// What the access log may say.
    fn variables(&self, choice: &Choice, response: &Response<Bytes>) -> Variables {
        let (request, config) = (self.request, &self.cloud.config);
        let agent =
            request.headers().get(http::header::USER_AGENT).map(|agent| String::from_utf8_lossy(agent.as_bytes()));
        let known = [
            ("accountId", config.account.clone()),
            ("apiId", self.api_id.to_owned()),
            ("dataProcessed", (head_bytes(request) + request.body().len()).to_string()),
            ("domainName", domain_name(self.api_id, &config.region)),
            ("domainPrefix", self.api_id.to_owned()),
            ("extendedRequestId", self.request_id.to_owned()),
            ("httpMethod", request.method().to_string()),
            ("identity.sourceIp", "127.0.0.1".to_owned()),
            ("path", self.path.to_owned()),
            ("protocol", format!("{:?}", request.version())),
            ("requestId", self.request_id.to_owned()),
            ("requestTime", shown_time(self.now)),
            ("requestTimeEpoch", self.now.as_millisecond().to_string()),
            ("responseLatency", self.began.elapsed().as_millis().to_string()),
            ("responseLength", response.body().len().to_string()),
            ("stage", choice.stage.stage_name.clone()),
            ("status", response.status().as_u16().to_string()),
        ];
        let mut variables = self.notes.clone();
        variables.extend(known.map(|(name, value)| (name.to_owned(), value)));
        let route = choice.route.as_ref().map(|chosen| chosen.route.route_key.clone());
        variables.extend(route.map(|key| ("routeKey".to_owned(), key)));
        variables.extend(agent.map(|agent| ("identity.userAgent".to_owned(), agent.into_owned())));
        variables
    }
}

/// The request line and the headers, as they go over the wire.
fn head_bytes(request: &Request<Bytes>) -> usize {
    let line = request.method().as_str().len() + request.uri().to_string().len() + " HTTP/1.1\r\n".len() + 1;
    let headers = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + ": \r\n".len());
    line + headers.sum::<usize>()
}

/// `/prod/items` into `prod` and `/items`.
fn split_first(path: &str) -> (&str, &str) {
    let path = path.strip_prefix('/').unwrap_or(path);
    path.find('/').map_or((path, ""), |end| path.split_at(end))
}
