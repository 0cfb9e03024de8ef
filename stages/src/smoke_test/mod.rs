//! Stage `smoke-test`: the public URL answers whom it should and nobody else, and the deployed model is the trained model.

mod way;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_lambda::primitives::Blob;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, USER_AGENT, WWW_AUTHENTICATE};
use http_body_util::Full;
use plan::{Facts, ResourceId};
use serde_json::{Map, Value as Json, json};
use spec::{Auth, DeployProxy, SmokeTest};

use self::way::Way;
use crate::cloud_error::Explain;
use crate::create_role::{self, Lacks, Roles};
use crate::log_group::Streams;
use crate::signature::signed;
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
/// Lines of the function's log that are looked at.
const READ: usize = 50;
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
        let facts = match self.words() {
            Some(words) => facts.field("authorization", words),
            None => facts,
        };
        if self.test.expect.is_empty() { facts } else { facts.field("expect", json!(self.test.expect)) }
    }

    /// A function that is kept may have a role that changes.
    fn after(&self) -> Vec<ResourceId> {
        vec![create_role::PROXY, create_endpoint::ENDPOINT, deploy_proxy::FUNCTION, deploy_proxy::PERMISSION]
    }

    fn rights(&self) -> Vec<Right> {
        let names = &self.names;
        let mut rights = upload::rights_to_read(names);
        rights.push(log_group::rights_to_read(names, &names.function_log_group()));
        match (&self.proxy.auth, &self.test.token) {
            // The API's id is the gateway's choice.
            (Auth::Iam, _) => {
                let route = &self.proxy.route;
                let invoked = format!("*/$default/{}{}", method(&route.method), route.path);
                rights.push(Right::new("Invoke", &["execute-api:Invoke"], names.site.arn("execute-api", &invoked)));
            }
            (Auth::Jwt(_), None) => {
                rights.push(Right::new("Function", &["lambda:InvokeFunction"], names.function_arn()));
            }
            _ => {}
        }
        rights
    }

    async fn run(&self, ctx: &Ctx<'_>) -> Result<Evidence, StageError> {
        let url: String = ctx.get(&deploy_proxy::URL)?;
        let mut evidence = Evidence::new();
        let way = Way::of(&self.proxy.auth, self.test.token.as_ref(), ctx).await?;
        evidence.extend(self.strangers_are_refused(ctx, &url).await?);
        if let Way::Function = way {
            evidence.push("without a `token`, what follows was asked of the function itself".to_owned());
        }
        if let Some(request) = &self.test.request {
            let answer = self.ask(ctx, &way, &url, &json!(request)).await?;
            self.compare(&answer)?;
            evidence.push(format!("{} answered {answer}", self.name));
        }
        let known = Known::load(ctx.clients, &self.names, &self.inputs).await?;
        let mut worst = 0.0_f64;
        for row in known.golden_rows() {
            let named = self.features.iter().zip(&row.features);
            let request: Map<String, Json> = named.map(|(name, value)| (name.clone(), exact(*value))).collect();
            let answer = self.ask(ctx, &way, &url, &Json::Object(request)).await?;
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

/// What the proxy answers when its role may not call the endpoint.
const DENIED: &str = "the function may not call the model's endpoint";

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
    fn words(&self) -> Option<String> {
        match (&self.proxy.auth, &self.test.token) {
            (Auth::None, _) => None,
            (Auth::Iam, _) => Some("signed; unsigned requests are refused".to_owned()),
            (Auth::Jwt(_), Some(_)) => Some("by token; requests without one are refused".to_owned()),
            (Auth::Jwt(_), None) => {
                Some("requests without a token are refused; the rows are sent to the function itself".to_owned())
            }
        }
    }

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
    async fn denied(&self, ctx: &Ctx<'_>, whom: &str, answer: &str) -> StageError {
        let told = match log_group::last_lines(ctx.clients, &self.names.function_log_group(), Streams::All, READ).await
        {
            Ok(lines) => lines.iter().rev().find_map(|line| refusal(line)).map(|told| format!("its log says: {told}")),
            Err(error) => Some(format!("its log cannot be read: {}", error.message())),
        };
        let told = told.map(|told| format!("; {told}")).unwrap_or_default();
        self.lacks.explain(failed(format!("{whom} answered {answer}{told}")))
    }

    /// Proves that the API is not open, once what was changed a moment ago has come to count; nothing to prove when it
    /// is meant to be.
    async fn strangers_are_refused(&self, ctx: &Ctx<'_>, url: &str) -> Result<Option<String>, StageError> {
        let (refusal, stranger) = match &self.proxy.auth {
            Auth::None => return Ok(None),
            Auth::Iam => (403, "an unsigned request"),
            Auth::Jwt(_) => (401, "a request without a token"),
        };
        let mut pace = ctx.pace(ctx.limits.smoke);
        loop {
            let last = match self.send(ctx, &Way::Open, url, &json!({})).await? {
                Ok((status, _)) if status == refusal => {
                    return Ok(Some(format!("{stranger} is refused with {refusal}")));
                }
                Ok((status, text)) => format!("{status}: {text}"),
                Err(error) => error,
            };
            if pace.first() {
                (ctx.say)(format!("waiting for {url} to refuse {stranger}, usually a few seconds; it answered {last}"));
            }
            if !pace.pause().await {
                let limit = ctx.limits.smoke.as_secs();
                let summary = format!("{url} did not refuse {stranger} with {refusal} within {limit} s; last: {last}");
                return Err(failed(summary));
            }
        }
    }

    /// Asks until the answer is 200: what was made a moment ago may answer otherwise for a few seconds.
    async fn ask(&self, ctx: &Ctx<'_>, way: &Way, url: &str, body: &Json) -> Result<Json, StageError> {
        let whom = match way {
            Way::Function => format!("function `{}`", self.names.function),
            _ => url.to_owned(),
        };
        let mut pace = ctx.pace(ctx.limits.smoke);
        loop {
            let (status, last) = match self.send(ctx, way, url, body).await? {
                Ok((200, text)) => {
                    return serde_json::from_str(&text).map_err(|_| failed(format!("the answer is no JSON: {text}")));
                }
                Ok((status, text)) => {
                    let passing = matches!(status, 403 | 404 | 429) || status == 401 && matches!(way, Way::Token(_));
                    if (400..500).contains(&status) && !passing {
                        return Err(failed(format!("{whom} answered {status}: {text}")));
                    }
                    if text.contains(DENIED) && self.lacks.told_by(&text).is_some() {
                        // What is waited for cannot come.
                        return Err(self.denied(ctx, &whom, &text).await);
                    }
                    (status, format!("{status}: {text}"))
                }
                Err(error) => (0, error),
            };
            if pace.first() {
                (ctx.say)(format!("waiting for {whom} to answer 200, usually a few seconds; it answered {last}"));
            }
            if !pace.pause().await {
                if last.contains(DENIED) {
                    return Err(self.denied(ctx, &whom, &last).await);
                }
                let limit = ctx.limits.smoke.as_secs();
                let summary = format!("{whom} did not answer 200 within {limit} s; last: {last}");
                return Err(CheckError { summary, hint: self.hint(ctx, way, status) }.into());
            }
        }
    }

    /// What to do about a refusal that stays.
    fn hint(&self, ctx: &Ctx<'_>, way: &Way, status: u16) -> Option<String> {
        match (way, status) {
            (Way::Signed, 403) => {
                let api: String = ctx.get(&deploy_proxy::API_ID).ok()?;
                let route = &self.proxy.route;
                let invoked = format!("{api}/$default/{}{}", method(&route.method), route.path);
                let arn = self.names.site.arn("execute-api", &invoked);
                Some(format!("these credentials may need the permission `execute-api:Invoke` on `{arn}`"))
            }
            (Way::Token(_), 401) => Some(
                "the token must be of the issuer and for an audience that `auth` names, and must not have expired"
                    .to_owned(),
            ),
            (Way::Token(_), 403) => Some("the token needs one of the `scopes` that `auth` names".to_owned()),
            _ => None,
        }
    }

    /// Status and body, or why there is neither.
    async fn send(
        &self,
        ctx: &Ctx<'_>,
        way: &Way,
        url: &str,
        body: &Json,
    ) -> Result<Result<(u16, String), String>, StageError> {
        let sent = async {
            match way {
                Way::Function => self.invoke(ctx, body).await,
                _ => self.post(ctx, way, url, body).await,
            }
        };
        let limit = || Ok(Err(format!("no answer in {} s", REQUEST_LIMIT.as_secs())));
        tokio::time::timeout(REQUEST_LIMIT, sent).await.unwrap_or_else(|_| limit())
    }

    async fn post(
        &self,
        ctx: &Ctx<'_>,
        way: &Way,
        url: &str,
        body: &Json,
    ) -> Result<Result<(u16, String), String>, StageError> {
        let body = Bytes::from(body.to_string());
        let request = http::Request::builder().method(method(&self.proxy.route.method)).uri(url);
        let request = request.header(CONTENT_TYPE, "application/json").header(USER_AGENT, "runner");
        let request = match way {
            Way::Token(token) => request.header(AUTHORIZATION, format!("Bearer {token}")),
            _ => request,
        };
        let request = request.body(Full::new(body.clone()));
        let mut request = request.map_err(|error| StageError::here("could not build a request", error))?;
        if let Way::Signed = way {
            request = signed(ctx.clients, request, &body).await?;
        }
        let answer = match crate::http::send(request).await {
            Ok(answer) => answer,
            Err(error) => return Ok(Err(error)),
        };
        let status = answer.status().as_u16();
        // It tells what is wrong with a token, which the body does not.
        let why = answer.headers().get(WWW_AUTHENTICATE).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let text = crate::http::text(answer).await;
        Ok(text.map(|text| (status, why.map_or(text.clone(), |why| format!("{text} ({why})")))))
    }

    /// Hands the function what the gateway would hand it, in payload format 2.0.
    async fn invoke(&self, ctx: &Ctx<'_>, body: &Json) -> Result<Result<(u16, String), String>, StageError> {
        let (route, method) = (&self.proxy.route, method(&self.proxy.route.method));
        let event = json!({
            "version": "2.0",
            "routeKey": route.to_string(),
            "rawPath": route.path,
            "rawQueryString": "",
            "headers": { "content-type": "application/json" },
            "requestContext": {
                "http": { "method": method, "path": route.path, "protocol": "HTTP/1.1" },
                "requestId": "smoke-test",
                "routeKey": route.to_string(),
                "stage": "$default",
            },
            "body": body.to_string(),
            "isBase64Encoded": false,
        });
        let subject = format!("function `{}`", self.names.function);
        let request = ctx.clients.lambda.invoke().function_name(&self.names.function);
        let answer = request.payload(Blob::new(event.to_string())).send().await;
        let answer = answer.about("lambda:InvokeFunction", &subject)?;
        let payload = answer.payload().map(AsRef::as_ref).unwrap_or_default();
        let text = String::from_utf8_lossy(payload).into_owned();
        if let Some(error) = answer.function_error() {
            return Ok(Err(format!("the function failed ({error}): {text}")));
        }
        let answer: Json = serde_json::from_slice(payload).unwrap_or_default();
        Ok(
            match (answer["statusCode"].as_u64().and_then(|status| u16::try_from(status).ok()), answer["body"].as_str())
            {
                (Some(status), Some(body)) => Ok((status, body.to_owned())),
                _ => Err(format!("the function's answer is none that the gateway takes: {text}")),
            },
        )
    }
}

fn method(method: &str) -> &str {
    if method == "ANY" { "POST" } else { method }
}

fn failed(summary: String) -> StageError {
    CheckError { summary, hint: None }.into()
}
