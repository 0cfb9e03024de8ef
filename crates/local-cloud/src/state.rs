//! A service's memory: a value in one JSON file, written whole and atomically before a change is answered.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::call::Refusal;

/// Why a state file could not be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The file or its folder cannot be read or written.
    #[error("could not use state file `{}`", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is not what this version writes.
    #[error("state file `{}` is damaged or from another version", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Where it stops making sense.
        source: serde_json::Error,
    },
}

/// A value that survives a restart.
#[derive(Debug)]
pub struct Persisted<T> {
    path: PathBuf,
    value: Mutex<T>,
}

impl<T: Clone + Default + Serialize + DeserializeOwned> Persisted<T> {
    /// Reads `<dir>/<name>.json`, or starts empty when it does not exist.
    pub fn open(dir: &Path, name: &str) -> Result<Self, StateError> {
        let path = dir.join(format!("{name}.json"));
        let value = match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map_err(|source| StateError::Unreadable { path: path.clone(), source })?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => T::default(),
            Err(source) => return Err(StateError::Io { path, source }),
        };
        Ok(Self { path, value: Mutex::new(value) })
    }

    /// Looks at the value.
    pub fn read<R>(&self, look: impl FnOnce(&T) -> R) -> R {
        look(&self.lock())
    }

    /// Changes the value. Nothing changes when `change` refuses or the disk does.
    pub fn write<R>(&self, change: impl FnOnce(&mut T) -> Result<R, Refusal>) -> Result<R, Refusal> {
        let mut value = self.lock();
        let mut next = value.clone();
        let result = change(&mut next)?;
        save(&self.path, &next).map_err(|error| {
            tracing::error!(path = %self.path.display(), %error, "could not save state");
            Refusal::of_disk("its state", &error)
        })?;
        *value = next;
        Ok(result)
    }

    fn lock(&self) -> MutexGuard<'_, T> {
        self.value.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes beside the file and renames over it, so a full disk or a kill leaves the old state.
fn save<T: Serialize>(path: &Path, value: &T) -> io::Result<()> {
    let dir = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(dir)?;
    let mut file = tempfile::NamedTempFile::new_in(dir)?;
    serde_json::to_writer(&mut file, value)?;
    file.flush()?;
    file.as_file().sync_data()?;
    file.persist(path).map_err(|error| error.error)?;
    File::open(dir)?.sync_all()
}
