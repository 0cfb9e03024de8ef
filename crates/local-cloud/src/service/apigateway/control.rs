//! The control plane: APIs, integrations, routes.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::{Method, Response, StatusCode};
use jiff::Timestamp;
use percent_encoding::percent_decode_str;
use rand::Rng;
use serde_json::{Value, json};

use crate::Cloud;
use crate::call::{self, Call, Refusal, Reply};

use super::resource::{Api, Entry, Integration, Resource, Route, bad, merge, to_value};
use super::route::RouteKey;
use super::{authorizer, stages, tags};

/// Answers one call.
pub(super) async fn handle(cloud: &Arc<Cloud>, call: &Call) -> Reply {
    if !cloud.apigateway.management.admit(cloud.config.delays.management_throttle, Instant::now()) {
        return Err(Refusal::new(429, "TooManyRequestsException", "Too Many Requests"));
    }
    let decoded = percent_decode_str(&call.path).decode_utf8_lossy();
    if let Some(arn) = decoded.strip_prefix("/v2/tags/") {
        return tags::handle(cloud, call, arn);
    }
    let parts: Vec<String> = call
        .path
        .trim_end_matches('/')
        .split('/')
        .skip(1)
        .map(|part| percent_decode_str(part).decode_utf8_lossy().into_owned())
        .collect();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    match (&call.method, parts.as_slice()) {
        (&Method::POST, ["v2", "apis"]) => create_api(cloud, call),
        (&Method::GET, ["v2", "apis"]) => {
            cloud.apigateway.apis.read(|apis| page(call, apis.iter().map(|(id, entry)| (id, to_value(&entry.api)))))
        }
        (method, ["v2", "apis", id, rest @ ..]) => match (method, rest) {
            (&Method::GET, []) => read(cloud, id, |entry| Ok(call::json(&to_value(&entry.api)))),
            (&Method::PATCH, []) => update_api(cloud, call, id),
            (&Method::DELETE, []) => delete_api(cloud, id),
            (&Method::DELETE, ["cors"]) => write(cloud, id, |entry| {
                entry.api.cors_configuration = None;
                Ok(no_content())
            }),
            (method, ["integrations", rest @ ..]) => integrations(cloud, call, method, id, rest),
            (method, ["routes", rest @ ..]) => routes(cloud, call, method, id, rest),
            (method, ["authorizers", rest @ ..]) => authorizer::authorizers(cloud, call, method, id, rest).await,
            (method, ["stages", rest @ ..]) => stages::stages(cloud, call, method, id, rest),
            (method, ["deployments", rest @ ..]) => stages::deployments(cloud, call, method, id, rest),
            _ => Err(unknown(call)),
        },
        _ => Err(unknown(call)),
    }
}

/// Looks at an API.
pub(super) fn read<R>(cloud: &Cloud, id: &str, look: impl FnOnce(&Entry) -> Result<R, Refusal>) -> Result<R, Refusal> {
    cloud.apigateway.apis.read(|apis| look(apis.get(id).ok_or_else(|| no_api(cloud, id))?))
}

/// Changes an API; stages that deploy by themselves get a new deployment when `change` says so.
pub(super) fn write<R>(
    cloud: &Cloud,
    id: &str,
    change: impl FnOnce(&mut Entry) -> Result<R, Refusal>,
) -> Result<R, Refusal> {
    cloud.apigateway.apis.write(|apis| change(apis.get_mut(id).ok_or_else(|| no_api(cloud, id))?))
}

/// The members of a request.
pub(super) fn body(call: &Call) -> Result<Value, Refusal> {
    let bytes = if call.body.is_empty() { b"{}" } else { call.body.as_ref() };
    serde_json::from_slice(bytes).map_err(|error| bad(format!("Invalid request body: {error}")))
}

