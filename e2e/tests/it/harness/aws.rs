//! A client of the local cloud, or of a peer: signed AWS calls without an SDK, and the local cloud's own routes.

use std::collections::BTreeSet;

use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;
use jiff::Timestamp;
use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};

use super::http::{Answer, Http};
use super::peer::{KEY, REGION};

/// Part of the names of roles that `deployer-policy` makes.
const DEPLOYER: &str = "-deployer-";

/// A running local cloud.
pub(crate) struct Aws {
    http: Http,
    /// Port on 127.0.0.1.
    pub(crate) port: u16,
    /// Process id.
    pub(crate) pid: i32,
    region: String,
    key: String,
    secret: String,
    /// Of a session.
    token: Option<String>,
    has_sagemaker: bool,
}

/// Names of everything in the account, by kind; old versions of objects are a kind of their own.
pub(crate) type Inventory = BTreeSet<(&'static str, String)>;

/// What IAM was asked about a role or one of its sessions.
#[derive(Clone, Debug)]
pub(crate) struct Decided {
    /// ARN of who asked.
    pub(crate) caller: String,
    /// For example `s3:GetObject`.
    pub(crate) action: String,
    /// ARN, or `*`.
    pub(crate) resource: String,
    /// What was decided.
    pub(crate) allowed: bool,
}

/// Which side of a write's effect fails. After it every write is refused, as if the network had gone.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Side {
    /// Not done, and said so.
    Refused,
    /// Done, but the answer is lost.
    AnswerLost,
}

impl Aws {
    /// From the address file that the local cloud keeps.
    pub(super) fn new(address: &Json) -> Self {
        let text = |name: &str| address[name].as_str().unwrap().to_owned();
        Self {
            http: Http::new(),
            port: address["port"].as_u64().unwrap().try_into().unwrap(),
            pid: address["pid"].as_i64().unwrap().try_into().unwrap(),
            region: text("region"),
            key: text("access_key_id"),
            secret: text("secret_access_key"),
            token: None,
            has_sagemaker: true,
        }
    }

    /// Of a server that takes any key. It has no routes of the local cloud's own.
    pub(super) fn of_peer(port: u16, has_sagemaker: bool) -> Self {
        let [region, key, secret] = [REGION, KEY, KEY].map(ToOwned::to_owned);
        Self { http: Http::new(), port, pid: 0, region, key, secret, token: None, has_sagemaker }
    }

