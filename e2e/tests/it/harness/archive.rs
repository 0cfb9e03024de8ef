//! Archives as they should not be.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

/// A `tar` header of 1988 (ustar) and the content, padded to blocks of 512 bytes.
pub(crate) fn entry(name: &str, kind: u8, link: &str, content: &[u8]) -> Vec<u8> {
    let mut header = [0_u8; 512];
    let mut put = |at: usize, text: &str| header[at..at + text.len()].copy_from_slice(text.as_bytes());
    put(0, name);
    put(100, "0000644\0");
    put(124, &format!("{:011o}\0", content.len()));
    put(148, "        ");
    put(156, &char::from(kind).to_string());
    put(157, link);
    put(257, "ustar\x0000");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let padding = content.len().next_multiple_of(512) - content.len();
    [header.as_slice(), content, &vec![0; padding]].concat()
}

/// Entries as a `.tar.gz`.
pub(crate) fn gzipped(entries: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(vec![], Compression::fast());
    gzip.write_all(entries).unwrap();
    // Two empty blocks end a `tar`.
    gzip.write_all(&[0; 1024]).unwrap();
    gzip.finish().unwrap()
}
