//! What pipeline.yaml may look like, key by key; the JSON Schema is derived from it.
//!
//! Every key may be left out, and an empty value counts as left out: the defaults stand in [`crate::types`]. The
//! doc comments here are what an editor shows.

#![expect(clippy::doc_markdown, reason = "editors show these comments as they are")]

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::forms::{Block, TextOr, given};
use crate::limits;

mod api;
mod endpoint;
mod proxy;
mod role;
mod train;

pub(crate) use api::*;
pub(crate) use endpoint::*;
pub(crate) use proxy::*;
pub(crate) use role::*;
pub(crate) use train::*;

/// What should be deployed, and where it may go.
#[derive(JsonSchema)]
#[schemars(title = "pipeline.yaml", rename_all = "kebab-case", deny_unknown_fields)]
#[expect(dead_code, reason = "the parts are read one by one, so that each can be complained about")]
pub(crate) struct RawSpec {
    /// Every cloud name derives from it.
    #[schemars(regex(pattern = r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$"), length(max = 32))]
    name: String,
    /// Where it may go, by name. `local` is always there.
    targets: Option<RawTargets>,
    /// What to do, in this order: train, package, upload, create-role, create-endpoint, deploy-proxy, smoke-test,
    /// teardown. A stage left out or left empty means its defaults.
    stages: Option<Vec<RawStage>>,
}

/// Where a pipeline may go, by name.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "the parts are read one by one, so that each can be complained about")]
#[schemars(rename = "Targets")]
pub(crate) struct RawTargets {
    local: Option<RawLocal>,
    #[schemars(flatten)]
    others: BTreeMap<String, RawAws>,
}

/// One entry of `stages`: a name, or a name with what is wanted of it.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "the parts are read one by one, so that each can be complained about")]
#[schemars(rename = "Stage")]
pub(crate) enum RawStage {
    Bare(RawStageName),
    Full(Box<RawStageBlock>),
}

/// The stages.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case")]
#[expect(dead_code, reason = "only its schema is used")]
#[schemars(rename = "StageName")]
pub(crate) enum RawStageName {
    Train,
    Package,
    Upload,
    CreateRole,
    CreateEndpoint,
    DeployProxy,
    SmokeTest,
    Teardown,
}

/// The stages with what is wanted of them.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case")]
#[expect(dead_code, reason = "only its schema is used")]
#[schemars(rename = "StageBlock")]
pub(crate) enum RawStageBlock {
    Train(Option<Box<RawTrain>>),
    Package(Option<RawPackage>),
    Upload(Option<RawUpload>),
    CreateRole(Option<Box<RawCreateRole>>),
    CreateEndpoint(Option<Box<RawCreateEndpoint>>),
    DeployProxy(Option<Box<RawDeployProxy>>),
    SmokeTest(Option<RawSmokeTest>),
    Teardown(Option<RawTeardown>),
}

/// The embedded local cloud.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(rename = "Local")]
pub(crate) struct RawLocal {
    /// Region it pretends to be. Default us-east-1.
    pub(crate) region: Option<String>,
    /// Port on 127.0.0.1; chosen once and then remembered when not given.
    #[schemars(range(min = *limits::PORT.start(), max = *limits::PORT.end()))]
    pub(crate) port: Option<i64>,
    /// Milliseconds until services see a change of a role. Default 1000.
    #[schemars(range(min = *limits::IAM_PROPAGATION_MS.start(), max = *limits::IAM_PROPAGATION_MS.end()))]
    pub(crate) iam_propagation_ms: Option<i64>,
    /// Milliseconds that a second lasts of what SageMaker, CloudWatch and autoscaling are told to wait. Default 10.
    #[schemars(range(min = *limits::SECOND_MS.start(), max = *limits::SECOND_MS.end()))]
    pub(crate) second_ms: Option<i64>,
    /// Whether API Gateway refuses management calls beyond 10 a second, as on AWS. Default false.
    pub(crate) management_throttle: Option<bool>,
    /// A file with the IAM policy that whoever deploys then has, or `own` for what `runner policy` prints. Default:
    /// everything is allowed.
    pub(crate) deployer_policy: Option<String>,
}

/// AWS, or a server that speaks its protocols.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(rename = "Aws")]
pub(crate) struct RawAws {
    /// For example ap-south-1.
    pub(crate) region: String,
    /// The twelve digits of an account, in quotes: refuse to run anywhere else.
    #[schemars(regex(pattern = r"^\d{12}$"))]
    pub(crate) account: Option<String>,
    /// Profile of the shared AWS configuration.
    pub(crate) profile: Option<String>,
    /// Another server than AWS.
    pub(crate) endpoint_url: Option<String>,
}

/// What the archives hold.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(rename = "Package")]
pub(crate) struct RawPackage {
    /// A prebuilt `bootstrap`, relative to the pipeline file. Default: built from source, or found beside the runner.
    pub(crate) proxy: Option<String>,
    /// What the function runs on: x86_64 (the default) or arm64.
    pub(crate) architecture: Option<String>,
    /// A prebuilt `model-server`, linked statically, for `container: model-server`; relative to the pipeline file.
    /// Default: built from source, or found beside the runner.
    pub(crate) model_server: Option<String>,
}

