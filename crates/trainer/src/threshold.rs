//! From which score on a row is called positive, and what that does.

use serde::{Deserialize, Serialize};

use crate::Scores;
use crate::evaluate::ratio;
use crate::scores::Step;

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

/// How to come to a threshold.
///
/// Whatever is not [`Threshold::Fixed`] is chosen among the scores of the test rows, so that a row with exactly that
/// score is called positive, and at least one test row is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Threshold {
    /// This one.
    Fixed(f64),
    /// Where F1 is greatest; the highest such score.
    BestF1,
    /// Where recall is greatest while precision is at least this, above 0 and at most 1; the highest such score.
    Precision(f64),
    /// Where errors cost least in all; the highest such score.
    Cost {
        /// A positive that is called negative; at least 0, in any unit.
        miss: f64,
        /// A negative that is called positive; at least 0, in the same unit.
        false_alarm: f64,
    },
}

/// Why no threshold can be chosen.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ThresholdError {
    /// There is nothing to choose among.
    #[error("there are no test rows to choose a threshold by")]
    NoRows,
    /// Precision, recall and F1 are 0 at every threshold.
    #[error("there are no positive test rows to choose a threshold by")]
    NoPositives,
    /// The model is not that good.
    #[error("no threshold reaches precision {wanted}; the best is {}", rounded_down(*.best))]
    OutOfReach {
        /// 0 to 1.
        wanted: f64,
        /// 0 to 1.
        best: f64,
    },
}

impl Threshold {
    /// Chooses by the scores of test rows; the same scores give the same threshold.
    pub fn choose(&self, scores: &Scores) -> Result<f64, ThresholdError> {
        if let Self::Fixed(threshold) = *self {
            return Ok(threshold);
        }
        if scores.is_empty() {
            return Err(ThresholdError::NoRows);
        }
        let positives = scores.positives().len() as u64;
        if positives == 0 && !matches!(self, Self::Cost { .. }) {
            return Err(ThresholdError::NoPositives);
        }
        let steps = scores.steps();
        let chosen = match *self {
            Self::Fixed(threshold) => return Ok(threshold),
            Self::BestF1 => greatest(&steps, |it| Some(f1(it, positives))),
            Self::Precision(wanted) => {
                let best = steps.iter().map(precision).fold(0.0, f64::max);
                let reached = |it: &Step| (precision(it) >= wanted).then_some(it.true_positives as f64);
                return greatest(&steps, reached).ok_or(ThresholdError::OutOfReach { wanted, best });
            }
            Self::Cost { miss, false_alarm } => greatest(&steps, |it| {
                let missed = (positives - it.true_positives) as f64;
                Some(-(miss * missed + false_alarm * it.false_positives as f64))
            }),
        };
        chosen.ok_or(ThresholdError::NoRows)
    }
}

/// Counts what deciding at a threshold would do; a score equal to the threshold is positive.
///
/// Scores are widened to f64 before they are compared, as the deployed function does.
pub fn at_threshold(scores: &Scores, threshold: f64) -> AtThreshold {
    let (true_positives, false_positives) = scores.called_positive(threshold);
    let step = Step { score: threshold as f32, true_positives, false_positives };
    let (positives, negatives) = (scores.positives().len() as u64, scores.negatives().len() as u64);
    AtThreshold {
        threshold,
        true_positives,
        false_positives,
        true_negatives: negatives - false_positives,
        false_negatives: positives - true_positives,
        precision: precision(&step),
        recall: ratio(true_positives as f64, positives as f64),
        f1: f1(&step, positives),
    }
}

/// The score of the first of the steps with the greatest value, among those that have one.
fn greatest(steps: &[Step], value: impl Fn(&Step) -> Option<f64>) -> Option<f64> {
    let mut best: Option<(f64, f64)> = None;
    for step in steps {
        if let Some(value) = value(step)
            && best.is_none_or(|(greatest, _)| value > greatest)
        {
            best = Some((value, f64::from(step.score)));
        }
    }
    best.map(|(_, score)| score)
}

fn precision(step: &Step) -> f64 {
    ratio(step.true_positives as f64, (step.true_positives + step.false_positives) as f64)
}

/// Two thirds of something are the same f64 whatever they are two thirds of, so ties are recognised.
fn f1(step: &Step, positives: u64) -> f64 {
    ratio(2.0 * step.true_positives as f64, (step.true_positives + step.false_positives + positives) as f64)
}

