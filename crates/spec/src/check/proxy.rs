//! The function and the HTTP API.

use serde_yaml::Value;

use super::words::quoted;
use super::{Block, Checker, api, aws, nearest};
use crate::limits;
use crate::raw::{RawDeployProxy, RawResponse, RawThresholdRule};
use crate::types::{DeployProxy, Response, Route, Threshold, Train};

/// Field of the answer that lists the strongest contributions.
const REASONS_FIELD: &str = "reasons";

pub(super) fn deploy_proxy(checker: &mut Checker<'_>, block: Block<'_>, train: Option<&Train>) -> Option<DeployProxy> {
    let path = |key: &str| format!("stages.deploy-proxy.{key}");
    let raw: RawDeployProxy = checker.stage("deploy-proxy", block)?;
    let default = DeployProxy::default();
    let route = match raw.route {
        None => Some(default.route),
        Some(text) => route(checker, &path("route"), &text),
    };
    let response = response(checker, raw.response.unwrap_or_default(), train);
    let log_retention_days =
        aws::retention(checker, &path("log-retention-days"), raw.log_retention_days, default.log_retention_days);
    let auth = api::auth(checker, raw.auth.as_ref());
    let cors = raw.cors.map(|raw| api::cors(checker, raw, auth.as_ref(), route.as_ref()));
    Some(DeployProxy {
        reasons: reasons(checker, raw.reasons, &response, train),
        response,
        memory_mb: checker.whole(&path("memory-mb"), raw.memory_mb, &limits::FUNCTION_MB, default.memory_mb),
        timeout_s: checker.whole(&path("timeout-s"), raw.timeout_s, &limits::FUNCTION_TIMEOUT_S, default.timeout_s),
        throttle: api::throttle(checker, &raw.throttle.unwrap_or_default()),
        access_log_days: api::access_log_days(checker, raw.access_logs.as_ref(), log_retention_days),
        max_body_kb: api::max_body_kb(checker, raw.max_body_kb, train),
        cors,
        log_retention_days,
        auth: auth?,
        route: route?,
    })
}

