//! `Invoke`, and the story of one invocation.

use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode};
use jiff::Timestamp;
use tokio::sync::oneshot;

use crate::Cloud;
use crate::call::{Call, Refusal, Reply};

use super::function::{self, Function, Phase as FunctionPhase};
use super::output::{Log, Output};
use super::pool::Permit;
use super::process::{StartError, Worker};
use super::runtime_api::{Job, Phase, UNHANDLED, failed};
use super::{Invoked, refuse};

/// Bytes of an event: 6 MiB; an asynchronous one holds less.
const MAX_PAYLOAD: usize = 6_291_456;
const MAX_EVENT_PAYLOAD: usize = 1_048_576;
/// How long a process may take to ask for its first event before the function's own time starts to run.
const INIT_LIMIT: Duration = Duration::from_secs(10);
/// How long an answer may lag behind the end of the process that gave it.
const LAST_WORDS: Duration = Duration::from_millis(50);

/// What came of an invocation.
#[derive(Debug)]
pub(super) struct Finished {
    pub(super) outcome: Invoked,
    /// The last 4 KB that it logged.
    pub(super) log_tail: Vec<u8>,
}

/// Answers `Invoke`. An `Event` is tried once: AWS would try it twice more, a minute and two later.
pub(super) async fn handle(cloud: &Arc<Cloud>, call: &Call, name: &str) -> Reply {
    let header = |name: &str| call.headers.get(name).and_then(|value| value.to_str().ok());
    let function = cloud.lambda.function(name)?;
    let kind = header("x-amz-invocation-type").unwrap_or("RequestResponse");
    let limit = match kind {
        "RequestResponse" | "DryRun" => MAX_PAYLOAD,
        "Event" => MAX_EVENT_PAYLOAD,
        other => {
            let allowed = "Member must satisfy enum value set: [Event, RequestResponse, DryRun]";
            return Err(refuse::validation(&[refuse::violation(other, "invocationType", allowed)]));
        }
    };
    let payload = payload(call, kind, limit)?;
    match kind {
        "DryRun" => Ok(answer(StatusCode::NO_CONTENT, Bytes::new())),
        "Event" => {
            if function.phase == FunctionPhase::Creating {
                return Err(refuse::pending());
            }
            let cloud = Arc::clone(cloud);
            tokio::spawn(async move {
                if let Err(refused) = invoke(&cloud, function, payload).await {
                    tracing::warn!(code = refused.code, message = refused.message, "an event was lost");
                }
            });
            Ok(answer(StatusCode::ACCEPTED, Bytes::new()))
        }
        _ => {
            let Finished { outcome, log_tail } = invoke(cloud, function, payload).await?;
            let (body, error) = match outcome {
                Ok(body) => (body, None),
                Err((kind, document)) => (document, Some(kind)),
            };
            let mut response = answer(StatusCode::OK, body);
            response.headers_mut().insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            set(&mut response, "x-amz-executed-version", "$LATEST");
            if let Some(kind) = error {
                set(&mut response, "x-amz-function-error", &kind);
            }
            if header("x-amz-log-type") == Some("Tail") {
                set(&mut response, "x-amz-log-result", &STANDARD.encode(log_tail));
            }
            Ok(response)
        }
    }
}

/// Runs a function once. It goes on when the caller no longer waits.
pub(super) async fn invoke(cloud: &Arc<Cloud>, function: Function, payload: Bytes) -> Result<Finished, Refusal> {
    if function.phase == FunctionPhase::Creating {
        return Err(refuse::pending());
    }
    let permit = cloud.lambda.pools.admit(&function)?;
    let owned = Arc::clone(cloud);
    let work = async move { invoke_permitted(&owned, &function, payload, permit).await };
    cloud.lambda.pools.spawn(work).await.map_err(|error| refuse::fault(&error))?
}

