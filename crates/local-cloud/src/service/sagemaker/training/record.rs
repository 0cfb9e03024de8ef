//! What is remembered of a training job, and how it is described.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::request::{DEFAULT_MAX_RUNTIME_S, artifact_uri};

/// A training job, running or not.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in super::super) struct Job {
    pub(in super::super) name: String,
    pub(in super::super) arn: String,
    /// Seconds since 1970, here and below.
    pub(in super::super) created: f64,
    pub(in super::super) modified: f64,
    pub(in super::super) status: JobStatus,
    pub(super) failure_reason: Option<String>,
    /// The request's members, without `Tags`.
    pub(super) given: Map<String, Value>,
    pub(in super::super) tags: BTreeMap<String, String>,
    /// Of which the last is the present one; never empty.
    transitions: Vec<Transition>,
    started: Option<f64>,
    ended: Option<f64>,
    pub(super) metrics: Vec<Metric>,
}

/// What a job is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in super::super) enum JobStatus {
    InProgress,
    Completed,
    Failed,
    Stopping,
    Stopped,
}

impl JobStatus {
    /// All that AWS has.
    pub(in super::super) const NAMES: &[&str] =
        &["InProgress", "Completed", "Failed", "Stopping", "Stopped", "Deleting"];

    pub(in super::super) fn as_str(self) -> &'static str {
        match self {
            Self::InProgress => "InProgress",
            Self::Completed => "Completed",
            Self::Failed => "Failed",
            Self::Stopping => "Stopping",
            Self::Stopped => "Stopped",
        }
    }

    /// Whether nothing will change any more.
    pub(in super::super) fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Stopped)
    }
}

/// The secondary statuses of AWS that the local cloud can be in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Secondary {
    Starting,
    Downloading,
    Training,
    Stopping,
    Uploading,
    Completed,
    Failed,
    Stopped,
    MaxRuntimeExceeded,
}

impl Secondary {
    fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "Starting",
            Self::Downloading => "Downloading",
            Self::Training => "Training",
            Self::Stopping => "Stopping",
            Self::Uploading => "Uploading",
            Self::Completed => "Completed",
            Self::Failed => "Failed",
            Self::Stopped => "Stopped",
            Self::MaxRuntimeExceeded => "MaxRuntimeExceeded",
        }
    }

    /// What AWS says with it. Source: API reference, `SecondaryStatusTransition`, and the field; the text for
    /// `MaxRuntimeExceeded` is unverified, and AWS warns that all of them change.
    fn message(self) -> &'static str {
        match self {
            Self::Starting => "Starting the training job",
            Self::Downloading => "Downloading input data",
            Self::Training => "Training image download completed. Training in progress.",
            Self::Stopping => "Stopping the training job",
            Self::Uploading => "Uploading generated training model",
            Self::Completed => "Training job completed",
            Self::Failed => "Training job failed",
            Self::Stopped => "Training job stopped",
            Self::MaxRuntimeExceeded => "Training job runtime exceeded MaxRuntimeInSeconds provided",
        }
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Transition {
    status: Secondary,
    start: f64,
    end: Option<f64>,
}

/// The last value of a metric that the log has told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Metric {
    /// For example `validation:logloss`.
    pub(super) name: String,
    pub(super) value: f64,
    /// When it was told.
    pub(super) at: f64,
}

impl Job {
    pub(super) fn new(
        name: &str,
        arn: &str,
        given: Map<String, Value>,
        tags: BTreeMap<String, String>,
        now: f64,
    ) -> Self {
        Self {
            name: name.to_owned(),
            arn: arn.to_owned(),
            created: now,
            modified: now,
            status: JobStatus::InProgress,
            failure_reason: None,
            given,
            tags,
            transitions: vec![Transition { status: Secondary::Starting, start: now, end: None }],
            started: None,
            ended: None,
            metrics: Vec::new(),
        }
    }

    /// Type and number of the machines that it asked for.
    pub(in super::super) fn instances(&self) -> Option<(String, u64)> {
        let asked = self.given.get("ResourceConfig")?;
        Some((asked.get("InstanceType")?.as_str()?.to_owned(), asked.get("InstanceCount")?.as_u64()?))
    }

    /// Goes on to what comes next.
    pub(super) fn advance(&mut self, status: JobStatus, secondary: Secondary, now: f64) {
        self.status = status;
        self.modified = now;
        if let Some(last) = self.transitions.last_mut() {
            last.end = Some(now);
        }
        if secondary == Secondary::Downloading {
            self.started = Some(now);
        }
        if status.is_final() {
            self.ended = Some(now);
        }
        let end = status.is_final().then_some(now);
        self.transitions.push(Transition { status: secondary, start: now, end });
    }

    /// What a list says.
    pub(in super::super) fn summary(&self) -> Value {
        let mut summary = json!({
            "TrainingJobName": self.name,
            "TrainingJobArn": self.arn,
            "CreationTime": self.created,
            "LastModifiedTime": self.modified,
            "TrainingJobStatus": self.status.as_str(),
            "SecondaryStatus": self.secondary().as_str(),
        });
        if let Some(ended) = self.ended {
            summary["TrainingEndTime"] = ended.into();
        }
        summary
    }

    /// All that there is to say.
    pub(super) fn description(self) -> Value {
        let summary = self.summary();
        let transitions: Vec<Value> = self.transitions.iter().map(Transition::description).collect();
        let mut answer = self.given;
        let stopping = json!({ "MaxRuntimeInSeconds": DEFAULT_MAX_RUNTIME_S });
        answer.entry("StoppingCondition").or_insert(stopping);
        for flag in ["EnableNetworkIsolation", "EnableInterContainerTrafficEncryption", "EnableManagedSpotTraining"] {
            answer.entry(flag).or_insert(Value::Bool(false));
        }
        answer.insert("ModelArtifacts".into(), json!({ "S3ModelArtifacts": artifact_uri(&answer, &self.name) }));
        answer.insert("SecondaryStatusTransitions".into(), transitions.into());
        answer.extend(summary.as_object().cloned().unwrap_or_default());
        if let Some(reason) = self.failure_reason {
            answer.insert("FailureReason".into(), reason.into());
        }
        if let Some(started) = self.started {
            answer.insert("TrainingStartTime".into(), started.into());
            if let Some(ended) = self.ended {
                #[expect(clippy::cast_sign_loss, reason = "a job ends after it began")]
                let seconds = ((ended - started).ceil() as u64).max(1);
                answer.insert("TrainingTimeInSeconds".into(), seconds.into());
                answer.insert("BillableTimeInSeconds".into(), seconds.into());
            }
        }
        if !self.metrics.is_empty() {
            let metrics = self
                .metrics
                .iter()
                .map(|metric| json!({ "MetricName": metric.name, "Value": metric.value, "Timestamp": metric.at }));
            answer.insert("FinalMetricDataList".into(), metrics.collect());
        }
        Value::Object(answer)
    }

    fn secondary(&self) -> Secondary {
        self.transitions.last().map_or(Secondary::Starting, |last| last.status)
    }
}

impl Transition {
    fn description(&self) -> Value {
        let mut answer = json!({
            "Status": self.status.as_str(),
            "StartTime": self.start,
            "StatusMessage": self.status.message(),
        });
        if let Some(end) = self.end {
            answer["EndTime"] = end.into();
        }
        answer
    }
}
