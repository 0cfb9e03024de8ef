//! From rows to a model file that is proved to be the model that was trained.

use linfa::ParamGuard;
use linfa::traits::{Fit, PredictInplace};
use model::Model;
use ndarray::{Array1, Array2, ArrayView1, ShapeBuilder};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::engine::{
    Fitted, LOGISTIC_REGRESSION, RANDOM_FOREST, Rows, UncheckedBoosting, UncheckedForest, UncheckedLogistic,
    refuse_missing,
};
use crate::evaluation::judge_scores;
use crate::{
    Counts, EngineError, Evaluation, GradientBoosting, JudgeError, LearningCurve, LogisticRegression, RandomForest,
    Split, SplitError, Table, VERSION,
};

/// How far the written model's f32 scores may be from the trainer's f64 scores, for each hundred trees begun.
///
/// Rounding alone gives about a tenth of it; a wrongly written tree differs by whole leaves.
const DRIFT_LIMIT: f64 = 1e-6;

/// What to train, and how to judge it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Options {
    /// How to learn.
    pub algorithm: Algorithm,
    /// What is held back for the evaluation.
    pub split: Split,
}

/// How to learn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Algorithm {
    /// `forust-ml`'s; copes with missing values.
    GradientBoosting(GradientBoosting),
    /// linfa's trees; refuses missing values.
    RandomForest(RandomForest),
    /// linfa's; refuses missing values.
    LogisticRegression(LogisticRegression),
}

impl Default for Algorithm {
    fn default() -> Self {
        Self::GradientBoosting(GradientBoosting::default())
    }
}

/// What training gives.
#[derive(Clone, Debug, PartialEq)]
pub struct Trained {
    /// The `XGBoost` model file.
    pub model_json: Vec<u8>,
    /// How good it is.
    pub evaluation: Evaluation,
}

/// What training is about to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Learn, which takes most of the time.
    Fitting {
        /// To train on.
        train: Counts,
        /// Held back.
        test: Counts,
    },
    /// Read the written model back and score the test rows with it.
    Checking {
        /// Size of the model file.
        model_bytes: usize,
    },
    /// Judge the scores.
    Evaluating,
}

