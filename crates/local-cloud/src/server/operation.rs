//! What a request is called and whether it changes anything, for the request log and the fault rules.

use bytes::Bytes;
use http::Method;
use http::request::Parts;
use percent_encoding::percent_decode_str;
use serde_json::Value;

use crate::server::target::Service;
use crate::service::cloudwatch;

/// Beginnings of the names of operations that change nothing.
const READS: [&str; 11] = [
    "Get",
    "List",
    "Describe",
    "Head",
    "Filter",
    "Invoke",
    "AssumeRole",
    "Select",
    "Simulate",
    "BatchGet",
    "BatchCheck",
];

/// Members that name what a JSON or query request is about, most telling first.
const RESOURCE_MEMBERS: [&str; 21] = [
    "RoleName",
    "RoleArn",
    "PolicySourceArn",
    "QuotaCode",
    "EndpointName",
    "EndpointConfigName",
    "ModelName",
    "TrainingJobName",
    "AlarmName",
    "AlarmNames",
    "AlarmNamePrefix",
    "ResourceId",
    "ResourceARN",
    "ResourceArn",
    "resourceArn",
    "repositoryName",
    "logGroupName",
    "logGroupIdentifier",
    "logGroupNamePrefix",
    "NameContains",
    "PathPrefix",
];

/// A request in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Described {
    /// For example `CreateRole`.
    pub(super) operation: String,
    /// What it is about, as the request names it; may be empty.
    pub(super) resource: String,
    /// Whether such a request changes state.
    pub(super) write: bool,
}

impl Described {
    /// A request of the public to a deployed API. What is behind it may change things; the account's resources stay.
    pub(super) fn public(parts: &Parts, path: &str) -> Self {
        Self { operation: parts.method.to_string(), resource: path.to_owned(), write: false }
    }

    /// A request in the image registry's own protocol.
    pub(super) fn registry(parts: &Parts) -> Self {
        let write = !matches!(parts.method, Method::GET | Method::HEAD);
        Self { operation: parts.method.to_string(), resource: parts.uri.path().to_owned(), write }
    }
}

/// Says what a request is.
pub(super) fn describe(service: Service, parts: &Parts, body: &Bytes) -> Described {
    let path = decoded(parts.uri.path());
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    let method = &parts.method;
    let (operation, resource) = match service {
        Service::S3 => s3(parts, &path),
        Service::Runtime => ("InvokeEndpoint".to_owned(), segments.get(1).copied().unwrap_or_default().to_owned()),
        Service::Lambda => lambda_operation(method, &segments),
        Service::ApiGateway => api_gateway(method, &segments),
        Service::Iam | Service::Sts => (named(service, parts, body), form_member(body, &RESOURCE_MEMBERS)),
        Service::CloudWatchCbor => (named(service, parts, body), cloudwatch::named(body, &RESOURCE_MEMBERS)),
        Service::SageMaker
        | Service::Logs
        | Service::Ecr
        | Service::CloudWatch
        | Service::Autoscaling
        | Service::Quotas
        | Service::Other => (named(service, parts, body), json_member(body)),
    };
    let read = READS.iter().any(|read| operation.starts_with(read));
    let unnamed_read = operation.contains(' ') && matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
    Described { operation, resource, write: !read && !unnamed_read }
}

/// The operation that a request names itself: `X-Amz-Target` after the dot, or the query protocol's `Action`.
pub(super) fn named(service: Service, parts: &Parts, body: &Bytes) -> String {
    match service {
        Service::Iam | Service::Sts => form_member(body, &["Action"]),
        // `/service/<service>/operation/<operation>`.
        Service::CloudWatchCbor => parts.uri.path().rsplit('/').next().unwrap_or_default().to_owned(),
        _ => {
            let target = parts.headers.get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default();
            target.rsplit_once('.').map_or("", |(_, name)| name).to_owned()
        }
    }
}

