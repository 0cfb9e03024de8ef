//! Whether a document may be a bucket's policy.

use serde_json::Value;

use crate::call::Refusal;
use crate::service::iam;

/// Bytes of a bucket policy.
const MAX_POLICY: usize = 20 * 1024;

/// Checks the form: statements with an effect, a principal, actions, and resources of this bucket.
pub(super) fn check(bucket: &str, text: &str) -> Result<(), Refusal> {
    if text.len() > MAX_POLICY {
        return Err(Refusal::new(400, "PolicyTooLarge", "Policy document is too large"));
    }
    if !text.starts_with('{') {
        return Err(malformed("Policies must be valid JSON and the first byte must be '{'"));
    }
    let policy: Value = serde_json::from_str(text).map_err(|_| malformed("This policy contains invalid Json"))?;
    if policy.get("Version").is_some_and(|version| version != "2012-10-17" && version != "2008-10-17") {
        return Err(malformed("The policy must contain a valid version string"));
    }
    match policy.get("Statement") {
        Some(Value::Array(statements)) if statements.is_empty() => {
            Err(malformed("Could not parse the policy: Statement is empty!"))
        }
        Some(Value::Array(statements)) => statements.iter().try_for_each(|statement| check_one(bucket, statement)),
        Some(statement @ Value::Object(_)) => check_one(bucket, statement),
        _ => Err(malformed("Missing required field Statement")),
    }?;
    // What could not be read later on would lock everybody out.
    iam::check_resource(text).map_err(malformed)
}

fn check_one(bucket: &str, statement: &Value) -> Result<(), Refusal> {
    let has = |name: &str| statement.get(name).is_some();
    match statement.get("Effect").and_then(Value::as_str) {
        Some("Allow" | "Deny") => {}
        Some(effect) => return Err(malformed(format!("Invalid effect: {effect}"))),
        None => return Err(malformed("Missing required field Effect")),
    }
    if !has("Principal") && !has("NotPrincipal") {
        return Err(malformed("Missing required field Principal"));
    }
    if !has("Action") && !has("NotAction") {
        return Err(malformed("Missing required field Action"));
    }
    let resources = statement.get("Resource").or_else(|| statement.get("NotResource"));
    let resources = match resources {
        Some(Value::String(one)) => vec![one.as_str()],
        Some(Value::Array(many)) => many.iter().map(|one| one.as_str().unwrap_or_default()).collect(),
        _ => return Err(malformed("Missing required field Resource")),
    };
    let ours = |resource: &str| {
        let named = resource.splitn(6, ':').nth(5).filter(|_| resource.starts_with("arn:"));
        named.is_some_and(|named| named.split('/').next().is_some_and(|name| name == bucket || name.contains('*')))
    };
    if resources.iter().all(|resource| ours(resource)) { Ok(()) } else { Err(malformed("Policy has invalid resource")) }
}

fn malformed(message: impl Into<String>) -> Refusal {
    Refusal::new(400, "MalformedPolicy", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(policy: &str) -> String {
        check("b", policy).unwrap_err().message
    }

    #[test]
    fn the_usual_policy_against_plain_http_is_accepted() {
        let policy = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"s3:*",
            "Resource":["arn:aws:s3:::b","arn:aws:s3:::b/*"],
            "Condition":{"Bool":{"aws:SecureTransport":"false"}}}]}"#;
        assert_eq!(check("b", policy), Ok(()));
    }

    #[test]
    fn malformed_policies_are_refused() {
        insta::assert_snapshot!(refusal("Version"), @"Policies must be valid JSON and the first byte must be '{'");
        insta::assert_snapshot!(refusal("{"), @"This policy contains invalid Json");
        insta::assert_snapshot!(refusal("{}"), @"Missing required field Statement");
        insta::assert_snapshot!(refusal(r#"{"Statement":{"Effect":"Deny","Action":"s3:*","Resource":"arn:aws:s3:::b"}}"#), @"Missing required field Principal");
        let more = r#"{"Statement":{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"arn:aws:s3:::b","When":"now"}}"#;
        insta::assert_snapshot!(refusal(more), @"Syntax errors in policy.");
        let other = r#"{"Statement":{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"arn:aws:s3:::c/*"}}"#;
        insta::assert_snapshot!(refusal(other), @"Policy has invalid resource");
    }
}
