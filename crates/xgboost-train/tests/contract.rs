//! Files in, model out, as the container contract has it.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use model::Model;
use tempfile::TempDir;
use trainer::{ClassWeight, GradientBoosting, Monotone, Table, generate};
use xgboost_train::{TrainFailure, run};

/// A job's folder with these hyperparameters, besides an objective and twelve rounds.
fn job(more: &[(&str, &str)]) -> TempDir {
    let work = tempfile::tempdir().unwrap();
    let mut parameters = vec![("num_round", "12"), ("objective", "binary:logistic"), ("max_depth", "3")];
    parameters.extend(more);
    let parameters: Vec<String> = parameters.iter().map(|(name, value)| format!("\"{name}\":\"{value}\"")).collect();
    write(work.path(), "input/config/hyperparameters.json", &format!("{{{}}}", parameters.join(",")));
    channels(work.path(), &["train"], "text/csv");
    work
}

fn channels(work: &Path, names: &[&str], content_type: &str) {
    let channels = names.iter().map(|name| format!("\"{name}\":{{\"ContentType\":\"{content_type}\"}}"));
    let channels: Vec<String> = channels.collect();
    write(work, "input/config/inputdataconfig.json", &format!("{{{}}}", channels.join(",")));
}

fn write(work: &Path, name: &str, text: &str) {
    let path = work.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// Rows as the image wants them: no header, the label first.
fn csv(table: &Table, rows: std::ops::Range<usize>) -> String {
    let mut text = String::new();
    for index in rows {
        write!(text, "{}", u8::from(table.labels()[index])).unwrap();
        for value in table.row(index) {
            write!(text, ",{value}").unwrap();
        }
        text.push('\n');
    }
    text
}

/// The first rows of a table of these rows.
fn part(table: &Table, rows: std::ops::Range<usize>) -> Table {
    let mut part = Table::new(table.label(), table.features().to_vec());
    for index in rows {
        part.push(&table.row(index), table.labels()[index]);
    }
    part
}

fn trained(work: &Path) -> (Model, String) {
    let mut log = Vec::new();
    run(work, &mut log).unwrap();
    let model = fs::read(work.join("model/xgboost-model")).unwrap();
    (Model::read(&model).unwrap(), String::from_utf8(log).unwrap())
}

#[test]
fn the_model_that_is_left_scores_as_the_trainers_and_is_alone_in_its_folder() {
    let table = generate(3000, 3).unwrap();
    let work = job(&[]);
    write(work.path(), "input/data/train/b.csv", &csv(&table, 1000..3000));
    write(work.path(), "input/data/train/a/part.csv", &csv(&table, 0..1000));
    write(work.path(), "input/data/train/_SUCCESS", "not, data");
    let (model, _) = trained(work.path());

    let parameters = GradientBoosting { trees: 12, depth: 3, ..GradientBoosting::default() };
    let reference = trainer::fit(&table, &parameters).unwrap();
    let mut differing = 0;
    for index in 0..table.len() {
        let score = |model: &Model| model.score(&table.row(index)).to_bits();
        differing += usize::from(score(&model) != score(&reference));
    }
    assert_eq!(differing, 0);
    assert_eq!((model.features(), model.feature_names()[1].as_str()), (29, "f1"));
    assert_eq!(fs::read_dir(work.path().join("model")).unwrap().count(), 1);
    assert!(!work.path().join("output/failure").exists());
}

#[test]
fn every_round_is_told_with_its_losses_which_are_the_models() {
    let table = generate(3000, 3).unwrap();
    let work = job(&[("num_round", "3")]);
    channels(work.path(), &["train", "validation"], "text/csv; label_size=1");
    write(work.path(), "input/data/train/rows", &csv(&table, 0..2000));
    write(work.path(), "input/data/validation/rows", &csv(&table, 2000..3000));
    let (model, log) = trained(work.path());
    insta::assert_snapshot!(log, @"
    INFO: the local stand-in for the sagemaker-xgboost image, in algorithm mode
    INFO: Single node training.
    INFO: Train matrix has 2000 rows and 29 columns
    INFO: Validation matrix has 1000 rows
    [0]	train-logloss:0.43931	validation-logloss:0.43909
    [1]	train-logloss:0.29882	validation-logloss:0.29838
    [2]	train-logloss:0.21021	validation-logloss:0.20963
    ");
    let validation = part(&table, 2000..3000);
    let scores: Vec<f32> = (0..1000).map(|index| model.score(&validation.row(index))).collect();
    let scores = trainer::Scores::new(validation.labels(), &scores).unwrap();
    let loss = trainer::log_loss(&scores).unwrap();
    assert!(log.ends_with(&format!("\tvalidation-logloss:{loss:.5}\n")), "{loss}");
}

#[test]
fn stopping_early_keeps_the_trees_up_to_the_best_round_on_the_validation_rows() {
    let table = generate(3000, 3).unwrap();
    let train = |more: &[(&str, &str)]| {
        let work = job(&[&[("num_round", "60"), ("eta", "0.9"), ("max_depth", "6")], more].concat());
        channels(work.path(), &["train", "validation"], "csv");
        write(work.path(), "input/data/train/rows.csv", &csv(&table, 0..1000));
        write(work.path(), "input/data/validation/rows.csv", &csv(&table, 1000..3000));
        trained(work.path())
    };
    let (whole, _) = train(&[("early_stopping_rounds", "4")]);
    assert_eq!(whole.trees().len(), 60, "without a named metric the image does not stop early");
    let (stopped, log) = train(&[("early_stopping_rounds", "4"), ("eval_metric", "logloss")]);
    let rows = part(&table, 1000..3000);
    let loss = |trees: usize| {
        let model = Model::boosted(whole.feature_names(), 0.0, whole.trees()[..trees].to_vec()).unwrap();
        let scores: Vec<f32> = (0..rows.len()).map(|index| model.score(&rows.row(index))).collect();
        trainer::log_loss(&trainer::Scores::new(rows.labels(), &scores).unwrap()).unwrap()
    };
    let losses: Vec<f64> = (1..=60).map(loss).collect();
    let is_best = |at: &usize| losses[at + 1..].iter().take(4).all(|later| *later >= losses[*at]);
    let best = (0..60).find(is_best).unwrap();
    assert!((3..40).contains(&best), "{losses:?}");
    let told = log.lines().filter(|line| line.starts_with('[')).count();
    assert_eq!((stopped.trees().len(), told), (best + 1, best + 1 + 4));
    assert_eq!(stopped.trees(), &whole.trees()[..=best]);
}

#[test]
fn what_cannot_be_trained_on_is_told_in_the_failure_file() {
    let rows = "1,0.5\n0,0.25\n";
    let told = |change: &dyn Fn(&Path)| {
        let work = job(&[]);
        write(work.path(), "input/data/train/rows.csv", rows);
        change(work.path());
        let mut log = Vec::new();
        let failure = run(work.path(), &mut log).unwrap_err();
        assert!(!work.path().join("model/xgboost-model").exists());
        let text = fs::read_to_string(work.path().join("output/failure")).unwrap();
        assert!(String::from_utf8(log).unwrap().contains(&text));
        (failure, text.replace(&work.path().display().to_string(), "WORK"))
    };
    let with = |text: &'static str| told(&move |work| write(work, "input/data/train/rows.csv", text)).1;
    let (failure, header) = told(&|work| write(work, "input/data/train/rows.csv", "Class,V1\n1,0.5\n"));
    assert!(matches!(failure, TrainFailure::User(_)));
    let told = [
        header,
        with(""),
        with("1\n"),
        with("1,0.5\n0,0.5,0.5\n"),
        with("2,0.5\n"),
        with("1,half\n"),
        told(&|work| channels(work, &["train", "test"], "text/csv")).1,
        told(&|work| channels(work, &["validation"], "text/csv")).1,
        told(&|work| channels(work, &["train"], "")).1,
        told(&|work| channels(work, &["train"], "application/x-parquet")).1,
        told(&|work| write(work, "input/config/hyperparameters.json", r#"{"num_round":"1","xyz":"1"}"#)).1,
        told(&|work| {
            let parameters = r#"{"num_round":"1","objective":"binary:logistic","max_depth":"40"}"#;
            write(work, "input/config/hyperparameters.json", parameters);
        })
        .1,
        told(&|work| fs::remove_file(work.join("input/config/hyperparameters.json")).unwrap()).1,
    ];
    insta::assert_snapshot!(told.join("\n---\n"), @"
    framework error: 
    UserError: Failed to load csv data with exception:
    line 1 of file 'rows.csv': 'V1' is no number
    ---
    framework error: 
    UserError: No data in training channel path WORK/input/data/train
    ---
    framework error: 
    UserError: Failed to load csv data with exception:
    line 1 of file 'rows.csv': a row needs a label and a feature, separated by a comma
    ---
    framework error: 
    UserError: Failed to load csv data with exception:
    line 2 of file 'rows.csv': 2 features, where the first row has 1
    ---
    framework error: 
    UserError: Failed to load csv data with exception:
    line 1 of file 'rows.csv': the label must be 0 or 1 for binary:logistic, not '2'
    ---
    framework error: 
    UserError: Failed to load csv data with exception:
    line 1 of file 'rows.csv': 'half' is no number
    ---
    framework error: 
    UserError: Extraneous channel found: test
    ---
    framework error: 
    UserError: Missing required channel: train
    ---
    framework error: 
    UserError: the local stand-in for this image does not support channel `train` without a ContentType, which means libsvm; it takes text/csv
    ---
    framework error: 
    UserError: the local stand-in for this image does not support ContentType `application/x-parquet` of channel `train`
    ---
    framework error: 
    UserError: Extraneous hyperparameter found: xyz
    ---
    framework error: 
    AlgorithmError: XGB train call failed with exception:
     `depth` is 40, it should be 1 to 16
    ---
    framework error: 
    PlatformError: could not use `WORK/input/config/hyperparameters.json`:
     No such file or directory (os error 2)
    ");
}

#[test]
fn what_is_sampled_weighed_and_constrained_is_so_by_the_trainers_parameters() {
    let table = generate(3000, 3).unwrap();
    let parameters = [
        ("alpha", "0.5"),
        ("subsample", "0.75"),
        ("colsample_bytree", "0.5"),
        ("scale_pos_weight", "3"),
        ("monotone_constraints", "(-1,0,1)"),
        ("seed", "7"),
    ];
    let work = job(&parameters);
    write(work.path(), "input/data/train/part.csv", &csv(&table, 0..3000));
    let (model, _) = trained(work.path());
    let monotone = [("V1", Monotone::Decreasing), ("V3", Monotone::Increasing)];
    let parameters = GradientBoosting {
        trees: 12,
        depth: 3,
        l1: 0.5,
        subsample: 0.75,
        column_sample: 0.5,
        class_weight: ClassWeight::Positive(3.0),
        monotone: monotone.map(|(feature, way)| (feature.to_owned(), way)).into(),
        seed: 7,
        ..GradientBoosting::default()
    };
    let reference = trainer::fit(&table, &parameters).unwrap();
    assert_eq!(model.trees(), reference.trees());
    let without = GradientBoosting { monotone: std::collections::BTreeMap::new(), ..parameters };
    assert_ne!(model.trees(), trainer::fit(&table, &without).unwrap().trees());
}
