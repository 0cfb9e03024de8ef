//! Whether a statement of a function's resource policy lets a service in.

use serde_json::Value;

/// Whether the statement allows the service `principal` to invoke on behalf of `source_arn` in `account`.
/// A condition that is not understood allows nothing.
pub(super) fn allows(statement: &Value, principal: &str, source_arn: &str, account: &str) -> bool {
    let admits = statement["Principal"] == "*" || statement["Principal"]["Service"] == principal;
    let invokes = matches!(statement["Action"].as_str(), Some("lambda:InvokeFunction" | "lambda:*" | "*"));
    statement["Effect"] == "Allow" && admits && invokes && conditions_hold(statement, source_arn, account)
}

fn conditions_hold(statement: &Value, source_arn: &str, account: &str) -> bool {
    let Some(conditions) = statement["Condition"].as_object() else { return true };
    conditions.iter().all(|(operator, keys)| {
        keys.as_object().is_some_and(|keys| {
            keys.iter().all(|(key, wanted)| match (operator.as_str(), key.as_str(), wanted.as_str()) {
                ("ArnLike", "AWS:SourceArn", Some(pattern)) => arn_like(pattern, source_arn),
                ("StringEquals", "AWS:SourceAccount", Some(wanted)) => wanted == account,
                _ => false,
            })
        })
    })
}

/// Compares part by part: a wildcard never reaches across a colon, save in the last of the six parts.
fn arn_like(pattern: &str, arn: &str) -> bool {
    let (patterns, parts): (Vec<_>, Vec<_>) = (pattern.splitn(6, ':').collect(), arn.splitn(6, ':').collect());
    patterns.len() == parts.len()
        && patterns.iter().zip(&parts).all(|(pattern, part)| wildcard(pattern.as_bytes(), part.as_bytes()))
}

/// `*` stands for any bytes, `?` for one. Backtracks to the last star only, so it takes at most n·m steps.
fn wildcard(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut position) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while position < text.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, position));
                at += 1;
            }
            Some(byte) if *byte == b'?' || *byte == text[position] => {
                at += 1;
                position += 1;
            }
            _ => match star {
                Some((star_at, taken)) => {
                    star = Some((star_at, taken + 1));
                    at = star_at + 1;
                    position = taken + 1;
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::allows;

    const SOURCE: &str = "arn:aws:execute-api:us-east-1:123456789012:a1b2c3d4e5/$default/POST/items/{id}";

    fn allowed(condition: &serde_json::Value) -> bool {
        let statement = json!({
            "Effect": "Allow",
            "Principal": { "Service": "apigateway.amazonaws.com" },
            "Action": "lambda:InvokeFunction",
            "Condition": condition,
        });
        allows(&statement, "apigateway.amazonaws.com", SOURCE, "123456789012")
    }

    #[test]
    fn a_source_arn_admits_what_its_wildcards_cover() {
        let cases = [
            ("arn:aws:execute-api:us-east-1:123456789012:a1b2c3d4e5/*", true),
            ("arn:aws:execute-api:us-east-1:123456789012:a1b2c3d4e5/*/*/items/{id}", true),
            ("arn:aws:execute-api:us-east-1:123456789012:a1b2c3d4e5/*/POST/items/*", true),
            ("arn:aws:execute-api:*:*:a1b2c3d4e5/$default/POST/items/{id}", true),
            ("arn:aws:execute-api:us-east-1:123456789012:a1b2c3d4e?/*", true),
            ("arn:aws:execute-api:us-east-1:123456789012:a1b2c3d4e5/*/GET/items/{id}", false),
            ("arn:aws:execute-api:us-east-1:123456789012:a1b2c3d4e5/*/*/items", false),
            ("arn:aws:execute-api:us-east-1:123456789012:zzzzzzzzzz/*", false),
            ("arn:aws:execute-api:us-east-1:999999999999:a1b2c3d4e5/*", false),
            ("arn:aws:execute-api:us-east-1*", false),
            ("*", false),
        ];
        for (pattern, expected) in cases {
            assert_eq!(allowed(&json!({ "ArnLike": { "AWS:SourceArn": pattern } })), expected, "{pattern}");
        }
    }

    #[test]
    fn a_condition_that_is_not_understood_allows_nothing() {
        assert!(allowed(&json!({ "StringEquals": { "AWS:SourceAccount": "123456789012" } })));
        assert!(!allowed(&json!({ "StringEquals": { "AWS:SourceAccount": "999999999999" } })));
        assert!(!allowed(&json!({ "StringEquals": { "aws:PrincipalOrgID": "o-1" } })));
        assert!(!allowed(&json!({ "Null": { "AWS:SourceArn": "true" } })));
    }
}
