//! Who may call the API, how often, from where, and what is remembered of it.

use serde_yaml::Value;

use super::words::{quoted, shown, subject};
use super::{Checker, aws, data, nearest};
use crate::limits;
use crate::raw::{RawAccessLogsBlock, RawAuthBlock, RawCors, RawJwt, RawThrottle, RawToken};
use crate::types::{Auth, Cors, DeployProxy, Jwt, Route, Throttle, Token, Train};

const AUTH: &str = "stages.deploy-proxy.auth";
const AUTH_FORMS: &str = "write `none`, `iam` or `{ jwt: { issuer: https://…, audience: […] } }`";
const CORS: &str = "stages.deploy-proxy.cors";
const ACCESS_LOGS: &str = "stages.deploy-proxy.access-logs";
const TOKEN: &str = "stages.smoke-test.token";

/// None when it has been complained about: what follows from it would be guesswork.
pub(super) fn auth(checker: &mut Checker<'_>, value: Option<&Value>) -> Option<Auth> {
    match value {
        None => Some(Auth::None),
        Some(Value::String(word)) => match word.as_str() {
            "none" => Some(Auth::None),
            "iam" => Some(Auth::Iam),
            "jwt" => {
                let complaint = checker.places.complain(AUTH, "`jwt` does not say whose tokens are accepted");
                checker.say(complaint.help("write `{ jwt: { issuer: https://…, audience: […] } }`"));
                None
            }
            other => {
                let complaint = checker.places.complain(AUTH, format!("unknown `auth` {}", quoted(other)));
                let complaint = match nearest(other, ["none", "iam"]) {
                    Some(near) => complaint.help(format!("did you mean `{near}`?")),
                    None => complaint,
                };
                checker.say(complaint.help(AUTH_FORMS));
                None
            }
        },
        Some(block @ Value::Mapping(_)) => {
            let raw: RawAuthBlock = checker.read(AUTH, block)?;
            jwt(checker, raw.jwt).map(Auth::Jwt)
        }
        Some(other) => {
            checker.wrong_type(AUTH, other, "`none`, `iam` or a block with `jwt`");
            None
        }
    }
}

fn jwt(checker: &mut Checker<'_>, raw: RawJwt) -> Option<Jwt> {
    let at = |key: &str| format!("{AUTH}.jwt.{key}");
    let before = checker.complaints.len();
    issuer(checker, &at("issuer"), &raw.issuer);
    let scopes = raw.scopes.unwrap_or_default();
    list(checker, &at("audience"), &raw.audience, limits::AUDIENCES);
    list(checker, &at("scopes"), &scopes, limits::SCOPES);
    if raw.audience.is_empty() {
        let complaint = checker.places.complain(&at("audience"), "`audience` names nobody");
        checker
            .say(complaint.help("name what the tokens' `aud` says, else the issuer's tokens for others are accepted"));
    }
    for (index, scope) in scopes.iter().enumerate() {
        let path = format!("{}[{index}]", at("scopes"));
        // What RFC 6749 takes for one, in section 3.3.
        if let Some(wrong) = scope.chars().find(|c| !c.is_ascii_graphic() || matches!(c, '"' | '\\')) {
            let complaint = checker.places.complain(&path, format!("a scope has no {}", shown(wrong)));
            checker.say(complaint.help("write each scope as an item of its own"));
        } else if scope.len() > limits::SCOPE_CHARS {
            let message = format!("a scope has at most {} characters, not {}", limits::SCOPE_CHARS, scope.len());
            checker.say(checker.places.complain(&path, message));
        }
    }
    let sound = checker.complaints.len() == before;
    sound.then_some(Jwt { issuer: raw.issuer, audience: raw.audience, scopes })
}

fn issuer(checker: &mut Checker<'_>, path: &str, text: &str) {
    let mut refuse = |message: String, help: &str| checker.say(checker.places.complain(path, message).help(help));
    let example = "write what the tokens' `iss` says, for example `https://login.example.com`";
    let Some(web) = data::Web::parse(text) else {
        return refuse(format!("{} is no URL of an issuer", quoted(text)), example);
    };
    if web.has_user || text.contains(['?', '#']) {
        return refuse("an issuer's URL has no name, query or fragment".to_owned(), example);
    }
    if !web.is_safe() {
        let help = "write `https://`; `http://` is only for this machine, such as `http://127.0.0.1:8000`";
        return refuse("`issuer` must begin with `https://`".to_owned(), help);
    }
    if text.chars().count() > limits::ISSUER_CHARS {
        let message = format!("`issuer` has at most {} characters, not {}", limits::ISSUER_CHARS, text.chars().count());
        refuse(message, example);
    }
}

