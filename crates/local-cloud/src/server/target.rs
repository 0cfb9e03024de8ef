//! Whom a request is for, by the signing name in its credential scope or, unsigned, by its path.

use http::{HeaderMap, Request};

use crate::service::{ecr, s3};
use crate::signature::Authorization;

/// A service, as far as protocols tell them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Service {
    S3,
    Iam,
    Sts,
    SageMaker,
    Runtime,
    Lambda,
    ApiGateway,
    Logs,
    /// In JSON.
    CloudWatch,
    /// In CBOR.
    CloudWatchCbor,
    Autoscaling,
    Quotas,
    Ecr,
    Other,
}

impl Service {
    /// Whether it speaks JSON 1.1, which knows no status but 400 for what a caller did wrong.
    pub(super) fn speaks_json(self) -> bool {
        matches!(self, Self::SageMaker | Self::Logs | Self::Ecr | Self::Autoscaling | Self::Quotas | Self::Other)
    }

    /// Signing name, or `execute-api` where there is none.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::S3 => "s3",
            Self::Iam => "iam",
            Self::Sts => "sts",
            Self::SageMaker | Self::Runtime => "sagemaker",
            Self::Lambda => "lambda",
            Self::ApiGateway => "apigateway",
            Self::Logs => "logs",
            Self::CloudWatch | Self::CloudWatchCbor => "monitoring",
            Self::Autoscaling => "application-autoscaling",
            Self::Quotas => "servicequotas",
            Self::Ecr => "ecr",
            Self::Other => "unknown",
        }
    }

    fn signed_as(name: &str, headers: &HeaderMap) -> Self {
        match name {
            "s3" => Self::S3,
            "iam" => Self::Iam,
            "sts" => Self::Sts,
            "sagemaker" if headers.contains_key("x-amz-target") => Self::SageMaker,
            "sagemaker" => Self::Runtime,
            "lambda" => Self::Lambda,
            "apigateway" => Self::ApiGateway,
            "logs" => Self::Logs,
            "monitoring" if is_cbor(headers) => Self::CloudWatchCbor,
            // Clients of before 2025 ask in the query protocol.
            "monitoring" if is_form(headers) => Self::Other,
            "monitoring" => Self::CloudWatch,
            "application-autoscaling" => Self::Autoscaling,
            "servicequotas" => Self::Quotas,
            "ecr" => Self::Ecr,
            _ => Self::Other,
        }
    }
}

/// Whom a request is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// This program's own routes.
    Local,
    /// A deployed API; the path begins with `/`.
    Public { api_id: String, path: String },
    /// The image registry, which checks a password of its own.
    Registry,
    /// A service that can check the signature.
    Service(Service),
    /// Nobody signed; the service is a guess that decides the refusal's shape.
    Unsigned(Service),
    /// A service that is not here, by its signing name.
    Absent(String),
}

impl Target {
    pub(super) fn of<B>(request: &Request<B>) -> Self {
        let path = request.uri().path();
        if path.starts_with("/_local/") {
            return Self::Local;
        }
        if let Some(public) = Self::public(request) {
            return public;
        }
        let headers = request.headers();
        if let Ok(authorization) = Authorization::parse(headers) {
            return match Service::signed_as(authorization.service, headers) {
                Service::S3 if s3::is_control(headers, path) => Self::Absent("s3control".to_owned()),
                Service::Other => Self::Absent(authorization.service.to_owned()),
                service => Self::Service(service),
            };
        }
        if ecr::is_registry(path) {
            return Self::Registry;
        }
        match s3::presigned_service(request.uri().query().unwrap_or_default()) {
            Some(service) if service == "s3" => return Self::Service(Service::S3),
            Some(service) => return Self::Absent(format!("{service}, presigned")),
            None => {}
        }
        if s3::is_post_form(request.method(), headers) || s3::is_signed_by_version_2(headers) {
            return Self::Service(Service::S3);
        }
        match guess(headers, path) {
            Service::Other => Self::Absent(unsigned_name(headers)),
            service => Self::Unsigned(service),
        }
    }

    /// `/execute-api/<id>/…`, or any path under the host `<id>.execute-api.localhost`.
    fn public<B>(request: &Request<B>) -> Option<Self> {
        let path = request.uri().path();
        let host = request.headers().get(http::header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
        if let Some(api_id) = name.strip_suffix(".execute-api.localhost") {
            return Some(Self::Public { api_id: api_id.to_owned(), path: path.to_owned() });
        }
        let rest = path.strip_prefix("/execute-api/")?;
        let (api_id, path) = rest.find('/').map_or((rest, "/"), |slash| rest.split_at(slash));
        Some(Self::Public { api_id: api_id.to_owned(), path: path.to_owned() })
    }

    /// Whose protocol an answer is written in.
    pub(super) fn service(&self) -> Service {
        match self {
            Self::Local | Self::Public { .. } => Service::ApiGateway,
            Self::Registry => Service::Ecr,
            Self::Service(service) | Self::Unsigned(service) => *service,
            Self::Absent(_) => Service::Other,
        }
    }

    /// The service's name in the request log and in fault rules.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Public { .. } => "execute-api",
            Self::Registry => "registry",
            Self::Service(service) | Self::Unsigned(service) => service.name(),
            Self::Absent(_) => "unknown",
        }
    }
}

