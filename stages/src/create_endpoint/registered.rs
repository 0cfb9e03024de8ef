//! What Application Auto Scaling knows of a variant: read, written and written again.

use std::collections::HashMap;

use aws_sdk_applicationautoscaling::types::{
    PolicyType, ScalableDimension, ScalableTarget, ScalingPolicy, ServiceNamespace, StepScalingPolicyConfiguration,
    SuspendedState, TargetTrackingScalingPolicyConfiguration,
};

use super::VARIANT;
use crate::cloud_error::{Explain, if_present};
use crate::{Clients, CloudError, Ctx, Names, Right, StageError, tags};

const NAMESPACE: ServiceNamespace = ServiceNamespace::Sagemaker;
/// The role as which the service scales endpoints, and who it is. Source: AWS documentation, service-linked roles of
/// Application Auto Scaling.
const ROLE: &str = "AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint";
const ROLE_SERVICE: &str = "sagemaker.application-autoscaling.amazonaws.com";

/// A scalable target with its policies.
#[derive(Clone, Debug)]
pub(super) struct Registered {
    /// For example `endpoint/fraud/variant/main`.
    pub(super) resource: String,
    /// What of it is scaled.
    pub(super) dimension: ScalableDimension,
    pub(super) min: i32,
    pub(super) max: i32,
    pub(super) suspended: Option<SuspendedState>,
    pub(super) tags: HashMap<String, String>,
    pub(super) policies: Vec<Policy>,
}

/// A scaling policy.
#[derive(Clone, Debug)]
pub(super) struct Policy {
    pub(super) name: String,
    kind: PolicyType,
    pub(super) tracking: Option<TargetTrackingScalingPolicyConfiguration>,
    steps: Option<StepScalingPolicyConfiguration>,
}

/// The one variant's name there.
pub(super) fn resource(names: &Names) -> String {
    format!("endpoint/{}/variant/{VARIANT}", names.endpoint)
}

/// What all calls here need, and what the service does in the caller's name: it makes alarms, looks at the endpoint and
/// scales it, and the first registration of an account makes its role. Source: AWS documentation, endpoint auto scaling.
pub(super) fn rights(names: &Names) -> Vec<Right> {
    let site = &names.site;
    let of_targets = [
        "application-autoscaling:RegisterScalableTarget",
        "application-autoscaling:DeregisterScalableTarget",
        "application-autoscaling:PutScalingPolicy",
        "application-autoscaling:DeleteScalingPolicy",
        "application-autoscaling:TagResource",
    ];
    let of_endpoint = ["sagemaker:DescribeEndpoint", "sagemaker:UpdateEndpointWeightsAndCapacities"];
    let targets = site.arn("application-autoscaling", "scalable-target/*");
    let alarms = site.arn("cloudwatch", &format!("alarm:TargetTracking-{}-*", resource(names)));
    let role = format!("arn:{}:iam::{}:role/aws-service-role/{ROLE_SERVICE}/{ROLE}", site.partition(), site.account);
    let mut rights = rights_to_look(names);
    rights.extend([
        Right::new("Autoscaling", &of_targets, targets.as_str()),
        Right::new("Autoscaling", &["application-autoscaling:DeregisterScalableTarget"], targets.as_str()).to_delete(),
        Right::new("AutoscalingAlarms", &["cloudwatch:PutMetricAlarm", "cloudwatch:DeleteAlarms"], alarms.as_str()),
        Right::new("AutoscalingAlarms", &["cloudwatch:DeleteAlarms"], alarms.as_str()).to_delete(),
        Right::new("Endpoint", &of_endpoint, names.endpoint_arn()),
        Right::new("AutoscalingRole", &["iam:CreateServiceLinkedRole"], role).when("iam:AWSServiceName", ROLE_SERVICE),
    ]);
    rights
}

/// To look at who scales.
pub(super) fn rights_to_look(names: &Names) -> Vec<Right> {
    let looks = ["application-autoscaling:DescribeScalableTargets", "application-autoscaling:DescribeScalingPolicies"];
    let targets = names.site.arn("application-autoscaling", "scalable-target/*");
    vec![
        Right::new("NoResource", &looks, "*"),
        Right::new("Autoscaling", &["application-autoscaling:ListTagsForResource"], targets),
    ]
}

/// All that is registered of a variant, ours or not: at most one target for each thing that can be scaled.
pub(super) async fn of(clients: &Clients, resource: &str) -> Result<Vec<Registered>, CloudError> {
    let request = clients.autoscaling.describe_scalable_targets().service_namespace(NAMESPACE).resource_ids(resource);
    let answer = request.send().await;
    let answer = answer.about("application-autoscaling:DescribeScalableTargets", subject(resource))?;
    if answer.scalable_targets().is_empty() {
        return Ok(vec![]);
    }
    let mut policies = policies(clients, resource).await?;
    let mut all = vec![];
    for target in answer.scalable_targets() {
        let dimension = target.scalable_dimension();
        let (of_it, others) = policies.into_iter().partition(|policy| policy.scalable_dimension() == dimension);
        policies = others;
        if let Some(tags) = tags_of(clients, target).await? {
            all.push(Registered::new(target, tags, of_it));
        }
    }
    Ok(all)
}

