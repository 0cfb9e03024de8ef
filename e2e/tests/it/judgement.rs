//! Whether a model is good enough, from which score on it decides, and what people are told about it.

use std::fs;

use serde_json::{Value as Json, json};

use crate::harness::rows::{FEATURES, csv, requests};
use crate::harness::{Answer, Http, Inventory, Pipeline, Scene};

const OURS: &str = "pipeline.yaml";

/// A `train:` from rows beside the pipeline file.
fn train(algorithm: &str, more: &str) -> Pipeline {
    Pipeline::train(format!(
        "{{ data: rows.csv, test-data: test.csv, features: {FEATURES}, algorithm: {algorithm}{more} }}"
    ))
}

fn boosted(trees: u32, depth: u32) -> String {
    format!("{{ gradient-boosting: {{ trees: {trees}, depth: {depth} }} }}")
}

fn scene(pipeline: &Pipeline) -> Scene {
    let scene = Scene::new(pipeline);
    fs::write(scene.path("rows.csv"), csv(300, 1)).unwrap();
    fs::write(scene.path("test.csv"), csv(150, 7)).unwrap();
    scene
}

fn test_rows(scene: &Scene) -> Vec<(Json, bool)> {
    requests(&fs::read_to_string(scene.path("test.csv")).unwrap())
}

/// The error and its hint, without the progress before it.
#[track_caller]
fn error(stderr: &str) -> &str {
    &stderr[stderr.find("error: ").unwrap_or_else(|| panic!("no error: {stderr}"))..]
}

fn score(answer: &Answer) -> f64 {
    answer.json()["fraud_score"].as_f64().unwrap_or_else(|| panic!("no score: {answer:?}"))
}

/// The deployed function's own threshold, by the API.
fn threshold(scene: &Scene) -> f64 {
    let path = "/2015-03-31/functions/fraud-proxy/configuration";
    let function = scene.aws().signed("lambda", "GET", path, &[], "").json();
    let text = function["Environment"]["Variables"]["THRESHOLD"].as_str();
    text.unwrap_or_else(|| panic!("no threshold: {function}")).parse().unwrap()
}

/// Of the scores, highest first, the first for which deciding at it is worth most.
fn first_best(scored: &[(f64, bool)], worth: impl Fn(f64, f64, f64) -> Option<f64>) -> f64 {
    let mut scores: Vec<f64> = scored.iter().map(|(score, _)| *score).collect();
    scores.sort_by(|a, b| b.total_cmp(a));
    let count = |keep: &dyn Fn(f64, bool) -> bool| scored.iter().filter(|(s, is)| keep(*s, *is)).count() as f64;
    let mut best: Option<(f64, f64)> = None;
    for at in scores {
        let hits = count(&|score, is| is && score >= at);
        let alarms = count(&|score, is| !is && score >= at);
        let missed = count(&|score, is| is && score < at);
        if let Some(worth) = worth(hits, alarms, missed)
            && best.is_none_or(|(most, _)| worth > most)
        {
            best = Some((worth, at));
        }
    }
    best.unwrap().1
}

