//! Files on the web, and the copying of any stream into a file: of bounded size and time.

use std::fs::File;
use std::io::Write;
use std::time::Duration;

use bytes::Bytes;
use futures::{Stream, TryStreamExt};
use http::header::LOCATION;
use http::{Request, Response, StatusCode, Uri};
use http_body_util::{BodyDataStream, Full};
use hyper::body::Incoming;
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use sha2::{Digest, Sha256};

use super::reach::{Reach, Resolver, check_literal};
use super::{on_this_machine, shown};
use crate::inputs::with_sources;
use crate::{Ctx, StageError};

/// How often a file may be said to be elsewhere.
const REDIRECTS: usize = 5;
/// For the answer to begin, and between two pieces of it.
const SILENCE: Duration = Duration::from_mins(1);
/// For the whole of a file, however steadily it comes.
const WHOLE: Duration = Duration::from_hours(6);
/// Largest file.
const LIMIT_BYTES: u64 = 16 << 30;
/// Progress is told at every so many percent.
const TELL_PERCENT: u64 = 10;

/// Downloads a file, and returns the SHA-256 of it in hexadecimal digits.
///
/// A redirection is followed from TLS to TLS only, and from a public address to a public one. What begins on this
/// machine without TLS may stay here without it.
pub(crate) async fn download(ctx: &Ctx<'_>, url: &str, file: &mut File) -> Result<String, StageError> {
    let failed = |why: String| StageError::here(format!("could not download {}", shown(url)), why);
    let mut at: Uri = url.parse().map_err(|error| failed(format!("{error}")))?;
    let mut reach = Reach::Any;
    for hop in 0..=REDIRECTS {
        let asked = tokio::time::timeout(SILENCE, ask(&at, reach)).await;
        let asked = asked.map_err(|_| failed(format!("no answer in {} s", SILENCE.as_secs())))?;
        let (answer, leads_inside) = asked.map_err(failed)?;
        if hop == 0 && !leads_inside {
            reach = Reach::Public;
        }
        match answer.status() {
            StatusCode::OK => {
                let length = answer.headers().get("content-length").and_then(|it| it.to_str().ok()?.parse().ok());
                let pieces = BodyDataStream::new(answer.into_body()).map_err(|error| with_sources(&error));
                return copy(ctx, shown(url), length, pieces, file).await;
            }
            status if status.is_redirection() => {
                at = elsewhere(&at, &answer).ok_or_else(|| {
                    let to = answer.headers().get(LOCATION).map(|to| String::from_utf8_lossy(to.as_bytes()));
                    let (at, to) = (at.to_string(), to.unwrap_or_default());
                    failed(format!("{} answered {status} to `{}`, which is not followed", shown(&at), shown(&to)))
                })?;
            }
            status => return Err(failed(format!("{} answered {status}", shown(&at.to_string())))),
        }
    }
    Err(failed(format!("it was said to be elsewhere more than {REDIRECTS} times")))
}

/// Asks for a file; also says whether its server is inside a network.
async fn ask(at: &Uri, reach: Reach) -> Result<(Response<Incoming>, bool), String> {
    let literal = check_literal(reach, at).map_err(|error| error.to_string())?;
    let request = Request::get(at).header("user-agent", "runner").body(Full::<Bytes>::default());
    let request = request.map_err(|error| error.to_string())?;
    let (builder, resolver) = (Client::builder(TokioExecutor::new()), Resolver::new(reach));
    let mut http = HttpConnector::new_with_resolver(resolver.clone());
    let answer = if at.scheme_str() == Some("https") {
        http.enforce_http(false);
        let https = HttpsConnectorBuilder::new().with_native_roots().map_err(|error| error.to_string())?;
        builder.build(https.https_only().enable_http1().wrap_connector(http)).request(request).await
    } else {
        builder.build(http).request(on_this_machine(request)).await
    };
    let answer = answer.map_err(|error| with_sources(&error))?;
    // Without TLS only this machine is asked.
    Ok((answer, literal || resolver.leads_inside() || at.scheme_str() != Some("https")))
}

