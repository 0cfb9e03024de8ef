//! A request body: checked against the features, and turned into the CSV row that the container reads.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;
use serde_json::value::RawValue;

/// The most unknown names a refusal repeats: a body of millions of keys must not become an answer over Lambda's 6 MB.
const MAX_UNKNOWN_NAMES: usize = 100;
/// The most characters of an unknown name a refusal repeats.
const MAX_NAME_CHARS: usize = 64;

/// Everything that is wrong with a body. Names are repeated to the caller, values never.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Refusal {
    /// One sentence for people.
    pub error: String,
    /// Features the body lacks, in the model's order.
    pub missing: Vec<String>,
    /// Names in the body that are no feature, sorted; at most 100 are listed.
    pub unknown: Vec<String>,
    /// Features whose value is neither `null` nor a number within the range of `f32`, in the model's order.
    pub not_numbers: Vec<String>,
}

/// Turns a JSON object with exactly the `features` into one CSV row.
///
/// `null` is a missing value and becomes an empty cell; the caller says so outright, while a feature left out is more
/// likely a mistake and is refused. Of a name given twice the last value counts, as in most JSON readers. A number is
/// written as the shortest decimal that reads back as the same `f64`. One beyond the range of `f32` is refused here,
/// since the model holds its input as `f32` and refuses infinities.
pub fn to_csv(body: &[u8], features: &[String]) -> Result<String, Refusal> {
    let document: &RawValue = serde_json::from_slice(body).map_err(|error| {
        Refusal::new(format!("the body is not JSON (line {}, column {})", error.line(), error.column()))
    })?;
    if !document.get().starts_with('{') {
        return Err(Refusal::new("the body is not a JSON object"));
    }
    let mut given: BTreeMap<String, &RawValue> =
        serde_json::from_str(document.get()).map_err(|_| Refusal::new("the body has a name that is not valid text"))?;

    let mut refusal = Refusal::default();
    let mut row = String::with_capacity(features.len() * 12);
    for (column, feature) in features.iter().enumerate() {
        if column > 0 {
            row.push(',');
        }
        match given.remove(feature).map(|value| cell(value.get())) {
            None => refusal.missing.push(feature.clone()),
            Some(Err(NotANumber)) => refusal.not_numbers.push(feature.clone()),
            Some(Ok(None)) => {}
            Some(Ok(Some(number))) => {
                let written = write!(row, "{number:?}");
                debug_assert!(written.is_ok(), "writing to a string does not fail");
            }
        }
    }
    if refusal.missing.is_empty() && refusal.not_numbers.is_empty() && given.is_empty() {
        // The only cell of a row may not be empty: the container answers 204 to an empty body.
        return Ok(if row.is_empty() { "nan".to_owned() } else { row });
    }
    let unknown = given.len();
    refusal.unknown = given.into_keys().take(MAX_UNKNOWN_NAMES).map(shortened).collect();
    refusal.error = summary(&refusal, unknown);
    Err(refusal)
}

struct NotANumber;

/// Reads one value of valid JSON: a number, or `None` for `null`.
fn cell(json: &str) -> Result<Option<f64>, NotANumber> {
    if json == "null" {
        return Ok(None);
    }
    // Looked at first because Rust reads `inf` and `nan`, which here could only come from a string's content.
    if !json.starts_with(|first: char| first == '-' || first.is_ascii_digit()) {
        return Err(NotANumber);
    }
    match json.parse::<f64>() {
        Ok(number) if (number as f32).is_finite() => Ok(Some(number)),
        _ => Err(NotANumber),
    }
}

fn shortened(name: String) -> String {
    match name.char_indices().nth(MAX_NAME_CHARS) {
        None => name,
        Some((end, _)) => format!("{}…", &name[..end]),
    }
}

fn summary(refusal: &Refusal, unknown: usize) -> String {
    let parts = [
        (refusal.missing.len(), "missing"),
        (unknown, "unknown"),
        (refusal.not_numbers.len(), "neither a number within range nor null"),
    ];
    let parts: Vec<String> = parts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect();
    format!("the body must hold exactly the model's features as numbers: {}", parts.join(", "))
}

