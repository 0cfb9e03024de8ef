//! One request for scores: pure, from headers and body to status and text.

use std::io::Write as _;

use http::StatusCode;
use model::Model;

use crate::payload::{PayloadError, Rows};

/// What is answered.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) content_type: &'static str,
    pub(crate) body: Vec<u8>,
}

const CSV: &str = "text/csv; charset=utf-8";
const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";

#[derive(Clone, Copy)]
enum Format {
    Csv,
    Json,
}

/// Scores a body, or says why not.
pub(crate) fn answer(model: &Model, content_type: Option<&str>, accept: Option<&str>, body: &[u8]) -> Reply {
    if body.is_empty() {
        return Reply { status: StatusCode::NO_CONTENT, content_type: CSV, body: Vec::new() };
    }
    scores(model, content_type, accept, body).unwrap_or_else(|(status, why)| Reply::text(status, &why))
}

fn scores(
    model: &Model,
    content_type: Option<&str>,
    accept: Option<&str>,
    body: &[u8],
) -> Result<Reply, (StatusCode, String)> {
    let rows = parse(content_type, body)?;
    let (found, features) = (rows.width(), model.features());
    if found > features {
        let why = format!("the body has {found} columns, but the model has {features} features");
        return Err((StatusCode::BAD_REQUEST, why));
    }
    match format(accept)? {
        Format::Csv => Ok(Reply { status: StatusCode::OK, content_type: CSV, body: csv(model, &rows) }),
        Format::Json => Ok(Reply { status: StatusCode::OK, content_type: JSON, body: json(model, &rows) }),
    }
}

fn parse(content_type: Option<&str>, body: &[u8]) -> Result<Rows, (StatusCode, String)> {
    let unparsable = |error: PayloadError| (StatusCode::UNSUPPORTED_MEDIA_TYPE, error.to_string());
    match media_type(content_type).as_str() {
        "text/csv" | "csv" => Rows::from_csv(body).map_err(unparsable),
        // The container takes a body without a type for LIBSVM.
        "text/libsvm" | "text/x-libsvm" | "libsvm" | "" => Rows::from_libsvm(body).map_err(unparsable),
        _ => Err((
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "the content type is not supported, only text/csv and text/libsvm".to_owned(),
        )),
    }
}

/// Unlike the container, which answers 500, refuses JSON lines and `recordio-protobuf` as it does unknown types.
fn format(accept: Option<&str>) -> Result<Format, (StatusCode, String)> {
    match media_type(accept).as_str() {
        "" | "*/*" | "text/csv" => Ok(Format::Csv),
        "application/json" => Ok(Format::Json),
        _ => Err((
            StatusCode::NOT_ACCEPTABLE,
            "the accepted type is not supported, only text/csv and application/json".to_owned(),
        )),
    }
}

/// The type without its parameters, in lower case.
fn media_type(header: Option<&str>) -> String {
    let value = header.unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim_ascii().to_ascii_lowercase()
}

/// One score a line.
fn csv(model: &Model, rows: &Rows) -> Vec<u8> {
    let mut out = Vec::with_capacity(32);
    rows.for_each(model.features(), |row| {
        push_score(&mut out, model.score(row));
        out.push(b'\n');
    });
    out
}

/// The same bytes as Python's `json.dumps` of the same predictions.
fn json(model: &Model, rows: &Rows) -> Vec<u8> {
    let mut out = b"{\"predictions\": [".to_vec();
    let mut separator: &[u8] = b"{\"score\": ";
    rows.for_each(model.features(), |row| {
        out.extend_from_slice(separator);
        push_score(&mut out, model.score(row));
        out.push(b'}');
        separator = b", {\"score\": ";
    });
    out.extend_from_slice(b"]}");
    out
}

/// Writes a score as the container does, which is Python's `str` of the score widened to `f64`: the shortest digits
/// that read back as the same bits, with an exponent of at least two digits.
fn push_score(out: &mut Vec<u8>, score: f32) {
    let start = out.len();
    let written = write!(out, "{:?}", f64::from(score));
    debug_assert!(written.is_ok(), "writing to a vector does not fail");
    let Some(e) = out[start..].iter().position(|byte| *byte == b'e').map(|offset| start + offset) else {
        return;
    };
    let digits = if out[e + 1] == b'-' {
        e + 2
    } else {
        out.insert(e + 1, b'+');
        e + 2
    };
    if out.len() - digits == 1 {
        out.insert(digits, b'0');
    }
}

impl Reply {
    pub(crate) fn text(status: StatusCode, why: &str) -> Self {
        Self { status, content_type: TEXT, body: why.as_bytes().to_vec() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_are_written_as_python_writes_them() {
        for (score, text) in [
            (6.976_925_3e-6_f32, "6.976925305934856e-06"),
            (0.5, "0.5"),
            (1.0, "1.0"),
            (0.1, "0.10000000149011612"),
            (1e-4, "9.999999747378752e-05"),
            (1e-38, "9.999999350456404e-39"),
            (-3.0e16, "-3.000000081769267e+16"),
            (1e-10, "1.000000013351432e-10"),
            (0.0, "0.0"),
        ] {
            let mut out = Vec::new();
            push_score(&mut out, score);
            let written = String::from_utf8(out).unwrap();
            assert_eq!(written.parse::<f64>().unwrap().to_bits(), f64::from(score).to_bits());
            assert_eq!(written, text);
        }
    }

    #[test]
    fn a_media_type_is_compared_without_parameters_and_case() {
        assert_eq!(media_type(Some("Text/CSV ; label_size=1")), "text/csv");
        assert_eq!(media_type(None), "");
    }
}
