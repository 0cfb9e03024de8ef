//! `InvokeEndpoint`: a request goes to a variant's server, and its answer or its fault comes back.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use percent_encoding::percent_decode_str;
use serde_json::json;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::HttpClient;
use super::fleet::RunningVariant;
use super::measure;
use super::record::{Names, log_group};
use crate::Cloud;
use crate::call::{Call, Refusal, Reply, json_status};

/// What a container has for its answer.
pub(super) const TIME_LIMIT: Duration = Duration::from_mins(1);
/// How long a request waits for a server that is being started again.
const READY_LIMIT: Duration = Duration::from_secs(5);
/// Between attempts to reach a server that refuses connections.
const CONNECT_PAUSE: Duration = Duration::from_millis(10);
/// Largest body, both ways.
const MAX_BODY: usize = 6_291_456;
/// Largest body of a request to a serverless variant.
const MAX_SERVERLESS_BODY: usize = 4 << 20;
/// Longest `Message` and `OriginalMessage`.
const MAX_MESSAGE: usize = 2048;

pub(super) const CUSTOM_ATTRIBUTES: HeaderName = HeaderName::from_static("x-amzn-sagemaker-custom-attributes");
pub(super) const INFERENCE_ID: HeaderName = HeaderName::from_static("x-amzn-sagemaker-inference-id");
const TARGET_VARIANT: HeaderName = HeaderName::from_static("x-amzn-sagemaker-target-variant");
const INVOKED_VARIANT: HeaderName = HeaderName::from_static("x-amzn-invoked-production-variant");

/// Answers one invocation.
pub(super) async fn invoke(cloud: &Arc<Cloud>, call: &Call) -> Reply {
    let sagemaker = &cloud.sagemaker;
    let name = endpoint_name(call)
        .ok_or_else(|| Refusal::no_operation("SageMaker", &format!("{} {}", call.method, call.path)))?;
    let account = &sagemaker.names.account;
    let lease = sagemaker.running().get(&name).map(super::fleet::Serving::lease);
    let lease = lease.ok_or_else(|| invalid(format!("Endpoint {name} of account {account} not found.")))?;
    let target = call.headers.get(TARGET_VARIANT).and_then(|value| value.to_str().ok());
    let variant = lease.choose(target).ok_or_else(|| {
        let target = target.unwrap_or_default();
        invalid(format!("Variant {target} of endpoint {name} of account {account} not found."))
    })?;
    let most = if variant.is_serverless { MAX_SERVERLESS_BODY } else { MAX_BODY };
    if call.body.len() > most {
        let message = format!("HTTP content length exceeded {most} bytes.");
        return Ok(json_status(413, &json!({ "message": message })));
    }
    let begun = Instant::now();
    let answer = timeout(TIME_LIMIT, forward(&sagemaker.http, variant, call)).await;
    let status = match &answer {
        Ok(Ok(answer)) => answer.status().as_u16(),
        Ok(Err(Failure::CutOff(status))) => status.as_u16(),
        Ok(Err(Failure::NotReady)) => 503,
        Err(_) => 500,
    };
    measure::invocation(cloud, &name, &lease, variant, status, begun.elapsed());
    let fault = match answer {
        Ok(Ok(answer)) if answer.status().is_success() => {
            if let Some(capture) = lease.capture() {
                capture.keep(cloud, &name, variant, call, &answer);
            }
            return Ok(passed_on(answer, variant));
        }
        Ok(Ok(answer)) => Fault::answered(&answer),
        Ok(Err(Failure::NotReady)) => {
            return Err(Refusal::new(503, "ServiceUnavailable", format!("Endpoint {name} is being restarted.")));
        }
        Ok(Err(Failure::CutOff(status))) => Fault::cut_off(status),
        Err(_) => Fault::timed_out(),
    };
    Ok(fault.render(&sagemaker.names, &name))
}

pub(super) fn endpoint_name(call: &Call) -> Option<String> {
    if call.method != Method::POST {
        return None;
    }
    let name = call.path.strip_prefix("/endpoints/")?.strip_suffix("/invocations")?;
    Some(percent_decode_str(name).decode_utf8_lossy().into_owned()).filter(|name| !name.contains('/'))
}

/// AWS's code here lacks the `Exception` that the control plane's has.
fn invalid(message: String) -> Refusal {
    Refusal::new(400, "ValidationError", message)
}

/// Why a server gave no whole answer.
enum Failure {
    /// It is not there, and did not come back in time.
    NotReady,
    /// It took the request and broke off, perhaps after this status.
    CutOff(StatusCode),
}

