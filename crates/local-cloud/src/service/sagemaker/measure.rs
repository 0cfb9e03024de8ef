//! What `CloudWatch` learns of each invocation.
//!
//! Source: AWS documentation, monitoring `SageMaker` with `CloudWatch`: names and units; deployment guardrails,
//! auto-rollback configuration: the same with the config as a third dimension.

use std::time::Duration;

use super::fleet::{Lease, RunningVariant};
use crate::Cloud;

const NAMESPACE: &str = "AWS/SageMaker";

/// Notes one invocation: what the container answered, and how long that took.
pub(super) fn invocation(
    cloud: &Cloud,
    endpoint: &str,
    lease: &Lease,
    variant: &RunningVariant,
    status: u16,
    took: Duration,
) {
    let capacity = variant.capacity();
    let flag = |holds: bool| if holds { 1.0 } else { 0.0 };
    let mut values = vec![
        ("Invocations", 1.0),
        ("Invocation4XXErrors", flag((400..500).contains(&status))),
        ("Invocation5XXErrors", flag(status >= 500)),
        ("InvocationModelErrors", flag(!(200..300).contains(&status))),
        ("ModelLatency", took.as_secs_f64() * 1e6),
    ];
    match (variant.is_serverless, capacity) {
        (_, 0) => {}
        (true, warm) => {
            values.push(("ServerlessProvisionedConcurrencyUtilization", lease.inside() as f64 / warm as f64));
        }
        (false, machines) => values.push(("InvocationsPerInstance", 1.0 / machines as f64)),
    }
    let dimensions = [
        ("EndpointName", endpoint),
        ("VariantName", variant.name.as_str()),
        ("EndpointConfigName", lease.config_name()),
    ];
    for (metric, value) in values {
        cloud.cloudwatch.record(NAMESPACE, metric, &dimensions[..2], value);
        cloud.cloudwatch.record(NAMESPACE, metric, &dimensions, value);
    }
}
