//! Listing objects and versions.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as TOKEN;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use s3s::dto::{
    CommonPrefix, DeleteMarkerEntry, ETag, EncodingType, ListObjectVersionsInput, ListObjectVersionsOutput,
    ListObjectsInput, ListObjectsOutput, ListObjectsV2Input, ListObjectsV2Output, Object, ObjectVersion, Owner,
};
use s3s::{S3Response, S3Result};

use super::index::{Bucket, Version, wire_time};
use super::{S3, refuse};
use crate::call::Refusal;

/// Entries of one answer at most.
const MAX_KEYS: usize = 1000;

/// What stays readable under `encoding-type=url`.
const ESCAPED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/').remove(b'*');

/// One answer's worth of keys and of prefixes that keys are rolled up into.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Page<'a> {
    pub(super) keys: Vec<&'a str>,
    pub(super) prefixes: Vec<&'a str>,
    /// Last key or prefix given, when more follow.
    pub(super) next: Option<&'a str>,
}

/// Which keys a listing wants.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wanted<'a> {
    pub(super) prefix: &'a str,
    pub(super) delimiter: &'a str,
    /// Where to go on: behind this key or rolled-up prefix.
    pub(super) after: &'a str,
    pub(super) max: usize,
}

/// Pages through sorted keys.
pub(super) fn page<'a>(keys: impl Iterator<Item = &'a str>, wanted: Wanted<'_>) -> Page<'a> {
    let mut page = Page::default();
    let mut last = None;
    for key in keys.filter(|key| key.starts_with(wanted.prefix) && *key > wanted.after) {
        let rolled = rolled_up(key, wanted);
        if let Some(prefix) = rolled
            && (prefix == wanted.after || page.prefixes.last() == Some(&prefix))
        {
            continue;
        }
        if page.keys.len() + page.prefixes.len() == wanted.max {
            page.next = last;
            break;
        }
        match rolled {
            Some(prefix) => page.prefixes.push(prefix),
            None => page.keys.push(key),
        }
        last = Some(rolled.unwrap_or(key));
    }
    page
}

fn rolled_up<'a>(key: &'a str, wanted: Wanted<'_>) -> Option<&'a str> {
    if wanted.delimiter.is_empty() {
        return None;
    }
    let at = key.get(wanted.prefix.len()..)?.find(wanted.delimiter)?;
    key.get(..wanted.prefix.len() + at + wanted.delimiter.len())
}

/// Escapes names in an answer, when asked to.
#[derive(Clone, Copy)]
pub(super) struct Escape(bool);

impl Escape {
    pub(super) fn new(encoding: Option<&EncodingType>) -> Result<Self, Refusal> {
        match encoding.map(EncodingType::as_str) {
            None => Ok(Self(false)),
            Some("url") => Ok(Self(true)),
            Some(other) => {
                let message = "Invalid Encoding Method specified in Request";
                Err(refuse::invalid_argument("encoding-type", Some(other), message))
            }
        }
    }

    pub(super) fn name(self, name: &str) -> String {
        if self.0 { utf8_percent_encode(name, ESCAPED).to_string() } else { name.to_owned() }
    }

    pub(super) fn maybe(self, name: Option<&str>) -> Option<String> {
        name.map(|name| self.name(name))
    }

    pub(super) fn prefixes(self, prefixes: &[&str]) -> Option<Vec<CommonPrefix>> {
        let wire = prefixes.iter().map(|prefix| CommonPrefix { prefix: Some(self.name(prefix)) });
        (!prefixes.is_empty()).then(|| wire.collect())
    }
}

/// The number of entries to give: 1000 unless fewer are asked for.
pub(super) fn max(asked: Option<i32>, argument: &str) -> Result<usize, Refusal> {
    let asked = asked.map_or(Ok(MAX_KEYS), usize::try_from);
    let asked = asked.map_err(|_| {
        let message = format!("Argument {argument} must be an integer between 0 and 2147483647");
        refuse::invalid_argument(argument, None, message)
    });
    asked.map(|asked| asked.min(MAX_KEYS))
}

impl S3 {
    pub(super) fn list_objects_v2(&self, input: &ListObjectsV2Input) -> S3Result<S3Response<ListObjectsV2Output>> {
        let escape = Escape::new(input.encoding_type.as_ref())?;
        let max = max(input.max_keys, "maxKeys")?;
        let after = match &input.continuation_token {
            Some(token) => read_token(token)?,
            None => input.start_after.clone().unwrap_or_default(),
        };
        let owner = (input.fetch_owner == Some(true)).then(|| self.owner());
        let output = self.index.read(|index| {
            let bucket = index.bucket(&input.bucket)?;
            let wanted = Wanted {
                prefix: input.prefix.as_deref().unwrap_or_default(),
                delimiter: input.delimiter.as_deref().unwrap_or_default(),
                after: &after,
                max,
            };
            let page = page(visible(bucket), wanted);
            Ok::<_, Refusal>(ListObjectsV2Output {
                name: Some(input.bucket.clone()),
                prefix: Some(escape.name(wanted.prefix)),
                max_keys: i32::try_from(max).ok(),
                key_count: i32::try_from(page.keys.len() + page.prefixes.len()).ok(),
                continuation_token: input.continuation_token.clone(),
                is_truncated: Some(page.next.is_some()),
                next_continuation_token: page.next.map(|last| TOKEN.encode(last)),
                contents: Some(objects(bucket, &page, escape, owner.as_ref())),
                common_prefixes: escape.prefixes(&page.prefixes),
                delimiter: escape.maybe(input.delimiter.as_deref()),
                encoding_type: input.encoding_type.clone(),
                start_after: escape.maybe(input.start_after.as_deref()),
                request_charged: None,
            })
        })?;
        Ok(S3Response::new(output))
    }

