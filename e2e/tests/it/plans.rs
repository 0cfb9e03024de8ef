//! Plans as people see them: each whole, for the smallest change that shows it.

use serde_json::json;

use crate::harness::{Pipeline, Scene};

#[track_caller]
fn plan(scene: &Scene, arguments: &[&str]) -> String {
    let arguments = [&["plan"], arguments].concat();
    scene.steady(&scene.runner(&arguments).exits(0).stdout)
}

#[test]
fn the_first_plan_creates_everything() {
    let scene = Scene::bare(&Pipeline::default());
    insta::assert_snapshot!(plan(&scene, &[]), @"
    + train            model-file         ffffffffffff
        data       generated, 2000 rows, seed 42
        algorithm  gradient boosting, 5 trees, learning rate 0.3, depth 6
    ? train            gate               metrics
    + package          archive            model.tar.gz
        model  ffffffffffff
    + package          archive            proxy.zip
        sources    ffffffffffff
        bootstrap  <lambda-proxy>
    + upload           s3-bucket          fraud-000000000000-us-east-1
        public_access      blocked
        encryption         AES256
        versioning         Enabled
        old_versions_days  30
        policy.TlsOnly     Deny s3:* on arn:aws:s3:::fraud-000000000000-us-east-1, arn:aws:s3:::fraud-000000000000-us-east-1/* to * if aws:SecureTransport Bool false
    + upload           s3-object          models/ffffffffffff/model.tar.gz
        bucket  fraud-000000000000-us-east-1
        sha256  (after package/model: sha256)
    + upload           s3-object          models/ffffffffffff/evaluation.json
        bucket  fraud-000000000000-us-east-1
        sha256  (after train/model: evaluation-sha256)
    + create-role      iam-role           fraud-us-east-1-sagemaker
        path             /runner/
        trust.Assume     Allow sts:AssumeRole to Service: sagemaker.amazonaws.com if aws:SourceArn ArnLike arn:aws:sagemaker:us-east-1:000000000000:*
        policy.EcrPull   Allow ecr:BatchCheckLayerAvailability, ecr:BatchGetImage, ecr:GetDownloadUrlForLayer on arn:aws:ecr:us-east-1:683313688378:repository/sagemaker-xgboost
        policy.EcrToken  Allow ecr:GetAuthorizationToken on *
        policy.Logs      Allow logs:CreateLogGroup, logs:CreateLogStream, logs:DescribeLogStreams, logs:PutLogEvents on arn:aws:logs:us-east-1:000000000000:log-group:/aws/sagemaker/Endpoints/fraud, arn:aws:logs:us-east-1:000000000000:log-group:/aws/sagemaker/Endpoints/fraud:*
        policy.Metrics   Allow cloudwatch:PutMetricData on * if cloudwatch:namespace StringEquals /aws/sagemaker/Endpoints, AWS/SageMaker
        policy.Model     Allow s3:GetObject on arn:aws:s3:::fraud-000000000000-us-east-1/models/*
        other_policies   (none)
    + create-role      iam-role           fraud-us-east-1-proxy
        path            /runner/
        trust.Assume    Allow sts:AssumeRole to Service: lambda.amazonaws.com if aws:SourceAccount StringEquals 000000000000
        policy.Logs     Allow logs:CreateLogStream, logs:PutLogEvents on arn:aws:logs:us-east-1:000000000000:log-group:/aws/lambda/fraud-proxy:*
        policy.Score    Allow sagemaker:InvokeEndpoint on arn:aws:sagemaker:us-east-1:000000000000:endpoint/fraud
        other_policies  (none)
    + create-endpoint  log-group          /aws/sagemaker/Endpoints/fraud
        retention_days  14
    + create-endpoint  model              fraud-ffffffffffff
        image  683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1
        data   s3://fraud-000000000000-us-east-1/models/ffffffffffff/model.tar.gz
        role   arn:aws:iam::000000000000:role/runner/fraud-us-east-1-sagemaker
    + create-endpoint  endpoint-config    fraud-ffffffffffff
        model     fraud-ffffffffffff
        capacity  1 x ml.t2.medium
    + create-endpoint  endpoint           fraud
        kind    instances
        config  fraud-ffffffffffff
        count   1
        status  InService
    + deploy-proxy     log-group          /aws/lambda/fraud-proxy
        retention_days  14
    + deploy-proxy     log-group          /aws/vendedlogs/apis/fraud
        retention_days  14
    + deploy-proxy     lambda-function    fraud-proxy
        code                        ffffffffffff
        architecture                x86_64
        memory_mb                   256
        timeout_s                   28
        role                        arn:aws:iam::000000000000:role/runner/fraud-us-east-1-proxy
        environment.DECISION_FIELD  is_fraud
        environment.ENDPOINT_NAME   fraud
        environment.FEATURES        V1,V2,V3,V4,V5,V6,V7,V8,V9,V10,V11,V12,V13,V14,V15,V16,V17,V18,V19,V20,V21,V22,V23,V24,V25,V26,V27,V28,Amount
        environment.MAX_BODY_KB     256
        environment.SCORE_FIELD     fraud_score
        threshold                   0.5
        state                       Active
    + deploy-proxy     http-api           fraud
        function          arn:aws:lambda:us-east-1:000000000000:function:fraud-proxy
        integrations      1
        routes.POST /     open to everybody
        stage             $default, deployed at once
        throttle          100 requests/s, bursts of 200
        access_log.group  /aws/vendedlogs/apis/fraud
        access_log.lines  JSON
    + deploy-proxy     lambda-permission  runner
        function  arn:aws:lambda:us-east-1:000000000000:function:fraud-proxy
        api       (after deploy-proxy/api: id)
        route     */POST/
    ? smoke-test       smoke-test         POST /
        url          (after deploy-proxy/api: url)
        golden_rows  scores within 0.000001
    warning: deploy-proxy: anybody who knows the URL can call the API, and it is billed to you; `auth: iam` or `auth: { jwt: … }` of stage `deploy-proxy` closes it
    17 to create, 2 to check.
    ");
    insta::assert_snapshot!(plan(&scene, &["--teardown"]), @"Nothing of ours is here.");
}

#[test]
fn nothing_to_do_keeps_everything() {
    let scene = Scene::new(&Pipeline::default());
    scene.apply();
    insta::assert_snapshot!(plan(&scene, &[]), @"
    = train            model-file         ffffffffffff
    ? train            gate               metrics
        this_model  average precision 1.0000 (0.03 to 1.00), ROC AUC 1.0000; at 0.5 precision 0.000, recall 0.000, F1 0.000
    = package          archive            model.tar.gz
    = package          archive            proxy.zip
    = upload           s3-bucket          fraud-000000000000-us-east-1
    = upload           s3-object          models/ffffffffffff/model.tar.gz
    = upload           s3-object          models/ffffffffffff/evaluation.json
    = create-role      iam-role           fraud-us-east-1-sagemaker
    = create-role      iam-role           fraud-us-east-1-proxy
    = create-endpoint  log-group          /aws/sagemaker/Endpoints/fraud
    = create-endpoint  model              fraud-ffffffffffff
    = create-endpoint  endpoint-config    fraud-ffffffffffff
    = create-endpoint  endpoint           fraud
    = deploy-proxy     log-group          /aws/lambda/fraud-proxy
    = deploy-proxy     log-group          /aws/vendedlogs/apis/fraud
    = deploy-proxy     lambda-function    fraud-proxy
    = deploy-proxy     http-api           fraud
    = deploy-proxy     lambda-permission  runner
    ? smoke-test       smoke-test         POST /
        url          http://127.0.0.1:54321/execute-api/iiiiiiiiii/
        golden_rows  scores within 0.000001
    warning: deploy-proxy: anybody who knows the URL can call the API, and it is billed to you; `auth: iam` or `auth: { jwt: … }` of stage `deploy-proxy` closes it
    17 to keep, 2 to check.
    ");
}

#[test]
fn another_model_is_made_and_switched_to_before_the_old_one_is_deleted() {
    let scene = Scene::new(&Pipeline::default());
    scene.apply();
    scene.write(&Pipeline::trees(6));
    insta::assert_snapshot!(plan(&scene, &[]), @"
    + train            model-file         ffffffffffff
        data       generated, 2000 rows, seed 42
        algorithm  gradient boosting, 6 trees, learning rate 0.3, depth 6
    ? train            gate               metrics
        live_model  average precision 1.0000 (0.03 to 1.00), ROC AUC 1.0000; at 0.5 precision 0.000, recall 0.000, F1 0.000
    + package          archive            model.tar.gz
        model  ffffffffffff
    = package          archive            proxy.zip
    = upload           s3-bucket          fraud-000000000000-us-east-1
    + upload           s3-object          models/ffffffffffff/model.tar.gz
        bucket  fraud-000000000000-us-east-1
        sha256  (after package/model: sha256)
    + upload           s3-object          models/ffffffffffff/evaluation.json
        bucket  fraud-000000000000-us-east-1
        sha256  (after train/model: evaluation-sha256)
    = create-role      iam-role           fraud-us-east-1-sagemaker
    = create-role      iam-role           fraud-us-east-1-proxy
    = create-endpoint  log-group          /aws/sagemaker/Endpoints/fraud
    + create-endpoint  model              fraud-ffffffffffff
        image  683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1
        data   s3://fraud-000000000000-us-east-1/models/ffffffffffff/model.tar.gz
        role   arn:aws:iam::000000000000:role/runner/fraud-us-east-1-sagemaker
    + create-endpoint  endpoint-config    fraud-ffffffffffff
        model     fraud-ffffffffffff
        capacity  1 x ml.t2.medium
    ~ create-endpoint  endpoint           fraud
        config  fraud-ffffffffffff -> fraud-ffffffffffff
    = deploy-proxy     log-group          /aws/lambda/fraud-proxy
    = deploy-proxy     log-group          /aws/vendedlogs/apis/fraud
    = deploy-proxy     lambda-function    fraud-proxy
    = deploy-proxy     http-api           fraud
    = deploy-proxy     lambda-permission  runner
    ? smoke-test       smoke-test         POST /
        url          http://127.0.0.1:54321/execute-api/iiiiiiiiii/
        golden_rows  scores within 0.000001
    - create-endpoint  endpoint-config    fraud-ffffffffffff
        because: an older version
    - create-endpoint  model              fraud-ffffffffffff
        because: an older version
    - upload           s3-object          models/ffffffffffff/evaluation.json
        because: of an older model
    - upload           s3-object          models/ffffffffffff/model.tar.gz
        because: of an older model
    warning: deploy-proxy: anybody who knows the URL can call the API, and it is billed to you; `auth: iam` or `auth: { jwt: … }` of stage `deploy-proxy` closes it
    10 to keep, 6 to create, 1 to update, 4 to delete, 2 to check.
    ");
}

#[test]
fn more_memory_changes_the_function_alone() {
    let scene = Scene::new(&Pipeline::default());
    scene.apply();
    scene.write(&Pipeline { deploy_proxy: "{ memory-mb: 512 }".to_owned(), ..Pipeline::default() });
    insta::assert_snapshot!(plan(&scene, &[]), @"
    = train            model-file         ffffffffffff
    ? train            gate               metrics
        this_model  average precision 1.0000 (0.03 to 1.00), ROC AUC 1.0000; at 0.5 precision 0.000, recall 0.000, F1 0.000
    = package          archive            model.tar.gz
    = package          archive            proxy.zip
    = upload           s3-bucket          fraud-000000000000-us-east-1
    = upload           s3-object          models/ffffffffffff/model.tar.gz
    = upload           s3-object          models/ffffffffffff/evaluation.json
    = create-role      iam-role           fraud-us-east-1-sagemaker
    = create-role      iam-role           fraud-us-east-1-proxy
    = create-endpoint  log-group          /aws/sagemaker/Endpoints/fraud
    = create-endpoint  model              fraud-ffffffffffff
    = create-endpoint  endpoint-config    fraud-ffffffffffff
    = create-endpoint  endpoint           fraud
    = deploy-proxy     log-group          /aws/lambda/fraud-proxy
    = deploy-proxy     log-group          /aws/vendedlogs/apis/fraud
    ~ deploy-proxy     lambda-function    fraud-proxy
        memory_mb  256 -> 512
    = deploy-proxy     http-api           fraud
    = deploy-proxy     lambda-permission  runner
    ? smoke-test       smoke-test         POST /
        url          http://127.0.0.1:54321/execute-api/iiiiiiiiii/
        golden_rows  scores within 0.000001
    warning: deploy-proxy: anybody who knows the URL can call the API, and it is billed to you; `auth: iam` or `auth: { jwt: … }` of stage `deploy-proxy` closes it
    16 to keep, 1 to update, 2 to check.
    ");
}

#[test]
fn another_instance_count_switches_to_another_config() {
    let scene = Scene::new(&Pipeline::default());
    scene.apply();
    scene.write(&Pipeline { create_endpoint: "{ instances: { count: 2 } }".to_owned(), ..Pipeline::default() });
    insta::assert_snapshot!(plan(&scene, &[]), @"
    = train            model-file         ffffffffffff
    ? train            gate               metrics
        this_model  average precision 1.0000 (0.03 to 1.00), ROC AUC 1.0000; at 0.5 precision 0.000, recall 0.000, F1 0.000
    = package          archive            model.tar.gz
    = package          archive            proxy.zip
    = upload           s3-bucket          fraud-000000000000-us-east-1
    = upload           s3-object          models/ffffffffffff/model.tar.gz
    = upload           s3-object          models/ffffffffffff/evaluation.json
    = create-role      iam-role           fraud-us-east-1-sagemaker
    = create-role      iam-role           fraud-us-east-1-proxy
    = create-endpoint  log-group          /aws/sagemaker/Endpoints/fraud
    = create-endpoint  model              fraud-ffffffffffff
    + create-endpoint  endpoint-config    fraud-ffffffffffff
        model     fraud-ffffffffffff
        capacity  2 x ml.t2.medium
    ~ create-endpoint  endpoint           fraud
        config  fraud-ffffffffffff -> fraud-ffffffffffff
        count   1 -> 2
    = deploy-proxy     log-group          /aws/lambda/fraud-proxy
    = deploy-proxy     log-group          /aws/vendedlogs/apis/fraud
    = deploy-proxy     lambda-function    fraud-proxy
    = deploy-proxy     http-api           fraud
    = deploy-proxy     lambda-permission  runner
    ? smoke-test       smoke-test         POST /
        url          http://127.0.0.1:54321/execute-api/iiiiiiiiii/
        golden_rows  scores within 0.000001
    - create-endpoint  endpoint-config    fraud-ffffffffffff
        because: an older version
    warning: deploy-proxy: anybody who knows the URL can call the API, and it is billed to you; `auth: iam` or `auth: { jwt: … }` of stage `deploy-proxy` closes it
    15 to keep, 1 to create, 1 to update, 1 to delete, 2 to check.
    ");
}

#[test]
fn a_teardown_deletes_users_before_what_they_use() {
    let scene = Scene::new(&Pipeline::default());
    scene.apply();
    insta::assert_snapshot!(plan(&scene, &["--teardown"]), @"
    - deploy-proxy     lambda-permission  runner
    - deploy-proxy     http-api           fraud
    - deploy-proxy     lambda-function    fraud-proxy
    - deploy-proxy     log-group          /aws/vendedlogs/apis/fraud
    - deploy-proxy     log-group          /aws/lambda/fraud-proxy
    - create-endpoint  endpoint           fraud
    - create-endpoint  endpoint-config    fraud-ffffffffffff
    - create-endpoint  model              fraud-ffffffffffff
    - create-endpoint  log-group          /aws/sagemaker/Endpoints/fraud
    - create-role      iam-role           fraud-us-east-1-proxy
    - create-role      iam-role           fraud-us-east-1-sagemaker
    - upload           s3-object          models/ffffffffffff/evaluation.json
    - upload           s3-object          models/ffffffffffff/model.tar.gz
    - upload           s3-bucket          fraud-000000000000-us-east-1
    14 to delete.
    ");
}

#[test]
fn what_others_have_changed_is_planned_back() {
    let scene = Scene::new(&Pipeline::default());
    scene.apply();
    let aws = scene.aws();
    aws.logs("DeleteRetentionPolicy", &json!({ "logGroupName": "/aws/lambda/fraud-proxy" }));
    aws.sagemaker("DeleteEndpoint", &json!({ "EndpointName": "fraud" }));
    insta::assert_snapshot!(plan(&scene, &[]), @"
    = train            model-file         ffffffffffff
    ? train            gate               metrics
        this_model  average precision 1.0000 (0.03 to 1.00), ROC AUC 1.0000; at 0.5 precision 0.000, recall 0.000, F1 0.000
    = package          archive            model.tar.gz
    = package          archive            proxy.zip
    = upload           s3-bucket          fraud-000000000000-us-east-1
    = upload           s3-object          models/ffffffffffff/model.tar.gz
    = upload           s3-object          models/ffffffffffff/evaluation.json
    = create-role      iam-role           fraud-us-east-1-sagemaker
    = create-role      iam-role           fraud-us-east-1-proxy
    = create-endpoint  log-group          /aws/sagemaker/Endpoints/fraud
    = create-endpoint  model              fraud-ffffffffffff
    = create-endpoint  endpoint-config    fraud-ffffffffffff
    + create-endpoint  endpoint           fraud
        kind    instances
        config  fraud-ffffffffffff
        count   1
        status  InService
    ~ deploy-proxy     log-group          /aws/lambda/fraud-proxy
        retention_days  for ever -> 14
    = deploy-proxy     log-group          /aws/vendedlogs/apis/fraud
    = deploy-proxy     lambda-function    fraud-proxy
    = deploy-proxy     http-api           fraud
    = deploy-proxy     lambda-permission  runner
    ? smoke-test       smoke-test         POST /
        url          http://127.0.0.1:54321/execute-api/iiiiiiiiii/
        golden_rows  scores within 0.000001
    warning: deploy-proxy: anybody who knows the URL can call the API, and it is billed to you; `auth: iam` or `auth: { jwt: … }` of stage `deploy-proxy` closes it
    15 to keep, 1 to create, 1 to update, 2 to check.
    ");
}
