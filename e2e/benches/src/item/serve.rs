//! The model server beside a server of the kind that AWS's container uses.

use std::process::Command;
use std::time::Duration;

use bytes::Bytes;

use super::Item;
use crate::error::{BenchError, Doing as _, Result};
use crate::load::{Load, Loaded};
use crate::machine;
use crate::measure::{cpu_s, peak_bytes};
use crate::process::Server;
use crate::report::{Section, Table, Verdict, megabytes, per_second, seconds, spread, times};
use crate::rows::Rows;
use crate::setup::Setup;
use crate::stats::Sample;

pub(super) const ITEM: Item = Item {
    name: "serve",
    title: "Serving",
    budgets: &[("model-server, one connection", "20 ×"), ("model-server, 16 connections", "200 ×")],
    run,
};

const CONNECTIONS: [(usize, f64); 2] = [(1, 20.0), (16, 200.0)];
const ROUNDS: usize = 5;
const DURATION: Duration = Duration::from_secs(5);
const QUICK_DURATION: Duration = Duration::from_millis(500);
/// Scores are compared as numbers: one side prints more digits.
const SAME: f64 = 1e-6;

/// A kind of server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Ours,
    Peer {
        workers: usize,
    },
    /// As a careful user of the container would set it up; not its default.
    Tuned {
        workers: usize,
    },
    Trivial,
}

/// What one kind did with so many connections.
#[derive(Default)]
struct Figures {
    per_second: Sample,
    median_s: Sample,
    high_s: Sample,
    /// CPU time of the server, per request.
    cpu_s: Sample,
    peak_bytes: Sample,
}

fn run(setup: &Setup) -> Result<Section> {
    let kinds = kinds();
    let rows = first_row(setup)?;
    let mut section = Section { title: String::new(), method: method(), tables: vec![], verdicts: vec![] };
    for ((connections, limit), (what, budget)) in CONNECTIONS.into_iter().zip(ITEM.budgets) {
        let figures = measure(setup, &kinds, connections, &rows)?;
        let ours = figures[0].per_second.median();
        let heading = if connections == 1 { "1 connection".to_owned() } else { format!("{connections} connections") };
        let columns = [&*heading, "Requests", "Median", "99th percentile", "CPU per request", "Memory", "Ours / it"];
        let mut table = Table::new(columns);
        for (kind, it) in kinds.iter().zip(&figures) {
            table.row([
                kind.words(),
                spread(&it.per_second, per_second),
                seconds(it.median_s.median()),
                seconds(it.high_s.median()),
                seconds(it.cpu_s.median()),
                megabytes(it.peak_bytes.median()),
                times(ours / it.per_second.median()),
            ]);
        }
        section.tables.push(table);
        let peers = kinds.iter().zip(&figures).filter(|(kind, _)| matches!(kind, Kind::Peer { .. }));
        let best = peers.map(|(_, it)| it.per_second.median()).fold(f64::NAN, f64::max);
        section.verdicts.push(Verdict::at_least(what, ours, best, limit, per_second, budget));
    }
    Ok(section)
}

fn kinds() -> Vec<Kind> {
    let mut kinds = vec![Kind::Ours, Kind::Peer { workers: 1 }];
    // The container's default.
    kinds.extend(Some(Kind::Peer { workers: machine::cores() }).filter(|it| *it != kinds[1]));
    kinds.extend([Kind::Tuned { workers: machine::cores() }, Kind::Trivial]);
    kinds
}

fn method() -> Vec<String> {
    vec![
        "The same model of 100 trees; one CSV row of 29 features a request, keep-alive, one request in flight a \
         connection, all on the loopback interface. The peer is written after AWS's open-source container (gunicorn \
         with gevent workers, Flask, one `DMatrix` a request, one prediction thread), with one worker and with its \
         default, one per core; the better of both counts."
            .to_owned(),
        "The peer's `DMatrix` starts as many OpenMP threads as there are cores in each worker, and these compete for \
         the cores: that is its default, and most of the difference with many connections. `OMP_NUM_THREADS=1` cures \
         it, so that row is shown as well; the budget is about the default."
            .to_owned(),
        "The client is one thread of this harness and takes its share of the same processors. `trivial` is a server that \
         scores nothing: its row is the most that the client can measure. Where ours is near it, the client is what is \
         measured, and CPU time per request tells more."
            .to_owned(),
        "Every answer must have status 200 and be the same, and both sides must give the same score. Memory is the peak \
         of the first process; each of gunicorn's workers has about as much again."
            .to_owned(),
    ]
}

