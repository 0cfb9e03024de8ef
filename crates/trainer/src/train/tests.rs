use std::path::{Path, PathBuf};

use super::*;
use crate::{GoldenRow, LearningCurve, Scores, generate, measure, read};

fn quietly(rows: Table, options: &Options) -> Result<Trained, TrainError> {
    train(rows, None, options, &mut |_| ())
}

fn logistic() -> Options {
    Options { algorithm: Algorithm::LogisticRegression(LogisticRegression::default()), ..Options::default() }
}

/// A failure here that is meant calls for another leading number in [`VERSION`].
#[test]
fn the_same_version_gives_the_same_results() {
    let rows = || generate(20_000, 42).unwrap();
    let of = |options: &Options| {
        let trained = quietly(rows(), options).unwrap();
        let scores: Vec<String> = trained.evaluation.golden_rows.iter().map(|it| format!("{:.4}", it.score)).collect();
        format!("{} {:.4}", scores.join(" "), trained.evaluation.metrics.average_precision)
    };
    insta::assert_snapshot!(of(&Options::default()), @"0.0000 0.0407 0.1104 0.1294 0.9623 0.9740 0.9953 0.9974 0.8398");
    insta::assert_snapshot!(of(&logistic()), @"0.0000 0.1841 0.2313 0.4015 0.5388 0.9139 0.9999 1.0000 0.8342");
}

#[test]
fn training_twice_gives_the_same_bytes() {
    let options = Options {
        algorithm: Algorithm::GradientBoosting(GradientBoosting { trees: 10, ..GradientBoosting::default() }),
        ..Options::default()
    };
    let [first, second] = [(); 2].map(|()| quietly(generate(5_000, 1).unwrap(), &options).unwrap());
    assert_eq!(first, second);
}

#[test]
// 35 frauds held back: other seeds for the split give 0.88 to 0.97.
fn generated_rows_are_learned_and_not_trivial() {
    let evaluation = quietly(generate(100_000, 42).unwrap(), &Options::default()).unwrap().evaluation;
    let reached = evaluation.metrics.average_precision;
    assert!((0.85..0.98).contains(&reached), "average precision {reached}");
    assert_eq!(evaluation.train, Counts { rows: 80_000, positives: 138 });
    assert_eq!(evaluation.test, Counts { rows: 20_000, positives: 35 });
}

#[test]
fn logistic_regression_learns() {
    let metrics = quietly(generate(20_000, 42).unwrap(), &logistic()).unwrap().evaluation.metrics;
    assert!(metrics.roc_auc > 0.9, "{metrics:?}");
}

#[test]
fn the_public_set_is_learned() {
    let Some(path) = public_set() else { return };
    let features: Vec<String> = crate::GENERATED_FEATURES.map(str::to_owned).to_vec();
    let rows = read(&path, "Class", &features, &mut |_| ()).unwrap();
    let metrics = quietly(rows, &Options::default()).unwrap().evaluation.metrics;
    assert!(metrics.average_precision >= 0.80, "{metrics:?}");
}

/// The set is too large to be kept here; it lies beside the main checkout, if anywhere.
#[expect(clippy::print_stderr, reason = "a test that is skipped should say so")]
fn public_set() -> Option<PathBuf> {
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let found = checkout.map(|it| it.join("shared/data/creditcard.csv.gz")).find(|it| it.is_file());
    if found.is_none() {
        eprintln!("skipped: there is no shared/data/creditcard.csv.gz beside the checkout");
    }
    found
}

#[test]
fn missing_values_are_learned_from_and_kept_in_golden_rows() {
    let mut rows = Table::new("Class", vec!["V1".to_owned(), "V2".to_owned()]);
    for row in 0..400_u16 {
        rows.push(&[if row % 4 == 0 { f32::NAN } else { 3.0 }, 1.0], row % 4 == 0);
    }
    let evaluation = quietly(rows.clone(), &Options::default()).unwrap().evaluation;
    assert_eq!(evaluation.metrics.average_precision.to_string(), "1");
    assert_eq!(evaluation.golden_rows.last().unwrap().features, [None, Some(1.0)]);

    let refusal = quietly(rows, &logistic()).unwrap_err();
    insta::assert_snapshot!(std::error::Error::source(&refusal).unwrap(), @"logistic regression needs every value, and `V1` is missing in 80 of the rows to train on; gradient boosting copes");
}

