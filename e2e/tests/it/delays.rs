//! A change of a role is seen by services after a while. Nobody waits longer than that, and nobody gives up before.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};

use crate::harness::{Pipeline, Scene, note};

const OURS: &str = "pipeline.yaml";
const PROXY_ROLE: &str = "fraud-us-east-1-proxy";

/// Where services see a change of a role so many milliseconds later.
fn after(ms: u64, pipeline: Pipeline) -> Pipeline {
    Pipeline { local: format!("{{ iam-propagation-ms: {ms} }}"), ..pipeline }
}

/// Everything is made, of which the first user of a new role has to wait for it.
fn from_nothing(ms: u64) {
    let scene = Scene::new(&after(ms, Pipeline::default()));
    let began = Instant::now();
    let applied = scene.apply();
    took(&format!("from nothing, {ms} ms"), began, ms);
    let waited = applied.stderr.contains("waiting for SageMaker to see role `fraud-us-east-1-sagemaker`");
    assert_eq!(waited, ms > 0, "{}", applied.stderr);
    looks_are_paced(&scene, ms);
    scene.keeps_all(OURS);
}

/// The policy of a role that exists is extended, and what needs that comes next: a training job reads rows.
fn with_an_extended_policy(ms: u64) {
    let scene = Scene::new(&Pipeline::default());
    scene.apply();
    scene.runner(&["local", "stop"]).exits(0);
    let Pipeline { train, .. } = Pipeline::trees(6);
    scene.write(&after(ms, Pipeline { train: train.replacen('{', "{ on: sagemaker,", 1), ..Pipeline::default() }));
    assert_eq!(updates(&scene), ["create-role/sagemaker", "create-endpoint/endpoint"]);
    let began = Instant::now();
    scene.apply();
    took(&format!("with an extended policy, {ms} ms"), began, ms);
    looks_are_paced(&scene, ms);
    scene.keeps_all(OURS);
}

/// A policy is put right, and the smoke test needs it: until it is seen, the function cannot ask the endpoint.
fn with_a_mended_policy(ms: u64) {
    let scene = Scene::new(&Pipeline::default());
    scene.apply();
    let nothing = json!({ "Effect": "Deny", "Action": "sagemaker:InvokeEndpoint", "Resource": "*" });
    let nothing = json!({ "Version": "2012-10-17", "Statement": [nothing] }).to_string();
    let policy = [("RoleName", PROXY_ROLE), ("PolicyName", "runner"), ("PolicyDocument", &*nothing)];
    scene.aws().iam("PutRolePolicy", &policy);
    scene.runner(&["local", "stop"]).exits(0);
    scene.write(&after(ms, Pipeline::default()));
    assert_eq!(updates(&scene), ["create-role/proxy"]);
    let began = Instant::now();
    let applied = scene.apply();
    took(&format!("with a mended policy, {ms} ms"), began, ms);
    let waited = applied.stderr.contains("/ to answer 200, usually a few seconds; it answered 50");
    assert_eq!(waited, ms > 0, "{}", applied.stderr);
    looks_are_paced(&scene, ms);
    scene.keeps_all(OURS);
}

/// What a plan would update.
fn updates(scene: &Scene) -> Vec<String> {
    let plan = scene.runner(&["plan", "--format", "json"]).exits(0).json();
    let changes = plan["changes"].as_array().unwrap().iter().filter(|change| change["action"] == "update");
    changes.map(|change| change["id"].as_str().unwrap().to_owned()).collect()
}

fn took(what: &str, began: Instant, at_least_ms: u64) {
    let took = began.elapsed();
    note(&format!("{what}: {:.1} s", took.as_secs_f64()));
    assert!(took >= Duration::from_millis(at_least_ms), "{what} took {took:?}: it did not have to wait");
}

/// A wait looks four times a second at most, once it has begun slowly; three calls may wait at the same time.
fn looks_are_paced(scene: &Scene, ms: u64) {
    let calls = scene.aws().requests();
    let looks = calls.iter().filter(|call: &&Json| call["status"].as_u64().is_some_and(|status| status >= 400)).count();
    let most = 40 + 3 * 4 * usize::try_from(ms).unwrap() / 1000;
    assert!(looks <= most, "{looks} refusals in {ms} ms, and {most} would do");
}

/// All scenes at a time: they wait, and keep nobody from working.
fn all(ms: u64) {
    thread::scope(|scope| {
        scope.spawn(|| from_nothing(ms));
        scope.spawn(|| with_an_extended_policy(ms));
        scope.spawn(|| with_a_mended_policy(ms));
    });
}

#[test]
fn roles_that_are_seen_at_once_are_not_waited_for() {
    all(0);
}

#[test]
fn roles_that_are_seen_after_8_s_are_waited_for() {
    all(8_000);
}

#[test]
fn roles_that_are_seen_after_60_s_are_waited_for() {
    all(60_000);
}
