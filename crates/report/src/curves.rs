//! Curves over all thresholds: precision and recall, ROC, and both against the threshold.

use trainer::{AtThreshold, Scores, Step};

use crate::axis::Axis;
use crate::chart::{Frame, Ink, draw};
use crate::figure::{Figure, Mark};
use crate::words::{number, percent};
use crate::{Live, Subject};

/// The most points of a curve: more than a screen has columns.
pub(crate) const POINTS_LIMIT: usize = 1_000;

/// Thresholds of a curve over them: about one for each column of a chart.
const THRESHOLDS: u32 = 501;

/// Precision at every recall, as steps, whose area is the average precision.
pub(crate) fn precision_recall(subject: &Subject<'_>, at: &AtThreshold, live: Option<&Live<'_>>) -> Figure {
    let frame = Frame {
        x: Axis::unit("Recall (share of the positives that are found)"),
        y: Axis::unit("Precision (share of alarms that are right)"),
    };
    let prevalence = subject.prevalence();
    let called = at.true_positives + at.false_positives > 0;
    let svg = draw(frame, |plane| {
        plane.line(Ink::Reference, [(0.0, prevalence), (1.0, prevalence)]);
        if let Some(live) = live {
            plane.line(Ink::Other, recall_steps(live.subject.test_scores));
        }
        plane.line(Ink::Model, recall_steps(subject.test_scores));
        if called {
            plane.ring(Ink::Chosen, (at.recall, at.precision));
        }
    });
    let interval = subject.metrics.average_precision_interval;
    let words = format!(
        "Average precision {} (95 % interval {} to {}). {}",
        number(subject.metrics.average_precision),
        number(interval[0]),
        number(interval[1]),
        if called {
            format!(
                "At threshold {} precision is {} and recall {}.",
                number(at.threshold),
                percent(at.precision),
                percent(at.recall)
            )
        } else {
            format!("At threshold {} no test row is called positive, so there is no such point.", number(at.threshold))
        }
    );
    let mut legend = compared(live);
    legend.push((Mark::Line(Ink::Reference), format!("calling all positive: {}", percent(prevalence))));
    if called {
        legend.push((Mark::Ring(Ink::Chosen), "at the threshold".to_owned()));
    }
    Figure { id: "precision-recall", title: "Precision and recall".to_owned(), words, legend, svg, table: None }
}

/// Recall at every share of false alarms.
pub(crate) fn roc(subject: &Subject<'_>, at: &AtThreshold, live: Option<&Live<'_>>) -> Figure {
    let frame = Frame {
        x: Axis::unit("False positive rate (share of the negatives)"),
        y: Axis::unit("Recall (share of the positives)"),
    };
    let negatives = at.false_positives + at.true_negatives;
    let false_rate = if negatives == 0 { 0.0 } else { at.false_positives as f64 / negatives as f64 };
    let svg = draw(frame, |plane| {
        plane.line(Ink::Reference, [(0.0, 0.0), (1.0, 1.0)]);
        if let Some(live) = live {
            plane.line(Ink::Other, roc_points(live.subject.test_scores));
        }
        plane.line(Ink::Model, roc_points(subject.test_scores));
        plane.ring(Ink::Chosen, (false_rate, at.recall));
    });
    let words = format!(
        "Area under the curve {}. At threshold {} the false positive rate is {} and recall {}.",
        number(subject.metrics.roc_auc),
        number(at.threshold),
        percent(false_rate),
        percent(at.recall)
    );
    let mut legend = compared(live);
    legend.push((Mark::Line(Ink::Reference), "chance".to_owned()));
    legend.push((Mark::Ring(Ink::Chosen), "at the threshold".to_owned()));
    Figure { id: "roc", title: "ROC curve".to_owned(), words, legend, svg, table: None }
}

/// Precision and recall at every threshold.
pub(crate) fn by_threshold(subject: &Subject<'_>, at: &AtThreshold) -> Figure {
    let (low, high) = score_range(subject.test_scores, Some(at.threshold));
    let frame = Frame {
        x: Axis::linear("Threshold (score from which a row is positive)", low, high),
        y: Axis::unit("Precision, recall"),
    };
    let scores = subject.test_scores;
    let at_each: Vec<AtThreshold> = (0..THRESHOLDS)
        .map(|it| low + (high - low) * f64::from(it) / f64::from(THRESHOLDS - 1))
        .map(|it| trainer::at_threshold(scores, it))
        .collect();
    // Where nothing is called positive there is no precision.
    let called = at_each.iter().filter(|it| it.true_positives + it.false_positives > 0);
    let svg = draw(frame, |plane| {
        plane.upright(Ink::Chosen, at.threshold);
        plane.line(Ink::Other, at_each.iter().map(|it| (it.threshold, it.recall)));
        plane.line(Ink::Model, called.map(|it| (it.threshold, it.precision)));
    });
    let words = format!(
        "A higher threshold gives fewer alarms, of which more are right. At {} precision is {} and recall {}.",
        number(at.threshold),
        percent(at.precision),
        percent(at.recall)
    );
    let legend = vec![
        (Mark::Line(Ink::Model), "precision".to_owned()),
        (Mark::Line(Ink::Other), "recall".to_owned()),
        (Mark::Line(Ink::Chosen), format!("the threshold, {}", number(at.threshold))),
    ];
    Figure {
        id: "by-threshold",
        title: "Precision and recall by threshold".to_owned(),
        words,
        legend,
        svg,
        table: None,
    }
}

