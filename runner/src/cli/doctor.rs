//! `runner doctor`: whether a deployment can work, before anything is created.

use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use plan::Goal;
use serde_json::json;
use spec::{Complaints, Spec, Target};
use stages::clients::Connection;
use stages::doctor::{self, Caller, Finding, Outcome};
use stages::inputs::{self, LookError, Objects};
use stages::{Cache, Clients, Declared, Deployer, Inputs, Names, Site, Skip, Wanted, create_role, deploy_proxy};

use super::{Common, Format, announce};
use crate::failure::{Failure, chain};
use crate::session::{LOCAL_ACCOUNT, Place, Wants, pipeline, read_inputs};
use crate::{state_folder, terminal};

/// Exit code when a check failed.
const FAILED: u8 = 3;

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    common: Common,
}

pub(crate) async fn run(arguments: &Arguments) -> Result<u8, Failure> {
    let Common { file, target: name, format, skip } = &arguments.common;
    let (spec, target) = pipeline(file, name)?;
    let base = file.parent().unwrap_or(Path::new(""));
    let cache = Cache::new(state_folder::find(base)?.join("cache"));
    let (clients, place) = match &target {
        Target::Local(local) => {
            let wants = Wants { file, target: name, inputs: true, deploys: true, start: false, skip };
            let place = Place::local(local, &wants, &spec, &cache).await?;
            (place.clients, place.words)
        }
        Target::Aws(aws) => {
            let clients = Clients::connect(&Connection::Aws(aws.clone()), cache.clone()).await;
            (Some(clients), format!("region {}", aws.region))
        }
    };
    announce(&place);
    let mut findings = vec![];
    let asker = match &clients {
        Some(clients) => asker(clients, &target, &mut findings).await,
        None => None,
    };
    let asked = clients.as_ref().zip(asker.as_ref());
    let inputs = read(&spec, base, &cache, asked.map(|(clients, _)| clients), &mut findings).await;
    if let Some(inputs) = &inputs {
        findings.push(doctor::proxy(inputs, &cache));
    }
    let inputs = Arc::new(inputs.unwrap_or_else(|| Inputs::none(&spec)));
    let site = asker.as_ref().map_or_else(|| supposed(&target), |(_, site)| site.clone());
    let names = Names::of(&spec, &inputs, site);
    let skip = Skip::new(skip.iter().map(String::as_str));
    let wanted = Wanted { spec: &spec, inputs: &inputs, names: &names, skip: &skip };
    let declared = Declared::of(&wanted);
    declared.check_skips().map_err(|error| Failure::Usage(error.to_string()))?;
    findings.splice(0..0, spelled(&wanted, &declared));
    match (asked, &clients) {
        (Some((clients, (caller, site))), _) => {
            findings.push(doctor::rights(clients, site, caller, &Deployer::of(&declared)).await);
            findings.extend(doctor::quotas(&declared, clients).await);
            findings.extend(doctor::names(&declared, clients).await);
        }
        (None, Some(_)) => findings.extend(
            ["rights", "quotas", "names"].map(|check| Finding::unknown(check, "nobody to ask as", "see what failed")),
        ),
        (None, None) => findings.push(Finding::fine("names", "the local cloud is not started: every name is free")),
    }
    print(&findings, *format);
    Ok(if findings.iter().any(|finding| finding.result == Outcome::Failed) { FAILED } else { 0 })
}

/// The place as far as the pipeline file tells it.
fn supposed(target: &Target) -> Site {
    let (account, region) = match target {
        Target::Local(target) => (LOCAL_ACCOUNT, &target.region),
        Target::Aws(target) => (target.account.as_deref().unwrap_or(LOCAL_ACCOUNT), &target.region),
    };
    Site { account: account.to_owned(), region: region.clone(), plain_http: false }
}

/// Who asks, and where; none when AWS does not say.
async fn asker(clients: &Clients, target: &Target, findings: &mut Vec<Finding>) -> Option<(Caller, Site)> {
    let now = now();
    let credentials = doctor::credentials(clients, now, told_end()).await;
    let none = credentials.result == Outcome::Failed;
    findings.push(credentials);
    if none {
        return None;
    }
    let (caller, clock) = doctor::caller(clients, now).await;
    let caller = match caller {
        Ok(caller) => caller,
        Err(error) => {
            findings.push(Finding::failed("account", chain(&error).join(": "), "log in, or look at the network"));
            if clock.ahead_s.is_some() {
                findings.push(clock.finding());
            }
            return None;
        }
    };
    findings.push(clock.finding());
    let site = clients.site_in(&caller.account);
    let found = format!("account {}, region {}, as `{}`", site.account, site.region, caller.arn);
    let wrong = match target {
        Target::Aws(aws) => aws.account.as_ref().filter(|account| **account != site.account),
        Target::Local(_) => None,
    };
    findings.push(match wrong {
        Some(account) => Finding::failed(
            "account",
            format!("{found}, but the target is account {account}"),
            "use other credentials, or mend `account` in the pipeline file",
        ),
        None => Finding::fine("account", found),
    });
    wrong.is_none().then_some((caller, site))
}

