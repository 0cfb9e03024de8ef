//! The route: what it leads to, and what it asks for.

use aws_sdk_apigatewayv2::types::{AuthorizationType, Integration, Route};
use serde_json::{Map, Value as Json};
use spec::Auth;

use super::below::Below;
use super::{HttpApi, authorizer};
use crate::cloud_error::{Explain, if_present, or_already_there};
use crate::{Ctx, StageError};

const OPEN: &str = "open to everybody";
const SIGNED: &str = "for signed requests";

pub(super) fn desired(auth: &Auth) -> String {
    match auth {
        Auth::None => OPEN.to_owned(),
        Auth::Iam => SIGNED.to_owned(),
        Auth::Jwt(jwt) => for_tokens(&jwt.scopes),
    }
}

/// Route key → words.
pub(super) fn observed(below: &Below, proxy: Option<&Integration>) -> Json {
    let target = proxy.and_then(Integration::integration_id).map(|id| format!("integrations/{id}"));
    let ours = authorizer::ours(&below.authorizers).and_then(|authorizer| authorizer.authorizer_id());
    let words = below.routes.iter().map(|route| {
        let words = match route.authorization_type() {
            _ if target.is_none() || route.target() != target.as_deref() => "to something else".to_owned(),
            None | Some(AuthorizationType::None) => OPEN.to_owned(),
            Some(AuthorizationType::AwsIam) => SIGNED.to_owned(),
            Some(AuthorizationType::Jwt) if ours.is_some() && route.authorizer_id() == ours => {
                for_tokens(route.authorization_scopes())
            }
            Some(_) => "with another authorizer".to_owned(),
        };
        (route.route_key().unwrap_or_default().to_owned(), Json::from(words))
    });
    words.collect::<Map<_, _>>().into()
}

fn for_tokens(scopes: &[String]) -> String {
    let mut scopes: Vec<&str> = scopes.iter().map(String::as_str).collect();
    scopes.sort_unstable();
    if scopes.is_empty() { "for tokens".to_owned() } else { format!("for tokens with scope {}", scopes.join(" or ")) }
}

/// What the one route is to be.
struct Wanted<'a> {
    target: String,
    kind: AuthorizationType,
    /// Empty: none.
    authorizer: &'a str,
    scopes: &'a [String],
}

impl Wanted<'_> {
    fn is(&self, route: &Route) -> bool {
        let sorted = |scopes: &[String]| {
            let mut scopes = scopes.to_vec();
            scopes.sort_unstable();
            scopes
        };
        route.target() == Some(&self.target)
            && *route.authorization_type().unwrap_or(&AuthorizationType::None) == self.kind
            && route.authorizer_id().unwrap_or_default() == self.authorizer
            && sorted(route.authorization_scopes()) == sorted(self.scopes)
    }
}

impl HttpApi {
    /// Leaves our route and no other. It is made with what it asks for, and changed in one call, so that it is never
    /// open in between.
    pub(super) async fn put_routes(
        &self,
        ctx: &Ctx<'_>,
        id: &str,
        below: &Below,
        integration: &str,
        authorizer: Option<&str>,
    ) -> Result<(), StageError> {
        let client = &ctx.clients.apigateway;
        let key = self.route.to_string();
        let (kind, scopes) = match &self.auth {
            Auth::None => (AuthorizationType::None, &[][..]),
            Auth::Iam => (AuthorizationType::AwsIam, &[][..]),
            Auth::Jwt(jwt) => (AuthorizationType::Jwt, &jwt.scopes[..]),
        };
        let target = format!("integrations/{integration}");
        let wanted = Wanted { target, kind, authorizer: authorizer.unwrap_or_default(), scopes };
        for other in below.routes.iter().filter(|route| route.route_key() != Some(&key)) {
            let answer = client.delete_route().api_id(id).route_id(other.route_id().unwrap_or_default()).send().await;
            if_present(answer.about("apigateway:DeleteRoute", self.subject()))?;
        }
        let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        match below.routes.iter().find(|route| route.route_key() == Some(&key)) {
            None => {
                let request = client.create_route().api_id(id).route_key(&key).target(&wanted.target);
                let request = request.authorization_type(wanted.kind).set_authorizer_id(some(wanted.authorizer));
                let scopes = Some(wanted.scopes.to_vec()).filter(|scopes| !scopes.is_empty());
                let answer = request.set_authorization_scopes(scopes).send().await;
                or_already_there(answer.about("apigateway:CreateRoute", self.subject()))?;
            }
            Some(route) if !wanted.is(route) => {
                let request = client.update_route().api_id(id).route_id(route.route_id().unwrap_or_default());
                let request = request.target(&wanted.target).authorization_type(wanted.kind);
                // What is left out of an update stays, and an empty value takes away what is there.
                let had = route.authorizer_id().is_some().then(|| wanted.authorizer.to_owned());
                let request = request.set_authorizer_id(some(wanted.authorizer).or(had));
                let scopes = Some(wanted.scopes.to_vec());
                let scopes = scopes.filter(|scopes| !scopes.is_empty() || !route.authorization_scopes().is_empty());
                let answer = request.set_authorization_scopes(scopes).send().await;
                answer.about("apigateway:UpdateRoute", self.subject())?;
            }
            Some(_) => {}
        }
        Ok(())
    }
}
