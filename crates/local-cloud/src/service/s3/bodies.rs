//! Object bodies on disk: `<state_dir>/s3/<bucket>/<random name>`.
//!
//! A key never becomes a file name, so no key can leave the folder. A body is complete and synced before the
//! index names it. Until then its name begins with [`INCOMING`], and nobody was told that it is stored: such a file is
//! removed when its upload fails, or by the first write after a crash. A complete body that the index does not name is
//! never removed: the index may be the wrong one. The first write moves it into `<state_dir>/quarantine/s3/<bucket>/`.
//! Opening the folder writes nothing.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use s3s::crypto::{Checksum as _, Md5};
use s3s::dto::StreamingBlob;
use tempfile::{NamedTempFile, TempPath};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::checksum::{Algorithm, Checksum, Claim, Running};
use super::index::{Bucket, Index};
use super::refuse;
use crate::call::Refusal;

/// What an upload gets when the client names no algorithm; AWS's default since 2024.
const DEFAULT_ALGORITHM: Algorithm = Algorithm::Crc64Nvme;

/// Bytes read from disk at a time.
const CHUNK: usize = 256 * 1024;

/// What the names of files begin with whose upload has not ended.
const INCOMING: &str = "incoming-";

/// The folder of bodies.
#[derive(Debug)]
pub(super) struct Bodies {
    root: PathBuf,
    quarantine: PathBuf,
    /// Files that the index did not name when it was opened. Empty after the first write.
    unnamed: Mutex<Vec<PathBuf>>,
}

/// A verified body that the index does not name yet. Its file goes away with it unless kept.
#[derive(Debug)]
pub(super) struct Received {
    file: TempPath,
    /// File name.
    pub(super) name: String,
    /// Bytes.
    pub(super) size: u64,
    pub(super) md5: [u8; 16],
    pub(super) checksum: Checksum,
}

impl Received {
    /// Leaves the file to the index, which names it now.
    pub(super) fn keep(self) {
        if let Err(error) = self.file.keep() {
            tracing::error!(%error, "could not keep an object's file");
        }
    }
}

impl Bodies {
    /// Opens the folder of bodies in a state folder, and notes what the index does not name.
    pub(super) fn in_folder(state_dir: &Path, index: &Index) -> io::Result<Self> {
        let root = state_dir.join("s3");
        let unnamed = Mutex::new(unnamed(&root, index)?);
        Ok(Self { root, quarantine: state_dir.join("quarantine").join("s3"), unnamed })
    }

    /// Returns a complete body that the index did not name when it was opened.
    pub(super) fn orphan(&self) -> Option<PathBuf> {
        self.unnamed.lock().unwrap_or_else(PoisonError::into_inner).iter().find(|path| !is_incoming(path)).cloned()
    }

    /// Returns whether there are bodies in quarantine.
    pub(super) fn has_quarantine(&self) -> bool {
        fs::read_dir(&self.quarantine).is_ok_and(|mut folders| folders.next().is_some())
    }

    /// Removes cut-off uploads, and moves all else that the index did not name into quarantine. Every write calls it
    /// before it makes a file; only the first one finds anything.
    fn settle(&self) -> io::Result<()> {
        let mut unnamed = self.unnamed.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(path) = unnamed.last() {
            if is_incoming(path) {
                fs::remove_file(path)?;
            } else {
                let target = self.quarantine.join(path.strip_prefix(&self.root).unwrap_or(path));
                fs::create_dir_all(target.parent().unwrap_or(&self.quarantine))?;
                fs::rename(path, &target)?;
                tracing::warn!(from = %path.display(), to = %target.display(), "moved a body that the index does not name");
            }
            unnamed.pop();
        }
        Ok(())
    }

    /// Opens a body. Called under the index's lock, so that no delete comes between.
    pub(super) fn open(&self, bucket: &str, name: &str) -> io::Result<File> {
        File::open(self.root.join(bucket).join(name))
    }

    /// Removes bodies that the index has let go of. One that stays is in quarantine after the next start.
    pub(super) fn remove(&self, bucket: &str, names: &[String]) {
        for name in names {
            if let Err(error) = fs::remove_file(self.root.join(bucket).join(name)) {
                tracing::warn!(bucket, name, %error, "could not remove an object's file");
            }
        }
    }

