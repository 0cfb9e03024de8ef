//! One request to a control plane, read far enough to be dispatched, and its answer.

use std::fmt::Display;
use std::io;

use bytes::Bytes;
use http::{HeaderMap, Method, Response, StatusCode};

use crate::faults::Outcome;

/// Who signed a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// ARN of the user or assumed-role session.
    pub arn: String,
    /// ARN of the role behind a session; none for the account's own key, which may do anything.
    pub role: Option<String>,
}

/// A signed request whose body has been read.
#[derive(Clone, Debug)]
pub struct Call {
    /// `X-Amz-Target` after the dot, the query protocol's `Action`, or empty for REST services.
    pub operation: String,
    /// HTTP method.
    pub method: Method,
    /// Path, percent-encoded as it came.
    pub path: String,
    /// Decoded query parameters, in order.
    pub query: Vec<(String, String)>,
    /// Headers as they came.
    pub headers: HeaderMap,
    /// Whole body.
    pub body: Bytes,
    /// Who signed it.
    pub caller: Caller,
    /// What the answer carries as request id.
    pub request_id: String,
    /// How what it begins is to end, where a rule says so.
    pub outcome: Option<Outcome>,
}

/// A refusal, before a protocol has given it a shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// HTTP status, as `aws-errors` lists it for the service.
    pub status: StatusCode,
    /// Error code on the wire, for example `ValidationException`.
    pub code: String,
    /// Message on the wire.
    pub message: String,
    /// What S3 adds to the message, in order: names and values of elements. Other services have none.
    pub members: Vec<(&'static str, String)>,
}

impl Refusal {
    /// Makes a refusal.
    pub fn new(status: u16, code: &str, message: impl Into<String>) -> Self {
        Self {
            status: StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            code: code.to_owned(),
            message: message.into(),
            members: Vec::new(),
        }
    }

    /// Refuses what could not be written or read. A full disk is named, with a status after which SDKs do not repeat a
    /// call: 507.
    pub fn of_disk(what: impl Display, error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::new(
                507,
                "InsufficientStorage",
                format!(
                    "the disk that holds the local cloud is full: {what} was not written; make room, and call again"
                ),
            ),
            _ => {
                Self::new(500, "InternalFailure", format!("the local cloud could not use its disk for {what}: {error}"))
            }
        }
    }

    /// Adds an element to the refusal.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Display) -> Self {
        self.members.push((name, value.to_string()));
        self
    }

    /// Refuses what AWS offers and this local cloud does not. The sentence, the status and the code are the same
    /// everywhere. SDKs repeat a call after 500, 502, 503 and 504, and not after 501.
    pub fn not_offered(what: impl Display) -> Self {
        Self::new(501, "NotImplemented", format!("the local cloud does not offer {what}"))
    }

    /// Refuses an operation that the service has on AWS and not here.
    pub fn no_operation(service: &str, operation: &str) -> Self {
        Self::not_offered(format!("the operation `{operation}` of {service}"))
    }
}

/// What a service says to a call. The server renders refusals in the service's protocol.
pub type Reply = Result<Response<Bytes>, Refusal>;

/// A JSON answer with status 200.
pub fn json(value: &serde_json::Value) -> Response<Bytes> {
    json_status(200, value)
}

/// A JSON answer.
pub fn json_status(status: u16, value: &serde_json::Value) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(value.to_string()));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_named_by_a_status_that_no_sdk_repeats() {
        // 28 is `ENOSPC`, 122 `EDQUOT`, 5 `EIO`.
        for (code, status) in [(28, 507), (122, 507), (5, 500)] {
            let refusal = Refusal::of_disk("its state", &io::Error::from_raw_os_error(code));
            assert_eq!(refusal.status, status, "{refusal:?}");
            assert_eq!(refusal.message.contains("the disk that holds the local cloud is full"), status == 507);
        }
    }
}
