//! Stage `upload`: a private bucket, and in it the model and what is known about it; and, for an image of our own, a
//! repository with that image.

mod image;
mod push;
mod repository;

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{
    AbortIncompleteMultipartUpload, BucketLifecycleConfiguration, BucketLocationConstraint, BucketVersioningStatus,
    ChecksumAlgorithm, ChecksumMode, CreateBucketConfiguration, ExpirationStatus, LifecycleRule, LifecycleRuleFilter,
    NoncurrentVersionExpiration, PublicAccessBlockConfiguration, ServerSideEncryption, ServerSideEncryptionByDefault,
    ServerSideEncryptionConfiguration, ServerSideEncryptionRule, Tag, VersioningConfiguration,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use plan::{Facts, Observation, Output, Outputs, ResourceId, Stray};
use serde_json::json;

use crate::cloud_error::{Explain, Meaning, if_present, or_already_there};
use crate::names::MODELS;
use crate::resource::outputs;
use crate::rights::Denial;
pub use image::{IMAGE, IMAGE_URI};
pub(crate) use image::{is_pushed, right_to_find_image};
pub use repository::REPOSITORY;

use crate::{
    Clients, CloudError, Ctx, Declared, Inputs, Names, Resource, Right, Stage, StageError, Wanted, objects, package,
    policy, tags, train,
};

/// The stage.
pub const STAGE: Stage = Stage {
    name: "upload",
    summary: "a private bucket with the model and what is known about it, and a repository with an image of our own",
    declare,
};

/// The bucket.
pub const BUCKET: ResourceId = ResourceId::new("upload/bucket");
/// Its name.
pub const BUCKET_NAME: Output<String> = Output::new(BUCKET, "name");
/// The model archive.
pub const MODEL: ResourceId = ResourceId::new("upload/model");
/// Its `s3://` URL.
pub const MODEL_URL: Output<String> = Output::new(MODEL, "url");
/// What is known about the model.
pub const EVALUATION: ResourceId = ResourceId::new("upload/evaluation");

/// Days that an overwritten or deleted object can be brought back.
const OLD_VERSIONS_DAYS: i32 = 30;

fn declare(wanted: &Wanted<'_>, declared: &mut Declared) {
    let names = wanted.names;
    declared.resource(Bucket { names: names.clone() });
    declared.resource(Object {
        id: MODEL,
        key: names.model_key.clone(),
        names: names.clone(),
        inputs: Arc::clone(wanted.inputs),
    });
    declared.resource(Object {
        id: EVALUATION,
        key: names.evaluation_key.clone(),
        names: names.clone(),
        inputs: Arc::clone(wanted.inputs),
    });
    if wanted.inputs.image.is_some() {
        declared.resource(repository::Repository { names: names.clone() });
        declared.resource(image::Pushed { names: names.clone(), inputs: Arc::clone(wanted.inputs) });
    } else {
        declared.unwanted(repository::Repository { names: names.clone() });
    }
}

#[derive(Debug)]
struct Bucket {
    names: Names,
}

#[async_trait]
impl Resource for Bucket {
    fn id(&self) -> ResourceId {
        BUCKET
    }

    fn kind(&self) -> &'static str {
        "s3-bucket"
    }

    fn name(&self) -> &str {
        &self.names.bucket
    }

    fn desired(&self) -> Facts {
        Facts::default()
            .field("public_access", "blocked")
            .field("encryption", "AES256")
            .field("versioning", "Enabled")
            .field("old_versions_days", OLD_VERSIONS_DAYS)
            .field("policy", policy::words(&self.policy()))
    }

    fn rights(&self) -> Vec<Right> {
        let names = &self.names;
        let policy = if names.site.plain_http { "s3:DeleteBucketPolicy" } else { "s3:PutBucketPolicy" };
        let made = [
            "s3:CreateBucket",
            "s3:TagResource",
            "s3:ListBucket",
            "s3:GetBucketTagging",
            "s3:GetBucketPublicAccessBlock",
            "s3:PutBucketPublicAccessBlock",
            "s3:GetEncryptionConfiguration",
            "s3:PutEncryptionConfiguration",
            "s3:GetBucketVersioning",
            "s3:PutBucketVersioning",
            "s3:GetLifecycleConfiguration",
            "s3:PutLifecycleConfiguration",
            "s3:GetBucketPolicy",
            policy,
        ];
        let mut rights = vec![Right::new("Bucket", &made, names.bucket_arn())];
        rights.push(Right::new("Bucket", &["s3:DeleteBucket"], names.bucket_arn()).to_delete());
        rights.extend(objects::rights_to_empty(names, "*").into_iter().map(Right::to_delete));
        rights
    }

    fn warnings(&self) -> Vec<String> {
        let bucket = &self.names.bucket;
        let without = || {
            format!(
                "bucket `{bucket}` takes requests without TLS: `endpoint-url` is plain HTTP, and a policy that demands \
                 TLS would lock this program out"
            )
        };
        self.names.site.plain_http.then(without).into_iter().collect()
    }

    async fn observe(&self, clients: &Clients) -> Result<Observation, StageError> {
        let (s3, bucket) = (&clients.s3, &self.names.bucket);
        let subject = self.subject();
        let head = s3.head_bucket().bucket(bucket).expected_bucket_owner(&self.names.site.account).send().await;
        let refused = match head.about("s3:ListBucket", &subject) {
            Err(error) if error.meaning() == Meaning::Absent => return Ok(Observation::Absent),
            // A HEAD does not say who refuses; the tags tell whose it is.
            Err(error) if error.meaning() == Meaning::Refused => Some(error),
            other => other.map(|_| None)?,
        };
        match (foreign_bucket(clients, &self.names).await?, refused) {
            (Some(owner), Some(_)) if owner == OTHER_ACCOUNT => return Ok(Observation::Foreign { owner }),
            // Of our own account, so it is the caller who may not look at it.
            (_, Some(refused)) => return Err(refused.into()),
            (Some(owner), None) => return Ok(Observation::Foreign { owner }),
            (None, None) => {}
        }
        let (access, encryption, versioning, lifecycle, policy) = futures::join!(
            s3.get_public_access_block().bucket(bucket).send(),
            s3.get_bucket_encryption().bucket(bucket).send(),
            s3.get_bucket_versioning().bucket(bucket).send(),
            s3.get_bucket_lifecycle_configuration().bucket(bucket).send(),
            s3.get_bucket_policy().bucket(bucket).send(),
        );
        let access = if_present(access.about("s3:GetBucketPublicAccessBlock", &subject))?
            .and_then(|answer| answer.public_access_block_configuration);
        let encryption = if_present(encryption.about("s3:GetEncryptionConfiguration", &subject))?
            .and_then(|answer| answer.server_side_encryption_configuration);
        let versioning = versioning.about("s3:GetBucketVersioning", &subject)?;
        let lifecycle = if_present(lifecycle.about("s3:GetLifecycleConfiguration", &subject))?;
        let policy = if_present(policy.about("s3:GetBucketPolicy", &subject))?.and_then(|answer| answer.policy);
        let policy = policy.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
        let algorithm = encryption
            .as_ref()
            .and_then(|config| config.rules().first()?.apply_server_side_encryption_by_default())
            .map_or("none", |default| default.sse_algorithm().as_str());
        let days = lifecycle.as_ref().and_then(|answer| {
            answer.rules().iter().find_map(|rule| rule.noncurrent_version_expiration()?.noncurrent_days())
        });
        let facts = Facts::default()
            .field("public_access", if access.is_some_and(|access| access == blocked()) { "blocked" } else { "open" })
            .field("encryption", algorithm)
            .field("versioning", versioning.status().map_or("off", BucketVersioningStatus::as_str))
            .field("old_versions_days", json!(days))
            .field("policy", policy::words(&policy));
        Ok(Observation::Present { facts, outputs: self.outputs() })
    }

    async fn create(&self, ctx: &Ctx<'_>) -> Result<Outputs, StageError> {
        let subject = self.subject();
        let region = &self.names.site.region;
        // `us-east-1` is the one region that must not be named. Source: S3 API reference, CreateBucket.
        let constraint = (region != "us-east-1").then(|| BucketLocationConstraint::from(region.as_str()));
        let configuration = CreateBucketConfiguration::builder()
            .set_location_constraint(constraint)
            .set_tags(Some(s3_tags(&self.names)?))
            .build();
        ctx.settled(&subject, ctx.limits.propagation, || async {
            let request = ctx.clients.s3.create_bucket().bucket(&self.names.bucket);
            let answer = request.create_bucket_configuration(configuration.clone()).send().await;
            or_already_there(answer.about("s3:CreateBucket", &subject)).map(drop)
        })
        .await?;
        self.update(ctx).await
    }

    /// One after the other: parallel writes of sub-resources are answered `OperationAborted`.
    async fn update(&self, ctx: &Ctx<'_>) -> Result<Outputs, StageError> {
        let (s3, bucket) = (&ctx.clients.s3, &self.names.bucket);
        let subject = self.subject();
        let limit = ctx.limits.propagation;
        ctx.visible(&subject, limit, || async {
            let request = s3.put_public_access_block().bucket(bucket).public_access_block_configuration(blocked());
            request.send().await.about("s3:PutBucketPublicAccessBlock", &subject)
        })
        .await?;
        let encryption = encryption()?;
        ctx.visible(&subject, limit, || async {
            let request = s3.put_bucket_encryption().bucket(bucket);
            let request = request.server_side_encryption_configuration(encryption.clone());
            request.send().await.about("s3:PutEncryptionConfiguration", &subject)
        })
        .await?;
        ctx.visible(&subject, limit, || async {
            let enabled = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled).build();
            let request = s3.put_bucket_versioning().bucket(bucket).versioning_configuration(enabled);
            request.send().await.about("s3:PutBucketVersioning", &subject)
        })
        .await?;
        let lifecycle = lifecycle()?;
        ctx.visible(&subject, limit, || async {
            let request = s3.put_bucket_lifecycle_configuration().bucket(bucket);
            let answer = request.lifecycle_configuration(lifecycle.clone()).send().await;
            answer.about("s3:PutLifecycleConfiguration", &subject)
        })
        .await?;
        ctx.visible(&subject, limit, || async {
            if self.names.site.plain_http {
                let answer = s3.delete_bucket_policy().bucket(bucket).send().await;
                return if_present(answer.about("s3:DeleteBucketPolicy", &subject)).map(drop);
            }
            let request = s3.put_bucket_policy().bucket(bucket).policy(self.policy().to_string());
            request.send().await.about("s3:PutBucketPolicy", &subject).map(drop)
        })
        .await?;
        Ok(self.outputs())
    }

    async fn delete(&self, ctx: &Ctx<'_>, name: &str) -> Result<(), StageError> {
        objects::empty(ctx, name, "").await?;
        let subject = self.subject();
        ctx.settled(&subject, ctx.limits.propagation, || async {
            let answer = ctx.clients.s3.delete_bucket().bucket(name).send().await;
            if_present(answer.about("s3:DeleteBucket", &subject)).map(drop)
        })
        .await
    }
}

