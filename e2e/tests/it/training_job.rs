//! Training on SageMaker: the job's way into the deployment, and what is left when it goes wrong.

use std::fs;
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value as Json, json};

use crate::harness::{Aws, Inventory, Pipeline, Scene, Side, answers, note};

const OURS: &str = "pipeline.yaml";
const NEIGHBOUR: &str = "neighbour.yaml";
/// What every job of an account writes its log to: nobody's, as on AWS.
const JOB_LOGS: (&str, &str) = ("log-group", "/aws/sagemaker/TrainingJobs");

/// Trained by a job, with more keys of `train` and of `gradient-boosting`.
fn by_a_job(trees: u32, train: &str, boosting: &str) -> Pipeline {
    Pipeline {
        train: format!(
            "{{ on: sagemaker, data: {{ generate: {{ rows: 2000, seed: 42 }} }}, \
             algorithm: {{ gradient-boosting: {{ trees: {trees}{boosting} }} }}{train} }}"
        ),
        ..Pipeline::default()
    }
}

/// More trees than a test waits for.
fn endless(train: &str) -> Pipeline {
    by_a_job(10_000, train, ", depth: 16, min-leaf-weight: 0")
}

/// The jobs of the pipeline as the service describes them, the oldest first.
fn jobs(scene: &Scene) -> Vec<Json> {
    let aws = scene.aws();
    let listed = aws.sagemaker(
        "ListTrainingJobs",
        &json!({ "SortBy": "CreationTime", "SortOrder": "Ascending", "MaxResults": 100 }),
    );
    let listed = listed.json();
    let names = listed["TrainingJobSummaries"].as_array().unwrap().iter().map(|job| &job["TrainingJobName"]);
    names.map(|name| aws.sagemaker("DescribeTrainingJob", &json!({ "TrainingJobName": name })).json()).collect()
}

/// Everything but the log that jobs share.
fn inventory(scene: &Scene) -> Inventory {
    let mut all = scene.aws().inventory();
    all.retain(|(kind, name)| (*kind, name.as_str()) != JOB_LOGS);
    all
}

fn of_training(scene: &Scene) -> Vec<String> {
    let all = inventory(scene).into_iter().map(|(_, name)| name);
    all.filter(|name| name.contains("/training/")).collect()
}

/// What an apply tells of the model.
fn metrics(scene: &Scene) -> Json {
    scene.runner(&["status", "--format", "json"]).exits(0).json()["metrics"].clone()
}

#[test]
fn a_job_makes_the_model_that_this_machine_makes_and_a_second_apply_writes_nothing() {
    let scene = Scene::new(&Pipeline::trees(5));
    scene.apply();
    let (here, score) = (metrics(&scene), scene.answers(OURS).json()["fraud_score"].clone());

    scene.write(&by_a_job(5, "", ""));
    let applied = scene.apply();
    for told in ["uploading 1600 rows", "waiting for training job `fraud-", "taking the model of training job `fraud-"]
    {
        assert!(applied.stderr.contains(told), "no `{told}` in\n{}", applied.stderr);
    }
    assert_eq!(metrics(&scene), here);
    assert_eq!(scene.answers(OURS).json()["fraud_score"], score);
    assert_eq!(jobs(&scene).len(), 1);
    assert_eq!(of_training(&scene), Vec::<String>::new());

    let aws = scene.aws();
    aws.clear_requests();
    scene.apply();
    assert_eq!(aws.writes(), Vec::<String>::new());
    scene.keeps_all(OURS);

    // Another machine finds the model in the bucket.
    fs::remove_dir_all(scene.path(".runner/cache/models")).unwrap();
    scene.keeps_all(OURS);
    scene.runner(&["teardown"]).exits(0);
    assert!(!scene.path(".runner/local").exists(), "something is left in the local cloud");
}

