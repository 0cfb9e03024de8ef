//! What a client says about an object in the headers of a write.

use s3s::dto::{CopyObjectInput, CreateMultipartUploadInput, PutObjectInput, ServerSideEncryption, StorageClass};

use super::index::{Bucket, Meta};
use super::{acl, refuse};
use crate::call::Refusal;

/// Content type of objects whose writer named none.
const DEFAULT_CONTENT_TYPE: &str = "binary/octet-stream";
/// Storage classes of general-purpose buckets.
const STORAGE_CLASSES: [&str; 8] = [
    "STANDARD",
    "REDUCED_REDUNDANCY",
    "STANDARD_IA",
    "ONEZONE_IA",
    "INTELLIGENT_TIERING",
    "GLACIER",
    "GLACIER_IR",
    "DEEP_ARCHIVE",
];

/// Headers of a write, before the bucket's defaults fill the gaps.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Said {
    meta: Meta,
    /// Whether a storage class is named, `STANDARD` included.
    names_class: bool,
    bucket_key: Option<bool>,
    acl: Option<String>,
    has_grants: bool,
}

macro_rules! said {
    ($input:expr) => {{
        let input = $input;
        let class = input.storage_class.as_ref().map(StorageClass::as_str);
        check_class(class)?;
        let encryption = input.server_side_encryption.as_ref().map(ServerSideEncryption::as_str);
        check_encryption(encryption, input.ssekms_key_id.as_deref())?;
        let grants = [&input.grant_full_control, &input.grant_read, &input.grant_read_acp, &input.grant_write_acp];
        Ok(Self {
            meta: Meta {
                content_type: input.content_type.clone(),
                content_encoding: input.content_encoding.as_deref().and_then(without_framing),
                content_language: input.content_language.clone(),
                content_disposition: input.content_disposition.clone(),
                cache_control: input.cache_control.clone(),
                expires: input.expires.clone(),
                website_redirect_location: input.website_redirect_location.clone(),
                storage_class: class.filter(|class| *class != "STANDARD").map(str::to_owned),
                encryption: encryption.map(str::to_owned),
                kms_key_id: input.ssekms_key_id.clone(),
                bucket_key_enabled: false,
                metadata: input.metadata.iter().flatten().map(|(name, value)| (name.clone(), value.clone())).collect(),
            },
            names_class: class.is_some(),
            bucket_key: input.bucket_key_enabled,
            acl: input.acl.as_ref().map(|acl| acl.as_str().to_owned()),
            has_grants: grants.into_iter().any(Option::is_some),
        })
    }};
}

impl Said {
    /// What a service of AWS says of an object that it writes.
    pub(super) fn nothing() -> Self {
        Self { meta: Meta::default(), names_class: false, bucket_key: None, acl: None, has_grants: false }
    }

    pub(super) fn of_put(input: &PutObjectInput) -> Result<Self, Refusal> {
        said!(input)
    }

    pub(super) fn of_copy(input: &CopyObjectInput) -> Result<Self, Refusal> {
        said!(input)
    }

    pub(super) fn of_upload(input: &CreateMultipartUploadInput) -> Result<Self, Refusal> {
        said!(input)
    }

    /// Whether nothing was said that an unchanged copy of an object may change.
    pub(super) fn is_bare(&self) -> bool {
        let Meta { website_redirect_location, encryption, .. } = &self.meta;
        !self.names_class && website_redirect_location.is_none() && encryption.is_none()
    }

    /// With the bucket's defaults.
    pub(super) fn meta(self, bucket: &Bucket) -> Result<Meta, Refusal> {
        self.meta_over(None, bucket)
    }

    /// With the source's words where a copy keeps them, and the bucket's defaults.
    pub(super) fn meta_over(self, kept: Option<&Meta>, bucket: &Bucket) -> Result<Meta, Refusal> {
        acl::check_object(bucket, self.acl.as_deref(), self.has_grants)?;
        let said = self.meta;
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
        let rule = bucket.encryption.iter().flat_map(|config| &config.rules).next();
        if meta.encryption.is_none() {
            let default = rule.and_then(|rule| rule.apply_server_side_encryption_by_default.as_ref());
            let kind = default.map_or(ServerSideEncryption::AES256, |default| default.sse_algorithm.as_str());
            meta.encryption = Some(kind.to_owned());
            meta.kms_key_id = default.and_then(|default| default.kms_master_key_id.clone());
        }
        let by_default = rule.and_then(|rule| rule.bucket_key_enabled);
        let is_kms = meta.encryption.as_deref() == Some(ServerSideEncryption::AWS_KMS);
        meta.bucket_key_enabled = is_kms && self.bucket_key.or(by_default).unwrap_or_default();
        Ok(meta)
    }
}

/// Whether an object must be restored before it can be read.
pub(super) fn is_archived(meta: &Meta) -> bool {
    matches!(meta.storage_class.as_deref(), Some("GLACIER" | "DEEP_ARCHIVE"))
}

fn check_class(class: Option<&str>) -> Result<(), Refusal> {
    match class {
        Some(class) if !STORAGE_CLASSES.contains(&class) => {
            let message = "The storage class you specified is not valid";
            Err(Refusal::new(400, "InvalidStorageClass", message).with("StorageClassRequested", class))
        }
        _ => Ok(()),
    }
}

/// Keys of KMS are named in answers and not looked at: there is no KMS here.
fn check_encryption(kind: Option<&str>, key_id: Option<&str>) -> Result<(), Refusal> {
    let refusal = |message: &str| Err(refuse::invalid_argument("x-amz-server-side-encryption", kind, message));
    match kind {
        None | Some("AES256") if key_id.is_some() => refusal(
            "Server Side Encryption with AWS KMS managed key requires HTTP header x-amz-server-side-encryption : aws:kms",
        ),
        None | Some("AES256" | "aws:kms" | "aws:kms:dsse") => Ok(()),
        Some(_) => refusal("The encryption method specified is not supported"),
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
