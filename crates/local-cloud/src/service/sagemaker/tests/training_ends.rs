//! How a training job ends: by itself, by its limit, by request, with the cloud.

use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};

use super::training::{described, ended, job, logged, phases, ready, unpacked};
use super::*;

const MODEL: &str = "out/Fraud-1/output/model.tar.gz";

fn named() -> Value {
    json!({ "TrainingJobName": "Fraud-1" })
}

/// Begins a job that runs until it is told to end; its process id.
async fn running(cloud: &Arc<Cloud>, job: Value) -> String {
    call(cloud, "CreateTrainingJob", job).await.unwrap();
    let start = Instant::now();
    loop {
        if let Some(pid) = logged(cloud).await.values().flatten().find_map(|line| line.strip_prefix("pid ")) {
            return pid.to_owned();
        }
        assert!(start.elapsed() < Duration::from_secs(30), "{}", described(cloud).await);
        sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn what_the_program_says_of_its_failure_is_the_reason_and_its_model_is_dropped() {
    let (cloud, _dir) = ready().await;
    let mut told = Vec::new();
    for mode in ["fail", "crash"] {
        call(&cloud, "CreateTrainingJob", job(mode)).await.unwrap();
        let failed = ended(&cloud).await;
        told.push(format!("{}: {}", phases(&failed), failed["FailureReason"].as_str().unwrap()));
        call(&cloud, "DeleteTrainingJob", named()).await.unwrap();
    }
    insta::assert_snapshot!(told.join("\n"), @"
    Starting Downloading Training Uploading Failed: AlgorithmError: no two classes, exit code: 1
    Starting Downloading Training Uploading Failed: AlgorithmError: , exit code: 137
    ");
    assert!(unpacked(&cloud, MODEL).is_none());
    cloud.shut_down().await;
}

#[tokio::test]
async fn a_model_folder_that_stays_empty_makes_no_archive() {
    let (cloud, _dir) = ready().await;
    call(&cloud, "CreateTrainingJob", job("nothing")).await.unwrap();
    assert_eq!(ended(&cloud).await["TrainingJobStatus"], "Completed");
    assert!(unpacked(&cloud, MODEL).is_none());
    cloud.shut_down().await;
}

#[tokio::test]
async fn a_job_that_is_stopped_may_save_its_model_and_cannot_be_stopped_twice() {
    let (cloud, _dir) = ready().await;
    let pid = running(&cloud, job("slow")).await;
    let refused = call(&cloud, "DeleteTrainingJob", named()).await.unwrap_err();
    assert!(refused.starts_with("ResourceInUse: "), "{refused}");
    call(&cloud, "StopTrainingJob", named()).await.unwrap();
    let stopped = ended(&cloud).await;
    assert_eq!(stopped["TrainingJobStatus"], "Stopped");
    assert_eq!(phases(&stopped), "Starting Downloading Training Stopping Uploading Stopped");
    assert!(!is_alive(&pid));
    assert_eq!(unpacked(&cloud, MODEL).unwrap()["xgboost-model"], "half\n");
    let refused = call(&cloud, "StopTrainingJob", named()).await.unwrap_err();
    assert_eq!(refused, "ValidationException: The request was rejected because the training job is in status Stopped.");
    cloud.shut_down().await;
}

#[tokio::test]
async fn a_job_whose_time_is_up_is_stopped() {
    let (cloud, _dir) = ready().await;
    let mut slow = job("slow");
    slow["StoppingCondition"]["MaxRuntimeInSeconds"] = 1.into();
    let pid = running(&cloud, slow).await;
    let stopped = ended(&cloud).await;
    assert_eq!((&stopped["TrainingJobStatus"], stopped.get("FailureReason")), (&json!("Stopped"), None));
    assert_eq!(phases(&stopped), "Starting Downloading Training Stopping Uploading MaxRuntimeExceeded");
    assert!(!is_alive(&pid));
    cloud.shut_down().await;
}

#[tokio::test]
async fn a_job_ends_with_the_cloud_and_is_found_failed_after_a_restart() {
    let (cloud, dir) = ready().await;
    let pid = running(&cloud, job("slow")).await;
    cloud.shut_down().await;
    assert!(!is_alive(&pid));

    let cloud = open(dir.path(), Duration::ZERO).await;
    let failed = described(&cloud).await;
    assert_eq!(failed["TrainingJobStatus"], "Failed");
    assert_eq!(failed["FailureReason"], "InternalServerError: We encountered an internal error.  Please try again.");
    let taken = call(&cloud, "CreateTrainingJob", job("")).await.unwrap_err();
    assert!(taken.starts_with("ResourceInUse: Training job names must be unique"), "{taken}");
    call(&cloud, "DeleteTrainingJob", named()).await.unwrap();
    call(&cloud, "CreateTrainingJob", job("")).await.unwrap();
    assert_eq!(ended(&cloud).await["TrainingJobStatus"], "Completed");
    cloud.shut_down().await;

    let cloud = open(dir.path(), Duration::ZERO).await;
    assert_eq!(described(&cloud).await["TrainingJobStatus"], "Completed");
    cloud.shut_down().await;
}

#[tokio::test]
async fn a_process_that_a_killed_cloud_left_behind_is_ended() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("sagemaker/training/fraud-1");
    std::fs::create_dir_all(&folder).unwrap();
    let mut command = std::process::Command::new("sleep");
    let mut child = command.arg("60").env("SAGEMAKER_BASE_DIR", &folder).process_group(0).spawn().unwrap();
    std::fs::write(folder.join("pid"), child.id().to_string()).unwrap();
    // The system shows the variables a moment after the program has begun.
    while std::fs::read(format!("/proc/{}/environ", child.id())).unwrap().is_empty() {}
    let cloud = open(dir.path(), Duration::ZERO).await;
    assert_eq!(child.wait().unwrap().signal(), Some(9));
    assert!(!folder.exists());
    cloud.shut_down().await;
}

#[tokio::test]
async fn several_instances_are_one_process_and_the_log_says_so() {
    let (cloud, _dir) = ready().await;
    let mut three = job("");
    three["ResourceConfig"]["InstanceCount"] = 3.into();
    three["InputDataConfig"][0]["DataSource"]["S3DataSource"]["S3DataDistributionType"] = "ShardedByS3Key".into();
    call(&cloud, "CreateTrainingJob", three).await.unwrap();
    assert_eq!(ended(&cloud).await["TrainingJobStatus"], "Completed");
    assert_eq!(unpacked(&cloud, MODEL).unwrap()["xgboost-model"], "1,2\n0,3\n1,4\n");
    let logged = logged(&cloud).await;
    let first = &logged.values().next().unwrap()[0];
    assert_eq!(first, "local cloud: one process with all data stands in for 3 instances");
    cloud.shut_down().await;
}

#[tokio::test]
async fn jobs_are_listed_by_status_and_keep_their_tags() {
    let (cloud, _dir) = ready().await;
    for (name, mode) in [("one", "nothing"), ("two", "fail"), ("Fraud-1", "nothing")] {
        let mut job = job(mode);
        job["TrainingJobName"] = name.into();
        job["Tags"] = json!([{ "Key": "runner:pipeline", "Value": name }]);
        call(&cloud, "CreateTrainingJob", job).await.unwrap();
        sleep(Duration::from_millis(2)).await;
    }
    for name in ["one", "two"] {
        while call(&cloud, "DescribeTrainingJob", json!({ "TrainingJobName": name })).await.unwrap()["TrainingJobStatus"]
            == "InProgress"
        {
            sleep(Duration::from_millis(5)).await;
        }
    }
    ended(&cloud).await;
    let list = async |body: Value| {
        let answer = call(&cloud, "ListTrainingJobs", body).await.unwrap();
        let jobs = answer["TrainingJobSummaries"].as_array().unwrap().iter();
        jobs.map(|job| job["TrainingJobName"].as_str().unwrap().to_owned()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(list(json!({})).await, "Fraud-1 two one");
    assert_eq!(list(json!({ "StatusEquals": "Failed" })).await, "two");
    assert!(call(&cloud, "ListTrainingJobs", json!({ "StatusEquals": "Done" })).await.is_err());
    let arn = "arn:aws:sagemaker:us-east-1:123456789012:training-job/fraud-1";
    let tags = json!({ "ResourceArn": arn, "Tags": [{ "Key": "a", "Value": "b" }] });
    call(&cloud, "AddTags", tags).await.unwrap();
    let listed = call(&cloud, "ListTags", json!({ "ResourceArn": arn })).await.unwrap();
    assert_eq!(listed["Tags"][1], json!({ "Key": "runner:pipeline", "Value": "Fraud-1" }));
    let absent = json!({ "ResourceArn": "arn:aws:sagemaker:us-east-1:123456789012:training-job/none" });
    let refused = call(&cloud, "ListTags", absent).await.unwrap_err();
    assert_eq!(refused, "ValidationException: Requested resource not found.");
    cloud.shut_down().await;
}
