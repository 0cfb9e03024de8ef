//! Images: a manifest whose blobs are there, under a digest and any number of tags.

use bytes::Bytes;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::check::{bad_digest, invalid, is_digest, is_tag, list, page, refuse, repository_name, required, text};
use super::record::{Image, Repository};
use super::{Ecr, manifest, read_failed, token};
use crate::call::Refusal;

/// An image that was looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) digest: String,
    pub(crate) media_type: String,
    pub(crate) manifest: Bytes,
}

/// `PutImage`.
pub(super) fn put(ecr: &Ecr, body: &Value) -> Result<Value, Refusal> {
    let (name, text_of) = (repository_name(body)?, |field| text(body, field));
    let (manifest, tag) = (required(body, "imageManifest")?, text_of("imageTag")?);
    let (told, wanted) = (text_of("imageManifestMediaType")?, text_of("imageDigest")?);
    let (digest, media_type) = ecr.put_image(name, manifest, told, tag)?;
    if wanted.is_some_and(|wanted| wanted != digest) {
        let message = format!("The image's digest is '{digest}', and not the one that was given");
        return Err(refuse("ImageDigestDoesNotMatchException", message));
    }
    Ok(json!({ "image": described_whole(ecr, name, &digest, tag, manifest, &media_type) }))
}

/// `BatchGetImage`. What is not there is a failure beside the rest.
pub(super) fn get(ecr: &Ecr, body: &Value) -> Result<Value, Refusal> {
    let name = repository_name(body)?;
    let accepted = list(body, "acceptedMediaTypes", 100)?;
    let (mut images, mut failures) = (vec![], vec![]);
    for id in ids(body)? {
        match ecr.registry.read(|registry| Ok::<_, Refusal>(resolve(ecr.repository(registry, name)?, id)))? {
            Ok(digest) => {
                let found = ecr.image(name, &digest)?.ok_or_else(|| ecr.no_repository(name))?;
                if accepted.is_some_and(|accepted| !accepted.iter().any(|media_type| *media_type == *found.media_type))
                {
                    let other = format!("the conversion of a manifest of type `{}`", found.media_type);
                    return Err(Refusal::not_offered(other));
                }
                let (tag, manifest) = (id["imageTag"].as_str(), String::from_utf8_lossy(&found.manifest));
                images.push(described_whole(ecr, name, &digest, tag, &manifest, &found.media_type));
            }
            Err((code, reason)) => {
                failures.push(json!({ "imageId": id, "failureCode": code, "failureReason": reason }));
            }
        }
    }
    Ok(json!({ "images": images, "failures": failures }))
}

/// `DescribeImages`. What is not there refuses the whole call.
pub(super) fn describe(ecr: &Ecr, body: &Value) -> Result<Value, Refusal> {
    let name = repository_name(body)?;
    let wanted = if body.get("imageIds").is_some_and(|ids| !ids.is_null()) { Some(ids(body)?) } else { None };
    ecr.registry.read(|registry| {
        let repository = ecr.repository(registry, name)?;
        let digests = match wanted {
            None => repository
                .images
                .iter()
                .filter(|(_, image)| passes(body, image))
                .map(|(digest, _)| digest.clone())
                .collect(),
            Some(ids) => ids
                .iter()
                .map(|id| resolve(repository, id).map_err(|_| no_image(ecr, name, id)))
                .collect::<Result<Vec<_>, _>>()?,
        };
        let item = |digest: &String| Some((digest.clone(), detail(ecr, name, digest, repository.images.get(digest)?)));
        page(body, "imageDetails", digests.iter().filter_map(item))
    })
}

/// `ListImages`: every tag, and every image that has none.
pub(super) fn list_images(ecr: &Ecr, body: &Value) -> Result<Value, Refusal> {
    let name = repository_name(body)?;
    ecr.registry.read(|registry| {
        let mut items = vec![];
        for (digest, image) in ecr.repository(registry, name)?.images.iter().filter(|(_, image)| passes(body, image)) {
            if image.tags.is_empty() {
                items.push((digest.clone(), json!({ "imageDigest": digest })));
            }
            for tag in &image.tags {
                items.push((format!("{digest} {tag}"), json!({ "imageDigest": digest, "imageTag": tag })));
            }
        }
        page(body, "imageIds", items)
    })
}

/// `BatchDeleteImage`: by tag the tag goes, and with its last tag the image; by digest the image goes.
pub(super) fn delete(ecr: &Ecr, body: &Value) -> Result<Value, Refusal> {
    let name = repository_name(body)?;
    let ids = ids(body)?;
    let (gone, failures, folder, blobs) = ecr.registry.write(|registry| {
        let repository = ecr.repository_mut(registry, name)?;
        let (mut gone, mut failures, mut orphans) = (vec![], vec![], vec![]);
        for id in ids {
            match remove(repository, id) {
                Ok((removed, files)) => {
                    gone.extend(removed);
                    orphans.extend(files);
                }
                Err((code, reason)) => {
                    failures.push(json!({ "imageId": id, "failureCode": code, "failureReason": reason }));
                }
            }
        }
        Ok((gone, failures, repository.folder.clone(), orphans))
    })?;
    for digest in &blobs {
        ecr.store.remove(&folder, digest);
    }
    Ok(json!({ "imageIds": gone, "failures": failures }))
}

