//! Copies of objects: whole, or as a part of an upload.

use std::fs::File;
use std::ops::Range;

use jiff::Timestamp;
use s3s::dto::{
    CopyObjectInput, CopyObjectOutput, CopyObjectResult, CopyPartResult, CopySource, ETag, MetadataDirective,
    TaggingDirective, UploadPartCopyInput, UploadPartCopyOutput,
};
use s3s::{S3Request, S3Response, S3Result};

use super::checksum::{Checksum, Claim};
use super::condition::{Condition, When};
use super::index::{Content, Version, wire_time};
use super::meta::{Said, is_archived};
use super::multipart::check_number;
use super::object::content_of;
use super::{Algorithm, S3, bodies, refuse, tags};
use crate::call::Refusal;

/// What is copied.
struct Source {
    version: Version,
    content: Content,
    file: File,
    /// What the answer names as the source's version.
    shown: Option<String>,
}

impl S3 {
    pub(super) async fn copy_object(
        &self,
        request: S3Request<CopyObjectInput>,
    ) -> S3Result<S3Response<CopyObjectOutput>> {
        let condition = Condition::of_headers(&request.headers)?;
        let input = request.input;
        let source = self.source(&input.copy_source)?;
        let when = When {
            matching: input.copy_source_if_match.as_ref(),
            none: input.copy_source_if_none_match.as_ref(),
            modified: input.copy_source_if_modified_since.as_ref(),
            unmodified: input.copy_source_if_unmodified_since.as_ref(),
        };
        when.check_source(&source.version, &source.content)?;
        let metadata = input.metadata_directive.as_ref().map(MetadataDirective::as_str);
        let replaces_meta = replaces(metadata, "x-amz-metadata-directive", "Unknown metadata directive.")?;
        let tagging = input.tagging_directive.as_ref().map(TaggingDirective::as_str);
        let replaces_tags = replaces(tagging, "x-amz-tagging-directive", "Unknown tagging directive.")?;
        let said = Said::of_copy(&input)?;
        // A bucket that names an encryption of its own would encrypt the copy by it.
        let has_rule = self.index.read(|index| Ok::<_, Refusal>(index.bucket(&input.bucket)?.encryption.is_some()))?;
        if is_itself(&input) && !replaces_meta && said.is_bare() && !has_rule {
            return Err(refuse::invalid_request(
                "This copy request is illegal because it is trying to copy an object to itself without changing \
                 the object's metadata, storage class, website redirect location or encryption attributes.",
            )
            .into());
        }
        let kept = (!replaces_meta).then_some(&source.content.meta);
        let meta = self.index.read(|index| said.meta_over(kept, index.bucket(&input.bucket)?))?;
        let tags = if replaces_tags { tags::of_header(input.tagging.as_deref())? } else { source.content.tags.clone() };
        let wanted = input.checksum_algorithm.as_ref().and_then(|name| Algorithm::parse(name.as_str()));
        let body = bodies::stream(source.file, &(0..source.content.size)).map_err(refuse::disk)?;
        let algorithm = Some(wanted.unwrap_or(source.content.checksum.algorithm));
        let received = self.bodies.receive(&input.bucket, body, &Claim::default(), algorithm).await?;
        let (etag, checksum) = (hex::encode(received.md5), received.checksum.clone());
        let content = content_of(&received, etag.clone(), meta.clone(), tags);
        let version_id = self.commit(&input.bucket, &input.key, content, &condition, received)?;
        let fields = Checksum::fields(Some(&checksum));
        Ok(S3Response::new(CopyObjectOutput {
            copy_object_result: Some(CopyObjectResult {
                e_tag: Some(ETag::Strong(etag)),
                last_modified: Some(wire_time(Timestamp::now())),
                checksum_crc32: fields.checksum_crc32,
                checksum_crc32c: fields.checksum_crc32c,
                checksum_crc64nvme: fields.checksum_crc64nvme,
                checksum_sha1: fields.checksum_sha1,
                checksum_sha256: fields.checksum_sha256,
                checksum_type: fields.checksum_type,
            }),
            copy_source_version_id: source.shown,
            bucket_key_enabled: meta.bucket_key(),
            server_side_encryption: meta.encryption.map(Into::into),
            ssekms_key_id: meta.kms_key_id,
            version_id,
            ..CopyObjectOutput::default()
        }))
    }

