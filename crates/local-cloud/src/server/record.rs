//! Writes down whole requests, for whoever wants to judge what a client sends.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::request::Parts;
use serde_json::{Map, Value, json};

/// Where requests to the services are written, one JSON object a line: `service` (its signing name), `method`, `uri`,
/// `headers`, and `body` in base64. Bodies of objects, and requests of the public, are left out.
#[derive(Debug, Default)]
pub struct Recorder(Option<Mutex<File>>);

impl Recorder {
    /// Appends to a file, which is created when it is absent.
    pub fn to(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        Ok(Self(Some(Mutex::new(file))))
    }

    /// Whether anything is written at all.
    pub(super) fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Writes a request down.
    pub(super) fn take(&self, service: &str, parts: &Parts, body: &[u8]) {
        let Some(file) = &self.0 else { return };
        let headers: Map<String, Value> = parts
            .headers
            .iter()
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into()))
            .collect();
        let mut line = json!({
            "service": service,
            "method": parts.method.as_str(),
            "uri": parts.uri.to_string(),
            "headers": headers,
            "body": BASE64.encode(body),
        })
        .to_string();
        line.push('\n');
        let written = file.lock().unwrap_or_else(PoisonError::into_inner).write_all(line.as_bytes());
        if let Err(error) = written {
            tracing::error!(%error, "could not write a request down");
        }
    }
}
