//! What goes with an endpoint's machines: captures, keys, networks, disks.

use super::permissions::{ROLE, allow, create_role};
use super::*;

/// A model `m` of the role, in a network or not.
async fn model(cloud: &Arc<Cloud>, network: Option<Value>) {
    let mut body = json!({ "ModelName": "m", "PrimaryContainer": { "Image": IMAGE }, "ExecutionRoleArn": ROLE });
    if let Some(network) = network {
        body["VpcConfig"] = network;
    }
    call(cloud, "CreateModel", body).await.unwrap();
}

fn variant(rest: &Value) -> Value {
    let mut variant = json!({ "VariantName": "main", "ModelName": "m" });
    variant.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
    variant
}

fn machines() -> Value {
    variant(&json!({ "InstanceType": "ml.m5.large", "InitialInstanceCount": 1 }))
}

fn config_of(variant: &Value, rest: &Value) -> Value {
    let mut config = json!({ "EndpointConfigName": "c", "ProductionVariants": [variant] });
    config.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
    config
}

fn capture(percent: u32) -> Value {
    json!({
        "EnableCapture": true, "InitialSamplingPercentage": percent, "DestinationS3Uri": "s3://bucket/captures",
        "CaptureOptions": [{ "CaptureMode": "Input" }, { "CaptureMode": "Output" }],
        "CaptureContentTypeHeader": { "CsvContentTypes": ["text/csv"] },
    })
}

async fn captured(cloud: &Arc<Cloud>, percent: u32) -> Value {
    model(cloud, None).await;
    let body = config_of(&machines(), &json!({ "DataCaptureConfig": capture(percent) }));
    call(cloud, "CreateEndpointConfig", body).await.unwrap();
    call(cloud, "CreateEndpoint", endpoint("c")).await.unwrap();
    settled(cloud).await
}

/// Asks with a content type and an id.
async fn scored(cloud: &Arc<Cloud>, body: &'static str) {
    let mut invocation = request("", "/endpoints/Fraud/invocations", body.into());
    invocation.headers.insert("content-type", "text/csv".parse().unwrap());
    invocation.headers.insert("x-amzn-sagemaker-inference-id", "order-7".parse().unwrap());
    assert_eq!(invoke(cloud, &invocation).await.unwrap().status(), 200);
}

