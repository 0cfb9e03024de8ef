//! Endpoints as the control plane sees them. The work behind a change of state is [`super::deploy`]'s.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::container;
use super::deploy;
use super::endpoint_config::{self, fleet};
use super::quota;
use super::record::{Endpoint, Fleet, Names, Status, Variant, absent, invalid, now, taken};
use super::rollout::{Deployment, Rollout, Stage};
use super::validate::{Faults, Members, flag, inner, integer, list, number, structure, text};
use crate::Cloud;
use crate::call::{Call, Refusal};
use crate::permission::Permission;
use crate::service::autoscaling;

/// What AWS calls it in messages.
pub(super) const NOUN: &str = "endpoint";

/// `CreateEndpoint`: answers at once, works behind.
pub(super) fn create(cloud: &Arc<Cloud>, call: &Call, request: &Members) -> Result<Value, Refusal> {
    let sagemaker = &cloud.sagemaker;
    let target = Target::read(&sagemaker.names, request)?;
    let mut faults = Faults::default();
    let tags = faults.tags(request)?;
    faults.finish()?;
    sagemaker.memory.write(|memory| {
        if memory.endpoints.contains_key(&target.key) {
            return Err(taken(NOUN, &target.arn));
        }
        let config = memory.configs.get(&target.config_key);
        let config = config.ok_or_else(|| absent(endpoint_config::NOUN, &target.config_arn))?;
        let pending = fleet(&sagemaker.names, memory, config)?;
        let given = inner(request, "DeploymentConfig")?;
        if let Some(given) = given {
            Rollout::read(cloud, given, &pending)?;
        }
        quota::check_fleet(cloud, memory, &pending)?;
        let endpoint = Endpoint {
            name: target.name.clone(),
            arn: target.arn.clone(),
            config_name: config.name.clone(),
            created: now(),
            modified: now(),
            status: Status::Creating,
            failure_reason: None,
            serving: None,
            pending: Some(pending),
            // There is no traffic yet that could move.
            deployment: Deployment { outcome: call.outcome, ..Deployment::default() },
            last_deployment: given.map(|given| given.clone().into()),
            tags,
        };
        memory.endpoints.insert(target.key.clone(), endpoint);
        Ok(())
    })?;
    deploy::spawn(cloud, target.key);
    Ok(json!({ "EndpointArn": target.arn }))
}

/// `UpdateEndpoint`: the old servers serve until the new ones are up.
pub(super) fn update(cloud: &Arc<Cloud>, call: &Call, request: &Members) -> Result<Value, Refusal> {
    let sagemaker = &cloud.sagemaker;
    let target = Target::read(&sagemaker.names, request)?;
    let retained = Retained::read(request)?;
    sagemaker.memory.write(|memory| {
        let endpoint = memory.endpoints.get(&target.key).ok_or_else(|| absent(NOUN, &target.arn))?;
        must_be_settled(endpoint)?;
        let config = memory.configs.get(&target.config_key);
        let config = config.ok_or_else(|| absent(endpoint_config::NOUN, &target.config_arn))?;
        if !memory.configs.contains_key(&endpoint.config_name.to_ascii_lowercase()) {
            let attached = sagemaker.names.arn("endpoint-config", &endpoint.config_name);
            return Err(absent(endpoint_config::NOUN, &attached));
        }
        let mut pending = fleet(&sagemaker.names, memory, config)?;
        if let Some(serving) = &endpoint.serving {
            refuse_conversion(serving, &pending)?;
            refuse_registered(cloud, &endpoint.name, &endpoint.arn, serving, &pending)?;
            retained.keep(serving, &mut pending);
        }
        let again = flag(request, "RetainDeploymentConfig")?.unwrap_or(false);
        let last = endpoint.last_deployment.as_ref().and_then(Value::as_object).filter(|_| again);
        let given = inner(request, "DeploymentConfig")?.or(last).cloned();
        let rollout = given.as_ref().map(|given| Rollout::read(cloud, given, &pending)).transpose()?;
        quota::check_fleet(cloud, memory, &pending)?;
        if let Some(endpoint) = memory.endpoints.get_mut(&target.key) {
            endpoint.status = Status::Updating;
            endpoint.failure_reason = None;
            endpoint.modified = now();
            endpoint.pending = Some(pending);
            endpoint.deployment = Deployment { rollout, outcome: call.outcome, ..Deployment::default() };
            endpoint.last_deployment = given.map(Value::from).or(endpoint.last_deployment.take());
        }
        Ok(())
    })?;
    deploy::spawn(cloud, target.key);
    Ok(json!({ "EndpointArn": target.arn }))
}

