//! The HTTP shell: one loopback port for every service.

mod absent;
mod buffered;
mod challenges;
mod intake;
mod line;
mod local;
mod members;
mod operation;
mod record;
mod render;
mod requests;
mod target;

#[cfg(test)]
mod door_tests;
#[cfg(test)]
mod limit_tests;
#[cfg(test)]
mod needs_tests;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use s3s::Body;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::Cloud;
use crate::call::{Call, Caller, Refusal, Reply};
use crate::door::{self, names};
use crate::faults::{Fault, Faults, Outcome};
use crate::permission::Permission;
use crate::server::challenges::Challenges;
use crate::server::intake::Intake;
use crate::server::line::{Limits, Lines, Watched};
#[cfg(test)]
pub(crate) use crate::server::members::check as check_members;
use crate::server::operation::describe;
pub(crate) use crate::server::operation::{is_object, member};
pub use crate::server::record::Recorder;
use crate::server::requests::{Entry, RequestLog};
pub(crate) use crate::server::target::Service;
use crate::server::target::Target;
use crate::service::cloudwatch::wire::Protocol;
use crate::service::{apigateway, autoscaling, cloudwatch, ecr, iam, lambda, logs, quotas, s3, sagemaker, sts};
use crate::signature;

/// Bytes of a request's head. S3's longest keys and metadata, and a session's token, are a fraction of it.
const MAX_HEAD_BYTES: usize = 64 * 1024;

/// Connections that are being checked or refused, in addition to the served ones.
const SPARE: usize = 128;

/// How long open requests may take to end after a stop.
const GRACE: Duration = Duration::from_secs(10);

/// Serves the cloud until `stop`, then lets open requests end.
pub async fn serve(listener: TcpListener, cloud: Arc<Cloud>, recorder: Recorder, stop: CancellationToken) {
    serve_within(listener, cloud, recorder, stop, Limits::default()).await;
}

