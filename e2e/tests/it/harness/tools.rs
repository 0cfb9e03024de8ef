//! The programs under test, built once a process.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::UNIX_EPOCH;

use serde_json::Value as Json;
use sha2::{Digest, Sha256};

/// What is run.
#[derive(Debug)]
pub(super) struct Tools {
    /// The program under test.
    pub(super) runner: PathBuf,
    /// What it puts into the function.
    pub(super) proxy: PathBuf,
    /// The local cloud as a program of its own.
    pub(super) local_cloud: PathBuf,
    /// Zips of the proxy, shared by all tests: deflating a debug build takes seconds.
    pub(super) zips: PathBuf,
}

/// The runner's executable.
pub(crate) fn runner() -> &'static Path {
    &tools().runner
}

/// Builds the programs, or finds that they are built.
pub(super) fn tools() -> &'static Tools {
    static TOOLS: OnceLock<Tools> = OnceLock::new();
    TOOLS.get_or_init(|| {
        let executables = build();
        let find = |name: &str| {
            let found = executables.iter().find(|path| path.file_stem().is_some_and(|stem| stem == name));
            found.unwrap_or_else(|| panic!("cargo built no `{name}`: {executables:?}")).clone()
        };
        let (runner, proxy, local_cloud) = (find("runner"), find("lambda-proxy"), find("local-cloud"));
        let zips = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("proxies-{}", version(&runner)));
        Tools { runner, proxy, local_cloud, zips }
    })
}

/// The local cloud as a program of its own.
pub(crate) fn local_cloud() -> &'static Path {
    &tools().local_cloud
}

/// The function's program.
pub(crate) fn lambda_proxy() -> &'static Path {
    &tools().proxy
}

/// The static `model-server` of this workspace, built as the runner builds it, once for all tests.
pub(crate) fn static_model_server() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
        let mut arguments = vec!["rustc", "--package", "model-server", "--bin", "model-server", "--target", &target];
        arguments.extend(["--target-dir", "target/image"]);
        let flags = ["--", "-C", "target-feature=+crt-static", "-C", "strip=symbols"];
        cargo(&arguments, &flags).pop().unwrap()
    })
}

/// A file beside the checkout that is too big or not ours to commit; says on stderr when it is absent.
pub(crate) fn shared_data(file: &str) -> Option<PathBuf> {
    let found = Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .map(|folder| folder.join("shared/data"))
        .find(|folder| folder.join("creditcard.csv.gz").exists())
        .map(|folder| folder.join(file))
        .filter(|path| path.exists());
    if found.is_none() {
        note(&format!("skipped: no `shared/data/{file}` beside this checkout"));
    }
    found
}

/// Tells the reader of a test's output something.
#[expect(clippy::print_stderr, reason = "the test's own output")]
pub(crate) fn note(text: &str) {
    eprintln!("{text}");
}

/// All programs in one call, so that they share their dependencies with each other and with the tests.
fn build() -> Vec<PathBuf> {
    cargo(&["build", "--package", "runner", "--package", "lambda-proxy", "--package", "local-cloud"], &[])
}

/// Builds something; where its executables are.
fn cargo(arguments: &[&str], last: &[&str]) -> Vec<PathBuf> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut command = Command::new(env!("CARGO"));
    command.current_dir(workspace).args(arguments).args(["--message-format", "json-render-diagnostics"]);
    if !cfg!(debug_assertions) {
        command.arg("--release");
    }
    let output = command.args(last).stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let messages = String::from_utf8(output.stdout).unwrap();
    let messages = messages.lines().filter_map(|line| serde_json::from_str::<Json>(line).ok());
    messages.filter_map(|message| message["executable"].as_str().map(PathBuf::from)).collect()
}

/// Tells one build from the next.
fn version(executable: &Path) -> String {
    let metadata = executable.metadata().unwrap();
    let modified = metadata.modified().unwrap().duration_since(UNIX_EPOCH).unwrap();
    let digest = Sha256::digest(format!("{} {} {modified:?}", executable.display(), metadata.len()));
    hex::encode(&digest[..6])
}
