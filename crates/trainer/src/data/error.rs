//! What can be wrong with a file of rows, in words that lead to the place.

use std::fmt::{self, Write as _};
use std::io;
use std::path::PathBuf;

use super::limits::Limit;

/// Columns that a message lists.
const COLUMNS_SHOWN: usize = 40;
/// Characters of a cell or a column's name that a message shows.
const TEXT_SHOWN: usize = 40;

/// Why a file does not give rows to learn from.
///
/// `LabelMissing` is about the key `label` of pipeline.yaml, `FeatureMissing` about `features`, the rest about `data`.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// It cannot be opened or read.
    #[error("could not read `{}`", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Its compression or its encoding breaks off, or does not check out.
    #[error("`{}` is cut off or damaged {place}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where the reader had come to, such as `in line 3`.
        place: String,
        /// What the decoder says.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A Parquet file is compressed in a way that is not built in.
    #[error("`{}` is compressed by {codec}, which is not read here; Snappy, Zstandard, gzip and LZ4 are", path.display())]
    Codec {
        /// The file.
        path: PathBuf,
        /// As Parquet names it.
        codec: String,
    },
    /// A wanted column of a Parquet file is of a type that is no number.
    #[error("column `{column}` of `{}` is of type {holds}; only integers, floats and booleans can be learned from", path.display())]
    NotNumeric {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
        /// As Parquet names it.
        holds: String,
    },
    /// It holds more than is read.
    #[error("`{}` has {limit}{}", path.display(), at(place.as_ref()))]
    TooMuch {
        /// The file.
        path: PathBuf,
        /// Where the reader had come to, such as `in line 3`.
        place: Option<String>,
        /// What was passed.
        limit: Limit,
    },
    /// It has no header row.
    #[error("`{}` is empty, it lacks even a header row", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// It has columns and nothing in them.
    #[error("`{}` has columns and no rows", path.display())]
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
    /// Where the row begins.
    pub place: Place,
    /// None: the row as a whole.
    pub column: Option<String>,
    /// What is there, and what should be.
    pub problem: String,
}

/// A row, by what its kind of file counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// Of a text file: counted from 1, the header included.
    Line(u64),
    /// Of a Parquet file: counted from 1, through all row groups.
    Row(u64),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(line) => write!(f, "line {line}"),
            Self::Row(row) => write!(f, "row {row}"),
        }
    }
}

fn at(place: Option<&String>) -> String {
    place.map(|it| format!(" ({it})")).unwrap_or_default()
}

fn did_you_mean(nearest: Option<&String>) -> String {
    nearest.map(|it| format!("; did you mean `{it}`?")).unwrap_or_default()
}

fn and_others(others: usize) -> String {
    if others == 0 { String::new() } else { format!(" (and {others} more)") }
}

fn list(columns: &[String]) -> String {
    let names: Vec<String> = columns.iter().take(COLUMNS_SHOWN).map(|it| format!("`{}`", cut(it))).collect();
    let more = columns.len().saturating_sub(COLUMNS_SHOWN);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{more}", names.join(", "))
}

fn bad_count(count: u64) -> String {
    if count == 1 { "a cell that cannot be used".to_owned() } else { format!("{count} cells that cannot be used") }
}

fn bad_list(first: &[BadCell], count: u64) -> String {
    let mut text = String::new();
    for BadCell { place, column, problem } in first {
        let column = column.as_ref().map(|it| format!(", column `{it}`")).unwrap_or_default();
        // Writing to a String cannot fail.
        let _ = write!(text, "\n  {place}{column}: {problem}");
    }
    let more = count - first.len() as u64;
    if more > 0 {
        let _ = write!(text, "\n  and {more} more");
    }
    text
}

/// What a cell holds, cut to what fits in a message.
pub(super) fn shown(cell: &[u8]) -> String {
    let text = String::from_utf8_lossy(cell.trim_ascii());
    if text.is_empty() {
        return "an empty cell".to_owned();
    }
    format!("`{}`", cut(&text))
}

fn cut(text: &str) -> String {
    let shown: String = text.chars().take(TEXT_SHOWN).collect();
    let more = if shown.len() < text.len() { "…" } else { "" };
    format!("{}{more}", shown.escape_debug())
}