#[test]
fn a_threshold_is_chosen_by_the_test_rows_and_changes_neither_model_nor_endpoint() {
    let with = |rule: &str| Pipeline {
        deploy_proxy: format!("{{ response: {{ threshold: {rule} }} }}"),
        ..train(&boosted(10, 2), "")
    };
    let scene = scene(&with("0.5"));
    scene.apply();
    let (url, aws, http) = (scene.url(OURS), scene.aws(), Http::new());
    let rows = test_rows(&scene);
    let scored: Vec<(f64, bool)> = rows.iter().map(|(row, is)| (score(&http.post(&url, row)), *is)).collect();

    let f1 = first_best(&scored, |hits, alarms, missed| Some(2.0 * hits / (2.0 * hits + alarms + missed)));
    let precise = first_best(&scored, |hits, alarms, _| (hits / (hits + alarms) >= 0.9).then_some(hits));
    let cheap = first_best(&scored, |_, alarms, missed| Some(-(20.0 * missed + alarms)));
    let rules = [("best-f1", f1), ("{ precision: 0.9 }", precise), ("{ cost: { miss: 20, false-alarm: 1 } }", cheap)];
    for (rule, wanted) in rules {
        scene.write(&with(rule));
        let planned = scene.runner(&["plan"]).exits(0);
        let changed = format!("    threshold  {} -> {wanted}\n", threshold(&scene));
        assert!(planned.stdout.contains(&changed), "{rule}: no `{changed}` in\n{}", planned.stdout);
        aws.clear_requests();
        scene.apply();
        assert_eq!(aws.writes(), ["lambda:UpdateFunctionConfiguration fraud-proxy"], "{rule}");
        assert_eq!(threshold(&scene).to_bits(), wanted.to_bits(), "{rule}");
        for ((row, _), (scored, _)) in rows.iter().zip(&scored).filter(|(_, (score, _))| (score - wanted).abs() < 0.05)
        {
            let answer = http.post(&url, row);
            assert_eq!(score(&answer).to_bits(), scored.to_bits(), "{rule}");
            assert_eq!(answer.json()["is_fraud"], *scored >= wanted, "{rule}: {answer:?}");
        }
        scene.keeps_all(OURS);
    }
    assert!(precise > cheap, "the rules choose alike: {precise} {cheap} {f1}");
}

#[test]
fn a_model_that_is_switched_back_to_decides_by_its_own_threshold_again() {
    let with = |trees: u32, smoke_test: String| Pipeline {
        deploy_proxy: "{ response: { threshold: best-f1 } }".to_owned(),
        smoke_test,
        ..train(&boosted(trees, 2), "")
    };
    let scene = scene(&with(10, String::new()));
    scene.apply();
    let before = threshold(&scene);
    let wrong = format!("{{ request: {}, expect: {{ fraud_score: 7 }} }}", test_rows(&scene)[0].0);
    scene.write(&with(3, wrong));
    scene.aws().clear_requests();
    let refused = scene.runner(&["apply"]).exits(4);
    assert!(refused.stderr.contains("was switched back and serves"), "{}", refused.stderr);
    let told = scene.aws().writes();
    let told = told.iter().filter(|write| write.starts_with("lambda:UpdateFunctionConfiguration")).count();
    assert_eq!(told, 2, "the new threshold was never told, so nothing was put back");
    assert_eq!(threshold(&scene).to_bits(), before.to_bits());
}

