//! Checksums of bodies: what a client claims, what is computed, and whether they agree.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::HeaderMap;
use s3s::TrailingHeaders;
use s3s::crypto::{self, Checksum as _};
use serde::{Deserialize, Serialize};

use super::refuse;
use crate::call::Refusal;

/// A checksum that S3 can compute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Algorithm {
    Crc32,
    Crc32c,
    Crc64Nvme,
    Sha1,
    Sha256,
}

impl Algorithm {
    const ALL: [Self; 5] = [Self::Crc32, Self::Crc32c, Self::Crc64Nvme, Self::Sha1, Self::Sha256];

    /// Name on the wire.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Crc32 => "CRC32",
            Self::Crc32c => "CRC32C",
            Self::Crc64Nvme => "CRC64NVME",
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
        }
    }

    /// Header or trailer that carries the value.
    pub(super) fn header(self) -> &'static str {
        match self {
            Self::Crc32 => "x-amz-checksum-crc32",
            Self::Crc32c => "x-amz-checksum-crc32c",
            Self::Crc64Nvme => "x-amz-checksum-crc64nvme",
            Self::Sha1 => "x-amz-checksum-sha1",
            Self::Sha256 => "x-amz-checksum-sha256",
        }
    }

    /// The algorithm of that name.
    pub(super) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name().eq_ignore_ascii_case(name))
    }

    /// Length of a digest in bytes.
    fn bytes(self) -> usize {
        match self {
            Self::Crc32 | Self::Crc32c => 4,
            Self::Crc64Nvme => 8,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        }
    }
}

/// A checksum being computed.
pub(super) enum Running {
    Crc32(Box<crypto::Crc32>),
    Crc32c(Box<crypto::Crc32c>),
    Crc64Nvme(Box<crypto::Crc64Nvme>),
    Sha1(Box<crypto::Sha1>),
    Sha256(Box<crypto::Sha256>),
}

impl Running {
    pub(super) fn new(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Crc32 => Self::Crc32(Box::default()),
            Algorithm::Crc32c => Self::Crc32c(Box::default()),
            Algorithm::Crc64Nvme => Self::Crc64Nvme(Box::default()),
            Algorithm::Sha1 => Self::Sha1(Box::default()),
            Algorithm::Sha256 => Self::Sha256(Box::default()),
        }
    }

    pub(super) fn update(&mut self, data: &[u8]) {
        match self {
            Self::Crc32(state) => state.update(data),
            Self::Crc32c(state) => state.update(data),
            Self::Crc64Nvme(state) => state.update(data),
            Self::Sha1(state) => state.update(data),
            Self::Sha256(state) => state.update(data),
        }
    }

    /// The digest in base64.
    pub(super) fn finish(self) -> String {
        match self {
            Self::Crc32(state) => BASE64.encode(state.finalize()),
            Self::Crc32c(state) => BASE64.encode(state.finalize()),
            Self::Crc64Nvme(state) => BASE64.encode(state.finalize()),
            Self::Sha1(state) => BASE64.encode(state.finalize()),
            Self::Sha256(state) => BASE64.encode(state.finalize()),
        }
    }
}

/// A computed checksum, kept with its object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Checksum {
    pub(super) algorithm: Algorithm,
    /// Base64; followed by `-` and the number of parts when composite.
    pub(super) value: String,
    /// Whether it is a checksum of the parts' checksums.
    pub(super) composite: bool,
}

impl Checksum {
    /// The checksum of checksums that multipart objects have by default, except under CRC64NVME.
    pub(super) fn composite(algorithm: Algorithm, parts: &[Self]) -> Self {
        let mut running = Running::new(algorithm);
        for part in parts {
            running.update(&BASE64.decode(&part.value).unwrap_or_default());
        }
        Self { algorithm, value: format!("{}-{}", running.finish(), parts.len()), composite: true }
    }

    /// `FULL_OBJECT` or `COMPOSITE`.
    pub(super) fn kind(&self) -> &'static str {
        if self.composite { "COMPOSITE" } else { "FULL_OBJECT" }
    }

    /// Puts the checksum where answers without a body carry it.
    pub(super) fn add_to(&self, headers: &mut HeaderMap) {
        if let Ok(value) = self.value.parse() {
            headers.insert(self.algorithm.header(), value);
            headers.insert("x-amz-checksum-type", http::HeaderValue::from_static(self.kind()));
        }
    }

    /// The fields of answers that carry it in XML.
    pub(super) fn fields(this: Option<&Self>) -> s3s::dto::Checksum {
        let mut fields = s3s::dto::Checksum::default();
        if let Some(this) = this {
            let value = Some(this.value.clone());
            match this.algorithm {
                Algorithm::Crc32 => fields.checksum_crc32 = value,
                Algorithm::Crc32c => fields.checksum_crc32c = value,
                Algorithm::Crc64Nvme => fields.checksum_crc64nvme = value,
                Algorithm::Sha1 => fields.checksum_sha1 = value,
                Algorithm::Sha256 => fields.checksum_sha256 = value,
            }
            fields.checksum_type = Some(this.kind().to_owned().into());
        }
        fields
    }
}

