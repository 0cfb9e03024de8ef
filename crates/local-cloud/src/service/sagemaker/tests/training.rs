//! What `CreateTrainingJob` asks for, what comes of it, and what it is refused for.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::Read as _;

use flate2::read::GzDecoder;

use super::permissions::{ROLE, allow, create_role, iam_call};
use super::*;
use crate::server::{Service, dispatch};
use crate::service::logs;

/// A program that trains nothing: the variable `MODE` says how it ends. `$0` is the argument that the service appends.
const PROGRAM: &str = r#"
[ "$0" = train ] || exit 9
case "$MODE" in
    fail) printf 'no two classes\n' > output/failure; echo partial > model/xgboost-model; exit 1 ;;
    crash) kill -9 $$ ;;
    slow) trap 'echo half > model/xgboost-model; exit 0' TERM; echo "pid $$"; while :; do sleep 0.02; done ;;
    nothing) ;;
    *)
        printf '[0]\ttrain-logloss:0.5\n[1]\ttrain-logloss:0.25\tvalidation-logloss:0.3\n'
        env | sed "s|$SAGEMAKER_BASE_DIR|BASE|" | grep -v '^_=\|^SHLVL=\|^OLDPWD=' | sort > model/environment
        cat input/config/hyperparameters.json input/config/inputdataconfig.json > model/config
        cat input/data/train/* input/data/validation/2026/* > model/xgboost-model
        echo curve > output/data/curve ;;
esac
"#;

/// The command that stands in for an image.
pub(super) fn program() -> Vec<OsString> {
    ["/bin/sh", "-c", PROGRAM].map(OsString::from).to_vec()
}

/// A cloud with a role that may train, and with rows in a bucket.
pub(super) async fn ready() -> (Arc<Cloud>, TempDir) {
    let (cloud, dir) = fresh().await;
    create_role(&cloud, "sagemaker.amazonaws.com").await;
    allow(&cloud, json!(["s3:ListBucket", "s3:GetObject", "s3:PutObject", "ecr:*", "logs:*"]), "*").await;
    let rows = [("in/train/a.csv", "1,2\n"), ("in/train/b.csv", "0,3\n"), ("in/validation/2026/c.csv", "1,4\n")];
    cloud.s3.bucket_for_test("data", &rows).await;
    (cloud, dir)
}

fn channel(name: &str, uri: &str) -> Value {
    let source = json!({ "S3DataType": "S3Prefix", "S3Uri": uri, "S3DataDistributionType": "FullyReplicated" });
    json!({ "ChannelName": name, "ContentType": "text/csv", "DataSource": { "S3DataSource": source } })
}

pub(super) fn job(mode: &str) -> Value {
    json!({
        "TrainingJobName": "Fraud-1",
        "AlgorithmSpecification": { "TrainingImage": IMAGE, "TrainingInputMode": "File" },
        "RoleArn": ROLE,
        "HyperParameters": { "num_round": "10" },
        "InputDataConfig": [channel("train", "s3://data/in/train"), channel("validation", "s3://data/in/validation/")],
        "OutputDataConfig": { "S3OutputPath": "s3://data/out/" },
        "ResourceConfig": { "InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 10 },
        "StoppingCondition": { "MaxRuntimeInSeconds": 3600 },
        "Environment": { "MODE": mode },
    })
}

pub(super) async fn described(cloud: &Arc<Cloud>) -> Value {
    call(cloud, "DescribeTrainingJob", json!({ "TrainingJobName": "Fraud-1" })).await.unwrap()
}

/// Waits until the job is in one of the final states, and says what it is then.
pub(super) async fn ended(cloud: &Arc<Cloud>) -> Value {
    let start = Instant::now();
    loop {
        let job = described(cloud).await;
        if !["InProgress", "Stopping"].contains(&job["TrainingJobStatus"].as_str().unwrap()) {
            return job;
        }
        assert!(start.elapsed() < Duration::from_secs(30), "still {job}");
        sleep(Duration::from_millis(5)).await;
    }
}

/// The phases of a job, one after the other.
pub(super) fn phases(job: &Value) -> String {
    let phases = job["SecondaryStatusTransitions"].as_array().unwrap().iter();
    phases.map(|phase| phase["Status"].as_str().unwrap()).collect::<Vec<_>>().join(" ")
}

/// Lines of the job's log, by stream.
pub(super) async fn logged(cloud: &Arc<Cloud>) -> BTreeMap<String, Vec<String>> {
    let ask = async |operation: &str, body: Value| -> Value {
        let call = request(operation, "/", body.to_string().into());
        logs::handle(cloud, &call).await.map_or(Value::Null, |answer| serde_json::from_slice(answer.body()).unwrap())
    };
    let group = json!({ "logGroupName": "/aws/sagemaker/TrainingJobs" });
    let found = ask("FilterLogEvents", group).await;
    let mut lines: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for event in found["events"].as_array().into_iter().flatten() {
        let text = |key: &str| event[key].as_str().unwrap().to_owned();
        lines.entry(text("logStreamName")).or_default().push(text("message"));
    }
    lines
}

/// Files of a result, by name.
pub(super) fn unpacked(cloud: &Cloud, key: &str) -> Option<BTreeMap<String, String>> {
    let archive = cloud.s3.object("data", key)?;
    let mut files = BTreeMap::new();
    for entry in tar::Archive::new(GzDecoder::new(&archive[..])).entries().unwrap() {
        let mut entry = entry.unwrap();
        if entry.header().entry_type().is_file() {
            let mut text = String::new();
            entry.read_to_string(&mut text).unwrap();
            files.insert(entry.path().unwrap().display().to_string(), text);
        }
    }
    Some(files)
}

#[tokio::test]
async fn a_job_gets_its_channels_and_leaves_its_model_where_the_description_says() {
    let (cloud, dir) = ready().await;
    let created = call(&cloud, "CreateTrainingJob", job("")).await.unwrap();
    let arn = "arn:aws:sagemaker:us-east-1:123456789012:training-job/fraud-1";
    assert_eq!(created, json!({ "TrainingJobArn": arn }));
    assert!(!cloud.sagemaker.is_empty());
    let done = ended(&cloud).await;
    assert_eq!(done["TrainingJobStatus"], "Completed", "{done}");
    assert_eq!(phases(&done), "Starting Downloading Training Uploading Completed");
    assert_eq!(done["ModelArtifacts"]["S3ModelArtifacts"], "s3://data/out/Fraud-1/output/model.tar.gz");
    assert_eq!((&done["BillableTimeInSeconds"], &done["HyperParameters"]["num_round"]), (&json!(1), &json!("10")));
    let metric =
        |at: usize| (&done["FinalMetricDataList"][at]["MetricName"], &done["FinalMetricDataList"][at]["Value"]);
    assert_eq!(metric(0), (&json!("train:logloss"), &json!(0.25)));
    assert_eq!(metric(1), (&json!("validation:logloss"), &json!(0.3)));

    let model = unpacked(&cloud, "out/Fraud-1/output/model.tar.gz").unwrap();
    assert_eq!(model["xgboost-model"], "1,2\n0,3\n1,4\n");
    insta::assert_snapshot!(model["config"], @r#"{"num_round":"10"}{"train":{"ContentType":"text/csv","RecordWrapperType":"None","S3DistributionType":"FullyReplicated","TrainingInputMode":"File"},"validation":{"ContentType":"text/csv","RecordWrapperType":"None","S3DistributionType":"FullyReplicated","TrainingInputMode":"File"}}"#);
    insta::assert_snapshot!(model["environment"], @"
    AWS_REGION=us-east-1
    MODE=
    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
    PWD=BASE
    SAGEMAKER_BASE_DIR=BASE
    TRAINING_JOB_ARN=arn:aws:sagemaker:us-east-1:123456789012:training-job/fraud-1
    TRAINING_JOB_NAME=Fraud-1
    ");
    assert_eq!(unpacked(&cloud, "out/Fraud-1/output/output.tar.gz").unwrap()["curve"], "curve\n");

    let logged = logged(&cloud).await;
    let (stream, lines) = logged.iter().next().unwrap();
    assert!(stream.starts_with("Fraud-1/algo-1-1"), "{stream}");
    assert_eq!(lines, &["[0]#011train-logloss:0.5", "[1]#011train-logloss:0.25#011validation-logloss:0.3"]);
    assert!(cloud.sagemaker.is_empty() && !dir.path().join("sagemaker/training/fraud-1").exists());
    cloud.shut_down().await;
}

#[tokio::test]
async fn a_job_that_cannot_be_begun_is_refused_in_the_words_of_aws() {
    let (cloud, _dir) = ready().await;
    let with = |key: &str, value: Value| {
        let mut job = job("nothing");
        job[key] = value;
        job
    };
    let mut told = Vec::new();
    for body in [
        json!({ "TrainingJobName": "-" }),
        with("HyperParameters", json!({ "eta": "x".repeat(2501) })),
        with("InputDataConfig", json!([{ "ChannelName": "a b" }])),
        with("StoppingCondition", json!({ "MaxRuntimeInSeconds": 0 })),
        with("RoleArn", json!("arn:aws:iam::123456789012:role/other")),
        with("InputDataConfig", json!([channel("train", "s3://data/nowhere/")])),
        with("InputDataConfig", json!([channel("train", "s3://nowhere/train/")])),
        with("AlgorithmSpecification", json!({ "TrainingImage": "xgboost", "TrainingInputMode": "File" })),
        with("AlgorithmSpecification", json!({ "TrainingImage": IMAGE, "TrainingInputMode": "Pipe" })),
    ] {
        let refused = call(&cloud, "CreateTrainingJob", body).await.unwrap_err();
        told.push(refused.replace(&"x".repeat(2501), "x…"));
    }
    for operation in ["DescribeTrainingJob", "StopTrainingJob", "DeleteTrainingJob"] {
        told.push(call(&cloud, operation, json!({ "TrainingJobName": "Fraud-1" })).await.unwrap_err());
    }
    call(&cloud, "CreateTrainingJob", job("nothing")).await.unwrap();
    ended(&cloud).await;
    told.push(call(&cloud, "CreateTrainingJob", with("TrainingJobName", json!("FRAUD-1"))).await.unwrap_err());
    told.push(call(&cloud, "StopTrainingJob", json!({ "TrainingJobName": "Fraud-1" })).await.unwrap_err());
    insta::assert_snapshot!(told.join("\n"), @r#"
    ValidationException: 3 validation errors detected: Value '-' at 'trainingJobName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}; Value null at 'roleArn' failed to satisfy constraint: Member must not be null; Value null at 'outputDataConfig' failed to satisfy constraint: Member must not be null
    ValidationException: 1 validation error detected: Value 'x…' at 'hyperParameters' failed to satisfy constraint: Member must have length less than or equal to 2500
    ValidationException: 2 validation errors detected: Value 'a b' at 'inputDataConfig.1.member.channelName' failed to satisfy constraint: Member must satisfy regular expression pattern: [A-Za-z0-9\.\-_]+; Value null at 'inputDataConfig.1.member.dataSource' failed to satisfy constraint: Member must not be null
    ValidationException: 1 validation error detected: Value '0' at 'stoppingCondition.maxRuntimeInSeconds' failed to satisfy constraint: Member must have value greater than or equal to 1
    ValidationException: Could not assume role arn:aws:iam::123456789012:role/other. Please ensure that the role exists and allows principal 'sagemaker.amazonaws.com' to assume the role.
    ValidationException: No S3 objects found under S3 URL "s3://data/nowhere/" given in input data source. Please ensure that the bucket exists in the selected region (us-east-1), that objects exist under that S3 prefix, and that the role "arn:aws:iam::123456789012:role/ex" has "s3:ListBucket" permissions on bucket "data".
    ValidationException: No S3 objects found under S3 URL "s3://nowhere/train/" given in input data source. Please ensure that the bucket exists in the selected region (us-east-1), that objects exist under that S3 prefix, and that the role "arn:aws:iam::123456789012:role/ex" has "s3:ListBucket" permissions on bucket "nowhere".
    ValidationException: ECR image "xgboost" is invalid.
    NotImplemented: the local cloud does not offer the input mode `Pipe` of CreateTrainingJob
    ValidationException: Requested resource not found.
    ValidationException: Requested resource not found.
    ValidationException: Requested resource not found.
    ResourceInUse: Training job names must be unique within an AWS account and region, and a training job with this name already exists (arn:aws:sagemaker:us-east-1:123456789012:training-job/fraud-1)
    ValidationException: The request was rejected because the training job is in status Completed.
    "#);

    let wrong = with("ResourceConfig", json!({ "InstanceType": "ml.t2.medium", "InstanceCount": 1 }));
    let refused = call(&cloud, "CreateTrainingJob", wrong).await.unwrap_err();
    assert!(refused.contains("'ml.t2.medium' at 'resourceConfig.instanceType' failed to satisfy constraint"));
    cloud.shut_down().await;
}

#[tokio::test]
async fn a_role_that_may_not_do_its_part_fails_the_job_at_that_part() {
    let (cloud, _dir) = ready().await;
    let mut told = Vec::new();
    for actions in [
        json!(["s3:GetObject", "s3:PutObject", "ecr:*"]),
        json!(["s3:ListBucket", "s3:*Object"]),
        json!(["s3:ListBucket", "s3:PutObject", "ecr:*"]),
        json!(["s3:ListBucket", "s3:GetObject", "ecr:*"]),
    ] {
        allow(&cloud, actions, "*").await;
        if let Err(refused) = call(&cloud, "CreateTrainingJob", job("")).await {
            told.push(refused);
            continue;
        }
        let failed = ended(&cloud).await;
        told.push(format!("{}: {}", phases(&failed), failed["FailureReason"].as_str().unwrap_or("none")));
        call(&cloud, "DeleteTrainingJob", json!({ "TrainingJobName": "Fraud-1" })).await.unwrap();
    }
    insta::assert_snapshot!(told.join("\n"), @r#"
    ValidationException: No S3 objects found under S3 URL "s3://data/in/train" given in input data source. Please ensure that the bucket exists in the selected region (us-east-1), that objects exist under that S3 prefix, and that the role "arn:aws:iam::123456789012:role/ex" has "s3:ListBucket" permissions on bucket "data".
    Starting Failed: ClientError: Cannot pull algorithm container. Either the image does not exist or its permissions are incorrect.
    Starting Downloading Failed: ClientError: Data download failed:Unable to download object s3://data/in/train/a.csv (AccessDenied: Access Denied)
    Starting Downloading Training Uploading Failed: ClientError: Artifact upload failed:Unable to upload object s3://data/out/Fraud-1/output/model.tar.gz (AccessDenied: Access Denied)
    "#);
    cloud.shut_down().await;
}

#[tokio::test]
async fn a_session_needs_the_right_to_train_and_to_pass_the_role() {
    let (cloud, _dir) = ready().await;
    let mut create = request("CreateTrainingJob", "/", job("nothing").to_string().into());
    create.caller.role = Some(ROLE.into());
    let mut told = Vec::new();
    for actions in
        [json!(["s3:*", "ecr:*", "logs:*"]), json!(["s3:*", "ecr:*", "logs:*", "sagemaker:CreateTrainingJob"])]
    {
        allow(&cloud, actions, "*").await;
        let refusal = dispatch(&cloud, Service::SageMaker, &create).await.unwrap_err();
        told.push(format!("{}: {}", refusal.code, refusal.message));
    }
    insta::assert_snapshot!(told.join("\n"), @"
    AccessDeniedException: User: arn:aws:iam::123456789012:root is not authorized to perform: sagemaker:CreateTrainingJob on resource: arn:aws:sagemaker:us-east-1:123456789012:training-job/fraud-1 because no identity-based policy allows the sagemaker:CreateTrainingJob action
    AccessDeniedException: User: arn:aws:iam::123456789012:root is not authorized to perform: iam:PassRole on resource: arn:aws:iam::123456789012:role/ex because no identity-based policy allows the iam:PassRole action
    ");
    allow(&cloud, json!(["s3:*", "ecr:*", "logs:*", "sagemaker:CreateTrainingJob", "iam:PassRole"]), "*").await;
    dispatch(&cloud, Service::SageMaker, &create).await.unwrap();
    ended(&cloud).await;
    cloud.shut_down().await;
}

#[tokio::test]
async fn a_role_that_is_gone_trains_nothing() {
    let (cloud, _dir) = ready().await;
    iam_call(&cloud, "DeleteRolePolicy", &[("RoleName", "ex"), ("PolicyName", "p")]).await;
    iam_call(&cloud, "DeleteRole", &[("RoleName", "ex")]).await;
    let refused = call(&cloud, "CreateTrainingJob", job("")).await.unwrap_err();
    assert!(refused.starts_with("ValidationException: Could not assume role"), "{refused}");
    cloud.shut_down().await;
}
