//! The embedded local cloud as a process: found, started, stopped.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use local_cloud::proof::{self, Exchange};
use local_cloud::server::{self, Recorder};
use local_cloud::state::was_written;
use local_cloud::{Cloud, Config, Delays};
use serde::{Deserialize, Serialize};
use spec::LocalTarget;
use stages::clients::Connection;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::failure::Failure;
use crate::session::LOCAL_ACCOUNT;
use crate::state_folder;

/// For a started cloud to answer; endpoints that it brings back come up behind it.
const START_LIMIT: Duration = Duration::from_secs(20);
/// For a stopped cloud to end its processes.
const STOP_LIMIT: Duration = Duration::from_secs(40);
const POLL: Duration = Duration::from_millis(10);
/// Name of the file that a cloud logs to.
const LOG_FILE: &str = "cloud.log";
/// What an answer of its own routes may weigh.
const MAX_ANSWER_BYTES: usize = 1024 * 1024;

/// What to do without the address file.
const LOST_ADDRESS: &str =
    "it holds the local cloud's port and key; restore it, or remove its whole folder to begin anew";

/// A local cloud's folder, whether or not it runs.
#[derive(Clone, Debug)]
pub(crate) struct LocalCloud {
    dir: PathBuf,
    target: LocalTarget,
}

/// How a cloud was last reached. Kept between runs, so that its URLs stay valid.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Address {
    pub(crate) port: u16,
    pub(crate) pid: u32,
    pub(crate) region: String,
    pub(crate) access_key_id: String,
    pub(crate) secret_access_key: String,
}

impl Address {
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(crate) fn connection(&self) -> Connection {
        Connection::Local {
            url: self.url(),
            region: self.region.clone(),
            access_key_id: self.access_key_id.clone(),
            secret_access_key: self.secret_access_key.clone(),
            session_token: None,
        }
    }
}

impl LocalCloud {
    pub(crate) fn new(dir: PathBuf, target: &LocalTarget) -> Self {
        Self { dir, target: target.clone() }
    }

    /// Whether it has ever held anything.
    pub(crate) fn has_state(&self) -> bool {
        self.address_file().exists() || was_written(&self.dir)
    }

    /// How to reach it, if it runs: whoever holds its port and proves to know its secret.
    pub(crate) async fn running(&self) -> Option<Address> {
        let address = self.address()?;
        Proven::ask(&address).await.map(|_| address)
    }

    /// How to reach it; starts it when it does not run.
    pub(crate) async fn ensure_running(&self) -> Result<Address, Failure> {
        let running = self.running().await;
        let known = running.clone().or_else(|| self.address());
        if let Some(known) = known.filter(|known| known.region != self.target.region) {
            let hint = format!("write `region: {}` again; `runner teardown` then frees it for another", known.region);
            return Err(Failure::Local {
                what: format!("the local cloud in `{}` is region `{}`", self.dir.display(), known.region),
                source: format!("the pipeline file says `{}`", self.target.region).into(),
                hint: Some(hint),
            });
        }
        match running {
            Some(running) if self.target.port.is_none_or(|port| port == running.port) => Ok(running),
            Some(_) => {
                self.stop().await?;
                self.start().await
            }
            None => self.start().await,
        }
    }

    /// Ends it, and waits until its processes are gone.
    pub(crate) async fn stop(&self) -> Result<bool, Failure> {
        let Some(address) = self.address() else { return Ok(false) };
        let Some(proven) = Proven::ask(&address).await else { return Ok(false) };
        proven.post(&address, "stop").await.map_err(|error| Failure::local("could not stop the local cloud", error))?;
        let began = Instant::now();
        while self.lock_is_held() {
            if began.elapsed() > STOP_LIMIT {
                let why = format!("process {} is still there after {} s", address.pid, STOP_LIMIT.as_secs());
                return Err(Failure::local("could not stop the local cloud", why));
            }
            pause().await;
        }
        Ok(true)
    }

    /// Ends it and forgets it, when nothing is left in it; says whether it did.
    pub(crate) async fn stop_if_empty(&self) -> Result<bool, Failure> {
        let Some(address) = self.address() else { return Ok(false) };
        if !Proven::ask(&address).await.is_some_and(|proven| proven.empty) {
            return Ok(false);
        }
        self.stop().await?;
        fs::remove_dir_all(&self.dir)
            .map_err(|error| Failure::local(format!("could not remove `{}`", self.dir.display()), error))?;
        Ok(true)
    }

