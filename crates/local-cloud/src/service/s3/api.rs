//! The operations, as `s3s` calls them.

use std::sync::Arc;

use async_trait::async_trait;
use s3s::dto;
use s3s::{S3Error, S3ErrorCode, S3Request, S3Response, S3Result};

use super::needs::resource;
use super::{access, refuse};
use crate::Cloud;
use crate::call::Caller;
use crate::permission::Permission;

/// The operations on one cloud.
pub(super) struct Api(pub(super) Arc<Cloud>);

impl Api {
    /// Whoever may not list a bucket does not learn that a key is absent.
    fn hide_absence<T>(&self, caller: Option<&Caller>, bucket: &str, result: S3Result<T>) -> S3Result<T> {
        let absent = |error: &S3Error| matches!(error.code(), S3ErrorCode::NoSuchKey);
        match (result, caller) {
            (Err(error), Some(caller)) if absent(&error) => {
                let bucket = resource(self.0.config.partition(), Some(bucket), None);
                access::ask(&self.0, caller, &Permission::new("s3:ListBucket", bucket))?;
                Err(error)
            }
            (result, _) => result,
        }
    }
}

/// The bucket that a copy is from.
fn bucket_of(source: &dto::CopySource) -> &str {
    match source {
        dto::CopySource::Bucket { bucket, .. } => bucket,
        _ => "",
    }
}

