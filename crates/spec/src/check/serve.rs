//! Packing, storing, serving, proving and keeping.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::words::{quoted, subject};
use super::{Block, Checker, api, aws, nearest, suggest};
use crate::limits;
use crate::names::{ContainerVersion, PipelineName};
use crate::raw::{RawCreateEndpoint, RawInstances, RawPackage, RawServerless, RawSmokeTest, RawTeardown, RawUpload};
use crate::types::{
    Architecture, Capacity, Container, CreateEndpoint, DeployProxy, Keep, Package, SmokeTest, Teardown, Train, Upload,
};

pub(super) fn package(checker: &mut Checker<'_>, block: Block<'_>) -> Option<Package> {
    let raw: RawPackage = checker.stage("package", block)?;
    let known = ["x86_64", "arm64"];
    let architecture = match raw.architecture.as_deref() {
        None | Some("x86_64") => Architecture::X86_64,
        Some("arm64") => Architecture::Arm64,
        Some(other) => {
            let path = "stages.package.architecture";
            let complaint = checker.places.complain(path, format!("unknown architecture {}", quoted(other)));
            checker.say(suggest(complaint, other, "architectures", &known));
            return None;
        }
    };
    for (key, file) in [("proxy", &raw.proxy), ("model-server", &raw.model_server)] {
        if file.as_ref().is_some_and(|file| file.trim().is_empty()) {
            let path = format!("stages.package.{key}");
            checker.say(checker.places.complain(&path, format!("`{key}` must not be empty")));
        }
    }
    let (proxy, model_server) = (raw.proxy.map(PathBuf::from), raw.model_server.map(PathBuf::from));
    Some(Package { proxy, architecture, model_server })
}

/// Objects to a program for an image that nobody asks for.
pub(super) fn check_model_server(
    checker: &mut Checker<'_>,
    package: Option<&Package>,
    endpoint: Option<&CreateEndpoint>,
) {
    let named = package.is_some_and(|package| package.model_server.is_some());
    let Some(Container::Prebuilt(version)) = endpoint.map(|endpoint| &endpoint.container) else { return };
    if named {
        let message = format!("`model-server` is not used: AWS's image `{version}` serves the model");
        let complaint = checker.places.complain_key("stages.package.model-server", message);
        checker.say(complaint.help("write `container: model-server` in stage `create-endpoint`"));
    }
}

pub(super) fn upload(checker: &mut Checker<'_>, block: Block<'_>, name: Option<&PipelineName>) -> Option<Upload> {
    let raw: RawUpload = checker.stage("upload", block)?;
    if let Some(bucket) = &raw.bucket {
        if let Err(why) = aws::check_bucket(bucket) {
            checker.say(checker.places.complain("stages.upload.bucket", format!("a bucket's name {why}")));
        }
    } else if let Some(name) = name {
        // What follows the name in the default is harmless, whatever the account and the region.
        if let Err(why) = aws::check_bucket(&format!("{name}-123456789012-us-east-1")) {
            let complaint = checker.places.complain("name", format!("a bucket's name {why}"));
            checker.say(complaint.help("the bucket is `<name>-<account>-<region>` unless `upload` gives it a name"));
        }
    }
    Some(Upload { bucket: raw.bucket })
}

pub(super) fn create_endpoint(checker: &mut Checker<'_>, block: Block<'_>) -> Option<CreateEndpoint> {
    let path = |key: &str| format!("stages.create-endpoint.{key}");
    let raw: RawCreateEndpoint = checker.stage("create-endpoint", block)?;
    let default = CreateEndpoint::default();
    let container = match raw.container.as_deref() {
        None => Some(default.container),
        Some(name) => container(checker, &path("container"), name),
    };
    let prebuilt = matches!(container, Some(Container::Prebuilt(_)));
    let capacity = match (raw.instances, raw.serverless) {
        (None, None) => Some(Capacity::default()),
        (Some(raw), None) => Some(instances(checker, raw.0, prebuilt)),
        (None, Some(raw)) => Some(serverless(checker, &raw.0)),
        (Some(_), Some(_)) => {
            let message = "`instances` and `serverless` exclude each other";
            let complaint = checker.places.complain_key(&path("serverless"), message);
            let other = checker.places.key(&path("instances"));
            checker.say(complaint.label("on demand").also(other, "on machines").help("keep one of them"));
            None
        }
    };
    let log_retention_days =
        aws::retention(checker, &path("log-retention-days"), raw.log_retention_days, default.log_retention_days);
    Some(CreateEndpoint { capacity: capacity?, container: container?, log_retention_days })
}

fn container(checker: &mut Checker<'_>, path: &str, name: &str) -> Option<Container> {
    if name == Container::MODEL_SERVER {
        return Some(Container::ModelServer);
    }
    match ContainerVersion::parse(name) {
        Ok(version) => Some(Container::Prebuilt(version)),
        Err(why) => {
            let complaint = checker.places.complain(path, why.to_string());
            let complaint = match nearest(name, [Container::MODEL_SERVER]) {
                Some(near) => complaint.help(format!("did you mean `{near}`?")),
                None => complaint,
            };
            let complaint = complaint.help(format!("known tags: {}", ContainerVersion::KNOWN.join(", ")));
            checker.say(complaint.help("`model-server` is an image of its own, which `runner` makes"));
            None
        }
    }
}

