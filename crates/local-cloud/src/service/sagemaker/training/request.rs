//! What `CreateTrainingJob` is given: checked as the service model has it, then narrowed to what can be run here.

use std::collections::BTreeMap;

use serde_json::Value;

use super::super::instance_types;
use super::super::record::invalid;
use super::super::validate::{Faults, Members, inner, integer, list, structure, text};
use crate::call::Refusal;

/// What `DescribeTrainingJob` repeats.
pub(super) const KEPT: &[&str] = &[
    "AlgorithmSpecification",
    "EnableInterContainerTrafficEncryption",
    "EnableManagedSpotTraining",
    "EnableNetworkIsolation",
    "Environment",
    "HyperParameters",
    "InputDataConfig",
    "OutputDataConfig",
    "ResourceConfig",
    "RoleArn",
    "StoppingCondition",
    "VpcConfig",
];
/// A day. Source: API reference, `StoppingCondition`.
pub(super) const DEFAULT_MAX_RUNTIME_S: u64 = 86_400;
/// 28 days, from the same page.
const MAX_RUNTIME_S: i64 = 28 * 86_400;
const URI_PATTERN: &str = "(https|s3)://([^/]+)/?(.*)";

/// A job's request, as far as running it needs it.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) image: String,
    pub(super) role: String,
    pub(super) hyperparameters: BTreeMap<String, String>,
    pub(super) environment: BTreeMap<String, String>,
    pub(super) channels: Vec<Channel>,
    /// Where results go: bucket and a prefix without a slash at its end.
    pub(super) output: (String, String),
    pub(super) instance_type: String,
    pub(super) instance_count: u64,
    pub(super) max_runtime_s: u64,
}

/// A named input.
#[derive(Debug)]
pub(super) struct Channel {
    pub(super) name: String,
    /// As it was given.
    pub(super) uri: String,
    pub(super) bucket: String,
    /// May be empty.
    pub(super) prefix: String,
    pub(super) distribution: String,
    pub(super) content_type: Option<String>,
    pub(super) input_mode: String,
    pub(super) record_wrapper: String,
}

impl Asked {
    /// Reads and checks a request; `faults` holds what was found in it before.
    pub(super) fn read(request: &Members, mut faults: Faults) -> Result<Self, Refusal> {
        let empty = Members::new();
        let part = |key: &str| Ok::<_, Refusal>(inner(request, key)?.unwrap_or(&empty));
        let role = text(request, "RoleArn")?;
        match role {
            Some(role) => faults.role(role, "roleArn"),
            None => faults.missing("roleArn"),
        }
        let algorithm = part("AlgorithmSpecification")?;
        let input_mode = check_algorithm(request, algorithm, &mut faults)?;
        let hyperparameters = strings(part("HyperParameters")?, "hyperParameters", 256, 2500, &mut faults)?;
        let environment = environment(part("Environment")?, &mut faults)?;
        let channels = channels(request, input_mode, &mut faults)?;
        let output = output(request, &mut faults)?;
        let resources = part("ResourceConfig")?;
        let (instance_type, instance_count) = instances(resources, &mut faults)?;
        let max_runtime_s = max_runtime_s(part("StoppingCondition")?, &mut faults)?;
        faults.finish()?;
        refuse_what_cannot_run(request, algorithm, &channels)?;
        Ok(Self {
            image: text(algorithm, "TrainingImage")?.unwrap_or_default().to_owned(),
            role: role.unwrap_or_default().to_owned(),
            hyperparameters,
            environment,
            channels,
            output,
            instance_type,
            instance_count,
            max_runtime_s,
        })
    }

    /// Key of one of the results of `job`.
    pub(super) fn output_key(&self, job: &str, file: &str) -> String {
        let prefix = if self.output.1.is_empty() { String::new() } else { format!("{}/", self.output.1) };
        format!("{prefix}{job}/output/{file}")
    }
}

/// Where the model of a described job is, or will be.
pub(super) fn artifact_uri(described: &Members, job: &str) -> String {
    let path = described.get("OutputDataConfig").and_then(|output| output.get("S3OutputPath")).and_then(Value::as_str);
    format!("{}/{job}/output/model.tar.gz", path.unwrap_or_default().trim_end_matches('/'))
}

/// Checks the algorithm and gives its input mode.
fn check_algorithm<'a>(request: &Members, algorithm: &'a Members, faults: &mut Faults) -> Result<&'a str, Refusal> {
    const AT: &str = "algorithmSpecification";
    let mode = text(algorithm, "TrainingInputMode")?;
    if inner(request, "AlgorithmSpecification")?.is_some() && mode.is_none() {
        faults.missing(&format!("{AT}.trainingInputMode"));
    }
    faults.one_of(mode, &format!("{AT}.trainingInputMode"), &["Pipe", "File", "FastFile"]);
    if let Some(image) = text(algorithm, "TrainingImage")? {
        faults.longest(image, &format!("{AT}.trainingImage"), 255);
    }
    Ok(mode.unwrap_or("File"))
}

