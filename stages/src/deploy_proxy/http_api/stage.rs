//! The stage: what it lets through, and what it writes down.

use aws_sdk_apigatewayv2::types::{AccessLogSettings, Api, RouteSettings, Stage};
use serde_json::{Map, Value as Json, json};
use spec::Auth;

use super::{API, HttpApi};
use crate::cloud_error::{Explain, if_present, or_already_there};
use crate::{Ctx, Right, StageError, tags};

/// `$default` answers without a stage in the path.
pub(super) const NAME: &str = "$default";
pub(super) const AS_DESIRED: &str = "$default, deployed at once";

/// What every line of the access log says: a name, and a variable of the gateway's. Source of the variables: "Customize
/// HTTP API access logs".
const LOGGED: [(&str, &str); 15] = [
    ("request_id", "requestId"),
    ("time", "requestTime"),
    ("ip", "identity.sourceIp"),
    ("method", "httpMethod"),
    ("path", "path"),
    ("route", "routeKey"),
    ("status", "status"),
    ("bytes", "responseLength"),
    ("latency_ms", "responseLatency"),
    ("integration_status", "integrationStatus"),
    ("integration_latency_ms", "integrationLatency"),
    ("integration_error", "integrationErrorMessage"),
    ("authorizer_error", "authorizer.error"),
    ("error", "error.message"),
    ("agent", "identity.userAgent"),
];

/// What turning access logs on needs: the gateway sets up the delivery in the caller's name, and none of it is about a
/// group. Source: "Configure logging for HTTP APIs".
pub(super) fn right_to_log() -> Right {
    let actions = [
        "logs:CreateLogDelivery",
        "logs:CreateLogGroup",
        "logs:DeleteLogDelivery",
        "logs:DescribeLogGroups",
        "logs:DescribeResourcePolicies",
        "logs:GetLogDelivery",
        "logs:ListLogDeliveries",
        "logs:PutResourcePolicy",
        "logs:UpdateLogDelivery",
    ];
    Right::new("NoResource", &actions, "*").to_write()
}

pub(super) fn observed(api: &Api, stage: Option<&Stage>) -> String {
    match stage {
        None => "(none)".to_owned(),
        Some(_) if api.disable_execute_api_endpoint() == Some(true) => format!("{NAME}, switched off"),
        Some(stage) if stage.auto_deploy() == Some(true) => AS_DESIRED.to_owned(),
        Some(_) => format!("{NAME}, deployed by hand"),
    }
}

pub(super) fn throttle(rate: f64, burst: i32) -> String {
    format!("{rate} requests/s, bursts of {burst}")
}

pub(super) fn observed_throttle(stage: Option<&Stage>) -> String {
    stage.and_then(Stage::default_route_settings).map_or_else(|| "(none)".to_owned(), settings_words)
}

/// Route key → what it lets through in the stage's stead.
pub(super) fn observed_route_throttle(stage: Option<&Stage>) -> Json {
    let own = stage.and_then(Stage::route_settings).into_iter().flatten();
    own.map(|(key, settings)| (key.clone(), settings_words(settings).into())).collect::<Map<_, _>>().into()
}

/// A number that is absent counts as 0.
fn settings_words(settings: &RouteSettings) -> String {
    throttle(
        settings.throttling_rate_limit().unwrap_or_default(),
        settings.throttling_burst_limit().unwrap_or_default(),
    )
}

impl HttpApi {
    /// Where the access log goes and what it tells; nothing when there is none.
    pub(super) fn access_log_words(&self) -> Json {
        if !self.access_log {
            return json!({});
        }
        json!({ "group": self.names.access_log_group(), "lines": self.lines() })
    }

    pub(super) fn observed_access_log(&self, stage: Option<&Stage>) -> Json {
        let Some(settings) = stage.and_then(Stage::access_log_settings) else { return json!({}) };
        let group = settings.destination_arn().unwrap_or_default();
        let group = group.split_once(":log-group:").map_or(group, |(_, name)| name);
        let ours = settings.format() == Some(&self.format());
        json!({ "group": group, "lines": if ours { self.lines() } else { "in another format" } })
    }

