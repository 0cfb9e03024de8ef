//! The registry's own HTTP API, as Docker and its kin speak it: pulls, and pushes in as many chunks as one likes.
//!
//! Source: the specification of Docker's Registry HTTP API V2, and AWS's documentation of the registry's authentication.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, LOCATION, RANGE, WWW_AUTHENTICATE};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, Response, StatusCode};
use serde_json::json;

use super::check::is_digest;
use super::{Ecr, needs, token};
use crate::Cloud;
use crate::call::{Caller, Refusal};

const VERSION: HeaderName = HeaderName::from_static("docker-distribution-api-version");
const CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");
const UPLOAD: HeaderName = HeaderName::from_static("docker-upload-uuid");

/// What a path of the API is about.
#[derive(Debug, PartialEq, Eq)]
enum Route<'a> {
    /// Whether there is a registry, and whether one may come in.
    Base,
    Tags(&'a str),
    /// Repository, and tag or digest.
    Manifest(&'a str, &'a str),
    /// Repository and digest.
    Blob(&'a str, &'a str),
    /// Repository, and the upload's id, which is empty for a new one.
    Upload(&'a str, &'a str),
}

/// Whether a path that nobody signed is one of the registry.
pub(crate) fn is_registry(path: &str) -> bool {
    route(path).is_some()
}

/// Whether a request carries a password that was given out. Without one its body is of no use.
pub(crate) fn admits(cloud: &Cloud, parts: &Parts) -> bool {
    caller(&cloud.ecr, parts).is_some()
}

fn route(path: &str) -> Option<Route<'_>> {
    let rest = path.strip_prefix("/v2/")?;
    if rest.is_empty() {
        return Some(Route::Base);
    }
    if let Some(name) = rest.strip_suffix("/tags/list") {
        return Some(Route::Tags(name));
    }
    if let Some((name, id)) = rest.rsplit_once("/blobs/uploads/") {
        return Some(Route::Upload(name, id));
    }
    if let Some((name, digest)) = rest.rsplit_once("/blobs/") {
        return Some(Route::Blob(name, digest));
    }
    rest.rsplit_once("/manifests/").map(|(name, reference)| Route::Manifest(name, reference))
}

/// Answers one request.
pub(crate) async fn serve(cloud: &Arc<Cloud>, parts: Parts, body: Bytes) -> Response<Bytes> {
    let cloud = Arc::clone(cloud);
    let answered = tokio::task::spawn_blocking(move || {
        let answer = answer(&cloud, &parts, &body).unwrap_or_else(|refusal| refused(&refusal));
        if parts.method == Method::HEAD { answer.map(|_| Bytes::new()) } else { answer }
    });
    let mut answer = answered.await.unwrap_or_else(|error| refused(&Refusal::new(500, "UNKNOWN", error.to_string())));
    answer.headers_mut().insert(VERSION, HeaderValue::from_static("registry/2.0"));
    answer
}

