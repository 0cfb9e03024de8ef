//! Autoscaling of the endpoint's one variant: a scalable target and one policy that tracks a target.
//!
//! It changes only once the endpoint is proved. What the endpoint needs of it while it is switched is in `pause`.

use async_trait::async_trait;
use aws_sdk_applicationautoscaling::types::{
    MetricType, PredefinedMetricSpecification, ScalableDimension, SuspendedState,
    TargetTrackingScalingPolicyConfiguration,
};
use plan::{Facts, Observation, Outputs, ResourceId};
use serde_json::{Value as Json, json};
use spec::{Autoscaling, Capacity, CreateEndpoint, ScalingTarget};

use super::STAGE;
use super::endpoint::{ENDPOINT, ENDPOINT_ARN, Endpoint};
use super::registered::{self, Registered};
use crate::{Clients, CloudError, Ctx, Names, Resource, Right, StageError, smoke_test, tags};

/// What scales the endpoint.
pub const AUTOSCALING: ResourceId = ResourceId::new("create-endpoint/autoscaling");

/// What is scaled where nothing runs but on demand.
const PROVISIONED: &str = "provisioned concurrency";

#[derive(Debug)]
pub(super) struct Scaling {
    wanted: CreateEndpoint,
    /// For example `endpoint/fraud/variant/main`.
    resource: String,
    names: Names,
}

#[async_trait]
impl Resource for Scaling {
    fn id(&self) -> ResourceId {
        AUTOSCALING
    }

    fn kind(&self) -> &'static str {
        "autoscaling"
    }

    fn name(&self) -> &str {
        &self.resource
    }

    fn desired(&self) -> Facts {
        let Some(scaling) = &self.wanted.autoscaling else { return Facts::default() };
        let on = match &self.wanted.capacity {
            Capacity::Instances { instance_type, .. } => instance_type,
            Capacity::Serverless { .. } => PROVISIONED,
        };
        let again = "SageMaker changes no machine type of what is scaled: it is deregistered for the change, and \
                     registered again";
        // It goes with the endpoint that it scales.
        let facts = Facts::default().fixed("endpoint", &ENDPOINT_ARN).field("on", on).told("on", "meanwhile", again);
        facts.and(facts_of(scaling)).field("policies", json!([self.policy()]))
    }

    fn after(&self) -> Vec<ResourceId> {
        vec![ENDPOINT, smoke_test::REQUEST]
    }

    fn rights(&self) -> Vec<Right> {
        registered::rights(&self.names)
    }

    async fn observe(&self, clients: &Clients) -> Result<Observation, StageError> {
        Ok(self.look(clients).await?)
    }

    async fn create(&self, ctx: &Ctx<'_>) -> Result<Outputs, StageError> {
        self.update(ctx).await
    }

    /// Registering and putting both make what is not there and change what is.
    async fn update(&self, ctx: &Ctx<'_>) -> Result<Outputs, StageError> {
        let Some(scaling) = &self.wanted.autoscaling else { return Ok(Outputs::new()) };
        let endpoint = Endpoint::new(&self.wanted, &self.names);
        endpoint.until_settled(ctx).await?;
        let live = registered::of(ctx.clients, &self.resource).await?;
        let dimension = dimension(&self.wanted.capacity);
        let live = live.iter().find(|live| live.dimension == dimension);
        let suspended = SuspendedState::builder()
            .dynamic_scaling_in_suspended(false)
            .dynamic_scaling_out_suspended(false)
            .scheduled_scaling_suspended(false)
            .build();
        let target = Registered {
            resource: self.resource.clone(),
            dimension,
            min: scaling.min,
            max: scaling.max,
            suspended: Some(suspended),
            tags: tags::of(&self.names, STAGE.name),
            policies: vec![],
        };
        target.register(ctx, live.is_none()).await?;
        target.put_policy(ctx, &registered::Policy::tracking(self.policy(), configuration(scaling))).await?;
        for other in live.into_iter().flat_map(|live| &live.policies).filter(|policy| policy.name != self.policy()) {
            target.delete_policy(ctx, &other.name).await?;
        }
        Ok(Outputs::new())
    }

    async fn delete(&self, ctx: &Ctx<'_>, _: &str) -> Result<(), StageError> {
        pause(ctx, &self.names).await.map(drop)
    }
}

