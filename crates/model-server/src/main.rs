//! The container's entry point: `model-server serve`.

use std::error::Error;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;

use model_server::Config;

/// Where the platform unpacks the archive.
const MODEL_DIR: &str = "/opt/ml/model";
/// Where the platform connects.
const PORT: u16 = 8080;
/// Wrong usage, as `sysexits.h` numbers it.
const USAGE: u8 = 64;

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt().with_ansi(false).with_target(false).init();
    let config = match config() {
        Ok(config) => config,
        Err(why) => {
            tracing::error!("{why}");
            return ExitCode::from(USAGE);
        }
    };
    match model_server::run(config).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{}", chain(&error));
            ExitCode::FAILURE
        }
    }
}

fn config() -> Result<Config, String> {
    // The platform runs `docker run <image> serve`.
    match std::env::args().skip(1).collect::<Vec<_>>().as_slice() {
        [] => {}
        [command] if command == "serve" => {}
        _ => return Err("wrong arguments: only `serve` is known".to_owned()),
    }
    let port = parsed("SAGEMAKER_BIND_TO_PORT")?.or(parsed("PORT")?).unwrap_or(PORT);
    let host = parsed::<IpAddr>("BIND_ADDRESS")?.unwrap_or(Ipv4Addr::UNSPECIFIED.into());
    let model_dir = variable("MODEL_DIR").map_or_else(|| PathBuf::from(MODEL_DIR), PathBuf::from);
    Ok(Config { address: SocketAddr::new(host, port), model_dir })
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn parsed<T: std::str::FromStr>(name: &str) -> Result<Option<T>, String> {
    variable(name)
        .map(|value| value.parse().map_err(|_| format!("environment variable `{name}` cannot be used: `{value}`")))
        .transpose()
}

/// An error with its causes on one line, since each line is one event in the platform's log.
fn chain(error: &dyn Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| (*cause).source());
    causes.fold(error.to_string(), |text, cause| format!("{text}, because {cause}"))
}
