//! Requests over HTTP that are no calls of an SDK: the public URL, and files on the web.

use std::fs::File;
use std::io::Write;
use std::time::Duration;

use bytes::Bytes;
use futures::{Stream, TryStreamExt};
use http::header::{HOST, LOCATION};
use http::{HeaderValue, Request, Response, StatusCode, Uri};
use http_body_util::{BodyDataStream, BodyExt, Full};
use hyper::body::Incoming;
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use sha2::{Digest, Sha256};

use crate::inputs::with_sources;
use crate::{Ctx, StageError};

/// How often a file may be said to be elsewhere.
const REDIRECTS: usize = 5;
/// For the answer to begin, and between two pieces of it.
const SILENCE: Duration = Duration::from_mins(1);
/// Progress is told at every so many percent.
const TELL_PERCENT: u64 = 10;

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

/// Downloads a file, and returns the SHA-256 of it in hexadecimal digits.
pub(crate) async fn download(ctx: &Ctx<'_>, url: &str, file: &mut File) -> Result<String, StageError> {
    let failed = |why: String| StageError::here(format!("could not download {}", shown(url)), why);
    let mut at: Uri = url.parse().map_err(|error| failed(format!("{error}")))?;
    for _ in 0..=REDIRECTS {
        let request = Request::get(&at).header("user-agent", "runner").body(Full::default());
        let request = request.map_err(|error| failed(error.to_string()))?;
        let answer = tokio::time::timeout(SILENCE, send(request)).await;
        let answer = answer.map_err(|_| failed(format!("no answer in {} s", SILENCE.as_secs())))?.map_err(failed)?;
        match answer.status() {
            StatusCode::OK => {
                let length = answer.headers().get("content-length").and_then(|it| it.to_str().ok()?.parse().ok());
                let pieces = BodyDataStream::new(answer.into_body()).map_err(|error| with_sources(&error));
                return copy(ctx, shown(url), length, pieces, file).await;
            }
            status if status.is_redirection() => {
                at = elsewhere(&at, &answer).ok_or_else(|| {
                    let to = answer.headers().get(LOCATION).map(|to| String::from_utf8_lossy(to.as_bytes()));
                    {
                        let (at, to) = (at.to_string(), to.unwrap_or_default());
                        failed(format!("{} answered {status} to `{}`, which is not followed", shown(&at), shown(&to)))
                    }
                })?;
            }
            status => return Err(failed(format!("{} answered {status}", shown(&at.to_string())))),
        }
    }
    Err(failed(format!("it was said to be elsewhere more than {REDIRECTS} times")))
}

/// Where a redirection leads; never from TLS to none.
fn elsewhere(at: &Uri, answer: &Response<Incoming>) -> Option<Uri> {
    let location = answer.headers().get(LOCATION)?.to_str().ok()?;
    let next = match location.parse::<Uri>().ok()? {
        whole if whole.scheme().is_some() => whole,
        _ if location.starts_with('/') => {
            format!("{}://{}{location}", at.scheme_str()?, at.authority()?).parse().ok()?
        }
        _ => return None,
    };
    let followed = match next.scheme_str() {
        Some("https") => true,
        Some("http") => at.scheme_str() == Some("http"),
        _ => false,
    };
    followed.then_some(next)
}

/// Copies a stream of so many bytes, tells how far it is, and returns the SHA-256 in hexadecimal digits.
pub(crate) async fn copy(
    ctx: &Ctx<'_>,
    what: &str,
    length: Option<u64>,
    mut pieces: impl Stream<Item = Result<Bytes, String>> + Unpin,
    file: &mut File,
) -> Result<String, StageError> {
    let failed = |why: String| StageError::here(format!("could not download {what}"), why);
    let mut hash = Sha256::new();
    let (mut done, mut told) = (0_u64, 0);
    loop {
        let piece = tokio::time::timeout(SILENCE, pieces.try_next()).await;
        let piece = piece.map_err(|_| failed(format!("nothing came for {} s", SILENCE.as_secs())))?;
        let Some(piece) = piece.map_err(failed)? else { break };
        hash.update(&piece);
        file.write_all(&piece).map_err(|error| failed(error.to_string()))?;
        done += piece.len() as u64;
        if let Some(percent) = length.filter(|length| *length > 0).map(|length| done * 100 / length)
            && percent >= told + TELL_PERCENT
        {
            told = percent - percent % TELL_PERCENT;
            (ctx.say)(format!("downloading {what}: {told} % of {:.1} MB", length.unwrap_or(done) as f64 / 1e6));
        }
    }
    if let Some(length) = length.filter(|length| *length != done) {
        return Err(failed(format!("it ended after {done} of {length} bytes")));
    }
    Ok(hex::encode(hash.finalize()))
}

/// The whole body of an answer as text.
pub(crate) async fn text(answer: Response<Incoming>) -> Result<String, String> {
    let body = answer.into_body().collect().await.map_err(|error| error.to_string())?.to_bytes();
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
