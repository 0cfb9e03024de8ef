use std::path::Path;
use std::sync::Arc;

use http::Request;

use super::*;

fn verify_at(cloud: &Cloud, parts: &Parts, body: &Bytes, now: Timestamp) -> Result<Caller, Unverified> {
    claimed_at(cloud, parts, now)?.verify(parts, body)
}
use crate::Delays;

const SCOPE: &str = "20150830/us-east-1";

async fn cloud() -> (tempfile::TempDir, Arc<Cloud>) {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path(), "us-east-1");
    (dir, Cloud::open(config).await.unwrap())
}

fn config(state_dir: &Path, region: &str) -> Config {
    Config {
        state_dir: state_dir.to_owned(),
        account: "123456789012".to_owned(),
        region: region.to_owned(),
        access_key_id: "AKIDEXAMPLE".to_owned(),
        secret_access_key: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned(),
        base_url: String::new(),
        model_server: Vec::new(),
        training_program: Vec::new(),
        delays: Delays::default(),
    }
}

fn request(method: &str, uri: &str, service: &str, names: &str, signature: &str) -> Parts {
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/{SCOPE}/{service}/aws4_request, SignedHeaders={names}, \
         Signature={signature}"
    );
    let host = if service == "iam" { "iam.amazonaws.com" } else { "example.amazonaws.com" };
    let mut request = Request::builder().method(method).uri(uri).header("host", host);
    request = request.header("x-amz-date", "20150830T123600Z").header("authorization", authorization);
    if names.contains("content-type") {
        let charset = if service == "iam" { "; charset=utf-8" } else { "" };
        request = request.header("content-type", format!("application/x-www-form-urlencoded{charset}"));
    }
    request.body(()).unwrap().into_parts().0
}

fn at(text: &str) -> Timestamp {
    parse_date(text).unwrap()
}

/// The first three are of AWS's Signature Version 4 test suite, the last is its documentation's example.
#[tokio::test]
async fn the_published_signatures_are_accepted_and_no_other() {
    let (_dir, cloud) = cloud().await;
    let cases = [
        (
            "GET",
            "/",
            "service",
            "host;x-amz-date",
            "",
            "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
        ),
        (
            "GET",
            "/?Param2=value2&Param1=value1",
            "service",
            "host;x-amz-date",
            "",
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
        ),
        (
            "POST",
            "/",
            "service",
            "content-type;host;x-amz-date",
            "Param1=value1",
            "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
        ),
        (
            "GET",
            "/?Action=ListUsers&Version=2010-05-08",
            "iam",
            "content-type;host;x-amz-date",
            "",
            "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7",
        ),
    ];
    let now = at("20150830T123700Z");
    for (method, uri, service, names, body, signature) in cases {
        let check = |uri: &str, body: &str, signature: &str| {
            let parts = request(method, uri, service, names, signature);
            verify_at(&cloud, &parts, &Bytes::from(body.to_owned()), now).map(|caller| caller.arn)
        };
        let arn = Ok("arn:aws:iam::123456789012:user/local".to_owned());
        assert_eq!(check(uri, body, signature), arn, "{method} {uri} {body}");
        assert_eq!(check(uri, "other", signature), Err(mismatch()), "another body");
        assert_eq!(check("/other", body, signature), Err(mismatch()), "another path");
        assert_eq!(check(uri, body, &signature.replace('f', "e")), Err(mismatch()), "another signature");
    }
}

#[tokio::test]
async fn a_signature_is_good_for_a_quarter_of_an_hour() {
    let (_dir, cloud) = cloud().await;
    let signature = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31";
    let parts = request("GET", "/", "service", "host;x-amz-date", signature);
    let check = |now: &str| verify_at(&cloud, &parts, &Bytes::new(), at(now)).map(|_| ());
    assert_eq!(check("20150830T125100Z"), Ok(()));
    assert_eq!(check("20150830T122100Z"), Ok(()));
    insta::assert_snapshot!(
        check("20150830T125101Z").unwrap_err(),
        @"Signature expired: 20150830T123600Z is now earlier than 20150830T123601Z (20150830T125101Z - 15 min.)"
    );
    insta::assert_snapshot!(
        check("20150830T122059Z").unwrap_err(),
        @"Signature not yet current: 20150830T123600Z is still later than 20150830T123559Z (20150830T122059Z + 15 min.)"
    );
}

#[test]
fn global_services_take_the_region_of_the_cloud_and_the_first_of_its_partition() {
    let accepted = |here: &str, service: &str, signed: &str| {
        let value = format!(
            "AWS4-HMAC-SHA256 Credential=A/20150830/{signed}/{service}/aws4_request, SignedHeaders=host, Signature=0"
        );
        let headers = HeaderMap::from_iter([(http::header::AUTHORIZATION, value.parse().unwrap())]);
        check_region(&Authorization::parse(&headers).unwrap(), &config(Path::new("state"), here)).is_ok()
    };
    let regions = [
        ("us-east-1", "us-east-1"),
        ("ap-south-1", "us-east-1"),
        ("cn-northwest-1", "cn-north-1"),
        ("us-gov-east-1", "us-gov-west-1"),
    ];
    for (here, first) in regions {
        for service in ["iam", "sts"] {
            assert!(accepted(here, service, here) && accepted(here, service, first), "{service} in {here}");
            assert!(!accepted(here, service, "eu-west-1"), "{service} in {here}");
        }
        assert!(accepted(here, "sagemaker", here), "{here}");
        assert_eq!(accepted(here, "sagemaker", first), here == first, "{here}");
    }
    assert!(!accepted("cn-north-1", "iam", "us-east-1"));
}

#[tokio::test]
async fn a_header_that_decides_the_operation_must_be_signed() {
    let (_dir, cloud) = cloud().await;
    let signature = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31";
    let mut parts = request("GET", "/", "service", "host;x-amz-date", signature);
    parts.headers.insert("x-amz-target", "SageMaker.DeleteModel".parse().unwrap());
    let refused = verify_at(&cloud, &parts, &Bytes::new(), at("20150830T123600Z")).unwrap_err();
    assert_eq!(refused.to_string(), "'x-amz-target' must be a 'SignedHeader' in the AWS Authorization.");
}

#[test]
fn paths_are_normalised_and_encoded_once_more() {
    let cases = [("", "/"), ("/", "/"), ("/a//b/./c/../d/", "/a/b/d/"), ("/..", "/"), ("/x%20y:$", "/x%2520y%3A%24")];
    for (path, canonical) in cases {
        assert_eq!(canonical_path(path), canonical, "{path}");
    }
}
