//! Request bodies: CSV and LIBSVM text to rows of `f32`.
//!
//! Numbers are read as the container reads them: parsed as `f64` (numpy's `astype(float)`), then narrowed to `f32`
//! (what a `DMatrix` holds). Parsing straight to `f32` would round once instead of twice and differ in rare last bits.

/// The rows of a body.
#[derive(Debug, PartialEq)]
pub(crate) enum Rows {
    /// Every row has `width` cells; NaN is a missing value.
    Dense {
        /// Row after row.
        cells: Vec<f32>,
        /// At least 1.
        width: usize,
    },
    /// Only some cells are given; the others are missing, not zero.
    Sparse {
        /// Column, counted from 0, and value; row after row.
        cells: Vec<(usize, f32)>,
        /// Where each row ends in `cells`.
        ends: Vec<usize>,
        /// Columns up to the highest that is given.
        width: usize,
    },
}

/// Where a body stops being what it claims to be. Values are never part of the message.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PayloadError {
    #[error("the body is not UTF-8 text")]
    NotText,
    #[error("row {row}, column {column} is not a finite number; a header row is not accepted")]
    NotANumber { row: usize, column: usize },
    #[error("row {row} has {found} columns where row 1 has {expected}")]
    Ragged { row: usize, found: usize, expected: usize },
    #[error("the body has no cells")]
    NoCells,
}

impl Rows {
    /// Reads CSV without header and label.
    ///
    /// The delimiter is a comma, else a tab, else a semicolon, whichever the first line holds, in the container's order
    /// of preference. An empty cell is a missing value. More lenient than the container: a cell may be quoted, and a
    /// line may end in CR LF after an empty cell.
    pub(crate) fn from_csv(body: &[u8]) -> Result<Self, PayloadError> {
        let text = std::str::from_utf8(body).map_err(|_| PayloadError::NotText)?.trim_ascii();
        if text.is_empty() {
            return Err(PayloadError::NoCells);
        }
        let first = text.split('\n').next().unwrap_or(text);
        let delimiter = [',', '\t', ';'].into_iter().find(|delimiter| first.contains(*delimiter)).unwrap_or(',');
        // Seven bytes a cell fit most rows at once, and a batch with few growths.
        let mut cells = Vec::with_capacity(text.len() / 7 + 1);
        let mut width = 0;
        for (row, line) in text.split('\n').enumerate() {
            let start = cells.len();
            for (column, cell) in line.split(delimiter).enumerate() {
                cells.push(number(cell).ok_or(PayloadError::NotANumber { row: row + 1, column: column + 1 })?);
            }
            let found = cells.len() - start;
            if row == 0 {
                width = found;
            } else if found != width {
                return Err(PayloadError::Ragged { row: row + 1, found, expected: width });
            }
        }
        Ok(Self::Dense { cells, width })
    }

    /// Reads LIBSVM text; a label in front is skipped.
    ///
    /// Columns count from 1 unless the body uses column 0, as the container decides it for the body as a whole.
    pub(crate) fn from_libsvm(body: &[u8]) -> Result<Self, PayloadError> {
        let text = std::str::from_utf8(body).map_err(|_| PayloadError::NotText)?.trim_ascii();
        let (mut cells, mut ends) = (Vec::new(), Vec::new());
        for (row, line) in text.split('\n').enumerate() {
            for (column, token) in line.split_ascii_whitespace().enumerate() {
                let Some((index, value)) = token.split_once(':') else { continue };
                let wrong = PayloadError::NotANumber { row: row + 1, column: column + 1 };
                match (index.parse::<usize>(), number(value)) {
                    (Ok(index), Some(value)) => cells.push((index, value)),
                    _ => return Err(wrong),
                }
            }
            ends.push(cells.len());
        }
        let lowest = cells.iter().map(|(index, _)| *index).min().ok_or(PayloadError::NoCells)?;
        if lowest >= 1 {
            for (index, _) in &mut cells {
                *index -= 1;
            }
        }
        let width = cells.iter().map(|(index, _)| index.saturating_add(1)).max().unwrap_or(0);
        Ok(Self::Sparse { cells, ends, width })
    }

    /// Columns of the widest row.
    pub(crate) fn width(&self) -> usize {
        match self {
            Self::Dense { width, .. } | Self::Sparse { width, .. } => *width,
        }
    }

    /// How many rows there are.
    pub(crate) fn count(&self) -> usize {
        match self {
            Self::Dense { cells, width } => cells.len() / width,
            Self::Sparse { ends, .. } => ends.len(),
        }
    }

    /// Calls `visit` with each row, filled up to `features` cells with missing values. No row is wider than that.
    pub(crate) fn for_each(&self, features: usize, mut visit: impl FnMut(&[f32])) {
        match self {
            Self::Dense { cells, width } if *width == features => cells.chunks_exact(*width).for_each(visit),
            Self::Dense { cells, width } => {
                let mut row = vec![f32::NAN; features];
                for given in cells.chunks_exact(*width) {
                    row[..*width].copy_from_slice(given);
                    visit(&row);
                }
            }
            Self::Sparse { cells, ends, .. } => {
                let mut row = vec![f32::NAN; features];
                let mut start = 0;
                for end in ends {
                    let given = &cells[start..*end];
                    for (column, value) in given {
                        row[*column] = *value;
                    }
                    visit(&row);
                    for (column, _) in given {
                        row[*column] = f32::NAN;
                    }
                    start = *end;
                }
            }
        }
    }
}

