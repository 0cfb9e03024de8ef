//! Whether a document may be a bucket's policy.

use serde_json::{Map, Value};

use crate::call::Refusal;
use crate::service::iam::{self, Statement};

/// Bytes of a bucket policy.
const MAX_POLICY: usize = 20 * 1024;

/// Elements of a statement.
const ELEMENTS: [&str; 9] =
    ["Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition"];
/// Kinds of principals.
const PRINCIPALS: [&str; 4] = ["AWS", "Service", "Federated", "CanonicalUser"];

/// Checks the form: statements with an effect, a principal, actions, and resources of this bucket. What S3 has no words
/// of its own for that are known is refused in those of IAM.
pub(super) fn check(bucket: &str, partition: &str, text: &str) -> Result<(), Refusal> {
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
    only(&policy, &["Version", "Id", "Statement"])?;
    match policy.get("Statement") {
        Some(Value::Array(statements)) if statements.is_empty() => {
            Err(malformed("Could not parse the policy: Statement is empty!"))
        }
        Some(Value::Array(statements)) => statements.iter().try_for_each(check_fields),
        Some(statement @ Value::Object(_)) => check_fields(statement),
        _ => Err(malformed("Missing required field Statement")),
    }?;
    let document = iam::read(text).map_err(malformed)?;
    document.statements.iter().try_for_each(|statement| check_values(bucket, partition, statement))?;
    // What could not be decided later on would lock everybody out.
    iam::check_parts(&document, partition).map_err(malformed)
}

/// Whether a policy lets everybody do something without a condition. AWS counts some conditions as none; which ones, its
/// user guide lists under "The meaning of public".
pub(super) fn is_public(text: &str) -> bool {
    let Ok(document) = iam::read(text) else { return false };
    let everybody = |principal: &Value| principal == "*" || principal.get("AWS").is_some_and(|named| named == "*");
    document.statements.iter().any(|statement| {
        statement.effect == "Allow"
            && statement.condition.is_empty()
            && statement.principal.as_ref().is_some_and(everybody)
    })
}

fn only(element: &Value, known: &[&str]) -> Result<(), Refusal> {
    let mut keys = element.as_object().into_iter().flat_map(Map::keys);
    keys.find(|key| !known.contains(&key.as_str())).map_or(Ok(()), |key| Err(malformed(format!("Unknown field {key}"))))
}

fn check_fields(statement: &Value) -> Result<(), Refusal> {
    let has = |name: &str| statement.get(name).is_some();
    only(statement, &ELEMENTS)?;
    match statement.get("Effect").and_then(Value::as_str) {
        Some("Allow" | "Deny") => {}
        Some(effect) => return Err(malformed(format!("Invalid effect: {effect}"))),
        None => return Err(malformed("Missing required field Effect")),
    }
    for name in ["Principal", "Action", "Resource"] {
        if !has(name) && !has(&format!("Not{name}")) {
            return Err(malformed(format!("Missing required field {name}")));
        }
    }
    Ok(())
}

fn check_values(bucket: &str, partition: &str, statement: &Statement) -> Result<(), Refusal> {
    let principals = statement.principal.iter().chain(&statement.not_principal);
    if !principals.into_iter().all(|element| iam::names_principals(element, &PRINCIPALS)) {
        return Err(malformed("Invalid principal in policy"));
    }
    let is_s3 = |action: &String| {
        let name = action.get(..3).filter(|vendor| vendor.eq_ignore_ascii_case("s3:")).map(|_| &action[3..]);
        action == "*" || name.is_some_and(|name| !name.is_empty() && !name.contains(':'))
    };
    if !statement.actions().is_some_and(|actions| !actions.is_empty() && actions.iter().all(is_s3)) {
        return Err(malformed("Policy has invalid action"));
    }
    let prefix = format!("arn:{partition}:s3:::");
    let ours = |resource: &String| {
        let named = resource.strip_prefix(&prefix).and_then(|named| named.split('/').next());
        named.is_some_and(|name| name == bucket || name.contains('*'))
    };
    if statement.resources().is_some_and(|resources| !resources.is_empty() && resources.iter().all(ours)) {
        return Ok(());
    }
    Err(malformed("Policy has invalid resource"))
}

