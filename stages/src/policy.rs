//! IAM policy documents in words that can be compared: one fact a statement, whatever the order and spelling.

mod cover;

pub(crate) use cover::{Question, Verdict, verdict};
use serde_json::{Map, Value as Json, json};

/// A policy document of the current version.
pub(crate) fn document(statements: &[Json]) -> Json {
    json!({ "Version": "2012-10-17", "Statement": statements })
}

/// A document's size as quotas count it: without white space.
pub(crate) fn quota_chars(document: &Json) -> usize {
    document.to_string().chars().filter(|c| !c.is_whitespace()).count()
}

/// Statement id → what it says. String-or-list and the order of lists make no difference, as they make none to IAM.
pub(crate) fn words(document: &Json) -> Json {
    let statements = match &document["Statement"] {
        Json::Array(statements) => statements.as_slice(),
        Json::Null => &[],
        single => std::slice::from_ref(single),
    };
    let mut words = Map::new();
    for (index, statement) in statements.iter().enumerate() {
        let id = statement["Sid"].as_str().map_or_else(|| format!("#{}", index + 1), ToOwned::to_owned);
        words.insert(id, statement_words(statement).into());
    }
    Json::Object(words)
}

fn statement_words(statement: &Json) -> String {
    let mut words = vec![statement["Effect"].as_str().unwrap_or("Allow").to_owned()];
    let known = [
        ("NotAction", "all but"),
        ("Action", ""),
        ("NotResource", "on all but"),
        ("Resource", "on"),
        ("Principal", "to"),
        ("Condition", "if"),
    ];
    for (key, preposition) in known {
        let value = &statement[key];
        if value.is_null() {
            continue;
        }
        if !preposition.is_empty() {
            words.push(preposition.to_owned());
        }
        words.push(match key {
            "Principal" => pairs(value, ": ", ", "),
            "Condition" => condition(value),
            _ => list(value),
        });
    }
    for (key, value) in statement.as_object().into_iter().flatten() {
        if key != "Sid" && key != "Effect" && known.iter().all(|(name, _)| name != key) {
            words.push(format!("{key} {value}"));
        }
    }
    words.join(" ")
}

fn condition(value: &Json) -> String {
    let operators = value.as_object().into_iter().flatten();
    let words = operators.flat_map(|(operator, tests)| {
        tests.as_object().into_iter().flatten().map(move |(key, wanted)| format!("{key} {operator} {}", list(wanted)))
    });
    words.collect::<Vec<_>>().join(" and ")
}

fn pairs(value: &Json, between: &str, separator: &str) -> String {
    match value.as_object() {
        Some(map) => {
            map.iter().map(|(key, value)| format!("{key}{between}{}", list(value))).collect::<Vec<_>>().join(separator)
        }
        None => list(value),
    }
}

fn list(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        Json::Array(items) => {
            let mut items: Vec<String> = items.iter().map(list).collect();
            items.sort();
            items.join(", ")
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_and_string_or_list_make_no_difference() {
        let one = document(&[json!({ "Sid": "Pull", "Effect": "Allow", "Action": ["b:Y", "a:X"], "Resource": "*" })]);
        let other =
            document(&[json!({ "Resource": ["*"], "Action": ["a:X", "b:Y"], "Effect": "Allow", "Sid": "Pull" })]);
        assert_eq!(words(&one), words(&other));
    }

    #[test]
    fn whatever_a_statement_says_is_in_its_words() {
        let statement = json!({
            "Effect": "Deny", "Principal": { "Service": "sagemaker.amazonaws.com" }, "NotAction": "s3:*",
            "NotResource": "*", "Condition": { "ArnLike": { "aws:SourceArn": "arn:x" }, "Bool": { "k": "true" } }, "NotPrincipal": "*"
        });
        insta::assert_snapshot!(words(&document(&[statement])), @r##"{"#1":"Deny all but s3:* on all but * to Service: sagemaker.amazonaws.com if aws:SourceArn ArnLike arn:x and k Bool true NotPrincipal \"*\""}"##);
    }
}
