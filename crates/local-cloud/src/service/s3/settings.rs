//! Sub-resources of a bucket: versioning, encryption, public access, ownership, policy.
//!
//! Policies are enforced where requests are let in (`access`). One that denies requests with `aws:SecureTransport`
//! false protects a network, and loopback is none: here every transport counts as secure, so that it locks nobody out
//! of a cloud that speaks plain HTTP.

use s3s::dto;
use s3s::dto::{
    DeleteBucketEncryptionInput, DeleteBucketEncryptionOutput, DeleteBucketOwnershipControlsInput,
    DeleteBucketOwnershipControlsOutput, DeleteBucketPolicyInput, DeleteBucketPolicyOutput,
    DeletePublicAccessBlockInput, DeletePublicAccessBlockOutput, GetBucketEncryptionInput, GetBucketEncryptionOutput,
    GetBucketOwnershipControlsInput, GetBucketOwnershipControlsOutput, GetBucketPolicyInput, GetBucketPolicyOutput,
    GetBucketVersioningInput, GetBucketVersioningOutput, GetPublicAccessBlockInput, GetPublicAccessBlockOutput,
    PutBucketEncryptionInput, PutBucketEncryptionOutput, PutBucketOwnershipControlsInput,
    PutBucketOwnershipControlsOutput, PutBucketPolicyInput, PutBucketPolicyOutput, PutBucketVersioningInput,
    PutBucketVersioningOutput, PutPublicAccessBlockInput, PutPublicAccessBlockOutput,
};
use s3s::{S3Response, S3Result};

use super::index::{Bucket, Versioning};
use super::{S3, bucket, members, policy, refuse};
use crate::call::Refusal;
use crate::cloud::partition;

impl S3 {
    pub(super) fn look<R>(&self, bucket: &str, look: impl FnOnce(&Bucket) -> R) -> Result<R, Refusal> {
        self.index.read(|index| Ok(look(index.bucket(bucket)?)))
    }

    pub(super) fn change(&self, bucket: &str, change: impl FnOnce(&mut Bucket)) -> Result<(), Refusal> {
        self.index.write(|index| {
            change(index.bucket_mut(bucket)?);
            Ok(())
        })
    }

    pub(super) fn get_bucket_versioning(
        &self,
        input: &GetBucketVersioningInput,
    ) -> S3Result<S3Response<GetBucketVersioningOutput>> {
        let status = match self.look(&input.bucket, |bucket| bucket.versioning)? {
            Versioning::Unset => None,
            Versioning::Enabled => Some(dto::BucketVersioningStatus::from_static("Enabled")),
            Versioning::Suspended => Some(dto::BucketVersioningStatus::from_static("Suspended")),
        };
        Ok(S3Response::new(GetBucketVersioningOutput { status, mfa_delete: None }))
    }

    pub(super) fn put_bucket_versioning(
        &self,
        input: &PutBucketVersioningInput,
    ) -> S3Result<S3Response<PutBucketVersioningOutput>> {
        let second_factor = input.versioning_configuration.mfa_delete.as_ref().map(dto::MFADelete::as_str);
        match second_factor {
            None | Some("Disabled") => {}
            Some("Enabled") => {
                return Err(members::refuse("PutBucketVersioning", "VersioningConfiguration.MFADelete").into());
            }
            Some(_) => return Err(refuse::malformed_xml().into()),
        }
        let status = input.versioning_configuration.status.as_ref().map(dto::BucketVersioningStatus::as_str);
        let versioning = match status {
            Some("Enabled") => Versioning::Enabled,
            Some("Suspended") => Versioning::Suspended,
            Some(_) => return Err(refuse::malformed_xml().into()),
            None => {
                return Err(Refusal::new(
                    400,
                    "IllegalVersioningConfigurationException",
                    "The Versioning element must be specified",
                )
                .into());
            }
        };
        self.change(&input.bucket, |bucket| bucket.versioning = versioning)?;
        Ok(S3Response::new(PutBucketVersioningOutput {}))
    }

    /// Never absent: buckets are encrypted with SSE-S3 unless told otherwise.
    pub(super) fn get_bucket_encryption(
        &self,
        input: &GetBucketEncryptionInput,
    ) -> S3Result<S3Response<GetBucketEncryptionOutput>> {
        let kept = self.look(&input.bucket, |bucket| bucket.encryption.clone())?;
        let server_side_encryption_configuration = Some(kept.unwrap_or_else(default_encryption));
        Ok(S3Response::new(GetBucketEncryptionOutput { server_side_encryption_configuration }))
    }

    pub(super) fn put_bucket_encryption(
        &self,
        input: &PutBucketEncryptionInput,
    ) -> S3Result<S3Response<PutBucketEncryptionOutput>> {
        let mut config = input.server_side_encryption_configuration.clone();
        let [rule] = config.rules.as_mut_slice() else { return Err(refuse::malformed_xml().into()) };
        let Some(default) = &rule.apply_server_side_encryption_by_default else {
            return Err(refuse::malformed_xml().into());
        };
        match default.sse_algorithm.as_str() {
            "AES256" if default.kms_master_key_id.is_some() => {
                let message = "a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms or \
                               aws:kms:dsse";
                return Err(refuse::invalid_argument("ApplyServerSideEncryptionByDefault", None, message).into());
            }
            "AES256" | "aws:kms" | "aws:kms:dsse" => {}
            _ => return Err(refuse::malformed_xml().into()),
        }
        rule.bucket_key_enabled.get_or_insert(false);
        self.change(&input.bucket, |bucket| bucket.encryption = Some(config))?;
        Ok(S3Response::new(PutBucketEncryptionOutput {}))
    }

