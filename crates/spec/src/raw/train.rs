//! What `train` may look like.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::forms::{Block, TextOr, given};
use crate::limits;

/// Where the model comes from: trained from `data`, trained elsewhere and named by `model`, or made by a `command`
/// that writes `model`.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(rename = "Train")]
pub(crate) struct RawTrain {
    /// The rows to learn from: a path to a `.csv`, `.csv.gz` or `.parquet`, an `s3://` URI, `url: …` with `sha256`,
    /// or `generate: {…}`. Default: generated.
    pub(crate) data: Option<TextOr<RawData>>,
    /// Rows to judge the model by, written like `data`. Nothing of `data` is then split off.
    pub(crate) test_data: Option<TextOr<RawData>>,
    /// The column to predict, 0 or 1. Default Class.
    pub(crate) label: Option<String>,
    /// The columns to predict from, in order; `V1..V28` is a range. Default `[V1..V28, Amount]`.
    pub(crate) features: Option<Vec<String>>,
    /// How to learn: `gradient-boosting` (the default), `random-forest` or `logistic-regression`, with or without
    /// parameters.
    pub(crate) algorithm: Option<TextOr<RawAlgorithm>>,
    /// What is held back for the evaluation, stratified by label.
    pub(crate) split: Option<RawSplit>,
    /// What the evaluation must reach before anything is deployed.
    pub(crate) require: Option<RawRequire>,
    /// Where to train: `here` (the default), or as a training job of `sagemaker`.
    #[schemars(extend("enum" = limits::ON))]
    pub(crate) on: Option<String>,
    /// The machines of a training job; only with `on: sagemaker`.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "Option<RawTrainingInstances>")]
    pub(crate) instances: Option<Block<RawTrainingInstances>>,
    /// A model trained elsewhere: XGBoost JSON, UBJ, or a model.tar.gz with one of them. With `command`: the file
    /// that it writes.
    pub(crate) model: Option<String>,
    /// A program of your own and its arguments, run in the folder of this file.
    #[schemars(length(min = 1))]
    pub(crate) command: Option<Vec<String>>,
    /// The files and folders that `command` reads: it is run again when they change.
    #[schemars(length(min = 1))]
    pub(crate) inputs: Option<Vec<String>>,
}

/// Where rows come from: one of `generate`, `path`, `url` and `s3`.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(rename = "Data")]
pub(crate) struct RawData {
    /// Made by the documented generator.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "Option<RawGenerate>")]
    pub(crate) generate: Option<Block<RawGenerate>>,
    /// `.csv`, `.csv.gz` or `.parquet`, relative to the pipeline file.
    pub(crate) path: Option<String>,
    /// `https://…`, with `sha256`.
    pub(crate) url: Option<String>,
    /// `s3://bucket/key`.
    pub(crate) s3: Option<String>,
    /// Of the file, 64 hexadecimal digits. A `url` needs it, for `s3` it is optional.
    #[schemars(regex(pattern = r"^[0-9A-Fa-f]{64}$"))]
    pub(crate) sha256: Option<String>,
}

/// Rows made by the documented generator.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(rename = "Generate")]
pub(crate) struct RawGenerate {
    /// At least 1000. Default 100000.
    #[schemars(range(min = *limits::ROWS.start(), max = *limits::ROWS.end()))]
    pub(crate) rows: Option<u64>,
    /// Default 42.
    pub(crate) seed: Option<u64>,
}

/// How to learn: one of the three.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(rename = "Algorithm")]
pub(crate) struct RawAlgorithm {
    /// The default.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "Option<RawGradientBoosting>")]
    pub(crate) gradient_boosting: Option<Block<RawGradientBoosting>>,
    /// Trees that vote, each grown on a sample of rows and columns.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "Option<RawRandomForest>")]
    pub(crate) random_forest: Option<Block<RawRandomForest>>,
    /// linfa's.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "Option<RawLogisticRegression>")]
    pub(crate) logistic_regression: Option<Block<RawLogisticRegression>>,
}