/// The first of these members that a form has, in one pass over it.
fn form_member(body: &Bytes, names: &[&str]) -> String {
    let place = |key: &str| names.iter().position(|name| *name == key);
    let members = form_urlencoded::parse(body).filter_map(|(key, value)| Some((place(&key)?, value)));
    // Of equals, the one that came first.
    members.min_by_key(|(place, _)| *place).map(|(_, value)| value.into_owned()).unwrap_or_default()
}

fn json_member(body: &Bytes) -> String {
    member(&serde_json::from_slice(body).unwrap_or_default(), &RESOURCE_MEMBERS)
}

/// The first of these members that is text, or a list that begins with one.
pub(crate) fn member(body: &Value, names: &[&str]) -> String {
    let text = |value: &Value| value.as_str().or_else(|| value.get(0)?.as_str()).map(str::to_owned);
    names.iter().find_map(|name| text(body.get(*name)?)).unwrap_or_default()
}

/// What Lambda calls the operation behind a method and a path.
pub(super) fn lambda(method: &Method, path: &str) -> String {
    let path = decoded(path);
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    lambda_operation(method, &segments).0
}

/// Whether the body of such a request to S3 is an object's, or a part of one.
pub(crate) fn is_object(parts: &Parts) -> bool {
    let has_key = parts.uri.path().trim_start_matches('/').split_once('/').is_some_and(|(_, key)| !key.is_empty());
    let query = parts.uri.query().unwrap_or_default();
    let about = |name: &str| form_urlencoded::parse(query.as_bytes()).any(|(key, _)| key == name);
    parts.method == Method::PUT && has_key && !["tagging", "acl", "retention", "legal-hold"].into_iter().any(about)
}

/// S3 by method, by whether a key follows the bucket, and by the sub-resource in the query.
fn s3(parts: &Parts, path: &str) -> (String, String) {
    let resource = path.trim_start_matches('/');
    let (bucket, key) = resource.split_once('/').unwrap_or((resource, ""));
    let query: Vec<(String, String)> =
        form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
    let has = |name: &str| query.iter().any(|(key, _)| key == name);
    let copy = parts.headers.contains_key("x-amz-copy-source");
    let operation = if bucket.is_empty() {
        if parts.method == Method::GET { "ListBuckets".to_owned() } else { format!("{} /", parts.method) }
    } else if key.is_empty() {
        bucket_operation(&parts.method, &has)
    } else {
        object_operation(&parts.method, copy, &has)
    };
    (operation, resource.to_owned())
}

/// Query keys of bucket sub-resources, and what operations on them are called.
const BUCKET_PARTS: [(&str, &str); 16] = [
    ("tagging", "BucketTagging"),
    ("versioning", "BucketVersioning"),
    ("encryption", "BucketEncryption"),
    ("publicAccessBlock", "PublicAccessBlock"),
    ("ownershipControls", "BucketOwnershipControls"),
    ("lifecycle", "BucketLifecycleConfiguration"),
    ("policyStatus", "BucketPolicyStatus"),
    ("policy", "BucketPolicy"),
    ("location", "BucketLocation"),
    ("acl", "BucketAcl"),
    ("cors", "BucketCors"),
    ("logging", "BucketLogging"),
    ("notification", "BucketNotificationConfiguration"),
    ("object-lock", "ObjectLockConfiguration"),
    ("replication", "BucketReplication"),
    ("website", "BucketWebsite"),
];

fn bucket_operation(method: &Method, has: &dyn Fn(&str) -> bool) -> String {
    let part = BUCKET_PARTS.iter().find(|(key, _)| has(key)).map(|(_, name)| *name);
    match (method, part) {
        (&Method::GET, Some(part)) => format!("Get{part}"),
        (&Method::PUT, Some(part)) => format!("Put{part}"),
        (&Method::DELETE, Some(part)) => format!("Delete{}", part.trim_end_matches("Configuration")),
        (&Method::HEAD, _) => "HeadBucket".to_owned(),
        (&Method::PUT, None) => "CreateBucket".to_owned(),
        (&Method::DELETE, None) => "DeleteBucket".to_owned(),
        (&Method::POST, _) if has("delete") => "DeleteObjects".to_owned(),
        (&Method::GET, _) if has("versions") => "ListObjectVersions".to_owned(),
        (&Method::GET, _) if has("uploads") => "ListMultipartUploads".to_owned(),
        (&Method::GET, _) if has("list-type") => "ListObjectsV2".to_owned(),
        (&Method::GET, _) => "ListObjects".to_owned(),
        _ => format!("{method} bucket"),
    }
}

