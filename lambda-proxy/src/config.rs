//! What the function is told through its environment variables.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

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
    /// How many of the strongest contributions the answer gives, `REASONS`, at most [`REASONS_LIMIT`]; 0 if not set.
    pub reasons: u8,
    /// What a body may have in KB of 1,024 bytes, decoded, `MAX_BODY_KB`, at most [`BODY_LIMIT_KB`], which is what
    /// counts if it is not set.
    pub max_body_kb: u32,
}

/// The variable with the threshold.
pub const THRESHOLD: &str = "THRESHOLD";
/// The most reasons of an answer.
pub const REASONS_LIMIT: u8 = 10;
/// The most that a body may be allowed: Lambda itself takes no event over 6 MB.
pub const BODY_LIMIT_KB: u32 = 6_144;
/// The answer's field for the reasons, when there are any.
pub const REASONS_FIELD: &str = "reasons";

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
    ///
    /// `REASONS` is left out when it is 0.
    pub fn variables(&self) -> BTreeMap<&'static str, String> {
        let mut variables = BTreeMap::from([
            ("ENDPOINT_NAME", self.endpoint.clone()),
            ("FEATURES", self.features.join(",")),
            ("DECISION_FIELD", self.decision_field.clone()),
            ("SCORE_FIELD", self.score_field.clone()),
            (THRESHOLD, self.threshold.to_string()),
            ("MAX_BODY_KB", self.max_body_kb.to_string()),
        ]);
        if self.reasons > 0 {
            variables.insert("REASONS", self.reasons.to_string());
        }
        variables
    }

    /// Reads the settings through `get`, which looks a variable up by name.
    pub fn read(get: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let config = Self {
            endpoint: required(&get, "ENDPOINT_NAME")?,
            features: features(&required(&get, "FEATURES")?)?,
            decision_field: required(&get, "DECISION_FIELD")?,
            score_field: required(&get, "SCORE_FIELD")?,
            threshold: threshold(&required(&get, THRESHOLD)?)?,
            reasons: within("REASONS", get("REASONS"), &(0..=REASONS_LIMIT), 0)?,
            max_body_kb: within("MAX_BODY_KB", get("MAX_BODY_KB"), &(1..=BODY_LIMIT_KB), BODY_LIMIT_KB)?,
        };
        if config.decision_field == config.score_field {
            return Err(bad("SCORE_FIELD", "names the same field as `DECISION_FIELD`"));
        }
        if config.reasons > 0 && config.decision_field == REASONS_FIELD {
            return Err(bad("DECISION_FIELD", "names the field of the reasons"));
        }
        if config.reasons > 0 && config.score_field == REASONS_FIELD {
            return Err(bad("SCORE_FIELD", "names the field of the reasons"));
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

/// A whole number within `range`; `default` if it is not set.
fn within<T>(name: &'static str, text: Option<String>, range: &RangeInclusive<T>, default: T) -> Result<T, ConfigError>
where
    T: FromStr + PartialOrd + Display,
{
    let Some(text) = text.filter(|text| !text.trim().is_empty()) else { return Ok(default) };
    let number = text.trim().parse().ok().filter(|number| range.contains(number));
    number.ok_or_else(|| bad(name, format!("is not a whole number from {} to {}", range.start(), range.end())))
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
    fn what_is_written_is_read_back() {
        for reasons in [0, 3] {
            let config = Config { reasons, ..read_with("", None).unwrap() };
            let variables = config.variables();
            assert_eq!(variables.contains_key("REASONS"), reasons > 0);
            assert_eq!(Config::read(|name| variables.get(name).cloned()), Ok(config));
        }
    }

    #[test]
    fn reasons_are_optional_and_bounded() {
        assert_eq!(read_with("REASONS", Some("10")).unwrap().reasons, 10);
        assert_eq!(read_with("REASONS", Some(" ")).unwrap().reasons, 0);
        let refusals =
            [refusal("REASONS", Some("11")), refusal("REASONS", Some("-1")), refusal("REASONS", Some("all"))];
        insta::assert_snapshot!(refusals.join("\n"), @"
        environment variable `REASONS` is not a whole number from 0 to 10
        environment variable `REASONS` is not a whole number from 0 to 10
        environment variable `REASONS` is not a whole number from 0 to 10
        ");
    }

    #[test]
    fn the_limit_of_a_body_is_lambdas_unless_it_is_lower() {
        assert_eq!(read_with("MAX_BODY_KB", None).unwrap().max_body_kb, 6_144);
        assert_eq!(read_with("MAX_BODY_KB", Some("1")).unwrap().max_body_kb, 1);
        for wrong in ["0", "6145", "-1", "1.5", "256KB"] {
            let told = "environment variable `MAX_BODY_KB` is not a whole number from 1 to 6144";
            assert_eq!(refusal("MAX_BODY_KB", Some(wrong)), told, "{wrong}");
        }
    }

    #[test]
    fn the_field_of_the_reasons_is_taken_only_if_there_are_any() {
        let named = |field: &str, reasons: &str| {
            Config::read(|name| match name {
                "REASONS" => Some(reasons.to_owned()),
                name if name == field => Some("reasons".to_owned()),
                name => GOOD.iter().find(|(known, _)| *known == name).map(|(_, good)| (*good).to_owned()),
            })
        };
        assert!(named("SCORE_FIELD", "0").is_ok());
        let refusals = ["DECISION_FIELD", "SCORE_FIELD"].map(|field| named(field, "1").unwrap_err().to_string());
        insta::assert_snapshot!(refusals.join("\n"), @"
        environment variable `DECISION_FIELD` names the field of the reasons
        environment variable `SCORE_FIELD` names the field of the reasons
        ");
    }

    #[test]
    fn every_other_variable_is_required() {
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
