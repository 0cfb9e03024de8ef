//! The model crate from outside: what it refuses, and that what it writes means what it read.
#![expect(clippy::unwrap_used, clippy::float_cmp, reason = "a test may panic, and scores are compared bit for bit")]

mod hostile;
mod original;
mod round_trip;
mod ubjson;
