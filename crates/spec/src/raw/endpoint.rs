//! What the options of `create-endpoint` may look like.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::forms::{Block, given};
use crate::limits;

/// Target tracking by AWS's Application Auto Scaling.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(rename = "Autoscaling")]
pub(crate) struct RawAutoscaling {
    /// Fewest machines, or least provisioned concurrency. Default 1.
    #[schemars(range(min = 1, max = *limits::SERVERLESS_CONCURRENCY.end()))]
    pub(crate) min: Option<i64>,
    /// Most of them; must be given.
    #[schemars(range(min = 1, max = *limits::SERVERLESS_CONCURRENCY.end()))]
    pub(crate) max: Option<i64>,
    /// What each machine should be asked in a minute; with `instances` it must be given.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub(crate) invocations_per_instance: Option<f64>,
    /// Share of the provisioned concurrency that should be in use; only with `serverless`. Default 0.7.
    #[schemars(range(min = *limits::UTILIZATION.start(), max = *limits::UTILIZATION.end()))]
    pub(crate) utilization: Option<f64>,
    /// Whether it also scales in. Default true.
    pub(crate) scale_in: Option<bool>,
    /// Seconds after scaling in until it scales in again. Default 300.
    #[schemars(range(min = *limits::COOLDOWN_S.start(), max = *limits::COOLDOWN_S.end()))]
    pub(crate) scale_in_cooldown_s: Option<i64>,
    /// Seconds after scaling out until it scales out again. Default 300.
    #[schemars(range(min = *limits::COOLDOWN_S.start(), max = *limits::COOLDOWN_S.end()))]
    pub(crate) scale_out_cooldown_s: Option<i64>,
}

/// Requests and answers that are kept.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(rename = "DataCapture")]
pub(crate) struct RawDataCapture {
    /// Share of the requests, in whole per cent. Default 0.2.
    #[schemars(range(min = 0.01, max = 1.0))]
    pub(crate) share: Option<f64>,
    /// Whether requests are kept. Default true.
    pub(crate) input: Option<bool>,
    /// Whether answers are kept. Default true.
    pub(crate) output: Option<bool>,
}

/// A network of yours.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(rename = "Vpc")]
pub(crate) struct RawVpc {
    /// For example `[subnet-0123456789abcdef0]`; at least two, in different availability zones, are advised.
    #[schemars(length(min = *limits::SUBNETS.start(), max = *limits::SUBNETS.end()))]
    pub(crate) subnets: Option<Vec<String>>,
    /// For example `[sg-0123456789abcdef0]`.
    #[schemars(length(min = *limits::SECURITY_GROUPS.start(), max = *limits::SECURITY_GROUPS.end()))]
    pub(crate) security_groups: Option<Vec<String>>,
}

/// How traffic moves to a new version: by one of the first three.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(rename = "Rollout")]
pub(crate) struct RawRollout {
    /// All of it in one step.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "Option<RawAllAtOnce>")]
    pub(crate) all_at_once: Option<Block<RawAllAtOnce>>,
    /// A small part first, then the rest.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "Option<RawCanary>")]
    pub(crate) canary: Option<Block<RawCanary>>,
    /// In equal steps.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "Option<RawLinear>")]
    pub(crate) linear: Option<Block<RawLinear>>,
    /// Seconds that the old machines are kept once the new ones have all traffic. Default 0.
    #[schemars(range(min = *limits::ROLLOUT_WAIT_S.start(), max = *limits::ROLLOUT_WAIT_S.end()))]
    pub(crate) termination_wait_s: Option<i64>,
    /// Seconds for the whole rollout, after which it is taken back. Default: an hour more than its waits.
    #[schemars(range(min = *limits::ROLLOUT_S.start(), max = *limits::ROLLOUT_S.end()))]
    pub(crate) timeout_s: Option<i64>,
}

/// In one step.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(rename = "AllAtOnce")]
pub(crate) struct RawAllAtOnce {
    /// Seconds in which alarms are watched. Default 0, or 300 with `rollback-on`.
    #[schemars(range(min = *limits::ROLLOUT_WAIT_S.start(), max = *limits::ROLLOUT_WAIT_S.end()))]
    pub(crate) wait_s: Option<i64>,
}

/// A small part first.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(rename = "Canary")]
pub(crate) struct RawCanary {
    /// Share of the traffic that goes first, in whole per cent. Default 0.1.
    #[schemars(range(min = 0.01, max = 0.5))]
    pub(crate) share: Option<f64>,
    /// Seconds in which alarms are watched, after either step. Default 300.
    #[schemars(range(min = *limits::ROLLOUT_WAIT_S.start(), max = *limits::ROLLOUT_WAIT_S.end()))]
    pub(crate) wait_s: Option<i64>,
}

/// Equal steps.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(rename = "Linear")]
pub(crate) struct RawLinear {
    /// Share of the traffic that each step moves, in whole per cent. Default 0.25.
    #[schemars(range(min = 0.1, max = 0.5))]
    pub(crate) share: Option<f64>,
    /// Seconds in which alarms are watched, after each step. Default 180.
    #[schemars(range(min = *limits::ROLLOUT_WAIT_S.start(), max = *limits::ROLLOUT_WAIT_S.end()))]
    pub(crate) wait_s: Option<i64>,
}

/// Alarms that take a new version back while it is rolled out.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(rename = "RollbackOn")]
pub(crate) struct RawRollbackOn {
    /// Names of CloudWatch alarms of yours.
    #[schemars(length(max = limits::ROLLBACK_ALARMS))]
    pub(crate) alarms: Option<Vec<String>>,
    /// Makes an alarm: at least so many server errors of the new version in a minute.
    #[schemars(range(min = *limits::ERRORS_PER_MINUTE.start(), max = *limits::ERRORS_PER_MINUTE.end()))]
    pub(crate) errors_per_minute: Option<i64>,
    /// Makes an alarm: the new version takes longer than this for an answer, on average over a minute.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub(crate) latency_ms: Option<f64>,
}
