//! Managed policies: the account's own and those of AWS, and their attachment to roles.

use std::borrow::Cow;

use jiff::Timestamp;

use super::Iam;
use super::aws_managed::{self, AwsManaged};
use super::check::{Form, quota_chars};
use super::grammar::Identity;
use super::operations::{Tagged, no_role, page, unique_id};
use super::role::{Managed, Roles, Versions};
use super::xml::{self, element};
use crate::call::Refusal;

/// Default quota of a managed policy, white space not counted. Source: IAM quotas.
const MAX_CHARS: usize = 6_144;
/// Managed policies of one role. Source: IAM quotas.
const MAX_ATTACHED: usize = 10;

pub(super) fn create(iam: &Iam, form: &Form) -> Result<String, Refusal> {
    let (name, path, document) = (form.name("PolicyName", 128)?, form.path()?, document(iam, form)?);
    let policy = Managed {
        name: name.to_owned(),
        path: path.to_owned(),
        id: unique_id("ANPA"),
        created: Timestamp::now(),
        description: form.description()?.map(str::to_owned),
        document: document.to_owned(),
        tags: form.tags()?,
        versions: Versions::default(),
    };
    let arn = iam.arn("policy", path, name);
    iam.write(|roles| {
        if roles.managed.values().any(|other| other.name.eq_ignore_ascii_case(name)) {
            let text = format!("A policy called {name} already exists. Duplicate names are not allowed.");
            return Err(Refusal::new(409, "EntityAlreadyExists", text));
        }
        let text = format!("<Policy>{}</Policy>", shown(roles, &arn, &Policy::Own(&policy), Detail::Created));
        roles.managed.insert(arn, policy);
        Ok(text)
    })
}

/// The document of a managed policy.
pub(super) fn document<'a>(iam: &Iam, form: &'a Form) -> Result<&'a str, Refusal> {
    let document = form.policy(Identity::Managed, iam.partition)?;
    if quota_chars(document) > MAX_CHARS {
        return Err(Refusal::new(409, "LimitExceeded", format!("Cannot exceed quota for PolicySize: {MAX_CHARS}")));
    }
    Ok(document)
}

pub(super) fn get(iam: &Iam, form: &Form) -> Result<String, Refusal> {
    let arn = form.arn("PolicyArn")?;
    iam.roles.read(|roles| {
        let policy = find(iam, roles, arn)?;
        Ok(format!("<Policy>{}</Policy>", shown(roles, arn, &policy, Detail::Full)))
    })
}

