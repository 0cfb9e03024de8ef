//! Numbers and parameters as people read them.

use serde_json::Value;
use trainer::Options;

/// Writes a count with commas between thousands.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Writes a share as a percentage with as many digits as it takes to tell it from nothing and from everything.
pub(crate) fn percent(share: f64) -> String {
    let percent = share * 100.0;
    match percent {
        it if it <= 0.0 || it >= 100.0 => format!("{it:.0} %"),
        it if (1.0..99.9).contains(&it) => format!("{it:.1} %"),
        it if (0.001..99.999).contains(&it) => format!("{it:.3} %"),
        it if it > 99.0 => "above 99.999 %".to_owned(),
        it => format!("{it:.0e} %"),
    }
}

/// Writes a number with four significant digits.
pub(crate) fn number(number: f64) -> String {
    significant(number, 4)
}

/// Writes a difference with two significant digits.
pub(crate) fn difference(number: f64) -> String {
    significant(number, 2)
}

fn significant(number: f64, digits: i32) -> String {
    let size = number.abs();
    if number == 0.0 {
        return "0".to_owned();
    }
    if !(1e-4..1e6).contains(&size) {
        return format!("{number:.*e}", (digits - 1).unsigned_abs() as usize);
    }
    let decimals = (digits - 1 - size.log10().floor() as i32).clamp(0, 7).unsigned_abs() as usize;
    let text = format!("{number:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// The parameters of a training, by name; whatever the trainer comes to know is shown without a change here.
pub(crate) fn options(options: &Options) -> Vec<(String, String)> {
    let mut flat = Vec::new();
    let mut value = serde_json::to_value(options).unwrap_or_default();
    // Its name tells what is below: `gradient-boosting / trees`.
    let algorithm = value.get_mut("algorithm").map(Value::take).unwrap_or_default();
    flatten("", &algorithm, &mut flat);
    flatten("", &value, &mut flat);
    flat
}

fn flatten(path: &str, value: &Value, flat: &mut Vec<(String, String)>) {
    match value {
        Value::Object(members) if members.is_empty() => {}
        Value::Object(members) => {
            for (name, value) in members {
                let below = if path.is_empty() { name.clone() } else { format!("{path} / {name}") };
                flatten(&below, value, flat);
            }
        }
        Value::Null => {}
        Value::String(text) => flat.push((path.to_owned(), text.clone())),
        Value::Number(it) if it.is_f64() => flat.push((path.to_owned(), number(it.as_f64().unwrap_or_default()))),
        other => flat.push((path.to_owned(), other.to_string())),
    }
}

/// Cuts a name so that it fits beside a chart.
pub(crate) fn short(name: &str, limit: usize) -> String {
    if name.chars().count() <= limit {
        return name.to_owned();
    }
    name.chars().take(limit - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        let shown = [
            count(0),
            count(999),
            count(1_000),
            count(56_962),
            count(1_234_567),
            percent(0.0),
            percent(0.001_727),
            percent(0.5),
            percent(1.0),
            percent(0.000_000_2),
            percent(0.999_505),
            percent(0.999_999_999),
            difference(0.005_223),
            number(0.0),
            number(0.5),
            number(0.123_456),
            number(-12.0),
            number(149.62),
            number(0.000_012_3),
            number(100.0),
            short("V14", 5),
            short("a very long name", 6),
        ];
        insta::assert_snapshot!(shown.join(" | "), @"0 | 999 | 1,000 | 56,962 | 1,234,567 | 0 % | 0.173 % | 50.0 % | 100 % | 2e-5 % | 99.950 % | above 99.999 % | 0.0052 | 0 | 0.5 | 0.1235 | -12 | 149.6 | 1.230e-5 | 100 | V14 | a ver…");
    }
}
