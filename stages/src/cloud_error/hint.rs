//! What helps against a refusal. "Run the same command again" is said only of what passes by itself.

use super::{CloudError, Meaning};

/// Codes of failures of a service, which pass. Source: `e2e/aws-errors.tsv`, and the retry lists of the SDK.
const FAILURES: [&str; 9] = [
    "InternalFailure",
    "InternalError",
    "InternalServerError",
    "InternalServer",
    "ServiceUnavailable",
    "Service",
    "RequestTimeout",
    "ModelNotReady",
    "IDPCommunicationError",
];
/// The status of what a service does not have, and will not have by itself.
const NOT_IMPLEMENTED: u16 = 501;
/// Codes of a session that has ended.
const EXPIRED: [&str; 3] = ["ExpiredToken", "RequestExpired", "TokenRefreshRequired"];
/// Codes of keys that AWS does not know, or whose secret is another.
const WRONG_KEYS: [&str; 6] = [
    "InvalidClientTokenId",
    "UnrecognizedClient",
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "InvalidSignature",
    "AuthFailure",
];

const LOG_DELIVERY: &str = "access logs need the permissions `logs:CreateLogDelivery`, `logs:GetLogDelivery`, \
                            `logs:UpdateLogDelivery`, `logs:DeleteLogDelivery`, `logs:ListLogDeliveries`, \
                            `logs:PutResourcePolicy`, `logs:DescribeResourcePolicies`, `logs:DescribeLogGroups` and \
                            `logs:CreateLogGroup`; or write `access-logs: false`";
const ISSUER: &str = "API Gateway asks the issuer for `/.well-known/openid-configuration`, which must answer within 1.5 s \
                      with a `jwks_uri`, over TLS and from the internet";

impl CloudError {
    /// What to do about it, in one line.
    pub fn hint(&self) -> String {
        let code = self.0.code.as_deref().unwrap_or_default();
        hint(self.meaning(), self.operation(), code.strip_suffix("Exception").unwrap_or(code), self.0.status).to_owned()
    }
}

/// The same call may succeed later without anybody having changed anything.
pub(super) fn passes(meaning: Meaning, code: &str, status: Option<u16>) -> bool {
    match meaning {
        Meaning::NotYet
        | Meaning::Busy
        | Meaning::Throttled
        | Meaning::NoAnswer
        // The next run looks first, and plans by what it finds.
        | Meaning::Absent
        | Meaning::AlreadyThere
        | Meaning::Precondition
        | Meaning::BeginAnew => true,
        Meaning::Refused | Meaning::OverQuota | Meaning::NoCredentials => false,
        Meaning::Other => FAILURES.contains(&code) || status.is_some_and(|status| status >= 500 && status != NOT_IMPLEMENTED),
    }
}

/// `code` without the suffix `Exception`.
pub(super) fn hint(meaning: Meaning, operation: &str, code: &str, status: Option<u16>) -> &'static str {
    match meaning {
        Meaning::NotYet if operation.starts_with("apigateway:") => LOG_DELIVERY,
        Meaning::NotYet => {
            "a new role takes a few seconds to be usable, and it was waited for; finished steps are kept, so run the same \
             command again; refused in the same way, the role's trust policy or a permissions boundary is in the way"
        }
        Meaning::NoCredentials => {
            "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a profile by `targets: { …: { profile: … } }`"
        }
        _ if EXPIRED.contains(&code) => "the session has ended: log in anew; finished steps are kept",
        _ if code == "RequestTimeTooSkewed" => "set the clock of this machine; finished steps are kept",
        _ if WRONG_KEYS.contains(&code) => "AWS does not know these keys: log in anew, or name another profile",
        Meaning::Refused if code == "BucketAlreadyExists" => {
            "another account has a bucket of that name: write `upload: { bucket: … }` with another"
        }
        Meaning::Refused => "the credentials may not do this; ask for the permission that is named",
        Meaning::OverQuota => {
            "the account's quota is too small: ask for more in Service Quotas; `runner doctor` compares them beforehand"
        }
        Meaning::NoAnswer => "its effect is unknown; run the same command again, which looks first",
        Meaning::Throttled | Meaning::Busy => {
            "others are changing the same things; run the same command again in a minute"
        }
        Meaning::Absent => "it was deleted meanwhile; run the same command again, which looks first",
        Meaning::AlreadyThere | Meaning::Precondition => {
            "somebody else wrote it meanwhile; run the same command again, which looks first"
        }
        Meaning::BeginAnew => "finished steps are kept: run the same command again",
        Meaning::Other if operation.ends_with("Authorizer") && !passes(meaning, code, status) => ISSUER,
        Meaning::Other if code == "BucketNotEmpty" => "something still writes to the bucket: stop that first",
        Meaning::Other if passes(meaning, code, status) => {
            "the service failed, not the request; finished steps are kept: run the same command again in a few minutes"
        }
        Meaning::Other => {
            "the same call would be refused again: mend what the reason names, in the pipeline file or in the account; \
             finished steps are kept"
        }
    }
}
