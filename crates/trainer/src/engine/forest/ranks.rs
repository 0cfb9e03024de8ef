//! The order of a feature's values, which is all that a tree looks at.

use ndarray::ArrayView1;

/// A column as linfa gets it: each value replaced by its place among the distinct values.
///
/// linfa takes values less than 1e-5 apart for equal, so that it would learn nothing from a feature of small numbers;
/// places are a whole 1 apart. And it puts a value equal to a threshold left when it fits, right when it predicts; a
/// threshold lies between two places of the rows that it was fitted on, and equals neither.
pub(super) struct Ranks {
    /// Distinct, ascending.
    values: Vec<f64>,
    /// For each row, the position of its value in `values`.
    places: Vec<u32>,
}

impl Ranks {
    /// Ranks the values of a column that lacks none.
    pub(super) fn of(column: ArrayView1<f64>) -> Self {
        let mut order: Vec<u32> = (0..column.len() as u32).collect();
        order.sort_unstable_by(|a, b| column[*a as usize].total_cmp(&column[*b as usize]));
        let (mut values, mut places) = (Vec::new(), vec![0; column.len()]);
        for row in order {
            let value = column[row as usize];
            // -0 and 0 are in this order, and equal.
            if values.last() != Some(&value) {
                values.push(value);
            }
            places[row as usize] = values.len() as u32 - 1;
        }
        Self { values, places }
    }

    /// The place of a row's value.
    pub(super) fn of_row(&self, row: usize) -> f64 {
        self.places[row].into()
    }

    /// The value that divides what a threshold among the places divides, half way between the nearest on either side.
    pub(super) fn threshold(&self, among_places: f64) -> f64 {
        #[expect(clippy::cast_sign_loss, reason = "a threshold lies between two places, which are no less than 0")]
        let above = among_places.ceil() as usize;
        match self.values.get(above.wrapping_sub(1)) {
            Some(below) => f64::midpoint(*below, self.values[above]),
            None => self.values[above],
        }
    }
}
