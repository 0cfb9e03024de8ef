//! What changes an endpoint that serves: another config, or another number of machines.

use aws_sdk_sagemaker::operation::describe_endpoint::DescribeEndpointOutput;
use aws_sdk_sagemaker::types::{
    DeploymentConfig, DesiredWeightAndCapacity, EndpointStatus, ProductionVariantServerlessUpdateConfig,
    VariantProperty, VariantPropertyType,
};
use plan::Outputs;
use spec::Capacity;

use super::endpoint::Endpoint;
use super::registered::Registered;
use super::{VARIANT, autoscaling, progress, watched};
use crate::cloud_error::{Explain, Meaning};
use crate::{Ctx, StageError};

impl Endpoint {
    /// Switches it from what it serves to `config`, new machines beside the old, and waits until it serves that.
    ///
    /// `guard` says how traffic moves, and which alarms are watched. Autoscaling of ours is off meanwhile where it would
    /// be in the way: SageMaker changes no machine type of what is scaled, and where the file asks for none, the file's
    /// count is not to be scaled away.
    pub(super) async fn switch(
        &self,
        ctx: &Ctx<'_>,
        live: &DescribeEndpointOutput,
        config: &str,
        guard: Option<(DeploymentConfig, Vec<String>)>,
    ) -> Result<Outputs, StageError> {
        let paused = self.pause(ctx, live, config).await?;
        let (guard, alarms) = guard.unzip();
        let switched = async {
            self.calm(ctx, alarms.as_deref().unwrap_or_default()).await?;
            self.call(ctx, config, guard).await?;
            self.serve(ctx, config, Some(live)).await
        }
        .await;
        let still_wanted = self.wanted.autoscaling.is_some();
        let back = match &switched {
            Ok(_) if !still_wanted => Ok(()),
            _ => autoscaling::resume(ctx, &paused, &self.wanted.capacity).await,
        };
        match (switched, back) {
            (Err(error), Err(back)) => {
                (ctx.say)(format!("warning: autoscaling could not be registered again: {back}"));
                Err(error)
            }
            (switched, back) => switched.and_then(|outputs| back.map(|()| outputs)),
        }
    }

    async fn pause(
        &self,
        ctx: &Ctx<'_>,
        live: &DescribeEndpointOutput,
        config: &str,
    ) -> Result<Vec<Registered>, StageError> {
        if self.wanted.autoscaling.is_none() {
            return autoscaling::pause(ctx, &self.names).await;
        }
        let serves = live.endpoint_config_name().unwrap_or_default();
        let other_machines = serves != config
            && self.machine_type(ctx.clients, serves).await? != self.machine_type(ctx.clients, config).await?;
        if other_machines { autoscaling::pause(ctx, &self.names).await } else { Ok(vec![]) }
    }

    /// Waits until no alarm rings: SageMaker would take the update back at once.
    /// Source: AWS documentation, deployment guardrails.
    async fn calm(&self, ctx: &Ctx<'_>, alarms: &[String]) -> Result<(), StageError> {
        let mut pace = ctx.pace(ctx.limits.alarms);
        while !alarms.is_empty() {
            let states = watched::states(ctx.clients, alarms).await?;
            let Some(ringing) = states.into_iter().find(|state| state.rings) else { return Ok(()) };
            if pace.first() {
                (ctx.say)(format!("waiting for alarm `{}` to be calm, usually 1 to 2 minutes on AWS", ringing.name));
            }
            if !pace.pause().await {
                let cause = format!(
                    "alarm `{}` rings, so that the new version would be taken back at once: {}\nmend what it watches, or \
                     take it out of `rollback-on` for this update",
                    ringing.name, ringing.words
                );
                return Err(StageError::Failed { what: format!("the update of {}", self.subject()), cause });
            }
        }
        Ok(())
    }

    /// Asks for the update. A call that is refused because an update to that very config is on its way has done its
    /// work: only the answer was lost.
    async fn call(&self, ctx: &Ctx<'_>, config: &str, guard: Option<DeploymentConfig>) -> Result<(), StageError> {
        let retained = self.retained(ctx).await?;
        ctx.visible(&self.subject(), ctx.limits.propagation, || async {
            let request = ctx.clients.sagemaker.update_endpoint().endpoint_name(&self.names.endpoint);
            let request = request.endpoint_config_name(config).set_deployment_config(guard.clone());
            let request = request.set_retain_all_variant_properties(retained.is_some().then_some(true));
            let request = request.set_exclude_retained_variant_properties(retained.clone());
            match request.send().await.about("sagemaker:UpdateEndpoint", self.subject()) {
                Err(error) if error.meaning() == Meaning::Busy => {
                    let live = self.describe(ctx.clients).await?;
                    let pending = live.as_ref().and_then(DescribeEndpointOutput::pending_deployment_summary);
                    let ours = pending.is_some_and(|pending| pending.endpoint_config_name() == Some(config));
                    if ours { Ok(()) } else { Err(error) }
                }
                answer => answer.map(drop),
            }
        })
        .await
    }

    /// What of the variant is retained but for what is listed; none where the config says all. Somebody scales the
    /// machines, so their number is theirs.
    async fn retained(&self, ctx: &Ctx<'_>) -> Result<Option<Vec<VariantProperty>>, StageError> {
        let scaled = self.wanted.autoscaling.is_some()
            || autoscaling::is_others(ctx.clients, &self.names, &self.wanted.capacity).await?;
        if !scaled || self.is_serverless() {
            return Ok(None);
        }
        let weight = VariantProperty::builder().variant_property_type(VariantPropertyType::DesiredWeight).build();
        Ok(Some(vec![weight]))
    }

    /// Gives the variant the number of machines, or the concurrency, that the file asks for.
    pub(super) async fn rescale(&self, ctx: &Ctx<'_>) -> Result<(), StageError> {
        if self.wanted.autoscaling.is_none() {
            autoscaling::pause(ctx, &self.names).await?;
        }
        let wanted = DesiredWeightAndCapacity::builder().variant_name(VARIANT);
        let wanted = match &self.wanted.capacity {
            Capacity::Instances { count, .. } => wanted.desired_instance_count(*count),
            Capacity::Serverless { max_concurrency, provisioned_concurrency, .. } => {
                let warm = provisioned_concurrency.filter(|_| self.wanted.autoscaling.is_none());
                let config = ProductionVariantServerlessUpdateConfig::builder().max_concurrency(*max_concurrency);
                wanted.serverless_update_config(config.set_provisioned_concurrency(warm).build())
            }
        }
        .build();
        ctx.settled(&self.subject(), ctx.limits.endpoint, || async {
            let request = ctx.clients.sagemaker.update_endpoint_weights_and_capacities();
            let request = request.endpoint_name(&self.names.endpoint).desired_weights_and_capacities(wanted.clone());
            request.send().await.about("sagemaker:UpdateEndpointWeightsAndCapacities", self.subject()).map(drop)
        })
        .await?;
        let live = self.until_settled(ctx).await?.ok_or_else(|| self.gone())?;
        if progress::status(&live) == EndpointStatus::InService {
            return Ok(());
        }
        Err(StageError::Failed { what: self.subject(), cause: self.cause(ctx, &live, None).await })
    }
}
