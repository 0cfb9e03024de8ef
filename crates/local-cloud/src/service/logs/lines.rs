//! Lines on disk: one append-only file a stream, bounded in size.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

/// What a stream's file may grow to before its older half goes.
const MAX_STREAM_BYTES: u64 = 16 * 1024 * 1024;

/// What all streams of a group may grow to before the oldest go.
const MAX_GROUP_BYTES: u64 = 128 * 1024 * 1024;

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

    /// Whether a stream has lines.
    pub(super) fn has(&self, group: &str, stream: &str) -> bool {
        self.path(group, stream).exists()
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

    /// Removes what a group need not keep: lines from before `oldest_ms`, and its oldest files while all of them are
    /// larger than the group may be.
    pub(super) fn sweep(&self, group: &str, oldest_ms: Option<i64>) -> io::Result<()> {
        let _writing = self.lock();
        let mut files = Vec::new();
        let entries = match fs::read_dir(self.dir.join(group)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        for entry in entries {
            let path = entry?.path();
            if let Some(oldest_ms) = oldest_ms {
                drop_before(&path, oldest_ms)?;
            }
            match fs::metadata(&path) {
                Ok(metadata) => files.push((metadata.modified()?, metadata.len(), path)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        files.sort();
        let mut size: u64 = files.iter().map(|(_, length, _)| length).sum();
        for (_, length, path) in files {
            if size <= MAX_GROUP_BYTES {
                break;
            }
            fs::remove_file(path)?;
            size -= length;
        }
        Ok(())
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

/// Removes the lines of a file that are from before a time, and the file with the last of them. A file whose first line
/// is young enough is not read on.
fn drop_before(path: &Path, oldest_ms: i64) -> io::Result<()> {
    let is_old = |line: &[u8]| serde_json::from_slice::<Line>(line).is_ok_and(|line| line.at_ms < oldest_ms);
    let mut first = Vec::new();
    io::BufReader::new(File::open(path)?).read_until(b'\n', &mut first)?;
    if !is_old(&first) {
        return Ok(());
    }
    let bytes = fs::read(path)?;
    let kept: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').filter(|line| !is_old(line)).collect();
    if kept.is_empty() {
        return fs::remove_file(path);
    }
    let next = path.with_extension("cut");
    File::create(&next)?.write_all(&kept.concat())?;
    fs::rename(next, path)
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
    fn what_is_older_than_the_retention_is_removed_from_disk() {
        let dir = tempfile::tempdir().unwrap();
        let lines = Lines::new(dir.path());
        lines.append("g", "old", &[line(1, "a"), line(2, "b")]).unwrap();
        lines.append("g", "mixed", &[line(1, "a"), line(5, "c")]).unwrap();
        lines.append("g", "young", &[line(6, "d")]).unwrap();
        lines.sweep("g", None).unwrap();
        assert_eq!(lines.read("g", "old").unwrap().len(), 2);
        lines.sweep("g", Some(5)).unwrap();
        assert!(!lines.path("g", "old").exists());
        assert_eq!(lines.read("g", "mixed").unwrap(), [line(5, "c")]);
        assert_eq!(lines.read("g", "young").unwrap(), [line(6, "d")]);
        lines.sweep("absent", Some(5)).unwrap();
    }

    #[test]
    fn the_oldest_files_of_a_group_make_room() {
        let dir = tempfile::tempdir().unwrap();
        let lines = Lines::new(dir.path());
        for (age_s, stream) in [(30, "oldest"), (20, "older"), (10, "young")] {
            lines.append("g", stream, &[line(1, "a")]).unwrap();
            let file = OpenOptions::new().write(true).open(lines.path("g", stream)).unwrap();
            file.set_len(MAX_GROUP_BYTES / 2).unwrap();
            let now = fs::metadata(lines.path("g", stream)).unwrap().modified().unwrap();
            file.set_modified(now - std::time::Duration::from_secs(age_s)).unwrap();
        }
        lines.sweep("g", None).unwrap();
        let there = ["oldest", "older", "young"].map(|stream| lines.path("g", stream).exists());
        assert_eq!(there, [false, true, true]);
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
