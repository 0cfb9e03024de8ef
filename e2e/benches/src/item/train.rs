//! From a CSV file to a model: our whole process beside Python's.

use super::Item;
use crate::error::{BenchError, Result};
use crate::measure::{Job, Usages};
use crate::ours;
use crate::report::{Section, Table, Verdict, megabytes, seconds, spread, times};
use crate::setup::{DataSet, Setup};

pub(super) const ITEM: Item = Item {
    name: "train",
    title: "Training, loading included",
    budgets: &[("train, loading included, time", "no slower"), ("train, loading included, memory", "no more memory")],
    run,
};

const TREES: &str = "100";
const ROUNDS: usize = 5;
const READERS: [&str; 3] = ["pandas", "pyarrow", "polars"];

fn run(setup: &Setup) -> Result<Section> {
    let sets = setup.data_sets()?;
    let mut method = vec![
        format!(
            "One process reads the CSV file, trains {TREES} trees of depth 6 on 80 % of its rows, \
             judges on the rest and writes the model; 29 features, two threads. The budget is about the generated rows; \
             on few rows the peer's time is mostly that of its imports."
        ),
        "Ours is what the stage `train` runs. The peer reads with pandas, pyarrow and polars, and trains by \
         `QuantileDMatrix` and `hist` with the same parameters. Its quickest reader counts for time, its leanest for \
         memory."
            .to_owned(),
    ];
    method.extend(Setup::missing_data(&sets));
    let mut section = Section { title: String::new(), method, tables: vec![], verdicts: vec![] };
    for (place, set) in sets.iter().enumerate() {
        measure(setup, set, &mut section, place == 0)?;
    }
    Ok(section)
}

fn measure(setup: &Setup, set: &DataSet, section: &mut Section, judged: bool) -> Result<()> {
    let python = setup.training()?;
    let folder = setup.folder("train")?;
    let ours = setup.worker("train").args(["--trees", TREES]).arg("--csv").arg(&set.csv);
    let ours = ours.arg("--model").arg(folder.join("ours"));
    let peer = |reader: &str| {
        let job = python.script("train.py").args(["--reader", reader, "--trees", TREES, "--label", ours::LABEL]);
        let job = job.args(["--features", &ours::features().join(",")]).arg("--csv").arg(&set.csv);
        job.arg("--model").arg(folder.join("peer.json"))
    };
    let own = Side { name: "ours".to_owned(), job: ours, usages: Usages::default(), failed: None };
    let peers = READERS.map(|it| Side { name: format!("Python, {it}"), job: peer(it), ..own.clone() });
    let mut sides: Vec<Side> = std::iter::once(own).chain(peers).collect();
    for round in 1..=setup.rounds(ROUNDS) {
        setup.say(format!("training on {}, round {round}", set.name));
        for side in &mut sides {
            side.run(setup);
        }
    }
    let [own, peers @ ..] = sides.as_slice() else { return Ok(()) };
    if let Some(why) = &own.failed {
        return Err(BenchError::new(why));
    }
    let heading = format!("Data: {}", set.name);
    let mut table = Table::new([&*heading, "Wall time", "CPU time", "Peak memory", "Wall / ours"]);
    for side in &sides {
        table.row(side.cells(own));
    }
    section.tables.push(table);
    if judged {
        section.verdicts.extend(verdicts(&own.usages, peers));
    }
    Ok(())
}

/// One way to do it.
#[derive(Clone, Debug)]
struct Side {
    name: String,
    job: Job,
    usages: Usages,
    /// Why it was given up.
    failed: Option<String>,
}

impl Side {
    fn run(&mut self, setup: &Setup) {
        if self.failed.is_some() {
            return;
        }
        match self.job.run(&setup.settings.harness) {
            Ok(usage) => self.usages.push(&usage),
            Err(error) => self.failed = Some(error.line()),
        }
    }

    fn cells(&self, own: &Self) -> [String; 5] {
        let (name, none) = (self.name.clone(), || "–".to_owned());
        let Usages { wall_s, cpu_s, peak_bytes } = &self.usages;
        match &self.failed {
            Some(why) => [name, format!("not measured: {why}"), none(), none(), none()],
            None => [
                name,
                spread(wall_s, seconds),
                spread(cpu_s, seconds),
                spread(peak_bytes, megabytes),
                times(wall_s.median() / own.usages.wall_s.median()),
            ],
        }
    }
}

/// Time against the quickest peer, memory against the leanest.
fn verdicts(own: &Usages, peers: &[Side]) -> [Verdict; 2] {
    let least = |of: fn(&Usages) -> f64| {
        let able = peers.iter().filter(|it| it.failed.is_none());
        able.map(|it| of(&it.usages)).fold(f64::NAN, f64::min)
    };
    let (time, memory) = (ITEM.budget(0), ITEM.budget(1));
    let (peer_s, peer_bytes) = (least(|it| it.wall_s.median()), least(|it| it.peak_bytes.median()));
    [
        Verdict::at_most(time.0, own.wall_s.median(), peer_s, 1.0, seconds, time.1),
        Verdict::at_most(memory.0, own.peak_bytes.median(), peer_bytes, 1.0, megabytes, memory.1),
    ]
}
