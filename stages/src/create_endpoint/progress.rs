//! Waiting for an endpoint, and telling what it does meanwhile.

use std::time::Duration;

use aws_sdk_sagemaker::operation::describe_endpoint::DescribeEndpointOutput;
use aws_sdk_sagemaker::primitives::DateTime;
use aws_sdk_sagemaker::types::{EndpointStatus, VariantStatus};
use plan::Outputs;

use super::deployment;
use super::endpoint::Endpoint;
use crate::{Ctx, StageError};

/// What to know of an endpoint whose update failed, and whose way back as well.
const MIXED: &str = "neither the update nor going back from it succeeded, so it serves with machines of both versions; \
                     nothing was deleted: apply again, which updates it once more, and ask AWS Support if that is refused";

/// An endpoint that is on its way no longer.
#[derive(Debug)]
pub(super) struct Settled {
    pub(super) endpoint: DescribeEndpointOutput,
    /// When what it was seen doing began, by the service's clock.
    since: Option<DateTime>,
}

pub(super) fn status(endpoint: &DescribeEndpointOutput) -> EndpointStatus {
    endpoint.endpoint_status().cloned().unwrap_or(EndpointStatus::OutOfService)
}

/// Whether an endpoint's status stays until somebody changes it.
fn is_settled(endpoint: &DescribeEndpointOutput) -> bool {
    matches!(
        status(endpoint),
        EndpointStatus::InService
            | EndpointStatus::Failed
            | EndpointStatus::OutOfService
            | EndpointStatus::UpdateRollbackFailed
    )
}

impl Endpoint {
    /// Waits until it serves `config`. SageMaker quietly goes back to the old config when a new one does not come up,
    /// so `InService` alone proves nothing.
    ///
    /// `before` is what was there before an update: going back to the same config is told by a new reason alone.
    pub(super) async fn serve(
        &self,
        ctx: &Ctx<'_>,
        config: &str,
        before: Option<&DescribeEndpointOutput>,
    ) -> Result<Outputs, StageError> {
        self.served(ctx, config, before).await.map_err(|error| self.lacks.explain(error))
    }

    async fn served(
        &self,
        ctx: &Ctx<'_>,
        config: &str,
        before: Option<&DescribeEndpointOutput>,
    ) -> Result<Outputs, StageError> {
        let settled = self.watch(ctx).await?.ok_or_else(|| self.gone())?;
        let live = &settled.endpoint;
        let serves = live.endpoint_config_name().unwrap_or_default();
        let same = before.is_some_and(|before| before.endpoint_config_name() == Some(config));
        let complains = live
            .failure_reason()
            .is_some_and(|reason| before.and_then(|before| before.failure_reason()) != Some(reason));
        if status(live) == EndpointStatus::InService && serves == config && !(same && complains) {
            return Ok(self.outputs(live.endpoint_arn().unwrap_or_default()));
        }
        // What was over before it was looked at began after the version before had come.
        let since = settled.since.or_else(|| match before {
            Some(before) => before.last_modified_time().copied(),
            None => live.creation_time().copied(),
        });
        let cause = self.cause(ctx, live, since.as_ref()).await;
        Err(match status(live) {
            EndpointStatus::InService => {
                StageError::RolledBack { endpoint: self.names.endpoint.clone(), serves: serves.to_owned(), cause }
            }
            EndpointStatus::UpdateRollbackFailed => {
                StageError::Failed { what: self.subject(), cause: format!("{MIXED}\n{cause}") }
            }
            _ => StageError::Failed { what: self.subject(), cause },
        })
    }

    /// What it is once it is on its way no longer; none when it is absent.
    pub(super) async fn until_settled(&self, ctx: &Ctx<'_>) -> Result<Option<DescribeEndpointOutput>, StageError> {
        Ok(self.watch(ctx).await?.map(|settled| settled.endpoint))
    }

    /// Waits until an endpoint that is being deleted is no more.
    pub(super) async fn until_gone(&self, ctx: &Ctx<'_>) -> Result<(), StageError> {
        (ctx.say)(format!("waiting for {} to be gone, usually 10 s to 2 minutes", self.subject()));
        let mut pace = ctx.pace(ctx.limits.endpoint);
        while let Some(endpoint) = self.describe(ctx.clients).await? {
            if !pace.pause().await {
                return Err(self.timed_out("was not gone", ctx.limits.endpoint, &endpoint));
            }
        }
        Ok(())
    }

