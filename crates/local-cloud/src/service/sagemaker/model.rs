//! Models: an image, an archive in S3, and the role that may read both.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::container;
use super::image::Image;
use super::record::{Container, Names, Record, absent, invalid, now, taken};
use super::validate::{Faults, Members, flag, inner, list, structure, text};
use crate::Cloud;
use crate::call::Refusal;
use crate::service::s3;

/// What AWS calls it in messages.
pub(super) const NOUN: &str = "model";

const MEMBERS: &[&str] = &[
    "PrimaryContainer",
    "Containers",
    "InferenceExecutionConfig",
    "ExecutionRoleArn",
    "VpcConfig",
    "EnableNetworkIsolation",
];

/// `CreateModel`.
pub(super) fn create(cloud: &Cloud, request: &Members) -> Result<Value, Refusal> {
    let sagemaker = &cloud.sagemaker;
    let mut faults = Faults::default();
    let name = text(request, "ModelName")?;
    faults.model_name(name, "modelName");
    let role = text(request, "ExecutionRoleArn")?;
    if let Some(role) = role {
        faults.role(role, "executionRoleArn");
    }
    flag(request, "EnableNetworkIsolation")?;
    let tags = faults.tags(request)?;
    let container = container_given(request)?;
    if let Some(container) = container {
        check_container(container, &mut faults)?;
    }
    if let Some(network) = inner(request, "VpcConfig")? {
        check_network(network, &mut faults)?;
    }
    faults.finish()?;
    if container.is_none() {
        return Err(invalid("A primary container or a list of containers must be given."));
    }

    let name = name.unwrap_or_default();
    let arn = sagemaker.names.arn("model", name);
    let container = container_of(request)?;
    if container.image.is_empty() {
        return Err(invalid("The container has neither an Image nor a ModelPackageName."));
    }
    let image = Image::parse(&container.image)
        .ok_or_else(|| invalid(format!("ECR image \"{}\" is invalid.", container.image)))?;
    let key = name.to_ascii_lowercase();
    if sagemaker.memory.read(|memory| memory.models.contains_key(&key)) {
        return Err(taken(NOUN, &arn));
    }
    if let Some(role) = role {
        check_access(cloud, role, &container)?;
    }
    if image.is_prebuilt_elsewhere() {
        return Err(repository_refused(&container.image));
    }
    container::must_be_usable(cloud, &container.image, &image)?;
    let record =
        Record { name: name.to_owned(), arn: arn.clone(), created: now(), given: pick(request, MEMBERS), tags };
    sagemaker.memory.write(|memory| {
        if memory.models.contains_key(&key) {
            return Err(taken(NOUN, &arn));
        }
        memory.models.insert(key, record);
        Ok(())
    })?;
    Ok(json!({ "ModelArn": arn }))
}

/// `DescribeModel`.
pub(super) fn describe(cloud: &Cloud, request: &Members) -> Result<Value, Refusal> {
    let (key, arn) = required_key(&cloud.sagemaker.names, request)?;
    let record = cloud.sagemaker.memory.read(|memory| memory.models.get(&key).cloned());
    let record = record.ok_or_else(|| absent(NOUN, &arn))?;
    let mut answer = record.given;
    answer.entry("EnableNetworkIsolation").or_insert(Value::Bool(false));
    answer.insert("ModelName".into(), record.name.into());
    answer.insert("ModelArn".into(), record.arn.into());
    answer.insert("CreationTime".into(), record.created.into());
    Ok(Value::Object(answer))
}

/// `DeleteModel`. Endpoints that serve it go on.
pub(super) fn delete(cloud: &Cloud, request: &Members) -> Result<Value, Refusal> {
    let (key, arn) = required_key(&cloud.sagemaker.names, request)?;
    cloud.sagemaker.memory.write(|memory| memory.models.remove(&key).ok_or_else(|| absent(NOUN, &arn)))?;
    Ok(Value::Null)
}

/// What a model's request says about the container that serves it.
pub(super) fn container_of(given: &Members) -> Result<Container, Refusal> {
    let Some(container) = container_given(given)? else { return Ok(Container::default()) };
    let mut environment = BTreeMap::new();
    for (key, value) in inner(container, "Environment")?.into_iter().flatten() {
        environment.insert(key.clone(), value.as_str().unwrap_or_default().to_owned());
    }
    let source = match inner(container, "ModelDataSource")? {
        Some(source) => inner(source, "S3DataSource")?,
        None => None,
    };
    let model_data_url = match (text(container, "ModelDataUrl")?, source) {
        (Some(url), _) => Some(url.to_owned()),
        (None, Some(source)) => text(source, "S3Uri")?.map(str::to_owned),
        (None, None) => None,
    };
    let image = text(container, "Image")?.unwrap_or_default().to_owned();
    Ok(Container { image, model_data_url, environment })
}

/// Splits an S3 URI into bucket and key.
pub(super) fn bucket_and_key(url: &str) -> Option<(&str, &str)> {
    let (bucket, key) = url.strip_prefix("s3://")?.split_once('/')?;
    (!bucket.is_empty() && !key.is_empty()).then_some((bucket, key))
}