fn object_operation(method: &Method, copy: bool, has: &dyn Fn(&str) -> bool) -> String {
    let name = match *method {
        Method::HEAD => "HeadObject",
        Method::GET if has("tagging") => "GetObjectTagging",
        Method::GET if has("acl") => "GetObjectAcl",
        Method::GET if has("attributes") => "GetObjectAttributes",
        Method::GET if has("uploadId") => "ListParts",
        Method::GET => "GetObject",
        Method::PUT if has("uploadId") && copy => "UploadPartCopy",
        Method::PUT if has("uploadId") => "UploadPart",
        Method::PUT if has("tagging") => "PutObjectTagging",
        Method::PUT if has("acl") => "PutObjectAcl",
        Method::PUT if copy => "CopyObject",
        Method::PUT => "PutObject",
        Method::POST if has("uploads") => "CreateMultipartUpload",
        Method::POST if has("uploadId") => "CompleteMultipartUpload",
        Method::POST if has("select") => "SelectObjectContent",
        Method::DELETE if has("uploadId") => "AbortMultipartUpload",
        Method::DELETE if has("tagging") => "DeleteObjectTagging",
        Method::DELETE => "DeleteObject",
        _ => return format!("{method} object"),
    };
    name.to_owned()
}

/// Lambda's dated paths: the date is left out.
fn lambda_operation(method: &Method, segments: &[&str]) -> (String, String) {
    let rest = segments.get(1..).unwrap_or_default();
    let resource = rest.get(1..).map(|rest| rest.first().copied().unwrap_or_default()).unwrap_or_default();
    let name = match (method.as_str(), rest) {
        ("GET", ["functions"]) => "ListFunctions",
        ("POST", ["functions"]) => "CreateFunction",
        ("GET", ["functions", _]) => "GetFunction",
        ("DELETE", ["functions", _]) => "DeleteFunction",
        ("PUT", ["functions", _, "code"]) => "UpdateFunctionCode",
        ("GET", ["functions", _, "configuration"]) => "GetFunctionConfiguration",
        ("PUT", ["functions", _, "configuration"]) => "UpdateFunctionConfiguration",
        ("GET", ["functions", _, "policy"]) => "GetPolicy",
        ("POST", ["functions", _, "policy"]) => "AddPermission",
        ("DELETE", ["functions", _, "policy", _]) => "RemovePermission",
        ("POST", ["functions", _, "invocations"]) => "Invoke",
        ("GET", ["functions", _, "versions"]) => "ListVersionsByFunction",
        ("POST", ["functions", _, "versions"]) => "PublishVersion",
        ("GET", ["functions", _, "concurrency"]) => "GetFunctionConcurrency",
        ("PUT", ["functions", _, "concurrency"]) => "PutFunctionConcurrency",
        ("DELETE", ["functions", _, "concurrency"]) => "DeleteFunctionConcurrency",
        ("GET", ["functions", _, "code-signing-config"]) => "GetFunctionCodeSigningConfig",
        ("GET", ["tags", ..]) => "ListTags",
        ("POST", ["tags", ..]) => "TagResource",
        ("DELETE", ["tags", ..]) => "UntagResource",
        ("GET", ["account-settings"]) => "GetAccountSettings",
        _ => return (format!("{method} /{}", segments.join("/")), resource.to_owned()),
    };
    (name.to_owned(), resource.to_owned())
}

/// What a request to API Gateway is called.
pub(super) fn api_gateway_operation(method: &Method, path: &str) -> String {
    let path = decoded(path);
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    api_gateway(method, &segments).0
}

