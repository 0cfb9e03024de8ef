//! The endpoint: a fixed name, switched from config to config.

use async_trait::async_trait;
use aws_sdk_sagemaker::operation::describe_endpoint::DescribeEndpointOutput;
use aws_sdk_sagemaker::types::{EndpointStatus, ProductionVariantSummary};
use plan::{Facts, Observation, Output, Outputs, ResourceId};
use spec::{Capacity, CreateEndpoint};

use super::alarm::Watch;
use super::endpoint_config::CONFIG_NAME;
use super::watched::WATCHED;
use super::{LOGS, autoscaling, deployment, owner, progress, rights_to_tag, sagemaker_tags};
use crate::cloud_error::{Explain, if_present, or_already_there};
use crate::create_role::{self, Lacks};
use crate::resource::outputs;
use crate::{Clients, CloudError, Ctx, Names, Resource, Right, StageError, log_group};

/// The endpoint.
pub const ENDPOINT: ResourceId = ResourceId::new("create-endpoint/endpoint");
/// The config that it serves.
pub const ENDPOINT_CONFIG_IN_SERVICE: Output<String> = Output::new(ENDPOINT, "config");
/// Its ARN.
pub(super) const ENDPOINT_ARN: Output<String> = Output::new(ENDPOINT, "arn");

const INSTANCES: &str = "instances";
const SERVERLESS: &str = "serverless";

#[derive(Debug)]
pub(super) struct Endpoint {
    pub(super) wanted: CreateEndpoint,
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
        let facts = Facts::default()
            .fixed("kind", if self.is_serverless() { SERVERLESS } else { INSTANCES })
            .field("config", CONFIG_NAME.known(self.names.endpoint_config.as_str()));
        let facts = match deployment::words(&self.wanted, &self.names) {
            Some(words) => facts.told("config", "rollout", words),
            None => facts,
        };
        let facts = match self.scale() {
            Some((name, words)) => facts.field(name, words),
            None => facts,
        };
        let facts = match &self.wanted.data_capture {
            Some(capture) => facts.field("captures", captures_words(capture.percent)),
            None => facts,
        };
        facts.field("status", EndpointStatus::InService.as_str())
    }

    /// What it may do must be written before its containers start, also where the model that names the role is kept.
    fn after(&self) -> Vec<ResourceId> {
        let rollback = &self.wanted.rollback_on;
        let ours = Watch::ALL.into_iter().filter(|watch| watch.threshold(rollback).is_some()).map(Watch::id);
        let theirs = (!rollback.alarms.is_empty()).then_some(WATCHED);
        [LOGS, create_role::EXECUTION].into_iter().chain(ours).chain(theirs).collect()
    }

    fn warnings(&self) -> Vec<String> {
        deployment::warnings(&self.wanted)
    }

    /// Making and switching it is asked about its config as well.
    fn rights(&self) -> Vec<Right> {
        let arn = self.names.endpoint_arn();
        let config = self.names.versions_arn("endpoint-config");
        let group = self.names.endpoint_log_group();
        let mut rights = vec![
            Right::new("Endpoint", &["sagemaker:CreateEndpoint", "sagemaker:UpdateEndpoint"], arn.as_str()).and(config),
            Right::new("Endpoint", &["sagemaker:DescribeEndpoint", "sagemaker:DeleteEndpoint"], arn.as_str()),
            Right::new("Endpoint", &["sagemaker:UpdateEndpointWeightsAndCapacities"], arn.as_str()),
            rights_to_tag(&arn),
            log_group::rights_to_read(&self.names, &group),
            log_group::rights_to_find_streams(&self.names, &group),
        ];
        rights.extend(self.wanted.kms_key.as_deref().map(|key| right_to_grant(&self.names, key)));
        rights
    }

    async fn observe(&self, clients: &Clients) -> Result<Observation, StageError> {
        let Some(endpoint) = self.describe(clients).await? else { return Ok(Observation::Absent) };
        let owner = owner(clients, &self.names, endpoint.endpoint_arn().unwrap_or_default()).await?;
        if let Some(other) = owner.observation() {
            return Ok(other);
        }
        let status = progress::status(&endpoint);
        let reason = endpoint.failure_reason().unwrap_or("no reason given");
        if matches!(status, EndpointStatus::Failed | EndpointStatus::OutOfService) {
            return Ok(Observation::Broken { why: format!("its status is `{status}`: {reason}") });
        }
        let status = match status {
            // It serves, with machines of both versions. It can be updated, and is, so that nobody is left without.
            EndpointStatus::UpdateRollbackFailed => format!("{status}: {reason}"),
            // AWS maintains it. It serves meanwhile, and there is nothing to put right.
            EndpointStatus::SystemUpdating => EndpointStatus::InService.to_string(),
            // It is being scaled: nothing new is on its way.
            EndpointStatus::Updating
                if self.wanted.autoscaling.is_some() && endpoint.pending_deployment_summary().is_none() =>
            {
                EndpointStatus::InService.to_string()
            }
            status => status.to_string(),
        };
        let facts = Facts::default()
            .field("kind", self.live_kind(&endpoint))
            .field("config", endpoint.endpoint_config_name().unwrap_or_default());
        let facts = match self.live_scale(clients, &endpoint).await? {
            Some((name, words)) => facts.field(name, words),
            None => facts,
        };
        let capture = endpoint.data_capture_config().filter(|capture| capture.enable_capture() == Some(true));
        let percent = capture.and_then(aws_sdk_sagemaker::types::DataCaptureConfigSummary::current_sampling_percentage);
        let facts = match percent {
            Some(percent) => facts.field("captures", captures_words(percent)),
            None => facts,
        };
        let arn = endpoint.endpoint_arn().unwrap_or_default();
        Ok(Observation::Present { facts: facts.field("status", status), outputs: self.outputs(arn) })
    }

    async fn create(&self, ctx: &Ctx<'_>) -> Result<Outputs, StageError> {
        let config: String = ctx.get(&CONFIG_NAME)?;
        ctx.visible(&self.subject(), ctx.limits.propagation, || async {
            let request = ctx.clients.sagemaker.create_endpoint().endpoint_name(&self.names.endpoint);
            let request = request.endpoint_config_name(&config).set_tags(Some(sagemaker_tags(&self.names)));
            or_already_there(request.send().await.about("sagemaker:CreateEndpoint", self.subject())).map(drop)
        })
        .await?;
        self.serve(ctx, &config, None).await
    }

    async fn update(&self, ctx: &Ctx<'_>) -> Result<Outputs, StageError> {
        let config: String = ctx.get(&CONFIG_NAME)?;
        let live = self.until_settled(ctx).await?.ok_or_else(|| self.gone())?;
        if self.must_switch(&live, &config) {
            let guard = deployment::config(&self.wanted, &self.names);
            let alarms = deployment::alarms(&self.wanted, &self.names);
            return self.switch(ctx, &live, &config, guard.map(|guard| (guard, alarms))).await;
        }
        match self.live_scale(ctx.clients, &live).await? {
            live_scale if live_scale == self.scale() => {}
            _ => self.rescale(ctx).await?,
        }
        Ok(self.outputs(live.endpoint_arn().unwrap_or_default()))
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
        self.until_gone(ctx).await
    }
}

