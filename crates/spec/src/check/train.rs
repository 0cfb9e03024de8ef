//! Where the model comes from.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::words::{quoted, subject};
use super::{Block, Checker, suggest};
use crate::forms::TextOr;
use crate::limits;
use crate::raw::{RawAlgorithm, RawData, RawGradientBoosting, RawLogisticRegression, RawTrain};
use crate::types::{Algorithm, Data, Fit, GradientBoosting, Import, LogisticRegression, Require, Split, Train};

const PATH: &str = "stages.train";
/// More columns than `XGBoost` users have, and few enough that a slip in a range fills no memory.
const MAX_FEATURES: usize = 10_000;

pub(super) fn train(checker: &mut Checker<'_>, block: Block<'_>) -> Option<Train> {
    let mut raw: RawTrain = checker.stage("train", block)?;
    let features = features(checker, raw.features.take())?;
    if raw.model.is_some() {
        return import(checker, &raw, features).map(Train::Import);
    }
    let label = raw.label.unwrap_or_else(|| "Class".to_owned());
    check_label(checker, &label, &features);
    let default = Split::default();
    let split = raw.split.map_or(default.clone(), |split| Split {
        test: checker.number("stages.train.split.test", split.test, &limits::TEST_SHARE, default.test),
        seed: split.seed.unwrap_or(default.seed),
    });
    let require = raw.require.unwrap_or_default();
    let mut share = |key: &str, given: Option<f64>| {
        given.map(|given| checker.number(&format!("{PATH}.require.{key}"), Some(given), &limits::SHARE, 0.0))
    };
    let require = Require {
        average_precision: share("average-precision", require.average_precision),
        roc_auc: share("roc-auc", require.roc_auc),
    };
    let data = data(checker, raw.data);
    let algorithm = algorithm(checker, raw.algorithm);
    Some(Train::Fit(Fit { data: data?, label, features: features.names, algorithm: algorithm?, split, require }))
}

fn import(checker: &mut Checker<'_>, raw: &RawTrain, features: Features) -> Option<Import> {
    let model = raw.model.as_deref()?;
    let of_training = [
        ("data", raw.data.is_some()),
        ("label", raw.label.is_some()),
        ("algorithm", raw.algorithm.is_some()),
        ("split", raw.split.is_some()),
        ("require", raw.require.is_some()),
    ];
    for (key, _) in of_training.iter().filter(|(_, written)| *written) {
        let message = format!("`{key}` and `model` exclude each other");
        let complaint = checker.places.complain_key(&format!("{PATH}.{key}"), message);
        let complaint = complaint.also(checker.places.key(&format!("{PATH}.model")), "the model is trained elsewhere");
        checker.say(complaint.help("`data` trains a model here, `model` takes one that was trained elsewhere"));
    }
    local_path(checker, "stages.train.model", model).map(|model| Import { model, features: features.names })
}

/// A path of this machine. What it leads to is for the stage to find out.
fn local_path(checker: &mut Checker<'_>, path: &str, text: &str) -> Option<PathBuf> {
    if text.trim().is_empty() {
        checker.say(checker.places.complain(path, format!("{} must not be empty", subject(path))));
        return None;
    }
    if text.contains("://") {
        let message = format!("{} must be a file of this machine, not {}", subject(path), quoted(text));
        checker.say(checker.places.complain(path, message).help("download it first, and name the copy"));
        return None;
    }
    Some(PathBuf::from(text))
}

fn data(checker: &mut Checker<'_>, raw: Option<TextOr<RawData>>) -> Option<Data> {
    let path = "stages.train.data";
    match raw {
        None => Some(Data::default()),
        Some(TextOr::Text(text)) => rows(checker, path, &text),
        Some(TextOr::Block(RawData { generate: Some(_), path: Some(_) })) => {
            let message = "`data` names two sources";
            let complaint = checker.places.complain_key("stages.train.data.path", message).label("one source");
            let other = checker.places.key("stages.train.data.generate");
            checker.say(complaint.also(other, "another source").help("keep one of them"));
            None
        }
        Some(TextOr::Block(RawData { generate: None, path: None })) => {
            let complaint = checker.places.complain(path, "`data` names no source");
            checker.say(complaint.help("write a path, or `generate: {}`"));
            None
        }
        Some(TextOr::Block(RawData { path: Some(text), .. })) => rows(checker, "stages.train.data.path", &text),
        Some(TextOr::Block(RawData { generate: Some(generate), .. })) => {
            let count = generate.0.rows.unwrap_or(100_000);
            checker.within("stages.train.data.generate.rows", &count, &limits::ROWS);
            Some(Data::Generate { rows: count, seed: generate.0.seed.unwrap_or(42) })
        }
    }
}

