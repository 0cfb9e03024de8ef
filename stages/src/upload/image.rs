//! An image of our own in its repository, under a tag that names what it is made from.
//!
//! The tag is known before the image is: so is the name in every plan. What was pushed under it is written beside it, as a
//! tag of the repository, so that an image which somebody else put there is seen as a difference.

use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_ecr::types::{ImageDetail, ImageFailureCode, ImageIdentifier, Tag};
use plan::{Facts, Observation, Output, Outputs, ResourceId, Stray};

use super::push::push;
use super::repository::{REPOSITORY_NAME, foreign, incomplete, repository_tags, subject};
use crate::cloud_error::{Explain, Meaning, if_present};
use crate::resource::outputs;
use crate::{Clients, Ctx, Inputs, Names, Resource, Right, StageError, package};

/// The image.
pub const IMAGE: ResourceId = ResourceId::new("upload/image");
/// Its name with registry, repository and tag.
pub const IMAGE_URI: Output<String> = Output::new(IMAGE, "uri");

/// How the keys of the repository's tags begin that say what was pushed under a tag; the rest is that tag.
const PUSHED: &str = "runner:image/";
/// How a name begins that is a digest and no tag.
const DIGEST: &str = "sha256:";
/// What the fact `content` says of an image that we pushed.
const OURS: &str = "ours";

#[derive(Debug)]
pub(super) struct Pushed {
    pub(super) names: Names,
    pub(super) inputs: Arc<Inputs>,
}

#[async_trait]
impl Resource for Pushed {
    fn id(&self) -> ResourceId {
        IMAGE
    }

    fn kind(&self) -> &'static str {
        "image"
    }

    fn name(&self) -> &str {
        tag(&self.names)
    }

    fn desired(&self) -> Facts {
        Facts::default()
            .fixed("repository", REPOSITORY_NAME.known(self.names.repository.as_str()))
            .fixed("sources", package::IMAGE_FINGERPRINT.known(self.name()))
            .field("content", OURS)
    }

    /// It is pushed by the calls of ECR's own API, which need no token of the registry.
    fn rights(&self) -> Vec<Right> {
        let actions = [
            "ecr:BatchCheckLayerAvailability",
            "ecr:InitiateLayerUpload",
            "ecr:UploadLayerPart",
            "ecr:CompleteLayerUpload",
            "ecr:PutImage",
            "ecr:BatchDeleteImage",
            "ecr:TagResource",
            "ecr:UntagResource",
        ];
        let arn = self.names.repository_arn();
        vec![right_to_find_image(&self.names), Right::new("Repository", &actions, arn)]
    }

    async fn observe(&self, clients: &Clients) -> Result<Observation, StageError> {
        let Some(tags) = our_tags(clients, &self.names).await? else { return Ok(Observation::Absent) };
        let Some(digest) = live(clients, &self.names).await? else { return Ok(Observation::Absent) };
        let key = pushed_key(self.name());
        let pushed = tags.iter().find(|tag| tag.key() == key).map(Tag::value);
        let content = if pushed == Some(&*digest) { OURS.to_owned() } else { digest };
        let facts = Facts::default()
            .field("repository", self.names.repository.as_str())
            .field("sources", self.name())
            .field("content", content);
        Ok(Observation::Present { facts, outputs: self.outputs() })
    }

    /// Whatever else is in the repository, by tag or, where there is none, by digest.
    async fn strays(&self, clients: &Clients) -> Result<Vec<Stray>, StageError> {
        if our_tags(clients, &self.names).await?.is_none() {
            return Ok(vec![]);
        }
        let request = clients.ecr.describe_images().repository_name(&self.names.repository);
        let mut pages = request.into_paginator().send();
        let mut strays = vec![];
        while let Some(page) = pages.next().await {
            let page = if_present(page.about("ecr:DescribeImages", subject(&self.names)))?;
            let Some(page) = page else { break };
            let names = page.image_details().iter().flat_map(names_of).filter(|name| *name != self.name());
            strays.extend(names.map(|name| Stray { of: IMAGE, name, why: "an older version".to_owned() }));
        }
        Ok(strays)
    }

    async fn create(&self, ctx: &Ctx<'_>) -> Result<Outputs, StageError> {
        let missing = || StageError::here("could not push the image", "nothing says from what");
        let image = package::built_image(ctx, self.inputs.image.as_ref().ok_or_else(missing)?).await?;
        let digest = image.digest();
        match live(ctx.clients, &self.names).await? {
            Some(live) if live == digest => {}
            // Its tag cannot be overwritten.
            Some(_) => {
                self.delete_image(ctx, self.name()).await?;
                self.push(ctx, &image).await?;
            }
            None => self.push(ctx, &image).await?,
        }
        let tag = Tag::builder().key(pushed_key(self.name())).value(&digest).build().map_err(incomplete)?;
        let request = ctx.clients.ecr.tag_resource().resource_arn(self.names.repository_arn());
        request.tags(tag).send().await.about("ecr:TagResource", subject(&self.names))?;
        Ok(self.outputs())
    }

    async fn update(&self, ctx: &Ctx<'_>) -> Result<Outputs, StageError> {
        self.create(ctx).await
    }

    /// What was pushed is forgotten first: an image without it is still found.
    async fn delete(&self, ctx: &Ctx<'_>, name: &str) -> Result<(), StageError> {
        if !name.starts_with(DIGEST) {
            let request = ctx.clients.ecr.untag_resource().resource_arn(self.names.repository_arn());
            let answer = request.tag_keys(pushed_key(name)).send().await;
            if if_present(answer.about("ecr:UntagResource", subject(&self.names)))?.is_none() {
                return Ok(());
            }
        } else if live(ctx.clients, &self.names).await?.as_deref() == Some(name) {
            // It had no tag when it was looked at, and has ours since: the same bytes are the same image.
            return Ok(());
        }
        self.delete_image(ctx, name).await
    }
}

