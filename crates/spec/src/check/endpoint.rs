//! What an endpoint runs on, how it follows the traffic, and what is kept of it.

use std::ops::RangeInclusive;

use super::{Checker, aws};
use crate::raw::{RawAutoscaling, RawCreateEndpoint, RawDataCapture, RawInstances, RawServerless};
use crate::types::{Autoscaling, Capacity, DataCapture, ScalingTarget};
use crate::{limits, machines};

const PATH: &str = "stages.create-endpoint";
const SCALING: &str = "stages.create-endpoint.autoscaling";
const CAPTURE: &str = "stages.create-endpoint.data-capture";

/// `prebuilt` is whether the machines must run an image of AWS's.
pub(super) fn capacity(checker: &mut Checker<'_>, raw: &RawCreateEndpoint, prebuilt: bool) -> Option<Capacity> {
    // What autoscaling may not go below is what it begins with, unless the file says otherwise.
    let least = raw.autoscaling.as_ref().and_then(|scaling| scaling.0.min).unwrap_or(1);
    match (&raw.instances, &raw.serverless) {
        (None, None) => Some(instances(checker, &RawInstances::default(), least, prebuilt)),
        (Some(raw), None) => Some(instances(checker, &raw.0, least, prebuilt)),
        (None, Some(raw)) => Some(serverless(checker, &raw.0)),
        (Some(_), Some(_)) => {
            let message = "`instances` and `serverless` exclude each other";
            let complaint = checker.places.complain_key(&format!("{PATH}.serverless"), message);
            let other = checker.places.key(&format!("{PATH}.instances"));
            checker.say(complaint.label("on demand").also(other, "on machines").help("keep one of them"));
            None
        }
    }
}

fn instances(checker: &mut Checker<'_>, raw: &RawInstances, least: i64, prebuilt: bool) -> Capacity {
    let instance_type = raw.r#type.clone().unwrap_or_else(|| "ml.t2.medium".to_owned());
    aws::check_instance_type(checker, &format!("{PATH}.instances.type"), &instance_type, prebuilt);
    let default = i32::try_from(least).unwrap_or(1).max(1);
    let count = checker.whole(&format!("{PATH}.instances.count"), raw.count, &limits::INSTANCES, default);
    let path = format!("{PATH}.instances.volume-gb");
    let volume_gb = raw.volume_gb.map(|given| checker.whole(&path, Some(given), &limits::ENDPOINT_VOLUME_GB, 1));
    if volume_gb.is_some() && has_own_disk(&instance_type) {
        let message = format!("`{instance_type}` has a disk of its own, and takes no `volume-gb`");
        checker.say(checker.places.complain_key(&path, message).help("leave `volume-gb` out, or take another type"));
    }
    Capacity::Instances { instance_type, count, volume_gb }
}

fn serverless(checker: &mut Checker<'_>, raw: &RawServerless) -> Capacity {
    let path = |key: &str| format!("{PATH}.serverless.{key}");
    let memory_mb: i32 = checker.whole(&path("memory-mb"), raw.memory_mb, &limits::SERVERLESS_MB, 2048);
    if i64::from(memory_mb) % limits::SERVERLESS_STEP_MB != 0 {
        let message = format!("`memory-mb` must be a multiple of {}, not {memory_mb}", limits::SERVERLESS_STEP_MB);
        let complaint = checker.places.complain(&path("memory-mb"), message);
        checker.say(complaint.help("one of 1024, 2048, 3072, 4096, 5120, 6144"));
    }
    let range = &limits::SERVERLESS_CONCURRENCY;
    let max_concurrency = checker.whole(&path("max-concurrency"), raw.max_concurrency, range, 5);
    let provisioned = path("provisioned-concurrency");
    let provisioned_concurrency =
        raw.provisioned_concurrency.map(|given| checker.whole(&provisioned, Some(given), range, 1));
    if let Some(given) = provisioned_concurrency.filter(|given| *given > max_concurrency) {
        let message = format!("`provisioned-concurrency` must be at most `max-concurrency`, and {given} is more");
        let complaint = checker.places.complain(&provisioned, message);
        let most = checker.places.find(&path("max-concurrency"));
        checker.say(complaint.also(most, format!("at most {max_concurrency} at once")));
    }
    Capacity::Serverless { memory_mb, max_concurrency, provisioned_concurrency }
}

/// What AWS offers for machines alone. Source: AWS documentation, Serverless Inference, feature exclusions, and
/// deployment guardrails, which are for real-time and asynchronous endpoints.
pub(super) fn refuse_for_serverless(checker: &mut Checker<'_>, raw: &RawCreateEndpoint, capacity: &Capacity) {
    if !matches!(capacity, Capacity::Serverless { .. }) {
        return;
    }
    let written = [
        ("data-capture", raw.data_capture.is_some()),
        ("vpc", raw.vpc.is_some()),
        ("startup-timeout-s", raw.startup_timeout_s.is_some()),
        ("rollout", raw.rollout.is_some()),
        ("rollback-on", raw.rollback_on.is_some()),
    ];
    for (key, _) in written.into_iter().filter(|(_, written)| *written) {
        let message = format!("AWS has no `{key}` for serverless endpoints");
        let complaint = checker.places.complain_key(&format!("{PATH}.{key}"), message);
        let serverless = checker.places.key(&format!("{PATH}.serverless"));
        checker.say(complaint.also(serverless, "on demand").help(format!("leave `{key}` out, or use `instances`")));
    }
}

