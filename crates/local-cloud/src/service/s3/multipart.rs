//! Uploads in parts.

use http::HeaderMap;
use jiff::Timestamp;
use s3s::dto::{
    AbortMultipartUploadInput, AbortMultipartUploadOutput, ChecksumAlgorithm, ChecksumType, CreateMultipartUploadInput,
    CreateMultipartUploadOutput, ETag, ListMultipartUploadsInput, ListMultipartUploadsOutput, ListPartsInput,
    ListPartsOutput, MultipartUpload, Part as WirePart, StorageClass, UploadPartInput, UploadPartOutput,
};
use s3s::{S3Request, S3Response, S3Result};

use super::bodies::Received;
use super::checksum::{Algorithm, Checksum, Claim};
use super::index::{Bucket, Index, Meta, Part, Upload, random_id, wire_time};
use super::listing::{self, Escape, Wanted, page};
use super::meta::Said;

use super::{S3, refuse, tags};
use crate::call::Refusal;

/// Parts of an upload.
const MAX_PARTS: i32 = 10_000;

impl S3 {
    pub(super) fn create_multipart_upload(
        &self,
        input: &CreateMultipartUploadInput,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        let (algorithm, composite) = checksum_plan(input.checksum_algorithm.as_ref(), input.checksum_type.as_ref())?;
        let tags = tags::of_header(input.tagging.as_deref())?;
        let said = Said::of_upload(input)?;
        let id = random_id();
        let meta = self.index.write(|index| {
            let bucket = index.bucket_mut(&input.bucket)?;
            let meta = said.meta(bucket)?;
            let (key, started, parts) = (input.key.clone(), Timestamp::now(), std::collections::BTreeMap::new());
            let upload = Upload { key, started, meta: meta.clone(), tags, algorithm, composite, parts };
            bucket.uploads.insert(id.clone(), upload);
            Ok(meta)
        })?;
        Ok(S3Response::new(CreateMultipartUploadOutput {
            bucket: Some(input.bucket.clone()),
            key: Some(input.key.clone()),
            upload_id: Some(id),
            checksum_algorithm: algorithm.map(|algorithm| algorithm.name().to_owned().into()),
            checksum_type: algorithm.map(|_| checksum_type(composite)),
            bucket_key_enabled: meta.bucket_key(),
            server_side_encryption: meta.encryption.map(Into::into),
            ssekms_key_id: meta.kms_key_id,
            ..CreateMultipartUploadOutput::default()
        }))
    }

    pub(super) async fn upload_part(
        &self,
        request: S3Request<UploadPartInput>,
    ) -> S3Result<S3Response<UploadPartOutput>> {
        let trailers = request.trailing_headers.or_else(|| request.extensions.get().cloned());
        let (headers, input) = (request.headers, request.input);
        let number = input.part_number;
        let mut body = input.body.unwrap_or_else(|| s3s::Body::empty().into());
        let checked = (|| {
            check_number(number)?;
            let claim = Claim::read(&headers, trailers)?;
            let wanted = self.wanted_checksum(&input.bucket, &input.key, &input.upload_id)?;
            check_same(wanted, claim.algorithm)?;
            Ok((claim, wanted))
        })();
        let (claim, wanted) = match checked {
            Ok(checked) => checked,
            Err(refusal) => return Err(super::object::drain(&mut body, refusal).await.into()),
        };
        let received = self.bodies.receive(&input.bucket, body, &claim, wanted).await?;
        let (etag, checksum) = (hex::encode(received.md5), received.checksum.clone());
        let meta = self.put_part(&input.bucket, &input.key, &input.upload_id, number, received)?;
        let mut headers = HeaderMap::new();
        checksum.add_to(&mut headers);
        headers.remove("x-amz-checksum-type");
        let output = UploadPartOutput {
            e_tag: Some(ETag::Strong(etag)),
            bucket_key_enabled: meta.bucket_key(),
            server_side_encryption: meta.encryption.map(Into::into),
            ssekms_key_id: meta.kms_key_id,
            ..UploadPartOutput::default()
        };
        Ok(S3Response::with_headers(output, headers))
    }

    /// The algorithm that an upload asked for.
    pub(super) fn wanted_checksum(&self, bucket: &str, key: &str, id: &str) -> Result<Option<Algorithm>, Refusal> {
        self.index.read(|index| Ok(upload_of(index.bucket(bucket)?, key, id)?.algorithm))
    }

