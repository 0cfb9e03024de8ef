//! What `deploy-proxy` may look like.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{RawAccessLogs, RawAuth, RawCors, RawThrottle};
use crate::limits;

/// The function and the HTTP API.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(rename = "DeployProxy")]
pub(crate) struct RawDeployProxy {
    /// `METHOD /path`. Default `POST /`.
    pub(crate) route: Option<String>,
    /// What the answer looks like.
    pub(crate) response: Option<RawResponse>,
    /// How many features the answer names, those that moved the score most, with what each added. Default 0: none.
    #[schemars(range(min = *limits::REASONS.start(), max = *limits::REASONS.end()))]
    pub(crate) reasons: Option<i64>,
    /// Of the function. Default 256.
    #[schemars(range(min = *limits::FUNCTION_MB.start(), max = *limits::FUNCTION_MB.end()))]
    pub(crate) memory_mb: Option<i64>,
    /// Of the function, below the gateway's 30 s. Default 28.
    #[schemars(range(min = *limits::FUNCTION_TIMEOUT_S.start(), max = *limits::FUNCTION_TIMEOUT_S.end()))]
    pub(crate) timeout_s: Option<i64>,
    /// Days that the function's log lines are kept; one of the numbers CloudWatch takes. Default 14.
    #[schemars(extend("enum" = limits::RETENTION_DAYS))]
    pub(crate) log_retention_days: Option<i64>,
    /// Who may call the API: none (the default: anybody who knows the URL), iam (who signs with AWS credentials), or
    /// { jwt: … } (who has a token).
    #[schemars(with = "Option<RawAuth>")]
    pub(crate) auth: Option<serde_yaml::Value>,
    /// How many requests the gateway lets through; beyond it answers 429.
    pub(crate) throttle: Option<RawThrottle>,
    /// Which web pages may call the API. Default: none but its own.
    pub(crate) cors: Option<RawCors>,
    /// A line for each request, in a log group of its own. Default true.
    #[schemars(with = "Option<RawAccessLogs>")]
    pub(crate) access_logs: Option<serde_yaml::Value>,
    /// What a request's body may have, in KB of 1,024 bytes; beyond it the answer is 413. Default 256.
    #[schemars(range(min = *limits::BODY_KB.start(), max = *limits::BODY_KB.end()))]
    pub(crate) max_body_kb: Option<i64>,
}

/// The JSON object that the proxy answers.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(rename = "Response")]
pub(crate) struct RawResponse {
    /// Field of the decision. Default is_fraud.
    pub(crate) decision: Option<String>,
    /// Field of the score. Default fraud_score.
    pub(crate) score: Option<String>,
    /// The decision is true when the score is at least this, or at least what is chosen on the test rows. Default 0.5.
    #[schemars(with = "Option<RawThreshold>")]
    pub(crate) threshold: Option<serde_yaml::Value>,
}

/// A number, `best-f1`, `{ precision: … }` or `{ cost: … }`.
#[derive(JsonSchema)]
#[schemars(untagged, rename = "Threshold")]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) enum RawThreshold {
    Fixed(#[schemars(range(min = *limits::SHARE.start(), max = *limits::SHARE.end()))] f64),
    Word(RawThresholdWord),
    Rule(RawThresholdRule),
}

/// The threshold with the highest F1 on the test rows.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case", rename = "ThresholdWord")]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) enum RawThresholdWord {
    BestF1,
}

/// What the threshold must reach on the test rows.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(rename = "ThresholdRule")]
pub(crate) struct RawThresholdRule {
    /// The highest recall with at least this precision.
    #[schemars(range(max = 1.0), extend("exclusiveMinimum" = 0))]
    pub(crate) precision: Option<f64>,
    /// The least cost.
    pub(crate) cost: Option<RawCost>,
}

/// What mistakes cost, in one unit of your choice.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(rename = "Cost")]
pub(crate) struct RawCost {
    /// A positive row that is let through.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub(crate) miss: f64,
    /// A negative row that is stopped.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub(crate) false_alarm: f64,
}
