//! Packing, serving, proving and keeping.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::words::{quoted, subject};
use super::{Block, Checker, nearest, suggest};
use crate::limits;
use crate::names::{ContainerVersion, PipelineName};
use crate::raw::{
    RawCreateEndpoint, RawDeployProxy, RawInstances, RawPackage, RawResponse, RawServerless, RawSmokeTest, RawTeardown,
    RawUpload,
};
use crate::types::{
    Architecture, Capacity, CreateEndpoint, DeployProxy, Keep, Package, Response, Route, SmokeTest, Teardown, Train,
    Upload,
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
    if raw.proxy.as_ref().is_some_and(|proxy| proxy.trim().is_empty()) {
        checker.say(checker.places.complain("stages.package.proxy", "`proxy` must not be empty"));
    }
    Some(Package { proxy: raw.proxy.map(PathBuf::from), architecture })
}

pub(super) fn upload(checker: &mut Checker<'_>, block: Block<'_>, name: Option<&PipelineName>) -> Option<Upload> {
    let raw: RawUpload = checker.stage("upload", block)?;
    if let Some(bucket) = &raw.bucket {
        if let Err(why) = check_bucket(bucket) {
            checker.say(checker.places.complain("stages.upload.bucket", format!("a bucket's name {why}")));
        }
    } else if let Some(name) = name {
        // What follows the name in the default is harmless, whatever the account and the region.
        if let Err(why) = check_bucket(&format!("{name}-123456789012-us-east-1")) {
            let complaint = checker.places.complain("name", format!("a bucket's name {why}"));
            checker.say(complaint.help("the bucket is `<name>-<account>-<region>` unless `upload` gives it a name"));
        }
    }
    Some(Upload { bucket: raw.bucket })
}

/// Checks the name of a bucket by S3's rules for general purpose buckets; the error completes "a bucket's name …".
fn check_bucket(name: &str) -> Result<(), String> {
    const PREFIXES: [&str; 3] = ["xn--", "sthree-", "amzn-s3-demo-"];
    const SUFFIXES: [&str; 5] = ["-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"];
    let length = name.chars().count();
    if let Some(wrong) = name.chars().find(|c| !matches!(c, 'a'..='z' | '0'..='9' | '-' | '.')) {
        return Err(format!("has only lower-case letters, digits, hyphens and dots, not `{wrong}`"));
    }
    if !(3..=63).contains(&length) {
        return Err(format!("has 3 to 63 characters, not {length}"));
    }
    let outer = |c: char| c.is_ascii_alphanumeric();
    if !(name.starts_with(outer) && name.ends_with(outer)) {
        return Err("begins and ends with a letter or a digit".to_owned());
    }
    if name.contains("..") {
        return Err("has no two dots in a row".to_owned());
    }
    if name.parse::<std::net::Ipv4Addr>().is_ok() {
        return Err("is no IP address".to_owned());
    }
    if let Some(prefix) = PREFIXES.iter().find(|prefix| name.starts_with(**prefix)) {
        return Err(format!("does not begin with `{prefix}`, which S3 keeps for itself"));
    }
    if let Some(suffix) = SUFFIXES.iter().find(|suffix| name.ends_with(**suffix)) {
        return Err(format!("does not end with `{suffix}`, which S3 keeps for itself"));
    }
    Ok(())
}

