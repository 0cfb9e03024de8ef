//! Compares what should exist with what does.
//!
//! ```text
//! Desired ─┐
//!          ├─ plan ─▶ Plan ─▶ text, JSON
//! World   ─┘
//! ```
//!
//! Pure: no async, no AWS, no clock, no file. The same input gives the same plan, byte for byte.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod diff;
mod facts;
mod graph;
mod id;
mod planning;
pub mod render;
mod world;

pub use diff::{FieldChange, To};
pub use facts::{Fact, Facts, Rule, Value};
pub use graph::PlanError;
pub use id::{Output, OutputRef, ResourceId};
pub use planning::{Action, Change, Desired, Goal, Nature, Plan, Warning, plan};
pub use world::{Observation, Outputs, Stray, World};
