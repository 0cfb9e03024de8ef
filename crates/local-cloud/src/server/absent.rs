//! What this local cloud does not offer: services by their signing name, in the protocol of the request.
//!
//! Every such refusal has the status and the code of [`Refusal::not_offered`].

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Response};
use quick_xml::escape::escape;
use s3s::Body;
use serde_json::json;

use crate::call::Refusal;
use crate::service::cloudwatch::wire::Protocol;

/// Signing names, and what AWS calls these services. Source: botocore, `signingName` and `serviceFullName`.
const NAMES: [(&str, &str); 44] = [
    ("acm", "AWS Certificate Manager"),
    ("athena", "Amazon Athena"),
    ("autoscaling", "Auto Scaling"),
    ("batch", "AWS Batch"),
    ("bedrock", "Amazon Bedrock"),
    ("cloudformation", "AWS CloudFormation"),
    ("cloudfront", "Amazon CloudFront"),
    ("cloudtrail", "AWS CloudTrail"),
    ("codebuild", "AWS CodeBuild"),
    ("cognito-identity", "Amazon Cognito Identity"),
    ("cognito-idp", "Amazon Cognito Identity Provider"),
    ("config", "AWS Config"),
    ("dynamodb", "Amazon DynamoDB"),
    ("ec2", "Amazon EC2"),
    ("ecr-public", "Amazon ECR Public"),
    ("ecs", "Amazon ECS"),
    ("eks", "Amazon EKS"),
    ("elasticache", "Amazon ElastiCache"),
    ("elasticfilesystem", "Amazon EFS"),
    ("elasticloadbalancing", "Elastic Load Balancing"),
    ("elasticmapreduce", "Amazon EMR"),
    ("es", "Amazon OpenSearch Service"),
    ("events", "Amazon EventBridge"),
    ("firehose", "Amazon Data Firehose"),
    ("glue", "AWS Glue"),
    ("kinesis", "Amazon Kinesis"),
    ("kms", "AWS KMS"),
    ("lakeformation", "AWS Lake Formation"),
    ("organizations", "AWS Organizations"),
    ("rds", "Amazon RDS"),
    ("redshift", "Amazon Redshift"),
    ("route53", "Amazon Route 53"),
    ("s3-outposts", "Amazon S3 on Outposts"),
    ("s3express", "Amazon S3 Express"),
    ("scheduler", "Amazon EventBridge Scheduler"),
    ("secretsmanager", "AWS Secrets Manager"),
    ("servicediscovery", "AWS Cloud Map"),
    ("ses", "Amazon SES"),
    ("sns", "Amazon SNS"),
    ("sqs", "Amazon SQS"),
    ("ssm", "AWS Systems Manager"),
    ("states", "AWS Step Functions"),
    ("tagging", "AWS Resource Groups Tagging API"),
    ("xray", "AWS X-Ray"),
];

/// Services that speak REST-XML. Source: botocore, `protocol`.
const REST_XML: [&str; 4] = ["cloudfront", "route53", "s3-outposts", "s3express"];

/// Operations of STS that are called without a signature.
pub(super) const UNSIGNED_OF_STS: [&str; 2] = ["AssumeRoleWithSAML", "AssumeRoleWithWebIdentity"];

/// How a request is written, and so the refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Written {
    Cbor,
    Json,
    Query,
    /// The query protocol of Amazon EC2, whose errors have another envelope.
    Ec2,
    RestJson,
    RestXml,
}

/// Refuses a request to a service of this signing name.
pub(super) fn refuse(name: &str, parts: &Parts, body: &Bytes, id: &str) -> Response<Body> {
    let written = written(name, &parts.headers);
    let operation = operation(written, parts, body);
    let known = NAMES.iter().find(|(signing, _)| *signing == name).map(|(_, known)| *known);
    let service = known.map_or_else(|| format!("the service `{name}`"), |known| format!("{known} (`{name}`)"));
    render(written, &Refusal::not_offered(format!("{service}: `{operation}` was not done")), id)
}

fn written(name: &str, headers: &HeaderMap) -> Written {
    let starts = |header: &str, with: &str| {
        headers.get(header).and_then(|value| value.to_str().ok()).is_some_and(|value| value.starts_with(with))
    };
    if starts("smithy-protocol", "rpc-v2-cbor") {
        Written::Cbor
    } else if headers.contains_key("x-amz-target") {
        Written::Json
    } else if name == "ec2" {
        Written::Ec2
    } else if starts("content-type", "application/x-www-form-urlencoded") {
        Written::Query
    } else if REST_XML.contains(&name) {
        Written::RestXml
    } else {
        Written::RestJson
    }
}

