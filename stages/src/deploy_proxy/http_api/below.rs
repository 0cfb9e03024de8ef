//! What is below an API.

use aws_sdk_apigatewayv2::types::{Authorizer, Integration, Route, Stage};
use futures::future::join4;

use super::{HttpApi, stage};
use crate::cloud_error::{Explain, if_present};
use crate::{Clients, CloudError};

/// Few enough for one page of each: more than a hundred would not be ours.
pub(super) struct Below {
    pub(super) authorizers: Vec<Authorizer>,
    pub(super) integrations: Vec<Integration>,
    pub(super) routes: Vec<Route>,
    pub(super) stage: Option<Stage>,
}

impl HttpApi {
    /// What is below the API of that id; none when it is gone.
    pub(super) async fn below(&self, clients: &Clients, id: &str) -> Result<Option<Below>, CloudError> {
        let client = &clients.apigateway;
        let looks = join4(
            client.get_authorizers().api_id(id).send(),
            client.get_integrations().api_id(id).send(),
            client.get_routes().api_id(id).send(),
            client.get_stage().api_id(id).stage_name(stage::NAME).send(),
        );
        // Boxed: together they are too large for the stack.
        let (authorizers, integrations, routes, stage) = Box::pin(looks).await;
        let stage = if_present(stage.about("apigateway:GetStage", self.subject()))?.map(|stage| {
            Stage::builder()
                .set_access_log_settings(stage.access_log_settings)
                .set_auto_deploy(stage.auto_deploy)
                .set_default_route_settings(stage.default_route_settings)
                .set_route_settings(stage.route_settings)
                .stage_name(stage::NAME)
                .build()
        });
        let authorizers = if_present(authorizers.about("apigateway:GetAuthorizers", self.subject()))?;
        let integrations = if_present(integrations.about("apigateway:GetIntegrations", self.subject()))?;
        let routes = if_present(routes.about("apigateway:GetRoutes", self.subject()))?;
        let (Some(authorizers), Some(integrations), Some(routes)) = (authorizers, integrations, routes) else {
            return Ok(None);
        };
        Ok(Some(Below {
            authorizers: authorizers.items.unwrap_or_default(),
            integrations: integrations.items.unwrap_or_default(),
            routes: routes.items.unwrap_or_default(),
            stage,
        }))
    }
}
