//! Making, finding and removing buckets.

use http::{HeaderMap, HeaderValue};
use jiff::Timestamp;
use s3s::dto::{
    Bucket as WireBucket, BucketLocationConstraint, DeleteBucketInput, DeleteBucketOutput, GetBucketLocationInput,
    GetBucketLocationOutput, HeadBucketInput, HeadBucketOutput, Initiator, ListBucketsInput, ListBucketsOutput, Owner,
};
use s3s::{S3Response, S3Result};

use super::index::{Bucket, wire_time};
use super::{S3, acl, refuse, tags};
use crate::call::Refusal;

/// The region whose buckets have no location constraint and whose second create succeeds.
const US_EAST_1: &str = "us-east-1";

/// What a `CreateBucket` asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    /// `LocationConstraint` of the body.
    pub(super) location: Option<String>,
    /// `Tags` of the body.
    pub(super) tags: Vec<(String, String)>,
    /// `x-amz-object-ownership`.
    pub(super) ownership: Option<String>,
    /// `x-amz-acl`.
    pub(super) acl: Option<String>,
    /// Whether a header `x-amz-grant-…` is there.
    pub(super) has_grants: bool,
}

impl S3 {
    pub(super) fn create_bucket(&self, name: &str, wanted: Wanted) -> Result<(), Refusal> {
        if !is_legal_name(name) {
            return Err(refuse::invalid_bucket_name());
        }
        check_location(&self.region, wanted.location.as_deref())?;
        let ownership = wanted.ownership.unwrap_or_else(|| "BucketOwnerEnforced".to_owned());
        check_ownership(&ownership)?;
        acl::check_bucket(&ownership, wanted.acl.as_deref(), wanted.has_grants)?;
        let untagged = wanted.tags.is_empty();
        let tags = tags::of_bucket(wanted.tags)?;
        self.index.write(|index| {
            if index.buckets.contains_key(name) {
                // A second create resets the ACL, of which there is none here, and keeps the tags.
                return if self.region == US_EAST_1 && untagged { Ok(()) } else { Err(already_owned()) };
            }
            index.buckets.insert(name.to_owned(), Bucket::new(tags, ownership, Timestamp::now()));
            Ok(())
        })
    }

    pub(super) fn head_bucket(&self, input: &HeadBucketInput) -> S3Result<S3Response<HeadBucketOutput>> {
        self.index.read(|index| index.bucket(&input.bucket).map(|_| ()))?;
        let bucket_region = Some(self.region.clone());
        let mut headers = HeaderMap::new();
        headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/xml"));
        Ok(S3Response::with_headers(HeadBucketOutput { bucket_region, ..HeadBucketOutput::default() }, headers))
    }

    pub(super) fn get_bucket_location(
        &self,
        input: &GetBucketLocationInput,
    ) -> S3Result<S3Response<GetBucketLocationOutput>> {
        self.index.read(|index| index.bucket(&input.bucket).map(|_| ()))?;
        let region = (self.region != US_EAST_1).then(|| BucketLocationConstraint::from(self.region.clone()));
        Ok(S3Response::new(GetBucketLocationOutput { location_constraint: region }))
    }

    pub(super) fn list_buckets(&self, input: &ListBucketsInput) -> S3Response<ListBucketsOutput> {
        let prefix = input.prefix.as_deref().unwrap_or_default();
        let after = input.continuation_token.as_deref();
        let elsewhere = input.bucket_region.as_ref().is_some_and(|region| *region != self.region);
        let mut buckets: Vec<WireBucket> = self.index.read(|index| {
            let named = index.buckets.iter().filter(|(name, _)| {
                !elsewhere && name.starts_with(prefix) && after.is_none_or(|after| name.as_str() > after)
            });
            let wire = |(name, bucket): (&String, &Bucket)| WireBucket {
                name: Some(name.clone()),
                creation_date: Some(wire_time(bucket.created)),
                bucket_region: Some(self.region.clone()),
            };
            named.map(wire).collect()
        });
        let max = input.max_buckets.and_then(|max| usize::try_from(max).ok()).unwrap_or(usize::MAX);
        let more = buckets.len() > max;
        buckets.truncate(max);
        let continuation_token = buckets.last().filter(|_| more).and_then(|bucket| bucket.name.clone());
        S3Response::new(ListBucketsOutput {
            buckets: Some(buckets),
            continuation_token,
            owner: Some(self.owner()),
            prefix: input.prefix.clone(),
        })
    }

