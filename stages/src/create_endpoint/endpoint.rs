//! The endpoint: a fixed name, switched from config to config.

use async_trait::async_trait;
use aws_sdk_sagemaker::operation::describe_endpoint::DescribeEndpointOutput;
use aws_sdk_sagemaker::types::EndpointStatus;
use plan::{Facts, Observation, Output, Outputs, ResourceId};

use super::endpoint_config::CONFIG_NAME;
use super::{LOGS, foreign, rights_to_tag, sagemaker_tags};
use crate::cloud_error::{Explain, if_present, or_already_there};
use crate::create_role::{self, Lacks};
use crate::resource::outputs;
use crate::{Clients, CloudError, Ctx, Names, Resource, Right, StageError, log_group};

/// The endpoint.
pub const ENDPOINT: ResourceId = ResourceId::new("create-endpoint/endpoint");
/// The config that it serves.
pub const ENDPOINT_CONFIG_IN_SERVICE: Output<String> = Output::new(ENDPOINT, "config");

const INSTANCES: &str = "instances";
const SERVERLESS: &str = "serverless";

#[derive(Debug)]
pub(super) struct Endpoint {
    pub(super) serverless: bool,
    pub(super) names: Names,
    /// What the role lacks that the file gives it.
    pub(super) lacks: Lacks,
}

#[async_trait]
impl Resource for Endpoint {
    fn id(&self) -> ResourceId {
        ENDPOINT
    }

    fn kind(&self) -> &'static str {
        "endpoint"
    }

    fn name(&self) -> &str {
        &self.names.endpoint
    }

    fn desired(&self) -> Facts {
        Facts::default()
            .fixed("kind", if self.serverless { SERVERLESS } else { INSTANCES })
            .field("config", CONFIG_NAME.known(self.names.endpoint_config.as_str()))
            .field("status", EndpointStatus::InService.as_str())
    }

    /// What it may do must be written before its containers start, also where the model that names the role is kept.
    fn after(&self) -> Vec<ResourceId> {
        vec![LOGS, create_role::EXECUTION]
    }

    /// Making and switching it is asked about its config as well.
    fn rights(&self) -> Vec<Right> {
        let arn = self.names.endpoint_arn();
        let config = self.names.versions_arn("endpoint-config");
        vec![
            Right::new("Endpoint", &["sagemaker:CreateEndpoint", "sagemaker:UpdateEndpoint"], arn.as_str()).and(config),
            Right::new("Endpoint", &["sagemaker:DescribeEndpoint", "sagemaker:DeleteEndpoint"], arn.as_str()),
            rights_to_tag(&arn),
            log_group::rights_to_read(&self.names, &self.names.endpoint_log_group()),
        ]
    }

    async fn observe(&self, clients: &Clients) -> Result<Observation, StageError> {
        let Some(endpoint) = self.describe(clients).await? else { return Ok(Observation::Absent) };
        if let Some(owner) = foreign(clients, &self.names, endpoint.endpoint_arn().unwrap_or_default()).await? {
            return Ok(Observation::Foreign { owner });
        }
        let status = status(&endpoint);
        if matches!(
            status,
            EndpointStatus::Failed | EndpointStatus::UpdateRollbackFailed | EndpointStatus::OutOfService
        ) {
            let reason = endpoint.failure_reason().unwrap_or("no reason given");
            return Ok(Observation::Broken { why: format!("its status is `{status}`: {reason}") });
        }
        let facts = Facts::default()
            .field("kind", self.kind(&endpoint))
            .field("config", endpoint.endpoint_config_name().unwrap_or_default())
            .field("status", status.as_str());
        Ok(Observation::Present { facts, outputs: self.outputs() })
    }

    async fn create(&self, ctx: &Ctx<'_>) -> Result<Outputs, StageError> {
        let config: String = ctx.get(&CONFIG_NAME)?;
        ctx.visible(&self.subject(), ctx.limits.propagation, || async {
            let request = ctx.clients.sagemaker.create_endpoint().endpoint_name(&self.names.endpoint);
            let request = request.endpoint_config_name(&config).set_tags(Some(sagemaker_tags(&self.names)));
            or_already_there(request.send().await.about("sagemaker:CreateEndpoint", self.subject())).map(drop)
        })
        .await?;
        self.serve(ctx, &config).await
    }

    async fn update(&self, ctx: &Ctx<'_>) -> Result<Outputs, StageError> {
        let config: String = ctx.get(&CONFIG_NAME)?;
        self.switch(ctx, &config).await
    }

    /// An endpoint that is on its way refuses to be deleted, so it is waited for.
    async fn delete(&self, ctx: &Ctx<'_>, name: &str) -> Result<(), StageError> {
        if self.until_settled(ctx).await?.is_none() {
            return Ok(());
        }
        ctx.settled(&self.subject(), ctx.limits.endpoint, || async {
            let answer = ctx.clients.sagemaker.delete_endpoint().endpoint_name(name).send().await;
            if_present(answer.about("sagemaker:DeleteEndpoint", self.subject())).map(drop)
        })
        .await?;
        (ctx.say)(format!("waiting for {} to be gone, usually 10 s to 2 minutes", self.subject()));
        let mut pace = ctx.pace(ctx.limits.endpoint);
        while let Some(endpoint) = self.describe(ctx.clients).await? {
            if !pace.pause().await {
                return Err(self.timed_out(ctx, "was not gone", &endpoint));
            }
        }
        Ok(())
    }
}

