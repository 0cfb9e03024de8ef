//! Where the program of an image of our own comes from.

use std::path::{Path, PathBuf};

use serde_json::json;
use sha2::{Digest, Sha256};
use spec::{Complaint, Container, Spec};

use super::proxy::{Sources, sources_sha256};
use super::{Tools, unreadable};
use crate::elf;

const PLACE: &str = "stages.package.model-server";

/// What an image of our own is made from.
#[derive(Debug)]
pub struct ImageInput {
    /// SHA-256 of the sources, or of the prebuilt file, and of how an image is made of them: the image's tag.
    pub fingerprint: String,
    pub(crate) source: ImageSource,
    /// What the endpoint's machines have.
    pub(crate) architecture: spec::Architecture,
}

#[derive(Debug)]
pub(crate) enum ImageSource {
    /// An executable that is there already.
    Prebuilt(PathBuf),
    /// Built by `cargo` in this workspace.
    Workspace { dir: PathBuf, release: bool },
}

impl ImageInput {
    /// Nothing, for a teardown: every version then counts as an old one.
    pub(super) fn none(spec: &Spec) -> Option<Self> {
        let source = ImageSource::Prebuilt(PathBuf::new());
        let architecture = spec.create_endpoint.capacity.architecture();
        let own = spec.create_endpoint.container == Container::ModelServer;
        own.then_some(Self { fingerprint: String::new(), source, architecture })
    }

    /// None where AWS's image serves the model.
    pub(super) fn read(spec: &Spec, base: &Path, tools: &Tools) -> Result<Option<Self>, Complaint> {
        if spec.create_endpoint.container != Container::ModelServer {
            return Ok(None);
        }
        let architecture = spec.create_endpoint.capacity.architecture();
        let (made_from, source) = match (&spec.package.model_server, &tools.workspace) {
            (Some(file), _) => prebuilt(spec, &base.join(file), architecture)?,
            (None, Some(dir)) => {
                let folders = ["crates/model-server", "crates/model"];
                let sources = Sources { workspace: dir, folders: &folders, release: tools.release, architecture };
                let sha256 =
                    sources_sha256(&sources).map_err(|error| unreadable(spec, PLACE, &dir.join(folders[0]), &error))?;
                (sha256, ImageSource::Workspace { dir: dir.clone(), release: tools.release })
            }
            (None, None) => prebuilt(spec, &tools.model_server, architecture)?,
        };
        let recipe = json!({ "image": container_image::VERSION, "program": made_from });
        let fingerprint = hex::encode(Sha256::digest(recipe.to_string()));
        Ok(Some(Self { fingerprint, source, architecture }))
    }
}

/// One that could not run in the image is refused here, before anything is planned.
fn prebuilt(spec: &Spec, path: &Path, architecture: spec::Architecture) -> Result<(String, ImageSource), Complaint> {
    let bytes = std::fs::read(path).map_err(|error| {
        unreadable(spec, PLACE, path, &error)
            .help("install a static `model-server` beside `runner`, or name one by `package: { model-server: … }`")
    })?;
    elf::check_static(&bytes, architecture).map_err(|error| {
        let complaint = spec.complain(PLACE, format!("`{}` could not run in an image: {error}", path.display()));
        error.help().into_iter().fold(complaint, Complaint::help)
    })?;
    Ok((hex::encode(Sha256::digest(&bytes)), ImageSource::Prebuilt(path.to_owned())))
}
