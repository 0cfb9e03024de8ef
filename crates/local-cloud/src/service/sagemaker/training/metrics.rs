//! Metrics that a job's log tells.

use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};

use super::record::Metric;

/// Most metrics that a job is described with. Source: botocore, `FinalMetricDataList`.
const MAX_METRICS: usize = 40;

/// The last value of every metric, in the order in which they were first told.
#[derive(Debug, Default)]
pub(super) struct Metrics(Mutex<Vec<Metric>>);

impl Metrics {
    /// Looks at a line of the prebuilt `XGBoost` image: `[12]#011train-logloss:0.1#011validation-logloss:0.2`.
    ///
    /// The service finds them in the log by patterns of its own, as `#011train-logloss:([-+]?[0-9]*…)`.
    pub(super) fn see(&self, line: &str, now: f64) {
        let Some((_, values)) = line.strip_prefix('[').and_then(|rest| rest.split_once("]#011")) else { return };
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for value in values.split("#011") {
            let Some((name, value)) = value.split_once(':') else { continue };
            let Some((set, measure)) = name.split_once('-') else { continue };
            let Ok(value) = value.trim().parse::<f64>() else { continue };
            let metric = Metric { name: format!("{set}:{measure}"), value, at: now };
            match known.iter().position(|known| known.name == metric.name) {
                Some(at) => known[at] = metric,
                None if known.len() < MAX_METRICS => known.push(metric),
                None => {}
            }
        }
    }

    pub(super) fn all(&self) -> Vec<Metric> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The line as it is found in the log: control characters in octal, a tab as `#011`.
pub(super) fn escaped(line: &str) -> String {
    let mut escaped = String::with_capacity(line.len());
    for c in line.chars() {
        if c.is_ascii_control() {
            // Writing to a string cannot fail.
            let _ = write!(escaped, "#{:03o}", u32::from(c));
        } else {
            escaped.push(c);
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_value_of_each_metric_counts() {
        let metrics = Metrics::default();
        for line in ["[0]\ttrain-logloss:0.5\tvalidation-logloss:0.6", "[1]\ttrain-logloss:0.25", "[x] train-auc:1"] {
            metrics.see(&escaped(line), 7.0);
        }
        let metric = |name: &str, value| Metric { name: name.into(), value, at: 7.0 };
        assert_eq!(metrics.all(), [metric("train:logloss", 0.25), metric("validation:logloss", 0.6)]);
    }
}