/// What a request to an endpoint is called.
pub(super) fn runtime(method: &Method, path: &str) -> String {
    match path.split('/').collect::<Vec<_>>().as_slice() {
        ["", "endpoints", _, "invocations"] if *method == Method::POST => "InvokeEndpoint".to_owned(),
        ["", "endpoints", _, "async-invocations"] => "InvokeEndpointAsync".to_owned(),
        ["", "endpoints", _, "invocations-response-stream"] => "InvokeEndpointWithResponseStream".to_owned(),
        _ => format!("{method} {path}"),
    }
}

/// API Gateway v2's tree of collections and their members.
fn api_gateway(method: &Method, segments: &[&str]) -> (String, String) {
    let resource = segments.get(1..).unwrap_or_default().join("/");
    let verb = match method.as_str() {
        "GET" => "Get",
        "POST" => "Create",
        "PATCH" => "Update",
        "PUT" => "Put",
        "DELETE" => "Delete",
        other => other,
    };
    let singular = |collection: &str| {
        let (first, rest) = collection.split_at(collection.len().min(1));
        let name = format!("{}{rest}", first.to_uppercase());
        if collection == "cors" { "CorsConfiguration".to_owned() } else { name.trim_end_matches('s').to_owned() }
    };
    let name = match segments {
        ["v2", "apis", _, "cors"] => format!("{verb}CorsConfiguration"),
        ["v2", "apis", _, "stages", _, "accesslogsettings"] => format!("{verb}AccessLogSettings"),
        // A route key has slashes of its own.
        ["v2", "apis", _, "stages", _, "routesettings", ..] => format!("{verb}RouteSettings"),
        ["v2", "tags", ..] => match verb {
            "Get" => "GetTags".to_owned(),
            "Delete" => "UntagResource".to_owned(),
            _ => "TagResource".to_owned(),
        },
        // `PUT /v2/apis` takes a whole OpenAPI document.
        ["v2", "apis"] | ["v2", "apis", _] if verb == "Put" => {
            if segments.len() == 2 { "ImportApi" } else { "ReimportApi" }.to_owned()
        }
        ["v2", collection] | ["v2", "apis", _, collection] if verb == "Get" => format!("Get{}s", singular(collection)),
        ["v2", collection]
        | ["v2", collection, _]
        | ["v2", "apis", _, collection]
        | ["v2", "apis", _, collection, _] => format!("{verb}{}", singular(collection)),
        _ => format!("{method} /{}", segments.join("/")),
    };
    (name, resource)
}

