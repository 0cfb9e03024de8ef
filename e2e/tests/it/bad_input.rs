//! What is wrong in a pipeline file is said with its place, before anything is started or written.

use std::fs;

use crate::harness::{Pipeline, Scene, archive};

/// What each command says of a wrong pipeline; all say the same, and leave nothing behind.
#[track_caller]
fn complaint(scene: &Scene) -> String {
    let before = scene.files();
    let planned = scene.runner(&["plan"]).exits(64);
    for command in ["apply", "status"] {
        let ran = scene.runner(&[command]).exits(64);
        assert_eq!(ran.stderr, planned.stderr, "{command}");
        assert_eq!(ran.stdout, "", "{command}");
    }
    assert_eq!(scene.files(), before);
    assert_eq!(scene.processes(), Vec::<String>::new());
    scene.steady(&planned.stderr)
}

/// The complaint about a pipeline file with this text.
#[track_caller]
fn about(text: &str) -> String {
    complaint(&Scene::with_text(text))
}

/// The complaint about this `train:`, beside a data file.
#[track_caller]
fn about_training(train: &str, data: Option<&str>) -> String {
    let scene = Scene::bare(&Pipeline { train: train.to_owned(), ..Pipeline::default() });
    if let Some(data) = data {
        fs::write(scene.path("data.csv"), data).unwrap();
    }
    complaint(&scene)
}

