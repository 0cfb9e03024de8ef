//! The engines, each behind linfa's traits: parameters unchecked, then checked, then fitted.

mod boosting;
mod forest;
mod logistic;

use linfa::dataset::DatasetBase;
use ndarray::{Array1, Array2};

use crate::LearningCurve;
use crate::generate::Random;

pub use boosting::{ClassWeight, EarlyStopping, GradientBoosting, Monotone};
pub use forest::RandomForest;
pub use logistic::LogisticRegression;

pub(crate) use boosting::Unchecked as UncheckedBoosting;
pub(crate) use boosting::watched;
pub(crate) use forest::NAME as RANDOM_FOREST;
pub(crate) use forest::Unchecked as UncheckedForest;
pub(crate) use logistic::{NAME as LOGISTIC_REGRESSION, Unchecked as UncheckedLogistic};

/// What an engine learns from: features column after column in memory, as `forust-ml` wants them.
pub(crate) type Rows = DatasetBase<Array2<f64>, Array1<bool>>;

/// What every engine's fitted model can be made into.
pub(crate) trait Fitted {
    /// The same model as an `XGBoost` model file.
    fn export(&self, features: &[String]) -> Result<model::Model, EngineError>;

    /// How learning went, where it goes step by step.
    fn learning_curve(&self) -> Option<&LearningCurve> {
        None
    }
}

/// Why an engine did not learn.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// A parameter is out of its range.
    #[error("`{name}` is {value}, it should be {range}")]
    Parameter {
        /// As pipeline.yaml spells it.
        name: &'static str,
        /// What was given.
        value: String,
        /// What may be given.
        range: &'static str,
    },
    /// The engine cannot do without a value, and inventing one would hide that.
    #[error("{engine} needs every value, and `{feature}` is missing in {rows} of the {part}; gradient boosting copes")]
    Missing {
        /// What was asked to learn.
        engine: &'static str,
        /// The first feature that is missing anywhere.
        feature: String,
        /// In how many rows.
        rows: usize,
        /// Of which rows.
        part: &'static str,
    },
    /// A parameter is about a feature that is not there.
    #[error("`{name}` names `{feature}`, which is none of the features")]
    NoFeature {
        /// As pipeline.yaml spells it.
        name: &'static str,
        /// What was given.
        feature: String,
    },
    /// Nothing can be held back for early stopping.
    #[error("early stopping needs at least two rows of either label to train on, but label {label} has {rows}")]
    TooFew {
        /// 0 or 1.
        label: u8,
        /// How many.
        rows: usize,
    },
    /// `forust-ml` refused.
    #[error("gradient boosting failed")]
    Boosting(#[from] forust_ml::errors::ForustError),
    /// `linfa-logistic` refused.
    #[error("logistic regression failed")]
    Logistic(#[from] linfa_logistic::error::Error),
    /// linfa's own machinery refused.
    #[error("linfa failed")]
    Linfa(#[from] linfa::Error),
    /// The fitted model does not fit into a model file.
    #[error("the fitted model could not be written as an XGBoost model")]
    Export(#[from] model::ModelError),
    /// A fitted tree does not.
    #[error("a fitted tree could not be written as one of XGBoost's")]
    Tree(#[from] model::TreeError),
}

/// Refuses a parameter out of its range; NaN is out of every range.
fn within(name: &'static str, value: f64, holds: bool, range: &'static str) -> Result<(), EngineError> {
    if holds { Ok(()) } else { Err(EngineError::Parameter { name, value: value.to_string(), range }) }
}

/// Refuses rows that lack a value, naming the first such feature.
pub(crate) fn refuse_missing(
    engine: &'static str,
    part: &'static str,
    rows: &Array2<f64>,
    features: &[String],
) -> Result<(), EngineError> {
    for (column, feature) in rows.columns().into_iter().zip(features) {
        let rows = column.iter().filter(|it| it.is_nan()).count();
        if rows > 0 {
            return Err(EngineError::Missing { engine, feature: feature.clone(), rows, part });
        }
    }
    Ok(())
}

/// Chooses a share of the columns, one at least, in ascending order.
fn draw_columns(random: &mut Random, width: usize, share: f32) -> Vec<usize> {
    let mut columns: Vec<usize> = (0..width).collect();
    #[expect(clippy::cast_sign_loss, reason = "a share of a count is no less than 0")]
    let count = ((share * width as f32) as usize).clamp(1, width);
    if count < width {
        // The first steps of a Fisher-Yates shuffle choose without bias.
        for chosen in 0..count {
            let other = chosen + random.below((width - chosen) as u64) as usize;
            columns.swap(chosen, other);
        }
        columns.truncate(count);
        columns.sort_unstable();
    }
    columns
}

/// Runs work on threads of its own, or on the process's, one per processor.
fn on_threads<R: Send>(threads: Option<usize>, work: impl FnOnce() -> R + Send) -> R {
    match threads.map(|count| rayon::ThreadPoolBuilder::new().num_threads(count).build()) {
        Some(Ok(pool)) => pool.install(work),
        // Work that starts on one of the threads need not be handed over at each step.
        Some(Err(_)) | None => rayon::scope(|_| work()),
    }
}
