//! One request for scores: pure, from headers and body to status and text.

use std::io::Write as _;

use http::StatusCode;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName};
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

/// What `InvokeEndpoint` passes on as it is.
const CUSTOM_ATTRIBUTES: HeaderName = HeaderName::from_static("x-amzn-sagemaker-custom-attributes");
/// The most contributions in one answer: some 12 MiB of text, where the body that asks for them may be of two bytes a row.
const CONTRIBUTIONS_LIMIT: u64 = 1 << 20;
/// The most work for one answer, in steps of up to ten nanoseconds each; `InvokeEndpoint` waits 60 s for an answer.
const CONTRIBUTION_STEPS_LIMIT: u64 = 1_000_000_000;

#[derive(Clone, Copy)]
enum Format {
    Csv,
    Json,
}

/// What the headers of a request say.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    content_type: Option<&'a str>,
    accept: Option<&'a str>,
    /// Whether each score is to be followed by its contributions.
    pub(crate) contributions: bool,
}

impl<'a> Asked<'a> {
    pub(crate) fn of(headers: &'a HeaderMap) -> Self {
        let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        Self {
            content_type: text(CONTENT_TYPE),
            accept: text(ACCEPT),
            contributions: asks_for_contributions(text(CUSTOM_ATTRIBUTES)),
        }
    }
}

/// Tells whether `X-Amzn-SageMaker-Custom-Attributes`, a list of words, asks for contributions.
///
/// No container of AWS's knows the word; they ignore the header.
fn asks_for_contributions(attributes: Option<&str>) -> bool {
    attributes.is_some_and(|words| words.split(',').any(|word| word.trim_ascii() == "contributions"))
}

/// Scores a body, or says why not.
pub(crate) fn answer(model: &Model, asked: Asked<'_>, body: &[u8]) -> Reply {
    if body.is_empty() {
        return Reply { status: StatusCode::NO_CONTENT, content_type: CSV, body: Vec::new() };
    }
    scores(model, asked, body).unwrap_or_else(|(status, why)| Reply::text(status, &why))
}

fn scores(model: &Model, asked: Asked<'_>, body: &[u8]) -> Result<Reply, (StatusCode, String)> {
    let rows = parse(asked.content_type, body)?;
    let (found, features) = (rows.width(), model.features());
    if found > features {
        let why = format!("the body has {found} columns, but the model has {features} features");
        return Err((StatusCode::BAD_REQUEST, why));
    }
    let format = format(asked.accept)?;
    if asked.contributions {
        refuse_too_many(model, rows.count())?;
    }
    let (content_type, body) = match (format, asked.contributions) {
        (Format::Csv, false) => (CSV, csv(model, &rows)),
        (Format::Json, false) => (JSON, json(model, &rows)),
        (Format::Csv, true) => (CSV, explained_csv(model, &rows)),
        (Format::Json, true) => (JSON, explained_json(model, &rows)),
    };
    Ok(Reply { status: StatusCode::OK, content_type, body })
}

/// Refuses what would take too much memory or time, and says how many rows would not.
fn refuse_too_many(model: &Model, rows: usize) -> Result<(), (StatusCode, String)> {
    let by_size = CONTRIBUTIONS_LIMIT / (model.features() as u64 + 1);
    let by_work = CONTRIBUTION_STEPS_LIMIT / model.contribution_steps().max(1);
    // One row is bounded by the model, which was chosen with care, and not by who asks.
    let most = by_size.min(by_work).max(1);
    if rows as u64 <= most {
        return Ok(());
    }
    let why = format!("contributions are given for at most {most} rows of this model at once, the body has {rows}");
    Err((StatusCode::PAYLOAD_TOO_LARGE, why))
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

/// One line a row: the score, what each feature contributes, the bias.
fn explained_csv(model: &Model, rows: &Rows) -> Vec<u8> {
    let mut out = Vec::with_capacity(rows.count() * (model.features() + 2) * 12);
    rows.for_each(model.features(), |row| {
        push_score(&mut out, model.score(row));
        for contribution in model.contributions(row) {
            out.push(b',');
            push_contribution(&mut out, contribution);
        }
        out.push(b'\n');
    });
    out
}

/// As without contributions, and beside each score a list: what each feature contributes, then the bias.
fn explained_json(model: &Model, rows: &Rows) -> Vec<u8> {
    let mut out = b"{\"predictions\": [".to_vec();
    let mut separator: &[u8] = b"{\"score\": ";
    rows.for_each(model.features(), |row| {
        out.extend_from_slice(separator);
        push_score(&mut out, model.score(row));
        let mut separator_within: &[u8] = b", \"contributions\": [";
        for contribution in model.contributions(row) {
            out.extend_from_slice(separator_within);
            push_contribution(&mut out, contribution);
            separator_within = b", ";
        }
        out.extend_from_slice(b"]}");
        separator = b", {\"score\": ";
    });
    out.extend_from_slice(b"]}");
    out
}

/// Writes a contribution with as many digits as it takes to read the same `f32` again; no other server's bytes have to
/// be met.
fn push_contribution(out: &mut Vec<u8>, contribution: f32) {
    let written = write!(out, "{contribution:?}");
    debug_assert!(written.is_ok(), "writing to a vector does not fail");
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
    use model::Tree;

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
    fn contributions_are_asked_for_by_one_word_of_the_header() {
        for asks in ["contributions", "trace-7, contributions", " contributions ,x"] {
            assert!(asks_for_contributions(Some(asks)), "{asks}");
        }
        for asks_not in [None, Some(""), Some("Contributions"), Some("contributions=no"), Some("no contributions")] {
            assert!(!asks_for_contributions(asks_not), "{asks_not:?}");
        }
    }

    #[test]
    fn more_contributions_than_an_answer_may_have_are_refused_with_the_number_that_it_may() {
        let names = (0..1023).map(|index| format!("f{index}")).collect::<Vec<_>>();
        let model = Model::linear(&names, vec![0.0; 1023], 0.0).unwrap();
        assert_eq!(refuse_too_many(&model, 1024), Ok(()));
        let why = "contributions are given for at most 1024 rows of this model at once, the body has 1025";
        assert_eq!(refuse_too_many(&model, 1025), Err((StatusCode::PAYLOAD_TOO_LARGE, why.to_owned())));
    }

    #[test]
    fn more_work_than_an_answer_may_take_is_refused() {
        let names = ["a".to_owned()];
        let model = Model::boosted(&names, 0.0, vec![Tree::constant(0.0).unwrap(); 10_000]).unwrap();
        let most = usize::try_from(CONTRIBUTION_STEPS_LIMIT / model.contribution_steps()).unwrap();
        assert!(most < 500_000, "the size of the answer must not be what is refused");
        assert_eq!(refuse_too_many(&model, most), Ok(()));
        assert!(refuse_too_many(&model, most + 1).is_err());
    }

    #[test]
    fn a_media_type_is_compared_without_parameters_and_case() {
        assert_eq!(media_type(Some("Text/CSV ; label_size=1")), "text/csv");
        assert_eq!(media_type(None), "");
    }
}