#[test]
fn an_unknown_key_is_named_and_the_likely_one_too() {
    let said = about("name: fraud\nstages:\n  - train: { lable: Class }\n");
    insta::assert_snapshot!(said, @"
    error: unknown key `lable`
     --> pipeline.yaml:3:14
      |
    3 |   - train: { lable: Class }
      |              ^^^^^
      |
      = help: did you mean `label`?
      = help: known keys: algorithm, command, data, features, inputs, instances, label, model, on, require, split, test-data
    ");
}

#[test]
fn a_wrong_type_is_named() {
    let said = about("name: fraud\nstages:\n  - deploy-proxy: { memory-mb: much }\n");
    insta::assert_snapshot!(said, @"
    error: `memory-mb` must be a whole number, not the text `much`
     --> pipeline.yaml:3:32
      |
    3 |   - deploy-proxy: { memory-mb: much }
      |                                ^^^^
    ");
}

#[test]
fn a_name_that_no_cloud_name_can_derive_from_is_refused() {
    let said = about("name: Fraud_Detection\nstages: []\n");
    insta::assert_snapshot!(said, @"
    error: a pipeline's name has only lower-case letters, digits and hyphens, not `F`
     --> pipeline.yaml:1:7
      |
    1 | name: Fraud_Detection
      |       ^^^^^^^^^^^^^^^
      |
      = help: `name: fraud-detection` would do
    ");
}

#[test]
fn an_unknown_region_is_refused() {
    let said = about("name: fraud\ntargets:\n  local: { region: mars-north-1 }\nstages: []\n");
    insta::assert_snapshot!(said, @"
    error: unknown region `mars-north-1`
     --> pipeline.yaml:3:20
      |
    3 |   local: { region: mars-north-1 }
      |                    ^^^^^^^^^^^^
      |
      = help: did you mean `cn-north-1`?
    ");
}

#[test]
fn a_stage_that_comes_twice_is_refused() {
    let said = about("name: fraud\nstages:\n  - upload:\n  - package:\n  - upload:\n");
    insta::assert_snapshot!(said, @"
    error: stage `package` stands after `upload`, but runs before it
     --> pipeline.yaml:4:5
      |
    3 |   - upload:
      |     ------ runs later
    4 |   - package:
      |     ^^^^^^^
      |
      = help: the order is train, package, upload, create-role, create-endpoint, deploy-proxy, smoke-test, teardown

    error: stage `upload` is written twice
     --> pipeline.yaml:5:5
      |
    3 |   - upload:
      |     ------ first here
    4 |   - package:
    5 |   - upload:
      |     ^^^^^^ again here
    ");
}

#[test]
fn text_that_is_no_yaml_is_refused_where_it_stops_being_any() {
    let said = about("name: fraud\nstages:\n  - train: { label: Class\n");
    insta::assert_snapshot!(said, @"
    error: not valid YAML: while parsing a flow mapping, did not find expected ',' or '}'
     --> pipeline.yaml:3:27
      |
    3 |   - train: { label: Class
      |                          ^
    ");
}

#[test]
fn a_data_file_that_is_not_there_is_named() {
    let said = about_training("{ data: data.csv }", None);
    insta::assert_snapshot!(said, @"
    error: cannot read `data.csv`: No such file or directory (os error 2)
     --> pipeline.yaml:5:20
      |
    5 |   - train: { data: data.csv }
      |                    ^^^^^^^^
    ");
}

#[test]
fn a_label_that_the_data_lacks_is_named() {
    let said = about_training("{ data: data.csv, label: Fraud, features: [V1] }", Some("V1,Class\n0.5,0\n1.5,1\n"));
    insta::assert_snapshot!(said, @"
    error: label `Fraud` is no column of `data.csv`, which has `V1`, `Class`
     --> pipeline.yaml:5:37
      |
    5 |   - train: { data: data.csv, label: Fraud, features: [V1] }
      |                                     ^^^^^
    ");
}

#[test]
fn a_feature_that_the_data_lacks_is_named() {
    let said = about_training("{ data: data.csv, features: [V1, V2] }", Some("V1,Class\n0.5,0\n1.5,1\n"));
    insta::assert_snapshot!(said, @"
    error: feature `V2` is no column of `data.csv`, which has `V1`, `Class`; did you mean `V1`?
     --> pipeline.yaml:5:30
      |
    5 |   - train: { data: data.csv, features: [V1, V2] }
      |                              ^^^^^^^^
    ");
}

#[test]
fn text_in_a_numeric_column_is_named_with_its_row() {
    let said = about_training("{ data: data.csv, features: [V1] }", Some("V1,Class\n0.5,0\nhigh,1\n"));
    insta::assert_snapshot!(said, @"
    error: `data.csv` has a cell that cannot be used
     --> pipeline.yaml:5:20
      |
    5 |   - train: { data: data.csv, features: [V1] }
      |                    ^^^^^^^^
      |
      = help: line 3, column `V1`: `high` is not a number
    ");
}

#[test]
fn a_model_that_is_none_is_refused() {
    let scene = Scene::bare(&Pipeline { train: "{ model: model.tar.gz }".to_owned(), ..Pipeline::default() });
    fs::write(scene.path("model.tar.gz"), "no archive").unwrap();
    insta::assert_snapshot!(complaint(&scene), @"
    error: `model.tar.gz` cannot be served: neither JSON nor UBJSON, but something else
     --> pipeline.yaml:5:21
      |
    5 |   - train: { model: model.tar.gz }
      |                     ^^^^^^^^^^^^
    ");
}

#[test]
fn an_archive_that_is_not_one_model_is_refused() {
    let scene = Scene::bare(&Pipeline::train("{ model: model.tar.gz }"));
    let model = archive::entry("xgboost-model", b'0', "", b"{}");
    let mut said = String::new();
    for (what, entries) in [
        ("a second file", [model.clone(), archive::entry("inference.py", b'0', "", b"import os")].concat()),
        ("a path to elsewhere", archive::entry("../../.bashrc", b'0', "", b"echo")),
        ("a link", archive::entry("xgboost-model", b'2', "/etc/passwd", b"")),
        ("no file", vec![]),
        ("a model that is none", model),
    ] {
        fs::write(scene.path("model.tar.gz"), archive::gzipped(&entries)).unwrap();
        let refused = scene.runner(&["plan"]).exits(64);
        said = format!("{said}{what}: {}\n", refused.stderr.lines().next().unwrap());
    }
    insta::assert_snapshot!(said, @"
    a second file: error: `model.tar.gz` cannot be served: the archive holds `xgboost-model` and `inference.py`, but may hold only one file
    a path to elsewhere: error: `model.tar.gz` cannot be served: `../../.bashrc` leads out of the archive
    a link: error: `model.tar.gz` cannot be served: `xgboost-model` is neither a file nor a directory
    no file: error: `model.tar.gz` cannot be served: the archive holds no model
    a model that is none: error: `model.tar.gz` cannot be served: `learner` is missing
    ");
}

#[test]
fn rows_that_cannot_be_used_are_told_by_line_and_column() {
    let scene = Scene::bare(&Pipeline::train("{ data: data.csv, features: [V1, V2] }"));
    let many = format!("V1,V2,Class\n{}", "1,x,0\n".repeat(30));
    let mut said = String::new();
    for data in [
        "V1,V2,Class\n1,2,0\n1,2\n1,2,3,1\n",
        "V1,V2,Class\n1,2,0\n1,2,2\n1,2,\n",
        "V1,V2,Class\n1,inf,0\n1,1e60,1\n",
        "V1,V2,Class\n1,2,0\n1,2,0\n",
        "V1,V2,Class\n",
        "",
        "V1,V1,V2,Class\n1,1,1,0\n1,1,1,1\n",
        &many,
    ] {
        fs::write(scene.path("data.csv"), data).unwrap();
        let refused = scene.runner(&["plan"]).exits(64).stderr;
        let told = refused.lines().filter(|line| line.starts_with("error: ") || line.contains("= help: "));
        said = format!("{said}{}\n", told.collect::<Vec<_>>().join("\n"));
    }
    insta::assert_snapshot!(said, @"
    error: `data.csv` has 2 cells that cannot be used
      = help: line 3: 2 cells where the header has 3
      = help: line 4: 4 cells where the header has 3
    error: `data.csv` has 2 cells that cannot be used
      = help: line 3, column `Class`: `2` is neither 0 nor 1
      = help: line 4, column `Class`: an empty cell is neither 0 nor 1
    error: `data.csv` has 2 cells that cannot be used
      = help: line 2, column `V2`: `inf` is not a number
      = help: line 3, column `V2`: `1e60` is too large for a 32-bit float
    error: every row of `data.csv` (2) has label 0; there is nothing to tell apart
    error: `data.csv` has columns and no rows
    error: `data.csv` is empty, it lacks even a header row
    error: `data.csv` has more than one column `V1`
    error: `data.csv` has 30 cells that cannot be used
      = help: line 2, column `V2`: `x` is not a number
      = help: line 3, column `V2`: `x` is not a number
      = help: line 4, column `V2`: `x` is not a number
      = help: line 5, column `V2`: `x` is not a number
      = help: line 6, column `V2`: `x` is not a number
      = help: line 7, column `V2`: `x` is not a number
      = help: line 8, column `V2`: `x` is not a number
      = help: line 9, column `V2`: `x` is not a number
      = help: line 10, column `V2`: `x` is not a number
      = help: line 11, column `V2`: `x` is not a number
      = help: line 12, column `V2`: `x` is not a number
      = help: line 13, column `V2`: `x` is not a number
      = help: line 14, column `V2`: `x` is not a number
      = help: line 15, column `V2`: `x` is not a number
      = help: line 16, column `V2`: `x` is not a number
      = help: line 17, column `V2`: `x` is not a number
      = help: line 18, column `V2`: `x` is not a number
      = help: line 19, column `V2`: `x` is not a number
      = help: line 20, column `V2`: `x` is not a number
      = help: line 21, column `V2`: `x` is not a number
      = help: and 10 more
    ");
}

#[test]
fn a_proxy_that_is_not_there_is_named() {
    let said = about("name: fraud\nstages:\n  - package: { proxy: no-such-file }\n");
    insta::assert_snapshot!(said, @"
    error: cannot read `no-such-file`: No such file or directory (os error 2)
     --> pipeline.yaml:3:23
      |
    3 |   - package: { proxy: no-such-file }
      |                       ^^^^^^^^^^^^
    ");
}

#[test]
fn a_target_that_is_not_there_is_named_with_those_that_are() {
    let scene = Scene::bare(&Pipeline::default());
    let ran = scene.runner(&["plan", "--target", "prod"]).exits(64);
    insta::assert_snapshot!(scene.steady(&ran.stderr), @"error: there is no target `prod`; the pipeline file has `local`");
    assert_eq!(scene.files(), Vec::<String>::new());
}

#[test]
fn a_missing_pipeline_file_is_named() {
    let scene = Scene::bare(&Pipeline::default());
    for command in ["plan", "apply", "teardown", "status"] {
        let ran = scene.runner(&[command, "other.yaml"]).exits(64);
        assert_eq!(ran.stderr, "error: cannot read `other.yaml`: No such file or directory (os error 2)\n");
    }
    assert_eq!(scene.files(), Vec::<String>::new());
}

#[test]
fn a_command_that_does_not_exist_is_wrong_usage() {
    let scene = Scene::bare(&Pipeline::default());
    scene.runner(&["deploy"]).exits(64);
    scene.runner(&["plan", "--no-such-option"]).exits(64);
    scene.runner(&["--help"]).exits(0);
    scene.runner(&["--version"]).exits(0);
}

#[test]
fn more_columns_than_the_function_can_be_told_are_refused_before_anything_is_made() {
    let said = about_training("{ features: [V1..V1000] }", None);
    insta::assert_snapshot!(said, @"
    error: the function's environment would have 5025 bytes, and Lambda takes 4096
     --> pipeline.yaml:5:14
      |
    5 |   - train: { features: [V1..V1000] }
      |              ^^^^^^^^ 1000 names of columns, 4893 bytes of it
      |
      = help: the function is told every name: take fewer columns or shorter names, 929 bytes less
      = help: or deploy the endpoint alone: `--skip deploy-proxy --skip smoke-test`
    ");
    // Without the function, nothing is told of them.
    let scene = Scene::bare(&Pipeline::train("{ features: [V1..V1000] }"));
    let planned = scene.runner(&["plan", "--skip", "deploy-proxy", "--skip", "smoke-test"]);
    assert!(!planned.stderr.contains("environment"), "{}", planned.stderr);
    let doctor = scene.runner(&["doctor"]);
    assert!(doctor.stdout.contains("the function's environment would have"), "{}", doctor.stdout);
}
