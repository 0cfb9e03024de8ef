//! `InvokeEndpoint`, and the public side of a deployed API.

use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;
use serde_json::{Value as Json, json};

use crate::harness::{Answer, Http, Issuer};

use super::bench::{Bench, Said};
use super::{Case, each_is_answered_as_on_aws, rows};
use super::{image, sagemaker};

const RUNTIME: &[Case] = &[
    ("InvokeEndpoint", "endpoint absent or not in service", |b| invoke(b, "none", "1")),
    ("InvokeEndpoint", "identity policy", |b| {
        invoke(&b.asked_by("not-invoking", &["sagemaker:DescribeEndpoint"]), "fraud", "1")
    }),
    ("InvokeEndpoint", "container 5xx", |b| invoke(b, failing(b), "500")),
    ("InvokeEndpoint", "container 5xx, body unreadable", |b| invoke(b, failing(b), "cut")),
    ("InvokeEndpoint", "container 4xx", |b| invoke(b, "fraud", "a,b,c\n1,2,3\n")),
];

const PUBLIC: &[Case] = &[
    ("request", "no route/stage", |b| ask(b, "GET", "nowhere")),
    ("request", "throttled", |b| {
        let settings = json!({ "defaultRouteSettings": { "throttlingRateLimit": 1.0, "throttlingBurstLimit": 1 } });
        b.aws.signed(
            "apigateway",
            "PATCH",
            &format!("/v2/apis/{}/stages/%24default", api(b)),
            &[],
            settings.to_string(),
        );
        // The bucket is full at first.
        (0..50).map(|_| ask(b, "POST", "")).find(|said| said.status == 429).unwrap_or_default()
    }),
    ("request", "Lambda permission missing / function error / malformed reply", |b| {
        unthrottled(b);
        b.aws.signed("lambda", "DELETE", "/2015-03-31/functions/fraud-proxy/policy/runner", &[], "");
        ask(b, "POST", "")
    }),
    ("request", "integration time-out", |b| {
        unthrottled(b);
        b.scene.runner(&["apply"]).exits(0);
        let api = api(b);
        let integrations = b.aws.signed("apigateway", "GET", &format!("/v2/apis/{api}/integrations"), &[], "").json();
        let id = integrations["items"][0]["integrationId"].as_str().unwrap();
        let short = json!({ "timeoutInMillis": 50 }).to_string();
        b.aws.signed("apigateway", "PATCH", &format!("/v2/apis/{api}/integrations/{id}"), &[], short);
        let slow = json!({ "match": { "service": "sagemaker", "operation": "InvokeEndpoint" }, "fault": { "delay-ms": 2000 } });
        b.aws.put_faults(&json!([slow]));
        let said = ask(b, "POST", "");
        b.aws.clear_faults();
        said
    }),
    ("request", "JWT missing/invalid", |b| {
        let issuer = Issuer::new();
        guard(b, &issuer, &[]);
        let missing = ask_with(b, &[]);
        assert_eq!((missing.status, challenge(&missing)), (401, "Bearer"), "{missing:?}");
        let invalid = ask_with(b, &[("authorization", &issuer.token(&json!({ "exp": 1 })))]);
        b.scene.runner(&["apply"]).exits(0);
        let message = format!("{} + www-authenticate: {}", invalid.text, challenge(&invalid));
        Said { message, ..Said::body(&invalid) }
    }),
    ("request", "scope missing or IAM deny", |b| {
        let issuer = Issuer::new();
        guard(b, &issuer, &["score"]);
        let said = Said::body(&ask_with(b, &[("authorization", &issuer.token(&json!({})))]));
        b.scene.runner(&["apply"]).exits(0);
        said
    }),
];

#[test]
fn the_runtime_answers_as_on_aws() {
    each_is_answered_as_on_aws("sagemaker-runtime", &Bench::deployed(), RUNTIME);
}

#[test]
fn the_public_side_answers_as_on_aws() {
    each_is_answered_as_on_aws("execute-api (HTTP API data plane)", &Bench::deployed(), PUBLIC);
}