#[test]
fn a_precision_out_of_reach_is_refused_with_the_best_there_is() {
    let scene = scene(&Pipeline {
        deploy_proxy: "{ response: { threshold: { precision: 0.99 } } }".to_owned(),
        ..train(&boosted(1, 1), "")
    });
    let refused = scene.runner(&["apply"]).exits(3);
    insta::assert_snapshot!(scene.steady(error(&refused.stderr)), @"
    error: stage `train` could not pass gate `metrics`
      because: no threshold reaches precision 0.99; the best is 0.5932
    hint: nothing was deployed; look at .runner/cache/models/ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff/report.html, mend the data or the parameters, or ask for less by `threshold`
    ");
    assert_eq!(scene.aws().inventory(), Inventory::new());
    scene.runner(&["plan"]).exits(0);
}

#[test]
fn every_metric_can_be_the_gate() {
    let scene = scene(&Pipeline::default());
    let mut said = String::new();
    for require in [
        "average-precision: 1",
        "roc-auc: 1",
        "precision: 1",
        "recall: 1",
        "f1: 1",
        "log-loss: 0",
        "brier-score: 0",
        "recall: 1, roc-auc: 0.5, brier-score: 0.01",
    ] {
        scene.write(&train(&boosted(3, 2), &format!(", require: {{ {require} }}")));
        let refused = scene.runner(&["apply"]).exits(3);
        let because = refused.stderr.split("because: ").nth(1).unwrap().split("\nhint: ").next().unwrap();
        said = format!("{said}{require}\n  {because}\n");
    }
    insta::assert_snapshot!(said, @"
    average-precision: 1
      the model's average precision is 0.8411, below the required 1
    roc-auc: 1
      the model's ROC AUC is 0.9607, below the required 1
    precision: 1
      the model's precision is 0.8333, below the required 1
    recall: 1
      the model's recall is 0.5128, below the required 1
    f1: 1
      the model's F1 is 0.6349, below the required 1
    log-loss: 0
      the model's log loss is 0.3859, above the required 0
    brier-score: 0
      the model's Brier score is 0.1112, above the required 0
    recall: 1, roc-auc: 0.5, brier-score: 0.01
      the model's recall is 0.5128, below the required 1; the model's Brier score is 0.1112, above the required 0.01
    ");
    assert_eq!(scene.aws().inventory(), Inventory::new());
    assert_eq!(scene.aws().writes(), Vec::<String>::new());
    // The model was trained once: what is required is no part of it.
    assert_eq!(scene.files().iter().filter(|file| file.ends_with("/xgboost-model")).count(), 1);
}

#[test]
fn a_model_that_is_worse_than_the_live_one_is_not_deployed() {
    let scene = scene(&train(&boosted(15, 3), ""));
    scene.apply();
    let (http, url) = (Http::new(), scene.url(OURS));
    let (row, _) = test_rows(&scene).swap_remove(0);
    let before = (scene.aws().inventory(), score(&http.post(&url, &row)));

    let worse = |allowed: &str| train(&boosted(1, 1), &format!(", require: {{ not-worse-than-live: {allowed} }}"));
    scene.write(&worse("0.001"));
    let refused = scene.runner(&["apply"]).exits(3);
    let said = error(&refused.stderr);
    assert!(said.contains("the model's average precision is 0."), "{said}");
    assert!(said.contains(", more than 0.001 below the 0."), "{said}");
    assert!(said.contains("hint: nothing was deployed; look at "), "{said}");
    assert_eq!((scene.aws().inventory(), score(&http.post(&url, &row))), before);

    let planned = scene.runner(&["plan"]).exits(0).stdout;
    let gate = planned.split("? train            gate ").nth(1).unwrap().lines().skip(1);
    let gate: Vec<_> = gate.take_while(|line| line.starts_with(' ')).collect();
    insta::assert_snapshot!(gate.join("\n"), @"
    not_worse_than_live  average precision at most 0.001 below that of the live model
    this_model           average precision 0.5590 (0.40 to 0.70), ROC AUC 0.8406; at 0.5 precision 0.593, recall 0.897, F1 0.714
    live_model           average precision 0.9171 (0.78 to 0.97), ROC AUC 0.9741; at 0.5 precision 0.871, recall 0.692, F1 0.771
    ");

    scene.write(&worse("0.9"));
    let applied = scene.apply();
    assert!(applied.stdout.contains("  live until now: `fraud-"), "{}", applied.stdout);
    assert_ne!(score(&http.post(&url, &row)).to_bits(), before.1.to_bits());
    // Against itself there is nothing to compare.
    scene.write(&worse("0"));
    scene.apply();
}

#[test]
fn the_report_is_written_whether_or_not_the_gate_passes() {
    let scene = scene(&train(&boosted(3, 2), ", require: { f1: 1 }"));
    let untrained = scene.runner(&["report", "--no-open"]).exits(1);
    insta::assert_snapshot!(untrained.stderr, @"
    local cloud, not started, and with what `runner policy` allows
    error: stage `train` could not show what is known about the model
      because: there is nothing to show
      because: the model has not been trained yet; `runner apply` trains it
    ");

    let refused = scene.runner(&["apply"]).exits(3);
    let path = refused.stderr.split("look at ").nth(1).and_then(|rest| rest.split(',').next()).unwrap();
    let page = fs::read_to_string(scene.path(path)).unwrap();
    assert!(page.starts_with("<!") && page.contains("<svg") && !page.contains("http-equiv=\"refresh"), "{path}");

    scene.write(&train(&boosted(3, 2), ""));
    let applied = scene.apply();
    assert!(applied.stdout.contains(&format!("  report: {path}\n")), "no `{path}` in\n{}", applied.stdout);
    let told = scene.runner(&["report", "--no-open"]).exits(0);
    assert_eq!(told.stdout.trim_end(), path);
    let told = scene.runner(&["report", "--output", "pages/model.html"]).exits(0);
    assert_eq!(told.stdout, "pages/model.html\n");
    let copy = fs::read_to_string(scene.path("pages/model.html")).unwrap();
    assert!(copy.contains("fraud"), "{copy}");
    // What is in the way of a file is told.
    let failed = scene.runner(&["report", "--output", "rows.csv/model.html"]).exits(64);
    assert!(failed.stderr.contains("cannot write `rows.csv/model.html`"), "{}", failed.stderr);
    // Without the local cloud what is known is on this machine.
    scene.runner(&["teardown"]).exits(0);
    scene.runner(&["report", "--no-open"]).exits(0);
}

#[test]
fn a_model_that_nothing_is_known_of_has_no_report_and_says_how_it_would_have_one() {
    let scene = scene(&train(&boosted(2, 2), ", require: { f1: 1 }"));
    scene.runner(&["apply"]).exits(3);
    let made = scene.files().into_iter().find(|file| file.ends_with("/xgboost-model")).unwrap();
    fs::copy(scene.path(&made), scene.path("model.json")).unwrap();
    scene.write(&Pipeline::train(format!("{{ model: model.json, features: {FEATURES} }}")));
    scene.apply();
    let told = scene.runner(&["report", "--no-open"]).exits(1);
    insta::assert_snapshot!(error(&told.stderr), @"
    error: stage `train` could not show what is known about the model
      because: there is nothing to show
      because: the model was trained elsewhere, and `test-data` names no rows to judge it by
    ");
    // Nor can another model be shown to be no worse than it.
    scene.write(&train(&boosted(3, 2), ", require: { not-worse-than-live: 1 }"));
    let refused = scene.runner(&["apply"]).exits(3);
    assert!(refused.stderr.contains("has no known metrics to compare with"), "{}", refused.stderr);
    assert!(refused.stderr.contains("hint: leave `not-worse-than-live` out for this once"), "{}", refused.stderr);
}

#[test]
fn the_answer_names_as_many_reasons_as_are_asked_for() {
    let with =
        |reasons: u32| Pipeline { deploy_proxy: format!("{{ reasons: {reasons} }}"), ..train(&boosted(20, 5), "") };
    let scene = scene(&with(0));
    scene.apply();
    let (url, aws, http) = (scene.url(OURS), scene.aws(), Http::new());
    let rows = test_rows(&scene);
    let plain = http.post(&url, &rows[0].0).json();
    assert_eq!(plain.as_object().unwrap().keys().collect::<Vec<_>>(), ["fraud_score", "is_fraud"]);
    for wanted in [3, 2] {
        scene.write(&with(wanted));
        aws.clear_requests();
        scene.apply();
        assert_eq!(aws.writes(), ["lambda:UpdateFunctionConfiguration fraud-proxy"]);
        for (row, _) in &rows[..20] {
            let answer = http.post(&url, row).json();
            let reasons = answer["reasons"].as_array().unwrap_or_else(|| panic!("no reasons: {answer}"));
            assert_eq!(reasons.len(), wanted as usize, "{answer}");
            let strength = |reason: &Json| reason["contribution"].as_f64().unwrap().abs();
            assert!(reasons.is_sorted_by(|a, b| strength(a) >= strength(b)), "{answer}");
            let mut names: Vec<_> = reasons.iter().map(|reason| reason["feature"].as_str().unwrap()).collect();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), wanted as usize, "{answer}");
            assert!(names.iter().all(|name| row.get(name).is_some()), "{answer}");
        }
        assert_eq!(http.post(&url, &rows[0].0).json()["fraud_score"], plain["fraud_score"]);
    }
}

#[test]
fn what_is_odd_about_the_columns_is_told_while_training() {
    let scene = scene(&Pipeline::train(
        "{ data: odd.csv, features: [V1, Still, Copy, Tell], require: { log-loss: 0 }, \
         algorithm: { gradient-boosting: { trees: 2 } } }",
    ));
    let mut odd = "V1,Still,Copy,Tell,Class\n".to_owned();
    for (row, is) in requests(&csv(200, 1)) {
        odd =
            format!("{odd}{v1},7,{v1},{tell},{is}\n", v1 = row["V1"], tell = if is { 9 } else { 2 }, is = u8::from(is));
    }
    fs::write(scene.path("odd.csv"), odd).unwrap();
    let refused = scene.runner(&["apply"]).exits(3);
    let warnings: Vec<_> = refused.stderr.lines().filter(|line| line.contains("warning")).collect();
    insta::assert_snapshot!(warnings.join("\n"), @"
    train: warning: feature `Still` is 7 in every row, so nothing can be learned from it
    train: warning: feature `Copy` is the same as `V1` in every row
    train: warning: feature `Tell` alone tells every label, for it is at least 9 where the label is 1 and at most 2 where it is 0; is it known before the label is?
    ");
}

#[test]
fn every_algorithm_deploys_with_all_its_parameters_and_answers() {
    let scene = scene(&Pipeline::default());
    for (algorithm, words) in [
        ("random-forest", "random forest, 100 trees, depth 8, seed 42"),
        (
            "{ random-forest: { trees: 5, depth: 3, min-leaf-rows: 4, row-sample: 0.7, column-sample: 0.7, seed: 7 } }",
            "random forest, 5 trees, depth 3, ",
        ),
        ("logistic-regression", "logistic regression, l2 1"),
        ("{ logistic-regression: { l2: 0.1, max-iterations: 50 } }", "logistic regression, l2 0.1"),
        (
            "{ gradient-boosting: { trees: 20, learning-rate: 0.2, depth: 3, l1: 0.1, l2: 2, min-leaf-weight: 0.5, \
             subsample: 0.8, column-sample: 0.7, class-weight: balanced, early-stopping: { rounds: 3, validation: 0.2 }, \
             monotone: { V1: increasing }, seed: 7 } }",
            "gradient boosting, 20 trees, learning rate 0.2, depth 3, l1 0.1, l2 2, min leaf weight 0.5, subsample 0.8, \
             column sample 0.7, classes balanced, stopping 3 trees after the best on 0.2 of the rows, rising with V1, seed 7",
        ),
    ] {
        scene.write(&train(algorithm, ""));
        let applied = scene.apply();
        assert!(applied.stdout.contains(words), "no `{words}` in\n{}", applied.stdout);
        assert!(applied.stdout.contains("golden rows score as trained"), "{}", applied.stdout);
        let (url, http) = (scene.url(OURS), Http::new());
        let scores: Vec<_> = test_rows(&scene)[..10].iter().map(|(row, _)| score(&http.post(&url, row))).collect();
        assert!(scores.iter().all(|score| (0.0..=1.0).contains(score)), "{algorithm}: {scores:?}");
        assert!(scores.iter().any(|score| score.to_bits() != scores[0].to_bits()), "{algorithm}: {scores:?}");
        if algorithm.contains("monotone") {
            let at = |v1: f64| score(&http.post(&url, &json!({ "V1": v1, "V2": 0.3, "V3": 0.1 })));
            let rising: Vec<f64> = (-20..=20).map(|step| at(f64::from(step) / 10.0)).collect();
            assert!(rising.is_sorted(), "{rising:?}");
        }
    }
}