impl Endpoint {
    pub(super) fn new(wanted: &CreateEndpoint, names: &Names) -> Self {
        Self { wanted: wanted.clone(), names: names.clone(), lacks: Lacks::new(vec![]) }
    }

    pub(super) fn subject(&self) -> String {
        format!("endpoint `{}`", self.names.endpoint)
    }

    pub(super) fn gone(&self) -> StageError {
        StageError::Failed { what: self.subject(), cause: "it disappeared while it was changed".to_owned() }
    }

    pub(super) fn outputs(&self, arn: &str) -> Outputs {
        outputs([("config", self.names.endpoint_config.clone().into()), ("arn", arn.into())])
    }

    pub(super) async fn describe(&self, clients: &Clients) -> Result<Option<DescribeEndpointOutput>, CloudError> {
        let answer = clients.sagemaker.describe_endpoint().endpoint_name(&self.names.endpoint).send().await;
        if_present(answer.about("sagemaker:DescribeEndpoint", self.subject()))
    }

    /// Its ARN, and the machine type of the config that it serves; none where nothing runs but on demand.
    pub(super) async fn runs_on(&self, clients: &Clients) -> Result<(String, Option<String>), CloudError> {
        let Some(live) = self.describe(clients).await? else { return Ok((String::new(), None)) };
        let config = live.endpoint_config_name().unwrap_or_default();
        Ok((live.endpoint_arn().unwrap_or_default().to_owned(), self.machine_type(clients, config).await?))
    }

    /// The machine type of a config.
    pub(super) async fn machine_type(&self, clients: &Clients, config: &str) -> Result<Option<String>, CloudError> {
        let answer = clients.sagemaker.describe_endpoint_config().endpoint_config_name(config).send().await;
        let answer = answer.about("sagemaker:DescribeEndpointConfig", format!("endpoint config `{config}`"));
        let Some(config) = if_present(answer)? else { return Ok(None) };
        let kind = config.production_variants().first().and_then(|variant| variant.instance_type().cloned());
        Ok(kind.map(|kind| kind.as_str().to_owned()))
    }

