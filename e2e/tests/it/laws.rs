//! What holds of every pipeline, at whatever write it is cut short.

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};

use crate::harness::{Inventory, Pipeline, Ran, Scene, Side, answers, note};

/// The pipeline that is cut short, and its neighbour in the same account, which must not notice.
const NEIGHBOUR: &str = "neighbour.yaml";
const OURS: &str = "pipeline.yaml";

/// A local cloud with a neighbour's deployment in it.
fn with_neighbour() -> (Scene, Inventory) {
    let scene = Scene::new(&Pipeline::default());
    scene.write_as(NEIGHBOUR, &Pipeline { name: "neighbour", ..Pipeline::default() });
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

/// How many things there are, old versions of objects aside: the bucket keeps those for a month.
fn count(scene: &Scene) -> usize {
    scene.aws().inventory().iter().filter(|(kind, _)| *kind != "object-version").count()
}

/// Cuts a first apply short at every write whose number leaves this remainder by two, then tears it down.
fn first_apply(side: Side, remainder: usize) {
    let (scene, before) = with_neighbour();
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
fn update(side: Side) {
    let (scene, before) = with_neighbour();
    scene.apply();
    let deployed = count(&scene);
    scene.write(&Pipeline::trees(6));
    let writes = writes_of(&scene, "apply");
    for n in 1..=writes {
        scene.write(&Pipeline::trees(if n % 2 == 0 { 6 } else { 5 }));
        let applied = cut_short(&scene, "apply", n, side);
        scene.keeps_all(OURS);
        answers(applied.url());
        assert_eq!(count(&scene), deployed, "after write {n} failed");
    }
    scene.runner(&["teardown"]).exits(0);
    neighbour_has_not_noticed(&scene, &before);
}

/// Cuts a teardown short at every write.
fn teardown(side: Side) {
    let (scene, before) = with_neighbour();
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
    let scene = Scene::new(&Pipeline::default());
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
    first_apply(Side::Refused, 1);
}

#[test]
fn a_first_apply_refused_at_any_even_write_is_cured_by_the_same_command() {
    first_apply(Side::Refused, 0);
}

#[test]
fn a_first_apply_that_loses_any_odd_answer_is_cured_by_the_same_command() {
    first_apply(Side::AnswerLost, 1);
}

#[test]
fn a_first_apply_that_loses_any_even_answer_is_cured_by_the_same_command() {
    first_apply(Side::AnswerLost, 0);
}

#[test]
fn an_update_refused_at_any_write_is_cured_by_the_same_command() {
    update(Side::Refused);
}

#[test]
fn an_update_that_loses_any_answer_is_cured_by_the_same_command() {
    update(Side::AnswerLost);
}

#[test]
fn a_teardown_refused_at_any_write_is_cured_by_the_same_command() {
    teardown(Side::Refused);
}

#[test]
fn a_teardown_that_loses_any_answer_is_cured_by_the_same_command() {
    teardown(Side::AnswerLost);
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
    let (scene, before) = with_neighbour();
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
    let (scene, before) = with_neighbour();
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