impl Endpoint {
    fn subject(&self) -> String {
        format!("endpoint `{}`", self.names.endpoint)
    }

    /// Switches it to a config, old fleet beside new, and waits until it serves that.
    pub(super) async fn switch(&self, ctx: &Ctx<'_>, config: &str) -> Result<Outputs, StageError> {
        let live = self.until_settled(ctx).await?;
        if live.as_ref().and_then(DescribeEndpointOutput::endpoint_config_name) != Some(config) {
            ctx.visible(&self.subject(), ctx.limits.propagation, || async {
                let request = ctx.clients.sagemaker.update_endpoint().endpoint_name(&self.names.endpoint);
                let answer = request.endpoint_config_name(config).send().await;
                answer.about("sagemaker:UpdateEndpoint", self.subject())
            })
            .await?;
        }
        self.serve(ctx, config).await
    }

    /// What it runs on. Serverless may become instances in place, but not the other way.
    /// Source: AWS documentation, serverless endpoints.
    fn kind(&self, live: &DescribeEndpointOutput) -> &'static str {
        let serverless = live.production_variants().iter().any(|variant| variant.current_serverless_config().is_some());
        if serverless && self.serverless { SERVERLESS } else { INSTANCES }
    }

    fn outputs(&self) -> Outputs {
        outputs([("config", self.names.endpoint_config.clone().into())])
    }

    async fn describe(&self, clients: &Clients) -> Result<Option<DescribeEndpointOutput>, CloudError> {
        let answer = clients.sagemaker.describe_endpoint().endpoint_name(&self.names.endpoint).send().await;
        if_present(answer.about("sagemaker:DescribeEndpoint", self.subject()))
    }

    /// Waits until it serves `config`. SageMaker quietly goes back to the old config when a new one does not come up,
    /// so `InService` alone proves nothing.
    async fn serve(&self, ctx: &Ctx<'_>, config: &str) -> Result<Outputs, StageError> {
        self.served(ctx, config).await.map_err(|error| self.lacks.explain(error))
    }

    async fn served(&self, ctx: &Ctx<'_>, config: &str) -> Result<Outputs, StageError> {
        let Some(endpoint) = self.until_settled(ctx).await? else {
            return Err(StageError::Failed {
                what: self.subject(),
                cause: "it disappeared while it was made".to_owned(),
            });
        };
        let serves = endpoint.endpoint_config_name().unwrap_or_default();
        if status(&endpoint) != EndpointStatus::InService {
            return Err(StageError::Failed { what: self.subject(), cause: self.cause(ctx, &endpoint).await });
        }
        if serves != config || endpoint.failure_reason().is_some() {
            let (endpoint_name, serves) = (self.names.endpoint.clone(), serves.to_owned());
            let cause = self.cause(ctx, &endpoint).await;
            return Err(StageError::RolledBack { endpoint: endpoint_name, serves, cause });
        }
        Ok(self.outputs())
    }

    /// What it is once it is on its way no longer; none when it is absent.
    async fn until_settled(&self, ctx: &Ctx<'_>) -> Result<Option<DescribeEndpointOutput>, StageError> {
        let mut pace = ctx.pace(ctx.limits.endpoint);
        loop {
            let Some(endpoint) = self.describe(ctx.clients).await? else { return Ok(None) };
            let settled = matches!(
                status(&endpoint),
                EndpointStatus::InService
                    | EndpointStatus::Failed
                    | EndpointStatus::OutOfService
                    | EndpointStatus::UpdateRollbackFailed
            );
            if settled {
                return Ok(Some(endpoint));
            }
            if pace.first() {
                (ctx.say)(format!("waiting for {} to be in service, usually 3 to 8 minutes on AWS", self.subject()));
            }
            if !pace.pause().await {
                return Err(self.timed_out(ctx, "did not settle", &endpoint));
            }
        }
    }

    fn timed_out(&self, ctx: &Ctx<'_>, what: &str, endpoint: &DescribeEndpointOutput) -> StageError {
        StageError::TimedOut {
            what: format!("{} {what}", self.subject()),
            limit_s: ctx.limits.endpoint.as_secs(),
            last: status(endpoint).to_string(),
        }
    }

    /// The service's reason, and the container's last words.
    async fn cause(&self, ctx: &Ctx<'_>, endpoint: &DescribeEndpointOutput) -> String {
        let reason = endpoint.failure_reason().unwrap_or("SageMaker gave no reason");
        let group = self.names.endpoint_log_group();
        log_group::with_last_words(reason, "container", ctx.clients, &group, None).await
    }
}

fn status(endpoint: &DescribeEndpointOutput) -> EndpointStatus {
    endpoint.endpoint_status().cloned().unwrap_or(EndpointStatus::OutOfService)
}
