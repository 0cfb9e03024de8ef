//! One inference server: a process under the container contract, kept alive.
//!
//! In a container the contract is port 8080 and `/opt/ml/model`; several processes of one machine get a port
//! and a folder of their own by environment variables.

use std::collections::{BTreeMap, HashSet};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;
use std::{fs, io};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, StatusCode};
use http_body_util::Full;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::HttpClient;
use super::container::Program;
use crate::Cloud;
use crate::guard::Guard;

/// How often a server is asked whether it is up.
const PING_INTERVAL: Duration = Duration::from_millis(10);
/// What `SageMaker` gives one `/ping`.
const PING_LIMIT: Duration = Duration::from_secs(2);
/// Longest that a first `/ping` is waited for, whatever the variant allows: a process starts faster than a container.
const STARTUP_LIMIT: Duration = Duration::from_secs(10);
/// How often a server that exits before its first `/ping` is started again.
const MAX_RESTARTS: u32 = 3;
/// Longest pause before a server that has served is started again.
const MAX_PAUSE: Duration = Duration::from_secs(5);
/// From SIGTERM to SIGKILL, as `SageMaker` has it.
const STOP_LIMIT: Duration = Duration::from_secs(30);
/// Longest log line, `CloudWatch`'s limit for one event.
const MAX_LINE: u64 = 256 << 10;
/// Name of the file that holds a server's process id.
pub(super) const PID_FILE: &str = "pid";

/// What a server needs to start, and to start again.
#[derive(Debug)]
pub(super) struct Launch {
    pub(super) program: Program,
    /// Holds the unpacked model as `model`.
    pub(super) folder: PathBuf,
    /// The model's own variables.
    pub(super) environment: BTreeMap<String, String>,
    pub(super) startup_limit: Duration,
    /// Whether it has served before, so that giving up is no choice.
    pub(super) proven: bool,
    pub(super) log: Log,
    pub(super) http: HttpClient,
    pub(super) ports: Ports,
    pub(super) guard: Arc<Guard>,
}

/// Where a server's lines go.
#[derive(Clone, Debug)]
pub(super) struct Log {
    cloud: Weak<Cloud>,
    group: String,
    stream: String,
    permitted: bool,
    /// Whether it may make the group when there is none.
    creates: bool,
}

impl Log {
    /// The log of a container that acts as a role: one whose role may not write it has none.
    pub(super) fn new(cloud: &Arc<Cloud>, role: Option<&str>, group: String, stream: String) -> Self {
        let names = &cloud.sagemaker.names;
        let (group_arn, stream_arn) = (names.log_group_arn(&group), names.log_stream_arn(&group, &stream));
        let needs = [("logs:CreateLogStream", stream_arn.as_str()), ("logs:PutLogEvents", stream_arn.as_str())];
        let may = |action: &str, arn: &str| role.is_none_or(|role| cloud.iam.authorize(role, action, arn).is_ok());
        let permitted = needs.iter().all(|(action, arn)| may(action, arn));
        let creates = may("logs:CreateLogGroup", &group_arn);
        Self { cloud: Arc::downgrade(cloud), permitted, creates, group, stream }
    }

    pub(super) fn append(&self, line: &str) {
        if let (true, Some(cloud)) = (self.permitted, self.cloud.upgrade())
            && (self.creates || cloud.logs.has_group(&self.group))
        {
            cloud.logs.append(&self.group, &self.stream, line);
        }
    }
}

