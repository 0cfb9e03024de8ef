//! `runner status`: what is there.

use plan::{Action, Goal, Observation};
use serde_json::{Value as Json, json};
use stages::train::Known;
use stages::{Item, deploy_proxy};

use super::{Common, Format, announce};
use crate::failure::Failure;
use crate::session::{Session, Wants};
use crate::terminal;

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(super) common: Common,
}

pub(crate) async fn run(arguments: &Arguments) -> Result<u8, Failure> {
    let Common { file, target, format, skip } = &arguments.common;
    let session = Session::open(&Wants { file, target, inputs: true, deploys: true, start: false, skip }).await?;
    announce(&session.place);
    let world = session.observe().await?;
    let plan = session.plan(&world, Goal::Present)?;
    let url = match world.of(&deploy_proxy::API) {
        Observation::Present { outputs, .. } => outputs.get(deploy_proxy::URL.name()).and_then(Json::as_str),
        _ => None,
    };
    let mut rows = vec![];
    for item in session.declared.items() {
        let Item::Resource(resource) = item else { continue };
        if !session.declared.is_wanted(&resource.id()) && *world.of(&resource.id()) == Observation::Absent {
            continue;
        }
        let action =
            plan.changes.iter().find(|change| change.id == resource.id() && !change.stray).map(|change| change.action);
        let state = match (world.of(&resource.id()), action) {
            (Observation::Absent, _) => "absent".to_owned(),
            (Observation::Present { .. }, Some(Action::Keep)) => "as desired".to_owned(),
            (Observation::Present { .. }, _) => "differs".to_owned(),
            (Observation::Ownerless { .. }, _) => "without an owner, to be adopted".to_owned(),
            (Observation::Broken { why }, _) => format!("broken: {why}"),
            (Observation::Foreign { owner }, _) => format!("foreign: {owner}"),
        };
        rows.push((resource.id().stage().to_owned(), resource.kind(), resource.name().to_owned(), state));
    }
    let known = match &session.clients {
        Some(clients) => Known::load(clients, &session.names, &session.inputs).await.ok(),
        None => None,
    };
    let metrics = known.as_ref().and_then(Known::metrics);
    if *format == Format::Json {
        let resources: Vec<_> = rows
            .iter()
            .map(|(stage, kind, name, state)| json!({ "stage": stage, "kind": kind, "name": name, "state": state }))
            .collect();
        terminal::json(&json!({ "url": url, "metrics": metrics, "resources": resources }));
        return Ok(0);
    }
    let width = |of: fn(&(String, &str, String, String)) -> usize| rows.iter().map(of).max().unwrap_or(0);
    let (stages, kinds, states) = (width(|row| row.0.len()), width(|row| row.1.len()), width(|row| row.3.len()));
    for (stage, kind, name, state) in &rows {
        terminal::line(&format!("{stage:<stages$}  {kind:<kinds$}  {state:<states$}  {name}"));
    }
    let rule = stages::train::threshold(session.spec.deploy_proxy.response.threshold);
    if let Some(words) = known.and_then(|it| it.metrics_words(it.threshold(rule).ok()?)) {
        terminal::line(&words);
    }
    match url {
        Some(url) => terminal::line(&format!("`{}` answers at {url}", session.spec.name)),
        None if session.skip.contains(deploy_proxy::STAGE.name) => {}
        None => terminal::line(&format!("`{}` has no URL: run `runner apply`", session.spec.name)),
    }
    Ok(0)
}
