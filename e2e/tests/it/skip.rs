//! Stages that one command leaves out.

use serde_json::Value as Json;

use crate::harness::{Inventory, Pipeline, Scene};

const WITHOUT_PROXY: [&str; 4] = ["--skip", "deploy-proxy", "--skip", "smoke-test"];

fn of_kind(inventory: &Inventory, kind: &str) -> usize {
    inventory.iter().filter(|(of, _)| *of == kind).count()
}

/// Ids of what a plan changes, and how.
fn changes(plan: &Json) -> Vec<String> {
    let all = plan["changes"].as_array().unwrap().iter();
    let changes = all.filter(|change| !matches!(change["action"].as_str(), Some("keep" | "check")));
    changes.map(|change| format!("{} {}", change["action"].as_str().unwrap(), change["id"].as_str().unwrap())).collect()
}

#[test]
fn all_but_the_proxy_is_deployed_and_the_rest_by_a_later_apply() {
    let scene = Scene::new(&Pipeline::default());
    let applied = scene.runner(&[&["apply"], &WITHOUT_PROXY[..]].concat()).exits(0);
    assert!(applied.stderr.contains(", without `deploy-proxy`, `smoke-test`\n"), "{}", applied.stderr);
    let last = "`fraud` is applied without `deploy-proxy`, `smoke-test` (";
    assert!(applied.stdout.contains(last), "{}", applied.stdout);
    let there = scene.aws().inventory();
    assert_eq!(["endpoint", "function", "api"].map(|kind| of_kind(&there, kind)), [1, 0, 0]);

    scene.runner(&[&["plan", "--detailed-exitcode"], &WITHOUT_PROXY[..]].concat()).exits(0);
    let status = scene.runner(&[&["status", "--format", "json"], &WITHOUT_PROXY[..]].concat()).exits(0).json();
    let stages = status["resources"].as_array().unwrap().iter().map(|resource| resource["stage"].as_str().unwrap());
    assert!(status["url"].is_null() && !stages.clone().any(|stage| stage == "deploy-proxy"), "{status}");
    assert!(stages.count() > 0);

    let plan = scene.runner(&["plan", "--format", "json"]).exits(0);
    assert_eq!(
        changes(&plan.json()),
        [
            "create deploy-proxy/logs",
            "create deploy-proxy/access-logs",
            "create deploy-proxy/function",
            "create deploy-proxy/api",
            "create deploy-proxy/permission"
        ]
    );
    // A plan of everything is none of a part.
    std::fs::write(scene.path("plan.json"), plan.stdout).unwrap();
    scene.runner(&[&["apply", "--expect", "plan.json"], &WITHOUT_PROXY[..]].concat()).exits(6);
    scene.runner(&["apply", "--expect", "plan.json"]).exits(0);
    scene.answers("pipeline.yaml");
}

#[test]
fn a_teardown_leaves_what_is_left_out_and_says_what_that_loses() {
    let scene = Scene::new(&Pipeline::default());
    scene.apply();
    let gone = scene.runner(&["teardown", "--skip", "create-endpoint"]).exits(0);
    for role_or_model in ["iam-role `fraud-us-east-1-sagemaker`", "s3-object `models/"] {
        let warning = format!("`create-endpoint/model` is not looked at, and would be left without {role_or_model}");
        assert!(gone.stderr.contains(&warning), "{}", gone.stderr);
    }
    assert!(gone.stdout.contains("`fraud` is gone but for `create-endpoint`: 10 deleted"), "{}", gone.stdout);
    let left: Vec<_> = scene.aws().inventory().into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(left, ["endpoint", "endpoint-config", "log-group", "model"]);
    scene.runner(&["teardown"]).exits(0);
    assert_eq!(scene.processes(), Vec::<String>::new());
}

#[test]
fn what_cannot_be_left_out_is_wrong_usage() {
    let scene = Scene::new(&Pipeline::default());
    let refused = |arguments: &[&str]| scene.runner(arguments).exits(64).stderr;
    insta::assert_snapshot!(refused(&["apply", "--skip", "create-role"]), @"error: stage `create-endpoint` needs `create-role/sagemaker`, stage `deploy-proxy` needs `create-role/proxy`; add `--skip create-endpoint --skip deploy-proxy --skip smoke-test`, or do not skip `create-role`");
    insta::assert_snapshot!(refused(&["plan", "--skip", "teardown"]), @"
    error: invalid value 'teardown' for '--skip <STAGE>'
      [possible values: train, package, upload, create-role, create-endpoint, deploy-proxy, smoke-test]

    For more information, try '--help'.
    ");
    insta::assert_snapshot!(refused(&["teardown", "--skip", "uplod"]), @"
    error: invalid value 'uplod' for '--skip <STAGE>'
      [possible values: train, package, upload, create-role, create-endpoint, deploy-proxy, smoke-test]

      tip: a similar value exists: 'upload'

    For more information, try '--help'.
    ");
    // To delete, nothing of what is left out is needed.
    scene.runner(&["plan", "--teardown", "--skip", "create-role"]).exits(0);
}