async fn forward(http: &HttpClient, variant: &RunningVariant, call: &Call) -> Result<Response<Bytes>, Failure> {
    let deadline = Instant::now() + READY_LIMIT;
    let answer = loop {
        let Ok(Some(port)) = timeout_at(deadline, variant.server.port()).await else {
            return Err(Failure::NotReady);
        };
        let mut request = request(port, call);
        variant.server.sign(&mut request);
        match http.request(request).await {
            Ok(answer) => break answer,
            // Nothing was sent: the process has just ended, which its supervisor notices in a moment.
            Err(error) if error.is_connect() && Instant::now() < deadline => sleep(CONNECT_PAUSE).await,
            Err(error) if error.is_connect() => return Err(Failure::NotReady),
            Err(_) => return Err(Failure::CutOff(StatusCode::INTERNAL_SERVER_ERROR)),
        }
    };
    let (head, body) = answer.into_parts();
    match Limited::new(body, MAX_BODY).collect().await {
        Ok(body) => Ok(Response::from_parts(head, body.to_bytes())),
        Err(_) => {
            Err(Failure::CutOff(if head.status.is_success() { StatusCode::INTERNAL_SERVER_ERROR } else { head.status }))
        }
    }
}

fn request(port: u16, call: &Call) -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::new(call.body.clone()));
    *request.method_mut() = Method::POST;
    if let Ok(uri) = format!("http://127.0.0.1:{port}/invocations").parse() {
        *request.uri_mut() = uri;
    }
    copy_headers(&call.headers, request.headers_mut(), &[CONTENT_TYPE, ACCEPT, CUSTOM_ATTRIBUTES, INFERENCE_ID]);
    request
}

fn copy_headers(from: &HeaderMap, to: &mut HeaderMap, names: &[HeaderName]) {
    for name in names {
        if let Some(value) = from.get(name) {
            to.insert(name, value.clone());
        }
    }
}

fn passed_on(answer: Response<Bytes>, variant: &RunningVariant) -> Response<Bytes> {
    let (head, body) = answer.into_parts();
    let mut response = Response::new(body);
    copy_headers(&head.headers, response.headers_mut(), &[CONTENT_TYPE, CUSTOM_ATTRIBUTES]);
    if let Ok(name) = HeaderValue::from_str(&variant.name) {
        response.headers_mut().insert(INVOKED_VARIANT, name);
    }
    response
}

/// A `ModelError`: what the container did instead of answering well.
struct Fault {
    /// 0 when it did not answer.
    status: u16,
    /// None when it could not be read whole.
    message: Option<String>,
}

impl Fault {
    fn answered(answer: &Response<Bytes>) -> Self {
        let text = String::from_utf8_lossy(answer.body());
        Self { status: answer.status().as_u16(), message: Some(text.chars().take(MAX_MESSAGE).collect()) }
    }

    fn cut_off(status: StatusCode) -> Self {
        Self { status: status.as_u16(), message: None }
    }

    fn timed_out() -> Self {
        let message = "Your invocation timed out while waiting for a response from container primary. Review the \
                       latency metrics for each container in Amazon CloudWatch, resolve the issue, and try again.";
        Self { status: 0, message: Some(message.into()) }
    }

    fn render(&self, names: &Names, endpoint: &str) -> Response<Bytes> {
        let (side, code) = match self.status {
            400..500 => ("client", "CLIENT_ERROR_FROM_MODEL"),
            _ => ("server", "SERVER_ERROR_FROM_MODEL"),
        };
        let what = match &self.message {
            Some(message) => format!(" with message \"{message}\""),
            None => " and could not load the entire response body".into(),
        };
        let Names { region, account, .. } = names;
        let group = log_group(endpoint);
        let url = format!(
            "https://{region}.console.aws.amazon.com/cloudwatch/home?region={region}#logEventViewer:group={group}"
        );
        let message = format!(
            "Received {side} error ({}) from primary{what}. See {url} in account {account} for more information.",
            self.status
        );
        let mut response = json_status(
            424,
            &json!({
                "ErrorCode": code,
                "LogStreamArn": names.log_group_arn(&group),
                "Message": message,
                "OriginalMessage": self.message.as_deref().unwrap_or_default(),
                "OriginalStatusCode": self.status,
            }),
        );
        response.headers_mut().insert("x-amzn-errortype", HeaderValue::from_static("ModelError"));
        response
    }
}
