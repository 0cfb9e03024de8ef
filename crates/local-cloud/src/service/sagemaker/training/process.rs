//! One training process: started, listened to, ended in time, waited for.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;
use std::{fs, io};

use rustix::process::{Pid, Signal};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::super::record::now;
use super::super::server_process::{Log, PID_FILE, copy_lines, signal_group};
use super::metrics::{Metrics, escaped};
use crate::guard::Guard;

/// From SIGTERM to SIGKILL. Source: API reference, `StopTrainingJob`.
const STOP_LIMIT: Duration = Duration::from_mins(2);
/// Longest that the output of an ended process is read on: nothing of its group is alive that could hold it open.
const OUTPUT_LIMIT: Duration = Duration::from_secs(2);

/// What a process needs.
#[derive(Debug)]
pub(super) struct Launch {
    /// Program and arguments, `train` included.
    pub(super) command: Vec<OsString>,
    /// Stands for `/opt/ml`.
    pub(super) folder: PathBuf,
    /// The job's own variables and those that the service sets.
    pub(super) environment: BTreeMap<String, String>,
    pub(super) log: Log,
    pub(super) metrics: Arc<Metrics>,
    /// When it has had its time.
    pub(super) deadline: Instant,
    pub(super) guard: Arc<Guard>,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// By itself, with this code: 128 and the signal's number when by a signal.
    Exited(i32),
    /// Because it was told to stop.
    Stopped,
    /// Because its time was up.
    TimedOut,
    /// With the cloud.
    CutOff,
}

/// The variable that tells the process of `folder` from any other.
pub(super) fn variable_of(folder: &Path) -> String {
    format!("SAGEMAKER_BASE_DIR={}", folder.display())
}

/// Runs a process to its end. `stop` asks it to end, `cut` ends it at once.
pub(super) async fn run(launch: Launch, stop: &CancellationToken, cut: &CancellationToken) -> io::Result<End> {
    let (mut child, output) = spawn(&launch)?;
    let _guarded = launch.guard.watch(child.id());
    let group = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    let end = tokio::select! {
        status = child.wait() => Ok(End::Exited(code(status?))),
        () = stop.cancelled() => Err(End::Stopped),
        () = sleep_until(launch.deadline) => Err(End::TimedOut),
        () = cut.cancelled() => Err(End::CutOff),
    };
    let end = match end {
        Ok(end) => end,
        Err(end) => {
            if end != End::CutOff {
                signal_group(group, Signal::TERM);
                // Whether it ends in time or not, it is ended below.
                let _ = cut.run_until_cancelled(timeout(STOP_LIMIT, child.wait())).await;
            }
            signal_group(group, Signal::KILL);
            child.wait().await?;
            end
        }
    };
    signal_group(group, Signal::KILL);
    for task in output {
        // What a process in another group still prints is not waited for.
        let _ = timeout(OUTPUT_LIMIT, task).await;
    }
    Ok(end)
}

fn spawn(launch: &Launch) -> io::Result<(Child, Vec<JoinHandle<()>>)> {
    let (program, arguments) = launch.command.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    let mut child = Command::new(program)
        .args(arguments)
        .env_clear()
        .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        .envs(&launch.environment)
        .env("SAGEMAKER_BASE_DIR", &launch.folder)
        .current_dir(&launch.folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()?;
    if let Some(id) = child.id() {
        // Only a hint for the next start of the cloud, so a full disk is no reason to refuse.
        let _ = fs::write(launch.folder.join(PID_FILE), id.to_string());
    }
    let take = || {
        let (log, metrics) = (launch.log.clone(), Arc::clone(&launch.metrics));
        move |line: &str| {
            let line = escaped(line);
            metrics.see(&line, now());
            log.append(&line);
        }
    };
    let stdout = child.stdout.take().map(|stdout| tokio::spawn(copy_lines(stdout, take())));
    let stderr = child.stderr.take().map(|stderr| tokio::spawn(copy_lines(stderr, take())));
    Ok((child, stdout.into_iter().chain(stderr).collect()))
}

fn code(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default())
}