/// Reads what the pipeline file points at.
async fn read(
    spec: &Spec,
    base: &Path,
    cache: &Cache,
    clients: Option<&Clients>,
    findings: &mut Vec<Finding>,
) -> Option<Inputs> {
    const CHECK: &str = "inputs";
    let read = match (inputs::needs_a_look(spec), clients) {
        (true, None) => {
            findings.push(Finding::unknown(CHECK, "rows in S3 cannot be looked at", "mend what failed above"));
            return None;
        }
        (true, Some(clients)) => match inputs::look(spec, clients).await {
            Ok(objects) => read_inputs(spec, base, cache, &objects),
            Err(LookError::Missing(complaint)) => Err(complaint),
            Err(LookError::Stage(error)) => {
                findings.push(Finding::failed(CHECK, chain(&error).join(": "), "see what is missing"));
                return None;
            }
        },
        (false, _) => read_inputs(spec, base, cache, &Objects::new()),
    };
    match read {
        Ok(inputs) => {
            let words: Vec<_> = inputs.model.words.iter().map(|(what, words)| format!("{what} {words}")).collect();
            findings.push(Finding::fine(CHECK, words.join("; ")));
            Some(inputs)
        }
        Err(complaint) => {
            let text = Complaints::from(complaint).render(false);
            let (what, rest) = text.trim_end().split_once('\n').unwrap_or((text.trim_end(), ""));
            findings.push(Finding::failed(CHECK, what.trim_start_matches("error: "), rest.trim_start_matches(' ')));
            None
        }
    }
}

/// The pipeline file: what is known only when every name is, and what a plan would warn of.
fn spelled(wanted: &Wanted<'_>, declared: &Declared) -> Vec<Finding> {
    const CHECK: &str = "pipeline";
    let checked = deploy_proxy::check(wanted.spec, wanted.skip).map_err(Complaints::from);
    let first = match checked.and_then(|()| create_role::check(wanted)) {
        Ok(()) => {
            let count = declared.desired(Goal::Present).iter().filter(|desired| !desired.unwanted).count();
            Finding::fine(CHECK, format!("`{}` declares {count} things; names and limits fit", wanted.spec.name))
        }
        Err(complaints) => Finding::failed(CHECK, complaints.to_string(), "`runner plan` shows the place"),
    };
    let warnings = declared.desired(Goal::Present).into_iter().flat_map(|desired| {
        let stage = desired.id.stage().to_owned();
        desired.warnings.into_iter().map(move |warning| format!("{stage}: {warning}"))
    });
    let warnings = warnings.map(|found| Finding { check: CHECK, result: Outcome::Warning, found, advice: None });
    [first].into_iter().chain(warnings).collect()
}

fn print(findings: &[Finding], format: Format) {
    if format == Format::Json {
        let all: Vec<_> = findings
            .iter()
            .map(|Finding { check, result, found, advice }| {
                json!({ "check": check, "result": result.as_str(), "found": found, "advice": advice })
            })
            .collect();
        terminal::json(&json!(all));
        return;
    }
    let width = findings.iter().map(|finding| finding.check.len()).max().unwrap_or(0);
    for Finding { check, result, found, advice } in findings {
        let advice = advice.as_ref().map(|advice| format!("; {advice}")).unwrap_or_default();
        let told = format!("{check:<width$}  {found}{advice}");
        terminal::styled(&format!("{}  {}\n", painted(*result), printable::escape(&told)));
    }
}

fn painted(outcome: Outcome) -> String {
    use owo_colors::OwoColorize;
    let word = format!("{:<7}", outcome.as_str());
    match outcome {
        Outcome::Fine => word.green().to_string(),
        Outcome::Warning | Outcome::Unknown => word.yellow().to_string(),
        Outcome::Failed => word.red().to_string(),
    }
}

fn now() -> SystemTime {
    jiff::Timestamp::now().into()
}

/// When a session in the environment ends, where whoever put it there says so, as the AWS CLI does.
#[expect(clippy::disallowed_methods, reason = "the SDK does not read it")]
fn told_end() -> Option<SystemTime> {
    let text = std::env::var("AWS_CREDENTIAL_EXPIRATION").ok()?;
    text.parse::<jiff::Timestamp>().ok().map(SystemTime::from)
}
