//! The `XGBoost` model file: read, check, score, write.
//!
//! Whoever trained a model, the artifact is an `XGBoost` model file, so that every `XGBoost` can serve it. What is read
//! here is checked completely: a [`Model`] that exists can be scored, in bounded time, and scores as `XGBoost` does, bit
//! for bit.

mod attributes;
mod error;
mod forest;
mod json;
mod read;
mod shap;
mod tree;
mod ubj;
mod value;
mod write;

pub mod archive;

use std::collections::BTreeSet;
use std::fmt;

pub use attributes::EarlyStop;
pub use error::{ModelError, TreeError, Unsupported};
use forest::Forest;
use shap::Explainer;
pub use tree::{DEPTH_LIMIT, Node, Tree, threshold_from_f64};

/// The largest model file that is read, in bytes; while it is parsed it takes up to a dozen times as much.
pub const MODEL_LIMIT_BYTES: usize = 256 << 20;

/// The largest number of features; callers allocate rows of that length.
pub const FEATURES_LIMIT: usize = 1_000_000;

/// The margin of a probability of one half, of the sign that `XGBoost`'s arithmetic gives it.
const EVEN_ODDS: f32 = -0.0;

/// A model that gives one score per row.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    features: usize,
    feature_names: Vec<String>,
    objective: Objective,
    /// What a row's sum starts with, on the scale of the margin.
    base_margin: f32,
    booster: Booster,
    /// Who would read the file that this model came from otherwise than we did.
    misreadings: Vec<Misreading>,
    /// Which trees of that file count, if not all.
    early_stop: Option<EarlyStop>,
}

/// How the margin of a row comes about.
#[derive(Clone, Debug, PartialEq)]
enum Booster {
    Trees { trees: Vec<Tree>, forest: Forest, explainer: Explainer },
    Linear { weights: Vec<f32>, bias: f32 },
}

/// What a model was trained for, which decides how its margin becomes its score.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Objective {
    /// The score is a probability: the logistic function of the margin.
    BinaryLogistic,
    /// As [`Objective::BinaryLogistic`]; only the training metric differs.
    RegLogistic,
    /// The score is the margin, on the scale of log odds.
    BinaryLogitRaw,
    /// The score is the margin.
    SquaredError,
}

/// Says how some `XGBoost` releases misread a model file, or do not read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Misreading {
    /// Releases before 3.1 ignore a base score that is written as a list, and start every row at 0.5.
    ///
    /// Measured with 1.7.4, 1.7.6, 2.1.4 and 3.0.5: a file of 3.2.0 scored off by up to 0.2.
    BaseScoreIgnored,
    /// AWS's container hands `best_ntree_limit`, an attribute in files of 1.4 to 1.7, to the prediction, which then
    /// leaves out the trees after it, although `best_iteration` lets them count; other releases do not read it.
    LaterTreesIgnored {
        /// How many trees are left.
        trees: u64,
    },
    /// Releases before 1.6 read neither UBJSON nor numbers for truth values, as all later ones write them.
    ///
    /// Seen with 1.3.3 and 1.5.2: `Invalid cast, from Integer to Boolean`.
    NewerForm,
    /// Releases from 3.1 take a `gblinear` model without `boosted_rounds`, as 1.3 writes it, for untrained, and add the
    /// base score once more.
    ///
    /// Measured with 3.2.0: a file of 1.3.3 scored off by up to 0.12; 3.0.5 reads it right.
    RoundsNotCounted,
}

impl Model {
    /// Reads a model file, JSON or UBJSON, whatever its name.
    pub fn read(bytes: &[u8]) -> Result<Self, ModelError> {
        read::model(bytes)
    }

    /// Makes a `binary:logistic` model of trees, whose leaves add up to a margin in log odds.
    pub fn boosted(features: &[String], base_margin: f32, trees: Vec<Tree>) -> Result<Self, ModelError> {
        check_writable_names(features)?;
        let base_margin = if base_margin == 0.0 { EVEN_ODDS } else { base_margin };
        Self::of_trees(features.len() as u64, features.to_vec(), Objective::BinaryLogistic, base_margin, trees)
    }

    /// Makes a `reg:squarederror` model of trees, whose leaves add up to the score itself.
    pub fn added(features: &[String], trees: Vec<Tree>) -> Result<Self, ModelError> {
        check_writable_names(features)?;
        Self::of_trees(features.len() as u64, features.to_vec(), Objective::SquaredError, 0.0, trees)
    }

    /// Makes a `binary:logistic` model of one weight per feature and a bias, in log odds.
    pub fn linear(features: &[String], weights: Vec<f32>, bias: f32) -> Result<Self, ModelError> {
        check_writable_names(features)?;
        Self::of_weights(features.len() as u64, features.to_vec(), Objective::BinaryLogistic, EVEN_ODDS, weights, bias)
    }

    /// Returns how many values a row has.
    pub fn features(&self) -> usize {
        self.features
    }

