//! Uploads by a form (`POST` of `multipart/form-data` with a signed policy), as far as `s3s` leaves them open: the name
//! of the file within the fields, the session token, the region of the signature, and AWS's words.
//!
//! Source: "Browser-Based Uploads Using POST" of the S3 API reference.

use std::io;

use bytes::{Bytes, BytesMut};
use futures::StreamExt as _;
use http::request::Parts;
use http::{HeaderValue, Response};
use s3s::Body;
use s3s::config::S3Config;
use s3s::dto::StreamingBlob;

use super::{error, refuse, signed};
use crate::call::Refusal;

/// Most bytes of the fields before the file. Source: the code `MaxPostPreDataLengthExceeded` of the API reference.
const MAX_FIELDS: usize = 20 * 1024;
/// Most bytes of a file that comes by a form, since `s3s` holds it in memory. AWS takes 5 GB.
const MAX_FILE: u64 = 512 * 1024 * 1024;
/// For how many seconds a form can be signed: as long as a presigned URL. Its policy says when it expires.
const MAX_AGE_S: u32 = 604_800;

/// How `s3s` treats a request that is a form. It would take its date for that of the request.
pub(super) fn config() -> S3Config {
    let mut config = S3Config::default();
    config.post_object_max_file_size = MAX_FILE;
    config.presigned_url_max_skew_time_secs = MAX_AGE_S;
    config
}

/// Reads the fields, checks where the signature is for, and puts the file's name in.
pub(super) async fn prepare(parts: &mut Parts, mut body: Body, region: &str) -> Result<Body, Refusal> {
    let mut fields = BytesMut::new();
    let end = loop {
        if let Some(end) = file_begins(&fields) {
            break end;
        }
        if fields.len() > MAX_FIELDS {
            let why = "Your POST request fields preceding the upload file were too large.";
            return Err(Refusal::new(400, "MaxPostPreDataLengthExceeded", why));
        }
        match body.next().await {
            Some(Ok(bytes)) => fields.extend_from_slice(&bytes),
            Some(Err(_)) => return Err(refuse::incomplete_body()),
            None => {
                return Err(refuse::invalid_argument(
                    "file",
                    None,
                    "POST requires exactly one file upload per request.",
                ));
            }
        }
    };
    let file = fields.split_off(end).freeze();
    let fields = String::from_utf8_lossy(&fields).into_owned();
    check(parts, &fields, region)?;
    let fields = fields.replace("${filename}", &file_name(&fields));
    let first = futures::stream::iter([Ok(Bytes::from(fields)), Ok(file)]);
    let rest = body.map(|bytes| bytes.map_err(io::Error::other));
    Ok(Body::from(StreamingBlob::wrap(first.chain(rest))))
}

/// Where the bytes of the file begin.
fn file_begins(fields: &[u8]) -> Option<usize> {
    let find = |text: &[u8], from: usize| {
        fields.get(from..)?.windows(text.len()).position(|window| window == text).map(|at| from + at)
    };
    let part = find(b"name=\"file\"", 0)?;
    Some(find(b"\r\n\r\n", part)? + 4)
}

/// The name of the file behind the last slash or backslash; empty where the form gives none.
fn file_name(fields: &str) -> String {
    let head = fields.rsplit_once("name=\"file\"").map_or("", |(_, head)| head);
    let name = head.split_once("filename=\"").and_then(|(_, name)| Some(name.split_once('"')?.0)).unwrap_or_default();
    name.rsplit(['/', '\\']).next().unwrap_or_default().chars().filter(|c| !c.is_control()).collect()
}

/// The value of a field; names have no case.
fn field<'a>(fields: &'a str, name: &str) -> Option<&'a str> {
    let parts = fields.split("name=\"").skip(1).filter_map(|part| part.split_once('"'));
    let (_, rest) = parts.into_iter().find(|(found, _)| found.eq_ignore_ascii_case(name))?;
    rest.split_once("\r\n\r\n")?.1.split("\r\n--").next()
}

