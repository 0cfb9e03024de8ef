//! The HTTP side: connections, body limit, shutdown.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{ALLOW, CONNECTION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use model::Model;
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::invocation::{self, Asked, Reply};
use crate::{ServeError, load};

/// The container's `MAX_CONTENT_LENGTH`, which is also what `InvokeEndpoint` takes.
const BODY_LIMIT_BYTES: usize = 6 << 20;
/// How much of a body over the limit is read and dropped, so that its sender sees the 413 and not a reset.
const DISCARD_LIMIT_BYTES: usize = 64 << 20;
/// What a head may weigh; the platform's are a few hundred bytes.
const HEAD_LIMIT_BYTES: usize = 64 << 10;
/// Longest that a connection is silent before a head is whole. Above the 90 s for which clients keep an idle one.
const IDLE_LIMIT: Duration = Duration::from_mins(2);
/// Longest that a body may take, which is what the platform gives the whole answer.
const BODY_LIMIT: Duration = Duration::from_mins(1);
/// From here on a body is scored off the event loop: it takes tens of milliseconds, and a ping must not wait. Whatever
/// asks for contributions is, too.
const LARGE_BODY_BYTES: usize = 256 << 10;
/// Requests in flight may finish within this time; SIGKILL follows 30 s after SIGTERM.
const DRAIN_LIMIT: Duration = Duration::from_secs(25);
/// The pause after a failed accept, as when file descriptors have run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Where to listen and what to serve.
#[derive(Debug, Clone)]
pub struct Config {
    /// The address; port 0 takes any that is free.
    pub address: SocketAddr,
    /// The directory that holds the model file, `/opt/ml/model` in a container.
    pub model_dir: PathBuf,
    /// What every request must carry in [`TOKEN_HEADER`]. None in a container, which only the platform reaches; outside
    /// of one, every program and every web page of the machine can connect.
    pub token: Option<String>,
}

/// The header of [`Config::token`].
pub const TOKEN_HEADER: &str = "x-model-server-token";

/// Where the platform unpacks the archive.
const MODEL_DIR: &str = "/opt/ml/model";
/// Where the platform connects.
const PORT: u16 = 8080;

impl Config {
    /// Reads the container's environment: `SAGEMAKER_BIND_TO_PORT` or `PORT`, `BIND_ADDRESS`, `MODEL_DIR`,
    /// `MODEL_SERVER_TOKEN`.
    ///
    /// The error names the variable that cannot be used.
    pub fn read(get: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let get = |name: &str| get(name).filter(|value| !value.is_empty());
        let port = parsed("SAGEMAKER_BIND_TO_PORT", get)?.or(parsed("PORT", get)?).unwrap_or(PORT);
        let host = parsed::<IpAddr>("BIND_ADDRESS", get)?.unwrap_or(Ipv4Addr::UNSPECIFIED.into());
        let model_dir = get("MODEL_DIR").map_or_else(|| PathBuf::from(MODEL_DIR), PathBuf::from);
        Ok(Self { address: SocketAddr::new(host, port), model_dir, token: get("MODEL_SERVER_TOKEN") })
    }
}

fn parsed<T: std::str::FromStr>(name: &str, get: impl Fn(&str) -> Option<String>) -> Result<Option<T>, String> {
    get(name)
        .map(|value| value.parse().map_err(|_| format!("environment variable `{name}` cannot be used: `{value}`")))
        .transpose()
}

/// A loaded model behind a bound socket.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    service: Arc<Service>,
}

/// What every connection shares.
#[derive(Debug)]
struct Service {
    model: Model,
    token: Option<String>,
}

impl Service {
    /// Whether a request carries the token, if one is asked for. The time that it takes does not tell where two differ.
    fn admits(&self, headers: &HeaderMap) -> bool {
        let Some(token) = &self.token else { return true };
        let given = headers.get(TOKEN_HEADER).map(HeaderValue::as_bytes).unwrap_or_default();
        let pairs = given.iter().zip(token.as_bytes());
        given.len() == token.len() && pairs.fold(0, |difference, (given, own)| difference | (given ^ own)) == 0
    }
}

/// Serves until SIGTERM or SIGINT, then lets the requests in flight finish.
pub async fn run(config: Config) -> Result<(), ServeError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(ServeError::Signal)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(ServeError::Signal)?;
    let server = Server::bind(&config).await?;
    server
        .serve(async {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        })
        .await;
    Ok(())
}

impl Server {
    /// Loads the model, then binds: whoever can connect gets scores.
    pub async fn bind(config: &Config) -> Result<Self, ServeError> {
        let (path, model) = load::load(&config.model_dir)?;
        let unbound = |source| ServeError::Bind { address: config.address, source };
        let listener = TcpListener::bind(config.address).await.map_err(unbound)?;
        let address = listener.local_addr().map_err(unbound)?;
        tracing::info!(model = %path.display(), features = model.features(), %address, "serving");
        Ok(Self { listener, address, service: Arc::new(Service { model, token: config.token.clone() }) })
    }

