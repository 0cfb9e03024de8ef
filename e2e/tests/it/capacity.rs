//! What an endpoint runs on and what goes with it: asked for, kept, changed by others, put right, asked for no more.

use std::thread;
use std::time::Duration;

use serde_json::{Value as Json, json};

use crate::harness::{Aws, Pipeline, Scene};

const OURS: &str = "pipeline.yaml";
const VARIANT: &str = "endpoint/fraud/variant/main";
const DIMENSION: &str = "sagemaker:variant:DesiredInstanceCount";

/// All that machines can be asked for, but for steps.
const ALL: &str = "{ instances: { type: ml.m5.large, count: 2, volume-gb: 30 }, \
                   autoscaling: { min: 2, max: 4, invocations-per-instance: 100000, scale-in: false }, \
                   data-capture: { share: 1.0 }, kms-key: alias/ml, \
                   vpc: { subnets: [subnet-0a], security-groups: [sg-0a] }, startup-timeout-s: 600, \
                   rollback-on: { errors-per-minute: 1000, latency-ms: 60000 } }";
const PLAIN: &str = "{ instances: { type: ml.m5.large, count: 2 } }";
/// It never scales by itself while a test lasts.
const SCALED: &str = "{ instances: { type: ml.m5.large }, autoscaling: { max: 4, invocations-per-instance: 100000, \
                      scale-in: false } }";

fn on(create_endpoint: &str) -> Pipeline {
    Pipeline {
        create_endpoint: create_endpoint.to_owned(),
        local: "{ iam-propagation-ms: 0, second-ms: 1 }".to_owned(),
        ..Pipeline::default()
    }
}

fn deployed(create_endpoint: &str) -> Scene {
    let scene = Scene::new(&on(create_endpoint));
    scene.apply();
    scene
}

fn endpoint(aws: &Aws) -> Json {
    aws.sagemaker("DescribeEndpoint", &json!({ "EndpointName": "fraud" })).json()
}

fn variant(aws: &Aws) -> Json {
    endpoint(aws)["ProductionVariants"][0].clone()
}

fn config(aws: &Aws) -> Json {
    let name = endpoint(aws)["EndpointConfigName"].clone();
    aws.sagemaker("DescribeEndpointConfig", &json!({ "EndpointConfigName": name })).json()
}

fn target(aws: &Aws) -> Json {
    let body = json!({ "ServiceNamespace": "sagemaker", "ResourceIds": [VARIANT] });
    aws.autoscaling("DescribeScalableTargets", &body).json()["ScalableTargets"][0].clone()
}

fn policies(aws: &Aws) -> Json {
    let body = json!({ "ServiceNamespace": "sagemaker", "ResourceId": VARIANT });
    aws.autoscaling("DescribeScalingPolicies", &body).json()["ScalingPolicies"].clone()
}

fn of_variant(rest: &Json) -> Json {
    let mut body = json!({ "ServiceNamespace": "sagemaker", "ResourceId": VARIANT, "ScalableDimension": DIMENSION });
    body.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
    body
}

/// Changes the number of machines, as somebody might by hand, and waits until that is done.
fn scale(aws: &Aws, count: u32) {
    let wanted = json!([{ "VariantName": "main", "DesiredInstanceCount": count }]);
    let body = json!({ "EndpointName": "fraud", "DesiredWeightsAndCapacities": wanted });
    aws.sagemaker("UpdateEndpointWeightsAndCapacities", &body);
    until(|| endpoint(aws)["EndpointStatus"] == "InService");
}

#[track_caller]
fn until(holds: impl Fn() -> bool) {
    for _ in 0..600 {
        if holds() {
            return;
        }
        thread::sleep(Duration::from_millis(20));
    }
    panic!("it never came to pass");
}

fn of_kind(aws: &Aws, kind: &str) -> Vec<String> {
    aws.inventory().into_iter().filter(|(of, _)| *of == kind).map(|(_, name)| name).collect()
}

/// What a plan does with the endpoint and all about it.
fn planned(scene: &Scene) -> String {
    let plan = scene.runner(&["plan", "--detailed-exitcode"]).exits(2).stdout;
    let mut told = false;
    let lines = plan.lines().filter(|line| {
        if !line.starts_with(' ') {
            told = line.contains("create-endpoint") && !line.starts_with("= ") && !line.starts_with("warning");
        }
        told
    });
    scene.steady(&lines.collect::<Vec<_>>().join("\n"))
}

