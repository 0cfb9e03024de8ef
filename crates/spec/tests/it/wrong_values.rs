use crate::stage;

#[test]
fn two_sources_of_data() {
    insta::assert_snapshot!(stage("- train:\n    data:\n      generate: {}\n      path: rows.csv\n"), @"
    error: `data` names two sources
     --> pipeline.yaml:6:7
      |
    5 |       generate: {}
      |       -------- another source
    6 |       path: rows.csv
      |       ^^^^ one source
      |
      = help: keep one of them
    ");
    insta::assert_snapshot!(stage("- train: { data: {} }\n"), @"
    error: `data` names no source
     --> pipeline.yaml:3:12
      |
    3 | - train: { data: {} }
      |            ^^^^
      |
      = help: write a path, or `generate: {}`
    ");
}

#[test]
fn data_that_cannot_be_read() {
    insta::assert_snapshot!(stage("- train: { data: rows.xlsx }\n"), @"
    error: `data` must end in `.csv`, `.csv.gz` or `.parquet`, unlike `rows.xlsx`
     --> pipeline.yaml:3:18
      |
    3 | - train: { data: rows.xlsx }
      |                  ^^^^^^^^^
    ");
    insta::assert_snapshot!(stage("- train: { data: generate }\n"), @"
    error: `data` must end in `.csv`, `.csv.gz` or `.parquet`, unlike `generate`
     --> pipeline.yaml:3:18
      |
    3 | - train: { data: generate }
      |                  ^^^^^^^^
      |
      = help: write `data: { generate: {} }`
    ");
}

#[test]
fn data_and_a_model() {
    insta::assert_snapshot!(stage("- train:\n    model: model.tar.gz\n    data: rows.csv\n"), @"
    error: `data` and `model` exclude each other
     --> pipeline.yaml:5:5
      |
    4 |     model: model.tar.gz
      |     ----- the model is trained elsewhere
    5 |     data: rows.csv
      |     ^^^^
      |
      = help: `test-data` names rows to judge the model by
    ");
}

#[test]
fn two_algorithms() {
    insta::assert_snapshot!(stage("- train: { algorithm: { gradient-boosting: {}, logistic-regression: {} } }\n"), @"
    error: `algorithm` names two algorithms
     --> pipeline.yaml:3:48
      |
    3 | - train: { algorithm: { gradient-boosting: {}, logistic-regression: {} } }
      |                         -----------------      ^^^^^^^^^^^^^^^^^^^ one
      |                         |
      |                         another
      |
      = help: keep one of them
    ");
}

#[test]
fn a_label_among_the_features() {
    insta::assert_snapshot!(stage("- train:\n    label: V7\n    features: [Amount, V1..V28]\n"), @"
    error: the label `V7` is among the features
     --> pipeline.yaml:5:24
      |
    4 |     label: V7
      |            -- the label
    5 |     features: [Amount, V1..V28]
      |                        ^^^^^^^ the model would see the answer
    ");
}

#[test]
fn a_feature_named_twice() {
    insta::assert_snapshot!(stage("- train: { features: [V1..V28, Amount, V3] }\n"), @"
    error: feature `V3` is named twice
     --> pipeline.yaml:3:40
      |
    3 | - train: { features: [V1..V28, Amount, V3] }
      |                       -------          ^^ again here
      |                       |
      |                       first here
    ");
}

#[test]
fn a_range_that_is_none() {
    insta::assert_snapshot!(stage("- train: { features: [V28..V1] }\n"), @"
    error: `V28..V1` runs backwards
     --> pipeline.yaml:3:23
      |
    3 | - train: { features: [V28..V1] }
      |                       ^^^^^^^
      |
      = help: write `V1..V28`
    ");
    insta::assert_snapshot!(stage("- train: { features: [V1..W3] }\n"), @"
    error: `V1..W3` runs from one name to another
     --> pipeline.yaml:3:23
      |
    3 | - train: { features: [V1..W3] }
      |                       ^^^^^^
      |
      = help: a range is two names that differ in the number they end in, such as `V1..V28`
    ");
    insta::assert_snapshot!(stage("- train: { features: [V..Z] }\n"), @"
    error: `V..Z` is no range of columns
     --> pipeline.yaml:3:23
      |
    3 | - train: { features: [V..Z] }
      |                       ^^^^
      |
      = help: a range is two names that differ in the number they end in, such as `V1..V28`
    ");
    insta::assert_snapshot!(stage("- train: { features: [V1..V4000000000] }\n"), @"
    error: `V1..V4000000000` is more than 10000 features
     --> pipeline.yaml:3:23
      |
    3 | - train: { features: [V1..V4000000000] }
      |                       ^^^^^^^^^^^^^^^
      |
      = help: a range is two names that differ in the number they end in, such as `V1..V28`
    ");
}

#[test]
fn a_feature_that_is_no_name() {
    insta::assert_snapshot!(stage("- train: { features: [] }\n"), @"
    error: `features` must name at least one column
     --> pipeline.yaml:3:12
      |
    3 | - train: { features: [] }
      |            ^^^^^^^^
    ");
    insta::assert_snapshot!(stage("- train: { features: [card-age, 2nd], label: the class }\n"), @"
    error: `card-age` is no name of a column
     --> pipeline.yaml:3:23
      |
    3 | - train: { features: [card-age, 2nd], label: the class }
      |                       ^^^^^^^^
      |
      = help: a name has letters, digits and `_`, and does not begin with a digit

    error: `2nd` is no name of a column
     --> pipeline.yaml:3:33
      |
    3 | - train: { features: [card-age, 2nd], label: the class }
      |                                 ^^^
      |
      = help: a name has letters, digits and `_`, and does not begin with a digit
    ");
}

#[test]
fn a_number_out_of_range() {
    insta::assert_snapshot!(stage("- train: { data: { generate: { rows: 10 } } }\n"), @"
    error: `rows` must be from 1000 to 10000000, not 10
     --> pipeline.yaml:3:38
      |
    3 | - train: { data: { generate: { rows: 10 } } }
      |                                      ^^
    ");
    insta::assert_snapshot!(stage("- train: { algorithm: { gradient-boosting: { trees: 0, depth: 17, l2: -1, learning-rate: 0 } } }\n"), @"
    error: `trees` must be from 1 to 10000, not 0
     --> pipeline.yaml:3:53
      |
    3 | - train: { algorithm: { gradient-boosting: { trees: 0, depth: 17, l2: -1, learning-rate: 0 } } }
      |                                                     ^

    error: `depth` must be from 1 to 16, not 17
     --> pipeline.yaml:3:63
      |
    3 | - train: { algorithm: { gradient-boosting: { trees: 0, depth: 17, l2: -1, learning-rate: 0 } } }
      |                                                               ^^

    error: `l2` must be at least 0 and finite, not -1
     --> pipeline.yaml:3:71
      |
    3 | - train: { algorithm: { gradient-boosting: { trees: 0, depth: 17, l2: -1, learning-rate: 0 } } }
      |                                                                       ^^

    error: `learning-rate` must be above 0 and at most 1, not 0
     --> pipeline.yaml:3:90
      |
    3 | - train: { algorithm: { gradient-boosting: { trees: 0, depth: 17, l2: -1, learning-rate: 0 } } }
      |                                                                                          ^
    ");
    insta::assert_snapshot!(stage("- train: { split: { test: 0.9 }, require: { roc-auc: 80 } }\n"), @"
    error: `test` must be from 0.05 to 0.5, not 0.9
     --> pipeline.yaml:3:27
      |
    3 | - train: { split: { test: 0.9 }, require: { roc-auc: 80 } }
      |                           ^^^

    error: `roc-auc` must be from 0 to 1, not 80
     --> pipeline.yaml:3:54
      |
    3 | - train: { split: { test: 0.9 }, require: { roc-auc: 80 } }
      |                                                      ^^
    ");
    insta::assert_snapshot!(stage("- deploy-proxy: { timeout-s: 30, response: { threshold: .nan } }\n"), @"
    error: `timeout-s` must be from 1 to 29, not 30
     --> pipeline.yaml:3:30
      |
    3 | - deploy-proxy: { timeout-s: 30, response: { threshold: .nan } }
      |                              ^^

    error: `threshold` must be from 0 to 1, not NaN
     --> pipeline.yaml:3:57
      |
    3 | - deploy-proxy: { timeout-s: 30, response: { threshold: .nan } }
      |                                                         ^^^^
    ");
    insta::assert_snapshot!(stage("- create-endpoint: { serverless: { memory-mb: 3000 } }\n"), @"
    error: `memory-mb` must be a multiple of 1024, not 3000
     --> pipeline.yaml:3:47
      |
    3 | - create-endpoint: { serverless: { memory-mb: 3000 } }
      |                                               ^^^^
      |
      = help: one of 1024, 2048, 3072, 4096, 5120, 6144
    ");
    insta::assert_snapshot!(stage("- create-endpoint: { log-retention-days: 15 }\n"), @"
    error: CloudWatch Logs keeps lines for certain numbers of days, and 15 is none of them
     --> pipeline.yaml:3:42
      |
    3 | - create-endpoint: { log-retention-days: 15 }
      |                                          ^^
      |
      = help: the next longer is 30
      = help: days: 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653
    ");
}

#[test]
fn instances_and_serverless() {
    insta::assert_snapshot!(stage("- create-endpoint:\n    instances: { count: 2 }\n    serverless: {}\n"), @"
    error: `instances` and `serverless` exclude each other
     --> pipeline.yaml:5:5
      |
    4 |     instances: { count: 2 }
      |     --------- on machines
    5 |     serverless: {}
      |     ^^^^^^^^^^ on demand
      |
      = help: keep one of them
    ");
}

#[test]
fn two_fields_of_one_name() {
    insta::assert_snapshot!(stage("- deploy-proxy: { response: { decision: fraud_score } }\n"), @"
    error: the decision and the score are both called `fraud_score`
     --> pipeline.yaml:3:19
      |
    3 | - deploy-proxy: { response: { decision: fraud_score } }
      |                   ^^^^^^^^              ----------- the decision
    ");
}

#[test]
fn a_request_that_the_proxy_would_refuse() {
    insta::assert_snapshot!(stage("- train: { features: [V1..V3] }\n- smoke-test:\n    request: { V1: 1, V2: 2, v3: 3 }\n"), @"
    error: the model has no feature `v3`
     --> pipeline.yaml:5:30
      |
    5 |     request: { V1: 1, V2: 2, v3: 3 }
      |                              ^^
      |
      = help: did you mean `V3`?
    ");
    insta::assert_snapshot!(stage("- train: { features: [V1] }\n- smoke-test: { request: { V1: .inf } }\n"), @"
    error: `V1` must be finite, not inf
     --> pipeline.yaml:4:32
      |
    4 | - smoke-test: { request: { V1: .inf } }
      |                                ^^^^
    ");
}

#[test]
fn an_expectation_that_no_answer_meets() {
    insta::assert_snapshot!(stage("- smoke-test: { expect: { is_fraud: false } }\n"), @"
    error: `expect` needs a `request`
     --> pipeline.yaml:3:17
      |
    3 | - smoke-test: { expect: { is_fraud: false } }
      |                 ^^^^^^
      |
      = help: golden rows are compared with the scores that training computed
    ");
    insta::assert_snapshot!(stage("- train: { features: [V1] }\n- smoke-test: { request: { V1: 1 }, expect: { is_frod: false } }\n"), @"
    error: the answer has no field `is_frod`
     --> pipeline.yaml:4:47
      |
    4 | - smoke-test: { request: { V1: 1 }, expect: { is_frod: false } }
      |                                               ^^^^^^^
      |
      = help: did you mean `is_fraud`?
      = help: fields: is_fraud, fraud_score
    ");
}

#[test]
fn a_request_with_keys_that_yaml_takes_for_numbers() {
    insta::assert_snapshot!(stage("- train: { features: [V1, y] }\n- smoke-test: { request: { V1: 1, y: 2, 3: 4 } }\n"), @"
    error: the model has no feature `3`
     --> pipeline.yaml:4:41
      |
    4 | - smoke-test: { request: { V1: 1, y: 2, 3: 4 } }
      |                                         ^
    ");
    insta::assert_snapshot!(stage("- train: { features: [V1, V2, V3] }\n- smoke-test: { request: { V1: 1 } }\n"), @"
    error: the request lacks feature `V2` and 1 more
     --> pipeline.yaml:4:17
      |
    4 | - smoke-test: { request: { V1: 1 } }
      |                 ^^^^^^^
      |
      = help: the proxy answers only requests with a value for every feature
    ");
}
