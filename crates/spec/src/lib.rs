//! pipeline.yaml, parsed once: a [`Spec`] can only be built valid.
//!
//! ```
//! let spec = spec::Spec::parse("name: fraud-detection", "pipeline.yaml".as_ref())?;
//! assert_eq!(spec.deploy_proxy.route.to_string(), "POST /");
//! # Ok::<(), spec::Complaints>(())
//! ```
//!
//! A model comes from one of three places: rows ([`Fit`], here or on `SageMaker`), a file ([`Import`]), or a program of
//! the user's own ([`Command`]). What is asked of it, its threshold and its reasons are checked against what is known
//! about it: a gate needs rows to measure by, reasons need features to name.
//!
//! Parsing is pure: no file is opened, so whether a data file exists, or a URL answers, is for a later step to find out. That
//! step reports it by [`Spec::complain`], which underlines the place in the file as parsing itself does.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod check;
mod complaint;
mod forms;
mod limits;
mod machines;
mod names;
mod places;
mod raw;
pub mod regions;
mod schema;
mod types;

use std::path::Path;

pub use complaint::{Complaint, Complaints};
pub use names::{BadName, ContainerVersion, PipelineName};
pub use schema::schema;
pub use types::*;

/// Every stage, in the order in which they run and must be written.
pub const STAGES: [&str; 8] =
    ["train", "package", "upload", "create-role", "create-endpoint", "deploy-proxy", "smoke-test", "teardown"];

impl Spec {
    /// Parses the text of a pipeline file; `path` is only for messages.
    pub fn parse(source: &str, path: &Path) -> Result<Self, Complaints> {
        check::parse(source, path)
    }

    /// Objects to what the file says at `path`, for example `stages.train.label`.
    ///
    /// A key that is not written has no place; the block it belongs to is underlined in its stead.
    pub fn complain(&self, path: &str, message: impl Into<String>) -> Complaint {
        self.places.complain(path, message)
    }
}
