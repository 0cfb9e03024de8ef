//! Programs of others that sign requests. Where one cannot be had, that is said; with `RUNNER_REQUIRE_PEERS=1` it fails.

use std::process::Command;

use super::peer;

/// A `curl` that signs by Signature Version 4, which it does since 7.75.
pub(crate) fn curl() -> Option<Command> {
    let said = Command::new("curl").arg("--version").output().map(|output| output.stdout).unwrap_or_default();
    let version = String::from_utf8_lossy(&said);
    let number = version.split(' ').nth(1).unwrap_or_default();
    let mut parts = number.split('.').map(|part| part.parse::<u32>().unwrap_or_default());
    if (parts.next(), parts.next()) >= (Some(7), Some(75)) {
        return Some(Command::new("curl"));
    }
    peers::missing("NO SIGNATURE OF CURL WAS TRIED", &format!("no curl that signs: {version:?}"));
    None
}

/// A Python with AWS's own signing code.
pub(crate) fn python_with_botocore() -> Option<Command> {
    peer::python().map(Command::new)
}
