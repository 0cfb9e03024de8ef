//! `CreateBucket`, ahead of `s3s`, whose 0.14 line refuses a body with `Tags`.

use std::sync::Arc;

use async_trait::async_trait;
use http::{Extensions, HeaderMap, HeaderValue, Method, Uri};
use quick_xml::de::from_reader;
use s3s::route::S3Route;
use s3s::{Body, S3Request, S3Response, S3Result};
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::bucket::Wanted;
use super::needs::{Asked, resource};
use super::{access, acl, members, refuse};
use crate::Cloud;
use crate::call::Refusal;
use crate::permission::Permission;
use crate::service::iam::Tags;

/// Bytes of a `CreateBucket` body; 50 tags of full length fit.
const MAX_BODY: usize = 128 * 1024;

/// Takes `PUT /<bucket>` without a sub-resource.
pub(super) struct CreateRoute(pub(super) Arc<Cloud>);

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Configuration {
    location_constraint: Option<String>,
    tags: Option<TagList>,
    /// Of directory buckets.
    location: Option<IgnoredAny>,
    /// Of directory buckets.
    bucket: Option<IgnoredAny>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct TagList {
    tag: Vec<TagElement>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct TagElement {
    key: String,
    value: String,
}

#[async_trait]
impl S3Route for CreateRoute {
    fn is_match(&self, method: &Method, uri: &Uri, _headers: &HeaderMap, _extensions: &mut Extensions) -> bool {
        let query = uri.query().unwrap_or_default();
        let plain =
            form_urlencoded::parse(query.as_bytes()).all(|(name, _)| name == "x-id" || name.starts_with("X-Amz-"));
        method == Method::PUT && plain && bucket_of(uri).is_some()
    }

    async fn check_access(&self, request: &mut S3Request<Body>) -> S3Result<()> {
        let caller = access::caller(&self.0, request.credentials.as_ref(), &request.headers, &request.uri)?;
        // The body stays where it is, to be read again.
        let body = request.input.store_all_limited(MAX_BODY).await.map_err(|_| refuse::malformed_xml())?;
        let partition = self.0.config.partition();
        let (uri, headers) = (&request.uri, &request.headers);
        let asked = Asked { partition, bucket: bucket_of(uri), key: None, uri, headers };
        let mut needs = asked.needs("CreateBucket");
        let tags: Tags = read(&body)?.tags.into_iter().collect();
        if !tags.is_empty() {
            let bucket = resource(partition, bucket_of(uri), None);
            needs.push(Permission::new("s3:TagResource", bucket));
        }
        if headers.get("x-amz-acl").is_some_and(|acl| acl != "private") {
            needs.push(Permission::new("s3:PutBucketAcl", resource(partition, bucket_of(uri), None)));
        }
        for need in needs {
            access::ask(&self.0, &caller, &need.putting(tags.clone()))?;
        }
        Ok(members::check("CreateBucket", headers, uri)?)
    }

    async fn call(&self, request: S3Request<Body>) -> S3Result<S3Response<Body>> {
        let mut body = request.input;
        let body = body.store_all_limited(MAX_BODY).await.map_err(|_| refuse::malformed_xml())?;
        let header = |name: &str| request.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let wanted = Wanted {
            ownership: header("x-amz-object-ownership"),
            acl: header("x-amz-acl"),
            has_grants: acl::has_grants(&request.headers),
            ..read(&body)?
        };
        let bucket = bucket_of(&request.uri).unwrap_or_default();
        self.0.s3.create_bucket(bucket, wanted)?;
        let mut headers = HeaderMap::new();
        if let Ok(location) = HeaderValue::try_from(format!("/{bucket}")) {
            headers.insert(http::header::LOCATION, location);
        }
        Ok(S3Response::with_headers(Body::empty(), headers))
    }
}

fn bucket_of(uri: &Uri) -> Option<&str> {
    let name = uri.path().strip_prefix('/')?;
    let name = name.strip_suffix('/').unwrap_or(name);
    (!name.is_empty() && !name.contains('/')).then_some(name)
}

fn read(body: &[u8]) -> Result<Wanted, Refusal> {
    if body.is_empty() {
        return Ok(Wanted::default());
    }
    let configuration: Configuration = from_reader(body).map_err(|_| refuse::malformed_xml())?;
    for (is_there, member) in
        [(configuration.location.is_some(), "Location"), (configuration.bucket.is_some(), "Bucket")]
    {
        if is_there {
            return Err(members::refuse("CreateBucket", &format!("CreateBucketConfiguration.{member}")));
        }
    }
    let tags = configuration.tags.unwrap_or_default().tag;
    Ok(Wanted {
        location: configuration.location_constraint.filter(|location| !location.is_empty()),
        tags: tags.into_iter().map(|tag| (tag.key, tag.value)).collect(),
        ..Wanted::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn location_and_tags_are_read_from_the_body() {
        let body = br#"<?xml version="1.0" encoding="UTF-8"?>
            <CreateBucketConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">
            <LocationConstraint>eu-west-1</LocationConstraint>
            <Tags><Tag><Key>a</Key><Value>1 &amp; 2</Value></Tag><Tag><Key>b</Key><Value/></Tag></Tags>
            </CreateBucketConfiguration>"#;
        let wanted = read(body).unwrap();
        assert_eq!(wanted.location.as_deref(), Some("eu-west-1"));
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        assert_eq!(wanted.tags, [pair("a", "1 & 2"), pair("b", "")]);
    }

    #[test]
    fn a_body_that_is_no_xml_is_malformed() {
        assert_eq!(read(b"<CreateBucketConfiguration>").unwrap_err().code, "MalformedXML");
    }
}
