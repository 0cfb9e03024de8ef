//! Gradient boosting with `forust-ml`'s trees, and `XGBoost`'s parameters, defaults and histogram method.

mod curve;
mod grow;
mod monotone;
mod validation;

use std::collections::BTreeMap;

use forust_ml::Matrix;
use forust_ml::tree::Tree;
use linfa::ParamGuard;
use linfa::traits::{Fit, PredictInplace};
use model::{Model, Node, TreeError, threshold_from_f64};
use ndarray::{Array1, Array2};
use serde::{Deserialize, Serialize};

pub(crate) use validation::watched;

use super::{EngineError, Fitted, Rows, on_threads, within};
use crate::LearningCurve;

/// Parameters of gradient boosting, as `XGBoost` defines and defaults them.
///
/// One thing differs: what a split gains under [`l1`](Self::l1) is counted by `forust-ml` as `(g² - l1²) / (h + l2)`
/// on either side, by `XGBoost` as `(|g| - l1)² / (h + l2)`, so a large `l1` leaves more splits standing here. What a
/// leaf weighs is the same.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct GradientBoosting {
    /// 1 to 10,000; with early stopping, the most.
    pub trees: u32,
    /// Above 0, at most 1.
    pub learning_rate: f32,
    /// 1 to 16.
    pub depth: u8,
    /// L1 on leaf weights, at least 0.
    pub l1: f32,
    /// L2 on leaf weights, at least 0.
    pub l2: f32,
    /// Smallest sum of hessians in a leaf, at least 0.
    pub min_leaf_weight: f32,
    /// Share of the rows that each tree is grown on, drawn anew for each; above 0, at most 1.
    pub subsample: f32,
    /// Share of the features that each tree may split on, drawn anew for each, one at least; above 0, at most 1.
    pub column_sample: f32,
    /// How many times a positive row counts.
    pub class_weight: ClassWeight,
    /// When to stop before the last tree.
    pub early_stopping: Option<EarlyStopping>,
    /// Features along which the score only rises or only falls; where the value is missing, either way.
    pub monotone: BTreeMap<String, Monotone>,
    /// Another seed draws other rows and features, and another validation part.
    pub seed: u64,
}

/// How many times a positive row counts in the loss, a negative one counting once: `XGBoost`'s `scale_pos_weight`.
///
/// Any weight but 1 shifts the scores: they are then no longer the probabilities of the rows as they come.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClassWeight {
    /// So many times; above 0.
    Positive(f32),
    /// As many times as there are negative rows for a positive one among the rows that the trees are grown on.
    Balanced,
}

/// Stops when the log loss on rows that no tree is grown on gets no better, and keeps the trees up to the best.
///
/// The rows are held back from those to train on; the test rows have no say. With a class weight, the loss is weighted
/// as in training.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct EarlyStopping {
    /// So many trees in a row without a better loss are enough; 1 to 1,000.
    pub rounds: u32,
    /// Share of the training rows of either class that is held back, 0.05 to 0.5.
    pub validation: f64,
}

/// Which way a score goes when a feature grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Monotone {
    /// It never falls.
    Increasing,
    /// It never rises.
    Decreasing,
}

impl Default for GradientBoosting {
    fn default() -> Self {
        Self {
            trees: 100,
            learning_rate: 0.3,
            depth: 6,
            l1: 0.0,
            l2: 1.0,
            min_leaf_weight: 1.0,
            subsample: 1.0,
            column_sample: 1.0,
            class_weight: ClassWeight::default(),
            early_stopping: None,
            monotone: BTreeMap::new(),
            seed: 42,
        }
    }
}

impl Default for ClassWeight {
    fn default() -> Self {
        Self::Positive(1.0)
    }
}

/// Every row starts at a score of a half, which was `XGBoost`'s way until 2.0.
///
/// To start at the mean is to start with hessians near 0 where a class is rare, so that the first leaf of a few hundred
/// rows steps far beyond its aim and the next trees swing ever wider: 138 frauds among 80,000 rows gave a model no
/// better than chance.
const START_MARGIN: f64 = 0.0;

/// Parameters in their ranges, with the number of threads to use.
#[derive(Debug)]
pub(crate) struct Checked {
    parameters: GradientBoosting,
    /// Names of the columns.
    features: Vec<String>,
    /// None: one per processor.
    threads: Option<usize>,
}

/// Parameters that nobody has looked at.
#[derive(Debug)]
pub(crate) struct Unchecked(Checked);

impl Unchecked {
    pub(crate) fn new(parameters: GradientBoosting, features: &[String]) -> Self {
        Self(Checked { parameters, features: features.to_vec(), threads: None })
    }
}

impl ParamGuard for Unchecked {
    type Checked = Checked;
    type Error = EngineError;

