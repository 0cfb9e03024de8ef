//! The service as its callers see it, by either of its protocols.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::{HeaderMap, Method, Request};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use super::*;
use crate::server::Service;
use crate::service::iam;
use crate::{Delays, call::Caller};

const MIB: usize = 1 << 20;
const V2S2: &str = "application/vnd.docker.distribution.manifest.v2+json";

async fn open(dir: &Path) -> Arc<Cloud> {
    let config = Config {
        state_dir: dir.to_owned(),
        account: "123456789012".to_owned(),
        region: "us-east-1".to_owned(),
        access_key_id: "AKIATEST".to_owned(),
        secret_access_key: "secret".to_owned(),
        base_url: "http://127.0.0.1:1".to_owned(),
        model_server: Vec::new(),
        training_program: Vec::new(),
        delays: Delays::default(),
    };
    Cloud::open(config).await.unwrap()
}

async fn fresh() -> (Arc<Cloud>, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    (open(dir.path()).await, dir)
}

async fn call_as(cloud: &Arc<Cloud>, role: Option<&str>, operation: &str, body: &Value) -> Result<Value, String> {
    let call = Call {
        operation: operation.into(),
        method: Method::POST,
        path: "/".into(),
        query: Vec::new(),
        headers: HeaderMap::new(),
        body: body.to_string().into(),
        caller: Caller { arn: "arn:aws:iam::123456789012:user/x".into(), role: role.map(str::to_owned) },
        request_id: "r".into(),
        outcome: None,
    };
    match crate::server::dispatch(cloud, Service::Ecr, &call).await {
        Ok(answer) => Ok(serde_json::from_slice(answer.body()).unwrap()),
        Err(refusal) => Err(format!("{} {}: {}", refusal.status.as_u16(), refusal.code, refusal.message)),
    }
}

async fn call(cloud: &Arc<Cloud>, operation: &str, body: Value) -> Result<Value, String> {
    call_as(cloud, None, operation, &body).await
}

async fn repository(cloud: &Arc<Cloud>, mutability: &str) {
    let body = json!({ "repositoryName": "runner/fraud", "imageTagMutability": mutability,
                       "tags": [{ "Key": "runner:pipeline", "Value": "fraud" }] });
    call(cloud, "CreateRepository", body).await.unwrap();
}

fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

async fn upload(cloud: &Arc<Cloud>, bytes: &[u8], part: usize, digests: &[String]) -> Result<Value, String> {
    let begun = call(cloud, "InitiateLayerUpload", json!({ "repositoryName": "runner/fraud" })).await?;
    let id = &begun["uploadId"];
    let mut first = 0;
    for piece in bytes.chunks(part) {
        let body = json!({ "repositoryName": "runner/fraud", "uploadId": id, "partFirstByte": first,
                           "partLastByte": first + piece.len() - 1, "layerPartBlob": BASE64.encode(piece) });
        let answer = call(cloud, "UploadLayerPart", body).await?;
        first += piece.len();
        assert_eq!(answer["lastByteReceived"], first - 1);
    }
    let body = json!({ "repositoryName": "runner/fraud", "uploadId": id, "layerDigests": digests });
    call(cloud, "CompleteLayerUpload", body).await
}

fn manifest(config: &[u8], layer: &[u8]) -> String {
    let part = |bytes: &[u8]| json!({ "mediaType": "x", "size": bytes.len(), "digest": digest(bytes) });
    json!({ "schemaVersion": 2, "mediaType": V2S2, "config": part(config), "layers": [part(layer)] }).to_string()
}

async fn put(cloud: &Arc<Cloud>, manifest: &str, tag: &str) -> Result<Value, String> {
    let body = json!({ "repositoryName": "runner/fraud", "imageManifest": manifest, "imageTag": tag });
    call(cloud, "PutImage", body).await
}

/// A repository with an image `one`.
async fn with_image(mutability: &str) -> (Arc<Cloud>, TempDir, String) {
    let (cloud, dir) = fresh().await;
    repository(&cloud, mutability).await;
    for blob in [&b"config"[..], b"layer"] {
        upload(&cloud, blob, MIB, &[digest(blob)]).await.unwrap();
    }
    let manifest = manifest(b"config", b"layer");
    put(&cloud, &manifest, "one").await.unwrap();
    (cloud, dir, manifest)
}

