use super::*;
use crate::Declared;
use crate::fixture::Fixture;

fn declared(stages: &str) -> Declared {
    Fixture::with(stages).declared()
}

#[test]
fn clocks_are_wrong_when_aws_would_refuse_what_they_date() {
    let of = |ahead_s| Clock { ahead_s }.finding();
    assert_eq!(of(Some(0)).result, Outcome::Fine);
    assert_eq!(of(Some(-149)).result, Outcome::Fine);
    assert_eq!(of(Some(200)).result, Outcome::Warning);
    assert_eq!(of(Some(-301)).result, Outcome::Failed);
    assert_eq!(of(Some(-301)).found, "this machine's clock is 301 s behind");
    assert_eq!(of(None).result, Outcome::Unknown);
}

#[test]
fn machines_are_counted_by_quota() {
    let told = |stages: &str| {
        let wanted = quotas::wanted(&declared(stages)).into_iter();
        wanted.map(|quota| format!("{} {} {}", quota.name, quota.uses, quota.while_changed)).collect::<Vec<_>>()
    };
    assert_eq!(told(""), ["ml.t2.medium for endpoint usage 1 2"]);
    assert_eq!(told("create-endpoint: { serverless: {} }"), Vec::<String>::new());
    assert_eq!(
        told(
            "train: { on: sagemaker, instances: { type: ml.m5.xlarge, count: 2 } }, create-endpoint: { instances: { type: ml.m5.xlarge, count: 3 } }"
        ),
        ["ml.m5.xlarge for endpoint usage 3 6", "ml.m5.xlarge for training job usage 2 2"]
    );
}

#[test]
fn a_quota_refuses_warns_or_is_enough() {
    let quota = Quota { name: "q".to_owned(), uses: 2, while_changed: 4 };
    let of = |value| quotas::finding(&quota, value).result;
    assert_eq!(of(Some(1.0)), Outcome::Failed);
    assert_eq!(of(Some(2.0)), Outcome::Warning);
    assert_eq!(of(Some(4.0)), Outcome::Fine);
    assert_eq!(of(None), Outcome::Unknown);
}
