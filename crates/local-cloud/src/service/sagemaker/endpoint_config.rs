//! Endpoint configs: which models, on what, in which proportion.

use serde_json::{Value, json};

use super::capture::Capture;
use super::instance_types;
use super::model::{self, container_of, pick};
use super::record::{Fleet, Memory, Names, Record, Variant, absent, invalid, now, random_id, taken};
use super::validate::{Faults, Members, inner, integer, list, number, structure, text};
use crate::Cloud;
use crate::call::Refusal;

/// What AWS calls it in messages.
pub(super) const NOUN: &str = "endpoint configuration";

const MEMBERS: &[&str] =
    &["ProductionVariants", "DataCaptureConfig", "KmsKeyId", "ExecutionRoleArn", "EnableNetworkIsolation"];

/// What `SageMaker` waits for a first `/ping` by default.
const STARTUP_LIMIT_S: u64 = 240;

/// `CreateEndpointConfig`.
pub(super) fn create(cloud: &Cloud, request: &Members) -> Result<Value, Refusal> {
    let sagemaker = &cloud.sagemaker;
    let mut faults = Faults::default();
    let name = text(request, "EndpointConfigName")?;
    faults.name(name, "endpointConfigName");
    let variants = list(request, "ProductionVariants")?;
    match variants {
        None => faults.missing("productionVariants"),
        Some([]) => faults.add("[]", "productionVariants", "have length greater than or equal to 1"),
        Some(many) if many.len() > 10 => {
            faults.add("[...]", "productionVariants", "have length less than or equal to 10");
        }
        Some(_) => {}
    }
    let variants = variants.unwrap_or_default();
    for (index, variant) in variants.iter().enumerate() {
        check_variant(structure(variant)?, &format!("productionVariants.{}.member", index + 1), &mut faults)?;
    }
    if let Some(role) = text(request, "ExecutionRoleArn")? {
        faults.role(role, "executionRoleArn");
    }
    if let Some(key) = text(request, "KmsKeyId")? {
        faults.kms_key(key, "kmsKeyId");
    }
    let capture = Capture::read(request, &mut faults)?;
    let tags = faults.tags(request)?;
    faults.finish()?;
    for (index, variant) in variants.iter().enumerate() {
        let variant = structure(variant)?;
        check_capacity(variant)?;
        check_disk(variant, text(request, "KmsKeyId")?)?;
        check_on_demand(variant, capture.is_some(), sagemaker)?;
        let is_name_again = |earlier: &Value| earlier.get("VariantName") == variant.get("VariantName");
        if variants.iter().take(index).any(is_name_again) {
            return Err(invalid("Production variant names must be unique within an endpoint configuration."));
        }
    }

    let name = name.unwrap_or_default();
    let arn = sagemaker.names.arn("endpoint-config", name);
    let key = name.to_ascii_lowercase();
    let record =
        Record { name: name.to_owned(), arn: arn.clone(), created: now(), given: pick(request, MEMBERS), tags };
    sagemaker.memory.write(|memory| {
        if memory.configs.contains_key(&key) {
            return Err(taken(NOUN, &arn));
        }
        fleet(&sagemaker.names, memory, &record)?;
        memory.configs.insert(key, record);
        Ok(())
    })?;
    Ok(json!({ "EndpointConfigArn": arn }))
}

/// `DescribeEndpointConfig`.
pub(super) fn describe(cloud: &Cloud, request: &Members) -> Result<Value, Refusal> {
    let (key, arn) = required_key(&cloud.sagemaker.names, request)?;
    let record = cloud.sagemaker.memory.read(|memory| memory.configs.get(&key).cloned());
    let record = record.ok_or_else(|| absent(NOUN, &arn))?;
    let mut answer = record.given;
    for variant in answer.get_mut("ProductionVariants").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(variant) = variant.as_object_mut() {
            variant.entry("InitialVariantWeight").or_insert_with(|| 1.0.into());
        }
    }
    answer.entry("EnableNetworkIsolation").or_insert(Value::Bool(false));
    answer.insert("EndpointConfigName".into(), record.name.into());
    answer.insert("EndpointConfigArn".into(), record.arn.into());
    answer.insert("CreationTime".into(), record.created.into());
    Ok(Value::Object(answer))
}

