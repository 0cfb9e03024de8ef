//! What the pipeline file points at, identified by content before anything is planned.

mod image;
mod model;
mod proxy;
mod rows;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use spec::{Complaint, Spec};

use crate::Cache;

pub use image::ImageInput;
pub(crate) use image::ImageSource;
pub use model::ModelInput;
pub(crate) use model::{Dialect, ModelSource};
pub use proxy::ProxyInput;
pub(crate) use proxy::ProxySource;
pub(crate) use rows::Rows;
pub(crate) use rows::objects;
pub use rows::{LookError, Objects, OnRead, look, needs_a_look};
pub use trainer::ReadProgress;

/// What the pipeline file points at.
#[derive(Debug)]
pub struct Inputs {
    /// Where the model comes from.
    pub model: ModelInput,
    /// Where the proxy comes from.
    pub proxy: ProxyInput,
    /// Where an image of our own comes from; none where AWS's image serves the model.
    pub image: Option<ImageInput>,
}

/// Where to look for the programs when the pipeline file does not say.
#[derive(Clone, Debug)]
pub struct Tools {
    /// The workspace that this program was built in, if it is still there.
    pub workspace: Option<PathBuf>,
    /// Whether this program was built for release; the others then are too.
    pub release: bool,
    /// A `lambda-proxy` that was installed beside this program.
    pub proxy: PathBuf,
    /// A static `model-server` that was installed beside this program.
    pub model_server: PathBuf,
}

/// What reading the inputs needs beside the spec.
#[derive(Debug)]
pub struct Place<'a> {
    /// The folder of the pipeline file, which paths in it are relative to.
    pub base: &'a Path,
    /// Where to look for the programs.
    pub tools: &'a Tools,
    /// Models that are there need no rows.
    pub cache: &'a Cache,
    /// What [`look`] found.
    pub objects: &'a Objects,
}

impl Inputs {
    /// Nothing, for a teardown: every version then counts as an old one.
    pub fn none(spec: &Spec) -> Self {
        let architecture = spec.package.architecture;
        Self {
            model: ModelInput { fingerprint: String::new(), words: vec![], source: ModelSource::None },
            proxy: ProxyInput {
                fingerprint: String::new(),
                source: ProxySource::Prebuilt(PathBuf::new()),
                architecture,
            },
            image: ImageInput::none(spec),
        }
    }

    /// Reads whatever the spec points at. Rows are read only when they must be trained on or judged by.
    pub fn read(spec: &Spec, place: &Place<'_>, on_read: OnRead<'_>) -> Result<Self, Complaint> {
        let Place { base, tools, cache, objects } = *place;
        let model = model::Reading { spec, base, cache, objects }.model(on_read)?;
        let (proxy, image) = (proxy::proxy_input(spec, base, tools)?, ImageInput::read(spec, base, tools)?);
        Ok(Self { model, proxy, image })
    }
}

fn file_sha256(path: &Path) -> io::Result<String> {
    let mut hash = Sha256::new();
    io::copy(&mut fs::File::open(path)?, &mut hash)?;
    Ok(hex::encode(hash.finalize()))
}

fn unreadable(spec: &Spec, place: &str, path: &Path, error: &io::Error) -> Complaint {
    spec.complain(place, format!("cannot read `{}`: {error}", path.display()))
}

pub(crate) fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text = format!("{text}: {source}");
        next = source.source();
    }
    text
}