/// `UpdateEndpointWeightsAndCapacities`.
pub(super) fn update_weights(cloud: &Arc<Cloud>, request: &Members) -> Result<Value, Refusal> {
    let sagemaker = &cloud.sagemaker;
    let (key, arn) = required_name(&sagemaker.names, request)?;
    let wanted = list(request, "DesiredWeightsAndCapacities")?.unwrap_or_default();
    if wanted.is_empty() {
        let mut faults = Faults::default();
        faults.missing("desiredWeightsAndCapacities");
        faults.finish()?;
    }
    sagemaker.memory.write(|memory| {
        let before = memory.clone();
        let endpoint = memory.endpoints.get_mut(&key).ok_or_else(|| absent(NOUN, &arn))?;
        must_be_settled(endpoint)?;
        let mut names = BTreeSet::new();
        for (index, wanted) in wanted.iter().enumerate() {
            let wanted = structure(wanted)?;
            let at = |member: &str| format!("desiredWeightsAndCapacities.{}.member.{member}", index + 1);
            let name = text(wanted, "VariantName")?;
            let weight = number(wanted, "DesiredWeight")?;
            let count = integer(wanted, "DesiredInstanceCount")?;
            let mut faults = Faults::default();
            faults.name(name, &at("variantName"));
            faults.range(count, &at("desiredInstanceCount"), 0, i64::MAX);
            let on_demand = inner(wanted, "ServerlessUpdateConfig")?;
            for (member, name) in
                [("MaxConcurrency", "maxConcurrency"), ("ProvisionedConcurrency", "provisionedConcurrency")]
            {
                let given = on_demand.map(|config| integer(config, member)).transpose()?.flatten();
                faults.range(given, &at(&format!("serverlessUpdateConfig.{name}")), 1, 200);
            }
            if let Some(weight) = weight.filter(|weight| *weight < 0.0) {
                faults.add(weight, &at("desiredWeight"), "have value greater than or equal to 0");
            }
            faults.finish()?;
            let name = name.unwrap_or_default();
            if !names.insert(name) {
                // The sentence is not verified.
                return Err(invalid(format!("The variant \"{name}\" is given more than once.")));
            }
            let variant = endpoint.serving.iter_mut().flat_map(|fleet| &mut fleet.variants).find(|v| v.name == name);
            let variant = variant.ok_or_else(|| invalid(format!("Could not find variant \"{name}\" in \"{arn}\".")))?;
            variant.desired_weight = weight.unwrap_or(variant.desired_weight);
            variant.desired_count = count.and_then(|c| u64::try_from(c).ok()).unwrap_or(variant.desired_count);
            if let (Some(on_demand), Some(desired)) = (on_demand, &mut variant.desired_serverless) {
                for member in ["MaxConcurrency", "ProvisionedConcurrency"] {
                    if let Some(given) = on_demand.get(member) {
                        desired[member] = given.clone();
                    }
                }
            }
        }
        endpoint.status = Status::Updating;
        endpoint.failure_reason = None;
        endpoint.deployment = Deployment::default();
        endpoint.modified = now();
        let (old, new) = (before.endpoints.get(&key).and_then(|it| it.serving.as_ref()), endpoint.serving.as_ref());
        quota::check_growth(cloud, &before, old, new)
    })?;
    deploy::spawn(cloud, key);
    Ok(json!({ "EndpointArn": arn }))
}

/// `DeleteEndpoint`: nobody is let in any more; the rest happens behind.
pub(super) fn delete(cloud: &Arc<Cloud>, call: &Call, request: &Members) -> Result<Value, Refusal> {
    let sagemaker = &cloud.sagemaker;
    let (key, arn) = required_name(&sagemaker.names, request)?;
    may_deregister(cloud, call, &key)?;
    let name = sagemaker.memory.write(|memory| {
        let endpoint = memory.endpoints.get_mut(&key).ok_or_else(|| absent(NOUN, &arn))?;
        if endpoint.status.is_in_transit() {
            return Err(busy(&arn));
        }
        endpoint.status = Status::Deleting;
        endpoint.modified = now();
        Ok(endpoint.name.clone())
    })?;
    autoscaling::forget(cloud, &name)?;
    let serving = sagemaker.running().remove(&name);
    deploy::spawn_delete(cloud, key, serving);
    Ok(Value::Null)
}

