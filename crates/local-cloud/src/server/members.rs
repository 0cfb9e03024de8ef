//! The one check that no member of a request is accepted and then ignored.
//!
//! What is offered stands in `members/offered.txt`. IAM and STS, which have forms instead of documents, check by
//! themselves, and so does S3.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use http::HeaderMap;
use serde_json::{Map, Value};

use super::operation;
use crate::call::{Call, Refusal};
use crate::server::target::Service;
use crate::service::cloudwatch::wire::Protocol;

const TABLE: &str = include_str!("members/offered.txt");

/// The operations of each service.
static OFFERED: LazyLock<BTreeMap<&str, BTreeMap<&str, Members>>> = LazyLock::new(|| services(TABLE));

/// What an operation, or a structure, takes.
#[derive(Debug, Default, PartialEq)]
struct Members<'a> {
    body: BTreeMap<&'a str, Member<'a>>,
    query: Vec<&'a str>,
    refused_headers: Vec<&'a str>,
}

/// What one member may hold.
#[derive(Debug, PartialEq)]
enum Member<'a> {
    Any,
    Only(Vec<&'a str>),
    Except(Vec<&'a str>),
    /// A structure or a list of structures.
    Structure(Members<'a>),
    /// A map of structures.
    Map(Members<'a>),
}

/// Refuses by name the operation, the first member, or the first value of a call that is not offered.
pub(crate) fn check(service: Service, call: &Call) -> Result<(), Refusal> {
    let Some((name, title)) = named(service) else { return Ok(()) };
    let operation = match service {
        Service::Lambda => operation::lambda(&call.method, &call.path),
        Service::ApiGateway => operation::api_gateway_operation(&call.method, &call.path),
        Service::Runtime => operation::runtime(&call.method, &call.path),
        _ => call.operation.clone(),
    };
    let offered = OFFERED.get(name).and_then(|operations| operations.get(operation.as_str()));
    let offered = offered.ok_or_else(|| Refusal::no_operation(title, &operation))?;
    let refuse = |what: String| Refusal::not_offered(format!("{what} of {operation}"));
    offered.headers(&call.headers).map_err(refuse)?;
    if matches!(service, Service::Lambda | Service::ApiGateway) {
        offered.parameters(&call.query).map_err(refuse)?;
    }
    // The bodies of invocations are those of the function's or the model's own callers.
    if service == Service::Runtime || (service == Service::Lambda && operation == "Invoke") {
        return Ok(());
    }
    let given = match service {
        Service::CloudWatchCbor => Protocol::Cbor.read(&call.body).ok(),
        _ => serde_json::from_slice::<Map<String, Value>>(&call.body).ok(),
    };
    // A body that cannot be read is refused by the service, in its own words.
    given.map_or(Ok(()), |given| offered.given(&given, "").map_err(refuse))
}

/// The service's name in the table, and in refusals; none where it checks by itself.
fn named(service: Service) -> Option<(&'static str, &'static str)> {
    Some(match service {
        Service::SageMaker => ("sagemaker", "SageMaker"),
        Service::Runtime => ("sagemaker-runtime", "SageMaker"),
        Service::Lambda => ("lambda", "Lambda"),
        Service::ApiGateway => ("apigatewayv2", "API Gateway"),
        Service::Logs => ("logs", "CloudWatch Logs"),
        Service::CloudWatch | Service::CloudWatchCbor => ("cloudwatch", "CloudWatch"),
        Service::Ecr => ("ecr", "ECR"),
        Service::Autoscaling => ("application-autoscaling", "Application Auto Scaling"),
        Service::Quotas => ("service-quotas", "Service Quotas"),
        Service::S3 | Service::Iam | Service::Sts | Service::Other => return None,
    })
}

impl Members<'_> {
    /// The error is what is not offered, as in ``"`Mode: MultiModel` in `PrimaryContainer`"``.
    fn given(&self, given: &Map<String, Value>, within: &str) -> Result<(), String> {
        let place = if within.is_empty() { String::new() } else { format!(" in `{within}`") };
        for (name, value) in given.iter().filter(|(_, value)| !value.is_null()) {
            let path = if within.is_empty() { name.clone() } else { format!("{within}.{name}") };
            match self.body.get(name.as_str()) {
                Some(Member::Any) => {}
                Some(Member::Only(values)) if values.contains(&written(value).as_str()) => {}
                None | Some(Member::Only(_)) => return Err(format!("`{name}`{place}")),
                Some(Member::Except(values)) => {
                    let value = written(value);
                    if values.contains(&value.as_str()) {
                        return Err(format!("`{name}: {value}`{place}"));
                    }
                }
                Some(Member::Structure(inner)) => {
                    let items = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
                    items.iter().filter_map(Value::as_object).try_for_each(|item| inner.given(item, &path))?;
                }
                Some(Member::Map(inner)) => {
                    let items = value.as_object().into_iter().flat_map(Map::values);
                    items.filter_map(Value::as_object).try_for_each(|item| inner.given(item, &path))?;
                }
            }
        }
        Ok(())
    }

    fn parameters(&self, given: &[(String, String)]) -> Result<(), String> {
        let other = given.iter().find(|(name, _)| !self.query.contains(&name.as_str()));
        other.map_or(Ok(()), |(name, _)| Err(format!("the parameter `{name}`")))
    }

    fn headers(&self, given: &HeaderMap) -> Result<(), String> {
        let refused = self.refused_headers.iter().find(|name| given.contains_key(**name));
        refused.map_or(Ok(()), |name| Err(format!("the header `{name}`")))
    }
}

/// A value as the table writes it.
fn written(value: &Value) -> String {
    match value {
        Value::String(text) if text.is_empty() => "''".to_owned(),
        Value::String(text) => text.clone(),
        value => value.to_string(),
    }
}

fn services(table: &str) -> BTreeMap<&str, BTreeMap<&str, Members<'_>>> {
    let mut services: BTreeMap<&str, BTreeMap<&str, Members<'_>>> = BTreeMap::new();
    let mut words = table.lines().filter(|line| !line.starts_with('#')).flat_map(str::split_whitespace).peekable();
    let mut service = "";
    while let Some(word) = words.next() {
        if let Some(name) = word.strip_prefix('[').and_then(|word| word.strip_suffix(']')) {
            service = name;
        } else if let Some(operation) = word.strip_suffix(':') {
            let is_next = |word: &&str| word.starts_with('[') || word.ends_with(':');
            let members = members(&mut std::iter::from_fn(|| words.next_if(|word| !is_next(word))));
            services.entry(service).or_default().insert(operation, members);
        }
    }
    services
}

/// Reads members until the brace that closes their structure, or the end of the operation.
fn members<'a>(words: &mut dyn Iterator<Item = &'a str>) -> Members<'a> {
    let (mut members, mut last, mut is_map) = (Members::default(), "", false);
    while let Some(word) = words.next() {
        let values = |values: &'a str| values.split('|').collect();
        match word {
            "}" => break,
            "*" => is_map = true,
            "{" => {
                let inner = self::members(words);
                let inner = if is_map { Member::Map(inner) } else { Member::Structure(inner) };
                members.body.insert(last, inner);
                is_map = false;
            }
            word => {
                last = word;
                if let Some(name) = word.strip_prefix("!@") {
                    members.refused_headers.push(name);
                } else if let Some(name) = word.strip_prefix('?') {
                    members.query.push(name);
                } else if word.starts_with('@') {
                    // Headers are offered unless they are refused: clients send many of their own.
                } else if let Some((name, given)) = word.split_once('!') {
                    members.body.insert(name, Member::Except(values(given)));
                } else if let Some((name, given)) = word.split_once('=') {
                    members.body.insert(name, Member::Only(values(given)));
                } else {
                    members.body.insert(word, Member::Any);
                }
            }
        }
    }
    members
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::Method;

    use super::*;
    use crate::call::Caller;

    fn call(operation: &str, method: Method, path: &str, body: &str) -> Call {
        Call {
            operation: operation.to_owned(),
            method,
            path: path.to_owned(),
            query: vec![],
            headers: HeaderMap::new(),
            body: Bytes::from(body.to_owned()),
            caller: Caller { arn: String::new(), role: None },
            request_id: String::new(),
            outcome: None,
        }
    }

    fn refused(service: Service, call: &Call) -> String {
        match check(service, call) {
            Ok(()) => "taken".to_owned(),
            Err(refusal) => format!("{} {}: {}", refusal.status.as_u16(), refusal.code, refusal.message),
        }
    }

    fn of_sagemaker(operation: &str, body: &str) -> String {
        refused(Service::SageMaker, &call(operation, Method::POST, "/", body))
    }

    #[test]
    fn what_is_not_offered_is_refused_by_name_where_it_is() {
        insta::assert_snapshot!(of_sagemaker("CreateEndpointConfig", r#"{"EndpointConfigName": "a", "AsyncInferenceConfig": {}}"#), @"501 NotImplemented: the local cloud does not offer `AsyncInferenceConfig` of CreateEndpointConfig");
        insta::assert_snapshot!(of_sagemaker("CreateEndpointConfig", r#"{"ProductionVariants": [{"VariantName": "a"}, {"AcceleratorType": "ml.eia1.medium"}]}"#), @"501 NotImplemented: the local cloud does not offer `AcceleratorType` in `ProductionVariants` of CreateEndpointConfig");
        insta::assert_snapshot!(of_sagemaker("CreateModel", r#"{"PrimaryContainer": {"Mode": "MultiModel"}}"#), @"501 NotImplemented: the local cloud does not offer `Mode: MultiModel` in `PrimaryContainer` of CreateModel");
        insta::assert_snapshot!(of_sagemaker("CreateModel", r#"{"PrimaryContainer": {"Mode": "Nonsense"}}"#), @"taken");
        insta::assert_snapshot!(of_sagemaker("CreateModel", r#"{"PrimaryContainer": {"ModelPackageName": null}, "EnableNetworkIsolation": false}"#), @"taken");
        insta::assert_snapshot!(of_sagemaker("CreateModelPackage", "{}"), @"501 NotImplemented: the local cloud does not offer the operation `CreateModelPackage` of SageMaker");
    }

    #[test]
    fn maps_headers_parameters_and_values_are_checked_too() {
        let stage = r#"{"routeSettings": {"GET /": {"loggingLevel": "INFO"}}}"#;
        let stage = call("", Method::PATCH, "/v2/apis/a1/stages/$default", stage);
        insta::assert_snapshot!(refused(Service::ApiGateway, &stage), @"501 NotImplemented: the local cloud does not offer `loggingLevel` in `routeSettings` of UpdateStage");
        let layers = call("", Method::POST, "/2015-03-31/functions", r#"{"Layers": ["arn"], "KMSKeyArn": ""}"#);
        insta::assert_snapshot!(refused(Service::Lambda, &layers), @"501 NotImplemented: the local cloud does not offer `Layers` of CreateFunction");
        let none =
            call("", Method::POST, "/2015-03-31/functions", r#"{"Layers": [], "KMSKeyArn": "", "Publish": false}"#);
        insta::assert_snapshot!(refused(Service::Lambda, &none), @"taken");
        let mut all = call("", Method::GET, "/2015-03-31/functions", "");
        all.query.push(("FunctionVersion".to_owned(), "ALL".to_owned()));
        insta::assert_snapshot!(refused(Service::Lambda, &all), @"501 NotImplemented: the local cloud does not offer the parameter `FunctionVersion` of ListFunctions");
        let mut model = call("", Method::POST, "/endpoints/fraud/invocations", "not json");
        model.headers.insert("x-amzn-sagemaker-target-model", "a.tar.gz".parse().unwrap());
        insta::assert_snapshot!(refused(Service::Runtime, &model), @"501 NotImplemented: the local cloud does not offer the header `X-Amzn-SageMaker-Target-Model` of InvokeEndpoint");
    }

    #[test]
    fn the_whole_table_is_read() {
        let operations: usize = OFFERED.values().map(BTreeMap::len).sum();
        let lines = TABLE.lines().filter(|line| line.starts_with(|first: char| first.is_ascii_uppercase())).count();
        assert_eq!(operations, lines);
        assert_eq!(OFFERED.len(), TABLE.lines().filter(|line| line.starts_with('[')).count());
    }
}
