//! Stage `train`: a model and what is known about it, made here or brought along, and the gate that it must pass.

use std::sync::Arc;

use async_trait::async_trait;
use plan::{Facts, Observation, Output, Outputs, ResourceId};
use serde::{Deserialize, Serialize};
use spec::{Algorithm, Data, Fit, Require};
use trainer::{Evaluation, GoldenRow, Metrics};

use crate::cloud_error::Explain;
use crate::inputs::ModelSource;
use crate::resource::outputs;
use crate::{
    Cache, Check, CheckError, Clients, Ctx, Declared, Evidence, Inputs, Names, Resource, Stage, StageError, Wanted,
    package, upload,
};

/// The stage.
pub const STAGE: Stage =
    Stage { name: "train", summary: "a model, its evaluation, and the gate it must pass", declare };

/// The model.
pub const MODEL: ResourceId = ResourceId::new("train/model");
/// SHA-256 of what is known about it, as it is stored.
pub(crate) const EVALUATION_SHA256: Output<String> = Output::new(MODEL, "evaluation-sha256");
/// The gate, behind which the cloud begins: below it nothing is deployed.
pub const GATE: ResourceId = ResourceId::new("train/gate");

/// Golden rows of an imported model, of which no test rows are known.
const IMPORTED_GOLDEN_ROWS: u32 = 8;

fn declare(wanted: &Wanted<'_>, declared: &mut Declared) {
    let inputs = Arc::clone(wanted.inputs);
    let name = package::short(&inputs.model.fingerprint);
    declared.resource(TrainedModel { name, inputs: Arc::clone(&inputs), names: wanted.names.clone() });
    let require = match &wanted.spec.train {
        spec::Train::Fit(fit) => fit.require.clone(),
        spec::Train::Import(_) => Require::default(),
    };
    declared.check(Gate { require, inputs, names: wanted.names.clone() });
}

/// The spec's parameters in the trainer's words.
pub(crate) fn options(fit: &Fit) -> trainer::Options {
    let algorithm = match &fit.algorithm {
        Algorithm::GradientBoosting(boosting) => trainer::Algorithm::GradientBoosting(trainer::GradientBoosting {
            trees: boosting.trees,
            learning_rate: boosting.learning_rate,
            depth: boosting.depth,
            l2: boosting.l2,
            min_leaf_weight: boosting.min_leaf_weight,
            ..trainer::GradientBoosting::default()
        }),
        Algorithm::LogisticRegression(regression) => {
            trainer::Algorithm::LogisticRegression(trainer::LogisticRegression {
                l2: regression.l2,
                max_iterations: regression.max_iterations,
            })
        }
    };
    let split = trainer::Split { test: fit.split.test, seed: fit.split.seed };
    // The proxy's threshold is no part of the model: another one must not mean another model.
    trainer::Options { algorithm, split, ..trainer::Options::default() }
}

pub(crate) fn algorithm_words(algorithm: &Algorithm) -> String {
    match algorithm {
        Algorithm::GradientBoosting(boosting) => format!(
            "gradient boosting, {} trees, learning rate {}, depth {}",
            boosting.trees, boosting.learning_rate, boosting.depth
        ),
        Algorithm::LogisticRegression(regression) => format!("logistic regression, l2 {}", regression.l2),
    }
}

/// What is known about a model, kept beside it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Known {
    /// It was trained here.
    Trained(Box<Evaluation>),
    /// It was trained elsewhere.
    Imported {
        /// Names of the columns, in order.
        features: Vec<String>,
        /// Made-up rows and the scores that the file gives them.
        golden_rows: Vec<GoldenRow>,
    },
}

impl Known {
    /// What it reaches on rows that it has not seen; none when it was trained elsewhere.
    pub fn metrics(&self) -> Option<&Metrics> {
        match self {
            Self::Trained(evaluation) => Some(&evaluation.metrics),
            Self::Imported { .. } => None,
        }
    }

    /// Rows and the scores that the deployed model must give them.
    pub fn golden_rows(&self) -> &[GoldenRow] {
        match self {
            Self::Trained(evaluation) => &evaluation.golden_rows,
            Self::Imported { golden_rows, .. } => golden_rows,
        }
    }