    pub(super) fn is_serverless(&self) -> bool {
        matches!(self.wanted.capacity, Capacity::Serverless { .. })
    }

    /// Whether it takes more than another number of machines to make `live` what is wanted.
    fn must_switch(&self, live: &DescribeEndpointOutput, config: &str) -> bool {
        let captured = live
            .data_capture_config()
            .and_then(aws_sdk_sagemaker::types::DataCaptureConfigSummary::current_sampling_percentage);
        live.endpoint_config_name() != Some(config)
            || progress::status(live) == EndpointStatus::UpdateRollbackFailed
            || self.wanted.data_capture.is_some_and(|capture| captured != Some(capture.percent))
            || self.keeps_unasked_warm(live)
    }

    /// Whether concurrency is provisioned that nobody asked for: it can be set to something else, and not to nothing.
    /// Source: `ServerlessProvisionedConcurrency`, at least 1.
    fn keeps_unasked_warm(&self, live: &DescribeEndpointOutput) -> bool {
        let Capacity::Serverless { provisioned_concurrency: None, .. } = self.wanted.capacity else { return false };
        let live = live.production_variants().first().and_then(variant_concurrency);
        self.wanted.autoscaling.is_none() && live.is_some_and(|(_, provisioned)| provisioned.is_some())
    }

    /// What it runs on. Serverless may become instances in place, but not the other way.
    /// Source: AWS documentation, serverless endpoints.
    fn live_kind(&self, live: &DescribeEndpointOutput) -> &'static str {
        let serverless = live.production_variants().iter().any(|variant| variant.current_serverless_config().is_some());
        if serverless && self.is_serverless() { SERVERLESS } else { INSTANCES }
    }

    /// How much of it there should be; none where autoscaling says that.
    fn scale(&self) -> Option<(&'static str, String)> {
        match &self.wanted.capacity {
            Capacity::Instances { .. } if self.wanted.autoscaling.is_some() => None,
            Capacity::Instances { count, .. } => Some((COUNT, count.to_string())),
            Capacity::Serverless { max_concurrency, provisioned_concurrency, .. } => {
                Some((CONCURRENCY, self.concurrency(*max_concurrency, *provisioned_concurrency)))
            }
        }
    }

    /// The same of what is there. Whoever else scales it is let.
    async fn live_scale(
        &self,
        clients: &Clients,
        live: &DescribeEndpointOutput,
    ) -> Result<Option<(&'static str, String)>, CloudError> {
        let Some(variant) = live.production_variants().first() else { return Ok(None) };
        let found = match (variant_concurrency(variant), variant.desired_instance_count()) {
            (Some((max, provisioned)), _) => Some((CONCURRENCY, self.concurrency(max, provisioned))),
            (None, Some(count)) => Some((COUNT, count.to_string())),
            (None, None) => None,
        };
        let differs = self.scale().is_some() && found != self.scale();
        let unasked = differs && self.wanted.autoscaling.is_none();
        if unasked && autoscaling::is_others(clients, &self.names, &self.wanted.capacity).await? {
            return Ok(self.scale());
        }
        Ok(found)
    }

    fn concurrency(&self, max: i32, provisioned: Option<i32>) -> String {
        match provisioned.filter(|_| self.wanted.autoscaling.is_none()) {
            Some(warm) => format!("at most {max} at once, {warm} kept warm"),
            None => format!("at most {max} at once"),
        }
    }
}

/// To have SageMaker use a key for the disks. An alias is not what a policy can name, so it stands for any key of the
/// region; the key's own policy is heard too.
/// In China the service's name ends as host names there do. Source: AWS documentation, "Protect data at rest using encryption".
fn right_to_grant(names: &Names, key: &str) -> Right {
    let arn = match key {
        key if key.contains(":key/") => key.to_owned(),
        key if key.contains("alias/") => names.site.arn("kms", "key/*"),
        key => names.site.arn("kms", &format!("key/{key}")),
    };
    let region = &names.site.region;
    let service = format!("sagemaker.{region}.{}", spec::regions::dns_suffix(region));
    Right::new("Key", &["kms:CreateGrant"], arn).when("kms:ViaService", &service)
}

const COUNT: &str = "count";
const CONCURRENCY: &str = "concurrency";

/// Most and provisioned concurrency, as they were asked for last.
fn variant_concurrency(variant: &ProductionVariantSummary) -> Option<(i32, Option<i32>)> {
    let config = variant.desired_serverless_config().or_else(|| variant.current_serverless_config())?;
    Some((config.max_concurrency().unwrap_or_default(), config.provisioned_concurrency()))
}

fn captures_words(percent: i32) -> String {
    format!("{percent} % of the traffic")
}
