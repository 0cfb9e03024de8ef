//! The end of an upload in parts: its parts become one object.

use std::fs::File;

use jiff::Timestamp;
use s3s::crypto::{Checksum as _, Md5};
use s3s::dto::{ChecksumType, CompleteMultipartUploadInput, CompleteMultipartUploadOutput, CompletedPart, ETag};
use s3s::{S3Request, S3Response, S3Result};

use super::checksum::{Algorithm, Checksum};
use super::condition::Condition;
use super::index::{Content, Index, Part, Upload, Version};
use super::multipart::{checksum_type, upload_mut, upload_of};
use super::{S3, refuse};
use crate::call::Refusal;

/// Bytes of every part but the last.
const MIN_PART: u64 = 5 * 1024 * 1024;

/// What `CompleteMultipartUpload` joins.
struct Joined {
    upload: Upload,
    parts: Vec<Part>,
    files: Vec<File>,
}

impl S3 {
    pub(super) async fn complete_multipart_upload(
        &self,
        request: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        let input = request.input;
        let named = input.multipart_upload.as_ref().and_then(|upload| upload.parts.as_deref()).unwrap_or_default();
        if let Some(answer) = self.index.read(|index| completed_before(index, &input, named)) {
            return Ok(S3Response::new(answer));
        }
        if input.multipart_upload.is_none() {
            return Err(refuse::no_parts().into());
        }
        let condition = Condition::new(input.if_none_match.as_ref(), input.if_match.clone())?;
        let Joined { upload, parts, files } = self.open_parts(&input, named)?;
        let full = upload.algorithm.filter(|_| !upload.composite).unwrap_or(Algorithm::Crc64Nvme);
        let (bodies, bucket) = (std::sync::Arc::clone(&self.bodies), input.bucket.clone());
        let joining = tokio::task::spawn_blocking(move || bodies.join(&bucket, files, full));
        let received = joining.await.map_err(std::io::Error::from).flatten().map_err(refuse::disk)?;
        let checksum = match upload.algorithm {
            Some(algorithm) if upload.composite => {
                let sums: Vec<Checksum> = parts.iter().map(|part| part.checksum.clone()).collect();
                Checksum::composite(algorithm, &sums)
            }
            _ => received.checksum.clone(),
        };
        check_whole(&input, received.size, &checksum)?;
        check_type(&input, &upload)?;
        let content = Content {
            body: received.name.clone(),
            size: received.size,
            etag: etag_of(parts.iter().map(|part| part.etag.as_str())),
            checksum,
            parts: parts.iter().map(|part| part.size).collect(),
            part_checksums: match upload.algorithm {
                Some(_) => parts.into_iter().map(|part| part.checksum.value).collect(),
                None => Vec::new(),
            },
            upload_id: Some(input.upload_id.clone()),
            meta: upload.meta,
            tags: upload.tags,
        };
        let whole = content.clone();
        let (version_id, freed) = self.index.write(|index| {
            upload_mut(index, &input.bucket, &input.key, &input.upload_id)?;
            let bucket = index.bucket_mut(&input.bucket)?;
            condition.check(&input.key, bucket.current(&input.key))?;
            let (version, mut freed) = bucket.put(&input.key, content, Timestamp::now());
            let upload = bucket.uploads.remove(&input.upload_id);
            freed.extend(upload.into_iter().flat_map(|upload| upload.parts.into_values()).map(|part| part.body));
            Ok((version, freed))
        })?;
        received.keep();
        self.bodies.remove(&input.bucket, &freed);
        Ok(S3Response::new(completed(&input, &whole, version_id)))
    }

    /// Checks the list of parts and opens their files in one step.
    fn open_parts(&self, input: &CompleteMultipartUploadInput, named: &[CompletedPart]) -> Result<Joined, Refusal> {
        self.index.read(|index| {
            let upload = upload_of(index.bucket(&input.bucket)?, &input.key, &input.upload_id)?;
            let parts = chosen(upload, named)?;
            let open = |part: &Part| self.bodies.open(&input.bucket, &part.body).map_err(refuse::disk);
            let files = parts.iter().map(open).collect::<Result<_, _>>()?;
            Ok(Joined { upload: upload.clone(), parts, files })
        })
    }
}

/// The parts that a completion names, in order, each checked.
fn chosen(upload: &Upload, named: &[CompletedPart]) -> Result<Vec<Part>, Refusal> {
    if named.is_empty() {
        return Err(refuse::malformed_xml());
    }
    let mut parts: Vec<Part> = Vec::with_capacity(named.len());
    if !named.is_sorted_by(|one, next| one.part_number < next.part_number) {
        let message = "The list of parts was not in ascending order. Parts must be ordered by part number.";
        return Err(Refusal::new(400, "InvalidPartOrder", message));
    }
    for (at, name) in named.iter().enumerate() {
        let found = upload.parts.get(&name.part_number.unwrap_or_default()).filter(|part| {
            let agrees = |claimed: Option<&String>| claimed.is_none_or(|claimed| *claimed == part.checksum.value);
            name.e_tag.as_ref().is_some_and(|etag| etag.value() == part.etag)
                && agrees(claimed_part(name, part.checksum.algorithm))
        });
        let Some(part) = found else {
            let message = "One or more of the specified parts could not be found.  The part may not have been \
                           uploaded, or the specified entity tag may not match the part's entity tag.";
            let etag = name.e_tag.as_ref().map_or("", ETag::value);
            let number = name.part_number.unwrap_or_default();
            return Err(Refusal::new(400, "InvalidPart", message).with("PartNumber", number).with("ETag", etag));
        };
        if part.size < MIN_PART && at + 1 < named.len() {
            let message = "Your proposed upload is smaller than the minimum allowed size";
            return Err(Refusal::new(400, "EntityTooSmall", message)
                .with("ProposedSize", part.size)
                .with("MinSizeAllowed", MIN_PART)
                .with("PartNumber", name.part_number.unwrap_or_default())
                .with("ETag", &part.etag));
        }
        parts.push(part.clone());
    }
    Ok(parts)
}

