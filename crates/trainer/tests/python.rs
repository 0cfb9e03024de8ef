//! Whether Python's `XGBoost` and we mean the same by a model file: both directions, with the release that AWS's
//! container has and with the newest that we know.
//!
//! The releases come from the package index into folders under `target/python`, once. Where there is no `python3` or no
//! index, the tests say so and pass; with `RUNNER_REQUIRE_PEERS=1` they fail.

#![expect(clippy::unwrap_used, reason = "a test that cannot set up has failed")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use model::{Misreading, Model, archive};
use tempfile::TempDir;
use trainer::{Algorithm, GradientBoosting, LogisticRegression, Options, Split, Table, train};

/// How far a score may be from Python's.
const SCORE_LIMIT: f64 = 1e-6;
/// How far a contribution may be from Python's, which is computed in f32 throughout, and their sum from the margin.
const CONTRIBUTION_LIMIT: f64 = 1e-5;

const NAMES: [&str; 8] = ["V1", "V2", "V3", "V4", "V5", "V6", "Amount", "Betrag €"];
const TRAINING_ROWS: usize = 3_000;
const TEST_ROWS: usize = 4_000;

/// Kinds of model that only Python scores.
const REFUSED: [&str; 4] = ["categorical", "dart", "ranking", "softprob"];

/// A release of `XGBoost` for Python.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Release {
    /// In AWS's container 1.7-1.
    V1_7,
    /// The newest of which we know what it writes.
    V3_2,
}

impl Release {
    const ALL: [Self; 2] = [Self::V1_7, Self::V3_2];

    /// The rest of what they name is not needed.
    fn packages(self) -> &'static str {
        match self {
            Self::V1_7 => "xgboost==1.7.6\nnumpy==1.26.4\nscipy==1.11.4",
            Self::V3_2 => "xgboost==3.2.0\nnumpy==1.26.4\nscipy==1.11.4",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::V1_7 => "xgboost-1.7.6",
            Self::V3_2 => "xgboost-3.2.0",
        }
    }

    fn number(self) -> (u32, u32) {
        match self {
            Self::V1_7 => (1, 7),
            Self::V3_2 => (3, 2),
        }
    }

    /// Gives the interpreter that has this release, and installs it the first time.
    fn python(self) -> Result<PathBuf, String> {
        peers::python(self.name(), self.packages())
    }
}

/// Both interpreters, or nothing where they cannot be had.
fn interpreters() -> Option<[PathBuf; 2]> {
    let found = Release::ALL.map(Release::python);
    if let Some(why) = found.iter().find_map(|it| it.as_ref().err()) {
        peers::missing("NOTHING WAS COMPARED WITH PYTHON'S XGBOOST", why);
        return None;
    }
    Some(found.map(Result::unwrap))
}

/// Rows on disk, a folder for models and one for what each release says of them.
struct Bench {
    folder: TempDir,
    rows: Vec<[f32; NAMES.len()]>,
    interpreters: [PathBuf; 2],
}

/// What Python says of one model file.
struct Answers {
    margins: Vec<f32>,
    scores: Vec<f32>,
    container: Vec<f32>,
    contributions: Vec<f32>,
}

impl Bench {
    fn new() -> Option<Self> {
        let interpreters = interpreters()?;
        let folder = tempfile::tempdir().unwrap();
        let (training, labels) = rows(TRAINING_ROWS, 1);
        let (rows, _) = rows(TEST_ROWS, 2);
        let bench = Self { folder, rows, interpreters };
        bench.write("train.f32", training.as_flattened());
        bench.write("labels.f32", &labels.map(|it| f32::from(u8::from(it))).collect::<Vec<_>>());
        bench.write("rows.f32", bench.rows.as_flattened());
        fs::write(bench.folder.path().join("names.json"), serde_json::to_string(&NAMES).unwrap()).unwrap();
        Some(bench)
    }

    fn write(&self, name: &str, values: &[f32]) {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        fs::write(self.folder.path().join(name), bytes).unwrap();
    }

    /// A folder that is made if need be.
    fn dir(&self, name: &str) -> PathBuf {
        let dir = self.folder.path().join(name);
        fs::create_dir_all(&dir).unwrap();
        dir
    }

    fn python(&self, release: Release, verb: &str, folders: &[&Path]) {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/peer.py");
        let python = &self.interpreters[Release::ALL.iter().position(|it| *it == release).unwrap()];
        let mut command = Command::new(python);
        // The tests run side by side as it is, and OpenMP's threads wait for each other by spinning.
        command.env("OMP_NUM_THREADS", "1");
        peers::run(command.arg(script).arg(verb).arg(self.folder.path()).args(folders)).unwrap();
    }

