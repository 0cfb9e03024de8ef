//! Columns that are no use, or too good to be true.

use std::collections::HashMap;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::Table;

/// A column that most likely should not be learned from.
#[derive(Clone, Debug, PartialEq)]
pub enum ColumnWarning {
    /// It is the same in every row.
    Constant {
        /// The column.
        feature: String,
        /// None: it is missing in every row.
        value: Option<f32>,
    },
    /// It is, to the bit, the same as an earlier one in every row.
    Duplicate {
        /// The column.
        feature: String,
        /// The first that is the same.
        of: String,
    },
    /// It alone tells the label of every row.
    Leaking {
        /// The column.
        feature: String,
        /// How it tells.
        by: Leak,
    },
}

/// How a single column tells the label of every row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Leak {
    /// The values of either label are all on one side: the area under its ROC curve is 1 or 0.
    Threshold {
        /// The greatest value on the lower side.
        below: f32,
        /// The least value on the upper side.
        above: f32,
        /// Whether the upper side is the one labelled 1.
        above_is_positive: bool,
    },
    /// It is missing in the rows of one label, and only there.
    Missing {
        /// The label of the rows where it is missing.
        label: bool,
    },
}

impl fmt::Display for ColumnWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Constant { feature, value: Some(value) } => {
                write!(f, "feature `{feature}` is {value} in every row, so nothing can be learned from it")
            }
            Self::Constant { feature, value: None } => {
                write!(f, "feature `{feature}` is missing in every row, so nothing can be learned from it")
            }
            Self::Duplicate { feature, of } => {
                write!(f, "feature `{feature}` is the same as `{of}` in every row")
            }
            Self::Leaking { feature, by } => {
                write!(
                    f,
                    "feature `{feature}` alone tells every label, for it is {by}; is it known before the label is?"
                )
            }
        }
    }
}

impl fmt::Display for Leak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Threshold { below, above, above_is_positive } => {
                let (label, other) = (u8::from(above_is_positive), u8::from(!above_is_positive));
                write!(f, "at least {above} where the label is {label} and at most {below} where it is {other}")
            }
            Self::Missing { label } => write!(f, "missing where the label is {} and only there", u8::from(label)),
        }
    }
}

impl Table {
    /// Finds columns that are constant, that repeat an earlier one, or that alone tell every label.
    ///
    /// At most one warning per column, in their order. A table of one class has no leaks.
    pub fn warnings(&self) -> Vec<ColumnWarning> {
        let mut seen: HashMap<u64, Vec<usize>> = HashMap::new();
        let columns = self.columns().iter().zip(self.features()).enumerate();
        let warnings = columns.filter_map(|(index, (column, feature))| {
            let alike = seen.entry(hash(column)).or_default();
            let earlier = alike.iter().find(|it| bits_of(column).eq(bits_of(&self.columns()[**it])));
            let earlier = earlier.copied();
            if earlier.is_none() {
                alike.push(index);
            }
            let feature = feature.clone();
            if is_constant(column) {
                let value = Some(column[0]).filter(|it| !it.is_nan());
                return Some(ColumnWarning::Constant { feature, value });
            }
            if let Some(of) = earlier {
                return Some(ColumnWarning::Duplicate { feature, of: self.features()[of].clone() });
            }
            leak(column, self.labels()).map(|by| ColumnWarning::Leaking { feature, by })
        });
        warnings.collect()
    }
}

/// All that tells one value from another: every missing value is the same.
fn bits(value: f32) -> u32 {
    if value.is_nan() { f32::NAN.to_bits() } else { value.to_bits() }
}

fn bits_of(column: &[f32]) -> impl Iterator<Item = u32> {
    column.iter().copied().map(bits)
}

fn hash(column: &[f32]) -> u64 {
    let mut hasher = DefaultHasher::new();
    for it in bits_of(column) {
        it.hash(&mut hasher);
    }
    hasher.finish()
}

/// Whether there is one value, of which none is one too; not if there are no rows.
fn is_constant(column: &[f32]) -> bool {
    let Some((first, rest)) = column.split_first() else { return false };
    // Adding 0 makes of -0 the 0 that it is.
    let plain = |it: f32| bits(it + 0.0);
    rest.iter().all(|it| plain(*it) == plain(*first))
}

/// What the rows of one label have in a column.
#[derive(Clone, Copy)]
struct Range {
    least: f32,
    greatest: f32,
    present: usize,
    missing: usize,
}

fn leak(column: &[f32], labels: &[bool]) -> Option<Leak> {
    let nothing = Range { least: f32::INFINITY, greatest: f32::NEG_INFINITY, present: 0, missing: 0 };
    let mut ranges = [nothing; 2];
    for (value, label) in column.iter().zip(labels) {
        let range = &mut ranges[usize::from(*label)];
        if value.is_nan() {
            range.missing += 1;
        } else {
            range.present += 1;
            range.least = range.least.min(*value);
            range.greatest = range.greatest.max(*value);
        }
    }
    let [negative, positive] = ranges;
    if ranges.iter().any(|it| it.present + it.missing == 0) || (negative.missing > 0 && positive.missing > 0) {
        return None;
    }
    match (negative.present, positive.present) {
        (0, _) => Some(Leak::Missing { label: false }),
        (_, 0) => Some(Leak::Missing { label: true }),
        _ if negative.greatest < positive.least => {
            Some(Leak::Threshold { below: negative.greatest, above: positive.least, above_is_positive: true })
        }
        _ if positive.greatest < negative.least => {
            Some(Leak::Threshold { below: positive.greatest, above: negative.least, above_is_positive: false })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
