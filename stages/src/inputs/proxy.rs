//! Where the proxy comes from.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use spec::{Complaint, Spec};

use super::{Tools, file_sha256, unreadable};
use crate::package::UNZIPPED_LIMIT_BYTES;

/// Where the proxy comes from.
#[derive(Debug)]
pub struct ProxyInput {
    /// SHA-256 of the sources, or of the prebuilt file.
    pub fingerprint: String,
    pub(crate) source: ProxySource,
    pub(crate) architecture: spec::Architecture,
}

#[derive(Debug)]
pub(crate) enum ProxySource {
    /// An executable that is there already.
    Prebuilt(PathBuf),
    /// Built by `cargo` in this workspace.
    Workspace { dir: PathBuf, release: bool },
}

pub(super) fn proxy_input(spec: &Spec, base: &Path, tools: &Tools) -> Result<ProxyInput, Complaint> {
    let architecture = spec.package.architecture;
    let (fingerprint, source) = match (&spec.package.proxy, &tools.workspace) {
        (Some(proxy), _) => {
            let path = base.join(proxy);
            (prebuilt(spec, "stages.package.proxy", &path)?, ProxySource::Prebuilt(path))
        }
        (None, Some(dir)) => {
            let sources = Sources { workspace: dir, folders: &["lambda-proxy"], release: tools.release, architecture };
            let sources = sources_sha256(&sources)
                .map_err(|error| unreadable(spec, "stages.package", &dir.join("lambda-proxy"), &error))?;
            (sources, ProxySource::Workspace { dir: dir.clone(), release: tools.release })
        }
        (None, None) => {
            let sha256 = prebuilt(spec, "stages.package", &tools.proxy).map_err(|complaint| {
                complaint.help("install `lambda-proxy` beside `runner`, or name one by `package: { proxy: … }`")
            })?;
            (sha256, ProxySource::Prebuilt(tools.proxy.clone()))
        }
    };
    Ok(ProxyInput { fingerprint, source, architecture })
}

/// SHA-256 of an executable that is there already, and of a size that Lambda takes.
fn prebuilt(spec: &Spec, place: &str, path: &Path) -> Result<String, Complaint> {
    let wrong = |error: &io::Error| unreadable(spec, place, path, error);
    let bytes = fs::metadata(path).map_err(|error| wrong(&error))?.len();
    if bytes > UNZIPPED_LIMIT_BYTES {
        let message = format!("`{}` has {bytes} bytes, and Lambda takes {UNZIPPED_LIMIT_BYTES}", path.display());
        return Err(spec.complain(place, message).help("build it for release, and strip it"));
    }
    file_sha256(path).map_err(|error| wrong(&error))
}

/// What a program of this workspace is built from, and how.
pub(super) struct Sources<'a> {
    pub(super) workspace: &'a Path,
    /// Of the program and of the crates of this workspace that it stands on.
    pub(super) folders: &'a [&'a str],
    pub(super) release: bool,
    pub(super) architecture: spec::Architecture,
}

/// Of everything that a program is built from.
pub(super) fn sources_sha256(sources: &Sources<'_>) -> io::Result<String> {
    let Sources { workspace, folders, release, architecture } = *sources;
    let mut files = vec![workspace.join("Cargo.toml"), workspace.join("Cargo.lock")];
    files.extend(folders.iter().map(|folder| workspace.join(folder).join("Cargo.toml")));
    let mut folders: Vec<_> = folders.iter().map(|folder| workspace.join(folder).join("src")).collect();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    let mut hash = Sha256::new();
    hash.update([u8::from(release)]);
    hash.update(architecture.as_str());
    for file in files {
        hash.update(Sha256::digest(fs::read(file)?));
    }
    Ok(hex::encode(hash.finalize()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_executable_that_lambda_would_not_unpack_is_refused_before_anything_is_made() {
        let (folder, spec) = (tempfile::tempdir().unwrap(), Spec::parse("name: fraud", "p.yaml".as_ref()).unwrap());
        let path = folder.path().join("proxy");
        let file = fs::File::create(&path).unwrap();
        file.set_len(UNZIPPED_LIMIT_BYTES + 1).unwrap();
        let told = prebuilt(&spec, "stages.package.proxy", &path).unwrap_err();
        let told = told.message().replace(&path.display().to_string(), "proxy");
        assert_eq!(told, "`proxy` has 262144001 bytes, and Lambda takes 262144000");
        // Of the limit itself, the size alone is looked at: reading as much takes long.
        file.set_len(1).unwrap();
        assert_eq!(prebuilt(&spec, "stages.package.proxy", &path).unwrap(), file_sha256(&path).unwrap());
    }
}
