//! Grows tree after tree, each on what those before it leave to explain.
//!
//! `forust-ml` bins the values and grows the trees; its own loop around that is not used, since it offers no place to
//! hold a tree to monotone bounds before the next one is grown, and takes its validation loss from rounded scores.

use forust_ml::Matrix;
use forust_ml::binning::{BinnedData, TiledBins, bin_matrix};
use forust_ml::constraints::ConstraintMap;
use forust_ml::gradientbooster::GrowPolicy;
use forust_ml::sampler::SampleMethod;
use forust_ml::splitter::MissingImputerSplitter;
use forust_ml::tree::{Tree, TreeRows, split_bins};
use ndarray::Array1;
use rayon::prelude::*;

use super::curve::{is_point, log_loss};
use super::{Boosted, ClassWeight, GradientBoosting, START_MARGIN, columns, monotone};
use crate::LearningCurve;
use crate::engine::{EngineError, Rows, draw_columns};
use crate::generate::Random;

/// Bins of a feature, as many as `XGBoost` makes.
const BINS: u16 = 256;

/// Rows whose gradients one task computes.
const CHUNK_ROWS: usize = 16_384;

/// Least hessian of a row, as in `XGBoost`.
const LEAST_HESSIAN: f64 = 1e-16;

/// Grows trees until there are enough, or the validation rows have gained nothing for too long.
pub(super) fn grow(
    parameters: &GradientBoosting,
    constraints: ConstraintMap,
    rows: &Rows,
    validation: Option<&Rows>,
) -> Result<Boosted, EngineError> {
    let labels = contiguous(rows.targets());
    let positive = positive_weight(parameters.class_weight, &labels);
    // Unweighted, since XGBoost's bins do not heed `scale_pos_weight` either.
    let binned = columns(rows.records(), |it| bin_matrix(it, &vec![1.0; it.rows], BINS, f64::NAN, true))?;
    let bins = Matrix::new(&binned.binned_data, rows.records().nrows(), rows.records().ncols());
    let mut round = Round::new(parameters, constraints, &binned, &bins);
    let mut watch = Watch::new(parameters, validation);
    let mut margins = vec![START_MARGIN; labels.len()];
    let (mut trees, mut curve) = (Vec::new(), LearningCurve::default());
    for number in 1..=parameters.trees {
        let tree = round.grow(&labels, positive, &mut margins);
        let enough = watch.look(number, &tree, positive);
        trees.push(tree);
        if enough || is_point(number, parameters.trees) {
            curve.trees.push(number);
            curve.train_log_loss.push(log_loss(&labels, &margins, positive));
        }
        if enough {
            break;
        }
    }
    curve.best = watch.best().unwrap_or(parameters.trees);
    curve.validation_log_loss = watch.at(&curve.trees);
    trees.truncate(curve.best as usize);
    Ok(Boosted { trees, curve })
}

/// Adds a tree's values for rows to their margins.
pub(super) fn add_values(tree: &Tree, rows: &Matrix<f64>, margins: &mut [f64]) {
    let values = tree.predict(rows, true, &f64::NAN);
    margins.iter_mut().zip(values).for_each(|(margin, value)| *margin += value);
}

fn contiguous(labels: &Array1<bool>) -> Vec<bool> {
    labels.iter().copied().collect()
}

fn positive_weight(weight: ClassWeight, labels: &[bool]) -> f64 {
    let positives = labels.iter().filter(|it| **it).count();
    match weight {
        ClassWeight::Positive(weight) => weight.into(),
        ClassWeight::Balanced => (labels.len() - positives) as f64 / positives.max(1) as f64,
    }
}

/// What it takes to grow one tree, used again for each.
struct Round<'a> {
    parameters: &'a GradientBoosting,
    splitter: MissingImputerSplitter,
    binned: &'a BinnedData<f64>,
    bins: &'a Matrix<'a, u16>,
    tiles: TiledBins,
    random: Random,
    gradients: Vec<f32>,
    hessians: Vec<f32>,
}

impl<'a> Round<'a> {
    fn new(
        parameters: &'a GradientBoosting,
        constraints: ConstraintMap,
        binned: &'a BinnedData<f64>,
        bins: &'a Matrix<'a, u16>,
    ) -> Self {
        let splitter = MissingImputerSplitter {
            l1: parameters.l1,
            l2: parameters.l2,
            max_delta_step: 0.0,
            gamma: 0.0,
            min_leaf_weight: parameters.min_leaf_weight,
            learning_rate: parameters.learning_rate,
            allow_missing_splits: true,
            constraints_map: constraints,
        };
        Self {
            parameters,
            splitter,
            binned,
            bins,
            tiles: TiledBins::new(bins, &binned.cuts, true),
            random: Random::new(*b"boosting", parameters.seed),
            gradients: vec![0.0; bins.rows],
            hessians: vec![0.0; bins.rows],
        }
    }

