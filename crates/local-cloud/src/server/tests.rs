use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{PayloadChecksumKind, SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};

use super::*;
use crate::{Config, Delays};

/// A served cloud.
pub(super) struct Served {
    pub(super) url: String,
    pub(super) cloud: Arc<Cloud>,
    stop: CancellationToken,
    dir: tempfile::TempDir,
}

impl Drop for Served {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Status and body, or that no answer came.
pub(super) type Answer = Result<(u16, String), String>;

impl Served {
    pub(super) async fn start() -> Self {
        Self::recording(|_| Recorder::default()).await
    }

    async fn recording(recorder: impl Fn(&std::path::Path) -> Recorder) -> Self {
        Self::within(recorder, Limits::default()).await
    }

    pub(super) async fn within(recorder: impl Fn(&std::path::Path) -> Recorder, limits: Limits) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let recorder = recorder(dir.path());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let config = Config {
            state_dir: dir.path().to_owned(),
            account: "123456789012".to_owned(),
            region: "us-east-1".to_owned(),
            access_key_id: "AKIATEST".to_owned(),
            secret_access_key: "secret".to_owned(),
            base_url: url.clone(),
            model_server: Vec::new(),
            training_program: Vec::new(),
            delays: Delays::default(),
        };
        let cloud = Cloud::open(config).await.unwrap();
        let stop = CancellationToken::new();
        tokio::spawn(serve_within(listener, Arc::clone(&cloud), recorder, stop.clone(), limits));
        Self { url, cloud, stop, dir }
    }

    pub(super) fn key() -> Credentials {
        Credentials::new("AKIATEST", "secret", None, None, "test")
    }

    /// Sends a request signed by the SDK's own signer.
    #[expect(clippy::disallowed_methods, reason = "the signer takes no other kind of time")]
    pub(super) async fn signed(
        &self,
        service: &str,
        key: &Credentials,
        mut request: http::request::Builder,
        body: &str,
    ) -> Answer {
        let identity = key.clone().into();
        let mut settings = SigningSettings::default();
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region("us-east-1")
            .name(service)
            .time(SystemTime::now())
            .settings(settings)
            .build()
            .unwrap()
            .into();
        let host = self.url.trim_start_matches("http://").to_owned();
        request = request.header("host", host);
        let unsigned = request.body(Full::new(Bytes::from(body.to_owned()))).unwrap();
        let headers = unsigned.headers().iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap()));
        let body = SignableBody::Bytes(body.as_bytes());
        let (method, uri) = (unsigned.method().as_str(), unsigned.uri().to_string());
        let signable = SignableRequest::new(method, uri, headers, body).unwrap();
        let (instructions, _) = sign(signable, &params).unwrap().into_parts();
        let mut request = unsigned;
        instructions.apply_to_request_http1x(&mut request);
        send(request).await
    }

    async fn iam(&self, form: &str) -> Answer {
        self.iam_as(&Self::key(), form).await
    }

    async fn iam_as(&self, key: &Credentials, form: &str) -> Answer {
        let request =
            Request::post(format!("{}/", self.url)).header("content-type", "application/x-www-form-urlencoded");
        self.signed("iam", key, request, form).await
    }

    async fn create_role(&self) -> Answer {
        let trust = json!({"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole",
        }]});
        let mut form = form_urlencoded::Serializer::new("Action=CreateRole&RoleName=exec".to_owned());
        self.iam(&form.append_pair("AssumeRolePolicyDocument", &trust.to_string()).finish()).await
    }

    async fn role_exists(&self) -> bool {
        self.iam("Action=GetRole&RoleName=exec").await.unwrap().0 == 200
    }

    pub(super) async fn local(&self, method: &str, route: &str, body: Value) -> Value {
        let request = Request::builder().method(method).uri(format!("{}/_local/{route}", self.url));
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let (status, text) = self.signed("local", &Self::key(), request, &body).await.unwrap();
        assert!(status < 300, "{status} {text}");
        serde_json::from_str(&text).unwrap_or_default()
    }

    async fn fault(&self, fault: Value) {
        self.local("PUT", "faults", json!({"rules": [{"match": {"write": 1}, "fault": fault}]})).await;
    }
}

pub(super) async fn send(request: Request<Full<Bytes>>) -> Answer {
    let client = Client::builder(TokioExecutor::new()).build_http();
    let response = client.request(request).await.map_err(|error| error.to_string())?;
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.map_err(|error| error.to_string())?.to_bytes();
    Ok((status, String::from_utf8(body.to_vec()).unwrap()))
}

