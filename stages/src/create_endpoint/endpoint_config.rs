//! The endpoint config: a model and what it runs on.

use async_trait::async_trait;
use plan::{Facts, Observation, Output, Outputs, ResourceId, Stray};
use spec::{Capacity, CreateEndpoint};

use super::model::MODEL_NAME;
use super::{capacity, owner, rights_to_tag, sagemaker_tags};
use crate::cloud_error::{Explain, if_present, or_already_there};
use crate::doctor::Quota;
use crate::resource::outputs;
use crate::{Clients, Ctx, Names, Resource, Right, StageError};

/// The endpoint config.
pub const CONFIG: ResourceId = ResourceId::new("create-endpoint/config");
/// Its name.
pub(super) const CONFIG_NAME: Output<String> = Output::new(CONFIG, "name");

#[derive(Debug)]
pub(super) struct EndpointConfig {
    pub(super) wanted: CreateEndpoint,
    pub(super) names: Names,
}

#[async_trait]
impl Resource for EndpointConfig {
    fn id(&self) -> ResourceId {
        CONFIG
    }

    fn kind(&self) -> &'static str {
        "endpoint-config"
    }

    fn name(&self) -> &str {
        &self.names.endpoint_config
    }

    fn desired(&self) -> Facts {
        let model = Facts::default().fixed("model", MODEL_NAME.known(self.names.model.as_str()));
        model.and(capacity::facts(&self.wanted, &self.names.bucket))
    }

    fn warnings(&self) -> Vec<String> {
        let mut warnings = vec![];
        if self.wanted.data_capture.is_some() {
            warnings.push(format!(
                "requests and answers are kept under `{}` in the bucket, billed, until a teardown deletes them; they may \
                 be personal data",
                crate::names::CAPTURES
            ));
        }
        if let Some(key) = &self.wanted.kms_key {
            warnings.push(format!(
                "whoever applies needs `kms:CreateGrant` on key `{key}`, and the key's policy must let role `{}` use it",
                self.names.execution_role
            ));
        }
        warnings
    }

    fn rights(&self) -> Vec<Right> {
        let arn = self.names.versions_arn("endpoint-config");
        let actions =
            ["sagemaker:CreateEndpointConfig", "sagemaker:DescribeEndpointConfig", "sagemaker:DeleteEndpointConfig"];
        vec![
            Right::new("Configs", &actions, arn.as_str()),
            Right::new("NoResource", &["sagemaker:ListEndpointConfigs"], "*"),
            rights_to_tag(&arn),
        ]
    }

    /// An endpoint that is switched has the instances of both configs until the new ones serve.
    fn quotas(&self) -> Vec<Quota> {
        let Capacity::Instances { instance_type, count, .. } = &self.wanted.capacity else { return vec![] };
        let uses = count.unsigned_abs();
        vec![Quota { name: format!("{instance_type} for endpoint usage"), uses, while_changed: 2 * uses }]
    }

    async fn observe(&self, clients: &Clients) -> Result<Observation, StageError> {
        let request = clients.sagemaker.describe_endpoint_config().endpoint_config_name(&self.names.endpoint_config);
        let answer = request.send().await.about("sagemaker:DescribeEndpointConfig", self.subject());
        let Some(config) = if_present(answer)? else { return Ok(Observation::Absent) };
        let owner = owner(clients, &self.names, config.endpoint_config_arn().unwrap_or_default()).await?;
        if let Some(other) = owner.observation() {
            return Ok(other);
        }
        let Some(variant) = config.production_variants().first() else {
            return Ok(Observation::Broken { why: "it has no variant".to_owned() });
        };
        let model = Facts::default().field("model", variant.model_name().unwrap_or_default());
        let facts = model.and(capacity::live_facts(variant, config.data_capture_config(), config.kms_key_id()));
        Ok(Observation::Present { facts, outputs: self.outputs() })
    }

    async fn strays(&self, clients: &Clients) -> Result<Vec<Stray>, StageError> {
        let request = clients.sagemaker.list_endpoint_configs().name_contains(&self.names.pipeline);
        let mut pages = request.into_paginator().send();
        let mut strays = vec![];
        while let Some(page) = pages.next().await {
            for config in page.about("sagemaker:ListEndpointConfigs", "endpoint configs")?.endpoint_configs() {
                let name = config.endpoint_config_name().unwrap_or_default();
                if name != self.names.endpoint_config
                    && self.names.is_versioned(name)
                    && owner(clients, &self.names, config.endpoint_config_arn().unwrap_or_default()).await?.is_ours()
                {
                    strays.push(Stray { of: CONFIG, name: name.to_owned(), why: "an older version".to_owned() });
                }
            }
        }
        Ok(strays)
    }

    async fn create(&self, ctx: &Ctx<'_>) -> Result<Outputs, StageError> {
        let variant = capacity::variant(&self.wanted, ctx.get(&MODEL_NAME)?);
        let capture = self.wanted.data_capture.map(|capture| capacity::data_capture(capture, &self.names));
        ctx.visible(&self.subject(), ctx.limits.propagation, || async {
            let request = ctx.clients.sagemaker.create_endpoint_config();
            let request =
                request.endpoint_config_name(&self.names.endpoint_config).production_variants(variant.clone());
            let request = request.set_data_capture_config(capture.clone()).set_kms_key_id(self.wanted.kms_key.clone());
            let answer = request.set_tags(Some(sagemaker_tags(&self.names))).send().await;
            or_already_there(answer.about("sagemaker:CreateEndpointConfig", self.subject())).map(drop)
        })
        .await?;
        Ok(self.outputs())
    }

    /// Never planned: every fact is fixed.
    async fn update(&self, ctx: &Ctx<'_>) -> Result<Outputs, StageError> {
        self.create(ctx).await
    }

    async fn delete(&self, ctx: &Ctx<'_>, name: &str) -> Result<(), StageError> {
        let answer = ctx.clients.sagemaker.delete_endpoint_config().endpoint_config_name(name).send().await;
        if_present(answer.about("sagemaker:DeleteEndpointConfig", format!("endpoint config `{name}`")))?;
        Ok(())
    }
}

impl EndpointConfig {
    fn subject(&self) -> String {
        format!("endpoint config `{}`", self.names.endpoint_config)
    }

    fn outputs(&self) -> Outputs {
        outputs([("name", self.names.endpoint_config.clone().into())])
    }
}
