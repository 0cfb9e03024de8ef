//! The ranges of numbers, in one place for the checks and for the JSON Schema.

use std::ops::RangeInclusive;

pub(crate) const ROWS: RangeInclusive<u64> = 1_000..=10_000_000;
pub(crate) const TREES: RangeInclusive<i64> = 1..=10_000;
pub(crate) const DEPTH: RangeInclusive<i64> = 1..=16;
/// Of a forest, whose trees gain little from more.
pub(crate) const FOREST_TREES: RangeInclusive<i64> = 1..=1_000;
/// Of a tree of a forest, which grows deeper than a boosted one.
pub(crate) const FOREST_DEPTH: RangeInclusive<i64> = 1..=32;
/// Fewest rows in a leaf of a forest; a million keeps any public data set from splitting at all.
pub(crate) const MIN_LEAF_ROWS: RangeInclusive<i64> = 1..=1_000_000;
/// Trees in a row without a better log loss.
pub(crate) const EARLY_STOPPING_ROUNDS: RangeInclusive<i64> = 1..=1_000;
/// Of the training rows, set aside to know when to stop.
pub(crate) const VALIDATION_SHARE: RangeInclusive<f64> = 0.05..=0.5;
pub(crate) const MAX_ITERATIONS: RangeInclusive<i64> = 1..=100_000;
pub(crate) const TEST_SHARE: RangeInclusive<f64> = 0.05..=0.5;
/// More columns than `XGBoost` users have, and few enough that a slip in a range fills no memory.
pub(crate) const MAX_FEATURES: usize = 10_000;
/// Where a model can be trained.
pub(crate) const ON: [&str; 2] = ["here", "sagemaker"];
/// Gigabytes of disk of a training machine: at most what the largest `EBS` volume of type gp2 holds.
pub(crate) const VOLUME_GB: RangeInclusive<i64> = 1..=16_384;
/// A training job runs for at most 28 days. Source: `StoppingCondition` of the `SageMaker` API.
pub(crate) const TRAINING_S: RangeInclusive<i64> = 1..=2_419_200;
/// Seeds that the `sagemaker-xgboost` container takes. Source: its `hyperparameter_validation.py`.
pub(crate) const SAGEMAKER_SEED: RangeInclusive<u64> = 0..=2_147_483_646;
/// Characters in one hyperparameter of a training job. Source: `HyperParameters` of the `SageMaker` API.
pub(crate) const HYPERPARAMETER_CHARS: usize = 2_500;
/// Bytes in the key of an S3 object.
pub(crate) const S3_KEY_BYTES: usize = 1_024;
/// Hexadecimal digits of a SHA-256.
pub(crate) const SHA256_DIGITS: usize = 64;
/// Features named in an answer: more would be a table, not a reason.
pub(crate) const REASONS: RangeInclusive<i64> = 0..=10;
/// Of a metric, and of a threshold.
pub(crate) const SHARE: RangeInclusive<f64> = 0.0..=1.0;
pub(crate) const PORT: RangeInclusive<i64> = 1..=65_535;
/// Ten minutes: longer than AWS ever takes, and short enough to notice a slip.
pub(crate) const IAM_PROPAGATION_MS: RangeInclusive<i64> = 0..=600_000;
/// From a hundredth of real time's pace up to real time itself.
pub(crate) const SECOND_MS: RangeInclusive<i64> = 1..=1_000;
pub(crate) const INSTANCES: RangeInclusive<i64> = 1..=100;
/// Of a serverless endpoint, in steps of [`SERVERLESS_STEP_MB`].
pub(crate) const SERVERLESS_MB: RangeInclusive<i64> = 1_024..=6_144;
pub(crate) const SERVERLESS_STEP_MB: i64 = 1_024;
pub(crate) const SERVERLESS_CONCURRENCY: RangeInclusive<i64> = 1..=200;
/// Gigabytes of disk of a serving machine. Source: `VolumeSizeInGB` of the `SageMaker` API.
pub(crate) const ENDPOINT_VOLUME_GB: RangeInclusive<i64> = 1..=512;
/// Seconds for a container to answer its first `/ping`. Source: `ContainerStartupHealthCheckTimeoutInSeconds`.
pub(crate) const STARTUP_S: RangeInclusive<i64> = 60..=3_600;
/// Of autoscaling. AWS sets no limit; a day is longer than anyone wants, and short enough to notice a slip.
pub(crate) const COOLDOWN_S: RangeInclusive<i64> = 0..=86_400;
/// Of the provisioned concurrency that is in use.
pub(crate) const UTILIZATION: RangeInclusive<f64> = 0.1..=1.0;
/// Per cent of the requests that are captured. Source: `InitialSamplingPercentage`; 0 would be no capture.
pub(crate) const CAPTURE_PERCENT: RangeInclusive<i64> = 1..=100;
/// Characters of a key's id, ARN or alias. Source: `KmsKeyId` of the `SageMaker` API.
pub(crate) const KMS_KEY_CHARS: usize = 2_048;
/// Source: `VpcConfig` of the `SageMaker` API.
pub(crate) const SUBNETS: RangeInclusive<usize> = 1..=16;
/// Source: `VpcConfig` of the `SageMaker` API.
pub(crate) const SECURITY_GROUPS: RangeInclusive<usize> = 1..=5;
/// Characters of the id of a subnet or a security group. Source: `VpcConfig` of the `SageMaker` API.
pub(crate) const VPC_ID_CHARS: usize = 32;
/// Between two steps of a rollout, and after the last. Source: `WaitIntervalInSeconds`, `TerminationWaitInSeconds`.
pub(crate) const ROLLOUT_WAIT_S: RangeInclusive<i64> = 0..=3_600;
/// Of a whole rollout. Source: `MaximumExecutionTimeoutInSeconds`.
pub(crate) const ROLLOUT_S: RangeInclusive<i64> = 600..=28_800;
/// Per cent of the traffic that a canary gets. Source: `CanarySize` of the `SageMaker` API.
pub(crate) const CANARY_PERCENT: RangeInclusive<i64> = 1..=50;
/// Per cent of the traffic that each step moves. Source: `LinearStepSize` of the `SageMaker` API.
pub(crate) const LINEAR_PERCENT: RangeInclusive<i64> = 10..=50;
/// Alarms that can roll an update back. Source: `AutoRollbackConfig` of the `SageMaker` API.
pub(crate) const ROLLBACK_ALARMS: usize = 10;
/// Characters in the name of an alarm. Source: `AlarmName` of the `SageMaker` API.
pub(crate) const ALARM_CHARS: usize = 255;
/// A number of errors in a minute that nobody has, and that keeps a slip in sight.
pub(crate) const ERRORS_PER_MINUTE: RangeInclusive<i64> = 1..=1_000_000;
pub(crate) const FUNCTION_MB: RangeInclusive<i64> = 128..=10_240;
/// API Gateway gives up after 30 seconds; the function must do so before it to be able to answer.
pub(crate) const FUNCTION_TIMEOUT_S: RangeInclusive<i64> = 1..=29;

