//! CloudWatch Logs.

use serde_json::json;

use super::bench::Bench;
use super::{Case, each_is_answered_as_on_aws};

const CASES: &[Case] = &[
    ("CreateLogGroup", "already present", |b| {
        b.aws.logs("CreateLogGroup", &json!({ "logGroupName": "lines" }));
        b.logs("CreateLogGroup", &json!({ "logGroupName": "lines" }))
    }),
    ("CreateLogGroup", "name > 512", |b| b.logs("CreateLogGroup", &json!({ "logGroupName": "x".repeat(513) }))),
    ("PutRetentionPolicy/DeleteLogGroup", "absent", |b| {
        let put = b.logs("PutRetentionPolicy", &json!({ "logGroupName": "none", "retentionInDays": 14 }));
        let deleted = b.logs("DeleteLogGroup", &json!({ "logGroupName": "none" }));
        assert_eq!(put.to_string(), deleted.to_string());
        put
    }),
    ("DescribeLogGroups", "prefix and pattern together", |b| {
        b.logs("DescribeLogGroups", &json!({ "logGroupNamePrefix": "a", "logGroupNamePattern": "b" }))
    }),
];

#[test]
fn logs_answers_as_on_aws() {
    each_is_answered_as_on_aws("logs", &Bench::empty(&["--region", "us-east-1"]), CASES);
}
