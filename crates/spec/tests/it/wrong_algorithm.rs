use crate::stage;

#[test]
fn a_share_of_nothing_or_of_more_than_all() {
    insta::assert_snapshot!(stage("- train: { algorithm: { gradient-boosting: { subsample: 0, column-sample: 1.5 } } }\n"), @"
    error: `subsample` must be above 0 and at most 1, not 0
     --> pipeline.yaml:3:57
      |
    3 | - train: { algorithm: { gradient-boosting: { subsample: 0, column-sample: 1.5 } } }
      |                                                         ^

    error: `column-sample` must be above 0 and at most 1, not 1.5
     --> pipeline.yaml:3:75
      |
    3 | - train: { algorithm: { gradient-boosting: { subsample: 0, column-sample: 1.5 } } }
      |                                                                           ^^^
    ");
    insta::assert_snapshot!(stage("- train: { algorithm: { random-forest: { row-sample: -0.5, column-sample: .nan } } }\n"), @"
    error: `row-sample` must be above 0 and at most 1, not -0.5
     --> pipeline.yaml:3:54
      |
    3 | - train: { algorithm: { random-forest: { row-sample: -0.5, column-sample: .nan } } }
      |                                                      ^^^^

    error: `column-sample` must be above 0 and at most 1, not NaN
     --> pipeline.yaml:3:75
      |
    3 | - train: { algorithm: { random-forest: { row-sample: -0.5, column-sample: .nan } } }
      |                                                                           ^^^^
    ");
}

#[test]
fn a_penalty_below_nothing() {
    insta::assert_snapshot!(stage("- train: { algorithm: { gradient-boosting: { l1: -0.1, min-leaf-weight: .inf } } }\n"), @"
    error: `l1` must be at least 0 and finite, not -0.1
     --> pipeline.yaml:3:50
      |
    3 | - train: { algorithm: { gradient-boosting: { l1: -0.1, min-leaf-weight: .inf } } }
      |                                                  ^^^^

    error: `min-leaf-weight` must be at least 0 and finite, not inf
     --> pipeline.yaml:3:73
      |
    3 | - train: { algorithm: { gradient-boosting: { l1: -0.1, min-leaf-weight: .inf } } }
      |                                                                         ^^^^
    ");
}

#[test]
fn a_class_weight_that_is_none() {
    insta::assert_snapshot!(stage("- train: { algorithm: { gradient-boosting: { class-weight: 0 } } }\n"), @"
    error: `class-weight` must be above 0 and finite, not 0
     --> pipeline.yaml:3:60
      |
    3 | - train: { algorithm: { gradient-boosting: { class-weight: 0 } } }
      |                                                            ^
    ");
    insta::assert_snapshot!(stage("- train: { algorithm: { gradient-boosting: { class-weight: .nan } } }\n"), @"
    error: `class-weight` must be above 0 and finite, not NaN
     --> pipeline.yaml:3:60
      |
    3 | - train: { algorithm: { gradient-boosting: { class-weight: .nan } } }
      |                                                            ^^^^
    ");
    insta::assert_snapshot!(stage("- train: { algorithm: { gradient-boosting: { class-weight: balance } } }\n"), @"
    error: unknown class weight `balance`
     --> pipeline.yaml:3:60
      |
    3 | - train: { algorithm: { gradient-boosting: { class-weight: balance } } }
      |                                                            ^^^^^^^
      |
      = help: write `balanced`, or how many times a positive row counts, such as 10
    ");
    insta::assert_snapshot!(stage("- train: { algorithm: { gradient-boosting: { class-weight: [1, 10] } } }\n"), @"
    error: `class-weight` must be a number or `balanced`, not a list
     --> pipeline.yaml:3:46
      |
    3 | - train: { algorithm: { gradient-boosting: { class-weight: [1, 10] } } }
      |                                              ^^^^^^^^^^^^
    ");
}

#[test]
fn a_class_weight_for_an_algorithm_without() {
    insta::assert_snapshot!(stage("- train: { algorithm: { logistic-regression: { class-weight: balanced } } }\n"), @"
    error: unknown key `class-weight`
     --> pipeline.yaml:3:48
      |
    3 | - train: { algorithm: { logistic-regression: { class-weight: balanced } } }
      |                                                ^^^^^^^^^^^^
      |
      = help: only `gradient-boosting` has `class-weight`
      = help: known keys: l2, max-iterations
    ");
    insta::assert_snapshot!(stage("- train: { algorithm: { random-forest: { monotone: { Amount: increasing } } } }\n"), @"
    error: unknown key `monotone`
     --> pipeline.yaml:3:42
      |
    3 | - train: { algorithm: { random-forest: { monotone: { Amount: increasing } } } }
      |                                          ^^^^^^^^
      |
      = help: only `gradient-boosting` has `monotone`
      = help: known keys: column-sample, depth, min-leaf-rows, row-sample, seed, trees
    ");
}

#[test]
fn early_stopping_out_of_range() {
    insta::assert_snapshot!(stage("- train: { algorithm: { gradient-boosting: { early-stopping: { rounds: 0, validation: 0.6 } } } }\n"), @"
    error: `rounds` must be from 1 to 1000, not 0
     --> pipeline.yaml:3:72
      |
    3 | - train: { algorithm: { gradient-boosting: { early-stopping: { rounds: 0, validation: 0.6 } } } }
      |                                                                        ^

    error: `validation` must be from 0.05 to 0.5, not 0.6
     --> pipeline.yaml:3:87
      |
    3 | - train: { algorithm: { gradient-boosting: { early-stopping: { rounds: 0, validation: 0.6 } } } }
      |                                                                                       ^^^
    ");
    insta::assert_snapshot!(stage("- train: { algorithm: { gradient-boosting: { early-stopping: { rounds: 1001, validation: 0.01 } } } }\n"), @"
    error: `rounds` must be from 1 to 1000, not 1001
     --> pipeline.yaml:3:72
      |
    3 | - train: { algorithm: { gradient-boosting: { early-stopping: { rounds: 1001, validation: 0.01 } } } }
      |                                                                        ^^^^

    error: `validation` must be from 0.05 to 0.5, not 0.01
     --> pipeline.yaml:3:90
      |
    3 | - train: { algorithm: { gradient-boosting: { early-stopping: { rounds: 1001, validation: 0.01 } } } }
      |                                                                                          ^^^^
    ");
    insta::assert_snapshot!(stage("- train: { algorithm: { gradient-boosting: { early-stopping: true } } }\n"), @"
    error: `early-stopping` must be a block of keys, not `true`
     --> pipeline.yaml:3:62
      |
    3 | - train: { algorithm: { gradient-boosting: { early-stopping: true } } }
      |                                                              ^^^^
    ");
}

#[test]
fn a_monotone_feature_that_the_model_lacks() {
    insta::assert_snapshot!(stage("- train: { algorithm: { gradient-boosting: { monotone: { Amonut: increasing } } } }\n"), @"
    error: the model has no feature `Amonut`
     --> pipeline.yaml:3:58
      |
    3 | - train: { algorithm: { gradient-boosting: { monotone: { Amonut: increasing } } } }
      |                                                          ^^^^^^
      |
      = help: did you mean `Amount`?
    ");
    insta::assert_snapshot!(stage("- train: { algorithm: { gradient-boosting: { monotone: { age: increasing } } } }\n"), @"
    error: the model has no feature `age`
     --> pipeline.yaml:3:58
      |
    3 | - train: { algorithm: { gradient-boosting: { monotone: { age: increasing } } } }
      |                                                          ^^^
      |
      = help: only what stands in `features` can be monotone
    ");
    insta::assert_snapshot!(stage("- train: { algorithm: { gradient-boosting: { monotone: { V1..V3: increasing } } } }\n"), @"
    error: the model has no feature `V1..V3`
     --> pipeline.yaml:3:46
      |
    3 | - train: { algorithm: { gradient-boosting: { monotone: { V1..V3: increasing } } } }
      |                                              ^^^^^^^^
      |
      = help: name each feature by itself, without `..`
    ");
}

#[test]
fn a_direction_that_is_none() {
    insta::assert_snapshot!(stage("- train: { algorithm: { gradient-boosting: { monotone: { Amount: increasng } } } }\n"), @"
    error: unknown direction `increasng`
     --> pipeline.yaml:3:66
      |
    3 | - train: { algorithm: { gradient-boosting: { monotone: { Amount: increasng } } } }
      |                                                                  ^^^^^^^^^
      |
      = help: did you mean `increasing`?
      = help: directions: increasing, decreasing
    ");
    insta::assert_snapshot!(stage("- train: { algorithm: { gradient-boosting: { monotone: { Amount: 1 } } } }\n"), @"
    error: `Amount` must be `increasing` or `decreasing`, not the number 1
     --> pipeline.yaml:3:66
      |
    3 | - train: { algorithm: { gradient-boosting: { monotone: { Amount: 1 } } } }
      |                                                                  ^
    ");
    insta::assert_snapshot!(stage("- train: { algorithm: { gradient-boosting: { monotone: [Amount] } } }\n"), @"
    error: `monotone` must be a block of keys, not a list
     --> pipeline.yaml:3:46
      |
    3 | - train: { algorithm: { gradient-boosting: { monotone: [Amount] } } }
      |                                              ^^^^^^^^
    ");
}

#[test]
fn a_seed_that_is_none() {
    insta::assert_snapshot!(stage("- train: { algorithm: { gradient-boosting: { seed: -1 } } }\n"), @"
    error: `seed` must be a whole number of at least 0, not the number -1
     --> pipeline.yaml:3:52
      |
    3 | - train: { algorithm: { gradient-boosting: { seed: -1 } } }
      |                                                    ^^
    ");
    insta::assert_snapshot!(stage("- train: { algorithm: { gradient-boosting: { seed: 1.5 } } }\n"), @"
    error: `seed` must be a whole number of at least 0, not the number 1.5
     --> pipeline.yaml:3:52
      |
    3 | - train: { algorithm: { gradient-boosting: { seed: 1.5 } } }
      |                                                    ^^^
    ");
}

#[test]
fn a_forest_out_of_range() {
    insta::assert_snapshot!(stage("- train: { algorithm: { random-forest: { trees: 1001, depth: 40, min-leaf-rows: 0 } } }\n"), @"
    error: `trees` must be from 1 to 1000, not 1001
     --> pipeline.yaml:3:49
      |
    3 | - train: { algorithm: { random-forest: { trees: 1001, depth: 40, min-leaf-rows: 0 } } }
      |                                                 ^^^^

    error: `depth` must be from 1 to 32, not 40
     --> pipeline.yaml:3:62
      |
    3 | - train: { algorithm: { random-forest: { trees: 1001, depth: 40, min-leaf-rows: 0 } } }
      |                                                              ^^

    error: `min-leaf-rows` must be from 1 to 1000000, not 0
     --> pipeline.yaml:3:81
      |
    3 | - train: { algorithm: { random-forest: { trees: 1001, depth: 40, min-leaf-rows: 0 } } }
      |                                                                                 ^
    ");
}

#[test]
fn three_algorithms() {
    insta::assert_snapshot!(stage("- train:\n    algorithm:\n      logistic-regression:\n      random-forest:\n      gradient-boosting:\n"), @"
    error: `algorithm` names two algorithms
     --> pipeline.yaml:6:7
      |
    6 |       random-forest:
      |       ^^^^^^^^^^^^^ one
    7 |       gradient-boosting:
      |       ----------------- another
      |
      = help: keep one of them
    ");
}
