//! The repository of our own images.

use async_trait::async_trait;
use aws_sdk_ecr::types::{EncryptionConfiguration, EncryptionType, ImageTagMutability, Tag};
use plan::{Facts, Observation, Output, Outputs, ResourceId};

use crate::cloud_error::{Explain, if_present, or_already_there};
use crate::resource::outputs;
use crate::{Clients, CloudError, Ctx, Names, Resource, Right, StageError, tags};

/// The repository.
pub const REPOSITORY: ResourceId = ResourceId::new("upload/repository");
/// Its name.
pub(super) const REPOSITORY_NAME: Output<String> = Output::new(REPOSITORY, "name");

/// Images are not scanned when they are pushed: basic scanning reads the package database of a distribution, and an image
/// of one program has none.
#[derive(Debug)]
pub(super) struct Repository {
    pub(super) names: Names,
}

#[async_trait]
impl Resource for Repository {
    fn id(&self) -> ResourceId {
        REPOSITORY
    }

    fn kind(&self) -> &'static str {
        "ecr-repository"
    }

    fn name(&self) -> &str {
        &self.names.repository
    }

    /// A tag names its sources, so it must not move.
    fn desired(&self) -> Facts {
        Facts::default()
            .fixed("encryption", EncryptionType::Aes256.as_str())
            .field("tags", ImageTagMutability::Immutable.as_str())
    }

    fn rights(&self) -> Vec<Right> {
        let actions = [
            "ecr:DescribeRepositories",
            "ecr:ListTagsForResource",
            "ecr:CreateRepository",
            "ecr:TagResource",
            "ecr:PutImageTagMutability",
        ];
        let arn = self.names.repository_arn();
        vec![
            Right::new("Repository", &actions, arn.as_str()),
            Right::new("Repository", &["ecr:DeleteRepository"], arn).to_delete(),
        ]
    }

    async fn observe(&self, clients: &Clients) -> Result<Observation, StageError> {
        let request = clients.ecr.describe_repositories().repository_names(&self.names.repository);
        let answer = if_present(request.send().await.about("ecr:DescribeRepositories", self.subject()))?;
        let Some(repository) = answer.and_then(|answer| answer.repositories?.into_iter().next()) else {
            return Ok(Observation::Absent);
        };
        match repository_tags(clients, &self.names).await? {
            None => return Ok(Observation::Absent),
            Some(tags) => {
                if let Some(owner) = foreign(&self.names, &tags) {
                    return Ok(Observation::Foreign { owner });
                }
            }
        }
        let encryption = repository.encryption_configuration().map_or("none", |it| it.encryption_type().as_str());
        let mutability = repository.image_tag_mutability().map_or("unknown", ImageTagMutability::as_str);
        let facts = Facts::default().field("encryption", encryption).field("tags", mutability);
        Ok(Observation::Present { facts, outputs: self.outputs() })
    }

    async fn create(&self, ctx: &Ctx<'_>) -> Result<Outputs, StageError> {
        let tags = ecr_tags(&self.names)?;
        let encryption = EncryptionConfiguration::builder().encryption_type(EncryptionType::Aes256).build();
        let encryption = encryption.map_err(incomplete)?;
        ctx.settled(&self.subject(), ctx.limits.propagation, || async {
            let request = ctx.clients.ecr.create_repository().repository_name(&self.names.repository);
            let request = request.image_tag_mutability(ImageTagMutability::Immutable);
            let request = request.encryption_configuration(encryption.clone()).set_tags(Some(tags.clone()));
            or_already_there(request.send().await.about("ecr:CreateRepository", self.subject())).map(drop)
        })
        .await?;
        Ok(self.outputs())
    }

    async fn update(&self, ctx: &Ctx<'_>) -> Result<Outputs, StageError> {
        ctx.settled(&self.subject(), ctx.limits.propagation, || async {
            let request = ctx.clients.ecr.put_image_tag_mutability().repository_name(&self.names.repository);
            let answer = request.image_tag_mutability(ImageTagMutability::Immutable).send().await;
            answer.about("ecr:PutImageTagMutability", self.subject()).map(drop)
        })
        .await?;
        Ok(self.outputs())
    }

    /// With whatever is in it.
    async fn delete(&self, ctx: &Ctx<'_>, name: &str) -> Result<(), StageError> {
        let answer = ctx.clients.ecr.delete_repository().repository_name(name).force(true).send().await;
        if_present(answer.about("ecr:DeleteRepository", self.subject()))?;
        Ok(())
    }
}

impl Repository {
    fn subject(&self) -> String {
        subject(&self.names)
    }

    fn outputs(&self) -> Outputs {
        outputs([("name", self.names.repository.clone().into())])
    }
}

pub(super) fn subject(names: &Names) -> String {
    format!("repository `{}`", names.repository)
}

/// The repository's tags; none when it is absent.
pub(super) async fn repository_tags(clients: &Clients, names: &Names) -> Result<Option<Vec<Tag>>, CloudError> {
    let answer = clients.ecr.list_tags_for_resource().resource_arn(names.repository_arn()).send().await;
    let answer = if_present(answer.about("ecr:ListTagsForResource", subject(names)))?;
    Ok(answer.map(|answer| answer.tags.unwrap_or_default()))
}

/// Why the repository is not ours; none when it is. What is in it is nobody else's business either.
pub(super) fn foreign(names: &Names, tags: &[Tag]) -> Option<String> {
    tags::foreign(names, tags.iter().map(|tag| (tag.key(), tag.value())))
}

fn ecr_tags(names: &Names) -> Result<Vec<Tag>, StageError> {
    let tags = tags::of(names, REPOSITORY.stage()).into_iter();
    tags.map(|(key, value)| Tag::builder().key(key).value(value).build()).collect::<Result<_, _>>().map_err(incomplete)
}

pub(super) fn incomplete(error: aws_sdk_ecr::error::BuildError) -> StageError {
    StageError::here("could not build a request", error)
}
