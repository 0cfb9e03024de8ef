//! The HTTP API: integration, route and stage below one API that is found by its tag.
//!
//! One resource, since nothing below an API has a name or a tag of its own: what is below ours is ours.

use std::collections::BTreeMap;

use async_trait::async_trait;
use aws_sdk_apigatewayv2::types::{Api, Integration, IntegrationType, ProtocolType, Route, RouteSettings, Stage};
use plan::{Facts, Observation, Output, Outputs, ResourceId, Stray};
use serde_json::json;

use super::function::FUNCTION_ARN;
use crate::cloud_error::{Explain, if_present, or_already_there};
use crate::resource::outputs;
use crate::{Clients, CloudError, Ctx, Names, Resource, Right, StageError, tags};

/// The HTTP API.
pub const API: ResourceId = ResourceId::new("deploy-proxy/api");
/// Its generated id.
pub(super) const API_ID: Output<String> = Output::new(API, "id");
/// Where it answers.
pub const URL: Output<String> = Output::new(API, "url");

/// `$default` answers without a stage in the path.
const STAGE: &str = "$default";
/// Requests per second before the gateway answers 429. Both numbers are always sent: one that is absent can be stored
/// as 0, which refuses everything.
const RATE_PER_S: f64 = 100.0;
const BURST: i32 = 200;
/// Above the function's own limit, which is above the SDK's. The gateway allows at most 30 s.
const INTEGRATION_TIMEOUT_MS: i32 = 30_000;

#[derive(Debug)]
pub(super) struct HttpApi {
    pub(super) route: spec::Route,
    pub(super) names: Names,
}

/// What is below an API.
struct Below {
    integrations: Vec<Integration>,
    routes: Vec<Route>,
    stage: Option<Stage>,
}

#[async_trait]
impl Resource for HttpApi {
    fn id(&self) -> ResourceId {
        API
    }

    fn kind(&self) -> &'static str {
        "http-api"
    }

    fn name(&self) -> &str {
        &self.names.api
    }

    fn desired(&self) -> Facts {
        Facts::default()
            .field("function", FUNCTION_ARN.known(self.names.function_arn()))
            .field("integrations", 1)
            .field("routes", json!({ self.route_key(): "open to everybody" }))
            .field("stage", format!("{STAGE}, deployed at once"))
            .field("throttle", throttle(RATE_PER_S, BURST))
    }

    /// An API's id is the gateway's choice, and whether conditions on tags of HTTP APIs are ever met is not known. So
    /// this is about every HTTP API of the region. Tags in a create call need rights of their own: to POST below `/tags/`
    /// for an API, and `apigateway:TagResource` for a stage, though no list of actions has it.
    fn rights(&self) -> Vec<Right> {
        let site = &self.names.site;
        let arn = |path: &str| format!("arn:{}:apigateway:{}::{path}", site.partition(), site.region);
        let below = ["apigateway:GET", "apigateway:POST", "apigateway:PATCH", "apigateway:DELETE"];
        vec![
            Right::new("Apis", &["apigateway:GET", "apigateway:POST"], arn("/apis")),
            Right::new("Api", &below, arn("/apis/*")),
            Right::new("ApiTags", &["apigateway:POST"], arn("/tags/*")),
            Right::new("StageTags", &["apigateway:TagResource"], arn("/apis/*/stages")),
        ]
    }

    async fn observe(&self, clients: &Clients) -> Result<Observation, StageError> {
        let Some(api) = self.ours(clients).await?.into_iter().next() else { return Ok(Observation::Absent) };
        let id = api.api_id().unwrap_or_default();
        let below = self.below(clients, id).await?;
        let proxy = below.integrations.iter().find(|integration| is_ours(integration, &self.names));
        let routes: BTreeMap<_, _> = below.routes.iter().map(|route| route_words(route, proxy)).collect();
        let stage = below.stage.as_ref();
        let settings = stage.and_then(Stage::default_route_settings);
        let facts = Facts::default()
            .field("function", proxy.and_then(Integration::integration_uri).unwrap_or("(none)"))
            .field("integrations", below.integrations.len())
            .field("routes", json!(routes))
            .field(
                "stage",
                match stage {
                    Some(stage) if stage.auto_deploy() == Some(true) => format!("{STAGE}, deployed at once"),
                    Some(_) => format!("{STAGE}, deployed by hand"),
                    None => "(none)".to_owned(),
                },
            )
            .field(
                "throttle",
                settings.map_or_else(
                    || "(none)".to_owned(),
                    |settings| {
                        throttle(
                            settings.throttling_rate_limit().unwrap_or_default(),
                            settings.throttling_burst_limit().unwrap_or_default(),
                        )
                    },
                ),
            );
        Ok(Observation::Present { facts, outputs: self.outputs(id, api.api_endpoint().unwrap_or_default()) })
    }

    /// Names are not unique, so a create whose answer was lost leaves a second API with our tag.
    async fn strays(&self, clients: &Clients) -> Result<Vec<Stray>, StageError> {
        let duplicates = self.ours(clients).await?.into_iter().skip(1);
        let stray = |api: Api| Stray {
            of: API,
            name: api.api_id.unwrap_or_default(),
            why: format!("a second API with the tag of `{}`", self.names.pipeline),
        };
        Ok(duplicates.map(stray).collect())
    }

    async fn create(&self, ctx: &Ctx<'_>) -> Result<Outputs, StageError> {
        let request = ctx.clients.apigateway.create_api().name(&self.names.api).protocol_type(ProtocolType::Http);
        let tags = tags::of(&self.names, API.stage());
        let made = request.set_tags(Some(tags)).send().await.about("apigateway:CreateApi", self.subject())?;
        // When an answer is lost, the SDK sends the call again and a second API comes of it. The oldest counts, here
        // as in every later look.
        let mut ours = self.ours(ctx.clients).await?.into_iter();
        let (id, endpoint) = match ours.next() {
            Some(oldest) => (oldest.api_id, oldest.api_endpoint),
            None => (made.api_id, made.api_endpoint),
        };
        for second in ours.filter_map(|api| api.api_id) {
            self.delete(ctx, &second).await?;
        }
        let id = id.unwrap_or_default();
        self.complete(ctx, &id).await?;
        Ok(self.outputs(&id, &endpoint.unwrap_or_default()))
    }

    async fn update(&self, ctx: &Ctx<'_>) -> Result<Outputs, StageError> {
        let Some(api) = self.ours(ctx.clients).await?.into_iter().next() else { return self.create(ctx).await };
        let id = api.api_id().unwrap_or_default();
        self.complete(ctx, id).await?;
        Ok(self.outputs(id, api.api_endpoint().unwrap_or_default()))
    }

    /// Everything below it goes with it.
    async fn delete(&self, ctx: &Ctx<'_>, name: &str) -> Result<(), StageError> {
        let ids = if name == self.names.api {
            let ours = self.ours(ctx.clients).await?.into_iter();
            ours.take(1).filter_map(|api| api.api_id).collect()
        } else {
            vec![name.to_owned()]
        };
        for id in ids {
            let answer = ctx.clients.apigateway.delete_api().api_id(&id).send().await;
            if_present(answer.about("apigateway:DeleteApi", format!("API `{id}`")))?;
        }
        Ok(())
    }
}

