//! The Runtime API (2018-06-01) as one process sees it: it asks for the next event and posts what came of it.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot, watch};

use super::Invoked;
use crate::door::{self, names};

/// Bytes of an answer: 6 MiB and a little, as AWS counts it.
pub(super) const MAX_RESPONSE: usize = 6_291_556;
/// Connections at a time, those that are being refused included; a process needs one or two.
const MAX_CONNECTIONS: usize = 64;
/// How a runtime says that a streamed answer went wrong after it had begun.
const ERROR_TRAILER: &str = "lambda-runtime-function-error-type";

/// What a process is handed with an event.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) request_id: String,
    /// Milliseconds since the epoch.
    pub(super) deadline_ms: i64,
    pub(super) function_arn: String,
    pub(super) trace_id: String,
    pub(super) payload: Bytes,
    pub(super) reply: oneshot::Sender<Invoked>,
}

/// How far a process has come.
#[derive(Clone, Debug)]
pub(super) enum Phase {
    /// It has not asked for an event yet.
    Starting,
    /// It has.
    Ready,
    /// It said why it will not.
    InitFailed(Bytes),
}

/// One process's side of the API.
#[derive(Debug)]
pub(super) struct RuntimeApi {
    phase: watch::Sender<Phase>,
    jobs: mpsc::Sender<Job>,
    queue: tokio::sync::Mutex<mpsc::Receiver<Job>>,
    in_flight: Mutex<Option<InFlight>>,
}

#[derive(Debug)]
struct InFlight {
    request_id: String,
    /// Gone once answered.
    reply: Option<oneshot::Sender<Invoked>>,
}

impl RuntimeApi {
    /// An API that nobody has called yet.
    pub(super) fn new() -> Self {
        // One process works on one event at a time; nothing ever queues behind another.
        let (jobs, queue) = mpsc::channel(1);
        Self {
            phase: watch::Sender::new(Phase::Starting),
            jobs,
            queue: tokio::sync::Mutex::new(queue),
            in_flight: Mutex::new(None),
        }
    }

    /// Follows the process's way to its first event.
    pub(super) fn phase(&self) -> watch::Receiver<Phase> {
        self.phase.subscribe()
    }

    /// Gives the process an event. Says whether there was room for it.
    pub(super) fn submit(&self, job: Job) -> bool {
        self.jobs.try_send(job).is_ok()
    }

    /// Whether the process has been handed this event.
    pub(super) fn has_taken(&self, request_id: &str) -> bool {
        self.lock().as_ref().is_some_and(|taken| taken.request_id == request_id)
    }

    /// Serves connections of the process `leader`, its group and its offspring, for as long as it is polled. The
    /// protocol has no room for a secret: runtimes put their own path behind the address.
    pub(super) async fn serve(self: Arc<Self>, listener: TcpListener, leader: u32) {
        // Connections end with this future: the set aborts what it holds when it is dropped.
        let mut connections = tokio::task::JoinSet::new();
        loop {
            let Ok((stream, _)) = listener.accept().await else { return };
            while connections.try_join_next().is_some() {}
            if connections.len() >= MAX_CONNECTIONS {
                continue;
            }
            let api = Arc::clone(&self);
            connections.spawn(async move {
                let Some((stream, peer)) = door::admit(stream).await else { return };
                let is_ours = tokio::task::spawn_blocking(move || loopback::is_of_group(leader, peer.inode)).await;
                if !is_ours.unwrap_or_default() {
                    tracing::warn!(
                        leader,
                        "refused a connection to a function's Runtime API that is not the function's"
                    );
                    door::refuse(stream, "403 Forbidden", "this Runtime API is for one function's process").await;
                    return;
                }
                let service = service_fn(move |request| {
                    let api = Arc::clone(&api);
                    async move { Ok::<_, Infallible>(api.answer(request).await) }
                });
                if let Err(error) = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await {
                    tracing::debug!(%error, "a runtime's connection ended");
                }
            });
        }
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let path = request.uri().path().to_owned();
        let (parts, body) = request.into_parts();
        if let Err(refused) = names::must_be_ours(&parts).and_then(|()| names::must_be_no_page(&parts.headers)) {
            return refusal(refused.status, &refused.code, &refused.message);
        }
        let request = Request::from_parts(parts, body);
        let Some(rest) = path.strip_prefix("/2018-06-01/runtime/") else { return not_found(&path) };
        let parts: Vec<&str> = rest.split('/').collect();
        match (request.method(), parts.as_slice()) {
            (&Method::GET, ["invocation", "next"]) => self.next().await,
            (&Method::POST, ["invocation", id, "response"]) => self.response(id, request.into_body()).await,
            (&Method::POST, ["invocation", id, "error"]) => self.error(id, request.into_body()).await,
            (&Method::POST, ["init", "error"]) => {
                let document = collect(request.into_body()).await.unwrap_or_default().0;
                self.phase.send_replace(Phase::InitFailed(document));
                accepted()
            }
            _ => not_found(&path),
        }
    }

