//! The container's entry point: `model-server serve`.

use std::error::Error;
use std::process::ExitCode;

use model_server::Config;

/// Wrong usage, as `sysexits.h` numbers it.
const USAGE: u8 = 64;

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt().with_ansi(false).with_target(false).log_internal_errors(false).init();
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

#[expect(clippy::disallowed_methods, reason = "where the program begins")]
fn config() -> Result<Config, String> {
    // The platform runs `docker run <image> serve`.
    match std::env::args().skip(1).collect::<Vec<_>>().as_slice() {
        [] => {}
        [command] if command == "serve" => {}
        _ => return Err("wrong arguments: only `serve` is known".to_owned()),
    }
    Config::read(|name| std::env::var(name).ok())
}

/// An error with its causes on one line, since each line is one event in the platform's log.
fn chain(error: &dyn Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| (*cause).source());
    causes.fold(error.to_string(), |text, cause| format!("{text}, because {cause}"))
}
