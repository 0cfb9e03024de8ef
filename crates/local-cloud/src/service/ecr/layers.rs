//! Layers, which configurations count among: whether they are there, and how they come in, part by part.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

use super::check::{bad_digest, invalid, is_digest, list, number, refuse, repository_name, required};
use super::record::{Layer, Upload};
use super::{Ecr, read_failed, token};
use crate::call::Refusal;

/// What a part should have, in bytes. Source: the example in the AWS CLI's reference of `InitiateLayerUpload`.
const PART_BYTES: u64 = 10_485_760;
/// What every part but the last must have. Source: botocore, `LayerPartTooSmallException`.
const LEAST_PART_BYTES: u64 = 5 * 1024 * 1024;
/// What a part can have. Source: botocore, `LayerPartBlob`.
const MOST_PART_BYTES: u64 = 20_971_520;
/// Media type of whatever is asked about before an image names it otherwise.
const MEDIA_TYPE: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";

/// `BatchCheckLayerAvailability`.
pub(super) fn check(ecr: &Ecr, body: &Value) -> Result<Value, Refusal> {
    let name = repository_name(body)?;
    let digests = list(body, "layerDigests", 100)?.ok_or_else(|| invalid("layerDigests", "must not be null"))?;
    ecr.registry.read(|registry| {
        let repository = ecr.repository(registry, name)?;
        let (mut layers, mut failures) = (vec![], vec![]);
        for digest in digests.iter().filter_map(Value::as_str) {
            if !is_digest(digest) {
                failures.push(json!({
                    "layerDigest": digest, "failureCode": "InvalidLayerDigest", "failureReason": bad_digest("layer")
                }));
                continue;
            }
            layers.push(match repository.layers.get(digest) {
                Some(layer) => json!({
                    "layerDigest": digest, "layerAvailability": "AVAILABLE", "layerSize": layer.size,
                    "mediaType": MEDIA_TYPE,
                }),
                None => json!({ "layerDigest": digest, "layerAvailability": "UNAVAILABLE" }),
            });
        }
        Ok(json!({ "layers": layers, "failures": failures }))
    })
}

/// `InitiateLayerUpload`.
pub(super) fn initiate(ecr: &Ecr, body: &Value) -> Result<Value, Refusal> {
    let id = ecr.begin_upload(repository_name(body)?)?;
    Ok(json!({ "uploadId": id, "partSize": PART_BYTES }))
}

/// `UploadLayerPart`. A part must begin where the one before has ended.
pub(super) fn upload_part(ecr: &Ecr, body: &Value) -> Result<Value, Refusal> {
    let (name, id) = (repository_name(body)?, required(body, "uploadId")?);
    let byte = |field| number(body, field)?.ok_or_else(|| invalid(field, "must not be null"));
    let (first, last) = (byte("partFirstByte")?, byte("partLastByte")?);
    let bytes = BASE64.decode(required(body, "layerPartBlob")?);
    let bytes =
        bytes.map_err(|error| refuse("SerializationException", format!("layerPartBlob is no base64: {error}")))?;
    if bytes.len() as u64 > MOST_PART_BYTES {
        let rule = format!("Member must have length less than or equal to {MOST_PART_BYTES}");
        return Err(invalid("layerPartBlob", &rule));
    }
    let received = ecr.received(name, id)?;
    if first != received || last.checked_sub(first).map(|length| length + 1) != Some(bytes.len() as u64) {
        let message = format!(
            "The part from byte {first} to byte {last} of the upload with id '{id}' in the repository with name \
             '{name}' in registry with id '{}' has {} bytes, and byte {received} is next",
            ecr.account,
            bytes.len()
        );
        return Err(refuse("InvalidLayerPartException", message));
    }
    let received = ecr.receive(name, id, &bytes)?;
    Ok(json!({
        "registryId": ecr.account, "repositoryName": name, "uploadId": id, "lastByteReceived": received - 1
    }))
}

/// `CompleteLayerUpload`.
pub(super) fn complete(ecr: &Ecr, body: &Value) -> Result<Value, Refusal> {
    let (name, id) = (repository_name(body)?, required(body, "uploadId")?);
    let digests = list(body, "layerDigests", 100)?.ok_or_else(|| invalid("layerDigests", "must not be null"))?;
    let digests: Vec<&str> = digests.iter().filter_map(Value::as_str).collect();
    let parts = ecr.registry.read(|registry| {
        let upload = ecr.upload(registry, name, id)?;
        Ok::<_, Refusal>(upload.parts.clone())
    })?;
    let whole = parts.split_last().map_or(&[][..], |(_, before)| before);
    if let Some(small) = whole.iter().find(|bytes| **bytes < LEAST_PART_BYTES) {
        let message = format!(
            "A part of the upload with id '{id}' in the repository with name '{name}' in registry with id '{}' has \
             {small} bytes, and every part but the last must have at least {LEAST_PART_BYTES}",
            ecr.account
        );
        return Err(refuse("LayerPartTooSmallException", message));
    }
    let digest = ecr.complete_upload(name, id, &digests)?;
    Ok(json!({ "registryId": ecr.account, "repositoryName": name, "uploadId": id, "layerDigest": digest }))
}

