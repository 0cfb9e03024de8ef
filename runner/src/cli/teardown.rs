//! `runner teardown`: deletes everything of ours, and nothing of anybody else's.

use std::io::IsTerminal;

use plan::{Action, Goal, Plan};

use super::{Common, Format, announce, confirmed, print_plan};
use crate::apply::{Site, apply};
use crate::event::today;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::session::{Session, Wants, supervisor};
use crate::terminal;

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(super) common: Common,
    /// Do not ask; needed without a terminal when the target is not local
    #[arg(long)]
    yes: bool,
}

pub(crate) async fn run(arguments: &Arguments) -> Result<u8, Failure> {
    let interrupt = Interrupt::watch();
    let Common { file, target, format, skip } = &arguments.common;
    // Without data and model every version counts as an old one, so a teardown never needs them.
    let session = Session::open(&Wants { file, target, inputs: false, deploys: false, start: false, skip }).await?;
    announce(&session.place);
    let world = session.observe().await?;
    let plan = session.plan(&world, Goal::Absent)?;
    print_plan(&plan, *format);
    warn(&session, &plan);
    if let Some(clients) = session.clients.as_ref().filter(|_| plan.has_changes()) {
        agree(&session, arguments)?;
        let stop = interrupt.apply();
        let (today, folder) = (today(), &*session.folder);
        let (declared, limits, supervisor) = (&session.declared, &session.limits, &supervisor());
        let site = Site { declared, clients, limits, today: &today, folder, supervisor, stop: &stop };
        apply(&plan, &world, &site).await?;
    }
    let stopped = match &session.local {
        Some(local) => local.stop_if_empty().await?,
        None => false,
    };
    let deleted = plan.changes.iter().filter(|change| change.action == Action::Delete).count();
    if *format == Format::Text && (deleted > 0 || stopped) {
        let ended = if stopped { ", and the local cloud has ended" } else { "" };
        let left = if session.skip.is_empty() { String::new() } else { format!(" but for {}", session.skip) };
        terminal::line(&format!("`{}` is gone{left}: {deleted} deleted{ended}", session.spec.name));
    }
    Ok(0)
}

/// Tells what goes although something that is left out uses it.
fn warn(session: &Session, plan: &Plan) {
    for change in plan.changes.iter().filter(|change| change.action == Action::Delete) {
        if let Some(user) = session.declared.used_by_left_out(&change.id) {
            let (kind, name) = (&change.kind, &change.name);
            terminal::say(&format!("warning: `{user}` is not looked at, and would be left without {kind} `{name}`"));
        }
    }
}

fn agree(session: &Session, arguments: &Arguments) -> Result<(), Failure> {
    if session.local.is_some() || arguments.yes {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() {
        return Err(Failure::Usage(format!("{}: without a terminal, `--yes` is needed", session.place)));
    }
    if confirmed(&format!("Delete all this from {}?", session.place))? {
        Ok(())
    } else {
        Err(Failure::Interrupted { pending: vec![] })
    }
}
