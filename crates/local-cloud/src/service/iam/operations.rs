//! The operations on roles.

use jiff::Timestamp;
use rand::Rng as _;

use crate::call::{Call, Refusal, Reply};
use crate::service::iam::check::{Form, MAX_TAGS, quota_chars};
use crate::service::iam::grammar::{Identity, Place};
use crate::service::iam::managed::Policy;
use crate::service::iam::role::{Role, Roles};
use crate::service::iam::xml::{self, Detail, element};
use crate::service::iam::{Iam, assumed_role_arn, managed, members, simulate, versions};

/// Default quota of a role's inline policies together, white space not counted. Source: IAM quotas.
const MAX_INLINE_CHARS: usize = 10_240;

/// Answers one call whose caller may make it.
pub(super) fn answer(iam: &Iam, call: &Call, form: &Form) -> Reply {
    let offered = members::offered(&call.operation);
    let offered = offered.ok_or_else(|| Refusal::no_operation("IAM", &call.operation))?;
    form.only(&call.operation, offered)?;
    let result = match call.operation.as_str() {
        "CreateRole" => Some(create_role(iam, form)?),
        "GetRole" => Some(iam.role(form, |role| Ok(in_role(&xml::role(role, Detail::Full))))?),
        "UpdateRole" => Some(update_role(iam, form)?),
        "UpdateRoleDescription" => Some(update_description(iam, form)?),
        "PutRolePermissionsBoundary" => managed::put_boundary(iam, form)?,
        "DeleteRolePermissionsBoundary" => managed::delete_boundary(iam, form)?,
        "UpdateAssumeRolePolicy" => update_trust(iam, form)?,
        "DeleteRole" => delete_role(iam, form)?,
        "ListRoles" => Some(list_roles(iam, form)?),
        "PutRolePolicy" => put_policy(iam, form)?,
        "GetRolePolicy" => Some(get_policy(iam, form)?),
        "DeleteRolePolicy" => delete_policy(iam, form)?,
        "ListRolePolicies" => Some(list_policies(iam, form)?),
        "TagRole" => tag_role(iam, form)?,
        "UntagRole" => untag_role(iam, form)?,
        "ListRoleTags" => Some(list_tags(iam, form)?),
        "ListAttachedRolePolicies" => Some(managed::list_attached(iam, form)?),
        "AttachRolePolicy" => managed::attach(iam, form)?,
        "DetachRolePolicy" => managed::detach(iam, form)?,
        "CreatePolicy" => Some(managed::create(iam, form)?),
        "GetPolicy" => Some(managed::get(iam, form)?),
        "ListPolicies" => Some(managed::list(iam, form)?),
        "DeletePolicy" => managed::delete(iam, form)?,
        "ListEntitiesForPolicy" => Some(managed::entities(iam, form)?),
        "CreatePolicyVersion" => Some(versions::create(iam, form)?),
        "GetPolicyVersion" => Some(versions::get(iam, form)?),
        "ListPolicyVersions" => Some(versions::list(iam, form)?),
        "SetDefaultPolicyVersion" => versions::set_default(iam, form)?,
        "DeletePolicyVersion" => versions::delete(iam, form)?,
        "TagPolicy" => tag_policy(iam, form)?,
        "UntagPolicy" => untag_policy(iam, form)?,
        "ListPolicyTags" => Some(list_policy_tags(iam, form)?),
        // Instance profiles exist nowhere here, so no role is in any.
        "ListInstanceProfilesForRole" => Some(iam.role(form, |_| Ok(nothing("InstanceProfiles")))?),
        "SimulatePrincipalPolicy" => Some(simulate::principal(iam, form)?),
        other => return Err(Refusal::no_operation("IAM", other)),
    };
    Ok(xml::answer(call, result.as_deref()))
}

impl Iam {
    /// Looks at the role that the form names.
    pub(super) fn role<R>(&self, form: &Form, look: impl FnOnce(&Role) -> Result<R, Refusal>) -> Result<R, Refusal> {
        let name = form.role_name()?;
        self.roles.read(|roles| look(roles.roles.get(&name.to_lowercase()).ok_or_else(|| no_role(name))?))
    }

    /// Changes the role that the form names; services see it later.
    fn change<R>(&self, form: &Form, change: impl FnOnce(&mut Role) -> Result<R, Refusal>) -> Result<R, Refusal> {
        let (name, key) = (form.role_name()?, form.role_name()?.to_lowercase());
        self.write(|roles| {
            let result = change(roles.roles.get_mut(&key).ok_or_else(|| no_role(name))?)?;
            roles.changed(&key, Timestamp::now(), self.propagation);
            Ok(result)
        })
    }

    /// A trust policy in the form, whose principals exist.
    fn trust_in(&self, form: &Form, name: &str) -> Result<String, Refusal> {
        let owner = self.arn("user", "/", "local");
        let exists = |who: &str| {
            who == owner
                || self.roles.read(|roles| {
                    roles.roles.values().any(|role| {
                        let session = assumed_role_arn(&role.arn, "");
                        let session = who.strip_prefix(&session).is_some_and(|name| !name.is_empty());
                        role.arn == who || role.id == who || session
                    })
                })
        };
        let place = Place { partition: self.partition, account: &self.account, exists: &exists };
        form.trust(name, &place).map(str::to_owned)
    }

