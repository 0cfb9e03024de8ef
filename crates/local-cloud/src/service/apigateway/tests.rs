//! The service through its two doors.

mod auth;

use bytes::Bytes;
use http::{Method, Request};
use serde_json::{Value, json};

use crate::service::lambda::fixture::{Fixture, call, echo, shown};

use super::serve;
use crate::server::{Service, dispatch};

const ARN: &str = "arn:aws:lambda:us-east-1:123456789012:function:fn";

async fn send(fixture: &Fixture, method: Method, path: &str, body: Value) -> Result<Value, String> {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let response = dispatch(&fixture.cloud, Service::ApiGateway, &call(method, path, body)).await;
    let response = response.map_err(|refusal| shown(&refusal))?;
    Ok(serde_json::from_slice(response.body()).unwrap_or(Value::Null))
}

/// An API with a `POST /` and a `$default` stage; its id and its integration's.
async fn api(fixture: &Fixture) -> (String, String) {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let given = json!({ "name": "fraud", "protocolType": "HTTP", "tags": { "runner:pipeline": "fraud" } });
    let id = text(&send(fixture, Method::POST, "/v2/apis", given).await.unwrap()["apiId"]);
    let given = json!({ "integrationType": "AWS_PROXY", "integrationUri": ARN, "payloadFormatVersion": "2.0", "timeoutInMillis": 500 });
    let path = format!("/v2/apis/{id}/integrations");
    let integration = text(&send(fixture, Method::POST, &path, given).await.unwrap()["integrationId"]);
    let given = json!({ "routeKey": "POST /", "target": format!("integrations/{integration}") });
    send(fixture, Method::POST, &format!("/v2/apis/{id}/routes"), given).await.unwrap();
    let given = json!({ "stageName": "$default", "autoDeploy": true });
    send(fixture, Method::POST, &format!("/v2/apis/{id}/stages"), given).await.unwrap();
    (id, integration)
}

async fn request(fixture: &Fixture, api: &str, method: Method, path: &str) -> String {
    let request = Request::builder().method(method).uri(path).body(Bytes::new()).unwrap();
    let response = serve(&fixture.cloud, api, path, request).await;
    format!("{} {}", response.status().as_u16(), String::from_utf8_lossy(response.body()))
}

#[tokio::test]
async fn two_apis_may_share_a_name_and_go_with_all_they_have() {
    let fixture = Fixture::new().await;
    let ((one, _), (two, _)) = (api(&fixture).await, api(&fixture).await);
    assert_ne!(one, two);
    let found = send(&fixture, Method::GET, "/v2/apis", Value::Null).await.unwrap();
    assert_eq!(found["items"].as_array().unwrap().len(), 2);
    let endpoint = send(&fixture, Method::GET, &format!("/v2/apis/{one}"), Value::Null).await.unwrap();
    assert_eq!(endpoint["apiEndpoint"], format!("http://127.0.0.1:1/execute-api/{one}"));
    for id in [&one, &two] {
        send(&fixture, Method::DELETE, &format!("/v2/apis/{id}"), Value::Null).await.unwrap();
    }
    assert!(fixture.cloud.apigateway.is_empty());
    let gone = send(&fixture, Method::GET, &format!("/v2/apis/{one}/routes"), Value::Null).await.unwrap_err();
    assert_eq!(gone, format!("404 NotFoundException Invalid API identifier specified 123456789012:{one}"));
}

