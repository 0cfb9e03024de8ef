//! What a model demands of members: that they are there, of their kind, and within their limits.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use regress::Regex;
use serde_json::{Value as Json, json};

use super::models::{Operation, Shape};

/// Everything that breaks a rule, one line each.
pub(super) fn faults(operation: &Operation<'_>, members: &Json) -> Vec<String> {
    let mut faults = vec![];
    if let Some(input) = operation.input() {
        check(input, members, "", &mut faults);
    }
    faults
}

fn check(shape: Shape<'_>, value: &Json, path: &str, faults: &mut Vec<String>) {
    let mut fault = |what: String| faults.push(if path.is_empty() { what } else { format!("{path}: {what}") });
    match (shape.kind(), value) {
        ("structure", Json::Object(members)) => {
            for name in shape.required().filter(|name| !members.contains_key(*name)) {
                fault(format!("required member `{name}` is missing"));
            }
            if shape.is("union") && members.len() != 1 {
                fault(format!("exactly one member is wanted, and there are {}", members.len()));
            }
            for (name, value) in members {
                if let Some(member) = shape.member(name) {
                    let place = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                    check(member, value, &place, faults);
                }
            }
        }
        ("list", Json::Array(items)) => {
            limits(shape, items.len(), "items", &mut fault);
            for (n, item) in items.iter().enumerate() {
                check(shape.item(), item, &format!("{path}[{n}]"), faults);
            }
        }
        ("map", Json::Object(entries)) => {
            limits(shape, entries.len(), "entries", &mut fault);
            for (key, value) in entries {
                check(shape.key(), &json!(key), &format!("{path}, key `{key}`"), faults);
                check(shape.value(), value, &format!("{path}.{key}"), faults);
            }
        }
        ("string", Json::String(text)) => string(shape, text, &mut fault),
        ("blob", Json::Number(bytes)) => {
            limits(shape, bytes.as_u64().unwrap_or_default() as usize, "bytes", &mut fault);
        }
        ("integer" | "long", Json::Number(number)) if number.is_i64() || number.is_u64() => {
            range(shape, value, &mut fault);
        }
        ("float" | "double", Json::Number(_)) => range(shape, value, &mut fault),
        // What could not be read is null, and has been told.
        ("boolean", Json::Bool(_)) | ("timestamp", Json::Number(_) | Json::String(_)) | (_, Json::Null) => {}
        (kind, value) => fault(format!("a {kind} is wanted, not {value}")),
    }
}

fn string(shape: Shape<'_>, text: &str, fault: &mut impl FnMut(String)) {
    limits(shape, text.chars().count(), "characters", fault);
    let choices = shape.json["enum"].as_array();
    if choices.is_some_and(|choices| !choices.iter().any(|choice| choice == text)) {
        fault(format!("`{text}` is none of the {} choices", choices.map_or(0, Vec::len)));
    }
    if let Some(pattern) = shape.json["pattern"].as_str() {
        match matches(pattern, text) {
            Ok(true) => {}
            Ok(false) => fault(format!("`{text}` does not match {pattern}")),
            Err(why) => fault(format!("the pattern {pattern} cannot be read: {why}")),
        }
    }
}

fn limits(shape: Shape<'_>, size: usize, what: &str, fault: &mut impl FnMut(String)) {
    let limit = |name: &str| shape.json[name].as_u64().map(|limit| limit as usize);
    if let Some(min) = limit("min").filter(|min| size < *min) {
        fault(format!("{size} {what}, and at least {min} are wanted"));
    }
    if let Some(max) = limit("max").filter(|max| size > *max) {
        fault(format!("{size} {what}, and at most {max} are wanted"));
    }
}

fn range(shape: Shape<'_>, value: &Json, fault: &mut impl FnMut(String)) {
    let number = value.as_f64().unwrap_or(f64::NAN);
    for (name, broken) in [("min", f64::lt as fn(&f64, &f64) -> bool), ("max", f64::gt)] {
        if let Some(limit) = shape.json[name].as_f64().filter(|limit| broken(&number, limit)) {
            fault(format!("{value} is beyond the {name} of {limit}"));
        }
    }
}

/// Whether the whole text matches a pattern. They are written for Java; what JavaScript's stricter syntax refuses, its
/// older one reads.
fn matches(pattern: &str, text: &str) -> Result<bool, String> {
    static READ: Mutex<BTreeMap<String, Result<Regex, String>>> = Mutex::new(BTreeMap::new());
    let mut read = READ.lock().unwrap_or_else(PoisonError::into_inner);
    let regex = read.entry(pattern.to_owned()).or_insert_with(|| {
        let whole = format!("^(?:{pattern})$");
        let strict = Regex::with_flags(&whole, "su").or_else(|_| Regex::with_flags(&whole, "s"));
        strict.map_err(|error| error.text)
    });
    Ok(regex.as_ref().map_err(Clone::clone)?.find(text).is_some())
}
