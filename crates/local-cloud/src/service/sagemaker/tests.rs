//! The service as its callers see it, with processes of its own behind it.

mod capacity;
mod fake;
mod lifecycle;
mod own_image;
pub(crate) mod permissions;
mod refusals;
mod rollout;
mod runtime;
mod training;
mod training_ends;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Response};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use super::{handle, invoke};
use crate::call::{Call, Caller};
use crate::cloud::{Cloud, Config, Delays};
use crate::server::{Service, dispatch};

pub(crate) const IMAGE: &str = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1";

async fn open(dir: &Path, endpoint_settle: Duration) -> Arc<Cloud> {
    open_with(dir, Delays { endpoint_settle, ..Delays::default() }).await
}

async fn open_with(dir: &Path, delays: Delays) -> Arc<Cloud> {
    let config = Config {
        state_dir: dir.to_owned(),
        account: "123456789012".into(),
        region: "us-east-1".into(),
        access_key_id: "AKIATEST".into(),
        secret_access_key: "secret".into(),
        base_url: "http://127.0.0.1:1".into(),
        model_server: fake::command(),
        training_program: training::program(),
        delays,
    };
    Cloud::open(config).await.unwrap()
}

async fn fresh() -> (Arc<Cloud>, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    (open(dir.path(), Duration::ZERO).await, dir)
}

/// A cloud whose seconds last so long.
pub(crate) async fn fresh_with_second(second: Duration) -> (Arc<Cloud>, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    (open_with(dir.path(), Delays { second, ..Delays::default() }).await, dir)
}

pub(crate) fn request(operation: &str, path: &str, body: Bytes) -> Call {
    Call {
        operation: operation.into(),
        method: Method::POST,
        path: path.into(),
        query: Vec::new(),
        headers: HeaderMap::new(),
        body,
        caller: Caller { arn: "arn:aws:iam::123456789012:root".into(), role: None },
        request_id: "r".into(),
        outcome: None,
    }
}

/// The answer, or what was refused as `Code: message`.
pub(crate) async fn call(cloud: &Arc<Cloud>, operation: &str, body: Value) -> Result<Value, String> {
    match dispatch(cloud, Service::SageMaker, &request(operation, "/", body.to_string().into())).await {
        Ok(answer) if answer.body().is_empty() => Ok(Value::Null),
        Ok(answer) => Ok(serde_json::from_slice(answer.body()).unwrap()),
        Err(refusal) => Err(format!("{}: {}", refusal.code, refusal.message)),
    }
}

async fn ask(cloud: &Arc<Cloud>, endpoint: &str, body: &str) -> Result<Response<Bytes>, String> {
    let path = format!("/endpoints/{endpoint}/invocations");
    let answer = dispatch(cloud, Service::Runtime, &request("", &path, body.to_owned().into())).await;
    answer.map_err(|refusal| format!("{} {}: {}", refusal.status.as_u16(), refusal.code, refusal.message))
}

/// The text of an answer that must be good.
pub(crate) async fn told(cloud: &Arc<Cloud>, endpoint: &str, body: &str) -> String {
    let answer = ask(cloud, endpoint, body).await.unwrap();
    let text = String::from_utf8(answer.body().to_vec()).unwrap();
    assert_eq!(answer.status(), 200, "{text}");
    text
}

/// Makes a model and a config of one name.
async fn config(cloud: &Arc<Cloud>, name: &str, environment: Value) {
    let container = json!({ "Image": IMAGE, "Environment": environment });
    call(cloud, "CreateModel", json!({ "ModelName": name, "PrimaryContainer": container })).await.unwrap();
    let variant = json!({
        "VariantName": "AllTraffic",
        "ModelName": name,
        "InstanceType": "ml.t2.medium",
        "InitialInstanceCount": 1,
    });
    let body = json!({ "EndpointConfigName": name, "ProductionVariants": [variant] });
    call(cloud, "CreateEndpointConfig", body).await.unwrap();
}

fn endpoint(config: &str) -> Value {
    json!({ "EndpointName": "Fraud", "EndpointConfigName": config })
}

/// Waits until the endpoint is in none of the states of transit, and says what it is then.
pub(crate) async fn settled(cloud: &Arc<Cloud>) -> Value {
    let start = Instant::now();
    loop {
        let described = call(cloud, "DescribeEndpoint", json!({ "EndpointName": "Fraud" })).await.unwrap();
        let status = described["EndpointStatus"].as_str().unwrap();
        if !["Creating", "Updating", "RollingBack", "Deleting"].contains(&status) {
            return described;
        }
        assert!(start.elapsed() < Duration::from_secs(30), "still {status}");
        sleep(Duration::from_millis(5)).await;
    }
}

async fn deployed(cloud: &Arc<Cloud>, name: &str) {
    config(cloud, name, json!({ "GENERATION": name })).await;
    call(cloud, "CreateEndpoint", endpoint(name)).await.unwrap();
    assert_eq!(settled(cloud).await["EndpointStatus"], "InService");
}

async fn gone(cloud: &Arc<Cloud>) {
    for _ in 0..2000 {
        if let Err(error) = call(cloud, "DescribeEndpoint", json!({ "EndpointName": "Fraud" })).await {
            assert!(error.contains("Could not find endpoint"), "{error}");
            return;
        }
        sleep(Duration::from_millis(5)).await;
    }
    panic!("the endpoint is still there");
}

/// Waits until another process answers than the one that was killed, and says which.
///
/// What is asked before its death was noticed may go down a connection to it, and is lost.
async fn restarted(cloud: &Arc<Cloud>, before: &str) -> String {
    let start = Instant::now();
    loop {
        let answer = ask(cloud, "Fraud", "pid").await.unwrap();
        let pid = String::from_utf8_lossy(answer.body()).into_owned();
        if answer.status() == 200 && pid != before {
            return pid;
        }
        assert!(start.elapsed() < Duration::from_secs(30), "still {} {pid}", answer.status());
        sleep(Duration::from_millis(1)).await;
    }
}

fn is_alive(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    !stat.is_empty() && !stat.contains(") Z ")
}
