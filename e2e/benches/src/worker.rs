//! What the harness runs in processes of its own, so that each is measured alone.

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Subcommand;
use model::Model;
use serde::{Deserialize, Serialize};

use crate::error::{BenchError, Doing as _, Result};
use crate::rows::{Rows, read_scores, visit, write_scores};
use crate::shapes::{Random, SHAPES};
use crate::{load, measure, ours};

/// A piece of work; each is the whole life of a process.
#[derive(Clone, Debug, Subcommand)]
pub enum Worker {
    /// Runs a command and prints what it took.
    Measure {
        /// Program and arguments.
        #[arg(last = true, required = true)]
        words: Vec<PathBuf>,
    },
    /// Writes generated card transactions as CSV.
    Generate {
        /// How many.
        #[arg(long)]
        rows: u64,
        /// Where to.
        #[arg(long)]
        csv: PathBuf,
    },
    /// Writes one of the shapes as row files `train` and `test`.
    Shape {
        /// Its place in the list.
        #[arg(long)]
        index: usize,
        /// At most so many rows.
        #[arg(long)]
        rows: usize,
        /// Where to.
        #[arg(long)]
        folder: PathBuf,
    },
    /// Divides a CSV file into stratified folds, row files `fold-0` and on.
    Folds {
        /// The rows.
        #[arg(long)]
        csv: PathBuf,
        /// How many.
        #[arg(long)]
        folds: usize,
        /// Where to.
        #[arg(long)]
        folder: PathBuf,
    },
    /// Counts the rows of a CSV file.
    Count {
        /// The rows.
        #[arg(long)]
        csv: PathBuf,
    },
    /// Does what the stage `train` does.
    Train {
        /// The rows.
        #[arg(long)]
        csv: PathBuf,
        /// How many trees.
        #[arg(long)]
        trees: u32,
        /// Where the model goes.
        #[arg(long)]
        model: PathBuf,
    },
    /// Trains on row files, and writes the scores of another.
    Fit {
        /// To train on.
        #[arg(long, num_args = 1..)]
        train: Vec<PathBuf>,
        /// To score.
        #[arg(long)]
        test: PathBuf,
        /// How many trees.
        #[arg(long)]
        trees: u32,
        /// Where the scores go.
        #[arg(long)]
        scores: PathBuf,
    },
    /// Scores a row file with a model file.
    Score {
        /// The model.
        #[arg(long)]
        model: PathBuf,
        /// The rows.
        #[arg(long)]
        rows: PathBuf,
        /// Where the scores go.
        #[arg(long)]
        scores: PathBuf,
        /// How often all rows are scored.
        #[arg(long)]
        rounds: usize,
        /// How many rows are scored one at a time.
        #[arg(long)]
        singles: usize,
    },
    /// Compares scores with the labels of a row file.
    Judge {
        /// The rows.
        #[arg(long)]
        rows: PathBuf,
        /// Their scores.
        #[arg(long)]
        scores: PathBuf,
    },
    /// Answers every request with the same score: what a server cannot be quicker than.
    Trivial {
        /// Where to listen, on 127.0.0.1.
        #[arg(long)]
        port: u16,
    },
}

/// How many rows there are.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Counted {
    /// All of them.
    pub(crate) rows: usize,
    /// Those with the label 1.
    pub(crate) positives: usize,
}

impl Counted {
    fn of(rows: &Rows) -> Self {
        Self { rows: rows.labels.len(), positives: rows.labels.iter().filter(|it| **it).count() }
    }
}

/// How long training took, reading left out.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Fitted {
    /// Seconds.
    pub(crate) fit_s: f64,
}

/// How good scores are.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Judged {
    /// Of the rows.
    pub(crate) average_precision: f64,
    /// Of the rows.
    pub(crate) log_loss: f64,
    /// How many rows.
    pub(crate) rows: usize,
    /// How many of them are positive.
    pub(crate) positives: usize,
}

/// How quick our scoring is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Scored {
    /// Seconds for all rows, each time.
    pub(crate) batch_s: Vec<f64>,
    /// Nanoseconds for a row, each time.
    pub(crate) single_ns: Vec<f64>,
}

/// Does the work; what it says goes to stdout as one line of JSON.
pub fn run(worker: &Worker) -> Result<Option<String>> {
    match worker {
        Worker::Measure { words } => said(&measure::measured(words)?),
        Worker::Generate { rows, csv } => ours::generate_csv(*rows, csv).map(|()| None),
        Worker::Shape { index, rows, folder } => shape(*index, *rows, folder).map(|()| None),
        Worker::Folds { csv, folds, folder } => divide(csv, *folds, folder).map(|()| None),
        Worker::Count { csv } => said(&Counted::of(&ours::read_csv(csv)?)),
        Worker::Train { csv, trees, model } => ours::train_csv(csv, *trees, model).map(|()| None),
        Worker::Fit { train, test, trees, scores } => said(&fit(train, test, *trees, scores)?),
        Worker::Score { model, rows, scores, rounds, singles } => said(&score(model, rows, scores, *rounds, *singles)?),
        Worker::Judge { rows, scores } => said(&judge(rows, scores)?),
        Worker::Trivial { port } => load::serve_trivially(*port).map(|()| None),
    }
}

