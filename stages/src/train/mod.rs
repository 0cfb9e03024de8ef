//! Stage `train`: a model and what is known about it, made here or brought along, and the gate that it must pass.

mod channels;
mod command;
mod gate;
mod hyperparameters;
mod job;
mod known;
mod live;
mod make;
mod options;
mod served;

use std::sync::Arc;

use async_trait::async_trait;
use plan::{Facts, Observation, Output, Outputs, ResourceId, Stray};
use serde_json::{Value as Json, json};
use spec::{On, Spec, Train};

pub use gate::page;
pub use known::Known;
pub use live::{Live, live};
pub use options::threshold;
pub(crate) use options::{algorithm_words, options};
pub(crate) use served::served;

use crate::create_role::{Grant, Lacks, Need, Roles};
use crate::doctor::Quota;
use crate::names::TRAINING;
use crate::resource::outputs;
use crate::{
    Cache, Clients, Ctx, Declared, Inputs, Names, Resource, Right, Stage, StageError, Wanted, create_endpoint,
    create_role, inputs, objects, package, upload,
};

/// The stage.
pub const STAGE: Stage =
    Stage { name: "train", summary: "a model, its evaluation, and the gate it must pass", declare };

/// The model.
pub const MODEL: ResourceId = ResourceId::new("train/model");
/// SHA-256 of what is known about it, as it is stored.
pub(crate) const EVALUATION_SHA256: Output<String> = Output::new(MODEL, "evaluation-sha256");
/// From which score on the proxy decides for the positive class, as chosen by the test rows.
pub(crate) const THRESHOLD: Output<f64> = Output::new(MODEL, "threshold");
/// The gate, behind which the cloud begins: below it nothing is deployed.
pub const GATE: ResourceId = ResourceId::new("train/gate");

fn declare(wanted: &Wanted<'_>, declared: &mut Declared) {
    let inputs = Arc::clone(wanted.inputs);
    let name = package::short(&inputs.model.fingerprint);
    let threshold = options::threshold(wanted.spec.deploy_proxy.response.threshold);
    let partition = wanted.names.site.partition();
    let lacks = match on(wanted.spec) {
        On::Here => vec![],
        On::SageMaker(_) => Roles::of(wanted).execution.lacks,
    };
    declared.resource(TrainedModel {
        name,
        inputs: Arc::clone(&inputs),
        names: wanted.names.clone(),
        on: on(wanted.spec).clone(),
        threshold,
        lacks: Lacks::new(lacks),
        rows: inputs::objects(wanted.spec).map(|object| format!("arn:{partition}:s3:::{object}")).collect(),
    });
    let require = wanted.spec.train.require().clone();
    let names = wanted.names.clone();
    let serves = !wanted.skip.contains(create_endpoint::STAGE.name);
    declared.check(gate::Gate { require, inputs, names, threshold, serves });
}

/// Log group of every training job in an account and region; a job's streams begin with its name.
pub(crate) const LOG_GROUP: &str = "/aws/sagemaker/TrainingJobs";
/// Where machines that train count what they use; it reads like the log group.
const NAMESPACE: &str = "/aws/sagemaker/TrainingJobs";

/// What a training job needs the role that SageMaker assumes to be allowed: it reads rows and writes a model.
pub(crate) fn grants(wanted: &Wanted<'_>) -> Vec<Grant> {
    let (On::SageMaker(_), names) = (on(wanted.spec), wanted.names) else { return vec![] };
    let folder = job::folder(&wanted.inputs.model.fingerprint);
    let need = |action, resource, without, told| Need { action, resource, keys: vec![], without, told };
    let read = "the training job cannot read its rows";
    let [serves, trains] = [&names.image, &names.training_image].map(|image| create_endpoint::image_arn(names, image));
    let pull = (trains != serves).then(|| create_endpoint::grant_to_pull("EcrPullToTrain", trains));
    let rows = [
        Grant {
            sid: "ListRows",
            actions: &["s3:ListBucket"],
            resources: vec!["arn:{partition}:s3:::{bucket}".to_owned()],
            condition: json!({ "StringLike": { "s3:prefix": format!("{TRAINING}*") } }),
            needs: vec![Need {
                keys: vec![("s3:prefix", format!("{folder}{}/", channels::TRAIN))],
                ..need("s3:ListBucket", names.bucket_arn(), read, &["No S3 objects found"])
            }],
        },
        Grant {
            sid: "Rows",
            actions: &["s3:GetObject"],
            resources: vec![format!("arn:{{partition}}:s3:::{{bucket}}/{TRAINING}*")],
            condition: Json::Null,
            needs: vec![need(
                "s3:GetObject",
                names.object_arn(&format!("{folder}{}/part-00000.csv", channels::TRAIN)),
                read,
                &["Data download failed"],
            )],
        },
        Grant {
            sid: "Result",
            actions: &["s3:PutObject"],
            resources: vec![format!("arn:{{partition}}:s3:::{{bucket}}/{TRAINING}*/output/*")],
            condition: Json::Null,
            needs: vec![need(
                "s3:PutObject",
                names.object_arn(&format!("{folder}output/job/output/model.tar.gz")),
                "the training job cannot write its model",
                &["Artifact upload failed"],
            )],
        },
    ];
    rows.into_iter().chain(logs(names)).chain(pull).collect()
}

