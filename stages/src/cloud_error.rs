//! What a service's refusal means. One table, because SageMaker reports a missing endpoint as a validation error.

mod hint;

use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::RequestId;

/// A call that was refused or had no answer.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct CloudError(Box<Refusal>);

#[derive(Debug, thiserror::Error)]
#[error("{operation} on {subject} {}", self.how())]
struct Refusal {
    operation: &'static str,
    subject: String,
    code: Option<String>,
    message: Option<String>,
    request_id: Option<String>,
    status: Option<u16>,
    no_credentials: bool,
    /// Known to stay, whatever it would mean otherwise.
    for_good: bool,
    source: Box<dyn Error + Send + Sync>,
}

/// What a refusal means for the stage that made the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// The thing does not exist.
    Absent,
    /// The thing exists already.
    AlreadyThere,
    /// An earlier write is not visible yet: the same call will do.
    NotYet,
    /// Another write on the same thing is in flight: the same call will do.
    Busy,
    /// What the call goes on with has gone, or has gone on without it: all of it is to be begun anew.
    BeginAnew,
    /// Too many calls.
    Throttled,
    /// The caller may not.
    Refused,
    /// A condition of the call did not hold.
    Precondition,
    /// The account may not have so much.
    OverQuota,
    /// The call was never made: there is nothing to sign it with.
    NoCredentials,
    /// No answer came: the effect is unknown.
    NoAnswer,
    /// Anything else.
    Other,
}

impl CloudError {
    /// What it means.
    pub fn meaning(&self) -> Meaning {
        let Refusal { operation, code, message, status, no_credentials, .. } = self.0.as_ref();
        if *no_credentials {
            return Meaning::NoCredentials;
        }
        if self.0.for_good {
            return Meaning::Refused;
        }
        let service = operation.split(':').next().unwrap_or_default();
        let code = code.as_deref().unwrap_or_default();
        if code.is_empty() && status.is_none() {
            return Meaning::NoAnswer;
        }
        meaning(service, code, message.as_deref().unwrap_or_default(), *status)
    }

    /// A refusal that stands within an answer.
    pub(crate) fn within(operation: &'static str, subject: String, code: &str, message: &str) -> Self {
        Self(Box::new(Refusal {
            operation,
            subject,
            code: Some(code.to_owned()),
            message: Some(message.to_owned()),
            request_id: None,
            status: None,
            no_credentials: false,
            for_good: false,
            source: message.to_owned().into(),
        }))
    }

    /// Says that the same call would be refused again, however often.
    pub(crate) fn for_good(mut self) -> Self {
        self.0.for_good = true;
        self
    }

    /// `<service>:<Operation>`, as IAM writes it.
    pub fn operation(&self) -> &'static str {
        self.0.operation
    }

    /// The service's own words, or why there are none.
    pub fn message(&self) -> String {
        self.0.message.clone().unwrap_or_else(|| self.0.source.to_string())
    }
}

impl Refusal {
    fn how(&self) -> String {
        match (&self.code, &self.request_id) {
            (Some(code), Some(id)) => format!("was refused ({code}, request {id})"),
            (Some(code), None) => format!("was refused ({code})"),
            (None, _) => match self.status {
                Some(status) => format!("was refused (HTTP {status})"),
                None if self.no_credentials => "could not be signed".to_owned(),
                None => "had no answer".to_owned(),
            },
        }
    }
}

