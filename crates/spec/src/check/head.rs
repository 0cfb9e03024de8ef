//! The name and the targets.

use std::collections::BTreeMap;

use serde_yaml::{Mapping, Value};

use super::words::quoted;
use super::{Blocks, Checker, suggest};
use crate::limits;
use crate::names::PipelineName;
use crate::raw::{RawAws, RawLocal};
use crate::regions::XGBOOST_REGISTRIES;
use crate::types::{AwsTarget, DeployerPolicy, LocalTarget, Target};

pub(super) fn name(checker: &mut Checker<'_>, file: &Value) -> Option<PipelineName> {
    let Some(value) = file.get("name") else {
        let complaint = checker.places.complain("", "the file lacks the key `name`");
        checker.say(complaint.help("every cloud name derives from it: `name: my-pipeline`"));
        return None;
    };
    let name: String = checker.read("name", value)?;
    match PipelineName::parse(&name) {
        Ok(name) => Some(name),
        Err(why) => {
            let mut complaint = checker.places.complain("name", why.to_string());
            let better = slug(&name);
            if PipelineName::parse(&better).is_ok() {
                complaint = complaint.help(format!("`name: {better}` would do"));
            }
            checker.say(complaint);
            None
        }
    }
}

/// The nearest name that is likely to pass.
fn slug(name: &str) -> String {
    let lower = name.to_lowercase();
    lower.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect::<Vec<_>>().join("-")
}

pub(super) fn targets(checker: &mut Checker<'_>, blocks: &Blocks<'_>) -> BTreeMap<String, Target> {
    let mut targets = BTreeMap::from([("local".to_owned(), Target::Local(LocalTarget::default()))]);
    for (name, value) in &blocks.targets {
        let path = format!("targets.{name}");
        let target = if *name == "local" {
            local(checker, &path, value).map(Target::Local)
        } else if is_target_name(name) {
            aws(checker, &path, value).map(Target::Aws)
        } else {
            let message = format!("{} is no name for a target", quoted(name));
            let complaint = checker.places.complain_key(&path, message);
            checker.say(complaint.help("a target's name has letters, digits, `-` and `_`"));
            None
        };
        targets.extend(target.map(|target| ((*name).to_owned(), target)));
    }
    targets
}

fn is_target_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
}

fn local(checker: &mut Checker<'_>, path: &str, value: &Value) -> Option<LocalTarget> {
    let raw = checker.read::<Option<RawLocal>>(path, value)?.unwrap_or_default();
    let default = LocalTarget::default();
    let given = raw.region.filter(|given| region(checker, &format!("{path}.region"), given));
    let port = raw.port.map(|port| checker.whole(&format!("{path}.port"), Some(port), &limits::PORT, 0));
    let iam_propagation_ms = checker.whole(
        &format!("{path}.iam-propagation-ms"),
        raw.iam_propagation_ms,
        &limits::IAM_PROPAGATION_MS,
        default.iam_propagation_ms,
    );
    let second_ms = checker.whole(&format!("{path}.second-ms"), raw.second_ms, &limits::SECOND_MS, default.second_ms);
    let management_throttle = raw.management_throttle.unwrap_or(default.management_throttle);
    let deployer_policy = raw.deployer_policy.map(|text| deployer_policy(checker, path, &text));
    let region = given.unwrap_or(default.region);
    Some(LocalTarget { region, port, iam_propagation_ms, second_ms, management_throttle, deployer_policy })
}

fn deployer_policy(checker: &mut Checker<'_>, path: &str, text: &str) -> DeployerPolicy {
    if text.trim().is_empty() {
        let complaint =
            checker.places.complain(&format!("{path}.deployer-policy"), "`deployer-policy` must not be empty");
        checker.say(complaint.help("a file with an IAM policy, or `own` for what `runner policy` prints"));
    }
    if text == "own" { DeployerPolicy::Own } else { DeployerPolicy::File(text.into()) }
}

fn aws(checker: &mut Checker<'_>, path: &str, value: &Value) -> Option<AwsTarget> {
    // An empty target lacks the same key as one with no keys.
    let empty = Value::Mapping(Mapping::new());
    let raw: RawAws = checker.read(path, if value.is_null() { &empty } else { value })?;
    region(checker, &format!("{path}.region"), &raw.region);
    let is_account = |text: &str| text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit());
    if let Some(account) = raw.account.as_ref().filter(|account| !is_account(account)) {
        let message = format!("an account is twelve digits, not {}", quoted(account));
        checker.say(checker.places.complain(&format!("{path}.account"), message));
    }
    if raw.profile.as_ref().is_some_and(|profile| profile.trim().is_empty()) {
        checker.say(checker.places.complain(&format!("{path}.profile"), "`profile` must not be empty"));
    }
    if let Some(url) = &raw.endpoint_url {
        let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
        let sound = rest.is_some_and(|rest| {
            !rest.is_empty() && !rest.starts_with(['/', ':', '?', '#']) && !rest.contains(char::is_whitespace)
        });
        if !sound {
            let message = format!("{} is no URL of a server", quoted(url));
            let complaint = checker.places.complain(&format!("{path}.endpoint-url"), message);
            checker.say(complaint.help("for example `http://127.0.0.1:5000`"));
        }
    }
    Some(AwsTarget { region: raw.region, account: raw.account, profile: raw.profile, endpoint_url: raw.endpoint_url })
}

fn region(checker: &mut Checker<'_>, path: &str, given: &str) -> bool {
    let known = XGBOOST_REGISTRIES.map(|(region, _)| region);
    if known.contains(&given) {
        return true;
    }
    let complaint = checker.places.complain(path, format!("unknown region {}", quoted(given)));
    checker.say(suggest(complaint, given, "regions", &known));
    false
}
