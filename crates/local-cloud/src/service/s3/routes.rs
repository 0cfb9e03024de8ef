//! Requests that go around `s3s`'s own reading: `CreateBucket`, and headers in a form that it does not take.

use std::sync::Arc;

use async_trait::async_trait;
use http::{Extensions, HeaderMap, Method, Request, Uri};
use s3s::route::S3Route;
use s3s::{Body, S3Error, S3Request, S3Response, S3Result};

use super::condition::normalized;
use super::create_route::CreateRoute;
use super::{access, builder, is_post_form, refuse};
use crate::Cloud;

/// Every such request.
pub(super) struct Routes {
    cloud: Arc<Cloud>,
    create: CreateRoute,
}

impl Routes {
    pub(super) fn new(cloud: &Arc<Cloud>) -> Self {
        Self { cloud: Arc::clone(cloud), create: CreateRoute(Arc::clone(cloud)) }
    }
}

#[async_trait]
impl S3Route for Routes {
    fn is_match(&self, method: &Method, uri: &Uri, headers: &HeaderMap, extensions: &mut Extensions) -> bool {
        self.create.is_match(method, uri, headers, extensions) || needs_normal_form(method, headers)
    }

    async fn check_access(&self, request: &mut S3Request<Body>) -> S3Result<()> {
        if needs_normal_form(&request.method, &request.headers) {
            let caller = access::caller(&self.cloud, request.credentials.as_ref(), &request.headers, &request.uri)?;
            request.extensions.insert(caller);
            return Ok(());
        }
        self.create.check_access(request).await
    }

    async fn call(&self, request: S3Request<Body>) -> S3Result<S3Response<Body>> {
        match normalized(&request.headers) {
            Some(headers) if needs_normal_form(&request.method, &request.headers) => self.again(request, headers).await,
            _ => self.create.call(request).await,
        }
    }
}

impl Routes {
    /// Answers a request whose signature was verified, with its headers in normal form.
    async fn again(&self, request: S3Request<Body>, mut headers: HeaderMap) -> S3Result<S3Response<Body>> {
        headers.remove(http::header::AUTHORIZATION);
        // The chunks of the body have been verified and taken off.
        headers.remove("x-amz-content-sha256");
        if let Some(length) = headers.get("x-amz-decoded-content-length").cloned() {
            headers.insert(http::header::CONTENT_LENGTH, length);
        }
        let mut again = Request::new(request.input);
        *again.method_mut() = request.method;
        *again.uri_mut() = request.uri;
        *again.headers_mut() = headers;
        *again.extensions_mut() = request.extensions;
        if let Some(trailers) = request.trailing_headers {
            again.extensions_mut().insert(trailers);
        }
        let answer = builder(&self.cloud).build().call(again).await;
        let answer = answer.map_err(|error| S3Error::from(refuse::broken(&s3s::StdError::from(error))))?;
        let (parts, body) = answer.into_parts();
        let mut response = S3Response::with_headers(body, parts.headers);
        response.status = Some(parts.status);
        response.extensions = parts.extensions;
        Ok(response)
    }
}

/// Whether a request has headers that `s3s` would refuse. Forms have their fields in the body.
fn needs_normal_form(method: &Method, headers: &HeaderMap) -> bool {
    !is_post_form(method, headers) && normalized(headers).is_some()
}
