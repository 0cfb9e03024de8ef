//! A function as it is remembered, and as the API shows it.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::call::Refusal;

use super::refuse;

/// What AWS says about a function that is not there yet, and about every update.
const BEING_CREATED: &str = "The function is being created.";

/// One function; there is only `$LATEST`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Function {
    pub(super) name: String,
    pub(super) arn: String,
    pub(super) role: String,
    pub(super) runtime: String,
    pub(super) handler: String,
    pub(super) description: String,
    pub(super) timeout_s: u32,
    pub(super) memory_mb: u32,
    pub(super) ephemeral_mb: u32,
    pub(super) environment: BTreeMap<String, String>,
    pub(super) architecture: String,
    pub(super) tracing: String,
    pub(super) logging: Logging,
    /// SHA-256 of the zip in hex: the archive's name in the store.
    pub(super) code: String,
    /// The same in base64, as the API shows it.
    pub(super) code_sha256: String,
    /// Bytes of the zip.
    pub(super) code_size: u64,
    pub(super) last_modified: Timestamp,
    /// Changes at every change, and by itself when the function settles.
    pub(super) revision: String,
    /// Changes when processes that run must give way: with code and configuration, not when settling.
    pub(super) deployment: String,
    pub(super) phase: Phase,
    pub(super) settles_at: Timestamp,
    pub(super) tags: BTreeMap<String, String>,
    /// The resource policy, as policy statements.
    pub(super) statements: Vec<Value>,
    /// Reserved concurrency.
    pub(super) reserved: Option<u32>,
}

/// Where a function stands between two states.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Phase {
    /// `Pending`.
    Creating,
    /// `Active`, with an update `InProgress`.
    Updating,
    /// `Active` and `Successful`.
    Settled,
}

/// Where a function's lines go.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Logging {
    pub(super) log_format: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) application_log_level: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) system_log_level: Option<String>,
    pub(super) log_group: String,
}

impl Function {
    /// Whether the simulated wait is over and has not been noted yet.
    pub(super) fn is_due(&self, now: Timestamp) -> bool {
        // A change of the future was made before the clock was set back, and counts as past.
        self.phase != Phase::Settled && (now >= self.settles_at || self.last_modified > now)
    }

    /// Notes that the wait is over, under a new revision.
    pub(super) fn settle(&mut self, now: Timestamp) {
        if self.is_due(now) {
            self.phase = Phase::Settled;
            self.revision = uuid();
        }
    }

    /// Begins a change that takes `wait` to settle.
    pub(super) fn unsettle(&mut self, phase: Phase, now: Timestamp, wait: Duration) {
        self.phase = phase;
        self.settles_at = now.checked_add(wait).unwrap_or(Timestamp::MAX);
        self.last_modified = now;
        self.revision = uuid();
        self.deployment = uuid();
    }

    /// Refuses while an earlier change is under way, and when the caller's revision is an old one.
    pub(super) fn ready_to_change(&self, revision: Option<&str>) -> Result<(), Refusal> {
        match self.phase {
            Phase::Creating => return Err(refuse::pending()),
            Phase::Updating => {
                return Err(refuse::conflict(format!(
                    "The operation cannot be performed at this time. An update is in progress for resource: {}",
                    self.arn
                )));
            }
            Phase::Settled => {}
        }
        if revision.is_some_and(|revision| revision != self.revision) {
            return Err(refuse::stale_revision("GetFunction/GetAlias"));
        }
        Ok(())
    }

    /// `FunctionConfiguration` on the wire.
    pub(super) fn configuration(&self) -> Value {
        let mut shown = json!({
            "FunctionName": self.name,
            "FunctionArn": self.arn,
            "Runtime": self.runtime,
            "Role": self.role,
            "Handler": self.handler,
            "CodeSize": self.code_size,
            "Description": self.description,
            "Timeout": self.timeout_s,
            "MemorySize": self.memory_mb,
            "LastModified": self.last_modified.strftime("%Y-%m-%dT%H:%M:%S%.3f+0000").to_string(),
            "CodeSha256": self.code_sha256,
            "Version": "$LATEST",
            "TracingConfig": { "Mode": self.tracing },
            "RevisionId": self.revision,
            "PackageType": "Zip",
            "Architectures": [self.architecture],
            "EphemeralStorage": { "Size": self.ephemeral_mb },
            "SnapStart": { "ApplyOn": "None", "OptimizationStatus": "Off" },
            "LoggingConfig": self.logging,
        });
        if !self.environment.is_empty() {
            shown["Environment"] = json!({ "Variables": self.environment });
        }
        match self.phase {
            Phase::Creating => {
                shown["State"] = json!("Pending");
                shown["StateReason"] = json!(BEING_CREATED);
                shown["StateReasonCode"] = json!("Creating");
            }
            Phase::Updating => {
                shown["State"] = json!("Active");
                shown["LastUpdateStatus"] = json!("InProgress");
                shown["LastUpdateStatusReason"] = json!(BEING_CREATED);
                shown["LastUpdateStatusReasonCode"] = json!("Creating");
            }
            Phase::Settled => {
                shown["State"] = json!("Active");
                shown["LastUpdateStatus"] = json!("Successful");
            }
        }
        shown
    }
}

/// A random version 4 UUID.
pub(super) fn uuid() -> String {
    let mut bytes: [u8; 16] = rand::random();
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let hex = hex::encode(bytes);
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}
