//! Data sets of different shapes to compare engines on.
//!
//! Made by whole-number arithmetic and by additions, multiplications and comparisons of f64, from the `ChaCha8` stream:
//! the same bytes on every platform. The label of a row is whether a signal with noise exceeds what the wanted share of
//! the rows exceeds. The signal is a line in the first features, a step, a product of two and an absolute value, so that
//! neither a linear model nor a tree of depth one finds all of it.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore as _, SeedableRng as _};

use crate::rows::Rows;

/// A data set.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// Its name in the table.
    pub(crate) name: &'static str,
    /// Rows to train on; a quarter as many are judged on.
    pub(crate) rows: usize,
    /// Features.
    pub(crate) width: usize,
    /// Share of positive rows.
    pub(crate) positives: f64,
    /// How the features come about.
    pub(crate) kind: Kind,
}

/// How features come about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Independent and normal.
    Normal,
    /// As `Normal`, with three cells in ten missing; that the first feature is missing tells something by itself.
    Missing,
    /// Eight hidden normal factors; every feature is one of them with a little noise.
    Correlated,
    /// Whole numbers from 0 to 9, so that nearly all values are tied.
    Ties,
}

/// All of them.
pub(crate) const SHAPES: [Shape; 7] = [
    Shape { name: "small, balanced", rows: 1_000, width: 5, positives: 0.5, kind: Kind::Normal },
    Shape { name: "medium", rows: 50_000, width: 20, positives: 0.1, kind: Kind::Normal },
    Shape { name: "wide", rows: 20_000, width: 300, positives: 0.2, kind: Kind::Normal },
    Shape { name: "30 % missing", rows: 100_000, width: 30, positives: 0.05, kind: Kind::Missing },
    Shape { name: "correlated", rows: 100_000, width: 40, positives: 0.1, kind: Kind::Correlated },
    Shape { name: "whole numbers, ties", rows: 200_000, width: 15, positives: 0.3, kind: Kind::Ties },
    Shape { name: "long, rare", rows: 500_000, width: 30, positives: 0.002, kind: Kind::Normal },
];

/// Rows that tell where the wanted share of positives begins.
const PILOT_ROWS: usize = 50_000;

impl Shape {
    /// The same with at most so many rows.
    #[must_use]
    pub(crate) fn cut(self, rows: usize) -> Self {
        Self { rows: self.rows.min(rows), ..self }
    }

    /// Rows to train on and rows to judge on.
    pub(crate) fn make(&self) -> (Rows, Rows) {
        let mut random = Random::new(self.name);
        let mut row = vec![0.0; self.width];
        let mut signals: Vec<f64> = (0..PILOT_ROWS).map(|_| self.draw(&mut random, &mut row)).collect();
        signals.sort_by(f64::total_cmp);
        #[expect(clippy::cast_sign_loss, reason = "a share of a count is no less than 0")]
        let above = signals[((1.0 - self.positives) * PILOT_ROWS as f64) as usize];
        let mut draw = |count: usize| {
            let mut rows = Rows::new(self.width);
            for _ in 0..count {
                let signal = self.draw(&mut random, &mut row);
                rows.push(&row, signal > above);
            }
            rows
        };
        (draw(self.rows), draw(self.rows / 4))
    }

    /// Draws the features of a row; its signal with noise.
    fn draw(&self, random: &mut Random, row: &mut [f32]) -> f64 {
        let factors: [f64; 8] = std::array::from_fn(|_| random.normal());
        for (place, value) in row.iter_mut().enumerate() {
            *value = match self.kind {
                Kind::Normal | Kind::Missing => random.normal() as f32,
                Kind::Correlated => (factors[place % factors.len()] + 0.2 * random.normal()) as f32,
                Kind::Ties => random.below(10) as f32,
            };
        }
        let of = |place: usize| {
            let value = f64::from(row[place]);
            if self.kind == Kind::Ties { (value - 4.5) / 3.0 } else { value }
        };
        let step = if of(2) > 0.5 { 1.5 } else { 0.0 };
        let mut signal = of(0) - 0.7 * of(1) + step + 0.8 * of(3) * of(4) + 0.5 * of(self.width - 1).abs();
        signal += random.normal();
        if self.kind == Kind::Missing {
            for (place, value) in row.iter_mut().enumerate() {
                if random.below(10) < 3 {
                    *value = f32::NAN;
                    signal += if place == 0 { 1.0 } else { 0.0 };
                }
            }
        }
        signal
    }
}

/// Random numbers that no release of a library changes.
pub(crate) struct Random(ChaCha8Rng);

impl Random {
    /// Starts a stream of its own for each purpose, told apart by its first 32 bytes.
    pub(crate) fn new(purpose: &str) -> Self {
        let mut key = [0; 32];
        key.iter_mut().zip(purpose.bytes()).for_each(|(key, byte)| *key = byte);
        Self(ChaCha8Rng::from_seed(key))
    }

    /// A whole number below `limit`.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        ((u128::from(self.0.next_u64()) * u128::from(limit)) >> 64) as u64
    }

    /// Mean 0, deviation 1: the sum of twelve evenly distributed numbers less 6.
    fn normal(&mut self) -> f64 {
        const PIECE: u64 = 0xffff;
        let mut sum = 0;
        for _ in 0..3 {
            let bits = self.0.next_u64();
            sum += (0..4).map(|piece| bits >> (16 * piece) & PIECE).sum::<u64>();
        }
        sum as f64 / PIECE as f64 - 6.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shape_has_the_rows_the_positives_and_the_gaps_it_should() {
        for shape in SHAPES.map(|it| it.cut(4_000)) {
            let (train, test) = shape.make();
            assert_eq!((train.labels.len(), test.labels.len()), (shape.rows, shape.rows / 4), "{}", shape.name);
            assert_eq!(train.values.len(), shape.rows * shape.width);
            let share = |of: &[bool]| of.iter().filter(|it| **it).count() as f64 / of.len() as f64;
            let found = share(&train.labels);
            assert!((found - shape.positives).abs() < 0.1 * shape.positives.sqrt(), "{}: {found}", shape.name);
            let gaps = share(&train.values.iter().map(|it| it.is_nan()).collect::<Vec<_>>());
            let wanted = if shape.kind == Kind::Missing { 0.3 } else { 0.0 };
            assert!((gaps - wanted).abs() < 0.01, "{}: {gaps}", shape.name);
        }
    }

    #[test]
    fn a_shape_is_the_same_every_time() {
        let make = || SHAPES[0].make().0;
        assert_eq!(make(), make());
        insta::assert_debug_snapshot!((&make().values[..5], make().labels.iter().filter(|it| **it).count()), @"
        (
            [
                -1.6994584,
                -1.5136797,
                1.4031129,
                -0.08532845,
                -1.6006104,
            ],
            506,
        )
        ");
    }
}
