//! A container image of one layer: what a registry is given, and nothing that runs it.
//!
//! Pure: no Docker, no network, no file, no clock. The same input gives the same bytes. The form is Docker's image
//! manifest version 2, schema 2, because `SageMaker` refuses OCI manifests.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod layer;

use std::io;

use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

pub use layer::Entry;

/// Media type of a manifest. Source: Docker's image manifest version 2, schema 2.
pub const MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// Media type of a configuration. Source: as above.
pub const CONFIG: &str = "application/vnd.docker.container.image.v1+json";
/// Media type of a layer that is a tar archive under gzip. Source: as above.
pub const LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";

/// The version of what this crate writes: another one means that the same input gives other bytes.
pub const VERSION: u32 = 1;

/// When every image and every file in it was made: a real time would change the bytes.
const CREATED: &str = "1970-01-01T00:00:00Z";

/// What processor an image is for, as images spell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Architecture {
    /// `x86_64`.
    Amd64,
    /// `AArch64`.
    Arm64,
}

/// What an image is made from.
#[derive(Clone, Debug)]
pub struct Recipe<'a> {
    /// What it runs on; the operating system is Linux.
    pub architecture: Architecture,
    /// What its file system holds. The order does not matter.
    pub entries: Vec<Entry<'a>>,
    /// Program and first arguments, which whoever runs it cannot leave out.
    pub entrypoint: &'a [&'a str],
    /// The arguments behind them, unless whoever runs it gives others.
    pub command: &'a [&'a str],
    /// TCP port that it listens on.
    pub port: u16,
    /// Names and values for people and programs.
    pub labels: &'a [(&'a str, &'a str)],
    /// How it was made, for people.
    pub history: &'a str,
}

/// A finished image: three blobs, each named by its digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// The file system: a tar archive under gzip.
    pub layer: Vec<u8>,
    /// How it is run, as JSON.
    pub config: Vec<u8>,
    /// What it consists of, as JSON.
    pub manifest: Vec<u8>,
}

impl Image {
    /// Makes an image.
    pub fn new(recipe: &Recipe<'_>) -> io::Result<Self> {
        let archive = layer::archive(&recipe.entries)?;
        let layer = layer::gzip(&archive)?;
        let config = config(recipe, &digest(&archive)).to_string().into_bytes();
        let manifest = manifest(&config, &layer).to_string().into_bytes();
        Ok(Self { layer, config, manifest })
    }

    /// What the image is known by: the digest of its manifest.
    pub fn digest(&self) -> String {
        digest(&self.manifest)
    }
}

/// What a registry knows a blob by: `sha256:` and 64 hexadecimal digits.
pub fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

impl Architecture {
    /// As images spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
        }
    }
}

/// Without a user: `SageMaker` wants the container to run as root, and a serverless endpoint takes a user of its own.
/// Source: AWS documentation, custom inference code with hosting services.
fn config(recipe: &Recipe<'_>, diff_id: &str) -> Value {
    let labels: Map<String, Value> =
        recipe.labels.iter().map(|(name, value)| ((*name).to_owned(), Value::from(*value))).collect();
    json!({
        "architecture": recipe.architecture.as_str(),
        "os": "linux",
        "created": CREATED,
        "config": {
            "Entrypoint": recipe.entrypoint,
            "Cmd": recipe.command,
            "Env": ["PATH=/"],
            "ExposedPorts": { format!("{}/tcp", recipe.port): {} },
            "Labels": labels,
            "WorkingDir": "/",
        },
        "rootfs": { "type": "layers", "diff_ids": [diff_id] },
        "history": [{ "created": CREATED, "created_by": recipe.history }],
    })
}

fn manifest(config: &[u8], layer: &[u8]) -> Value {
    json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": { "mediaType": CONFIG, "size": config.len(), "digest": digest(config) },
        "layers": [{ "mediaType": LAYER, "size": layer.len(), "digest": digest(layer) }],
    })
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    fn recipe(entries: Vec<Entry<'_>>) -> Recipe<'_> {
        Recipe {
            architecture: Architecture::Amd64,
            entries,
            entrypoint: &["/model-server"],
            command: &["serve"],
            port: 8080,
            labels: &[("title", "model-server")],
            history: "a test",
        }
    }

    fn entries() -> Vec<Entry<'static>> {
        vec![Entry::folder("tmp", 0o1777), Entry::file("model-server", 0o755, b"program")]
    }

    fn image() -> Image {
        Image::new(&recipe(entries())).unwrap()
    }

    fn unzipped(image: &Image) -> Vec<u8> {
        let mut archive = vec![];
        flate2::read::GzDecoder::new(&*image.layer).read_to_end(&mut archive).unwrap();
        archive
    }

    #[test]
    fn the_same_input_gives_the_same_bytes_in_whatever_order_it_comes() {
        let turned = entries().into_iter().rev().collect();
        assert_eq!(image(), Image::new(&recipe(turned)).unwrap());
    }

    /// Other bytes under the name of the same sources would be refused by a registry whose tags are immutable: whoever
    /// changes this changes [`VERSION`] too.
    #[test]
    fn what_is_written_changes_only_with_the_version() {
        assert_eq!(VERSION, 1);
        let image = image();
        let config: Value = serde_json::from_slice(&image.config).unwrap();
        insta::assert_snapshot!(format!("{config:#}"), @r#"
        {
          "architecture": "amd64",
          "config": {
            "Cmd": [
              "serve"
            ],
            "Entrypoint": [
              "/model-server"
            ],
            "Env": [
              "PATH=/"
            ],
            "ExposedPorts": {
              "8080/tcp": {}
            },
            "Labels": {
              "title": "model-server"
            },
            "WorkingDir": "/"
          },
          "created": "1970-01-01T00:00:00Z",
          "history": [
            {
              "created": "1970-01-01T00:00:00Z",
              "created_by": "a test"
            }
          ],
          "os": "linux",
          "rootfs": {
            "diff_ids": [
              "sha256:b89f9a4a2c885f926a06922ad8c51c2780fd57d08922c8dc01cd4831d0fc8e11"
            ],
            "type": "layers"
          }
        }
        "#);
    }

    #[test]
    fn a_manifest_names_its_blobs_by_type_size_and_digest() {
        let image = image();
        let manifest: Value = serde_json::from_slice(&image.manifest).unwrap();
        assert_eq!(manifest["schemaVersion"], 2);
        assert_eq!(manifest["mediaType"], MANIFEST);
        for (part, media_type, bytes) in
            [(&manifest["config"], CONFIG, &image.config), (&manifest["layers"][0], LAYER, &image.layer)]
        {
            assert_eq!(part["mediaType"], media_type);
            assert_eq!(part["size"], bytes.len());
            assert_eq!(part["digest"], digest(bytes));
        }
        assert_eq!(manifest["layers"].as_array().unwrap().len(), 1);
    }

    #[test]
    fn the_configuration_names_the_layer_by_what_is_in_it() {
        let image = image();
        let config: Value = serde_json::from_slice(&image.config).unwrap();
        assert_eq!(config["rootfs"]["diff_ids"], json!([digest(&unzipped(&image))]));
    }

    #[test]
    fn another_file_is_another_image() {
        let other = vec![Entry::file("model-server", 0o755, b"another"), Entry::folder("tmp", 0o1777)];
        assert_ne!(image().digest(), Image::new(&recipe(other)).unwrap().digest());
    }
}
