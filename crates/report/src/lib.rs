//! An evaluation as one HTML file, with charts.
//!
//! [`html`] needs no clock, no file and no network, and neither does the page that it gives: styles and charts stand in
//! it, and it runs no script. Equal input gives equal bytes. Charts are drawn by `plotters` as SVG in placeholder
//! colours, which become classes, so that the style sheet decides how they look in light, in dark and on paper.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test that unwraps fails where it should"))]

mod axis;
mod chart;
mod curves;
mod distribution;
mod figure;
mod model;
mod page;
mod tables;
mod words;

use trainer::{AtThreshold, Counts, Evaluation, Importance, Judged, LearningCurve, Metrics, Scores};

/// What the page is about.
#[derive(Clone, Copy, Debug)]
pub struct Headline<'a> {
    /// Of the pipeline.
    pub pipeline: &'a str,
    /// Its name or fingerprint.
    pub model: &'a str,
    /// When the page was written, as people write it.
    pub date: &'a str,
}

/// What is known about a model.
#[derive(Clone, Debug)]
pub struct Subject<'a> {
    /// Name of the column that it predicts.
    pub label: &'a str,
    /// How it was trained, as names and values; empty when that is not known.
    pub options: Vec<(String, String)>,
    /// What it was trained on, when that is known.
    pub train: Option<Counts>,
    /// What it was judged on.
    pub test: Counts,
    /// What it reaches there.
    pub metrics: &'a Metrics,
    /// The scores it gives there.
    pub test_scores: &'a Scores,
    /// What it looks at.
    pub importance: &'a [Importance],
    /// How it learned, when that is known.
    pub learning_curve: Option<&'a LearningCurve>,
    /// What is odd about the data.
    pub warnings: &'a [String],
}

/// The model that serves now, to compare with.
#[derive(Clone, Debug)]
pub struct Live<'a> {
    /// Its name or fingerprint.
    pub name: &'a str,
    /// Where it decides.
    pub threshold: f64,
    /// What is known about it.
    pub subject: Subject<'a>,
}

impl<'a> From<&'a Evaluation> for Subject<'a> {
    fn from(evaluation: &'a Evaluation) -> Self {
        Self {
            label: &evaluation.label,
            options: words::options(&evaluation.options),
            train: Some(evaluation.train),
            test: evaluation.test,
            metrics: &evaluation.metrics,
            test_scores: &evaluation.test_scores,
            importance: &evaluation.importance,
            learning_curve: evaluation.learning_curve.as_ref(),
            warnings: &evaluation.warnings,
        }
    }
}

impl<'a> Subject<'a> {
    /// Describes a model that was trained elsewhere.
    pub fn judged(label: &'a str, judged: &'a Judged) -> Self {
        Self {
            label,
            options: Vec::new(),
            train: None,
            test: judged.test,
            metrics: &judged.metrics,
            test_scores: &judged.test_scores,
            importance: &judged.importance,
            learning_curve: None,
            warnings: &[],
        }
    }

    fn at(&self, threshold: f64) -> AtThreshold {
        trainer::at_threshold(self.test_scores, threshold)
    }

    /// Share of the positives among the test rows.
    fn prevalence(&self) -> f64 {
        if self.test.rows == 0 { 0.0 } else { self.test.positives as f64 / self.test.rows as f64 }
    }
}

/// Writes the page: what the model reaches, at a threshold and at every other, beside what the live one does.
pub fn html<'a>(
    subject: impl Into<Subject<'a>>,
    headline: &Headline<'_>,
    threshold: f64,
    live: Option<&Live<'_>>,
) -> String {
    page::page(&subject.into(), headline, threshold, live).into_string()
}

#[cfg(test)]
mod tests;