    /// Makes a received body a part of an upload, in the place of an earlier one. Returns what the upload says of the
    /// object.
    pub(super) fn put_part(
        &self,
        bucket: &str,
        key: &str,
        id: &str,
        number: i32,
        received: Received,
    ) -> Result<Meta, Refusal> {
        let part = Part {
            body: received.name.clone(),
            size: received.size,
            etag: hex::encode(received.md5),
            checksum: received.checksum.clone(),
            modified: Timestamp::now(),
        };
        let (replaced, meta) = self.index.write(|index| {
            let upload = upload_mut(index, bucket, key, id)?;
            Ok((upload.parts.insert(number, part), upload.meta.clone()))
        })?;
        received.keep();
        let freed: Vec<String> = replaced.into_iter().map(|part| part.body).collect();
        self.bodies.remove(bucket, &freed);
        Ok(meta)
    }

    pub(super) fn abort_multipart_upload(
        &self,
        input: &AbortMultipartUploadInput,
    ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
        let freed: Vec<String> = self.index.write(|index| {
            upload_mut(index, &input.bucket, &input.key, &input.upload_id)?;
            let upload = index.bucket_mut(&input.bucket)?.uploads.remove(&input.upload_id);
            Ok(upload.into_iter().flat_map(|upload| upload.parts.into_values()).map(|part| part.body).collect())
        })?;
        self.bodies.remove(&input.bucket, &freed);
        Ok(S3Response::new(AbortMultipartUploadOutput::default()))
    }

    pub(super) fn list_parts(&self, input: &ListPartsInput) -> S3Result<S3Response<ListPartsOutput>> {
        let max = listing::max(input.max_parts, "max-parts")?;
        let after = input.part_number_marker.unwrap_or_default();
        if after < 0 {
            let message = "Argument part-number-marker must be an integer between 0 and 2147483647";
            return Err(refuse::invalid_argument("part-number-marker", Some(&after.to_string()), message).into());
        }
        let upload =
            self.index.read(|index| upload_of(index.bucket(&input.bucket)?, &input.key, &input.upload_id).cloned())?;
        let mut rest = upload.parts.range(after.saturating_add(1)..);
        let parts: Vec<WirePart> =
            rest.by_ref().take(max).map(|(number, part)| wire_part(*number, part, upload.algorithm)).collect();
        let more = rest.next().is_some();
        let last = parts.last().and_then(|part| part.part_number);
        Ok(S3Response::new(ListPartsOutput {
            bucket: Some(input.bucket.clone()),
            key: Some(input.key.clone()),
            upload_id: Some(input.upload_id.clone()),
            checksum_algorithm: upload.algorithm.map(|algorithm| algorithm.name().to_owned().into()),
            checksum_type: upload.algorithm.map(|_| checksum_type(upload.composite)),
            initiator: Some(self.initiator()),
            is_truncated: Some(more),
            max_parts: i32::try_from(max).ok(),
            next_part_number_marker: Some(last.unwrap_or_default()),
            part_number_marker: Some(after),
            owner: Some(self.owner()),
            parts: Some(parts),
            storage_class: Some(storage_class(&upload.meta)),
            ..ListPartsOutput::default()
        }))
    }

    pub(super) fn list_multipart_uploads(
        &self,
        input: &ListMultipartUploadsInput,
    ) -> S3Result<S3Response<ListMultipartUploadsOutput>> {
        let escape = Escape::new(input.encoding_type.as_ref())?;
        let max = listing::max(input.max_uploads, "max-uploads")?;
        let (owner, initiator) = (self.owner(), self.initiator());
        let output = self.index.read(|index| {
            let bucket = index.bucket(&input.bucket)?;
            let mut uploads: Vec<(&String, &Upload)> = bucket.uploads.iter().collect();
            uploads.sort_by_key(|(id, upload)| (upload.key.as_str(), upload.started, id.as_str()));
            let wanted = Wanted {
                prefix: input.prefix.as_deref().unwrap_or_default(),
                delimiter: input.delimiter.as_deref().unwrap_or_default(),
                after: input.key_marker.as_deref().unwrap_or_default(),
                max,
            };
            let mut keys: Vec<&str> = uploads.iter().map(|(_, upload)| upload.key.as_str()).collect();
            keys.dedup();
            let page = page(keys.into_iter(), wanted);
            let shown = uploads.iter().filter(|(_, upload)| page.keys.contains(&upload.key.as_str()));
            let wire = shown.map(|(id, upload)| MultipartUpload {
                checksum_algorithm: upload.algorithm.map(|algorithm| algorithm.name().to_owned().into()),
                checksum_type: upload.algorithm.map(|_| checksum_type(upload.composite)),
                initiated: Some(wire_time(upload.started)),
                initiator: Some(initiator.clone()),
                key: Some(escape.name(&upload.key)),
                owner: Some(owner.clone()),
                storage_class: Some(storage_class(&upload.meta)),
                upload_id: Some((*id).clone()),
            });
            Ok::<_, Refusal>(ListMultipartUploadsOutput {
                bucket: Some(input.bucket.clone()),
                uploads: Some(wire.collect()),
                common_prefixes: escape.prefixes(&page.prefixes),
                delimiter: escape.maybe(input.delimiter.as_deref()),
                encoding_type: input.encoding_type.clone(),
                is_truncated: Some(page.next.is_some()),
                key_marker: Some(escape.name(wanted.after)),
                max_uploads: i32::try_from(max).ok(),
                next_key_marker: escape.maybe(page.next),
                prefix: Some(escape.name(wanted.prefix)),
                ..ListMultipartUploadsOutput::default()
            })
        })?;
        Ok(S3Response::new(output))
    }
}

