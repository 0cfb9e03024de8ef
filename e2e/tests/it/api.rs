//! Who may call the API: asked rightly, asked wrongly, changed while it is called, opened by somebody else.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;
use serde_json::{Value as Json, json};

use crate::harness::{
    Answer, Aws, Http, Inventory, Issuer, Pipeline, Ran, Scene, Side, curl, features, python_with_botocore,
};
use crate::laws::{cut_short, writes_of};

const OURS: &str = "pipeline.yaml";
const TOKEN: &str = "SMOKE_TOKEN";

/// A pipeline with this `deploy-proxy:`.
fn proxy(deploy_proxy: impl Into<String>) -> Pipeline {
    Pipeline { deploy_proxy: deploy_proxy.into(), ..Pipeline::default() }
}

/// A request for a score with these further headers.
fn request(url: &str, headers: &[(&str, &str)]) -> Request<Full<Bytes>> {
    let request = Request::post(url).header("content-type", "application/json");
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    request.body(Full::new(Bytes::from(features().to_string()))).unwrap()
}

fn ask(url: &str, headers: &[(&str, &str)]) -> Answer {
    Http::new().send(request(url, headers))
}

fn with_token(url: &str, token: &str) -> Answer {
    ask(url, &[("authorization", &format!("Bearer {token}"))])
}

/// A request that the harness signs.
fn signed(aws: &Aws, url: &str) -> Answer {
    let path = url.strip_prefix(&aws.base()).unwrap();
    aws.ask("execute-api", "POST", path, &[("content-type", "application/json")], features().to_string())
}

#[track_caller]
fn is(answer: &Answer, status: u16, message: &str) {
    assert_eq!((answer.status, &answer.json()), (status, &json!({ "message": message })), "{answer:?}");
}

/// Applied, kept by a plan, and kept by a second apply without a write.
fn settles(scene: &Scene, environment: &[(&str, &str)]) -> Ran {
    let ran = scene.runner_with(&["apply"], environment).exits(0);
    scene.runner_with(&["plan", "--detailed-exitcode"], environment).exits(0);
    let aws = scene.aws();
    aws.clear_requests();
    scene.runner_with(&["apply"], environment).exits(0);
    assert_eq!(aws.writes(), Vec::<String>::new());
    ran
}

fn teardown_leaves_nothing(scene: &Scene) {
    scene.write_as("witness.yaml", &Pipeline { name: "witness", ..Pipeline::default() });
    scene.runner(&["apply", "witness.yaml"]).exits(0);
    scene.runner(&["teardown"]).exits(0);
    let left = scene.aws().inventory();
    let ours: Inventory = left.into_iter().filter(|(_, name)| !name.contains("witness")).collect();
    assert_eq!(ours, Inventory::new());
}

#[test]
fn an_api_for_signed_requests_answers_who_signs_and_nobody_else() {
    let scene = Scene::new(&proxy("{ auth: iam }"));
    let applied = settles(&scene, &[]);
    assert!(applied.stdout.contains("an unsigned request is refused with 403"), "{}", applied.stdout);
    assert!(applied.stdout.contains("8 golden rows score as trained"), "{}", applied.stdout);
    assert!(!applied.stdout.contains("warning: deploy-proxy"), "{}", applied.stdout);
    let (url, aws) = (scene.url(OURS), scene.aws());
    is(&ask(&url, &[]), 403, "Forbidden");
    is(&with_token(&url, "a.b.c"), 403, "Forbidden");
    assert_eq!(signed(&aws, &url).status, 200);
    // As a service that is not asked.
    let path = url.strip_prefix(&aws.base()).unwrap();
    is(&aws.ask("lambda", "POST", path, &[], "{}"), 403, "Forbidden");
    teardown_leaves_nothing(&scene);
}

