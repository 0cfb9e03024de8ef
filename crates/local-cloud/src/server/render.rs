//! Answers and refusals in the shape of each service's protocol.

use bytes::Bytes;
use http::{HeaderValue, Response};
use quick_xml::escape::escape;
use s3s::Body;
use serde_json::{Value, json};

use crate::call::{Refusal, Reply};
use crate::server::target::Service;
use crate::service::cloudwatch::wire::Protocol;
use crate::signature::Unverified;

/// What a service said, with the headers that every answer has.
pub(super) fn reply(service: Service, reply: Reply, id: &str) -> Response<Body> {
    let response = match reply {
        Ok(response) => response,
        Err(refusal) => return self::refusal(service, &refusal, id),
    };
    let mut response = response.map(Body::from);
    if service.speaks_json() {
        let content_type = HeaderValue::from_static("application/x-amz-json-1.1");
        response.headers_mut().insert(http::header::CONTENT_TYPE, content_type);
    }
    with_id(service, response, id)
}

/// A refusal as the service would write it.
pub(super) fn refusal(service: Service, refusal: &Refusal, id: &str) -> Response<Body> {
    if let Some(protocol) = protocol(service) {
        return with_id(service, protocol.refuse(refusal).map(Body::from), id);
    }
    let Refusal { status, code, message, .. } = refusal;
    let fault = if status.is_server_error() { "Service" } else { "User" };
    let (content_type, body) = match service {
        Service::SageMaker
        | Service::Logs
        | Service::Ecr
        | Service::Autoscaling
        | Service::CloudWatch
        | Service::CloudWatchCbor
        | Service::Quotas
        | Service::Other => ("application/x-amz-json-1.1", json!({ "__type": code, "message": message }).to_string()),
        Service::Lambda => ("application/json", lambda(code, message, fault).to_string()),
        Service::ApiGateway => ("application/json", json!({ "message": message }).to_string()),
        Service::Runtime => ("application/json", json!({ "Code": code, "Message": message }).to_string()),
        Service::Iam | Service::Sts => ("text/xml", query(service, refusal, id)),
        Service::S3 => ("application/xml", s3(code, message, id)),
    };
    let mut response = Response::new(Body::from(Bytes::from(body)));
    *response.status_mut() = *status;
    let headers = response.headers_mut();
    headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    let rest = matches!(service, Service::Lambda | Service::ApiGateway | Service::Runtime);
    if let (true, Ok(code)) = (rest, HeaderValue::from_str(code)) {
        headers.insert("x-amzn-errortype", code);
    }
    with_id(service, response, id)
}

/// How `CloudWatch` answers, when it is asked.
pub(super) fn protocol(service: Service) -> Option<Protocol> {
    match service {
        Service::CloudWatch => Some(Protocol::Json),
        Service::CloudWatchCbor => Some(Protocol::Cbor),
        _ => None,
    }
}

/// Why a signature was refused. JSON 1.1 knows no status but 400, the query protocol has codes of its own.
pub(super) fn unverified(service: Service, unverified: &Unverified) -> Refusal {
    let json_status = if service.speaks_json() { 400 } else { 403 };
    let query = matches!(service, Service::Iam | Service::Sts);
    let (status, code) = match unverified {
        Unverified::Missing if service == Service::S3 => return Refusal::new(403, "AccessDenied", "Access Denied"),
        Unverified::Missing if query => (403, "MissingAuthenticationToken"),
        Unverified::Missing => (403, "MissingAuthenticationTokenException"),
        Unverified::Incomplete(_) if query => (400, "IncompleteSignature"),
        Unverified::Incomplete(_) => (json_status, "IncompleteSignatureException"),
        Unverified::UnknownKey if query => (403, "InvalidClientTokenId"),
        Unverified::UnknownKey => (json_status, "UnrecognizedClientException"),
        Unverified::Expired if query => (403, "ExpiredToken"),
        Unverified::Expired => (json_status, "ExpiredTokenException"),
        Unverified::Mismatch(_) if query => (403, "SignatureDoesNotMatch"),
        Unverified::Mismatch(_) => (json_status, "InvalidSignatureException"),
    };
    Refusal::new(status, code, unverified.to_string())
}

/// The caller may not. The message is AWS's sentence.
pub(super) fn denied(service: Service, message: String) -> Refusal {
    match service {
        Service::Iam | Service::Sts | Service::S3 | Service::CloudWatch | Service::CloudWatchCbor => {
            Refusal::new(403, "AccessDenied", message)
        }
        service if service.speaks_json() => Refusal::new(400, "AccessDeniedException", message),
        _ => Refusal::new(403, "AccessDeniedException", message),
    }
}

/// Too many requests.
pub(super) fn throttled(service: Service) -> Refusal {
    match service {
        Service::S3 => Refusal::new(503, "SlowDown", "Please reduce your request rate."),
        Service::Iam | Service::Sts => Refusal::new(400, "Throttling", "Rate exceeded"),
        Service::Lambda => Refusal::new(429, "TooManyRequestsException", "Rate exceeded"),
        Service::ApiGateway => Refusal::new(429, "TooManyRequestsException", "Too Many Requests"),
        _ => Refusal::new(400, "ThrottlingException", "Rate exceeded"),
    }
}

/// Faults of the service itself name a side; constraint violations and refused signatures do not.
fn lambda(code: &str, message: &str, fault: &str) -> Value {
    let unsided = ["ValidationException", "AccessDeniedException", "InvalidSignatureException"];
    let unsided = unsided.contains(&code) || code.contains("AuthenticationToken") || code.contains("Client");
    if unsided {
        json!({ "message": message })
    } else {
        json!({ "Type": fault, "Message": message, "message": message })
    }
}

fn query(service: Service, refusal: &Refusal, id: &str) -> String {
    let namespace = namespace(service);
    let side = if refusal.status.is_server_error() { "Receiver" } else { "Sender" };
    let (code, message) = (escape(&refusal.code), escape(&refusal.message));
    format!(
        "<ErrorResponse xmlns=\"{namespace}\"><Error><Type>{side}</Type><Code>{code}</Code><Message>{message}</Message>\
         </Error><RequestId>{id}</RequestId></ErrorResponse>"
    )
}

fn namespace(service: Service) -> &'static str {
    match service {
        Service::Sts => "https://sts.amazonaws.com/doc/2011-06-15/",
        _ => "https://iam.amazonaws.com/doc/2010-05-08/",
    }
}

fn s3(code: &str, message: &str, id: &str) -> String {
    let (code, message) = (escape(code), escape(message));
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{message}</Message>\
         <RequestId>{id}</RequestId></Error>"
    )
}

fn with_id(service: Service, mut response: Response<Body>, id: &str) -> Response<Body> {
    let name = if service == Service::S3 { "x-amz-request-id" } else { "x-amzn-requestid" };
    if let Ok(id) = HeaderValue::from_str(id) {
        response.headers_mut().insert(name, id);
    }
    response
}
