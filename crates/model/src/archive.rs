//! `model.tar.gz`, the form in which `SageMaker` takes a model.
//!
//! AWS's `XGBoost` container averages over *all* files of the archive that do not start with a dot, and fails on any
//! that is no model. So exactly one is packed, and an archive with more is refused.

use std::borrow::Cow;
use std::io::{self, Read, Write};
use std::path::{Component, Path};

use flate2::read::MultiGzDecoder;
use flate2::{Compression, GzBuilder};
use tar::{Archive, Builder, EntryType, Header};
use thiserror::Error;

/// The name of the one file, which AWS's container expects.
pub const MODEL_FILE: &str = "xgboost-model";

/// How much an archive may unpack to, in bytes, whatever its headers claim.
pub const UNPACKED_LIMIT_BYTES: u64 = 512 << 20;

/// The operating system in a gzip header when it is nobody's business.
const UNKNOWN_OS: u8 = 255;

/// Says why bytes are no archive of one model.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// The bytes are no gzip, no tar, or end too early.
    #[error("the archive is damaged or not a gzipped tar")]
    Damaged(#[from] io::Error),
    /// It unpacks to more than [`UNPACKED_LIMIT_BYTES`].
    #[error("the archive unpacks to more than {limit_bytes} bytes")]
    TooLarge {
        /// The limit.
        limit_bytes: u64,
    },
    /// There is no file, or only such that start with a dot.
    #[error("the archive holds no model")]
    Empty,
    /// There are several files, which AWS's container would average.
    #[error("the archive holds `{first}` and `{second}`, but may hold only one file")]
    Several {
        /// One file.
        first: String,
        /// The next.
        second: String,
    },
    /// The file is not at the top.
    #[error("`{path}` does not lie at the top of the archive")]
    Nested {
        /// Where it lies.
        path: String,
    },
    /// A path leads out of the archive.
    #[error("`{path}` leads out of the archive")]
    Escapes {
        /// The path.
        path: String,
    },
    /// An entry is a link, a device or the like.
    #[error("`{path}` is neither a file nor a directory")]
    NotAFile {
        /// The path.
        path: String,
    },
}

/// Packs a model file so that equal bytes give an equal archive: no time, no owner, no name of a machine.
pub fn pack(model: &[u8]) -> Vec<u8> {
    let gzip = GzBuilder::new().mtime(0).operating_system(UNKNOWN_OS).write(Vec::new(), Compression::default());
    let mut header = Header::new_ustar();
    header.set_entry_type(EntryType::Regular);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(model.len() as u64);
    let mut builder = Builder::new(gzip);
    let packed = builder
        .append_data(&mut header, MODEL_FILE, model)
        .and_then(|()| builder.into_inner())
        .and_then(|mut gzip| gzip.flush().map(|()| gzip))
        .and_then(flate2::write::GzEncoder::finish);
    packed.expect("writing to memory does not fail, and the name is short")
}

/// Unpacks the one file of an archive; files that start with a dot, as macOS adds them, do not count.
pub fn unpack(archive: &[u8]) -> Result<Vec<u8>, ArchiveError> {
    unpack_at_most(archive, UNPACKED_LIMIT_BYTES)
}

/// Returns the model file in bytes that are either an archive or the file itself.
pub fn model_bytes(bytes: &[u8]) -> Result<Cow<'_, [u8]>, ArchiveError> {
    if bytes.starts_with(&[0x1f, 0x8b]) { unpack(bytes).map(Cow::Owned) } else { Ok(Cow::Borrowed(bytes)) }
}

fn unpack_at_most(archive: &[u8], limit_bytes: u64) -> Result<Vec<u8>, ArchiveError> {
    // One byte more than allowed tells an archive that is too large from one that just fits.
    let mut bounded = MultiGzDecoder::new(archive).take(limit_bytes + 1);
    let found = only_file(&mut bounded);
    if bounded.limit() == 0 {
        return Err(ArchiveError::TooLarge { limit_bytes });
    }
    let (_, model) = found?.ok_or(ArchiveError::Empty)?;
    // The checksum stands at the end, behind the padding.
    io::copy(&mut bounded, &mut io::sink())?;
    if bounded.limit() == 0 {
        return Err(ArchiveError::TooLarge { limit_bytes });
    }
    Ok(model)
}