    /// Returns the names of the features in the order of a row, or nothing if the file names none.
    pub fn feature_names(&self) -> &[String] {
        &self.feature_names
    }

    /// Returns what the model was trained for.
    pub fn objective(&self) -> Objective {
        self.objective
    }

    /// Returns the trees that count; a linear model has none.
    pub fn trees(&self) -> &[Tree] {
        match &self.booster {
            Booster::Trees { trees, .. } => trees,
            Booster::Linear { .. } => &[],
        }
    }

    /// Returns one weight per feature, in log odds; a model of trees has none.
    pub fn weights(&self) -> &[f32] {
        match &self.booster {
            Booster::Trees { .. } => &[],
            Booster::Linear { weights, .. } => weights,
        }
    }

    /// Returns the sum that a row reaches before it becomes a score.
    ///
    /// NaN is a missing value. As in `XGBoost`, a row that is too short lacks its last features, and is not refused:
    /// whoever has names for the columns checks them before. Values beyond the last feature are a caller's mistake.
    pub fn margin(&self, row: &[f32]) -> f32 {
        debug_assert!(row.len() <= self.features, "a row of {} values for {} features", row.len(), self.features);
        match &self.booster {
            Booster::Trees { forest, .. } => forest.add_to(self.base_margin, row),
            Booster::Linear { weights, bias } => {
                let terms = row.iter().zip(weights).filter(|(value, _)| !value.is_nan());
                terms.fold(bias + self.base_margin, |sum, (value, weight)| sum + value * weight)
            }
        }
    }

    /// Returns the score of a row: for the logistic objectives a probability.
    ///
    /// For what a row is, see [`Model::margin`].
    pub fn score(&self, row: &[f32]) -> f32 {
        let margin = self.margin(row);
        if self.objective.is_probability() { sigmoid(margin) } else { margin }
    }

    /// Returns what each feature contributes to a row's margin, and last the bias: one value more than features.
    ///
    /// They add up to [`Model::margin`], so for the logistic objectives they are log odds, not shares of a probability.
    /// They are `XGBoost`'s `predict(pred_contribs=True)`: of a linear model each weight times its value, nothing where
    /// the value is missing; of trees the path-dependent Shapley values. A tree whose covers are 0, for which `XGBoost`
    /// gives NaN, is explained as if every split had sent half of the rows either way.
    ///
    /// For what a row is, see [`Model::margin`]; for how long it takes, [`Model::contribution_steps`].
    pub fn contributions(&self, row: &[f32]) -> Vec<f32> {
        debug_assert!(row.len() <= self.features, "a row of {} values for {} features", row.len(), self.features);
        let mut contributions = vec![0.0; self.features + 1];
        match &self.booster {
            Booster::Trees { trees, explainer, .. } => {
                explainer.add_to(&mut contributions, trees, row);
                contributions[self.features] = explainer.mean() + f64::from(self.base_margin);
            }
            Booster::Linear { weights, bias } => {
                for ((contribution, value), weight) in contributions.iter_mut().zip(row).zip(weights) {
                    *contribution = if value.is_nan() { 0.0 } else { f64::from(value * weight) };
                }
                contributions[self.features] = f64::from(bias + self.base_margin);
            }
        }
        contributions.into_iter().map(|contribution| contribution as f32).collect()
    }

    /// Estimates how many steps, each of up to ten nanoseconds, [`Model::contributions`] takes for one row.
    pub fn contribution_steps(&self) -> u64 {
        match &self.booster {
            Booster::Trees { explainer, .. } => explainer.steps(),
            Booster::Linear { .. } => self.features as u64,
        }
    }

    /// Says how the given release of `XGBoost` would misread the file that this model was read from.
    ///
    /// What [`Model::to_json`] writes is misread by none.
    pub fn misread_by(&self, major: u32, minor: u32) -> Option<Misreading> {
        self.misreadings.iter().copied().find(|misreading| misreading.befalls(major, minor))
    }

    /// Returns which trees of the file that this model was read from count, where `XGBoost` stopped early; nothing when
    /// all do. The others are not part of the model.
    pub fn early_stop(&self) -> Option<EarlyStop> {
        self.early_stop
    }

    /// Tells whether the file has to be rewritten by [`Model::to_json`] before the given release may serve it.
    ///
    /// A file with trees that do not count is rewritten for every release: which of them a reader takes depends on how it
    /// is asked.
    pub fn needs_rewrite_for(&self, major: u32, minor: u32) -> bool {
        self.early_stop.is_some() || self.misread_by(major, minor).is_some()
    }

    /// Writes the model as JSON that `XGBoost` from 1.3 to 3.2 reads alike; equal models give equal bytes.
    pub fn to_json(&self) -> Vec<u8> {
        write::json(self)
    }

