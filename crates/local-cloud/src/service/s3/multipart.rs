//! Uploads in parts.

use std::fs::File;

use http::HeaderMap;
use jiff::Timestamp;
use s3s::crypto::{Checksum as _, Md5};
use s3s::dto::{
    AbortMultipartUploadInput, AbortMultipartUploadOutput, ChecksumAlgorithm, ChecksumType,
    CompleteMultipartUploadInput, CompleteMultipartUploadOutput, CompletedPart, CreateMultipartUploadInput,
    CreateMultipartUploadOutput, ETag, ListMultipartUploadsInput, ListMultipartUploadsOutput, ListPartsInput,
    ListPartsOutput, MultipartUpload, Part as WirePart, StorageClass, UploadPartInput, UploadPartOutput,
};
use s3s::{S3Request, S3Response, S3Result};

use super::bodies::Received;
use super::checksum::{Algorithm, Checksum, Claim};
use super::condition::Condition;
use super::index::{Bucket, Content, Index, Meta, Part, Upload, Version, random_id, wire_time};
use super::listing::{self, Escape, Wanted, page};
use super::meta::Said;

use super::{S3, refuse, tags};
use crate::call::Refusal;

/// Bytes of every part but the last.
const MIN_PART: u64 = 5 * 1024 * 1024;

/// Parts of an upload.
const MAX_PARTS: i32 = 10_000;

/// What `CompleteMultipartUpload` joins.
struct Joined {
    upload: Upload,
    parts: Vec<Part>,
    files: Vec<File>,
}

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
        let (headers, trailers, input) = (request.headers, request.trailing_headers, request.input);
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

    pub(super) async fn complete_multipart_upload(
        &self,
        request: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        let input = request.input;
        let named = input.multipart_upload.as_ref().and_then(|upload| upload.parts.as_deref()).unwrap_or_default();
        if let Some(answer) = self.index.read(|index| completed_before(index, &input, named)) {
            return Ok(S3Response::new(answer));
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
        let max = listing::max(input.max_parts)?;
        let after = input.part_number_marker.unwrap_or_default();
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
        let max = listing::max(input.max_uploads)?;
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

fn upload_of<'a>(bucket: &'a Bucket, key: &str, id: &str) -> Result<&'a Upload, Refusal> {
    bucket.uploads.get(id).filter(|upload| upload.key == key).ok_or_else(refuse::no_such_upload)
}

fn upload_mut<'a>(index: &'a mut Index, bucket: &str, key: &str, id: &str) -> Result<&'a mut Upload, Refusal> {
    let upload = index.bucket_mut(bucket)?.uploads.get_mut(id);
    upload.filter(|upload| upload.key == key).ok_or_else(refuse::no_such_upload)
}

/// The parts that a completion names, in order, each checked.
fn chosen(upload: &Upload, named: &[CompletedPart]) -> Result<Vec<Part>, Refusal> {
    if named.is_empty() {
        return Err(refuse::invalid_request("You must specify at least one part"));
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

fn checksum_type(composite: bool) -> ChecksumType {
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
