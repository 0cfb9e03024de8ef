//! HTTP, one request at a time.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{HeaderMap, Request};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value as Json;
use tokio::runtime::Runtime;

/// Longer than anything the local cloud does.
const LIMIT: Duration = Duration::from_mins(1);

/// A client that keeps its connections.
pub(crate) struct Http {
    runtime: Runtime,
    client: Client<HttpConnector, Full<Bytes>>,
}

/// What came back.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answer {
    /// HTTP status.
    pub(crate) status: u16,
    /// The body as text.
    pub(crate) text: String,
    /// What stands before it.
    pub(crate) headers: HeaderMap,
}

impl Answer {
    /// Insists on success.
    #[track_caller]
    pub(crate) fn good(self, what: &str) -> Self {
        assert!((200..300).contains(&self.status), "{what}: {self:?}");
        self
    }

    /// The body as JSON; null when it is none.
    pub(crate) fn json(&self) -> Json {
        serde_json::from_str(&self.text).unwrap_or_default()
    }

    /// A header; empty when it is not there.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

impl Http {
    /// A client.
    pub(crate) fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Self { runtime, client: Client::builder(TokioExecutor::new()).build_http() }
    }

    /// Sends a request; an error is one of the transport.
    pub(crate) fn try_send(&self, request: Request<Full<Bytes>>) -> Result<Answer, String> {
        self.runtime.block_on(async {
            let send = async {
                let answer = self.client.request(request).await.map_err(|error| format!("{error:?}"))?;
                let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
                let body = answer.into_body().collect().await.map_err(|error| format!("{error:?}"))?.to_bytes();
                Ok(Answer { status, text: String::from_utf8_lossy(&body).into_owned(), headers })
            };
            tokio::time::timeout(LIMIT, send).await.unwrap_or_else(|_| Err("no answer".to_owned()))
        })
    }

    /// Sends a request that must be answered.
    pub(crate) fn send(&self, request: Request<Full<Bytes>>) -> Answer {
        let uri = request.uri().clone();
        self.try_send(request).unwrap_or_else(|error| panic!("{uri}: {error}"))
    }

    /// Sends a request whose answer's headers matter.
    pub(crate) fn exchange(&self, request: Request<Full<Bytes>>) -> (u16, HeaderMap) {
        let uri = request.uri().clone();
        self.runtime.block_on(async {
            let send = tokio::time::timeout(LIMIT, self.client.request(request));
            let answer = send.await.unwrap().unwrap_or_else(|error| panic!("{uri}: {error}"));
            let (parts, body) = answer.into_parts();
            body.collect().await.unwrap();
            (parts.status.as_u16(), parts.headers)
        })
    }

    /// Posts JSON.
    pub(crate) fn post(&self, url: &str, body: &Json) -> Answer {
        self.send(posted(url, body))
    }
}

/// A request that posts JSON.
pub(crate) fn posted(url: &str, body: &Json) -> Request<Full<Bytes>> {
    let request = Request::post(url).header("content-type", "application/json");
    request.body(Full::new(Bytes::from(body.to_string()))).unwrap()
}
