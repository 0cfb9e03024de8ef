//! Where the model comes from.

use std::path::{Component, Path, PathBuf};

use super::algorithm::algorithm;
use super::columns::{Features, check_label, features};
use super::data::{data, local_path};
use super::words::{quoted, subject};
use super::{Block, Checker, aws, suggest};
use crate::forms::{self, TextOr};
use crate::limits;
use crate::raw::{RawData, RawRequire, RawSplit, RawTrain, RawTrainingInstances};
use crate::types::{
    Algorithm, Command, Data, Fit, GradientBoosting, Import, Monotone, On, Require, Split, TestData, Train,
    TrainingInstances,
};

const PATH: &str = "stages.train";

fn at(key: &str) -> String {
    format!("{PATH}.{key}")
}

pub(super) fn train(checker: &mut Checker<'_>, block: Block<'_>) -> Option<Train> {
    let mut raw: RawTrain = checker.stage("train", block)?;
    let features = features(checker, raw.features.take())?;
    if raw.command.is_some() {
        return command(checker, raw, features).map(Train::Command);
    }
    if raw.inputs.is_some() {
        let complaint = checker.places.complain_key(&at("inputs"), "`inputs` needs a `command`");
        checker.say(complaint.help("they are what a program of your own reads: `command: [python, train_model.py]`"));
    }
    if raw.model.is_some() {
        return import(checker, raw, features).map(Train::Import);
    }
    fit(checker, raw, features).map(Train::Fit)
}

fn fit(checker: &mut Checker<'_>, raw: RawTrain, features: Features) -> Option<Fit> {
    let label = raw.label.unwrap_or_else(default_label);
    check_label(checker, &label, &features);
    let rows = match raw.data {
        None => Some(Data::default()),
        Some(raw) => data(checker, &at("data"), raw),
    };
    let is_split = raw.test_data.is_none();
    let test_data = match raw.test_data {
        None => Ok(None),
        Some(raw) => data(checker, &at("test-data"), raw).map(Some).ok_or(Wrong),
    };
    if let (Some(rows), Ok(Some(test_rows))) = (&rows, &test_data)
        && rows == test_rows
    {
        let complaint = checker.places.complain(&at("test-data"), "`test-data` names the rows that are learnt from");
        let complaint = complaint.also(checker.places.find(&at("data")), "the same rows");
        checker.say(complaint.help("leave it out, and a share of `data` is held back"));
    }
    let split = split(checker, raw.split, is_split);
    let require = require(checker, raw.require, true);
    let algorithm = algorithm(checker, raw.algorithm, &features);
    let on = on(checker, raw.on.as_deref(), raw.instances, algorithm.as_ref(), &features);
    Some(Fit {
        data: rows?,
        test_data: test_data.ok()?,
        label,
        features: features.names,
        algorithm: algorithm?,
        split,
        require,
        on: on?,
    })
}

fn default_label() -> String {
    "Class".to_owned()
}

fn split(checker: &mut Checker<'_>, raw: Option<RawSplit>, is_split: bool) -> Split {
    let raw = raw.unwrap_or_default();
    let default = Split::default();
    let given = [("test", raw.test.is_some()), ("seed", raw.seed.is_some())];
    if let Some((key, _)) = given.iter().find(|(_, given)| *given && !is_split) {
        let path = at(&format!("split.{key}"));
        let complaint = checker.places.complain_key(&path, format!("`{key}` and `test-data` exclude each other"));
        let complaint = complaint.also(checker.places.key(&at("test-data")), "these rows are held back already");
        checker.say(complaint.help("leave `split` out: beside `test-data` nothing is split off `data`"));
    }
    Split {
        test: checker.number(&at("split.test"), raw.test, &limits::TEST_SHARE, default.test),
        seed: raw.seed.unwrap_or(default.seed),
    }
}

fn require(checker: &mut Checker<'_>, raw: Option<RawRequire>, is_measured: bool) -> Require {
    let raw = raw.unwrap_or_default();
    let mut share = |key: &str, given: Option<f64>| {
        given.map(|given| checker.number(&at(&format!("require.{key}")), Some(given), &limits::SHARE, 0.0))
    };
    let mut require = Require {
        average_precision: share("average-precision", raw.average_precision),
        roc_auc: share("roc-auc", raw.roc_auc),
        precision: share("precision", raw.precision),
        recall: share("recall", raw.recall),
        f1: share("f1", raw.f1),
        log_loss: raw.log_loss,
        brier_score: share("brier-score", raw.brier_score),
        not_worse_than_live: share("not-worse-than-live", raw.not_worse_than_live),
    };
    if let Some(loss) = require.log_loss.take_if(|loss| !(*loss >= 0.0 && loss.is_finite())) {
        let message = format!("`log-loss` must be at least 0 and finite, not {loss}");
        checker.say(checker.places.complain(&at("require.log-loss"), message));
    }
    if !is_measured && require != Require::default() {
        let message = "`require` needs `test-data`: without rows there is nothing to measure";
        let complaint = checker.places.complain_key(&at("require"), message);
        checker.say(complaint.help("name rows that the model has not seen: `test-data: rows.csv`"));
    }
    require
}

