//! Where the proxy comes from.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use spec::{Complaint, Spec};

use super::{Tools, file_sha256, unreadable};

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
            let sha256 = file_sha256(&path).map_err(|error| unreadable(spec, "stages.package.proxy", &path, &error))?;
            (sha256, ProxySource::Prebuilt(path))
        }
        (None, Some(dir)) => {
            let sources = Sources { workspace: dir, folders: &["lambda-proxy"], release: tools.release, architecture };
            let sources = sources_sha256(&sources)
                .map_err(|error| unreadable(spec, "stages.package", &dir.join("lambda-proxy"), &error))?;
            (sources, ProxySource::Workspace { dir: dir.clone(), release: tools.release })
        }
        (None, None) => {
            let sha256 = file_sha256(&tools.proxy).map_err(|error| {
                unreadable(spec, "stages.package", &tools.proxy, &error)
                    .help("install `lambda-proxy` beside `runner`, or name one by `package: { proxy: … }`")
            })?;
            (sha256, ProxySource::Prebuilt(tools.proxy.clone()))
        }
    };
    Ok(ProxyInput { fingerprint, source, architecture })
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
