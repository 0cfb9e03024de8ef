//! What every protocol with text in it needs: forms, paths, and values written as text.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use percent_encoding::percent_decode_str;
use serde_json::{Value as Json, json};

use super::models::Shape;

/// Keys and values of a form or a query.
pub(super) fn form(bytes: &[u8]) -> Vec<(String, String)> {
    form_urlencoded::parse(bytes).into_owned().collect()
}

/// The labels of a path template and what stands in their place; none when the path is not of that form.
pub(super) fn path_parts<'a>(template: &'a str, path: &str) -> Option<Vec<(&'a str, String)>> {
    let mut rest: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let template: Vec<&str> = template.trim_start_matches('/').split('/').collect();
    // A slash at the end is written by some and means nothing, but in a key.
    if rest.len() == template.len() + 1 && rest.last() == Some(&"") {
        rest.pop();
    }
    let mut labels = vec![];
    for (index, part) in template.iter().enumerate() {
        let label = part.strip_prefix('{').and_then(|part| part.strip_suffix('}'));
        let Some(label) = label else {
            if rest.get(index) != Some(part) {
                return None;
            }
            continue;
        };
        let (label, value) = match label.strip_suffix('+') {
            Some(label) => (label, rest.get(index..)?.join("/")),
            None => (label, (*rest.get(index)?).to_owned()),
        };
        if value.is_empty() {
            return None;
        }
        labels.push((label, percent_decode_str(&value).decode_utf8().ok()?.into_owned()));
        if part.ends_with("+}") {
            return Some(labels);
        }
    }
    (rest.len() == template.len()).then_some(labels)
}

/// A value written as text. A blob becomes its length in bytes.
pub(super) fn scalar(shape: Shape<'_>, text: &str) -> Result<Json, String> {
    let wrong = |what: &str| format!("`{text}` is no {what}");
    match shape.kind() {
        "integer" | "long" => text.parse::<i64>().map(Json::from).map_err(|_| wrong("whole number")),
        "float" | "double" => text.parse::<f64>().map(Json::from).map_err(|_| wrong("number")),
        "boolean" => text.parse::<bool>().map(Json::from).map_err(|_| wrong("boolean")),
        "blob" => BASE64.decode(text).map(|bytes| json!(bytes.len())).map_err(|_| wrong("base64")),
        "string" | "timestamp" => Ok(text.into()),
        kind => Err(format!("a {kind} cannot be written as text")),
    }
}
