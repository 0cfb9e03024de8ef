//! Where the model comes from.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use model::Model;
use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};
use spec::{Command, Complaint, Container, Fit, Import, Spec, TestData, Train};

use super::rows::{Columns, Objects, OnRead, Rows};
use super::{file_sha256, unreadable};
use crate::names::training_container;
use crate::package::short;
use crate::{Cache, train};

pub(super) const DATA: &str = "stages.train.data";
pub(super) const TEST_DATA: &str = "stages.train.test-data";
const MODEL: &str = "stages.train.model";

/// Counts up when the file of a command is read or rewritten otherwise: what was made of it before is made anew.
const READING: u32 = 2;

/// Where the model comes from.
#[derive(Debug)]
pub struct ModelInput {
    /// SHA-256 of data, parameters and trainer version, or of the imported file: known before training.
    pub fingerprint: String,
    /// The same, for people: what it is made from, and how.
    pub words: Vec<(&'static str, String)>,
    pub(crate) source: ModelSource,
}

/// The `XGBoost` release that will serve a model: major and minor. None where `model-server` does, which reads whatever
/// is read here.
pub(crate) type Dialect = Option<(u32, u32)>;

#[derive(Debug)]
pub(crate) enum ModelSource {
    /// Not looked at.
    None,
    Fit {
        fit: Box<Fit>,
        release: Dialect,
        data: Rows,
        test: Option<Box<Rows>>,
    },
    Import {
        model: Box<Model>,
        bytes: Vec<u8>,
        features: Vec<String>,
        test: Option<Rows>,
    },
    Command {
        command: Box<Command>,
        /// The folder of the pipeline file.
        dir: PathBuf,
        release: Dialect,
        /// SHA-256 of all that the model hangs on, which the test rows are no part of.
        made_from: String,
        test: Option<Rows>,
    },
}

/// What reading needs.
pub(super) struct Reading<'a> {
    pub(super) spec: &'a Spec,
    pub(super) base: &'a Path,
    pub(super) cache: &'a Cache,
    pub(super) objects: &'a Objects,
}

impl Reading<'_> {
    pub(super) fn model(&self, on_read: OnRead<'_>) -> Result<ModelInput, Complaint> {
        let input = match &self.spec.train {
            Train::Fit(fit) => self.fit(fit)?,
            Train::Import(import) => self.import(import)?,
            Train::Command(command) => self.command(command)?,
        };
        // Rows are read only when they must be: to train on, or to judge by.
        if self.cache.model(&input.fingerprint).is_none() {
            let (data, test) = match &input.source {
                ModelSource::None => (None, None),
                ModelSource::Fit { data, test, .. } => (Some(data), test.as_deref()),
                ModelSource::Import { test, .. } | ModelSource::Command { test, .. } => (None, test.as_ref()),
            };
            for rows in data.into_iter().chain(test) {
                rows.check(self.spec, &mut *on_read)?;
            }
        }
        Ok(input)
    }

    fn fit(&self, fit: &Fit) -> Result<ModelInput, Complaint> {
        let columns = |place| Columns { label: &fit.label, features: &fit.features, place };
        let rows = |data, place| Rows::identify(self.spec, data, columns(place), self.base, self.objects);
        let data = rows(&fit.data, DATA)?;
        let test = fit.test_data.as_ref().map(|test| rows(test, TEST_DATA).map(Box::new)).transpose()?;
        let options = train::options(fit);
        let mut recipe = json!({
            "trainer": trainer::VERSION, "data": data.identity, "label": fit.label, "features": fit.features,
            "options": options,
        });
        let mut words = vec![("data", data.words.clone())];
        if release(self.spec).is_some_and(|release| release < (1, 6)) {
            // Files of before could not be read by these releases.
            recipe["form"] = json!(READING);
        }
        note_test(&mut recipe, &mut words, test.as_deref());
        words.push(("algorithm", train::algorithm_words(&fit.algorithm)));
        if let spec::On::SageMaker(instances) = &fit.on {
            // Another engine makes another model, and so do rows that are shared; a larger machine does not. Which image
            // serves it decides whether it is rewritten.
            let serving = &self.spec.create_endpoint.container;
            recipe["on"] = json!({
                "image": training_container(serving), "serving": serving.as_str(), "count": instances.count
            });
        }
        Ok(ModelInput {
            fingerprint: fingerprint(&recipe),
            words,
            source: ModelSource::Fit { fit: Box::new(fit.clone()), release: release(self.spec), data, test },
        })
    }

    fn import(&self, import: &Import) -> Result<ModelInput, Complaint> {
        let path = self.base.join(&import.model);
        let file = fs::read(&path).map_err(|error| unreadable(self.spec, MODEL, &path, &error))?;
        let served = train::served(&file, &import.features, release(self.spec)).map_err(|refusal| {
            let place = if refusal.about_features { "stages.train.features" } else { MODEL };
            self.spec.complain(place, format!("`{}` cannot be served: {}", import.model.display(), refusal.why))
        })?;
        let test = self.test(import.test_data.as_ref(), &import.features)?;
        let sha256 = hex::encode(Sha256::digest(&served.bytes));
        let mut recipe = json!({ "import": 2, "model": sha256, "features": import.features });
        let mut words = vec![("model", format!("{} ({})", import.model.display(), short(&sha256)))];
        words.extend(served.model.early_stop().map(|stop| ("trees", stop.to_string())));
        words.extend(served.rewritten.map(|why| ("rewritten", why)));
        note_test(&mut recipe, &mut words, test.as_ref());
        let (model, bytes, features) = (Box::new(served.model), served.bytes, import.features.clone());
        Ok(ModelInput {
            fingerprint: fingerprint(&recipe),
            words,
            source: ModelSource::Import { model, bytes, features, test },
        })
    }

    /// What the command will write is not known before it ran: its inputs are.
    fn command(&self, command: &Command) -> Result<ModelInput, Complaint> {
        const INPUTS: &str = "stages.train.inputs";
        let mut files = vec![];
        let mut folders = BTreeSet::new();
        for input in &command.inputs {
            let path = self.base.join(input);
            collect(&path, &mut folders, &mut files).map_err(|error| unreadable(self.spec, INPUTS, &path, &error))?;
        }
        files.sort();
        files.dedup();
        if files.is_empty() {
            let message = "there is no file in the inputs, so nothing tells when the command must run again";
            return Err(self.spec.complain(INPUTS, message));
        }
        let mut hash = Sha256::new();
        for file in &files {
            let sha256 = file_sha256(file).map_err(|error| unreadable(self.spec, INPUTS, file, &error))?;
            let name = file.strip_prefix(self.base).unwrap_or(file);
            hash.update(format!("{} {sha256}\n", name.display()));
        }
        let inputs = hex::encode(hash.finalize());
        let test = self.test(command.test_data.as_ref(), &command.features)?;
        let release = release(self.spec);
        let mut recipe = json!({
            "command": command.command, "inputs": inputs, "model": command.model, "features": command.features,
            "xgboost": release, "reading": READING,
        });
        let count = if files.len() == 1 { "1 file".to_owned() } else { format!("{} files", files.len()) };
        let mut words =
            vec![("command", command.command.join(" ")), ("inputs", format!("{count} ({})", short(&inputs)))];
        let made_from = fingerprint(&recipe);
        note_test(&mut recipe, &mut words, test.as_ref());
        let (command, dir) = (Box::new(command.clone()), self.base.to_owned());
        Ok(ModelInput {
            fingerprint: fingerprint(&recipe),
            words,
            source: ModelSource::Command { command, dir, release, made_from, test },
        })
    }

    fn test(&self, test: Option<&TestData>, features: &[String]) -> Result<Option<Rows>, Complaint> {
        let Some(TestData { data, label }) = test else { return Ok(None) };
        let columns = Columns { label, features, place: TEST_DATA };
        Rows::identify(self.spec, data, columns, self.base, self.objects).map(Some)
    }
}

