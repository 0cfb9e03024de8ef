//! What pipeline.yaml can say, with every default filled in.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;

use crate::names::PipelineName;
use crate::places::Places;

mod api;
mod endpoint;
mod role;
mod train;

pub use api::*;
pub use endpoint::*;
pub use role::*;
pub use train::*;

/// What should be deployed, and where it may go. Nothing downstream checks it again.
#[derive(Clone, Debug, PartialEq)]
pub struct Spec {
    /// Every cloud name derives from it.
    pub name: PipelineName,
    /// Where it may go, by name. `local` is always there.
    pub targets: BTreeMap<String, Target>,
    /// Where the model comes from.
    pub train: Train,
    /// What the archives hold.
    pub package: Package,
    /// The bucket.
    pub upload: Upload,
    /// What the endpoint and the function may do.
    pub create_role: CreateRole,
    /// How the model is served.
    pub create_endpoint: CreateEndpoint,
    /// The function and the HTTP API.
    pub deploy_proxy: DeployProxy,
    /// How it is proved.
    pub smoke_test: SmokeTest,
    /// What a teardown keeps.
    pub teardown: Teardown,
    /// Where the file says it; equality ignores it.
    pub(crate) places: Places,
}

/// One entry of `targets:`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// The embedded local cloud.
    Local(LocalTarget),
    /// AWS, or a server that speaks its protocols.
    Aws(AwsTarget),
}

/// The embedded local cloud.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalTarget {
    /// Region it pretends to be. Default `us-east-1`.
    pub region: String,
    /// Port on 127.0.0.1; chosen once and then remembered when not given.
    pub port: Option<u16>,
    /// Milliseconds until services see a change of a role, at most 600,000. Default 1000.
    pub iam_propagation_ms: u64,
    /// Milliseconds that a second lasts of what services are told to wait, at most 1,000. Default 10.
    pub second_ms: u64,
    /// Whether management calls of API Gateway are refused beyond the 10 a second that an account of AWS has. Default:
    /// they are not.
    pub management_throttle: bool,
    /// What whoever deploys may do. Default: everything.
    pub deployer_policy: Option<DeployerPolicy>,
}

/// What whoever deploys to the local cloud may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeployerPolicy {
    /// What `runner policy` prints.
    Own,
    /// An IAM policy in a file, relative to the pipeline file.
    File(PathBuf),
}

/// AWS, or a server that speaks its protocols.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AwsTarget {
    /// One of the regions that have a `sagemaker-xgboost` registry.
    pub region: String,
    /// Refuse to run anywhere else.
    pub account: Option<String>,
    /// Profile of the shared AWS configuration.
    pub profile: Option<String>,
    /// Another server than AWS.
    pub endpoint_url: Option<String>,
}

/// What the archives hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Package {
    /// A prebuilt `bootstrap`, relative to the pipeline file; else the proxy is built from source or taken from beside
    /// the runner.
    pub proxy: Option<PathBuf>,
    /// What the function runs on. Default `x86_64`.
    pub architecture: Architecture,
    /// A prebuilt `model-server` for the image, relative to the pipeline file; else it is built from source or taken
    /// from beside the runner. Given only with [`Container::ModelServer`].
    pub model_server: Option<PathBuf>,
}

/// What a Lambda function or an image runs on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Architecture {
    /// `x86_64`.
    #[default]
    X86_64,
    /// `arm64`.
    Arm64,
}

/// The bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Upload {
    /// Default `<name>-<account>-<region>`.
    pub bucket: Option<String>,
}