impl Bucket {
    fn subject(&self) -> String {
        format!("bucket `{}`", self.names.bucket)
    }

    fn outputs(&self) -> Outputs {
        outputs([("name", self.names.bucket.clone().into())])
    }

    /// Refuses whoever comes without TLS. Left out for a server that has none: it would lock us out.
    fn policy(&self) -> serde_json::Value {
        if self.names.site.plain_http {
            return policy::document(&[]);
        }
        let arn = format!("arn:{}:s3:::{}", self.names.site.partition(), self.names.bucket);
        policy::document(&[json!({
            "Sid": "TlsOnly", "Effect": "Deny", "Principal": "*", "Action": "s3:*",
            "Resource": [arn, format!("{arn}/*")], "Condition": { "Bool": { "aws:SecureTransport": "false" } }
        })])
    }
}

fn blocked() -> PublicAccessBlockConfiguration {
    PublicAccessBlockConfiguration::builder()
        .block_public_acls(true)
        .ignore_public_acls(true)
        .block_public_policy(true)
        .restrict_public_buckets(true)
        .build()
}

fn encryption() -> Result<ServerSideEncryptionConfiguration, StageError> {
    let default = ServerSideEncryptionByDefault::builder().sse_algorithm(ServerSideEncryption::Aes256).build();
    let rule = default
        .map(|default| ServerSideEncryptionRule::builder().apply_server_side_encryption_by_default(default).build());
    rule.and_then(|rule| ServerSideEncryptionConfiguration::builder().rules(rule).build()).map_err(incomplete)
}

