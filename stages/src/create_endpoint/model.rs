//! The SageMaker model: an image, an archive and a role.

use async_trait::async_trait;
use aws_sdk_sagemaker::types::{ContainerDefinition, VpcConfig};
use plan::{Facts, Observation, Output, Outputs, ResourceId, Stray, Value};
use serde_json::json;
use spec::Vpc;

use super::{owner, rights_to_tag, sagemaker_tags};
use crate::cloud_error::{Explain, Meaning, if_present, or_already_there};
use crate::create_role::Lacks;
use crate::resource::outputs;
use crate::{Clients, Ctx, Names, Resource, Right, StageError, create_role, upload};

/// The model.
pub const MODEL: ResourceId = ResourceId::new("create-endpoint/model");
/// Its name.
pub(super) const MODEL_NAME: Output<String> = Output::new(MODEL, "name");

#[derive(Debug)]
pub(super) struct Model {
    pub(super) vpc: Option<Vpc>,
    pub(super) names: Names,
    /// What the role lacks that the file gives it.
    pub(super) lacks: Lacks,
}

#[async_trait]
impl Resource for Model {
    fn id(&self) -> ResourceId {
        MODEL
    }

    fn kind(&self) -> &'static str {
        "model"
    }

    fn name(&self) -> &str {
        &self.names.model
    }

    fn desired(&self) -> Facts {
        let facts = Facts::default()
            .fixed("image", self.image())
            .fixed("data", upload::MODEL_URL.known(self.names.model_url()))
            .fixed("role", create_role::EXECUTION_ARN.known(self.names.role_arn(&self.names.execution_role)));
        match &self.vpc {
            Some(vpc) => {
                facts.fixed("subnets", json!(vpc.subnets)).fixed("security_groups", json!(vpc.security_groups))
            }
            None => facts,
        }
    }

    fn warnings(&self) -> Vec<String> {
        let Some(vpc) = &self.vpc else { return vec![] };
        let mut warnings = vec![
            "in a network of yours the model is downloaded only if the subnets reach S3, such as by a gateway endpoint"
                .to_owned(),
        ];
        if vpc.subnets.len() < 2 {
            warnings.push("SageMaker wants subnets in two availability zones, even for one machine".to_owned());
        }
        warnings
    }

    fn rights(&self) -> Vec<Right> {
        let arn = self.names.versions_arn("model");
        let actions = ["sagemaker:CreateModel", "sagemaker:DescribeModel", "sagemaker:DeleteModel"];
        vec![
            Right::new("Models", &actions, arn.as_str()),
            Right::new("NoResource", &["sagemaker:ListModels"], "*"),
            rights_to_tag(&arn),
            create_role::right_to_pass_execution(&self.names),
        ]
    }

    async fn observe(&self, clients: &Clients) -> Result<Observation, StageError> {
        let answer = clients.sagemaker.describe_model().model_name(&self.names.model).send().await;
        let Some(model) = if_present(answer.about("sagemaker:DescribeModel", self.subject()))? else {
            return Ok(Observation::Absent);
        };
        let owner = owner(clients, &self.names, model.model_arn().unwrap_or_default()).await?;
        if let Some(other) = owner.observation() {
            return Ok(other);
        }
        let container = model.primary_container();
        let facts = Facts::default()
            .field("image", container.and_then(ContainerDefinition::image).unwrap_or_default())
            .field("data", container.and_then(ContainerDefinition::model_data_url).unwrap_or_default())
            .field("role", model.execution_role_arn().unwrap_or_default());
        let sorted = |ids: &[String]| {
            let mut ids = ids.to_vec();
            ids.sort_unstable();
            json!(ids)
        };
        let facts = match model.vpc_config() {
            Some(vpc) => {
                facts.field("subnets", sorted(vpc.subnets())).field("security_groups", sorted(vpc.security_group_ids()))
            }
            None => facts,
        };
        Ok(Observation::Present { facts, outputs: self.outputs() })
    }

    async fn strays(&self, clients: &Clients) -> Result<Vec<Stray>, StageError> {
        let mut pages = clients.sagemaker.list_models().name_contains(&self.names.pipeline).into_paginator().send();
        let mut strays = vec![];
        while let Some(page) = pages.next().await {
            for model in page.about("sagemaker:ListModels", "models")?.models() {
                let (name, arn) = (model.model_name().unwrap_or_default(), model.model_arn().unwrap_or_default());
                if name != self.names.model
                    && self.names.is_versioned(name)
                    && owner(clients, &self.names, arn).await?.is_ours()
                {
                    strays.push(Stray { of: MODEL, name: name.to_owned(), why: "an older version".to_owned() });
                }
            }
        }
        Ok(strays)
    }

    async fn create(&self, ctx: &Ctx<'_>) -> Result<Outputs, StageError> {
        let container = ContainerDefinition::builder()
            .image(&self.names.image)
            .model_data_url(ctx.get(&upload::MODEL_URL)?)
            .build();
        let role: String = ctx.get(&create_role::EXECUTION_ARN)?;
        let vpc = self.vpc.as_ref().map(|vpc| {
            VpcConfig::builder()
                .set_subnets(Some(vpc.subnets.clone()))
                .set_security_group_ids(Some(vpc.security_groups.clone()))
                .build()
        });
        let what = format!("SageMaker to see role `{}`, usually 5 to 15 s", self.names.execution_role);
        let made = ctx.settled(&what, ctx.limits.propagation, || async {
            let request = ctx.clients.sagemaker.create_model().model_name(&self.names.model);
            let request = request.primary_container(container.clone()).execution_role_arn(&role);
            let request = request.set_vpc_config(vpc.clone());
            let answer = request.set_tags(Some(sagemaker_tags(&self.names))).send().await;
            let answer = self.lacks.final_if_told(answer.about("sagemaker:CreateModel", self.subject()));
            or_already_there(answer).map(drop)
        });
        made.await.map_err(|error| self.lacks.explain(error))?;
        Ok(self.outputs())
    }

    /// Never planned: every fact is fixed.
    async fn update(&self, ctx: &Ctx<'_>) -> Result<Outputs, StageError> {
        self.create(ctx).await
    }

    async fn delete(&self, ctx: &Ctx<'_>, name: &str) -> Result<(), StageError> {
        let answer = ctx.clients.sagemaker.delete_model().model_name(name).send().await;
        match answer.about("sagemaker:DeleteModel", format!("model `{name}`")) {
            Err(error) if error.meaning() != Meaning::Absent => Err(error.into()),
            _ => Ok(()),
        }
    }
}

impl Model {
    /// An image of ours must have been pushed before.
    fn image(&self) -> Value {
        let image = self.names.image.as_str();
        if self.names.image_tag.is_some() { upload::IMAGE_URI.known(image) } else { image.into() }
    }

    fn subject(&self) -> String {
        format!("model `{}`", self.names.model)
    }

    fn outputs(&self) -> Outputs {
        outputs([("name", self.names.model.clone().into())])
    }
}
