//! What S3 remembers beside the bodies: buckets, versions and unfinished uploads.
//!
//! Everything here is plain data under one lock. A body belongs to the index from the moment the index names
//! it; methods that let go of bodies say which, and the caller removes the files afterwards.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rand::distr::{Alphanumeric, SampleString as _};
use s3s::dto;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::checksum::{Algorithm, Checksum};
use super::refuse;
use crate::call::Refusal;

/// Tags by key.
pub(super) type Tags = BTreeMap<String, String>;

/// The version id of objects written while versioning is not enabled.
pub(super) const NULL_VERSION: &str = "null";

/// Every bucket.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Index {
    pub(super) buckets: BTreeMap<String, Bucket>,
}

/// Whether a bucket keeps old versions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Versioning {
    /// Never enabled: answers mention no versions.
    #[default]
    Unset,
    Enabled,
    /// New objects are `null` versions; older versions stay.
    Suspended,
}

/// A bucket and all it holds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Bucket {
    pub(super) created: Timestamp,
    pub(super) tags: Tags,
    pub(super) versioning: Versioning,
    /// None means the default since 2023, SSE-S3.
    pub(super) encryption: Option<dto::ServerSideEncryptionConfiguration>,
    pub(super) public_access_block: Option<dto::PublicAccessBlockConfiguration>,
    pub(super) ownership: Option<String>,
    /// As it was sent.
    pub(super) policy: Option<String>,
    pub(super) lifecycle: Option<dto::LifecycleRules>,
    /// What the lifecycle rules take for the least size of an object that moves.
    #[serde(default)]
    pub(super) transition_size: Option<String>,
    /// Versions of each key, oldest first, never empty.
    pub(super) objects: BTreeMap<String, Vec<Version>>,
    /// Unfinished uploads by id.
    pub(super) uploads: BTreeMap<String, Upload>,
}

/// One version of an object, or a delete marker.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Version {
    pub(super) id: String,
    /// Whole seconds, as AWS keeps it.
    pub(super) modified: Timestamp,
    /// None for a delete marker.
    pub(super) content: Option<Content>,
}

/// An object's body and all that answers say about it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Content {
    /// File name of the body.
    pub(super) body: String,
    /// Bytes.
    pub(super) size: u64,
    /// Without quotes.
    pub(super) etag: String,
    pub(super) checksum: Checksum,
    /// Bytes of each part; empty unless uploaded in parts.
    pub(super) parts: Vec<u64>,
    /// Checksums of the parts, in base64; empty unless the upload asked for an algorithm.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) part_checksums: Vec<String>,
    /// The upload whose completion made it, which may be completed again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) upload_id: Option<String>,
    pub(super) meta: Meta,
    pub(super) tags: Tags,
}

/// What a client may say about an object besides its body.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Meta {
    pub(super) content_type: Option<String>,
    pub(super) content_encoding: Option<String>,
    pub(super) content_language: Option<String>,
    pub(super) content_disposition: Option<String>,
    pub(super) cache_control: Option<String>,
    pub(super) expires: Option<dto::Timestamp>,
    pub(super) website_redirect_location: Option<String>,
    pub(super) storage_class: Option<String>,
    /// `AES256`, `aws:kms` or `aws:kms:dsse`; the bucket's default when none was asked for.
    pub(super) encryption: Option<String>,
    pub(super) kms_key_id: Option<String>,
    /// Whether an S3 Bucket Key encrypts it; of `aws:kms` alone.
    #[serde(default)]
    pub(super) bucket_key_enabled: bool,
    pub(super) metadata: BTreeMap<String, String>,
}

impl Meta {
    /// What answers say of the bucket key: nothing unless it is used.
    pub(super) fn bucket_key(&self) -> Option<bool> {
        self.bucket_key_enabled.then_some(true)
    }
}

/// An unfinished multipart upload.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Upload {
    pub(super) key: String,
    pub(super) started: Timestamp,
    pub(super) meta: Meta,
    pub(super) tags: Tags,
    /// What the client asked for.
    pub(super) algorithm: Option<Algorithm>,
    pub(super) composite: bool,
    pub(super) parts: BTreeMap<i32, Part>,
}

/// One uploaded part.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Part {
    /// File name of the body.
    pub(super) body: String,
    /// Bytes.
    pub(super) size: u64,
    /// MD5 in hex.
    pub(super) etag: String,
    pub(super) checksum: Checksum,
    pub(super) modified: Timestamp,
}

/// What a delete did.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Deleted {
    /// Version that was removed or, with `marker`, perhaps made.
    pub(super) version: Option<String>,
    /// Whether that version is a delete marker.
    pub(super) marker: bool,
    /// Bodies that nothing names any more.
    pub(super) freed: Vec<String>,
}

impl Index {
    /// The bucket, or `NoSuchBucket`.
    pub(super) fn bucket(&self, name: &str) -> Result<&Bucket, Refusal> {
        self.buckets.get(name).ok_or_else(|| refuse::no_such_bucket().with("BucketName", name))
    }