/// `DeleteEndpointConfig`. As on AWS nothing protects a config in use; its endpoint can then not be updated.
pub(super) fn delete(cloud: &Cloud, request: &Members) -> Result<Value, Refusal> {
    let (key, arn) = required_key(&cloud.sagemaker.names, request)?;
    cloud.sagemaker.memory.write(|memory| memory.configs.remove(&key).ok_or_else(|| absent(NOUN, &arn)))?;
    Ok(Value::Null)
}

/// A new generation of servers as the config describes it; refuses when a model of it is absent.
pub(super) fn fleet(names: &Names, memory: &Memory, config: &Record) -> Result<Fleet, Refusal> {
    let config_role = text(&config.given, "ExecutionRoleArn")?;
    let mut variants = Vec::new();
    for variant in list(&config.given, "ProductionVariants")?.unwrap_or_default() {
        let variant = structure(variant)?;
        let model_name = text(variant, "ModelName")?.unwrap_or_default();
        let model = memory
            .models
            .get(&model_name.to_ascii_lowercase())
            .ok_or_else(|| absent(model::NOUN, &names.arn("model", model_name)))?;
        let serverless = inner(variant, "ServerlessConfig")?.cloned().map(Value::Object);
        let weight = number(variant, "InitialVariantWeight")?.unwrap_or(1.0);
        let count = integer(variant, "InitialInstanceCount")?.and_then(|count| u64::try_from(count).ok());
        let count = if serverless.is_some() { 0 } else { count.unwrap_or(1) };
        let limit = integer(variant, "ContainerStartupHealthCheckTimeoutInSeconds")?;
        variants.push(Variant {
            name: text(variant, "VariantName")?.unwrap_or_default().to_owned(),
            instance_id: format!("i-{}", hex::encode(rand::random::<[u8; 8]>())),
            role: text(&model.given, "ExecutionRoleArn")?.or(config_role).map(str::to_owned),
            container: container_of(&model.given)?,
            startup_limit_s: limit.and_then(|limit| u64::try_from(limit).ok()).unwrap_or(STARTUP_LIMIT_S),
            instance_type: text(variant, "InstanceType")?.map(str::to_owned),
            current_weight: weight,
            desired_weight: weight,
            current_count: count,
            desired_count: count,
            desired_serverless: serverless.clone(),
            serverless,
            network: inner(&model.given, "VpcConfig")?.is_some(),
        });
    }
    let capture = Capture::of(&config.given)?;
    Ok(Fleet { id: random_id(), config_name: config.name.clone(), started: now(), variants, capture })
}

fn check_variant(variant: &Members, path: &str, faults: &mut Faults) -> Result<(), Refusal> {
    let at = |member: &str| format!("{path}.{member}");
    faults.name(text(variant, "VariantName")?, &at("variantName"));
    if let Some(name) = text(variant, "ModelName")? {
        faults.model_name(Some(name), &at("modelName"));
    }
    if let Some(kind) = text(variant, "InstanceType")?
        && !instance_types::is_known(kind)
    {
        let types: Vec<_> = instance_types::all().collect();
        faults.add(kind, &at("instanceType"), format_args!("satisfy enum value set: [{}]", types.join(", ")));
    }
    if let Some(weight) = number(variant, "InitialVariantWeight")?
        && weight < 0.0
    {
        faults.add(weight, &at("initialVariantWeight"), "have value greater than or equal to 0");
    }
    for (member, key, least, most) in [
        ("initialInstanceCount", "InitialInstanceCount", 1, i64::MAX),
        ("volumeSizeInGB", "VolumeSizeInGB", 1, 512),
        ("modelDataDownloadTimeoutInSeconds", "ModelDataDownloadTimeoutInSeconds", 60, 3600),
        ("containerStartupHealthCheckTimeoutInSeconds", "ContainerStartupHealthCheckTimeoutInSeconds", 60, 3600),
    ] {
        faults.range(integer(variant, key)?, &at(member), least, most);
    }
    let Some(serverless) = inner(variant, "ServerlessConfig")? else { return Ok(()) };
    let at = |member: &str| format!("{path}.serverlessConfig.{member}");
    if integer(serverless, "MemorySizeInMB")?.is_none() {
        faults.missing(&at("memorySizeInMB"));
    }
    match integer(serverless, "MaxConcurrency")? {
        None => faults.missing(&at("maxConcurrency")),
        most => faults.range(most, &at("maxConcurrency"), 1, 200),
    }
    faults.range(integer(serverless, "ProvisionedConcurrency")?, &at("provisionedConcurrency"), 1, 200);
    Ok(())
}

