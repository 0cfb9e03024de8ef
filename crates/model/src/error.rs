//! Why a model was refused.

use thiserror::Error;

/// Says why bytes, or parts given by a caller, are no model that can be scored.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ModelError {
    /// The first bytes belong to something else.
    #[error("neither JSON nor UBJSON, but {found}")]
    NotAModel {
        /// What the bytes look like instead.
        found: &'static str,
    },
    /// The file exceeds [`crate::MODEL_LIMIT_BYTES`].
    #[error("{bytes} bytes are more than a model file may have ({limit_bytes})")]
    TooLarge {
        /// The size of the file.
        bytes: usize,
        /// The limit.
        limit_bytes: usize,
    },
    /// The JSON text is broken.
    #[error("the JSON text is broken")]
    Json(#[from] serde_json::Error),
    /// The UBJSON bytes are broken.
    #[error("the UBJSON bytes are broken at offset {offset}: {what}")]
    Ubj {
        /// Where reading stopped.
        offset: usize,
        /// What stood there, or did not.
        what: &'static str,
    },
    /// A member that scoring needs is absent.
    #[error("`{member}` is missing")]
    Missing {
        /// Path of the member, from the top of the file.
        member: String,
    },
    /// A member holds another kind of value.
    #[error("`{member}` is not {expected}")]
    WrongType {
        /// Path of the member, from the top of the file.
        member: String,
        /// What it should be.
        expected: &'static str,
    },
    /// Two statements of the file about a length disagree.
    #[error("`{member}` has {found} entries instead of {expected}")]
    WrongLength {
        /// Path of the member, from the top of the file.
        member: String,
        /// How many entries there are.
        found: usize,
        /// How many there must be.
        expected: usize,
    },
    /// The model is of a kind whose scores are not computed here.
    #[error(transparent)]
    Unsupported(#[from] Unsupported),
    /// No features, or more than [`crate::FEATURES_LIMIT`].
    #[error("{count} features are not between 1 and {limit}")]
    FeatureCount {
        /// How many the model claims.
        count: u64,
        /// The limit.
        limit: usize,
    },
    /// A feature's name is one that `XGBoost` refuses, or stands there twice.
    #[error("feature name `{}` {why}", name.escape_debug())]
    FeatureName {
        /// The name.
        name: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The starting score of a logistic objective is no probability, or a certain one.
    #[error("base score {value} is not between 0 and 1")]
    BaseScore {
        /// The starting score.
        value: f32,
    },
    /// The start of every row's sum is infinite or not a number.
    #[error("base margin {value} is not finite")]
    BaseMargin {
        /// The start.
        value: f32,
    },
    /// A weight of a linear model is infinite or not a number.
    #[error("weight {index} is not finite")]
    Weight {
        /// Its position; the bias comes after the last feature.
        index: usize,
    },
    /// A tree is malformed.
    #[error("tree {index} is malformed")]
    Tree {
        /// Its position in the model.
        index: usize,
        /// What is wrong with it.
        source: TreeError,
    },
    /// The trees have more nodes than their index can count.
    #[error("the trees have more nodes than can be indexed")]
    TooManyNodes,
}

/// Names a kind of model that `XGBoost` knows and this crate does not score.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unsupported {
    /// For example `dart`.
    #[error("booster `{}` is not supported, only `gbtree` and `gblinear`", .0.escape_debug())]
    Booster(String),
    /// For example `rank:pairwise`.
    #[error(
        "objective `{}` is not supported, only `binary:logistic`, `binary:logitraw`, `reg:logistic` and \
         `reg:squarederror`",
        .0.escape_debug()
    )]
    Objective(String),
    /// More than one score per row.
    #[error("a model of {0} classes is not supported, only one score per row")]
    Classes(u64),
    /// More than one score per row.
    #[error("a model of {0} targets is not supported, only one score per row")]
    Targets(u64),
    /// Leaves that hold a vector.
    #[error("leaves of {0} values are not supported, only one score per row")]
    VectorLeaf(u64),
    /// A split by a set of categories.
    #[error("tree {0} splits by category, which is not supported")]
    Categorical(usize),
}

/// Says why nodes do not make a tree.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum TreeError {
    /// A tree has at least a root.
    #[error("there are no nodes")]
    Empty,
    /// A child does not exist.
    #[error("node {node} has child {child}, but there are {nodes} nodes")]
    ChildOutOfRange {
        /// The parent.
        node: usize,
        /// The child.
        child: i64,
        /// How many nodes there are.
        nodes: usize,
    },
    /// A child is a node that pruning took out.
    #[error("node {node} has child {child}, which is marked as deleted")]
    DeletedChild {
        /// The parent.
        node: usize,
        /// The child.
        child: i64,
    },
    /// `XGBoost` reads the right child behind the left one, whatever the file says, and would score otherwise than it.
    ///
    /// Source: `GetNextNode` in `src/predictor/predict_fn.h`; seen with 1.7.4 and 3.2.0.
    #[error("node {node} has children {left} and {right}, but XGBoost takes the right child to follow the left one")]
    ChildrenApart {
        /// The parent.
        node: usize,
        /// Where values below the threshold go.
        left: i64,
        /// Where all others go.
        right: i64,
    },
    /// A node is the child of two splits, or the root is the child of one.
    #[error("node {node} has more than one parent")]
    SharedNode {
        /// The child.
        node: usize,
    },
    /// The root has a parent, so that scoring would go in circles.
    #[error("the root is the child of node {parent}")]
    RootHasParent {
        /// The node that claims the root.
        parent: usize,
    },
    /// A node cannot be reached from the root.
    #[error("node {node} cannot be reached from the root")]
    Unreachable {
        /// The node.
        node: usize,
    },
    /// A leaf lies deeper than [`crate::DEPTH_LIMIT`].
    #[error("there are more than {limit} splits on the way to a leaf")]
    TooDeep {
        /// The limit.
        limit: usize,
    },
    /// A split looks at a feature that the model lacks.
    #[error("node {node} splits by feature {feature}, but there are {features} features")]
    FeatureOutOfRange {
        /// The split.
        node: usize,
        /// What it looks at.
        feature: u32,
        /// How many features there are.
        features: usize,
    },
    /// A number is infinite or not a number.
    #[error("the {what} of node {node} is not finite")]
    NotFinite {
        /// The node.
        node: usize,
        /// Which number.
        what: &'static str,
    },
}