fn malformed(message: impl Into<String>) -> Refusal {
    Refusal::new(400, "MalformedPolicy", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(policy: &str) -> String {
        check("b", "aws", policy).unwrap_err().message
    }

    #[test]
    fn the_usual_policy_against_plain_http_is_accepted() {
        let policy = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"s3:*",
            "Resource":["arn:aws:s3:::b","arn:aws:s3:::b/*"],
            "Condition":{"Bool":{"aws:SecureTransport":"false"}}}]}"#;
        assert_eq!(check("b", "aws", policy), Ok(()));
    }

    #[test]
    fn malformed_policies_are_refused() {
        insta::assert_snapshot!(refusal("Version"), @"Policies must be valid JSON and the first byte must be '{'");
        insta::assert_snapshot!(refusal("{"), @"This policy contains invalid Json");
        insta::assert_snapshot!(refusal("{}"), @"Missing required field Statement");
        insta::assert_snapshot!(refusal(r#"{"Statement":{"Effect":"Deny","Action":"s3:*","Resource":"arn:aws:s3:::b"}}"#), @"Missing required field Principal");
        let more = r#"{"Statement":{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"arn:aws:s3:::b","When":"now"}}"#;
        insta::assert_snapshot!(refusal(more), @"Unknown field When");
        let other = r#"{"Statement":{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"arn:aws:s3:::c/*"}}"#;
        insta::assert_snapshot!(refusal(other), @"Policy has invalid resource");
    }

    #[test]
    fn the_grammar_of_iam_holds_for_buckets_too() {
        let with = |element: &str, value: serde_json::Value| {
            let mut statement = serde_json::json!({"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource":
                "arn:aws:s3:::b/*"});
            statement[element] = value;
            check("b", "aws", &serde_json::json!({"Version": "2012-10-17", "Statement": [statement]}).to_string())
        };
        let cases = [
            ("Principal", serde_json::json!("arn:aws:iam::123456789012:root"), "Invalid principal in policy"),
            ("Principal", serde_json::json!({"Aws": "*"}), "Invalid principal in policy"),
            ("Principal", serde_json::json!({}), "Invalid principal in policy"),
            ("Action", serde_json::json!("s3:List:Bucket"), "Policy has invalid action"),
            ("Action", serde_json::json!("ec2:RunInstances"), "Policy has invalid action"),
            ("Action", serde_json::json!([]), "Policy has invalid action"),
            ("Resource", serde_json::json!("arn:aws:s3:us-east-1::b/*"), "Policy has invalid resource"),
            ("Resource", serde_json::json!("arn:aws:s3::123456789012:b/*"), "Policy has invalid resource"),
            ("Resource", serde_json::json!("arn:aws-cn:s3:::b/*"), "Policy has invalid resource"),
            ("Resource", serde_json::json!([]), "Policy has invalid resource"),
            ("NotAction", serde_json::json!("s3:GetObject"), "Syntax errors in policy."),
            ("Condition", serde_json::json!({"StringEqual": {"aws:username": "a"}}), "Syntax errors in policy."),
            (
                "Condition",
                serde_json::json!({"DateLessThan": {"aws:CurrentTime": "soon"}}),
                "The policy failed legacy parsing",
            ),
        ];
        for (element, value, message) in cases {
            assert_eq!(with(element, value.clone()), Err(malformed(message)), "{element} {value}");
        }
        assert_eq!(with("Sid", serde_json::json!("any words: here")), Ok(()));
        let twice = r#"{"Statement": {"Effect": "Deny", "Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "arn:aws:s3:::b"}}"#;
        insta::assert_snapshot!(refusal(twice), @"Syntax errors in policy.");
    }
}
