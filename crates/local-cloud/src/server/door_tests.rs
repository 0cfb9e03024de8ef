//! Who may come in.

use std::process::Command;

use serde_json::Value;

use super::tests::{Served, send};
use super::*;

fn request(served: &Served, path: &str, header: (&str, &str)) -> Request<http_body_util::Full<Bytes>> {
    let request = Request::get(format!("{}{path}", served.url)).header(header.0, header.1);
    request.body(http_body_util::Full::default()).unwrap()
}

#[tokio::test]
async fn a_name_that_leads_here_is_not_answered_to() {
    let served = Served::start().await;
    for path in ["/_local/health", "/", "/bucket/key", "/v2/apis", "/execute-api/a1b2/score", "/v2/"] {
        let (status, body) = send(request(&served, path, ("host", "evil.example"))).await.unwrap();
        assert!(status == 421 && body.contains("evil.example"), "{path}: {status} {body}");
    }
    let port = served.url.rsplit_once(':').unwrap().1;
    for name in ["127.0.0.1", "localhost", "[::1]", "a1b2.execute-api.localhost"] {
        let host = format!("{name}:{port}");
        assert_eq!(send(request(&served, "/_local/health", ("host", &host))).await.unwrap().0, 200, "{host}");
    }
}

#[tokio::test]
async fn a_web_page_reaches_a_deployed_api_and_nothing_else() {
    let served = Served::start().await;
    for path in ["/_local/health", "/", "/bucket/key", "/v2/apis", "/v2/"] {
        let (status, body) = send(request(&served, path, ("origin", "http://evil.example"))).await.unwrap();
        assert!(status == 403 && body.contains("web page"), "{path}: {status} {body}");
    }
    let public = request(&served, "/execute-api/a1b2/score", ("origin", "http://evil.example"));
    assert_eq!(send(public).await.unwrap().0, 404);
}

/// Needs root, who alone can act as another user.
#[tokio::test]
async fn a_program_of_another_user_is_told_that_it_is_a_stranger() {
    let served = Served::start().await;
    if !rustix::process::getuid().is_root() {
        return;
    }
    let url = format!("{}/_local/health", served.url);
    let ask = move |as_other: &[&str]| {
        let mut words = as_other.to_vec();
        words.extend(["curl", "-s", "-m", "5", &url]);
        let output = Command::new(words[0]).args(&words[1..]).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let [own, other] = tokio::task::spawn_blocking(move || {
        [ask(&[]), ask(&["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"])]
    })
    .await
    .unwrap();
    let own: Value = serde_json::from_str(&own).unwrap();
    assert_eq!(own["pid"], std::process::id());
    assert_eq!(other, r#"{"message":"this port is user 0's, and the connection is user 65534's"}"#);
}
