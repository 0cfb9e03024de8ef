//! Application Auto Scaling, as far as it scales the variants of endpoints: scalable targets and target tracking.
//!
//! It follows what `CloudWatch` measures: its policies make alarms there, and it acts when they breach.

mod policy;
mod record;
mod scale;
mod target;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use serde_json::{Value, json};

use self::record::{Memory, Place};
pub(crate) use self::scale::follow;
use crate::Cloud;
use crate::call::{Call, Refusal, Reply, json as answered};
use crate::cloud::Config;
use crate::permission::Permission;
use crate::service::iam::Tags;
use crate::service::sagemaker::validate::{self, Members, list, text};
use crate::state::{Persisted, StateError};

/// What the service calls itself in ARNs and permissions.
const SERVICE: &str = "application-autoscaling";
/// Whom the service acts as. Source: AWS documentation, endpoint auto scaling, service-linked role.
const ROLE: &str = "role/aws-service-role/sagemaker.application-autoscaling.amazonaws.com/\
                    AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint";
const ROLE_SERVICE: &str = "sagemaker.application-autoscaling.amazonaws.com";

/// The service's state.
#[derive(Debug)]
pub struct Autoscaling {
    account: String,
    region: String,
    partition: &'static str,
    memory: Persisted<Memory>,
}

impl Autoscaling {
    /// Reads the state.
    pub fn open(config: &Config) -> Result<Self, StateError> {
        Ok(Self {
            account: config.account.clone(),
            region: config.region.clone(),
            partition: config.partition(),
            memory: Persisted::open(&config.state_dir, "autoscaling")?,
        })
    }

    /// Whether no target is registered.
    pub fn is_empty(&self) -> bool {
        self.memory.read(|memory| memory.targets.is_empty())
    }

    /// ARN of the target as which a variant is scaled; none when it is not.
    pub(crate) fn target_of(&self, endpoint: &str, variant: &str) -> Option<String> {
        let wanted = format!("endpoint/{endpoint}/variant/{variant}");
        let of = |memory: &Memory| {
            memory.targets.values().find(|target| target.resource_id == wanted).map(|it| it.arn.clone())
        };
        self.memory.read(of)
    }

    fn arn(&self, resource: &str) -> String {
        format!("arn:{}:{SERVICE}:{}:{}:{resource}", self.partition, self.region, self.account)
    }

    /// Policies are of an older service, by their ARNs.
    fn policy_arn(&self, resource_id: &str, name: &str) -> String {
        let Self { partition, region, account, .. } = self;
        let id = crate::uuid();
        format!(
            "arn:{partition}:autoscaling:{region}:{account}:scalingPolicy:{id}:resource/sagemaker/{resource_id}:policyName/{name}"
        )
    }

    fn role_arn(&self) -> String {
        format!("arn:{}:iam::{}:{ROLE}", self.partition, self.account)
    }

    fn endpoint_arn(&self, endpoint: &str) -> String {
        let name = endpoint.to_ascii_lowercase();
        format!("arn:{}:sagemaker:{}:{}:endpoint/{name}", self.partition, self.region, self.account)
    }

    fn alarm_arn(&self, name: &str) -> String {
        format!("arn:{}:cloudwatch:{}:{}:alarm:{name}", self.partition, self.region, self.account)
    }
}

/// Forgets what scaled an endpoint's variants, as its deletion does.
pub(crate) fn forget(cloud: &Cloud, endpoint: &str) -> Result<(), Refusal> {
    let prefix = format!("endpoint/{endpoint}/variant/");
    let alarms = cloud.autoscaling.memory.write(|memory| {
        let mut alarms = vec![];
        memory.targets.retain(|_, target| {
            let goes = target.resource_id.starts_with(&prefix);
            if goes {
                alarms.extend(target.policies.values().flat_map(|policy| policy.alarms.clone()));
            }
            !goes
        });
        Ok(alarms)
    })?;
    alarms.iter().try_for_each(|alarm| cloud.cloudwatch.delete_own(alarm))
}

/// Answers one call in JSON 1.1.
pub async fn handle(cloud: &Arc<Cloud>, call: &Call) -> Reply {
    let (cloud, call) = (Arc::clone(cloud), call.clone());
    // Writing state waits for the disk, which must not hold up invocations.
    let answer = tokio::task::spawn_blocking(move || answer(&cloud, &call)).await;
    answer.unwrap_or_else(|error| Err(Refusal::new(500, "InternalServiceException", error.to_string())))
}