/// From the lowest to the highest finite score and threshold, never of no length; for probabilities from 0 to 1.
pub(crate) fn score_range(scores: &Scores, threshold: Option<f64>) -> (f64, f64) {
    if scores.are_probabilities() {
        return (0.0, 1.0);
    }
    let both = || [scores.positives(), scores.negatives()].into_iter();
    let ends = both().flat_map(|it| it.first().into_iter().chain(it.last())).map(|it| f64::from(*it));
    let ends = ends.chain(threshold).filter(|it| it.is_finite());
    let (low, high) = ends.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), it| (low.min(it), high.max(it)));
    match (low, high) {
        _ if low < high => (low, high),
        _ if low.is_finite() => (low - 0.5, low + 0.5),
        _ => (0.0, 1.0),
    }
}

fn compared(live: Option<&Live<'_>>) -> Vec<(Mark, String)> {
    let mut legend = vec![(Mark::Line(Ink::Model), "this model".to_owned())];
    if live.is_some() {
        legend.push((Mark::Line(Ink::Other), "the live model".to_owned()));
    }
    legend
}

/// The corners of the steps: precision holds from the recall before to that of the step.
fn recall_steps(scores: &Scores) -> Vec<(f64, f64)> {
    let all = scores.positives().len() as f64;
    let mut corners = Vec::new();
    let mut before = 0.0;
    let found: Vec<Step> = rising(scores.steps(), |it| it.true_positives).collect();
    for step in thin(&found, POINTS_LIMIT / 2) {
        let recall = step.true_positives as f64 / all;
        let precision = step.true_positives as f64 / (step.true_positives + step.false_positives) as f64;
        corners.extend([(before, precision), (recall, precision)]);
        before = recall;
    }
    corners
}

/// Steps that find more positives than those before; only they add to the area.
fn rising(steps: Vec<Step>, of: impl Fn(&Step) -> u64) -> impl Iterator<Item = Step> {
    let mut before = 0;
    steps.into_iter().filter(move |it| std::mem::replace(&mut before, of(it)) < of(it))
}

/// Shares of negatives and positives at every step, without those between two of which the curve runs straight.
fn roc_points(scores: &Scores) -> Vec<(f64, f64)> {
    let (positives, negatives) = (scores.positives().len() as f64, scores.negatives().len() as f64);
    if positives == 0.0 || negatives == 0.0 {
        return Vec::new();
    }
    let mut points = vec![(0, 0)];
    for step in scores.steps() {
        let next = (step.false_positives, step.true_positives);
        if let [.., before, last] = *points.as_slice() {
            let way = |from: (u64, u64), to: (u64, u64)| (u128::from(to.0 - from.0), u128::from(to.1 - from.1));
            let (first, second) = (way(before, last), way(last, next));
            if first.0 * second.1 == first.1 * second.0 {
                points.pop();
            }
        }
        points.push(next);
    }
    let points = thin(&points, POINTS_LIMIT);
    points.map(|it| (it.0 as f64 / negatives, it.1 as f64 / positives)).collect()
}

/// Takes at most so many, evenly, the first and the last among them.
fn thin<T: Copy>(all: &[T], limit: usize) -> impl Iterator<Item = T> {
    let taken = all.len().min(limit);
    (0..taken).map(move |it| if taken == all.len() { all[it] } else { all[it * (all.len() - 1) / (taken - 1)] })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_of_precision_reaches_back_to_the_recall_before() {
        let scores = Scores::new(&[true, false, true, true], &[0.9, 0.8, 0.5, 0.1]).unwrap();
        let third = 1.0 / 3.0;
        let expected = [(0.0, 1.0), (third, 1.0), (third, 2.0 * third), (2.0 * third, 2.0 * third)];
        assert_eq!(recall_steps(&scores)[..4], expected);
        let area: f64 = recall_steps(&scores).chunks(2).map(|it| (it[1].0 - it[0].0) * it[0].1).sum();
        assert!((area - trainer::average_precision(&scores)).abs() < 1e-12);
    }

    #[test]
    fn the_roc_curve_has_its_corners_and_no_others() {
        let labels = [true, true, false, false, true, false];
        let scores = Scores::new(&labels, &[0.9, 0.8, 0.7, 0.6, 0.5, 0.4]).unwrap();
        let third = 1.0 / 3.0;
        let expected = [(0.0, 0.0), (0.0, 2.0 * third), (2.0 * third, 2.0 * third), (2.0 * third, 1.0), (1.0, 1.0)];
        assert_eq!(roc_points(&scores), expected);
    }

    #[test]
    fn curves_are_thinned_and_keep_their_ends() {
        let labels: Vec<bool> = (0..100_000).map(|it| it % 3 == 0).collect();
        let rows: Vec<f32> = (0..100_000_u32).map(|it| (it * 7_919 % 100_000) as f32 / 1e5).collect();
        let scores = Scores::new(&labels, &rows).unwrap();
        for curve in [recall_steps(&scores), roc_points(&scores)] {
            assert!((900..=POINTS_LIMIT).contains(&curve.len()), "{}", curve.len());
            assert_eq!((curve[0].0, curve[curve.len() - 1].0), (0.0, 1.0));
        }
    }
}
