//! Runs a program in a process group that ends with the process that asked for it, also when that one is killed.
//!
//! A process that is killed by SIGKILL can do nothing for its children. So a second process stands between the two: the
//! supervisor, which holds one end of a socket whose other end is in the asking process alone. When that end closes, for
//! whatever reason, the supervisor ends the group. A process that the program puts into a session of its own, as a daemon
//! does, is in another group and lives on.
//!
//! The asking process uses [`command`] and [`Supervised`]; the supervisor is a process that runs [`supervise`].

mod link;
mod supervise;

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::process::{ExitStatus, Output, Stdio};

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::net::UnixStream;
use tokio::process::{Child, ChildStderr, ChildStdout, Command};

pub use supervise::{GRACE, supervise};

/// Returns the command that runs a program under a supervisor: `supervisor` is the program and the first arguments of
/// the process that calls [`supervise`].
///
/// The caller sets the environment, the folder and the output of the program on it; [`Supervised::spawn`] starts it.
pub fn command(supervisor: &[OsString], program: &OsStr, arguments: impl IntoIterator<Item = OsString>) -> Command {
    let mut command = Command::new(supervisor.first().map_or(OsStr::new(""), OsString::as_os_str));
    command.args(supervisor.iter().skip(1)).arg(program).args(arguments);
    command
}

/// A program under a supervisor. Its group ends when this value is dropped.
#[derive(Debug)]
pub struct Supervised {
    child: Child,
    link: UnixStream,
    /// What the supervisor has reported so far.
    report: Vec<u8>,
}

impl Supervised {
    /// Starts a [`command`]. The program's standard input is empty.
    pub fn spawn(mut command: Command) -> io::Result<Self> {
        let (ours, theirs) = StdUnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let link = UnixStream::from_std(ours)?;
        // A group of its own: Ctrl-C at a terminal is for the asking process, which decides what becomes of this one.
        let child = command.stdin(Stdio::from(OwnedFd::from(theirs))).process_group(0).spawn()?;
        Ok(Self { child, link, report: vec![] })
    }

    /// Takes the program's standard output, if the command pipes it.
    pub fn take_stdout(&mut self) -> Option<ChildStdout> {
        self.child.stdout.take()
    }

    /// Takes the program's standard error, if the command pipes it.
    pub fn take_stderr(&mut self) -> Option<ChildStderr> {
        self.child.stderr.take()
    }

    /// Waits for the program's end. Returns an error when it could not be started, as if it had been started directly.
    ///
    /// Waiting that is given up may be begun again.
    pub async fn wait(&mut self) -> io::Result<ExitStatus> {
        let mut piece = [0; link::LIMIT_BYTES];
        while self.report.len() < link::LIMIT_BYTES {
            match self.link.read(&mut piece).await {
                Ok(0) | Err(_) => break,
                Ok(read) => self.report.extend_from_slice(&piece[..read]),
            }
        }
        let ended = self.child.wait().await?;
        link::read(&self.report)
            .unwrap_or_else(|| Err(io::Error::other(format!("the process that supervises it ended with {ended}"))))
    }
}

/// Runs a [`command`] to its end and returns all that it printed.
pub async fn output(mut command: Command) -> io::Result<Output> {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut running = Supervised::spawn(command)?;
    let (stdout, stderr) = (running.take_stdout(), running.take_stderr());
    let (status, stdout, stderr) = tokio::join!(running.wait(), whole(stdout), whole(stderr));
    Ok(Output { status: status?, stdout: stdout?, stderr: stderr? })
}

async fn whole(stream: Option<impl AsyncRead + Unpin>) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(mut stream) = stream {
        stream.read_to_end(&mut bytes).await?;
    }
    Ok(bytes)
}
