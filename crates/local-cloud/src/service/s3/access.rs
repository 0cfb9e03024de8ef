//! Who asks, and whether they may.

use std::sync::Arc;

use async_trait::async_trait;
use http::{HeaderMap, Uri};
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::{Credentials, S3Auth, SecretKey};
use s3s::dto::{CopyObjectInput, CopySource};
use s3s::path::S3Path;
use s3s::{S3Request, S3Result};

use super::{bucket, refuse};
use crate::Cloud;
use crate::call::{Caller, Refusal};
use crate::signature;

/// Tells `s3s` the secrets and what their holders may do.
pub(super) struct Access(pub(super) Arc<Cloud>);

#[async_trait]
impl S3Auth for Access {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        let key = signature::secret_of(&self.0, access_key).ok_or_else(refuse::invalid_access_key)?;
        Ok(key.secret_access_key.into())
    }
}

#[async_trait]
impl S3Access for Access {
    async fn check(&self, context: &mut S3AccessContext<'_>) -> S3Result<()> {
        let caller = caller(&self.0, context.credentials(), context.headers(), context.uri())?;
        let (bucket, key) = match context.s3_path() {
            S3Path::Root => (None, None),
            S3Path::Bucket { bucket } => (Some(&**bucket), None),
            S3Path::Object { bucket, key } => (Some(&**bucket), Some(&**key)),
        };
        if bucket.is_some_and(|bucket| !bucket::is_legal_name(bucket)) {
            return Err(refuse::invalid_bucket_name().into());
        }
        let owner = |name: &str| context.headers().get(name).and_then(|owner| owner.to_str().ok());
        if let Some(owner) = owner("x-amz-expected-bucket-owner")
            && bucket.is_some_and(|bucket| self.0.s3.exists(bucket))
            && owner != self.0.config.account
        {
            return Err(refuse::access_denied().into());
        }
        if owner("x-amz-source-expected-bucket-owner").is_some_and(|owner| owner != self.0.config.account) {
            return Err(refuse::access_denied().into());
        }
        let query = context.uri().query().unwrap_or_default();
        let versioned = form_urlencoded::parse(query.as_bytes()).any(|(name, _)| name == "versionId");
        // Each key of a `DeleteObjects` is judged by itself, when the list has been read.
        if let Some(action) = action(context.s3_op().name(), versioned) {
            authorize(&self.0, &caller, &action, &resource(bucket, key))?;
        }
        context.extensions_mut().insert(caller);
        Ok(())
    }

    async fn copy_object(&self, request: &mut S3Request<CopyObjectInput>) -> S3Result<()> {
        let CopySource::Bucket { bucket, key, version_id } = &request.input.copy_source else { return Ok(()) };
        let Some(caller) = request.extensions.get::<Caller>() else { return Err(refuse::access_denied().into()) };
        let action = if version_id.is_some() { "s3:GetObjectVersion" } else { "s3:GetObject" };
        Ok(authorize(&self.0, caller, action, &resource(Some(bucket), Some(key)))?)
    }
}

/// The holder of a key whose signature `s3s` has verified; `s3s` knows nothing of session tokens.
pub(super) fn caller(
    cloud: &Cloud,
    credentials: Option<&Credentials>,
    headers: &HeaderMap,
    uri: &Uri,
) -> Result<Caller, Refusal> {
    let credentials = credentials.ok_or_else(refuse::access_denied)?;
    let key = signature::secret_of(cloud, &credentials.access_key).ok_or_else(refuse::invalid_access_key)?;
    let header = headers.get("x-amz-security-token").and_then(|token| token.to_str().ok()).map(str::to_owned);
    let token = header.or_else(|| {
        let mut query = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
        query.find(|(name, _)| name == "X-Amz-Security-Token").map(|(_, token)| token.into_owned())
    });
    if signature::same(token.as_deref().unwrap_or_default(), key.session_token.as_deref().unwrap_or_default()) {
        Ok(key.caller)
    } else {
        Err(Refusal::new(400, "InvalidToken", "The provided token is malformed or otherwise invalid."))
    }
}

/// Lets the account do anything, and a role what its policies allow.
pub(super) fn authorize(cloud: &Cloud, caller: &Caller, action: &str, resource: &str) -> Result<(), Refusal> {
    let Some(role) = &caller.role else { return Ok(()) };
    cloud.iam.authorize(role, action, resource).map_err(|message| Refusal::new(403, "AccessDenied", message))
}

/// ARN of a bucket or object; of all buckets when there is none.
pub(super) fn resource(bucket: Option<&str>, key: Option<&str>) -> String {
    match (bucket, key) {
        (Some(bucket), Some(key)) => format!("arn:aws:s3:::{bucket}/{key}"),
        (Some(bucket), None) => format!("arn:aws:s3:::{bucket}"),
        _ => "*".to_owned(),
    }
}

