//! What each call needs to be allowed: an HTTP verb on a path.
//!
//! Source: "Actions, resources, and condition keys for Amazon API Gateway Management V2". Which permissions tags in a
//! create call need is told by refusals that users report: `apigateway:POST` below `/tags/` for an API, and
//! `apigateway:TagResource` on the collection for a stage, though no list of actions has it. Whether conditions on tags of
//! HTTP APIs are ever met is not known, so none is met here.

use http::Method;
use percent_encoding::percent_decode_str;
use serde_json::Value;

use crate::Cloud;
use crate::call::Call;
use crate::permission::Permission;
use crate::signature::percent_encoded;

/// What a call needs.
pub fn needs(cloud: &Cloud, call: &Call) -> Vec<Permission> {
    let path = call.path.strip_prefix("/v2").unwrap_or(&call.path).trim_end_matches('/');
    let arn = |path: &str| format!("arn:{}:apigateway:{}::{path}", cloud.config.partition(), cloud.config.region);
    let decoded = percent_decode_str(path).decode_utf8_lossy().into_owned();
    // The ARN in a tag's path stays as it came.
    let resource = arn(if path.starts_with("/tags/") { path } else { &decoded });
    let mut needs = vec![Permission::new(format!("apigateway:{}", call.method), resource.as_str())];
    let body: Value = serde_json::from_slice(&call.body).unwrap_or_default();
    let tags = body["tags"].as_object().is_some_and(|tags| !tags.is_empty());
    if call.method != Method::POST || !tags || path.starts_with("/tags/") {
        return needs;
    }
    needs.push(if path == "/apis" {
        let api = percent_encoded(&arn("/apis/"));
        Permission::new("apigateway:POST", arn(&format!("/tags/{api}*")))
    } else {
        Permission::new("apigateway:TagResource", resource)
    });
    needs
}
