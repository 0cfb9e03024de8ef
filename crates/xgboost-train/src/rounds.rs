//! What each round of boosting came to, and where it should have stopped.
//!
//! Trees are grown one after the other, and none of them depends on later ones. So the losses can be measured, and the
//! trees after the best one dropped, when all are there: the model is the one that stopping in time would have given.

use model::{Model, ModelError};
use trainer::Table;

/// Probabilities are held away from 0 and 1 by this, as `XGBoost`'s `logloss` does.
const EPSILON: f32 = 1e-16;

/// Where boosting stops, rounds counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stop {
    /// The round with the least loss.
    pub(crate) best: usize,
    /// How many rounds are run, those without a better loss included.
    pub(crate) rounds: usize,
}

/// The log loss on each of the sets after each round.
pub(crate) fn curves<'a>(model: &Model, sets: &[(&'a str, &Table)]) -> Result<Vec<(&'a str, Vec<f64>)>, ModelError> {
    let names = model.feature_names();
    // Models of one tree add up to the model bit for bit, and leave the walk through a tree to where it is known.
    let trees = model.trees().iter().map(|tree| Model::boosted(names, 0.0, vec![tree.clone()]));
    let trees = trees.collect::<Result<Vec<_>, _>>()?;
    Ok(sets.iter().map(|(name, table)| (*name, losses(&trees, table))).collect())
}

fn losses(trees: &[Model], table: &Table) -> Vec<f64> {
    let mut sums = vec![0.0; trees.len()];
    for (index, label) in table.labels().iter().enumerate() {
        let row = table.row(index);
        let mut margin = 0.0_f32;
        for (sum, tree) in sums.iter_mut().zip(trees) {
            margin += tree.margin(&row);
            *sum += f64::from(loss(margin, *label));
        }
    }
    sums.into_iter().map(|sum| sum / table.len() as f64).collect()
}

fn loss(margin: f32, label: bool) -> f32 {
    let score = 1.0 / (1.0 + (-margin).exp());
    let probability = if label { score } else { 1.0 - score };
    -probability.max(EPSILON).ln()
}

/// Where boosting stops when `patience` rounds in a row bring no better loss.
pub(crate) fn stop(losses: &[f64], patience: usize) -> Stop {
    let (mut best, mut least) = (0, f64::INFINITY);
    for (round, loss) in losses.iter().enumerate() {
        if *loss < least {
            (best, least) = (round, *loss);
        } else if round - best >= patience {
            return Stop { best, rounds: round + 1 };
        }
    }
    Stop { best, rounds: losses.len() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boosting_stops_after_so_many_rounds_without_a_better_loss() {
        let losses = [0.6, 0.5, 0.4, 0.41, 0.4, 0.45, 0.1];
        assert_eq!(stop(&losses, 3), Stop { best: 2, rounds: 6 });
        assert_eq!(stop(&losses, 4), Stop { best: 6, rounds: 7 });
        assert_eq!(stop(&losses[..5], 3), Stop { best: 2, rounds: 5 });
        assert_eq!(stop(&[0.5], 1), Stop { best: 0, rounds: 1 });
    }
}
