//! How many instances an account may have of a type, and how many it has.

use std::collections::BTreeMap;

use super::record::{Endpoint, Fleet, Memory, Status};
use super::training::Job;
use crate::Cloud;
use crate::call::Refusal;

/// Instances by type.
type Counts = BTreeMap<String, u64>;

/// As AWS names the quota of a type for endpoints.
pub fn endpoint_quota(instance_type: &str) -> String {
    format!("{instance_type} for endpoint usage")
}

/// As AWS names the quota of a type for training jobs.
pub fn training_quota(instance_type: &str) -> String {
    format!("{instance_type} for training job usage")
}

/// Checks that a new fleet may be had beside whatever runs: an update has the old and the new one at once.
pub(super) fn check_fleet(cloud: &Cloud, memory: &Memory, fleet: &Fleet) -> Result<(), Refusal> {
    check_more(cloud, memory, &counts([fleet]))
}

/// Checks that a fleet may grow in place: `before` is what there was.
pub(super) fn check_growth(
    cloud: &Cloud,
    before: &Memory,
    old: Option<&Fleet>,
    new: Option<&Fleet>,
) -> Result<(), Refusal> {
    let had = counts(old);
    let mut wanted = counts(new);
    for (kind, count) in &mut wanted {
        *count = count.saturating_sub(had.get(kind).copied().unwrap_or_default());
    }
    check_more(cloud, before, &wanted)
}

fn check_more(cloud: &Cloud, memory: &Memory, more: &Counts) -> Result<(), Refusal> {
    let endpoints = memory.endpoints.values().filter(|endpoint| has_instances(endpoint));
    let used = counts(endpoints.flat_map(|endpoint| endpoint.serving.iter().chain(&endpoint.pending)));
    more.iter().try_for_each(|(kind, delta)| check(cloud, &endpoint_quota(kind), used.get(kind), *delta))
}

/// Checks that a training job may have its instances beside the jobs that run.
pub(super) fn check_training(cloud: &Cloud, memory: &Memory, kind: &str, count: u64) -> Result<(), Refusal> {
    let running = memory.training_jobs.values().filter(|job| !job.status.is_final());
    let used = running.filter_map(Job::instances).filter(|(of, _)| of == kind).map(|(_, count)| count).sum();
    check(cloud, &training_quota(kind), Some(&used), count)
}

fn check(cloud: &Cloud, quota: &str, used: Option<&u64>, delta: u64) -> Result<(), Refusal> {
    let (limit, used) = (cloud.quotas.of(quota), used.copied().unwrap_or_default());
    if used + delta <= limit {
        return Ok(());
    }
    Err(Refusal::new(
        400,
        "ResourceLimitExceeded",
        format!(
            "The account-level service limit '{quota}' is {limit} Instances, with current utilization of {used} \
             Instances and a request delta of {delta} Instances. Please use AWS Service Quotas to request an increase \
             for this quota."
        ),
    ))
}

/// Whether an endpoint has instances, or is getting some.
fn has_instances(endpoint: &Endpoint) -> bool {
    !matches!(endpoint.status, Status::Failed | Status::Deleting)
}

fn counts<'a>(fleets: impl IntoIterator<Item = &'a Fleet>) -> Counts {
    let mut counts = Counts::new();
    for variant in fleets.into_iter().flat_map(|fleet| &fleet.variants) {
        if let Some(kind) = &variant.instance_type {
            *counts.entry(kind.clone()).or_default() += variant.desired_count;
        }
    }
    counts
}
