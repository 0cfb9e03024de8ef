//! `runner policy` as it is printed, and policies that are tried in the local cloud.

use std::fs;

use serde_json::{Value as Json, json};

use super::life::Deployer;
use super::{Grant, trained, without};
use crate::harness::{Inventory, Pipeline, Ran, Scene};

const POLICY: &str = "deployer.json";

/// A pipeline whose deployer has what stands in the file.
fn tried() -> Pipeline {
    Pipeline { local: format!("{{ iam-propagation-ms: 1000, deployer-policy: {POLICY} }}"), ..Pipeline::default() }
}

fn own(scene: &Scene) -> Json {
    scene.runner(&["policy"]).exits(0).json()
}

fn hint(ran: &Ran) -> &str {
    ran.stderr.lines().find(|line| line.starts_with("hint: ")).unwrap_or_else(|| panic!("no hint: {}", ran.stderr))
}

#[test]
fn a_policy_in_a_file_is_held_to_and_what_it_lacks_is_named() {
    let scene = Scene::new(&tried());
    let whole = own(&scene);
    let versioning = Grant { sid: "Bucket".to_owned(), action: "s3:PutBucketVersioning".to_owned(), resources: vec![] };
    fs::write(scene.path(POLICY), without(&whole, &versioning).to_string()).unwrap();
    let refused = scene.runner(&["apply"]).exits(1);
    let sentence = "is not authorized to perform: s3:PutBucketVersioning on resource: \"arn:aws:s3:::fraud-000000000000-us-east-1\"";
    assert!(refused.stderr.contains(sentence), "{}", refused.stderr);
    assert!(
        refused.stderr.contains("User: arn:aws:sts::000000000000:assumed-role/fraud-deployer-"),
        "{}",
        refused.stderr
    );
    assert_eq!(
        hint(&refused),
        "hint: statement `Bucket` of what `runner policy` prints gives `s3:PutBucketVersioning`; finished steps are \
         kept, so run the same command again when the credentials have it"
    );

    let mut denied = whole.clone();
    let deny = json!({ "Effect": "Deny", "Action": "s3:PutBucketVersioning", "Resource": "*" });
    denied["Statement"].as_array_mut().unwrap().push(deny);
    fs::write(scene.path(POLICY), denied.to_string()).unwrap();
    let refused = scene.runner(&["apply"]).exits(1);
    assert!(hint(&refused).contains("but something takes it away"), "{}", refused.stderr);

    fs::write(scene.path(POLICY), whole.to_string()).unwrap();
    scene.apply();
    // What the runner sets up for itself is not in the way of an end.
    scene.runner(&["teardown"]).exits(0);
    assert!(!scene.path(".runner/local").exists());
}

