//! What a client says about an object in the headers of a write.

use s3s::dto::{CopyObjectInput, CreateMultipartUploadInput, PutObjectInput, ServerSideEncryption};

use super::index::{Bucket, Meta};

/// Content type of objects whose writer named none.
const DEFAULT_CONTENT_TYPE: &str = "binary/octet-stream";

/// Headers of a write, before the bucket's defaults fill the gaps.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Said(Meta);

macro_rules! said {
    ($input:expr) => {
        Self(Meta {
            content_type: $input.content_type.clone(),
            content_encoding: $input.content_encoding.as_deref().and_then(without_framing),
            content_language: $input.content_language.clone(),
            content_disposition: $input.content_disposition.clone(),
            cache_control: $input.cache_control.clone(),
            expires: $input.expires.clone(),
            website_redirect_location: $input.website_redirect_location.clone(),
            storage_class: $input
                .storage_class
                .as_ref()
                .map(|class| class.as_str().to_owned())
                .filter(|class| class != "STANDARD"),
            encryption: $input.server_side_encryption.as_ref().map(|kind| kind.as_str().to_owned()),
            kms_key_id: $input.ssekms_key_id.clone(),
            metadata: $input.metadata.iter().flatten().map(|(name, value)| (name.clone(), value.clone())).collect(),
        })
    };
}

impl Said {
    /// What a service of AWS says of an object that it writes.
    pub(super) fn nothing() -> Self {
        Self(Meta::default())
    }

    pub(super) fn of_put(input: &PutObjectInput) -> Self {
        said!(input)
    }

    pub(super) fn of_copy(input: &CopyObjectInput) -> Self {
        said!(input)
    }

    pub(super) fn of_upload(input: &CreateMultipartUploadInput) -> Self {
        said!(input)
    }

    /// Whether nothing was said that an unchanged copy of an object may change.
    pub(super) fn is_bare(&self) -> bool {
        let Meta { storage_class, website_redirect_location, encryption, .. } = &self.0;
        storage_class.is_none() && website_redirect_location.is_none() && encryption.is_none()
    }

    /// With the bucket's defaults.
    pub(super) fn meta(self, bucket: &Bucket) -> Meta {
        self.meta_over(None, bucket)
    }

    /// With the source's words where a copy keeps them, and the bucket's defaults.
    pub(super) fn meta_over(self, kept: Option<&Meta>, bucket: &Bucket) -> Meta {
        let said = self.0;
        let mut meta = match kept {
            Some(kept) => Meta {
                storage_class: said.storage_class,
                website_redirect_location: said.website_redirect_location,
                encryption: said.encryption,
                kms_key_id: said.kms_key_id,
                ..kept.clone()
            },
            None => said,
        };
        meta.content_type.get_or_insert_with(|| DEFAULT_CONTENT_TYPE.to_owned());
        if meta.encryption.is_none() {
            let rule = bucket.encryption.iter().flat_map(|config| &config.rules).next();
            let default = rule.and_then(|rule| rule.apply_server_side_encryption_by_default.as_ref());
            let kind = default.map_or(ServerSideEncryption::AES256, |default| default.sse_algorithm.as_str());
            meta.encryption = Some(kind.to_owned());
            meta.kms_key_id = default.and_then(|default| default.kms_master_key_id.clone());
        }
        meta
    }
}

/// `aws-chunked` frames the upload and is no property of the object.
fn without_framing(encoding: &str) -> Option<String> {
    let kept: Vec<&str> =
        encoding.split(',').map(str::trim).filter(|coding| !coding.is_empty() && *coding != "aws-chunked").collect();
    (!kept.is_empty()).then(|| kept.join(","))
}

#[cfg(test)]
mod tests {
    use super::without_framing;

    #[test]
    fn the_framing_of_an_upload_is_not_kept_as_the_objects_encoding() {
        assert_eq!(without_framing("aws-chunked"), None);
        assert_eq!(without_framing("gzip, aws-chunked"), Some("gzip".to_owned()));
        assert_eq!(without_framing("aws-chunked,gzip,br"), Some("gzip,br".to_owned()));
    }
}