/// Never up: 0.98996 must not read like the 0.99 that was asked for.
fn rounded_down(share: f64) -> f64 {
    (share * 1e4).floor() / 1e4
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "a threshold is one of the scores, to the last bit")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn scores(rows: &[(bool, f32)]) -> Scores {
        let (labels, scores): (Vec<bool>, Vec<f32>) = rows.iter().copied().unzip();
        Scores::new(&labels, &scores).unwrap()
    }

    /// A tie of two positives and one negative, and a score of exactly 0 and 1.
    fn eight() -> Scores {
        scores(&[
            (true, 0.9),
            (false, 0.8),
            (true, 0.5),
            (true, 0.5),
            (false, 0.5),
            (false, 0.1),
            (true, 0.0),
            (false, 1.0),
        ])
    }

    #[test]
    fn a_score_equal_to_the_threshold_is_positive() {
        let at = at_threshold(&eight(), 0.5);
        let counts = (at.true_positives, at.false_positives, at.true_negatives, at.false_negatives);
        assert_eq!(counts, (3, 3, 1, 1));
        assert_eq!((at.precision, at.recall, at.f1), (0.5, 0.75, 0.6));
    }

    #[test]
    fn scores_are_compared_as_f64() {
        let tenth = scores(&[(true, 0.1)]);
        // The nearest f32 to 0.1 is a little above it.
        assert_eq!(at_threshold(&tenth, 0.1).true_positives, 1);
        assert_eq!(at_threshold(&tenth, f64::from(0.1_f32)).true_positives, 1);
        assert_eq!(at_threshold(&tenth, f64::from(0.1_f32).next_up()).true_positives, 0);
    }

    #[test]
    fn ratios_of_nothing_are_zero_and_never_nan() {
        let at = at_threshold(&scores(&[(false, 0.1)]), 0.5);
        assert_eq!((at.precision, at.recall, at.f1), (0.0, 0.0, 0.0));
    }

    #[test]
    fn a_fixed_threshold_is_taken_as_it_is() {
        assert_eq!(Threshold::Fixed(0.3).choose(&eight()), Ok(0.3));
        assert_eq!(Threshold::Fixed(0.3).choose(&Scores::default()), Ok(0.3));
    }

    #[test]
    fn precision_is_kept_while_recall_is_greatest() {
        let rows = scores(&[(true, 0.9), (true, 0.8), (false, 0.7), (true, 0.6), (false, 0.5), (true, 0.4)]);
        let choose = |precision| Threshold::Precision(precision).choose(&rows).unwrap();
        // Of six, four are positive: 2 of 2, 3 of 4, 4 of 6.
        assert_eq!([choose(1.0), choose(0.75), choose(0.6)], [0.8_f32, 0.6, 0.4].map(f64::from));
    }

    #[test]
    fn errors_that_cost_little_are_made() {
        let rows = scores(&[(true, 0.9), (false, 0.7), (false, 0.6), (true, 0.5), (false, 0.1)]);
        let choose = |miss, false_alarm| Threshold::Cost { miss, false_alarm }.choose(&rows).unwrap();
        assert_eq!([choose(1.0, 1.0), choose(3.0, 1.0)], [0.9_f32, 0.5].map(f64::from));
        // Two false alarms cost as much as the miss: the higher threshold is taken.
        assert_eq!(choose(2.0, 1.0), f64::from(0.9_f32));
    }

    #[test]
    fn a_threshold_that_cannot_be_chosen_is_an_error() {
        let nearly = |rows: u16| -> Vec<(bool, f32)> { (0..rows).map(|row| (row > 0, 0.5)).collect() };
        let refusal = |threshold: Threshold, rows: &[(bool, f32)]| threshold.choose(&scores(rows)).unwrap_err();
        let cases = [
            refusal(Threshold::Precision(0.99), &nearly(15)),
            refusal(Threshold::Precision(0.9999), &nearly(9_999)),
            refusal(Threshold::BestF1, &[(false, 0.5)]),
            refusal(Threshold::Cost { miss: 1.0, false_alarm: 1.0 }, &[]),
        ];
        insta::assert_snapshot!(cases.map(|it| it.to_string()).join("\n"), @"
        no threshold reaches precision 0.99; the best is 0.9333
        no threshold reaches precision 0.9999; the best is 0.9998
        there are no positive test rows to choose a threshold by
        there are no test rows to choose a threshold by
        ");
    }

    proptest! {
        #[test]
        fn the_choice_is_a_test_score_and_no_other_is_better(
            rows in prop::collection::vec((any::<bool>(), 0_u8..20), 1..60),
            miss in 0_u8..5, false_alarm in 0_u8..5, wanted in 0.1_f64..1.0,
        ) {
            let rows: Vec<(bool, f32)> = rows.into_iter().map(|(label, it)| (label, f32::from(it) / 19.0)).collect();
            let scores = scores(&rows);
            let (miss, false_alarm) = (f64::from(miss), f64::from(false_alarm));
            let cost = Threshold::Cost { miss, false_alarm };
            for threshold in [Threshold::BestF1, Threshold::Precision(wanted), cost] {
                let worth = |at: &AtThreshold| match threshold {
                    Threshold::BestF1 => at.f1,
                    Threshold::Precision(wanted) if at.precision >= wanted => at.recall,
                    Threshold::Precision(_) | Threshold::Fixed(_) => -1.0,
                    Threshold::Cost { .. } => -(miss * at.false_negatives as f64 + false_alarm * at.false_positives as f64),
                };
                let all: Vec<(f64, f64)> =
                    rows.iter().map(|it| f64::from(it.1)).map(|it| (worth(&at_threshold(&scores, it)), it)).collect();
                let best = all.iter().copied().reduce(|a, b| if (b.0, b.1) > (a.0, a.1) { b } else { a }).unwrap();
                match threshold.choose(&scores) {
                    Ok(chosen) => prop_assert_eq!(chosen, best.1),
                    Err(ThresholdError::OutOfReach { .. }) => prop_assert!(best.0 < 0.0),
                    Err(_) => prop_assert!(scores.positives().is_empty()),
                }
            }
        }
    }
}