/// Finds or starts a process and lets it work. A kept process that ended before it took the event is replaced.
async fn invoke_permitted(
    cloud: &Arc<Cloud>,
    function: &Function,
    payload: Bytes,
    permit: Permit,
) -> Result<Finished, Refusal> {
    let request_id = function::uuid();
    while let Some(worker) = cloud.lambda.pools.take(function) {
        worker.output.begin();
        worker.output.line(&start_line(&request_id));
        if let Some(finished) = work(cloud, function, worker, &request_id, payload.clone(), Start::Warm).await {
            drop(permit);
            return Ok(finished);
        }
    }
    if !cloud.iam.may_assume(&function.role, "lambda.amazonaws.com", &function.arn) {
        return Err(Refusal::new(403, "AccessDeniedException", refuse::CANNOT_ASSUME));
    }
    let output = Arc::new(Output::new(log(cloud, function)));
    output.line(&start_line(&request_id));
    let finished = match Worker::start(cloud, function, Arc::clone(&output)).await {
        Ok(worker) => work(cloud, function, worker, &request_id, payload, Start::Cold)
            .await
            .ok_or_else(|| refuse::fault(&"a new process took no event"))?,
        Err(StartError::InvalidEntrypoint(why)) => {
            let message = format!("RequestId: {request_id} Error: {why}");
            output.line(&message);
            output.line("Runtime.InvalidEntrypoint");
            report(&output, function, &request_id, Duration::ZERO, 0, None);
            Finished { outcome: failed("Runtime.InvalidEntrypoint", &message), log_tail: output.tail() }
        }
        Err(StartError::Io(error)) => {
            tracing::error!(function = function.name, %error, "could not start a function process");
            return Err(refuse::fault(&error));
        }
    };
    drop(permit);
    Ok(finished)
}

/// Whether a process has worked before.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Start {
    Cold,
    Warm,
}

/// How an attempt ended.
enum Ended {
    /// The process answered and may be kept.
    Answered(Invoked),
    /// It is of no more use.
    Broken(Invoked),
    /// It ended before it took the event.
    NeverTaken,
}

/// Lets a process work on one event, logs it, and keeps the process when it still serves. None when a kept process
/// had already ended.
async fn work(
    cloud: &Arc<Cloud>,
    function: &Function,
    worker: Worker,
    request_id: &str,
    payload: Bytes,
    start: Start,
) -> Option<Finished> {
    let init = match start {
        Start::Cold => {
            ready(&worker).await;
            Some(worker.started.elapsed())
        }
        Start::Warm => None,
    };
    let began = Instant::now();
    let ended = attempt(function, &worker, request_id, payload, start).await;
    let took = began.elapsed();
    worker.catch_up();
    let peak_mb = worker.peak_memory_mb();
    let (outcome, keep) = match ended {
        Ended::NeverTaken => return None,
        Ended::Answered(outcome) => (outcome, true),
        Ended::Broken(outcome) => {
            if let Err((_, document)) = &outcome {
                worker.output.line(&String::from_utf8_lossy(document));
            }
            (outcome, false)
        }
    };
    report(&worker.output, function, request_id, took, peak_mb, init);
    let log_tail = worker.output.tail();
    let current = cloud.lambda.function(&function.name).is_ok_and(|now| now.deployment == worker.deployment);
    if keep && current {
        cloud.lambda.pools.give_back(&function.name, worker);
    }
    Some(Finished { outcome, log_tail })
}

/// Waits until a new process asks for its first event, says that it will not, or ends; at most for the init limit.
async fn ready(worker: &Worker) {
    let mut phase = worker.api.phase();
    let begun = async {
        let _ = phase.wait_for(|phase| !matches!(phase, Phase::Starting)).await;
    };
    let settled = async {
        tokio::select! {
            () = begun => {}
            () = ended(worker) => {}
        }
    };
    // Past the limit the function's own time-out begins to run, as on AWS.
    let _ = tokio::time::timeout(INIT_LIMIT, settled).await;
}

async fn attempt(function: &Function, worker: &Worker, request_id: &str, payload: Bytes, start: Start) -> Ended {
    let limit = Duration::from_secs(function.timeout_s.into());
    if let Some(document) = init_error(worker) {
        return Ended::Broken(Err((UNHANDLED.to_owned(), document)));
    }
    let (reply, mut answered) = oneshot::channel();
    let job = Job {
        request_id: request_id.to_owned(),
        deadline_ms: Timestamp::now().as_millisecond() + i64::try_from(limit.as_millis()).unwrap_or(i64::MAX),
        function_arn: function.arn.clone(),
        trace_id: trace_id(),
        payload,
        reply,
    };
    if !worker.api.submit(job) {
        return Ended::NeverTaken;
    }
    tokio::select! {
        biased;
        answer = &mut answered => match answer {
            Ok(outcome) => Ended::Answered(outcome),
            Err(_) => Ended::Broken(exited(request_id, worker)),
        },
        () = ended(worker) => match tokio::time::timeout(LAST_WORDS, answered).await {
            Ok(Ok(outcome)) => Ended::Answered(outcome),
            _ if start == Start::Warm && !worker.api.has_taken(request_id) => Ended::NeverTaken,
            _ => match init_error(worker) {
                Some(document) => Ended::Broken(Err((UNHANDLED.to_owned(), document))),
                None => Ended::Broken(exited(request_id, worker)),
            },
        },
        () = tokio::time::sleep(limit) => {
            let seconds = limit.as_secs_f64();
            let message = format!("RequestId: {request_id} Error: Task timed out after {seconds:.2} seconds");
            Ended::Broken(failed("Sandbox.Timedout", &message))
        }
    }
}

