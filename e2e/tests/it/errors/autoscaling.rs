//! Application Auto Scaling.

use serde_json::{Value as Json, json};

use super::bench::{Bench, Said};
use super::{Case, each_is_answered_as_on_aws};

const CASES: &[Case] = &[
    ("PutScalingPolicy/DeregisterScalableTarget", "target not registered", |b| {
        let said = ask(b, "DeregisterScalableTarget", &json!({}));
        let metric = json!({ "PredefinedMetricType": "SageMakerVariantInvocationsPerInstance" });
        let tracking = json!({ "TargetValue": 100.0, "PredefinedMetricSpecification": metric });
        let policy = json!({
            "PolicyName": "p", "PolicyType": "TargetTrackingScaling", "TargetTrackingScalingPolicyConfiguration": tracking,
        });
        assert_eq!(ask(b, "PutScalingPolicy", &policy).to_string(), said.to_string());
        said
    }),
    ("RegisterScalableTarget", "endpoint or variant absent / not in service", |b| {
        ask(b, "RegisterScalableTarget", &json!({ "MinCapacity": 1, "MaxCapacity": 2 }))
    }),
];

#[test]
fn autoscaling_answers_as_on_aws() {
    each_is_answered_as_on_aws("application-autoscaling", &Bench::empty(&["--region", "us-east-1"]), CASES);
}

/// A call about an endpoint that is not there.
fn ask(b: &Bench, operation: &str, more: &Json) -> Said {
    let dimension = "sagemaker:variant:DesiredInstanceCount";
    let mut body = json!({
        "ServiceNamespace": "sagemaker", "ResourceId": "endpoint/none/variant/main", "ScalableDimension": dimension,
    });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    Said::of(&b.aws.ask_json("application-autoscaling", &format!("AnyScaleFrontendService.{operation}"), &body))
}
