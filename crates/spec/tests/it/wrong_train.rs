use crate::stage;

#[test]
fn a_model_that_is_there_and_keys_that_train_one() {
    insta::assert_snapshot!(stage("- train:\n    model: model.tar.gz\n    data: rows.csv\n    algorithm: random-forest\n    split: { test: 0.2 }\n    on: sagemaker\n    instances: {}\n"), @"
    error: `data` and `model` exclude each other
     --> pipeline.yaml:5:5
      |
    4 |     model: model.tar.gz
      |     ----- the model is trained elsewhere
    5 |     data: rows.csv
      |     ^^^^
      |
      = help: `test-data` names rows to judge the model by

    error: `algorithm` and `model` exclude each other
     --> pipeline.yaml:6:5
      |
    4 |     model: model.tar.gz
      |     ----- the model is trained elsewhere
    5 |     data: rows.csv
    6 |     algorithm: random-forest
      |     ^^^^^^^^^
      |
      = help: `algorithm` is for a model that is trained from `data`

    error: `split` and `model` exclude each other
     --> pipeline.yaml:7:5
      |
    4 |     model: model.tar.gz
      |     ----- the model is trained elsewhere
    ...
    7 |     split: { test: 0.2 }
      |     ^^^^^
      |
      = help: `test-data` names rows to judge the model by

    error: `on` and `model` exclude each other
     --> pipeline.yaml:8:5
      |
    4 |     model: model.tar.gz
      |     ----- the model is trained elsewhere
    ...
    8 |     on: sagemaker
      |     ^^
      |
      = help: `on` is for a model that is trained from `data`

    error: `instances` and `model` exclude each other
     --> pipeline.yaml:9:5
      |
    4 |     model: model.tar.gz
      |     ----- the model is trained elsewhere
    ...
    9 |     instances: {}
      |     ^^^^^^^^^
      |
      = help: `instances` is for a model that is trained from `data`
    ");
}

#[test]
fn a_command_and_keys_that_train_a_model() {
    insta::assert_snapshot!(stage("- train:\n    command: [python, train_model.py]\n    inputs: [train_model.py]\n    model: model.json\n    data: rows.csv\n    split: {}\n    on: here\n"), @"
    error: `data` and `command` exclude each other
     --> pipeline.yaml:7:5
      |
    4 |     command: [python, train_model.py]
      |     ------- the command makes the model
    ...
    7 |     data: rows.csv
      |     ^^^^
      |
      = help: `inputs` names what the command reads
      = help: `test-data` names rows to judge the model by

    error: `split` and `command` exclude each other
     --> pipeline.yaml:8:5
      |
    4 |     command: [python, train_model.py]
      |     ------- the command makes the model
    ...
    8 |     split: {}
      |     ^^^^^
      |
      = help: `test-data` names rows to judge the model by

    error: `on` and `command` exclude each other
     --> pipeline.yaml:9:5
      |
    4 |     command: [python, train_model.py]
      |     ------- the command makes the model
    ...
    9 |     on: here
      |     ^^
      |
      = help: `on` is for a model that is trained from `data`
    ");
}

#[test]
fn a_command_without_inputs() {
    insta::assert_snapshot!(stage("- train:\n    command: [python, train_model.py]\n    model: model.json\n"), @"
    error: `command` needs `inputs`: without them nothing tells when it must run again
     --> pipeline.yaml:4:5
      |
    4 |     command: [python, train_model.py]
      |     ^^^^^^^
      |
      = help: name the files and folders that it reads: `inputs: [train_model.py, data]`
    ");
    insta::assert_snapshot!(stage("- train:\n    command: [python, train_model.py]\n    model: model.json\n    inputs: []\n"), @"
    error: `inputs` is empty, so that nothing tells when the command must run again
     --> pipeline.yaml:6:5
      |
    6 |     inputs: []
      |     ^^^^^^
      |
      = help: name the files and folders that it reads: `inputs: [train_model.py, data]`
    ");
}

#[test]
fn a_command_without_the_model_that_it_writes() {
    insta::assert_snapshot!(stage("- train:\n    command: [python, train_model.py]\n    inputs: [train_model.py]\n"), @"
    error: `command` needs a `model`
     --> pipeline.yaml:4:5
      |
    4 |     command: [python, train_model.py]
      |     ^^^^^^^
      |
      = help: it names the file that the command writes: `model: model.tar.gz`
    ");
}

#[test]
fn a_command_that_is_none() {
    insta::assert_snapshot!(stage("- train: { command: [], inputs: [a], model: m.json }\n"), @"
    error: `command` must name a program
     --> pipeline.yaml:3:12
      |
    3 | - train: { command: [], inputs: [a], model: m.json }
      |            ^^^^^^^
      |
      = help: a program and its arguments: `command: [python, train_model.py]`
    ");
    insta::assert_snapshot!(stage("- train: { command: [' '], inputs: [a], model: m.json }\n"), @"
    error: the program must not be empty
     --> pipeline.yaml:3:22
      |
    3 | - train: { command: [' '], inputs: [a], model: m.json }
      |                      ^^^
    ");
    insta::assert_snapshot!(stage("- train: { command: python train_model.py, inputs: [a], model: m.json }\n"), @"
    error: `command` must be a list, not the text `python train_model.py`
     --> pipeline.yaml:3:21
      |
    3 | - train: { command: python train_model.py, inputs: [a], model: m.json }
      |                     ^^^^^^^^^^^^^^^^^^^^^
      |
      = help: a list is `[a, b]`, or a line with `- ` for each item
    ");
    insta::assert_snapshot!(stage("- train: { command: [python, train_model.py, 100], inputs: [a], model: m.json }\n"), @r#"
    error: item 3 of `command` must be text, not the number 100
     --> pipeline.yaml:3:46
      |
    3 | - train: { command: [python, train_model.py, 100], inputs: [a], model: m.json }
      |                                              ^^^
      |
      = help: put it in quotes: "100"
    "#);
}

#[test]
fn an_input_that_is_no_file_of_this_machine() {
    insta::assert_snapshot!(stage("- train:\n    command: [python, train_model.py]\n    model: model.json\n    inputs: [train_model.py, 's3://rows/a.csv', '']\n"), @"
    error: item 2 of `inputs` must be a file of this machine, not `s3://rows/a.csv`
     --> pipeline.yaml:6:30
      |
    6 |     inputs: [train_model.py, 's3://rows/a.csv', '']
      |                              ^^^^^^^^^^^^^^^^^
      |
      = help: download it first, and name the copy

    error: item 3 of `inputs` must not be empty
     --> pipeline.yaml:6:49
      |
    6 |     inputs: [train_model.py, 's3://rows/a.csv', '']
      |                                                 ^^
    ");
}

#[test]
fn a_model_within_what_its_command_reads() {
    insta::assert_snapshot!(stage("- train:\n    command: [python, train_model.py]\n    model: ./data/../out/model.json\n    inputs: [train_model.py, out]\n"), @"
    error: the model is within item 2 of `inputs`, so that each run would ask for the next
     --> pipeline.yaml:6:30
      |
    5 |     model: ./data/../out/model.json
      |            ------------------------ what the command writes
    6 |     inputs: [train_model.py, out]
      |                              ^^^
      |
      = help: write `./data/../out/model.json` elsewhere, or name what is read
    ");
    insta::assert_snapshot!(stage("- train:\n    command: [python, train_model.py]\n    model: model.json\n    inputs: [.]\n"), @"
    error: the model is within item 1 of `inputs`, so that each run would ask for the next
     --> pipeline.yaml:6:14
      |
    5 |     model: model.json
      |            ---------- what the command writes
    6 |     inputs: [.]
      |              ^
      |
      = help: write `model.json` elsewhere, or name what is read
    ");
}

#[test]
fn inputs_without_a_command() {
    insta::assert_snapshot!(stage("- train: { inputs: [rows.csv] }\n"), @"
    error: `inputs` needs a `command`
     --> pipeline.yaml:3:12
      |
    3 | - train: { inputs: [rows.csv] }
      |            ^^^^^^
      |
      = help: they are what a program of your own reads: `command: [python, train_model.py]`
    ");
    insta::assert_snapshot!(stage("- train:\n    model: model.tar.gz\n    inputs: [rows.csv]\n"), @"
    error: `inputs` needs a `command`
     --> pipeline.yaml:5:5
      |
    5 |     inputs: [rows.csv]
      |     ^^^^^^
      |
      = help: they are what a program of your own reads: `command: [python, train_model.py]`
    ");
}

#[test]
fn a_gate_with_nothing_to_measure() {
    insta::assert_snapshot!(stage("- train:\n    model: model.tar.gz\n    require: { average-precision: 0.8 }\n"), @"
    error: `require` needs `test-data`: without rows there is nothing to measure
     --> pipeline.yaml:5:5
      |
    5 |     require: { average-precision: 0.8 }
      |     ^^^^^^^
      |
      = help: name rows that the model has not seen: `test-data: rows.csv`
    ");
    insta::assert_snapshot!(stage("- train:\n    command: [python, train_model.py]\n    inputs: [train_model.py]\n    model: model.json\n    require: { not-worse-than-live: 0.01 }\n"), @"
    error: `require` needs `test-data`: without rows there is nothing to measure
     --> pipeline.yaml:7:5
      |
    7 |     require: { not-worse-than-live: 0.01 }
      |     ^^^^^^^
      |
      = help: name rows that the model has not seen: `test-data: rows.csv`
    ");
}

#[test]
fn a_label_of_no_rows() {
    insta::assert_snapshot!(stage("- train:\n    model: model.tar.gz\n    label: Class\n"), @"
    error: `label` needs `test-data`
     --> pipeline.yaml:5:5
      |
    5 |     label: Class
      |     ^^^^^
      |
      = help: it names the column that holds the truth about those rows
    ");
}

#[test]
fn a_label_among_the_features_of_a_model_that_is_there() {
    insta::assert_snapshot!(stage("- train:\n    model: model.tar.gz\n    features: [V1, Class]\n    test-data: rows.csv\n"), @"
    error: the label `Class` is among the features
     --> pipeline.yaml:5:20
      |
    3 | - train:
      |   ----- the label
    4 |     model: model.tar.gz
    5 |     features: [V1, Class]
      |                    ^^^^^ the model would see the answer
    ");
}

#[test]
fn test_rows_beside_a_share_of_the_data() {
    insta::assert_snapshot!(stage("- train:\n    test-data: test.csv\n    split: { test: 0.2, seed: 7 }\n"), @"
    error: `test` and `test-data` exclude each other
     --> pipeline.yaml:5:14
      |
    4 |     test-data: test.csv
      |     --------- these rows are held back already
    5 |     split: { test: 0.2, seed: 7 }
      |              ^^^^
      |
      = help: leave `split` out: beside `test-data` nothing is split off `data`
    ");
    insta::assert_snapshot!(stage("- train: { test-data: test.csv, split: { seed: 7 } }\n"), @"
    error: `seed` and `test-data` exclude each other
     --> pipeline.yaml:3:42
      |
    3 | - train: { test-data: test.csv, split: { seed: 7 } }
      |            ---------                     ^^^^
      |            |
      |            these rows are held back already
      |
      = help: leave `split` out: beside `test-data` nothing is split off `data`
    ");
}

#[test]
fn test_rows_that_are_learnt_from() {
    insta::assert_snapshot!(stage("- train: { data: rows.csv, test-data: { path: rows.csv } }\n"), @"
    error: `test-data` names the rows that are learnt from
     --> pipeline.yaml:3:28
      |
    3 | - train: { data: rows.csv, test-data: { path: rows.csv } }
      |                  --------  ^^^^^^^^^
      |                  |
      |                  the same rows
      |
      = help: leave it out, and a share of `data` is held back
    ");
}

#[test]
fn a_requirement_out_of_range() {
    insta::assert_snapshot!(stage("- train: { require: { precision: 90, recall: -0.1, f1: .nan, brier-score: 2, not-worse-than-live: 1.5, log-loss: -1 } }\n"), @"
    error: `precision` must be from 0 to 1, not 90
     --> pipeline.yaml:3:34
      |
    3 | - train: { require: { precision: 90, recall: -0.1, f1: .nan, brier-score: 2, not-worse-than-live: 1.5, log-loss: -1 } }
      |                                  ^^

    error: `recall` must be from 0 to 1, not -0.1
     --> pipeline.yaml:3:46
      |
    3 | - train: { require: { precision: 90, recall: -0.1, f1: .nan, brier-score: 2, not-worse-than-live: 1.5, log-loss: -1 } }
      |                                              ^^^^

    error: `f1` must be from 0 to 1, not NaN
     --> pipeline.yaml:3:56
      |
    3 | - train: { require: { precision: 90, recall: -0.1, f1: .nan, brier-score: 2, not-worse-than-live: 1.5, log-loss: -1 } }
      |                                                        ^^^^

    error: `brier-score` must be from 0 to 1, not 2
     --> pipeline.yaml:3:75
      |
    3 | - train: { require: { precision: 90, recall: -0.1, f1: .nan, brier-score: 2, not-worse-than-live: 1.5, log-loss: -1 } }
      |                                                                           ^

    error: `not-worse-than-live` must be from 0 to 1, not 1.5
     --> pipeline.yaml:3:99
      |
    3 | - train: { require: { precision: 90, recall: -0.1, f1: .nan, brier-score: 2, not-worse-than-live: 1.5, log-loss: -1 } }
      |                                                                                                   ^^^

    error: `log-loss` must be at least 0 and finite, not -1
     --> pipeline.yaml:3:114
      |
    3 | - train: { require: { precision: 90, recall: -0.1, f1: .nan, brier-score: 2, not-worse-than-live: 1.5, log-loss: -1 } }
      |                                                                                                                  ^^
    ");
    insta::assert_snapshot!(stage("- train: { require: { log-loss: .inf } }\n"), @"
    error: `log-loss` must be at least 0 and finite, not inf
     --> pipeline.yaml:3:33
      |
    3 | - train: { require: { log-loss: .inf } }
      |                                 ^^^^
    ");
    insta::assert_snapshot!(stage("- train: { require: { not-worse-than-live: true } }\n"), @"
    error: `not-worse-than-live` must be a number, not `true`
     --> pipeline.yaml:3:44
      |
    3 | - train: { require: { not-worse-than-live: true } }
      |                                            ^^^^
    ");
    insta::assert_snapshot!(stage("- train: { require: { accuracy: 0.99 } }\n"), @"
    error: unknown key `accuracy`
     --> pipeline.yaml:3:23
      |
    3 | - train: { require: { accuracy: 0.99 } }
      |                       ^^^^^^^^
      |
      = help: known keys: average-precision, brier-score, f1, log-loss, not-worse-than-live, precision, recall, roc-auc
    ");
}

#[test]
fn a_place_to_train_that_is_none() {
    insta::assert_snapshot!(stage("- train: { on: sagemeker }\n"), @"
    error: a model cannot be trained on `sagemeker`
     --> pipeline.yaml:3:16
      |
    3 | - train: { on: sagemeker }
      |                ^^^^^^^^^
      |
      = help: did you mean `sagemaker`?
      = help: places: here, sagemaker
    ");
    insta::assert_snapshot!(stage("- train: { on: aws }\n"), @"
    error: a model cannot be trained on `aws`
     --> pipeline.yaml:3:16
      |
    3 | - train: { on: aws }
      |                ^^^
      |
      = help: places: here, sagemaker
    ");
    insta::assert_snapshot!(stage("- train: { on: [here] }\n"), @"
    error: `on` must be text, not a list
     --> pipeline.yaml:3:12
      |
    3 | - train: { on: [here] }
      |            ^^
    ");
}

#[test]
fn training_machines_without_sagemaker() {
    insta::assert_snapshot!(stage("- train: { instances: { type: ml.m5.large } }\n"), @"
    error: `instances` needs `on: sagemaker`
     --> pipeline.yaml:3:12
      |
    3 | - train: { instances: { type: ml.m5.large } }
      |            ^^^^^^^^^
      |
      = help: without it the model is trained on this machine
    ");
    insta::assert_snapshot!(stage("- train: { on: here, instances: }\n"), @"
    error: `instances` needs `on: sagemaker`
     --> pipeline.yaml:3:22
      |
    3 | - train: { on: here, instances: }
      |                      ^^^^^^^^^
      |
      = help: without it the model is trained on this machine
    ");
}

#[test]
fn a_training_machine_that_is_none() {
    insta::assert_snapshot!(stage("- train: { on: sagemaker, instances: { type: m5.large, count: 0, volume-gb: 0, max-runtime-s: 0 } }\n"), @"
    error: `m5.large` is no instance type
     --> pipeline.yaml:3:46
      |
    3 | - train: { on: sagemaker, instances: { type: m5.large, count: 0, volume-gb: 0, max-runtime-s: 0 } }
      |                                              ^^^^^^^^
      |
      = help: SageMaker's types begin with `ml.`: `ml.m5.large`

    error: `count` must be from 1 to 100, not 0
     --> pipeline.yaml:3:63
      |
    3 | - train: { on: sagemaker, instances: { type: m5.large, count: 0, volume-gb: 0, max-runtime-s: 0 } }
      |                                                               ^

    error: `volume-gb` must be from 1 to 16384, not 0
     --> pipeline.yaml:3:77
      |
    3 | - train: { on: sagemaker, instances: { type: m5.large, count: 0, volume-gb: 0, max-runtime-s: 0 } }
      |                                                                             ^

    error: `max-runtime-s` must be from 1 to 2419200, not 0
     --> pipeline.yaml:3:95
      |
    3 | - train: { on: sagemaker, instances: { type: m5.large, count: 0, volume-gb: 0, max-runtime-s: 0 } }
      |                                                                                               ^
    ");
    insta::assert_snapshot!(stage("- train: { on: sagemaker, instances: { type: ml.t2.medium } }\n"), @"
    error: `ml.t2.medium` serves models, but trains none
     --> pipeline.yaml:3:46
      |
    3 | - train: { on: sagemaker, instances: { type: ml.t2.medium } }
      |                                              ^^^^^^^^^^^^
      |
      = help: `ml.t3.medium` is the nearest that trains, `ml.m5.large` the default
    ");
    insta::assert_snapshot!(stage("- train: { on: sagemaker, instances: { type: ml.m6g.large, volume-gb: 20000, max-runtime-s: 9999999 } }\n"), @"
    error: `ml.m6g.large` is an Arm machine, and the prebuilt image is for x86_64
     --> pipeline.yaml:3:46
      |
    3 | - train: { on: sagemaker, instances: { type: ml.m6g.large, volume-gb: 20000, max-runtime-s: 9999999 } }
      |                                              ^^^^^^^^^^^^
      |
      = help: there the container would crash; `ml.m5.large` would do

    error: `volume-gb` must be from 1 to 16384, not 20000
     --> pipeline.yaml:3:71
      |
    3 | - train: { on: sagemaker, instances: { type: ml.m6g.large, volume-gb: 20000, max-runtime-s: 9999999 } }
      |                                                                       ^^^^^

    error: `max-runtime-s` must be from 1 to 2419200, not 9999999
     --> pipeline.yaml:3:93
      |
    3 | - train: { on: sagemaker, instances: { type: ml.m6g.large, volume-gb: 20000, max-runtime-s: 9999999 } }
      |                                                                                             ^^^^^^^
    ");
}

#[test]
fn an_algorithm_that_the_container_does_not_have() {
    insta::assert_snapshot!(stage("- train: { algorithm: random-forest, on: sagemaker }\n"), @"
    error: on SageMaker only gradient boosting can be trained, not a random forest
     --> pipeline.yaml:3:23
      |
    3 | - train: { algorithm: random-forest, on: sagemaker }
      |                       ^^^^^^^^^^^^^      --------- by AWS's image `sagemaker-xgboost`
      |
      = help: write `on: here`, and it is trained on this machine
    ");
    insta::assert_snapshot!(stage("- train: { algorithm: { logistic-regression: { l2: 2 } }, on: sagemaker }\n"), @"
    error: on SageMaker only gradient boosting can be trained, not logistic regression
     --> pipeline.yaml:3:25
      |
    3 | - train: { algorithm: { logistic-regression: { l2: 2 } }, on: sagemaker }
      |                         ^^^^^^^^^^^^^^^^^^^                   --------- by AWS's image `sagemaker-xgboost`
      |
      = help: write `on: here`, and it is trained on this machine
    ");
}

#[test]
fn a_number_that_the_container_does_not_take() {
    insta::assert_snapshot!(stage("- train: { on: sagemaker, algorithm: { gradient-boosting: { seed: 2147483647 } } }\n"), @"
    error: on SageMaker `seed` must be at most 2147483646, not 2147483647
     --> pipeline.yaml:3:67
      |
    3 | - train: { on: sagemaker, algorithm: { gradient-boosting: { seed: 2147483647 } } }
      |                                                                   ^^^^^^^^^^
    ");
    insta::assert_snapshot!(stage("- train: { on: sagemaker, features: [V1..V1250], algorithm: { gradient-boosting: { monotone: { V1: increasing } } } }\n- smoke-test\n"), @"
    error: on SageMaker `monotone` cannot be used with as many as 1250 features
     --> pipeline.yaml:3:84
      |
    3 | - train: { on: sagemaker, features: [V1..V1250], algorithm: { gradient-boosting: { monotone: { V1: increasing } } } }
      |                                                                                    ^^^^^^^^
      |
      = help: it lists every feature, and a hyperparameter has at most 2500 characters
    ");
}