    fn lines(&self) -> &'static str {
        match self.auth {
            Auth::None => "JSON",
            Auth::Iam => "JSON, with the caller's ARN",
            Auth::Jwt(_) => "JSON, with the token's subject",
        }
    }

    /// One line, of at most 1,024 characters. Source: `AccessLogSettings` of the API Gateway API.
    fn format(&self) -> String {
        let caller = match self.auth {
            Auth::None => None,
            Auth::Iam => Some(("caller", "identity.userArn")),
            Auth::Jwt(_) => Some(("caller", "authorizer.claims.sub")),
        };
        let members =
            LOGGED.iter().chain(&caller).map(|(name, variable)| format!("\"{name}\":\"$context.{variable}\""));
        format!("{{{}}}", members.collect::<Vec<_>>().join(","))
    }

    fn access_log_settings(&self) -> Option<AccessLogSettings> {
        let group = self.names.site.arn("logs", &format!("log-group:{}", self.names.access_log_group()));
        let settings = AccessLogSettings::builder().destination_arn(group).format(self.format()).build();
        self.access_log.then_some(settings)
    }

    /// Both numbers are always sent: one that is absent can be stored as 0, which refuses everything.
    fn route_settings(&self) -> RouteSettings {
        let settings = RouteSettings::builder().throttling_rate_limit(self.throttle.rate_per_s.into());
        settings.throttling_burst_limit(self.throttle.burst).build()
    }

    pub(super) async fn put_stage(&self, ctx: &Ctx<'_>, id: &str, existing: Option<&Stage>) -> Result<(), StageError> {
        let client = &ctx.clients.apigateway;
        let what = format!("API Gateway to be able to write the access log of {}", self.subject());
        let Some(existing) = existing else {
            ctx.settled(&what, ctx.limits.log_delivery, || async {
                let request = client.create_stage().api_id(id).stage_name(NAME).auto_deploy(true);
                let request = request.default_route_settings(self.route_settings());
                let request = request.set_access_log_settings(self.access_log_settings());
                let answer = request.set_tags(Some(tags::of(&self.names, API.stage()))).send().await;
                or_already_there(answer.about("apigateway:CreateStage", self.subject())).map(drop)
            })
            .await?;
            return Ok(());
        };
        let wanted = throttle(self.throttle.rate_per_s.into(), self.throttle.burst);
        let other_log = self.observed_access_log(Some(existing)) != self.access_log_words();
        let other_settings = existing.auto_deploy() != Some(true) || observed_throttle(Some(existing)) != wanted;
        if other_settings || other_log && self.access_log {
            ctx.settled(&what, ctx.limits.log_delivery, || async {
                let request = client.update_stage().api_id(id).stage_name(NAME).auto_deploy(true);
                let request = request.default_route_settings(self.route_settings());
                let answer = request.set_access_log_settings(self.access_log_settings()).send().await;
                answer.about("apigateway:UpdateStage", self.subject())
            })
            .await?;
        }
        // Updates only ever add; what is too much has calls of its own.
        if other_log && !self.access_log {
            let answer = client.delete_access_log_settings().api_id(id).stage_name(NAME).send().await;
            if_present(answer.about("apigateway:DeleteAccessLogSettings", self.subject()))?;
        }
        for key in existing.route_settings().into_iter().flatten().map(|(key, _)| key) {
            let answer = client.delete_route_settings().api_id(id).stage_name(NAME).route_key(key).send().await;
            if_present(answer.about("apigateway:DeleteRouteSettings", self.subject()))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::fixture::Fixture;

    use super::*;

    #[test]
    fn the_format_is_one_line_of_json_that_the_gateway_takes() {
        for (auth, caller) in [
            ("none", None),
            ("iam", Some("$context.identity.userArn")),
            ("{ jwt: { issuer: https://a.example, audience: [a] } }", Some("$context.authorizer.claims.sub")),
        ] {
            let fixture = Fixture::with(&format!("{{ deploy-proxy: {{ auth: {auth} }} }}"));
            let format = HttpApi::of(&fixture.spec.deploy_proxy, &fixture.names).format();
            let line: Json = serde_json::from_str(&format).unwrap();
            assert_eq!(line["request_id"], "$context.requestId");
            assert_eq!(line["caller"].as_str(), caller);
            assert!(format.len() <= 1024 && !format.contains('\n'), "{format}");
        }
    }
}