fn rows(checker: &mut Checker<'_>, path: &str, text: &str) -> Option<Data> {
    let file = local_path(checker, path, text)?;
    if is_table(&file) {
        return Some(Data::Path(file));
    }
    let message = format!("{} must end in `.csv` or `.csv.gz`, unlike {}", subject(path), quoted(text));
    let complaint = checker.places.complain(path, message);
    checker.say(if text == "generate" { complaint.help("write `data: { generate: {} }`") } else { complaint });
    None
}

fn is_table(file: &Path) -> bool {
    let name = file.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
    [".csv", ".csv.gz"].iter().any(|ending| name.strip_suffix(ending).is_some_and(|stem| !stem.is_empty()))
}

fn algorithm(checker: &mut Checker<'_>, raw: Option<TextOr<RawAlgorithm>>) -> Option<Algorithm> {
    let path = "stages.train.algorithm";
    let known = ["gradient-boosting", "logistic-regression"];
    match raw {
        None => Some(Algorithm::default()),
        Some(TextOr::Text(name)) => match name.as_str() {
            "gradient-boosting" => Some(Algorithm::default()),
            "logistic-regression" => Some(Algorithm::LogisticRegression(LogisticRegression::default())),
            _ => {
                let complaint = checker.places.complain(path, format!("unknown algorithm {}", quoted(&name)));
                checker.say(suggest(complaint, &name, "algorithms", &known));
                None
            }
        },
        Some(TextOr::Block(block)) => match (block.gradient_boosting, block.logistic_regression) {
            (Some(raw), None) => Some(Algorithm::GradientBoosting(gradient_boosting(checker, &raw.0))),
            (None, Some(raw)) => Some(Algorithm::LogisticRegression(logistic_regression(checker, &raw.0))),
            (Some(_), Some(_)) => {
                let complaint = checker
                    .places
                    .complain_key("stages.train.algorithm.logistic-regression", "`algorithm` names two algorithms");
                let other = checker.places.key("stages.train.algorithm.gradient-boosting");
                checker.say(complaint.label("one").also(other, "another").help("keep one of them"));
                None
            }
            (None, None) => {
                let complaint = checker.places.complain(path, "`algorithm` names no algorithm");
                checker.say(complaint.help(format!("algorithms: {}", known.join(", "))));
                None
            }
        },
    }
}

fn gradient_boosting(checker: &mut Checker<'_>, raw: &RawGradientBoosting) -> GradientBoosting {
    let path = |key: &str| format!("stages.train.algorithm.gradient-boosting.{key}");
    let default = GradientBoosting::default();
    let learning_rate = match raw.learning_rate {
        // The model format is f32, in which a tiny rate would be 0.
        Some(rate) if !(rate <= 1.0 && rate as f32 > 0.0) => {
            let message = format!("`learning-rate` must be above 0 and at most 1, not {rate}");
            checker.say(checker.places.complain(&path("learning-rate"), message));
            default.learning_rate
        }
        rate => rate.map_or(default.learning_rate, |rate| rate as f32),
    };
    GradientBoosting {
        trees: checker.whole(&path("trees"), raw.trees, &limits::TREES, default.trees),
        learning_rate,
        depth: checker.whole(&path("depth"), raw.depth, &limits::DEPTH, default.depth),
        l2: not_negative(checker, &path("l2"), raw.l2, default.l2),
        min_leaf_weight: not_negative(checker, &path("min-leaf-weight"), raw.min_leaf_weight, default.min_leaf_weight),
    }
}

fn logistic_regression(checker: &mut Checker<'_>, raw: &RawLogisticRegression) -> LogisticRegression {
    let path = |key: &str| format!("stages.train.algorithm.logistic-regression.{key}");
    let default = LogisticRegression::default();
    LogisticRegression {
        l2: not_negative(checker, &path("l2"), raw.l2, default.l2),
        max_iterations: checker.whole(
            &path("max-iterations"),
            raw.max_iterations,
            &limits::MAX_ITERATIONS,
            default.max_iterations,
        ),
    }
}