#[test]
fn a_file_that_is_no_policy_is_underlined() {
    let scene = Scene::bare(&tried());
    let told = |text: Option<&str>| {
        if let Some(text) = text {
            fs::write(scene.path(POLICY), text).unwrap();
        }
        let said = scene.runner(&["apply"]).exits(64).stderr;
        scene.steady(&said)
    };
    insta::assert_snapshot!(told(None), @"
    error: cannot read `deployer.json`: No such file or directory (os error 2)
     --> pipeline.yaml:3:55
      |
    3 |   local: { iam-propagation-ms: 1000, deployer-policy: deployer.json }
      |                                                       ^^^^^^^^^^^^^
    ");
    insta::assert_snapshot!(told(Some("{ allow everything }")), @"
    error: `deployer.json` is no JSON: key must be a string at line 1 column 3
     --> pipeline.yaml:3:55
      |
    3 |   local: { iam-propagation-ms: 1000, deployer-policy: deployer.json }
      |                                                       ^^^^^^^^^^^^^
    ");
    assert_eq!(scene.files(), [POLICY], "nothing was started");
    insta::assert_snapshot!(told(Some(r#"{ "Version": "2012-10-17", "Statement": [{ "Effect": "Allow" }] }"#)), @"
    error: IAM refuses this policy: Policy statement must contain actions.
     --> pipeline.yaml:3:55
      |
    3 |   local: { iam-propagation-ms: 1000, deployer-policy: deployer.json }
      |                                                       ^^^^^^^^^^^^^
    ");
    assert_eq!(scene.aws().inventory(), Inventory::new());
}

#[test]
fn whoever_may_only_look_plans_and_cannot_apply() {
    let deployer = Deployer::of(&Pipeline::default(), trained);
    let looks = |step| {
        deployer.step(step, &["plan"], 0).unwrap();
        deployer.step(step, &["status"], 0).unwrap();
    };
    let reading = deployer.scene.runner(&["policy", "--target", "prod", "--read-only"]).exits(0).json();
    deployer.allow(&reading);
    looks("before there is anything");
    let refused = deployer.step("an apply by whoever may look", &["apply", "--yes"], 1).unwrap();
    assert!(hint(&refused).contains("of what `runner policy --target prod` prints gives `"), "{}", refused.stderr);
    deployer.allow(&deployer.policy);
    deployer.step("an apply by whoever may", &["apply", "--yes"], 0).unwrap();
    deployer.allow(&reading);
    looks("when all is there");
    deployer.clean();
}

#[test]
fn the_policy_is_printed_without_credentials_and_with_what_to_do_with_it() {
    let scene = Scene::bare(&Pipeline::default());
    let text = Pipeline::default().text();
    let prod = "  prod: { region: eu-west-1, account: \"123456789012\" }\nstages:\n";
    fs::write(scene.path("pipeline.yaml"), text.replacen("stages:\n", prod, 1)).unwrap();
    let printed = scene.runner(&["policy", "--target", "prod"]).exits(0);
    let policy = printed.json();
    assert_eq!(policy["Version"], "2012-10-17");
    let counted = policy.to_string().chars().filter(|c| !c.is_whitespace()).count();
    assert!(printed.stderr.contains(&format!(", {counted} characters without white space")), "{}", printed.stderr);
    assert!(counted < 10_240, "{counted}");
    for told in [
        "for account 123456789012, region eu-west-1;",
        "aws iam put-role-policy --role-name ROLE --policy-name fraud-deployer",
    ] {
        assert!(printed.stderr.contains(told), "no `{told}` in {}", printed.stderr);
    }
    assert!(printed.stdout.contains("arn:aws:iam::123456789012:role/runner/fraud-eu-west-1-proxy"));

    let github = |more: &[&str]| {
        let arguments = [&["policy", "--target", "prod", "--github", "acme/fraud"], more].concat();
        scene.runner(&arguments)
    };
    let trust = github(&["--branch", "main", "--environment", "production"]).exits(0);
    assert_eq!(
        trust.json()["Statement"][0]["Condition"]["StringEquals"]["token.actions.githubusercontent.com:sub"],
        json!(["repo:acme/fraud:ref:refs/heads/main", "repo:acme/fraud:environment:production"])
    );
    for told in ["aws iam create-open-id-connect-provider", "--role-name fraud-deployer", "gh api repos/ORG/REPO"] {
        assert!(trust.stderr.contains(told), "no `{told}` in {}", trust.stderr);
    }
    assert!(!trust.stderr.contains("warning"), "{}", trust.stderr);
    let anybody = github(&[]).exits(64);
    assert!(anybody.stderr.contains("any job of the repository could assume the role"), "{}", anybody.stderr);
    github(&["--branch", "*"]).exits(64);

    let reader = github(&["--github", "acme@1/fraud@2", "--pull-requests"]).exits(0);
    assert!(reader.stdout.contains("repo:acme@1/fraud@2:pull_request"), "{}", reader.stdout);
    for told in ["warning: whoever may push a branch", "--role-name fraud-planner", "--target prod --read-only"] {
        assert!(reader.stderr.contains(told), "no `{told}` in {}", reader.stderr);
    }
    let gitlab = |more: &[&str]| {
        let arguments = [&["policy", "--target", "prod", "--gitlab", "acme/ml/fraud"], more].concat();
        scene.runner(&arguments)
    };
    let trust = gitlab(&["--branch", "main"]).exits(0);
    assert!(trust.stdout.contains("project_path:acme/ml/fraud:ref_type:branch:ref:main"), "{}", trust.stdout);
    assert!(trust.stderr.contains("--url https://gitlab.com "), "{}", trust.stderr);
    gitlab(&["--environment", "production"]).exits(64);
    scene.runner(&["policy", "--branch", "main"]).exits(64);
    assert_eq!(scene.files(), Vec::<String>::new(), "it writes nothing");
}
