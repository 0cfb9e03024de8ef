//! `runner apply`: makes it so, then proves that it answers.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::time::Instant;

use plan::{Action, Change, Goal, Plan};
use serde_json::json;
use stages::create_endpoint::Back;
use stages::resource::Resolved;
use stages::{Clients, Ctx, StageError, create_endpoint, create_role, deploy_proxy, smoke_test};
use tokio_util::sync::CancellationToken;

use super::{Common, Format, announce, confirmed, print_plan, refuse_blocked};
use crate::apply::{Report, Site, apply};
use crate::event::{seconds, today};
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::session::{Session, Wants, environment, read_text, supervisor};
use crate::{state_folder, terminal};

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(super) common: Common,
    /// Do not ask; needed without a terminal when the target is not local
    #[arg(long)]
    yes: bool,
    /// Refuse unless the plan is the one in this file, as `plan --format json` printed it
    #[arg(long, value_name = "PLAN.JSON")]
    expect: Option<PathBuf>,
}

pub(crate) async fn run(arguments: &Arguments) -> Result<u8, Failure> {
    let (began, interrupt) = (Instant::now(), Interrupt::watch());
    let Common { file, target, format, skip } = &arguments.common;
    let session = Session::open(&Wants { file, target, inputs: true, deploys: true, start: true, skip }).await?;
    session.has_token()?;
    announce(&session.place);
    let world = session.observe().await?;
    let plan = session.plan(&world, Goal::Present)?;
    if *format == Format::Text {
        print_plan(&plan, Format::Text);
    }
    refuse_blocked(&plan)?;
    agree(&session, &plan, arguments)?;
    let Some(clients) = &session.clients else {
        return Err(Failure::internal("the local cloud was not started", "apply starts it"));
    };
    state_folder::create(&session.folder)?;
    let stop = interrupt.apply();
    let (today, folder) = (today(), &*session.folder);
    let of_roles = |change: &Change| change.id.stage() == create_role::STAGE.name && change.action != Action::Keep;
    let new_roles = plan.changes.iter().any(of_roles);
    let limits = if new_roles { session.limits.with_new_roles() } else { session.limits };
    let (declared, supervisor) = (&session.declared, &supervisor());
    let site = Site { declared, clients, limits: &limits, today: &today, folder, supervisor, stop: &stop };
    let report = match apply(&plan, &world, &site).await {
        Ok(report) => report,
        Err(failure) => return Err(switch_back(&session, &plan, clients, failure).await),
    };
    print_report(&session, &plan, &report, began, *format);
    Ok(0)
}

/// A smoke test that fails after the endpoint was switched has it switched back to what served before, which is still
/// there: old versions go only after the proof.
async fn switch_back(session: &Session, plan: &Plan, clients: &Clients, failure: Failure) -> Failure {
    let Failure::Stage { stage, doing, error, others } = failure else { return failure };
    let switched =
        plan.changes.iter().find(|change| change.id == create_endpoint::ENDPOINT && change.action == Action::Update);
    let before =
        switched.and_then(|change| change.fields.iter().find(|field| field.name == "config")?.from.as_ref()?.as_str());
    let Some(before) = before.filter(|_| stage == smoke_test::STAGE.name) else {
        return Failure::Stage { stage, doing, error, others };
    };
    let say = |text: String| terminal::say(&format!("{}: {text}", create_endpoint::STAGE.name));
    say(format!("switching endpoint `{}` back to `{before}`", session.names.endpoint));
    let ctx = Ctx {
        clients,
        cache: &clients.cache,
        outputs: &Resolved::default(),
        limits: &session.limits,
        say: &say,
        today: &today(),
        folder: &session.folder,
        environment: &environment,
        supervisor: &supervisor(),
        stop: &CancellationToken::new(),
    };
    let back = create_endpoint::switch_back(&ctx, &session.spec, &session.names, before).await;
    let told = plan.changes.iter().find(|change| change.id == deploy_proxy::FUNCTION);
    let told =
        told.and_then(|change| change.fields.iter().find(|field| field.name == "threshold")?.from.as_ref()?.as_f64());
    let back = match (back, told) {
        (Ok(Back::Switched), Some(threshold)) => {
            deploy_proxy::decide_by(&ctx, &session.names, threshold).await.map(|()| Back::Switched)
        }
        (back, _) => back,
    };
    let endpoint = session.names.endpoint.clone();
    let error = match back {
        Ok(Back::Switched) => StageError::SwitchedBack { endpoint, serves: before.to_owned(), source: error },
        Ok(Back::ChangedByOthers(serves)) => StageError::ChangedByOthers { endpoint, serves, source: error },
        Err(error) => error,
    };
    Failure::Stage { stage, doing, error: Box::new(error), others }
}

/// Asks, or insists on having been told.
fn agree(session: &Session, plan: &Plan, arguments: &Arguments) -> Result<(), Failure> {
    if let Some(path) = &arguments.expect {
        let text =
            read_text(path).map_err(|error| Failure::Usage(format!("cannot read `{}`: {error}", path.display())))?;
        let expected: Plan = serde_json::from_str(&text)
            .map_err(|error| Failure::Usage(format!("`{}` is no plan: {error}", path.display())))?;
        if expected != *plan {
            return Err(Failure::Blocked(format!(
                "the plan is not the one in `{}`: run `plan` again and look at it",
                path.display()
            )));
        }
        return Ok(());
    }
    if session.local.is_some() || arguments.yes || !plan.has_changes() {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() {
        return Err(Failure::Usage(format!(
            "{}: without a terminal, `--yes` or `--expect PLAN.JSON` is needed",
            session.place
        )));
    }
    if confirmed(&format!("Apply this plan to {}?", session.place))? {
        Ok(())
    } else {
        Err(Failure::Interrupted { pending: vec![] })
    }
}

fn print_report(session: &Session, plan: &Plan, report: &Report, began: Instant, format: Format) {
    let url = report.outputs.get(&deploy_proxy::API).and_then(|outputs| outputs.get(deploy_proxy::URL.name()));
    let url = url.and_then(serde_json::Value::as_str);
    if format == Format::Json {
        let stages: serde_json::Map<_, _> =
            report.stages.iter().map(|(stage, time)| (stage.clone(), json!(time.as_secs_f64()))).collect();
        let report = json!({
            "url": url, "changed": report.changed, "evidence": report.evidence, "stages_s": stages,
            "took_s": began.elapsed().as_secs_f64(), "warnings": plan.warnings,
        });
        terminal::json(&report);
        return;
    }
    for evidence in &report.evidence {
        terminal::line(&format!("  {evidence}"));
    }
    let times: Vec<_> = report.stages.iter().map(|(stage, time)| format!("{stage} {}", seconds(*time))).collect();
    terminal::line(&format!("  {}", times.join(", ")));
    let changed = match report.changed {
        0 => "nothing to do".to_owned(),
        1 => "1 change".to_owned(),
        n => format!("{n} changes"),
    };
    let done = match url {
        Some(url) => format!("answers at {url}"),
        None => format!("is applied without {}", session.skip),
    };
    terminal::line(&format!("`{}` {done} ({changed}, {})", session.spec.name, seconds(began.elapsed())));
}
