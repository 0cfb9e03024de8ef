//! Filter patterns: terms that an event contains, and conditions on the members of an event that is JSON.
//!
//! Source: CloudWatch Logs User Guide, "Filter pattern syntax for metric filters, subscription filters, filter log
//! events, and Live Tail". Patterns of two other kinds are refused by name: space-delimited ones and regular
//! expressions.

use serde_json::Value;

use super::invalid;
use super::selector::{Condition, parse};
use crate::call::Refusal;

/// A pattern that was read.
#[derive(Debug, PartialEq)]
pub(super) enum Pattern {
    Terms {
        /// An event contains all of these, …
        all: Vec<String>,
        /// … at least one of these if there are any, …
        any: Vec<String>,
        /// … and none of these.
        none: Vec<String>,
    },
    Json(Condition),
}

impl Pattern {
    /// Reads a pattern; an empty one matches every event.
    pub(super) fn parse(text: &str) -> Result<Self, Refusal> {
        let text = text.trim();
        if text.starts_with('[') {
            return Err(Refusal::not_offered("space-delimited filter patterns, as `[ip, user, status]`"));
        }
        match text.strip_prefix('{') {
            Some(rest) => {
                let inside = rest.strip_suffix('}').ok_or_else(wrong)?;
                parse(inside).map(Self::Json)
            }
            None => terms(text),
        }
    }

    /// Whether an event with this message matches. Terms are told apart by their case.
    pub(super) fn matches(&self, message: &str) -> bool {
        match self {
            Self::Terms { all, any, none } => {
                let has = |term: &String| message.contains(term.as_str());
                all.iter().all(has) && (any.is_empty() || any.iter().any(has)) && !none.iter().any(has)
            }
            Self::Json(condition) => {
                serde_json::from_str::<Value>(message).is_ok_and(|event| event.is_object() && condition.holds(&event))
            }
        }
    }
}

fn terms(text: &str) -> Result<Pattern, Refusal> {
    let (mut all, mut any, mut none) = (vec![], vec![], vec![]);
    let mut rest = text;
    while let Some(mark) = rest.chars().next() {
        let (terms, marked) = match mark {
            '?' => (&mut any, &rest[1..]),
            '-' => (&mut none, &rest[1..]),
            _ => (&mut all, rest),
        };
        if marked.starts_with('%') {
            return Err(regular_expressions());
        }
        let (term, after) = if let Some(quoted) = marked.strip_prefix('"') {
            quoted_text(quoted).ok_or_else(wrong)?
        } else {
            let end = marked.find(char::is_whitespace).unwrap_or(marked.len());
            (marked[..end].to_owned(), &marked[end..])
        };
        if term.is_empty() {
            return Err(wrong());
        }
        terms.push(term);
        rest = after.trim_start();
    }
    let has_others = !all.is_empty() || !none.is_empty();
    if has_others && !any.is_empty() {
        return Err(Refusal::not_offered("filter patterns of optional terms (`?`) among others"));
    }
    Ok(Pattern::Terms { all, any, none })
}

/// What is between quotes, and what follows the second one. `\"` and `\\` stand for `"` and `\`.
pub(super) fn quoted_text(text: &str) -> Option<(String, &str)> {
    let mut found = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((found, &text[at + 1..])),
            '\\' => match characters.next() {
                Some((_, escaped @ ('"' | '\\'))) => found.push(escaped),
                Some((_, other)) => found.extend(['\\', other]),
                None => return None,
            },
            other => found.push(other),
        }
    }
    None
}

pub(super) fn wrong() -> Refusal {
    invalid("Invalid filter pattern")
}

pub(super) fn regular_expressions() -> Refusal {
    Refusal::not_offered("regular expressions (`%…%`) in filter patterns")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Which of some events match, by their place.
    fn found(pattern: &str) -> String {
        const EVENTS: [&str; 5] = [
            "[ERROR 400] BAD REQUEST",
            "[ERROR 401] UNAUTHORIZED REQUEST",
            "[WARN 419] MISSING ARGUMENTS",
            "[ERROR 420] INVALID ARGUMENTS",
            r#"say "boom""#,
        ];
        match Pattern::parse(pattern) {
            Ok(pattern) => {
                let matching = EVENTS.iter().enumerate().filter(|(_, event)| pattern.matches(event));
                matching.map(|(place, _)| place.to_string()).collect::<Vec<_>>().join(" ")
            }
            Err(refusal) => format!("{} {}: {}", refusal.status.as_u16(), refusal.code, refusal.message),
        }
    }

    #[test]
    fn terms_are_demanded_optional_or_excluded() {
        for (pattern, matching) in [
            ("", "0 1 2 3 4"),
            ("ERROR", "0 1 3"),
            ("error", ""),
            ("ERROR ARGUMENTS", "3"),
            ("?BAD ?WARN", "0 2"),
            ("?\"BAD REQUEST\" ?boom", "0 4"),
            ("-ERROR", "2 4"),
            ("ERROR -ARGUMENTS", "0 1"),
            ("-\"BAD REQUEST\"  ERROR", "1 3"),
            ("\"UNAUTHORIZED REQUEST\"", "1"),
            (r#""say \"boom""#, "4"),
        ] {
            assert_eq!(found(pattern), matching, "{pattern}");
        }
    }

    #[test]
    fn patterns_of_other_kinds_are_refused_by_name() {
        insta::assert_snapshot!(found("[ip, user]"), @"501 NotImplemented: the local cloud does not offer space-delimited filter patterns, as `[ip, user, status]`");
        insta::assert_snapshot!(found("ERROR %4[0-9]{2}%"), @"501 NotImplemented: the local cloud does not offer regular expressions (`%…%`) in filter patterns");
        insta::assert_snapshot!(found("{ $.a = %4% }"), @"501 NotImplemented: the local cloud does not offer regular expressions (`%…%`) in filter patterns");
        insta::assert_snapshot!(found("?a b"), @"501 NotImplemented: the local cloud does not offer filter patterns of optional terms (`?`) among others");
        for wrong in ["\"open", "?", "-", "a \"\"", "{ $.a = 1", "{ }", "{ a = 1 }"] {
            assert_eq!(found(wrong), "400 InvalidParameterException: Invalid filter pattern", "{wrong}");
        }
    }
}
