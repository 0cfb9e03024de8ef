//! Programs of others that sign requests. Where one cannot be had, that is said; with `RUNNER_REQUIRE_PEERS=1` it fails.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::tools::peer_is_missing;

/// All that is installed, so that nothing changes unless this does.
const BOTOCORE: [&str; 5] =
    ["botocore==1.43.11", "jmespath==1.0.1", "python-dateutil==2.9.0.post0", "six==1.17.0", "urllib3==2.5.0"];

/// A `curl` that signs by Signature Version 4, which it does since 7.75.
pub(crate) fn curl() -> Option<Command> {
    let version = said(Command::new("curl").arg("--version"));
    let number = version.as_deref().unwrap_or_default().split(' ').nth(1).unwrap_or_default();
    let mut parts = number.split('.').map(|part| part.parse::<u32>().unwrap_or_default());
    let new = (parts.next(), parts.next()) >= (Some(7), Some(75));
    there_or_said(new.then(|| Command::new("curl")), &format!("no curl that signs: {version:?}"))
}

/// A Python with AWS's own signing code, installed once under `target`.
pub(crate) fn python_with_botocore() -> Option<Command> {
    let found = install();
    let why = found.as_ref().err().cloned().unwrap_or_default();
    there_or_said(found.ok().map(Command::new), &why)
}

fn there_or_said<T>(found: Option<T>, why: &str) -> Option<T> {
    if found.is_none() {
        peer_is_missing("no signature of another program was tried", why);
    }
    found
}

fn install() -> Result<PathBuf, String> {
    let home = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/python");
    let folder = home.join("botocore");
    fs::create_dir_all(&home).unwrap();
    // Held until the end of this function: tests run at the same time, in processes of their own.
    let lock = File::create(folder.with_extension("lock")).unwrap();
    lock.lock().unwrap();
    let (python, complete) = (folder.join("bin/python"), folder.join("complete"));
    let packages = BOTOCORE.join("\n");
    if fs::read_to_string(&complete).is_ok_and(|installed| installed == packages) {
        return Ok(python);
    }
    said(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder))?;
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary", ":all:"];
    said(Command::new(&python).args(pip).args(["--retries", "2", "--timeout", "30"]).args(BOTOCORE))?;
    fs::write(complete, packages).unwrap();
    Ok(python)
}

/// What a program says; the error is why it said nothing good.
fn said(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr)))
}
