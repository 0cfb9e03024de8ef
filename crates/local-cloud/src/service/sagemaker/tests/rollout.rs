//! Traffic that moves in steps, alarms that take it back, and ends that only AWS knows.

use super::permissions::{ROLE, allow, create_role};
use super::*;
use crate::faults::Outcome;
use crate::service::cloudwatch::OwnAlarm;

const SECOND: Duration = Duration::from_millis(2);

/// A cloud with `old` in service and a config `new`.
async fn ready(second: Duration) -> (Arc<Cloud>, TempDir) {
    let (cloud, dir) = fresh_with_second(second).await;
    deployed(&cloud, "old").await;
    config(&cloud, "new", json!({ "GENERATION": "new" })).await;
    (cloud, dir)
}

fn canary(percent: u32, wait_s: u32, alarms: &[&str]) -> Value {
    let size = json!({ "Type": "CAPACITY_PERCENT", "Value": percent });
    let alarms: Vec<_> = alarms.iter().map(|name| json!({ "AlarmName": name })).collect();
    let mut config = json!({
        "BlueGreenUpdatePolicy": {
            "TrafficRoutingConfiguration": { "Type": "CANARY", "WaitIntervalInSeconds": wait_s, "CanarySize": size },
            "TerminationWaitInSeconds": 100,
        },
    });
    if !alarms.is_empty() {
        config["AutoRollbackConfiguration"] = json!({ "Alarms": alarms });
    }
    config
}

async fn update(cloud: &Arc<Cloud>, deployment: &Value) -> Result<Value, String> {
    let body = json!({ "EndpointName": "Fraud", "EndpointConfigName": "new", "DeploymentConfig": deployment });
    call(cloud, "UpdateEndpoint", body).await
}

async fn ending(cloud: &Arc<Cloud>, operation: &str, config: &str, outcome: Outcome) -> Value {
    let body = endpoint(config).to_string();
    let call = Call { outcome: Some(outcome), ..request(operation, "/", body.into()) };
    handle(cloud, &call).await.unwrap();
    settled(cloud).await
}

async fn described(cloud: &Arc<Cloud>) -> Value {
    call(cloud, "DescribeEndpoint", json!({ "EndpointName": "Fraud" })).await.unwrap()
}

/// Waits until the new servers are at a stage, and describes the endpoint then.
async fn stage(cloud: &Arc<Cloud>, stage: &str, message: &str) -> Value {
    let start = Instant::now();
    loop {
        let endpoint = described(cloud).await;
        let status = &endpoint["PendingDeploymentSummary"]["ProductionVariants"][0]["VariantStatus"][0];
        if status["Status"] == stage && status["StatusMessage"] == message {
            return endpoint;
        }
        assert_ne!(endpoint["EndpointStatus"], "InService", "it never was {stage}, {message}");
        assert!(start.elapsed() < Duration::from_secs(30), "it stays {status}");
        sleep(Duration::from_millis(1)).await;
    }
}

/// Of a hundred requests, those that the new servers answer.
async fn share_of_new(cloud: &Arc<Cloud>) -> usize {
    let mut new = 0;
    for _ in 0..100 {
        new += usize::from(told(cloud, "Fraud", "x").await == "new says x");
    }
    new
}

/// An alarm that rings as long as there has been an error within the last minute.
fn alarm(cloud: &Cloud, name: &str) {
    let own = OwnAlarm {
        name: name.to_owned(),
        namespace: "Test",
        metric: "Errors",
        statistic: "Sum",
        dimensions: vec![],
        above: true,
        threshold: 0.5,
        periods: 1,
    };
    cloud.cloudwatch.put_own(&own).unwrap();
}

fn ring(cloud: &Cloud) {
    cloud.cloudwatch.record("Test", "Errors", &[], 1.0);
}

