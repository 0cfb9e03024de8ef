//! How a new version comes, and how it goes back when it should not have come.

use std::thread;
use std::time::Duration;

use serde_json::{Value as Json, json};

use crate::harness::{Aws, Pipeline, Ran, Scene, ask_during, features};

const OURS: &str = "pipeline.yaml";
const CANARY: &str = "{ instances: { type: ml.m5.large, count: 2 }, rollout: { canary: { share: 0.5, wait-s: 120 }, \
                      termination-wait-s: 60 } }";

const LINEAR: &str =
    "{ instances: { type: ml.m5.large, count: 4 }, rollout: { linear: { share: 0.25, wait-s: 120 } } }";

/// Between two requests: the API lets only so many through in a second.
const PAUSE: Duration = Duration::from_millis(15);

/// Another number of trees is another version.
fn of(create_endpoint: &str, trees: u32) -> Pipeline {
    Pipeline {
        create_endpoint: create_endpoint.to_owned(),
        local: "{ iam-propagation-ms: 0, second-ms: 10 }".to_owned(),
        ..Pipeline::trees(trees)
    }
}

fn endpoint(aws: &Aws) -> Json {
    aws.sagemaker("DescribeEndpoint", &json!({ "EndpointName": "fraud" })).json()
}

fn serves(aws: &Aws) -> String {
    endpoint(aws)["EndpointConfigName"].as_str().unwrap().to_owned()
}

/// What a failed apply says: its error, without what differs from run to run.
fn said(scene: &Scene, ran: &Ran) -> String {
    let Some((_, error)) = ran.stderr.split_once("\nerror: ") else { panic!("{}", ran.stderr) };
    // Our own server says, with the time, that it listens.
    let steady = scene.steady(error);
    steady.lines().filter(|line| !line.contains(" INFO ")).collect::<Vec<_>>().join("\n")
}

/// Makes an alarm of the user's that rings when it is told to.
fn alarm(aws: &Aws, name: &str) {
    aws.cloudwatch(
        "PutMetricAlarm",
        &json!({ "AlarmName": name, "Namespace": "Theirs", "MetricName": "Errors", "Statistic": "Sum", "Period": 60,
                 "EvaluationPeriods": 1, "Threshold": 1.0, "ComparisonOperator": "GreaterThanThreshold",
                 "TreatMissingData": "notBreaching" }),
    );
}

fn ring(aws: &Aws, name: &str) {
    let body = json!({ "AlarmName": name, "StateValue": "ALARM", "StateReason": "somebody rang it" });
    aws.cloudwatch("SetAlarmState", &body);
}

/// Does something once the new servers are being watched.
fn once_watched(scene: &Scene, what: impl FnOnce(&Aws) + Send) -> Ran {
    let aws = scene.aws();
    thread::scope(|scope| {
        scope.spawn(move || {
            for _ in 0..3000 {
                let endpoint = endpoint(&aws);
                let variant = &endpoint["PendingDeploymentSummary"]["ProductionVariants"][0];
                if variant["VariantStatus"][0]["Status"] == "Baking" {
                    return what(&aws);
                }
                thread::sleep(Duration::from_millis(10));
            }
            panic!("it was never watched");
        });
        scene.runner(&["apply"])
    })
}

/// Rolls a new version out that is good. `planned` and `stages` are told, and how traffic was routed is returned.
fn comes_in_steps(rollout: &str, planned: &[&str], stages: &[&str]) -> Json {
    let scene = Scene::new(&of(rollout, 5));
    scene.apply();
    let before = serves(&scene.aws());
    scene.write(&of(rollout, 6));
    let plan = scene.runner(&["plan"]).exits(0).stdout;
    for told in planned {
        assert!(plan.contains(told), "no `{told}` in\n{plan}");
    }
    let mut told = String::new();
    let (answered, bad) = ask_during(&scene.url(OURS), PAUSE, || told = scene.apply().stderr);
    assert!(bad.is_empty(), "{} of {answered} requests failed, such as {:?}", bad.len(), bad[0]);
    for stage in stages {
        assert!(told.contains(stage), "no `{stage}` in\n{told}");
    }
    assert_ne!(serves(&scene.aws()), before);
    scene.keeps_all(OURS);
    endpoint(&scene.aws())["LastDeploymentConfig"]["BlueGreenUpdatePolicy"]["TrafficRoutingConfiguration"].clone()
}

#[test]
fn a_good_version_comes_in_steps_without_a_failed_request() {
    let planned = ["rollout  50 % of the traffic, after 120 s the rest", "twice as many", "nothing watches the steps"];
    let stages =
        ["the new machines are watched (50 % of the traffic)", "(100 % of the traffic)", "not needed any more end"];
    let routed = comes_in_steps(CANARY, &planned, &stages);
    assert_eq!(routed["CanarySize"], json!({ "Type": "CAPACITY_PERCENT", "Value": 50 }));
}

