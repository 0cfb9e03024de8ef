//! `runner local`: the embedded local cloud.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use clap::Subcommand;
use local_cloud::output::Log;
use spec::{Spec, Target};

use crate::failure::{Failure, chain};
use crate::local::{self, LocalCloud, Serve};
use crate::session::read_text;
use crate::{state_folder, terminal};

/// Longest piece of a line of the log that is printed at once.
const PIECE_BYTES: u64 = 65_536;

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

/// Which pipeline's local cloud.
#[derive(Clone, Debug, clap::Args)]
struct Which {
    /// The pipeline file
    #[arg(default_value = "pipeline.yaml")]
    file: PathBuf,
}

#[derive(Clone, Debug, Subcommand)]
enum Command {
    /// Show whether it runs, and where
    Status(Which),
    /// End it; what it holds stays on disk
    Stop(Which),
    /// Print variables that point the AWS CLI and boto3 at it: `eval "$(runner local env)"`
    Env(Which),
    /// Print its log
    Logs(Which),
    /// Run it in this process
    #[command(hide = true)]
    Serve(Serve),
}

pub(crate) async fn run(arguments: &Arguments) -> Result<u8, Failure> {
    match &arguments.command {
        Command::Status(which) => status(which).await,
        Command::Stop(which) => {
            let stopped = home(which)?.stop().await?;
            terminal::line(if stopped { "the local cloud has ended" } else { "no local cloud runs" });
            Ok(0)
        }
        Command::Env(which) => env(which).await,
        Command::Logs(which) => {
            let file = home(which)?.log_file();
            logs(&file).map_err(|error| Failure::local(format!("could not read `{}`", file.display()), error))?;
            Ok(0)
        }
        Command::Serve(arguments) => {
            let log = Log::new(arguments.log_file());
            let output = tracing_subscriber::fmt().with_ansi(false).with_writer(move || log.clone());
            output.log_internal_errors(false).init();
            local::serve(arguments).await?;
            Ok(0)
        }
    }
}

/// Serves a model under the SageMaker container contract, as the local cloud's stand-in for an image.
#[expect(clippy::disallowed_methods, reason = "the container contract gives its settings by environment variables")]
pub(crate) async fn model_server() -> Result<u8, Failure> {
    tracing_subscriber::fmt().with_ansi(false).with_target(false).log_internal_errors(false).init();
    let config = model_server::Config::read(|name| std::env::var(name).ok()).map_err(Failure::Usage)?;
    if let Err(error) = model_server::run(config).await {
        tracing::error!("{}", chain(&error).join(": "));
        return Ok(1);
    }
    Ok(0)
}

/// Trains a model under the SageMaker container contract, as the local cloud's stand-in for an image.
///
/// Its output is the container's log; what went wrong is told there and in `output/failure`, as the image does it.
#[expect(clippy::disallowed_methods, reason = "the container contract gives its folder by an environment variable")]
pub(crate) fn xgboost_train() -> u8 {
    let base = std::env::var_os("SAGEMAKER_BASE_DIR").map_or_else(|| PathBuf::from("/opt/ml"), PathBuf::from);
    u8::from(xgboost_train::run(&base, &mut std::io::stdout().lock()).is_err())
}

/// Prints a log, of whatever size and bytes.
fn logs(file: &Path) -> io::Result<()> {
    let mut log = BufReader::new(File::open(file)?);
    let mut piece = vec![];
    while (&mut log).take(PIECE_BYTES).read_until(b'\n', &mut piece)? > 0 {
        terminal::text(&String::from_utf8_lossy(&piece));
        piece.clear();
    }
    Ok(())
}

async fn status(which: &Which) -> Result<u8, Failure> {
    match home(which)?.running().await {
        Some(address) => {
            terminal::line(&format!("the local cloud runs at {} as process {}", address.url(), address.pid));
        }
        None => terminal::line("no local cloud runs"),
    }
    Ok(0)
}

async fn env(which: &Which) -> Result<u8, Failure> {
    let Some(address) = home(which)?.running().await else {
        return Err(Failure::Local {
            what: "no local cloud runs".to_owned(),
            source: "these variables would lead nowhere".into(),
            hint: Some("`runner apply` starts it".to_owned()),
        });
    };
    let variables = [
        ("AWS_ENDPOINT_URL", address.url()),
        ("AWS_ACCESS_KEY_ID", address.access_key_id),
        ("AWS_SECRET_ACCESS_KEY", address.secret_access_key),
        ("AWS_SESSION_TOKEN", String::new()),
        ("AWS_REGION", address.region.clone()),
        ("AWS_DEFAULT_REGION", address.region),
    ];
    for (name, value) in variables {
        if value.is_empty() {
            terminal::line(&format!("unset {name}"));
        } else {
            terminal::line(&format!("export {name}={value}"));
        }
    }
    Ok(0)
}

fn home(which: &Which) -> Result<LocalCloud, Failure> {
    let source = read_text(&which.file)
        .map_err(|error| Failure::Usage(format!("cannot read `{}`: {error}", which.file.display())))?;
    let spec = Spec::parse(&source, &which.file)?;
    let base = which.file.parent().unwrap_or(Path::new(""));
    let Some(Target::Local(target)) = spec.targets.get("local") else {
        return Err(Failure::Usage("target `local` is not the local cloud in this pipeline file".to_owned()));
    };
    Ok(LocalCloud::new(state_folder::find(base)?.join("local"), target))
}