fn container_given(request: &Members) -> Result<Option<&Members>, Refusal> {
    match (inner(request, "PrimaryContainer")?, list(request, "Containers")?) {
        (Some(_), Some([_, ..])) => Err(invalid("Only one of PrimaryContainer and Containers may be given.")),
        (Some(container), _) => Ok(Some(container)),
        (None, Some([only])) => structure(only).map(Some),
        (None, Some([_, ..])) => Err(Refusal::not_offered("models of several containers")),
        (None, _) => Ok(None),
    }
}

fn check_container(container: &Members, faults: &mut Faults) -> Result<(), Refusal> {
    const AT: &str = "primaryContainer";
    if let Some(image) = text(container, "Image")? {
        faults.longest(image, &format!("{AT}.image"), 255);
        if image.is_empty() || image.contains(char::is_whitespace) {
            faults.add(image, &format!("{AT}.image"), "satisfy regular expression pattern: [\\S]+");
        }
    }
    if let Some(url) = text(container, "ModelDataUrl")? {
        faults.longest(url, &format!("{AT}.modelDataUrl"), 1024);
        let rest = url.strip_prefix("s3://").or_else(|| url.strip_prefix("https://"));
        if !rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/')) {
            let rule = "satisfy regular expression pattern: (https|s3)://([^/]+)/?(.*)";
            faults.add(url, &format!("{AT}.modelDataUrl"), rule);
        }
    }
    faults.one_of(text(container, "Mode")?, &format!("{AT}.mode"), &["MultiModel", "SingleModel"]);
    let Some(environment) = inner(container, "Environment")? else { return Ok(()) };
    let at = format!("{AT}.environment");
    if environment.len() > 100 {
        faults.add("{...}", &at, "have length less than or equal to 100");
    }
    for key in environment.keys() {
        let value = text(environment, key)?.unwrap_or_default();
        faults.longest(key, &at, 1024);
        faults.longest(value, &at, 1024);
        let starts = key.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        if !starts || !key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            faults.add(key, &at, "satisfy regular expression pattern: [a-zA-Z_][a-zA-Z0-9_]*");
        }
    }
    Ok(())
}

/// Checks the form of a network. There is no VPC to find the ids in.
fn check_network(network: &Members, faults: &mut Faults) -> Result<(), Refusal> {
    const AT: &str = "vpcConfig";
    for (member, at, most) in [("SecurityGroupIds", "securityGroupIds", 5), ("Subnets", "subnets", 16)] {
        let at = format!("{AT}.{at}");
        let Some(ids) = list(network, member)? else {
            faults.missing(&at);
            continue;
        };
        faults.length(ids.len(), &at, 1, most);
        for (index, id) in ids.iter().enumerate() {
            let (id, at) = (id.as_str().unwrap_or_default(), format!("{at}.{}.member", index + 1));
            faults.longest(id, &at, 32);
            if id.is_empty() || !id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
                faults.add(id, &at, "satisfy regular expression pattern: [-0-9a-zA-Z]+");
            }
        }
    }
    Ok(())
}

/// Checks that the service may act as the role now.
pub(super) fn must_be_assumable(cloud: &Cloud, role: &str) -> Result<(), Refusal> {
    if cloud.iam.may_assume(role, super::PRINCIPAL, &cloud.sagemaker.names.source_arn()) {
        return Ok(());
    }
    Err(invalid(format!(
        "Could not assume role {role}. Please ensure that the role exists and allows principal \
         'sagemaker.amazonaws.com' to assume the role."
    )))
}

/// Checks as the role what AWS checks as the role when a model is created.
fn check_access(cloud: &Cloud, role: &str, container: &Container) -> Result<(), Refusal> {
    let names = &cloud.sagemaker.names;
    must_be_assumable(cloud, role)?;
    let Some(url) = &container.model_data_url else { return Ok(()) };
    let readable = bucket_and_key(url).is_some_and(|(bucket, key)| {
        s3::may(cloud, role, "s3:GetObject", &names.object_arn(bucket, key), &[])
            && cloud.s3.object(bucket, key).is_some()
    });
    if readable {
        return Ok(());
    }
    Err(invalid(format!(
        "Could not access model data at {url}. Please ensure that the role \"{role}\" exists and that its trust \
         relationship policy allows the action \"sts:AssumeRole\" for the service principal \
         \"sagemaker.amazonaws.com\". Also ensure that the role has \"s3:GetObject\" permissions and that the object \
         is located in {}. If your Model uses multiple models or uncompressed models, please ensure that the role has \
         \"s3:ListBucket\" permission.",
        names.region
    )))
}

pub(super) fn repository_refused(image: &str) -> Refusal {
    invalid(format!(
        "The repository of your image {image} does not grant ecr:GetDownloadUrlForLayer, ecr:BatchGetImage, \
         ecr:BatchCheckLayerAvailability permission to sagemaker.amazonaws.com service principal"
    ))
}

fn required_key(names: &Names, request: &Members) -> Result<(String, String), Refusal> {
    let name = text(request, "ModelName")?;
    let mut faults = Faults::default();
    faults.model_name(name, "modelName");
    faults.finish()?;
    let name = name.unwrap_or_default();
    Ok((name.to_ascii_lowercase(), names.arn("model", name)))
}

/// The members of a request that its resource keeps.
pub(super) fn pick(request: &Members, members: &[&str]) -> Members {
    members.iter().filter_map(|key| Some(((*key).to_owned(), request.get(*key)?.clone()))).collect()
}