#[test]
fn a_good_version_comes_in_equal_steps_without_a_failed_request() {
    let stages = ["(25 % of the traffic)", "(50 % of the traffic)", "(75 % of the traffic)", "(100 % of the traffic)"];
    let routed = comes_in_steps(LINEAR, &["25 % of the traffic"], &stages);
    assert_eq!(routed["LinearStepSize"], json!({ "Type": "CAPACITY_PERCENT", "Value": 25 }));
}

#[test]
fn a_version_that_trips_an_alarm_of_ours_goes_back_without_a_failed_request() {
    let watched = |trees| of(&CANARY.replace(" } }", " }, rollback-on: { latency-ms: 0.001 } }"), trees);
    let scene = Scene::new(&watched(5));
    scene.apply();
    let aws = scene.aws();
    let before = serves(&aws);
    scene.write(&watched(6));
    let mut ran = None;
    let (answered, bad) = ask_during(&scene.url(OURS), PAUSE, || ran = Some(scene.runner(&["apply"]).exits(4)));
    assert!(bad.is_empty(), "{} of {answered} requests failed, such as {:?}", bad.len(), bad[0]);
    let error = ran.unwrap().stderr;
    for told in [
        "was rolled back by SageMaker and serves",
        "[fraud-latency]",
        "alarm `fraud-latency` rings, ALARM: Threshold Crossed",
        "hint: the version before still serves",
    ] {
        assert!(error.contains(told), "no `{told}` in\n{error}");
    }
    assert_eq!(serves(&aws), before);
    scene.answers(OURS);
    // The same again, once nobody asks, so that nothing trips.
    scene.apply();
    assert_ne!(serves(&aws), before);
    scene.keeps_all(OURS);
}

