//! Target tracking policies, and the alarms that they make.

use serde_json::{Value, json};

use super::Autoscaling;
use super::record::{Dimension, Place, Policy, Target, invalid, namespace, now, page};
use crate::Cloud;
use crate::call::Refusal;
use crate::service::cloudwatch::OwnAlarm;
use crate::service::sagemaker::validate::{Faults, Members, flag, inner, integer, list, number, text};

/// Minutes above the target before it scales out, and below it before it scales in. Source: Application Auto Scaling
/// User Guide, target tracking.
const OUT_MINUTES: u64 = 3;
const IN_MINUTES: u64 = 15;
/// Below this part of the target it scales in.
const IN_SHARE: f64 = 0.9;

/// `PutScalingPolicy`: makes or replaces.
pub(super) fn put(cloud: &Cloud, request: &Members) -> Result<Value, Refusal> {
    let mut faults = Faults::default();
    let name = text(request, "PolicyName")?;
    match name {
        None => faults.missing("policyName"),
        Some("") => faults.add("", "policyName", "have length greater than or equal to 1"),
        Some(name) => faults.longest(name, "policyName", 256),
    }
    let kind = text(request, "PolicyType")?;
    faults.one_of(kind, "policyType", &["TargetTrackingScaling", "StepScaling", "PredictiveScaling"]);
    let place = Place::read(request, faults)?;
    let configuration = inner(request, "TargetTrackingScalingPolicyConfiguration")?;
    let configuration = configuration
        .ok_or_else(|| invalid("TargetTrackingScalingPolicyConfiguration is required for target tracking policies."))?;
    let target_value = check(&place, configuration)?;
    let service = &cloud.autoscaling;
    let name = name.unwrap_or_default();
    let before = service.memory.read(|memory| {
        let target = memory.targets.get(&place.key()).ok_or_else(|| place.absent())?;
        Ok::<_, Refusal>(target.policies.get(name).cloned())
    })?;
    let scale_in = !flag(configuration, "DisableScaleIn")?.unwrap_or(false);
    let alarms = alarms(&place, target_value, scale_in);
    let mut named = vec![];
    for alarm in &alarms {
        named.push(json!({ "AlarmName": alarm.name, "AlarmARN": cloud.cloudwatch.put_own(alarm)? }));
    }
    for gone in before.iter().flat_map(|policy| &policy.alarms) {
        if !alarms.iter().any(|alarm| alarm.name == *gone) {
            cloud.cloudwatch.delete_own(gone)?;
        }
    }
    let arn = before.map_or_else(|| service.policy_arn(&place.resource_id, name), |policy| policy.arn);
    let policy = Policy {
        name: name.to_owned(),
        arn: arn.clone(),
        configuration: Value::Object(configuration.clone()),
        alarms: alarms.into_iter().map(|alarm| alarm.name).collect(),
        created: now(),
    };
    service.memory.write(|memory| {
        let target = memory.targets.get_mut(&place.key()).ok_or_else(|| place.absent())?;
        target.policies.insert(name.to_owned(), policy);
        Ok(json!({ "PolicyARN": arn, "Alarms": named }))
    })
}

/// Checks a policy; the value that it aims at.
fn check(place: &Place, configuration: &Members) -> Result<f64, Refusal> {
    let mut faults = Faults::default();
    let at = |member: &str| format!("targetTrackingScalingPolicyConfiguration.{member}");
    let value = number(configuration, "TargetValue")?;
    if value.is_none() {
        faults.missing(&at("targetValue"));
    }
    for (member, name) in [("ScaleInCooldown", "scaleInCooldown"), ("ScaleOutCooldown", "scaleOutCooldown")] {
        faults.range(integer(configuration, member)?, &at(name), 0, i64::from(i32::MAX));
    }
    faults.finish()?;
    let metric = match inner(configuration, "PredefinedMetricSpecification")? {
        Some(metric) => text(metric, "PredefinedMetricType")?.unwrap_or_default(),
        None => return Err(invalid("A predefined or a customized metric must be specified.")),
    };
    let known = place.dimension.metrics();
    if !known.contains(&metric) {
        return Err(invalid(format!(
            "Scalable dimension {} only supports the following predefined metric types: {}",
            place.dimension.as_str(),
            known.join(", ")
        )));
    }
    match value.unwrap_or_default() {
        value if value > 0.0 => Ok(value),
        _ => Err(invalid("Target value must be greater than 0.")),
    }
}

