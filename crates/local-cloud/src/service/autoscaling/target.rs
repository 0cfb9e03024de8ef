//! Scalable targets: which variants are scaled, and between which bounds.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::record::{Place, Suspended, Target, invalid, namespace, now, page};
use super::{Autoscaling, given_tags};
use crate::Cloud;
use crate::call::Refusal;
use crate::service::sagemaker::validate::{Faults, Members, flag, inner, integer, list, text};
use crate::service::sagemaker::{self, Scaled};

/// `RegisterScalableTarget`: makes or changes; what is not said stays. What runs is brought within the bounds.
pub(super) fn register(cloud: &Arc<Cloud>, request: &Members) -> Result<Value, Refusal> {
    let mut faults = Faults::default();
    let (min, max) = (integer(request, "MinCapacity")?, integer(request, "MaxCapacity")?);
    faults.range(min, "minCapacity", 0, i64::from(i32::MAX));
    faults.range(max, "maxCapacity", 0, i64::from(i32::MAX));
    let place = Place::read(request, faults)?;
    let suspended = inner(request, "SuspendedState")?;
    let tags = given_tags(request)?;
    let scaled = must_be_scalable(cloud, &place)?;
    let service = &cloud.autoscaling;
    let (arn, bounds) = service.memory.write(|memory| {
        let known = memory.targets.get(&place.key());
        let (Some(min), Some(max)) = (min.or(known.map(|target| target.min)), max.or(known.map(|target| target.max)))
        else {
            return Err(invalid("MinCapacity and MaxCapacity are required when a new scalable target is registered."));
        };
        if min > max {
            return Err(invalid("Maximum capacity cannot be less than minimum capacity."));
        }
        memory.has_role = true;
        let target = memory.targets.entry(place.key()).or_insert_with(|| Target {
            arn: service.arn(&format!("scalable-target/{}", hex::encode(rand::random::<[u8; 18]>()))),
            resource_id: place.resource_id.clone(),
            dimension: place.dimension,
            min,
            max,
            suspended: Suspended::default(),
            created: now(),
            tags: BTreeMap::new(),
            policies: BTreeMap::new(),
            scaled_out_ms: 0,
            scaled_in_ms: 0,
        });
        (target.min, target.max) = (min, max);
        if let Some(given) = suspended {
            let kept = target.suspended;
            target.suspended = Suspended {
                scale_in: flag(given, "DynamicScalingInSuspended")?.unwrap_or(kept.scale_in),
                scale_out: flag(given, "DynamicScalingOutSuspended")?.unwrap_or(kept.scale_out),
                scheduled: flag(given, "ScheduledScalingSuspended")?.unwrap_or(kept.scheduled),
            };
        }
        target.tags.extend(tags);
        Ok((target.arn.clone(), (min, max)))
    })?;
    let within = scaled.clamp(bounds.0, bounds.1);
    if within != scaled {
        super::scale::set(cloud, &place, within);
    }
    Ok(json!({ "ScalableTargetARN": arn }))
}

/// What a variant has now, of what would be scaled. The sentences are not verified.
fn must_be_scalable(cloud: &Cloud, place: &Place) -> Result<i64, Refusal> {
    let (endpoint, variant) = place.endpoint().unwrap_or_default();
    let Some(scaled) = sagemaker::scaled(cloud, endpoint, variant) else {
        return Err(invalid(format!("Could not find variant {variant} of endpoint {endpoint} in service.")));
    };
    match (scaled, place.dimension) {
        (Scaled::Instances { instance_type, .. }, super::record::Dimension::Instances)
            if instance_type.starts_with("ml.t") && !instance_type.starts_with("ml.trn") =>
        {
            Err(invalid(format!("Burstable instance type {instance_type} does not support auto scaling.")))
        }
        (Scaled::Instances { count, .. }, super::record::Dimension::Instances) => Ok(count),
        (Scaled::Provisioned(provisioned), super::record::Dimension::Provisioned) => Ok(provisioned),
        _ => Err(invalid(format!(
            "Scalable dimension {} does not fit variant {variant} of endpoint {endpoint}.",
            place.dimension.as_str()
        ))),
    }
}

/// `DescribeScalableTargets`.
pub(super) fn describe(service: &Autoscaling, request: &Members) -> Result<Value, Refusal> {
    let mut faults = Faults::default();
    namespace(request, &mut faults)?;
    let most = integer(request, "MaxResults")?;
    faults.range(most, "maxResults", 1, 50);
    faults.finish()?;
    let ids = list(request, "ResourceIds")?;
    let dimension = text(request, "ScalableDimension")?;
    let targets = service.memory.read(|memory| memory.targets.clone());
    let wanted = targets.into_iter().filter(|(_, target)| {
        ids.is_none_or(|ids| ids.iter().any(|id| id.as_str() == Some(&target.resource_id)))
            && dimension.is_none_or(|dimension| target.dimension.as_str() == dimension)
    });
    let (found, next) = page(wanted, most, text(request, "NextToken")?)?;
    let role = service.role_arn();
    let mut answer =
        json!({ "ScalableTargets": found.iter().map(|target| target.describe(&role)).collect::<Vec<_>>() });
    if let Some(next) = next {
        answer["NextToken"] = next.into();
    }
    Ok(answer)
}

/// `DeregisterScalableTarget`: its policies go with it, and their alarms.
pub(super) fn deregister(cloud: &Cloud, request: &Members) -> Result<Value, Refusal> {
    let place = Place::read(request, Faults::default())?;
    let target =
        cloud.autoscaling.memory.write(|memory| memory.targets.remove(&place.key()).ok_or_else(|| place.absent()))?;
    for alarm in target.policies.values().flat_map(|policy| &policy.alarms) {
        cloud.cloudwatch.delete_own(alarm)?;
    }
    Ok(json!({}))
}
