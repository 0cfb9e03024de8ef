//! Who asks: the credentials, how long they last, and what AWS's clock says.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::credential_feature::AwsCredentialFeature;
use aws_sdk_sts::config::interceptors::BeforeDeserializationInterceptorContextRef;
use aws_sdk_sts::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_sts::primitives::{DateTime, DateTimeFormat};

use super::Finding;
use crate::cloud_error::Explain;
use crate::{Clients, CloudError};

/// A first deployment takes up to 40 minutes on AWS, and a second attempt follows a failed one.
const LONG_ENOUGH: Duration = Duration::from_hours(1);
/// AWS refuses what was signed more than five minutes ago. Source: IAM, Signature Version 4.
const SKEW_LIMIT_S: i64 = 300;

/// Who AWS says is asking.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Of a user, of a role's session, or of the account itself.
    pub arn: String,
    /// Twelve digits.
    pub account: String,
}

/// What AWS's clock says.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    /// Seconds by which this machine is ahead; none when the answer bore no date.
    pub ahead_s: Option<i64>,
}

impl Clock {
    /// Whether what this machine signs is taken.
    pub fn finding(self) -> Finding {
        const CHECK: &str = "clock";
        let Some(ahead) = self.ahead_s else {
            return Finding::unknown(
                CHECK,
                "AWS did not say what time it is",
                "look whether this machine's clock is right",
            );
        };
        let off = match ahead {
            0 => "this machine's clock is right".to_owned(),
            ahead if ahead > 0 => format!("this machine's clock is {ahead} s ahead"),
            behind => format!("this machine's clock is {} s behind", -behind),
        };
        if ahead.abs() < SKEW_LIMIT_S / 2 {
            Finding::fine(CHECK, off)
        } else if ahead.abs() < SKEW_LIMIT_S {
            Finding::warning(CHECK, off, "set it: AWS refuses what is signed more than five minutes off")
        } else {
            Finding::failed(CHECK, off, "set it: AWS refuses what is signed more than five minutes off")
        }
    }
}

/// What the credentials are: none is a failure. `told` is when they end, where the environment says it for them.
pub async fn credentials(clients: &Clients, now: SystemTime, told: Option<SystemTime>) -> Finding {
    const CHECK: &str = "credentials";
    let credentials = match clients.credentials().await {
        Ok(credentials) => credentials,
        Err(why) => {
            return Finding::failed(
                CHECK,
                format!("none: {why}"),
                "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, log in, or name a profile by `targets: { …: { profile: … } }`",
            );
        }
    };
    let from = format!("`{}` from {}", credentials.access_key_id(), source(&credentials));
    let until = credentials.expiry().or(told.filter(|_| credentials.session_token().is_some()));
    match (credentials.session_token(), until.map(|until| until.duration_since(now).unwrap_or_default())) {
        (_, Some(Duration::ZERO)) => Finding::failed(CHECK, format!("{from}; the session has ended"), "log in again"),
        (_, Some(left)) if left < LONG_ENOUGH => Finding::warning(
            CHECK,
            format!("{from}; the session ends in {} minutes", left.as_secs() / 60),
            "a first deployment can take 40 minutes; what it has finished is kept, so it can go on with a new session",
        ),
        (_, Some(left)) => Finding::fine(CHECK, format!("{from}; the session ends in {} minutes", left.as_secs() / 60)),
        (Some(_), None) => {
            Finding::fine(CHECK, format!("{from}; a session that does not say when it ends: it should last an hour"))
        }
        (None, None) => Finding::fine(CHECK, format!("{from}; a key that does not end")),
    }
}

/// Who AWS says is asking, and what its clock says in any case.
pub async fn caller(clients: &Clients, now: SystemTime) -> (Result<Caller, CloudError>, Clock) {
    let date = Date::default();
    let request = clients.sts.get_caller_identity().customize().interceptor(date.clone());
    let answer = request.send().await.about("sts:GetCallerIdentity", "the credentials");
    let caller = answer.map(|answer| Caller {
        arn: answer.arn().unwrap_or_default().to_owned(),
        account: answer.account().unwrap_or_default().to_owned(),
    });
    let date = date.0.lock().unwrap_or_else(PoisonError::into_inner).as_deref().and_then(seconds);
    let here = DateTime::from(now).secs();
    (caller, Clock { ahead_s: date.map(|there| here - there) })
}

fn seconds(date: &str) -> Option<i64> {
    DateTime::from_str(date, DateTimeFormat::HttpDate).ok().map(|date| date.secs())
}

/// Keeps the date of an answer.
#[derive(Clone, Debug, Default)]
struct Date(Arc<Mutex<Option<String>>>);

impl Intercept for Date {
    fn name(&self) -> &'static str {
        "Date"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), aws_sdk_sts::error::BoxError> {
        let date = context.response().headers().get("date").map(ToOwned::to_owned);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = date;
        Ok(())
    }
}

/// Where the SDK found them.
fn source(credentials: &Credentials) -> &'static str {
    use AwsCredentialFeature as From;
    let features = credentials.get_property::<Vec<From>>().map(Vec::as_slice).unwrap_or_default();
    match features.first() {
        Some(From::CredentialsEnvVars) => "environment variables",
        Some(From::CredentialsEnvVarsStsWebIdToken | From::CredentialsStsAssumeRoleWebId) => "a web identity token",
        Some(From::CredentialsProfileStsWebIdToken) => "a web identity token that a profile names",
        Some(From::CredentialsSso | From::CredentialsProfileSso) => "SSO",
        Some(From::CredentialsStsAssumeRole) => "a role that a profile names",
        Some(From::CredentialsProcess | From::CredentialsProfileProcess) => "a credential process",
        Some(From::CredentialsHttp) => "the container's role",
        Some(From::CredentialsImds) => "the machine's role",
        Some(From::CredentialsLogin | From::CredentialsProfileLogin) => "a login",
        Some(_) => "a profile",
        None => "the local cloud",
    }
}
