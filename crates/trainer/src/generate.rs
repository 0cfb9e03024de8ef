//! Makes card transactions to try a pipeline with: no download, no licence, the same rows everywhere.
//!
//! The columns are those of the public credit-card set: `V1` to `V28` stand for principal components, independent and
//! with that set's falling standard deviations, `Amount` is log-normal. 0.173 % of the rows are fraud. A fraud is moved
//! along that set's mean difference between the classes, most of all in V14, V3, V17, V12, V10 and V4, by a share that
//! differs from fraud to fraud: most are moved far, some a little, some not at all. So a good model finds most and
//! nobody finds all. Some honest rows are wide of the rest, and a few are moved a little as well.
//!
//! Every step is whole-number arithmetic, or an addition, multiplication or division of f64, all of which IEEE 754
//! rounds in one way; no function of a mathematics library, whose last digit differs between platforms, takes part.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use crate::{DataError, Table};

/// Label of the rows that [`generate`] makes.
pub const GENERATED_LABEL: &str = "Class";

/// Features of the rows that [`generate`] makes.
pub const GENERATED_FEATURES: [&str; 29] = [
    "V1", "V2", "V3", "V4", "V5", "V6", "V7", "V8", "V9", "V10", "V11", "V12", "V13", "V14", "V15", "V16", "V17",
    "V18", "V19", "V20", "V21", "V22", "V23", "V24", "V25", "V26", "V27", "V28", "Amount",
];

/// Below it there would be a single fraud, and nothing to hold back.
const ROWS_LEAST: u64 = 1_000;
/// 1.2 GB of them.
const ROWS_MOST: u64 = 10_000_000;
const FRAUDS_PER_100_000: u64 = 173;
const FRAUDS_LEAST: u64 = 2;

/// Standard deviations of V1 to V28, as in the public set.
#[rustfmt::skip]
const DEVIATION: [f64; 28] = [
    1.96, 1.65, 1.52, 1.42, 1.38, 1.33, 1.24, 1.19, 1.10, 1.09, 1.02, 1.00, 0.995, 0.959,
    0.915, 0.876, 0.849, 0.838, 0.814, 0.771, 0.735, 0.726, 0.624, 0.606, 0.521, 0.482, 0.404, 0.330,
];

/// Means of V1 to V28 among the frauds of the public set; among the rest they are 0.
#[rustfmt::skip]
const FRAUD_MEAN: [f64; 28] = [
    -4.77, 3.62, -7.03, 4.54, -3.15, -1.40, -5.57, 0.57, -2.58, -5.68, 3.80, -6.26, -0.11, -6.97,
    -0.09, -4.14, -6.67, -2.25, 0.68, 0.37, 0.71, 0.01, -0.04, -0.11, 0.04, 0.05, 0.17, 0.08,
];

/// Makes card transactions, the same for the same seed on every platform and in every release of one trainer version.
///
/// 1,000 to 10,000,000 rows.
pub fn generate(rows: u64, seed: u64) -> Result<Table, DataError> {
    if !(ROWS_LEAST..=ROWS_MOST).contains(&rows) {
        return Err(DataError::RowsOutOfRange { rows, least: ROWS_LEAST, most: ROWS_MOST });
    }
    let mut random = Random::new(*b"generate", seed);
    let mut table = Table::new(GENERATED_LABEL, GENERATED_FEATURES.map(str::to_owned).to_vec());
    let mut frauds_left = frauds(rows);
    for rows_left in (1..=rows).rev() {
        let is_fraud = random.below(rows_left) < frauds_left;
        frauds_left -= u64::from(is_fraud);
        table.push(&transaction(&mut random, is_fraud), is_fraud);
    }
    Ok(table)
}

fn frauds(rows: u64) -> u64 {
    ((rows * FRAUDS_PER_100_000 + 50_000) / 100_000).max(FRAUDS_LEAST)
}

fn transaction(random: &mut Random, is_fraud: bool) -> [f32; 29] {
    let kind = random.unit();
    // How far along the way to the mean fraud, and how wide around that place.
    let (moved, width) = match kind {
        _ if is_fraud && kind < 0.87 => (0.55 + 0.65 * random.unit(), 1.5),
        _ if is_fraud && kind < 0.965 => (0.15 + 0.35 * random.unit(), 1.2),
        _ if is_fraud => (0.0, 1.0),
        _ if kind < 0.0003 => (0.1 + 0.4 * random.unit(), 1.2),
        _ if kind < 0.03 => (0.0, 2.2),
        _ => (0.0, 0.95),
    };
    let mut row = [0.0; 29];
    for (component, value) in row.iter_mut().take(28).enumerate() {
        *value = (moved * FRAUD_MEAN[component] + width * DEVIATION[component] * random.normal()) as f32;
    }
    let (mean, deviation) = if is_fraud { (2.6, 2.0) } else { (3.1, 1.6) };
    row[28] = cents(exp(mean + deviation * random.normal())) as f32;
    row
}