fn decoded(path: &str) -> String {
    percent_decode_str(path).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn described(service: Service, method: &str, path: &str) -> String {
        let (parts, ()) = Request::builder().method(method).uri(path).body(()).unwrap().into_parts();
        let Described { operation, resource, write } = describe(service, &parts, &Bytes::new());
        format!("{} {operation} {resource}", if write { "write" } else { "read" })
    }

    #[test]
    fn rest_requests_get_their_names_and_only_changes_count_as_writes() {
        let (s3, lambda, api) = (Service::S3, Service::Lambda, Service::ApiGateway);
        let function = "/2015-03-31/functions/fraud";
        let cases = [
            (s3, "GET", "/", "read ListBuckets "),
            (s3, "PUT", "/bucket", "write CreateBucket bucket"),
            (s3, "PUT", "/bucket/?tagging", "write PutBucketTagging bucket/"),
            (s3, "GET", "/bucket?publicAccessBlock", "read GetPublicAccessBlock bucket"),
            (s3, "PUT", "/bucket?encryption=", "write PutBucketEncryption bucket"),
            (s3, "DELETE", "/bucket?lifecycle", "write DeleteBucketLifecycle bucket"),
            (s3, "HEAD", "/bucket", "read HeadBucket bucket"),
            (s3, "GET", "/bucket?list-type=2&prefix=a", "read ListObjectsV2 bucket"),
            (s3, "GET", "/bucket?versions", "read ListObjectVersions bucket"),
            (s3, "POST", "/bucket?delete", "write DeleteObjects bucket"),
            (s3, "PUT", "/bucket/a/b%20c", "write PutObject bucket/a/b c"),
            (s3, "PUT", "/bucket/k?partNumber=1&uploadId=x", "write UploadPart bucket/k"),
            (s3, "POST", "/bucket/k?uploads", "write CreateMultipartUpload bucket/k"),
            (s3, "HEAD", "/bucket/k", "read HeadObject bucket/k"),
            (s3, "GET", "/bucket/k?x-id=GetObject", "read GetObject bucket/k"),
            (lambda, "POST", "/2015-03-31/functions", "write CreateFunction "),
            (lambda, "GET", function, "read GetFunction fraud"),
            (lambda, "DELETE", function, "write DeleteFunction fraud"),
            (lambda, "PUT", "/2015-03-31/functions/fraud/code", "write UpdateFunctionCode fraud"),
            (lambda, "POST", "/2015-03-31/functions/fraud/policy", "write AddPermission fraud"),
            (lambda, "POST", "/2015-03-31/functions/fraud/invocations", "read Invoke fraud"),
            (lambda, "GET", "/2017-03-31/tags/arn%3Aaws%3Ax", "read ListTags arn:aws:x"),
            (lambda, "POST", "/2017-03-31/tags/arn%3Aaws%3Ax", "write TagResource arn:aws:x"),
            (lambda, "GET", "/2099-01-01/new", "read GET /2099-01-01/new "),
            (lambda, "POST", "/2099-01-01/new", "write POST /2099-01-01/new "),
            (api, "GET", "/v2/apis", "read GetApis apis"),
            (api, "POST", "/v2/apis", "write CreateApi apis"),
            (api, "GET", "/v2/apis/a1", "read GetApi apis/a1"),
            (api, "PATCH", "/v2/apis/a1", "write UpdateApi apis/a1"),
            (api, "GET", "/v2/apis/a1/routes", "read GetRoutes apis/a1/routes"),
            (api, "POST", "/v2/apis/a1/integrations", "write CreateIntegration apis/a1/integrations"),
            (api, "DELETE", "/v2/apis/a1/stages/$default", "write DeleteStage apis/a1/stages/$default"),
            (api, "DELETE", "/v2/apis/a1/cors", "write DeleteCorsConfiguration apis/a1/cors"),
            (api, "POST", "/v2/tags/arn", "write TagResource tags/arn"),
            (api, "GET", "/v2/apis/a1/authorizers", "read GetAuthorizers apis/a1/authorizers"),
            (api, "PATCH", "/v2/apis/a1/authorizers/b2", "write UpdateAuthorizer apis/a1/authorizers/b2"),
            (
                api,
                "DELETE",
                "/v2/apis/a1/stages/$default/accesslogsettings",
                "write DeleteAccessLogSettings apis/a1/stages/$default/accesslogsettings",
            ),
            (
                api,
                "DELETE",
                "/v2/apis/a1/stages/$default/routesettings/POST%20%2Fscore",
                "write DeleteRouteSettings apis/a1/stages/$default/routesettings/POST /score",
            ),
            (Service::Runtime, "POST", "/endpoints/fraud/invocations", "read InvokeEndpoint fraud"),
        ];
        for (service, method, path, expected) in cases {
            assert_eq!(described(service, method, path), expected, "{method} {path}");
        }
    }

    #[test]
    fn what_names_itself_is_judged_by_its_name() {
        for (action, write) in [("CreateRole", true), ("GetRole", false), ("AssumeRole", false), ("TagRole", true)] {
            let (parts, ()) = Request::builder().method("POST").uri("/").body(()).unwrap().into_parts();
            let body = Bytes::from(format!("Version=1&Action={action}&RoleName=exec"));
            let described = describe(Service::Iam, &parts, &body);
            let expected = Described { operation: action.to_owned(), resource: "exec".to_owned(), write };
            assert_eq!(described, expected);
        }
    }
}