async fn policies(clients: &Clients, resource: &str) -> Result<Vec<ScalingPolicy>, CloudError> {
    let request = clients.autoscaling.describe_scaling_policies().service_namespace(NAMESPACE).resource_id(resource);
    let mut pages = request.into_paginator().items().send();
    let mut policies = vec![];
    while let Some(policy) = pages.next().await {
        policies.push(policy.about("application-autoscaling:DescribeScalingPolicies", subject(resource))?);
    }
    Ok(policies)
}

/// Targets that were registered before there were tags have no ARN, and so none; none at all when the target is gone.
async fn tags_of(clients: &Clients, target: &ScalableTarget) -> Result<Option<HashMap<String, String>>, CloudError> {
    let Some(arn) = target.scalable_target_arn() else { return Ok(Some(HashMap::new())) };
    let answer = clients.autoscaling.list_tags_for_resource().resource_arn(arn).send().await;
    let answer = answer.about("application-autoscaling:ListTagsForResource", subject(target.resource_id()));
    Ok(if_present(answer)?.map(|answer| answer.tags.unwrap_or_default()))
}

impl Registered {
    fn new(target: &ScalableTarget, tags: HashMap<String, String>, policies: Vec<ScalingPolicy>) -> Self {
        Self {
            resource: target.resource_id().to_owned(),
            dimension: target.scalable_dimension().clone(),
            min: target.min_capacity(),
            max: target.max_capacity(),
            suspended: target.suspended_state().cloned(),
            tags,
            policies: policies.into_iter().map(Policy::of).collect(),
        }
    }

    /// Why it is not ours; none when it is.
    pub(super) fn foreign(&self, names: &Names) -> Option<String> {
        tags::foreign(names, self.tags.iter().map(|(key, value)| (key.as_str(), value.as_str())))
    }

    /// Makes it, or changes it; tags can be given to a new one alone.
    pub(super) async fn register(&self, ctx: &Ctx<'_>, is_new: bool) -> Result<(), StageError> {
        let tags = is_new.then(|| self.tags.clone());
        ctx.visible(&subject(&self.resource), ctx.limits.propagation, || async {
            let request = ctx.clients.autoscaling.register_scalable_target().service_namespace(NAMESPACE);
            let request = request.resource_id(&self.resource).scalable_dimension(self.dimension.clone());
            let request = request.min_capacity(self.min).max_capacity(self.max);
            let answer = request.set_suspended_state(self.suspended.clone()).set_tags(tags.clone()).send().await;
            answer.about("application-autoscaling:RegisterScalableTarget", subject(&self.resource)).map(drop)
        })
        .await
    }

    pub(super) async fn put_policy(&self, ctx: &Ctx<'_>, policy: &Policy) -> Result<(), StageError> {
        let about = format!("scaling policy `{}`", policy.name);
        ctx.visible(&about, ctx.limits.propagation, || async {
            let request = ctx.clients.autoscaling.put_scaling_policy().service_namespace(NAMESPACE);
            let request = request.policy_name(&policy.name).policy_type(policy.kind.clone());
            let request = request.resource_id(&self.resource).scalable_dimension(self.dimension.clone());
            let request = request.set_target_tracking_scaling_policy_configuration(policy.tracking.clone());
            let answer = request.set_step_scaling_policy_configuration(policy.steps.clone()).send().await;
            answer.about("application-autoscaling:PutScalingPolicy", &about).map(drop)
        })
        .await
    }

    pub(super) async fn delete_policy(&self, ctx: &Ctx<'_>, name: &str) -> Result<(), StageError> {
        let about = format!("scaling policy `{name}`");
        ctx.settled(&about, ctx.limits.propagation, || async {
            let request = ctx.clients.autoscaling.delete_scaling_policy().service_namespace(NAMESPACE);
            let request = request.resource_id(&self.resource).scalable_dimension(self.dimension.clone());
            let answer = request.policy_name(name).send().await;
            if_present(answer.about("application-autoscaling:DeleteScalingPolicy", &about)).map(drop)
        })
        .await
    }

    /// Its policies go with it.
    pub(super) async fn deregister(&self, ctx: &Ctx<'_>) -> Result<(), StageError> {
        ctx.settled(&subject(&self.resource), ctx.limits.propagation, || async {
            let request = ctx.clients.autoscaling.deregister_scalable_target().service_namespace(NAMESPACE);
            let request = request.resource_id(&self.resource).scalable_dimension(self.dimension.clone());
            let answer = request.send().await;
            let answer = answer.about("application-autoscaling:DeregisterScalableTarget", subject(&self.resource));
            if_present(answer).map(drop)
        })
        .await
    }
}

impl Policy {
    /// One that follows a metric.
    pub(super) fn tracking(name: String, tracking: TargetTrackingScalingPolicyConfiguration) -> Self {
        Self { name, kind: PolicyType::TargetTrackingScaling, tracking: Some(tracking), steps: None }
    }

    fn of(live: ScalingPolicy) -> Self {
        Self {
            name: live.policy_name,
            kind: live.policy_type,
            tracking: live.target_tracking_scaling_policy_configuration,
            steps: live.step_scaling_policy_configuration,
        }
    }
}

fn subject(resource: &str) -> String {
    format!("autoscaling of `{resource}`")
}