    /// From the cache, or else from the bucket.
    pub async fn load(clients: &Clients, names: &Names, inputs: &Inputs) -> Result<Self, StageError> {
        let bytes = if let Some(cached) = clients.cache.model(&inputs.model.fingerprint) {
            clients.cache.read(&cached.evaluation)?
        } else {
            let subject = format!("object `{}`", names.evaluation_key);
            let answer = clients.s3.get_object().bucket(&names.bucket).key(&names.evaluation_key).send().await;
            let body = answer.about("s3:GetObject", &subject)?.body.collect().await;
            body.map_err(|error| StageError::here(format!("could not read {subject}"), error))?.to_vec()
        };
        serde_json::from_slice(&bytes)
            .map_err(|error| StageError::here("could not read what is known about the model", error))
    }
}

#[derive(Debug)]
struct TrainedModel {
    name: String,
    inputs: Arc<Inputs>,
    names: Names,
}

#[async_trait]
impl Resource for TrainedModel {
    fn id(&self) -> ResourceId {
        MODEL
    }

    fn kind(&self) -> &'static str {
        "model-file"
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn desired(&self) -> Facts {
        let words = self.inputs.model.words.iter();
        words.fold(Facts::default(), |facts, (name, words)| facts.fixed(name, words.as_str()))
    }

    fn cached(&self, cache: &Cache) -> Result<Option<Observation>, StageError> {
        let Some(cached) = cache.model(&self.inputs.model.fingerprint) else { return Ok(None) };
        Ok(Some(self.present(hex::encode(package::sha256(&cache.read(&cached.evaluation)?)))))
    }

    /// Here, or in the bucket: a machine that never trained it need not train it again.
    async fn observe(&self, clients: &Clients) -> Result<Observation, StageError> {
        if let Some(seen) = self.cached(&clients.cache)? {
            return Ok(seen);
        }
        let sha256 = remote(clients, &self.names).await?;
        Ok(sha256.map_or(Observation::Absent, |sha256| self.present(sha256)))
    }

    async fn create(&self, ctx: &Ctx<'_>) -> Result<Outputs, StageError> {
        let inputs = Arc::clone(&self.inputs);
        let made = tokio::task::spawn_blocking(move || make(&inputs)).await;
        let (model, known) = made.map_err(|error| StageError::here("training stopped", error))??;
        if let Some(metrics) = known.metrics() {
            (ctx.say)(metrics_words(metrics));
        }
        let mut known = serde_json::to_vec_pretty(&known)
            .map_err(|error| StageError::here("could not write what is known about the model", error))?;
        known.push(b'\n');
        ctx.cache.add_model(&self.inputs.model.fingerprint, &model, &known)?;
        Ok(outputs([(EVALUATION_SHA256.name(), hex::encode(package::sha256(&known)).into())]))
    }

    async fn update(&self, ctx: &Ctx<'_>) -> Result<Outputs, StageError> {
        self.create(ctx).await
    }

    /// The file is a cache; the bucket's copy is deleted by its own stage.
    async fn delete(&self, _: &Ctx<'_>, _: &str) -> Result<(), StageError> {
        Ok(())
    }
}

impl TrainedModel {
    fn present(&self, evaluation_sha256: String) -> Observation {
        let outputs = outputs([(EVALUATION_SHA256.name(), evaluation_sha256.into())]);
        Observation::Present { facts: self.desired(), outputs }
    }
}

/// SHA-256 of what the bucket knows about the model, when it has both the model and that.
async fn remote(clients: &Clients, names: &Names) -> Result<Option<String>, StageError> {
    let (model, known) = futures::join!(
        upload::object_sha256(clients, names, &names.model_key),
        upload::object_sha256(clients, names, &names.evaluation_key),
    );
    Ok(model?.and(known?))
}

