//! Deployment guardrails: traffic that moves in steps, waits in which alarms are watched, and the way back.
//!
//! ```text
//! Creating ── up ──▶ ActivatingTraffic ──▶ Baking ──▶ … every step … ──▶ Deleting ──▶ only the new servers
//!                                            └── an alarm rings ──▶ only the old servers
//! ```
//!
//! Source: AWS documentation, deployment guardrails: blue/green deployments, auto-rollback configuration. Waits last as
//! long as the cloud's seconds do. `MaximumExecutionTimeoutInSeconds` is checked against the waits and never ends a
//! rollout here, since what a process needs to start has no measure in those seconds.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::deploy;
use super::fleet::Running;
use super::permission::permitted;
use super::record::{Fleet, invalid};
use super::validate::{Faults, Members, inner, integer, list, structure, text};
use crate::Cloud;
use crate::call::Refusal;
use crate::faults::Outcome;
use crate::service::cloudwatch::State;

/// Between two looks at the alarms.
const LOOK: Duration = Duration::from_millis(20);
/// Longest that a rollout which was cut off by a restart waits for the servers that it goes over from.
const BACK_LIMIT: Duration = Duration::from_secs(10);
/// Source: `AlarmList`.
const MOST_ALARMS: usize = 10;

/// How an endpoint is brought to what it is to be.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Deployment {
    /// None: all at once, watched by nobody.
    pub(super) rollout: Option<Rollout>,
    pub(super) outcome: Option<Outcome>,
    pub(super) stage: Stage,
    /// When the stage began, in seconds since 1970.
    pub(super) since: f64,
    /// Of the traffic, 0 to 1, which goes to the new servers.
    pub(super) share: f64,
}

/// What `VariantStatus` says of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Stage {
    #[default]
    Creating,
    ActivatingTraffic,
    Baking,
    Deleting,
}

/// A `DeploymentConfig`, as far as it is done here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Rollout {
    /// Of the traffic, after each step; the last is 1.
    shares: Vec<f64>,
    wait_s: u64,
    termination_wait_s: u64,
    alarms: Vec<String>,
}

impl Stage {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Creating => "Creating",
            Self::ActivatingTraffic => "ActivatingTraffic",
            Self::Baking => "Baking",
            Self::Deleting => "Deleting",
        }
    }
}

impl Deployment {
    /// `VariantStatus` of the new servers.
    pub(super) fn status(&self, started: f64) -> Value {
        let since = if self.since > 0.0 { self.since } else { started };
        let mut status = json!({ "Status": self.stage.as_str(), "StartTime": since });
        if self.stage != Stage::Creating {
            status["StatusMessage"] = format!("{:.0} % of the traffic", self.share * 100.0).into();
        }
        status
    }
}

impl Rollout {
    /// Reads a `DeploymentConfig` for servers that are to come. The sentences are not verified.
    pub(super) fn read(cloud: &Cloud, given: &Members, fleet: &Fleet) -> Result<Self, Refusal> {
        if fleet.variants.iter().any(|variant| variant.serverless.is_some()) {
            return Err(invalid("DeploymentConfig is not supported for serverless endpoints."));
        }
        let mut faults = Faults::default();
        let alarms = alarms(given, &mut faults)?;
        let rollout = match inner(given, "BlueGreenUpdatePolicy")? {
            None => Self { shares: vec![1.0], wait_s: 0, termination_wait_s: 0, alarms },
            Some(policy) => Self { alarms, ..blue_green(policy, fleet, &mut faults)? },
        };
        faults.finish()?;
        let known = cloud.cloudwatch.look(&rollout.alarms);
        match rollout.alarms.iter().find(|name| known.iter().all(|seen| seen.name != **name)) {
            Some(missing) => Err(invalid(format!("Could not find alarm \"{missing}\"."))),
            None => Ok(rollout),
        }
    }

    /// Moves the traffic of an endpoint to servers that are up, in steps. The error is the reason to go back.
    pub(super) async fn drive(
        &self,
        cloud: &Arc<Cloud>,
        (key, name): (&str, &str),
        role: Option<&str>,
        new: &Arc<Running>,
    ) -> Result<(), String> {
        self.bake(cloud, role, Duration::ZERO).await?;
        wait_for_the_old(cloud, name).await;
        for share in &self.shares {
            deploy::enter(cloud, key, Stage::ActivatingTraffic, *share);
            deploy::share(cloud, key, name, Some((Arc::clone(new), *share)));
            deploy::enter(cloud, key, Stage::Baking, *share);
            self.bake(cloud, role, cloud.config.delays.seconds(self.wait_s)).await?;
        }
        deploy::enter(cloud, key, Stage::Deleting, 1.0);
        sleep(cloud.config.delays.seconds(self.termination_wait_s)).await;
        Ok(())
    }

    /// Waits, and looks at the alarms meanwhile, at least once.
    async fn bake(&self, cloud: &Cloud, role: Option<&str>, wait: Duration) -> Result<(), String> {
        let until = Instant::now() + wait;
        loop {
            self.calm(cloud, role).await?;
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            sleep(left.min(LOOK)).await;
        }
    }