/// Bytes in the path of a route. The gateway takes 10,240 for the line and the headers of a request together, and clients
/// send headers. Source: API Gateway quotas, HTTP API.
pub(crate) const ROUTE_BYTES: usize = 8_192;
/// The characters of a policy end here. Source: `policyDocumentType` of the IAM API, which has tabs and line ends too.
pub(crate) const LAST_POLICY_CHAR: char = '\u{ff}';

/// Requests a second, of one API. An account has 10,000 for all its APIs in a region, and 2,500 in newer ones. Source:
/// API Gateway quotas, as for the bursts.
pub(crate) const RATE_PER_S: RangeInclusive<i64> = 1..=10_000;
/// Requests at once, before the rate counts; 1,250 in newer regions.
pub(crate) const BURST: RangeInclusive<i64> = 1..=5_000;
/// Seconds that a browser remembers what it was allowed; -1 forbids it to. Source: `Cors` of the API Gateway API.
pub(crate) const CORS_MAX_AGE_S: RangeInclusive<i64> = -1..=86_400;
/// KB of 1,024 bytes; Lambda takes no event over 6 MB.
pub(crate) const BODY_KB: RangeInclusive<i64> = 1..=6_144;
/// Of a token's issuer. Source, as for what follows: `JWTConfiguration` and `AuthorizationScopes` of the API Gateway
/// API, and its quotas.
pub(crate) const ISSUER_CHARS: usize = 2_048;
pub(crate) const AUDIENCES: usize = 50;
pub(crate) const SCOPES: usize = 10;
pub(crate) const SCOPE_CHARS: usize = 64;

/// The only retentions that `CloudWatch` Logs takes, in days.
pub(crate) const RETENTION_DAYS: [i64; 22] =
    [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653];
