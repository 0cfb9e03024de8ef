//! Rows divided for training elsewhere, as training here would divide them, and written as such a training reads them.

use std::io::{self, Write};

use crate::engine::watched;
use crate::{Algorithm, Options, Table, TrainError};

/// Rows of a table by what they are for: their numbers, ascending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Division {
    /// To grow trees on.
    pub train: Vec<usize>,
    /// To know when to stop; empty without early stopping.
    pub validation: Vec<usize>,
    /// To judge the model by; empty when the rows for that come from elsewhere.
    pub test: Vec<usize>,
}

impl Division {
    /// Divides rows as [`train`](crate::train) does; with `tested_elsewhere` none is held back for the evaluation.
    pub fn of(table: &Table, options: &Options, tested_elsewhere: bool) -> Result<Self, TrainError> {
        let (learned, test) = if tested_elsewhere {
            ((0..table.len()).collect(), vec![])
        } else {
            let parts = options.split.of(table)?;
            (parts.train, parts.test)
        };
        let Algorithm::GradientBoosting(boosting) = &options.algorithm else {
            return Ok(Self { train: learned, validation: vec![], test });
        };
        let Some(stopping) = boosting.early_stopping else {
            return Ok(Self { train: learned, validation: vec![], test });
        };
        let labels: Vec<bool> = learned.iter().map(|row| table.labels()[*row]).collect();
        let watched = watched(&labels, stopping.validation, boosting.seed)?;
        let of = |wanted: bool| {
            let rows = learned.iter().zip(&watched).filter(|(_, watched)| **watched == wanted);
            rows.map(|(row, _)| *row).collect()
        };
        Ok(Self { train: of(false), validation: of(true), test })
    }
}

/// Writes some rows of a table as a channel of the `sagemaker-xgboost` image: CSV without a header, the label first, a
/// missing value as an empty cell.
///
/// Numbers have as many digits as it takes to read the same `f32` again.
pub fn write_channel(table: &Table, rows: &[usize], mut out: impl Write) -> io::Result<()> {
    for row in rows {
        out.write_all(if table.labels()[*row] { b"1" } else { b"0" })?;
        for column in table.columns() {
            let value = column[*row];
            if value.is_nan() {
                out.write_all(b",")?;
            } else {
                write!(out, ",{value}")?;
            }
        }
        out.write_all(b"\n")?;
    }
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{EarlyStopping, GradientBoosting, fit, generate, train};

    fn options(early_stopping: Option<EarlyStopping>) -> Options {
        let boosting = GradientBoosting { trees: 5, early_stopping, ..GradientBoosting::default() };
        Options { algorithm: Algorithm::GradientBoosting(boosting), ..Options::default() }
    }

    #[test]
    fn every_row_has_one_use_and_either_class_is_in_each_part() {
        let table = generate(2000, 7).unwrap();
        let stopping = EarlyStopping { rounds: 10, validation: 0.25 };
        let division = Division::of(&table, &options(Some(stopping)), false).unwrap();
        let parts = [&division.train, &division.validation, &division.test];
        // A share of either class is rounded by itself, a half up.
        assert_eq!(parts.map(Vec::len), [1199, 401, 400]);
        let mut all = parts.map(Clone::clone).concat();
        all.sort_unstable();
        assert!(all.into_iter().eq(0..2000));
        assert!(parts.iter().all(|rows| rows.is_sorted() && rows.iter().any(|row| table.labels()[*row])));

        let division = Division::of(&table, &options(None), true).unwrap();
        assert_eq!([division.train, division.validation, division.test].map(|rows| rows.len()), [2000, 0, 0]);
    }

    #[test]
    fn the_rows_to_train_on_give_the_model_that_training_here_gives() {
        let table = generate(2000, 7).unwrap();
        let options = options(None);
        let Algorithm::GradientBoosting(boosting) = &options.algorithm else { unreachable!() };
        let division = Division::of(&table, &options, false).unwrap();
        let model = fit(&table.of_rows(&division.train), boosting).unwrap();
        let trained = train(table, None, &options, &mut |_| {}).unwrap();
        assert_eq!(model.to_json(), trained.model_json);
    }

    #[test]
    fn a_channel_has_the_label_first_and_no_header() {
        let mut table = Table::new("Class", vec!["a".to_owned(), "b".to_owned()]);
        table.push(&[0.1, f32::NAN], true);
        table.push(&[7.0, 7.0], true);
        table.push(&[-1e-7, 149.62], false);
        let mut written = vec![];
        write_channel(&table, &[0, 2], &mut written).unwrap();
        insta::assert_snapshot!(String::from_utf8(written).unwrap(), @r"
        1,0.1,
        0,-0.0000001,149.62
        ");
    }
}