/// What only AWS answers so is for the function to live with: the SDK asks once more for some of it, and for the rest the
/// public is told to.
#[test]
fn a_runtime_that_refuses_for_a_moment_is_asked_again_by_the_function_or_by_who_asked() {
    let b = Bench::deployed();
    unthrottled(&b);
    let passing: Vec<_> = rows().filter(|row| row.service == "sagemaker-runtime" && row.how == "fault").collect();
    assert_eq!(passing.len(), 4);
    let mut told = vec![];
    for row in passing {
        let call = json!({ "service": "sagemaker", "operation": "InvokeEndpoint", "nth": 1 });
        b.aws.put_faults(&json!([{ "match": call, "fault": row.refusal() }]));
        let said = ask_with(&b, &[]);
        let later = said.headers.get("retry-after").map_or("", |seconds| seconds.to_str().unwrap());
        assert_eq!(b.aws.faults_without_effect(), Vec::<Json>::new());
        told.push(format!("{} {}: {} {later}", row.status, row.code, said.status));
    }
    let expected = [
        "429 ModelNotReadyException: 503 1",
        "530 InternalDependencyException: 503 1",
        "503 ServiceUnavailable: 200 ",
        "500 InternalFailure: 200 ",
    ];
    assert_eq!(told, expected);
}

fn invoke(b: &Bench, endpoint: &str, body: &str) -> Said {
    let answer = b.aws.ask(
        "sagemaker",
        "POST",
        &format!("/endpoints/{endpoint}/invocations"),
        &[("content-type", "text/csv")],
        body,
    );
    Said::of(&answer)
}

/// An endpoint whose container answers with the status that it is sent.
fn failing(b: &Bench) -> &'static str {
    const NAME: &str = "failing";
    if b.sagemaker("DescribeEndpoint", &json!({ "EndpointName": NAME })).status == 200 {
        return NAME;
    }
    image::push(&b.aws, image::DOCKER, &image::server(), NAME);
    let role = sagemaker::role(b, "of-failing", "sagemaker.amazonaws.com", "*");
    let container = json!({ "Image": image::name(NAME) });
    b.aws.sagemaker(
        "CreateModel",
        &json!({ "ModelName": NAME, "ExecutionRoleArn": role, "PrimaryContainer": container }),
    );
    sagemaker::serve(b, NAME, "InService");
    NAME
}

/// The id of the deployed API.
fn api(b: &Bench) -> String {
    let apis = b.aws.signed("apigateway", "GET", "/v2/apis", &[], "").json();
    apis["items"][0]["apiId"].as_str().unwrap().to_owned()
}

fn unthrottled(b: &Bench) {
    let settings = json!({ "defaultRouteSettings": { "throttlingRateLimit": 100.0, "throttlingBurstLimit": 200 } });
    b.aws.signed("apigateway", "PATCH", &format!("/v2/apis/{}/stages/%24default", api(b)), &[], settings.to_string());
}

/// Has the route ask for tokens of this issuer for these scopes.
fn guard(b: &Bench, issuer: &Issuer, scopes: &[&str]) {
    unthrottled(b);
    let below = |rest: &str| format!("/v2/apis/{}/{rest}", api(b));
    let call = |method, path: &str, body: &str| b.aws.signed("apigateway", method, path, &[], body).json();
    let authorizer = json!({
        "name": issuer.url(), "authorizerType": "JWT", "identitySource": ["$request.header.Authorization"],
        "jwtConfiguration": { "issuer": issuer.url(), "audience": ["scores"] },
    });
    let made = call("POST", &below("authorizers"), &authorizer.to_string());
    let routes = call("GET", &below("routes"), "");
    let route = routes["items"][0]["routeId"].as_str().unwrap();
    let by = json!({
        "authorizationType": "JWT", "authorizerId": made["authorizerId"], "authorizationScopes": scopes,
    });
    call("PATCH", &below(&format!("routes/{route}")), &by.to_string());
}

/// What a refusal asks for.
fn challenge(answer: &Answer) -> &str {
    answer.headers.get("www-authenticate").map(|value| value.to_str().unwrap()).unwrap_or_default()
}

/// A request of the public.
fn ask(b: &Bench, method: &str, path: &str) -> Said {
    Said::body(&send(b, method, path, &[]))
}

/// A request of the public to the route that is there, with these headers.
fn ask_with(b: &Bench, headers: &[(&str, &str)]) -> Answer {
    send(b, "POST", "", headers)
}

fn send(b: &Bench, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
    let uri = format!("{}/execute-api/{}/{path}", b.aws.base(), api(b));
    let request = Request::builder().method(method).uri(uri).header("content-type", "application/json");
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    let body = crate::harness::features().to_string();
    Http::new().send(request.body(Full::new(Bytes::from(body))).unwrap())
}
