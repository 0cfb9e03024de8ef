//! The user's own alarms that take a new version back: whether they are there, and what they say.

use async_trait::async_trait;
use aws_sdk_cloudwatch::types::{CompositeAlarm, MetricAlarm, StateValue};
use plan::{Facts, ResourceId};
use serde_json::{Map, Value as Json};

use super::alarm::{describe, right_to_describe};
use crate::{Check, CheckError, Clients, CloudError, Ctx, Evidence, Right, StageError};

/// The check.
pub(super) const WATCHED: ResourceId = ResourceId::new("create-endpoint/alarms");

const MISSING: &str = "(missing)";

#[derive(Debug)]
pub(super) struct Watched {
    pub(super) alarms: Vec<String>,
}

/// What an alarm says.
#[derive(Clone, Debug)]
pub(super) struct Said {
    pub(super) name: String,
    pub(super) rings: bool,
    /// Its state, and why.
    pub(super) words: String,
}

#[async_trait]
impl Check for Watched {
    fn id(&self) -> ResourceId {
        WATCHED
    }

    fn kind(&self) -> &'static str {
        "alarms"
    }

    fn name(&self) -> &'static str {
        "rollback-on"
    }

    fn desired(&self) -> Facts {
        Facts::default()
    }

    fn rights(&self) -> Vec<Right> {
        vec![right_to_describe()]
    }

    async fn look(&self, clients: &Clients) -> Result<Facts, StageError> {
        let states = states(clients, &self.alarms).await?;
        let words = self.alarms.iter().map(|name| {
            let state = states.iter().find(|state| state.name == *name);
            (name.clone(), Json::from(state.map_or(MISSING, |state| &state.words)))
        });
        Ok(Facts::default().field("state", Json::from(words.collect::<Map<_, _>>())))
    }

    /// SageMaker refuses an update that is to watch an alarm which does not exist.
    async fn run(&self, ctx: &Ctx<'_>) -> Result<Evidence, StageError> {
        let states = states(ctx.clients, &self.alarms).await?;
        match self.alarms.iter().find(|name| states.iter().all(|state| state.name != **name)) {
            Some(missing) => Err(StageError::Check(CheckError {
                summary: format!("alarm `{missing}`, which is to take a new version back, does not exist"),
                hint: Some(
                    "make it in the endpoint's account and region, or take it out of `rollback-on: { alarms: … }`"
                        .to_owned(),
                ),
            })),
            None => Ok(Evidence::new()),
        }
    }
}

/// What the alarms of those names say that exist.
pub(super) async fn states(clients: &Clients, names: &[String]) -> Result<Vec<Said>, CloudError> {
    let found = describe(clients, names).await?;
    let metric = found
        .metric_alarms()
        .iter()
        .map(|alarm: &MetricAlarm| said(alarm.alarm_name(), alarm.state_value(), alarm.state_reason()));
    let composite = found
        .composite_alarms()
        .iter()
        .map(|alarm: &CompositeAlarm| said(alarm.alarm_name(), alarm.state_value(), alarm.state_reason()));
    Ok(metric.chain(composite).collect())
}

fn said(name: Option<&str>, state: Option<&StateValue>, reason: Option<&str>) -> Said {
    let (state, name) = (state.cloned().unwrap_or(StateValue::InsufficientData), name.unwrap_or_default().to_owned());
    let rings = state == StateValue::Alarm;
    let words = match reason {
        Some(reason) if rings => format!("{}: {reason}", state.as_str()),
        _ => state.as_str().to_owned(),
    };
    Said { name, rings, words }
}
