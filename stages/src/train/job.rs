//! A model that a `SageMaker` training job makes, judged here as if it had been trained here.
//!
//! The rows to judge it by stay on this machine. What the job reads and writes is in one folder of the bucket, which is
//! emptied once the model is in the cache; what an interrupted run leaves there is a stray of the model.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_sagemaker::operation::describe_training_job::DescribeTrainingJobOutput;
use aws_sdk_sagemaker::types::{
    AlgorithmSpecification, Channel, DataSource, OutputDataConfig, ResourceConfig, S3DataDistribution, S3DataSource,
    S3DataType, SecondaryStatus, StoppingCondition, Tag, TrainingInputMode, TrainingInstanceType, TrainingJobStatus,
};
use spec::{Algorithm, Fit, TrainingInstances};
use trainer::{Division, Evaluation, Table};

use super::channels::{TRAIN, VALIDATION};
use super::hyperparameters::hyperparameters;
use super::{Known, LOG_GROUP, STAGE, channels, options, served};
use crate::cloud_error::{Explain, if_present, or_already_there};
use crate::create_role::Lacks;
use crate::inputs::Dialect;
use crate::log_group::Streams;
use crate::tags::Owner;
use crate::{
    Clients, CloudError, Ctx, Names, Right, StageError, create_endpoint, create_role, log_group, names, objects,
    package, tags, upload,
};

/// Jobs that one model may take. A name is used once for ever, so each failed one takes the next.
const ATTEMPTS: u32 = 100;
/// What a job may take besides `max-runtime-s`, which begins with its machines: finding these, and the upload.
const ALLOWANCE: Duration = Duration::from_mins(30);
/// Lines of a job's log that are shown when it fails.
const LAST_LINES: usize = 10;
/// For a job to end that is told to stop: its program has two minutes, then the upload.
const STOP_LIMIT: Duration = Duration::from_mins(15);

/// Where and how to train.
pub(super) struct Job<'a> {
    pub(super) names: &'a Names,
    /// Of the model.
    pub(super) fingerprint: &'a str,
    pub(super) fit: &'a Fit,
    pub(super) instances: &'a TrainingInstances,
    pub(super) release: Dialect,
    /// What the role lacks that the file gives it.
    pub(super) lacks: &'a Lacks,
}

