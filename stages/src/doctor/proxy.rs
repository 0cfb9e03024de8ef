//! Whether Lambda could run the proxy.

use std::path::PathBuf;

use super::Finding;
use crate::inputs::{ProxyInput, ProxySource};
use crate::{Cache, Inputs, package};

const CHECK: &str = "proxy";

/// Looks at the executable that would go into the function, where there is one already.
pub fn proxy(inputs: &Inputs, cache: &Cache) -> Finding {
    let ProxyInput { fingerprint, source, architecture } = &inputs.proxy;
    let fits = format!("runs on Lambda: {}, no newer glibc than there", architecture.as_str());
    let path = match source {
        _ if cache.proxy_zip(fingerprint).exists() => {
            return Finding::fine(CHECK, format!("it is packed already and {fits}"));
        }
        ProxySource::Prebuilt(path) => path.clone(),
        ProxySource::Workspace { dir, release } => {
            let built: PathBuf =
                dir.join("target").join(if *release { "release" } else { "debug" }).join("lambda-proxy");
            if !built.exists() {
                return Finding::unknown(
                    CHECK,
                    "it is not built yet",
                    "`apply` builds it, and refuses it when this Linux has a newer glibc than Lambda",
                );
            }
            built
        }
    };
    let found = |error: &dyn std::fmt::Display| format!("`{}`: {error}", path.display());
    match std::fs::read(&path) {
        Err(error) => Finding::failed(CHECK, found(&error), "name another by `package: { proxy: … }`"),
        Ok(bytes) => match package::check(&bytes, *architecture) {
            Err(why) => Finding::failed(CHECK, found(&why), "see step 3 of README, Going to AWS"),
            Ok(()) => Finding::fine(CHECK, format!("`{}` {fits}", path.display())),
        },
    }
}
