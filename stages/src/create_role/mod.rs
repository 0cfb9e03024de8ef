//! Stage `create-role`: who the endpoint and the function are, and what each may do.

use async_trait::async_trait;
use plan::{Facts, Observation, Output, Outputs, ResourceId};
use serde_json::{Value as Json, json};

use crate::cloud_error::{Explain, if_present, or_already_there};
use crate::names::ROLE_PATH;
use crate::resource::outputs;
use crate::{
    Clients, CloudError, Ctx, Declared, Meaning, Names, Resource, Right, Stage, StageError, Wanted, create_endpoint,
    deploy_proxy, policy, tags, train,
};
pub use grant::{Explained, Lack};
pub(crate) use grant::{Grant, Granted, Lacks, Need};
use spec::Complaints;

#[cfg(test)]
mod document_tests;
mod grant;
#[cfg(test)]
mod tests;

/// The stage.
pub const STAGE: Stage = Stage {
    name: "create-role",
    summary: "what the endpoint and the proxy may do, each in one explicit policy",
    declare,
};

/// The role that SageMaker assumes.
pub const EXECUTION: ResourceId = ResourceId::new("create-role/sagemaker");
/// Its ARN.
pub const EXECUTION_ARN: Output<String> = Output::new(EXECUTION, "arn");
/// The role that Lambda assumes.
pub const PROXY: ResourceId = ResourceId::new("create-role/proxy");
/// Its ARN.
pub const PROXY_ARN: Output<String> = Output::new(PROXY, "arn");

/// Name of the one inline policy of each role.
const POLICY: &str = "runner";

fn declare(wanted: &Wanted<'_>, declared: &mut Declared) {
    let names = wanted.names;
    let Roles { execution, proxy } = Roles::of(wanted);
    declared.resource(Role {
        id: EXECUTION,
        name: names.execution_role.clone(),
        trust: trust("sagemaker.amazonaws.com", &execution_condition(names)),
        policy: execution,
        names: names.clone(),
    });
    declared.resource(Role {
        id: PROXY,
        name: names.proxy_role.clone(),
        trust: trust("lambda.amazonaws.com", &proxy_condition(names)),
        policy: proxy,
        names: names.clone(),
    });
}

/// Where the pipeline file says what each role may do.
const EXECUTION_PLACE: &str = "stages.create-role.sagemaker";
const PROXY_PLACE: &str = "stages.create-role.proxy";

/// What both roles may do, and what that lacks.
pub(crate) struct Roles {
    pub(crate) execution: Granted,
    pub(crate) proxy: Granted,
}

impl Roles {
    pub(crate) fn of(wanted: &Wanted<'_>) -> Self {
        let (names, written) = (wanted.names, &wanted.spec.create_role);
        // Every stage says what it needs of a role.
        let execution = [create_endpoint::grants(wanted), train::grants(wanted)].concat();
        let proxy = deploy_proxy::grants(names);
        Self {
            execution: Granted::of(wanted, EXECUTION_PLACE, &names.execution_role, &written.sagemaker, &execution),
            proxy: Granted::of(wanted, PROXY_PLACE, &names.proxy_role, &written.proxy, &proxy),
        }
    }
}

/// To hand the execution role to SageMaker.
pub(crate) fn right_to_pass_execution(names: &Names) -> Right {
    Right::pass_role("PassToSageMaker", names.role_arn(&names.execution_role), "sagemaker.amazonaws.com")
}

/// To hand the proxy's role to Lambda.
pub(crate) fn right_to_pass_proxy(names: &Names) -> Right {
    Right::pass_role("PassToLambda", names.role_arn(&names.proxy_role), "lambda.amazonaws.com")
}

/// Refuses policies that IAM would refuse for what is known only when every name is.
pub fn check(wanted: &Wanted<'_>) -> Result<(), Complaints> {
    let roles = Roles::of(wanted);
    roles.execution.check(wanted, EXECUTION_PLACE)?;
    roles.proxy.check(wanted, PROXY_PLACE)
}

/// For hosting, SageMaker sends the source ARN literally as `arn:…:sagemaker:R:A:*`; naming one endpoint never matches.
/// Source: AWS documentation, cross-service confused deputy prevention.
fn execution_condition(names: &Names) -> Json {
    json!({ "ArnLike": { "aws:SourceArn": names.site.arn("sagemaker", "*") } })
}

fn proxy_condition(names: &Names) -> Json {
    json!({ "StringEquals": { "aws:SourceAccount": names.site.account } })
}

