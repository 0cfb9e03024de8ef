//! Files that are made once, named by what they were made from, and used again. Losing them loses time only.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::StageError;

/// A folder of such files.
#[derive(Clone, Debug)]
pub struct Cache {
    dir: PathBuf,
}

/// A finished model and what is known about it.
#[derive(Clone, Debug)]
pub struct CachedModel {
    /// The bytes that go into the archive as `xgboost-model`.
    pub model: PathBuf,
    /// What is known about it, as JSON.
    pub evaluation: PathBuf,
}

/// A finished container image, as it is pushed.
#[derive(Clone, Debug)]
pub struct CachedImage {
    /// The file system.
    pub layer: PathBuf,
    /// How it is run.
    pub config: PathBuf,
    /// What it consists of. Written last: its presence says that the image is finished.
    pub manifest: PathBuf,
}

impl Cache {
    /// Uses a folder, which need not exist yet.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into() }
    }

    /// The folder itself.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The model of that fingerprint, if it was finished.
    pub fn model(&self, fingerprint: &str) -> Option<CachedModel> {
        let cached = self.model_paths(fingerprint);
        cached.evaluation.exists().then_some(cached)
    }

    /// Adds a model: all of it or nothing.
    pub fn add_model(&self, fingerprint: &str, model: &[u8], evaluation: &[u8]) -> Result<CachedModel, StageError> {
        let cached = self.model_paths(fingerprint);
        self.write(&cached.model, model)?;
        // Written last: its presence says that the model is finished.
        self.write(&cached.evaluation, evaluation)?;
        Ok(cached)
    }

    /// Where the model that a command made from these inputs is, or would be: other test rows need no other run.
    pub fn made(&self, inputs: &str) -> PathBuf {
        self.dir.join("commands").join(inputs).join("xgboost-model")
    }

    /// Where the model archive of that fingerprint is, or would be.
    pub fn archive(&self, fingerprint: &str) -> PathBuf {
        self.dir.join("models").join(fingerprint).join("model.tar.gz")
    }

    /// Where the page about the model of that fingerprint is, or would be.
    pub fn report(&self, fingerprint: &str) -> PathBuf {
        self.dir.join("models").join(fingerprint).join("report.html")
    }

    /// Where the proxy's zip of that fingerprint is, or would be.
    pub fn proxy_zip(&self, fingerprint: &str) -> PathBuf {
        self.dir.join("proxies").join(fingerprint).join("proxy.zip")
    }

    /// The image of that fingerprint, if it was finished.
    pub fn image(&self, fingerprint: &str) -> Option<CachedImage> {
        let cached = self.image_paths(fingerprint);
        cached.manifest.exists().then_some(cached)
    }

    /// Where the image of that fingerprint is, or would be.
    pub(crate) fn image_paths(&self, fingerprint: &str) -> CachedImage {
        let dir = self.dir.join("images").join(fingerprint);
        CachedImage {
            layer: dir.join("layer.tar.gz"),
            config: dir.join("config.json"),
            manifest: dir.join("manifest.json"),
        }
    }

    /// Writes beside the file and renames over it.
    pub fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), StageError> {
        let write = || -> io::Result<()> {
            let dir = path.parent().unwrap_or(&self.dir);
            fs::create_dir_all(dir)?;
            let mut file = tempfile::NamedTempFile::new_in(dir)?;
            io::Write::write_all(&mut file, bytes)?;
            file.as_file().sync_data()?;
            file.persist(path).map_err(|error| error.error)?;
            Ok(())
        };
        write().map_err(|error| StageError::here(format!("could not write `{}`", path.display()), error))
    }

    /// Reads a file of the cache.
    pub fn read(&self, path: &Path) -> Result<Vec<u8>, StageError> {
        fs::read(path).map_err(|error| StageError::here(format!("could not read `{}`", path.display()), error))
    }

    fn model_paths(&self, fingerprint: &str) -> CachedModel {
        let dir = self.dir.join("models").join(fingerprint);
        CachedModel { model: dir.join("xgboost-model"), evaluation: dir.join("evaluation.json") }
    }
}
