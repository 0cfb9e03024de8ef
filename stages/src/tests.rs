//! What the stages declare, as a user reads it in a plan.

mod limits;
mod own_image;

use plan::{Facts, Goal, Observation, Stray, World};

use crate::fixture::Fixture;
use crate::{create_endpoint, create_role, package, train, upload};

/// Trained by a job.
const JOB: &str = "{ train: { on: sagemaker, instances: { count: 2 } } }";

/// All that an endpoint of machines can be asked for.
const ALL: &str = "{ create-endpoint: { instances: { type: ml.m5.large, count: 2, volume-gb: 30 }, autoscaling: { min: 2, \
                   max: 4, invocations-per-instance: 1000, scale-in: false }, data-capture: { share: 0.1 }, kms-key: \
                   alias/ml, vpc: { subnets: [subnet-0a], security-groups: [sg-0a] }, startup-timeout-s: 600, rollout: { \
                   canary: { share: 0.5, wait-s: 120 }, termination-wait-s: 60 }, rollback-on: { alarms: [theirs], \
                   errors-per-minute: 5, latency-ms: 250 } } }";

/// Served by an image of our own.
const OWN: &str = "{ create-endpoint: { container: model-server } }";

const KINDS: [&str; 11] = [
    ALL,
    "{ create-endpoint: { serverless: { memory-mb: 2048, max-concurrency: 5, provisioned-concurrency: 2 }, autoscaling: { \
     max: 4 } } }",
    JOB,
    OWN,
    "",
    "{ create-endpoint: { serverless: { memory-mb: 2048, max-concurrency: 5 } } }",
    "{ train: { algorithm: { logistic-regression: {} }, require: { average-precision: 0.8 } } }",
    "{ package: { architecture: arm64 } }",
    "{ deploy-proxy: { route: ANY /score } }, { teardown: { keep: [bucket] } }",
    "{ deploy-proxy: { auth: iam, cors: { origins: ['*'] }, access-logs: false } }",
    "{ deploy-proxy: { auth: { jwt: { issuer: https://a.example, audience: [a], scopes: [b] } } } }",
];

#[test]
fn a_satisfied_world_is_kept_whatever_the_pipeline_says() {
    for stages in KINDS {
        let fixture = Fixture::with(stages);
        let desired = fixture.desired();
        let plan = plan::plan(&desired, &World::satisfying(&desired), Goal::Present).unwrap();
        assert!(!plan.has_changes(), "{}", plan::render::text(&plan, &|_, lines| lines));
    }
}

