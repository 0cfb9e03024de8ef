//! The function's cold start beside one in Python.

use std::process::Command;

use super::Item;
use crate::error::Result;
use crate::report::{Section, Table, Verdict, megabytes, seconds, spread, times};
use crate::runtime_api::cold_start;
use crate::setup::Setup;
use crate::stats::Sample;

pub(super) const ITEM: Item = Item {
    name: "proxy",
    title: "Cold start of the function",
    budgets: &[
        ("lambda-proxy, cold start to first answer", "1/20 of the time"),
        ("lambda-proxy, memory", "1/2 of the memory"),
        ("proxy zip", "under 5 MB"),
    ],
    run,
};

const ROUNDS: usize = 25;
/// Lambda's limit for a zip that is uploaded directly.
const LAMBDA_LIMIT_BYTES: f64 = 50e6;
/// Ours.
const ZIP_LIMIT_BYTES: f64 = 5e6;

fn run(setup: &Setup) -> Result<Section> {
    let proxy = &setup.programs()?.proxy;
    let python = setup.functions()?;
    let mut sides: [(Sample, Sample); 2] = Default::default();
    let rounds = setup.rounds(ROUNDS);
    // The first start of either reads its files from disk, and is not counted.
    for round in 0..=rounds {
        setup.say(format!("cold start {round} of {rounds}"));
        let commands = [Command::new(proxy), python.command("proxy.py")];
        for ((time_s, memory), command) in sides.iter_mut().zip(commands) {
            let start = cold_start(command)?;
            if round > 0 {
                time_s.push(start.answer_s);
                memory.push(start.peak_bytes);
            }
        }
    }
    let [ours, peer] = &sides;
    let mut table = Table::new(["Function", "Start to first answer", "Peak memory", "Time / ours", "Memory / ours"]);
    for (name, (time_s, memory)) in [("ours", ours), ("Python and boto3", peer)] {
        table.row([
            name.to_owned(),
            spread(time_s, seconds),
            spread(memory, megabytes),
            times(time_s.median() / ours.0.median()),
            times(memory.median() / ours.1.median()),
        ]);
    }
    let [time, memory, zip] = [0, 1, 2].map(|it| ITEM.budget(it));
    let (own_s, own_bytes) = (ours.0.median(), ours.1.median());
    let zip_verdict = match setup.scene().and_then(crate::scene::Scene::proxy_zip_bytes) {
        Ok(bytes) => {
            let limit = ZIP_LIMIT_BYTES / LAMBDA_LIMIT_BYTES;
            Verdict::at_most(zip.0, bytes as f64, LAMBDA_LIMIT_BYTES, limit, megabytes, zip.1)
        }
        Err(error) => Verdict::not_measured(zip.0, zip.1, error.line()),
    };
    let verdicts = vec![
        Verdict::at_most(time.0, own_s, peer.0.median(), 1.0 / 20.0, seconds, time.1),
        Verdict::at_most(memory.0, own_bytes, peer.1.median(), 0.5, megabytes, memory.1),
        zip_verdict,
    ];
    let method = vec![
        format!(
            "{rounds} starts each, alternating, after one that is not counted. The harness plays Lambda's Runtime API and \
             the endpoint; the clock runs from the start of the process until its first answer has arrived. Memory is \
             the peak until then."
        ),
        "The Python function imports boto3, makes a client, and asks the Runtime API by the standard library, which is \
         less than AWS's own runtime client for Python does."
            .to_owned(),
        "The zip is what `apply` uploads; its peer is Lambda's limit of 50 MB.".to_owned(),
    ];
    Ok(Section { title: String::new(), method, tables: vec![table], verdicts })
}