impl HttpApi {
    fn subject(&self) -> String {
        format!("API `{}`", self.names.api)
    }

    fn route_key(&self) -> String {
        format!("{} {}", self.route.method, self.route.path)
    }

    fn outputs(&self, id: &str, endpoint: &str) -> Outputs {
        let url = format!("{}{}", endpoint.trim_end_matches('/'), self.route.path);
        outputs([("id", id.into()), ("url", url.into())])
    }

    /// The APIs that bear our tag, oldest first.
    async fn ours(&self, clients: &Clients) -> Result<Vec<Api>, CloudError> {
        let mut ours = vec![];
        let mut next = None;
        loop {
            let page = clients.apigateway.get_apis().set_next_token(next).send().await;
            let page = page.about("apigateway:GetApis", "APIs")?;
            let tagged = page.items.unwrap_or_default().into_iter();
            ours.extend(tagged.filter(|api| {
                let tags = api.tags().into_iter().flatten().map(|(key, value)| (key.as_str(), value.as_str()));
                tags::foreign(&self.names, tags).is_none()
            }));
            next = page.next_token;
            if next.is_none() {
                break;
            }
        }
        ours.sort_by(|a, b| {
            let key = |api: &Api| {
                (api.created_date().map(aws_sdk_apigatewayv2::primitives::DateTime::as_nanos), api.api_id.clone())
            };
            key(a).cmp(&key(b))
        });
        Ok(ours)
    }

    async fn below(&self, clients: &Clients, id: &str) -> Result<Below, CloudError> {
        let client = &clients.apigateway;
        let (integrations, routes, stage) = futures::join!(
            client.get_integrations().api_id(id).send(),
            client.get_routes().api_id(id).send(),
            client.get_stage().api_id(id).stage_name(STAGE).send(),
        );
        let stage = if_present(stage.about("apigateway:GetStage", self.subject()))?.map(|stage| {
            Stage::builder()
                .set_auto_deploy(stage.auto_deploy)
                .set_default_route_settings(stage.default_route_settings)
                .stage_name(STAGE)
                .build()
        });
        Ok(Below {
            integrations: integrations.about("apigateway:GetIntegrations", self.subject())?.items.unwrap_or_default(),
            routes: routes.about("apigateway:GetRoutes", self.subject())?.items.unwrap_or_default(),
            stage,
        })
    }

