//! A random forest of linfa's decision trees, whose score is the share of trees that vote for the positive class.

mod ranks;
mod vote;

use linfa::ParamGuard;
use linfa::dataset::DatasetBase;
use linfa::traits::{Fit, PredictInplace};
use linfa_trees::DecisionTreeParams;
use model::Model;
use ndarray::{Array1, Array2, ArrayView1, ShapeBuilder};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use self::ranks::Ranks;
use self::vote::VotingTree;
use super::{EngineError, Fitted, Rows, draw_columns, on_threads, refuse_missing, within};
use crate::generate::Random;

/// What messages call it.
pub(crate) const NAME: &str = "a random forest";

/// Parameters of a random forest.
///
/// linfa looks at every sampled row once for each node and each drawn feature, so time grows with rows, features and
/// nodes: 0.8 processor seconds per tree at 100,000 rows of 29 features with the default parameters, which is less than
/// a minute for a default forest on two processors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct RandomForest {
    /// 1 to 1,000.
    pub trees: u32,
    /// 1 to 32.
    pub depth: u8,
    /// Fewest rows in a leaf, one drawn twice counting twice; 1 to 1,000,000.
    pub min_leaf_rows: u32,
    /// How many rows are drawn for each tree, with replacement, as a share of all; above 0, at most 1.
    pub row_sample: f32,
    /// Share of the features that each tree may split on, drawn anew for each, one at least; above 0, at most 1.
    pub column_sample: f32,
    /// Another seed draws other rows and features.
    pub seed: u64,
}

impl Default for RandomForest {
    fn default() -> Self {
        Self { trees: 100, depth: 8, min_leaf_rows: 1, row_sample: 1.0, column_sample: 0.5, seed: 42 }
    }
}

/// What a split must take off a node's impurity: next to nothing, so that linfa does not stop where a class is rare.
const LEAST_DECREASE: f64 = 1e-7;

/// Parameters in their ranges, with the number of threads to use.
#[derive(Debug)]
pub(crate) struct Checked {
    parameters: RandomForest,
    /// Names of the columns.
    features: Vec<String>,
    /// None: one per processor.
    threads: Option<usize>,
}

/// Parameters that nobody has looked at, and the features' names for what there is to say about them.
#[derive(Debug)]
pub(crate) struct Unchecked(Checked);

impl Unchecked {
    pub(crate) fn new(parameters: RandomForest, features: &[String]) -> Self {
        Self(Checked { parameters, features: features.to_vec(), threads: None })
    }
}

impl ParamGuard for Unchecked {
    type Checked = Checked;
    type Error = EngineError;

    fn check_ref(&self) -> Result<&Checked, EngineError> {
        let RandomForest { trees, depth, min_leaf_rows, row_sample, column_sample, .. } = self.0.parameters;
        within("trees", trees.into(), (1..=1_000).contains(&trees), "1 to 1,000")?;
        within("depth", depth.into(), (1..=32).contains(&depth), "1 to 32")?;
        within("min-leaf-rows", min_leaf_rows.into(), (1..=1_000_000).contains(&min_leaf_rows), "1 to 1,000,000")?;
        for (name, share) in [("row-sample", row_sample), ("column-sample", column_sample)] {
            within(name, share.into(), share > 0.0 && share <= 1.0, "above 0 and at most 1")?;
        }
        Ok(&self.0)
    }

    fn check(self) -> Result<Checked, EngineError> {
        self.check_ref()?;
        Ok(self.0)
    }
}

impl Fit<Array2<f64>, Array1<bool>, EngineError> for Checked {
    type Object = Forest;

    fn fit(&self, rows: &Rows) -> Result<Forest, EngineError> {
        refuse_missing(NAME, "rows to train on", rows.records(), &self.features)?;
        let trees: Vec<Result<VotingTree, EngineError>> = on_threads(self.threads, || {
            let ranks: Vec<Ranks> = (0..rows.records().ncols())
                .into_par_iter()
                .map(|column| Ranks::of(rows.records().column(column)))
                .collect();
            // One at a time for each thread: collecting by blocks would let a slow tree hold up others.
            let numbers: Vec<u32> = (0..self.parameters.trees).collect();
            numbers.par_iter().with_max_len(1).map(|number| self.grow(*number, &ranks, rows.targets())).collect()
        });
        Ok(Forest { trees: trees.into_iter().collect::<Result<_, _>>()? })
    }
}

