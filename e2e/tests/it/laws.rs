//! What holds of every pipeline, at whatever write it is cut short.

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};

use crate::harness::{Inventory, Pipeline, Ran, Scene, Side, answers, note};

/// The pipeline that is cut short, and its neighbour in the same account, which must not notice.
const NEIGHBOUR: &str = "neighbour.yaml";
const OURS: &str = "pipeline.yaml";

/// The laws are tried in a region that global services do not sign for; most other scenes are in `us-east-1`.
const LOCAL: &str = "{ region: ap-south-1, iam-propagation-ms: 0, deployer-policy: own }";

/// A pipeline with so many trees: another number is another model.
fn plain(trees: u32) -> Pipeline {
    Pipeline { local: LOCAL.to_owned(), ..Pipeline::trees(trees) }
}

/// A local cloud with a neighbour's deployment in it.
fn with_neighbour(ours: &Pipeline) -> (Scene, Inventory) {
    let scene = Scene::new(ours);
    scene.write_as(NEIGHBOUR, &Pipeline { name: "neighbour", local: ours.local.clone(), ..Pipeline::default() });
    scene.runner(&["apply", NEIGHBOUR]).exits(0);
    let before = scene.aws().inventory();
    assert!(before.len() > 8, "{before:?}");
    (scene, before)
}

fn neighbour_has_not_noticed(scene: &Scene, before: &Inventory) {
    assert_eq!(scene.aws().inventory(), *before);
    scene.keeps_all(NEIGHBOUR);
    scene.answers(NEIGHBOUR);
}

/// Runs a command whose n-th write fails, then the same command without a fault, and tells what that did.
pub(crate) fn cut_short(scene: &Scene, command: &str, n: usize, side: Side) -> Ran {
    let aws = scene.aws();
    aws.clear_requests();
    aws.fail_write(n, side);
    let ran = scene.runner(&[command]);
    let place = format!("{command}, write {n} of {:?}, {side:?}", aws.writes());
    assert!(matches!(ran.code, 1 | 3 | 4), "{place}: exit code {}\n{}", ran.code, ran.stderr);
    assert!(ran.stderr.contains("error: "), "{place}: {}", ran.stderr);
    aws.clear_faults();
    let again = scene.runner(&[command]);
    assert_eq!(again.code, 0, "{place}, then again:\n{}\nfirst it said:\n{}", again.stderr, ran.stderr);
    again
}

/// The writes of a command that nothing disturbs.
pub(crate) fn writes_of(scene: &Scene, command: &str) -> usize {
    let aws = scene.aws();
    aws.clear_requests();
    scene.runner(&[command]).exits(0);
    let writes = aws.writes();
    note(&format!("{command}: {} writes: {writes:#?}", writes.len()));
    assert!(!writes.is_empty());
    writes.len()
}

/// How many things there are, old versions of objects aside, which the bucket keeps for a month, and captures, of which
/// every request makes more.
fn count(scene: &Scene) -> usize {
    let inventory = scene.aws().inventory();
    let kept = inventory.iter().filter(|(kind, name)| *kind != "object-version" && !name.contains("/captures/"));
    kept.count()
}

/// A pipeline whose endpoint is scaled, watched, captured and rolled out in steps; of so many trees, and on other machines
/// for an even number of them than for an odd one.
fn guarded(trees: u32) -> Pipeline {
    let kind = if trees.is_multiple_of(2) { "ml.c5.xlarge" } else { "ml.m5.large" };
    Pipeline {
        create_endpoint: format!(
            "{{ instances: {{ type: {kind}, count: 2 }}, \
             autoscaling: {{ min: 2, max: 4, invocations-per-instance: 100000, scale-in: false }}, \
             data-capture: {{ share: 0.5 }}, rollout: {{ canary: {{ share: 0.5, wait-s: 10 }} }}, \
             rollback-on: {{ errors-per-minute: 100000, latency-ms: 60000 }} }}"
        ),
        local: "{ region: ap-south-1, iam-propagation-ms: 0, second-ms: 1 }".to_owned(),
        ..Pipeline::trees(trees)
    }
}

/// Cuts a first apply short at every write whose number leaves this remainder by two, then tears it down.
fn first_apply(of: fn(u32) -> Pipeline, side: Side, remainder: usize) {
    let (scene, before) = with_neighbour(&of(5));
    let writes = writes_of(&scene, "apply");
    scene.runner(&["teardown"]).exits(0);
    for n in (1..=writes).filter(|n| n % 2 == remainder) {
        let applied = cut_short(&scene, "apply", n, side);
        scene.keeps_all(OURS);
        answers(applied.url());
        scene.runner(&["teardown"]).exits(0);
        assert_eq!(scene.aws().inventory(), before, "after write {n} failed");
    }
    neighbour_has_not_noticed(&scene, &before);
}

/// Cuts an update to another model short at every write, to and fro between two models.
fn update(of: fn(u32) -> Pipeline, side: Side) {
    let (scene, before) = with_neighbour(&of(5));
    scene.apply();
    let deployed = count(&scene);
    scene.write(&of(6));
    let writes = writes_of(&scene, "apply");
    for n in 1..=writes {
        scene.write(&of(if n % 2 == 0 { 6 } else { 5 }));
        let applied = cut_short(&scene, "apply", n, side);
        scene.keeps_all(OURS);
        answers(applied.url());
        assert_eq!(count(&scene), deployed, "after write {n} failed");
    }
    scene.runner(&["teardown"]).exits(0);
    neighbour_has_not_noticed(&scene, &before);
}

