use serde_json::{Value as Json, json};

use super::*;
use crate::harness::{Pipeline, Scene, note};

/// What the SDK calls itself.
const AGENT: &str = "aws-sdk-rust/1.3 ua/2.1 api/test#1";

#[test]
fn every_request_of_a_whole_life_is_one_that_aws_would_accept() {
    let scene = Scene::new(&Pipeline::default());
    scene.apply();
    scene.write(&Pipeline { deploy_proxy: "{ memory-mb: 512, auth: iam }".to_owned(), ..Pipeline::trees(6) });
    scene.apply();
    scene.runner(&["teardown"]).exits(0);
    let Some(verdict) = judge(&scene.record()) else { return };
    note(&format!("{} operations: {:?}", verdict.operations.len(), verdict.operations));
    assert_eq!(verdict.faults, BTreeSet::new());
    for operation in [
        "apigateway:CreateRoute",
        "apigateway:UpdateRoute",
        "iam:PutRolePolicy",
        "lambda:CreateFunction",
        "logs:PutRetentionPolicy",
        "s3:PutBucketLifecycleConfiguration",
        "s3:PutBucketPolicy",
        "s3:PutObject",
        "sagemaker:CreateEndpointConfig",
        "sagemaker:InvokeEndpoint",
    ] {
        assert!(verdict.operations.contains(operation), "{operation} was not judged: {:?}", verdict.operations);
    }
}

/// A request in JSON with a target.
fn to_sagemaker(operation: &str, body: &Json) -> Request {
    let target = format!("SageMaker.{operation}");
    request(
        "sagemaker",
        "POST",
        "/",
        &[("x-amz-target", &target), ("content-type", "application/x-amz-json-1.1")],
        &body.to_string(),
    )
}

fn request(service: &str, method: &str, uri: &str, headers: &[(&str, &str)], body: &str) -> Request {
    let headers = headers.iter().chain(&[("user-agent", AGENT)]);
    Request {
        service: service.to_owned(),
        method: method.to_owned(),
        uri: uri.to_owned(),
        headers: headers.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        body: BASE64.encode(body),
    }
}

/// What is wrong with requests, one line a fault.
fn faults(requests: &[Request]) -> Option<String> {
    let models = Models::get()?;
    let mut verdict = Verdict::default();
    for request in requests {
        verdict.add(models, request);
    }
    Some(Vec::from_iter(verdict.faults).join("\n"))
}

#[test]
fn members_that_aws_would_refuse_are_told() {
    let tag = json!({ "Key": "runner:pipeline", "Value": "fraud" });
    let Some(faults) = faults(&[
        to_sagemaker("CreateEndpoint", &json!({ "EndpointName": "fraud" })),
        to_sagemaker("DescribeModel", &json!({ "ModelName": "fraud_detection" })),
        to_sagemaker("DeleteModel", &json!({ "ModelName": "f".repeat(64) })),
        to_sagemaker("DescribeEndpoint", &json!({ "EndpointName": "fraud", "Verbose": true })),
        to_sagemaker("ListModels", &json!({ "MaxResults": 101, "SortOrder": "Upwards" })),
        to_sagemaker(
            "AddTags",
            &json!({ "ResourceArn": "arn:aws:sagemaker:us-east-1:1:model/m", "Tags": vec![tag; 51] }),
        ),
        to_sagemaker("StopEndpoint", &json!({})),
    ]) else {
        return;
    };
    insta::assert_snapshot!(faults, @r"
    sagemaker: POST / SageMaker.StopEndpoint is no operation
    sagemaker:AddTags: ResourceArn: `arn:aws:sagemaker:us-east-1:1:model/m` does not match arn:aws[a-z-]*:sagemaker:[a-z0-9-]*:[0-9]{12}:.+
    sagemaker:AddTags: Tags: 51 items, and at most 50 are wanted
    sagemaker:CreateEndpoint: required member `EndpointConfigName` is missing
    sagemaker:DeleteModel: ModelName: 64 characters, and at most 63 are wanted
    sagemaker:DescribeEndpoint: Verbose: the model has no such member
    sagemaker:DescribeModel: ModelName: `fraud_detection` does not match [a-zA-Z0-9]([\-a-zA-Z0-9]*[a-zA-Z0-9])?
    sagemaker:ListModels: MaxResults: 101 is beyond the max of 100
    sagemaker:ListModels: SortOrder: `Upwards` is none of the 2 choices
    ");
}

#[test]
fn queries_paths_and_xml_are_read_by_their_protocols() {
    let form = ("content-type", "application/x-www-form-urlencoded");
    let Some(faults) = faults(&[
        request("iam", "POST", "/", &[form], "Action=GetRole&Version=2010-05-08&RoleName=a+role"),
        request(
            "iam",
            "POST",
            "/",
            &[form],
            "Action=TagRole&Version=2010-05-08&RoleName=r&Tags.member.1.Key=k&Tag.member.1.Value=v",
        ),
        request("iam", "POST", "/", &[form], "Action=GetRole&Version=2010-05-01&RoleName=r"),
        request(
            "lambda",
            "PUT",
            "/2015-03-31/functions/fraud/configuration",
            &[],
            r#"{"MemorySize": 64, "Runtime": "rust"}"#,
        ),
        request("lambda", "POST", "/2015-03-31/function", &[], "{}"),
        request("apigateway", "POST", "/v2/apis/a1/routes", &[], r#"{"target": "integrations/1"}"#),
        request(
            "s3",
            "PUT",
            "/b?versioning",
            &[("content-md5", "")],
            "<VersioningConfiguration><Status>On</Status></VersioningConfiguration>",
        ),
        request("s3", "PUT", "/b?tagging", &[], "<Tagging><TagSet><Tag><Key>k</Key></Tag></TagSet></Tagging>"),
        request("s3", "GET", "/b?list-type=2&max-keys=many&marker=a", &[], ""),
    ]) else {
        return;
    };
    insta::assert_snapshot!(faults, @r"
    apigateway:CreateRoute: required member `RouteKey` is missing
    iam: POST / is no operation
    iam:GetRole: RoleName: `a role` does not match [\w+=,.@-]+
    iam:TagRole: Tag.member.1.Value: the model has no such member
    iam:TagRole: Tags[0]: required member `Value` is missing
    lambda: POST /2015-03-31/function is no operation
    lambda:UpdateFunctionConfiguration: MemorySize: 64 is beyond the min of 128
    lambda:UpdateFunctionConfiguration: Runtime: `rust` is none of the 52 choices
    s3:ListObjectsV2: MaxKeys: `many` is no whole number
    s3:ListObjectsV2: marker: the model has no such member in the query
    s3:PutBucketTagging: Tagging.TagSet[0]: required member `Value` is missing
    s3:PutBucketTagging: the body has no checksum
    s3:PutBucketVersioning: VersioningConfiguration.Status: `On` is none of the 2 choices
    ");
}
