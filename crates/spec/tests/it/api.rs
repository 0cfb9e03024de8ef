//! Who may call the API, how often, from where, and what is remembered of it.

use spec::{Auth, Cors, DeployProxy, Jwt, Spec, Throttle, Token};

use crate::{parse, stage};

/// Every key that says so.
pub(crate) const EVERY_KEY: &str = "name: fraud
stages:
- deploy-proxy:
    route: POST /score
    auth: { jwt: { issuer: https://login.example.com/, audience: [scores, 0oa1b2], scopes: [score/read, score/all] } }
    throttle: { rate-per-s: 25, burst: 50 }
    cors:
      origins: [https://app.example, http://localhost:5173]
      headers: [Content-Type, Authorization, X-Request-Id]
      max-age-s: 600
      credentials: true
    access-logs: { retention-days: 30 }
    max-body-kb: 64
- smoke-test:
    token: { env: SMOKE_TOKEN }
";

fn of(stages: &str) -> Spec {
    parse(&format!("name: fraud\nstages:\n{stages}")).unwrap()
}

fn proxy(block: &str) -> DeployProxy {
    of(&format!("- deploy-proxy: {block}\n")).deploy_proxy
}

fn words<const N: usize>(words: [&str; N]) -> Vec<String> {
    words.map(str::to_owned).to_vec()
}

#[test]
fn a_file_with_every_key_of_the_api_means_what_it_says() {
    let spec = parse(EVERY_KEY).unwrap();
    let expected = DeployProxy {
        route: spec.deploy_proxy.route.clone(),
        auth: Auth::Jwt(Jwt {
            issuer: "https://login.example.com/".to_owned(),
            audience: words(["scores", "0oa1b2"]),
            scopes: words(["score/read", "score/all"]),
        }),
        throttle: Throttle { rate_per_s: 25, burst: 50 },
        cors: Some(Cors {
            origins: words(["https://app.example", "http://localhost:5173"]),
            headers: words(["content-type", "authorization", "x-request-id"]),
            max_age_s: 600,
            credentials: true,
        }),
        access_log_days: Some(30),
        max_body_kb: 64,
        ..DeployProxy::default()
    };
    assert_eq!(spec.deploy_proxy, expected);
    assert_eq!(spec.smoke_test.token, Some(Token::Env("SMOKE_TOKEN".to_owned())));
}

#[test]
fn what_is_left_out_has_a_default() {
    assert_eq!(proxy("{ auth: none }"), DeployProxy::default());
    assert_eq!(proxy("{ auth: iam }").auth, Auth::Iam);
    assert_eq!(proxy("{ throttle: { burst: 7 } }").throttle, Throttle { rate_per_s: 100, burst: 7 });
    assert_eq!(proxy("{ access-logs: false }").access_log_days, None);
    assert_eq!(proxy("{ access-logs: true, log-retention-days: 3 }").access_log_days, Some(3));
    assert_eq!(proxy("{ access-logs: {}, log-retention-days: 3 }").access_log_days, Some(3));
    assert_eq!(proxy("{ cors: }").cors, None);
    let token = of(
        "- deploy-proxy: { auth: { jwt: { issuer: http://127.0.0.1:80, audience: [a] } } }\n- smoke-test: { token: { command: [./token.sh, -q] } }\n",
    );
    assert_eq!(token.smoke_test.token, Some(Token::Command(words(["./token.sh", "-q"]))));
}

#[test]
fn the_local_cloud_throttles_management_calls_when_it_is_told_to() {
    let spec = parse("name: fraud\ntargets: { local: { management-throttle: true } }").unwrap();
    let spec::Target::Local(local) = &spec.targets["local"] else { panic!("{spec:?}") };
    assert!(local.management_throttle);
}

#[test]
fn browsers_may_send_what_the_authorization_needs() {
    let headers = |auth: &str| proxy(&format!("{{ auth: {auth}, cors: {{ origins: ['*'] }} }}")).cors.unwrap().headers;
    assert_eq!(headers("none"), words(["content-type"]));
    assert_eq!(
        headers("{ jwt: { issuer: https://a.example, audience: [a] } }"),
        words(["content-type", "authorization"])
    );
    let signed = ["content-type", "authorization", "x-amz-content-sha256", "x-amz-date", "x-amz-security-token"];
    assert_eq!(headers("iam"), words(signed));
}

#[test]
fn an_auth_that_is_none() {
    insta::assert_snapshot!(stage("- deploy-proxy: { auth: open }\n"), @"
    error: unknown `auth` `open`
     --> pipeline.yaml:3:25
      |
    3 | - deploy-proxy: { auth: open }
      |                         ^^^^
      |
      = help: write `none`, `iam` or `{ jwt: { issuer: https://…, audience: […] } }`
    ");
    insta::assert_snapshot!(stage("- deploy-proxy: { auth: aim }\n"), @"
    error: unknown `auth` `aim`
     --> pipeline.yaml:3:25
      |
    3 | - deploy-proxy: { auth: aim }
      |                         ^^^
      |
      = help: did you mean `iam`?
      = help: write `none`, `iam` or `{ jwt: { issuer: https://…, audience: […] } }`
    ");
    insta::assert_snapshot!(stage("- deploy-proxy: { auth: jwt }\n"), @"
    error: `jwt` does not say whose tokens are accepted
     --> pipeline.yaml:3:25
      |
    3 | - deploy-proxy: { auth: jwt }
      |                         ^^^
      |
      = help: write `{ jwt: { issuer: https://…, audience: […] } }`
    ");
    insta::assert_snapshot!(stage("- deploy-proxy: { auth: true }\n"), @"
    error: `auth` must be `none`, `iam` or a block with `jwt`, not `true`
     --> pipeline.yaml:3:25
      |
    3 | - deploy-proxy: { auth: true }
      |                         ^^^^
    ");
    insta::assert_snapshot!(stage("- deploy-proxy: { auth: { jwt: } }\n"), @"
    error: `jwt` lacks the key `issuer`
     --> pipeline.yaml:3:27
      |
    3 | - deploy-proxy: { auth: { jwt: } }
      |                           ^^^
    ");
    insta::assert_snapshot!(stage("- deploy-proxy: { auth: { jwt: { audience: [a] } } }\n"), @"
    error: `jwt` lacks the key `issuer`
     --> pipeline.yaml:3:27
      |
    3 | - deploy-proxy: { auth: { jwt: { audience: [a] } } }
      |                           ^^^
    ");
    insta::assert_snapshot!(stage("- deploy-proxy: { auth: { jwt: { issuer: https://a.example, audience: [a], scope: b } } }\n"), @"
    error: unknown key `scope`
     --> pipeline.yaml:3:76
      |
    3 | - deploy-proxy: { auth: { jwt: { issuer: https://a.example, audience: [a], scope: b } } }
      |                                                                            ^^^^^
      |
      = help: did you mean `scopes`?
      = help: known keys: audience, issuer, scopes
    ");
}

#[test]
fn an_issuer_that_cannot_be_asked() {
    let with = |issuer: &str| {
        stage(&format!("- deploy-proxy: {{ auth: {{ jwt: {{ issuer: {issuer}, audience: [a] }} }} }}\n"))
    };
    insta::assert_snapshot!(with("login.example.com"), @"
    error: `login.example.com` is no URL of an issuer
     --> pipeline.yaml:3:42
      |
    3 | - deploy-proxy: { auth: { jwt: { issuer: login.example.com, audience: [a] } } }
      |                                          ^^^^^^^^^^^^^^^^^
      |
      = help: write what the tokens' `iss` says, for example `https://login.example.com`
    ");
    insta::assert_snapshot!(with("http://login.example.com"), @"
    error: `issuer` must begin with `https://`
     --> pipeline.yaml:3:42
      |
    3 | - deploy-proxy: { auth: { jwt: { issuer: http://login.example.com, audience: [a] } } }
      |                                          ^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: write `https://`; `http://` is only for this machine, such as `http://127.0.0.1:8000`
    ");
    insta::assert_snapshot!(with("https://me@login.example.com"), @"
    error: an issuer's URL has no name, query or fragment
     --> pipeline.yaml:3:42
      |
    3 | - deploy-proxy: { auth: { jwt: { issuer: https://me@login.example.com, audience: [a] } } }
      |                                          ^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: write what the tokens' `iss` says, for example `https://login.example.com`
    ");
    insta::assert_snapshot!(with("https://login.example.com/?a=b"), @"
    error: an issuer's URL has no name, query or fragment
     --> pipeline.yaml:3:42
      |
    3 | - deploy-proxy: { auth: { jwt: { issuer: https://login.example.com/?a=b, audience: [a] } } }
      |                                          ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: write what the tokens' `iss` says, for example `https://login.example.com`
    ");
    let long = with(&format!("https://{}.example", "a".repeat(2048)));
    assert!(long.contains("`issuer` has at most 2048 characters, not 2064"), "{long}");
}

#[test]
fn audiences_and_scopes_that_are_none() {
    let with = |more: &str| {
        stage(&format!("- deploy-proxy: {{ auth: {{ jwt: {{ issuer: https://a.example, {more} }} }} }}\n"))
    };
    insta::assert_snapshot!(with("audience: []"), @"
    error: `audience` names nobody
     --> pipeline.yaml:3:61
      |
    3 | - deploy-proxy: { auth: { jwt: { issuer: https://a.example, audience: [] } } }
      |                                                             ^^^^^^^^
      |
      = help: name what the tokens' `aud` says, else the issuer's tokens for others are accepted
    ");
    insta::assert_snapshot!(with("audience: scores"), @"
    error: `audience` must be a list, not the text `scores`
     --> pipeline.yaml:3:71
      |
    3 | - deploy-proxy: { auth: { jwt: { issuer: https://a.example, audience: scores } } }
      |                                                                       ^^^^^^
      |
      = help: a list is `[a, b]`, or a line with `- ` for each item
    ");
    insta::assert_snapshot!(with("audience: [a, '']"), @"
    error: item 2 of `audience` must not be empty
     --> pipeline.yaml:3:75
      |
    3 | - deploy-proxy: { auth: { jwt: { issuer: https://a.example, audience: [a, ''] } } }
      |                                                                           ^^
    ");
    insta::assert_snapshot!(with("audience: [a], scopes: [read write]"), @"
    error: a scope has no white space
     --> pipeline.yaml:3:85
      |
    3 | - deploy-proxy: { auth: { jwt: { issuer: https://a.example, audience: [a], scopes: [read write] } } }
      |                                                                                     ^^^^^^^^^^
      |
      = help: write each scope as an item of its own
    ");
    insta::assert_snapshot!(with("audience: [a], scopes: [a, b, c, d, e, f, g, h, i, j, k]"), @"
    error: `scopes` has at most 10 items, not 11
     --> pipeline.yaml:3:76
      |
    3 | - deploy-proxy: { auth: { jwt: { issuer: https://a.example, audience: [a], scopes: [a, b, c, d, e, f, g, h, i, j, k] } } }
      |                                                                            ^^^^^^
    ");
    let many = with(&format!("audience: [{}]", vec!["a"; 51].join(", ")));
    assert!(many.contains("`audience` has at most 50 items, not 51"), "{many}");
    let long = with(&format!("audience: [a], scopes: [{}]", "s".repeat(65)));
    assert!(long.contains("a scope has at most 64 characters, not 65"), "{long}");
}

#[test]
fn a_throttle_beyond_what_an_account_has() {
    insta::assert_snapshot!(stage("- deploy-proxy: { throttle: { rate-per-s: 0, burst: 5001 } }\n"), @"
    error: `rate-per-s` must be from 1 to 10000, not 0
     --> pipeline.yaml:3:43
      |
    3 | - deploy-proxy: { throttle: { rate-per-s: 0, burst: 5001 } }
      |                                           ^

    error: `burst` must be from 1 to 5000, not 5001
     --> pipeline.yaml:3:53
      |
    3 | - deploy-proxy: { throttle: { rate-per-s: 0, burst: 5001 } }
      |                                                     ^^^^
    ");
    insta::assert_snapshot!(stage("- deploy-proxy: { throttle: 100 }\n"), @"
    error: `throttle` must be a block of keys, not the number 100
     --> pipeline.yaml:3:29
      |
    3 | - deploy-proxy: { throttle: 100 }
      |                             ^^^
    ");
    insta::assert_snapshot!(stage("- deploy-proxy: { throttle: { rate: 100 } }\n"), @"
    error: unknown key `rate`
     --> pipeline.yaml:3:31
      |
    3 | - deploy-proxy: { throttle: { rate: 100 } }
      |                               ^^^^
      |
      = help: known keys: burst, rate-per-s
    ");
}

#[test]
fn origins_that_are_none() {
    let with = |cors: &str| stage(&format!("- deploy-proxy: {{ cors: {{ {cors} }} }}\n"));
    insta::assert_snapshot!(with("headers: [a]"), @"
    error: `cors` lacks the key `origins`
     --> pipeline.yaml:3:19
      |
    3 | - deploy-proxy: { cors: { headers: [a] } }
      |                   ^^^^
    ");
    insta::assert_snapshot!(with("origins: []"), @"
    error: `origins` names none
     --> pipeline.yaml:3:27
      |
    3 | - deploy-proxy: { cors: { origins: [] } }
      |                           ^^^^^^^
      |
      = help: name the pages, such as `https://app.example`, or leave `cors` out
    ");
    insta::assert_snapshot!(with("origins: [https://app.example/]"), @"
    error: an origin ends with its host: `https://app.example/`
     --> pipeline.yaml:3:37
      |
    3 | - deploy-proxy: { cors: { origins: [https://app.example/] } }
      |                                     ^^^^^^^^^^^^^^^^^^^^
      |
      = help: write `https://app.example`
    ");
    insta::assert_snapshot!(with("origins: [app.example, 'https://*.example']"), @"
    error: `app.example` is no origin
     --> pipeline.yaml:3:37
      |
    3 | - deploy-proxy: { cors: { origins: [app.example, 'https://*.example'] } }
      |                                     ^^^^^^^^^^^
      |
      = help: an origin reads like `https://app.example`; `*` stands for all

    error: `https://*.example` is no origin
     --> pipeline.yaml:3:50
      |
    3 | - deploy-proxy: { cors: { origins: [app.example, 'https://*.example'] } }
      |                                                  ^^^^^^^^^^^^^^^^^^^
      |
      = help: an origin reads like `https://app.example`; `*` stands for all
    ");
    insta::assert_snapshot!(with("origins: ['*', https://app.example, 'https://*'], credentials: true"), @"
    error: with `credentials`, every origin is named, and `*` names none
     --> pipeline.yaml:3:37
      |
    3 | - deploy-proxy: { cors: { origins: ['*', https://app.example, 'https://*'], credentials: true } }
      |                                     ^^^
      |
      = help: write each as `https://app.example`

    error: with `credentials`, every origin is named, and `https://*` names none
     --> pipeline.yaml:3:63
      |
    3 | - deploy-proxy: { cors: { origins: ['*', https://app.example, 'https://*'], credentials: true } }
      |                                                               ^^^^^^^^^^^
      |
      = help: write each as `https://app.example`
    ");
    insta::assert_snapshot!(with("origins: ['*'], headers: [content type], max-age-s: 86401"), @"
    error: `content type` is no name of a header
     --> pipeline.yaml:3:53
      |
    3 | - deploy-proxy: { cors: { origins: ['*'], headers: [content type], max-age-s: 86401 } }
      |                                                     ^^^^^^^^^^^^

    error: `max-age-s` must be from -1 to 86400, not 86401
     --> pipeline.yaml:3:79
      |
    3 | - deploy-proxy: { cors: { origins: ['*'], headers: [content type], max-age-s: 86401 } }
      |                                                                               ^^^^^
    ");
    insta::assert_snapshot!(with("origins: [https://app.example], headers: ['*'], credentials: true"), @"
    error: with `credentials`, browsers take `*` for a name
     --> pipeline.yaml:3:69
      |
    3 | - deploy-proxy: { cors: { origins: [https://app.example], headers: ['*'], credentials: true } }
      |                                                                     ^^^
      |
      = help: name the headers
    ");
}

#[test]
fn cross_origin_rules_that_no_browser_could_follow() {
    insta::assert_snapshot!(stage("- deploy-proxy: { auth: iam, cors: { origins: ['*'], headers: ['*'] } }\n"), @"
    error: browsers may not send `authorization`, which `auth` asks for
     --> pipeline.yaml:3:54
      |
    3 | - deploy-proxy: { auth: iam, cors: { origins: ['*'], headers: ['*'] } }
      |                   ---- asks for it                   ^^^^^^^
      |
      = help: add `authorization`; `*` does not stand for it
    ");
    insta::assert_snapshot!(stage("- deploy-proxy: { auth: iam, route: ANY /, cors: { origins: ['*'] } }\n"), @"
    error: with `ANY`, a browser's first question would need the authorization that it may not send yet
     --> pipeline.yaml:3:37
      |
    3 | - deploy-proxy: { auth: iam, route: ANY /, cors: { origins: ['*'] } }
      |                   ---- refuses them ^^^^^  ---- lets browsers ask
      |
      = help: name one method, such as `POST /`
    ");
    assert_eq!(proxy("{ route: ANY /, cors: { origins: ['*'] } }").cors.unwrap().headers, words(["content-type"]));
}

#[test]
fn access_logs_that_are_none() {
    insta::assert_snapshot!(stage("- deploy-proxy: { access-logs: yes }\n"), @"
    error: `access-logs` must be `true`, `false` or a block with `retention-days`, not the text `yes`
     --> pipeline.yaml:3:32
      |
    3 | - deploy-proxy: { access-logs: yes }
      |                                ^^^
    ");
    insta::assert_snapshot!(stage("- deploy-proxy: { access-logs: { retention-days: 2 } }\n"), @"
    error: CloudWatch Logs keeps lines for certain numbers of days, and 2 is none of them
     --> pipeline.yaml:3:50
      |
    3 | - deploy-proxy: { access-logs: { retention-days: 2 } }
      |                                                  ^
      |
      = help: the next longer is 3
      = help: days: 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653
    ");
    insta::assert_snapshot!(stage("- deploy-proxy: { access-logs: { days: 3 } }\n"), @"
    error: unknown key `days`
     --> pipeline.yaml:3:34
      |
    3 | - deploy-proxy: { access-logs: { days: 3 } }
      |                                  ^^^^
      |
      = help: known keys: retention-days
    ");
}

#[test]
fn a_body_that_no_request_fits_into() {
    insta::assert_snapshot!(stage("- deploy-proxy: { max-body-kb: 0 }\n"), @"
    error: `max-body-kb` must be from 1 to 6144, not 0
     --> pipeline.yaml:3:32
      |
    3 | - deploy-proxy: { max-body-kb: 0 }
      |                                ^
    ");
    insta::assert_snapshot!(stage("- deploy-proxy: { max-body-kb: 6145 }\n"), @"
    error: `max-body-kb` must be from 1 to 6144, not 6145
     --> pipeline.yaml:3:32
      |
    3 | - deploy-proxy: { max-body-kb: 6145 }
      |                                ^^^^
    ");
    let wide = "- train: { features: [F1..F200] }\n";
    insta::assert_snapshot!(stage(&format!("{wide}- deploy-proxy: {{ max-body-kb: 1 }}\n")), @"
    error: no request would fit: with every feature it has 1693 bytes at least, over 1 KB
     --> pipeline.yaml:4:32
      |
    4 | - deploy-proxy: { max-body-kb: 1 }
      |                                ^
      |
      = help: `max-body-kb` of stage `deploy-proxy` goes up to 6144
    ");
    insta::assert_snapshot!(stage(&format!("- train: {{ features: [{}1..{}9999] }}\n", "F".repeat(30), "F".repeat(30))), @"
    error: no request would fit: with every feature it has 388855 bytes at least, over 256 KB
     --> pipeline.yaml:3:12
      |
    3 | - train: { features: [FFFFFFFFFFFFFFFFFFFFFFFFFFFFFF1..FFFFFFFFFFFFFFFFFFFFFFFFFFFFFF9999] }
      |            ^^^^^^^^
      |
      = help: `max-body-kb` of stage `deploy-proxy` goes up to 6144
    ");
    assert_eq!(of(&format!("{wide}- deploy-proxy: {{ max-body-kb: 2 }}\n")).deploy_proxy.max_body_kb, 2);
}

#[test]
fn a_token_that_nobody_asks_for_or_that_comes_from_nowhere() {
    let jwt = "- deploy-proxy: { auth: { jwt: { issuer: https://a.example, audience: [a] } } }\n";
    let with = |token: &str| stage(&format!("{jwt}- smoke-test: {{ token: {token} }}\n"));
    insta::assert_snapshot!(stage("- deploy-proxy: { auth: iam }\n- smoke-test: { token: { env: T } }\n"), @"
    error: the API asks for no token
     --> pipeline.yaml:4:17
      |
    4 | - smoke-test: { token: { env: T } }
      |                 ^^^^^
      |
      = help: `token` goes with `auth: { jwt: … }` of stage `deploy-proxy`
    ");
    insta::assert_snapshot!(with("{}"), @"
    error: `token` names no source
     --> pipeline.yaml:4:17
      |
    4 | - smoke-test: { token: {} }
      |                 ^^^^^
      |
      = help: write `{ env: SMOKE_TOKEN }` or `{ command: [./token.sh] }`
    ");
    insta::assert_snapshot!(with("{ env: T, command: [a] }"), @"
    error: `token` names two sources
     --> pipeline.yaml:4:34
      |
    4 | - smoke-test: { token: { env: T, command: [a] } }
      |                          ---     ^^^^^^^ one
      |                          |
      |                          another
      |
      = help: keep one of them
    ");
    insta::assert_snapshot!(with("{ env: eyJhbGciOiJSUzI1NiJ9.e30.c2ln }"), @"
    error: `eyJhbGciOiJSUzI1NiJ9.e30.c2ln` is no name of a variable
     --> pipeline.yaml:4:31
      |
    4 | - smoke-test: { token: { env: eyJhbGciOiJSUzI1NiJ9.e30.c2ln } }
      |                               ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: write the variable's name, not the token: files are no place for it
    ");
    insta::assert_snapshot!(with("{ command: [] }"), @"
    error: `command` names no program
     --> pipeline.yaml:4:26
      |
    4 | - smoke-test: { token: { command: [] } }
      |                          ^^^^^^^
      |
      = help: write `[./token.sh]`, or a program and its arguments
    ");
    insta::assert_snapshot!(with("SMOKE_TOKEN"), @"
    error: `token` must be a block of keys, not the text `SMOKE_TOKEN`
     --> pipeline.yaml:4:24
      |
    4 | - smoke-test: { token: SMOKE_TOKEN }
      |                        ^^^^^^^^^^^
    ");
}
