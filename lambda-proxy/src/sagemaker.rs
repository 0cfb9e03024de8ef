//! The scoring call, and what its faults mean.

use std::time::Duration;

use aws_credential_types::Credentials;
use aws_sdk_sagemakerruntime::Client;
use aws_sdk_sagemakerruntime::config::retry::RetryConfig;
use aws_sdk_sagemakerruntime::config::timeout::TimeoutConfig;
use aws_sdk_sagemakerruntime::config::{BehaviorVersion, Builder, Region, StalledStreamProtectionConfig};
use aws_sdk_sagemakerruntime::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_sagemakerruntime::operation::RequestId;
use aws_sdk_sagemakerruntime::operation::invoke_endpoint::InvokeEndpointError;
use aws_sdk_sagemakerruntime::primitives::Blob;

use crate::config::{ConfigError, required};
use crate::proxy::{Fault, FaultKind};

/// Attempts in total, as in the SDK's standard mode.
const MAX_ATTEMPTS: u32 = 3;
/// A connection within a region takes milliseconds; longer means that it will not come.
const CONNECT_LIMIT: Duration = Duration::from_secs(2);
/// All attempts together. Below Lambda's 28 s, itself below API Gateway's 29 s, so that the caller gets our 504 and
/// not a gateway's 503.
const CALL_LIMIT: Duration = Duration::from_secs(25);

/// The endpoint, ready to be asked.
#[derive(Debug, Clone)]
pub struct Endpoint {
    client: Client,
    name: String,
    /// Whether the container is asked for contributions too.
    explain: bool,
}

/// Asks our container for contributions. AWS's prebuilt ones ignore it, as they do every custom attribute.
const CONTRIBUTIONS: &str = "contributions";

impl Endpoint {
    /// Builds the client for endpoint `name` from the variables that Lambda sets in every function.
    ///
    /// Credentials in the environment stay valid as long as the process may run, so they are read once. The same two
    /// variables name another endpoint URL as in every AWS SDK; on AWS neither is set.
    pub fn connect(name: impl Into<String>, get: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        Ok(Self { client: Client::from_conf(settings(&get)?.build()), name: name.into(), explain: false })
    }

    /// The same endpoint, asked for what each feature contributes to a score as well, or not.
    #[must_use]
    pub fn explaining(self, explain: bool) -> Self {
        Self { explain, ..self }
    }

    /// Sends one CSV row and gives back the text of the container's answer.
    pub async fn score(&self, row: String) -> Result<Vec<u8>, Fault> {
        let call = self.client.invoke_endpoint().endpoint_name(&self.name).content_type("text/csv").accept("text/csv");
        let call = call.set_custom_attributes(self.explain.then(|| CONTRIBUTIONS.to_owned()));
        match call.body(Blob::new(row)).send().await {
            Ok(output) => Ok(output.body.map(Blob::into_inner).unwrap_or_default()),
            Err(error) => Err(meaning(&error)),
        }
    }
}

fn settings(get: &impl Fn(&str) -> Option<String>) -> Result<Builder, ConfigError> {
    let present = |name| get(name).filter(|value| !value.is_empty());
    let key = required(get, "AWS_ACCESS_KEY_ID")?;
    let secret = required(get, "AWS_SECRET_ACCESS_KEY")?;
    let credentials = Credentials::new(key, secret, present("AWS_SESSION_TOKEN"), None, "environment");
    let mut settings = Builder::new()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(required(get, "AWS_REGION")?))
        .credentials_provider(credentials)
        .retry_config(RetryConfig::standard().with_max_attempts(MAX_ATTEMPTS))
        .timeout_config(
            TimeoutConfig::builder()
                .connect_timeout(CONNECT_LIMIT)
                .read_timeout(CALL_LIMIT)
                .operation_timeout(CALL_LIMIT)
                .build(),
        )
        // A model that thinks for long is no stalled stream; the limit on the whole call bounds both.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
    settings.set_endpoint_url(present("AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME").or_else(|| present("AWS_ENDPOINT_URL")));
    Ok(settings)
}

fn meaning(error: &SdkError<InvokeEndpointError>) -> Fault {
    let (kind, cause) = match error {
        SdkError::TimeoutError(_) => (FaultKind::TimedOut, "no answer within the limit".to_owned()),
        SdkError::DispatchFailure(failure) if failure.is_timeout() => {
            (FaultKind::TimedOut, DisplayErrorContext(error).to_string())
        }
        SdkError::ServiceError(service) => service_meaning(service.err(), service.raw().status().as_u16()),
        // The remaining ones hold no part of the request: a connection or a response that could not be used.
        other => (FaultKind::Failed, DisplayErrorContext(other).to_string()),
    };
    let request = error.request_id().map(|id| format!(" (request {id})")).unwrap_or_default();
    Fault { kind, detail: format!("{cause}{request}") }
}