fn environment(given: &Members, faults: &mut Faults) -> Result<BTreeMap<String, String>, Refusal> {
    let environment = strings(given, "environment", 512, 512, faults)?;
    for key in environment.keys() {
        let starts = key.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        if !starts || !key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            faults.add(key, "environment", "satisfy regular expression pattern: [a-zA-Z_][a-zA-Z0-9_]*");
        }
    }
    Ok(environment)
}

/// A map of at most a hundred strings.
fn strings(
    given: &Members,
    at: &str,
    longest_key: usize,
    longest_value: usize,
    faults: &mut Faults,
) -> Result<BTreeMap<String, String>, Refusal> {
    if given.len() > 100 {
        faults.add("{...}", at, "have length less than or equal to 100");
    }
    let mut strings = BTreeMap::new();
    for key in given.keys() {
        let value = text(given, key)?.unwrap_or_default();
        faults.longest(key, at, longest_key);
        faults.longest(value, at, longest_value);
        strings.insert(key.clone(), value.to_owned());
    }
    Ok(strings)
}

fn channels(request: &Members, input_mode: &str, faults: &mut Faults) -> Result<Vec<Channel>, Refusal> {
    let given = list(request, "InputDataConfig")?;
    if let Some(given) = given
        && !(1..=20).contains(&given.len())
    {
        let rule = if given.is_empty() { "greater than or equal to 1" } else { "less than or equal to 20" };
        faults.add("[...]", "inputDataConfig", format_args!("have length {rule}"));
    }
    let mut channels = Vec::new();
    for (index, channel) in given.unwrap_or_default().iter().enumerate() {
        let at = |member: &str| format!("inputDataConfig.{}.member.{member}", index + 1);
        let channel = structure(channel)?;
        let name = text(channel, "ChannelName")?;
        match name {
            None => faults.missing(&at("channelName")),
            Some(name) => {
                faults.longest(name, &at("channelName"), 64);
                let legal = |b: u8| b.is_ascii_alphanumeric() || b".-_".contains(&b);
                if name.is_empty() || !name.bytes().all(legal) {
                    let rule = "satisfy regular expression pattern: [A-Za-z0-9\\.\\-_]+";
                    faults.add(name, &at("channelName"), rule);
                }
            }
        }
        let source = inner(channel, "DataSource")?;
        if source.is_none() {
            faults.missing(&at("dataSource"));
        }
        let source = match source {
            Some(source) => inner(source, "S3DataSource")?,
            None => None,
        };
        let mode = text(channel, "InputMode")?;
        faults.one_of(mode, &at("inputMode"), &["Pipe", "File", "FastFile"]);
        faults.one_of(text(channel, "CompressionType")?, &at("compressionType"), &["None", "Gzip"]);
        faults.one_of(text(channel, "RecordWrapperType")?, &at("recordWrapperType"), &["None", "RecordIO"]);
        let (uri, distribution) = match source {
            Some(source) => s3_source(source, &at("dataSource.s3DataSource"), faults)?,
            None => Default::default(),
        };
        let (bucket, prefix) = bucket_and_prefix(&uri).unwrap_or_default();
        channels.push(Channel {
            name: name.unwrap_or_default().to_owned(),
            bucket: bucket.to_owned(),
            prefix: prefix.to_owned(),
            distribution,
            content_type: text(channel, "ContentType")?.map(str::to_owned),
            input_mode: mode.unwrap_or(input_mode).to_owned(),
            record_wrapper: text(channel, "RecordWrapperType")?.unwrap_or("None").to_owned(),
            uri,
        });
    }
    Ok(channels)
}

/// URI and distribution.
fn s3_source(source: &Members, at: &str, faults: &mut Faults) -> Result<(String, String), Refusal> {
    let kind = text(source, "S3DataType")?;
    let kinds = &["ManifestFile", "S3Prefix", "AugmentedManifestFile", "Converse"];
    if kind.is_none() {
        faults.missing(&format!("{at}.s3DataType"));
    }
    faults.one_of(kind, &format!("{at}.s3DataType"), kinds);
    let distribution = text(source, "S3DataDistributionType")?;
    let distributions = &["FullyReplicated", "ShardedByS3Key"];
    faults.one_of(distribution, &format!("{at}.s3DataDistributionType"), distributions);
    let uri = text(source, "S3Uri")?;
    check_uri(uri, &format!("{at}.s3Uri"), faults);
    Ok((uri.unwrap_or_default().to_owned(), distribution.unwrap_or("FullyReplicated").to_owned()))
}

