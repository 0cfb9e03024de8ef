//! Writing, finding and deleting objects.

use std::fs::File;
use std::ops::Range;

use http::HeaderMap;
use jiff::Timestamp;
use s3s::dto::{
    DeleteObjectInput, DeleteObjectOutput, DeleteObjectsInput, DeleteObjectsOutput, DeletedObject, ETag,
    Error as DeleteError, PutObjectInput, PutObjectOutput,
};
use s3s::{S3Request, S3Response, S3Result};

use super::S3;
use super::bodies::Received;
use super::checksum::Claim;
use super::condition::Condition;
use super::index::{Bucket, Content, Meta, Tags, Version};
use super::meta::Said;
use super::{members, refuse, tags};
use crate::call::Refusal;

/// Keys that one `DeleteObjects` may name.
const MAX_DELETES: usize = 1000;

impl S3 {
    pub(super) async fn put_object(&self, request: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        let trailers = request.trailing_headers.or_else(|| request.extensions.get().cloned());
        let (headers, input) = (request.headers, request.input);
        let said = Said::of_put(&input);
        let mut body = input.body.unwrap_or_else(|| s3s::Body::empty().into());
        let checked = (|| {
            let claim = Claim::read(&headers, trailers)?;
            let condition = Condition::new(input.if_none_match.as_ref(), input.if_match)?;
            let tags = tags::of_header(input.tagging.as_deref())?;
            let meta = self.index.read(|index| said?.meta(index.bucket(&input.bucket)?))?;
            Ok::<_, Refusal>((claim, condition, tags, meta))
        })();
        let (claim, condition, tags, meta) = match checked {
            Ok(checked) => checked,
            Err(refusal) => return Err(drain(&mut body, refusal).await.into()),
        };
        let received = self.bodies.receive(&input.bucket, body, &claim, None).await?;
        let etag = hex::encode(received.md5);
        let checksum = received.checksum.clone();
        let content = content_of(&received, etag.clone(), meta.clone(), tags);
        let version_id = self.commit(&input.bucket, &input.key, content, &condition, received)?;
        let output = PutObjectOutput {
            e_tag: Some(ETag::Strong(etag)),
            bucket_key_enabled: meta.bucket_key(),
            server_side_encryption: meta.encryption.map(Into::into),
            ssekms_key_id: meta.kms_key_id,
            version_id,
            ..PutObjectOutput::default()
        };
        let mut headers = HeaderMap::new();
        checksum.add_to(&mut headers);
        Ok(S3Response::with_headers(output, headers))
    }

    /// Makes a received body visible under its key, if the condition holds now.
    pub(super) fn commit(
        &self,
        bucket: &str,
        key: &str,
        content: Content,
        condition: &Condition,
        received: Received,
    ) -> Result<Option<String>, Refusal> {
        let (version, freed) = self.index.write(|index| {
            let bucket = index.bucket_mut(bucket)?;
            condition.check(key, bucket.current(key))?;
            Ok(bucket.put(key, content, Timestamp::now()))
        })?;
        received.keep();
        self.bodies.remove(bucket, &freed);
        Ok(version)
    }

    /// Finds an object and opens its body in one step.
    pub(super) fn open_version(
        &self,
        bucket: &str,
        key: &str,
        id: Option<&str>,
    ) -> Result<(Version, Content, File), Refusal> {
        self.index.read(|index| {
            let version = index.bucket(bucket)?.version(key, id)?;
            let content = version.content.as_ref().ok_or_else(|| deleted(key, id))?;
            let file = self.bodies.open(bucket, &content.body).map_err(refuse::disk)?;
            Ok((version.clone(), content.clone(), file))
        })
    }

    pub(super) fn delete_object(&self, input: &DeleteObjectInput) -> S3Result<S3Response<DeleteObjectOutput>> {
        let condition = Condition::new(None, input.if_match.clone())?;
        let deleted = self.index.write(|index| {
            let bucket = index.bucket_mut(&input.bucket)?;
            condition.check(&input.key, bucket.current(&input.key))?;
            bucket.check_named(&input.key, input.version_id.as_deref())?;
            Ok(bucket.delete(&input.key, input.version_id.as_deref(), Timestamp::now()))
        })?;
        self.bodies.remove(&input.bucket, &deleted.freed);
        Ok(S3Response::new(DeleteObjectOutput {
            delete_marker: deleted.marker.then_some(true),
            version_id: deleted.version,
            ..DeleteObjectOutput::default()
        }))
    }

