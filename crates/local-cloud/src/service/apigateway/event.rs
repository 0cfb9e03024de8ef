//! The event of payload format 2.0.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, Request, header};
use jiff::Timestamp;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use crate::cloud::dns_suffix;

/// Headers that concern one connection only, and the one that becomes a list of cookies.
const HELD_BACK: &[HeaderName] =
    &[header::COOKIE, header::CONNECTION, header::TRANSFER_ENCODING, header::TE, header::TRAILER, header::UPGRADE];

/// Everything about a request that is not in the request itself.
pub(super) struct Context<'a> {
    pub(super) account: &'a str,
    pub(super) region: &'a str,
    pub(super) api_id: &'a str,
    pub(super) stage: &'a str,
    pub(super) stage_variables: &'a BTreeMap<String, String>,
    pub(super) route_key: &'a str,
    /// With the stage's segment, if the stage has one.
    pub(super) path: &'a str,
    pub(super) path_parameters: &'a BTreeMap<String, String>,
    pub(super) request_id: &'a str,
    /// Who was let in, where the route asks.
    pub(super) authorizer: Option<&'a Value>,
    pub(super) now: Timestamp,
}

/// The name that AWS would serve the API under.
pub(super) fn domain_name(api_id: &str, region: &str) -> String {
    format!("{api_id}.execute-api.{region}.{}", dns_suffix(region))
}

/// A time as events and access logs show it.
pub(super) fn shown_time(time: Timestamp) -> String {
    time.strftime("%d/%b/%Y:%H:%M:%S +0000").to_string()
}

/// Builds the event. What a request lacks is left out, never null. The caller is always this machine.
pub(super) fn build(context: &Context<'_>, request: &Request<Bytes>) -> Value {
    let query = request.uri().query().unwrap_or_default();
    let path = percent_decode_str(context.path).decode_utf8_lossy();
    let agent = request.headers().get(header::USER_AGENT).map(|agent| String::from_utf8_lossy(agent.as_bytes()));
    let mut event = json!({
        "version": "2.0",
        "routeKey": context.route_key,
        "rawPath": path,
        "rawQueryString": query,
        "headers": headers(request.headers(), context.now),
        "requestContext": {
            "accountId": context.account,
            "apiId": context.api_id,
            "domainName": domain_name(context.api_id, context.region),
            "domainPrefix": context.api_id,
            "http": {
                "method": request.method().as_str(),
                "path": path,
                "protocol": format!("{:?}", request.version()),
                "sourceIp": "127.0.0.1",
                "userAgent": agent.unwrap_or_default(),
            },
            "requestId": context.request_id,
            "routeKey": context.route_key,
            "stage": context.stage,
            "time": shown_time(context.now),
            "timeEpoch": context.now.as_millisecond(),
        },
        "isBase64Encoded": false,
    });
    if let Some(authorizer) = context.authorizer {
        event["requestContext"]["authorizer"] = authorizer.clone();
    }
    let cookies = cookies(request.headers());
    if !cookies.is_empty() {
        event["cookies"] = json!(cookies);
    }
    if !query.is_empty() {
        event["queryStringParameters"] = json!(parameters(query));
    }
    if !context.path_parameters.is_empty() {
        event["pathParameters"] = json!(context.path_parameters);
    }
    if !context.stage_variables.is_empty() {
        event["stageVariables"] = json!(context.stage_variables);
    }
    if !request.body().is_empty() {
        let text = text(request);
        event["isBase64Encoded"] = json!(text.is_none());
        event["body"] = text.map_or_else(|| json!(STANDARD.encode(request.body())), |text| json!(text));
    }
    event
}

/// The body as text, when its type is one that is passed as text and it is valid UTF-8.
fn text(request: &Request<Bytes>) -> Option<&str> {
    let kind = request.headers().get(header::CONTENT_TYPE)?.to_str().ok()?;
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let textual = kind.starts_with("text/")
        || kind.ends_with("+json")
        || kind.ends_with("+xml")
        || matches!(
            kind.as_str(),
            "application/json" | "application/xml" | "application/javascript" | "application/x-www-form-urlencoded"
        );
    if textual { std::str::from_utf8(request.body()).ok() } else { None }
}

/// In lower case, repeated ones joined by commas, with those that the gateway adds and without cookies.
fn headers(given: &HeaderMap, now: Timestamp) -> BTreeMap<String, String> {
    let mut headers: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in given.iter().filter(|(name, _)| !HELD_BACK.contains(name)) {
        let value = String::from_utf8_lossy(value.as_bytes());
        headers
            .entry(name.as_str().to_owned())
            .and_modify(|joined| {
                joined.push(',');
                joined.push_str(&value);
            })
            .or_insert_with(|| value.clone().into_owned());
    }
    let forwarded = headers.get("x-forwarded-for").map_or("127.0.0.1".to_owned(), |via| format!("{via}, 127.0.0.1"));
    headers.insert("x-forwarded-for".to_owned(), forwarded);
    headers.insert("x-forwarded-port".to_owned(), "443".to_owned());
    headers.insert("x-forwarded-proto".to_owned(), "https".to_owned());
    headers
        .entry("x-amzn-trace-id".to_owned())
        .or_insert_with(|| format!("Root=1-{:08x}-{}", now.as_second(), hex::encode(rand::random::<[u8; 12]>())));
    headers
}

