//! The same pipeline on servers that others wrote: what no local cloud of ours could tell us about our stages.
//!
//! moto has every control plane, but neither switches an endpoint nor answers requests. ministack runs our function
//! behind its HTTP API, but has no `SageMaker`. One test uses both, as one cloud.

use std::io::{Cursor, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value as Json, json};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use crate::harness::peer::{ACCOUNT, Peer, REGION};
use crate::harness::{Answer, Aws, Http, Inventory, Pipeline, Ran, Scene, features, posted};

const FUNCTION: &str = "/2015-03-31/functions/fraud-proxy";
const PROXY_ROLE: &str = "fraud-us-east-1-proxy";
const BUCKET: &str = "fraud-123456789012-us-east-1";

/// A folder with the pipeline, and where it is deployed.
struct Place {
    scene: Scene,
    /// Value of the target.
    target: String,
    /// Stages that the server has nothing for.
    skip: &'static [&'static str],
    variables: Vec<(&'static str, String)>,
}

impl Place {
    fn new(peer: &Peer, skip: &'static [&'static str]) -> Self {
        let target = format!("{{ region: {REGION}, account: \"{ACCOUNT}\", endpoint-url: \"{}\" }}", peer.url());
        Self { skip, ..Self::of(target, vec![]) }
    }

    fn of(target: String, mut variables: Vec<(&'static str, String)>) -> Self {
        variables.extend([("AWS_ACCESS_KEY_ID", "test".to_owned()), ("AWS_SECRET_ACCESS_KEY", "test".to_owned())]);
        let place = Self { scene: Scene::new(&Pipeline::default()), target, skip: &[], variables };
        place.write(Pipeline::default());
        place
    }

    fn write(&self, pipeline: Pipeline) {
        self.scene.write(&Pipeline { targets: format!("  peer: {}\n", self.target), ..pipeline });
    }

    fn run(&self, command: &str, more: &[&str]) -> Ran {
        let skips = self.skip.iter().flat_map(|stage| ["--skip", stage]);
        let arguments: Vec<_> =
            [command, "--target", "peer"].into_iter().chain(skips).chain(more.iter().copied()).collect();
        let variables: Vec<_> = self.variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        self.scene.runner_with(&arguments, &variables)
    }

    #[track_caller]
    fn apply(&self) -> Ran {
        let ran = self.run("apply", &["--yes"]).exits(0);
        self.scene.lend_zips();
        ran
    }

    /// Plans; nothing may be left to do. Then applies, which finds nothing to do.
    #[track_caller]
    fn keeps_all(&self) {
        self.run("plan", &["--detailed-exitcode"]).exits(0);
        let applied = self.apply();
        assert!(applied.stdout.contains("(nothing to do, "), "{}", applied.stdout);
    }

    /// What a plan would change: `<sign> <id>` of each.
    #[track_caller]
    fn differs(&self) -> Vec<String> {
        let plan = self.run("plan", &["--format", "json"]).exits(0).json();
        let changes = plan["changes"].as_array().unwrap().iter();
        let changes = changes.filter(|change| !matches!(change["action"].as_str(), Some("keep" | "check")));
        changes
            .map(|change| format!("{} {}", change["action"].as_str().unwrap(), change["id"].as_str().unwrap()))
            .collect()
    }
}

/// Things that are not ours, some of them in our way; everything that is there then.
fn with_others(aws: &Aws, sagemaker: Option<&Aws>) -> (Inventory, Option<Inventory>) {
    aws.signed("s3", "PUT", "/somebody-elses", &[], "");
    aws.signed("s3", "PUT", "/somebody-elses/model.tar.gz", &[], "theirs");
    aws.iam("CreateRole", &[("RoleName", "somebody"), ("AssumeRolePolicyDocument", &trust("ec2.amazonaws.com"))]);
    aws.logs("CreateLogGroup", &json!({ "logGroupName": "/aws/lambda/fraud-proxy-of-others" }));
    // Names of APIs are not unique: this one has ours, without our tag.
    aws.signed("apigateway", "POST", "/v2/apis", &[], json!({ "name": "fraud", "protocolType": "HTTP" }).to_string());
    if let Some(sagemaker) = sagemaker {
        // A name as ours are, without our tag.
        let container = json!({ "Image": "image:1", "ModelDataUrl": "s3://somebody-elses/model.tar.gz" });
        let role = format!("arn:aws:iam::{ACCOUNT}:role/somebody");
        let model =
            json!({ "ModelName": "fraud-0123456789ab", "PrimaryContainer": container, "ExecutionRoleArn": role });
        sagemaker.sagemaker("CreateModel", &model);
    }
    (aws.inventory(), sagemaker.map(Aws::inventory))
}