#[test]
fn signatures_of_others_programs_are_accepted() {
    let scene = Scene::new(&proxy("{ auth: iam, route: POST /v1/score.json }"));
    scene.apply();
    let (url, aws) = (scene.url(OURS), scene.aws());
    let [key, secret, region] = aws.key();
    fs::write(scene.path("body.json"), features().to_string()).unwrap();
    if let Some(mut curl) = curl() {
        let ask = |curl: &mut std::process::Command, secret: &str| {
            curl.args(["-s", "-o", "/dev/null", "-w", "%{http_code}", "--aws-sigv4"])
                .arg(format!("aws:amz:{region}:execute-api"));
            curl.arg("--user").arg(format!("{key}:{secret}")).args(["-H", "content-type: application/json", "-d"]);
            let output = curl.arg(format!("@{}", scene.path("body.json").display())).arg(&url).output().unwrap();
            String::from_utf8(output.stdout).unwrap()
        };
        assert_eq!(ask(&mut curl, secret), "200");
        assert_eq!(ask(&mut std::process::Command::new("curl"), "another"), "403");
    }
    if let Some(mut python) = python_with_botocore() {
        let script = "\
import sys, urllib.request, urllib.error
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
url, key, secret, region, path = sys.argv[1:]
def ask(secret):
    body = open(path, 'rb').read()
    signed = AWSRequest(method='POST', url=url + '?b=2&a=%20x', data=body, headers={'content-type': 'application/json'})
    SigV4Auth(Credentials(key, secret), 'execute-api', region).add_auth(signed)
    sent = urllib.request.Request(signed.url, data=body, headers=dict(signed.headers), method='POST')
    try:
        return urllib.request.urlopen(sent).status
    except urllib.error.HTTPError as error:
        return error.code
print(ask(secret), ask('another'))
";
        let arguments = [&*url, key, secret, region, scene.path("body.json").to_str().unwrap()].map(str::to_owned);
        let output = python.args(["-c", script]).args(arguments).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(said.trim(), "200 403", "{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn an_api_for_tokens_answers_who_has_one_and_nobody_else() {
    let issuer = Issuer::new();
    let auth = issuer.block(", scopes: [score/read, score/all]");
    let pipeline = Pipeline {
        smoke_test: format!("{{ token: {{ env: {TOKEN} }} }}"),
        ..proxy(format!("{{ auth: {auth}, cors: {{ origins: [https://app.example] }} }}"))
    };
    let scene = Scene::new(&pipeline);
    let lacking = scene.runner(&["apply"]).exits(64);
    assert!(lacking.stderr.contains("the environment has no variable `SMOKE_TOKEN`"), "{}", lacking.stderr);
    assert!(lacking.stderr.contains("^^^^^^^^^^^"), "{}", lacking.stderr);

    let good = issuer.token(&json!({ "scope": "score/read other" }));
    let applied = settles(&scene, &[(TOKEN, &good)]);
    assert!(applied.stdout.contains("a request without a token is refused with 401"), "{}", applied.stdout);
    assert!(!applied.stdout.contains(&good) && !applied.stderr.contains(&good), "the token was shown");
    let url = scene.url(OURS);
    let answer = with_token(&url, &good);
    assert_eq!(answer.status, 200, "{answer:?}");

    let stranger = ask(&url, &[]);
    is(&stranger, 401, "Unauthorized");
    assert_eq!(stranger.header("www-authenticate"), "Bearer");
    for (claims, said) in [
        (json!({ "aud": "others" }), "the token does not have a valid audience"),
        (json!({ "exp": 1 }), "the token has expired"),
        (json!({ "iss": "https://other.example" }), "issuer does not match"),
    ] {
        let answer = with_token(&url, &issuer.token(&claims));
        is(&answer, 401, "Unauthorized");
        let challenge = answer.header("www-authenticate");
        assert!(challenge.contains("error=\"invalid_token\"") && challenge.contains(said), "{challenge}");
    }
    is(
        &with_token(&url, &Issuer::new().token(&json!({ "iss": issuer.url(), "scope": "score/all" }))),
        401,
        "Unauthorized",
    );
    is(&with_token(&url, &issuer.token(&json!({ "scope": "score" }))), 403, "Forbidden");

    // A browser may ask whether it may ask, and may read what it is told.
    let preflight =
        Request::options(&url).header("origin", "https://app.example").header("access-control-request-method", "POST");
    let preflight = Http::new().send(preflight.body(Full::default()).unwrap());
    assert_eq!(
        (preflight.status, preflight.header("access-control-allow-headers")),
        (204, "content-type,authorization")
    );
    let page = [("origin", "https://app.example"), ("authorization", &*format!("Bearer {good}"))];
    let answer = ask(&url, &page);
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (200, "https://app.example"));
    assert_eq!(answer.header("access-control-expose-headers"), "apigw-requestid,retry-after,x-model-status");
    assert_eq!(ask(&url, &[("origin", "https://other.example"), page[1]]).header("access-control-allow-origin"), "");

    // The smoke test's own requests and these.
    let lines = access_log(&scene);
    let refused = lines.iter().find(|line| line["authorizer_error"].as_str().unwrap().contains("expired")).unwrap();
    assert_eq!((&refused["status"], &refused["caller"]), (&json!("401"), &json!("-")));
    let served = lines.iter().find(|line| line["status"] == "200").unwrap();
    assert_eq!((&served["caller"], &served["route"]), (&json!("tester"), &json!("POST /")));
    teardown_leaves_nothing(&scene);
}

fn access_log(scene: &Scene) -> Vec<Json> {
    let found = scene.aws().logs("FilterLogEvents", &json!({ "logGroupName": "/aws/vendedlogs/apis/fraud" })).json();
    let lines = found["events"].as_array().unwrap().iter().map(|event| event["message"].as_str().unwrap().to_owned());
    lines.map(|line| serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

#[test]
fn the_smoke_test_has_its_token_from_a_program_or_does_without() {
    let issuer = Issuer::new();
    let with = |smoke_test: &str| Pipeline {
        smoke_test: smoke_test.to_owned(),
        ..proxy(format!("{{ auth: {} }}", issuer.block("")))
    };
    let scene = Scene::new(&with("{}"));
    let applied = settles(&scene, &[]);
    for told in [
        "a request without a token is refused with 401",
        "asked of the function itself",
        "8 golden rows score as trained",
    ] {
        assert!(applied.stdout.contains(told), "no `{told}` in\n{}", applied.stdout);
    }

    fs::write(scene.path("token.sh"), format!("#!/bin/sh\necho asking >&2\necho {}\n", issuer.token(&json!({}))))
        .unwrap();
    fs::set_permissions(scene.path("token.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    scene.write(&with("{ token: { command: [./token.sh] } }"));
    let applied = scene.runner(&["apply"]).exits(0);
    assert!(!applied.stdout.contains("the function itself"), "{}", applied.stdout);

    for (script, said) in [("exit 3", "exit status: 3"), ("echo", "is empty"), ("echo two words", "is no token")] {
        fs::write(scene.path("token.sh"), format!("#!/bin/sh\n{script}\n")).unwrap();
        let failed = scene.runner(&["apply"]);
        assert!(failed.code != 0 && failed.stderr.contains(said), "{}\n{}", failed.code, failed.stderr);
    }
}

/// Asks without authorization for as long as something is done; every answer that was not a refusal.
fn strangers_during(url: &str, doing: impl FnOnce()) -> (usize, Vec<Answer>) {
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let client = scope.spawn(|| {
            let (http, mut asked, mut let_in) = (Http::new(), 0, vec![]);
            while !stop.load(Ordering::Relaxed) {
                let answer = http.try_send(request(url, &[])).unwrap();
                asked += 1;
                if !matches!(answer.status, 401 | 403) {
                    let_in.push(answer);
                }
            }
            (asked, let_in)
        });
        doing();
        stop.store(true, Ordering::Relaxed);
        client.join().unwrap()
    })
}

#[test]
fn another_kind_of_authorization_never_opens_the_api_on_the_way() {
    let (issuer, other) = (Issuer::new(), Issuer::new());
    // So high that no stranger is refused for coming too often.
    let asking = |auth: &str| proxy(format!("{{ auth: {auth}, throttle: {{ rate-per-s: 10000, burst: 5000 }} }}"));
    let scene = Scene::new(&asking("iam"));
    scene.apply();
    let url = scene.url(OURS);
    let (asked, let_in) = strangers_during(&url, || {
        for auth in
            [issuer.block(""), issuer.block(", scopes: [a]"), other.block(""), "iam".to_owned(), other.block("")]
        {
            scene.write(&asking(&auth));
            scene.apply();
            scene.keeps_all(OURS);
        }
    });
    assert!(let_in.is_empty(), "{} of {asked} strangers were let in, such as {:?}", let_in.len(), let_in[0]);
    assert!(asked > 100, "only {asked} requests");
    assert_eq!(with_token(&url, &other.token(&json!({}))).status, 200);
    is(&with_token(&url, &issuer.token(&json!({}))), 401, "Unauthorized");
    assert_eq!(scene.url(OURS), url);

    // And to everybody, and back.
    scene.write(&asking("none"));
    let opened = scene.apply();
    assert!(
        opened.stdout.contains("warning: deploy-proxy: anybody who knows the URL can call the API"),
        "{}",
        opened.stdout
    );
    assert_eq!(ask(&url, &[]).status, 200);
    let api = url.split('/').nth(4).unwrap().to_owned();
    let left = scene.aws().signed("apigateway", "GET", &format!("/v2/apis/{api}/authorizers"), &[], "").json();
    assert_eq!(left["items"], json!([]));
    scene.write(&asking("iam"));
    scene.apply();
    is(&ask(&url, &[]), 403, "Forbidden");
    assert_eq!(signed(&scene.aws(), &url).status, 200);
}

#[test]
fn what_others_have_opened_or_changed_is_seen_and_put_right() {
    let issuer = Issuer::new();
    let pipeline = proxy(format!(
        "{{ auth: {}, cors: {{ origins: [https://app.example] }}, throttle: {{ rate-per-s: 50, burst: 60 }} }}",
        issuer.block(", scopes: [a]")
    ));
    let scene = Scene::new(&pipeline);
    scene.apply();
    let (url, aws) = (scene.url(OURS), scene.aws());
    let api = format!("/v2/apis/{}", url.split('/').nth(4).unwrap());
    let id = |collection: &str, name: &str| {
        let list = aws.signed("apigateway", "GET", &format!("{api}/{collection}"), &[], "").json();
        list["items"][0][name].as_str().unwrap().to_owned()
    };
    let patch =
        |path: &str, body: Json| aws.signed("apigateway", "PATCH", &format!("{api}{path}"), &[], body.to_string());
    let (route, authorizer) = (id("routes", "routeId"), id("authorizers", "authorizerId"));
    patch(
        &format!("/routes/{route}"),
        json!({ "authorizationType": "NONE", "authorizerId": "", "authorizationScopes": [] }),
    );
    aws.signed("apigateway", "DELETE", &format!("{api}/authorizers/{authorizer}"), &[], "");
    patch("", json!({ "corsConfiguration": { "allowOrigins": ["*"] } }));
    patch(
        "/stages/%24default",
        json!({
            "defaultRouteSettings": { "throttlingRateLimit": 5000, "throttlingBurstLimit": 5000 },
            "routeSettings": { "POST /": { "throttlingRateLimit": 1, "throttlingBurstLimit": 1 } },
        }),
    );
    aws.signed("apigateway", "DELETE", &format!("{api}/stages/%24default/accesslogsettings"), &[], "");
    aws.logs("DeleteLogGroup", &json!({ "logGroupName": "/aws/vendedlogs/apis/fraud" }));
    aws.signed("s3", "DELETE", "/fraud-000000000000-us-east-1?policy=", &[], "");
    assert_eq!(ask(&url, &[]).status, 200, "the route is open");

    let planned = scene.runner(&["plan", "--detailed-exitcode"]).exits(2);
    let told = scene.steady(&planned.stdout.replace(&issuer.url(), "<issuer>"));
    insta::assert_snapshot!(changes(&told), @"
    ~ upload           s3-bucket          fraud-000000000000-us-east-1
        policy.TlsOnly  (unset) -> Deny s3:* on arn:aws:s3:::fraud-000000000000-us-east-1, arn:aws:s3:::fraud-000000000000-us-east-1/* to * if aws:SecureTransport Bool false
    + deploy-proxy     log-group          /aws/vendedlogs/apis/fraud
        retention_days  14
    ~ deploy-proxy     http-api           fraud
        routes.POST /          open to everybody -> for tokens with scope a
        authorizers.runner     (unset) -> tokens of <issuer> for scores
        cors.exposed            -> apigw-requestid, retry-after, x-model-status
        cors.headers            -> authorization, content-type
        cors.max_age_s         (none) -> 300
        cors.methods            -> POST
        cors.origins           * -> https://app.example
        throttle               5000 requests/s, bursts of 5000 -> 50 requests/s, bursts of 60
        route_throttle.POST /  1 requests/s, bursts of 1 -> (removed)
        access_log.group       (unset) -> /aws/vendedlogs/apis/fraud
        access_log.lines       (unset) -> JSON, with the token's subject
    ");
    scene.apply();
    scene.keeps_all(OURS);
    is(&ask(&url, &[]), 401, "Unauthorized");
    assert_eq!(with_token(&url, &issuer.token(&json!({ "scope": "a" }))).status, 200);
    assert!(access_log(&scene).iter().any(|line| line["caller"] == "tester"));

    // What is there and is another's: an authorizer with other audiences, a format, a URL that is switched off.
    let authorizer = id("authorizers", "authorizerId");
    patch(
        &format!("/authorizers/{authorizer}"),
        json!({ "jwtConfiguration": { "issuer": issuer.url(), "audience": ["others"] } }),
    );
    patch(
        "/stages/%24default",
        json!({ "accessLogSettings": {
        "destinationArn": "arn:aws:logs:us-east-1:000000000000:log-group:/aws/vendedlogs/apis/fraud", "format": "$context.requestId",
    } }),
    );
    patch("", json!({ "disableExecuteApiEndpoint": true }));
    let planned = scene.runner(&["plan", "--detailed-exitcode"]).exits(2);
    let told = scene.steady(&planned.stdout.replace(&issuer.url(), "<issuer>"));
    insta::assert_snapshot!(changes(&told), @"
    ~ deploy-proxy     http-api           fraud
        authorizers.runner  tokens of <issuer> for others -> tokens of <issuer> for scores
        stage               $default, switched off -> $default, deployed at once
        access_log.lines    in another format -> JSON, with the token's subject
    ");
    scene.apply();
    scene.keeps_all(OURS);
    assert_eq!(with_token(&url, &issuer.token(&json!({ "scope": "a" }))).status, 200);
}

/// The resources of a plan that change, without the checks.
fn changes(plan: &str) -> String {
    let mut lines = vec![];
    let mut within = false;
    for line in plan.lines() {
        within = if line.starts_with(' ') { within } else { line.starts_with(['~', '+', '-']) };
        lines.extend(within.then_some(line));
    }
    lines.join("\n")
}

#[test]
fn access_logs_come_and_go_with_their_group() {
    let scene = Scene::new(&proxy("{ access-logs: { retention-days: 30 } }"));
    let groups = || -> Vec<(String, Json)> {
        let found = scene.aws().logs("DescribeLogGroups", &json!({ "logGroupNamePrefix": "/aws/vendedlogs" })).json();
        let groups = found["logGroups"].as_array().unwrap().iter();
        groups.map(|it| (it["logGroupName"].as_str().unwrap().to_owned(), it["retentionInDays"].clone())).collect()
    };
    settles(&scene, &[]);
    assert_eq!(groups(), [("/aws/vendedlogs/apis/fraud".to_owned(), json!(30))]);
    scene.write(&proxy("{ access-logs: false }"));
    let planned = scene.runner(&["plan"]).exits(0);
    assert!(planned.stdout.contains("because: the pipeline file asks for it no longer"), "{}", planned.stdout);
    settles(&scene, &[]);
    assert_eq!(groups(), []);
    scene.answers(OURS);
    // A teardown takes it along, whatever the file says by then.
    scene.write(&Pipeline::default());
    scene.apply();
    scene.write(&proxy("{ access-logs: false }"));
    teardown_leaves_nothing(&scene);
}

#[test]
fn a_log_that_cannot_be_delivered_to_yet_is_waited_for() {
    let scene = Scene::new(&Pipeline::default());
    scene.write_as("witness.yaml", &Pipeline { name: "witness", ..Pipeline::default() });
    scene.runner(&["apply", "witness.yaml"]).exits(0);
    let message = "Insufficient permissions to enable logging";
    let refuse = json!({ "refuse": { "status": 400, "code": "BadRequestException", "message": message } });
    let rule = |nth: u32| json!({ "match": { "service": "apigateway", "operation": "CreateStage", "nth": nth }, "fault": refuse });
    scene.aws().put_faults(&json!([rule(1), rule(2)]));
    let applied = scene.apply();
    assert!(applied.stderr.contains("to be able to write the access log of API `fraud`"), "{}", applied.stderr);
    scene.keeps_all(OURS);
}

#[test]
fn the_throttle_and_the_limit_of_bodies_hold() {
    let scene = Scene::new(&proxy("{ throttle: { rate-per-s: 2, burst: 2 }, max-body-kb: 1 }"));
    settles(&scene, &[]);
    let url = scene.url(OURS);
    // The smoke test has used up what there was.
    thread::sleep(Duration::from_millis(1_100));
    let answers: Vec<u16> = (0..8).map(|_| ask(&url, &[]).status).collect();
    assert!(answers.contains(&200) && answers.contains(&429), "{answers:?}");
    scene.write(&proxy("{ max-body-kb: 1 }"));
    scene.apply();
    let large = Request::post(&url).header("content-type", "application/json");
    let large =
        Http::new().send(large.body(Full::new(Bytes::from(format!("{:<1025}", features().to_string())))).unwrap());
    assert_eq!(large.status, 413, "{large:?}");
    insta::assert_snapshot!(large.text, @r#"{"error": "the body has 1025 bytes, and at most 1024 are taken"}"#);
}

#[test]
fn an_issuer_that_does_not_answer_is_told_with_what_it_must_do() {
    let pipeline = proxy("{ auth: { jwt: { issuer: 'http://127.0.0.1:9', audience: [a] } } }");
    let scene = Scene::new(&pipeline);
    let refused = scene.runner(&["apply"]).exits(1);
    assert!(refused.stderr.contains("Issuer must have a valid discovery endpoint"), "{}", refused.stderr);
    assert!(refused.stderr.contains("hint: API Gateway asks the issuer"), "{}", refused.stderr);
    let issuer = Issuer::new();
    scene.write(&proxy(format!("{{ auth: {} }}", issuer.block(""))));
    settles(&scene, &[]);
}

#[test]
fn aws_is_not_given_an_issuer_without_tls() {
    let issuer = Issuer::new();
    let text = proxy(format!("{{ auth: {} }}", issuer.block(""))).text();
    let scene = Scene::with_text(&text.replace("targets:\n", "targets:\n  prod: { region: us-east-1 }\n"));
    let refused = scene.runner(&["plan", "--target", "prod"]).exits(64);
    assert!(refused.stderr.contains("AWS takes tokens of an `https://` issuer only"), "{}", refused.stderr);
}

#[test]
fn a_signature_that_may_not_invoke_is_told_which_permission_it_lacks() {
    let scene = Scene::new(&proxy("{ auth: iam }"));
    scene.apply();
    let refuse = json!({ "refuse": { "status": 403, "code": "Forbidden", "message": "Forbidden" } });
    scene.aws().put_faults(&json!([{ "match": { "service": "execute-api" }, "fault": refuse }]));
    let refused = scene.runner(&["apply"]).exits(3);
    let arn = "arn:aws:execute-api:us-east-1:000000000000:";
    assert!(refused.stderr.contains(&format!("the permission `execute-api:Invoke` on `{arn}")), "{}", refused.stderr);
    scene.aws().clear_faults();
    scene.apply();
}

#[test]
fn the_runner_lives_with_the_rate_of_management_calls() {
    let local = "{ iam-propagation-ms: 0, management-throttle: true }".to_owned();
    let scene = Scene::new(&Pipeline { local, ..proxy("{ auth: iam }") });
    scene.apply();
    // As when several pipelines of an account are planned at once.
    thread::scope(|scope| (0..8).for_each(|_| drop(scope.spawn(|| scene.keeps_all(OURS)))));
    assert!(scene.aws().count("apigateway", 429) > 0, "nothing was throttled");
    scene.runner(&["teardown"]).exits(0);
}

/// Positions of the writes to API Gateway among those of a command.
fn gateway_writes(scene: &Scene, command: &str) -> Vec<usize> {
    writes_of(scene, command);
    let writes = scene.aws().writes();
    (1..=writes.len()).filter(|n| writes[n - 1].starts_with("apigateway:")).collect()
}

/// Cuts the making of a closed API short at each of its writes, the change between it and an open one, and its removal.
fn closed_api(side: Side) {
    let issuer = Issuer::new();
    let closed = proxy(format!(
        "{{ auth: {}, cors: {{ origins: [https://app.example] }}, access-logs: {{ retention-days: 7 }} }}",
        issuer.block(", scopes: [a]")
    ));
    let open = proxy("{ access-logs: false }");
    let token = issuer.token(&json!({ "scope": "a" }));
    let scene = Scene::new(&closed);
    let is_closed = |ran: &Ran| {
        scene.keeps_all(OURS);
        is(&ask(ran.url(), &[]), 401, "Unauthorized");
        assert_eq!(with_token(ran.url(), &token).status, 200);
    };
    scene.write_as("witness.yaml", &Pipeline { name: "witness", ..Pipeline::default() });
    scene.runner(&["apply", "witness.yaml"]).exits(0);
    let before = scene.aws().inventory();
    let writes = gateway_writes(&scene, "apply");
    assert!(writes.len() >= 5, "{writes:?}");
    scene.runner(&["teardown"]).exits(0);
    for n in writes {
        is_closed(&cut_short(&scene, "apply", n, side));
        scene.runner(&["teardown"]).exits(0);
        assert_eq!(scene.aws().inventory(), before, "after write {n} failed");
    }

    scene.apply();
    let whole = scene.aws().inventory();
    scene.write(&open);
    let opening = writes_of(&scene, "apply");
    scene.write(&closed);
    let closing = writes_of(&scene, "apply");
    for n in 1..=opening.max(closing) {
        if n <= opening {
            scene.write(&open);
            let opened = cut_short(&scene, "apply", n, side);
            scene.keeps_all(OURS);
            assert_eq!(ask(opened.url(), &[]).status, 200);
        }
        scene.write(&open);
        scene.apply();
        scene.write(&closed);
        is_closed(&if n <= closing { cut_short(&scene, "apply", n, side) } else { scene.apply() });
        assert_eq!(scene.aws().inventory(), whole, "after write {n} failed");
    }
    scene.runner(&["teardown"]).exits(0);
    assert_eq!(scene.aws().inventory(), before);
}

#[test]
fn a_closed_api_refused_at_any_write_is_cured_by_the_same_command() {
    closed_api(Side::Refused);
}

#[test]
fn a_closed_api_that_loses_any_answer_is_cured_by_the_same_command() {
    closed_api(Side::AnswerLost);
}