fn cents(amount: f64) -> f64 {
    (amount * 100.0).round() / 100.0
}

/// Gives e to the power of `x`, -12 to 12, to about twelve digits and to the last bit alike on every platform.
///
/// A short Taylor series for a 1024th of `x`, squared ten times.
fn exp(x: f64) -> f64 {
    let part = x / 1024.0;
    let mut power = 1.0 + part * (1.0 + part / 2.0 * (1.0 + part / 3.0 * (1.0 + part / 4.0 * (1.0 + part / 5.0))));
    for _ in 0..10 {
        power *= power;
    }
    power
}

/// Random numbers of a kind that no release of a library changes: the `ChaCha8` stream, and arithmetic written here.
pub(crate) struct Random(ChaCha8Rng);

impl Random {
    /// Starts a stream of its own for each purpose: rows and their split may well have the same seed.
    pub(crate) fn new(purpose: [u8; 8], seed: u64) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        key[8..16].copy_from_slice(&purpose);
        Self(ChaCha8Rng::from_seed(key))
    }

    /// A whole number below `limit`; the bias of one part in 2^64 / `limit` is of no account.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        ((u128::from(self.0.next_u64()) * u128::from(limit)) >> 64) as u64
    }

    /// At least 0, below 1.
    fn unit(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Mean 0, deviation 1: the sum of twelve evenly distributed numbers, which is as good as normal within ±4.
    fn normal(&mut self) -> f64 {
        const PIECE_BITS: u32 = 21;
        const PIECE: u64 = (1 << PIECE_BITS) - 1;
        let mut sum = 0;
        for _ in 0..4 {
            let bits = self.0.next_u64();
            sum += (bits & PIECE) + (bits >> PIECE_BITS & PIECE) + (bits >> (2 * PIECE_BITS) & PIECE);
        }
        sum as f64 / PIECE as f64 - 6.0
    }
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::*;
    use crate::write_csv;

    #[test]
    fn the_generator_makes_the_same_bytes_everywhere() {
        let mut csv = Vec::new();
        write_csv(&generate(1000, 42).unwrap(), &mut csv).unwrap();
        let text = String::from_utf8(csv).unwrap();
        insta::assert_snapshot!(text.lines().nth(1).unwrap(), @"1.4058509,1.346461,1.2363943,-0.053602327,-0.07196916,-0.41402644,-0.71554613,0.5323436,0.86843914,0.24030758,0.37065578,1.2598226,0.11459193,-0.6863701,0.95912737,-0.074222766,-0.10174144,0.96292543,0.104905695,0.14309059,0.3623297,1.8654084,0.1030954,0.36737585,-0.32045692,-0.4505169,-0.046893798,0.20191863,4.25,0");
        insta::assert_snapshot!(hex::encode(Sha256::digest(&text)), @"465ceb1e948736fadac4a845bbb6eb3f3bcf9d0e548473735242df7c37b1f580");
    }

    #[test]
    fn the_share_of_fraud_is_the_public_sets() {
        for (rows, frauds) in [(1_000, 2), (1_500, 3), (100_000, 173), (284_807, 493)] {
            assert_eq!(super::frauds(rows), frauds);
        }
        assert_eq!(generate(100_000, 7).unwrap().positives(), 173);
    }

    #[test]
    fn another_seed_makes_other_rows() {
        assert_ne!(generate(1000, 1).unwrap().row(0), generate(1000, 2).unwrap().row(0));
    }

    #[test]
    fn columns_have_the_deviations_they_should() {
        let table = generate(20_000, 42).unwrap();
        let honest = (0..table.len()).filter(|it| !table.labels()[*it]);
        let mut squares = [0.0; 28];
        for row in honest {
            squares.iter_mut().zip(table.row(row)).for_each(|(sum, value)| *sum += f64::from(value).powi(2));
        }
        for (sum, deviation) in squares.iter().zip(DEVIATION) {
            let actual = (sum / 20_000.0).sqrt();
            assert!((actual / deviation - 1.0).abs() < 0.05, "{actual} should be {deviation}");
        }
    }

    #[test]
    fn the_exponential_is_right_to_eleven_digits() {
        for x in [-9.5, -1.0, 0.0, 0.1, 3.1, 11.5_f64] {
            assert!((exp(x) / x.exp() - 1.0).abs() < 1e-11);
        }
    }

    #[test]
    fn too_few_rows_and_too_many_are_refused() {
        insta::assert_snapshot!(generate(999, 1).unwrap_err(), @"cannot generate 999 rows, only 1000 to 10000000");
        assert!(matches!(generate(u64::MAX, 1), Err(DataError::RowsOutOfRange { .. })));
    }
}