#[test]
fn a_model_that_scores_otherwise_than_it_was_trained_is_refused() {
    let refusal = |trained: f64, written: f32| {
        refuse_drift(&Array1::from(vec![0.5, trained]), &[0.5, written], DRIFT_LIMIT).unwrap_err().to_string()
    };
    assert!(refuse_drift(&Array1::from(vec![0.5]), &[0.500_000_9], DRIFT_LIMIT).is_ok());
    insta::assert_snapshot!([refusal(0.5, 0.500_002), refusal(0.5, f32::NAN), refusal(f64::NAN, 0.5)].join("\n"), @"
    the model that was written scores test row 1 as 0.5000020265579224, the one that was trained as 0.5
    the model that was written scores test row 1 as NaN, the one that was trained as 0.5
    the fitted model scores test row 1 as NaN
    ");
}

#[test]
fn rows_that_cannot_be_divided_are_refused() {
    let mut rows = Table::new("Class", vec!["V1".to_owned()]);
    (0..9_u8).for_each(|row| rows.push(&[f32::from(row)], row == 0));
    let refusal = quietly(rows, &Options::default()).unwrap_err();
    insta::assert_snapshot!(std::error::Error::source(&refusal).unwrap(), @"training and evaluation need at least one row of either label each, but label 1 has 1 in all");
}

#[test]
fn progress_is_told_in_order() {
    let mut told = Vec::new();
    let options = Options {
        algorithm: Algorithm::GradientBoosting(GradientBoosting { trees: 1, ..GradientBoosting::default() }),
        ..Options::default()
    };
    let trained = train(generate(1_000, 1).unwrap(), None, &options, &mut |it| told.push(it)).unwrap();
    let (train, test) = (Counts { rows: 799, positives: 1 }, Counts { rows: 201, positives: 1 });
    let model_bytes = trained.model_json.len();
    assert_eq!(told, [Progress::Fitting { train, test }, Progress::Checking { model_bytes }, Progress::Evaluating]);
}

#[test]
#[expect(clippy::too_many_lines, reason = "the form is shown whole")]
fn the_evaluation_has_a_stable_form_that_can_be_read_again() {
    let options = Options {
        algorithm: Algorithm::GradientBoosting(GradientBoosting { trees: 1, ..GradientBoosting::default() }),
        ..Options::default()
    };
    let mut evaluation = quietly(generate(1_000, 1).unwrap(), &options).unwrap().evaluation;
    let text = serde_json::to_string(&evaluation).unwrap();
    assert_eq!(serde_json::from_str::<Evaluation>(&text).unwrap(), evaluation);

    evaluation.features.truncate(1);
    evaluation.golden_rows = vec![GoldenRow { features: vec![Some(0.1), None], score: 0.25 }];
    evaluation.test_scores = Scores::new(&[true, false], &[0.75, 0.25]).unwrap();
    evaluation.metrics = measure(&evaluation.test_scores);
    evaluation.importance.truncate(1);
    evaluation.learning_curve = Some(LearningCurve {
        trees: vec![1, 2],
        train_log_loss: vec![0.5, 0.25],
        validation_log_loss: Some(vec![0.5, 0.375]),
        best: 2,
    });
    evaluation.warnings = vec!["`V1` is constant".to_owned()];
    insta::assert_snapshot!(serde_json::to_string_pretty(&evaluation).unwrap(), @r#"
    {
      "trainer-version": "2+forust-ml-0.8.0+linfa-logistic-0.8.1+linfa-trees-0.8.1",
      "label": "Class",
      "features": [
        "V1"
      ],
      "options": {
        "algorithm": {
          "gradient-boosting": {
            "trees": 1,
            "learning-rate": 0.3,
            "depth": 6,
            "l1": 0.0,
            "l2": 1.0,
            "min-leaf-weight": 1.0,
            "subsample": 1.0,
            "column-sample": 1.0,
            "class-weight": {
              "positive": 1.0
            },
            "early-stopping": null,
            "monotone": {},
            "seed": 42
          }
        },
        "split": {
          "test": 0.2,
          "seed": 42
        }
      },
      "train": {
        "rows": 799,
        "positives": 1
      },
      "test": {
        "rows": 201,
        "positives": 1
      },
      "metrics": {
        "average-precision": 1.0,
        "average-precision-interval": [
          0.025,
          1.0
        ],
        "roc-auc": 1.0,
        "log-loss": 0.2876820724517809,
        "brier-score": 0.0625
      },
      "test-scores": {
        "positives": "AABAPw==",
        "negatives": "AACAPg=="
      },
      "importance": [
        {
          "feature": "V4",
          "gain": 0.47515869140625,
          "cover": 199.75,
          "splits": 1
        }
      ],
      "learning-curve": {
        "trees": [
          1,
          2
        ],
        "train-log-loss": [
          0.5,
          0.25
        ],
        "validation-log-loss": [
          0.5,
          0.375
        ],
        "best": 2
      },
      "warnings": [
        "`V1` is constant"
      ],
      "golden-rows": [
        {
          "features": [
            0.1,
            null
          ],
          "score": 0.25
        }
      ]
    }
    "#);
}

#[test]
fn an_engine_that_needs_every_value_says_so_of_the_test_rows_too() {
    let mut test = Table::new("Class", generate(1_000, 1).unwrap().features().to_vec());
    let mut row = vec![0.5; 29];
    test.push(&row, true);
    row[3] = f32::NAN;
    test.push(&row, false);
    let forest = Options { algorithm: Algorithm::RandomForest(crate::RandomForest::default()), ..Options::default() };
    let refusals = [logistic(), forest].map(|options| {
        let error = train(generate(1_000, 1).unwrap(), Some(test.clone()), &options, &mut |_| {}).unwrap_err();
        std::error::Error::source(&error).unwrap().to_string()
    });
    insta::assert_snapshot!(refusals.join("\n"), @"
    logistic regression needs every value, and `V4` is missing in 1 of the test rows; gradient boosting copes
    a random forest needs every value, and `V4` is missing in 1 of the test rows; gradient boosting copes
    ");
}