/// `DescribeEndpoint`.
pub(super) fn describe(cloud: &Cloud, request: &Members) -> Result<Value, Refusal> {
    let (key, arn) = required_name(&cloud.sagemaker.names, request)?;
    let endpoint = cloud.sagemaker.memory.read(|memory| memory.endpoints.get(&key).cloned());
    let endpoint = endpoint.ok_or_else(|| absent(NOUN, &arn))?;
    let mut answer = json!({
        "EndpointName": endpoint.name,
        "EndpointArn": endpoint.arn,
        "EndpointConfigName": endpoint.config_name,
        "EndpointStatus": endpoint.status.as_str(),
        "CreationTime": endpoint.created,
        "LastModifiedTime": endpoint.modified,
    });
    if let Some(reason) = &endpoint.failure_reason {
        answer["FailureReason"] = reason.as_str().into();
    }
    if let Some(last) = &endpoint.last_deployment {
        answer["LastDeploymentConfig"] = last.clone();
    }
    if let Some(serving) = &endpoint.serving {
        if let Some(capture) = &serving.capture {
            answer["DataCaptureConfig"] = capture.summary();
        }
        let status = serving_status(&endpoint);
        answer["ProductionVariants"] =
            serving.variants.iter().map(|v| summary(cloud, v, serving.started, status.as_ref())).collect();
    }
    if let Some(pending) = endpoint.pending.as_ref().filter(|_| endpoint.status != Status::Failed) {
        let deployment = &endpoint.deployment;
        let status = deployment.status(pending.started);
        let summary = |variant: &Variant| {
            let mut summary = summary(cloud, variant, pending.started, Some(&status));
            if deployment.stage == Stage::Creating {
                summary["CurrentInstanceCount"] = 0.into();
            }
            summary
        };
        answer["PendingDeploymentSummary"] = json!({
            "EndpointConfigName": pending.config_name,
            "StartTime": pending.started,
            "ProductionVariants": pending.variants.iter().map(summary).collect::<Vec<_>>(),
        });
    }
    Ok(answer)
}

/// `VariantStatus` of the servers that have served so far, while something changes.
fn serving_status(endpoint: &Endpoint) -> Option<Value> {
    let deployment = &endpoint.deployment;
    match (&endpoint.pending, endpoint.status) {
        (None, Status::Updating) => Some(json!({ "Status": "Updating", "StartTime": endpoint.modified })),
        (Some(_), Status::Updating) if deployment.stage == Stage::Deleting => {
            Some(json!({ "Status": "Deleting", "StartTime": deployment.since }))
        }
        _ => None,
    }
}

fn summary(cloud: &Cloud, variant: &Variant, since: f64, status: Option<&Value>) -> Value {
    let image = &variant.container.image;
    let mut summary = json!({
        "VariantName": variant.name,
        "DeployedImages": [{ "SpecifiedImage": image, "ResolvedImage": resolved(cloud, image), "ResolutionTime": since }],
        "CurrentWeight": variant.current_weight,
        "DesiredWeight": variant.desired_weight,
        "CurrentInstanceCount": variant.current_count,
        "DesiredInstanceCount": variant.desired_count,
    });
    if let Some(serverless) = &variant.serverless {
        summary["CurrentServerlessConfig"] = serverless.clone();
        summary["DesiredServerlessConfig"] = variant.desired_serverless.clone().unwrap_or_else(|| serverless.clone());
    }
    if let Some(status) = status {
        summary["VariantStatus"] = json!([status]);
    }
    summary
}

/// The image by digest. Other registries than this account's cannot be asked, so theirs is a digest of the name.
fn resolved(cloud: &Cloud, image: &str) -> String {
    if image.contains('@') {
        return image.to_owned();
    }
    let repository = image.rsplit_once(':').map_or(image, |(repository, _)| repository);
    let made_up = || format!("sha256:{}", hex::encode(Sha256::digest(image)));
    format!("{repository}@{}", container::digest(cloud, image).unwrap_or_else(made_up))
}

/// The endpoint and the config that a request names.
struct Target {
    name: String,
    key: String,
    arn: String,
    config_key: String,
    config_arn: String,
}

impl Target {
    fn read(names: &Names, request: &Members) -> Result<Self, Refusal> {
        let name = text(request, "EndpointName")?;
        let config = text(request, "EndpointConfigName")?;
        let mut faults = Faults::default();
        faults.name(name, "endpointName");
        faults.name(config, "endpointConfigName");
        faults.finish()?;
        let (name, config) = (name.unwrap_or_default(), config.unwrap_or_default());
        Ok(Self {
            name: name.to_owned(),
            key: name.to_ascii_lowercase(),
            arn: names.arn("endpoint", name),
            config_key: config.to_ascii_lowercase(),
            config_arn: names.arn("endpoint-config", config),
        })
    }
}

/// What an update keeps of the variants that it finds, matched by name.
struct Retained {
    counts: bool,
    weights: bool,
}