fn trust(service: &str, condition: &Json) -> Json {
    policy::document(&[json!({
        "Sid": "Assume", "Effect": "Allow", "Principal": { "Service": service }, "Action": "sts:AssumeRole", "Condition": condition
    })])
}

#[derive(Debug)]
struct Role {
    id: ResourceId,
    name: String,
    trust: Json,
    policy: Granted,
    names: Names,
}

#[async_trait]
impl Resource for Role {
    fn id(&self) -> ResourceId {
        self.id.clone()
    }

    fn kind(&self) -> &'static str {
        "iam-role"
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn desired(&self) -> Facts {
        Facts::default()
            .fixed("path", ROLE_PATH)
            .field("trust", policy::words(&self.trust))
            .field("policy", policy::words(&self.policy.document))
            .field("other_policies", json!([]))
    }

    fn warnings(&self) -> Vec<String> {
        self.policy.lacks.iter().map(Lack::warning).collect()
    }

    fn rights(&self) -> Vec<Right> {
        let actions = [
            "iam:CreateRole",
            "iam:TagRole",
            "iam:GetRole",
            "iam:UpdateAssumeRolePolicy",
            "iam:DeleteRole",
            "iam:PutRolePolicy",
            "iam:GetRolePolicy",
            "iam:DeleteRolePolicy",
            "iam:ListRolePolicies",
            "iam:ListAttachedRolePolicies",
            "iam:DetachRolePolicy",
        ];
        vec![
            Right::new("Roles", &actions, self.names.role_arn(&self.name)),
            // IAM does not know the path of a role that is not there.
            Right::new("FindRoles", &["iam:GetRole"], self.names.role_arn_without_path(&self.name)),
        ]
    }

    async fn observe(&self, clients: &Clients) -> Result<Observation, StageError> {
        let subject = self.subject();
        let answer = clients.iam.get_role().role_name(&self.name).send().await.about("iam:GetRole", &subject);
        let Some(role) = if_present(answer)?.and_then(|answer| answer.role) else {
            return Ok(Observation::Absent);
        };
        let tags = role.tags().iter().map(|tag| (tag.key(), tag.value()));
        if let Some(owner) = tags::foreign(&self.names, tags) {
            return Ok(Observation::Foreign { owner });
        }
        let Some((ours, others)) = if_present(self.policies(clients).await)? else { return Ok(Observation::Absent) };
        let trust = decoded(role.assume_role_policy_document().unwrap_or_default());
        let facts = Facts::default()
            .field("path", role.path())
            .field("trust", policy::words(&trust))
            .field("policy", policy::words(&ours))
            .field("other_policies", json!(others));
        Ok(Observation::Present { facts, outputs: outputs([("arn", role.arn().into())]) })
    }

    async fn create(&self, ctx: &Ctx<'_>) -> Result<Outputs, StageError> {
        let subject = self.subject();
        let tags = iam_tags(&self.names, self.id.stage())?;
        ctx.settled(&subject, ctx.limits.propagation, || async {
            let request = ctx.clients.iam.create_role().role_name(&self.name).path(ROLE_PATH);
            let request = request.assume_role_policy_document(self.trust.to_string()).set_tags(Some(tags.clone()));
            let answer = request.description(format!("{}: made by runner", self.names.pipeline)).send().await;
            or_already_there(answer.about("iam:CreateRole", &subject)).map(drop)
        })
        .await?;
        self.put_policy(ctx).await?;
        Ok(self.outputs())
    }

    async fn update(&self, ctx: &Ctx<'_>) -> Result<Outputs, StageError> {
        let subject = self.subject();
        let (ours, others) = self.policies(ctx.clients).await?;
        let live = ctx.clients.iam.get_role().role_name(&self.name).send().await.about("iam:GetRole", &subject)?;
        let trust = live.role.as_ref().and_then(|role| role.assume_role_policy_document()).map(decoded);
        if trust.map(|trust| policy::words(&trust)) != Some(policy::words(&self.trust)) {
            ctx.settled(&subject, ctx.limits.propagation, || async {
                let request = ctx.clients.iam.update_assume_role_policy().role_name(&self.name);
                let answer = request.policy_document(self.trust.to_string()).send().await;
                answer.about("iam:UpdateAssumeRolePolicy", &subject)
            })
            .await?;
        }
        if policy::words(&ours) != policy::words(&self.policy.document) {
            self.put_policy(ctx).await?;
        }
        self.remove_policies(ctx, &self.name, others).await?;
        Ok(self.outputs())
    }

