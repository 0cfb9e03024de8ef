//! Training jobs: what is asked for, how far it has come, and the process behind it.
//!
//! A job runs as one process under the container contract, whatever image and however many instances it names.

mod data;
mod metrics;
mod process;
mod record;
mod request;
mod work;

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use self::record::Secondary;
pub(super) use self::record::{Job, JobStatus};
use self::request::{Asked, Channel};
use super::deploy::remove_folder;
use super::image::Image;
use super::model::{must_be_assumable, pick, repository_refused};
use super::quota;
use super::record::{invalid, now};
use super::server_process::kill_left_over;
use super::validate::{Faults, Members, text};
use crate::Cloud;
use crate::call::{Call, Refusal};
use crate::cloud::Config;
use crate::faults::Outcome;
use crate::service::s3;
use crate::state::StateError;

/// Group of every job's log. It is nobody's, and history like the jobs.
pub const LOG_GROUP: &str = "/aws/sagemaker/TrainingJobs";
/// Why a job that ran when the cloud died did not end well; AWS's words for its own failings.
const CUT_OFF: &str = "InternalServerError: We encountered an internal error.  Please try again.";

/// Why a job ended for which AWS had no machine.
const NO_CAPACITY: &str = "CapacityError: Unable to provision requested ML compute capacity. Please retry using a \
                           different ML instance type.";

/// Where jobs run, and how they are told to stop.
#[derive(Debug)]
pub(super) struct Training {
    /// Holds a folder a job, which stands for `/opt/ml`.
    dir: PathBuf,
    /// Of the jobs that run, by key.
    stops: Mutex<HashMap<String, CancellationToken>>,
}

impl Training {
    pub(super) fn open(config: &Config) -> Result<Self, StateError> {
        let dir = config.state_dir.join("sagemaker").join("training");
        let dir = std::path::absolute(&dir).map_err(|source| StateError::Io { path: dir, source })?;
        Ok(Self { dir, stops: Mutex::default() })
    }

    fn folder(&self, key: &str) -> PathBuf {
        self.dir.join(key)
    }

    /// Never held over an await.
    fn stops(&self) -> MutexGuard<'_, HashMap<String, CancellationToken>> {
        self.stops.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a job fails that was not even begun.
fn fate(outcome: Option<Outcome>) -> Option<&'static str> {
    match outcome? {
        Outcome::NoCapacity => Some(NO_CAPACITY),
        Outcome::ServiceFault => Some(CUT_OFF),
        _ => None,
    }
}

/// `CreateTrainingJob`: answers at once, works behind.
pub(super) fn create(cloud: &Arc<Cloud>, call: &Call, request: &Members) -> Result<Value, Refusal> {
    let sagemaker = &cloud.sagemaker;
    let mut faults = Faults::default();
    let name = text(request, "TrainingJobName")?;
    faults.name(name, "trainingJobName");
    let tags = faults.tags(request)?;
    let asked = Asked::read(request, faults)?;

    let name = name.unwrap_or_default();
    let (key, arn) = (name.to_ascii_lowercase(), sagemaker.names.arn("training-job", name));
    if sagemaker.memory.read(|memory| memory.training_jobs.contains_key(&key)) {
        return Err(taken(&arn));
    }
    let image = Image::parse(&asked.image);
    let image = image.ok_or_else(|| invalid(format!("ECR image \"{}\" is invalid.", asked.image)))?;
    must_be_assumable(cloud, &asked.role)?;
    if image.is_prebuilt_elsewhere() {
        return Err(repository_refused(&asked.image));
    }
    for channel in &asked.channels {
        must_have_objects(cloud, &asked.role, channel)?;
    }
    let job = Job::new(name, &arn, pick(request, request::KEPT), tags, now());
    sagemaker.memory.write(|memory| {
        if memory.training_jobs.contains_key(&key) {
            return Err(taken(&arn));
        }
        quota::check_training(cloud, memory, &asked.instance_type, asked.instance_count)?;
        memory.training_jobs.insert(key.clone(), job);
        Ok(())
    })?;
    work::spawn(cloud, key, asked, fate(call.outcome));
    Ok(json!({ "TrainingJobArn": arn }))
}

