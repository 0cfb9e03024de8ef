//! Errors on the wire: the code, the message, and the elements that S3 adds to them.
//!
//! `s3s` writes code and message alone. The elements of a refusal pass through it in a header of the answer, which never
//! leaves the process; what a refusal does not know, its request does. Source of the elements: answers of AWS that
//! `LocalStack`'s snapshot tests recorded, and moto's tests that are marked as verified against AWS.

use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response};
use percent_encoding::percent_decode_str;
use quick_xml::escape::{escape, unescape};
use s3s::{Body, S3Error, S3ErrorCode};

use super::refuse;
use crate::call::Refusal;

/// The header that carries a refusal's elements through `s3s`, as a URL query.
const ELEMENTS: &str = "x-local-refusal-elements";

impl From<Refusal> for S3Error {
    fn from(refusal: Refusal) -> Self {
        let code = S3ErrorCode::from_bytes(refusal.code.as_bytes()).unwrap_or(S3ErrorCode::InternalError);
        let mut error = Self::with_message(code, refusal.message);
        error.set_status_code(refusal.status);
        if !refusal.members.is_empty() {
            let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(&refusal.members).finish();
            if let Ok(query) = HeaderValue::try_from(query) {
                error.set_headers(HeaderMap::from_iter([(http::HeaderName::from_static(ELEMENTS), query)]));
            }
        }
        error
    }
}

/// Adds headers to an error's answer.
pub(super) fn with_headers(mut error: S3Error, added: &[(&'static str, &str)]) -> S3Error {
    let mut headers = error.headers().cloned().unwrap_or_default();
    for (name, value) in added {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(*name, value);
        }
    }
    error.set_headers(headers);
    error
}

/// What a request is about, as its errors name it.
#[derive(Debug)]
pub(super) struct Subject {
    method: Method,
    bucket: Option<String>,
    key: Option<String>,
    upload: Option<String>,
    range: Option<String>,
}

impl Subject {
    /// Reads a request.
    pub(super) fn of(parts: &Parts) -> Self {
        let path = percent_decode_str(parts.uri.path().trim_start_matches('/')).decode_utf8_lossy();
        let (bucket, key) = path.split_once('/').unwrap_or((&path, ""));
        let given = |name: &str| Some(name.to_owned()).filter(|name| !name.is_empty());
        let mut query = form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes());
        Self {
            method: parts.method.clone(),
            bucket: given(bucket),
            key: given(key),
            upload: query.find(|(name, _)| name == "uploadId").map(|(_, id)| id.into_owned()),
            range: parts.headers.get(http::header::RANGE).and_then(|range| range.to_str().ok()).map(str::to_owned),
        }
    }

    /// Whether a request completes an upload in parts.
    pub(super) fn is_completion(&self) -> bool {
        self.method == Method::POST && self.upload.is_some()
    }

    /// The elements of this code that a request knows.
    fn elements(&self, code: &str) -> Vec<(&'static str, &str)> {
        let known: &[(&str, Option<&str>)] = match code {
            "BucketAlreadyOwnedByYou"
            | "BucketNotEmpty"
            | "InvalidBucketName"
            | "NoSuchBucket"
            | "NoSuchBucketPolicy"
            | "NoSuchLifecycleConfiguration"
            | "NoSuchPublicAccessBlockConfiguration"
            | "NoSuchTagSet"
            | "OwnershipControlsNotFoundError" => &[("BucketName", self.bucket.as_deref())],
            "NoSuchKey" => &[("Key", self.key.as_deref())],
            "NoSuchUpload" | "InvalidPart" | "InvalidPartOrder" => &[("UploadId", self.upload.as_deref())],
            "MethodNotAllowed" => &[("Method", Some(self.method.as_str())), ("ResourceType", Some("OBJECT"))],
            "InvalidRange" => &[("RangeRequested", self.range.as_deref())],
            _ => &[],
        };
        known.iter().filter_map(|(name, value)| Some((*name, (*value)?))).collect()
    }

    /// Completes an answer of `s3s`: an error gets its message, if it has none, and its elements.
    pub(super) fn complete(&self, mut response: Response<Body>) -> Response<Body> {
        let elements = response.headers_mut().remove(ELEMENTS);
        let status = response.status();
        if !status.is_client_error() && !status.is_server_error() {
            return response;
        }
        let Some((code, message)) = read(&response) else { return response };
        if let Some(refusal) = refuse::not_offered(&code, message.as_deref().unwrap_or_default()) {
            return render(&refusal);
        }
        let message = message.or_else(|| refuse::sentence(&code).map(str::to_owned));
        let elements = elements.as_ref().map(HeaderValue::as_bytes).unwrap_or_default();
        let mut elements: Vec<_> =
            form_urlencoded::parse(elements).map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
        for (name, value) in self.elements(&code) {
            if !elements.iter().any(|(known, _)| known == name) {
                elements.push((name.to_owned(), value.to_owned()));
            }
        }
        let elements = elements.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let text = document(&code, message.as_deref(), elements);
        let headers = response.headers_mut();
        headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/xml"));
        headers.insert(http::header::CONTENT_LENGTH, HeaderValue::from(text.len()));
        *response.body_mut() = Body::from(text);
        response
    }
}

