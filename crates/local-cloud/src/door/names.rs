//! The name that a request asks for, and the page that it comes from.

use http::HeaderMap;
use http::header::{HOST, ORIGIN};
use http::request::Parts;

use crate::call::Refusal;

/// Names of this machine. A port may follow, and may differ from ours behind a forwarded port.
const LOOPBACK: [&str; 3] = ["127.0.0.1", "localhost", "[::1]"];

/// Refuses a request that asks for a name which is not this machine's, as a page does whose author made its name lead
/// here. Names below `localhost` are this machine's by definition. Source: RFC 6761, section 6.3.
pub(crate) fn must_be_ours(parts: &Parts) -> Result<(), Refusal> {
    let mut hosts = parts.headers.get_all(HOST).iter();
    let host = hosts.next().and_then(|host| host.to_str().ok()).unwrap_or_default();
    let asked = parts.uri.authority().map(http::uri::Authority::as_str);
    let wrong = [Some(host), asked].into_iter().flatten().find(|host| !is_ours(host));
    if wrong.is_none() && hosts.next().is_none() {
        return Ok(());
    }
    let name = wrong.unwrap_or("several names");
    Err(Refusal::new(
        421,
        "MisdirectedRequest",
        format!("the local cloud does not answer to the name `{name}`; ask for 127.0.0.1 or localhost"),
    ))
}

/// Refuses a request of a web page. Only a deployed API is for those.
pub(crate) fn must_be_no_page(headers: &HeaderMap) -> Result<(), Refusal> {
    let Some(origin) = headers.get(ORIGIN) else { return Ok(()) };
    let origin = String::from_utf8_lossy(origin.as_bytes()).into_owned();
    Err(Refusal::new(
        403,
        "AccessDenied",
        format!("a web page (origin `{origin}`) may call a deployed API, and nothing else of the local cloud"),
    ))
}

fn is_ours(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.to_ascii_lowercase();
    LOOPBACK.contains(&&*name) || name.strip_suffix(".localhost").is_some_and(|below| !below.is_empty())
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn parts(uri: &str, headers: &[(&str, &str)]) -> Parts {
        let mut request = Request::builder().uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn only_names_of_this_machine_are_answered_to() {
        for host in [
            "127.0.0.1",
            "127.0.0.1:4566",
            "localhost:4566",
            "LocalHost:1",
            "[::1]:80",
            "[::1]",
            "a1b2.execute-api.localhost:4566",
            "bucket.localhost",
        ] {
            assert_eq!(must_be_ours(&parts("/", &[("host", host)])), Ok(()), "{host}");
        }
        for host in [
            "evil.example",
            "127.0.0.1.evil.example:4566",
            "localhost.evil.example",
            "evil.example:80@127.0.0.1",
            ".localhost",
            "evillocalhost",
            "0.0.0.0",
            "",
        ] {
            let refusal = must_be_ours(&parts("/", &[("host", host)])).unwrap_err();
            assert_eq!(refusal.status, 421, "{host}");
        }
        assert!(must_be_ours(&parts("/", &[])).is_err());
        let two = [("host", "127.0.0.1"), ("host", "evil.example")];
        assert!(must_be_ours(&parts("/", &two)).is_err());
        assert!(must_be_ours(&parts("http://evil.example/", &[("host", "127.0.0.1")])).is_err());
        assert_eq!(must_be_ours(&parts("http://127.0.0.1:80/", &[("host", "127.0.0.1:80")])), Ok(()));
    }

    #[test]
    fn a_web_page_is_named_in_its_refusal() {
        assert_eq!(must_be_no_page(&parts("/", &[]).headers), Ok(()));
        for origin in ["http://evil.example", "null"] {
            let refusal = must_be_no_page(&parts("/", &[("origin", origin)]).headers).unwrap_err();
            assert!(refusal.status == 403 && refusal.message.contains(origin), "{refusal:?}");
        }
    }
}