#[test]
fn what_the_file_says_is_what_the_job_is_told() {
    let train = ", instances: { type: ml.m5.xlarge, count: 2, volume-gb: 7, max-runtime-s: 600 }";
    let boosting = ", learning-rate: 0.2, subsample: 0.8, column-sample: 0.7, class-weight: 3, \
                    early-stopping: { rounds: 3 }, monotone: { V1: decreasing, Amount: increasing }, seed: 7";
    let scene = Scene::new(&by_a_job(20, train, boosting));
    scene.apply();
    let jobs = jobs(&scene);
    let job = &jobs[0];
    let distributions: Vec<_> = job["InputDataConfig"]
        .as_array()
        .unwrap()
        .iter()
        .map(|channel| {
            let source = &channel["DataSource"]["S3DataSource"];
            json!([channel["ChannelName"], channel["ContentType"], source["S3DataDistributionType"]])
        })
        .collect();
    assert_eq!(
        distributions,
        [json!(["train", "text/csv", "ShardedByS3Key"]), json!(["validation", "text/csv", "FullyReplicated"])]
    );
    let image = &job["AlgorithmSpecification"]["TrainingImage"];
    assert!(image.as_str().unwrap().ends_with("/sagemaker-xgboost:3.0-5"), "{image}");
    let (machines, limit) = (&job["ResourceConfig"], &job["StoppingCondition"]["MaxRuntimeInSeconds"]);
    assert_eq!(*limit, 600);
    assert_eq!(*machines, json!({ "InstanceType": "ml.m5.xlarge", "InstanceCount": 2, "VolumeSizeInGB": 7 }));
    insta::assert_snapshot!(format!("{:#}", job["HyperParameters"]), @r#"
    {
      "alpha": "0",
      "base_score": "0.5",
      "colsample_bytree": "0.7",
      "early_stopping_rounds": "3",
      "eta": "0.2",
      "eval_metric": "logloss",
      "lambda": "1",
      "max_depth": "6",
      "min_child_weight": "1",
      "monotone_constraints": "(-1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,1)",
      "num_round": "20",
      "objective": "binary:logistic",
      "scale_pos_weight": "3",
      "seed": "7",
      "subsample": "0.8",
      "tree_method": "hist"
    }
    "#);
    scene.answers(OURS);
}

#[test]
fn a_job_that_takes_too_long_is_told_by_its_key_and_nothing_is_deployed() {
    let scene = Scene::new(&endless(", instances: { max-runtime-s: 1 }"));
    let ran = scene.runner(&["apply"]).exits(1);
    let told = ran.stderr.lines().filter(|line| line.trim_start().starts_with("because:"));
    insta::assert_snapshot!(scene.steady(&told.collect::<Vec<_>>().join("\n")), @"  because: training job `fraud-ffffffffffff` failed: it was stopped at its `max-runtime-s` of 1 s; give it more, or larger or more `instances`");
    let kinds: Vec<_> = inventory(&scene).into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds, ["bucket", "object", "object-version", "role"]);
    scene.runner(&["teardown"]).exits(0);
    assert!(!scene.path(".runner/local").exists(), "something is left in the local cloud");
}

#[test]
fn a_job_that_fails_is_told_with_its_log_and_the_next_apply_begins_another() {
    let scene = Scene::new(&endless(""));
    let ran = thread::scope(|scope| {
        let apply = scope.spawn(|| scene.runner(&["apply"]));
        kill_job(&scene);
        apply.join().unwrap().exits(1)
    });
    for told in ["exit code: 137", "last lines of the job:", "INFO: Train matrix has 1600 rows and 29 columns"] {
        assert!(ran.stderr.contains(told), "no `{told}` in\n{}", ran.stderr);
    }
    thread::scope(|scope| {
        let apply = scope.spawn(|| scene.runner(&["apply"]));
        kill_job(&scene);
        apply.join().unwrap().exits(1)
    });
    let jobs = jobs(&scene);
    let name = |job: usize| jobs[job]["TrainingJobName"].as_str().unwrap();
    assert_eq!((jobs.len(), name(1)), (2, &*format!("{}-2", name(0))));
}

/// Waits until a job has read its rows, and kills its process.
fn kill_job(scene: &Scene) {
    for _ in 0..1200 {
        // The job's process is there a moment before the group of its log.
        let has_log = || scene.aws().inventory().contains(&(JOB_LOGS.0, JOB_LOGS.1.to_owned()));
        if let Some(pid) = pid_of_job(scene).filter(|_| has_log()) {
            let told = scene.aws().logs("FilterLogEvents", &json!({ "logGroupName": JOB_LOGS.1 })).text;
            if told.matches("INFO: Train matrix").count() == jobs(scene).len() {
                kill_process(pid, Signal::KILL).unwrap();
                return;
            }
        }
        thread::sleep(Duration::from_millis(50));
    }
    panic!("no job trains within a minute");
}

fn pid_of_job(scene: &Scene) -> Option<Pid> {
    let jobs = fs::read_dir(scene.path(".runner/local/sagemaker/training")).ok()?;
    let mut pids = jobs.filter_map(|job| fs::read_to_string(job.ok()?.path().join("pid")).ok()?.trim().parse().ok());
    pids.find_map(Pid::from_raw)
}

#[test]
fn a_teardown_ends_a_job_that_nobody_waits_for() {
    let scene = Scene::new(&Pipeline { teardown: "{ keep: [bucket] }".to_owned(), ..endless("") });
    let aws = with_neighbour(&scene);
    let before = inventory(&scene);
    aws.put_faults(&json!([{
        "match": { "service": "sagemaker", "operation": "CreateTrainingJob" }, "fault": "lose-answer", "then-halt": true
    }]));
    scene.runner(&["apply"]).exits(1);
    aws.clear_faults();
    assert_eq!(jobs(&scene)[0]["TrainingJobStatus"], "InProgress");
    assert!(!of_training(&scene).is_empty());

    scene.runner(&["teardown"]).exits(0);
    assert_eq!(jobs(&scene)[0]["TrainingJobStatus"], "Stopped");
    let left: Vec<_> = inventory(&scene).difference(&before).cloned().collect();
    assert_eq!(left, [("bucket", "fraud-000000000000-us-east-1".to_owned())]);
}

