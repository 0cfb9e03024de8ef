//! `.runner`, the folder beside the pipeline file: what this program keeps on this machine.
//!
//! Much in it is run or deployed again: images that the local cloud has unpacked, the proxy's zip, the layers of an image.
//! So a folder that came with a clone, an archive or a copy is refused. A folder of ours bears a mark that names the
//! machine, the user and the folder itself, which whoever makes up a folder elsewhere does not know.

use std::fs::{self, DirBuilder, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::failure::Failure;
use crate::tracked;

/// Name of the folder.
const NAME: &str = ".runner";
/// Name of the mark in it.
const MARK: &str = "owner.json";
/// Keeps the folder out of commits.
const IGNORE: (&str, &str) = (".gitignore", "*\n");
/// Nobody else reads or writes what is in it.
const MODE: u32 = 0o700;
/// A mark is shorter.
const MARK_LIMIT_BYTES: u64 = 16_384;
/// Where a machine's own id is. Source: machine-id(5).
const MACHINE_ID: [&str; 2] = ["/etc/machine-id", "/var/lib/dbus/machine-id"];

/// Whose a folder is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Mark {
    /// SHA-256 of the machine's id, which itself is nobody else's business. Source: machine-id(5).
    machine: String,
    uid: u32,
    /// Absolute, without links.
    path: PathBuf,
    device: u64,
    inode: u64,
}

/// Whether a folder is ours.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Ours,
    /// It is the folder that the mark was written into, under another name or on a device with another number.
    Moved,
    Foreign(String),
}

impl Mark {
    fn of(folder: &Path) -> io::Result<Self> {
        let (metadata, path) = (fs::metadata(folder)?, fs::canonicalize(folder)?);
        let uid = rustix::process::geteuid().as_raw();
        Ok(Self { machine: machine(), uid, path, device: metadata.dev(), inode: metadata.ino() })
    }

    /// Compares what a mark says with what is so.
    fn compare(&self, now: &Self) -> Verdict {
        if self.machine != now.machine {
            return Verdict::Foreign("its mark is of another machine".to_owned());
        }
        if self.uid != now.uid {
            return Verdict::Foreign(format!("its mark is of user {}, and this is user {}", self.uid, now.uid));
        }
        match (self.inode == now.inode, self.device == now.device, self.path == now.path) {
            (true, true, true) => Verdict::Ours,
            // A device may have another number after a restart.
            (true, true, false) | (true, false, true) => Verdict::Moved,
            (_, _, true) => Verdict::Foreign("it is a copy of the folder that its mark is of".to_owned()),
            _ => Verdict::Foreign(format!("its mark is of `{}`", self.path.display())),
        }
    }
}

/// The folder beside a pipeline file, whether or not it is there; an error if it is there and not ours.
pub(crate) fn find(base: &Path) -> Result<PathBuf, Failure> {
    let folder = base.join(NAME);
    check(&folder)?;
    Ok(folder)
}

/// Makes the folder with its mark, unless it is there and ours.
pub(crate) fn create(base: &Path) -> Result<PathBuf, Failure> {
    let folder = find(base)?;
    if !folder.join(MARK).exists() {
        make(base, &folder).map_err(|error| Failure::Usage(format!("cannot make `{}`: {error}", folder.display())))?;
        // Another command may have made it meanwhile.
        check(&folder)?;
    }
    Ok(folder)
}

/// Does the same for the folder that the local cloud's folder is in.
pub(crate) fn create_around(dir: &Path) -> Result<(), Failure> {
    match dir.parent() {
        Some(folder) if folder.file_name().is_some_and(|name| name == NAME) => {
            create(folder.parent().unwrap_or(Path::new(""))).map(|_| ())
        }
        _ => Ok(()),
    }
}

/// Makes it whole or not at all.
fn make(base: &Path, folder: &Path) -> io::Result<()> {
    let new = base.join(format!("{NAME}.{}", std::process::id()));
    _ = fs::remove_dir_all(&new);
    DirBuilder::new().mode(MODE).create(&new)?;
    fs::write(new.join(IGNORE.0), IGNORE.1)?;
    let mut mark = Mark::of(&new)?;
    mark.path.set_file_name(NAME);
    fs::write(new.join(MARK), serde_json::to_vec(&mark)?)?;
    // An empty folder is replaced; one that another command has just made is not.
    match fs::rename(&new, folder) {
        Err(_) if folder.join(MARK).exists() => fs::remove_dir_all(&new),
        result => result,
    }
}

