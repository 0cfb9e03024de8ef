//! Pages of Parquet that gzip compresses, unpacked within a limit.
//!
//! Decoders of the other codecs write into as many bytes as the page's header claims, which is at most 2 GiB. The one of
//! gzip takes whatever the stream gives, so a page of a few megabytes could fill the memory.

use std::fs::File;
use std::io::Read;
use std::sync::Arc;

use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use parquet::basic::Compression;
use parquet::column::page::{Page, PageMetadata, PageReader};
use parquet::errors::{ParquetError, Result as Decoded};
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::serialized_reader::SerializedPageReader;

use super::limits::Limit;

/// The pages of a column in a row group.
pub(super) struct Unzipped {
    /// Takes them for uncompressed.
    pages: SerializedPageReader<File>,
    limit_bytes: u64,
}

impl Unzipped {
    pub(super) fn new(file: &Arc<File>, chunk: &ColumnChunkMetaData, rows: usize, limit_bytes: u64) -> Decoded<Self> {
        let chunk = chunk.clone().into_builder().set_compression(Compression::UNCOMPRESSED).build()?;
        let pages = SerializedPageReader::new(Arc::clone(file), &chunk, rows, None)?;
        Ok(Self { pages, limit_bytes })
    }

    /// Unpacks all but the first bytes, which are not packed.
    fn unzip(&self, packed: &Bytes, plain: usize) -> Decoded<Bytes> {
        let outside = || ParquetError::General("the page is shorter than its header says".to_owned());
        let (plain, packed) = packed.split_at_checked(plain).ok_or_else(outside)?;
        let mut unpacked = plain.to_vec();
        if !packed.is_empty() {
            MultiGzDecoder::new(packed).take(self.limit_bytes + 1).read_to_end(&mut unpacked)?;
        }
        if unpacked.len() as u64 > self.limit_bytes {
            return Err(ParquetError::External(Box::new(Limit::PageBytes(self.limit_bytes))));
        }
        Ok(unpacked.into())
    }

    fn unzipped(&self, page: Page) -> Decoded<Page> {
        let mut page = page;
        match &mut page {
            Page::DataPage { buf, .. } | Page::DictionaryPage { buf, .. } => *buf = self.unzip(buf, 0)?,
            Page::DataPageV2 { buf, def_levels_byte_len, rep_levels_byte_len, is_compressed: true, .. } => {
                let levels = usize::try_from(u64::from(*def_levels_byte_len) + u64::from(*rep_levels_byte_len))?;
                *buf = self.unzip(buf, levels)?;
            }
            Page::DataPageV2 { .. } => {}
        }
        Ok(page)
    }
}

impl Iterator for Unzipped {
    type Item = Decoded<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}

impl PageReader for Unzipped {
    fn get_next_page(&mut self) -> Decoded<Option<Page>> {
        self.pages.get_next_page()?.map(|page| self.unzipped(page)).transpose()
    }

    fn peek_next_page(&mut self) -> Decoded<Option<PageMetadata>> {
        self.pages.peek_next_page()
    }

    fn skip_next_page(&mut self) -> Decoded<()> {
        self.pages.skip_next_page()
    }
}
