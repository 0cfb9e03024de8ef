//! Brings an image into a repository, blob by blob and part by part: what is there already is not sent again.

use aws_sdk_ecr::primitives::Blob;
use aws_sdk_ecr::types::LayerAvailability;
use container_image::Image;

use super::repository::subject;
use crate::cloud_error::{Explain, Meaning, or_already_there};
use crate::{Ctx, Names, StageError};

/// What every part but the last must have, and what a part can have. Source: botocore, `LayerPartTooSmallException` and
/// `LayerPartBlob`.
const PART_BYTES: std::ops::RangeInclusive<usize> = 5_242_880..=20_971_520;
/// How often a blob is begun anew whose upload was lost on the way.
const ATTEMPTS: u32 = 3;

/// Pushes an image under a tag.
pub(super) async fn push(ctx: &Ctx<'_>, names: &Names, tag: &str, image: &Image) -> Result<(), StageError> {
    for bytes in [&image.layer, &image.config] {
        push_blob(ctx, names, bytes).await?;
    }
    let manifest = String::from_utf8_lossy(&image.manifest);
    let request = ctx.clients.ecr.put_image().repository_name(&names.repository).image_tag(tag);
    let request = request.image_manifest(manifest).image_manifest_media_type(container_image::MANIFEST);
    let request = request.image_digest(image.digest());
    or_already_there(request.send().await.about("ecr:PutImage", subject(names)))?;
    Ok(())
}

/// Looks first at every attempt: an answer that was lost may have been the last one. When it was not, the SDK sends the
/// call again, and what it goes on with has moved on: then the blob is begun anew.
async fn push_blob(ctx: &Ctx<'_>, names: &Names, bytes: &[u8]) -> Result<(), StageError> {
    let digest = container_image::digest(bytes);
    let mut lost = None;
    for _ in 0..ATTEMPTS {
        if is_there(ctx, names, &digest).await? {
            return Ok(());
        }
        match send(ctx, names, bytes, &digest).await {
            Err(StageError::Cloud(error)) if error.meaning() == Meaning::BeginAnew => lost = Some(error),
            done => return done,
        }
    }
    match lost {
        Some(error) if !is_there(ctx, names, &digest).await? => Err(error.into()),
        _ => Ok(()),
    }
}

/// A repository that was made a moment ago may not be seen yet.
async fn is_there(ctx: &Ctx<'_>, names: &Names, digest: &str) -> Result<bool, StageError> {
    let answer = ctx
        .visible(&subject(names), ctx.limits.propagation, || async {
            let request = ctx.clients.ecr.batch_check_layer_availability().repository_name(&names.repository);
            let answer = request.layer_digests(digest).send().await;
            answer.about("ecr:BatchCheckLayerAvailability", subject(names))
        })
        .await?;
    let available = Some(&LayerAvailability::Available);
    Ok(answer.layers().iter().any(|layer| layer.layer_availability() == available))
}

async fn send(ctx: &Ctx<'_>, names: &Names, bytes: &[u8], digest: &str) -> Result<(), StageError> {
    let (ecr, repository) = (&ctx.clients.ecr, &names.repository);
    let begun = ctx
        .visible(&subject(names), ctx.limits.propagation, || async {
            let answer = ecr.initiate_layer_upload().repository_name(repository).send().await;
            answer.about("ecr:InitiateLayerUpload", subject(names))
        })
        .await?;
    let id = begun.upload_id().unwrap_or_default();
    let wished = begun.part_size().and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or(*PART_BYTES.end());
    let mut first: i64 = 0;
    for part in bytes.chunks(wished.clamp(*PART_BYTES.start(), *PART_BYTES.end())) {
        let last = first + i64::try_from(part.len()).unwrap_or_default() - 1;
        let request = ecr.upload_layer_part().repository_name(repository).upload_id(id);
        let request = request.part_first_byte(first).part_last_byte(last);
        request.layer_part_blob(Blob::new(part)).send().await.about("ecr:UploadLayerPart", subject(names))?;
        first = last + 1;
    }
    let request = ecr.complete_layer_upload().repository_name(repository).upload_id(id).layer_digests(digest);
    or_already_there(request.send().await.about("ecr:CompleteLayerUpload", subject(names)))?;
    Ok(())
}
