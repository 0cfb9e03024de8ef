//! Servers of others that speak AWS's protocols, each a process of its own on loopback, ended behind the test.

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use tempfile::TempDir;

use super::aws::Aws;
use super::tools::tools;

const MOTO: &str = include_str!("../../../peers/moto.txt");
const MINISTACK: &str = include_str!("../../../peers/ministack.txt");

/// For a server to listen, while other tests keep the machine busy.
const START_LIMIT: Duration = Duration::from_mins(1);
/// For a server to end that was asked to.
const END_LIMIT: Duration = Duration::from_secs(5);
/// A port that was free may be taken before the server has it.
const ATTEMPTS: usize = 3;

/// The account that both servers pretend to be.
pub(crate) const ACCOUNT: &str = "123456789012";
/// The region that they are asked in.
pub(crate) const REGION: &str = "us-east-1";
/// Key and secret: ours is told, the others take any.
pub(crate) const KEY: &str = "test";

/// A running server.
pub(crate) struct Peer {
    process: Child,
    /// Port on 127.0.0.1.
    port: u16,
    has_sagemaker: bool,
    /// What it writes goes here.
    folder: TempDir,
}

/// Python with boto3 and the AWS CLI; nothing where it cannot be had, which is said.
pub(crate) fn python() -> Option<PathBuf> {
    installed("moto", MOTO)
}

fn installed(name: &str, packages: &str) -> Option<PathBuf> {
    let python = peers::python(name, packages);
    python.inspect_err(|why| peers::missing(&format!("NOTHING WAS COMPARED WITH {}", name.to_uppercase()), why)).ok()
}

impl Peer {
    /// Our own local cloud, which takes half a second for what takes AWS minutes, so that a client sees it in transit.
    pub(crate) fn local_cloud() -> Self {
        Self::local_cloud_in(REGION)
    }

    /// The same in another region.
    pub(crate) fn local_cloud_in(region: &str) -> Self {
        let (program, runner) = (&tools().local_cloud, &tools().runner);
        Self::start(|port| {
            let mut command = Command::new(program);
            command.args(["--state", "state", "--port", &port.to_string(), "--account", ACCOUNT]);
            command.args(["--region", region, "--lambda-settle-ms", "700", "--endpoint-settle-ms", "500"]);
            command.arg("--model-server").arg(runner).args(["--model-server-arg", "model-server"]);
            command.arg("--training-program").arg(runner).args(["--training-program-arg", "xgboost-train"]);
            command.envs([("LOCAL_CLOUD_ACCESS_KEY_ID", KEY), ("LOCAL_CLOUD_SECRET_ACCESS_KEY", KEY)]);
            command
        })
    }

    /// moto: control planes.
    pub(crate) fn moto() -> Option<Self> {
        let python = python()?;
        Some(Self::start(|port| {
            let mut command = Command::new(python.with_file_name("moto_server"));
            command.args(["-H", "127.0.0.1", "-p", &port.to_string()]);
            command
        }))
    }

    /// moto, with what no stage can be seen without mended.
    pub(crate) fn moto_mended() -> Option<Self> {
        let python = python()?;
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/moto_mended.py");
        Some(Self::start(|port| {
            let mut command = Command::new(&python);
            command.arg(&program).arg(port.to_string());
            command
        }))
    }

    /// ministack: control planes but for `SageMaker`, functions that run, HTTP APIs that answer.
    ///
    /// Its functions inherit these variables.
    pub(crate) fn ministack(variables: &[(&str, &str)]) -> Option<Self> {
        let python = installed("ministack", MINISTACK)?;
        let mut started = Self::start(|port| {
            let mut command = Command::new(python.with_file_name("ministack"));
            command.env("GATEWAY_PORT", port.to_string());
            command.envs([("BIND_HOST", "127.0.0.1"), ("IOT_MTLS_ENABLED", "0"), ("LAMBDA_EXECUTOR", "local")]);
            command.env("MINISTACK_ACCOUNT_ID", ACCOUNT).envs(variables.iter().copied());
            command
        });
        started.has_sagemaker = false;
        Some(started)
    }

    /// `http://127.0.0.1:<port>`.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// A client of it.
    pub(crate) fn aws(&self) -> Aws {
        Aws::of_peer(self.port, self.has_sagemaker)
    }

    /// What it printed.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    fn start(command: impl Fn(u16) -> Command) -> Self {
        for _ in 0..ATTEMPTS {
            let folder = tempfile::tempdir().unwrap();
            let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
            let log = File::create(folder.path().join("log")).unwrap();
            let mut command = command(port);
            // The group ends with it, and so do functions that it runs.
            command.process_group(0).current_dir(folder.path()).env("TMPDIR", folder.path());
            command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
            let process = command.spawn().unwrap();
            let mut peer = Self { process, port, has_sagemaker: true, folder };
            if peer.listens() {
                let elsewhere = listeners(port).into_iter().find(|address| !address.ends_with("0100007F"));
                assert_eq!(elsewhere, None, "it listens on more than loopback");
                return peer;
            }
        }
        panic!("no server could be started");
    }

    /// Waits until it listens; false when it has ended instead.
    fn listens(&mut self) -> bool {
        let began = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_err() {
            if self.process.try_wait().unwrap().is_some() {
                return false;
            }
            assert!(began.elapsed() < START_LIMIT, "it does not listen:\n{}", self.log());
            thread::sleep(Duration::from_millis(50));
        }
        true
    }
}

/// Addresses that this port is listened on, in hexadecimal digits as Linux writes them: 127.0.0.1 is `0100007F`.
fn listeners(port: u16) -> Vec<String> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(|table| fs::read_to_string(table).unwrap_or_default());
    let lines = tables.iter().flat_map(|table| table.lines().skip(1));
    let fields = lines.map(|line| line.split_whitespace().collect::<Vec<_>>());
    let listening = fields.filter(|fields| fields.get(3) == Some(&"0A"));
    let addresses = listening.filter_map(|fields| fields[1].split_once(':'));
    let here = addresses.filter(|(_, at)| *at == format!("{port:04X}"));
    here.map(|(address, _)| address.to_owned()).collect()
}

impl Drop for Peer {
    fn drop(&mut self) {
        let group = Pid::from_child(&self.process);
        _ = kill_process_group(group, Signal::TERM);
        let began = Instant::now();
        while began.elapsed() < END_LIMIT && test_kill_process_group(group).is_ok() {
            _ = self.process.try_wait();
            thread::sleep(Duration::from_millis(20));
        }
        _ = kill_process_group(group, Signal::KILL);
        _ = self.process.wait();
    }
}
