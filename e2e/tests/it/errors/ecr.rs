//! ECR.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::json;

use super::bench::{Bench, Said};
use super::image::{DOCKER, REPOSITORY, create_repository, image, manifest, push, push_blob};
use super::{Case, each_is_answered_as_on_aws};

const CASES: &[Case] = &[
    ("CreateRepository", "already present", |b| {
        create_repository(&b.aws);
        b.ecr("CreateRepository", &json!({ "repositoryName": REPOSITORY }))
    }),
    ("DescribeRepositories/DeleteRepository", "absent", |b| {
        let said = b.ecr("DescribeRepositories", &json!({ "repositoryNames": ["none"] }));
        assert_eq!(b.ecr("DeleteRepository", &json!({ "repositoryName": "none" })).to_string(), said.to_string());
        said
    }),
    ("DeleteRepository", "not empty, force=false", |b| {
        push(&b.aws, DOCKER, b"here", "kept");
        b.ecr("DeleteRepository", &json!({ "repositoryName": REPOSITORY }))
    }),
    ("PutImage", "same manifest and tag", |b| {
        push(&b.aws, DOCKER, b"twice", "twice");
        b.ecr("PutImage", &image(&manifest(&b.aws, DOCKER, b"twice"), "twice"))
    }),
    ("PutImage", "immutable tag taken", |b| {
        push(&b.aws, DOCKER, b"first", "taken");
        b.ecr("PutImage", &image(&manifest(&b.aws, DOCKER, b"second"), "taken"))
    }),
    ("PutImage", "layers missing", |b| {
        create_repository(&b.aws);
        let mut manifest = manifest(&b.aws, DOCKER, b"whole");
        manifest["layers"][0]["digest"] = format!("sha256:{}", "0".repeat(64)).into();
        b.ecr("PutImage", &image(&manifest, "lacking"))
    }),
    ("CompleteLayerUpload", "layer already there", |b| {
        create_repository(&b.aws);
        let digest = push_blob(&b.aws, b"a layer");
        uploaded(b, &[b"a layer"], &digest)
    }),
    ("CompleteLayerUpload", "digest mismatch", |b| {
        create_repository(&b.aws);
        uploaded(b, &[b"another layer"], &format!("sha256:{}", "0".repeat(64)))
    }),
    ("CompleteLayerUpload", "part < 5 MiB", |b| {
        create_repository(&b.aws);
        uploaded(b, &[b"a small part", b"the last part"], &format!("sha256:{}", "0".repeat(64)))
    }),
    ("BatchGetImage", "tag absent", |b| {
        create_repository(&b.aws);
        let ids = json!([{ "imageTag": "none" }]);
        let answer = b.aws.ecr("BatchGetImage", &json!({ "repositoryName": REPOSITORY, "imageIds": ids })).json();
        let failure = &answer["failures"][0];
        let code = format!("{} (in failures[])", failure["failureCode"].as_str().unwrap_or_default());
        Said { status: 200, code, message: failure["failureReason"].as_str().unwrap_or_default().to_owned() }
    }),
];

#[test]
fn ecr_answers_as_on_aws() {
    each_is_answered_as_on_aws("ecr", &Bench::empty(&["--region", "us-east-1"]), CASES);
}

/// What comes of an upload in these parts.
fn uploaded(b: &Bench, parts: &[&[u8]], digest: &str) -> Said {
    let begun = b.aws.ecr("InitiateLayerUpload", &json!({ "repositoryName": REPOSITORY })).json();
    let mut first = 0;
    for part in parts {
        let body = json!({
            "repositoryName": REPOSITORY, "uploadId": begun["uploadId"], "partFirstByte": first,
            "partLastByte": first + part.len() - 1, "layerPartBlob": BASE64.encode(part),
        });
        b.aws.ecr("UploadLayerPart", &body);
        first += part.len();
    }
    let whole = json!({ "repositoryName": REPOSITORY, "uploadId": begun["uploadId"], "layerDigests": [digest] });
    b.ecr("CompleteLayerUpload", &whole)
}
