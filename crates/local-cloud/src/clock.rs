//! Waits that are longer than the process: they begin at a stored time.

use std::time::Duration;

/// Whether a wait that began at `since_ms` is over at `now_ms` (milliseconds since 1970).
///
/// A time in the future counts as past: the clock was set back since it was stored, and nobody may have to wait until it
/// is that late again.
pub(crate) fn is_over(since_ms: i64, wait: Duration, now_ms: i64) -> bool {
    let wait_ms = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
    since_ms > now_ms || since_ms.saturating_add(wait_ms) <= now_ms
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_over_in_time_and_when_it_would_begin_in_the_future() {
        let wait = Duration::from_secs(10);
        for (since_ms, over) in
            [(1_000, true), (990_000, true), (990_001, false), (1_000_000, false), (1_000_001, true)]
        {
            assert_eq!(is_over(since_ms, wait, 1_000_000), over, "{since_ms}");
        }
        assert!(!is_over(1_000, Duration::MAX, 1_000));
    }
}