/// All jobs of an account write to one log group, each to streams that begin with its name.
fn logs(names: &Names) -> [Grant; 3] {
    let group = format!("arn:{{partition}}:logs:{{region}}:{{account}}:log-group:{LOG_GROUP}");
    let stream = |rest: &str| names.site.arn("logs", &format!("log-group:{LOG_GROUP}:log-stream:{rest}"));
    let need = |action| Need {
        action,
        resource: stream(&format!("{}-{}/algo-1-0", names.pipeline, "0".repeat(12))),
        keys: vec![],
        without: "the training job's log stays empty",
        told: &[],
    };
    [
        Grant {
            sid: "TrainingLogGroup",
            actions: &["logs:CreateLogGroup", "logs:DescribeLogStreams"],
            resources: vec![group.clone(), format!("{group}:log-stream:")],
            condition: Json::Null,
            needs: vec![],
        },
        Grant {
            sid: "TrainingLogs",
            actions: &["logs:CreateLogStream", "logs:PutLogEvents"],
            // Twelve characters follow the name, so that another pipeline whose name begins with ours is not meant.
            resources: vec![format!("{group}:log-stream:{{name}}-{}*", "?".repeat(12))],
            condition: Json::Null,
            needs: vec![need("logs:CreateLogStream"), need("logs:PutLogEvents")],
        },
        Grant {
            sid: "TrainingMetrics",
            actions: &["cloudwatch:PutMetricData"],
            resources: vec!["*".to_owned()],
            condition: json!({ "StringEquals": { "cloudwatch:namespace": NAMESPACE } }),
            needs: vec![Need {
                action: "cloudwatch:PutMetricData",
                resource: "*".to_owned(),
                keys: vec![("cloudwatch:namespace", NAMESPACE.to_owned())],
                without: "the training job has no metrics",
                told: &[],
            }],
        },
    ]
}

/// Where the model is trained; one that is not trained from rows is made here.
pub(crate) fn on(spec: &Spec) -> &On {
    match &spec.train {
        Train::Fit(fit) => &fit.on,
        Train::Import(_) | Train::Command(_) => &On::Here,
    }
}