impl Job<'_> {
    /// The model file, and what is known about the model.
    pub(super) async fn train(
        &self,
        ctx: &Ctx<'_>,
        rows: Table,
        test: Option<Table>,
    ) -> Result<(Vec<u8>, Known), StageError> {
        let options = options(self.fit);
        let division = Division::of(&rows, &options, test.is_some())
            .map_err(|error| StageError::here("could not train the model", error))?;
        let test = test.unwrap_or_else(|| rows.of_rows(&division.test));
        let warnings = rows.warnings().iter().map(ToString::to_string).collect();
        let learned = [&division.train, &division.validation].map(Vec::as_slice).concat();
        let positives = learned.iter().filter(|row| rows.labels()[**row]).count();
        let train = trainer::Counts { rows: learned.len(), positives };

        let archive = Box::pin(self.model(ctx, &Arc::new(rows), &division)).await?;
        let model = served(&archive, &self.fit.features, self.release).map_err(|refusal| {
            StageError::here("the model that the training job made cannot be served", refusal.why)
        })?;
        model.remarks().into_iter().for_each(|remark| (ctx.say)(remark));
        let judging = tokio::task::spawn_blocking(move || {
            let judged = trainer::judge(&model.model, &test);
            judged.map(|judged| (model.bytes, judged))
        });
        let judged = judging.await.map_err(|error| StageError::here("judging the model stopped", error))?;
        let (bytes, judged) = judged.map_err(|error| StageError::here("could not judge the model", error))?;
        let evaluation = Evaluation {
            trainer_version: trainer::VERSION.to_owned(),
            label: self.fit.label.clone(),
            features: self.fit.features.clone(),
            options,
            train,
            test: judged.test,
            metrics: judged.metrics,
            test_scores: judged.test_scores,
            importance: judged.importance,
            learning_curve: None,
            warnings,
            golden_rows: judged.golden_rows,
        };
        Ok((bytes, Known::Trained(Box::new(evaluation))))
    }

    /// The archive of the job that was made for this model: an earlier run's, or a new one's.
    async fn model(&self, ctx: &Ctx<'_>, rows: &Arc<Table>, division: &Division) -> Result<Vec<u8>, StageError> {
        let bucket: String = ctx.get(&upload::BUCKET_NAME)?;
        let short = package::short(self.fingerprint);
        for attempt in 1..=ATTEMPTS {
            let name = job_name(self.names, &short, attempt);
            let artifact = format!("{}{name}/output/model.tar.gz", self.output());
            match describe(ctx.clients, &name).await? {
                None => {
                    self.start(ctx, &name, &bucket, rows, division).await?;
                    self.ended(ctx, &name).await?;
                }
                Some(job) => {
                    must_be_ours(ctx.clients, self.names, &name, &job).await?;
                    match status(&job) {
                        TrainingJobStatus::InProgress | TrainingJobStatus::Stopping => self.ended(ctx, &name).await?,
                        // Its model may be gone with the bucket that it was put into.
                        TrainingJobStatus::Completed
                            if upload::object_sha256(ctx.clients, self.names, &artifact).await?.is_some() => {}
                        _ => continue,
                    }
                }
            }
            (ctx.say)(format!("taking the model of {}", subject(&name)));
            if let Some(model) = upload::object(ctx.clients, &bucket, &artifact).await? {
                return Ok(model);
            }
        }
        let last = job_name(self.names, &short, ATTEMPTS);
        Err(StageError::here(
            "could not train the model",
            format!("{ATTEMPTS} training jobs, up to `{last}`, gave no model that is still there"),
        ))
    }

    /// Uploads the rows and makes a job of them.
    async fn start(
        &self,
        ctx: &Ctx<'_>,
        name: &str,
        bucket: &str,
        rows: &Arc<Table>,
        division: &Division,
    ) -> Result<(), StageError> {
        let Algorithm::GradientBoosting(boosting) = &self.fit.algorithm else {
            return Err(StageError::here("could not train the model", "the image has gradient boosting only"));
        };
        let positives = division.train.iter().filter(|row| rows.labels()[**row]).count();
        let negatives = division.train.len() - positives;
        let told = hyperparameters(boosting, &self.fit.features, negatives, positives);
        let instances = usize::try_from(self.instances.count).unwrap_or(1).max(1);
        channels::upload(ctx, bucket, &self.folder(), (rows, division), instances).await?;

        let role: String = ctx.get(&create_role::EXECUTION_ARN)?;
        let sharing =
            if instances > 1 { S3DataDistribution::ShardedByS3Key } else { S3DataDistribution::FullyReplicated };
        let mut inputs = vec![self.channel(bucket, TRAIN, sharing)];
        if !division.validation.is_empty() {
            inputs.push(self.channel(bucket, VALIDATION, S3DataDistribution::FullyReplicated));
        }
        let machines = ResourceConfig::builder()
            .instance_type(TrainingInstanceType::from(self.instances.instance_type.as_str()))
            .instance_count(self.instances.count)
            .volume_size_in_gb(self.instances.volume_gb);
        let image = AlgorithmSpecification::builder().training_image(&self.names.training_image);
        let output = format!("s3://{bucket}/{}", self.output().trim_end_matches('/'));
        let time = StoppingCondition::builder().max_runtime_in_seconds(self.instances.max_runtime_s);
        let request = ctx
            .clients
            .sagemaker
            .create_training_job()
            .training_job_name(name)
            .role_arn(role)
            .algorithm_specification(image.training_input_mode(TrainingInputMode::File).build())
            .set_hyper_parameters(Some(told.into_iter().collect()))
            .set_input_data_config(Some(inputs))
            .output_data_config(OutputDataConfig::builder().s3_output_path(output).build())
            .resource_config(machines.build())
            .stopping_condition(time.build())
            .set_tags(Some(self.tags()));
        let what = format!("SageMaker to see role `{}`, usually 5 to 15 s", self.names.execution_role);
        ctx.settled(&what, ctx.limits.propagation, || async {
            let answer = request.clone().send().await;
            let answer = self.lacks.final_if_told(answer.about("sagemaker:CreateTrainingJob", subject(name)));
            or_already_there(answer).map(drop)
        })
        .await
    }

    fn channel(&self, bucket: &str, name: &str, sharing: S3DataDistribution) -> Channel {
        let source = S3DataSource::builder()
            .s3_data_type(S3DataType::S3Prefix)
            .s3_uri(format!("s3://{bucket}/{}{name}/", self.folder()))
            .s3_data_distribution_type(sharing);
        Channel::builder()
            .channel_name(name)
            .content_type("text/csv")
            .data_source(DataSource::builder().s3_data_source(source.build()).build())
            .build()
    }

    fn tags(&self) -> Vec<Tag> {
        let mut tags = tags::of(self.names, STAGE.name);
        tags.insert(tags::FINGERPRINT.to_owned(), self.fingerprint.to_owned());
        tags.into_iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect()
    }

    fn folder(&self) -> String {
        folder(self.fingerprint)
    }

    fn output(&self) -> String {
        format!("{}output/", self.folder())
    }

    /// Waits until the job has made its model, and says what it does meanwhile.
    async fn ended(&self, ctx: &Ctx<'_>, name: &str) -> Result<(), StageError> {
        let subject = subject(name);
        (ctx.say)(format!("waiting for {subject}, usually 3 to 5 minutes on AWS besides the training itself"));
        let max_runtime = Duration::from_secs(u64::try_from(self.instances.max_runtime_s).unwrap_or_default());
        let limit = max_runtime + ALLOWANCE;
        let mut pace = ctx.pace(limit);
        let mut said = None;
        loop {
            let failed = |cause: String| StageError::Failed { what: subject.clone(), cause };
            let Some(job) = describe(ctx.clients, name).await? else {
                return Err(failed("it disappeared while it ran".to_owned()));
            };
            if pace.first() {
                must_be_ours(ctx.clients, self.names, name, &job).await?;
            }
            let now = job.secondary_status().map(|status| status.as_str().to_owned());
            if let Some(words) = now.as_ref().filter(|_| now != said) {
                (ctx.say)(format!("{subject}: {words}"));
                said.clone_from(&now);
            }
            match status(&job) {
                TrainingJobStatus::Completed => return Ok(()),
                TrainingJobStatus::Failed => return Err(failed(cause(ctx, name, &job).await)),
                TrainingJobStatus::Stopped => return Err(failed(why_stopped(&job))),
                _ => {}
            }
            if !pace.pause().await {
                let last = now.unwrap_or_default();
                return Err(StageError::TimedOut {
                    what: format!("{subject} did not end"),
                    limit_s: limit.as_secs(),
                    last,
                });
            }
        }
    }
}

