//! Token buckets, one for each API, stage and route settings that apply.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use super::resource::RouteSettings;

/// An account's own limits, which hold when a stage sets none.
const ACCOUNT_RATE: f64 = 10_000.0;
const ACCOUNT_BURST: u32 = 5_000;

/// How full every bucket is. Not remembered across a restart.
#[derive(Debug, Default)]
pub(super) struct Buckets {
    buckets: Mutex<HashMap<(String, String), Bucket>>,
}

#[derive(Debug)]
struct Bucket {
    tokens: f64,
    filled: Instant,
}

impl Bucket {
    fn take(&mut self, rate: f64, burst: f64, now: Instant) -> bool {
        let refill = now.saturating_duration_since(self.filled).as_secs_f64() * rate;
        self.tokens = (self.tokens + refill).min(burst);
        self.filled = now;
        let taken = rate > 0.0 && self.tokens >= 1.0;
        if taken {
            self.tokens -= 1.0;
        }
        taken
    }
}

impl Buckets {
    /// Takes a token; none left means 429. `scope` is the stage and, with settings of its own, the route.
    ///
    /// When only one of the two limits is set, the other counts as 0 and blocks everything, as on AWS.
    pub(super) fn admit(&self, api: &str, scope: &str, settings: &RouteSettings, now: Instant) -> bool {
        let (rate, burst) = match (settings.throttling_rate_limit, settings.throttling_burst_limit) {
            (None, None) => (ACCOUNT_RATE, ACCOUNT_BURST),
            (rate, burst) => (rate.unwrap_or(0.0), burst.unwrap_or(0)),
        };
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let bucket = buckets
            .entry((api.to_owned(), scope.to_owned()))
            .or_insert_with(|| Bucket { tokens: f64::from(burst), filled: now });
        bucket.take(rate, f64::from(burst), now)
    }

    /// Forgets an API's buckets: it is gone, or its limits are others.
    pub(super) fn forget(&self, api: &str) {
        self.buckets.lock().unwrap_or_else(PoisonError::into_inner).retain(|(owner, _), _| owner != api);
    }
}

/// Management calls, of which an account has so many for all its APIs. Source: API Gateway quotas.
#[derive(Debug, Default)]
pub(super) struct Management {
    bucket: Mutex<Option<Bucket>>,
}

const MANAGEMENT: (f64, f64) = (10.0, 40.0);

impl Management {
    /// Takes a token, if they are counted.
    pub(super) fn admit(&self, counted: bool, now: Instant) -> bool {
        let (rate, burst) = MANAGEMENT;
        let mut bucket = self.bucket.lock().unwrap_or_else(PoisonError::into_inner);
        !counted || bucket.get_or_insert(Bucket { tokens: burst, filled: now }).take(rate, burst, now)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{Buckets, Management, RouteSettings};

    fn limits(rate: Option<f64>, burst: Option<u32>) -> RouteSettings {
        RouteSettings { throttling_rate_limit: rate, throttling_burst_limit: burst, ..RouteSettings::default() }
    }

    #[test]
    fn a_burst_is_admitted_and_refills_at_the_rate() {
        let (buckets, start, limits) = (Buckets::default(), Instant::now(), limits(Some(10.0), Some(3)));
        let after = |millis| start + Duration::from_millis(millis);
        let admitted = |millis| buckets.admit("api", "$default", &limits, after(millis));
        assert_eq!([0, 0, 0, 0].map(admitted), [true, true, true, false]);
        assert_eq!([50, 110, 115].map(admitted), [false, true, false]);
        assert_eq!([9000, 9000, 9000, 9000].map(admitted), [true, true, true, false]);
    }

    #[test]
    fn forty_management_calls_are_admitted_at_once_and_then_ten_a_second() {
        let (management, start) = (Management::default(), Instant::now());
        let admitted = |calls: usize, millis: u64| {
            (0..calls).filter(|_| management.admit(true, start + Duration::from_millis(millis))).count()
        };
        assert_eq!((admitted(50, 0), admitted(5, 110), admitted(50, 1110), admitted(50, 60_000)), (40, 1, 10, 40));
        assert!((0..1000).all(|_| Management::default().admit(false, start)));
    }

    #[test]
    fn half_a_limit_blocks_everything() {
        let (buckets, now) = (Buckets::default(), Instant::now());
        assert!(!buckets.admit("a", "s", &limits(Some(5.0), None), now));
        assert!(!buckets.admit("b", "s", &limits(None, Some(5)), now));
        assert!(buckets.admit("c", "s", &limits(None, None), now));
    }
}
