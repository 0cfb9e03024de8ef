//! Managed policies of the account's own, each in its one version, and their attachment to roles. AWS's own managed
//! policies exist nowhere here.

use jiff::Timestamp;

use super::Iam;
use super::check::{Form, quota_chars};
use super::operations::{no_role, page, unique_id};
use super::role::{Managed, Roles};
use super::xml::{self, element};
use crate::call::Refusal;

/// Default quota of a managed policy, white space not counted. Source: IAM quotas.
const MAX_CHARS: usize = 6_144;
/// Managed policies of one role. Source: IAM quotas.
const MAX_ATTACHED: usize = 10;

pub(super) fn create(iam: &Iam, form: &Form) -> Result<String, Refusal> {
    let (name, path, document) = (form.name("PolicyName", 128)?, form.path()?, form.policy()?);
    if quota_chars(document) > MAX_CHARS {
        return Err(Refusal::new(409, "LimitExceeded", format!("Cannot exceed quota for PolicySize: {MAX_CHARS}")));
    }
    let policy = Managed {
        name: name.to_owned(),
        path: path.to_owned(),
        id: unique_id("ANPA"),
        created: Timestamp::now(),
        description: form.description()?.map(str::to_owned),
        document: document.to_owned(),
        tags: form.tags()?,
    };
    let arn = iam.arn("policy", path, name);
    iam.write(|roles| {
        if roles.managed.values().any(|other| other.name.eq_ignore_ascii_case(name)) {
            let text = format!("A policy called {name} already exists. Duplicate names are not allowed.");
            return Err(Refusal::new(409, "EntityAlreadyExists", text));
        }
        let text = format!("<Policy>{}</Policy>", shown(roles, &arn, &policy));
        roles.managed.insert(arn, policy);
        Ok(text)
    })
}

pub(super) fn get(iam: &Iam, form: &Form) -> Result<String, Refusal> {
    let arn = form.required("PolicyArn")?;
    iam.roles.read(|roles| {
        let policy = roles.managed.get(arn).ok_or_else(|| not_found(arn))?;
        Ok(format!("<Policy>{}</Policy>", shown(roles, arn, policy)))
    })
}

pub(super) fn list(iam: &Iam, form: &Form) -> Result<String, Refusal> {
    let prefix = form.get("PathPrefix").unwrap_or("/");
    iam.roles.read(|roles| {
        let policies = roles.managed.iter().filter(|(_, policy)| policy.path.starts_with(prefix));
        page(form, "Policies", policies.map(|(arn, policy)| (arn.as_str(), shown(roles, arn, policy))))
    })
}

pub(super) fn delete(iam: &Iam, form: &Form) -> Result<Option<String>, Refusal> {
    let arn = form.required("PolicyArn")?;
    iam.write(|roles| {
        if attachments(roles, arn) > 0 {
            return Err(Refusal::new(409, "DeleteConflict", "Cannot delete a policy attached to entities."));
        }
        roles.managed.remove(arn).ok_or_else(|| not_found(arn))?;
        Ok(None)
    })
}

/// Attaching what is attached changes nothing.
pub(super) fn attach(iam: &Iam, form: &Form) -> Result<Option<String>, Refusal> {
    let arn = form.required("PolicyArn")?;
    change(iam, form, |roles, key| {
        if !roles.managed.contains_key(arn) {
            let text = format!("Policy {arn} does not exist or is not attachable.");
            return Err(Refusal::new(404, "NoSuchEntity", text));
        }
        let Some(role) = roles.roles.get_mut(key) else { return Ok(()) };
        if role.attached.iter().any(|attached| attached == arn) {
            return Ok(());
        }
        if role.attached.len() == MAX_ATTACHED {
            let text = format!("Cannot exceed quota for PoliciesPerRole: {MAX_ATTACHED}");
            return Err(Refusal::new(409, "LimitExceeded", text));
        }
        role.attached.push(arn.to_owned());
        Ok(())
    })
}

pub(super) fn detach(iam: &Iam, form: &Form) -> Result<Option<String>, Refusal> {
    let arn = form.required("PolicyArn")?;
    change(iam, form, |roles, key| {
        let Some(role) = roles.roles.get_mut(key) else { return Ok(()) };
        let before = role.attached.len();
        role.attached.retain(|attached| attached != arn);
        if role.attached.len() == before { Err(not_found(arn)) } else { Ok(()) }
    })
}

pub(super) fn list_attached(iam: &Iam, form: &Form) -> Result<String, Refusal> {
    iam.role(form, |role| {
        let mut attached: Vec<&String> = role.attached.iter().collect();
        attached.sort();
        let policy =
            |arn: &str| element("PolicyName", arn.rsplit('/').next().unwrap_or_default()) + &element("PolicyArn", arn);
        page(form, "AttachedPolicies", attached.into_iter().map(|arn| (arn.as_str(), policy(arn))))
    })
}

/// Changes what is attached to the role that the form names; services see it later.
fn change(
    iam: &Iam,
    form: &Form,
    change: impl FnOnce(&mut Roles, &str) -> Result<(), Refusal>,
) -> Result<Option<String>, Refusal> {
    let (name, key) = (form.role_name()?, form.role_name()?.to_lowercase());
    iam.write(|roles| {
        if !roles.roles.contains_key(&key) {
            return Err(no_role(name));
        }
        change(roles, &key)?;
        roles.changed(&key, Timestamp::now(), iam.propagation);
        Ok(None)
    })
}

fn attachments(roles: &Roles, arn: &str) -> usize {
    roles.roles.values().filter(|role| role.attached.iter().any(|attached| attached == arn)).count()
}

/// The members of a `Policy` element.
fn shown(roles: &Roles, arn: &str, policy: &Managed) -> String {
    let created = policy.created.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let description = policy.description.as_ref().map(|text| element("Description", text)).unwrap_or_default();
    let tags = if policy.tags.is_empty() { String::new() } else { xml::tags(&policy.tags) };
    [
        element("PolicyName", &policy.name),
        element("PolicyId", &policy.id),
        element("Arn", arn),
        element("Path", &policy.path),
        element("DefaultVersionId", "v1"),
        element("AttachmentCount", &attachments(roles, arn).to_string()),
        element("PermissionsBoundaryUsageCount", "0"),
        element("IsAttachable", "true"),
        element("CreateDate", &created),
        element("UpdateDate", &created),
        description,
        tags,
    ]
    .concat()
}

fn not_found(arn: &str) -> Refusal {
    Refusal::new(404, "NoSuchEntity", format!("Policy {arn} was not found."))
}
