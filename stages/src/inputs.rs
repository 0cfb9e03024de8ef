//! What the pipeline file points at on this machine, read and identified by content before anything is planned.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use model::Model;
use sha2::{Digest, Sha256};
use spec::{Complaint, Data, Fit, Import, Spec, Train};
use trainer::{DataError, Table};

use crate::{Cache, not_wired};

/// What the pipeline file points at.
#[derive(Debug)]
pub struct Inputs {
    /// Where the model comes from.
    pub model: ModelInput,
    /// Where the proxy comes from.
    pub proxy: ProxyInput,
}

/// Where the model comes from.
#[derive(Debug)]
pub struct ModelInput {
    /// SHA-256 of data, parameters and trainer version, or of the imported file: known before training.
    pub fingerprint: String,
    /// The same, for people: what it is made from, and how.
    pub words: Vec<(&'static str, String)>,
    pub(crate) source: ModelSource,
}

#[derive(Debug)]
pub(crate) enum ModelSource {
    /// Not looked at.
    None,
    Fit {
        fit: Box<Fit>,
        /// The data file; none for generated rows.
        path: Option<PathBuf>,
        /// Rows that have been read to check them; taken by training.
        table: Mutex<Option<Table>>,
    },
    Import {
        model: Box<Model>,
        bytes: Vec<u8>,
        features: Vec<String>,
    },
}

/// Where the proxy comes from.
#[derive(Debug)]
pub struct ProxyInput {
    /// SHA-256 of the sources, or of the prebuilt file.
    pub fingerprint: String,
    pub(crate) source: ProxySource,
    pub(crate) architecture: spec::Architecture,
}

#[derive(Debug)]
pub(crate) enum ProxySource {
    /// An executable that is there already.
    Prebuilt(PathBuf),
    /// Built by `cargo` in this workspace.
    Workspace { dir: PathBuf, release: bool },
}

/// Where to look for the proxy when the pipeline file does not say.
#[derive(Clone, Debug)]
pub struct Tools {
    /// The workspace that this program was built in, if it is still there.
    pub workspace: Option<PathBuf>,
    /// Whether this program was built for release; the proxy then is too.
    pub release: bool,
    /// A `lambda-proxy` that was installed beside this program.
    pub proxy: PathBuf,
}

impl Inputs {
    /// Nothing, for a teardown: every version then counts as an old one.
    pub fn none(architecture: spec::Architecture) -> Self {
        Self {
            model: ModelInput { fingerprint: String::new(), words: vec![], source: ModelSource::None },
            proxy: ProxyInput {
                fingerprint: String::new(),
                source: ProxySource::Prebuilt(PathBuf::new()),
                architecture,
            },
        }
    }

