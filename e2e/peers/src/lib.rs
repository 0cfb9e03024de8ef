//! Programs that are not ours and that tests compare with, installed at exact versions under `target/python`, once.
//!
//! They come from the package index. Where there is no `python3` or no index, a test says so by [`missing`] and passes;
//! with `RUNNER_REQUIRE_PEERS=1` it fails.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

/// How pip is asked: for wheels alone, and for nothing that is not named, so that nothing changes unless a list does.
const PIP: [&str; 12] = [
    "-m",
    "pip",
    "install",
    "--quiet",
    "--disable-pip-version-check",
    "--no-deps",
    "--only-binary",
    ":all:",
    "--retries",
    "2",
    "--timeout",
    "30",
];

/// Gives an interpreter of the given name that has exactly these packages, one `name==version` a line; `#` begins a
/// comment. The error says why it cannot be had.
pub fn python(name: &str, packages: &str) -> Result<PathBuf, String> {
    let home = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/python");
    let folder = home.join(name);
    fs::create_dir_all(&home).map_err(|error| format!("`{}` cannot be made: {error}", home.display()))?;
    let _lock = lock(&folder.with_added_extension("lock"))?;
    let (python, complete) = (folder.join("bin/python"), folder.join("complete"));
    let packages: Vec<_> = packages
        .lines()
        .map(|line| line.split('#').next().unwrap_or_default().trim())
        .filter(|it| !it.is_empty())
        .collect();
    if fs::read_to_string(&complete).is_ok_and(|installed| installed == packages.join("\n")) {
        return Ok(python);
    }
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder))?;
    run(Command::new(&python).args(PIP).args(&packages))?;
    fs::write(&complete, packages.join("\n")).map_err(|error| format!("`{}`: {error}", complete.display()))?;
    Ok(python)
}

/// Returns the folder of a package's source distribution, unpacked once under `target/python`.
///
/// `package` is `name==version`, and `sha256` the digest of its archive in hexadecimal digits. `python` has the tools
/// that the package is built with: pip asks it for the package's metadata.
pub fn source(python: &Path, package: &str, sha256: &str) -> Result<PathBuf, String> {
    let home = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/python");
    let unpacked = package.replace("==", "-");
    let (folder, complete) = (home.join("source"), home.join("source").join(format!("{unpacked}.complete")));
    fs::create_dir_all(&folder).map_err(|error| format!("`{}` cannot be made: {error}", folder.display()))?;
    let _lock = lock(&folder.with_added_extension("lock"))?;
    let root = folder.join(&unpacked);
    if fs::read_to_string(&complete).is_ok_and(|installed| installed == sha256) {
        return Ok(root);
    }
    let wanted = folder.join(format!("{unpacked}.txt"));
    let write = |path: &Path, text: String| {
        fs::write(path, text).map_err(|error| format!("`{}` cannot be written: {error}", path.display()))
    };
    write(&wanted, format!("{package} --hash=sha256:{sha256}\n"))?;
    let mut download = Command::new(python);
    download.args(["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]);
    download.args(["--no-binary", ":all:", "--no-build-isolation", "--require-hashes", "--retries", "2"]);
    run(download.args(["--timeout", "30", "--dest"]).arg(&folder).arg("--requirement").arg(&wanted))?;
    let archive = folder.join(format!("{unpacked}.tar.gz"));
    run(Command::new(python).args(["-m", "tarfile", "--extract"]).arg(&archive).arg(&folder))?;
    write(&complete, sha256.to_owned())?;
    Ok(root)
}

/// Locks a file until the result is dropped: tests run at the same time, in processes of their own.
fn lock(path: &Path) -> Result<File, String> {
    let lock = File::create(path).and_then(|lock| lock.lock().map(|()| lock));
    lock.map_err(|error| format!("`{}` cannot be locked: {error}", path.display()))
}

/// Runs a program to its end; the error is what it said last.
pub fn run(command: &mut Command) -> Result<(), String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| format!("`{program}` did not run: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("`{program}` ended with {}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim()))
}

/// Says on stderr that something which is not ours could not be had, so that a test did less than it should; fails
/// where `RUNNER_REQUIRE_PEERS=1` demands it.
#[expect(clippy::print_stderr, reason = "a test that did nothing has to say so")]
#[expect(clippy::disallowed_methods, reason = "whether a test may be left out is for whoever runs it to say")]
pub fn missing(what: &str, why: &str) {
    let required = std::env::var("RUNNER_REQUIRE_PEERS").is_ok_and(|it| it == "1");
    assert!(!required, "{what}: {why}");
    eprintln!("!!! SKIPPED: {what}: {why}");
}
