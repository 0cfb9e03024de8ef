//! Signature Version 4 for requests that no SDK makes: those of a deployed API's callers.

use aws_credential_types::provider::ProvideCredentials;
use aws_sigv4::http_request::{PayloadChecksumKind, SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use aws_smithy_async::time::{SystemTimeSource, TimeSource};
use bytes::Bytes;
use http::Request;
use http_body_util::Full;

use crate::{Clients, StageError};

/// The name that API Gateway's callers sign for.
const SERVICE: &str = "execute-api";

/// Signs a request to a deployed API with the credentials that everything else is done with.
pub(crate) async fn signed(
    clients: &Clients,
    mut request: Request<Full<Bytes>>,
    body: &[u8],
) -> Result<Request<Full<Bytes>>, StageError> {
    let failed = |why: Box<dyn std::error::Error + Send + Sync>| StageError::here("could not sign a request", why);
    let provider = clients.credentials.as_ref().ok_or_else(|| failed("there are no credentials".into()))?;
    let credentials = provider.provide_credentials().await.map_err(|error| failed(error.into()))?;
    let identity = credentials.into();
    let mut settings = SigningSettings::default();
    settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    let parameters = SigningParams::builder().identity(&identity).region(&clients.region).name(SERVICE);
    let parameters = parameters.time(SystemTimeSource::new().now()).settings(settings).build();
    let parameters = parameters.map_err(|error| failed(error.into()))?.into();
    let (method, url) = (request.method().to_string(), request.uri().to_string());
    let headers = request.headers().iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
    let signable = SignableRequest::new(&method, &url, headers, SignableBody::Bytes(body));
    let signable = signable.map_err(|error| failed(error.into()))?;
    let (instructions, _) = sign(signable, &parameters).map_err(|error| failed(error.into()))?.into_parts();
    instructions.apply_to_request_http1x(&mut request);
    Ok(request)
}
