//! Who is let in: by signature, by token, by nobody's leave; and what is written down of it.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::{api, send};
use crate::server::{Service, dispatch};
use crate::service::apigateway::jwt::tests::Signer;
use crate::service::apigateway::serve;
use crate::service::lambda::fixture::{Fixture, call, echo, shown};

/// A server on this machine that says what issuers say, of the keys that it is told.
struct Issuer {
    url: String,
    keys: Arc<std::sync::Mutex<Value>>,
}

impl Issuer {
    async fn new(keys: Value) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let keys = Arc::new(std::sync::Mutex::new(keys));
        let (issuer, served) = (url.clone(), Arc::clone(&keys));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (issuer, served) = (issuer.clone(), Arc::clone(&served));
                tokio::spawn(http1::Builder::new().serve_connection(
                    TokioIo::new(stream),
                    service_fn(move |request: Request<hyper::body::Incoming>| {
                        let (issuer, served) = (issuer.clone(), Arc::clone(&served));
                        async move { Ok::<_, std::convert::Infallible>(Self::answer(&issuer, &served, &request).await) }
                    }),
                ));
            }
        });
        Self { url, keys }
    }

    async fn answer(
        issuer: &str,
        keys: &std::sync::Mutex<Value>,
        request: &Request<hyper::body::Incoming>,
    ) -> Response<Full<Bytes>> {
        let (status, body) = match request.uri().path() {
            "/.well-known/openid-configuration" => {
                (200, json!({ "issuer": issuer, "jwks_uri": format!("{issuer}/keys") }))
            }
            "/lost/.well-known/openid-configuration" => (200, json!({ "jwks_uri": format!("{issuer}/none") })),
            "/slow/.well-known/openid-configuration" => {
                tokio::time::sleep(Duration::from_secs(3)).await;
                (200, json!({ "jwks_uri": format!("{issuer}/keys") }))
            }
            "/keys" => (200, json!({ "keys": keys.lock().unwrap().clone() })),
            _ => (404, json!({})),
        };
        let mut response = Response::new(Full::new(Bytes::from(body.to_string())));
        *response.status_mut() = http::StatusCode::from_u16(status).unwrap();
        response
    }
}

/// An API whose function answers its event, and whose one route asks for this.
async fn asking(fixture: &Fixture, authorization: Value) -> String {
    let (id, integration) = api(fixture).await;
    fixture.create("fn", &echo()).await;
    let permission = json!({
        "StatementId": "api", "Action": "lambda:InvokeFunction", "Principal": "apigateway.amazonaws.com",
        "SourceArn": format!("arn:aws:execute-api:us-east-1:123456789012:{id}/*"),
    });
    fixture.send(Method::POST, "/2015-03-31/functions/fn/policy", permission).await.unwrap();
    let mut given = json!({ "routeKey": "ANY /score", "target": format!("integrations/{integration}") });
    given.as_object_mut().unwrap().extend(authorization.as_object().unwrap().clone());
    send(fixture, Method::POST, &format!("/v2/apis/{id}/routes"), given).await.unwrap();
    id
}

fn authorizer(issuer: &str) -> Value {
    json!({
        "name": "runner", "authorizerType": "JWT", "identitySource": ["$request.header.Authorization"],
        "jwtConfiguration": { "issuer": issuer, "audience": ["scores"] },
    })
}

/// Status, `www-authenticate` if there is one, and body.
async fn ask(fixture: &Fixture, api: &str, request: Request<Bytes>) -> (u16, String, Value) {
    let path = request.uri().path().to_owned();
    let response = serve(&fixture.cloud, api, &path, request).await;
    let challenge = response.headers().get("www-authenticate").map(|value| value.to_str().unwrap().to_owned());
    let body = serde_json::from_slice(response.body()).unwrap_or_default();
    (response.status().as_u16(), challenge.unwrap_or_default(), body)
}

