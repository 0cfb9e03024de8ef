//! The program's own log: standard error, which may be a file that nobody empties and a disk that is full.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// What the file may grow to before what is in it makes room. As much again is kept in the older file beside it.
const MAX_BYTES: u64 = 8 * 1024 * 1024;
/// Bytes between two looks at the file.
const LOOK_BYTES: usize = 64 * 1024;

/// Writes log lines to standard error. A line that cannot be written is lost and ends nothing. When standard error is the
/// file that is named, the file is bounded: what is in it moves to `<name>.1`, in place of what was there.
#[derive(Clone, Debug)]
pub struct Log(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    file: PathBuf,
    /// Bytes since the last look.
    since: Mutex<usize>,
}

impl Log {
    /// A log that may be this file.
    pub fn new(file: PathBuf) -> Self {
        Self(Arc::new(Inner { file, since: Mutex::new(LOOK_BYTES) }))
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // One at a time, so that no line is lost between a copy and what makes room.
        let mut since = self.0.since.lock().unwrap_or_else(PoisonError::into_inner);
        // There is nowhere left to tell of an error.
        let _ = io::stderr().write_all(bytes);
        *since += bytes.len();
        if *since >= LOOK_BYTES {
            *since = 0;
            if is_standard_error(&self.0.file) {
                let _ = bound(&self.0.file, MAX_BYTES);
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn is_standard_error(file: &Path) -> bool {
    let own = io::stderr().as_fd().try_clone_to_owned().and_then(|own| File::from(own).metadata());
    let (Ok(own), Ok(named)) = (own, fs::metadata(file)) else { return false };
    (own.dev(), own.ino()) == (named.dev(), named.ino())
}

/// Empties a file that has grown too large into the older one beside it. It stays the same file, since others have it
/// open to append to it. On a full disk the file is emptied without an older copy.
fn bound(file: &Path, most: u64) -> io::Result<()> {
    if fs::metadata(file)?.len() <= most {
        return Ok(());
    }
    let mut older = file.as_os_str().to_owned();
    older.push(".1");
    if fs::copy(file, &older).is_err() {
        fs::remove_file(&older)?;
    }
    OpenOptions::new().write(true).open(file)?.set_len(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_that_has_grown_is_emptied_into_one_older_file_and_stays_open() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("cloud.log");
        let mut open = OpenOptions::new().create(true).append(true).open(&file).unwrap();
        for round in 0..3 {
            open.write_all(format!("{round}{}\n", "x".repeat(100)).as_bytes()).unwrap();
            bound(&file, 100).unwrap();
            assert_eq!(fs::metadata(&file).unwrap().len(), 0);
            let older = fs::read_to_string(dir.path().join("cloud.log.1")).unwrap();
            assert!(older.len() == 102 && older.starts_with(&round.to_string()), "{older}");
        }
        open.write_all(b"next\n").unwrap();
        bound(&file, 100).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "next\n");
    }

    #[test]
    fn a_log_beside_standard_error_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("cloud.log");
        fs::write(&file, "x").unwrap();
        assert!(!is_standard_error(&file));
        Log::new(file).write_all(b"").unwrap();
    }
}