    /// Brings everything below the API to what is desired: adds, mends, and removes what is too much.
    async fn complete(&self, ctx: &Ctx<'_>, id: &str) -> Result<(), StageError> {
        let below = self.below(ctx.clients, id).await?;
        let integration = self.integration(ctx, id, &below).await?;
        self.routes(ctx, id, &below, &integration).await?;
        self.stage(ctx, id, below.stage.as_ref()).await?;
        // Looked at anew: a create whose answer was lost was sent again, and made a second integration.
        let below = self.below(ctx.clients, id).await?;
        for other in
            below.integrations.iter().filter_map(Integration::integration_id).filter(|other| *other != integration)
        {
            let answer = ctx.clients.apigateway.delete_integration().api_id(id).integration_id(other).send().await;
            if_present(answer.about("apigateway:DeleteIntegration", self.subject()))?;
        }
        Ok(())
    }

    async fn integration(&self, ctx: &Ctx<'_>, id: &str, below: &Below) -> Result<String, StageError> {
        let existing = below.integrations.iter().find(|integration| is_ours(integration, &self.names));
        if let Some(existing) = existing.and_then(Integration::integration_id) {
            return Ok(existing.to_owned());
        }
        let request =
            ctx.clients.apigateway.create_integration().api_id(id).integration_type(IntegrationType::AwsProxy);
        let request = request.integration_uri(ctx.get(&FUNCTION_ARN)?).integration_method("POST");
        let request = request.payload_format_version("2.0").timeout_in_millis(INTEGRATION_TIMEOUT_MS);
        let made = request.send().await.about("apigateway:CreateIntegration", self.subject())?;
        Ok(made.integration_id.unwrap_or_default())
    }

    async fn routes(&self, ctx: &Ctx<'_>, id: &str, below: &Below, integration: &str) -> Result<(), StageError> {
        let client = &ctx.clients.apigateway;
        let key = self.route_key();
        let target = format!("integrations/{integration}");
        for other in below.routes.iter().filter(|route| route.route_key() != Some(&key)) {
            let answer = client.delete_route().api_id(id).route_id(other.route_id().unwrap_or_default()).send().await;
            if_present(answer.about("apigateway:DeleteRoute", self.subject()))?;
        }
        match below.routes.iter().find(|route| route.route_key() == Some(&key)) {
            None => {
                let request = client.create_route().api_id(id).route_key(&key).target(&target);
                or_already_there(request.send().await.about("apigateway:CreateRoute", self.subject()))?;
            }
            Some(route) if route.target() != Some(&target) => {
                let request = client.update_route().api_id(id).route_id(route.route_id().unwrap_or_default());
                request.target(&target).send().await.about("apigateway:UpdateRoute", self.subject())?;
            }
            Some(_) => {}
        }
        Ok(())
    }

    async fn stage(&self, ctx: &Ctx<'_>, id: &str, existing: Option<&Stage>) -> Result<(), StageError> {
        let client = &ctx.clients.apigateway;
        let settings = RouteSettings::builder().throttling_rate_limit(RATE_PER_S).throttling_burst_limit(BURST).build();
        let Some(existing) = existing else {
            let request = client.create_stage().api_id(id).stage_name(STAGE).auto_deploy(true);
            let tags = tags::of(&self.names, API.stage());
            let answer = request.default_route_settings(settings).set_tags(Some(tags)).send().await;
            or_already_there(answer.about("apigateway:CreateStage", self.subject()))?;
            return Ok(());
        };
        if existing.auto_deploy() != Some(true) || existing.default_route_settings() != Some(&settings) {
            let request = client.update_stage().api_id(id).stage_name(STAGE).auto_deploy(true);
            let answer = request.default_route_settings(settings).send().await;
            answer.about("apigateway:UpdateStage", self.subject())?;
        }
        Ok(())
    }
}

fn is_ours(integration: &Integration, names: &Names) -> bool {
    integration.integration_uri() == Some(&names.function_arn())
        && integration.payload_format_version() == Some("2.0")
        && integration.timeout_in_millis() == Some(INTEGRATION_TIMEOUT_MS)
}

fn route_words(route: &Route, proxy: Option<&Integration>) -> (String, String) {
    let wanted = proxy.and_then(Integration::integration_id).map(|id| format!("integrations/{id}"));
    let open = route.authorization_type().is_none_or(|kind| kind.as_str() == "NONE");
    let words = match (route.target() == wanted.as_deref() && wanted.is_some(), open) {
        (true, true) => "open to everybody".to_owned(),
        (true, false) => "with an authorizer".to_owned(),
        (false, _) => "to something else".to_owned(),
    };
    (route.route_key().unwrap_or_default().to_owned(), words)
}

fn throttle(rate: f64, burst: i32) -> String {
    format!("{rate} requests/s, bursts of {burst}")
}
