//! What the function is told through its environment variables.

use std::collections::{BTreeMap, BTreeSet};

/// The function's settings, checked once at init.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The endpoint to ask, `ENDPOINT_NAME`.
    pub endpoint: String,
    /// Feature names in the order of the model's columns, `FEATURES`, comma-separated.
    pub features: Vec<String>,
    /// The answer's field for the decision, `DECISION_FIELD`.
    pub decision_field: String,
    /// The answer's field for the score, `SCORE_FIELD`.
    pub score_field: String,
    /// The least score that decides yes, `THRESHOLD`.
    pub threshold: f64,
}

/// An environment variable that is missing or cannot be used.
///
/// The value is never part of the message: the same type serves for credentials.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// Not set, or empty.
    #[error("environment variable `{0}` is not set")]
    Missing(&'static str),
    /// Set to something that cannot work.
    #[error("environment variable `{name}` {why}")]
    Bad {
        /// The variable.
        name: &'static str,
        /// What is wrong with it, to follow its name.
        why: String,
    },
}

impl Config {
    /// The environment variables that [`Config::read`] reads back.
    pub fn variables(&self) -> BTreeMap<&'static str, String> {
        BTreeMap::from([
            ("ENDPOINT_NAME", self.endpoint.clone()),
            ("FEATURES", self.features.join(",")),
            ("DECISION_FIELD", self.decision_field.clone()),
            ("SCORE_FIELD", self.score_field.clone()),
            ("THRESHOLD", self.threshold.to_string()),
        ])
    }

    /// Reads the settings through `get`, which looks a variable up by name.
    pub fn read(get: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let config = Self {
            endpoint: required(&get, "ENDPOINT_NAME")?,
            features: features(&required(&get, "FEATURES")?)?,
            decision_field: required(&get, "DECISION_FIELD")?,
            score_field: required(&get, "SCORE_FIELD")?,
            threshold: threshold(&required(&get, "THRESHOLD")?)?,
        };
        if config.decision_field == config.score_field {
            return Err(bad("SCORE_FIELD", "names the same field as `DECISION_FIELD`"));
        }
        Ok(config)
    }
}

/// Looks `name` up and insists on a value that is not blank.
pub(crate) fn required(get: &impl Fn(&str) -> Option<String>, name: &'static str) -> Result<String, ConfigError> {
    get(name).filter(|value| !value.trim().is_empty()).ok_or(ConfigError::Missing(name))
}

fn features(list: &str) -> Result<Vec<String>, ConfigError> {
    let names: Vec<String> = list.split(',').map(|name| name.trim().to_owned()).collect();
    let mut seen = BTreeSet::new();
    for (position, name) in names.iter().enumerate() {
        if name.is_empty() {
            return Err(bad("FEATURES", format!("has no name at position {}", position + 1)));
        }
        if !seen.insert(name) {
            return Err(bad("FEATURES", format!("names `{name}` twice")));
        }
    }
    Ok(names)
}

fn threshold(text: &str) -> Result<f64, ConfigError> {
    match text.trim().parse::<f64>() {
        Ok(value) if value.is_finite() => Ok(value),
        _ => Err(bad("THRESHOLD", "is not a finite number")),
    }
}

fn bad(name: &'static str, why: impl Into<String>) -> ConfigError {
    ConfigError::Bad { name, why: why.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: [(&str, &str); 5] = [
        ("ENDPOINT_NAME", "fraud"),
        ("FEATURES", "V1, V2,Amount"),
        ("DECISION_FIELD", "is_fraud"),
        ("SCORE_FIELD", "fraud_score"),
        ("THRESHOLD", "0.5"),
    ];

    fn read_with(changed: &str, value: Option<&str>) -> Result<Config, ConfigError> {
        Config::read(|name| match value {
            _ if name != changed => GOOD.iter().find(|(known, _)| *known == name).map(|(_, good)| (*good).to_owned()),
            value => value.map(str::to_owned),
        })
    }

    fn refusal(changed: &str, value: Option<&str>) -> String {
        read_with(changed, value).unwrap_err().to_string()
    }

    #[test]
    fn features_keep_their_order_and_lose_their_spaces() {
        assert_eq!(read_with("", None).unwrap().features, ["V1", "V2", "Amount"]);
    }

    #[test]
    fn every_variable_is_required() {
        for (name, _) in GOOD {
            assert_eq!(refusal(name, None), format!("environment variable `{name}` is not set"));
            assert_eq!(refusal(name, Some(" ")), format!("environment variable `{name}` is not set"));
        }
    }

    #[test]
    fn a_bad_value_is_refused_with_the_reason() {
        let refusals = [
            refusal("FEATURES", Some("V1,,V2")),
            refusal("FEATURES", Some("V1,V2,V1")),
            refusal("THRESHOLD", Some("half")),
            refusal("THRESHOLD", Some("NaN")),
            refusal("SCORE_FIELD", Some("is_fraud")),
        ];
        insta::assert_snapshot!(refusals.join("\n"), @"
        environment variable `FEATURES` has no name at position 2
        environment variable `FEATURES` names `V1` twice
        environment variable `THRESHOLD` is not a finite number
        environment variable `THRESHOLD` is not a finite number
        environment variable `SCORE_FIELD` names the same field as `DECISION_FIELD`
        ");
    }
}
