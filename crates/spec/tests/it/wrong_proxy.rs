use crate::stage;

#[test]
fn a_threshold_that_is_none() {
    insta::assert_snapshot!(stage("- deploy-proxy: { response: { threshold: best-f2 } }\n"), @"
    error: unknown threshold `best-f2`
     --> pipeline.yaml:3:42
      |
    3 | - deploy-proxy: { response: { threshold: best-f2 } }
      |                                          ^^^^^^^
      |
      = help: write a number from 0 to 1, `best-f1`, `{ precision: 0.9 }` or `{ cost: { miss: 100, false-alarm: 1 } }`
    ");
    insta::assert_snapshot!(stage("- deploy-proxy: { response: { threshold: '0.5' } }\n"), @"
    error: unknown threshold `0.5`
     --> pipeline.yaml:3:42
      |
    3 | - deploy-proxy: { response: { threshold: '0.5' } }
      |                                          ^^^^^
      |
      = help: write the number without quotes
    ");
    insta::assert_snapshot!(stage("- deploy-proxy: { response: { threshold: true } }\n"), @"
    error: `threshold` must be a number, `best-f1` or a block of keys, not `true`
     --> pipeline.yaml:3:42
      |
    3 | - deploy-proxy: { response: { threshold: true } }
      |                                          ^^^^
    ");
    insta::assert_snapshot!(stage("- deploy-proxy: { response: { threshold: {} } }\n"), @"
    error: `threshold` names no rule
     --> pipeline.yaml:3:31
      |
    3 | - deploy-proxy: { response: { threshold: {} } }
      |                               ^^^^^^^^^
      |
      = help: write a number from 0 to 1, `best-f1`, `{ precision: 0.9 }` or `{ cost: { miss: 100, false-alarm: 1 } }`
    ");
    insta::assert_snapshot!(stage("- deploy-proxy: { response: { threshold: 1.5 } }\n"), @"
    error: `threshold` must be from 0 to 1, not 1.5
     --> pipeline.yaml:3:42
      |
    3 | - deploy-proxy: { response: { threshold: 1.5 } }
      |                                          ^^^
    ");
    insta::assert_snapshot!(stage("- deploy-proxy: { response: { threshold: { precison: 0.9 } } }\n"), @"
    error: unknown key `precison`
     --> pipeline.yaml:3:44
      |
    3 | - deploy-proxy: { response: { threshold: { precison: 0.9 } } }
      |                                            ^^^^^^^^
      |
      = help: did you mean `precision`?
      = help: known keys: cost, precision
    ");
}

#[test]
fn a_threshold_by_two_rules() {
    insta::assert_snapshot!(stage("- deploy-proxy: { response: { threshold: { precision: 0.9, cost: { miss: 1, false-alarm: 1 } } } }\n"), @"
    error: `threshold` names two rules
     --> pipeline.yaml:3:60
      |
    3 | - deploy-proxy: { response: { threshold: { precision: 0.9, cost: { miss: 1, false-alarm: 1 } } } }
      |                                            ---------       ^^^^ one
      |                                            |
      |                                            another
      |
      = help: keep one of them
    ");
}

#[test]
fn a_rule_out_of_range() {
    insta::assert_snapshot!(stage("- deploy-proxy: { response: { threshold: { precision: 0 } } }\n"), @"
    error: `precision` must be above 0 and at most 1, not 0
     --> pipeline.yaml:3:55
      |
    3 | - deploy-proxy: { response: { threshold: { precision: 0 } } }
      |                                                       ^
    ");
    insta::assert_snapshot!(stage("- deploy-proxy: { response: { threshold: { precision: 90 } } }\n"), @"
    error: `precision` must be above 0 and at most 1, not 90
     --> pipeline.yaml:3:55
      |
    3 | - deploy-proxy: { response: { threshold: { precision: 90 } } }
      |                                                       ^^
    ");
    insta::assert_snapshot!(stage("- deploy-proxy: { response: { threshold: { cost: { miss: 0, false-alarm: -1 } } } }\n"), @"
    error: `miss` must be above 0 and finite, not 0
     --> pipeline.yaml:3:58
      |
    3 | - deploy-proxy: { response: { threshold: { cost: { miss: 0, false-alarm: -1 } } } }
      |                                                          ^

    error: `false-alarm` must be above 0 and finite, not -1
     --> pipeline.yaml:3:74
      |
    3 | - deploy-proxy: { response: { threshold: { cost: { miss: 0, false-alarm: -1 } } } }
      |                                                                          ^^
    ");
    insta::assert_snapshot!(stage("- deploy-proxy: { response: { threshold: { cost: { miss: .nan, false-alarm: .inf } } } }\n"), @"
    error: `miss` must be above 0 and finite, not NaN
     --> pipeline.yaml:3:58
      |
    3 | - deploy-proxy: { response: { threshold: { cost: { miss: .nan, false-alarm: .inf } } } }
      |                                                          ^^^^

    error: `false-alarm` must be above 0 and finite, not inf
     --> pipeline.yaml:3:77
      |
    3 | - deploy-proxy: { response: { threshold: { cost: { miss: .nan, false-alarm: .inf } } } }
      |                                                                             ^^^^
    ");
}

#[test]
fn a_cost_of_one_mistake_only() {
    insta::assert_snapshot!(stage("- deploy-proxy: { response: { threshold: { cost: { miss: 100 } } } }\n"), @"
    error: `cost` lacks the key `false-alarm`
     --> pipeline.yaml:3:44
      |
    3 | - deploy-proxy: { response: { threshold: { cost: { miss: 100 } } } }
      |                                            ^^^^
    ");
    insta::assert_snapshot!(stage("- deploy-proxy: { response: { threshold: { cost: { miss: 100, false-alarm: low } } } }\n"), @"
    error: `false-alarm` must be a number, not the text `low`
     --> pipeline.yaml:3:76
      |
    3 | - deploy-proxy: { response: { threshold: { cost: { miss: 100, false-alarm: low } } } }
      |                                                                            ^^^
    ");
}

#[test]
fn a_threshold_chosen_on_rows_that_are_not_there() {
    insta::assert_snapshot!(stage("- train: { model: model.json }\n- deploy-proxy: { response: { threshold: best-f1 } }\n"), @"
    error: this threshold is chosen on test rows, and there are none
     --> pipeline.yaml:4:42
      |
    4 | - deploy-proxy: { response: { threshold: best-f1 } }
      |                                          ^^^^^^^
      |
      = help: name them by `test-data` in stage `train`, or write a number from 0 to 1
    ");
}

#[test]
fn reasons_out_of_range() {
    insta::assert_snapshot!(stage("- deploy-proxy: { reasons: 11 }\n"), @"
    error: `reasons` must be from 0 to 10, not 11
     --> pipeline.yaml:3:28
      |
    3 | - deploy-proxy: { reasons: 11 }
      |                            ^^
    ");
    insta::assert_snapshot!(stage("- deploy-proxy: { reasons: -1 }\n"), @"
    error: `reasons` must be from 0 to 10, not -1
     --> pipeline.yaml:3:28
      |
    3 | - deploy-proxy: { reasons: -1 }
      |                            ^^
    ");
    insta::assert_snapshot!(stage("- deploy-proxy: { reasons: true }\n"), @"
    error: `reasons` must be a whole number, not `true`
     --> pipeline.yaml:3:28
      |
    3 | - deploy-proxy: { reasons: true }
      |                            ^^^^
    ");
}

#[test]
fn more_reasons_than_features() {
    insta::assert_snapshot!(stage("- train: { features: [V1, V2] }\n- deploy-proxy: { reasons: 3 }\n"), @"
    error: `reasons` must be at most 2, the number of features, not 3
     --> pipeline.yaml:4:28
      |
    4 | - deploy-proxy: { reasons: 3 }
      |                            ^
    ");
}

#[test]
fn a_field_with_the_name_of_the_reasons() {
    insta::assert_snapshot!(stage("- deploy-proxy: { response: { score: reasons }, reasons: 3 }\n"), @"
    error: the score and the list of reasons are both called `reasons`
     --> pipeline.yaml:3:38
      |
    3 | - deploy-proxy: { response: { score: reasons }, reasons: 3 }
      |                                      ^^^^^^^    ------- asks for the list
    ");
}

#[test]
fn a_path_that_no_request_could_have() {
    let of = |bytes: usize| format!("- deploy-proxy: {{ route: POST /{} }}\n", "a".repeat(bytes - 1));
    crate::parse(&format!("name: fraud\nstages:\n{}", of(8_192))).unwrap();
    let told = stage(&of(8_193));
    insta::assert_snapshot!(told.replace(&"a".repeat(8_192), "…").replace(&"^".repeat(8_198), "^"), @"
    error: a route's path has at most 8192 bytes, not 8193
     --> pipeline.yaml:3:26
      |
    3 | ...e: POST /aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa...aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa }
      |       ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^...^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: API Gateway takes 10,240 bytes for the line and the headers of a request together
    ");
}
