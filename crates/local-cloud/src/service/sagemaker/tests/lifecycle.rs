//! An endpoint's states, and what runs behind each.

use super::*;

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
    let body = |wanted: &[&Value]| json!({ "EndpointName": "Fraud", "DesiredWeightsAndCapacities": wanted });
    let twice = call(&cloud, "UpdateEndpointWeightsAndCapacities", body(&[&wanted, &wanted])).await.unwrap_err();
    assert_eq!(twice, "ValidationException: The variant \"AllTraffic\" is given more than once.");
    call(&cloud, "UpdateEndpointWeightsAndCapacities", body(&[&wanted])).await.unwrap();
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
