//! How scores are spread, and whether they are the probabilities that they look like.

use maud::html;
use trainer::Scores;

use crate::Subject;
use crate::axis::Axis;
use crate::chart::{Frame, Ink, draw};
use crate::curves::score_range;
use crate::figure::{Figure, Mark};
use crate::words::{count, number, percent};

/// Bars of the histogram.
const BARS: usize = 20;
/// Groups of about as many rows each, for the calibration.
const GROUPS: usize = 10;
/// Below this smallest mean score, shares are shown by their order of magnitude.
const RARE: f64 = 0.01;
/// Points of the line on which score and share are equal: on two logarithmic axes of unlike ends it has a bend.
const IDEAL_POINTS: u32 = 60;
/// The 97.5 % quantile of the normal distribution.
const Z: f64 = 1.959_963_984_540_054;
/// How far below one row a bar begins, in decades, so that one row is seen.
const FOOT: f64 = 0.3;

/// Rows by score, either class apart, on a logarithmic scale.
pub(crate) fn histogram(subject: &Subject<'_>, threshold: f64) -> Figure {
    let scores = subject.test_scores;
    let (low, high) = score_range(scores, None);
    let [positives, negatives] = [scores.positives(), scores.negatives()].map(|it| fill(it, low, high));
    let most = positives.iter().chain(&negatives).copied().max().unwrap_or(0);
    let frame = Frame {
        x: Axis::linear("Score", low, high),
        y: Axis::log("Test rows (logarithmic)", 1.0, most.max(10) as f64).room_below(FOOT),
    };
    let width = (high - low) / BARS as f64;
    let svg = draw(frame, |plane| {
        for bar in 0..BARS {
            let from = low + width * bar as f64;
            let sides = [(Ink::ModelPale, negatives[bar], 0.08, 0.48), (Ink::Other, positives[bar], 0.52, 0.92)];
            for (ink, rows, left, right) in sides {
                if rows > 0 {
                    plane.bar(ink, (from + width * left, 0.0), (from + width * right, rows as f64));
                }
            }
        }
        if (low..=high).contains(&threshold) {
            plane.upright(Ink::Chosen, threshold);
        }
    });
    let alarms = subject.at(threshold);
    let words = format!(
        "Rows of either class by their score. {} of {} positives and {} of {} negatives score at least {}.",
        count(alarms.true_positives),
        count(scores.positives().len() as u64),
        count(alarms.false_positives),
        count(scores.negatives().len() as u64),
        number(threshold)
    );
    let legend = vec![
        (Mark::Bar(Ink::ModelPale), "negative".to_owned()),
        (Mark::Bar(Ink::Other), "positive".to_owned()),
        (Mark::Line(Ink::Chosen), "the threshold".to_owned()),
    ];
    Figure { id: "histogram", title: "Scores by class".to_owned(), words, legend, svg, table: None }
}

/// Rows counted by bars between two scores; the last bar holds its upper end too.
fn fill(scores: &[f32], low: f64, high: f64) -> Vec<u64> {
    let mut bars = vec![0; BARS];
    for score in scores {
        // An infinite score stands at the edge.
        let share = ((f64::from(*score) - low) / (high - low)).clamp(0.0, 1.0);
        let bar = (share * BARS as f64) as i64;
        bars[(bar.unsigned_abs() as usize).min(BARS - 1)] += 1;
    }
    bars
}

/// Rows of neighbouring scores.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Group {
    rows: u64,
    positives: u64,
    sum: f64,
}

impl Group {
    fn mean(&self) -> f64 {
        self.sum / self.rows as f64
    }

    fn observed(&self) -> f64 {
        self.positives as f64 / self.rows as f64
    }

    /// The 95 % interval of the share of positives, by Wilson's score method.
    fn interval(&self) -> (f64, f64) {
        let (rows, share) = (self.rows as f64, self.observed());
        let square = Z * Z / rows;
        let centre = share + square / 2.0;
        let half = Z * (share * (1.0 - share) / rows + square / (4.0 * rows)).sqrt();
        (((centre - half) / (1.0 + square)).max(0.0), ((centre + half) / (1.0 + square)).min(1.0))
    }
}

