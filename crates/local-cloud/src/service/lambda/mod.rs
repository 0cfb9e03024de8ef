//! Lambda: functions, and the uploaded `bootstrap` run under the Runtime API.
//!
//! The control plane answers as AWS does, down to the texts. Invoking is real work: the zip's own `bootstrap` runs
//! as a child process with the environment that Lambda gives, plus one addition: `AWS_ENDPOINT_URL` leads the
//! function's SDK back to this cloud. There are no versions, aliases, layers or images; asking for one is refused.

mod code;
mod create;
#[cfg(test)]
pub(crate) mod fixture;
mod function;
mod invoke;
mod names;
mod needs;
mod output;
mod permission;
mod policy;
mod pool;
mod process;
mod refuse;
mod request;
mod runtime_api;
mod settings;
#[cfg(test)]
mod tests;
mod update;
mod validate;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use jiff::Timestamp;
use percent_encoding::percent_decode_str;

use crate::Cloud;
use crate::call::{Call, Refusal, Reply};
use crate::cloud::Config;
use crate::state::{Persisted, StateError};

use function::Function;
use names::Names;
pub use needs::needs;

/// Who assumes a function's role.
const PRINCIPAL: &str = "lambda.amazonaws.com";

/// The service's state.
#[derive(Debug)]
pub struct Lambda {
    functions: Persisted<BTreeMap<String, Function>>,
    code: code::Store,
    pools: Arc<pool::Pools>,
    names: Names,
    settle: Duration,
}

impl Lambda {
    /// Reads the state.
    pub fn open(config: &Config) -> Result<Self, StateError> {
        let dir = config.state_dir.join("lambda");
        Ok(Self {
            functions: Persisted::open(&config.state_dir, "lambda/functions")?,
            code: code::Store::open(&dir)?,
            pools: Arc::default(),
            names: Names::new(config),
            settle: config.delays.lambda_settle,
        })
    }

    /// Whether no function exists.
    pub fn is_empty(&self) -> bool {
        self.functions.read(BTreeMap::is_empty)
    }

    /// Whether the function's resource policy lets `principal` invoke it from `source_arn`.
    pub fn allows(&self, function_arn: &str, principal: &str, source_arn: &str) -> bool {
        let Ok(name) = self.names.resolve(function_arn, None) else { return false };
        let account = source_arn.split(':').nth(4).unwrap_or_default();
        self.functions.read(|functions| {
            functions.get(&name).is_some_and(|function| {
                function.statements.iter().any(|statement| policy::allows(statement, principal, source_arn, account))
            })
        })
    }

    /// Ends every function process.
    pub async fn shut_down(&self) {
        self.pools.shut_down().await;
    }

    /// The function as it is now: what was due to settle has settled.
    fn function(&self, name: &str) -> Result<Function, Refusal> {
        let now = Timestamp::now();
        let found = self.functions.read(|functions| functions.get(name).cloned());
        let found = found.ok_or_else(|| refuse::no_function(&self.names.arn(name)))?;
        if found.is_due(now) { self.change(name, |_| Ok(())) } else { Ok(found) }
    }

    /// Changes a function that exists, after letting it settle, and returns it changed.
    fn change(
        &self,
        name: &str,
        change: impl FnOnce(&mut Function) -> Result<(), Refusal>,
    ) -> Result<Function, Refusal> {
        self.functions.write(|functions| {
            let function = functions.get_mut(name).ok_or_else(|| refuse::no_function(&self.names.arn(name)))?;
            function.settle(Timestamp::now());
            change(function)?;
            Ok(function.clone())
        })
    }

    /// Drops archives that no function refers to any more.
    fn forget_code(&self, digest: &str) {
        if self.functions.read(|functions| functions.values().all(|function| function.code != digest)) {
            self.code.forget(digest);
        }
    }
}

/// What a function answered: its payload, or the error kind of `X-Amz-Function-Error` with the error document.
pub type Invoked = Result<Bytes, (String, Bytes)>;

/// Runs a function once, starting a process when none is idle.
///
/// The function runs to its end even when the caller stops waiting, as on AWS.
pub async fn run(cloud: &Arc<Cloud>, function_arn: &str, payload: Bytes) -> Result<Invoked, Refusal> {
    let name = cloud.lambda.names.resolve(function_arn, None)?;
    let function = cloud.lambda.function(&name)?;
    Ok(invoke::invoke(cloud, function, payload).await?.outcome)
}

/// Answers one call in REST-JSON.
pub async fn handle(cloud: &Arc<Cloud>, call: &Call) -> Reply {
    let decoded: Vec<String> =
        call.path.split('/').skip(1).map(|part| percent_decode_str(part).decode_utf8_lossy().into_owned()).collect();
    let mut path: Vec<&str> = decoded.iter().map(String::as_str).collect();
    if path.last() == Some(&"") {
        path.pop();
    }
    match (&call.method, path.as_slice()) {
        (&Method::POST, ["2015-03-31", "functions"]) => create::create(cloud, call).await,
        (&Method::GET, ["2015-03-31", "functions"]) => settings::list_functions(cloud, call),
        (method, ["2015-03-31", "functions", given, rest @ ..]) => {
            let name = cloud.lambda.names.resolve(given, request::query(call, "Qualifier"))?;
            match (method, rest) {
                (&Method::GET, []) => settings::get_function(cloud, call, &name),
                (&Method::GET, ["configuration"]) => settings::get_configuration(cloud, call, &name),
                (&Method::DELETE, []) => settings::delete_function(cloud, &name),
                (&Method::PUT, ["code"]) => update::update_code(cloud, call, &name).await,
                (&Method::PUT, ["configuration"]) => update::update_configuration(cloud, call, &name),
                (&Method::POST, ["policy"]) => permission::add(cloud, call, &name),
                (&Method::GET, ["policy"]) => permission::get(cloud, &name),
                (&Method::DELETE, ["policy", sid]) => permission::remove(cloud, call, &name, sid),
                (&Method::POST, ["invocations"]) => invoke::handle(cloud, call, &name).await,
                _ => Err(refuse::unknown_operation(call)),
            }
        }
        (method, ["2017-10-31" | "2019-09-30", "functions", given, "concurrency"]) => {
            let name = cloud.lambda.names.resolve(given, None)?;
            match *method {
                Method::PUT => settings::put_concurrency(cloud, call, &name),
                Method::GET => settings::get_concurrency(cloud, &name),
                Method::DELETE => settings::delete_concurrency(cloud, &name),
                _ => Err(refuse::unknown_operation(call)),
            }
        }
        (method, ["2017-03-31", "tags", arn]) => settings::tags(cloud, call, method, arn),
        _ => Err(refuse::unknown_operation(call)),
    }
}