fn trust(service: &str) -> String {
    let statement = json!({ "Effect": "Allow", "Action": "sts:AssumeRole", "Principal": { "Service": service } });
    json!({ "Version": "2012-10-17", "Statement": [statement] }).to_string()
}

/// Changes what is deployed behind the pipeline's back, in every stage but the endpoint's.
fn disturb(aws: &Aws) {
    aws.signed("s3", "DELETE", &format!("/{BUCKET}?publicAccessBlock="), &[], "");
    aws.signed("s3", "DELETE", &format!("/{BUCKET}?lifecycle="), &[], "");
    let everything = json!({ "Effect": "Allow", "Action": "*", "Resource": "*" });
    let everything = json!({ "Version": "2012-10-17", "Statement": [everything] }).to_string();
    let policy = [("RoleName", PROXY_ROLE), ("PolicyName", "more"), ("PolicyDocument", &everything)];
    aws.iam("PutRolePolicy", &policy);
    aws.iam("UpdateAssumeRolePolicy", &[("RoleName", PROXY_ROLE), ("PolicyDocument", &trust("ec2.amazonaws.com"))]);
    aws.logs("PutRetentionPolicy", &json!({ "logGroupName": "/aws/lambda/fraud-proxy", "retentionInDays": 1 }));
    let code = json!({ "ZipFile": BASE64.encode(other_code()) }).to_string();
    aws.signed("lambda", "PUT", &format!("{FUNCTION}/code"), &[], &code);
    aws.signed("lambda", "DELETE", &format!("{FUNCTION}/policy/runner"), &[], "");
    let route = json!({ "routeKey": "GET /more" }).to_string();
    aws.signed("apigateway", "POST", &format!("{}/routes", our_api(aws)), &[], &route);
}

/// Throttles the API to one request a second: moto has no `UpdateStage`.
fn throttle(aws: &Aws) {
    let settings = json!({ "throttlingRateLimit": 1.0, "throttlingBurstLimit": 1 });
    let stage = json!({ "defaultRouteSettings": settings }).to_string();
    aws.signed("apigateway", "PATCH", &format!("{}/stages/%24default", our_api(aws)), &[], &stage);
}

fn our_api(aws: &Aws) -> String {
    let apis = aws.signed("apigateway", "GET", "/v2/apis", &[], "").json();
    let ours = apis["items"].as_array().unwrap().iter().find(|api| api["tags"]["runner:pipeline"] == "fraud").unwrap();
    format!("/v2/apis/{}", ours["apiId"].as_str().unwrap())
}

/// What [`disturb`] did, as a plan tells it.
const DISTURBED: [&str; 6] = [
    "update upload/bucket",
    "update create-role/proxy",
    "update deploy-proxy/logs",
    "update deploy-proxy/function",
    "update deploy-proxy/api",
    "create deploy-proxy/permission",
];

/// A zip with a `bootstrap` that is not ours.
fn other_code() -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(vec![]));
    zip.start_file("bootstrap", SimpleFileOptions::default().unix_permissions(0o755)).unwrap();
    zip.write_all(b"#!/bin/sh\nexit 1\n").unwrap();
    zip.finish().unwrap().into_inner()
}

/// Another function: its size, its settings, its route.
fn changed() -> Pipeline {
    let deploy_proxy = "{ route: PUT /score, memory-mb: 512, response: { decision: fraud, threshold: 0.25 } }";
    Pipeline { deploy_proxy: deploy_proxy.to_owned(), ..Pipeline::default() }
}

const CHANGED: [&str; 3] =
    ["update deploy-proxy/function", "update deploy-proxy/api", "update deploy-proxy/permission"];

