use spec::{Effect, Scope};

use crate::{parse, stage};

#[test]
fn a_role_has_the_statements_that_are_written() {
    let text = r#"
name: fraud
stages:
- create-role:
    sagemaker:
      policy:
      - { Sid: Model, Effect: Allow, Action: s3:GetObject, Resource: "arn:{partition}:s3:::{bucket}/models/*" }
      - Effect: Deny
        NotAction: [s3:*, "ecr:*"]
        NotResource: ["arn:aws:s3:::{bucket}", "*"]
        Condition: { Bool: { aws:SecureTransport: false }, StringLike: { s3:prefix: [a, "${aws:username}/*"] } }
    proxy: { also: [{ Effect: Allow, Action: "*", Resource: "*" }] }
"#;
    let roles = parse(text).unwrap().create_role;
    let [model, deny] = roles.sagemaker.policy.as_deref().unwrap() else { panic!("{roles:?}") };
    assert_eq!((model.sid.as_deref(), model.effect), (Some("Model"), Effect::Allow));
    assert_eq!(model.resource, Scope::Of(vec!["arn:{partition}:s3:::{bucket}/models/*".to_owned()]));
    assert_eq!(deny.action, Scope::AllBut(vec!["s3:*".to_owned(), "ecr:*".to_owned()]));
    assert_eq!(deny.condition["Bool"]["aws:SecureTransport"], ["false"]);
    assert_eq!(deny.condition["StringLike"]["s3:prefix"], ["a", "${aws:username}/*"]);
    assert_eq!((roles.proxy.policy, roles.proxy.also.len()), (None, 1));
    assert_eq!(parse("name: fraud").unwrap().create_role, spec::CreateRole::default());
}

