//! Endpoints that are served by an image of our own: made, pushed, run, replaced and removed without Docker.

use std::collections::BTreeSet;
use std::fs;
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;

use serde_json::json;

use crate::harness::{Aws, Http, Inventory, Pipeline, Scene, features, note, static_model_server};
use crate::wire;

pub(super) const OURS: &str = "pipeline.yaml";
/// Name of the program in the scene's folder.
pub(super) const PROGRAM: &str = "model-server";
const REPOSITORY: &str = "runner/fraud";

/// A folder with a static `model-server` in it, and a pipeline that makes an image of it.
pub(super) fn scene() -> Scene {
    let scene = Scene::new(&Pipeline::own_image(PROGRAM));
    fs::copy(static_model_server(), scene.path(PROGRAM)).unwrap();
    scene
}

/// Another program that does the same: what stands behind an executable's last section is never looked at.
pub(super) fn change_program(scene: &Scene) {
    let mut bytes = fs::read(scene.path(PROGRAM)).unwrap();
    bytes.extend(b"another");
    fs::write(scene.path(PROGRAM), bytes).unwrap();
}

pub(super) fn of_kind<'a>(inventory: &'a Inventory, kind: &str) -> Vec<&'a str> {
    inventory.iter().filter(|(of, _)| *of == kind).map(|(_, name)| name.as_str()).collect()
}

/// The manifest of the only image, and its tag.
fn image(aws: &Aws) -> (String, String) {
    let tag = of_kind(&aws.inventory(), "image")[0].rsplit_once(':').unwrap().1.to_owned();
    let answer = aws.ecr("BatchGetImage", &json!({ "repositoryName": REPOSITORY, "imageIds": [{ "imageTag": tag }] }));
    (answer.json()["images"][0]["imageManifest"].as_str().unwrap().to_owned(), tag)
}

#[test]
fn a_program_built_from_source_is_pushed_and_its_entry_point_answers_with_reasons() {
    // Built by the runner itself, in the folder that other tests share.
    static_model_server();
    let scene = Scene::new(&Pipeline {
        package: String::new(),
        deploy_proxy: "{ reasons: 2 }".to_owned(),
        ..Pipeline::own_image("")
    });
    let applied = scene.apply();
    assert!(applied.stdout.contains("8 golden rows score as trained"), "{}", applied.stdout);
    assert!(!applied.stderr.contains("stands in"), "nothing stands in for an image of ours: {}", applied.stderr);
    let running = scene.processes();
    assert!(running.iter().any(|process| process.contains("/root/model-server serve")), "{running:?}");
    assert!(!running.iter().any(|process| process.contains("runner model-server")), "{running:?}");
    let answer = Http::new().post(applied.url(), &features()).json();
    assert_eq!(answer["reasons"].as_array().unwrap().len(), 2, "{answer}");

    scene.keeps_all(OURS);
    let aws = scene.aws();
    aws.clear_requests();
    scene.apply();
    assert_eq!(aws.writes(), Vec::<String>::new());
    // The image is in the registry: another machine need not build it.
    fs::remove_dir_all(scene.path(".runner/cache/images")).unwrap();
    scene.keeps_all(OURS);
    let gone = scene.runner(&["teardown"]).exits(0);
    assert!(gone.stdout.contains("and the local cloud has ended"), "{}", gone.stdout);
}

/// AWS's own description of the registry's API has the last word on what is sent to it.
#[test]
fn every_request_to_the_registry_is_one_that_aws_would_accept() {
    let scene = scene();
    scene.apply();
    change_program(&scene);
    scene.apply();
    scene.runner(&["teardown"]).exits(0);
    let Some(verdict) = wire::judge(&scene.record()) else { return };
    assert_eq!(verdict.faults, BTreeSet::new());
    for operation in [
        "CreateRepository",
        "DescribeRepositories",
        "ListTagsForResource",
        "BatchCheckLayerAvailability",
        "InitiateLayerUpload",
        "UploadLayerPart",
        "CompleteLayerUpload",
        "PutImage",
        "TagResource",
        "DescribeImages",
        "UntagResource",
        "BatchDeleteImage",
        "DeleteRepository",
    ] {
        assert!(verdict.operations.contains(&format!("ecr:{operation}")), "{operation} was not judged");
    }
}