fn on(
    checker: &mut Checker<'_>,
    given: Option<&str>,
    instances: Option<forms::Block<RawTrainingInstances>>,
    algorithm: Option<&Algorithm>,
    features: &Features,
) -> Option<On> {
    match given {
        None | Some("here") => {
            if instances.is_some() {
                let complaint = checker.places.complain_key(&at("instances"), "`instances` needs `on: sagemaker`");
                checker.say(complaint.help("without it the model is trained on this machine"));
            }
            Some(On::Here)
        }
        Some("sagemaker") => {
            if let Some(algorithm) = algorithm {
                check_for_sagemaker(checker, algorithm, features);
            }
            let raw = instances.map_or_else(RawTrainingInstances::default, |block| block.0);
            Some(On::SageMaker(training_instances(checker, raw)))
        }
        Some(other) => {
            let message = format!("a model cannot be trained on {}", quoted(other));
            let complaint = checker.places.complain(&at("on"), message);
            checker.say(suggest(complaint, other, "places", &limits::ON));
            None
        }
    }
}

/// What the prebuilt container cannot do, or not in these numbers.
fn check_for_sagemaker(checker: &mut Checker<'_>, algorithm: &Algorithm, features: &Features) {
    let (key, name) = match algorithm {
        Algorithm::GradientBoosting(boosting) => return check_hyperparameters(checker, boosting, features),
        Algorithm::RandomForest(_) => ("random-forest", "a random forest"),
        Algorithm::LogisticRegression(_) => ("logistic-regression", "logistic regression"),
    };
    let message = format!("on SageMaker only gradient boosting can be trained, not {name}");
    let complaint = checker.places.complain_key(&at(&format!("algorithm.{key}")), message);
    let complaint = complaint.also(checker.places.find(&at("on")), "by AWS's image `sagemaker-xgboost`");
    checker.say(complaint.help("write `on: here`, and it is trained on this machine"));
}

fn check_hyperparameters(checker: &mut Checker<'_>, boosting: &GradientBoosting, features: &Features) {
    let path = |key: &str| at(&format!("algorithm.gradient-boosting.{key}"));
    if !limits::SAGEMAKER_SEED.contains(&boosting.seed) {
        let (most, given) = (limits::SAGEMAKER_SEED.end(), boosting.seed);
        let message = format!("on SageMaker `seed` must be at most {most}, not {given}");
        checker.say(checker.places.complain(&path("seed"), message));
    }
    // `(0,-1,…)`: two characters a feature and one more for each that decreases.
    let decreasing = boosting.monotone.values().filter(|direction| **direction == Monotone::Decreasing).count();
    let chars = features.names.len() * 2 + 1 + decreasing;
    if !boosting.monotone.is_empty() && chars > limits::HYPERPARAMETER_CHARS {
        let count = features.names.len();
        let message = format!("on SageMaker `monotone` cannot be used with as many as {count} features");
        let complaint = checker.places.complain_key(&path("monotone"), message);
        let most = limits::HYPERPARAMETER_CHARS;
        checker
            .say(complaint.help(format!("it lists every feature, and a hyperparameter has at most {most} characters")));
    }
}

fn training_instances(checker: &mut Checker<'_>, raw: RawTrainingInstances) -> TrainingInstances {
    let path = |key: &str| at(&format!("instances.{key}"));
    let default = TrainingInstances::default();
    let instance_type = raw.r#type.unwrap_or(default.instance_type);
    // Source: `TrainingInstanceType` of the SageMaker API, which has no such machine.
    if instance_type.starts_with("ml.t2.") {
        let message = format!("{} serves models, but trains none", quoted(&instance_type));
        let complaint = checker.places.complain(&path("type"), message);
        checker.say(complaint.help("`ml.t3.medium` is the nearest that trains, `ml.m5.large` the default"));
    } else {
        aws::check_instance_type(checker, &path("type"), &instance_type, true);
    }
    TrainingInstances {
        instance_type,
        count: checker.whole(&path("count"), raw.count, &limits::INSTANCES, default.count),
        volume_gb: checker.whole(&path("volume-gb"), raw.volume_gb, &limits::VOLUME_GB, default.volume_gb),
        max_runtime_s: checker.whole(
            &path("max-runtime-s"),
            raw.max_runtime_s,
            &limits::TRAINING_S,
            default.max_runtime_s,
        ),
    }
}

fn import(checker: &mut Checker<'_>, raw: RawTrain, features: Features) -> Option<Import> {
    exclude(checker, &raw, "model", "the model is trained elsewhere");
    let model = local_path(checker, &at("model"), raw.model.as_deref()?);
    let measured = raw.test_data.is_some();
    let test_data = test_data(checker, raw.test_data, raw.label, &features);
    let require = require(checker, raw.require, measured);
    Some(Import { model: model?, features: features.names, test_data: test_data.ok()?, require })
}

