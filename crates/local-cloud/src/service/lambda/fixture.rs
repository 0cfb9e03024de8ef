//! A cloud for tests, with shell scripts as functions.

use std::io::{Cursor, Write};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, Method};
use serde_json::{Value, json};
use zip::write::SimpleFileOptions;

use crate::call::{Call, Caller, Refusal};
use crate::server::{Service, dispatch};
use crate::{Cloud, Config, Delays};

use super::run;

pub(crate) const ROLE: &str = "arn:aws:iam::123456789012:role/runner/proxy";

/// A script that speaks the Runtime API over bash's own sockets. It answers `{"echo": <event>}` and prints a line.
pub(crate) const ECHO: &str = r#"#!/usr/bin/env bash
host=${AWS_LAMBDA_RUNTIME_API%:*} port=${AWS_LAMBDA_RUNTIME_API#*:}
while :; do
  exec 3<>"/dev/tcp/$host/$port"
  printf 'GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n' "$host" >&3
  id= length=0
  while IFS= read -r line <&3; line=${line%$'\r'}; [ -n "$line" ]; do
    case ${line,,} in
      lambda-runtime-aws-request-id:*) id=${line#*: };;
      content-length:*) length=${line#*: };;
    esac
  done
  [ -n "$id" ] || exit 0
  IFS= read -r -N "$length" event <&3
  exec 3>&-
  echo "handling $AWS_LAMBDA_FUNCTION_NAME"
  case $event in *crash*) exit 7;; *hang*) sleep 60;; *leave*) leave=1;; esac
  [ "$event" = '{"env":1}' ] && event="\"$(env | sort | cut -d= -f1 | tr '\n' ' ')\""
  answer="{\"echo\":$event,\"pid\":$$}"
  exec 3<>"/dev/tcp/$host/$port"
  printf 'POST /2018-06-01/runtime/invocation/%s/response HTTP/1.1\r\nHost: %s\r\nConnection: close\r\nContent-Length: %s\r\n\r\n%s' \
    "$id" "$host" "${#answer}" "$answer" >&3
  cat <&3 >/dev/null
  exec 3>&-
  [ -z "$leave" ] || exit 0
done
"#;

/// Name, mode and text of a file in an archive.
pub(crate) type File<'a> = (&'a str, u32, &'a str);

/// A cloud in a folder of its own.
pub(crate) struct Fixture {
    pub(crate) cloud: Arc<Cloud>,
    pub(crate) _dir: tempfile::TempDir,
}

impl Fixture {
    pub(crate) async fn new() -> Self {
        Self::with_settle(Duration::ZERO).await
    }

    pub(crate) async fn with_settle(lambda_settle: Duration) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let cloud = Cloud::open(config(dir.path().to_owned(), lambda_settle)).await.unwrap();
        // A role that Lambda may assume and that may do anything.
        let fixture = Self { cloud, _dir: dir };
        let form = json!({ "RoleName": "proxy", "Path": "/runner/", "AssumeRolePolicyDocument": TRUST });
        fixture.ask_iam("CreateRole", &form).await;
        fixture
            .ask_iam("PutRolePolicy", &json!({ "RoleName": "proxy", "PolicyName": "all", "PolicyDocument": ALL }))
            .await;
        fixture
    }

    /// Makes this the one policy of the role.
    pub(crate) async fn put_policy(&self, policy: &Value) {
        let form = json!({ "RoleName": "proxy", "PolicyName": "all", "PolicyDocument": policy.to_string() });
        self.ask_iam("PutRolePolicy", &form).await;
    }

    async fn ask_iam(&self, action: &str, form: &Value) {
        let form = form.as_object().unwrap().iter().map(|(key, value)| (key, value.as_str().unwrap()));
        let action_only = [("Action", action), ("Version", "2010-05-08")];
        let mut body = form_urlencoded::Serializer::new(String::new());
        body.extend_pairs(action_only).extend_pairs(form);
        let mut call = call(Method::POST, "/", body.finish());
        action.clone_into(&mut call.operation);
        crate::service::iam::handle(&self.cloud, &call).await.unwrap();
    }

    /// Status and body, or the refusal in one line.
    pub(crate) async fn send(&self, method: Method, path: &str, body: Value) -> Result<(u16, Value), String> {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let response = dispatch(&self.cloud, Service::Lambda, &call(method, path, body)).await;
        let response = response.map_err(|refusal| shown(&refusal))?;
        let value = serde_json::from_slice(response.body()).unwrap_or(Value::Null);
        Ok((response.status().as_u16(), value))
    }

    pub(crate) async fn create(&self, name: &str, files: &[File<'_>]) -> Value {
        let (_, made) = self.send(Method::POST, "/2015-03-31/functions", creation(name, files)).await.unwrap();
        made
    }

    /// The payload, or the error document.
    pub(crate) async fn invoke(&self, name: &str, event: &str) -> Result<Value, Value> {
        let outcome = run(&self.cloud, name, Bytes::copy_from_slice(event.as_bytes())).await.unwrap();
        let parse = |bytes: Bytes| serde_json::from_slice(&bytes).unwrap();
        outcome.map(parse).map_err(|(kind, document)| {
            assert_eq!(kind, "Unhandled");
            parse(document)
        })
    }
}

const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
const ALL: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;

fn config(state_dir: std::path::PathBuf, lambda_settle: Duration) -> Config {
    Config {
        state_dir,
        account: "123456789012".to_owned(),
        region: "us-east-1".to_owned(),
        access_key_id: "AKIALOCAL".to_owned(),
        secret_access_key: "secret".to_owned(),
        base_url: "http://127.0.0.1:1".to_owned(),
        model_server: Vec::new(),
        training_program: Vec::new(),
        delays: Delays { lambda_settle, ..Delays::default() },
    }
}

pub(crate) fn call(method: Method, path: &str, body: String) -> Call {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    Call {
        operation: String::new(),
        method,
        path: path.to_owned(),
        query: form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
        headers: HeaderMap::new(),
        body: Bytes::from(body),
        caller: Caller { arn: "arn:aws:iam::123456789012:root".to_owned(), role: None },
        request_id: "r".to_owned(),
        outcome: None,
    }
}

pub(crate) fn shown(refusal: &Refusal) -> String {
    format!("{} {} {}", refusal.status.as_u16(), refusal.code, refusal.message)
}

pub(crate) fn archive(files: &[File<'_>]) -> String {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, mode, text) in files {
        zip.start_file(*name, SimpleFileOptions::default().unix_permissions(*mode)).unwrap();
        zip.write_all(text.as_bytes()).unwrap();
    }
    STANDARD.encode(zip.finish().unwrap().into_inner())
}

pub(crate) fn creation(name: &str, files: &[File<'_>]) -> Value {
    json!({
        "FunctionName": name, "Role": ROLE, "Runtime": "provided.al2023", "Handler": "bootstrap", "Timeout": 10,
        "Code": { "ZipFile": archive(files) },
    })
}

pub(crate) fn echo() -> [(&'static str, u32, &'static str); 1] {
    [("bootstrap", 0o755, ECHO)]
}
