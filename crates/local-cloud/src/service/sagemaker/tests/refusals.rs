//! What the control plane keeps, lists and refuses.

use super::*;

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
    for (keys, words) in [(json!(["NO!"]), "'tagKeys.1.member'"), (json!(vec!["k"; 51]), "less than or equal to 50")] {
        let refused = call(&cloud, "DeleteTags", json!({ "ResourceArn": arn, "TagKeys": keys })).await.unwrap_err();
        assert!(refused.contains(words), "{refused}");
    }
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
    NotImplemented: the local cloud does not offer the operation `CreateEverything` of SageMaker
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
