//! Answers of `GetObject` and `HeadObject`.

use std::collections::HashMap;
use std::ops::Range;

use http::{HeaderMap, StatusCode};
use s3s::dto::{
    ChecksumMode, ETag, GetObjectInput, GetObjectOutput, HeadObjectInput, HeadObjectOutput, TimestampFormat,
};
use s3s::{S3Error, S3Response, S3Result};

use super::bodies;
use super::checksum::Checksum;
use super::condition::When;
use super::error::with_headers;
use super::index::{Content, Version, wire_time};
use super::meta::is_archived;
use super::object::wanted_range;
use super::{S3, refuse};
use crate::call::Refusal;

impl S3 {
    pub(super) fn get_object(&self, input: &GetObjectInput) -> S3Result<S3Response<GetObjectOutput>> {
        let (bucket, key, id) = (&input.bucket, &input.key, input.version_id.as_deref());
        let found = self.open_version(bucket, key, id);
        let (version, content, file) = found.map_err(|refusal| self.explain(bucket, key, id, refusal))?;
        let when = When {
            matching: input.if_match.as_ref(),
            none: input.if_none_match.as_ref(),
            modified: input.if_modified_since.as_ref(),
            unmodified: input.if_unmodified_since.as_ref(),
        };
        when.check(&version, &content)?;
        let (range, partial) = wanted_range(&content, input.range, input.part_number)?;
        if is_archived(&content.meta) {
            return Err(refuse::is_archived(&content.meta).into());
        }
        let body = bodies::stream(file, &range).map_err(refuse::disk)?;
        let headers = checksum_headers(&content, input.checksum_mode.as_ref(), partial, input.part_number);
        let version_id = self.shown(bucket, &version);
        let Content { size, etag, parts, meta, tags, .. } = content;
        let bucket_key_enabled = meta.bucket_key();
        let output = GetObjectOutput {
            accept_ranges: Some("bytes".to_owned()),
            body: Some(body),
            content_range: partial.then(|| content_range(&range, size)),
            content_length: length(&range),
            e_tag: Some(ETag::Strong(etag)),
            last_modified: Some(wire_time(version.modified)),
            parts_count: input.part_number.and_then(|_| i32::try_from(parts.len()).ok()).filter(|count| *count > 0),
            tag_count: i32::try_from(tags.len()).ok().filter(|count| *count > 0),
            version_id,
            content_type: meta.content_type,
            content_encoding: meta.content_encoding,
            content_language: meta.content_language,
            content_disposition: meta.content_disposition,
            cache_control: meta.cache_control,
            expires: meta.expires,
            website_redirect_location: meta.website_redirect_location,
            storage_class: meta.storage_class.map(Into::into),
            bucket_key_enabled,
            server_side_encryption: meta.encryption.map(Into::into),
            ssekms_key_id: meta.kms_key_id,
            metadata: Some(meta.metadata.into_iter().collect::<HashMap<_, _>>()),
            ..GetObjectOutput::default()
        };
        Ok(S3Response::with_headers(output, headers))
    }

    pub(super) fn head_object(&self, input: &HeadObjectInput) -> S3Result<S3Response<HeadObjectOutput>> {
        let (bucket, key, id) = (&input.bucket, &input.key, input.version_id.as_deref());
        let found = self.open_version(bucket, key, id);
        let (version, content, _) = found.map_err(|refusal| self.explain(bucket, key, id, refusal))?;
        let when = When {
            matching: input.if_match.as_ref(),
            none: input.if_none_match.as_ref(),
            modified: input.if_modified_since.as_ref(),
            unmodified: input.if_unmodified_since.as_ref(),
        };
        when.check(&version, &content)?;
        let (range, partial) = wanted_range(&content, input.range, input.part_number)?;
        let mut headers = checksum_headers(&content, input.checksum_mode.as_ref(), partial, input.part_number);
        if !content.tags.is_empty() {
            headers.insert("x-amz-tagging-count", content.tags.len().into());
        }
        let version_id = self.shown(bucket, &version);
        let Content { size, etag, parts, meta, .. } = content;
        let bucket_key_enabled = meta.bucket_key();
        let output = HeadObjectOutput {
            accept_ranges: Some("bytes".to_owned()),
            content_range: partial.then(|| content_range(&range, size)),
            content_length: length(&range),
            e_tag: Some(ETag::Strong(etag)),
            last_modified: Some(wire_time(version.modified)),
            parts_count: input.part_number.and_then(|_| i32::try_from(parts.len()).ok()).filter(|count| *count > 0),
            version_id,
            content_type: input.response_content_type.clone().or(meta.content_type),
            content_encoding: input.response_content_encoding.clone().or(meta.content_encoding),
            content_language: input.response_content_language.clone().or(meta.content_language),
            content_disposition: input.response_content_disposition.clone().or(meta.content_disposition),
            cache_control: input.response_cache_control.clone().or(meta.cache_control),
            expires: input.response_expires.clone().or(meta.expires),
            website_redirect_location: meta.website_redirect_location,
            storage_class: meta.storage_class.map(Into::into),
            bucket_key_enabled,
            server_side_encryption: meta.encryption.map(Into::into),
            ssekms_key_id: meta.kms_key_id,
            metadata: Some(meta.metadata.into_iter().collect::<HashMap<_, _>>()),
            ..HeadObjectOutput::default()
        };
        let mut answer = S3Response::with_headers(output, headers);
        if partial {
            answer.extensions.insert(StatusCode::PARTIAL_CONTENT);
        }
        Ok(answer)
    }

    fn shown(&self, bucket: &str, version: &Version) -> Option<String> {
        self.index.read(|index| index.bucket(bucket).ok()?.shown(&version.id))
    }

    /// Adds to a refusal that a delete marker is its cause.
    fn explain(&self, bucket: &str, key: &str, id: Option<&str>, refusal: Refusal) -> S3Error {
        let is_named = refusal.code == "MethodNotAllowed";
        let error = S3Error::from(refusal);
        let marker = self.index.read(|index| {
            let version = index.bucket(bucket).ok()?.version(key, id).ok()?;
            version.content.is_none().then(|| (version.id.clone(), wire_time(version.modified)))
        });
        let Some((version, modified)) = marker else { return error };
        let headers = [("x-amz-delete-marker", "true"), ("x-amz-version-id", version.as_str())];
        let error = with_headers(error, &headers);
        if !is_named {
            return error;
        }
        let mut time = Vec::new();
        let written = modified.format(TimestampFormat::HttpDate, &mut time).is_ok();
        let time = String::from_utf8(time).ok().filter(|_| written).unwrap_or_default();
        with_headers(error, &[("allow", "DELETE"), ("last-modified", &time)])
    }
}

/// The checksum of what is sent, where there is one: of the whole, or of a part whose upload asked for an algorithm.
fn checksum_headers(content: &Content, mode: Option<&ChecksumMode>, partial: bool, part: Option<i32>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if mode.is_none_or(|mode| mode.as_str() != ChecksumMode::ENABLED) {
        return headers;
    }
    let of_part = part.and_then(|part| content.part_checksums.get(usize::try_from(part).ok()?.checked_sub(1)?));
    match of_part {
        Some(value) => Checksum { value: value.clone(), ..content.checksum.clone() }.add_to(&mut headers),
        None if !partial => content.checksum.add_to(&mut headers),
        None => {}
    }
    headers
}

fn content_range(range: &Range<u64>, size: u64) -> String {
    format!("bytes {}-{}/{size}", range.start, range.end.saturating_sub(1))
}

fn length(range: &Range<u64>) -> Option<i64> {
    i64::try_from(range.end - range.start).ok()
}
