//! Every SDK client, built once from a place. Another cloud is another endpoint, never another type.

use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_sdk_apigatewayv2::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use spec::AwsTarget;

use crate::cloud_error::Explain;
use crate::{Cache, CloudError, Site};

/// How often a call of API Gateway is made that is throttled: about a quarter of a minute, by the SDK's own pauses.
const API_GATEWAY_ATTEMPTS: u32 = 6;

/// Every SDK client, and the cache: what observing may look at.
#[derive(Clone, Debug)]
pub struct Clients {
    /// API Gateway v2.
    pub apigateway: aws_sdk_apigatewayv2::Client,
    /// Application Auto Scaling.
    pub autoscaling: aws_sdk_applicationautoscaling::Client,
    /// CloudWatch: alarms.
    pub cloudwatch: aws_sdk_cloudwatch::Client,
    /// ECR.
    pub ecr: aws_sdk_ecr::Client,
    /// IAM.
    pub iam: aws_sdk_iam::Client,
    /// Lambda.
    pub lambda: aws_sdk_lambda::Client,
    /// CloudWatch Logs.
    pub logs: aws_sdk_cloudwatchlogs::Client,
    /// Service Quotas.
    pub quotas: aws_sdk_servicequotas::Client,
    /// S3.
    pub s3: aws_sdk_s3::Client,
    /// SageMaker.
    pub sagemaker: aws_sdk_sagemaker::Client,
    /// STS.
    pub sts: aws_sdk_sts::Client,
    /// Files on this machine.
    pub cache: Cache,
    plain_http: bool,
    pub(crate) region: String,
    pub(crate) credentials: Option<SharedCredentialsProvider>,
}

/// How to reach a cloud.
#[derive(Clone, Debug)]
pub enum Connection {
    /// The embedded local cloud, with its own key.
    Local {
        /// `http://127.0.0.1:PORT`.
        url: String,
        /// Region it pretends to be.
        region: String,
        /// Its account's key.
        access_key_id: String,
        /// The secret of that key.
        secret_access_key: String,
        /// When the key is a session's.
        session_token: Option<String>,
    },
    /// AWS, or a server that speaks its protocols, with credentials found as every AWS tool finds them.
    Aws(AwsTarget),
}

impl Clients {
    /// Builds every client. Looks for credentials, and calls nobody.
    #[expect(clippy::disallowed_methods, reason = "the one home of SDK configuration")]
    pub async fn connect(connection: &Connection, cache: Cache) -> Self {
        let config = match connection {
            Connection::Local { url, region, access_key_id, secret_access_key, session_token } => {
                let token = session_token.clone();
                let key = Credentials::new(access_key_id, secret_access_key, token, None, "runner-local");
                SdkConfig::builder()
                    .behavior_version(BehaviorVersion::latest())
                    .region(Region::new(region.clone()))
                    .endpoint_url(url)
                    .credentials_provider(SharedCredentialsProvider::new(key))
                    .timeout_config(timeouts())
                    // No certificates are read: this machine may have none, and none are needed.
                    .http_client(aws_smithy_http_client::Builder::new().build_http())
                    .sleep_impl(aws_smithy_async::rt::sleep::SharedAsyncSleep::new(
                        aws_smithy_async::rt::sleep::TokioSleep::new(),
                    ))
                    .build()
            }
            Connection::Aws(target) => {
                let mut loader = aws_config::defaults(BehaviorVersion::latest())
                    .region(Region::new(target.region.clone()))
                    .timeout_config(timeouts());
                if let Some(profile) = &target.profile {
                    loader = loader.profile_name(profile);
                }
                if let Some(url) = &target.endpoint_url {
                    loader = loader.endpoint_url(url);
                }
                loader.load().await
            }
        };
        let clients = Self::from_config(&config, cache);
        match connection {
            // It counts loopback as TLS.
            Connection::Local { .. } => Self { plain_http: false, ..clients },
            Connection::Aws(_) => clients,
        }
    }

    /// Asks who we are: the account is part of every name.
    pub async fn site(&self) -> Result<Site, CloudError> {
        let identity = self.sts.get_caller_identity().send().await.about("sts:GetCallerIdentity", "the credentials")?;
        Ok(self.site_in(identity.account().unwrap_or_default()))
    }

    /// What requests are signed with, or why there is nothing.
    pub(crate) async fn credentials(&self) -> Result<Credentials, String> {
        let provider = self.credentials.as_ref().ok_or("no provider of credentials")?;
        provider.provide_credentials().await.map_err(|error| crate::inputs::with_sources(&error))
    }

    /// The place in an account that is known.
    pub fn site_in(&self, account: &str) -> Site {
        Site { account: account.to_owned(), region: self.region.clone(), plain_http: self.plain_http }
    }

    fn from_config(config: &SdkConfig, cache: Cache) -> Self {
        let endpoint = config.endpoint_url();
        // A server on one port cannot tell buckets apart by host name.
        let s3 = aws_sdk_s3::config::Builder::from(config).force_path_style(endpoint.is_some()).build();
        // All APIs of an account share ten management calls a second.
        let attempts = RetryConfig::standard().with_max_attempts(API_GATEWAY_ATTEMPTS);
        let apigateway = aws_sdk_apigatewayv2::config::Builder::from(config).retry_config(attempts).build();
        Self {
            apigateway: aws_sdk_apigatewayv2::Client::from_conf(apigateway),
            autoscaling: aws_sdk_applicationautoscaling::Client::new(config),
            cloudwatch: aws_sdk_cloudwatch::Client::new(config),
            ecr: aws_sdk_ecr::Client::new(config),
            iam: aws_sdk_iam::Client::new(config),
            lambda: aws_sdk_lambda::Client::new(config),
            logs: aws_sdk_cloudwatchlogs::Client::new(config),
            quotas: aws_sdk_servicequotas::Client::new(config),
            s3: aws_sdk_s3::Client::from_conf(s3),
            sagemaker: aws_sdk_sagemaker::Client::new(config),
            sts: aws_sdk_sts::Client::new(config),
            cache,
            plain_http: endpoint.is_some_and(|url| url.starts_with("http://")),
            credentials: config.credentials_provider(),
            region: config.region().map(ToString::to_string).unwrap_or_default(),
        }
    }
}

/// An attempt that hangs is ended and repeated by the SDK's own three attempts. Uploads of large archives need long.
fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(5))
        .read_timeout(Duration::from_mins(1))
        .operation_attempt_timeout(Duration::from_mins(5))
        .build()
}
