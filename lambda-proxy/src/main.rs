//! The function: reads its settings at init, then answers one event after another.

use std::process::ExitCode;
use std::sync::Once;
use std::time::Instant;

use lambda_proxy::config::{Config, ConfigError};
use lambda_proxy::proxy::{self, Event, Response};
use lambda_proxy::sagemaker::Endpoint;
use lambda_runtime::tracing::{Level, error, info, subscriber, warn};
use lambda_runtime::{Error, LambdaEvent, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    // Not the runtime's default: it reads a filter language that nothing here needs, and drops JSON unless asked.
    subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .with_target(false)
        .with_max_level(Level::INFO)
        // A line that cannot be written ends nothing.
        .log_internal_errors(false)
        .init();
    let (config, endpoint) = match start() {
        Ok(ready) => ready,
        Err(error) => {
            error!(error_class = "bad-configuration", "{error}");
            return ExitCode::FAILURE;
        }
    };
    let handler = service_fn(async |event: LambdaEvent<Event>| Ok::<_, Error>(handle(&config, &endpoint, event).await));
    match lambda_runtime::run(handler).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error!(error_class = "runtime", "{error}");
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "where the program begins")]
fn start() -> Result<(Config, Endpoint), ConfigError> {
    let get = |name: &str| std::env::var(name).ok();
    let config = Config::read(get)?;
    let endpoint = Endpoint::connect(&config.endpoint, get)?.explaining(config.reasons > 0);
    Ok((config, endpoint))
}

async fn handle(config: &Config, endpoint: &Endpoint, event: LambdaEvent<Event>) -> Response {
    let started = Instant::now();
    let request_id = event.payload.request_context.request_id.clone();
    let answer = proxy::answer(config, event.payload, |row| endpoint.score(row)).await;
    let latency_ms = started.elapsed().as_secs_f64() * 1e3;
    let status = answer.response.status_code;
    let lambda_id = event.context.request_id;
    if answer.reasons_unavailable {
        /// The container stays the same, so one line says it for all.
        static SAID: Once = Once::new();
        SAID.call_once(|| {
            let error_class = "no-reasons";
            warn!(request_id, lambda_id, error_class, "reasons unavailable: the container does not give contributions");
        });
    }
    match answer.failure {
        None => info!(request_id, lambda_id, status, latency_ms, "scored"),
        Some(failure) => {
            let (error_class, detail) = (failure.class, failure.detail);
            warn!(request_id, lambda_id, status, latency_ms, error_class, detail, "not scored");
        }
    }
    answer.response
}
