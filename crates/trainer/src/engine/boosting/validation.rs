//! Holds training rows back, to see when more trees no longer help.

use ndarray::{Array2, ShapeBuilder};

use crate::engine::{EngineError, Rows};
use crate::generate::Random;

/// Divides rows into those to grow trees on and those to watch, the same share of either class and one row at least.
pub(super) fn divide(rows: &Rows, share: f64, seed: u64) -> Result<(Rows, Rows), EngineError> {
    let mut random = Random::new(*b"validate", seed);
    let labels = rows.targets();
    let mut watched = vec![false; labels.len()];
    for class in [false, true] {
        let mut of_class: Vec<usize> = (0..labels.len()).filter(|it| labels[*it] == class).collect();
        if of_class.len() < 2 {
            return Err(EngineError::TooFew { label: u8::from(class), rows: of_class.len() });
        }
        #[expect(clippy::cast_sign_loss, reason = "a share of a count is no less than 0")]
        let held_back = ((of_class.len() as f64 * share).round() as usize).clamp(1, of_class.len() - 1);
        // The first steps of a Fisher-Yates shuffle choose without bias.
        for chosen in 0..held_back {
            let other = chosen + random.below((of_class.len() - chosen) as u64) as usize;
            of_class.swap(chosen, other);
            watched[of_class[chosen]] = true;
        }
    }
    let (validation, rest): (Vec<usize>, Vec<usize>) = (0..labels.len()).partition(|it| watched[*it]);
    Ok((part(rows, &rest), part(rows, &validation)))
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
