//! Data in, model and evaluation out.
//!
//! [`read`] or [`generate`] gives a [`Table`], [`train`] makes of it an `XGBoost` model file and an [`Evaluation`].
//! The trees that are boosted are `forust-ml`'s, random forests and logistic regression linfa's; all are driven through
//! linfa's traits. Nothing here prints, reads the environment or knows a cloud.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test that unwraps fails where it should"))]

mod data;
mod division;
mod engine;
mod evaluate;
mod evaluation;
mod fit;
mod generate;
mod scores;
mod split;
mod table;
mod threshold;
mod train;
mod warnings;

pub use data::{BadCell, DataError, Limit, Place, ReadProgress, read};
pub use division::{Division, write_channel};
pub use engine::{
    ClassWeight, EarlyStopping, EngineError, GradientBoosting, LogisticRegression, Monotone, RandomForest,
};
pub use evaluate::{Metrics, average_precision, average_precision_interval, brier_score, log_loss, measure, roc_auc};
pub use evaluation::{
    Counts, Evaluation, GoldenRow, Importance, JudgeError, Judged, LEARNING_CURVE_POINTS, LearningCurve, judge,
};
pub use fit::fit;
pub use generate::{GENERATED_FEATURES, GENERATED_LABEL, generate};
pub use scores::{Scores, ScoresError, Step};
pub use split::{Split, SplitError};
pub use table::{Table, write_csv};
pub use threshold::{AtThreshold, Threshold, ThresholdError, at_threshold};
pub use train::{Algorithm, Options, Progress, TrainError, Trained, train};
pub use warnings::{ColumnWarning, Leak};

/// Names what trains: part of a model's fingerprint, so that another trainer means another model.
///
/// It changes whenever the same rows and options would give another model or other metrics: with this crate's own
/// arithmetic (the leading number) and with the version of any engine.
pub const VERSION: &str = "2+forust-ml-0.8.0+linfa-logistic-0.8.1+linfa-trees-0.8.1";

#[cfg(test)]
mod tests {
    use super::VERSION;

    #[test]
    fn the_version_names_the_engines_that_are_built_in() {
        let lock = include_str!("../../../Cargo.lock");
        let version_of = |package: &str| {
            let (_, after) = lock.split_once(&format!("name = \"{package}\"\nversion = \"")).unwrap();
            after.split_once('"').unwrap().0
        };
        let engines = ["forust-ml", "linfa-logistic", "linfa-trees"].map(|it| format!("+{it}-{}", version_of(it)));
        assert!(VERSION.ends_with(&engines.concat()), "{VERSION} is built with {engines:?}");
    }
}