#[tokio::test]
async fn a_canary_gets_its_share_and_then_everything() {
    let (cloud, _dir) = ready(SECOND).await;
    let old = told(&cloud, "Fraud", "pid").await;
    update(&cloud, &canary(30, 1000, &[])).await.unwrap();
    let endpoint = stage(&cloud, "Baking", "30 % of the traffic").await;
    assert_eq!((&endpoint["EndpointConfigName"], &endpoint["EndpointStatus"]), (&json!("old"), &json!("Updating")));
    assert_eq!(endpoint["PendingDeploymentSummary"]["ProductionVariants"][0]["CurrentInstanceCount"], 1);
    let new = share_of_new(&cloud).await;
    assert!((10..=55).contains(&new), "{new} of 100 went to the canary");
    stage(&cloud, "Baking", "100 % of the traffic").await;
    assert_eq!(share_of_new(&cloud).await, 100);
    assert!(is_alive(&old), "the old servers are there to go back to");
    let endpoint = stage(&cloud, "Deleting", "100 % of the traffic").await;
    assert_eq!(endpoint["ProductionVariants"][0]["VariantStatus"][0]["Status"], "Deleting");
    let after = settled(&cloud).await;
    assert_eq!((&after["EndpointConfigName"], after.get("FailureReason")), (&json!("new"), None));
    assert_eq!(after["LastDeploymentConfig"], canary(30, 1000, &[]));
    assert_eq!(after["ProductionVariants"][0].get("VariantStatus"), None);
    cloud.shut_down().await;
    assert!(!is_alive(&old));
}

#[tokio::test]
async fn an_alarm_takes_the_traffic_back_without_a_failed_request() {
    let (cloud, _dir) = ready(SECOND).await;
    alarm(&cloud, "errors");
    update(&cloud, &canary(50, 3600, &["errors"])).await.unwrap();
    stage(&cloud, "Baking", "50 % of the traffic").await;
    assert!(share_of_new(&cloud).await > 0);
    ring(&cloud);
    while described(&cloud).await["EndpointStatus"] != "InService" {
        told(&cloud, "Fraud", "x").await;
    }
    let after = described(&cloud).await;
    assert_eq!(after["EndpointConfigName"], "old");
    insta::assert_snapshot!(after["FailureReason"].as_str().unwrap(), @"One or more alarms of the deployment are in ALARM: [errors]. It was rolled back.");
    assert_eq!(share_of_new(&cloud).await, 0);
    cloud.shut_down().await;
}

#[tokio::test]
async fn an_alarm_that_rings_already_lets_no_traffic_move() {
    let (cloud, _dir) = ready(Duration::from_secs(1)).await;
    alarm(&cloud, "errors");
    ring(&cloud);
    update(&cloud, &canary(50, 0, &["errors"])).await.unwrap();
    let after = settled(&cloud).await;
    assert_eq!(after["EndpointConfigName"], "old");
    assert!(after["FailureReason"].as_str().unwrap().contains("[errors]"), "{after}");
    cloud.shut_down().await;
}

#[tokio::test]
async fn alarms_are_read_as_the_endpoints_role() {
    let (cloud, _dir) = ready(SECOND).await;
    alarm(&cloud, "errors");
    create_role(&cloud, "sagemaker.amazonaws.com").await;
    let pulls = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer", "ecr:GetAuthorizationToken"];
    allow(&cloud, json!(pulls), "*").await;
    let container = json!({ "Image": IMAGE, "Environment": { "GENERATION": "role" } });
    let model = json!({ "ModelName": "role", "PrimaryContainer": container, "ExecutionRoleArn": ROLE });
    call(&cloud, "CreateModel", model).await.unwrap();
    let variant = json!({ "VariantName": "AllTraffic", "ModelName": "role", "InstanceType": "ml.t2.medium",
                          "InitialInstanceCount": 1 });
    let body = json!({ "EndpointConfigName": "role", "ProductionVariants": [variant] });
    call(&cloud, "CreateEndpointConfig", body).await.unwrap();
    let body = json!({ "EndpointName": "Fraud", "EndpointConfigName": "role",
                       "DeploymentConfig": canary(50, 0, &["errors"]) });
    call(&cloud, "UpdateEndpoint", body.clone()).await.unwrap();
    let after = settled(&cloud).await;
    insta::assert_snapshot!(after["FailureReason"].as_str().unwrap(), @"The role 'arn:aws:iam::123456789012:role/ex' does not have DescribeAlarms permission for the alarms of the deployment.");
    allow(&cloud, json!([pulls[0], pulls[1], pulls[2], "cloudwatch:DescribeAlarms"]), "*").await;
    call(&cloud, "UpdateEndpoint", body).await.unwrap();
    assert_eq!(settled(&cloud).await["EndpointConfigName"], "role");
    cloud.shut_down().await;
}

