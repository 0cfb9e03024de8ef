//! Whether git keeps files of a folder: then a commit of others can put files into it.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Largest index that is read; the one of Linux has 10 MB.
const INDEX_LIMIT_BYTES: u64 = 256 << 20;
/// Bytes before the name of an entry, where objects are named by SHA-1. Source: git's `index-format`.
const ENTRY_BYTES: usize = 62;
/// Set in an entry's flags when two more bytes follow.
const EXTENDED: u16 = 0x4000;

/// Returns the first file below a folder that is in the index of the repository around it.
///
/// A repository whose objects are named by SHA-256 is not looked into.
pub(crate) fn find(folder: &Path) -> io::Result<Option<String>> {
    let folder = fs::canonicalize(folder)?;
    for root in folder.ancestors().skip(1) {
        let Some(index) = index_of(&root.join(".git")) else { continue };
        let inside = folder.strip_prefix(root).unwrap_or(&folder);
        let mut bytes = vec![];
        File::open(index)?.take(INDEX_LIMIT_BYTES).read_to_end(&mut bytes)?;
        let prefix = [inside.as_os_str().as_encoded_bytes(), b"/"].concat();
        return Ok(first_below(&bytes, &prefix).map(|name| String::from_utf8_lossy(&name).into_owned()));
    }
    Ok(None)
}

/// The index behind `.git`, which is a folder, or in a further work tree a file that names one.
fn index_of(git: &Path) -> Option<PathBuf> {
    let folder = if git.is_file() {
        let text = fs::read_to_string(git).ok()?;
        git.parent()?.join(text.strip_prefix("gitdir: ")?.trim_end())
    } else {
        git.to_owned()
    };
    let index = folder.join("index");
    index.is_file().then_some(index)
}

/// The first name in an index that begins so; none as well when the index cannot be read on.
fn first_below(index: &[u8], prefix: &[u8]) -> Option<Vec<u8>> {
    let number = |at: usize| Some(u32::from_be_bytes(index.get(at..at + 4)?.try_into().ok()?));
    let (version, count) = (number(4).filter(|_| index.starts_with(b"DIRC"))?, number(8)?);
    let (mut at, mut name) = (12, vec![]);
    for _ in 0..count {
        let flags = index.get(at + ENTRY_BYTES - 2..at + ENTRY_BYTES)?;
        let is_extended = u16::from_be_bytes([flags[0], flags[1]]) & EXTENDED != 0;
        let mut start = at + ENTRY_BYTES + if is_extended { 2 } else { 0 };
        if version >= 4 {
            let (cut, length) = varint(index.get(start..)?)?;
            name.truncate(name.len().checked_sub(cut)?);
            start += length;
        } else {
            name.clear();
        }
        let rest = index.get(start..)?;
        let end = rest.iter().position(|byte| *byte == 0)?;
        name.extend_from_slice(&rest[..end]);
        if name.starts_with(prefix) {
            return Some(name);
        }
        let end = start + end + 1;
        // Entries of version 4 follow each other; before, each is filled up to a multiple of eight.
        at = if version >= 4 { end } else { at + (end - at).next_multiple_of(8) };
    }
    None
}

/// A number of variable length and how many bytes it takes. Source: git's `varint.c`.
fn varint(bytes: &[u8]) -> Option<(usize, usize)> {
    let (first, rest) = bytes.split_first()?;
    let mut value = usize::from(first & 0x7f);
    let (mut last, mut length) = (*first, 1);
    for byte in rest {
        if last & 0x80 == 0 {
            break;
        }
        value = value.checked_add(1)?.checked_mul(128)?.checked_add(usize::from(byte & 0x7f))?;
        (last, length) = (*byte, length + 1);
    }
    Some((value, length))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(version: u32, names: &[&str]) -> Vec<u8> {
        let mut bytes = [&b"DIRC"[..], &version.to_be_bytes(), &(names.len() as u32).to_be_bytes()].concat();
        let mut before = "";
        for name in names {
            let start = bytes.len();
            bytes.extend([0xaa; ENTRY_BYTES - 2]);
            bytes.extend((name.len() as u16).to_be_bytes());
            if version == 4 {
                let same = before.bytes().zip(name.bytes()).take_while(|(a, b)| a == b).count();
                bytes.push((before.len() - same) as u8);
                bytes.extend(&name.as_bytes()[same..]);
                bytes.push(0);
            } else {
                bytes.extend(name.as_bytes());
                bytes.push(0);
                bytes.resize(start + (bytes.len() - start).next_multiple_of(8), 0);
            }
            before = name;
        }
        bytes
    }

    #[test]
    fn a_file_below_the_folder_is_found_in_every_version_of_an_index() {
        for version in [2, 3, 4] {
            let found = |names: &[&str]| first_below(&index(version, names), b".runner/");
            assert_eq!(
                found(&[".gitignore", ".rubocop.yml", ".runner/local/x", "a"]).as_deref(),
                Some(&b".runner/local/x"[..])
            );
            assert_eq!(found(&[".gitignore", ".runners", "a/.runner/x", "pipeline.yaml"]), None);
            assert_eq!(found(&[]), None);
        }
    }

    #[test]
    fn an_index_that_breaks_off_is_no_panic() {
        for version in [2, 4] {
            let whole = index(version, &["a", "abc", ".runner/x"]);
            for end in 0..whole.len() {
                _ = first_below(&whole[..end], b".runner/");
            }
        }
    }
}
