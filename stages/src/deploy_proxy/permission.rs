//! The function's resource policy: this API may invoke it, by this route.

use async_trait::async_trait;
use plan::{Facts, Observation, Outputs, ResourceId};
use serde_json::Value as Json;
use spec::Route;

use super::function::{self, FUNCTION_ARN};
use super::http_api::API_ID;
use crate::cloud_error::{Explain, Meaning, if_present};
use crate::{Clients, CloudError, Ctx, Names, Resource, Right, StageError};

/// The permission.
pub const PERMISSION: ResourceId = ResourceId::new("deploy-proxy/permission");

/// Id of the one statement.
const STATEMENT: &str = "runner";

#[derive(Debug)]
pub(super) struct Permission {
    pub(super) route: Route,
    pub(super) names: Names,
}

#[async_trait]
impl Resource for Permission {
    fn id(&self) -> ResourceId {
        PERMISSION
    }

    fn kind(&self) -> &'static str {
        "lambda-permission"
    }

    fn name(&self) -> &str {
        STATEMENT
    }

    fn desired(&self) -> Facts {
        Facts::default()
            .fixed("function", FUNCTION_ARN.known(self.names.function_arn()))
            .field("api", &API_ID)
            .field("route", route_part(&self.route))
    }

    fn rights(&self) -> Vec<Right> {
        let actions = ["lambda:AddPermission", "lambda:RemovePermission", "lambda:GetPolicy"];
        let mut rights = super::rights_to_look(&self.names);
        rights.push(Right::new("Function", &actions, self.names.function_arn()));
        rights
    }

    async fn observe(&self, clients: &Clients) -> Result<Observation, StageError> {
        if !function::owner(clients, &self.names).await?.is_ours() {
            return Ok(Observation::Absent);
        }
        let Some(statement) = self.statement(clients).await? else { return Ok(Observation::Absent) };
        let source = statement["Condition"]["ArnLike"]["AWS:SourceArn"].as_str().unwrap_or_default();
        let resource = source.rsplit(':').next().unwrap_or_default();
        let (api, route) = resource.split_once('/').unwrap_or((resource, ""));
        let facts = Facts::default()
            .field("function", statement["Resource"].as_str().unwrap_or_default())
            .field("api", api)
            .field("route", route);
        Ok(Observation::Present { facts, outputs: Outputs::new() })
    }

    /// Not an upsert on AWS: a statement of that id is removed first.
    async fn create(&self, ctx: &Ctx<'_>) -> Result<Outputs, StageError> {
        let api: String = ctx.get(&API_ID)?;
        let site = &self.names.site;
        let source = site.arn("execute-api", &format!("{api}/{}", route_part(&self.route)));
        let lambda = &ctx.clients.lambda;
        ctx.visible(&self.subject(), ctx.limits.propagation, || async {
            let request = lambda.add_permission().function_name(&self.names.function).statement_id(STATEMENT);
            let request = request.action("lambda:InvokeFunction").principal("apigateway.amazonaws.com");
            let answer = request.source_arn(&source).source_account(&site.account).send().await;
            match answer.about("lambda:AddPermission", self.subject()) {
                Err(error) if error.meaning() == Meaning::AlreadyThere => Ok(false),
                other => other.map(|_| true),
            }
        })
        .await
        .map(drop)?;
        Ok(Outputs::new())
    }

    async fn update(&self, ctx: &Ctx<'_>) -> Result<Outputs, StageError> {
        self.delete(ctx, STATEMENT).await?;
        self.create(ctx).await
    }

    async fn delete(&self, ctx: &Ctx<'_>, name: &str) -> Result<(), StageError> {
        ctx.settled(&self.subject(), ctx.limits.function, || async {
            let request = ctx.clients.lambda.remove_permission().function_name(&self.names.function);
            let answer = request.statement_id(name).send().await;
            if_present(answer.about("lambda:RemovePermission", self.subject())).map(drop)
        })
        .await
    }
}

impl Permission {
    fn subject(&self) -> String {
        format!("permission `{STATEMENT}` of function `{}`", self.names.function)
    }

    async fn statement(&self, clients: &Clients) -> Result<Option<Json>, CloudError> {
        let answer = clients.lambda.get_policy().function_name(&self.names.function).send().await;
        let Some(answer) = if_present(answer.about("lambda:GetPolicy", self.subject()))? else { return Ok(None) };
        let policy: Json = answer.policy().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        let statements = policy["Statement"].as_array();
        Ok(statements.and_then(|all| all.iter().find(|statement| statement["Sid"] == STATEMENT)).cloned())
    }
}

/// `<stage>/<METHOD>/<path>` of an execute-api ARN: any stage; `*` for any method.
fn route_part(route: &Route) -> String {
    let method = if route.method == "ANY" { "*" } else { &route.method };
    format!("*/{method}{}", route.path)
}
