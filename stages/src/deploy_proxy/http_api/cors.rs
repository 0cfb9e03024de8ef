//! Which web pages may call the API.

use serde_json::{Value as Json, json};
use spec::Route;

/// What pages may read of an answer beyond its body: the id that logs carry, and what the proxy says of failures.
const EXPOSED: [&str; 3] = ["apigw-requestid", "retry-after", "x-model-status"];

type Configuration = aws_sdk_apigatewayv2::types::Cors;

/// The rules in words; nothing when there are none.
pub(super) fn desired(cors: Option<&spec::Cors>, route: &Route) -> Json {
    observed(wanted(cors, route).as_ref())
}

pub(super) fn observed(cors: Option<&Configuration>) -> Json {
    let Some(cors) = cors else { return json!({}) };
    json!({
        "origins": list(cors.allow_origins()),
        "methods": list(cors.allow_methods()),
        "headers": list(cors.allow_headers()),
        "exposed": list(cors.expose_headers()),
        "max_age_s": cors.max_age(),
        "credentials": cors.allow_credentials().unwrap_or_default(),
    })
}

/// Everything is said outright: what is left out of an update may stay.
pub(super) fn wanted(cors: Option<&spec::Cors>, route: &Route) -> Option<Configuration> {
    let cors = cors?;
    let methods: &[&str] = match route.method.as_str() {
        "ANY" => &["GET", "POST", "PUT", "PATCH", "DELETE"],
        method => &[method],
    };
    let texts = |texts: &[&str]| Some(texts.iter().map(|text| (*text).to_owned()).collect());
    let configuration = Configuration::builder()
        .set_allow_origins(Some(cors.origins.clone()))
        .set_allow_methods(texts(methods))
        .set_allow_headers(Some(cors.headers.clone()))
        .set_expose_headers(texts(&EXPOSED))
        .max_age(cors.max_age_s)
        .allow_credentials(cors.credentials);
    Some(configuration.build())
}

/// In an order of its own: that of a list makes no difference here.
fn list(items: &[String]) -> String {
    let mut items: Vec<&str> = items.iter().map(String::as_str).collect();
    items.sort_unstable();
    items.join(", ")
}
