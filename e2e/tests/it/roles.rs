//! What the endpoint's and the function's roles may do: written in the pipeline file, and explained when it is not enough.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::{Pipeline, Ran, Scene};

const OURS: &str = "pipeline.yaml";

const MODEL: &str =
    r#"{ Sid: Model, Effect: Allow, Action: s3:GetObject, Resource: "arn:{partition}:s3:::{bucket}/models/*" }"#;
const TOKEN: &str = r#"{ Effect: Allow, Action: ecr:GetAuthorizationToken, Resource: "*" }"#;
const PULL: &str =
    r#"{ Effect: Allow, Action: ["ecr:Batch*", "ecr:Get*"], Resource: "arn:*:ecr:{region}:*:repository/*" }"#;
const LOGS: &str = r#"{ Effect: Allow, Action: ["logs:*", "cloudwatch:*"], Resource: "*" }"#;
const SCORE: &str = r#"{ Effect: Allow, Action: sagemaker:InvokeEndpoint, Resource: "arn:{partition}:sagemaker:*:*:endpoint/{endpoint}" }"#;

/// A pipeline whose roles have these statements; none of a role means its default ones.
fn pipeline(execution: &[&str], proxy: &[&str]) -> Pipeline {
    let role = |statements: &[&str]| match statements {
        [] => "{}".to_owned(),
        some => format!("{{ policy: [{}] }}", some.join(", ")),
    };
    let create_role = format!("{{ sagemaker: {}, proxy: {} }}", role(execution), role(proxy));
    Pipeline { create_role, ..Pipeline::default() }
}

/// What is told of a role that lacks something, without what differs from run to run.
fn note(scene: &Scene, ran: &Ran) -> String {
    let (_, note) = ran.stderr.split_once("\nnote: ").unwrap_or_else(|| panic!("no note: {}", ran.stderr));
    let lines = scene.steady(note);
    // The line itself is the whole block; what is underlined counts.
    let kept = lines.lines().filter(|line| !line.contains(" - create-role: "));
    kept.collect::<Vec<_>>().join("\n").trim_end().to_owned()
}

#[test]
fn policies_that_are_written_and_enough_deploy_without_a_warning() {
    let scene = Scene::new(&pipeline(&[MODEL, TOKEN, PULL, LOGS], &[SCORE, LOGS]));
    let applied = scene.apply();
    assert!(!applied.stdout.contains("warning: create-role"), "{}", applied.stdout);
    scene.keeps_all(OURS);
    scene.answers(OURS);
    // Back to the default ones, in place.
    scene.write(&Pipeline::default());
    let aws = scene.aws();
    aws.clear_requests();
    scene.apply();
    let roles = ["iam:PutRolePolicy fraud-us-east-1-proxy", "iam:PutRolePolicy fraud-us-east-1-sagemaker"];
    let mut writes = aws.writes();
    writes.sort();
    assert_eq!(writes, roles);
    scene.keeps_all(OURS);
}

