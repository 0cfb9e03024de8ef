//! Conditions on the members of an event that is JSON, as `{ $.status >= 500 && $.path = "/score*" }`.

use serde_json::Value;

use super::pattern::{quoted_text, regular_expressions, wrong};
use crate::call::Refusal;

/// Deeper than any pattern, shallower than any stack.
const MAX_DEPTH: usize = 32;

/// What an event must be.
#[derive(Debug, PartialEq)]
pub(super) enum Condition {
    All(Vec<Self>),
    Any(Vec<Self>),
    Compared { path: Vec<Step>, operator: Operator, value: String },
    Is { path: Vec<Step>, value: Value },
    Absent { path: Vec<Step> },
}

/// One step from a value into it.
#[derive(Debug, PartialEq)]
pub(super) enum Step {
    Member(String),
    Item(usize),
    /// `[*]`
    Each,
}

/// Between a member and a value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Operator {
    Equal,
    NotEqual,
    Below,
    AtMost,
    Above,
    AtLeast,
}

/// As they are written; those that begin as others do come first.
const OPERATORS: [(&str, Operator); 6] = [
    ("!=", Operator::NotEqual),
    ("<=", Operator::AtMost),
    (">=", Operator::AtLeast),
    ("=", Operator::Equal),
    ("<", Operator::Below),
    (">", Operator::Above),
];

impl Condition {
    pub(super) fn holds(&self, event: &Value) -> bool {
        match self {
            Self::All(inner) => inner.iter().all(|condition| condition.holds(event)),
            Self::Any(inner) => inner.iter().any(|condition| condition.holds(event)),
            Self::Compared { path, operator, value } => {
                selected(event, path).into_iter().any(|found| compares(found, *operator, value))
            }
            Self::Is { path, value } => selected(event, path).contains(&value),
            Self::Absent { path } => selected(event, path).is_empty(),
        }
    }
}

/// Every value that a path leads to.
fn selected<'a>(event: &'a Value, path: &[Step]) -> Vec<&'a Value> {
    let Some((step, rest)) = path.split_first() else { return vec![event] };
    let next: Vec<&Value> = match step {
        Step::Member(name) => event.get(name).into_iter().collect(),
        Step::Item(index) => event.get(index).into_iter().collect(),
        Step::Each => event.as_array().into_iter().flatten().collect(),
    };
    next.into_iter().flat_map(|value| selected(value, rest)).collect()
}

/// Whether a value that is no structure compares so. Numbers are compared as numbers, texts as texts with wildcards.
fn compares(found: &Value, operator: Operator, value: &str) -> bool {
    let is_equal = match (found, value.parse::<f64>()) {
        (Value::Number(number), Ok(value)) => {
            let Some(number) = number.as_f64() else { return false };
            return match operator {
                Operator::Equal => (number - value).abs() < f64::EPSILON,
                Operator::NotEqual => (number - value).abs() >= f64::EPSILON,
                Operator::Below => number < value,
                Operator::AtMost => number <= value,
                Operator::Above => number > value,
                Operator::AtLeast => number >= value,
            };
        }
        (Value::String(text), _) => fits(text, value),
        (Value::Number(_) | Value::Bool(_), _) => fits(&found.to_string(), value),
        _ => return false,
    };
    match operator {
        Operator::Equal => is_equal,
        Operator::NotEqual => !is_equal,
        _ => false,
    }
}

/// Whether a text fits another, in which `*` stands for any text.
fn fits(text: &str, pattern: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return text == pattern };
    let Some(mut text) = text.strip_prefix(first) else { return false };
    let mut parts = rest.split('*');
    let last = parts.next_back().unwrap_or_default();
    for part in parts {
        let Some((_, after)) = text.split_once(part) else { return false };
        text = after;
    }
    text.ends_with(last)
}

/// Reads what is between the braces.
pub(super) fn parse(text: &str) -> Result<Condition, Refusal> {
    let mut reader = Reader { rest: text };
    let condition = reader.any(MAX_DEPTH)?;
    if reader.rest.trim().is_empty() { Ok(condition) } else { Err(wrong()) }
}

struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    /// Takes a text that comes next, after blanks.
    fn takes(&mut self, text: &str) -> bool {
        let rest = self.rest.trim_start().strip_prefix(text);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    /// Conditions with `||` between them; `&&` binds closer.
    fn any(&mut self, depth: usize) -> Result<Condition, Refusal> {
        let mut all = vec![self.all(depth)?];
        while self.takes("||") {
            all.push(self.all(depth)?);
        }
        Ok(if all.len() == 1 { all.remove(0) } else { Condition::Any(all) })
    }

    fn all(&mut self, depth: usize) -> Result<Condition, Refusal> {
        let mut all = vec![self.one(depth)?];
        while self.takes("&&") {
            all.push(self.one(depth)?);
        }
        Ok(if all.len() == 1 { all.remove(0) } else { Condition::All(all) })
    }

    fn one(&mut self, depth: usize) -> Result<Condition, Refusal> {
        if self.takes("(") {
            let inner = self.any(depth.checked_sub(1).ok_or_else(wrong)?)?;
            return if self.takes(")") { Ok(inner) } else { Err(wrong()) };
        }
        let path = self.path()?;
        for (text, operator) in OPERATORS {
            if self.takes(text) {
                return Ok(Condition::Compared { path, operator, value: self.value()? });
            }
        }
        match (self.word(), self.word()) {
            ("IS", "NULL") => Ok(Condition::Is { path, value: Value::Null }),
            ("IS", "TRUE") => Ok(Condition::Is { path, value: Value::Bool(true) }),
            ("IS", "FALSE") => Ok(Condition::Is { path, value: Value::Bool(false) }),
            ("NOT", "EXISTS") => Ok(Condition::Absent { path }),
            _ => Err(wrong()),
        }
    }

    fn word(&mut self) -> &'a str {
        let text = self.rest.trim_start();
        let end = text.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(text.len());
        let (word, rest) = text.split_at(end);
        self.rest = rest;
        word
    }

    /// `$.member.member[0]`, `$.list[*].member`, `$.['a member']`.
    fn path(&mut self) -> Result<Vec<Step>, Refusal> {
        if !self.takes("$") {
            return Err(wrong());
        }
        let mut path = Vec::new();
        loop {
            let is_member = self.rest.starts_with('.');
            self.rest = self.rest.strip_prefix('.').unwrap_or(self.rest);
            if let Some(rest) = self.rest.strip_prefix('[') {
                let (inside, after) = rest.split_once(']').ok_or_else(wrong)?;
                self.rest = after;
                let quoted = ['\'', '"'].iter().find_map(|quote| inside.strip_prefix(*quote)?.strip_suffix(*quote));
                path.push(match (quoted, inside) {
                    (Some(name), _) => Step::Member(name.to_owned()),
                    (None, "*") => Step::Each,
                    (None, index) => Step::Item(index.parse().map_err(|_| wrong())?),
                });
                continue;
            }
            if !is_member {
                break;
            }
            let ends = |c: char| c.is_whitespace() || "=!<>.[]()&|\"'".contains(c);
            let (name, after) = self.rest.split_at(self.rest.find(ends).unwrap_or(self.rest.len()));
            if name.is_empty() {
                return Err(wrong());
            }
            path.push(Step::Member(name.to_owned()));
            self.rest = after;
        }
        if path.is_empty() { Err(wrong()) } else { Ok(path) }
    }

    fn value(&mut self) -> Result<String, Refusal> {
        let text = self.rest.trim_start();
        if text.starts_with('%') {
            return Err(regular_expressions());
        }
        if let Some(quoted) = text.strip_prefix('"') {
            let (value, rest) = quoted_text(quoted).ok_or_else(wrong)?;
            self.rest = rest;
            return Ok(value);
        }
        let ends = |c: char| c.is_whitespace() || "&|()\"".contains(c);
        let (value, rest) = text.split_at(text.find(ends).unwrap_or(text.len()));
        self.rest = rest;
        if value.is_empty() { Err(wrong()) } else { Ok(value.to_owned()) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::pattern::Pattern;

    const EVENT: &str = r#"{"status": 500, "ms": 0.25, "path": "/score/1", "ip": "10.0.0.7", "ok": false, "none": null,
        "user": {"id": 7, "roles": ["admin", "dev"]}, "a.b": "dotted", "items": [{"n": 1}, {"n": 2}]}"#;

    fn matches(pattern: &str) -> bool {
        Pattern::parse(pattern).unwrap_or_else(|refusal| panic!("{pattern}: {refusal:?}")).matches(EVENT)
    }

    #[test]
    fn conditions_on_members_hold_as_documented() {
        for pattern in [
            "{ $.status = 500 }",
            "{$.status=500}",
            "{ $.status >= 500 && $.status < 6e2 }",
            "{ $.status != 200 }",
            "{ $.ms <= 0.25 }",
            "{ $.path = \"/score/*\" }",
            "{ $.path = *score* }",
            "{ $.path = /s*e*1 }",
            "{ $.ip = 10.0.* }",
            "{ $.ip != 10.1.* }",
            "{ $.user.id = 7 }",
            "{ $.user.roles[1] = \"dev\" }",
            "{ $.user.roles[*] = \"dev\" }",
            "{ $.items[*].n = 2 }",
            "{ $.['a.b'] = \"dotted\" }",
            "{ $.none IS NULL }",
            "{ $.ok IS FALSE }",
            "{ $.missing NOT EXISTS }",
            "{ $.status = 1 || $.status = 500 && $.ok IS FALSE }",
            "{ ($.status = 1 || $.status = 500) && ($.user.id > 6) }",
        ] {
            assert!(matches(pattern), "{pattern}");
        }
    }

    #[test]
    fn conditions_that_do_not_hold_match_nothing() {
        for pattern in [
            "{ $.status = 50 }",
            "{ $.status > 500 }",
            "{ $.missing = 1 }",
            "{ $.missing != 1 }",
            "{ $.missing IS NULL }",
            "{ $.none NOT EXISTS }",
            "{ $.user = \"*\" }",
            "{ $.path > 1 }",
            "{ $.path = \"score\" }",
            "{ $.status = 1 || $.status = 2 }",
            "{ ($.status = 500 || $.status = 1) && $.ok IS TRUE }",
        ] {
            assert!(!matches(pattern), "{pattern}");
        }
        let pattern = Pattern::parse("{ $.status = 500 }").unwrap();
        assert!(!pattern.matches("status 500") && !pattern.matches("[500]"));
    }

    #[test]
    fn what_is_no_condition_is_refused() {
        for pattern in [
            "{ $.a }",
            "{ $ = 1 }",
            "{ $.a = }",
            "{ $.a == 1 }x",
            "{ ($.a = 1 }",
            "{ $.a = 1 && }",
            "{ $.a IS 5 }",
            "{ $.a[x] = 1 }",
            "{ $.a. = 1 }",
            "{ $.a = \"open }",
            "{ $.a = 1 $.b = 2 }",
        ] {
            assert_eq!(Pattern::parse(pattern).unwrap_err().message, "Invalid filter pattern", "{pattern}");
        }
        let deep = format!("{{ {}$.a = 1{} }}", "(".repeat(1000), ")".repeat(1000));
        assert!(Pattern::parse(&deep).is_err());
    }
}
