//! Authorizers: what a route asks for tokens by. Of AWS's two kinds, JWT.

use std::sync::Arc;

use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::Cloud;
use crate::call::{self, Call, Refusal, Reply};

use super::control::{body, conflict, listed, new_id, no_content, not_found, one, page, read, unknown, write};
use super::issuers;
use super::resource::{Entry, Resource, bad, merge, to_value};
use super::stages;

/// Whom tokens may be for. Source: API Gateway quotas.
const MAX_AUDIENCES: usize = 50;
/// Source: botocore, `UriWithLengthBetween1And2048`.
const MAX_ISSUER_CHARS: usize = 2_048;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Authorizer {
    pub(super) authorizer_id: String,
    pub(super) name: String,
    pub(super) authorizer_type: String,
    /// Where the token is: one of `$request.header.NAME` and `$request.querystring.NAME`.
    pub(super) identity_source: Vec<String>,
    #[serde(default)]
    pub(super) jwt_configuration: JwtConfiguration,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct JwtConfiguration {
    pub(super) issuer: String,
    pub(super) audience: Vec<String>,
}

/// Where a token is looked for.
pub(super) enum Source<'a> {
    Header(&'a str),
    Query(&'a str),
}

impl Authorizer {
    /// None when it is none that is known.
    pub(super) fn source(&self) -> Option<Source<'_>> {
        let [source] = self.identity_source.as_slice() else { return None };
        let header = source.strip_prefix("$request.header.").map(Source::Header);
        let source = header.or_else(|| source.strip_prefix("$request.querystring.").map(Source::Query))?;
        let (Source::Header(name) | Source::Query(name)) = source;
        (!name.is_empty()).then_some(source)
    }
}

impl Resource for Authorizer {
    const OWN: &'static [&'static str] = &["authorizerId"];

    fn check(&self) -> Result<(), Refusal> {
        match self.authorizer_type.as_str() {
            "JWT" => {}
            other => return Err(bad(format!("Invalid authorizer type specified: {other}"))),
        }
        if !(1..=128).contains(&self.name.chars().count()) {
            return Err(bad("Invalid authorizer name specified: between 1 and 128 characters are allowed"));
        }
        if self.source().is_none() {
            let one = "one of the form $request.header.NAME or $request.querystring.NAME is expected";
            return Err(bad(format!("Invalid identity source specified: {one}")));
        }
        let JwtConfiguration { issuer, audience } = &self.jwt_configuration;
        if !(1..=MAX_ISSUER_CHARS).contains(&issuer.chars().count()) {
            return Err(bad(format!(
                "Invalid issuer specified: between 1 and {MAX_ISSUER_CHARS} characters are allowed"
            )));
        }
        if !(1..=MAX_AUDIENCES).contains(&audience.len()) || audience.iter().any(String::is_empty) {
            return Err(bad(format!("Invalid audience specified: between 1 and {MAX_AUDIENCES} are allowed")));
        }
        Ok(())
    }
}

/// Answers everything below `…/authorizers`.
pub(super) async fn authorizers(cloud: &Arc<Cloud>, call: &Call, method: &Method, api: &str, rest: &[&str]) -> Reply {
    match (method, rest) {
        (&Method::GET, []) => read(cloud, api, |entry| page(call, listed(&entry.authorizers))),
        (&Method::POST, []) => create(cloud, call, api).await,
        (&Method::GET, [id]) => read(cloud, api, |entry| one(entry.authorizers.get(*id), || absent(id))),
        (&Method::PATCH, [id]) => update(cloud, call, api, id).await,
        (&Method::DELETE, [id]) => write(cloud, api, |entry| delete(entry, id)),
        _ => Err(unknown(call)),
    }
}

/// Asks the issuer, as AWS does, before there is anything to show.
async fn create(cloud: &Arc<Cloud>, call: &Call, api: &str) -> Reply {
    let made: Authorizer = merge(json!({ "authorizerId": new_id() }), &body(call)?)?;
    read(cloud, api, |entry| must_be_unique(entry, &made))?;
    issuers::must_answer(&made.jwt_configuration.issuer).await?;
    write(cloud, api, |entry| {
        must_be_unique(entry, &made)?;
        let shown = to_value(&made);
        entry.authorizers.insert(made.authorizer_id.clone(), made);
        stages::deploy(entry);
        Ok(call::json_status(201, &shown))
    })
}

async fn update(cloud: &Arc<Cloud>, call: &Call, api: &str, id: &str) -> Reply {
    let given = body(call)?;
    let change = |entry: &Entry| {
        let found = entry.authorizers.get(id).ok_or_else(|| absent(id))?;
        if given["authorizerType"].as_str().is_some_and(|kind| kind != found.authorizer_type) {
            return Err(bad("Invalid request body: authorizerType cannot be updated"));
        }
        let changed: Authorizer = merge(to_value(found), &given)?;
        must_be_unique(entry, &changed)?;
        Ok((found.jwt_configuration.issuer != changed.jwt_configuration.issuer, changed))
    };
    let (other_issuer, changed) = read(cloud, api, change)?;
    if other_issuer {
        issuers::must_answer(&changed.jwt_configuration.issuer).await?;
    }
    write(cloud, api, |entry| {
        let (_, changed) = change(entry)?;
        let shown = to_value(&changed);
        entry.authorizers.insert(id.to_owned(), changed);
        stages::deploy(entry);
        Ok(call::json(&shown))
    })
}

fn delete(entry: &mut Entry, id: &str) -> Reply {
    let name = &entry.authorizers.get(id).ok_or_else(|| absent(id))?.name;
    if let Some(route) = entry.routes.values().find(|route| route.authorizer_id == id) {
        let message = format!("Cannot delete authorizer '{name}', is referenced in route: {}", route.route_key);
        return Err(conflict(message));
    }
    entry.authorizers.remove(id);
    stages::deploy(entry);
    Ok(no_content())
}

/// The message names a REST API, as AWS's does.
fn must_be_unique(entry: &Entry, wanted: &Authorizer) -> Result<(), Refusal> {
    let mut others = entry.authorizers.values().filter(|other| other.authorizer_id != wanted.authorizer_id);
    if others.any(|other| other.name == wanted.name) {
        let name = &wanted.name;
        let message = format!("Authorizer name must be unique. Authorizer {name} already exists in this RestApi.");
        return Err(bad(message));
    }
    Ok(())
}

fn absent(id: &str) -> Refusal {
    not_found(format!("Invalid Authorizer identifier specified {id}"))
}
