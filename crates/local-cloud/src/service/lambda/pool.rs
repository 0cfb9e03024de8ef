//! Processes between invocations, and how many may run.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::call::Refusal;

use super::function::Function;
use super::process::Worker;

/// Processes of one function at a time. AWS would run a thousand; one machine should not.
const MAX_PROCESSES: usize = 50;
/// How long an idle process is kept, and how often that is looked at.
const MAX_IDLE: Duration = Duration::from_mins(5);
const REAP_EVERY: Duration = Duration::from_secs(30);

/// All function processes.
#[derive(Debug, Default)]
pub(super) struct Pools {
    by_function: Mutex<HashMap<String, Pool>>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

#[derive(Debug, Default)]
struct Pool {
    idle: Vec<Worker>,
    busy: usize,
}

/// The right to run one invocation, until it is dropped.
#[derive(Debug)]
pub(super) struct Permit {
    pools: Arc<Pools>,
    function: String,
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut pools = self.pools.lock();
        if let Some(pool) = pools.get_mut(&self.function) {
            pool.busy = pool.busy.saturating_sub(1);
        }
    }
}

impl Pools {
    /// Lets one more invocation of a function run, or refuses it as AWS throttles.
    pub(super) fn admit(self: &Arc<Self>, function: &Function) -> Result<Permit, Refusal> {
        let limit = function.reserved.map_or(MAX_PROCESSES, |reserved| (reserved as usize).min(MAX_PROCESSES));
        let mut pools = self.lock();
        let first = pools.is_empty();
        let pool = pools.entry(function.name.clone()).or_default();
        if pool.busy >= limit || self.stop.is_cancelled() {
            return Err(Refusal::new(429, "TooManyRequestsException", "Rate Exceeded."));
        }
        pool.busy += 1;
        drop(pools);
        if first {
            self.spawn(Arc::clone(self).reap());
        }
        Ok(Permit { pools: Arc::clone(self), function: function.name.clone() })
    }

    /// An idle process with the function's present code and configuration, the last used first.
    pub(super) fn take(&self, function: &Function) -> Option<Worker> {
        let mut pools = self.lock();
        let idle = &mut pools.get_mut(&function.name)?.idle;
        idle.retain(|worker| worker.deployment == function.deployment && worker.ended.borrow().is_none());
        idle.pop()
    }

    /// Keeps a process for the next invocation.
    pub(super) fn give_back(&self, function: &str, mut worker: Worker) {
        worker.idle_since = Instant::now();
        let mut pools = self.lock();
        if let Some(pool) = pools.get_mut(function)
            && !self.stop.is_cancelled()
        {
            pool.idle.push(worker);
        }
    }

    /// Ends a function's idle processes; those that run finish and are not kept.
    pub(super) fn retire(&self, function: &str) {
        if let Some(pool) = self.lock().get_mut(function) {
            pool.idle.clear();
        }
    }

    /// Ends everything and waits for it. Nothing can be started afterwards.
    pub(super) async fn shut_down(&self) {
        self.stop.cancel();
        self.lock().clear();
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Ends with all others, or alone when it is cancelled.
    pub(super) fn stop_token(&self) -> CancellationToken {
        self.stop.child_token()
    }

    /// Runs a task that [`Pools::shut_down`] waits for.
    pub(super) fn spawn<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> tokio::task::JoinHandle<T> {
        self.tasks.spawn(work)
    }

    /// Ends what has been idle for long, until shut down.
    async fn reap(self: Arc<Self>) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(REAP_EVERY) => {}
                () = self.stop.cancelled() => return,
            }
            for pool in self.lock().values_mut() {
                pool.idle.retain(|worker| worker.idle_since.elapsed() < MAX_IDLE && worker.ended.borrow().is_none());
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Pool>> {
        self.by_function.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
