//! Looking at the bucket and at what is in it.

use aws_sdk_s3::types::ChecksumMode;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::cloud_error::{Explain, Meaning, Part, if_present};
use crate::names::MODELS;
use crate::rights::Denial;
use crate::tags::Owner;
use crate::{Clients, CloudError, Names, Right, StageError};

/// What looking at models in the bucket needs: without the right to list, one that is absent looks forbidden.
pub(crate) fn rights_to_read(names: &Names) -> Vec<Right> {
    vec![
        Right::new("Bucket", &["s3:ListBucket", "s3:GetBucketTagging"], names.bucket_arn()),
        Right::new("ModelFiles", &["s3:GetObject"], names.object_arn(&format!("{MODELS}*"))),
    ]
}

/// SHA-256 of a stored object in hexadecimal, as S3 computed it; none when it is absent or the bucket is not ours.
pub(crate) async fn object_sha256(clients: &Clients, names: &Names, key: &str) -> Result<Option<String>, StageError> {
    if !bucket_owner(clients, names).await?.is_ours() {
        return Ok(None);
    }
    let request = clients.s3.head_object().bucket(&names.bucket).key(key).checksum_mode(ChecksumMode::Enabled);
    let answer = request.send().await.about("s3:GetObject", format!("object `{key}`"));
    let Some(answer) = if_present(answer)? else { return Ok(None) };
    let checksum = answer.checksum_sha256().and_then(|text| BASE64.decode(text).ok());
    Ok(Some(checksum.map_or_else(|| "(unknown)".to_owned(), hex::encode)))
}

/// Largest object that is read whole: a model with what is known about it is much smaller.
const OBJECT_LIMIT_BYTES: i64 = 512 << 20;

/// The whole of a small object, of at most [`OBJECT_LIMIT_BYTES`]; none when it is absent.
pub(crate) async fn object(clients: &Clients, bucket: &str, key: &str) -> Result<Option<Vec<u8>>, StageError> {
    let subject = format!("object `{key}`");
    let answer = clients.s3.get_object().bucket(bucket).key(key).send().await;
    let Some(answer) = if_present(answer.about("s3:GetObject", &subject))? else { return Ok(None) };
    if answer.content_length().is_none_or(|length| !(0..=OBJECT_LIMIT_BYTES).contains(&length)) {
        let why = format!("it has more than {OBJECT_LIMIT_BYTES} bytes, which is the limit for what is read whole");
        return Err(StageError::here(format!("could not read {subject}"), why));
    }
    let body = answer.body.collect().await;
    Ok(Some(body.map_err(|error| StageError::here(format!("could not read {subject}"), error))?.to_vec()))
}

/// What is said of a bucket that may not be looked at.
pub(super) const OTHER_ACCOUNT: &str = "the name is taken by another account";

/// Whose the bucket is. What is in it is nobody else's business either.
pub(crate) async fn bucket_owner(clients: &Clients, names: &Names) -> Result<Owner, CloudError> {
    let request = clients.s3.get_bucket_tagging().bucket(&names.bucket);
    let answer = request.expected_bucket_owner(&names.site.account).send().await;
    let tags = match Part::of(answer.about("s3:GetBucketTagging", format!("bucket `{}`", names.bucket))) {
        Ok(Part::Set(answer)) => answer.tag_set,
        Ok(Part::Unset) => vec![],
        Ok(Part::Gone) => return Ok(Owner::Gone),
        // S3 tells only its own account who lacks what: for a bucket of another it says no more than "Access Denied".
        Err(error) if error.meaning() == Meaning::Refused && Denial::find(&error.message()).is_none() => {
            return Ok(Owner::Other(OTHER_ACCOUNT.to_owned()));
        }
        Err(error) => return Err(error),
    };
    Ok(Owner::of(names, Some(tags.iter().map(|tag| (tag.key(), tag.value())))))
}
