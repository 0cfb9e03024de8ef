//! What the local cloud makes of each member of a request: `members.tsv` lists them all, as botocore's model has them.
//!
//! A member is implemented, harmless (it changes nothing that this account could see), or refused by name. The values of
//! a member that is refused but for one are refused but for that one. `e2e/conformance/members.py` compares the list with
//! botocore's model.

use std::collections::HashMap;
use std::sync::LazyLock;

use http::{HeaderMap, Uri};

use super::refuse;
use crate::call::Refusal;

/// The list, by operation. Only what is refused is looked up.
static REFUSED: LazyLock<HashMap<&str, Vec<Refused>>> = LazyLock::new(|| {
    let mut refused: HashMap<&str, Vec<Refused>> = HashMap::new();
    for line in include_str!("members.tsv").lines().skip(1) {
        let mut fields = line.split('\t');
        let mut next = || fields.next().unwrap_or_default();
        let (operation, member, wire, verdict, why) = (next(), next(), next(), next(), next());
        let Some(rest) = verdict.strip_prefix("refused") else { continue };
        let harmless = rest.strip_prefix(" but ").unwrap_or_default();
        let (place, name) = wire.split_once(':').unwrap_or_default();
        refused.entry(operation).or_default().push(Refused { operation, member, place, name, harmless, why });
    }
    refused
});

/// A member that is refused by name.
#[derive(Debug)]
struct Refused {
    operation: &'static str,
    member: &'static str,
    /// `header`, `querystring` or `body`.
    place: &'static str,
    name: &'static str,
    /// The value that changes nothing.
    harmless: &'static str,
    /// What the member is for.
    why: &'static str,
}

impl Refused {
    fn refusal(&self) -> Refusal {
        Refusal::not_offered(format!("the member `{}` of `{}`: {}", self.member, self.operation, self.why))
    }
}

/// Refuses members in headers and in the query.
pub(super) fn check(operation: &str, headers: &HeaderMap, uri: &Uri) -> Result<(), Refusal> {
    check_query(uri)?;
    check_lock(operation, headers)?;
    for refused in REFUSED.get(operation).into_iter().flatten().filter(|refused| refused.place == "header") {
        // `HeaderMap` takes names in any case.
        let value = headers.get(refused.name).map(|value| value.to_str().unwrap_or_default());
        if value.is_some_and(|value| refused.harmless.is_empty() || !value.eq_ignore_ascii_case(refused.harmless)) {
            return Err(refused.refusal());
        }
    }
    Ok(())
}

/// Finds in a document that was malformed for `s3s` an element that AWS knows, and that is refused by name.
pub(super) fn refused_in(document: &str) -> Option<Refusal> {
    let named = |name: &str| document.contains(&format!("<{name}>")) || document.contains(&format!("<{name} "));
    let mut refused =
        REFUSED.values().flatten().filter(|refused| refused.place == "body" && refused.harmless.is_empty());
    // `Bucket` and `Location` are elements of other documents too, and read by `create_route`.
    refused.find(|refused| refused.operation != "CreateBucket" && named(refused.name)).map(Refused::refusal)
}

/// A member of a body that was read, and that is refused by name.
pub(super) fn refuse(operation: &str, member: &str) -> Refusal {
    let refused = REFUSED.get(operation).into_iter().flatten().find(|refused| refused.member == member);
    refused.map_or_else(|| Refusal::not_offered(format!("the member `{member}` of `{operation}`")), Refused::refusal)
}

/// Refuses empty versions and continuation tokens.
fn check_query(uri: &Uri) -> Result<(), Refusal> {
    for (name, value) in form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()) {
        match &*name {
            "versionId" if value.is_empty() => {
                let message = "Version id cannot be the empty string";
                return Err(refuse::invalid_argument("versionId", Some(""), message));
            }
            "continuation-token" if value.is_empty() => {
                let message = "The continuation token provided is incorrect";
                return Err(refuse::invalid_argument("continuation-token", None, message));
            }
            _ => {}
        }
    }
    Ok(())
}