    fn check_ref(&self) -> Result<&Checked, EngineError> {
        let GradientBoosting { trees, learning_rate, depth, l1, l2, min_leaf_weight, .. } = self.0.parameters;
        let GradientBoosting { subsample, column_sample, class_weight, early_stopping, .. } = self.0.parameters;
        within("trees", trees.into(), (1..=10_000).contains(&trees), "1 to 10,000")?;
        share("learning-rate", learning_rate)?;
        within("depth", depth.into(), (1..=16).contains(&depth), "1 to 16")?;
        for (name, value) in [("l1", l1), ("l2", l2), ("min-leaf-weight", min_leaf_weight)] {
            within(name, value.into(), value >= 0.0 && value.is_finite(), "at least 0")?;
        }
        share("subsample", subsample)?;
        share("column-sample", column_sample)?;
        if let ClassWeight::Positive(weight) = class_weight {
            within("class-weight", weight.into(), weight > 0.0 && weight.is_finite(), "above 0, or `balanced`")?;
        }
        if let Some(EarlyStopping { rounds, validation }) = early_stopping {
            within("rounds", rounds.into(), (1..=1_000).contains(&rounds), "1 to 1,000")?;
            within("validation", validation, (0.05..=0.5).contains(&validation), "0.05 to 0.5")?;
        }
        match self.0.parameters.monotone.keys().find(|it| !self.0.features.contains(it)) {
            Some(feature) => Err(EngineError::NoFeature { name: "monotone", feature: feature.clone() }),
            None => Ok(&self.0),
        }
    }

    fn check(self) -> Result<Checked, EngineError> {
        self.check_ref()?;
        Ok(self.0)
    }
}

fn share(name: &'static str, value: f32) -> Result<(), EngineError> {
    within(name, value.into(), value > 0.0 && value <= 1.0, "above 0 and at most 1")
}

impl Fit<Array2<f64>, Array1<bool>, EngineError> for Checked {
    type Object = Boosted;

    fn fit(&self, rows: &Rows) -> Result<Boosted, EngineError> {
        let divided = match &self.parameters.early_stopping {
            Some(it) => Some(validation::divide(rows, it.validation, self.parameters.seed)?),
            None => None,
        };
        let (rows, validation) = match &divided {
            Some((rest, validation)) => (rest, Some(validation)),
            None => (rows, None),
        };
        let constraints = monotone::constraints(&self.parameters.monotone, &self.features);
        on_threads(self.threads, || grow::grow(&self.parameters, constraints, rows, validation))
    }
}

/// Shows rows to `forust-ml`, which takes them column after column; copies them only if they are not laid out so.
fn columns<R>(rows: &Array2<f64>, use_them: impl FnOnce(&Matrix<f64>) -> R) -> R {
    let transposed = rows.t();
    let columns = transposed.as_standard_layout();
    let values = columns.as_slice().unwrap_or_default();
    use_them(&Matrix::new(values, rows.nrows(), rows.ncols()))
}

/// Fitted trees, those after the best already gone. Predicts probabilities.
pub(crate) struct Boosted {
    trees: Vec<Tree>,
    curve: LearningCurve,
}

impl PredictInplace<Array2<f64>, Array1<f64>> for Boosted {
    fn predict_inplace(&self, rows: &Array2<f64>, scores: &mut Array1<f64>) {
        let mut margins = vec![START_MARGIN; rows.nrows()];
        columns(rows, |matrix| self.trees.iter().for_each(|it| grow::add_values(it, matrix, &mut margins)));
        *scores = margins.into_iter().map(|it| 1.0 / (1.0 + (-it).exp())).collect();
    }

    fn default_target(&self, rows: &Array2<f64>) -> Array1<f64> {
        Array1::zeros(rows.nrows())
    }
}

impl Fitted for Boosted {
    fn export(&self, features: &[String]) -> Result<Model, EngineError> {
        let trees = self.trees.iter().map(tree).collect::<Result<Vec<_>, _>>()?;
        Ok(Model::boosted(features, START_MARGIN as f32, trees)?)
    }

    fn learning_curve(&self) -> Option<&LearningCurve> {
        Some(&self.curve)
    }
}

/// Makes the tree that decides every `f32` as `forust-ml`'s does, which lists its nodes by number, the root first.
fn tree(tree: &Tree) -> Result<model::Tree, TreeError> {
    let nodes = tree.nodes.iter().map(|it| {
        if it.is_leaf {
            return Node::Leaf { value: it.weight_value, cover: it.hessian_sum };
        }
        Node::Split {
            feature: it.split_feature as u32,
            // Where only missing values go right, the threshold is beyond every f32.
            threshold: threshold_from_f64(it.split_value).min(f32::MAX),
            default_left: it.missing_node == it.left_child,
            left: it.left_child as u32,
            right: it.right_child as u32,
            gain: it.split_gain,
            cover: it.hessian_sum,
        }
    });
    model::Tree::new(nodes.collect())
}

#[cfg(test)]
mod tests;
