//! The engines, each behind linfa's traits: parameters unchecked, then checked, then fitted.

mod boosting;
mod logistic;

use linfa::dataset::DatasetBase;
use ndarray::{Array1, Array2};

pub use boosting::GradientBoosting;
pub use logistic::LogisticRegression;

pub(crate) use boosting::Unchecked as UncheckedBoosting;
pub(crate) use logistic::Unchecked as UncheckedLogistic;

/// What an engine learns from: features column after column in memory, as `forust-ml` wants them.
pub(crate) type Rows = DatasetBase<Array2<f64>, Array1<bool>>;

/// What every engine's fitted model can be made into.
pub(crate) trait Fitted {
    /// The same model as an `XGBoost` model file.
    fn export(&self, features: &[String]) -> Result<model::Model, EngineError>;
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
    #[error(
        "logistic regression needs every value, and `{feature}` is missing in {rows} of the rows to train on; gradient boosting copes"
    )]
    Missing {
        /// The first feature that is missing anywhere.
        feature: String,
        /// In how many rows of those trained on.
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
