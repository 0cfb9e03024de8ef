//! Rows of text.

use std::io::{self, Read};

use csv::ByteRecord;

use super::error::shown;
use super::header::Wanted;
use super::{Asked, BadCells, DataError, Place, READ_BUFFER_BYTES};
use crate::Table;

/// Rows between two looks at how far the reading has come.
const ROWS_PER_LOOK: usize = 2_048;
/// Two, so that one is left over unless an open quote has taken both into its cell.
const LINE_ENDS: &[u8] = b"\n\n";

/// Reads every row; calls `progress` every few thousand.
pub(super) fn read(asked: &Asked<'_>, input: impl Read, progress: &mut dyn FnMut()) -> Result<Table, DataError> {
    // With `\n` alone ending rows, and ending the last row too, the reader knows the line that it has come to. The `\r`
    // before it stays in the last cell, where it counts as a space.
    let mut rows = csv::ReaderBuilder::new()
        .flexible(true)
        .terminator(csv::Terminator::Any(b'\n'))
        .buffer_capacity(READ_BUFFER_BYTES)
        .from_reader(input.chain(LINE_ENDS));

    let header = rows.byte_headers().map_err(|error| broken(asked, 1, error))?;
    let columns: Vec<String> = header.iter().map(|it| String::from_utf8_lossy(it).trim().to_owned()).collect();
    let wanted = Wanted::find(asked, &columns)?;

    let mut reading = Reading { asked, wanted, width: columns.len(), next_line: 0, bad: BadCells::default() };
    let mut table = Table::new(asked.label, asked.features.to_vec());
    let mut record = ByteRecord::new();
    let mut values = vec![0.0; asked.features.len()];
    let (mut end, mut until_look) = (0, ROWS_PER_LOOK);
    loop {
        match rows.read_byte_record(&mut record) {
            Ok(true) => (),
            Ok(false) => break,
            Err(error) => return Err(broken(asked, rows.position().line(), error)),
        }
        end = rows.position().byte();
        until_look -= 1;
        if until_look == 0 {
            until_look = ROWS_PER_LOOK;
            progress();
        }
        if is_blank(&record) {
            continue;
        }
        reading.next_line = rows.position().line();
        if let Some(label) = reading.row(&record, &mut values) {
            table.push(&values, label);
        }
    }
    if end == rows.position().byte() {
        reading.open_quote(&record);
    }
    reading.bad.none(asked.path)?;
    Ok(table)
}

/// Tells a file that cannot be read from one whose compression breaks.
fn broken(asked: &Asked<'_>, line: u64, error: csv::Error) -> DataError {
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
    /// The line below the row in hand.
    next_line: u64,
    bad: BadCells,
}

impl Reading<'_> {
    /// Fills `values` and returns the label, or notes what is wrong with the row.
    fn row(&mut self, record: &ByteRecord, values: &mut [f32]) -> Option<bool> {
        let next_line = self.next_line;
        let place = || line_of(record, next_line);
        if record.len() != self.width {
            let problem = || format!("{} cells where the header has {}", record.len(), self.width);
            self.bad.note(place, None, problem);
            return None;
        }
        let before = self.bad.count;
        for (feature, value) in values.iter_mut().enumerate() {
            let cell = &record[self.wanted.features[feature]];
            match number(cell) {
                Some(number) => *value = number,
                None => self.bad.note(place, Some(&self.asked.features[feature]), || not_a_number(cell)),
            }
        }
        let cell = &record[self.wanted.label];
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

    /// Notes that the last row has taken the end of the file into a cell.
    fn open_quote(&mut self, record: &ByteRecord) {
        let problem = || "a quote is opened in this row and never closed".to_owned();
        self.bad.note(|| line_of(record, self.next_line), None, problem);
    }
}

/// The line that a row begins in: a quoted cell may hold line ends of its own.
fn line_of(record: &ByteRecord, next_line: u64) -> Place {
    let inside = record.as_slice().iter().filter(|it| **it == b'\n').count() as u64;
    Place::Line(next_line.saturating_sub(1 + inside))
}

/// A line of nothing but `\r`, or spaces, is passed over like an empty one.
fn is_blank(record: &ByteRecord) -> bool {
    record.len() == 1 && record[0].trim_ascii().is_empty()
}

/// Reads a finite number; an empty cell is NaN. `nan` and `inf` are spelled in ways that other readers do not share.
fn number(cell: &[u8]) -> Option<f32> {
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