/// The table: service, wire code (IAM's also without the suffix), and how the message begins where the code alone
/// does not tell. Sources: `e2e/aws-errors.tsv`.
fn meaning(service: &str, code: &str, message: &str, status: Option<u16>) -> Meaning {
    let begins = |prefix: &str| message.starts_with(prefix);
    let contains = |part: &str| message.contains(part);
    match (service, code.strip_suffix("Exception").unwrap_or(code)) {
        ("sagemaker", "Validation") if begins("Could not find") || begins("Requested resource not found") => {
            Meaning::Absent
        }
        ("sagemaker", "Validation") if begins("Cannot create already existing") => Meaning::AlreadyThere,
        ("sagemaker", "Validation") if begins("Cannot update in-progress") => Meaning::Busy,
        ("sagemaker", "ResourceInUse") if begins("Training job names must be unique") => Meaning::AlreadyThere,
        // Objects of ours are there before a job is made of them, so it is the role that is not seen.
        ("sagemaker", "Validation")
            if begins("Could not assume role")
                || begins("Could not access model data")
                || begins("No S3 objects found") =>
        {
            Meaning::NotYet
        }
        // The service's own role is made by the first registration in an account, and not seen at once.
        ("application-autoscaling", "FailedResourceAccess") => Meaning::NotYet,
        ("application-autoscaling", "Validation") if begins("Unable to assume IAM role") => Meaning::NotYet,
        ("lambda", "ResourceConflict") if begins("Function already exist") || contains("provided already exists") => {
            Meaning::AlreadyThere
        }
        ("lambda", "InvalidParameterValue")
            if contains("cannot be assumed by Lambda") || contains("does not have permissions to call") =>
        {
            Meaning::NotYet
        }
        ("lambda", "InvalidParameterValue") if contains("throttled by EC2") => Meaning::Busy,
        ("apigateway", "Conflict") if contains("already exists") => Meaning::AlreadyThere,
        ("apigateway", "BadRequest") if begins("Authorizer name must be unique") => Meaning::AlreadyThere,
        ("apigateway", "BadRequest") if begins("Insufficient permissions to enable logging") => Meaning::NotYet,
        // Waiting changes nothing: another route stands in the way, or somebody put the role on a machine.
        ("apigateway", "Conflict") if contains("conflicting variable") => Meaning::Other,
        ("iam", "DeleteConflict") if contains("instance profile") => Meaning::Other,
        // An answer was lost, and the SDK has sent the call again.
        ("ecr", "UploadNotFound" | "InvalidLayerPart") => Meaning::BeginAnew,
        ("lambda", "ResourceConflict")
        | ("apigateway", "Conflict")
        | ("application-autoscaling", "ConcurrentUpdate")
        | ("iam", "DeleteConflict" | "ConcurrentModification")
        | ("s3", "OperationAborted" | "ConditionalRequestConflict")
        | ("logs", "OperationAborted") => Meaning::Busy,
        (_, "NoSuchEntity" | "ResourceNotFound" | "NotFound" | "NoSuchBucket" | "NoSuchKey" | "404")
        | ("application-autoscaling", "ObjectNotFound")
        | ("s3", "NoSuchUpload")
        | ("ecr", "RepositoryNotFound" | "ImageNotFound") => Meaning::Absent,
        ("s3", code) if PARTS.contains(&code) => Meaning::Absent,
        (_, "EntityAlreadyExists" | "ResourceAlreadyExists" | "BucketAlreadyOwnedByYou")
        | ("ecr", "RepositoryAlreadyExists" | "LayerAlreadyExists" | "ImageAlreadyExists") => Meaning::AlreadyThere,
        (_, "PreconditionFailed") => Meaning::Precondition,
        ("sagemaker", "ResourceLimitExceeded")
        | ("iam" | "logs", "LimitExceeded")
        | ("lambda", "CodeStorageExceeded")
        | ("s3", "TooManyBuckets") => Meaning::OverQuota,
        (
            _,
            "Throttling" | "Throttled" | "TooManyRequests" | "RequestLimitExceeded" | "SlowDown" | "RequestThrottled",
        ) => Meaning::Throttled,
        (
            _,
            "AccessDenied"
            | "Forbidden"
            | "403"
            | "BucketAlreadyExists"
            | "UnrecognizedClient"
            | "InvalidClientTokenId",
        ) => Meaning::Refused,
        ("s3", "") if status == Some(404) => Meaning::Absent,
        ("s3", "") if status == Some(403) => Meaning::Refused,
        _ => Meaning::Other,
    }
}

