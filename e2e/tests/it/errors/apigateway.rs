//! API Gateway's control plane.

use serde_json::{Value as Json, json};

use super::bench::{Bench, Said};
use super::{Case, each_is_answered_as_on_aws};

const CASES: &[Case] = &[
    ("GetApi/DeleteApi/CreateRoute...", "API absent", |b| {
        let said = call(b, "GET", "apis/none", &Json::Null);
        for (method, path, body) in [("DELETE", "apis/none", Json::Null), ("POST", "apis/none/routes", route("GET /"))]
        {
            assert_eq!(call(b, method, path, &body).to_string(), said.to_string());
        }
        said
    }),
    ("CreateApi", "same name again", |b| {
        create(b);
        call(b, "POST", "apis", &json!({ "name": "api", "protocolType": "HTTP" }))
    }),
    ("GetRoute/UpdateRoute/DeleteRoute", "route absent", |b| {
        let path = format!("apis/{}/routes/none", create(b));
        let said = call(b, "GET", &path, &Json::Null);
        assert_eq!(call(b, "PATCH", &path, &json!({})).to_string(), said.to_string());
        assert_eq!(call(b, "DELETE", &path, &Json::Null).to_string(), said.to_string());
        said
    }),
    ("GetIntegration/DeleteIntegration", "integration absent", |b| {
        let path = format!("apis/{}/integrations/none", create(b));
        let said = call(b, "GET", &path, &Json::Null);
        assert_eq!(call(b, "DELETE", &path, &Json::Null).to_string(), said.to_string());
        said
    }),
    ("GetStage/DeleteStage", "stage absent", |b| {
        let path = format!("apis/{}/stages/none", create(b));
        let said = call(b, "GET", &path, &Json::Null);
        assert_eq!(call(b, "DELETE", &path, &Json::Null).to_string(), said.to_string());
        said
    }),
    ("GetAuthorizer/DeleteAuthorizer", "authorizer absent", |b| {
        let path = format!("apis/{}/authorizers/none", create(b));
        let said = call(b, "GET", &path, &Json::Null);
        assert_eq!(call(b, "DELETE", &path, &Json::Null).to_string(), said.to_string());
        said
    }),
    ("CreateRoute", "route key already present", |b| {
        let path = format!("apis/{}/routes", create(b));
        call(b, "POST", &path, &route("GET /"));
        call(b, "POST", &path, &route("GET /"))
    }),
    ("CreateRoute", "sibling path variable differs", |b| {
        let path = format!("apis/{}/routes", create(b));
        call(b, "POST", &path, &route("GET /items/{id}"));
        call(b, "POST", &path, &route("GET /items/{name}/more"))
    }),
    ("CreateStage", "stage already present", |b| {
        let path = format!("apis/{}/stages", create(b));
        call(b, "POST", &path, &json!({ "stageName": "$default" }));
        call(b, "POST", &path, &json!({ "stageName": "$default" }))
    }),
    ("CreateStage/UpdateStage", "log delivery not permitted or log resource policy full", |b| {
        let path = format!("apis/{}/stages", create(b));
        let group = "arn:aws:logs:us-east-1:000000000000:log-group:/aws/vendedlogs/apis/fraud";
        let stage = json!({
            "stageName": "$default", "accessLogSettings": { "destinationArn": group, "format": "$context.requestId" },
        });
        call(&b.asked_by("not-delivering", &["apigateway:*"]), "POST", &path, &stage)
    }),
    ("DeleteIntegration", "route still targets it", |b| {
        let api = create(b);
        let function = "arn:aws:lambda:us-east-1:000000000000:function:f";
        let integration = json!({
            "integrationType": "AWS_PROXY", "integrationUri": function, "payloadFormatVersion": "2.0", "integrationMethod": "POST",
        });
        let made = b
            .aws
            .signed("apigateway", "POST", &format!("/v2/apis/{api}/integrations"), &[], integration.to_string())
            .json();
        let id = made["integrationId"].as_str().unwrap();
        let target = json!({ "routeKey": "GET /", "target": format!("integrations/{id}") });
        b.aws.signed("apigateway", "POST", &format!("/v2/apis/{api}/routes"), &[], target.to_string());
        call(b, "DELETE", &format!("apis/{api}/integrations/{id}"), &Json::Null)
    }),
    ("CreateApi", "ProtocolType invalid", |b| {
        call(b, "POST", "apis", &json!({ "name": "api", "protocolType": "FTP" }))
    }),
];

#[test]
fn api_gateway_answers_as_on_aws() {
    each_is_answered_as_on_aws("apigatewayv2", &Bench::empty(&["--region", "us-east-1"]), CASES);
}

fn call(b: &Bench, method: &str, path: &str, body: &Json) -> Said {
    b.rest("apigateway", method, &format!("/v2/{path}"), body)
}

/// A new API's id.
fn create(b: &Bench) -> String {
    let api = json!({ "name": "api", "protocolType": "HTTP" }).to_string();
    let made = b.aws.signed("apigateway", "POST", "/v2/apis", &[], api).json();
    made["apiId"].as_str().unwrap().to_owned()
}

fn route(key: &str) -> Json {
    json!({ "routeKey": key })
}