#[test]
fn a_first_deployment_creates_everything_behind_the_gate() {
    insta::assert_snapshot!(Fixture::with("").plan(&World::default(), Goal::Present), @"
    + train            model-file         3f9a0c123f9a
        data  rows 3f9a0c12
    ? train            gate               metrics
    + package          archive            model.tar.gz
        model  3f9a0c123f9a
    + package          archive            proxy.zip
        sources    5ca1ab1e5ca1
        bootstrap  lambda-proxy
    + upload           s3-bucket          fraud-123456789012-us-east-1
        public_access      blocked
        encryption         AES256
        versioning         Enabled
        old_versions_days  30
        policy.TlsOnly     Deny s3:* on arn:aws:s3:::fraud-123456789012-us-east-1, arn:aws:s3:::fraud-123456789012-us-east-1/* to * if aws:SecureTransport Bool false
    + upload           s3-object          models/3f9a0c123f9a/model.tar.gz
        bucket  fraud-123456789012-us-east-1
        sha256  (after package/model: sha256)
    + upload           s3-object          models/3f9a0c123f9a/evaluation.json
        bucket  fraud-123456789012-us-east-1
        sha256  (after train/model: evaluation-sha256)
    + create-role      iam-role           fraud-us-east-1-sagemaker
        path             /runner/
        trust.Assume     Allow sts:AssumeRole to Service: sagemaker.amazonaws.com if aws:SourceArn ArnLike arn:aws:sagemaker:us-east-1:123456789012:*
        policy.EcrPull   Allow ecr:BatchCheckLayerAvailability, ecr:BatchGetImage, ecr:GetDownloadUrlForLayer on arn:aws:ecr:us-east-1:683313688378:repository/sagemaker-xgboost
        policy.EcrToken  Allow ecr:GetAuthorizationToken on *
        policy.Logs      Allow logs:CreateLogGroup, logs:CreateLogStream, logs:DescribeLogStreams, logs:PutLogEvents on arn:aws:logs:us-east-1:123456789012:log-group:/aws/sagemaker/Endpoints/fraud, arn:aws:logs:us-east-1:123456789012:log-group:/aws/sagemaker/Endpoints/fraud:*
        policy.Metrics   Allow cloudwatch:PutMetricData on * if cloudwatch:namespace StringEquals /aws/sagemaker/Endpoints, AWS/SageMaker
        policy.Model     Allow s3:GetObject on arn:aws:s3:::fraud-123456789012-us-east-1/models/*
        other_policies   (none)
    + create-role      iam-role           fraud-us-east-1-proxy
        path            /runner/
        trust.Assume    Allow sts:AssumeRole to Service: lambda.amazonaws.com if aws:SourceAccount StringEquals 123456789012
        policy.Logs     Allow logs:CreateLogStream, logs:PutLogEvents on arn:aws:logs:us-east-1:123456789012:log-group:/aws/lambda/fraud-proxy:*
        policy.Score    Allow sagemaker:InvokeEndpoint on arn:aws:sagemaker:us-east-1:123456789012:endpoint/fraud
        other_policies  (none)
    + create-endpoint  log-group          /aws/sagemaker/Endpoints/fraud
        retention_days  14
    + create-endpoint  model              fraud-f8f2f4a85451
        image  683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1
        data   s3://fraud-123456789012-us-east-1/models/3f9a0c123f9a/model.tar.gz
        role   arn:aws:iam::123456789012:role/runner/fraud-us-east-1-sagemaker
    + create-endpoint  endpoint-config    fraud-2592047eff65
        model     fraud-f8f2f4a85451
        capacity  1 x ml.t2.medium
    + create-endpoint  endpoint           fraud
        kind    instances
        config  fraud-2592047eff65
        count   1
        status  InService
    + deploy-proxy     log-group          /aws/lambda/fraud-proxy
        retention_days  14
    + deploy-proxy     log-group          /aws/vendedlogs/apis/fraud
        retention_days  14
    + deploy-proxy     lambda-function    fraud-proxy
        code                        5ca1ab1e5ca1
        architecture                x86_64
        memory_mb                   256
        timeout_s                   28
        role                        arn:aws:iam::123456789012:role/runner/fraud-us-east-1-proxy
        environment.DECISION_FIELD  is_fraud
        environment.ENDPOINT_NAME   fraud
        environment.FEATURES        V1,V2,V3,V4,V5,V6,V7,V8,V9,V10,V11,V12,V13,V14,V15,V16,V17,V18,V19,V20,V21,V22,V23,V24,V25,V26,V27,V28,Amount
        environment.MAX_BODY_KB     256
        environment.SCORE_FIELD     fraud_score
        threshold                   0.5
        state                       Active
    + deploy-proxy     http-api           fraud
        function          arn:aws:lambda:us-east-1:123456789012:function:fraud-proxy
        integrations      1
        routes.POST /     open to everybody
        stage             $default, deployed at once
        throttle          100 requests/s, bursts of 200
        access_log.group  /aws/vendedlogs/apis/fraud
        access_log.lines  JSON
    + deploy-proxy     lambda-permission  runner
        function  arn:aws:lambda:us-east-1:123456789012:function:fraud-proxy
        api       (after deploy-proxy/api: id)
        route     */POST/
    ? smoke-test       smoke-test         POST /
        url          (after deploy-proxy/api: url)
        golden_rows  scores within 0.000001
    warning: deploy-proxy: anybody who knows the URL can call the API, and it is billed to you; `auth: iam` or `auth: { jwt: … }` of stage `deploy-proxy` closes it
    17 to create, 2 to check.
    ");
}

#[test]
fn a_server_without_tls_gets_no_policy_that_demands_it_and_the_plan_says_so() {
    let mut fixture = Fixture::with("");
    fixture.names.site.plain_http = true;
    let plan = fixture.plan(&World::default(), Goal::Present);
    assert!(!plan.contains("policy.TlsOnly"), "{plan}");
    let warned: Vec<&str> = plan.lines().filter(|line| line.starts_with("warning: upload:")).collect();
    insta::assert_snapshot!(warned.join("\n"), @"warning: upload: bucket `fraud-123456789012-us-east-1` takes requests without TLS: `endpoint-url` is plain HTTP, and a policy that demands TLS would lock this program out");
}

/// The lines of a first plan that belong to this resource, and the warnings.
fn of_kind(plan: &str, kind: &str) -> String {
    let mut lines = vec![];
    let mut within = false;
    for line in plan.lines() {
        let head = !line.starts_with(' ');
        within = if head { line.contains(&format!("  {kind} ")) || line.starts_with("warning: ") } else { within };
        lines.extend(within.then_some(line));
    }
    lines.join("\n")
}

#[test]
fn who_may_call_the_api_stands_in_the_plan() {
    let with = |proxy: &str| {
        let fixture = Fixture::with(&format!("{{ deploy-proxy: {proxy} }}"));
        of_kind(&fixture.plan(&World::default(), Goal::Present), "http-api")
    };
    insta::assert_snapshot!(with("{ auth: none, access-logs: false }"), @"
    + deploy-proxy     http-api           fraud
        function       arn:aws:lambda:us-east-1:123456789012:function:fraud-proxy
        integrations   1
        routes.POST /  open to everybody
        stage          $default, deployed at once
        throttle       100 requests/s, bursts of 200
    warning: deploy-proxy: anybody who knows the URL can call the API, and it is billed to you; `auth: iam` or `auth: { jwt: … }` of stage `deploy-proxy` closes it
    ");
    insta::assert_snapshot!(with("{ auth: iam, throttle: { rate-per-s: 5, burst: 7 } }"), @"
    + deploy-proxy     http-api           fraud
        function          arn:aws:lambda:us-east-1:123456789012:function:fraud-proxy
        integrations      1
        routes.POST /     for signed requests
        stage             $default, deployed at once
        throttle          5 requests/s, bursts of 7
        access_log.group  /aws/vendedlogs/apis/fraud
        access_log.lines  JSON, with the caller's ARN
    ");
    insta::assert_snapshot!(with("{ route: POST /score, auth: { jwt: { issuer: https://login.example.com/, audience: [b, a], scopes: [write, read] } }, cors: { origins: [https://app.example], credentials: true } }"), @"
    + deploy-proxy     http-api           fraud
        function            arn:aws:lambda:us-east-1:123456789012:function:fraud-proxy
        integrations        1
        routes.POST /score  for tokens with scope read or write
        authorizers.runner  tokens of https://login.example.com/ for a or b
        cors.credentials    true
        cors.exposed        apigw-requestid, retry-after, x-model-status
        cors.headers        authorization, content-type
        cors.max_age_s      300
        cors.methods        POST
        cors.origins        https://app.example
        stage               $default, deployed at once
        throttle            100 requests/s, bursts of 200
        access_log.group    /aws/vendedlogs/apis/fraud
        access_log.lines    JSON, with the token's subject
    ");
}

#[test]
fn a_training_job_has_its_bucket_and_its_role_before_the_gate_and_nothing_else() {
    let fixture = Fixture::with(JOB);
    let plan = plan::plan(&fixture.desired(), &World::default(), Goal::Present).unwrap();
    let lines = plan.changes.iter().map(|change| {
        let needs = change.needs.iter().map(|&need| plan.changes[need].id.as_str());
        format!("{} after {}", change.id.as_str(), needs.collect::<Vec<_>>().join(", "))
    });
    insta::assert_snapshot!(lines.take(6).collect::<Vec<_>>().join("\n"), @"
    upload/bucket after 
    create-role/sagemaker after 
    train/model after upload/bucket, create-role/sagemaker
    train/gate after train/model
    package/model after train/gate
    package/proxy after train/gate
    ");
    let text = plan::render::text(&plan, &|_, lines| lines);
    let from = text.find("+ create-role      iam-role           fraud-us-east-1-sagemaker").unwrap();
    let to = text.find("? train").unwrap();
    insta::assert_snapshot!(&text[from..to], @"
    + create-role      iam-role           fraud-us-east-1-sagemaker
        path                     /runner/
        trust.Assume             Allow sts:AssumeRole to Service: sagemaker.amazonaws.com if aws:SourceArn ArnLike arn:aws:sagemaker:us-east-1:123456789012:*
        policy.EcrPull           Allow ecr:BatchCheckLayerAvailability, ecr:BatchGetImage, ecr:GetDownloadUrlForLayer on arn:aws:ecr:us-east-1:683313688378:repository/sagemaker-xgboost
        policy.EcrToken          Allow ecr:GetAuthorizationToken on *
        policy.ListRows          Allow s3:ListBucket on arn:aws:s3:::fraud-123456789012-us-east-1 if s3:prefix StringLike training/*
        policy.Logs              Allow logs:CreateLogGroup, logs:CreateLogStream, logs:DescribeLogStreams, logs:PutLogEvents on arn:aws:logs:us-east-1:123456789012:log-group:/aws/sagemaker/Endpoints/fraud, arn:aws:logs:us-east-1:123456789012:log-group:/aws/sagemaker/Endpoints/fraud:*
        policy.Metrics           Allow cloudwatch:PutMetricData on * if cloudwatch:namespace StringEquals /aws/sagemaker/Endpoints, AWS/SageMaker
        policy.Model             Allow s3:GetObject on arn:aws:s3:::fraud-123456789012-us-east-1/models/*
        policy.Result            Allow s3:PutObject on arn:aws:s3:::fraud-123456789012-us-east-1/training/*/output/*
        policy.Rows              Allow s3:GetObject on arn:aws:s3:::fraud-123456789012-us-east-1/training/*
        policy.TrainingLogGroup  Allow logs:CreateLogGroup, logs:DescribeLogStreams on arn:aws:logs:us-east-1:123456789012:log-group:/aws/sagemaker/TrainingJobs, arn:aws:logs:us-east-1:123456789012:log-group:/aws/sagemaker/TrainingJobs:log-stream:
        policy.TrainingLogs      Allow logs:CreateLogStream, logs:PutLogEvents on arn:aws:logs:us-east-1:123456789012:log-group:/aws/sagemaker/TrainingJobs:log-stream:fraud-????????????*
        policy.TrainingMetrics   Allow cloudwatch:PutMetricData on * if cloudwatch:namespace StringEquals /aws/sagemaker/TrainingJobs
        other_policies           (none)
    + train            model-file         3f9a0c123f9a
        data  rows 3f9a0c12
        on    sagemaker, 2 x ml.m5.large
    ");
}

#[test]
fn a_teardown_ends_what_training_left_before_its_bucket_and_its_role_go() {
    let fixture = Fixture::with(JOB);
    let mut world = World::satisfying(&fixture.desired());
    world.strays.push(Stray { of: train::MODEL, name: "training/c0ffee00c0ff/".to_owned(), why: "left".to_owned() });
    let text = fixture.plan(&world, Goal::Absent);
    insta::assert_snapshot!(&text[text.find("- train").unwrap()..], @"
    - train            model-file         3f9a0c123f9a
    - train            model-file         training/c0ffee00c0ff/
    - create-role      iam-role           fraud-us-east-1-sagemaker
    - upload           s3-bucket          fraud-123456789012-us-east-1
    18 to delete.
    ");
}

#[test]
fn with_nothing_to_do_only_the_checks_run() {
    let fixture = Fixture::with("");
    insta::assert_snapshot!(fixture.plan(&World::satisfying(&fixture.desired()), Goal::Present), @"
    = train            model-file         3f9a0c123f9a
    ? train            gate               metrics
    = package          archive            model.tar.gz
    = package          archive            proxy.zip
    = upload           s3-bucket          fraud-123456789012-us-east-1
    = upload           s3-object          models/3f9a0c123f9a/model.tar.gz
    = upload           s3-object          models/3f9a0c123f9a/evaluation.json
    = create-role      iam-role           fraud-us-east-1-sagemaker
    = create-role      iam-role           fraud-us-east-1-proxy
    = create-endpoint  log-group          /aws/sagemaker/Endpoints/fraud
    = create-endpoint  model              fraud-f8f2f4a85451
    = create-endpoint  endpoint-config    fraud-2592047eff65
    = create-endpoint  endpoint           fraud
    = deploy-proxy     log-group          /aws/lambda/fraud-proxy
    = deploy-proxy     log-group          /aws/vendedlogs/apis/fraud
    = deploy-proxy     lambda-function    fraud-proxy
    = deploy-proxy     http-api           fraud
    = deploy-proxy     lambda-permission  runner
    ? smoke-test       smoke-test         POST /
        url          <deploy-proxy/api: url>
        golden_rows  scores within 0.000001
    warning: deploy-proxy: anybody who knows the URL can call the API, and it is billed to you; `auth: iam` or `auth: { jwt: … }` of stage `deploy-proxy` closes it
    17 to keep, 2 to check.
    ");
}

#[test]
fn a_new_model_is_served_before_the_old_one_goes() {
    let (old, new) = (Fixture::with(""), Fixture::retrained(""));
    let before = World::satisfying(&old.desired());
    let endpoint = before.of(&create_endpoint::ENDPOINT).clone();
    let mut world = World::satisfying(&new.desired()).with(create_endpoint::ENDPOINT, endpoint);
    for id in [
        train::MODEL,
        package::ARCHIVE,
        upload::MODEL,
        upload::EVALUATION,
        create_endpoint::MODEL,
        create_endpoint::CONFIG,
    ] {
        world = world.without(id.as_str());
    }
    for (of, name) in [
        (upload::MODEL, &old.names.model_key),
        (create_endpoint::MODEL, &old.names.model),
        (create_endpoint::CONFIG, &old.names.endpoint_config),
    ] {
        world.strays.push(Stray { of, name: name.clone(), why: "an older version".to_owned() });
    }
    insta::assert_snapshot!(new.plan(&world, Goal::Present), @"
    + train            model-file         c0ffee00c0ff
        data  rows c0ffee00
    ? train            gate               metrics
    + package          archive            model.tar.gz
        model  c0ffee00c0ff
    = package          archive            proxy.zip
    = upload           s3-bucket          fraud-123456789012-us-east-1
    + upload           s3-object          models/c0ffee00c0ff/model.tar.gz
        bucket  fraud-123456789012-us-east-1
        sha256  (after package/model: sha256)
    + upload           s3-object          models/c0ffee00c0ff/evaluation.json
        bucket  fraud-123456789012-us-east-1
        sha256  (after train/model: evaluation-sha256)
    = create-role      iam-role           fraud-us-east-1-sagemaker
    = create-role      iam-role           fraud-us-east-1-proxy
    = create-endpoint  log-group          /aws/sagemaker/Endpoints/fraud
    + create-endpoint  model              fraud-527a721f9ef0
        image  683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1
        data   s3://fraud-123456789012-us-east-1/models/c0ffee00c0ff/model.tar.gz
        role   arn:aws:iam::123456789012:role/runner/fraud-us-east-1-sagemaker
    + create-endpoint  endpoint-config    fraud-71074b24afb8
        model     fraud-527a721f9ef0
        capacity  1 x ml.t2.medium
    ~ create-endpoint  endpoint           fraud
        config  fraud-2592047eff65 -> fraud-71074b24afb8
    = deploy-proxy     log-group          /aws/lambda/fraud-proxy
    = deploy-proxy     log-group          /aws/vendedlogs/apis/fraud
    = deploy-proxy     lambda-function    fraud-proxy
    = deploy-proxy     http-api           fraud
    = deploy-proxy     lambda-permission  runner
    ? smoke-test       smoke-test         POST /
        url          <deploy-proxy/api: url>
        golden_rows  scores within 0.000001
    - create-endpoint  endpoint-config    fraud-2592047eff65
        because: an older version
    - create-endpoint  model              fraud-f8f2f4a85451
        because: an older version
    - upload           s3-object          models/3f9a0c123f9a/model.tar.gz
        because: an older version
    warning: deploy-proxy: anybody who knows the URL can call the API, and it is billed to you; `auth: iam` or `auth: { jwt: … }` of stage `deploy-proxy` closes it
    10 to keep, 6 to create, 1 to update, 3 to delete, 2 to check.
    ");
}

#[test]
fn more_memory_updates_the_function_in_place() {
    let small = Fixture::with("{ deploy-proxy: { memory-mb: 256 } }");
    let large = Fixture::with("{ deploy-proxy: { memory-mb: 512 } }");
    insta::assert_snapshot!(large.plan(&World::satisfying(&small.desired()), Goal::Present), @"
    = train            model-file         3f9a0c123f9a
    ? train            gate               metrics
    = package          archive            model.tar.gz
    = package          archive            proxy.zip
    = upload           s3-bucket          fraud-123456789012-us-east-1
    = upload           s3-object          models/3f9a0c123f9a/model.tar.gz
    = upload           s3-object          models/3f9a0c123f9a/evaluation.json
    = create-role      iam-role           fraud-us-east-1-sagemaker
    = create-role      iam-role           fraud-us-east-1-proxy
    = create-endpoint  log-group          /aws/sagemaker/Endpoints/fraud
    = create-endpoint  model              fraud-f8f2f4a85451
    = create-endpoint  endpoint-config    fraud-2592047eff65
    = create-endpoint  endpoint           fraud
    = deploy-proxy     log-group          /aws/lambda/fraud-proxy
    = deploy-proxy     log-group          /aws/vendedlogs/apis/fraud
    ~ deploy-proxy     lambda-function    fraud-proxy
        memory_mb  256 -> 512
    = deploy-proxy     http-api           fraud
    = deploy-proxy     lambda-permission  runner
    ? smoke-test       smoke-test         POST /
        url          <deploy-proxy/api: url>
        golden_rows  scores within 0.000001
    warning: deploy-proxy: anybody who knows the URL can call the API, and it is billed to you; `auth: iam` or `auth: { jwt: … }` of stage `deploy-proxy` closes it
    16 to keep, 1 to update, 2 to check.
    ");
}

#[test]
fn what_somebody_changed_by_hand_is_put_right() {
    let fixture = Fixture::with("");
    let desired = fixture.desired();
    let role = desired.iter().find(|resource| resource.id == create_role::PROXY).unwrap();
    let facts = role.facts.iter().fold(Facts::default(), |facts, fact| match fact.name {
        "other_policies" => facts.field("other_policies", serde_json::json!(["AdministratorAccess"])),
        name => facts.field(name, fact.value.clone()),
    });
    let world = World::satisfying(&desired);
    let Observation::Present { outputs, .. } = world.of(&create_role::PROXY).clone() else { unreachable!() };
    let world = world.with(create_role::PROXY, Observation::Present { facts, outputs });
    insta::assert_snapshot!(fixture.plan(&world, Goal::Present), @"
    = train            model-file         3f9a0c123f9a
    ? train            gate               metrics
    = package          archive            model.tar.gz
    = package          archive            proxy.zip
    = upload           s3-bucket          fraud-123456789012-us-east-1
    = upload           s3-object          models/3f9a0c123f9a/model.tar.gz
    = upload           s3-object          models/3f9a0c123f9a/evaluation.json
    = create-role      iam-role           fraud-us-east-1-sagemaker
    ~ create-role      iam-role           fraud-us-east-1-proxy
        other_policies  AdministratorAccess -> (none)
    = create-endpoint  log-group          /aws/sagemaker/Endpoints/fraud
    = create-endpoint  model              fraud-f8f2f4a85451
    = create-endpoint  endpoint-config    fraud-2592047eff65
    = create-endpoint  endpoint           fraud
    = deploy-proxy     log-group          /aws/lambda/fraud-proxy
    = deploy-proxy     log-group          /aws/vendedlogs/apis/fraud
    = deploy-proxy     lambda-function    fraud-proxy
    = deploy-proxy     http-api           fraud
    = deploy-proxy     lambda-permission  runner
    ? smoke-test       smoke-test         POST /
        url          <deploy-proxy/api: url>
        golden_rows  scores within 0.000001
    warning: deploy-proxy: anybody who knows the URL can call the API, and it is billed to you; `auth: iam` or `auth: { jwt: … }` of stage `deploy-proxy` closes it
    16 to keep, 1 to update, 2 to check.
    ");
}

#[test]
fn all_that_an_endpoint_can_be_asked_for_is_planned_and_warned_of() {
    let plan = Fixture::with(ALL).plan(&World::default(), Goal::Present);
    insta::assert_snapshot!(of_endpoint(&plan), @"
    + create-endpoint  log-group          /aws/sagemaker/Endpoints/fraud
        retention_days  14
    + create-endpoint  model              fraud-cf4fe43a89f1
        image            683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1
        data             s3://fraud-123456789012-us-east-1/models/3f9a0c123f9a/model.tar.gz
        role             arn:aws:iam::123456789012:role/runner/fraud-us-east-1-sagemaker
        subnets          subnet-0a
        security_groups  sg-0a
    + create-endpoint  endpoint-config    fraud-6aaa9fa2971d
        model              fraud-cf4fe43a89f1
        capacity           2 x ml.m5.large, 30 GB each
        captures           10 % of the traffic: requests and answers, to s3://fraud-123456789012-us-east-1/captures
        kms_key            alias/ml
        startup_timeout_s  600
    + create-endpoint  alarm              fraud-errors
        config        fraud-6aaa9fa2971d
        of            endpoint fraud, variant main
        when          Sum of Invocation5XXErrors >= 5
        each          60 s
        without_data  notBreaching
    + create-endpoint  alarm              fraud-latency
        config        fraud-6aaa9fa2971d
        of            endpoint fraud, variant main
        when          Average of ModelLatency > 250000 microseconds
        each          60 s
        without_data  notBreaching
    ? create-endpoint  alarms             rollback-on
    + create-endpoint  endpoint           fraud
        kind      instances
        config    fraud-6aaa9fa2971d
        captures  10 % of the traffic
        status    InService
    + create-endpoint  autoscaling        endpoint/fraud/variant/main
        endpoint                  (after create-endpoint/endpoint: arn)
        on                        ml.m5.large
        min                       2
        max                       4
        scales                    out, never in
        invocations_per_instance  1000
        scale_in_cooldown_s       300
        scale_out_cooldown_s      300
        policies                  fraud-target-tracking
    warning: create-endpoint: in a network of yours the model is downloaded only if the subnets reach S3, such as by a gateway endpoint
    warning: create-endpoint: SageMaker wants subnets in two availability zones, even for one machine
    warning: create-endpoint: requests and answers are kept under `captures/` in the bucket, billed, until a teardown deletes them; they may be personal data
    warning: create-endpoint: whoever applies needs `kms:CreateGrant` on key `alias/ml`, and the key's policy must let role `fraud-us-east-1-sagemaker` use it
    warning: create-endpoint: while a version is rolled out, old and new machines run beside each other for 5 min longer: both are billed, and the quota of `ml.m5.large` must allow twice as many
    ");
}

#[test]
fn a_bucket_of_somebody_else_blocks_the_plan() {
    let fixture = Fixture::with("");
    let foreign = Observation::Foreign { owner: "it bears no tag".to_owned() };
    let world = World::satisfying(&fixture.desired()).with(upload::BUCKET, foreign);
    insta::assert_snapshot!(fixture.plan(&world, Goal::Present), @"
    = train            model-file         3f9a0c123f9a
    ? train            gate               metrics
    = package          archive            model.tar.gz
    = package          archive            proxy.zip
    ! upload           s3-bucket          fraud-123456789012-us-east-1
        because: it bears no tag
    = upload           s3-object          models/3f9a0c123f9a/model.tar.gz
    = upload           s3-object          models/3f9a0c123f9a/evaluation.json
    = create-role      iam-role           fraud-us-east-1-sagemaker
    = create-role      iam-role           fraud-us-east-1-proxy
    = create-endpoint  log-group          /aws/sagemaker/Endpoints/fraud
    = create-endpoint  model              fraud-f8f2f4a85451
    = create-endpoint  endpoint-config    fraud-2592047eff65
    = create-endpoint  endpoint           fraud
    = deploy-proxy     log-group          /aws/lambda/fraud-proxy
    = deploy-proxy     log-group          /aws/vendedlogs/apis/fraud
    = deploy-proxy     lambda-function    fraud-proxy
    = deploy-proxy     http-api           fraud
    = deploy-proxy     lambda-permission  runner
    ? smoke-test       smoke-test         POST /
        url          <deploy-proxy/api: url>
        golden_rows  scores within 0.000001
    warning: deploy-proxy: anybody who knows the URL can call the API, and it is billed to you; `auth: iam` or `auth: { jwt: … }` of stage `deploy-proxy` closes it
    16 to keep, 2 to check, 1 blocked.
    ");
}

#[test]
fn a_failed_endpoint_is_replaced() {
    let fixture = Fixture::with("");
    let broken = Observation::Broken { why: "its status is `Failed`: no capacity".to_owned() };
    let world = World::satisfying(&fixture.desired()).with(create_endpoint::ENDPOINT, broken);
    insta::assert_snapshot!(fixture.plan(&world, Goal::Present), @"
    = train            model-file         3f9a0c123f9a
    ? train            gate               metrics
    = package          archive            model.tar.gz
    = package          archive            proxy.zip
    = upload           s3-bucket          fraud-123456789012-us-east-1
    = upload           s3-object          models/3f9a0c123f9a/model.tar.gz
    = upload           s3-object          models/3f9a0c123f9a/evaluation.json
    = create-role      iam-role           fraud-us-east-1-sagemaker
    = create-role      iam-role           fraud-us-east-1-proxy
    = create-endpoint  log-group          /aws/sagemaker/Endpoints/fraud
    = create-endpoint  model              fraud-f8f2f4a85451
    = create-endpoint  endpoint-config    fraud-2592047eff65
    ± create-endpoint  endpoint           fraud
        because: its status is `Failed`: no capacity
        kind    instances
        config  fraud-2592047eff65
        count   1
        status  InService
    = deploy-proxy     log-group          /aws/lambda/fraud-proxy
    = deploy-proxy     log-group          /aws/vendedlogs/apis/fraud
    = deploy-proxy     lambda-function    fraud-proxy
    = deploy-proxy     http-api           fraud
    = deploy-proxy     lambda-permission  runner
    ? smoke-test       smoke-test         POST /
        url          <deploy-proxy/api: url>
        golden_rows  scores within 0.000001
    warning: deploy-proxy: anybody who knows the URL can call the API, and it is billed to you; `auth: iam` or `auth: { jwt: … }` of stage `deploy-proxy` closes it
    16 to keep, 1 to replace, 2 to check.
    ");
}

#[test]
fn teardown_goes_backwards_and_leaves_what_is_to_be_kept() {
    let fixture = Fixture::with("{ teardown: { keep: [bucket, logs] } }");
    insta::assert_snapshot!(fixture.plan(&World::satisfying(&fixture.desired()), Goal::Absent), @"
    - deploy-proxy     lambda-permission  runner
    - deploy-proxy     http-api           fraud
    - deploy-proxy     lambda-function    fraud-proxy
    = deploy-proxy     log-group          /aws/vendedlogs/apis/fraud
        because: kept by `teardown: keep`
    = deploy-proxy     log-group          /aws/lambda/fraud-proxy
        because: kept by `teardown: keep`
    - create-endpoint  endpoint           fraud
    - create-endpoint  endpoint-config    fraud-2592047eff65
    - create-endpoint  model              fraud-f8f2f4a85451
    = create-endpoint  log-group          /aws/sagemaker/Endpoints/fraud
        because: kept by `teardown: keep`
    - create-role      iam-role           fraud-us-east-1-proxy
    - create-role      iam-role           fraud-us-east-1-sagemaker
    = upload           s3-object          models/3f9a0c123f9a/evaluation.json
        because: kept by `teardown: keep`
    = upload           s3-object          models/3f9a0c123f9a/model.tar.gz
        because: kept by `teardown: keep`
    = upload           s3-bucket          fraud-123456789012-us-east-1
        because: kept by `teardown: keep`
    - package          archive            proxy.zip
    - package          archive            model.tar.gz
    - train            model-file         3f9a0c123f9a
    6 to keep, 11 to delete.
    ");
}

#[test]
fn teardown_of_nothing_does_nothing() {
    insta::assert_snapshot!(Fixture::with("").plan(&World::default(), Goal::Absent), @"Nothing of ours is here.");
}

#[test]
fn what_the_file_asks_for_no_longer_goes_and_the_count_is_the_files_again() {
    let asked = Fixture::with(ALL).desired();
    let world = World::satisfying(&asked);
    let plain = "{ create-endpoint: { instances: { type: ml.m5.large, count: 3 } } }";
    insta::assert_snapshot!(of_endpoint(&Fixture::with(plain).plan(&world, Goal::Present)), @"
    ± create-endpoint  endpoint-config    fraud-cdfc709576f4
        model     fraud-cf4fe43a89f1 -> fraud-f8f2f4a85451
        capacity  2 x ml.m5.large, 30 GB each -> 3 x ml.m5.large
    ~ create-endpoint  endpoint           fraud
        config  fraud-6aaa9fa2971d -> fraud-cdfc709576f4
        count   (unset) -> 3
    - create-endpoint  autoscaling        endpoint/fraud/variant/main
        because: the pipeline file asks for it no longer
    - create-endpoint  alarm              fraud-latency
        because: the pipeline file asks for it no longer
    - create-endpoint  alarm              fraud-errors
        because: the pipeline file asks for it no longer
    ");
    insta::assert_snapshot!(of_endpoint(&Fixture::with(plain).plan(&world, Goal::Absent)), @"
    - create-endpoint  autoscaling        endpoint/fraud/variant/main
    - create-endpoint  endpoint           fraud
    - create-endpoint  alarm              fraud-latency
    - create-endpoint  alarm              fraud-errors
    - create-endpoint  endpoint-config    fraud-cdfc709576f4
    - create-endpoint  model              fraud-f8f2f4a85451
    - create-endpoint  log-group          /aws/sagemaker/Endpoints/fraud
    ");
}

#[test]
fn another_machine_type_says_what_becomes_of_autoscaling() {
    let world = World::satisfying(&Fixture::with(ALL).desired());
    let other = ALL.replace("ml.m5.large", "ml.m5.xlarge");
    insta::assert_snapshot!(of_endpoint(&Fixture::with(&other).plan(&world, Goal::Present)), @"
    ± create-endpoint  endpoint-config    fraud-38b521bc2846
        capacity  2 x ml.m5.large, 30 GB each -> 2 x ml.m5.xlarge, 30 GB each
    ~ create-endpoint  alarm              fraud-errors
        config  fraud-6aaa9fa2971d -> fraud-38b521bc2846
    ~ create-endpoint  alarm              fraud-latency
        config  fraud-6aaa9fa2971d -> fraud-38b521bc2846
    ? create-endpoint  alarms             rollback-on
    ~ create-endpoint  endpoint           fraud
        config   fraud-6aaa9fa2971d -> fraud-38b521bc2846
        rollout  50 % of the traffic, after 120 s the rest, watched for as long; the old machines stay for another 60 s; back when an alarm rings: theirs, fraud-errors, fraud-latency
    ~ create-endpoint  autoscaling        endpoint/fraud/variant/main
        on         ml.m5.large -> ml.m5.xlarge
        meanwhile  SageMaker changes no machine type of what is scaled: it is deregistered for the change, and registered again
    warning: create-endpoint: in a network of yours the model is downloaded only if the subnets reach S3, such as by a gateway endpoint
    warning: create-endpoint: SageMaker wants subnets in two availability zones, even for one machine
    warning: create-endpoint: requests and answers are kept under `captures/` in the bucket, billed, until a teardown deletes them; they may be personal data
    warning: create-endpoint: whoever applies needs `kms:CreateGrant` on key `alias/ml`, and the key's policy must let role `fraud-us-east-1-sagemaker` use it
    warning: create-endpoint: while a version is rolled out, old and new machines run beside each other for 5 min longer: both are billed, and the quota of `ml.m5.xlarge` must allow twice as many
    ");
}

#[test]
fn a_replaced_endpoint_takes_its_autoscaling_with_it() {
    let fixture = Fixture::with(
        "{ create-endpoint: { instances: { type: ml.m5.large }, autoscaling: { max: 4, \
                                 invocations-per-instance: 50.5 } } }",
    );
    let world = World::satisfying(&fixture.desired())
        .with(create_endpoint::ENDPOINT, Observation::Broken { why: "its status is `Failed`: no reason given".into() });
    insta::assert_snapshot!(of_endpoint(&fixture.plan(&world, Goal::Present)), @"
    ± create-endpoint  endpoint           fraud
        because: its status is `Failed`: no reason given
        kind    instances
        config  fraud-08e52c16789d
        status  InService
    ± create-endpoint  autoscaling        endpoint/fraud/variant/main
        endpoint  <create-endpoint/endpoint: arn> -> (after create-endpoint/endpoint: arn)
    ");
}

#[test]
fn an_endpoint_that_could_not_even_go_back_is_updated_and_never_deleted() {
    let fixture = Fixture::with("");
    let config = fixture.names.endpoint_config.as_str();
    let facts = Facts::default()
        .field("kind", "instances")
        .field("config", config)
        .field("count", "1")
        .field("status", "UpdateRollbackFailed: no capacity");
    let world = World::satisfying(&fixture.desired())
        .with(create_endpoint::ENDPOINT, Observation::Present { facts, outputs: plan::Outputs::new() });
    insta::assert_snapshot!(of_endpoint(&fixture.plan(&world, Goal::Present)), @"
    ~ create-endpoint  endpoint           fraud
        status  UpdateRollbackFailed: no capacity -> InService
    ");
}

/// Of a plan, the stage's changes and warnings alone.
fn of_endpoint(plan: &str) -> String {
    let mut keep = false;
    let lines = plan.lines().filter(|line| {
        if !line.starts_with(' ') {
            keep = line.contains("create-endpoint") && !line.starts_with('=');
        }
        keep
    });
    lines.collect::<Vec<_>>().join("\n")
}