    /// Reads whatever the spec points at, relative to `base`. Rows are read only when they must be trained on.
    pub fn read(spec: &Spec, base: &Path, tools: &Tools, cache: &Cache) -> Result<Self, Complaint> {
        not_wired::refuse(spec)?;
        Ok(Self {
            model: match &spec.train {
                Train::Fit(fit) => fit_input(spec, fit, base, cache)?,
                Train::Import(import) => import_input(spec, import, base)?,
                Train::Command(_) => return Err(not_wired::complain(spec, "stages.train.command", "command")),
            },
            proxy: proxy_input(spec, base, tools)?,
        })
    }
}

fn fit_input(spec: &Spec, fit: &Fit, base: &Path, cache: &Cache) -> Result<ModelInput, Complaint> {
    let (path, identity, words) = match &fit.data {
        Data::Generate { rows, seed } => {
            let words = format!("generated, {rows} rows, seed {seed}");
            (None, words.clone(), words)
        }
        Data::Path(data) => {
            let path = base.join(data);
            let sha256 = file_sha256(&path).map_err(|error| unreadable(spec, "stages.train.data", &path, &error))?;
            (Some(path), sha256.clone(), format!("{} ({})", data.display(), &sha256[..12]))
        }
        Data::Url { .. } => return Err(not_wired::complain(spec, "stages.train.data", "data: url")),
        Data::S3 { .. } => return Err(not_wired::complain(spec, "stages.train.data", "data: s3")),
    };
    let recipe = serde_json::json!({
        "trainer": trainer::VERSION, "data": identity, "label": fit.label, "features": fit.features,
        "options": crate::train::options(fit),
    });
    let fingerprint = hex::encode(Sha256::digest(recipe.to_string()));
    let mut table = None;
    if cache.model(&fingerprint).is_none() {
        if let Some(path) = &path {
            let rows =
                trainer::read(path, &fit.label, &fit.features, &mut |_| {}).map_err(|error| bad_data(spec, &error))?;
            table = Some(rows);
        } else {
            generated_columns(spec, fit)?;
        }
    }
    let words = vec![("data", words), ("algorithm", crate::train::algorithm_words(&fit.algorithm))];
    let source = ModelSource::Fit { fit: Box::new(fit.clone()), path, table: Mutex::new(table) };
    Ok(ModelInput { fingerprint, words, source })
}

/// The generator makes the columns of the public data set and no others.
fn generated_columns(spec: &Spec, fit: &Fit) -> Result<(), Complaint> {
    let generated = trainer::GENERATED_FEATURES;
    if fit.label != trainer::GENERATED_LABEL {
        let message = format!(
            "label `{}` is not in the generated data, whose label is `{}`",
            fit.label,
            trainer::GENERATED_LABEL
        );
        return Err(spec.complain("stages.train.label", message));
    }
    match fit.features.iter().find(|feature| !generated.contains(&feature.as_str())) {
        Some(feature) => {
            let message = format!("feature `{feature}` is not in the generated data, which has V1..V28 and Amount");
            Err(spec.complain("stages.train.features", message))
        }
        None => Ok(()),
    }
}

fn bad_data(spec: &Spec, error: &DataError) -> Complaint {
    let place = match error {
        DataError::LabelMissing { .. } => "stages.train.label",
        DataError::FeatureMissing { .. } => "stages.train.features",
        _ => "stages.train.data",
    };
    // The first line says what; each further one is a place in the data.
    let text = with_sources(error);
    let mut lines = text.lines();
    let complaint = spec.complain(place, lines.next().unwrap_or_default());
    lines.fold(complaint, |complaint, line| complaint.help(line.trim()))
}

fn import_input(spec: &Spec, import: &Import, base: &Path) -> Result<ModelInput, Complaint> {
    const PLACE: &str = "stages.train.model";
    let path = base.join(&import.model);
    let file = fs::read(&path).map_err(|error| unreadable(spec, PLACE, &path, &error))?;
    let refuse = |error: &dyn std::error::Error| {
        spec.complain(PLACE, format!("`{}` cannot be served: {}", import.model.display(), with_sources(error)))
    };
    let bytes = model::archive::model_bytes(&file).map_err(|error| refuse(&error))?.into_owned();
    let model = Model::read(&bytes).map_err(|error| refuse(&error))?;
    if model.features() != import.features.len() {
        let message = format!(
            "`{}` has {} features, but {} are named",
            import.model.display(),
            model.features(),
            import.features.len()
        );
        return Err(spec.complain("stages.train.features", message));
    }
    let (major, minor) = release(&spec.create_endpoint.container);
    let rewritten = model.misread_by(major, minor);
    let bytes = if rewritten.is_some() { model.to_json() } else { bytes };
    let sha256 = hex::encode(Sha256::digest(&bytes));
    let recipe = serde_json::json!({ "import": 1, "model": sha256, "features": import.features });
    let mut words = vec![("model", format!("{} ({})", import.model.display(), &sha256[..12]))];
    if let Some(misreading) = rewritten {
        words.push(("rewritten", format!("for XGBoost {major}.{minor}: {misreading}")));
    }
    Ok(ModelInput {
        fingerprint: hex::encode(Sha256::digest(recipe.to_string())),
        words,
        source: ModelSource::Import { model: Box::new(model), bytes, features: import.features.clone() },
    })
}

/// The XGBoost release in a container, such as 1.7 in `1.7-1`.
fn release(container: &spec::ContainerVersion) -> (u32, u32) {
    let release = container.as_str().split('-').next().unwrap_or_default();
    let (major, minor) = release.split_once('.').unwrap_or((release, "0"));
    (major.parse().unwrap_or_default(), minor.parse().unwrap_or_default())
}

fn proxy_input(spec: &Spec, base: &Path, tools: &Tools) -> Result<ProxyInput, Complaint> {
    let architecture = spec.package.architecture;
    let (fingerprint, source) = match (&spec.package.proxy, &tools.workspace) {
        (Some(proxy), _) => {
            let path = base.join(proxy);
            let sha256 = file_sha256(&path).map_err(|error| unreadable(spec, "stages.package.proxy", &path, &error))?;
            (sha256, ProxySource::Prebuilt(path))
        }
        (None, Some(dir)) => {
            let sources = sources_sha256(dir, tools.release, architecture)
                .map_err(|error| unreadable(spec, "stages.package", &dir.join("lambda-proxy"), &error))?;
            (sources, ProxySource::Workspace { dir: dir.clone(), release: tools.release })
        }
        (None, None) => {
            let sha256 = file_sha256(&tools.proxy).map_err(|error| {
                unreadable(spec, "stages.package", &tools.proxy, &error)
                    .help("install `lambda-proxy` beside `runner`, or name one by `package: { proxy: … }`")
            })?;
            (sha256, ProxySource::Prebuilt(tools.proxy.clone()))
        }
    };
    Ok(ProxyInput { fingerprint, source, architecture })
}

/// Of everything that the proxy is built from.
fn sources_sha256(workspace: &Path, release: bool, architecture: spec::Architecture) -> io::Result<String> {
    let mut files =
        vec![workspace.join("Cargo.toml"), workspace.join("Cargo.lock"), workspace.join("lambda-proxy/Cargo.toml")];
    let mut folders = vec![workspace.join("lambda-proxy/src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    let mut hash = Sha256::new();
    hash.update([u8::from(release)]);
    hash.update(architecture.as_str());
    for file in files {
        hash.update(Sha256::digest(fs::read(file)?));
    }
    Ok(hex::encode(hash.finalize()))
}

fn file_sha256(path: &Path) -> io::Result<String> {
    let mut hash = Sha256::new();
    io::copy(&mut fs::File::open(path)?, &mut hash)?;
    Ok(hex::encode(hash.finalize()))
}

fn unreadable(spec: &Spec, place: &str, path: &Path, error: &io::Error) -> Complaint {
    spec.complain(place, format!("cannot read `{}`: {error}", path.display()))
}

fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text = format!("{text}: {source}");
        next = source.source();
    }
    text
}