#[async_trait]
impl s3s::S3 for Api {
    async fn complete_multipart_upload(
        &self,
        request: S3Request<dto::CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<dto::CompleteMultipartUploadOutput>> {
        self.0.s3.complete_multipart_upload(request).await
    }

    async fn copy_object(
        &self,
        request: S3Request<dto::CopyObjectInput>,
    ) -> S3Result<S3Response<dto::CopyObjectOutput>> {
        let (caller, source) = (request.extensions.get::<Caller>().cloned(), request.input.copy_source.clone());
        let result = self.0.s3.copy_object(request).await;
        self.hide_absence(caller.as_ref(), bucket_of(&source), result)
    }

    async fn upload_part_copy(
        &self,
        request: S3Request<dto::UploadPartCopyInput>,
    ) -> S3Result<S3Response<dto::UploadPartCopyOutput>> {
        let (caller, source) = (request.extensions.get::<Caller>().cloned(), request.input.copy_source.clone());
        let result = self.0.s3.upload_part_copy(request).await;
        self.hide_absence(caller.as_ref(), bucket_of(&source), result)
    }

    async fn get_object_attributes(
        &self,
        request: S3Request<dto::GetObjectAttributesInput>,
    ) -> S3Result<S3Response<dto::GetObjectAttributesOutput>> {
        let result = self.0.s3.get_object_attributes(&request.input);
        self.hide_absence(request.extensions.get(), &request.input.bucket, result)
    }

    async fn get_object_acl(
        &self,
        request: S3Request<dto::GetObjectAclInput>,
    ) -> S3Result<S3Response<dto::GetObjectAclOutput>> {
        let result = self.0.s3.get_object_acl(&request.input);
        self.hide_absence(request.extensions.get(), &request.input.bucket, result)
    }

    async fn get_bucket_acl(
        &self,
        request: S3Request<dto::GetBucketAclInput>,
    ) -> S3Result<S3Response<dto::GetBucketAclOutput>> {
        self.0.s3.get_bucket_acl(&request.input)
    }

    async fn get_bucket_policy_status(
        &self,
        request: S3Request<dto::GetBucketPolicyStatusInput>,
    ) -> S3Result<S3Response<dto::GetBucketPolicyStatusOutput>> {
        self.0.s3.get_bucket_policy_status(&request.input)
    }

    /// Deletes what the caller may delete, and says of the rest that they may not.
    async fn delete_objects(
        &self,
        mut request: S3Request<dto::DeleteObjectsInput>,
    ) -> S3Result<S3Response<dto::DeleteObjectsOutput>> {
        let caller = request.extensions.get::<Caller>().cloned().ok_or_else(refuse::access_denied)?;
        let mut refused = Vec::new();
        let bucket = request.input.bucket.clone();
        request.input.delete.objects.retain(|object| {
            let action = if object.version_id.is_some() { "s3:DeleteObjectVersion" } else { "s3:DeleteObject" };
            let resource = resource(self.0.config.partition(), Some(&bucket), Some(&object.key));
            let verdict = access::ask(&self.0, &caller, &Permission::new(action, resource));
            if let Err(refusal) = &verdict {
                refused.push(dto::Error {
                    code: Some(refusal.code.clone()),
                    key: Some(object.key.clone()),
                    message: Some(refusal.message.clone()),
                    version_id: object.version_id.clone(),
                });
            }
            verdict.is_ok()
        });
        let mut response = self.0.s3.delete_objects(&request.input)?;
        refused.extend(response.output.errors.take().into_iter().flatten());
        response.output.errors = (!refused.is_empty()).then_some(refused);
        Ok(response)
    }

    async fn get_object(&self, request: S3Request<dto::GetObjectInput>) -> S3Result<S3Response<dto::GetObjectOutput>> {
        let result = self.0.s3.get_object(&request.input);
        self.hide_absence(request.extensions.get(), &request.input.bucket, result)
    }

    async fn head_object(
        &self,
        request: S3Request<dto::HeadObjectInput>,
    ) -> S3Result<S3Response<dto::HeadObjectOutput>> {
        let result = self.0.s3.head_object(&request.input);
        self.hide_absence(request.extensions.get(), &request.input.bucket, result)
    }

    async fn list_buckets(
        &self,
        request: S3Request<dto::ListBucketsInput>,
    ) -> S3Result<S3Response<dto::ListBucketsOutput>> {
        Ok(self.0.s3.list_buckets(&request.input))
    }

    async fn put_object(&self, request: S3Request<dto::PutObjectInput>) -> S3Result<S3Response<dto::PutObjectOutput>> {
        self.0.s3.put_object(request).await
    }

    async fn upload_part(
        &self,
        request: S3Request<dto::UploadPartInput>,
    ) -> S3Result<S3Response<dto::UploadPartOutput>> {
        self.0.s3.upload_part(request).await
    }

    async fn abort_multipart_upload(
        &self,
        request: S3Request<dto::AbortMultipartUploadInput>,
    ) -> S3Result<S3Response<dto::AbortMultipartUploadOutput>> {
        self.0.s3.abort_multipart_upload(&request.input)
    }

    async fn create_multipart_upload(
        &self,
        request: S3Request<dto::CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<dto::CreateMultipartUploadOutput>> {
        self.0.s3.create_multipart_upload(&request.input)
    }

    async fn delete_bucket(
        &self,
        request: S3Request<dto::DeleteBucketInput>,
    ) -> S3Result<S3Response<dto::DeleteBucketOutput>> {
        self.0.s3.delete_bucket(&request.input)
    }

    async fn delete_bucket_encryption(
        &self,
        request: S3Request<dto::DeleteBucketEncryptionInput>,
    ) -> S3Result<S3Response<dto::DeleteBucketEncryptionOutput>> {
        self.0.s3.delete_bucket_encryption(&request.input)
    }

    async fn delete_bucket_lifecycle(
        &self,
        request: S3Request<dto::DeleteBucketLifecycleInput>,
    ) -> S3Result<S3Response<dto::DeleteBucketLifecycleOutput>> {
        self.0.s3.delete_bucket_lifecycle(&request.input)
    }

    async fn delete_bucket_ownership_controls(
        &self,
        request: S3Request<dto::DeleteBucketOwnershipControlsInput>,
    ) -> S3Result<S3Response<dto::DeleteBucketOwnershipControlsOutput>> {
        self.0.s3.delete_bucket_ownership_controls(&request.input)
    }

    async fn delete_bucket_policy(
        &self,
        request: S3Request<dto::DeleteBucketPolicyInput>,
    ) -> S3Result<S3Response<dto::DeleteBucketPolicyOutput>> {
        self.0.s3.delete_bucket_policy(&request.input)
    }

    async fn delete_bucket_tagging(
        &self,
        request: S3Request<dto::DeleteBucketTaggingInput>,
    ) -> S3Result<S3Response<dto::DeleteBucketTaggingOutput>> {
        self.0.s3.delete_bucket_tagging(&request.input)
    }

    async fn delete_object(
        &self,
        request: S3Request<dto::DeleteObjectInput>,
    ) -> S3Result<S3Response<dto::DeleteObjectOutput>> {
        self.0.s3.delete_object(&request.input)
    }

    async fn delete_object_tagging(
        &self,
        request: S3Request<dto::DeleteObjectTaggingInput>,
    ) -> S3Result<S3Response<dto::DeleteObjectTaggingOutput>> {
        self.0.s3.delete_object_tagging(&request.input)
    }

    async fn delete_public_access_block(
        &self,
        request: S3Request<dto::DeletePublicAccessBlockInput>,
    ) -> S3Result<S3Response<dto::DeletePublicAccessBlockOutput>> {
        self.0.s3.delete_public_access_block(&request.input)
    }

    async fn get_bucket_encryption(
        &self,
        request: S3Request<dto::GetBucketEncryptionInput>,
    ) -> S3Result<S3Response<dto::GetBucketEncryptionOutput>> {
        self.0.s3.get_bucket_encryption(&request.input)
    }

    async fn get_bucket_lifecycle_configuration(
        &self,
        request: S3Request<dto::GetBucketLifecycleConfigurationInput>,
    ) -> S3Result<S3Response<dto::GetBucketLifecycleConfigurationOutput>> {
        self.0.s3.get_bucket_lifecycle(&request.input)
    }

    async fn get_bucket_location(
        &self,
        request: S3Request<dto::GetBucketLocationInput>,
    ) -> S3Result<S3Response<dto::GetBucketLocationOutput>> {
        self.0.s3.get_bucket_location(&request.input)
    }

    async fn get_bucket_ownership_controls(
        &self,
        request: S3Request<dto::GetBucketOwnershipControlsInput>,
    ) -> S3Result<S3Response<dto::GetBucketOwnershipControlsOutput>> {
        self.0.s3.get_bucket_ownership_controls(&request.input)
    }

    async fn get_bucket_policy(
        &self,
        request: S3Request<dto::GetBucketPolicyInput>,
    ) -> S3Result<S3Response<dto::GetBucketPolicyOutput>> {
        self.0.s3.get_bucket_policy(&request.input)
    }

    async fn get_bucket_tagging(
        &self,
        request: S3Request<dto::GetBucketTaggingInput>,
    ) -> S3Result<S3Response<dto::GetBucketTaggingOutput>> {
        self.0.s3.get_bucket_tagging(&request.input)
    }

    async fn get_bucket_versioning(
        &self,
        request: S3Request<dto::GetBucketVersioningInput>,
    ) -> S3Result<S3Response<dto::GetBucketVersioningOutput>> {
        self.0.s3.get_bucket_versioning(&request.input)
    }

    async fn get_object_tagging(
        &self,
        request: S3Request<dto::GetObjectTaggingInput>,
    ) -> S3Result<S3Response<dto::GetObjectTaggingOutput>> {
        self.0.s3.get_object_tagging(&request.input)
    }

    async fn get_public_access_block(
        &self,
        request: S3Request<dto::GetPublicAccessBlockInput>,
    ) -> S3Result<S3Response<dto::GetPublicAccessBlockOutput>> {
        self.0.s3.get_public_access_block(&request.input)
    }

    async fn head_bucket(
        &self,
        request: S3Request<dto::HeadBucketInput>,
    ) -> S3Result<S3Response<dto::HeadBucketOutput>> {
        self.0.s3.head_bucket(&request.input)
    }

    async fn list_multipart_uploads(
        &self,
        request: S3Request<dto::ListMultipartUploadsInput>,
    ) -> S3Result<S3Response<dto::ListMultipartUploadsOutput>> {
        self.0.s3.list_multipart_uploads(&request.input)
    }

    async fn list_object_versions(
        &self,
        request: S3Request<dto::ListObjectVersionsInput>,
    ) -> S3Result<S3Response<dto::ListObjectVersionsOutput>> {
        self.0.s3.list_object_versions(&request.input)
    }

    async fn list_objects(
        &self,
        request: S3Request<dto::ListObjectsInput>,
    ) -> S3Result<S3Response<dto::ListObjectsOutput>> {
        self.0.s3.list_objects(&request.input)
    }

    async fn list_objects_v2(
        &self,
        request: S3Request<dto::ListObjectsV2Input>,
    ) -> S3Result<S3Response<dto::ListObjectsV2Output>> {
        self.0.s3.list_objects_v2(&request.input)
    }

    async fn list_parts(&self, request: S3Request<dto::ListPartsInput>) -> S3Result<S3Response<dto::ListPartsOutput>> {
        self.0.s3.list_parts(&request.input)
    }

    async fn put_bucket_encryption(
        &self,
        request: S3Request<dto::PutBucketEncryptionInput>,
    ) -> S3Result<S3Response<dto::PutBucketEncryptionOutput>> {
        self.0.s3.put_bucket_encryption(&request.input)
    }

    async fn put_bucket_lifecycle_configuration(
        &self,
        request: S3Request<dto::PutBucketLifecycleConfigurationInput>,
    ) -> S3Result<S3Response<dto::PutBucketLifecycleConfigurationOutput>> {
        self.0.s3.put_bucket_lifecycle(&request.input)
    }

    async fn put_bucket_ownership_controls(
        &self,
        request: S3Request<dto::PutBucketOwnershipControlsInput>,
    ) -> S3Result<S3Response<dto::PutBucketOwnershipControlsOutput>> {
        self.0.s3.put_bucket_ownership_controls(&request.input)
    }

    async fn put_bucket_policy(
        &self,
        request: S3Request<dto::PutBucketPolicyInput>,
    ) -> S3Result<S3Response<dto::PutBucketPolicyOutput>> {
        self.0.s3.put_bucket_policy(&request.input)
    }

    async fn put_bucket_tagging(
        &self,
        request: S3Request<dto::PutBucketTaggingInput>,
    ) -> S3Result<S3Response<dto::PutBucketTaggingOutput>> {
        self.0.s3.put_bucket_tagging(&request.input)
    }

    async fn put_bucket_versioning(
        &self,
        request: S3Request<dto::PutBucketVersioningInput>,
    ) -> S3Result<S3Response<dto::PutBucketVersioningOutput>> {
        self.0.s3.put_bucket_versioning(&request.input)
    }

    async fn put_object_tagging(
        &self,
        request: S3Request<dto::PutObjectTaggingInput>,
    ) -> S3Result<S3Response<dto::PutObjectTaggingOutput>> {
        self.0.s3.put_object_tagging(&request.input)
    }

    async fn put_public_access_block(
        &self,
        request: S3Request<dto::PutPublicAccessBlockInput>,
    ) -> S3Result<S3Response<dto::PutPublicAccessBlockOutput>> {
        self.0.s3.put_public_access_block(&request.input)
    }
}