    pub(super) async fn upload_part_copy(
        &self,
        request: S3Request<UploadPartCopyInput>,
    ) -> S3Result<S3Response<UploadPartCopyOutput>> {
        let input = request.input;
        check_number(input.part_number)?;
        let wanted = self.wanted_checksum(&input.bucket, &input.key, &input.upload_id)?;
        let source = self.source(&input.copy_source)?;
        let when = When {
            matching: input.copy_source_if_match.as_ref(),
            none: input.copy_source_if_none_match.as_ref(),
            modified: input.copy_source_if_modified_since.as_ref(),
            unmodified: input.copy_source_if_unmodified_since.as_ref(),
        };
        when.check_source(&source.version, &source.content)?;
        let range = copied_range(input.copy_source_range.as_deref(), source.content.size)?;
        let body = bodies::stream(source.file, &range).map_err(refuse::disk)?;
        let received = self.bodies.receive(&input.bucket, body, &Claim::default(), wanted).await?;
        let (etag, checksum) = (hex::encode(received.md5), received.checksum.clone());
        let meta = self.put_part(&input.bucket, &input.key, &input.upload_id, input.part_number, received)?;
        let fields = Checksum::fields(wanted.map(|_| &checksum));
        Ok(S3Response::new(UploadPartCopyOutput {
            copy_part_result: Some(CopyPartResult {
                e_tag: Some(ETag::Strong(etag)),
                last_modified: Some(wire_time(Timestamp::now())),
                checksum_crc32: fields.checksum_crc32,
                checksum_crc32c: fields.checksum_crc32c,
                checksum_crc64nvme: fields.checksum_crc64nvme,
                checksum_sha1: fields.checksum_sha1,
                checksum_sha256: fields.checksum_sha256,
            }),
            copy_source_version_id: source.shown,
            bucket_key_enabled: meta.bucket_key(),
            server_side_encryption: meta.encryption.map(Into::into),
            ssekms_key_id: meta.kms_key_id,
            ..UploadPartCopyOutput::default()
        }))
    }

    /// Finds and opens what a copy copies.
    fn source(&self, source: &CopySource) -> Result<Source, Refusal> {
        let CopySource::Bucket { bucket, key, version_id } = source else {
            return Err(Refusal::not_offered("access points as the source of a copy"));
        };
        let found = self.open_version(bucket, key, version_id.as_deref());
        let (version, content, file) = found.map_err(|refusal| match refusal.code.as_str() {
            "MethodNotAllowed" => refuse::invalid_request(
                "The source of a copy request may not specifically refer to a delete marker by version id.",
            ),
            _ => refusal,
        })?;
        if is_archived(&content.meta) {
            return Err(Refusal::new(
                403,
                "ObjectNotInActiveTierError",
                "The source object of the COPY action is not in the active tier and is only stored in Amazon S3 Glacier.",
            ));
        }
        let shown = self.index.read(|index| index.bucket(bucket).ok().and_then(|bucket| bucket.shown(&version.id)));
        Ok(Source { version, content, file, shown })
    }
}

/// Whether a copy's target is its source.
fn is_itself(input: &CopyObjectInput) -> bool {
    matches!(&input.copy_source, CopySource::Bucket { bucket, key, version_id: None }
        if **bucket == *input.bucket && **key == *input.key)
}

fn replaces(directive: Option<&str>, header: &str, unknown: &str) -> Result<bool, Refusal> {
    match directive {
        None | Some("COPY") => Ok(false),
        Some("REPLACE") => Ok(true),
        Some(other) => Err(refuse::invalid_argument(header, Some(other), unknown)),
    }
}

/// The bytes that `x-amz-copy-source-range` names: `bytes=first-last`, both within the source.
fn copied_range(header: Option<&str>, size: u64) -> Result<Range<u64>, Refusal> {
    let Some(header) = header else { return Ok(0..size) };
    let refusal = |message: String| refuse::invalid_argument("x-amz-copy-source-range", Some(header), message);
    let number = |text: &str| text.parse::<u64>().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()));
    let ends = header.strip_prefix("bytes=").and_then(|range| range.split_once('-'));
    let ends = ends.and_then(|(first, last)| Some((number(first)?, number(last)?)));
    let Some((first, last)) = ends.filter(|(first, last)| first <= last) else {
        return Err(refusal(
            "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the \
             zero-based offsets of the first and last bytes to copy"
                .to_owned(),
        ));
    };
    if first >= size {
        return Err(refuse::invalid_request("The specified copy range is invalid for the source object size"));
    }
    if last >= size {
        return Err(refusal(format!("Range specified is not valid for source object of size: {size}")));
    }
    Ok(first..last + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copied_range_is_whole_and_within_its_source() {
        let range = |header| copied_range(Some(header), 10).map_err(|refusal| (refusal.code, refusal.message));
        assert_eq!(copied_range(None, 10), Ok(0..10));
        assert_eq!(range("bytes=0-9"), Ok(0..10));
        assert_eq!(range("bytes=9-9"), Ok(9..10));
        for header in ["0-8", "bytes=0-", "bytes=-5", "bytes=5-4", "bytes=+1-2", "bytes=0-1,3-4"] {
            assert!(range(header).unwrap_err().1.starts_with("The x-amz-copy-source-range value must be"), "{header}");
        }
        insta::assert_debug_snapshot!(range("bytes=0-100").unwrap_err(), @r#"
        (
            "InvalidArgument",
            "Range specified is not valid for source object of size: 10",
        )
        "#);
        insta::assert_debug_snapshot!(range("bytes=100-200").unwrap_err(), @r#"
        (
            "InvalidRequest",
            "The specified copy range is invalid for the source object size",
        )
        "#);
    }
}