/// One page of a list, by `maxResults` and `nextToken` (the last id of the page before).
pub(super) fn page<'a>(call: &Call, items: impl Iterator<Item = (&'a String, Value)>) -> Reply {
    let query = |name: &str| call.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let limit = match query("maxResults") {
        None => 100,
        Some(text) => text.parse::<usize>().ok().filter(|limit| *limit > 0).ok_or_else(|| bad("Invalid maxResults"))?,
    };
    let after = query("nextToken").unwrap_or_default();
    let mut found: Vec<(&String, Value)> = items.filter(|(id, _)| id.as_str() > after).take(limit + 1).collect();
    let mut shown = json!({});
    if found.len() > limit {
        found.truncate(limit);
        shown["nextToken"] = json!(found.last().map(|(id, _)| id));
    }
    shown["items"] = found.into_iter().map(|(_, item)| item).collect();
    Ok(call::json(&shown))
}

/// Ten lower-case letters and digits, as an API's id has.
pub(super) fn new_id() -> String {
    const ALPHABET: &[u8] = b"abcdefghijklmnopqrstuvwxyz0123456789";
    let mut random = rand::rng();
    (0..10).map(|_| char::from(ALPHABET[random.random_range(0..ALPHABET.len())])).collect()
}

/// Status 204.
pub(super) fn no_content() -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

/// `NotFoundException`.
pub(super) fn not_found(message: impl Into<String>) -> Refusal {
    Refusal::new(404, "NotFoundException", message)
}

/// `ConflictException`.
pub(super) fn conflict(message: impl Display) -> Refusal {
    Refusal::new(409, "ConflictException", message.to_string())
}

/// A path that is no operation of this cloud's API Gateway.
pub(super) fn unknown(call: &Call) -> Refusal {
    Refusal::no_operation("API Gateway", &format!("{} {}", call.method, call.path))
}

fn no_api(cloud: &Cloud, id: &str) -> Refusal {
    not_found(format!("Invalid API identifier specified {}:{id}", cloud.config.account))
}

fn create_api(cloud: &Cloud, call: &Call) -> Reply {
    let id = new_id();
    let given = body(call)?;
    for member in ["name", "protocolType"] {
        if given[member].is_null() {
            return Err(bad(format!("Invalid request body: {member} is required")));
        }
    }
    let endpoint = format!("{}/execute-api/{id}", cloud.config.base_url);
    let base = json!({ "apiId": id, "apiEndpoint": endpoint, "createdDate": Timestamp::now() });
    let api: Api = merge(base, &given)?;
    let shown = to_value(&api);
    cloud.apigateway.apis.write(|apis| {
        let (integrations, routes, stages, deployments, authorizers) = Default::default();
        apis.insert(id, Entry { api, integrations, routes, stages, deployments, authorizers });
        Ok(())
    })?;
    Ok(call::json_status(201, &shown))
}

fn update_api(cloud: &Cloud, call: &Call, id: &str) -> Reply {
    let given = body(call)?;
    for member in ["protocolType", "tags"] {
        if !given[member].is_null() {
            return Err(bad(format!("Invalid request body: {member} cannot be updated")));
        }
    }
    write(cloud, id, |entry| {
        entry.api = merge(to_value(&entry.api), &given)?;
        Ok(call::json(&to_value(&entry.api)))
    })
}

fn delete_api(cloud: &Cloud, id: &str) -> Reply {
    cloud.apigateway.apis.write(|apis| apis.remove(id).ok_or_else(|| no_api(cloud, id)))?;
    cloud.apigateway.buckets.forget(id);
    Ok(no_content())
}

fn integrations(cloud: &Cloud, call: &Call, method: &Method, api: &str, rest: &[&str]) -> Reply {
    match (method, rest) {
        (&Method::GET, []) => read(cloud, api, |entry| page(call, listed(&entry.integrations))),
        (&Method::POST, []) => {
            let id = new_id();
            let given = body(call)?;
            write(cloud, api, |entry| {
                if given["payloadFormatVersion"].is_null() {
                    return Err(bad("PayloadFormatVersion is a required parameter for this integration"));
                }
                let made: Integration = merge(json!({ "integrationId": id }), &given)?;
                let shown = to_value(&made);
                entry.integrations.insert(id, made);
                stages::deploy(entry);
                Ok(call::json_status(201, &shown))
            })
        }
        (method, [id]) => {
            let given = body(call)?;
            let absent = || not_found(format!("Invalid Integration identifier specified {id}"));
            match *method {
                Method::GET => read(cloud, api, |entry| one(entry.integrations.get(*id), absent)),
                Method::PATCH => write(cloud, api, |entry| {
                    let reply = patch(entry.integrations.get_mut(*id), &given, absent);
                    stages::deploy(entry);
                    reply
                }),
                Method::DELETE => write(cloud, api, |entry| {
                    let target = format!("integrations/{id}");
                    if entry.routes.values().any(|route| route.target.as_ref() == Some(&target)) {
                        let message = format!("Cannot delete Integration '{id}' because it is referenced by a Route.");
                        return Err(conflict(message));
                    }
                    entry.integrations.remove(*id).ok_or_else(absent)?;
                    stages::deploy(entry);
                    Ok(no_content())
                }),
                _ => Err(unknown(call)),
            }
        }
        _ => Err(unknown(call)),
    }
}