    /// Grows a tree on what the margins leave to explain, and adds its values to them.
    fn grow(&mut self, labels: &[bool], positive: f64, margins: &mut [f64]) -> Tree {
        self.derive(labels, positive, margins);
        let (chosen, left_out) = self.draw_rows();
        let method = if left_out.is_empty() { SampleMethod::None } else { SampleMethod::Random };
        let columns = draw_columns(&mut self.random, self.bins.cols, self.parameters.column_sample);
        let mut tree = Tree::new();
        let places = tree.fit_with_tiles(
            self.bins,
            chosen,
            &columns,
            &self.binned.cuts,
            &self.gradients,
            &self.hessians,
            &self.splitter,
            usize::MAX,
            self.parameters.depth.into(),
            true,
            &method,
            &GrowPolicy::DepthWise,
            Some(&self.tiles),
        );
        monotone::enforce(&mut tree, &self.splitter.constraints_map);
        self.add(&tree, places, &left_out, margins);
        tree
    }

    /// Computes the first and second derivative of each row's loss.
    fn derive(&mut self, labels: &[bool], positive: f64, margins: &[f64]) {
        let rows = labels.par_chunks(CHUNK_ROWS).zip(margins.par_chunks(CHUNK_ROWS));
        let derivatives =
            self.gradients.par_chunks_mut(CHUNK_ROWS).zip(self.hessians.par_chunks_mut(CHUNK_ROWS)).zip(rows);
        derivatives.for_each(|((gradients, hessians), (labels, margins))| {
            for (row, margin) in margins.iter().enumerate() {
                let score = 1.0 / (1.0 + (-margin).exp());
                let (aim, weight) = if labels[row] { (1.0, positive) } else { (0.0, 1.0) };
                gradients[row] = ((score - aim) * weight) as f32;
                hessians[row] = ((score * (1.0 - score)).max(LEAST_HESSIAN) * weight) as f32;
            }
        });
    }

    /// Chooses each row by itself, as `XGBoost` does: the rows to grow a tree on, then the others.
    fn draw_rows(&mut self) -> (Vec<usize>, Vec<usize>) {
        /// An f32 share is a whole number of these.
        const PARTS: u64 = 1 << 32;
        let share = self.parameters.subsample;
        if share >= 1.0 {
            return (self.bins.index.clone(), Vec::new());
        }
        #[expect(clippy::cast_sign_loss, reason = "a share is above 0")]
        let limit = (f64::from(share) * PARTS as f64) as u64;
        self.bins.index.iter().partition(|_| self.random.below(PARTS) < limit)
    }

    /// Adds to each margin the value of the leaf where growing put the row; the other rows walk down the tree.
    fn add(&self, tree: &Tree, places: Option<TreeRows>, left_out: &[usize], margins: &mut [f64]) {
        let split_bins = split_bins(tree, &self.binned.cuts);
        let value =
            |row: usize| tree.predict_row_from_bins(|feature| *self.bins.get(row, feature), &split_bins, 0, &f64::NAN);
        let Some(places) = places else {
            margins.par_iter_mut().enumerate().for_each(|(row, margin)| *margin += value(row));
            return;
        };
        for (rows, value) in places.leaves(tree) {
            for row in rows {
                margins[*row] += value;
            }
        }
        let values: Vec<f64> = left_out.par_iter().map(|row| value(*row)).collect();
        left_out.iter().zip(values).for_each(|(row, value)| margins[*row] += value);
    }
}

/// Looks at the validation rows after each tree.
struct Watch<'a> {
    rows: Option<(&'a Rows, Vec<bool>, Vec<f64>)>,
    rounds: u32,
    losses: Vec<f64>,
}

impl<'a> Watch<'a> {
    fn new(parameters: &GradientBoosting, rows: Option<&'a Rows>) -> Self {
        let rows = rows.map(|it| (it, contiguous(it.targets()), vec![START_MARGIN; it.targets().len()]));
        let rounds = parameters.early_stopping.map_or(u32::MAX, |it| it.rounds);
        Self { rows, rounds, losses: Vec::new() }
    }

    /// Takes note of a tree, and says whether the loss has been getting no better for long enough.
    fn look(&mut self, number: u32, tree: &Tree, positive: f64) -> bool {
        let Some((rows, labels, margins)) = &mut self.rows else { return false };
        columns(rows.records(), |matrix| add_values(tree, matrix, margins));
        self.losses.push(log_loss(labels, margins, positive));
        self.best().is_some_and(|best| number - best >= self.rounds)
    }

    /// The number of trees that reached the least loss, the fewest if several did.
    fn best(&self) -> Option<u32> {
        let least = (0..self.losses.len()).min_by(|a, b| self.losses[*a].total_cmp(&self.losses[*b]))?;
        Some(least as u32 + 1)
    }

    fn at(&self, numbers: &[u32]) -> Option<Vec<f64>> {
        self.rows.as_ref().map(|_| numbers.iter().map(|number| self.losses[*number as usize - 1]).collect())
    }
}
