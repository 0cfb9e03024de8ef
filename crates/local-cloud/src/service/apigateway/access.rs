//! Whether a request may reach its route: asked of nobody, of IAM, or of the issuer of its token.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::Cloud;
use crate::permission::Permission;
use crate::service::sts;
use crate::signature::{self, Authorization};

use super::answer::message;
use super::authorizer::{Authorizer, Source};
use super::jwt::{Claims, Token};
use super::resource::{Entry, Route};

/// What a route asks for.
#[derive(Clone, Debug)]
pub(super) enum Access {
    Open,
    Iam,
    Jwt {
        authorizer: Authorizer,
        /// One of these, if there are any.
        scopes: Vec<String>,
    },
    /// Its authorizer is not there: nobody comes in.
    Closed,
}

/// Who was let in.
#[derive(Clone, Debug, Default)]
pub(super) struct Admitted {
    /// `requestContext.authorizer` of the function's event.
    pub(super) context: Option<Value>,
    /// `$context` variables of the access log.
    pub(super) variables: Vec<(String, String)>,
}

/// Why somebody was not let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    status: StatusCode,
    /// `www-authenticate`.
    challenge: Option<String>,
    /// `$context.authorizer.error` of the access log.
    pub(super) error: Option<String>,
}

impl Access {
    /// What the route says.
    pub(super) fn of(route: &Route, entry: &Entry) -> Self {
        match route.authorization_type.as_str() {
            "NONE" => Self::Open,
            "AWS_IAM" => Self::Iam,
            _ => match entry.authorizers.get(&route.authorizer_id) {
                Some(authorizer) => {
                    Self::Jwt { authorizer: authorizer.clone(), scopes: route.authorization_scopes.clone() }
                }
                None => Self::Closed,
            },
        }
    }

    /// Lets the request in, or not. `arn` is what it would invoke.
    pub(super) async fn admit(
        &self,
        cloud: &Arc<Cloud>,
        request: &Request<Bytes>,
        arn: &str,
    ) -> Result<Admitted, Refused> {
        match self {
            Self::Open => Ok(Admitted::default()),
            Self::Iam => by_signature(cloud, request, arn),
            Self::Jwt { authorizer, scopes } => by_token(cloud, request, authorizer, scopes).await,
            Self::Closed => Err(Refused::forbidden(None)),
        }
    }
}

impl Refused {
    fn forbidden(error: Option<String>) -> Self {
        Self { status: StatusCode::FORBIDDEN, challenge: None, error }
    }

    /// What the gateway answers.
    pub(super) fn answer(&self) -> Response<Bytes> {
        let text = if self.status == StatusCode::UNAUTHORIZED { "Unauthorized" } else { "Forbidden" };
        let mut response = message(self.status, text);
        if let Some(Ok(challenge)) = self.challenge.as_deref().map(HeaderValue::from_str) {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

/// The signature of the service `execute-api` and the permission `execute-api:Invoke`.
fn by_signature(cloud: &Cloud, request: &Request<Bytes>, arn: &str) -> Result<Admitted, Refused> {
    let refused = |why: String| {
        tracing::info!(arn, why, "a request to an API was not let in");
        Refused::forbidden(None)
    };
    let (parts, body) = request.clone().into_parts();
    let authorization = Authorization::parse(&parts.headers).map_err(|error| refused(error.to_string()))?;
    if authorization.service != "execute-api" {
        return Err(refused(format!("it is signed for `{}`", authorization.service)));
    }
    let caller = signature::verify(cloud, &parts, &body).map_err(|error| refused(error.to_string()))?;
    cloud.iam.ask(&caller, &Permission::new("execute-api:Invoke", arn)).map_err(refused)?;
    let (account, key) = (&cloud.config.account, authorization.access_key_id);
    let user = sts::user_id(cloud, &caller);
    // The account belongs to no organisation; accounts that do not have shown exactly this.
    let organisation = "aws:PrincipalOrgID";
    let context = json!({ "iam": {
        "accessKey": key, "accountId": account, "callerId": user, "cognitoIdentity": null,
        "principalOrgId": organisation, "userArn": caller.arn, "userId": user,
    } });
    let variables = [
        ("identity.accountId", account.as_str()),
        ("identity.caller", &user),
        ("identity.principalOrgId", organisation),
        ("identity.user", &user),
        ("identity.userArn", &caller.arn),
    ];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    Ok(Admitted { context: Some(context), variables })
}

async fn by_token(
    cloud: &Arc<Cloud>,
    request: &Request<Bytes>,
    authorizer: &Authorizer,
    scopes: &[String],
) -> Result<Admitted, Refused> {
    let unauthorized = |challenge: String, error: String| Refused {
        status: StatusCode::UNAUTHORIZED,
        challenge: Some(challenge),
        error: Some(error),
    };
    let Some(token) = token(request, authorizer) else {
        return Err(unauthorized("Bearer".to_owned(), "missing: token not provided".to_owned()));
    };
    let claims = believed(cloud, &token, authorizer).await.map_err(|description| {
        let scopes = scopes.join(" ");
        let challenge =
            format!("Bearer scope=\"{scopes}\" error=\"invalid_token\" error_description=\"{description}\"");
        unauthorized(challenge, format!("invalid_token: {description}"))
    })?;
    let granted = claims.scopes();
    if !scopes.is_empty() && !scopes.iter().any(|scope| granted.contains(scope)) {
        return Err(Refused::forbidden(Some(
            "insufficient_scope: the token has none of the route's scopes".to_owned(),
        )));
    }
    let texts: Map<String, Value> = claims.texts().map(|(name, text)| (name.clone(), text.into())).collect();
    let scopes = if scopes.is_empty() { Value::Null } else { json!(granted) };
    let variables = claims.texts().map(|(name, text)| (format!("authorizer.claims.{name}"), text)).collect();
    Ok(Admitted { context: Some(json!({ "jwt": { "claims": texts, "scopes": scopes } })), variables })
}

async fn believed(cloud: &Arc<Cloud>, token: &str, authorizer: &Authorizer) -> Result<Claims, String> {
    let token = Token::read(token)?;
    let wanted = &authorizer.jwt_configuration;
    let key = cloud.apigateway.issuers.key(&wanted.issuer, &token.key_id).await.map_err(|unknown| {
        tracing::warn!(issuer = wanted.issuer, ?unknown, "the keys of an issuer are not known");
        unknown.to_string()
    })?;
    token.believe(&key.ok_or("the issuer has no such key")?, wanted, Timestamp::now().as_second())
}

/// The token, with or without `Bearer` before it.
fn token(request: &Request<Bytes>, authorizer: &Authorizer) -> Option<String> {
    let text = match authorizer.source()? {
        Source::Header(name) => request.headers().get(name)?.to_str().ok()?.to_owned(),
        Source::Query(name) => {
            let mut query = form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes());
            query.find(|(key, _)| key == name)?.1.into_owned()
        }
    };
    let text = text.trim();
    let bare = match text.get(..7) {
        Some(scheme) if scheme.eq_ignore_ascii_case("bearer ") => text[7..].trim(),
        _ => text,
    };
    (!bare.is_empty()).then(|| bare.to_owned())
}
