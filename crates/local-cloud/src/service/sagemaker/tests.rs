//! The service as its callers see it, with processes of its own behind it.

mod fake;

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

const IMAGE: &str = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1";

async fn open(dir: &Path, endpoint_settle: Duration) -> Arc<Cloud> {
    let config = Config {
        state_dir: dir.to_owned(),
        account: "123456789012".into(),
        region: "us-east-1".into(),
        access_key_id: "AKIATEST".into(),
        secret_access_key: "secret".into(),
        base_url: "http://127.0.0.1:1".into(),
        model_server: fake::command(),
        delays: Delays { endpoint_settle, ..Delays::default() },
    };
    Cloud::open(config).await.unwrap()
}

async fn fresh() -> (Arc<Cloud>, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    (open(dir.path(), Duration::ZERO).await, dir)
}

fn request(operation: &str, path: &str, body: Bytes) -> Call {
    Call {
        operation: operation.into(),
        method: Method::POST,
        path: path.into(),
        query: Vec::new(),
        headers: HeaderMap::new(),
        body,
        caller: Caller { arn: "arn:aws:iam::123456789012:root".into(), role: None },
        request_id: "r".into(),
    }
}

/// The answer, or what was refused as `Code: message`.
async fn call(cloud: &Arc<Cloud>, operation: &str, body: Value) -> Result<Value, String> {
    match handle(cloud, &request(operation, "/", body.to_string().into())).await {
        Ok(answer) if answer.body().is_empty() => Ok(Value::Null),
        Ok(answer) => Ok(serde_json::from_slice(answer.body()).unwrap()),
        Err(refusal) => Err(format!("{}: {}", refusal.code, refusal.message)),
    }
}

async fn ask(cloud: &Arc<Cloud>, endpoint: &str, body: &str) -> Result<Response<Bytes>, String> {
    let path = format!("/endpoints/{endpoint}/invocations");
    let answer = invoke(cloud, &request("", &path, body.to_owned().into())).await;
    answer.map_err(|refusal| format!("{} {}: {}", refusal.status.as_u16(), refusal.code, refusal.message))
}

