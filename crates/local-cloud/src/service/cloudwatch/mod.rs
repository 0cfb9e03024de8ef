//! `CloudWatch`: metrics of endpoints, and alarms on them.
//!
//! Alarms are on disk, measurements are not: a restart forgets them, as it forgets the load that made them. Periods
//! last as long as the cloud's seconds do.

mod alarm;
mod data;
mod evaluate;
mod metric;
mod operations;
#[cfg(test)]
mod tests;
pub(crate) mod wire;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use self::alarm::Alarm;
pub use self::alarm::State;
use self::metric::{Key, Metrics, NO_UNIT, Summary};
use self::wire::Protocol;
use crate::Cloud;
use crate::call::{Call, Refusal};
use crate::cloud::Config;
use crate::permission::Permission;
use crate::service::autoscaling;
use crate::service::iam::Tags;
use crate::state::{Persisted, StateError};

/// Seconds of the cloud's time between two looks at all alarms.
const LOOK_S: u64 = 10;
/// Shortest pause between two looks.
const SHORTEST_LOOK: Duration = Duration::from_millis(20);

/// The service's state.
#[derive(Debug)]
pub struct CloudWatch {
    account: String,
    region: String,
    partition: &'static str,
    /// How long a second lasts here, in milliseconds.
    second_ms: f64,
    memory: Persisted<Memory>,
    metrics: Mutex<Metrics>,
    stopping: CancellationToken,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Memory {
    alarms: BTreeMap<String, Alarm>,
}

/// What an alarm is seen as by the services that watch it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Its name.
    pub name: String,
    /// What it has seen.
    pub state: State,
    /// Why, in CloudWatch's words.
    pub reason: String,
}

/// An alarm that another service makes for itself.
#[derive(Clone, Debug)]
pub struct OwnAlarm {
    /// Its name.
    pub name: String,
    /// Of the metric.
    pub namespace: &'static str,
    /// Of the metric.
    pub metric: &'static str,
    /// `Sum` or another statistic.
    pub statistic: &'static str,
    /// Of the metric.
    pub dimensions: Vec<(String, String)>,
    /// Whether it watches for more than the threshold, or for less.
    pub above: bool,
    /// In the metric's unit.
    pub threshold: f64,
    /// Periods of a minute that must breach, all of them.
    pub periods: u64,
}

impl CloudWatch {
    /// Reads the state.
    pub fn open(config: &Config) -> Result<Self, StateError> {
        Ok(Self {
            account: config.account.clone(),
            region: config.region.clone(),
            partition: config.partition(),
            second_ms: config.delays.second.as_secs_f64() * 1000.0,
            memory: Persisted::open(&config.state_dir, "cloudwatch")?,
            metrics: Mutex::new(Metrics::new(config.delays.second)),
            stopping: CancellationToken::new(),
        })
    }

    /// Whether no alarm exists.
    pub fn is_empty(&self) -> bool {
        self.memory.read(|memory| memory.alarms.is_empty())
    }

    /// Ends the looking.
    pub fn shut_down(&self) {
        self.stopping.cancel();
    }

    /// Notes one measurement.
    pub fn record(&self, namespace: &str, metric: &str, dimensions: &[(&str, &str)], value: f64) {
        let dimensions = dimensions.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let key = Key { namespace: namespace.to_owned(), name: metric.to_owned(), dimensions };
        // Source: AWS documentation, monitoring SageMaker with CloudWatch, units.
        let unit = if metric.ends_with("Latency") { "Microseconds" } else { NO_UNIT };
        self.metrics().add(key, unit, now_ms(), &Summary::of(value));
    }

    /// What alarms of these names have seen by now; those that do not exist are left out.
    pub fn look(&self, names: &[String]) -> Vec<Seen> {
        self.evaluate(now_ms());
        self.memory.read(|memory| {
            let found = names.iter().filter_map(|name| memory.alarms.get(name));
            let seen =
                |alarm: &Alarm| Seen { name: alarm.name.clone(), state: alarm.state, reason: alarm.reason.clone() };
            found.map(seen).collect()
        })
    }

    /// Makes or changes an alarm of another service.
    pub fn put_own(&self, own: &OwnAlarm) -> Result<String, Refusal> {
        let dimensions = own.dimensions.iter().cloned().collect();
        let comparison = if own.above { alarm::Comparison::Above } else { alarm::Comparison::Below };
        let alarm = Alarm {
            name: own.name.clone(),
            actions_enabled: true,
            namespace: own.namespace.to_owned(),
            metric: own.metric.to_owned(),
            statistic: own.statistic.to_owned(),
            dimensions,
            period_s: 60,
            evaluation_periods: own.periods,
            datapoints: own.periods,
            threshold: own.threshold,
            comparison,
            reason: "Unchecked: Initial alarm creation".to_owned(),
            ..Alarm::default()
        };
        self.put(alarm, now_ms())?;
        Ok(self.arn(&own.name))
    }

