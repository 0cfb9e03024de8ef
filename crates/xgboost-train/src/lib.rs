//! The training half of the `sagemaker-xgboost` image, without the image.
//!
//! A prebuilt image cannot run without Docker, so this stands in for it in the local cloud, under the same container
//! contract: hyperparameters, channels and log lines are the image's, the engine is crate `trainer`'s. What the image
//! can do and this cannot is refused, never left out. Read for it: `aws/sagemaker-xgboost-container`, algorithm mode.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test that unwraps fails where it should"))]

mod channel;
mod hyperparameters;
mod rounds;

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use model::Model;
use trainer::{EngineError, GradientBoosting, Monotone, Table};

use self::hyperparameters::Hyperparameters;

/// Why there is no model.
#[derive(Debug, thiserror::Error)]
pub enum TrainFailure {
    /// What was asked for is wrong, told in the image's own words where it has any.
    #[error("{0}")]
    User(String),
    /// The image would do it; this does not.
    #[error("the local stand-in for this image does not support {0}")]
    Unsupported(String),
    /// A file of the contract cannot be read or written.
    #[error("could not use `{}`", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The engine did not learn.
    #[error("XGB train call failed with exception")]
    Engine(#[from] EngineError),
    /// The trees up to the best round make no model: an internal error.
    #[error("the trees that were kept make no model")]
    Model(#[from] model::ModelError),
}

impl TrainFailure {
    /// What the image calls such an error.
    fn kind(&self) -> &'static str {
        match self {
            Self::User(_) | Self::Unsupported(_) => "UserError",
            Self::Io { .. } => "PlatformError",
            Self::Engine(_) | Self::Model(_) => "AlgorithmError",
        }
    }

    fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }
}

/// Trains by what lies in `work`, the folder that is `/opt/ml` in a container, and logs as the image does.
///
/// Reads `input/config/hyperparameters.json` and `inputdataconfig.json`, channel `train` and, if it is there,
/// `validation`; writes `model/xgboost-model`. A failure is also written to `output/failure`, from where it becomes the
/// job's failure reason.
pub fn run(work: &Path, log: &mut dyn Write) -> Result<(), TrainFailure> {
    let trained = train(work, log);
    if let Err(failure) = &trained {
        let mut text = format!("framework error: \n{}: {failure}", failure.kind());
        let mut source = std::error::Error::source(failure);
        while let Some(error) = source {
            text = format!("{text}:\n {error}");
            source = error.source();
        }
        // Whoever started this learns of the failure from the result, too.
        let _ = writeln!(log, "ERROR: Reporting training FAILURE\nERROR: {text}");
        let output = work.join("output");
        let _ = fs::create_dir_all(&output).and_then(|()| fs::write(output.join("failure"), text));
    }
    trained
}

fn train(work: &Path, log: &mut dyn Write) -> Result<(), TrainFailure> {
    let config = work.join("input").join("config");
    let asked = Hyperparameters::read(&read_json(&config.join("hyperparameters.json"))?)?;
    let channels = read_json(&config.join("inputdataconfig.json"))?;
    channel::check(&channels)?;
    let data = work.join("input").join("data");
    let train = read_channel(&data.join("train"), "training")?;
    let has_validation = channels.get("validation").is_some();
    let validation = has_validation.then(|| read_channel(&data.join("validation"), "validation")).transpose()?;
    if let Some(validation) = &validation
        && validation.features().len() != train.features().len()
    {
        let (wide, has) = (train.features().len(), validation.features().len());
        return Err(TrainFailure::User(format!(
            "the training channel has {wide} features in each row and the validation channel {has}"
        )));
    }

    let mut say = |line: String| writeln!(log, "{line}").map_err(TrainFailure::io(Path::new("the log")));
    say("INFO: the local stand-in for the sagemaker-xgboost image, in algorithm mode".to_owned())?;
    say("INFO: Single node training.".to_owned())?;
    say(format!("INFO: Train matrix has {} rows and {} columns", train.len(), train.features().len()))?;
    if let Some(validation) = &validation {
        say(format!("INFO: Validation matrix has {} rows", validation.len()))?;
    }
    let boosting = GradientBoosting { monotone: monotone(&train, &asked.monotone_constraints), ..asked.boosting };
    let model = trainer::fit(&train, &boosting)?;
    let watched: Vec<(&str, &Table)> =
        [("train", &train)].into_iter().chain(validation.as_ref().map(|table| ("validation", table))).collect();
    let curves = rounds::curves(&model, &watched)?;
    // As in the image, stopping early takes a metric by name and rows to measure it on.
    let patience = asked.early_stopping_rounds.filter(|_| asked.names_a_metric && validation.is_some());
    let stop = curves.last().and_then(|(_, losses)| Some(rounds::stop(losses, patience?)));
    let last = stop.map_or(model.trees().len(), |stop| stop.rounds);
    for round in 0..last {
        let losses = curves.iter().map(|(set, losses)| format!("\t{set}-logloss:{:.5}", losses[round]));
        say(format!("[{round}]{}", losses.collect::<String>()))?;
    }
    let model = match stop {
        Some(stop) => Model::boosted(train.features(), 0.0, model.trees()[..=stop.best].to_vec())?,
        None => model,
    };
    let folder = work.join("model");
    let file = folder.join("xgboost-model");
    fs::create_dir_all(&folder).and_then(|()| fs::write(&file, model.to_json())).map_err(TrainFailure::io(&file))
}

/// Gives each sign to the feature in its place. `XGBoost` leaves features free that no sign is given for.
fn monotone(train: &Table, signs: &[i8]) -> BTreeMap<String, Monotone> {
    let named = train.features().iter().zip(signs).filter_map(|(feature, sign)| {
        let way = match sign {
            1 => Monotone::Increasing,
            -1 => Monotone::Decreasing,
            _ => return None,
        };
        Some((feature.clone(), way))
    });
    named.collect()
}

fn read_channel(folder: &Path, what: &str) -> Result<Table, TrainFailure> {
    let table = channel::read(folder)?;
    table.ok_or_else(|| TrainFailure::User(format!("No data in {what} channel path {}", folder.display())))
}

fn read_json(path: &Path) -> Result<serde_json::Map<String, serde_json::Value>, TrainFailure> {
    let bytes = fs::read(path).map_err(TrainFailure::io(path))?;
    serde_json::from_slice(&bytes).map_err(|error| TrainFailure::io(path)(error.into()))
}
