//! What each operation needs to be allowed. Source: "Actions, resources, and condition keys for Amazon S3", and the
//! permissions that the API reference names for headers.

use http::{HeaderMap, Uri};

use crate::permission::Permission;

/// A request, as far as permissions hang on it.
pub(super) struct Asked<'a> {
    /// `aws`, `aws-cn` or `aws-us-gov`.
    pub(super) partition: &'a str,
    pub(super) bucket: Option<&'a str>,
    pub(super) key: Option<&'a str>,
    pub(super) uri: &'a Uri,
    pub(super) headers: &'a HeaderMap,
}

impl Asked<'_> {
    /// What the operation of this name needs. Each key of a `DeleteObjects` is judged by itself, when the list has been
    /// read; what is copied from, when its name has been.
    pub(super) fn needs(&self, operation: &str) -> Vec<Permission> {
        let versioned = self.query().any(|(name, _)| name == "versionId");
        let Some(action) = action(operation, versioned) else { return vec![] };
        let resource = resource(self.partition, self.bucket, self.key);
        let listed = self.query().filter(|(name, _)| matches!(&**name, "prefix" | "delimiter" | "max-keys"));
        let main = Permission::new(action, resource.as_str());
        let main = listed.fold(main, |main, (name, value)| main.with(format!("s3:{name}"), value));
        let more = match operation {
            "PutObject" | "CopyObject" | "CreateMultipartUpload" => ("x-amz-tagging", "s3:PutObjectTagging"),
            // Source: the API reference, under "Permissions".
            "GetObjectAttributes" => {
                let read = if versioned { "s3:GetObjectVersion" } else { "s3:GetObject" };
                return vec![main, Permission::new(read, resource)];
            }
            "CreateBucket" => ("x-amz-object-ownership", "s3:PutBucketOwnershipControls"),
            _ => return vec![main],
        };
        let (header, action) = more;
        let more = self.headers.contains_key(header).then(|| Permission::new(action, resource));
        [main].into_iter().chain(more).collect()
    }

    fn query(&self) -> form_urlencoded::Parse<'_> {
        form_urlencoded::parse(self.uri.query().unwrap_or_default().as_bytes())
    }
}

/// ARN of a bucket or object; of all buckets when there is none.
pub(super) fn resource(partition: &str, bucket: Option<&str>, key: Option<&str>) -> String {
    match (bucket, key) {
        (Some(bucket), Some(key)) => format!("arn:{partition}:s3:::{bucket}/{key}"),
        (Some(bucket), None) => format!("arn:{partition}:s3:::{bucket}"),
        _ => "*".to_owned(),
    }
}

/// The permission that an operation is called by.
fn action(operation: &str, versioned: bool) -> Option<String> {
    let name = match operation {
        // A form names its key in a field.
        "DeleteObjects" | "PostObject" => return None,
        "HeadObject" | "GetObject" if versioned => "GetObjectVersion",
        "HeadObject" => "GetObject",
        "DeleteObject" if versioned => "DeleteObjectVersion",
        "GetObjectTagging" if versioned => "GetObjectVersionTagging",
        "PutObjectTagging" if versioned => "PutObjectVersionTagging",
        "DeleteObjectTagging" if versioned => "DeleteObjectVersionTagging",
        "CopyObject" | "CreateMultipartUpload" | "UploadPart" | "UploadPartCopy" | "CompleteMultipartUpload" => {
            "PutObject"
        }
        "GetObjectAttributes" if versioned => "GetObjectVersionAttributes",
        "GetObjectAcl" if versioned => "GetObjectVersionAcl",
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
    use super::*;

    fn needs(operation: &str, uri: &'static str, header: Option<&'static str>) -> String {
        let mut headers = HeaderMap::new();
        if let Some(name) = header {
            headers.insert(name, "x".parse().unwrap());
        }
        let uri = Uri::from_static(uri);
        let key = operation.contains("Object").then_some("k");
        let asked = Asked { partition: "aws", bucket: Some("b"), key, uri: &uri, headers: &headers };
        let needs = asked.needs(operation).into_iter().map(|need| format!("{} on {}", need.action, need.resource));
        needs.collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn operations_need_the_permissions_that_policies_name() {
        assert_eq!(needs("GetObject", "/b/k", None), "s3:GetObject on arn:aws:s3:::b/k");
        assert_eq!(needs("HeadObject", "/b/k?versionId=1", None), "s3:GetObjectVersion on arn:aws:s3:::b/k");
        assert_eq!(needs("HeadBucket", "/b", None), "s3:ListBucket on arn:aws:s3:::b");
        assert_eq!(needs("UploadPart", "/b/k", None), "s3:PutObject on arn:aws:s3:::b");
        assert_eq!(needs("PutBucketVersioning", "/b?versioning", None), "s3:PutBucketVersioning on arn:aws:s3:::b");
        assert_eq!(needs("DeleteObjects", "/b?delete", None), "");
    }

    #[test]
    fn headers_need_permissions_of_their_own() {
        let tagged = "s3:PutObject on arn:aws:s3:::b/k, s3:PutObjectTagging on arn:aws:s3:::b/k";
        assert_eq!(needs("PutObject", "/b/k", Some("x-amz-tagging")), tagged);
        let owned = "s3:CreateBucket on arn:aws:s3:::b, s3:PutBucketOwnershipControls on arn:aws:s3:::b";
        assert_eq!(needs("CreateBucket", "/b", Some("x-amz-object-ownership")), owned);
    }
}
