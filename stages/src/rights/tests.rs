use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::fixture::Fixture;
use crate::{Inputs, Names};

fn fixture(stages: &str) -> Fixture {
    Fixture::new(&format!("name: fraud\nstages:\n{stages}"), "us-east-1", "3f9a0c12")
}

fn words(deployer: &Deployer) -> String {
    serde_json::to_string_pretty(&policy::words(&deployer.document())).unwrap()
}

fn actions(deployer: &Deployer) -> BTreeSet<String> {
    deployer.grants().into_iter().map(|granted| granted.action).collect()
}

#[test]
fn the_deployer_of_the_default_pipeline_may_do_this_and_no_more() {
    let deployer = Deployer::of(&fixture("- train: {}\n").declared());
    insta::assert_snapshot!(words(&deployer), @r#"
    {
      "Api": "Allow apigateway:DELETE, apigateway:GET, apigateway:PATCH, apigateway:POST on arn:aws:apigateway:us-east-1::/apis/*",
      "ApiTags": "Allow apigateway:POST on arn:aws:apigateway:us-east-1::/tags/*",
      "Apis": "Allow apigateway:GET, apigateway:POST on arn:aws:apigateway:us-east-1::/apis",
      "Autoscaling": "Allow application-autoscaling:DeregisterScalableTarget, application-autoscaling:ListTagsForResource on arn:aws:application-autoscaling:us-east-1:123456789012:scalable-target/*",
      "AutoscalingAlarms": "Allow cloudwatch:DeleteAlarms on arn:aws:cloudwatch:us-east-1:123456789012:alarm:TargetTracking-endpoint/fraud/variant/main-*",
      "Bucket": "Allow s3:CreateBucket, s3:DeleteBucket, s3:GetBucketPolicy, s3:GetBucketPublicAccessBlock, s3:GetBucketTagging, s3:GetBucketVersioning, s3:GetEncryptionConfiguration, s3:GetLifecycleConfiguration, s3:ListBucket, s3:ListBucketMultipartUploads, s3:ListBucketVersions, s3:PutBucketPolicy, s3:PutBucketPublicAccessBlock, s3:PutBucketVersioning, s3:PutEncryptionConfiguration, s3:PutLifecycleConfiguration, s3:TagResource on arn:aws:s3:::fraud-123456789012-us-east-1",
      "Configs": "Allow sagemaker:AddTags, sagemaker:CreateEndpointConfig, sagemaker:DeleteEndpointConfig, sagemaker:DescribeEndpointConfig, sagemaker:ListTags on arn:aws:sagemaker:us-east-1:123456789012:endpoint-config/fraud-????????????",
      "Endpoint": "Allow sagemaker:AddTags, sagemaker:DeleteEndpoint, sagemaker:DescribeEndpoint, sagemaker:ListTags, sagemaker:UpdateEndpointWeightsAndCapacities on arn:aws:sagemaker:us-east-1:123456789012:endpoint/fraud",
      "Endpoint2": "Allow sagemaker:CreateEndpoint, sagemaker:UpdateEndpoint on arn:aws:sagemaker:us-east-1:123456789012:endpoint-config/fraud-????????????, arn:aws:sagemaker:us-east-1:123456789012:endpoint/fraud",
      "FindRoles": "Allow iam:GetRole on arn:aws:iam::123456789012:role/fraud-us-east-1-proxy, arn:aws:iam::123456789012:role/fraud-us-east-1-sagemaker",
      "Function": "Allow lambda:AddPermission, lambda:CreateFunction, lambda:DeleteFunction, lambda:GetFunction, lambda:GetPolicy, lambda:ListTags, lambda:RemovePermission, lambda:TagResource, lambda:UpdateFunctionCode, lambda:UpdateFunctionConfiguration on arn:aws:lambda:us-east-1:123456789012:function:fraud-proxy",
      "LogGroups": "Allow logs:DeleteLogGroup, logs:DescribeLogStreams, logs:FilterLogEvents, logs:ListTagsForResource, logs:PutRetentionPolicy, logs:TagResource on arn:aws:logs:us-east-1:123456789012:log-group:/aws/sagemaker/Endpoints/fraud, arn:aws:logs:us-east-1:123456789012:log-group:/aws/sagemaker/Endpoints/fraud:*",
      "LogGroups2": "Allow logs:DeleteLogGroup, logs:FilterLogEvents, logs:ListTagsForResource, logs:PutRetentionPolicy, logs:TagResource on arn:aws:logs:us-east-1:123456789012:log-group:/aws/lambda/fraud-proxy, arn:aws:logs:us-east-1:123456789012:log-group:/aws/lambda/fraud-proxy:*",
      "LogGroups3": "Allow logs:DeleteLogGroup, logs:ListTagsForResource, logs:PutRetentionPolicy, logs:TagResource on arn:aws:logs:us-east-1:123456789012:log-group:/aws/vendedlogs/apis/fraud, arn:aws:logs:us-east-1:123456789012:log-group:/aws/vendedlogs/apis/fraud:*",
      "ModelFiles": "Allow s3:DeleteObject, s3:GetObject, s3:PutObject, s3:PutObjectTagging on arn:aws:s3:::fraud-123456789012-us-east-1/models/*",
      "Models": "Allow sagemaker:AddTags, sagemaker:CreateModel, sagemaker:DeleteModel, sagemaker:DescribeModel, sagemaker:ListTags on arn:aws:sagemaker:us-east-1:123456789012:model/fraud-????????????",
      "NoResource": "Allow application-autoscaling:DescribeScalableTargets, application-autoscaling:DescribeScalingPolicies, cloudwatch:DescribeAlarms, logs:CreateLogDelivery, logs:CreateLogGroup, logs:DeleteLogDelivery, logs:DescribeLogGroups, logs:DescribeResourcePolicies, logs:GetLogDelivery, logs:ListLogDeliveries, logs:PutResourcePolicy, logs:UpdateLogDelivery, sagemaker:ListEndpointConfigs, sagemaker:ListModels on *",
      "Objects": "Allow s3:AbortMultipartUpload, s3:DeleteObjectVersion on arn:aws:s3:::fraud-123456789012-us-east-1/*",
      "PassToLambda": "Allow iam:PassRole on arn:aws:iam::123456789012:role/runner/fraud-us-east-1-proxy if iam:PassedToService StringEquals lambda.amazonaws.com",
      "PassToSageMaker": "Allow iam:PassRole on arn:aws:iam::123456789012:role/runner/fraud-us-east-1-sagemaker if iam:PassedToService StringEquals sagemaker.amazonaws.com",
      "Repository": "Allow ecr:DeleteRepository, ecr:DescribeRepositories, ecr:ListTagsForResource on arn:aws:ecr:us-east-1:123456789012:repository/runner/fraud",
      "Roles": "Allow iam:CreateRole, iam:DeleteRole, iam:DeleteRolePolicy, iam:DetachRolePolicy, iam:GetRole, iam:GetRolePolicy, iam:ListAttachedRolePolicies, iam:ListRolePolicies, iam:PutRolePolicy, iam:TagRole, iam:UpdateAssumeRolePolicy on arn:aws:iam::123456789012:role/runner/fraud-us-east-1-proxy, arn:aws:iam::123456789012:role/runner/fraud-us-east-1-sagemaker",
      "RollbackAlarms": "Allow cloudwatch:DeleteAlarms, cloudwatch:ListTagsForResource on arn:aws:cloudwatch:us-east-1:123456789012:alarm:fraud-errors, arn:aws:cloudwatch:us-east-1:123456789012:alarm:fraud-latency",
      "StageTags": "Allow apigateway:TagResource on arn:aws:apigateway:us-east-1::/apis/*/stages"
    }
    "#);
    assert!(
        deployer.chars() < 10_240,
        "a role's own policies have at most 10,240 characters, and this has {}",
        deployer.chars()
    );
    let reading = Deployer::reading(&fixture("- train: {}\n").declared());
    insta::assert_snapshot!(words(&reading), @r#"
    {
      "Apis": "Allow apigateway:GET on arn:aws:apigateway:us-east-1::/apis, arn:aws:apigateway:us-east-1::/apis/*",
      "Autoscaling": "Allow application-autoscaling:ListTagsForResource on arn:aws:application-autoscaling:us-east-1:123456789012:scalable-target/*",
      "Bucket": "Allow s3:GetBucketPolicy, s3:GetBucketPublicAccessBlock, s3:GetBucketTagging, s3:GetBucketVersioning, s3:GetEncryptionConfiguration, s3:GetLifecycleConfiguration, s3:ListBucket, s3:ListBucketMultipartUploads, s3:ListBucketVersions on arn:aws:s3:::fraud-123456789012-us-east-1",
      "Configs": "Allow sagemaker:DescribeEndpointConfig, sagemaker:ListTags on arn:aws:sagemaker:us-east-1:123456789012:endpoint-config/fraud-????????????",
      "Endpoint": "Allow sagemaker:DescribeEndpoint, sagemaker:ListTags on arn:aws:sagemaker:us-east-1:123456789012:endpoint/fraud",
      "FindRoles": "Allow iam:GetRole on arn:aws:iam::123456789012:role/fraud-us-east-1-proxy, arn:aws:iam::123456789012:role/fraud-us-east-1-sagemaker",
      "Function": "Allow lambda:GetFunction, lambda:GetPolicy, lambda:ListTags on arn:aws:lambda:us-east-1:123456789012:function:fraud-proxy",
      "LogGroups": "Allow logs:DescribeLogStreams, logs:FilterLogEvents, logs:ListTagsForResource on arn:aws:logs:us-east-1:123456789012:log-group:/aws/sagemaker/Endpoints/fraud, arn:aws:logs:us-east-1:123456789012:log-group:/aws/sagemaker/Endpoints/fraud:*",
      "LogGroups2": "Allow logs:FilterLogEvents, logs:ListTagsForResource on arn:aws:logs:us-east-1:123456789012:log-group:/aws/lambda/fraud-proxy, arn:aws:logs:us-east-1:123456789012:log-group:/aws/lambda/fraud-proxy:*",
      "LogGroups3": "Allow logs:ListTagsForResource on arn:aws:logs:us-east-1:123456789012:log-group:/aws/vendedlogs/apis/fraud, arn:aws:logs:us-east-1:123456789012:log-group:/aws/vendedlogs/apis/fraud:*",
      "ModelFiles": "Allow s3:GetObject on arn:aws:s3:::fraud-123456789012-us-east-1/models/*",
      "Models": "Allow sagemaker:DescribeModel, sagemaker:ListTags on arn:aws:sagemaker:us-east-1:123456789012:model/fraud-????????????",
      "NoResource": "Allow application-autoscaling:DescribeScalableTargets, application-autoscaling:DescribeScalingPolicies, cloudwatch:DescribeAlarms, logs:DescribeLogGroups, sagemaker:ListEndpointConfigs, sagemaker:ListModels on *",
      "Repository": "Allow ecr:DescribeRepositories, ecr:ListTagsForResource on arn:aws:ecr:us-east-1:123456789012:repository/runner/fraud",
      "Roles": "Allow iam:GetRole, iam:GetRolePolicy, iam:ListAttachedRolePolicies, iam:ListRolePolicies on arn:aws:iam::123456789012:role/runner/fraud-us-east-1-proxy, arn:aws:iam::123456789012:role/runner/fraud-us-east-1-sagemaker",
      "RollbackAlarms": "Allow cloudwatch:ListTagsForResource on arn:aws:cloudwatch:us-east-1:123456789012:alarm:fraud-errors, arn:aws:cloudwatch:us-east-1:123456789012:alarm:fraud-latency"
    }
    "#);
}

#[test]
fn a_policy_hangs_on_what_the_file_asks_for_and_not_on_the_model() {
    let of = |stages: &str| Deployer::of(&fixture(stages).declared());
    let default = of("- train: {}\n");
    let by_default = actions(&default);
    let retrained = Fixture::retrained("");
    assert_eq!(default.document(), Deployer::of(&retrained.declared()).document());
    let mut unread = fixture("- train: {}\n");
    unread.inputs = Arc::new(Inputs::none(&unread.spec));
    unread.names = Names::of(&unread.spec, &unread.inputs, unread.names.site);
    assert_eq!(default.document(), Deployer::of(&unread.declared()).document());

    let trains = of("- train: { on: sagemaker, data: s3://rows/all.csv }\n");
    let more = actions(&trains);
    let more: Vec<&String> = more.difference(&by_default).collect();
    assert_eq!(more.len(), 3, "{more:?}");
    assert_eq!(trains.statement_for("s3:GetObject", "arn:aws:s3:::rows/all.csv"), Some("Rows"));
    assert_eq!(default.statement_for("s3:GetObject", "arn:aws:s3:::rows/all.csv"), None);
    let job = "arn:aws:sagemaker:us-east-1:123456789012:training-job/fraud-0123456789ab";
    assert!(trains.statement_for("sagemaker:StopTrainingJob", &format!("{job}-2")).is_some());
    assert!(trains.statement_for("sagemaker:StopTrainingJob", &format!("{job}c")).is_none());

    let keeps = of("- train: {}\n- teardown: { keep: [bucket, logs] }\n");
    let kept = actions(&keeps);
    let less: Vec<&String> = by_default.difference(&kept).collect();
    let deletions = [
        "logs:DeleteLogGroup",
        "s3:AbortMultipartUpload",
        "s3:DeleteBucket",
        "s3:DeleteObjectVersion",
        "s3:ListBucketMultipartUploads",
        "s3:ListBucketVersions",
    ];
    assert_eq!(less, deletions);
}

/// The statements that a pipeline's deployer has and the default one's has not, in words.
fn beside_the_default(stages: &str) -> String {
    let of = |stages: &str| policy::words(&Deployer::of(&fixture(stages).declared()).document());
    let (Json::Object(default), Json::Object(mut with)) = (of("- train: {}\n"), of(stages)) else { unreachable!() };
    with.retain(|sid, words| default.get(sid) != Some(words));
    with.iter().map(|(sid, words)| format!("{sid}: {}", words.as_str().unwrap())).collect::<Vec<_>>().join("\n")
}

#[test]
fn an_image_of_our_own_needs_its_repository_and_no_other() {
    insta::assert_snapshot!(beside_the_default("- create-endpoint: { container: model-server }\n"), @"Repository: Allow ecr:BatchCheckLayerAvailability, ecr:BatchDeleteImage, ecr:CompleteLayerUpload, ecr:CreateRepository, ecr:DeleteRepository, ecr:DescribeImages, ecr:DescribeRepositories, ecr:InitiateLayerUpload, ecr:ListTagsForResource, ecr:PutImage, ecr:PutImageTagMutability, ecr:TagResource, ecr:UntagResource, ecr:UploadLayerPart on arn:aws:ecr:us-east-1:123456789012:repository/runner/fraud");
}

#[test]
fn access_logs_need_their_delivery_and_their_group() {
    insta::assert_snapshot!(beside_the_default("- deploy-proxy: { access-logs: false }\n"), @"
    LogGroups: Allow logs:CreateLogGroup, logs:DeleteLogGroup, logs:DescribeLogStreams, logs:FilterLogEvents, logs:ListTagsForResource, logs:PutRetentionPolicy, logs:TagResource on arn:aws:logs:us-east-1:123456789012:log-group:/aws/sagemaker/Endpoints/fraud, arn:aws:logs:us-east-1:123456789012:log-group:/aws/sagemaker/Endpoints/fraud:*
    LogGroups2: Allow logs:CreateLogGroup, logs:DeleteLogGroup, logs:FilterLogEvents, logs:ListTagsForResource, logs:PutRetentionPolicy, logs:TagResource on arn:aws:logs:us-east-1:123456789012:log-group:/aws/lambda/fraud-proxy, arn:aws:logs:us-east-1:123456789012:log-group:/aws/lambda/fraud-proxy:*
    LogGroups3: Allow logs:DeleteLogGroup, logs:ListTagsForResource on arn:aws:logs:us-east-1:123456789012:log-group:/aws/vendedlogs/apis/fraud, arn:aws:logs:us-east-1:123456789012:log-group:/aws/vendedlogs/apis/fraud:*
    NoResource: Allow application-autoscaling:DescribeScalableTargets, application-autoscaling:DescribeScalingPolicies, cloudwatch:DescribeAlarms, logs:DescribeLogGroups, sagemaker:ListEndpointConfigs, sagemaker:ListModels on *
    ");
}

#[test]
fn a_closed_api_is_asked_as_the_file_says() {
    insta::assert_snapshot!(beside_the_default("- deploy-proxy: { route: POST /score, auth: iam }\n"), @"Invoke: Allow execute-api:Invoke on arn:aws:execute-api:us-east-1:123456789012:*/$default/POST/score");
    let jwt = "- deploy-proxy: { auth: { jwt: { issuer: https://a.example, audience: [a] } } }\n";
    insta::assert_snapshot!(beside_the_default(jwt), @"Function: Allow lambda:AddPermission, lambda:CreateFunction, lambda:DeleteFunction, lambda:GetFunction, lambda:GetPolicy, lambda:InvokeFunction, lambda:ListTags, lambda:RemovePermission, lambda:TagResource, lambda:UpdateFunctionCode, lambda:UpdateFunctionConfiguration on arn:aws:lambda:us-east-1:123456789012:function:fraud-proxy");
    let token = format!("{jwt}- smoke-test: {{ token: {{ env: TOKEN }} }}\n");
    assert_eq!(beside_the_default(&token), "");
}

#[test]
fn another_pipeline_whose_name_begins_with_ours_is_not_meant() {
    let deployer = Deployer::of(&fixture("- train: {}\n").declared());
    let arn = |name: &str| format!("arn:aws:sagemaker:us-east-1:123456789012:{name}");
    for (name, ours) in [
        ("model/fraud-0123456789ab", true),
        ("model/fraud-detection-0123456789ab", false),
        ("model/other-0123456789ab", false),
    ] {
        assert_eq!(deployer.statement_for("sagemaker:DeleteModel", &arn(name)).is_some(), ours, "{name}");
    }
    assert!(deployer.statement_for("sagemaker:DeleteEndpoint", &arn("endpoint/fraud")).is_some());
    assert!(deployer.statement_for("sagemaker:DeleteEndpoint", &arn("endpoint/fraud-detection")).is_none());
}

/// The names of calls in this crate are those of IAM, but for API Gateway's, which IAM knows by verb.
#[test]
fn every_call_that_a_stage_names_is_somebodys_right() {
    let everything = fixture(
        "- train: { on: sagemaker, data: s3://rows/all.csv }\n- create-endpoint: { container: model-server, \
         instances: { type: ml.m5.large }, autoscaling: { max: 2, invocations-per-instance: 100 }, \
         rollback-on: { errors-per-minute: 5 } }\n\
         - deploy-proxy: { auth: { jwt: { issuer: https://a.example, audience: [a] } } }\n",
    );
    let mut allowed = actions(&Deployer::with_doctor(&everything.declared(), &everything.names.site, false));
    allowed.insert("s3:DeleteBucketPolicy".to_owned());
    // Asking who one is needs no right.
    allowed.insert("sts:GetCallerIdentity".to_owned());
    let mut named = 0;
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            // The owner of the local cloud makes a deployer there, and may do anything.
            if path.ends_with("src/deployer.rs") {
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            for rest in text.split(".about(\"").skip(1) {
                let call = rest.split('"').next().unwrap();
                named += 1;
                let known = allowed.contains(call) || call.starts_with("apigateway:") || call.starts_with("Api:");
                assert!(known, "{}: no resource has the right to `{call}`", path.display());
            }
        }
    }
    assert!(named > 50, "{named}");
}

/// In China, services are named as their hosts are.
#[test]
fn a_key_is_used_through_the_service_of_the_partition() {
    let stages = "create-endpoint: { instances: { type: ml.m5.large }, kms-key: alias/ml }";
    let source = format!("{{ name: fraud, stages: [{{ {stages} }}] }}");
    for (region, service) in [
        ("cn-north-1", "sagemaker.cn-north-1.amazonaws.com.cn"),
        ("us-gov-west-1", "sagemaker.us-gov-west-1.amazonaws.com"),
        ("ap-south-1", "sagemaker.ap-south-1.amazonaws.com"),
    ] {
        let deployer = Deployer::of(&Fixture::new(&source, region, "3f9a0c12").declared());
        let key = deployer.grants().into_iter().find(|granted| granted.action == "kms:CreateGrant").unwrap();
        assert_eq!(key.condition, Some(("kms:ViaService".to_owned(), service.to_owned())));
    }
}
