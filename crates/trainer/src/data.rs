//! Reads rows from a CSV file, and says exactly what is wrong with one that cannot be used.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use csv::ByteRecord;
use flate2::bufread::MultiGzDecoder;

use crate::Table;

/// Bad cells that are kept word for word; more are only counted.
const BAD_CELLS_KEPT: usize = 20;
/// Characters of a cell or a column list that a message shows.
const TEXT_SHOWN: usize = 40;
const COLUMNS_SHOWN: usize = 40;
const READ_BUFFER_BYTES: usize = 1 << 17;

/// Why a file does not give rows to learn from.
///
/// `LabelMissing` is about the key `label` of pipeline.yaml, `FeatureMissing` about `features`, the rest about `data`.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// It cannot be opened or read, or its compression is broken.
    #[error("could not read `{}`", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It has no header row.
    #[error("`{}` is empty, it lacks even a header row", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// It has a header row and nothing below.
    #[error("`{}` has a header row and no rows below it", path.display())]
    NoRows {
        /// The file.
        path: PathBuf,
    },
    /// No column is called like the label.
    #[error("label `{name}` is no column of `{}`, which has {}{}", path.display(), list(columns), did_you_mean(nearest.as_ref()))]
    LabelMissing {
        /// The file.
        path: PathBuf,
        /// What was looked for.
        name: String,
        /// What looks most like it.
        nearest: Option<String>,
        /// What the header has.
        columns: Vec<String>,
    },
    /// No column is called like a feature.
    #[error("feature `{name}`{} is no column of `{}`, which has {}{}", and_others(*others), path.display(), list(columns), did_you_mean(nearest.as_ref()))]
    FeatureMissing {
        /// The file.
        path: PathBuf,
        /// What was looked for: the first feature that is missing.
        name: String,
        /// What looks most like it.
        nearest: Option<String>,
        /// How many more features are missing.
        others: usize,
        /// What the header has.
        columns: Vec<String>,
    },
    /// A wanted column stands twice in the header.
    #[error("`{}` has more than one column `{name}`", path.display())]
    DuplicateColumn {
        /// The file.
        path: PathBuf,
        /// The column.
        name: String,
    },
    /// Cells that are no numbers, labels other than 0 and 1, rows that are too short or too long.
    #[error("`{}` has {}{}", path.display(), bad_count(*count), bad_list(first, *count))]
    BadCells {
        /// The file.
        path: PathBuf,
        /// All of them.
        count: u64,
        /// The first twenty.
        first: Vec<BadCell>,
    },
    /// Every row has the same label, so there is nothing to tell apart.
    #[error("every row of `{}` ({rows}) has label {label}; there is nothing to tell apart", path.display())]
    OneClass {
        /// The file.
        path: PathBuf,
        /// How many.
        rows: usize,
        /// 0 or 1.
        label: u8,
    },
    /// The generator makes neither so few rows nor so many.
    #[error("cannot generate {rows} rows, only {least} to {most}")]
    RowsOutOfRange {
        /// What was asked for.
        rows: u64,
        /// The least.
        least: u64,
        /// The most.
        most: u64,
    },
}

/// A place in a file that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadCell {
    /// Counted from 1, the header included.
    pub line: u64,
    /// None: the row as a whole.
    pub column: Option<String>,
    /// What is there, and what should be.
    pub problem: String,
}