fn make(inputs: &Inputs) -> Result<(Vec<u8>, Known), StageError> {
    match &inputs.model.source {
        ModelSource::None => Err(StageError::here("could not make a model", "nothing says from what")),
        ModelSource::Import { model, bytes, features } => {
            let golden_rows = (0..IMPORTED_GOLDEN_ROWS).map(|seed| made_up_row(model, seed)).collect();
            Ok((bytes.clone(), Known::Imported { features: features.clone(), golden_rows }))
        }
        ModelSource::Fit { fit, path, table } => {
            let ready = table.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
            let table = match (ready, path) {
                (Some(table), _) => table,
                (None, Some(path)) => trainer::read_csv(path, &fit.label, &fit.features)
                    .map_err(|error| StageError::here("could not read the data", error))?,
                (None, None) => generated(fit)?,
            };
            let trained = trainer::train(table, &options(fit), &mut |_| {})
                .map_err(|error| StageError::here("could not train the model", error))?;
            Ok((trained.model_json, Known::Trained(Box::new(trained.evaluation))))
        }
    }
}

fn generated(fit: &Fit) -> Result<trainer::Table, StageError> {
    let Data::Generate { rows, seed } = &fit.data else {
        return Err(StageError::here("could not read the data", "its path is not known"));
    };
    let table =
        trainer::generate(*rows, *seed).map_err(|error| StageError::here("could not generate the data", error))?;
    let selected = table.select(&fit.features);
    selected.ok_or_else(|| StageError::here("could not generate the data", "it lacks a feature"))
}

/// Values from -4 to 4 in steps that f32 and decimal text both hold exactly.
fn made_up_row(model: &model::Model, seed: u32) -> GoldenRow {
    let features: Vec<f32> = (0..model.features() as u32)
        .map(|index| {
            let mixed = (seed * 31 + index + 1).wrapping_mul(2_654_435_761) >> 16;
            f32::from((mixed % 1025) as u16) / 128.0 - 4.0
        })
        .collect();
    let score = f64::from(model.score(&features));
    GoldenRow { features: features.into_iter().map(Some).collect(), score }
}

/// One line for people.
pub fn metrics_words(metrics: &Metrics) -> String {
    format!(
        "average precision {:.4}, ROC AUC {:.4}, at {} precision {:.3} and recall {:.3}",
        metrics.average_precision,
        metrics.roc_auc,
        metrics.at_threshold.threshold,
        metrics.at_threshold.precision,
        metrics.at_threshold.recall,
    )
}

#[derive(Debug)]
struct Gate {
    require: Require,
    inputs: Arc<Inputs>,
    names: Names,
}

#[async_trait]
impl Check for Gate {
    fn id(&self) -> ResourceId {
        GATE
    }

    fn kind(&self) -> &'static str {
        "gate"
    }

    fn name(&self) -> &'static str {
        "metrics"
    }

    fn desired(&self) -> Facts {
        let Require { average_precision, roc_auc } = &self.require;
        let required = [("average_precision", average_precision), ("roc_auc", roc_auc)].into_iter();
        required.fold(Facts::default(), |facts, (name, least)| match least {
            Some(least) => facts.field(name, format!("at least {least}")),
            None => facts,
        })
    }

    fn after(&self) -> Vec<ResourceId> {
        vec![MODEL]
    }

    async fn run(&self, ctx: &Ctx<'_>) -> Result<Evidence, StageError> {
        let known = Known::load(ctx.clients, &self.names, &self.inputs).await?;
        let Some(metrics) = known.metrics() else {
            return Ok(vec!["trained elsewhere: its metrics are not known".to_owned()]);
        };
        let measured = [
            ("average precision", self.require.average_precision, metrics.average_precision),
            ("ROC AUC", self.require.roc_auc, metrics.roc_auc),
        ];
        for (name, least, reached) in measured {
            if let Some(least) = least
                && reached < least
            {
                return Err(CheckError {
                    summary: format!("the model's {name} is {reached:.4}, below the required {least}"),
                    hint: Some("nothing was deployed; mend the data or the parameters, or lower `require`".to_owned()),
                }
                .into());
            }
        }
        Ok(vec![metrics_words(metrics)])
    }
}