/// `GetDownloadUrlForLayer`: an address that needs no signature, for an hour.
pub(super) fn download_url(ecr: &Ecr, body: &Value) -> Result<Value, Refusal> {
    let (name, digest) = (repository_name(body)?, required(body, "layerDigest")?);
    ecr.registry.read(|registry| {
        if ecr.repository(registry, name)?.layers.contains_key(digest) {
            return Ok(json!({ "downloadUrl": token::download_url(ecr, name, digest), "layerDigest": digest }));
        }
        let message = format!(
            "The layer with digest '{digest}' does not exist within the repository with name '{name}' in the registry \
             with id '{}'",
            ecr.account
        );
        Err(refuse("LayersNotFoundException", message))
    })
}

impl Ecr {
    /// Begins a layer; the upload's id.
    pub(super) fn begin_upload(&self, name: &str) -> Result<String, Refusal> {
        let id = token::uuid();
        self.registry.write(|registry| {
            let folder = self.repository(registry, name)?.folder.clone();
            registry.uploads.insert(id.clone(), Upload { folder, received: 0, parts: vec![] });
            Ok(())
        })?;
        Ok(id)
    }

    /// How many bytes an upload has.
    pub(super) fn received(&self, name: &str, id: &str) -> Result<u64, Refusal> {
        self.registry.read(|registry| self.upload(registry, name, id).map(|upload| upload.received))
    }

    /// Adds bytes to an upload; how many it has then.
    pub(super) fn receive(&self, name: &str, id: &str, bytes: &[u8]) -> Result<u64, Refusal> {
        let at = self.received(name, id)?;
        self.store.append(id, at, bytes).map_err(|error| read_failed(&error))?;
        self.registry.write(|registry| {
            self.upload(registry, name, id)?;
            let upload = registry.uploads.get_mut(id).ok_or_else(|| self.no_upload(name, id))?;
            if upload.received != at {
                let message = format!("Another part of the upload with id '{id}' came at the same time");
                return Err(refuse("InvalidLayerPartException", message));
            }
            upload.received += bytes.len() as u64;
            upload.parts.push(bytes.len() as u64);
            Ok(upload.received)
        })
    }

    /// Makes an upload a layer, if it is what one of the digests says; its digest.
    pub(super) fn complete_upload(&self, name: &str, id: &str, digests: &[&str]) -> Result<String, Refusal> {
        let (upload, known) = self.registry.read(|registry| {
            let upload = self.upload(registry, name, id)?.clone();
            let known: Vec<String> = self.repository(registry, name)?.layers.keys().cloned().collect();
            Ok::<_, Refusal>((upload, known))
        })?;
        if upload.received == 0 {
            let message = format!(
                "The upload with id '{id}' in the repository with name '{name}' in registry with id '{}' cannot be \
                 completed because it does not have any parts",
                self.account
            );
            return Err(refuse("EmptyUploadException", message));
        }
        let digest = self.store.digest(id).map_err(|error| read_failed(&error))?;
        if !digests.contains(&digest.as_str()) {
            let message = "None of the provided layer digests match the calculated layer digest";
            return Err(refuse("InvalidLayerException", message));
        }
        if known.contains(&digest) {
            let message = format!(
                "Layer with digest '{digest}' already exists in the repository with name '{name}' in registry with id \
                 '{}'",
                self.account
            );
            return Err(refuse("LayerAlreadyExistsException", message));
        }
        self.store.finish(id, &upload.folder, &digest).map_err(|error| read_failed(&error))?;
        self.registry.write(|registry| {
            registry.uploads.remove(id);
            let layers = &mut self.repository_mut(registry, name)?.layers;
            layers.insert(digest.clone(), Layer { size: upload.received });
            Ok(())
        })?;
        Ok(digest)
    }

    pub(super) fn upload<'a>(
        &self,
        registry: &'a super::record::Registry,
        name: &str,
        id: &str,
    ) -> Result<&'a Upload, Refusal> {
        let folder = &self.repository(registry, name)?.folder;
        let upload = registry.uploads.get(id).filter(|upload| upload.folder == *folder);
        upload.ok_or_else(|| self.no_upload(name, id))
    }

    fn no_upload(&self, name: &str, id: &str) -> Refusal {
        let message = format!(
            "The upload with id '{id}' does not exist in the repository with name '{name}' in registry with id '{}'",
            self.account
        );
        refuse("UploadNotFoundException", message)
    }
}
