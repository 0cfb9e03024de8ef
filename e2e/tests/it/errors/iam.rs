//! IAM.

use serde_json::json;

use super::bench::{Bench, Said};
use super::{Case, each_is_answered_as_on_aws};

const CASES: &[Case] = &[
    ("CreateRole", "name already used (case-insensitive)", |b| {
        create(b, "taken");
        b.iam("CreateRole", &[("RoleName", "TAKEN"), ("AssumeRolePolicyDocument", &trust())])
    }),
    ("CreateRole", "trust JSON invalid", |b| {
        b.iam("CreateRole", &[("RoleName", "bad"), ("AssumeRolePolicyDocument", "{")])
    }),
    ("GetRole", "absent", |b| b.iam("GetRole", &[("RoleName", "none")])),
    ("PutRolePolicy", "role absent", |b| put(b, "none", &policy(1))),
    ("DeleteRole", "absent", |b| b.iam("DeleteRole", &[("RoleName", "none")])),
    ("GetRolePolicy", "policy absent", |b| {
        create(b, "bare");
        b.iam("GetRolePolicy", &[("RoleName", "bare"), ("PolicyName", "none")])
    }),
    ("DeleteRolePolicy", "policy absent", |b| {
        create(b, "as-bare");
        b.iam("DeleteRolePolicy", &[("RoleName", "as-bare"), ("PolicyName", "none")])
    }),
    ("AttachRolePolicy", "managed policy absent", |b| {
        create(b, "unattached");
        b.iam("AttachRolePolicy", &[("RoleName", "unattached"), ("PolicyArn", "arn:aws:iam::000000000000:policy/none")])
    }),
    ("DeleteRole", "inline policies present", |b| {
        create(b, "used");
        put(b, "used", &policy(1));
        b.iam("DeleteRole", &[("RoleName", "used")])
    }),
    ("DeleteRole", "managed policies attached", |b| {
        create(b, "attached");
        b.aws.iam("CreatePolicy", &[("PolicyName", "managed"), ("PolicyDocument", &policy(1))]);
        let arn = "arn:aws:iam::000000000000:policy/managed";
        b.aws.iam("AttachRolePolicy", &[("RoleName", "attached"), ("PolicyArn", arn)]);
        b.iam("DeleteRole", &[("RoleName", "attached")])
    }),
    ("PutRolePolicy", "inline quota 10,240", |b| {
        create(b, "wordy");
        put(b, "wordy", &policy(400))
    }),
];

#[test]
fn iam_answers_as_on_aws() {
    each_is_answered_as_on_aws("iam", &Bench::empty(&["--region", "us-east-1"]), CASES);
}

fn trust() -> String {
    json!({ "Version": "2012-10-17", "Statement": [
        { "Effect": "Allow", "Principal": { "Service": "lambda.amazonaws.com" }, "Action": "sts:AssumeRole" }
    ] })
    .to_string()
}

fn create(b: &Bench, name: &str) {
    b.aws.iam("CreateRole", &[("RoleName", name), ("AssumeRolePolicyDocument", &trust())]);
}

/// A policy about so many resources.
fn policy(resources: usize) -> String {
    let resources: Vec<_> = (0..resources).map(|n| format!("arn:aws:s3:::a-bucket-of-some-name/{n}")).collect();
    json!({ "Version": "2012-10-17", "Statement": [{ "Effect": "Allow", "Action": "s3:*", "Resource": resources }] })
        .to_string()
}

fn put(b: &Bench, role: &str, policy: &str) -> Said {
    b.iam("PutRolePolicy", &[("RoleName", role), ("PolicyName", "p"), ("PolicyDocument", policy)])
}
