//! Blobs and manifests on disk: a folder for each repository, a file for each digest.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// Where layers are until they are complete.
const UPLOADS: &str = "uploads";

#[derive(Debug)]
pub(super) struct Store {
    dir: PathBuf,
}

impl Store {
    pub(super) fn new(dir: PathBuf) -> Self {
        Self { dir }
    }

    pub(super) fn read(&self, folder: &str, digest: &str) -> io::Result<Vec<u8>> {
        fs::read(self.file(folder, digest))
    }

    /// Writes a small blob whole, under its digest.
    pub(super) fn write(&self, folder: &str, digest: &str, bytes: &[u8]) -> io::Result<()> {
        let dir = self.dir.join(folder);
        fs::create_dir_all(&dir)?;
        let mut file = tempfile::NamedTempFile::new_in(&dir)?;
        file.write_all(bytes)?;
        file.as_file().sync_data()?;
        file.persist(self.file(folder, digest)).map_err(|error| error.error)?;
        Ok(())
    }

    /// Adds bytes to an upload at a place; what was written behind it before, and never answered, goes.
    pub(super) fn append(&self, upload: &str, at: u64, bytes: &[u8]) -> io::Result<()> {
        let path = self.upload(upload);
        fs::create_dir_all(self.dir.join(UPLOADS))?;
        let mut file = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
        file.set_len(at)?;
        file.seek(SeekFrom::Start(at))?;
        file.write_all(bytes)?;
        file.sync_data()
    }

    /// The digest of an upload.
    pub(super) fn digest(&self, upload: &str) -> io::Result<String> {
        let mut file = File::open(self.upload(upload))?;
        let (mut hash, mut buffer) = (Sha256::new(), vec![0; 1 << 16]);
        loop {
            match file.read(&mut buffer)? {
                0 => return Ok(format!("sha256:{}", hex::encode(hash.finalize()))),
                read => hash.update(&buffer[..read]),
            }
        }
    }

    /// Makes an upload a blob.
    pub(super) fn finish(&self, upload: &str, folder: &str, digest: &str) -> io::Result<()> {
        let dir = self.dir.join(folder);
        fs::create_dir_all(&dir)?;
        fs::rename(self.upload(upload), self.file(folder, digest))?;
        File::open(dir)?.sync_all()
    }

    /// What is not there is removed already; what stays behind is only space.
    pub(super) fn remove(&self, folder: &str, digest: &str) {
        removed(fs::remove_file(self.file(folder, digest)), digest);
    }

    /// As [`Self::remove`], of all that a repository has.
    pub(super) fn remove_folder(&self, folder: &str) {
        removed(fs::remove_dir_all(self.dir.join(folder)), folder);
    }

    fn upload(&self, id: &str) -> PathBuf {
        self.dir.join(UPLOADS).join(id)
    }

    /// Digests are checked where they enter: no path leaves the folder.
    fn file(&self, folder: &str, digest: &str) -> PathBuf {
        self.dir.join(folder).join(Path::new(&digest.replace(':', "-")))
    }
}

fn removed(result: io::Result<()>, what: &str) {
    if let Err(error) = result
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(%error, what, "could not remove a file of the image registry");
    }
}
