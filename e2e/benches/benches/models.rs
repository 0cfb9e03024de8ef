//! `cargo bench -p benches`: measures everything and writes BENCHMARKS.md.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use benches::error::{BenchError, Doing as _, Result};
use benches::{Build, Settings, Setup, Worker, item};
use clap::{Parser, Subcommand, ValueEnum};

/// Wrong usage, as `sysexits.h` numbers it.
const USAGE: u8 = 64;

/// Measures our programs beside their peers, and writes what it found.
#[derive(Debug, Parser)]
#[command(name = "cargo bench -p benches --", args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// What to measure: train, quality, engines, scoring, serve, proxy, plan; without a name all of it
    items: Vec<String>,
    /// Small data and few repetitions: shows that the harness works, and nothing else
    #[arg(long)]
    quick: bool,
    /// Which build of our programs: `dev` is for work on the harness
    #[arg(long, value_enum, default_value_t = Profile::Release)]
    profile: Profile,
    /// Where the report goes; without it a whole run goes to BENCHMARKS.md, any other to target/bench/BENCHMARKS.md
    #[arg(long)]
    out: Option<PathBuf>,
    /// The date to write, else today's
    #[arg(long)]
    date: Option<String>,
    /// Given by cargo
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// A piece of work in a process of its own, started by the harness
    #[command(subcommand, hide = true)]
    Worker(Worker),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Profile {
    Release,
    Dev,
}

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().collect();
    // `cargo test --all-targets` and `cargo nextest` run this too, without the flag: there is nothing to test.
    let measures = arguments.iter().any(|it| it == "--bench" || it == "--help");
    if !measures && arguments.get(1).is_none_or(|it| it != "worker") {
        return ExitCode::SUCCESS;
    }
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            _ = error.print();
            return if error.use_stderr() { ExitCode::from(USAGE) } else { ExitCode::SUCCESS };
        }
    };
    let done = match &arguments.command {
        Some(Command::Worker(worker)) => benches::work(worker).map(|said| said.iter().for_each(|it| print(it))),
        None => measure(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("error: {}", error.line()));
            ExitCode::FAILURE
        }
    }
}

/// Writes the report after every item, so that an interrupted run leaves what it has.
fn measure(arguments: &Arguments) -> Result<()> {
    let items = item::chosen(&arguments.items)?;
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap_or(Path::new("target")).to_owned();
    let harness = std::env::current_exe().doing("could not find the harness's own executable")?;
    let build = if arguments.profile == Profile::Release { Build::Release } else { Build::Dev };
    let setup = Setup::new(Settings { quick: arguments.quick, build, target, harness, say });
    let out = out(arguments, &setup);
    let mut report = item::report(&setup, &command(arguments), &date(arguments));
    for item in items {
        report.sections.push(item.section(&setup));
        if let Some(folder) = out.parent() {
            std::fs::create_dir_all(folder).doing("could not create the report's folder")?;
        }
        std::fs::write(&out, report.markdown()).doing("could not write the report")?;
    }
    print(&report.markdown());
    say(&format!("written to {}", out.display()));
    let unknown = report.not_measured();
    if unknown == 0 { Ok(()) } else { Err(BenchError::new(format!("{unknown} budgets were not measured"))) }
}

fn out(arguments: &Arguments, setup: &Setup) -> PathBuf {
    let whole = arguments.items.is_empty() && !arguments.quick && arguments.profile == Profile::Release;
    match &arguments.out {
        Some(out) => out.clone(),
        None if whole => Setup::workspace().join("BENCHMARKS.md"),
        None => setup.settings.target.join("bench/BENCHMARKS.md"),
    }
}

fn command(arguments: &Arguments) -> String {
    let mut words = vec!["cargo bench -p benches"];
    let more = !arguments.items.is_empty() || arguments.quick || arguments.profile == Profile::Dev;
    words.extend(more.then_some("--"));
    words.extend(arguments.items.iter().map(String::as_str));
    words.extend(arguments.quick.then_some("--quick"));
    words.extend((arguments.profile == Profile::Dev).then_some("--profile dev"));
    words.join(" ")
}

#[expect(clippy::disallowed_methods, reason = "where the program begins")]
fn date(arguments: &Arguments) -> String {
    let epoch = std::env::var("SOURCE_DATE_EPOCH").ok().and_then(|it| it.parse().ok());
    let now = epoch.and_then(|it| jiff::Timestamp::from_second(it).ok()).unwrap_or_else(jiff::Timestamp::now);
    arguments.date.clone().unwrap_or_else(|| now.strftime("%Y-%m-%d").to_string())
}

#[expect(clippy::print_stderr, reason = "progress of a program")]
fn say(what: &str) {
    eprintln!("{what}");
}

#[expect(clippy::print_stdout, reason = "results of a program")]
fn print(what: &str) {
    println!("{what}");
}