fn operation(written: Written, parts: &Parts, body: &Bytes) -> String {
    let last = |text: &str, mark: char| text.rsplit(mark).next().unwrap_or_default().to_owned();
    let action = form_urlencoded::parse(body).find(|(name, _)| name == "Action").map(|(_, action)| action.into_owned());
    let named = match written {
        Written::Cbor => Some(last(parts.uri.path(), '/')),
        Written::Json => {
            parts.headers.get("x-amz-target").and_then(|target| target.to_str().ok()).map(|target| last(target, '.'))
        }
        Written::Query | Written::Ec2 => action,
        Written::RestJson | Written::RestXml => None,
    };
    named.unwrap_or_else(|| format!("{} {}", parts.method, parts.uri.path()))
}

fn render(written: Written, refusal: &Refusal, id: &str) -> Response<Body> {
    let Refusal { status, code, message, .. } = refusal;
    let text = escape(message);
    let error = format!("<Error><Type>Receiver</Type><Code>{code}</Code><Message>{text}</Message></Error>");
    let (kind, body) = match written {
        Written::Cbor => return Protocol::Cbor.refuse(refusal).map(Body::from),
        Written::Json => ("application/x-amz-json-1.0", json!({ "__type": code, "message": message }).to_string()),
        Written::RestJson => ("application/json", json!({ "message": message, "Message": message }).to_string()),
        Written::Query | Written::RestXml => {
            ("text/xml", format!("<ErrorResponse>{error}<RequestId>{id}</RequestId></ErrorResponse>"))
        }
        Written::Ec2 => {
            ("text/xml", format!("<Response><Errors>{error}</Errors><RequestID>{id}</RequestID></Response>"))
        }
    };
    let mut response = Response::new(Body::from(Bytes::from(body)));
    *response.status_mut() = *status;
    let headers = response.headers_mut();
    headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static(kind));
    for (name, value) in [("x-amzn-errortype", code.as_str()), ("x-amzn-requestid", id)] {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    }
    response
}

#[cfg(test)]
mod tests {
    use http::Request;
    use http_body_util::BodyExt as _;

    use super::*;

    async fn refused(name: &str, path: &str, headers: &[(&str, &str)], body: &str) -> String {
        let mut request = Request::post(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let response = refuse(name, &parts, &Bytes::from(body.to_owned()), "1");
        assert_eq!(response.status(), 501, "5xx of SDKs that are not sent again");
        let kind = response.headers()["content-type"].to_str().unwrap().to_owned();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        format!("{kind} {}", String::from_utf8_lossy(&body))
    }

    #[tokio::test]
    async fn an_absent_service_is_named_in_the_protocol_of_the_request() {
        let form = [("content-type", "application/x-www-form-urlencoded; charset=utf-8")];
        let target = [("x-amz-target", "DynamoDB_20120810.ListTables")];
        insta::assert_snapshot!(refused("dynamodb", "/", &target, "{}").await, @r#"application/x-amz-json-1.0 {"__type":"NotImplemented","message":"the local cloud does not offer Amazon DynamoDB (`dynamodb`): `ListTables` was not done"}"#);
        insta::assert_snapshot!(refused("ec2", "/", &form, "Action=DescribeVpcs").await, @"text/xml <Response><Errors><Error><Type>Receiver</Type><Code>NotImplemented</Code><Message>the local cloud does not offer Amazon EC2 (`ec2`): `DescribeVpcs` was not done</Message></Error></Errors><RequestID>1</RequestID></Response>");
        insta::assert_snapshot!(refused("sns", "/", &form, "Action=ListTopics&Version=1").await, @"text/xml <ErrorResponse><Error><Type>Receiver</Type><Code>NotImplemented</Code><Message>the local cloud does not offer Amazon SNS (`sns`): `ListTopics` was not done</Message></Error><RequestId>1</RequestId></ErrorResponse>");
        insta::assert_snapshot!(refused("route53", "/2013-04-01/hostedzone", &[], "").await, @"text/xml <ErrorResponse><Error><Type>Receiver</Type><Code>NotImplemented</Code><Message>the local cloud does not offer Amazon Route 53 (`route53`): `POST /2013-04-01/hostedzone` was not done</Message></Error><RequestId>1</RequestId></ErrorResponse>");
        insta::assert_snapshot!(refused("mars", "/rovers", &[], "").await, @r#"application/json {"Message":"the local cloud does not offer the service `mars`: `POST /rovers` was not done","message":"the local cloud does not offer the service `mars`: `POST /rovers` was not done"}"#);
        let cbor = [("smithy-protocol", "rpc-v2-cbor")];
        assert!(refused("dynamodb", "/service/D/operation/ListTables", &cbor, "").await.contains("does not offer"));
    }
}
