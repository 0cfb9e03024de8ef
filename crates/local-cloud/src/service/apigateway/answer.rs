//! From a function's payload to the response that the public sees.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use serde_json::Value;

/// The gateway's own answer, for example `{"message":"Not Found"}`.
pub(super) fn message(status: StatusCode, text: &str) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(serde_json::json!({ "message": text }).to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// Maps a payload; none when it is malformed, which the public sees as a 500.
///
/// JSON without a `statusCode` is itself the body of a 200.
pub(super) fn from_payload(payload: &Bytes) -> Option<Response<Bytes>> {
    let answer: Value = serde_json::from_slice(payload).ok()?;
    if answer.get("statusCode").is_none() {
        let mut response = Response::new(payload.clone());
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        return Some(response);
    }
    let mut response = Response::new(body(&answer)?);
    *response.status_mut() = status(&answer["statusCode"])?;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain;charset=UTF-8"));
    match &answer["headers"] {
        Value::Null => {}
        Value::Object(given) => {
            for (name, value) in given {
                let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
                // The server frames the body itself.
                if name != header::CONTENT_LENGTH && name != header::TRANSFER_ENCODING && name != header::CONNECTION {
                    headers.insert(name, HeaderValue::from_str(&scalar(value)?).ok()?);
                }
            }
        }
        _ => return None,
    }
    match &answer["cookies"] {
        Value::Null => {}
        Value::Array(cookies) => {
            for cookie in cookies {
                headers.append(header::SET_COOKIE, HeaderValue::from_str(cookie.as_str()?).ok()?);
            }
        }
        _ => return None,
    }
    Some(response)
}

fn body(answer: &Value) -> Option<Bytes> {
    match (&answer["body"], &answer["isBase64Encoded"]) {
        (Value::Null, _) => Some(Bytes::new()),
        (Value::String(text), Value::Bool(true)) => STANDARD.decode(text).ok().map(Bytes::from),
        (Value::String(text), Value::Bool(false) | Value::Null) => Some(Bytes::from(text.clone())),
        _ => None,
    }
}

fn status(given: &Value) -> Option<StatusCode> {
    let number = match given {
        Value::Number(number) => u16::try_from(number.as_u64()?).ok()?,
        Value::String(text) => text.parse().ok()?,
        _ => return None,
    };
    (200..600).contains(&number).then(|| StatusCode::from_u16(number).ok()).flatten()
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::from_payload;

    /// Status, headers and body in one line.
    fn shown(payload: &'static str) -> String {
        let Some(response) = from_payload(&Bytes::from_static(payload.as_bytes())) else { return "500".to_owned() };
        let headers = response.headers().iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()));
        let headers = headers.collect::<Vec<_>>().join("; ");
        format!("{} [{headers}] {}", response.status().as_u16(), String::from_utf8_lossy(response.body()))
    }

    #[test]
    fn a_payload_becomes_a_response_or_a_500() {
        let cases = [
            (r#"{"a":1}"#, r#"200 [content-type: application/json] {"a":1}"#),
            (r#""hello""#, r#"200 [content-type: application/json] "hello""#),
            (r#"{"statusCode":204}"#, "204 [content-type: text/plain;charset=UTF-8] "),
            (r#"{"statusCode":"201","body":"x"}"#, "201 [content-type: text/plain;charset=UTF-8] x"),
            (
                r#"{"statusCode":200,"headers":{"Content-Type":"text/html","X-N":3},"cookies":["a=1","b=2"],"body":"eA==","isBase64Encoded":true}"#,
                "200 [content-type: text/html; x-n: 3; set-cookie: a=1; set-cookie: b=2] x",
            ),
            ("not json", "500"),
            (r#"{"statusCode":42}"#, "500"),
            (r#"{"statusCode":"ok"}"#, "500"),
            (r#"{"statusCode":200,"body":{"a":1}}"#, "500"),
            (r#"{"statusCode":200,"body":"!","isBase64Encoded":true}"#, "500"),
            (r#"{"statusCode":200,"headers":{"a b":"c"}}"#, "500"),
            (r#"{"statusCode":200,"cookies":"a=1"}"#, "500"),
        ];
        for (payload, expected) in cases {
            assert_eq!(shown(payload), expected, "{payload}");
        }
    }
}
