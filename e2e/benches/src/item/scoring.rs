//! Scoring in process: all rows at once, and one row at a time.

use std::collections::BTreeMap;

use super::Item;
use crate::error::{BenchError, Doing as _, Result};
use crate::report::{Section, Table, seconds, spread, times};
use crate::rows::read_scores;
use crate::setup::Setup;
use crate::stats::Sample;
use crate::worker::Scored;

pub(super) const ITEM: Item = Item { name: "scoring", title: "Scoring in process", budgets: &[], run };

const ROUNDS: usize = 9;
const SINGLES: usize = 20_000;
/// Both add the same f32 in the same order; the logistic function differs in its last digits.
const SAME: f32 = 1e-6;

fn run(setup: &Setup) -> Result<Section> {
    let folder = setup.folder("scoring")?;
    let (model, rows) = (setup.model()?, setup.rows()?);
    // XGBoost tells the dialect of a file by its name.
    let for_peer = folder.join("model.json");
    std::fs::copy(model, &for_peer).doing("could not copy the model")?;
    setup.say("scoring");
    let rounds = setup.rounds(ROUNDS).to_string();
    let job = |job: crate::measure::Job, model, scores: &str| {
        let job = job.arg("--model").arg(model).arg("--rows").arg(rows).arg("--scores").arg(folder.join(scores));
        let job = job.args(["--rounds", &rounds, "--singles", &SINGLES.to_string()]);
        job.run(&setup.settings.harness)
    };
    let ours = job(setup.worker("score"), model, "ours")?.stdout;
    let ours: Scored = serde_json::from_str(&ours).doing("could not read our times")?;
    let peer = job(setup.training()?.script("score.py"), &for_peer, "peer")?.stdout;
    let mut peer: BTreeMap<String, Vec<f64>> = serde_json::from_str(&peer).doing("could not read the peer's times")?;
    let (own, other) = (read_scores(&folder.join("ours"))?, read_scores(&folder.join("peer"))?);
    let apart = own.iter().zip(&other).map(|(own, other)| (own - other).abs()).fold(0.0, f32::max);
    if own.len() != other.len() || apart > SAME {
        return Err(BenchError::new(format!("both sides score the same model differently, by up to {apart}")));
    }
    let mut take = |name: &str| peer.remove(name).unwrap_or_default().into_iter().collect::<Sample>();
    let rows = format!("All {} rows", own.len());
    let mut batch = Table::new([&*rows, "Threads", "Time", "Per row", "Time / ours"]);
    let own_batch: Sample = ours.batch_s.into_iter().collect();
    let ways = [
        ("ours, `Model::score` row by row", "1", own_batch.clone()),
        ("XGBoost, `inplace_predict`", "1", take("inplace_1")),
        ("XGBoost, `inplace_predict`", "2", take("inplace_2")),
        ("XGBoost, `DMatrix` and `predict`", "1", take("dmatrix_1")),
        ("XGBoost, `DMatrix` and `predict`", "2", take("dmatrix_2")),
    ];
    for (way, threads, times_s) in ways {
        let per_row = times_s.median() / own.len() as f64;
        let ratio = times(times_s.median() / own_batch.median());
        batch.row([way.to_owned(), threads.to_owned(), spread(&times_s, seconds), seconds(per_row), ratio]);
    }
    let mut single = Table::new(["One row", "Median", "99th percentile", "Median / ours"]);
    let own_single: Sample = ours.single_ns.into_iter().collect();
    let ways = [
        ("ours, `Model::score`", own_single.clone()),
        ("XGBoost, `inplace_predict`", take("single_inplace_ns")),
        ("XGBoost, `DMatrix` and `predict`", take("single_dmatrix_ns")),
    ];
    for (way, ns) in ways {
        let [median, high] = [0.5, 0.99].map(|share| seconds(ns.quantile(share) / 1e9));
        single.row([way.to_owned(), median, high, times(ns.quantile(0.5) / own_single.quantile(0.5))]);
    }
    let method = vec![
        format!(
            "One model of 100 trees, trained by us, and one file of rows, read before the clock starts. The scores of \
             both sides are compared: the largest difference was {apart:e}, more than {SAME:e} would end the run."
        ),
        "Ours reads the clock around each single row, which itself takes some 20 ns. No budget.".to_owned(),
    ];
    Ok(Section { title: String::new(), method, tables: vec![batch, single], verdicts: vec![] })
}