/// Reads the label and the features of every row of a CSV file with a header row, gzipped or not.
///
/// An empty cell is a missing value. Columns that are not asked for are not looked at. Every row is read before the
/// first bad cell is reported, so that one run shows them all.
pub fn read_csv(path: &Path, label: &str, features: &[String]) -> Result<Table, DataError> {
    let unreadable = |source: csv::Error| DataError::Unreadable { path: path.to_owned(), source: source.into() };
    let input = open(path).map_err(|source| DataError::Unreadable { path: path.to_owned(), source })?;
    // With `\n` alone ending rows, and ending the last row too, the reader knows the line that it has come to. The `\r`
    // before it stays in the last cell, where it counts as a space.
    let mut rows = csv::ReaderBuilder::new()
        .flexible(true)
        .terminator(csv::Terminator::Any(b'\n'))
        .buffer_capacity(READ_BUFFER_BYTES)
        .from_reader(input.chain(&b"\n"[..]));

    let header = rows.byte_headers().map_err(unreadable)?;
    let columns: Vec<String> = header.iter().map(|it| String::from_utf8_lossy(it).trim().to_owned()).collect();
    let wanted = Wanted::find(path, &columns, label, features)?;

    let mut reading = Reading { wanted, columns, features, label, next_line: 0, bad: Vec::new(), bad_count: 0 };
    let mut table = Table::new(label, features.to_vec());
    let mut record = ByteRecord::new();
    let mut values = vec![0.0; features.len()];
    while rows.read_byte_record(&mut record).map_err(unreadable)? {
        if is_blank(&record) {
            continue;
        }
        reading.next_line = rows.position().line();
        if let Some(label) = reading.row(&record, &mut values) {
            table.push(&values, label);
        }
    }
    if reading.bad_count > 0 {
        return Err(DataError::BadCells { path: path.to_owned(), count: reading.bad_count, first: reading.bad });
    }
    if table.is_empty() {
        return Err(DataError::NoRows { path: path.to_owned() });
    }
    let positives = table.positives();
    if positives == 0 || positives == table.len() {
        return Err(DataError::OneClass { path: path.to_owned(), rows: table.len(), label: u8::from(positives > 0) });
    }
    Ok(table)
}

/// Opens a file, unpacking it if its first two bytes are gzip's, whatever it is called.
fn open(path: &Path) -> io::Result<Box<dyn Read>> {
    let mut file = BufReader::with_capacity(READ_BUFFER_BYTES, File::open(path)?);
    if file.fill_buf()?.starts_with(&[0x1f, 0x8b]) {
        return Ok(Box::new(MultiGzDecoder::new(file)));
    }
    Ok(Box::new(file))
}

/// Where the wanted columns stand in a row.
struct Wanted {
    label: usize,
    features: Vec<usize>,
}

impl Wanted {
    fn find(path: &Path, columns: &[String], label: &str, features: &[String]) -> Result<Self, DataError> {
        let path = || path.to_owned();
        if columns.iter().all(String::is_empty) {
            return Err(DataError::Empty { path: path() });
        }
        let find = |name: &str| {
            let mut places = (0..columns.len()).filter(|it| columns[*it] == name);
            match (places.next(), places.next()) {
                (place, None) => Ok(place),
                (_, Some(_)) => Err(DataError::DuplicateColumn { path: path(), name: name.to_owned() }),
            }
        };
        let Some(label) = find(label)? else {
            let nearest = nearest(label, columns);
            return Err(DataError::LabelMissing {
                path: path(),
                name: label.to_owned(),
                nearest,
                columns: columns.to_vec(),
            });
        };
        let places = features.iter().map(|it| find(it)).collect::<Result<Vec<_>, _>>()?;
        let mut missing = features.iter().zip(&places).filter(|(_, place)| place.is_none()).map(|(name, _)| name);
        if let Some(name) = missing.next() {
            return Err(DataError::FeatureMissing {
                path: path(),
                name: name.clone(),
                nearest: nearest(name, columns),
                others: missing.count(),
                columns: columns.to_vec(),
            });
        }
        Ok(Self { label, features: places.into_iter().flatten().collect() })
    }
}

/// What is known while rows are read.
struct Reading<'a> {
    wanted: Wanted,
    columns: Vec<String>,
    features: &'a [String],
    label: &'a str,
    /// The line below the row in hand.
    next_line: u64,
    bad: Vec<BadCell>,
    bad_count: u64,
}

