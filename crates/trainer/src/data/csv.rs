//! Rows of text.

use std::io::{self, Chain, Read};

use csv::ByteRecord;

use super::error::shown;
use super::header::Wanted;
use super::limits::{Allowance, Bounded, Limit};
use super::{Asked, BadCells, DataError, Place, READ_BUFFER_BYTES};
use crate::Table;

/// Rows between two looks at how far the reading has come.
const ROWS_PER_LOOK: usize = 2_048;
/// Two, so that one is left over unless an open quote has taken both into its cell.
const LINE_ENDS: &[u8] = b"\n\n";

/// Reads every row; calls `progress` every few thousand.
pub(super) fn read(asked: &Asked<'_>, input: impl Read, progress: &mut dyn FnMut()) -> Result<Table, DataError> {
    let mut rows = Rows::new(asked, input);
    let columns = rows.header()?;
    let mut bad = BadCells::default();
    if rows.advance()?.is_open && !columns.is_empty() {
        bad.note(|| Place::Line(1), None, open_quote);
        bad.refuse(asked.path)?;
    }
    let wanted = Wanted::find(asked, &columns)?;

    let mut reading = Reading { asked, wanted, width: columns.len(), bad };
    let mut table = Table::new(asked.label, asked.features.to_vec());
    let mut values = vec![0.0; asked.features.len()];
    let mut until_look = ROWS_PER_LOOK;
    while rows.has_more {
        let end = rows.advance()?;
        if let Some(label) = reading.row(&rows.row, &end, &mut values) {
            asked.check_rows(table.len() as u64 + 1)?;
            table.push(&values, label);
        }
        until_look -= 1;
        if until_look == 0 {
            until_look = ROWS_PER_LOOK;
            progress();
        }
    }
    reading.bad.refuse(asked.path)?;
    Ok(table)
}

/// Rows as text, read one ahead: only then is it known that a row was the last, and what it has taken with it.
struct Rows<'a, R> {
    asked: &'a Asked<'a>,
    reader: csv::Reader<Chain<Bounded<R>, &'static [u8]>>,
    allowance: Allowance,
    row: ByteRecord,
    ahead: ByteRecord,
    /// Whether there is a row ahead.
    has_more: bool,
}

/// Where a row ends.
struct End {
    /// The line below.
    next_line: u64,
    /// Whether the file ends inside of quotes.
    is_open: bool,
}

impl<'a, R: Read> Rows<'a, R> {
    fn new(asked: &'a Asked<'a>, input: R) -> Self {
        // With `\n` alone ending rows, and ending the last row too, the reader knows the line that it has come to. The
        // `\r` before it stays in the last cell, where it counts as a space.
        let allowance = Allowance::new(asked.limits);
        let input = Bounded::new(input, allowance.clone());
        let reader = csv::ReaderBuilder::new()
            .flexible(true)
            .terminator(csv::Terminator::Any(b'\n'))
            .buffer_capacity(READ_BUFFER_BYTES)
            .from_reader(input.chain(LINE_ENDS));
        Self { asked, reader, allowance, row: ByteRecord::new(), ahead: ByteRecord::new(), has_more: true }
    }

    fn header(&mut self) -> Result<Vec<String>, DataError> {
        let header = self.reader.byte_headers().map_err(|error| broken(self.asked, 1, error))?;
        let limit = self.asked.limits.columns;
        if header.len() > limit {
            return Err(self.asked.too_much(Limit::Columns(limit), None));
        }
        Ok(header.iter().map(|it| String::from_utf8_lossy(it).trim().to_owned()).collect())
    }

    /// Makes the row ahead the one in hand, and tells how that one ends.
    fn advance(&mut self) -> Result<End, DataError> {
        std::mem::swap(&mut self.row, &mut self.ahead);
        self.allowance.begin_row();
        let (next_line, end) = (self.reader.position().line(), self.reader.position().byte());
        let more = self.reader.read_byte_record(&mut self.ahead);
        self.has_more = more.map_err(|error| {
            // The row that is too long begins where the one before it ends.
            let line = if limit_of(&error).is_some() { next_line } else { self.reader.position().line() };
            broken(self.asked, line, error)
        })?;
        Ok(End { next_line, is_open: !self.has_more && self.reader.position().byte() == end })
    }
}

