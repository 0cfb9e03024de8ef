//! Where the model comes from.

use std::collections::BTreeMap;
use std::path::PathBuf;

/// Where the model comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum Train {
    /// Trained from rows.
    Fit(Fit),
    /// Trained elsewhere.
    Import(Import),
    /// Trained by a program of the user's own.
    Command(Command),
}

/// A model trained from rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Fit {
    /// The rows.
    pub data: Data,
    /// Rows held back by the user; nothing of `data` is then split off.
    pub test_data: Option<Data>,
    /// The column to predict: 0 or 1. Default `Class`.
    pub label: String,
    /// The columns to predict from, ranges expanded, in order. Default `V1..V28, Amount`.
    pub features: Vec<String>,
    /// How to learn.
    pub algorithm: Algorithm,
    /// What is held back for the evaluation; of no meaning beside `test_data`.
    pub split: Split,
    /// The gate.
    pub require: Require,
    /// Where to train.
    pub on: On,
}

/// A model trained elsewhere: `XGBoost` JSON, UBJ, or a `model.tar.gz` with one of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Import {
    /// Relative to the pipeline file.
    pub model: PathBuf,
    /// The names of the model's columns, in order. Default `V1..V28, Amount`.
    pub features: Vec<String>,
    /// Rows to judge it by; without them its metrics are unknown.
    pub test_data: Option<TestData>,
    /// The gate; asks for nothing when there are no test rows.
    pub require: Require,
}

/// A model trained by a program of the user's own.
#[derive(Clone, Debug, PartialEq)]
pub struct Command {
    /// The program and its arguments, run in the folder of the pipeline file. At least the program.
    pub command: Vec<String>,
    /// The files and folders that it reads, relative to the pipeline file; at least one. It is run when they changed.
    pub inputs: Vec<PathBuf>,
    /// The file that it writes, in any form that [`Import::model`] may have. In none of the inputs.
    pub model: PathBuf,
    /// The names of the model's columns, in order. Default `V1..V28, Amount`.
    pub features: Vec<String>,
    /// Rows to judge it by; without them its metrics are unknown.
    pub test_data: Option<TestData>,
    /// The gate; asks for nothing when there are no test rows.
    pub require: Require,
}

/// Where rows come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data {
    /// Made by the documented generator.
    Generate {
        /// 1,000 to 10,000,000. Default 100,000.
        rows: u64,
        /// Default 42.
        seed: u64,
    },
    /// `.csv`, `.csv.gz` or `.parquet`, relative to the pipeline file.
    Path(PathBuf),
    /// A file on the web.
    Url {
        /// `https://…`; `http://…` of this machine only.
        url: String,
        /// 64 lower-case hexadecimal digits.
        sha256: String,
    },
    /// An object in S3.
    S3 {
        /// Of any owner.
        bucket: String,
        /// 1 to 1,024 bytes, not a folder's.
        key: String,
        /// 64 lower-case hexadecimal digits.
        sha256: Option<String>,
    },
}

/// Rows to judge a model by that was not trained from rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestData {
    /// The rows.
    pub data: Data,
    /// The column with the truth: 0 or 1. Default `Class`.
    pub label: String,
}

/// How to learn.
#[derive(Clone, Debug, PartialEq)]
pub enum Algorithm {
    /// The default.
    GradientBoosting(GradientBoosting),
    /// Trees that vote.
    RandomForest(RandomForest),
    /// linfa's.
    LogisticRegression(LogisticRegression),
}

/// Parameters of gradient boosting, as `XGBoost` defaults them.
#[derive(Clone, Debug, PartialEq)]
pub struct GradientBoosting {
    /// 1 to 10,000. Default 100.
    pub trees: u32,
    /// Above 0, at most 1. Default 0.3.
    pub learning_rate: f32,
    /// 1 to 16. Default 6.
    pub depth: u8,
    /// L1 on leaf weights, at least 0. Default 0.
    pub l1: f32,
    /// L2 on leaf weights, at least 0. Default 1.
    pub l2: f32,
    /// Smallest sum of hessians in a leaf, at least 0. Default 1.
    pub min_leaf_weight: f32,
    /// Share of the rows that each tree sees: above 0, at most 1. Default 1.
    pub subsample: f32,
    /// Share of the columns that each tree sees: above 0, at most 1. Default 1.
    pub column_sample: f32,
    /// How much a positive row counts.
    pub class_weight: ClassWeight,
    /// When to stop before all trees are grown. Default: never.
    pub early_stopping: Option<EarlyStopping>,
    /// Features that the score may follow in one direction only; each is one of the model's.
    pub monotone: BTreeMap<String, Monotone>,
    /// Another seed draws other rows and columns, and sets other rows aside. Default 42. On `SageMaker` at most
    /// 2,147,483,646.
    pub seed: u64,
}

/// How much a positive row counts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ClassWeight {
    /// As many times as a negative one: above 0. Default 1.
    Positive(f32),
    /// As often as makes both classes weigh the same.
    Balanced,
}

