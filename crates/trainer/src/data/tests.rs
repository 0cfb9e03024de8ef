use std::io::Write;
use std::path::Path;

use flate2::{Compression, write::GzEncoder};
use proptest::prelude::*;

use super::{DataError, Place};
use crate::{Table, generate, write_csv};

fn read(text: &[u8]) -> Result<Table, DataError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.csv");
    std::fs::write(&path, text).unwrap();
    super::read(&path, "Class", &["V1".to_owned(), "V2".to_owned()], &mut |_| ())
}

/// The message and its reasons, with the file's place in the way of no snapshot.
pub(super) fn told(error: &DataError) -> String {
    let mut text = error.to_string();
    let mut reason = std::error::Error::source(error);
    while let Some(it) = reason {
        text = format!("{text}\n  because: {it}");
        reason = it.source();
    }
    let (before, after) = text.split_once("/rows.").expect("the message names the file");
    let (before, _) = before.rsplit_once('`').unwrap();
    format!("{before}`rows.{after}")
}

fn refusal(text: &[u8]) -> String {
    told(&read(text).expect_err("these rows should be refused"))
}

#[test]
fn columns_are_found_by_name_in_any_order() {
    let table = read(b"Class,Time,V2,V1\n0,17,2.5,-1e-3\n1.0,x,3,0.1\n").unwrap();
    assert_eq!(table.row(0), [-1e-3, 2.5]);
    assert_eq!(table.row(1), [0.1, 3.0]);
    assert_eq!(table.labels(), [false, true]);
}

#[test]
fn an_empty_cell_is_a_missing_value() {
    let table = read(b"V1,V2,Class\n,2,0\n1, ,1\n").unwrap();
    assert!(table.row(0)[0].is_nan() && table.row(1)[1].is_nan());
}

#[test]
fn spaces_quotes_a_byte_order_mark_and_windows_line_ends_are_fine() {
    let table = read(b"\xef\xbb\xbfV1, V2 ,\"Class\"\r\n\"1\", 2 ,0\r\n3,4, 1\r\n\r\n").unwrap();
    assert_eq!([table.row(0), table.row(1)], [[1.0, 2.0], [3.0, 4.0]]);
}

#[test]
fn a_gzipped_file_is_unpacked_whatever_it_is_called() {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(b"V1,V2,Class\n1,2,0\n3,4,1\n").unwrap();
    assert_eq!(read(&packed.finish().unwrap()).unwrap().row(1), [3.0, 4.0]);
}

#[test]
fn a_gzipped_file_that_is_cut_off_or_overwritten_says_where() {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    let rows: Vec<String> = (0..40_000).map(|row| format!("{row},{},{}\n", row * 7 % 1_000, row % 2)).collect();
    packed.write_all(format!("V1,V2,Class\n{}", rows.concat()).as_bytes()).unwrap();
    let packed = packed.finish().unwrap();
    let mut overwritten = packed.clone();
    let middle = packed.len() / 2;
    overwritten[middle..middle + 64].fill(0xff);
    let mut other_sum = packed.clone();
    other_sum[packed.len() - 8] ^= 1;
    let damaged = [&packed[..middle], &packed[..packed.len() - 1], &packed[..12], &overwritten, &other_sum];
    insta::assert_snapshot!(damaged.map(refusal).join("\n"), @"
    `rows.csv` is cut off or damaged in line 19906
      because: incomplete deflate stream
    `rows.csv` is cut off or damaged in line 40002
      because: unexpected end of file
    `rows.csv` is cut off or damaged in line 1
      because: incomplete deflate stream
    `rows.csv` is cut off or damaged in line 11959
      because: corrupt deflate stream
    `rows.csv` is cut off or damaged in line 40002
      because: corrupt gzip stream does not have a matching checksum
    ");
}

#[test]
fn progress_is_told_in_bytes_as_stored_and_ends_at_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.csv.gz");
    let mut packed = GzEncoder::new(std::fs::File::create(&path).unwrap(), Compression::fast());
    write_csv(&generate(20_000, 1).unwrap(), &mut packed).unwrap();
    packed.finish().unwrap();
    let mut told = Vec::new();
    super::read(&path, "Class", &["V1".to_owned()], &mut |it| told.push(it)).unwrap();
    let total_bytes = std::fs::metadata(&path).unwrap().len();
    assert!(told.len() > 5, "{told:?}");
    assert!(told.iter().all(|it| it.total_bytes == total_bytes) && told.is_sorted_by_key(|it| it.done_bytes));
    assert!(told[0].done_bytes < total_bytes / 2);
    assert_eq!(told.last().unwrap().done_bytes, total_bytes);
}