#[test]
fn an_alarm_of_the_users_takes_a_version_back_and_one_that_rings_already_is_waited_for() {
    let watched = |trees| {
        let create_endpoint = "{ rollout: { all-at-once: { wait-s: 600 } }, rollback-on: { alarms: [theirs] } }";
        of(create_endpoint, trees)
    };
    let scene = Scene::new(&of("{}", 5));
    scene.apply();
    let aws = scene.aws();
    alarm(&aws, "theirs");
    let before = serves(&aws);
    scene.write(&watched(6));
    let refused = once_watched(&scene, |aws| ring(aws, "theirs")).exits(4);
    insta::assert_snapshot!(said(&scene, &refused), @"
    stage `create-endpoint` could not update endpoint `fraud`
      because: endpoint `fraud` was rolled back by SageMaker and serves `fraud-ffffffffffff` again: One or more alarms of the deployment are in ALARM: [theirs]. It was rolled back.
        alarm `theirs` rings, ALARM: somebody rang it
        last lines of the container:
    hint: the version before still serves; mend the cause and apply again
    ");
    assert_eq!(serves(&aws), before);
    scene.answers(OURS);

    ring(&aws, "theirs");
    let applied = scene.apply();
    assert!(applied.stderr.contains("waiting for alarm `theirs` to be calm"), "{}", applied.stderr);
    assert_ne!(serves(&aws), before);
    scene.keeps_all(OURS);
}

#[test]
fn a_version_that_goes_back_without_a_reason_is_noticed() {
    let scene = Scene::new(&of("{}", 5));
    scene.apply();
    let aws = scene.aws();
    let before = serves(&aws);
    scene.write(&of("{}", 6));
    aws.end_next("UpdateEndpoint", &json!("silent-rollback"));
    let refused = scene.runner(&["apply"]).exits(4);
    assert!(said(&scene, &refused).contains("SageMaker gave no reason"), "{}", refused.stderr);
    assert_eq!(endpoint(&aws).get("FailureReason"), None);
    assert_eq!(serves(&aws), before);
    scene.answers(OURS);
    let plan = scene.runner(&["plan", "--detailed-exitcode"]).exits(2).stdout;
    assert!(plan.contains("config  "), "{plan}");
    aws.clear_faults();
    scene.apply();
    scene.keeps_all(OURS);
}

#[test]
fn without_machines_an_update_goes_back_and_a_new_endpoint_is_made_again_by_the_next_apply() {
    let scene = Scene::new(&of("{}", 5));
    // Another pipeline, so that the local cloud runs.
    scene.write_as("other.yaml", &Pipeline { name: "other", ..Pipeline::default() });
    scene.runner(&["apply", "other.yaml"]).exits(0);
    let aws = scene.aws();
    aws.end_next("CreateEndpoint", &json!("no-capacity"));
    let failed = scene.runner(&["apply"]).exits(1);
    insta::assert_snapshot!(said(&scene, &failed), @"
    stage `create-endpoint` could not create endpoint `fraud`
      because: endpoint `fraud` failed: Unable to provision requested ML compute capacity due to InsufficientInstanceCapacity error. Please retry using a different ML instance type or after some time.
        that usually means: AWS has not enough machines of that type free
        what helps: apply again later, or take another machine type or Region
    ");
    assert_eq!(endpoint(&aws)["EndpointStatus"], "Failed");
    let plan = scene.runner(&["plan", "--detailed-exitcode"]).exits(2).stdout;
    assert!(plan.contains("because: its status is `Failed`: Unable to provision"), "{plan}");
    scene.apply();
    scene.keeps_all(OURS);

    let before = serves(&aws);
    scene.write(&of("{}", 6));
    aws.end_next("UpdateEndpoint", &json!("no-capacity"));
    let refused = scene.runner(&["apply"]).exits(4);
    let error = said(&scene, &refused);
    assert!(error.contains("InsufficientInstanceCapacity") && error.contains("take another machine type"), "{error}");
    assert_eq!(serves(&aws), before);
}

#[test]
fn an_endpoint_that_could_not_go_back_keeps_serving_and_is_updated_again() {
    let scene = Scene::new(&of("{}", 5));
    scene.apply();
    let aws = scene.aws();
    scene.write(&of("{}", 6));
    aws.end_next("UpdateEndpoint", &json!("rollback-failed"));
    let failed = scene.runner(&["apply"]).exits(1);
    insta::assert_snapshot!(said(&scene, &failed), @"
    stage `create-endpoint` could not update endpoint `fraud`
      because: endpoint `fraud` failed: neither the update nor going back from it succeeded, so it serves with machines of both versions; nothing was deleted: apply again, which updates it once more, and ask AWS Support if that is refused
        The update failed, and the endpoint could not be rolled back to its previous configuration.
        last lines of the container:
    ");
    scene.answers(OURS);
    let plan = scene.runner(&["plan", "--detailed-exitcode"]).exits(2).stdout;
    assert!(plan.contains("status  UpdateRollbackFailed: The update failed"), "{plan}");
    assert!(!plan.contains("± create-endpoint  endpoint "), "it must not be deleted\n{plan}");

    // Back to the version before, which its config already is: what is mixed is updated all the same.
    scene.write(&of("{}", 5));
    aws.clear_requests();
    let (answered, bad) = ask_during(&scene.url(OURS), PAUSE, || drop(scene.apply()));
    assert!(bad.is_empty(), "{} of {answered} requests failed, such as {:?}", bad.len(), bad[0]);
    assert!(!aws.writes().contains(&"sagemaker:DeleteEndpoint fraud".to_owned()));
    assert_eq!(endpoint(&aws)["EndpointStatus"], "InService");
    scene.keeps_all(OURS);
}

#[test]
fn what_aws_takes_its_time_for_is_waited_for_and_told() {
    let scene = Scene::new(&of("{}", 5));
    scene.apply();
    let aws = scene.aws();
    scene.write(&of("{}", 6));
    aws.end_next("UpdateEndpoint", &json!({ "slow-ms": 500 }));
    let applied = scene.apply();
    assert!(applied.stderr.contains("new machines start beside the old"), "{}", applied.stderr);
    scene.write(&of("{}", 7));
    aws.end_next("UpdateEndpoint", &json!({ "maintained-ms": 1500 }));
    let applied = scene.apply();
    assert!(applied.stderr.contains("AWS maintains it"), "{}", applied.stderr);
    scene.keeps_all(OURS);
}

#[test]
fn a_smoke_test_that_fails_undoes_a_rollout_all_at_once_and_leaves_autoscaling_in_place() {
    let create_endpoint = |kind: &str| {
        format!(
            "{{ instances: {{ type: {kind}, count: 2 }}, autoscaling: {{ min: 2, max: 4, scale-in: false, \
             invocations-per-instance: 100000 }}, rollout: {{ canary: {{ share: 0.5, wait-s: 60 }} }}, \
             rollback-on: {{ errors-per-minute: 1000, alarms: [theirs] }} }}"
        )
    };
    let scene = Scene::new(&of("{}", 5));
    scene.apply();
    let aws = scene.aws();
    alarm(&aws, "theirs");
    scene.write(&of(&create_endpoint("ml.m5.large"), 5));
    scene.apply();
    let before = serves(&aws);
    let wrong = Pipeline {
        smoke_test: format!("{{ request: {}, expect: {{ fraud_score: 7 }} }}", features()),
        ..of(&create_endpoint("ml.c5.xlarge"), 6)
    };
    scene.write(&wrong);
    aws.clear_requests();
    let refused = scene.runner(&["apply"]).exits(4);
    assert!(refused.stderr.contains("was switched back and serves"), "{}", refused.stderr);
    assert_eq!(serves(&aws), before);
    scene.answers(OURS);
    let about = |write: &String| write.contains("calableTarget") || write.contains("UpdateEndpoint");
    let writes: Vec<_> = aws.writes().into_iter().filter(about).collect();
    insta::assert_snapshot!(writes.join("\n"), @"
    application-autoscaling:DeregisterScalableTarget endpoint/fraud/variant/main
    sagemaker:UpdateEndpoint fraud
    application-autoscaling:RegisterScalableTarget endpoint/fraud/variant/main
    application-autoscaling:DeregisterScalableTarget endpoint/fraud/variant/main
    sagemaker:UpdateEndpoint fraud
    application-autoscaling:RegisterScalableTarget endpoint/fraud/variant/main
    ");
    // The way back asked for neither steps nor alarms, so what was asked for last is the rollout before it.
    let last = endpoint(&aws)["LastDeploymentConfig"].clone();
    assert_eq!(last["AutoRollbackConfiguration"]["Alarms"][0]["AlarmName"], "theirs");
    let target = json!({ "ServiceNamespace": "sagemaker", "ResourceIds": ["endpoint/fraud/variant/main"] });
    let target = aws.autoscaling("DescribeScalableTargets", &target).json()["ScalableTargets"][0].clone();
    assert_eq!((&target["MinCapacity"], &target["MaxCapacity"]), (&json!(2), &json!(4)));
    scene.write(&of(&create_endpoint("ml.c5.xlarge"), 6));
    scene.apply();
    scene.keeps_all(OURS);
}

/// What a container's program says before it ends, and what that is told to mean.
const CAUSES: [(&str, &str); 5] = [
    ("echo \"ModuleNotFoundError: No module named 'pandas'\" >&2", "a Python module is missing in the image"),
    ("echo '[ERROR] Worker (pid:7) was sent SIGKILL! Perhaps out of memory?'", "the machine ran out of memory"),
    ("echo ' * Running on http://127.0.0.1:5000/ (Press CTRL+C to quit)'", "listens where SageMaker does not ask"),
    ("echo 'exec /usr/bin/serve: exec format error'", "built for another processor"),
    ("echo 'OSError: [Errno 98] Address already in use'", "already listens on the port"),
];

#[test]
fn what_a_container_said_before_it_ended_is_shown_with_what_it_means() {
    let scene = Scene::new(&of("{}", 5)).scripted();
    scene.apply();
    let aws = scene.aws();
    let before = serves(&aws);
    scene.write(&of("{}", 6));
    for (says, means) in CAUSES {
        scene.serve_after(&format!("{says}\nexit 3\n"));
        let refused = scene.runner(&["apply"]).exits(4);
        assert!(refused.stderr.contains(means), "{says}\n{}", refused.stderr);
        assert_eq!(refused.stderr.matches("that usually means").count(), 1, "{}", refused.stderr);
    }
    scene.serve_after("echo \"ModuleNotFoundError: No module named 'pandas'\"\nexit 3\n");
    let refused = scene.runner(&["apply"]).exits(4);
    // It is started again and again, and ends while its words are still on their way.
    let mut lines: Vec<_> = said(&scene, &refused).lines().map(str::to_owned).collect();
    lines.retain(|line| !line.contains("the model server ended"));
    lines.dedup();
    insta::assert_snapshot!(lines.join("\n"), @"
    stage `create-endpoint` could not update endpoint `fraud`
      because: endpoint `fraud` was rolled back by SageMaker and serves `fraud-ffffffffffff` again: The primary container for production variant main did not pass the ping health check. Please check CloudWatch logs for this endpoint.
        last lines of the container:
          ModuleNotFoundError: No module named 'pandas'
        that usually means: a Python module is missing in the image
        what helps: take an image that has it, or leave out what needs it
    hint: the version before still serves; mend the cause and apply again
    ");
    assert_eq!(serves(&aws), before);
    scene.answers(OURS);

    // A reason is not needed for that.
    aws.end_next("UpdateEndpoint", &json!("silent-rollback"));
    let refused = scene.runner(&["apply"]).exits(4);
    let error = said(&scene, &refused);
    assert!(error.contains("gave no reason") && error.contains("a Python module is missing"), "{error}");
    aws.clear_faults();
    scene.serve_after("");
    scene.apply();
    scene.keeps_all(OURS);
}

#[test]
fn a_first_version_that_does_not_start_is_told_the_same_way_and_made_again() {
    let scene = Scene::new(&of("{}", 5)).scripted();
    scene.serve_after("echo 'MemoryError: Unable to allocate 7.45 GiB'\nexit 1\n");
    let failed = scene.runner(&["apply"]).exits(1);
    let error = said(&scene, &failed);
    assert!(error.contains("endpoint `fraud` failed") && error.contains("the machine ran out of memory"), "{error}");
    scene.serve_after("");
    scene.apply();
    scene.keeps_all(OURS);
}
