//! The HTTP API: who may call it, integration, route and stage below one API that is found by its tag.
//!
//! One resource, since nothing below an API has a name or a tag of its own: what is below ours is ours.

mod authorizer;
mod below;
mod cors;
mod route;
mod stage;

use async_trait::async_trait;
use aws_sdk_apigatewayv2::types::{Api, Integration, IntegrationType, ProtocolType};
use plan::{Facts, Observation, Output, Outputs, ResourceId, Stray};
use serde_json::json;
use spec::{Auth, Cors, DeployProxy, Throttle};

use self::below::Below;
use super::ACCESS_LOGS;
use super::function::FUNCTION_ARN;
use crate::cloud_error::{Explain, if_present};
use crate::resource::outputs;
use crate::{Clients, CloudError, Ctx, Names, Resource, Right, StageError, tags};

/// The HTTP API.
pub const API: ResourceId = ResourceId::new("deploy-proxy/api");
/// Its generated id.
pub const API_ID: Output<String> = Output::new(API, "id");
/// Where it answers.
pub const URL: Output<String> = Output::new(API, "url");

/// Above the function's own limit, which is above the SDK's. The gateway allows at most 30 s.
const INTEGRATION_TIMEOUT_MS: i32 = 30_000;

#[derive(Debug)]
pub(super) struct HttpApi {
    route: spec::Route,
    auth: Auth,
    throttle: Throttle,
    cors: Option<Cors>,
    access_log: bool,
    names: Names,
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
            .field("routes", json!({ self.route.to_string(): route::desired(&self.auth) }))
            .field("authorizers", authorizer::desired(&self.auth))
            .field("cors", cors::desired(self.cors.as_ref(), &self.route))
            .field("stage", stage::AS_DESIRED)
            .field("throttle", stage::throttle(self.throttle.rate_per_s.into(), self.throttle.burst))
            .field("route_throttle", json!({}))
            .field("access_log", self.access_log_words())
    }

    /// The stage writes to the log group.
    fn after(&self) -> Vec<ResourceId> {
        vec![ACCESS_LOGS]
    }

    fn warnings(&self) -> Vec<String> {
        let open = "anybody who knows the URL can call the API, and it is billed to you; `auth: iam` or \
                    `auth: { jwt: … }` of stage `deploy-proxy` closes it";
        if self.auth == Auth::None { vec![open.to_owned()] } else { vec![] }
    }

    /// An API's id is the gateway's choice, and whether conditions on tags of HTTP APIs are ever met is not known. So
    /// this is about every HTTP API of the region. Tags in a create call need rights of their own: to POST below `/tags/`
    /// for an API, and `apigateway:TagResource` for a stage, though no list of actions has it.
    fn rights(&self) -> Vec<Right> {
        let site = &self.names.site;
        let arn = |path: &str| format!("arn:{}:apigateway:{}::{path}", site.partition(), site.region);
        let below = ["apigateway:GET", "apigateway:POST", "apigateway:PATCH", "apigateway:DELETE"];
        let mut rights = vec![
            Right::new("Apis", &["apigateway:GET", "apigateway:POST"], arn("/apis")),
            Right::new("Api", &below, arn("/apis/*")),
            Right::new("ApiTags", &["apigateway:POST"], arn("/tags/*")),
            Right::new("StageTags", &["apigateway:TagResource"], arn("/apis/*/stages")),
        ];
        if self.access_log {
            rights.push(stage::right_to_log());
        }
        rights
    }

    async fn observe(&self, clients: &Clients) -> Result<Observation, StageError> {
        let Some(api) = self.ours(clients).await?.into_iter().next() else { return Ok(Observation::Absent) };
        let id = api.api_id().unwrap_or_default();
        let Some(below) = self.below(clients, id).await? else { return Ok(Observation::Absent) };
        let proxy = below.integrations.iter().find(|integration| is_ours(integration, &self.names));
        let facts = Facts::default()
            .field("function", proxy.and_then(Integration::integration_uri).unwrap_or("(none)"))
            .field("integrations", below.integrations.len())
            .field("routes", route::observed(&below, proxy))
            .field("authorizers", authorizer::observed(&below.authorizers))
            .field("cors", cors::observed(api.cors_configuration()))
            .field("stage", stage::observed(&api, below.stage.as_ref()))
            .field("throttle", stage::observed_throttle(below.stage.as_ref()))
            .field("route_throttle", stage::observed_route_throttle(below.stage.as_ref()))
            .field("access_log", self.observed_access_log(below.stage.as_ref()));
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
        let request = request.set_cors_configuration(cors::wanted(self.cors.as_ref(), &self.route));
        let tags = tags::of(&self.names, API.stage());
        let made = request.set_tags(Some(tags)).send().await.about("apigateway:CreateApi", self.subject())?;
        // When an answer is lost, the SDK sends the call again and a second API comes of it. The oldest counts, here
        // as in every later look.
        let mut ours = self.ours(ctx.clients).await?.into_iter();
        let oldest = ours.next().unwrap_or_else(|| {
            let api = Api::builder().set_api_id(made.api_id).set_api_endpoint(made.api_endpoint);
            api.set_cors_configuration(made.cors_configuration).build()
        });
        for second in ours.filter_map(|api| api.api_id) {
            self.delete(ctx, &second).await?;
        }
        self.complete(ctx, &oldest).await
    }

    async fn update(&self, ctx: &Ctx<'_>) -> Result<Outputs, StageError> {
        match self.ours(ctx.clients).await?.into_iter().next() {
            Some(api) => self.complete(ctx, &api).await,
            None => self.create(ctx).await,
        }
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
    pub(super) fn of(proxy: &DeployProxy, names: &Names) -> Self {
        Self {
            route: proxy.route.clone(),
            auth: proxy.auth.clone(),
            throttle: proxy.throttle,
            cors: proxy.cors.clone(),
            access_log: proxy.access_log_days.is_some(),
            names: names.clone(),
        }
    }

    fn subject(&self) -> String {
        format!("API `{}`", self.names.api)
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

    /// Brings the API and everything below it to what is desired: adds, mends, and removes what is too much.
    ///
    /// In an order that never opens a route on the way from one kind of authorization to another: what a route is to
    /// ask for is there before the route asks for it, and goes once no route does.
    async fn complete(&self, ctx: &Ctx<'_>, api: &Api) -> Result<Outputs, StageError> {
        let id = api.api_id().unwrap_or_default();
        self.put_api(ctx, id, api).await?;
        let below = self.below_existing(ctx, id).await?;
        let integration = self.put_integration(ctx, id, &below).await?;
        let authorizer = self.put_authorizer(ctx, id, &below).await?;
        self.put_routes(ctx, id, &below, &integration, authorizer.as_deref()).await?;
        self.put_stage(ctx, id, below.stage.as_ref()).await?;
        // Looked at anew: a create whose answer was lost was sent again, and made a second integration.
        let below = self.below_existing(ctx, id).await?;
        self.remove_other_authorizers(ctx, id, &below, authorizer.as_deref()).await?;
        self.remove_other_integrations(ctx, id, &below, &integration).await?;
        Ok(self.outputs(id, api.api_endpoint().unwrap_or_default()))
    }

    /// What is below an API that is being written.
    async fn below_existing(&self, ctx: &Ctx<'_>, id: &str) -> Result<Below, StageError> {
        let gone =
            || StageError::Failed { what: self.subject(), cause: "it disappeared while it was changed".to_owned() };
        self.below(ctx.clients, id).await?.ok_or_else(gone)
    }

    async fn put_api(&self, ctx: &Ctx<'_>, id: &str, api: &Api) -> Result<(), StageError> {
        let client = &ctx.clients.apigateway;
        let wanted = cors::wanted(self.cors.as_ref(), &self.route);
        let other_cors = cors::observed(api.cors_configuration()) != cors::desired(self.cors.as_ref(), &self.route);
        let switched_off = api.disable_execute_api_endpoint() == Some(true);
        if switched_off || other_cors && wanted.is_some() {
            let request = client.update_api().api_id(id).disable_execute_api_endpoint(false);
            let answer = request.set_cors_configuration(wanted.clone()).send().await;
            answer.about("apigateway:UpdateApi", self.subject())?;
        }
        // An update only ever adds.
        if other_cors && wanted.is_none() {
            let answer = client.delete_cors_configuration().api_id(id).send().await;
            if_present(answer.about("apigateway:DeleteCorsConfiguration", self.subject()))?;
        }
        Ok(())
    }

    async fn put_integration(&self, ctx: &Ctx<'_>, id: &str, below: &Below) -> Result<String, StageError> {
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

    /// A route that was just led elsewhere may still count for a while.
    async fn remove_other_integrations(
        &self,
        ctx: &Ctx<'_>,
        id: &str,
        below: &Below,
        ours: &str,
    ) -> Result<(), StageError> {
        let others = below.integrations.iter().filter_map(Integration::integration_id).filter(|other| *other != ours);
        for other in others {
            ctx.settled(&self.subject(), ctx.limits.propagation, || async {
                let answer = ctx.clients.apigateway.delete_integration().api_id(id).integration_id(other).send().await;
                if_present(answer.about("apigateway:DeleteIntegration", self.subject()))
            })
            .await?;
        }
        Ok(())
    }
}

fn is_ours(integration: &Integration, names: &Names) -> bool {
    integration.integration_uri() == Some(&names.function_arn())
        && integration.payload_format_version() == Some("2.0")
        && integration.timeout_in_millis() == Some(INTEGRATION_TIMEOUT_MS)
}
