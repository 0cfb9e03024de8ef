//! Tags: their rules, and the operations on them.

use http::StatusCode;
use s3s::dto::{
    DeleteBucketTaggingInput, DeleteBucketTaggingOutput, DeleteObjectTaggingInput, DeleteObjectTaggingOutput,
    GetBucketTaggingInput, GetBucketTaggingOutput, GetObjectTaggingInput, GetObjectTaggingOutput,
    PutBucketTaggingInput, PutBucketTaggingOutput, PutObjectTaggingInput, PutObjectTaggingOutput, Tag,
};
use s3s::{S3Response, S3Result};

use super::index::{Bucket, Tags, Version};
use super::object::deleted;
use super::{S3, refuse};
use crate::call::Refusal;

/// Tags of a bucket.
const MAX_BUCKET_TAGS: usize = 50;
/// Tags of an object.
const MAX_OBJECT_TAGS: usize = 10;
/// Characters of a tag's key.
const MAX_KEY: usize = 128;
/// Characters of a tag's value.
const MAX_VALUE: usize = 256;

impl S3 {
    pub(super) fn get_bucket_tagging(
        &self,
        input: &GetBucketTaggingInput,
    ) -> S3Result<S3Response<GetBucketTaggingOutput>> {
        let tags = self.index.read(|index| Ok::<_, Refusal>(index.bucket(&input.bucket)?.tags.clone()))?;
        if tags.is_empty() {
            return Err(Refusal::new(404, "NoSuchTagSet", "The TagSet does not exist").into());
        }
        Ok(S3Response::new(GetBucketTaggingOutput { tag_set: to_wire(tags) }))
    }

    pub(super) fn put_bucket_tagging(
        &self,
        input: &PutBucketTaggingInput,
    ) -> S3Result<S3Response<PutBucketTaggingOutput>> {
        let tags = of_bucket(pairs(&input.tagging.tag_set))?;
        self.index.write(|index| {
            index.bucket_mut(&input.bucket)?.tags = tags;
            Ok(())
        })?;
        let mut answer = S3Response::new(PutBucketTaggingOutput {});
        answer.extensions.insert(StatusCode::NO_CONTENT);
        Ok(answer)
    }

    pub(super) fn delete_bucket_tagging(
        &self,
        input: &DeleteBucketTaggingInput,
    ) -> S3Result<S3Response<DeleteBucketTaggingOutput>> {
        self.index.write(|index| {
            index.bucket_mut(&input.bucket)?.tags.clear();
            Ok(())
        })?;
        Ok(S3Response::new(DeleteBucketTaggingOutput {}))
    }

    pub(super) fn get_object_tagging(
        &self,
        input: &GetObjectTaggingInput,
    ) -> S3Result<S3Response<GetObjectTaggingOutput>> {
        let (tags, version_id) = self.index.read(|index| {
            let bucket = index.bucket(&input.bucket)?;
            let version = bucket.version(&input.key, input.version_id.as_deref())?;
            let content = version.content.as_ref().ok_or_else(|| deleted(&input.key, input.version_id.as_deref()))?;
            Ok::<_, Refusal>((content.tags.clone(), bucket.shown(&version.id)))
        })?;
        Ok(S3Response::new(GetObjectTaggingOutput { tag_set: to_wire(tags), version_id }))
    }

    pub(super) fn put_object_tagging(
        &self,
        input: &PutObjectTaggingInput,
    ) -> S3Result<S3Response<PutObjectTaggingOutput>> {
        let tags = of_object(pairs(&input.tagging.tag_set))?;
        let version_id = self.set_object_tags(&input.bucket, &input.key, input.version_id.as_deref(), tags)?;
        Ok(S3Response::new(PutObjectTaggingOutput { version_id }))
    }

    pub(super) fn delete_object_tagging(
        &self,
        input: &DeleteObjectTaggingInput,
    ) -> S3Result<S3Response<DeleteObjectTaggingOutput>> {
        let id = input.version_id.as_deref();
        let version_id = self.set_object_tags(&input.bucket, &input.key, id, Tags::new())?;
        Ok(S3Response::new(DeleteObjectTaggingOutput { version_id }))
    }

    fn set_object_tags(
        &self,
        bucket: &str,
        key: &str,
        id: Option<&str>,
        tags: Tags,
    ) -> Result<Option<String>, Refusal> {
        self.index.write(|index| {
            let bucket: &mut Bucket = index.bucket_mut(bucket)?;
            let found = bucket.version(key, id)?.id.clone();
            let versions = bucket.objects.get_mut(key).into_iter().flatten();
            let version: Option<&mut Version> = versions.into_iter().find(|version| version.id == found);
            let content = version.and_then(|version| version.content.as_mut()).ok_or_else(|| deleted(key, id))?;
            content.tags = tags;
            Ok(bucket.shown(&found))
        })
    }
}