fn service_meaning(error: &InvokeEndpointError, http_status: u16) -> (FaultKind, String) {
    let code = error.code().unwrap_or("unknown code");
    let message = error.message().unwrap_or("no message");
    if let InvokeEndpointError::ModelError(model) = error {
        let status = model.original_status_code().and_then(|status| u16::try_from(status).ok());
        let shown = status.map_or_else(|| "no status".to_owned(), |status| format!("status {status}"));
        // Not the container's message, which may quote cells of the row.
        let log = model.log_stream_arn().unwrap_or("the endpoint's log group");
        return (FaultKind::Model { status }, format!("{code}: the container answered with {shown}, see {log}"));
    }
    let kind = match error {
        InvokeEndpointError::ValidationError(_) if message.contains("not found") => FaultKind::NoEndpoint,
        InvokeEndpointError::ValidationError(_) => FaultKind::Invalid,
        InvokeEndpointError::ModelNotReadyException(_) => FaultKind::Busy,
        InvokeEndpointError::InternalDependencyException(_)
        | InvokeEndpointError::InternalFailure(_)
        | InvokeEndpointError::ServiceUnavailable(_) => FaultKind::Unavailable,
        _ => match (code, http_status) {
            (code, _) if code.contains("Throttl") => FaultKind::Busy,
            (_, 429) => FaultKind::Busy,
            (code, _) if code.contains("AccessDenied") => FaultKind::Denied,
            // A bad signature or an expired token: 403 whatever the code.
            (_, 401 | 403) => FaultKind::Denied,
            (_, 500..) => FaultKind::Unavailable,
            _ => FaultKind::Failed,
        },
    };
    (kind, format!("{code}: {message}"))
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;
    use tokio::task::JoinHandle;

    use super::*;

    const ENVIRONMENT: [(&str, &str); 4] = [
        ("AWS_REGION", "ap-south-1"),
        ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("AWS_SESSION_TOKEN", "token"),
    ];

    fn lookup(extra: Vec<(&'static str, String)>) -> impl Fn(&str) -> Option<String> {
        move |name| {
            let extra = extra.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone());
            extra.or_else(|| ENVIRONMENT.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()))
        }
    }

    /// Answers `replies` in turn, one a connection, and gives back the requests as received.
    async fn canned(replies: Vec<String>) -> (String, JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let served = tokio::spawn(async move {
            let mut requests = Vec::new();
            for reply in replies {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = Vec::new();
                // The row of every test ends in this mark, so no length needs to be read.
                while !request.ends_with(b"7.25") {
                    assert!(stream.read_buf(&mut request).await.unwrap() > 0, "the request ended early");
                }
                requests.push(String::from_utf8(request).unwrap());
                stream.write_all(reply.as_bytes()).await.unwrap();
            }
            requests
        });
        (url, served)
    }

    fn reply(status: u16, error_type: &str, body: &str) -> String {
        let length = body.len();
        format!(
            "HTTP/1.1 {status} X\r\nx-amzn-errortype: {error_type}\r\nx-amzn-requestid: 7c1e\r\n\
             content-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
        )
    }

    async fn fault(status: u16, error_type: &str, body: &str) -> Fault {
        let (url, served) = canned(vec![reply(status, error_type, body)]).await;
        let settings = settings(&lookup(vec![("AWS_ENDPOINT_URL", url)])).unwrap();
        // One attempt: the back-off between attempts is the SDK's and takes seconds.
        let client = Client::from_conf(settings.retry_config(RetryConfig::disabled()).build());
        let fault =
            Endpoint { client, name: "fraud".into(), explain: false }.score("1.5,7.25".into()).await.unwrap_err();
        served.await.unwrap();
        fault
    }

    #[tokio::test]
    async fn a_row_is_sent_as_signed_csv_and_the_answer_comes_back_as_it_is() {
        let (url, served) = canned(vec![reply(200, "", "6.976925305934856e-06\n")]).await;
        let endpoint = Endpoint::connect("fraud", lookup(vec![("AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME", url)])).unwrap();
        assert_eq!(endpoint.score("1.5,7.25".into()).await.unwrap(), b"6.976925305934856e-06\n");
        let request = &served.await.unwrap()[0];
        assert!(request.starts_with("POST /endpoints/fraud/invocations HTTP/1.1\r\n"), "{request}");
        for line in ["content-type: text/csv", "accept: text/csv", "x-amz-security-token: token"] {
            assert!(request.lines().any(|have| have == line), "{line} is not in {request}");
        }
        assert!(
            request.contains("AKIDEXAMPLE/") && request.contains("/ap-south-1/sagemaker/aws4_request"),
            "{request}"
        );
        assert!(request.ends_with("\r\n\r\n1.5,7.25"), "{request}");
    }

    #[tokio::test]
    async fn contributions_are_asked_for_only_if_there_are_to_be_reasons() {
        for explain in [false, true] {
            let (url, served) = canned(vec![reply(200, "", "0.5")]).await;
            let endpoint = Endpoint::connect("fraud", lookup(vec![("AWS_ENDPOINT_URL", url)])).unwrap();
            endpoint.explaining(explain).score("7.25".into()).await.unwrap();
            let request = &served.await.unwrap()[0];
            let header = request.lines().find(|line| line.starts_with("x-amzn-sagemaker-custom-attributes"));
            assert_eq!(header, explain.then_some("x-amzn-sagemaker-custom-attributes: contributions"), "{request}");
        }
    }

    #[tokio::test]
    async fn the_url_of_the_service_wins_over_the_url_of_all_services() {
        let (url, served) = canned(vec![reply(200, "", "1")]).await;
        let both =
            vec![("AWS_ENDPOINT_URL", "http://127.0.0.1:1".to_owned()), ("AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME", url)];
        Endpoint::connect("fraud", lookup(both)).unwrap().score("7.25".into()).await.unwrap();
        served.await.unwrap();
    }

    #[tokio::test]
    async fn a_passing_fault_is_tried_again() {
        let replies = vec![reply(503, "ServiceUnavailable", "{}"), reply(200, "", "0.25")];
        let (url, served) = canned(replies).await;
        let endpoint = Endpoint::connect("fraud", lookup(vec![("AWS_ENDPOINT_URL", url)])).unwrap();
        assert_eq!(endpoint.score("7.25".into()).await.unwrap(), b"0.25");
        assert_eq!(served.await.unwrap().len(), 2);
    }

    #[tokio::test]
    async fn each_service_fault_means_what_the_service_says() {
        let model = |status: u16| {
            format!(
                r#"{{"OriginalStatusCode":{status},"OriginalMessage":"could not convert string to float: '7.25'","LogStreamArn":"arn:aws:logs:s","Message":"Received"}}"#
            )
        };
        let faults = [
            fault(400, "ValidationError", r#"{"Message":"Endpoint fraud of account 123456789012 not found."}"#).await,
            fault(400, "ValidationError", r#"{"Message":"1 validation error detected"}"#).await,
            fault(424, "ModelError", &model(415)).await,
            fault(424, "ModelError", &model(500)).await,
            fault(424, "ModelError", r#"{"Message":"Received"}"#).await,
            fault(429, "ModelNotReadyException", "{}").await,
            fault(400, "ThrottlingException", r#"{"message":"Rate exceeded"}"#).await,
            fault(500, "InternalFailure", "{}").await,
            fault(530, "InternalDependencyException", "{}").await,
            fault(403, "AccessDeniedException", r#"{"Message":"User: arn is not authorized"}"#).await,
            fault(403, "ExpiredTokenException", r#"{"message":"The security token is expired"}"#).await,
            fault(400, "SomethingNew", "{}").await,
        ];
        let table: Vec<String> = faults.iter().map(|fault| format!("{:?}: {}", fault.kind, fault.detail)).collect();
        insta::assert_snapshot!(table.join("\n"), @"
        NoEndpoint: ValidationError: Endpoint fraud of account 123456789012 not found. (request 7c1e)
        Invalid: ValidationError: 1 validation error detected (request 7c1e)
        Model { status: Some(415) }: ModelError: the container answered with status 415, see arn:aws:logs:s (request 7c1e)
        Model { status: Some(500) }: ModelError: the container answered with status 500, see arn:aws:logs:s (request 7c1e)
        Model { status: None }: ModelError: the container answered with no status, see the endpoint's log group (request 7c1e)
        Busy: ModelNotReadyException: no message (request 7c1e)
        Busy: ThrottlingException: Rate exceeded (request 7c1e)
        Unavailable: InternalFailure: no message (request 7c1e)
        Unavailable: InternalDependencyException: no message (request 7c1e)
        Denied: AccessDeniedException: User: arn is not authorized (request 7c1e)
        Denied: ExpiredTokenException: The security token is expired (request 7c1e)
        Failed: SomethingNew: no message (request 7c1e)
        ");
    }

    #[tokio::test]
    async fn no_connection_and_no_answer_are_told_apart() {
        let settings = settings(&lookup(vec![("AWS_ENDPOINT_URL", "http://127.0.0.1:1".to_owned())])).unwrap();
        let client = Client::from_conf(settings.clone().retry_config(RetryConfig::disabled()).build());
        let refused = Endpoint { client, name: "fraud".into(), explain: false }.score("7.25".into()).await.unwrap_err();
        assert_eq!(refused.kind, FaultKind::Failed, "{}", refused.detail);

        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let limits = TimeoutConfig::builder().operation_timeout(Duration::from_millis(100)).build();
        let settings = settings.endpoint_url(format!("http://{}", silent.local_addr().unwrap())).timeout_config(limits);
        let endpoint = Endpoint { client: Client::from_conf(settings.build()), name: "fraud".into(), explain: false };
        assert_eq!(endpoint.score("7.25".into()).await.unwrap_err().kind, FaultKind::TimedOut);
    }

    #[test]
    fn missing_region_or_credentials_stop_the_function_at_init() {
        for name in ["AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
            let error = Endpoint::connect("fraud", lookup(vec![(name, String::new())])).unwrap_err();
            assert_eq!(error, ConfigError::Missing(name));
        }
    }
}
