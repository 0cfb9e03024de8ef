//! Where rows come from, identified before anything is planned and read when they are needed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use futures::stream;
use spec::{Complaint, Data, Spec};
use trainer::{DataError, ReadProgress, Table};

use super::model::{DATA, TEST_DATA};
use super::{file_sha256, unreadable, with_sources};
use crate::cloud_error::{Explain, if_present};
use crate::package::short;
use crate::{Cache, Clients, Ctx, StageError, http};

/// Told how far the reading of rows has come.
pub type OnRead<'a> = &'a mut dyn FnMut(ReadProgress);

/// What is known of the objects in S3 that rows come from: the entity tag of each, by URI.
pub type Objects = BTreeMap<String, String>;

/// Rows that are identified, and not yet read.
#[derive(Debug)]
pub(crate) struct Rows {
    /// What tells these rows from any others.
    pub(super) identity: String,
    /// The same for people.
    pub(super) words: String,
    origin: Origin,
    /// The column with the truth.
    pub(super) label: String,
    features: Vec<String>,
    /// Where pipeline.yaml names them.
    place: &'static str,
    /// Rows that have been read to check them; taken by training.
    ready: Mutex<Option<Table>>,
}

#[derive(Clone, Debug)]
enum Origin {
    Generated { rows: u64, seed: u64 },
    File(PathBuf),
    Url { url: String, sha256: String },
    S3 { bucket: String, key: String, etag: Option<String>, sha256: Option<String> },
}

/// What rows must have, and where pipeline.yaml says so.
#[derive(Clone, Copy, Debug)]
pub(super) struct Columns<'a> {
    pub(super) label: &'a str,
    pub(super) features: &'a [String],
    /// The key that names the data, for complaints.
    pub(super) place: &'static str,
}

impl Rows {
    /// Identifies rows by content, or by what pins their content.
    pub(super) fn identify(
        spec: &Spec,
        data: &Data,
        columns: Columns<'_>,
        base: &Path,
        objects: &Objects,
    ) -> Result<Self, Complaint> {
        let (identity, words, origin) = match data {
            Data::Generate { rows, seed } => {
                generated_columns(spec, columns)?;
                let words = format!("generated, {rows} rows, seed {seed}");
                (words.clone(), words, Origin::Generated { rows: *rows, seed: *seed })
            }
            Data::Path(data) => {
                let path = base.join(data);
                let sha256 = file_sha256(&path).map_err(|error| unreadable(spec, columns.place, &path, &error))?;
                let words = format!("{} ({})", data.display(), short(&sha256));
                (sha256, words, Origin::File(path))
            }
            Data::Url { url, sha256 } => {
                let words = format!("{} ({})", http::shown(url), short(sha256));
                (sha256.clone(), words, Origin::Url { url: url.clone(), sha256: sha256.clone() })
            }
            Data::S3 { bucket, key, sha256 } => {
                let uri = uri(bucket, key);
                let etag = objects.get(&uri).cloned();
                let identity = sha256.clone().or(etag.clone()).ok_or_else(|| {
                    let message = format!("`{uri}` is in the local cloud, which has never been started");
                    spec.complain(columns.place, message).help("`runner apply` starts it")
                })?;
                let words = format!("{uri} ({})", short(identity.trim_matches('"')));
                let (bucket, key, sha256) = (bucket.clone(), key.clone(), sha256.clone());
                (identity, words, Origin::S3 { bucket, key, etag, sha256 })
            }
        };
        let Columns { label, features, place } = columns;
        let (label, features) = (label.to_owned(), features.to_vec());
        Ok(Self { identity, words, origin, label, features, place, ready: Mutex::new(None) })
    }

    /// Reads rows that are a file on this machine, so that what is wrong with them is said before anything is planned.
    pub(super) fn check(&self, spec: &Spec, on_read: OnRead<'_>) -> Result<(), Complaint> {
        if let Origin::File(path) = &self.origin {
            let table = trainer::read(path, &self.label, &self.features, on_read)
                .map_err(|error| bad_data(spec, self.place, &error))?;
            *self.ready.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(table);
        }
        Ok(())
    }

