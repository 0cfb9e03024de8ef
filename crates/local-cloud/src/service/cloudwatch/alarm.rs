//! Metric alarms: what they watch, and what they have seen.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::metric::dimensions;
use crate::call::Refusal;
use crate::service::sagemaker::validate::{Faults, Members, flag, integer, list, number, structure, text};

/// An alarm on one statistic of one metric.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Alarm {
    pub(super) name: String,
    pub(super) arn: String,
    pub(super) description: Option<String>,
    pub(super) actions_enabled: bool,
    pub(super) ok_actions: Vec<String>,
    pub(super) actions: Vec<String>,
    pub(super) insufficient_data_actions: Vec<String>,
    pub(super) namespace: String,
    pub(super) metric: String,
    pub(super) statistic: String,
    pub(super) dimensions: BTreeMap<String, String>,
    pub(super) unit: Option<String>,
    pub(super) period_s: u64,
    pub(super) evaluation_periods: u64,
    /// How many of the periods must breach.
    pub(super) datapoints: u64,
    /// Whether that was said, or is all of them.
    pub(super) datapoints_given: bool,
    pub(super) threshold: f64,
    pub(super) comparison: Comparison,
    pub(super) missing: Treat,
    pub(super) tags: BTreeMap<String, String>,
    pub(super) state: State,
    pub(super) reason: String,
    /// Seconds since 1970, here and below.
    pub(super) configured: f64,
    pub(super) updated: f64,
    pub(super) transitioned: f64,
    /// Until when a state that somebody set is left alone, in milliseconds since 1970.
    pub(super) held_until_ms: i64,
}

/// What an alarm has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    /// Nothing breaches.
    Ok,
    /// Something does.
    Alarm,
    /// Too little is known.
    #[default]
    InsufficientData,
}

impl State {
    /// As on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Alarm => "ALARM",
            Self::InsufficientData => "INSUFFICIENT_DATA",
        }
    }

    /// From the wire.
    pub(super) fn parse(text: &str) -> Option<Self> {
        [Self::Ok, Self::Alarm, Self::InsufficientData].into_iter().find(|state| state.as_str() == text)
    }
}

/// How a value is compared with the threshold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Comparison {
    #[default]
    AtLeast,
    Above,
    Below,
    AtMost,
}

impl Comparison {
    const ALL: [Self; 4] = [Self::AtLeast, Self::Above, Self::Below, Self::AtMost];

    fn as_str(self) -> &'static str {
        match self {
            Self::AtLeast => "GreaterThanOrEqualToThreshold",
            Self::Above => "GreaterThanThreshold",
            Self::Below => "LessThanThreshold",
            Self::AtMost => "LessThanOrEqualToThreshold",
        }
    }

    pub(super) fn holds(self, value: f64, threshold: f64) -> bool {
        match self {
            Self::AtLeast => value >= threshold,
            Self::Above => value > threshold,
            Self::Below => value < threshold,
            Self::AtMost => value <= threshold,
        }
    }

    /// As in a reason, before "the threshold".
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::AtLeast => "greater than or equal to",
            Self::Above => "greater than",
            Self::Below => "less than",
            Self::AtMost => "less than or equal to",
        }
    }
}

/// What a missing data point counts as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Treat {
    #[default]
    Missing,
    Ignore,
    Breaching,
    NotBreaching,
}

impl Treat {
    const ALL: [Self; 4] = [Self::Missing, Self::Ignore, Self::Breaching, Self::NotBreaching];

    fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Ignore => "ignore",
            Self::Breaching => "breaching",
            Self::NotBreaching => "notBreaching",
        }
    }
}

/// What CloudWatch makes of values, but for percentiles and the like.
pub(super) const STATISTICS: [&str; 5] = ["SampleCount", "Average", "Sum", "Minimum", "Maximum"];