/// No bucket here has object lock, and AWS refuses what needs it. Nor is any a directory bucket.
fn check_lock(operation: &str, headers: &HeaderMap) -> Result<(), Refusal> {
    const LOCKS: [&str; 3] =
        ["x-amz-object-lock-mode", "x-amz-object-lock-retain-until-date", "x-amz-object-lock-legal-hold"];
    if LOCKS.iter().any(|name| headers.contains_key(*name)) {
        return Err(refuse::invalid_request("Bucket is missing Object Lock Configuration"));
    }
    if operation != "DeleteObject" && operation != "DeleteObjects" {
        return Ok(());
    }
    let bypass = "x-amz-bypass-governance-retention";
    if headers.contains_key(bypass) {
        let message = format!("{bypass} is only applicable to Object Lock enabled buckets.");
        return Err(refuse::invalid_argument(bypass, None, message));
    }
    let unknown = ["x-amz-if-match-last-modified-time", "x-amz-if-match-size"];
    unknown
        .into_iter()
        .find(|name| headers.contains_key(*name))
        .map_or(Ok(()), |name| Err(refuse::unknown_header(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(operation: &str, uri: &'static str, header: (&'static str, &str)) -> String {
        let headers = HeaderMap::from_iter([(http::HeaderName::from_static(header.0), header.1.parse().unwrap())]);
        match check(operation, &headers, &Uri::from_static(uri)) {
            Ok(()) => "taken".to_owned(),
            Err(refusal) => format!("{} {}: {}", refusal.status.as_u16(), refusal.code, refusal.message),
        }
    }

    #[test]
    fn every_line_of_the_list_has_a_verdict_and_a_reason_where_it_is_needed() {
        let mut seen = std::collections::HashSet::new();
        for line in include_str!("members.tsv").lines().skip(1) {
            let fields: Vec<&str> = line.split('\t').collect();
            assert!(seen.insert((fields[0], fields[1])), "{line}");
            let verdict = fields[3].split(" but ").next().unwrap();
            assert!(matches!(verdict, "implemented" | "harmless" | "refused"), "{line}");
            assert!(verdict == "implemented" || fields.get(4).is_some_and(|why| !why.is_empty()), "{line}");
        }
    }

    #[test]
    fn what_would_change_the_answer_is_refused_by_name() {
        let key = ("x-amz-server-side-encryption-customer-key", "a2V5");
        insta::assert_snapshot!(said("GetObject", "/b/k", key), @"501 NotImplemented: the local cloud does not offer the member `SSECustomerKey` of `GetObject`: keys of customers");
        let lock = |value| said("CreateBucket", "/b", ("x-amz-bucket-object-lock-enabled", value));
        assert_eq!(lock("false"), "taken");
        insta::assert_snapshot!(lock("true"), @"501 NotImplemented: the local cloud does not offer the member `ObjectLockEnabledForBucket` of `CreateBucket`: object lock");
        insta::assert_snapshot!(said("PutObject", "/b/k", ("x-amz-object-lock-mode", "GOVERNANCE")), @"400 InvalidRequest: Bucket is missing Object Lock Configuration");
        insta::assert_snapshot!(said("DeleteObject", "/b/k", ("x-amz-if-match-size", "1")), @"501 NotImplemented: A header you provided implies functionality that is not implemented");
        insta::assert_snapshot!(refused_in("<Rule><BlockedEncryptionTypes>").unwrap().message, @"the local cloud does not offer the member `ServerSideEncryptionConfiguration.Rules[].BlockedEncryptionTypes` of `PutBucketEncryption`: blocked kinds of encryption");
    }

    #[test]
    fn versions_and_tokens_are_not_empty() {
        let none = ("x-none", "");
        assert_eq!(said("GetObject", "/b/k?versionId=null", none), "taken");
        insta::assert_snapshot!(said("GetObject", "/b/k?versionId=", none), @"400 InvalidArgument: Version id cannot be the empty string");
        insta::assert_snapshot!(said("ListObjectsV2", "/b?list-type=2&continuation-token=", none), @"400 InvalidArgument: The continuation token provided is incorrect");
    }
}