    pub(super) fn list_objects(&self, input: &ListObjectsInput) -> S3Result<S3Response<ListObjectsOutput>> {
        let escape = Escape::new(input.encoding_type.as_ref())?;
        let max = max(input.max_keys, "maxKeys")?;
        let owner = self.owner();
        let output = self.index.read(|index| {
            let bucket = index.bucket(&input.bucket)?;
            let wanted = Wanted {
                prefix: input.prefix.as_deref().unwrap_or_default(),
                delimiter: input.delimiter.as_deref().unwrap_or_default(),
                after: input.marker.as_deref().unwrap_or_default(),
                max,
            };
            let page = page(visible(bucket), wanted);
            Ok::<_, Refusal>(ListObjectsOutput {
                name: Some(input.bucket.clone()),
                prefix: Some(escape.name(wanted.prefix)),
                marker: Some(escape.name(wanted.after)),
                max_keys: i32::try_from(max).ok(),
                is_truncated: Some(page.next.is_some()),
                // AWS names it only under a delimiter; without one, the last key serves.
                next_marker: page.next.filter(|_| input.delimiter.is_some()).map(|last| escape.name(last)),
                contents: Some(objects(bucket, &page, escape, Some(&owner))),
                common_prefixes: escape.prefixes(&page.prefixes),
                delimiter: escape.maybe(input.delimiter.as_deref()),
                encoding_type: input.encoding_type.clone(),
                request_charged: None,
            })
        })?;
        Ok(S3Response::new(output))
    }

    pub(super) fn list_object_versions(
        &self,
        input: &ListObjectVersionsInput,
    ) -> S3Result<S3Response<ListObjectVersionsOutput>> {
        let escape = Escape::new(input.encoding_type.as_ref())?;
        let max = max(input.max_keys, "maxKeys")?;
        if let (Some(marker), None) = (&input.version_id_marker, &input.key_marker) {
            let message = "A version-id marker cannot be specified without a key marker.";
            return Err(refuse::invalid_argument("version-id-marker", Some(marker), message).into());
        }
        let owner = self.owner();
        let output = self.index.read(|index| {
            let bucket = index.bucket(&input.bucket)?;
            let wanted = Wanted {
                prefix: input.prefix.as_deref().unwrap_or_default(),
                delimiter: input.delimiter.as_deref().unwrap_or_default(),
                after: input.key_marker.as_deref().unwrap_or_default(),
                max,
            };
            let page = version_page(bucket, wanted, input.version_id_marker.as_deref());
            let (mut versions, mut delete_markers) = (Vec::new(), Vec::new());
            for (key, version, is_latest) in &page.versions {
                let name = escape.name(key);
                match &version.content {
                    Some(_) => versions.push(wire_version(name, version, *is_latest, &owner)),
                    None => delete_markers.push(wire_marker(name, version, *is_latest, &owner)),
                }
            }
            Ok::<_, Refusal>(ListObjectVersionsOutput {
                name: Some(input.bucket.clone()),
                prefix: Some(escape.name(wanted.prefix)),
                key_marker: Some(escape.name(wanted.after)),
                version_id_marker: Some(input.version_id_marker.clone().unwrap_or_default()),
                max_keys: i32::try_from(max).ok(),
                is_truncated: Some(page.next.is_some()),
                next_key_marker: page.next.map(|(key, _)| escape.name(key)),
                next_version_id_marker: page.next.and_then(|(_, id)| id).map(str::to_owned),
                versions: Some(versions),
                delete_markers: Some(delete_markers),
                common_prefixes: escape.prefixes(&page.prefixes),
                delimiter: escape.maybe(input.delimiter.as_deref()),
                encoding_type: input.encoding_type.clone(),
                request_charged: None,
            })
        })?;
        Ok(S3Response::new(output))
    }
}

#[derive(Default)]
struct VersionPage<'a> {
    versions: Vec<(&'a str, &'a Version, bool)>,
    prefixes: Vec<&'a str>,
    /// Last key (or prefix) and version given, when more follow.
    next: Option<(&'a str, Option<&'a str>)>,
}

