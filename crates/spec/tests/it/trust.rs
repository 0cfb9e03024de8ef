//! Every key that says where a model comes from, how far it is trusted, and what the answer tells about it.

use std::collections::BTreeMap;

use spec::{
    Algorithm, ClassWeight, Command, Data, EarlyStopping, Fit, GradientBoosting, Import, Monotone, On, RandomForest,
    Require, Spec, Split, TestData, Threshold, Train, TrainingInstances,
};

use crate::parse;

const SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// Training on SageMaker with every key that it may have.
pub(crate) const EVERY_KEY: &str = "name: fraud
stages:
- train:
    data: { s3: s3://my-rows/2026/train.parquet, sha256: E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855 }
    test-data: { url: https://example.com/test.csv.gz, sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 }
    label: Fraud
    features: [V1, V2, Amount]
    algorithm:
      gradient-boosting:
        trees: 500
        learning-rate: 0.1
        depth: 4
        l1: 0.5
        l2: 2
        min-leaf-weight: 3
        subsample: 0.8
        column-sample: 0.5
        class-weight: balanced
        early-stopping: { rounds: 20, validation: 0.2 }
        monotone: { Amount: increasing, V1: decreasing }
        seed: 7
    split: {}
    require:
      average-precision: 0.8
      roc-auc: 0.95
      precision: 0.9
      recall: 0.7
      f1: 0.75
      log-loss: 1.5
      brier-score: 0.01
      not-worse-than-live: 0.02
    on: sagemaker
    instances: { type: ml.c5.xlarge, count: 2, volume-gb: 30, max-runtime-s: 7200 }
- deploy-proxy:
    response: { threshold: { cost: { miss: 100, false-alarm: 0.5 } } }
    reasons: 3
";

fn of(stages: &str) -> Spec {
    parse(&format!("name: fraud\nstages:\n{stages}")).unwrap()
}

fn train(block: &str) -> Train {
    of(&format!("- train: {block}\n")).train
}

fn fit(block: &str) -> Fit {
    match train(block) {
        Train::Fit(fit) => fit,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_file_with_every_key_of_training_means_what_it_says() {
    let boosting = GradientBoosting {
        trees: 500,
        learning_rate: 0.1,
        depth: 4,
        l1: 0.5,
        l2: 2.0,
        min_leaf_weight: 3.0,
        subsample: 0.8,
        column_sample: 0.5,
        class_weight: ClassWeight::Balanced,
        early_stopping: Some(EarlyStopping { rounds: 20, validation: 0.2 }),
        monotone: BTreeMap::from([("Amount".into(), Monotone::Increasing), ("V1".into(), Monotone::Decreasing)]),
        seed: 7,
    };
    let expected = Fit {
        data: Data::S3 { bucket: "my-rows".into(), key: "2026/train.parquet".into(), sha256: Some(SHA256.into()) },
        test_data: Some(Data::Url { url: "https://example.com/test.csv.gz".into(), sha256: SHA256.into() }),
        label: "Fraud".into(),
        features: ["V1", "V2", "Amount"].map(String::from).to_vec(),
        algorithm: Algorithm::GradientBoosting(boosting),
        split: Split::default(),
        require: Require {
            average_precision: Some(0.8),
            roc_auc: Some(0.95),
            precision: Some(0.9),
            recall: Some(0.7),
            f1: Some(0.75),
            log_loss: Some(1.5),
            brier_score: Some(0.01),
            not_worse_than_live: Some(0.02),
        },
        on: On::SageMaker(TrainingInstances {
            instance_type: "ml.c5.xlarge".into(),
            count: 2,
            volume_gb: 30,
            max_runtime_s: 7200,
        }),
    };
    let spec = parse(EVERY_KEY).unwrap();
    assert_eq!(spec.train, Train::Fit(expected));
    let cost = Threshold::Cost { miss: 100.0, false_alarm: 0.5 };
    assert_eq!((spec.deploy_proxy.response.threshold, spec.deploy_proxy.reasons), (cost, 3));
}

#[test]
fn a_file_with_every_key_of_the_proxy_means_what_it_says() {
    let proxy = |text: &str| of(&format!("- deploy-proxy: {text}\n")).deploy_proxy;
    let threshold = |text: &str| proxy(&format!("{{ response: {{ threshold: {text} }} }}")).response.threshold;
    assert_eq!(threshold("0.25"), Threshold::Fixed(0.25));
    assert_eq!(threshold("1"), Threshold::Fixed(1.0));
    assert_eq!(threshold(""), Threshold::Fixed(0.5));
    assert_eq!(threshold("best-f1"), Threshold::BestF1);
    assert_eq!(threshold("{ precision: 0.9 }"), Threshold::Precision(0.9));
    let cost = Threshold::Cost { miss: 100.0, false_alarm: 0.5 };
    assert_eq!(threshold("{ cost: { miss: 100, false-alarm: 0.5 } }"), cost);
    assert_eq!(proxy("{ reasons: 3 }").reasons, 3);
    assert_eq!(proxy("{ reasons: 10 }").reasons, 10);
    assert_eq!(proxy("{ response: { score: reasons } }").reasons, 0, "no list, so its name is free");
}

#[test]
fn rows_may_come_from_anywhere() {
    let data = |text: &str| fit(&format!("{{ data: {text} }}")).data;
    let s3 = |key: &str| Data::S3 { bucket: "rows".into(), key: key.into(), sha256: None };
    assert_eq!(data("rows.parquet"), Data::Path("rows.parquet".into()));
    assert_eq!(data("s3://rows/a.csv"), s3("a.csv"));
    assert_eq!(data("{ s3: s3://rows/a/b?c }"), s3("a/b?c"));
    for url in
        ["https://example.com/a?b=c", "http://127.0.0.1:8000/a.csv", "http://localhost/a", "http://[::1]:8000/a.csv"]
    {
        let expected = Data::Url { url: url.into(), sha256: SHA256.into() };
        assert_eq!(data(&format!("{{ url: '{url}', sha256: {SHA256} }}")), expected);
    }
    assert_eq!(
        fit("{ test-data: { generate: { seed: 1 } } }").test_data,
        Some(Data::Generate { rows: 100_000, seed: 1 })
    );
}

#[test]
fn an_algorithm_may_be_named_alone_or_in_full() {
    let forest = |text: &str| match fit(&format!("{{ algorithm: {text} }}")).algorithm {
        Algorithm::RandomForest(forest) => forest,
        other => panic!("{other:?}"),
    };
    assert_eq!(forest("random-forest"), RandomForest::default());
    assert_eq!(forest("{ random-forest: }"), RandomForest::default());
    let full =
        "{ random-forest: { trees: 50, depth: 8, min-leaf-rows: 5, row-sample: 0.5, column-sample: 0.25, seed: 1 } }";
    let expected =
        RandomForest { trees: 50, depth: 8, min_leaf_rows: 5, row_sample: 0.5, column_sample: 0.25, seed: 1 };
    assert_eq!(forest(full), expected);
}

#[test]
fn a_class_weight_is_a_number_or_balanced_and_early_stopping_may_be_left_empty() {
    let boosting = |text: &str| match fit(&format!("{{ algorithm: {{ gradient-boosting: {{ {text} }} }} }}")).algorithm
    {
        Algorithm::GradientBoosting(boosting) => boosting,
        other => panic!("{other:?}"),
    };
    assert_eq!(boosting("class-weight: 10").class_weight, ClassWeight::Positive(10.0));
    assert_eq!(boosting("class-weight: 0.5").class_weight, ClassWeight::Positive(0.5));
    assert_eq!(boosting("class-weight:").class_weight, ClassWeight::Positive(1.0));
    assert_eq!(boosting("early-stopping:").early_stopping, Some(EarlyStopping { rounds: 10, validation: 0.1 }));
    assert_eq!(boosting("").early_stopping, None);
}

#[test]
fn a_model_that_is_there_may_be_judged() {
    let Train::Import(import) = train("{ model: m.json, features: [a], test-data: rows.csv, require: { f1: 0.5 } }")
    else {
        panic!("a model is named")
    };
    let expected = Import {
        model: "m.json".into(),
        features: vec!["a".into()],
        test_data: Some(TestData { data: Data::Path("rows.csv".into()), label: "Class".into() }),
        require: Require { f1: Some(0.5), ..Require::default() },
    };
    assert_eq!(import, expected);
    let judged = Train::Import(import);
    assert!(judged.is_measured());
    assert_eq!(judged.require().f1, Some(0.5));
    let alone = train("{ model: m.json, require: {} }");
    assert!(!alone.is_measured());
    assert_eq!(*alone.require(), Require::default());
}

#[test]
fn a_command_makes_a_model_from_its_inputs() {
    let block = "{
        command: [python, train_model.py, --trees, '100'], inputs: [train_model.py, data], model: out/model.json,
        features: [a], test-data: s3://rows/test.csv, label: y, require: { not-worse-than-live: 0 } }";
    let made = train(block);
    assert_eq!(made.features(), ["a"]);
    assert!(made.is_measured());
    let expected = Command {
        command: ["python", "train_model.py", "--trees", "100"].map(String::from).to_vec(),
        inputs: vec!["train_model.py".into(), "data".into()],
        model: "out/model.json".into(),
        features: vec!["a".into()],
        test_data: Some(TestData {
            data: Data::S3 { bucket: "rows".into(), key: "test.csv".into(), sha256: None },
            label: "y".into(),
        }),
        require: Require { not_worse_than_live: Some(0.0), ..Require::default() },
    };
    assert_eq!(made, Train::Command(expected));
}

#[test]
fn sagemaker_trains_on_one_machine_unless_told_otherwise() {
    let default = On::SageMaker(TrainingInstances {
        instance_type: "ml.m5.large".into(),
        count: 1,
        volume_gb: 10,
        max_runtime_s: 3600,
    });
    assert_eq!(fit("{ on: sagemaker }").on, default);
    assert_eq!(fit("{ on: sagemaker, instances: }").on, default);
    assert_eq!(fit("{ on: here }").on, On::Here);
    assert_eq!(fit("{ on: }").on, On::Here);
    let most = "{ on: sagemaker, algorithm: { gradient-boosting: { seed: 2147483646 } } }";
    assert!(matches!(fit(most).on, On::SageMaker(_)));
}

#[test]
fn only_sagemaker_limits_seed_and_monotone() {
    let seed = "{ algorithm: { gradient-boosting: { seed: 18446744073709551615 } } }";
    let Algorithm::GradientBoosting(boosting) = fit(seed).algorithm else { panic!("it boosts") };
    assert_eq!(boosting.seed, u64::MAX);
    let monotone =
        "{ on: sagemaker, features: [V1..V1249], algorithm: { gradient-boosting: { monotone: { V1: increasing } } } }";
    assert_eq!(fit(monotone).features.len(), 1249);
}
