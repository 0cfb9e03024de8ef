//! What a plan says, as a user reads it.

#![allow(clippy::unwrap_used, reason = "tests")]

use plan::{Desired, Facts, Goal, Nature, Observation, Output, Outputs, ResourceId, Stray, World, plan, render};

const ROLE: ResourceId = ResourceId::new("create-role/execution");
const ROLE_ARN: Output<String> = Output::new(ROLE, "arn");
const MODEL: ResourceId = ResourceId::new("create-endpoint/model");
const MODEL_NAME: Output<String> = Output::new(MODEL, "name");
const ENDPOINT: ResourceId = ResourceId::new("create-endpoint/endpoint");
const SMOKE: ResourceId = ResourceId::new("smoke-test/request");

fn desired(model: &str, memory_mb: u32) -> Vec<Desired> {
    let resource = |id, kind, name: &str, facts| Desired {
        id,
        kind,
        name: name.to_owned(),
        facts,
        after: vec![],
        nature: Nature::Resource,
        keep: false,
        unwanted: false,
        warnings: vec![],
    };
    let policy = serde_json::json!({ "Model": "Allow s3:GetObject on arn:aws:s3:::b/models/*" });
    vec![
        resource(
            ENDPOINT,
            "endpoint",
            "fraud",
            Facts::default().field("model", MODEL_NAME.known(model)).field("memory_mb", memory_mb),
        ),
        resource(MODEL, "model", model, Facts::default().fixed("image", "xgboost:1.7-1").field("role", &ROLE_ARN)),
        resource(ROLE, "iam-role", "fraud-exec", Facts::default().field("policy", policy)),
        Desired {
            nature: Nature::Check,
            ..resource(SMOKE, "request", "POST /", Facts::default().field("model", MODEL_NAME.known(model)))
        },
    ]
}

fn text(desired: &[Desired], world: &World, goal: Goal) -> String {
    render::text(&plan(desired, world, goal).unwrap(), &|_, lines| lines)
}

