//! How traffic moves to a new version, in the words of a plan and in those of SageMaker.

use std::time::Duration;

use aws_sdk_sagemaker::types::{
    Alarm, AutoRollbackConfig, BlueGreenUpdatePolicy, CapacitySize, CapacitySizeType, DeploymentConfig,
    TrafficRoutingConfig, TrafficRoutingConfigType,
};
use spec::{Capacity, CreateEndpoint, Traffic};

use super::alarm::Watch;
use crate::Names;

/// For the new machines to start, beside what a rollout waits for by itself. The start of one that fails takes about
/// 24 minutes on AWS.
const START_S: i32 = 3600;
/// Source: `MaximumExecutionTimeoutInSeconds`.
const LONGEST_S: i32 = 28_800;
/// Seconds of a step in which an alarm of ours sees at least one whole minute of it.
const SEEN_S: i32 = 120;

/// Names of the alarms that take a new version back, the user's and ours.
pub(super) fn alarms(wanted: &CreateEndpoint, names: &Names) -> Vec<String> {
    let rollback = &wanted.rollback_on;
    let ours = Watch::ALL.into_iter().filter(|watch| watch.threshold(rollback).is_some());
    rollback.alarms.iter().cloned().chain(ours.map(|watch| watch.name(names))).collect()
}

/// What an update is told; none where SageMaker's own way is wanted.
pub(super) fn config(wanted: &CreateEndpoint, names: &Names) -> Option<DeploymentConfig> {
    if !wanted.is_guarded() {
        return None;
    }
    let policy = BlueGreenUpdatePolicy::builder()
        .traffic_routing_configuration(routing(wanted.rollout.traffic))
        .termination_wait_in_seconds(wanted.rollout.termination_wait_s)
        .maximum_execution_timeout_in_seconds(timeout_s(wanted));
    let alarms = alarms(wanted, names).into_iter().map(|name| Alarm::builder().alarm_name(name).build());
    let alarms: Vec<_> = alarms.collect();
    let rollback = (!alarms.is_empty()).then(|| AutoRollbackConfig::builder().set_alarms(Some(alarms)).build());
    let config = DeploymentConfig::builder().blue_green_update_policy(policy.build());
    Some(config.set_auto_rollback_configuration(rollback).build())
}

fn routing(traffic: Traffic) -> TrafficRoutingConfig {
    let percent = |value| CapacitySize::builder().r#type(CapacitySizeType::CapacityPercent).value(value).build();
    let routing = TrafficRoutingConfig::builder().wait_interval_in_seconds(traffic.wait_s());
    match traffic {
        Traffic::AllAtOnce { .. } => routing.r#type(TrafficRoutingConfigType::AllAtOnce),
        Traffic::Canary { percent: size, .. } => {
            routing.r#type(TrafficRoutingConfigType::Canary).canary_size(percent(size))
        }
        Traffic::Linear { percent: size, .. } => {
            routing.r#type(TrafficRoutingConfigType::Linear).linear_step_size(percent(size))
        }
    }
    .build()
}

/// After so many seconds SageMaker gives up and goes back.
fn timeout_s(wanted: &CreateEndpoint) -> i32 {
    wanted.rollout.timeout_s.unwrap_or_else(|| (wanted.rollout.waits_s() + START_S).min(LONGEST_S))
}

/// How much longer an update may take than starting machines does.
pub(super) fn extra(wanted: &CreateEndpoint) -> Duration {
    let seconds = wanted.rollout.waits_s() + wanted.startup_timeout_s.unwrap_or_default();
    Duration::from_secs(u64::try_from(seconds).unwrap_or_default())
}

/// For the plan; none where SageMaker's own way is wanted.
pub(super) fn words(wanted: &CreateEndpoint, names: &Names) -> Option<String> {
    if !wanted.is_guarded() {
        return None;
    }
    let steps = match wanted.rollout.traffic {
        Traffic::AllAtOnce { wait_s: 0 } => "all traffic at once".to_owned(),
        Traffic::AllAtOnce { wait_s } => format!("all traffic at once, watched for {wait_s} s"),
        Traffic::Canary { percent, wait_s } => {
            format!("{percent} % of the traffic, after {wait_s} s the rest, watched for as long")
        }
        Traffic::Linear { percent, wait_s } => format!("{percent} % of the traffic more every {wait_s} s"),
    };
    let kept = match wanted.rollout.termination_wait_s {
        0 => String::new(),
        wait_s => format!("; the old machines stay for another {wait_s} s"),
    };
    let alarms = match alarms(wanted, names).as_slice() {
        [] => String::new(),
        alarms => format!("; back when an alarm rings: {}", alarms.join(", ")),
    };
    Some(format!("{steps}{kept}{alarms}"))
}