fn answer(cloud: &Arc<Cloud>, call: &Call) -> Reply {
    let request = validate::members(&call.body)?;
    let answer = match call.operation.as_str() {
        "RegisterScalableTarget" => target::register(cloud, &request),
        "DescribeScalableTargets" => target::describe(&cloud.autoscaling, &request),
        "DeregisterScalableTarget" => target::deregister(cloud, &request),
        "PutScalingPolicy" => policy::put(cloud, &request),
        "DescribeScalingPolicies" => policy::describe(&cloud.autoscaling, &request),
        "DeleteScalingPolicy" => policy::delete(cloud, &request),
        "TagResource" => tags(cloud, &request, |tags| {
            tags.extend(given_tags(&request)?);
            Ok(json!({}))
        }),
        "UntagResource" => tags(cloud, &request, |tags| {
            let keys = list(&request, "TagKeys")?.unwrap_or_default();
            tags.retain(|key, _| !keys.iter().any(|gone| gone.as_str() == Some(key)));
            Ok(json!({}))
        }),
        "ListTagsForResource" => tags(cloud, &request, |tags| Ok(json!({ "Tags": tags }))),
        other => Err(Refusal::no_operation("Application Auto Scaling", other)),
    }?;
    match answer {
        Value::Null => Ok(Response::new(Bytes::new())),
        answer => Ok(answered(&answer)),
    }
}

/// What a call needs to be allowed, of this service and of those on which it acts. Source: Service Authorization
/// Reference, and AWS documentation, endpoint auto scaling, permissions.
pub fn needs(cloud: &Cloud, call: &Call) -> Vec<Permission> {
    let service = &cloud.autoscaling;
    // A request that cannot be read is refused by the operation itself.
    let request = validate::members(&call.body).unwrap_or_default();
    let place = Place::named(&request);
    let (target, borne) = service.memory.read(|memory| {
        let target = place.as_ref().and_then(|place| memory.targets.get(&place.key()));
        target.map(|target| (target.arn.clone(), target.tags.clone())).unzip()
    });
    let (target, borne) = (target.unwrap_or_else(|| service.arn("scalable-target/*")), borne.unwrap_or_default());
    let endpoint = place.as_ref().and_then(Place::endpoint).map(|(name, _)| service.endpoint_arn(name));
    let main = |resource: &str| {
        Permission::new(format!("{SERVICE}:{}", call.operation), resource).bearing(borne.clone().into_iter().collect())
    };
    let of_place = place.as_ref().map(|place| place.resource_id.as_str()).unwrap_or_default();
    let on_alarms = |action: &str| Permission::new(action, service.alarm_arn(&format!("TargetTracking-{of_place}-*")));
    match call.operation.as_str() {
        "RegisterScalableTarget" => {
            let put: Tags = given_tags(&request).unwrap_or_default().into_iter().collect();
            let tag = (!put.is_empty())
                .then(|| Permission::new("application-autoscaling:TagResource", target.as_str()).putting(put.clone()));
            let of_endpoint = ["sagemaker:DescribeEndpoint", "sagemaker:UpdateEndpointWeightsAndCapacities"];
            let of_endpoint =
                endpoint.iter().flat_map(|arn| of_endpoint.map(|action| Permission::new(action, arn.as_str())));
            let role = (!service.memory.read(|memory| memory.has_role)).then(|| {
                let role = Permission::new("iam:CreateServiceLinkedRole", service.role_arn());
                role.with("iam:AWSServiceName", ROLE_SERVICE)
            });
            [main(&target).putting(put)].into_iter().chain(tag).chain(of_endpoint).chain(role).collect()
        }
        "PutScalingPolicy" => vec![main(&target), on_alarms("cloudwatch:PutMetricAlarm")],
        "DeleteScalingPolicy" | "DeregisterScalableTarget" => {
            vec![main(&target), on_alarms("cloudwatch:DeleteAlarms")]
        }
        "DescribeScalableTargets" | "DescribeScalingPolicies" => vec![main("*")],
        "TagResource" | "UntagResource" | "ListTagsForResource" => {
            vec![main(text(&request, "ResourceARN").ok().flatten().unwrap_or_default())]
        }
        _ => vec![main(&target)],
    }
}

fn tags(
    cloud: &Cloud,
    request: &Members,
    change: impl FnOnce(&mut BTreeMap<String, String>) -> Result<Value, Refusal>,
) -> Result<Value, Refusal> {
    let arn = text(request, "ResourceARN")?.unwrap_or_default();
    cloud.autoscaling.memory.write(|memory| {
        let target = memory.targets.values_mut().find(|target| target.arn == arn);
        let target = target.ok_or_else(|| {
            let message = format!("The specified resource doesn't exist: {arn}");
            Refusal::new(400, "ResourceNotFoundException", message)
        })?;
        change(&mut target.tags)
    })
}

/// `Tags` as a map, as this service has them.
fn given_tags(request: &Members) -> Result<BTreeMap<String, String>, Refusal> {
    let given = validate::inner(request, "Tags")?;
    let text = |(key, value): (&String, &Value)| (key.clone(), value.as_str().unwrap_or_default().to_owned());
    let tags: BTreeMap<_, _> = given.into_iter().flatten().map(text).collect();
    if tags.len() > 50 {
        return Err(Refusal::new(400, "TooManyTagsException", "Too many tags were specified. The limit is 50."));
    }
    Ok(tags)
}
