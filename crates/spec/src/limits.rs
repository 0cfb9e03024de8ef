//! The ranges of numbers, in one place for the checks and for the JSON Schema.

use std::ops::RangeInclusive;

pub(crate) const ROWS: RangeInclusive<u64> = 1_000..=10_000_000;
pub(crate) const TREES: RangeInclusive<i64> = 1..=10_000;
pub(crate) const DEPTH: RangeInclusive<i64> = 1..=16;
pub(crate) const MAX_ITERATIONS: RangeInclusive<i64> = 1..=100_000;
pub(crate) const TEST_SHARE: RangeInclusive<f64> = 0.05..=0.5;
/// Of a metric, and of a threshold.
pub(crate) const SHARE: RangeInclusive<f64> = 0.0..=1.0;
pub(crate) const PORT: RangeInclusive<i64> = 1..=65_535;
/// Ten minutes: longer than AWS ever takes, and short enough to notice a slip.
pub(crate) const IAM_PROPAGATION_MS: RangeInclusive<i64> = 0..=600_000;
pub(crate) const INSTANCES: RangeInclusive<i64> = 1..=100;
/// Of a serverless endpoint, in steps of [`SERVERLESS_STEP_MB`].
pub(crate) const SERVERLESS_MB: RangeInclusive<i64> = 1_024..=6_144;
pub(crate) const SERVERLESS_STEP_MB: i64 = 1_024;
pub(crate) const SERVERLESS_CONCURRENCY: RangeInclusive<i64> = 1..=200;
pub(crate) const FUNCTION_MB: RangeInclusive<i64> = 128..=10_240;
/// API Gateway gives up after 30 seconds; the function must do so before it to be able to answer.
pub(crate) const FUNCTION_TIMEOUT_S: RangeInclusive<i64> = 1..=29;

/// The only retentions that `CloudWatch` Logs takes, in days.
pub(crate) const RETENTION_DAYS: [i64; 22] =
    [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653];
