//! What the service remembers, and how requests name it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::call::Refusal;
use crate::service::sagemaker::validate::{Faults, Members, text};

/// Everything the service knows.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Memory {
    /// By resource and dimension.
    pub(super) targets: BTreeMap<String, Target>,
    /// Whether the service-linked role has been made: by the first registration.
    pub(super) has_role: bool,
}

/// A scalable target.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Target {
    pub(super) arn: String,
    pub(super) resource_id: String,
    pub(super) dimension: Dimension,
    pub(super) min: i64,
    pub(super) max: i64,
    pub(super) suspended: Suspended,
    /// Seconds since 1970.
    pub(super) created: f64,
    pub(super) tags: BTreeMap<String, String>,
    pub(super) policies: BTreeMap<String, Policy>,
    /// When it last scaled out and in, in milliseconds since 1970.
    pub(super) scaled_out_ms: i64,
    pub(super) scaled_in_ms: i64,
}

/// What is scaled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Dimension {
    Instances,
    Provisioned,
}

impl Dimension {
    const ALL: [Self; 2] = [Self::Instances, Self::Provisioned];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Instances => "sagemaker:variant:DesiredInstanceCount",
            Self::Provisioned => "sagemaker:variant:DesiredProvisionedConcurrency",
        }
    }

    /// The predefined metrics that it can follow.
    pub(super) fn metrics(self) -> &'static [&'static str] {
        match self {
            Self::Instances => {
                &["SageMakerVariantInvocationsPerInstance", "SageMakerVariantConcurrentRequestsPerModelHighResolution"]
            }
            Self::Provisioned => &["SageMakerVariantProvisionedConcurrencyUtilization"],
        }
    }
}

/// Which kinds of scaling somebody has put off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Suspended {
    pub(super) scale_in: bool,
    pub(super) scale_out: bool,
    pub(super) scheduled: bool,
}

/// A target tracking policy.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Policy {
    pub(super) name: String,
    pub(super) arn: String,
    /// As it was given.
    pub(super) configuration: Value,
    /// Names of its alarms: more, then less.
    pub(super) alarms: Vec<String>,
    /// Seconds since 1970.
    pub(super) created: f64,
}

/// What a request names: a resource and a dimension of `SageMaker`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) resource_id: String,
    pub(super) dimension: Dimension,
}

impl Place {
    /// Reads and checks it.
    pub(super) fn read(request: &Members, faults: Faults) -> Result<Self, Refusal> {
        let mut faults = faults;
        namespace(request, &mut faults)?;
        let resource_id = text(request, "ResourceId")?;
        match resource_id {
            None => faults.missing("resourceId"),
            Some("") => faults.add("", "resourceId", "have length greater than or equal to 1"),
            Some(id) => faults.longest(id, "resourceId", 1600),
        }
        let dimension = text(request, "ScalableDimension")?;
        if dimension.is_none() {
            faults.missing("scalableDimension");
        }
        faults.one_of(dimension, "scalableDimension", &Dimension::ALL.map(Dimension::as_str));
        faults.finish()?;
        let dimension = Dimension::ALL.into_iter().find(|known| Some(known.as_str()) == dimension);
        let place = Self {
            resource_id: resource_id.unwrap_or_default().to_owned(),
            dimension: dimension.unwrap_or(Dimension::Instances),
        };
        if place.endpoint().is_none() {
            return Err(invalid("Unsupported service namespace, resource type or scalable dimension"));
        }
        Ok(place)
    }

    /// What a request names, if it names it well.
    pub(super) fn named(request: &Members) -> Option<Self> {
        Self::read(request, Faults::default()).ok()
    }

    /// Under which it is remembered.
    pub(super) fn key(&self) -> String {
        format!("{} {}", self.resource_id, self.dimension.as_str())
    }

    /// Endpoint and variant.
    pub(super) fn endpoint(&self) -> Option<(&str, &str)> {
        let (endpoint, variant) = self.resource_id.strip_prefix("endpoint/")?.split_once("/variant/")?;
        (!endpoint.is_empty() && !variant.is_empty() && !variant.contains('/')).then_some((endpoint, variant))
    }

    /// The refusal of whatever needs a target that is not there.
    pub(super) fn absent(&self) -> Refusal {
        let message = format!(
            "No scalable target registered for service namespace: sagemaker, resource ID: {}, scalable dimension: {}",
            self.resource_id,
            self.dimension.as_str()
        );
        Refusal::new(400, "ObjectNotFoundException", message)
    }
}

impl Target {
    pub(super) fn place(&self) -> Place {
        Place { resource_id: self.resource_id.clone(), dimension: self.dimension }
    }

    pub(super) fn describe(&self, role_arn: &str) -> Value {
        let Suspended { scale_in, scale_out, scheduled } = self.suspended;
        json!({
            "ServiceNamespace": "sagemaker", "ResourceId": self.resource_id,
            "ScalableDimension": self.dimension.as_str(), "MinCapacity": self.min, "MaxCapacity": self.max,
            "RoleARN": role_arn, "CreationTime": self.created, "ScalableTargetARN": self.arn,
            "SuspendedState": {
                "DynamicScalingInSuspended": scale_in, "DynamicScalingOutSuspended": scale_out,
                "ScheduledScalingSuspended": scheduled,
            },
        })
    }
}

/// Checks the service namespace: only `SageMaker`'s endpoints are scaled here.
pub(super) fn namespace(request: &Members, faults: &mut Faults) -> Result<(), Refusal> {
    match text(request, "ServiceNamespace")? {
        None => faults.missing("serviceNamespace"),
        namespace => faults.one_of(namespace, "serviceNamespace", &["sagemaker"]),
    }
    Ok(())
}

pub(super) fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::new(400, "ValidationException", message)
}

/// Seconds since 1970, as the wire has it.
pub(super) fn now() -> f64 {
    jiff::Timestamp::now().as_millisecond() as f64 / 1000.0
}

/// One page of a list that goes on behind a token, which is the key of the last item of the page before.
pub(super) fn page<T>(
    items: impl Iterator<Item = (String, T)>,
    most: Option<i64>,
    token: Option<&str>,
) -> Result<(Vec<T>, Option<String>), Refusal> {
    let most = most.and_then(|most| usize::try_from(most).ok()).unwrap_or(50).clamp(1, 50);
    let after = match token {
        None => None,
        Some(token) => {
            let bytes = hex::decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            let refusal = || Refusal::new(400, "InvalidNextTokenException", "The next token is invalid.");
            Some(bytes.ok_or_else(refusal)?)
        }
    };
    let mut found: Vec<_> = items.filter(|(key, _)| after.as_ref().is_none_or(|after| key > after)).collect();
    let more = found.len() > most;
    found.truncate(most);
    let next = found.last().filter(|_| more).map(|(key, _)| hex::encode(key));
    Ok((found.into_iter().map(|(_, item)| item).collect(), next))
}