impl Pushed {
    fn outputs(&self) -> Outputs {
        outputs([("uri", self.names.image.clone().into())])
    }

    async fn push(&self, ctx: &Ctx<'_>, image: &container_image::Image) -> Result<(), StageError> {
        let bytes = image.layer.len() + image.config.len();
        (ctx.say)(format!("pushing an image of {:.1} MB", bytes as f64 / 1e6));
        push(ctx, &self.names, self.name(), image).await
    }

    async fn delete_image(&self, ctx: &Ctx<'_>, name: &str) -> Result<(), StageError> {
        let request = ctx.clients.ecr.batch_delete_image().repository_name(&self.names.repository);
        let answer = request.image_ids(identifier(name)).send().await;
        let answer = if_present(answer.about("ecr:BatchDeleteImage", subject(&self.names)))?;
        let failures = answer.and_then(|answer| answer.failures).unwrap_or_default();
        let failure = failures.iter().find(|it| it.failure_code() != Some(&ImageFailureCode::ImageNotFound));
        match failure {
            None => Ok(()),
            Some(failure) => Err(StageError::Failed {
                what: format!("deleting image `{name}`"),
                cause: failure.failure_reason().unwrap_or("ECR gave no reason").to_owned(),
            }),
        }
    }
}

/// What finding out needs whether the image is in our repository.
pub(crate) fn right_to_find_image(names: &Names) -> Right {
    Right::new("Repository", &["ecr:ListTagsForResource", "ecr:DescribeImages"], names.repository_arn())
}

/// Whether the image is in our repository.
pub(crate) async fn is_pushed(clients: &Clients, names: &Names) -> Result<bool, StageError> {
    Ok(our_tags(clients, names).await?.is_some() && live(clients, names).await?.is_some())
}

/// The digest of the image under our tag, if there is one.
async fn live(clients: &Clients, names: &Names) -> Result<Option<String>, StageError> {
    // For a teardown there is no image that would be the wanted one.
    if tag(names).is_empty() {
        return Ok(None);
    }
    let request = clients.ecr.describe_images().repository_name(&names.repository);
    let answer = request.image_ids(identifier(tag(names))).send().await;
    let answer = match answer.about("ecr:DescribeImages", subject(names)) {
        Err(error) if error.meaning() == Meaning::Absent => return Ok(None),
        answer => answer?,
    };
    Ok(answer.image_details().first().and_then(|detail| detail.image_digest().map(ToOwned::to_owned)))
}

/// The tags of our repository; none when it is absent or somebody else's.
async fn our_tags(clients: &Clients, names: &Names) -> Result<Option<Vec<Tag>>, StageError> {
    let tags = repository_tags(clients, names).await?;
    Ok(tags.filter(|tags| foreign(names, tags).is_none()))
}

/// What our image is called in its repository.
fn tag(names: &Names) -> &str {
    names.image_tag.as_deref().unwrap_or_default()
}

fn names_of(image: &ImageDetail) -> Vec<String> {
    match image.image_tags() {
        [] => image.image_digest().map(ToOwned::to_owned).into_iter().collect(),
        tags => tags.to_vec(),
    }
}

fn identifier(name: &str) -> ImageIdentifier {
    let identifier = ImageIdentifier::builder();
    let identifier = if name.starts_with(DIGEST) { identifier.image_digest(name) } else { identifier.image_tag(name) };
    identifier.build()
}

fn pushed_key(tag: &str) -> String {
    format!("{PUSHED}{tag}")
}
