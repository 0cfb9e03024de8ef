//! What a supervisor reports: one line, either the program's status or why it could not be started.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

/// Longest report.
pub(crate) const LIMIT_BYTES: usize = 64;

/// Writes a report.
pub(crate) fn write(result: &io::Result<ExitStatus>) -> String {
    match result {
        Ok(status) => format!("status {}\n", status.into_raw()),
        Err(error) => format!("error {}\n", error.raw_os_error().unwrap_or_default()),
    }
}

/// Reads a report; none when it is not a whole one.
pub(crate) fn read(bytes: &[u8]) -> Option<io::Result<ExitStatus>> {
    let (kind, number) = std::str::from_utf8(bytes).ok()?.strip_suffix('\n')?.split_once(' ')?;
    let number = number.parse().ok()?;
    match kind {
        "status" => Some(Ok(ExitStatus::from_raw(number))),
        "error" => Some(Err(io::Error::from_raw_os_error(number))),
        _ => None,
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_read_as_it_was_written_and_a_part_of_one_is_none() {
        for raw in [0, 7 << 8, 9] {
            let told = write(&Ok(ExitStatus::from_raw(raw)));
            assert_eq!(read(told.as_bytes()).unwrap().unwrap().into_raw(), raw);
            for end in 0..told.len() {
                assert!(read(&told.as_bytes()[..end]).is_none(), "{told:?} to {end}");
            }
        }
        let told = write(&Err(io::Error::from_raw_os_error(2)));
        assert_eq!(read(told.as_bytes()).unwrap().unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