fn command(checker: &mut Checker<'_>, raw: RawTrain, features: Features) -> Option<Command> {
    exclude(checker, &raw, "command", "the command makes the model");
    let command = raw.command.unwrap_or_default();
    match command.first() {
        Some(program) if !program.trim().is_empty() => {}
        Some(_) => checker.say(checker.places.complain(&at("command[0]"), "the program must not be empty")),
        None => {
            let complaint = checker.places.complain(&at("command"), "`command` must name a program");
            checker.say(complaint.help("a program and its arguments: `command: [python, train_model.py]`"));
        }
    }
    let model = if let Some(model) = raw.model.as_deref() {
        local_path(checker, &at("model"), model)
    } else {
        let complaint = checker.places.complain_key(&at("command"), "`command` needs a `model`");
        checker.say(complaint.help("it names the file that the command writes: `model: model.tar.gz`"));
        None
    };
    let inputs = inputs(checker, raw.inputs.as_deref(), model.as_deref());
    let measured = raw.test_data.is_some();
    let test_data = test_data(checker, raw.test_data, raw.label, &features);
    let require = require(checker, raw.require, measured);
    Some(Command {
        command,
        inputs: inputs?,
        model: model?,
        features: features.names,
        test_data: test_data.ok()?,
        require,
    })
}

/// What the command reads. Did it also read what it writes, it would never be up to date.
fn inputs(checker: &mut Checker<'_>, raw: Option<&[String]>, model: Option<&Path>) -> Option<Vec<PathBuf>> {
    let example = "name the files and folders that it reads: `inputs: [train_model.py, data]`";
    let list = match raw {
        None => {
            let message = "`command` needs `inputs`: without them nothing tells when it must run again";
            checker.say(checker.places.complain_key(&at("command"), message).help(example));
            return None;
        }
        Some([]) => {
            let message = "`inputs` is empty, so that nothing tells when the command must run again";
            checker.say(checker.places.complain(&at("inputs"), message).help(example));
            return None;
        }
        Some(list) => list,
    };
    let mut inputs = Vec::new();
    for (index, text) in list.iter().enumerate() {
        let path = at(&format!("inputs[{index}]"));
        let Some(input) = local_path(checker, &path, text) else { continue };
        if let Some(model) = model.filter(|model| plain(model).starts_with(plain(&input))) {
            let message = format!("the model is within {}, so that each run would ask for the next", subject(&path));
            let complaint = checker.places.complain(&path, message);
            let complaint = complaint.also(checker.places.find(&at("model")), "what the command writes");
            checker.say(complaint.help(format!("write `{}` elsewhere, or name what is read", model.display())));
        }
        inputs.push(input);
    }
    (inputs.len() == list.len()).then_some(inputs)
}

/// The path without `.` and `..`, as far as the text alone tells.
fn plain(path: &Path) -> PathBuf {
    path.components().fold(PathBuf::new(), |mut plain, component| {
        match component {
            Component::CurDir => {}
            Component::ParentDir if plain.file_name().is_some() => {
                plain.pop();
            }
            component => plain.push(component),
        }
        plain
    })
}

/// Objects to the keys of training from rows beside `key`.
fn exclude(checker: &mut Checker<'_>, raw: &RawTrain, key: &str, why: &str) {
    let of_training = [
        ("data", raw.data.is_some()),
        ("algorithm", raw.algorithm.is_some()),
        ("split", raw.split.is_some()),
        ("on", raw.on.is_some()),
        ("instances", raw.instances.is_some()),
    ];
    for (other, _) in of_training.iter().filter(|(_, written)| *written) {
        let message = format!("`{other}` and `{key}` exclude each other");
        let complaint = checker.places.complain_key(&at(other), message);
        let complaint = complaint.also(checker.places.key(&at(key)), why);
        let by_rows = "`test-data` names rows to judge the model by";
        checker.say(match *other {
            "data" if key == "command" => complaint.help("`inputs` names what the command reads").help(by_rows),
            "data" | "split" => complaint.help(by_rows),
            _ => complaint.help(format!("`{other}` is for a model that is trained from `data`")),
        });
    }
}

/// Something is wrong, and has been complained about.
struct Wrong;

/// Rows to judge a model by that comes without any.
fn test_data(
    checker: &mut Checker<'_>,
    raw: Option<TextOr<RawData>>,
    label: Option<String>,
    features: &Features,
) -> Result<Option<TestData>, Wrong> {
    let Some(raw) = raw else {
        if label.is_some() {
            let complaint = checker.places.complain_key(&at("label"), "`label` needs `test-data`");
            checker.say(complaint.help("it names the column that holds the truth about those rows"));
        }
        return Ok(None);
    };
    let label = label.unwrap_or_else(default_label);
    check_label(checker, &label, features);
    let data = data(checker, &at("test-data"), raw).ok_or(Wrong)?;
    Ok(Some(TestData { data, label }))
}
