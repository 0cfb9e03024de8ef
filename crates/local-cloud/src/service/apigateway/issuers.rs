//! The issuers of tokens: what they are asked for their keys.
//!
//! The discovery document and the key set are fetched within 1,500 ms each, and keys are kept for two hours, as on AWS.
//! Source: "Control access to HTTP APIs with JWT authorizers". A token whose key is not among those that are kept has
//! them fetched anew, though not more than every few seconds: an issuer that is restarted with new keys, as one on this
//! machine is, need not be waited for.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

use crate::call::Refusal;

use super::resource::bad;

/// For either document to arrive.
const FETCH_LIMIT: Duration = Duration::from_millis(1_500);
/// How long keys are kept.
const KEEP: Duration = Duration::from_hours(2);
/// How often keys are looked for that the issuer did not have before.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// What a document may have; real ones have a few KB.
const MAX_BYTES: usize = 1024 * 1024;

/// What issuers have said. Not remembered across a restart.
#[derive(Debug, Default)]
pub(super) struct Issuers {
    known: Mutex<HashMap<String, Known>>,
}

#[derive(Clone, Debug)]
struct Known {
    keys: Arc<Vec<Value>>,
    at: Instant,
}

/// Why an issuer's keys are not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unknown {
    /// The discovery document could not be had. Why, for the log.
    Discovery(String),
    /// The key set could not be had. Why, for the log.
    Keys(String),
}

impl fmt::Display for Unknown {
    /// In AWS's words.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Discovery(_) => "OIDC discovery endpoint communication error",
            Self::Keys(_) => "JWKS communication error",
        })
    }
}

impl Issuers {
    /// The issuer's key of that id; none when it has none.
    pub(super) async fn key(&self, issuer: &str, id: &str) -> Result<Option<Value>, Unknown> {
        let find = |keys: &[Value]| keys.iter().find(|key| key["kid"] == id).cloned();
        if let Some(known) = self.known(issuer) {
            let found = find(&known.keys);
            if found.is_some() || known.at.elapsed() < LOOK_AGAIN {
                return Ok(found);
            }
        }
        let keys = Arc::new(keys(issuer).await?);
        let known = Known { keys: Arc::clone(&keys), at: Instant::now() };
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(issuer.to_owned(), known);
        Ok(find(&keys))
    }

    fn known(&self, issuer: &str) -> Option<Known> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(issuer).cloned();
        known.filter(|known| known.at.elapsed() < KEEP)
    }
}

/// Refuses an issuer that does not serve a discovery document, in AWS's words.
pub(super) async fn must_answer(issuer: &str) -> Result<(), Refusal> {
    let Err(why) = discover(issuer).await else { return Ok(()) };
    tracing::warn!(issuer, why, "the issuer of an authorizer did not say where its keys are");
    Err(bad(format!(
        "Caught exception when connecting to {} for issuer {issuer}. Please try again later. Error: Invalid issuer: \
         {issuer}. Issuer must have a valid discovery endpoint ended with '{WELL_KNOWN}'",
        discovery_url(issuer)
    )))
}

const WELL_KNOWN: &str = "/.well-known/openid-configuration";

fn discovery_url(issuer: &str) -> String {
    format!("{}{WELL_KNOWN}", issuer.trim_end_matches('/'))
}

async fn keys(issuer: &str) -> Result<Vec<Value>, Unknown> {
    let url = discover(issuer).await.map_err(Unknown::Discovery)?;
    let set = fetch(&url).await.map_err(Unknown::Keys)?;
    set["keys"].as_array().cloned().ok_or_else(|| Unknown::Keys(format!("`{url}` holds no list of `keys`")))
}

/// Where the issuer's keys are.
async fn discover(issuer: &str) -> Result<String, String> {
    let url = discovery_url(issuer);
    let document = fetch(&url).await?;
    document["jwks_uri"].as_str().map(str::to_owned).ok_or_else(|| format!("`{url}` names no `jwks_uri`"))
}

async fn fetch(url: &str) -> Result<Value, String> {
    let fetched = tokio::time::timeout(FETCH_LIMIT, get(url)).await;
    let body = fetched.unwrap_or_else(|_| Err(format!("no answer in {} ms", FETCH_LIMIT.as_millis())));
    serde_json::from_slice(&body.map_err(|why| format!("`{url}`: {why}"))?)
        .map_err(|error| format!("`{url}` holds no JSON: {error}"))
}

/// Over TLS, but for this machine: AWS knows no other way.
async fn get(url: &str) -> Result<Bytes, String> {
    let uri: Uri = url.parse().map_err(|error| format!("{error}"))?;
    let loopback = matches!(uri.host(), Some("127.0.0.1" | "localhost" | "[::1]"));
    let request = Request::get(&uri).header("user-agent", "local-cloud").header("accept", "application/json");
    let request = request.body(Empty::<Bytes>::new()).map_err(|error| error.to_string())?;
    let builder = Client::builder(TokioExecutor::new());
    let answer = match uri.scheme_str() {
        Some("https") => {
            let https = HttpsConnectorBuilder::new().with_native_roots().map_err(|error| error.to_string())?;
            builder.build(https.https_only().enable_http1().build()).request(request).await
        }
        Some("http") if loopback => builder.build_http().request(request).await,
        _ => return Err("only https is allowed, and http on this machine".to_owned()),
    };
    let answer = answer.map_err(|error| error.to_string())?;
    if answer.status() != StatusCode::OK {
        return Err(format!("it answered {}", answer.status()));
    }
    let body = Limited::new(answer.into_body(), MAX_BYTES).collect().await.map_err(|error| error.to_string())?;
    Ok(body.to_bytes())
}