/// Whether a request is written in Smithy RPC v2 CBOR.
fn is_cbor(headers: &HeaderMap) -> bool {
    headers.get("smithy-protocol").is_some_and(|protocol| protocol == "rpc-v2-cbor")
}

fn is_form(headers: &HeaderMap) -> bool {
    let kind = headers.get(http::header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    kind.is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"))
}

/// The service that `X-Amz-Target` names before the dot.
fn unsigned_name(headers: &HeaderMap) -> String {
    let target = headers.get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default();
    target.split_once('.').map_or(target, |(service, _)| service).to_owned()
}

/// The likely service of a request without a readable signature.
fn guess(headers: &HeaderMap, path: &str) -> Service {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let target = text("x-amz-target");
    if target.starts_with("Logs_") {
        Service::Logs
    } else if target.starts_with("GraniteServiceVersion") {
        Service::CloudWatch
    } else if is_cbor(headers) {
        Service::CloudWatchCbor
    } else if target.starts_with("AnyScaleFrontendService.") {
        Service::Autoscaling
    } else if target.starts_with("ServiceQuotasV") {
        Service::Quotas
    } else if target.starts_with("AmazonEC2ContainerRegistry_") {
        Service::Ecr
    } else if target.starts_with("SageMaker.") {
        Service::SageMaker
    } else if !target.is_empty() {
        Service::Other
    } else if is_form(headers) {
        Service::Iam
    } else if path.starts_with("/endpoints/") {
        Service::Runtime
    } else if path.starts_with("/v2/") {
        Service::ApiGateway
    } else if path.starts_with("/20") {
        Service::Lambda
    } else {
        Service::S3
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(path: &str, headers: &[(&str, &str)]) -> Target {
        let mut request = Request::builder().uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Target::of(&request.body(()).unwrap())
    }

    fn signed(name: &str) -> String {
        format!("AWS4-HMAC-SHA256 Credential=A/20260101/us-east-1/{name}/aws4_request, SignedHeaders=host, Signature=0")
    }

    #[test]
    fn the_signing_name_decides() {
        let cases = [
            ("s3", "/bucket/key", Service::S3),
            ("iam", "/", Service::Iam),
            ("sagemaker", "/endpoints/fraud/invocations", Service::Runtime),
            ("lambda", "/2015-03-31/functions", Service::Lambda),
            ("apigateway", "/v2/apis", Service::ApiGateway),
        ];
        for (name, path, service) in cases {
            assert_eq!(target(path, &[("authorization", &signed(name))]), Target::Service(service), "{name}");
        }
        let headers = [("authorization", &*signed("sagemaker")), ("x-amz-target", "SageMaker.CreateModel")];
        assert_eq!(target("/", &headers), Target::Service(Service::SageMaker));
        assert_eq!(target("/", &[("authorization", &signed("ec2"))]), Target::Absent("ec2".to_owned()));
        let form = ("content-type", "application/x-www-form-urlencoded");
        let old = target("/", &[("authorization", &signed("monitoring")), form]);
        assert_eq!(old, Target::Absent("monitoring".to_owned()));
        let path = "/service/GraniteServiceVersion20100801/operation/DescribeAlarms";
        let cbor = [("authorization", &*signed("monitoring")), ("smithy-protocol", "rpc-v2-cbor")];
        assert_eq!(target(path, &cbor), Target::Service(Service::CloudWatchCbor));
        assert_eq!(target("/", &cbor[..1]), Target::Service(Service::CloudWatch));
    }

    #[test]
    fn a_deployed_api_answers_by_path_and_by_host() {
        let public = |path: &str| Target::Public { api_id: "a1b2".to_owned(), path: path.to_owned() };
        assert_eq!(target("/execute-api/a1b2/score/x%20y?q=1", &[]), public("/score/x%20y"));
        assert_eq!(target("/execute-api/a1b2", &[]), public("/"));
        assert_eq!(target("/score", &[("host", "a1b2.execute-api.localhost:4566")]), public("/score"));
    }

    #[test]
    fn what_nobody_signed_is_refused_in_its_likely_protocol() {
        assert_eq!(target("/bucket/key", &[]), Target::Unsigned(Service::S3));
        assert_eq!(target("/2015-03-31/functions", &[]), Target::Unsigned(Service::Lambda));
        assert_eq!(target("/", &[("x-amz-target", "Logs_20140328.CreateLogGroup")]), Target::Unsigned(Service::Logs));
        let identity = target("/", &[("x-amz-target", "AWSCognitoIdentityService.GetId")]);
        assert_eq!(identity, Target::Absent("AWSCognitoIdentityService".to_owned()));
    }
}