fn cookies(given: &HeaderMap) -> Vec<String> {
    let lines = given.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(';')).map(|cookie| cookie.trim().to_owned()).collect()
}

/// Decoded; repeated ones joined by commas.
fn parameters(query: &str) -> BTreeMap<String, String> {
    let mut parameters: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        parameters
            .entry(name.into_owned())
            .and_modify(|joined| {
                joined.push(',');
                joined.push_str(&value);
            })
            .or_insert_with(|| value.clone().into_owned());
    }
    parameters
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use bytes::Bytes;
    use http::Request;

    use super::{Context, build};

    fn event(request: &Request<Bytes>) -> serde_json::Value {
        let variables = BTreeMap::from([("colour".to_owned(), "blue".to_owned())]);
        let parameters = BTreeMap::from([("id".to_owned(), "a b".to_owned())]);
        let context = Context {
            account: "123456789012",
            region: "us-east-1",
            api_id: "a1b2c3d4e5",
            stage: "prod",
            stage_variables: &variables,
            route_key: "POST /items/{id}",
            path: "/prod/items/a%20b",
            path_parameters: &parameters,
            request_id: "JKJaXmPLvHcESHA=",
            authorizer: None,
            now: "2020-03-12T19:03:58.390Z".parse().unwrap(),
        };
        build(&context, request)
    }

    #[test]
    fn the_event_has_payload_format_2_0() {
        let request = Request::post("http://127.0.0.1/execute-api/a1b2c3d4e5/prod/items/a%20b?x=1&x=2&y=a%20b")
            .header("Host", "127.0.0.1:9")
            .header("Cookie", "s=1; t=2")
            .header("User-Agent", "curl/8")
            .header("Connection", "close")
            .header("X-Twice", "a")
            .header("X-Twice", "b")
            .header("X-Amzn-Trace-Id", "Root=1-5e6722a7-cc56xmpl46db7ae02d4da47e")
            .header("Content-Type", "application/json; charset=utf-8")
            .body(Bytes::from_static(b"{\"V1\":-1.36}"))
            .unwrap();
        insta::assert_json_snapshot!(event(&request), @r#"
        {
          "body": "{\"V1\":-1.36}",
          "cookies": [
            "s=1",
            "t=2"
          ],
          "headers": {
            "content-type": "application/json; charset=utf-8",
            "host": "127.0.0.1:9",
            "user-agent": "curl/8",
            "x-amzn-trace-id": "Root=1-5e6722a7-cc56xmpl46db7ae02d4da47e",
            "x-forwarded-for": "127.0.0.1",
            "x-forwarded-port": "443",
            "x-forwarded-proto": "https",
            "x-twice": "a,b"
          },
          "isBase64Encoded": false,
          "pathParameters": {
            "id": "a b"
          },
          "queryStringParameters": {
            "x": "1,2",
            "y": "a b"
          },
          "rawPath": "/prod/items/a b",
          "rawQueryString": "x=1&x=2&y=a%20b",
          "requestContext": {
            "accountId": "123456789012",
            "apiId": "a1b2c3d4e5",
            "domainName": "a1b2c3d4e5.execute-api.us-east-1.amazonaws.com",
            "domainPrefix": "a1b2c3d4e5",
            "http": {
              "method": "POST",
              "path": "/prod/items/a b",
              "protocol": "HTTP/1.1",
              "sourceIp": "127.0.0.1",
              "userAgent": "curl/8"
            },
            "requestId": "JKJaXmPLvHcESHA=",
            "routeKey": "POST /items/{id}",
            "stage": "prod",
            "time": "12/Mar/2020:19:03:58 +0000",
            "timeEpoch": 1584039838390
          },
          "routeKey": "POST /items/{id}",
          "stageVariables": {
            "colour": "blue"
          },
          "version": "2.0"
        }
        "#);
    }

    #[test]
    fn a_body_that_is_no_text_is_base64() {
        let cases: [(Option<&str>, &[u8], &str, bool); 6] = [
            (Some("application/octet-stream"), b"ab", "YWI=", true),
            (None, b"ab", "YWI=", true),
            (Some("application/json"), b"\xff", "/w==", true),
            (Some("application/vnd.api+json"), b"{}", "{}", false),
            (Some("TEXT/CSV"), b"1,2", "1,2", false),
            (Some("application/x-www-form-urlencoded"), b"a=b", "a=b", false),
        ];
        for (kind, body, expected, encoded) in cases {
            let mut request = Request::post("/").body(Bytes::copy_from_slice(body)).unwrap();
            if let Some(kind) = kind {
                request.headers_mut().insert("content-type", kind.parse().unwrap());
            }
            let event = event(&request);
            assert_eq!((&event["body"], &event["isBase64Encoded"]), (&expected.into(), &encoded.into()), "{kind:?}");
        }
    }

    #[test]
    fn what_a_request_lacks_is_left_out() {
        let event = event(&Request::get("/").body(Bytes::new()).unwrap());
        for absent in ["body", "cookies", "queryStringParameters"] {
            assert_eq!(event.get(absent), None, "{absent}");
        }
    }
}
