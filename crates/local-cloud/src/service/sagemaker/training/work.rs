//! The work behind a job's states: fetch, run, pack, hand over.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::super::deploy::remove_folder;
use super::super::image::Image;
use super::super::record::now;
use super::super::server_process::Log;
use super::metrics::Metrics;
use super::process::{self, End, Launch};
use super::record::{Job, JobStatus, Secondary};
use super::request::Asked;
use super::{CUT_OFF, data};
use crate::Cloud;
use crate::service::s3;

/// Longest text of a `FailureReason`.
const MAX_REASON: usize = 1024;
/// What the role needs on the image's repository to pull it. Source: SageMaker roles, `CreateTrainingJob`.
const PULL: [&str; 3] = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer", "ecr:BatchCheckLayerAvailability"];

/// What a job came to.
enum Outcome {
    Completed,
    Failed(String),
    Stopped,
    MaxRuntimeExceeded,
    /// The cloud ends; the next one settles it.
    CutOff,
}

/// Brings a job to its end: to a failure for the reason `fate`, if there is one.
pub(super) fn spawn(cloud: &Arc<Cloud>, key: String, asked: Asked, fate: Option<&'static str>) {
    let stop = CancellationToken::new();
    cloud.sagemaker.training.stops().insert(key.clone(), stop.clone());
    let cloud = Arc::clone(cloud);
    let tasks = cloud.sagemaker.tasks.clone();
    tasks.spawn(async move {
        let metrics = Arc::new(Metrics::default());
        let outcome = match fate {
            Some(reason) => Outcome::Failed(reason.to_owned()),
            None => train(&cloud, &key, Arc::new(asked), &stop, &metrics).await,
        };
        remove_folder(&cloud.sagemaker.training.folder(&key));
        // Before its end is known: from then on another job may have the name, and a stop of its own.
        cloud.sagemaker.training.stops().remove(&key);
        finish(&cloud, &key, outcome, &metrics);
    });
}

async fn train(
    cloud: &Arc<Cloud>,
    key: &str,
    asked: Arc<Asked>,
    stop: &CancellationToken,
    metrics: &Arc<Metrics>,
) -> Outcome {
    if let Err(reason) = may_pull(cloud, &asked) {
        return Outcome::Failed(reason);
    }
    let Some(job) = go_on(cloud, key, Secondary::Downloading) else { return Outcome::Stopped };
    let deadline = Instant::now() + Duration::from_secs(asked.max_runtime_s);
    if let Err(reason) = download(cloud, key, &asked, stop).await {
        return Outcome::Failed(reason);
    }
    if cloud.sagemaker.stopping.is_cancelled() {
        return Outcome::CutOff;
    }
    if stop.is_cancelled() || go_on(cloud, key, Secondary::Training).is_none() {
        return Outcome::Stopped;
    }
    let launch = launch(cloud, key, &job, &asked, Arc::clone(metrics), deadline);
    let log = launch.log.clone();
    if asked.instance_count > 1 {
        let count = asked.instance_count;
        log.append(&format!("local cloud: one process with all data stands in for {count} instances"));
    }
    let end = match process::run(launch, stop, &cloud.sagemaker.stopping).await {
        Ok(end) => end,
        Err(error) => {
            log.append(&format!("local cloud: could not run the training program: {error}"));
            return Outcome::Failed(CUT_OFF.to_owned());
        }
    };
    let outcome = match end {
        End::CutOff => return Outcome::CutOff,
        End::Exited(0) => Outcome::Completed,
        End::Exited(code) => Outcome::Failed(reason(&cloud.sagemaker.training.folder(key), code)),
        End::Stopped => Outcome::Stopped,
        End::TimedOut => Outcome::MaxRuntimeExceeded,
    };
    if matches!(outcome, Outcome::MaxRuntimeExceeded) {
        change(cloud, key, |job| job.advance(JobStatus::Stopping, Secondary::Stopping, now()));
    }
    change(cloud, key, |job| job.advance(job.status, Secondary::Uploading, now()));
    match upload(cloud, key, &job.name, &asked, matches!(outcome, Outcome::Failed(_))).await {
        Err(reason) if !matches!(outcome, Outcome::Failed(_)) => Outcome::Failed(reason),
        _ => outcome,
    }
}

/// Enters the next phase, unless the job is to stop.
fn go_on(cloud: &Cloud, key: &str, phase: Secondary) -> Option<Job> {
    let changed = cloud.sagemaker.memory.write(|memory| {
        let job = memory.training_jobs.get_mut(key).filter(|job| job.status == JobStatus::InProgress);
        Ok(job.map(|job| {
            job.advance(JobStatus::InProgress, phase, now());
            job.clone()
        }))
    });
    changed.inspect_err(|refusal| report(&refusal.message)).ok().flatten()
}

