//! Every refusal of S3, in AWS's own words.

use std::io;

use super::index::Meta;
use crate::call::Refusal;

/// What a client is told of a fault of the service.
const INTERNAL: &str = "We encountered an internal error. Please try again.";

/// The standard sentence of codes that `s3s` raises without one.
pub(super) fn sentence(code: &str) -> Option<&'static str> {
    Some(match code {
        "AccessDenied" => "Access Denied",
        "IncompleteBody" => "You did not provide the number of bytes specified by the Content-Length HTTP header",
        "InvalidAccessKeyId" => "The AWS Access Key Id you provided does not exist in our records.",
        "InvalidBucketName" => "The specified bucket is not valid.",
        "InvalidURI" => "Couldn't parse the specified URI.",
        "KeyTooLongError" => "Your key is too long",
        "MalformedXML" => "The XML you provided was not well-formed or did not validate against our published schema",
        "MethodNotAllowed" => "The specified method is not allowed against this resource.",
        "NotImplemented" => "A header you provided implies functionality that is not implemented",
        "SignatureDoesNotMatch" => {
            "The request signature we calculated does not match the signature you provided. Check your key and \
             signing method."
        }
        _ => return None,
    })
}

/// A refusal whose sentence is in [`sentence`].
fn standard(status: u16, code: &str) -> Refusal {
    Refusal::new(status, code, sentence(code).unwrap_or_default())
}

pub(super) fn access_denied() -> Refusal {
    standard(403, "AccessDenied")
}

pub(super) fn invalid_access_key() -> Refusal {
    standard(403, "InvalidAccessKeyId")
}

pub(super) fn invalid_bucket_name() -> Refusal {
    standard(400, "InvalidBucketName")
}

pub(super) fn malformed_xml() -> Refusal {
    standard(400, "MalformedXML")
}

/// A delete marker can only be deleted.
pub(super) fn is_delete_marker() -> Refusal {
    standard(405, "MethodNotAllowed").with("ResourceType", "DeleteMarker")
}

/// A value of a conditional header that this operation does not take.
pub(super) fn unknown_condition(header: &str) -> Refusal {
    let why = format!("We don't accept the provided value of {header} header for this API");
    standard(501, "NotImplemented").with("Header", header).with("additionalMessage", why)
}

pub(super) fn incomplete_body() -> Refusal {
    standard(400, "IncompleteBody")
}

/// A header that this kind of bucket does not take.
pub(super) fn unknown_header(name: &str) -> Refusal {
    standard(501, "NotImplemented").with("Header", name)
}

/// A digest that the client gave is not that of the body.
pub(super) fn sha256_mismatch() -> Refusal {
    let message = "The provided 'x-amz-content-sha256' header does not match what was computed.";
    Refusal::new(400, "XAmzContentSHA256Mismatch", message)
}

/// An operation that `s3s` knows and nobody here does: `s3s` says `<Operation> is not implemented yet`.
pub(super) fn not_offered(code: &str, message: &str) -> Option<Refusal> {
    let operation = message.strip_suffix(" is not implemented yet").filter(|name| !name.contains(' '));
    match operation {
        _ if code != "NotImplemented" => None,
        Some(operation) => Some(Refusal::no_operation("S3", operation)),
        None if message == "Unknown operation" => Some(Refusal::not_offered("this operation of S3")),
        None => None,
    }
}

pub(super) fn no_such_bucket() -> Refusal {
    Refusal::new(404, "NoSuchBucket", "The specified bucket does not exist")
}

pub(super) fn no_such_key() -> Refusal {
    Refusal::new(404, "NoSuchKey", "The specified key does not exist.")
}

pub(super) fn no_such_version() -> Refusal {
    Refusal::new(404, "NoSuchVersion", "The specified version does not exist.")
}

pub(super) fn no_parts() -> Refusal {
    invalid_request("You must specify at least one part")
}

pub(super) fn no_such_upload() -> Refusal {
    let message = "The specified upload does not exist. The upload ID may be invalid, or the upload may have been \
                   aborted or completed.";
    Refusal::new(404, "NoSuchUpload", message)
}

/// The condition is the header, as AWS spells it.
pub(super) fn precondition_failed(condition: &str) -> Refusal {
    let message = "At least one of the pre-conditions you specified did not hold";
    Refusal::new(412, "PreconditionFailed", message).with("Condition", condition)
}

pub(super) fn not_modified() -> Refusal {
    Refusal::new(304, "NotModified", "Not Modified")
}

/// The argument is a header, a query parameter or an element, as AWS names it.
pub(super) fn invalid_argument(argument: &str, value: Option<&str>, message: impl Into<String>) -> Refusal {
    let refusal = Refusal::new(400, "InvalidArgument", message).with("ArgumentName", argument);
    value.into_iter().fold(refusal, |refusal, value| refusal.with("ArgumentValue", value))
}

pub(super) fn invalid_request(message: impl Into<String>) -> Refusal {
    Refusal::new(400, "InvalidRequest", message)
}

pub(super) fn no_such_bucket_policy() -> Refusal {
    Refusal::new(404, "NoSuchBucketPolicy", "The bucket policy does not exist")
}

/// An object in an archive can be read only when it was restored.
pub(super) fn is_archived(meta: &Meta) -> Refusal {
    let message = "The operation is not valid for the object's storage class";
    Refusal::new(403, "InvalidObjectState", message)
        .with("StorageClass", meta.storage_class.as_deref().unwrap_or_default())
}

pub(super) fn invalid_range() -> Refusal {
    Refusal::new(416, "InvalidRange", "The requested range is not satisfiable")
}

/// `s3s` failed. The cause goes to the log, never to the client.
pub(super) fn broken(error: &s3s::StdError) -> Refusal {
    tracing::error!(%error, "s3s could not answer");
    Refusal::new(500, "InternalError", INTERNAL)
}

/// The disk failed. The cause goes to the log, and to the client only that the disk is full.
#[expect(clippy::needless_pass_by_value, reason = "fits `map_err`")]
pub(super) fn disk(error: io::Error) -> Refusal {
    tracing::error!(%error, "could not use an object's file");
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Refusal::of_disk("an object", &error),
        _ => Refusal::new(500, "InternalError", INTERNAL),
    }
}