async fn ended(worker: &Worker) {
    let mut ended = worker.ended.clone();
    // Without a sender left the process is gone as well.
    let _ = ended.wait_for(Option::is_some).await;
}

/// What the process said when it could not start.
fn init_error(worker: &Worker) -> Option<Bytes> {
    match &*worker.api.phase().borrow() {
        Phase::InitFailed(document) => Some(document.clone()),
        Phase::Starting | Phase::Ready => None,
    }
}

fn exited(request_id: &str, worker: &Worker) -> Invoked {
    let why = worker.ended.borrow().clone().unwrap_or_else(|| "Runtime exited without providing a reason".to_owned());
    failed("Runtime.ExitError", &format!("RequestId: {request_id} Error: {why}"))
}

/// The log of a new process; a function whose role may not write it has none.
fn log(cloud: &Arc<Cloud>, function: &Function) -> Log {
    let group = function.logging.log_group.clone();
    let id = hex::encode(rand::random::<[u8; 16]>());
    let stream = format!("{}/[$LATEST]{id}", Timestamp::now().strftime("%Y/%m/%d"));
    let resource = cloud.config.arn("logs", &format!("log-group:{group}:log-stream:{stream}"));
    let may = |action: &str, resource: &str| cloud.iam.authorize(&function.role, action, resource).is_ok();
    let permitted = may("logs:CreateLogStream", &resource) && may("logs:PutLogEvents", &resource);
    let creates = may("logs:CreateLogGroup", &cloud.config.arn("logs", &format!("log-group:{group}")));
    Log { cloud: Arc::downgrade(cloud), group, stream, permitted, creates }
}

fn start_line(request_id: &str) -> String {
    format!("START RequestId: {request_id} Version: $LATEST")
}

fn report(
    output: &Output,
    function: &Function,
    request_id: &str,
    took: Duration,
    peak_mb: u64,
    init: Option<Duration>,
) {
    let millis = |time: Duration| time.as_secs_f64() * 1000.0;
    output.line(&format!("END RequestId: {request_id}"));
    let initialised = init.map(|init| format!("Init Duration: {:.2} ms\t", millis(init))).unwrap_or_default();
    output.line(&format!(
        "REPORT RequestId: {request_id}\tDuration: {:.2} ms\tBilled Duration: {:.0} ms\tMemory Size: {} MB\t\
         Max Memory Used: {peak_mb} MB\t{initialised}",
        millis(took),
        millis(took + init.unwrap_or_default()).ceil(),
        function.memory_mb,
    ));
}

fn trace_id() -> String {
    let id = hex::encode(rand::random::<[u8; 12]>());
    let parent = hex::encode(rand::random::<[u8; 8]>());
    format!("Root=1-{:08x}-{id};Parent={parent};Sampled=0", Timestamp::now().as_second())
}

/// The event: JSON, and an empty one counts as `{}`.
fn payload(call: &Call, kind: &str, limit: usize) -> Result<Bytes, Refusal> {
    if call.body.is_empty() {
        return Ok(Bytes::from_static(b"{}"));
    }
    if call.body.len() > limit {
        return Err(Refusal::new(
            413,
            "RequestTooLargeException",
            format!(
                "{} byte payload is too large for the {kind} invocation type (limit {limit} bytes)",
                call.body.len()
            ),
        ));
    }
    serde_json::from_slice::<serde::de::IgnoredAny>(&call.body).map_err(|error| {
        Refusal::new(400, "InvalidRequestContentException", format!("Could not parse request body into json: {error}"))
    })?;
    Ok(call.body.clone())
}

fn answer(status: StatusCode, body: Bytes) -> Response<Bytes> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response
}

fn set(response: &mut Response<Bytes>, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(HeaderName::from_static(name), value);
    }
}