/// The bucket.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(rename = "Upload")]
pub(crate) struct RawUpload {
    /// Default `<name>-<account>-<region>`.
    #[schemars(length(min = 3, max = 63))]
    pub(crate) bucket: Option<String>,
}

/// How the model is served: by `instances` or `serverless`.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(rename = "CreateEndpoint")]
pub(crate) struct RawCreateEndpoint {
    /// Machines. Default: one ml.t2.medium.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "Option<RawInstances>")]
    pub(crate) instances: Option<Block<RawInstances>>,
    /// On demand.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "Option<RawServerless>")]
    pub(crate) serverless: Option<Block<RawServerless>>,
    /// Tag of AWS's prebuilt sagemaker-xgboost image, or model-server: an image of its own, which the runner makes.
    /// Default 1.7-1.
    pub(crate) container: Option<String>,
    /// Days that the container's log lines are kept; one of the numbers CloudWatch takes. Default 14.
    #[schemars(extend("enum" = limits::RETENTION_DAYS))]
    pub(crate) log_retention_days: Option<i64>,
    /// Lets AWS add and remove machines, or provisioned concurrency, by the traffic.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "Option<RawAutoscaling>")]
    pub(crate) autoscaling: Option<Block<RawAutoscaling>>,
    /// Keeps requests and answers in the bucket, under `captures/`.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "Option<RawDataCapture>")]
    pub(crate) data_capture: Option<Block<RawDataCapture>>,
    /// Encrypts the disks of the machines: id, ARN or alias of a KMS key.
    #[schemars(regex(pattern = r"^[a-zA-Z0-9:/_-]*$"), length(max = limits::KMS_KEY_CHARS))]
    pub(crate) kms_key: Option<String>,
    /// Puts the containers into a network of yours.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "Option<RawVpc>")]
    pub(crate) vpc: Option<Block<RawVpc>>,
    /// Seconds for the container to come up. Default: SageMaker's own 240.
    #[schemars(range(min = *limits::STARTUP_S.start(), max = *limits::STARTUP_S.end()))]
    pub(crate) startup_timeout_s: Option<i64>,
    /// How traffic moves to a new version: `all-at-once` (the default), `canary` or `linear`.
    pub(crate) rollout: Option<TextOr<RawRollout>>,
    /// What takes a new version back while it is rolled out.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "Option<RawRollbackOn>")]
    pub(crate) rollback_on: Option<Block<RawRollbackOn>>,
}

/// Machines.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(rename = "Instances")]
pub(crate) struct RawInstances {
    /// Default ml.t2.medium.
    pub(crate) r#type: Option<String>,
    /// Default 1, or the `min` of `autoscaling`.
    #[schemars(range(min = *limits::INSTANCES.start(), max = *limits::INSTANCES.end()))]
    pub(crate) count: Option<i64>,
    /// Of each machine's disk. Default: SageMaker's own choice.
    #[schemars(range(min = *limits::ENDPOINT_VOLUME_GB.start(), max = *limits::ENDPOINT_VOLUME_GB.end()))]
    pub(crate) volume_gb: Option<i64>,
}

/// On demand.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(rename = "Serverless")]
pub(crate) struct RawServerless {
    /// In steps of 1024. Default 2048.
    #[schemars(
        range(min = *limits::SERVERLESS_MB.start(), max = *limits::SERVERLESS_MB.end()),
        extend("multipleOf" = limits::SERVERLESS_STEP_MB)
    )]
    pub(crate) memory_mb: Option<i64>,
    /// Default 5.
    #[schemars(range(min = *limits::SERVERLESS_CONCURRENCY.start(), max = *limits::SERVERLESS_CONCURRENCY.end()))]
    pub(crate) max_concurrency: Option<i64>,
    /// Requests that are always kept warm for, at most `max-concurrency`. Default none.
    #[schemars(range(min = *limits::SERVERLESS_CONCURRENCY.start(), max = *limits::SERVERLESS_CONCURRENCY.end()))]
    pub(crate) provisioned_concurrency: Option<i64>,
}

/// How the deployment is proved, beside the golden rows that training computed.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(rename = "SmokeTest")]
pub(crate) struct RawSmokeTest {
    /// A value for every feature, by name.
    pub(crate) request: Option<BTreeMap<String, f64>>,
    /// What the answer to it must contain.
    pub(crate) expect: Option<BTreeMap<String, serde_json::Value>>,
    /// Where the token is from that an API with `auth: { jwt: … }` asks for. Without it, the test proves that strangers
    /// are refused, and asks the function itself.
    pub(crate) token: Option<RawToken>,
}

/// What a teardown keeps.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(rename = "Teardown")]
pub(crate) struct RawTeardown {
    /// `bucket`, `logs`, or both. Default: nothing.
    pub(crate) keep: Option<Vec<String>>,
}