    /// Where its log is.
    pub(crate) fn log_file(&self) -> PathBuf {
        self.dir.join(LOG_FILE)
    }

    async fn start(&self) -> Result<Address, Failure> {
        let cannot = |error: io::Error| {
            Failure::local(format!("could not start the local cloud in `{}`", self.dir.display()), error)
        };
        state_folder::create_around(&self.dir)?;
        fs::create_dir_all(&self.dir).map_err(cannot)?;
        let log = OpenOptions::new().create(true).append(true).open(self.log_file()).map_err(cannot)?;
        let from = log.metadata().map_err(cannot)?.len();
        let mut command = Command::new(own_executable());
        command.args(["local", "serve", "--state"]).arg(&self.dir);
        command.args(["--region", &self.target.region]);
        command.args(["--iam-propagation-ms", &self.target.iam_propagation_ms.to_string()]);
        command.args(["--second-ms", &self.target.second_ms.to_string()]);
        if self.target.management_throttle {
            command.arg("--management-throttle");
        }
        if let Some(port) = self.target.port {
            command.args(["--port", &port.to_string()]);
        }
        // A group of its own: Ctrl-C here must not end what keeps answering.
        command.process_group(0).stdin(Stdio::null()).stdout(log.try_clone().map_err(cannot)?).stderr(log);
        let mut child = command.spawn().map_err(cannot)?;
        let began = Instant::now();
        loop {
            if let Some(address) = self.running().await {
                return Ok(address);
            }
            let ended = child.try_wait().map_err(cannot)?;
            // Whoever holds the lock now was started by another command at the same moment, and is about to answer.
            let ended = ended.is_some() && !self.lock_is_held();
            if ended || began.elapsed() > START_LIMIT {
                let text = fs::read(self.log_file()).map_err(cannot)?;
                let text = String::from_utf8_lossy(&text[(from as usize).min(text.len())..]).into_owned();
                return Err(told_by_child(&text, &self.dir));
            }
            pause().await;
        }
    }

    fn address(&self) -> Option<Address> {
        serde_json::from_slice(&fs::read(self.address_file()).ok()?).ok()
    }

    fn address_file(&self) -> PathBuf {
        self.dir.join("cloud.json")
    }

    fn lock_is_held(&self) -> bool {
        let Ok(file) = File::open(self.dir.join("lock")) else { return false };
        matches!(file.try_lock(), Err(TryLockError::WouldBlock))
    }
}

/// A pause between two looks at a process that comes or goes. Each wait has its limit beside it.
#[expect(clippy::disallowed_methods, reason = "the one home of pauses")]
async fn pause() {
    tokio::time::sleep(POLL).await;
}

/// The child's own error, as if it were ours.
fn told_by_child(text: &str, dir: &Path) -> Failure {
    let mut why = vec![];
    let mut hint = format!("nothing was lost: its state is in `{}`", dir.display());
    for line in text.lines() {
        if let Some(cause) = line.strip_prefix("error: ").or_else(|| line.trim_start().strip_prefix("because: ")) {
            why.push(cause.to_owned());
        } else if let Some(words) = line.strip_prefix("hint: ") {
            hint = format!("{words}; {hint}");
        }
    }
    let why = if why.is_empty() { "it did not answer".to_owned() } else { why.join(": ") };
    Failure::Local { what: "could not start the local cloud".to_owned(), source: why.into(), hint: Some(hint) }
}

/// What `runner local serve` is told.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Serve {
    /// Folder that holds everything the cloud remembers
    #[arg(long)]
    state: PathBuf,
    /// Region it pretends to be
    #[arg(long)]
    region: String,
    /// Port on 127.0.0.1; else the one it had before, or a free one
    #[arg(long)]
    port: Option<u16>,
    /// Milliseconds until services see a change of a role
    #[arg(long, default_value_t = 0)]
    iam_propagation_ms: u64,
    /// Milliseconds that a second lasts of what services are told to wait
    #[arg(long, default_value_t = 10)]
    second_ms: u64,
    /// Refuse management calls of API Gateway beyond 10 a second, as AWS does
    #[arg(long)]
    management_throttle: bool,
    /// Milliseconds that a function takes to settle
    #[arg(long, default_value_t = 0)]
    lambda_settle_ms: u64,
    /// Milliseconds that an endpoint takes to settle, beyond the work that is done
    #[arg(long, default_value_t = 0)]
    endpoint_settle_ms: u64,
    /// File to which every request is appended, whole, as a line of JSON
    #[arg(long, env = "RUNNER_LOCAL_RECORD")]
    record: Option<PathBuf>,
    /// Program that stands in for AWS's image instead of the one within; it is started as `PROGRAM serve`
    #[arg(long, env = "RUNNER_LOCAL_MODEL_SERVER")]
    model_server: Option<PathBuf>,
}