/// The permission an operation needs, where it has one. Source: "Actions, resources, and condition keys for
/// Amazon S3".
fn action(operation: &str, versioned: bool) -> Option<String> {
    let name = match operation {
        "DeleteObjects" => return None,
        "HeadObject" | "GetObject" if versioned => "GetObjectVersion",
        "HeadObject" => "GetObject",
        "DeleteObject" if versioned => "DeleteObjectVersion",
        "GetObjectTagging" if versioned => "GetObjectVersionTagging",
        "PutObjectTagging" if versioned => "PutObjectVersionTagging",
        "DeleteObjectTagging" if versioned => "DeleteObjectVersionTagging",
        "CopyObject" | "CreateMultipartUpload" | "UploadPart" | "CompleteMultipartUpload" => "PutObject",
        "HeadBucket" | "ListObjects" | "ListObjectsV2" => "ListBucket",
        "ListObjectVersions" => "ListBucketVersions",
        "ListBuckets" => "ListAllMyBuckets",
        "ListMultipartUploads" => "ListBucketMultipartUploads",
        "ListParts" => "ListMultipartUploadParts",
        "DeleteBucketTagging" => "PutBucketTagging",
        "GetBucketEncryption" => "GetEncryptionConfiguration",
        "PutBucketEncryption" | "DeleteBucketEncryption" => "PutEncryptionConfiguration",
        "GetBucketLifecycleConfiguration" => "GetLifecycleConfiguration",
        "PutBucketLifecycleConfiguration" | "DeleteBucketLifecycle" => "PutLifecycleConfiguration",
        "GetPublicAccessBlock" => "GetBucketPublicAccessBlock",
        "PutPublicAccessBlock" | "DeletePublicAccessBlock" => "PutBucketPublicAccessBlock",
        "DeleteBucketOwnershipControls" => "PutBucketOwnershipControls",
        // The rest are called as their permissions are.
        same => same,
    };
    Some(format!("s3:{name}"))
}

#[cfg(test)]
mod tests {
    use http::{Method, Request};
    use http_body_util::BodyExt as _;

    use super::*;
    use crate::service::s3;

    async fn cloud(dir: &std::path::Path) -> Arc<Cloud> {
        Cloud::open(s3::tests::config(dir)).await.unwrap()
    }

    async fn answer(cloud: &Arc<Cloud>, request: http::request::Builder) -> String {
        let response = s3::serve(cloud, request.body(s3s::Body::empty()).unwrap()).await;
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let error = String::from_utf8_lossy(&body).into_owned();
        format!("{} {}", status.as_u16(), error.split_once("?>").map_or("", |(_, error)| error))
    }

    #[tokio::test]
    async fn nobody_gets_in_without_a_key() {
        let dir = tempfile::tempdir().unwrap();
        let cloud = cloud(dir.path()).await;
        insta::assert_snapshot!(answer(&cloud, Request::get("/data/k")).await, @"403 <Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>");
        insta::assert_snapshot!(answer(&cloud, Request::builder().method(Method::PUT).uri("/data")).await, @"403 <Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>");
        assert!(cloud.s3.is_empty());
    }

    #[tokio::test]
    async fn a_session_counts_only_with_its_token() {
        let dir = tempfile::tempdir().unwrap();
        let cloud = cloud(dir.path()).await;
        let session = cloud.iam.session("arn:aws:iam::123456789012:role/r", "s");
        let credentials = Credentials {
            access_key: session.access_key_id.clone(),
            secret_key: session.secret_access_key.clone().into(),
        };
        let ask = |token: Option<&str>| {
            let mut headers = HeaderMap::new();
            if let Some(token) = token {
                headers.insert("x-amz-security-token", token.parse().unwrap());
            }
            caller(&cloud, Some(&credentials), &headers, &Uri::from_static("/"))
        };
        assert_eq!(ask(None).unwrap_err().code, "InvalidToken");
        assert_eq!(ask(Some("another's")).unwrap_err().code, "InvalidToken");
        let caller = ask(Some(&session.session_token)).unwrap();
        assert_eq!(caller.role.as_deref(), Some("arn:aws:iam::123456789012:role/r"));
    }

    #[test]
    fn operations_need_the_permissions_that_policies_name() {
        let of = |operation, versioned| action(operation, versioned).unwrap_or_default();
        assert_eq!(of("GetObject", false), "s3:GetObject");
        assert_eq!(of("HeadObject", true), "s3:GetObjectVersion");
        assert_eq!(of("HeadBucket", false), "s3:ListBucket");
        assert_eq!(of("UploadPart", false), "s3:PutObject");
        assert_eq!(of("PutBucketVersioning", false), "s3:PutBucketVersioning");
        assert_eq!(action("DeleteObjects", false), None);
    }
}