#[test]
fn a_model_that_its_role_may_not_read_is_told_at_once_with_the_statement_and_the_line() {
    let scene = Scene::new(&pipeline(&[TOKEN, PULL, LOGS], &[]));
    let began = Instant::now();
    let refused = scene.runner(&["apply"]).exits(1);
    // It would be waited for two minutes, if it could come.
    assert!(began.elapsed() < Duration::from_mins(1), "{:?}", began.elapsed());
    assert!(refused.stderr.contains("  because: Could not access model data at s3://"), "{}", refused.stderr);
    insta::assert_snapshot!(note(&scene, &refused), @r#"
    role `fraud-us-east-1-sagemaker` may not do `s3:GetObject` on `arn:aws:s3:::fraud-000000000000-us-east-1/models/ffffffffffff/model.tar.gz`
     --> pipeline.yaml:8:33
      |
      |                                 ^^^^^^ no statement here allows it
      |
      = help: without it SageMaker cannot read the model
      = help: add `- { Sid: Model, Effect: Allow, Action: s3:GetObject, Resource: "arn:{partition}:s3:::{bucket}/models/*" }`
    "#);
    assert!(
        refused.stdout.contains("warning: create-role: role `fraud-us-east-1-sagemaker` may not do `s3:GetObject`")
    );
    scene.write(&pipeline(&[MODEL, TOKEN, PULL, LOGS], &[]));
    scene.apply();
    scene.answers(OURS);
}

#[test]
fn an_image_that_the_role_may_not_pull_is_told_with_the_statement() {
    let scene = Scene::new(&pipeline(&[MODEL, TOKEN, LOGS], &[]));
    let refused = scene.runner(&["apply"]).exits(1);
    assert!(refused.stderr.contains("does not have BatchGetImage permission for the image"), "{}", refused.stderr);
    insta::assert_snapshot!(note(&scene, &refused), @r#"
    role `fraud-us-east-1-sagemaker` may not do `ecr:BatchGetImage` on `arn:aws:ecr:us-east-1:683313688378:repository/sagemaker-xgboost`
     --> pipeline.yaml:8:33
      |
      |                                 ^^^^^^ no statement here allows it
      |
      = help: without it the image cannot be pulled
      = help: add `- { Sid: EcrPull, Effect: Allow, Action: [ecr:BatchGetImage, ecr:GetDownloadUrlForLayer, ecr:BatchCheckLayerAvailability], Resource: "arn:aws:ecr:us-east-1:683313688378:repository/sagemaker-xgboost" }`
    "#);
    let token = PULL.replace("repository/*", "repository/sagemaker-xgboost");
    scene.write(&pipeline(&[MODEL, &token, LOGS], &[]));
    let refused = scene.runner(&["apply"]).exits(1);
    assert!(refused.stderr.contains("Please make sure all images included in the model"), "{}", refused.stderr);
    assert!(refused.stderr.contains("may not do `ecr:GetAuthorizationToken`"), "{}", refused.stderr);
}

#[test]
fn a_proxy_that_may_not_ask_the_model_is_told_in_the_words_of_aws_with_the_statement() {
    let scene = Scene::new(&pipeline(&[], &[LOGS]));
    let refused = scene.runner(&["apply"]).exits(3);
    let words = "is not authorized to perform: sagemaker:InvokeEndpoint on resource: \
                 arn:aws:sagemaker:us-east-1:000000000000:endpoint/fraud because no identity-based policy allows";
    assert!(refused.stderr.contains(words), "{}", refused.stderr);
    insta::assert_snapshot!(note(&scene, &refused), @r#"
    role `fraud-us-east-1-proxy` may not do `sagemaker:InvokeEndpoint` on `arn:aws:sagemaker:us-east-1:000000000000:endpoint/fraud`
     --> pipeline.yaml:8:44
      |
      |                                            ^^^^^^ no statement here allows it
      |
      = help: without it the function cannot ask the model
      = help: add `- { Sid: Score, Effect: Allow, Action: sagemaker:InvokeEndpoint, Resource: "arn:{partition}:sagemaker:{region}:{account}:endpoint/{endpoint}" }`
    "#);
}

#[test]
fn a_denial_beside_the_default_policy_is_underlined() {
    let also = r#"{ sagemaker: { also: [{ Sid: Guard, Effect: Deny, Action: s3:*, Resource: "arn:aws:s3:::{bucket}/models/*" }] } }"#;
    let scene = Scene::new(&Pipeline { create_role: also.to_owned(), ..Pipeline::default() });
    let refused = scene.runner(&["apply"]).exits(1);
    assert!(refused.stderr.contains("Could not access model data"), "{}", refused.stderr);
    insta::assert_snapshot!(note(&scene, &refused), @"
    role `fraud-us-east-1-sagemaker` may not do `s3:GetObject` on `arn:aws:s3:::fraud-000000000000-us-east-1/models/ffffffffffff/model.tar.gz`
     --> pipeline.yaml:8:62
      |
      |                                                              ^^^^ this statement denies it
      |
      = help: without it SageMaker cannot read the model
      = help: take the denial away, or narrow it
    ");
}

#[test]
fn a_job_that_may_not_read_its_rows_is_told_with_the_statement() {
    let train = "{ data: { generate: { rows: 2000, seed: 42 } }, on: sagemaker, \
                 algorithm: { gradient-boosting: { trees: 5 } } }";
    let with = |statements: &[&str]| Pipeline { train: train.to_owned(), ..pipeline(statements, &[]) };
    let scene = Scene::new(&with(&[MODEL, TOKEN, PULL, LOGS]));
    let refused = scene.runner(&["apply"]).exits(1);
    assert!(refused.stderr.contains("No S3 objects found under S3 URL"), "{}", refused.stderr);
    insta::assert_snapshot!(note(&scene, &refused), @r#"
    role `fraud-us-east-1-sagemaker` may not do `s3:ListBucket` on `arn:aws:s3:::fraud-000000000000-us-east-1`
     --> pipeline.yaml:8:33
      |
      |                                 ^^^^^^ no statement here allows it
      |
      = help: without it the training job cannot read its rows
      = help: add `- { Sid: ListRows, Effect: Allow, Action: s3:ListBucket, Resource: "arn:{partition}:s3:::{bucket}", Condition: { StringLike: { s3:prefix: "training/*" } } }`
    "#);
    let list = r#"{ Effect: Allow, Action: s3:ListBucket, Resource: "arn:{partition}:s3:::{bucket}" }"#;
    scene.write(&with(&[MODEL, TOKEN, PULL, LOGS, list]));
    let refused = scene.runner(&["apply"]).exits(1);
    assert!(refused.stderr.contains("Data download failed"), "{}", refused.stderr);
    assert!(refused.stderr.contains("{bucket}/training/*\""), "{}", refused.stderr);
    let rows = r#"{ Effect: Allow, Action: s3:GetObject, Resource: "arn:{partition}:s3:::{bucket}/training/*" }"#;
    scene.write(&with(&[MODEL, TOKEN, PULL, LOGS, list, rows]));
    let refused = scene.runner(&["apply"]).exits(1);
    assert!(refused.stderr.contains("Artifact upload failed"), "{}", refused.stderr);
    assert!(refused.stderr.contains("may not do `s3:PutObject`"), "{}", refused.stderr);
}

/// The refusal is one that a lacking policy would cause, and the policy lacks nothing.
#[test]
fn a_policy_that_is_right_is_not_blamed() {
    let scene = Scene::new(&Pipeline::default());
    scene.runner(&["apply"]).exits(0);
    scene.write(&Pipeline::trees(6));
    let message = "Could not access model data at s3://elsewhere. Also ensure that the role has permissions.";
    let refusal = json!({ "refuse": { "status": 400, "code": "ValidationException", "message": message } });
    let rule =
        |n: u32| json!({ "match": { "service": "sagemaker", "operation": "CreateModel", "nth": n }, "fault": refusal });
    // It passes: the role is young, so it is waited for.
    scene.aws().put_faults(&(1..=3).map(rule).collect());
    scene.runner(&["apply"]).exits(0);
    scene.write(&Pipeline::trees(7));
    let denied = json!({ "refuse": { "status": 403, "code": "AccessDeniedException", "message":
        "User: x is not authorized to perform: sagemaker:InvokeEndpoint on resource: y" } });
    let rule = |n: u32| json!({ "match": { "service": "sagemaker", "operation": "InvokeEndpoint", "nth": n }, "fault": denied });
    scene.aws().put_faults(&(1..=3).map(rule).collect());
    let applied = scene.runner(&["apply"]).exits(0);
    assert!(!applied.stderr.contains("note: "), "{}", applied.stderr);
}