/// Parameters of gradient boosting, as XGBoost defaults them.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(rename = "GradientBoosting")]
pub(crate) struct RawGradientBoosting {
    /// Default 100.
    #[schemars(range(min = *limits::TREES.start(), max = *limits::TREES.end()))]
    pub(crate) trees: Option<i64>,
    /// Above 0, at most 1. Default 0.3.
    #[schemars(range(max = 1.0), extend("exclusiveMinimum" = 0))]
    pub(crate) learning_rate: Option<f64>,
    /// Of a tree. Default 6.
    #[schemars(range(min = *limits::DEPTH.start(), max = *limits::DEPTH.end()))]
    pub(crate) depth: Option<i64>,
    /// L1 on leaf weights. Default 0.
    #[schemars(range(min = 0.0))]
    pub(crate) l1: Option<f64>,
    /// L2 on leaf weights. Default 1.
    #[schemars(range(min = 0.0))]
    pub(crate) l2: Option<f64>,
    /// Smallest sum of hessians in a leaf. Default 1.
    #[schemars(range(min = 0.0))]
    pub(crate) min_leaf_weight: Option<f64>,
    /// Share of the rows that each tree sees. Default 1.
    #[schemars(range(max = 1.0), extend("exclusiveMinimum" = 0))]
    pub(crate) subsample: Option<f64>,
    /// Share of the columns that each tree sees. Default 1.
    #[schemars(range(max = 1.0), extend("exclusiveMinimum" = 0))]
    pub(crate) column_sample: Option<f64>,
    /// How many times a positive row counts, or `balanced`: as often as makes both classes weigh the same. Default 1.
    #[schemars(with = "Option<RawClassWeight>")]
    pub(crate) class_weight: Option<serde_yaml::Value>,
    /// Stop when rows set aside get no better. Default: grow all trees.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "Option<RawEarlyStopping>")]
    pub(crate) early_stopping: Option<Block<RawEarlyStopping>>,
    /// Features with which the score may only rise (`increasing`) or only fall (`decreasing`).
    #[schemars(with = "Option<BTreeMap<String, RawMonotone>>")]
    pub(crate) monotone: Option<BTreeMap<String, serde_yaml::Value>>,
    /// Another seed draws other rows and columns, and sets other rows aside. Default 42.
    pub(crate) seed: Option<u64>,
}

/// A number above 0, or `balanced`.
#[derive(JsonSchema)]
#[schemars(untagged, rename = "ClassWeight")]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) enum RawClassWeight {
    Positive(#[schemars(extend("exclusiveMinimum" = 0))] f64),
    Word(RawClassWeightWord),
}

/// Both classes weigh the same.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case", rename = "ClassWeightWord")]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) enum RawClassWeightWord {
    Balanced,
}

/// When to stop adding trees.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(rename = "EarlyStopping")]
pub(crate) struct RawEarlyStopping {
    /// Trees in a row without a better log loss on the rows set aside. Default 10.
    #[schemars(range(min = *limits::EARLY_STOPPING_ROUNDS.start(), max = *limits::EARLY_STOPPING_ROUNDS.end()))]
    pub(crate) rounds: Option<i64>,
    /// Share of the training rows that is set aside. Default 0.1.
    #[schemars(range(min = *limits::VALIDATION_SHARE.start(), max = *limits::VALIDATION_SHARE.end()))]
    pub(crate) validation: Option<f64>,
}

/// How the score may follow a feature.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case", rename = "Monotone")]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) enum RawMonotone {
    Increasing,
    Decreasing,
}

