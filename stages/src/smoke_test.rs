//! Stage `smoke-test`: the public URL answers, and the deployed model is the trained model.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::Full;
use plan::{Facts, ResourceId};
use serde_json::{Map, Value as Json, json};
use spec::{DeployProxy, SmokeTest};

use crate::create_role::{Lacks, Roles};
use crate::train::Known;
use crate::{
    Check, CheckError, Ctx, Declared, Evidence, Inputs, Names, Right, Stage, StageError, Wanted, create_endpoint,
    deploy_proxy, log_group, upload,
};

/// The stage.
pub const STAGE: Stage = Stage {
    name: "smoke-test",
    summary: "the public URL answers, and with the scores that training computed",
    declare,
};

/// The check.
pub const REQUEST: ResourceId = ResourceId::new("smoke-test/request");

/// How far a deployed score may be from the trained one: what f32 and its decimal text leave.
const TOLERANCE: f64 = 1e-6;
/// One request, with a cold function and a cold container.
const REQUEST_LIMIT: Duration = Duration::from_secs(30);

fn declare(wanted: &Wanted<'_>, declared: &mut Declared) {
    declared.check(Request {
        test: wanted.spec.smoke_test.clone(),
        proxy: wanted.spec.deploy_proxy.clone(),
        features: wanted.spec.train.features().to_vec(),
        inputs: Arc::clone(wanted.inputs),
        names: wanted.names.clone(),
        lacks: Lacks::new(Roles::of(wanted).proxy.lacks),
        name: wanted.spec.deploy_proxy.route.to_string(),
    });
}

#[derive(Debug)]
struct Request {
    test: SmokeTest,
    proxy: DeployProxy,
    features: Vec<String>,
    inputs: Arc<Inputs>,
    names: Names,
    /// What the function's role lacks that the file gives it.
    lacks: Lacks,
    name: String,
}

#[async_trait]
impl Check for Request {
    fn id(&self) -> ResourceId {
        REQUEST
    }

    fn kind(&self) -> &'static str {
        "smoke-test"
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn desired(&self) -> Facts {
        let facts = Facts::default().field("url", &deploy_proxy::URL).field("golden_rows", "scores within 0.000001");
        if self.test.expect.is_empty() { facts } else { facts.field("expect", json!(self.test.expect)) }
    }

    fn after(&self) -> Vec<ResourceId> {
        vec![create_endpoint::ENDPOINT, deploy_proxy::FUNCTION, deploy_proxy::PERMISSION]
    }

    fn rights(&self) -> Vec<Right> {
        let mut rights = upload::rights_to_read(&self.names);
        rights.push(log_group::rights_to_read(&self.names, &self.names.function_log_group()));
        rights
    }

    async fn run(&self, ctx: &Ctx<'_>) -> Result<Evidence, StageError> {
        let url: String = ctx.get(&deploy_proxy::URL)?;
        let mut evidence = Evidence::new();
        if let Some(request) = &self.test.request {
            let answer = self.ask(ctx, &url, &json!(request)).await?;
            self.compare(&answer)?;
            evidence.push(format!("{} answered {answer}", self.name));
        }
        let known = Known::load(ctx.clients, &self.names, &self.inputs).await?;
        let mut worst = 0.0_f64;
        for row in known.golden_rows() {
            let named = self.features.iter().zip(&row.features);
            let request: Map<String, Json> = named.map(|(name, value)| (name.clone(), exact(*value))).collect();
            let answer = self.ask(ctx, &url, &Json::Object(request)).await?;
            let score = answer[&self.proxy.response.score].as_f64().unwrap_or(f64::NAN);
            let off = (score - row.score).abs();
            if off.is_nan() || off > TOLERANCE {
                return Err(failed(format!("a golden row should score {} and scores {answer}", row.score)));
            }
            worst = worst.max(off);
        }
        evidence.push(format!("{} golden rows score as trained, at most {worst:e} apart", known.golden_rows().len()));
        Ok(evidence)
    }
}

