//! What the stages declare, as a user reads it in a plan.

use plan::{Facts, Goal, Observation, Stray, World};

use crate::fixture::Fixture;
use crate::{create_endpoint, create_role, package, train, upload};

const KINDS: [&str; 5] = [
    "",
    "{ create-endpoint: { serverless: { memory-mb: 2048, max-concurrency: 5 } } }",
    "{ train: { algorithm: { logistic-regression: {} }, require: { average-precision: 0.8 } } }",
    "{ package: { architecture: arm64 } }",
    "{ deploy-proxy: { route: ANY /score } }, { teardown: { keep: [bucket] } }",
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
    insta::assert_snapshot!(Fixture::with("").plan(&World::default(), Goal::Present), @"");
}

#[test]
fn with_nothing_to_do_only_the_checks_run() {
    let fixture = Fixture::with("");
    insta::assert_snapshot!(fixture.plan(&World::satisfying(&fixture.desired()), Goal::Present), @"");
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
    insta::assert_snapshot!(new.plan(&world, Goal::Present), @"");
}

#[test]
fn more_memory_updates_the_function_in_place() {
    let small = Fixture::with("{ deploy-proxy: { memory-mb: 256 } }");
    let large = Fixture::with("{ deploy-proxy: { memory-mb: 512 } }");
    insta::assert_snapshot!(large.plan(&World::satisfying(&small.desired()), Goal::Present), @"");
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
    insta::assert_snapshot!(fixture.plan(&world, Goal::Present), @"");
}

#[test]
fn a_bucket_of_somebody_else_blocks_the_plan() {
    let fixture = Fixture::with("");
    let foreign = Observation::Foreign { owner: "it bears no tag".to_owned() };
    let world = World::satisfying(&fixture.desired()).with(upload::BUCKET, foreign);
    insta::assert_snapshot!(fixture.plan(&world, Goal::Present), @"");
}

#[test]
fn a_failed_endpoint_is_replaced() {
    let fixture = Fixture::with("");
    let broken = Observation::Broken { why: "its status is `Failed`: no capacity".to_owned() };
    let world = World::satisfying(&fixture.desired()).with(create_endpoint::ENDPOINT, broken);
    insta::assert_snapshot!(fixture.plan(&world, Goal::Present), @"");
}

#[test]
fn teardown_goes_backwards_and_leaves_what_is_to_be_kept() {
    let fixture = Fixture::with("{ teardown: { keep: [bucket, logs] } }");
    insta::assert_snapshot!(fixture.plan(&World::satisfying(&fixture.desired()), Goal::Absent), @"");
}

#[test]
fn teardown_of_nothing_does_nothing() {
    insta::assert_snapshot!(Fixture::with("").plan(&World::default(), Goal::Absent), @"");
}
