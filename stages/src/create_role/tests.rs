//! What a policy of the user's own lacks, and how that is told.

use super::*;
use crate::fixture::Fixture;

fn fixture(stages: &str) -> Fixture {
    Fixture::new(&format!("name: fraud\nstages:\n{stages}"), "us-east-1", "3f9a0c12")
}

fn lacks(fixture: &Fixture) -> Vec<Lack> {
    let Roles { execution, proxy } = Roles::of(&fixture.wanted());
    [execution.lacks, proxy.lacks].concat()
}

const TRAINED: &str = "- train: { on: sagemaker }\n";

#[test]
fn the_default_policies_lack_nothing() {
    for stages in ["- train: {}\n", TRAINED] {
        assert!(lacks(&fixture(stages)).is_empty());
    }
}

#[test]
fn what_a_written_policy_lacks_is_underlined_with_the_statement_to_add() {
    let fixture = fixture(
        "- train: {}
- create-role:
    sagemaker:
      policy:
      - { Sid: Model, Effect: Allow, Action: s3:GetObject, Resource: \"arn:aws:s3:::{bucket}/other/*\" }
      - { Effect: Allow, Action: ['ecr:*', 'logs:*'], Resource: '*' }
      - { Sid: Guard, Effect: Deny, Action: ecr:BatchGetImage, Resource: '*' }
    proxy:
      policy:
      - { Effect: Allow, Action: 'logs:*', Resource: '*' }
",
    );
    let told: Vec<_> = lacks(&fixture).iter().map(|lack| lack.complaint().render(false)).collect();
    insta::assert_snapshot!(told.join("\n\n"), @r#"
    note: role `fraud-us-east-1-sagemaker` may not do `s3:GetObject` on `arn:aws:s3:::fraud-123456789012-us-east-1/models/3f9a0c123f9a/model.tar.gz`
     --> pipeline.yaml:7:70
      |
    7 |       - { Sid: Model, Effect: Allow, Action: s3:GetObject, Resource: "arn:aws:s3:::{bucket}/other/*" }
      |                                                                      ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ this statement allows it on something else, or not always
      |
      = help: without it SageMaker cannot read the model
      = help: add `- { Sid: Model, Effect: Allow, Action: s3:GetObject, Resource: "arn:{partition}:s3:::{bucket}/models/*" }`

    note: role `fraud-us-east-1-sagemaker` may not do `ecr:BatchGetImage` on `arn:aws:ecr:us-east-1:683313688378:repository/sagemaker-xgboost`
     --> pipeline.yaml:9:31
      |
    9 |       - { Sid: Guard, Effect: Deny, Action: ecr:BatchGetImage, Resource: '*' }
      |                               ^^^^ this statement denies it
      |
      = help: without it the image cannot be pulled
      = help: take the denial away, or narrow it

    note: role `fraud-us-east-1-sagemaker` may not do `cloudwatch:PutMetricData`
     --> pipeline.yaml:6:7
      |
    6 |       policy:
      |       ^^^^^^ no statement here allows it
      |
      = help: without it the endpoint has no metrics
      = help: add `- { Sid: Metrics, Effect: Allow, Action: cloudwatch:PutMetricData, Resource: "*", Condition: { StringEquals: { cloudwatch:namespace: ["/aws/sagemaker/Endpoints","AWS/SageMaker"] } } }`

    note: role `fraud-us-east-1-proxy` may not do `sagemaker:InvokeEndpoint` on `arn:aws:sagemaker:us-east-1:123456789012:endpoint/fraud`
      --> pipeline.yaml:11:7
       |
    11 |       policy:
       |       ^^^^^^ no statement here allows it
       |
       = help: without it the function cannot ask the model
       = help: add `- { Sid: Score, Effect: Allow, Action: sagemaker:InvokeEndpoint, Resource: "arn:{partition}:sagemaker:{region}:{account}:endpoint/{endpoint}" }`
    "#);
    let of_roles = fixture.desired().into_iter().filter(|desired| desired.id.stage() == "create-role");
    let warnings: Vec<_> = of_roles.flat_map(|desired| desired.warnings).collect();
    insta::assert_snapshot!(warnings.join("\n"), @r#"
    role `fraud-us-east-1-sagemaker` may not do `s3:GetObject` on `arn:aws:s3:::fraud-123456789012-us-east-1/models/3f9a0c123f9a/model.tar.gz` (line 7 of the pipeline file): without it SageMaker cannot read the model; add `- { Sid: Model, Effect: Allow, Action: s3:GetObject, Resource: "arn:{partition}:s3:::{bucket}/models/*" }`
    role `fraud-us-east-1-sagemaker` may not do `ecr:BatchGetImage` on `arn:aws:ecr:us-east-1:683313688378:repository/sagemaker-xgboost` (line 9 of the pipeline file): without it the image cannot be pulled; take the denial away, or narrow it
    role `fraud-us-east-1-sagemaker` may not do `cloudwatch:PutMetricData` (line 6 of the pipeline file): without it the endpoint has no metrics; add `- { Sid: Metrics, Effect: Allow, Action: cloudwatch:PutMetricData, Resource: "*", Condition: { StringEquals: { cloudwatch:namespace: ["/aws/sagemaker/Endpoints","AWS/SageMaker"] } } }`
    role `fraud-us-east-1-proxy` may not do `sagemaker:InvokeEndpoint` on `arn:aws:sagemaker:us-east-1:123456789012:endpoint/fraud` (line 11 of the pipeline file): without it the function cannot ask the model; add `- { Sid: Score, Effect: Allow, Action: sagemaker:InvokeEndpoint, Resource: "arn:{partition}:sagemaker:{region}:{account}:endpoint/{endpoint}" }`
    "#);
}

/// Pasting what is told for a policy of nothing makes a policy that lacks nothing.
#[test]
fn the_statements_to_add_are_all_that_is_missing() {
    let nothing = "      - { Effect: Allow, Action: 'ec2:RunInstances', Resource: '*' }\n";
    for stages in ["", TRAINED] {
        let with = |execution: &str, proxy: &str| {
            let roles = format!("    sagemaker:\n      policy:\n{execution}    proxy:\n      policy:\n{proxy}");
            let fixture = fixture(&format!("{stages}- create-role:\n{roles}"));
            let Roles { execution, proxy } = Roles::of(&fixture.wanted());
            [execution.lacks, proxy.lacks]
        };
        let [execution, proxy] = with(nothing, nothing).map(|lacks| {
            let told = lacks.iter().map(Lack::warning);
            let added = told.map(|told| told.split_once("; add `").unwrap().1.trim_end_matches('`').to_owned());
            let mut added: Vec<String> = added.collect();
            added.dedup();
            assert!(added.len() > 1, "{added:?}");
            added.iter().fold(String::new(), |text, line| text + "      " + line + "\n")
        });
        let left = with(&execution, &proxy);
        assert!(left.iter().all(Vec::is_empty), "{execution}{proxy}{left:?}");
    }
}

#[test]
fn what_iam_would_refuse_once_names_are_known_is_refused_before() {
    let refused = |stages: &str| {
        let fixture = fixture(stages);
        check(&fixture.wanted()).unwrap_err().render(false)
    };
    let twice = "- create-role:
    proxy:
      also: [{ Sid: Score, Effect: Allow, Action: s3:GetObject, Resource: '*' }]
";
    insta::assert_snapshot!(refused(twice), @"
    error: the default policy has a statement with the `Sid` `Score`
     --> pipeline.yaml:5:7
      |
    5 |       also: [{ Sid: Score, Effect: Allow, Action: s3:GetObject, Resource: '*' }]
      |       ^^^^
      |
      = help: give yours another `Sid`, or none
    ");
    let long_name = "b".repeat(100);
    let many = (0..60).fold(String::new(), |text, n| {
        text + &format!(
            "      - {{ Effect: Allow, Action: s3:GetObject, Resource: \"arn:aws:s3:::{long_name}/{n}\" }}\n"
        )
    });
    let long = refused(&format!("- create-role:\n    sagemaker:\n      also:\n{many}"));
    insta::assert_snapshot!(long, @"
    error: the policy has 11315 characters, and IAM takes 10240
     --> pipeline.yaml:4:5
      |
    4 |     sagemaker:
      |     ^^^^^^^^^
      |
      = help: white space is not counted; wildcards make a policy shorter
    ");
}
