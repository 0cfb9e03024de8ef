//! The page in a real browser: what is drawn is seen, can be read, and stays within the window.
//!
//! Without a browser every test here says so and passes; `.ci/run report` sees to it that there is one.

#![expect(clippy::unwrap_used, reason = "a test that unwraps fails where it should")]

mod browser;
mod fixture;

use browser::{Seen, View, find, look};
use report::{Headline, Live, Subject, html};

const LAPTOP: View = View { width_px: 1200, dark: false };
const LAPTOP_DARK: View = View { width_px: 1200, dark: true };
const PHONE: View = View { width_px: 390, dark: false };
const PHONE_DARK: View = View { width_px: 390, dark: true };

const HEADLINE: Headline<'_> = Headline { pipeline: "fraud-detection", model: "c30e5ebb8b08", date: "2026-11-22" };

/// Charts of a model of probabilities.
const USUAL: [&str; 5] = ["precision-recall", "by-threshold", "histogram", "roc", "calibration"];

#[track_caller]
fn is_sound(page: &str, views: &[View], charts: &[&str]) {
    let Some(browser) = find() else { return };
    for view in views {
        let Seen { complaints, charts: seen, title } = look(browser, page, *view);
        assert!(complaints.is_empty(), "{view:?}:\n{}", complaints.join("\n"));
        assert_eq!(seen, charts, "{view:?}");
        assert!(title.starts_with("Model report: "), "{title}");
    }
}

#[test]
fn boosted_trees_beside_a_live_model() {
    let rows = fixture::rows(20_000);
    let (new, old) = (fixture::boosted(&rows), fixture::logistic(&rows));
    let live = Live { name: "29b3a611a9f6", threshold: 0.5, subject: Subject::from(&old) };
    let page = html(&new, &HEADLINE, 0.3, Some(&live));
    let charts = [&USUAL[..], &["importance", "learning-curve"]].concat();
    is_sound(&page, &[LAPTOP, LAPTOP_DARK, PHONE, PHONE_DARK], &charts);
}

#[test]
fn a_linear_model_has_weights_and_no_learning_curve() {
    let page = html(&fixture::logistic(&fixture::rows(20_000)), &HEADLINE, 0.5, None);
    is_sound(&page, &[LAPTOP_DARK, PHONE], &[&USUAL[..], &["importance"]].concat());
}

#[test]
fn eight_rows_are_enough() {
    let page = html(Subject::judged("Class", &fixture::tiny()), &HEADLINE, 0.5, None);
    is_sound(&page, &[LAPTOP, PHONE_DARK], &USUAL);
}

#[test]
fn scores_that_are_margins_have_no_calibration() {
    let page = html(Subject::judged("Class", &fixture::margins(&fixture::rows(5_000))), &HEADLINE, 0.5, None);
    is_sound(&page, &[LAPTOP, PHONE], &[&USUAL[..4], &["importance"]].concat());
}

#[test]
fn hostile_names_do_nothing_and_fit() {
    let evaluation = fixture::hostile(fixture::boosted(&fixture::rows(5_000)));
    let name = evaluation.warnings[0].as_str();
    let headline = Headline { pipeline: name, model: name, date: name };
    let live = Live { name, threshold: 0.5, subject: Subject::from(&evaluation) };
    let page = html(&evaluation, &headline, 0.5, Some(&live));
    is_sound(&page, &[LAPTOP, PHONE], &[&USUAL[..], &["importance", "learning-curve"]].concat());
}

/// The probe would be worth nothing if it found nothing.
#[test]
fn what_is_wrong_is_found() {
    let Some(browser) = find() else { return };
    let page = html(Subject::judged("Class", &fixture::tiny()), &HEADLINE, 0.5, None);
    let cases = [
        ("<style>#roc > svg { display: none }</style>", LAPTOP, "chart roc is not to be seen"),
        ("<style>#roc polyline { display: none } #roc circle { display: none }</style>", LAPTOP, "chart roc is empty"),
        ("<div style='width: 2000px'>wide</div>", PHONE, "the page is 2012 px wide"),
        ("<style>.wide table { width: 700px }</style>", PHONE, "has to be scrolled"),
        ("<img src='https://127.0.0.1:9/pixel.png' alt=''>", LAPTOP, "CONSOLE"),
        ("<style>:root { --muted: #8a8a8a }</style>", LAPTOP, "has a contrast of 3.4"),
        ("<style>:root { --page: #ffffff }</style>", LAPTOP_DARK, "the background has a luminance of 1.00"),
        ("<style>svg text { font-size: 120px }</style>", LAPTOP, "overlap by"),
        ("<style>svg text { font-size: 20px }</style>", PHONE, "is set in"),
        (
            "<style>figure > svg { overflow: visible } svg text { transform: translate(-300px) }</style>",
            LAPTOP,
            "is cut off",
        ),
        ("<style>.stroke { stroke-dasharray: none !important }</style>", LAPTOP, "differ by colour alone"),
    ];
    for (harm, view, complaint) in cases {
        let complaints = look(browser, &page.replace("</main>", &format!("{harm}</main>")), view).complaints;
        assert!(complaints.iter().any(|it| it.contains(complaint)), "{harm} gave {complaints:#?}");
    }
}
