//! SageMaker's control plane.

use std::thread;
use std::time::Duration;

use serde_json::{Value as Json, json};

use super::bench::{BUCKET, Bench, IMAGE, ROLE, ROLE_ARN, Said};
use super::image;
use crate::harness::archive;

use super::{Case, each_is_answered_as_on_aws};

const CASES: &[Case] = &[
    ("CreateModel", "name already used", |b| b.sagemaker("CreateModel", &model(&b.model(), ROLE_ARN, IMAGE, &data(b)))),
    ("CreateEndpointConfig", "name already used", |b| {
        b.sagemaker("CreateEndpointConfig", &config(&b.config(), &b.model()))
    }),
    ("CreateEndpoint", "name already used (any status)", |b| {
        b.sagemaker("CreateEndpoint", &endpoint("fraud", &b.config()))
    }),
    ("DescribeModel", "absent", |b| b.sagemaker("DescribeModel", &json!({ "ModelName": "none" }))),
    ("DeleteModel", "absent", |b| b.sagemaker("DeleteModel", &json!({ "ModelName": "none" }))),
    ("DescribeEndpointConfig", "absent", |b| {
        b.sagemaker("DescribeEndpointConfig", &json!({ "EndpointConfigName": "none" }))
    }),
    ("DeleteEndpointConfig", "absent", |b| {
        b.sagemaker("DeleteEndpointConfig", &json!({ "EndpointConfigName": "none" }))
    }),
    ("DescribeEndpoint", "absent", |b| b.sagemaker("DescribeEndpoint", &json!({ "EndpointName": "none" }))),
    ("DeleteEndpoint", "absent", |b| b.sagemaker("DeleteEndpoint", &json!({ "EndpointName": "none" }))),
    ("UpdateEndpoint", "endpoint absent", |b| b.sagemaker("UpdateEndpoint", &endpoint("none", &b.config()))),
    ("UpdateEndpoint", "new config absent or just created", |b| {
        b.sagemaker("UpdateEndpoint", &endpoint("fraud", "none"))
    }),
    ("UpdateEndpoint", "currently attached config was deleted", without_its_config),
    ("CreateEndpoint", "config absent or just created", |b| b.sagemaker("CreateEndpoint", &endpoint("other", "none"))),
    ("CreateEndpoint", "model behind config absent", without_its_model),
    ("CreateEndpointConfig", "model absent", |b| b.sagemaker("CreateEndpointConfig", &config("other", "none"))),
    ("DeleteEndpoint", "Creating/Updating/RollingBack/Deleting/SystemUpdating", |b| {
        b.aws.sagemaker("CreateEndpoint", &endpoint("deleted-too-early", &b.config()));
        b.sagemaker("DeleteEndpoint", &json!({ "EndpointName": "deleted-too-early" }))
    }),
    ("UpdateEndpoint", "another update in flight", |b| {
        b.aws.sagemaker("CreateEndpoint", &endpoint("updated-too-early", &b.config()));
        b.sagemaker("UpdateEndpoint", &endpoint("updated-too-early", &b.config()))
    }),
    ("UpdateEndpointWeightsAndCapacities", "another update in flight", |b| {
        b.aws.sagemaker("CreateEndpoint", &endpoint("scaled-too-early", &b.config()));
        let wanted = json!([{ "VariantName": "main", "DesiredInstanceCount": 2 }]);
        let body = json!({ "EndpointName": "scaled-too-early", "DesiredWeightsAndCapacities": wanted });
        b.sagemaker("UpdateEndpointWeightsAndCapacities", &body)
    }),
    ("UpdateEndpoint", "status Failed", |b| {
        broken(b, "failed", ROLE_ARN);
        b.sagemaker("UpdateEndpoint", &endpoint("failed", &b.config()))
    }),
    ("UpdateEndpoint", "instance endpoint to serverless", |b| {
        let mut serverless = config("serverless", &b.model());
        let sizes = json!({ "MemorySizeInMB": 2048, "MaxConcurrency": 1 });
        serverless["ProductionVariants"] =
            json!([{ "VariantName": "main", "ModelName": b.model(), "ServerlessConfig": sizes }]);
        b.aws.sagemaker("CreateEndpointConfig", &serverless);
        b.sagemaker("UpdateEndpoint", &endpoint("fraud", "serverless"))
    }),
    ("CreateEndpoint", "instance quota", |b| {
        b.aws.put_quotas(&json!({ "ml.t2.medium for endpoint usage": 1 }));
        let said = b.sagemaker("CreateEndpoint", &endpoint("one-too-many", &b.config()));
        b.aws.put_quotas(&json!({ "ml.t2.medium for endpoint usage": 100 }));
        said
    }),
    ("UpdateEndpoint", "caller lacks right on endpoint-config ARN", |b| {
        let actions = &["sagemaker:DescribeEndpoint"];
        let asked = b.asked_by("of-endpoints-alone", actions);
        let arn = "arn:aws:sagemaker:us-east-1:000000000000:endpoint/fraud";
        let statement = json!({ "Effect": "Allow", "Action": "sagemaker:UpdateEndpoint", "Resource": arn });
        let policy = json!({ "Version": "2012-10-17", "Statement": [statement] }).to_string();
        let more = [("RoleName", "of-endpoints-alone"), ("PolicyName", "more"), ("PolicyDocument", &*policy)];
        b.aws.iam("PutRolePolicy", &more);
        asked.sagemaker("UpdateEndpoint", &endpoint("fraud", &b.config()))
    }),
    ("CreateModel", "caller lacks iam:PassRole", |b| {
        let asked = b.asked_by("not-passing", &["sagemaker:*"]);
        asked.sagemaker("CreateModel", &model("passed", ROLE_ARN, IMAGE, &data(b)))
    }),
    ("CreateModel", "execution role not assumable yet", |b| {
        let role = role(b, "of-lambda", "lambda.amazonaws.com", "*");
        b.sagemaker("CreateModel", &model("other", &role, IMAGE, &data(b)))
    }),
    ("CreateTrainingJob", "execution role not assumable yet", |b| {
        let role = role(b, "not-of-training", "lambda.amazonaws.com", "*");
        b.sagemaker("CreateTrainingJob", &training_job("other", &role))
    }),
    ("CreateModel", "model archive unreadable or absent, or role just created", |b| {
        b.sagemaker("CreateModel", &model("other", ROLE_ARN, IMAGE, &format!("s3://{BUCKET}/models/none/model.tar.gz")))
    }),
    ("CreateModel", "registry account wrong for region, repo absent, or repo policy", |b| {
        b.sagemaker("CreateModel", &model("other", ROLE_ARN, &IMAGE.replace("683313688378", "141502667606"), &data(b)))
    }),
    ("CreateModel", "OCI index pushed", |b| pushed(b, image::OCI_INDEX)),
    ("CreateModel", "single OCI manifest pushed", |b| pushed(b, image::OCI)),
    ("CreateModel", "image without tag/digest or malformed", |b| {
        b.sagemaker("CreateModel", &model("other", ROLE_ARN, "nginx", &data(b)))
    }),
    ("CreateModel", "name breaks pattern/length", |b| {
        b.sagemaker("CreateModel", &model(&"_".repeat(64), ROLE_ARN, IMAGE, &data(b)))
    }),
    ("CreateEndpointConfig", "instance type outside the enum", |b| {
        let mut config = config("other", &b.model());
        config["ProductionVariants"][0]["InstanceType"] = "ml.huge".into();
        b.sagemaker("CreateEndpointConfig", &config)
    }),
    ("CreateEndpointConfig", "serverless memory invalid", |b| {
        let sizes = json!({ "MemorySizeInMB": 1000, "MaxConcurrency": 1 });
        let variant = json!({ "VariantName": "main", "ModelName": b.model(), "ServerlessConfig": sizes });
        b.sagemaker("CreateEndpointConfig", &json!({ "EndpointConfigName": "other", "ProductionVariants": [variant] }))
    }),
    ("CreateTrainingJob", "job name already used", |b| {
        let role = role(b, "of-training", "sagemaker.amazonaws.com", "*");
        b.aws.signed("s3", "PUT", &format!("/{BUCKET}/training/rows.csv"), &[], "0,1\n1,2\n");
        b.aws.sagemaker("CreateTrainingJob", &training_job("job", &role));
        b.sagemaker("CreateTrainingJob", &training_job("job", &role))
    }),
    ("DescribeTrainingJob", "absent", |b| b.sagemaker("DescribeTrainingJob", &json!({ "TrainingJobName": "none" }))),
    ("StopTrainingJob", "absent", |b| b.sagemaker("StopTrainingJob", &json!({ "TrainingJobName": "none" }))),
    ("DescribeEndpoint (FailureReason)", "container unhealthy", |b| broken(b, "unhealthy", ROLE_ARN)),
    ("DescribeEndpoint (FailureReason)", "no capacity", |b| {
        b.aws.sagemaker("CreateModel", &model("unprovided", ROLE_ARN, IMAGE, &data(b)));
        b.aws.end_next("CreateEndpoint", &json!("no-capacity"));
        failed(b, "unprovided")
    }),
    ("DescribeTrainingJob (FailureReason)", "capacity", |b| untrained(b, "no-capacity")),
    ("DescribeTrainingJob (FailureReason)", "service fault", |b| untrained(b, "service-fault")),
    ("DescribeEndpoint (FailureReason)", "role cannot pull image", |b| {
        let role = role(b, "without-image", "sagemaker.amazonaws.com", "s3:GetObject");
        broken(b, "no-image", &role)
    }),
    ("DescribeEndpoint (FailureReason)", "image missing/forbidden", |b| {
        let role = role(b, "without-layers", "sagemaker.amazonaws.com", r#"["s3:GetObject","ecr:BatchGetImage"]"#);
        broken(b, "no-layers", &role)
    }),
    ("DescribeEndpoint (FailureReason)", "artifact missing at start", |b| {
        let url = put_broken(b, "gone");
        b.aws.sagemaker("CreateModel", &model("gone", ROLE_ARN, IMAGE, &url));
        b.aws.signed("s3", "DELETE", &format!("/{BUCKET}/models/gone/model.tar.gz"), &[], "");
        failed(b, "gone")
    }),
];

#[test]
fn sagemaker_answers_as_on_aws() {
    each_is_answered_as_on_aws("sagemaker", &Bench::deployed(), CASES);
}

fn model(name: &str, role: &str, image: &str, data: &str) -> Json {
    json!({ "ModelName": name, "ExecutionRoleArn": role, "PrimaryContainer": { "Image": image, "ModelDataUrl": data } })
}

fn config(name: &str, model: &str) -> Json {
    let variant =
        json!({ "VariantName": "main", "ModelName": model, "InstanceType": "ml.t2.medium", "InitialInstanceCount": 1 });
    json!({ "EndpointConfigName": name, "ProductionVariants": [variant] })
}

fn endpoint(name: &str, config: &str) -> Json {
    json!({ "EndpointName": name, "EndpointConfigName": config })
}

fn training_job(name: &str, role: &str) -> Json {
    let rows = json!({ "S3DataSource": { "S3DataType": "S3Prefix", "S3Uri": format!("s3://{BUCKET}/training/") } });
    json!({
        "TrainingJobName": name, "RoleArn": role,
        "AlgorithmSpecification": { "TrainingImage": IMAGE, "TrainingInputMode": "File" },
        "InputDataConfig": [{ "ChannelName": "train", "ContentType": "text/csv", "DataSource": rows }],
        "OutputDataConfig": { "S3OutputPath": format!("s3://{BUCKET}/training/output") },
        "ResourceConfig": { "InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1 },
        "StoppingCondition": { "MaxRuntimeInSeconds": 60 },
        "HyperParameters": { "num_round": "1" },
    })
}

/// Why a job failed that ends so.
fn untrained(b: &Bench, outcome: &str) -> Said {
    let role = role(b, &format!("of-{outcome}"), "sagemaker.amazonaws.com", "*");
    b.aws.signed("s3", "PUT", &format!("/{BUCKET}/training/rows.csv"), &[], "0,1\n1,2\n");
    b.aws.end_next("CreateTrainingJob", &json!(outcome));
    b.aws.sagemaker("CreateTrainingJob", &training_job(outcome, &role));
    let job = || b.aws.sagemaker("DescribeTrainingJob", &json!({ "TrainingJobName": outcome })).json();
    Said::reason(&until(job, |job| job["TrainingJobStatus"] == "Failed"))
}

/// Asks until the answer is what is waited for.
fn until(ask: impl Fn() -> Json, done: impl Fn(&Json) -> bool) -> Json {
    for _ in 0..600 {
        let answer = ask();
        if done(&answer) {
            return answer;
        }
        thread::sleep(Duration::from_millis(50));
    }
    panic!("not within 30 s: {}", ask());
}

/// Where the deployed model's archive is.
fn data(b: &Bench) -> String {
    let model = b.aws.sagemaker("DescribeModel", &json!({ "ModelName": b.model() })).json();
    model["PrimaryContainer"]["ModelDataUrl"].as_str().unwrap().to_owned()
}

/// A role that a service may assume, and that may do these actions; its ARN.
pub(super) fn role(b: &Bench, name: &str, service: &str, actions: &str) -> String {
    let trust = json!({ "Version": "2012-10-17", "Statement": [
        { "Effect": "Allow", "Principal": { "Service": service }, "Action": "sts:AssumeRole" }
    ] });
    let actions: Json = serde_json::from_str(actions).unwrap_or_else(|_| actions.into());
    let policy =
        json!({ "Version": "2012-10-17", "Statement": [{ "Effect": "Allow", "Action": actions, "Resource": "*" }] });
    b.aws.iam("CreateRole", &[("RoleName", name), ("AssumeRolePolicyDocument", &trust.to_string())]);
    b.aws.iam("PutRolePolicy", &[("RoleName", name), ("PolicyName", "all"), ("PolicyDocument", &policy.to_string())]);
    assert_ne!(name, ROLE);
    format!("arn:aws:iam::000000000000:role/{name}")
}

/// An archive in which the model is none; its URL.
fn put_broken(b: &Bench, name: &str) -> String {
    let key = format!("models/{name}/model.tar.gz");
    let model = archive::entry("xgboost-model", b'0', "", b"no model");
    b.aws.signed("s3", "PUT", &format!("/{BUCKET}/{key}"), &[], archive::gzipped(&model));
    format!("s3://{BUCKET}/{key}")
}

/// An endpoint that cannot come up, and why SageMaker says it did not.
fn broken(b: &Bench, name: &str, role: &str) -> Said {
    let url = put_broken(b, name);
    b.aws.sagemaker("CreateModel", &model(name, role, IMAGE, &url));
    failed(b, name)
}

/// Serves a model that cannot be served; the reason of its failure.
fn failed(b: &Bench, name: &str) -> Said {
    Said::reason(&serve(b, name, "Failed"))
}

/// Serves a model on an endpoint of the same name, and describes it once it has that status.
pub(super) fn serve(b: &Bench, name: &str, status: &str) -> Json {
    b.aws.sagemaker("CreateEndpointConfig", &config(name, name));
    b.aws.sagemaker("CreateEndpoint", &endpoint(name, name));
    let described = || b.aws.sagemaker("DescribeEndpoint", &json!({ "EndpointName": name })).json();
    let endpoint = until(described, |endpoint| endpoint["EndpointStatus"] != "Creating");
    assert_eq!(endpoint["EndpointStatus"], status, "{endpoint}");
    endpoint
}

/// What is said of an image whose manifest is of that kind.
fn pushed(b: &Bench, media_type: &str) -> Said {
    let tag = media_type.rsplit('.').nth(1).unwrap();
    let tag = format!("{tag}-{}", media_type.len());
    image::push(&b.aws, media_type, b"a program", &tag);
    let role = role(b, &format!("of-{tag}"), "sagemaker.amazonaws.com", "*");
    b.sagemaker("CreateModel", &model("other", &role, &image::name(&tag), &data(b)))
}

fn without_its_config(b: &Bench) -> Said {
    b.aws.sagemaker("CreateModel", &model("bereft", ROLE_ARN, IMAGE, &data(b)));
    serve(b, "bereft", "InService");
    b.aws.sagemaker("DeleteEndpointConfig", &json!({ "EndpointConfigName": "bereft" }));
    b.sagemaker("UpdateEndpoint", &endpoint("bereft", &b.config()))
}

fn without_its_model(b: &Bench) -> Said {
    b.aws.sagemaker("CreateModel", &model("short-lived", ROLE_ARN, IMAGE, &data(b)));
    b.aws.sagemaker("CreateEndpointConfig", &config("of-short-lived", "short-lived"));
    b.aws.sagemaker("DeleteModel", &json!({ "ModelName": "short-lived" }));
    b.sagemaker("CreateEndpoint", &endpoint("other", "of-short-lived"))
}
