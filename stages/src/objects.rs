//! Objects that come and go by the folder.

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumAlgorithm, Delete, ObjectIdentifier};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;

use crate::cloud_error::{Explain, if_present};
use crate::upload::incomplete;
use crate::{Clients, Ctx, Names, Right, StageError, package};

/// Puts an object, whole and checked.
pub(crate) async fn put(ctx: &Ctx<'_>, bucket: &str, key: &str, bytes: Bytes) -> Result<(), StageError> {
    let sha256 = BASE64.encode(package::sha256(&bytes));
    let subject = format!("object `{key}`");
    ctx.visible(&subject, ctx.limits.propagation, || async {
        let request = ctx.clients.s3.put_object().bucket(bucket).key(key);
        let request = request.checksum_algorithm(ChecksumAlgorithm::Sha256).checksum_sha256(&sha256);
        request.body(ByteStream::from(bytes.clone())).send().await.about("s3:PutObject", &subject)
    })
    .await?;
    Ok(())
}

/// The folders directly below a prefix, each with a slash at its end; none when there is no bucket.
pub(crate) async fn folders(clients: &Clients, names: &Names, prefix: &str) -> Result<Vec<String>, StageError> {
    let request = clients.s3.list_objects_v2().bucket(&names.bucket).prefix(prefix).delimiter("/");
    let mut pages = request.into_paginator().send();
    let mut folders = vec![];
    while let Some(page) = pages.next().await {
        let page = page.about("s3:ListBucket", format!("bucket `{}`", names.bucket));
        let Some(page) = if_present(page)? else { break };
        folders.extend(page.common_prefixes().iter().filter_map(|folder| folder.prefix().map(ToOwned::to_owned)));
    }
    Ok(folders)
}

/// What [`empty`] needs; the keys may end in a wildcard.
pub(crate) fn rights_to_empty(names: &Names, keys: &str) -> Vec<Right> {
    let lists = ["s3:ListBucketVersions", "s3:ListBucketMultipartUploads"];
    vec![
        Right::new("Bucket", &lists, names.bucket_arn()),
        Right::new("Objects", &["s3:DeleteObjectVersion", "s3:AbortMultipartUpload"], names.object_arn(keys)),
    ]
}

/// Deletes every version of every object below a prefix, and every unfinished upload; absence is success.
pub(crate) async fn empty(ctx: &Ctx<'_>, bucket: &str, prefix: &str) -> Result<(), StageError> {
    let s3 = &ctx.clients.s3;
    let subject = format!("bucket `{bucket}`");
    let prefix = (!prefix.is_empty()).then(|| prefix.to_owned());
    loop {
        let request = s3.list_object_versions().bucket(bucket).set_prefix(prefix.clone()).max_keys(1000);
        let page = request.send().await.about("s3:ListBucketVersions", &subject);
        let Some(page) = if_present(page)? else { return Ok(()) };
        let versions = page.versions().iter().map(|version| (version.key(), version.version_id()));
        let markers = page.delete_markers().iter().map(|marker| (marker.key(), marker.version_id()));
        let ids = versions
            .chain(markers)
            .map(|(key, id)| {
                let id = id.map(ToOwned::to_owned);
                ObjectIdentifier::builder().key(key.unwrap_or_default()).set_version_id(id).build()
            })
            .collect::<Result<Vec<_>, _>>()
            .map_err(incomplete)?;
        if ids.is_empty() {
            break;
        }
        let delete = Delete::builder().set_objects(Some(ids)).quiet(true).build().map_err(incomplete)?;
        let answer = s3.delete_objects().bucket(bucket).delete(delete).send().await;
        let Some(answer) = if_present(answer.about("s3:DeleteObject", &subject))? else { return Ok(()) };
        if let Some(error) = answer.errors().first() {
            let words = format!("{}: {}", error.key().unwrap_or_default(), error.message().unwrap_or_default());
            return Err(StageError::Failed { what: format!("emptying {subject}"), cause: words });
        }
    }
    let uploads = s3.list_multipart_uploads().bucket(bucket).set_prefix(prefix).send().await;
    let uploads = uploads.about("s3:ListBucketMultipartUploads", &subject);
    let Some(uploads) = if_present(uploads)? else { return Ok(()) };
    for upload in uploads.uploads() {
        let (key, id) = (upload.key().unwrap_or_default(), upload.upload_id().unwrap_or_default());
        let answer = s3.abort_multipart_upload().bucket(bucket).key(key).upload_id(id).send().await;
        if_present(answer.about("s3:AbortMultipartUpload", format!("object `{key}`")))?;
    }
    Ok(())
}
