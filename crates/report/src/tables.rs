//! Metrics beside those of the live model, and what deciding at the threshold does.

use maud::{Markup, html};
use trainer::AtThreshold;

use crate::words::{count, difference, number, percent};
use crate::{Live, Subject};

/// Which way a metric should go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Better {
    More,
    Less,
}

struct Row {
    name: &'static str,
    better: Better,
    this: Option<f64>,
    live: Option<f64>,
    /// Where chance may have put it.
    interval: Option<[f64; 2]>,
}

/// Metrics of the model, and, where one is live, of that one.
pub(crate) fn metrics(subject: &Subject<'_>, at: &AtThreshold, live: Option<&Live<'_>>) -> Markup {
    let rows = rows(subject, at, live);
    html! {
        div.wide {
            table.metrics {
                thead {
                    tr {
                        th scope="col" { "Metric" }
                        th scope="col" { "This model" }
                        @if let Some(live) = live {
                            th scope="col" { "Live model" br; span.name { (live.name) } }
                            th scope="col" { "Compared" }
                        }
                    }
                }
                tbody {
                    @for row in &rows {
                        tr {
                            th scope="row" { (row.name) }
                            td { (value(row.this)) @if let Some([low, high]) = row.interval { br; span.interval { "95 %: " (number(low)) " to " (number(high)) } } }
                            @if live.is_some() {
                                td { (value(row.live)) }
                                td { (compared(row)) }
                            }
                        }
                    }
                }
            }
        }
        @if let Some(live) = live {
            p.note {
                "Precision, recall and F1 at the threshold of each: " (number(at.threshold)) " here, " (number(live.threshold)) " live."
                @if live.subject.test != subject.test {
                    " The live model was judged on other test rows (" (count(live.subject.test.rows as u64)) ", of them "
                    (count(live.subject.test.positives as u64)) " positive), so the two columns compare only roughly."
                }
            }
        }
    }
}

fn rows(subject: &Subject<'_>, at: &AtThreshold, live: Option<&Live<'_>>) -> Vec<Row> {
    let there = live.map(|it| it.subject.at(it.threshold));
    let known = live.map(|it| it.subject.metrics);
    let row = |name, better, this, live| Row { name, better, this, live, interval: None };
    let ours = subject.metrics;
    vec![
        Row {
            interval: Some(ours.average_precision_interval),
            ..row("Average precision", Better::More, Some(ours.average_precision), known.map(|it| it.average_precision))
        },
        row("ROC AUC", Better::More, Some(ours.roc_auc), known.map(|it| it.roc_auc)),
        row("Log loss", Better::Less, ours.log_loss, known.and_then(|it| it.log_loss)),
        row("Brier score", Better::Less, ours.brier_score, known.and_then(|it| it.brier_score)),
        row("Precision", Better::More, Some(at.precision), there.as_ref().map(|it| it.precision)),
        row("Recall", Better::More, Some(at.recall), there.as_ref().map(|it| it.recall)),
        row("F1", Better::More, Some(at.f1), there.as_ref().map(|it| it.f1)),
    ]
}

fn value(value: Option<f64>) -> Markup {
    html! { @match value { Some(it) => span.value { (number(it)) }, None => span.unknown { "no probabilities" } } }
}

/// Says by sign and word which of two is better, never by colour alone.
fn compared(row: &Row) -> Markup {
    let (Some(this), Some(live)) = (row.this, row.live) else { return html! { "–" } };
    // What reads the same is the same.
    if number(this) == number(live) {
        return html! { span.same.value { "= same" } };
    }
    let by = difference((this - live).abs());
    let chance = row.interval.is_some_and(|[low, high]| (low..=high).contains(&live));
    html! {
        @if (this > live) == (row.better == Better::More) { span.better { "▲ better by " span.value { (by) } } }
        @else { span.worse { "▼ worse by " span.value { (by) } } }
        @if chance { br; span.interval { "within the 95 % interval" } }
    }
}

/// What becomes of test rows at the threshold.
pub(crate) fn confusion(subject: &Subject<'_>, at: &AtThreshold) -> Markup {
    let positives = at.true_positives + at.false_negatives;
    let negatives = at.true_negatives + at.false_positives;
    let cell = |rows: u64, of: u64, name: &str| {
        let share = if of == 0 { 0.0 } else { rows as f64 / of as f64 };
        html! { span.count { (count(rows)) } span.share { (name) ", " (percent(share)) " of the row" } }
    };
    html! {
        div.wide {
            table.confusion {
                thead {
                    tr {
                        th scope="col" { "Truth" }
                        th scope="col" { "Called positive" }
                        th scope="col" { "Called negative" }
                    }
                }
                tbody {
                    tr {
                        th scope="row" { "Positive" br; span.interval { span.name { (subject.label) } " = 1" } }
                        td.right { (cell(at.true_positives, positives, "found")) }
                        td.wrong { (cell(at.false_negatives, positives, "missed")) }
                    }
                    tr {
                        th scope="row" { "Negative" br; span.interval { span.name { (subject.label) } " = 0" } }
                        td.wrong { (cell(at.false_positives, negatives, "false alarms")) }
                        td.right { (cell(at.true_negatives, negatives, "left alone")) }
                    }
                }
            }
        }
    }
}