fn finish(cloud: &Cloud, key: &str, outcome: Outcome, metrics: &Metrics) {
    let (status, secondary, reason) = match outcome {
        Outcome::CutOff => return,
        Outcome::Completed => (JobStatus::Completed, Secondary::Completed, None),
        Outcome::Failed(reason) => (JobStatus::Failed, Secondary::Failed, Some(reason)),
        Outcome::Stopped => (JobStatus::Stopped, Secondary::Stopped, None),
        Outcome::MaxRuntimeExceeded => (JobStatus::Stopped, Secondary::MaxRuntimeExceeded, None),
    };
    change(cloud, key, |job| {
        // Who was told that it is stopping must find it stopped.
        let (status, secondary) = match (job.status, status) {
            (JobStatus::Stopping, JobStatus::Completed) => (JobStatus::Stopped, Secondary::Stopped),
            _ => (status, secondary),
        };
        job.failure_reason = reason.map(|reason| reason.chars().take(MAX_REASON).collect());
        job.metrics = metrics.all();
        job.advance(status, secondary, now());
    });
}

fn change(cloud: &Cloud, key: &str, change: impl FnOnce(&mut Job)) {
    let written = cloud.sagemaker.memory.write(|memory| {
        if let Some(job) = memory.training_jobs.get_mut(key) {
            change(job);
        }
        Ok(())
    });
    if let Err(refusal) = written {
        report(&refusal.message);
    }
}

fn report(error: &str) {
    tracing::error!(error, "a training job's state is not what its process is");
}

/// The reason is what AWS says when the image cannot be had, whyever.
fn may_pull(cloud: &Cloud, asked: &Asked) -> Result<(), String> {
    let Some(image) = Image::parse(&asked.image) else { return Ok(()) };
    let repository = cloud.sagemaker.names.repository_arn(&image);
    let may = |action: &str, on: &str| cloud.iam.authorize(&asked.role, action, on).is_ok();
    if may("ecr:GetAuthorizationToken", "*") && PULL.iter().all(|action| may(action, &repository)) {
        return Ok(());
    }
    Err("ClientError: Cannot pull algorithm container. Either the image does not exist or its permissions are \
         incorrect."
        .to_owned())
}

async fn download(cloud: &Arc<Cloud>, key: &str, asked: &Arc<Asked>, stop: &CancellationToken) -> Result<(), String> {
    let (cloud, asked, stop) = (Arc::clone(cloud), Arc::clone(asked), stop.clone());
    let folder = cloud.sagemaker.training.folder(key);
    let downloaded = tokio::task::spawn_blocking(move || {
        data::prepare(&asked, &folder).map_err(|error| format!("InternalServerError: {error}"))?;
        data::download(&cloud, &asked, &folder, &stop)
    });
    downloaded.await.unwrap_or_else(|error| Err(format!("InternalServerError: {error}")))
}

fn launch(cloud: &Arc<Cloud>, key: &str, job: &Job, asked: &Asked, metrics: Arc<Metrics>, deadline: Instant) -> Launch {
    let mut command = cloud.config.training_program.clone();
    command.push("train".into());
    let mut environment = asked.environment.clone();
    environment.insert("TRAINING_JOB_NAME".to_owned(), job.name.clone());
    environment.insert("TRAINING_JOB_ARN".to_owned(), job.arn.clone());
    environment.insert("AWS_REGION".to_owned(), cloud.config.region.clone());
    let stream = format!("{}/algo-1-{}", job.name, jiff::Timestamp::now().as_second());
    let log = Log::new(cloud, Some(&asked.role), super::LOG_GROUP.to_owned(), stream);
    let (folder, guard) = (cloud.sagemaker.training.folder(key), Arc::clone(&cloud.guard));
    Launch { command, folder, environment, log, metrics, deadline, guard }
}

/// AWS's form, with what the program left in `output/failure`.
fn reason(folder: &Path, code: i32) -> String {
    let told = fs::read(folder.join("output/failure")).unwrap_or_default();
    let told = String::from_utf8_lossy(&told);
    let end = format!(", exit code: {code}");
    let room = MAX_REASON - "AlgorithmError: ".len() - end.len();
    let told: String = told.trim().chars().take(room).collect();
    format!("AlgorithmError: {told}{end}")
}

/// Hands over what the process left. A model of a process that failed is none.
async fn upload(cloud: &Arc<Cloud>, key: &str, job: &str, asked: &Asked, failed: bool) -> Result<(), String> {
    let folder = cloud.sagemaker.training.folder(key);
    let results = [("model", "model.tar.gz"), ("output/data", "output.tar.gz")];
    for (content, name) in results.into_iter().skip(usize::from(failed)) {
        let (content, archive) = (folder.join(content), folder.join(name));
        let packed = tokio::task::spawn_blocking(move || data::pack(&content, &archive)).await;
        let packed = packed.map_err(std::io::Error::other).flatten();
        let object = asked.output_key(job, name);
        let uri = format!("s3://{}/{object}", asked.output.0);
        // The beginning is AWS's; the rest is as it is for downloads.
        let refused = |why: &str| format!("ClientError: Artifact upload failed:Unable to upload object {uri} ({why})");
        let Some(archive) = packed.map_err(|error| refused(&error.to_string()))? else { continue };
        let arn = cloud.sagemaker.names.object_arn(&asked.output.0, &object);
        if !s3::may(cloud, &asked.role, "s3:PutObject", &arn, &[]) {
            return Err(refused("AccessDenied: Access Denied"));
        }
        let put = cloud.s3.put_file(&asked.output.0, &object, &archive).await;
        put.map_err(|refusal| refused(&format!("{}: {}", refusal.code, refusal.message)))?;
    }
    Ok(())
}
