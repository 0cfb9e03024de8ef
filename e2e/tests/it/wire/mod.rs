//! Whether AWS would accept what was sent: every recorded request against the service models that botocore ships.
//!
//! ```text
//! recorded request ──operation──▶ which ──decode──▶ members ──constraints──▶ what AWS would object to
//! ```
//!
//! The models are AWS's own description of its APIs: operations, protocols, required members, patterns, lengths,
//! choices and sizes. They come from the package index, once, into `target/`. Where they cannot be had, that is said and
//! nothing is judged; with `RUNNER_REQUIRE_PEERS=1` it is a failure.

mod constraints;
mod decode;
mod models;
mod operation;
mod text;
mod xml;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Deserialize;
use std::collections::BTreeMap;

use models::Models;

/// How every request of the AWS SDK for Rust introduces itself. Others are of the tests themselves.
const SDK: &str = "aws-sdk-rust/";

/// A request as the local cloud writes it down.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Request {
    /// Signing name.
    service: String,
    method: String,
    uri: String,
    headers: BTreeMap<String, String>,
    body: String,
}

/// What became of a record.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    /// `service:Operation` of every request that was judged.
    pub(crate) operations: BTreeSet<String>,
    /// What AWS would object to, one line a fault, each once.
    pub(crate) faults: BTreeSet<String>,
}

/// Judges every request of an SDK in a record; none where there are no models.
pub(crate) fn judge(record: &Path) -> Option<Verdict> {
    let models = Models::get()?;
    let text = fs::read_to_string(record).unwrap_or_default();
    let mut verdict = Verdict::default();
    // A line that was cut off belongs to a cloud that was killed while it wrote.
    let requests = text.lines().filter_map(|line| serde_json::from_str::<Request>(line).ok());
    for request in requests.filter(|request| request.header("user-agent").is_some_and(|agent| agent.contains(SDK))) {
        verdict.add(models, &request);
    }
    Some(verdict)
}

impl Verdict {
    fn add(&mut self, models: &Models, request: &Request) {
        match operation::of(models, request) {
            Ok(operation) => {
                let name = format!("{}:{}", request.service, operation.name);
                let (members, mut faults) = decode::members(&operation, request);
                faults.extend(constraints::faults(&operation, &members));
                self.faults.extend(faults.into_iter().map(|fault| format!("{name}: {fault}")));
                self.operations.insert(name);
            }
            Err(why) => {
                self.faults.insert(why);
            }
        }
    }
}

impl Request {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// Path and query, as they were sent.
    fn path_and_query(&self) -> (&str, &str) {
        let uri = self.uri.find("://").map_or(&*self.uri, |scheme| {
            let rest = &self.uri[scheme + 3..];
            rest.find('/').map_or("/", |slash| &rest[slash..])
        });
        uri.split_once('?').unwrap_or((uri, ""))
    }

    fn query(&self) -> Vec<(String, String)> {
        form_urlencoded::parse(self.path_and_query().1.as_bytes()).into_owned().collect()
    }

    fn body(&self) -> Vec<u8> {
        BASE64.decode(&self.body).unwrap()
    }
}

#[cfg(test)]
mod tests;
