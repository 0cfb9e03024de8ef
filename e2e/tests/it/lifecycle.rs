//! A deployment's life: made, asked, changed, disturbed, mended, refused.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value as Json, json};

use crate::harness::{Answer, Http, Inventory, Pipeline, Scene, ask_during, features, shared_data};

const OURS: &str = "pipeline.yaml";

fn of_kind<'a>(inventory: &'a Inventory, kind: &str) -> Vec<&'a str> {
    inventory.iter().filter(|(of, _)| *of == kind).map(|(_, name)| name.as_str()).collect()
}

fn score(answer: &Answer) -> f64 {
    answer.json()["fraud_score"].as_f64().unwrap_or_else(|| panic!("no score: {answer:?}"))
}

#[test]
fn a_first_apply_tells_url_metrics_and_times_and_the_url_answers() {
    let scene = Scene::bare(&Pipeline::default());
    let applied = scene.apply();
    let url = scene.url(OURS);
    for told in [&*url, "average precision ", "train ", "smoke-test ", "8 golden rows score as trained", "17 changes"] {
        assert!(applied.stdout.contains(told), "no `{told}` in\n{}", applied.stdout);
    }
    assert!(applied.stderr.starts_with("local cloud at http://127.0.0.1:"), "{}", applied.stderr);
    let answer = Http::new().post(&url, &features());
    assert_eq!(answer.status, 200, "{answer:?}");
    let answer = answer.json();
    assert_eq!(answer.as_object().unwrap().len(), 2, "{answer}");
    assert!(answer["is_fraud"].is_boolean() && answer["fraud_score"].is_f64(), "{answer}");
}

/// Names and ARNs of another partition: `aws-cn`, `amazonaws.com.cn`.
#[test]
fn a_local_cloud_in_china_plans_applies_and_is_torn_down() {
    let local = "{ region: cn-north-1, iam-propagation-ms: 0, deployer-policy: own }".to_owned();
    let scene = Scene::new(&Pipeline { local, ..Pipeline::default() });
    scene.apply();
    scene.keeps_all(OURS);
    scene.answers(OURS);
    let status = scene.runner(&["status", "--format", "json"]).exits(0).stdout;
    assert!(!status.contains("arn:aws:") && !status.contains("us-east-1"), "{status}");
    let policy = scene.runner(&["policy"]).exits(0).stdout;
    assert!(policy.contains("arn:aws-cn:") && !policy.contains("arn:aws:"), "{policy}");
    let printed = scene.runner(&["local", "env"]).exits(0).stdout;
    assert!(printed.contains("cn-north-1") && !printed.contains("us-east-1"), "{printed}");
    scene.runner(&["doctor"]).exits(0);
    scene.runner(&["teardown"]).exits(0);
}

#[test]
fn results_are_json_for_programs() {
    let scene = Scene::bare(&Pipeline::default());
    let planned = scene.runner(&["plan", "--format", "json"]).exits(0).json();
    assert_eq!(planned["goal"], "present");
    let applied = scene.runner(&["apply", "--format", "json"]).exits(0).json();
    assert_eq!(applied["changed"], 17, "{applied}");
    assert!(applied["warnings"][0]["text"].as_str().unwrap().contains("anybody who knows the URL"), "{applied}");
    let status = scene.runner(&["status", "--format", "json"]).exits(0).json();
    assert_eq!(status["url"], applied["url"]);
    assert!(status["metrics"]["average-precision"].is_f64(), "{status}");
    let states: Vec<_> = status["resources"].as_array().unwrap().iter().map(|resource| &resource["state"]).collect();
    assert!(states.iter().all(|state| **state == "as desired"), "{status}");
}

#[test]
fn the_expected_plan_is_applied_and_no_other() {
    let scene = Scene::new(&Pipeline::default());
    let expect = || {
        let planned = scene.runner(&["plan", "--format", "json"]).exits(0);
        std::fs::write(scene.path("plan.json"), planned.stdout).unwrap();
    };
    expect();
    scene.runner(&["apply", "--expect", "plan.json"]).exits(0);
    let refused = scene.runner(&["apply", "--expect", "plan.json"]).exits(6);
    assert!(refused.stderr.contains("the plan is not the one in `plan.json`"), "{}", refused.stderr);
    // Now the model is on this machine, and there is no cloud to ask.
    scene.runner(&["teardown"]).exits(0);
    expect();
    scene.runner(&["apply", "--expect", "plan.json"]).exits(0);
}

