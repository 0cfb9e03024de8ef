//! What clients of others make of our local cloud, and how its answers compare with those of servers of others.
//!
//! The comparison itself is in `e2e/conformance`, in the language of its client.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::harness::peer::{KEY, Peer, REGION, python};
use crate::harness::{Pipeline, Scene, note};

/// The region of a second local cloud, which must answer as the first one does.
const ELSEWHERE: &str = "ap-south-1";

/// A model archive that `model-server` serves: what the pipeline packs.
fn archive(scene: &Scene) -> PathBuf {
    let behind = ["upload", "create-role", "create-endpoint", "deploy-proxy", "smoke-test"];
    let skips = behind.iter().flat_map(|stage| ["--skip", stage]);
    scene.runner(&["apply"].into_iter().chain(skips).collect::<Vec<_>>()).exits(0);
    let archive = scene.files().into_iter().find(|file| file.ends_with("/model.tar.gz")).unwrap();
    scene.path(&archive)
}

/// Runs one of the programs in `e2e/conformance` with a model archive; it must find nothing.
fn run(python: &Path, program: &str, arguments: &[String]) {
    let scene = Scene::new(&Pipeline::default());
    run_with(python, program, arguments, &archive(&scene));
}

fn run_with(python: &Path, program: &str, arguments: &[String], archive: &Path) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance");
    let mut command = Command::new(python);
    command.arg(folder.join(program)).args(arguments).env("MODEL_ARCHIVE", archive);
    let variables = [("AWS_ACCESS_KEY_ID", KEY), ("AWS_SECRET_ACCESS_KEY", KEY), ("PYTHONDONTWRITEBYTECODE", "1")];
    let began = Instant::now();
    let output = command.envs(variables).stdin(Stdio::null()).output().unwrap();
    let (told, wrong) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{told}\n{wrong}");
    note(&format!("{told}{:.1} s", began.elapsed().as_secs_f64()));
}

#[test]
fn the_local_cloud_answers_as_aws_does_and_as_peers_do_where_that_is_not_told_otherwise() {
    let (Some(python), Some(moto), Some(ministack)) = (python(), Peer::moto(), Peer::ministack(&[])) else { return };
    let (ours, elsewhere) = (Peer::local_cloud(), Peer::local_cloud_in(ELSEWHERE));
    let servers = [("local", &ours), ("moto", &moto), ("ministack", &ministack)];
    let mut servers = servers.map(|(name, server)| format!("{name}={}", server.url())).to_vec();
    servers.push(format!("{ELSEWHERE}={}@{ELSEWHERE}", elsewhere.url()));
    run(&python, "main.py", &servers);
}

#[test]
fn every_waiter_and_every_paginator_of_boto3_works() {
    let Some(python) = python() else { return };
    run(&python, "boto.py", &[Peer::local_cloud().url()]);
}

#[test]
fn members_that_are_not_offered_are_refused_by_name() {
    let Some(python) = python() else { return };
    run(&python, "members.py", &[Peer::local_cloud().url()]);
}

#[test]
fn absent_services_presigned_urls_and_forms_answer_boto3() {
    let Some(python) = python() else { return };
    run(&python, "signatures.py", &[Peer::local_cloud().url()]);
}

#[test]
fn copies_repeated_completions_and_errors_of_s3_are_as_boto3_knows_them() {
    let Some(python) = python() else { return };
    run_with(&python, "storage.py", &[Peer::local_cloud().url()], Path::new(""));
}

#[test]
fn every_member_of_an_offered_operation_of_s3_is_listed() {
    let Some(python) = python() else { return };
    let list = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/local-cloud/src/service/s3/members.tsv");
    run_with(&python, "s3_members.py", &[list.display().to_string()], Path::new(""));
}

/// The variables that `runner local env` prints.
fn printed_variables(scene: &Scene) -> Vec<(String, String)> {
    let printed = scene.runner(&["local", "env"]).exits(0).stdout;
    let exports = printed.lines().filter_map(|line| line.strip_prefix("export ")?.split_once('='));
    exports.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

#[test]
fn the_aws_cli_works_with_what_local_env_prints() {
    let Some(python) = python() else { return };
    let scene = Scene::new(&Pipeline::default());
    let applied = scene.apply();
    let variables = printed_variables(&scene);
    let aws = |arguments: &str| {
        let mut command = Command::new(python.with_file_name("aws"));
        command.args(arguments.split(' ')).env_remove("AWS_PROFILE").envs(variables.iter().cloned());
        let output = command.current_dir(scene.path("")).stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    assert_eq!(aws("sts get-caller-identity --query Account --output text"), "000000000000");
    let status = "sagemaker describe-endpoint --endpoint-name fraud --query EndpointStatus --output text";
    assert_eq!(aws(status), "InService");
    aws("sagemaker wait endpoint-in-service --endpoint-name fraud");
    let roles = aws("iam list-roles --path-prefix /runner/ --query Roles[].RoleName --output text");
    assert_eq!(roles.split_whitespace().count(), 2, "{roles}");
    assert_eq!(aws("lambda list-functions --query Functions[].FunctionName --output text"), "fraud-proxy");
    let url = aws("apigatewayv2 get-apis --query Items[0].ApiEndpoint --output text");
    assert_eq!(applied.url(), format!("{url}/"));
    let groups = aws("logs describe-log-groups --query logGroups[].logGroupName --output text");
    assert!(groups.contains("/aws/lambda/fraud-proxy"), "{groups}");

    // More than one part, there and back.
    let bytes: Vec<u8> = (0..20_u32 << 20).map(|n| (n % 251) as u8).collect();
    fs::write(scene.path("large"), &bytes).unwrap();
    aws("s3 mb s3://cli-bucket");
    aws("s3 cp --no-progress large s3://cli-bucket/folder/large");
    let listed = aws("s3 ls --recursive s3://cli-bucket");
    assert!(listed.ends_with("20971520 folder/large"), "{listed}");
    aws("s3 cp --no-progress s3://cli-bucket/folder/large back");
    assert!(fs::read(scene.path("back")).unwrap() == bytes, "other bytes came back");
    aws("s3 sync --no-progress s3://cli-bucket/folder copy");
    assert!(fs::read(scene.path("copy/large")).unwrap() == bytes, "other bytes came back");
    // Above 8 MB, the copy is one in parts.
    aws("s3 mb s3://cli-copies");
    aws("s3 cp --no-progress s3://cli-bucket/folder/large s3://cli-copies/large");
    aws("s3 cp --no-progress s3://cli-copies/large copied");
    assert!(fs::read(scene.path("copied")).unwrap() == bytes, "other bytes were copied");
    aws("s3 rb --force s3://cli-copies");
    aws("s3 rb --force s3://cli-bucket");
    let listed = aws("s3 ls");
    assert!(listed.ends_with(&format!("fraud-000000000000-{REGION}")) && !listed.contains("cli-bucket"), "{listed}");
}
