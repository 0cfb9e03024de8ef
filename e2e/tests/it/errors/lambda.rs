//! Lambda.

use std::io::{Cursor, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value as Json, json};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use crate::harness::percent_encoded;

use super::bench::{BUCKET, Bench, ROLE_ARN, Said};
use super::{Case, each_is_answered_as_on_aws};

const FUNCTION: &str = "functions/fraud-proxy";

/// What a cloud is told in which a function takes ten minutes to settle.
const SLOW: [&str; 4] = ["--region", "us-east-1", "--lambda-settle-ms", "600000"];

const CASES: &[Case] = &[
    ("CreateFunction", "name already used", |b| create(b, &json!({ "FunctionName": "fraud-proxy" }))),
    ("CreateFunction", "caller lacks iam:PassRole", |b| {
        create(&b.asked_by("not-passing", &["lambda:*"]), &json!({ "FunctionName": "passed" }))
    }),
    ("CreateFunction", "role not assumable", |b| create(b, &json!({ "Role": ROLE_ARN }))),
    ("CreateFunction", "role ARN malformed", |b| create(b, &json!({ "Role": "fraud" }))),
    ("CreateFunction", "runtime unknown", |b| create(b, &json!({ "Runtime": "rust1.95" }))),
    ("CreateFunction", "runtime retired (provided, go1.x, ...)", |b| create(b, &json!({ "Runtime": "provided" }))),
    ("CreateFunction", "two architectures", |b| create(b, &json!({ "Architectures": ["x86_64", "arm64"] }))),
    ("CreateFunction", "zip corrupt", |b| create(b, &json!({ "Code": { "ZipFile": BASE64.encode("no zip") } }))),
    ("CreateFunction", "zip > 50 MiB inline", |b| {
        create(b, &json!({ "Code": { "ZipFile": BASE64.encode(vec![0; 52_428_801]) } }))
    }),
    ("CreateFunction", "request > 70167211 bytes", |b| create(b, &json!({ "Description": "x".repeat(70_167_211) }))),
    ("CreateFunction", "unzipped > 250 MiB", |b| {
        create(b, &json!({ "Code": { "ZipFile": BASE64.encode(zip_of(251)) } }))
    }),
    ("CreateFunction", "environment > 4 KB", |b| {
        create(b, &json!({ "Environment": { "Variables": { "LONG": "x".repeat(4096) } } }))
    }),
    ("CreateFunction", "name > 64", |b| create(b, &json!({ "FunctionName": "x".repeat(65) }))),
    ("CreateFunction", "code bucket absent", |b| {
        create(b, &json!({ "Code": { "S3Bucket": "no-bucket", "S3Key": "k" } }))
    }),
    ("CreateFunction", "code key absent", |b| create(b, &json!({ "Code": { "S3Bucket": BUCKET, "S3Key": "none" } }))),
    ("CreateFunction", "> 50 tags", |b| {
        let tags: serde_json::Map<_, _> = (0..51).map(|n| (format!("k{n}"), json!("v"))).collect();
        create(b, &json!({ "Tags": tags }))
    }),
    ("GetFunction", "absent", |b| call(b, "GET", "functions/none", &Json::Null)),
    ("DeleteFunction", "absent", |b| call(b, "DELETE", "functions/none", &Json::Null)),
    ("GetFunction", "ARN of another region", |b| {
        let arn = "arn:aws:lambda:eu-west-1:000000000000:function:fraud-proxy";
        call(b, "GET", &format!("functions/{}", percent_encoded(arn)), &Json::Null)
    }),
    ("UpdateFunctionCode", "RevisionId stale", |b| {
        let stale =
            json!({ "ZipFile": BASE64.encode(zip_of(0)), "RevisionId": "00000000-0000-4000-8000-000000000000" });
        call(b, "PUT", &format!("{FUNCTION}/code"), &stale)
    }),
    ("AddPermission", "RevisionId stale", |b| {
        permit(b, "fraud-proxy", &json!({ "RevisionId": "00000000-0000-4000-8000-000000000000" }))
    }),
    ("AddPermission", "statement id already present", |b| {
        permit(b, "fraud-proxy", &json!({ "StatementId": "runner" }))
    }),
    ("AddPermission", "function absent", |b| permit(b, "none", &json!({}))),
    ("AddPermission", "principal invalid", |b| permit(b, "fraud-proxy", &json!({ "Principal": "nobody at all" }))),
    ("AddPermission", "qualifier $LATEST", |b| {
        let path = format!("{FUNCTION}/policy?Qualifier=%24LATEST");
        call(b, "POST", &path, &permission(&json!({})))
    }),
    ("AddPermission", "statement id pattern", |b| permit(b, "fraud-proxy", &json!({ "StatementId": "a b" }))),
    ("AddPermission", "policy too large", |b| {
        let statement = |n| permit(b, "fraud-proxy", &json!({ "StatementId": format!("{}-{n}", "x".repeat(90)) }));
        (0..200).map(statement).find(|said| said.status != 201).unwrap_or_default()
    }),
    ("GetPolicy", "no policy or no function", |b| {
        let said = call(b, "GET", "functions/none/policy", &Json::Null);
        bare(b, "silent");
        assert_eq!(call(b, "GET", "functions/silent/policy", &Json::Null).to_string(), said.to_string());
        said
    }),
    ("RemovePermission", "statement absent", |b| call(b, "DELETE", &format!("{FUNCTION}/policy/none"), &Json::Null)),
    ("RemovePermission", "function has no policy", |b| {
        bare(b, "closed");
        call(b, "DELETE", "functions/closed/policy/none", &Json::Null)
    }),
    ("RemovePermission", "function absent", |b| call(b, "DELETE", "functions/none/policy/none", &Json::Null)),
    ("TagResource", "function absent", |b| tag(b, "none", &json!({ "k": "v" }))),
    ("TagResource", "empty tag map", |b| tag(b, "fraud-proxy", &json!({}))),
    ("TagResource", "version or alias ARN", |b| tag(b, "fraud-proxy:1", &json!({ "k": "v" }))),
    ("PutFunctionConcurrency", "would starve the unreserved pool", |b| {
        let all = json!({ "ReservedConcurrentExecutions": 1000 });
        b.rest("lambda", "PUT", "/2017-10-31/functions/fraud-proxy/concurrency", &all)
    }),
    ("UpdateFunctionCode", "update in progress", |_| {
        let code = json!({ "ZipFile": BASE64.encode(zip_of(0)) });
        call(&updating(), "PUT", "functions/slow/code", &code)
    }),
    ("UpdateFunctionConfiguration", "update in progress", |_| {
        call(&updating(), "PUT", "functions/slow/configuration", &json!({ "MemorySize": 512 }))
    }),
    ("Invoke", "function Pending", |_| call(&with_function(&SLOW), "POST", "functions/slow/invocations", &json!({}))),
];