    /// Deletes an alarm of another service; it may be gone already.
    pub fn delete_own(&self, name: &str) -> Result<(), Refusal> {
        self.memory.write(|memory| {
            memory.alarms.remove(name);
            Ok(())
        })
    }

    fn put(&self, mut alarm: Alarm, now_ms: i64) -> Result<(), Refusal> {
        alarm.arn = self.arn(&alarm.name);
        let now = now_ms as f64 / 1000.0;
        (alarm.configured, alarm.updated, alarm.transitioned) = (now, now, now);
        self.memory.write(|memory| {
            if let Some(before) = memory.alarms.get(&alarm.name) {
                // Source: PutMetricAlarm: the state of an alarm that exists is left unchanged, as are its tags.
                alarm.state = before.state;
                alarm.reason.clone_from(&before.reason);
                (alarm.updated, alarm.transitioned) = (before.updated, before.transitioned);
                alarm.tags.clone_from(&before.tags);
            }
            memory.alarms.insert(alarm.name.clone(), alarm);
            Ok(())
        })
    }

    /// Brings every alarm to what was measured; the names of those that changed.
    fn evaluate(&self, now_ms: i64) -> Vec<(String, State)> {
        let verdicts: Vec<_> = self.memory.read(|memory| {
            let metrics = self.metrics();
            let due = memory.alarms.values().filter(|alarm| alarm.held_until_ms <= now_ms);
            due.filter_map(|alarm| {
                let (state, reason) = evaluate::evaluate(alarm, &metrics, now_ms, self.second_ms)?;
                (state != alarm.state).then(|| (alarm.name.clone(), state, reason))
            })
            .collect()
        });
        if verdicts.is_empty() {
            return vec![];
        }
        let written = self.memory.write(|memory| {
            let mut changed = vec![];
            for (name, state, reason) in verdicts {
                if let Some(alarm) = memory.alarms.get_mut(&name)
                    && alarm.become_state(state, reason, now_ms)
                {
                    changed.push((name, state));
                }
            }
            Ok(changed)
        });
        written.unwrap_or_default()
    }

    /// Tags of the alarm with that ARN.
    fn tags_at(&self, arn: &str) -> Tags {
        let alarms =
            |memory: &Memory| memory.alarms.values().find(|alarm| alarm.arn == arn).map(|alarm| alarm.tags.clone());
        self.memory.read(alarms).unwrap_or_default().into_iter().collect()
    }

    fn arn(&self, name: &str) -> String {
        format!("arn:{}:cloudwatch:{}:{}:alarm:{name}", self.partition, self.region, self.account)
    }

    /// Never held over an await, and taken after the memory's lock only.
    fn metrics(&self) -> MutexGuard<'_, Metrics> {
        self.metrics.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Looks at all alarms from time to time, and has endpoints scaled by them, for as long as the cloud lives.
pub fn start(cloud: &Arc<Cloud>) {
    let second = cloud.config.delays.second;
    if second.is_zero() {
        return;
    }
    let pause = cloud.config.delays.seconds(LOOK_S).max(SHORTEST_LOOK);
    let (stopping, cloud) = (cloud.cloudwatch.stopping.clone(), Arc::downgrade(cloud));
    tokio::spawn(async move { stopping.run_until_cancelled(look_again(cloud, pause)).await });
}

async fn look_again(cloud: Weak<Cloud>, pause: Duration) {
    loop {
        tokio::time::sleep(pause).await;
        let Some(cloud) = cloud.upgrade() else { return };
        cloud.cloudwatch.evaluate(now_ms());
        autoscaling::follow(&cloud);
    }
}

/// What a CBOR request is about, for the request log.
pub(crate) fn named(body: &[u8], members: &[&str]) -> String {
    let read = Protocol::Cbor.read(body).unwrap_or_default();
    crate::server::member(&serde_json::Value::Object(read), members)
}

/// What a call needs to be allowed.
pub(crate) fn needs(cloud: &Cloud, call: &Call, protocol: Protocol) -> Vec<Permission> {
    operations::needs(&cloud.cloudwatch, call, protocol)
}

/// Answers one call, in the protocol of the call.
pub(crate) fn handle(cloud: &Cloud, call: &Call, protocol: Protocol) -> Response<Bytes> {
    match operations::answer(&cloud.cloudwatch, call, protocol) {
        Ok(answer) => protocol.write(&answer),
        Err(refusal) => protocol.refuse(&refusal),
    }
}

fn now_ms() -> i64 {
    Timestamp::now().as_millisecond()
}