/// Complains about too many items and about empty ones.
fn list(checker: &mut Checker<'_>, path: &str, items: &[String], most: usize) {
    if items.len() > most {
        let message = format!("{} has at most {most} items, not {}", subject(path), items.len());
        checker.say(checker.places.complain(path, message));
    }
    for index in (0..items.len()).filter(|index| items[*index].trim().is_empty()) {
        let path = format!("{path}[{index}]");
        checker.say(checker.places.complain(&path, format!("{} must not be empty", subject(&path))));
    }
}

pub(super) fn throttle(checker: &mut Checker<'_>, raw: &RawThrottle) -> Throttle {
    let at = |key: &str| format!("stages.deploy-proxy.throttle.{key}");
    let default = Throttle::default();
    Throttle {
        rate_per_s: checker.whole(&at("rate-per-s"), raw.rate_per_s, &limits::RATE_PER_S, default.rate_per_s),
        burst: checker.whole(&at("burst"), raw.burst, &limits::BURST, default.burst),
    }
}

pub(super) fn cors(checker: &mut Checker<'_>, raw: RawCors, auth: Option<&Auth>, route: Option<&Route>) -> Cors {
    let at = |key: &str| format!("{CORS}.{key}");
    let credentials = raw.credentials.unwrap_or_default();
    if raw.origins.is_empty() {
        let complaint = checker.places.complain(&at("origins"), "`origins` names none");
        checker.say(complaint.help("name the pages, such as `https://app.example`, or leave `cors` out"));
    }
    for (index, origin) in raw.origins.iter().enumerate() {
        check_origin(checker, &format!("{}[{index}]", at("origins")), origin, credentials);
    }
    for (index, header) in raw.headers.iter().flatten().enumerate() {
        let path = format!("{}[{index}]", at("headers"));
        let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        if header.is_empty() || !header.chars().all(token) {
            let message = format!("{} is no name of a header", quoted(header));
            checker.say(checker.places.complain(&path, message));
        } else if header == "*" && credentials {
            let complaint = checker.places.complain(&path, "with `credentials`, browsers take `*` for a name");
            checker.say(complaint.help("name the headers"));
        }
    }
    let closed = auth.is_some_and(|auth| *auth != Auth::None);
    let headers: Option<Vec<String>> =
        raw.headers.map(|headers| headers.iter().map(|header| header.to_ascii_lowercase()).collect());
    if closed && headers.as_ref().is_some_and(|headers| !headers.iter().any(|header| header == "authorization")) {
        let message = "browsers may not send `authorization`, which `auth` asks for";
        let complaint = checker.places.complain(&at("headers"), message);
        let complaint = complaint.also(checker.places.key(AUTH), "asks for it");
        checker.say(complaint.help("add `authorization`; `*` does not stand for it"));
    }
    if closed && route.is_some_and(|route| route.method == "ANY") {
        let message = "with `ANY`, a browser's first question would need the authorization that it may not send yet";
        let complaint = checker.places.complain("stages.deploy-proxy.route", message);
        let complaint = complaint.also(checker.places.key(CORS), "lets browsers ask");
        checker.say(complaint.also(checker.places.key(AUTH), "refuses them").help("name one method, such as `POST /`"));
    }
    Cors {
        origins: raw.origins,
        headers: headers.unwrap_or_else(|| needed_headers(auth)),
        max_age_s: checker.whole(&at("max-age-s"), raw.max_age_s, &limits::CORS_MAX_AGE_S, 300),
        credentials,
    }
}

/// What a request needs that a browser does not send unasked.
fn needed_headers(auth: Option<&Auth>) -> Vec<String> {
    let more: &[&str] = match auth {
        None | Some(Auth::None) => &[],
        Some(Auth::Jwt(_)) => &["authorization"],
        Some(Auth::Iam) => &["authorization", "x-amz-content-sha256", "x-amz-date", "x-amz-security-token"],
    };
    std::iter::once(&"content-type").chain(more).map(|header| (*header).to_owned()).collect()
}

