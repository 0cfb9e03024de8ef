//! From a CSV file to a model: our whole process beside Python's.

use super::Item;
use crate::error::Result;
use crate::measure::{Job, Usages};
use crate::ours;
use crate::report::{Section, Table, Verdict, megabytes, seconds, spread, times};
use crate::setup::{DataSet, Setup};

pub(super) const ITEM: Item = Item {
    name: "train",
    title: "Training, loading included",
    budgets: &[("train, time", "no slower"), ("train, memory", "no more memory")],
    run,
};

const TREES: &str = "100";
const ROUNDS: usize = 5;
const READERS: [&str; 3] = ["pandas", "pyarrow", "polars"];

fn run(setup: &Setup) -> Result<Section> {
    let sets = setup.data_sets()?;
    let mut method = vec![
        format!(
            "One process reads the CSV file, trains {TREES} trees of depth 6 on 80 % of its rows (228 thousand of 284,807), \
             judges on the rest and writes the model; 29 features, two threads."
        ),
        "Ours is what the stage `train` runs. The peer reads with pandas, pyarrow and polars, and trains by \
         `QuantileDMatrix` and `hist` with the same parameters. Its quickest reader counts for time, its leanest for \
         memory."
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
    let python = setup.training()?;
    let folder = setup.folder("train")?;
    let ours = setup.worker("train").args(["--trees", TREES]).arg("--csv").arg(&set.csv);
    let ours = ours.arg("--model").arg(folder.join("ours"));
    let peer = |reader: &str| {
        let job = python.script("train.py").args(["--reader", reader, "--trees", TREES, "--label", ours::LABEL]);
        let job = job.args(["--features", &ours::features().join(",")]).arg("--csv").arg(&set.csv);
        job.arg("--model").arg(folder.join("peer.json"))
    };
    let names = std::iter::once("ours".to_owned()).chain(READERS.map(|it| format!("Python, {it}")));
    let jobs = std::iter::once(ours).chain(READERS.map(peer));
    let mut runs: Vec<(String, Job, Usages)> =
        names.zip(jobs).map(|(name, job)| (name, job, Usages::default())).collect();
    for round in 1..=setup.rounds(ROUNDS) {
        setup.say(format!("training on {} rows, round {round}", set.name));
        for (_, job, usages) in &mut runs {
            usages.push(&job.run(&setup.settings.harness)?);
        }
    }
    let heading = format!("Data: {}", set.name);
    let mut table = Table::new([&*heading, "Wall time", "CPU time", "Peak memory", "Wall / ours"]);
    let own_s = runs[0].2.wall_s.median();
    for (name, _, usages) in &runs {
        table.row([
            name.clone(),
            spread(&usages.wall_s, seconds),
            spread(&usages.cpu_s, seconds),
            spread(&usages.peak_bytes, megabytes),
            times(usages.wall_s.median() / own_s),
        ]);
    }
    section.tables.push(table);
    let least = |of: fn(&Usages) -> f64| runs[1..].iter().map(|it| of(&it.2)).fold(f64::INFINITY, f64::min);
    let (time, memory) = (ITEM.budget(0), ITEM.budget(1));
    let named = |what: &str| format!("{what}, {} rows", set.name);
    let peer_s = least(|it| it.wall_s.median());
    section.verdicts.push(Verdict::at_most(&named(time.0), own_s, peer_s, 1.0, seconds, time.1));
    let (own_bytes, peer_bytes) = (runs[0].2.peak_bytes.median(), least(|it| it.peak_bytes.median()));
    section.verdicts.push(Verdict::at_most(&named(memory.0), own_bytes, peer_bytes, 1.0, megabytes, memory.1));
    Ok(())
}
