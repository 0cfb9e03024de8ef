//! What `GetObjectAttributes` tells of an object.

use s3s::dto::{
    Checksum as WireChecksum, ETag, GetObjectAttributesInput, GetObjectAttributesOutput, GetObjectAttributesParts,
    ObjectPart,
};
use s3s::{S3Response, S3Result};

use super::checksum::Checksum;
use super::index::{Content, wire_time};
use super::object::deleted;
use super::{S3, listing, refuse};
use crate::call::Refusal;

/// What can be asked for.
const ATTRIBUTES: [&str; 5] = ["ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"];

/// Marks an answer whose entity tag has no quotes, which `s3s` writes in every document.
#[derive(Clone, Copy)]
pub(super) struct BareEntityTag;

impl S3 {
    pub(super) fn get_object_attributes(
        &self,
        input: &GetObjectAttributesInput,
    ) -> S3Result<S3Response<GetObjectAttributesOutput>> {
        // One header names them all, separated by commas.
        let wanted = input.object_attributes.iter().flat_map(|header| header.as_str().split(','));
        let wanted: Vec<&str> = wanted.map(str::trim).filter(|name| !name.is_empty()).collect();
        if wanted.is_empty() || wanted.iter().any(|name| !ATTRIBUTES.contains(name)) {
            return Err(
                refuse::invalid_argument("x-amz-object-attributes", None, "Invalid attribute name specified.").into()
            );
        }
        let (key, id) = (&input.key, input.version_id.as_deref());
        let (version, shown) = self.index.read(|index| {
            let bucket = index.bucket(&input.bucket)?;
            let version = bucket.version(key, id)?;
            Ok::<_, Refusal>((version.clone(), bucket.shown(&version.id)))
        })?;
        let modified = wire_time(version.modified);
        let content = version.content.ok_or_else(|| deleted(key, id))?;
        let asks = |name: &str| wanted.contains(&name);
        let object_parts = if asks("ObjectParts") { parts(&content, input)? } else { None };
        let class = content.meta.storage_class.clone().unwrap_or_else(|| "STANDARD".to_owned());
        let mut answer = S3Response::new(GetObjectAttributesOutput {
            checksum: asks("Checksum").then(|| checksum(&content.checksum)),
            delete_marker: None,
            e_tag: asks("ETag").then(|| ETag::Strong(content.etag.clone())),
            last_modified: Some(modified),
            object_parts,
            object_size: i64::try_from(content.size).ok().filter(|_| asks("ObjectSize")),
            request_charged: None,
            storage_class: asks("StorageClass").then(|| class.into()),
            version_id: shown,
        });
        answer.extensions.insert(BareEntityTag);
        Ok(answer)
    }
}

/// The checksum alone: of a composite one, AWS does not tell the number of parts here.
fn checksum(checksum: &Checksum) -> WireChecksum {
    let value = checksum.value.split('-').next().unwrap_or_default().to_owned();
    Checksum::fields(Some(&Checksum { value, ..checksum.clone() }))
}

/// The parts, of an object that was uploaded in parts; each by itself where its checksum counts for that of the whole.
fn parts(content: &Content, input: &GetObjectAttributesInput) -> Result<Option<GetObjectAttributesParts>, Refusal> {
    if content.parts.is_empty() {
        return Ok(None);
    }
    let total_parts_count = i32::try_from(content.parts.len()).ok();
    if !content.checksum.composite {
        return Ok(Some(GetObjectAttributesParts { total_parts_count, ..GetObjectAttributesParts::default() }));
    }
    let max = listing::max(input.max_parts, "max-parts")?;
    let after = input.part_number_marker.unwrap_or_default();
    let all = content.parts.iter().zip(&content.part_checksums).zip(1..);
    let mut rest = all.filter(|(_, number)| *number > after);
    let wire = |((size, value), number): ((&u64, &String), i32)| {
        let fields = Checksum::fields(Some(&Checksum { value: value.clone(), ..content.checksum.clone() }));
        ObjectPart {
            checksum_crc32: fields.checksum_crc32,
            checksum_crc32c: fields.checksum_crc32c,
            checksum_crc64nvme: fields.checksum_crc64nvme,
            checksum_sha1: fields.checksum_sha1,
            checksum_sha256: fields.checksum_sha256,
            part_number: Some(number),
            size: i64::try_from(*size).ok(),
        }
    };
    let parts: Vec<ObjectPart> = rest.by_ref().take(max).map(wire).collect();
    Ok(Some(GetObjectAttributesParts {
        is_truncated: Some(rest.next().is_some()),
        max_parts: i32::try_from(max).ok(),
        next_part_number_marker: Some(parts.last().and_then(|part| part.part_number).unwrap_or_default()),
        part_number_marker: Some(after),
        parts: Some(parts),
        total_parts_count,
    }))
}