/// Posts to where the pipeline answers. The name below `localhost` is resolved here, as `curl` does it.
fn ask(url: &str, method: &str, body: &Json) -> Answer {
    let (host, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let port = host.rsplit(':').next().unwrap();
    let mut request = posted(&format!("http://127.0.0.1:{port}/{path}"), body);
    *request.method_mut() = method.parse().unwrap();
    request.headers_mut().insert("host", host.parse().unwrap());
    Http::new().send(request)
}

#[test]
fn the_whole_lifecycle_on_moto_but_for_the_switch_that_it_lacks() {
    let Some(peer) = Peer::moto_mended() else { return };
    let aws = peer.aws();
    let (others, _) = with_others(&aws, Some(&aws));
    let place = Place::new(&peer, &["smoke-test"]);

    let applied = place.apply();
    assert!(applied.url().starts_with("https://"), "{}", applied.stdout);
    place.keeps_all();

    place.write(changed());
    assert_eq!(place.differs(), CHANGED);
    place.apply();
    place.keeps_all();

    disturb(&aws);
    assert_eq!(place.differs(), DISTURBED);
    place.apply();
    place.keeps_all();

    // UpdateEndpoint is the one call that moto does not know.
    place.write(Pipeline { train: Pipeline::trees(6).train, ..changed() });
    let before = served_by(&aws);
    for _ in 0..2 {
        let stopped = place.run("apply", &["--yes"]).exits(1);
        let words = "sagemaker:UpdateEndpoint on endpoint `fraud` was refused (HTTP 500)";
        assert!(stopped.stderr.contains(words), "{}", stopped.stderr);
        assert!(peer.log().contains("The update_endpoint action has not been implemented"), "{}", peer.log());
        // Nothing that serves was touched, and only the switch is left to do.
        assert_eq!(served_by(&aws), before);
        let (changes, old) = (place.differs(), "delete create-endpoint/config");
        assert_eq!(changes[..2], ["update create-endpoint/endpoint", old], "{changes:?}");
    }
    // Without the endpoint there is nothing to switch, and the same command goes on to the end.
    aws.sagemaker("DeleteEndpoint", &json!({ "EndpointName": "fraud" }));
    place.apply();
    place.keeps_all();
    assert_ne!(served_by(&aws), before);

    place.run("teardown", &["--yes"]).exits(0);
    assert_eq!(aws.inventory(), others);
}

/// The config that the endpoint serves.
fn served_by(aws: &Aws) -> String {
    let endpoint = aws.sagemaker("DescribeEndpoint", &json!({ "EndpointName": "fraud" })).json();
    endpoint["EndpointConfigName"].as_str().unwrap().to_owned()
}

#[test]
fn the_whole_lifecycle_on_ministack_where_the_url_reaches_our_function() {
    let Some(peer) = Peer::ministack(&[]) else { return };
    let aws = peer.aws();
    let (others, _) = with_others(&aws, None);
    let place = Place::new(&peer, &["create-endpoint", "smoke-test"]);

    let url = place.apply().url().to_owned();
    place.keeps_all();
    let bad = ask(&url, "POST", &json!({ "V1": 1.0, "V29": 2.0 }));
    assert_eq!((bad.status, &bad.json()["unknown"]), (400, &json!(["V29"])), "{bad:?}");
    // There is no SageMaker behind the function, and that is what it says.
    let good = ask(&url, "POST", &features());
    assert_eq!((good.status, &*good.text), (502, r#"{"error": "the model could not be asked"}"#), "{good:?}");

    place.write(changed());
    assert_eq!(place.differs(), CHANGED);
    let url = place.apply().url().to_owned();
    place.keeps_all();
    assert_eq!(ask(&url, "PUT", &json!({})).status, 400);
    assert_eq!(ask(&url, "POST", &json!({})).status, 404);

    disturb(&aws);
    throttle(&aws);
    assert_eq!(place.differs(), DISTURBED);
    place.apply();
    place.keeps_all();
    assert_eq!(ask(&url, "PUT", &features()).status, 502);

    // Another model is uploaded; the old one may be what the endpoint that is left out serves.
    place.write(Pipeline { train: Pipeline::trees(6).train, ..changed() });
    assert_eq!(
        place.differs(),
        ["create train/model", "create package/model", "create upload/model", "create upload/evaluation"]
    );
    place.apply();
    place.keeps_all();

    let gone = place.run("teardown", &["--yes"]).exits(0);
    let warning = format!(
        "`create-endpoint/model` is not looked at, and would be left without iam-role `fraud-{REGION}-sagemaker`"
    );
    assert!(gone.stderr.contains(&warning), "{}", gone.stderr);
    assert_eq!(aws.inventory(), others);
}

#[test]
fn a_smoke_test_over_both_reaches_sagemaker_behind_function_and_api() {
    let Some(moto) = Peer::moto_mended() else { return };
    let scorer = moto.url();
    let Some(peer) = Peer::ministack(&[("AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME", &scorer)]) else { return };
    let (aws, sagemaker) = (peer.aws(), moto.aws());
    let (others, models) = with_others(&aws, Some(&sagemaker));
    // Two servers that are one cloud, as every SDK lets the environment say it.
    let of_endpoints =
        ["AWS_ENDPOINT_URL_SAGEMAKER", "AWS_ENDPOINT_URL_CLOUDWATCH", "AWS_ENDPOINT_URL_APPLICATION_AUTO_SCALING"];
    let mut variables = vec![("AWS_ENDPOINT_URL", peer.url())];
    variables.extend(of_endpoints.map(|name| (name, moto.url())));
    let place = Place::of(format!("{{ region: {REGION}, account: \"{ACCOUNT}\" }}"), variables);

    // The scores that moto is to answer are those of the golden rows, so there must be a model first.
    let all_but_train = ["package", "upload", "create-role", "create-endpoint", "deploy-proxy", "smoke-test"];
    let skips: Vec<_> = all_but_train.iter().flat_map(|stage| ["--skip", stage]).collect();
    place.run("apply", &[&["--yes"], &*skips].concat()).exits(0);
    queue(&moto, &golden_scores(&place.scene));

    let applied = place.apply();
    assert!(applied.stdout.contains("8 golden rows score as trained, at most 0e0 apart"), "{}", applied.stdout);
    place.keeps_all();
    let good = ask(applied.url(), "POST", &features());
    assert_eq!(good.status, 502, "nothing more was queued, and moto's own answer is no score: {good:?}");

    // A wrong answer is seen, through all of it.
    queue(&moto, &[0.75]);
    let smoke_test = format!("{{ request: {}, expect: {{ fraud_score: 0.25 }} }}", features_with(0.5));
    place.write(Pipeline { smoke_test, ..Pipeline::default() });
    let failed = place.run("apply", &["--yes"]).exits(3);
    assert!(failed.stderr.contains("`fraud_score` should be 0.25, and the answer is {"), "{}", failed.stderr);

    place.run("teardown", &["--yes"]).exits(0);
    assert_eq!((aws.inventory(), sagemaker.inventory()), (others, models.unwrap()));
}

/// A request that was not sent before: moto answers one that it knows as it did then.
fn features_with(amount: f64) -> Json {
    let mut request = features();
    request["Amount"] = json!(amount);
    request
}

/// The scores that training computed for the rows that the smoke test sends, in their order.
fn golden_scores(scene: &Scene) -> Vec<f64> {
    let known = scene.files().into_iter().find(|file| file.ends_with("/evaluation.json")).unwrap();
    let known: Json = serde_json::from_slice(&std::fs::read(scene.path(&known)).unwrap()).unwrap();
    let rows = known["trained"]["golden-rows"].as_array().unwrap();
    rows.iter().map(|row| row["score"].as_f64().unwrap()).collect()
}

/// Tells moto what its endpoints answer next.
fn queue(moto: &Peer, scores: &[f64]) {
    let results: Vec<_> =
        scores.iter().map(|score| json!({ "Body": score.to_string(), "ContentType": "text/csv" })).collect();
    let body = json!({ "account_id": ACCOUNT, "region": REGION, "results": results });
    let answer = Http::new().post(&format!("{}/moto-api/static/sagemaker/endpoint-results", moto.url()), &body);
    assert_eq!(answer.status, 201, "{answer:?}");
}