impl Scaling {
    /// Whether the pipeline file asks for it.
    pub(super) fn is_wanted(&self) -> bool {
        self.wanted.autoscaling.is_some()
    }

    pub(super) fn new(wanted: &CreateEndpoint, names: &Names) -> Self {
        Self { wanted: wanted.clone(), resource: registered::resource(names), names: names.clone() }
    }

    fn policy(&self) -> String {
        format!("{}-target-tracking", self.names.endpoint)
    }

    async fn look(&self, clients: &Clients) -> Result<Observation, CloudError> {
        let live = registered::of(clients, &self.resource).await?;
        let scales = |live: &&Registered| !self.is_wanted() || live.dimension == dimension(&self.wanted.capacity);
        let Some(live) = live.iter().find(scales) else { return Ok(Observation::Absent) };
        if let Some(owner) = live.foreign(&self.names) {
            return Ok(Observation::Foreign { owner });
        }
        let (arn, on) = Endpoint::new(&self.wanted, &self.names).runs_on(clients).await?;
        let on = on.unwrap_or_else(|| PROVISIONED.to_owned());
        let facts = Facts::default().field("endpoint", arn).field("on", on);
        let policies: Vec<_> = live.policies.iter().map(|policy| policy.name.as_str()).collect();
        let facts = facts.and(self.live_facts(live)).field("policies", json!(policies));
        Ok(Observation::Present { facts, outputs: Outputs::new() })
    }

    fn live_facts(&self, live: &Registered) -> Facts {
        let facts = Facts::default().field("min", live.min).field("max", live.max);
        let ours = live.policies.iter().find(|policy| policy.name == self.policy());
        let tracking = ours.and_then(|policy| policy.tracking.as_ref());
        let facts = facts.field("scales", scales_words(tracking, live.suspended.as_ref()));
        let Some(tracking) = tracking else { return facts };
        let metric = tracking.predefined_metric_specification().map(|metric| metric.predefined_metric_type().clone());
        let facts = match metric.as_ref().and_then(fact_of) {
            Some(name) => facts.field(name, number(tracking.target_value())),
            None => facts,
        };
        let cooldowns = [
            ("scale_in_cooldown_s", tracking.scale_in_cooldown()),
            ("scale_out_cooldown_s", tracking.scale_out_cooldown()),
        ];
        let known = cooldowns.into_iter().filter_map(|(name, cooldown)| Some((name, cooldown?)));
        known.fold(facts, |facts, (name, cooldown)| facts.field(name, cooldown))
    }
}

/// Ends our autoscaling of the endpoint. Returns what there was, to be registered again.
pub(super) async fn pause(ctx: &Ctx<'_>, names: &Names) -> Result<Vec<Registered>, StageError> {
    let mut ours = registered::of(ctx.clients, &registered::resource(names)).await?;
    ours.retain(|live| live.foreign(names).is_none());
    for live in &ours {
        live.deregister(ctx).await?;
    }
    Ok(ours)
}

/// Registers again what was paused, as far as it can scale `capacity`.
pub(super) async fn resume(ctx: &Ctx<'_>, paused: &[Registered], capacity: &Capacity) -> Result<(), StageError> {
    for live in paused.iter().filter(|live| live.dimension == dimension(capacity)) {
        live.register(ctx, true).await?;
        for policy in &live.policies {
            live.put_policy(ctx, policy).await?;
        }
    }
    Ok(())
}

/// Whether somebody else scales an endpoint of this capacity. Who may not look is told so: taking nobody to scale it would
/// undo what autoscaling did.
pub(super) async fn is_others(clients: &Clients, names: &Names, capacity: &Capacity) -> Result<bool, CloudError> {
    if !capacity.can_be_scaled() {
        return Ok(false);
    }
    let live = registered::of(clients, &registered::resource(names)).await?;
    Ok(live.iter().any(|live| live.foreign(names).is_some()))
}

