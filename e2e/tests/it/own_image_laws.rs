//! What holds of a pipeline with an image of its own, at whatever write of the registry it is cut short.

use serde_json::{Value as Json, json};

use crate::harness::{Inventory, Pipeline, Scene, Side, answers, note};
use crate::own_image::{OURS, PROGRAM, change_program, of_kind, scene};

/// The writes of ECR that a command makes, each with its number among those of its name.
fn registry_writes(scene: &Scene, command: &str) -> Vec<(String, usize)> {
    let aws = scene.aws();
    aws.clear_requests();
    scene.runner(&[command]).exits(0);
    let mut writes: Vec<(String, usize)> = vec![];
    for write in aws.writes() {
        let Some(operation) = write.strip_prefix("ecr:").and_then(|rest| rest.split(' ').next()) else { continue };
        let nth = writes.iter().filter(|(other, _)| other == operation).count() + 1;
        writes.push((operation.to_owned(), nth));
    }
    note(&format!("{command}: {writes:?}"));
    assert!(!writes.is_empty());
    writes
}

/// Runs a command that fails at one write of ECR, then the same command without a fault.
fn cut_short(scene: &Scene, command: &str, (operation, nth): &(String, usize), side: Side) {
    let aws = scene.aws();
    let fault = match side {
        Side::Refused => {
            json!({ "refuse": { "status": 403, "code": "AccessDeniedException", "message": "not today" } })
        }
        Side::AnswerLost => json!("lose-answer"),
    };
    let rule = json!([{ "match": { "service": "ecr", "operation": operation, "nth": nth }, "fault": fault, "then-halt": true }]);
    aws.put_faults(&rule);
    let ran = scene.runner(&[command]);
    let place = format!("{command}, {operation} {nth}, {side:?}");
    assert_eq!(ran.code, 1, "{place}: {}", ran.stderr);
    aws.clear_faults();
    let again = scene.runner(&[command]);
    assert_eq!(again.code, 0, "{place}, then again:\n{}\nfirst it said:\n{}", again.stderr, ran.stderr);
}

/// A scene whose cloud stays when ours is torn down, and what is in it then.
fn with_neighbour() -> (Scene, Inventory) {
    let scene = scene();
    scene.write_as("neighbour.yaml", &Pipeline { name: "neighbour", ..Pipeline::own_image(PROGRAM) });
    scene.runner(&["apply", "neighbour.yaml"]).exits(0);
    let before = scene.aws().inventory();
    assert_eq!(of_kind(&before, "repository"), ["runner/neighbour"]);
    (scene, before)
}

fn a_first_apply(side: Side) {
    let (scene, before) = with_neighbour();
    let writes = registry_writes(&scene, "apply");
    scene.runner(&["teardown"]).exits(0);
    for write in &writes {
        cut_short(&scene, "apply", write, side);
        scene.keeps_all(OURS);
        answers(&scene.url(OURS));
        scene.runner(&["teardown"]).exits(0);
        assert_eq!(scene.aws().inventory(), before, "after {write:?} failed");
    }
    scene.keeps_all("neighbour.yaml");
}

#[test]
fn a_first_apply_refused_at_any_write_of_the_registry_is_cured_by_the_same_command() {
    a_first_apply(Side::Refused);
}

#[test]
fn a_first_apply_that_loses_any_answer_of_the_registry_is_cured_by_the_same_command() {
    a_first_apply(Side::AnswerLost);
}

#[test]
fn an_update_cut_short_at_any_write_of_the_registry_is_cured_by_the_same_command() {
    for side in [Side::Refused, Side::AnswerLost] {
        let scene = scene();
        scene.apply();
        let deployed = without_old_objects(&scene.aws().inventory());
        change_program(&scene);
        for write in registry_writes(&scene, "apply") {
            change_program(&scene);
            cut_short(&scene, "apply", &write, side);
            scene.keeps_all(OURS);
            answers(&scene.url(OURS));
            assert_eq!(without_old_objects(&scene.aws().inventory()), deployed, "after {write:?} failed, {side:?}");
        }
    }
}

/// How many things there are.
fn without_old_objects(inventory: &Inventory) -> usize {
    inventory.iter().filter(|(kind, _)| *kind != "object-version").count()
}

#[test]
fn a_teardown_cut_short_at_any_write_of_the_registry_is_cured_by_the_same_command() {
    let (scene, before) = with_neighbour();
    scene.apply();
    let writes = registry_writes(&scene, "teardown");
    for side in [Side::Refused, Side::AnswerLost] {
        for write in &writes {
            scene.apply();
            cut_short(&scene, "teardown", write, side);
            assert_eq!(scene.aws().inventory(), before, "after {write:?} failed, {side:?}");
        }
    }
    scene.keeps_all("neighbour.yaml");
}

/// The SDK sends a call again whose answer is lost, so these writes happen twice.
#[test]
fn answers_of_the_registry_that_are_lost_once_are_not_even_noticed() {
    let (scene, before) = with_neighbour();
    for command in ["apply", "teardown"] {
        let writes = registry_writes(&scene, command);
        match command {
            "apply" => scene.runner(&["teardown"]).exits(0),
            _ => scene.apply(),
        };
        let rule = |(operation, nth): &(String, usize)| {
            // Sent again, a call is the next of its name.
            json!({ "match": { "service": "ecr", "operation": operation, "nth": 2 * nth - 1 }, "fault": "lose-answer" })
        };
        let aws = scene.aws();
        aws.put_faults(&writes.iter().map(rule).collect::<Json>());
        scene.runner(&[command]).exits(0);
        aws.clear_faults();
        if command == "apply" {
            scene.keeps_all(OURS);
            answers(&scene.url(OURS));
        } else {
            assert_eq!(aws.inventory(), before);
        }
    }
}