/// The function and the HTTP API.
#[derive(Clone, Debug, PartialEq)]
pub struct DeployProxy {
    /// `METHOD /path`. Default `POST /`.
    pub route: Route,
    /// What the answer looks like.
    pub response: Response,
    /// How many of the strongest contributions the answer names, 0 to 10 and at most one a feature. Default 0.
    pub reasons: u8,
    /// 128 to 10,240. Default 256.
    pub memory_mb: i32,
    /// 1 to 29, below the gateway's 30. Default 28.
    pub timeout_s: i32,
    /// Days that the function's log lines are kept; one of the numbers `CloudWatch` takes. Default 14.
    pub log_retention_days: i32,
    /// Who may call the API. Default: anybody.
    pub auth: Auth,
    /// How many requests the gateway lets through.
    pub throttle: Throttle,
    /// Which web pages may call the API. Default: none but the API's own.
    pub cors: Option<Cors>,
    /// Days that the API's access log is kept; none: it has no such log. Default: as the function's.
    pub access_log_days: Option<i32>,
    /// What a request's body may have, 1 to 6,144 KB of 1,024 bytes. Default 256.
    pub max_body_kb: u32,
}

/// `METHOD /path`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Upper case: GET, POST, PUT, PATCH, DELETE or ANY.
    pub method: String,
    /// Begins with `/`; no variables.
    pub path: String,
}

/// The JSON object that the proxy answers.
#[derive(Clone, Debug, PartialEq)]
pub struct Response {
    /// Field of the decision. Default `is_fraud`.
    pub decision: String,
    /// Field of the score. Default `fraud_score`.
    pub score: String,
    /// The decision is true when the score is at least this. Default 0.5.
    pub threshold: Threshold,
}

/// Where the decision begins to be true.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Threshold {
    /// At this score, 0 to 1.
    Fixed(f64),
    /// Where F1 is highest on the test rows.
    BestF1,
    /// Where recall is highest on the test rows while precision is at least this: above 0, at most 1.
    Precision(f64),
    /// Where mistakes cost least on the test rows.
    Cost {
        /// Of a positive row that is let through: above 0, finite.
        miss: f64,
        /// Of a negative row that is stopped, in the same unit: above 0, finite.
        false_alarm: f64,
    },
}

/// How the deployment is proved.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SmokeTest {
    /// Feature values by name; none: golden rows alone.
    pub request: Option<BTreeMap<String, f64>>,
    /// What the answer must contain.
    pub expect: BTreeMap<String, serde_json::Value>,
    /// What is sent to an API that asks for a token; none: the model is proved without the gateway.
    pub token: Option<Token>,
}

/// What a teardown keeps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Teardown {
    /// Default: nothing.
    pub keep: BTreeSet<Keep>,
}

/// Something that a teardown can keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Keep {
    /// The bucket and what is in it.
    Bucket,
    /// The log groups.
    Logs,
}

impl Default for LocalTarget {
    fn default() -> Self {
        Self {
            region: "us-east-1".to_owned(),
            port: None,
            iam_propagation_ms: 1000,
            second_ms: 10,
            management_throttle: false,
            deployer_policy: None,
        }
    }
}

impl Default for DeployProxy {
    fn default() -> Self {
        Self {
            route: Route::default(),
            response: Response::default(),
            reasons: 0,
            memory_mb: 256,
            timeout_s: 28,
            log_retention_days: 14,
            auth: Auth::default(),
            throttle: Throttle::default(),
            cors: None,
            access_log_days: Some(14),
            max_body_kb: 256,
        }
    }
}

impl Default for Route {
    fn default() -> Self {
        Self { method: "POST".to_owned(), path: "/".to_owned() }
    }
}

impl Default for Response {
    fn default() -> Self {
        Self { decision: "is_fraud".to_owned(), score: "fraud_score".to_owned(), threshold: Threshold::default() }
    }
}

impl Default for Threshold {
    fn default() -> Self {
        Self::Fixed(0.5)
    }
}

impl Target {
    /// The region it is in, or pretends to be in.
    pub fn region(&self) -> &str {
        match self {
            Self::Local(local) => &local.region,
            Self::Aws(aws) => &aws.region,
        }
    }
}

impl Architecture {
    /// As Lambda spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Arm64 => "arm64",
        }
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Display for Route {
    /// As API Gateway spells a route key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}
