//! One process that runs a function's `bootstrap`.

use std::fs::{self, File};
use std::io::{self, ErrorKind, PipeReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::TcpListener;
use tokio::net::unix::pipe;
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::Cloud;
use crate::guard::Guarded;
use crate::service::iam::Session;

use super::function::Function;
use super::output::{Log, Output};
use super::pool::Pools;
use super::runtime_api::RuntimeApi;

/// Another thread that forks meanwhile may hold the program open for writing; that passes within milliseconds.
const BUSY_ATTEMPTS: u32 = 50;
const BUSY_WAIT: Duration = Duration::from_millis(10);

/// A process, alive or not. Dropping it ends the process with its whole group.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) api: Arc<RuntimeApi>,
    pub(super) output: Arc<Output>,
    /// The function's code and configuration that it was started with.
    pub(super) deployment: String,
    pub(super) started: Instant,
    /// Since when nothing runs.
    pub(super) idle_since: Instant,
    /// How the process ended, once it has.
    pub(super) ended: watch::Receiver<Option<String>>,
    pipe: PipeReader,
    pid: Option<u32>,
    _stop: DropGuard,
}

/// Why a process did not start.
#[derive(Debug, thiserror::Error)]
pub(super) enum StartError {
    /// The archive holds nothing that can be run here; AWS would say the same.
    #[error("{0}")]
    InvalidEntrypoint(String),
    /// This cloud's own trouble.
    #[error("could not start a function process")]
    Io(#[from] io::Error),
}

impl Worker {
    /// Starts a process and the API it talks to.
    pub(super) async fn start(
        cloud: &Arc<Cloud>,
        function: &Function,
        output: Arc<Output>,
    ) -> Result<Self, StartError> {
        let (dir, architecture) = (unpack(cloud, function).await?, function.architecture.clone());
        entry_point(&dir, &architecture)?;
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let api_address = listener.local_addr()?.to_string();
        let (read_end, write_end) = io::pipe()?;

        let session = cloud.iam.session(&function.role, &function.name);
        let mut command = Command::new(dir.join("bootstrap"));
        command
            .env_clear()
            .envs(environment(cloud, function, &session, &output, &api_address, &dir))
            .current_dir(&dir)
            .stdin(Stdio::null())
            .stdout(write_end.try_clone()?)
            .stderr(write_end)
            .process_group(0)
            .kill_on_drop(true);
        let child = spawn(&mut command).await?;
        // The command holds the pipe's writing end, which must close when the process does.
        drop(command);

        let pid = child.id();
        let pools: &Pools = &cloud.lambda.pools;
        let stop = pools.stop_token();
        let pipe = read_end.try_clone()?;
        // This makes the clone non-blocking as well: they are one open pipe.
        let receiver = pipe::Receiver::from_owned_fd(read_end.into())?;
        let api = Arc::new(RuntimeApi::new());
        let (ended_tx, ended) = watch::channel(None);
        if let Some(pid) = pid {
            pools.spawn(until(stop.clone(), Arc::clone(&api).serve(listener, pid)));
        }
        let followed = Arc::clone(&output);
        pools.spawn(until(stop.clone(), async move {
            if let Err(error) = followed.follow(&receiver).await {
                tracing::warn!(%error, "lost a function's output");
            }
        }));
        pools.spawn(supervise(child, cloud.guard.watch(pid), stop.clone(), ended_tx));
        let now = Instant::now();
        Ok(Self {
            api,
            output,
            deployment: function.deployment.clone(),
            started: now,
            idle_since: now,
            ended,
            pipe,
            pid,
            _stop: stop.drop_guard(),
        })
    }

    /// Takes what the process has printed until now, so that Lambda's own lines come after it.
    pub(super) fn catch_up(&self) {
        if let Err(error) = self.output.pump(|buffer| (&self.pipe).read(buffer)) {
            tracing::warn!(%error, "lost a function's output");
        }
    }

