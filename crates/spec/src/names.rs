//! Names that are checked once, where they enter.

use std::fmt;

/// Lower-case letters, digits and single hyphens, beginning with a letter, at most 32 characters.
///
/// The strictest of all clouds' names decides: `SageMaker` folds case in ARNs, so capitals are refused; the longest
/// derived name, a bucket's `<name>-<account>-<region>`, must stay within 63 characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PipelineName(String);

/// Tag of the prebuilt `sagemaker-xgboost` image.
///
/// Only tags that `SageMaker` lists for `x86_64` and whose `XGBoost` reads JSON models are known.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContainerVersion(String);

/// Why a name was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadName(String);

impl PipelineName {
    const MAX_CHARS: usize = 32;

    /// Checks a name.
    pub fn parse(name: &str) -> Result<Self, BadName> {
        let refuse = |why: &str| Err(BadName(why.to_owned()));
        if name.is_empty() {
            return refuse("a pipeline's name must not be empty");
        }
        let count = name.chars().count();
        if count > Self::MAX_CHARS {
            return Err(BadName(format!("a pipeline's name has at most {} characters, not {count}", Self::MAX_CHARS)));
        }
        if let Some(wrong) = name.chars().find(|c| !matches!(c, 'a'..='z' | '0'..='9' | '-')) {
            return Err(BadName(format!(
                "a pipeline's name has only lower-case letters, digits and hyphens, not `{wrong}`"
            )));
        }
        if !name.starts_with(|c: char| c.is_ascii_lowercase()) {
            return refuse("a pipeline's name begins with a letter");
        }
        if name.ends_with('-') {
            return refuse("a pipeline's name does not end with a hyphen");
        }
        if name.contains("--") {
            return refuse("a pipeline's name has no two hyphens in a row");
        }
        Ok(Self(name.to_owned()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl ContainerVersion {
    /// Every known tag, oldest first.
    pub const KNOWN: [&str; 5] = ["1.3-1", "1.5-1", "1.7-1", "3.0-5", "3.2-0"];

    /// Checks a tag.
    pub fn parse(tag: &str) -> Result<Self, BadName> {
        if Self::KNOWN.contains(&tag) {
            return Ok(Self(tag.to_owned()));
        }
        Err(BadName(format!("unknown tag `{tag}` of `sagemaker-xgboost`")))
    }

    /// The tag as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The major version of `XGBoost`: 1 ignores a `base_score` written by 3.
    pub fn major(&self) -> u32 {
        if self.0.starts_with("1.") { 1 } else { 3 }
    }
}

impl Default for ContainerVersion {
    fn default() -> Self {
        Self("1.7-1".to_owned())
    }
}

macro_rules! as_text {
    ($($name:ty),*) => {$(
        impl TryFrom<String> for $name {
            type Error = BadName;

            fn try_from(text: String) -> Result<Self, BadName> {
                Self::parse(&text)
            }
        }

        impl std::str::FromStr for $name {
            type Err = BadName;

            fn from_str(text: &str) -> Result<Self, BadName> {
                Self::parse(text)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    )*};
}

as_text!(PipelineName, ContainerVersion);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_some_cloud_would_refuse_is_refused_with_the_reason() {
        let reason = |name: &str| PipelineName::parse(name).unwrap_err().to_string();
        insta::assert_snapshot!(reason(""), @"a pipeline's name must not be empty");
        insta::assert_snapshot!(reason("Fraud"), @"a pipeline's name has only lower-case letters, digits and hyphens, not `F`");
        insta::assert_snapshot!(reason("7fraud"), @"a pipeline's name begins with a letter");
        insta::assert_snapshot!(reason("fraud-"), @"a pipeline's name does not end with a hyphen");
        insta::assert_snapshot!(reason("fraud--api"), @"a pipeline's name has no two hyphens in a row");
        insta::assert_snapshot!(reason(&"f".repeat(33)), @"a pipeline's name has at most 32 characters, not 33");
        assert_eq!(PipelineName::parse(&"f".repeat(32)).unwrap().as_str().len(), 32);
    }

    #[test]
    fn every_known_container_knows_its_xgboost() {
        let majors = ContainerVersion::KNOWN.map(|tag| ContainerVersion::parse(tag).unwrap().major());
        assert_eq!(majors, [1, 1, 1, 3, 3]);
        assert!(ContainerVersion::parse("latest").is_err());
        assert_eq!(ContainerVersion::parse("1.7-1").unwrap(), ContainerVersion::default());
    }
}
