//! The parts of AWS that a deployment needs, on loopback, speaking the AWS wire protocols.
//!
//! One process. Every request passes request log → fault rules → signature check → service. What a service
//! knows is on disk under [`Config::state_dir`] before its answer leaves, so a restart loses nothing.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod call;
pub(crate) mod clock;
pub mod cloud;
pub(crate) mod door;
pub mod faults;
pub(crate) mod guard;
pub mod output;
pub mod permission;
pub mod proof;
pub mod server;
pub mod service;
pub mod signature;
pub mod state;

pub use cloud::{Cloud, Config, Delays};

/// A version 4 UUID, as AWS's request ids are.
pub(crate) fn uuid() -> String {
    let id = (rand::random::<u128>() & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
    let text = format!("{id:032x}");
    format!("{}-{}-{}-{}-{}", &text[..8], &text[8..12], &text[12..16], &text[16..20], &text[20..])
}