/// Where a redirection leads, if it is followed.
fn elsewhere(at: &Uri, answer: &Response<Incoming>) -> Option<Uri> {
    followed(at, answer.headers().get(LOCATION)?.to_str().ok()?)
}

fn followed(at: &Uri, location: &str) -> Option<Uri> {
    let next = match location.parse::<Uri>().ok()? {
        whole if whole.scheme().is_some() => whole,
        _ if location.starts_with("//") => format!("{}:{location}", at.scheme_str()?).parse().ok()?,
        _ if location.starts_with('/') => {
            format!("{}://{}{location}", at.scheme_str()?, at.authority()?).parse().ok()?
        }
        _ => return None,
    };
    let has_user = next.authority().is_some_and(|authority| authority.as_str().contains('@'));
    let is_followed = match next.scheme_str() {
        Some("https") => true,
        Some("http") => at.scheme_str() == Some("http") && is_this_machine(&next),
        _ => false,
    };
    (is_followed && !has_user).then_some(next)
}

/// Whether a URL names this machine itself.
fn is_this_machine(uri: &Uri) -> bool {
    let host = uri.host().unwrap_or_default();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || host.ends_with(".localhost")
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
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
    let too_large = || failed(format!("it has more than {LIMIT_BYTES} bytes, which is the limit for a file"));
    if length.is_some_and(|length| length > LIMIT_BYTES) {
        return Err(too_large());
    }
    let began = tokio::time::Instant::now();
    let mut hash = Sha256::new();
    let (mut done, mut told) = (0_u64, 0);
    loop {
        let piece = tokio::time::timeout(SILENCE, pieces.try_next()).await;
        let piece = piece.map_err(|_| failed(format!("nothing came for {} s", SILENCE.as_secs())))?;
        let Some(piece) = piece.map_err(failed)? else { break };
        if began.elapsed() > WHOLE {
            return Err(failed(format!("it was not here after {} h", WHOLE.as_secs() / 3600)));
        }
        if done + piece.len() as u64 > LIMIT_BYTES {
            return Err(too_large());
        }
        hash.update(&piece);
        file.write_all(&piece).map_err(|error| failed(error.to_string()))?;
        done += piece.len() as u64;
        if let Some(percent) = length.filter(|length| *length > 0).map(|length| done.saturating_mul(100) / length)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirection_is_followed_to_tls_or_within_this_machine_and_never_away_from_tls() {
        let followed = |at: &str, to: &str| followed(&at.parse().unwrap(), to).map(|uri| uri.to_string());
        let (tls, here) = ("https://example.org/a", "http://127.0.0.1:8000/a");
        assert_eq!(followed(tls, "/b?c=1").as_deref(), Some("https://example.org/b?c=1"));
        assert_eq!(followed(tls, "//other.org/b").as_deref(), Some("https://other.org/b"));
        assert_eq!(followed(tls, "https://other.org/b").as_deref(), Some("https://other.org/b"));
        assert_eq!(followed(here, "/b").as_deref(), Some("http://127.0.0.1:8000/b"));
        assert_eq!(followed(here, "https://other.org/b").as_deref(), Some("https://other.org/b"));
        assert!(followed(here, "http://localhost:9000/b").is_some());
        for (at, to) in [
            (tls, "http://example.org/a"),
            (tls, "http://127.0.0.1/a"),
            (here, "http://example.org/a"),
            (here, "http://169.254.169.254/latest"),
            (here, "http://10.0.0.1/"),
            (here, "http://localhost.example.org/"),
            (here, "http://127.0.0.1@example.org/"),
            (tls, "https://user:secret@example.org/"),
            (tls, "ftp://example.org/a"),
            (tls, "file:///etc/passwd"),
            (tls, "b"),
        ] {
            assert_eq!(followed(at, to), None, "{at} to {to}");
        }
    }
}