/// What training by a job needs, and removing what it leaves.
pub(super) fn rights(names: &Names) -> Vec<Right> {
    // An attempt that is not the first has a number behind it.
    let name = format!("training-job/{}-{}", names.pipeline, "?".repeat(12));
    let [first, more] = [name.clone(), format!("{name}-*")].map(|name| names.site.arn("sagemaker", &name));
    let actions = ["sagemaker:CreateTrainingJob", "sagemaker:DescribeTrainingJob", "sagemaker:StopTrainingJob"];
    let folders = format!("{}*", names::TRAINING);
    let mut rights = vec![
        Right::new("TrainingJobs", &actions, first.as_str()).and(more.as_str()),
        create_endpoint::rights_to_tag(&first).and(more),
        create_role::right_to_pass_execution(names),
        Right::new("Training", &["s3:PutObject", "s3:GetObject"], names.object_arn(&folders)),
        log_group::rights_to_read(names, LOG_GROUP),
    ];
    rights.extend(objects::rights_to_empty(names, &folders));
    rights
}

/// Where a job's rows and results are in the bucket, by the fingerprint of its model.
pub(super) fn folder(fingerprint: &str) -> String {
    format!("{}{}/", names::TRAINING, package::short(fingerprint))
}

/// Ends the jobs of a folder that still run, and empties it.
pub(super) async fn remove(ctx: &Ctx<'_>, names: &Names, folder: &str) -> Result<(), StageError> {
    let short = folder.strip_prefix(names::TRAINING).unwrap_or(folder).trim_end_matches('/');
    for attempt in 1..=ATTEMPTS {
        let name = job_name(names, short, attempt);
        let Some(job) = describe(ctx.clients, &name).await? else { break };
        if is_over(&job) || !owner(ctx.clients, names, &job).await?.is_ours() {
            continue;
        }
        stop(ctx, &name).await?;
    }
    objects::empty(ctx, &names.bucket, folder).await
}

