//! What calls need to be allowed, service by service.

use std::path::Path;

use http::{HeaderMap, Method};
use serde_json::{Value, json};

use super::*;
use crate::{Config, Delays};

async fn open(dir: &Path) -> Arc<Cloud> {
    let config = Config {
        state_dir: dir.to_owned(),
        account: "123456789012".to_owned(),
        region: "eu-west-1".to_owned(),
        access_key_id: "AKIATEST".to_owned(),
        secret_access_key: "secret".to_owned(),
        base_url: String::new(),
        model_server: Vec::new(),
        training_program: Vec::new(),
        delays: Delays::default(),
    };
    Cloud::open(config).await.unwrap()
}

fn call(method: Method, path: &str, operation: &str, body: impl std::fmt::Display) -> Call {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    Call {
        operation: operation.to_owned(),
        method,
        path: path.to_owned(),
        query: form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
        headers: HeaderMap::new(),
        body: Bytes::from(body.to_string()),
        caller: Caller { arn: "arn:aws:iam::123456789012:user/local".to_owned(), role: None },
        request_id: "r".to_owned(),
        outcome: None,
    }
}

fn asked(cloud: &Cloud, service: Service, call: &Call) -> String {
    let needs = needs(cloud, service, call).into_iter();
    let words = needs.map(|need| format!("{} on {}", need.action, need.resource));
    // Account and region are those of the test.
    words.collect::<Vec<_>>().join(", ").replace(":eu-west-1:123456789012:", ":R:A:").replace("123456789012", "A")
}

