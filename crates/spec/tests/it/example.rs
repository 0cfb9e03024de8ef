use std::fs;
use std::path::PathBuf;

use spec::{
    Algorithm, AwsTarget, Capacity, Data, DeployerPolicy, GradientBoosting, Keep, LocalTarget, LogisticRegression,
    Target, Train,
};

use crate::parse;

fn at_root(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "..", "..", name].iter().collect()
}

#[test]
fn the_worked_example_says_what_it_looks_like() {
    let spec = parse(&fs::read_to_string(at_root("pipeline.yaml")).unwrap()).unwrap();
    assert_eq!(spec.name.as_str(), "fraud-detection");
    assert_eq!(spec.targets.keys().collect::<Vec<_>>(), ["local"]);
    let Train::Fit(fit) = &spec.train else { panic!("the example trains") };
    assert_eq!(fit.data, Data::Generate { rows: 100_000, seed: 42 });
    assert_eq!(fit.features.len(), 29);
    assert_eq!((fit.features[0].as_str(), fit.features[28].as_str()), ("V1", "Amount"));
    assert_eq!(fit.require.average_precision, Some(0.8));
    let request = spec.smoke_test.request.unwrap();
    assert_eq!((request.len(), request["V1"], request["Amount"]), (29, -1.36, 149.62));
    assert_eq!(spec.smoke_test.expect["is_fraud"], false);
}

#[test]
fn the_worked_example_stays_right_with_its_comments_put_into_effect() {
    let example = fs::read_to_string(at_root("pipeline.yaml")).unwrap();
    let with_prod = example
        .replace("  # prod:    ", "  prod:    ")
        .replace("  #   region:", "    region:")
        .replace("  #   account:", "    account:")
        .replace("keep: []", "keep: [bucket, logs]");
    let spec = parse(&with_prod).unwrap();
    let prod = AwsTarget {
        region: "ap-south-1".into(),
        account: Some("123456789012".into()),
        profile: None,
        endpoint_url: None,
    };
    assert_eq!(spec.targets["prod"], Target::Aws(prod));
    assert_eq!(spec.teardown.keep, [Keep::Bucket, Keep::Logs].into());
}

#[test]
fn the_committed_schema_is_the_one_the_types_have() {
    let path = at_root("pipeline.schema.json");
    let committed = fs::read_to_string(&path).ok().and_then(|text| serde_json::from_str(&text).ok());
    let schema = spec::schema();
    if committed.as_ref() != Some(&schema) {
        let text = serde_json::to_string_pretty(&schema).unwrap();
        fs::write(&path, text + "\n").unwrap();
        panic!("pipeline.schema.json was not what the types have; it has been written anew");
    }
}