fn lifecycle() -> Result<BucketLifecycleConfiguration, StageError> {
    let rule = LifecycleRule::builder()
        .id("runner")
        .status(ExpirationStatus::Enabled)
        .filter(LifecycleRuleFilter::builder().prefix("").build())
        .noncurrent_version_expiration(
            NoncurrentVersionExpiration::builder().noncurrent_days(OLD_VERSIONS_DAYS).build(),
        )
        .abort_incomplete_multipart_upload(AbortIncompleteMultipartUpload::builder().days_after_initiation(1).build())
        .build();
    rule.and_then(|rule| BucketLifecycleConfiguration::builder().rules(rule).build()).map_err(incomplete)
}

fn s3_tags(names: &Names) -> Result<Vec<Tag>, StageError> {
    let tags = tags::of(names, BUCKET.stage()).into_iter();
    tags.map(|(key, value)| Tag::builder().key(key).value(value).build()).collect::<Result<_, _>>().map_err(incomplete)
}

pub(crate) fn incomplete(error: aws_sdk_s3::error::BuildError) -> StageError {
    StageError::here("could not build a request", error)
}

#[derive(Debug)]
struct Object {
    id: ResourceId,
    key: String,
    names: Names,
    inputs: Arc<Inputs>,
}

#[async_trait]
impl Resource for Object {
    fn id(&self) -> ResourceId {
        self.id.clone()
    }

