//! Columns of Apache Parquet.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use parquet::basic::{Compression, ConvertedType, LogicalType, Type as Physical};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl, get_column_reader};
use parquet::data_type::DataType;
use parquet::errors::{ParquetError, Result as Decoded};
use parquet::file::properties::ReaderProperties;
use parquet::file::reader::{FileReader, RowGroupReader, SerializedFileReader};
use parquet::file::serialized_reader::{ReadOptions, ReadOptionsBuilder};
use parquet::schema::types::Type;

use super::header::Wanted;
use super::limits::Limit;
use super::pages::Unzipped;
use super::{Asked, BadCells, DataError, PARQUET_MAGIC, Place};
use crate::Table;

/// Values that are decoded at a time: the only ones that are in memory twice.
const BATCH: usize = 8_192;

/// Reads every row, row group by row group; tells `progress` the bytes of the column chunks that it is done with.
pub(super) fn read(asked: &Asked<'_>, file: File, progress: &mut dyn FnMut(u64)) -> Result<Table, DataError> {
    let in_metadata = |error| damaged(asked, "in its metadata".to_owned(), error);
    check_metadata(asked, &file).map_err(|error| in_metadata(error.into()))??;
    let pages = Arc::new(file.try_clone().map_err(|error| in_metadata(error.into()))?);
    let file = whatever_happens(|| SerializedFileReader::new_with_options(file, options())).map_err(in_metadata)?;
    let columns = columns(&file);
    let limit = asked.limits.columns;
    if columns.len() > limit {
        return Err(asked.too_much(Limit::Columns(limit), None));
    }
    let names: Vec<String> = columns.iter().map(|it| it.name.clone()).collect();
    let wanted = Wanted::find(asked, &names)?;
    let label = columns[wanted.label].number(asked)?;
    let features = wanted.features.iter().map(|it| columns[*it].number(asked)).collect::<Result<Vec<_>, _>>()?;

    let mut reading = Reading { asked, pages, label, features, rows_before: 0, bad: BadCells::default() };
    let mut labels = Vec::new();
    let mut values = vec![Vec::new(); asked.features.len()];
    let mut done_bytes = 0;
    for index in 0..file.num_row_groups() {
        let group =
            whatever_happens(|| file.get_row_group(index)).map_err(|error| damaged(asked, in_group(index), error))?;
        reading.group(index, &*group, &mut labels, &mut values)?;
        done_bytes += u64::try_from(group.metadata().compressed_size()).unwrap_or_default();
        progress(done_bytes);
    }
    reading.bad.refuse(asked.path)?;
    Ok(Table::of_columns(asked.label, asked.features, values, labels))
}

/// Without frames of LZ4, whose decoder takes whatever the stream gives. Only files of Arrow before 0.15 have them.
fn options() -> ReadOptions {
    let properties = ReaderProperties::builder().set_backward_compatible_lz4(false).build();
    ReadOptionsBuilder::new().with_reader_properties(properties).build()
}

/// Refuses metadata that would take much memory. Their length stands before the mark at the end.
fn check_metadata(asked: &Asked<'_>, mut file: &File) -> io::Result<Result<(), DataError>> {
    let (size, limit) = (file.metadata()?.len(), asked.limits.metadata_bytes);
    let mut end = [0; 8];
    if size >= end.len() as u64 {
        file.seek(SeekFrom::End(-8))?;
        file.read_exact(&mut end)?;
    }
    let [length @ .., _, _, _, _] = end;
    let length = u64::from(u32::from_le_bytes(length));
    // What is longer than the file is damage, which the decoder tells.
    let is_too_much = end.ends_with(PARQUET_MAGIC) && length > limit && length <= size;
    Ok(if is_too_much { Err(asked.too_much(Limit::MetadataBytes(limit), None)) } else { Ok(()) })
}

/// A column at the top of the schema.
struct Column {
    name: String,
    /// What it holds if that is a number, and otherwise the name of what it holds.
    kind: Result<Number, String>,
}

/// Where to find numbers.
#[derive(Clone, Copy)]
struct Number {
    /// Place among the columns as they are stored, where each field of a nested one counts.
    leaf: usize,
    is_nullable: bool,
    is_unsigned: bool,
}

impl Column {
    fn number(&self, asked: &Asked<'_>) -> Result<Number, DataError> {
        self.kind.clone().map_err(|holds| DataError::NotNumeric {
            path: asked.path.to_owned(),
            column: self.name.clone(),
            holds,
        })
    }
}