impl Retained {
    fn read(request: &Members) -> Result<Self, Refusal> {
        let all = flag(request, "RetainAllVariantProperties")?.unwrap_or(false);
        let mut kept = Self { counts: all, weights: all };
        let mut faults = Faults::default();
        for excluded in list(request, "ExcludeRetainedVariantProperties")?.unwrap_or_default() {
            let kind = text(structure(excluded)?, "VariantPropertyType")?;
            match kind {
                Some("DesiredInstanceCount") => kept.counts = false,
                Some("DesiredWeight") => kept.weights = false,
                Some(_) => faults.one_of(
                    kind,
                    "excludeRetainedVariantProperties.1.member.variantPropertyType",
                    &["DataCaptureConfig", "DesiredInstanceCount", "DesiredWeight"],
                ),
                None => faults.missing("excludeRetainedVariantProperties.1.member.variantPropertyType"),
            }
        }
        faults.finish()?;
        Ok(kept)
    }

    fn keep(&self, serving: &Fleet, pending: &mut Fleet) {
        let old: BTreeMap<_, _> = serving.variants.iter().map(|variant| (&variant.name, variant)).collect();
        for variant in &mut pending.variants {
            let Some(old) = old.get(&variant.name) else { continue };
            if self.counts && variant.serverless.is_none() && old.serverless.is_none() {
                (variant.current_count, variant.desired_count) = (old.desired_count, old.desired_count);
            }
            if self.weights {
                (variant.current_weight, variant.desired_weight) = (old.desired_weight, old.desired_weight);
            }
        }
    }
}

/// Serverless may become instances, but not the reverse.
fn refuse_conversion(serving: &Fleet, pending: &Fleet) -> Result<(), Refusal> {
    let had_instances = serving.variants.iter().any(|variant| variant.serverless.is_none());
    let wants_serverless = pending.variants.iter().any(|variant| variant.serverless.is_some());
    if had_instances && wants_serverless {
        return Err(invalid("An instance-based endpoint cannot be converted to a serverless endpoint."));
    }
    Ok(())
}

/// An endpoint whose variants are scaled is deleted only by those who may deregister them. Source: a report in a public
/// issue, which quotes it.
fn may_deregister(cloud: &Cloud, call: &Call, key: &str) -> Result<(), Refusal> {
    let endpoint = cloud.sagemaker.memory.read(|memory| memory.endpoints.get(key).cloned());
    let Some(endpoint) = endpoint else { return Ok(()) };
    let mut variants = endpoint.serving.iter().flat_map(|fleet| &fleet.variants);
    let target = variants.find_map(|variant| cloud.autoscaling.target_of(&endpoint.name, &variant.name));
    let Some(target) = target else { return Ok(()) };
    let action = "application-autoscaling:DeregisterScalableTarget";
    cloud.iam.ask(&call.caller, &Permission::new(action, target)).map_err(|_| {
        invalid(
            "An Application AutoScaling scalable target exists for a variant being deleted, and the IAM identity used \
             to invoke DeleteEndpoint does not have application-autoscaling:DeregisterScalableTarget permission to \
             deregister the scalable target.",
        )
    })
}

/// A variant that is scaled keeps its name and its type. Source: AWS documentation, endpoint auto scaling,
/// considerations; the sentence is not verified.
fn refuse_registered(cloud: &Cloud, name: &str, arn: &str, serving: &Fleet, pending: &Fleet) -> Result<(), Refusal> {
    for old in &serving.variants {
        let new = pending.variants.iter().find(|new| new.name == old.name);
        let same = new.is_some_and(|new| new.instance_type == old.instance_type);
        if !same && cloud.autoscaling.target_of(name, &old.name).is_some() {
            return Err(invalid(format!(
                "Cannot change the instance type of variant \"{}\" of endpoint \"{arn}\" while it is a target of \
                 automatic scaling. Deregister the variant from automatic scaling before you update the endpoint.",
                old.name
            )));
        }
    }
    Ok(())
}

fn must_be_settled(endpoint: &Endpoint) -> Result<(), Refusal> {
    match endpoint.status {
        Status::InService | Status::UpdateRollbackFailed => Ok(()),
        Status::Failed => Err(invalid(format!("Cannot update failed endpoint \"{}\".", endpoint.arn))),
        _ => Err(busy(&endpoint.arn)),
    }
}

/// AWS says "update" of a deletion, too.
fn busy(arn: &str) -> Refusal {
    invalid(format!("Cannot update in-progress endpoint \"{arn}\"."))
}

fn required_name(names: &Names, request: &Members) -> Result<(String, String), Refusal> {
    let name = text(request, "EndpointName")?;
    let mut faults = Faults::default();
    faults.name(name, "endpointName");
    faults.finish()?;
    let name = name.unwrap_or_default();
    Ok((name.to_ascii_lowercase(), names.arn("endpoint", name)))
}