    /// The rows; what is not on this machine is brought here first.
    pub(crate) async fn table(&self, ctx: &Ctx<'_>) -> Result<Table, StageError> {
        if let Some(table) = self.ready.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take() {
            return Ok(table);
        }
        let path = match &self.origin {
            Origin::Generated { rows, seed } => return self.generated(*rows, *seed).await,
            Origin::File(path) => path.clone(),
            Origin::Url { .. } | Origin::S3 { .. } => self.bring(ctx).await?,
        };
        let (label, features) = (self.label.clone(), self.features.clone());
        (ctx.say)(format!("reading {}", self.words));
        let read = tokio::task::spawn_blocking(move || trainer::read(&path, &label, &features, &mut |_| {})).await;
        let read = read.map_err(|error| StageError::here("reading the data stopped", error))?;
        // Of a file that was brought here the error names the copy.
        read.map_err(|error| StageError::here(format!("could not use {}", self.words), error))
    }

    async fn generated(&self, rows: u64, seed: u64) -> Result<Table, StageError> {
        let made = tokio::task::spawn_blocking(move || trainer::generate(rows, seed)).await;
        let made = made.map_err(|error| StageError::here("generating the data stopped", error))?;
        let table = made.map_err(|error| StageError::here("could not generate the data", error))?;
        let selected = table.select(&self.features);
        selected.ok_or_else(|| StageError::here("could not generate the data", "it lacks a feature"))
    }

    /// Downloads the file into the cache, unless it is there; what is there is what the identity says.
    async fn bring(&self, ctx: &Ctx<'_>) -> Result<PathBuf, StageError> {
        let path = ctx.cache.data(&self.identity);
        if path.exists() {
            return Ok(path);
        }
        let mut part = ctx.cache.part(&path)?;
        let found = match &self.origin {
            Origin::Url { url, .. } => http::download(ctx, url, part.as_file_mut()).await?,
            Origin::S3 { bucket, key, etag, .. } => {
                let uri = uri(bucket, key);
                let request = ctx.clients.s3.get_object().bucket(bucket).key(key);
                // What was planned is what is read: another object under the same key is refused by S3.
                let answer = request.set_if_match(etag.clone()).send().await;
                let answer = answer.about("s3:GetObject", format!("object `{uri}`"))?;
                let length = answer.content_length().and_then(|length| u64::try_from(length).ok());
                let pieces = stream::unfold(answer.body, |mut body| async {
                    let piece = body.next().await?;
                    Some((piece.map_err(|error| with_sources(&error)), body))
                });
                http::copy(ctx, &uri, length, Box::pin(pieces), part.as_file_mut()).await?
            }
            Origin::Generated { .. } | Origin::File(_) => return Ok(path),
        };
        let wanted = match &self.origin {
            Origin::Url { sha256, .. } => Some(sha256),
            Origin::S3 { sha256, .. } => sha256.as_ref(),
            Origin::Generated { .. } | Origin::File(_) => None,
        };
        if let Some(wanted) = wanted.filter(|wanted| **wanted != found) {
            let why = format!("its SHA-256 is {found}, and `sha256` is {wanted}: it is not the file that was meant");
            return Err(StageError::here(format!("could not use {}", self.words), why));
        }
        part.as_file()
            .sync_data()
            .map_err(|error| StageError::here(format!("could not write `{}`", path.display()), error))?;
        part.persist(&path)
            .map_err(|error| StageError::here(format!("could not write `{}`", path.display()), error.error))?;
        Ok(path)
    }
}

/// Why it is not known which rows an object in S3 holds.
#[derive(Debug)]
pub enum LookError {
    /// The pipeline file names an object that is not there.
    Missing(Complaint),
    /// S3 did not say.
    Stage(StageError),
}

