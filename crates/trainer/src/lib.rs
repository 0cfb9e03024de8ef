//! Data in, model and evaluation out.
//!
//! [`read_csv`] or [`generate`] gives a [`Table`], [`train`] makes of it an `XGBoost` model file and an [`Evaluation`].
//! Gradient boosting is `forust-ml`'s, logistic regression linfa's own; both are driven through linfa's traits. Nothing
//! here prints, reads the environment or knows a cloud.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test that unwraps fails where it should"))]

mod data;
mod engine;
mod evaluate;
mod fit;
mod generate;
mod split;
mod table;
mod train;

pub use data::{BadCell, DataError, read_csv};
pub use engine::{EngineError, GradientBoosting, LogisticRegression};
pub use evaluate::{AtThreshold, Metrics, at_threshold, average_precision, brier_score, log_loss, measure, roc_auc};
pub use fit::fit;
pub use generate::{GENERATED_FEATURES, GENERATED_LABEL, generate};
pub use split::{Split, SplitError};
pub use table::{Table, write_csv};
pub use train::{Algorithm, Counts, Evaluation, GoldenRow, Options, Progress, TrainError, Trained, train};

/// Names what trains: part of a model's fingerprint, so that another trainer means another model.
///
/// It changes whenever the same rows and options would give another model or other metrics: with this crate's own
/// arithmetic (the leading number) and with the version of either engine.
pub const VERSION: &str = "1+forust-ml-0.8.0+linfa-logistic-0.8.1";

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
        let engines = ["forust-ml", "linfa-logistic"].map(|it| format!("+{it}-{}", version_of(it)));
        assert!(VERSION.ends_with(&engines.concat()), "{VERSION} is built with {engines:?}");
    }
}
