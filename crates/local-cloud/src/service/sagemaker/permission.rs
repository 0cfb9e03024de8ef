//! What a role must be allowed to before the service goes on, while a change of its policy may still be on its way.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::record::Variant;
use crate::Cloud;
use crate::service::s3;

/// Between two looks at a policy that is not seen yet.
const PAUSE: Duration = Duration::from_millis(20);

/// Asks until the role may, or until any change that was made before must have been seen.
///
/// On AWS minutes pass between a change of the role and its first use by an endpoint; here it may be milliseconds.
pub(super) async fn permitted(cloud: &Cloud, role: &str, action: &str, resource: &str) -> bool {
    seen_in_time(cloud, || cloud.iam.authorize(role, action, resource).is_ok()).await
}

/// The same of what is done to an object, where the policy of the bucket counts too.
pub(super) async fn permitted_in_bucket(cloud: &Cloud, role: &str, action: &str, object: &str) -> bool {
    seen_in_time(cloud, || s3::may(cloud, role, action, object, &[])).await
}

async fn seen_in_time(cloud: &Cloud, allowed: impl Fn() -> bool) -> bool {
    let until = Instant::now() + cloud.config.delays.iam_propagation + PAUSE;
    loop {
        match allowed() {
            false if Instant::now() < until => sleep(PAUSE).await,
            answer => return answer,
        }
    }
}

/// What SageMaker does as the role to put containers into a VPC. Source: AWS documentation, hosted endpoints and
/// resources in a VPC, which lists ten actions; these are the ones that it cannot do without.
const NETWORK: [&str; 5] = [
    "ec2:DescribeSubnets",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeVpcs",
    "ec2:CreateNetworkInterface",
    "ec2:CreateNetworkInterfacePermission",
];

/// Whether the role may make network interfaces; the sentence is not verified.
pub(super) async fn may_join_network(cloud: &Cloud, variant: &Variant) -> Result<(), String> {
    let Some(role) = variant.role.as_ref().filter(|_| variant.network) else { return Ok(()) };
    for action in NETWORK {
        if !permitted(cloud, role, action, "*").await {
            return Err(format!("The role '{role}' does not have {action} permission for the VPC of the model."));
        }
    }
    Ok(())
}
