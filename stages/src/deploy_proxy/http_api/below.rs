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
    pub(super) async fn below(&self, clients: &Clients, id: &str) -> Result<Below, CloudError> {
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
        Ok(Below {
            authorizers: authorizers.about("apigateway:GetAuthorizers", self.subject())?.items.unwrap_or_default(),
            integrations: integrations.about("apigateway:GetIntegrations", self.subject())?.items.unwrap_or_default(),
            routes: routes.about("apigateway:GetRoutes", self.subject())?.items.unwrap_or_default(),
            stage,
        })
    }
}
