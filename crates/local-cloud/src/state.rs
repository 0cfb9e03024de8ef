//! A service's memory: a value in one JSON file, written whole and atomically before a change is answered.
//!
//! The first write of a file leaves a mark in `<state_dir>/written/`. A file that has a mark and is absent was lost, and
//! the cloud does not start: it would otherwise answer as if nothing had ever been made. Opening writes nothing.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::call::Refusal;

/// Folder of the marks, in the state folder.
const MARKS: &str = "written";
/// Bytes that are collected before they are written to the file.
const BUFFER: usize = 64 * 1024;

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
    /// The file was written once and is absent.
    #[error("state file `{}` is missing, although `{}` shows that it was written", path.display(), proof.display())]
    Missing {
        /// The file.
        path: PathBuf,
        /// The mark of the file, or other data that exists only with it.
        proof: PathBuf,
        /// Folder of the whole state.
        state_dir: PathBuf,
    },
}

impl StateError {
    /// Returns the next action of the reader, where there is one.
    pub fn hint(&self) -> Option<String> {
        let Self::Missing { path, state_dir, .. } = self else { return None };
        let (file, dir) = (path.display(), state_dir.display());
        Some(format!("restore `{file}` from a copy, or remove the whole folder `{dir}` to start with an empty cloud"))
    }
}

/// Returns whether a cloud has ever written state into this folder.
pub fn was_written(state_dir: &Path) -> bool {
    fs::read_dir(state_dir.join(MARKS)).is_ok_and(|mut marks| marks.next().is_some())
}

/// A value that survives a restart.
#[derive(Debug)]
pub struct Persisted<T> {
    path: PathBuf,
    mark: PathBuf,
    is_marked: AtomicBool,
    value: Mutex<T>,
}

impl<T: Clone + Default + Serialize + DeserializeOwned> Persisted<T> {
    /// Reads `<state_dir>/<name>.json`, or starts empty when it was never written.
    pub fn open(state_dir: &Path, name: &str) -> Result<Self, StateError> {
        let path = state_dir.join(format!("{name}.json"));
        let mark = state_dir.join(MARKS).join(name.replace('/', "."));
        let is_marked = mark.exists();
        let value = match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map_err(|source| StateError::Unreadable { path: path.clone(), source })?,
            Err(error) if error.kind() == io::ErrorKind::NotFound && is_marked => {
                return Err(StateError::Missing { path, proof: mark, state_dir: state_dir.to_owned() });
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => T::default(),
            Err(source) => return Err(StateError::Io { path, source }),
        };
        Ok(Self { path, mark, is_marked: AtomicBool::new(is_marked), value: Mutex::new(value) })
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
        self.save(&next).map_err(|error| {
            tracing::error!(path = %self.path.display(), %error, "could not save state");
            Refusal::of_disk("its state", &error)
        })?;
        *value = next;
        Ok(result)
    }

    /// Changes the value in memory alone; the next [`Self::write`] saves it. For corrections at start, which every start
    /// makes again until then.
    pub fn correct(&self, change: impl FnOnce(&mut T)) {
        change(&mut self.lock());
    }

    fn lock(&self) -> MutexGuard<'_, T> {
        self.value.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The mark follows the file: a kill in between leaves a file without a mark, which the next write marks.
    fn save(&self, value: &T) -> io::Result<()> {
        save(&self.path, value)?;
        if !self.is_marked.load(Ordering::Relaxed) {
            let dir = self.mark.parent().unwrap_or(Path::new("."));
            fs::create_dir_all(dir)?;
            File::create(&self.mark)?;
            File::open(dir)?.sync_all()?;
            self.is_marked.store(true, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// Writes beside the file and renames over it, so a full disk or a kill leaves the old state.
fn save<T: Serialize>(path: &Path, value: &T) -> io::Result<()> {
    let dir = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(dir)?;
    let mut file = tempfile::NamedTempFile::new_in(dir)?;
    let mut out = BufWriter::with_capacity(BUFFER, file.as_file_mut());
    serde_json::to_writer(&mut out, value)?;
    out.flush()?;
    drop(out);
    file.as_file().sync_data()?;
    file.persist(path).map_err(|error| error.error)?;
    File::open(dir)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(state: &Persisted<Vec<u32>>, value: u32) {
        state
            .write(|values| {
                values.push(value);
                Ok(())
            })
            .unwrap();
    }

    #[test]
    fn a_file_that_was_written_and_is_absent_is_missing_and_comes_back_with_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let open = || Persisted::<Vec<u32>>::open(dir.path(), "lambda/functions");
        assert!(!was_written(dir.path()));
        let state = open().unwrap();
        drop(open().unwrap());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "opening writes nothing");
        set(&state, 1);
        assert!(was_written(dir.path()));

        let (file, copy) = (dir.path().join("lambda/functions.json"), dir.path().join("copy"));
        fs::rename(&file, &copy).unwrap();
        let error = open().unwrap_err();
        assert!(matches!(&error, StateError::Missing { path, .. } if *path == file), "{error}");
        assert!(error.hint().unwrap().contains("restore"));
        assert!(Persisted::<Vec<u32>>::open(dir.path(), "other").is_ok(), "a service that is used the first time");
        fs::rename(copy, file).unwrap();
        assert_eq!(open().unwrap().read(Vec::clone), [1]);
    }

    #[test]
    fn a_file_of_before_the_marks_gets_one_with_its_next_write() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("s3.json"), "[1]").unwrap();
        let state = Persisted::<Vec<u32>>::open(dir.path(), "s3").unwrap();
        assert!(!was_written(dir.path()));
        set(&state, 2);
        fs::remove_file(dir.path().join("s3.json")).unwrap();
        assert!(Persisted::<Vec<u32>>::open(dir.path(), "s3").is_err());
    }

    #[test]
    fn a_correction_is_saved_with_the_next_write() {
        let dir = tempfile::tempdir().unwrap();
        let state = Persisted::<Vec<u32>>::open(dir.path(), "s").unwrap();
        state.correct(|values| values.push(1));
        assert!(!dir.path().join("s.json").exists());
        set(&state, 2);
        assert_eq!(fs::read(dir.path().join("s.json")).unwrap(), b"[1,2]");
    }
}
