//! How the model is served, in every form.

use spec::{
    Autoscaling, Capacity, CreateEndpoint, DataCapture, RollbackOn, Rollout, ScalingTarget, Target, Traffic, Vpc,
};

use crate::parse;

/// Every key that goes with machines.
const MACHINES: &str = "{
    instances: { type: ml.m5.large, count: 2, volume-gb: 30 },
    log-retention-days: 30,
    autoscaling: { min: 2, max: 4, invocations-per-instance: 1000, scale-in: false, scale-in-cooldown-s: 600, scale-out-cooldown-s: 60 },
    data-capture: { share: 0.1, input: true, output: false },
    kms-key: alias/models,
    vpc: { subnets: [subnet-0b, subnet-0a], security-groups: [sg-1] },
    startup-timeout-s: 600,
    rollout: { linear: { share: 0.3, wait-s: 60 }, termination-wait-s: 30, timeout-s: 3600 },
    rollback-on: { alarms: [checkout errors], errors-per-minute: 5, latency-ms: 12.5 },
  }";

fn endpoint(block: &str) -> CreateEndpoint {
    parse(&format!("name: fraud\nstages:\n- create-endpoint: {block}")).unwrap().create_endpoint
}

/// On machines that may be scaled, with one more key.
fn with(key: &str) -> CreateEndpoint {
    endpoint(&format!("{{ instances: {{ type: ml.m5.large, count: 3 }}, {key} }}"))
}

#[test]
fn a_file_with_every_key_of_machines_means_what_it_says() {
    let expected = CreateEndpoint {
        capacity: Capacity::Instances { instance_type: "ml.m5.large".into(), count: 2, volume_gb: Some(30) },
        log_retention_days: 30,
        autoscaling: Some(Autoscaling {
            min: 2,
            max: 4,
            target: ScalingTarget::InvocationsPerInstance(1000.0),
            scale_in: false,
            scale_in_cooldown_s: 600,
            scale_out_cooldown_s: 60,
        }),
        data_capture: Some(DataCapture { percent: 10, input: true, output: false }),
        kms_key: Some("alias/models".into()),
        vpc: Some(Vpc { subnets: vec!["subnet-0a".into(), "subnet-0b".into()], security_groups: vec!["sg-1".into()] }),
        startup_timeout_s: Some(600),
        rollout: Rollout {
            traffic: Traffic::Linear { percent: 30, wait_s: 60 },
            termination_wait_s: 30,
            timeout_s: Some(3600),
        },
        rollback_on: RollbackOn {
            alarms: vec!["checkout errors".into()],
            errors_per_minute: Some(5),
            latency_ms: Some(12.5),
        },
        ..CreateEndpoint::default()
    };
    assert_eq!(endpoint(MACHINES), expected);
    assert!(expected.is_guarded() && !CreateEndpoint::default().is_guarded());
    // 30 % four times is more than all, so the last step is smaller.
    assert_eq!((expected.rollout.traffic.steps(), expected.rollout.waits_s()), (4, 4 * 60 + 30));
}

#[test]
fn a_file_with_every_key_of_serverless_means_what_it_says() {
    let text = "{ serverless: { memory-mb: 4096, max-concurrency: 20, provisioned-concurrency: 3 }, kms-key: \
                alias/models, autoscaling: { min: 2, max: 10, utilization: 0.5 } }";
    let endpoint = endpoint(text);
    let capacity = Capacity::Serverless { memory_mb: 4096, max_concurrency: 20, provisioned_concurrency: Some(3) };
    assert_eq!(endpoint.capacity, capacity);
    assert_eq!(endpoint.kms_key.as_deref(), Some("alias/models"));
    let scaling = endpoint.autoscaling.unwrap();
    assert_eq!((scaling.min, scaling.max, scaling.target), (2, 10, ScalingTarget::Utilization(0.5)));
}

#[test]
fn what_is_left_out_has_its_documented_default() {
    let scaling = with("autoscaling: { max: 4, invocations-per-instance: 600 }").autoscaling.unwrap();
    assert_eq!((scaling.min, scaling.scale_in), (1, true));
    assert_eq!((scaling.scale_in_cooldown_s, scaling.scale_out_cooldown_s), (300, 300));
    assert_eq!(with("data-capture:").data_capture, Some(DataCapture { percent: 20, input: true, output: true }));
    let traffic = |key: &str| with(key).rollout.traffic;
    assert_eq!(traffic("rollout: all-at-once"), Traffic::AllAtOnce { wait_s: 0 });
    assert_eq!(traffic("rollout: { all-at-once: }"), Traffic::AllAtOnce { wait_s: 0 });
    assert_eq!(traffic("rollout: canary"), Traffic::Canary { percent: 10, wait_s: 300 });
    assert_eq!(traffic("rollout: { canary: { share: 0.5 } }"), Traffic::Canary { percent: 50, wait_s: 300 });
    assert_eq!(traffic("rollout: linear"), Traffic::Linear { percent: 25, wait_s: 180 });
    assert_eq!(traffic("rollout: { termination-wait-s: 60 }"), Traffic::AllAtOnce { wait_s: 0 });
}

#[test]
fn alarms_are_watched_for_a_while_even_after_one_step() {
    assert_eq!(with("rollback-on: { latency-ms: 50 }").rollout.traffic, Traffic::AllAtOnce { wait_s: 300 });
    let written = with("rollback-on: { latency-ms: 50 }, rollout: { all-at-once: { wait-s: 60 } }");
    assert_eq!(written.rollout.traffic, Traffic::AllAtOnce { wait_s: 60 });
}

#[test]
fn autoscaling_begins_with_its_least_where_no_count_is_written() {
    let text = "{ instances: { type: ml.m5.large }, autoscaling: { min: 3, max: 9, invocations-per-instance: 600 } }";
    assert_eq!(
        endpoint(text).capacity,
        Capacity::Instances { instance_type: "ml.m5.large".into(), count: 3, volume_gb: None }
    );
}

#[test]
fn a_key_is_named_in_any_form_that_aws_takes() {
    let id = "1234abcd-12ab-34cd-56ef-1234567890ab";
    for key in [
        id.to_owned(),
        format!("mrk-{}", "0123456789abcdef".repeat(2)),
        "alias/models".to_owned(),
        format!("arn:aws:kms:us-west-2:111122223333:key/{id}"),
        "arn:aws-cn:kms:cn-north-1:111122223333:alias/models".to_owned(),
    ] {
        assert_eq!(with(&format!("kms-key: '{key}'")).kms_key, Some(key));
    }
}

#[test]
fn the_local_cloud_keeps_a_pace_of_its_own() {
    let Target::Local(local) = &parse("name: fraud\ntargets: { local: { second-ms: 250 } }").unwrap().targets["local"]
    else {
        panic!("`local` is local")
    };
    assert_eq!(local.second_ms, 250);
}
