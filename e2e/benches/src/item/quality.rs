//! How good the models are: five folds, the same for both.

use std::path::Path;

use super::Item;
use crate::error::{Doing as _, Result};
use crate::report::{Section, State, Table, Verdict, times};
use crate::setup::{DataSet, Setup};
use crate::stats::Sample;
use crate::worker::{Fitted, Judged};

pub(super) const ITEM: Item = Item {
    name: "quality",
    title: "Average precision",
    budgets: &[("average precision", "no lower beyond fold noise")],
    run,
};

const FOLDS: usize = 5;
const TREES: &str = "100";

fn run(setup: &Setup) -> Result<Section> {
    let sets = setup.data_sets()?;
    let mut method = vec![
        format!(
            "{FOLDS} stratified folds, made once and read by both; each is judged by models of the other four, {TREES} \
             trees, the same parameters. Both sides' scores are judged by the same code."
        ),
        "Both train on every row of the other folds.".to_owned(),
        "The budget is missed when the mean difference over the folds lies below 0 by more than two of its standard \
         errors."
            .to_owned(),
    ];
    method.extend(Setup::missing_data(&sets));
    let mut section = Section { title: String::new(), method, tables: vec![], verdicts: vec![] };
    for set in &sets {
        measure(setup, set, &mut section)?;
    }
    Ok(section)
}

fn measure(setup: &Setup, set: &DataSet, section: &mut Section) -> Result<()> {
    let folder = setup.folder("quality")?;
    let divide = setup.worker("folds").args(["--folds", &FOLDS.to_string()]).arg("--csv").arg(&set.csv);
    divide.arg("--folder").arg(&folder).run(&setup.settings.harness)?;
    let files: Vec<_> = (0..FOLDS).map(|it| folder.join(format!("fold-{it}"))).collect();
    let heading = format!("Data: {}", set.name);
    let columns = [&*heading, "Positives", "AP, ours", "AP, peer", "Difference", "Log loss, ours", "Log loss, peer"];
    let mut table = Table::new(columns);
    let mut all: [Sample; 4] = Default::default();
    for (fold, test) in files.iter().enumerate() {
        setup.say(format!("{}, fold {} of {FOLDS}", set.name, fold + 1));
        let train: Vec<_> = files.iter().filter(|it| *it != test).map(|it| &**it).collect();
        let (_, ours) = fit_ours(setup, &train, test, TREES)?;
        let (_, peer) = fit_peer(setup, &train, test, TREES)?;
        let (ours, peer) = (ours.judged, peer.judged);
        let figures = [ours.average_precision, peer.average_precision, ours.log_loss, peer.log_loss];
        all.iter_mut().zip(figures).for_each(|(sample, figure)| sample.push(figure));
        table.row([
            format!("fold {}", fold + 1),
            format!("{} of {}", ours.positives, ours.rows),
            four(ours.average_precision),
            four(peer.average_precision),
            signed(ours.average_precision - peer.average_precision),
            six(ours.log_loss),
            six(peer.log_loss),
        ]);
    }
    let [ours, peer, own_loss, peer_loss] = &all;
    let noise = differences(ours, peer);
    let (own_words, peer_words) = (mean(ours, four), mean(peer, four));
    table.row([
        "mean ± deviation".to_owned(),
        String::new(),
        own_words.clone(),
        peer_words.clone(),
        format!("{} ± {}", signed(noise.mean()), four(noise.deviation())),
        mean(own_loss, six),
        mean(peer_loss, six),
    ]);
    section.tables.push(table);
    let (what, budget) = ITEM.budget(0);
    section.verdicts.push(Verdict {
        what: format!("{what}, {}", set.name),
        ours: own_words,
        peer: peer_words,
        ratio: times(ours.mean() / peer.mean()),
        budget: budget.to_owned(),
        state: if no_lower_beyond_noise(&noise) { State::Met } else { State::Missed },
    });
    Ok(())
}

/// What a model fitted by one side is.
pub(super) struct Fit {
    pub(super) fit_s: f64,
    pub(super) judged: Judged,
}

/// Fits with our trainer, in a process of its own; also its peak memory.
pub(super) fn fit_ours(setup: &Setup, train: &[&Path], test: &Path, trees: &str) -> Result<(f64, Fit)> {
    let job = setup.worker("fit").arg("--train").args(train).args(["--trees", trees]);
    fit(setup, job, test, "ours.scores")
}

/// The same with the peer.
pub(super) fn fit_peer(setup: &Setup, train: &[&Path], test: &Path, trees: &str) -> Result<(f64, Fit)> {
    let job = setup.training()?.script("fit.py").arg("--train").args(train).args(["--trees", trees]);
    fit(setup, job, test, "peer.scores")
}

fn fit(setup: &Setup, job: crate::measure::Job, test: &Path, scores: &str) -> Result<(f64, Fit)> {
    let scores = test.with_file_name(scores);
    let usage = job.arg("--test").arg(test).arg("--scores").arg(&scores).run(&setup.settings.harness)?;
    let fitted: Fitted = serde_json::from_str(&usage.stdout).doing("could not read how long training took")?;
    let judge = setup.worker("judge").arg("--rows").arg(test).arg("--scores").arg(&scores);
    let judged = judge.run(&setup.settings.harness)?.stdout;
    let judged = serde_json::from_str(&judged).doing("could not read how good the scores are")?;
    Ok((usage.peak_bytes, Fit { fit_s: fitted.fit_s, judged }))
}

fn differences(ours: &Sample, peer: &Sample) -> Sample {
    ours.values().iter().zip(peer.values()).map(|(ours, peer)| ours - peer).collect()
}

/// Whether the mean of paired differences is not below 0 by more than two standard errors.
fn no_lower_beyond_noise(differences: &Sample) -> bool {
    let error = differences.deviation() / (differences.values().len() as f64).sqrt();
    differences.mean() + 2.0 * error >= 0.0
}

fn mean(sample: &Sample, unit: fn(f64) -> String) -> String {
    format!("{} ± {}", unit(sample.mean()), unit(sample.deviation()))
}

pub(super) fn four(value: f64) -> String {
    format!("{value:.4}")
}

pub(super) fn six(value: f64) -> String {
    format!("{value:.6}")
}

fn signed(value: f64) -> String {
    format!("{value:+.4}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_within_the_noise_of_the_folds_is_none() {
        let lower = |values: [f64; 5]| !no_lower_beyond_noise(&values.into_iter().collect());
        assert!(!lower([0.01, -0.02, 0.005, -0.01, 0.0]));
        assert!(!lower([0.0; 5]));
        assert!(lower([-0.01, -0.012, -0.009, -0.011, -0.01]));
        assert!(!lower([0.01, 0.012, 0.009, 0.011, 0.01]));
    }
}
