//! S3 on disk, by `s3s` with a backend of our own.
//!
//! `s3s` speaks the protocol: routes, signatures, framing, XML. Below it, `api` joins operations and callers, and
//! the other modules are the backend: an index in one JSON file (`index`) and bodies beside it (`bodies`).

mod access;
mod acl;
mod api;
mod attributes;
mod bodies;
mod bucket;
mod checksum;
mod completion;
mod condition;
mod copy;
mod create_route;
mod error;
mod index;
mod integrity;
mod lifecycle;
mod listing;
mod members;
mod meta;
mod multipart;
mod needs;
mod object;
mod own;
mod policy;
mod post_form;
mod read;
mod refuse;
mod routes;
mod settings;
mod signed;
mod tags;
#[cfg(test)]
mod tests;

use std::io::Read as _;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use jiff::Timestamp;
use s3s::config::StaticConfigProvider;
use s3s::service::S3ServiceBuilder;
use s3s::validation::NameValidation;

pub(crate) use self::access::may;
use self::bodies::Bodies;
use self::checksum::Algorithm;
use self::error::{Subject, render};
use self::index::Index;
pub(crate) use self::signed::{is_control, is_post_form, is_signed_by_version_2, presigned_service};
use crate::Cloud;
use crate::cloud::Config;
use crate::server;
use crate::state::{Persisted, StateError};

/// The service's state.
#[derive(Debug)]
pub struct S3 {
    index: Persisted<Index>,
    bodies: Arc<Bodies>,
    account: String,
    region: String,
}

impl S3 {
    /// Reads the state. Bodies exist only after the index was written: without it, they are those of a lost one.
    pub fn open(config: &Config) -> Result<Self, StateError> {
        let state_dir = config.state_dir.clone();
        let index: Persisted<Index> = Persisted::open(&state_dir, "s3")?;
        let opened = index.read(|index| Bodies::in_folder(&state_dir, index));
        let bodies = opened.map_err(|source| StateError::Io { path: state_dir.join("s3"), source })?;
        let path = state_dir.join("s3.json");
        if let Some(proof) = bodies.orphan().filter(|_| !path.exists()) {
            return Err(StateError::Missing { path, proof, state_dir });
        }
        let bodies = Arc::new(bodies);
        Ok(Self { index, bodies, account: config.account.clone(), region: config.region.clone() })
    }

    /// Whether no bucket exists, and no body is in quarantine.
    pub fn is_empty(&self) -> bool {
        self.index.read(|index| index.buckets.is_empty()) && !self.bodies.has_quarantine()
    }

    /// The current version of an object, for the other services. None when bucket or key is absent.
    pub fn object(&self, bucket: &str, key: &str) -> Option<Bytes> {
        let (_, content, mut file) = self.open_version(bucket, key, None).ok()?;
        let mut body = Vec::with_capacity(usize::try_from(content.size).ok()?);
        match file.read_to_end(&mut body) {
            Ok(_) => Some(Bytes::from(body)),
            Err(error) => {
                tracing::error!(bucket, key, %error, "could not read an object's file");
                None
            }
        }
    }

    /// A bucket's policy, as it was put.
    fn policy(&self, bucket: &str) -> Option<String> {
        self.index.read(|index| index.buckets.get(bucket)?.policy.clone())
    }

    /// Whether there is such a bucket.
    pub fn exists(&self, bucket: &str) -> bool {
        self.index.read(|index| index.buckets.contains_key(bucket))
    }
}

/// Answers one request whose signature has not been checked: `s3s` checks it.
pub async fn handle(cloud: &Arc<Cloud>, request: Request<s3s::Body>) -> Response<s3s::Body> {
    let (mut parts, mut body) = request.into_parts();
    let region = &cloud.config.region;
    let subject = Subject::of(&parts);
    if let Err(refusal) = signed::check(&parts, region, Timestamp::now()) {
        return render(&refusal);
    }
    signed::move_to_headers(&mut parts);
    let is_form = is_post_form(&parts.method, &parts.headers);
    if is_form {
        body = match post_form::prepare(&mut parts, body, region).await {
            Ok(body) => body,
            Err(refusal) => return render(&refusal),
        };
    }
    let (body, read) = integrity::watched(body, &parts.headers, server::is_object(&parts));
    let mut builder = builder(cloud);
    builder.set_route(routes::Routes::new(cloud));
    if is_form {
        builder.set_config(Arc::new(StaticConfigProvider::new(Arc::new(post_form::config()))));
    }
    match builder.build().call(Request::from_parts(parts, body)).await {
        Ok(response) if response.status().is_server_error() && read.is_broken() => render(&refuse::sha256_mismatch()),
        Ok(response) if is_form => post_form::reworded(subject.complete(response)),
        Ok(response)
            if response.status() == 400 && error::read(&response).is_some_and(|(code, _)| code == "MalformedXML") =>
        {
            let text = read.text();
            // `s3s` reads an absent document as a malformed one.
            let no_parts = || (text.is_empty() && subject.is_completion()).then(refuse::no_parts);
            let refusal = members::refused_in(&text).or_else(no_parts);
            refusal.map_or_else(|| subject.complete(response), |refusal| render(&refusal))
        }
        Ok(response) => subject.complete(adjusted(response)),
        Err(error) => {
            let error: s3s::StdError = error.into();
            render(&refuse::broken(&error))
        }
    }
}

/// `s3s` with our operations and our rights.
fn builder(cloud: &Arc<Cloud>) -> S3ServiceBuilder {
    let mut builder = S3ServiceBuilder::new(api::Api(Arc::clone(cloud)));
    builder.set_auth(access::Access(Arc::clone(cloud)));
    builder.set_access(access::Access(Arc::clone(cloud)));
    builder.set_validation(AnyName);
    builder
}

/// Lets every bucket name pass: our own check gives AWS's message, which `s3s` leaves out.
struct AnyName;

impl NameValidation for AnyName {
    fn validate_bucket_name(&self, _name: &str) -> bool {
        true
    }
}

/// Gives an answer what its extensions say: the status, since `s3s` answers most requests with 200, and an entity tag
/// without quotes.
fn adjusted(mut response: Response<s3s::Body>) -> Response<s3s::Body> {
    if response.extensions_mut().remove::<attributes::BareEntityTag>().is_some()
        && let Some(text) = response.body().bytes().and_then(|body| String::from_utf8(body.to_vec()).ok())
    {
        *response.body_mut() = s3s::Body::from(text.replace("<ETag>\"", "<ETag>").replace("\"</ETag>", "</ETag>"));
    }
    if let Some(status) = response.extensions_mut().remove::<StatusCode>() {
        *response.status_mut() = status;
    }
    response
}
