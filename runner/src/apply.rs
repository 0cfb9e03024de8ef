//! Plan → Report: walks the plan's graph, with bounded concurrency, and makes no choice of its own.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;
use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use plan::{Action, Change, Observation, Outputs, Plan, World};
use stages::resource::Resolved;
use stages::{Clients, Ctx, Declared, Evidence, Item, Limits, StageError};
use tokio_util::sync::CancellationToken;

use crate::event::{Audience, Event};
use crate::failure::{Failure, chain};
use crate::session::environment;

/// Changes in flight at once.
const CONCURRENCY: usize = 8;

/// What was done.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// Time by stage in which at least one of its changes was worked on.
    pub(crate) stages: Vec<(String, Duration)>,
    /// What the checks saw.
    pub(crate) evidence: Vec<String>,
    /// How many changes wrote something.
    pub(crate) changed: usize,
    /// Outputs of what is there now.
    pub(crate) outputs: BTreeMap<plan::ResourceId, Outputs>,
}

/// Where and with what a plan is applied.
pub(crate) struct Site<'a> {
    pub(crate) declared: &'a Declared,
    pub(crate) clients: &'a Clients,
    pub(crate) limits: &'a Limits,
    /// The day on which it all happens.
    pub(crate) today: &'a str,
    /// Folder of the pipeline file.
    pub(crate) folder: &'a Path,
    /// Program and first arguments of a process that holds what must end with this one.
    pub(crate) supervisor: &'a [OsString],
    /// Cancelled by the first signal to end: what runs is finished, nothing new begins.
    pub(crate) stop: &'a CancellationToken,
}

type Finished = (usize, Duration, Duration, Result<(Outputs, Evidence), StageError>);

/// Does what the plan says.
pub(crate) async fn apply(plan: &Plan, world: &World, site: &Site<'_>) -> Result<Report, Failure> {
    let audience = Audience::new(plan.changes.len());
    let resolved = Resolved::default();
    let mut report = Report::default();
    let mut done = vec![false; plan.changes.len()];
    let mut begun = vec![false; plan.changes.len()];
    let mut times: BTreeMap<&str, Vec<(Duration, Duration)>> = BTreeMap::new();
    let mut failures: Vec<(usize, StageError)> = vec![];
    let mut running = FuturesUnordered::new();
    let start = Instant::now();

    for (index, change) in plan.changes.iter().enumerate().filter(|(_, change)| change.action == Action::Keep) {
        (begun[index], done[index]) = (true, true);
        if let Observation::Present { outputs, .. } = world.of(&change.id) {
            resolved.insert(change.id.clone(), outputs.clone());
            report.outputs.insert(change.id.clone(), outputs.clone());
        }
    }
    loop {
        while failures.is_empty() && !site.stop.is_cancelled() && running.len() < CONCURRENCY {
            let ready = |index: &usize| !begun[*index] && plan.changes[*index].needs.iter().all(|&need| done[need]);
            let Some(index) = (0..plan.changes.len()).find(ready) else { break };
            begun[index] = true;
            running.push(one(index, &plan.changes[index], site, &resolved, &audience, start));
        }
        let Some(finished) = running.next().await else { break };
        let (index, from, to, result): Finished = finished;
        let change = &plan.changes[index];
        times.entry(change.id.stage()).or_default().push((from, to));
        match result {
            Ok((outputs, evidence)) => {
                done[index] = true;
                report.changed += usize::from(change.action != Action::Check);
                report.evidence.extend(evidence);
                if !change.stray {
                    resolved.insert(change.id.clone(), outputs.clone());
                    report.outputs.insert(change.id.clone(), outputs);
                }
            }
            Err(error) => failures.push((index, error)),
        }
    }
    if site.stop.is_cancelled() && done.contains(&false) {
        let pending = plan.changes.iter().zip(&done).filter(|(_, done)| !**done);
        let pending = pending.map(|(change, _)| format!("{} `{}`", change.kind, change.name));
        return Err(Failure::Interrupted { pending: pending.collect() });
    }
    if !failures.is_empty() {
        return Err(failed(plan, failures, &audience));
    }
    let reading_order = stages::ALL.iter().map(|stage| stage.name);
    report.stages = reading_order.filter_map(|stage| Some((stage.to_owned(), covered(times.remove(stage)?)))).collect();
    Ok(report)
}

