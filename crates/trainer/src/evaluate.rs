//! How good scores are: pure functions over labels and scores, with scikit-learn's definitions.

use serde::{Deserialize, Serialize};

/// Rows by score, highest first, as counts of (positives, negatives) that share a score.
struct Ranking {
    ties: Vec<(u64, u64)>,
    positives: u64,
    negatives: u64,
}

/// What a model reaches on rows that it has not seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Metrics {
    /// 0 to 1.
    pub average_precision: f64,
    /// 0 to 1; 0.5 is chance.
    pub roc_auc: f64,
    /// At least 0, natural logarithm; less is better.
    pub log_loss: f64,
    /// 0 to 1; less is better.
    pub brier_score: f64,
    /// What deciding at the threshold would do.
    pub at_threshold: AtThreshold,
}

/// What deciding at a threshold does. A ratio of nothing to nothing is 0, as in scikit-learn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct AtThreshold {
    /// A row is called positive when its score is at least this.
    pub threshold: f64,
    /// Called positive, and are.
    pub true_positives: u64,
    /// Called positive, and are not.
    pub false_positives: u64,
    /// Called negative, and are.
    pub true_negatives: u64,
    /// Called negative, and are not.
    pub false_negatives: u64,
    /// Share of those called positive that are.
    pub precision: f64,
    /// Share of the positives that are called so.
    pub recall: f64,
    /// Harmonic mean of precision and recall.
    pub f1: f64,
}

/// Measures everything at once.
pub fn measure(labels: &[bool], scores: &[f64], threshold: f64) -> Metrics {
    Metrics {
        average_precision: average_precision(labels, scores),
        roc_auc: roc_auc(labels, scores),
        log_loss: log_loss(labels, scores),
        brier_score: brier_score(labels, scores),
        at_threshold: at_threshold(labels, scores, threshold),
    }
}

/// Sums precision over the steps in recall, rows of equal score being one step; no interpolation.
///
/// 0 when there are no positives.
pub fn average_precision(labels: &[bool], scores: &[f64]) -> f64 {
    let ranking = Ranking::new(labels, scores);
    let (mut found, mut called, mut sum) = (0, 0, 0.0);
    for (positives, negatives) in ranking.ties {
        found += positives;
        called += positives + negatives;
        sum += positives as f64 * (found as f64 / called as f64);
    }
    ratio(sum, ranking.positives as f64)
}

/// Gives the share of pairs of a positive and a negative in which the positive scores higher, ties counting half.
///
/// NaN would be the answer of scikit-learn when a class is absent; here it is 0, which JSON can hold.
pub fn roc_auc(labels: &[bool], scores: &[f64]) -> f64 {
    let ranking = Ranking::new(labels, scores);
    let (mut found, mut area) = (0, 0.0);
    for (positives, negatives) in ranking.ties {
        area += negatives as f64 * (found as f64 + positives as f64 / 2.0);
        found += positives;
    }
    ratio(area, ranking.positives as f64 * ranking.negatives as f64)
}

/// Averages the negative logarithm of the probability given to what is true.
///
/// Probabilities are held away from 0 and 1 by `f64::EPSILON`, as scikit-learn does, so that it stays finite.
pub fn log_loss(labels: &[bool], scores: &[f64]) -> f64 {
    mean(labels, scores, |label, score| {
        let probability = if label { score } else { 1.0 - score };
        -probability.clamp(f64::EPSILON, 1.0 - f64::EPSILON).ln()
    })
}

/// Averages the squared distance between score and label.
pub fn brier_score(labels: &[bool], scores: &[f64]) -> f64 {
    mean(labels, scores, |label, score| (score - f64::from(u8::from(label))).powi(2))
}

/// Counts what deciding at a threshold would do; a score equal to the threshold is positive.
pub fn at_threshold(labels: &[bool], scores: &[f64], threshold: f64) -> AtThreshold {
    let count = |label: bool, called: bool| {
        let rows = labels.iter().zip(scores);
        rows.filter(|(is, score)| (**is, **score >= threshold) == (label, called)).count() as u64
    };
    let (true_positives, false_positives) = (count(true, true), count(false, true));
    let (true_negatives, false_negatives) = (count(false, false), count(true, false));
    let found = true_positives as f64;
    AtThreshold {
        threshold,
        true_positives,
        false_positives,
        true_negatives,
        false_negatives,
        precision: ratio(found, (true_positives + false_positives) as f64),
        recall: ratio(found, (true_positives + false_negatives) as f64),
        f1: ratio(2.0 * found, (2 * true_positives + false_positives + false_negatives) as f64),
    }
}

