//! A plan, for people and for programs.

mod text;

pub use text::{Sign, text};

use crate::planning::Plan;

/// The plan as indented JSON; `apply --expect` reads it back.
pub fn json(plan: &Plan) -> String {
    let mut text = serde_json::to_string_pretty(plan).unwrap_or_default();
    text.push('\n');
    text
}
