//! The Lambda function: the proxy's zip, its role and its environment.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_lambda::operation::get_function::GetFunctionOutput;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{Environment, FunctionCode, FunctionConfiguration, LastUpdateStatus, Runtime, State};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use lambda_proxy::config::{Config, THRESHOLD};
use plan::{Facts, Observation, Output, Outputs, ResourceId, Value};
use serde_json::{Value as Json, json};
use spec::Architecture;

use super::LOGS;
use crate::cloud_error::{Explain, if_present, or_already_there};
use crate::resource::outputs;
use crate::tags::Owner;
use crate::{
    Clients, CloudError, Ctx, Inputs, Names, Resource, Right, StageError, create_endpoint, create_role, package, tags,
    train,
};

/// The function.
pub const FUNCTION: ResourceId = ResourceId::new("deploy-proxy/function");
/// Its ARN.
pub(super) const FUNCTION_ARN: Output<String> = Output::new(FUNCTION, "arn");

/// Tag with the SHA-256 of the zip that was uploaded, so that code put there by somebody else is seen.
const CODE: &str = "runner:code";

#[derive(Debug)]
pub(super) struct Function {
    pub(super) settings: Config,
    /// A number, or how training chooses it.
    pub(super) threshold: spec::Threshold,
    pub(super) memory_mb: i32,
    pub(super) timeout_s: i32,
    pub(super) architecture: Architecture,
    pub(super) inputs: Arc<Inputs>,
    pub(super) names: Names,
}

#[async_trait]
impl Resource for Function {
    fn id(&self) -> ResourceId {
        FUNCTION
    }

    fn kind(&self) -> &'static str {
        "lambda-function"
    }

    fn name(&self) -> &str {
        &self.names.function
    }

    fn desired(&self) -> Facts {
        Facts::default()
            .field("code", package::PROXY_FINGERPRINT.known(package::short(&self.inputs.proxy.fingerprint)))
            .field("architecture", architecture(self.architecture).as_str())
            .field("memory_mb", self.memory_mb)
            .field("timeout_s", self.timeout_s)
            .field("role", create_role::PROXY_ARN.known(self.names.role_arn(&self.names.proxy_role)))
            .field("environment", json!(without_threshold(self.settings.variables())))
            .field("threshold", self.wanted_threshold())
            .field("state", State::Active.as_str())
    }

    /// A threshold that hangs on the model is told once that model serves.
    fn after(&self) -> Vec<ResourceId> {
        match self.threshold {
            spec::Threshold::Fixed(_) => vec![LOGS],
            _ => vec![LOGS, create_endpoint::ENDPOINT],
        }
    }

    fn needs(&self) -> Vec<ResourceId> {
        match self.threshold {
            spec::Threshold::Fixed(_) => vec![],
            _ => vec![create_endpoint::ENDPOINT],
        }
    }

    fn rights(&self) -> Vec<Right> {
        let actions = [
            "lambda:CreateFunction",
            "lambda:TagResource",
            "lambda:UpdateFunctionConfiguration",
            "lambda:UpdateFunctionCode",
            "lambda:DeleteFunction",
        ];
        let mut rights = super::rights_to_look(&self.names);
        rights.push(Right::new("Function", &actions, self.names.function_arn()));
        rights.push(create_role::right_to_pass_proxy(&self.names));
        rights
    }

    async fn observe(&self, clients: &Clients) -> Result<Observation, StageError> {
        let Some(function) = self.get(clients).await? else { return Ok(Observation::Absent) };
        if let Some(other) = whose(&function, &self.names).observation() {
            return Ok(other);
        }
        let Some(live) = function.configuration() else {
            return Ok(Observation::Broken { why: "Lambda tells nothing about it".to_owned() });
        };
        if live.state() == Some(&State::Failed) {
            let reason = live.state_reason().unwrap_or("no reason given");
            return Ok(Observation::Broken { why: format!("its state is `Failed`: {reason}") });
        }
        Ok(Observation::Present { facts: facts(&function, live), outputs: self.outputs() })
    }

    async fn create(&self, ctx: &Ctx<'_>) -> Result<Outputs, StageError> {
        let zip = package::proxy_zip(ctx, &self.inputs.proxy).await?;
        let role: String = ctx.get(&create_role::PROXY_ARN)?;
        let tags = self.tags(&zip);
        let environment = self.environment(ctx)?;
        let what = format!("Lambda to see role `{}`, usually 5 to 15 s", self.names.proxy_role);
        ctx.settled(&what, ctx.limits.propagation, || async {
            let request = ctx.clients.lambda.create_function().function_name(&self.names.function);
            let request = request.runtime(Runtime::Providedal2023).handler("bootstrap").role(&role);
            let request = request.architectures(architecture(self.architecture));
            let request = request.memory_size(self.memory_mb).timeout(self.timeout_s);
            let request = request.environment(environment.clone()).set_tags(Some(tags.clone()));
            let code = FunctionCode::builder().zip_file(Blob::new(zip.clone())).build();
            let answer = request.code(code).send().await;
            or_already_there(answer.about("lambda:CreateFunction", self.subject())).map(drop)
        })
        .await?;
        self.until_settled(ctx).await?;
        Ok(self.outputs())
    }

    /// Configuration first, then code, each waited for: Lambda refuses a write while another one settles.
    async fn update(&self, ctx: &Ctx<'_>) -> Result<Outputs, StageError> {
        self.until_settled(ctx).await?;
        let live = self.get(ctx.clients).await?;
        let live = live.as_ref().and_then(|function| Some(facts(function, function.configuration()?)));
        let wanted = self.desired();
        let differs = |name: &str| live.as_ref().and_then(|live| value(live, name)) != value(&wanted, name);
        if ["memory_mb", "timeout_s", "role", "environment", "threshold"].into_iter().any(differs) {
            self.put_configuration(ctx).await?;
        }
        if ["code", "architecture"].into_iter().any(differs) {
            self.put_code(ctx).await?;
        }
        Ok(self.outputs())
    }

    async fn delete(&self, ctx: &Ctx<'_>, name: &str) -> Result<(), StageError> {
        ctx.settled(&self.subject(), ctx.limits.function, || async {
            let answer = ctx.clients.lambda.delete_function().function_name(name).send().await;
            if_present(answer.about("lambda:DeleteFunction", self.subject())).map(drop)
        })
        .await?;
        let mut pace = ctx.pace(ctx.limits.function);
        while self.get(ctx.clients).await?.is_some() {
            if !pace.pause().await {
                return Err(self.timed_out(ctx, "was not gone", "it is still there"));
            }
        }
        Ok(())
    }
}

