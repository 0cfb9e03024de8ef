//! The parts of AWS that a deployment needs, on loopback, speaking the AWS wire protocols.
//!
//! One process. Every request passes request log → fault rules → signature check → service. What a service
//! knows is on disk under [`Config::state_dir`] before its answer leaves, so a restart loses nothing.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod call;
pub mod cloud;
pub mod faults;
pub mod permission;
pub mod server;
pub mod service;
pub mod signature;
pub mod state;

pub use cloud::{Cloud, Config, Delays};
