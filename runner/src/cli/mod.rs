//! The command line: arguments, and one file a command.

mod apply;
mod doctor;
mod local;
mod plan;
mod policy;
mod report;
mod status;
mod teardown;

use std::borrow::Cow;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::builder::PossibleValuesParser;
use clap::{Parser, Subcommand, ValueEnum};

use crate::deployer;
use crate::failure::Failure;
use crate::session::pipeline;
use crate::terminal;

/// Deploys a model: data, training, bucket, roles, SageMaker endpoint, Lambda proxy, HTTP API.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show what apply would do, and why
    Plan(plan::Arguments),
    /// Make it so, then prove that it answers
    Apply(apply::Arguments),
    /// Delete everything of ours, and nothing of anybody else's
    Teardown(teardown::Arguments),
    /// Show what is there
    Status(status::Arguments),
    /// Write the evaluation of the model as a page, and open it
    Report(report::Arguments),
    /// Print the least policy of the deployer, or a trust policy for CI jobs
    Policy(policy::Arguments),
    /// Look whether a deployment can work, before anything is created
    Doctor(doctor::Arguments),
    /// The embedded local cloud
    Local(local::Arguments),
    /// The container's binary, as the local cloud starts it
    #[command(hide = true)]
    ModelServer {
        /// As SageMaker calls it
        #[arg(default_value = "serve")]
        mode: String,
    },
    /// A program that ends with this one, as this one starts it
    #[command(hide = true)]
    Supervise {
        /// The program and its arguments
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
        words: Vec<OsString>,
    },
    /// The training image's program, as the local cloud starts it
    #[command(hide = true)]
    XgboostTrain {
        /// As SageMaker calls it
        #[arg(default_value = "train")]
        mode: String,
    },
}

/// Which pipeline, and where.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Common {
    /// The pipeline file
    #[arg(default_value = "pipeline.yaml")]
    file: PathBuf,
    /// Where to act: an entry of `targets:` in the pipeline file
    #[arg(long, default_value = "local")]
    target: String,
    /// How results are printed on stdout
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Leave a stage out: what it owns is neither looked at nor touched; may be given more than once
    #[arg(long, value_name = "STAGE", value_parser = PossibleValuesParser::new(stages::Skip::possible()))]
    skip: Vec<String>,
}

/// How results are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Text,
    /// For programs
    Json,
}

/// Runs a command; its exit code.
pub(crate) async fn run(arguments: &Arguments) -> Result<u8, Failure> {
    let done = match &arguments.command {
        Command::Plan(arguments) => plan::run(arguments).await,
        Command::Apply(arguments) => Box::pin(apply::run(arguments)).await,
        Command::Teardown(arguments) => Box::pin(teardown::run(arguments)).await,
        Command::Status(arguments) => Box::pin(status::run(arguments)).await,
        Command::Report(arguments) => Box::pin(report::run(arguments)).await,
        Command::Policy(arguments) => Box::pin(policy::run(arguments)).await,
        Command::Doctor(arguments) => Box::pin(doctor::run(arguments)).await,
        Command::Local(arguments) => local::run(arguments).await,
        Command::ModelServer { .. } => local::model_server().await,
        Command::XgboostTrain { .. } => Ok(local::xgboost_train()),
        Command::Supervise { words } => supervise(words).await,
    };
    done.map_err(|failure| advised(failure, arguments.command.place()))
}

impl Command {
    /// The pipeline file and the target that it acts on.
    fn place(&self) -> Option<(&Path, &str)> {
        let Common { file, target, .. } = match self {
            Self::Plan(arguments) => &arguments.common,
            Self::Apply(arguments) => &arguments.common,
            Self::Teardown(arguments) => &arguments.common,
            Self::Status(arguments) => &arguments.common,
            Self::Report(arguments) => return Some((&arguments.file, &arguments.target)),
            Self::Policy(_)
            | Self::Doctor(_)
            | Self::Local(_)
            | Self::ModelServer { .. }
            | Self::Supervise { .. }
            | Self::XgboostTrain { .. } => return None,
        };
        Some((file, target))
    }
}

/// Runs a program that ends with the process that holds the other end of standard input.
async fn supervise(words: &[OsString]) -> Result<u8, Failure> {
    supervisor::supervise(words).await.map_err(|error| Failure::internal("could not supervise a program", error))?;
    Ok(0)
}

/// A deployer who lacks a right is told where it stands in `runner policy`.
fn advised(failure: Failure, place: Option<(&Path, &str)>) -> Failure {
    let advice = failure.denial().zip(place).and_then(|(denial, (file, name))| {
        let (spec, target) = pipeline(file, name).ok()?;
        deployer::advice(&spec, (name, &target), &denial)
    });
    match advice {
        Some(advice) => Failure::Advised { failure: Box::new(failure), advice },
        None => failure,
    }
}

/// The first line of every command: where it acts.
fn announce(place: &str) {
    terminal::say(place);
}

/// The plan, in colour on a terminal.
fn print_plan(plan: &::plan::Plan, format: Format) {
    match format {
        Format::Text => terminal::styled(&::plan::render::text(plan, &paint)),
        Format::Json => terminal::json_text(&::plan::render::json(plan)),
    }
}

fn paint(action: Option<::plan::Action>, lines: String) -> String {
    use ::plan::Action;
    use owo_colors::OwoColorize;
    let lines = match printable::escape(&lines) {
        Cow::Borrowed(_) => lines,
        Cow::Owned(escaped) => escaped,
    };
    match action {
        Some(Action::Keep) => lines.dimmed().to_string(),
        Some(Action::Create) => lines.green().to_string(),
        Some(Action::Update) => lines.yellow().to_string(),
        Some(Action::Replace | Action::Delete | Action::Blocked) => lines.red().to_string(),
        Some(Action::Check) | None => lines,
    }
}

/// A plan that cannot be applied is an error that names what blocks it.
fn refuse_blocked(plan: &::plan::Plan) -> Result<(), Failure> {
    let blocked: Vec<_> = plan
        .blocked()
        .map(|change| format!("{} `{}`: {}", change.kind, change.name, change.why.as_deref().unwrap_or_default()))
        .collect();
    if blocked.is_empty() {
        Ok(())
    } else {
        Err(Failure::Blocked(format!("the plan is blocked by {}", blocked.join("; "))))
    }
}

/// Whether somebody at a terminal says yes.
fn confirmed(question: &str) -> Result<bool, Failure> {
    terminal::ask(&format!("{question} [y/N] "));
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer).map_err(|error| Failure::internal("could not read the answer", error))?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