impl Serve {
    /// The file that its log goes to when another command starts it.
    pub(crate) fn log_file(&self) -> PathBuf {
        self.state.join(LOG_FILE)
    }
}

/// Runs the local cloud in this process until it is told to stop.
pub(crate) async fn serve(serve: &Serve) -> Result<(), Failure> {
    let dir = &serve.state;
    let cannot = |what: &str| {
        let what = what.to_owned();
        move |error: io::Error| Failure::local(what, error)
    };
    state_folder::create_around(dir)?;
    fs::create_dir_all(dir).map_err(cannot("could not create the state folder"))?;
    let lock = OpenOptions::new().create(true).truncate(false).write(true).open(dir.join("lock"));
    let lock = lock.map_err(cannot("could not open the lock"))?;
    if let Err(error) = lock.try_lock() {
        return Err(Failure::local(format!("another local cloud uses `{}`", dir.display()), error.to_string()));
    }
    // The system lets go of it when this process is gone, and not before: whoever waits for that waits for the lock.
    std::mem::forget(lock);
    let file = dir.join("cloud.json");
    let before = read_address(&file)?;
    let port = serve.port.or(before.as_ref().map(|before| before.port)).unwrap_or(0);
    let listener = TcpListener::bind(("127.0.0.1", port)).await.map_err(|error| Failure::Local {
        what: format!("could not listen on port {port} of 127.0.0.1"),
        source: error.into(),
        hint: Some("end what uses the port, or name another by `targets: { local: { port: … } }`".to_owned()),
    })?;
    let address = Address {
        port: listener.local_addr().map_err(cannot("could not read the own address"))?.port(),
        pid: std::process::id(),
        region: serve.region.clone(),
        access_key_id: match &before {
            Some(before) => before.access_key_id.clone(),
            None => format!("AKIA{}", random_hex::<8>().map_err(cannot("could not make a key"))?),
        },
        secret_access_key: match before {
            Some(before) => before.secret_access_key,
            None => random_hex::<20>().map_err(cannot("could not make a secret"))?,
        },
    };
    let cloud = Cloud::open(Config {
        state_dir: dir.clone(),
        account: LOCAL_ACCOUNT.to_owned(),
        region: address.region.clone(),
        access_key_id: address.access_key_id.clone(),
        secret_access_key: address.secret_access_key.clone(),
        base_url: address.url(),
        model_server: match &serve.model_server {
            Some(program) => vec![program.into()],
            None => vec![own_executable().into(), "model-server".into()],
        },
        training_program: vec![own_executable().into(), "xgboost-train".into()],
        delays: Delays {
            iam_propagation: Duration::from_millis(serve.iam_propagation_ms),
            second: Duration::from_millis(serve.second_ms),
            management_throttle: serve.management_throttle,
            lambda_settle: Duration::from_millis(serve.lambda_settle_ms),
            endpoint_settle: Duration::from_millis(serve.endpoint_settle_ms),
        },
    })
    .await
    .map_err(|error| Failure::Local {
        what: "could not read what the local cloud knew".to_owned(),
        hint: error.hint(),
        source: error.into(),
    })?;
    write_address(&file, &address).map_err(cannot("could not write the address file"))?;
    let recorder = serve.record.as_deref().map(Recorder::to).transpose();
    let recorder = recorder.map_err(cannot("could not open the file to record requests in"))?.unwrap_or_default();
    let stop = CancellationToken::new();
    tokio::spawn(stop_on_signal(stop.clone()));
    server::serve(listener, cloud.clone(), recorder, stop).await;
    cloud.shut_down().await;
    Ok(())
}

