//! Stages and deployments.

use http::Method;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::Cloud;
use crate::call::{self, Call, Refusal, Reply};
use crate::permission::Permission;

use super::control::{body, conflict, listed, new_id, no_content, not_found, one, page, patch, read, unknown, write};
use super::resource::{Deployment, Entry, Stage, bad, merge, to_value};

/// Answers everything below `…/stages`.
pub(super) fn stages(cloud: &Cloud, call: &Call, method: &Method, api: &str, rest: &[&str]) -> Reply {
    match (method, rest) {
        (&Method::GET, []) => read(cloud, api, |entry| page(call, listed(&entry.stages))),
        (&Method::POST, []) => create(cloud, call, api),
        (&Method::GET, [name]) => read(cloud, api, |entry| one(entry.stages.get(*name), absent)),
        (&Method::PATCH, [name]) => update(cloud, call, api, name),
        (&Method::DELETE, [name]) => write(cloud, api, |entry| {
            entry.stages.remove(*name).ok_or_else(absent)?;
            Ok(no_content())
        }),
        (&Method::DELETE, [name, "accesslogsettings"]) => change(cloud, api, name, |stage| {
            stage.access_log_settings = None;
        }),
        (&Method::DELETE, [name, "routesettings", key]) => change(cloud, api, name, |stage| {
            stage.route_settings.remove(*key);
        }),
        _ => Err(unknown(call)),
    }
}

/// Answers everything below `…/deployments`.
pub(super) fn deployments(cloud: &Cloud, call: &Call, method: &Method, api: &str, rest: &[&str]) -> Reply {
    let absent = || not_found("Invalid Deployment identifier specified");
    match (method, rest) {
        (&Method::GET, []) => read(cloud, api, |entry| page(call, listed(&entry.deployments))),
        (&Method::POST, []) => {
            let given = body(call)?;
            write(cloud, api, |entry| deploy_by_hand(entry, &given))
        }
        (&Method::GET, [id]) => read(cloud, api, |entry| one(entry.deployments.get(*id), absent)),
        (&Method::PATCH, [id]) => {
            let given = body(call)?;
            write(cloud, api, |entry| patch(entry.deployments.get_mut(*id), &given, absent))
        }
        (&Method::DELETE, [id]) => write(cloud, api, |entry| {
            if entry.stages.values().any(|stage| stage.deployment_id.as_deref() == Some(*id)) {
                return Err(bad("Active stages pointing to this deployment must be moved or deleted"));
            }
            entry.deployments.remove(*id).ok_or_else(absent)?;
            Ok(no_content())
        }),
        _ => Err(unknown(call)),
    }
}

/// Gives every stage that deploys by itself a new deployment; the one before is dropped, since nobody can go back
/// to it here.
pub(super) fn deploy(entry: &mut Entry) {
    let names: Vec<String> =
        entry.stages.values().filter(|stage| stage.auto_deploy).map(|stage| stage.stage_name.clone()).collect();
    if names.is_empty() {
        return;
    }
    let deployment = deployment(true);
    for name in names {
        let Some(stage) = entry.stages.get_mut(&name) else { continue };
        let id = deployment.deployment_id.clone();
        stage.last_deployment_status_message = Some(format!("Successfully deployed stage with deployment ID '{id}'"));
        if let Some(before) = stage.deployment_id.replace(id)
            && entry.deployments.get(&before).is_some_and(|before| before.auto_deployed)
        {
            entry.deployments.remove(&before);
        }
    }
    entry.deployments.insert(deployment.deployment_id.clone(), deployment);
}

fn create(cloud: &Cloud, call: &Call, api: &str) -> Reply {
    let given = body(call)?;
    may_log(cloud, call, &given)?;
    let now = Timestamp::now();
    let stage: Stage = merge(json!({ "createdDate": now, "lastUpdatedDate": now }), &given)?;
    write(cloud, api, |entry| {
        if entry.stages.contains_key(&stage.stage_name) {
            return Err(conflict("Stage already exists"));
        }
        settled(entry, &stage, &given)?;
        let name = stage.stage_name.clone();
        entry.stages.insert(name.clone(), stage);
        deploy(entry);
        Ok(call::json_status(201, &entry.stages.get(&name).map(to_value).unwrap_or_default()))
    })
}