fn bearer(token: &str) -> Request<Bytes> {
    Request::post("/score").header("Authorization", format!("Bearer {token}")).body(Bytes::new()).unwrap()
}

#[tokio::test]
async fn authorizers_are_managed_as_on_aws() {
    let fixture = Fixture::new().await;
    let issuer = Issuer::new(json!([])).await;
    let (id, _) = api(&fixture).await;
    let path = format!("/v2/apis/{id}/authorizers");
    let made = send(&fixture, Method::POST, &path, authorizer(&issuer.url)).await.unwrap();
    let one = made["authorizerId"].as_str().unwrap().to_owned();
    let listed = send(&fixture, Method::GET, &path, Value::Null).await.unwrap();
    assert_eq!(listed, json!({ "items": [made] }));
    let audience = json!({ "jwtConfiguration": { "issuer": issuer.url, "audience": ["other"] } });
    send(&fixture, Method::PATCH, &format!("{path}/{one}"), audience).await.unwrap();
    let changed = send(&fixture, Method::GET, &format!("{path}/{one}"), Value::Null).await.unwrap();
    assert_eq!((&changed["jwtConfiguration"]["audience"], &changed["name"]), (&json!(["other"]), &json!("runner")));
    let guarded =
        json!({ "routeKey": "GET /", "authorizationType": "JWT", "authorizerId": one, "authorizationScopes": ["a"] });
    let route = send(&fixture, Method::POST, &format!("/v2/apis/{id}/routes"), guarded).await.unwrap();
    assert_eq!((&route["authorizerId"], &route["authorizationScopes"]), (&json!(one), &json!(["a"])));

    let with = |member: &str, value: Value| {
        let mut given = authorizer(&issuer.url);
        given["name"] = json!("second");
        given[member] = value;
        given
    };
    let routes = format!("/v2/apis/{id}/routes");
    let jwt = |issuer: &str| json!({ "issuer": issuer, "audience": ["a"] });
    let refused = [
        (Method::POST, path.clone(), authorizer(&issuer.url)),
        (Method::POST, path.clone(), with("authorizerType", json!("REQUEST"))),
        (Method::POST, path.clone(), with("identitySource", json!(["$request.header.A", "$request.header.B"]))),
        (Method::POST, path.clone(), with("identitySource", json!(["$context.stage"]))),
        (Method::POST, path.clone(), with("jwtConfiguration", json!({ "issuer": issuer.url }))),
        (Method::POST, path.clone(), with("jwtConfiguration", jwt(&format!("{}/none", issuer.url)))),
        (Method::POST, path.clone(), with("jwtConfiguration", jwt(&format!("{}/slow", issuer.url)))),
        (Method::POST, path.clone(), with("jwtConfiguration", jwt("http://issuer.example"))),
        (Method::PATCH, format!("{path}/{one}"), json!({ "authorizerType": "REQUEST" })),
        (Method::GET, format!("{path}/none"), Value::Null),
        (Method::DELETE, format!("{path}/none"), Value::Null),
        (Method::DELETE, format!("{path}/{one}"), Value::Null),
        (Method::POST, routes.clone(), json!({ "routeKey": "PUT /", "authorizationType": "JWT" })),
        (
            Method::POST,
            routes.clone(),
            json!({ "routeKey": "PUT /", "authorizationType": "JWT", "authorizerId": "none" }),
        ),
        (
            Method::POST,
            routes.clone(),
            json!({ "routeKey": "PUT /", "authorizationType": "CUSTOM", "authorizerId": one }),
        ),
        (
            Method::POST,
            routes.clone(),
            json!({ "routeKey": "PUT /", "authorizationType": "AWS_IAM", "authorizationScopes": ["a"] }),
        ),
    ];
    let mut refusals = Vec::new();
    for (method, path, body) in refused {
        let refusal = send(&fixture, method, &path, body).await.unwrap_err();
        refusals.push(refusal.replace(&issuer.url, "ISSUER").replace(&one, "AUTHORIZER"));
    }
    insta::assert_snapshot!(refusals.join("\n"), @"
    400 BadRequestException Authorizer name must be unique. Authorizer runner already exists in this RestApi.
    501 NotImplemented the local cloud does not offer `authorizerType: REQUEST` of CreateAuthorizer
    400 BadRequestException Invalid identity source specified: one of the form $request.header.NAME or $request.querystring.NAME is expected
    400 BadRequestException Invalid identity source specified: one of the form $request.header.NAME or $request.querystring.NAME is expected
    400 BadRequestException Invalid audience specified: between 1 and 50 are allowed
    400 BadRequestException Caught exception when connecting to ISSUER/none/.well-known/openid-configuration for issuer ISSUER/none. Please try again later. Error: Invalid issuer: ISSUER/none. Issuer must have a valid discovery endpoint ended with '/.well-known/openid-configuration'
    400 BadRequestException Caught exception when connecting to ISSUER/slow/.well-known/openid-configuration for issuer ISSUER/slow. Please try again later. Error: Invalid issuer: ISSUER/slow. Issuer must have a valid discovery endpoint ended with '/.well-known/openid-configuration'
    400 BadRequestException Caught exception when connecting to http://issuer.example/.well-known/openid-configuration for issuer http://issuer.example. Please try again later. Error: Invalid issuer: http://issuer.example. Issuer must have a valid discovery endpoint ended with '/.well-known/openid-configuration'
    400 BadRequestException Invalid request body: authorizerType cannot be updated
    404 NotFoundException Invalid Authorizer identifier specified none
    404 NotFoundException Invalid Authorizer identifier specified none
    409 ConflictException Cannot delete authorizer 'runner', is referenced in route: GET /
    400 BadRequestException AuthorizerId is required for the authorization type JWT
    400 BadRequestException Invalid authorizer id specified: none
    501 NotImplemented the local cloud does not offer `authorizationType: CUSTOM` of CreateRoute
    400 BadRequestException Authorization scopes are supported for the authorization type JWT only
    ");

    // An empty id takes the authorizer away, and so does nothing less.
    let route = format!("{routes}/{}", route["routeId"].as_str().unwrap());
    send(&fixture, Method::PATCH, &route, json!({ "authorizationType": "AWS_IAM", "authorizationScopes": [] }))
        .await
        .unwrap();
    assert!(send(&fixture, Method::DELETE, &format!("{path}/{one}"), Value::Null).await.is_err());
    let opened = send(&fixture, Method::PATCH, &route, json!({ "authorizerId": "" })).await.unwrap();
    assert_eq!(opened.get("authorizerId"), None);
    send(&fixture, Method::DELETE, &format!("{path}/{one}"), Value::Null).await.unwrap();
}

#[tokio::test]
async fn a_token_of_the_issuer_opens_the_route_and_no_other_does() {
    let fixture = Fixture::new().await;
    let (signer, other) = (Signer::new(), Signer::new());
    let issuer = Issuer::new(json!([signer.jwk("one")])).await;
    let id = asking(&fixture, json!({})).await;
    let made =
        send(&fixture, Method::POST, &format!("/v2/apis/{id}/authorizers"), authorizer(&issuer.url)).await.unwrap();
    let routes = send(&fixture, Method::GET, &format!("/v2/apis/{id}/routes"), Value::Null).await.unwrap();
    let route = routes["items"].as_array().unwrap().iter().find(|route| route["routeKey"] == "ANY /score").unwrap();
    let route = format!("/v2/apis/{id}/routes/{}", route["routeId"].as_str().unwrap());
    let guard = async |scopes: Value| {
        let given =
            json!({ "authorizationType": "JWT", "authorizerId": made["authorizerId"], "authorizationScopes": scopes });
        send(&fixture, Method::PATCH, &route, given).await.unwrap();
    };
    guard(json!([])).await;
    let now = Timestamp::now().as_second();
    let claims = json!({ "iss": issuer.url, "aud": "scores", "exp": now + 600, "sub": "me", "scope": "read write" });
    let token = |key: &str, claims: &Value| signer.token(&json!({ "alg": "RS256", "kid": key }), claims);

    let (status, _, body) = ask(&fixture, &id, bearer(&token("one", &claims))).await;
    assert_eq!(status, 200, "{body}");
    let authorizer = &body["echo"]["requestContext"]["authorizer"];
    let expected = json!({ "aud": "scores", "exp": (now + 600).to_string(), "iss": issuer.url, "scope": "read write", "sub": "me" });
    assert_eq!(*authorizer, json!({ "jwt": { "claims": expected, "scopes": null } }));
    let bare = Request::post("/score").header("Authorization", token("one", &claims)).body(Bytes::new()).unwrap();
    assert_eq!(ask(&fixture, &id, bare).await.0, 200);

    let invalid = |description: &str| {
        (
            401,
            format!("Bearer scope=\"\" error=\"invalid_token\" error_description=\"{description}\""),
            json!({ "message": "Unauthorized" }),
        )
    };
    let nothing = Request::post("/score").body(Bytes::new()).unwrap();
    assert_eq!(ask(&fixture, &id, nothing).await, (401, "Bearer".to_owned(), json!({ "message": "Unauthorized" })));
    assert_eq!(
        ask(&fixture, &id, bearer("not-a-token")).await,
        invalid("token contains an invalid number of segments")
    );
    let mut late = claims.clone();
    late["exp"] = json!(now - 1);
    assert_eq!(ask(&fixture, &id, bearer(&token("one", &late))).await, invalid("the token has expired"));
    let forged = other.token(&json!({ "alg": "RS256", "kid": "one" }), &claims);
    assert_eq!(ask(&fixture, &id, bearer(&forged)).await, invalid("the signature is invalid"));
    assert_eq!(ask(&fixture, &id, bearer(&token("two", &claims))).await, invalid("the issuer has no such key"));

    guard(json!(["admin", "write"])).await;
    let (status, _, body) = ask(&fixture, &id, bearer(&token("one", &claims))).await;
    assert_eq!(
        (status, &body["echo"]["requestContext"]["authorizer"]["jwt"]["scopes"]),
        (200, &json!(["read", "write"]))
    );
    guard(json!(["admin"])).await;
    let forbidden = (403, String::new(), json!({ "message": "Forbidden" }));
    assert_eq!(ask(&fixture, &id, bearer(&token("one", &claims))).await, forbidden);

    // What the issuer does not say any more is believed while it is kept; what it cannot say is not.
    guard(json!([])).await;
    *issuer.keys.lock().unwrap() = json!([]);
    assert_eq!(ask(&fixture, &id, bearer(&token("one", &claims))).await.0, 200);
    let lost = json!({ "jwtConfiguration": { "issuer": format!("{}/lost", issuer.url), "audience": ["scores"] } });
    let path = format!("/v2/apis/{id}/authorizers/{}", made["authorizerId"].as_str().unwrap());
    send(&fixture, Method::PATCH, &path, lost).await.unwrap();
    assert_eq!(ask(&fixture, &id, bearer(&token("one", &claims))).await, invalid("JWKS communication error"));
    fixture.cloud.shut_down().await;
}

/// A request signed by the AWS SDK's own code.
fn signed(key: (&str, &str, Option<&str>), service: &str, region: &str, body: &'static str) -> Request<Bytes> {
    let identity = Credentials::new(key.0, key.1, key.2.map(str::to_owned), None, "test").into();
    let parameters = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name(service)
        .time(SystemTime::from(Timestamp::now()))
        .settings(SigningSettings::default())
        .build()
        .unwrap();
    let url = "http://127.0.0.1:1/score";
    let mut request =
        Request::post(url).header("host", "127.0.0.1:1").body(Bytes::from_static(body.as_bytes())).unwrap();
    let headers = [("host", "127.0.0.1:1")].into_iter();
    let signable = SignableRequest::new("POST", url, headers, SignableBody::Bytes(body.as_bytes())).unwrap();
    let (instructions, _) = sign(signable, &parameters.into()).unwrap().into_parts();
    instructions.apply_to_request_http1x(&mut request);
    request
}

#[tokio::test]
async fn a_signature_opens_the_route_to_whoever_may_invoke_it() {
    let fixture = Fixture::new().await;
    let id = asking(&fixture, json!({ "authorizationType": "AWS_IAM" })).await;
    let own = ("AKIALOCAL", "secret", None);
    let forbidden = (403, String::new(), json!({ "message": "Forbidden" }));

    let (status, _, body) = ask(&fixture, &id, signed(own, "execute-api", "us-east-1", "{}")).await;
    assert_eq!(status, 200, "{body}");
    insta::assert_json_snapshot!(body["echo"]["requestContext"]["authorizer"], @r#"
    {
      "iam": {
        "accessKey": "AKIALOCAL",
        "accountId": "123456789012",
        "callerId": "AIDALOCALCLOUDUSER000",
        "cognitoIdentity": null,
        "principalOrgId": "aws:PrincipalOrgID",
        "userArn": "arn:aws:iam::123456789012:user/local",
        "userId": "AIDALOCALCLOUDUSER000"
      }
    }
    "#);
    let unsigned = Request::post("/score").body(Bytes::from_static(b"{}")).unwrap();
    assert_eq!(ask(&fixture, &id, unsigned).await, forbidden);
    for (why, request) in [
        ("the secret is another", signed(("AKIALOCAL", "other", None), "execute-api", "us-east-1", "{}")),
        ("nobody has the key", signed(("AKIAOTHER", "secret", None), "execute-api", "us-east-1", "{}")),
        ("another service", signed(own, "lambda", "us-east-1", "{}")),
        ("another region", signed(own, "execute-api", "eu-west-1", "{}")),
    ] {
        assert_eq!(ask(&fixture, &id, request).await, forbidden, "{why}");
    }
    let changed = signed(own, "execute-api", "us-east-1", "{}").map(|_| Bytes::from_static(b"{\"a\":1}"));
    assert_eq!(ask(&fixture, &id, changed).await, forbidden);

    // The role of the fixture may do anything; then all but this.
    let session = fixture.cloud.iam.session(crate::service::lambda::fixture::ROLE, "s");
    let role = (&*session.access_key_id, &*session.secret_access_key, Some(&*session.session_token));
    let (status, _, body) = ask(&fixture, &id, signed(role, "execute-api", "us-east-1", "{}")).await;
    assert_eq!(status, 200, "{body}");
    let user = body["echo"]["requestContext"]["authorizer"]["iam"]["userArn"].clone();
    assert_eq!(user, "arn:aws:sts::123456789012:assumed-role/proxy/s");
    for (resource, allowed) in [
        (format!("arn:aws:execute-api:us-east-1:123456789012:{id}/$default/POST/score"), 200),
        (format!("arn:aws:execute-api:us-east-1:123456789012:{id}/*/POST/*"), 200),
        (format!("arn:aws:execute-api:us-east-1:123456789012:{id}/$default/GET/score"), 403),
        (format!("arn:aws:execute-api:us-east-1:123456789012:{id}/$default/POST/"), 403),
    ] {
        let invoke = json!({ "Effect": "Allow", "Action": "execute-api:Invoke", "Resource": resource });
        fixture.put_policy(&json!({ "Version": "2012-10-17", "Statement": [invoke] })).await;
        let (status, ..) = ask(&fixture, &id, signed(role, "execute-api", "us-east-1", "{}")).await;
        assert_eq!(status, allowed, "{resource}");
    }
    fixture.cloud.shut_down().await;
}

#[tokio::test]
async fn a_preflight_needs_no_authorization_unless_a_route_answers_its_method() {
    let fixture = Fixture::new().await;
    let id = asking(&fixture, json!({ "authorizationType": "AWS_IAM" })).await;
    let cors =
        json!({ "allowOrigins": ["https://a.example"], "allowMethods": ["POST"], "allowHeaders": ["authorization"] });
    send(&fixture, Method::PATCH, &format!("/v2/apis/{id}"), json!({ "corsConfiguration": cors })).await.unwrap();
    let preflight = || {
        let request = Request::options("/score").header("Origin", "https://a.example");
        request.header("Access-Control-Request-Method", "POST").body(Bytes::new()).unwrap()
    };
    assert_eq!(ask(&fixture, &id, preflight()).await.0, 403);
    let routes = send(&fixture, Method::GET, &format!("/v2/apis/{id}/routes"), Value::Null).await.unwrap();
    let route = routes["items"].as_array().unwrap().iter().find(|route| route["routeKey"] == "ANY /score").unwrap();
    let route = format!("/v2/apis/{id}/routes/{}", route["routeId"].as_str().unwrap());
    send(&fixture, Method::PATCH, &route, json!({ "routeKey": "POST /score" })).await.unwrap();
    assert_eq!(ask(&fixture, &id, preflight()).await.0, 204);
    // Whoever is refused is told so in words that a browser lets its page read.
    let request = Request::post("/score").header("Origin", "https://a.example").body(Bytes::new()).unwrap();
    let response = serve(&fixture.cloud, &id, "/score", request).await;
    assert_eq!(
        (response.status().as_u16(), &response.headers()["access-control-allow-origin"]),
        (403, &"https://a.example".parse().unwrap())
    );
}

#[tokio::test]
async fn every_request_of_a_stage_is_a_line_of_its_access_log() {
    let fixture = Fixture::new().await;
    let id = asking(&fixture, json!({ "authorizationType": "AWS_IAM" })).await;
    let group = "/aws/vendedlogs/apis/fraud";
    let stage = format!("/v2/apis/{id}/stages/$default");
    let format = r#"{"id":"$context.requestId","status":"$context.status","route":"$context.routeKey","who":"$context.identity.userArn","bytes":"$context.responseLength","why":"$context.error.message","integration":"$context.integrationStatus","agent":"$context.identity.userAgent"}"#;
    let arn = format!("arn:aws:logs:us-east-1:123456789012:log-group:{group}");
    let settings =
        |arn: &str, format: &str| json!({ "accessLogSettings": { "destinationArn": arn, "format": format } });
    for (arn, format) in [(&*format!("{arn}:*"), format), ("arn:aws:s3:::bucket", format), (&arn, "$context.status")] {
        assert!(
            send(&fixture, Method::PATCH, &stage, settings(arn, format))
                .await
                .unwrap_err()
                .starts_with("400 BadRequest")
        );
    }
    send(&fixture, Method::PATCH, &stage, settings(&arn, format)).await.unwrap();
    let lines = || fixture.cloud.logs.lines_for_test(group);
    let own = ("AKIALOCAL", "secret", None);
    ask(&fixture, &id, signed(own, "execute-api", "us-east-1", "{}")).await;
    assert_eq!(lines(), Vec::<String>::new(), "there is no group, and nobody made one");

    fixture.cloud.logs.group_for_test(group);
    let request = Request::post("/score").header("user-agent", "a \"quote\"").body(Bytes::new()).unwrap();
    let response = serve(&fixture.cloud, &id, "/score", request).await;
    let request_id = response.headers()["apigw-requestid"].to_str().unwrap().to_owned();
    let (_, _, body) = ask(&fixture, &id, signed(own, "execute-api", "us-east-1", "{}")).await;
    let bytes = body.to_string().len();
    ask(&fixture, &id, Request::get("/none").body(Bytes::new()).unwrap()).await;
    let lines: Vec<Value> = lines().iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert_eq!(
        lines[0],
        json!({
            "id": request_id, "status": "403", "route": "ANY /score", "who": "-", "bytes": "23", "why": "Forbidden",
            "integration": "-", "agent": "a \"quote\"",
        })
    );
    assert_eq!(
        (&lines[1]["status"], &lines[1]["who"], &lines[1]["integration"]),
        (&json!("200"), &json!("arn:aws:iam::123456789012:user/local"), &json!("200"))
    );
    assert_eq!(lines[1]["id"], body["echo"]["requestContext"]["requestId"]);
    assert!(lines[1]["bytes"].as_str().unwrap().parse::<usize>().unwrap().abs_diff(bytes) < 40, "{} {bytes}", lines[1]);
    assert_eq!((&lines[2]["status"], &lines[2]["route"]), (&json!("404"), &json!("-")));

    send(&fixture, Method::DELETE, &format!("{stage}/accesslogsettings"), Value::Null).await.unwrap();
    ask(&fixture, &id, Request::get("/none").body(Bytes::new()).unwrap()).await;
    assert_eq!(fixture.cloud.logs.lines_for_test(group).len(), 3);
    fixture.cloud.shut_down().await;
}

#[tokio::test]
async fn access_logs_are_turned_on_by_whoever_may_deliver_logs() {
    let fixture = Fixture::new().await;
    let (id, _) = api(&fixture).await;
    let settings = json!({ "accessLogSettings": {
        "destinationArn": "arn:aws:logs:us-east-1:123456789012:log-group:/a", "format": "$context.requestId",
    } });
    let session = fixture.cloud.iam.session(crate::service::lambda::fixture::ROLE, "s");
    let ask = async || {
        let mut call = call(Method::PATCH, &format!("/v2/apis/{id}/stages/$default"), settings.to_string());
        call.caller = fixture.cloud.iam.key(&session.access_key_id).unwrap().caller;
        dispatch(&fixture.cloud, Service::ApiGateway, &call)
            .await
            .map_err(|refusal| shown(&refusal))
            .map(|response| response.status().as_u16())
    };
    assert_eq!(ask().await, Ok(200));
    let only = json!({ "Effect": "Allow", "Action": ["apigateway:*", "logs:CreateLogDelivery"], "Resource": "*" });
    fixture.put_policy(&json!({ "Version": "2012-10-17", "Statement": [only] })).await;
    assert_eq!(ask().await, Err("400 BadRequestException Insufficient permissions to enable logging".to_owned()));
}

#[tokio::test]
async fn a_head_that_is_too_long_is_refused() {
    let fixture = Fixture::new().await;
    let (id, _) = api(&fixture).await;
    let with = |bytes: usize| Request::get("/x").header("x-long", "x".repeat(bytes)).body(Bytes::new()).unwrap();
    assert_eq!(ask(&fixture, &id, with(10_100)).await.0, 404);
    assert_eq!(ask(&fixture, &id, with(10_240)).await.0, 431);
}

#[tokio::test]
async fn a_routes_own_throttle_counts_in_the_stages_stead() {
    let fixture = Fixture::new().await;
    let id = asking(&fixture, json!({})).await;
    let stage = format!("/v2/apis/{id}/stages/$default");
    let none = json!({ "throttlingRateLimit": 0.001, "throttlingBurstLimit": 0 });
    send(&fixture, Method::PATCH, &stage, json!({ "routeSettings": { "ANY /score": none } })).await.unwrap();
    let post = |path: &str| Request::post(path).body(Bytes::new()).unwrap();
    assert_eq!(ask(&fixture, &id, post("/score")).await.0, 429);
    assert_eq!(ask(&fixture, &id, post("/")).await.0, 200);
    let key = format!("{stage}/routesettings/ANY%20%2Fscore");
    send(&fixture, Method::DELETE, &key, Value::Null).await.unwrap();
    assert_eq!(ask(&fixture, &id, post("/score")).await.0, 200);
    fixture.cloud.shut_down().await;
}