/// When to stop adding trees.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EarlyStopping {
    /// Trees in a row without a better log loss on the rows set aside, 1 to 1,000. Default 10.
    pub rounds: u32,
    /// Share of the training rows that is set aside, 0.05 to 0.5. Default 0.1.
    pub validation: f64,
}

/// How the score may follow a feature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Monotone {
    /// It never falls when the feature rises.
    Increasing,
    /// It never rises when the feature rises.
    Decreasing,
}

/// Parameters of a random forest.
#[derive(Clone, Debug, PartialEq)]
pub struct RandomForest {
    /// 1 to 1,000. Default 100.
    pub trees: u32,
    /// 1 to 32. Default 8.
    pub depth: u8,
    /// Fewest rows in a leaf, 1 to 1,000,000. Default 1.
    pub min_leaf_rows: u32,
    /// How many rows are drawn for each tree, with replacement, as a share of all: above 0, at most 1. Default 1.
    pub row_sample: f32,
    /// Share of the columns that each tree sees: above 0, at most 1. Default 0.5.
    pub column_sample: f32,
    /// Another seed draws other rows and columns. Default 42.
    pub seed: u64,
}

/// Parameters of logistic regression.
#[derive(Clone, Debug, PartialEq)]
pub struct LogisticRegression {
    /// L2, at least 0. Default 1.
    pub l2: f32,
    /// 1 to 100,000. Default 100.
    pub max_iterations: u64,
}

/// What is held back for the evaluation, stratified by label.
#[derive(Clone, Debug, PartialEq)]
pub struct Split {
    /// Share held back, 0.05 to 0.5. Default 0.2.
    pub test: f64,
    /// Default 42.
    pub seed: u64,
}

/// What the evaluation must reach before anything is deployed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Require {
    /// At least, 0 to 1.
    pub average_precision: Option<f64>,
    /// At least, 0 to 1.
    pub roc_auc: Option<f64>,
    /// At least, at the threshold, 0 to 1.
    pub precision: Option<f64>,
    /// At least, at the threshold, 0 to 1.
    pub recall: Option<f64>,
    /// At least, at the threshold, 0 to 1.
    pub f1: Option<f64>,
    /// At most; at least 0 and finite.
    pub log_loss: Option<f64>,
    /// At most, 0 to 1.
    pub brier_score: Option<f64>,
    /// How far average precision may be below that of the live model, 0 to 1.
    pub not_worse_than_live: Option<f64>,
}

/// Where to train.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum On {
    /// On this machine.
    #[default]
    Here,
    /// As a training job of the prebuilt `sagemaker-xgboost` image: gradient boosting only.
    SageMaker(TrainingInstances),
}

/// The machines of a training job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrainingInstances {
    /// Default `ml.m5.large`.
    pub instance_type: String,
    /// 1 to 100. Default 1.
    pub count: i32,
    /// Disk of each in gigabytes, 1 to 16,384. Default 10.
    pub volume_gb: i32,
    /// Seconds after which the job is stopped, 1 to 2,419,200. Default 3600.
    pub max_runtime_s: i32,
}

impl Default for Data {
    fn default() -> Self {
        Self::Generate { rows: 100_000, seed: 42 }
    }
}

impl Default for Algorithm {
    fn default() -> Self {
        Self::GradientBoosting(GradientBoosting::default())
    }
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

impl Default for EarlyStopping {
    fn default() -> Self {
        Self { rounds: 10, validation: 0.1 }
    }
}

impl Default for RandomForest {
    fn default() -> Self {
        Self { trees: 100, depth: 8, min_leaf_rows: 1, row_sample: 1.0, column_sample: 0.5, seed: 42 }
    }
}

impl Default for LogisticRegression {
    fn default() -> Self {
        Self { l2: 1.0, max_iterations: 100 }
    }
}

impl Default for Split {
    fn default() -> Self {
        Self { test: 0.2, seed: 42 }
    }
}

impl Default for TrainingInstances {
    fn default() -> Self {
        Self { instance_type: "ml.m5.large".to_owned(), count: 1, volume_gb: 10, max_runtime_s: 3600 }
    }
}

impl Train {
    /// The columns to predict from, in order.
    pub fn features(&self) -> &[String] {
        match self {
            Self::Fit(fit) => &fit.features,
            Self::Import(import) => &import.features,
            Self::Command(command) => &command.features,
        }
    }

    /// What the evaluation must reach.
    pub fn require(&self) -> &Require {
        match self {
            Self::Fit(fit) => &fit.require,
            Self::Import(import) => &import.require,
            Self::Command(command) => &command.require,
        }
    }

    /// Whether there are rows that the model has not seen, by which it can be judged.
    pub fn is_measured(&self) -> bool {
        match self {
            Self::Fit(_) => true,
            Self::Import(import) => import.test_data.is_some(),
            Self::Command(command) => command.test_data.is_some(),
        }
    }
}
