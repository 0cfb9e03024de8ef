//! Compares what should exist with what does: pure, no async, no AWS, no clock.
