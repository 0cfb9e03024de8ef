//! Stage `create-endpoint`: the model behind an endpoint of a fixed name.
//!
//! Model and endpoint config cannot be changed, so each is named by its content and succeeded, never updated. The
//! endpoint is switched from one config to the next, and the old pair goes once the new one is proved.

mod alarm;
mod autoscaling;
mod capacity;
mod cause;
mod causes;
mod deployment;
mod endpoint;
mod endpoint_config;
mod grants;
mod model;
mod progress;
mod registered;
mod switch;
mod watched;

use crate::create_role::{Lacks, Roles};
use crate::log_group::{LogGroup, Writer};
use crate::tags::Owner;
use crate::{Clients, CloudError, Ctx, Declared, Names, Right, Stage, StageError, Wanted, tags};
use alarm::Watch;
pub use autoscaling::AUTOSCALING;
use aws_sdk_sagemaker::types::Tag;
pub(crate) use capacity::content as config_content;
pub use endpoint::{ENDPOINT, ENDPOINT_CONFIG_IN_SERVICE};
pub use endpoint_config::CONFIG;
pub(crate) use grants::{grant_to_pull, grants, image_arn};
pub use model::MODEL;
use plan::ResourceId;
use spec::Spec;

use crate::cloud_error::{Explain, if_present};

/// The stage.
pub const STAGE: Stage = Stage { name: "create-endpoint", summary: "the model on a SageMaker endpoint", declare };

/// The log group of the endpoint's containers.
pub const LOGS: ResourceId = ResourceId::new("create-endpoint/logs");

/// The one variant's name. Constant, since SageMaker matches variants by name when it retains their properties.
const VARIANT: &str = "main";

fn declare(wanted: &Wanted<'_>, declared: &mut Declared) {
    let (spec, names) = (&wanted.spec.create_endpoint, wanted.names);
    let lacks = Lacks::new(Roles::of(wanted).execution.lacks);
    declared.resource(LogGroup {
        id: LOGS,
        name: names.endpoint_log_group(),
        writer: Writer::Endpoint,
        retention_days: spec.log_retention_days,
        names: names.clone(),
    });
    declared.resource(model::Model { vpc: spec.vpc.clone(), names: names.clone(), lacks: lacks.clone() });
    declared.resource(endpoint_config::EndpointConfig { wanted: spec.clone(), names: names.clone() });
    for watch in Watch::ALL {
        let alarm = alarm::Alarm::new(watch, &spec.rollback_on, names);
        let wanted = alarm.is_wanted();
        declared.optional(alarm, wanted);
    }
    if !spec.rollback_on.alarms.is_empty() {
        declared.check(watched::Watched { alarms: spec.rollback_on.alarms.clone() });
    }
    declared.resource(endpoint::Endpoint { lacks, ..endpoint::Endpoint::new(spec, names) });
    declared.optional(autoscaling::Scaling::new(spec, names), spec.autoscaling.is_some());
}

/// What everything that SageMaker knows needs: it is tagged in the create call, and its tags are looked at.
pub(crate) fn rights_to_tag(arn: &str) -> Right {
    Right::new("SageMakerTags", &["sagemaker:AddTags", "sagemaker:ListTags"], arn)
}

/// What came of going back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Back {
    /// It serves what it served before.
    Switched,
    /// Somebody else has changed it since: it serves this config, and is left as it is.
    ChangedByOthers(String),
}

/// Switches the endpoint back to a config that it served before, when a check failed on the new one: all at once, and
/// whatever alarms say. Only what this deployment switched to is switched back.
pub async fn switch_back(ctx: &Ctx<'_>, spec: &Spec, names: &Names, config: &str) -> Result<Back, StageError> {
    let endpoint = endpoint::Endpoint::new(&spec.create_endpoint, names);
    let live = endpoint.until_settled(ctx).await?.ok_or_else(|| endpoint.gone())?;
    let serves = live.endpoint_config_name().unwrap_or_default();
    if serves != names.endpoint_config {
        return Ok(Back::ChangedByOthers(serves.to_owned()));
    }
    endpoint.switch(ctx, &live, config, None).await.map(|_| Back::Switched)
}

fn sagemaker_tags(names: &Names) -> Vec<Tag> {
    let tags = tags::of(names, STAGE.name).into_iter();
    tags.map(|(key, value)| Tag::builder().key(key).value(value).build()).collect()
}

/// Whose the thing of that ARN is.
pub(crate) async fn owner(clients: &Clients, names: &Names, arn: &str) -> Result<Owner, CloudError> {
    let answer = clients.sagemaker.list_tags().resource_arn(arn).send().await;
    let tags = if_present(answer.about("sagemaker:ListTags", format!("`{arn}`")))?;
    let tags = tags
        .as_ref()
        .map(|answer| answer.tags().iter().map(|tag| (tag.key().unwrap_or_default(), tag.value().unwrap_or_default())));
    Ok(Owner::of(names, tags))
}