/// An origin is a scheme, a host and perhaps a port. API Gateway knows three patterns. Source: "Configure CORS for HTTP
/// APIs".
fn check_origin(checker: &mut Checker<'_>, path: &str, origin: &str, credentials: bool) {
    let pattern = matches!(origin, "*" | "https://*" | "http://*");
    if pattern && credentials {
        let message = format!("with `credentials`, every origin is named, and {} names none", quoted(origin));
        checker.say(checker.places.complain(path, message).help("write each as `https://app.example`"));
        return;
    }
    let Some(web) = data::Web::parse(origin).filter(|web| !web.has_user && !origin.contains('*')) else {
        if !pattern {
            let complaint = checker.places.complain(path, format!("{} is no origin", quoted(origin)));
            checker.say(complaint.help("an origin reads like `https://app.example`; `*` stands for all"));
        }
        return;
    };
    if !web.rest.is_empty() {
        let complaint = checker.places.complain(path, format!("an origin ends with its host: {}", quoted(origin)));
        checker.say(complaint.help(format!("write `{}`", &origin[..origin.len() - web.rest.len()])));
    }
}

/// None: no access log.
pub(super) fn access_log_days(checker: &mut Checker<'_>, value: Option<&Value>, default: i32) -> Option<i32> {
    match value {
        None | Some(Value::Bool(true)) => Some(default),
        Some(Value::Bool(false)) => None,
        Some(block @ Value::Mapping(_)) => {
            let raw: RawAccessLogsBlock = checker.read(ACCESS_LOGS, block)?;
            Some(aws::retention(checker, &format!("{ACCESS_LOGS}.retention-days"), raw.retention_days, default))
        }
        Some(other) => {
            checker.wrong_type(ACCESS_LOGS, other, "`true`, `false` or a block with `retention-days`");
            None
        }
    }
}

pub(super) fn max_body_kb(checker: &mut Checker<'_>, given: Option<i64>, train: Option<&Train>) -> u32 {
    let path = "stages.deploy-proxy.max-body-kb";
    let kb: u32 = checker.whole(path, given, &limits::BODY_KB, DeployProxy::default().max_body_kb);
    // A name in quotes, a colon, a digit and a comma or bracket, for each feature.
    let least = train.map_or(0, |train| 1 + train.features().iter().map(|name| name.len() + 5).sum::<usize>());
    if least > kb as usize * 1024 {
        let message = format!("no request would fit: with every feature it has {least} bytes at least, over {kb} KB");
        let complaint = if given.is_some() {
            checker.places.complain(path, message)
        } else {
            checker.places.complain("stages.train.features", message)
        };
        checker
            .say(complaint.help(format!("`max-body-kb` of stage `deploy-proxy` goes up to {}", limits::BODY_KB.end())));
    }
    kb
}

pub(super) fn token(checker: &mut Checker<'_>, raw: Option<RawToken>, auth: Option<&Auth>) -> Option<Token> {
    let raw = raw?;
    if auth.is_some_and(|auth| !matches!(auth, Auth::Jwt(_))) {
        let complaint = checker.places.complain_key(TOKEN, "the API asks for no token");
        checker.say(complaint.help("`token` goes with `auth: { jwt: … }` of stage `deploy-proxy`"));
        return None;
    }
    let given = [raw.env.is_some(), raw.command.is_some()];
    match (raw.env, raw.command) {
        (Some(name), None) => {
            let rest = |c: char| c.is_ascii_alphanumeric() || c == '_';
            if name.starts_with(|c: char| c.is_ascii_digit()) || name.is_empty() || !name.chars().all(rest) {
                let message = format!("{} is no name of a variable", quoted(&name));
                let complaint = checker.places.complain(&format!("{TOKEN}.env"), message);
                checker.say(complaint.help("write the variable's name, not the token: files are no place for it"));
            }
            Some(Token::Env(name))
        }
        (None, Some(command)) => {
            if command.first().is_none_or(|program| program.trim().is_empty()) {
                let complaint = checker.places.complain(&format!("{TOKEN}.command"), "`command` names no program");
                checker.say(complaint.help("write `[./token.sh]`, or a program and its arguments"));
            }
            Some(Token::Command(command))
        }
        (Some(_), Some(_)) => {
            checker.two_of(TOKEN, &["env", "command"], &given, "`token` names two sources", ["one", "another"]);
            None
        }
        (None, None) => {
            let complaint = checker.places.complain(TOKEN, "`token` names no source");
            checker.say(complaint.help("write `{ env: SMOKE_TOKEN }` or `{ command: [./token.sh] }`"));
            None
        }
    }
}
