//! Manifests, read as far as a registry must.

use std::collections::BTreeSet;

use serde_json::Value;

use super::check::invalid;
use crate::call::Refusal;

/// Manifests of one image. Source: AWS documentation, container image manifest formats of ECR.
const SINGLE: [&str; 2] =
    ["application/vnd.docker.distribution.manifest.v2+json", "application/vnd.oci.image.manifest.v1+json"];
/// Lists of images. Source: as above.
const LISTS: [&str; 2] =
    ["application/vnd.docker.distribution.manifest.list.v2+json", "application/vnd.oci.image.index.v1+json"];

/// What a manifest says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Manifest {
    pub(super) media_type: String,
    /// Media type of the configuration.
    pub(super) artifact: Option<String>,
    /// Digests of layers and configuration, with the sizes that they should have.
    pub(super) blobs: Vec<(String, u64)>,
    /// Digests of the images that it lists.
    pub(super) images: BTreeSet<String>,
}

/// Reads a manifest; `told` is the media type that came beside it.
pub(super) fn read(text: &str, told: Option<&str>) -> Result<Manifest, Refusal> {
    let wrong = |rule: &str| invalid("ImageManifest", rule);
    let value: Value = serde_json::from_str(text).map_err(|_| wrong("Invalid JSON syntax"))?;
    let own = value["mediaType"].as_str();
    let media_type = match (own, told) {
        (Some(own), Some(told)) if own != told => {
            return Err(invalid("ImageManifestMediaType", "must be the manifest's own media type"));
        }
        (Some(media_type), _) | (None, Some(media_type)) => media_type,
        (None, None) => return Err(invalid("ImageManifestMediaType", "must be given where the manifest has none")),
    };
    if value["schemaVersion"] != 2 {
        return Err(wrong("schemaVersion must be 2"));
    }
    let mut manifest = Manifest {
        media_type: media_type.to_owned(),
        artifact: value["config"]["mediaType"].as_str().map(str::to_owned),
        blobs: vec![],
        images: BTreeSet::new(),
    };
    let part = |part: &Value| Some((part["digest"].as_str()?.to_owned(), part["size"].as_u64()?));
    if SINGLE.contains(&media_type) {
        let layers = value["layers"].as_array().ok_or_else(|| wrong("layers must be a list"))?;
        for blob in layers.iter().chain([&value["config"]]) {
            manifest.blobs.push(part(blob).ok_or_else(|| wrong("every part needs a digest and a size"))?);
        }
    } else if LISTS.contains(&media_type) {
        let images = value["manifests"].as_array().ok_or_else(|| wrong("manifests must be a list"))?;
        for image in images {
            manifest.images.insert(part(image).ok_or_else(|| wrong("every part needs a digest and a size"))?.0);
        }
    } else {
        let known = [SINGLE, LISTS].concat().join(", ");
        return Err(invalid("ImageManifestMediaType", &format!("must be one of {known}, not {media_type}")));
    }
    Ok(manifest)
}
