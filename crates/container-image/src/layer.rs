//! A layer: a tar archive whose entries are sorted and have neither a time nor an owner, under gzip.

use std::io;

use flate2::Compression;
use flate2::write::GzEncoder;
use tar::{EntryType, Header};

/// Something in an image's file system. It belongs to root.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry<'a> {
    /// From the root, without a slash before it.
    path: &'a str,
    /// Permissions, such as `0o755`.
    mode: u32,
    kind: Kind<'a>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind<'a> {
    Folder,
    File(&'a [u8]),
}

impl<'a> Entry<'a> {
    /// A folder.
    pub fn folder(path: &'a str, mode: u32) -> Self {
        Self { path, mode, kind: Kind::Folder }
    }

    /// A file. It should be readable by everybody: a serverless endpoint runs as a user of its own choice.
    pub fn file(path: &'a str, mode: u32, content: &'a [u8]) -> Self {
        Self { path, mode, kind: Kind::File(content) }
    }
}

/// The archive, sorted by path.
pub(crate) fn archive(entries: &[Entry<'_>]) -> io::Result<Vec<u8>> {
    let mut sorted: Vec<_> = entries.iter().collect();
    sorted.sort();
    let mut builder = tar::Builder::new(Vec::new());
    for entry in sorted {
        let mut header = Header::new_ustar();
        let (kind, name, content) = match entry.kind {
            Kind::Folder => (EntryType::Directory, format!("{}/", entry.path), &[][..]),
            Kind::File(content) => (EntryType::Regular, entry.path.to_owned(), content),
        };
        header.set_entry_type(kind);
        header.set_mode(entry.mode);
        header.set_size(content.len() as u64);
        header.set_mtime(0);
        header.set_uid(0);
        header.set_gid(0);
        builder.append_data(&mut header, name, content)?;
    }
    builder.into_inner()
}

/// Without a time and a file name in its head.
pub(crate) fn gzip(archive: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    io::Write::write_all(&mut encoder, archive)?;
    encoder.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_sorted_and_have_neither_time_nor_owner() {
        let entries = [Entry::folder("tmp", 0o1777), Entry::file("model-server", 0o755, b"program")];
        let bytes = archive(&entries).unwrap();
        let mut archive = tar::Archive::new(&*bytes);
        let seen: Vec<_> = archive
            .entries()
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                let header = entry.header();
                let zero = [header.mtime().unwrap(), header.uid().unwrap(), header.gid().unwrap()];
                assert_eq!(zero, [0; 3]);
                (entry.path().unwrap().display().to_string(), header.mode().unwrap(), header.size().unwrap())
            })
            .collect();
        assert_eq!(seen, [("model-server".to_owned(), 0o755, 7), ("tmp/".to_owned(), 0o1777, 0)]);
    }

    #[test]
    fn gzip_tells_no_time() {
        let bytes = gzip(b"x").unwrap();
        assert_eq!((&bytes[..2], &bytes[4..8]), (&[0x1f, 0x8b][..], &[0; 4][..]));
    }
}
