//! The program's own routes under `/_local/`.

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use s3s::Body;
use serde_json::{Value, json};

use crate::call::{json, json_status};
use crate::faults::Rules;
use crate::proof;
use crate::server::Shell;

/// What a set of fault rules may weigh.
const MAX_RULES_BYTES: usize = 1024 * 1024;

pub(super) async fn answer(shell: &Shell, request: Request<Incoming>) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let query = parts.uri.query().unwrap_or_default();
    let route = parts.uri.path().trim_start_matches("/_local/");
    if (&parts.method, route) == (&Method::GET, "health") {
        return health(shell, query);
    }
    let has_authorization = parts.headers.contains_key(http::header::AUTHORIZATION);
    let body = match shell.intake.read(body, if has_authorization { MAX_RULES_BYTES } else { 0 }).await {
        Ok(body) => body,
        Err(unread) if has_authorization => return refused(400, &format!("could not read the body: {unread:?}")),
        Err(_) => Bytes::new(),
    };
    if !shell.challenges.lets_in(&shell.cloud, &parts, route, &body) {
        return refused(403, "this route needs a signature of the account's own key for the service `local`");
    }
    match (&parts.method, route) {
        (&Method::GET, "requests") => json(&requests(shell, query)).map(Body::from),
        (&Method::DELETE, "requests") => {
            shell.requests.clear();
            done()
        }
        (&Method::GET, "decisions") => json(&decisions(shell, query)).map(Body::from),
        (&Method::DELETE, "decisions") => {
            shell.cloud.iam.forget_decisions();
            done()
        }
        (&Method::GET, "quotas") => json(&json!(shell.cloud.quotas.set())).map(Body::from),
        (&Method::PUT, "quotas") => put_quotas(shell, &body),
        (&Method::GET, "faults") => json(&json!(*shell.faults())).map(Body::from),
        (&Method::PUT, "faults") => put_rules(shell, &body),
        (&Method::DELETE, "faults") => {
            shell.faults().put(Rules::default());
            done()
        }
        (&Method::POST, "stop") => {
            shell.stop.cancel();
            done()
        }
        _ => refused(404, "no such route"),
    }
}

/// Who this is; with `?nonce=N` also a proof of it, which is the caller's challenge answered and one of our own.
fn health(shell: &Shell, query: &str) -> Response<Body> {
    let mut health = json!({
        "pid": std::process::id(),
        "version": env!("CARGO_PKG_VERSION"),
        "account": shell.cloud.config.account,
        "region": shell.cloud.config.region,
        "empty": shell.cloud.is_empty(),
    });
    match value(query, "nonce") {
        Some(nonce) if !proof::is_nonce(&nonce) => return refused(400, "a nonce is 32 digits of base 16"),
        Some(nonce) => {
            let answer = shell.challenges.answer(&shell.cloud, &nonce);
            (health["nonce"], health["proof"]) = (answer["nonce"].clone(), answer["proof"].clone());
        }
        None => {}
    }
    json(&health).map(Body::from)
}

/// `?since=N` keeps decisions that came after decision `N`, `?caller=TEXT` those about callers whose ARN contains it.
fn decisions(shell: &Shell, query: &str) -> Value {
    let since: u64 = value(query, "since").and_then(|value| value.parse().ok()).unwrap_or(0);
    let caller = value(query, "caller").unwrap_or_default();
    json!(shell.cloud.iam.decisions(|decided| decided.seq > since && decided.caller.contains(&caller)))
}

/// `?writes=true` keeps requests that change state, `?since=N` those that came after request `N`.
fn requests(shell: &Shell, query: &str) -> Value {
    let writes = value(query, "writes").is_some_and(|value| value == "true");
    let since: u64 = value(query, "since").and_then(|value| value.parse().ok()).unwrap_or(0);
    json!(shell.requests.list(|entry| (entry.write || !writes) && entry.seq > since))
}

fn value(query: &str, name: &str) -> Option<String> {
    form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

/// Quotas by name, for example `{"ml.m5.large for endpoint usage": 1}`; the others keep what they have.
fn put_quotas(shell: &Shell, body: &Bytes) -> Response<Body> {
    let given = match serde_json::from_slice(body) {
        Ok(given) => given,
        Err(error) => return refused(400, &format!("could not read the quotas: {error}")),
    };
    match shell.cloud.quotas.put(given) {
        Ok(()) => done(),
        Err(refusal) => refused(refusal.status.as_u16(), &refusal.message),
    }
}

fn put_rules(shell: &Shell, body: &Bytes) -> Response<Body> {
    match serde_json::from_slice::<Rules>(body) {
        Ok(rules) => {
            if let Some(complaint) = rules.complaint() {
                return refused(400, &complaint);
            }
            shell.faults().put(rules);
            done()
        }
        Err(error) => refused(400, &format!("could not read the rules: {error}")),
    }
}

fn done() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

fn refused(status: u16, message: &str) -> Response<Body> {
    json_status(status, &json!({ "message": message })).map(Body::from)
}