#[test]
fn a_folder_is_unreadable() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.csv");
    std::fs::create_dir(&path).unwrap();
    let error = super::read(&path, "Class", &[], &mut |_| ()).unwrap_err();
    assert!(matches!(error, DataError::Unreadable { .. }), "{}", told(&error));
}

#[test]
fn a_nul_byte_is_not_a_number_and_may_stand_in_a_column_that_is_not_asked_for() {
    insta::assert_snapshot!(refusal(b"V1,V2,Class\n1\0,2,0\n3,4,1\n"), @r"
    `rows.csv` has a cell that cannot be used
      line 2, column `V1`: `1\0` is not a number
    ");
    assert_eq!(read(b"V1,V2,Who,Class\n1,2,\0,0\n3,4,\xff,1\n").unwrap().len(), 2);
}

#[test]
fn a_header_that_is_not_utf8_is_shown_as_well_as_can_be() {
    insta::assert_snapshot!(refusal(b"V1,V2,Cl\xffss\n1,2,0\n3,4,1\n"), @"label `Class` is no column of `rows.csv`, which has `V1`, `V2`, `Cl�ss`; did you mean `Cl�ss`?");
}

#[test]
fn a_quote_that_is_never_closed_is_told_with_the_row_it_is_in() {
    insta::assert_snapshot!(refusal(b"V1,V2,Class\n1,2,0\n3,\"4,1\n5,6,0\n7,8,1\n"), @"
    `rows.csv` has a cell that cannot be used
      line 3: a quote is opened in this row and never closed
    ");
    insta::assert_snapshot!(refusal(b"V1,V2,Class\n1,2,0\n3,4,\"1"), @"
    `rows.csv` has a cell that cannot be used
      line 3: a quote is opened in this row and never closed
    ");
    insta::assert_snapshot!(refusal(b"V1,V2,\"Class\n1,2,0\n3,4,1\n"), @"
    `rows.csv` has a cell that cannot be used
      line 1: a quote is opened in this row and never closed
    ");
    // A quote inside of a cell, and a quoted cell that ends in line ends of its own, are nothing of the kind.
    assert_eq!(read(b"Who,V1,V2,Class\na\"b,1,2,0\n\"a\"\"b,\",1,2,1\n").unwrap().len(), 2);
    assert_eq!(read(b"V1,V2,Class\n1,2,0\n3,4,\"1\n\n\"").unwrap().len(), 2);
}

#[test]
fn ragged_rows_are_told_and_a_trailing_comma_is_a_cell() {
    insta::assert_snapshot!(refusal(b"V1,V2,Class\r\n1,2\r\n1,2,0,\r\n,\r\n3,4,1\r\n"), @"
    `rows.csv` has 3 cells that cannot be used
      line 2: 2 cells where the header has 3
      line 3: 4 cells where the header has 3
      line 4: 2 cells where the header has 3
    ");
}

#[test]
fn a_file_that_is_not_there_is_unreadable() {
    let error = super::read(Path::new("no/such/file.csv"), "Class", &[], &mut |_| ()).unwrap_err();
    insta::assert_snapshot!(error, @"could not read `no/such/file.csv`");
}

#[test]
fn bad_cells_are_told_with_line_column_and_text() {
    let text = b"V1,V2,Class\n1,2,0\nabc,1e99,1\n1,2\n1,2,3,4\n\n1,NaN,\n1,inf,yes\n0x10,2,2\n\"1\n2\",\xff,0\n";
    insta::assert_snapshot!(refusal(text), @r"
    `rows.csv` has 12 cells that cannot be used
      line 3, column `V1`: `abc` is not a number
      line 3, column `V2`: `1e99` is too large for a 32-bit float
      line 4: 2 cells where the header has 3
      line 5: 4 cells where the header has 3
      line 7, column `V2`: `NaN` is not a number
      line 7, column `Class`: an empty cell is neither 0 nor 1
      line 8, column `V2`: `inf` is not a number
      line 8, column `Class`: `yes` is neither 0 nor 1
      line 9, column `V1`: `0x10` is not a number
      line 9, column `Class`: `2` is neither 0 nor 1
      line 10, column `V1`: `1\n2` is not a number
      line 10, column `V2`: `�` is not a number
    ");
}

#[test]
fn lines_are_counted_right_below_blank_lines_and_windows_line_ends() {
    insta::assert_snapshot!(refusal(b"V1,V2,Class\r\n1,2,0\r\n\r\n \r\n1,\"\r\n\",2\r\nx,2,1"), @"
    `rows.csv` has 2 cells that cannot be used
      line 5, column `Class`: `2` is neither 0 nor 1
      line 7, column `V1`: `x` is not a number
    ");
}

#[test]
fn only_the_first_twenty_bad_cells_are_shown_and_all_are_counted() {
    let rows = format!("V1,V2,Class\n{}", "x,1,0\n".repeat(1000));
    let Err(DataError::BadCells { count, first, .. }) = read(rows.as_bytes()) else {
        panic!("these rows should be refused");
    };
    assert_eq!((count, first.len(), first[19].place), (1000, 20, Place::Line(21)));
}

#[test]
fn a_cell_as_long_as_a_page_is_cut() {
    let text = format!("V1,V2,Class\n{},2,0\n", "9".repeat(5000));
    insta::assert_snapshot!(refusal(text.as_bytes()), @"
    `rows.csv` has a cell that cannot be used
      line 2, column `V1`: `9999999999999999999999999999999999999999…` is too large for a 32-bit float
    ");
}

#[test]
fn a_missing_label_names_the_columns_and_the_nearest() {
    insta::assert_snapshot!(refusal(b"V1,V2,class\n1,2,0\n"), @"label `Class` is no column of `rows.csv`, which has `V1`, `V2`, `class`; did you mean `class`?");
    insta::assert_snapshot!(refusal(b"V1,V2,fraud\n1,2,0\n"), @"label `Class` is no column of `rows.csv`, which has `V1`, `V2`, `fraud`");
}

#[test]
fn a_missing_feature_names_the_columns_and_the_nearest() {
    insta::assert_snapshot!(refusal(b"V_1,amount,Class\n1,2,0\n"), @"feature `V1` (and 1 more) is no column of `rows.csv`, which has `V_1`, `amount`, `Class`; did you mean `V_1`?");
}

#[test]
fn a_column_that_stands_twice_is_refused() {
    insta::assert_snapshot!(refusal(b"V1,V2,V1,Class\n1,2,1,0\n"), @"`rows.csv` has more than one column `V1`");
}

#[test]
fn a_file_without_rows_is_refused() {
    insta::assert_snapshot!(refusal(b""), @"`rows.csv` is empty, it lacks even a header row");
    insta::assert_snapshot!(refusal(b"\n\n"), @"`rows.csv` is empty, it lacks even a header row");
    insta::assert_snapshot!(refusal(b"V1,V2,Class\n"), @"`rows.csv` has columns and no rows");
}

#[test]
fn a_single_class_is_refused() {
    insta::assert_snapshot!(refusal(b"V1,V2,Class\n1,2,0\n3,4,0\n"), @"every row of `rows.csv` (2) has label 0; there is nothing to tell apart");
    insta::assert_snapshot!(refusal(b"V1,V2,Class\n1,2,1\n"), @"every row of `rows.csv` (1) has label 1; there is nothing to tell apart");
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(
        rows in prop::collection::vec((any::<u32>(), any::<u32>(), any::<bool>()), 2..60)
    ) {
        prop_assume!(rows.iter().any(|it| it.2) && rows.iter().any(|it| !it.2));
        let value = |bits| Some(f32::from_bits(bits)).filter(|it| it.is_finite()).unwrap_or(f32::NAN);
        let mut table = Table::new("Class", vec!["V1".to_owned(), "V2".to_owned()]);
        for (v1, v2, label) in &rows {
            table.push(&[value(*v1), value(*v2)], *label);
        }
        let mut text = Vec::new();
        write_csv(&table, &mut text).unwrap();
        let bits = |table: &Table| -> Vec<u32> { table.columns().concat().iter().map(|it| it.to_bits()).collect() };
        let again = read(&text).unwrap();
        prop_assert_eq!((bits(&again), again.labels()), (bits(&table), table.labels()));
    }

    /// Digits enough to stand between two floats, where rounding is hard.
    #[test]
    fn a_number_is_rounded_as_the_standard_library_rounds_it(
        text in "[+-]?[0-9]{0,25}(\\.[0-9]{0,50})?([eE][+-]?[0-9]{1,2})?|[-+.0-9einfatyINFATY]{1,9}"
    ) {
        let expected = text.parse().ok().filter(|it: &f32| it.is_finite()).map(f32::to_bits);
        let expected = if text.is_empty() { Some(f32::NAN.to_bits()) } else { expected };
        prop_assert_eq!(super::csv::number(text.as_bytes()).map(f32::to_bits), expected);
    }

    #[test]
    fn a_number_halfway_between_two_floats_is_rounded_to_even(bits in 0_u32..0x7f7f_ffff) {
        let (below, above) = (f64::from(f32::from_bits(bits)), f64::from(f32::from_bits(bits + 1)));
        let text = format!("{:e}", f64::midpoint(below, above));
        let expected = text.parse::<f32>().unwrap();
        prop_assert_eq!(super::csv::number(text.as_bytes()).map(f32::to_bits), Some(expected.to_bits()));
    }
}