fn check(folder: &Path) -> Result<(), Failure> {
    let unreadable = |error: io::Error| Failure::local(format!("could not read `{}`", folder.display()), error);
    let metadata = match fs::metadata(folder) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(unreadable(error)),
    };
    let now = Mark::of(folder).map_err(unreadable)?;
    if metadata.uid() != now.uid {
        let why = format!("it belongs to user {}, and this is user {}", metadata.uid(), now.uid);
        return Err(foreign(folder, why));
    }
    let mark = match read(&folder.join(MARK)).map_err(unreadable)? {
        Some(mark) => mark,
        None if is_empty(folder).map_err(unreadable)? => return Ok(()),
        None => return Err(foreign(folder, "it bears no mark of this machine and user".to_owned())),
    };
    if let Some(file) = tracked::find(folder).map_err(unreadable)? {
        return Err(committed(folder, &file));
    }
    match mark.compare(&now) {
        Verdict::Foreign(why) => return Err(foreign(folder, why)),
        Verdict::Moved => fs::write(folder.join(MARK), serde_json::to_vec(&now).unwrap_or_default())
            .map_err(|error| Failure::local(format!("could not write `{}`", folder.join(MARK).display()), error))?,
        Verdict::Ours => {}
    }
    if metadata.permissions().mode() & 0o777 != MODE {
        fs::set_permissions(folder, Permissions::from_mode(MODE)).map_err(unreadable)?;
    }
    Ok(())
}

/// Reads a mark; none when there is no readable one.
fn read(file: &Path) -> io::Result<Option<Mark>> {
    match fs::metadata(file) {
        Ok(metadata) if metadata.is_file() && metadata.len() <= MARK_LIMIT_BYTES => {
            Ok(serde_json::from_slice(&fs::read(file)?).ok())
        }
        Ok(_) => Ok(None),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn is_empty(folder: &Path) -> io::Result<bool> {
    Ok(fs::read_dir(folder)?.next().is_none())
}

fn foreign(folder: &Path, why: String) -> Failure {
    let folder = folder.display();
    Failure::Local {
        what: format!("`{folder}` was not made here, and programs in it would be run"),
        source: why.into(),
        hint: Some(format!(
            "if it came with a clone or a copy, remove it: `rm -r '{folder}'`; models are then fetched or trained again, \
             what is on AWS stays, and what a local cloud held in it is lost; a project is moved with its whole folder"
        )),
    }
}

fn committed(folder: &Path, file: &str) -> Failure {
    let folder = folder.display();
    Failure::Local {
        what: format!("`{folder}` is in a git repository, and programs in it would be run"),
        source: format!("whoever commits can change `{file}`").into(),
        hint: Some(format!("remove it from the repository: `git rm -r --cached '{folder}'`; look at what it holds")),
    }
}

fn machine() -> String {
    let id = MACHINE_ID.iter().find_map(|file| fs::read_to_string(file).ok()).unwrap_or_default();
    hex::encode(Sha256::digest(format!("runner {}", id.trim())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark() -> Mark {
        Mark { machine: "a".to_owned(), uid: 1000, path: "/p/.runner".into(), device: 1, inode: 2 }
    }

    #[test]
    fn a_mark_holds_for_its_machine_user_and_folder() {
        let compare = |now: Mark| mark().compare(&now);
        assert_eq!(compare(mark()), Verdict::Ours);
        assert_eq!(compare(Mark { path: "/q/.runner".into(), ..mark() }), Verdict::Moved);
        assert_eq!(compare(Mark { device: 7, ..mark() }), Verdict::Moved);
        for now in [
            Mark { machine: "b".to_owned(), ..mark() },
            Mark { uid: 0, ..mark() },
            Mark { inode: 3, ..mark() },
            Mark { inode: 3, path: "/q/.runner".into(), ..mark() },
            Mark { device: 7, path: "/q/.runner".into(), ..mark() },
        ] {
            assert!(matches!(compare(now.clone()), Verdict::Foreign(_)), "{now:?}");
        }
    }

    #[test]
    fn a_machine_is_told_by_a_digest() {
        assert_eq!(machine().len(), 64);
        assert_eq!(machine(), machine());
    }
}
