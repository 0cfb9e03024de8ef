//! The harness's one kind of error: what was being done, and why it failed.

use std::error::Error;

/// What could not be done; the cause is its source.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct BenchError {
    what: String,
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// What most of the harness returns.
pub type Result<T> = std::result::Result<T, BenchError>;

impl BenchError {
    /// Makes an error without a cause.
    pub fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), source: None }
    }

    /// The error and its causes on one line, as a table shows it.
    pub fn line(&self) -> String {
        let causes = std::iter::successors(self.source(), |cause| (*cause).source());
        causes.fold(self.to_string(), |line, cause| format!("{line}: {cause}"))
    }
}

/// Says what was being done when something failed.
pub trait Doing<T> {
    /// Keeps the failure as the cause.
    fn doing(self, what: impl Into<String>) -> Result<T>;
}

impl<T, E: Into<Box<dyn Error + Send + Sync>>> Doing<T> for std::result::Result<T, E> {
    fn doing(self, what: impl Into<String>) -> Result<T> {
        self.map_err(|source| BenchError { what: what.into(), source: Some(source.into()) })
    }
}