type Failed = (&'static str, String);

/// Takes an image, or one of its tags, out; what went, and whose files nobody needs any more.
fn remove(repository: &mut Repository, id: &Value) -> Result<(Vec<Value>, Vec<String>), Failed> {
    let digest = resolve(repository, id)?;
    if repository.images.values().any(|image| image.images.contains(&digest)) {
        let reason = "The image is referenced by a list of images";
        return Err(("ImageReferencedByManifestList", reason.to_owned()));
    }
    let Some(image) = repository.images.get_mut(&digest) else { return Ok((vec![], vec![])) };
    if let (Some(tag), None) = (id["imageTag"].as_str(), id["imageDigest"].as_str()) {
        image.tags.remove(tag);
        if !image.tags.is_empty() {
            return Ok((vec![json!({ "imageDigest": digest, "imageTag": tag })], vec![]));
        }
        image.tags.insert(tag.to_owned());
    }
    let Some(image) = repository.images.remove(&digest) else { return Ok((vec![], vec![])) };
    let mut gone: Vec<Value> = image.tags.iter().map(|tag| json!({ "imageDigest": digest, "imageTag": tag })).collect();
    if gone.is_empty() {
        gone.push(json!({ "imageDigest": digest }));
    }
    let needed = |blob: &String| repository.images.values().any(|other| other.blobs.contains(blob));
    let mut files: Vec<String> = image.blobs.iter().filter(|blob| !needed(blob)).cloned().collect();
    for blob in &files {
        repository.layers.remove(blob);
    }
    files.push(digest);
    Ok((gone, files))
}

fn ids(body: &Value) -> Result<&[Value], Refusal> {
    list(body, "imageIds", 100)?.ok_or_else(|| invalid("imageIds", "must not be null"))
}

/// The digest of the image that an identifier means.
fn resolve(repository: &Repository, id: &Value) -> Result<String, Failed> {
    let missing = || ("ImageNotFound", "Requested image not found".to_owned());
    match (id["imageDigest"].as_str(), id["imageTag"].as_str()) {
        (None, None) => {
            Err(("MissingDigestAndTag", "Invalid request parameters: both tag and digest cannot be null".to_owned()))
        }
        (Some(digest), _) if !is_digest(digest) => Err(("InvalidImageDigest", bad_digest("image"))),
        (_, Some(tag)) if !is_tag(tag) => Err((
            "InvalidImageTag",
            "Invalid request parameters: image tag should satisfy the regex '[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}'"
                .to_owned(),
        )),
        (Some(digest), None) => {
            repository.images.get_key_value(digest).map(|(digest, _)| digest.clone()).ok_or_else(missing)
        }
        (None, Some(tag)) => repository.tagged(tag).map(str::to_owned).ok_or_else(missing),
        (Some(digest), Some(tag)) => match repository.tagged(tag) {
            Some(tagged) if tagged == digest => Ok(tagged.to_owned()),
            Some(_) => {
                Err(("ImageTagDoesNotMatchDigest", "Requested image tag does not match the image digest".to_owned()))
            }
            None => Err(missing()),
        },
    }
}

fn passes(body: &Value, image: &Image) -> bool {
    match body["filter"]["tagStatus"].as_str() {
        Some("TAGGED") => !image.tags.is_empty(),
        Some("UNTAGGED") => image.tags.is_empty(),
        _ => true,
    }
}

fn no_image(ecr: &Ecr, name: &str, id: &Value) -> Refusal {
    let quoted = |field: &str| id[field].as_str().unwrap_or("null").to_owned();
    let message = format!(
        "The image with imageId {{imageDigest:'{}', imageTag:'{}'}} does not exist within the repository with name \
         '{name}' in the registry with id '{}'",
        quoted("imageDigest"),
        quoted("imageTag"),
        ecr.account
    );
    refuse("ImageNotFoundException", message)
}

fn described_whole(ecr: &Ecr, name: &str, digest: &str, tag: Option<&str>, manifest: &str, media_type: &str) -> Value {
    let mut id = json!({ "imageDigest": digest });
    if let Some(tag) = tag {
        id["imageTag"] = tag.into();
    }
    json!({
        "registryId": ecr.account, "repositoryName": name, "imageId": id, "imageManifest": manifest,
        "imageManifestMediaType": media_type,
    })
}

fn detail(ecr: &Ecr, name: &str, digest: &str, image: &Image) -> Value {
    let mut detail = json!({
        "registryId": ecr.account, "repositoryName": name, "imageDigest": digest, "imageSizeInBytes": image.size,
        "imagePushedAt": image.pushed, "imageManifestMediaType": image.media_type,
    });
    if !image.tags.is_empty() {
        detail["imageTags"] = json!(image.tags);
    }
    if let Some(artifact) = &image.artifact {
        detail["artifactMediaType"] = artifact.as_str().into();
    }
    detail
}

impl Ecr {
    /// Adds an image, or a tag to one; its digest and its media type.
    pub(super) fn put_image(
        &self,
        name: &str,
        text: &str,
        told: Option<&str>,
        tag: Option<&str>,
    ) -> Result<(String, String), Refusal> {
        if let Some(tag) = tag.filter(|tag| !is_tag(tag)) {
            return Err(invalid("imageTag", &format!("'{tag}' is no tag")));
        }
        let manifest = manifest::read(text, told)?;
        let digest = format!("sha256:{}", hex::encode(Sha256::digest(text)));
        let folder = self.registry.read(|registry| {
            let repository = self.repository(registry, name)?;
            self.may_put(name, repository, &manifest, &digest, tag)?;
            Ok::<_, Refusal>(repository.folder.clone())
        })?;
        self.store.write(&folder, &digest, text.as_bytes()).map_err(|error| read_failed(&error))?;
        self.registry.write(|registry| {
            let repository = self.repository_mut(registry, name)?;
            // Again, since another call may have come between.
            self.may_put(name, repository, &manifest, &digest, tag)?;
            if let Some(tag) = tag {
                for image in repository.images.values_mut() {
                    image.tags.remove(tag);
                }
            }
            let image = repository.images.entry(digest.clone()).or_insert_with(|| Image {
                media_type: manifest.media_type.clone(),
                artifact: manifest.artifact.clone(),
                size: manifest.blobs.iter().map(|(_, size)| size).sum(),
                pushed: token::now(),
                tags: std::collections::BTreeSet::new(),
                blobs: manifest.blobs.iter().map(|(digest, _)| digest.clone()).collect(),
                images: manifest.images.clone(),
            });
            image.tags.extend(tag.map(str::to_owned));
            Ok((digest, manifest.media_type))
        })
    }

    fn may_put(
        &self,
        name: &str,
        repository: &Repository,
        manifest: &manifest::Manifest,
        digest: &str,
        tag: Option<&str>,
    ) -> Result<(), Refusal> {
        let place = format!("in the repository with name '{name}' in registry with id '{}'", self.account);
        let missing: Vec<&str> = manifest
            .blobs
            .iter()
            .filter(|(digest, size)| repository.layers.get(digest).is_none_or(|layer| layer.size != *size))
            .map(|(digest, _)| digest.as_str())
            .collect();
        if !missing.is_empty() {
            let message = format!(
                "Layers with digests '[{}]' required for pushing image into repository with name '{name}' in the registry with id '{}' do not exist",
                missing.join(", "),
                self.account
            );
            return Err(refuse("LayersNotFoundException", message));
        }
        let missing: Vec<&str> = manifest
            .images
            .iter()
            .filter(|digest| !repository.images.contains_key(*digest))
            .map(String::as_str)
            .collect();
        if !missing.is_empty() {
            let message = format!("Images with digests '[{}]' do not exist {place}", missing.join(", "));
            return Err(refuse("ReferencedImagesNotFoundException", message));
        }
        match (tag, tag.and_then(|tag| repository.tagged(tag))) {
            (Some(tag), Some(tagged)) if tagged == digest => {
                let message = format!("Image with digest '{digest}' and tag '{tag}' already exists {place}");
                Err(refuse("ImageAlreadyExistsException", message))
            }
            (Some(tag), Some(_)) if repository.is_immutable() => {
                let message = format!(
                    "The image tag '{tag}' already exists in the '{name}' repository and cannot be overwritten because \
                     the repository is immutable."
                );
                Err(refuse("ImageTagAlreadyExistsException", message))
            }
            (None, _) if repository.images.contains_key(digest) => {
                let message = format!("Image with digest '{digest}' already exists {place}");
                Err(refuse("ImageAlreadyExistsException", message))
            }
            _ => Ok(()),
        }
    }

    /// The image of that tag or digest; the error when there is no such repository.
    pub(crate) fn image(&self, name: &str, reference: &str) -> Result<Option<Found>, Refusal> {
        let found = self.registry.read(|registry| {
            let repository = self.repository(registry, name)?;
            let digest = if is_digest(reference) { Some(reference) } else { repository.tagged(reference) };
            let image = digest.and_then(|digest| Some((digest, repository.images.get(digest)?)));
            Ok::<_, Refusal>(
                image.map(|(digest, image)| (repository.folder.clone(), digest.to_owned(), image.media_type.clone())),
            )
        })?;
        let Some((folder, digest, media_type)) = found else { return Ok(None) };
        let manifest = self.store.read(&folder, &digest).map_err(|error| read_failed(&error))?;
        Ok(Some(Found { digest, media_type, manifest: manifest.into() }))
    }
}