#[test]
fn statements_that_iam_would_refuse() {
    let of = |statement: &str| stage(&format!("- create-role:\n    proxy:\n      also:\n      - {statement}\n"));
    let told = [
        of("{ Action: s3:GetObject, Resource: \"*\" }"),
        of("{ Effect: allow, Action: s3:GetObject, Resource: \"*\" }"),
        of("{ Effect: Allow, Resource: \"*\" }"),
        of("{ Effect: Allow, Action: s3:GetObject, NotAction: s3:PutObject, Resource: \"*\" }"),
        of("{ Effect: Allow, Action: [s3:GetObject, GetObject], Resource: \"*\" }"),
        of("{ Effect: Allow, Action: s3:GetObject, Resource: models/* }"),
        of("{ Effect: Allow, Action: s3:GetObject, Resource: [\"*\", \"arn:aws:s3:::{buckets}/*\"] }"),
        of("{ Effect: Allow, Action: s3:GetObject, Resource: [] }"),
        of("{ Sid: my-models, Effect: Allow, Action: s3:GetObject, Resource: \"*\" }"),
        of("{ Effect: Allow, Action: s3:GetObject, Resource: \"*\", Principal: \"*\" }"),
        of("{ Effect: Allow, action: s3:GetObject, Resource: \"*\" }"),
        of("{ Effect: Allow, Action: s3:GetObject, Resource: 7 }"),
        of("{ Effect: Allow, Action: s3:ListBucket, Resource: \"*\", Condition: { StringEqual: { s3:prefix: a } } }"),
        of("{ Effect: Allow, Action: s3:ListBucket, Resource: \"*\", Condition: { StringEquals: { s3:prefix: [] } } }"),
        of(
            "{ Effect: Allow, Action: s3:ListBucket, Resource: \"*\", Condition: { StringEquals: { s3:prefix: \"{x}\" } } }",
        ),
    ];
    insta::assert_snapshot!(told.join("\n\n"), @r#"
    error: item 1 of `also` lacks the key `Effect`
     --> pipeline.yaml:6:11
      |
    6 |       - { Action: s3:GetObject, Resource: "*" }
      |           ^^^^^^

    error: unknown effect `allow`
     --> pipeline.yaml:6:19
      |
    6 |       - { Effect: allow, Action: s3:GetObject, Resource: "*" }
      |                   ^^^^^
      |
      = help: did you mean `Allow`?
      = help: effects: Allow, Deny

    error: the statement has neither `Action` nor `NotAction`
     --> pipeline.yaml:6:11
      |
    6 |       - { Effect: Allow, Resource: "*" }
      |           ^^^^^^

    error: `Action` and `NotAction` exclude each other
     --> pipeline.yaml:6:48
      |
    6 |       - { Effect: Allow, Action: s3:GetObject, NotAction: s3:PutObject, Resource: "*" }
      |                          ------                ^^^^^^^^^
      |                          |
      |                          the statement has it already
      |
      = help: keep one of them

    error: an action reads like `s3:GetObject`, unlike `GetObject`
     --> pipeline.yaml:6:49
      |
    6 |       - { Effect: Allow, Action: [s3:GetObject, GetObject], Resource: "*" }
      |                                                 ^^^^^^^^^

    error: a resource is an ARN or `*`, unlike `models/*`
     --> pipeline.yaml:6:58
      |
    6 |       - { Effect: Allow, Action: s3:GetObject, Resource: models/* }
      |                                                          ^^^^^^^^

    error: unknown placeholder `{buckets}` in `arn:aws:s3:::{buckets}/*`
     --> pipeline.yaml:6:64
      |
    6 |       - { Effect: Allow, Action: s3:GetObject, Resource: ["*", "arn:aws:s3:::{buckets}/*"] }
      |                                                                ^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: placeholders: {partition}, {region}, {account}, {bucket}, {name}, {endpoint}, {function}; IAM's own variables are `${…}`

    error: `Resource` names nothing
     --> pipeline.yaml:6:48
      |
    6 |       - { Effect: Allow, Action: s3:GetObject, Resource: [] }
      |                                                ^^^^^^^^

    error: a `Sid` has letters and digits only, unlike `my-models`
     --> pipeline.yaml:6:16
      |
    6 |       - { Sid: my-models, Effect: Allow, Action: s3:GetObject, Resource: "*" }
      |                ^^^^^^^^^

    error: unknown key `Principal`
     --> pipeline.yaml:6:63
      |
    6 |       - { Effect: Allow, Action: s3:GetObject, Resource: "*", Principal: "*" }
      |                                                               ^^^^^^^^^
      |
      = help: the policy of a role names no principal: the role is the principal
      = help: known keys: Action, Condition, Effect, NotAction, NotResource, Resource, Sid

    error: unknown key `action`
     --> pipeline.yaml:6:26
      |
    6 |       - { Effect: Allow, action: s3:GetObject, Resource: "*" }
      |                          ^^^^^^
      |
      = help: did you mean `Action`?
      = help: known keys: Action, Condition, Effect, NotAction, NotResource, Resource, Sid

    error: `Resource` must be text or a list of texts, not the number 7
     --> pipeline.yaml:6:58
      |
    6 |       - { Effect: Allow, Action: s3:GetObject, Resource: 7 }
      |                                                          ^

    error: unknown operator `StringEqual`
     --> pipeline.yaml:6:77
      |
    6 |       - { Effect: Allow, Action: s3:ListBucket, Resource: "*", Condition: { StringEqual: { s3:prefix: a } } }
      |                                                                             ^^^^^^^^^^^
      |
      = help: did you mean `StringEquals`?

    error: the condition on `s3:prefix` names no value
     --> pipeline.yaml:6:93
      |
    6 |       - { Effect: Allow, Action: s3:ListBucket, Resource: "*", Condition: { StringEquals: { s3:prefix: [] } } }
      |                                                                                             ^^^^^^^^^

    error: unknown placeholder `{x}` in `{x}`
     --> pipeline.yaml:6:104
      |
    6 |       - { Effect: Allow, Action: s3:ListBucket, Resource: "*", Condition: { StringEquals: { s3:prefix: "{x}" } } }
      |                                                                                                        ^^^^^
      |
      = help: placeholders: {partition}, {region}, {account}, {bucket}, {name}, {endpoint}, {function}; IAM's own variables are `${…}`
    "#);
}

#[test]
fn a_policy_without_statements_and_a_sid_that_is_written_twice() {
    insta::assert_snapshot!(stage("- create-role: { sagemaker: { policy: [] } }\n"), @"
    error: `policy` has no statement
     --> pipeline.yaml:3:31
      |
    3 | - create-role: { sagemaker: { policy: [] } }
      |                               ^^^^^^
      |
      = help: leave it out to have the default statements
    ");
    let twice = "- create-role:
    sagemaker:
      policy:
      - { Sid: A, Effect: Allow, Action: s3:GetObject, Resource: '*' }
      also:
      - { Sid: A, Effect: Allow, Action: s3:PutObject, Resource: '*' }
";
    insta::assert_snapshot!(stage(twice), @"
    error: the `Sid` `A` is written twice
     --> pipeline.yaml:8:16
      |
    6 |       - { Sid: A, Effect: Allow, Action: s3:GetObject, Resource: '*' }
      |                - first here
    7 |       also:
    8 |       - { Sid: A, Effect: Allow, Action: s3:PutObject, Resource: '*' }
      |                ^ again here
    ");
}

/// The last character that IAM takes, and the one behind it.
#[test]
fn characters_that_iam_takes_in_no_policy() {
    let of = |resource: &str, prefix: &str| {
        format!(
            "name: fraud\nstages:\n- create-role:\n    proxy:\n      also:\n      - {{ Effect: Allow, Action: s3:GetObject, \
             Resource: \"arn:aws:s3:::{resource}/*\", Condition: {{ StringLike: {{ s3:prefix: \"{prefix}\" }} }} }}\n"
        )
    };
    parse(&of("b/\u{ff}", "\u{ff}")).unwrap();
    let told = [of("b/\u{100}", "a"), of("b", "a\u{2003}")].map(|text| parse(&text).unwrap_err().render(false));
    insta::assert_snapshot!(told.join("\n\n"), @r#"
    error: IAM takes no `Ā` in a policy
     --> pipeline.yaml:6:58
      |
    6 |       - { Effect: Allow, Action: s3:GetObject, Resource: "arn:aws:s3:::b/Ā/*", Condition: { StringLike: { s3:prefix: "a" } } }
      |                                                          ^^^^^^^^^^^^^^^^^^^^

    error: IAM takes no U+2003 in a policy, as in `a `
     --> pipeline.yaml:6:116
      |
    6 |       - { Effect: Allow, Action: s3:GetObject, Resource: "arn:aws:s3:::b/*", Condition: { StringLike: { s3:prefix: "a " } } }
      |                                                                                                                    ^^^^
    "#);
}