    /// Most memory that the process has had, in MiB; 0 once it has ended.
    pub(super) fn peak_memory_mb(&self) -> u64 {
        let status = self.pid.and_then(|pid| fs::read_to_string(format!("/proc/{pid}/status")).ok());
        let peak = status.as_deref().and_then(|status| {
            let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
            line.trim().strip_suffix(" kB")?.parse::<u64>().ok()
        });
        peak.unwrap_or(0).div_ceil(1024)
    }
}

async fn unpack(cloud: &Arc<Cloud>, function: &Function) -> io::Result<std::path::PathBuf> {
    let (cloud, digest) = (Arc::clone(cloud), function.code.clone());
    tokio::task::spawn_blocking(move || cloud.lambda.code.unpacked(&digest)).await.map_err(io::Error::other)?
}

/// Refuses what Lambda could not run: no `bootstrap`, not executable, built for another processor.
///
/// It reads the file itself, since `execvp` would hand what the kernel refuses to a shell.
fn entry_point(dir: &Path, architecture: &str) -> Result<(), StartError> {
    let wrong = |why: &str| StartError::InvalidEntrypoint(format!("fork/exec /var/task/bootstrap: {why}"));
    let path = dir.join("bootstrap");
    let Ok(metadata) = fs::metadata(&path) else {
        return Err(StartError::InvalidEntrypoint(
            "Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]".to_owned(),
        ));
    };
    if !metadata.is_file() || metadata.permissions().mode() & 0o111 == 0 {
        return Err(wrong("permission denied"));
    }
    let mut head = Vec::with_capacity(20);
    File::open(&path)?.take(20).read_to_end(&mut head)?;
    let machine = head.get(18..20).map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
    let elf = head.starts_with(b"\x7fELF");
    let declared = if architecture == "arm64" { ("aarch64", 183) } else { ("x86_64", 62) };
    let script = head.starts_with(b"#!");
    if script || (elf && machine == Some(declared.1) && std::env::consts::ARCH == declared.0) {
        Ok(())
    } else {
        Err(wrong("exec format error"))
    }
}

async fn spawn(command: &mut Command) -> Result<Child, StartError> {
    for _ in 0..BUSY_ATTEMPTS {
        match command.spawn() {
            Err(error) if error.kind() == ErrorKind::ExecutableFileBusy => tokio::time::sleep(BUSY_WAIT).await,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let why = "fork/exec /var/task/bootstrap: no such file or directory";
                return Err(StartError::InvalidEntrypoint(why.to_owned()));
            }
            other => return Ok(other?),
        }
    }
    Err(StartError::Io(ErrorKind::ExecutableFileBusy.into()))
}

/// What Lambda gives a custom runtime, and `AWS_ENDPOINT_URL`, without which the function's SDK would leave this
/// machine. The function's own variables come last: it may point that one elsewhere.
fn environment(
    cloud: &Cloud,
    function: &Function,
    session: &Session,
    output: &Output,
    api_address: &str,
    dir: &Path,
) -> Vec<(String, String)> {
    let log: &Log = output.log();
    let given = [
        ("AWS_LAMBDA_RUNTIME_API", api_address),
        ("AWS_LAMBDA_FUNCTION_NAME", &function.name),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", &function.memory_mb.to_string()),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand"),
        ("AWS_LAMBDA_LOG_GROUP_NAME", &log.group),
        ("AWS_LAMBDA_LOG_STREAM_NAME", &log.stream),
        ("AWS_REGION", &cloud.config.region),
        ("AWS_DEFAULT_REGION", &cloud.config.region),
        ("AWS_ACCESS_KEY_ID", &session.access_key_id),
        ("AWS_SECRET_ACCESS_KEY", &session.secret_access_key),
        ("AWS_SESSION_TOKEN", &session.session_token),
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("AWS_ENDPOINT_URL", &cloud.config.base_url),
        ("_HANDLER", &function.handler),
        ("LAMBDA_TASK_ROOT", &dir.to_string_lossy()),
        ("LAMBDA_RUNTIME_DIR", "/var/runtime"),
        ("PATH", "/usr/local/bin:/usr/bin/:/bin:/opt/bin"),
        ("LANG", "en_US.UTF-8"),
        ("TZ", ":UTC"),
    ];
    let mut all: Vec<_> = given.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    all.extend(function.environment.clone());
    all
}

/// Waits for the end of the process, or ends it with everything it has started.
async fn supervise(
    mut child: Child,
    _guarded: Option<Guarded>,
    stop: CancellationToken,
    ended: watch::Sender<Option<String>>,
) {
    let group = child.id().and_then(|pid| rustix::process::Pid::from_raw(i32::try_from(pid).ok()?));
    let status = tokio::select! {
        status = child.wait() => status,
        () = stop.cancelled() => {
            kill(group);
            child.wait().await
        }
    };
    // The leader may have left children behind; their group lives as long as they do.
    kill(group);
    ended.send_replace(Some(describe(status)));
}

fn kill(group: Option<rustix::process::Pid>) {
    if let Some(group) = group {
        // It fails when nobody is left, which is what is wanted.
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
}

/// The end of a process in Lambda's words.
fn describe(status: io::Result<ExitStatus>) -> String {
    match status {
        Ok(status) => match (status.code(), status.signal()) {
            (Some(0), _) => "Runtime exited without providing a reason".to_owned(),
            (Some(code), _) => format!("Runtime exited with error: exit status {code}"),
            (None, Some(signal)) => format!("Runtime exited with error: signal: {}", signal_name(signal)),
            (None, None) => "Runtime exited with error: unknown".to_owned(),
        },
        Err(error) => format!("Runtime exited with error: {error}"),
    }
}

fn signal_name(signal: i32) -> String {
    match signal {
        6 => "aborted".to_owned(),
        9 => "killed".to_owned(),
        11 => "segmentation fault".to_owned(),
        15 => "terminated".to_owned(),
        other => other.to_string(),
    }
}

async fn until(stop: CancellationToken, work: impl Future<Output = ()>) {
    tokio::select! {
        () = work => {}
        () = stop.cancelled() => {}
    }
}