fn routes(cloud: &Cloud, call: &Call, method: &Method, api: &str, rest: &[&str]) -> Reply {
    match (method, rest) {
        (&Method::GET, []) => read(cloud, api, |entry| page(call, listed(&entry.routes))),
        (&Method::POST, []) => {
            let id = new_id();
            let given = body(call)?;
            write(cloud, api, |entry| {
                let made: Route = merge(json!({ "routeId": id }), &given)?;
                may_stand(entry, &made)?;
                let shown = to_value(&made);
                entry.routes.insert(id, made);
                stages::deploy(entry);
                Ok(call::json_status(201, &shown))
            })
        }
        (method, [id]) => {
            let given = body(call)?;
            let absent = || not_found(format!("Invalid Route identifier specified {id}"));
            match *method {
                Method::GET => read(cloud, api, |entry| one(entry.routes.get(*id), absent)),
                Method::PATCH => write(cloud, api, |entry| {
                    let reply = patch(entry.routes.get_mut(*id), &given, absent)?;
                    if let Some(changed) = entry.routes.get(*id) {
                        may_stand(entry, changed)?;
                    }
                    stages::deploy(entry);
                    Ok(reply)
                }),
                Method::DELETE => write(cloud, api, |entry| {
                    entry.routes.remove(*id).ok_or_else(absent)?;
                    stages::deploy(entry);
                    Ok(no_content())
                }),
                _ => Err(unknown(call)),
            }
        }
        _ => Err(unknown(call)),
    }
}

/// Whether a route agrees with the others and has a target that exists.
fn may_stand(entry: &Entry, route: &Route) -> Result<(), Refusal> {
    if let Some(target) = &route.target {
        let known = target.strip_prefix("integrations/").is_some_and(|id| entry.integrations.contains_key(id));
        if !known {
            return Err(bad(format!("Invalid target specified: {target}")));
        }
    }
    if route.authorization_type == "JWT" && !entry.authorizers.contains_key(&route.authorizer_id) {
        return Err(bad(format!("Invalid authorizer id specified: {}", route.authorizer_id)));
    }
    let key = RouteKey::parse(&route.route_key);
    for other in entry.routes.values().filter(|other| other.route_id != route.route_id) {
        if other.route_key == route.route_key {
            return Err(conflict(format!("Route with key {} already exists for this API", route.route_key)));
        }
        if let (Some(key), Some(others)) = (&key, RouteKey::parse(&other.route_key))
            && key.clashes_with(&others)
        {
            return Err(conflict(format!(
                "The provided route key \"{}\" has a conflicting variable on the same hierarchical level as \"{}\"",
                route.route_key, other.route_key
            )));
        }
    }
    Ok(())
}

/// A map's resources as a list.
pub(super) fn listed<T: Resource>(map: &BTreeMap<String, T>) -> impl Iterator<Item = (&String, Value)> {
    map.iter().map(|(id, item)| (id, to_value(item)))
}

/// One resource.
pub(super) fn one<T: Resource>(found: Option<&T>, absent: impl FnOnce() -> Refusal) -> Reply {
    Ok(call::json(&to_value(found.ok_or_else(absent)?)))
}

/// Changes one resource by the members of a request.
pub(super) fn patch<T: Resource>(found: Option<&mut T>, given: &Value, absent: impl FnOnce() -> Refusal) -> Reply {
    let found = found.ok_or_else(absent)?;
    *found = merge(to_value(found), given)?;
    Ok(call::json(&to_value(found)))
}