    async fn delete(&self, ctx: &Ctx<'_>, name: &str) -> Result<(), StageError> {
        let subject = self.subject();
        let Some(all) = if_present(self.policy_names(ctx.clients).await)? else { return Ok(()) };
        self.remove_policies(ctx, name, all).await?;
        ctx.settled(&subject, ctx.limits.propagation, || async {
            let answer = ctx.clients.iam.delete_role().role_name(name).send().await;
            match if_present(answer.about("iam:DeleteRole", &subject)) {
                // A call that is made again because its answer was lost is about a role without a path by then, which
                // a policy that names the path does not allow.
                Err(error) if error.meaning() == Meaning::Refused && is_gone(ctx.clients, name).await => Ok(()),
                other => other.map(drop),
            }
        })
        .await
    }
}

async fn is_gone(clients: &Clients, role: &str) -> bool {
    let answer = clients.iam.get_role().role_name(role).send().await;
    matches!(if_present(answer.about("iam:GetRole", format!("role `{role}`"))), Ok(None))
}

impl Role {
    fn subject(&self) -> String {
        format!("role `{}`", self.name)
    }

    fn outputs(&self) -> Outputs {
        outputs([("arn", self.names.role_arn(&self.name).into())])
    }

    /// A role that was made a moment ago may not be there yet for this call.
    async fn put_policy(&self, ctx: &Ctx<'_>) -> Result<(), StageError> {
        let subject = self.subject();
        ctx.visible(&subject, ctx.limits.propagation, || async {
            let request = ctx.clients.iam.put_role_policy().role_name(&self.name).policy_name(POLICY);
            let answer = request.policy_document(self.policy.document.to_string()).send().await;
            answer.about("iam:PutRolePolicy", &subject)
        })
        .await?;
        Ok(())
    }

    /// Our inline policy, and the names of all others, inline or attached by ARN.
    async fn policies(&self, clients: &Clients) -> Result<(Json, Vec<String>), CloudError> {
        let mut all = self.policy_names(clients).await?;
        let mut ours = Json::Null;
        if let Some(index) = all.iter().position(|name| name == POLICY) {
            all.remove(index);
            let answer = clients.iam.get_role_policy().role_name(&self.name).policy_name(POLICY).send().await;
            if let Some(answer) = if_present(answer.about("iam:GetRolePolicy", self.subject()))? {
                ours = decoded(answer.policy_document());
            }
        }
        Ok((ours, all))
    }

    async fn policy_names(&self, clients: &Clients) -> Result<Vec<String>, CloudError> {
        let inline = clients.iam.list_role_policies().role_name(&self.name).send();
        let attached = clients.iam.list_attached_role_policies().role_name(&self.name).send();
        let (inline, attached) = futures::join!(inline, attached);
        let inline = inline.about("iam:ListRolePolicies", self.subject())?;
        let attached = attached.about("iam:ListAttachedRolePolicies", self.subject())?;
        let attached =
            attached.attached_policies().iter().filter_map(|policy| policy.policy_arn().map(ToOwned::to_owned));
        Ok(inline.policy_names.into_iter().chain(attached).collect())
    }

    async fn remove_policies(&self, ctx: &Ctx<'_>, role: &str, policies: Vec<String>) -> Result<(), StageError> {
        for name in policies {
            let subject = format!("policy `{name}` of role `{role}`");
            ctx.settled(&subject, ctx.limits.propagation, || async {
                let iam = &ctx.clients.iam;
                let gone = if name.starts_with("arn:") {
                    let answer = iam.detach_role_policy().role_name(role).policy_arn(&name).send().await;
                    if_present(answer.about("iam:DetachRolePolicy", &subject))?.is_some()
                } else {
                    let answer = iam.delete_role_policy().role_name(role).policy_name(&name).send().await;
                    if_present(answer.about("iam:DeleteRolePolicy", &subject))?.is_some()
                };
                Ok(gone)
            })
            .await?;
        }
        Ok(())
    }
}

fn iam_tags(names: &Names, stage: &str) -> Result<Vec<aws_sdk_iam::types::Tag>, StageError> {
    tags::of(names, stage)
        .into_iter()
        .map(|(key, value)| aws_sdk_iam::types::Tag::builder().key(key).value(value).build())
        .collect::<Result<_, _>>()
        .map_err(|error| StageError::here("could not write a tag", error))
}

/// IAM gives policy documents percent-encoded.
fn decoded(document: &str) -> Json {
    let text = percent_encoding::percent_decode_str(document).decode_utf8_lossy();
    serde_json::from_str(&text).unwrap_or(Json::Null)
}
