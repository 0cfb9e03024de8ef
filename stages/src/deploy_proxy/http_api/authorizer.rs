//! The authorizer: whose tokens are accepted.

use aws_sdk_apigatewayv2::types::{Authorizer, AuthorizerType, JwtConfiguration};
use serde_json::{Map, Value as Json, json};
use spec::{Auth, Jwt};

use super::HttpApi;
use super::below::Below;
use crate::cloud_error::{Explain, if_present, or_already_there};
use crate::{CloudError, Ctx, StageError};

/// Its name; unique within an API.
const NAME: &str = "runner";
/// Where tokens are.
const SOURCE: &str = "$request.header.Authorization";

/// Name → words; none when no tokens are asked for.
pub(super) fn desired(auth: &Auth) -> Json {
    match auth {
        Auth::None | Auth::Iam => json!({}),
        Auth::Jwt(jwt) => json!({ NAME: words(&jwt.issuer, &jwt.audience, &[SOURCE.to_owned()]) }),
    }
}

pub(super) fn observed(authorizers: &[Authorizer]) -> Json {
    let words = authorizers.iter().map(|authorizer| {
        let words = match (authorizer.authorizer_type(), authorizer.jwt_configuration()) {
            (Some(AuthorizerType::Jwt), Some(jwt)) => {
                words(jwt.issuer().unwrap_or_default(), jwt.audience(), authorizer.identity_source())
            }
            (kind, _) => format!("of type {}", kind.map_or("none", AuthorizerType::as_str)),
        };
        (authorizer.name().unwrap_or_default().to_owned(), Json::from(words))
    });
    words.collect::<Map<_, _>>().into()
}

fn words(issuer: &str, audience: &[String], source: &[String]) -> String {
    let mut audience: Vec<&str> = audience.iter().map(String::as_str).collect();
    audience.sort_unstable();
    let from = if source == [SOURCE] { String::new() } else { format!(", from {}", source.join(", ")) };
    format!("tokens of {issuer} for {}{from}", audience.join(" or "))
}

impl HttpApi {
    /// Makes or mends the authorizer; its id, when tokens are asked for.
    pub(super) async fn put_authorizer(
        &self,
        ctx: &Ctx<'_>,
        id: &str,
        below: &Below,
    ) -> Result<Option<String>, StageError> {
        let Auth::Jwt(jwt) = &self.auth else { return Ok(None) };
        let client = &ctx.clients.apigateway;
        let Some(existing) = ours(&below.authorizers) else {
            let request = client.create_authorizer().api_id(id).name(NAME).authorizer_type(AuthorizerType::Jwt);
            let answer = request.identity_source(SOURCE).jwt_configuration(configuration(jwt)).send().await;
            let made = or_already_there(answer.about("apigateway:CreateAuthorizer", self.subject()))?;
            return Ok(match made {
                Some(made) => made.authorizer_id,
                // Its answer was lost, and the SDK sent the call again.
                None => ours(&self.below_existing(ctx, id).await?.authorizers).and_then(|it| it.authorizer_id.clone()),
            });
        };
        let authorizer = existing.authorizer_id().unwrap_or_default();
        if observed(std::slice::from_ref(existing)) != desired(&self.auth) {
            let request = client.update_authorizer().api_id(id).authorizer_id(authorizer);
            let answer = request.identity_source(SOURCE).jwt_configuration(configuration(jwt)).send().await;
            answer.about("apigateway:UpdateAuthorizer", self.subject())?;
        }
        Ok(Some(authorizer.to_owned()))
    }

    /// Removes what no route is to ask any more. A route that was just changed may still count for a while.
    pub(super) async fn remove_other_authorizers(
        &self,
        ctx: &Ctx<'_>,
        id: &str,
        below: &Below,
        wanted: Option<&str>,
    ) -> Result<(), StageError> {
        let others = below.authorizers.iter().filter_map(Authorizer::authorizer_id).filter(|it| Some(*it) != wanted);
        for other in others {
            let delete = || async {
                let answer = ctx.clients.apigateway.delete_authorizer().api_id(id).authorizer_id(other).send().await;
                Ok::<_, CloudError>(if_present(answer.about("apigateway:DeleteAuthorizer", self.subject()))?.map(drop))
            };
            ctx.settled(&self.subject(), ctx.limits.propagation, delete).await?;
        }
        Ok(())
    }
}

pub(super) fn ours(authorizers: &[Authorizer]) -> Option<&Authorizer> {
    let ours = |authorizer: &&Authorizer| {
        authorizer.name() == Some(NAME) && authorizer.authorizer_type() == Some(&AuthorizerType::Jwt)
    };
    authorizers.iter().find(ours)
}

fn configuration(jwt: &Jwt) -> JwtConfiguration {
    JwtConfiguration::builder().issuer(&jwt.issuer).set_audience(Some(jwt.audience.clone())).build()
}
