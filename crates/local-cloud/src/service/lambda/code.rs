//! Archives: fetched, checked, kept, unpacked.

use std::fs::{self, File, Permissions};
use std::io::{self, Cursor, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use sha2::{Digest, Sha256};
use zip::ZipArchive;
use zip::result::ZipError;

use crate::Cloud;
use crate::call::Refusal;
use crate::state::StateError;

use super::refuse;
use super::request::Code;

/// Bytes of a zip inside a request: 50 MiB.
const MAX_ZIP: usize = 52_428_800;
/// Bytes of everything in a zip: 250 MiB.
const MAX_UNZIPPED: u64 = 262_144_000;

/// An archive that can be unpacked within the limits.
#[derive(Debug)]
pub(super) struct Archive {
    pub(super) bytes: Bytes,
    /// SHA-256 in hex.
    pub(super) digest: String,
    /// SHA-256 in base64.
    pub(super) sha256: String,
}

/// Where archives are kept (`code/<digest>.zip`) and unpacked (`run/<digest>/`).
#[derive(Debug)]
pub(super) struct Store {
    dir: PathBuf,
}

impl Store {
    /// Nothing runs yet, so what an earlier process unpacked is removed.
    pub(super) fn open(dir: &Path) -> Result<Self, StateError> {
        // Functions run in their own folder, from where a relative path would lead nowhere.
        let dir = std::path::absolute(dir).map_err(|source| StateError::Io { path: dir.to_owned(), source })?;
        let run = dir.join("run");
        match fs::remove_dir_all(&run) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => Err(StateError::Io { path: run, source }),
            _ => Ok(Self { dir }),
        }
    }

    /// Keeps an archive under its digest.
    pub(super) fn keep(&self, archive: &Archive) -> io::Result<()> {
        let path = self.zip(&archive.digest);
        if path.exists() {
            return Ok(());
        }
        let dir = self.dir.join("code");
        fs::create_dir_all(&dir)?;
        let mut file = tempfile::NamedTempFile::new_in(&dir)?;
        file.write_all(&archive.bytes)?;
        file.as_file().sync_data()?;
        file.persist(path)?;
        Ok(())
    }

    /// Removes an archive and what was unpacked of it. Processes that run hold on to their program.
    pub(super) fn forget(&self, digest: &str) {
        for gone in [fs::remove_file(self.zip(digest)), fs::remove_dir_all(self.folder(digest))] {
            if let Err(error) = gone
                && error.kind() != io::ErrorKind::NotFound
            {
                tracing::warn!(digest, %error, "could not remove a function's code");
            }
        }
    }

    /// The folder with an archive's files, unpacked at the first call. Blocks.
    pub(super) fn unpacked(&self, digest: &str) -> io::Result<PathBuf> {
        let target = self.folder(digest);
        if target.exists() {
            return Ok(target);
        }
        let run = self.dir.join("run");
        fs::create_dir_all(&run)?;
        let staging = tempfile::TempDir::new_in(&run)?;
        unpack(File::open(self.zip(digest))?, Some(staging.path())).map_err(|refused| match refused {
            Unpack::Io(error) => error,
            Unpack::Corrupt => io::Error::other("the archive is damaged"),
            Unpack::TooLarge => io::Error::other("the archive is too large"),
        })?;
        fs::set_permissions(staging.path(), Permissions::from_mode(0o755))?;
        // Another invocation may have been quicker; its folder is as good.
        match fs::rename(staging.path(), &target) {
            Err(error) if !target.exists() => Err(error),
            _ => Ok(target),
        }
    }

    fn zip(&self, digest: &str) -> PathBuf {
        self.dir.join("code").join(format!("{digest}.zip"))
    }

    fn folder(&self, digest: &str) -> PathBuf {
        self.dir.join("run").join(digest)
    }
}

