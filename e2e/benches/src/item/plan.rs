//! Planning and applying when there is nothing to do, beside `cdk synth`.

use super::Item;
use crate::error::Result;
use crate::measure::Usages;
use crate::report::{Section, State, Table, Verdict, megabytes, seconds, spread, times};
use crate::setup::Setup;
use crate::stats::Sample;

pub(super) const ITEM: Item = Item {
    name: "plan",
    title: "Nothing to do",
    budgets: &[
        ("`plan` with nothing to do, time", "1/100 of the time"),
        ("`plan` with nothing to do, memory", "1/10 of the memory"),
        ("`apply` with nothing to do, time", "1/50 of the time"),
        ("`apply` with nothing to do, writes", "zero writes"),
    ],
    run,
};

const ROUNDS: usize = 7;
/// Of a Python app of the same stack, recorded before this harness was written; never measured by it.
const RECORDED: (f64, f64) = (9.1, 297e6);

fn run(setup: &Setup) -> Result<Section> {
    let scene = setup.scene()?;
    let harness = &setup.settings.harness;
    let (mut plan, mut apply, mut synth) = (Usages::default(), Usages::default(), Usages::default());
    let mut node = setup.node().map_err(|error| error.line());
    let mut writes = 0;
    let rounds = setup.rounds(ROUNDS);
    // The first of each is not counted: it reads from disk.
    for round in 0..=rounds {
        setup.say(format!("nothing to do, {round} of {rounds}"));
        let planned = scene.runner(&["plan", "--detailed-exitcode"]).run(harness)?;
        scene.forget_requests()?;
        let applied = scene.runner(&["apply"]).run(harness)?;
        writes += scene.writes()?;
        let synthesised = node.clone().and_then(|node| node.synth().run(harness).map_err(|error| error.line()));
        if round > 0 {
            plan.push(&planned);
            apply.push(&applied);
        }
        match synthesised {
            Ok(usage) if round > 0 => synth.push(&usage),
            Ok(_) => {}
            Err(why) => node = Err(why),
        }
    }
    let mut table = Table::new(["Command", "Wall time", "CPU time", "Peak memory", "Wall / plan"]);
    let mut row = |name: &str, usages: &Usages| {
        let ratio = times(usages.wall_s.median() / plan.wall_s.median());
        let (wall, cpu) = (spread(&usages.wall_s, seconds), spread(&usages.cpu_s, seconds));
        table.row([name.to_owned(), wall, cpu, spread(&usages.peak_bytes, megabytes), ratio]);
    };
    row("`runner plan`", &plan);
    row("`runner apply`", &apply);
    let mut method = method(rounds);
    let peer = match node {
        Ok(_) => {
            row("`cdk synth`", &synth);
            (synth.wall_s.median(), synth.peak_bytes.median())
        }
        Err(why) => {
            method
                .push(format!("`cdk synth` was not measured ({why}): the budgets are judged by the recorded figure."));
            RECORDED
        }
    };
    let recorded = [RECORDED.0, RECORDED.1].map(|it| [it].into_iter().collect::<Sample>());
    let ratio = times(RECORDED.0 / plan.wall_s.median());
    let [wall, peak] = [spread(&recorded[0], seconds), spread(&recorded[1], megabytes)];
    table.row(["`cdk synth`, recorded, not measured here".to_owned(), wall, "–".to_owned(), peak, ratio]);
    Ok(Section { title: String::new(), method, tables: vec![table], verdicts: verdicts(&plan, &apply, peer, writes) })
}

fn verdicts(plan: &Usages, apply: &Usages, peer: (f64, f64), writes: usize) -> Vec<Verdict> {
    let [time, memory, again, none] = [0, 1, 2, 3].map(|it| ITEM.budget(it));
    vec![
        Verdict::at_most(time.0, plan.wall_s.median(), peer.0, 1.0 / 100.0, seconds, time.1),
        Verdict::at_most(memory.0, plan.peak_bytes.median(), peer.1, 1.0 / 10.0, megabytes, memory.1),
        Verdict::at_most(again.0, apply.wall_s.median(), peer.0, 1.0 / 50.0, seconds, again.1),
        Verdict {
            what: none.0.to_owned(),
            ours: writes.to_string(),
            peer: "–".to_owned(),
            ratio: "–".to_owned(),
            budget: none.1.to_owned(),
            state: if writes == 0 { State::Met } else { State::Missed },
        },
    ]
}

fn method(rounds: usize) -> Vec<String> {
    vec![
        format!(
            "The repository's own `pipeline.yaml`, applied to the local cloud before; then {rounds} runs of each, \
             alternating, after one that is not counted. `apply` looks, plans, and proves by the smoke test that the \
             URL answers. Writes are counted by the local cloud."
        ),
        "`cdk synth` is of a stack of the same kind (`e2e/benches/peers/app.js`), in plain JavaScript, without asking \
         for a newer version or sending usage figures. It compares nothing with what is there: `cdk diff` would come \
         on top, and needs an account."
            .to_owned(),
        "The recorded figure, 9.1 s and 297 MB, is of an earlier measurement on another day; it is shown for comparison."
            .to_owned(),
    ]
}