#[test]
fn a_job_of_somebody_else_is_left_alone() {
    let scene = Scene::new(&by_a_job(5, "", ""));
    let aws = with_neighbour(&scene);
    aws.put_faults(&json!([{
        "match": { "service": "sagemaker", "operation": "CreateTrainingJob" },
        "fault": { "refuse": { "status": 400, "code": "ResourceLimitExceeded", "message": "not today" } }
    }]));
    let refused = scene.runner(&["apply"]).exits(1);
    assert!(refused.stderr.contains("not today"), "{}", refused.stderr);
    aws.clear_faults();
    let name = refused.stderr.split("training job `").nth(1).unwrap().split('`').next().unwrap().to_owned();
    let bucket = "fraud-000000000000-us-east-1";
    let folder = format!("s3://{bucket}/training/{}", name.strip_prefix("fraud-").unwrap());
    let source = json!({ "S3DataType": "S3Prefix", "S3Uri": format!("{folder}/train/") });
    aws.sagemaker(
        "CreateTrainingJob",
        &json!({
            "TrainingJobName": name,
            "RoleArn": "arn:aws:iam::000000000000:role/runner/fraud-us-east-1-sagemaker",
            "AlgorithmSpecification": {
                "TrainingImage": "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1",
                "TrainingInputMode": "File",
            },
            "HyperParameters": { "objective": "binary:logistic", "num_round": "3" },
            "InputDataConfig": [
                { "ChannelName": "train", "ContentType": "text/csv", "DataSource": { "S3DataSource": source } },
            ],
            "OutputDataConfig": { "S3OutputPath": format!("{folder}/output") },
            "ResourceConfig": { "InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 10 },
            "StoppingCondition": { "MaxRuntimeInSeconds": 600 },
        }),
    );
    let refused = scene.runner(&["apply"]).exits(1);
    assert!(refused.stderr.contains("does not bear the tag `runner:pipeline`"), "{}", refused.stderr);
}

/// Something else in the local cloud, so that it outlives a teardown.
fn with_neighbour(scene: &Scene) -> Aws {
    scene.write_as(NEIGHBOUR, &Pipeline { name: "neighbour", ..Pipeline::default() });
    scene.runner(&["apply", NEIGHBOUR]).exits(0);
    scene.aws()
}

/// Cuts a first apply short at every write from the last one before the rows to the first one behind the gate, each time
/// after a teardown.
fn cut_short(side: Side) {
    let scene = Scene::new(&by_a_job(5, "", ""));
    let aws = with_neighbour(&scene);
    let before = inventory(&scene);
    let forget = || _ = fs::remove_dir_all(scene.path(".runner/cache/models"));
    forget();
    aws.clear_requests();
    scene.apply();
    let writes = aws.writes();
    let is_job = |write: &String| write.starts_with("sagemaker:CreateTrainingJob");
    let job = writes.iter().position(is_job).unwrap_or_else(|| panic!("no job: {writes:#?}")) + 1;
    assert!(writes[job].starts_with("s3:DeleteObjects"), "{writes:#?}");
    note(&format!("{writes:#?}"));
    // How bucket and role are cut short while they are made is told by the laws.
    let rows = writes.iter().position(|write| write.contains("/training/")).unwrap_or_else(|| panic!("{writes:#?}"));
    for n in rows..=job + 2 {
        scene.runner(&["teardown"]).exits(0);
        assert_eq!(inventory(&scene), before, "before write {n} failed");
        forget();
        let made = jobs(&scene).len();
        aws.fail_write(n, side);
        let ran = scene.runner(&["apply"]);
        aws.clear_faults();
        assert_eq!(ran.code, 1, "write {n} of {writes:?}, {side:?}\n{}", ran.stderr);
        let again = scene.apply();
        scene.keeps_all(OURS);
        answers(again.url());
        assert_eq!(of_training(&scene), Vec::<String>::new(), "after write {n} failed");
        assert_eq!(jobs(&scene).len(), made + 1, "after write {n} failed, one job was needed");
    }
}

#[test]
fn an_apply_refused_at_any_write_of_training_is_cured_by_the_same_command_and_pays_for_one_job() {
    cut_short(Side::Refused);
}

#[test]
fn an_apply_that_loses_any_answer_of_training_is_cured_by_the_same_command_and_pays_for_one_job() {
    cut_short(Side::AnswerLost);
}
