//! Whether the caller may do what a deployment does, as IAM itself simulates it.

use aws_sdk_iam::types::{ContextEntry, ContextKeyTypeEnum, PolicyEvaluationDecisionType};

use super::{Caller, Finding};
use crate::cloud_error::{Explain, Meaning};
use crate::rights::Asked;
use crate::{Clients, CloudError, Deployer, Site};

const CHECK: &str = "rights";

/// Asks IAM about every right of the deployer's policy.
pub async fn rights(clients: &Clients, site: &Site, caller: &Caller, deployer: &Deployer) -> Finding {
    let principal = match principal(clients, site, &caller.arn).await {
        Principal::Owner => {
            return Finding::warning(
                CHECK,
                "the account's root user may do everything",
                "deploy with a role that has what `runner policy` prints",
            );
        }
        Principal::Known(arn) => arn,
        Principal::Unknown => {
            return Finding::unknown(CHECK, format!("IAM cannot simulate `{}`", caller.arn), "deploy with a role");
        }
    };
    let asked = deployer.asked();
    let mut lacking = vec![];
    for question in &asked {
        match denied(clients, &principal, question).await {
            Ok(denied) => lacking.extend(denied.into_iter().map(|denied| format!("{denied} (`{}`)", question.sid))),
            Err(error) if error.meaning() == Meaning::Refused => {
                return Finding::unknown(
                    CHECK,
                    error.message(),
                    "`runner policy --doctor` prints a policy with the right to simulate",
                );
            }
            Err(error) => return Finding::unknown(CHECK, error.message(), "the first `plan` tells what is missing"),
        }
    }
    let all: usize = asked.iter().map(|question| question.actions.len()).sum();
    if lacking.is_empty() {
        return Finding::fine(CHECK, format!("`{principal}` may do all {all} things that a deployment does"));
    }
    let found = format!("`{principal}` may not do {} of {all} things: {}", lacking.len(), lacking.join(", "));
    Finding::failed(CHECK, found, "`runner policy` prints the statements")
}

enum Principal {
    /// The account itself.
    Owner,
    /// ARN of a user or a role.
    Known(String),
    Unknown,
}

/// Whose policies count. A session's ARN lacks the path of its role, which `GetRole` tells.
async fn principal(clients: &Clients, site: &Site, caller: &str) -> Principal {
    if caller.ends_with(":root") {
        return Principal::Owner;
    }
    let Some((_, session)) = caller.split_once(":assumed-role/") else {
        let is_user = caller.contains(":user/");
        return if is_user { Principal::Known(caller.to_owned()) } else { Principal::Unknown };
    };
    let name = session.split('/').next().unwrap_or_default();
    let answer = clients.iam.get_role().role_name(name).send().await;
    let known = answer.ok().and_then(|answer| answer.role).map(|role| role.arn);
    Principal::Known(known.unwrap_or_else(|| format!("arn:{}:iam::{}:role/{name}", site.partition(), site.account)))
}

/// Actions that are not allowed, with the resource where it is not all of them.
async fn denied(clients: &Clients, principal: &str, question: &Asked) -> Result<Vec<String>, CloudError> {
    let Asked { actions, resources, condition, .. } = question;
    let context = condition.as_ref().map(|(key, value)| {
        let entry = ContextEntry::builder().context_key_name(key).context_key_type(ContextKeyTypeEnum::String);
        vec![entry.context_key_values(value).build()]
    });
    let request = clients.iam.simulate_principal_policy().policy_source_arn(principal);
    let request = request.set_action_names(Some(actions.clone())).set_resource_arns(Some(resources.clone()));
    let mut pages = request.set_context_entries(context).into_paginator().send();
    let mut denied: Vec<String> = vec![];
    while let Some(page) = pages.next().await {
        let page = page.about("iam:SimulatePrincipalPolicy", format!("`{principal}`"))?;
        for result in page.evaluation_results() {
            let whole = result.eval_decision != PolicyEvaluationDecisionType::Allowed;
            let parts = result.resource_specific_results();
            let part = parts.iter().any(|part| part.eval_resource_decision != PolicyEvaluationDecisionType::Allowed);
            let told = &result.eval_action_name;
            if (whole || part) && !denied.contains(told) {
                denied.push(told.clone());
            }
        }
    }
    Ok(denied)
}