#[tokio::test]
async fn whole_requests_are_written_down_but_for_the_bodies_of_objects() {
    let served = Served::recording(|dir| Recorder::to(&dir.join("requests.jsonl")).unwrap()).await;
    served.iam("Action=ListRoles").await.unwrap();
    let put = |path: &str| Request::put(format!("{}{path}", served.url));
    let s3 = async |path, body| served.signed("s3", &Served::key(), put(path), body).await.unwrap().0;
    assert_eq!(s3("/data", "").await, 200);
    let tagging = "<Tagging><TagSet></TagSet></Tagging>";
    assert_ne!(s3("/data?tagging", tagging).await, 500);
    assert_eq!(s3("/data/object", "a body").await, 200);
    let text = std::fs::read_to_string(served.dir.path().join("requests.jsonl")).unwrap();
    let shown = text.lines().map(|line| {
        let line: Value = serde_json::from_str(line).unwrap();
        assert!(line["headers"]["authorization"].is_string(), "{line}");
        let body = BASE64.decode(line["body"].as_str().unwrap()).unwrap();
        let (service, method, uri) = (&line["service"], &line["method"], &line["uri"]);
        format!("{service} {method} {uri} `{}`", String::from_utf8(body).unwrap())
    });
    insta::assert_snapshot!(shown.collect::<Vec<_>>().join("\n"), @r#"
    "iam" "POST" "/" `Action=ListRoles`
    "s3" "PUT" "/data" ``
    "s3" "PUT" "/data?tagging" `<Tagging><TagSet></TagSet></Tagging>`
    "s3" "PUT" "/data/object" ``
    "#);
}

#[tokio::test]
async fn a_refusal_and_a_reset_come_before_the_effect() {
    let served = Served::start().await;
    served.fault(json!({"refuse": {"status": 403, "code": "AccessDenied", "message": "<no>"}})).await;
    let (status, body) = served.create_role().await.unwrap();
    assert!(status == 403 && body.contains("<Code>AccessDenied</Code><Message>&lt;no&gt;</Message>"), "{body}");
    assert!(!served.role_exists().await);
    served.fault(json!("reset")).await;
    served.create_role().await.unwrap_err();
    assert!(!served.role_exists().await);
    served.fault(json!("throttle")).await;
    let (status, body) = served.create_role().await.unwrap();
    assert!(status == 400 && body.contains("<Code>Throttling</Code>"), "{body}");
    assert!(!served.role_exists().await);
}

#[tokio::test]
async fn a_lost_answer_comes_after_the_effect() {
    let served = Served::start().await;
    served.fault(json!("lose-answer")).await;
    served.create_role().await.unwrap_err();
    assert!(served.role_exists().await);
    let (status, body) = served.create_role().await.unwrap();
    assert!(status == 409 && body.contains("EntityAlreadyExists"), "{body}");
}

#[tokio::test]
async fn a_delayed_call_is_done_after_its_wait() {
    let served = Served::start().await;
    served.fault(json!({"delay-ms": 200})).await;
    let started = Instant::now();
    assert_eq!(served.create_role().await.unwrap().0, 200);
    assert!(started.elapsed() >= Duration::from_millis(200));
}

#[tokio::test]
async fn an_outage_refuses_every_later_write_until_the_rules_are_cleared() {
    let served = Served::start().await;
    let rule = json!({"match": {"write": 1}, "fault": "lose-answer", "then-halt": true});
    served.local("PUT", "faults", json!({"rules": [rule]})).await;
    served.create_role().await.unwrap_err();
    let (status, body) = served.iam("Action=DeleteRole&RoleName=exec").await.unwrap();
    assert!(status == 403 && body.contains("<Code>SimulatedOutage</Code>"), "{body}");
    assert!(served.role_exists().await);
    let counted = served.local("GET", "faults", Value::Null).await;
    assert_eq!((&counted["writes"], &counted["struck"]), (&json!(2), &json!([1])));
    served.local("DELETE", "faults", Value::Null).await;
    assert_eq!(served.iam("Action=DeleteRole&RoleName=exec").await.unwrap().0, 200);
}

#[tokio::test]
async fn the_request_log_tells_writes_from_reads_and_keeps_lost_ones() {
    let served = Served::start().await;
    assert!(!served.role_exists().await);
    served.fault(json!("lose-answer")).await;
    served.create_role().await.unwrap_err();
    served.iam("Action=DeleteRole&RoleName=exec").await.unwrap();
    let brief = |entries: Value| -> Vec<String> {
        let entry = |entry: &Value| {
            let Value::Object(entry) = entry else { panic!("not an entry") };
            format!("{} {} {} {}", entry["seq"], entry["operation"], entry["status"], entry["fault"])
        };
        entries.as_array().unwrap().iter().map(entry).collect()
    };
    assert_eq!(
        brief(served.local("GET", "requests", Value::Null).await),
        [r#"1 "GetRole" 404 null"#, r#"2 "CreateRole" null "lose-answer""#, r#"3 "DeleteRole" 200 null"#]
    );
    assert_eq!(brief(served.local("GET", "requests?writes=true&since=2", Value::Null).await).len(), 1);
    served.local("DELETE", "requests", Value::Null).await;
    assert!(brief(served.local("GET", "requests", Value::Null).await).is_empty());
}

#[tokio::test]
async fn local_routes_but_health_need_the_secret_and_nobody_sends_it() {
    let served = Served::start().await;
    let request = |method: &str, route: &str, authorization: &str| {
        let request = Request::builder().method(method).uri(format!("{}/_local/{route}", served.url));
        request.header("authorization", authorization).body(Full::default()).unwrap()
    };
    for (method, route) in [("GET", "requests"), ("GET", "faults"), ("PUT", "quotas"), ("POST", "stop")] {
        for wrong in ["", "Bearer secret", "LocalCloud nonce=00000000000000000000000000000000, proof=00"] {
            assert_eq!(send(request(method, route, wrong)).await.unwrap().0, 403, "{route} {wrong}");
        }
    }
    let session = served.cloud.iam.session("arn:aws:iam::123456789012:role/exec", "test");
    let token = Some(session.session_token.clone());
    let session = Credentials::new(&session.access_key_id, &session.secret_access_key, token, None, "test");
    let signed = Request::get(format!("{}/_local/requests", served.url));
    assert_eq!(served.signed("local", &session, signed, "").await.unwrap().0, 403, "a role has no business here");
    let signed = Request::get(format!("{}/_local/requests", served.url));
    assert_eq!(served.signed("iam", &Served::key(), signed, "").await.unwrap().0, 403, "it is for another service");

    let caller = crate::proof::nonce();
    let health = async |query: &str| {
        let text = send(request("GET", &format!("health{query}"), "")).await.unwrap().1;
        serde_json::from_str::<Value>(&text).unwrap()
    };
    let plain = health("").await;
    assert_eq!((&plain["pid"], &plain["empty"]), (&json!(std::process::id()), &json!(true)));
    assert_eq!(plain.get("proof"), None);
    let told = health(&format!("?nonce={caller}")).await;
    let cloud = told["nonce"].as_str().unwrap().to_owned();
    let exchange = crate::proof::Exchange { caller: &caller, cloud: &cloud, base_url: &served.url };
    assert_eq!(told["proof"], exchange.of_cloud("secret", std::process::id()));
    assert_ne!(told["proof"], health(&format!("?nonce={caller}")).await["proof"], "each proof is for one exchange");
    let proven = |route: &str, secret: &str| {
        let proof = exchange.of_caller(secret, "POST", route);
        request("POST", "stop", &format!("LocalCloud nonce={cloud}, proof={proof}"))
    };
    // For another route; and the nonce is spent by the attempt.
    assert_eq!(send(proven("faults", "secret")).await.unwrap().0, 403);
    assert_eq!(send(proven("stop", "secret")).await.unwrap().0, 403);
    let told = health(&format!("?nonce={caller}")).await;
    let cloud = told["nonce"].as_str().unwrap().to_owned();
    let exchange = crate::proof::Exchange { caller: &caller, cloud: &cloud, base_url: &served.url };
    let proof = exchange.of_caller("secret", "POST", "stop");
    let stop = request("POST", "stop", &format!("LocalCloud nonce={cloud}, proof={proof}"));
    assert_eq!(send(stop).await.unwrap().0, 204);
    tokio::time::timeout(GRACE, served.stop.cancelled()).await.unwrap();
}

#[tokio::test]
async fn what_nobody_signed_is_refused() {
    let served = Served::start().await;
    let cases = [
        ("/2015-03-31/functions", r#"{"message":"Missing Authentication Token"}"#),
        ("/v2/apis", r#"{"message":"Missing Authentication Token"}"#),
        ("/bucket/key", "<Code>AccessDenied</Code>"),
    ];
    for (path, expected) in cases {
        let request = Request::get(format!("{}{path}", served.url)).body(Full::default()).unwrap();
        let (status, body) = send(request).await.unwrap();
        assert!(status == 403 && body.contains(expected), "{path}: {status} {body}");
    }
}

#[tokio::test]
async fn a_role_session_may_do_what_its_role_may_and_needs_its_token() {
    let served = Served::start().await;
    served.create_role().await.unwrap();
    let role = "arn:aws:iam::123456789012:role/exec";
    let session = served.cloud.iam.session(role, "test");
    let key = |token: Option<String>| {
        Credentials::new(&session.access_key_id, &session.secret_access_key, token, None, "test")
    };
    let (read, list) = ("Action=GetRole&RoleName=exec", "Action=ListRoles");
    let (status, body) = served.iam_as(&key(None), read).await.unwrap();
    assert!(status == 403 && body.contains("<Code>InvalidClientTokenId</Code>"), "{body}");
    let whole = key(Some(session.session_token.clone()));
    let (status, body) = served.iam_as(&whole, read).await.unwrap();
    assert!(status == 403 && body.contains("because no identity-based policy allows the iam:GetRole action"), "{body}");
    let policy = json!({"Statement": {"Effect": "Allow", "Action": "iam:GetRole", "Resource": role}}).to_string();
    let mut form = form_urlencoded::Serializer::new("Action=PutRolePolicy&RoleName=exec&PolicyName=p".to_owned());
    served.iam(&form.append_pair("PolicyDocument", &policy).finish()).await.unwrap();
    assert_eq!(served.iam_as(&whole, read).await.unwrap().0, 200);
    assert_eq!(served.iam_as(&whole, list).await.unwrap().0, 403);
    let functions = Request::get(format!("{}/2015-03-31/functions", served.url));
    let (status, body) = served.signed("lambda", &whole, functions, "").await.unwrap();
    assert!(status == 403 && body.contains("allows the lambda:ListFunctions action"), "{body}");
}

#[tokio::test]
async fn decisions_about_sessions_are_shown_to_whom_the_cloud_belongs() {
    let served = Served::start().await;
    served.create_role().await.unwrap();
    let session = served.cloud.iam.session("arn:aws:iam::123456789012:role/exec", "ci");
    let token = Some(session.session_token.clone());
    let key = Credentials::new(&session.access_key_id, &session.secret_access_key, token, None, "test");
    served.iam_as(&key, "Action=GetRole&RoleName=exec").await.unwrap();
    served.iam("Action=GetRole&RoleName=exec").await.unwrap();
    let bucket = Request::put(format!("{}/data", served.url)).header("x-amz-object-ownership", "ObjectWriter");
    let tagged = "<CreateBucketConfiguration><Tags><Tag><Key>a</Key><Value>b</Value></Tag></Tags>\
                  </CreateBucketConfiguration>";
    let policy =
        json!({"Statement": {"Effect": "Allow", "Action": ["s3:CreateBucket", "s3:PutBucketOwnershipControls"],
        "Resource": "*", "Condition": {"StringEquals": {"aws:RequestTag/a": "b"}}}})
        .to_string();
    let mut form = form_urlencoded::Serializer::new("Action=PutRolePolicy&RoleName=exec&PolicyName=p".to_owned());
    served.iam(&form.append_pair("PolicyDocument", &policy).finish()).await.unwrap();
    let (status, body) = served.signed("s3", &key, bucket, tagged).await.unwrap();
    assert!(status == 403 && body.contains("allows the s3:TagResource action"), "{body}");

    let shown = served.local("GET", "decisions?caller=assumed-role/exec/ci", Value::Null).await;
    let words = shown.as_array().unwrap().iter().map(|decided| {
        let text = |name: &str| decided[name].as_str().unwrap().to_owned();
        format!("{} {} {}", text("action"), text("resource"), decided["allowed"])
    });
    insta::assert_snapshot!(words.collect::<Vec<_>>().join("\n"), @"
    iam:GetRole arn:aws:iam::123456789012:role/exec false
    s3:CreateBucket arn:aws:s3:::data true
    s3:PutBucketOwnershipControls arn:aws:s3:::data true
    s3:TagResource arn:aws:s3:::data false
    ");
    served.local("DELETE", "decisions", Value::Null).await;
    assert_eq!(served.local("GET", "decisions", Value::Null).await, json!([]));
    let quotas = json!({ "ml.m5.large for endpoint usage": 1 });
    served.local("PUT", "quotas", quotas.clone()).await;
    assert_eq!(served.local("GET", "quotas", Value::Null).await, quotas);
}