fn only_file(tar: &mut impl Read) -> Result<Option<(String, Vec<u8>)>, ArchiveError> {
    let mut found: Option<(String, Vec<u8>)> = None;
    for entry in Archive::new(tar).entries()? {
        let mut entry = entry?;
        let kind = entry.header().entry_type();
        if kind == EntryType::XGlobalHeader {
            continue;
        }
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let parts = parts(&path)?;
        if kind == EntryType::Directory {
            continue;
        }
        if kind != EntryType::Regular {
            return Err(ArchiveError::NotAFile { path });
        }
        let Some((name, folders)) = parts.split_last() else { return Err(ArchiveError::NotAFile { path }) };
        if name.starts_with('.') {
            continue;
        }
        if let Some((first, _)) = found {
            return Err(ArchiveError::Several { first, second: path });
        }
        if !folders.is_empty() {
            return Err(ArchiveError::Nested { path });
        }
        let mut content = Vec::new();
        entry.read_to_end(&mut content)?;
        if content.len() as u64 != entry.size() {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        found = Some((path, content));
    }
    Ok(found)
}

/// Splits a path into names, refusing what a careless program would unpack elsewhere.
fn parts(path: &str) -> Result<Vec<&str>, ArchiveError> {
    let escapes = || ArchiveError::Escapes { path: path.to_owned() };
    let mut parts = Vec::new();
    for component in Path::new(path).components() {
        match component {
            Component::Normal(name) => parts.push(name.to_str().ok_or_else(escapes)?),
            Component::CurDir => {}
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => return Err(escapes()),
        }
    }
    Ok(parts)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    /// Packs entries of a kind, a path and a content, without the checks of a tar library.
    fn archive(entries: &[(EntryType, &str, &[u8])]) -> Vec<u8> {
        let mut builder = Builder::new(Vec::new());
        for (kind, path, content) in entries {
            let mut header = Header::new_ustar();
            header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
            header.set_entry_type(*kind);
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            header.set_cksum();
            builder.append(&header, *content).unwrap();
        }
        gzip(&builder.into_inner().unwrap())
    }

    fn file<'a>(path: &'a str, content: &'a [u8]) -> (EntryType, &'a str, &'a [u8]) {
        (EntryType::Regular, path, content)
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut gzip = GzBuilder::new().write(Vec::new(), Compression::default());
        gzip.write_all(bytes).unwrap();
        gzip.finish().unwrap()
    }

    fn refusal(archive: &[u8]) -> String {
        unpack(archive).unwrap_err().to_string()
    }

    #[test]
    fn an_archive_depends_on_nothing_but_the_model() {
        let packed = pack(b"{}");
        assert_eq!(packed, pack(b"{}"));
        assert_eq!(packed[..10], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, UNKNOWN_OS]);
        let mut tar = Archive::new(MultiGzDecoder::new(&packed[..]));
        let headers = tar.entries().unwrap().map(|entry| {
            let entry = entry.unwrap();
            let header = entry.header();
            let numbers = [header.mtime().unwrap(), header.uid().unwrap(), header.gid().unwrap()];
            format!("{} {:o} {numbers:?}", entry.path().unwrap().display(), header.mode().unwrap())
        });
        insta::assert_snapshot!(headers.collect::<Vec<_>>().join("\n"), @"xgboost-model 644 [0, 0, 0]");
    }

    #[test]
    fn what_is_packed_is_unpacked() {
        let model = vec![7; 100_000];
        assert_eq!(unpack(&pack(&model)).unwrap(), model);
        assert_eq!(model_bytes(&pack(&model)).unwrap(), model);
        assert_eq!(model_bytes(&model).unwrap(), model);
    }

    #[test]
    fn files_that_macos_adds_do_not_count() {
        let folder = (EntryType::Directory, "./", &b""[..]);
        let entries = [file("._.", b"x"), folder, file("./._xgboost-model", b"x"), file("./model.ubj", b"model")];
        assert_eq!(unpack(&archive(&entries)).unwrap(), b"model");
    }

    #[test]
    fn archives_that_a_container_would_not_serve_are_refused() {
        let cases = [
            archive(&[]),
            archive(&[file(".hidden", b"x")]),
            archive(&[file("xgboost-model", b"x"), file("features.json", b"x")]),
            archive(&[file("xgboost-model", b"x"), file("xgboost-model", b"x")]),
            archive(&[file("model/xgboost-model", b"x")]),
        ];
        insta::assert_snapshot!(cases.map(|archive| refusal(&archive)).join("\n"), @"
        the archive holds no model
        the archive holds no model
        the archive holds `xgboost-model` and `features.json`, but may hold only one file
        the archive holds `xgboost-model` and `xgboost-model`, but may hold only one file
        `model/xgboost-model` does not lie at the top of the archive
        ");
    }

    #[test]
    fn archives_that_would_write_elsewhere_are_refused() {
        let cases = [
            archive(&[file("../xgboost-model", b"x")]),
            archive(&[file("/etc/passwd", b"x")]),
            archive(&[file("a/../../.b", b"x")]),
            archive(&[(EntryType::Symlink, "xgboost-model", b"")]),
            archive(&[(EntryType::Link, ".a", b"")]),
            archive(&[(EntryType::Char, "xgboost-model", b"")]),
        ];
        insta::assert_snapshot!(cases.map(|archive| refusal(&archive)).join("\n"), @"
        `../xgboost-model` leads out of the archive
        `/etc/passwd` leads out of the archive
        `a/../../.b` leads out of the archive
        `xgboost-model` is neither a file nor a directory
        `.a` is neither a file nor a directory
        `xgboost-model` is neither a file nor a directory
        ");
    }

    #[test]
    fn an_archive_that_ends_anywhere_too_early_is_refused() {
        let whole = pack(&(0..=255).cycle().take(3000).collect::<Vec<u8>>());
        for end in 0..whole.len() {
            assert!(unpack(&whole[..end]).is_err(), "the first {end} of {} bytes pass", whole.len());
        }
        insta::assert_snapshot!(refusal(&whole[..whole.len() - 1]), @"the archive is damaged or not a gzipped tar");
    }

    #[test]
    fn a_changed_byte_is_noticed() {
        let mut archive = pack(b"{}");
        let checksum = archive.len() - 8;
        archive[checksum] ^= 1;
        insta::assert_snapshot!(refusal(&archive), @"the archive is damaged or not a gzipped tar");
    }

    #[test]
    fn an_entry_whose_end_is_missing_is_refused() {
        let mut tar = Vec::new();
        MultiGzDecoder::new(&pack(&[7; 3000])[..]).read_to_end(&mut tar).unwrap();
        insta::assert_snapshot!(refusal(&gzip(&tar[..2000])), @"the archive is damaged or not a gzipped tar");
    }

    /// A claim alone takes no memory: what is kept are the bytes that are there.
    #[test]
    fn an_entry_that_claims_more_than_there_is_is_refused() {
        let refusals = [1 << 20, UNPACKED_LIMIT_BYTES * 2, u64::MAX].map(|claimed| {
            let mut header = Header::new_ustar();
            header.as_old_mut().name[..MODEL_FILE.len()].copy_from_slice(MODEL_FILE.as_bytes());
            header.set_entry_type(EntryType::Regular);
            header.set_size(claimed);
            header.set_cksum();
            refusal(&gzip(&[header.as_bytes(), &[7; 1024][..]].concat()))
        });
        insta::assert_snapshot!(refusals.join("\n"), @"
        the archive is damaged or not a gzipped tar
        the archive is damaged or not a gzipped tar
        the archive is damaged or not a gzipped tar
        ");
    }

    #[test]
    fn a_link_is_refused_wherever_it_leads_and_however_long_the_path() {
        let link = |kind, target: &str| {
            let mut builder = Builder::new(Vec::new());
            let mut header = Header::new_gnu();
            header.set_entry_type(kind);
            header.set_size(0);
            builder.append_link(&mut header, MODEL_FILE, target).unwrap();
            refusal(&gzip(&builder.into_inner().unwrap()))
        };
        let far = "../".repeat(100) + "etc/passwd";
        let refusals = [
            link(EntryType::Symlink, "/etc/passwd"),
            link(EntryType::Link, "../../etc/shadow"),
            link(EntryType::Symlink, &far),
        ];
        insta::assert_snapshot!(refusals.join("\n"), @"
        `xgboost-model` is neither a file nor a directory
        `xgboost-model` is neither a file nor a directory
        `xgboost-model` is neither a file nor a directory
        ");
    }

    #[test]
    fn unpacking_stops_at_its_limit() {
        let bomb = pack(&vec![0; 1 << 20]);
        assert!(bomb.len() < 4096);
        let error = unpack_at_most(&bomb, 1 << 16).unwrap_err().to_string();
        insta::assert_snapshot!(error, @"the archive unpacks to more than 65536 bytes");
        let behind_the_end = [pack(b"{}"), gzip(&vec![0; 1 << 20])].concat();
        let error = unpack_at_most(&behind_the_end, 1 << 16).unwrap_err().to_string();
        insta::assert_snapshot!(error, @"the archive unpacks to more than 65536 bytes");
    }
}