    fn kind(&self) -> &'static str {
        "s3-object"
    }

    fn name(&self) -> &str {
        &self.key
    }

    fn desired(&self) -> Facts {
        let sha256 = if self.id == MODEL { &package::ARCHIVE_SHA256 } else { &train::EVALUATION_SHA256 };
        Facts::default().fixed("bucket", BUCKET_NAME.known(self.names.bucket.as_str())).field("sha256", sha256)
    }

    fn rights(&self) -> Vec<Right> {
        let actions = ["s3:PutObject", "s3:PutObjectTagging", "s3:DeleteObject"];
        let models = self.names.object_arn(&format!("{MODELS}*"));
        let mut rights = rights_to_read(&self.names);
        rights.push(Right::new("ModelFiles", &actions, models));
        rights
    }

    async fn observe(&self, clients: &Clients) -> Result<Observation, StageError> {
        let Some(sha256) = object_sha256(clients, &self.names, &self.key).await? else {
            return Ok(Observation::Absent);
        };
        let facts = Facts::default().field("bucket", self.names.bucket.as_str()).field("sha256", sha256);
        Ok(Observation::Present { facts, outputs: self.outputs() })
    }

    /// Models that nothing desires any more. Their bucket keeps them for a while as old versions.
    async fn strays(&self, clients: &Clients) -> Result<Vec<Stray>, StageError> {
        if foreign_bucket(clients, &self.names).await?.is_some() {
            return Ok(vec![]);
        }
        let file = self.key.rsplit('/').next().unwrap_or_default();
        let request = clients.s3.list_objects_v2().bucket(&self.names.bucket).prefix(MODELS);
        let mut pages = request.into_paginator().send();
        let mut strays = vec![];
        while let Some(page) = pages.next().await {
            let page = match page.about("s3:ListBucket", format!("bucket `{}`", self.names.bucket)) {
                Ok(page) => page,
                Err(error) if error.meaning() == Meaning::Absent => break,
                Err(error) => return Err(error.into()),
            };
            let keys = page.contents().iter().filter_map(|object| object.key());
            let old = keys.filter(|key| *key != self.key && key.ends_with(file));
            let why = "of an older model";
            strays.extend(old.map(|key| Stray { of: self.id.clone(), name: key.to_owned(), why: why.to_owned() }));
        }
        Ok(strays)
    }

    async fn create(&self, ctx: &Ctx<'_>) -> Result<Outputs, StageError> {
        let path = self.file(ctx)?;
        let bytes = ctx.cache.read(&path)?;
        let sha256 = BASE64.encode(package::sha256(&bytes));
        let tagging = form(&tags::of(&self.names, self.id.stage()));
        let subject = format!("object `{}`", self.key);
        ctx.visible(&subject, ctx.limits.propagation, || async {
            let request = ctx.clients.s3.put_object().bucket(&self.names.bucket).key(&self.key).tagging(&tagging);
            let request = request.checksum_algorithm(ChecksumAlgorithm::Sha256).checksum_sha256(&sha256);
            let answer = request.body(ByteStream::from(bytes.clone())).send().await;
            answer.about("s3:PutObject", &subject)
        })
        .await?;
        Ok(self.outputs())
    }

    async fn update(&self, ctx: &Ctx<'_>) -> Result<Outputs, StageError> {
        self.create(ctx).await
    }

    async fn delete(&self, ctx: &Ctx<'_>, name: &str) -> Result<(), StageError> {
        let answer = ctx.clients.s3.delete_object().bucket(&self.names.bucket).key(name).send().await;
        if_present(answer.about("s3:DeleteObject", format!("object `{name}`")))?;
        Ok(())
    }
}

