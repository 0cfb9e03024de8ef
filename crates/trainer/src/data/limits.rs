//! How much a file of rows may be, whatever it claims and however well it is packed.

use std::cell::Cell;
use std::fmt;
use std::io::{self, Read};
use std::rc::Rc;

/// What a file may hold.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Of a row of text, line ends in quoted cells included.
    pub(super) row_bytes: u64,
    /// Of a row.
    pub(super) columns: usize,
    /// Of text after it is unpacked.
    pub(super) unpacked_bytes: u64,
    /// Of a gzipped page of Parquet after it is unpacked.
    pub(super) page_bytes: u64,
    /// Of what a Parquet file says about itself.
    pub(super) metadata_bytes: u64,
    /// Features of all rows together; 4 bytes each in memory.
    pub(super) values: u64,
}

impl Limits {
    /// What memory of an ordinary machine holds several times: 4 GiB of values.
    pub(super) const DATA: Self = Self {
        row_bytes: 1 << 20,
        columns: 16_384,
        unpacked_bytes: 64 << 30,
        page_bytes: 1 << 30,
        metadata_bytes: 16 << 20,
        values: 1 << 30,
    };

    /// How many rows of so many features may be read.
    pub(super) fn rows(&self, features: usize) -> u64 {
        // A row takes memory even without features.
        self.values / (features as u64).max(1)
    }
}

/// A limit that was passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// A row of text has more bytes.
    RowBytes(u64),
    /// A row has more cells.
    Columns(usize),
    /// A packed file unpacks to more bytes.
    UnpackedBytes(u64),
    /// A page of Parquet unpacks to more bytes.
    PageBytes(u64),
    /// What a Parquet file says about itself has more bytes.
    MetadataBytes(u64),
    /// There are more rows of so many features.
    Rows {
        /// At most.
        most: u64,
        /// That each row has.
        features: usize,
    },
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RowBytes(limit) => {
                write!(
                    f,
                    "a row of more than {limit} bytes; a quote that is never closed makes one row of all that follows"
                )
            }
            Self::Columns(limit) => write!(f, "more than {limit} columns"),
            Self::UnpackedBytes(limit) => write!(f, "more than {limit} bytes when it is unpacked"),
            Self::PageBytes(limit) => write!(f, "a page of more than {limit} bytes when it is unpacked"),
            Self::MetadataBytes(limit) => write!(f, "more than {limit} bytes of metadata"),
            Self::Rows { most, features } => {
                write!(f, "more than {most} rows, which is the limit for {features} features; take a sample of them")
            }
        }
    }
}

impl std::error::Error for Limit {}

/// Text that is given out only within its limits.
pub(super) struct Bounded<R> {
    input: R,
    allowance: Allowance,
}

/// How much more text may be read.
#[derive(Clone)]
pub(super) struct Allowance {
    limits: Limits,
    row_left: Rc<Cell<u64>>,
    all_left: Rc<Cell<u64>>,
}

impl Allowance {
    pub(super) fn new(limits: Limits) -> Self {
        let (row_left, all_left) = (Rc::new(Cell::new(limits.row_bytes)), Rc::new(Cell::new(limits.unpacked_bytes)));
        Self { limits, row_left, all_left }
    }

    /// Begins a row.
    pub(super) fn begin_row(&self) {
        self.row_left.set(self.limits.row_bytes);
    }
}

impl<R> Bounded<R> {
    pub(super) fn new(input: R, allowance: Allowance) -> Self {
        Self { input, allowance }
    }
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Allowance { limits, row_left, all_left } = &self.allowance;
        if row_left.get() == 0 {
            return Err(io::Error::other(Limit::RowBytes(limits.row_bytes)));
        }
        if all_left.get() == 0 {
            return Err(io::Error::other(Limit::UnpackedBytes(limits.unpacked_bytes)));
        }
        let most = usize::try_from(row_left.get().min(all_left.get())).unwrap_or(usize::MAX).min(buffer.len());
        let read = self.input.read(&mut buffer[..most])?;
        row_left.set(row_left.get() - read as u64);
        all_left.set(all_left.get() - read as u64);
        Ok(read)
    }
}