    /// Removes the folder of a bucket that is gone, with the parts of its unfinished uploads.
    pub(super) fn remove_bucket(&self, bucket: &str) {
        if let Err(error) = self.settle() {
            tracing::warn!(bucket, %error, "could not move bodies into quarantine; the bucket's folder stays");
            return;
        }
        match fs::remove_dir_all(self.root.join(bucket)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(bucket, %error, "could not remove a bucket's folder");
            }
            _ => {}
        }
    }

    /// Streams a body to disk and verifies it. `otherwise` is computed when the client claims nothing.
    pub(super) async fn receive<S, E>(
        &self,
        bucket: &str,
        mut stream: S,
        claim: &Claim,
        otherwise: Option<Algorithm>,
    ) -> Result<Received, Refusal>
    where
        S: Stream<Item = Result<Bytes, E>> + Unpin,
        E: ToString,
    {
        let algorithm = claim.algorithm.or(otherwise).unwrap_or(DEFAULT_ALGORITHM);
        let (file, path) = self.create(bucket).map_err(refuse::disk)?.into_parts();
        let mut file = tokio::fs::File::from_std(file);
        let (mut running, mut md5, mut size) = (Running::new(algorithm), Md5::new(), 0);
        while let Some(chunk) = stream.next().await {
            let chunk = chunk.map_err(|error| broken(&error.to_string()))?;
            running.update(&chunk);
            md5.update(&chunk);
            size += chunk.len() as u64;
            file.write_all(&chunk).await.map_err(refuse::disk)?;
        }
        let checksum = Checksum { algorithm, value: running.finish(), composite: false };
        let md5 = md5.finalize();
        claim.verify(size, &md5, &checksum)?;
        file.flush().await.map_err(refuse::disk)?;
        file.sync_all().await.map_err(refuse::disk)?;
        self.received(bucket, path, size, md5, checksum).map_err(refuse::disk)
    }

    /// Joins parts into one body. Blocks.
    pub(super) fn join(&self, bucket: &str, parts: Vec<File>, algorithm: Algorithm) -> io::Result<Received> {
        let mut file = self.create(bucket)?;
        let (mut running, mut md5, mut size) = (Running::new(algorithm), Md5::new(), 0);
        let mut buffer = vec![0; CHUNK];
        for mut part in parts {
            loop {
                let read = part.read(&mut buffer)?;
                let Some(chunk @ [_, ..]) = buffer.get(..read) else { break };
                running.update(chunk);
                md5.update(chunk);
                size += read as u64;
                file.write_all(chunk)?;
            }
        }
        file.as_file().sync_all()?;
        let checksum = Checksum { algorithm, value: running.finish(), composite: false };
        self.received(bucket, file.into_temp_path(), size, md5.finalize(), checksum)
    }

    fn create(&self, bucket: &str) -> io::Result<NamedTempFile> {
        self.settle()?;
        let folder = self.root.join(bucket);
        fs::create_dir_all(&folder)?;
        tempfile::Builder::new().prefix(INCOMING).rand_bytes(32).tempfile_in(folder)
    }

    fn received(
        &self,
        bucket: &str,
        file: TempPath,
        size: u64,
        md5: [u8; 16],
        checksum: Checksum,
    ) -> io::Result<Received> {
        let folder = self.root.join(bucket);
        let incoming = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let name = incoming.strip_prefix(INCOMING).unwrap_or(incoming).to_owned();
        let path = folder.join(&name);
        file.persist(&path).map_err(|error| error.error)?;
        // It goes away with the guard until the index names it.
        let file = TempPath::try_from_path(path)?;
        File::open(folder)?.sync_all()?;
        Ok(Received { file, name, size, md5, checksum })
    }
}

/// Files in the folders of buckets that the index does not name.
fn unnamed(root: &Path, index: &Index) -> io::Result<Vec<PathBuf>> {
    let folders = match fs::read_dir(root) {
        Ok(folders) => folders,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut unnamed = Vec::new();
    for folder in folders {
        let folder = folder?;
        if !folder.file_type()?.is_dir() {
            unnamed.push(folder.path());
            continue;
        }
        let bucket = folder.file_name().to_str().and_then(|name| index.buckets.get(name));
        let named: HashSet<&str> = bucket.into_iter().flat_map(Bucket::bodies).collect();
        for file in fs::read_dir(folder.path())? {
            let file = file?;
            if !file.file_name().to_str().is_some_and(|name| named.contains(name)) {
                unnamed.push(file.path());
            }
        }
    }
    Ok(unnamed)
}

fn is_incoming(path: &Path) -> bool {
    path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(INCOMING))
}

/// Streams a range of a body, a chunk at a time.
pub(super) fn stream(mut file: File, range: &Range<u64>) -> io::Result<StreamingBlob> {
    file.seek(SeekFrom::Start(range.start))?;
    let rest = tokio::fs::File::from_std(file).take(range.end - range.start);
    Ok(StreamingBlob::wrap(futures::stream::try_unfold(rest, |mut rest| async move {
        let mut chunk = Vec::with_capacity(CHUNK.min(usize::try_from(rest.limit()).unwrap_or(CHUNK)));
        let read = (&mut rest).take(CHUNK as u64).read_to_end(&mut chunk).await?;
        Ok::<_, io::Error>((read > 0).then(|| (Bytes::from(chunk), rest)))
    })))
}

/// Why a body broke off. `s3s` keeps its stream errors private, so their texts are all there is.
fn broken(error: &str) -> Refusal {
    if error.contains("Sha256Mismatch") {
        refuse::sha256_mismatch()
    } else if error.contains("SignatureMismatch") {
        Refusal::new(403, "SignatureDoesNotMatch", refuse::sentence("SignatureDoesNotMatch").unwrap_or_default())
    } else {
        tracing::debug!(error, "an upload broke off");
        refuse::incomplete_body()
    }
}