/// `DescribeTrainingJob`.
pub(super) fn describe(cloud: &Cloud, request: &Members) -> Result<Value, Refusal> {
    let key = required_key(request)?;
    let job = cloud.sagemaker.memory.read(|memory| memory.training_jobs.get(&key).cloned());
    Ok(job.ok_or_else(not_found)?.description())
}

/// `StopTrainingJob`: the process is told to end, and has its time to do so.
pub(super) fn stop(cloud: &Cloud, request: &Members) -> Result<Value, Refusal> {
    let key = required_key(request)?;
    cloud.sagemaker.memory.write(|memory| {
        let job = memory.training_jobs.get_mut(&key).ok_or_else(not_found)?;
        if job.status != JobStatus::InProgress {
            let status = job.status.as_str();
            return Err(invalid(format!("The request was rejected because the training job is in status {status}.")));
        }
        job.advance(JobStatus::Stopping, Secondary::Stopping, now());
        Ok(())
    })?;
    if let Some(stop) = cloud.sagemaker.training.stops().get(&key) {
        stop.cancel();
    }
    Ok(Value::Null)
}

/// `DeleteTrainingJob`: the name is free again. The model that it made stays where it is.
pub(super) fn delete(cloud: &Cloud, request: &Members) -> Result<Value, Refusal> {
    let key = required_key(request)?;
    cloud.sagemaker.memory.write(|memory| {
        let job = memory.training_jobs.get(&key).ok_or_else(not_found)?;
        if !job.status.is_final() {
            // The code is the service model's; what AWS says with it is not known.
            let text = format!("The training job {} is in status {}.", job.arn, job.status.as_str());
            return Err(Refusal::new(400, "ResourceInUse", text));
        }
        memory.training_jobs.remove(&key);
        Ok(())
    })?;
    Ok(Value::Null)
}

/// What every operation says of a job that does not exist, whatever its documentation says.
pub(super) fn not_found() -> Refusal {
    invalid("Requested resource not found.")
}

/// After a restart: ends the processes and the jobs that were cut off. They are not begun again, as on AWS.
pub(super) fn settle(cloud: &Cloud) {
    let training = &cloud.sagemaker.training;
    let left_over = fs::read_dir(&training.dir).into_iter().flatten().flatten().map(|entry| entry.path());
    for folder in left_over {
        kill_left_over(&folder, &process::variable_of(&folder));
        remove_folder(&folder);
    }
    // In memory alone: a start writes nothing, and the next one finds them cut off again.
    cloud.sagemaker.memory.correct(|memory| {
        for job in memory.training_jobs.values_mut().filter(|job| !job.status.is_final()) {
            if job.status == JobStatus::Stopping {
                job.advance(JobStatus::Stopped, Secondary::Stopped, now());
            } else {
                job.failure_reason = Some(CUT_OFF.to_owned());
                job.advance(JobStatus::Failed, Secondary::Failed, now());
            }
        }
    });
}

/// Looks as the role for what a channel is to hold.
fn must_have_objects(cloud: &Cloud, role: &str, channel: &Channel) -> Result<(), Refusal> {
    let names = &cloud.sagemaker.names;
    let (bucket, prefix) = (&channel.bucket, &channel.prefix);
    let context = [("s3:prefix", prefix.as_str())];
    let may_list = s3::may(cloud, role, "s3:ListBucket", &names.bucket_arn(bucket), &context);
    if may_list && cloud.s3.keys(bucket, prefix).is_some_and(|keys| !keys.is_empty()) {
        return Ok(());
    }
    Err(invalid(format!(
        "No S3 objects found under S3 URL \"{}\" given in input data source. Please ensure that the bucket exists in \
         the selected region ({}), that objects exist under that S3 prefix, and that the role \"{role}\" has \
         \"s3:ListBucket\" permissions on bucket \"{bucket}\".",
        channel.uri, names.region
    )))
}

fn taken(arn: &str) -> Refusal {
    let text = format!(
        "Training job names must be unique within an AWS account and region, and a training job with this name \
         already exists ({arn})"
    );
    Refusal::new(400, "ResourceInUse", text)
}

fn required_key(request: &Members) -> Result<String, Refusal> {
    let name = text(request, "TrainingJobName")?;
    let mut faults = Faults::default();
    faults.name(name, "trainingJobName");
    faults.finish()?;
    Ok(name.unwrap_or_default().to_ascii_lowercase())
}
