//! Says in the reader's words what serde found.

use serde_yaml::Value;

use crate::complaint::Complaint;
use crate::places::Places;

/// Longer texts are cut when they are quoted in a message.
const MAX_QUOTED_CHARS: usize = 60;

/// A character as people see it.
pub(super) fn shown(c: char) -> String {
    match c {
        c if c.is_ascii_whitespace() => "white space".to_owned(),
        c if c.is_control() || c.is_whitespace() => format!("U+{:04X}", u32::from(c)),
        c => format!("`{c}`"),
    }
}

/// A value of a wrong type.
pub(super) struct WrongType<'a> {
    pub(super) path: &'a str,
    pub(super) value: &'a Value,
    /// In the reader's words.
    pub(super) expected: &'a str,
}

impl WrongType<'_> {
    pub(super) fn complain(&self, places: &Places) -> Complaint {
        let subject = subject(self.path);
        let found = match self.value {
            Value::Null => "but is empty".to_owned(),
            Value::Bool(truth) => format!("not `{truth}`"),
            Value::Number(number) => format!("not the number {number}"),
            Value::String(text) => format!("not the text {}", quoted(text)),
            Value::Sequence(_) => "not a list".to_owned(),
            Value::Mapping(_) => "not a block of keys".to_owned(),
            Value::Tagged(_) => "not a tagged value".to_owned(),
        };
        let complaint = places.complain(self.path, format!("{subject} must be {}, {found}", self.expected));
        let scalar = matches!(self.value, Value::Number(_) | Value::Bool(_));
        if scalar && self.expected == "text" {
            // The number may be read from other digits than are written: `012` is 12.
            let written = places.text(&places.find(self.path)).to_owned();
            return complaint.help(format!("put it in quotes: \"{written}\""));
        }
        if self.expected == "a list" {
            return complaint.help("a list is `[a, b]`, or a line with `- ` for each item");
        }
        complaint
    }
}

/// Turns an error of serde about the block at `prefix` into a complaint about the very value.
pub(super) fn from_serde(
    places: &Places,
    prefix: &str,
    block: &Value,
    error: &serde_path_to_error::Error<serde_yaml::Error>,
) -> Complaint {
    let mut path = prefix.to_owned();
    let mut value = block;
    for segment in error.path() {
        match segment {
            serde_path_to_error::Segment::Seq { index } => {
                path = format!("{path}[{index}]");
                value = value.get(*index).unwrap_or(&Value::Null);
            }
            serde_path_to_error::Segment::Map { key } => {
                path = format!("{path}.{key}");
                value = value.get(key.as_str()).unwrap_or(&Value::Null);
            }
            _ => {}
        }
    }
    let text = error.inner().to_string();
    if let Some(key) = text.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`')) {
        return places.complain(&path, format!("{} lacks the key `{key}`", subject(&path)));
    }
    match text.split_once(", expected ") {
        Some((found, expected)) if found.starts_with("invalid ") => {
            WrongType { path: &path, value, expected: in_words(expected) }.complain(places)
        }
        _ => places.complain(&path, text),
    }
}

/// What serde expects, in the reader's words.
fn in_words(expected: &str) -> &str {
    match expected {
        "a string" => "text",
        "i64" | "i32" => "a whole number",
        "u64" | "u32" => "a whole number of at least 0",
        "f64" | "f32" => "a number",
        "a boolean" => "`true` or `false`",
        "a sequence" => "a list",
        "a map" => "a block of keys",
        _ if expected.starts_with("struct ") => "a block of keys",
        _ => expected,
    }
}

/// The last part of a path, as a noun.
pub(super) fn subject(path: &str) -> String {
    let last = leaf(path);
    match last.split_once('[') {
        Some((list, index)) => {
            let index: usize = index.trim_end_matches(']').parse().unwrap_or_default();
            format!("item {} of `{list}`", index + 1)
        }
        None => format!("`{last}`"),
    }
}

/// The last part of a path.
pub(super) fn leaf(path: &str) -> &str {
    path.rsplit('.').next().unwrap_or(path)
}

/// Quotes text from the file, cut to a bearable length.
pub(super) fn quoted(text: &str) -> String {
    match text.char_indices().nth(MAX_QUOTED_CHARS) {
        Some((end, _)) => format!("`{}…`", &text[..end]),
        None => format!("`{text}`"),
    }
}