/// Ports that are promised to servers but perhaps not bound yet.
#[derive(Clone, Debug, Default)]
pub(super) struct Ports(Arc<Mutex<HashSet<u16>>>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Health {
    Starting,
    Ready(u16),
    /// It never came up and is not tried again.
    Failed,
}

/// A supervised server. Dropping it ends the process, too.
#[derive(Debug)]
pub(super) struct Server {
    health: watch::Receiver<Health>,
    stop: CancellationToken,
    token: HeaderValue,
}

/// The header that carries a server's token, and the variable that tells the server of it. Our own server answers
/// nobody without it; an image of somebody else's takes no notice.
const TOKEN_HEADER: HeaderName = HeaderName::from_static("x-model-server-token");
const TOKEN_VARIABLE: &str = "MODEL_SERVER_TOKEN";

impl Server {
    /// Starts the process and its supervisor.
    pub(super) fn start(launch: Launch, tasks: &TaskTracker) -> Self {
        let (sender, health) = watch::channel(Health::Starting);
        let stop = CancellationToken::new();
        // 128 bits that the operating system made, in digits: always a header's value.
        let token = HeaderValue::from_str(&format!("{:032x}", rand::random::<u128>()));
        let token = token.unwrap_or_else(|_| HeaderValue::from_static(""));
        tasks.spawn(supervise(launch, token.clone(), sender, stop.clone()));
        Self { health, stop, token }
    }

    /// Lets a request to this server in.
    pub(super) fn sign<B>(&self, request: &mut Request<B>) {
        request.headers_mut().insert(TOKEN_HEADER, self.token.clone());
    }

    /// The port of the process; waits while it is being started. None when it never came up.
    pub(super) async fn port(&self) -> Option<u16> {
        let mut health = self.health.clone();
        match health.wait_for(|health| *health != Health::Starting).await.as_deref() {
            Ok(Health::Ready(port)) => Some(*port),
            _ => None,
        }
    }

    /// Ends the process and waits for its end.
    pub(super) async fn stop(&self) {
        self.stop.cancel();
        let mut health = self.health.clone();
        // The supervisor drops its sender last of all.
        while health.changed().await.is_ok() {}
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Kills the process that a cloud left behind in `folder` when it died, if it still runs.
///
/// `variable` is one that only that process has, as `NAME=value`.
pub(super) fn kill_left_over(folder: &Path, variable: &str) {
    let file = folder.join(PID_FILE);
    let Some(pid) = fs::read_to_string(&file).ok().and_then(|text| text.trim().parse::<i32>().ok()) else { return };
    // The number may be another process's by now; the variable tells.
    let Ok(environment) = fs::read(format!("/proc/{pid}/environ")) else { return };
    if environment.split(|byte| *byte == 0).any(|own| own == variable.as_bytes()) {
        signal_group(Pid::from_raw(pid), Signal::KILL);
    }
    // Only a hint for the next start; a stale one is recognised.
    let _ = fs::remove_file(file);
}

/// The variable that tells a server of `folder` from any other process.
pub(super) fn variable_of(folder: &Path) -> String {
    format!("MODEL_DIR={}", folder.join("model").display())
}

async fn supervise(launch: Launch, token: HeaderValue, health: watch::Sender<Health>, stop: CancellationToken) {
    let mut proven = launch.proven;
    let mut failures = 0;
    loop {
        match run(&launch, &token, &health, &stop).await {
            Ending::Stopped => return,
            Ending::DiedServing => {
                proven = true;
                failures = 0;
            }
            Ending::NeverUp { retry } => {
                failures += 1;
                if !proven && (!retry || failures > MAX_RESTARTS) {
                    health.send_replace(Health::Failed);
                    return;
                }
            }
        }
        health.send_replace(Health::Starting);
        let pause = if proven { Duration::from_millis(50) * 2_u32.saturating_pow(failures) } else { Duration::ZERO };
        if stop.run_until_cancelled(sleep(pause.min(MAX_PAUSE))).await.is_none() {
            return;
        }
    }
}

enum Ending {
    Stopped,
    DiedServing,
    /// `retry` when it exited by itself, since an exit is quick to try again.
    NeverUp {
        retry: bool,
    },
}

/// One life of the process.
async fn run(launch: &Launch, token: &HeaderValue, health: &watch::Sender<Health>, stop: &CancellationToken) -> Ending {
    let (port, mut child) = match spawn(launch, token) {
        Ok(started) => started,
        Err(error) => {
            launch.log.append(&launch.program.not_started(&error));
            return Ending::NeverUp { retry: true };
        }
    };
    let _guarded = launch.guard.watch(child.id());
    let group = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    let limit = launch.startup_limit.min(STARTUP_LIMIT);
    tokio::select! {
        () = wait_for_ping(&launch.http, port.0, token) => {}
        status = child.wait() => {
            signal_group(group, Signal::KILL);
            launch.log.append(&exit_line(status));
            return Ending::NeverUp { retry: true };
        }
        () = stop.cancelled() => {
            terminate(&mut child, group).await;
            return Ending::Stopped;
        }
        () = sleep(limit) => {
            launch.log.append(&format!("the model server did not answer GET /ping within {} s", limit.as_secs()));
            terminate(&mut child, group).await;
            return Ending::NeverUp { retry: false };
        }
    }
    health.send_replace(Health::Ready(port.0));
    tokio::select! {
        status = child.wait() => {
            signal_group(group, Signal::KILL);
            launch.log.append(&exit_line(status));
            Ending::DiedServing
        }
        () = stop.cancelled() => {
            terminate(&mut child, group).await;
            Ending::Stopped
        }
    }
}

fn exit_line(status: io::Result<ExitStatus>) -> String {
    match status {
        Ok(status) => format!("the model server ended: {status}"),
        Err(error) => format!("the model server was lost: {error}"),
    }
}

fn spawn(launch: &Launch, token: &HeaderValue) -> io::Result<(Port, Child)> {
    let port = launch.ports.take()?;
    let (program, arguments) = launch.program.command.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    let number = port.0.to_string();
    let mut command = Command::new(program);
    if let Some(dir) = &launch.program.working_dir {
        command.current_dir(dir);
    }
    let mut child = command
        .args(arguments)
        .env_clear()
        .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        .envs(&launch.program.environment)
        .envs(&launch.environment)
        .env("MODEL_DIR", launch.folder.join("model"))
        .env("BIND_ADDRESS", "127.0.0.1")
        .env("PORT", &number)
        .env("SAGEMAKER_BIND_TO_PORT", &number)
        .env(TOKEN_VARIABLE, token.to_str().unwrap_or_default())
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
    if let Some(stdout) = child.stdout.take() {
        let log = launch.log.clone();
        tokio::spawn(copy_lines(stdout, move |line| log.append(line)));
    }
    if let Some(stderr) = child.stderr.take() {
        let log = launch.log.clone();
        tokio::spawn(copy_lines(stderr, move |line| log.append(line)));
    }
    Ok((port, child))
}

/// Takes over what a process prints, line by line, until it closes the stream.
pub(super) async fn copy_lines(stream: impl AsyncRead + Unpin, mut take: impl FnMut(&str)) {
    let mut reader = BufReader::new(stream);
    let mut line = Vec::new();
    loop {
        line.clear();
        match (&mut reader).take(MAX_LINE).read_until(b'\n', &mut line).await {
            Ok(0) | Err(_) => return,
            Ok(_) => take(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n'])),
        }
    }
}

/// Whether nobody but a program of our own user listens on a port, so that another's gets neither token nor request.
async fn is_ours(port: u16) -> bool {
    let listener = tokio::task::spawn_blocking(move || loopback::listener(port)).await;
    let own = rustix::process::getuid().as_raw();
    listener.is_ok_and(|found| found.is_ok_and(|found| found.is_some_and(|peer| peer.uid == own)))
}

/// Returns at the first 200; the caller sets the limit.
async fn wait_for_ping(http: &HttpClient, port: u16, token: &HeaderValue) {
    loop {
        let next = Instant::now() + PING_INTERVAL;
        if !is_ours(port).await {
            tokio::time::sleep_until(next).await;
            continue;
        }
        let mut request = Request::new(Full::new(Bytes::new()));
        if let Ok(uri) = format!("http://127.0.0.1:{port}/ping").parse() {
            *request.uri_mut() = uri;
        }
        request.headers_mut().insert(TOKEN_HEADER, token.clone());
        if let Ok(Ok(response)) = timeout(PING_LIMIT, http.request(request)).await
            && response.status() == StatusCode::OK
        {
            return;
        }
        tokio::time::sleep_until(next).await;
    }
}

async fn terminate(child: &mut Child, group: Option<Pid>) {
    signal_group(group, Signal::TERM);
    if timeout(STOP_LIMIT, child.wait()).await.is_err() {
        signal_group(group, Signal::KILL);
        // It cannot survive that signal; an error means that somebody else has waited for it.
        let _ = child.wait().await;
    }
    signal_group(group, Signal::KILL);
}

/// Signals a process with all that it started.
pub(super) fn signal_group(group: Option<Pid>, signal: Signal) {
    if let Some(group) = group {
        // An empty group has nothing to end.
        let _ = kill_process_group(group, signal);
    }
}

/// A port number that no other server is promised.
#[derive(Debug)]
struct Port(u16, Ports);

impl Ports {
    /// Asks the system for a free port. The server binds it a moment later; when somebody is faster it exits, and is
    /// started again with another.
    fn take(&self) -> io::Result<Port> {
        loop {
            let number = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
            if self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(number) {
                return Ok(Port(number, self.clone()));
            }
        }
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        self.1.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::{CommandExt, ExitStatusExt};

    use super::*;

    #[test]
    fn a_left_over_server_is_killed_and_a_stranger_with_its_number_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let start = |model: &Path| {
            let mut command = std::process::Command::new("sleep");
            let child = command.arg("60").env("MODEL_DIR", model).process_group(0).spawn().unwrap();
            fs::write(dir.path().join(PID_FILE), child.id().to_string()).unwrap();
            // The system shows the variables a moment after the program has begun.
            while fs::read(format!("/proc/{}/environ", child.id())).unwrap().is_empty() {}
            kill_left_over(dir.path(), &variable_of(dir.path()));
            child
        };
        let mut ours = start(&dir.path().join("model"));
        assert_eq!(ours.wait().unwrap().signal(), Some(9));
        let mut stranger = start(Path::new("/elsewhere/model"));
        assert_eq!(stranger.try_wait().unwrap(), None);
        stranger.kill().unwrap();
        stranger.wait().unwrap();
    }
}
