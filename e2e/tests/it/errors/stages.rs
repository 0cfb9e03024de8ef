//! What `runner` does about each row: it waits for what passes, and tells what does not.
//!
//! "Already there" and "absent" are not asked here: the laws bring `runner` into them at every write, truly.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value as Json, json};

use crate::harness::{Aws, Pipeline, Scene, note};

use super::{Row, rows};

/// Operations that a row stands for, where it names none, or several.
const SUB_RESOURCES: [&str; 4] =
    ["PutPublicAccessBlock", "PutBucketEncryption", "PutBucketVersioning", "PutBucketLifecycleConfiguration"];

impl Row {
    /// As the local cloud calls the service.
    fn signing_name(&self) -> &'static str {
        if self.service == "apigatewayv2" { "apigateway" } else { self.service }
    }

    /// The operations that are refused so, of those that were called.
    fn operations<'a>(&self, called: &'a BTreeSet<(String, String)>) -> Vec<&'a str> {
        let named = |operation: &str| match self.operation {
            "any" => true,
            "any write" => !["Get", "List", "Describe"].iter().any(|read| operation.starts_with(read)),
            "PutBucket* (sub-resource)" => SUB_RESOURCES.contains(&operation),
            names => names.split('/').any(|name| name == operation),
        };
        let of_ours = called.iter().filter(|(service, operation)| service == self.signing_name() && named(operation));
        let all: Vec<&str> = of_ours.map(|(_, operation)| operation.as_str()).collect();
        // Throttling costs the SDK a second each time, and each operation is called alike.
        if self.operation.starts_with("any") { all.into_iter().take(1).collect() } else { all }
    }

    pub(super) fn refusal(&self) -> Json {
        let status: u16 = self.status.parse().unwrap();
        json!({ "refuse": { "status": status, "code": self.code, "message": self.words() } })
    }

    /// The message with something in each of its gaps.
    fn words(&self) -> String {
        if self.message.starts_with("(contains) ") {
            return self.message.replace("(contains) ", "it was ");
        }
        self.message.replace(['{', '}'], "")
    }
}

/// What a command calls, as service and operation.
fn called_by(scene: &Scene, command: &[&str]) -> BTreeSet<(String, String)> {
    scene.aws().clear_requests();
    scene.runner(command).exits(0);
    scene.aws().calls()
}

/// Rules by which each call is refused in all these ways, one after the other, and then done.
fn one_after_the_other(rows: &[Row], called: &BTreeSet<(String, String)>) -> Vec<Json> {
    let mut nth: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    let mut rules = vec![];
    for row in rows {
        for operation in row.operations(called) {
            let nth = nth.entry((row.signing_name(), operation)).or_default();
            *nth += 1;
            let call = json!({ "service": row.signing_name(), "operation": operation, "nth": *nth });
            rules.push(json!({ "match": call, "fault": row.refusal() }));
        }
    }
    rules
}

/// Runs a command that is refused in every way that passes; it must do what it does without.
fn survives(scene: &Scene, command: &[&str], called: &BTreeSet<(String, String)>) {
    let passing: Vec<Row> = rows().filter(passes).collect();
    let rules = one_after_the_other(&passing, called);
    note(&format!("{command:?} is refused {} times", rules.len()));
    assert!(rules.len() >= 5, "{command:?} is hardly refused: {rules:#?}");
    let aws = scene.aws();
    aws.put_faults(&json!(rules));
    let ran = scene.runner(command);
    let unused = aws.faults_without_effect();
    aws.clear_faults();
    ran.exits(0);
    assert_eq!(unused, Vec::<Json>::new(), "these rules struck nothing");
}

/// Whether the same call will do, a moment later.
fn passes(row: &Row) -> bool {
    !row.how.starts_with("unused") && row.status.parse::<u16>().is_ok_and(|status| status >= 400) && row.retry != "no"
}

#[test]
fn a_deployment_that_is_refused_in_every_way_that_passes_comes_to_its_end() {
    let scene = Scene::new(&Pipeline::default());
    let aws = scene.serve(&["--region", "us-east-1"]);
    let deploys = called_by(&scene, &["apply"]);
    scene.write(&other());
    let updates = called_by(&scene, &["apply"]);
    // The local cloud ends with a teardown that leaves nothing, so its calls are not to be had; what it deletes is.
    scene.keeps_all("pipeline.yaml");
    let deletes: BTreeSet<_> = deletions().collect();
    aws.signed("s3", "PUT", "/somebody-elses", &[], "");
    survives(&scene, &["teardown"], &deletes);
    scene.write(&Pipeline::default());
    survives(&scene, &["apply"], &deploys);
    scene.keeps_all("pipeline.yaml");
    scene.answers("pipeline.yaml");
    scene.write(&other());
    survives(&scene, &["apply"], &updates);
    scene.keeps_all("pipeline.yaml");
    scene.answers("pipeline.yaml");
}

/// Another model, and another function.
fn other() -> Pipeline {
    Pipeline { deploy_proxy: "{ memory-mb: 512 }".to_owned(), ..Pipeline::trees(6) }
}

