//! How the model is served.

use super::Architecture;
use crate::machines;
use crate::names::ContainerVersion;

/// How the model is served.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateEndpoint {
    /// What it runs on. Default: one `ml.t2.medium`.
    pub capacity: Capacity,
    /// What serves the model. Default: the prebuilt image `1.7-1`.
    pub container: Container,
    /// Days that the container's log lines are kept. Default 14.
    pub log_retention_days: i32,
    /// How AWS follows the traffic. Default: not at all.
    pub autoscaling: Option<Autoscaling>,
    /// What is kept of requests and answers; only of machines. Default: nothing.
    pub data_capture: Option<DataCapture>,
    /// Id, ARN or alias of the KMS key that encrypts the machines' disks. Default: AWS's own.
    pub kms_key: Option<String>,
    /// The network that the containers are put into; only machines. Default: none of the user's.
    pub vpc: Option<Vpc>,
    /// 60 to 3600; only of machines. Default: `SageMaker`'s 240.
    pub startup_timeout_s: Option<i32>,
    /// How traffic moves to a new version. Default: all at once.
    pub rollout: Rollout,
    /// What takes a new version back while it is rolled out. Default: nothing but a failed start.
    pub rollback_on: RollbackOn,
}

/// What serves a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Container {
    /// AWS's `sagemaker-xgboost` image of that tag.
    Prebuilt(ContainerVersion),
    /// An image of our own, made of the program `model-server`.
    ModelServer,
}

/// What an endpoint runs on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Capacity {
    /// Machines.
    Instances {
        /// For example `ml.t2.medium`.
        instance_type: String,
        /// 1 to 100; with autoscaling what it begins with.
        count: i32,
        /// 1 to 512, of a type without a disk of its own. Default: `SageMaker`'s choice.
        volume_gb: Option<i32>,
    },
    /// On demand.
    Serverless {
        /// 1024 to 6144, in steps of 1024.
        memory_mb: i32,
        /// 1 to 200.
        max_concurrency: i32,
        /// 1 to `max_concurrency`; with autoscaling what it begins with. Default: none.
        provisioned_concurrency: Option<i32>,
    },
}

/// Target tracking by AWS's Application Auto Scaling.
#[derive(Clone, Debug, PartialEq)]
pub struct Autoscaling {
    /// Fewest machines, or least provisioned concurrency: at least 1. Default 1.
    pub min: i32,
    /// At least `min`.
    pub max: i32,
    /// What it aims at.
    pub target: ScalingTarget,
    /// Whether it also scales in. Default true.
    pub scale_in: bool,
    /// Default 300.
    pub scale_in_cooldown_s: i32,
    /// Default 300.
    pub scale_out_cooldown_s: i32,
}

/// What autoscaling aims at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ScalingTarget {
    /// So many requests to each machine in a minute: above 0, finite.
    InvocationsPerInstance(f64),
    /// This share of the provisioned concurrency in use: 0.1 to 1. Default 0.7.
    Utilization(f64),
}

/// What is kept of requests and answers. At least one of them is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataCapture {
    /// Of the requests, 1 to 100. Default 20.
    pub percent: i32,
    /// Whether requests are kept. Default true.
    pub input: bool,
    /// Whether answers are kept. Default true.
    pub output: bool,
}

/// A network of the user's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vpc {
    /// 1 to 16, in order of the alphabet.
    pub subnets: Vec<String>,
    /// 1 to 5, in order of the alphabet.
    pub security_groups: Vec<String>,
}

/// How traffic moves to a new version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rollout {
    /// In which steps.
    pub traffic: Traffic,
    /// What the old machines are kept for once the new ones have all traffic, 0 to 3600. Default 0.
    pub termination_wait_s: i32,
    /// For all of it, 600 to 28,800, and more than its waits.
    pub timeout_s: Option<i32>,
}