/// The text of an answer that must be good.
async fn told(cloud: &Arc<Cloud>, endpoint: &str, body: &str) -> String {
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
async fn settled(cloud: &Arc<Cloud>) -> Value {
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

#[tokio::test]
async fn taken_and_absent_names_are_refused_in_the_words_of_aws() {
    let (cloud, _dir) = fresh().await;
    let mut told = Vec::new();
    for (operation, body) in [
        ("DescribeModel", json!({ "ModelName": "Nope" })),
        ("DeleteModel", json!({ "ModelName": "Nope" })),
        ("DescribeEndpointConfig", json!({ "EndpointConfigName": "Nope" })),
        ("DeleteEndpointConfig", json!({ "EndpointConfigName": "Nope" })),
        ("DescribeEndpoint", json!({ "EndpointName": "Nope" })),
        ("DeleteEndpoint", json!({ "EndpointName": "Nope" })),
        ("UpdateEndpoint", endpoint("Nope")),
        ("CreateEndpoint", endpoint("Nope")),
        (
            "CreateEndpointConfig",
            json!({ "EndpointConfigName": "c", "ProductionVariants": [
            { "VariantName": "v", "ModelName": "Nope", "InstanceType": "ml.t2.medium", "InitialInstanceCount": 1 },
        ] }),
        ),
    ] {
        told.push(format!("{operation}: {}", call(&cloud, operation, body).await.unwrap_err()));
    }
    deployed(&cloud, "One").await;
    let container = json!({ "Image": IMAGE });
    for (operation, body) in [
        ("CreateModel", json!({ "ModelName": "one", "PrimaryContainer": container })),
        ("CreateEndpoint", endpoint("one")),
        (
            "CreateEndpointConfig",
            json!({ "EndpointConfigName": "ONE", "ProductionVariants": [
            { "VariantName": "v", "ModelName": "One", "InstanceType": "ml.t2.medium", "InitialInstanceCount": 1 },
        ] }),
        ),
    ] {
        told.push(format!("{operation}: {}", call(&cloud, operation, body).await.unwrap_err()));
    }
    call(&cloud, "DeleteModel", json!({ "ModelName": "One" })).await.unwrap();
    told.push(format!(
        "UpdateEndpoint, model deleted: {}",
        call(&cloud, "UpdateEndpoint", endpoint("One")).await.unwrap_err()
    ));
    config(&cloud, "Two", json!({})).await;
    call(&cloud, "DeleteEndpointConfig", json!({ "EndpointConfigName": "One" })).await.unwrap();
    told.push(format!(
        "UpdateEndpoint, config deleted: {}",
        call(&cloud, "UpdateEndpoint", endpoint("Two")).await.unwrap_err()
    ));
    insta::assert_snapshot!(told.join("\n"), @r#"
    DescribeModel: ValidationException: Could not find model "arn:aws:sagemaker:us-east-1:123456789012:model/nope".
    DeleteModel: ValidationException: Could not find model "arn:aws:sagemaker:us-east-1:123456789012:model/nope".
    DescribeEndpointConfig: ValidationException: Could not find endpoint configuration "arn:aws:sagemaker:us-east-1:123456789012:endpoint-config/nope".
    DeleteEndpointConfig: ValidationException: Could not find endpoint configuration "arn:aws:sagemaker:us-east-1:123456789012:endpoint-config/nope".
    DescribeEndpoint: ValidationException: Could not find endpoint "arn:aws:sagemaker:us-east-1:123456789012:endpoint/nope".
    DeleteEndpoint: ValidationException: Could not find endpoint "arn:aws:sagemaker:us-east-1:123456789012:endpoint/nope".
    UpdateEndpoint: ValidationException: Could not find endpoint "arn:aws:sagemaker:us-east-1:123456789012:endpoint/fraud".
    CreateEndpoint: ValidationException: Could not find endpoint configuration "arn:aws:sagemaker:us-east-1:123456789012:endpoint-config/nope".
    CreateEndpointConfig: ValidationException: Could not find model "arn:aws:sagemaker:us-east-1:123456789012:model/nope".
    CreateModel: ValidationException: Cannot create already existing model "arn:aws:sagemaker:us-east-1:123456789012:model/one".
    CreateEndpoint: ValidationException: Cannot create already existing endpoint "arn:aws:sagemaker:us-east-1:123456789012:endpoint/fraud".
    CreateEndpointConfig: ValidationException: Cannot create already existing endpoint configuration "arn:aws:sagemaker:us-east-1:123456789012:endpoint-config/one".
    UpdateEndpoint, model deleted: ValidationException: Could not find model "arn:aws:sagemaker:us-east-1:123456789012:model/one".
    UpdateEndpoint, config deleted: ValidationException: Could not find endpoint configuration "arn:aws:sagemaker:us-east-1:123456789012:endpoint-config/one".
    "#);
    cloud.shut_down().await;
}

#[tokio::test]
async fn an_endpoint_in_transit_refuses_every_change() {
    let dir = tempfile::tempdir().unwrap();
    let cloud = open(dir.path(), Duration::from_mins(1)).await;
    config(&cloud, "one", json!({})).await;
    call(&cloud, "CreateEndpoint", endpoint("one")).await.unwrap();
    let weights = json!({ "EndpointName": "Fraud", "DesiredWeightsAndCapacities": [{ "VariantName": "AllTraffic" }] });
    for (operation, body) in [
        ("DeleteEndpoint", json!({ "EndpointName": "Fraud" })),
        ("UpdateEndpoint", endpoint("one")),
        ("UpdateEndpointWeightsAndCapacities", weights),
    ] {
        assert_eq!(
            call(&cloud, operation, body).await.unwrap_err(),
            "ValidationException: Cannot update in-progress endpoint \"arn:aws:sagemaker:us-east-1:123456789012:endpoint/fraud\"."
        );
    }
    assert_eq!(
        ask(&cloud, "Fraud", "x").await.unwrap_err(),
        "400 ValidationError: Endpoint Fraud of account 123456789012 not found."
    );
    cloud.shut_down().await;
}

#[tokio::test]
async fn an_endpoint_in_service_passes_requests_to_a_process_with_a_clean_environment() {
    let (cloud, dir) = fresh().await;
    deployed(&cloud, "one").await;
    let mut invocation = request("", "/endpoints/Fraud/invocations", "hello".into());
    invocation.headers.insert("accept", "application/json".parse().unwrap());
    let answer = invoke(&cloud, &invocation).await.unwrap();
    assert_eq!(answer.body(), "one says hello");
    assert_eq!(answer.headers()["content-type"], "application/json");
    assert_eq!(answer.headers()["x-amzn-invoked-production-variant"], "AllTraffic");

    let environment = told(&cloud, "Fraud", "env").await;
    let names: Vec<_> = environment.lines().filter_map(|line| line.split_once('=')).map(|(name, _)| name).collect();
    assert_eq!(names, ["BIND_ADDRESS", "GENERATION", "MODEL_DIR", "PATH", "PORT", "SAGEMAKER_BIND_TO_PORT"]);
    assert!(environment.contains(&format!("MODEL_DIR={}/sagemaker/run/fraud/", dir.path().display())));
    assert!(ask(&cloud, "fraud", "x").await.unwrap_err().contains("not found"), "the runtime tells capitals apart");
    cloud.shut_down().await;
}

#[tokio::test]
async fn a_server_that_keeps_exiting_fails_the_endpoint_which_can_then_only_be_deleted() {
    let (cloud, dir) = fresh().await;
    config(&cloud, "broken", json!({ "START": "exit" })).await;
    call(&cloud, "CreateEndpoint", endpoint("broken")).await.unwrap();
    let failed = settled(&cloud).await;
    assert_eq!(failed["EndpointStatus"], "Failed");
    insta::assert_snapshot!(failed["FailureReason"].as_str().unwrap(), @"The primary container for production variant AllTraffic did not pass the ping health check. Please check CloudWatch logs for this endpoint.");
    assert!(call(&cloud, "UpdateEndpoint", endpoint("broken")).await.is_err());
    call(&cloud, "DeleteEndpoint", json!({ "EndpointName": "Fraud" })).await.unwrap();
    gone(&cloud).await;
    assert!(!dir.path().join("sagemaker/run/fraud").exists());
    cloud.shut_down().await;
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

fn is_alive(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    !stat.is_empty() && !stat.contains(") Z ")
}

#[tokio::test]
async fn a_deleted_endpoint_takes_its_process_and_its_folder_with_it() {
    let (cloud, dir) = fresh().await;
    deployed(&cloud, "one").await;
    let pid = told(&cloud, "Fraud", "pid").await;
    assert!(is_alive(&pid));
    let slow = tokio::spawn({
        let cloud = Arc::clone(&cloud);
        async move { told(&cloud, "Fraud", "sleep 200").await }
    });
    sleep(Duration::from_millis(50)).await;
    call(&cloud, "DeleteEndpoint", json!({ "EndpointName": "Fraud" })).await.unwrap();
    assert!(ask(&cloud, "Fraud", "x").await.unwrap_err().contains("not found"));
    assert_eq!(slow.await.unwrap(), "slept");
    gone(&cloud).await;
    assert!(!is_alive(&pid));
    assert!(!dir.path().join("sagemaker/run/fraud").exists());
    call(&cloud, "DeleteEndpointConfig", json!({ "EndpointConfigName": "one" })).await.unwrap();
    assert!(!cloud.sagemaker.is_empty());
    call(&cloud, "DeleteModel", json!({ "ModelName": "one" })).await.unwrap();
    assert!(cloud.sagemaker.is_empty());
    cloud.shut_down().await;
}

#[tokio::test]
async fn a_failed_update_leaves_the_old_config_in_service_and_says_why() {
    let (cloud, _dir) = fresh().await;
    deployed(&cloud, "good").await;
    config(&cloud, "broken", json!({ "START": "exit" })).await;
    call(&cloud, "UpdateEndpoint", endpoint("broken")).await.unwrap();
    let during = call(&cloud, "DescribeEndpoint", json!({ "EndpointName": "Fraud" })).await.unwrap();
    assert_eq!(during["EndpointStatus"], "Updating");
    assert_eq!(during["EndpointConfigName"], "good");
    assert_eq!(during["PendingDeploymentSummary"]["EndpointConfigName"], "broken");
    assert_eq!(told(&cloud, "Fraud", "x").await, "good says x");
    let after = settled(&cloud).await;
    assert_eq!(after["EndpointStatus"], "InService");
    assert_eq!(after["EndpointConfigName"], "good");
    assert!(after["FailureReason"].as_str().unwrap().contains("did not pass the ping health check"));
    assert_eq!(told(&cloud, "Fraud", "x").await, "good says x");

    config(&cloud, "better", json!({ "GENERATION": "better" })).await;
    call(&cloud, "UpdateEndpoint", endpoint("better")).await.unwrap();
    let after = settled(&cloud).await;
    assert_eq!((&after["EndpointConfigName"], after.get("FailureReason")), (&json!("better"), None));
    cloud.shut_down().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_fails_while_the_servers_are_switched() {
    let (cloud, _dir) = fresh().await;
    deployed(&cloud, "g0").await;
    let stop = Arc::new(AtomicBool::new(false));
    let answered = Arc::new(AtomicUsize::new(0));
    let load: Vec<_> = (0..8)
        .map(|n| {
            let (cloud, stop, answered) = (Arc::clone(&cloud), Arc::clone(&stop), Arc::clone(&answered));
            tokio::spawn(async move {
                let mut last = 0;
                while !stop.load(Ordering::Relaxed) {
                    let body = if n == 0 { "sleep 40" } else { "x" };
                    let text = told(&cloud, "Fraud", body).await;
                    if let Some((generation, _)) = text.strip_prefix('g').and_then(|rest| rest.split_once(' ')) {
                        let generation: u32 = generation.parse().unwrap();
                        assert!(generation >= last, "an older server answered after a newer one");
                        last = generation;
                    }
                    answered.fetch_add(1, Ordering::Relaxed);
                }
                last
            })
        })
        .collect();
    for generation in ["g1", "g2", "g3"] {
        config(&cloud, generation, json!({ "GENERATION": generation, "START": "late" })).await;
        call(&cloud, "UpdateEndpoint", endpoint(generation)).await.unwrap();
        assert_eq!(settled(&cloud).await["EndpointConfigName"], generation);
        sleep(Duration::from_millis(50)).await;
    }
    stop.store(true, Ordering::Relaxed);
    for (n, task) in load.into_iter().enumerate() {
        assert_eq!(task.await.unwrap(), if n == 0 { 0 } else { 3 });
    }
    assert!(answered.load(Ordering::Relaxed) > 100);
    cloud.shut_down().await;
}

#[tokio::test]
async fn a_server_that_dies_in_service_is_started_again() {
    let (cloud, _dir) = fresh().await;
    deployed(&cloud, "one").await;
    let before = told(&cloud, "Fraud", "pid").await;
    let lost = ask(&cloud, "Fraud", "exit").await.unwrap();
    assert_eq!(lost.status(), 424);
    let lost: Value = serde_json::from_slice(lost.body()).unwrap();
    insta::assert_snapshot!(lost["Message"].as_str().unwrap(), @"Received server error (500) from primary and could not load the entire response body. See https://us-east-1.console.aws.amazon.com/cloudwatch/home?region=us-east-1#logEventViewer:group=/aws/sagemaker/Endpoints/Fraud in account 123456789012 for more information.");
    let after = told(&cloud, "Fraud", "pid").await;
    assert_ne!(before, after);
    assert_eq!(settled(&cloud).await["EndpointStatus"], "InService");
    cloud.shut_down().await;
    assert!(!is_alive(&after));
}

#[tokio::test]
async fn a_fault_of_the_container_is_a_model_error() {
    let (cloud, _dir) = fresh().await;
    deployed(&cloud, "one").await;
    for status in ["415", "500"] {
        let answer = ask(&cloud, "Fraud", &format!("status {status}")).await.unwrap();
        assert_eq!(answer.status(), 424);
        assert_eq!(answer.headers()["x-amzn-errortype"], "ModelError");
        let body: Value = serde_json::from_slice(answer.body()).unwrap();
        assert_eq!(body["OriginalStatusCode"].to_string(), status);
        if status == "415" {
            insta::assert_json_snapshot!(body, @r#"
            {
              "ErrorCode": "CLIENT_ERROR_FROM_MODEL",
              "LogStreamArn": "arn:aws:logs:us-east-1:123456789012:log-group:/aws/sagemaker/Endpoints/Fraud",
              "Message": "Received client error (415) from primary with message \"as you wish\". See https://us-east-1.console.aws.amazon.com/cloudwatch/home?region=us-east-1#logEventViewer:group=/aws/sagemaker/Endpoints/Fraud in account 123456789012 for more information.",
              "OriginalMessage": "as you wish",
              "OriginalStatusCode": 415
            }
            "#);
        } else {
            assert!(body["Message"].as_str().unwrap().starts_with("Received server error (500) from primary with"));
        }
    }
    let large = "x".repeat(6 * 1024 * 1024 + 1);
    assert_eq!(ask(&cloud, "Fraud", &large).await.unwrap().status(), 413);
    cloud.shut_down().await;
}

#[tokio::test]
async fn a_restart_brings_endpoints_back_in_whatever_state_they_were() {
    let dir = tempfile::tempdir().unwrap();
    let cloud = open(dir.path(), Duration::ZERO).await;
    deployed(&cloud, "one").await;
    let pid = told(&cloud, "Fraud", "pid").await;
    // What an endpoint serves is its own: neither model nor config is needed to serve it again.
    call(&cloud, "DeleteModel", json!({ "ModelName": "one" })).await.unwrap();
    cloud.shut_down().await;
    assert!(!is_alive(&pid));

    let cloud = open(dir.path(), Duration::from_mins(1)).await;
    assert_eq!(told(&cloud, "Fraud", "x").await, "one says x");
    config(&cloud, "two", json!({ "GENERATION": "two" })).await;
    call(&cloud, "UpdateEndpoint", endpoint("two")).await.unwrap();
    cloud.shut_down().await;

    let cloud = open(dir.path(), Duration::ZERO).await;
    assert_eq!(settled(&cloud).await["EndpointConfigName"], "two");
    assert_eq!(told(&cloud, "Fraud", "x").await, "two says x");
    cloud.shut_down().await;

    let cloud = open(dir.path(), Duration::from_mins(1)).await;
    call(&cloud, "DeleteEndpoint", json!({ "EndpointName": "Fraud" })).await.unwrap();
    cloud.shut_down().await;

    let cloud = open(dir.path(), Duration::ZERO).await;
    gone(&cloud).await;
    call(&cloud, "CreateEndpoint", endpoint("two")).await.unwrap();
    cloud.shut_down().await;

    let cloud = open(dir.path(), Duration::ZERO).await;
    assert_eq!(settled(&cloud).await["EndpointStatus"], "InService");
    assert_eq!(told(&cloud, "Fraud", "x").await, "two says x");
    cloud.shut_down().await;
}

#[tokio::test]
async fn counts_and_weights_are_changed_and_kept_over_an_update_that_asks_for_it() {
    let (cloud, _dir) = fresh().await;
    deployed(&cloud, "one").await;
    let wanted = json!({ "VariantName": "AllTraffic", "DesiredInstanceCount": 3, "DesiredWeight": 0.5 });
    let body = json!({ "EndpointName": "Fraud", "DesiredWeightsAndCapacities": [wanted] });
    call(&cloud, "UpdateEndpointWeightsAndCapacities", body).await.unwrap();
    let variant = |described: &Value| {
        let variant = &described["ProductionVariants"][0];
        (variant["CurrentInstanceCount"].as_u64().unwrap(), variant["CurrentWeight"].as_f64().unwrap())
    };
    assert_eq!(variant(&settled(&cloud).await), (3, 0.5));

    config(&cloud, "two", json!({})).await;
    let mut update = endpoint("two");
    update["RetainAllVariantProperties"] = true.into();
    update["ExcludeRetainedVariantProperties"] = json!([{ "VariantPropertyType": "DesiredWeight" }]);
    call(&cloud, "UpdateEndpoint", update).await.unwrap();
    assert_eq!(variant(&settled(&cloud).await), (3, 1.0));
    call(&cloud, "UpdateEndpoint", endpoint("two")).await.unwrap();
    assert_eq!(variant(&settled(&cloud).await), (1, 1.0));
    cloud.shut_down().await;
}

#[tokio::test]
async fn requests_are_shared_by_weight_or_go_to_the_variant_they_name() {
    let (cloud, _dir) = fresh().await;
    for name in ["a", "b"] {
        config(&cloud, name, json!({ "GENERATION": name })).await;
    }
    let variant = |name: &str, weight: f64| {
        json!({ "VariantName": name, "ModelName": name, "InitialVariantWeight": weight,
                "ServerlessConfig": { "MemorySizeInMB": 2048, "MaxConcurrency": 5 } })
    };
    let body = json!({ "EndpointConfigName": "both", "ProductionVariants": [variant("a", 0.0), variant("b", 1.0)] });
    call(&cloud, "CreateEndpointConfig", body).await.unwrap();
    call(&cloud, "CreateEndpoint", endpoint("both")).await.unwrap();
    let described = settled(&cloud).await;
    assert_eq!(described["ProductionVariants"][0]["CurrentServerlessConfig"]["MemorySizeInMB"], 2048);
    for _ in 0..20 {
        assert_eq!(told(&cloud, "Fraud", "x").await, "b says x");
    }
    let mut named = request("", "/endpoints/Fraud/invocations", "x".into());
    named.headers.insert("x-amzn-sagemaker-target-variant", "a".parse().unwrap());
    assert_eq!(invoke(&cloud, &named).await.unwrap().body(), "a says x");
    named.headers.insert("x-amzn-sagemaker-target-variant", "c".parse().unwrap());
    assert!(invoke(&cloud, &named).await.unwrap_err().message.contains("not found"));
    cloud.shut_down().await;
}

#[tokio::test]
async fn lists_come_newest_first_in_pages_that_a_deletion_does_not_shift() {
    let (cloud, _dir) = fresh().await;
    for name in ["m1", "m2", "m3", "other"] {
        config(&cloud, name, json!({})).await;
        sleep(Duration::from_millis(2)).await;
    }
    let names = |page: &Value| -> Vec<String> {
        page["Models"].as_array().unwrap().iter().map(|m| m["ModelName"].as_str().unwrap().to_owned()).collect()
    };
    let first = call(&cloud, "ListModels", json!({ "NameContains": "m", "MaxResults": 1 })).await.unwrap();
    assert_eq!(names(&first), ["m3"]);
    call(&cloud, "DeleteModel", json!({ "ModelName": "m3" })).await.unwrap();
    let body = json!({ "NameContains": "m", "NextToken": first["NextToken"] });
    let rest = call(&cloud, "ListModels", body).await.unwrap();
    assert_eq!((names(&rest), rest.get("NextToken")), (vec!["m2".into(), "m1".into()], None));
    let body = json!({ "SortBy": "Name", "SortOrder": "Ascending" });
    assert_eq!(names(&call(&cloud, "ListModels", body).await.unwrap()), ["m1", "m2", "other"]);
    cloud.shut_down().await;
}

#[tokio::test]
async fn tags_are_listed_added_and_deleted_but_never_described() {
    let (cloud, _dir) = fresh().await;
    let container = json!({ "Image": IMAGE });
    let tags = json!([{ "Key": "runner:pipeline", "Value": "fraud" }]);
    let body = json!({ "ModelName": "M", "PrimaryContainer": container, "Tags": tags });
    let arn = call(&cloud, "CreateModel", body).await.unwrap()["ModelArn"].clone();
    let described = call(&cloud, "DescribeModel", json!({ "ModelName": "M" })).await.unwrap();
    assert_eq!((described.get("Tags"), &described["PrimaryContainer"]), (None, &container));
    let body = json!({ "ResourceArn": arn, "Tags": [{ "Key": "a", "Value": "1" }] });
    call(&cloud, "AddTags", body).await.unwrap();
    let body = json!({ "ResourceArn": arn, "TagKeys": ["runner:pipeline", "nope"] });
    call(&cloud, "DeleteTags", body).await.unwrap();
    let listed = call(&cloud, "ListTags", json!({ "ResourceArn": arn })).await.unwrap();
    assert_eq!(listed, json!({ "Tags": [{ "Key": "a", "Value": "1" }] }));
    let absent = json!({ "ResourceArn": "arn:aws:sagemaker:us-east-1:123456789012:endpoint/nope" });
    assert!(call(&cloud, "ListTags", absent).await.unwrap_err().contains("Could not find endpoint"));
    cloud.shut_down().await;
}

#[tokio::test]
async fn wrong_requests_are_refused_in_the_words_of_aws() {
    let (cloud, _dir) = fresh().await;
    config(&cloud, "m", json!({})).await;
    let model = |image: &str| json!({ "ModelName": "x", "PrimaryContainer": { "Image": image } });
    let variant = |rest: Value| {
        let mut variant = json!({ "VariantName": "v", "ModelName": "m" });
        variant.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        json!({ "EndpointConfigName": "x", "ProductionVariants": [variant] })
    };
    let mut told = Vec::new();
    for (operation, body) in [
        ("CreateModel", json!({})),
        ("CreateModel", json!({ "ModelName": "x" })),
        ("CreateModel", model("nginx")),
        ("CreateModel", model("683313688378.dkr.ecr.us-east-2.amazonaws.com/sagemaker-xgboost:1.7-1")),
        ("CreateEndpointConfig", json!({ "EndpointConfigName": "a_b" })),
        (
            "CreateEndpointConfig",
            variant(json!({ "ServerlessConfig": { "MemorySizeInMB": 1000, "MaxConcurrency": 1 } })),
        ),
        (
            "CreateEndpointConfig",
            variant(json!({ "ServerlessConfig": { "MemorySizeInMB": 1024, "MaxConcurrency": 999 } })),
        ),
        ("CreateEndpointConfig", variant(json!({}))),
        ("CreateEndpoint", json!({ "EndpointName": 7 })),
        ("CreateEverything", json!({})),
    ] {
        told.push(call(&cloud, operation, body).await.unwrap_err());
    }
    insta::assert_snapshot!(told.join("\n"), @r#"
    ValidationException: 1 validation error detected: Value null at 'modelName' failed to satisfy constraint: Member must not be null
    ValidationException: A primary container or a list of containers must be given.
    ValidationException: ECR image "nginx" is invalid.
    ValidationException: The repository of your image 683313688378.dkr.ecr.us-east-2.amazonaws.com/sagemaker-xgboost:1.7-1 does not grant ecr:GetDownloadUrlForLayer, ecr:BatchGetImage, ecr:BatchCheckLayerAvailability permission to sagemaker.amazonaws.com service principal
    ValidationException: 2 validation errors detected: Value 'a_b' at 'endpointConfigName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}; Value null at 'productionVariants' failed to satisfy constraint: Member must not be null
    ValidationException: Value '1000' at 'MemorySizeInMB' failed to satisfy constraint: Member must satisfy enum value set: [1024, 2048, 3072, 4096, 5120, 6144]
    ValidationException: 1 validation error detected: Value '999' at 'productionVariants.1.member.serverlessConfig.maxConcurrency' failed to satisfy constraint: Member must have value less than or equal to 200
    ValidationException: A production variant needs an InstanceType and an InitialInstanceCount, or a ServerlessConfig.
    SerializationException: EndpointName is not a string
    UnknownOperationException: unknown operation CreateEverything
    "#);
    let body = variant(json!({ "InstanceType": "ml.t2.mediu", "InitialInstanceCount": 1 }));
    let error = call(&cloud, "CreateEndpointConfig", body).await.unwrap_err();
    assert!(error.starts_with(
        "ValidationException: 1 validation error detected: Value 'ml.t2.mediu' at \
         'productionVariants.1.member.instanceType' failed to satisfy constraint: Member must satisfy enum value set: \
         [ml.t2.medium, "
    ));
    cloud.shut_down().await;
}
