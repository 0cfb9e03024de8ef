//! A local cloud with a deployment in it, and calls whose answers are looked at whatever they are.

use std::fmt;
use std::rc::Rc;

use serde_json::{Value as Json, json};

use crate::harness::{Answer, Aws, Pipeline, Scene};

/// The default pipeline's bucket.
pub(super) const BUCKET: &str = "fraud-000000000000-us-east-1";
/// The default pipeline's role of the endpoint.
pub(super) const ROLE: &str = "fraud-us-east-1-sagemaker";
/// Its ARN.
pub(super) const ROLE_ARN: &str = "arn:aws:iam::000000000000:role/runner/fraud-us-east-1-sagemaker";
/// The default pipeline's image.
pub(super) const IMAGE: &str = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1";

/// What an answer said, in whatever protocol.
#[derive(Clone, Debug, Default)]
pub(super) struct Said {
    pub(super) status: u16,
    /// Empty when it named none.
    pub(super) code: String,
    pub(super) message: String,
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.status, self.code, self.message)
    }
}

impl Said {
    /// Of a service that speaks JSON.
    pub(super) fn of(answer: &Answer) -> Self {
        let body = answer.json();
        let text = |names: &[&str]| names.iter().find_map(|name| body[*name].as_str()).unwrap_or_default().to_owned();
        // What follows a colon is no part of it.
        let name = answer.headers.get("x-amzn-errortype").and_then(|name| name.to_str().ok());
        let header = name.and_then(|name| name.split(':').next()).map(ToOwned::to_owned);
        Self {
            status: answer.status,
            code: header.unwrap_or_else(|| text(&["__type", "Code"])),
            message: text(&["message", "Message"]),
        }
    }

    /// Of a service that speaks XML.
    fn xml(answer: &Answer) -> Self {
        let element = |name: &str| {
            let (_, rest) = answer.text.split_once(&format!("<{name}>"))?;
            let text = rest.split_once("</")?.0;
            Some(text.replace("&quot;", "\"").replace("&apos;", "'").replace("&amp;", "&"))
        };
        let element = |name: &str| element(name).unwrap_or_default();
        Self { status: answer.status, code: element("Code"), message: element("Message") }
    }

    /// What `DescribeEndpoint` gives as the reason of a failure.
    pub(super) fn reason(endpoint: &Json) -> Self {
        let message = endpoint["FailureReason"].as_str().unwrap_or_default().to_owned();
        Self { status: 200, code: "-".to_owned(), message }
    }

    /// The body as it is.
    pub(super) fn body(answer: &Answer) -> Self {
        Self { status: answer.status, code: "-".to_owned(), message: answer.text.clone() }
    }
}

/// A cloud to ask.
pub(super) struct Bench {
    pub(super) scene: Rc<Scene>,
    pub(super) aws: Aws,
}

impl Bench {
    /// With the default pipeline applied.
    pub(super) fn deployed() -> Self {
        let scene = Rc::new(Scene::new(&Pipeline::default()));
        scene.apply();
        Self { aws: scene.aws(), scene }
    }

    /// With nothing in it, told how long things take and which region it is.
    pub(super) fn empty(flags: &[&str]) -> Self {
        let scene = Rc::new(Scene::new(&Pipeline::default()));
        Self { aws: scene.serve(flags), scene }
    }

    /// The same cloud, asked by a role that may do these actions.
    pub(super) fn asked_by(&self, role: &str, actions: &[&str]) -> Self {
        let document = |statement: Json| json!({ "Version": "2012-10-17", "Statement": [statement] }).to_string();
        let trust = document(json!({
            "Effect": "Allow", "Principal": { "AWS": "000000000000" }, "Action": "sts:AssumeRole"
        }));
        let policy = document(json!({ "Effect": "Allow", "Action": actions, "Resource": "*" }));
        self.aws.iam("CreateRole", &[("RoleName", role), ("AssumeRolePolicyDocument", &trust)]);
        self.aws.iam("PutRolePolicy", &[("RoleName", role), ("PolicyName", "all"), ("PolicyDocument", &policy)]);
        let aws = self.aws.as_session(&format!("arn:aws:iam::000000000000:role/{role}"));
        Self { scene: Rc::clone(&self.scene), aws }
    }

    /// The same cloud, in which things now take as long as is told.
    pub(super) fn restarted(self, flags: &[&str]) -> Self {
        let Self { scene, .. } = self;
        scene.runner(&["local", "stop"]).exits(0);
        Self { aws: scene.serve(flags), scene }
    }

    pub(super) fn sagemaker(&self, operation: &str, body: &Json) -> Said {
        Said::of(&self.aws.ask_json("sagemaker", &format!("SageMaker.{operation}"), body))
    }

    pub(super) fn logs(&self, operation: &str, body: &Json) -> Said {
        Said::of(&self.aws.ask_json("logs", &format!("Logs_20140328.{operation}"), body))
    }

    pub(super) fn ecr(&self, operation: &str, body: &Json) -> Said {
        Said::of(&self.aws.ask_json("ecr", &format!("AmazonEC2ContainerRegistry_V20150921.{operation}"), body))
    }

    pub(super) fn iam(&self, action: &str, members: &[(&str, &str)]) -> Said {
        Said::xml(&self.aws.ask_iam(action, members))
    }

    pub(super) fn s3(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Said {
        let answer = self.aws.ask("s3", method, path, headers, body);
        let said = Said::xml(&answer);
        // An answer to HEAD has no body; the SDK makes up its code.
        if method == "HEAD" { Said { code: answer.status.to_string(), ..said } } else { said }
    }

    /// A call of a REST service.
    pub(super) fn rest(&self, service: &str, method: &str, path: &str, body: &Json) -> Said {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        Said::of(&self.aws.ask(service, method, path, &[("content-type", "application/json")], &body))
    }

    /// Of the deployed pipeline.
    pub(super) fn model(&self) -> String {
        let models = self.aws.sagemaker("ListModels", &json!({ "NameContains": "fraud-" })).json();
        models["Models"][0]["ModelName"].as_str().unwrap().to_owned()
    }

    /// Of the deployed pipeline.
    pub(super) fn config(&self) -> String {
        let endpoint = self.aws.sagemaker("DescribeEndpoint", &json!({ "EndpointName": "fraud" })).json();
        endpoint["EndpointConfigName"].as_str().unwrap().to_owned()
    }
}