    fn score(&self, release: Release, models: &Path) -> PathBuf {
        let out = models.join(release.name());
        fs::create_dir_all(&out).unwrap();
        self.python(release, "score", &[models, &out]);
        out
    }

    /// Fails unless Python's scores, margins and contributions are ours.
    fn assert_alike(&self, model: &Model, what: &str, python: &Answers) {
        assert!(python.scores.len() == TEST_ROWS && python.margins.len() == TEST_ROWS, "{what}");
        let ours = self.rows.iter().map(|row| model.margin(row));
        for (row, (ours, python)) in ours.zip(&python.margins).enumerate() {
            assert_eq!(ours.to_bits(), python.to_bits(), "{what}, margin of row {row}: {ours} and {python}");
        }
        let apart = self.apart(model, &python.scores);
        assert!(apart <= SCORE_LIMIT, "{what}: scores are up to {apart} apart");
        let (width, parts) = (NAMES.len() + 1, parts(model));
        assert!(python.contributions.len() >= 100 * width, "{what}");
        for (row, python) in self.rows.iter().zip(python.contributions.chunks_exact(width)) {
            let ours = model.contributions(row);
            let apart = furthest(&ours, python);
            assert!(apart <= CONTRIBUTION_LIMIT, "{what}: contributions are {apart} apart: {ours:?} and {python:?}");
            let sum: f64 = ours.iter().copied().map(f64::from).sum();
            let margin: f64 = parts.iter().map(|part| f64::from(part.margin(row))).sum();
            let rest = (sum - margin).abs();
            assert!(rest <= CONTRIBUTION_LIMIT, "{what}: contributions add up to {sum}, {rest} off the margin");
        }
    }

    fn apart(&self, model: &Model, scores: &[f32]) -> f64 {
        furthest(&self.rows.iter().map(|row| model.score(row)).collect::<Vec<_>>(), scores)
    }
}

impl Answers {
    fn read(folder: &Path, file: &str) -> Self {
        let numbers = |what: &str| {
            let bytes = fs::read(folder.join(format!("{file}.{what}"))).unwrap();
            bytes.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
        };
        Self {
            margins: numbers("margins"),
            scores: numbers("scores"),
            container: numbers("container"),
            contributions: numbers("contributions"),
        }
    }
}

/// Divides a model into such of at most a hundred trees: the f32 margin of a thousand is itself up to 2e-5 off.
fn parts(model: &Model) -> Vec<Model> {
    if model.trees().len() <= 100 {
        return vec![model.clone()];
    }
    // Written, the start of the sum is a tree as well.
    let all = Model::read(&model.to_json()).unwrap();
    let parts = all.trees().chunks(100).map(|trees| Model::boosted(&names(), 0.0, trees.to_vec()).unwrap());
    parts.collect()
}

/// The largest difference; infinite where either is no number.
fn furthest(ours: &[f32], theirs: &[f32]) -> f64 {
    assert_eq!(ours.len(), theirs.len());
    let apart = ours.iter().zip(theirs).map(|(ours, theirs)| (f64::from(*ours) - f64::from(*theirs)).abs());
    apart.map(|apart| if apart.is_nan() { f64::INFINITY } else { apart }).fold(0.0, f64::max)
}

/// Makes rows of which a tenth of the values is missing, and labels that depend on some of the columns.
fn rows(count: usize, seed: u64) -> (Vec<[f32; NAMES.len()]>, impl Iterator<Item = bool> + Clone) {
    let mut state = seed;
    // Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators" (2014).
    let mut next = move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = state;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((bits ^ (bits >> 31)) >> 40) as f32 / (1 << 24) as f32
    };
    let (mut rows, mut labels) = (Vec::with_capacity(count), Vec::with_capacity(count));
    for _ in 0..count {
        let row: [f32; NAMES.len()] = std::array::from_fn(|_| 2.0 * (next() + next() + next()) - 3.0);
        labels.push(row[0] + row[1] * row[2] + next() - 0.5 > 0.8);
        rows.push(row.map(|value| if next() < 0.1 { f32::NAN } else { value }));
    }
    (rows, labels.into_iter())
}

fn names() -> Vec<String> {
    NAMES.map(str::to_owned).to_vec()
}