/// Why there is no trained model.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// The rows cannot be divided: about the keys `data` and `split` of pipeline.yaml.
    #[error("could not hold rows back for the evaluation")]
    Split(#[from] SplitError),
    /// The engine did not learn: about the key `algorithm`.
    #[error("could not fit the model")]
    Engine(#[from] EngineError),
    /// The engine gave a score that is no number.
    #[error("the fitted model scores test row {row} as {score}")]
    NotAScore {
        /// Counted from 0 among the rows held back.
        row: usize,
        /// NaN.
        score: f64,
    },
    /// The scores tell nothing.
    #[error("could not judge the model")]
    Judge(#[from] JudgeError),
    /// The written model cannot be read: an internal error.
    #[error("the model that was written cannot be read back")]
    Unreadable(#[source] model::ModelError),
    /// The written model is not the one that was trained: an internal error.
    #[error("the model that was written scores test row {row} as {written}, the one that was trained as {trained}")]
    Drift {
        /// Counted from 0 among the rows held back.
        row: usize,
        /// By the engine.
        trained: f64,
        /// By the file.
        written: f64,
    },
}

/// Trains a model, writes it, and judges what was written on rows that were held back.
///
/// These are `test`, with the same columns; without it, they are split off the rows. The same rows and options give the
/// same bytes, on one thread or many.
pub fn train(
    rows: Table,
    test: Option<Table>,
    options: &Options,
    progress: &mut dyn FnMut(Progress),
) -> Result<Trained, TrainError> {
    let (label, features) = (rows.label().to_owned(), rows.features().to_vec());
    let warnings = rows.warnings().iter().map(ToString::to_string).collect();
    let [train, test] = match test {
        None => {
            let parts = options.split.of(&rows)?;
            gather(rows, [&parts.train, &parts.test])
        }
        Some(test) if test.features().len() != features.len() => {
            return Err(JudgeError::Width { columns: test.features().len(), features: features.len() }.into());
        }
        Some(test) => [rows, test].map(|table| {
            let all: Vec<usize> = (0..table.len()).collect();
            let [rows] = gather(table, [&all]);
            rows
        }),
    };
    let (train_counts, test_counts) = (count(&train), count(&test));

    let needs_every_value = match &options.algorithm {
        Algorithm::GradientBoosting(_) => None,
        Algorithm::RandomForest(_) => Some(RANDOM_FOREST),
        Algorithm::LogisticRegression(_) => Some(LOGISTIC_REGRESSION),
    };
    if let Some(engine) = needs_every_value {
        refuse_missing(engine, "rows to train on", train.records(), &features)?;
        refuse_missing(engine, "test rows", test.records(), &features)?;
    }

    progress(Progress::Fitting { train: train_counts, test: test_counts });
    let Learned { model, scores: trained, learning_curve } = match &options.algorithm {
        Algorithm::GradientBoosting(it) => {
            learn(&UncheckedBoosting::new(it.clone(), &features), train, &test, &features)
        }
        Algorithm::RandomForest(it) => learn(&UncheckedForest::new(it.clone(), &features), train, &test, &features),
        Algorithm::LogisticRegression(it) => {
            learn(&UncheckedLogistic::new(it.clone(), &features), train, &test, &features)
        }
    }?;

    let model_json = model.to_json();
    progress(Progress::Checking { model_bytes: model_json.len() });
    let model = Model::read(&model_json).map_err(TrainError::Unreadable)?;
    let score = |row: usize| model.score(&narrow(test.records().row(row)));
    let scores: Vec<f32> = (0..test.records().nrows()).into_par_iter().map(score).collect();
    refuse_drift(&trained, &scores, drift_limit(&options.algorithm))?;

    progress(Progress::Evaluating);
    let row = |index| narrow(test.records().row(index));
    let judged = judge_scores(&model, &features, &test.targets().to_vec(), &scores, &row)?;
    let evaluation = Evaluation {
        trainer_version: VERSION.to_owned(),
        label,
        features,
        options: options.clone(),
        train: train_counts,
        test: judged.test,
        metrics: judged.metrics,
        test_scores: judged.test_scores,
        importance: judged.importance,
        learning_curve,
        warnings,
        golden_rows: judged.golden_rows,
    };
    Ok(Trained { model_json, evaluation })
}

/// What is left of learning.
struct Learned {
    model: Model,
    /// By the engine, of the test rows.
    scores: Array1<f64>,
    learning_curve: Option<LearningCurve>,
}

/// Fits, forgets the rows to train on, and scores the test rows with what was fitted.
fn learn<P, O>(parameters: &P, train: Rows, test: &Rows, features: &[String]) -> Result<Learned, EngineError>
where
    P: ParamGuard<Error = EngineError>,
    P::Checked: Fit<Array2<f64>, Array1<bool>, EngineError, Object = O>,
    O: Fitted + PredictInplace<Array2<f64>, Array1<f64>>,
{
    let fitted = parameters.check_ref()?.fit(&train)?;
    drop(train);
    let mut scores = fitted.default_target(test.records());
    fitted.predict_inplace(test.records(), &mut scores);
    Ok(Learned { model: fitted.export(features)?, scores, learning_curve: fitted.learning_curve().cloned() })
}

/// Moves the rows of each part out of a table; f64 holds every f32.
///
/// A column is freed once it is moved, so that the table is never in memory twice.
fn gather<const N: usize>(table: Table, parts: [&[usize]; N]) -> [Rows; N] {
    let (width, labels) = (table.features().len(), table.labels().to_vec());
    let mut values = parts.map(|rows| Vec::with_capacity(rows.len() * width));
    for column in table.into_columns() {
        for (values, rows) in values.iter_mut().zip(parts) {
            values.extend(rows.iter().map(|row| f64::from(column[*row])));
        }
    }
    let mut parts = parts.into_iter();
    values.map(|values| {
        let rows = parts.next().unwrap_or_default();
        #[expect(clippy::expect_used, reason = "each column gave a value for every row")]
        let values = Array2::from_shape_vec((rows.len(), width).f(), values).expect("as many values as cells");
        Rows::new(values, rows.iter().map(|row| labels[*row]).collect())
    })
}

fn count(rows: &Rows) -> Counts {
    Counts { rows: rows.targets().len(), positives: rows.targets().iter().filter(|it| **it).count() }
}

fn narrow(row: ArrayView1<f64>) -> Vec<f32> {
    row.iter().map(|it| *it as f32).collect()
}

fn drift_limit(algorithm: &Algorithm) -> f64 {
    match algorithm {
        Algorithm::GradientBoosting(it) => DRIFT_LIMIT * f64::from(it.trees.div_ceil(100)),
        Algorithm::RandomForest(it) => DRIFT_LIMIT * f64::from(it.trees.div_ceil(100)),
        Algorithm::LogisticRegression(_) => DRIFT_LIMIT,
    }
}

fn refuse_drift(trained: &Array1<f64>, written: &[f32], limit: f64) -> Result<(), TrainError> {
    for (row, (trained, written)) in trained.iter().copied().zip(written.iter().copied().map(f64::from)).enumerate() {
        if trained.is_nan() {
            return Err(TrainError::NotAScore { row, score: trained });
        }
        if written.is_nan() || (trained - written).abs() > limit {
            return Err(TrainError::Drift { row, trained, written });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