/// The account's own policies and those of AWS, by their ARN.
pub(super) fn list(iam: &Iam, form: &Form) -> Result<String, Refusal> {
    let prefix = form.get("PathPrefix").unwrap_or("/");
    let scope = form.choice("Scope", &["All", "AWS", "Local"])?.unwrap_or("All");
    let usage = form.choice("PolicyUsageFilter", &["PermissionsPolicy", "PermissionsBoundary"])?;
    let only_attached = form.flag("OnlyAttached")?;
    iam.roles.read(|roles| {
        let own = roles.managed.iter().map(|(arn, policy)| (arn.clone(), Policy::Own(policy)));
        let aws = aws_managed::all().values().map(|policy| (policy.arn(iam.partition), Policy::Aws(policy)));
        let mut all: Vec<(String, Policy<'_>)> =
            own.filter(|_| scope != "AWS").chain(aws.filter(|_| scope != "Local")).collect();
        all.sort_by(|(one, _), (other, _)| one.cmp(other));
        let uses = |arn: &str| match usage {
            Some("PermissionsPolicy") => attachments(roles, arn),
            Some(_) => boundaries(roles, arn),
            None => attachments(roles, arn) + boundaries(roles, arn),
        };
        all.retain(|(arn, policy)| {
            policy.path().starts_with(prefix) && (uses(arn) > 0 || !(only_attached || usage.is_some()))
        });
        let items = all.iter().map(|(arn, policy)| (arn.as_str(), shown(roles, arn, policy, Detail::Listed)));
        page(form, "Policies", items)
    })
}

pub(super) fn delete(iam: &Iam, form: &Form) -> Result<Option<String>, Refusal> {
    let arn = form.arn("PolicyArn")?;
    iam.write(|roles| {
        let policy = change(roles, arn)?;
        if !policy.versions.others.is_empty() {
            let text = "This policy has more than one version. Before you delete a policy, you must delete the policy's \
                        versions. The default version is deleted with the policy.";
            return Err(Refusal::new(409, "DeleteConflict", text));
        }
        if attachments(roles, arn) + boundaries(roles, arn) > 0 {
            return Err(Refusal::new(409, "DeleteConflict", "Cannot delete a policy attached to entities."));
        }
        roles.managed.remove(arn);
        Ok(None)
    })
}

/// Attaching what is attached changes nothing.
pub(super) fn attach(iam: &Iam, form: &Form) -> Result<Option<String>, Refusal> {
    let arn = form.arn("PolicyArn")?;
    change_role(iam, form, |roles, key| {
        attachable(iam, roles, arn)?;
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
    let arn = form.arn("PolicyArn")?;
    change_role(iam, form, |roles, key| {
        let Some(role) = roles.roles.get_mut(key) else { return Ok(()) };
        let before = role.attached.len();
        role.attached.retain(|attached| attached != arn);
        if role.attached.len() == before { Err(not_found(arn)) } else { Ok(()) }
    })
}

pub(super) fn list_attached(iam: &Iam, form: &Form) -> Result<String, Refusal> {
    let prefix = form.get("PathPrefix").unwrap_or("/");
    iam.role(form, |role| {
        let path = |arn: &str| arn.split_once(":policy").is_some_and(|(_, path)| path.starts_with(prefix));
        let mut attached: Vec<&String> = role.attached.iter().filter(|arn| path(arn)).collect();
        attached.sort();
        let policy =
            |arn: &str| element("PolicyName", arn.rsplit('/').next().unwrap_or_default()) + &element("PolicyArn", arn);
        page(form, "AttachedPolicies", attached.into_iter().map(|arn| (arn.as_str(), policy(arn))))
    })
}

/// Sets the policy that limits what a role's other policies allow.
pub(super) fn put_boundary(iam: &Iam, form: &Form) -> Result<Option<String>, Refusal> {
    let arn = form.required("PermissionsBoundary")?;
    boundary(iam, form)?;
    change_role(iam, form, |roles, key| {
        attachable(iam, roles, arn)?;
        if let Some(role) = roles.roles.get_mut(key) {
            role.boundary = Some(arn.to_owned());
        }
        Ok(())
    })
}

pub(super) fn delete_boundary(iam: &Iam, form: &Form) -> Result<Option<String>, Refusal> {
    change_role(iam, form, |roles, key| {
        if let Some(role) = roles.roles.get_mut(key) {
            role.boundary = None;
        }
        Ok(())
    })
}

/// `PermissionsBoundary`, where it is sent: the ARN of a managed policy.
pub(super) fn boundary<'a>(iam: &Iam, form: &'a Form) -> Result<Option<&'a str>, Refusal> {
    let Some(arn) = form.get("PermissionsBoundary") else { return Ok(None) };
    let prefix = format!("arn:{}:iam::", iam.partition);
    let path = arn.strip_prefix(&prefix).and_then(|rest| rest.split_once(':'));
    let is_policy = path.is_some_and(|(owner, path)| {
        (owner == "aws" || owner == iam.account) && path.strip_prefix("policy/").is_some_and(|name| !name.is_empty())
    });
    if is_policy {
        return Ok(Some(arn));
    }
    let text = format!("Value ({arn}) for parameter PermissionsBoundary is invalid.");
    Err(Refusal::new(400, "ValidationError", text))
}

/// Whether a role can be given this policy.
pub(super) fn attachable(iam: &Iam, roles: &Roles, arn: &str) -> Result<(), Refusal> {
    find(iam, roles, arn).map(|_| ()).map_err(|refusal| {
        let text = format!("Policy {arn} does not exist or is not attachable.");
        if refusal.code == "NoSuchEntity" { Refusal::new(404, "NoSuchEntity", text) } else { refusal }
    })
}

/// The roles that a policy is attached to, or limits.
pub(super) fn entities(iam: &Iam, form: &Form) -> Result<String, Refusal> {
    let arn = form.arn("PolicyArn")?;
    let prefix = form.get("PathPrefix").unwrap_or("/");
    let filter = form.choice("EntityFilter", &["User", "Role", "Group", "LocalManagedPolicy", "AWSManagedPolicy"])?;
    let usage = form.choice("PolicyUsageFilter", &["PermissionsPolicy", "PermissionsBoundary"])?;
    iam.roles.read(|roles| {
        find(iam, roles, arn)?;
        let wanted = match filter {
            Some("User" | "Group") => false,
            Some("LocalManagedPolicy") => !aws_managed::is_aws(arn),
            Some("AWSManagedPolicy") => aws_managed::is_aws(arn),
            _ => true,
        };
        let used = roles.roles.iter().filter(|(_, role)| {
            let attached = role.attached.iter().any(|attached| attached == arn);
            let limits = role.boundary.as_deref() == Some(arn);
            wanted
                && role.path.starts_with(prefix)
                && match usage {
                    Some("PermissionsPolicy") => attached,
                    Some(_) => limits,
                    None => attached || limits,
                }
        });
        let items =
            used.map(|(key, role)| (key.as_str(), element("RoleName", &role.name) + &element("RoleId", &role.id)));
        // Users and groups exist nowhere here.
        Ok(page(form, "PolicyRoles", items)? + "<PolicyGroups/><PolicyUsers/>")
    })
}

impl Tagged for Managed {
    fn tags(&mut self) -> &mut Vec<(String, String)> {
        &mut self.tags
    }
}

/// A managed policy, whoever made it.
pub(super) enum Policy<'a> {
    Own(&'a Managed),
    Aws(&'a AwsManaged),
}

impl Policy<'_> {
    fn name(&self) -> &str {
        match self {
            Self::Own(policy) => &policy.name,
            Self::Aws(policy) => &policy.name,
        }
    }

    fn path(&self) -> &str {
        match self {
            Self::Own(policy) => &policy.path,
            Self::Aws(policy) => &policy.path,
        }
    }

    fn id(&self) -> Cow<'_, str> {
        match self {
            Self::Own(policy) => Cow::Borrowed(&policy.id),
            Self::Aws(policy) => Cow::Owned(policy.id()),
        }
    }

    /// Number of the default version, when the policy was created, and when it got its latest version.
    fn history(&self) -> (u32, Timestamp, Timestamp) {
        match self {
            Self::Own(policy) => {
                let versions = &policy.versions;
                (versions.default, policy.created, versions.updated.unwrap_or(policy.created))
            }
            Self::Aws(policy) => (policy.version, policy.created, policy.updated),
        }
    }
}