/// Keys ascending, versions newest first.
fn version_page<'a>(bucket: &'a Bucket, wanted: Wanted<'_>, after_version: Option<&str>) -> VersionPage<'a> {
    let mut page = VersionPage::default();
    let mut last = None;
    // With a version to go on behind, the key it belongs to is listed again from there.
    let begins = |key: &str| if after_version.is_some() { key >= wanted.after } else { key > wanted.after };
    for (key, versions) in &bucket.objects {
        if !key.starts_with(wanted.prefix) || !begins(key) {
            continue;
        }
        let full = page.versions.len() + page.prefixes.len() == wanted.max;
        if let Some(prefix) = rolled_up(key, wanted) {
            if prefix == wanted.after || page.prefixes.last() == Some(&prefix) {
                continue;
            }
            if full {
                page.next = last;
                return page;
            }
            page.prefixes.push(prefix);
            last = Some((prefix, None));
            continue;
        }
        let newest_first = versions.iter().rev().enumerate().map(|(age, version)| (version, age == 0));
        let skipped = match after_version.filter(|_| key == wanted.after) {
            Some(id) => newest_first.clone().position(|(version, _)| version.id == id).map_or(0, |at| at + 1),
            None => 0,
        };
        for (version, is_latest) in newest_first.skip(skipped) {
            if page.versions.len() + page.prefixes.len() == wanted.max {
                page.next = last;
                return page;
            }
            page.versions.push((key, version, is_latest));
            last = Some((key, Some(&version.id)));
        }
    }
    page
}

fn visible(bucket: &Bucket) -> impl Iterator<Item = &str> {
    bucket.objects.keys().map(String::as_str).filter(|key| bucket.current(key).is_some())
}

fn objects(bucket: &Bucket, page: &Page<'_>, escape: Escape, owner: Option<&Owner>) -> Vec<Object> {
    let found = page.keys.iter().filter_map(|key| Some((*key, bucket.objects.get(*key)?.last()?)));
    let wire = found.filter_map(|(key, version)| {
        let content = version.content.as_ref()?;
        Some(Object {
            checksum_algorithm: Some(vec![content.checksum.algorithm.name().to_owned().into()]),
            checksum_type: Some(content.checksum.kind().to_owned().into()),
            e_tag: Some(ETag::Strong(content.etag.clone())),
            key: Some(escape.name(key)),
            last_modified: Some(wire_time(version.modified)),
            owner: owner.cloned(),
            restore_status: None,
            size: i64::try_from(content.size).ok(),
            storage_class: Some(storage_class(version).into()),
        })
    });
    wire.collect()
}

fn wire_version(key: String, version: &Version, is_latest: bool, owner: &Owner) -> ObjectVersion {
    let content = version.content.as_ref();
    ObjectVersion {
        checksum_algorithm: content.map(|content| vec![content.checksum.algorithm.name().to_owned().into()]),
        checksum_type: content.map(|content| content.checksum.kind().to_owned().into()),
        e_tag: content.map(|content| ETag::Strong(content.etag.clone())),
        is_latest: Some(is_latest),
        key: Some(key),
        last_modified: Some(wire_time(version.modified)),
        owner: Some(owner.clone()),
        restore_status: None,
        size: content.and_then(|content| i64::try_from(content.size).ok()),
        storage_class: Some(storage_class(version).into()),
        version_id: Some(version.id.clone()),
    }
}

fn wire_marker(key: String, version: &Version, is_latest: bool, owner: &Owner) -> DeleteMarkerEntry {
    DeleteMarkerEntry {
        is_latest: Some(is_latest),
        key: Some(key),
        last_modified: Some(wire_time(version.modified)),
        owner: Some(owner.clone()),
        version_id: Some(version.id.clone()),
    }
}

fn storage_class(version: &Version) -> String {
    let class = version.content.as_ref().and_then(|content| content.meta.storage_class.clone());
    class.unwrap_or_else(|| "STANDARD".to_owned())
}

fn read_token(token: &str) -> Result<String, Refusal> {
    let read = TOKEN.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let read = read.filter(|key| !key.is_empty());
    let message = "The continuation token provided is incorrect";
    read.ok_or_else(|| refuse::invalid_argument("continuation-token", None, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: [&str; 6] = ["a", "b/1", "b/2", "c/1", "d", "e/1"];

    #[test]
    fn paging_by_any_size_gives_every_key_and_prefix_once() {
        let whole = page(KEYS.into_iter(), Wanted { delimiter: "/", max: 100, ..Wanted::default() });
        assert_eq!((whole.keys, whole.prefixes, whole.next), (vec!["a", "d"], vec!["b/", "c/", "e/"], None));
        for max in 1..=5 {
            let (mut seen, mut after) = (Vec::new(), String::new());
            loop {
                let page = page(KEYS.into_iter(), Wanted { delimiter: "/", after: &after, max, ..Wanted::default() });
                seen.extend(page.keys.iter().chain(&page.prefixes).map(|name| (*name).to_owned()));
                match page.next {
                    Some(next) => after = next.to_owned(),
                    None => break,
                }
            }
            seen.sort();
            assert_eq!(seen, ["a", "b/", "c/", "d", "e/"], "by {max}");
        }
    }

    #[test]
    fn a_prefix_narrows_and_its_own_delimiters_do_not_count() {
        let wanted = Wanted { prefix: "b/", delimiter: "/", max: 100, ..Wanted::default() };
        assert_eq!(page(KEYS.into_iter(), wanted).keys, ["b/1", "b/2"]);
    }
}
