//! Images of programs of our own, pushed through ECR's API; and a server that fails as it is told.

use std::env;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};

use crate::harness::{Aws, archive};

pub(super) const DOCKER: &str = "application/vnd.docker.distribution.manifest.v2+json";
pub(super) const OCI: &str = "application/vnd.oci.image.manifest.v1+json";
pub(super) const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// The repository that all of them are in.
pub(super) const REPOSITORY: &str = "images";

/// An image's name, as a model has it.
pub(super) fn name(tag: &str) -> String {
    format!("000000000000.dkr.ecr.us-east-1.amazonaws.com/{REPOSITORY}:{tag}")
}

/// The program of an image that is this test binary, as a server that answers with the status that it is sent.
pub(super) fn server() -> Vec<u8> {
    let binary = env::current_exe().unwrap();
    let test = "errors::image::acts_as_server";
    format!("#!/bin/sh\nexec '{}' --exact {test} --nocapture\n", binary.display()).into_bytes()
}

/// Makes the repository, unless it is there.
pub(super) fn create_repository(aws: &Aws) {
    let made = aws.ask_json(
        "ecr",
        "AmazonEC2ContainerRegistry_V20150921.CreateRepository",
        &json!({ "repositoryName": REPOSITORY, "imageTagMutability": "IMMUTABLE" }),
    );
    assert!(made.status == 200 || made.text.contains("AlreadyExists"), "{made:?}");
}

/// Pushes a layer or a configuration; its digest.
pub(super) fn push_blob(aws: &Aws, blob: &[u8]) -> String {
    let digest = digest(blob);
    let begun = aws.ecr("InitiateLayerUpload", &json!({ "repositoryName": REPOSITORY })).json();
    let upload = json!({ "repositoryName": REPOSITORY, "uploadId": begun["uploadId"] });
    let mut part = upload.clone();
    part["partFirstByte"] = 0.into();
    part["partLastByte"] = (blob.len() - 1).into();
    part["layerPartBlob"] = BASE64.encode(blob).into();
    aws.ecr("UploadLayerPart", &part);
    let mut whole = upload;
    whole["layerDigests"] = json!([digest]);
    let completed = aws.ask_json("ecr", "AmazonEC2ContainerRegistry_V20150921.CompleteLayerUpload", &whole);
    assert!(completed.status == 200 || completed.text.contains("AlreadyExists"), "{completed:?}");
    digest
}

/// The manifest of an image whose blobs have been pushed.
pub(super) fn manifest(aws: &Aws, media_type: &str, program: &[u8]) -> Json {
    let mut entry = archive::entry("model-server", b'0', "", program);
    // Executable by everybody, which changes the header's sum by as much.
    entry[100..107].copy_from_slice(b"0000755");
    let sum: u32 = entry[..512]
        .iter()
        .enumerate()
        .map(|(n, byte)| if (148..156).contains(&n) { 32 } else { u32::from(*byte) })
        .sum();
    entry[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let layer = archive::gzipped(&entry);
    let config = json!({ "architecture": "amd64", "os": "linux", "config": { "Entrypoint": ["/model-server"] } });
    let config = config.to_string().into_bytes();
    let [config, layer] = [config, layer].map(
        |blob| json!({ "size": blob.len(), "digest": push_blob(aws, &blob), "mediaType": "application/octet-stream" }),
    );
    if media_type == OCI_INDEX {
        return json!({ "schemaVersion": 2, "mediaType": media_type, "manifests": [] });
    }
    json!({ "schemaVersion": 2, "mediaType": media_type, "config": config, "layers": [layer] })
}

/// What `PutImage` takes.
pub(super) fn image(manifest: &Json, tag: &str) -> Json {
    json!({
        "repositoryName": REPOSITORY, "imageManifest": manifest.to_string(),
        "imageManifestMediaType": manifest["mediaType"], "imageTag": tag,
    })
}

/// Pushes an image of this program under its own tag.
pub(super) fn push(aws: &Aws, media_type: &str, program: &[u8], tag: &str) {
    create_repository(aws);
    aws.ecr("PutImage", &image(&manifest(aws, media_type, program), tag));
}

fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

/// Does nothing unless the variables of a server are set.
#[test]
#[expect(clippy::disallowed_methods, reason = "it is a program of its own, told by its environment what to do")]
fn acts_as_server() {
    let (Ok(port), Ok(_)) = (env::var("SAGEMAKER_BIND_TO_PORT"), env::var("MODEL_DIR")) else { return };
    let listener = TcpListener::bind(("127.0.0.1", port.parse().unwrap())).unwrap();
    for stream in listener.incoming() {
        thread::spawn(move || while serve(stream.as_ref().unwrap()).is_some() {});
    }
}

/// Answers one request: `500` with that status, `cut` with less than it promises.
fn serve(mut stream: &TcpStream) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if line.trim().is_empty() {
            break;
        }
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        head.push_str(&line);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let body = String::from_utf8(body).ok()?;
    let answer = match (head.starts_with("GET /ping"), &*body) {
        (true, _) => "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_owned(),
        (false, "cut") => "HTTP/1.1 500 Wrong\r\ncontent-length: 100\r\n\r\nbut".to_owned(),
        (false, status) => format!("HTTP/1.1 {status} Wrong\r\ncontent-length: 7\r\n\r\nfailed!"),
    };
    stream.write_all(answer.as_bytes()).ok()?;
    if body == "cut" { None } else { Some(()) }
}