    async fn watch(&self, ctx: &Ctx<'_>) -> Result<Option<Settled>, StageError> {
        let limit = ctx.limits.endpoint + deployment::extra(&self.wanted);
        let mut pace = ctx.pace(limit);
        let (mut since, mut told) = (None, String::new());
        loop {
            let Some(endpoint) = self.describe(ctx.clients).await? else { return Ok(None) };
            if is_settled(&endpoint) {
                return Ok(Some(Settled { endpoint, since }));
            }
            since = since.or_else(|| began(&endpoint));
            let words = words(&endpoint);
            if words != told {
                (ctx.say)(format!("waiting for {}: {words}", self.subject()));
                told = words;
            }
            if !pace.pause().await {
                return Err(self.timed_out("did not settle", limit, &endpoint));
            }
        }
    }

    fn timed_out(&self, what: &str, limit: Duration, endpoint: &DescribeEndpointOutput) -> StageError {
        let status = status(endpoint);
        let last = match status {
            EndpointStatus::Creating | EndpointStatus::Updating => format!("{status}, {}", words(endpoint)),
            _ => status.to_string(),
        };
        StageError::TimedOut { what: format!("{} {what}", self.subject()), limit_s: limit.as_secs(), last }
    }
}

/// When what an endpoint is doing began.
fn began(endpoint: &DescribeEndpointOutput) -> Option<DateTime> {
    match status(endpoint) {
        EndpointStatus::Creating => endpoint.creation_time().copied(),
        EndpointStatus::Updating => {
            let pending = endpoint.pending_deployment_summary().and_then(|pending| pending.start_time());
            pending.or_else(|| endpoint.last_modified_time()).copied()
        }
        _ => None,
    }
}

/// What an endpoint that is on its way is doing.
fn words(endpoint: &DescribeEndpointOutput) -> String {
    match status(endpoint) {
        EndpointStatus::Creating => "its machines start, usually 3 to 8 minutes on AWS".to_owned(),
        EndpointStatus::Updating => updating_words(endpoint),
        EndpointStatus::SystemUpdating => "AWS maintains it and lets nobody change it, usually minutes".to_owned(),
        EndpointStatus::Deleting => "it is being deleted, usually 10 s to 2 minutes".to_owned(),
        EndpointStatus::RollingBack => "it goes back to the version before".to_owned(),
        status => status.to_string(),
    }
}

/// The furthest stage of a rollout, with SageMaker's own words where it has some.
fn updating_words(endpoint: &DescribeEndpointOutput) -> String {
    let live = endpoint
        .production_variants()
        .iter()
        .flat_map(aws_sdk_sagemaker::types::ProductionVariantSummary::variant_status);
    let pending = endpoint
        .pending_deployment_summary()
        .map(aws_sdk_sagemaker::types::PendingDeploymentSummary::production_variants);
    let pending = pending
        .into_iter()
        .flatten()
        .flat_map(aws_sdk_sagemaker::types::PendingProductionVariantSummary::variant_status);
    let stages = pending.chain(live).filter_map(|stage| Some((stage.status()?, stage.status_message())));
    let Some((stage, message)) = stages.max_by_key(|(stage, _)| rank(stage)) else {
        return "new machines start beside the old, usually 3 to 8 minutes on AWS".to_owned();
    };
    let words = match stage {
        VariantStatus::Creating => "new machines start beside the old, usually 3 to 8 minutes on AWS",
        VariantStatus::ActivatingTraffic => "traffic moves to the new machines",
        VariantStatus::Baking => "the new machines are watched",
        VariantStatus::Deleting => "machines that are not needed any more end",
        _ => "its machines change, usually 3 to 8 minutes on AWS",
    };
    match message.filter(|message| !message.is_empty()) {
        Some(message) => format!("{words} ({message})"),
        None => words.to_owned(),
    }
}

fn rank(status: &VariantStatus) -> u8 {
    match status {
        VariantStatus::Creating => 1,
        VariantStatus::ActivatingTraffic => 2,
        VariantStatus::Baking => 3,
        VariantStatus::Deleting => 4,
        _ => 0,
    }
}