#[tokio::test]
async fn what_cannot_be_done_is_refused_in_awss_words() {
    let fixture = Fixture::new().await;
    let (id, integration) = api(&fixture).await;
    let cases = [
        (Method::POST, "/v2/apis".to_owned(), json!({ "name": "x", "protocolType": "FTP" })),
        (Method::POST, "/v2/apis".to_owned(), json!({ "name": "x", "protocolType": "HTTP", "target": ARN })),
        (Method::GET, format!("/v2/apis/{id}/routes/none"), Value::Null),
        (Method::GET, format!("/v2/apis/{id}/integrations/none"), Value::Null),
        (Method::GET, format!("/v2/apis/{id}/stages/none"), Value::Null),
        (Method::POST, format!("/v2/apis/{id}/stages"), json!({ "stageName": "$default" })),
        (Method::POST, format!("/v2/apis/{id}/routes"), json!({ "routeKey": "POST /" })),
        (Method::POST, format!("/v2/apis/{id}/routes"), json!({ "routeKey": "FETCH /" })),
        (Method::POST, format!("/v2/apis/{id}/routes"), json!({ "routeKey": "GET /", "target": "integrations/none" })),
        (Method::POST, format!("/v2/apis/{id}/routes"), json!({ "routeKey": "GET /", "authorizationType": "CUSTOM" })),
        (Method::DELETE, format!("/v2/apis/{id}/integrations/{integration}"), Value::Null),
        (Method::PATCH, format!("/v2/apis/{id}/integrations/{integration}"), json!({ "timeoutInMillis": 30_001 })),
        (Method::PATCH, format!("/v2/apis/{id}/integrations/{integration}"), json!({ "tlsConfig": {} })),
        (Method::GET, format!("/v2/apis/{id}/models"), Value::Null),
    ];
    let mut refusals = Vec::new();
    for (method, path, body) in cases {
        let refused = send(&fixture, method, &path, body).await.unwrap_err();
        refusals.push(refused.replace(&id, "API").replace(&integration, "INTEGRATION"));
    }
    insta::assert_snapshot!(refusals.join("\n"), @r#"
    400 BadRequestException Invalid protocol specified. Must be one of [HTTP, WEBSOCKET]
    501 NotImplemented the local cloud does not offer `target` of CreateApi
    404 NotFoundException Invalid Route identifier specified none
    404 NotFoundException Invalid Integration identifier specified none
    404 NotFoundException Invalid stage identifier specified
    409 ConflictException Stage already exists
    409 ConflictException Route with key POST / already exists for this API
    400 BadRequestException The provided route key is not formatted properly for HTTP protocol. Format should be "<HTTP METHOD> /<RESOURCE PATH>" or "$default"
    400 BadRequestException Invalid target specified: integrations/none
    501 NotImplemented the local cloud does not offer `authorizationType: CUSTOM` of CreateRoute
    409 ConflictException Cannot delete Integration 'INTEGRATION' because it is referenced by a Route.
    400 BadRequestException Timeout should be between 50 ms and 30000 ms
    501 NotImplemented the local cloud does not offer `tlsConfig` of UpdateIntegration
    501 NotImplemented the local cloud does not offer the operation `GetModels` of API Gateway
    "#);
}

#[tokio::test]
async fn an_update_is_partial_and_tags_are_merged() {
    let fixture = Fixture::new().await;
    let (id, _) = api(&fixture).await;
    let path = format!("/v2/apis/{id}");
    let cors = json!({ "allowOrigins": ["https://a.example"], "maxAge": 60 });
    send(&fixture, Method::PATCH, &path, json!({ "corsConfiguration": cors })).await.unwrap();
    let changed = send(&fixture, Method::PATCH, &path, json!({ "description": "d" })).await.unwrap();
    assert_eq!((&changed["name"], &changed["corsConfiguration"]), (&json!("fraud"), &cors));
    send(&fixture, Method::DELETE, &format!("{path}/cors"), Value::Null).await.unwrap();
    let changed = send(&fixture, Method::GET, &path, Value::Null).await.unwrap();
    assert_eq!(changed.get("corsConfiguration"), None);

    let tags = format!("/v2/tags/arn%3Aaws%3Aapigateway%3Aus-east-1%3A%3A%2Fapis%2F{id}");
    send(&fixture, Method::POST, &tags, json!({ "tags": { "b": "2" } })).await.unwrap();
    send(&fixture, Method::DELETE, &format!("{tags}?tagKeys=runner%3Apipeline"), Value::Null).await.unwrap();
    let shown = send(&fixture, Method::GET, &tags, Value::Null).await.unwrap();
    assert_eq!(shown, json!({ "tags": { "b": "2" } }));

    let stage = format!("{path}/stages/$default");
    send(&fixture, Method::PATCH, &stage, json!({ "stageVariables": { "a": "1", "b": "2" } })).await.unwrap();
    let changed = send(&fixture, Method::PATCH, &stage, json!({ "stageVariables": { "a": "" } })).await.unwrap();
    assert_eq!(changed["stageVariables"], json!({ "b": "2" }));
}

#[tokio::test]
async fn the_public_sees_the_gateways_own_errors() {
    let fixture = Fixture::new().await;
    let (id, _) = api(&fixture).await;
    let internal = r#"500 {"message":"Internal Server Error"}"#;
    assert_eq!(request(&fixture, "none", Method::POST, "/").await, r#"404 {"message":"Not Found"}"#);
    assert_eq!(request(&fixture, &id, Method::GET, "/").await, r#"404 {"message":"Not Found"}"#);
    assert_eq!(request(&fixture, &id, Method::POST, "/x").await, r#"404 {"message":"Not Found"}"#);
    // No function, then one that does not let the API in, then one that crashes, then one that is slow.
    assert_eq!(request(&fixture, &id, Method::POST, "/").await, internal);
    let marker = tempfile::NamedTempFile::new().unwrap();
    let script = format!("#!/bin/sh\necho ran >> {}\nexit 1\n", marker.path().display());
    fixture.create("fn", &[("bootstrap", 0o755, &script)]).await;
    assert_eq!(request(&fixture, &id, Method::POST, "/").await, internal);
    assert_eq!(std::fs::read_to_string(marker.path()).unwrap(), "", "the function ran without a permission");
    let permission = json!({
        "StatementId": "api", "Action": "lambda:InvokeFunction", "Principal": "apigateway.amazonaws.com",
        "SourceArn": format!("arn:aws:execute-api:us-east-1:123456789012:{id}/*/POST/"),
    });
    fixture.send(Method::POST, "/2015-03-31/functions/fn/policy", permission).await.unwrap();
    assert_eq!(request(&fixture, &id, Method::POST, "/").await, internal);
    assert_eq!(std::fs::read_to_string(marker.path()).unwrap(), "ran\n");
    let slow = json!({ "ZipFile": crate::service::lambda::fixture::archive(&[("bootstrap", 0o755, "#!/bin/sh\nsleep 60\n")]) });
    fixture.send(Method::PUT, "/2015-03-31/functions/fn/code", slow).await.unwrap();
    assert_eq!(request(&fixture, &id, Method::POST, "/").await, r#"503 {"message":"Service Unavailable"}"#);

    let large = Request::post("/").body(Bytes::from(vec![b'x'; 10 * 1024 * 1024 + 1])).unwrap();
    assert_eq!(serve(&fixture.cloud, &id, "/", large).await.status().as_u16(), 413);
    let limits = json!({ "defaultRouteSettings": { "throttlingRateLimit": 0.001, "throttlingBurstLimit": 0 } });
    send(&fixture, Method::PATCH, &format!("/v2/apis/{id}/stages/$default"), limits).await.unwrap();
    assert_eq!(request(&fixture, &id, Method::POST, "/").await, r#"429 {"message":"Too Many Requests"}"#);
    fixture.cloud.shut_down().await;
}

#[tokio::test]
async fn a_stage_that_was_never_deployed_answers_nothing() {
    let fixture = Fixture::new().await;
    let (id, _) = api(&fixture).await;
    let stages = format!("/v2/apis/{id}/stages");
    send(&fixture, Method::DELETE, &format!("{stages}/%24default"), Value::Null).await.unwrap();
    send(&fixture, Method::POST, &stages, json!({ "stageName": "prod" })).await.unwrap();
    assert_eq!(request(&fixture, &id, Method::POST, "/prod").await, r#"404 {"message":"Not Found"}"#);
    send(&fixture, Method::POST, &format!("/v2/apis/{id}/deployments"), json!({ "stageName": "prod" })).await.unwrap();
    assert_eq!(request(&fixture, &id, Method::POST, "/prod").await, r#"500 {"message":"Internal Server Error"}"#);
    assert_eq!(request(&fixture, &id, Method::POST, "/").await, r#"404 {"message":"Not Found"}"#);
}

#[tokio::test]
async fn a_preflight_is_answered_by_the_gateway() {
    let fixture = Fixture::new().await;
    let (id, _) = api(&fixture).await;
    let cors = json!({ "allowOrigins": ["https://a.example"], "allowMethods": ["POST"], "allowHeaders": ["x-a"], "maxAge": 60 });
    send(&fixture, Method::PATCH, &format!("/v2/apis/{id}"), json!({ "corsConfiguration": cors })).await.unwrap();
    let ask = async |origin: &str| {
        let request = Request::options("/").header("Origin", origin).header("Access-Control-Request-Method", "POST");
        let response = serve(&fixture.cloud, &id, "/", request.body(Bytes::new()).unwrap()).await;
        let headers = response.headers().iter().filter(|(name, _)| *name != "apigw-requestid");
        let headers = headers.map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()));
        format!("{} {}", response.status().as_u16(), headers.collect::<Vec<_>>().join("; "))
    };
    assert_eq!(
        ask("https://a.example").await,
        "204 access-control-allow-origin: https://a.example; access-control-allow-methods: POST; \
         access-control-allow-headers: x-a; access-control-max-age: 60"
    );
    assert_eq!(ask("https://b.example").await, "204 ");
}

#[tokio::test]
async fn the_function_sees_the_closest_route() {
    let fixture = Fixture::new().await;
    let (id, integration) = api(&fixture).await;
    for key in ["$default", "ANY /{proxy+}", "POST /items/{id}", "ANY /items/{id}"] {
        let given = json!({ "routeKey": key, "target": format!("integrations/{integration}") });
        send(&fixture, Method::POST, &format!("/v2/apis/{id}/routes"), given).await.unwrap();
    }
    fixture.create("fn", &echo()).await;
    let permission = json!({
        "StatementId": "api", "Action": "lambda:InvokeFunction", "Principal": "apigateway.amazonaws.com",
        "SourceArn": format!("arn:aws:execute-api:us-east-1:123456789012:{id}/*"),
    });
    fixture.send(Method::POST, "/2015-03-31/functions/fn/policy", permission).await.unwrap();
    let cases = [
        (Method::POST, "/", "POST /", Value::Null),
        (Method::GET, "/", "$default", Value::Null),
        (Method::POST, "/items/7", "POST /items/{id}", json!({ "id": "7" })),
        (Method::GET, "/items/7", "ANY /items/{id}", json!({ "id": "7" })),
        (Method::GET, "/items/7/8", "ANY /{proxy+}", json!({ "proxy": "items/7/8" })),
    ];
    for (method, path, key, parameters) in cases {
        let answer = request(&fixture, &id, method, path).await;
        let (status, body) = answer.split_once(' ').unwrap();
        let event = &serde_json::from_str::<Value>(body).unwrap()["echo"];
        assert_eq!((status, &event["routeKey"], &event["pathParameters"]), ("200", &json!(key), &parameters), "{path}");
    }
    fixture.cloud.shut_down().await;
}