    async fn next(&self) -> Response<Full<Bytes>> {
        self.phase.send_replace(Phase::Ready);
        let Some(job) = self.queue.lock().await.recv().await else {
            return refusal(StatusCode::INTERNAL_SERVER_ERROR, "Container.Stopping", "no further event will come");
        };
        let mut response = Response::new(Full::new(job.payload));
        let headers = response.headers_mut();
        headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        for (name, value) in [
            ("lambda-runtime-aws-request-id", &job.request_id),
            ("lambda-runtime-deadline-ms", &job.deadline_ms.to_string()),
            ("lambda-runtime-invoked-function-arn", &job.function_arn),
            ("lambda-runtime-trace-id", &job.trace_id),
        ] {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name, value);
            }
        }
        *self.lock() = Some(InFlight { request_id: job.request_id, reply: Some(job.reply) });
        response
    }

    /// Buffered and streamed answers alike: the caller gets the whole.
    async fn response(&self, id: &str, body: Incoming) -> Response<Full<Bytes>> {
        let Some(reply) = self.reply(id) else { return invalid_request_id() };
        match collect(body).await {
            Ok((payload, None)) => {
                drop(reply.send(Ok(payload)));
                accepted()
            }
            Ok((_, Some(kind))) => {
                drop(reply.send(failed(&kind, "The runtime reported an error while it streamed its answer.")));
                accepted()
            }
            Err(Uncollected::TooLarge) => {
                let message =
                    format!("Response payload size exceeded maximum allowed payload size ({MAX_RESPONSE} bytes).");
                drop(reply.send(failed("Function.ResponseSizeTooLarge", &message)));
                refusal(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge", &message)
            }
            Err(Uncollected::Broken) => {
                drop(reply.send(failed("Runtime.TruncatedResponse", "The runtime broke off its answer.")));
                refusal(StatusCode::BAD_REQUEST, "TruncatedResponse", "the body broke off")
            }
        }
    }

    async fn error(&self, id: &str, body: Incoming) -> Response<Full<Bytes>> {
        let Some(reply) = self.reply(id) else { return invalid_request_id() };
        let document = collect(body).await.unwrap_or_default().0;
        drop(reply.send(Err((UNHANDLED.to_owned(), document))));
        accepted()
    }

    /// Where the answer to this event goes; none when it has been answered or was never handed out.
    fn reply(&self, id: &str) -> Option<oneshot::Sender<Invoked>> {
        self.lock().as_mut().filter(|taken| taken.request_id == id)?.reply.take()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<InFlight>> {
        self.in_flight.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `X-Amz-Function-Error` of every error of a custom runtime.
pub(super) const UNHANDLED: &str = "Unhandled";

/// An error document that Lambda writes itself.
pub(super) fn failed(kind: &str, message: &str) -> Invoked {
    let document: Value = json!({ "errorType": kind, "errorMessage": message });
    Err((UNHANDLED.to_owned(), Bytes::from(document.to_string())))
}

/// Why a body did not arrive whole.
enum Uncollected {
    TooLarge,
    Broken,
}

/// The body, and the error kind of its trailer.
async fn collect(body: Incoming) -> Result<(Bytes, Option<String>), Uncollected> {
    let collected = Limited::new(body, MAX_RESPONSE).collect().await.map_err(|error| {
        if error.is::<http_body_util::LengthLimitError>() { Uncollected::TooLarge } else { Uncollected::Broken }
    })?;
    let trailer = collected.trailers().and_then(|trailers| trailers.get(ERROR_TRAILER));
    let kind = trailer.map(|kind| String::from_utf8_lossy(kind.as_bytes()).into_owned());
    Ok((collected.to_bytes(), kind))
}

fn accepted() -> Response<Full<Bytes>> {
    reply(StatusCode::ACCEPTED, &json!({ "status": "OK" }))
}

fn invalid_request_id() -> Response<Full<Bytes>> {
    refusal(StatusCode::BAD_REQUEST, "InvalidRequestID", "Invalid request ID")
}

fn not_found(path: &str) -> Response<Full<Bytes>> {
    refusal(StatusCode::NOT_FOUND, "NotFound", &format!("the Runtime API has no {path}"))
}

fn refusal(status: StatusCode, kind: &str, message: &str) -> Response<Full<Bytes>> {
    reply(status, &json!({ "errorType": kind, "errorMessage": message }))
}

fn reply(status: StatusCode, document: &Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(document.to_string())));
    *response.status_mut() = status;
    response.headers_mut().insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
