//! Whether statements cover a need. What cannot be decided here counts as covered: a policy that may be right must not
//! be blamed.

use serde_json::Value as Json;

/// What statements say to a need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is covered, or may be.
    Covered,
    /// The statement with this index denies it.
    Denied(usize),
    /// None allows it. The one with this index, if any, allows the action, but not there or not always.
    Uncovered(Option<usize>),
}

/// A need: an action on a concrete ARN or `*`, and the condition keys of the request that are known.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Question<'a> {
    pub(crate) action: &'a str,
    pub(crate) resource: &'a str,
    pub(crate) keys: &'a [(&'static str, String)],
}

/// Asks all statements; a denial outweighs the others.
pub(crate) fn verdict(statements: &[Json], question: Question<'_>) -> Verdict {
    let (mut covered, mut near) = (false, None);
    for (index, statement) in statements.iter().enumerate() {
        // IAM takes actions for the same whatever their case, and resources not.
        let action = names(statement, "Action", question.action, true) == Some(true);
        let resource = names(statement, "Resource", question.resource, false);
        let met = conditions_met(&statement["Condition"], question.keys);
        if statement["Effect"] == "Deny" {
            if action && resource == Some(true) && met == Some(true) {
                return Verdict::Denied(index);
            }
        } else if action {
            covered |= resource != Some(false) && met != Some(false);
            near = near.or(Some(index));
        }
    }
    if covered { Verdict::Covered } else { Verdict::Uncovered(near) }
}

/// Whether a statement names the text, or does not exclude it; none when it has a variable of IAM's.
fn names(statement: &Json, key: &str, text: &str, fold: bool) -> Option<bool> {
    let (list, wanted) = match &statement[key] {
        Json::Null => (texts(&statement[format!("Not{key}")]), false),
        named => (texts(named), true),
    };
    let folded = |text: &str| if fold { text.to_ascii_lowercase() } else { text.to_owned() };
    if list.iter().any(|pattern| like(&folded(pattern), &folded(text))) {
        return Some(wanted);
    }
    if list.iter().any(|pattern| pattern.contains("${")) { None } else { Some(!wanted) }
}

/// All keys under all operators; none when one of them cannot be decided and none fails.
fn conditions_met(condition: &Json, keys: &[(&'static str, String)]) -> Option<bool> {
    let mut met = Some(true);
    for (operator, tests) in condition.as_object().into_iter().flatten() {
        for (key, wanted) in tests.as_object().into_iter().flatten() {
            let known = keys.iter().find(|(known, _)| known.eq_ignore_ascii_case(key)).map(|(_, value)| value);
            let decided = known.and_then(|value| holds(operator, value, &texts(wanted)));
            match decided {
                Some(true) => {}
                Some(false) => return Some(false),
                None => met = None,
            }
        }
    }
    met
}

fn holds(operator: &str, value: &str, wanted: &[String]) -> Option<bool> {
    if wanted.iter().any(|wanted| wanted.contains("${")) {
        return None;
    }
    let any = |matches: fn(&str, &str) -> bool| wanted.iter().any(|wanted| matches(wanted, value));
    match operator {
        "StringEquals" => Some(any(|wanted, value| wanted == value)),
        "StringNotEquals" => Some(!any(|wanted, value| wanted == value)),
        "StringLike" => Some(any(like)),
        "StringNotLike" => Some(!any(like)),
        _ => None,
    }
}

fn texts(value: &Json) -> Vec<String> {
    match value {
        Json::Array(list) => list.iter().flat_map(texts).collect(),
        Json::String(text) => vec![text.clone()],
        _ => vec![],
    }
}

/// Whether text matches a pattern in which `*` is any run of characters and `?` any one.
fn like(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    // Row by row of the table of which beginnings match which; patterns and ARNs are short.
    let mut matches = vec![true];
    matches.resize(text.len() + 1, false);
    for wanted in pattern {
        let before = matches.clone();
        matches[0] = before[0] && wanted == '*';
        for (index, &found) in text.iter().enumerate() {
            matches[index + 1] = match wanted {
                '*' => before[index + 1] || matches[index],
                wanted => before[index] && (wanted == '?' || wanted == found),
            };
        }
    }
    matches[text.len()]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const MODEL: &str = "arn:aws:s3:::b/models/m/model.tar.gz";

    fn of(statements: &Json) -> Verdict {
        let keys = [("s3:prefix", "models/".to_owned())];
        let question = Question { action: "s3:GetObject", resource: MODEL, keys: &keys };
        verdict(statements.as_array().unwrap(), question)
    }

    #[test]
    fn a_need_is_covered_by_a_statement_that_names_it() {
        let allow =
            |action: &str, resource: &str| json!([{ "Effect": "Allow", "Action": action, "Resource": resource }]);
        assert_eq!(of(&allow("s3:GetObject", "arn:aws:s3:::b/models/*")), Verdict::Covered);
        assert_eq!(of(&allow("S3:get*", "*")), Verdict::Covered);
        assert_eq!(of(&allow("s3:Ge?Object", "arn:*")), Verdict::Covered);
        assert_eq!(of(&allow("s3:PutObject", "*")), Verdict::Uncovered(None));
        assert_eq!(of(&allow("s3:GetObject", "arn:aws:s3:::b/Models/*")), Verdict::Uncovered(Some(0)));
        assert_eq!(of(&json!([])), Verdict::Uncovered(None));
        let but = json!([{ "Effect": "Allow", "NotAction": "iam:*", "NotResource": "arn:aws:s3:::c/*" }]);
        assert_eq!(of(&but), Verdict::Covered);
    }

    #[test]
    fn a_denial_outweighs_and_what_is_unknown_is_not_blamed() {
        let with = |statement: Json| of(&json!([{ "Effect": "Allow", "Action": "*", "Resource": "*" }, statement]));
        assert_eq!(with(json!({ "Effect": "Deny", "Action": "s3:*", "Resource": MODEL })), Verdict::Denied(1));
        let condition = json!({ "Bool": { "aws:SecureTransport": "false" } });
        let unknown = json!({ "Effect": "Deny", "Action": "s3:*", "Resource": "*", "Condition": condition });
        assert_eq!(with(unknown), Verdict::Covered);
        let allow =
            |condition: Json| json!([{ "Effect": "Allow", "Action": "s3:*", "Resource": "*", "Condition": condition }]);
        assert_eq!(of(&allow(json!({ "StringLike": { "s3:prefix": "mod*" } }))), Verdict::Covered);
        assert_eq!(of(&allow(json!({ "StringEquals": { "s3:prefix": "other/" } }))), Verdict::Uncovered(Some(0)));
        assert_eq!(of(&allow(json!({ "StringEquals": { "aws:SourceVpc": "vpc-1" } }))), Verdict::Covered);
        let variable =
            json!([{ "Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::${aws:PrincipalTag/b}/*" }]);
        assert_eq!(of(&variable), Verdict::Covered);
    }
}
