//! `SimulatePrincipalPolicy`: what a role's policies say to actions on resources, as services see the role now.

use jiff::Timestamp;

use super::Iam;
use super::check::Form;
use super::keys::Keys;
use super::operations::page;
use super::policy::Decision;
use super::xml::element;
use crate::call::Refusal;

/// Parameters that would change the answer and are not looked at.
const UNSUPPORTED: [&str; 6] = [
    "PolicyInputList.member.1",
    "PermissionsBoundaryPolicyInputList.member.1",
    "ResourcePolicy",
    "ResourceOwner",
    "CallerArn",
    "ResourceHandlingOption",
];

/// One result for each action on each resource, the actions first.
pub(super) fn principal(iam: &Iam, form: &Form) -> Result<String, Refusal> {
    if let Some(given) = UNSUPPORTED.into_iter().find(|name| form.get(name).is_some()) {
        let name = given.split('.').next().unwrap_or(given);
        return Err(Refusal::new(400, "InvalidInput", format!("The local cloud does not support {name}.")));
    }
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
    let asked = actions.iter().flat_map(|action| resources.iter().map(move |resource| (*action, *resource)));
    let results: Vec<(String, String)> = asked
        .enumerate()
        .map(|(index, (action, resource))| {
            let decision = if is_owner {
                Decision::Allowed
            } else {
                iam.decide(Timestamp::now(), source, action, resource, &keys)
            };
            // Pages go on by key, and results keep the order of the request.
            (format!("{index:06}"), result(action, resource, decision))
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

fn result(action: &str, resource: &str, decision: Decision) -> String {
    let decision = match decision {
        Decision::Allowed => "allowed",
        Decision::Unmentioned => "implicitDeny",
        Decision::Denied => "explicitDeny",
    };
    [
        element("EvalActionName", action),
        element("EvalResourceName", resource),
        element("EvalDecision", decision),
        "<MatchedStatements/><MissingContextValues/>".to_owned(),
    ]
    .concat()
}