impl Reading<'_> {
    /// Fills `values` and returns the label, or notes what is wrong with the row.
    fn row(&mut self, record: &ByteRecord, values: &mut [f32]) -> Option<bool> {
        if record.len() != self.columns.len() {
            let problem = format!("{} cells where the header has {}", record.len(), self.columns.len());
            self.note(record, None, problem);
            return None;
        }
        let before = self.bad_count;
        for (feature, value) in values.iter_mut().enumerate() {
            let cell = &record[self.wanted.features[feature]];
            match number(cell) {
                Some(number) => *value = number,
                None => self.note(record, Some(&self.features[feature]), format!("{} is not a number", shown(cell))),
            }
        }
        let cell = &record[self.wanted.label];
        let label = match cell.trim_ascii() {
            b"0" | b"0.0" => false,
            b"1" | b"1.0" => true,
            _ => {
                self.note(record, Some(self.label), format!("{} is neither 0 nor 1", shown(cell)));
                return None;
            }
        };
        (self.bad_count == before).then_some(label)
    }

    fn note(&mut self, record: &ByteRecord, column: Option<&str>, problem: String) {
        self.bad_count += 1;
        if self.bad.len() < BAD_CELLS_KEPT {
            let inside = record.as_slice().split(|it| *it == b'\n').count() as u64 - 1;
            let line = self.next_line.saturating_sub(1 + inside);
            self.bad.push(BadCell { line, column: column.map(str::to_owned), problem });
        }
    }
}

/// A line of nothing but `\r`, or spaces, is passed over like an empty one.
fn is_blank(record: &ByteRecord) -> bool {
    record.len() == 1 && record[0].trim_ascii().is_empty()
}

/// Reads a finite number; an empty cell is NaN. `nan` and `inf` are spelled in ways that other readers do not share.
fn number(cell: &[u8]) -> Option<f32> {
    let text = std::str::from_utf8(cell).ok()?.trim();
    if text.is_empty() {
        return Some(f32::NAN);
    }
    text.parse().ok().filter(|it: &f32| it.is_finite())
}

fn shown(cell: &[u8]) -> String {
    let text = String::from_utf8_lossy(cell.trim_ascii());
    if text.is_empty() {
        return "an empty cell".to_owned();
    }
    let cut: String = text.chars().take(TEXT_SHOWN).collect();
    let more = if cut.len() < text.len() { "…" } else { "" };
    format!("`{}{more}`", cut.escape_debug())
}

/// The column that is the same but for case, or else differs by the fewest letters, at most a third of them.
fn nearest(name: &str, columns: &[String]) -> Option<String> {
    let folded = name.to_lowercase();
    let limit = name.chars().count().div_ceil(3);
    let distances = columns.iter().map(|it| (distance(&folded, &it.to_lowercase()), it));
    distances.filter(|(far, _)| *far <= limit).min_by_key(|(far, _)| *far).map(|(_, it)| it.clone())
}

/// Levenshtein's.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[right.len()]
}

fn did_you_mean(nearest: Option<&String>) -> String {
    nearest.map(|it| format!("; did you mean `{it}`?")).unwrap_or_default()
}

fn and_others(others: usize) -> String {
    if others == 0 { String::new() } else { format!(" (and {others} more)") }
}

fn list(columns: &[String]) -> String {
    let names: Vec<String> = columns.iter().take(COLUMNS_SHOWN).map(|it| format!("`{it}`")).collect();
    let more = columns.len().saturating_sub(COLUMNS_SHOWN);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{more}", names.join(", "))
}

fn bad_count(count: u64) -> String {
    if count == 1 { "a cell that cannot be used".to_owned() } else { format!("{count} cells that cannot be used") }
}

fn bad_list(first: &[BadCell], count: u64) -> String {
    let mut text = String::new();
    for BadCell { line, column, problem } in first {
        let column = column.as_ref().map(|it| format!(", column `{it}`")).unwrap_or_default();
        // Writing to a String cannot fail.
        let _ = write!(text, "\n  line {line}{column}: {problem}");
    }
    let more = count - first.len() as u64;
    if more > 0 {
        let _ = write!(text, "\n  and {more} more");
    }
    text
}

#[cfg(test)]
mod tests;