/// Cuts a teardown short at every write.
fn teardown(of: fn(u32) -> Pipeline, side: Side) {
    let (scene, before) = with_neighbour(&of(5));
    scene.apply();
    let writes = writes_of(&scene, "teardown");
    for n in 1..=writes {
        scene.apply();
        cut_short(&scene, "teardown", n, side);
        assert_eq!(scene.aws().inventory(), before, "after write {n} failed");
    }
    neighbour_has_not_noticed(&scene, &before);
}

#[test]
fn after_an_apply_everything_is_kept_and_a_second_apply_writes_nothing() {
    let scene = Scene::new(&plain(5));
    scene.apply();
    scene.keeps_all(OURS);
    let aws = scene.aws();
    aws.clear_requests();
    scene.apply();
    assert_eq!(aws.writes(), Vec::<String>::new());
    scene.keeps_all(OURS);
    scene.answers(OURS);
}

#[test]
fn a_first_apply_refused_at_any_odd_write_is_cured_by_the_same_command() {
    first_apply(plain, Side::Refused, 1);
}

#[test]
fn a_first_apply_refused_at_any_even_write_is_cured_by_the_same_command() {
    first_apply(plain, Side::Refused, 0);
}

#[test]
fn a_first_apply_that_loses_any_odd_answer_is_cured_by_the_same_command() {
    first_apply(plain, Side::AnswerLost, 1);
}

#[test]
fn a_first_apply_that_loses_any_even_answer_is_cured_by_the_same_command() {
    first_apply(plain, Side::AnswerLost, 0);
}

#[test]
fn an_update_refused_at_any_write_is_cured_by_the_same_command() {
    update(plain, Side::Refused);
}

#[test]
fn an_update_that_loses_any_answer_is_cured_by_the_same_command() {
    update(plain, Side::AnswerLost);
}

#[test]
fn a_teardown_refused_at_any_write_is_cured_by_the_same_command() {
    teardown(plain, Side::Refused);
}

#[test]
fn a_teardown_that_loses_any_answer_is_cured_by_the_same_command() {
    teardown(plain, Side::AnswerLost);
}

#[test]
fn a_first_apply_of_a_guarded_endpoint_refused_at_any_odd_write_is_cured_by_the_same_command() {
    first_apply(guarded, Side::Refused, 1);
}

#[test]
fn a_first_apply_of_a_guarded_endpoint_refused_at_any_even_write_is_cured_by_the_same_command() {
    first_apply(guarded, Side::Refused, 0);
}

#[test]
fn a_first_apply_of_a_guarded_endpoint_that_loses_any_odd_answer_is_cured_by_the_same_command() {
    first_apply(guarded, Side::AnswerLost, 1);
}

#[test]
fn a_first_apply_of_a_guarded_endpoint_that_loses_any_even_answer_is_cured_by_the_same_command() {
    first_apply(guarded, Side::AnswerLost, 0);
}

#[test]
fn an_update_of_a_guarded_endpoint_refused_at_any_write_is_cured_by_the_same_command() {
    update(guarded, Side::Refused);
}

#[test]
fn an_update_of_a_guarded_endpoint_that_loses_any_answer_is_cured_by_the_same_command() {
    update(guarded, Side::AnswerLost);
}

#[test]
fn a_teardown_of_a_guarded_endpoint_refused_at_any_write_is_cured_by_the_same_command() {
    teardown(guarded, Side::Refused);
}

#[test]
fn a_teardown_of_a_guarded_endpoint_that_loses_any_answer_is_cured_by_the_same_command() {
    teardown(guarded, Side::AnswerLost);
}

/// Loses the answer to the first call of every operation in a list of writes, once.
fn each_lost_once(writes: &[String]) -> Json {
    let operations: BTreeSet<_> = writes.iter().map(|write| write.split(' ').next().unwrap()).collect();
    let rule = |operation: &str| {
        let (service, operation) = operation.split_once(':').unwrap();
        json!({ "match": { "service": service, "operation": operation, "nth": 1 }, "fault": "lose-answer" })
    };
    operations.into_iter().map(rule).collect()
}

/// The SDK sends a call again whose answer is lost, so these writes happen twice.
#[test]
fn answers_that_are_lost_once_are_not_even_noticed() {
    lost_once(&plain(5));
}

#[test]
fn answers_that_are_lost_once_of_a_guarded_endpoint_are_not_even_noticed() {
    lost_once(&guarded(5));
}

fn lost_once(pipeline: &Pipeline) {
    let (scene, before) = with_neighbour(pipeline);
    let aws = scene.aws();
    for command in ["apply", "teardown"] {
        aws.clear_requests();
        scene.runner(&[command]).exits(0);
        let faults = each_lost_once(&aws.writes());
        match command {
            "apply" => scene.runner(&["teardown"]).exits(0),
            _ => scene.apply(),
        };
        aws.put_faults(&faults);
        scene.runner(&[command]).exits(0);
        aws.clear_faults();
        if command == "apply" {
            scene.keeps_all(OURS);
            scene.answers(OURS);
        } else {
            assert_eq!(aws.inventory(), before);
        }
    }
}

/// So many answers are lost that sending again does not help.
#[test]
fn however_many_answers_are_lost_the_same_command_is_the_cure() {
    let (scene, before) = with_neighbour(&plain(5));
    let aws = scene.aws();
    for first in [1, 2] {
        let lost = (first..200).step_by(2).map(|n| json!({ "match": { "write": n }, "fault": "lose-answer" }));
        aws.put_faults(&lost.collect());
        let ran = scene.runner(&["apply"]);
        aws.clear_faults();
        assert!(matches!(ran.code, 0 | 1), "{}\n{}", ran.code, ran.stderr);
        scene.apply();
        scene.keeps_all(OURS);
        scene.answers(OURS);
        scene.runner(&["teardown"]).exits(0);
        assert_eq!(aws.inventory(), before);
    }
}
