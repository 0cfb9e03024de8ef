//! Stage `create-endpoint`: the model behind an endpoint of a fixed name.
//!
//! Model and endpoint config cannot be changed, so each is named by its content and succeeded, never updated. The
//! endpoint is switched from one config to the next, and the old pair goes once the new one is proved.

mod endpoint;
mod endpoint_config;
mod model;

use serde_json::{Value as Json, json};
use spec::Capacity;

use crate::create_role::{Grant, Lacks, Need, Roles};
use crate::log_group::LogGroup;
use crate::{Clients, CloudError, Ctx, Declared, Names, Right, Stage, StageError, Wanted, names, tags, train};
use aws_sdk_sagemaker::types::Tag;
pub use endpoint::{ENDPOINT, ENDPOINT_CONFIG_IN_SERVICE};
pub use endpoint_config::CONFIG;
pub use model::MODEL;
use plan::ResourceId;

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
    declared.resource(model::Model { names: names.clone(), lacks: lacks.clone() });
    declared.resource(endpoint_config::EndpointConfig { capacity: spec.capacity.clone(), names: names.clone() });
    let serverless = matches!(spec.capacity, Capacity::Serverless { .. });
    declared.resource(endpoint::Endpoint { serverless, names: names.clone(), lacks });
}

/// What serving needs the role that SageMaker assumes to be allowed: one model, one image, logs and metrics.
pub(crate) fn grants(wanted: &Wanted<'_>) -> Vec<Grant> {
    let names = wanted.names;
    let need = |action, resource: &str, without, told| Need {
        action,
        resource: resource.to_owned(),
        keys: vec![],
        without,
        told,
    };
    let mut groups = vec![names.endpoint_log_group()];
    if let spec::On::SageMaker(_) = train::on(wanted.spec) {
        groups.push(train::LOG_GROUP.to_owned());
    }
    let logs = groups.iter().flat_map(|group| {
        let stream = names.site.arn("logs", &format!("log-group:{group}:log-stream:main/0"));
        let actions = ["logs:CreateLogStream", "logs:PutLogEvents"];
        actions.map(|action| need(action, &stream, "the container's log stays empty", &[]))
    });
    vec![
        Grant {
            sid: "Model",
            actions: &["s3:GetObject"],
            resource: format!("arn:{{partition}}:s3:::{{bucket}}/{}*", names::MODELS),
            condition: Json::Null,
            needs: vec![need(
                "s3:GetObject",
                &names.object_arn(&names.model_key),
                "SageMaker cannot read the model",
                &["Could not access model data", "Failed to download model data"],
            )],
        },
        Grant {
            sid: "EcrToken",
            actions: &["ecr:GetAuthorizationToken"],
            resource: "*".to_owned(),
            condition: Json::Null,
            needs: vec![need_to_pull("ecr:GetAuthorizationToken", "*")],
        },
        grant_to_pull("EcrPull", image_arn(names, &names.image)),
        Grant {
            sid: "Logs",
            actions: &["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams"],
            resource: "arn:{partition}:logs:{region}:{account}:log-group:/aws/sagemaker/*".to_owned(),
            condition: Json::Null,
            needs: logs.collect(),
        },
        Grant {
            sid: "Metrics",
            actions: &["cloudwatch:PutMetricData"],
            resource: "*".to_owned(),
            condition: Json::Null,
            needs: vec![need("cloudwatch:PutMetricData", "*", "the endpoint has no metrics", &[])],
        },
    ]
}

/// What whoever pulls an image must be allowed.
const PULL: &[&str] = &["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer", "ecr:BatchCheckLayerAvailability"];

/// What AWS says of a role that may not pull an image: of an endpoint, then of a training job.
const IMAGE_REFUSED: &[&str] = &[
    "does not have BatchGetImage permission",
    "Please make sure all images included in the model",
    "Cannot pull algorithm container",
];

/// To pull images of a repository.
pub(crate) fn grant_to_pull(sid: &'static str, arn: String) -> Grant {
    let needs = PULL.iter().map(|action| need_to_pull(action, &arn)).collect();
    Grant { sid, actions: PULL, resource: arn, condition: Json::Null, needs }
}

fn need_to_pull(action: &'static str, resource: &str) -> Need {
    let (resource, without) = (resource.to_owned(), "the image cannot be pulled");
    Need { action, resource, keys: vec![], without, told: IMAGE_REFUSED }
}

/// ARN of the repository of `<account>.dkr.ecr.<region>.<suffix>/<repository>:<tag>`.
pub(crate) fn image_arn(names: &Names, image: &str) -> String {
    let (host, rest) = image.split_once('/').unwrap_or((image, ""));
    let registry = host.split('.').next().unwrap_or_default();
    let repository = rest.rsplit_once(':').map_or(rest, |(repository, _)| repository);
    names.site.arn_of("ecr", registry, &format!("repository/{repository}"))
}

/// What everything that SageMaker knows needs: it is tagged in the create call, and its tags are looked at.
pub(crate) fn rights_to_tag(arn: &str) -> Right {
    Right::new("SageMakerTags", &["sagemaker:AddTags", "sagemaker:ListTags"], arn)
}

/// Switches the endpoint back to a config that it served before, when a check failed on the new one.
pub async fn switch_back(ctx: &Ctx<'_>, names: &Names, config: &str) -> Result<(), StageError> {
    let endpoint = endpoint::Endpoint { serverless: false, names: names.clone(), lacks: Lacks::new(vec![]) };
    endpoint.switch(ctx, config).await.map(drop)
}

/// A capacity as a fact.
pub(crate) fn capacity_words(capacity: &Capacity) -> Json {
    match capacity {
        Capacity::Instances { instance_type, count } => json!(format!("{count} x {instance_type}")),
        Capacity::Serverless { memory_mb, max_concurrency } => {
            json!(format!("serverless, {memory_mb} MB, at most {max_concurrency} at once"))
        }
    }
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