fn measure(setup: &Setup, kinds: &[Kind], connections: usize, row: &Bytes) -> Result<Vec<Figures>> {
    let duration = if setup.settings.quick { QUICK_DURATION } else { DURATION };
    let load = Load { connections, duration, path: "/invocations", body: row.clone() };
    let mut all: Vec<Figures> = kinds.iter().map(|_| Figures::default()).collect();
    let mut scores = Vec::new();
    for round in 1..=setup.rounds(ROUNDS) {
        setup.say(format!("{connections} connection(s), round {round}"));
        for (kind, figures) in kinds.iter().zip(&mut all) {
            let server = kind.start(setup)?;
            let before = cpu_s(server.pid())?;
            let Loaded { per_second, latency_s, requests, answer } = load.run(server.address())?;
            figures.cpu_s.push((cpu_s(server.pid())? - before) / requests as f64);
            figures.per_second.push(per_second);
            figures.median_s.push(latency_s.quantile(0.5));
            figures.high_s.push(latency_s.quantile(0.99));
            figures.peak_bytes.push(peak_bytes(server.pid())?);
            if *kind != Kind::Trivial {
                let score: f64 = answer.trim().parse().doing(format!("`{answer}` is no score"))?;
                scores.push(score);
            }
        }
    }
    match scores.iter().find(|score| (**score - scores[0]).abs() > SAME) {
        Some(other) => Err(BenchError::new(format!("one server scores {}, another {other}", scores[0]))),
        None => Ok(all),
    }
}

impl Kind {
    fn words(self) -> String {
        match self {
            Self::Ours => "ours".to_owned(),
            Self::Peer { workers: 1 } => "gunicorn, 1 worker".to_owned(),
            Self::Peer { workers } => format!("gunicorn, {workers} workers"),
            Self::Tuned { workers } => format!("gunicorn, {workers} workers, `OMP_NUM_THREADS=1`"),
            Self::Trivial => "trivial: the client's ceiling".to_owned(),
        }
    }

    fn start(self, setup: &Setup) -> Result<Server> {
        let model = setup.model()?;
        let folder = setup.folder("serve")?;
        let log = folder.join("server.log");
        match self {
            Self::Ours => {
                let runner = &setup.programs()?.runner;
                // As an archive is unpacked: a folder with the model alone.
                let models = setup.folder("serve-model")?;
                std::fs::copy(model, models.join("xgboost-model")).doing("could not copy the model")?;
                Server::start(&log, |port| {
                    let mut command = Command::new(runner);
                    command.args(["model-server", "serve"]).env("BIND_ADDRESS", "127.0.0.1");
                    command.env("PORT", port.to_string()).env("MODEL_DIR", models).env_remove("SAGEMAKER_BIND_TO_PORT");
                    command
                })
            }
            Self::Peer { workers } | Self::Tuned { workers } => {
                let python = setup.serving()?;
                let server = Server::start(&log, |port| {
                    let mut command = python.command("serve.py");
                    command.arg("--model").arg(model).args(["--port", &port.to_string()]);
                    command.args(["--workers", &workers.to_string()]).env_remove("OMP_NUM_THREADS");
                    if let Self::Tuned { .. } = self {
                        command.env("OMP_NUM_THREADS", "1");
                    }
                    command
                })?;
                // It listens before its workers have loaded the model; the first answer comes after that.
                let ready = Load { connections: workers, ..Load::probe() };
                ready.run(server.address())?;
                Ok(server)
            }
            Self::Trivial => Server::start(&log, |port| {
                let mut command = Command::new(&setup.settings.harness);
                command.args(["worker", "trivial", "--port", &port.to_string()]);
                command
            }),
        }
    }
}

/// The first generated row as the body of a request.
fn first_row(setup: &Setup) -> Result<Bytes> {
    let rows = Rows::read(setup.rows()?)?;
    let cells: Vec<String> = rows.values[..rows.width].iter().map(f32::to_string).collect();
    Ok(Bytes::from(cells.join(",")))
}
