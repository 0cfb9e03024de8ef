//! Rows in memory, and their way back to a file.

use std::io::{self, Write};

/// Rows to learn from: numeric features, NaN where a value is missing, and a label.
///
/// Stored column after column, so that training can take it apart one column at a time and needs no room for a copy.
#[derive(Clone, Debug)]
pub struct Table {
    label: String,
    features: Vec<String>,
    /// One for each of `features`, each as long as `labels`.
    columns: Vec<Vec<f32>>,
    labels: Vec<bool>,
}

impl Table {
    /// Makes a table of no rows.
    pub fn new(label: impl Into<String>, features: Vec<String>) -> Self {
        let columns = vec![Vec::new(); features.len()];
        Self { label: label.into(), features, columns, labels: Vec::new() }
    }

    /// Makes a table of whole columns.
    ///
    /// # Panics
    ///
    /// When there is not a column for every feature, and in each a value for every label.
    pub(crate) fn of_columns(label: &str, features: &[String], columns: Vec<Vec<f32>>, labels: Vec<bool>) -> Self {
        assert_eq!(columns.len(), features.len(), "a table has a column for every feature");
        assert!(columns.iter().all(|it| it.len() == labels.len()), "a column has a value for every label");
        Self { label: label.to_owned(), features: features.to_vec(), columns, labels }
    }

    /// The same rows with these features only, in this order; none when one of them is not there, or is named twice.
    pub fn select(mut self, features: &[String]) -> Option<Self> {
        let mut take = |feature| {
            let at = self.features.iter().position(|own| own == feature)?;
            self.features.swap_remove(at);
            Some(self.columns.swap_remove(at))
        };
        let columns = features.iter().map(&mut take).collect::<Option<Vec<_>>>()?;
        Some(Self { label: self.label, features: features.to_vec(), columns, labels: self.labels })
    }

    /// Appends a row.
    ///
    /// # Panics
    ///
    /// When the row is not as wide as the table: everything after it would be read in the wrong column.
    pub fn push(&mut self, row: &[f32], label: bool) {
        assert_eq!(row.len(), self.features.len(), "a row must be as wide as its table");
        self.columns.iter_mut().zip(row).for_each(|(column, value)| column.push(*value));
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

    /// The features of one row, gathered from all columns.
    pub fn row(&self, index: usize) -> Vec<f32> {
        self.columns.iter().map(|column| column[index]).collect()
    }

    /// A copy of some rows, in the order of their numbers as given.
    #[must_use]
    pub fn of_rows(&self, rows: &[usize]) -> Self {
        let columns = self.columns.iter().map(|column| rows.iter().map(|row| column[*row]).collect()).collect();
        let labels = rows.iter().map(|row| self.labels[*row]).collect();
        Self::of_columns(&self.label, &self.features, columns, labels)
    }

    /// The values of each feature, in order, each as long as there are rows.
    pub fn columns(&self) -> &[Vec<f32>] {
        &self.columns
    }

    /// Takes the table apart, one column at a time: what the caller has done with is freed before the next.
    pub fn into_columns(self) -> impl ExactSizeIterator<Item = Vec<f32>> {
        self.columns.into_iter()
    }
}

/// Writes a table as CSV: the features, then the label as 0 or 1; a missing value is an empty cell.
///
/// Numbers have as many digits as it takes to read the same `f32` again.
pub fn write_csv(table: &Table, out: impl Write) -> io::Result<()> {
    let mut out = csv::Writer::from_writer(out);
    out.write_record(table.features.iter().map(String::as_str).chain([table.label.as_str()]))?;
    for (index, label) in table.labels.iter().enumerate() {
        for column in &table.columns {
            let value = column[index];
            out.write_field(if value.is_nan() { String::new() } else { value.to_string() })?;
        }
        out.write_record([if *label { "1" } else { "0" }])?;
    }
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_are_selected_by_name_in_the_order_asked_for() {
        let names = |names: &[&str]| names.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
        let mut table = Table::new("Class", names(&["a", "b", "c"]));
        table.push(&[1.0, 2.0, 3.0], true);
        table.push(&[4.0, 5.0, 6.0], false);
        let selected = table.clone().select(&names(&["c", "a"])).unwrap();
        assert_eq!([selected.row(0), selected.row(1)], [[3.0, 1.0], [6.0, 4.0]]);
        assert_eq!((selected.features(), selected.labels()), (&names(&["c", "a"])[..], &[true, false][..]));
        assert!(table.clone().select(&names(&["d"])).is_none());
        assert!(table.select(&names(&["a", "a"])).is_none());
    }
}