#[test]
fn another_program_is_another_image_that_is_switched_to_and_the_old_one_goes() {
    let scene = scene();
    scene.apply();
    let aws = scene.aws();
    let before = aws.inventory();
    change_program(&scene);
    let planned = scene.runner(&["plan"]).exits(0);
    insta::assert_snapshot!(changes(&scene.steady(&planned.stdout)), @"
    ? train            gate               metrics
        this_model  average precision 1.0000 (0.03 to 1.00), ROC AUC 1.0000; at 0.5 precision 0.000, recall 0.000, F1 0.000
    + package          image              model-server
        sources       ffffffffffff
        program       model-server
        architecture  x86_64
    + upload           image              ffffffffffff
        repository  runner/fraud
        sources     ffffffffffff
        content     ours
    + create-endpoint  model              fraud-ffffffffffff
        image  000000000000.dkr.ecr.us-east-1.amazonaws.com/runner/fraud:ffffffffffff
        data   s3://fraud-000000000000-us-east-1/models/ffffffffffff/model.tar.gz
        role   arn:aws:iam::000000000000:role/runner/fraud-us-east-1-sagemaker
    + create-endpoint  endpoint-config    fraud-ffffffffffff
        model     fraud-ffffffffffff
        capacity  1 x ml.t2.medium
    ~ create-endpoint  endpoint           fraud
        config  fraud-ffffffffffff -> fraud-ffffffffffff
    ? smoke-test       smoke-test         POST /
        url          http://127.0.0.1:54321/execute-api/iiiiiiiiii/
        golden_rows  scores within 0.000001
    - create-endpoint  endpoint-config    fraud-ffffffffffff
        because: an older version
    - create-endpoint  model              fraud-ffffffffffff
        because: an older version
    - upload           image              ffffffffffff
        because: an older version
    15 to keep, 4 to create, 1 to update, 3 to delete, 2 to check.
    ");
    scene.apply();
    let after = aws.inventory();
    for kind in ["image", "model", "endpoint-config"] {
        let (before, after) = (of_kind(&before, kind), of_kind(&after, kind));
        assert_eq!((before.len(), after.len()), (1, 1), "{kind}");
        assert_ne!(before, after, "{kind}");
    }
    assert_eq!(of_kind(&after, "repository"), [REPOSITORY]);
    let tags = aws.ecr("ListTagsForResource", &json!({ "resourceArn": arn() })).json();
    assert_eq!(tags["tags"].as_array().unwrap().len(), 3, "what was known of the old image stays behind: {tags}");
    scene.keeps_all(OURS);
    scene.answers(OURS);
}

#[test]
fn serverless_endpoints_run_it_too() {
    let scene = Scene::new(&Pipeline {
        create_endpoint: "{ container: model-server, serverless: {} }".to_owned(),
        ..Pipeline::own_image(PROGRAM)
    });
    fs::copy(static_model_server(), scene.path(PROGRAM)).unwrap();
    scene.apply();
    scene.answers(OURS);
    scene.keeps_all(OURS);
}

#[test]
fn going_back_to_awss_image_leaves_no_repository() {
    let scene = scene();
    scene.apply();
    scene.write(&Pipeline::default());
    let applied = scene.apply();
    assert!(applied.stdout.contains("the pipeline file asks for it no longer"), "{}", applied.stdout);
    let left = scene.aws().inventory();
    assert_eq!((of_kind(&left, "repository").len(), of_kind(&left, "image").len()), (0, 0));
    scene.keeps_all(OURS);
    scene.answers(OURS);
    let status = scene.runner(&["status"]).exits(0);
    assert!(!status.stdout.contains("ecr-repository"), "{}", status.stdout);
}

#[test]
fn a_teardown_finds_the_repository_that_the_file_asks_for_no_longer() {
    let scene = scene();
    scene.apply();
    scene.write(&Pipeline::default());
    let gone = scene.runner(&["teardown"]).exits(0);
    assert!(gone.stdout.contains("and the local cloud has ended"), "{}", gone.stdout);
}

#[test]
fn a_program_that_could_not_run_in_an_image_is_refused_before_anything_is_touched() {
    let own = std::env::current_exe().unwrap();
    let dynamic = Scene::bare(&Pipeline::own_image(&own.display().to_string()));
    let refused = dynamic.runner(&["apply"]).exits(64);
    assert!(refused.stderr.contains("it is linked dynamically, and the image holds no loader"), "{}", refused.stderr);
    assert!(refused.stderr.contains("= help: link it statically"), "{}", refused.stderr);
    assert!(refused.stderr.contains("^^^^^"), "{}", refused.stderr);
    assert_eq!(dynamic.files(), Vec::<String>::new());

    let script = Scene::bare(&Pipeline::own_image(PROGRAM));
    fs::write(script.path(PROGRAM), "#!/bin/sh\n").unwrap();
    let refused = script.runner(&["plan"]).exits(64);
    assert!(refused.stderr.contains("it is no 64-bit ELF file"), "{}", refused.stderr);
}

#[test]
#[cfg(target_arch = "x86_64")]
fn a_program_for_another_processor_than_the_endpoints_is_refused() {
    let scene = Scene::bare(&Pipeline {
        create_endpoint: "{ container: model-server, instances: { type: ml.c7g.large } }".to_owned(),
        ..Pipeline::own_image(PROGRAM)
    });
    fs::copy(static_model_server(), scene.path(PROGRAM)).unwrap();
    let refused = scene.runner(&["apply"]).exits(64);
    assert!(
        refused.stderr.contains("it is built for X86_64, but the image's architecture is `arm64`"),
        "{}",
        refused.stderr
    );
}

/// The local cloud has the processor of this machine.
#[test]
#[cfg(target_arch = "x86_64")]
fn an_image_for_another_processor_fails_with_the_systems_words() {
    let scene = Scene::new(&Pipeline {
        create_endpoint: "{ container: model-server, instances: { type: ml.c7g.large } }".to_owned(),
        ..Pipeline::own_image(PROGRAM)
    });
    let mut program = fs::read(static_model_server()).unwrap();
    // `e_machine` says AArch64.
    program[18] = 0xb7;
    fs::write(scene.path(PROGRAM), program).unwrap();
    let failed = scene.runner(&["apply"]).exits(1);
    let told = &failed.stderr[failed.stderr.find("error: ").unwrap()..];
    assert!(told.contains("did not pass the ping health check"), "{told}");
    assert!(told.contains("exec /model-server: exec format error"), "{told}");
}

#[test]
fn a_repository_of_somebody_else_blocks_the_plan_and_is_never_touched() {
    let scene = Scene::new(&Pipeline::default());
    scene.apply();
    let aws = scene.aws();
    aws.ecr("CreateRepository", &json!({ "repositoryName": REPOSITORY }));
    // Nobody asks for it yet, so it is no business of ours.
    scene.keeps_all(OURS);
    fs::copy(static_model_server(), scene.path(PROGRAM)).unwrap();
    scene.write(&Pipeline::own_image(PROGRAM));
    let blocked = scene.runner(&["apply"]).exits(6);
    assert!(blocked.stdout.contains("! upload           ecr-repository     runner/fraud"), "{}", blocked.stdout);
    assert!(blocked.stderr.contains("does not bear the tag `runner:pipeline`"), "{}", blocked.stderr);
    scene.runner(&["teardown"]).exits(0);
    assert_eq!(of_kind(&aws.inventory(), "repository"), [REPOSITORY]);
}

#[test]
fn what_others_have_changed_of_repository_and_image_is_seen_and_mended() {
    let scene = scene();
    scene.apply();
    let aws = scene.aws();
    let (manifest, tag) = image(&aws);
    let mutable = json!({ "repositoryName": REPOSITORY, "imageTagMutability": "MUTABLE" });
    aws.ecr("PutImageTagMutability", &mutable);
    // Other bytes of the same meaning are another image.
    let other = json!({ "repositoryName": REPOSITORY, "imageManifest": format!("{manifest}\n"), "imageTag": tag });
    aws.ecr("PutImage", &other);
    let planned = scene.runner(&["plan", "--detailed-exitcode"]).exits(2);
    let planned = changes(&scene.steady(&planned.stdout));
    assert!(planned.contains("tags  MUTABLE -> IMMUTABLE"), "{planned}");
    assert!(planned.contains("-> ours"), "{planned}");
    scene.apply();
    assert_eq!(image(&aws), (manifest, tag));
    scene.keeps_all(OURS);
}

fn arn() -> String {
    format!("arn:aws:ecr:us-east-1:000000000000:repository/{REPOSITORY}")
}

/// What a plan would change.
fn changes(plan: &str) -> String {
    let mut shown = false;
    let lines = plan.lines().filter(|line| {
        if !line.starts_with(' ') {
            shown = line.starts_with(['+', '~', '-', '?']);
        }
        shown || line.ends_with('.')
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Where nothing else is: no loader, no library, no `/etc`, no user.
#[test]
fn the_image_needs_no_file_but_its_own() {
    let unshare = || Command::new("unshare");
    if !unshare().args(["--map-root-user", "true"]).status().is_ok_and(|status| status.success()) {
        note("!!! SKIPPED: THE IMAGE WAS NOT RUN IN AN EMPTY ROOT: `unshare` is not there, or not allowed");
        return;
    }
    let scene = scene();
    scene.apply();
    let only = |folder: &str| fs::read_dir(scene.path(folder)).unwrap().next().unwrap().unwrap().path();
    let (image, model) = (only(".runner/cache/images"), only(".runner/cache/models"));
    let root = scene.path("root");
    let models = root.join("opt/ml/model");
    fs::create_dir_all(&models).unwrap();
    fs::copy(model.join("xgboost-model"), models.join("xgboost-model")).unwrap();
    let unpacked = Command::new("tar").arg("-xzf").arg(image.join("layer.tar.gz")).arg("-C").arg(&root).status();
    assert!(unpacked.unwrap().success());
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let mut command = unshare();
    command.args(["--map-root-user", "--root"]).arg(&root).args(["--wd", "/", "/model-server", "serve"]);
    command.env_clear().env("PATH", "/usr/bin:/bin").env("SAGEMAKER_BIND_TO_PORT", &port).stdout(Stdio::null());
    let mut child = command.spawn().unwrap();
    let http = Http::new();
    let up = (0..200).any(|_| {
        thread::sleep(Duration::from_millis(50));
        let ping = Request::get(format!("http://127.0.0.1:{port}/ping")).body(Full::<Bytes>::default()).unwrap();
        http.try_send(ping).is_ok_and(|answer| answer.status == 200)
    });
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(up, "it does not answer");
}
