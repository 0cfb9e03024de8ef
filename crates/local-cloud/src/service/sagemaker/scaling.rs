//! What Application Auto Scaling sees of a variant, and does to it.

use std::sync::Arc;

use serde_json::json;

use super::deploy;
use super::record::{Status, now};
use crate::Cloud;

/// What of a variant can be scaled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Scaled {
    /// Machines.
    Instances {
        /// For example `ml.m5.large`.
        instance_type: String,
        /// How many are wanted.
        count: i64,
    },
    /// Provisioned concurrency.
    Provisioned(i64),
}

/// What a variant in service has; none when there is none.
pub(crate) fn scaled(cloud: &Cloud, endpoint: &str, variant: &str) -> Option<Scaled> {
    cloud.sagemaker.memory.read(|memory| {
        let endpoint = memory.endpoints.get(&endpoint.to_ascii_lowercase()).filter(|it| it.name == endpoint)?;
        if !matches!(endpoint.status, Status::InService | Status::Updating) {
            return None;
        }
        let variant = endpoint.serving.as_ref()?.variants.iter().find(|known| known.name == variant)?;
        if let Some(serverless) = &variant.desired_serverless {
            return serverless["ProvisionedConcurrency"].as_i64().map(Scaled::Provisioned);
        }
        let instance_type = variant.instance_type.clone().unwrap_or_default();
        Some(Scaled::Instances { instance_type, count: i64::try_from(variant.desired_count).ok()? })
    })
}

/// Gives a variant another capacity, as `UpdateEndpointWeightsAndCapacities` would; false when the endpoint is busy.
pub(crate) fn scale(cloud: &Arc<Cloud>, endpoint: &str, variant: &str, capacity: i64) -> bool {
    let key = endpoint.to_ascii_lowercase();
    let written = cloud.sagemaker.memory.write(|memory| {
        let Some(endpoint) = memory.endpoints.get_mut(&key).filter(|it| it.status == Status::InService) else {
            return Ok(false);
        };
        let variants = endpoint.serving.iter_mut().flat_map(|fleet| &mut fleet.variants);
        let Some(variant) = variants.into_iter().find(|known| known.name == variant) else { return Ok(false) };
        match &mut variant.desired_serverless {
            Some(serverless) => serverless["ProvisionedConcurrency"] = json!(capacity),
            None => variant.desired_count = u64::try_from(capacity).unwrap_or(variant.desired_count),
        }
        endpoint.status = Status::Updating;
        endpoint.modified = now();
        Ok(true)
    });
    let begun = written.unwrap_or(false);
    if begun {
        deploy::spawn(cloud, key);
    }
    begun
}