async fn stop_on_signal(stop: CancellationToken) {
    use tokio::signal::unix::{SignalKind, signal};
    // A closed terminal is no reason to end: the URL keeps answering.
    let _hangup = signal(SignalKind::hangup());
    if let Ok(mut terminate) = signal(SignalKind::terminate()) {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
        stop.cancel();
    }
}

fn read_address(file: &Path) -> Result<Option<Address>, Failure> {
    match fs::read(file) {
        Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|error| Failure::Local {
            what: format!("`{}` is damaged", file.display()),
            source: error.into(),
            hint: Some(LOST_ADDRESS.to_owned()),
        }),
        // A new address would change the URLs of what is deployed, and the key that its sessions are signed with.
        Err(error)
            if error.kind() == io::ErrorKind::NotFound && was_written(file.parent().unwrap_or(Path::new(""))) =>
        {
            Err(Failure::Local {
                what: format!("`{}` is missing, although the folder holds a cloud's state", file.display()),
                source: error.into(),
                hint: Some(LOST_ADDRESS.to_owned()),
            })
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Failure::local(format!("could not read `{}`", file.display()), error)),
    }
}

/// Holds a secret: nobody else may read it.
fn write_address(file: &Path, address: &Address) -> io::Result<()> {
    let new = file.with_extension("new");
    let mut out = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&new)?;
    serde_json::to_writer(&mut out, address)?;
    out.flush()?;
    out.sync_data()?;
    fs::rename(new, file)
}

fn random_hex<const BYTES: usize>() -> io::Result<String> {
    let mut bytes = [0; BYTES];
    getrandom::fill(&mut bytes)?;
    Ok(hex::encode_upper(bytes))
}

/// This program, also as the local cloud's process and as the model server.
pub(crate) fn own_executable() -> PathBuf {
    std::env::current_exe().unwrap_or_else(|_| PathBuf::from("runner"))
}

/// A cloud that has shown to know the account's secret, and a nonce of its own, which opens one route.
struct Proven {
    caller: String,
    cloud: String,
    /// Whether nothing is left in it.
    empty: bool,
}

impl Proven {
    /// Has whoever holds the port prove that it is the cloud. None when nobody does, or it cannot.
    async fn ask(address: &Address) -> Option<Self> {
        let (caller, base_url) = (proof::nonce(), address.url());
        let answer = ask("GET", &format!("{base_url}/_local/health?nonce={caller}"), None).await.ok()?;
        let health: serde_json::Value = serde_json::from_str(&answer).ok()?;
        let cloud = health["nonce"].as_str().filter(|nonce| proof::is_nonce(nonce))?.to_owned();
        let exchange = Exchange { caller: &caller, cloud: &cloud, base_url: &base_url };
        let expected = exchange.of_cloud(&address.secret_access_key, address.pid);
        if !local_cloud::signature::same(health["proof"].as_str()?, &expected) {
            return None;
        }
        Some(Self { empty: health["empty"] == true, caller, cloud })
    }

    /// Uses one of its routes, and the nonce with it.
    async fn post(self, address: &Address, route: &str) -> Result<String, AskError> {
        let base_url = address.url();
        let exchange = Exchange { caller: &self.caller, cloud: &self.cloud, base_url: &base_url };
        let proof = exchange.of_caller(&address.secret_access_key, "POST", route);
        let authorization = format!("{} nonce={}, proof={proof}", proof::SCHEME, self.cloud);
        ask("POST", &format!("{base_url}/_local/{route}"), Some(&authorization)).await
    }
}

type AskError = Box<dyn std::error::Error + Send + Sync>;

/// One request to the local cloud's own routes.
async fn ask(method: &str, url: &str, authorization: Option<&str>) -> Result<String, AskError> {
    let mut request = hyper::Request::builder().method(method).uri(url);
    if let Some(authorization) = authorization {
        request = request.header("authorization", authorization);
    }
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<bytes::Bytes>>();
    let asked = async {
        let answer = client.request(request.body(Empty::new())?).await?;
        let status = answer.status();
        // Whoever holds the port may send for ever.
        let body = Limited::new(answer.into_body(), MAX_ANSWER_BYTES).collect().await?.to_bytes();
        let body = String::from_utf8_lossy(&body).into_owned();
        if status.is_success() { Ok(body) } else { Err(AskError::from(format!("{status}: {body}"))) }
    };
    tokio::time::timeout(Duration::from_secs(5), asked).await?
}