/// Gives an SDK's error the call's name and subject.
pub(crate) trait Explain<T> {
    /// `operation` as IAM writes it, `subject` with its name in backticks.
    fn about(self, operation: &'static str, subject: impl Into<String>) -> Result<T, CloudError>;
}

impl<T, E, R> Explain<T> for Result<T, SdkError<E, R>>
where
    E: ProvideErrorMetadata + RequestId + Error + Send + Sync + 'static,
    R: Status + std::fmt::Debug + Send + Sync + 'static,
{
    fn about(self, operation: &'static str, subject: impl Into<String>) -> Result<T, CloudError> {
        self.map_err(|error| {
            let request_id = error.as_service_error().and_then(RequestId::request_id).map(ToOwned::to_owned);
            let source: Box<dyn Error + Send + Sync> = match error.message() {
                Some(message) => message.to_owned().into(),
                None => causes(&error).into(),
            };
            CloudError(Box::new(Refusal {
                operation,
                subject: subject.into(),
                code: error.code().map(ToOwned::to_owned),
                message: error.message().map(ToOwned::to_owned),
                request_id,
                status: error.raw_response().map(Status::status),
                no_credentials: lacks_credentials(&error),
                for_good: false,
                source,
            }))
        })
    }
}

/// What the table needs of a raw answer.
pub(crate) trait Status {
    fn status(&self) -> u16;
}

impl Status for aws_sdk_s3::config::http::HttpResponse {
    fn status(&self) -> u16 {
        self.status().as_u16()
    }
}

fn lacks_credentials(error: &(dyn Error + 'static)) -> bool {
    error.is::<CredentialsError>() || error.source().is_some_and(lacks_credentials)
}

/// An SDK error without a service message, told by its innermost causes.
fn causes(error: &dyn Error) -> String {
    let mut words = vec![error.to_string()];
    let mut next = error.source();
    while let Some(source) = next {
        let text = source.to_string();
        if words.last() != Some(&text) {
            words.push(text);
        }
        next = source.source();
    }
    words.join(": ")
}

/// Turns "absent" into `None`.
pub(crate) fn if_present<T>(result: Result<T, CloudError>) -> Result<Option<T>, CloudError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.meaning() == Meaning::Absent => Ok(None),
        Err(error) => Err(error),
    }
}

/// What a call about a part of a thing found, such as a bucket's tags.
#[derive(Debug)]
pub(crate) enum Part<T> {
    /// The thing itself is gone.
    Gone,
    /// It has no such part.
    Unset,
    /// It has.
    Set(T),
}

impl<T> Part<T> {
    /// Tells apart what S3 calls absent.
    pub(crate) fn of(result: Result<T, CloudError>) -> Result<Self, CloudError> {
        match result {
            Ok(value) => Ok(Self::Set(value)),
            Err(error) if error.meaning() != Meaning::Absent => Err(error),
            Err(error) if error.0.code.as_deref().is_some_and(|code| PARTS.contains(&code)) => Ok(Self::Unset),
            Err(_) => Ok(Self::Gone),
        }
    }

    pub(crate) fn is_gone(&self) -> bool {
        matches!(self, Self::Gone)
    }

    pub(crate) fn set(self) -> Option<T> {
        match self {
            Self::Set(value) => Some(value),
            Self::Unset | Self::Gone => None,
        }
    }
}

/// Codes of S3 for a part that a bucket, which is there, has not.
const PARTS: [&str; 6] = [
    "NoSuchTagSet",
    "NoSuchBucketPolicy",
    "NoSuchLifecycleConfiguration",
    "NoSuchPublicAccessBlockConfiguration",
    "OwnershipControlsNotFoundError",
    "ServerSideEncryptionConfigurationNotFoundError",
];

/// Turns "already there" into success: whoever calls it looks at what is there.
pub(crate) fn or_already_there<T>(result: Result<T, CloudError>) -> Result<Option<T>, CloudError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.meaning() == Meaning::AlreadyThere => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests;