impl Ranking {
    fn new(labels: &[bool], scores: &[f64]) -> Self {
        let mut rows: Vec<(f64, bool)> = scores.iter().copied().zip(labels.iter().copied()).collect();
        rows.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
        let ties = rows.chunk_by(|a, b| a.0.total_cmp(&b.0).is_eq()).map(|tie| {
            let positives = tie.iter().filter(|(_, label)| *label).count();
            (positives as u64, (tie.len() - positives) as u64)
        });
        let ties: Vec<_> = ties.collect();
        let positives = ties.iter().map(|it| it.0).sum();
        let negatives = ties.iter().map(|it| it.1).sum();
        Self { ties, positives, negatives }
    }
}

fn mean(labels: &[bool], scores: &[f64], loss: impl Fn(bool, f64) -> f64) -> f64 {
    let sum: f64 = labels.iter().zip(scores).map(|(label, score)| loss(*label, *score)).sum();
    ratio(sum, labels.len() as f64)
}

fn ratio(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn near(actual: f64, expected: f64) {
        assert!((actual - expected).abs() < 1e-12, "{actual} should be {expected}");
    }

    const LABELS: [bool; 8] = [true, false, true, true, false, false, true, false];
    /// A tie of two positives and one negative, and a score of exactly 0 and 1.
    const SCORES: [f64; 8] = [0.9, 0.8, 0.5, 0.5, 0.5, 0.1, 0.0, 1.0];

    #[test]
    fn average_precision_counts_a_tie_as_one_step() {
        // Steps: 1.0 (0 of 1), 0.9 (1 of 2), 0.8, the tie (3 of 6), 0.1, 0.0 (4 of 8).
        near(average_precision(&LABELS, &SCORES), 0.25 * 0.5 + 0.5 * 0.5 + 0.25 * 0.5);
    }

    #[test]
    fn roc_auc_counts_a_tied_pair_half() {
        // Negatives below 0.9: three; below 0.5: one, and one tied, twice over; below 0: none. Of sixteen pairs.
        near(roc_auc(&LABELS, &SCORES), (3.0 + 1.5 + 1.5 + 0.0) / 16.0);
    }

    #[test]
    fn certainty_that_is_wrong_costs_much_and_not_infinitely() {
        near(log_loss(&[true, false], &[0.8, 0.4]), -(0.8_f64.ln() + 0.6_f64.ln()) / 2.0);
        near(log_loss(&[true], &[0.0]), 36.043_653_389_117_15);
        assert!(log_loss(&[true], &[1.0]) < 1e-15);
    }

    #[test]
    fn the_brier_score_is_the_mean_squared_error() {
        near(brier_score(&[true, false], &[0.8, 0.4]), 0.1);
    }

    #[test]
    fn a_score_equal_to_the_threshold_is_positive() {
        let at = at_threshold(&LABELS, &SCORES, 0.5);
        let counts = (at.true_positives, at.false_positives, at.true_negatives, at.false_negatives);
        assert_eq!(counts, (3, 3, 1, 1));
        near(at.precision, 0.5);
        near(at.recall, 0.75);
        near(at.f1, 0.6);
    }

    #[test]
    fn ratios_of_nothing_are_zero_and_never_nan() {
        let at = at_threshold(&[false], &[0.1], 0.5);
        assert_eq!((at.precision, at.recall, at.f1), (0.0, 0.0, 0.0));
        assert_eq!((average_precision(&[false], &[0.1]), roc_auc(&[false], &[0.1])), (0.0, 0.0));
        assert_eq!((log_loss(&[], &[]), brier_score(&[], &[])), (0.0, 0.0));
    }

    proptest! {
        #[test]
        fn roc_auc_is_the_share_of_pairs_in_order(rows in prop::collection::vec((any::<bool>(), 0_u8..6), 1..40)) {
            let (labels, scores): (Vec<bool>, Vec<f64>) = rows.iter().map(|(l, s)| (*l, f64::from(*s) / 5.0)).unzip();
            let of = |label: bool| rows.iter().filter(move |it| it.0 == label).map(|it| it.1);
            let pairs: Vec<_> = of(true).flat_map(|p| of(false).map(move |n| p.cmp(&n))).collect();
            let won: f64 = pairs.iter().map(|it| f64::from(*it as i8 + 1) / 2.0).sum();
            prop_assert!((roc_auc(&labels, &scores) - ratio(won, pairs.len() as f64)).abs() < 1e-12);
        }
    }
}
