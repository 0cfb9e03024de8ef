//! The process between the two.

use std::ffi::OsString;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, test_kill_process_group, waitid};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};

/// From SIGTERM to SIGKILL for a group whose asking process has ended.
pub const GRACE: Duration = Duration::from_secs(5);
/// Between two looks at a group that is to end.
const POLL: Duration = Duration::from_millis(20);

/// Runs a program in a group of its own until it ends, or until the other end of standard input closes, or until a
/// signal asks for the end. Then nothing of the group is left.
///
/// Standard input is the socket that [`Supervised::spawn`](crate::Supervised::spawn) made.
pub async fn supervise(words: &[OsString]) -> io::Result<()> {
    let link = StdUnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    link.set_nonblocking(true)?;
    let mut link = UnixStream::from_std(link)?;
    let result = run(words, &mut link).await;
    // Nobody may be there to read it.
    _ = link.write_all(crate::link::write(&result).as_bytes()).await;
    Ok(())
}

async fn run(words: &[OsString], link: &mut UnixStream) -> io::Result<ExitStatus> {
    // Before the program starts, so that a signal from then on ends it in order.
    let (mut terminate, mut interrupt, mut hangup) =
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?, signal(SignalKind::hangup())?);
    let (program, arguments) = words.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    let mut child = Command::new(program).args(arguments).stdin(Stdio::null()).process_group(0).spawn()?;
    let group = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    let group = group.ok_or_else(|| io::Error::other("the program has no process id"))?;
    let mut nothing = [0; 1];
    let gone = tokio::select! {
        ended = wait_without_reaping(group) => ended.map(|()| false)?,
        _ = link.read(&mut nothing) => terminated(&mut child, group).await,
        _ = terminate.recv() => terminated(&mut child, group).await,
        _ = interrupt.recv() => terminated(&mut child, group).await,
        _ = hangup.recv() => terminated(&mut child, group).await,
    };
    if !gone {
        // A program that has ended by itself is not reaped yet, so that the group's number is still the group's.
        _ = kill_process_group(group, Signal::KILL);
    }
    child.wait().await
}

/// Waits for the end of a process and leaves it to be reaped.
async fn wait_without_reaping(process: Pid) -> io::Result<()> {
    let waiting = tokio::task::spawn_blocking(move || {
        waitid(WaitId::Pid(process), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT).map(|_| ())
    });
    Ok(waiting.await.map_err(io::Error::other)??)
}

/// Asks a group to end, and waits for that for [`GRACE`]; returns whether nothing of it is left.
async fn terminated(child: &mut Child, group: Pid) -> bool {
    _ = kill_process_group(group, Signal::TERM);
    let began = Instant::now();
    while began.elapsed() < GRACE {
        // Once it is reaped, the number is the group's as long as anything of the group is there.
        if child.try_wait().is_ok_and(|status| status.is_some()) && test_kill_process_group(group).is_err() {
            return true;
        }
        pause().await;
    }
    false
}

#[expect(
    clippy::disallowed_methods,
    reason = "a wait for a group to end, which nothing announces; its limit is beside it"
)]
async fn pause() {
    tokio::time::sleep(POLL).await;
}