#[test]
fn everything_that_is_asked_for_is_there_stays_there_and_goes() {
    let scene = deployed(ALL);
    let aws = scene.aws();
    // Keeps the local cloud up when all else is gone.
    aws.signed("s3", "PUT", "/theirs", &[], "");
    scene.keeps_all(OURS);
    aws.clear_requests();
    scene.apply();
    assert_eq!(aws.writes(), Vec::<String>::new());

    let config = config(&aws);
    let variant = &config["ProductionVariants"][0];
    assert_eq!((&variant["VolumeSizeInGB"], &config["KmsKeyId"]), (&json!(30), &json!("alias/ml")));
    assert_eq!(variant["ContainerStartupHealthCheckTimeoutInSeconds"], 600);
    let model = aws.sagemaker("DescribeModel", &json!({ "ModelName": variant["ModelName"] })).json();
    assert_eq!(model["VpcConfig"], json!({ "Subnets": ["subnet-0a"], "SecurityGroupIds": ["sg-0a"] }));
    assert_eq!((&target(&aws)["MinCapacity"], &target(&aws)["MaxCapacity"]), (&json!(2), &json!(4)));
    let policy = &policies(&aws)[0]["TargetTrackingScalingPolicyConfiguration"];
    assert_eq!((&policy["TargetValue"], &policy["DisableScaleIn"]), (&json!(100_000.0), &json!(true)));
    let mut alarms = of_kind(&aws, "alarm");
    alarms.retain(|name| !name.starts_with("TargetTracking-"));
    assert_eq!(alarms, ["fraud-errors", "fraud-latency"]);

    scene.answers(OURS);
    let bucket = "fraud-000000000000-us-east-1";
    until(|| of_kind(&aws, "object").iter().any(|key| key.starts_with(&format!("{bucket}/captures/fraud/main/"))));
    aws.clear_requests();
    scene.runner(&["teardown"]).exits(0);
    assert_eq!(aws.inventory(), [("bucket", "theirs".to_owned())].into());
    let writes = aws.writes();
    let at = |name: &str| writes.iter().position(|write| write.contains(name)).expect(name);
    assert!(at("DeregisterScalableTarget") < at("DeleteEndpoint"), "{writes:?}");
}