fn route(checker: &mut Checker<'_>, place: &str, text: &str) -> Option<Route> {
    const METHODS: [&str; 6] = ["GET", "POST", "PUT", "PATCH", "DELETE", "ANY"];
    let mut refuse = |message: String, help: &str| {
        checker.say(checker.places.complain(place, message).help(help));
        None
    };
    let Some((method, path)) = text.split_once(' ') else {
        return refuse(format!("{} is no route", quoted(text)), "a route is a method and a path, such as `POST /`");
    };
    let path = path.trim_start();
    if !METHODS.contains(&method) {
        let upper = method.to_uppercase();
        let help = match nearest(&upper, METHODS) {
            Some(near) => format!("write `{near} {path}`"),
            None => format!("methods: {}", METHODS.join(", ")),
        };
        return refuse(format!("unknown method {} in the route", quoted(method)), &help);
    }
    if !path.starts_with('/') {
        return refuse(format!("the path {} must begin with `/`", quoted(path)), &format!("write `{method} /{path}`"));
    }
    if path.contains(['{', '}']) {
        let help = "the proxy answers one path; take the variable out";
        return refuse("a route's path has no variables".to_owned(), help);
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || "/-._~".contains(c);
    if let Some(wrong) = path.chars().find(|c| !plain(*c)) {
        let help = "a path has letters, digits, `/`, `-`, `.`, `_` and `~`";
        return refuse(format!("a route's path has no `{wrong}`"), help);
    }
    if path.len() > limits::ROUTE_BYTES {
        let message = format!("a route's path has at most {} bytes, not {}", limits::ROUTE_BYTES, path.len());
        return refuse(message, "API Gateway takes 10,240 bytes for the line and the headers of a request together");
    }
    Some(Route { method: method.to_owned(), path: path.to_owned() })
}

fn response(checker: &mut Checker<'_>, raw: RawResponse, train: Option<&Train>) -> Response {
    let path = |key: &str| format!("stages.deploy-proxy.response.{key}");
    let default = Response::default();
    let response = Response {
        decision: raw.decision.unwrap_or(default.decision),
        score: raw.score.unwrap_or(default.score),
        threshold: threshold(checker, raw.threshold.as_ref(), train),
    };
    for (key, name) in [("decision", &response.decision), ("score", &response.score)] {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        if name.is_empty() || !name.chars().all(plain) {
            let message = format!("{} is no name of a field", quoted(name));
            let complaint = checker.places.complain(&path(key), message);
            checker.say(complaint.help("a field's name has letters, digits, `_` and `-`"));
        }
    }
    if response.decision == response.score {
        let message = format!("the decision and the score are both called `{}`", response.score);
        let complaint = checker.places.complain(&path("score"), message);
        checker.say(complaint.also(checker.places.find(&path("decision")), "the decision"));
    }
    response
}

const THRESHOLD: &str = "stages.deploy-proxy.response.threshold";
const THRESHOLD_FORMS: &str =
    "write a number from 0 to 1, `best-f1`, `{ precision: 0.9 }` or `{ cost: { miss: 100, false-alarm: 1 } }`";

fn threshold(checker: &mut Checker<'_>, value: Option<&Value>, train: Option<&Train>) -> Threshold {
    let threshold = match value {
        None => return Threshold::default(),
        Some(Value::Number(number)) => {
            let number = number.as_f64().unwrap_or(f64::NAN);
            return Threshold::Fixed(checker.number(THRESHOLD, Some(number), &limits::SHARE, 0.5));
        }
        Some(Value::String(word)) if word == "best-f1" => Some(Threshold::BestF1),
        Some(Value::String(word)) => {
            let complaint = checker.places.complain(THRESHOLD, format!("unknown threshold {}", quoted(word)));
            checker.say(match word.parse::<f64>() {
                Ok(_) => complaint.help("write the number without quotes"),
                Err(_) => complaint.help(THRESHOLD_FORMS),
            });
            None
        }
        Some(block @ Value::Mapping(_)) => rule(checker, block),
        Some(other) => {
            checker.wrong_type(THRESHOLD, other, "a number, `best-f1` or a block of keys");
            None
        }
    };
    if threshold.is_some() && train.is_some_and(|train| !train.is_measured()) {
        let complaint = checker.places.complain(THRESHOLD, "this threshold is chosen on test rows, and there are none");
        checker.say(complaint.help("name them by `test-data` in stage `train`, or write a number from 0 to 1"));
    }
    threshold.unwrap_or_default()
}

fn rule(checker: &mut Checker<'_>, block: &Value) -> Option<Threshold> {
    let raw: RawThresholdRule = checker.read(THRESHOLD, block)?;
    match (raw.precision, raw.cost) {
        (Some(precision), None) => {
            let path = format!("{THRESHOLD}.precision");
            Some(Threshold::Precision(checker.share_above_zero(&path, Some(precision), 1.0)))
        }
        (None, Some(cost)) => Some(Threshold::Cost {
            miss: checker.above_zero(&format!("{THRESHOLD}.cost.miss"), cost.miss, 1.0),
            false_alarm: checker.above_zero(&format!("{THRESHOLD}.cost.false-alarm"), cost.false_alarm, 1.0),
        }),
        (Some(_), Some(_)) => {
            let complaint = checker.places.complain_key(&format!("{THRESHOLD}.cost"), "`threshold` names two rules");
            let other = checker.places.key(&format!("{THRESHOLD}.precision"));
            checker.say(complaint.label("one").also(other, "another").help("keep one of them"));
            None
        }
        (None, None) => {
            let complaint = checker.places.complain(THRESHOLD, "`threshold` names no rule");
            checker.say(complaint.help(THRESHOLD_FORMS));
            None
        }
    }
}

fn reasons(checker: &mut Checker<'_>, given: Option<i64>, response: &Response, train: Option<&Train>) -> u8 {
    let path = "stages.deploy-proxy.reasons";
    let reasons: u8 = checker.whole(path, given, &limits::REASONS, 0);
    if reasons == 0 {
        return reasons;
    }
    if let Some(train) = train.filter(|train| usize::from(reasons) > train.features().len()) {
        let count = train.features().len();
        let message = format!("`reasons` must be at most {count}, the number of features, not {reasons}");
        checker.say(checker.places.complain(path, message));
    }
    for (key, name) in [("decision", &response.decision), ("score", &response.score)] {
        if name == REASONS_FIELD {
            let message = format!("the {key} and the list of reasons are both called `{REASONS_FIELD}`");
            let complaint = checker.places.complain(&format!("stages.deploy-proxy.response.{key}"), message);
            checker.say(complaint.also(checker.places.key(path), "asks for the list"));
        }
    }
    reasons
}