/// Asks S3 for the entity tag of every object that rows come from and that no SHA-256 pins.
pub async fn look(spec: &Spec, clients: &Clients) -> Result<Objects, LookError> {
    let mut objects = Objects::new();
    for (place, bucket, key) in unpinned(spec) {
        let uri = uri(bucket, key);
        let answer = clients.s3.head_object().bucket(bucket).key(key).send().await;
        let answer = if_present(answer.about("s3:GetObject", format!("object `{uri}`")));
        let answer = answer.map_err(|error| LookError::Stage(error.into()))?;
        let answer = answer.ok_or_else(|| LookError::Missing(spec.complain(place, format!("`{uri}` is not there"))))?;
        let untold =
            || LookError::Missing(spec.complain(place, format!("`{uri}` has no entity tag; give its `sha256`")));
        let etag = answer.e_tag().filter(|etag| !etag.is_empty()).ok_or_else(untold)?.to_owned();
        objects.insert(uri, etag);
    }
    Ok(objects)
}

/// Whether anything that the pipeline file points at must be asked for in S3 before it is planned.
pub fn needs_a_look(spec: &Spec) -> bool {
    unpinned(spec).next().is_some()
}

/// Bucket and key of every object that rows come from, with a slash between them.
pub(crate) fn objects(spec: &Spec) -> impl Iterator<Item = String> {
    places(spec).filter_map(|(_, data)| match data {
        Data::S3 { bucket, key, .. } => Some(format!("{bucket}/{key}")),
        _ => None,
    })
}

/// The key of the pipeline file, the bucket, and the object's key.
fn unpinned(spec: &Spec) -> impl Iterator<Item = (&'static str, &str, &str)> {
    places(spec).filter_map(|(place, data)| match data {
        Data::S3 { bucket, key, sha256: None } => Some((place, bucket.as_str(), key.as_str())),
        _ => None,
    })
}

/// The keys of the pipeline file that name rows, and what they name.
fn places(spec: &Spec) -> impl Iterator<Item = (&'static str, &Data)> {
    let (data, test_data) = match &spec.train {
        spec::Train::Fit(fit) => (Some(&fit.data), fit.test_data.as_ref()),
        spec::Train::Import(import) => (None, import.test_data.as_ref().map(|test| &test.data)),
        spec::Train::Command(command) => (None, command.test_data.as_ref().map(|test| &test.data)),
    };
    data.map(|data| (DATA, data)).into_iter().chain(test_data.map(|data| (TEST_DATA, data)))
}

fn uri(bucket: &str, key: &str) -> String {
    format!("s3://{bucket}/{key}")
}

/// The generator makes the columns of the public data set and no others.
fn generated_columns(spec: &Spec, columns: Columns<'_>) -> Result<(), Complaint> {
    let generated = trainer::GENERATED_FEATURES;
    let label = columns.label;
    if label != trainer::GENERATED_LABEL {
        let message =
            format!("label `{label}` is not in the generated data, whose label is `{}`", trainer::GENERATED_LABEL);
        return Err(spec.complain("stages.train.label", message));
    }
    match columns.features.iter().find(|feature| !generated.contains(&feature.as_str())) {
        Some(feature) => {
            let message = format!("feature `{feature}` is not in the generated data, which has V1..V28 and Amount");
            Err(spec.complain("stages.train.features", message))
        }
        None => Ok(()),
    }
}

fn bad_data(spec: &Spec, place: &'static str, error: &DataError) -> Complaint {
    let place = match error {
        DataError::LabelMissing { .. } => "stages.train.label",
        DataError::FeatureMissing { .. } => "stages.train.features",
        _ => place,
    };
    // The first line says what; each further one is a place in the data.
    let text = with_sources(error);
    let mut lines = text.lines();
    let complaint = spec.complain(place, lines.next().unwrap_or_default());
    lines.fold(complaint, |complaint, line| complaint.help(line.trim()))
}

impl Cache {
    /// Where a file of that identity is, or would be.
    fn data(&self, identity: &str) -> PathBuf {
        let plain: String = identity.chars().filter(char::is_ascii_alphanumeric).collect();
        self.dir().join("data").join(plain)
    }

    /// A file beside `path`, to be renamed to it when it is whole.
    fn part(&self, path: &Path) -> Result<tempfile::NamedTempFile, StageError> {
        let dir = path.parent().unwrap_or(self.dir());
        fs::create_dir_all(dir)
            .and_then(|()| tempfile::NamedTempFile::new_in(dir))
            .map_err(|error| StageError::here(format!("could not write in `{}`", dir.display()), error))
    }
}
