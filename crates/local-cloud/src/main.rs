//! Runs the local cloud alone.

use std::error::Error;
use std::ffi::OsString;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use local_cloud::server::{self, Recorder};
use local_cloud::state::StateError;
use local_cloud::{Cloud, Config, Delays};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

const USAGE: &str = "\
usage: local-cloud --state DIR [--port N] [--account DIGITS] [--region NAME]
                   [--model-server PROGRAM [--model-server-arg ARG]...]
                   [--training-program PROGRAM [--training-program-arg ARG]...]
                   [--record FILE] [--iam-propagation-ms N] [--lambda-settle-ms N] [--endpoint-settle-ms N]
                   [--second-ms N] [--management-throttle true|false]

Keys come from LOCAL_CLOUD_ACCESS_KEY_ID and LOCAL_CLOUD_SECRET_ACCESS_KEY;
without them a pair is made once and kept in DIR/credentials.
";

#[tokio::main]
async fn main() -> ExitCode {
    let filter = EnvFilter::from_default_env();
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).log_internal_errors(false).init();
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let mut text = format!("error: {error}");
            let mut source = error.source();
            while let Some(error) = source {
                text = format!("{text}\n  because: {error}");
                source = error.source();
            }
            if let Some(hint) = error.downcast_ref::<StateError>().and_then(StateError::hint) {
                text = format!("{text}\nhint: {hint}");
            }
            let _ = writeln!(io::stderr(), "{text}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    let Some(arguments) = Arguments::parse(std::env::args_os().skip(1))? else {
        io::stdout().write_all(USAGE.as_bytes())?;
        return Ok(());
    };
    let listener = TcpListener::bind(("127.0.0.1", arguments.port)).await?;
    let base_url = format!("http://{}", listener.local_addr()?);
    let (access_key_id, secret_access_key) = keys(&arguments.state_dir)?;
    let cloud = Cloud::open(Config {
        state_dir: arguments.state_dir,
        account: arguments.account,
        region: arguments.region,
        access_key_id,
        secret_access_key,
        base_url: base_url.clone(),
        model_server: arguments.model_server,
        training_program: arguments.training_program,
        delays: arguments.delays,
    })
    .await?;
    // The cloud serves even if standard output cannot be written, for example on a full disk.
    let _ = writeln!(io::stdout(), "listening on {base_url}");
    let stop = CancellationToken::new();
    let signalled = stop.clone();
    tokio::spawn(async move {
        end_signal().await;
        signalled.cancel();
    });
    server::serve(listener, cloud.clone(), arguments.recorder, stop).await;
    cloud.shut_down().await;
    Ok(())
}

/// Waits for an interrupt or a request to end.
async fn end_signal() {
    use tokio::signal::unix::{SignalKind, signal};

    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        let _ = tokio::signal::ctrl_c().await;
        return;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}

struct Arguments {
    state_dir: PathBuf,
    port: u16,
    account: String,
    region: String,
    model_server: Vec<OsString>,
    training_program: Vec<OsString>,
    recorder: Recorder,
    delays: Delays,
}

impl Arguments {
    /// Reads the command line; none when help was asked for.
    fn parse(mut words: impl Iterator<Item = OsString>) -> Result<Option<Self>, Box<dyn Error>> {
        let mut arguments = Self {
            state_dir: PathBuf::new(),
            port: 0,
            account: "000000000000".to_owned(),
            region: "us-east-1".to_owned(),
            model_server: Vec::new(),
            training_program: Vec::new(),
            recorder: Recorder::default(),
            delays: Delays { second: Duration::from_millis(10), ..Delays::default() },
        };
        while let Some(name) = words.next() {
            let name = name.into_string().map_err(|name| format!("`{}` is no option", name.display()))?;
            if name == "--help" || name == "-h" {
                return Ok(None);
            }
            let value = words.next().ok_or_else(|| format!("`{name}` lacks its value\n\n{USAGE}"))?;
            arguments.set(&name, value)?;
        }
        if arguments.state_dir.as_os_str().is_empty() {
            return Err(format!("`--state` is missing\n\n{USAGE}").into());
        }
        Ok(Some(arguments))
    }

    fn set(&mut self, name: &str, value: OsString) -> Result<(), Box<dyn Error>> {
        let text = || value.to_str().ok_or_else(|| format!("`{name}` takes text"));
        let duration = || Ok::<_, Box<dyn Error>>(Duration::from_millis(text()?.parse()?));
        match name {
            "--state" => self.state_dir = PathBuf::from(value),
            "--port" => self.port = text()?.parse()?,
            "--account" => text()?.clone_into(&mut self.account),
            "--region" => text()?.clone_into(&mut self.region),
            "--model-server" | "--model-server-arg" => self.model_server.push(value),
            "--training-program" | "--training-program-arg" => self.training_program.push(value),
            "--record" => self.recorder = Recorder::to(Path::new(&value))?,
            "--iam-propagation-ms" => self.delays.iam_propagation = duration()?,
            "--lambda-settle-ms" => self.delays.lambda_settle = duration()?,
            "--endpoint-settle-ms" => self.delays.endpoint_settle = duration()?,
            "--second-ms" => self.delays.second = duration()?,
            "--management-throttle" => self.delays.management_throttle = text()?.parse()?,
            _ => return Err(format!("`{name}` is no option\n\n{USAGE}").into()),
        }
        Ok(())
    }
}

/// The account's key and its secret.
#[expect(clippy::disallowed_methods, reason = "where the program begins: secrets do not belong on a command line")]
fn keys(state_dir: &Path) -> Result<(String, String), Box<dyn Error>> {
    use std::os::unix::fs::OpenOptionsExt as _;

    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    if let (Some(id), Some(secret)) = (variable("LOCAL_CLOUD_ACCESS_KEY_ID"), variable("LOCAL_CLOUD_SECRET_ACCESS_KEY"))
    {
        return Ok((id, secret));
    }
    let path = state_dir.join("credentials");
    if let Ok(text) = std::fs::read_to_string(&path) {
        let mut lines = text.lines().map(str::to_owned);
        if let (Some(id), Some(secret)) = (lines.next(), lines.next()) {
            return Ok((id, secret));
        }
    }
    let id = format!("AKIA{:016X}", rand::random::<u64>());
    let secret = format!("{:032x}{:08x}", rand::random::<u128>(), rand::random::<u32>());
    std::fs::create_dir_all(state_dir)?;
    let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path)?;
    write!(file, "{id}\n{secret}\n")?;
    Ok((id, secret))
}
