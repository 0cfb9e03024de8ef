//! The mark of a folder `.runner`, so that tests can put into it what others have made before.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use serde_json::json;
use sha2::{Digest, Sha256};

/// Makes a folder that the runner takes for its own.
pub(crate) fn make_own(folder: &Path) {
    fs::create_dir(folder).unwrap();
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).unwrap();
    let ids = ["/etc/machine-id", "/var/lib/dbus/machine-id"];
    let id = ids.iter().find_map(|file| fs::read_to_string(file).ok()).unwrap_or_default();
    let metadata = fs::metadata(folder).unwrap();
    let mark = json!({
        "machine": hex::encode(Sha256::digest(format!("runner {}", id.trim()))),
        "uid": rustix::process::geteuid().as_raw(),
        "path": fs::canonicalize(folder).unwrap(),
        "device": metadata.dev(),
        "inode": metadata.ino(),
    });
    fs::write(folder.join("owner.json"), mark.to_string()).unwrap();
    fs::write(folder.join(".gitignore"), "*\n").unwrap();
}