pub(super) fn create_endpoint(checker: &mut Checker<'_>, block: Block<'_>) -> Option<CreateEndpoint> {
    let path = |key: &str| format!("stages.create-endpoint.{key}");
    let raw: RawCreateEndpoint = checker.stage("create-endpoint", block)?;
    let default = CreateEndpoint::default();
    let capacity = match (raw.instances, raw.serverless) {
        (None, None) => Some(Capacity::default()),
        (Some(raw), None) => Some(instances(checker, raw.0)),
        (None, Some(raw)) => Some(serverless(checker, &raw.0)),
        (Some(_), Some(_)) => {
            let message = "`instances` and `serverless` exclude each other";
            let complaint = checker.places.complain_key(&path("serverless"), message);
            let other = checker.places.key(&path("instances"));
            checker.say(complaint.label("on demand").also(other, "on machines").help("keep one of them"));
            None
        }
    };
    let container = match raw.container.as_deref().map(ContainerVersion::parse) {
        None => Some(default.container),
        Some(Ok(container)) => Some(container),
        Some(Err(why)) => {
            let complaint = checker.places.complain(&path("container"), why.to_string());
            checker.say(complaint.help(format!("known tags: {}", ContainerVersion::KNOWN.join(", "))));
            None
        }
    };
    let log_retention_days =
        retention(checker, &path("log-retention-days"), raw.log_retention_days, default.log_retention_days);
    Some(CreateEndpoint { capacity: capacity?, container: container?, log_retention_days })
}

fn instances(checker: &mut Checker<'_>, raw: RawInstances) -> Capacity {
    let path = "stages.create-endpoint.instances.type";
    let instance_type = raw.r#type.unwrap_or_else(|| "ml.t2.medium".to_owned());
    match instance_family(&instance_type) {
        None => {
            let message = format!("{} is no instance type", quoted(&instance_type));
            let complaint = checker.places.complain(path, message);
            let help = match instance_family(&format!("ml.{instance_type}")) {
                Some(_) => format!("SageMaker's types begin with `ml.`: `ml.{instance_type}`"),
                None => "an instance type reads like `ml.t2.medium` or `ml.m5.large`".to_owned(),
            };
            checker.say(complaint.help(help));
        }
        Some(family) if is_graviton(family) => {
            let message = format!("`{instance_type}` is an Arm machine, and the prebuilt image is for x86_64");
            let complaint = checker.places.complain(path, message);
            checker.say(complaint.help("there the container would crash again and again; `ml.m5.large` would do"));
        }
        Some(_) => {}
    }
    let count = checker.whole("stages.create-endpoint.instances.count", raw.count, &limits::INSTANCES, 1);
    Capacity::Instances { instance_type, count }
}

/// `t2` of `ml.t2.medium`.
fn instance_family(instance_type: &str) -> Option<&str> {
    let (family, size) = instance_type.strip_prefix("ml.")?.split_once('.')?;
    let word = |text: &str, extra: char| {
        !text.is_empty() && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == extra)
    };
    (word(family, '-') && family.contains(|c: char| c.is_ascii_digit()) && word(size, '-')).then_some(family)
}