/// Parameters of a random forest.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(rename = "RandomForest")]
pub(crate) struct RawRandomForest {
    /// Default 100.
    #[schemars(range(min = *limits::FOREST_TREES.start(), max = *limits::FOREST_TREES.end()))]
    pub(crate) trees: Option<i64>,
    /// Of a tree. Default 8.
    #[schemars(range(min = *limits::FOREST_DEPTH.start(), max = *limits::FOREST_DEPTH.end()))]
    pub(crate) depth: Option<i64>,
    /// Fewest rows in a leaf. Default 1.
    #[schemars(range(min = *limits::MIN_LEAF_ROWS.start(), max = *limits::MIN_LEAF_ROWS.end()))]
    pub(crate) min_leaf_rows: Option<i64>,
    /// How many rows are drawn for each tree, with replacement, as a share of all. Default 1.
    #[schemars(range(max = 1.0), extend("exclusiveMinimum" = 0))]
    pub(crate) row_sample: Option<f64>,
    /// Share of the columns that each tree sees. Default 0.5.
    #[schemars(range(max = 1.0), extend("exclusiveMinimum" = 0))]
    pub(crate) column_sample: Option<f64>,
    /// Another seed draws other rows and columns. Default 42.
    pub(crate) seed: Option<u64>,
}

/// Parameters of logistic regression.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(rename = "LogisticRegression")]
pub(crate) struct RawLogisticRegression {
    /// L2. Default 1.
    #[schemars(range(min = 0.0))]
    pub(crate) l2: Option<f64>,
    /// Default 100.
    #[schemars(range(min = *limits::MAX_ITERATIONS.start(), max = *limits::MAX_ITERATIONS.end()))]
    pub(crate) max_iterations: Option<i64>,
}

/// What is held back for the evaluation, stratified by label.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(rename = "Split")]
pub(crate) struct RawSplit {
    /// Share held back. Default 0.2.
    #[schemars(range(min = *limits::TEST_SHARE.start(), max = *limits::TEST_SHARE.end()))]
    pub(crate) test: Option<f64>,
    /// Default 42.
    pub(crate) seed: Option<u64>,
}

/// What the evaluation must reach before anything is deployed.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(rename = "Require")]
pub(crate) struct RawRequire {
    /// Area under the precision-recall curve: at least.
    #[schemars(range(min = *limits::SHARE.start(), max = *limits::SHARE.end()))]
    pub(crate) average_precision: Option<f64>,
    /// Area under the receiver operating characteristic: at least.
    #[schemars(range(min = *limits::SHARE.start(), max = *limits::SHARE.end()))]
    pub(crate) roc_auc: Option<f64>,
    /// Share of the decisions that are right, at the threshold: at least.
    #[schemars(range(min = *limits::SHARE.start(), max = *limits::SHARE.end()))]
    pub(crate) precision: Option<f64>,
    /// Share of the positive rows that are found, at the threshold: at least.
    #[schemars(range(min = *limits::SHARE.start(), max = *limits::SHARE.end()))]
    pub(crate) recall: Option<f64>,
    /// Harmonic mean of precision and recall, at the threshold: at least.
    #[schemars(range(min = *limits::SHARE.start(), max = *limits::SHARE.end()))]
    pub(crate) f1: Option<f64>,
    /// Mean negative logarithm of the probability given to what was true: at most.
    #[schemars(range(min = 0.0))]
    pub(crate) log_loss: Option<f64>,
    /// Mean squared difference of score and truth: at most.
    #[schemars(range(min = *limits::SHARE.start(), max = *limits::SHARE.end()))]
    pub(crate) brier_score: Option<f64>,
    /// How far average precision may be below that of the live model.
    #[schemars(range(min = *limits::SHARE.start(), max = *limits::SHARE.end()))]
    pub(crate) not_worse_than_live: Option<f64>,
}

/// The machines of a training job.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(rename = "TrainingInstances")]
pub(crate) struct RawTrainingInstances {
    /// Default ml.m5.large.
    pub(crate) r#type: Option<String>,
    /// Default 1.
    #[schemars(range(min = *limits::INSTANCES.start(), max = *limits::INSTANCES.end()))]
    pub(crate) count: Option<i64>,
    /// Disk of each. Default 10.
    #[schemars(range(min = *limits::VOLUME_GB.start(), max = *limits::VOLUME_GB.end()))]
    pub(crate) volume_gb: Option<i64>,
    /// The job is stopped after this time. Default 3600.
    #[schemars(range(min = *limits::TRAINING_S.start(), max = *limits::TRAINING_S.end()))]
    pub(crate) max_runtime_s: Option<i64>,
}