/// Gets the archive that a request names and checks it.
pub(super) async fn fetch(cloud: &Arc<Cloud>, code: Code) -> Result<Archive, Refusal> {
    let bytes = match code {
        Code { zip_file: Some(text), s3_bucket: None, s3_key: None } => {
            let bytes = STANDARD.decode(text).map_err(|_| cannot_unzip())?;
            if bytes.len() > MAX_ZIP {
                return Err(Refusal::new(
                    413,
                    "RequestEntityTooLargeException",
                    format!("Zipped size must be smaller than {MAX_ZIP} bytes"),
                ));
            }
            Bytes::from(bytes)
        }
        Code { zip_file: None, s3_bucket: Some(bucket), s3_key: Some(key) } => {
            let why = if cloud.s3.exists(&bucket) {
                "NoSuchKey. S3 Error Message: The specified key does not exist."
            } else {
                "NoSuchBucket. S3 Error Message: The specified bucket does not exist"
            };
            let absent = || refuse::invalid(format!("Error occurred while GetObject. S3 Error Code: {why}"));
            cloud.s3.object(&bucket, &key).ok_or_else(absent)?
        }
        _ => return Err(refuse::invalid("Please provide a source for function code.")),
    };
    tokio::task::spawn_blocking(move || check(bytes)).await.map_err(|error| refuse::fault(&error))?
}

/// Reads the archive to its end, so that a damaged one is refused now and not when it should run.
fn check(bytes: Bytes) -> Result<Archive, Refusal> {
    match unpack(Cursor::new(&bytes), None) {
        Ok(()) => {}
        Err(Unpack::TooLarge) => {
            return Err(refuse::invalid(format!("Unzipped size must be smaller than {MAX_UNZIPPED} bytes")));
        }
        Err(Unpack::Corrupt | Unpack::Io(_)) => return Err(cannot_unzip()),
    }
    let hash = Sha256::digest(&bytes);
    Ok(Archive { digest: hex::encode(hash), sha256: STANDARD.encode(hash), bytes })
}

fn cannot_unzip() -> Refusal {
    refuse::invalid("Could not unzip uploaded file. Please check your file, then try to upload again.")
}

/// Why an archive was not unpacked.
enum Unpack {
    Corrupt,
    TooLarge,
    Io(io::Error),
}

impl From<ZipError> for Unpack {
    fn from(_: ZipError) -> Self {
        Self::Corrupt
    }
}

impl From<io::Error> for Unpack {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Unpacks into a folder, or only reads. Names that lead out of the folder and symbolic links count as damage;
/// sizes are counted, not believed.
fn unpack(zip: impl Read + io::Seek, into: Option<&Path>) -> Result<(), Unpack> {
    let mut archive = ZipArchive::new(zip)?;
    let mut left = MAX_UNZIPPED;
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index)?;
        let name = entry.enclosed_name().ok_or(Unpack::Corrupt)?;
        if entry.is_symlink() {
            return Err(Unpack::Corrupt);
        }
        let target = into.map(|dir| dir.join(name));
        if entry.is_dir() {
            if let Some(target) = target {
                fs::create_dir_all(target)?;
            }
            continue;
        }
        let mode = entry.unix_mode().unwrap_or(0o644) & 0o777;
        let mut bounded = (&mut entry).take(left + 1);
        let written = match target {
            None => io::copy(&mut bounded, &mut io::sink())?,
            Some(target) => {
                if let Some(parent) = target.parent() {
                    fs::create_dir_all(parent)?;
                }
                let mut file = File::create(&target)?;
                let written = io::copy(&mut bounded, &mut file)?;
                // The owner must be able to read what it should run and to remove it later.
                file.set_permissions(Permissions::from_mode(mode | 0o600))?;
                written
            }
        };
        left = left.checked_sub(written).ok_or(Unpack::TooLarge)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::Store;

    #[test]
    fn a_relative_state_folder_is_made_absolute() {
        let store = Store::open(Path::new("relative/that/does/not/exist")).unwrap();
        assert!(store.folder("digest").is_absolute(), "{store:?}");
    }
}