/// Stops a job, and waits until it writes no more.
async fn stop(ctx: &Ctx<'_>, name: &str) -> Result<(), StageError> {
    let subject = subject(name);
    let answer = ctx.clients.sagemaker.stop_training_job().training_job_name(name).send().await;
    let mut refused = answer.about("sagemaker:StopTrainingJob", &subject).err();
    (ctx.say)(format!("waiting for {subject} to stop, usually 2 to 5 minutes on AWS"));
    let mut pace = ctx.pace(STOP_LIMIT);
    while let Some(job) = describe(ctx.clients, name).await?.filter(|job| !is_over(job)) {
        // A job that ended by itself meanwhile, or is stopping already, cannot be stopped.
        if let Some(error) = refused.take().filter(|_| status(&job) == TrainingJobStatus::InProgress) {
            return Err(error.into());
        }
        if !pace.pause().await {
            return Err(StageError::TimedOut {
                what: format!("{subject} did not stop"),
                limit_s: STOP_LIMIT.as_secs(),
                last: status(&job).to_string(),
            });
        }
    }
    Ok(())
}

/// At most 63 characters: those of a pipeline, of a short fingerprint and of a number.
fn job_name(names: &Names, short: &str, attempt: u32) -> String {
    match attempt {
        1 => format!("{}-{short}", names.pipeline),
        _ => format!("{}-{short}-{attempt}", names.pipeline),
    }
}

fn subject(name: &str) -> String {
    format!("training job `{name}`")
}

async fn describe(clients: &Clients, name: &str) -> Result<Option<DescribeTrainingJobOutput>, CloudError> {
    let answer = clients.sagemaker.describe_training_job().training_job_name(name).send().await;
    if_present(answer.about("sagemaker:DescribeTrainingJob", subject(name)))
}

/// Refuses to wait for somebody else's job, or to take its model.
async fn must_be_ours(
    clients: &Clients,
    names: &Names,
    name: &str,
    job: &DescribeTrainingJobOutput,
) -> Result<(), StageError> {
    match owner(clients, names, job).await? {
        Owner::Other(other) => Err(StageError::here(format!("could not use the name of {}", subject(name)), other)),
        Owner::Ours | Owner::Gone => Ok(()),
    }
}

async fn owner(clients: &Clients, names: &Names, job: &DescribeTrainingJobOutput) -> Result<Owner, CloudError> {
    create_endpoint::owner(clients, names, job.training_job_arn().unwrap_or_default()).await
}

fn status(job: &DescribeTrainingJobOutput) -> TrainingJobStatus {
    job.training_job_status().cloned().unwrap_or(TrainingJobStatus::InProgress)
}

fn is_over(job: &DescribeTrainingJobOutput) -> bool {
    matches!(status(job), TrainingJobStatus::Completed | TrainingJobStatus::Failed | TrainingJobStatus::Stopped)
}

/// The service's reason, and the container's last words.
async fn cause(ctx: &Ctx<'_>, name: &str, job: &DescribeTrainingJobOutput) -> String {
    let reason = job.failure_reason().unwrap_or("SageMaker gave no reason");
    let streams = format!("{name}/");
    let lines = log_group::last_lines(ctx.clients, LOG_GROUP, Streams::Prefix(&streams), LAST_LINES).await;
    match lines {
        Ok(lines) if lines.is_empty() => reason.to_owned(),
        Ok(lines) => format!("{reason}\nlast lines of the job:\n  {}", lines.join("\n  ")),
        Err(error) => format!("{reason}\nthe log of the job cannot be read: {}", error.message()),
    }
}

fn why_stopped(job: &DescribeTrainingJobOutput) -> String {
    if job.secondary_status() != Some(&SecondaryStatus::MaxRuntimeExceeded) {
        return "somebody stopped it; `runner apply` begins another one".to_owned();
    }
    let limit = job.stopping_condition().and_then(StoppingCondition::max_runtime_in_seconds);
    let limit = limit.map_or_else(String::new, |limit| format!(" of {limit} s"));
    format!("it was stopped at its `max-runtime-s`{limit}; give it more, or larger or more `instances`")
}