/// How much time the intervals cover together.
fn covered(mut intervals: Vec<(Duration, Duration)>) -> Duration {
    intervals.sort();
    let (mut sum, mut end) = (Duration::ZERO, Duration::ZERO);
    for (from, to) in intervals {
        sum += to.saturating_sub(from.max(end));
        end = end.max(to);
    }
    sum
}

async fn one<'a>(
    index: usize,
    change: &'a Change,
    site: &'a Site<'_>,
    resolved: &'a Resolved,
    audience: &'a Audience,
    start: Instant,
) -> Finished {
    let from = start.elapsed();
    audience.tell(index, change, &Event::Started);
    let say = |text: String| audience.tell(index, change, &Event::Said(&text));
    let ctx = Ctx {
        clients: site.clients,
        cache: &site.clients.cache,
        outputs: resolved,
        limits: site.limits,
        say: &say,
        today: site.today,
        folder: site.folder,
        environment: &environment,
        supervisor: site.supervisor,
        stop: site.stop,
    };
    let result = write(change, site.declared, &ctx).await;
    match &result {
        Ok(_) => audience.tell(index, change, &Event::Done),
        Err(error) => {
            // The rest, such as lines of a log, is told once, at the end.
            let text = chain(error).join(": ");
            audience.tell(index, change, &Event::Failed(text.lines().next().unwrap_or_default()));
        }
    }
    (index, from, start.elapsed(), result)
}

async fn write(change: &Change, declared: &Declared, ctx: &Ctx<'_>) -> Result<(Outputs, Evidence), StageError> {
    let unknown = || StageError::here("internal error", format!("`{}` is planned and not declared", change.id));
    let resource = match declared.get(&change.id).ok_or_else(unknown)? {
        Item::Check(check) => return Ok((Outputs::new(), check.run(ctx).await?)),
        Item::Resource(resource) => resource,
    };
    let outputs = match change.action {
        Action::Create => resource.create(ctx).await?,
        Action::Update => resource.update(ctx).await?,
        Action::Replace => {
            resource.delete(ctx, &change.name).await?;
            resource.create(ctx).await?
        }
        Action::Delete => {
            resource.delete(ctx, &change.name).await?;
            Outputs::new()
        }
        Action::Keep | Action::Check | Action::Blocked => Outputs::new(),
    };
    Ok((outputs, Evidence::new()))
}

/// The gravest failure is reported; of the others, which were told as they happened, what is beyond a line is told now.
fn failed(plan: &Plan, mut failures: Vec<(usize, StageError)>, audience: &Audience) -> Failure {
    failures.sort_by_key(|(index, _)| *index);
    let others = failures.len() - 1;
    for (index, error) in &failures[1..] {
        let (change, text) = (&plan.changes[*index], chain(error).join(": "));
        if text.contains('\n') {
            audience.tell(*index, change, &Event::Said(&format!("{} `{}`: {text}", change.kind, change.name)));
        }
    }
    let (index, error) = failures.swap_remove(0);
    let change = &plan.changes[index];
    let verb = match change.action {
        Action::Create => "create",
        Action::Update => "update",
        Action::Replace => "replace",
        Action::Delete => "delete",
        Action::Check => "pass",
        Action::Keep | Action::Blocked => "keep",
    };
    let doing = format!("{verb} {} `{}`", change.kind, change.name);
    Failure::Stage { stage: change.id.stage().to_owned(), doing, error: Box::new(error), others }
}
