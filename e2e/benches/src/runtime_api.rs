//! The least of Lambda's Runtime API and of `InvokeEndpoint` that a function needs for its first answer.

use std::convert::Infallible;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1::Builder;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::error::{BenchError, Doing as _, Result};
use crate::measure::peak_bytes;
use crate::ours;

/// Lambda itself gives an init 10 s.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);
/// What the endpoint answers.
const SCORE: &str = "0.25";

/// A function's first answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ColdStart {
    /// From the start of its process until its answer had arrived.
    pub(crate) answer_s: f64,
    /// Peak resident size until then.
    pub(crate) peak_bytes: f64,
}

/// What the function's process is told, as Lambda tells it; `port` is this server's.
pub(crate) fn environment(port: u16) -> Vec<(&'static str, String)> {
    let fixed = [
        ("PATH", "/usr/local/bin:/usr/bin:/bin"),
        ("LANG", "en_US.UTF-8"),
        ("AWS_LAMBDA_FUNCTION_NAME", "fraud-proxy"),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
        ("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/fraud-proxy"),
        ("AWS_LAMBDA_LOG_STREAM_NAME", "stream"),
        ("AWS_REGION", "ap-south-1"),
        ("AWS_DEFAULT_REGION", "ap-south-1"),
        ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("AWS_SESSION_TOKEN", "token"),
        ("ENDPOINT_NAME", "fraud"),
        ("DECISION_FIELD", "is_fraud"),
        ("SCORE_FIELD", "fraud_score"),
        ("THRESHOLD", "0.5"),
    ];
    let told = [
        ("FEATURES", ours::features().join(",")),
        ("AWS_LAMBDA_RUNTIME_API", format!("127.0.0.1:{port}")),
        ("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{port}")),
    ];
    fixed.map(|(name, value)| (name, value.to_owned())).into_iter().chain(told).collect()
}

/// Starts a function with one event waiting, and ends it when it has answered.
pub(crate) fn cold_start(command: Command) -> Result<ColdStart> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.doing("could not start a runtime")?.block_on(started(command))
}

async fn started(mut command: Command) -> Result<ColdStart> {
    let listener = TcpListener::bind("127.0.0.1:0").await.doing("could not listen")?;
    let port = listener.local_addr().doing("could not listen")?.port();
    let (answered, answer) = oneshot::channel();
    let state = Arc::new(Mutex::new(State { event: Some(event()), answered: Some(answered) }));
    let serving = tokio::spawn(accept(listener, state));
    command.env_clear().envs(environment(port)).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let began = Instant::now();
    let mut child = command.spawn().doing("could not start the function")?;
    let answer = tokio::time::timeout(ANSWER_LIMIT, answer).await;
    let answer_s = began.elapsed().as_secs_f64();
    let peak_bytes = peak_bytes(child.id());
    _ = child.kill();
    _ = child.wait();
    serving.abort();
    let answer = answer.doing("the function did not answer in time")?.doing("the function was not asked")?;
    if !String::from_utf8_lossy(&answer).contains(SCORE) {
        return Err(BenchError::new(format!("the function answered {}", String::from_utf8_lossy(&answer))));
    }
    Ok(ColdStart { answer_s, peak_bytes: peak_bytes? })
}

struct State {
    event: Option<String>,
    answered: Option<oneshot::Sender<Bytes>>,
}

async fn accept(listener: TcpListener, state: Arc<Mutex<State>>) {
    while let Ok((stream, _)) = listener.accept().await {
        _ = stream.set_nodelay(true);
        let state = Arc::clone(&state);
        let service = service_fn(move |request| respond(request, Arc::clone(&state)));
        tokio::spawn(Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

async fn respond(
    request: Request<Incoming>,
    state: Arc<Mutex<State>>,
) -> std::result::Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let lock = || state.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let path = head.uri.path();
    if head.method == Method::GET && path.ends_with("/invocation/next") {
        let event = lock().event.take();
        return match event {
            Some(event) => Ok(invocation(event)),
            // There is no second event: the function waits, as it does between requests.
            None => std::future::pending().await,
        };
    }
    if path.ends_with("/invocations") {
        return Ok(Response::new(Full::new(Bytes::from(format!("{SCORE}\n")))));
    }
    let answered = lock().answered.take();
    if let Some(answered) = answered {
        _ = answered.send(body);
    }
    let mut response = Response::new(Full::new(Bytes::from_static(b"{}")));
    *response.status_mut() = hyper::StatusCode::ACCEPTED;
    Ok(response)
}

fn invocation(event: String) -> Response<Full<Bytes>> {
    /// In the year 2096, in milliseconds.
    const DEADLINE_MS: &str = "4000000000000";
    let mut response = Response::new(Full::new(Bytes::from(event)));
    let headers = [
        ("lambda-runtime-aws-request-id", "8476a536-e9f4-11e8-9739-2dfe598c3fcd"),
        ("lambda-runtime-deadline-ms", DEADLINE_MS),
        ("lambda-runtime-invoked-function-arn", "arn:aws:lambda:ap-south-1:123456789012:function:fraud-proxy"),
    ];
    for (name, value) in headers {
        response.headers_mut().insert(name, hyper::header::HeaderValue::from_static(value));
    }
    response
}

/// A request as API Gateway hands it over, payload format 2.0.
fn event() -> String {
    let features: serde_json::Map<_, _> = ours::features().into_iter().map(|name| (name, 1.5.into())).collect();
    let body = serde_json::Value::from(features).to_string();
    serde_json::json!({
        "version": "2.0",
        "routeKey": "POST /",
        "rawPath": "/",
        "headers": { "content-type": "application/json" },
        "requestContext": { "requestId": "1", "http": { "method": "POST", "path": "/" } },
        "body": body,
        "isBase64Encoded": false,
    })
    .to_string()
}
