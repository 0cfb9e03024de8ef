//! What `SageMaker` remembers: models, configs, endpoints and training jobs, and how they are named.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::capture::Capture;
use super::rollout::Deployment;
use super::training::Job;
use crate::call::Refusal;
use crate::cloud::Config;

/// Everything the service knows. Keys are names in lower case: AWS takes names that differ in case for one.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Memory {
    pub(super) models: BTreeMap<String, Record>,
    pub(super) configs: BTreeMap<String, Record>,
    pub(super) endpoints: BTreeMap<String, Endpoint>,
    /// Absent in state that was written before there were any.
    #[serde(default)]
    pub(super) training_jobs: BTreeMap<String, Job>,
}

/// A model or an endpoint config: immutable, so what was asked for is what is described.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) name: String,
    pub(super) arn: String,
    /// Seconds since 1970.
    pub(super) created: f64,
    /// The request's members, without `Tags`.
    pub(super) given: Map<String, Value>,
    pub(super) tags: BTreeMap<String, String>,
}

/// An endpoint, with copies of what it serves: deleting a config or a model does not touch it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Endpoint {
    pub(super) name: String,
    pub(super) arn: String,
    pub(super) config_name: String,
    pub(super) created: f64,
    pub(super) modified: f64,
    pub(super) status: Status,
    pub(super) failure_reason: Option<String>,
    pub(super) serving: Option<Fleet>,
    /// What is being started to serve next.
    pub(super) pending: Option<Fleet>,
    /// How it is brought to that.
    #[serde(default)]
    pub(super) deployment: Deployment,
    /// The `DeploymentConfig` that was given last.
    #[serde(default)]
    pub(super) last_deployment: Option<Value>,
    pub(super) tags: BTreeMap<String, String>,
}

/// The states of AWS that the local cloud can be in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Status {
    Creating,
    Updating,
    RollingBack,
    InService,
    Deleting,
    Failed,
    /// AWS maintains it.
    SystemUpdating,
    /// It serves with servers of two generations.
    UpdateRollbackFailed,
}

impl Status {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Creating => "Creating",
            Self::Updating => "Updating",
            Self::RollingBack => "RollingBack",
            Self::InService => "InService",
            Self::Deleting => "Deleting",
            Self::Failed => "Failed",
            Self::SystemUpdating => "SystemUpdating",
            Self::UpdateRollbackFailed => "UpdateRollbackFailed",
        }
    }

    /// Whether only waiting is allowed.
    pub(super) fn is_in_transit(self) -> bool {
        matches!(self, Self::Creating | Self::Updating | Self::RollingBack | Self::Deleting | Self::SystemUpdating)
    }
}

/// One generation of an endpoint's servers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Fleet {
    /// Random; names the folder of this generation.
    pub(super) id: String,
    pub(super) config_name: String,
    pub(super) started: f64,
    pub(super) variants: Vec<Variant>,
    /// What is kept of requests and answers.
    #[serde(default)]
    pub(super) capture: Option<Capture>,
}

/// A production variant: one server process, however many instances it pretends to be.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Variant {
    pub(super) name: String,
    /// Random, as an instance id: names the log stream.
    pub(super) instance_id: String,
    pub(super) role: Option<String>,
    pub(super) container: Container,
    pub(super) startup_limit_s: u64,
    /// None when it is serverless.
    #[serde(default)]
    pub(super) instance_type: Option<String>,
    pub(super) current_weight: f64,
    pub(super) desired_weight: f64,
    pub(super) current_count: u64,
    pub(super) desired_count: u64,
    /// Given instead of instances.
    pub(super) serverless: Option<Value>,
    /// What it becomes.
    #[serde(default)]
    pub(super) desired_serverless: Option<Value>,
    /// Whether the model is put into a VPC.
    #[serde(default)]
    pub(super) network: bool,
}

/// What a model says about its container, as far as serving needs it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Container {
    pub(super) image: String,
    pub(super) model_data_url: Option<String>,
    pub(super) environment: BTreeMap<String, String>,
}

/// Makes this account's ARNs and refuses in AWS's words.
#[derive(Clone, Debug)]
pub(super) struct Names {
    pub(super) account: String,
    pub(super) region: String,
    partition: &'static str,
}

impl Names {
    pub(super) fn new(config: &Config) -> Self {
        Self { account: config.account.clone(), region: config.region.clone(), partition: config.partition() }
    }

    /// ARN of a key by its id.
    pub(super) fn key_arn(&self, id: &str) -> String {
        let Self { account, region, partition } = self;
        format!("arn:{partition}:kms:{region}:{account}:key/{id}")
    }

    /// An ARN of `kind` (`model`, `endpoint-config`, `endpoint`, `training-job`). The name goes in in lower case, as on AWS.
    pub(super) fn arn(&self, kind: &str, name: &str) -> String {
        format!(
            "arn:{}:sagemaker:{}:{}:{kind}/{}",
            self.partition,
            self.region,
            self.account,
            name.to_ascii_lowercase()
        )
    }

    /// What `SageMaker` sends as `aws:SourceArn` when it assumes a role: literally with a star.
    pub(super) fn source_arn(&self) -> String {
        format!("arn:{}:sagemaker:{}:{}:*", self.partition, self.region, self.account)
    }

    pub(super) fn bucket_arn(&self, bucket: &str) -> String {
        format!("arn:{}:s3:::{bucket}", self.partition)
    }

    pub(super) fn object_arn(&self, bucket: &str, key: &str) -> String {
        format!("arn:{}:s3:::{bucket}/{key}", self.partition)
    }

    pub(super) fn repository_arn(&self, image: &super::image::Image<'_>) -> String {
        format!("arn:{}:ecr:{}:{}:repository/{}", self.partition, image.region, image.registry, image.repository)
    }

    pub(super) fn log_stream_arn(&self, group: &str, stream: &str) -> String {
        format!("{}:log-stream:{stream}", self.log_group_arn(group))
    }

    pub(super) fn log_group_arn(&self, group: &str) -> String {
        format!("arn:{}:logs:{}:{}:log-group:{group}", self.partition, self.region, self.account)
    }
}

/// The refusal of nearly everything: `SageMaker` answers 400 to absent and taken names too.
pub(super) fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::new(400, "ValidationException", message)
}

/// `noun` is `model`, `endpoint configuration` or `endpoint`.
pub(super) fn absent(noun: &str, arn: &str) -> Refusal {
    invalid(format!("Could not find {noun} \"{arn}\"."))
}

/// As [`absent`], for a name that is taken.
pub(super) fn taken(noun: &str, arn: &str) -> Refusal {
    invalid(format!("Cannot create already existing {noun} \"{arn}\"."))
}

/// Seconds since 1970, to the millisecond, as the wire has it.
pub(super) fn now() -> f64 {
    jiff::Timestamp::now().as_millisecond() as f64 / 1000.0
}

/// Twelve random hex digits.
pub(super) fn random_id() -> String {
    hex::encode(rand::random::<[u8; 6]>())
}

/// Where a server's lines go.
pub(super) fn log_group(endpoint: &str) -> String {
    format!("/aws/sagemaker/Endpoints/{endpoint}")
}
