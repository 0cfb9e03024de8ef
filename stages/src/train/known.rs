//! What is known about a model, kept beside it.

use serde::{Deserialize, Serialize};
use trainer::{Evaluation, GoldenRow, Judged, Metrics, Scores, Threshold, ThresholdError, at_threshold};

use crate::{Clients, Inputs, Names, StageError, upload};

/// What is known about a model, kept beside it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Known {
    /// It was trained from rows.
    Trained(Box<Evaluation>),
    /// It was trained elsewhere, and judged by test rows.
    Judged {
        /// Names of the columns, in order.
        features: Vec<String>,
        /// Name of the column with the truth.
        label: String,
        /// What the test rows tell.
        judged: Box<Judged>,
        /// What is odd about the test rows, for people.
        warnings: Vec<String>,
    },
    /// It was trained elsewhere, and there are no rows to judge it by.
    Imported {
        /// Names of the columns, in order.
        features: Vec<String>,
        /// Made-up rows and the scores that the file gives them.
        golden_rows: Vec<GoldenRow>,
    },
}

impl Known {
    /// What it reaches on rows that it has not seen; none when there were none.
    pub fn metrics(&self) -> Option<&Metrics> {
        match self {
            Self::Trained(evaluation) => Some(&evaluation.metrics),
            Self::Judged { judged, .. } => Some(&judged.metrics),
            Self::Imported { .. } => None,
        }
    }

    /// How it scores rows that it has not seen; none when there were none.
    pub fn test_scores(&self) -> Option<&Scores> {
        match self {
            Self::Trained(evaluation) => Some(&evaluation.test_scores),
            Self::Judged { judged, .. } => Some(&judged.test_scores),
            Self::Imported { .. } => None,
        }
    }

    /// What is odd about the data.
    pub fn warnings(&self) -> &[String] {
        match self {
            Self::Trained(evaluation) => &evaluation.warnings,
            Self::Judged { warnings, .. } => warnings,
            Self::Imported { .. } => &[],
        }
    }

    /// Rows and the scores that the deployed model must give them.
    pub fn golden_rows(&self) -> &[GoldenRow] {
        match self {
            Self::Trained(evaluation) => &evaluation.golden_rows,
            Self::Judged { judged, .. } => &judged.golden_rows,
            Self::Imported { golden_rows, .. } => golden_rows,
        }
    }

    /// What a report shows; none when there were no rows to judge it by.
    pub fn subject(&self) -> Option<report::Subject<'_>> {
        match self {
            Self::Trained(evaluation) => Some(report::Subject::from(&**evaluation)),
            Self::Judged { label, judged, warnings, .. } => {
                Some(report::Subject { warnings, ..report::Subject::judged(label, judged) })
            }
            Self::Imported { .. } => None,
        }
    }

    /// The score from which on the proxy decides for the positive class.
    pub fn threshold(&self, rule: Threshold) -> Result<f64, ThresholdError> {
        match (rule, self.test_scores()) {
            (Threshold::Fixed(score), _) => Ok(score),
            (rule, Some(scores)) => rule.choose(scores),
            (_, None) => Err(ThresholdError::NoRows),
        }
    }

    /// One line for people, about deciding at a threshold; none when the metrics are not known.
    pub fn metrics_words(&self, threshold: f64) -> Option<String> {
        let (metrics, scores) = (self.metrics()?, self.test_scores()?);
        let at = at_threshold(scores, threshold);
        let [low, high] = metrics.average_precision_interval;
        Some(format!(
            "average precision {:.4} ({low:.2} to {high:.2}), ROC AUC {:.4}; at {} precision {:.3}, recall {:.3}, F1 {:.3}",
            metrics.average_precision,
            metrics.roc_auc,
            rounded(at.threshold),
            at.precision,
            at.recall,
            at.f1,
        ))
    }

    /// From the cache, or else from the bucket.
    pub async fn load(clients: &Clients, names: &Names, inputs: &Inputs) -> Result<Self, StageError> {
        let text = if let Some(cached) = clients.cache.model(&inputs.model.fingerprint) {
            clients.cache.read(&cached.evaluation)?
        } else {
            let gone = || StageError::here("could not read what is known about the model", "it is not in the bucket");
            upload::object(clients, &names.bucket, &names.evaluation_key).await?.ok_or_else(gone)?
        };
        Self::from_json(&text)
    }

    pub(super) fn to_json(&self) -> Result<Vec<u8>, StageError> {
        let mut known = serde_json::to_vec_pretty(self)
            .map_err(|error| StageError::here("could not write what is known about the model", error))?;
        known.push(b'\n');
        Ok(known)
    }

    pub(super) fn from_json(known: &[u8]) -> Result<Self, StageError> {
        serde_json::from_slice(known).map_err(|error| match foreign_trainer(known) {
            Some(version) => StageError::here(
                "could not read what is known about the model",
                format!("it was written by trainer `{version}`, and this is trainer `{}`", trainer::VERSION),
            ),
            None => StageError::here("could not read what is known about the model", error),
        })
    }
}

/// Four digits tell where a threshold is; the proxy is told all of them.
fn rounded(threshold: f64) -> String {
    let short = format!("{threshold:.4}");
    if short.parse() == Ok(threshold) { threshold.to_string() } else { short }
}

/// The trainer that wrote down what is known about a model, when it is not this one.
fn foreign_trainer(known: &[u8]) -> Option<String> {
    let known: serde_json::Value = serde_json::from_slice(known).ok()?;
    let version = known["trained"]["trainer-version"].as_str()?;
    (version != trainer::VERSION).then(|| version.to_owned())
}
