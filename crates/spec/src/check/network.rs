//! Keys and networks of the user's.

use std::ops::RangeInclusive;

use super::Checker;
use super::endpoint::has_own_disk;
use super::words::quoted;
use crate::limits;
use crate::raw::RawVpc;
use crate::types::{Capacity, Vpc};

const KEY: &str = "stages.create-endpoint.kms-key";
const VPC: &str = "stages.create-endpoint.vpc";

/// Whether `SageMaker` takes the key for such machines; says why not.
pub(super) fn kms_key(checker: &mut Checker<'_>, key: &str, capacity: &Capacity) -> bool {
    if !is_key(key) {
        let complaint = checker.places.complain(KEY, format!("{} names no KMS key", quoted(key)));
        let complaint = complaint.help("a key's id, its ARN, `alias/<name>`, or the ARN of an alias");
        let is_name = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b));
        checker.say(if is_name { complaint.help(format!("did you mean `alias/{key}`?")) } else { complaint });
        return false;
    }
    if let Capacity::Instances { instance_type, .. } = capacity
        && has_own_disk(instance_type)
    {
        let message = format!("`{instance_type}` encrypts its own disk, and takes no `kms-key`");
        checker.say(checker.places.complain_key(KEY, message).help("leave `kms-key` out, or take another type"));
        return false;
    }
    true
}

/// One of the four forms that `KmsKeyId` documents.
fn is_key(key: &str) -> bool {
    let plain = key.bytes().all(|b| b.is_ascii_alphanumeric() || b":/_-".contains(&b));
    if !plain || key.len() > limits::KMS_KEY_CHARS {
        return false;
    }
    let named = match key.strip_prefix("arn:") {
        None => key,
        Some(arn) => match arn.splitn(5, ':').collect::<Vec<_>>().as_slice() {
            [partition, "kms", region, account, resource]
                if partition.starts_with("aws") && !region.is_empty() && account.len() == 12 =>
            {
                // Within an ARN a key's id stands behind `key/`.
                return resource.strip_prefix("key/").is_some_and(is_id) || is_alias(resource);
            }
            _ => return false,
        },
    };
    is_id(named) || is_alias(named)
}

fn is_alias(name: &str) -> bool {
    name.strip_prefix("alias/").is_some_and(|name| !name.is_empty())
}

/// A UUID, or `mrk-` with 32 digits for a key of many regions.
fn is_id(id: &str) -> bool {
    let hex = |text: &str, length: usize| text.len() == length && text.bytes().all(|b| b.is_ascii_hexdigit());
    let parts: Vec<_> = id.split('-').collect();
    let uuid = parts.len() == 5 && parts.iter().zip([8, 4, 4, 4, 12]).all(|(part, length)| hex(part, length));
    uuid || id.strip_prefix("mrk-").is_some_and(|digits| hex(digits, 32))
}

pub(super) fn vpc(checker: &mut Checker<'_>, raw: &RawVpc) -> Vpc {
    Vpc {
        subnets: ids(checker, "subnets", raw.subnets.as_deref(), "subnet-", &limits::SUBNETS),
        security_groups: ids(
            checker,
            "security-groups",
            raw.security_groups.as_deref(),
            "sg-",
            &limits::SECURITY_GROUPS,
        ),
    }
}

/// Reads a list of ids; their order means nothing, so they are sorted.
fn ids(
    checker: &mut Checker<'_>,
    key: &str,
    given: Option<&[String]>,
    prefix: &str,
    range: &RangeInclusive<usize>,
) -> Vec<String> {
    let path = format!("{VPC}.{key}");
    let Some(given) = given else {
        let complaint = checker.places.complain_key(VPC, format!("`vpc` lacks the key `{key}`"));
        checker.say(complaint.help(format!("for example `{key}: [{prefix}0123456789abcdef0]`")));
        return vec![];
    };
    if !range.contains(&given.len()) {
        let (from, to) = (range.start(), range.end());
        let message = format!("`{key}` must name from {from} to {to}, not {}", given.len());
        checker.say(checker.places.complain_key(&path, message));
    }
    for (index, id) in given.iter().enumerate() {
        let at = format!("{path}[{index}]");
        let sound = id.strip_prefix(prefix).is_some_and(|rest| {
            !rest.is_empty() && id.len() <= limits::VPC_ID_CHARS && rest.bytes().all(|b| b.is_ascii_alphanumeric())
        });
        if !sound {
            let complaint = checker.places.complain(&at, format!("{} is no id of `{key}`", quoted(id)));
            checker.say(complaint.help(format!("it reads like `{prefix}0123456789abcdef0`")));
        } else if given[..index].contains(id) {
            checker.say(checker.places.complain(&at, format!("{} is named twice", quoted(id))));
        }
    }
    let mut ids = given.to_vec();
    ids.sort_unstable();
    ids
}