/// What a client says about a body before, or in trailers after, sending it.
#[derive(Debug, Default)]
pub(super) struct Claim {
    /// Decoded length in bytes.
    length: Option<u64>,
    md5: Option<Vec<u8>>,
    /// What to compute.
    pub(super) algorithm: Option<Algorithm>,
    /// Base64; none when it comes in a trailer.
    value: Option<String>,
    trailers: Option<TrailingHeaders>,
}

impl Claim {
    /// Reads the headers of an upload.
    pub(super) fn read(headers: &HeaderMap, trailers: Option<TrailingHeaders>) -> Result<Self, Refusal> {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let mut claim = Self { trailers, ..Self::default() };
        claim.length = text("x-amz-decoded-content-length")
            .or_else(|| text("content-length"))
            .and_then(|length| length.parse().ok());
        if let Some(md5) = text("content-md5") {
            let digest = BASE64.decode(md5).ok().filter(|digest| digest.len() == 16);
            let refusal = || Refusal::new(400, "InvalidDigest", "The Content-MD5 you specified was invalid.");
            claim.md5 = Some(digest.ok_or_else(refusal)?);
        }
        for algorithm in Algorithm::ALL {
            let Some(value) = text(algorithm.header()) else { continue };
            if claim.algorithm.is_some() {
                return Err(refuse::invalid_request(
                    "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.",
                ));
            }
            check_form(algorithm, value)?;
            claim.algorithm = Some(algorithm);
            claim.value = Some(value.to_owned());
        }
        if claim.algorithm.is_none() {
            claim.algorithm = text("x-amz-trailer")
                .and_then(|name| Algorithm::ALL.into_iter().find(|a| a.header().eq_ignore_ascii_case(name.trim())));
        }
        if claim.algorithm.is_none() && text("x-amz-sdk-checksum-algorithm").is_some() {
            return Err(refuse::invalid_request(
                "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer \
                 headers were found.",
            ));
        }
        Ok(claim)
    }

    /// Compares with what arrived. Trailers are known only now.
    pub(super) fn verify(&self, length: u64, md5: &[u8], computed: &Checksum) -> Result<(), Refusal> {
        if self.length.is_some_and(|claimed| claimed != length) {
            return Err(refuse::incomplete_body());
        }
        if self.md5.as_deref().is_some_and(|claimed| claimed != md5) {
            return Err(Refusal::new(
                400,
                "BadDigest",
                "The Content-MD5 you specified did not match what we received.",
            ));
        }
        let Some(algorithm) = self.algorithm else { return Ok(()) };
        let claimed = match &self.value {
            Some(value) => value.clone(),
            None => self.trailer(algorithm)?,
        };
        if claimed == computed.value {
            return Ok(());
        }
        let message = format!("The {} you specified did not match the calculated checksum.", algorithm.name());
        Err(Refusal::new(400, "BadDigest", message))
    }

    fn trailer(&self, algorithm: Algorithm) -> Result<String, Refusal> {
        let value = self.trailers.as_ref().and_then(|trailers| {
            trailers.read(|headers| Some(headers.get(algorithm.header())?.to_str().ok()?.to_owned())).flatten()
        });
        let Some(value) = value else {
            return Err(Refusal::new(
                400,
                "MalformedTrailerError",
                "The request contained trailing data that was not well-formed or did not conform to our published \
                 schema.",
            ));
        };
        check_form(algorithm, &value)?;
        Ok(value)
    }
}

fn check_form(algorithm: Algorithm, value: &str) -> Result<(), Refusal> {
    match BASE64.decode(value) {
        Ok(digest) if digest.len() == algorithm.bytes() => Ok(()),
        _ => Err(refuse::invalid_request(format!("Value for {} header is invalid.", algorithm.header()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_composite_checksum_is_one_of_the_raw_digests() {
        // Computed with Python's zlib: crc32(crc32(b"a") ++ crc32(b"b")).
        let part = |data: &[u8]| {
            let mut running = Running::new(Algorithm::Crc32);
            running.update(data);
            Checksum { algorithm: Algorithm::Crc32, value: running.finish(), composite: false }
        };
        insta::assert_snapshot!(Checksum::composite(Algorithm::Crc32, &[part(b"a"), part(b"b")]).value, @"7pJxdw==-2");
    }

    #[test]
    fn two_checksum_headers_are_refused() {
        let mut headers = HeaderMap::new();
        headers.insert("x-amz-checksum-crc32", "AAAAAA==".parse().unwrap());
        headers.insert("x-amz-checksum-crc32c", "AAAAAA==".parse().unwrap());
        insta::assert_snapshot!(Claim::read(&headers, None).unwrap_err().message, @"Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.");
    }

    #[test]
    fn a_checksum_of_the_wrong_length_is_refused_before_the_body_is_read() {
        let mut headers = HeaderMap::new();
        headers.insert("x-amz-checksum-sha256", "AAAAAA==".parse().unwrap());
        insta::assert_snapshot!(Claim::read(&headers, None).unwrap_err().message, @"Value for x-amz-checksum-sha256 header is invalid.");
    }
}