/// The limit that was passed, if that is why reading ended.
fn limit_of(error: &csv::Error) -> Option<Limit> {
    match error.kind() {
        csv::ErrorKind::Io(source) => source.get_ref()?.downcast_ref().copied(),
        _ => None,
    }
}

/// Tells a file that cannot be read from one whose compression breaks.
fn broken(asked: &Asked<'_>, line: u64, error: csv::Error) -> DataError {
    if let Some(limit) = limit_of(&error) {
        return asked.too_much(limit, Some(format!("in line {line}")));
    }
    let path = asked.path.to_owned();
    let source = match error.into_kind() {
        csv::ErrorKind::Io(source) => source,
        other => io::Error::other(format!("{other:?}")),
    };
    match source.kind() {
        io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => {
            DataError::Damaged { path, place: format!("in line {line}"), source: source.into() }
        }
        _ => DataError::Unreadable { path, source },
    }
}

/// What is known while rows are read.
struct Reading<'a> {
    asked: &'a Asked<'a>,
    wanted: Wanted,
    /// Cells of the header.
    width: usize,
    bad: BadCells,
}

impl Reading<'_> {
    /// Fills `values` and returns the label, or notes what is wrong with the row.
    fn row(&mut self, row: &ByteRecord, end: &End, values: &mut [f32]) -> Option<bool> {
        if is_blank(row) {
            return None;
        }
        let place = || first_line(row, end);
        if end.is_open {
            self.bad.note(place, None, open_quote);
            return None;
        }
        if row.len() != self.width {
            let problem = || format!("{} cells where the header has {}", row.len(), self.width);
            self.bad.note(place, None, problem);
            return None;
        }
        let before = self.bad.count;
        for (feature, value) in values.iter_mut().enumerate() {
            let cell = &row[self.wanted.features[feature]];
            match number(cell) {
                Some(number) => *value = number,
                None => self.bad.note(place, Some(&self.asked.features[feature]), || not_a_number(cell)),
            }
        }
        let cell = &row[self.wanted.label];
        let label = match cell.trim_ascii() {
            b"0" | b"0.0" => false,
            b"1" | b"1.0" => true,
            _ => {
                self.bad.note(place, Some(self.asked.label), || format!("{} is neither 0 nor 1", shown(cell)));
                return None;
            }
        };
        (self.bad.count == before).then_some(label)
    }
}

/// The line that a row begins in: a quoted cell may hold line ends of its own.
fn first_line(row: &ByteRecord, end: &End) -> Place {
    let inside = row.as_slice().split(|it| *it == b'\n').count() as u64 - 1;
    let own_end = u64::from(!end.is_open);
    Place::Line(end.next_line.saturating_sub(inside + own_end))
}

fn open_quote() -> String {
    "a quote is opened in this row and never closed".to_owned()
}

/// A line of nothing but `\r`, or spaces, is passed over like an empty one.
fn is_blank(record: &ByteRecord) -> bool {
    record.len() == 1 && record[0].trim_ascii().is_empty()
}

/// Reads a finite number; an empty cell is NaN. `nan` and `inf` are spelled in ways that other readers do not share.
pub(super) fn number(cell: &[u8]) -> Option<f32> {
    let text = cell.trim_ascii();
    if text.is_empty() {
        return Some(f32::NAN);
    }
    fast_float2::parse(text).ok().filter(|it: &f32| it.is_finite())
}

fn not_a_number(cell: &[u8]) -> String {
    let is_written_as_one =
        cell.iter().any(u8::is_ascii_digit) && fast_float2::parse::<f32, _>(cell.trim_ascii()).is_ok();
    let why = if is_written_as_one { "too large for a 32-bit float" } else { "not a number" };
    format!("{} is {why}", shown(cell))
}
