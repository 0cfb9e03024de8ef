use std::sync::Arc;

use parquet::basic::{GzipLevel, ZstdLevel};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DoubleType, FloatType, Int32Type, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use proptest::prelude::*;

use super::*;

/// The values of one column in one row group; none is a null.
enum Values {
    Bools(Vec<Option<bool>>),
    Ints(Vec<Option<i32>>),
    Longs(Vec<Option<i64>>),
    Floats(Vec<Option<f32>>),
    Doubles(Vec<Option<f64>>),
    Texts(Vec<Option<&'static str>>),
}
use Values::{Bools, Doubles, Floats, Ints, Longs, Texts};

/// A file of these fields, each optional, and row groups.
fn written(fields: &str, codec: Compression, groups: &[Vec<Values>]) -> Vec<u8> {
    let schema = parse_message_type(&format!("message rows {{ {fields} }}")).unwrap();
    let properties = WriterProperties::builder().set_compression(codec).build();
    let mut bytes = Vec::new();
    let mut file = SerializedFileWriter::new(&mut bytes, Arc::new(schema), Arc::new(properties)).unwrap();
    for group in groups {
        let mut row_group = file.next_row_group().unwrap();
        for values in group {
            macro_rules! write {
                ($type:ty, $values:expr) => {{
                    let levels: Vec<i16> = $values.iter().map(|it| i16::from(it.is_some())).collect();
                    let present: Vec<_> = $values.iter().flatten().map(|it| (*it).into()).collect();
                    let mut column = row_group.next_column().unwrap().unwrap();
                    column.typed::<$type>().write_batch(&present, Some(&levels), None).unwrap();
                    column.close().unwrap();
                }};
            }
            match values {
                Bools(it) => write!(BoolType, it),
                Ints(it) => write!(Int32Type, it),
                Longs(it) => write!(Int64Type, it),
                Floats(it) => write!(FloatType, it),
                Doubles(it) => write!(DoubleType, it),
                Texts(it) => {
                    let it: Vec<Option<ByteArray>> = it.iter().map(|it| it.map(ByteArray::from)).collect();
                    let levels: Vec<i16> = it.iter().map(|it| i16::from(it.is_some())).collect();
                    let present: Vec<ByteArray> = it.into_iter().flatten().collect();
                    let mut column = row_group.next_column().unwrap().unwrap();
                    column.typed::<ByteArrayType>().write_batch(&present, Some(&levels), None).unwrap();
                    column.close().unwrap();
                }
            }
        }
        row_group.close().unwrap();
    }
    file.close().unwrap();
    bytes
}

/// A file of zeros, gzipped, whose pages are a thousandth of what they unpack to.
pub(in crate::data) fn zeros(rows: usize) -> Vec<u8> {
    let schema = parse_message_type(&format!("message rows {{ {TWO} }}")).unwrap();
    let gzip = Compression::GZIP(GzipLevel::default());
    let properties = WriterProperties::builder().set_compression(gzip).set_dictionary_enabled(false).build();
    let mut bytes = Vec::new();
    let mut file = SerializedFileWriter::new(&mut bytes, Arc::new(schema), Arc::new(properties)).unwrap();
    let (mut group, levels) = (file.next_row_group().unwrap(), vec![1; rows]);
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<FloatType>().write_batch(&vec![0.0; rows], Some(&levels), None).unwrap();
    column.close().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<Int32Type>().write_batch(&vec![0; rows], Some(&levels), None).unwrap();
    column.close().unwrap();
    group.close().unwrap();
    file.close().unwrap();
    bytes
}

fn read_bytes(bytes: &[u8], features: &[&str]) -> Result<Table, DataError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.parquet");
    std::fs::write(&path, bytes).unwrap();
    let features: Vec<String> = features.iter().map(|it| (*it).to_owned()).collect();
    crate::read(&path, "Class", &features, &mut |_| ())
}

fn refusal(bytes: &[u8], features: &[&str]) -> String {
    crate::data::tests::told(&read_bytes(bytes, features).expect_err("these rows should be refused"))
}

const TWO: &str = "optional float V1; optional int32 Class;";

type Two = (Vec<Option<f32>>, Vec<Option<i32>>);

fn two(groups: Vec<Two>) -> Vec<u8> {
    let groups: Vec<Vec<Values>> = groups.into_iter().map(|(v1, class)| vec![Floats(v1), Ints(class)]).collect();
    written(TWO, Compression::SNAPPY, &groups)
}

