//! A deployment's whole life on an AWS target, under a policy of the deployer, and everything that can happen to it.

use std::fs;
use std::io::{Cursor, Write};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value as Json, json};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use crate::harness::{Aws, Decided, Pipeline, Ran, Scene, static_model_server};

const FILE: &str = "pipeline.yaml";
const ROLE: &str = "ci";
const BUCKET: &str = "fraud-000000000000-us-east-1";
/// Name of the program of an image of our own, in the scene's folder.
pub(super) const PROGRAM: &str = "model-server";
const FUNCTION: &str = "fraud-proxy";
/// A proxy that may write its log and not ask the endpoint.
const SILENT: &str = r#"{ proxy: { policy: [{ Effect: Allow, Action: "logs:*", Resource: "*" }] } }"#;
/// An endpoint that may read its model and not pull its image.
const BARE: &str = r#"{ sagemaker: { policy: [{ Effect: Allow, Action: ["s3:*", "logs:*"], Resource: "*" }] } }"#;

/// A deployer with a role of its own in a local cloud that the pipeline file calls AWS.
pub(super) struct Deployer {
    pub(super) scene: Scene,
    pub(super) aws: Aws,
    /// What `runner policy` prints.
    pub(super) policy: Json,
    pipeline: Pipeline,
    /// Value of `train:` for so many trees.
    train: fn(u32) -> String,
    session: Vec<(&'static str, String)>,
    target: String,
}

/// A step that did not end as it should.
#[derive(Debug)]
pub(super) struct Stopped {
    pub(super) step: &'static str,
    pub(super) ran: Ran,
}

impl Deployer {
    /// With what `runner policy` prints for this pipeline, which trains models like this.
    pub(super) fn of(pipeline: &Pipeline, train: fn(u32) -> String) -> Self {
        let scene = started();
        let aws = scene.aws();
        let target = format!(
            "  prod: {{ region: us-east-1, account: \"000000000000\", endpoint-url: \"{}\" }}\nstages:\n",
            aws.base()
        );
        let trust = json!({ "Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Principal": { "AWS": "000000000000" }, "Action": "sts:AssumeRole"
        }] });
        aws.iam("CreateRole", &[("RoleName", ROLE), ("AssumeRolePolicyDocument", &trust.to_string())]);
        let session = aws.assume(&format!("arn:aws:iam::000000000000:role/{ROLE}"));
        let local = "{ iam-propagation-ms: 0 }".to_owned();
        let pipeline = Pipeline { local, train: train(5), ..pipeline.clone() };
        if !pipeline.package.is_empty() {
            fs::copy(static_model_server(), scene.path(PROGRAM)).unwrap();
        }
        let mut deployer = Self { scene, aws, policy: Json::Null, pipeline, train, session, target };
        deployer.write(|_| ());
        let printed = deployer.scene.runner(&["policy", "--target", "prod"]).exits(0);
        deployer.policy = printed.json();
        deployer.allow(&deployer.policy);
        deployer
    }

    /// Gives the role this policy instead of the one it had.
    pub(super) fn allow(&self, policy: &Json) {
        let members = [("RoleName", ROLE), ("PolicyName", "deploy"), ("PolicyDocument", &*policy.to_string())];
        self.aws.iam("PutRolePolicy", &members);
    }

    /// What IAM was asked about the deployer.
    pub(super) fn decisions(&self) -> Vec<Decided> {
        let all = self.aws.decisions();
        all.into_iter().filter(|decided| decided.caller.contains(&format!(":assumed-role/{ROLE}/"))).collect()
    }

    /// Everything that a deployer does, until a step does not end as it should.
    pub(super) fn lives(&self) -> Result<(), Box<Stopped>> {
        self.write(|_| ());
        self.step("the first look", &["plan"], 0)?;
        self.step("the first deployment", &["apply", "--yes"], 0)?;
        self.step("nothing to do", &["plan", "--detailed-exitcode"], 0)?;
        self.disturb();
        self.change_program();
        self.write(|pipeline| self.change(pipeline));
        self.step("a new model, a larger function, and what others changed", &["apply", "--yes"], 0)?;
        self.step("nothing to do again", &["plan", "--detailed-exitcode"], 0)?;
        self.scale();
        self.step("a count that somebody changed", &["apply", "--yes"], 0)?;
        if !self.is_scaled() {
            self.write(|pipeline| {
                self.change(pipeline);
                pipeline.create_endpoint = self.guarded();
            });
            self.as_owner(&["apply", "--yes"]);
            self.write(|pipeline| self.change(pipeline));
            self.step("what an earlier file asked for", &["apply", "--yes"], 0)?;
        }
        if self.pipeline.create_endpoint.contains("ml.m5") && !self.is_scaled() {
            self.scale_by_others();
            self.step("a count that somebody else's autoscaling changed", &["plan", "--detailed-exitcode"], 0)?;
            self.scale_no_more();
        }
        self.write(|pipeline| {
            self.change(pipeline);
            SILENT.clone_into(&mut pipeline.create_role);
        });
        let failed = self.step("a function that may not ask the model", &["apply", "--yes"], 3)?;
        if !failed.stderr.contains("its log says: ") {
            return Err(Box::new(Stopped { step: "the log of a function that may not ask the model", ran: failed }));
        }
        if (self.train)(7).contains("on: sagemaker") {
            self.write(|pipeline| {
                pipeline.train = (self.train)(7);
                BARE.clone_into(&mut pipeline.create_role);
            });
            self.tells_why("a job that may not pull its image", 1)?;
        }
        let ours = !self.pipeline.package.is_empty();
        self.write(|pipeline| {
            self.change(pipeline);
            if ours {
                BARE.clone_into(&mut pipeline.create_role);
            }
            pipeline.create_endpoint = self.other_machines();
        });
        // An image of our own is what it is; any other one is made to end.
        self.scene.serve_after("echo 'no model is here'\nexit 3\n");
        self.tells_why(if ours { "an endpoint that may not pull its image" } else { "a container that ends" }, 4)?;
        self.scene.serve_after("");
        let upload = format!("/{BUCKET}/models/unfinished?uploads=");
        self.aws.signed("s3", "POST", &upload, &[], "");
        self.step("the teardown", &["teardown", "--yes"], 0)?;
        Ok(())
    }

    /// Applies what cannot work; the log of what failed must be read.
    fn tells_why(&self, step: &'static str, code: i32) -> Result<(), Box<Stopped>> {
        let ran = self.step(step, &["apply", "--yes"], code)?;
        if ran.stderr.contains("cannot be read") { Err(Box::new(Stopped { step, ran })) } else { Ok(()) }
    }

    /// Removes what is left, as the owner of the account.
    pub(super) fn clean(&self) {
        self.scene.serve_after("");
        self.scene.runner(&["teardown"]).exits(0);
    }

    /// Writes the pipeline file.
    pub(super) fn write(&self, change: impl FnOnce(&mut Pipeline)) {
        let mut pipeline = self.pipeline.clone();
        change(&mut pipeline);
        fs::write(self.scene.path(FILE), pipeline.text().replacen("stages:\n", &self.target, 1)).unwrap();
    }

    /// Runs a command with the session's credentials, and with these variables.
    pub(super) fn runs(&self, arguments: &[&str], more: &[(&str, &str)]) -> Ran {
        let arguments = [arguments, &["--target", "prod"]].concat();
        let session = self.session.iter().map(|(name, value)| (*name, value.as_str()));
        self.scene.runner_with(&arguments, &session.chain(more.iter().copied()).collect::<Vec<_>>())
    }

    /// Runs a command with the session's credentials, as a step of a life.
    pub(super) fn step(&self, step: &'static str, arguments: &[&str], code: i32) -> Result<Ran, Box<Stopped>> {
        let ran = self.runs(arguments, &[]);
        if ran.code == code { Ok(ran) } else { Err(Box::new(Stopped { step, ran })) }
    }

    /// What the second deployment brings.
    fn change(&self, pipeline: &mut Pipeline) {
        pipeline.train = (self.train)(6);
        let others = pipeline.deploy_proxy.trim_start_matches('{').trim_end_matches('}').trim();
        let comma = if others.is_empty() { "" } else { ", " };
        pipeline.deploy_proxy = format!("{{ memory-mb: 512{comma}{others} }}");
    }

    /// Makes another program of the one that serves, where there is one: what stands behind an executable's last section
    /// is never looked at.
    fn change_program(&self) {
        if let Ok(mut bytes) = fs::read(self.scene.path(PROGRAM)) {
            bytes.extend(b"another");
            fs::write(self.scene.path(PROGRAM), bytes).unwrap();
        }
    }

    /// What is deployed, on other machines.
    fn other_machines(&self) -> String {
        let asked = &self.pipeline.create_endpoint;
        if asked.contains("ml.m5.large") {
            return asked.replace("ml.m5.large", "ml.m5.xlarge");
        }
        let other =
            if asked.contains("serverless") { "serverless: { memory-mb: 3072 }" } else { "instances: { count: 2 }" };
        let container = if self.pipeline.package.is_empty() { "" } else { "container: model-server, " };
        format!("{{ {container}{other} }}")
    }

    /// What is deployed, with autoscaling and alarms, which the file asks for no more.
    fn guarded(&self) -> String {
        let container = if self.pipeline.package.is_empty() { "" } else { "container: model-server, " };
        format!(
            "{{ {container}instances: {{ type: ml.m5.large }}, rollback-on: {{ errors-per-minute: 1000, latency-ms: 60000 }}, \
             autoscaling: {{ max: 4, invocations-per-instance: 100000 }} }}"
        )
    }

    /// Runs a command as whoever owns the account.
    fn as_owner(&self, arguments: &[&str]) {
        let [key, secret, _] = self.aws.key();
        let variables = [("AWS_ACCESS_KEY_ID", key), ("AWS_SECRET_ACCESS_KEY", secret)];
        self.scene.runner_with(&[arguments, &["--target", "prod"]].concat(), &variables).exits(0);
    }

    fn is_scaled(&self) -> bool {
        self.pipeline.create_endpoint.contains("autoscaling")
    }

    /// Changes how much of the endpoint there is, where nothing else says that.
    fn scale(&self) {
        let serverless = self.pipeline.create_endpoint.contains("serverless");
        let (member, wanted) = if serverless {
            ("ServerlessUpdateConfig", json!({ "MaxConcurrency": 5 }))
        } else {
            ("DesiredInstanceCount", json!(3))
        };
        let wanted = json!([{ "VariantName": "main", member: wanted }]);
        let body = json!({ "EndpointName": "fraud", "DesiredWeightsAndCapacities": wanted });
        self.aws.sagemaker("UpdateEndpointWeightsAndCapacities", &body);
        let settled = || self.aws.sagemaker("DescribeEndpoint", &json!({ "EndpointName": "fraud" })).json();
        for _ in 0..600 {
            if settled()["EndpointStatus"] == "InService" {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        panic!("it is not scaled: {}", settled());
    }

    /// Has somebody else's autoscaling change the count.
    fn scale_by_others(&self) {
        self.aws.autoscaling("RegisterScalableTarget", &of_variant(&json!({ "MinCapacity": 1, "MaxCapacity": 4 })));
        self.scale();
    }

    fn scale_no_more(&self) {
        self.aws.autoscaling("DeregisterScalableTarget", &of_variant(&json!({})));
    }

    /// Changes by hand whatever `runner` owns and can mend, beyond what a first deployment writes anyway.
    fn disturb(&self) {
        let aws = &self.aws;
        let everything = json!({ "Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Action": "s3:*", "Resource": "*"
        }] })
        .to_string();
        let policy = "arn:aws:iam::000000000000:policy/theirs";
        if !aws.iam("ListPolicies", &[]).text.contains(policy) {
            aws.iam("CreatePolicy", &[("PolicyName", "theirs"), ("PolicyDocument", &everything)]);
        }
        for service in ["sagemaker", "lambda"] {
            let name = if service == "lambda" { "fraud-us-east-1-proxy" } else { "fraud-us-east-1-sagemaker" };
            let role = ("RoleName", name);
            aws.iam("PutRolePolicy", &[role, ("PolicyName", "theirs"), ("PolicyDocument", &everything)]);
            aws.iam("AttachRolePolicy", &[role, ("PolicyArn", policy)]);
            let trust = json!({ "Version": "2012-10-17", "Statement": [{
                "Effect": "Allow",
                "Principal": { "Service": format!("{service}.amazonaws.com") },
                "Action": "sts:AssumeRole"
            }] });
            aws.iam("UpdateAssumeRolePolicy", &[role, ("PolicyDocument", &trust.to_string())]);
        }

        let code = json!({ "ZipFile": BASE64_STANDARD.encode(other_code()) }).to_string();
        aws.signed("lambda", "PUT", &format!("/2015-03-31/functions/{FUNCTION}/code"), &[], &code);

        let apis = aws.signed("apigateway", "GET", "/v2/apis", &[], "").json();
        let api = apis["items"][0]["apiId"].as_str().unwrap().to_owned();
        let stage =
            json!({ "defaultRouteSettings": { "throttlingBurstLimit": 1, "throttlingRateLimit": 1 } }).to_string();
        aws.signed("apigateway", "PATCH", &format!("/v2/apis/{api}/stages/$default"), &[], &stage);

        let open = json!({ "Version": "2012-10-17", "Statement": [{
            "Effect": "Deny", "Principal": "*", "Action": "s3:PutBucketWebsite", "Resource": format!("arn:aws:s3:::{BUCKET}")
        }] });
        aws.signed("s3", "PUT", &format!("/{BUCKET}?policy="), &[], open.to_string());

        // An image of our own is asked for now, or was by an earlier file; so it is with access logs.
        let repository = "runner/fraud";
        if self.pipeline.package.is_empty() {
            let tags = json!([{ "Key": "runner:pipeline", "Value": "fraud" }]);
            aws.ecr("CreateRepository", &json!({ "repositoryName": repository, "tags": tags }));
        } else {
            let moving = json!({ "repositoryName": repository, "imageTagMutability": "MUTABLE" });
            aws.ecr("PutImageTagMutability", &moving);
        }
        if self.is_scaled() {
            let metric = json!({ "PredefinedMetricType": "SageMakerVariantInvocationsPerInstance" });
            let tracking = json!({ "TargetValue": 100_000.0, "PredefinedMetricSpecification": metric });
            let policy = json!({
                "PolicyName": "theirs", "PolicyType": "TargetTrackingScaling", "TargetTrackingScalingPolicyConfiguration": tracking,
            });
            aws.autoscaling("PutScalingPolicy", &of_variant(&policy));
        }
        if self.pipeline.deploy_proxy.contains("access-logs: false") {
            let tags = json!({ "runner:pipeline": "fraud" });
            aws.logs("CreateLogGroup", &json!({ "logGroupName": "/aws/vendedlogs/apis/fraud", "tags": tags }));
        }
    }
}

/// Members of a call of autoscaling about the endpoint's machines.
fn of_variant(more: &Json) -> Json {
    let mut body = json!({
        "ServiceNamespace": "sagemaker", "ResourceId": "endpoint/fraud/variant/main",
        "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
    });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

/// A folder whose local cloud runs and holds nothing: its deployment stopped at the gate.
fn started() -> Scene {
    let train = "{ data: { generate: { rows: 2000, seed: 42 } }, require: { average-precision: 1.0, roc-auc: 1.0 }, \
                 algorithm: { gradient-boosting: { trees: 1, depth: 1 } } }";
    let scene = Scene::bare(&Pipeline {
        local: "{ iam-propagation-ms: 0 }".to_owned(),
        train: train.to_owned(),
        ..Pipeline::default()
    })
    .scripted();
    scene.runner(&["apply"]).exits(3);
    scene
}

fn other_code() -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    zip.start_file("bootstrap", SimpleFileOptions::default().unix_permissions(0o755)).unwrap();
    zip.write_all(b"#!/bin/sh\nexit 1\n").unwrap();
    zip.finish().unwrap().into_inner()
}