    /// The alarms are read as the endpoint's role. Source: AWS documentation, auto-rollback configuration, which wants
    /// `cloudwatch:DescribeAlarms` of it; the sentences are not verified.
    async fn calm(&self, cloud: &Cloud, role: Option<&str>) -> Result<(), String> {
        if self.alarms.is_empty() {
            return Ok(());
        }
        if let Some(role) = role
            && !permitted(cloud, role, "cloudwatch:DescribeAlarms", "*").await
        {
            return Err(format!(
                "The role '{role}' does not have DescribeAlarms permission for the alarms of the deployment."
            ));
        }
        let seen = cloud.cloudwatch.look(&self.alarms);
        if let Some(gone) = self.alarms.iter().find(|name| seen.iter().all(|seen| seen.name != **name)) {
            return Err(format!("The deployment was rolled back, since alarm \"{gone}\" was not found."));
        }
        let ringing: Vec<_> = seen.iter().filter(|seen| seen.state == State::Alarm).collect();
        if ringing.is_empty() {
            return Ok(());
        }
        let names: Vec<_> = ringing.iter().map(|seen| seen.name.as_str()).collect();
        Err(format!("One or more alarms of the deployment are in ALARM: [{}]. It was rolled back.", names.join(", ")))
    }
}

/// After a restart the servers of before may take a moment.
async fn wait_for_the_old(cloud: &Cloud, name: &str) {
    let until = Instant::now() + BACK_LIMIT;
    while !cloud.sagemaker.running().contains_key(name) && Instant::now() < until {
        sleep(LOOK).await;
    }
}

fn alarms(given: &Members, faults: &mut Faults) -> Result<Vec<String>, Refusal> {
    let Some(rollback) = inner(given, "AutoRollbackConfiguration")? else { return Ok(vec![]) };
    let Some(alarms) = list(rollback, "Alarms")? else { return Ok(vec![]) };
    let path = "deploymentConfig.autoRollbackConfiguration.alarms";
    faults.length(alarms.len(), path, 1, MOST_ALARMS);
    let mut names = vec![];
    for (index, alarm) in alarms.iter().enumerate() {
        let name = text(structure(alarm)?, "AlarmName")?.unwrap_or_default();
        faults.length(name.len(), &format!("{path}.{}.member.alarmName", index + 1), 1, 255);
        names.push(name.to_owned());
    }
    Ok(names)
}

fn blue_green(policy: &Members, fleet: &Fleet, faults: &mut Faults) -> Result<Rollout, Refusal> {
    let path = "deploymentConfig.blueGreenUpdatePolicy";
    let termination_wait_s = integer(policy, "TerminationWaitInSeconds")?;
    let timeout_s = integer(policy, "MaximumExecutionTimeoutInSeconds")?;
    faults.range(termination_wait_s, &format!("{path}.terminationWaitInSeconds"), 0, 3600);
    faults.range(timeout_s, &format!("{path}.maximumExecutionTimeoutInSeconds"), 600, 28_800);
    let path = format!("{path}.trafficRoutingConfiguration");
    let Some(routing) = inner(policy, "TrafficRoutingConfiguration")? else {
        faults.missing(&path);
        return Ok(Rollout { shares: vec![], wait_s: 0, termination_wait_s: 0, alarms: vec![] });
    };
    let kind = text(routing, "Type")?;
    let wait_s = integer(routing, "WaitIntervalInSeconds")?;
    match kind {
        None => faults.missing(&format!("{path}.type")),
        kind => faults.one_of(kind, &format!("{path}.type"), &["LINEAR", "CANARY", "ALL_AT_ONCE"]),
    }
    match wait_s {
        None => faults.missing(&format!("{path}.waitIntervalInSeconds")),
        wait_s => faults.range(wait_s, &format!("{path}.waitIntervalInSeconds"), 0, 3600),
    }
    let shares = match kind {
        Some("CANARY") => vec![size(routing, "CanarySize", fleet, (0.0, 0.5))?, 1.0],
        Some("LINEAR") => steps(size(routing, "LinearStepSize", fleet, (0.1, 0.5))?),
        _ => vec![1.0],
    };
    let seconds = |given: Option<i64>| given.and_then(|it| u64::try_from(it).ok()).unwrap_or_default();
    let (wait_s, termination_wait_s) = (seconds(wait_s), seconds(termination_wait_s));
    let waits = wait_s * shares.len() as u64 + termination_wait_s;
    if timeout_s.is_some_and(|timeout_s| seconds(Some(timeout_s)) <= waits) {
        return Err(invalid(
            "MaximumExecutionTimeoutInSeconds must be larger than the total waiting time in TerminationWaitInSeconds \
             and WaitIntervalInSeconds.",
        ));
    }
    Ok(Rollout { shares, wait_s, termination_wait_s, alarms: vec![] })
}

/// A `CapacitySize` as a share of the new servers, above the least and up to the most.
fn size(routing: &Members, member: &str, fleet: &Fleet, (least, most): (f64, f64)) -> Result<f64, Refusal> {
    let needed = || invalid(format!("{member} is required for this type of traffic routing."));
    let given = inner(routing, member)?.ok_or_else(needed)?;
    let value = integer(given, "Value")?.filter(|value| *value > 0).ok_or_else(needed)? as f64;
    let machines: u64 = fleet.variants.iter().map(|variant| variant.current_count).sum();
    let share = match text(given, "Type")? {
        Some("CAPACITY_PERCENT") => value / 100.0,
        Some("INSTANCE_COUNT") => value / machines.max(1) as f64,
        _ => return Err(needed()),
    };
    if share < least || share > most {
        let (least, most) = (least * 100.0, most * 100.0);
        return Err(invalid(format!("{member} must be between {least} and {most} percent of the instances.")));
    }
    Ok(share)
}

/// Equal steps up to all of it.
fn steps(step: f64) -> Vec<f64> {
    let before = (1..).map(|n| step * f64::from(n)).take_while(|share| *share < 1.0 - 1e-9);
    before.chain([1.0]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_steps_end_at_all_of_the_traffic() {
        assert_eq!(steps(0.5), [0.5, 1.0]);
        assert_eq!(steps(0.1).len(), 10);
        let thirds = steps(0.4);
        assert_eq!((thirds.len(), thirds[2]), (3, 1.0));
    }
}
