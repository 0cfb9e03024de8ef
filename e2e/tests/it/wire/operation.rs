//! Which operation a request is, by the rules of its service's protocol.

use super::Request;
use super::models::{Models, Operation, Service};
use super::text::{form, path_parts};

/// Signing names, and what botocore calls the service.
const SERVICES: [(&str, &str); 10] = [
    ("s3", "s3"),
    ("iam", "iam"),
    ("sts", "sts"),
    ("lambda", "lambda"),
    ("apigateway", "apigatewayv2"),
    ("ecr", "ecr"),
    ("logs", "logs"),
    ("monitoring", "cloudwatch"),
    ("application-autoscaling", "application-autoscaling"),
    ("servicequotas", "service-quotas"),
];

/// The operation, or why it is none of AWS's.
pub(super) fn of(models: &Models, request: &Request) -> Result<Operation<'static>, String> {
    let name = match request.service.as_str() {
        "sagemaker" if request.header("x-amz-target").is_some() => "sagemaker",
        "sagemaker" => "sagemaker-runtime",
        signed => SERVICES
            .iter()
            .find(|(name, _)| *name == signed)
            .map(|(_, service)| *service)
            .ok_or_else(|| format!("no model is known for what is signed as `{signed}`"))?,
    };
    let service = models.service(name);
    let found = match service.metadata("protocol") {
        "json" => by_target(service, request),
        "query" => by_action(service, request),
        "smithy-rpc-v2-cbor" => by_name(service, request),
        _ => by_path(service, request),
    };
    found.ok_or_else(|| {
        let target = request.header("x-amz-target").map(|target| format!(" {target}")).unwrap_or_default();
        format!("{}: {} {}{target} is no operation", request.service, request.method, request.uri)
    })
}

fn by_target(service: &'static Service, request: &Request) -> Option<Operation<'static>> {
    let (prefix, name) = request.header("x-amz-target")?.rsplit_once('.')?;
    let content_type = format!("application/x-amz-json-{}", service.metadata("jsonVersion"));
    let fits = prefix == service.metadata("targetPrefix") && request.header("content-type") == Some(&content_type);
    service.operation(name).filter(|_| fits && request.method == "POST")
}

/// `/service/<service>/operation/<Operation>`, in CBOR.
fn by_name(service: &'static Service, request: &Request) -> Option<Operation<'static>> {
    let prefix = format!("/service/{}/operation/", service.metadata("targetPrefix"));
    let name = request.path_and_query().0.strip_prefix(&prefix)?;
    let fits = request.header("smithy-protocol") == Some("rpc-v2-cbor")
        && request.header("content-type").is_none_or(|it| it == "application/cbor");
    service.operation(name).filter(|_| fits && request.method == "POST")
}

fn by_action(service: &'static Service, request: &Request) -> Option<Operation<'static>> {
    let form = form(&request.body());
    let value = |name: &str| form.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let fits = value("Version") == Some(service.metadata("apiVersion"));
    service.operation(value("Action")?).filter(|_| fits && request.method == "POST")
}

/// The operation with the most that never changes in its path and query, and with all that it requires beside the body.
fn by_path(service: &'static Service, request: &Request) -> Option<Operation<'static>> {
    let (path, query) = (request.path_and_query().0, request.query());
    // Some SDKs name the operation, where S3 tells two apart by a header alone.
    let named = query.iter().find(|(key, _)| key == "x-id").map(|(_, name)| name.as_str());
    let has = |constant: &(String, String)| query.contains(constant);
    let fits = service.operations().filter(|operation| {
        let (method, template, constants) = operation.http();
        method == request.method
            && named.is_none_or(|named| named == operation.name)
            && path_parts(template, path).is_some()
            && form(constants.as_bytes()).iter().all(has)
            && required_beside_body(*operation, request, &query)
    });
    fits.max_by_key(|operation| {
        let (_, template, constants) = operation.http();
        let literal = template.split('/').filter(|part| !part.is_empty() && !part.starts_with('{')).count();
        (literal, form(constants.as_bytes()).len(), beside_body(*operation).count())
    })
}

fn required_beside_body(operation: Operation<'_>, request: &Request, query: &[(String, String)]) -> bool {
    beside_body(operation).all(|(location, name)| match location {
        "header" => request.header(&name.to_lowercase()).is_some(),
        _ => query.iter().any(|(key, _)| key == name),
    })
}

/// What an operation requires in its headers and its query.
fn beside_body(operation: Operation<'_>) -> impl Iterator<Item = (&str, &str)> {
    let input = operation.input();
    let required = input.into_iter().flat_map(|input| input.required().filter_map(move |name| input.member(name)));
    required.filter_map(|member| {
        let location = member.location().filter(|location| matches!(*location, "header" | "querystring"))?;
        Some((location, member.location_name()?))
    })
}