fn said(result: &impl Serialize) -> Result<Option<String>> {
    serde_json::to_string(result).doing("could not write the result").map(Some)
}

fn shape(index: usize, rows: usize, folder: &Path) -> Result<()> {
    let shape = SHAPES.get(index).ok_or_else(|| BenchError::new(format!("there is no shape {index}")))?;
    let (train, test) = shape.cut(rows).make();
    train.write(&folder.join("train"))?;
    test.write(&folder.join("test"))
}

/// Shuffles the rows of either class and deals them out in turn.
fn divide(csv: &Path, folds: usize, folder: &Path) -> Result<()> {
    let rows = ours::read_csv(csv)?;
    let mut random = Random::new("folds");
    let mut parts = vec![Rows::new(rows.width); folds];
    for class in [true, false] {
        let mut own: Vec<usize> = (0..rows.labels.len()).filter(|it| rows.labels[*it] == class).collect();
        for place in (1..own.len()).rev() {
            own.swap(place, random.below(place as u64 + 1) as usize);
        }
        for (place, row) in own.into_iter().enumerate() {
            parts[place % folds].push(&rows.values[row * rows.width..(row + 1) * rows.width], class);
        }
    }
    parts.iter().enumerate().try_for_each(|(fold, part)| part.write(&folder.join(format!("fold-{fold}"))))
}

/// Times what the peer's script times: from rows in memory to the scores of the test rows.
fn fit(train: &[PathBuf], test: &Path, trees: u32, scores: &Path) -> Result<Fitted> {
    let table = ours::table(train)?;
    let test = Rows::read(test)?;
    let began = Instant::now();
    let model = ours::fit(table, trees)?;
    let given: Vec<f32> = test.values.chunks_exact(test.width).map(|row| model.score(row)).collect();
    let fit_s = began.elapsed().as_secs_f64();
    write_scores(scores, &given)?;
    Ok(Fitted { fit_s })
}

fn score(model: &Path, rows: &Path, scores: &Path, rounds: usize, singles: usize) -> Result<Scored> {
    let bytes = std::fs::read(model).doing("could not read the model")?;
    let model = Model::read(&bytes).doing("could not read the model")?;
    let rows = Rows::read(rows)?;
    let mut given = Vec::new();
    let mut batch_s = Vec::new();
    for _ in 0..rounds {
        let began = Instant::now();
        given = rows.values.chunks_exact(rows.width).map(|row| model.score(row)).collect();
        batch_s.push(began.elapsed().as_secs_f64());
    }
    let single = |row: &[f32]| {
        let began = Instant::now();
        black_box(model.score(black_box(row)));
        began.elapsed().as_secs_f64() * 1e9
    };
    let single_ns = rows.values.chunks_exact(rows.width).cycle().take(singles).map(single).collect();
    write_scores(scores, &given)?;
    Ok(Scored { batch_s, single_ns })
}

fn judge(rows: &Path, scores: &Path) -> Result<Judged> {
    let mut labels = Vec::new();
    visit(rows, |_, _, label| labels.push(label))?;
    let scores = read_scores(scores)?;
    if scores.len() != labels.len() {
        return Err(BenchError::new(format!("{} scores for {} rows", scores.len(), labels.len())));
    }
    Ok(Judged {
        average_precision: crate::stats::average_precision(&labels, &scores),
        log_loss: crate::stats::log_loss(&labels, &scores),
        rows: labels.len(),
        positives: labels.iter().filter(|it| **it).count(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folds_hold_every_row_once_and_the_classes_alike() {
        let folder = tempfile::tempdir().unwrap();
        let csv = folder.path().join("rows.csv");
        ours::generate_csv(5_000, &csv).unwrap();
        divide(&csv, 5, folder.path()).unwrap();
        let parts: Vec<Rows> =
            (0..5).map(|it| Rows::read(&folder.path().join(format!("fold-{it}"))).unwrap()).collect();
        let counts = parts.iter().map(|it| (it.labels.len(), it.labels.iter().filter(|it| **it).count()));
        assert_eq!(counts.collect::<Vec<_>>(), [(1001, 2), (1000, 2), (1000, 2), (1000, 2), (999, 1)]);
        let sum = |rows: &Rows| rows.values.iter().map(|it| f64::from(*it)).sum::<f64>();
        let all = sum(&ours::read_csv(&csv).unwrap());
        assert!((parts.iter().map(sum).sum::<f64>() - all).abs() < 1e-6 * all.abs());
    }

    #[test]
    fn what_was_fitted_scores_better_than_chance_and_is_judged_so() {
        let folder = tempfile::tempdir().unwrap();
        shape(0, 1_000, folder.path()).unwrap();
        let [train, test, scores] = ["train", "test", "scores"].map(|it| folder.path().join(it));
        fit(&[train], &test, 10, &scores).unwrap();
        let judged = judge(&test, &scores).unwrap();
        assert!(judged.average_precision > 0.75 && judged.log_loss < 0.6, "{judged:?}");
    }
}
