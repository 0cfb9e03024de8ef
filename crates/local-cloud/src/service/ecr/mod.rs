//! ECR: repositories, and in them images of blobs and manifests; also the registry's own HTTP API.
//!
//! Layers and manifests are files, named by their digests; what is known about them is state. Unlike AWS, an image is
//! never converted into another media type, and a layer goes with the last image that has it.

mod check;
mod images;
mod layers;
mod manifest;
mod needs;
mod record;
mod registry;
mod repositories;
mod store;
mod tags;
#[cfg(test)]
mod tests;
mod token;

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};

use self::check::text;
pub use self::needs::needs;
use self::record::Registry;
pub(crate) use self::registry::{admits, is_registry, serve};
use self::store::Store;
use crate::Cloud;
use crate::call::{self, Call, Refusal, Reply};
use crate::cloud::{Config, dns_suffix};
use crate::state::{Persisted, StateError};

/// The service's state.
#[derive(Debug)]
pub struct Ecr {
    account: String,
    region: String,
    partition: &'static str,
    base_url: String,
    /// What tokens and download addresses are signed with.
    secret: Secret,
    registry: Persisted<Registry>,
    store: Store,
}

/// A text that is never printed.
struct Secret(String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

impl Ecr {
    /// Reads the state.
    pub fn open(config: &Config) -> Result<Self, StateError> {
        Ok(Self {
            account: config.account.clone(),
            region: config.region.clone(),
            partition: config.partition(),
            base_url: config.base_url.clone(),
            secret: Secret(config.secret_access_key.clone()),
            registry: Persisted::open(&config.state_dir, "ecr")?,
            store: Store::new(config.state_dir.join("ecr")),
        })
    }

    /// Whether no repository exists.
    pub fn is_empty(&self) -> bool {
        self.registry.read(|registry| registry.repositories.is_empty())
    }

    /// Whether a repository exists.
    pub(crate) fn has_repository(&self, name: &str) -> bool {
        self.registry.read(|registry| registry.repositories.contains_key(name))
    }

    /// `<account>.dkr.ecr.<region>.<suffix>`.
    fn host(&self) -> String {
        format!("{}.dkr.ecr.{}.{}", self.account, self.region, dns_suffix(&self.region))
    }

    /// ARN of a repository; `*` for all of them.
    fn arn(&self, repository: &str) -> String {
        format!("arn:{}:ecr:{}:{}:repository/{repository}", self.partition, self.region, self.account)
    }
}

/// Answers one call in JSON 1.1.
pub async fn handle(cloud: &Arc<Cloud>, call: &Call) -> Reply {
    let (cloud, call) = (Arc::clone(cloud), call.clone());
    // Layers are hashed and written to the disk, which must not hold up other calls.
    let answered = tokio::task::spawn_blocking(move || answer(&cloud, &call)).await;
    answered.unwrap_or_else(|error| Err(Refusal::new(500, "ServerException", error.to_string())))
}

fn answer(cloud: &Cloud, call: &Call) -> Reply {
    let malformed = |error: serde_json::Error| Refusal::new(400, "SerializationException", error.to_string());
    let body: Value =
        if call.body.is_empty() { json!({}) } else { serde_json::from_slice(&call.body).map_err(malformed)? };
    let ecr = &cloud.ecr;
    if let Some(registry) = text(&body, "registryId")?.filter(|registry| *registry != ecr.account) {
        return Err(Refusal::not_offered(format!("registries of other accounts, such as `{registry}`")));
    }
    let answer = match call.operation.as_str() {
        "CreateRepository" => repositories::create(ecr, &body),
        "DescribeRepositories" => repositories::describe(ecr, &body),
        "DeleteRepository" => repositories::delete(ecr, &body),
        "PutImageTagMutability" => repositories::put_mutability(ecr, &body),
        "TagResource" => tags::tag(ecr, &body),
        "UntagResource" => tags::untag(ecr, &body),
        "ListTagsForResource" => tags::list(ecr, &body),
        "BatchCheckLayerAvailability" => layers::check(ecr, &body),
        "InitiateLayerUpload" => layers::initiate(ecr, &body),
        "UploadLayerPart" => layers::upload_part(ecr, &body),
        "CompleteLayerUpload" => layers::complete(ecr, &body),
        "GetDownloadUrlForLayer" => layers::download_url(ecr, &body),
        "PutImage" => images::put(ecr, &body),
        "BatchGetImage" => images::get(ecr, &body),
        "DescribeImages" => images::describe(ecr, &body),
        "ListImages" => images::list_images(ecr, &body),
        "BatchDeleteImage" => images::delete(ecr, &body),
        "GetAuthorizationToken" => Ok(token::give(ecr, &call.caller)),
        other => Err(Refusal::no_operation("ECR", other)),
    }?;
    Ok(call::json(&answer))
}

/// What a blob is, when a file of it is there.
fn read_failed(error: &std::io::Error) -> Refusal {
    tracing::error!(%error, "could not read or write an image");
    Refusal::of_disk("an image", error)
}

impl Ecr {
    /// The whole of a layer or a configuration.
    pub(crate) fn blob(&self, repository: &str, digest: &str) -> Option<Bytes> {
        let folder = self.registry.read(|registry| {
            let repository = registry.repositories.get(repository)?;
            repository.layers.contains_key(digest).then(|| repository.folder.clone())
        })?;
        self.store.read(&folder, digest).ok().map(Bytes::from)
    }
}
