//! What ECR remembers.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Everything the service knows.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Registry {
    /// By name.
    pub(super) repositories: BTreeMap<String, Repository>,
    /// By id: layers on their way.
    pub(super) uploads: BTreeMap<String, Upload>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Repository {
    /// Folder of its blobs: new each time, so that a repository made again does not find those of the old one.
    pub(super) folder: String,
    /// Seconds since 1970.
    pub(super) created: f64,
    /// `MUTABLE` or `IMMUTABLE`.
    pub(super) mutability: String,
    pub(super) scan_on_push: bool,
    pub(super) encryption: Value,
    pub(super) tags: BTreeMap<String, String>,
    /// By digest.
    pub(super) layers: BTreeMap<String, Layer>,
    /// By digest.
    pub(super) images: BTreeMap<String, Image>,
}

/// A blob: a layer, or an image's configuration.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Layer {
    pub(super) size: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Image {
    pub(super) media_type: String,
    /// Media type of its configuration; none for a list of images.
    pub(super) artifact: Option<String>,
    /// Of the blobs together.
    pub(super) size: u64,
    /// Seconds since 1970.
    pub(super) pushed: f64,
    pub(super) tags: BTreeSet<String>,
    /// Digests of its layers and its configuration.
    pub(super) blobs: BTreeSet<String>,
    /// Digests of the images that it lists.
    pub(super) images: BTreeSet<String>,
}

/// A layer that is on its way. Its bytes so far are in a file of its name.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Upload {
    /// Folder of the repository that it is for.
    pub(super) folder: String,
    pub(super) received: u64,
    /// Sizes of the parts, in order.
    pub(super) parts: Vec<u64>,
}

impl Repository {
    /// The digest of the image of that tag.
    pub(super) fn tagged(&self, tag: &str) -> Option<&str> {
        self.images.iter().find(|(_, image)| image.tags.contains(tag)).map(|(digest, _)| digest.as_str())
    }

    pub(super) fn is_immutable(&self) -> bool {
        self.mutability == "IMMUTABLE"
    }
}