fn columns(file: &SerializedFileReader<File>) -> Vec<Column> {
    let schema = file.metadata().file_metadata().schema_descr();
    let leaves = schema.columns();
    let of = |field: &Type| {
        let name = field.name().to_owned();
        let leaf = leaves.iter().position(|it| it.path().parts() == [name.as_str()]);
        let kind = match leaf {
            Some(leaf) if leaves[leaf].max_rep_level() == 0 => is_unsigned(field).map(|is_unsigned| Number {
                leaf,
                is_nullable: leaves[leaf].max_def_level() > 0,
                is_unsigned,
            }),
            _ => Err("list or group".to_owned()),
        };
        Column { name, kind }
    };
    schema.root_schema().get_fields().iter().map(|it| of(it)).collect()
}

/// Whether integers are without a sign; the name of the type if it is no plain number, such as a date or a decimal.
fn is_unsigned(field: &Type) -> Result<bool, String> {
    use ConvertedType as Converted;

    let info = field.get_basic_info();
    let is_unsigned = match (info.logical_type_ref(), info.converted_type()) {
        (Some(LogicalType::Integer(it)), _) => !it.is_signed,
        // Unknown is what nulls alone are.
        (Some(LogicalType::Unknown), _)
        | (None, Converted::NONE | Converted::INT_8 | Converted::INT_16 | Converted::INT_32 | Converted::INT_64) => {
            false
        }
        (None, Converted::UINT_8 | Converted::UINT_16 | Converted::UINT_32 | Converted::UINT_64) => true,
        (Some(other), _) => {
            let described = format!("{other:?}");
            return Err(described.split(|it: char| !it.is_alphanumeric()).next().unwrap_or_default().to_lowercase());
        }
        (None, other) => return Err(other.to_string().to_lowercase()),
    };
    match field.get_physical_type() {
        Physical::BOOLEAN | Physical::INT32 | Physical::INT64 | Physical::FLOAT | Physical::DOUBLE => Ok(is_unsigned),
        Physical::INT96 => Err("timestamp".to_owned()),
        Physical::BYTE_ARRAY | Physical::FIXED_LEN_BYTE_ARRAY => Err("binary".to_owned()),
    }
}

/// What is known while row groups are read.
struct Reading<'a> {
    asked: &'a Asked<'a>,
    /// The file once more, for pages that are unpacked here.
    pages: Arc<File>,
    label: Number,
    features: Vec<Number>,
    /// In the row groups before the one in hand.
    rows_before: u64,
    bad: BadCells,
}

impl Reading<'_> {
    fn group(
        &mut self,
        index: usize,
        group: &dyn RowGroupReader,
        labels: &mut Vec<bool>,
        columns: &mut [Vec<f32>],
    ) -> Result<(), DataError> {
        let rows = u64::try_from(group.metadata().num_rows()).unwrap_or_default();
        self.asked.check_rows(self.rows_before.saturating_add(rows))?;
        let mut bad = BadCells::default();
        for ((number, name), column) in self.features.iter().zip(self.asked.features).zip(columns) {
            let before = column.len();
            self.chunk(index, group, *number, name, column)?;
            for (row, value) in (1..).zip(&column[before..]) {
                if value.is_infinite() {
                    let problem = || "infinite, or too large for a 32-bit float".to_owned();
                    bad.note(|| Place::Row(self.rows_before + row), Some(name), problem);
                }
            }
        }
        // As wide as the widest number, so that what rounds to 1 is not taken for it.
        let mut wide: Vec<f64> = Vec::new();
        self.chunk(index, group, self.label, self.asked.label, &mut wide)?;
        for (row, value) in (1..).zip(&wide) {
            let is_positive = value.total_cmp(&1.0).is_eq();
            if !is_positive && *value != 0.0 {
                let found = if value.is_nan() { "a missing value".to_owned() } else { format!("`{value}`") };
                let problem = || format!("{found} is neither 0 nor 1");
                bad.note(|| Place::Row(self.rows_before + row), Some(self.asked.label), problem);
            }
            labels.push(is_positive);
        }
        self.rows_before += wide.len() as u64;
        self.bad.append(bad);
        Ok(())
    }

    /// Appends the values of a column in one row group.
    fn chunk<C: Cell>(
        &self,
        index: usize,
        group: &dyn RowGroupReader,
        number: Number,
        name: &str,
        values: &mut Vec<C>,
    ) -> Result<(), DataError> {
        let codec = group.metadata().column(number.leaf).compression();
        if matches!(codec, Compression::BROTLI(_) | Compression::LZO) {
            let codec = codec.to_string();
            let codec = codec.split('(').next().unwrap_or_default().to_owned();
            return Err(DataError::Codec { path: self.asked.path.to_owned(), codec });
        }
        let place = || format!("{}, column `{name}`", in_group(index));
        let rows = usize::try_from(group.metadata().num_rows()).unwrap_or_default();
        let before = values.len();
        let reader = || match codec {
            Compression::GZIP(_) => {
                let chunk = group.metadata().column(number.leaf);
                let pages = Unzipped::new(&self.pages, chunk, rows, self.asked.limits.page_bytes)?;
                Ok(get_column_reader(chunk.column_descr_ptr(), Box::new(pages)))
            }
            _ => group.get_column_reader(number.leaf),
        };
        whatever_happens(|| decode(reader()?, number, rows, values))
            .map_err(|error| damaged(self.asked, place(), error))?;
        let read = values.len() - before;
        if read == rows {
            return Ok(());
        }
        let error = ParquetError::EOF(format!("{read} values where the row group has {rows} rows"));
        Err(damaged(self.asked, place(), error))
    }
}

