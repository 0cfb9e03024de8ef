//! Input without an end, or that unpacks to far more than it is: reading it stops at a limit.

use std::io::{self, Read, Write};
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::limits::Limits;
use super::{Asked, DataError, csv, read, read_within};
use crate::Table;

const SMALL: Limits = Limits {
    row_bytes: 1000,
    columns: 50,
    unpacked_bytes: 100_000,
    page_bytes: 10_000,
    metadata_bytes: 100_000,
    values: 200,
};

/// What is repeated for ever behind a beginning.
struct Endless {
    start: io::Cursor<Vec<u8>>,
    again: Vec<u8>,
    given: u64,
}

impl Endless {
    fn new(start: &str, again: &str) -> Self {
        Self { start: io::Cursor::new(start.into()), again: again.into(), given: 0 }
    }
}

impl Read for &mut Endless {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut read = self.start.read(buffer)?;
        if read == 0 {
            self.start = io::Cursor::new(self.again.clone());
            read = self.start.read(buffer)?;
        }
        self.given += read as u64;
        Ok(read)
    }
}

fn asked(features: &[String], limits: Limits) -> Asked<'_> {
    Asked { path: Path::new("rows.csv"), label: "Class", features, limits }
}

/// Reads what has no end, within the limits; how it is refused, and that no more was read than allowed.
fn refused(start: &str, again: &str) -> String {
    let features = ["V1".to_owned()];
    let mut endless = Endless::new(start, again);
    let error = csv::read(&asked(&features, SMALL), &mut endless, &mut || ()).unwrap_err();
    assert!(endless.given <= SMALL.unpacked_bytes, "{} bytes were read", endless.given);
    error.to_string()
}

#[test]
fn text_without_an_end_stops_at_a_limit_that_the_error_names() {
    let header = "V1,Class\n";
    let told = [
        refused("", "a"),
        refused("", "a,"),
        refused(header, "1"),
        refused(header, ","),
        refused(&format!("{header}1,0\n\""), "text\n"),
        refused(header, "1,0\n0,1\n"),
        refused(header, "\n"),
        refused(header, "many,0\n"),
        refused(&format!("{}V1,Class\n", "a,".repeat(49)), "1\n"),
    ];
    insta::assert_snapshot!(told.join("\n"), @"
    `rows.csv` has a row of more than 1000 bytes; a quote that is never closed makes one row of all that follows (in line 1)
    `rows.csv` has a row of more than 1000 bytes; a quote that is never closed makes one row of all that follows (in line 1)
    `rows.csv` has a row of more than 1000 bytes; a quote that is never closed makes one row of all that follows (in line 2)
    `rows.csv` has a row of more than 1000 bytes; a quote that is never closed makes one row of all that follows (in line 2)
    `rows.csv` has a row of more than 1000 bytes; a quote that is never closed makes one row of all that follows (in line 3)
    `rows.csv` has more than 200 rows, which is the limit for 1 features; take a sample of them
    `rows.csv` has a row of more than 1000 bytes; a quote that is never closed makes one row of all that follows (in line 2)
    `rows.csv` has more than 100000 bytes when it is unpacked (in line 14286)
    `rows.csv` has more than 50 columns
    ");
}

#[test]
fn a_gzipped_line_of_32_megabytes_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.csv.gz");
    let mut gzip = GzEncoder::new(std::fs::File::create(&path).unwrap(), Compression::fast());
    io::copy(&mut io::repeat(b'1').take(1 << 25), &mut gzip).unwrap();
    gzip.finish().unwrap();
    let mut last = None;
    let error = read(&path, "Class", &["V1".to_owned()], &mut |progress| last = Some(progress)).unwrap_err();
    assert!(error.to_string().contains("has a row of more than 1048576 bytes"), "{error}");
    assert_eq!(last, None);
}

#[test]
fn what_is_within_the_limits_is_read() {
    let features = ["V1".to_owned()];
    let rows = "1,0\n2,1\n".repeat(100);
    let read = |text: &str, limits| csv::read(&asked(&features, limits), text.as_bytes(), &mut || ());
    assert_eq!(read(&format!("V1,Class\n{rows}"), SMALL).unwrap().len(), 200);
    let wide = format!("V1,Class{}\n1,0{}\n", ",x".repeat(48), ",".repeat(48));
    assert_eq!(read(&wide, SMALL).unwrap().len(), 1);
    // Every row begins anew.
    let long = format!("V1,Class,text\n{}", format!("1,0,{}\n", "a".repeat(900)).repeat(100));
    assert_eq!(read(&long, SMALL).unwrap().len(), 100);
}

/// A Parquet file of one row group, in which a page of zeros is packed.
fn parquet(rows: usize) -> Vec<u8> {
    super::parquet::tests::zeros(rows)
}

fn read_parquet(bytes: &[u8], limits: Limits) -> Result<Table, DataError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.parquet");
    std::fs::File::create(&path).unwrap().write_all(bytes).unwrap();
    let features = ["V1".to_owned()];
    read_within(&Asked { path: &path, ..asked(&features, limits) }, &mut |_| ())
}

#[test]
fn pages_rows_and_metadata_of_parquet_are_bounded() {
    let bytes = parquet(50_000);
    let told = |limits| {
        let error = read_parquet(&bytes, limits).unwrap_err().to_string();
        error.split("parquet` ").nth(1).unwrap().to_owned()
    };
    let wide = Limits { values: 1 << 20, ..SMALL };
    let told =
        [told(wide), told(SMALL), told(Limits { metadata_bytes: 10, ..wide }), told(Limits { columns: 1, ..wide })];
    insta::assert_snapshot!(told.join("\n"), @"
    has a page of more than 10000 bytes when it is unpacked (in row group 1, column `V1`)
    has more than 200 rows, which is the limit for 1 features; take a sample of them
    has more than 10 bytes of metadata
    has more than 1 columns
    ");
    // All zeros are one class, which is found only when everything was read.
    let read = read_parquet(&bytes, Limits::DATA).unwrap_err();
    assert!(matches!(read, DataError::OneClass { rows: 50_000, .. }), "{read}");
}