impl Object {
    fn file(&self, ctx: &Ctx<'_>) -> Result<PathBuf, StageError> {
        let fingerprint = &self.inputs.model.fingerprint;
        if self.id == MODEL {
            return Ok(ctx.cache.archive(fingerprint));
        }
        let missing = || StageError::here("could not upload the evaluation", "it is not in the cache");
        Ok(ctx.cache.model(fingerprint).ok_or_else(missing)?.evaluation)
    }

    fn outputs(&self) -> Outputs {
        outputs([("url", format!("s3://{}/{}", self.names.bucket, self.key).into())])
    }
}

/// What looking at models in the bucket needs: without the right to list, one that is absent looks forbidden.
pub(crate) fn rights_to_read(names: &Names) -> Vec<Right> {
    vec![
        Right::new("Bucket", &["s3:ListBucket", "s3:GetBucketTagging"], names.bucket_arn()),
        Right::new("ModelFiles", &["s3:GetObject"], names.object_arn(&format!("{MODELS}*"))),
    ]
}

/// SHA-256 of a stored object in hexadecimal, as S3 computed it; none when it is absent or the bucket is not ours.
pub(crate) async fn object_sha256(clients: &Clients, names: &Names, key: &str) -> Result<Option<String>, StageError> {
    if foreign_bucket(clients, names).await?.is_some() {
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

/// The whole of a small object, of at most [`OBJECT_LIMIT_BYTES`].
pub(crate) async fn object(clients: &Clients, bucket: &str, key: &str) -> Result<Vec<u8>, StageError> {
    let subject = format!("object `{key}`");
    let answer = clients.s3.get_object().bucket(bucket).key(key).send().await;
    let answer = answer.about("s3:GetObject", &subject)?;
    if answer.content_length().is_none_or(|length| !(0..=OBJECT_LIMIT_BYTES).contains(&length)) {
        let why = format!("it has more than {OBJECT_LIMIT_BYTES} bytes, which is the limit for what is read whole");
        return Err(StageError::here(format!("could not read {subject}"), why));
    }
    let body = answer.body.collect().await;
    Ok(body.map_err(|error| StageError::here(format!("could not read {subject}"), error))?.to_vec())
}

/// What is said of a bucket that may not be looked at.
const OTHER_ACCOUNT: &str = "the name is taken by another account";

/// Why the bucket is not ours, or not there; none when it is ours. What is in it is nobody else's business either.
pub(crate) async fn foreign_bucket(clients: &Clients, names: &Names) -> Result<Option<String>, CloudError> {
    let request = clients.s3.get_bucket_tagging().bucket(&names.bucket);
    let answer = request.expected_bucket_owner(&names.site.account).send().await;
    let tags = match answer.about("s3:GetBucketTagging", format!("bucket `{}`", names.bucket)) {
        Ok(answer) => answer.tag_set,
        Err(error) if error.meaning() == Meaning::Absent => vec![],
        // S3 tells only its own account who lacks what: for a bucket of another it says no more than "Access Denied".
        Err(error) if error.meaning() == Meaning::Refused && Denial::find(&error.message()).is_none() => {
            return Ok(Some(OTHER_ACCOUNT.to_owned()));
        }
        Err(error) => return Err(error),
    };
    Ok(tags::foreign(names, tags.iter().map(|tag| (tag.key(), tag.value()))))
}

fn form(tags: &std::collections::HashMap<String, String>) -> String {
    let encode =
        |text: &str| percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string();
    tags.iter().map(|(key, value)| format!("{}={}", encode(key), encode(value))).collect::<Vec<_>>().join("&")
}