    /// The bucket to change, or `NoSuchBucket`.
    pub(super) fn bucket_mut(&mut self, name: &str) -> Result<&mut Bucket, Refusal> {
        self.buckets.get_mut(name).ok_or_else(|| refuse::no_such_bucket().with("BucketName", name))
    }
}

impl Bucket {
    /// A bucket as AWS makes them since 2023: closed to the public, ACLs off, SSE-S3.
    pub(super) fn new(tags: Tags, ownership: String, now: Timestamp) -> Self {
        Self {
            created: now,
            tags,
            versioning: Versioning::Unset,
            encryption: None,
            public_access_block: Some(dto::PublicAccessBlockConfiguration {
                block_public_acls: Some(true),
                block_public_policy: Some(true),
                ignore_public_acls: Some(true),
                restrict_public_buckets: Some(true),
            }),
            ownership: Some(ownership),
            policy: None,
            lifecycle: None,
            transition_size: None,
            objects: BTreeMap::new(),
            uploads: BTreeMap::new(),
        }
    }

    /// Names of all files that belong to the bucket.
    pub(super) fn bodies(&self) -> impl Iterator<Item = &str> {
        let versions = self.objects.values().flatten();
        let contents = versions.filter_map(|version| Some(version.content.as_ref()?.body.as_str()));
        contents.chain(self.uploads.values().flat_map(|upload| upload.parts.values()).map(|part| part.body.as_str()))
    }

    /// The version that a plain GET sees: neither absent nor deleted.
    pub(super) fn current(&self, key: &str) -> Option<&Content> {
        self.objects.get(key)?.last()?.content.as_ref()
    }

    /// The latest version or the named one; may be a delete marker.
    pub(super) fn version(&self, key: &str, id: Option<&str>) -> Result<&Version, Refusal> {
        let versions = self.objects.get(key).map_or(&[][..], Vec::as_slice);
        match id {
            None => versions.last().ok_or_else(|| refuse::no_such_key().with("Key", key)),
            Some(id) => versions.iter().find(|version| version.id == id).ok_or_else(|| absent_version(key, id)),
        }
    }

    /// What answers say about a version: nothing unless versioning was ever enabled.
    pub(super) fn shown(&self, id: &str) -> Option<String> {
        (self.versioning != Versioning::Unset).then(|| id.to_owned())
    }

    /// Writes an object. Gives its version id, if answers show one, and the bodies let go of.
    pub(super) fn put(&mut self, key: &str, content: Content, now: Timestamp) -> (Option<String>, Vec<String>) {
        let (id, freed) = self.push(key, Some(content), now);
        (self.shown(&id), freed)
    }

    /// Refuses the id of a version that nobody was ever given. Of a key without versions, any id counts as gone.
    pub(super) fn check_named(&self, key: &str, id: Option<&str>) -> Result<(), Refusal> {
        let Some(id) = id.filter(|id| !is_version_id(id)) else { return Ok(()) };
        let versions = self.objects.get(key);
        let is_there = versions.is_some_and(|versions| versions.iter().any(|version| version.id == id));
        if is_there || (versions.is_none() && self.versioning != Versioning::Unset) {
            return Ok(());
        }
        Err(absent_version(key, id))
    }

    /// Deletes the object, by a marker where versions are kept, or removes one version for good.
    /// Deleting what is absent succeeds.
    pub(super) fn delete(&mut self, key: &str, version: Option<&str>, now: Timestamp) -> Deleted {
        if let Some(id) = version {
            let removed = self.remove(key, id);
            let marker = removed.as_ref().is_some_and(|version| version.content.is_none());
            let freed = removed.and_then(|version| version.content).map(|content| content.body);
            return Deleted { version: Some(id.to_owned()), marker, freed: freed.into_iter().collect() };
        }
        if self.versioning == Versioning::Unset {
            let removed = self.objects.remove(key).unwrap_or_default();
            let freed = removed.into_iter().filter_map(|version| Some(version.content?.body)).collect();
            return Deleted { version: None, marker: false, freed };
        }
        let (id, freed) = self.push(key, None, now);
        Deleted { version: Some(id), marker: true, freed }
    }

    fn push(&mut self, key: &str, content: Option<Content>, now: Timestamp) -> (String, Vec<String>) {
        let id = match self.versioning {
            Versioning::Enabled => version_id(),
            Versioning::Unset | Versioning::Suspended => NULL_VERSION.to_owned(),
        };
        let replaced = self.remove(key, &id);
        let version = Version { id: id.clone(), modified: whole_second(now), content };
        self.objects.entry(key.to_owned()).or_default().push(version);
        (id, replaced.and_then(|version| version.content).map(|content| content.body).into_iter().collect())
    }

    fn remove(&mut self, key: &str, id: &str) -> Option<Version> {
        let versions = self.objects.get_mut(key)?;
        let at = versions.iter().position(|version| version.id == id)?;
        let removed = versions.remove(at);
        if versions.is_empty() {
            self.objects.remove(key);
        }
        Some(removed)
    }
}

