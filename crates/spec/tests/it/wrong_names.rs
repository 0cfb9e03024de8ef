use crate::{rendered, stage};

#[test]
fn a_name_that_no_cloud_would_take() {
    insta::assert_snapshot!(rendered("name: Fraud_Detection\n"), @"
    error: a pipeline's name has only lower-case letters, digits and hyphens, not `F`
     --> pipeline.yaml:1:7
      |
    1 | name: Fraud_Detection
      |       ^^^^^^^^^^^^^^^
      |
      = help: `name: fraud-detection` would do
    ");
    insta::assert_snapshot!(rendered("name: fraud--api\n"), @"
    error: a pipeline's name has no two hyphens in a row
     --> pipeline.yaml:1:7
      |
    1 | name: fraud--api
      |       ^^^^^^^^^^
      |
      = help: `name: fraud-api` would do
    ");
    insta::assert_snapshot!(rendered("name: a-very-long-name-for-a-fraud-model\n"), @"
    error: a pipeline's name has at most 32 characters, not 34
     --> pipeline.yaml:1:7
      |
    1 | name: a-very-long-name-for-a-fraud-model
      |       ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
    ");
    insta::assert_snapshot!(rendered("name: sthree\n"), @"
    error: a bucket's name does not begin with `sthree-`, which S3 keeps for itself
     --> pipeline.yaml:1:7
      |
    1 | name: sthree
      |       ^^^^^^
      |
      = help: the bucket is `<name>-<account>-<region>` unless `upload` gives it a name
    ");
    insta::assert_snapshot!(rendered("name:\n"), @"
    error: `name` must be text, but is empty
     --> pipeline.yaml:1:1
      |
    1 | name:
      | ^^^^
    ");
}

#[test]
fn a_region_that_does_not_exist() {
    insta::assert_snapshot!(rendered("name: fraud\ntargets:\n  prod:\n    region: ap-sout-1\n"), @"
    error: unknown region `ap-sout-1`
     --> pipeline.yaml:4:13
      |
    4 |     region: ap-sout-1
      |             ^^^^^^^^^
      |
      = help: did you mean `ap-south-1`?
    ");
}

#[test]
fn a_region_that_resembles_none() {
    insta::assert_snapshot!(rendered("name: fraud\ntargets:\n  7:\n    region: frankfurt\n"), @"
    error: unknown region `frankfurt`
     --> pipeline.yaml:4:13
      |
    4 |     region: frankfurt
      |             ^^^^^^^^^
      |
      = help: regions: af-south-1, ap-east-1, ap-northeast-1, ap-northeast-2, ap-northeast-3, ap-south-1, ap-south-2, ap-southeast-1, ap-southeast-2, ap-southeast-3, ap-southeast-4, ca-central-1, ca-west-1, cn-north-1, cn-northwest-1, eu-central-1, eu-central-2, eu-north-1, eu-south-1, eu-south-2, eu-west-1, eu-west-2, eu-west-3, il-central-1, me-central-1, me-south-1, sa-east-1, us-east-1, us-east-2, us-gov-east-1, us-gov-west-1, us-west-1, us-west-2
    ");
}

#[test]
fn a_target_without_a_region() {
    insta::assert_snapshot!(rendered("name: fraud\ntargets:\n  prod:\n    profile: work\n"), @"
    error: `prod` lacks the key `region`
     --> pipeline.yaml:3:3
      |
    3 |   prod:
      |   ^^^^
    ");
    insta::assert_snapshot!(rendered("name: fraud\ntargets:\n  prod:\n"), @"
    error: `prod` lacks the key `region`
     --> pipeline.yaml:3:3
      |
    3 |   prod:
      |   ^^^^
    ");
}

#[test]
fn a_target_that_cannot_be() {
    insta::assert_snapshot!(rendered("name: fraud\ntargets:\n  local: { deployer-policy: '' }\n"), @"
    error: `deployer-policy` must not be empty
     --> pipeline.yaml:3:29
      |
    3 |   local: { deployer-policy: '' }
      |                             ^^
      |
      = help: a file with an IAM policy, or `own` for what `runner policy` prints
    ");
    insta::assert_snapshot!(rendered("name: fraud\ntargets:\n  prod: { region: us-east-1, account: '12345' }\n"), @"
    error: an account is twelve digits, not `12345`
     --> pipeline.yaml:3:39
      |
    3 |   prod: { region: us-east-1, account: '12345' }
      |                                       ^^^^^^^
    ");
    insta::assert_snapshot!(rendered("name: fraud\ntargets:\n  moto: { region: us-east-1, endpoint-url: localhost:5000 }\n"), @"
    error: `localhost:5000` is no URL of a server
     --> pipeline.yaml:3:44
      |
    3 |   moto: { region: us-east-1, endpoint-url: localhost:5000 }
      |                                            ^^^^^^^^^^^^^^
      |
      = help: for example `http://127.0.0.1:5000`
    ");
    insta::assert_snapshot!(rendered("name: fraud\ntargets:\n  'my prod': { region: us-east-1 }\n"), @"
    error: `my prod` is no name for a target
     --> pipeline.yaml:3:3
      |
    3 |   'my prod': { region: us-east-1 }
      |   ^^^^^^^^^
      |
      = help: a target's name has letters, digits, `-` and `_`
    ");
    insta::assert_snapshot!(rendered("name: fraud\ntargets:\n  local: { port: 70000 }\n"), @"
    error: `port` must be from 1 to 65535, not 70000
     --> pipeline.yaml:3:18
      |
    3 |   local: { port: 70000 }
      |                  ^^^^^
    ");
}

#[test]
fn a_bucket_that_s3_would_refuse() {
    insta::assert_snapshot!(stage("- upload: { bucket: My_Bucket }\n"), @"
    error: a bucket's name has only lower-case letters, digits, hyphens and dots, not `M`
     --> pipeline.yaml:3:21
      |
    3 | - upload: { bucket: My_Bucket }
      |                     ^^^^^^^^^
    ");
    insta::assert_snapshot!(stage("- upload: { bucket: ab }\n"), @"
    error: a bucket's name has 3 to 63 characters, not 2
     --> pipeline.yaml:3:21
      |
    3 | - upload: { bucket: ab }
      |                     ^^
    ");
    insta::assert_snapshot!(stage("- upload: { bucket: a..b }\n"), @"
    error: a bucket's name has no two dots in a row
     --> pipeline.yaml:3:21
      |
    3 | - upload: { bucket: a..b }
      |                     ^^^^
    ");
    insta::assert_snapshot!(stage("- upload: { bucket: 192.168.0.1 }\n"), @"
    error: a bucket's name is no IP address
     --> pipeline.yaml:3:21
      |
    3 | - upload: { bucket: 192.168.0.1 }
      |                     ^^^^^^^^^^^
    ");
    insta::assert_snapshot!(stage("- upload: { bucket: models-s3alias }\n"), @"
    error: a bucket's name does not end with `-s3alias`, which S3 keeps for itself
     --> pipeline.yaml:3:21
      |
    3 | - upload: { bucket: models-s3alias }
      |                     ^^^^^^^^^^^^^^
    ");
    insta::assert_snapshot!(stage("- upload: { bucket: -models }\n"), @"
    error: a bucket's name begins and ends with a letter or a digit
     --> pipeline.yaml:3:21
      |
    3 | - upload: { bucket: -models }
      |                     ^^^^^^^
    ");
}

#[test]
fn a_route_that_the_gateway_would_not_take() {
    insta::assert_snapshot!(stage("- deploy-proxy: { route: /score }\n"), @"
    error: `/score` is no route
     --> pipeline.yaml:3:26
      |
    3 | - deploy-proxy: { route: /score }
      |                          ^^^^^^
      |
      = help: a route is a method and a path, such as `POST /`
    ");
    insta::assert_snapshot!(stage("- deploy-proxy: { route: post /score }\n"), @"
    error: unknown method `post` in the route
     --> pipeline.yaml:3:26
      |
    3 | - deploy-proxy: { route: post /score }
      |                          ^^^^^^^^^^^
      |
      = help: write `POST /score`
    ");
    insta::assert_snapshot!(stage("- deploy-proxy: { route: FETCH / }\n"), @"
    error: unknown method `FETCH` in the route
     --> pipeline.yaml:3:26
      |
    3 | - deploy-proxy: { route: FETCH / }
      |                          ^^^^^^^
      |
      = help: methods: GET, POST, PUT, PATCH, DELETE, ANY
    ");
    insta::assert_snapshot!(stage("- deploy-proxy: { route: POST score }\n"), @"
    error: the path `score` must begin with `/`
     --> pipeline.yaml:3:26
      |
    3 | - deploy-proxy: { route: POST score }
      |                          ^^^^^^^^^^
      |
      = help: write `POST /score`
    ");
    insta::assert_snapshot!(stage("- deploy-proxy: { route: 'POST /score/{id}' }\n"), @"
    error: a route's path has no variables
     --> pipeline.yaml:3:26
      |
    3 | - deploy-proxy: { route: 'POST /score/{id}' }
      |                          ^^^^^^^^^^^^^^^^^^
      |
      = help: the proxy answers one path; take the variable out
    ");
    insta::assert_snapshot!(stage("- deploy-proxy: { route: POST /score?x=1 }\n"), @"
    error: a route's path has no `?`
     --> pipeline.yaml:3:26
      |
    3 | - deploy-proxy: { route: POST /score?x=1 }
      |                          ^^^^^^^^^^^^^^^
      |
      = help: a path has letters, digits, `/`, `-`, `.`, `_` and `~`
    ");
}

#[test]
fn an_instance_type_that_cannot_serve() {
    insta::assert_snapshot!(stage("- create-endpoint: { instances: { type: t2.medium } }\n"), @"
    error: `t2.medium` is no instance type
     --> pipeline.yaml:3:41
      |
    3 | - create-endpoint: { instances: { type: t2.medium } }
      |                                         ^^^^^^^^^
      |
      = help: SageMaker's types begin with `ml.`: `ml.t2.medium`
    ");
    insta::assert_snapshot!(stage("- create-endpoint: { instances: { type: big } }\n"), @"
    error: `big` is no instance type
     --> pipeline.yaml:3:41
      |
    3 | - create-endpoint: { instances: { type: big } }
      |                                         ^^^
      |
      = help: an instance type reads like `ml.t2.medium` or `ml.m5.large`
    ");
    insta::assert_snapshot!(stage("- create-endpoint: { instances: { type: ml.c7gn.large } }\n"), @"
    error: `ml.c7gn.large` is an Arm machine, and the prebuilt image is for x86_64
     --> pipeline.yaml:3:41
      |
    3 | - create-endpoint: { instances: { type: ml.c7gn.large } }
      |                                         ^^^^^^^^^^^^^
      |
      = help: there the container would crash; `ml.m5.large` would do
    ");
}

#[test]
fn a_container_that_is_not_known() {
    insta::assert_snapshot!(stage("- create-endpoint: { container: latest }\n"), @"
    error: unknown tag `latest` of `sagemaker-xgboost`
     --> pipeline.yaml:3:33
      |
    3 | - create-endpoint: { container: latest }
      |                                 ^^^^^^
      |
      = help: known tags: 1.3-1, 1.5-1, 1.7-1, 3.0-5, 3.2-0
      = help: `model-server` is an image of its own, which `runner` makes
    ");
}

#[test]
fn a_word_that_is_not_known() {
    insta::assert_snapshot!(stage("- package: { architecture: arm46 }\n"), @"
    error: unknown architecture `arm46`
     --> pipeline.yaml:3:28
      |
    3 | - package: { architecture: arm46 }
      |                            ^^^^^
      |
      = help: did you mean `arm64`?
      = help: architectures: x86_64, arm64
    ");
    insta::assert_snapshot!(stage("- train: { algorithm: deep-forest }\n"), @"
    error: unknown algorithm `deep-forest`
     --> pipeline.yaml:3:23
      |
    3 | - train: { algorithm: deep-forest }
      |                       ^^^^^^^^^^^
      |
      = help: algorithms: gradient-boosting, random-forest, logistic-regression
    ");
    insta::assert_snapshot!(stage("- teardown: { keep: [logs, buckets] }\n"), @"
    error: a teardown cannot keep `buckets`
     --> pipeline.yaml:3:28
      |
    3 | - teardown: { keep: [logs, buckets] }
      |                            ^^^^^^^
      |
      = help: did you mean `bucket`?
      = help: it can keep: bucket, logs
    ");
}

#[test]
fn a_container_of_ones_own_that_is_misspelt() {
    insta::assert_snapshot!(stage("- create-endpoint: { container: model-serve }\n"), @"
    error: unknown tag `model-serve` of `sagemaker-xgboost`
     --> pipeline.yaml:3:33
      |
    3 | - create-endpoint: { container: model-serve }
      |                                 ^^^^^^^^^^^
      |
      = help: did you mean `model-server`?
      = help: known tags: 1.3-1, 1.5-1, 1.7-1, 3.0-5, 3.2-0
      = help: `model-server` is an image of its own, which `runner` makes
    ");
}

#[test]
fn a_program_for_an_image_that_is_not_made() {
    insta::assert_snapshot!(stage("- package: { model-server: bin/model-server }\n"), @"
    error: `model-server` is not used: AWS's image `1.7-1` serves the model
     --> pipeline.yaml:3:14
      |
    3 | - package: { model-server: bin/model-server }
      |              ^^^^^^^^^^^^
      |
      = help: write `container: model-server` in stage `create-endpoint`
    ");
    insta::assert_snapshot!(stage("- package: { model-server: '' }\n- create-endpoint: { container: model-server }\n"), @"
    error: `model-server` must not be empty
     --> pipeline.yaml:3:28
      |
    3 | - package: { model-server: '' }
      |                            ^^
    ");
}

#[test]
fn an_image_of_ones_own_is_made_for_the_machine_that_runs_it() {
    let architecture = |endpoint: &str| {
        let text = format!("name: fraud\nstages:\n- create-endpoint: {{ {endpoint} }}\n");
        let spec = spec::Spec::parse(&text, "pipeline.yaml".as_ref()).unwrap();
        spec.create_endpoint.capacity.architecture().as_str()
    };
    assert_eq!(architecture("container: model-server, instances: { type: ml.c7g.large }"), "arm64");
    assert_eq!(architecture("container: model-server, instances: { type: ml.c7i.large }"), "x86_64");
    assert_eq!(architecture("container: model-server, serverless: {}"), "x86_64");
}
