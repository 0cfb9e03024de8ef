//! Requests over HTTP that are no calls of an SDK: the public URL, and files on the web.

mod download;
mod reach;

use bytes::Bytes;
use http::header::HOST;
use http::{HeaderValue, Request, Response, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;

use crate::inputs::with_sources;

pub(crate) use download::{copy, download};

/// Longest answer that is read as text: more than API Gateway gives, which is 10 MB.
const TEXT_LIMIT_BYTES: usize = 16 << 20;

/// A URL as it may be shown: what follows the path may be a signature or a token.
pub(crate) fn shown(url: &str) -> &str {
    url.split(['?', '#']).next().unwrap_or(url)
}

/// Sends a request, over TLS when its URL says so.
pub(crate) async fn send(request: Request<Full<Bytes>>) -> Result<Response<Incoming>, String> {
    let builder = Client::builder(TokioExecutor::new());
    let answer = if request.uri().scheme_str() == Some("https") {
        let https = HttpsConnectorBuilder::new().with_native_roots().map_err(|error| error.to_string())?;
        builder.build(https.https_only().enable_http1().build()).request(request).await
    } else {
        builder.build_http().request(on_this_machine(request)).await
    };
    answer.map_err(|error| with_sources(&error))
}

/// Sends what is meant for a name below `localhost` to 127.0.0.1, under that name: not every resolver knows that these
/// names mean this machine. Source: RFC 6761, section 6.3.
fn on_this_machine(mut request: Request<Full<Bytes>>) -> Request<Full<Bytes>> {
    let Some(name) = request.uri().authority().filter(|name| name.host().ends_with(".localhost")).cloned() else {
        return request;
    };
    let address = match name.port_u16() {
        Some(port) => format!("127.0.0.1:{port}"),
        None => "127.0.0.1".to_owned(),
    };
    let mut parts = request.uri().clone().into_parts();
    parts.authority = address.parse().ok();
    if let (Ok(uri), Ok(host)) = (Uri::from_parts(parts), HeaderValue::from_str(name.as_str())) {
        *request.uri_mut() = uri;
        request.headers_mut().entry(HOST).or_insert(host);
    }
    request
}

/// The whole body of an answer as text, of at most [`TEXT_LIMIT_BYTES`].
pub(crate) async fn text(answer: Response<Incoming>) -> Result<String, String> {
    let body = Limited::new(answer.into_body(), TEXT_LIMIT_BYTES).collect().await;
    let body =
        body.map_err(|error| format!("the answer of at most {TEXT_LIMIT_BYTES} bytes breaks off: {error}"))?.to_bytes();
    Ok(String::from_utf8_lossy(&body).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_below_localhost_is_asked_for_on_this_machine() {
        let sent = |url: &str| {
            let sent = on_this_machine(Request::get(url).body(Full::default()).unwrap());
            let host = sent.headers().get(HOST).map(|host| host.to_str().unwrap().to_owned());
            (sent.uri().to_string(), host)
        };
        let below = ("http://127.0.0.1:4566/score?a=1".to_owned(), Some("x.execute-api.localhost:4566".to_owned()));
        assert_eq!(sent("http://x.execute-api.localhost:4566/score?a=1"), below);
        assert_eq!(sent("http://x.localhost/"), ("http://127.0.0.1/".to_owned(), Some("x.localhost".to_owned())));
        for other in ["http://localhost:4566/", "http://127.0.0.1:4566/", "http://example.org/x.localhost"] {
            assert_eq!(sent(other), (other.to_owned(), None));
        }
    }
}