#[test]
fn lambda_answers_as_on_aws() {
    each_is_answered_as_on_aws("lambda", &Bench::deployed(), CASES);
}

fn call(b: &Bench, method: &str, path: &str, body: &Json) -> Said {
    b.rest("lambda", method, &format!("/2015-03-31/{path}"), body)
}

/// Creates a function that is right but for these members.
fn create(b: &Bench, wrong: &Json) -> Said {
    let mut function = json!({
        "FunctionName": "other", "Runtime": "provided.al2023", "Handler": "bootstrap",
        "Role": "arn:aws:iam::000000000000:role/runner/fraud-us-east-1-proxy",
    });
    merge(&mut function, wrong);
    if function["Code"].is_null() {
        function["Code"] = json!({ "ZipFile": BASE64.encode(zip_of(0)) });
    }
    call(b, "POST", "functions", &function)
}

/// A function that nobody may invoke.
fn bare(b: &Bench, name: &str) {
    let said = create(b, &json!({ "FunctionName": name }));
    assert_eq!(said.status, 201, "{said}");
}

fn permission(wrong: &Json) -> Json {
    let mut permission = json!({
        "StatementId": "other", "Action": "lambda:InvokeFunction", "Principal": "apigateway.amazonaws.com",
        "SourceArn": "arn:aws:execute-api:us-east-1:000000000000:api/*/GET/",
    });
    merge(&mut permission, wrong);
    permission
}

fn permit(b: &Bench, function: &str, wrong: &Json) -> Said {
    call(b, "POST", &format!("functions/{function}/policy"), &permission(wrong))
}

fn tag(b: &Bench, function: &str, tags: &Json) -> Said {
    let arn = format!("arn:aws:lambda:us-east-1:000000000000:function:{function}");
    b.rest("lambda", "POST", &format!("/2017-03-31/tags/{}", percent_encoded(&arn)), &json!({ "Tags": tags }))
}

fn merge(whole: &mut Json, part: &Json) {
    for (name, value) in part.as_object().into_iter().flatten() {
        whole[name] = value.clone();
    }
}

/// A cloud in which an update of a function is in progress.
fn updating() -> Bench {
    let b = with_function(&SLOW[..2]).restarted(&SLOW);
    let said = call(&b, "PUT", "functions/slow/configuration", &json!({ "MemorySize": 256 }));
    assert_eq!(said.status, 200, "{said}");
    b
}

/// A cloud that is told this, with a function in it.
fn with_function(flags: &[&str]) -> Bench {
    let b = Bench::empty(flags);
    let trust = json!({ "Version": "2012-10-17", "Statement": [
        { "Effect": "Allow", "Principal": { "Service": "lambda.amazonaws.com" }, "Action": "sts:AssumeRole" }
    ] });
    b.aws.iam("CreateRole", &[("RoleName", "slow"), ("AssumeRolePolicyDocument", &trust.to_string())]);
    let said = create(&b, &json!({ "FunctionName": "slow", "Role": "arn:aws:iam::000000000000:role/slow" }));
    assert_eq!(said.status, 201, "{said}");
    b
}

/// A function's archive with so many more megabytes of nothing in it.
fn zip_of(megabytes: usize) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(vec![]));
    let options = SimpleFileOptions::default().unix_permissions(0o755);
    zip.start_file("bootstrap", options).unwrap();
    zip.write_all(b"#!/bin/sh\n").unwrap();
    if megabytes > 0 {
        zip.start_file("nothing", options).unwrap();
        let nothing = vec![0; 1 << 20];
        (0..megabytes).for_each(|_| zip.write_all(&nothing).unwrap());
    }
    zip.finish().unwrap().into_inner()
}
