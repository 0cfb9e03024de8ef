//! How traffic moves to a new version, and what takes it back.

use super::words::quoted;
use super::{Checker, suggest};
use crate::forms::TextOr;
use crate::raw::{RawAllAtOnce, RawCanary, RawLinear, RawRollbackOn, RawRollout};
use crate::types::{Autoscaling, Capacity, RollbackOn, Rollout, Traffic};
use crate::{limits, machines};

const PATH: &str = "stages.create-endpoint.rollout";
const BACK: &str = "stages.create-endpoint.rollback-on";
const KNOWN: [&str; 3] = ["all-at-once", "canary", "linear"];

/// Reads `rollout`; with alarms even one step is followed by a wait, since nobody would see them otherwise.
pub(super) fn rollout(checker: &mut Checker<'_>, raw: Option<TextOr<RawRollout>>, alarms: bool) -> Rollout {
    let baking = if alarms { 300 } else { 0 };
    let raw = match raw {
        None => return Rollout { traffic: Traffic::AllAtOnce { wait_s: baking }, ..Rollout::default() },
        Some(TextOr::Text(name)) => {
            let traffic = by_name(checker, &name, baking);
            return Rollout { traffic, ..Rollout::default() };
        }
        Some(TextOr::Block(raw)) => raw,
    };
    let wait = |checker: &mut Checker<'_>, key: &str, given, default| -> i32 {
        checker.whole(&format!("{PATH}.{key}"), given, &limits::ROLLOUT_WAIT_S, default)
    };
    let traffic = match (&raw.all_at_once, &raw.canary, &raw.linear) {
        (None, None, None) => Traffic::AllAtOnce { wait_s: baking },
        (Some(raw), None, None) => {
            let RawAllAtOnce { wait_s } = raw.0;
            Traffic::AllAtOnce { wait_s: wait(checker, "all-at-once.wait-s", wait_s, baking) }
        }
        (None, Some(raw), None) => {
            let RawCanary { share, wait_s } = raw.0;
            let percent = checker.percent(&format!("{PATH}.canary.share"), share, &limits::CANARY_PERCENT, 10);
            Traffic::Canary { percent, wait_s: wait(checker, "canary.wait-s", wait_s, 300) }
        }
        (None, None, Some(raw)) => {
            let RawLinear { share, wait_s } = raw.0;
            let percent = checker.percent(&format!("{PATH}.linear.share"), share, &limits::LINEAR_PERCENT, 25);
            Traffic::Linear { percent, wait_s: wait(checker, "linear.wait-s", wait_s, 180) }
        }
        (once, canary, linear) => {
            let given = [once.is_some(), canary.is_some(), linear.is_some()];
            checker.two_of(PATH, &KNOWN, &given, "`rollout` names two ways", ["one way", "another way"]);
            Traffic::default()
        }
    };
    let termination_wait_s = wait(checker, "termination-wait-s", raw.termination_wait_s, 0);
    let timeout_s =
        raw.timeout_s.map(|given| checker.whole(&format!("{PATH}.timeout-s"), Some(given), &limits::ROLLOUT_S, 3600));
    let rollout = Rollout { traffic, termination_wait_s, timeout_s };
    refuse_long_waits(checker, &rollout);
    rollout
}

fn by_name(checker: &mut Checker<'_>, name: &str, baking: i32) -> Traffic {
    match name {
        "all-at-once" => Traffic::AllAtOnce { wait_s: baking },
        "canary" => Traffic::Canary { percent: 10, wait_s: 300 },
        "linear" => Traffic::Linear { percent: 25, wait_s: 180 },
        _ => {
            let complaint = checker.places.complain(PATH, format!("unknown way to roll out {}", quoted(name)));
            checker.say(suggest(complaint, name, "ways", &KNOWN));
            Traffic::default()
        }
    }
}

