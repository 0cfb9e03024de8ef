//! What is looked at before anything is created: whether credentials, rights, quotas and names will do. Nothing is
//! written.

mod caller;
mod names;
mod proxy;
mod quotas;
mod rights;

pub use caller::{Caller, Clock, caller, credentials};
pub use names::names;
pub use proxy::proxy;
pub use quotas::{Quota, quotas};
pub use rights::rights;

/// What one look found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at, in a word.
    pub check: &'static str,
    /// What came of it.
    pub result: Outcome,
    /// What was found.
    pub found: String,
    /// What to do about it.
    pub advice: Option<String>,
}

/// What came of a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It will do.
    Fine,
    /// It may do.
    Warning,
    /// It could not be looked at.
    Unknown,
    /// It will not do.
    Failed,
}

impl Outcome {
    /// In a word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fine => "fine",
            Self::Warning => "warning",
            Self::Unknown => "unknown",
            Self::Failed => "failed",
        }
    }
}

impl Finding {
    /// It will do.
    pub fn fine(check: &'static str, found: impl Into<String>) -> Self {
        Self { check, result: Outcome::Fine, found: found.into(), advice: None }
    }

    /// It may do.
    pub fn warning(check: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { check, result: Outcome::Warning, found: found.into(), advice: Some(advice.into()) }
    }

    /// It could not be looked at.
    pub fn unknown(check: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { check, result: Outcome::Unknown, found: found.into(), advice: Some(advice.into()) }
    }

    /// It will not do.
    pub fn failed(check: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { check, result: Outcome::Failed, found: found.into(), advice: Some(advice.into()) }
    }
}

#[cfg(test)]
mod tests;
