//! `runner apply pipeline.yaml`: from data to an answering URL.

mod apply;
mod cli;
mod deployer;
mod event;
mod failure;
mod local;
mod observe;
mod session;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let arguments = match cli::Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(message) => {
            // Help and version are asked for; everything else is wrong usage.
            let wrong = message.use_stderr();
            _ = message.print();
            return ExitCode::from(if wrong { failure::USAGE } else { 0 });
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let result = match runtime {
        Ok(runtime) => runtime.block_on(cli::run(&arguments)),
        Err(error) => Err(failure::Failure::internal("could not start the async runtime", error)),
    };
    match result {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            failure.print();
            ExitCode::from(failure.code())
        }
    }
}