/// What a policy watches. High-resolution metrics are watched as the others are.
fn alarms(place: &Place, target: f64, scale_in: bool) -> Vec<OwnAlarm> {
    let (metric, statistic) = metric_of(place.dimension);
    let (endpoint, variant) = place.endpoint().unwrap_or_default();
    let alarm = |which: &str, above: bool, threshold: f64, periods: u64| OwnAlarm {
        name: format!("TargetTracking-{}-{which}-{}", place.resource_id, short(&place.key())),
        namespace: "AWS/SageMaker",
        metric,
        statistic,
        dimensions: vec![
            ("EndpointName".to_owned(), endpoint.to_owned()),
            ("VariantName".to_owned(), variant.to_owned()),
        ],
        above,
        threshold,
        periods,
    };
    let mut alarms = vec![alarm("AlarmHigh", true, target, OUT_MINUTES)];
    if scale_in {
        alarms.push(alarm("AlarmLow", false, target * IN_SHARE, IN_MINUTES));
    }
    alarms
}

/// Metric and statistic that a dimension follows.
pub(super) fn metric_of(dimension: Dimension) -> (&'static str, &'static str) {
    match dimension {
        Dimension::Instances => ("InvocationsPerInstance", "Sum"),
        Dimension::Provisioned => ("ServerlessProvisionedConcurrencyUtilization", "Maximum"),
    }
}

/// Stands where AWS has a random id, so that a policy that is put again has the same alarms.
fn short(text: &str) -> String {
    use sha2::Digest as _;
    hex::encode(&sha2::Sha256::digest(text)[..8])
}

/// `DescribeScalingPolicies`.
pub(super) fn describe(service: &Autoscaling, request: &Members) -> Result<Value, Refusal> {
    let mut faults = Faults::default();
    namespace(request, &mut faults)?;
    let most = integer(request, "MaxResults")?;
    faults.range(most, "maxResults", 1, 50);
    faults.finish()?;
    let names = list(request, "PolicyNames")?;
    let resource = text(request, "ResourceId")?;
    let dimension = text(request, "ScalableDimension")?;
    let targets = service.memory.read(|memory| memory.targets.clone());
    let wanted = targets.iter().filter(|(_, target)| {
        resource.is_none_or(|resource| target.resource_id == resource)
            && dimension.is_none_or(|dimension| target.dimension.as_str() == dimension)
    });
    let policies = wanted.flat_map(|(key, target)| {
        let of = move |policy| (format!("{key} {}", name_of(policy)), described(service, target, policy));
        target
            .policies
            .values()
            .filter(|policy| names.is_none_or(|names| names.iter().any(|name| name.as_str() == Some(&policy.name))))
            .map(of)
    });
    let (found, next) = page(policies, most, text(request, "NextToken")?)?;
    let mut answer = json!({ "ScalingPolicies": found });
    if let Some(next) = next {
        answer["NextToken"] = next.into();
    }
    Ok(answer)
}

fn name_of(policy: &Policy) -> &str {
    &policy.name
}

fn described(service: &Autoscaling, target: &Target, policy: &Policy) -> Value {
    let alarms: Vec<_> =
        policy.alarms.iter().map(|name| json!({ "AlarmName": name, "AlarmARN": service.alarm_arn(name) })).collect();
    json!({
        "PolicyARN": policy.arn, "PolicyName": policy.name, "ServiceNamespace": "sagemaker",
        "ResourceId": target.resource_id, "ScalableDimension": target.dimension.as_str(),
        "PolicyType": "TargetTrackingScaling", "TargetTrackingScalingPolicyConfiguration": policy.configuration,
        "Alarms": alarms, "CreationTime": policy.created,
    })
}

/// `DeleteScalingPolicy`.
pub(super) fn delete(cloud: &Cloud, request: &Members) -> Result<Value, Refusal> {
    let mut faults = Faults::default();
    let name = text(request, "PolicyName")?;
    if name.is_none() {
        faults.missing("policyName");
    }
    let place = Place::read(request, faults)?;
    let name = name.unwrap_or_default();
    let policy = cloud.autoscaling.memory.write(|memory| {
        let target = memory.targets.get_mut(&place.key());
        target.and_then(|target| target.policies.remove(name)).ok_or_else(|| {
            let message = format!(
                "No scaling policy found for service namespace: sagemaker, resource ID: {}, scalable dimension: {}, \
                 policy name: {name}",
                place.resource_id,
                place.dimension.as_str()
            );
            Refusal::new(400, "ObjectNotFoundException", message)
        })
    })?;
    policy.alarms.iter().try_for_each(|alarm| cloud.cloudwatch.delete_own(alarm))?;
    Ok(json!({}))
}
