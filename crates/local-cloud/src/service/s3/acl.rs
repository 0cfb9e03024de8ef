//! Access control lists: the owner's full control, and nothing else. Buckets of today have no others, and this account
//! has no other to grant anything to.
//!
//! Source: "Controlling ownership of objects and disabling ACLs" and "Access control list (ACL) overview" of the S3 user
//! guide.

use s3s::dto::{
    GetBucketAclInput, GetBucketAclOutput, GetBucketPolicyStatusInput, GetBucketPolicyStatusOutput, GetObjectAclInput,
    GetObjectAclOutput, Grant, Grantee, Permission, PolicyStatus, Type,
};
use s3s::{S3Response, S3Result};

use super::index::Bucket;
use super::object::deleted;
use super::{S3, policy, refuse};
use crate::call::Refusal;

/// What a new bucket or object without ACLs takes as its ACL.
const ENFORCED: &str = "BucketOwnerEnforced";
/// Headers that grant something to somebody.
const GRANTS: [&str; 5] = [
    "x-amz-grant-full-control",
    "x-amz-grant-read",
    "x-amz-grant-read-acp",
    "x-amz-grant-write",
    "x-amz-grant-write-acp",
];

impl S3 {
    pub(super) fn get_bucket_acl(&self, input: &GetBucketAclInput) -> S3Result<S3Response<GetBucketAclOutput>> {
        self.index.read(|index| index.bucket(&input.bucket).map(|_| ()))?;
        Ok(S3Response::new(GetBucketAclOutput { grants: Some(vec![self.grant()]), owner: Some(self.owner()) }))
    }

    pub(super) fn get_object_acl(&self, input: &GetObjectAclInput) -> S3Result<S3Response<GetObjectAclOutput>> {
        let (key, id) = (&input.key, input.version_id.as_deref());
        self.index.read(|index| {
            let version = index.bucket(&input.bucket)?.version(key, id)?;
            version.content.as_ref().map(|_| ()).ok_or_else(|| deleted(key, id))
        })?;
        let grants = Some(vec![self.grant()]);
        Ok(S3Response::new(GetObjectAclOutput { grants, owner: Some(self.owner()), request_charged: None }))
    }

    pub(super) fn get_bucket_policy_status(
        &self,
        input: &GetBucketPolicyStatusInput,
    ) -> S3Result<S3Response<GetBucketPolicyStatusOutput>> {
        let kept = self.index.read(|index| Ok::<_, Refusal>(index.bucket(&input.bucket)?.policy.clone()))?;
        let is_public = policy::is_public(&kept.ok_or_else(refuse::no_such_bucket_policy)?);
        let policy_status = Some(PolicyStatus { is_public: Some(is_public) });
        Ok(S3Response::new(GetBucketPolicyStatusOutput { policy_status }))
    }

    fn grant(&self) -> Grant {
        let id = self.owner().id;
        let type_ = Type::from_static(Type::CANONICAL_USER);
        let grantee = Grantee { display_name: None, email_address: None, id, type_, uri: None };
        Grant { grantee: Some(grantee), permission: Some(Permission::from_static(Permission::FULL_CONTROL)) }
    }
}

/// Checks the ACL of a new object: a canned one, or grants in headers.
pub(super) fn check_object(bucket: &Bucket, canned: Option<&str>, has_grants: bool) -> Result<(), Refusal> {
    let canned = canned.map(known).transpose()?;
    check_one_kind(canned, has_grants)?;
    if bucket.ownership.as_deref() == Some(ENFORCED) {
        return match canned {
            None if has_grants => Err(not_supported()),
            None | Some("bucket-owner-full-control") => Ok(()),
            Some(_) => Err(not_supported()),
        };
    }
    let blocks = bucket.public_access_block.as_ref().is_some_and(|block| block.block_public_acls == Some(true));
    match canned {
        Some("public-read" | "public-read-write") if blocks => Err(refuse::access_denied()),
        _ => check_offered(canned, has_grants),
    }
}