fn instances(checker: &mut Checker<'_>, raw: RawInstances, prebuilt: bool) -> Capacity {
    let instance_type = raw.r#type.unwrap_or_else(|| "ml.t2.medium".to_owned());
    aws::check_instance_type(checker, "stages.create-endpoint.instances.type", &instance_type, prebuilt);
    let count = checker.whole("stages.create-endpoint.instances.count", raw.count, &limits::INSTANCES, 1);
    Capacity::Instances { instance_type, count }
}

fn serverless(checker: &mut Checker<'_>, raw: &RawServerless) -> Capacity {
    let path = "stages.create-endpoint.serverless.memory-mb";
    let memory_mb: i32 = checker.whole(path, raw.memory_mb, &limits::SERVERLESS_MB, 2048);
    if i64::from(memory_mb) % limits::SERVERLESS_STEP_MB != 0 {
        let message = format!("`memory-mb` must be a multiple of {}, not {memory_mb}", limits::SERVERLESS_STEP_MB);
        checker.say(checker.places.complain(path, message).help("one of 1024, 2048, 3072, 4096, 5120, 6144"));
    }
    let max_concurrency = checker.whole(
        "stages.create-endpoint.serverless.max-concurrency",
        raw.max_concurrency,
        &limits::SERVERLESS_CONCURRENCY,
        5,
    );
    Capacity::Serverless { memory_mb, max_concurrency }
}

pub(super) fn smoke_test(
    checker: &mut Checker<'_>,
    block: Block<'_>,
    train: Option<&Train>,
    proxy: Option<&DeployProxy>,
) -> Option<SmokeTest> {
    let raw: RawSmokeTest = checker.stage("smoke-test", block)?;
    if let (Some(request), Some(train)) = (&raw.request, train) {
        check_request(checker, request, train.features());
    }
    let expect = raw.expect.unwrap_or_default();
    if raw.request.is_none() && !expect.is_empty() {
        let complaint = checker.places.complain_key("stages.smoke-test.expect", "`expect` needs a `request`");
        checker.say(complaint.help("golden rows are compared with the scores that training computed"));
    }
    if let Some(answer) = proxy.map(|proxy| &proxy.response) {
        let known = [answer.decision.as_str(), answer.score.as_str()];
        for field in expect.keys().filter(|field| !known.contains(&field.as_str())) {
            let path = format!("stages.smoke-test.expect.{field}");
            let complaint = checker.places.complain_key(&path, format!("the answer has no field {}", quoted(field)));
            checker.say(suggest(complaint, field, "fields", &known));
        }
    }
    let token = api::token(checker, raw.token, proxy.map(|proxy| &proxy.auth));
    Some(SmokeTest { request: raw.request, expect, token })
}

/// The proxy refuses a request with a feature too many or too few, so a smoke test would only find that out late.
fn check_request(checker: &mut Checker<'_>, request: &BTreeMap<String, f64>, features: &[String]) {
    let known: BTreeSet<&str> = features.iter().map(String::as_str).collect();
    let mut missing: Vec<_> =
        features.iter().map(String::as_str).filter(|feature| !request.contains_key(*feature)).collect();
    for (name, value) in request {
        let path = format!("stages.smoke-test.request.{name}");
        if !known.contains(name.as_str()) {
            let message = format!("the model has no feature {}", quoted(name));
            let complaint = checker.places.complain_key(&path, message);
            let near = nearest(name, missing.iter().copied());
            // A misspelt feature is not missing as well.
            missing.retain(|feature| near != Some(*feature));
            checker.say(match near {
                Some(near) => complaint.help(format!("did you mean `{near}`?")),
                None => complaint,
            });
        } else if !value.is_finite() {
            checker.say(checker.places.complain(&path, format!("{} must be finite, not {value}", subject(&path))));
        }
    }
    if let [first, more @ ..] = missing.as_slice() {
        let rest = if more.is_empty() { String::new() } else { format!(" and {} more", more.len()) };
        let message = format!("the request lacks feature `{first}`{rest}");
        let complaint = checker.places.complain_key("stages.smoke-test.request", message);
        checker.say(complaint.help("the proxy answers only requests with a value for every feature"));
    }
}

pub(super) fn teardown(checker: &mut Checker<'_>, block: Block<'_>) -> Option<Teardown> {
    let raw: RawTeardown = checker.stage("teardown", block)?;
    let mut keep = BTreeSet::new();
    for (index, name) in raw.keep.unwrap_or_default().iter().enumerate() {
        match name.as_str() {
            "bucket" => keep.insert(Keep::Bucket),
            "logs" => keep.insert(Keep::Logs),
            _ => {
                let path = format!("stages.teardown.keep[{index}]");
                let message = format!("a teardown cannot keep {}", quoted(name));
                checker.say(suggest(checker.places.complain(&path, message), name, "it can keep", &["bucket", "logs"]));
                false
            }
        };
    }
    Some(Teardown { keep })
}
