//! The managed policies of AWS's own that users of SageMaker and Lambda attach, each in its default version.
//!
//! Source of the documents, versions and dates: AWS's public policies as moto 5.2.1 lists them
//! (`aws_managed_policies.py`). Their ids are made up: AWS's are not listed there.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::call::Refusal;

/// A policy of AWS's own.
#[derive(Debug, Deserialize)]
pub(super) struct AwsManaged {
    pub(super) name: String,
    pub(super) path: String,
    /// Number of the default version, the only one that is offered.
    pub(super) version: u32,
    pub(super) created: Timestamp,
    pub(super) updated: Timestamp,
    document: Value,
}

impl AwsManaged {
    pub(super) fn arn(&self, partition: &str) -> String {
        format!("arn:{partition}:iam::aws:policy{}{}", self.path, self.name)
    }

    /// The document, about the resources of a partition.
    pub(super) fn document(&self, partition: &str) -> String {
        self.document.to_string().replace("\"arn:aws:", &format!("\"arn:{partition}:"))
    }

    pub(super) fn id(&self) -> String {
        let hash = Sha256::digest(&self.name);
        let tail =
            hash.iter().take(17).map(|byte| char::from(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[usize::from(byte % 32)]));
        "ANPA".chars().chain(tail).collect()
    }
}

/// All policies, by path and name.
pub(super) fn all() -> &'static BTreeMap<String, AwsManaged> {
    static ALL: OnceLock<BTreeMap<String, AwsManaged>> = OnceLock::new();
    ALL.get_or_init(|| {
        // The file is part of the program; a test reads it.
        let list: Vec<AwsManaged> = serde_json::from_str(include_str!("aws_managed.json")).unwrap_or_default();
        list.into_iter().map(|policy| (format!("{}{}", policy.path, policy.name), policy)).collect()
    })
}

/// Whether an ARN is that of a policy of AWS's own, whatever the partition.
pub(super) fn is_aws(arn: &str) -> bool {
    parts(arn).is_some()
}

/// The policy with this ARN.
pub(super) fn find(arn: &str) -> Option<&'static AwsManaged> {
    all().get(parts(arn)?.1)
}

/// The document of the policy with this ARN.
pub(super) fn document(arn: &str) -> Option<String> {
    Some(find(arn)?.document(parts(arn)?.0))
}

/// What is said of a policy of AWS's own that is not among these.
pub(super) fn unknown(arn: &str) -> Refusal {
    let name = arn.rsplit('/').next().unwrap_or(arn);
    Refusal::not_offered(format!("the AWS-managed policy `{name}`"))
}

/// Partition, and path with name.
fn parts(arn: &str) -> Option<(&str, &str)> {
    let (partition, rest) = arn.strip_prefix("arn:")?.split_once(':')?;
    Some((partition, rest.strip_prefix("iam::aws:policy")?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::iam::grammar::{Identity, check_identity};

    #[test]
    fn every_policy_passes_the_grammar_in_every_partition() {
        assert_eq!(all().len(), 59);
        for policy in all().values() {
            for partition in ["aws", "aws-cn"] {
                let document = document(&policy.arn(partition)).unwrap();
                assert_eq!(check_identity(&document, Identity::Managed, partition), Ok(()), "{}", policy.name);
            }
        }
    }
}