#[tokio::test]
async fn requests_and_answers_are_captured_as_the_role() {
    let (cloud, _dir) = fresh().await;
    cloud.s3.bucket_for_test("bucket", &[]).await;
    create_role(&cloud, "sagemaker.amazonaws.com").await;
    allow(&cloud, json!(["ecr:*", "s3:PutObject"]), "*").await;
    let described = captured(&cloud, 100).await;
    insta::assert_json_snapshot!(described["DataCaptureConfig"], @r#"
    {
      "CaptureStatus": "Started",
      "CurrentSamplingPercentage": 100,
      "DestinationS3Uri": "s3://bucket/captures",
      "EnableCapture": true,
      "KmsKeyId": ""
    }
    "#);
    scored(&cloud, "1,2").await;
    cloud.shut_down().await;

    let keys = cloud.s3.keys("bucket", "").unwrap();
    let [key] = keys.as_slice() else { panic!("{keys:?}") };
    let hour = jiff::Timestamp::now().strftime("%Y/%m/%d/").to_string();
    assert!(key.starts_with(&format!("captures/Fraud/main/{hour}")), "{key}");
    assert!(std::path::Path::new(key).extension().is_some_and(|end| end == "jsonl"), "{key}");
    let lines = cloud.s3.object("bucket", key).unwrap();
    let mut line: Value = serde_json::from_slice(&lines).unwrap();
    for id in ["eventId", "inferenceTime"] {
        assert!(line["eventMetadata"][id].take().as_str().unwrap().len() >= 20);
    }
    insta::assert_json_snapshot!(line, @r#"
    {
      "captureData": {
        "endpointInput": {
          "data": "1,2",
          "encoding": "CSV",
          "mode": "INPUT",
          "observedContentType": "text/csv"
        },
        "endpointOutput": {
          "data": " says 1,2",
          "encoding": "CSV",
          "mode": "OUTPUT",
          "observedContentType": "text/csv"
        }
      },
      "eventMetadata": {
        "eventId": null,
        "inferenceId": "order-7",
        "inferenceTime": null
      },
      "eventVersion": "0"
    }
    "#);
}

#[tokio::test]
async fn what_the_role_may_not_write_is_not_captured_and_the_answers_go_on() {
    let (cloud, _dir) = fresh().await;
    cloud.s3.bucket_for_test("bucket", &[]).await;
    create_role(&cloud, "sagemaker.amazonaws.com").await;
    allow(&cloud, json!("ecr:*"), "*").await;
    captured(&cloud, 100).await;
    scored(&cloud, "1,2").await;
    cloud.shut_down().await;
    assert!(cloud.s3.keys("bucket", "").unwrap().is_empty());
}

#[tokio::test]
async fn what_the_buckets_policy_denies_is_not_captured() {
    let (cloud, _dir) = fresh().await;
    cloud.s3.bucket_for_test("bucket", &[]).await;
    create_role(&cloud, "sagemaker.amazonaws.com").await;
    allow(&cloud, json!(["ecr:*", "s3:PutObject"]), "*").await;
    let deny = json!({ "Effect": "Deny", "Principal": "*", "Action": "s3:PutObject",
                       "Resource": "arn:aws:s3:::bucket/captures/*" });
    let policy = json!({ "Version": "2012-10-17", "Statement": [deny] }).to_string();
    let put = s3s::dto::PutBucketPolicyInput::builder().bucket("bucket".to_owned()).policy(policy).build().unwrap();
    cloud.s3.put_bucket_policy(&put).unwrap();
    captured(&cloud, 100).await;
    scored(&cloud, "1,2").await;
    cloud.shut_down().await;
    assert!(cloud.s3.keys("bucket", "").unwrap().is_empty());
}

#[tokio::test]
async fn a_share_of_nothing_captures_nothing() {
    let (cloud, _dir) = fresh().await;
    cloud.s3.bucket_for_test("bucket", &[]).await;
    create_role(&cloud, "sagemaker.amazonaws.com").await;
    allow(&cloud, json!(["ecr:*", "s3:PutObject"]), "*").await;
    captured(&cloud, 0).await;
    scored(&cloud, "1,2").await;
    cloud.shut_down().await;
    assert!(cloud.s3.keys("bucket", "").unwrap().is_empty());
}

#[tokio::test]
async fn a_network_needs_a_role_that_may_make_interfaces() {
    let (cloud, _dir) = fresh().await;
    create_role(&cloud, "sagemaker.amazonaws.com").await;
    allow(&cloud, json!("ecr:*"), "*").await;
    let network = json!({ "Subnets": ["subnet-1", "subnet-2"], "SecurityGroupIds": ["sg-1"] });
    model(&cloud, Some(network.clone())).await;
    let described = call(&cloud, "DescribeModel", json!({ "ModelName": "m" })).await.unwrap();
    assert_eq!(described["VpcConfig"], network);
    call(&cloud, "CreateEndpointConfig", config_of(&machines(), &json!({}))).await.unwrap();
    let mut told = Vec::new();
    for actions in [json!("ecr:*"), json!(["ecr:*", "ec2:*"])] {
        allow(&cloud, actions, "*").await;
        call(&cloud, "CreateEndpoint", endpoint("c")).await.unwrap();
        told.push(settled(&cloud).await["FailureReason"].as_str().unwrap_or("in service").to_owned());
        call(&cloud, "DeleteEndpoint", json!({ "EndpointName": "Fraud" })).await.unwrap();
        gone(&cloud).await;
    }
    insta::assert_snapshot!(told.join("\n"), @"
    The role 'arn:aws:iam::123456789012:role/ex' does not have ec2:DescribeSubnets permission for the VPC of the model.
    in service
    ");
    cloud.shut_down().await;
}

#[tokio::test]
async fn what_a_config_holds_is_described_as_it_was_given() {
    let (cloud, _dir) = fresh().await;
    create_role(&cloud, "sagemaker.amazonaws.com").await;
    model(&cloud, None).await;
    let variant = variant(&json!({
        "InstanceType": "ml.m5.large", "InitialInstanceCount": 2, "VolumeSizeInGB": 30,
        "ContainerStartupHealthCheckTimeoutInSeconds": 600,
    }));
    let rest = json!({ "KmsKeyId": "alias/models", "DataCaptureConfig": capture(10) });
    call(&cloud, "CreateEndpointConfig", config_of(&variant, &rest)).await.unwrap();
    let described = call(&cloud, "DescribeEndpointConfig", json!({ "EndpointConfigName": "c" })).await.unwrap();
    assert_eq!(described["KmsKeyId"], "alias/models");
    assert_eq!(described["DataCaptureConfig"], capture(10));
    assert_eq!(described["ProductionVariants"][0]["VolumeSizeInGB"], 30);
    cloud.shut_down().await;
}

#[tokio::test]
async fn what_cannot_be_is_refused() {
    let (cloud, _dir) = fresh().await;
    create_role(&cloud, "sagemaker.amazonaws.com").await;
    model(&cloud, None).await;
    let on_demand = |rest: Value| {
        let mut serverless = json!({ "MemorySizeInMB": 1024, "MaxConcurrency": 5 });
        serverless.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        variant(&json!({ "ServerlessConfig": serverless }))
    };
    let local_disk = |rest: Value| {
        let mut machines = machines();
        machines["InstanceType"] = "ml.g5.xlarge".into();
        machines.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        machines
    };
    let mut too_much = capture(101);
    too_much["CaptureOptions"] = json!([]);
    too_much["DestinationS3Uri"] = "bucket".into();
    let network = json!({ "Subnets": [], "SecurityGroupIds": ["sg 1"] });
    let bad_model = json!({ "ModelName": "x", "PrimaryContainer": { "Image": IMAGE }, "VpcConfig": network });
    let mut told = Vec::new();
    for (operation, body) in [
        ("CreateEndpointConfig", config_of(&on_demand(json!({ "ProvisionedConcurrency": 6 })), &json!({}))),
        ("CreateEndpointConfig", config_of(&on_demand(json!({})), &json!({ "DataCaptureConfig": capture(1) }))),
        ("CreateEndpointConfig", config_of(&local_disk(json!({ "VolumeSizeInGB": 30 })), &json!({}))),
        ("CreateEndpointConfig", config_of(&local_disk(json!({})), &json!({ "KmsKeyId": "alias/models" }))),
        ("CreateEndpointConfig", config_of(&machines(), &json!({ "KmsKeyId": "no key" }))),
        ("CreateEndpointConfig", config_of(&machines(), &json!({ "DataCaptureConfig": too_much }))),
        ("CreateEndpointConfig", config_of(&machines(), &json!({ "DataCaptureConfig": {} }))),
        ("CreateModel", bad_model),
    ] {
        told.push(call(&cloud, operation, body).await.unwrap_err());
    }
    insta::assert_snapshot!(told.join("\n"), @"
    ValidationException: ProvisionedConcurrency must be less than or equal to MaxConcurrency.
    ValidationException: Data capture is not supported for serverless endpoints.
    ValidationException: VolumeSizeInGB parameter is not allowed for the selected Instance type ml.g5.xlarge.
    ValidationException: KmsKeyId parameter is not allowed for the selected Instance type ml.g5.xlarge.
    ValidationException: 1 validation error detected: Value 'no key' at 'kmsKeyId' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9:/_-]*
    ValidationException: 3 validation errors detected: Value '101' at 'dataCaptureConfig.initialSamplingPercentage' failed to satisfy constraint: Member must have value less than or equal to 100; Value 'bucket' at 'dataCaptureConfig.destinationS3Uri' failed to satisfy constraint: Member must satisfy regular expression pattern: (https|s3)://([^/])/?(.*); Value '[]' at 'dataCaptureConfig.captureOptions' failed to satisfy constraint: Member must have length greater than or equal to 1
    ValidationException: 3 validation errors detected: Value null at 'dataCaptureConfig.initialSamplingPercentage' failed to satisfy constraint: Member must not be null; Value null at 'dataCaptureConfig.destinationS3Uri' failed to satisfy constraint: Member must not be null; Value null at 'dataCaptureConfig.captureOptions' failed to satisfy constraint: Member must not be null
    ValidationException: 2 validation errors detected: Value 'sg 1' at 'vpcConfig.securityGroupIds.1.member' failed to satisfy constraint: Member must satisfy regular expression pattern: [-0-9a-zA-Z]+; Value '[]' at 'vpcConfig.subnets' failed to satisfy constraint: Member must have length greater than or equal to 1
    ");
    cloud.shut_down().await;
}
