//! The scaling itself: what alarms ask for, within bounds and cool-downs.
//!
//! AWS computes how far to go; here it is one step at a time.

use std::sync::Arc;

use super::record::{Place, Policy, Target};
use crate::Cloud;
use crate::clock;
use crate::service::cloudwatch::State;
use crate::service::sagemaker::{self, Scaled};

/// Cool-down, when nothing is said. Source: AWS documentation, endpoint auto scaling, cooldown period.
const COOLDOWN_S: u64 = 300;

/// Does what breaching alarms ask for. Called from time to time.
pub(crate) fn follow(cloud: &Arc<Cloud>) {
    let targets: Vec<Target> = cloud.autoscaling.memory.read(|memory| memory.targets.values().cloned().collect());
    for target in targets {
        for policy in target.policies.values() {
            follow_one(cloud, &target, policy);
        }
    }
}

fn follow_one(cloud: &Arc<Cloud>, target: &Target, policy: &Policy) {
    let seen = cloud.cloudwatch.look(&policy.alarms);
    let breaches =
        |which: &str| seen.iter().any(|seen| seen.state == State::Alarm && seen.name.contains(&format!("-{which}-")));
    let place = target.place();
    let (endpoint, variant) = place.endpoint().unwrap_or_default();
    let now = match sagemaker::scaled(cloud, endpoint, variant) {
        Some(Scaled::Instances { count, .. }) => count,
        Some(Scaled::Provisioned(provisioned)) => provisioned,
        None => return,
    };
    let out = breaches("AlarmHigh") && !target.suspended.scale_out;
    let less = breaches("AlarmLow") && !target.suspended.scale_in;
    let wanted = match (out, less) {
        (true, _) => now + 1,
        (false, true) => now - 1,
        _ => return,
    };
    let wanted = wanted.clamp(target.min, target.max);
    let (member, last) = if out {
        ("ScaleOutCooldown", target.scaled_out_ms)
    } else {
        ("ScaleInCooldown", target.scaled_in_ms.max(target.scaled_out_ms))
    };
    let cooldown = policy.configuration[member].as_u64().unwrap_or(COOLDOWN_S);
    let cooldown = cloud.config.delays.seconds(cooldown);
    let time = jiff::Timestamp::now().as_millisecond();
    if wanted == now || !clock::is_over(last, cooldown, time) {
        return;
    }
    if set(cloud, &place, wanted) {
        tracing::info!(endpoint, variant, now, wanted, "scaled");
        let noted = cloud.autoscaling.memory.write(|memory| {
            if let Some(target) = memory.targets.get_mut(&place.key()) {
                *(if out { &mut target.scaled_out_ms } else { &mut target.scaled_in_ms }) = time;
            }
            Ok(())
        });
        if let Err(refusal) = noted {
            tracing::warn!(error = refusal.message, "could not note when a variant was scaled");
        }
    }
}

/// Gives a variant another capacity; false when its endpoint is busy, so that the next look tries again.
pub(super) fn set(cloud: &Arc<Cloud>, place: &Place, capacity: i64) -> bool {
    let (endpoint, variant) = place.endpoint().unwrap_or_default();
    sagemaker::scale(cloud, endpoint, variant, capacity)
}
