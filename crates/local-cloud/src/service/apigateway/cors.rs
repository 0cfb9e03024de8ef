//! Cross-origin requests, which the gateway answers instead of the function.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header};

use super::resource::Cors;

/// The answer to a preflight request, if this is one.
pub(super) fn preflight(cors: &Cors, method: &Method, headers: &HeaderMap) -> Option<Response<Bytes>> {
    let asked = headers.contains_key(header::ORIGIN) && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    if *method != Method::OPTIONS || !asked {
        return None;
    }
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let answer = response.headers_mut();
    if allow_origin(cors, headers, answer) {
        list(answer, header::ACCESS_CONTROL_ALLOW_METHODS, &cors.allow_methods);
        list(answer, header::ACCESS_CONTROL_ALLOW_HEADERS, &cors.allow_headers);
        if let Some(seconds) = cors.max_age {
            answer.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from(seconds));
        }
    }
    Some(response)
}

/// Replaces a function's cross-origin headers by the API's.
pub(super) fn apply(cors: &Cors, request: &HeaderMap, response: &mut HeaderMap) {
    for name in [
        header::ACCESS_CONTROL_ALLOW_ORIGIN,
        header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
        header::ACCESS_CONTROL_ALLOW_METHODS,
        header::ACCESS_CONTROL_ALLOW_HEADERS,
        header::ACCESS_CONTROL_EXPOSE_HEADERS,
        header::ACCESS_CONTROL_MAX_AGE,
    ] {
        response.remove(name);
    }
    if allow_origin(cors, request, response) {
        list(response, header::ACCESS_CONTROL_EXPOSE_HEADERS, &cors.expose_headers);
    }
}

/// Whether the request's origin is allowed; says so in the answer.
fn allow_origin(cors: &Cors, request: &HeaderMap, response: &mut HeaderMap) -> bool {
    let Some(origin) = request.get(header::ORIGIN) else { return false };
    let text = origin.to_str().unwrap_or_default();
    let any = cors.allow_origins.iter().any(|allowed| allowed == "*");
    let listed = cors.allow_origins.iter().any(|allowed| {
        allowed.eq_ignore_ascii_case(text)
            || allowed.strip_suffix('*').is_some_and(|scheme| scheme.ends_with("://") && text.starts_with(scheme))
    });
    if !any && !listed {
        return false;
    }
    let value = if any { HeaderValue::from_static("*") } else { origin.clone() };
    response.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, value);
    if cors.allow_credentials == Some(true) {
        response.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    }
    true
}

fn list(headers: &mut HeaderMap, name: HeaderName, values: &[String]) {
    if let (false, Ok(value)) = (values.is_empty(), HeaderValue::from_str(&values.join(","))) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_function_says_of_origins_is_replaced_by_what_the_api_says() {
        let cors = Cors {
            allow_origins: vec!["https://a.example".to_owned()],
            expose_headers: vec!["x-id".to_owned()],
            ..Cors::default()
        };
        let said = |origin: &str| {
            let (mut request, mut response) = (HeaderMap::new(), HeaderMap::new());
            request.insert(header::ORIGIN, origin.parse().unwrap());
            response.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
            response.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("9"));
            response.insert(header::ETAG, HeaderValue::from_static("e"));
            apply(&cors, &request, &mut response);
            let mut lines: Vec<String> =
                response.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
            lines.sort();
            lines.join("; ")
        };
        assert_eq!(
            said("https://a.example"),
            "access-control-allow-origin: https://a.example; access-control-expose-headers: x-id; etag: e"
        );
        assert_eq!(said("https://b.example"), "etag: e");
    }
}