    pub(super) fn delete_objects(&self, input: &DeleteObjectsInput) -> S3Result<S3Response<DeleteObjectsOutput>> {
        let wanted = &input.delete.objects;
        if wanted.len() > MAX_DELETES {
            return Err(refuse::malformed_xml().into());
        }
        if wanted.iter().any(|object| object.size.is_some() || object.last_modified_time.is_some()) {
            return Err(members::refuse("DeleteObjects", "Delete.Objects[].Size").into());
        }
        let (answers, errors, freed) = self.index.write(|index| {
            let bucket: &mut Bucket = index.bucket_mut(&input.bucket)?;
            let (mut answers, mut errors, mut freed) = (Vec::new(), Vec::new(), Vec::new());
            for object in wanted {
                let named = object.version_id.as_deref();
                let current = bucket.current(&object.key);
                if let (Some(tag), Some(current)) = (&object.e_tag, current)
                    && tag.value() != current.etag
                {
                    let refusal = refuse::precondition_failed("If-Match");
                    errors.push(DeleteError {
                        code: Some(refusal.code),
                        key: Some(object.key.clone()),
                        message: Some(refusal.message),
                        version_id: object.version_id.clone(),
                    });
                    continue;
                }
                let deleted = bucket.delete(&object.key, named, Timestamp::now());
                freed.extend(deleted.freed);
                answers.push(DeletedObject {
                    key: Some(object.key.clone()),
                    version_id: object.version_id.clone(),
                    delete_marker: deleted.marker.then_some(true),
                    delete_marker_version_id: deleted.version.filter(|_| deleted.marker),
                });
            }
            Ok((answers, errors, freed))
        })?;
        self.bodies.remove(&input.bucket, &freed);
        let deleted = (input.delete.quiet != Some(true)).then_some(answers);
        let errors = (!errors.is_empty()).then_some(errors);
        Ok(S3Response::new(DeleteObjectsOutput { deleted, errors, ..DeleteObjectsOutput::default() }))
    }
}

/// The bytes that a request asks for, and whether they are a part of the whole.
pub(super) fn wanted_range(
    content: &Content,
    range: Option<s3s::dto::Range>,
    part: Option<i32>,
) -> Result<(Range<u64>, bool), Refusal> {
    if let Some(number) = part {
        if range.is_some() {
            return Err(refuse::invalid_request("Cannot specify both Range header and partNumber query parameter"));
        }
        let at = usize::try_from(number).ok().and_then(|number| number.checked_sub(1));
        let sizes = if content.parts.is_empty() { std::slice::from_ref(&content.size) } else { &content.parts };
        let found = at.and_then(|at| Some((sizes.get(..at)?.iter().sum::<u64>(), *sizes.get(at)?)));
        let (start, size) = found.ok_or_else(|| {
            let refusal = Refusal::new(416, "InvalidPartNumber", "The requested partnumber is not satisfiable");
            refusal.with("ActualPartCount", sizes.len()).with("PartNumberRequested", number)
        })?;
        return Ok((start..start + size, true));
    }
    match range {
        Some(range) => {
            let refusal = |_| refuse::invalid_range().with("ActualObjectSize", content.size);
            Ok((range.check(content.size).map_err(refusal)?, true))
        }
        None => Ok((0..content.size, false)),
    }
}

/// What is said of a delete marker: nothing is there, unless the marker itself is named.
pub(super) fn deleted(key: &str, id: Option<&str>) -> Refusal {
    if id.is_some() { refuse::is_delete_marker() } else { refuse::no_such_key().with("Key", key) }
}

/// Reads a refused upload to its end: a client that is still sending would see a broken pipe, not the refusal.
pub(super) async fn drain(body: &mut s3s::dto::StreamingBlob, refusal: Refusal) -> Refusal {
    use futures::StreamExt as _;
    while let Some(Ok(_)) = body.next().await {}
    refusal
}

pub(super) fn content_of(received: &Received, etag: String, meta: Meta, tags: Tags) -> Content {
    Content {
        body: received.name.clone(),
        size: received.size,
        etag,
        checksum: received.checksum.clone(),
        parts: Vec::new(),
        part_checksums: Vec::new(),
        upload_id: None,
        meta,
        tags,
    }
}