#[tokio::test]
async fn sagemaker_asks_about_both_arns_about_tags_and_about_the_role() {
    let dir = tempfile::tempdir().unwrap();
    let cloud = open(dir.path()).await;
    let of =
        |operation: &str, body: Value| asked(&cloud, Service::SageMaker, &call(Method::POST, "/", operation, body));
    let tags = json!([{ "Key": "a", "Value": "b" }]);
    let role = "arn:aws:iam::123456789012:role/r";
    let told = [
        of("CreateModel", json!({ "ModelName": "M", "ExecutionRoleArn": role, "Tags": tags })),
        of("CreateModel", json!({ "ModelName": "m" })),
        of("DescribeModel", json!({ "ModelName": "m" })),
        of("ListModels", json!({})),
        of("CreateEndpointConfig", json!({ "EndpointConfigName": "c", "Tags": tags })),
        of("CreateEndpoint", json!({ "EndpointConfigName": "c", "EndpointName": "e", "Tags": tags })),
        of("UpdateEndpoint", json!({ "EndpointConfigName": "c", "EndpointName": "e" })),
        of("DeleteEndpoint", json!({ "EndpointName": "e" })),
        of("CreateTrainingJob", json!({ "TrainingJobName": "t", "RoleArn": role })),
        of("AddTags", json!({ "ResourceArn": "arn:x", "Tags": tags })),
    ];
    insta::assert_snapshot!(told.join("\n"), @"
    sagemaker:CreateModel on arn:aws:sagemaker:R:A:model/m, sagemaker:AddTags on arn:aws:sagemaker:R:A:model/m, iam:PassRole on arn:aws:iam::A:role/r
    sagemaker:CreateModel on arn:aws:sagemaker:R:A:model/m
    sagemaker:DescribeModel on arn:aws:sagemaker:R:A:model/m
    sagemaker:ListModels on *
    sagemaker:CreateEndpointConfig on arn:aws:sagemaker:R:A:endpoint-config/c, sagemaker:AddTags on arn:aws:sagemaker:R:A:endpoint-config/c
    sagemaker:CreateEndpoint on arn:aws:sagemaker:R:A:endpoint/e, sagemaker:CreateEndpoint on arn:aws:sagemaker:R:A:endpoint-config/c, sagemaker:AddTags on arn:aws:sagemaker:R:A:endpoint/e
    sagemaker:UpdateEndpoint on arn:aws:sagemaker:R:A:endpoint/e, sagemaker:UpdateEndpoint on arn:aws:sagemaker:R:A:endpoint-config/c
    sagemaker:DeleteEndpoint on arn:aws:sagemaker:R:A:endpoint/e
    sagemaker:CreateTrainingJob on arn:aws:sagemaker:R:A:training-job/t, iam:PassRole on arn:aws:iam::A:role/r
    sagemaker:AddTags on arn:x
    ");
    let invocation = call(Method::POST, "/endpoints/Fraud/invocations", "", "");
    let told = asked(&cloud, Service::Runtime, &invocation);
    assert_eq!(told, "sagemaker:InvokeEndpoint on arn:aws:sagemaker:R:A:endpoint/fraud");
}

#[tokio::test]
async fn lambda_asks_about_the_function_about_tags_code_and_role() {
    let dir = tempfile::tempdir().unwrap();
    let cloud = open(dir.path()).await;
    let of = |method: Method, path: &str, body: Value| asked(&cloud, Service::Lambda, &call(method, path, "", body));
    let (role, function) = ("arn:aws:iam::123456789012:role/r", "/2015-03-31/functions/f");
    let create =
        json!({ "FunctionName": "f", "Role": role, "Tags": { "a": "b" }, "Code": { "S3Bucket": "b", "S3Key": "k" } });
    let told = [
        of(Method::POST, "/2015-03-31/functions", create),
        of(Method::POST, "/2015-03-31/functions", json!({ "FunctionName": "f", "Role": role })),
        of(Method::GET, "/2015-03-31/functions/", json!({})),
        of(Method::GET, function, json!({})),
        of(Method::PUT, &format!("{function}/code"), json!({ "S3Bucket": "b", "S3Key": "k" })),
        of(Method::PUT, &format!("{function}/configuration"), json!({ "Role": role })),
        of(Method::PUT, &format!("{function}/configuration"), json!({ "MemorySize": 128 })),
        of(Method::POST, &format!("{function}/policy"), json!({ "Principal": "apigateway.amazonaws.com" })),
        of(Method::DELETE, &format!("{function}/policy/sid"), json!({})),
        of(Method::POST, &format!("{function}/invocations"), json!({})),
        of(Method::POST, "/2017-03-31/tags/arn%3Aaws%3Alambda%3Aeu-west-1%3A123456789012%3Afunction%3Af", json!({})),
    ];
    insta::assert_snapshot!(told.join("\n"), @"
    lambda:CreateFunction on arn:aws:lambda:R:A:function:f, lambda:TagResource on arn:aws:lambda:R:A:function:f, iam:PassRole on arn:aws:iam::A:role/r, s3:GetObject on arn:aws:s3:::b/k
    lambda:CreateFunction on arn:aws:lambda:R:A:function:f, iam:PassRole on arn:aws:iam::A:role/r
    lambda:ListFunctions on *
    lambda:GetFunction on arn:aws:lambda:R:A:function:f
    lambda:UpdateFunctionCode on arn:aws:lambda:R:A:function:f, s3:GetObject on arn:aws:s3:::b/k
    lambda:UpdateFunctionConfiguration on arn:aws:lambda:R:A:function:f, iam:PassRole on arn:aws:iam::A:role/r
    lambda:UpdateFunctionConfiguration on arn:aws:lambda:R:A:function:f
    lambda:AddPermission on arn:aws:lambda:R:A:function:f
    lambda:RemovePermission on arn:aws:lambda:R:A:function:f
    lambda:InvokeFunction on arn:aws:lambda:R:A:function:f
    lambda:TagResource on arn:aws:lambda:R:A:function:f
    ");
}

#[tokio::test]
async fn api_gateway_asks_about_a_verb_on_a_path() {
    let dir = tempfile::tempdir().unwrap();
    let cloud = open(dir.path()).await;
    let of =
        |method: Method, path: &str, body: Value| asked(&cloud, Service::ApiGateway, &call(method, path, "", body));
    let tags = json!({ "tags": { "a": "b" } });
    let told = [
        of(Method::GET, "/v2/apis", json!({})),
        of(Method::POST, "/v2/apis", json!({})),
        of(Method::POST, "/v2/apis", tags.clone()),
        of(Method::PATCH, "/v2/apis/a/routes/r", json!({})),
        of(Method::POST, "/v2/apis/a/stages", tags.clone()),
        of(Method::DELETE, "/v2/apis/a/stages/%24default", json!({})),
        of(Method::POST, "/v2/tags/arn%3Aaws%3Aapigateway%3Aeu-west-1%3A%3A%2Fapis%2Fa", tags),
    ];
    insta::assert_snapshot!(told.join("\n"), @"
    apigateway:GET on arn:aws:apigateway:eu-west-1::/apis
    apigateway:POST on arn:aws:apigateway:eu-west-1::/apis
    apigateway:POST on arn:aws:apigateway:eu-west-1::/apis, apigateway:POST on arn:aws:apigateway:eu-west-1::/tags/arn%3Aaws%3Aapigateway%3Aeu-west-1%3A%3A%2Fapis%2F*
    apigateway:PATCH on arn:aws:apigateway:eu-west-1::/apis/a/routes/r
    apigateway:POST on arn:aws:apigateway:eu-west-1::/apis/a/stages, apigateway:TagResource on arn:aws:apigateway:eu-west-1::/apis/a/stages
    apigateway:DELETE on arn:aws:apigateway:eu-west-1::/apis/a/stages/$default
    apigateway:POST on arn:aws:apigateway:eu-west-1::/tags/arn%3Aaws%3Aapigateway%3Aeu-west-1%3A%3A%2Fapis%2Fa
    ");
}

#[tokio::test]
async fn logs_iam_and_quotas_ask_about_what_they_are_about() {
    let dir = tempfile::tempdir().unwrap();
    let cloud = open(dir.path()).await;
    let logs = |operation: &str, body: Value| asked(&cloud, Service::Logs, &call(Method::POST, "/", operation, body));
    let iam = |form: &str| {
        let operation = form.split('&').next().unwrap_or_default();
        asked(&cloud, Service::Iam, &call(Method::POST, "/", operation, form))
    };
    let tag = "Tags.member.1.Key=a&Tags.member.1.Value=b";
    let told = [
        logs("CreateLogGroup", json!({ "logGroupName": "/g", "tags": { "a": "b" } })),
        logs("CreateLogGroup", json!({ "logGroupName": "/g" })),
        logs("DescribeLogGroups", json!({ "logGroupNamePrefix": "/g" })),
        logs("FilterLogEvents", json!({ "logGroupIdentifier": "arn:aws:logs:eu-west-1:123456789012:log-group:/g" })),
        logs("PutLogEvents", json!({ "logGroupName": "/g", "logStreamName": "s" })),
        logs("ListTagsForResource", json!({ "resourceArn": "arn:aws:logs:eu-west-1:123456789012:log-group:/g" })),
        iam(&format!("CreateRole&RoleName=r&Path=/p/&{tag}")),
        iam("CreateRole&RoleName=r"),
        iam("ListRoles&PathPrefix=/p/"),
        iam(&format!("CreatePolicy&PolicyName=p&{tag}")),
        iam("AttachRolePolicy&RoleName=r&PolicyArn=arn:p"),
        iam("GetPolicy&PolicyArn=arn:p"),
        iam("SimulatePrincipalPolicy&PolicySourceArn=arn:r"),
        asked(&cloud, Service::Quotas, &call(Method::POST, "/", "ListServiceQuotas", json!({}))),
    ];
    insta::assert_snapshot!(told.join("\n"), @"
    logs:CreateLogGroup on arn:aws:logs:R:A:log-group:/g:log-stream:, logs:TagResource on arn:aws:logs:R:A:log-group:/g
    logs:CreateLogGroup on arn:aws:logs:R:A:log-group:/g:log-stream:
    logs:DescribeLogGroups on arn:aws:logs:R:A:log-group::log-stream:
    logs:FilterLogEvents on arn:aws:logs:R:A:log-group:/g:log-stream:
    logs:PutLogEvents on arn:aws:logs:R:A:log-group:/g:log-stream:s
    logs:ListTagsForResource on arn:aws:logs:R:A:log-group:/g
    iam:CreateRole on arn:aws:iam::A:role/p/r, iam:TagRole on arn:aws:iam::A:role/p/r
    iam:CreateRole on arn:aws:iam::A:role/r
    iam:ListRoles on arn:aws:iam::A:role/p/
    iam:CreatePolicy on arn:aws:iam::A:policy/p, iam:TagPolicy on arn:aws:iam::A:policy/p
    iam:AttachRolePolicy on arn:aws:iam::A:role/r
    iam:GetPolicy on arn:p
    iam:SimulatePrincipalPolicy on arn:r
    servicequotas:ListServiceQuotas on *
    ");
}

#[tokio::test]
async fn alarms_and_autoscaling_ask_about_tags_endpoints_and_the_services_role() {
    let dir = tempfile::tempdir().unwrap();
    let cloud = open(dir.path()).await;
    let of = |service: Service, operation: &str, body: Value| {
        asked(&cloud, service, &call(Method::POST, "/", operation, body))
    };
    let alarms = |operation: &str, body: Value| of(Service::CloudWatch, operation, body);
    let scaling = |operation: &str, mut body: Value| {
        let place = json!({
            "ServiceNamespace": "sagemaker", "ResourceId": "endpoint/e/variant/main",
            "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
        });
        body.as_object_mut().unwrap().extend(place.as_object().unwrap().clone());
        of(Service::Autoscaling, operation, body)
    };
    let told = [
        alarms("PutMetricAlarm", json!({ "AlarmName": "a", "Tags": [{ "Key": "a", "Value": "b" }] })),
        alarms("PutMetricAlarm", json!({ "AlarmName": "a" })),
        alarms("DescribeAlarms", json!({ "AlarmNames": ["a"] })),
        alarms("DeleteAlarms", json!({ "AlarmNames": ["a", "b"] })),
        alarms("ListTagsForResource", json!({ "ResourceARN": "arn:x" })),
        alarms("PutMetricData", json!({ "Namespace": "n" })),
        scaling("RegisterScalableTarget", json!({ "Tags": { "a": "b" } })),
        scaling("DescribeScalableTargets", json!({})),
        scaling("PutScalingPolicy", json!({})),
        scaling("DeregisterScalableTarget", json!({})),
        scaling("TagResource", json!({ "ResourceARN": "arn:x", "Tags": { "a": "b" } })),
    ];
    insta::assert_snapshot!(told.join("\n"), @"
    cloudwatch:PutMetricAlarm on arn:aws:cloudwatch:R:A:alarm:a, cloudwatch:TagResource on arn:aws:cloudwatch:R:A:alarm:a
    cloudwatch:PutMetricAlarm on arn:aws:cloudwatch:R:A:alarm:a
    cloudwatch:DescribeAlarms on arn:aws:cloudwatch:R:A:alarm:*
    cloudwatch:DeleteAlarms on arn:aws:cloudwatch:R:A:alarm:a, cloudwatch:DeleteAlarms on arn:aws:cloudwatch:R:A:alarm:b
    cloudwatch:ListTagsForResource on arn:x
    cloudwatch:PutMetricData on *
    application-autoscaling:RegisterScalableTarget on arn:aws:application-autoscaling:R:A:scalable-target/*, application-autoscaling:TagResource on arn:aws:application-autoscaling:R:A:scalable-target/*, sagemaker:DescribeEndpoint on arn:aws:sagemaker:R:A:endpoint/e, sagemaker:UpdateEndpointWeightsAndCapacities on arn:aws:sagemaker:R:A:endpoint/e, iam:CreateServiceLinkedRole on arn:aws:iam::A:role/aws-service-role/sagemaker.application-autoscaling.amazonaws.com/AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint
    application-autoscaling:DescribeScalableTargets on *
    application-autoscaling:PutScalingPolicy on arn:aws:application-autoscaling:R:A:scalable-target/*, cloudwatch:PutMetricAlarm on arn:aws:cloudwatch:R:A:alarm:TargetTracking-endpoint/e/variant/main-*
    application-autoscaling:DeregisterScalableTarget on arn:aws:application-autoscaling:R:A:scalable-target/*, cloudwatch:DeleteAlarms on arn:aws:cloudwatch:R:A:alarm:TargetTracking-endpoint/e/variant/main-*
    application-autoscaling:TagResource on arn:x
    ");
}

/// A role that the account trusts, with this statement as its policy.
#[tokio::test]
async fn ecr_asks_about_the_repository_and_about_tags() {
    let dir = tempfile::tempdir().unwrap();
    let cloud = open(dir.path()).await;
    let ecr = |operation: &str, body: Value| asked(&cloud, Service::Ecr, &call(Method::POST, "/", operation, body));
    let told = [
        ecr("CreateRepository", json!({ "repositoryName": "r", "tags": [{ "Key": "a", "Value": "b" }] })),
        ecr("CreateRepository", json!({ "repositoryName": "r" })),
        ecr("DescribeRepositories", json!({ "repositoryNames": ["r", "s"] })),
        ecr("DescribeRepositories", json!({})),
        ecr("PutImage", json!({ "repositoryName": "r" })),
        ecr("TagResource", json!({ "resourceArn": "arn:aws:ecr:eu-west-1:123456789012:repository/r" })),
        ecr("GetAuthorizationToken", json!({})),
    ];
    insta::assert_snapshot!(told.join("\n"), @"
    ecr:CreateRepository on arn:aws:ecr:R:A:repository/r, ecr:TagResource on arn:aws:ecr:R:A:repository/r
    ecr:CreateRepository on arn:aws:ecr:R:A:repository/r
    ecr:DescribeRepositories on arn:aws:ecr:R:A:repository/r, ecr:DescribeRepositories on arn:aws:ecr:R:A:repository/s
    ecr:DescribeRepositories on arn:aws:ecr:R:A:repository/*
    ecr:PutImage on arn:aws:ecr:R:A:repository/r
    ecr:TagResource on arn:aws:ecr:R:A:repository/r
    ecr:GetAuthorizationToken on *
    ");
}

async fn role(cloud: &Arc<Cloud>, statement: Value) -> Caller {
    let trust = json!({ "Statement": { "Effect": "Allow", "Action": "sts:AssumeRole", "Principal": { "AWS": "123456789012" } } });
    let policy = json!({ "Statement": statement });
    let form = |pairs: &[(&str, String)]| form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
    let create = form(&[("RoleName", "deployer".into()), ("AssumeRolePolicyDocument", trust.to_string())]);
    let put = [("RoleName", "deployer".into()), ("PolicyName", "p".into()), ("PolicyDocument", policy.to_string())];
    for (operation, form) in [("CreateRole", create), ("PutRolePolicy", form(&put))] {
        dispatch(cloud, Service::Iam, &call(Method::POST, "/", operation, form)).await.unwrap();
    }
    let arn = "arn:aws:sts::123456789012:assumed-role/deployer/ci".to_owned();
    Caller { arn, role: Some("arn:aws:iam::123456789012:role/deployer".to_owned()) }
}

#[tokio::test]
async fn conditions_on_tags_and_on_who_gets_a_role_are_asked() {
    let dir = tempfile::tempdir().unwrap();
    let cloud = open(dir.path()).await;
    let caller = role(
        &cloud,
        json!([
            { "Effect": "Allow", "Action": ["sagemaker:CreateModel", "sagemaker:AddTags"], "Resource": "*",
              "Condition": { "StringEquals": { "aws:RequestTag/team": "fraud" } } },
            { "Effect": "Allow", "Action": "iam:PassRole", "Resource": "*",
              "Condition": { "StringEquals": { "iam:PassedToService": "lambda.amazonaws.com" } } },
            { "Effect": "Allow", "Action": "logs:*", "Resource": "*",
              "Condition": { "StringEquals": { "aws:ResourceTag/team": "fraud" } } },
        ]),
    )
    .await;
    let create = json!({ "logGroupName": "/ours", "tags": { "team": "fraud" } });
    dispatch(&cloud, Service::Logs, &call(Method::POST, "/", "CreateLogGroup", create)).await.unwrap();
    let of = async |service: Service, operation: &str, body: Value| {
        let call = Call { caller: caller.clone(), ..call(Method::POST, "/", operation, body) };
        let message = dispatch(&cloud, service, &call).await.err().map(|refusal| refusal.message).unwrap_or_default();
        let denied =
            message.split_once("perform: ").map(|(_, rest)| rest.split(' ').next().unwrap_or_default().to_owned());
        denied.unwrap_or_else(|| "allowed".to_owned())
    };
    let model = |tags: Value| json!({ "ModelName": "m", "Tags": tags });
    assert_eq!(of(Service::SageMaker, "CreateModel", model(json!([]))).await, "sagemaker:CreateModel");
    let ours = json!([{ "Key": "team", "Value": "fraud" }]);
    assert_eq!(of(Service::SageMaker, "CreateModel", model(ours.clone())).await, "allowed");
    let passing = json!({ "ModelName": "m", "Tags": ours, "ExecutionRoleArn": "arn:aws:iam::123456789012:role/r" });
    assert_eq!(of(Service::SageMaker, "CreateModel", passing).await, "iam:PassRole");
    assert_eq!(of(Service::Logs, "DeleteLogGroup", json!({ "logGroupName": "/theirs" })).await, "logs:DeleteLogGroup");
    assert_eq!(of(Service::Logs, "DeleteLogGroup", json!({ "logGroupName": "/ours" })).await, "allowed");

    let decided = cloud.iam.decisions(|decided| decided.action == "iam:PassRole");
    assert_eq!(decided.len(), 1);
    assert_eq!((decided[0].caller.as_str(), decided[0].allowed), (caller.arn.as_str(), false));
    assert_eq!(decided[0].resource, "arn:aws:iam::123456789012:role/r");
}

#[tokio::test]
async fn a_session_is_begun_by_whom_the_role_trusts_and_ends_in_time() {
    let dir = tempfile::tempdir().unwrap();
    let cloud = open(dir.path()).await;
    let caller = role(&cloud, json!({ "Effect": "Allow", "Action": "iam:GetRole", "Resource": "*" })).await;
    let of = async |caller: Option<&Caller>, form: &str| {
        let mut call = call(Method::POST, "/", "AssumeRole", format!("{form}&RoleSessionName=ci"));
        call.caller = caller.cloned().unwrap_or(call.caller);
        let reply = dispatch(&cloud, Service::Sts, &call).await;
        let reply = reply.map(|answer| String::from_utf8(answer.into_body().to_vec()).unwrap());
        reply.unwrap_or_else(|refusal| format!("{} {}: {}", refusal.status.as_u16(), refusal.code, refusal.message))
    };
    let deployer = "RoleArn=arn:aws:iam::123456789012:role/deployer";
    let begun = of(None, deployer).await;
    assert!(begun.contains("<Arn>arn:aws:sts::123456789012:assumed-role/deployer/ci</Arn>"), "{begun}");
    let id = begun.split_once("<AccessKeyId>").unwrap().1.split_once('<').unwrap().0;
    let key = signature::secret_of(&cloud, id).unwrap();
    assert_eq!(key.caller.arn, caller.arn);
    let lifetime = key.expires.unwrap().as_second() - jiff::Timestamp::now().as_second();
    assert!((3590..=3600).contains(&lifetime), "{lifetime}");
    assert!(key.has_ended(jiff::Timestamp::now() + jiff::SignedDuration::from_secs(3601)));
    // It is there after a restart.
    let again = open(dir.path()).await;
    assert_eq!(signature::secret_of(&again, id).unwrap().secret_access_key, key.secret_access_key);

    let told = [
        of(None, "RoleArn=arn:aws:iam::123456789012:role/none").await,
        of(Some(&caller), deployer).await,
        of(None, &format!("{deployer}&DurationSeconds=7200")).await,
        of(None, &format!("{deployer}&DurationSeconds=60")).await,
        of(None, &format!("{deployer}&Policy=x")).await,
    ];
    insta::assert_snapshot!(told.join("\n"), @"
    403 AccessDenied: User: arn:aws:iam::123456789012:user/local is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::123456789012:role/none
    403 AccessDenied: User: arn:aws:sts::123456789012:assumed-role/deployer/ci is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::123456789012:role/deployer
    400 ValidationError: The requested DurationSeconds exceeds the MaxSessionDuration set for this role.
    400 ValidationError: 1 validation error detected: Value '60' at 'durationSeconds' failed to satisfy constraint: Member must have value greater than or equal to 900
    501 NotImplemented: the local cloud does not offer `Policy` of AssumeRole
    ");
}

#[tokio::test]
async fn quotas_are_listed_by_page_and_found_by_code() {
    let dir = tempfile::tempdir().unwrap();
    let cloud = open(dir.path()).await;
    let of = async |operation: &str, body: Value| {
        let reply = dispatch(&cloud, Service::Quotas, &call(Method::POST, "/", operation, body)).await;
        reply.map(|answer| serde_json::from_slice::<Value>(answer.body()).unwrap()).map_err(|refusal| refusal.code)
    };
    let name = "ml.m5.large for endpoint usage";
    cloud.quotas.put([(name.to_owned(), 3)].into()).unwrap();
    assert!(cloud.quotas.put([("ml.m5.large for nothing".to_owned(), 3)].into()).is_err());
    let (mut all, mut token) = (vec![], Value::Null);
    loop {
        let page = of("ListServiceQuotas", json!({ "ServiceCode": "sagemaker", "NextToken": token })).await.unwrap();
        all.extend(page["Quotas"].as_array().unwrap().clone());
        token = page["NextToken"].clone();
        if token.is_null() {
            break;
        }
    }
    assert_eq!(all.len(), 271 + 145);
    let found = all.iter().find(|quota| quota["QuotaName"] == name).unwrap();
    assert_eq!(found["Value"], 3.0);
    let one = of("GetServiceQuota", json!({ "ServiceCode": "sagemaker", "QuotaCode": found["QuotaCode"] })).await;
    assert_eq!(one.unwrap()["Quota"], *found);
    let absent = of("GetServiceQuota", json!({ "ServiceCode": "sagemaker", "QuotaCode": "L-0" })).await;
    assert_eq!(absent.unwrap_err(), "NoSuchResourceException");
    let other = of("ListServiceQuotas", json!({ "ServiceCode": "ec2" })).await;
    assert_eq!(other.unwrap_err(), "NotImplemented");
}