/// Trains with our own engines; those that refuse missing values get zeros.
fn trained(algorithm: Algorithm) -> Vec<u8> {
    let keeps_missing = matches!(algorithm, Algorithm::GradientBoosting(_));
    let mut table = Table::new("Class", names());
    let (rows, labels) = rows(TRAINING_ROWS, 1);
    for (row, label) in rows.iter().zip(labels) {
        table.push(&row.map(|value| if value.is_nan() && !keeps_missing { 0.0 } else { value }), label);
    }
    let options = Options { algorithm, split: Split::default() };
    train(table, None, &options, &mut |_| {}).unwrap().model_json
}

fn models_of_ours() -> Vec<(&'static str, Vec<u8>)> {
    let boosting = |trees, depth, min_leaf_weight| {
        let parameters = GradientBoosting { trees, depth, min_leaf_weight, ..GradientBoosting::default() };
        trained(Algorithm::GradientBoosting(parameters))
    };
    let ten = boosting(10, 6, 1.0);
    let trees = Model::read(&ten).unwrap().trees().to_vec();
    vec![
        ("boosting-1", boosting(1, 6, 1.0)),
        ("boosting-10", ten),
        ("boosting-100", boosting(100, 6, 1.0)),
        ("boosting-1000", boosting(1000, 4, 1.0)),
        ("boosting-deep", boosting(10, 16, 0.0)),
        ("logistic", trained(Algorithm::LogisticRegression(LogisticRegression::default()))),
        ("another-start", Model::boosted(&names(), -1.5, trees).unwrap().to_json()),
        ("no-trees", Model::boosted(&names(), 0.75, vec![]).unwrap().to_json()),
    ]
}

fn ours_are_alike_in(release: Release) {
    let Some(bench) = Bench::new() else { return };
    let folder = bench.dir("ours");
    let models = models_of_ours();
    for (name, json) in &models {
        fs::write(folder.join(format!("{name}.json")), json).unwrap();
        fs::write(folder.join(format!("{name}.tar.gz")), archive::pack(json)).unwrap();
    }
    let answers = bench.score(release, &folder);
    for (name, json) in &models {
        let model = Model::read(json).unwrap();
        for file in [format!("{name}.json"), format!("{name}.tar.gz")] {
            let python = Answers::read(&answers, &file);
            bench.assert_alike(&model, &file, &python);
            assert_eq!(python.container, python.scores, "{file}");
        }
    }
}

#[test]
fn our_models_score_alike_in_python_1_7() {
    ours_are_alike_in(Release::V1_7);
}

#[test]
fn our_models_score_alike_in_python_3_2() {
    ours_are_alike_in(Release::V3_2);
}

/// The names of the files with this ending, without it, sorted.
fn files(folder: &Path, ending: &str) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = entries.filter_map(|name| name.strip_suffix(ending).map(str::to_owned)).collect();
    names.sort();
    names
}

/// Trains with Python, and returns what is read here and what is said of the rest.
fn models_of(bench: &Bench, release: Release) -> (PathBuf, Vec<(String, Model)>, String) {
    let folder = bench.dir("theirs");
    bench.python(release, "train", &[&folder]);
    let (mut models, mut refusals) = (Vec::new(), Vec::new());
    for name in files(&folder, ".json") {
        let [json, ubj] = ["json", "ubj"].map(|form| folder.join(format!("{name}.{form}")));
        let [from_json, from_ubj] = [&json, &ubj].map(|file| Model::read(&fs::read(file).unwrap()));
        match (from_json, from_ubj) {
            (Ok(from_json), Ok(from_ubj)) => {
                assert_eq!(from_json.to_json(), from_ubj.to_json(), "{name}");
                assert_eq!(from_json.early_stop(), from_ubj.early_stop(), "{name}");
                models.push((name, from_json));
            }
            (from_json, from_ubj) => {
                let why = from_json.unwrap_err().to_string();
                assert_eq!(from_ubj.unwrap_err().to_string(), why, "{name}");
                refusals.push(format!("{name}: {why}"));
                fs::remove_file(json).unwrap();
            }
        }
    }
    (folder, models, refusals.join("\n"))
}

