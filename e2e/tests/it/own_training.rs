//! A program of the user's own that writes the model, and rows that judge a model from elsewhere.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::Value as Json;

use crate::harness::rows::{FEATURES, csv, requests};
use crate::harness::{Http, Inventory, Pipeline, Scene};

const OURS: &str = "pipeline.yaml";

/// What the script in `src` does at every run.
const SCRIPT: &str = "echo run >> runs\necho learning\necho and some noise >&2\ncp src/made.json out.json\n";

pub(crate) fn command(script: &str, more: &str) -> Pipeline {
    Pipeline::train(format!("{{ command: [{script}], inputs: [src], model: out.json, features: {FEATURES}{more} }}"))
}

/// A folder with a model that this program trained, and then with this pipeline.
pub(crate) fn scene_with_model(pipeline: &Pipeline) -> Scene {
    let refused_by_gate = Pipeline::train(format!(
        "{{ data: rows.csv, features: {FEATURES}, require: {{ average-precision: 1 }}, \
         algorithm: {{ gradient-boosting: {{ trees: 4, depth: 2 }} }} }}"
    ));
    let scene = Scene::new(&refused_by_gate);
    fs::write(scene.path("rows.csv"), csv(300, 1)).unwrap();
    scene.runner(&["apply"]).exits(3);
    let files = scene.files();
    let made = files.iter().find(|file| file.ends_with("/xgboost-model")).unwrap();
    fs::create_dir(scene.path("src")).unwrap();
    fs::copy(scene.path(made), scene.path("src/made.json")).unwrap();
    fs::write(scene.path("src/train.sh"), SCRIPT).unwrap();
    scene.write(pipeline);
    scene
}

fn runs(scene: &Scene) -> usize {
    fs::read_to_string(scene.path("runs")).unwrap_or_default().lines().count()
}

#[test]
fn a_command_runs_only_when_its_inputs_changed() {
    let scene = scene_with_model(&command("sh, src/train.sh", ""));
    let planned = scene.runner(&["plan"]).exits(0);
    assert!(planned.stdout.contains("    command  sh src/train.sh\n    inputs   2 files ("), "{}", planned.stdout);
    assert_eq!(runs(&scene), 0);
    let applied = scene.apply();
    for said in ["train: | learning\n", "train: | and some noise\n"] {
        assert!(applied.stderr.contains(said), "{}", applied.stderr);
    }
    assert!(applied.stdout.contains("trained elsewhere: its metrics are not known"), "{}", applied.stdout);
    assert_eq!(runs(&scene), 1);

    // What tools leave behind among the inputs is no input.
    fs::create_dir(scene.path("src/__pycache__")).unwrap();
    fs::write(scene.path("src/__pycache__/train.pyc"), "compiled").unwrap();
    fs::write(scene.path("src/.train.sh.swp"), "open in an editor").unwrap();
    let aws = scene.aws();
    aws.clear_requests();
    scene.apply();
    assert_eq!(aws.writes(), Vec::<String>::new());
    assert_eq!(runs(&scene), 1);

    fs::write(scene.path("src/train.sh"), format!("{SCRIPT}# better\n")).unwrap();
    scene.runner(&["plan", "--detailed-exitcode"]).exits(2);
    scene.apply();
    assert_eq!(runs(&scene), 2);
    scene.keeps_all(OURS);

    // What lies behind a link is read like anything else, also where the links go in a circle.
    fs::create_dir(scene.path("elsewhere")).unwrap();
    fs::write(scene.path("elsewhere/rows.csv"), "1").unwrap();
    symlink("../elsewhere", scene.path("src/data")).unwrap();
    symlink(".", scene.path("src/circle")).unwrap();
    let inputs = || {
        let planned = scene.runner(&["plan"]).exits(0).stdout;
        planned.lines().find(|line| line.starts_with("    inputs ")).unwrap_or_default().to_owned()
    };
    let before = inputs();
    assert!(before.contains("3 files"), "{before}");
    fs::write(scene.path("elsewhere/rows.csv"), "2").unwrap();
    assert_ne!(inputs(), before);
}