#[tokio::test]
async fn a_rollout_goes_on_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let delays = Delays { second: SECOND, ..Delays::default() };
    let cloud = open_with(dir.path(), delays).await;
    deployed(&cloud, "old").await;
    config(&cloud, "new", json!({ "GENERATION": "new" })).await;
    update(&cloud, &canary(50, 300, &[])).await.unwrap();
    stage(&cloud, "Baking", "50 % of the traffic").await;
    cloud.shut_down().await;
    let cloud = open_with(dir.path(), delays).await;
    stage(&cloud, "Baking", "50 % of the traffic").await;
    let new = share_of_new(&cloud).await;
    assert!((20..=80).contains(&new), "{new}");
    assert_eq!(settled(&cloud).await["EndpointConfigName"], "new");
    cloud.shut_down().await;
}

#[tokio::test]
async fn what_cannot_be_rolled_out_so_is_refused() {
    let (cloud, _dir) = ready(SECOND).await;
    let with = |change: &dyn Fn(&mut Value)| {
        let mut config = canary(10, 60, &[]);
        change(&mut config);
        config
    };
    let refused = [
        with(&|it| it["RollingUpdatePolicy"] = json!({})),
        with(&|it| it["AutoRollbackConfiguration"] = json!({ "Alarms": [{ "AlarmName": "nobody's" }] })),
        with(&|it| it["AutoRollbackConfiguration"] = json!({ "Alarms": [] })),
        with(&|it| it["BlueGreenUpdatePolicy"]["TrafficRoutingConfiguration"]["CanarySize"]["Value"] = json!(60)),
        with(&|it| it["BlueGreenUpdatePolicy"]["TrafficRoutingConfiguration"]["CanarySize"] = Value::Null),
        with(&|it| it["BlueGreenUpdatePolicy"]["TrafficRoutingConfiguration"]["Type"] = json!("LINEAR")),
        with(&|it| it["BlueGreenUpdatePolicy"]["TrafficRoutingConfiguration"]["Type"] = json!("ROUND")),
        with(&|it| it["BlueGreenUpdatePolicy"]["TrafficRoutingConfiguration"]["WaitIntervalInSeconds"] = json!(3601)),
        with(&|it| it["BlueGreenUpdatePolicy"]["TerminationWaitInSeconds"] = json!(-1)),
        with(&|it| it["BlueGreenUpdatePolicy"]["MaximumExecutionTimeoutInSeconds"] = json!(599)),
        with(&|it| {
            it["BlueGreenUpdatePolicy"]["MaximumExecutionTimeoutInSeconds"] = json!(1000);
            it["BlueGreenUpdatePolicy"]["TrafficRoutingConfiguration"]["WaitIntervalInSeconds"] = json!(450);
        }),
    ];
    let mut said = vec![];
    for config in refused {
        said.push(update(&cloud, &config).await.unwrap_err());
    }
    insta::assert_snapshot!(said.join("\n"), @r#"
    NotImplemented: the local cloud does not offer `RollingUpdatePolicy` in `DeploymentConfig` of UpdateEndpoint
    ValidationException: Could not find alarm "nobody's".
    ValidationException: 1 validation error detected: Value '[]' at 'deploymentConfig.autoRollbackConfiguration.alarms' failed to satisfy constraint: Member must have length greater than or equal to 1
    ValidationException: CanarySize must be between 0 and 50 percent of the instances.
    ValidationException: CanarySize is required for this type of traffic routing.
    ValidationException: LinearStepSize is required for this type of traffic routing.
    ValidationException: 1 validation error detected: Value 'ROUND' at 'deploymentConfig.blueGreenUpdatePolicy.trafficRoutingConfiguration.type' failed to satisfy constraint: Member must satisfy enum value set: [LINEAR, CANARY, ALL_AT_ONCE]
    ValidationException: 1 validation error detected: Value '3601' at 'deploymentConfig.blueGreenUpdatePolicy.trafficRoutingConfiguration.waitIntervalInSeconds' failed to satisfy constraint: Member must have value less than or equal to 3600
    ValidationException: 1 validation error detected: Value '-1' at 'deploymentConfig.blueGreenUpdatePolicy.terminationWaitInSeconds' failed to satisfy constraint: Member must have value greater than or equal to 0
    ValidationException: 1 validation error detected: Value '599' at 'deploymentConfig.blueGreenUpdatePolicy.maximumExecutionTimeoutInSeconds' failed to satisfy constraint: Member must have value greater than or equal to 600
    ValidationException: MaximumExecutionTimeoutInSeconds must be larger than the total waiting time in TerminationWaitInSeconds and WaitIntervalInSeconds.
    "#);
    assert_eq!(described(&cloud).await["EndpointStatus"], "InService");
    cloud.shut_down().await;
}

#[tokio::test]
async fn a_new_endpoint_without_machines_fails() {
    let (cloud, _dir) = fresh().await;
    config(&cloud, "one", json!({})).await;
    let after = ending(&cloud, "CreateEndpoint", "one", Outcome::NoCapacity).await;
    assert_eq!(after["EndpointStatus"], "Failed");
    assert!(after["FailureReason"].as_str().unwrap().contains("InsufficientInstanceCapacity"), "{after}");
    cloud.shut_down().await;
}

#[tokio::test]
async fn updates_end_as_they_are_told_to() {
    let (cloud, _dir) = ready(SECOND).await;
    let after = ending(&cloud, "UpdateEndpoint", "new", Outcome::NoCapacity).await;
    assert_eq!((&after["EndpointStatus"], &after["EndpointConfigName"]), (&json!("InService"), &json!("old")));
    assert!(after["FailureReason"].as_str().unwrap().contains("InsufficientInstanceCapacity"), "{after}");

    let after = ending(&cloud, "UpdateEndpoint", "new", Outcome::SilentRollback).await;
    assert_eq!((&after["EndpointStatus"], &after["EndpointConfigName"]), (&json!("InService"), &json!("old")));
    assert_eq!(after.get("FailureReason"), None);
    assert_eq!(share_of_new(&cloud).await, 0);

    let after = ending(&cloud, "UpdateEndpoint", "new", Outcome::RollbackFailed).await;
    assert_eq!(after["EndpointStatus"], "UpdateRollbackFailed");
    assert!((20..=80).contains(&share_of_new(&cloud).await), "both generations answer");
    call(&cloud, "UpdateEndpoint", endpoint("old")).await.unwrap();
    let after = settled(&cloud).await;
    assert_eq!((&after["EndpointStatus"], after.get("FailureReason")), (&json!("InService"), None));
    assert_eq!(share_of_new(&cloud).await, 0);

    let after = ending(&cloud, "UpdateEndpoint", "new", Outcome::MaintainedMs(100)).await;
    assert_eq!((&after["EndpointStatus"], &after["EndpointConfigName"]), (&json!("SystemUpdating"), &json!("new")));
    let busy = call(&cloud, "UpdateEndpoint", endpoint("old")).await.unwrap_err();
    assert!(busy.contains("Cannot update in-progress endpoint"), "{busy}");
    while described(&cloud).await["EndpointStatus"] != "InService" {
        assert_eq!(share_of_new(&cloud).await, 100);
    }
    cloud.shut_down().await;
}

#[tokio::test]
async fn an_endpoint_with_two_generations_can_be_deleted_and_comes_back_with_the_old_one() {
    let dir = tempfile::tempdir().unwrap();
    let cloud = open(dir.path(), Duration::ZERO).await;
    deployed(&cloud, "old").await;
    config(&cloud, "new", json!({ "GENERATION": "new" })).await;
    ending(&cloud, "UpdateEndpoint", "new", Outcome::RollbackFailed).await;
    cloud.shut_down().await;
    let cloud = open(dir.path(), Duration::ZERO).await;
    assert_eq!(described(&cloud).await["EndpointStatus"], "UpdateRollbackFailed");
    assert_eq!(share_of_new(&cloud).await, 0);
    ending(&cloud, "UpdateEndpoint", "new", Outcome::RollbackFailed).await;
    call(&cloud, "DeleteEndpoint", json!({ "EndpointName": "Fraud" })).await.unwrap();
    gone(&cloud).await;
    cloud.shut_down().await;
}