/// What a rollout costs, and what it does not see.
pub(super) fn warnings(wanted: &CreateEndpoint) -> Vec<String> {
    let Capacity::Instances { instance_type, .. } = &wanted.capacity else { return vec![] };
    let mut warnings = vec![];
    let (traffic, waits_s) = (wanted.rollout.traffic, wanted.rollout.waits_s());
    if waits_s > 0 {
        warnings.push(format!(
            "while a version is rolled out, old and new machines run beside each other for {} longer: both are billed, \
             and the quota of `{instance_type}` must allow twice as many",
            duration(waits_s)
        ));
    }
    if traffic.steps() > 1 && wanted.rollback_on.count() == 0 {
        warnings.push(
            "nothing watches the steps of the rollout: give `rollback-on`, or only a version that does not start is \
             taken back"
                .to_owned(),
        );
    }
    let ours = Watch::ALL.into_iter().any(|watch| watch.threshold(&wanted.rollback_on).is_some());
    if ours && traffic.wait_s() < SEEN_S {
        warnings.push(format!(
            "an alarm over a minute of requests sees little of a step of {}: give steps of {SEEN_S} s or more",
            duration(traffic.wait_s())
        ));
    }
    warnings
}

/// For example `90 s` or `10 min`.
fn duration(seconds: i32) -> String {
    if seconds >= 60 && seconds % 60 == 0 { format!("{} min", seconds / 60) } else { format!("{seconds} s") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Fixture;

    fn of(endpoint: &str) -> (CreateEndpoint, Names) {
        let fixture = Fixture::with(&format!(
            "{{ create-endpoint: {{ instances: {{ type: ml.m5.large, count: 4 }}, startup-timeout-s: 600, {endpoint} }} }}"
        ));
        (fixture.spec.create_endpoint, fixture.names)
    }

    #[test]
    fn without_a_wish_sagemaker_does_it_its_own_way() {
        let (wanted, names) = of("");
        assert_eq!((config(&wanted, &names), words(&wanted, &names)), (None, None));
        assert_eq!(warnings(&wanted), Vec::<String>::new());
    }

    #[test]
    fn steps_waits_and_alarms_are_what_an_update_is_told() {
        let (wanted, names) = of("rollout: { canary: { share: 0.25, wait-s: 90 }, termination-wait-s: 30 }, \
                                  rollback-on: { alarms: [theirs], latency-ms: 250 }");
        let told = config(&wanted, &names).unwrap();
        let policy = told.blue_green_update_policy().unwrap();
        let routing = policy.traffic_routing_configuration().unwrap();
        assert_eq!(routing.r#type(), Some(&TrafficRoutingConfigType::Canary));
        assert_eq!(routing.wait_interval_in_seconds(), Some(90));
        let size = routing.canary_size().unwrap();
        assert_eq!((size.r#type(), size.value()), (Some(&CapacitySizeType::CapacityPercent), Some(25)));
        assert_eq!(policy.termination_wait_in_seconds(), Some(30));
        assert_eq!(policy.maximum_execution_timeout_in_seconds(), Some(2 * 90 + 30 + 3600));
        let alarms = told.auto_rollback_configuration().unwrap().alarms().iter();
        assert_eq!(alarms.filter_map(Alarm::alarm_name).collect::<Vec<_>>(), ["theirs", "fraud-latency"]);
        assert_eq!(extra(&wanted), Duration::from_secs(2 * 90 + 30 + 600));
    }

    #[test]
    fn the_longest_rollout_is_still_one_that_aws_takes() {
        let (wanted, names) = of("rollout: { linear: { share: 0.1, wait-s: 2700 } }");
        let told = config(&wanted, &names).unwrap();
        let policy = told.blue_green_update_policy().unwrap();
        assert_eq!(policy.maximum_execution_timeout_in_seconds(), Some(LONGEST_S));
        let (wanted, names) = of("rollout: { linear: { share: 0.1 }, timeout-s: 2000 }");
        let told = config(&wanted, &names).unwrap();
        assert_eq!(told.blue_green_update_policy().unwrap().maximum_execution_timeout_in_seconds(), Some(2000));
        assert_eq!(told.auto_rollback_configuration(), None);
    }

    #[test]
    fn what_a_rollout_costs_and_does_not_see_is_said() {
        insta::assert_snapshot!(warnings(&of("rollout: linear").0).join("\n"), @"
        while a version is rolled out, old and new machines run beside each other for 12 min longer: both are billed, and the quota of `ml.m5.large` must allow twice as many
        nothing watches the steps of the rollout: give `rollback-on`, or only a version that does not start is taken back
        ");
        insta::assert_snapshot!(warnings(&of("rollout: { canary: { wait-s: 45 } }, rollback-on: { errors-per-minute: 1 }").0).join("\n"), @"
        while a version is rolled out, old and new machines run beside each other for 90 s longer: both are billed, and the quota of `ml.m5.large` must allow twice as many
        an alarm over a minute of requests sees little of a step of 45 s: give steps of 120 s or more
        ");
    }
}