/// What a teardown calls.
fn deletions() -> impl Iterator<Item = (String, String)> {
    let all = [
        ("sagemaker", "DeleteEndpoint"),
        ("lambda", "DeleteFunction"),
        ("iam", "DeleteRole"),
        ("iam", "DeleteRolePolicy"),
        ("logs", "DeleteLogGroup"),
        ("apigateway", "DeleteApi"),
        ("s3", "DeleteBucket"),
    ];
    all.into_iter().map(|(service, operation)| (service.to_owned(), operation.to_owned()))
}

/// Refusals that no waiting cures.
fn stays(row: &Row) -> bool {
    !row.how.starts_with("unused")
        && row.status.parse::<u16>().is_ok_and(|status| status >= 400)
        && row.retry == "no"
        && matches!(row.meaning, "Other" | "Refused" | "Precondition")
}

/// Refuses the calls of an apply in every way that stays, one after the other: of all these ways those whose number
/// leaves this remainder.
fn each_is_told(remainder: usize) {
    // Without a role that `runner` makes for itself, whose calls would be refused first.
    let scene = Scene::new(&Pipeline { local: "{ iam-propagation-ms: 0 }".to_owned(), ..Pipeline::default() });
    scene.serve(&["--region", "us-east-1"]);
    let called = called_by(&scene, &["apply"]);
    let staying: Vec<Row> = rows().filter(stays).collect();
    let all = staying.iter().flat_map(|row| row.operations(&called).into_iter().map(move |operation| (row, operation)));
    let all: Vec<_> = all.collect();
    assert!(all.len() >= 20, "only {} refusals", all.len());
    let mut wrong = vec![];
    for (row, operation) in all.into_iter().skip(remainder).step_by(PARTS) {
        scene.runner(&["teardown"]).exits(0);
        let aws = scene.serve(&["--region", "us-east-1"]);
        wrong.extend(is_told(&scene, &aws, row, operation));
    }
    assert_eq!(wrong, Vec::<String>::new());
}

const PARTS: usize = 2;

#[test]
fn a_refusal_that_stays_is_told_in_the_words_of_aws_and_the_next_apply_goes_on() {
    each_is_told(0);
}

#[test]
fn another_refusal_that_stays_is_told_in_the_words_of_aws_and_the_next_apply_goes_on() {
    each_is_told(1);
}

/// What is wrong with how a refusal is told, and with what comes after it.
fn is_told(scene: &Scene, aws: &Aws, row: &Row, operation: &str) -> Option<String> {
    let call = json!({ "service": row.signing_name(), "operation": operation, "nth": 1 });
    aws.put_faults(&json!([{ "match": call, "fault": row.refusal() }]));
    let ran = scene.runner(&["apply"]);
    let struck = aws.faults_without_effect().is_empty();
    aws.clear_faults();
    let place = format!("{}:{operation}, {}", row.service, row.situation);
    let words = row.words();
    let words = words.split('\n').next().unwrap_or_default();
    let code_is_told = row.code.parse::<u16>().is_ok() || ran.stderr.contains(row.code);
    let told = match ran.code {
        // A HEAD has no words.
        1 if words.ends_with("(empty body)") => ran.stderr.contains(&format!("HTTP {}", row.status)),
        1 => code_is_told && (ran.stderr.contains(words) || words.starts_with('(')),
        // What is somebody else's is told in our words.
        6 => row.meaning == "Refused" && ran.stderr.contains("somebody else"),
        _ => false,
    };
    if !struck || !told {
        return Some(format!("{place}: exit code {}, struck {struck}\n{}", ran.code, ran.stderr));
    }
    let again = scene.runner(&["apply"]);
    (again.code != 0).then(|| format!("{place}, then again: exit code {}\n{}", again.code, again.stderr))
}

/// The row of that situation.
fn row(service: &str, situation: &str) -> Row {
    rows().find(|row| row.service == service && row.situation == situation).unwrap()
}

#[test]
fn a_role_on_a_machine_of_somebodys_stops_a_teardown_and_the_next_one_goes_on() {
    let scene = Scene::new(&Pipeline::default());
    scene.apply();
    let (aws, row) = (scene.aws(), row("iam", "in an instance profile"));
    // It stays however often it is asked for.
    let call = json!({ "service": "iam", "operation": "DeleteRole" });
    aws.put_faults(&json!([{ "match": call, "fault": row.refusal() }]));
    let refused = scene.runner(&["teardown"]).exits(1);
    assert!(refused.stderr.contains(&row.words()), "{}", refused.stderr);
    aws.clear_faults();
    scene.runner(&["teardown"]).exits(0);
}

#[test]
fn autoscaling_that_changes_already_is_waited_for() {
    let create_endpoint =
        "{ instances: { type: ml.m5.large }, autoscaling: { max: 2, invocations-per-instance: 100000 } }";
    let scene = Scene::new(&Pipeline { create_endpoint: create_endpoint.to_owned(), ..Pipeline::default() });
    let aws = scene.serve(&["--region", "us-east-1"]);
    let call = json!({ "service": "application-autoscaling", "operation": "RegisterScalableTarget", "nth": 1 });
    let row = row("application-autoscaling", "pending change");
    aws.put_faults(&json!([{ "match": call, "fault": row.refusal() }]));
    scene.apply();
    assert_eq!(aws.faults_without_effect(), Vec::<Json>::new());
}