    fn of_trees(
        features: u64,
        feature_names: Vec<String>,
        objective: Objective,
        base_margin: f32,
        trees: Vec<Tree>,
    ) -> Result<Self, ModelError> {
        let features = check_features(features, &feature_names)?;
        check_base_margin(base_margin)?;
        for (index, tree) in trees.iter().enumerate() {
            tree.check_features(features).map_err(|source| ModelError::Tree { index, source })?;
        }
        let forest = Forest::new(&trees)?;
        let explainer = Explainer::new(&trees, features);
        let booster = Booster::Trees { trees, forest, explainer };
        Ok(Self { features, feature_names, objective, base_margin, booster, misreadings: Vec::new(), early_stop: None })
    }

    fn of_weights(
        features: u64,
        feature_names: Vec<String>,
        objective: Objective,
        base_margin: f32,
        weights: Vec<f32>,
        bias: f32,
    ) -> Result<Self, ModelError> {
        let features = check_features(features, &feature_names)?;
        check_base_margin(base_margin)?;
        if weights.len() != features {
            return Err(ModelError::WrongLength {
                member: "weights".to_owned(),
                found: weights.len(),
                expected: features,
            });
        }
        if let Some(index) = weights.iter().chain([&bias]).position(|weight| !weight.is_finite()) {
            return Err(ModelError::Weight { index });
        }
        let booster = Booster::Linear { weights, bias };
        Ok(Self { features, feature_names, objective, base_margin, booster, misreadings: Vec::new(), early_stop: None })
    }
}

impl Objective {
    const ALL: [Self; 4] = [Self::BinaryLogistic, Self::RegLogistic, Self::BinaryLogitRaw, Self::SquaredError];

    /// Returns `XGBoost`'s name for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::BinaryLogistic => "binary:logistic",
            Self::RegLogistic => "reg:logistic",
            Self::BinaryLogitRaw => "binary:logitraw",
            Self::SquaredError => "reg:squarederror",
        }
    }

    /// Tells whether scores lie between 0 and 1.
    pub fn is_probability(self) -> bool {
        matches!(self, Self::BinaryLogistic | Self::RegLogistic)
    }

    fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|objective| objective.name() == name)
    }
}

impl Misreading {
    fn befalls(self, major: u32, minor: u32) -> bool {
        match self {
            Self::BaseScoreIgnored => (major, minor) < (3, 1),
            Self::LaterTreesIgnored { .. } => (major, minor) >= (1, 4) && major < 2,
            Self::NewerForm => (major, minor) < (1, 6),
            Self::RoundsNotCounted => (major, minor) >= (3, 1),
        }
    }
}

impl fmt::Display for Misreading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BaseScoreIgnored => f.write_str("XGBoost before 3.1 ignores a base score written as a list"),
            Self::LaterTreesIgnored { trees } => {
                write!(f, "XGBoost 1.x leaves out the trees after number {trees}, which count")
            }
            Self::NewerForm => f.write_str("XGBoost before 1.6 does not read the form of later releases"),
            Self::RoundsNotCounted => {
                f.write_str("XGBoost from 3.1 takes a linear model without `boosted_rounds` for untrained")
            }
        }
    }
}

/// Computes the logistic function as `XGBoost` does, its guards included, all in f32.
fn sigmoid(margin: f32) -> f32 {
    /// Beyond it the exponential overflows.
    const LIMIT: f32 = 88.7;
    1.0 / ((-margin).min(LIMIT).exp() + 1.0)
}

fn check_features(features: u64, names: &[String]) -> Result<usize, ModelError> {
    let count = usize::try_from(features).ok().filter(|count| (1..=FEATURES_LIMIT).contains(count));
    let count = count.ok_or(ModelError::FeatureCount { count: features, limit: FEATURES_LIMIT })?;
    if !names.is_empty() && names.len() != count {
        return Err(ModelError::WrongLength {
            member: "learner.feature_names".to_owned(),
            found: names.len(),
            expected: count,
        });
    }
    let mut known = BTreeSet::new();
    match names.iter().find(|name| !known.insert(name.as_str())) {
        Some(name) => Err(ModelError::FeatureName { name: name.clone(), why: "stands there twice" }),
        None => Ok(count),
    }
}

fn check_base_margin(base_margin: f32) -> Result<(), ModelError> {
    if base_margin.is_finite() {
        return Ok(());
    }
    Err(ModelError::BaseMargin { value: base_margin })
}

fn check_writable_names(names: &[String]) -> Result<(), ModelError> {
    match names.iter().find_map(|name| name_fault(name).map(|why| (name, why))) {
        Some((name, why)) => Err(ModelError::FeatureName { name: name.clone(), why }),
        None => Ok(()),
    }
}

/// Says why `XGBoost` would not take or not keep a feature name.
fn name_fault(name: &str) -> Option<&'static str> {
    if name.is_empty() {
        return Some("is empty");
    }
    if name.contains(['[', ']', '<']) {
        return Some("contains `[`, `]` or `<`, which XGBoost refuses");
    }
    // Releases differ in how they escape and unescape these.
    (name.contains(['"', '\\']) || name.contains(char::is_control))
        .then_some("contains a quote, a backslash or a control character")
}
