//! Signals that ask a command to end: SIGINT, which Ctrl-C sends, SIGTERM and SIGHUP.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::terminal;

/// As the shell numbers the end by SIGINT, and README the end by any of them.
const CODE: i32 = 130;

/// A terminal that closes can send SIGHUP twice: from its shell, and from the system when the shell is gone.
const ONE_HANGUP: Duration = Duration::from_secs(1);

/// What the signals are called, each with its number on every system that `runner` runs on.
const SIGNALS: [(&str, SignalKind); 3] =
    [("SIGINT", SignalKind::interrupt()), ("SIGTERM", SignalKind::terminate()), ("SIGHUP", SignalKind::hangup())];

/// Ends a command in order. The first signal ends it at once as long as nothing is written, and from then on lets what
/// runs finish; the second ends it at once.
#[derive(Clone, Debug)]
pub(crate) struct Interrupt {
    writes: Arc<AtomicBool>,
    stop: CancellationToken,
}

impl Interrupt {
    /// Waits for signals from now on. One that this process was started to ignore, as `nohup` does, stays ignored.
    pub(crate) fn watch() -> Self {
        let interrupt = Self { writes: Arc::new(AtomicBool::new(false)), stop: CancellationToken::new() };
        let ignored = ignored_signals();
        for (name, kind) in SIGNALS {
            if ignored & (1 << (kind.as_raw_value() - 1)) == 0
                && let Ok(signals) = signal(kind)
            {
                tokio::spawn(interrupt.clone().take(name, signals));
            }
        }
        interrupt
    }

    /// Says that something is written from now on. The token is cancelled by the first signal.
    pub(crate) fn apply(&self) -> CancellationToken {
        self.writes.store(true, Ordering::SeqCst);
        self.stop.clone()
    }

    fn is_stopping(&self) -> bool {
        self.stop.is_cancelled()
    }

    async fn take(self, name: &'static str, mut signals: Signal) {
        let mut first = None;
        while signals.recv().await.is_some() {
            if name == "SIGHUP" && first.get_or_insert_with(Instant::now).elapsed() < ONE_HANGUP && self.is_stopping() {
                continue;
            }
            if !self.writes.load(Ordering::SeqCst) {
                terminal::say(&format!("ended by {name}; nothing was changed"));
                end();
            }
            if self.is_stopping() {
                end();
            }
            self.stop.cancel();
            let again = if name == "SIGINT" { "press Ctrl-C again" } else { "send a second signal" };
            terminal::say(&format!("{name}: finishing what runs; {again} to stop at once"));
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a signal that ends at once waits for nothing")]
fn end() -> ! {
    std::process::exit(CODE)
}

/// The signals that this process ignores, as bits from the lowest on; none where the system does not say.
fn ignored_signals() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    ignored_in(&status)
}

fn ignored_in(status: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    line.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_that_nohup_ignores_is_seen_as_ignored() {
        let ignored = ignored_in("Name:\trunner\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000001001\n");
        assert_eq!(ignored & 1, 1, "SIGHUP is signal 1");
        assert_eq!(ignored & 2, 0, "SIGINT is signal 2");
        assert_eq!(ignored_in("nothing of the kind"), 0);
    }
}