/// Reads one cell: NaN when it is empty or says so, `None` when it is no number or infinite as `f32`, which the
/// container refuses.
fn number(cell: &str) -> Option<f32> {
    let cell = cell.trim_ascii();
    let cell = cell.strip_prefix('"').and_then(|cell| cell.strip_suffix('"')).map_or(cell, str::trim_ascii);
    if cell.is_empty() {
        return Some(f32::NAN);
    }
    let number = cell.parse::<f64>().ok()? as f32;
    (!number.is_infinite()).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows as text, `_` for a missing value.
    fn shown(rows: Result<Rows, PayloadError>, features: usize) -> String {
        let mut lines = Vec::new();
        let show = |cell: &f32| if cell.is_nan() { "_".to_owned() } else { format!("{cell:?}") };
        match rows {
            Ok(rows) => rows.for_each(features, |row| lines.push(row.iter().map(show).collect::<Vec<_>>().join(" "))),
            Err(error) => return error.to_string(),
        }
        lines.join(" | ")
    }

    fn csv(body: &str) -> String {
        shown(Rows::from_csv(body.as_bytes()), 3)
    }

    fn libsvm(body: &str) -> String {
        shown(Rows::from_libsvm(body.as_bytes()), 3)
    }

    #[test]
    fn csv_of_every_accepted_shape_is_read() {
        for (body, rows) in [
            ("1,2,3", "1.0 2.0 3.0"),
            ("1,2,3\n4,5,6\n", "1.0 2.0 3.0 | 4.0 5.0 6.0"),
            ("1;2;3\r\n4;;6\r\n", "1.0 2.0 3.0 | 4.0 _ 6.0"),
            ("1\t2\t3", "1.0 2.0 3.0"),
            ("1,,\r\n,,3", "1.0 _ _ | _ _ 3.0"),
            ("\"1\",\"\", \" 2.5 \"", "1.0 _ 2.5"),
            (" 1 , -2e-1 , +.5 ", "1.0 -0.2 0.5"),
            ("nan,NaN,-nan", "_ _ _"),
            ("7", "7.0 _ _"),
            ("7,8", "7.0 8.0 _"),
        ] {
            assert_eq!(csv(body), rows, "{body:?}");
        }
    }

    #[test]
    fn csv_that_is_none_says_where() {
        for (body, error) in [
            ("V1,V2,V3\n1,2,3", "row 1, column 1 is not a finite number; a header row is not accepted"),
            ("1,2,3\n4,x,6", "row 2, column 2 is not a finite number; a header row is not accepted"),
            ("1,inf,3", "row 1, column 2 is not a finite number; a header row is not accepted"),
            ("1,1e39,3", "row 1, column 2 is not a finite number; a header row is not accepted"),
            ("1,2,3\n4,5", "row 2 has 2 columns where row 1 has 3"),
            ("1,2,3\n\n4,5,6", "row 2 has 1 columns where row 1 has 3"),
            (" \n", "the body has no cells"),
        ] {
            assert_eq!(csv(body), error, "{body:?}");
        }
        assert_eq!(Rows::from_csv(b"1,\xff").unwrap_err(), PayloadError::NotText);
    }

    #[test]
    fn numbers_are_rounded_to_f64_first_as_numpy_does() {
        // Just above the middle of two f32: rounding once goes up, rounding to f64 first lands on the middle itself.
        let cell = "1.00000005960464477540";
        assert_eq!(number(cell).unwrap().to_bits(), 1.0_f32.to_bits());
        assert_eq!(cell.parse::<f32>().unwrap().to_bits(), 1.0_f32.next_up().to_bits());
    }

    #[test]
    fn libsvm_counts_from_one_unless_zero_is_used() {
        for (body, rows) in [
            ("1:5 3:7", "5.0 _ 7.0"),
            ("0:5 2:7", "5.0 _ 7.0"),
            ("1 1:5\n0 2:6 3:7\n", "5.0 _ _ | _ 6.0 7.0"),
            ("0 1:5\n0\n0 2:6", "5.0 _ _ | _ _ _ | _ 6.0 _"),
            ("1:5 x:1", "row 1, column 2 is not a finite number; a header row is not accepted"),
            ("1,2,3", "the body has no cells"),
            ("", "the body has no cells"),
        ] {
            assert_eq!(libsvm(body), rows, "{body:?}");
        }
    }

    #[test]
    fn a_far_column_costs_no_memory() {
        assert_eq!(Rows::from_libsvm(b"0:1 18446744073709551615:1").unwrap().width(), usize::MAX);
    }
}
