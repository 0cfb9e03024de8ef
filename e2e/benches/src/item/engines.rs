//! Both engines on data of different shapes.

use super::Item;
use super::quality::{Fit, fit_ours, fit_peer, four, six};
use crate::error::Result;
use crate::report::{Section, Table, megabytes, seconds, spread, times};
use crate::setup::Setup;
use crate::shapes::{SHAPES, Shape};
use crate::stats::Sample;

pub(super) const ITEM: Item = Item { name: "engines", title: "Engines on data of different shapes", budgets: &[], run };

const ROUNDS: usize = 3;
const TREES: &str = "100";
const QUICK_ROWS: usize = 2_000;

/// One side on one shape.
#[derive(Default)]
struct Side {
    fit_s: Sample,
    peak_bytes: Sample,
    judged: Option<crate::worker::Judged>,
}

impl Side {
    fn push(&mut self, (peak_bytes, fit): (f64, Fit)) {
        self.fit_s.push(fit.fit_s);
        self.peak_bytes.push(peak_bytes);
        self.judged = Some(fit.judged);
    }

    fn measure(&self, of: fn(&crate::worker::Judged) -> f64, unit: fn(f64) -> String) -> String {
        self.judged.as_ref().map_or_else(|| "–".to_owned(), |it| unit(of(it)))
    }
}

fn run(setup: &Setup) -> Result<Section> {
    let method = vec![
        format!(
            "{TREES} trees of depth 6, the same parameters, two threads. Time is from rows in memory to the scores of \
             the test rows, a quarter as many; ours includes writing the model file, reading it back and judging. \
             Memory is the whole process's, with rows read from a file that needs no parsing."
        ),
        "Data are made by the harness (`e2e/benches/src/shapes.rs`), the same on every platform. No budget: this tells \
         where the engine is good and where it is not."
            .to_owned(),
    ];
    let mut speed = Table::new(["Data", "Rows × features", "Time, ours", "Time, peer", "Ours / peer"]);
    let mut memory = Table::new(["Data", "Peak memory, ours", "Peak memory, peer", "Ours / peer"]);
    let mut quality =
        Table::new(["Data", "Test positives", "AP, ours", "AP, peer", "Log loss, ours", "Log loss, peer"]);
    let mut ratios = Sample::default();
    for (index, shape) in SHAPES.iter().enumerate() {
        let shape = if setup.settings.quick { shape.cut(QUICK_ROWS) } else { *shape };
        let [ours, peer] = measure(setup, index, &shape)?;
        let ratio = ours.fit_s.median() / peer.fit_s.median();
        ratios.push(ratio.ln());
        let name = || shape.name.to_owned();
        let size = format!("{} × {}", shape.rows, shape.width);
        speed.row([name(), size, spread(&ours.fit_s, seconds), spread(&peer.fit_s, seconds), times(ratio)]);
        let ratio = ours.peak_bytes.median() / peer.peak_bytes.median();
        let bytes = |side: &Side| megabytes(side.peak_bytes.median());
        memory.row([name(), bytes(&ours), bytes(&peer), times(ratio)]);
        let positives = ours.judged.map(|it| format!("{} of {}", it.positives, it.rows)).unwrap_or_default();
        let [own, other] = [&ours, &peer].map(|it| it.measure(|it| it.average_precision, four));
        let [own_loss, other_loss] = [&ours, &peer].map(|it| it.measure(|it| it.log_loss, six));
        quality.row([name(), positives, own, other, own_loss, other_loss]);
    }
    let none = || String::new();
    speed.row(["geometric mean".to_owned(), none(), none(), none(), times(ratios.mean().exp())]);
    Ok(Section { title: String::new(), method, tables: vec![speed, memory, quality], verdicts: vec![] })
}

fn measure(setup: &Setup, index: usize, shape: &Shape) -> Result<[Side; 2]> {
    let folder = setup.folder("engines")?;
    let make = setup.worker("shape").args(["--index", &index.to_string(), "--rows", &shape.rows.to_string()]);
    make.arg("--folder").arg(&folder).run(&setup.settings.harness)?;
    let (train, test) = (folder.join("train"), folder.join("test"));
    let [mut ours, mut peer] = [Side::default(), Side::default()];
    for round in 1..=setup.rounds(ROUNDS) {
        setup.say(format!("{}, round {round}", shape.name));
        ours.push(fit_ours(setup, &[&train], &test, TREES)?);
        peer.push(fit_peer(setup, &[&train], &test, TREES)?);
    }
    Ok([ours, peer])
}