/// Source: `MaximumExecutionTimeoutInSeconds`: more than all waits together, at most eight hours.
fn refuse_long_waits(checker: &mut Checker<'_>, rollout: &Rollout) {
    let waits = rollout.waits_s();
    let Rollout { traffic, termination_wait_s, timeout_s } = rollout;
    let sum = format!(
        "{} x {} s between the steps, {termination_wait_s} s before the old machines end",
        traffic.steps(),
        traffic.wait_s()
    );
    match timeout_s {
        Some(timeout) if waits >= *timeout => {
            let message = format!("the rollout waits for {waits} s by itself, so `timeout-s` must be more than that");
            checker.say(checker.places.complain(&format!("{PATH}.timeout-s"), message).help(sum));
        }
        None if i64::from(waits) >= *limits::ROLLOUT_S.end() => {
            let most = limits::ROLLOUT_S.end();
            let message = format!("the rollout waits for {waits} s by itself, and AWS ends it after {most} s");
            checker.say(checker.places.complain_key(PATH, message).help(sum));
        }
        _ => {}
    }
}

/// Steps need machines to step over, and types that AWS takes in steps.
pub(super) fn refuse_for_few(
    checker: &mut Checker<'_>,
    rollout: &Rollout,
    capacity: &Capacity,
    autoscaling: Option<&Autoscaling>,
) {
    let Capacity::Instances { instance_type, count, .. } = capacity else { return };
    // Source: AWS documentation, deployment guardrails, exclusions: all at once, without a wait, whatever one asks for.
    let guarded = *rollout != Rollout::default();
    if guarded && machines::family(instance_type).is_some_and(|family| family.starts_with("inf1")) {
        let message = format!("AWS updates `{instance_type}` all at once, whatever `rollout` and `rollback-on` say");
        checker.say(checker.places.complain_key(PATH, message).help("leave them out, or take another type"));
    }
    if matches!(rollout.traffic, Traffic::AllAtOnce { .. }) {
        return;
    }
    let (fewest, place) = match autoscaling {
        Some(scaling) => (scaling.min, checker.places.find("stages.create-endpoint.autoscaling.min")),
        None => (*count, checker.places.find("stages.create-endpoint.instances.count")),
    };
    if fewest < 2 {
        let complaint = checker.places.complain_key(PATH, "traffic moves in steps only between two machines or more");
        let words = if autoscaling.is_some() { "it may be down to one when it is updated" } else { "there is one" };
        checker.say(complaint.also(place, words).help("more machines, or `rollout: all-at-once`"));
    }
}

pub(super) fn rollback_on(checker: &mut Checker<'_>, raw: &RawRollbackOn) -> RollbackOn {
    let alarms = raw.alarms.clone().unwrap_or_default();
    for (index, name) in alarms.iter().enumerate() {
        let at = format!("{BACK}.alarms[{index}]");
        if name.trim().is_empty() {
            checker.say(checker.places.complain(&at, "an alarm's name must not be empty"));
        } else if name.chars().count() > limits::ALARM_CHARS {
            let message = format!("an alarm's name has at most {} characters", limits::ALARM_CHARS);
            let complaint = checker.places.complain(&at, message);
            checker.say(if name.starts_with("arn:") {
                complaint.help("the name alone, not the ARN")
            } else {
                complaint
            });
        } else if name.starts_with("arn:") {
            let complaint = checker.places.complain(&at, "an alarm is named by its name, not by its ARN");
            let last = name.rsplit(':').next().unwrap_or_default();
            checker.say(complaint.help(format!("write `{last}`")));
        } else if alarms[..index].contains(name) {
            checker.say(checker.places.complain(&at, format!("{} is named twice", quoted(name))));
        }
    }
    let path = format!("{BACK}.errors-per-minute");
    let errors_per_minute =
        raw.errors_per_minute.map(|given| checker.whole(&path, Some(given), &limits::ERRORS_PER_MINUTE, 1));
    let latency_ms = raw.latency_ms.map(|given| checker.above_zero(&format!("{BACK}.latency-ms"), given, 1.0));
    let back = RollbackOn { alarms, errors_per_minute, latency_ms };
    match back.count() {
        0 => {
            let complaint = checker.places.complain_key(BACK, "`rollback-on` names nothing");
            checker.say(complaint.help("add `errors-per-minute`, `latency-ms` or `alarms`"));
        }
        count if count > limits::ROLLBACK_ALARMS => {
            let message = format!("at most {} alarms can take an update back, not {count}", limits::ROLLBACK_ALARMS);
            let complaint = checker.places.complain_key(BACK, message);
            checker.say(complaint.help("`errors-per-minute` and `latency-ms` are an alarm each"));
        }
        _ => {}
    }
    back
}
