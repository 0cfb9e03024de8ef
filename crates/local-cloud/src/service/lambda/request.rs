//! Request bodies and parameters.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::call::{Call, Refusal};

/// The first query parameter of this name.
pub(super) fn query<'a>(call: &'a Call, name: &str) -> Option<&'a str> {
    call.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

/// The body as JSON; an empty one counts as an empty object.
pub(super) fn body<T: DeserializeOwned>(call: &Call) -> Result<T, Refusal> {
    let bytes = if call.body.is_empty() { b"{}" } else { call.body.as_ref() };
    serde_json::from_slice(bytes).map_err(|error| {
        Refusal::new(400, "InvalidRequestContentException", format!("Could not parse request body into json: {error}"))
    })
}

/// `CreateFunction`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Create {
    pub(super) function_name: Option<String>,
    pub(super) code: Option<Code>,
    pub(super) architectures: Option<Vec<String>>,
    #[serde(default)]
    pub(super) tags: BTreeMap<String, String>,
    #[serde(flatten)]
    pub(super) settings: Settings,
}

/// `UpdateFunctionCode`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct UpdateCode {
    #[serde(flatten)]
    pub(super) code: Code,
    pub(super) dry_run: Option<bool>,
    pub(super) revision_id: Option<String>,
    pub(super) architectures: Option<Vec<String>>,
}

/// Where an archive comes from.
#[derive(Debug, Deserialize)]
pub(super) struct Code {
    /// Base64.
    #[serde(rename = "ZipFile")]
    pub(super) zip_file: Option<String>,
    #[serde(rename = "S3Bucket")]
    pub(super) s3_bucket: Option<String>,
    #[serde(rename = "S3Key")]
    pub(super) s3_key: Option<String>,
}

/// What `CreateFunction` and `UpdateFunctionConfiguration` have in common.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Settings {
    pub(super) role: Option<String>,
    pub(super) runtime: Option<String>,
    pub(super) handler: Option<String>,
    pub(super) description: Option<String>,
    pub(super) timeout: Option<i64>,
    pub(super) memory_size: Option<i64>,
    pub(super) environment: Option<Environment>,
    pub(super) tracing_config: Option<TracingConfig>,
    pub(super) ephemeral_storage: Option<EphemeralStorage>,
    pub(super) logging_config: Option<LoggingConfig>,
    pub(super) revision_id: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Environment {
    #[serde(default)]
    pub(super) variables: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct TracingConfig {
    pub(super) mode: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct EphemeralStorage {
    pub(super) size: i64,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct LoggingConfig {
    pub(super) log_format: Option<String>,
    pub(super) log_group: Option<String>,
    pub(super) application_log_level: Option<String>,
    pub(super) system_log_level: Option<String>,
}

/// `AddPermission`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct AddPermission {
    pub(super) statement_id: String,
    pub(super) action: String,
    pub(super) principal: String,
    pub(super) source_arn: Option<String>,
    pub(super) source_account: Option<String>,
    pub(super) revision_id: Option<String>,
}