impl Refusal {
    /// Refuses a body of which no field could be looked at.
    pub fn new(error: impl Into<String>) -> Self {
        Self { error: error.into(), ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn csv(body: &str) -> Result<String, Refusal> {
        to_csv(body.as_bytes(), &["V1", "V2", "Amount"].map(str::to_owned))
    }

    fn refusal(body: &str) -> String {
        serde_json::to_string_pretty(&csv(body).unwrap_err()).unwrap()
    }

    #[test]
    fn a_row_follows_the_order_of_the_features_not_of_the_body() {
        assert_eq!(csv(r#"{"Amount":149.62,"V2":-0.07,"V1":-1.36}"#).unwrap(), "-1.36,-0.07,149.62");
    }

    #[test]
    fn numbers_keep_every_bit() {
        let numbers =
            ["0.1", "-0.0", "1e-7", "5e-324", "1.7976931348623157e30", "0.30000000000000004", "9007199254740993"];
        for number in numbers {
            let row = csv(&format!(r#"{{"V1":{number},"V2":0,"Amount":0}}"#)).unwrap();
            let cell: f64 = row.split(',').next().unwrap().parse().unwrap();
            assert_eq!(cell.to_bits(), number.parse::<f64>().unwrap().to_bits(), "{number} became {row}");
        }
    }

    #[test]
    fn null_is_an_empty_cell() {
        assert_eq!(csv(r#"{"V1":null,"V2":1,"Amount":null}"#).unwrap(), ",1.0,");
    }

    #[test]
    fn a_lone_missing_value_is_not_an_empty_body() {
        assert_eq!(to_csv(br#"{"V1":null}"#, &["V1".to_owned()]).unwrap(), "nan");
    }

    #[test]
    fn a_name_given_twice_counts_once_and_last() {
        assert_eq!(csv(r#"{"V1":1,"V2":2,"Amount":3,"V1":4}"#).unwrap(), "4.0,2.0,3.0");
    }

    #[test]
    fn everything_wrong_is_listed_at_once_and_no_value_is_repeated() {
        insta::assert_snapshot!(refusal(r#"{"V1":"secret","amount":149.62,"Extra":null,"V2":true}"#), @r#"
        {
          "error": "the body must hold exactly the model's features as numbers: 1 missing, 2 unknown, 2 neither a number within range nor null",
          "missing": [
            "Amount"
          ],
          "unknown": [
            "Extra",
            "amount"
          ],
          "not_numbers": [
            "V1",
            "V2"
          ]
        }
        "#);
    }

    #[test]
    fn a_number_out_of_range_is_not_a_number() {
        for number in ["1e400", "-1e400", "3.5e38", "[1]", "{\"a\":1}", "\"1\"", "\"nan\""] {
            let refused = csv(&format!(r#"{{"V1":{number},"V2":0,"Amount":0}}"#)).unwrap_err();
            assert_eq!(refused.not_numbers, ["V1"], "{number}");
        }
    }

    #[test]
    fn what_is_not_an_object_is_refused_whole() {
        let errors = ["", "{", "{\"V1\":NaN}", "[1,2,3]", "1", "null"].map(|body| csv(body).unwrap_err().error);
        insta::assert_snapshot!(errors.join("\n"), @"
        the body is not JSON (line 1, column 0)
        the body is not JSON (line 1, column 1)
        the body is not JSON (line 1, column 7)
        the body is not a JSON object
        the body is not a JSON object
        the body is not a JSON object
        ");
        assert_eq!(to_csv(b"\xff", &[]).unwrap_err().error, "the body is not JSON (line 1, column 1)");
    }

    #[test]
    fn a_flood_of_unknown_names_stays_a_small_answer() {
        let names: Vec<String> = (0..1000).map(|n| format!(r#""{}{n}":1"#, "x".repeat(500))).collect();
        let refused = csv(&format!("{{{}}}", names.join(","))).unwrap_err();
        assert_eq!(refused.unknown.len(), MAX_UNKNOWN_NAMES);
        assert_eq!(refused.unknown[0].chars().count(), MAX_NAME_CHARS + 1);
        assert!(refused.error.contains("1000 unknown"), "{}", refused.error);
    }
}