    pub(super) fn delete_bucket(&self, input: &DeleteBucketInput) -> S3Result<S3Response<DeleteBucketOutput>> {
        self.index.write(|index| {
            let bucket = index.bucket(&input.bucket)?;
            if !bucket.objects.is_empty() {
                let versions = bucket.objects.keys().all(|key| bucket.current(key).is_none())
                    || bucket.versioning != super::index::Versioning::Unset;
                let more = if versions { ". You must delete all versions in the bucket." } else { "" };
                let message = format!("The bucket you tried to delete is not empty{more}");
                return Err(Refusal::new(409, "BucketNotEmpty", message));
            }
            // Unfinished uploads do not keep a general-purpose bucket alive.
            index.buckets.remove(&input.bucket);
            Ok(())
        })?;
        self.bodies.remove_bucket(&input.bucket);
        Ok(S3Response::new(DeleteBucketOutput {}))
    }

    /// The account, as the one that began an upload.
    pub(super) fn initiator(&self) -> Initiator {
        Initiator { display_name: None, id: self.owner().id }
    }

    /// The account, in the canonical form that S3 has for owners.
    pub(super) fn owner(&self) -> Owner {
        Owner { display_name: None, id: Some(format!("{:0>64}", self.account)) }
    }
}

/// Whether a general-purpose bucket may have this name. Source: S3 bucket naming rules.
pub(super) fn is_legal_name(name: &str) -> bool {
    const PREFIXES: [&str; 3] = ["xn--", "sthree-", "amzn-s3-demo-"];
    const SUFFIXES: [&str; 5] = ["-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"];
    let is_edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    (3..=63).contains(&name.len())
        && name.chars().all(|c| is_edge(c) || c == '-' || c == '.')
        && name.starts_with(is_edge)
        && name.ends_with(is_edge)
        && !name.contains("..")
        && name.parse::<std::net::Ipv4Addr>().is_err()
        && !PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        && !SUFFIXES.iter().any(|suffix| name.ends_with(suffix))
}

/// Checks the owner of new objects.
pub(super) fn check_ownership(ownership: &str) -> Result<(), Refusal> {
    match ownership {
        "BucketOwnerEnforced" | "BucketOwnerPreferred" | "ObjectWriter" => Ok(()),
        _ => {
            let message = format!("Invalid x-amz-object-ownership header: {ownership}");
            Err(refuse::invalid_argument("x-amz-object-ownership", None, message))
        }
    }
}

fn check_location(region: &str, constraint: Option<&str>) -> Result<(), Refusal> {
    let incompatible = |constraint: &str| {
        let message = format!(
            "The {constraint} location constraint is incompatible for the region specific endpoint this request was \
             sent to."
        );
        Err(Refusal::new(400, "IllegalLocationConstraintException", message))
    };
    match constraint {
        Some(US_EAST_1) if region == US_EAST_1 => {
            let message = "The specified location-constraint is not valid";
            Err(Refusal::new(400, "InvalidLocationConstraint", message).with("LocationConstraint", US_EAST_1))
        }
        None if region != US_EAST_1 => incompatible("unspecified"),
        Some(constraint) if constraint != region => incompatible(constraint),
        _ => Ok(()),
    }
}

fn already_owned() -> Refusal {
    let message = "Your previous request to create the named bucket succeeded and you already own it.";
    Refusal::new(409, "BucketAlreadyOwnedByYou", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_naming_rules() {
        for legal in ["abc", "a-b.c", "0ab", &"a".repeat(63)] {
            assert!(is_legal_name(legal), "{legal}");
        }
        let illegal =
            ["ab", &"a".repeat(64), "Abc", "a_b", "-ab", "ab-", "a..b", "10.0.0.1", "xn--ab", "a-s3alias", "a.mrap"];
        for illegal in illegal {
            assert!(!is_legal_name(illegal), "{illegal}");
        }
    }

    #[test]
    fn a_location_constraint_is_forbidden_in_us_east_1_and_needed_elsewhere() {
        let code = |region, constraint| check_location(region, constraint).map_err(|refusal| refusal.message);
        assert_eq!(code("us-east-1", None), Ok(()));
        assert_eq!(code("eu-central-1", Some("eu-central-1")), Ok(()));
        insta::assert_snapshot!(code("us-east-1", Some("us-east-1")).unwrap_err(), @"The specified location-constraint is not valid");
        insta::assert_snapshot!(code("us-east-1", Some("eu-west-1")).unwrap_err(), @"The eu-west-1 location constraint is incompatible for the region specific endpoint this request was sent to.");
        insta::assert_snapshot!(code("eu-west-1", None).unwrap_err(), @"The unspecified location constraint is incompatible for the region specific endpoint this request was sent to.");
        insta::assert_snapshot!(code("eu-west-1", Some("us-east-1")).unwrap_err(), @"The us-east-1 location constraint is incompatible for the region specific endpoint this request was sent to.");
    }
}
