//! `runner apply pipeline.yaml`: from data to an answering URL.

mod apply;
mod cli;
mod deployer;
mod event;
mod failure;
mod interrupt;
mod local;
mod observe;
mod session;
mod state_folder;
mod terminal;
mod tracked;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let arguments = match cli::Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(message) => {
            // Help and version are asked for; everything else is wrong usage.
            let wrong = message.use_stderr();
            return match message.print() {
                Err(error) if !wrong => ended(Err(failure::Failure::Unwritten(error))),
                _ => ExitCode::from(if wrong { failure::USAGE } else { 0 }),
            };
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let result = match runtime {
        Ok(runtime) => runtime.block_on(cli::run(&arguments)),
        Err(error) => Err(failure::Failure::internal("could not start the async runtime", error)),
    };
    let written = terminal::finish();
    ended(result.and_then(|code| written.map_err(failure::Failure::Unwritten).map(|()| code)))
}

fn ended(result: Result<u8, failure::Failure>) -> ExitCode {
    match result {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            failure.print();
            ExitCode::from(failure.code())
        }
    }
}
