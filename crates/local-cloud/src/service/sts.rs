//! Who am I.

use crate::Cloud;
use crate::call::{Call, Refusal, Reply};

/// Answers one call in the query protocol.
pub async fn handle(_cloud: &Cloud, call: &Call) -> Reply {
    Err(Refusal::new(400, "InvalidAction", format!("Could not find operation {}", call.operation)))
}