fn check(parts: &mut Parts, fields: &str, region: &str) -> Result<(), Refusal> {
    if let (Some(credential), Some(date)) = (field(fields, "x-amz-credential"), field(fields, "x-amz-date")) {
        signed::check_scope(credential, date, region)?;
    } else if field(fields, "awsaccesskeyid").is_some() && !signed::takes_version_2(region) {
        return Err(signed::version_2_is_refused());
    }
    if let Some(token) = field(fields, "x-amz-security-token")
        && let Ok(token) = HeaderValue::from_str(token)
    {
        parts.headers.insert("x-amz-security-token", token);
    }
    Ok(())
}

/// Says in AWS's words what a policy refuses.
pub(super) fn reworded(response: Response<Body>) -> Response<Body> {
    if !response.status().is_client_error() {
        return response;
    }
    match error::read(&response) {
        Some((code, Some(message))) => match in_words_of_aws(&code, &message) {
            Some(refusal) => error::render(&refusal),
            None => response,
        },
        _ => response,
    }
}

fn in_words_of_aws(code: &str, message: &str) -> Option<Refusal> {
    let denied = |why: String| Refusal::new(403, "AccessDenied", format!("Invalid according to Policy: {why}"));
    let failed = |kind: &str| {
        let (field, rest) = message
            .strip_prefix(&format!("Policy condition '{kind}' for field '"))?
            .split_once("' failed: expected ")?;
        let value = rest.trim_start_matches("prefix ").strip_prefix('\'')?.rsplit_once("', got '")?.0;
        let condition = serde_json::to_string(&[kind, &format!("${field}"), value]).unwrap_or_default();
        Some(denied(format!("Policy Condition failed: {}", condition.replace("\",\"", "\", \""))))
    };
    match code {
        "AccessDenied" if message == "Request has expired" => Some(denied("Policy expired.".to_owned())),
        "AccessDenied" => {
            let name = message.strip_suffix("\" not specified in the policy.")?.rsplit_once('"')?.1;
            Some(denied(format!("Extra input fields: {name}")))
        }
        "InvalidPolicyDocument" => failed("eq").or_else(|| failed("starts-with")),
        "EntityTooLarge" => Some(Refusal::new(400, code, "Your proposed upload exceeds the maximum allowed size")),
        "EntityTooSmall" => {
            Some(Refusal::new(400, code, "Your proposed upload is smaller than the minimum allowed size"))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_of_a_form_are_found() {
        let form = "--b\r\nContent-Disposition: form-data; name=\"key\"\r\n\r\nup/${filename}\r\n--b\r\n\
                    Content-Disposition: form-data; name=\"AWSAccessKeyId\"\r\n\r\nAKIA\r\n--b\r\n\
                    Content-Disposition: form-data; name=\"file\"; filename=\"C:\\dir\\a.csv\"\r\n\r\n1,2\r\n--b--\r\n";
        let end = file_begins(form.as_bytes()).unwrap();
        assert!(form[end..].starts_with("1,2"));
        assert_eq!(file_name(&form[..end]), "a.csv");
        assert_eq!(field(form, "key"), Some("up/${filename}"));
        assert_eq!(field(form, "awsaccesskeyid"), Some("AKIA"));
        assert_eq!(field(form, "policy"), None);
    }

    #[test]
    fn what_a_policy_refuses_is_said_as_aws_says_it() {
        let said = |code: &str, message: &str| in_words_of_aws(code, message).map(|refusal| refusal.message);
        let eq = "Policy condition 'eq' for field 'key' failed: expected 'a', got 'b'";
        let text = "Invalid according to Policy: Policy Condition failed: [\"eq\", \"$key\", \"a\"]";
        assert_eq!(said("InvalidPolicyDocument", eq).as_deref(), Some(text));
        let starts = "Policy condition 'starts-with' for field 'key' failed: expected prefix 'up/', got 'b'";
        let text = "Invalid according to Policy: Policy Condition failed: [\"starts-with\", \"$key\", \"up/\"]";
        assert_eq!(said("InvalidPolicyDocument", starts).as_deref(), Some(text));
        let extra = "Each form field that you specify in a form must appear in the list of policy conditions. \"acl\" \
                     not specified in the policy.";
        assert_eq!(
            said("AccessDenied", extra).as_deref(),
            Some("Invalid according to Policy: Extra input fields: acl")
        );
    }
}
