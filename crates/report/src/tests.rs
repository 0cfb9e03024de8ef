use trainer::{Judged, Scores, measure};

use super::*;

const HEADLINE: Headline<'_> = Headline { pipeline: "fraud-detection", model: "c30e5ebb8b08", date: "2026-11-22" };

fn judged(rows: &[(bool, f32)]) -> Judged {
    let (labels, scores): (Vec<bool>, Vec<f32>) = rows.iter().copied().unzip();
    let test_scores = Scores::new(&labels, &scores).unwrap();
    Judged {
        test: Counts { rows: rows.len(), positives: test_scores.positives().len() },
        metrics: measure(&test_scores),
        test_scores,
        importance: Vec::new(),
        golden_rows: Vec::new(),
    }
}

fn page(judged: &Judged, threshold: f64) -> String {
    html(Subject::judged("Class", judged), &HEADLINE, threshold, None)
}

const EIGHT: [(bool, f32); 8] =
    [(true, 0.9), (false, 0.8), (true, 0.35), (false, 0.35), (false, 0.1), (true, 0.55), (false, 0.02), (false, 0.6)];

#[test]
fn equal_input_gives_equal_bytes() {
    assert_eq!(page(&judged(&EIGHT), 0.5), page(&judged(&EIGHT), 0.5));
}

#[test]
fn the_page_stands_alone() {
    let page = page(&judged(&EIGHT), 0.5).replace("http-equiv", "");
    for foreign in ["http", "url(", "src=", "href", "@import", "<script", "<link"] {
        assert!(!page.contains(foreign), "the page has `{foreign}`");
    }
}

#[test]
fn no_chart_has_a_colour_of_its_own() {
    let page = page(&judged(&EIGHT), 0.5);
    let (_, body) = page.split_once("<body>").unwrap();
    assert!(body.contains("class=\"stroke model\"") && body.contains("class=\"fill text\""));
    assert!(!body.contains("=\"#"), "a placeholder is left");
}

#[test]
fn names_are_text_and_never_markup() {
    let hostile = "</title><script>alert(1)</script><b a='\"&amp;";
    let mut judged = judged(&EIGHT);
    judged.importance =
        vec![Importance { feature: hostile.to_owned(), gain: 1.0, cover: 1.0, splits: 1, weight: None }];
    let headline = Headline { pipeline: hostile, model: hostile, date: hostile };
    let warnings = [hostile.to_owned()];
    let subject = Subject {
        options: vec![(hostile.to_owned(), hostile.to_owned())],
        warnings: &warnings,
        ..Subject::judged(hostile, &judged)
    };
    let live = Live { name: hostile, threshold: 0.5, subject: subject.clone() };
    let page = html(subject, &headline, 0.5, Some(&live));
    assert!(!page.contains("<script") && !page.contains("<b "));
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
}

#[test]
fn better_and_worse_are_said_in_words() {
    let (good, bad) = (judged(&[(true, 0.9), (false, 0.1)]), judged(&[(true, 0.3), (false, 0.8)]));
    let compare = |this: &Judged, that: &Judged| {
        let live = Live { name: "old", threshold: 0.5, subject: Subject::judged("Class", that) };
        let page = html(Subject::judged("Class", this), &HEADLINE, 0.5, Some(&live));
        let count = |words: &str| page.matches(words).count();
        (count("▲ better by"), count("▼ worse by"), count("= same"))
    };
    assert_eq!(compare(&good, &bad), (7, 0, 0));
    assert_eq!(compare(&bad, &good), (0, 7, 0));
    assert_eq!(compare(&good, &good), (0, 0, 7));
}

#[test]
fn a_live_model_that_was_judged_on_other_rows_is_said_to_be() {
    let (this, that) = (judged(&EIGHT), judged(&EIGHT[..7]));
    let live = Live { name: "old", threshold: 0.5, subject: Subject::judged("Class", &that) };
    let page = html(Subject::judged("Class", &this), &HEADLINE, 0.5, Some(&live));
    assert!(page.contains("judged on other test rows (7, of them 3 positive)"), "{page}");
}

#[test]
fn whatever_the_scores_are_there_is_a_page() {
    let cases: [&[(bool, f32)]; 8] = [
        &[],
        &[(true, 0.5)],
        &[(false, 0.5)],
        &[(true, 0.0), (false, 0.0)],
        &[(true, 1.0), (false, 1.0), (false, 1e-40)],
        &[(true, -7.0), (false, -7.0)],
        &[(true, f32::INFINITY), (false, f32::NEG_INFINITY)],
        &[(true, f32::MAX), (false, f32::MIN)],
    ];
    for rows in cases {
        for threshold in [0.0, 0.5, 1.0] {
            let page = page(&judged(rows), threshold);
            assert!(page.ends_with("</html>"));
            assert!(!page.contains("NaN") && !page.contains(">inf"), "{rows:?}");
        }
    }
}
