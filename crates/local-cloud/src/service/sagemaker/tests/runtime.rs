//! Invocations.

use super::*;

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
    let own =
        ["BIND_ADDRESS", "GENERATION", "MODEL_DIR", "MODEL_SERVER_TOKEN", "PATH", "PORT", "SAGEMAKER_BIND_TO_PORT"];
    assert_eq!(names, own);
    assert!(environment.contains(&format!("MODEL_DIR={}/sagemaker/run/fraud/", dir.path().display())));
    assert!(ask(&cloud, "fraud", "x").await.unwrap_err().contains("not found"), "the runtime tells capitals apart");
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
    let after = restarted(&cloud, &before).await;
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