/// AWS marks its Arm machines by a `g` after the generation, as in `c7gn`; the `g` of `g4dn` stands before it.
fn is_graviton(family: &str) -> bool {
    let after_class = family.trim_start_matches(|c: char| c.is_ascii_lowercase());
    after_class.trim_start_matches(|c: char| c.is_ascii_digit()).starts_with('g')
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

fn retention(checker: &mut Checker<'_>, path: &str, given: Option<i64>, default: i32) -> i32 {
    let Some(days) = given else { return default };
    if limits::RETENTION_DAYS.contains(&days) {
        return i32::try_from(days).unwrap_or(default);
    }
    let message = format!("CloudWatch Logs keeps lines for certain numbers of days, and {days} is none of them");
    let longer = limits::RETENTION_DAYS.iter().find(|known| **known > days);
    let complaint = checker.places.complain(path, message);
    let complaint = match longer.filter(|_| days > 0) {
        Some(longer) => complaint.help(format!("the next longer is {longer}")),
        None => complaint,
    };
    let known = limits::RETENTION_DAYS.map(|days| days.to_string());
    checker.say(complaint.help(format!("days: {}", known.join(", "))));
    default
}

pub(super) fn deploy_proxy(checker: &mut Checker<'_>, block: Block<'_>) -> Option<DeployProxy> {
    let path = |key: &str| format!("stages.deploy-proxy.{key}");
    let raw: RawDeployProxy = checker.stage("deploy-proxy", block)?;
    let default = DeployProxy::default();
    let route = match raw.route {
        None => Some(default.route),
        Some(text) => route(checker, &path("route"), &text),
    };
    Some(DeployProxy {
        response: response(checker, raw.response.unwrap_or_default()),
        memory_mb: checker.whole(&path("memory-mb"), raw.memory_mb, &limits::FUNCTION_MB, default.memory_mb),
        timeout_s: checker.whole(&path("timeout-s"), raw.timeout_s, &limits::FUNCTION_TIMEOUT_S, default.timeout_s),
        log_retention_days: retention(
            checker,
            &path("log-retention-days"),
            raw.log_retention_days,
            default.log_retention_days,
        ),
        route: route?,
    })
}

fn route(checker: &mut Checker<'_>, place: &str, text: &str) -> Option<Route> {
    const METHODS: [&str; 6] = ["GET", "POST", "PUT", "PATCH", "DELETE", "ANY"];
    let mut refuse = |message: String, help: &str| {
        checker.say(checker.places.complain(place, message).help(help));
        None
    };
    let Some((method, path)) = text.split_once(' ') else {
        return refuse(format!("{} is no route", quoted(text)), "a route is a method and a path, such as `POST /`");
    };
    let path = path.trim_start();
    if !METHODS.contains(&method) {
        let upper = method.to_uppercase();
        let help = match nearest(&upper, METHODS) {
            Some(near) => format!("write `{near} {path}`"),
            None => format!("methods: {}", METHODS.join(", ")),
        };
        return refuse(format!("unknown method {} in the route", quoted(method)), &help);
    }
    if !path.starts_with('/') {
        return refuse(format!("the path {} must begin with `/`", quoted(path)), &format!("write `{method} /{path}`"));
    }
    if path.contains(['{', '}']) {
        let help = "the proxy answers one path; take the variable out";
        return refuse("a route's path has no variables".to_owned(), help);
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || "/-._~".contains(c);
    if let Some(wrong) = path.chars().find(|c| !plain(*c)) {
        let help = "a path has letters, digits, `/`, `-`, `.`, `_` and `~`";
        return refuse(format!("a route's path has no `{wrong}`"), help);
    }
    Some(Route { method: method.to_owned(), path: path.to_owned() })
}

fn response(checker: &mut Checker<'_>, raw: RawResponse) -> Response {
    let path = |key: &str| format!("stages.deploy-proxy.response.{key}");
    let default = Response::default();
    let response = Response {
        decision: raw.decision.unwrap_or(default.decision),
        score: raw.score.unwrap_or(default.score),
        threshold: checker.number(&path("threshold"), raw.threshold, &limits::SHARE, default.threshold),
    };
    for (key, name) in [("decision", &response.decision), ("score", &response.score)] {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        if name.is_empty() || !name.chars().all(plain) {
            let message = format!("{} is no name of a field", quoted(name));
            let complaint = checker.places.complain(&path(key), message);
            checker.say(complaint.help("a field's name has letters, digits, `_` and `-`"));
        }
    }
    if response.decision == response.score {
        let message = format!("the decision and the score are both called `{}`", response.score);
        let complaint = checker.places.complain(&path("score"), message);
        checker.say(complaint.also(checker.places.find(&path("decision")), "the decision"));
    }
    response
}

pub(super) fn smoke_test(
    checker: &mut Checker<'_>,
    block: Block<'_>,
    train: Option<&Train>,
    answer: Option<&Response>,
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
    if let Some(answer) = answer {
        let known = [answer.decision.as_str(), answer.score.as_str()];
        for field in expect.keys().filter(|field| !known.contains(&field.as_str())) {
            let path = format!("stages.smoke-test.expect.{field}");
            let complaint = checker.places.complain_key(&path, format!("the answer has no field {}", quoted(field)));
            checker.say(suggest(complaint, field, "fields", &known));
        }
    }
    Some(SmokeTest { request: raw.request, expect })
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