#[test]
fn every_numeric_type_is_read_and_a_null_is_a_missing_value() {
    let fields = "optional boolean a; optional int32 b; optional int64 c; optional float d; optional double e;
        optional int32 f (UINT_32); optional int64 g (INTEGER(64,false)); optional boolean Class;";
    let bytes = written(
        fields,
        Compression::UNCOMPRESSED,
        &[vec![
            Bools(vec![Some(true), None]),
            Ints(vec![None, Some(-7)]),
            Longs(vec![Some(i64::MAX), None]),
            Floats(vec![Some(f32::NAN), Some(0.1)]),
            Doubles(vec![Some(0.1), None]),
            Ints(vec![Some(-1), Some(3)]),
            Longs(vec![Some(-1), Some(3)]),
            Bools(vec![Some(true), Some(false)]),
        ]],
    );
    let table = read_bytes(&bytes, &["a", "b", "c", "d", "e", "f", "g"]).unwrap();
    insta::assert_snapshot!(format!("{:?}\n{:?}\n{:?}", table.row(0), table.row(1), table.labels()), @"
    [1.0, NaN, 9.223372e18, NaN, 0.1, 4294967300.0, 1.8446744e19]
    [NaN, -7.0, NaN, 0.1, NaN, 3.0, 3.0]
    [true, false]
    ");
}

#[test]
fn every_codec_and_several_row_groups_are_read() {
    let codecs = [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::GZIP(GzipLevel::default()),
        Compression::ZSTD(ZstdLevel::default()),
        Compression::LZ4_RAW,
    ];
    for codec in codecs {
        let value = |row: u16| (!row.is_multiple_of(7)).then(|| f32::from(row) / 3.0);
        let group = |rows: std::ops::Range<u16>| {
            vec![Floats(rows.clone().map(value).collect()), Ints(rows.map(|it| Some((it % 2).into())).collect())]
        };
        let table = read_bytes(&written(TWO, codec, &[group(0..9_000), group(9_000..9_001)]), &["V1"]).unwrap();
        let expected: Vec<u32> = (0..9_001).map(|it| value(it).unwrap_or(f32::NAN).to_bits()).collect();
        assert_eq!(table.columns()[0].iter().map(|it| it.to_bits()).collect::<Vec<_>>(), expected, "{codec}");
        assert!((0..9_001).all(|it| table.labels()[it] == (it % 2 == 1)));
    }
}

#[test]
fn columns_that_are_no_numbers_are_refused_by_name_and_only_if_asked_for() {
    let fields =
        "optional int64 at (TIMESTAMP(MILLIS,true)); optional int32 day (DATE); optional int64 price (DECIMAL(9,2));
        optional binary who (STRING); optional binary raw; optional float V1; optional int32 Class;";
    let long = || Longs(vec![Some(1), Some(2)]);
    let text = || Texts(vec![Some("a"), None]);
    let row_group = vec![
        long(),
        Ints(vec![Some(1), None]),
        long(),
        text(),
        text(),
        Floats(vec![Some(1.0), None]),
        Ints(vec![Some(0), Some(1)]),
    ];
    let bytes = written(fields, Compression::SNAPPY, &[row_group]);
    assert_eq!(read_bytes(&bytes, &["V1"]).unwrap().len(), 2);
    let refusals = ["at", "day", "price", "who", "raw", "v1"].map(|it| refusal(&bytes, &[it]));
    insta::assert_snapshot!(refusals.join("\n"), @"
    column `at` of `rows.parquet` is of type timestamp; only integers, floats and booleans can be learned from
    column `day` of `rows.parquet` is of type date; only integers, floats and booleans can be learned from
    column `price` of `rows.parquet` is of type decimal; only integers, floats and booleans can be learned from
    column `who` of `rows.parquet` is of type string; only integers, floats and booleans can be learned from
    column `raw` of `rows.parquet` is of type binary; only integers, floats and booleans can be learned from
    feature `v1` is no column of `rows.parquet`, which has `at`, `day`, `price`, `who`, `raw`, `V1`, `Class`; did you mean `V1`?
    ");
}

#[test]
fn a_list_is_refused() {
    let schema = "message rows { repeated float V1; required int32 Class; }";
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let mut bytes = Vec::new();
    SerializedFileWriter::new(&mut bytes, schema, Arc::default()).unwrap().close().unwrap();
    insta::assert_snapshot!(refusal(&bytes, &["V1"]), @"column `V1` of `rows.parquet` is of type list or group; only integers, floats and booleans can be learned from");
}

#[test]
fn bad_labels_and_infinities_are_told_with_their_rows() {
    let bytes = two(vec![
        (vec![Some(1.0), Some(f32::INFINITY)], vec![Some(0), Some(2)]),
        (vec![None, Some(f32::NEG_INFINITY), Some(1.0)], vec![None, Some(1), Some(-1)]),
    ]);
    insta::assert_snapshot!(refusal(&bytes, &["V1"]), @"
    `rows.parquet` has 5 cells that cannot be used
      row 2, column `V1`: infinite, or too large for a 32-bit float
      row 2, column `Class`: `2` is neither 0 nor 1
      row 3, column `Class`: a missing value is neither 0 nor 1
      row 4, column `V1`: infinite, or too large for a 32-bit float
      row 5, column `Class`: `-1` is neither 0 nor 1
    ");
    let many = two(vec![(vec![Some(1.0); 15], vec![Some(2); 15]); 3]);
    let Err(DataError::BadCells { count, first, .. }) = read_bytes(&many, &["V1"]) else {
        panic!("these rows should be refused");
    };
    assert_eq!((count, first.len(), first[19].place), (45, 20, Place::Row(20)));
}

#[test]
fn a_label_that_only_rounds_to_one_is_refused() {
    let doubles = |label| {
        let row_group = vec![Doubles(vec![Some(1e99), None]), Doubles(vec![Some(0.0), Some(label)])];
        written("optional double V1; optional double Class;", Compression::SNAPPY, &[row_group])
    };
    insta::assert_snapshot!(refusal(&doubles(1.000_000_000_1), &["V1"]), @"
    `rows.parquet` has 2 cells that cannot be used
      row 1, column `V1`: infinite, or too large for a 32-bit float
      row 2, column `Class`: `1.0000000001` is neither 0 nor 1
    ");
}

#[test]
fn a_file_without_rows_and_one_class_are_refused() {
    insta::assert_snapshot!(refusal(&two(vec![]), &["V1"]), @"`rows.parquet` has columns and no rows");
    insta::assert_snapshot!(refusal(&two(vec![(vec![None, None], vec![Some(1), Some(1)])]), &["V1"]), @"every row of `rows.parquet` (2) has label 1; there is nothing to tell apart");
}

#[test]
fn a_file_that_is_cut_off_or_overwritten_says_where() {
    let whole = two(vec![(vec![Some(1.5); 2_000], (0..2_000).map(|it| Some(it % 2)).collect())]);
    insta::assert_snapshot!(refusal(&whole[..whole.len() - 9], &["V1"]), @"
    `rows.parquet` is cut off or damaged in its metadata
      because: Parquet error: Invalid Parquet file. Corrupt footer
    ");
    let mut overwritten = whole;
    overwritten[4..40].fill(0xff);
    insta::assert_snapshot!(refusal(&overwritten, &["V1"]), @"
    `rows.parquet` is cut off or damaged in row group 1, column `V1`
      because: Parquet error: Unexpected struct field type 15
    ");
}

#[test]
fn no_damage_panics() {
    let whole = two(vec![(vec![Some(1.5), None, Some(2.5)], vec![Some(0), Some(1), Some(1)])]);
    for (at, byte) in (4..whole.len()).flat_map(|at| [(at, 9), (at, 0xff)]) {
        let mut bytes = whole.clone();
        bytes[at] = byte;
        let _ = read_bytes(&bytes, &["V1"]);
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(
        rows in prop::collection::vec((prop::option::of(-1e30_f32..1e30), any::<bool>()), 2..200), at in 1_usize..100
    ) {
        prop_assume!(rows.iter().any(|it| it.1) && rows.iter().any(|it| !it.1));
        let of = |rows: &[(Option<f32>, bool)]| {
            (rows.iter().map(|it| it.0).collect(), rows.iter().map(|it| Some(it.1.into())).collect())
        };
        let (first, second) = rows.split_at(at.min(rows.len()));
        let table = read_bytes(&two(vec![of(first), of(second)]), &["V1"]).unwrap();
        let read: Vec<(u32, bool)> = table.columns()[0].iter().map(|it| it.to_bits()).zip(table.labels().iter().copied()).collect();
        let expected: Vec<(u32, bool)> = rows.iter().map(|it| (it.0.unwrap_or(f32::NAN).to_bits(), it.1)).collect();
        prop_assert_eq!(read, expected);
    }
}