/// Compares the file as it is, and rewritten, in either release; returns which files the older release misreads.
fn theirs_are_alike(bench: &Bench, folder: &Path, models: &[(String, Model)]) -> Vec<(String, Misreading)> {
    let rewritten = bench.dir("rewritten");
    for (name, model) in models {
        fs::write(rewritten.join(format!("{name}.json")), model.to_json()).unwrap();
    }
    let mut misread = Vec::new();
    for release in Release::ALL {
        let (as_it_is, rewritten) = (bench.score(release, folder), bench.score(release, &rewritten));
        for (name, model) in models {
            let what = format!("{name} in {}", release.name());
            let file = format!("{name}.json");
            let python = Answers::read(&as_it_is, &file);
            let (major, minor) = release.number();
            let misreading = model.misread_by(major, minor);
            // Asked without a limit, Python scores with the trees that do not count, too: see the test `stopped_early`.
            let whole = model.early_stop().is_none();
            if misreading != Some(Misreading::BaseScoreIgnored) && whole {
                bench.assert_alike(model, &what, &python);
            }
            let apart = bench.apart(model, &python.container);
            if misreading.is_none() && whole {
                assert!(apart <= SCORE_LIMIT, "{what}: the container's scores are up to {apart} apart");
            }
            if let Some(misreading) = misreading.filter(|_| apart > SCORE_LIMIT) {
                misread.push((name.clone(), misreading));
            }
            let python = Answers::read(&rewritten, &file);
            bench.assert_alike(model, &format!("{what}, rewritten"), &python);
            assert_eq!(python.container, python.scores, "{what}, rewritten");
        }
    }
    misread
}

#[test]
fn models_of_python_1_7_score_alike_here() {
    let Some(bench) = Bench::new() else { return };
    let (folder, models, refusals) = models_of(&bench, Release::V1_7);
    insta::assert_snapshot!(refusals, @"
    categorical: tree 0 splits by category, which is not supported
    dart: booster `dart` is not supported, only `gbtree` and `gblinear`
    ranking: objective `rank:pairwise` is not supported, only `binary:logistic`, `binary:logitraw`, `reg:logistic` and `reg:squarederror`
    softprob: a model of 2 classes is not supported, only one score per row
    ");
    insta::assert_snapshot!(models.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(" "), @"approx base-score-set deep exact forest linear linear-base-score-set lossguide pruned raw raw-base-score-set reg-logistic squared-error stopped-early stumps-of-nothing trees-1 trees-10 trees-100 trees-1000 weighted without-names");
    let misread = theirs_are_alike(&bench, &folder, &models);
    insta::assert_snapshot!(listed(&misread), @"");
}

#[test]
fn models_of_python_3_2_score_alike_here() {
    let Some(bench) = Bench::new() else { return };
    let (folder, models, refusals) = models_of(&bench, Release::V3_2);
    insta::assert_snapshot!(refusals, @"
    categorical: tree 0 splits by category, which is not supported
    dart: booster `dart` is not supported, only `gbtree` and `gblinear`
    ranking: objective `rank:pairwise` is not supported, only `binary:logistic`, `binary:logitraw`, `reg:logistic` and `reg:squarederror`
    softprob: a model of 2 classes is not supported, only one score per row
    ");
    assert!(REFUSED.iter().all(|name| refusals.contains(&format!("{name}: "))));
    let misread = theirs_are_alike(&bench, &folder, &models);
    insta::assert_snapshot!(listed(&misread), @"
    approx: XGBoost before 3.1 ignores a base score written as a list
    base-score-set: XGBoost before 3.1 ignores a base score written as a list
    deep: XGBoost before 3.1 ignores a base score written as a list
    exact: XGBoost before 3.1 ignores a base score written as a list
    forest: XGBoost before 3.1 ignores a base score written as a list
    linear: XGBoost before 3.1 ignores a base score written as a list
    linear-base-score-set: XGBoost before 3.1 ignores a base score written as a list
    lossguide: XGBoost before 3.1 ignores a base score written as a list
    pruned: XGBoost before 3.1 ignores a base score written as a list
    raw: XGBoost before 3.1 ignores a base score written as a list
    raw-base-score-set: XGBoost before 3.1 ignores a base score written as a list
    reg-logistic: XGBoost before 3.1 ignores a base score written as a list
    squared-error: XGBoost before 3.1 ignores a base score written as a list
    stopped-early: XGBoost before 3.1 ignores a base score written as a list
    stumps-of-nothing: XGBoost before 3.1 ignores a base score written as a list
    trees-1: XGBoost before 3.1 ignores a base score written as a list
    trees-10: XGBoost before 3.1 ignores a base score written as a list
    trees-100: XGBoost before 3.1 ignores a base score written as a list
    trees-1000: XGBoost before 3.1 ignores a base score written as a list
    weighted: XGBoost before 3.1 ignores a base score written as a list
    without-names: XGBoost before 3.1 ignores a base score written as a list
    ");
}

fn listed(misread: &[(String, Misreading)]) -> String {
    misread.iter().map(|(name, misreading)| format!("{name}: {misreading}")).collect::<Vec<_>>().join("\n")
}
