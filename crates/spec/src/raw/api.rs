//! What `deploy-proxy` may say of who calls the API.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::limits;

/// `none`, `iam` or `{ jwt: … }`.
#[derive(JsonSchema)]
#[schemars(untagged, rename = "Auth")]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) enum RawAuth {
    Word(RawAuthWord),
    Block(RawAuthBlock),
}

/// Anybody, or whoever signs with AWS credentials.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case", rename = "AuthWord")]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) enum RawAuthWord {
    None,
    Iam,
}

/// Whoever has a token.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(rename = "AuthBlock")]
pub(crate) struct RawAuthBlock {
    /// Which tokens are accepted.
    pub(crate) jwt: RawJwt,
}

/// Which tokens are accepted.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(rename = "Jwt")]
pub(crate) struct RawJwt {
    /// Who issues them: an https URL, exactly as their `iss` says it. It must serve /.well-known/openid-configuration.
    #[schemars(length(max = limits::ISSUER_CHARS))]
    pub(crate) issuer: String,
    /// Whom they are for: one of these must be their `aud`, or their `client_id` when they have no `aud`.
    #[schemars(length(min = 1, max = limits::AUDIENCES))]
    pub(crate) audience: Vec<String>,
    /// One of these they must have in `scope` or `scp`. Default: none is asked for.
    #[schemars(length(max = limits::SCOPES))]
    pub(crate) scopes: Option<Vec<String>>,
}

/// How many requests the gateway lets through.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(rename = "Throttle")]
pub(crate) struct RawThrottle {
    /// Requests a second. Default 100.
    #[schemars(range(min = *limits::RATE_PER_S.start(), max = *limits::RATE_PER_S.end()))]
    pub(crate) rate_per_s: Option<i64>,
    /// Requests at once, before the rate counts. Default 200.
    #[schemars(range(min = *limits::BURST.start(), max = *limits::BURST.end()))]
    pub(crate) burst: Option<i64>,
}

/// Which web pages may call the API.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(rename = "Cors")]
pub(crate) struct RawCors {
    /// Where they come from, such as `https://app.example`; `*` for all.
    #[schemars(length(min = 1))]
    pub(crate) origins: Vec<String>,
    /// Headers that they may send. Default: what a request with this `auth` needs.
    pub(crate) headers: Option<Vec<String>>,
    /// Seconds that a browser remembers the answer; -1 forbids it to. Default 300.
    #[schemars(range(min = *limits::CORS_MAX_AGE_S.start(), max = *limits::CORS_MAX_AGE_S.end()))]
    pub(crate) max_age_s: Option<i64>,
    /// Whether cookies and such may be sent; needs origins by name. Default false.
    pub(crate) credentials: Option<bool>,
}

/// Whether there is an access log, or how long it is kept.
#[derive(JsonSchema)]
#[schemars(untagged, rename = "AccessLogs")]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) enum RawAccessLogs {
    Whether(bool),
    Block(RawAccessLogsBlock),
}

/// The access log.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(rename = "AccessLogsBlock")]
pub(crate) struct RawAccessLogsBlock {
    /// Days that it is kept; one of the numbers CloudWatch takes. Default: `log-retention-days` of this stage.
    #[schemars(extend("enum" = limits::RETENTION_DAYS))]
    pub(crate) retention_days: Option<i64>,
}

/// Where the smoke test has its token from: one of these.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(rename = "Token")]
pub(crate) struct RawToken {
    /// A variable of the environment that holds it.
    pub(crate) env: Option<String>,
    /// A program and its arguments that prints it, run in the folder of the pipeline file.
    pub(crate) command: Option<Vec<String>>,
}
