//! A server that runs while it is measured, and is ended with everything that it started.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::error::{BenchError, Doing as _, Result};
use crate::measure::last_line;

/// A Python server imports for seconds on a busy machine.
const START_LIMIT: Duration = Duration::from_mins(1);
/// How long a server may take to end by itself.
const STOP_LIMIT: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(20);

/// A running server, in a process group of its own.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    /// Where it listens, on 127.0.0.1.
    pub(crate) port: u16,
}

impl Server {
    /// Starts it and waits until it takes connections. `command` is told the port; what it says goes to the file `log`.
    pub(crate) fn start(log: &Path, command: impl FnOnce(u16) -> Command) -> Result<Self> {
        let port = free_port()?;
        let mut command = command(port);
        let said = File::create(log).doing("could not create the server's log")?;
        command.process_group(0).stdin(Stdio::null()).stdout(Stdio::null()).stderr(said);
        let child = command.spawn().doing("could not start the server")?;
        let mut server = Self { child, port };
        let began = Instant::now();
        while TcpStream::connect(server.address()).is_err() {
            if let Some(status) = server.child.try_wait().doing("could not ask for the server")? {
                let why = last_line(&std::fs::read(log).unwrap_or_default());
                return Err(BenchError::new(format!("the server ended with {status}: {why}")));
            }
            if began.elapsed() > START_LIMIT {
                return Err(BenchError::new(format!("the server did not listen within {} s", START_LIMIT.as_secs())));
            }
            std::thread::sleep(POLL);
        }
        Ok(server)
    }

    /// Process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    fn signal(&self, signal: Signal) {
        if let Some(group) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            _ = kill_process_group(group, signal);
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.signal(Signal::TERM);
        let began = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) {
            if began.elapsed() > STOP_LIMIT {
                self.signal(Signal::KILL);
                _ = self.child.wait();
                return;
            }
            std::thread::sleep(POLL);
        }
    }
}

fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).doing("could not find a free port")?;
    Ok(listener.local_addr().doing("could not find a free port")?.port())
}
