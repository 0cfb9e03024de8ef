//! Unpacks a model archive, or a layer of an image: plain files, inside one folder, of bounded size.

use std::cell::Cell;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;

use flate2::read::MultiGzDecoder;
use tar::EntryType;

/// What an archive may hold unpacked: what a serverless endpoint has as disk (5 GB).
const MAX_BYTES: u64 = 5 << 30;
/// What stands before the content of an entry, such as a long name, is kept in memory whole.
const MAX_HEADER_BYTES: u64 = 1 << 20;
/// More entries than this are no model.
const MAX_ENTRIES: usize = 10_000;

/// How the name of an entry begins that takes a file of a lower layer away. Source: the image specification of OCI.
const WHITEOUT: &[u8] = b".wh.";

/// Why an archive was not unpacked.
#[derive(Debug, thiserror::Error)]
pub(super) enum ArchiveError {
    /// Not gzip, not tar, cut off, or the disk refused.
    #[error("could not read or unpack the archive")]
    Io(#[from] io::Error),
    /// A link, a device, or a path that leaves the folder.
    #[error("entry `{}` is no plain file inside the archive", .0.display())]
    Entry(PathBuf),
    /// What stands before an entry is too long.
    #[error("the archive holds more than {MAX_HEADER_BYTES} bytes before or between the contents of files")]
    Header,
    /// A limit was passed.
    #[error("the archive holds more than {MAX_ENTRIES} entries or {MAX_BYTES} bytes")]
    TooLarge,
}

/// Unpacks a `.tar.gz` into `folder`, which is complete when it exists: a failure leaves nothing.
pub(super) fn unpack(archive: &[u8], folder: &Path) -> Result<(), ArchiveError> {
    let parent = folder.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(parent)?;
    let unfinished = tempfile::Builder::new().prefix("unpacking").tempdir_in(parent)?;
    unpack_within(archive, unfinished.path(), MAX_BYTES, Modes::Ours)?;
    fs::rename(unfinished.keep(), folder)?;
    Ok(())
}

/// Unpacks a layer over those below it. Links and devices are refused, and so is what takes files of a lower layer away.
pub(super) fn unpack_layer(layer: &[u8], folder: &Path) -> Result<(), ArchiveError> {
    unpack_within(layer, folder, MAX_BYTES, Modes::TheArchives)
}

/// Whose permissions files get.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Modes {
    Ours,
    /// Without those that change who runs it.
    TheArchives,
}

fn unpack_within(archive: &[u8], folder: &Path, max_bytes: u64, modes: Modes) -> Result<(), ArchiveError> {
    let allowance = Rc::new(Cell::new(0));
    let refused = |error: io::Error| if allowance.get() == 0 { ArchiveError::Header } else { error.into() };
    let bounded = Bounded { input: MultiGzDecoder::new(archive), allowance: Rc::clone(&allowance) };
    let mut archive = tar::Archive::new(bounded);
    let mut left = max_bytes;
    allowance.set(MAX_HEADER_BYTES);
    for (index, entry) in archive.entries()?.enumerate() {
        let mut entry = entry.map_err(refused)?;
        let path = entry.path()?.into_owned();
        if index >= MAX_ENTRIES {
            return Err(ArchiveError::TooLarge);
        }
        let kind = entry.header().entry_type();
        if kind == EntryType::XGlobalHeader {
            continue;
        }
        let Some(inside) = inside(&path) else { return Err(ArchiveError::Entry(path)) };
        let takes_away = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(WHITEOUT));
        if modes == Modes::TheArchives && takes_away {
            return Err(ArchiveError::Entry(path));
        }
        let target = folder.join(inside);
        match kind {
            EntryType::Directory => fs::create_dir_all(&target)?,
            EntryType::Regular | EntryType::Continuous => {
                fs::create_dir_all(target.parent().unwrap_or(folder))?;
                // Reading one byte more than is left tells a full archive from one that goes on.
                allowance.set(left + 2);
                let written = io::copy(&mut (&mut entry).take(left + 1), &mut File::create(&target)?)?;
                left = left.checked_sub(written).ok_or(ArchiveError::TooLarge)?;
                if modes == Modes::TheArchives {
                    let mode = entry.header().mode()? & 0o777;
                    // Readable by us, whatever it says: it is we who run it.
                    fs::set_permissions(&target, fs::Permissions::from_mode(mode | 0o400))?;
                }
            }
            _ => return Err(ArchiveError::Entry(path)),
        }
        allowance.set(MAX_HEADER_BYTES);
    }
    Ok(())
}

/// Bytes that are given out only as far as they are allowed, and an error beyond.
struct Bounded<R> {
    input: R,
    allowance: Rc<Cell<u64>>,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.allowance.get()).unwrap_or(usize::MAX).min(buffer.len());
        if most == 0 && !buffer.is_empty() {
            return Err(io::Error::other("more than is allowed"));
        }
        let read = self.input.read(&mut buffer[..most])?;
        self.allowance.set(self.allowance.get() - read as u64);
        Ok(read)
    }
}