/// Checks the ACL of a new bucket.
pub(super) fn check_bucket(ownership: &str, canned: Option<&str>, has_grants: bool) -> Result<(), Refusal> {
    let canned = canned.map(known).transpose()?;
    check_one_kind(canned, has_grants)?;
    // Two of the canned ones are for objects, and ignored here.
    let canned = canned.filter(|canned| !canned.starts_with("bucket-owner-"));
    if ownership == ENFORCED && (has_grants || canned.is_some_and(|canned| canned != "private")) {
        return Err(Refusal::new(
            400,
            "InvalidBucketAclWithObjectOwnership",
            "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting",
        ));
    }
    check_offered(canned, has_grants)
}

/// Whether a header grants something, of all that a request has.
pub(super) fn has_grants(headers: &http::HeaderMap) -> bool {
    GRANTS.iter().any(|name| headers.contains_key(*name))
}

fn known(canned: &str) -> Result<&str, Refusal> {
    const CANNED: [&str; 8] = [
        "private",
        "public-read",
        "public-read-write",
        "authenticated-read",
        "aws-exec-read",
        "bucket-owner-read",
        "bucket-owner-full-control",
        "log-delivery-write",
    ];
    // AWS says no more than the name of the header and its value.
    if CANNED.contains(&canned) { Ok(canned) } else { Err(refuse::invalid_argument("x-amz-acl", Some(canned), "")) }
}

fn check_one_kind(canned: Option<&str>, has_grants: bool) -> Result<(), Refusal> {
    if canned.is_some() && has_grants {
        return Err(refuse::invalid_request("Specifying both Canned ACLs and Header Grants is not allowed"));
    }
    Ok(())
}

fn check_offered(canned: Option<&str>, has_grants: bool) -> Result<(), Refusal> {
    match canned {
        _ if has_grants => Err(Refusal::not_offered("grants of an ACL: this account is the only one")),
        None | Some("private" | "bucket-owner-read" | "bucket-owner-full-control") => Ok(()),
        Some(other) => Err(Refusal::not_offered(format!("the canned ACL `{other}`: this account is the only one"))),
    }
}

fn not_supported() -> Refusal {
    Refusal::new(400, "AccessControlListNotSupported", "The bucket does not allow ACLs")
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn said(ownership: &str, canned: Option<&str>, grants: bool) -> String {
        let bucket = Bucket::new(super::super::index::Tags::new(), ownership.to_owned(), Timestamp::UNIX_EPOCH);
        match check_object(&bucket, canned, grants) {
            Ok(()) => "taken".to_owned(),
            Err(refusal) => format!("{} {}", refusal.status.as_u16(), refusal.code),
        }
    }

    #[test]
    fn a_bucket_without_acls_takes_the_owners_full_control_alone() {
        assert_eq!(said(ENFORCED, None, false), "taken");
        assert_eq!(said(ENFORCED, Some("bucket-owner-full-control"), false), "taken");
        for canned in ["private", "public-read", "bucket-owner-read"] {
            assert_eq!(said(ENFORCED, Some(canned), false), "400 AccessControlListNotSupported", "{canned}");
        }
        assert_eq!(said(ENFORCED, None, true), "400 AccessControlListNotSupported");
        assert_eq!(said(ENFORCED, Some("fake-acl"), false), "400 InvalidArgument");
        assert_eq!(said(ENFORCED, Some("private"), true), "400 InvalidRequest");
    }

    #[test]
    fn where_acls_count_only_those_that_grant_nothing_are_taken() {
        assert_eq!(said("ObjectWriter", Some("private"), false), "taken");
        assert_eq!(said("ObjectWriter", Some("public-read"), false), "403 AccessDenied", "the block of public ACLs");
        assert_eq!(said("ObjectWriter", Some("authenticated-read"), false), "501 NotImplemented");
        assert_eq!(said("ObjectWriter", None, true), "501 NotImplemented");
    }
}
