//! The service as its callers see it, with endpoints behind it.

use crate::service::sagemaker::for_tests::{self as sagemaker, call, fresh_with_second, request, settled};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

use crate::Cloud;
use crate::server::{Service, dispatch};

const VARIANT: &str = "endpoint/Fraud/variant/AllTraffic";

/// The answer, or what was refused as `Code: message`.
async fn scale(cloud: &Arc<Cloud>, operation: &str, body: Value) -> Result<Value, String> {
    scale_as(cloud, operation, body, None).await
}

async fn scale_as(cloud: &Arc<Cloud>, operation: &str, body: Value, role: Option<&str>) -> Result<Value, String> {
    let mut request = request(operation, "/", body.to_string().into());
    request.caller.role = role.map(str::to_owned);
    match dispatch(cloud, Service::Autoscaling, &request).await {
        Ok(answer) => Ok(serde_json::from_slice(answer.body()).unwrap()),
        Err(refusal) => Err(format!("{} {}: {}", refusal.status.as_u16(), refusal.code, refusal.message)),
    }
}

fn of(rest: &Value) -> Value {
    let mut body = json!({ "ServiceNamespace": "sagemaker", "ResourceId": VARIANT,
                           "ScalableDimension": "sagemaker:variant:DesiredInstanceCount" });
    body.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
    body
}

fn bounds(min: i64, max: i64) -> Value {
    of(&json!({ "MinCapacity": min, "MaxCapacity": max, "Tags": { "runner:pipeline": "fraud" } }))
}

fn tracking(target: f64, scale_in: bool) -> Value {
    of(&json!({
        "PolicyName": "fraud", "PolicyType": "TargetTrackingScaling",
        "TargetTrackingScalingPolicyConfiguration": {
            "TargetValue": target, "DisableScaleIn": !scale_in, "ScaleInCooldown": 0, "ScaleOutCooldown": 0,
            "PredefinedMetricSpecification": { "PredefinedMetricType": "SageMakerVariantInvocationsPerInstance" },
        },
    }))
}

/// An endpoint `Fraud` on machines that can be scaled.
async fn deployed(cloud: &Arc<Cloud>, instance_type: &str) {
    config(cloud, "c", instance_type).await;
    call(cloud, "CreateEndpoint", json!({ "EndpointName": "Fraud", "EndpointConfigName": "c" })).await.unwrap();
    assert_eq!(settled(cloud).await["EndpointStatus"], "InService");
}

async fn config(cloud: &Arc<Cloud>, name: &str, instance_type: &str) {
    let container = json!({ "Image": sagemaker::IMAGE });
    call(cloud, "CreateModel", json!({ "ModelName": name, "PrimaryContainer": container })).await.unwrap();
    let variant = json!({ "VariantName": "AllTraffic", "ModelName": name, "InstanceType": instance_type,
                          "InitialInstanceCount": 1 });
    let body = json!({ "EndpointConfigName": name, "ProductionVariants": [variant] });
    call(cloud, "CreateEndpointConfig", body).await.unwrap();
}

fn count(described: &Value) -> i64 {
    described["ProductionVariants"][0]["DesiredInstanceCount"].as_i64().unwrap()
}

