//! The page around the charts.

use maud::{DOCTYPE, Markup, PreEscaped, html};
use trainer::Counts;

use crate::figure::Figure;
use crate::words::{count, number, percent};
use crate::{Headline, Live, Subject, curves, distribution, model, tables};

const STYLE: &str = include_str!("style.css");

/// Nothing is fetched and nothing runs, whatever a name in the page says.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";

/// Writes it.
pub(crate) fn page(subject: &Subject<'_>, headline: &Headline<'_>, threshold: f64, live: Option<&Live<'_>>) -> Markup {
    let at = subject.at(threshold);
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { "Model report: " (headline.pipeline) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    h1 { "Model report: " (headline.pipeline) }
                    p { "Model " span.name { (headline.model) } ", which predicts " span.name { (subject.label) } "; as of " (headline.date) "." }
                }
                main {
                    @if !subject.warnings.is_empty() {
                        section.warnings {
                            h2 { "⚠ Look at the data" }
                            ul { @for warning in subject.warnings { li { (warning) } } }
                        }
                    }
                    section {
                        h2 { "What it reaches" }
                        p { (judged_on(subject)) }
                        (tables::metrics(subject, &at, live))
                    }
                    section {
                        h2 { "At threshold " (number(threshold)) }
                        p { "A row is called positive when its score is at least " (number(threshold)) "." }
                        (tables::confusion(subject, &at))
                    }
                    section {
                        h2 { "Charts" }
                        div.charts { @for figure in figures(subject, &at, live) { (figure.markup()) } }
                    }
                    @if !subject.options.is_empty() {
                        section {
                            h2 { "How it was trained" }
                            dl { @for (name, value) in &subject.options { div { dt { (name) } dd { (value) } } } }
                        }
                    }
                }
            }
        }
    }
}

fn figures(subject: &Subject<'_>, at: &trainer::AtThreshold, live: Option<&Live<'_>>) -> Vec<Figure> {
    if subject.test_scores.is_empty() {
        return model::importance(subject.importance).into_iter().collect();
    }
    let mut figures = vec![
        curves::precision_recall(subject, at, live),
        curves::by_threshold(subject, at),
        distribution::histogram(subject, at.threshold),
        curves::roc(subject, at, live),
    ];
    figures.extend(distribution::calibration(subject));
    figures.extend(model::importance(subject.importance));
    figures.extend(subject.learning_curve.and_then(model::learning_curve));
    figures
}

fn judged_on(subject: &Subject<'_>) -> Markup {
    let rows = |it: Counts| {
        html! { (count(it.rows as u64)) " rows, of them " (count(it.positives as u64)) " positive" }
    };
    html! {
        "Judged on " (rows(subject.test)) " (" (percent(subject.prevalence())) "), which it has not seen"
        @match subject.train {
            Some(train) => { "; learned from " (rows(train)) "." },
            None => { ". It was trained elsewhere." },
        }
    }
}
