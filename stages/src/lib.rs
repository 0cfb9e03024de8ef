//! The stages of a pipeline: the only crate that names a deployment SDK.
