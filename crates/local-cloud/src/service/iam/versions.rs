//! The versions of managed policies.

use jiff::Timestamp;

use super::Iam;
use super::check::Form;
use super::managed::{self, Policy};
use super::operations::page;
use super::role::{Managed, Version};
use super::xml::{self, element};
use crate::call::Refusal;

/// Versions of one policy. Source: IAM quotas.
const MAX_VERSIONS: usize = 5;

pub(super) fn create(iam: &Iam, form: &Form) -> Result<String, Refusal> {
    let (arn, document) = (form.arn("PolicyArn")?, managed::document(iam, form)?);
    let default = form.flag("SetAsDefault")?;
    let now = Timestamp::now();
    iam.write(|roles| {
        let policy = managed::change(roles, arn)?;
        if policy.versions.others.len() + 1 == MAX_VERSIONS {
            let text = format!(
                "A managed policy can have up to {MAX_VERSIONS} versions. Before you create a new version, you must \
                 delete an existing version."
            );
            return Err(Refusal::new(409, "LimitExceeded", text));
        }
        policy.versions.latest += 1;
        let number = policy.versions.latest;
        policy.versions.updated = Some(now);
        policy.versions.others.insert(number, Version { created: now, document: document.to_owned() });
        if default {
            policy.set_default(number);
            roles.policy_changed(arn, now, iam.propagation);
        }
        Ok(in_version(&shown(number, default, now, None)))
    })
}

pub(super) fn get(iam: &Iam, form: &Form) -> Result<String, Refusal> {
    let (arn, number) = (form.arn("PolicyArn")?, form.version()?);
    iam.roles.read(|roles| match managed::find(iam, roles, arn)? {
        Policy::Own(policy) => {
            let version = policy.version(number).ok_or_else(|| no_version(arn, number))?;
            let default = number == policy.versions.default;
            Ok(in_version(&shown(number, default, version.created, Some(&version.document))))
        }
        Policy::Aws(policy) if number == policy.version => {
            Ok(in_version(&shown(number, true, policy.updated, Some(&policy.document(iam.partition)))))
        }
        Policy::Aws(policy) if number < policy.version => {
            let what =
                format!("version v{number} of the AWS-managed policy `{}`, only v{}", policy.name, policy.version);
            Err(Refusal::not_offered(what))
        }
        Policy::Aws(_) => Err(no_version(arn, number)),
    })
}

/// The versions, the latest first. A list has no documents. Source: IAM API reference, `PolicyVersion`.
pub(super) fn list(iam: &Iam, form: &Form) -> Result<String, Refusal> {
    let arn = form.arn("PolicyArn")?;
    iam.roles.read(|roles| {
        let mut versions: Vec<(u32, bool, Timestamp)> = match managed::find(iam, roles, arn)? {
            Policy::Own(policy) => all(policy),
            Policy::Aws(policy) => vec![(policy.version, true, policy.updated)],
        };
        versions.sort_unstable_by_key(|(number, ..)| std::cmp::Reverse(*number));
        let items: Vec<(String, String)> = versions
            .into_iter()
            // Pages go on by key, and keys ascend.
            .map(|(number, default, created)| {
                (format!("{:010}", u32::MAX - number), shown(number, default, created, None))
            })
            .collect();
        page(form, "Versions", items.iter().map(|(key, text)| (key.as_str(), text.clone())))
    })
}

pub(super) fn set_default(iam: &Iam, form: &Form) -> Result<Option<String>, Refusal> {
    let (arn, number) = (form.arn("PolicyArn")?, form.version()?);
    iam.write(|roles| {
        if !managed::change(roles, arn)?.set_default(number) {
            return Err(no_version(arn, number));
        }
        roles.policy_changed(arn, Timestamp::now(), iam.propagation);
        Ok(None)
    })
}

pub(super) fn delete(iam: &Iam, form: &Form) -> Result<Option<String>, Refusal> {
    let (arn, number) = (form.arn("PolicyArn")?, form.version()?);
    iam.write(|roles| {
        let policy = managed::change(roles, arn)?;
        if number == policy.versions.default {
            return Err(Refusal::new(409, "DeleteConflict", "Cannot delete the default version of a policy."));
        }
        policy.versions.others.remove(&number).ok_or_else(|| no_version(arn, number))?;
        Ok(None)
    })
}

fn all(policy: &Managed) -> Vec<(u32, bool, Timestamp)> {
    let others = policy.versions.others.iter().map(|(number, version)| (*number, false, version.created));
    others.chain([(policy.versions.default, true, policy.default_created())]).collect()
}

fn in_version(members: &str) -> String {
    format!("<PolicyVersion>{members}</PolicyVersion>")
}

fn shown(number: u32, default: bool, created: Timestamp, document: Option<&str>) -> String {
    let document = document.map(|text| xml::document("Document", text)).unwrap_or_default();
    [
        document,
        element("VersionId", &format!("v{number}")),
        element("IsDefaultVersion", &default.to_string()),
        element("CreateDate", &xml::time(created)),
    ]
    .concat()
}

fn no_version(arn: &str, number: u32) -> Refusal {
    let text = format!("Policy {arn} version v{number} does not exist or is not attachable.");
    Refusal::new(404, "NoSuchEntity", text)
}
