//! How the loss goes down, tree after tree.

use rayon::prelude::*;

use crate::LEARNING_CURVE_POINTS;

/// Rows that are summed in one go, whatever the number of threads, so that the sum is always the same.
const CHUNK_ROWS: usize = 16_384;

/// Whether a curve of so many trees at most has a point after this many.
pub(super) fn is_point(trees: u32, of: u32) -> bool {
    trees.is_multiple_of(of.div_ceil(LEARNING_CURVE_POINTS)) || trees == of
}

/// The mean log loss of margins; `positive` is how many times a positive row counts.
///
/// Computed from the margin: a score rounded to 1 would have no logarithm left.
pub(super) fn log_loss(labels: &[bool], margins: &[f64], positive: f64) -> f64 {
    let of_chunk = |(labels, margins): (&[bool], &[f64])| {
        labels.iter().zip(margins).fold((0.0, 0.0), |(loss, weight), (label, margin)| {
            let (towards, counts) = if *label { (*margin, positive) } else { (-margin, 1.0) };
            (loss + counts * ((-towards).max(0.0) + (-towards.abs()).exp().ln_1p()), weight + counts)
        })
    };
    let chunks: Vec<(f64, f64)> =
        labels.par_chunks(CHUNK_ROWS).zip(margins.par_chunks(CHUNK_ROWS)).map(of_chunk).collect();
    let (loss, weight) = chunks.iter().fold((0.0, 0.0), |sum, it| (sum.0 + it.0, sum.1 + it.1));
    loss / weight
}
