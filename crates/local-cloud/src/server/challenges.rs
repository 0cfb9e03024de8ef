//! Access to the routes under `/_local/`: the caller proves that it has the account's secret.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::request::Parts;
use serde_json::{Value, json};

use crate::Cloud;
use crate::proof::{self, Exchange};
use crate::signature::{self, same};

/// Longest from a challenge to its use.
const LIFE: Duration = Duration::from_secs(30);
/// Challenges that are remembered; the oldest go first.
const MOST: usize = 256;

/// Nonces that were given out and not used yet.
#[derive(Debug, Default)]
pub(super) struct Challenges(Mutex<VecDeque<Challenge>>);

#[derive(Debug)]
struct Challenge {
    caller: String,
    cloud: String,
    at: Instant,
}

impl Challenges {
    /// Answers a caller's nonce with one of our own and our proof.
    pub(super) fn answer(&self, cloud: &Cloud, caller: &str) -> Value {
        let nonce = proof::nonce();
        let exchange = Exchange { caller, cloud: &nonce, base_url: &cloud.config.base_url };
        let proof = exchange.of_cloud(&cloud.config.secret_access_key, std::process::id());
        let mut given = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        given.truncate(MOST - 1);
        given.push_front(Challenge { caller: caller.to_owned(), cloud: nonce.clone(), at: Instant::now() });
        json!({ "nonce": nonce, "proof": proof })
    }

    /// The caller's nonce that this one of ours was given for. Each is good once.
    fn take(&self, nonce: &str) -> Option<String> {
        let mut given = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = given.iter().position(|challenge| challenge.cloud == nonce)?;
        given.remove(at).filter(|challenge| challenge.at.elapsed() < LIFE).map(|challenge| challenge.caller)
    }

    /// Whether a request to a route comes from somebody who knows the secret: by an answered challenge, or by a
    /// signature of the account's own key for the service `local`.
    pub(super) fn lets_in(&self, cloud: &Cloud, parts: &Parts, route: &str, body: &Bytes) -> bool {
        let header = parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
        match header.strip_prefix(proof::SCHEME) {
            Some(words) => self.is_proven(cloud, parts, route, words),
            None => is_signed(cloud, parts, body),
        }
    }

    fn is_proven(&self, cloud: &Cloud, parts: &Parts, route: &str, words: &str) -> bool {
        let word = |name: &str| {
            words.split(',').find_map(|word| word.trim().strip_prefix(name)?.strip_prefix('=')).unwrap_or_default()
        };
        let nonce = word("nonce");
        let Some(caller) = self.take(nonce) else { return false };
        let exchange = Exchange { caller: &caller, cloud: nonce, base_url: &cloud.config.base_url };
        let expected = exchange.of_caller(&cloud.config.secret_access_key, parts.method.as_str(), route);
        same(&expected, word("proof"))
    }
}

fn is_signed(cloud: &Cloud, parts: &Parts, body: &Bytes) -> bool {
    let service = signature::Authorization::parse(&parts.headers).map(|authorization| authorization.service == "local");
    // A session acts as a role, which has no business here.
    service.unwrap_or_default() && signature::verify(cloud, parts, body).is_ok_and(|caller| caller.role.is_none())
}
