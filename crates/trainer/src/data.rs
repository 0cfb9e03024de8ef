//! Reads rows from a file, and says exactly what is wrong with one that cannot be used.

mod csv;
mod error;
mod header;
mod limits;
mod pages;
mod parquet;

use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::rc::Rc;

use flate2::bufread::MultiGzDecoder;

use crate::Table;

use limits::Limits;

pub use error::{BadCell, DataError, Place};
pub use limits::Limit;

const READ_BUFFER_BYTES: usize = 1 << 17;
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
const PARQUET_MAGIC: &[u8] = b"PAR1";

/// How far the reading of a file has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadProgress {
    /// Bytes of the file as it is stored, so packed if it is packed.
    pub done_bytes: u64,
    /// Its size; 0 if it is no regular file.
    pub total_bytes: u64,
}

/// Reads the label and the features of every row of a file: CSV with a header row, gzipped or not, or Parquet.
///
/// What the file is, its first bytes tell, whatever it is called. An empty cell, a null and a NaN of Parquet are missing
/// values; a label may not be missing. Columns that are not asked for are not looked at. Every row of CSV, and every row
/// group of Parquet, is read before the first bad cell is reported, so that one run shows them all. `progress` is told
/// every few thousand rows of CSV, after every row group of Parquet, and at the end.
pub fn read(
    path: &Path,
    label: &str,
    features: &[String],
    progress: &mut dyn FnMut(ReadProgress),
) -> Result<Table, DataError> {
    read_within(&Asked { path, label, features, limits: Limits::DATA }, progress)
}

fn read_within(asked: &Asked<'_>, progress: &mut dyn FnMut(ReadProgress)) -> Result<Table, DataError> {
    let path = asked.path;
    let unreadable = |source| DataError::Unreadable { path: path.to_owned(), source };
    let file = File::open(path).map_err(unreadable)?;
    let total_bytes = file.metadata().map_err(unreadable)?.len();
    let done_bytes = Rc::new(Cell::new(0));
    let mut file = BufReader::with_capacity(READ_BUFFER_BYTES, Counted { file, done_bytes: Rc::clone(&done_bytes) });
    let start = file.fill_buf().map_err(unreadable)?;

    let mut report = |done_bytes| progress(ReadProgress { done_bytes, total_bytes });
    let table = if start.starts_with(PARQUET_MAGIC) {
        parquet::read(asked, file.into_inner().file, &mut report)
    } else if start.starts_with(&GZIP_MAGIC) {
        csv::read(asked, MultiGzDecoder::new(file), &mut || report(done_bytes.get()))
    } else {
        csv::read(asked, file, &mut || report(done_bytes.get()))
    }?;
    report(total_bytes.max(done_bytes.get()));
    usable(path, table)
}

/// What is wanted of which file.
struct Asked<'a> {
    path: &'a Path,
    label: &'a str,
    features: &'a [String],
    limits: Limits,
}

impl Asked<'_> {
    /// Refuses what is more than a limit allows.
    fn too_much(&self, limit: Limit, place: Option<String>) -> DataError {
        DataError::TooMuch { path: self.path.to_owned(), place, limit }
    }

    /// Refuses more rows than memory should hold.
    fn check_rows(&self, rows: u64) -> Result<(), DataError> {
        let (most, features) = (self.limits.rows(self.features.len()), self.features.len());
        if rows <= most { Ok(()) } else { Err(self.too_much(Limit::Rows { most, features }, None)) }
    }
}

/// A file that knows how much of it was read.
struct Counted {
    file: File,
    done_bytes: Rc<Cell<u64>>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.done_bytes.set(self.done_bytes.get() + read as u64);
        Ok(read)
    }
}

fn usable(path: &Path, table: Table) -> Result<Table, DataError> {
    let path = || path.to_owned();
    let (rows, positives) = (table.len(), table.positives());
    if rows == 0 {
        return Err(DataError::NoRows { path: path() });
    }
    if positives == 0 || positives == rows {
        return Err(DataError::OneClass { path: path(), rows, label: u8::from(positives > 0) });
    }
    Ok(table)
}

/// Cells that cannot be used: the first twenty, and the count of all.
#[derive(Default)]
struct BadCells {
    first: Vec<BadCell>,
    count: u64,
}

impl BadCells {
    /// Bad cells that are kept word for word; more are only counted.
    const KEPT: usize = 20;

    /// Notes a cell; the problem is put into words only if it is kept.
    fn note(&mut self, place: impl FnOnce() -> Place, column: Option<&str>, problem: impl FnOnce() -> String) {
        self.count += 1;
        if self.first.len() < Self::KEPT {
            self.first.push(BadCell { place: place(), column: column.map(str::to_owned), problem: problem() });
        }
    }

    /// Gives an error if there are any.
    fn refuse(&mut self, path: &Path) -> Result<(), DataError> {
        if self.count == 0 {
            return Ok(());
        }
        let first = std::mem::take(&mut self.first);
        Err(DataError::BadCells { path: path.to_owned(), count: self.count, first })
    }

    /// Adds those of further rows, which were found column after column, in the order of rows.
    fn append(&mut self, mut others: Self) {
        self.count += others.count;
        others.first.sort_by_key(|it| it.place);
        others.first.truncate(Self::KEPT - self.first.len());
        self.first.append(&mut others.first);
    }
}

#[cfg(test)]
mod bombs;
#[cfg(test)]
mod tests;
