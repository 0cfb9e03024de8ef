//! How good scores are: pure functions over the scores of test rows, with scikit-learn's definitions.

use serde::{Deserialize, Serialize};

use crate::Scores;

/// The 97.5 % quantile of the normal distribution: two-sided intervals of 95 %.
const Z: f64 = 1.959_963_984_540_054;

/// What is left on either side of an interval of 95 %.
const TAIL: f64 = 0.025;

/// What a model reaches on rows that it has not seen, whatever the threshold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Metrics {
    /// 0 to 1.
    pub average_precision: f64,
    /// Where average precision would lie on 95 of 100 test sets like this one; see [`average_precision_interval`].
    pub average_precision_interval: [f64; 2],
    /// 0 to 1; 0.5 is chance.
    pub roc_auc: f64,
    /// At least 0, natural logarithm; less is better. None when the scores are no probabilities.
    pub log_loss: Option<f64>,
    /// 0 to 1; less is better. None when the scores are no probabilities.
    pub brier_score: Option<f64>,
}

/// Measures everything at once.
pub fn measure(scores: &Scores) -> Metrics {
    let average_precision = average_precision(scores);
    let positives = scores.positives().len();
    Metrics {
        average_precision,
        average_precision_interval: average_precision_interval(average_precision, positives),
        roc_auc: roc_auc(scores),
        log_loss: log_loss(scores),
        brier_score: brier_score(scores),
    }
}

/// Sums precision over the steps in recall, rows of equal score being one step; no interpolation.
///
/// 0 when there are no positives.
pub fn average_precision(scores: &Scores) -> f64 {
    let (mut found, mut sum) = (0, 0.0);
    for step in scores.steps() {
        let precision = step.true_positives as f64 / (step.true_positives + step.false_positives) as f64;
        sum += (step.true_positives - found) as f64 * precision;
        found = step.true_positives;
    }
    ratio(sum, scores.positives().len() as f64)
}

/// Gives the 95 % logit interval of an average precision reached on so many positives.
///
/// By Boyd, Eng and Page, "Area under the precision-recall curve: point estimates and confidence intervals" (2013). At
/// 0 and 1 the logit is infinite; there it is the exact binomial interval of as many trials as there are positives,
/// which without any is everything from 0 to 1.
pub fn average_precision_interval(average_precision: f64, positives: usize) -> [f64; 2] {
    let positives = positives as f64;
    let spread = positives * average_precision * (1.0 - average_precision);
    if spread > 0.0 {
        let logit = (average_precision / (1.0 - average_precision)).ln();
        return [-1.0, 1.0].map(|side| 1.0 / (1.0 + (-(logit + side * Z / spread.sqrt())).exp()));
    }
    let bound = TAIL.powf(1.0 / positives);
    if average_precision > 0.5 { [bound, 1.0] } else { [0.0, 1.0 - bound] }
}

/// Gives the share of pairs of a positive and a negative in which the positive scores higher, ties counting half.
///
/// NaN would be the answer of scikit-learn when a class is absent; here it is 0, which JSON can hold.
pub fn roc_auc(scores: &Scores) -> f64 {
    let (mut found, mut alarms, mut area) = (0, 0, 0.0);
    for step in scores.steps() {
        let negatives = (step.false_positives - alarms) as f64;
        area += negatives * (step.true_positives + found) as f64 / 2.0;
        (found, alarms) = (step.true_positives, step.false_positives);
    }
    ratio(area, found as f64 * alarms as f64)
}

/// Averages the negative logarithm of the probability given to what is true.
///
/// Probabilities are held away from 0 and 1 by `f64::EPSILON`, as scikit-learn does, so that it stays finite. None when
/// a score lies outside 0 to 1.
pub fn log_loss(scores: &Scores) -> Option<f64> {
    mean(scores, |label, score| {
        let probability = if label { score } else { 1.0 - score };
        -probability.clamp(f64::EPSILON, 1.0 - f64::EPSILON).ln()
    })
}

/// Averages the squared distance between score and label; none when a score lies outside 0 to 1.
pub fn brier_score(scores: &Scores) -> Option<f64> {
    mean(scores, |label, score| (score - f64::from(u8::from(label))).powi(2))
}

fn mean(scores: &Scores, loss: impl Fn(bool, f64) -> f64) -> Option<f64> {
    if !scores.are_probabilities() {
        return None;
    }
    let sum = |label: bool, scores: &[f32]| scores.iter().map(|it| loss(label, f64::from(*it))).sum::<f64>();
    Some(ratio(sum(true, scores.positives()) + sum(false, scores.negatives()), scores.len() as f64))
}

