//! Rows to train on and to judge by: few, and the same at every run.

use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};

/// Columns of [`csv`] beside `Class`.
pub(crate) const FEATURES: &str = "[V1..V3]";

/// A file with the columns V1 to V3 and Class. V1 tells most about Class, V2 less, V3 nothing; a fifth is positive.
pub(crate) fn csv(rows: u32, seed: u32) -> String {
    let mut state = seed;
    let mut next = || {
        // The constants of Numerical Recipes, chapter 7.1; the upper half of the bits.
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f64::from(state >> 16) / 65_536.0
    };
    let mut text = "V1,V2,V3,Class\n".to_owned();
    for _ in 0..rows {
        let [v1, v2, v3] = [next(), next(), next()].map(|it| ((it * 4.0 - 2.0) * 1e4).round() / 1e4);
        let class = u8::from(v1 + v2 / 2.0 + (next() - 0.5) * 1.6 > 1.1);
        text = format!("{text}{v1},{v2},{v3},{class}\n");
    }
    text
}

/// Each row of [`csv`] as a request, and its class.
pub(crate) fn requests(csv: &str) -> Vec<(Json, bool)> {
    let rows = csv.lines().skip(1).map(|line| {
        let cells: Vec<&str> = line.split(',').collect();
        let number = |index: usize| cells[index].parse::<f64>().unwrap();
        (json!({ "V1": number(0), "V2": number(1), "V3": number(2) }), cells[3] == "1")
    });
    rows.collect()
}

/// SHA-256 in hexadecimal digits.
pub(crate) fn sha256(text: &str) -> String {
    hex::encode(Sha256::digest(text))
}