#[test]
fn every_stage_may_be_left_out_or_left_empty() {
    let least = parse("name: fraud").unwrap();
    let empty_list = parse("name: fraud\nstages: []\ntargets: {}").unwrap();
    let nulls = parse("name: fraud\nstages:\ntargets:").unwrap();
    let each = |form: &str| spec::STAGES.map(|stage| form.replace("stage", stage)).concat();
    assert_eq!(least, empty_list);
    assert_eq!(least, nulls);
    for stages in [each("- stage\n"), each("- stage:\n"), each("- stage: {}\n")] {
        assert_eq!(least, parse(&format!("name: fraud\nstages:\n{stages}")).unwrap());
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "the snapshot is whole")]
fn the_defaults_are_the_documented_ones() {
    let mut spec = parse("name: fraud").unwrap();
    let Train::Fit(fit) = &mut spec.train else { panic!("a pipeline trains") };
    fit.features.drain(2..28);
    insta::assert_debug_snapshot!(spec, @r#"
    Spec {
        name: PipelineName(
            "fraud",
        ),
        targets: {
            "local": Local(
                LocalTarget {
                    region: "us-east-1",
                    port: None,
                    iam_propagation_ms: 1000,
                    second_ms: 10,
                    management_throttle: false,
                    deployer_policy: None,
                },
            ),
        },
        train: Fit(
            Fit {
                data: Generate {
                    rows: 100000,
                    seed: 42,
                },
                test_data: None,
                label: "Class",
                features: [
                    "V1",
                    "V2",
                    "Amount",
                ],
                algorithm: GradientBoosting(
                    GradientBoosting {
                        trees: 100,
                        learning_rate: 0.3,
                        depth: 6,
                        l1: 0.0,
                        l2: 1.0,
                        min_leaf_weight: 1.0,
                        subsample: 1.0,
                        column_sample: 1.0,
                        class_weight: Positive(
                            1.0,
                        ),
                        early_stopping: None,
                        monotone: {},
                        seed: 42,
                    },
                ),
                split: Split {
                    test: 0.2,
                    seed: 42,
                },
                require: Require {
                    average_precision: None,
                    roc_auc: None,
                    precision: None,
                    recall: None,
                    f1: None,
                    log_loss: None,
                    brier_score: None,
                    not_worse_than_live: None,
                },
                on: Here,
            },
        ),
        package: Package {
            proxy: None,
            architecture: X86_64,
            model_server: None,
        },
        upload: Upload {
            bucket: None,
        },
        create_role: CreateRole {
            sagemaker: RolePolicy {
                policy: None,
                also: [],
            },
            proxy: RolePolicy {
                policy: None,
                also: [],
            },
        },
        create_endpoint: CreateEndpoint {
            capacity: Instances {
                instance_type: "ml.t2.medium",
                count: 1,
                volume_gb: None,
            },
            container: Prebuilt(
                ContainerVersion(
                    "1.7-1",
                ),
            ),
            log_retention_days: 14,
            autoscaling: None,
            data_capture: None,
            kms_key: None,
            vpc: None,
            startup_timeout_s: None,
            rollout: Rollout {
                traffic: AllAtOnce {
                    wait_s: 0,
                },
                termination_wait_s: 0,
                timeout_s: None,
            },
            rollback_on: RollbackOn {
                alarms: [],
                errors_per_minute: None,
                latency_ms: None,
            },
        },
        deploy_proxy: DeployProxy {
            route: Route {
                method: "POST",
                path: "/",
            },
            response: Response {
                decision: "is_fraud",
                score: "fraud_score",
                threshold: Fixed(
                    0.5,
                ),
            },
            reasons: 0,
            memory_mb: 256,
            timeout_s: 28,
            log_retention_days: 14,
            auth: None,
            throttle: Throttle {
                rate_per_s: 100,
                burst: 200,
            },
            cors: None,
            access_log_days: Some(
                14,
            ),
            max_body_kb: 256,
        },
        smoke_test: SmokeTest {
            request: None,
            expect: {},
            token: None,
        },
        teardown: Teardown {
            keep: {},
        },
        places: Places(pipeline.yaml),
    }
    "#);
}

#[test]
fn every_form_of_every_choice_is_read() {
    let train = |block: &str| parse(&format!("name: fraud\nstages:\n- train: {block}")).unwrap().train;
    let fit = |block: &str| match train(block) {
        Train::Fit(fit) => fit,
        other => panic!("{other:?}"),
    };
    assert_eq!(fit("{ data: rows/a.csv.gz }").data, Data::Path("rows/a.csv.gz".into()));
    assert_eq!(fit("{ data: { path: a.csv } }").data, Data::Path("a.csv".into()));
    assert_eq!(fit("{ data: { generate: } }").data, Data::default());
    assert_eq!(fit("{ data: { generate: { seed: 7 } } }").data, Data::Generate { rows: 100_000, seed: 7 });
    let logistic = Algorithm::LogisticRegression(LogisticRegression::default());
    assert_eq!(fit("{ algorithm: logistic-regression }").algorithm, logistic);
    assert_eq!(fit("{ algorithm: { logistic-regression: } }").algorithm, logistic);
    let deep = GradientBoosting { depth: 8, ..GradientBoosting::default() };
    let parsed = fit("{ algorithm: { gradient-boosting: { depth: 8 } } }").algorithm;
    assert_eq!(parsed, Algorithm::GradientBoosting(deep));
    let Train::Import(import) = train("{ model: model.tar.gz, features: [x1..x3] }") else {
        panic!("a model is named")
    };
    assert_eq!((import.model, import.features), ("model.tar.gz".into(), ["x1", "x2", "x3"].map(String::from).to_vec()));

    let endpoint = |block: &str| parse(&format!("name: fraud\nstages:\n- create-endpoint: {block}")).unwrap();
    let serverless = Capacity::Serverless { memory_mb: 2048, max_concurrency: 5, provisioned_concurrency: None };
    assert_eq!(endpoint("{ serverless: }").create_endpoint.capacity, serverless);
    let gpu = Capacity::Instances { instance_type: "ml.g4dn.xlarge".into(), count: 1, volume_gb: None };
    assert_eq!(endpoint("{ instances: { type: ml.g4dn.xlarge } }").create_endpoint.capacity, gpu);
}

#[test]
fn the_local_target_keeps_its_settings() {
    let text = "name: fraud\ntargets: { local: { region: eu-west-1, port: 4566, iam-propagation-ms: 0 } }";
    let local =
        LocalTarget { region: "eu-west-1".into(), port: Some(4566), iam_propagation_ms: 0, ..LocalTarget::default() };
    assert_eq!(parse(text).unwrap().targets["local"], Target::Local(local));
    for (written, read) in
        [("own", DeployerPolicy::Own), ("iam/deployer.json", DeployerPolicy::File("iam/deployer.json".into()))]
    {
        let spec = parse(&format!("name: fraud\ntargets: {{ local: {{ deployer-policy: {written} }} }}")).unwrap();
        let local = LocalTarget { deployer_policy: Some(read), ..LocalTarget::default() };
        assert_eq!(spec.targets["local"], Target::Local(local));
    }
}

#[test]
fn an_alias_stands_for_what_is_anchored() {
    let anchored = "name: fraud\nstages:\n- create-endpoint: { log-retention-days: &days 30 }\n- deploy-proxy: { log-retention-days: *days }";
    let spec = parse(anchored).unwrap();
    assert_eq!((spec.create_endpoint.log_retention_days, spec.deploy_proxy.log_retention_days), (30, 30));
}

#[test]
fn a_byte_order_mark_is_overlooked() {
    assert_eq!(parse("\u{feff}name: fraud\n").unwrap(), parse("name: fraud").unwrap());
}

#[test]
fn an_account_that_begins_with_zero_keeps_it() {
    let text = "name: fraud\ntargets: { prod: { region: us-east-1, account: 012345678901 } }";
    let Target::Aws(prod) = &parse(text).unwrap().targets["prod"] else { panic!("prod is on AWS") };
    assert_eq!(prod.account.as_deref(), Some("012345678901"));
}
