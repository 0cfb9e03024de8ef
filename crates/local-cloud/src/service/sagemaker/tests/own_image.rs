//! Endpoints whose image was pushed to this account's registry.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};

use super::*;
use crate::service::{ecr, logs};

const NAME: &str = "123456789012.dkr.ecr.us-east-1.amazonaws.com/runner/fraud:one";
const V2S2: &str = "application/vnd.docker.distribution.manifest.v2+json";
const OCI: &str = "application/vnd.oci.image.manifest.v1+json";

async fn registry(cloud: &Arc<Cloud>, operation: &str, body: Value) -> Value {
    let answer = ecr::handle(cloud, &request(operation, "/", body.to_string().into())).await.unwrap();
    serde_json::from_slice(answer.body()).unwrap()
}

fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

/// Pushes an image whose entry point is a file of this content.
async fn push(cloud: &Arc<Cloud>, media_type: &str, program: &[u8]) {
    let mut builder = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    let mut header = tar::Header::new_ustar();
    header.set_size(program.len() as u64);
    header.set_mode(0o755);
    builder.append_data(&mut header, "model-server", program).unwrap();
    let layer = builder.into_inner().unwrap().finish().unwrap();
    let config = json!({ "config": { "Entrypoint": ["/model-server"], "Env": ["GENERATION=pushed"] } });
    let config = config.to_string().into_bytes();
    for blob in [&layer, &config] {
        let begun = registry(cloud, "InitiateLayerUpload", json!({ "repositoryName": "runner/fraud" })).await;
        let mut body = json!({ "repositoryName": "runner/fraud", "uploadId": begun["uploadId"], "partFirstByte": 0,
                               "partLastByte": blob.len() - 1, "layerPartBlob": BASE64.encode(blob) });
        registry(cloud, "UploadLayerPart", body.clone()).await;
        body["layerDigests"] = json!([digest(blob)]);
        registry(cloud, "CompleteLayerUpload", body).await;
    }
    let part = |blob: &[u8]| json!({ "size": blob.len(), "digest": digest(blob), "mediaType": "x" });
    let manifest = json!({ "schemaVersion": 2, "mediaType": media_type, "config": part(&config),
                           "layers": [part(&layer)] });
    let body = json!({ "repositoryName": "runner/fraud", "imageManifest": manifest.to_string(), "imageTag": "one" });
    registry(cloud, "PutImage", body).await;
}

/// A program that is this test binary as a server, as the fixture is.
fn server() -> Vec<u8> {
    let command = fake::command();
    let words: Vec<_> = command.iter().map(|word| format!("'{}'", word.display())).collect();
    format!("#!/bin/sh\nexec {}\n", words.join(" ")).into_bytes()
}

async fn repository(cloud: &Arc<Cloud>) {
    registry(cloud, "CreateRepository", json!({ "repositoryName": "runner/fraud" })).await;
}

async fn model(cloud: &Arc<Cloud>, image: &str) -> Result<Value, String> {
    let container = json!({ "Image": image });
    call(cloud, "CreateModel", json!({ "ModelName": "m", "PrimaryContainer": container })).await
}

async fn deploy(cloud: &Arc<Cloud>) -> Value {
    model(cloud, NAME).await.unwrap();
    let variant = json!({ "VariantName": "v", "ModelName": "m", "InstanceType": "ml.m5.large",
                          "InitialInstanceCount": 1 });
    let body = json!({ "EndpointConfigName": "c", "ProductionVariants": [variant] });
    call(cloud, "CreateEndpointConfig", body).await.unwrap();
    call(cloud, "CreateEndpoint", endpoint("c")).await.unwrap();
    settled(cloud).await
}

