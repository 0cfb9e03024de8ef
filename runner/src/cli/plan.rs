//! `runner plan`: what apply would do, and why.

use std::path::{Path, PathBuf};

use plan::{Goal, Plan};

use super::{Common, announce, print_plan};
use crate::failure::Failure;
use crate::session::{Session, Wants};

/// Exit code of `--detailed-exitcode` when there are changes.
const CHANGES: u8 = 2;

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(super) common: Common,
    /// Show what teardown would do
    #[arg(long)]
    teardown: bool,
    /// Exit with 2 when there are changes, with 0 when there are none
    #[arg(long)]
    detailed_exitcode: bool,
    /// Also write the plan to this file, as `--format json` prints it and `apply --expect` takes it
    #[arg(long, value_name = "PLAN.JSON", conflicts_with = "teardown")]
    output: Option<PathBuf>,
}

pub(crate) async fn run(arguments: &Arguments) -> Result<u8, Failure> {
    let Common { file, target, format, skip } = &arguments.common;
    let deploys = !arguments.teardown;
    let session = Session::open(&Wants { file, target, inputs: deploys, deploys, start: false, skip }).await?;
    announce(&session.place);
    let world = session.observe().await?;
    let goal = if arguments.teardown { Goal::Absent } else { Goal::Present };
    let plan = session.plan(&world, goal)?;
    print_plan(&plan, *format);
    if let Some(path) = &arguments.output {
        write(path, &plan)?;
    }
    super::refuse_blocked(&plan)?;
    Ok(if arguments.detailed_exitcode && plan.has_changes() { CHANGES } else { 0 })
}

fn write(path: &Path, plan: &Plan) -> Result<(), Failure> {
    std::fs::write(path, plan::render::json(plan))
        .map_err(|error| Failure::Usage(format!("cannot write the plan to `{}`: {error}", path.display())))
}
