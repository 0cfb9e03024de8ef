//! Internal call-site rate limiting for infrequent runtime events.

use std::{
    sync::OnceLock,
    time::{Duration, Instant},
};

/// Returns monotonic process-relative time for the rate limiter.
pub(crate) fn time_since_epoch() -> Duration {
    static EPOCH: OnceLock<Instant> = OnceLock::new();

    Instant::now().duration_since(*EPOCH.get_or_init(Instant::now))
}

/// Evaluates a call at most once per interval at each macro call site.
///
/// The limiter state is local to the call site and persists for the lifetime of
/// the process. It is therefore shared across warm invocations in one Lambda
/// execution environment and reset by a cold start.
macro_rules! rate_limited {
    ($interval:expr, $call:expr) => {{
        use std::sync::atomic::{AtomicU64, Ordering};

        static NEXT_CALL: AtomicU64 = AtomicU64::new(u64::MIN);
        let interval: std::time::Duration = $interval;
        let time = $crate::rate_limiter::time_since_epoch();
        let next = NEXT_CALL.load(Ordering::Relaxed);

        if next <= time.as_secs() {
            let new_next = time.checked_add(interval).unwrap_or(std::time::Duration::MAX).as_secs();

            if NEXT_CALL
                .compare_exchange(next, new_next, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
            {
                $call;
            }
        }
    }};
}

pub(crate) use rate_limited;