pub(super) fn autoscaling(checker: &mut Checker<'_>, raw: &RawAutoscaling, capacity: &Capacity) -> Autoscaling {
    let path = |key: &str| format!("{SCALING}.{key}");
    let range = match capacity {
        Capacity::Instances { .. } => limits::INSTANCES,
        Capacity::Serverless { max_concurrency, .. } => 1..=i64::from(*max_concurrency),
    };
    let min = checker.whole(&path("min"), raw.min, &range, 1);
    let max = checker.whole(&path("max"), raw.max, &range, min);
    if raw.max.is_none() {
        let complaint = checker.places.complain_key(SCALING, "`autoscaling` lacks the key `max`");
        checker.say(complaint.help("the most that it may grow to, and cost"));
    } else if max < min {
        let complaint = checker.places.complain(&path("max"), format!("`max` must be at least `min`, not {max}"));
        let least = checker.places.find(&path("min"));
        checker.say(complaint.also(least, format!("at least {min}")));
    }
    begins_within(checker, capacity, min..=max);
    refuse_burstable(checker, capacity);
    let target = scaling_target(checker, raw, capacity);
    let cooldown =
        |checker: &mut Checker<'_>, key: &str, given| checker.whole(&path(key), given, &limits::COOLDOWN_S, 300);
    Autoscaling {
        min,
        max,
        target,
        scale_in: raw.scale_in.unwrap_or(true),
        scale_in_cooldown_s: cooldown(checker, "scale-in-cooldown-s", raw.scale_in_cooldown_s),
        scale_out_cooldown_s: cooldown(checker, "scale-out-cooldown-s", raw.scale_out_cooldown_s),
    }
}

fn begins_within(checker: &mut Checker<'_>, capacity: &Capacity, range: RangeInclusive<i32>) {
    let (path, begins) = match capacity {
        Capacity::Instances { count, .. } => (format!("{PATH}.instances.count"), *count),
        Capacity::Serverless { provisioned_concurrency: Some(provisioned), .. } => {
            (format!("{PATH}.serverless.provisioned-concurrency"), *provisioned)
        }
        Capacity::Serverless { .. } => {
            let message = "what autoscaling changes of a serverless endpoint is its provisioned concurrency";
            let complaint = checker.places.complain_key(SCALING, message);
            let serverless = checker.places.key(&format!("{PATH}.serverless"));
            let complaint = complaint.also(serverless, "it has none");
            checker.say(
                complaint
                    .help("add `provisioned-concurrency`, or leave `autoscaling` out: on demand follows by itself"),
            );
            return;
        }
    };
    // An empty range has been complained about.
    if !range.is_empty() && !range.contains(&begins) {
        let (min, max) = (range.start(), range.end());
        let message = format!("autoscaling keeps it from {min} to {max}, so it cannot begin with {begins}");
        let complaint = checker.places.complain(&path, message);
        checker.say(complaint.also(checker.places.key(SCALING), format!("{min} to {max}")));
    }
}

fn refuse_burstable(checker: &mut Checker<'_>, capacity: &Capacity) {
    let Capacity::Instances { instance_type, .. } = capacity else { return };
    if machines::is_burstable(instance_type) {
        let message = format!("AWS does not scale `{instance_type}`, which is a burstable type");
        let complaint = checker.places.complain_key(SCALING, message);
        checker.say(complaint.help("for example `instances: { type: ml.m5.large }`"));
    }
}

fn scaling_target(checker: &mut Checker<'_>, raw: &RawAutoscaling, capacity: &Capacity) -> ScalingTarget {
    let path = |key: &str| format!("{SCALING}.{key}");
    let machines = matches!(capacity, Capacity::Instances { .. });
    let (wrong, of) = if machines { ("utilization", "serverless") } else { ("invocations-per-instance", "instances") };
    let written = if machines { raw.utilization.is_some() } else { raw.invocations_per_instance.is_some() };
    if written {
        let message = format!("`{wrong}` is of endpoints with `{of}`");
        checker.say(checker.places.complain_key(&path(wrong), message));
    }
    if !machines {
        let share = checker.number(&path("utilization"), raw.utilization, &limits::UTILIZATION, 0.7);
        return ScalingTarget::Utilization(share);
    }
    let Some(given) = raw.invocations_per_instance else {
        let message = "`autoscaling` lacks the key `invocations-per-instance`";
        let complaint = checker.places.complain_key(SCALING, message);
        checker.say(complaint.help("the requests a minute that one machine should be asked: measure what it can take"));
        return ScalingTarget::InvocationsPerInstance(1.0);
    };
    ScalingTarget::InvocationsPerInstance(checker.above_zero(&path("invocations-per-instance"), given, 1.0))
}

pub(super) fn data_capture(checker: &mut Checker<'_>, raw: &RawDataCapture) -> DataCapture {
    let percent = checker.percent(&format!("{CAPTURE}.share"), raw.share, &limits::CAPTURE_PERCENT, 20);
    let (input, output) = (raw.input.unwrap_or(true), raw.output.unwrap_or(true));
    if !input && !output {
        let message = "`data-capture` keeps neither requests nor answers";
        let complaint = checker.places.complain_key(CAPTURE, message);
        checker.say(complaint.help("leave `data-capture` out, or keep one of them"));
    }
    DataCapture { percent, input, output }
}

pub(super) fn startup(checker: &mut Checker<'_>, given: i64) -> i32 {
    checker.whole(&format!("{PATH}.startup-timeout-s"), Some(given), &limits::STARTUP_S, 240)
}

/// Whether a type comes with a local disk, so that it gets no volume of its own, and no key for one.
///
/// Source: the `SageMaker` Python SDK, `volume_size_supported`, and EC2's list of instance store volumes.
pub(super) fn has_own_disk(instance_type: &str) -> bool {
    const OTHERS: [&str; 7] = ["g5", "g6", "g7", "gr6", "p5", "p6", "trn"];
    let family = machines::family(instance_type).unwrap_or_default();
    family.contains('d') || OTHERS.iter().any(|other| family.starts_with(other))
}
