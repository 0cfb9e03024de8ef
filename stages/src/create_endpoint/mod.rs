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
use crate::log_group::LogGroup;
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

/// Switches the endpoint back to a config that it served before, when a check failed on the new one: all at once, and
/// whatever alarms say.
pub async fn switch_back(ctx: &Ctx<'_>, spec: &Spec, names: &Names, config: &str) -> Result<(), StageError> {
    let endpoint = endpoint::Endpoint::new(&spec.create_endpoint, names);
    let live = endpoint.until_settled(ctx).await?.ok_or_else(|| endpoint.gone())?;
    endpoint.switch(ctx, &live, config, None).await.map(drop)
}

fn sagemaker_tags(names: &Names) -> Vec<Tag> {
    let tags = tags::of(names, STAGE.name).into_iter();
    tags.map(|(key, value)| Tag::builder().key(key).value(value).build()).collect()
}

/// Why the thing of that ARN is not ours; none when it is, or when it is gone.
pub(crate) async fn foreign(clients: &Clients, names: &Names, arn: &str) -> Result<Option<String>, CloudError> {
    let answer = clients.sagemaker.list_tags().resource_arn(arn).send().await;
    let Some(answer) = if_present(answer.about("sagemaker:ListTags", format!("`{arn}`")))? else { return Ok(None) };
    Ok(tags::foreign(
        names,
        answer.tags().iter().map(|tag| (tag.key().unwrap_or_default(), tag.value().unwrap_or_default())),
    ))
}
