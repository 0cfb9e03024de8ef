//! Rows in memory, and their way back to a file.

use std::io::{self, Write};

/// Rows to learn from: numeric features, NaN where a value is missing, and a label.
#[derive(Clone, Debug)]
pub struct Table {
    label: String,
    features: Vec<String>,
    /// Row after row; as wide as `features`.
    values: Vec<f32>,
    labels: Vec<bool>,
}

impl Table {
    /// Makes a table of no rows.
    pub fn new(label: impl Into<String>, features: Vec<String>) -> Self {
        Self { label: label.into(), features, values: Vec::new(), labels: Vec::new() }
    }

    /// The same rows with these features only, in this order; none when one of them is not there.
    pub fn select(&self, features: &[String]) -> Option<Self> {
        let at = |feature| self.features.iter().position(|own| own == feature);
        let columns = features.iter().map(at).collect::<Option<Vec<_>>>()?;
        let mut table = Self::new(&self.label, features.to_vec());
        let mut row = Vec::with_capacity(columns.len());
        for (index, label) in self.labels.iter().enumerate() {
            row.clear();
            row.extend(columns.iter().map(|column| self.row(index)[*column]));
            table.push(&row, *label);
        }
        Some(table)
    }

    /// Appends a row.
    ///
    /// # Panics
    ///
    /// When the row is not as wide as the table: everything after it would be read in the wrong column.
    pub fn push(&mut self, row: &[f32], label: bool) {
        assert_eq!(row.len(), self.features.len(), "a row must be as wide as its table");
        self.values.extend_from_slice(row);
        self.labels.push(label);
    }

    /// Name of the column to predict.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Names of the columns to predict from, in order.
    pub fn features(&self) -> &[String] {
        &self.features
    }

    /// One per row: true for the class to find.
    pub fn labels(&self) -> &[bool] {
        &self.labels
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Number of rows whose label is true.
    pub fn positives(&self) -> usize {
        self.labels.iter().filter(|it| **it).count()
    }

    /// The features of one row.
    pub fn row(&self, index: usize) -> &[f32] {
        let width = self.features.len();
        &self.values[index * width..(index + 1) * width]
    }
}

/// Writes a table as CSV: the features, then the label as 0 or 1; a missing value is an empty cell.
///
/// Numbers have as many digits as it takes to read the same `f32` again.
pub fn write_csv(table: &Table, out: impl Write) -> io::Result<()> {
    let mut out = csv::Writer::from_writer(out);
    out.write_record(table.features.iter().map(String::as_str).chain([table.label.as_str()]))?;
    for (index, label) in table.labels.iter().enumerate() {
        for value in table.row(index) {
            out.write_field(if value.is_nan() { String::new() } else { value.to_string() })?;
        }
        out.write_record([if *label { "1" } else { "0" }])?;
    }
    out.flush()
}
