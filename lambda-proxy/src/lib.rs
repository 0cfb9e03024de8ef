//! The Lambda function in front of the endpoint: checks a request, asks for a score, shapes the answer.
//!
//! An API Gateway HTTP API hands over a payload 2.0 event whose body is a JSON object of feature values. The
//! function checks names and values before it calls, because the container scores a row with too few columns
//! without complaint; then it calls `InvokeEndpoint` with one CSV row and answers the decision and the score.
//!
//! If it is to give reasons, it asks the container for contributions as well, and answers the strongest. They are on the
//! scale of log odds: one of 2.13 multiplies the odds by e to the 2.13, some 8.4. Only our own container gives them;
//! with AWS's prebuilt one the answer has no reasons, and the log says why.
//!
//! [`proxy`] is pure but for the call, which is passed in; [`sagemaker`] makes that call and says what its faults
//! mean; [`config`] reads the settings from a lookup, so that only `main` touches the environment.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test that cannot set up has failed"))]

pub mod config;
pub mod proxy;
mod reply;
pub mod request;
pub mod sagemaker;
