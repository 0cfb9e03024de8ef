//! What `s3s` lets pass of a body: a chunked upload without its last chunk; and what it tells as a fault of its own: a
//! document that is not what its digest says.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures::StreamExt as _;
use http::HeaderMap;
use s3s::Body;
use s3s::dto::StreamingBlob;
use sha2::{Digest as _, Sha256};

/// Most bytes of a chunk's first line: 16 hexadecimal digits, `;chunk-signature=` and 64 more. `s3s` allows fewer.
const MAX_LINE: usize = 128;

/// Most bytes of a document that are kept to be looked at again.
const MAX_KEPT: usize = 64 * 1024;

/// What is known of a document when it has been read.
#[derive(Clone, Debug, Default)]
pub(super) struct Read {
    /// Set while what was read is not what `x-amz-content-sha256` says.
    broken: Arc<AtomicBool>,
    /// Its beginning.
    text: Arc<Mutex<Vec<u8>>>,
}

impl Read {
    pub(super) fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Relaxed)
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.text.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }

    fn keep(&self, bytes: &[u8]) {
        let mut text = self.text.lock().unwrap_or_else(PoisonError::into_inner);
        let left = MAX_KEPT.saturating_sub(text.len()).min(bytes.len());
        text.extend_from_slice(&bytes[..left]);
    }
}

/// Watches the body of a request; an upload of an object is judged by `s3s` but for its last chunk.
pub(super) fn watched(body: Body, headers: &HeaderMap, is_object: bool) -> (Body, Read) {
    let read = Read::default();
    let digest = headers.get("x-amz-content-sha256").and_then(|digest| digest.to_str().ok()).unwrap_or_default();
    let body = if digest.starts_with("STREAMING-") {
        complete(body)
    } else if !is_object && digest.len() == 64 && headers.contains_key(http::header::CONTENT_LENGTH) {
        // Without the header, `s3s` asks the body for its length, which a stream does not know.
        hashed(body, digest.to_owned(), read.clone())
    } else {
        body
    };
    (body, read)
}

/// Ends in an error where the last chunk, of size 0, is missing.
fn complete(body: Body) -> Body {
    let chunks = futures::stream::try_unfold((body, Chunks::default()), |(mut body, mut chunks)| async move {
        match body.next().await {
            Some(Ok(bytes)) => {
                chunks.feed(&bytes);
                Ok(Some((bytes, (body, chunks))))
            }
            Some(Err(error)) => Err(io::Error::other(error)),
            None if chunks.have_ended() => Ok(None),
            None => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the last chunk is missing")),
        }
    });
    Body::from(StreamingBlob::wrap(chunks))
}

fn hashed(body: Body, digest: String, read: Read) -> Body {
    let state = (body, Sha256::new(), digest, read);
    let chunks = futures::stream::try_unfold(state, |(mut body, mut hash, digest, read)| async move {
        match body.next().await {
            Some(Ok(bytes)) => {
                hash.update(&bytes);
                // `s3s` stops reading at the length that the header says, so there may be no end to wait for.
                read.keep(&bytes);
                read.broken.store(hex::encode(hash.clone().finalize()) != digest, Ordering::Relaxed);
                Ok(Some((bytes, (body, hash, digest, read))))
            }
            Some(Err(error)) => Err(io::Error::other(error)),
            None => Ok(None),
        }
    });
    Body::from(StreamingBlob::wrap(chunks))
}

/// Where in the chunks of a body its reader is. Each is a line with its size in hexadecimal digits, its bytes, and an
/// empty line. Source: "Transferring payload in multiple chunks" of the S3 API reference.
#[derive(Debug, Default)]
struct Chunks {
    at: At,
}

#[derive(Debug)]
enum At {
    /// Within a chunk's first line.
    Line(Vec<u8>),
    /// Within its bytes and the empty line; so many are left.
    Data(u64),
    /// Behind the last one.
    End,
    /// In what is no chunk, which `s3s` refuses.
    Lost,
}

impl Default for At {
    fn default() -> Self {
        Self::Line(Vec::new())
    }
}

impl Chunks {
    fn have_ended(&self) -> bool {
        matches!(self.at, At::End)
    }

    fn feed(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            match &mut self.at {
                At::End | At::Lost => return,
                At::Data(left) => {
                    let taken = bytes.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                    bytes = &bytes[taken..];
                    *left -= taken as u64;
                    if *left == 0 {
                        self.at = At::default();
                    }
                }
                At::Line(line) => {
                    let end = bytes.iter().position(|byte| *byte == b'\n');
                    let (part, rest) = bytes.split_at(end.map_or(bytes.len(), |end| end + 1));
                    line.extend_from_slice(part);
                    bytes = rest;
                    if line.len() > MAX_LINE {
                        self.at = At::Lost;
                    } else if end.is_some() {
                        self.at = after(line);
                    }
                }
            }
        }
    }
}

/// What follows a chunk's first line.
fn after(line: &[u8]) -> At {
    let text = std::str::from_utf8(line).unwrap_or_default();
    let size = text.split([';', '\r', '\n']).next().unwrap_or_default();
    match u64::from_str_radix(size, 16) {
        Ok(0) => At::End,
        Ok(size) => At::Data(size.saturating_add(2)),
        Err(_) => At::Lost,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_has_ended_behind_its_chunk_of_size_0_however_it_is_cut() {
        let ended = |text: &str, step: usize| {
            let mut chunks = Chunks::default();
            text.as_bytes().chunks(step).for_each(|part| chunks.feed(part));
            chunks.have_ended()
        };
        for step in [1, 2, 3, 1000] {
            assert!(ended("5;chunk-signature=ab\r\n0\r\n0\n\r\n0;chunk-signature=cd\r\n\r\n", step));
            assert!(ended("a\r\n0123456789\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n", step));
            assert!(!ended("5;chunk-signature=ab\r\n0\r\n0\n\r\n", step), "the digits are data");
            assert!(!ended("5;chunk-signature=ab\r\n0\r\n", step));
            assert!(!ended("", step));
            assert!(!ended("zero\r\n0\r\n", step));
        }
    }
}
