//! What a stage declares: resources, which have a state, and checks, which have none.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use plan::{Facts, Observation, Output, Outputs, ResourceId, Stray};
use serde::de::DeserializeOwned;
use serde_json::Value as Json;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::cloud_error::{CloudError, Meaning};
use crate::create_role::Explained;
use crate::doctor::Quota;
use crate::{Cache, Clients, Right};

/// One thing that should exist, and how to read and write it.
#[async_trait]
pub trait Resource: Send + Sync {
    /// Names it within the pipeline.
    fn id(&self) -> ResourceId;
    /// For example `iam-role`.
    fn kind(&self) -> &'static str;
    /// Its name in the cloud.
    fn name(&self) -> &str;
    /// Describes what should be true, in this kind's own words. Pure.
    fn desired(&self) -> Facts;
    /// What must exist before, beyond the outputs that `desired` mentions.
    fn after(&self) -> Vec<ResourceId> {
        vec![]
    }
    /// What of `after` it cannot do without, so that a command that leaves it out is refused: the rest is order alone.
    fn needs(&self) -> Vec<ResourceId> {
        vec![]
    }
    /// What whoever deploys it should know: money, openness, what AWS would not tell. Pure.
    fn warnings(&self) -> Vec<String> {
        vec![]
    }
    /// Every call to the cloud that the methods below can make, as what whoever deploys must be allowed. Pure, and the
    /// same whatever the data and the model are.
    fn rights(&self) -> Vec<Right>;
    /// What it uses of the account's quotas. Pure.
    fn quotas(&self) -> Vec<Quota> {
        vec![]
    }
    /// Describes what is true, in the same words. Never writes.
    async fn observe(&self, clients: &Clients) -> Result<Observation, StageError>;
    /// Describes what files on this machine tell, so that a plan is right before there is a cloud to ask.
    fn cached(&self, _: &Cache) -> Result<Option<Observation>, StageError> {
        Ok(None)
    }
    /// Finds our older versions that nothing desires any more.
    async fn strays(&self, _: &Clients) -> Result<Vec<Stray>, StageError> {
        Ok(vec![])
    }
    /// Returns once the thing is usable, or its time limit has passed. Idempotent, as are all writes.
    async fn create(&self, ctx: &Ctx<'_>) -> Result<Outputs, StageError>;
    /// Brings what exists to what is desired, in place.
    async fn update(&self, ctx: &Ctx<'_>) -> Result<Outputs, StageError>;
    /// Returns once the thing of that name, itself or a stray, is gone. Absence is success.
    async fn delete(&self, ctx: &Ctx<'_>, name: &str) -> Result<(), StageError>;
}

/// How words begin that stay on the screen when the next are said: warnings, and the output of a user's own program.
pub const STAYS: [&str; 2] = ["warning: ", "| "];

/// Something to try at every apply. It has no state, so nothing is compared.
#[async_trait]
pub trait Check: Send + Sync {
    /// Names it within the pipeline.
    fn id(&self) -> ResourceId;
    /// For example `smoke-test`.
    fn kind(&self) -> &'static str;
    /// What is tried.
    fn name(&self) -> &str;
    /// What it will try, and on what. Pure.
    fn desired(&self) -> Facts;
    /// What must exist before, beyond the outputs that `desired` mentions.
    fn after(&self) -> Vec<ResourceId> {
        vec![]
    }
    /// Every call to the cloud that the methods below can make, as what whoever deploys must be allowed. Pure.
    fn rights(&self) -> Vec<Right>;
    /// What can be seen before it is tried, for the plan. Never writes.
    async fn look(&self, _: &Clients) -> Result<Facts, StageError> {
        Ok(Facts::default())
    }
    /// What files on this machine tell of it, so that a plan is right before there is a cloud to ask.
    fn cached(&self, _: &Cache) -> Result<Facts, StageError> {
        Ok(Facts::default())
    }
    /// Tries it.
    async fn run(&self, ctx: &Ctx<'_>) -> Result<Evidence, StageError>;
}

/// What a check saw, one line each.
pub type Evidence = Vec<String>;

/// Why a check failed.
#[derive(Debug, thiserror::Error)]
#[error("{summary}")]
pub struct CheckError {
    /// What was expected and what was seen, in one line.
    pub summary: String,
    /// What to do next.
    pub hint: Option<String>,
}

/// Why a stage stopped.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// A call was refused or had no answer.
    #[error(transparent)]
    Cloud(#[from] CloudError),
    /// A gate or a smoke test said no.
    #[error(transparent)]
    Check(#[from] CheckError),
    /// Any of the others, and what a role lacks that the pipeline file gives it.
    #[error(transparent)]
    Explained(#[from] Box<Explained>),
    /// The data, the model or a file on this machine cannot be used.
    #[error("{what}")]
    Here {
        /// What was tried.
        what: String,
        /// Why it did not work.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Something was not ready within its limit.
    #[error("{what} within {limit_s} s; the last answer was: {last}")]
    TimedOut {
        /// What was waited for.
        what: String,
        /// The limit.
        limit_s: u64,
        /// What was seen last.
        last: String,
    },
    /// The service went back to the version before.
    #[error("endpoint `{endpoint}` was rolled back by SageMaker and serves `{serves}` again: {cause}")]
    RolledBack {
        /// Which.
        endpoint: String,
        /// The config that serves.
        serves: String,
        /// What the service or the container said.
        cause: String,
    },
    /// A check failed after the switch, so the version before serves again.
    #[error("endpoint `{endpoint}` was switched back and serves `{serves}` again")]
    SwitchedBack {
        /// Which.
        endpoint: String,
        /// The config that serves.
        serves: String,
        /// What the check saw.
        source: Box<StageError>,
    },
    /// A check failed after the switch, and nothing was switched back: somebody else has changed the endpoint since.
    #[error(
        "endpoint `{endpoint}` was not switched back: somebody else has changed it meanwhile, and it serves `{serves}`"
    )]
    ChangedByOthers {
        /// Which.
        endpoint: String,
        /// The config that serves.
        serves: String,
        /// What the check saw.
        source: Box<StageError>,
    },
    /// The service gave up on it.
    #[error("{what} failed: {cause}")]
    Failed {
        /// For example ``endpoint `fraud` ``.
        what: String,
        /// What the service or the container said.
        cause: String,
    },
}

impl StageError {
    /// Wraps an error of this machine.
    pub fn here(what: impl Into<String>, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Here { what: what.into(), source: source.into() }
    }
}

/// Time limits and paces of waits.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// First pause between two looks; pauses double up to `slowest_poll`.
    pub first_poll: Duration,
    /// Longest pause between two looks.
    pub slowest_poll: Duration,
    /// For a new role or policy to be seen by a service; about 5 to 15 s on AWS.
    pub propagation: Duration,
    /// For API Gateway to be able to write access logs. A deployer who lacks a right to is told the same.
    pub log_delivery: Duration,
    /// For a function to settle; 1 to 5 s on AWS.
    pub function: Duration,
    /// For an endpoint to settle; 3 to 8 minutes on AWS, a crash-looping container about 24.
    pub endpoint: Duration,
    /// For alarms to be calm before an update that they watch; about two of their periods on AWS.
    pub alarms: Duration,
    /// For one request of the smoke test, with a cold function and a cold container.
    pub smoke: Duration,
}

impl Limits {
    /// What AWS needs.
    pub const AWS: Self = Self {
        first_poll: Duration::from_secs(1),
        slowest_poll: Duration::from_secs(10),
        propagation: Duration::from_mins(2),
        log_delivery: Duration::from_mins(2),
        function: Duration::from_mins(2),
        endpoint: Duration::from_hours(1),
        alarms: Duration::from_mins(5),
        smoke: Duration::from_mins(1),
    };
    /// What a server on this machine needs.
    pub const LOCAL: Self = Self {
        first_poll: Duration::from_millis(10),
        slowest_poll: Duration::from_millis(250),
        propagation: Duration::from_mins(2),
        log_delivery: Duration::from_secs(3),
        function: Duration::from_secs(30),
        endpoint: Duration::from_mins(2),
        alarms: Duration::from_secs(30),
        smoke: Duration::from_secs(30),
    };

    /// The same where roles change: then the first requests, too, wait for services to see them.
    #[must_use]
    pub fn with_new_roles(self) -> Self {
        Self { smoke: self.smoke.max(self.propagation), ..self }
    }
}

/// Outputs of what is kept and of what has been done, by resource.
#[derive(Debug, Default)]
pub struct Resolved(Mutex<BTreeMap<ResourceId, Outputs>>);

impl Resolved {
    /// Adds what a resource brought forth.
    pub fn insert(&self, id: ResourceId, outputs: Outputs) {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).insert(id, outputs);
    }

    /// What a resource brought forth, if it has.
    pub fn of(&self, id: &ResourceId) -> Option<Outputs> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).get(id).cloned()
    }
}

/// What a write may use. Nothing ambient.
pub struct Ctx<'a> {
    /// Every SDK client.
    pub clients: &'a Clients,
    /// Files that are made once and used again.
    pub cache: &'a Cache,
    /// What other resources brought forth.
    pub outputs: &'a Resolved,
    /// Time limits and paces.
    pub limits: &'a Limits,
    /// Told what is being waited for, one line at a time.
    pub say: &'a (dyn Fn(String) + Send + Sync),
    /// The day on which it all happens, for people.
    pub today: &'a str,
    /// Folder of the pipeline file, where programs of the user's own are run.
    pub folder: &'a Path,
    /// Looks up a variable of the environment that the pipeline file names.
    pub environment: &'a (dyn Fn(&str) -> Option<String> + Send + Sync),
    /// Program and first arguments of a process that runs `supervisor::supervise`: what it runs ends with this process.
    pub supervisor: &'a [OsString],
    /// Ends every wait.
    pub stop: &'a CancellationToken,
}