pub(super) fn upload_of<'a>(bucket: &'a Bucket, key: &str, id: &str) -> Result<&'a Upload, Refusal> {
    bucket.uploads.get(id).filter(|upload| upload.key == key).ok_or_else(refuse::no_such_upload)
}

pub(super) fn upload_mut<'a>(
    index: &'a mut Index,
    bucket: &str,
    key: &str,
    id: &str,
) -> Result<&'a mut Upload, Refusal> {
    let upload = index.bucket_mut(bucket)?.uploads.get_mut(id);
    upload.filter(|upload| upload.key == key).ok_or_else(refuse::no_such_upload)
}

/// The algorithm asked for, and whether its checksum is one of checksums: all but CRC64NVME are by default.
fn checksum_plan(
    algorithm: Option<&ChecksumAlgorithm>,
    kind: Option<&ChecksumType>,
) -> Result<(Option<Algorithm>, bool), Refusal> {
    let Some(name) = algorithm else {
        if kind.is_some() {
            return Err(refuse::invalid_request(
                "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.",
            ));
        }
        return Ok((None, false));
    };
    let parsed = Algorithm::parse(name.as_str());
    let algorithm = parsed.ok_or_else(|| {
        refuse::invalid_request("Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]")
    })?;
    let unfit = |kind: &str| {
        let name = algorithm.name().to_ascii_lowercase();
        refuse::invalid_request(format!("The {kind} checksum type cannot be used with the {name} checksum algorithm."))
    };
    match (kind.map(ChecksumType::as_str), algorithm) {
        (Some("COMPOSITE"), Algorithm::Crc64Nvme) => Err(unfit("COMPOSITE")),
        (Some("FULL_OBJECT"), Algorithm::Sha1 | Algorithm::Sha256) => Err(unfit("FULL_OBJECT")),
        (Some("FULL_OBJECT"), _) | (_, Algorithm::Crc64Nvme) => Ok((Some(algorithm), false)),
        _ => Ok((Some(algorithm), true)),
    }
}

fn check_same(wanted: Option<Algorithm>, claimed: Option<Algorithm>) -> Result<(), Refusal> {
    let (Some(wanted), Some(claimed)) = (wanted, claimed) else { return Ok(()) };
    if wanted == claimed {
        return Ok(());
    }
    let (wanted, claimed) = (wanted.name().to_ascii_lowercase(), claimed.name().to_ascii_lowercase());
    Err(refuse::invalid_request(format!(
        "Checksum Type mismatch occurred, expected checksum Type: {wanted}, actual checksum Type: {claimed}"
    )))
}

fn storage_class(meta: &Meta) -> StorageClass {
    meta.storage_class.clone().unwrap_or_else(|| "STANDARD".to_owned()).into()
}

/// Checks the number of a part.
pub(super) fn check_number(number: i32) -> Result<(), Refusal> {
    if (1..=MAX_PARTS).contains(&number) {
        return Ok(());
    }
    let message = format!("Part number must be an integer between 1 and {MAX_PARTS}, inclusive");
    Err(refuse::invalid_argument("partNumber", Some(&number.to_string()), message))
}

pub(super) fn checksum_type(composite: bool) -> ChecksumType {
    ChecksumType::from_static(if composite { ChecksumType::COMPOSITE } else { ChecksumType::FULL_OBJECT })
}

/// A part as listings tell it: with its checksum only when the upload asked for an algorithm.
fn wire_part(number: i32, part: &Part, wanted: Option<Algorithm>) -> WirePart {
    let fields = Checksum::fields(wanted.map(|_| &part.checksum));
    WirePart {
        checksum_crc32: fields.checksum_crc32,
        checksum_crc32c: fields.checksum_crc32c,
        checksum_crc64nvme: fields.checksum_crc64nvme,
        checksum_sha1: fields.checksum_sha1,
        checksum_sha256: fields.checksum_sha256,
        e_tag: Some(ETag::Strong(part.etag.clone())),
        last_modified: Some(wire_time(part.modified)),
        part_number: Some(number),
        size: i64::try_from(part.size).ok(),
    }
}
