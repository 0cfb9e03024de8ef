//! What a request is called and whether it changes anything, for the request log and the fault rules.

use bytes::Bytes;
use http::Method;
use http::request::Parts;
use percent_encoding::percent_decode_str;
use serde_json::Value;

use crate::server::target::Service;

/// Beginnings of the names of operations that change nothing.
const READS: [&str; 9] = ["Get", "List", "Describe", "Head", "Filter", "Invoke", "AssumeRole", "Select", "Simulate"];

/// Members that name what a JSON or query request is about, most telling first.
const RESOURCE_MEMBERS: [&str; 12] = [
    "RoleName",
    "EndpointName",
    "EndpointConfigName",
    "ModelName",
    "TrainingJobName",
    "ResourceArn",
    "resourceArn",
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
}

/// Says what a request is.
pub(super) fn describe(service: Service, parts: &Parts, body: &Bytes) -> Described {
    let path = decoded(parts.uri.path());
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    let method = &parts.method;
    let (operation, resource) = match service {
        Service::S3 => s3(parts, &path),
        Service::Runtime => ("InvokeEndpoint".to_owned(), segments.get(1).copied().unwrap_or_default().to_owned()),
        Service::Lambda => lambda(method, &segments),
        Service::ApiGateway => api_gateway(method, &segments),
        Service::Iam | Service::Sts => (named(service, parts, body), form_member(body, &RESOURCE_MEMBERS)),
        Service::SageMaker | Service::Logs | Service::Other => (named(service, parts, body), json_member(body)),
    };
    let read = READS.iter().any(|read| operation.starts_with(read)) || operation == "CreatePresignedUrl";
    let unnamed_read = operation.contains(' ') && matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
    Described { operation, resource, write: !read && !unnamed_read }
}

/// The operation that a request names itself: `X-Amz-Target` after the dot, or the query protocol's `Action`.
pub(super) fn named(service: Service, parts: &Parts, body: &Bytes) -> String {
    match service {
        Service::Iam | Service::Sts => form_member(body, &["Action"]),
        _ => {
            let target = parts.headers.get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default();
            target.rsplit_once('.').map_or("", |(_, name)| name).to_owned()
        }
    }
}

fn form_member(body: &Bytes, names: &[&str]) -> String {
    let find = |name: &&str| form_urlencoded::parse(body).find(|(key, _)| key == *name).map(|(_, value)| value);
    names.iter().find_map(find).unwrap_or_default().into_owned()
}

fn json_member(body: &Bytes) -> String {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let name = RESOURCE_MEMBERS.iter().find_map(|name| body.get(*name)?.as_str());
    name.unwrap_or_default().to_owned()
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
fn lambda(method: &Method, segments: &[&str]) -> (String, String) {
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
        ["v2", collection] | ["v2", collection, _] => format!("{verb}{}", singular(collection)),
        ["v2", "apis", _, collection] | ["v2", "apis", _, collection, _] => format!("{verb}{}", singular(collection)),
        _ => format!("{method} /{}", segments.join("/")),
    };
    (name, resource)
}

fn decoded(path: &str) -> String {
    percent_decode_str(path).decode_utf8_lossy().into_owned()
}
