//! Makes a model from what the pipeline file points at.

use model::Model;
use spec::On;
use trainer::{GoldenRow, Progress, Table};

use super::job::Job;
use super::{Known, command, options};
use crate::create_role::Lacks;
use crate::inputs::{ModelSource, Rows};
use crate::{Ctx, Inputs, Names, StageError};

/// Golden rows of a model that no test rows are known for.
const MADE_UP_ROWS: u32 = 8;

/// The model file, and what is known about the model.
pub(super) async fn make(
    ctx: &Ctx<'_>,
    inputs: &Inputs,
    names: &Names,
    lacks: &Lacks,
) -> Result<(Vec<u8>, Known), StageError> {
    match &inputs.model.source {
        ModelSource::None => Err(StageError::here("could not make a model", "nothing says from what")),
        ModelSource::Fit { fit, release, data, test } => {
            let rows = data.table(ctx).await?;
            let test = table(ctx, test.as_deref()).await?;
            match &fit.on {
                On::Here => fit_here(ctx, rows, test, options(fit)).await,
                On::SageMaker(instances) => {
                    let fingerprint = &inputs.model.fingerprint;
                    let job = Job { names, fingerprint, fit, instances, release: *release, lacks };
                    Box::pin(job.train(ctx, rows, test)).await
                }
            }
        }
        ModelSource::Import { model, bytes, features, test } => {
            let test = table(ctx, test.as_ref()).await?;
            Ok((bytes.clone(), judged(model, features, test)?))
        }
        ModelSource::Command { command, dir, release, made_from, test } => {
            // What is wrong with the rows is said before the command runs, which may take hours.
            let test = table(ctx, test.as_ref()).await?;
            let made = ctx.cache.made(made_from);
            if !made.exists() {
                let served = command::run(ctx, command, dir, *release).await?;
                ctx.cache.write(&made, &served.bytes)?;
            }
            let bytes = ctx.cache.read(&made)?;
            let model = Model::read(&bytes).map_err(|error| StageError::here("could not read the model", error))?;
            Ok((bytes, judged(&model, &command.features, test)?))
        }
    }
}

async fn table(ctx: &Ctx<'_>, rows: Option<&Rows>) -> Result<Option<Table>, StageError> {
    match rows {
        Some(rows) => rows.table(ctx).await.map(Some),
        None => Ok(None),
    }
}

/// Trains on a thread of its own, since it takes all the processors it can get for as long as it takes.
async fn fit_here(
    ctx: &Ctx<'_>,
    rows: Table,
    test: Option<Table>,
    options: trainer::Options,
) -> Result<(Vec<u8>, Known), StageError> {
    let (told, mut progress) = tokio::sync::mpsc::unbounded_channel();
    let training = tokio::task::spawn_blocking(move || {
        trainer::train(rows, test, &options, &mut |step| {
            // Nobody listens any more: the training goes on.
            _ = told.send(step);
        })
    });
    while let Some(step) = progress.recv().await {
        (ctx.say)(step_words(step));
    }
    let trained = training.await.map_err(|error| StageError::here("training stopped", error))?;
    let trained = trained.map_err(|error| StageError::here("could not train the model", error))?;
    Ok((trained.model_json, Known::Trained(Box::new(trained.evaluation))))
}

fn step_words(step: Progress) -> String {
    match step {
        Progress::Fitting { train, test } => format!(
            "learning from {} rows ({} positive), holding {} ({}) back",
            train.rows, train.positives, test.rows, test.positives
        ),
        Progress::Checking { model_bytes } => format!("reading the model back, {:.1} MB", model_bytes as f64 / 1e6),
        Progress::Evaluating => "judging it".to_owned(),
    }
}

/// What test rows tell about a model; without them, rows are made up to recognise it by.
pub(super) fn judged(model: &Model, features: &[String], test: Option<Table>) -> Result<Known, StageError> {
    let features = features.to_vec();
    let Some(test) = test else {
        let golden_rows = (0..MADE_UP_ROWS).map(|seed| made_up_row(model, seed)).collect();
        return Ok(Known::Imported { features, golden_rows });
    };
    let judged = trainer::judge(model, &test).map_err(|error| StageError::here("could not judge the model", error))?;
    let warnings = test.warnings().iter().map(ToString::to_string).collect();
    Ok(Known::Judged { features, label: test.label().to_owned(), judged: Box::new(judged), warnings })
}

/// Values from -4 to 4 in steps that f32 and decimal text both hold exactly.
fn made_up_row(model: &Model, seed: u32) -> GoldenRow {
    let features: Vec<f32> = (0..model.features() as u32)
        .map(|index| {
            let mixed = (seed * 31 + index + 1).wrapping_mul(2_654_435_761) >> 16;
            f32::from((mixed % 1025) as u16) / 128.0 - 4.0
        })
        .collect();
    let score = f64::from(model.score(&features));
    GoldenRow { features: features.into_iter().map(Some).collect(), score }
}