/// The steps in which traffic moves. Each is followed by a wait of 0 to 3600 s, in which alarms are watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Traffic {
    /// One step.
    AllAtOnce {
        /// Default 0, with alarms 300.
        wait_s: i32,
    },
    /// A small part, then the rest.
    Canary {
        /// 1 to 50. Default 10.
        percent: i32,
        /// Default 300.
        wait_s: i32,
    },
    /// Equal steps.
    Linear {
        /// 10 to 50. Default 25.
        percent: i32,
        /// Default 180.
        wait_s: i32,
    },
}

/// What takes a new version back while it is rolled out; at most ten alarms in all.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RollbackOn {
    /// Names of alarms of the user's.
    pub alarms: Vec<String>,
    /// An alarm of ours: at least so many server errors of the new version in a minute.
    pub errors_per_minute: Option<i32>,
    /// An alarm of ours: above this on average over a minute. Above 0, finite.
    pub latency_ms: Option<f64>,
}

impl Default for CreateEndpoint {
    fn default() -> Self {
        Self {
            capacity: Capacity::default(),
            container: Container::default(),
            log_retention_days: 14,
            autoscaling: None,
            data_capture: None,
            kms_key: None,
            vpc: None,
            startup_timeout_s: None,
            rollout: Rollout::default(),
            rollback_on: RollbackOn::default(),
        }
    }
}

impl Default for Capacity {
    fn default() -> Self {
        Self::Instances { instance_type: "ml.t2.medium".to_owned(), count: 1, volume_gb: None }
    }
}

impl Default for Container {
    fn default() -> Self {
        Self::Prebuilt(ContainerVersion::default())
    }
}

impl Default for Traffic {
    fn default() -> Self {
        Self::AllAtOnce { wait_s: 0 }
    }
}

impl Capacity {
    /// The processor that an image must be built for. Serverless endpoints are `x86_64` machines.
    pub fn architecture(&self) -> Architecture {
        match self {
            Self::Instances { instance_type, .. } if machines::is_arm(instance_type) => Architecture::Arm64,
            Self::Instances { .. } | Self::Serverless { .. } => Architecture::X86_64,
        }
    }

    /// Whether autoscaling takes it: machines of any but a burstable type, and concurrency that is provisioned.
    /// Source: AWS documentation, automatic scaling of models and of serverless endpoints.
    pub fn can_be_scaled(&self) -> bool {
        match self {
            Self::Instances { instance_type, .. } => !machines::is_burstable(instance_type),
            Self::Serverless { provisioned_concurrency, .. } => provisioned_concurrency.is_some(),
        }
    }
}

impl Container {
    /// What pipeline.yaml calls an image of our own.
    pub const MODEL_SERVER: &str = "model-server";

    /// As pipeline.yaml spells it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Prebuilt(version) => version.as_str(),
            Self::ModelServer => Self::MODEL_SERVER,
        }
    }
}

impl Traffic {
    /// How many times traffic moves.
    pub fn steps(self) -> i32 {
        match self {
            Self::AllAtOnce { .. } => 1,
            Self::Canary { .. } => 2,
            Self::Linear { percent, .. } => (100 + percent - 1) / percent.max(1),
        }
    }

    /// What each step is followed by, in seconds.
    pub fn wait_s(self) -> i32 {
        match self {
            Self::AllAtOnce { wait_s } | Self::Canary { wait_s, .. } | Self::Linear { wait_s, .. } => wait_s,
        }
    }
}

impl Rollout {
    /// All that it waits for by itself, in seconds: what it takes beyond starting the new machines.
    pub fn waits_s(&self) -> i32 {
        self.traffic.steps() * self.traffic.wait_s() + self.termination_wait_s
    }
}

impl RollbackOn {
    /// How many alarms that are.
    pub fn count(&self) -> usize {
        self.alarms.len() + usize::from(self.errors_per_minute.is_some()) + usize::from(self.latency_ms.is_some())
    }
}

impl CreateEndpoint {
    /// Whether updates differ from `SageMaker`'s own way: all at once, and back only when the new machines do not start.
    pub fn is_guarded(&self) -> bool {
        self.rollout != Rollout::default() || self.rollback_on.count() > 0
    }
}
