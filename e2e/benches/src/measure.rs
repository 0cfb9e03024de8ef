//! One process, measured from its start to its end.
//!
//! The harness does not start what it measures itself: a small process of its own does, which then asks the kernel for
//! the resources of its children. So the figures are of that one command with all its descendants, and the peak is not
//! the harness's own, which a child would inherit until it has become another program.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};
use wait4::Wait4 as _;

use crate::error::{BenchError, Doing as _, Result};
use crate::stats::Sample;

/// Longer than anything that is worth waiting for.
const LIMIT: Duration = Duration::from_mins(20);

/// What a command took.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Usage {
    /// From start to end.
    pub wall_s: f64,
    /// User and system time, with all descendants that were waited for.
    pub cpu_s: f64,
    /// Peak resident size of the largest process among it and its descendants.
    pub peak_bytes: f64,
    /// What it printed.
    #[serde(default)]
    pub stdout: String,
}

/// [`Usage`] of repeated runs.
#[derive(Clone, Debug, Default)]
pub struct Usages {
    /// Seconds.
    pub wall_s: Sample,
    /// Seconds.
    pub cpu_s: Sample,
    /// Bytes.
    pub peak_bytes: Sample,
}

impl Usages {
    /// Adds a run.
    pub fn push(&mut self, usage: &Usage) {
        self.wall_s.push(usage.wall_s);
        self.cpu_s.push(usage.cpu_s);
        self.peak_bytes.push(usage.peak_bytes);
    }
}

/// A command to measure, as plain words: it is handed to another process.
#[derive(Clone, Debug)]
pub struct Job {
    words: Vec<PathBuf>,
    folder: Option<PathBuf>,
    environment: Vec<(String, PathBuf)>,
}

impl Job {
    /// Names the program.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self { words: vec![program.into()], folder: None, environment: Vec::new() }
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, word: impl AsRef<OsStr>) -> Self {
        self.words.push(word.as_ref().into());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<W: AsRef<OsStr>>(self, words: impl IntoIterator<Item = W>) -> Self {
        words.into_iter().fold(self, Self::arg)
    }

    /// Sets where it runs.
    #[must_use]
    pub fn folder(mut self, folder: &Path) -> Self {
        self.folder = Some(folder.to_owned());
        self
    }

    /// Sets a variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl Into<PathBuf>) -> Self {
        self.environment.push((name.to_owned(), value.into()));
        self
    }

    /// Runs it to its end; it must succeed. `harness` is the harness's own executable.
    pub fn run(&self, harness: &Path) -> Result<Usage> {
        let name = self.name();
        let mut command = Command::new(harness);
        command.args(["worker", "measure", "--"]).args(&self.words).stdin(Stdio::null());
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        if let Some(folder) = &self.folder {
            command.current_dir(folder);
        }
        let output = command.output().doing(format!("could not start `{name}`"))?;
        if !output.status.success() {
            // The very last line is the measuring process's own.
            let text = String::from_utf8_lossy(&output.stderr);
            let own = text.trim_end().rsplit_once('\n').map_or("", |(own, _)| own);
            return Err(BenchError::new(format!("`{name}` failed: {}", last_line(own.as_bytes()))));
        }
        // The last line is the measuring process's, whatever else was printed.
        let printed = String::from_utf8_lossy(&output.stdout);
        let (stdout, usage) = printed.trim_end().rsplit_once('\n').unwrap_or(("", printed.trim_end()));
        let mut usage: Usage = serde_json::from_str(usage).doing(format!("could not read what `{name}` took"))?;
        stdout.clone_into(&mut usage.stdout);
        Ok(usage)
    }

    fn name(&self) -> String {
        let words = self.words.iter().take(3).map(|it| it.file_name().unwrap_or(it.as_os_str()).to_string_lossy());
        words.collect::<Vec<_>>().join(" ")
    }
}

/// Runs a command in the measuring process, and says what it took.
pub(crate) fn measured(words: &[PathBuf]) -> Result<Usage> {
    let [program, arguments @ ..] = words else { return Err(BenchError::new("no command to measure")) };
    let began = Instant::now();
    let child = Command::new(program).args(arguments).spawn();
    let mut child = child.doing(format!("could not start `{}`", program.display()))?;
    end_when_late(child.id());
    // Of the command and of all that it waited for.
    let ended = child.wait4().doing("could not wait for the command")?;
    let wall_s = began.elapsed().as_secs_f64();
    if !ended.status.success() {
        return Err(BenchError::new(format!("it ended with {}", ended.status)));
    }
    let usage = ended.rusage;
    let cpu_s = (usage.utime + usage.stime).as_secs_f64();
    Ok(Usage { wall_s, cpu_s, peak_bytes: usage.maxrss as f64, stdout: String::new() })
}

/// Ends a command that runs for too long. The thread sleeps as long as this process lives, and disturbs nothing.
fn end_when_late(pid: u32) {
    std::thread::spawn(move || {
        std::thread::sleep(LIMIT);
        if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
            _ = kill_process(pid, Signal::KILL);
        }
    });
}

/// The end of what a program said on stderr, which names the cause in most languages.
pub(crate) fn last_line(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let line = text.lines().rev().find(|line| !line.trim().is_empty());
    line.map_or_else(|| "it said nothing".to_owned(), |line| line.trim().to_owned())
}

/// Peak resident size of a living process, which the kernel counts anew for every program that it becomes.
pub(crate) fn peak_bytes(pid: u32) -> Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).doing("could not read a process's status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).map(|it| it.trim_end_matches("kB").trim());
    let kib: f64 =
        line.and_then(|it| it.parse().ok()).ok_or_else(|| BenchError::new("no VmHWM in a process's status"))?;
    Ok(kib * 1024.0)
}

/// User and system time of a living process and its children, in seconds.
pub(crate) fn cpu_s(pid: u32) -> Result<f64> {
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let children = children.split_whitespace().filter_map(|it| it.parse().ok());
    std::iter::once(pid).chain(children).map(own_cpu_s).sum()
}

fn own_cpu_s(pid: u32) -> Result<f64> {
    /// The unit of `/proc/<pid>/stat`, which is part of Linux's interface on every architecture that Lambda has.
    const TICKS_PER_S: f64 = 100.0;
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).doing("could not read a process's times")?;
    // The name, in parentheses, may hold anything; after it the times are the 12th and 13th field.
    let fields = stat.rsplit_once(')').map(|(_, rest)| rest.split_whitespace()).into_iter().flatten();
    let ticks: Vec<f64> = fields.skip(11).take(2).filter_map(|it| it.parse().ok()).collect();
    Ok(ticks.iter().sum::<f64>() / TICKS_PER_S)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_command_took_is_counted_with_its_children() {
        let words =
            ["sh", "-c", "sh -c 'i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done'; sleep 0.1"].map(PathBuf::from);
        let usage = measured(&words).unwrap();
        assert!(usage.wall_s > 0.1 && usage.cpu_s > 0.01 && usage.peak_bytes > 500e3, "{usage:?}");
    }

    #[test]
    fn a_command_that_fails_is_not_measured() {
        assert!(measured(&["false"].map(PathBuf::from)).is_err());
        assert!(measured(&["/does/not/exist"].map(PathBuf::from)).is_err());
    }

    #[test]
    fn a_living_process_has_a_peak_and_times() {
        let own = std::process::id();
        assert!(peak_bytes(own).unwrap() > 1e6 && cpu_s(own).unwrap() >= 0.0);
    }
}
