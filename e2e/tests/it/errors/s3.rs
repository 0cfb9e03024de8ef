//! S3.

use super::bench::{Bench, Said};
use super::{Case, each_is_answered_as_on_aws};

const CASES: &[Case] = &[
    ("GetObject", "key absent and no s3:ListBucket", unlisted),
    ("CreateBucket", "owned by caller, us-east-1, no tags sent", |b| {
        create(b, "plain");
        b.s3("PUT", "/plain", &[], "")
    }),
    ("CreateBucket", "owned by caller, us-east-1, tags sent", |b| {
        create(b, "tagged");
        b.s3("PUT", "/tagged", &[], &configuration("<Tags><Tag><Key>k</Key><Value>v</Value></Tag></Tags>"))
    }),
    ("CreateBucket", "constraint us-east-1 in us-east-1", |b| {
        b.s3("PUT", "/constrained", &[], &constraint("us-east-1"))
    }),
    ("CreateBucket", "name illegal", |b| b.s3("PUT", "/No_Bucket", &[], "")),
    ("HeadBucket", "absent", |b| b.s3("HEAD", "/no-bucket", &[], "")),
    ("HeadBucket", "forbidden / other owner", |b| {
        create(b, "ours");
        b.s3("HEAD", "/ours", &[("x-amz-expected-bucket-owner", "123456789012")], "")
    }),
    ("GetObject", "bucket absent", |b| b.s3("GET", "/no-bucket/key", &[], "")),
    ("GetObject", "key absent", |b| {
        create(b, "empty");
        b.s3("GET", "/empty/key", &[], "")
    }),
    ("DeleteBucket", "objects present", |b| {
        create(b, "full");
        b.aws.signed("s3", "PUT", "/full/key", &[], "x");
        b.s3("DELETE", "/full", &[], "")
    }),
    ("DeleteBucket", "versions or delete markers present", |b| {
        create(b, "versioned");
        let on = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
        b.aws.signed("s3", "PUT", "/versioned?versioning=", &[], on);
        b.aws.signed("s3", "PUT", "/versioned/key", &[], "x");
        b.aws.signed("s3", "DELETE", "/versioned/key", &[], "");
        b.s3("DELETE", "/versioned", &[], "")
    }),
    ("DeleteBucket", "absent", |b| b.s3("DELETE", "/no-bucket", &[], "")),
    ("PutObject", "IfNoneMatch=* and key exists", |b| {
        create(b, "once");
        b.aws.signed("s3", "PUT", "/once/key", &[], "x");
        b.s3("PUT", "/once/key", &[("if-none-match", "*")], "x")
    }),
    ("PutObject", "IfNoneMatch other than *", |b| {
        create(b, "tag");
        b.s3("PUT", "/tag/key", &[("if-none-match", "\"abc\"")], "x")
    }),
    ("GetBucketTagging", "no tags", |b| of_bare(b, "tagging")),
    ("GetBucketPolicy", "none", |b| of_bare(b, "policy")),
    ("GetBucketLifecycleConfiguration", "none", |b| of_bare(b, "lifecycle")),
    ("GetPublicAccessBlock", "none", |b| {
        let _ = of_bare(b, "tagging");
        b.aws.signed("s3", "DELETE", "/bare?publicAccessBlock=", &[], "");
        b.s3("GET", "/bare?publicAccessBlock=", &[], "")
    }),
    ("GetBucketOwnershipControls", "none", |b| {
        let _ = of_bare(b, "tagging");
        b.aws.signed("s3", "DELETE", "/bare?ownershipControls=", &[], "");
        b.s3("GET", "/bare?ownershipControls=", &[], "")
    }),
    ("PutBucketTagging", "duplicate key", |b| tag(b, &[("k", "1"), ("k", "2")])),
    ("PutBucketTagging", "aws: prefix", |b| tag(b, &[("aws:k", "1")])),
    ("UploadPart/CompleteMultipartUpload", "upload gone", |b| {
        create(b, "parts");
        let uploaded = b.s3("PUT", "/parts/key?partNumber=1&uploadId=none", &[], "x");
        let all =
            "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>e</ETag></Part></CompleteMultipartUpload>";
        let completed = b.s3("POST", "/parts/key?uploadId=none", &[], all);
        assert_eq!(uploaded.to_string(), completed.to_string());
        uploaded
    }),
    ("any", "ExpectedBucketOwner mismatch", |b| {
        create(b, "guarded");
        b.s3("GET", "/guarded?tagging=", &[("x-amz-expected-bucket-owner", "123456789012")], "")
    }),
    ("CreateBucket", "owned by caller, not us-east-1", |_| {
        elsewhere(|b| {
            b.aws.signed("s3", "PUT", "/bucket", &[], constraint("eu-west-1"));
            b.s3("PUT", "/bucket", &[], &constraint("eu-west-1"))
        })
    }),
    ("CreateBucket", "no constraint outside us-east-1", |_| elsewhere(|b| b.s3("PUT", "/bucket", &[], ""))),
    ("CreateBucket", "constraint of another region", |_| {
        elsewhere(|b| b.s3("PUT", "/bucket", &[], &constraint("us-west-2")))
    }),
];

#[test]
fn s3_answers_as_on_aws() {
    each_is_answered_as_on_aws("s3", &Bench::empty(&["--region", "us-east-1"]), CASES);
}

fn elsewhere(ask: fn(&Bench) -> Said) -> Said {
    ask(&Bench::empty(&["--region", "eu-west-1"]))
}

fn configuration(what: &str) -> String {
    format!("<CreateBucketConfiguration>{what}</CreateBucketConfiguration>")
}

fn constraint(region: &str) -> String {
    configuration(&format!("<LocationConstraint>{region}</LocationConstraint>"))
}

fn create(b: &Bench, name: &str) {
    b.aws.signed("s3", "PUT", &format!("/{name}"), &[], "");
}

/// What is said of a part of a bucket that has none.
fn of_bare(b: &Bench, part: &str) -> Said {
    create(b, "bare");
    b.s3("GET", &format!("/bare?{part}="), &[], "")
}

fn unlisted(b: &Bench) -> Said {
    create(b, "unlisted");
    b.asked_by("not-listing", &["s3:GetObject"]).s3("GET", "/unlisted/none", &[], "")
}

fn tag(b: &Bench, tags: &[(&str, &str)]) -> Said {
    create(b, "labelled");
    let tags = tags.iter().map(|(key, value)| format!("<Tag><Key>{key}</Key><Value>{value}</Value></Tag>"));
    let tags = tags.collect::<Vec<_>>().concat();
    b.s3("PUT", "/labelled?tagging=", &[], &format!("<Tagging><TagSet>{tags}</TagSet></Tagging>"))
}
