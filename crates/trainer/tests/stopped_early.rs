//! Whether a model that `XGBoost` stopped early is served as `predict_proba` of the release that trained it scores: in
//! every release behind AWS's containers, however it is asked, and here.
//!
//! The releases come from the package index, as those of the test `python` do.

#![expect(clippy::unwrap_used, reason = "a test that cannot set up has failed")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use model::Model;

/// How far a score may be from Python's.
const SCORE_LIMIT: f32 = 1e-6;
const WIDTH: usize = 8;
const TRAINING_ROWS: usize = 2_400;
const TEST_ROWS: usize = 1_000;

/// The releases behind the containers 1.3-1, 1.5-1, 1.7-1, 3.0-5 and 3.2-0.
const RELEASES: [&str; 5] = ["1.3.3", "1.5.2", "1.7.6", "3.0.5", "3.2.0"];

/// Of 1.3, a file that `Booster.save_model` wrote does not say how many trees a round has.
const UNKNOWN_ROUNDS: &str = "1.3.3-forest-booster";

fn python(release: &str) -> Result<PathBuf, String> {
    let packages = format!(
        "xgboost=={release}\nnumpy==1.26.4\nscipy==1.11.4\nscikit-learn==1.3.2\njoblib==1.3.2\nthreadpoolctl==3.2.0"
    );
    peers::python(&format!("xgboost-{release}-sklearn"), &packages)
}

fn run(python: &Path, verb: &str, folders: [&Path; 2]) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/stopped_early.py");
    let mut command = Command::new(python);
    peers::run(command.env("OMP_NUM_THREADS", "1").arg(script).arg(verb).args(folders)).unwrap();
}

/// Numbers from 0 to 1 in steps that f32 holds exactly, by Knuth's multiplicative hash.
fn number(index: u32) -> f32 {
    let mixed = index.wrapping_mul(2_654_435_761) ^ (index.wrapping_mul(40_503) >> 7);
    (mixed.wrapping_mul(2_246_822_519) >> 8) as f32 / (1 << 24) as f32
}

fn rows(count: usize, seed: u32) -> Vec<[f32; WIDTH]> {
    let at = |row: usize, column: usize| seed + (row * 2 * WIDTH + column) as u32;
    let value = |row, column| match number(at(row, column + WIDTH)) {
        missing if missing < 0.1 => f32::NAN,
        _ => 4.0 * number(at(row, column)) - 2.0,
    };
    (0..count).map(|row| std::array::from_fn(|column| value(row, column))).collect()
}

fn label(row: &[f32; WIDTH], index: usize) -> f32 {
    let known = |column: usize| if row[column].is_nan() { 0.0 } else { row[column] };
    let noise = number(900_000_000 + index as u32) - 0.5;
    f32::from(u8::from(known(0) + known(1) * known(2) + 2.0 * noise > 0.9))
}

fn write(path: &Path, values: &[f32]) {
    fs::write(path, values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<_>>()).unwrap();
}

fn numbers(path: &Path) -> Vec<f32> {
    fs::read(path).unwrap().as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
}

fn furthest(ours: &[f32], theirs: &[f32]) -> f32 {
    assert_eq!((ours.len(), theirs.len()), (TEST_ROWS, TEST_ROWS));
    let apart = ours.iter().zip(theirs).map(|(ours, theirs)| (ours - theirs).abs());
    apart.fold(0.0, |most, apart| if apart.is_nan() { f32::INFINITY } else { most.max(apart) })
}

/// A file of a release, and the scores that it must get.
struct Trained {
    /// Release, kind, and how it was saved.
    name: String,
    bytes: Vec<u8>,
    expected: Vec<f32>,
}