impl Alarm {
    /// Reads and checks a `PutMetricAlarm`.
    pub(super) fn read(request: &Members) -> Result<Self, Refusal> {
        let mut faults = Faults::default();
        let name = required(request, "AlarmName", "alarmName", 255, &mut faults)?;
        let metric = required(request, "MetricName", "metricName", 255, &mut faults)?;
        let namespace = required(request, "Namespace", "namespace", 255, &mut faults)?;
        let statistic = required(request, "Statistic", "statistic", 255, &mut faults)?;
        faults.one_of(Some(&statistic).filter(|it| !it.is_empty()).map(String::as_str), "statistic", &STATISTICS);
        let period_s = whole(request, "Period", "period", &mut faults)?;
        let evaluation_periods = whole(request, "EvaluationPeriods", "evaluationPeriods", &mut faults)?;
        let datapoints = integer(request, "DatapointsToAlarm")?;
        faults.range(datapoints, "datapointsToAlarm", 1, i64::MAX);
        let threshold = number(request, "Threshold")?;
        if threshold.is_none() {
            faults.missing("threshold");
        }
        let comparison = text(request, "ComparisonOperator")?;
        if comparison.is_none() {
            faults.missing("comparisonOperator");
        }
        faults.one_of(comparison, "comparisonOperator", &Comparison::ALL.map(Comparison::as_str));
        let missing = text(request, "TreatMissingData")?;
        let given = list(request, "Dimensions")?;
        faults.length(given.map_or(0, <[Value]>::len), "dimensions", 0, 30);
        for (index, dimension) in given.unwrap_or_default().iter().enumerate() {
            for (member, at) in [("Name", "name"), ("Value", "value")] {
                if text(structure(dimension)?, member)?.is_none() {
                    faults.missing(&format!("dimensions.{}.member.{at}", index + 1));
                }
            }
        }
        let tags = faults.tags(request)?;
        finish(faults)?;
        let period_s = period_s.unwrap_or_default();
        if ![10, 20, 30].contains(&period_s) && !period_s.is_multiple_of(60) {
            return Err(Refusal::new(
                400,
                "InvalidParameterValue",
                "The parameter Period must be 10, 20, 30 or a multiple of 60.",
            ));
        }
        let evaluation_periods = evaluation_periods.unwrap_or(1);
        let datapoints_wanted = datapoints.and_then(|n| u64::try_from(n).ok()).unwrap_or(evaluation_periods);
        if datapoints_wanted > evaluation_periods {
            let message = "The parameter DatapointsToAlarm must not be greater than EvaluationPeriods.";
            return Err(Refusal::new(400, "InvalidParameterCombination", message));
        }
        let missing = match missing {
            None => Treat::Missing,
            Some(text) => Treat::ALL.into_iter().find(|treat| treat.as_str() == text).ok_or_else(|| {
                let known = Treat::ALL.map(Treat::as_str).join(", ");
                invalid(format!("Parameter TreatMissingData must be one of the following: [{known}]"))
            })?,
        };
        let actions = |member: &str| -> Result<Vec<String>, Refusal> {
            let actions = list(request, member)?.unwrap_or_default().iter();
            Ok(actions.filter_map(Value::as_str).map(str::to_owned).collect())
        };
        Ok(Self {
            name,
            description: text(request, "AlarmDescription")?.map(str::to_owned),
            actions_enabled: flag(request, "ActionsEnabled")?.unwrap_or(true),
            ok_actions: actions("OKActions")?,
            actions: actions("AlarmActions")?,
            insufficient_data_actions: actions("InsufficientDataActions")?,
            namespace,
            metric,
            statistic,
            dimensions: dimensions(given),
            unit: text(request, "Unit")?.map(str::to_owned),
            period_s,
            evaluation_periods,
            datapoints: datapoints_wanted,
            datapoints_given: datapoints.is_some(),
            threshold: threshold.unwrap_or_default(),
            comparison: Comparison::ALL
                .into_iter()
                .find(|known| Some(known.as_str()) == comparison)
                .unwrap_or_default(),
            missing,
            tags,
            reason: "Unchecked: Initial alarm creation".to_owned(),
            ..Self::default()
        })
    }

    /// As `DescribeAlarms` has it.
    pub(super) fn describe(&self) -> Value {
        let dimensions: Vec<_> =
            self.dimensions.iter().map(|(name, value)| json!({ "Name": name, "Value": value })).collect();
        let mut answer = json!({
            "AlarmName": self.name, "AlarmArn": self.arn,
            "AlarmConfigurationUpdatedTimestamp": self.configured,
            "ActionsEnabled": self.actions_enabled,
            "OKActions": self.ok_actions, "AlarmActions": self.actions,
            "InsufficientDataActions": self.insufficient_data_actions,
            "StateValue": self.state.as_str(), "StateReason": self.reason,
            "StateUpdatedTimestamp": self.updated, "StateTransitionedTimestamp": self.transitioned,
            "MetricName": self.metric, "Namespace": self.namespace, "Statistic": self.statistic,
            "Dimensions": dimensions,
            "Period": self.period_s, "EvaluationPeriods": self.evaluation_periods, "Threshold": self.threshold,
            "ComparisonOperator": self.comparison.as_str(),
        });
        if let Some(description) = &self.description {
            answer["AlarmDescription"] = description.as_str().into();
        }
        if let Some(unit) = &self.unit {
            answer["Unit"] = unit.as_str().into();
        }
        if self.datapoints_given {
            answer["DatapointsToAlarm"] = self.datapoints.into();
        }
        // AWS leaves out what is the default.
        if self.missing != Treat::Missing {
            answer["TreatMissingData"] = self.missing.as_str().into();
        }
        answer
    }

    /// Takes a new state, at a time in milliseconds since 1970; says whether it is another one.
    pub(super) fn become_state(&mut self, state: State, reason: String, now_ms: i64) -> bool {
        let changed = self.state != state;
        if changed || self.reason != reason {
            self.updated = now_ms as f64 / 1000.0;
        }
        if changed {
            self.transitioned = now_ms as f64 / 1000.0;
        }
        self.state = state;
        self.reason = reason;
        changed
    }
}

fn required(request: &Members, member: &str, at: &str, most: usize, faults: &mut Faults) -> Result<String, Refusal> {
    match text(request, member)? {
        None => faults.missing(at),
        Some("") => faults.add("", at, "have length greater than or equal to 1"),
        Some(given) => {
            faults.longest(given, at, most);
            return Ok(given.to_owned());
        }
    }
    Ok(String::new())
}

fn whole(request: &Members, member: &str, at: &str, faults: &mut Faults) -> Result<Option<u64>, Refusal> {
    let given = integer(request, member)?;
    match given {
        None => faults.missing(at),
        _ => faults.range(given, at, 1, i64::from(i32::MAX)),
    }
    Ok(given.and_then(|given| u64::try_from(given).ok()))
}

/// CloudWatch's code has no `Exception` at its end.
pub(super) fn finish(faults: Faults) -> Result<(), Refusal> {
    faults.finish().map_err(|refusal| Refusal { code: "ValidationError".to_owned(), ..refusal })
}

pub(super) fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::new(400, "ValidationError", message)
}