/// A share; of nothing it is 0.
pub(crate) fn ratio(part: f64, whole: f64) -> f64 {
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

    fn of(labels: &[bool], scores: &[f32]) -> Scores {
        Scores::new(labels, scores).unwrap()
    }

    /// A tie of two positives and one negative, and a score of exactly 0 and 1.
    fn eight() -> Scores {
        let labels = [true, false, true, true, false, false, true, false];
        of(&labels, &[0.9, 0.8, 0.5, 0.5, 0.5, 0.1, 0.0, 1.0])
    }

    #[test]
    fn average_precision_counts_a_tie_as_one_step() {
        // Steps: 1.0 (0 of 1), 0.9 (1 of 2), 0.8, the tie (3 of 6), 0.1, 0.0 (4 of 8).
        near(average_precision(&eight()), 0.25 * 0.5 + 0.5 * 0.5 + 0.25 * 0.5);
    }

    #[test]
    fn roc_auc_counts_a_tied_pair_half() {
        // Negatives below 0.9: three; below 0.5: one, and one tied, twice over; below 0: none. Of sixteen pairs.
        near(roc_auc(&eight()), (3.0 + 1.5 + 1.5 + 0.0) / 16.0);
    }

    #[test]
    fn certainty_that_is_wrong_costs_much_and_not_infinitely() {
        near(log_loss(&of(&[true, false], &[0.75, 0.25])).unwrap(), -0.75_f64.ln());
        near(log_loss(&of(&[true], &[0.0])).unwrap(), 36.043_653_389_117_15);
        assert!(log_loss(&of(&[true], &[1.0])).unwrap() < 1e-15);
    }

    #[test]
    fn the_brier_score_is_the_mean_squared_error() {
        near(brier_score(&of(&[true, false], &[0.75, 0.5])).unwrap(), 0.156_25);
    }

    #[test]
    fn scores_that_are_no_probabilities_have_no_log_loss() {
        let margins = of(&[true, false], &[1.5, -2.0]);
        assert_eq!((log_loss(&margins), brier_score(&margins)), (None, None));
        near(roc_auc(&margins), 1.0);
    }

    #[test]
    fn metrics_of_an_absent_class_are_zero_and_never_nan() {
        let negative = of(&[false], &[0.125]);
        assert_eq!((average_precision(&negative), roc_auc(&negative)), (0.0, 0.0));
        assert_eq!((log_loss(&Scores::default()), brier_score(&Scores::default())), (Some(0.0), Some(0.0)));
    }

    #[test]
    fn the_interval_is_that_of_boyd_eng_and_page() {
        // By hand: ln(0.85 / 0.15) = 1.734601, 1 / sqrt(98 * 0.85 * 0.15) = 0.282899, so 1.734601 ± 0.554472.
        let [low, high] = average_precision_interval(0.85, 98);
        assert!((low - 0.764_970_9).abs() < 1e-6 && (high - 0.907_968_1).abs() < 1e-6, "{low} {high}");
    }

    #[test]
    fn the_interval_at_either_end_is_the_exact_binomial_one() {
        let [low, high] = average_precision_interval(1.0, 35);
        near(low, 0.025_f64.powf(1.0 / 35.0));
        near(high, 1.0);
        let [low, high] = average_precision_interval(0.0, 0);
        near(low, 0.0);
        near(high, 1.0);
    }

    proptest! {
        #[test]
        fn roc_auc_is_the_share_of_pairs_in_order(rows in prop::collection::vec((any::<bool>(), 0_u8..6), 1..40)) {
            let (labels, scores): (Vec<bool>, Vec<f32>) = rows.iter().map(|(l, s)| (*l, f32::from(*s) / 5.0)).unzip();
            let side = |label: bool| rows.iter().filter(move |it| it.0 == label).map(|it| it.1);
            let pairs: Vec<_> = side(true).flat_map(|p| side(false).map(move |n| p.cmp(&n))).collect();
            let won: f64 = pairs.iter().map(|it| f64::from(*it as i8 + 1) / 2.0).sum();
            prop_assert!((roc_auc(&of(&labels, &scores)) - ratio(won, pairs.len() as f64)).abs() < 1e-12);
        }

        #[test]
        fn the_interval_holds_what_it_is_about(share in 0.0_f64..=1.0, positives in 0_usize..1_000) {
            let [low, high] = average_precision_interval(share, positives);
            prop_assert!(0.0 <= low && low <= share && share <= high && high <= 1.0, "{low} {share} {high}");
        }
    }
}