/// Test rows are part of what is known about a model, and so of its name.
fn note_test(recipe: &mut Json, words: &mut Vec<(&'static str, String)>, test: Option<&Rows>) {
    if let Some(test) = test {
        recipe["test-data"] = json!([trainer::VERSION, test.identity, test.label]);
        words.push(("test_data", test.words.clone()));
    }
}

fn fingerprint(recipe: &Json) -> String {
    hex::encode(Sha256::digest(recipe.to_string()))
}

/// All files at or below a path, also behind links, but for what tools leave behind while the command runs.
fn collect(path: &Path, folders: &mut BTreeSet<PathBuf>, files: &mut Vec<PathBuf>) -> io::Result<()> {
    if !fs::metadata(path)?.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    // A folder that links to one above itself would never end.
    if !folders.insert(path.canonicalize()?) {
        return Ok(());
    }
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let name = entry.file_name();
        let left_behind = name == OsStr::new("__pycache__") || name.as_encoded_bytes().starts_with(b".");
        if !left_behind {
            collect(&entry.path(), folders, files)?;
        }
    }
    Ok(())
}

/// The XGBoost release in a container, such as 1.7 in `1.7-1`.
fn release(spec: &Spec) -> Dialect {
    let Container::Prebuilt(version) = &spec.create_endpoint.container else { return None };
    let release = version.as_str().split('-').next().unwrap_or_default();
    let (major, minor) = release.split_once('.').unwrap_or((release, "0"));
    Some((major.parse().unwrap_or_default(), minor.parse().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fingerprint_of(train: &str) -> String {
        let source = format!("{{ name: fraud, stages: [{{ train: {train} }}] }}");
        let spec = Spec::parse(&source, "pipeline.yaml".as_ref()).unwrap();
        let (folder, objects) = (tempfile::tempdir().unwrap(), Objects::new());
        let cache = Cache::new(folder.path());
        let reading = Reading { spec: &spec, base: folder.path(), cache: &cache, objects: &objects };
        reading.model(&mut |_| {}).unwrap().fingerprint
    }

    #[test]
    fn a_job_makes_another_model_and_a_larger_machine_the_same() {
        let here = fingerprint_of("{}");
        assert_eq!(here, fingerprint_of("{ on: here }"));
        let job = fingerprint_of("{ on: sagemaker }");
        assert_ne!(job, here);
        let larger = "{ on: sagemaker, instances: { type: ml.m5.4xlarge, volume-gb: 99, max-runtime-s: 60 } }";
        assert_eq!(job, fingerprint_of(larger));
        assert_ne!(job, fingerprint_of("{ on: sagemaker, instances: { count: 2 } }"));
    }
}