/// Code and message of an error document.
pub(super) fn read(response: &Response<Body>) -> Option<(String, Option<String>)> {
    let text = String::from_utf8(response.body().bytes()?.to_vec()).ok()?;
    let element = |name: &str| {
        let (_, rest) = text.split_once(&format!("<{name}>"))?;
        rest.split_once(&format!("</{name}>")).map(|(value, _)| unescape(value).unwrap_or_default().into_owned())
    };
    Some((element("Code")?, element("Message")))
}

/// Writes a refusal that `s3s` does not see.
pub(super) fn render(refusal: &Refusal) -> Response<Body> {
    let elements = refusal.members.iter().map(|(name, value)| (*name, value.as_str()));
    let mut response = Response::new(Body::from(document(&refusal.code, Some(&refusal.message), elements)));
    *response.status_mut() = refusal.status;
    response.headers_mut().insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    response
}

fn document<'a>(code: &'a str, message: Option<&'a str>, elements: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let message = message.map(|message| ("Message", message));
    let elements = [("Code", code)].into_iter().chain(message).chain(elements);
    let elements = elements.map(|(name, value)| format!("<{name}>{}</{name}>", escape(value)));
    format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error>{}</Error>", elements.collect::<String>())
}

#[cfg(test)]
mod tests {
    use http::Request;
    use http_body_util::BodyExt as _;

    use super::*;

    async fn completed(request: http::request::Builder, refusal: Refusal) -> String {
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let response = S3Error::from(refusal).to_http_response().unwrap();
        let response = Subject::of(&parts).complete(response);
        assert!(!response.headers().contains_key(ELEMENTS));
        let text = response.into_body().collect().await.unwrap().to_bytes();
        String::from_utf8_lossy(&text).split_once("?>").unwrap().1.to_owned()
    }

    #[tokio::test]
    async fn errors_name_what_the_request_is_about_and_what_the_refusal_knows() {
        let get = || Request::get("/data/a%20%26%20b?uploadId=U&versionId=V").header("range", "bytes=9-");
        insta::assert_snapshot!(completed(get(), refuse::no_such_bucket()).await, @"<Error><Code>NoSuchBucket</Code><Message>The specified bucket does not exist</Message><BucketName>data</BucketName></Error>");
        insta::assert_snapshot!(completed(get(), refuse::no_such_bucket().with("BucketName", "source")).await, @"<Error><Code>NoSuchBucket</Code><Message>The specified bucket does not exist</Message><BucketName>source</BucketName></Error>");
        insta::assert_snapshot!(completed(get(), refuse::no_such_key()).await, @"<Error><Code>NoSuchKey</Code><Message>The specified key does not exist.</Message><Key>a &amp; b</Key></Error>");
        insta::assert_snapshot!(completed(get(), refuse::no_such_upload()).await, @"<Error><Code>NoSuchUpload</Code><Message>The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.</Message><UploadId>U</UploadId></Error>");
        insta::assert_snapshot!(completed(get(), refuse::invalid_range().with("ActualObjectSize", 5)).await, @"<Error><Code>InvalidRange</Code><Message>The requested range is not satisfiable</Message><ActualObjectSize>5</ActualObjectSize><RangeRequested>bytes=9-</RangeRequested></Error>");
        insta::assert_snapshot!(completed(get(), refuse::precondition_failed("If-Match")).await, @"<Error><Code>PreconditionFailed</Code><Message>At least one of the pre-conditions you specified did not hold</Message><Condition>If-Match</Condition></Error>");
    }
}
