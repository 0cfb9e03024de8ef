//! Holds rows back for the evaluation.

use serde::{Deserialize, Serialize};

use crate::Table;
use crate::generate::Random;

/// What is held back for the evaluation: the same share of either class.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Split {
    /// Share held back, above 0 and below 1.
    pub test: f64,
    /// Another seed holds other rows back.
    pub seed: u64,
}

impl Default for Split {
    fn default() -> Self {
        Self { test: 0.2, seed: 42 }
    }
}

/// Why rows cannot be divided.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum SplitError {
    /// The share is none, or leaves nothing to train on.
    #[error("the share held back for the evaluation is {share}, it should be above 0 and below 1")]
    Share {
        /// What was given.
        share: f64,
    },
    /// Both parts need rows of both classes.
    #[error("training and evaluation need at least one row of either label each, but label {label} has {rows} in all")]
    TooFew {
        /// 0 or 1.
        label: u8,
        /// How many.
        rows: usize,
    },
}

/// Row numbers of either part, ascending.
pub(crate) struct Parts {
    pub(crate) train: Vec<usize>,
    pub(crate) test: Vec<usize>,
}

impl Split {
    /// Divides the rows of each class, at least one of each going to either part.
    pub(crate) fn of(&self, table: &Table) -> Result<Parts, SplitError> {
        if !(self.test > 0.0 && self.test < 1.0) {
            return Err(SplitError::Share { share: self.test });
        }
        let random = Random::new(*b"split   ", self.seed);
        let in_test = hold_back(table.labels(), self.test, random)
            .map_err(|TooFew { label, rows }| SplitError::TooFew { label, rows })?;
        let (test, train) = (0..table.len()).partition(|it| in_test[*it]);
        Ok(Parts { train, test })
    }
}

/// A class of which nothing can be held back.
pub(crate) struct TooFew {
    /// 0 or 1.
    pub(crate) label: u8,
    /// How many rows it has.
    pub(crate) rows: usize,
}

/// Marks the same share of either class, at least one row and never all.
pub(crate) fn hold_back(labels: &[bool], share: f64, mut random: Random) -> Result<Vec<bool>, TooFew> {
    let mut marked = vec![false; labels.len()];
    for class in [false, true] {
        let mut rows: Vec<usize> = (0..labels.len()).filter(|it| labels[*it] == class).collect();
        if rows.len() < 2 {
            return Err(TooFew { label: u8::from(class), rows: rows.len() });
        }
        #[expect(clippy::cast_sign_loss, reason = "a share of a count is no less than 0")]
        let held_back = ((rows.len() as f64 * share).round() as usize).clamp(1, rows.len() - 1);
        // The first steps of a Fisher-Yates shuffle choose without bias.
        for chosen in 0..held_back {
            let other = chosen + random.below((rows.len() - chosen) as u64) as usize;
            rows.swap(chosen, other);
            marked[rows[chosen]] = true;
        }
    }
    Ok(marked)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(negatives: usize, positives: usize) -> Table {
        let mut table = Table::new("Class", vec!["V1".to_owned()]);
        for row in 0..negatives + positives {
            table.push(&[row as f32], row >= negatives);
        }
        table
    }

    #[test]
    fn either_class_is_divided_alike_and_no_row_is_in_both() {
        let table = table(1000, 50);
        let parts = Split::default().of(&table).unwrap();
        let positives = |rows: &[usize]| rows.iter().filter(|it| table.labels()[**it]).count();
        assert_eq!((parts.test.len(), positives(&parts.test)), (210, 10));
        assert_eq!((parts.train.len(), positives(&parts.train)), (840, 40));
        let mut all = [parts.train, parts.test].concat();
        all.sort_unstable();
        assert!(all.into_iter().eq(0..1050));
    }

    #[test]
    fn another_seed_holds_other_rows_back() {
        let table = table(10, 4);
        let held_back = |seed| Split { test: 0.3, seed }.of(&table).unwrap().test;
        assert_eq!(held_back(1), held_back(1));
        assert_ne!(held_back(1), held_back(2));
        insta::assert_debug_snapshot!(held_back(42), @"
        [
            2,
            6,
            9,
            11,
        ]
        ");
    }

    #[test]
    fn a_rare_class_is_in_both_parts() {
        let table = table(10, 2);
        for test in [0.05, 0.95] {
            let parts = Split { test, seed: 42 }.of(&table).unwrap();
            assert!([parts.train, parts.test].iter().all(|rows| rows.iter().any(|it| table.labels()[*it])));
        }
    }

    #[test]
    fn what_cannot_be_divided_is_refused() {
        let refusal = |test, positives| Split { test, seed: 42 }.of(&table(10, positives)).err().unwrap().to_string();
        insta::assert_snapshot!([refusal(0.2, 1), refusal(0.2, 0), refusal(1.0, 5), refusal(f64::NAN, 5)].join("\n"), @"
        training and evaluation need at least one row of either label each, but label 1 has 1 in all
        training and evaluation need at least one row of either label each, but label 1 has 0 in all
        the share held back for the evaluation is 1, it should be above 0 and below 1
        the share held back for the evaluation is NaN, it should be above 0 and below 1
        ");
    }
}