/// The path without `.` parts; none when it is absolute or goes up.
fn inside(path: &Path) -> Option<PathBuf> {
    path.components()
        .filter(|part| *part != Component::CurDir)
        .map(|part| match part {
            Component::Normal(name) => Some(name),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    /// An archive whose headers carry paths that `tar`'s own builder would refuse.
    fn archive(entries: &[(&str, EntryType, &[u8])]) -> Vec<u8> {
        let mut builder = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
        for (path, kind, content) in entries {
            let mut header = tar::Header::new_gnu();
            header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
            header.set_entry_type(*kind);
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            if *kind == EntryType::Symlink {
                header.set_link_name("/etc/passwd").unwrap();
            }
            header.set_cksum();
            builder.append(&header, *content).unwrap();
        }
        builder.into_inner().unwrap().finish().unwrap()
    }

    #[test]
    fn files_and_folders_come_out_as_they_went_in() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("model");
        let bytes = archive(&[
            ("./", EntryType::Directory, b""),
            ("./xgboost-model", EntryType::Regular, b"trees"),
            ("code/inference.py", EntryType::Regular, b""),
        ]);
        unpack(&bytes, &folder).unwrap();
        assert_eq!(fs::read(folder.join("xgboost-model")).unwrap(), b"trees");
        assert!(folder.join("code/inference.py").is_file());
    }

    #[test]
    fn what_is_no_plain_file_inside_is_refused_and_nothing_stays() {
        for (path, kind) in [
            ("../escaped", EntryType::Regular),
            ("/escaped", EntryType::Regular),
            ("a/../../escaped", EntryType::Regular),
            ("link", EntryType::Symlink),
            ("link", EntryType::Link),
            ("pipe", EntryType::Fifo),
        ] {
            let dir = tempfile::tempdir().unwrap();
            let folder = dir.path().join("run/model");
            let bytes = archive(&[("fine", EntryType::Regular, b"x"), (path, kind, b"")]);
            let error = unpack(&bytes, &folder).unwrap_err();
            assert!(matches!(error, ArchiveError::Entry(_)), "{path}: {error}");
            assert_eq!(fs::read_dir(dir.path().join("run")).unwrap().count(), 0);
            assert!(!dir.path().join("escaped").exists());
        }
    }

    #[test]
    fn rubbish_and_a_cut_archive_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let whole = archive(&[("model", EntryType::Regular, &[7; 4096])]);
        for bytes in [b"rubbish".as_slice(), &whole[..whole.len() / 2]] {
            assert!(matches!(unpack(bytes, &dir.path().join("model")), Err(ArchiveError::Io(_))));
        }
    }

    #[test]
    fn the_unpacked_size_is_bounded_whatever_the_packed_one() {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
        let mut header = tar::Header::new_gnu();
        header.set_path("bomb").unwrap();
        header.set_entry_type(EntryType::Regular);
        header.set_size(1 << 20);
        header.set_cksum();
        gzip.write_all(header.as_bytes()).unwrap();
        gzip.write_all(&vec![0; 1 << 20]).unwrap();
        let bytes = gzip.finish().unwrap();
        assert!(bytes.len() < 4096);
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(unpack_within(&bytes, dir.path(), 1 << 16, Modes::Ours), Err(ArchiveError::TooLarge)));
        assert!(unpack_within(&bytes, dir.path(), 1 << 20, Modes::Ours).is_ok());
    }

    /// A name, or a record about the next entry, of 4 MB that pack to some 4 KB.
    #[test]
    fn a_long_extension_header_is_refused_before_it_fills_the_memory() {
        let size = 4 << 20;
        for kind in [EntryType::GNULongName, EntryType::GNULongLink, EntryType::XHeader, EntryType::XGlobalHeader] {
            let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
            let mut header = tar::Header::new_gnu();
            header.set_path("long").unwrap();
            header.set_entry_type(kind);
            header.set_size(size);
            header.set_cksum();
            gzip.write_all(header.as_bytes()).unwrap();
            io::copy(&mut io::repeat(b'a').take(size), &mut gzip).unwrap();
            let bytes = gzip.finish().unwrap();
            assert!(bytes.len() < 200_000);
            let dir = tempfile::tempdir().unwrap();
            let refused = unpack_layer(&bytes, dir.path()).unwrap_err();
            assert!(matches!(refused, ArchiveError::Header), "{kind:?}: {refused:?}");
        }
    }

    #[test]
    fn names_of_usual_length_are_read_from_extension_headers() {
        let mut builder = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
        let mut header = tar::Header::new_gnu();
        header.set_size(3 << 20);
        header.set_mode(0o644);
        let name = format!("{}/model", "folder/".repeat(40));
        builder.append_data(&mut header, &name, io::repeat(7).take(3 << 20)).unwrap();
        let bytes = builder.into_inner().unwrap().finish().unwrap();
        let dir = tempfile::tempdir().unwrap();
        unpack_layer(&bytes, dir.path()).unwrap();
        assert_eq!(fs::metadata(dir.path().join(name)).unwrap().len(), 3 << 20);
    }

    #[test]
    fn a_layer_keeps_its_permissions_and_takes_nothing_away() {
        let dir = tempfile::tempdir().unwrap();
        let mut builder = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
        let mut header = tar::Header::new_ustar();
        header.set_size(2);
        header.set_mode(0o4755);
        builder.append_data(&mut header, "serve", &b"#!"[..]).unwrap();
        let layer = builder.into_inner().unwrap().finish().unwrap();
        unpack_layer(&layer, dir.path()).unwrap();
        assert_eq!(fs::metadata(dir.path().join("serve")).unwrap().permissions().mode() & 0o7777, 0o755);
        for (path, kind) in [
            ("../x", EntryType::Regular),
            ("/etc/x", EntryType::Regular),
            ("x", EntryType::Symlink),
            ("x", EntryType::Link),
            ("x", EntryType::Char),
            (".wh.serve", EntryType::Regular),
        ] {
            let refused = unpack_layer(&archive(&[(path, kind, b"")]), dir.path());
            assert!(matches!(refused, Err(ArchiveError::Entry(_))), "{path} {kind:?}");
        }
    }
}
