//! Measures our programs beside their peers, on one machine and in one run, and writes what it found as BENCHMARKS.md.
//!
//! The bench target `models` is the program; this library is its parts. Peers are installed by their own package
//! managers under `target/`, at the versions that the files in `peers/` name. Nothing is measured inside the harness's
//! own process except HTTP latencies: see [`measure`] for why.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test that unwraps fails where it should"))]

pub mod error;
pub mod item;
mod load;
mod machine;
pub mod measure;
mod ours;
mod peers;
mod process;
pub mod report;
mod rows;
mod runtime_api;
mod scene;
mod setup;
mod shapes;
pub mod stats;
mod worker;

pub use setup::{Build, Settings, Setup};
pub use worker::{Worker, run as work};