impl Checked {
    /// Grows one tree; what it draws depends on the seed and its number alone.
    fn grow(&self, number: u32, ranks: &[Ranks], labels: &Array1<bool>) -> Result<VotingTree, EngineError> {
        let [a, b, c, d] = number.to_le_bytes();
        let mut random = Random::new([b't', b'r', b'e', b'e', a, b, c, d], self.parameters.seed);
        let (sample, weights) = self.draw_rows(&mut random, labels.len());
        let columns = draw_columns(&mut random, ranks.len(), self.parameters.column_sample);
        let values = columns.iter().flat_map(|column| sample.iter().map(|row| ranks[*column].of_row(*row)));
        #[expect(clippy::expect_used, reason = "the iterator gives a value for each column and row")]
        let records = Array2::from_shape_vec((sample.len(), columns.len()).f(), values.collect())
            .expect("as many values as cells");
        let targets: Array1<bool> = sample.iter().map(|row| labels[*row]).collect();
        let dataset = DatasetBase::new(records, targets).with_weights(weights);
        let parameters = DecisionTreeParams::<f64, bool>::new()
            .max_depth(Some(self.parameters.depth.into()))
            .min_weight_leaf(self.parameters.min_leaf_rows as f32)
            .min_impurity_decrease(LEAST_DECREASE);
        let fitted = parameters.fit(&dataset)?;
        Ok(VotingTree::of(&fitted, &dataset, |column, threshold| {
            (columns[column], ranks[columns[column]].threshold(threshold))
        }))
    }

    /// Draws with replacement: the rows that were drawn, ascending, and how often each was.
    fn draw_rows(&self, random: &mut Random, rows: usize) -> (Vec<usize>, Array1<f32>) {
        #[expect(clippy::cast_sign_loss, reason = "a share of a count is no less than 0")]
        let draws = ((rows as f64 * f64::from(self.parameters.row_sample)).round() as usize).max(1);
        let mut times = vec![0_u32; rows];
        for _ in 0..draws {
            times[random.below(rows as u64) as usize] += 1;
        }
        let sample: Vec<usize> = (0..rows).filter(|row| times[*row] > 0).collect();
        let weights = sample.iter().map(|row| times[*row] as f32).collect();
        (sample, weights)
    }
}

/// Fitted trees, one vote each. Predicts the share of the votes.
pub(crate) struct Forest {
    trees: Vec<VotingTree>,
}

impl PredictInplace<Array2<f64>, Array1<f64>> for Forest {
    fn predict_inplace(&self, rows: &Array2<f64>, scores: &mut Array1<f64>) {
        let of_row = |row: ArrayView1<f64>| {
            let votes = self.trees.iter().filter(|tree| tree.vote(row)).count();
            votes as f64 / self.trees.len() as f64
        };
        *scores = (0..rows.nrows()).into_par_iter().map(|row| of_row(rows.row(row))).collect::<Vec<_>>().into();
    }

    fn default_target(&self, rows: &Array2<f64>) -> Array1<f64> {
        Array1::zeros(rows.nrows())
    }
}

impl Fitted for Forest {
    /// Writes a vote as a leaf of one share, a vote against as 0: the sum of the leaves is the score.
    ///
    /// Logits would not do: a share of none or all has none, and those of single trees do not add up to that of the
    /// share. The shares are whole numbers of 2^-24 that add up to 1, so that every sum of them is an exact f32, at
    /// most 1, in whatever order a release of `XGBoost` adds them; each is less than 2^-24 off.
    fn export(&self, features: &[String]) -> Result<Model, EngineError> {
        const WHOLE: u64 = 1 << 24;
        let count = self.trees.len() as u64;
        let up_to = |tree: u64| tree * WHOLE / count;
        let trees = self.trees.iter().zip(0..).map(|(tree, number)| {
            let share = (up_to(number + 1) - up_to(number)) as f32 / WHOLE as f32;
            tree.export(share)
        });
        Ok(Model::added(features, trees.collect::<Result<_, _>>()?)?)
    }
}

#[cfg(test)]
mod tests;