/// Checks what constraint validation does not: that instances or serverless capacity are asked for, and in which sizes.
fn check_capacity(variant: &Members) -> Result<(), Refusal> {
    if text(variant, "ModelName")?.is_none() {
        return Err(Refusal::not_offered("production variants without a `ModelName`, for inference components"));
    }
    let instances = text(variant, "InstanceType")?;
    let count = integer(variant, "InitialInstanceCount")?;
    match inner(variant, "ServerlessConfig")? {
        Some(_) if instances.is_some() || count.is_some() => Err(invalid(
            "A production variant with a ServerlessConfig takes neither an InstanceType nor an InitialInstanceCount.",
        )),
        Some(serverless) => {
            let memory = integer(serverless, "MemorySizeInMB")?.unwrap_or_default();
            if (1024..=6144).contains(&memory) && memory % 1024 == 0 {
                return Ok(());
            }
            Err(invalid(format!(
                "Value '{memory}' at 'MemorySizeInMB' failed to satisfy constraint: Member must satisfy enum value \
                 set: [1024, 2048, 3072, 4096, 5120, 6144]"
            )))
        }
        None if instances.is_none() || count.is_none() => Err(invalid(
            "A production variant needs an InstanceType and an InitialInstanceCount, or a ServerlessConfig.",
        )),
        None => Ok(()),
    }
}

/// Types with local disks have no volume to size or to encrypt. Source: `CreateEndpointConfig`, and reports in public
/// issues; the second sentence is not verified.
fn check_disk(variant: &Members, kms_key: Option<&str>) -> Result<(), Refusal> {
    let Some(kind) = text(variant, "InstanceType")?.filter(|kind| instance_types::has_own_disk(kind)) else {
        return Ok(());
    };
    if integer(variant, "VolumeSizeInGB")?.is_some() {
        return Err(invalid(format!("VolumeSizeInGB parameter is not allowed for the selected Instance type {kind}.")));
    }
    if kms_key.is_some() {
        return Err(invalid(format!("KmsKeyId parameter is not allowed for the selected Instance type {kind}.")));
    }
    Ok(())
}

/// What serverless endpoints do not have. Source: AWS documentation, Serverless Inference, feature exclusions; the
/// sentences are not verified.
fn check_on_demand(variant: &Members, captures: bool, sagemaker: &super::SageMaker) -> Result<(), Refusal> {
    let Some(serverless) = inner(variant, "ServerlessConfig")? else { return Ok(()) };
    let most = integer(serverless, "MaxConcurrency")?;
    if integer(serverless, "ProvisionedConcurrency")? > most {
        return Err(invalid("ProvisionedConcurrency must be less than or equal to MaxConcurrency."));
    }
    if captures {
        return Err(invalid("Data capture is not supported for serverless endpoints."));
    }
    for member in ["VolumeSizeInGB", "ContainerStartupHealthCheckTimeoutInSeconds", "ModelDataDownloadTimeoutInSeconds"]
    {
        if integer(variant, member)?.is_some() {
            return Err(invalid(format!("{member} is not supported for serverless endpoints.")));
        }
    }
    let model = text(variant, "ModelName")?.unwrap_or_default().to_ascii_lowercase();
    let in_network = sagemaker
        .memory
        .read(|memory| memory.models.get(&model).is_some_and(|model| model.given.contains_key("VpcConfig")));
    if in_network {
        return Err(invalid("VPC configuration is not supported for serverless endpoints."));
    }
    Ok(())
}

fn required_key(names: &Names, request: &Members) -> Result<(String, String), Refusal> {
    let name = text(request, "EndpointConfigName")?;
    let mut faults = Faults::default();
    faults.name(name, "endpointConfigName");
    faults.finish()?;
    let name = name.unwrap_or_default();
    Ok((name.to_ascii_lowercase(), names.arn("endpoint-config", name)))
}