fn dimension(capacity: &Capacity) -> ScalableDimension {
    match capacity {
        Capacity::Instances { .. } => ScalableDimension::SageMakerVariantDesiredInstanceCount,
        Capacity::Serverless { .. } => ScalableDimension::SageMakerVariantDesiredProvisionedConcurrency,
    }
}

fn facts_of(scaling: &Autoscaling) -> Facts {
    let facts = Facts::default().field("min", scaling.min).field("max", scaling.max);
    let facts = facts.field("scales", if scaling.scale_in { IN_AND_OUT } else { OUT_ALONE });
    let facts = match scaling.target {
        ScalingTarget::InvocationsPerInstance(value) => facts.field(INVOCATIONS, number(value)),
        ScalingTarget::Utilization(value) => facts.field(UTILIZATION, number(value)),
    };
    facts
        .field("scale_in_cooldown_s", scaling.scale_in_cooldown_s)
        .field("scale_out_cooldown_s", scaling.scale_out_cooldown_s)
}

const INVOCATIONS: &str = "invocations_per_instance";
const UTILIZATION: &str = "utilization";
const IN_AND_OUT: &str = "in and out";
const OUT_ALONE: &str = "out, never in";

fn fact_of(metric: &MetricType) -> Option<&'static str> {
    match metric {
        MetricType::SageMakerVariantInvocationsPerInstance => Some(INVOCATIONS),
        MetricType::SageMakerVariantProvisionedConcurrencyUtilization => Some(UTILIZATION),
        _ => None,
    }
}

fn configuration(scaling: &Autoscaling) -> TargetTrackingScalingPolicyConfiguration {
    let (metric, value) = match scaling.target {
        ScalingTarget::InvocationsPerInstance(value) => (MetricType::SageMakerVariantInvocationsPerInstance, value),
        ScalingTarget::Utilization(value) => (MetricType::SageMakerVariantProvisionedConcurrencyUtilization, value),
    };
    let metric = PredefinedMetricSpecification::builder().predefined_metric_type(metric);
    let configuration = TargetTrackingScalingPolicyConfiguration::builder().target_value(value);
    configuration
        .predefined_metric_specification(metric.build().unwrap_or_else(|_| unreachable!("the type is set")))
        .disable_scale_in(!scaling.scale_in)
        .scale_in_cooldown(scaling.scale_in_cooldown_s)
        .scale_out_cooldown(scaling.scale_out_cooldown_s)
        .build()
        .unwrap_or_else(|_| unreachable!("the target is set"))
}

/// Which way it scales, and what somebody suspended of that.
fn scales_words(
    tracking: Option<&TargetTrackingScalingPolicyConfiguration>,
    suspended: Option<&SuspendedState>,
) -> String {
    let ways = match tracking.map(|tracking| tracking.disable_scale_in() == Some(true)) {
        None => "not at all",
        Some(true) => OUT_ALONE,
        Some(false) => IN_AND_OUT,
    };
    let is = |given: Option<bool>| given == Some(true);
    let parts = suspended.map(|state| {
        [
            (is(state.dynamic_scaling_in_suspended()), "in"),
            (is(state.dynamic_scaling_out_suspended()), "out"),
            (is(state.scheduled_scaling_suspended()), "by schedule"),
        ]
    });
    let parts: Vec<_> = parts.into_iter().flatten().filter(|(is, _)| *is).map(|(_, part)| part).collect();
    if parts.is_empty() { ways.to_owned() } else { format!("{ways}; suspended: {}", parts.join(", ")) }
}

/// A number as people write it.
#[expect(clippy::cast_possible_truncation, reason = "it is a whole number of moderate size")]
fn number(value: f64) -> Json {
    if value.fract() == 0.0 && value.abs() < 1e15 { json!(value as i64) } else { json!(value) }
}
