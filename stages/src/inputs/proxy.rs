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
            let sources = sources_sha256(dir, tools.release, architecture)
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

/// Of everything that the proxy is built from.
fn sources_sha256(workspace: &Path, release: bool, architecture: spec::Architecture) -> io::Result<String> {
    let mut files =
        vec![workspace.join("Cargo.toml"), workspace.join("Cargo.lock"), workspace.join("lambda-proxy/Cargo.toml")];
    let mut folders = vec![workspace.join("lambda-proxy/src")];
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