    pub(super) fn delete_bucket_encryption(
        &self,
        input: &DeleteBucketEncryptionInput,
    ) -> S3Result<S3Response<DeleteBucketEncryptionOutput>> {
        self.change(&input.bucket, |bucket| bucket.encryption = None)?;
        Ok(S3Response::new(DeleteBucketEncryptionOutput {}))
    }

    pub(super) fn get_public_access_block(
        &self,
        input: &GetPublicAccessBlockInput,
    ) -> S3Result<S3Response<GetPublicAccessBlockOutput>> {
        let kept = self.look(&input.bucket, |bucket| bucket.public_access_block.clone())?;
        let configuration = kept.ok_or_else(|| {
            Refusal::new(
                404,
                "NoSuchPublicAccessBlockConfiguration",
                "The public access block configuration was not found",
            )
        })?;
        Ok(S3Response::new(GetPublicAccessBlockOutput { public_access_block_configuration: Some(configuration) }))
    }

    pub(super) fn put_public_access_block(
        &self,
        input: &PutPublicAccessBlockInput,
    ) -> S3Result<S3Response<PutPublicAccessBlockOutput>> {
        let said = &input.public_access_block_configuration;
        let configuration = dto::PublicAccessBlockConfiguration {
            block_public_acls: Some(said.block_public_acls.unwrap_or_default()),
            block_public_policy: Some(said.block_public_policy.unwrap_or_default()),
            ignore_public_acls: Some(said.ignore_public_acls.unwrap_or_default()),
            restrict_public_buckets: Some(said.restrict_public_buckets.unwrap_or_default()),
        };
        self.change(&input.bucket, |bucket| bucket.public_access_block = Some(configuration))?;
        Ok(S3Response::new(PutPublicAccessBlockOutput {}))
    }

    pub(super) fn delete_public_access_block(
        &self,
        input: &DeletePublicAccessBlockInput,
    ) -> S3Result<S3Response<DeletePublicAccessBlockOutput>> {
        self.change(&input.bucket, |bucket| bucket.public_access_block = None)?;
        Ok(S3Response::new(DeletePublicAccessBlockOutput {}))
    }

    pub(super) fn get_bucket_ownership_controls(
        &self,
        input: &GetBucketOwnershipControlsInput,
    ) -> S3Result<S3Response<GetBucketOwnershipControlsOutput>> {
        let kept = self.look(&input.bucket, |bucket| bucket.ownership.clone())?;
        let ownership = kept.ok_or_else(|| {
            Refusal::new(404, "OwnershipControlsNotFoundError", "The bucket ownership controls were not found")
        })?;
        let rules = vec![dto::OwnershipControlsRule { object_ownership: ownership.into() }];
        let ownership_controls = Some(dto::OwnershipControls { rules });
        Ok(S3Response::new(GetBucketOwnershipControlsOutput { ownership_controls }))
    }

    pub(super) fn put_bucket_ownership_controls(
        &self,
        input: &PutBucketOwnershipControlsInput,
    ) -> S3Result<S3Response<PutBucketOwnershipControlsOutput>> {
        let [rule] = input.ownership_controls.rules.as_slice() else { return Err(refuse::malformed_xml().into()) };
        let ownership = rule.object_ownership.as_str().to_owned();
        bucket::check_ownership(&ownership).map_err(|_| refuse::malformed_xml())?;
        self.change(&input.bucket, |bucket| bucket.ownership = Some(ownership))?;
        Ok(S3Response::new(PutBucketOwnershipControlsOutput {}))
    }

    pub(super) fn delete_bucket_ownership_controls(
        &self,
        input: &DeleteBucketOwnershipControlsInput,
    ) -> S3Result<S3Response<DeleteBucketOwnershipControlsOutput>> {
        self.change(&input.bucket, |bucket| bucket.ownership = None)?;
        Ok(S3Response::new(DeleteBucketOwnershipControlsOutput {}))
    }

    pub(super) fn get_bucket_policy(
        &self,
        input: &GetBucketPolicyInput,
    ) -> S3Result<S3Response<GetBucketPolicyOutput>> {
        let kept = self.look(&input.bucket, |bucket| bucket.policy.clone())?;
        Ok(S3Response::new(GetBucketPolicyOutput { policy: Some(kept.ok_or_else(refuse::no_such_bucket_policy)?) }))
    }

    pub(crate) fn put_bucket_policy(
        &self,
        input: &PutBucketPolicyInput,
    ) -> S3Result<S3Response<PutBucketPolicyOutput>> {
        self.look(&input.bucket, |_| ())?;
        policy::check(&input.bucket, partition(&self.region), &input.policy)?;
        self.change(&input.bucket, |bucket| bucket.policy = Some(input.policy.clone()))?;
        Ok(S3Response::new(PutBucketPolicyOutput {}))
    }

    pub(super) fn delete_bucket_policy(
        &self,
        input: &DeleteBucketPolicyInput,
    ) -> S3Result<S3Response<DeleteBucketPolicyOutput>> {
        self.change(&input.bucket, |bucket| bucket.policy = None)?;
        Ok(S3Response::new(DeleteBucketPolicyOutput {}))
    }
}

fn default_encryption() -> dto::ServerSideEncryptionConfiguration {
    dto::ServerSideEncryptionConfiguration {
        rules: vec![dto::ServerSideEncryptionRule {
            apply_server_side_encryption_by_default: Some(dto::ServerSideEncryptionByDefault {
                kms_master_key_id: None,
                sse_algorithm: dto::ServerSideEncryption::from_static("AES256"),
            }),
            bucket_key_enabled: Some(false),
        }],
    }
}