#[test]
fn a_command_that_makes_no_model_is_an_error_with_its_last_lines() {
    let scene = scene_with_model(&command("sh, src/train.sh", ""));
    let mut said = String::new();
    for (script, does) in [
        ("sh, src/train.sh", "for n in $(seq 30); do echo line $n; done\necho out of luck >&2\nexit 7\n"),
        ("sh, src/train.sh", "kill -9 $$\n"),
        ("sh, src/train.sh", "echo done\n"),
        ("sh, src/train.sh", "echo no model > out.json\n"),
        // What lies there from a run before is not the model of this one.
        ("sh, src/train.sh", "echo nothing new\n"),
        ("sh, src/train.sh", "head -c 400 src/made.json > out.json\n"),
        ("no-such-program, src/train.sh", ""),
    ] {
        fs::write(scene.path("src/train.sh"), does).unwrap();
        scene.write(&command(script, ""));
        let ran = scene.runner(&["apply"]).exits(1);
        said = format!("{said}{}", &ran.stderr[ran.stderr.find("error: ").unwrap()..]);
    }
    insta::assert_snapshot!(scene.steady(&said), @"
    error: stage `train` could not create model-file `ffffffffffff`
      because: `sh src/train.sh` made no model
      because: it ended with exit status: 7; its last lines:
          line 12
          line 13
          line 14
          line 15
          line 16
          line 17
          line 18
          line 19
          line 20
          line 21
          line 22
          line 23
          line 24
          line 25
          line 26
          line 27
          line 28
          line 29
          line 30
          out of luck
    error: stage `train` could not create model-file `ffffffffffff`
      because: `sh src/train.sh` made no model
      because: it ended with signal: 9 (SIGKILL); it said nothing
    error: stage `train` could not create model-file `ffffffffffff`
      because: `sh src/train.sh` made no model
      because: it ended well and did not write `out.json`
    error: stage `train` could not create model-file `ffffffffffff`
      because: `sh src/train.sh` made no model
      because: `out.json` cannot be served: neither JSON nor UBJSON, but something else
    error: stage `train` could not create model-file `ffffffffffff`
      because: `sh src/train.sh` made no model
      because: it ended well and did not write `out.json`
    error: stage `train` could not create model-file `ffffffffffff`
      because: `sh src/train.sh` made no model
      because: `out.json` cannot be served: the JSON text is broken: EOF while parsing a string at line 1 column 400
    error: stage `train` could not create model-file `ffffffffffff`
      because: `no-such-program src/train.sh` made no model
      because: `no-such-program` cannot be started: No such file or directory (os error 2)
    ");
    assert_eq!(scene.aws().inventory(), Inventory::new());
}

#[test]
fn a_model_from_elsewhere_is_judged_by_test_rows() {
    let import = |require: &str| {
        Pipeline::train(format!(
            "{{ model: src/made.json, features: {FEATURES}, test-data: test.csv, require: {require} }}"
        ))
    };
    let scene = scene_with_model(&import("{ average-precision: 0.99 }"));
    let test = csv(200, 7);
    fs::write(scene.path("test.csv"), &test).unwrap();
    let refused = scene.runner(&["apply"]).exits(3);
    assert!(refused.stderr.contains("below the required 0.99"), "{}", refused.stderr);
    assert_eq!(scene.aws().inventory(), Inventory::new());

    scene.write(&import("{ average-precision: 0.5 }"));
    let applied = scene.apply();
    for said in ["  average precision 0.", "8 golden rows score as trained"] {
        assert!(applied.stdout.contains(said), "{}", applied.stdout);
    }
    // Golden rows are rows of the file, and the URL gives their scores.
    let known = scene.files().into_iter().filter(|file| file.ends_with("/evaluation.json"));
    let known = known.map(|file| serde_json::from_slice::<Json>(&fs::read(scene.path(&file)).unwrap()).unwrap());
    let judged = known.into_iter().find(|known| known["judged"].is_object()).unwrap();
    let golden = judged["judged"]["judged"]["golden-rows"].as_array().unwrap().clone();
    assert_eq!(golden.len(), 8, "{judged}");
    let rows = requests(&test);
    let url = scene.url(OURS);
    for row in golden {
        let same = |request: &&(Json, bool)| {
            let near = |name: &str, index: usize| {
                (request.0[name].as_f64().unwrap() - row["features"][index].as_f64().unwrap()).abs() < 1e-6
            };
            near("V1", 0) && near("V2", 1) && near("V3", 2)
        };
        let (request, _) = rows.iter().find(same).unwrap_or_else(|| panic!("{row} is no row of the file"));
        let answer = Http::new().post(&url, request).json();
        let off = answer["fraud_score"].as_f64().unwrap() - row["score"].as_f64().unwrap();
        assert!(off.abs() < 1e-6, "{row} is answered by {answer}");
    }
    let status = scene.runner(&["status", "--format", "json"]).exits(0).json();
    assert!(status["metrics"]["average-precision"].is_f64(), "{status}");
    // Another column with the truth is another judgement, and not the one that is kept.
    let other = fs::read_to_string(scene.path(OURS))
        .unwrap()
        .replace("test-data: test.csv", "test-data: test.csv, label: Nope");
    fs::write(scene.path(OURS), other).unwrap();
    let refused = scene.runner(&["plan"]).exits(64);
    assert!(refused.stderr.contains("label `Nope` is no column"), "{}", refused.stderr);
}

#[test]
fn the_model_of_a_command_is_judged_by_test_rows_too() {
    let more = ", test-data: test.csv, require: { recall: 1 }";
    let scene = scene_with_model(&command("sh, src/train.sh", more));
    fs::write(scene.path("test.csv"), csv(200, 7)).unwrap();
    let refused = scene.runner(&["apply"]).exits(3);
    assert!(refused.stderr.contains("the model's recall is 0."), "{}", refused.stderr);
    assert_eq!(runs(&scene), 1);
    // It is known now, and a lower demand needs no other run.
    scene.write(&command("sh, src/train.sh", &more.replace("recall: 1", "recall: 0.1")));
    scene.apply();
    assert_eq!(runs(&scene), 1);
    // Neither do other rows to judge it by.
    fs::write(scene.path("test.csv"), csv(200, 8)).unwrap();
    scene.runner(&["plan", "--detailed-exitcode"]).exits(2);
    scene.apply();
    assert_eq!(runs(&scene), 1);
}
