//! `SimulatePrincipalPolicy`: what a role's policies say to actions on resources, as services see the role now.

use jiff::Timestamp;

use super::check::Form;
use super::grammar::{self, Identity};
use super::keys::Keys;
use super::operations::page;
use super::policy::Decision;
use super::xml::element;
use super::{Extra, Iam, Own};
use crate::call::Refusal;

/// One result for each action on each resource, the actions first.
pub(super) fn principal(iam: &Iam, form: &Form) -> Result<String, Refusal> {
    let source = form.required("PolicySourceArn")?;
    let actions = form.list("ActionNames");
    if actions.is_empty() {
        form.required("ActionNames")?;
    }
    let is_owner = source == iam.arn("user", "/", "local");
    if !is_owner && iam.roles.read(|roles| roles.by_arn(source).is_none()) {
        let text = format!("The policy source {source} cannot be found.");
        return Err(Refusal::new(404, "NoSuchEntity", text));
    }
    let mut resources = form.list("ResourceArns");
    if resources.is_empty() {
        resources.push("*");
    }
    let keys = iam.keys_of(&context(form), source);
    let extra = Extra {
        policies: documents(iam, form, "PolicyInputList")?,
        boundary: documents(iam, form, "PermissionsBoundaryPolicyInputList")?,
    };
    let limited = !is_owner
        && (!extra.boundary.is_empty()
            || iam.roles.read(|roles| roles.by_arn(source).is_some_and(|role| role.boundary.is_some())));
    let asked = actions.iter().flat_map(|action| resources.iter().map(move |resource| (*action, *resource)));
    let results: Vec<(String, String)> = asked
        .enumerate()
        .map(|(index, (action, resource))| {
            let said =
                if is_owner { Own::ALL } else { iam.decide(Timestamp::now(), source, &extra, action, resource, &keys) };
            // Pages go on by key, and results keep the order of the request.
            (format!("{index:06}"), result(action, resource, said, limited))
        })
        .collect();
    page(form, "EvaluationResults", results.iter().map(|(key, text)| (key.as_str(), text.clone())))
}

fn context(form: &Form) -> Keys {
    let mut keys = Keys::default();
    for n in 1.. {
        let entry = format!("ContextEntries.member.{n}");
        let Some(name) = form.get(&format!("{entry}.ContextKeyName")) else { break };
        for value in form.list(&format!("{entry}.ContextKeyValues")) {
            keys.put(name, value);
        }
    }
    keys
}

/// Documents that the request brings, each in IAM's grammar.
fn documents<'a>(iam: &Iam, form: &'a Form, name: &str) -> Result<Vec<&'a str>, Refusal> {
    let documents = form.list(name);
    for document in &documents {
        let checked = grammar::check_identity(document, Identity::Inline, iam.partition);
        checked.map_err(|message| Refusal::new(400, "InvalidInput", message))?;
    }
    Ok(documents)
}

fn result(action: &str, resource: &str, said: Own, limited: bool) -> String {
    let decision = match said {
        Own { identity: Decision::Denied, .. } | Own { boundary: Decision::Denied, .. } => "explicitDeny",
        Own { identity: Decision::Allowed, boundary: Decision::Allowed } => "allowed",
        _ => "implicitDeny",
    };
    let allowed = said.boundary == Decision::Allowed;
    let detail = element("AllowedByPermissionsBoundary", &allowed.to_string());
    let detail = format!("<PermissionsBoundaryDecisionDetail>{detail}</PermissionsBoundaryDecisionDetail>");
    [
        element("EvalActionName", action),
        element("EvalResourceName", resource),
        element("EvalDecision", decision),
        "<MatchedStatements/><MissingContextValues/>".to_owned(),
        if limited { detail } else { String::new() },
    ]
    .concat()
}
