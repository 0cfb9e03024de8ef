use std::io::Write;
use std::path::Path;

use flate2::{Compression, write::GzEncoder};

use super::{DataError, Place};
use crate::Table;

fn read(text: &[u8]) -> Result<Table, DataError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.csv");
    std::fs::write(&path, text).unwrap();
    super::read(&path, "Class", &["V1".to_owned(), "V2".to_owned()], &mut |_| ())
}

/// The message, with the file's place in the way of no snapshot.
fn refusal(text: &[u8]) -> String {
    let error = read(text).expect_err("these rows should be refused");
    let message = error.to_string();
    let (before, after) = message.split_once("/rows.csv").unwrap();
    let (before, _) = before.rsplit_once('`').unwrap();
    format!("{before}`rows.csv{after}")
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
fn a_truncated_gzip_file_is_damaged() {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(b"V1,V2,Class\n1,2,0\n3,4,1\n").unwrap();
    let packed = packed.finish().unwrap();
    assert!(matches!(read(&packed[..packed.len() - 9]), Err(DataError::Damaged { .. })));
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
      line 3, column `V2`: `1e99` is not a number
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
      line 2, column `V1`: `9999999999999999999999999999999999999999…` is not a number
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
    insta::assert_snapshot!(refusal(b"V1,V2,Class\n"), @"`rows.csv` has a header row and no rows below it");
}

#[test]
fn a_single_class_is_refused() {
    insta::assert_snapshot!(refusal(b"V1,V2,Class\n1,2,0\n3,4,0\n"), @"every row of `rows.csv` (2) has label 0; there is nothing to tell apart");
    insta::assert_snapshot!(refusal(b"V1,V2,Class\n1,2,1\n"), @"every row of `rows.csv` (1) has label 1; there is nothing to tell apart");
}
