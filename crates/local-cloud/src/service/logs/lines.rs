//! Lines on disk: one append-only file a stream, bounded in size.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

/// What a stream's file may grow to before its older half goes.
const MAX_STREAM_BYTES: u64 = 16 * 1024 * 1024;

/// What a line keeps of itself. Source: `PutLogEvents` takes events of 256 KiB at least.
const MAX_LINE_BYTES: usize = 256 * 1024;

/// One line.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub(super) struct Line {
    /// When it happened, in milliseconds since 1970.
    #[serde(rename = "t")]
    pub(super) at_ms: i64,
    /// When it came here.
    #[serde(rename = "i")]
    pub(super) ingested_ms: i64,
    #[serde(rename = "m")]
    pub(super) message: String,
}

/// The files of all streams: `<folder of the group>/<file of the stream>`.
#[derive(Debug)]
pub(super) struct Lines {
    dir: PathBuf,
    /// Held while a file is written or cut.
    writing: Mutex<()>,
}

impl Lines {
    pub(super) fn new(state_dir: &Path) -> Self {
        Self { dir: state_dir.join("logs"), writing: Mutex::new(()) }
    }

    /// Adds lines at the end of a stream.
    pub(super) fn append(&self, group: &str, stream: &str, lines: &[Line]) -> io::Result<()> {
        let mut bytes = Vec::new();
        for line in lines {
            serde_json::to_writer(&mut bytes, &bounded(line))?;
            bytes.push(b'\n');
        }
        let _writing = self.lock();
        let path = self.path(group, stream);
        fs::create_dir_all(self.dir.join(group))?;
        let mut file = OpenOptions::new().append(true).create(true).open(&path)?;
        file.write_all(&bytes)?;
        if file.metadata()?.len() > MAX_STREAM_BYTES { cut(&path) } else { Ok(()) }
    }

    /// All lines of a stream, as they came.
    pub(super) fn read(&self, group: &str, stream: &str) -> io::Result<Vec<Line>> {
        let bytes = match fs::read(self.path(group, stream)) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        // A line that a kill cut in half is no line.
        Ok(bytes.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect())
    }

    /// Forgets a group's lines, or one stream's.
    pub(super) fn remove(&self, group: &str, stream: Option<&str>) -> io::Result<()> {
        let _writing = self.lock();
        let removed = match stream {
            Some(stream) => fs::remove_file(self.path(group, stream)),
            None => fs::remove_dir_all(self.dir.join(group)),
        };
        match removed {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn path(&self, group: &str, stream: &str) -> PathBuf {
        self.dir.join(group).join(format!("{stream}.jsonl"))
    }

    fn lock(&self) -> MutexGuard<'_, ()> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn bounded(line: &Line) -> Line {
    let mut line = line.clone();
    let end = line.message.floor_char_boundary(MAX_LINE_BYTES);
    line.message.truncate(end);
    line
}

/// Leaves the younger half of a file, from the first line that is whole.
fn cut(path: &Path) -> io::Result<()> {
    let bytes = fs::read(path)?;
    let half = &bytes[bytes.len() / 2..];
    let start = half.iter().position(|byte| *byte == b'\n').map_or(half.len(), |newline| newline + 1);
    let next = path.with_extension("cut");
    File::create(&next)?.write_all(&half[start..])?;
    fs::rename(next, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(at_ms: i64, message: &str) -> Line {
        Line { at_ms, ingested_ms: at_ms, message: message.to_owned() }
    }

    #[test]
    fn a_stream_stays_bounded_and_keeps_its_youngest_lines() {
        let dir = tempfile::tempdir().unwrap();
        let lines = Lines::new(dir.path());
        let text = "x".repeat(MAX_LINE_BYTES + 10);
        for n in 0..100 {
            lines.append("g", "s", &[line(n, &text)]).unwrap();
        }
        let size = fs::metadata(lines.path("g", "s")).unwrap().len();
        assert!(size <= MAX_STREAM_BYTES, "{size}");
        let kept = lines.read("g", "s").unwrap();
        assert_eq!(kept.last().unwrap().at_ms, 99);
        assert_eq!(kept.last().unwrap().message.len(), MAX_LINE_BYTES);
        assert!(kept.windows(2).all(|pair| pair[0].at_ms + 1 == pair[1].at_ms));
    }

    #[test]
    fn a_line_cut_in_half_is_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        let lines = Lines::new(dir.path());
        lines.append("g", "s", &[line(1, "whole")]).unwrap();
        let mut file = OpenOptions::new().append(true).open(lines.path("g", "s")).unwrap();
        file.write_all(b"{\"t\":2,\"i\":2,\"m\":\"ha").unwrap();
        assert_eq!(lines.read("g", "s").unwrap(), [line(1, "whole")]);
    }
}