fn answer(cloud: &Cloud, parts: &Parts, body: &Bytes) -> Result<Response<Bytes>, Refusal> {
    let ecr = &cloud.ecr;
    let query = parts.uri.query().unwrap_or_default();
    let route = route(parts.uri.path()).ok_or_else(|| unsupported(&parts.method))?;
    if let (&Method::GET, Route::Blob(name, digest)) = (&parts.method, &route)
        && token::is_download(ecr, name, digest, query)
    {
        return blob(ecr, name, digest);
    }
    let Some(caller) = caller(ecr, parts) else { return Ok(who_is_it(ecr)) };
    let may = |action: &str, name: &str| may(cloud, &caller, action, name);
    match (&parts.method, route) {
        (&Method::GET, Route::Base) => Ok(json_answer(StatusCode::OK, &json!({}))),
        (&Method::GET, Route::Tags(name)) => {
            may("ecr:ListImages", name)?;
            let tags = ecr.tags_of(name).map_err(translated)?;
            Ok(json_answer(StatusCode::OK, &json!({ "name": name, "tags": tags })))
        }
        (&Method::GET | &Method::HEAD, Route::Manifest(name, reference)) => {
            may("ecr:BatchGetImage", name)?;
            let found = ecr.image(name, reference).map_err(translated)?;
            let unknown = || Refusal::new(404, "MANIFEST_UNKNOWN", "Requested image not found");
            let found = found.ok_or_else(unknown)?;
            let length = found.manifest.len().to_string();
            let mut response = Response::new(found.manifest);
            header(&mut response, CONTENT_TYPE, &found.media_type);
            header(&mut response, CONTENT_DIGEST, &found.digest);
            header(&mut response, CONTENT_LENGTH, &length);
            Ok(response)
        }
        (&Method::GET | &Method::HEAD, Route::Blob(name, digest)) => {
            may("ecr:GetDownloadUrlForLayer", name)?;
            blob(ecr, name, digest)
        }
        (&Method::POST, Route::Upload(name, "")) => {
            may("ecr:InitiateLayerUpload", name)?;
            let id = ecr.begin_upload(name).map_err(translated)?;
            Ok(accepted(name, &id, 0))
        }
        (&Method::PATCH, Route::Upload(name, id)) => {
            may("ecr:UploadLayerPart", name)?;
            let received = ecr.receive(name, id, body).map_err(translated)?;
            Ok(accepted(name, id, received))
        }
        (&Method::PUT, Route::Upload(name, id)) => {
            may("ecr:CompleteLayerUpload", name)?;
            complete(ecr, name, id, query, body)
        }
        (&Method::PUT, Route::Manifest(name, reference)) => {
            may("ecr:PutImage", name)?;
            put_manifest(ecr, name, reference, parts, body)
        }
        // ECR deletes by its own API alone.
        (method, _) => Err(unsupported(method)),
    }
}

fn blob(ecr: &Ecr, name: &str, digest: &str) -> Result<Response<Bytes>, Refusal> {
    if !ecr.has_repository(name) {
        return Err(translated(ecr.no_repository(name)));
    }
    let unknown = || Refusal::new(404, "BLOB_UNKNOWN", "blob unknown to registry");
    let bytes = ecr.blob(name, digest).ok_or_else(unknown)?;
    let length = bytes.len().to_string();
    let mut response = Response::new(bytes);
    header(&mut response, CONTENT_TYPE, "application/octet-stream");
    header(&mut response, CONTENT_DIGEST, digest);
    header(&mut response, CONTENT_LENGTH, &length);
    Ok(response)
}

/// The last chunk may come with it.
fn complete(ecr: &Ecr, name: &str, id: &str, query: &str, body: &Bytes) -> Result<Response<Bytes>, Refusal> {
    let digest = form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == "digest");
    let missing = || Refusal::new(400, "DIGEST_INVALID", "the query needs a digest");
    let digest = digest.map(|(_, digest)| digest.into_owned()).ok_or_else(missing)?;
    if !body.is_empty() {
        ecr.receive(name, id, body).map_err(translated)?;
    }
    match ecr.complete_upload(name, id, &[&digest]) {
        Err(refusal) if refusal.code != "LayerAlreadyExistsException" => return Err(translated(refusal)),
        _ => {}
    }
    Ok(created(&format!("/v2/{name}/blobs/{digest}"), &digest))
}

fn put_manifest(
    ecr: &Ecr,
    name: &str,
    reference: &str,
    parts: &Parts,
    body: &Bytes,
) -> Result<Response<Bytes>, Refusal> {
    let told = parts.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let text = std::str::from_utf8(body).map_err(|_| Refusal::new(400, "MANIFEST_INVALID", "it is no text"))?;
    let tag = (!is_digest(reference)).then_some(reference);
    let digest = match ecr.put_image(name, text, told, tag) {
        Ok((digest, _)) => digest,
        Err(refusal) if refusal.code == "ImageAlreadyExistsException" => {
            let known = ecr.image(name, reference).map_err(translated)?;
            known.map(|found| found.digest).unwrap_or_default()
        }
        Err(refusal) => return Err(translated(refusal)),
    };
    Ok(created(&format!("/v2/{name}/manifests/{digest}"), &digest))
}