#[tokio::test]
async fn refusals_are_those_of_aws() {
    let (cloud, _dir) = fresh().await;
    repository(&cloud, "MUTABLE").await;
    let one = json!({ "repositoryName": "runner/fraud" });
    let none = json!({ "repositoryName": "none" });
    let with = |more: Value| {
        let mut body = one.clone();
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let upload = json!({ "uploadId": "u", "layerDigests": ["sha256:00"] });
    let cases = [
        ("CreateRepository", one.clone()),
        ("CreateRepository", json!({ "repositoryName": "Fraud" })),
        ("DescribeRepositories", json!({ "repositoryNames": ["none"] })),
        ("DeleteRepository", none.clone()),
        ("PutImageTagMutability", with(json!({ "imageTagMutability": "SOMETIMES" }))),
        ("TagResource", json!({ "resourceArn": "arn:aws:ecr:us-east-1:123456789012:repository/none", "tags": [] })),
        ("InitiateLayerUpload", none.clone()),
        ("CompleteLayerUpload", with(upload)),
        ("GetDownloadUrlForLayer", with(json!({ "layerDigest": "sha256:00" }))),
        ("DescribeImages", with(json!({ "imageIds": [{ "imageTag": "none" }] }))),
        ("PutImage", with(json!({ "imageManifest": "{", "imageTag": "x" }))),
        ("PutImage", with(json!({ "imageManifest": manifest(b"a", b"b"), "imageTag": "x" }))),
        ("PutLifecyclePolicy", one.clone()),
    ];
    let mut told = vec![];
    for (operation, body) in cases {
        told.push(format!("{operation}: {}", call(&cloud, operation, body).await.unwrap_err()));
    }
    insta::assert_snapshot!(told.join("\n"), @"
    CreateRepository: 400 RepositoryAlreadyExistsException: The repository with name 'runner/fraud' already exists in the registry with id '123456789012'
    CreateRepository: 400 InvalidParameterException: Invalid parameter at 'repositoryName' failed to satisfy constraint: 'must satisfy regular expression '(?:[a-z0-9]+(?:[._-][a-z0-9]+)*/)*[a-z0-9]+(?:[._-][a-z0-9]+)*''
    DescribeRepositories: 400 RepositoryNotFoundException: The repository with name 'none' does not exist in the registry with id '123456789012'
    DeleteRepository: 400 RepositoryNotFoundException: The repository with name 'none' does not exist in the registry with id '123456789012'
    PutImageTagMutability: 400 InvalidParameterException: Invalid parameter at 'imageTagMutability' failed to satisfy constraint: 'must satisfy enum value set: [MUTABLE, IMMUTABLE]'
    TagResource: 400 RepositoryNotFoundException: The repository with name 'none' does not exist in the registry with id '123456789012'
    InitiateLayerUpload: 400 RepositoryNotFoundException: The repository with name 'none' does not exist in the registry with id '123456789012'
    CompleteLayerUpload: 400 UploadNotFoundException: The upload with id 'u' does not exist in the repository with name 'runner/fraud' in registry with id '123456789012'
    GetDownloadUrlForLayer: 400 LayersNotFoundException: The layer with digest 'sha256:00' does not exist within the repository with name 'runner/fraud' in the registry with id '123456789012'
    DescribeImages: 400 ImageNotFoundException: The image with imageId {imageDigest:'null', imageTag:'none'} does not exist within the repository with name 'runner/fraud' in the registry with id '123456789012'
    PutImage: 400 InvalidParameterException: Invalid parameter at 'ImageManifest' failed to satisfy constraint: 'Invalid JSON syntax'
    PutImage: 400 LayersNotFoundException: Layers with digests '[sha256:3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d, sha256:ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb]' required for pushing image into repository with name 'runner/fraud' in the registry with id '123456789012' do not exist
    PutLifecyclePolicy: 501 NotImplemented: the local cloud does not offer the operation `PutLifecyclePolicy` of ECR
    ");
}

#[tokio::test]
async fn a_layer_comes_in_parts_and_is_what_its_digest_says() {
    let (cloud, _dir) = fresh().await;
    repository(&cloud, "MUTABLE").await;
    let layer = vec![7; 11 * MIB];
    let digest = digest(&layer);
    let wrong = upload(&cloud, &layer, 5 * MIB, &["sha256:00".to_owned()]).await.unwrap_err();
    assert_eq!(
        wrong,
        "400 InvalidLayerException: None of the provided layer digests match the calculated layer digest"
    );
    let small = upload(&cloud, &layer, 4 * MIB, std::slice::from_ref(&digest)).await.unwrap_err();
    assert!(small.starts_with("400 LayerPartTooSmallException: "), "{small}");
    let known = json!({ "repositoryName": "runner/fraud", "layerDigests": [digest, "sha256:00", "x"] });
    let before = call(&cloud, "BatchCheckLayerAvailability", known.clone()).await.unwrap();
    assert_eq!(before["layers"][0]["layerAvailability"], "UNAVAILABLE");
    let done = upload(&cloud, &layer, 5 * MIB, std::slice::from_ref(&digest)).await.unwrap();
    assert_eq!(done["layerDigest"], *digest);
    let after = call(&cloud, "BatchCheckLayerAvailability", known).await.unwrap();
    let availability = |index: usize| after["layers"][index]["layerAvailability"].clone();
    assert_eq!((availability(0), availability(1)), (json!("AVAILABLE"), json!("UNAVAILABLE")));
    assert_eq!(after["layers"][0]["layerSize"], layer.len());
    assert_eq!(after["failures"][0]["failureCode"], "InvalidLayerDigest");
    let again = upload(&cloud, &layer, 20 * MIB, &[digest]).await.unwrap_err();
    assert!(again.starts_with("400 LayerAlreadyExistsException: "), "{again}");
}

#[tokio::test]
async fn a_part_begins_where_the_one_before_has_ended() {
    let (cloud, _dir) = fresh().await;
    repository(&cloud, "MUTABLE").await;
    let begun = call(&cloud, "InitiateLayerUpload", json!({ "repositoryName": "runner/fraud" })).await.unwrap();
    let part = |first: usize, last: usize| {
        json!({ "repositoryName": "runner/fraud", "uploadId": begun["uploadId"], "partFirstByte": first,
                "partLastByte": last, "layerPartBlob": BASE64.encode(b"abc") })
    };
    for (first, last) in [(1, 3), (0, 3)] {
        let refused = call(&cloud, "UploadLayerPart", part(first, last)).await.unwrap_err();
        assert!(refused.starts_with("400 InvalidLayerPartException: "), "{refused}");
    }
    call(&cloud, "UploadLayerPart", part(0, 2)).await.unwrap();
    let twice = call(&cloud, "UploadLayerPart", part(0, 2)).await.unwrap_err();
    assert!(twice.contains("and byte 3 is next"), "{twice}");
}

#[tokio::test]
async fn an_immutable_tag_stays_and_a_mutable_one_moves() {
    for mutability in ["IMMUTABLE", "MUTABLE"] {
        let (cloud, _dir, first) = with_image(mutability).await;
        let again = put(&cloud, &first, "one").await.unwrap_err();
        assert!(again.starts_with("400 ImageAlreadyExistsException: Image with digest 'sha256:"), "{again}");
        // The other way round is another manifest of the same blobs.
        let other = manifest(b"layer", b"config");
        let moved = put(&cloud, &other, "one").await;
        let id = json!({ "repositoryName": "runner/fraud", "imageIds": [{ "imageTag": "one" }] });
        let live = call(&cloud, "BatchGetImage", id).await.unwrap()["images"][0]["imageManifest"].clone();
        if mutability == "MUTABLE" {
            assert_eq!((moved.is_ok(), live), (true, json!(other)));
        } else {
            insta::assert_snapshot!(moved.unwrap_err(), @"400 ImageTagAlreadyExistsException: The image tag 'one' already exists in the 'runner/fraud' repository and cannot be overwritten because the repository is immutable.");
            assert_eq!(live, json!(first));
        }
    }
}

#[tokio::test]
async fn images_are_told_by_tag_and_digest_and_what_is_missing_is_a_failure() {
    let (cloud, _dir, text) = with_image("MUTABLE").await;
    put(&cloud, &text, "two").await.unwrap();
    let digest = digest(text.as_bytes());
    let ids =
        json!([{ "imageTag": "one" }, { "imageDigest": digest }, { "imageTag": "none" }, { "imageDigest": "x" }, {}]);
    let answer =
        call(&cloud, "BatchGetImage", json!({ "repositoryName": "runner/fraud", "imageIds": ids })).await.unwrap();
    for image in answer["images"].as_array().unwrap() {
        assert_eq!((&image["imageManifest"], &image["imageId"]["imageDigest"]), (&json!(text), &json!(digest)));
        assert_eq!(image["imageManifestMediaType"], V2S2);
    }
    let failures = answer["failures"].as_array().unwrap().iter();
    let failures: Vec<_> = failures.map(|it| format!("{}: {}", it["failureCode"], it["failureReason"])).collect();
    insta::assert_snapshot!(failures.join("\n"), @r#"
    "ImageNotFound": "Requested image not found"
    "InvalidImageDigest": "Invalid request parameters: image digest should satisfy the regex '[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+'"
    "MissingDigestAndTag": "Invalid request parameters: both tag and digest cannot be null"
    "#);
    let listed = call(&cloud, "ListImages", json!({ "repositoryName": "runner/fraud" })).await.unwrap();
    assert_eq!(listed["imageIds"].as_array().unwrap().len(), 2);
    let described = call(&cloud, "DescribeImages", json!({ "repositoryName": "runner/fraud" })).await.unwrap();
    let detail = &described["imageDetails"][0];
    assert_eq!(detail["imageTags"], json!(["one", "two"]));
    assert_eq!(detail["imageSizeInBytes"], 11);
}

#[tokio::test]
async fn an_image_goes_with_its_last_tag_and_its_blobs_with_it() {
    let (cloud, dir, text) = with_image("IMMUTABLE").await;
    put(&cloud, &text, "two").await.unwrap();
    let delete =
        |id: Value| call(&cloud, "BatchDeleteImage", json!({ "repositoryName": "runner/fraud", "imageIds": [id] }));
    assert_eq!(delete(json!({ "imageTag": "one" })).await.unwrap()["imageIds"].as_array().unwrap().len(), 1);
    let full = call(&cloud, "DeleteRepository", json!({ "repositoryName": "runner/fraud" })).await.unwrap_err();
    insta::assert_snapshot!(full, @"400 RepositoryNotEmptyException: The repository with name 'runner/fraud' in registry with id '123456789012' cannot be deleted because it still contains images");
    let missing = delete(json!({ "imageTag": "one" })).await.unwrap();
    assert_eq!(missing["failures"][0]["failureCode"], "ImageNotFound");
    delete(json!({ "imageTag": "two" })).await.unwrap();
    let layers = json!({ "repositoryName": "runner/fraud", "layerDigests": [digest(b"layer")] });
    let layers = call(&cloud, "BatchCheckLayerAvailability", layers).await.unwrap();
    assert_eq!(layers["layers"][0]["layerAvailability"], "UNAVAILABLE");
    call(&cloud, "DeleteRepository", json!({ "repositoryName": "runner/fraud" })).await.unwrap();
    assert!(cloud.ecr.is_empty());
    let left = std::fs::read_dir(dir.path().join("ecr")).unwrap().map(|entry| entry.unwrap().file_name());
    assert_eq!(left.collect::<Vec<_>>(), ["uploads"]);
}

#[tokio::test]
async fn a_restart_loses_neither_images_nor_uploads() {
    let (cloud, dir, text) = with_image("IMMUTABLE").await;
    let begun = call(&cloud, "InitiateLayerUpload", json!({ "repositoryName": "runner/fraud" })).await.unwrap();
    let part = |first: usize, text: &str| {
        json!({ "repositoryName": "runner/fraud", "uploadId": begun["uploadId"], "partFirstByte": first,
                "partLastByte": first + text.len() - 1, "layerPartBlob": BASE64.encode(text) })
    };
    call(&cloud, "UploadLayerPart", part(0, "abc")).await.unwrap();
    let cloud = open(dir.path()).await;
    call(&cloud, "UploadLayerPart", part(3, "def")).await.unwrap();
    let complete =
        json!({ "repositoryName": "runner/fraud", "uploadId": begun["uploadId"], "layerDigests": [digest(b"abcdef")] });
    // Only the last part may be small, and which one is the last is known at the end.
    let small = call(&cloud, "CompleteLayerUpload", complete).await.unwrap_err();
    assert!(small.contains("has 3 bytes"), "{small}");
    assert_eq!(cloud.ecr.image("runner/fraud", "one").unwrap().unwrap().manifest, text.as_bytes());
    assert_eq!(cloud.ecr.blob("runner/fraud", &digest(b"layer")).unwrap(), &b"layer"[..]);
}

#[tokio::test]
async fn a_session_needs_the_permission_and_conditions_see_tags() {
    let (cloud, _dir) = fresh().await;
    let role = "arn:aws:iam::123456789012:role/ci";
    let form = |fields: &[(&str, &str)]| form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    let iam_call = async |operation: &str, fields: &[(&str, &str)]| {
        let call = Call {
            operation: operation.into(),
            method: Method::POST,
            path: "/".into(),
            query: Vec::new(),
            headers: HeaderMap::new(),
            body: form(fields).into(),
            caller: Caller { arn: String::new(), role: None },
            request_id: String::new(),
            outcome: None,
        };
        iam::handle(&cloud, &call).await.unwrap();
    };
    let trust = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"codebuild.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
    iam_call("CreateRole", &[("RoleName", "ci"), ("AssumeRolePolicyDocument", trust)]).await;
    let allow = async |actions: Value, condition: Value| {
        let policy = json!({ "Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Action": actions, "Resource": "arn:aws:ecr:us-east-1:123456789012:repository/runner/*",
            "Condition": condition,
        }] });
        let policy = policy.to_string();
        iam_call("PutRolePolicy", &[("RoleName", "ci"), ("PolicyName", "p"), ("PolicyDocument", &policy)]).await;
    };
    let create = json!({ "repositoryName": "runner/fraud", "tags": [{ "Key": "runner:pipeline", "Value": "fraud" }] });
    let refused = async |operation: &str, body: &Value| call_as(&cloud, Some(role), operation, body).await.unwrap_err();
    insta::assert_snapshot!(refused("CreateRepository", &create).await, @"400 AccessDeniedException: User: arn:aws:iam::123456789012:user/x is not authorized to perform: ecr:CreateRepository on resource: arn:aws:ecr:us-east-1:123456789012:repository/runner/fraud because no identity-based policy allows the ecr:CreateRepository action");
    allow(json!("ecr:CreateRepository"), json!({})).await;
    insta::assert_snapshot!(refused("CreateRepository", &create).await, @"400 AccessDeniedException: User: arn:aws:iam::123456789012:user/x is not authorized to perform: ecr:TagResource on resource: arn:aws:ecr:us-east-1:123456789012:repository/runner/fraud because no identity-based policy allows the ecr:TagResource action");
    let tagged = json!({ "StringEquals": { "aws:RequestTag/runner:pipeline": "fraud" } });
    allow(json!(["ecr:CreateRepository", "ecr:TagResource"]), tagged).await;
    call_as(&cloud, Some(role), "CreateRepository", &create).await.unwrap();
    allow(json!("ecr:*"), json!({ "StringEquals": { "aws:ResourceTag/runner:pipeline": "another" } })).await;
    let list = json!({ "repositoryName": "runner/fraud" });
    assert!(refused("ListImages", &list).await.starts_with("400 AccessDeniedException: "));
    allow(json!("ecr:*"), json!({ "StringEquals": { "aws:ResourceTag/runner:pipeline": "fraud" } })).await;
    call_as(&cloud, Some(role), "ListImages", &list).await.unwrap();
    assert!(refused("GetAuthorizationToken", &json!({})).await.contains("ecr:GetAuthorizationToken because"));

    // Whoever has a password may do with it what the role may now.
    let token = super::token::give(&cloud.ecr, &Caller { arn: format!("{role}/s"), role: Some(role.into()) });
    let basic = format!("Basic {}", token["authorizationData"][0]["authorizationToken"].as_str().unwrap());
    let (get, at) = (Method::GET, "/v2/runner/fraud/tags/list");
    assert_eq!(http(&cloud, get.clone(), at, &[("authorization", &basic)], b"", "x").await.0, 200);
    allow(json!("ecr:BatchGetImage"), json!({})).await;
    let (status, body, _) = http(&cloud, get, at, &[("authorization", &basic)], b"", "x").await;
    let body = String::from_utf8(body).unwrap();
    assert!(status == 403 && body.contains("DENIED") && body.contains("ecr:ListImages"), "{status} {body}");
}

/// Status, body, and the header that is asked for.
async fn http(
    cloud: &Arc<Cloud>,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
    header: &str,
) -> (u16, Vec<u8>, String) {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let (parts, body) = request.body(Bytes::copy_from_slice(body)).unwrap().into_parts();
    let answer = serve(cloud, parts, body).await;
    let value = answer.headers().get(header).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default();
    (answer.status().as_u16(), answer.body().to_vec(), value)
}

#[tokio::test]
async fn the_registry_wants_the_password_and_then_gives_and_takes_images() {
    let (cloud, _dir, text) = with_image("IMMUTABLE").await;
    let get = Method::GET;
    let (status, body, header) = http(&cloud, get.clone(), "/v2/", &[], b"", "www-authenticate").await;
    assert_eq!((status, body.as_slice()), (401, &b"Not Authorized\n"[..]));
    assert_eq!(header, "Basic realm=\"http://127.0.0.1:1/\",service=\"ecr.amazonaws.com\"");
    let token = call(&cloud, "GetAuthorizationToken", json!({})).await.unwrap();
    let token = token["authorizationData"][0]["authorizationToken"].as_str().unwrap();
    let basic = format!("Basic {token}");
    let password = [("authorization", &*basic)];
    let known = String::from_utf8(BASE64.decode(token).unwrap()).unwrap();
    let (claim, signature) = known.rsplit_once('.').unwrap();
    let forged = format!("{claim}.{}", if signature.starts_with('0') { "1" } else { "0" }.to_owned() + &signature[1..]);
    for wrong in [forged, known.replacen("AWS:", "EVE:", 1), "AWS:".to_owned()] {
        let wrong = format!("Basic {}", BASE64.encode(wrong));
        assert_eq!(http(&cloud, get.clone(), "/v2/", &[("authorization", &wrong)], b"", "x").await.0, 401);
    }
    assert_eq!(http(&cloud, get.clone(), "/v2/", &password, b"", "x").await.0, 200);

    let at = "/v2/runner/fraud/manifests/one";
    let (status, body, header) = http(&cloud, get.clone(), at, &password, b"", "content-type").await;
    assert_eq!((status, body.as_slice(), header.as_str()), (200, text.as_bytes(), V2S2));
    let (status, body, header) = http(&cloud, Method::HEAD, at, &password, b"", "docker-content-digest").await;
    assert_eq!((status, body.len(), header), (200, 0, digest(text.as_bytes())));
    let missing = http(&cloud, get.clone(), "/v2/runner/fraud/manifests/none", &password, b"", "x").await;
    assert_eq!(missing.0, 404);
    insta::assert_snapshot!(String::from_utf8(missing.1).unwrap(), @r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"Requested image not found"}]}"#);
    let blob = format!("/v2/runner/fraud/blobs/{}", digest(b"layer"));
    assert_eq!(http(&cloud, get.clone(), &blob, &password, b"", "x").await.1, b"layer");
    assert_eq!(http(&cloud, get.clone(), &blob, &[], b"", "x").await.0, 401);

    let uploads = "/v2/runner/fraud/blobs/uploads/";
    let (status, _, location) = http(&cloud, Method::POST, uploads, &password, b"", "location").await;
    assert_eq!(status, 202);
    assert_eq!(http(&cloud, Method::PATCH, &location, &password, b"ne", "range").await.2, "0-1");
    let done = format!("{location}?digest={}", digest(b"new"));
    assert_eq!(http(&cloud, Method::PUT, &done, &password, b"w", "x").await.0, 201);
    let (other, to) = (manifest(b"config", b"new"), "/v2/runner/fraud/manifests/new");
    assert_eq!(http(&cloud, Method::PUT, to, &password, other.as_bytes(), "x").await.0, 201);
    let (status, body, _) = http(&cloud, get, "/v2/runner/fraud/tags/list", &password, b"", "x").await;
    assert_eq!((status, body.as_slice()), (200, &br#"{"name":"runner/fraud","tags":["new","one"]}"#[..]));
}

#[tokio::test]
async fn a_download_address_opens_its_layer_and_no_other() {
    let (cloud, _dir, _) = with_image("IMMUTABLE").await;
    let asked = json!({ "repositoryName": "runner/fraud", "layerDigest": digest(b"layer") });
    let url = call(&cloud, "GetDownloadUrlForLayer", asked).await.unwrap()["downloadUrl"].as_str().unwrap().to_owned();
    let path = url.strip_prefix("http://127.0.0.1:1").unwrap();
    assert_eq!(http(&cloud, Method::GET, path, &[], b"", "x").await.1, b"layer");
    let other = path.replace(&digest(b"layer"), &digest(b"config"));
    assert_eq!(http(&cloud, Method::GET, &other, &[], b"", "x").await.0, 401);
}