    /// The address that was bound.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop` is ready, then accepts no more and waits up to 25 s for the requests in flight.
    pub async fn serve(self, stop: impl Future<Output = ()>) {
        let Self { listener, service, .. } = self;
        let (stopping, stopped) = watch::channel(());
        let mut stop = pin!(stop);
        loop {
            tokio::select! {
                () = &mut stop => break,
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => drop(tokio::spawn(connection(stream, Arc::clone(&service), stopped.clone()))),
                    Err(error) => {
                        tracing::warn!(%error, "could not accept a connection");
                        #[expect(clippy::disallowed_methods, reason = "nothing tells when there is room again")]
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
            }
        }
        drop((listener, stopped));
        let connections = stopping.receiver_count();
        tracing::info!(connections, "stopping");
        // Every connection holds a receiver, so the channel closes when the last is done.
        let told = stopping.send(());
        if told.is_ok() && tokio::time::timeout(DRAIN_LIMIT, stopping.closed()).await.is_err() {
            tracing::warn!(connections = stopping.receiver_count(), "stopped with requests in flight");
        }
    }
}

/// Whether a connection may be served. With a token, only our own user's: others could hold what the local cloud needs.
async fn admits(shared: &Service, stream: &TcpStream) -> bool {
    if shared.token.is_none() {
        return true;
    }
    let addresses = stream.peer_addr().and_then(|peer| Ok((peer, stream.local_addr()?)));
    let Ok((peer, local)) = addresses else { return false };
    let is_ours = move || {
        Ok::<_, std::io::Error>(loopback::find(peer, local)?.map(|peer| peer.uid) == Some(loopback::own_uid()?))
    };
    tokio::task::spawn_blocking(is_ours).await.is_ok_and(Result::unwrap_or_default)
}

async fn connection(stream: TcpStream, shared: Arc<Service>, mut stopped: watch::Receiver<()>) {
    if !admits(&shared, &stream).await {
        tracing::warn!("refused a connection of another user");
        return;
    }
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "could not set TCP_NODELAY");
    }
    let service = service_fn(|request| {
        let shared = Arc::clone(&shared);
        async move { Ok::<_, Infallible>(respond(shared, request).await) }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(IDLE_LIMIT).max_buf_size(HEAD_LIMIT_BYTES);
    let mut serving = pin!(http.serve_connection(TokioIo::new(stream), service));
    let served = tokio::select! {
        served = serving.as_mut() => served,
        _ = stopped.changed() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = served {
        tracing::debug!(%error, "a connection ended early");
    }
}

async fn respond(service: Arc<Service>, request: Request<Incoming>) -> Response<Full<Bytes>> {
    if !service.admits(request.headers()) {
        let mut refused =
            response(Reply::text(StatusCode::FORBIDDEN, "this model server answers the local cloud alone"));
        // The body stays unread.
        refused.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        return refused;
    }
    match (request.method(), request.uri().path()) {
        (&Method::GET, "/ping") => Response::new(Full::default()),
        (&Method::POST, "/invocations") => invoke(service, request).await,
        (_, "/ping") => not_allowed("GET"),
        (_, "/invocations") => not_allowed("POST"),
        _ => response(Reply::text(StatusCode::NOT_FOUND, "only /ping and /invocations exist")),
    }
}

async fn invoke(service: Arc<Service>, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let (head, body) = request.into_parts();
    let body = match tokio::time::timeout(BODY_LIMIT, read(body)).await {
        Ok(Ok(body)) => body,
        Ok(Err(reply)) => return logged(reply),
        Err(_) => return logged(Reply::text(StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time")),
    };
    let asked = Asked::of(&head.headers);
    if body.len() < LARGE_BODY_BYTES && !asked.contributions {
        return logged(invocation::answer(&service.model, asked, &body));
    }
    let scored =
        tokio::task::spawn_blocking(move || invocation::answer(&service.model, Asked::of(&head.headers), &body));
    logged(scored.await.unwrap_or_else(|_| Reply::text(StatusCode::INTERNAL_SERVER_ERROR, "scoring failed")))
}

/// Reads a body up to the limit. One that arrives in a single piece, as nearly all do, is not copied.
async fn read(mut body: Incoming) -> Result<Bytes, Reply> {
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    let mut length = 0_usize;
    if body.size_hint().lower() > DISCARD_LIMIT_BYTES as u64 {
        return Err(too_large());
    }
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else {
            return Err(Reply::text(StatusCode::BAD_REQUEST, "the body ended early"));
        };
        let Ok(data) = frame.into_data() else { continue };
        length += data.len();
        if length > DISCARD_LIMIT_BYTES {
            break;
        }
        if length > BODY_LIMIT_BYTES {
            continue;
        }
        if first.is_empty() {
            first = data;
        } else {
            if rest.is_empty() {
                rest.reserve((body.size_hint().lower() as usize).min(BODY_LIMIT_BYTES) + length);
                rest.extend_from_slice(&first);
            }
            rest.extend_from_slice(&data);
        }
    }
    if length > BODY_LIMIT_BYTES {
        return Err(too_large());
    }
    Ok(if rest.is_empty() { first } else { rest.freeze() })
}

fn too_large() -> Reply {
    Reply::text(StatusCode::PAYLOAD_TOO_LARGE, "the body is larger than 6 MiB")
}

/// Passes a reply on, with a line in the log when it is an error. Its text never holds a value of the request.
fn logged(reply: Reply) -> Response<Full<Bytes>> {
    if !reply.status.is_success() {
        tracing::warn!(status = reply.status.as_u16(), "{}", String::from_utf8_lossy(&reply.body));
    }
    response(reply)
}

fn not_allowed(allowed: &'static str) -> Response<Full<Bytes>> {
    let mut response = response(Reply::text(StatusCode::METHOD_NOT_ALLOWED, "the method is not allowed here"));
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    response
}

fn response(reply: Reply) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(reply.body)));
    *response.status_mut() = reply.status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(reply.content_type));
    response
}