/// What a number becomes when it is read.
trait Cell: Copy {
    const MISSING: Self;
    fn of_integer(value: i64) -> Self;
    fn of_unsigned(value: u64) -> Self;
    fn of_single(value: f32) -> Self;
    fn of_double(value: f64) -> Self;
}

impl Cell for f32 {
    const MISSING: Self = Self::NAN;
    fn of_integer(value: i64) -> Self {
        value as Self
    }
    fn of_unsigned(value: u64) -> Self {
        value as Self
    }
    fn of_single(value: f32) -> Self {
        value
    }
    fn of_double(value: f64) -> Self {
        value as Self
    }
}

impl Cell for f64 {
    const MISSING: Self = Self::NAN;
    fn of_integer(value: i64) -> Self {
        value as Self
    }
    fn of_unsigned(value: u64) -> Self {
        value as Self
    }
    fn of_single(value: f32) -> Self {
        value.into()
    }
    fn of_double(value: f64) -> Self {
        value
    }
}

fn decode<C: Cell>(reader: ColumnReader, number: Number, rows: usize, into: &mut Vec<C>) -> Decoded<()> {
    let nullable = number.is_nullable;
    match reader {
        ColumnReader::BoolColumnReader(it) => append(it, nullable, rows, into, |it| C::of_integer(it.into())),
        ColumnReader::Int32ColumnReader(it) if number.is_unsigned => {
            append(it, nullable, rows, into, |it| C::of_integer(it.cast_unsigned().into()))
        }
        ColumnReader::Int32ColumnReader(it) => append(it, nullable, rows, into, |it| C::of_integer(it.into())),
        ColumnReader::Int64ColumnReader(it) if number.is_unsigned => {
            append(it, nullable, rows, into, |it| C::of_unsigned(it.cast_unsigned()))
        }
        ColumnReader::Int64ColumnReader(it) => append(it, nullable, rows, into, C::of_integer),
        ColumnReader::FloatColumnReader(it) => append(it, nullable, rows, into, C::of_single),
        ColumnReader::DoubleColumnReader(it) => append(it, nullable, rows, into, C::of_double),
        _ => Err(ParquetError::General("the column is of another type than the schema says".to_owned())),
    }
}

fn append<T: DataType, C: Cell>(
    mut reader: ColumnReaderImpl<T>,
    is_nullable: bool,
    rows: usize,
    into: &mut Vec<C>,
    convert: impl Fn(T::T) -> C,
) -> Decoded<()> {
    let (mut present, mut levels) = (Vec::with_capacity(BATCH), Vec::new());
    let mut left = rows;
    while left > 0 {
        present.clear();
        levels.clear();
        let (read, _, _) =
            reader.read_records(left.min(BATCH), is_nullable.then_some(&mut levels), None, &mut present)?;
        if read == 0 {
            break;
        }
        left -= read;
        let mut present = present.drain(..);
        if is_nullable {
            into.extend(levels.iter().map(|level| {
                let value = if *level > 0 { present.next() } else { None };
                value.map_or(C::MISSING, &convert)
            }));
        } else {
            into.extend(present.map(&convert));
        }
    }
    Ok(())
}

/// Makes an error of a panic: some damage makes the decoder panic, such as indices into a dictionary that is not there.
///
/// What it has written by then is thrown away with the error.
fn whatever_happens<T>(decode: impl FnOnce() -> Decoded<T>) -> Decoded<T> {
    catch_unwind(AssertUnwindSafe(decode))
        .unwrap_or_else(|_| Err(ParquetError::General("the decoder could make nothing of it".to_owned())))
}

fn in_group(index: usize) -> String {
    format!("in row group {}", index + 1)
}

fn damaged(asked: &Asked<'_>, place: String, error: ParquetError) -> DataError {
    if let ParquetError::External(source) = &error
        && let Some(limit) = source.downcast_ref::<Limit>()
    {
        return asked.too_much(*limit, Some(place));
    }
    DataError::Damaged { path: asked.path.to_owned(), place, source: Box::new(error) }
}

#[cfg(test)]
pub(super) mod tests;
