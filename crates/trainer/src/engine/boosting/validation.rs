//! Holds training rows back, to see when more trees no longer help.

use ndarray::{Array2, ShapeBuilder};

use crate::engine::{EngineError, Rows};
use crate::generate::Random;
use crate::split::{TooFew, hold_back};

/// Divides rows into those to grow trees on and those to watch, the same share of either class and one row at least.
pub(super) fn divide(rows: &Rows, share: f64, seed: u64) -> Result<(Rows, Rows), EngineError> {
    let labels = rows.targets().to_vec();
    let watched = watched(&labels, share, seed)?;
    let (validation, rest): (Vec<usize>, Vec<usize>) = (0..labels.len()).partition(|it| watched[*it]);
    Ok((part(rows, &rest), part(rows, &validation)))
}

/// Marks the rows to watch.
pub(crate) fn watched(labels: &[bool], share: f64, seed: u64) -> Result<Vec<bool>, EngineError> {
    let random = Random::new(*b"validate", seed);
    hold_back(labels, share, random).map_err(|TooFew { label, rows }| EngineError::TooFew { label, rows })
}

/// Copies some of the rows, column after column.
fn part(rows: &Rows, which: &[usize]) -> Rows {
    let width = rows.records().ncols();
    let mut values = Vec::with_capacity(which.len() * width);
    for column in rows.records().columns() {
        values.extend(which.iter().map(|row| column[*row]));
    }
    #[expect(clippy::expect_used, reason = "the vector was filled to this shape in the lines above")]
    let values = Array2::from_shape_vec((which.len(), width).f(), values).expect("as many values as cells");
    Rows::new(values, which.iter().map(|it| rows.targets()[*it]).collect())
}
