//! Data points, kept in memory for as long as alarms look back.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use serde_json::Value;

/// Slots of one metric that are kept: three hours of the cloud's seconds.
const MAX_SLOTS: usize = 10_800;
/// Shortest slot: more would not be told apart by anyone who looks.
const MIN_SLOT: Duration = Duration::from_millis(10);

/// The unit of what has none.
pub(super) const NO_UNIT: &str = "None";

/// Which metric.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) dimensions: BTreeMap<String, String>,
}

/// What was measured in a span of time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Summary {
    pub(super) count: f64,
    pub(super) sum: f64,
    pub(super) least: f64,
    pub(super) most: f64,
}

impl Summary {
    /// One value.
    pub(super) fn of(value: f64) -> Self {
        Self { count: 1.0, sum: value, least: value, most: value }
    }

    /// Takes in what another one holds.
    pub(super) fn add(&mut self, other: &Self) {
        self.count += other.count;
        self.sum += other.sum;
        self.least = self.least.min(other.least);
        self.most = self.most.max(other.most);
    }

    /// By CloudWatch's name of it; none when it has no such statistic.
    pub(super) fn statistic(&self, name: &str) -> Option<f64> {
        Some(match name {
            "SampleCount" => self.count,
            "Sum" => self.sum,
            "Minimum" => self.least,
            "Maximum" => self.most,
            "Average" => self.sum / self.count,
            _ => return None,
        })
    }
}

#[derive(Debug)]
struct Slot {
    /// When it begins, in milliseconds since 1970.
    begins_ms: i64,
    unit: String,
    summary: Summary,
}

/// All metrics. What is older than three hours of the cloud's time is forgotten, as is all at a restart.
#[derive(Debug)]
pub(super) struct Metrics {
    slot_ms: i64,
    series: HashMap<Key, VecDeque<Slot>>,
}

impl Metrics {
    /// Slots last a second of the cloud's time.
    pub(super) fn new(second: Duration) -> Self {
        Self { slot_ms: i64::try_from(second.max(MIN_SLOT).as_millis()).unwrap_or(1000), series: HashMap::new() }
    }

    /// Adds what was measured at a time, in a unit.
    pub(super) fn add(&mut self, key: Key, unit: &str, at_ms: i64, summary: &Summary) {
        let begins_ms = at_ms.div_euclid(self.slot_ms) * self.slot_ms;
        let slots = self.series.entry(key).or_default();
        // Nearly always the last: others are told late.
        let at = slots.iter().rposition(|slot| slot.begins_ms <= begins_ms).map_or(0, |place| place + 1);
        let same = slots.range_mut(..at).rev().take_while(|slot| slot.begins_ms == begins_ms);
        match same.into_iter().find(|slot| slot.unit == unit) {
            Some(slot) => slot.summary.add(summary),
            None => slots.insert(at, Slot { begins_ms, unit: unit.to_owned(), summary: *summary }),
        }
        while slots.len() > MAX_SLOTS {
            slots.pop_front();
        }
    }

    /// Everything from one time, included, to another, excluded: unit, time, and what was measured.
    pub(super) fn slots(&self, key: &Key, from_ms: i64, to_ms: i64) -> impl Iterator<Item = (&str, i64, &Summary)> {
        let slots = self.series.get(key).into_iter().flatten();
        let within = slots.filter(move |slot| (from_ms..to_ms).contains(&slot.begins_ms));
        within.map(|slot| (slot.unit.as_str(), slot.begins_ms, &slot.summary))
    }

    /// What was measured from one time, excluded, to another, included, in one unit or in any; none when nothing was.
    pub(super) fn between(&self, key: &Key, unit: Option<&str>, from_ms: i64, to_ms: i64) -> Option<Summary> {
        let slots = self.series.get(key)?;
        let mut found: Option<Summary> = None;
        for slot in slots.iter().rev() {
            if slot.begins_ms > to_ms || unit.is_some_and(|unit| unit != slot.unit) {
                continue;
            }
            if slot.begins_ms <= from_ms {
                break;
            }
            match &mut found {
                Some(summary) => summary.add(&slot.summary),
                None => found = Some(slot.summary),
            }
        }
        found
    }

    /// Every metric that has data.
    pub(super) fn keys(&self) -> impl Iterator<Item = &Key> {
        self.series.keys()
    }
}

/// Dimensions as the wire has them.
pub(super) fn dimensions(list: Option<&[Value]>) -> BTreeMap<String, String> {
    let text = |dimension: &Value, member: &str| dimension[member].as_str().unwrap_or_default().to_owned();
    list.unwrap_or_default().iter().map(|dimension| (text(dimension, "Name"), text(dimension, "Value"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> Key {
        Key { namespace: "n".into(), name: name.into(), dimensions: BTreeMap::new() }
    }

    #[test]
    fn what_is_measured_is_summed_up_by_span() {
        let mut metrics = Metrics::new(Duration::from_millis(10));
        for (at, value) in [(1000, 1.0), (1005, 3.0), (1020, 8.0), (1010, 2.0)] {
            metrics.add(key("a"), NO_UNIT, at, &Summary::of(value));
        }
        let all = metrics.between(&key("a"), None, 990, 1030).unwrap();
        assert_eq!(all, Summary { count: 4.0, sum: 14.0, least: 1.0, most: 8.0 });
        assert_eq!(all.statistic("Average"), Some(3.5));
        assert_eq!(all.statistic("p90"), None);
        assert_eq!(metrics.between(&key("a"), None, 1000, 1010), Some(Summary::of(2.0)));
        assert_eq!(metrics.between(&key("a"), None, 1020, 2000), None);
        assert_eq!(metrics.between(&key("b"), None, 0, 2000), None);
    }

    #[test]
    fn the_oldest_is_forgotten() {
        let mut metrics = Metrics::new(Duration::ZERO);
        let most = i64::try_from(MAX_SLOTS).unwrap();
        for n in 0..most + 5 {
            metrics.add(key("a"), NO_UNIT, n * 10, &Summary::of(1.0));
        }
        assert_eq!(metrics.between(&key("a"), None, -1, 40), None);
        assert_eq!(metrics.between(&key("a"), None, -1, 50), Some(Summary::of(1.0)));
    }
}