fn claimed_part(part: &CompletedPart, algorithm: Algorithm) -> Option<&String> {
    match algorithm {
        Algorithm::Crc32 => part.checksum_crc32.as_ref(),
        Algorithm::Crc32c => part.checksum_crc32c.as_ref(),
        Algorithm::Crc64Nvme => part.checksum_crc64nvme.as_ref(),
        Algorithm::Sha1 => part.checksum_sha1.as_ref(),
        Algorithm::Sha256 => part.checksum_sha256.as_ref(),
    }
}

/// Checks what a completion says about the whole object.
fn check_whole(input: &CompleteMultipartUploadInput, size: u64, checksum: &Checksum) -> Result<(), Refusal> {
    if input.mpu_object_size.is_some_and(|claimed| u64::try_from(claimed) != Ok(size)) {
        return Err(refuse::invalid_request(format!(
            "The provided 'x-amz-mp-object-size' header value {} does not match what was computed: {size}",
            input.mpu_object_size.unwrap_or_default()
        )));
    }
    let claimed = match checksum.algorithm {
        Algorithm::Crc32 => &input.checksum_crc32,
        Algorithm::Crc32c => &input.checksum_crc32c,
        Algorithm::Crc64Nvme => &input.checksum_crc64nvme,
        Algorithm::Sha1 => &input.checksum_sha1,
        Algorithm::Sha256 => &input.checksum_sha256,
    };
    if claimed.as_ref().is_none_or(|claimed| *claimed == checksum.value) {
        return Ok(());
    }
    let message = format!("The {} you specified did not match the calculated checksum.", checksum.algorithm.name());
    Err(Refusal::new(400, "BadDigest", message))
}

/// Checks that a completion names the kind of checksum that the upload was created with.
fn check_type(input: &CompleteMultipartUploadInput, upload: &Upload) -> Result<(), Refusal> {
    let Some(named) = input.checksum_type.as_ref().map(ChecksumType::as_str) else { return Ok(()) };
    let kind = upload.algorithm.map(|_| checksum_type(upload.composite));
    let created = kind.as_ref().map_or("null", ChecksumType::as_str);
    if named == created {
        return Ok(());
    }
    Err(refuse::invalid_request(format!(
        "The upload was created using the {created} checksum mode. The complete request must use the same checksum mode."
    )))
}

/// MD5 of the parts' MD5s, and their number.
fn etag_of<'a>(parts: impl ExactSizeIterator<Item = &'a str>) -> String {
    let (mut md5, count) = (Md5::new(), parts.len());
    for etag in parts {
        md5.update(&hex::decode(etag).unwrap_or_default());
    }
    format!("{}-{count}", hex::encode(md5.finalize()))
}

/// What was answered when an upload was completed with these parts: a client that lost the answer asks again.
fn completed_before(
    index: &Index,
    input: &CompleteMultipartUploadInput,
    named: &[CompletedPart],
) -> Option<CompleteMultipartUploadOutput> {
    let bucket = index.buckets.get(&input.bucket)?;
    let made = |version: &&Version| {
        let content = version.content.as_ref();
        content.is_some_and(|content| content.upload_id.as_deref() == Some(input.upload_id.as_str()))
    };
    let version = bucket.objects.get(&input.key)?.iter().find(made)?;
    let content = version.content.as_ref()?;
    let etags = named.iter().map(|part| part.e_tag.as_ref().map_or("", ETag::value));
    (etag_of(etags) == content.etag).then(|| completed(input, content, bucket.shown(&version.id)))
}

/// The answer to a completion.
fn completed(
    input: &CompleteMultipartUploadInput,
    content: &Content,
    version_id: Option<String>,
) -> CompleteMultipartUploadOutput {
    let fields = Checksum::fields(Some(&content.checksum));
    CompleteMultipartUploadOutput {
        location: Some(format!("/{}/{}", input.bucket, input.key)),
        bucket: Some(input.bucket.clone()),
        key: Some(input.key.clone()),
        e_tag: Some(ETag::Strong(content.etag.clone())),
        checksum_crc32: fields.checksum_crc32,
        checksum_crc32c: fields.checksum_crc32c,
        checksum_crc64nvme: fields.checksum_crc64nvme,
        checksum_sha1: fields.checksum_sha1,
        checksum_sha256: fields.checksum_sha256,
        checksum_type: fields.checksum_type,
        bucket_key_enabled: content.meta.bucket_key(),
        server_side_encryption: content.meta.encryption.clone().map(Into::into),
        ssekms_key_id: content.meta.kms_key_id.clone(),
        version_id,
        ..CompleteMultipartUploadOutput::default()
    }
}