/// Checks a bucket's tags.
pub(super) fn of_bucket(pairs: Vec<(String, String)>) -> Result<Tags, Refusal> {
    if pairs.len() > MAX_BUCKET_TAGS {
        let message = format!("Bucket tag count cannot be greater than {MAX_BUCKET_TAGS}");
        return Err(Refusal::new(400, "BadRequest", message));
    }
    checked(pairs, "System tags cannot be added/updated by requester")
}

/// Checks an object's tags.
fn of_object(pairs: Vec<(String, String)>) -> Result<Tags, Refusal> {
    if pairs.len() > MAX_OBJECT_TAGS {
        let message = format!("Object tags cannot be greater than {MAX_OBJECT_TAGS}");
        return Err(Refusal::new(400, "BadRequest", message));
    }
    checked(pairs, "Your TagKey cannot be prefixed with aws:")
}

/// Reads `x-amz-tagging`, a URL query.
pub(super) fn of_header(header: Option<&str>) -> Result<Tags, Refusal> {
    let pairs: Vec<_> = form_urlencoded::parse(header.unwrap_or_default().as_bytes()).into_owned().collect();
    let count = pairs.len();
    let duplicates = pairs.iter().map(|(key, _)| key).collect::<std::collections::BTreeSet<_>>().len() < count;
    if duplicates {
        return Err(refuse::invalid_argument(
            "x-amz-tagging",
            header,
            "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag \
             name duplicates.",
        ));
    }
    of_object(pairs)
}

/// Tags as `s3s` reads them.
fn pairs(tags: &[Tag]) -> Vec<(String, String)> {
    tags.iter().map(|tag| (tag.key.clone().unwrap_or_default(), tag.value.clone().unwrap_or_default())).collect()
}

/// Checks tags; `system` is what is said of a key that belongs to AWS.
fn checked(pairs: Vec<(String, String)>, system: &str) -> Result<Tags, Refusal> {
    let invalid = |key: &str, message: &str| Refusal::new(400, "InvalidTag", message).with("TagKey", key);
    let mut tags = Tags::new();
    for (key, value) in pairs {
        if key.is_empty() || key.chars().count() > MAX_KEY || !key.chars().all(is_allowed) {
            return Err(invalid(&key, "The TagKey you have provided is invalid"));
        }
        if value.chars().count() > MAX_VALUE || !value.chars().all(is_allowed) {
            return Err(invalid(&key, "The TagValue you have provided is invalid").with("TagValue", value));
        }
        if key.to_ascii_lowercase().starts_with("aws:") {
            return Err(invalid(&key, system));
        }
        if tags.contains_key(&key) {
            return Err(invalid(&key, "Cannot provide multiple Tags with the same key"));
        }
        tags.insert(key, value);
    }
    Ok(tags)
}

/// Letters, digits and spaces of any script, and `_ . : / = + - @`.
fn is_allowed(c: char) -> bool {
    c.is_alphanumeric() || c.is_whitespace() || "_.:/=+-@".contains(c)
}

fn to_wire(tags: Tags) -> Vec<Tag> {
    tags.into_iter().map(|(key, value)| Tag { key: Some(key), value: Some(value) }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(pairs: &[(&str, &str)]) -> String {
        let pairs = pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let refusal = of_bucket(pairs).unwrap_err();
        format!("{}: {}", refusal.code, refusal.message)
    }

    #[test]
    fn tags_are_refused_in_the_words_of_aws() {
        insta::assert_snapshot!(refusal(&[("a", "1"), ("a", "2")]), @"InvalidTag: Cannot provide multiple Tags with the same key");
        insta::assert_snapshot!(refusal(&[("aws:a", "1")]), @"InvalidTag: System tags cannot be added/updated by requester");
        insta::assert_snapshot!(refusal(&[("", "1")]), @"InvalidTag: The TagKey you have provided is invalid");
        insta::assert_snapshot!(refusal(&[("a", "{}")]), @"InvalidTag: The TagValue you have provided is invalid");
    }

    #[test]
    fn a_tagging_header_names_each_key_once() {
        assert_eq!(of_header(Some("a=1&b=x%20y")).unwrap().len(), 2);
        assert_eq!(of_header(Some("a=1&a=2")).unwrap_err().code, "InvalidArgument");
    }
}
