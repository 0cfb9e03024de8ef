//! Rows as a file that both sides read without parsing: two little-endian u64 (rows, features), the features as f32 row
//! after row (NaN where missing), then a byte a label.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::Path;

use crate::error::{BenchError, Doing as _, Result};

/// A larger file is none of ours.
const CELLS_LIMIT: u64 = 1 << 30;

/// Rows in memory.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Rows {
    /// Features per row.
    pub(crate) width: usize,
    /// Row after row.
    pub(crate) values: Vec<f32>,
    /// One per row.
    pub(crate) labels: Vec<bool>,
}

impl Rows {
    /// Makes no rows.
    pub(crate) fn new(width: usize) -> Self {
        Self { width, values: Vec::new(), labels: Vec::new() }
    }

    /// Adds a row.
    pub(crate) fn push(&mut self, row: &[f32], label: bool) {
        debug_assert_eq!(row.len(), self.width, "a row is as wide as its file");
        self.values.extend_from_slice(row);
        self.labels.push(label);
    }

    /// Writes them.
    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        let doing = || format!("could not write `{}`", path.display());
        let mut out = BufWriter::new(File::create(path).doing(doing())?);
        let mut write = |bytes: &[u8]| out.write_all(bytes);
        write(&(self.labels.len() as u64).to_le_bytes()).doing(doing())?;
        write(&(self.width as u64).to_le_bytes()).doing(doing())?;
        self.values.iter().try_for_each(|it| write(&it.to_le_bytes())).doing(doing())?;
        self.labels.iter().try_for_each(|it| write(&[u8::from(*it)])).doing(doing())?;
        out.flush().doing(doing())
    }

    /// Reads them.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let mut rows = None;
        visit(path, |width, row, label| rows.get_or_insert_with(|| Self::new(width)).push(row, label))?;
        rows.ok_or_else(|| BenchError::new(format!("`{}` holds no rows", path.display())))
    }
}

/// Shows each row of a file, without holding the file in memory: width, features, label.
pub(crate) fn visit(path: &Path, mut each: impl FnMut(usize, &[f32], bool)) -> Result<()> {
    let doing = || format!("could not read `{}`", path.display());
    let open = || File::open(path).doing(doing());
    let mut values = BufReader::new(open()?);
    let mut head = [0; 16];
    values.read_exact(&mut head).doing(doing())?;
    let [rows, width] = [0, 8].map(|at| head[at..at + 8].iter().rev().fold(0, |all, byte| all << 8 | u64::from(*byte)));
    if rows.checked_mul(width).is_none_or(|cells| cells > CELLS_LIMIT) {
        return Err(BenchError::new(format!("`{}` is no file of rows", path.display())));
    }
    let mut labels = BufReader::new(open()?);
    std::io::Seek::seek(&mut labels, std::io::SeekFrom::Start(16 + 4 * rows * width)).doing(doing())?;
    let width = width as usize;
    let (mut bytes, mut row, mut label) = (vec![0; 4 * width], vec![0.0; width], [0]);
    for _ in 0..rows {
        values.read_exact(&mut bytes).doing(doing())?;
        labels.read_exact(&mut label).doing(doing())?;
        for (value, bytes) in row.iter_mut().zip(bytes.as_chunks().0) {
            *value = f32::from_le_bytes(*bytes);
        }
        each(width, &row, label[0] != 0);
    }
    Ok(())
}

/// Reads scores: f32 after f32.
pub(crate) fn read_scores(path: &Path) -> Result<Vec<f32>> {
    let bytes = std::fs::read(path).doing(format!("could not read `{}`", path.display()))?;
    Ok(bytes.as_chunks().0.iter().map(|it| f32::from_le_bytes(*it)).collect())
}

/// Writes scores: f32 after f32.
pub(crate) fn write_scores(path: &Path, scores: &[f32]) -> Result<()> {
    let bytes: Vec<u8> = scores.iter().flat_map(|it| it.to_le_bytes()).collect();
    std::fs::write(path, bytes).doing(format!("could not write `{}`", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back_as_they_were_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows");
        let mut rows = Rows::new(2);
        rows.push(&[1.5, -0.0], true);
        rows.push(&[f32::MAX, 1e-40], false);
        rows.write(&path).unwrap();
        assert_eq!(Rows::read(&path).unwrap(), rows);
        assert_eq!(std::fs::read(&path).unwrap().len(), 16 + 16 + 2);
    }

    #[test]
    fn a_file_that_ends_early_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows");
        std::fs::write(&path, [1, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255]).unwrap();
        assert!(Rows::read(&path).is_err());
        std::fs::write(&path, [2, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9, 9, 9, 9, 1]).unwrap();
        assert!(Rows::read(&path).is_err());
    }
}
