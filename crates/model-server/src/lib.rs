//! The inference container: GET /ping, POST /invocations.
//!
//! Answers as AWS's own container does, so that a model behaves alike behind either: its serving code
//! (`sagemaker-xgboost-container`, `algorithm_mode/serve.py`) is the reference for every status, and where this
//! server differs, the difference is documented at its place. The order of checks is the container's: empty body,
//! parse, number of columns, `Accept`.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test that cannot set up has failed"))]

mod error;
mod invocation;
mod load;
mod payload;
mod server;

pub use error::ServeError;
pub use server::{Config, Server, TOKEN_HEADER, run};
