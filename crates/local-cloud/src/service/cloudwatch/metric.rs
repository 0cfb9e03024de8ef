//! Data points, kept in memory for as long as alarms look back.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use serde_json::Value;

/// Slots of one metric that are kept: three hours of the cloud's seconds.
const MAX_SLOTS: usize = 10_800;
/// Shortest slot: more would not be told apart by anyone who looks.
const MIN_SLOT: Duration = Duration::from_millis(10);

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

    fn add(&mut self, other: &Self) {
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

    /// Adds what was measured at a time.
    pub(super) fn add(&mut self, key: Key, at_ms: i64, summary: &Summary) {
        let begins_ms = at_ms.div_euclid(self.slot_ms) * self.slot_ms;
        let slots = self.series.entry(key).or_default();
        // Nearly always the last: others are told late.
        let place = slots.iter().rposition(|slot| slot.begins_ms <= begins_ms);
        match place.map(|place| (place, &mut slots[place])) {
            Some((_, slot)) if slot.begins_ms == begins_ms => slot.summary.add(summary),
            place => {
                let at = place.map_or(0, |(place, _)| place + 1);
                slots.insert(at, Slot { begins_ms, summary: *summary });
            }
        }
        while slots.len() > MAX_SLOTS {
            slots.pop_front();
        }
    }

    /// What was measured from one time, excluded, to another, included; none when nothing was.
    pub(super) fn between(&self, key: &Key, from_ms: i64, to_ms: i64) -> Option<Summary> {
        let slots = self.series.get(key)?;
        let mut found: Option<Summary> = None;
        for slot in slots.iter().rev() {
            if slot.begins_ms > to_ms {
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
            metrics.add(key("a"), at, &Summary::of(value));
        }
        let all = metrics.between(&key("a"), 990, 1030).unwrap();
        assert_eq!(all, Summary { count: 4.0, sum: 14.0, least: 1.0, most: 8.0 });
        assert_eq!(all.statistic("Average"), Some(3.5));
        assert_eq!(all.statistic("p90"), None);
        assert_eq!(metrics.between(&key("a"), 1000, 1010), Some(Summary::of(2.0)));
        assert_eq!(metrics.between(&key("a"), 1020, 2000), None);
        assert_eq!(metrics.between(&key("b"), 0, 2000), None);
    }

    #[test]
    fn the_oldest_is_forgotten() {
        let mut metrics = Metrics::new(Duration::ZERO);
        let most = i64::try_from(MAX_SLOTS).unwrap();
        for n in 0..most + 5 {
            metrics.add(key("a"), n * 10, &Summary::of(1.0));
        }
        assert_eq!(metrics.between(&key("a"), -1, 40), None);
        assert_eq!(metrics.between(&key("a"), -1, 50), Some(Summary::of(1.0)));
    }
}
