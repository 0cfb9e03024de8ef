//! `SageMaker`: models, configs, endpoints and the inference servers behind them; training jobs and their processes.

mod archive;
mod capture;
mod container;
mod deploy;
mod endpoint;
mod endpoint_config;
mod fleet;
mod image;
mod instance_types;
mod launch;
mod list;
mod measure;
mod model;
mod needs;
mod permission;
mod quota;
mod record;
mod rollout;
mod runtime;
mod scaling;
mod server_process;
mod tags;
/// What tests of other services need of this one.
#[cfg(test)]
pub(crate) mod for_tests {
    pub(crate) use super::tests::permissions::{ROLE, allow, create_role};
    pub(crate) use super::tests::{IMAGE, call, fresh_with_second, request, settled, told};
}
#[cfg(test)]
mod tests;
mod training;
pub(super) mod validate;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;
use http::Response;
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::fleet::Serving;
pub use self::instance_types::{all as hosting_types, for_training as training_types};
pub use self::needs::{needs, needs_of_invocation};
pub use self::quota::{endpoint_quota, training_quota};
use self::record::{Memory, Names};
pub(crate) use self::scaling::{Scaled, scale, scaled};
use self::server_process::Ports;
pub use self::training::LOG_GROUP as TRAINING_LOG_GROUP;
use crate::Cloud;
use crate::call::{Call, Refusal, Reply, json};
use crate::cloud::Config;
use crate::state::{Persisted, StateError};

/// Who assumes an execution role.
const PRINCIPAL: &str = "sagemaker.amazonaws.com";
/// An idle connection is given up before common Python servers give it up (gunicorn: 2 s), which would lose a request.
const IDLE_LIMIT: Duration = Duration::from_secs(1);

type HttpClient = Client<HttpConnector, Full<Bytes>>;

/// The service's state.
#[derive(Debug)]
pub struct SageMaker {
    names: Names,
    memory: Persisted<Memory>,
    /// Holds what servers read: `<endpoint>/<generation>/<variant>/model`.
    run_dir: PathBuf,
    /// Endpoints that take requests, by name as it was written: the runtime tells capitals apart.
    running: Mutex<HashMap<String, Serving>>,
    training: training::Training,
    captures: capture::Captures,
    http: HttpClient,
    ports: Ports,
    tasks: TaskTracker,
    stopping: CancellationToken,
}

impl SageMaker {
    /// Reads the state.
    pub fn open(config: &Config) -> Result<Self, StateError> {
        let run_dir = config.state_dir.join("sagemaker").join("run");
        let run_dir = std::path::absolute(&run_dir).map_err(|source| StateError::Io { path: run_dir, source })?;
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        Ok(Self {
            names: Names::new(config),
            memory: Persisted::open(&config.state_dir, "sagemaker")?,
            run_dir,
            running: Mutex::default(),
            training: training::Training::open(config)?,
            captures: capture::Captures::default(),
            http: Client::builder(TokioExecutor::new()).pool_idle_timeout(IDLE_LIMIT).build(connector),
            ports: Ports::default(),
            tasks: TaskTracker::new(),
            stopping: CancellationToken::new(),
        })
    }

    /// Whether no model, config or endpoint exists and no training job runs. Jobs that have ended are history.
    pub fn is_empty(&self) -> bool {
        self.memory.read(|memory| {
            let is_idle = memory.training_jobs.values().all(|job| job.status.is_final());
            memory.models.is_empty() && memory.configs.is_empty() && memory.endpoints.is_empty() && is_idle
        })
    }

    /// Ends every inference server and every training process.
    pub async fn shut_down(&self) {
        self.stopping.cancel();
        let serving: Vec<_> = self.running().drain().map(|(_, serving)| serving).collect();
        join_all(serving.iter().flat_map(Serving::all).map(|running| running.stop())).await;
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Never held over an await.
    fn running(&self) -> MutexGuard<'_, HashMap<String, Serving>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Starts the servers of the endpoints that the state knows, and ends the jobs that were cut off.
pub async fn resume(cloud: &Arc<Cloud>) {
    training::settle(cloud);
    deploy::resume(cloud).await;
}

/// Answers one control-plane call in JSON 1.1.
pub async fn handle(cloud: &Arc<Cloud>, call: &Call) -> Reply {
    let (cloud, call) = (Arc::clone(cloud), call.clone());
    // Writing state waits for the disk, which must not hold up invocations.
    let answered = tokio::task::spawn_blocking(move || answer(&cloud, &call)).await;
    answered.unwrap_or_else(|error| Err(Refusal::new(500, "InternalFailure", error.to_string())))
}

/// Answers one `POST /endpoints/{name}/invocations`.
pub async fn invoke(cloud: &Arc<Cloud>, call: &Call) -> Reply {
    runtime::invoke(cloud, call).await
}

fn answer(cloud: &Arc<Cloud>, call: &Call) -> Reply {
    let request = validate::members(&call.body)?;
    let answer = match call.operation.as_str() {
        "CreateModel" => model::create(cloud, &request),
        "DescribeModel" => model::describe(cloud, &request),
        "ListModels" => list::models(cloud, &request),
        "DeleteModel" => model::delete(cloud, &request),
        "CreateEndpointConfig" => endpoint_config::create(cloud, &request),
        "DescribeEndpointConfig" => endpoint_config::describe(cloud, &request),
        "ListEndpointConfigs" => list::configs(cloud, &request),
        "DeleteEndpointConfig" => endpoint_config::delete(cloud, &request),
        "CreateEndpoint" => endpoint::create(cloud, call, &request),
        "DescribeEndpoint" => endpoint::describe(cloud, &request),
        "ListEndpoints" => list::endpoints(cloud, &request),
        "UpdateEndpoint" => endpoint::update(cloud, call, &request),
        "UpdateEndpointWeightsAndCapacities" => endpoint::update_weights(cloud, &request),
        "DeleteEndpoint" => endpoint::delete(cloud, call, &request),
        "CreateTrainingJob" => training::create(cloud, call, &request),
        "DescribeTrainingJob" => training::describe(cloud, &request),
        "ListTrainingJobs" => list::training_jobs(cloud, &request),
        "StopTrainingJob" => training::stop(cloud, &request),
        "DeleteTrainingJob" => training::delete(cloud, &request),
        "AddTags" => tags::add(cloud, &request),
        "ListTags" => tags::list_all(cloud, &request),
        "DeleteTags" => tags::delete(cloud, &request),
        other => Err(Refusal::no_operation("SageMaker", other)),
    }?;
    match answer {
        Value::Null => Ok(Response::new(Bytes::new())),
        answer => Ok(json(&answer)),
    }
}