#[test]
fn what_others_change_of_autoscaling_and_alarms_is_put_right() {
    let scene = deployed(ALL);
    let aws = scene.aws();
    let suspended = json!({ "DynamicScalingInSuspended": true, "ScheduledScalingSuspended": true });
    let bounds = json!({ "MinCapacity": 1, "MaxCapacity": 9, "SuspendedState": suspended });
    aws.autoscaling("RegisterScalableTarget", &of_variant(&bounds));
    let metric = json!({ "PredefinedMetricType": "SageMakerVariantInvocationsPerInstance" });
    let tracking = json!({ "TargetValue": 5.5, "PredefinedMetricSpecification": metric, "ScaleOutCooldown": 7 });
    for name in ["fraud-target-tracking", "mine"] {
        let policy = json!({ "PolicyName": name, "PolicyType": "TargetTrackingScaling",
                             "TargetTrackingScalingPolicyConfiguration": tracking });
        aws.autoscaling("PutScalingPolicy", &of_variant(&policy));
    }
    let topic = "arn:aws:sns:us-east-1:000000000000:on-call";
    aws.cloudwatch(
        "PutMetricAlarm",
        &json!({ "AlarmName": "fraud-errors", "Namespace": "AWS/SageMaker", "MetricName": "Invocation4XXErrors",
                 "Statistic": "Sum", "Period": 300, "EvaluationPeriods": 3, "DatapointsToAlarm": 2, "Threshold": 9.5,
                 "ComparisonOperator": "GreaterThanThreshold", "AlarmActions": [topic] }),
    );
    insta::assert_snapshot!(planned(&scene), @"
    ~ create-endpoint  alarm              fraud-errors
        config        (any) -> fraud-ffffffffffff
        of            endpoint (any), variant (any) -> endpoint fraud, variant main
        when          Sum of Invocation4XXErrors > 9.5 -> Sum of Invocation5XXErrors >= 1000
        each          300 s, 2 of 3 times -> 60 s
        without_data  missing -> notBreaching
    ~ create-endpoint  autoscaling        endpoint/fraud/variant/main
        min                       1 -> 2
        max                       9 -> 4
        scales                    in and out; suspended: in, by schedule -> out, never in
        invocations_per_instance  5.5 -> 100000
        scale_in_cooldown_s       (unset) -> 300
        scale_out_cooldown_s      7 -> 300
        policies                  fraud-target-tracking, mine -> fraud-target-tracking
    ");
    scene.apply();
    scene.keeps_all(OURS);
    assert_eq!(policies(&aws).as_array().unwrap().len(), 1);
    let alarm = aws.cloudwatch("DescribeAlarms", &json!({ "AlarmNames": ["fraud-errors"] })).json();
    assert_eq!(alarm["MetricAlarms"][0]["AlarmActions"], json!([topic]), "whom it calls is theirs to say");

    aws.autoscaling("DeregisterScalableTarget", &of_variant(&json!({})));
    aws.cloudwatch("DeleteAlarms", &json!({ "AlarmNames": ["fraud-latency"] }));
    scene.runner(&["plan", "--detailed-exitcode"]).exits(2);
    scene.apply();
    scene.keeps_all(OURS);
}

#[test]
fn a_count_that_somebody_changed_is_put_right_unless_somebody_else_scales() {
    let scene = deployed(PLAIN);
    let aws = scene.aws();
    scale(&aws, 3);
    insta::assert_snapshot!(planned(&scene), @"
    ~ create-endpoint  endpoint           fraud
        count  3 -> 2
    ");
    aws.clear_requests();
    scene.apply();
    assert_eq!(aws.writes(), ["sagemaker:UpdateEndpointWeightsAndCapacities fraud"]);
    scene.keeps_all(OURS);
    assert_eq!(variant(&aws)["DesiredInstanceCount"], 2);

    aws.autoscaling("RegisterScalableTarget", &of_variant(&json!({ "MinCapacity": 3, "MaxCapacity": 5 })));
    until(|| variant(&aws)["CurrentInstanceCount"] == 3);
    scene.keeps_all(OURS);
    scene.write(&Pipeline { train: Pipeline::trees(6).train, ..on(PLAIN) });
    scene.apply();
    scene.keeps_all(OURS);
    assert_eq!(variant(&aws)["DesiredInstanceCount"], 3, "an update keeps what they scaled to");
    assert_eq!(target(&aws)["MinCapacity"], 3);
}

#[test]
fn a_new_model_keeps_the_machines_that_were_scaled_to() {
    let scene = deployed(SCALED);
    let aws = scene.aws();
    scale(&aws, 3);
    scene.keeps_all(OURS);
    let before = endpoint(&aws)["EndpointConfigName"].clone();
    scene.write(&Pipeline { train: Pipeline::trees(6).train, ..on(SCALED) });
    scene.apply();
    assert_ne!(endpoint(&aws)["EndpointConfigName"], before);
    assert_eq!(variant(&aws)["DesiredInstanceCount"], 3);
    assert_eq!(config(&aws)["ProductionVariants"][0]["InitialInstanceCount"], 1);
    scene.keeps_all(OURS);
    scene.answers(OURS);
}

#[test]
fn another_machine_type_is_changed_to_around_autoscaling() {
    let scene = deployed(SCALED);
    let aws = scene.aws();
    scale(&aws, 3);
    scene.write(&on(&SCALED.replace("ml.m5.large", "ml.c5.xlarge").replace("max: 4", "max: 6")));
    insta::assert_snapshot!(planned(&scene), @"
    + create-endpoint  endpoint-config    fraud-ffffffffffff
        model     fraud-ffffffffffff
        capacity  1 x ml.c5.xlarge
    ~ create-endpoint  endpoint           fraud
        config  fraud-ffffffffffff -> fraud-ffffffffffff
    ~ create-endpoint  autoscaling        endpoint/fraud/variant/main
        on         ml.m5.large -> ml.c5.xlarge
        max        4 -> 6
        meanwhile  SageMaker changes no machine type of what is scaled: it is deregistered for the change, and registered again
    - create-endpoint  endpoint-config    fraud-ffffffffffff
        because: an older version
    ");
    aws.clear_requests();
    scene.apply();
    let about = |write: &String| write.starts_with("application-autoscaling:") || write.contains("UpdateEndpoint");
    let writes: Vec<_> = aws.writes().into_iter().filter(about).collect();
    insta::assert_snapshot!(writes.join("\n"), @"
    application-autoscaling:DeregisterScalableTarget endpoint/fraud/variant/main
    sagemaker:UpdateEndpoint fraud
    application-autoscaling:RegisterScalableTarget endpoint/fraud/variant/main
    application-autoscaling:PutScalingPolicy endpoint/fraud/variant/main
    application-autoscaling:RegisterScalableTarget endpoint/fraud/variant/main
    application-autoscaling:PutScalingPolicy endpoint/fraud/variant/main
    ");
    assert_eq!(config(&aws)["ProductionVariants"][0]["InstanceType"], "ml.c5.xlarge");
    assert_eq!((&target(&aws)["MinCapacity"], &target(&aws)["MaxCapacity"]), (&json!(1), &json!(6)));
    assert_eq!(variant(&aws)["DesiredInstanceCount"], 3);
    scene.keeps_all(OURS);
}

#[test]
fn what_is_asked_for_no_more_goes_and_the_files_count_holds() {
    let scene = deployed(ALL);
    let aws = scene.aws();
    scale(&aws, 4);
    scene.write(&on("{ instances: { type: ml.m5.large, count: 3 } }"));
    insta::assert_snapshot!(planned(&scene), @"
    + create-endpoint  model              fraud-ffffffffffff
        image  683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1
        data   s3://fraud-000000000000-us-east-1/models/ffffffffffff/model.tar.gz
        role   arn:aws:iam::000000000000:role/runner/fraud-us-east-1-sagemaker
    + create-endpoint  endpoint-config    fraud-ffffffffffff
        model     fraud-ffffffffffff
        capacity  3 x ml.m5.large
    ~ create-endpoint  endpoint           fraud
        config  fraud-ffffffffffff -> fraud-ffffffffffff
        count   4 -> 3
    - create-endpoint  autoscaling        endpoint/fraud/variant/main
        because: the pipeline file asks for it no longer
    - create-endpoint  alarm              fraud-latency
        because: the pipeline file asks for it no longer
    - create-endpoint  alarm              fraud-errors
        because: the pipeline file asks for it no longer
    - create-endpoint  endpoint-config    fraud-ffffffffffff
        because: an older version
    - create-endpoint  model              fraud-ffffffffffff
        because: an older version
    ");
    aws.clear_requests();
    scene.apply();
    let writes = aws.writes();
    let at = |name: &str| writes.iter().position(|write| write.contains(name));
    assert!(at("DeregisterScalableTarget") < at("UpdateEndpoint"), "it could scale the file's count away: {writes:?}");
    scene.keeps_all(OURS);
    assert_eq!((of_kind(&aws, "scalable-target"), of_kind(&aws, "alarm")), (vec![], vec![]));
    assert_eq!(variant(&aws)["DesiredInstanceCount"], 3);
    assert_eq!(endpoint(&aws).get("DataCaptureConfig"), None);
    assert_eq!(config(&aws).get("KmsKeyId"), None);
    scene.answers(OURS);

    // The same where nothing else changes, so that the endpoint itself is kept.
    scene.write(&on(&SCALED.replace("large }", "large, count: 3 }")));
    scene.apply();
    scene.write(&on("{ instances: { type: ml.m5.large, count: 3 } }"));
    insta::assert_snapshot!(planned(&scene), @"
    - create-endpoint  autoscaling        endpoint/fraud/variant/main
        because: the pipeline file asks for it no longer
    ");
    scene.apply();
    scene.keeps_all(OURS);
}

#[test]
fn captures_follow_the_file_and_what_somebody_else_captures_is_put_right() {
    let captured =
        |share: &str| SCALED.replace("autoscaling", &format!("data-capture: {{ share: {share} }}, autoscaling"));
    let percent = |aws: &Aws| endpoint(aws)["DataCaptureConfig"]["CurrentSamplingPercentage"].clone();
    let scene = deployed(&captured("0.2"));
    let aws = scene.aws();
    assert_eq!(percent(&aws), 20);
    scene.write(&on(&captured("0.5")));
    insta::assert_snapshot!(planned(&scene), @"
    + create-endpoint  endpoint-config    fraud-ffffffffffff
        model     fraud-ffffffffffff
        capacity  1 x ml.m5.large
        captures  50 % of the traffic: requests and answers, to s3://fraud-000000000000-us-east-1/captures
    ~ create-endpoint  endpoint           fraud
        config    fraud-ffffffffffff -> fraud-ffffffffffff
        captures  20 % of the traffic -> 50 % of the traffic
    - create-endpoint  endpoint-config    fraud-ffffffffffff
        because: an older version
    ");
    scene.apply();
    assert_eq!(percent(&aws), 50, "what is retained for autoscaling does not hold it back");
    scene.keeps_all(OURS);

    let theirs = json!({ "EndpointConfigName": "theirs", "ProductionVariants": config(&aws)["ProductionVariants"] });
    aws.sagemaker("CreateEndpointConfig", &theirs);
    aws.sagemaker("UpdateEndpoint", &json!({ "EndpointName": "fraud", "EndpointConfigName": "theirs" }));
    until(|| endpoint(&aws)["EndpointStatus"] == "InService");
    insta::assert_snapshot!(planned(&scene), @"
    ~ create-endpoint  endpoint           fraud
        config    theirs -> fraud-ffffffffffff
        captures  (unset) -> 50 % of the traffic
    ");
    scene.apply();
    assert_eq!(percent(&aws), 50);
    scene.keeps_all(OURS);
}

#[test]
fn warm_requests_are_provisioned_scaled_and_given_up() {
    let warm = "{ serverless: { memory-mb: 1024, max-concurrency: 10, provisioned-concurrency: 2 } }";
    let scene = deployed(warm);
    let aws = scene.aws();
    scene.keeps_all(OURS);
    let wanted = json!([{ "VariantName": "main", "ServerlessUpdateConfig": { "ProvisionedConcurrency": 5 } }]);
    let body = json!({ "EndpointName": "fraud", "DesiredWeightsAndCapacities": wanted });
    aws.sagemaker("UpdateEndpointWeightsAndCapacities", &body);
    until(|| endpoint(&aws)["EndpointStatus"] == "InService");
    insta::assert_snapshot!(planned(&scene), @"
    ~ create-endpoint  endpoint           fraud
        concurrency  at most 10 at once, 5 kept warm -> at most 10 at once, 2 kept warm
    ");
    scene.apply();
    assert_eq!(variant(&aws)["CurrentServerlessConfig"]["ProvisionedConcurrency"], 2);

    scene.write(&on(&warm.replace(" } }", " }, autoscaling: { min: 2, max: 6, utilization: 0.5 } }")));
    scene.apply();
    scene.keeps_all(OURS);
    assert_eq!(target(&aws)["ScalableDimension"], "sagemaker:variant:DesiredProvisionedConcurrency");
    let wanted = json!({ "ResourceId": VARIANT, "ServiceNamespace": "sagemaker", "MinCapacity": 4,
                         "ScalableDimension": "sagemaker:variant:DesiredProvisionedConcurrency" });
    aws.autoscaling("RegisterScalableTarget", &wanted);
    until(|| variant(&aws)["CurrentServerlessConfig"]["ProvisionedConcurrency"] == 4);
    insta::assert_snapshot!(planned(&scene), @"
    ~ create-endpoint  autoscaling        endpoint/fraud/variant/main
        min  4 -> 2
    ");
    scene.apply();
    scene.keeps_all(OURS);

    scene.write(&on("{ serverless: { memory-mb: 1024, max-concurrency: 10 } }"));
    scene.apply();
    scene.keeps_all(OURS);
    assert_eq!(variant(&aws)["CurrentServerlessConfig"].get("ProvisionedConcurrency"), None);
    assert_eq!(of_kind(&aws, "scalable-target"), Vec::<String>::new());
}

#[test]
fn whoever_may_not_look_at_autoscaling_or_alarms_is_told_so() {
    let scene = deployed("{}");
    let aws = scene.aws();
    for (service, operation, action) in [
        ("application-autoscaling", "DescribeScalableTargets", "application-autoscaling:DescribeScalableTargets"),
        ("monitoring", "DescribeAlarms", "cloudwatch:DescribeAlarms"),
    ] {
        let refuse = json!({ "status": 400, "code": "AccessDeniedException", "message": "not you" });
        aws.put_faults(
            &json!([{ "match": { "service": service, "operation": operation }, "fault": { "refuse": refuse } }]),
        );
        // An earlier file may have asked for them: they would be left behind, and autoscaling would go on.
        let refused = scene.runner(&["plan"]).exits(1);
        assert!(refused.stderr.contains(action), "{}", refused.stderr);
    }
    aws.clear_faults();
}

#[test]
fn an_alarm_of_the_users_that_is_not_there_stops_the_apply_before_the_endpoint() {
    let scene = Scene::new(&on("{ instances: { type: ml.m5.large }, rollback-on: { alarms: [theirs] } }"));
    let refused = scene.runner(&["apply"]).exits(3);
    assert!(refused.stderr.contains("alarm `theirs`"), "{}", refused.stderr);
    let aws = scene.aws();
    assert_eq!(of_kind(&aws, "endpoint"), Vec::<String>::new());
    let plan = scene.runner(&["plan"]).exits(0).stdout;
    assert!(plan.contains("state.theirs  (missing)"), "{plan}");
    aws.cloudwatch(
        "PutMetricAlarm",
        &json!({ "AlarmName": "theirs", "Namespace": "Theirs", "MetricName": "Errors", "Statistic": "Sum", "Period": 60,
                 "EvaluationPeriods": 1, "Threshold": 1.0, "ComparisonOperator": "GreaterThanThreshold" }),
    );
    scene.apply();
    scene.keeps_all(OURS);
    scene.runner(&["teardown"]).exits(0);
    assert_eq!(of_kind(&aws, "alarm"), ["theirs"], "it is theirs");
}