impl Function {
    fn subject(&self) -> String {
        format!("function `{}`", self.names.function)
    }

    fn outputs(&self) -> Outputs {
        outputs([("arn", self.names.function_arn().into())])
    }

    fn tags(&self, zip: &[u8]) -> std::collections::HashMap<String, String> {
        let mut tags = tags::of(&self.names, FUNCTION.stage());
        tags.insert(tags::FINGERPRINT.to_owned(), package::short(&self.inputs.proxy.fingerprint));
        tags.insert(CODE.to_owned(), hex::encode(package::sha256(zip)));
        tags
    }

    fn wanted_threshold(&self) -> Value {
        match self.threshold {
            spec::Threshold::Fixed(threshold) => Value::from(threshold),
            _ => Value::from(&train::THRESHOLD),
        }
    }

    fn environment(&self, ctx: &Ctx<'_>) -> Result<Environment, StageError> {
        let threshold = match self.threshold {
            spec::Threshold::Fixed(threshold) => threshold,
            _ => ctx.get(&train::THRESHOLD)?,
        };
        let variables = Config { threshold, ..self.settings.clone() }.variables().into_iter();
        let variables = variables.map(|(name, value)| (name.to_owned(), value)).collect();
        Ok(Environment::builder().set_variables(Some(variables)).build())
    }

    async fn get(&self, clients: &Clients) -> Result<Option<GetFunctionOutput>, CloudError> {
        get(clients, &self.names).await
    }

    async fn put_configuration(&self, ctx: &Ctx<'_>) -> Result<(), StageError> {
        let role: String = ctx.get(&create_role::PROXY_ARN)?;
        let environment = self.environment(ctx)?;
        ctx.settled(&self.subject(), ctx.limits.propagation, || async {
            let request = ctx.clients.lambda.update_function_configuration().function_name(&self.names.function);
            let request = request.memory_size(self.memory_mb).timeout(self.timeout_s).role(&role);
            let answer = request.environment(environment.clone()).send().await;
            answer.about("lambda:UpdateFunctionConfiguration", self.subject())
        })
        .await?;
        self.until_settled(ctx).await
    }

    /// The tag follows the code: stopped in between, the code is put again by the next apply.
    async fn put_code(&self, ctx: &Ctx<'_>) -> Result<(), StageError> {
        let zip = package::proxy_zip(ctx, &self.inputs.proxy).await?;
        ctx.settled(&self.subject(), ctx.limits.function, || async {
            let request = ctx.clients.lambda.update_function_code().function_name(&self.names.function);
            let request = request.zip_file(Blob::new(zip.clone())).architectures(architecture(self.architecture));
            request.send().await.about("lambda:UpdateFunctionCode", self.subject())
        })
        .await?;
        self.until_settled(ctx).await?;
        let request = ctx.clients.lambda.tag_resource().resource(self.names.function_arn());
        let answer = request.set_tags(Some(self.tags(&zip))).send().await;
        answer.about("lambda:TagResource", self.subject())?;
        Ok(())
    }

    async fn until_settled(&self, ctx: &Ctx<'_>) -> Result<(), StageError> {
        let mut pace = ctx.pace(ctx.limits.function);
        loop {
            let function = self.get(ctx.clients).await?;
            let live = function.as_ref().and_then(GetFunctionOutput::configuration);
            let state = live.and_then(FunctionConfiguration::state);
            let update = live.and_then(FunctionConfiguration::last_update_status);
            if state == Some(&State::Failed) || update == Some(&LastUpdateStatus::Failed) {
                let reason = live.and_then(|live| live.state_reason().or(live.last_update_status_reason()));
                let cause = reason.unwrap_or("Lambda gave no reason").to_owned();
                return Err(StageError::Failed { what: self.subject(), cause });
            }
            if state == Some(&State::Active) && update != Some(&LastUpdateStatus::InProgress) {
                return Ok(());
            }
            if pace.first() {
                (ctx.say)(format!("waiting for {} to be active, usually 1 to 5 s", self.subject()));
            }
            if !pace.pause().await {
                let last = state.map_or_else(|| "absent".to_owned(), ToString::to_string);
                return Err(self.timed_out(ctx, "was not active", &last));
            }
        }
    }

