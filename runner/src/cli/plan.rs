//! `runner plan`: what apply would do, and why.

use plan::Goal;

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
    super::refuse_blocked(&plan)?;
    Ok(if arguments.detailed_exitcode && plan.has_changes() { CHANGES } else { 0 })
}
