//! From rows to a model file that is proved to be the model that was trained.

use linfa::ParamGuard;
use linfa::traits::{Fit, PredictInplace};
use model::Model;
use ndarray::{Array1, Array2, ArrayView1, ShapeBuilder};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::engine::{Fitted, Rows, UncheckedBoosting, UncheckedForest, UncheckedLogistic};
use crate::evaluate::measure;
use crate::split::Parts;
use crate::{
    EngineError, GradientBoosting, LearningCurve, LogisticRegression, Metrics, RandomForest, Split, SplitError, Table,
    VERSION,
};

/// Rows that are kept with their scores, to try a deployed model with.
const GOLDEN_ROWS: usize = 8;

/// How far the written model's f32 scores may be from the trainer's f64 scores, for each hundred trees begun.
///
/// Rounding alone gives about a tenth of it; a wrongly written tree differs by whole leaves.
const DRIFT_LIMIT: f64 = 1e-6;

/// What to train, and how to judge it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Options {
    /// How to learn.
    pub algorithm: Algorithm,
    /// What is held back for the evaluation.
    pub split: Split,
    /// Where [`Metrics::at_threshold`] decides, 0 to 1; the model does not depend on it.
    pub threshold: f64,
}

impl Default for Options {
    fn default() -> Self {
        Self { algorithm: Algorithm::default(), split: Split::default(), threshold: 0.5 }
    }
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

/// Everything to know about a trained model that its file does not say. Its JSON form is kept beside the model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Evaluation {
    /// [`VERSION`] of the trainer.
    pub trainer_version: String,
    /// Name of the column that is predicted.
    pub label: String,
    /// Names of the columns that it is predicted from, in order.
    pub features: Vec<String>,
    /// How it was trained.
    pub options: Options,
    /// What it was trained on.
    pub train: Counts,
    /// What it was judged on.
    pub test: Counts,
    /// What the written model reaches on the test rows.
    pub metrics: Metrics,
    /// How learning went, where it goes tree after tree.
    pub learning_curve: Option<LearningCurve>,
    /// Test rows from the lowest score to the highest, with the scores of the written model.
    pub golden_rows: Vec<GoldenRow>,
}

/// How many rows there were.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Counts {
    /// All of them.
    pub rows: usize,
    /// Those with the label 1.
    pub positives: usize,
}

/// A row and the score that a deployed model must give it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct GoldenRow {
    /// As wide as the model; none where the value is missing.
    pub features: Vec<Option<f32>>,
    /// An f32, widened.
    pub score: f64,
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
/// The same rows and options give the same bytes, on one thread or many.
pub fn train(rows: Table, options: &Options, progress: &mut dyn FnMut(Progress)) -> Result<Trained, TrainError> {
    let Parts { train, test } = options.split.of(&rows)?;
    let (label, features) = (rows.label().to_owned(), rows.features().to_vec());
    let (train, test) = (gather(&rows, &train), gather(&rows, &test));
    // The engines need the memory.
    drop(rows);
    let (train_counts, test_counts) = (count(&train), count(&test));

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
    let score = |row: usize| f64::from(model.score(&narrow(test.records().row(row))));
    let scores: Vec<f64> = (0..test.records().nrows()).into_par_iter().map(score).collect();
    refuse_drift(&trained, &scores, drift_limit(&options.algorithm))?;

    progress(Progress::Evaluating);
    let labels = test.targets().to_vec();
    let evaluation = Evaluation {
        trainer_version: VERSION.to_owned(),
        label,
        features,
        options: options.clone(),
        train: train_counts,
        test: test_counts,
        metrics: measure(&labels, &scores, options.threshold),
        learning_curve,
        golden_rows: golden_rows(test.records(), &scores),
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

/// Copies rows out of a table, column after column; f64 holds every f32.
fn gather(table: &Table, rows: &[usize]) -> Rows {
    let width = table.features().len();
    let mut values = vec![0.0; rows.len() * width];
    for (place, row) in rows.iter().enumerate() {
        for (column, value) in table.row(*row).iter().enumerate() {
            values[column * rows.len() + place] = f64::from(*value);
        }
    }
    #[expect(clippy::expect_used, reason = "the vector was made for this shape three lines above")]
    let values = Array2::from_shape_vec((rows.len(), width).f(), values).expect("as many values as cells");
    Rows::new(values, rows.iter().map(|it| table.labels()[*it]).collect())
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

fn refuse_drift(trained: &Array1<f64>, written: &[f64], limit: f64) -> Result<(), TrainError> {
    for (row, (trained, written)) in trained.iter().copied().zip(written.iter().copied()).enumerate() {
        if trained.is_nan() {
            return Err(TrainError::NotAScore { row, score: trained });
        }
        if written.is_nan() || (trained - written).abs() > limit {
            return Err(TrainError::Drift { row, trained, written });
        }
    }
    Ok(())
}

/// Chooses the rows nearest to scores evenly apart, so that every part of the range is tried, from lowest to highest.
fn golden_rows(rows: &Array2<f64>, scores: &[f64]) -> Vec<GoldenRow> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|a, b| scores[*a].total_cmp(&scores[*b]));
    let chosen = match order.as_slice() {
        few if few.len() <= GOLDEN_ROWS => few.to_vec(),
        [lowest, between @ .., highest] => {
            let (low, high) = (scores[*lowest], scores[*highest]);
            let mut chosen = vec![*lowest, *highest];
            let mut left = between.to_vec();
            for step in 1..GOLDEN_ROWS - 1 {
                let aim = low + (high - low) * step as f64 / (GOLDEN_ROWS - 1) as f64;
                let far = |row: usize| (scores[row] - aim).abs();
                let nearest = (0..left.len()).min_by(|a, b| far(left[*a]).total_cmp(&far(left[*b])));
                chosen.extend(nearest.map(|it| left.swap_remove(it)));
            }
            chosen.sort_by(|a, b| scores[*a].total_cmp(&scores[*b]).then(a.cmp(b)));
            chosen
        }
        [] | [_] => order,
    };
    let golden = chosen.into_iter().map(|row| GoldenRow {
        features: narrow(rows.row(row)).into_iter().map(|it| Some(it).filter(|it| !it.is_nan())).collect(),
        score: scores[row],
    });
    golden.collect()
}

#[cfg(test)]
mod tests;