fn trained(release: &str, python: &Path, data: &Path) -> Vec<Trained> {
    let folder = data.join(release);
    fs::create_dir(&folder).unwrap();
    run(python, "train", [data, &folder]);
    let entries = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut files: Vec<_> = entries.filter(|name| !name.ends_with(".expected")).collect();
    files.sort();
    let of = |file: String| {
        let kind = file.split('-').next().unwrap();
        let bytes = fs::read(folder.join(&file)).unwrap();
        let expected = numbers(&folder.join(format!("{kind}.expected")));
        Trained { name: format!("{release}-{}", file.trim_end_matches(".json").replace('.', "-")), bytes, expected }
    };
    files.into_iter().map(of).collect()
}

#[test]
fn models_that_stopped_early_are_served_as_predict_proba_scores() {
    let found: Result<Vec<_>, _> = RELEASES.into_iter().map(python).collect();
    let pythons = match found {
        Ok(pythons) => pythons,
        Err(why) => return peers::missing("NOTHING WAS COMPARED WITH PYTHON'S XGBOOST", &why),
    };
    let data = tempfile::tempdir().unwrap();
    let (training, test) = (rows(TRAINING_ROWS, 1), rows(TEST_ROWS, 500_000_000));
    let labels: Vec<_> = training.iter().enumerate().map(|(index, row)| label(row, index)).collect();
    write(&data.path().join("train.f32"), training.as_flattened());
    write(&data.path().join("labels.f32"), &labels);
    write(&data.path().join("rows.f32"), test.as_flattened());

    let files = RELEASES.iter().zip(&pythons).flat_map(|(release, python)| trained(release, python, data.path()));
    let mut models = vec![];
    let mut stopped = 0;
    for file in files {
        let read = Model::read(&file.bytes);
        if file.name.contains("-dart-") {
            let why = "booster `dart` is not supported, only `gbtree` and `gblinear`";
            assert_eq!(read.unwrap_err().to_string(), why, "{}", file.name);
            continue;
        }
        let model = read.unwrap();
        assert_eq!(model.early_stop().is_some(), !file.name.contains("-linear-"), "{}", file.name);
        stopped += usize::from(model.early_stop().is_some());
        let ours: Vec<_> = test.iter().map(|row| model.score(row)).collect();
        let apart = furthest(&ours, &file.expected);
        if file.name == UNKNOWN_ROUNDS {
            assert!(apart > SCORE_LIMIT, "{}: rounds are known", file.name);
            continue;
        }
        assert!(apart <= SCORE_LIMIT, "{} scores {apart} apart here", file.name);
        models.push((file, model));
    }
    assert!(stopped > 30, "{stopped} files of models that stopped early");
    for (release, python) in RELEASES.iter().zip(&pythons) {
        served_alike(release, python, data.path(), &models);
    }
}

/// Fails unless a release scores what is packed for it as `predict_proba` did, however it is asked.
fn served_alike(release: &str, python: &Path, data: &Path, models: &[(Trained, Model)]) {
    let folder = data.join(format!("served-{release}"));
    fs::create_dir(&folder).unwrap();
    let mut parts = release.split('.').map(|part| part.parse().unwrap());
    let (major, minor) = (parts.next().unwrap(), parts.next().unwrap());
    // Names without an ending, as in the container; those of releases have dots.
    let served =
        |name: &str| name.split_once('-').map(|(of, kind)| format!("{kind}-{}", of.replace('.', "_"))).unwrap();
    for (file, model) in models {
        let bytes = if model.needs_rewrite_for(major, minor) { model.to_json() } else { file.bytes.clone() };
        fs::write(folder.join(served(&file.name)), bytes).unwrap();
    }
    run(python, "score", [data, &folder]);
    for (file, _) in models {
        for asked in ["container", "booster", "wrapper"] {
            let theirs = numbers(&folder.join(format!("{}.{release}.{asked}", served(&file.name))));
            let apart = furthest(&theirs, &file.expected);
            assert!(apart <= SCORE_LIMIT, "{} scores {apart} apart in {release}, {asked}", file.name);
        }
    }
}