/// Whom the password in the request was given to.
fn caller(ecr: &Ecr, parts: &Parts) -> Option<Caller> {
    let value = parts.headers.get(AUTHORIZATION)?.to_str().ok()?;
    let pair = String::from_utf8(BASE64.decode(value.strip_prefix("Basic ")?).ok()?).ok()?;
    let (user, password) = pair.split_once(':')?;
    token::caller(ecr, user, password)
}

fn may(cloud: &Cloud, caller: &Caller, action: &str, name: &str) -> Result<(), Refusal> {
    let allowed = cloud.iam.ask(caller, &needs::on_repository(&cloud.ecr, action, name));
    allowed.map_err(|message| Refusal::new(403, "DENIED", message))
}

fn who_is_it(ecr: &Ecr) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from_static(b"Not Authorized\n"));
    *response.status_mut() = StatusCode::UNAUTHORIZED;
    let realm = format!("Basic realm=\"{}/\",service=\"ecr.amazonaws.com\"", ecr.base_url);
    header(&mut response, WWW_AUTHENTICATE, &realm);
    response
}

/// A refusal of the AWS API in the words of this one.
fn translated(refusal: Refusal) -> Refusal {
    let (status, code) = match refusal.code.as_str() {
        "RepositoryNotFoundException" => (404, "NAME_UNKNOWN"),
        "UploadNotFoundException" => (404, "BLOB_UPLOAD_UNKNOWN"),
        "InvalidLayerException" | "InvalidLayerPartException" | "EmptyUploadException" => (400, "BLOB_UPLOAD_INVALID"),
        "LayersNotFoundException" | "ReferencedImagesNotFoundException" => (404, "MANIFEST_BLOB_UNKNOWN"),
        "ImageTagAlreadyExistsException" => (400, "TAG_INVALID"),
        "InvalidParameterException" => (405, "UNSUPPORTED"),
        _ => (500, "UNKNOWN"),
    };
    Refusal::new(status, code, refusal.message)
}

fn unsupported(method: &Method) -> Refusal {
    Refusal::new(405, "UNSUPPORTED", format!("{method} is not supported here"))
}

fn refused(refusal: &Refusal) -> Response<Bytes> {
    json_answer(refusal.status, &json!({ "errors": [{ "code": refusal.code, "message": refusal.message }] }))
}

fn json_answer(status: StatusCode, value: &serde_json::Value) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(value.to_string()));
    *response.status_mut() = status;
    header(&mut response, CONTENT_TYPE, "application/json");
    response
}

fn accepted(name: &str, id: &str, received: u64) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::ACCEPTED;
    header(&mut response, LOCATION, &format!("/v2/{name}/blobs/uploads/{id}"));
    header(&mut response, UPLOAD, id);
    header(&mut response, RANGE, &format!("0-{}", received.saturating_sub(1)));
    response
}

fn created(location: &str, digest: &str) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::CREATED;
    header(&mut response, LOCATION, location);
    header(&mut response, CONTENT_DIGEST, digest);
    response
}

/// A value that is no header is left out: it is ours, or was checked where it came in.
fn header(response: &mut Response<Bytes>, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

impl Ecr {
    fn tags_of(&self, name: &str) -> Result<Vec<String>, Refusal> {
        self.registry.read(|registry| {
            let images = self.repository(registry, name)?.images.values();
            let mut tags: Vec<String> = images.flat_map(|image| image.tags.iter().cloned()).collect();
            tags.sort();
            Ok(tags)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_of_another_service_is_none_of_the_registry() {
        assert_eq!(route("/v2/"), Some(Route::Base));
        assert_eq!(route("/v2/runner/fraud/manifests/1"), Some(Route::Manifest("runner/fraud", "1")));
        assert_eq!(route("/v2/a/blobs/sha256:00"), Some(Route::Blob("a", "sha256:00")));
        assert_eq!(route("/v2/a/blobs/uploads/"), Some(Route::Upload("a", "")));
        assert_eq!(route("/v2/a/tags/list"), Some(Route::Tags("a")));
        for other in ["/v2/apis", "/v2/apis/a1/routes", "/v2/tags/arn%3Aaws", "/", "/bucket/key"] {
            assert!(!is_registry(other), "{other}");
        }
    }
}