fn not_negative(checker: &mut Checker<'_>, path: &str, given: Option<f64>, default: f32) -> f32 {
    match given {
        Some(number) if !(number >= 0.0 && (number as f32).is_finite()) => {
            let message = format!("{} must be at least 0 and finite, not {number}", subject(path));
            checker.say(checker.places.complain(path, message));
            default
        }
        number => number.map_or(default, |number| number as f32),
    }
}

/// Names of columns, and which item of the list brought each.
struct Features {
    names: Vec<String>,
    origin: HashMap<String, String>,
}

fn features(checker: &mut Checker<'_>, raw: Option<Vec<String>>) -> Option<Features> {
    let path = "stages.train.features";
    let list = raw.unwrap_or_else(|| vec!["V1..V28".to_owned(), "Amount".to_owned()]);
    let mut features = Features { names: Vec::new(), origin: HashMap::new() };
    let before = checker.complaints.len();
    if list.is_empty() {
        checker.say(checker.places.complain(path, "`features` must name at least one column"));
    }
    for (index, item) in list.iter().enumerate() {
        let path = format!("{path}[{index}]");
        let names = match expand(item) {
            Ok(names) => names,
            Err(Wrong { message, help }) => {
                checker.say(checker.places.complain(&path, message).help(help));
                continue;
            }
        };
        if features.names.len() + names.len() > MAX_FEATURES {
            checker.say(checker.places.complain(&path, format!("more than {MAX_FEATURES} features")));
            return None;
        }
        for name in names {
            if let Some(first) = features.origin.get(&name) {
                let complaint = checker.places.complain(&path, format!("feature `{name}` is named twice"));
                checker.say(complaint.label("again here").also(checker.places.find(first), "first here"));
                break;
            }
            features.origin.insert(name.clone(), path.clone());
            features.names.push(name);
        }
    }
    (checker.complaints.len() == before).then_some(features)
}

fn check_label(checker: &mut Checker<'_>, label: &str, features: &Features) {
    let path = "stages.train.label";
    if !is_column(label) {
        let complaint = checker.places.complain(path, format!("{} is no name of a column", quoted(label)));
        checker.say(complaint.help(COLUMN_HELP));
    } else if let Some(item) = features.origin.get(label) {
        let message = format!("the label `{label}` is among the features");
        let complaint = checker.places.complain(item, message).label("the model would see the answer");
        checker.say(complaint.also(checker.places.find(path), "the label"));
    }
}

struct Wrong {
    message: String,
    help: String,
}

const COLUMN_HELP: &str = "a name has letters, digits and `_`, and does not begin with a digit";

/// The columns that one item of `features` stands for.
fn expand(item: &str) -> Result<Vec<String>, Wrong> {
    let wrong = |message: String, help: &str| Err(Wrong { message, help: help.to_owned() });
    let Some((from, to)) = item.split_once("..") else {
        if is_column(item) {
            return Ok(vec![item.to_owned()]);
        }
        return wrong(format!("{} is no name of a column", quoted(item)), COLUMN_HELP);
    };
    let example = "a range is two names that differ in the number they end in, such as `V1..V28`";
    let (Some((stem, first)), Some((other, last))) = (numbered(from), numbered(to)) else {
        return wrong(format!("{} is no range of columns", quoted(item)), example);
    };
    if stem != other {
        return wrong(format!("{} runs from one name to another", quoted(item)), example);
    }
    if first > last {
        return wrong(format!("{} runs backwards", quoted(item)), &format!("write `{to}..{from}`"));
    }
    if (last - first) as usize >= MAX_FEATURES {
        return wrong(format!("{} is more than {MAX_FEATURES} features", quoted(item)), example);
    }
    Ok((first..=last).map(|number| format!("{stem}{number}")).collect())
}

/// Splits `V28` into `V` and 28. A number with leading zeros is none: counting on would lose them.
fn numbered(name: &str) -> Option<(&str, u32)> {
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
    let digits = &name[stem.len()..];
    let plain = digits == "0" || !digits.starts_with('0');
    (is_column(stem) && plain).then(|| Some((stem, digits.parse().ok()?))).flatten()
}

fn is_column(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}