    /// `http://127.0.0.1:<port>`.
    pub(crate) fn base(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Whether it answers.
    pub(super) fn is_up(&self) -> bool {
        let health = Request::get(format!("{}/_local/health", self.base())).body(Full::default()).unwrap();
        self.http.try_send(health).is_ok_and(|answer| answer.status == 200)
    }

    /// Makes the n-th write fail, and all after it.
    pub(crate) fn fail_write(&self, n: usize, side: Side) {
        let fault = match side {
            Side::Refused => json!({ "refuse": { "status": 403, "code": "AccessDenied", "message": "not today" } }),
            Side::AnswerLost => json!("lose-answer"),
        };
        self.put_faults(&json!([{ "match": { "write": n }, "fault": fault, "then-halt": true }]));
    }

    /// Puts fault rules.
    pub(crate) fn put_faults(&self, rules: &Json) {
        self.local("PUT", "faults", &json!({ "rules": rules }).to_string());
    }

    /// Lets what the next call of an operation of SageMaker begins end in a way that only AWS knows.
    pub(crate) fn end_next(&self, operation: &str, outcome: &Json) {
        let calls = json!({ "service": "sagemaker", "operation": operation, "nth": 1 });
        self.put_faults(&json!([{ "match": calls, "fault": { "outcome": outcome } }]));
    }

    /// Sets quotas by name.
    pub(crate) fn put_quotas(&self, quotas: &Json) {
        self.local("PUT", "quotas", &quotas.to_string());
    }

    /// Ends all faults.
    pub(crate) fn clear_faults(&self) {
        self.local("DELETE", "faults", "");
    }

    /// Writes since the log was cleared, as `service:Operation resource`.
    pub(crate) fn writes(&self) -> Vec<String> {
        let log = self.local("GET", "requests?writes=true", "").json();
        let line = |entry: &Json| {
            let text = |name: &str| entry[name].as_str().unwrap().to_owned();
            format!("{}:{} {}", text("service"), text("operation"), text("resource"))
        };
        // What `runner` sets up for itself in the local cloud is nobody's deployment.
        log.as_array().unwrap().iter().map(line).filter(|line| !line.contains(DEPLOYER)).collect()
    }

    /// Requests since the log was cleared, with their statuses.
    pub(crate) fn requests(&self) -> Vec<Json> {
        self.local("GET", "requests", "").json().as_array().unwrap().clone()
    }

    /// Services and operations since the log was cleared, but for those of the public.
    pub(crate) fn calls(&self) -> BTreeSet<(String, String)> {
        let log = self.local("GET", "requests", "").json();
        let text = |entry: &Json, name: &str| entry[name].as_str().unwrap().to_owned();
        let all = log.as_array().unwrap().iter().map(|entry| (text(entry, "service"), text(entry, "operation")));
        all.filter(|(service, _)| service != "execute-api").collect()
    }

    /// The fault rules that have struck no call.
    pub(crate) fn faults_without_effect(&self) -> Vec<Json> {
        let faults = self.local("GET", "faults", "").json();
        let struck = faults["struck"].as_array().unwrap().iter();
        let rules = faults["rules"].as_array().unwrap().iter();
        rules.zip(struck).filter(|(_, struck)| **struck == 0).map(|(rule, _)| rule.clone()).collect()
    }

    /// Forgets the requests so far.
    pub(crate) fn clear_requests(&self) {
        self.local("DELETE", "requests", "");
    }

    /// Everything in the account, as the services list it.
    pub(crate) fn inventory(&self) -> Inventory {
        let mut all = Inventory::new();
        let mut add = |kind: &'static str, names: Vec<String>| all.extend(names.into_iter().map(|name| (kind, name)));
        let buckets = between(&self.signed("s3", "GET", "/", &[], "").text, "<Name>", "</Name>");
        for bucket in &buckets {
            for (kind, list) in [("object", "list-type=2"), ("object-version", "versions=")] {
                let listing = self.signed("s3", "GET", &format!("/{bucket}?{list}"), &[], "").text;
                let keys = between(&listing, "<Key>", "</Key>").into_iter().map(|key| format!("{bucket}/{key}"));
                add(kind, keys.collect());
            }
        }
        add("bucket", buckets);
        let roles = self.iam("ListRoles", &[]).text;
        let roles = between(&roles, "<RoleName>", "</RoleName>").into_iter();
        add("role", roles.filter(|name| !name.contains(DEPLOYER)).collect());
        let of_sagemaker = [
            ("model", "Models", "ModelName"),
            ("endpoint-config", "EndpointConfigs", "EndpointConfigName"),
            ("endpoint", "Endpoints", "EndpointName"),
        ];
        for (kind, list, name) in of_sagemaker.into_iter().filter(|_| self.has_sagemaker) {
            add(kind, names(&self.sagemaker(&format!("List{list}"), &json!({})).json()[list], name));
        }
        let groups = self.logs("DescribeLogGroups", &json!({})).json();
        add("log-group", names(&groups["logGroups"], "logGroupName"));
        if self.has_sagemaker {
            let alarms = self.cloudwatch("DescribeAlarms", &json!({})).json();
            add("alarm", names(&alarms["MetricAlarms"], "AlarmName"));
            let of_endpoints = json!({ "ServiceNamespace": "sagemaker" });
            let targets = self.autoscaling("DescribeScalableTargets", &of_endpoints).json();
            add("scalable-target", names(&targets["ScalableTargets"], "ResourceId"));
        }
        let repositories =
            names(&self.ecr("DescribeRepositories", &json!({})).json()["repositories"], "repositoryName");
        for repository in &repositories {
            let images = self.ecr("ListImages", &json!({ "repositoryName": repository })).json();
            let tags =
                images["imageIds"].as_array().unwrap().iter().map(|id| id["imageTag"].as_str().unwrap_or("none"));
            add("image", tags.map(|tag| format!("{repository}:{tag}")).collect());
        }
        add("repository", repositories);
        let functions = self.signed("lambda", "GET", "/2015-03-31/functions/", &[], "").json();
        add("function", names(&functions["Functions"], "FunctionName"));
        let apis = self.signed("apigateway", "GET", "/v2/apis", &[], "").json();
        add("api", names(&apis["items"], "name"));
        all
    }

    /// A call of IAM's query protocol that must succeed.
    pub(crate) fn iam(&self, action: &str, members: &[(&str, &str)]) -> Answer {
        self.ask_iam(action, members).good(action)
    }

    /// A call of IAM's query protocol.
    pub(crate) fn ask_iam(&self, action: &str, members: &[(&str, &str)]) -> Answer {
        self.query("iam", "2010-05-08", action, members)
    }

    /// Credentials of a session of a role, as the environment of a program has them.
    pub(crate) fn assume(&self, role_arn: &str) -> Vec<(&'static str, String)> {
        let members = [("RoleArn", role_arn), ("RoleSessionName", "run")];
        let answer = self.query("sts", "2011-06-15", "AssumeRole", &members).good("AssumeRole").text;
        let named = |name: &str| between(&answer, &format!("<{name}>"), &format!("</{name}>")).remove(0);
        vec![
            ("AWS_ACCESS_KEY_ID", named("AccessKeyId")),
            ("AWS_SECRET_ACCESS_KEY", named("SecretAccessKey")),
            ("AWS_SESSION_TOKEN", named("SessionToken")),
        ]
    }

    /// The same cloud, asked in a session of a role.
    pub(crate) fn as_session(&self, role_arn: &str) -> Self {
        let [(_, key), (_, secret), (_, token)] = self.assume(role_arn).try_into().unwrap();
        let Self { port, pid, has_sagemaker, .. } = *self;
        Self {
            http: Http::new(),
            port,
            pid,
            region: self.region.clone(),
            key,
            secret,
            token: Some(token),
            has_sagemaker,
        }
    }

    /// What IAM was asked about roles and their sessions.
    pub(crate) fn decisions(&self) -> Vec<Decided> {
        let log = self.local("GET", "decisions", "").json();
        let text = |entry: &Json, name: &str| entry[name].as_str().unwrap().to_owned();
        let decided = |entry: &Json| Decided {
            caller: text(entry, "caller"),
            action: text(entry, "action"),
            resource: text(entry, "resource"),
            allowed: entry["allowed"].as_bool().unwrap(),
        };
        log.as_array().unwrap().iter().map(decided).collect()
    }

    /// Forgets the decisions so far.
    pub(crate) fn forget_decisions(&self) {
        self.local("DELETE", "decisions", "");
    }

    fn query(&self, service: &str, version: &str, action: &str, members: &[(&str, &str)]) -> Answer {
        let mut body = format!("Action={action}&Version={version}");
        for (name, value) in members {
            body = format!("{body}&{name}={}", percent_encoded(value));
        }
        self.ask(service, "POST", "/", &[("content-type", "application/x-www-form-urlencoded")], body)
    }

    /// A call of CloudWatch Logs that must succeed.
    pub(crate) fn logs(&self, operation: &str, body: &Json) -> Answer {
        self.ask_json("logs", &format!("Logs_20140328.{operation}"), body).good(operation)
    }

    /// A call of SageMaker that must succeed.
    pub(crate) fn sagemaker(&self, operation: &str, body: &Json) -> Answer {
        self.ask_json("sagemaker", &format!("SageMaker.{operation}"), body).good(operation)
    }

    /// A call of Application Auto Scaling that must succeed.
    pub(crate) fn autoscaling(&self, operation: &str, body: &Json) -> Answer {
        self.ask_json("application-autoscaling", &format!("AnyScaleFrontendService.{operation}"), body).good(operation)
    }

    /// A call of CloudWatch that must succeed.
    pub(crate) fn cloudwatch(&self, operation: &str, body: &Json) -> Answer {
        let target = format!("GraniteServiceVersion20100801.{operation}");
        let headers = [("content-type", "application/x-amz-json-1.0"), ("x-amz-target", &*target)];
        self.signed("monitoring", "POST", "/", &headers, body.to_string())
    }

    /// A call of ECR that must succeed.
    pub(crate) fn ecr(&self, operation: &str, body: &Json) -> Answer {
        self.ask_json("ecr", &format!("AmazonEC2ContainerRegistry_V20150921.{operation}"), body).good(operation)
    }

    /// A call in JSON 1.1.
    pub(crate) fn ask_json(&self, service: &str, target: &str, body: &Json) -> Answer {
        let headers = [("content-type", "application/x-amz-json-1.1"), ("x-amz-target", target)];
        self.ask(service, "POST", "/", &headers, body.to_string())
    }

    /// A call that must succeed.
    pub(crate) fn signed(
        &self,
        service: &str,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl AsRef<[u8]>,
    ) -> Answer {
        self.ask(service, method, path, headers, body).good(&format!("{service} {method} {path}"))
    }

    /// A call, whatever comes of it.
    pub(crate) fn ask(
        &self,
        service: &str,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl AsRef<[u8]>,
    ) -> Answer {
        self.http.send(self.sign(service, method, path, headers, body.as_ref()))
    }

    /// A signed request as it goes over the wire, to be sent again and again; it is good for a quarter of an hour.
    pub(crate) fn written(&self, service: &str, method: &str, path: &str, body: &str) -> Vec<u8> {
        let request = self.sign(service, method, path, &[("content-type", "text/csv")], body.as_bytes());
        let mut text = format!("{method} {path} HTTP/1.1\r\ncontent-length: {}\r\n", body.len());
        for (name, value) in request.headers() {
            text.extend([name.as_str(), ": ", value.to_str().unwrap(), "\r\n"]);
        }
        format!("{text}\r\n{body}").into_bytes()
    }

    /// Key id, secret and region, for other programs that sign.
    pub(crate) fn key(&self) -> [&str; 3] {
        [&self.key, &self.secret, &self.region]
    }

    /// How many requests to a service were answered with this status, since the log was cleared.
    pub(crate) fn count(&self, service: &str, status: u16) -> usize {
        let log = self.local("GET", "requests", "").json();
        let of_it = |entry: &&Json| entry["service"] == service && entry["status"] == status;
        log.as_array().unwrap().iter().filter(of_it).count()
    }

    /// Signature Version 4. Queries must be written as they are signed; paths are encoded once more, but for S3.
    fn sign(
        &self,
        service: &str,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Request<Full<Bytes>> {
        let region = if service == "iam" { "us-east-1" } else { &self.region };
        let time = Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string();
        let scope = format!("{}/{region}/{service}/aws4_request", &time[..8]);
        let host = format!("127.0.0.1:{}", self.port);
        let payload = hex::encode(Sha256::digest(body));
        let mut all: Vec<(&str, &str)> = headers.to_vec();
        all.extend([("host", &*host), ("x-amz-date", &time), ("x-amz-content-sha256", &payload)]);
        all.extend(self.token.as_deref().map(|token| ("x-amz-security-token", token)));
        all.sort_unstable();
        let names = all.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
        let lines = all.iter().map(|(name, value)| [name, ":", value, "\n"].concat()).collect::<Vec<_>>().concat();
        let (bare, query) = path.split_once('?').unwrap_or((path, ""));
        let signed = match service {
            "s3" => bare.to_owned(),
            _ => bare.split('/').map(percent_encoded).collect::<Vec<_>>().join("/"),
        };
        let canonical = format!("{method}\n{signed}\n{query}\n{lines}\n{names}\n{payload}");
        let to_sign = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", hex::encode(Sha256::digest(canonical)));
        let mut key = hmac(format!("AWS4{}", self.secret).as_bytes(), &time[..8]);
        for part in [region, service, "aws4_request"] {
            key = hmac(&key, part);
        }
        let signature = hex::encode(hmac(&key, &to_sign));
        let authorization =
            format!("AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={signature}", self.key);
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.base()));
        for (name, value) in all {
            request = request.header(name, value);
        }
        let request = request.header("authorization", authorization);
        request.body(Full::new(Bytes::copy_from_slice(body))).unwrap()
    }