/// The policy with this ARN, or what is said of one that is not there.
pub(super) fn find<'a>(iam: &Iam, roles: &'a Roles, arn: &str) -> Result<Policy<'a>, Refusal> {
    if let Some(policy) = roles.managed.get(arn) {
        return Ok(Policy::Own(policy));
    }
    if !aws_managed::is_aws(arn) || !arn.starts_with(&format!("arn:{}:", iam.partition)) {
        return Err(not_found(arn));
    }
    aws_managed::find(arn).map(Policy::Aws).ok_or_else(|| aws_managed::unknown(arn))
}

/// A policy of the account's own, to be changed.
pub(super) fn change<'a>(roles: &'a mut Roles, arn: &str) -> Result<&'a mut Managed, Refusal> {
    if aws_managed::is_aws(arn) {
        return Err(Refusal::new(
            403,
            "AccessDenied",
            format!("Policy {arn} is managed by AWS and cannot be changed."),
        ));
    }
    roles.managed.get_mut(arn).ok_or_else(|| not_found(arn))
}

/// Changes what is attached to the role that the form names; services see it later.
fn change_role(
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

fn boundaries(roles: &Roles, arn: &str) -> usize {
    roles.roles.values().filter(|role| role.boundary.as_deref() == Some(arn)).count()
}

/// What an answer shows of a policy. `CreatePolicy` tells no description, and tags if there are any; `GetPolicy` tells
/// tags even if there are none; lists tell neither. Source: IAM API reference, `ListPolicies`; moto's tests that were run
/// against AWS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Detail {
    Created,
    Full,
    Listed,
}

/// The members of a `Policy` element.
fn shown(roles: &Roles, arn: &str, policy: &Policy<'_>, detail: Detail) -> String {
    let (version, created, updated) = policy.history();
    let mut text = [
        element("PolicyName", policy.name()),
        element("PolicyId", &policy.id()),
        element("Arn", arn),
        element("Path", policy.path()),
        element("DefaultVersionId", &format!("v{version}")),
        element("AttachmentCount", &attachments(roles, arn).to_string()),
        element("PermissionsBoundaryUsageCount", &boundaries(roles, arn).to_string()),
        element("IsAttachable", "true"),
        element("CreateDate", &xml::time(created)),
        element("UpdateDate", &xml::time(updated)),
    ]
    .concat();
    let own = if let Policy::Own(policy) = policy { Some(policy) } else { None };
    let tags = own.map(|policy| policy.tags.as_slice()).unwrap_or_default();
    match detail {
        Detail::Full if tags.is_empty() => text += "<Tags/>",
        Detail::Created | Detail::Full => text += &xml::tags(tags),
        Detail::Listed => {}
    }
    if let (Some(description), Detail::Full) = (own.and_then(|policy| policy.description.as_ref()), detail) {
        text += &element("Description", description);
    }
    text
}

pub(super) fn not_found(arn: &str) -> Refusal {
    Refusal::new(404, "NoSuchEntity", format!("Policy {arn} was not found."))
}