/// The share of positives among rows of a like score, against that score; none when scores are no probabilities.
pub(crate) fn calibration(subject: &Subject<'_>) -> Option<Figure> {
    if subject.test_scores.is_empty() || !subject.test_scores.are_probabilities() {
        return None;
    }
    let groups = groups(subject.test_scores);
    let smallest = groups.iter().map(Group::mean).filter(|it| *it > 0.0).fold(1.0, f64::min);
    let logarithmic = smallest < RARE;
    let axis = |name: &str, least: f64| {
        if logarithmic { Axis::log(format!("{name} (logarithmic)"), least, 1.0) } else { Axis::unit(name) }
    };
    // What was never observed has no logarithm; it lies on the lower edge, below what one positive would give.
    let one = groups.iter().map(|it| 0.5 / it.rows as f64).fold(1.0, f64::min);
    let frame = Frame { x: axis("Mean score of a group", smallest), y: axis("Share of positives in it", one) };
    let least = smallest.min(one);
    let ideal = (0..=IDEAL_POINTS).map(|it| f64::from(it) / f64::from(IDEAL_POINTS));
    let ideal = ideal.map(|it| if logarithmic { least.powf(1.0 - it) } else { it }).map(|it| (it, it));
    let svg = draw(frame, |plane| {
        plane.line(Ink::Reference, ideal);
        for group in &groups {
            let (least, most) = group.interval();
            plane.line(Ink::ModelPale, [(group.mean(), least), (group.mean(), most)]);
        }
        for group in &groups {
            plane.disc(Ink::Model, (group.mean(), group.observed()));
        }
    });
    let words = format!(
        "Test rows in {} groups of rising score. Where scores are probabilities, the share of positives in a group is \
         its mean score, and the disc lies on the line.{}",
        groups.len(),
        if logarithmic && groups.iter().any(|it| it.positives == 0) {
            " Discs on the lower edge: groups without a positive."
        } else {
            ""
        }
    );
    let legend = vec![
        (Mark::Disc(Ink::Model), "a group".to_owned()),
        (Mark::Line(Ink::ModelPale), "its 95 % interval".to_owned()),
        (Mark::Line(Ink::Reference), "score = share".to_owned()),
    ];
    let table = html! {
        div.wide {
            table.numbers {
                thead { tr { th scope="col" { "Mean score" } th scope="col" { "Share of positives" } th scope="col" { "Positives" } th scope="col" { "Rows" } } }
                tbody {
                    @for group in &groups {
                        tr {
                            td { (number(group.mean())) }
                            td { (percent(group.observed())) }
                            td { (count(group.positives)) }
                            td { (count(group.rows)) }
                        }
                    }
                }
            }
        }
    };
    Some(Figure { id: "calibration", title: "Calibration".to_owned(), words, legend, svg, table: Some(table) })
}

/// Divides rows by score into groups of about as many rows; equal scores stay together, so there may be fewer groups.
fn groups(scores: &Scores) -> Vec<Group> {
    let all = scores.len() as u64;
    let mut groups: Vec<Group> = Vec::new();
    let (mut open, mut before) = (Group::default(), (0, 0));
    for step in scores.steps() {
        let (positives, negatives) = (step.true_positives - before.0, step.false_positives - before.1);
        before = (step.true_positives, step.false_positives);
        open.rows += positives + negatives;
        open.positives += positives;
        open.sum += (positives + negatives) as f64 * f64::from(step.score);
        let seen = before.0 + before.1;
        let begun = (seen - open.rows) * GROUPS as u64 / all;
        if seen * GROUPS as u64 / all > begun {
            groups.push(std::mem::take(&mut open));
        }
    }
    if open.rows > 0 {
        groups.push(open);
    }
    groups.reverse();
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_have_about_as_many_rows_and_hold_all_of_them() {
        let labels: Vec<bool> = (0..1_003).map(|it| it % 5 == 0).collect();
        let rows: Vec<f32> = (0..1_003_u16).map(|it| f32::from(it) / 1_003.0).collect();
        let groups = groups(&Scores::new(&labels, &rows).unwrap());
        assert_eq!(groups.len(), GROUPS);
        assert!(groups.iter().all(|it| (100..=101).contains(&it.rows)), "{groups:?}");
        assert_eq!(groups.iter().map(|it| it.rows).sum::<u64>(), 1_003);
        assert_eq!(groups.iter().map(|it| it.positives).sum::<u64>(), 201);
        assert!(groups.is_sorted_by(|a, b| a.mean() < b.mean()));
    }

    #[test]
    fn equal_scores_stay_in_one_group() {
        let mut rows = vec![0.0_f32; 90];
        rows.extend((1..=10_u8).map(|it| f32::from(it) / 10.0));
        let groups = groups(&Scores::new(&[false; 100], &rows).unwrap());
        assert_eq!(groups.iter().map(|it| it.rows).collect::<Vec<_>>(), [90, 10]);
    }

    #[test]
    fn the_interval_is_wilsons() {
        // By hand from Wilson's formula: 1 of 10, and 0 of 10.
        let near = |rows, positives, low: f64, high: f64| {
            let (least, most) = Group { rows, positives, sum: 0.0 }.interval();
            assert!((least - low).abs() < 1e-4 && (most - high).abs() < 1e-4, "{least} {most}");
        };
        near(10, 1, 0.0179, 0.4042);
        near(10, 0, 0.0, 0.2775);
    }

    #[test]
    fn every_row_has_its_bar() {
        let bars = fill(&[0.0, 0.049, 0.051, 0.999, 1.0], 0.0, 1.0);
        assert_eq!((bars[0], bars[1], bars[19]), (2, 1, 2));
    }
}
