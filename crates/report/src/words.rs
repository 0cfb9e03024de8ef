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

/// Writes a share as a percentage with as many digits as it takes to see that it is not 0.
pub(crate) fn percent(share: f64) -> String {
    let percent = share * 100.0;
    match percent {
        it if it == 0.0 || it >= 99.95 => format!("{it:.0} %"),
        it if it >= 1.0 => format!("{it:.1} %"),
        it if it >= 0.001 => format!("{it:.3} %"),
        it => format!("{it:.0e} %"),
    }
}

/// Writes a number with four significant digits.
pub(crate) fn number(number: f64) -> String {
    let size = number.abs();
    if number == 0.0 {
        return "0".to_owned();
    }
    if !(1e-4..1e6).contains(&size) {
        return format!("{number:.3e}");
    }
    let digits = (3 - size.log10().floor() as i32).clamp(0, 7) as usize;
    let text = format!("{number:.digits$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// The parameters of a training, by name; whatever the trainer comes to know is shown without a change here.
pub(crate) fn options(options: &Options) -> Vec<(String, String)> {
    let mut flat = Vec::new();
    flatten("", &serde_json::to_value(options).unwrap_or_default(), &mut flat);
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
        insta::assert_snapshot!(shown.join(" | "), @"");
    }
}