fn update(cloud: &Cloud, call: &Call, api: &str, name: &str) -> Reply {
    let given = body(call)?;
    may_log(cloud, call, &given)?;
    for member in ["stageName", "tags"] {
        if !given[member].is_null() {
            return Err(bad(format!("Invalid request body: {member} cannot be updated")));
        }
    }
    write(cloud, api, |entry| {
        let found = entry.stages.get(name).ok_or_else(absent)?;
        let mut stage: Stage = merge(to_value(found), &given)?;
        // Variables and settings are given one by one; an empty variable is a removed one.
        let (variables, settings) = (stage.stage_variables, stage.route_settings);
        stage.stage_variables = found.stage_variables.clone();
        stage.stage_variables.extend(variables);
        stage.stage_variables.retain(|_, value| !value.is_empty());
        stage.route_settings = found.route_settings.clone();
        stage.route_settings.extend(settings);
        settled(entry, &stage, &given)?;
        stage.last_updated_date = Timestamp::now();
        let newly_automatic = stage.auto_deploy && !found.auto_deploy;
        entry.stages.insert(name.to_owned(), stage);
        if newly_automatic {
            deploy(entry);
        }
        cloud.apigateway.buckets.forget(api);
        one(entry.stages.get(name), absent)
    })
}

/// What whoever turns access logs on must be allowed to do. Source: "Configure logging for HTTP APIs".
const LOG_DELIVERY: [&str; 9] = [
    "logs:CreateLogDelivery",
    "logs:CreateLogGroup",
    "logs:DeleteLogDelivery",
    "logs:DescribeLogGroups",
    "logs:DescribeResourcePolicies",
    "logs:GetLogDelivery",
    "logs:ListLogDeliveries",
    "logs:PutResourcePolicy",
    "logs:UpdateLogDelivery",
];

fn may_log(cloud: &Cloud, call: &Call, given: &Value) -> Result<(), Refusal> {
    if given["accessLogSettings"].is_null() {
        return Ok(());
    }
    let may = |action: &&str| cloud.iam.ask(&call.caller, &Permission::new(*action, "*")).is_ok();
    if LOG_DELIVERY.iter().all(may) { Ok(()) } else { Err(bad("Insufficient permissions to enable logging")) }
}

/// Whether the deployment that a request names exists and may be chosen by hand.
fn settled(entry: &Entry, stage: &Stage, given: &Value) -> Result<(), Refusal> {
    let Some(id) = given["deploymentId"].as_str() else { return Ok(()) };
    if stage.auto_deploy {
        return Err(bad("Deployment ID cannot be set on a stage with AutoDeploy enabled"));
    }
    if entry.deployments.contains_key(id) { Ok(()) } else { Err(not_found("Invalid Deployment identifier specified")) }
}

fn deploy_by_hand(entry: &mut Entry, given: &Value) -> Reply {
    let mut deployment = deployment(false);
    deployment.description = given["description"].as_str().map(str::to_owned);
    if let Some(name) = given["stageName"].as_str() {
        let stage = entry.stages.get_mut(name).ok_or_else(absent)?;
        if stage.auto_deploy {
            return Err(bad("Deployment cannot be made to a stage with AutoDeploy enabled"));
        }
        stage.deployment_id = Some(deployment.deployment_id.clone());
        stage.last_updated_date = Timestamp::now();
    }
    let shown = to_value(&deployment);
    entry.deployments.insert(deployment.deployment_id.clone(), deployment);
    Ok(call::json_status(201, &shown))
}

fn deployment(auto_deployed: bool) -> Deployment {
    Deployment {
        deployment_id: new_id(),
        created_date: Timestamp::now(),
        deployment_status: "DEPLOYED".to_owned(),
        auto_deployed,
        description: None,
    }
}

fn change(cloud: &Cloud, api: &str, name: &str, change: impl FnOnce(&mut Stage)) -> Reply {
    write(cloud, api, |entry| {
        let stage = entry.stages.get_mut(name).ok_or_else(absent)?;
        change(stage);
        stage.last_updated_date = Timestamp::now();
        Ok(no_content())
    })
}

fn absent() -> Refusal {
    not_found("Invalid stage identifier specified")
}