#[test]
fn a_request_that_is_not_the_features_is_refused_with_all_that_is_wrong() {
    let scene = Scene::new(&Pipeline::default());
    scene.apply();
    let mut request = features();
    request.as_object_mut().unwrap().remove("V3");
    request["V29"] = json!(1.0);
    request["V7"] = json!("high");
    let answer = Http::new().post(&scene.url(OURS), &request);
    assert_eq!(answer.status, 400, "{answer:?}");
    insta::assert_snapshot!(format!("{:#}", answer.json()), @r#"
    {
      "error": "the body must hold exactly the model's features as numbers: 1 missing, 1 unknown, 1 neither a number within range nor null",
      "missing": [
        "V3"
      ],
      "not_numbers": [
        "V7"
      ],
      "unknown": [
        "V29"
      ]
    }
    "#);
}

#[test]
fn a_new_model_is_switched_to_without_a_failed_request_and_the_old_one_is_gone() {
    let scene = Scene::new(&Pipeline::trees(5));
    scene.apply();
    let before = scene.aws().inventory();
    let old = score(&scene.answers(OURS));
    let (answered, bad) = ask_during(&scene.url(OURS), Duration::ZERO, || {
        scene.write(&Pipeline::trees(9));
        scene.apply();
    });
    assert!(bad.is_empty(), "{} of {answered} requests failed, such as {:?}", bad.len(), bad[0]);
    assert!(answered > 200, "only {answered} requests");
    let new = score(&scene.answers(OURS));
    assert!((new - old).abs() > f64::EPSILON, "the new model scores {new} as the old one did");

    let after = scene.aws().inventory();
    for kind in ["model", "endpoint-config", "object"] {
        assert_eq!(of_kind(&before, kind).len(), of_kind(&after, kind).len(), "{kind}");
        let stayed: Vec<_> =
            of_kind(&before, kind).into_iter().filter(|name| of_kind(&after, kind).contains(name)).collect();
        assert_eq!(stayed, Vec::<&str>::new(), "{kind}");
    }
    scene.keeps_all(OURS);
}

#[test]
fn more_memory_updates_the_function_in_place_and_nothing_else() {
    let scene = Scene::new(&Pipeline::default());
    scene.apply();
    scene.write(&Pipeline { deploy_proxy: "{ memory-mb: 512 }".to_owned(), ..Pipeline::default() });
    let aws = scene.aws();
    aws.clear_requests();
    let url = scene.url(OURS);
    scene.apply();
    assert_eq!(aws.writes(), ["lambda:UpdateFunctionConfiguration fraud-proxy"]);
    assert_eq!(scene.url(OURS), url);
    scene.answers(OURS);
}

#[test]
fn another_threshold_changes_the_decision_and_not_the_model() {
    let with = |threshold: f64| Pipeline {
        deploy_proxy: format!("{{ response: {{ threshold: {threshold} }} }}"),
        ..Pipeline::default()
    };
    let scene = Scene::new(&with(1.0));
    scene.apply();
    let cautious = scene.answers(OURS);
    assert_eq!(cautious.json()["is_fraud"], false);
    let before = scene.aws().inventory();
    scene.write(&with(0.0));
    scene.apply();
    let bold = scene.answers(OURS);
    assert_eq!(bold.json()["is_fraud"], true);
    assert_eq!(score(&bold).to_bits(), score(&cautious).to_bits());
    assert_eq!(scene.aws().inventory(), before);
}

#[test]
fn what_others_have_changed_is_seen_and_mended() {
    let scene = Scene::new(&Pipeline::default());
    scene.apply();
    let aws = scene.aws();
    let api = id_of(&aws.signed("apigateway", "GET", "/v2/apis", &[], "").json(), "apiId");
    let routes = aws.signed("apigateway", "GET", &format!("/v2/apis/{api}/routes"), &[], "").json();
    let route = id_of(&routes, "routeId");
    aws.signed("apigateway", "DELETE", &format!("/v2/apis/{api}/routes/{route}"), &[], "");
    let role = [("RoleName", "fraud-us-east-1-proxy")];
    let policies = aws.iam("ListRolePolicies", &role).text;
    let policy = policies.split_once("<member>").unwrap().1.split_once("</member>").unwrap().0.to_owned();
    aws.iam("DeleteRolePolicy", &[role[0], ("PolicyName", &policy)]);
    aws.logs("PutRetentionPolicy", &json!({ "logGroupName": "/aws/lambda/fraud-proxy", "retentionInDays": 1 }));
    let answer = Http::new().post(&scene.url(OURS), &features());
    assert_eq!(answer.status, 404, "{answer:?}");

    let planned = scene.runner(&["plan", "--detailed-exitcode"]).exits(2);
    insta::assert_snapshot!(changes(&scene.steady(&planned.stdout)), @"
    ? train            gate               metrics
        this_model  average precision 1.0000 (0.03 to 1.00), ROC AUC 1.0000; at 0.5 precision 0.000, recall 0.000, F1 0.000
    ~ create-role      iam-role           fraud-us-east-1-proxy
        policy.Logs   (unset) -> Allow logs:CreateLogStream, logs:PutLogEvents on arn:aws:logs:us-east-1:000000000000:log-group:/aws/lambda/fraud-proxy:*
        policy.Score  (unset) -> Allow sagemaker:InvokeEndpoint on arn:aws:sagemaker:us-east-1:000000000000:endpoint/fraud
    ~ deploy-proxy     log-group          /aws/lambda/fraud-proxy
        retention_days  1 -> 14
    ~ deploy-proxy     http-api           fraud
        routes.POST /  (unset) -> open to everybody
    ? smoke-test       smoke-test         POST /
        url          http://127.0.0.1:54321/execute-api/iiiiiiiiii/
        golden_rows  scores within 0.000001
    warning: deploy-proxy: anybody who knows the URL can call the API, and it is billed to you; `auth: iam` or `auth: { jwt: … }` of stage `deploy-proxy` closes it
    14 to keep, 3 to update, 2 to check.
    ");
    scene.apply();
    scene.keeps_all(OURS);
    scene.answers(OURS);
}

#[test]
fn a_thing_of_our_name_without_our_tag_blocks_the_plan_and_survives_a_teardown() {
    let scene = Scene::new(&Pipeline::default());
    scene.write_as("neighbour.yaml", &Pipeline { name: "neighbour", ..Pipeline::default() });
    scene.runner(&["apply", "neighbour.yaml"]).exits(0);
    let aws = scene.aws();
    aws.logs("CreateLogGroup", &json!({ "logGroupName": "/aws/vendedlogs/apis/fraud" }));
    let trust = json!({ "Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Action": "sts:AssumeRole", "Principal": { "Service": "sagemaker.amazonaws.com" }
    }] });
    let trust = [("RoleName", "fraud-us-east-1-sagemaker"), ("AssumeRolePolicyDocument", &*trust.to_string())];
    aws.iam("CreateRole", &trust);
    let before = aws.inventory();
    aws.clear_requests();

    let planned = scene.runner(&["plan"]).exits(6);
    insta::assert_snapshot!(blocked(&planned.stdout), @"
    ! create-role      iam-role           fraud-us-east-1-sagemaker
        because: it exists and does not bear the tag `runner:pipeline`: it belongs to somebody else
    ! deploy-proxy     log-group          /aws/vendedlogs/apis/fraud
        because: it exists and does not bear the tag `runner:pipeline`: it belongs to somebody else
    ");
    let refused = scene.runner(&["apply"]).exits(6);
    assert!(refused.stderr.contains("`fraud-us-east-1-sagemaker`"), "{}", refused.stderr);
    assert!(refused.stderr.contains("`/aws/vendedlogs/apis/fraud`"), "{}", refused.stderr);
    assert_eq!(aws.writes(), Vec::<String>::new());
    scene.runner(&["teardown"]).exits(0);
    assert_eq!(aws.inventory(), before);
}

#[test]
fn a_model_below_the_gate_is_not_deployed() {
    let train = "{ data: { generate: { rows: 2000, seed: 42 } }, require: { average-precision: 1.0, roc-auc: 1.0 }, \
                 algorithm: { gradient-boosting: { trees: 1, depth: 1 } } }";
    let scene = Scene::new(&Pipeline { train: train.to_owned(), ..Pipeline::default() });
    let refused = scene.runner(&["apply"]).exits(3);
    assert!(refused.stderr.contains("below the required 1"), "{}", refused.stderr);
    assert!(refused.stderr.contains("hint: nothing was deployed"), "{}", refused.stderr);
    let aws = scene.aws();
    assert_eq!(aws.inventory(), Inventory::new());
    assert_eq!(aws.writes(), Vec::<String>::new());
}

#[test]
fn a_smoke_test_that_expects_something_else_fails_the_apply() {
    let expects = |threshold: &str, fraud: bool| Pipeline {
        deploy_proxy: format!("{{ response: {{ threshold: {threshold} }} }}"),
        smoke_test: format!("{{ request: {}, expect: {{ is_fraud: {fraud} }} }}", features()),
        ..Pipeline::default()
    };
    let scene = Scene::new(&expects("1.0", true));
    let refused = scene.runner(&["apply"]).exits(3);
    assert!(refused.stderr.contains("`is_fraud` should be true"), "{}", refused.stderr);
    scene.write(&expects("1.0", false));
    scene.apply();
}

#[test]
fn a_smoke_test_that_fails_on_a_new_model_has_the_one_before_serve_again() {
    let scene = Scene::new(&Pipeline::default());
    scene.apply();
    let aws = scene.aws();
    let serves =
        || aws.sagemaker("DescribeEndpoint", &json!({ "EndpointName": "fraud" })).json()["EndpointConfigName"].clone();
    let before = serves();
    let worse = Pipeline {
        smoke_test: format!("{{ request: {}, expect: {{ fraud_score: 7 }} }}", features()),
        ..Pipeline::trees(6)
    };
    scene.write(&worse);
    let refused = scene.runner(&["apply"]).exits(4);
    assert!(refused.stderr.contains("was switched back and serves"), "{}", refused.stderr);
    assert_eq!(serves(), before);
    assert_eq!(scene.answers(OURS).status, 200);
    scene.write(&Pipeline::trees(6));
    scene.apply();
    assert_ne!(serves(), before);
    scene.keeps_all(OURS);
}

#[test]
fn a_bucket_of_somebody_else_is_neither_used_nor_emptied() {
    let scene = Scene::new(&Pipeline::default());
    scene.apply();
    let aws = scene.aws();
    aws.signed("s3", "PUT", "/theirs", &[], "");
    aws.signed("s3", "PUT", "/theirs/models/theirs/model.tar.gz", &[], "precious");
    let text = Pipeline { name: "other", ..Pipeline::default() }.text();
    let text = text.replace("- upload:", "- upload: { bucket: theirs }");
    std::fs::write(scene.path("other.yaml"), text).unwrap();
    let before = aws.inventory();
    scene.runner(&["plan", "other.yaml"]).exits(6);
    scene.runner(&["apply", "other.yaml"]).exits(6);
    scene.runner(&["teardown", "other.yaml"]).exits(0);
    assert_eq!(aws.inventory(), before);
}

#[test]
fn an_imported_model_scores_bit_for_bit_as_its_makers_did() {
    let Some(model) = shared_data("original-model/model.tar.gz") else { return };
    let import = |model: &Path| format!("{{ model: \"{}\" }}", model.display());
    let scene = Scene::new(&Pipeline { train: import(&model), ..Pipeline::default() });
    scene.apply();
    let request = std::fs::read_to_string(model.with_file_name("request.json")).unwrap();
    let request: Json = serde_json::from_str(&request).unwrap();
    let answer = Http::new().post(&scene.url(OURS), &request);
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(score(&answer).to_bits(), 6.976_925_305_934_856e-6_f64.to_bits(), "{answer:?}");
    assert_eq!(answer.json()["is_fraud"], false);
}

#[test]
fn a_model_of_the_public_data_set_reaches_its_gate() {
    let Some(data) = shared_data("creditcard.csv.gz") else { return };
    let train = format!("{{ data: \"{}\", require: {{ average-precision: 0.80 }} }}", data.display());
    let scene = Scene::new(&Pipeline { train, ..Pipeline::default() });
    let applied = scene.apply();
    assert!(applied.stdout.contains("average precision 0."), "{}", applied.stdout);
    let status = scene.runner(&["status", "--format", "json"]).exits(0).json();
    let reached = status["metrics"]["average-precision"].as_f64().unwrap();
    assert!(reached >= 0.80, "{status}");
    scene.answers(OURS);
}

fn id_of(list: &Json, name: &str) -> String {
    list["items"][0][name].as_str().unwrap_or_else(|| panic!("no `{name}`: {list}")).to_owned()
}

/// A plan without what is kept.
fn changes(plan: &str) -> String {
    plan.lines().filter(|line| !line.starts_with("= ")).collect::<Vec<_>>().join("\n")
}

/// The blocked lines of a plan, and why.
fn blocked(plan: &str) -> String {
    let lines: Vec<_> = plan.lines().collect();
    let blocked = lines.windows(2).filter(|pair| pair[0].starts_with("! "));
    blocked.map(|pair| pair.join("\n")).collect::<Vec<_>>().join("\n")
}