    /// One of the cloud's own routes.
    fn local(&self, method: &str, route: &str, body: &str) -> Answer {
        let request = self.sign("local", method, &format!("/_local/{route}"), &[], body.as_bytes());
        self.http.send(request).good(route)
    }
}

/// HMAC-SHA256 of RFC 2104, for keys of at most 64 bytes.
fn hmac(key: &[u8], text: &str) -> [u8; 32] {
    let pad = |byte: u8| {
        let mut block = [byte; 64];
        block.iter_mut().zip(key).for_each(|(block, key)| *block ^= key);
        block
    };
    let inner = Sha256::new().chain_update(pad(0x36)).chain_update(text).finalize();
    Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize().into()
}

pub(crate) fn percent_encoded(text: &str) -> String {
    let encode = |byte: u8| {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            char::from(byte).to_string()
        } else {
            format!("%{byte:02X}")
        }
    };
    text.bytes().map(encode).collect()
}

fn names(list: &Json, name: &str) -> Vec<String> {
    let list = list.as_array().unwrap_or_else(|| panic!("no list of `{name}`: {list}"));
    list.iter().map(|item| item[name].as_str().unwrap().to_owned()).collect()
}

/// What stands between two marks, each time they occur.
fn between(text: &str, open: &str, close: &str) -> Vec<String> {
    text.split(open).skip(1).filter_map(|rest| Some(rest.split_once(close)?.0.to_owned())).collect()
}