fn check_uri(uri: Option<&str>, at: &str, faults: &mut Faults) {
    let Some(uri) = uri else { return faults.missing(at) };
    faults.longest(uri, at, 1024);
    let rest = uri.strip_prefix("s3://").or_else(|| uri.strip_prefix("https://"));
    if !rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/')) {
        faults.add(uri, at, format_args!("satisfy regular expression pattern: {URI_PATTERN}"));
    }
}

fn output(request: &Members, faults: &mut Faults) -> Result<(String, String), Refusal> {
    let Some(output) = inner(request, "OutputDataConfig")? else {
        faults.missing("outputDataConfig");
        return Ok(Default::default());
    };
    let path = text(output, "S3OutputPath")?;
    check_uri(path, "outputDataConfig.s3OutputPath", faults);
    faults.one_of(text(output, "CompressionType")?, "outputDataConfig.compressionType", &["GZIP", "NONE"]);
    let (bucket, prefix) = path.and_then(bucket_and_prefix).unwrap_or_default();
    Ok((bucket.to_owned(), prefix.trim_end_matches('/').to_owned()))
}

fn instances(resources: &Members, faults: &mut Faults) -> Result<(String, u64), Refusal> {
    const AT: &str = "resourceConfig";
    let instance_type = text(resources, "InstanceType")?;
    let types: Vec<String> = instance_types::for_training().collect();
    let types: Vec<&str> = types.iter().map(String::as_str).collect();
    faults.one_of(instance_type, &format!("{AT}.instanceType"), &types);
    let count = integer(resources, "InstanceCount")?;
    faults.range(count, &format!("{AT}.instanceCount"), 0, i64::MAX);
    faults.range(integer(resources, "VolumeSizeInGB")?, &format!("{AT}.volumeSizeInGB"), 0, i64::MAX);
    let count = count.and_then(|count| u64::try_from(count).ok()).unwrap_or_default();
    Ok((instance_type.unwrap_or_default().to_owned(), count))
}

fn max_runtime_s(stopping: &Members, faults: &mut Faults) -> Result<u64, Refusal> {
    let given = integer(stopping, "MaxRuntimeInSeconds")?;
    faults.range(given, "stoppingCondition.maxRuntimeInSeconds", 1, MAX_RUNTIME_S);
    let wait = integer(stopping, "MaxWaitTimeInSeconds")?;
    faults.range(wait, "stoppingCondition.maxWaitTimeInSeconds", 1, i64::MAX);
    Ok(given.and_then(|given| u64::try_from(given).ok()).unwrap_or(DEFAULT_MAX_RUNTIME_S))
}

/// Refuses what AWS would run, or refuse in words that are not known.
fn refuse_what_cannot_run(request: &Members, algorithm: &Members, channels: &[Channel]) -> Result<(), Refusal> {
    let not_offered = |what: &str| Err(Refusal::not_offered(format!("{what} of CreateTrainingJob")));
    if text(algorithm, "TrainingImage")?.is_none() {
        return not_offered("an algorithm without a `TrainingImage`");
    }
    let resources = inner(request, "ResourceConfig")?;
    let has = |key: &str| resources.is_some_and(|resources| resources.contains_key(key));
    if !has("InstanceType") || !has("InstanceCount") {
        return not_offered("a `ResourceConfig` without `InstanceType` and `InstanceCount`");
    }
    for (index, channel) in channels.iter().enumerate() {
        if channel.input_mode == "Pipe" {
            return not_offered("the input mode `Pipe`");
        }
        if [".", ".."].contains(&channel.name.as_str()) {
            return Err(invalid("A channel needs a name that can be the name of a folder."));
        }
        if channels.iter().take(index).any(|other| other.name == channel.name) {
            return Err(invalid(format!("The channel name {} is given twice.", channel.name)));
        }
    }
    for channel in channels {
        if !channel.uri.starts_with("s3://") {
            return not_offered("channels that are not under `s3://`");
        }
    }
    let output = inner(request, "OutputDataConfig")?;
    let output = output.and_then(|output| output.get("S3OutputPath")).and_then(Value::as_str);
    if !output.is_some_and(|uri| uri.starts_with("s3://")) {
        return not_offered("results that are not under `s3://`");
    }
    Ok(())
}

/// Splits `s3://bucket/prefix`; the prefix may be empty.
fn bucket_and_prefix(uri: &str) -> Option<(&str, &str)> {
    let rest = uri.strip_prefix("s3://")?;
    Some(rest.split_once('/').unwrap_or((rest, "")))
}