impl Ctx<'_> {
    /// The value of an output. Its edge in the graph guarantees that it is there.
    pub fn get<T: DeserializeOwned>(&self, output: &Output<T>) -> Result<T, StageError> {
        let reference = output.reference();
        let value = self.outputs.of(&reference.of).and_then(|outputs| outputs.get(reference.name.as_ref()).cloned());
        let missing = || format!("output `{reference}` is missing, although its resource is done");
        serde_json::from_value(value.ok_or_else(|| StageError::here("internal error", missing()))?)
            .map_err(|error| StageError::here(missing(), error))
    }

    /// Repeats a call that is refused only because an earlier write is not visible yet, or because another one is in
    /// flight, within `limit`.
    pub async fn settled<T, F>(
        &self,
        what: &str,
        limit: Duration,
        call: impl Fn() -> F + Send + Sync,
    ) -> Result<T, StageError>
    where
        F: Future<Output = Result<T, CloudError>> + Send,
    {
        self.repeat(what, limit, &[Meaning::NotYet, Meaning::Busy], call).await
    }

    /// The same where also "absent" means that a write of ours, just answered, is not visible yet.
    pub async fn visible<T, F>(
        &self,
        what: &str,
        limit: Duration,
        call: impl Fn() -> F + Send + Sync,
    ) -> Result<T, StageError>
    where
        F: Future<Output = Result<T, CloudError>> + Send,
    {
        self.repeat(what, limit, &[Meaning::NotYet, Meaning::Busy, Meaning::Absent], call).await
    }

    /// A wait that begins now.
    pub(crate) fn pace(&self, limit: Duration) -> Pace<'_> {
        Pace {
            next: self.limits.first_poll,
            slowest: self.limits.slowest_poll,
            until: Instant::now() + limit,
            first: true,
            stop: self.stop,
        }
    }

    async fn repeat<T, F>(
        &self,
        what: &str,
        limit: Duration,
        passing: &[Meaning],
        call: impl Fn() -> F + Send + Sync,
    ) -> Result<T, StageError>
    where
        F: Future<Output = Result<T, CloudError>> + Send,
    {
        let mut pace = self.pace(limit);
        loop {
            match call().await {
                Err(error) if passing.contains(&error.meaning()) => {
                    if pace.first() {
                        let message = error.message();
                        (self.say)(format!("waiting for {what}; {}", message.split(". ").next().unwrap_or_default()));
                    }
                    if !pace.pause().await {
                        return Err(error.into());
                    }
                }
                other => return Ok(other?),
            }
        }
    }
}

/// The pauses of one wait: they double, and they end.
#[derive(Debug)]
pub(crate) struct Pace<'a> {
    next: Duration,
    slowest: Duration,
    until: Instant,
    first: bool,
    stop: &'a CancellationToken,
}

impl Pace<'_> {
    /// Whether no pause has been made yet.
    pub(crate) fn first(&self) -> bool {
        self.first
    }

    /// Pauses; false, at once, when the limit has passed or somebody wants to stop.
    #[expect(clippy::disallowed_methods, reason = "the one home of pauses")]
    pub(crate) async fn pause(&mut self) -> bool {
        let now = Instant::now();
        if now >= self.until {
            return false;
        }
        let pause = self.next.min(self.until - now);
        self.next = (self.next * 2).min(self.slowest);
        self.first = false;
        tokio::select! {
            () = tokio::time::sleep(pause) => true,
            () = self.stop.cancelled() => false,
        }
    }
}

/// Outputs from pairs.
pub(crate) fn outputs<const N: usize>(pairs: [(&'static str, Json); N]) -> Outputs {
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