/// Characters of a version's id that are random. The rest is their digest, so that an id that nobody was given is told
/// from that of a version which is gone, as AWS tells them apart.
const RANDOM: usize = 26;

fn version_id() -> String {
    let random = Alphanumeric.sample_string(&mut rand::rng(), RANDOM);
    let digest = digest_of(&random);
    random + &digest
}

fn digest_of(random: &str) -> String {
    hex::encode(&Sha256::digest(random)[..3])
}

/// Whether an id can be that of a version.
fn is_version_id(id: &str) -> bool {
    let parts = id.split_at_checked(RANDOM);
    id == NULL_VERSION || parts.is_some_and(|(random, digest)| digest == digest_of(random))
}

/// What is said of a version that is not there.
fn absent_version(key: &str, id: &str) -> Refusal {
    if is_version_id(id) {
        return refuse::no_such_version().with("Key", key).with("VersionId", id);
    }
    refuse::invalid_argument("versionId", Some(id), "Invalid version id specified")
}

/// 32 characters that nobody guesses: upload ids, and names of the nameless.
pub(super) fn random_id() -> String {
    Alphanumeric.sample_string(&mut rand::rng(), 32)
}

/// What an answer's time stamp is made of.
pub(super) fn wire_time(time: Timestamp) -> dto::Timestamp {
    dto::Timestamp::from(std::time::SystemTime::from(time))
}

fn whole_second(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bucket(versioning: Versioning) -> Bucket {
        let mut bucket = Bucket::new(Tags::new(), "BucketOwnerEnforced".to_owned(), Timestamp::UNIX_EPOCH);
        bucket.versioning = versioning;
        bucket
    }

    fn content(body: &str) -> Content {
        Content {
            body: body.to_owned(),
            size: 0,
            etag: String::new(),
            checksum: Checksum { algorithm: Algorithm::Crc32, value: String::new(), composite: false },
            parts: Vec::new(),
            part_checksums: Vec::new(),
            upload_id: None,
            meta: Meta::default(),
            tags: Tags::new(),
        }
    }

    #[test]
    fn without_versioning_a_second_write_frees_the_first_body() {
        let mut bucket = bucket(Versioning::Unset);
        assert_eq!(bucket.put("k", content("one"), Timestamp::UNIX_EPOCH), (None, vec![]));
        assert_eq!(bucket.put("k", content("two"), Timestamp::UNIX_EPOCH), (None, vec!["one".to_owned()]));
        assert_eq!(bucket.delete("k", None, Timestamp::UNIX_EPOCH).freed, ["two"]);
        assert!(bucket.objects.is_empty());
    }

    #[test]
    fn with_versioning_nothing_is_freed_until_a_version_is_named() {
        let mut bucket = bucket(Versioning::Enabled);
        let (one, freed) = bucket.put("k", content("one"), Timestamp::UNIX_EPOCH);
        assert_eq!(freed, [""; 0]);
        let marker = bucket.delete("k", None, Timestamp::UNIX_EPOCH);
        assert!(marker.marker && marker.freed.is_empty() && bucket.current("k").is_none());
        let gone = bucket.delete("k", marker.version.as_deref(), Timestamp::UNIX_EPOCH);
        assert!(gone.marker && bucket.current("k").is_some());
        assert_eq!(bucket.delete("k", one.as_deref(), Timestamp::UNIX_EPOCH).freed, ["one"]);
        assert!(bucket.objects.is_empty());
    }

    #[test]
    fn an_id_that_nobody_was_given_is_told_from_that_of_a_version_which_is_gone() {
        let mut bucket = bucket(Versioning::Enabled);
        let id = bucket.put("k", content("one"), Timestamp::UNIX_EPOCH).0.unwrap();
        bucket.put("k", content("two"), Timestamp::UNIX_EPOCH);
        let altered = format!("{}ABCD", &id[..28]);
        bucket.delete("k", Some(&id), Timestamp::UNIX_EPOCH);
        let code = |id: &str| bucket.version("k", Some(id)).unwrap_err().code;
        assert_eq!(
            (id.len(), code(&id), code(&altered)),
            (32, "NoSuchVersion".to_owned(), "InvalidArgument".to_owned())
        );
        assert_eq!(bucket.check_named("k", Some(&id)), Ok(()));
        assert_eq!(bucket.check_named("k", Some(&altered)).unwrap_err().code, "InvalidArgument");
        assert_eq!(bucket.check_named("absent", Some(&altered)), Ok(()));
    }

    #[test]
    fn suspended_versioning_replaces_only_the_null_version() {
        let mut bucket = bucket(Versioning::Enabled);
        bucket.put("k", content("kept"), Timestamp::UNIX_EPOCH);
        bucket.versioning = Versioning::Suspended;
        assert_eq!(bucket.put("k", content("one"), Timestamp::UNIX_EPOCH), (Some("null".to_owned()), vec![]));
        assert_eq!(bucket.put("k", content("two"), Timestamp::UNIX_EPOCH).1, ["one"]);
        assert_eq!(bucket.objects["k"].len(), 2);
    }
}