#[derive(Debug)]
struct TrainedModel {
    name: String,
    inputs: Arc<Inputs>,
    names: Names,
    on: On,
    /// How the proxy decides. It is no part of the model: another one must not mean another model.
    threshold: trainer::Threshold,
    /// What the role lacks that the file gives it.
    lacks: Lacks,
    /// ARNs of the objects that rows are read from.
    rows: Vec<String>,
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
        let facts = words.fold(Facts::default(), |facts, (name, words)| facts.fixed(name, words.as_str()));
        match &self.on {
            On::Here => facts,
            On::SageMaker(it) => facts.fixed("on", format!("sagemaker, {} x {}", it.count, it.instance_type)),
        }
    }

    /// A training job reads and writes the bucket as the role. They are no facts of the model, which a bucket that is
    /// made anew would replace.
    fn after(&self) -> Vec<ResourceId> {
        match &self.on {
            On::Here => vec![],
            On::SageMaker(_) => vec![upload::BUCKET, create_role::EXECUTION],
        }
    }

    fn needs(&self) -> Vec<ResourceId> {
        self.after()
    }

    fn rights(&self) -> Vec<Right> {
        let mut rights = upload::rights_to_read(&self.names);
        rights.extend(self.rows.iter().map(|arn| Right::new("Rows", &["s3:GetObject"], arn.as_str())));
        if let On::SageMaker(_) = self.on {
            rights.extend(job::rights(&self.names));
        }
        rights
    }

    fn quotas(&self) -> Vec<Quota> {
        let On::SageMaker(instances) = &self.on else { return vec![] };
        let uses = instances.count.unsigned_abs();
        let name = format!("{} for training job usage", instances.instance_type);
        vec![Quota { name, uses, while_changed: uses }]
    }

    fn cached(&self, cache: &Cache) -> Result<Option<Observation>, StageError> {
        let Some(cached) = cache.model(&self.inputs.model.fingerprint) else { return Ok(None) };
        Ok(Some(self.present(&cache.read(&cached.evaluation)?)?))
    }

    /// Here, or in the bucket: a machine that never trained it need not train it again.
    async fn observe(&self, clients: &Clients) -> Result<Observation, StageError> {
        if let Some(seen) = self.cached(&clients.cache)? {
            return Ok(seen);
        }
        let (model, known) = futures::join!(
            upload::object_sha256(clients, &self.names, &self.names.model_key),
            upload::object_sha256(clients, &self.names, &self.names.evaluation_key),
        );
        let (Some(_), Some(_)) = (model?, known?) else { return Ok(Observation::Absent) };
        match upload::object(clients, &self.names.bucket, &self.names.evaluation_key).await? {
            Some(known) => self.present(&known),
            None => Ok(Observation::Absent),
        }
    }

    /// What interrupted training left in the bucket, unless this model is yet to be made of it.
    async fn strays(&self, clients: &Clients) -> Result<Vec<Stray>, StageError> {
        if !upload::bucket_owner(clients, &self.names).await?.is_ours() {
            return Ok(vec![]);
        }
        let mut folders = objects::folders(clients, &self.names, TRAINING).await?;
        let own = job::folder(&self.inputs.model.fingerprint);
        if folders.contains(&own) && self.observe(clients).await? == Observation::Absent {
            folders.retain(|folder| *folder != own);
        }
        let stray = |name| Stray { of: MODEL, name, why: "left by training that was interrupted".to_owned() };
        Ok(folders.into_iter().map(stray).collect())
    }

    async fn create(&self, ctx: &Ctx<'_>) -> Result<Outputs, StageError> {
        let made = make::make(ctx, &self.inputs, &self.names, &self.lacks).await;
        let (model, known) = made.map_err(|error| self.lacks.explain(error))?;
        for warning in known.warnings() {
            (ctx.say)(format!("warning: {warning}"));
        }
        let known = known.to_json()?;
        ctx.cache.add_model(&self.inputs.model.fingerprint, &model, &known)?;
        if let On::SageMaker(_) = self.on {
            objects::empty(ctx, &self.names.bucket, &job::folder(&self.inputs.model.fingerprint)).await?;
        }
        self.outputs(&known)
    }

    async fn update(&self, ctx: &Ctx<'_>) -> Result<Outputs, StageError> {
        self.create(ctx).await
    }

    /// The file is a cache; the bucket's copy is deleted by its own stage. What training left is deleted here.
    async fn delete(&self, ctx: &Ctx<'_>, name: &str) -> Result<(), StageError> {
        if name.starts_with(TRAINING) {
            return job::remove(ctx, &self.names, name).await;
        }
        Ok(())
    }
}

impl TrainedModel {
    fn present(&self, known: &[u8]) -> Result<Observation, StageError> {
        Ok(Observation::Present { facts: self.desired(), outputs: self.outputs(known)? })
    }

    fn outputs(&self, known: &[u8]) -> Result<Outputs, StageError> {
        let sha256 = hex::encode(package::sha256(known));
        let mut outputs = outputs([(EVALUATION_SHA256.name(), sha256.into())]);
        if !matches!(self.threshold, trainer::Threshold::Fixed(_)) {
            // One that the model does not reach is the gate's to complain about: it says what can be reached.
            let threshold = Known::from_json(known)?.threshold(self.threshold).ok();
            outputs.extend(threshold.map(|threshold| (THRESHOLD.name().to_owned(), threshold.into())));
        }
        Ok(outputs)
    }
}