#[test]
fn everything_is_created_in_the_order_of_the_outputs_it_mentions() {
    insta::assert_snapshot!(text(&desired("m-1", 256), &World::default(), Goal::Present), @"
    + create-role      iam-role  fraud-exec
        policy.Model  Allow s3:GetObject on arn:aws:s3:::b/models/*
    + create-endpoint  model     m-1
        image  xgboost:1.7-1
        role   (after create-role/execution: arn)
    + create-endpoint  endpoint  fraud
        model      m-1
        memory_mb  256
    ? smoke-test       request   POST /
        model  m-1
    3 to create, 1 to check.
    ");
}

#[test]
fn a_satisfied_world_is_kept() {
    let desired = desired("m-1", 256);
    insta::assert_snapshot!(text(&desired, &World::satisfying(&desired), Goal::Present), @"
    = create-role      iam-role  fraud-exec
    = create-endpoint  model     m-1
    = create-endpoint  endpoint  fraud
    ? smoke-test       request   POST /
        model  m-1
    3 to keep, 1 to check.
    ");
}

#[test]
fn a_new_version_is_created_and_switched_to_before_the_old_one_goes() {
    let mut world = World::satisfying(&desired("m-1", 256)).without(MODEL.as_str());
    world.strays.push(Stray { of: MODEL, name: "m-1".into(), why: "an older version".into() });
    insta::assert_snapshot!(text(&desired("m-2", 256), &world, Goal::Present), @"
    = create-role      iam-role  fraud-exec
    + create-endpoint  model     m-2
        image  xgboost:1.7-1
        role   <create-role/execution: arn>
    ~ create-endpoint  endpoint  fraud
        model  m-1 -> m-2
    ? smoke-test       request   POST /
        model  m-2
    - create-endpoint  model     m-1
        because: an older version
    1 to keep, 1 to create, 1 to update, 1 to delete, 1 to check.
    ");
}

#[test]
fn a_changed_field_updates_and_a_changed_fixed_fact_replaces() {
    let facts = Facts::default().field("image", "xgboost:1.5-1").field("role", "<create-role/execution: arn>");
    let world =
        World::satisfying(&desired("m-1", 256)).with(MODEL, Observation::Present { facts, outputs: Outputs::new() });
    insta::assert_snapshot!(text(&desired("m-1", 512), &world, Goal::Present), @"
    = create-role      iam-role  fraud-exec
    ± create-endpoint  model     m-1
        image  xgboost:1.5-1 -> xgboost:1.7-1
    ~ create-endpoint  endpoint  fraud
        memory_mb  256 -> 512
    ? smoke-test       request   POST /
        model  m-1
    1 to keep, 1 to update, 1 to replace, 1 to check.
    ");
}

#[test]
fn a_statement_somebody_added_to_a_policy_is_a_difference() {
    let policy =
        serde_json::json!({ "Model": "Allow s3:GetObject on arn:aws:s3:::b/models/*", "Oops": "Allow * on *" });
    let outputs = Outputs::from([("arn".to_owned(), "<create-role/execution: arn>".into())]);
    let world = World::satisfying(&desired("m-1", 256))
        .with(ROLE, Observation::Present { facts: Facts::default().field("policy", policy), outputs });
    insta::assert_snapshot!(text(&desired("m-1", 256), &world, Goal::Present), @"
    ~ create-role      iam-role  fraud-exec
        policy.Oops  Allow * on * -> (removed)
    = create-endpoint  model     m-1
    = create-endpoint  endpoint  fraud
    ? smoke-test       request   POST /
        model  m-1
    2 to keep, 1 to update, 1 to check.
    ");
}

#[test]
fn a_broken_resource_is_replaced_and_says_why() {
    let world = World::satisfying(&desired("m-1", 256))
        .with(ENDPOINT, Observation::Broken { why: "status `Failed`: no capacity".into() });
    insta::assert_snapshot!(text(&desired("m-1", 256), &world, Goal::Present), @"
    = create-role      iam-role  fraud-exec
    = create-endpoint  model     m-1
    ± create-endpoint  endpoint  fraud
        because: status `Failed`: no capacity
        model      m-1
        memory_mb  256
    ? smoke-test       request   POST /
        model  m-1
    2 to keep, 1 to replace, 1 to check.
    ");
}

#[test]
fn a_foreign_resource_blocks_the_plan_and_survives_a_teardown() {
    let desired = desired("m-1", 256);
    let world =
        World::satisfying(&desired).with(ROLE, Observation::Foreign { owner: "no tag `runner:pipeline`".into() });
    assert_eq!(plan(&desired, &world, Goal::Present).unwrap().blocked().count(), 1);
    insta::assert_snapshot!(text(&desired, &world, Goal::Present), @"
    ! create-role      iam-role  fraud-exec
        because: no tag `runner:pipeline`
    ~ create-endpoint  model     m-1
        role  <create-role/execution: arn> -> (after create-role/execution: arn)
    = create-endpoint  endpoint  fraud
    ? smoke-test       request   POST /
        model  m-1
    1 to keep, 1 to update, 1 to check, 1 blocked.
    ");
    insta::assert_snapshot!(text(&desired, &world, Goal::Absent), @"
    - create-endpoint  endpoint  fraud
    - create-endpoint  model     m-1
    2 to delete.
    ");
}

#[test]
fn a_teardown_deletes_users_before_what_they_use_and_strays_beside_their_kind() {
    let desired = desired("m-2", 256);
    let mut world = World::satisfying(&desired);
    world.strays.push(Stray { of: MODEL, name: "m-1".into(), why: "an older version".into() });
    let plan = plan(&desired, &world, Goal::Absent).unwrap();
    insta::assert_snapshot!(render::text(&plan, &|_, lines| lines), @"
    - create-endpoint  endpoint  fraud
    - create-endpoint  model     m-2
    - create-endpoint  model     m-1
    - create-role      iam-role  fraud-exec
    4 to delete.
    ");
    let needs: Vec<_> = plan.changes.iter().map(|change| (change.name.as_str(), change.needs.clone())).collect();
    insta::assert_debug_snapshot!(needs, @r#"
    [
        (
            "fraud",
            [],
        ),
        (
            "m-2",
            [
                0,
            ],
        ),
        (
            "m-1",
            [
                0,
            ],
        ),
        (
            "fraud-exec",
            [
                1,
                2,
            ],
        ),
    ]
    "#);
}

#[test]
fn what_a_teardown_keeps_is_said() {
    let mut desired = desired("m-1", 256);
    desired[2].keep = true;
    insta::assert_snapshot!(text(&desired, &World::satisfying(&desired), Goal::Absent), @"
    - create-endpoint  endpoint  fraud
    - create-endpoint  model     m-1
    = create-role      iam-role  fraud-exec
        because: kept by `teardown: keep`
    1 to keep, 2 to delete.
    ");
}

#[test]
fn an_empty_cloud_has_nothing_to_tear_down() {
    insta::assert_snapshot!(text(&desired("m-1", 256), &World::default(), Goal::Absent), @"Nothing of ours is here.");
}

#[test]
fn a_plan_read_back_from_json_is_the_same_plan() {
    let plan = plan(&desired("m-1", 256), &World::default(), Goal::Present).unwrap();
    let read: plan::Plan = serde_json::from_str(&render::json(&plan)).unwrap();
    assert_eq!(read, plan);
}

#[test]
fn what_nobody_declares_cannot_be_mentioned() {
    let mut desired = desired("m-1", 256);
    desired.remove(2);
    insta::assert_snapshot!(plan(&desired, &World::default(), Goal::Present).unwrap_err(), @"resource `create-endpoint/model` mentions `create-role/execution`, which no stage declares");
}

#[test]
fn resources_that_wait_for_each_other_are_refused() {
    let mut desired = desired("m-1", 256);
    desired[2].after.push(ENDPOINT);
    insta::assert_snapshot!(plan(&desired, &World::default(), Goal::Present).unwrap_err(), @"resources wait for each other: create-endpoint/endpoint, create-endpoint/model, create-role/execution, smoke-test/request");
}

#[test]
fn what_hangs_on_a_replaced_resource_is_replaced_with_it() {
    let mut desired = desired("m-1", 256);
    desired[0].facts = Facts::default().fixed("role", &ROLE_ARN);
    let world = World::satisfying(&desired).with(ROLE, Observation::Broken { why: "half made".into() });
    insta::assert_snapshot!(text(&desired, &world, Goal::Present), @"
    ± create-role      iam-role  fraud-exec
        because: half made
        policy.Model  Allow s3:GetObject on arn:aws:s3:::b/models/*
    ± create-endpoint  endpoint  fraud
        role  <create-role/execution: arn> -> (after create-role/execution: arn)
    ~ create-endpoint  model     m-1
        role  <create-role/execution: arn> -> (after create-role/execution: arn)
    ? smoke-test       request   POST /
        model  m-1
    1 to update, 2 to replace, 1 to check.
    ");
}

#[test]
fn warnings_are_told_whether_or_not_anything_changes_but_not_of_a_teardown() {
    let mut desired = desired("m-1", 256);
    desired[0].warnings = vec!["it is open to everybody".to_owned()];
    let world = World::satisfying(&desired);
    insta::assert_snapshot!(text(&desired, &world, Goal::Present), @"
    = create-role      iam-role  fraud-exec
    = create-endpoint  model     m-1
    = create-endpoint  endpoint  fraud
    ? smoke-test       request   POST /
        model  m-1
    warning: create-endpoint: it is open to everybody
    3 to keep, 1 to check.
    ");
    assert_eq!(plan(&desired, &world, Goal::Absent).unwrap().warnings, vec![]);
}

/// The pipeline with a repository that an earlier version of its file asked for.
fn with_unwanted() -> (Vec<Desired>, ResourceId) {
    let id = ResourceId::new("upload/repository");
    let mut desired = desired("m-1", 256);
    let role = desired[2].clone();
    desired.push(Desired {
        id: id.clone(),
        kind: "ecr-repository",
        name: "runner/fraud".to_owned(),
        facts: Facts::default(),
        unwanted: true,
        ..role
    });
    (desired, id)
}

#[test]
fn what_nothing_asks_for_any_more_goes_last_and_only_if_it_is_ours() {
    let (desired, id) = with_unwanted();
    let world = World::satisfying(&desired);
    assert!(!plan(&desired, &world, Goal::Present).unwrap().has_changes(), "it is not asked for");
    let present = Observation::Present { facts: Facts::default(), outputs: Outputs::new() };
    let ours = world.clone().with(id.clone(), present);
    insta::assert_snapshot!(text(&desired, &ours, Goal::Present), @"
    = create-role      iam-role        fraud-exec
    = create-endpoint  model           m-1
    = create-endpoint  endpoint        fraud
    ? smoke-test       request         POST /
        model  m-1
    - upload           ecr-repository  runner/fraud
        because: the pipeline file asks for it no longer
    3 to keep, 1 to delete, 1 to check.
    ");
    let last = plan(&desired, &ours, Goal::Present).unwrap().changes.pop().unwrap();
    assert_eq!(last.needs, [0, 1, 2, 3], "what is there is proved first");
    assert!(text(&desired, &ours, Goal::Absent).contains("- upload           ecr-repository  runner/fraud"));
    let foreign = world.with(id, Observation::Foreign { owner: "it bears no tag".to_owned() });
    assert!(!plan(&desired, &foreign, Goal::Present).unwrap().has_changes());
}

#[test]
fn what_is_told_of_a_change_is_shown_beside_it_and_never_alone() {
    let mut desired = desired("m-1", 256);
    let satisfied = World::satisfying(&desired);
    desired[0].facts = desired[0].facts.clone().told("memory_mb", "rollout", "a tenth first");
    assert!(!plan(&desired, &satisfied, Goal::Present).unwrap().has_changes());
    assert!(!text(&desired, &World::default(), Goal::Present).contains("rollout"), "nothing to go over from");
    desired[0].facts =
        Facts::default().field("memory_mb", 512).told("memory_mb", "rollout", "a tenth first").told("model", "x", 1);
    insta::assert_snapshot!(text(&desired, &satisfied, Goal::Present), @"
    ~ create-endpoint  endpoint  fraud
        memory_mb  256 -> 512
        rollout    a tenth first
    = create-role      iam-role  fraud-exec
    = create-endpoint  model     m-1
    ? smoke-test       request   POST /
        model  m-1
    2 to keep, 1 to update, 1 to check.
    ");
}

/// A service made it on our behalf, so nobody else owns it.
#[test]
fn what_bears_our_name_and_no_owner_is_adopted_and_goes_with_a_teardown() {
    let (desired, ownerless) = (desired("m-1", 256), |memory_mb: u32| Observation::Ownerless {
        why: "SageMaker made it again by itself".to_owned(),
        facts: Facts::default().field("model", "m-1").field("memory_mb", memory_mb),
        outputs: Outputs::new(),
    });
    let world = |memory_mb| World::satisfying(&desired).with(ENDPOINT, ownerless(memory_mb));
    insta::assert_snapshot!(text(&desired, &world(256), Goal::Present), @"
    = create-role      iam-role  fraud-exec
    = create-endpoint  model     m-1
    ~ create-endpoint  endpoint  fraud
        because: adopted: SageMaker made it again by itself
    ? smoke-test       request   POST /
        model  m-1
    2 to keep, 1 to update, 1 to check.
    ");
    insta::assert_snapshot!(text(&desired, &world(512), Goal::Present), @"
    = create-role      iam-role  fraud-exec
    = create-endpoint  model     m-1
    ~ create-endpoint  endpoint  fraud
        because: adopted: SageMaker made it again by itself
        memory_mb  512 -> 256
    ? smoke-test       request   POST /
        model  m-1
    2 to keep, 1 to update, 1 to check.
    ");
    insta::assert_snapshot!(text(&desired, &world(256), Goal::Absent), @"
    - create-endpoint  endpoint  fraud
        because: SageMaker made it again by itself
    - create-endpoint  model     m-1
    - create-role      iam-role  fraud-exec
    3 to delete.
    ");
}