    pub(super) fn write<R>(&self, change: impl FnOnce(&mut Roles) -> Result<R, Refusal>) -> Result<R, Refusal> {
        self.roles.write(change)
    }
}

fn create_role(iam: &Iam, form: &Form) -> Result<String, Refusal> {
    let (name, path) = (form.role_name()?, form.path()?);
    let boundary = managed::boundary(iam, form)?;
    let role = Role {
        name: name.to_owned(),
        path: path.to_owned(),
        id: unique_id("AROA"),
        arn: iam.arn("role", path, name),
        created: Timestamp::now(),
        description: form.description()?.map(str::to_owned),
        max_session_s: form.max_session_s()?,
        trust: iam.trust_in(form, "AssumeRolePolicyDocument")?,
        policies: std::collections::BTreeMap::new(),
        tags: form.tags()?,
        attached: Vec::new(),
        boundary: boundary.map(str::to_owned),
    };
    let key = name.to_lowercase();
    iam.write(|roles| {
        if roles.roles.contains_key(&key) {
            let text = format!("Role with name {name} already exists.");
            return Err(Refusal::new(409, "EntityAlreadyExists", text));
        }
        if let Some(boundary) = boundary {
            managed::attachable(iam, roles, boundary)?;
        }
        let text = in_role(&xml::role(&role, Detail::Full));
        roles.roles.insert(key.clone(), role);
        roles.changed(&key, Timestamp::now(), iam.propagation);
        Ok(text)
    })
}

/// A duration that is not sent goes back to an hour, as AWS documents; a description that is not sent stays.
fn update_role(iam: &Iam, form: &Form) -> Result<String, Refusal> {
    let (description, max_session_s) = (form.description()?.map(str::to_owned), form.max_session_s()?);
    iam.change(form, |role| {
        role.description = description.or(role.description.take());
        role.max_session_s = max_session_s;
        Ok(String::new())
    })
}

fn update_description(iam: &Iam, form: &Form) -> Result<String, Refusal> {
    form.required("Description")?;
    let description = form.description()?;
    iam.change(form, |role| {
        role.description = description.map(str::to_owned);
        Ok(in_role(&xml::role(role, Detail::Full)))
    })
}

fn update_trust(iam: &Iam, form: &Form) -> Result<Option<String>, Refusal> {
    let trust = iam.trust_in(form, "PolicyDocument")?;
    iam.change(form, |role| {
        role.trust = trust;
        Ok(None)
    })
}

fn delete_role(iam: &Iam, form: &Form) -> Result<Option<String>, Refusal> {
    let name = form.role_name()?;
    let key = name.to_lowercase();
    iam.write(|roles| {
        let role = roles.roles.get(&key).ok_or_else(|| no_role(name))?;
        if !role.attached.is_empty() {
            let text = "Cannot delete entity, must detach all policies first.";
            return Err(Refusal::new(409, "DeleteConflict", text));
        }
        if !role.policies.is_empty() {
            let text = "Cannot delete entity, must delete policies first.";
            return Err(Refusal::new(409, "DeleteConflict", text));
        }
        roles.roles.remove(&key);
        roles.changed(&key, Timestamp::now(), iam.propagation);
        Ok(None)
    })
}

fn list_roles(iam: &Iam, form: &Form) -> Result<String, Refusal> {
    let prefix = form.get("PathPrefix").unwrap_or("/");
    iam.roles.read(|roles| {
        let roles = roles.roles.iter().filter(|(_, role)| role.path.starts_with(prefix));
        page(form, "Roles", roles.map(|(key, role)| (key.as_str(), xml::role(role, Detail::Listed))))
    })
}

fn put_policy(iam: &Iam, form: &Form) -> Result<Option<String>, Refusal> {
    let (name, text) = (form.name("PolicyName", 128)?, form.policy(Identity::Inline, iam.partition)?);
    iam.change(form, |role| {
        let others = role.policies.iter().filter(|(other, _)| *other != name);
        let chars: usize = others.map(|(_, text)| quota_chars(text)).sum();
        if chars + quota_chars(text) > MAX_INLINE_CHARS {
            let text = format!("Maximum policy size of {MAX_INLINE_CHARS} bytes exceeded for role {}", role.name);
            return Err(Refusal::new(409, "LimitExceeded", text));
        }
        role.policies.insert(name.to_owned(), text.to_owned());
        Ok(None)
    })
}

fn get_policy(iam: &Iam, form: &Form) -> Result<String, Refusal> {
    let name = form.name("PolicyName", 128)?;
    iam.role(form, |role| {
        let text = role.policies.get(name).ok_or_else(|| no_policy(name))?;
        Ok(element("RoleName", &role.name) + &element("PolicyName", name) + &xml::document("PolicyDocument", text))
    })
}