#[tokio::test]
async fn a_model_needs_an_image_that_is_there_in_the_form_that_is_taken() {
    let (cloud, _dir) = fresh().await;
    let mut refused = vec![model(&cloud, NAME).await.unwrap_err()];
    repository(&cloud).await;
    refused.push(model(&cloud, NAME).await.unwrap_err());
    refused.push(model(&cloud, &NAME.replace("us-east-1", "us-east-2")).await.unwrap_err());
    push(&cloud, OCI, b"program").await;
    refused.push(model(&cloud, NAME).await.unwrap_err());
    insta::assert_snapshot!(refused.join("\n"), @"
    ValidationException: The repository of your image 123456789012.dkr.ecr.us-east-1.amazonaws.com/runner/fraud:one does not grant ecr:GetDownloadUrlForLayer, ecr:BatchGetImage, ecr:BatchCheckLayerAvailability permission to sagemaker.amazonaws.com service principal
    ValidationException: Requested image 123456789012.dkr.ecr.us-east-1.amazonaws.com/runner/fraud:one not found.
    ValidationException: The repository of your image 123456789012.dkr.ecr.us-east-2.amazonaws.com/runner/fraud:one does not grant ecr:GetDownloadUrlForLayer, ecr:BatchGetImage, ecr:BatchCheckLayerAvailability permission to sagemaker.amazonaws.com service principal
    ValidationException: Unsupported manifest media type application/vnd.oci.image.manifest.v1+json for image 123456789012.dkr.ecr.us-east-1.amazonaws.com/runner/fraud:one. Ensure that valid manifest media type is used for specified image.
    ");
    registry(&cloud, "DeleteRepository", json!({ "repositoryName": "runner/fraud", "force": true })).await;
    repository(&cloud).await;
    push(&cloud, V2S2, b"program").await;
    model(&cloud, NAME).await.unwrap();
    cloud.shut_down().await;
}

#[tokio::test]
async fn the_entry_point_of_the_pushed_layer_answers_and_outlives_a_restart_without_the_image() {
    let (cloud, dir) = fresh().await;
    repository(&cloud).await;
    push(&cloud, V2S2, &server()).await;
    let described = deploy(&cloud).await;
    assert_eq!(described["EndpointStatus"], "InService", "{described}");
    let image = &described["ProductionVariants"][0]["DeployedImages"][0]["ResolvedImage"];
    let found = cloud.ecr.image("runner/fraud", "one").unwrap().unwrap();
    assert_eq!(*image, format!("{}@{}", NAME.trim_end_matches(":one"), found.digest));
    // The stand-in knows nothing of the variable that the image gives.
    assert_eq!(told(&cloud, "Fraud", "x").await, "pushed says x");
    registry(&cloud, "DeleteRepository", json!({ "repositoryName": "runner/fraud", "force": true })).await;
    cloud.shut_down().await;
    let cloud = open(dir.path(), Duration::ZERO).await;
    assert_eq!(told(&cloud, "Fraud", "x").await, "pushed says x");
    cloud.shut_down().await;
}

#[tokio::test]
async fn a_program_that_cannot_run_fails_the_health_check_and_the_log_has_the_systems_words() {
    let (cloud, _dir) = fresh().await;
    repository(&cloud).await;
    // As an executable for another processor, it has a head that the system does not take.
    push(&cloud, V2S2, b"\x7fELF, but no program").await;
    let described = deploy(&cloud).await;
    assert_eq!(described["EndpointStatus"], "Failed");
    insta::assert_snapshot!(described["FailureReason"].as_str().unwrap(), @"The primary container for production variant v did not pass the ping health check. Please check CloudWatch logs for this endpoint.");
    let body = json!({ "logGroupName": "/aws/sagemaker/Endpoints/Fraud" });
    let events = logs::handle(&cloud, &request("FilterLogEvents", "/", body.to_string().into())).await.unwrap();
    let events: Value = serde_json::from_slice(events.body()).unwrap();
    assert_eq!(events["events"][0]["message"], "exec /model-server: exec format error");
    cloud.shut_down().await;
}

#[tokio::test]
async fn an_image_that_is_gone_when_the_endpoint_starts_is_the_reason() {
    let (cloud, _dir) = fresh().await;
    repository(&cloud).await;
    push(&cloud, V2S2, &server()).await;
    model(&cloud, NAME).await.unwrap();
    call(&cloud, "DeleteModel", json!({ "ModelName": "m" })).await.unwrap();
    let described = deploy(&cloud).await;
    assert_eq!(described["EndpointStatus"], "InService");
    call(&cloud, "DeleteEndpoint", json!({ "EndpointName": "Fraud" })).await.unwrap();
    gone(&cloud).await;
    registry(&cloud, "DeleteRepository", json!({ "repositoryName": "runner/fraud", "force": true })).await;
    call(&cloud, "CreateEndpoint", endpoint("c")).await.unwrap();
    let described = settled(&cloud).await;
    insta::assert_snapshot!(described["FailureReason"].as_str().unwrap(), @"Please make sure all images included in the model for the production variant v exist, and that the execution role used to create the model has permissions to access them.");
    cloud.shut_down().await;
}
