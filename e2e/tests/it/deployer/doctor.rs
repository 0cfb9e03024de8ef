//! `runner doctor`: what it finds before anything is created, and that it writes nothing.

use std::fs;

use serde_json::{Value as Json, json};

use super::life::Deployer;
use super::{Grant, trained, without};
use crate::harness::{Pipeline, Ran, Scene};

/// A deployer who may also look at quotas and simulate.
fn deployer() -> Deployer {
    let deployer = Deployer::of(&Pipeline::default(), trained);
    deployer.allow(&policy(&deployer));
    deployer
}

fn policy(deployer: &Deployer) -> Json {
    deployer.scene.runner(&["policy", "--target", "prod", "--doctor"]).exits(0).json()
}

/// The lines that are not fine, without their columns and without what a plan warns of.
fn troubles(ran: &Ran) -> Vec<String> {
    let lines = ran.stdout.lines().filter(|line| !line.starts_with("fine ") && !line.starts_with("warning  pipeline"));
    lines.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

#[test]
fn all_is_well_and_nothing_is_written() {
    let deployer = deployer();
    let before = deployer.aws.inventory();
    deployer.aws.clear_requests();
    let examined = deployer.runs(&["doctor"], &[]).exits(0);
    let told = deployer.scene.steady(&examined.stdout);
    let (credentials, told): (Vec<_>, Vec<_>) = told.lines().partition(|line| line.contains("credentials"));
    assert!(credentials[0].contains("from environment variables; a session that does not say when it ends"));
    insta::assert_snapshot!(told.join("\n"), @"
    fine     pipeline     `fraud` declares 19 things; names and limits fit
    warning  pipeline     upload: bucket `fraud-000000000000-us-east-1` takes requests without TLS: `endpoint-url` is plain HTTP, and a policy that demands TLS would lock this program out
    warning  pipeline     deploy-proxy: anybody who knows the URL can call the API, and it is billed to you; `auth: iam` or `auth: { jwt: … }` of stage `deploy-proxy` closes it
    fine     clock        this machine's clock is right
    fine     account      account 000000000000, region us-east-1, as `arn:aws:sts::000000000000:assumed-role/ci/run`
    fine     inputs       data generated, 2000 rows, seed 42; algorithm gradient boosting, 5 trees, learning rate 0.3, depth 6
    fine     proxy        `<lambda-proxy>` runs on Lambda: x86_64, no newer glibc than there
    fine     rights       `arn:aws:iam::000000000000:role/ci` may do all 109 things that a deployment does
    fine     quotas       `ml.t2.medium for endpoint usage` is 200; needed: 2 at most
    fine     names        0 things are there and ours, 17 are not there yet and their names free
    ");
    deployer.step("a deployment", &["apply", "--yes"], 0).unwrap();
    deployer.aws.clear_requests();
    let examined = deployer.runs(&["doctor"], &[]).exits(0);
    assert!(examined.stdout.contains("17 things are there and ours"), "{}", examined.stdout);
    assert_eq!(deployer.aws.writes(), Vec::<String>::new());
    deployer.clean();
    assert_eq!(deployer.aws.inventory(), before);
}

#[test]
fn rights_that_are_missing_are_named() {
    let deployer = deployer();
    let whole = policy(&deployer);
    let examined = |policy: &Json, code| {
        deployer.allow(policy);
        troubles(&deployer.runs(&["doctor"], &[]).exits(code)).join("\n")
    };
    let grant = |sid: &str, action: &str| Grant { sid: sid.to_owned(), action: action.to_owned(), resources: vec![] };
    let lacking = without(&whole, &grant("Bucket", "s3:PutBucketVersioning"));
    let lacking = without(&lacking, &grant("Endpoint2", "sagemaker:UpdateEndpoint"));
    insta::assert_snapshot!(examined(&lacking, 3), @"failed rights `arn:aws:iam::000000000000:role/ci` may not do 2 of 109 things: s3:PutBucketVersioning (`Bucket`), sagemaker:UpdateEndpoint (`Endpoint2`); `runner policy` prints the statements");

    // The right to pass a role counts only with the service that it is passed to.
    let mut passing = whole.clone();
    for statement in passing["Statement"].as_array_mut().unwrap() {
        if statement["Sid"] == "PassToSageMaker" {
            statement["Condition"]["StringEquals"]["iam:PassedToService"] = json!("ec2.amazonaws.com");
        }
    }
    insta::assert_snapshot!(examined(&passing, 3), @"failed rights `arn:aws:iam::000000000000:role/ci` may not do 1 of 109 things: iam:PassRole (`PassToSageMaker`); `runner policy` prints the statements");
    // Whoever may not simulate and not see quotas is told so, and is not ill for it.
    insta::assert_snapshot!(examined(&deployer.policy, 0), @"
    unknown rights User: arn:aws:sts::000000000000:assumed-role/ci/run is not authorized to perform: iam:SimulatePrincipalPolicy on resource: arn:aws:iam::000000000000:role/ci because no identity-based policy allows the iam:SimulatePrincipalPolicy action; `runner policy --doctor` prints a policy with the right to simulate
    unknown quotas User: arn:aws:sts::000000000000:assumed-role/ci/run is not authorized to perform: servicequotas:ListServiceQuotas because no identity-based policy allows the servicequotas:ListServiceQuotas action; `runner policy --doctor` prints a policy with the right to see them
    ");
}

#[test]
fn quotas_are_compared_before_they_refuse() {
    let deployer = deployer();
    let quota = |instances: u32| deployer.aws.put_quotas(&json!({ "ml.t2.medium for endpoint usage": instances }));
    quota(1);
    insta::assert_snapshot!(troubles(&deployer.runs(&["doctor"], &[]).exits(0)).join("\n"), @"warning quotas `ml.t2.medium for endpoint usage` is 1; needed: 1, and 2 while an update has the old and the new at once; ask for more of `ml.t2.medium for endpoint usage` in Service Quotas, which can take a day");
    quota(0);
    insta::assert_snapshot!(troubles(&deployer.runs(&["doctor"], &[]).exits(3)).join("\n"), @"failed quotas `ml.t2.medium for endpoint usage` is 0; needed: 1; ask for more of `ml.t2.medium for endpoint usage` in Service Quotas, which can take a day");
    let refused = deployer.step("an apply over the quota", &["apply", "--yes"], 1).unwrap();
    for told in ["ResourceLimitExceeded", "hint: the account's quota is too small"] {
        assert!(refused.stderr.contains(told), "no `{told}` in {}", refused.stderr);
    }
    deployer.clean();
    let train = |trees: u32| trained(trees).replacen('{', "{ on: sagemaker, ", 1);
    deployer.write(|pipeline| pipeline.train = train(5));
    deployer.aws.put_quotas(&json!({ "ml.t2.medium for endpoint usage": 2, "ml.m5.large for training job usage": 0 }));
    let examined = deployer.runs(&["doctor"], &[]).exits(3);
    assert!(examined.stdout.contains("`ml.m5.large for training job usage` is 0"), "{}", examined.stdout);
}

#[test]
fn names_of_others_credentials_and_accounts_are_looked_at() {
    let deployer = deployer();
    for group in ["/aws/lambda/fraud-proxy", "/aws/vendedlogs/apis/fraud"] {
        deployer.aws.logs("CreateLogGroup", &json!({ "logGroupName": group }));
    }
    let examined = deployer.runs(&["doctor"], &[]).exits(3);
    insta::assert_snapshot!(troubles(&examined).join("\n"), @"
    warning names log-group `/aws/lambda/fraud-proxy` has no owner: Lambda made it by itself, without the tags of a pipeline; `apply` adopts it
    failed names log-group `/aws/vendedlogs/apis/fraud`: it exists and does not bear the tag `runner:pipeline`: it belongs to somebody else; give the pipeline another `name`, or remove that thing
    ");
    for group in ["/aws/lambda/fraud-proxy", "/aws/vendedlogs/apis/fraud"] {
        deployer.aws.logs("DeleteLogGroup", &json!({ "logGroupName": group }));
    }

    let soon = jiff::Timestamp::now().checked_add(jiff::SignedDuration::from_mins(31)).unwrap().to_string();
    let examined = deployer.runs(&["doctor"], &[("AWS_CREDENTIAL_EXPIRATION", &soon)]).exits(0);
    assert!(troubles(&examined)[0].contains("the session ends in 30 minutes; a first deployment can take 40"));
    let wrong = deployer.runs(&["doctor"], &[("AWS_SESSION_TOKEN", "made up")]).exits(3);
    assert!(wrong.stdout.contains("failed   account "), "{}", wrong.stdout);
    let text = fs::read_to_string(deployer.scene.path("pipeline.yaml")).unwrap();
    fs::write(deployer.scene.path("pipeline.yaml"), text.replace("\"000000000000\"", "\"123456789012\"")).unwrap();
    let examined = deployer.runs(&["doctor"], &[]).exits(3);
    assert!(examined.stdout.contains("but the target is account 123456789012"), "{}", examined.stdout);
}

#[test]
fn a_folder_where_nothing_has_run_is_examined_without_a_cloud() {
    let scene = Scene::bare(&Pipeline::default());
    let examined = scene.runner(&["doctor", "--format", "json"]).exits(0).json();
    let checks: Vec<_> = examined.as_array().unwrap().iter().map(|finding| &finding["check"]).collect();
    assert_eq!(checks, ["pipeline", "pipeline", "inputs", "proxy", "names"]);
    assert_eq!(scene.files(), Vec::<String>::new());
}

#[test]
fn inputs_that_are_absent_and_a_proxy_that_lambda_could_not_run_are_named() {
    let scene = Scene::bare(&Pipeline::train("{ data: rows.csv }"));
    let examined = scene.runner(&["doctor"]).exits(3);
    assert!(troubles(&examined)[0].starts_with("failed inputs cannot read `rows.csv`"), "{}", examined.stdout);
    let scene = Scene::bare(&Pipeline::default());
    let text = fs::read_to_string(scene.path("pipeline.yaml")).unwrap();
    let (before, after) = text.split_once("proxy: \"").unwrap();
    let after = after.split_once('"').unwrap().1;
    fs::write(scene.path("script"), "#!/bin/sh\n").unwrap();
    fs::write(scene.path("pipeline.yaml"), format!("{before}proxy: \"script\"{after}")).unwrap();
    let examined = scene.runner(&["doctor"]).exits(3);
    assert!(
        troubles(&examined)[0].starts_with("failed proxy `script`: it is no 64-bit ELF file"),
        "{}",
        examined.stdout
    );
}