async fn serve_within(
    listener: TcpListener,
    cloud: Arc<Cloud>,
    recorder: Recorder,
    stop: CancellationToken,
    limits: Limits,
) {
    let (faults, requests, challenges) = Default::default();
    let intake = Intake::new(limits.body);
    let lines = Arc::new(Lines::new(limits));
    let shell = Arc::new(Shell { cloud, faults, requests, recorder, stop, intake, lines, challenges });
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = shell.stop.cancelled() => break,
            accepted = listener.accept() => match accepted {
                // Those that are about to be refused have room of their own; who is one too many even there is dropped.
                Ok((stream, _)) if connections.len() < limits.connections + SPARE => {
                    connections.spawn(converse(Arc::clone(&shell), stream));
                }
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(%error, "could not accept a connection");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
    drop(listener);
    let drained = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(GRACE, drained).await.is_err() {
        tracing::warn!("requests were still open when the grace period ended");
    }
}

/// What every connection shares.
struct Shell {
    cloud: Arc<Cloud>,
    faults: Mutex<Faults>,
    requests: RequestLog,
    recorder: Recorder,
    stop: CancellationToken,
    intake: Intake,
    lines: Arc<Lines>,
    challenges: Challenges,
}

impl Shell {
    fn faults(&self) -> MutexGuard<'_, Faults> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The connection ends without an answer, because a fault says so.
#[derive(Debug, thiserror::Error)]
#[error("the connection was ended without an answer")]
struct HungUp;

async fn converse(shell: Arc<Shell>, stream: TcpStream) {
    let Some((stream, _)) = door::admit(stream).await else { return };
    let Some(place) = shell.lines.enter() else {
        door::refuse(stream, "503 Service Unavailable", "every connection that there may be is being answered").await;
        return;
    };
    let place = Arc::new(place);
    let _ = stream.set_nodelay(true);
    let stop = shell.stop.clone();
    // In a task of its own, so that a caller who leaves early finds all of its request done, or nothing.
    let service = service_fn(|request| {
        place.begin();
        let answer = tokio::spawn(answer(Arc::clone(&shell), request));
        let place = Arc::clone(&place);
        async move {
            let answer = answer.await.unwrap_or(Err(HungUp));
            place.end();
            answer
        }
    });
    let mut http = http1::Builder::new();
    // The limits of `place` instead: this one would end idle connections as soon as slow heads.
    http.timer(TokioTimer::new()).header_read_timeout(None).max_buf_size(MAX_HEAD_BYTES);
    let connection = http.serve_connection(TokioIo::new(Watched::new(stream, Arc::clone(&place))), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = place.overdue() => {
            tracing::debug!("ended a connection that was silent for too long or had to make room");
            return;
        }
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}

async fn answer(shell: Arc<Shell>, request: Request<Incoming>) -> Result<Response<Body>, HungUp> {
    let target = Target::of(&request);
    let (started, id) = (Instant::now(), crate::uuid());
    let (parts, body) = request.into_parts();
    if let Err(refusal) = may_ask(&target, &parts) {
        tracing::warn!(why = refusal.message, "refused a request");
        let mut response = render::refusal(target.service(), &refusal, &id);
        response.headers_mut().insert(http::header::CONNECTION, HeaderValue::from_static("close"));
        return Ok(response);
    }
    let request = Request::from_parts(parts, body);
    if let Target::Local = target {
        return Ok(local::answer(&shell, request).await);
    }
    let (mut entry, result) = match target {
        Target::Service(Service::S3) => stream(&shell, request, &id).await,
        target => buffered::answer(&shell, target, request, &id).await,
    };
    entry.duration_ms = started.elapsed().as_secs_f64() * 1000.0;
    entry.status = result.as_ref().ok().map(|response| response.status().as_u16());
    entry.request_id = id;
    shell.requests.push(entry);
    result
}

/// Whether somebody may ask for it under this name, and from a web page.
fn may_ask(target: &Target, parts: &Parts) -> Result<(), Refusal> {
    names::must_be_ours(parts)?;
    if matches!(target, Target::Public { .. }) { Ok(()) } else { names::must_be_no_page(&parts.headers) }
}

/// S3: the body goes through as it comes.
async fn stream(shell: &Shell, request: Request<Incoming>, id: &str) -> (Entry, Result<Response<Body>, HungUp>) {
    let (parts, body) = request.into_parts();
    let described = describe(Service::S3, &parts, &Bytes::new());
    let key = signature::Authorization::parse(&parts.headers).ok();
    let key = key.and_then(|authorization| signature::secret_of(&shell.cloud, authorization.access_key_id));
    let mut entry = shell.requests.entry("s3", &described, key.map(|key| key.caller.arn));
    let fault = shell.faults().meet("s3", &described.operation, described.write);
    entry.fault = fault.as_ref().map(Fault::name);
    let result = match before(fault.as_ref(), Service::S3).await {
        Before::Go => {
            let body = match recorded(shell, &parts, body).await {
                Ok(body) => body,
                Err(hung_up) => return (entry, Err(hung_up)),
            };
            let mut response = s3::handle(&shell.cloud, Request::from_parts(parts, body)).await;
            let headers = response.headers_mut();
            if let Ok(id) = HeaderValue::from_str(id) {
                headers.entry("x-amz-request-id").or_insert(id);
            }
            after(fault.as_ref(), response)
        }
        Before::Refuse(refusal) => {
            intake::discard(body, None);
            Ok(render::refusal(Service::S3, &refusal, id))
        }
        Before::HangUp => Err(HungUp),
    };
    (entry, result)
}

/// Writes a request down, if that is wanted: without its body when that is an object's, else as it is read here.
async fn recorded(shell: &Shell, parts: &Parts, body: Incoming) -> Result<Body, HungUp> {
    if !shell.recorder.is_on() {
        return Ok(Body::http_body_unsync(shell.intake.flowing(body)));
    }
    if operation::is_object(parts) {
        shell.recorder.take("s3", parts, &[]);
        return Ok(Body::http_body_unsync(shell.intake.flowing(body)));
    }
    let body = shell.intake.read(body, intake::MAX_ARCHIVE).await.map_err(|_| HungUp)?;
    shell.recorder.take("s3", parts, &body);
    Ok(Body::from(body))
}

enum Before {
    Go,
    Refuse(Refusal),
    HangUp,
}

/// What a fault does before a call is done.
async fn before(fault: Option<&Fault>, service: Service) -> Before {
    match fault {
        None | Some(Fault::LoseAnswer | Fault::Outcome(_)) => Before::Go,
        Some(Fault::DelayMs(ms)) => {
            tokio::time::sleep(Duration::from_millis(*ms)).await;
            Before::Go
        }
        Some(Fault::Refuse { status, code, message }) => Before::Refuse(Refusal::new(*status, code, message)),
        Some(Fault::Throttle) => Before::Refuse(render::throttled(service)),
        Some(Fault::Reset) => Before::HangUp,
    }
}

/// How a fault lets end what a call begins.
fn outcome(fault: Option<&Fault>) -> Option<Outcome> {
    match fault {
        Some(Fault::Outcome(outcome)) => Some(*outcome),
        _ => None,
    }
}

/// What a fault does after a call was done.
fn after(fault: Option<&Fault>, response: Response<Body>) -> Result<Response<Body>, HungUp> {
    if fault == Some(&Fault::LoseAnswer) { Err(HungUp) } else { Ok(response) }
}

fn call(service: Service, parts: Parts, body: Bytes, caller: Caller, id: &str) -> Call {
    let query = parts.uri.query().unwrap_or_default();
    Call {
        operation: operation::named(service, &parts, &body),
        query: form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
        path: parts.uri.path().to_owned(),
        method: parts.method,
        headers: parts.headers,
        body,
        caller,
        request_id: id.to_owned(),
        outcome: None,
    }
}

/// Answers one call whose caller is known: asks IAM for everything that it needs, then has the service do it.
pub(crate) async fn dispatch(cloud: &Arc<Cloud>, service: Service, call: &Call) -> Reply {
    for need in needs(cloud, service, call) {
        cloud.iam.ask(&call.caller, &need).map_err(|message| render::denied(service, message))?;
    }
    members::check(service, call)?;
    match service {
        Service::Iam => iam::handle(cloud, call).await,
        Service::Sts => sts::handle(cloud, call).await,
        Service::SageMaker => sagemaker::handle(cloud, call).await,
        Service::Runtime => sagemaker::invoke(cloud, call).await,
        Service::Lambda => lambda::handle(cloud, call).await,
        Service::ApiGateway => apigateway::handle(cloud, call).await,
        Service::Logs => logs::handle(cloud, call).await,
        Service::CloudWatch => Ok(cloudwatch::handle(cloud, call, Protocol::Json)),
        Service::CloudWatchCbor => Ok(cloudwatch::handle(cloud, call, Protocol::Cbor)),
        Service::Autoscaling => autoscaling::handle(cloud, call).await,
        Service::Quotas => quotas::handle(cloud, call).await,
        Service::Ecr => ecr::handle(cloud, call).await,
        Service::S3 | Service::Other => Err(Refusal::not_offered(service.name())),
    }
}

/// What a call needs to be allowed. S3 asks within `s3s`, which has read the request by then.
fn needs(cloud: &Cloud, service: Service, call: &Call) -> Vec<Permission> {
    match service {
        Service::Iam => iam::needs(cloud, call),
        Service::SageMaker => sagemaker::needs(cloud, call),
        Service::Runtime => sagemaker::needs_of_invocation(cloud, call),
        Service::Lambda => lambda::needs(cloud, call, &operation::lambda(&call.method, &call.path)),
        Service::ApiGateway => apigateway::needs(cloud, call),
        Service::Logs => logs::needs(cloud, call),
        Service::Ecr => ecr::needs(cloud, call),
        Service::Quotas => quotas::needs(call),
        Service::CloudWatch => cloudwatch::needs(cloud, call, Protocol::Json),
        Service::CloudWatchCbor => cloudwatch::needs(cloud, call, Protocol::Cbor),
        Service::Autoscaling => autoscaling::needs(cloud, call),
        // Whoever can sign may ask who they are; whether they may assume a role is for the role to say as well.
        Service::Sts | Service::S3 | Service::Other => vec![],
    }
}