    fn timed_out(&self, ctx: &Ctx<'_>, what: &str, last: &str) -> StageError {
        StageError::TimedOut {
            what: format!("{} {what}", self.subject()),
            limit_s: ctx.limits.function.as_secs(),
            last: last.to_owned(),
        }
    }
}

/// Has the function decide by that threshold again, as it did with the model that serves again.
pub async fn decide_by(ctx: &Ctx<'_>, names: &Names, threshold: f64) -> Result<(), StageError> {
    let (lambda, subject) = (&ctx.clients.lambda, format!("function `{}`", names.function));
    let live = lambda.get_function().function_name(&names.function).send().await;
    let live = live.about("lambda:GetFunction", &subject)?.configuration;
    let environment = live.and_then(|live| live.environment);
    let mut variables = environment.and_then(|environment| environment.variables).unwrap_or_default();
    variables.insert(THRESHOLD.to_owned(), threshold.to_string());
    let environment = Environment::builder().set_variables(Some(variables)).build();
    ctx.settled(&subject, ctx.limits.function, || async {
        let request = lambda.update_function_configuration().function_name(&names.function);
        let answer = request.environment(environment.clone()).send().await;
        answer.about("lambda:UpdateFunctionConfiguration", &subject).map(drop)
    })
    .await
}

/// The function of our name with its tags; none when there is none. Whoever may not list tags is told so in their stead,
/// and a function without them would look like somebody else's.
pub(crate) async fn get(clients: &Clients, names: &Names) -> Result<Option<GetFunctionOutput>, CloudError> {
    let subject = format!("function `{}`", names.function);
    let answer = clients.lambda.get_function().function_name(&names.function).send().await;
    let Some(function) = if_present(answer.about("lambda:GetFunction", subject.as_str()))? else { return Ok(None) };
    let Some(error) = function.tags_error() else { return Ok(Some(function)) };
    let refused = CloudError::within("lambda:ListTags", subject, error.error_code(), error.message());
    if_present(Err(refused))
}

/// Whose the function of our name is.
pub(crate) async fn owner(clients: &Clients, names: &Names) -> Result<Owner, CloudError> {
    Ok(get(clients, names).await?.map_or(Owner::Gone, |function| whose(&function, names)))
}

fn whose(function: &GetFunctionOutput, names: &Names) -> Owner {
    let tags = function.tags().into_iter().flatten().map(|(key, value)| (key.as_str(), value.as_str()));
    Owner::of(names, Some(tags))
}

fn facts(function: &GetFunctionOutput, live: &FunctionConfiguration) -> Facts {
    let tag = |key: &str| function.tags().and_then(|tags| tags.get(key)).map(String::as_str);
    let sha256 = live.code_sha256().and_then(|text| BASE64.decode(text).ok()).map(hex::encode).unwrap_or_default();
    let code = match tag(tags::FINGERPRINT) {
        Some(fingerprint) if tag(CODE) == Some(&sha256) => fingerprint.to_owned(),
        _ => format!("(put there by somebody else, sha256 {})", package::short(&sha256)),
    };
    let environment = live.environment().and_then(|environment| environment.variables()).cloned().unwrap_or_default();
    let environment: BTreeMap<_, _> = environment.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
    let threshold = environment.get(THRESHOLD).and_then(|text| text.parse::<f64>().ok());
    Facts::default()
        .field("code", code)
        .field("architecture", live.architectures().first().map_or("x86_64", |architecture| architecture.as_str()))
        .field("memory_mb", json!(live.memory_size()))
        .field("timeout_s", json!(live.timeout()))
        .field("role", live.role().unwrap_or_default())
        .field("environment", json!(without_threshold(environment)))
        .field("threshold", json!(threshold))
        .field("state", live.state().map_or("Active", State::as_str))
}

/// The threshold may hang on the model, so it is described by itself.
fn without_threshold(mut variables: BTreeMap<&str, String>) -> BTreeMap<&str, String> {
    variables.remove(THRESHOLD);
    variables
}

fn value<'a>(facts: &'a Facts, name: &str) -> Option<&'a Json> {
    match &facts.get(name)?.value {
        plan::Value::Known(value) => Some(value),
        plan::Value::Output { known, .. } => known.as_ref(),
    }
}

fn architecture(architecture: Architecture) -> aws_sdk_lambda::types::Architecture {
    match architecture {
        Architecture::X86_64 => aws_sdk_lambda::types::Architecture::X8664,
        Architecture::Arm64 => aws_sdk_lambda::types::Architecture::Arm64,
    }
}
