//! All services of one account in one region.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::guard::Guard;
use crate::service::{apigateway, autoscaling, cloudwatch, ecr, iam, lambda, logs, quotas, s3, sagemaker};
use crate::state::StateError;

/// What a cloud is told when it starts.
#[derive(Clone, Debug)]
pub struct Config {
    /// Folder that holds everything the cloud remembers.
    pub state_dir: PathBuf,
    /// Twelve digits.
    pub account: String,
    /// For example `us-east-1`.
    pub region: String,
    /// The account's own key; whoever signs with it may do anything.
    pub access_key_id: String,
    /// Its secret, which callers of the `/_local/` routes have to know as well.
    pub secret_access_key: String,
    /// `http://127.0.0.1:PORT`, without a slash at the end: where this cloud is reached.
    pub base_url: String,
    /// Program and first arguments that serve a model under the SageMaker container contract; stands in
    /// for every image. `serve` is appended.
    pub model_server: Vec<OsString>,
    /// Program and first arguments that train a model under the SageMaker container contract, in the folder that
    /// `SAGEMAKER_BASE_DIR` names instead of `/opt/ml`; stands in for every image. `train` is appended.
    pub training_program: Vec<OsString>,
    /// How long things take that take long on AWS.
    pub delays: Delays,
}

impl Config {
    /// `aws`, `aws-cn` or `aws-us-gov`, by the region.
    pub fn partition(&self) -> &'static str {
        partition(&self.region)
    }

    /// The region that requests to global services such as IAM are signed for. Source: botocore's `endpoints.json`.
    pub fn global_region(&self) -> &'static str {
        match self.partition() {
            "aws-cn" => "cn-north-1",
            "aws-us-gov" => "us-gov-west-1",
            _ => "us-east-1",
        }
    }

    /// An ARN in this account and region.
    pub fn arn(&self, service: &str, resource: &str) -> String {
        format!("arn:{}:{service}:{}:{}:{resource}", self.partition(), self.region, self.account)
    }
}

/// The partition that a region is in.
pub(crate) fn partition(region: &str) -> &'static str {
    match region.split('-').next() {
        Some("cn") => "aws-cn",
        _ if region.starts_with("us-gov-") => "aws-us-gov",
        _ => "aws",
    }
}

/// What names of AWS's hosts end with in a region.
pub(crate) fn dns_suffix(region: &str) -> &'static str {
    if partition(region) == "aws-cn" { "amazonaws.com.cn" } else { "amazonaws.com" }
}

/// Simulated waits. None by default.
#[derive(Clone, Copy, Debug, Default)]
pub struct Delays {
    /// From a change of a role or its policy until services see it.
    pub iam_propagation: Duration,
    /// What a function stays `Pending` or `InProgress` for.
    pub lambda_settle: Duration,
    /// What an endpoint stays `Creating`, `Updating` or `Deleting` for, beyond the real work.
    pub endpoint_settle: Duration,
    /// How long a second lasts of what services are told to wait, or wait by themselves: between the steps of a
    /// rollout, in an alarm's period, in a cool-down, until captures are written.
    pub second: Duration,
    /// Whether API Gateway refuses management calls that are too many: an account has 10 a second, 40 at once.
    pub management_throttle: bool,
}

impl Delays {
    /// How long so many seconds last here.
    pub fn seconds(&self, seconds: u64) -> Duration {
        self.second.saturating_mul(u32::try_from(seconds).unwrap_or(u32::MAX))
    }
}

/// All services. Services reach each other through it.
#[derive(Debug)]
pub struct Cloud {
    /// What the cloud was told.
    pub config: Config,
    /// Roles and who may do what.
    pub iam: iam::Iam,
    /// How much of what the account may have.
    pub quotas: quotas::Quotas,
    /// Buckets and objects.
    pub s3: s3::S3,
    /// Log groups and their lines.
    pub logs: logs::Logs,
    /// Repositories of images.
    pub ecr: ecr::Ecr,
    /// Models, configs, endpoints, training jobs and the processes behind them.
    pub sagemaker: sagemaker::SageMaker,
    /// Functions and the processes behind them.
    pub lambda: lambda::Lambda,
    /// HTTP APIs.
    pub apigateway: apigateway::ApiGateway,
    /// Metrics and alarms.
    pub cloudwatch: cloudwatch::CloudWatch,
    /// What scales endpoints.
    pub autoscaling: autoscaling::Autoscaling,
    /// What ends children of a cloud that was killed.
    pub(crate) guard: Arc<Guard>,
}

impl Cloud {
    /// Reads the state, brings endpoints back to life and settles training jobs that were cut off.
    pub async fn open(config: Config) -> Result<Arc<Self>, StateError> {
        let cloud = Arc::new(Self {
            iam: iam::Iam::open(&config)?,
            quotas: quotas::Quotas::open(&config)?,
            s3: s3::S3::open(&config)?,
            logs: logs::Logs::open(&config)?,
            ecr: ecr::Ecr::open(&config)?,
            sagemaker: sagemaker::SageMaker::open(&config)?,
            lambda: lambda::Lambda::open(&config)?,
            apigateway: apigateway::ApiGateway::open(&config)?,
            cloudwatch: cloudwatch::CloudWatch::open(&config)?,
            autoscaling: autoscaling::Autoscaling::open(&config)?,
            guard: Guard::start(),
            config,
        });
        cloudwatch::start(&cloud);
        sagemaker::resume(&cloud).await;
        Ok(cloud)
    }

    /// Ends every process that the cloud started, and waits for them.
    pub async fn shut_down(&self) {
        self.cloudwatch.shut_down();
        self.sagemaker.shut_down().await;
        self.lambda.shut_down().await;
    }

    /// Whether nothing is left that a user made: no bucket, body in quarantine, role, log group, image repository, model, endpoint,
    /// function, API, alarm or scalable target.
    /// Training jobs that have ended and their log are history.
    pub fn is_empty(&self) -> bool {
        self.iam.is_empty()
            && self.s3.is_empty()
            && self.logs.is_empty_but_for(sagemaker::TRAINING_LOG_GROUP)
            && self.ecr.is_empty()
            && self.sagemaker.is_empty()
            && self.lambda.is_empty()
            && self.apigateway.is_empty()
            && self.cloudwatch.is_empty()
            && self.autoscaling.is_empty()
    }
}
