//! A load generator: so many connections, kept alive, each with one request in flight.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::server::conn::http1::Builder;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

use crate::error::{BenchError, Doing as _, Result};
use crate::stats::Sample;

/// Longer than any server here takes.
const REQUEST_LIMIT: Duration = Duration::from_secs(20);
/// The share of the time that is not counted, at the beginning.
const WARM_UP: u32 = 5;

/// What to send.
#[derive(Clone, Debug)]
pub(crate) struct Load {
    pub(crate) connections: usize,
    pub(crate) duration: Duration,
    pub(crate) path: &'static str,
    pub(crate) body: Bytes,
}

/// What came of it.
#[derive(Clone, Debug)]
pub(crate) struct Loaded {
    pub(crate) per_second: f64,
    /// Seconds of each request that was counted.
    pub(crate) latency_s: Sample,
    /// How many requests there were, counted or not.
    pub(crate) requests: usize,
    /// The answer, which was the same every time.
    pub(crate) answer: String,
}

impl Load {
    /// A moment's load of a row that every model takes, to learn that a server answers.
    pub(crate) fn probe() -> Self {
        Self {
            connections: 1,
            duration: Duration::from_millis(100),
            path: "/invocations",
            body: Bytes::from_static(b"0,0"),
        }
    }

    /// Sends requests for as long as it should, after a warm-up of a fifth of that.
    ///
    /// One thread: the server has the other processors.
    pub(crate) fn run(&self, address: SocketAddr) -> Result<Loaded> {
        runtime()?.block_on(async {
            let from = Instant::now() + self.duration / WARM_UP;
            let until = from + self.duration;
            let connections: Vec<_> =
                (0..self.connections).map(|_| tokio::spawn(self.clone().one(address, from, until))).collect();
            let (mut latency_s, mut requests, mut answers) = (Sample::default(), 0, Vec::new());
            for connection in connections {
                let done = connection.await.doing("a connection's task stopped")??;
                done.latency_s.into_iter().for_each(|it| latency_s.push(it));
                requests += done.requests;
                answers.push(done.answer);
            }
            if answers.iter().any(|it| *it != answers[0]) {
                return Err(BenchError::new("the server gave different answers to the same request"));
            }
            let per_second = latency_s.values().len() as f64 / self.duration.as_secs_f64();
            let answer = String::from_utf8_lossy(&answers[0]).into_owned();
            Ok(Loaded { per_second, latency_s, requests, answer })
        })
    }

    async fn one(self, address: SocketAddr, from: Instant, until: Instant) -> Result<One> {
        let mut sender = connect(address).await?;
        let mut done = One { latency_s: Vec::new(), requests: 0, answer: Bytes::new() };
        loop {
            let began = Instant::now();
            if began >= until {
                return Ok(done);
            }
            let asked = tokio::time::timeout(REQUEST_LIMIT, ask(&mut sender, self.path, self.body.clone()));
            let answer = asked.await.doing("the server did not answer in time")??;
            let ended = Instant::now();
            if done.requests > 0 && answer != done.answer {
                return Err(BenchError::new("the server gave different answers to the same request"));
            }
            done.answer = answer;
            done.requests += 1;
            if began >= from && ended <= until {
                done.latency_s.push((ended - began).as_secs_f64());
            }
        }
    }
}

struct One {
    latency_s: Vec<f64>,
    requests: usize,
    answer: Bytes,
}

async fn connect(address: SocketAddr) -> Result<SendRequest<Full<Bytes>>> {
    let stream = TcpStream::connect(address).await.doing("could not connect")?;
    stream.set_nodelay(true).doing("could not set TCP_NODELAY")?;
    let (sender, connection) = handshake(TokioIo::new(stream)).await.doing("could not begin to speak HTTP")?;
    tokio::spawn(connection);
    Ok(sender)
}

async fn ask(sender: &mut SendRequest<Full<Bytes>>, path: &str, body: Bytes) -> Result<Bytes> {
    let request = Request::post(path).header("host", "localhost").header("content-type", "text/csv");
    let request = request.body(Full::new(body)).doing("could not make a request")?;
    sender.ready().await.doing("the server closed the connection")?;
    let answer = sender.send_request(request).await.doing("the request failed")?;
    let status = answer.status();
    let body = answer.into_body().collect().await.doing("the answer ended early")?.to_bytes();
    if status.is_success() {
        return Ok(body);
    }
    Err(BenchError::new(format!("the server answered {status}: {}", String::from_utf8_lossy(&body))))
}

/// Answers every request with the same score, without looking at it, until it is killed.
pub(crate) fn serve_trivially(port: u16) -> Result<()> {
    runtime()?.block_on(async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.doing("could not listen")?;
        loop {
            let (stream, _) = listener.accept().await.doing("could not accept a connection")?;
            stream.set_nodelay(true).doing("could not set TCP_NODELAY")?;
            tokio::spawn(Builder::new().serve_connection(TokioIo::new(stream), service_fn(same)));
        }
    })
}

async fn same(request: Request<Incoming>) -> std::result::Result<Response<Full<Bytes>>, Infallible> {
    // An unread body would end the connection.
    _ = request.into_body().collect().await;
    Ok(Response::new(Full::new(Bytes::from_static(b"0.5\n"))))
}

fn runtime() -> Result<Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().doing("could not start a runtime")
}
