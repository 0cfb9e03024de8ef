//! What the model looks at, and how it learned.

use trainer::{Importance, LearningCurve};

use crate::axis::Axis;
use crate::chart::{Frame, Ink, bars, draw};
use crate::figure::{Figure, Mark};
use crate::words::{count, number};

/// Features that have a bar.
const BARS_LIMIT: usize = 20;

/// The features of the greatest gain, or the weights of a linear model; none when there is nothing to show.
pub(crate) fn importance(importance: &[Importance]) -> Option<Figure> {
    let weights: Vec<(&Importance, f64)> =
        importance.iter().filter_map(|it| Some((it, f64::from(it.weight?)))).collect();
    let (title, words, svg) = if weights.is_empty() {
        let total: f64 = importance.iter().map(|it| it.gain).sum();
        let rows: Vec<_> = importance.iter().filter(|it| it.gain > 0.0).take(BARS_LIMIT).collect();
        let bar = |it: &&Importance| {
            (it.feature.clone(), 100.0 * it.gain / total, format!("{:.1} %", 100.0 * it.gain / total))
        };
        let rows: Vec<_> = rows.iter().map(bar).collect();
        let words = format!(
            "How much splits by a feature improved the training loss: the {} of {} features with the largest share.",
            rows.len(),
            importance.len()
        );
        ("Importance of features", words, (!rows.is_empty()).then(|| bars("Share of the total gain (%)", &rows)))
    } else {
        let mut rows = weights;
        // Stable, so that equal weights stay in the order of the columns.
        rows.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()));
        rows.truncate(BARS_LIMIT);
        let words = format!(
            "The {} largest of {} weights. They depend on the unit of each feature, so they tell importance only where \
             all features are on one scale.",
            rows.len(),
            importance.len()
        );
        let rows: Vec<_> = rows.iter().map(|(it, weight)| (it.feature.clone(), *weight, number(*weight))).collect();
        let name = "Weight (log odds for each unit of the feature)";
        ("Weights of features", words, (!rows.is_empty()).then(|| bars(name, &rows)))
    };
    Some(Figure { id: "importance", title: title.to_owned(), words, legend: Vec::new(), svg: svg?, table: None })
}

/// Log loss against the number of trees; none without two points.
pub(crate) fn learning_curve(curve: &LearningCurve) -> Option<Figure> {
    let LearningCurve { trees, train_log_loss, validation_log_loss, best } = curve;
    let (Some(first), Some(last)) = (trees.first(), trees.last()) else { return None };
    let losses = || train_log_loss.iter().chain(validation_log_loss.iter().flatten()).copied();
    if first == last || losses().any(|it| !it.is_finite()) {
        return None;
    }
    let (least, most) = losses().fold((f64::INFINITY, 0.0), |(low, high), it| (f64::min(low, it), f64::max(high, it)));
    // Loss falls by orders of magnitude where a class is rare.
    let logarithmic = least > 0.0 && most / least > 20.0;
    let y = if logarithmic {
        Axis::log("Log loss (logarithmic)", least, most)
    } else {
        Axis::linear("Log loss", 0.0, most * 1.05)
    };
    let frame = Frame { x: Axis::linear("Trees", (*first).into(), (*last).into()), y };
    let points = |losses: &[f64]| -> Vec<(f64, f64)> {
        trees.iter().map(|it| f64::from(*it)).zip(losses.iter().copied()).collect()
    };
    let svg = draw(frame, |plane| {
        plane.upright(Ink::Chosen, f64::from(*best));
        if let Some(losses) = validation_log_loss {
            plane.line(Ink::Other, points(losses));
        }
        plane.line(Ink::Model, points(train_log_loss));
    });
    let mut legend = vec![(Mark::Line(Ink::Model), "rows learned from".to_owned())];
    if validation_log_loss.is_some() {
        legend.push((Mark::Line(Ink::Other), "rows held back".to_owned()));
    }
    legend.push((Mark::Line(Ink::Chosen), format!("the model, {} trees", count((*best).into()))));
    let words = format!(
        "Log loss from tree to tree; less is better. The model has {} trees. {}",
        count((*best).into()),
        match validation_log_loss {
            Some(_) => "Where the loss on rows held back rises again, more trees learn the rows by heart.",
            None => "No rows were held back while learning, so this does not show when to stop.",
        }
    );
    Some(Figure { id: "learning-curve", title: "Learning curve".to_owned(), words, legend, svg, table: None })
}