fn delete_policy(iam: &Iam, form: &Form) -> Result<Option<String>, Refusal> {
    let name = form.name("PolicyName", 128)?;
    iam.change(form, |role| {
        role.policies.remove(name).ok_or_else(|| no_policy(name))?;
        Ok(None)
    })
}

fn list_policies(iam: &Iam, form: &Form) -> Result<String, Refusal> {
    iam.role(form, |role| {
        page(
            form,
            "PolicyNames",
            role.policies.keys().map(|name| (name.as_str(), quick_xml::escape::escape(name).into())),
        )
    })
}

/// What bears tags.
pub(super) trait Tagged {
    fn tags(&mut self) -> &mut Vec<(String, String)>;
}

impl Tagged for Role {
    fn tags(&mut self) -> &mut Vec<(String, String)> {
        &mut self.tags
    }
}

fn tag_role(iam: &Iam, form: &Form) -> Result<Option<String>, Refusal> {
    let tags = form.tags()?;
    iam.change(form, |role| tag(role, tags))
}

fn tag_policy(iam: &Iam, form: &Form) -> Result<Option<String>, Refusal> {
    let (arn, tags) = (form.arn("PolicyArn")?, form.tags()?);
    iam.write(|roles| tag(managed::change(roles, arn)?, tags))
}

fn tag(what: &mut impl Tagged, tags: Vec<(String, String)>) -> Result<Option<String>, Refusal> {
    let all = what.tags();
    for (key, value) in tags {
        match all.iter_mut().find(|(other, _)| other.to_lowercase() == key.to_lowercase()) {
            Some(present) => *present = (key, value),
            None => all.push((key, value)),
        }
    }
    if all.len() > MAX_TAGS {
        return Err(Refusal::new(409, "LimitExceeded", "The number of tags has reached the maximum limit."));
    }
    Ok(None)
}

fn untag_role(iam: &Iam, form: &Form) -> Result<Option<String>, Refusal> {
    let keys = form.tag_keys()?;
    iam.change(form, |role| Ok(untag(role, &keys)))
}

fn untag_policy(iam: &Iam, form: &Form) -> Result<Option<String>, Refusal> {
    let (arn, keys) = (form.arn("PolicyArn")?, form.tag_keys()?);
    iam.write(|roles| Ok(untag(managed::change(roles, arn)?, &keys)))
}

fn untag(what: &mut impl Tagged, keys: &[&str]) -> Option<String> {
    let keys: Vec<String> = keys.iter().map(|key| key.to_lowercase()).collect();
    what.tags().retain(|(key, _)| !keys.contains(&key.to_lowercase()));
    None
}

fn list_tags(iam: &Iam, form: &Form) -> Result<String, Refusal> {
    iam.role(form, |role| tags_page(form, &role.tags))
}

fn list_policy_tags(iam: &Iam, form: &Form) -> Result<String, Refusal> {
    let arn = form.arn("PolicyArn")?;
    iam.roles.read(|roles| match managed::find(iam, roles, arn)? {
        Policy::Own(policy) => tags_page(form, &policy.tags),
        Policy::Aws(_) => tags_page(form, &[]),
    })
}

fn tags_page(form: &Form, tags: &[(String, String)]) -> Result<String, Refusal> {
    let mut tags: Vec<&(String, String)> = tags.iter().collect();
    tags.sort();
    let tag = |key: &str, value: &str| element("Key", key) + &element("Value", value);
    page(form, "Tags", tags.iter().map(|(key, value)| (key.as_str(), tag(key, value))))
}

/// One page of a list whose keys ascend; the marker is the last key of the page before.
pub(super) fn page<'a>(
    form: &Form,
    name: &str,
    items: impl Iterator<Item = (&'a str, String)>,
) -> Result<String, Refusal> {
    let max = form.max_items()?;
    let marker = form.get("Marker");
    let rest: Vec<(&str, String)> = items.filter(|(key, _)| marker.is_none_or(|marker| *key > marker)).collect();
    let truncated = rest.len() > max;
    let next = if truncated { element("Marker", rest[max - 1].0) } else { String::new() };
    let list = xml::list(name, rest.into_iter().take(max).map(|(_, text)| text));
    Ok(format!("<IsTruncated>{truncated}</IsTruncated>{next}{list}"))
}

fn nothing(list: &str) -> String {
    format!("<IsTruncated>false</IsTruncated><{list}/>")
}

fn in_role(members: &str) -> String {
    format!("<Role>{members}</Role>")
}

pub(super) fn no_role(name: &str) -> Refusal {
    Refusal::new(404, "NoSuchEntity", format!("The role with name {name} cannot be found."))
}

fn no_policy(name: &str) -> Refusal {
    Refusal::new(404, "NoSuchEntity", format!("The role policy with name {name} cannot be found."))
}

/// A prefix and 17 characters of base 32, as on AWS: `AROA` for a role, `ANPA` for a managed policy.
pub(super) fn unique_id(prefix: &str) -> String {
    let mut rng = rand::rng();
    let tail = (0..17).map(|_| char::from(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[rng.random_range(0..32)]));
    prefix.chars().chain(tail).collect()
}