#[tokio::test]
async fn a_variant_is_registered_described_changed_and_deregistered() {
    let (cloud, _dir) = fresh_with_second(Duration::ZERO).await;
    deployed(&cloud, "ml.m5.large").await;
    let registered = scale(&cloud, "RegisterScalableTarget", bounds(1, 4)).await.unwrap();
    let arn = registered["ScalableTargetARN"].as_str().unwrap().to_owned();
    assert!(arn.starts_with("arn:aws:application-autoscaling:us-east-1:123456789012:scalable-target/"), "{arn}");
    let tags = scale(&cloud, "ListTagsForResource", json!({ "ResourceARN": arn })).await.unwrap();
    assert_eq!(tags, json!({ "Tags": { "runner:pipeline": "fraud" } }));
    let policy = scale(&cloud, "PutScalingPolicy", tracking(100.0, true)).await.unwrap();
    let alarms = policy["Alarms"].as_array().unwrap();
    assert_eq!(alarms.len(), 2, "{policy}");
    assert!(
        alarms[0]["AlarmName"]
            .as_str()
            .unwrap()
            .starts_with("TargetTracking-endpoint/Fraud/variant/AllTraffic-AlarmHigh-")
    );
    assert!(!cloud.cloudwatch.is_empty());

    // What is not said stays.
    scale(&cloud, "RegisterScalableTarget", of(&json!({ "MaxCapacity": 6 }))).await.unwrap();
    let suspend = of(&json!({ "SuspendedState": { "DynamicScalingInSuspended": true } }));
    scale(&cloud, "RegisterScalableTarget", suspend).await.unwrap();
    let described =
        scale(&cloud, "DescribeScalableTargets", json!({ "ServiceNamespace": "sagemaker", "ResourceIds": [VARIANT] }));
    let mut target = described.await.unwrap()["ScalableTargets"][0].take();
    target["CreationTime"].take();
    target["ScalableTargetARN"].take();
    insta::assert_json_snapshot!(target, @r#"
    {
      "CreationTime": null,
      "MaxCapacity": 6,
      "MinCapacity": 1,
      "ResourceId": "endpoint/Fraud/variant/AllTraffic",
      "RoleARN": "arn:aws:iam::123456789012:role/aws-service-role/sagemaker.application-autoscaling.amazonaws.com/AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint",
      "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
      "ScalableTargetARN": null,
      "ServiceNamespace": "sagemaker",
      "SuspendedState": {
        "DynamicScalingInSuspended": true,
        "DynamicScalingOutSuspended": false,
        "ScheduledScalingSuspended": false
      }
    }
    "#);
    // Without scaling in there is one alarm.
    let policy = scale(&cloud, "PutScalingPolicy", tracking(50.0, false)).await.unwrap();
    assert_eq!(policy["Alarms"].as_array().unwrap().len(), 1);
    let policies = scale(&cloud, "DescribeScalingPolicies", json!({ "ServiceNamespace": "sagemaker" })).await.unwrap();
    let policies = policies["ScalingPolicies"].as_array().unwrap();
    assert_eq!(policies.len(), 1);
    assert_eq!(policies[0]["TargetTrackingScalingPolicyConfiguration"]["TargetValue"], 50.0);

    scale(&cloud, "DeregisterScalableTarget", of(&json!({}))).await.unwrap();
    assert!(cloud.autoscaling.is_empty() && cloud.cloudwatch.is_empty());
    cloud.shut_down().await;
}

#[tokio::test]
async fn what_runs_is_brought_within_the_bounds() {
    let (cloud, _dir) = fresh_with_second(Duration::ZERO).await;
    deployed(&cloud, "ml.m5.large").await;
    scale(&cloud, "RegisterScalableTarget", bounds(3, 4)).await.unwrap();
    assert_eq!(count(&settled(&cloud).await), 3);
    cloud.shut_down().await;
}

#[tokio::test]
async fn a_busy_endpoint_grows_to_its_bound_and_an_idle_one_is_left_alone() {
    let (cloud, _dir) = fresh_with_second(Duration::from_millis(2)).await;
    deployed(&cloud, "ml.m5.large").await;
    scale(&cloud, "RegisterScalableTarget", bounds(1, 2)).await.unwrap();
    scale(&cloud, "PutScalingPolicy", tracking(3.0, true)).await.unwrap();
    // No data is no reason to scale in, or out.
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(count(&settled(&cloud).await), 1);
    for _ in 0..400 {
        for _ in 0..10 {
            sagemaker::told(&cloud, "Fraud", "x").await;
        }
        if count(&settled(&cloud).await) == 2 {
            cloud.shut_down().await;
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("it did not grow");
}

#[tokio::test]
async fn a_registered_variant_keeps_its_type_and_may_change_its_model() {
    let (cloud, _dir) = fresh_with_second(Duration::ZERO).await;
    deployed(&cloud, "ml.m5.large").await;
    scale(&cloud, "RegisterScalableTarget", bounds(1, 4)).await.unwrap();
    config(&cloud, "larger", "ml.m5.xlarge").await;
    config(&cloud, "newer", "ml.m5.large").await;
    let to = |name: &str| json!({ "EndpointName": "Fraud", "EndpointConfigName": name });
    insta::assert_snapshot!(call(&cloud, "UpdateEndpoint", to("larger")).await.unwrap_err(), @r#"ValidationException: Cannot change the instance type of variant "AllTraffic" of endpoint "arn:aws:sagemaker:us-east-1:123456789012:endpoint/fraud" while it is a target of automatic scaling. Deregister the variant from automatic scaling before you update the endpoint."#);
    call(&cloud, "UpdateEndpoint", to("newer")).await.unwrap();
    settled(&cloud).await;
    scale(&cloud, "DeregisterScalableTarget", of(&json!({}))).await.unwrap();
    call(&cloud, "UpdateEndpoint", to("larger")).await.unwrap();
    assert_eq!(settled(&cloud).await["EndpointConfigName"], "larger");
    cloud.shut_down().await;
}

#[tokio::test]
async fn a_deletion_deregisters_for_those_who_may() {
    let (cloud, _dir) = fresh_with_second(Duration::ZERO).await;
    deployed(&cloud, "ml.m5.large").await;
    scale(&cloud, "RegisterScalableTarget", bounds(1, 4)).await.unwrap();
    scale(&cloud, "PutScalingPolicy", tracking(3.0, true)).await.unwrap();
    call(&cloud, "DeleteEndpoint", json!({ "EndpointName": "Fraud" })).await.unwrap();
    assert!(cloud.autoscaling.is_empty() && cloud.cloudwatch.is_empty());
    cloud.shut_down().await;
}

#[tokio::test]
async fn wrong_requests_are_refused() {
    let (cloud, _dir) = fresh_with_second(Duration::ZERO).await;
    let mut told = vec![];
    let other = |member: &str, value: &str| {
        let mut body = bounds(1, 4);
        body[member] = value.into();
        body
    };
    let mut wrong_metric = tracking(3.0, true);
    wrong_metric["TargetTrackingScalingPolicyConfiguration"]["PredefinedMetricSpecification"] =
        json!({ "PredefinedMetricType": "LambdaProvisionedConcurrencyUtilization" });
    let cases = [
        ("RegisterScalableTarget", bounds(1, 4)),
        ("RegisterScalableTarget", other("ServiceNamespace", "ecs")),
        ("RegisterScalableTarget", other("ResourceId", "endpoint/Fraud")),
        ("RegisterScalableTarget", json!({})),
        ("PutScalingPolicy", tracking(3.0, true)),
        ("PutScalingPolicy", wrong_metric),
        ("DeregisterScalableTarget", of(&json!({}))),
        ("DeleteScalingPolicy", of(&json!({ "PolicyName": "fraud" }))),
        ("DescribeScalableTargets", json!({ "ServiceNamespace": "sagemaker", "NextToken": "x" })),
        ("ListTagsForResource", json!({ "ResourceARN": "arn" })),
        ("PutScheduledAction", json!({})),
    ];
    for (operation, body) in cases {
        told.push(scale(&cloud, operation, body).await.unwrap_err());
    }
    deployed(&cloud, "ml.t2.medium").await;
    told.push(scale(&cloud, "RegisterScalableTarget", bounds(1, 4)).await.unwrap_err());
    config(&cloud, "m5", "ml.m5.large").await;
    call(&cloud, "UpdateEndpoint", json!({ "EndpointName": "Fraud", "EndpointConfigName": "m5" })).await.unwrap();
    settled(&cloud).await;
    for body in [of(&json!({ "MinCapacity": 1 })), bounds(5, 4)] {
        told.push(scale(&cloud, "RegisterScalableTarget", body).await.unwrap_err());
    }
    insta::assert_snapshot!(told.join("\n"), @"
    400 ValidationException: Could not find variant AllTraffic of endpoint Fraud in service.
    400 ValidationException: 1 validation error detected: Value 'ecs' at 'serviceNamespace' failed to satisfy constraint: Member must satisfy enum value set: [sagemaker]
    400 ValidationException: Unsupported service namespace, resource type or scalable dimension
    400 ValidationException: 3 validation errors detected: Value null at 'serviceNamespace' failed to satisfy constraint: Member must not be null; Value null at 'resourceId' failed to satisfy constraint: Member must not be null; Value null at 'scalableDimension' failed to satisfy constraint: Member must not be null
    400 ObjectNotFoundException: No scalable target registered for service namespace: sagemaker, resource ID: endpoint/Fraud/variant/AllTraffic, scalable dimension: sagemaker:variant:DesiredInstanceCount
    400 ValidationException: Scalable dimension sagemaker:variant:DesiredInstanceCount only supports the following predefined metric types: SageMakerVariantInvocationsPerInstance, SageMakerVariantConcurrentRequestsPerModelHighResolution
    400 ObjectNotFoundException: No scalable target registered for service namespace: sagemaker, resource ID: endpoint/Fraud/variant/AllTraffic, scalable dimension: sagemaker:variant:DesiredInstanceCount
    400 ObjectNotFoundException: No scaling policy found for service namespace: sagemaker, resource ID: endpoint/Fraud/variant/AllTraffic, scalable dimension: sagemaker:variant:DesiredInstanceCount, policy name: fraud
    400 InvalidNextTokenException: The next token is invalid.
    400 ResourceNotFoundException: The specified resource doesn't exist: arn
    501 NotImplemented: the local cloud does not offer the operation `PutScheduledAction` of Application Auto Scaling
    400 ValidationException: Burstable instance type ml.t2.medium does not support auto scaling.
    400 ValidationException: MinCapacity and MaxCapacity are required when a new scalable target is registered.
    400 ValidationException: Maximum capacity cannot be less than minimum capacity.
    ");
    cloud.shut_down().await;
}

#[tokio::test]
async fn a_role_needs_the_rights_of_all_services_that_it_acts_on() {
    let (cloud, _dir) = fresh_with_second(Duration::ZERO).await;
    deployed(&cloud, "ml.m5.large").await;
    sagemaker::create_role(&cloud, "lambda.amazonaws.com").await;
    let mut told = vec![];
    for actions in [
        json!(["sagemaker:*"]),
        json!(["application-autoscaling:*"]),
        json!(["application-autoscaling:*", "sagemaker:*"]),
        json!(["application-autoscaling:*", "sagemaker:*", "iam:CreateServiceLinkedRole"]),
    ] {
        sagemaker::allow(&cloud, actions, "*").await;
        let answer = scale_as(&cloud, "RegisterScalableTarget", bounds(1, 4), Some(sagemaker::ROLE)).await;
        told.push(answer.map_or_else(|error| error, |_| "registered".to_owned()));
    }
    insta::assert_snapshot!(told.join("\n"), @"
    400 AccessDeniedException: User: arn:aws:iam::123456789012:root is not authorized to perform: application-autoscaling:RegisterScalableTarget on resource: arn:aws:application-autoscaling:us-east-1:123456789012:scalable-target/* because no identity-based policy allows the application-autoscaling:RegisterScalableTarget action
    400 AccessDeniedException: User: arn:aws:iam::123456789012:root is not authorized to perform: sagemaker:DescribeEndpoint on resource: arn:aws:sagemaker:us-east-1:123456789012:endpoint/fraud because no identity-based policy allows the sagemaker:DescribeEndpoint action
    400 AccessDeniedException: User: arn:aws:iam::123456789012:root is not authorized to perform: iam:CreateServiceLinkedRole on resource: arn:aws:iam::123456789012:role/aws-service-role/sagemaker.application-autoscaling.amazonaws.com/AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint because no identity-based policy allows the iam:CreateServiceLinkedRole action
    registered
    ");
    cloud.shut_down().await;
}