/// What AWS told the function, in a line that the function wrote.
fn refusal(line: &str) -> Option<String> {
    let line: Json = serde_json::from_str(line.trim()).ok()?;
    line["detail"].as_str().filter(|detail| detail.contains("is not authorized")).map(ToOwned::to_owned)
}

/// An f32 widened to f64 has an exact decimal text, so the container reads the very number.
fn exact(value: Option<f32>) -> Json {
    value.map_or(Json::Null, |value| json!(f64::from(value)))
}

impl Request {
    fn compare(&self, answer: &Json) -> Result<(), StageError> {
        for (field, wanted) in &self.test.expect {
            let same = match (wanted.as_f64(), answer[field].as_f64()) {
                (Some(wanted), Some(found)) => (wanted - found).abs() <= TOLERANCE,
                _ => *wanted == answer[field],
            };
            if !same {
                return Err(failed(format!("`{field}` should be {wanted}, and the answer is {answer}")));
            }
        }
        Ok(())
    }

    /// The function tells the public only that it may not call the endpoint; why, it tells its log.
    async fn denied(&self, ctx: &Ctx<'_>, url: &str, answer: &str) -> StageError {
        let told = match log_group::last_lines(ctx.clients, &self.names.function_log_group(), None).await {
            Ok(lines) => lines.iter().rev().find_map(|line| refusal(line)).map(|told| format!("its log says: {told}")),
            Err(error) => Some(format!("its log cannot be read: {}", error.message())),
        };
        let told = told.map(|told| format!("; {told}")).unwrap_or_default();
        self.lacks.explain(failed(format!("{url} answered {answer}{told}")))
    }

    /// Asks until the answer is 200: what was made a moment ago may answer otherwise for a few seconds.
    async fn ask(&self, ctx: &Ctx<'_>, url: &str, body: &Json) -> Result<Json, StageError> {
        let mut pace = ctx.pace(ctx.limits.smoke);
        loop {
            let last = match tokio::time::timeout(REQUEST_LIMIT, send(&self.proxy.route.method, url, body)).await {
                Ok(Ok((200, text))) => {
                    return serde_json::from_str(&text).map_err(|_| failed(format!("the answer is no JSON: {text}")));
                }
                Ok(Ok((status, text))) => {
                    if (400..500).contains(&status) && !matches!(status, 403 | 404 | 429) {
                        return Err(failed(format!("{url} answered {status}: {text}")));
                    }
                    if text.contains(DENIED) && self.lacks.told_by(&text).is_some() {
                        // What is waited for cannot come.
                        return Err(self.denied(ctx, url, &text).await);
                    }
                    format!("{status}: {text}")
                }
                Ok(Err(error)) => error,
                Err(_) => format!("no answer in {} s", REQUEST_LIMIT.as_secs()),
            };
            if pace.first() {
                (ctx.say)(format!("waiting for {url} to answer 200, usually a few seconds; it answered {last}"));
            }
            if !pace.pause().await {
                if last.contains(DENIED) {
                    return Err(self.denied(ctx, url, &last).await);
                }
                return Err(failed(format!(
                    "{url} did not answer 200 within {} s; last: {last}",
                    ctx.limits.smoke.as_secs()
                )));
            }
        }
    }
}

/// What the proxy answers when its role may not call the endpoint.
const DENIED: &str = "the function may not call the model's endpoint";

async fn send(method: &str, url: &str, body: &Json) -> Result<(u16, String), String> {
    let method = if method == "ANY" { "POST" } else { method };
    let request = http::Request::builder()
        .method(method)
        .uri(url)
        .header(http::header::CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(body.to_string())))
        .map_err(|error| error.to_string())?;
    let answer = crate::http::send(request).await?;
    let status = answer.status().as_u16();
    Ok((status, crate::http::text(answer).await?))
}

fn failed(summary: String) -> StageError {
    CheckError { summary, hint: None }.into()
}
