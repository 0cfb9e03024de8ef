//! The service as its callers see it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, Method};
use serde_json::{Value, json};

use super::handle;
use super::wire::Protocol;
use crate::call::{Call, Caller};
use crate::cloud::{Cloud, Config, Delays};
use crate::server::{Service, check_members, dispatch};

async fn open(dir: &Path, second: Duration) -> Arc<Cloud> {
    let config = Config {
        state_dir: dir.to_owned(),
        account: "123456789012".into(),
        region: "us-east-1".into(),
        access_key_id: "AKIATEST".into(),
        secret_access_key: "secret".into(),
        base_url: "http://127.0.0.1:1".into(),
        model_server: vec![],
        training_program: vec![],
        delays: Delays { second, ..Delays::default() },
    };
    Cloud::open(config).await.unwrap()
}

/// The answer, or what was refused as `Code: message`.
fn call(cloud: &Cloud, operation: &str, body: &Value) -> Result<Value, String> {
    let request = request(operation, body);
    let answer = match check_members(Service::CloudWatch, &request) {
        Ok(()) => handle(cloud, &request, Protocol::Json),
        Err(refusal) => Protocol::Json.refuse(&refusal),
    };
    let body: Value = serde_json::from_slice(answer.body()).unwrap();
    if answer.status().is_success() {
        return Ok(body);
    }
    Err(format!(
        "{} {}: {}",
        answer.status().as_u16(),
        body["__type"].as_str().unwrap(),
        body["message"].as_str().unwrap()
    ))
}

fn request(operation: &str, body: &Value) -> Call {
    Call {
        operation: operation.into(),
        method: Method::POST,
        path: "/".into(),
        query: Vec::new(),
        headers: HeaderMap::new(),
        body: body.to_string().into(),
        caller: Caller { arn: "arn:aws:iam::123456789012:root".into(), role: None },
        request_id: "r".into(),
        outcome: None,
    }
}

fn errors(name: &str) -> Value {
    json!({
        "AlarmName": name, "Namespace": "AWS/SageMaker", "MetricName": "Invocation5XXErrors", "Statistic": "Sum",
        "Dimensions": [{ "Name": "EndpointName", "Value": "fraud" }], "Period": 60, "EvaluationPeriods": 1,
        "Threshold": 2.0, "ComparisonOperator": "GreaterThanOrEqualToThreshold", "TreatMissingData": "notBreaching",
        "Tags": [{ "Key": "runner:pipeline", "Value": "fraud" }],
    })
}

fn state(cloud: &Cloud, name: &str) -> String {
    let described = call(cloud, "DescribeAlarms", &json!({ "AlarmNames": [name] })).unwrap();
    described["MetricAlarms"][0]["StateValue"].as_str().unwrap_or("none").to_owned()
}

fn fail(cloud: &Cloud) {
    cloud.cloudwatch.record("AWS/SageMaker", "Invocation5XXErrors", &[("EndpointName", "fraud")], 1.0);
}

#[tokio::test]
async fn an_alarm_follows_what_is_measured_and_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    // A minute lasts 0.3 s.
    let cloud = open(dir.path(), Duration::from_millis(5)).await;
    call(&cloud, "PutMetricAlarm", &errors("fraud-errors")).unwrap();
    assert_eq!(state(&cloud, "fraud-errors"), "OK");
    fail(&cloud);
    assert_eq!(state(&cloud, "fraud-errors"), "OK");
    fail(&cloud);
    assert_eq!(state(&cloud, "fraud-errors"), "ALARM");
    let described = call(&cloud, "DescribeAlarms", &json!({ "StateValue": "ALARM" })).unwrap();
    let reason = described["MetricAlarms"][0]["StateReason"].as_str().unwrap();
    assert!(reason.starts_with("Threshold Crossed: 1 datapoint [2.0 ("), "{reason}");
    assert!(reason.ends_with("was greater than or equal to the threshold (2.0)."), "{reason}");
    for _ in 0..200 {
        if state(&cloud, "fraud-errors") == "OK" {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("still in alarm after two seconds");
}

#[tokio::test]
async fn a_state_that_is_set_lasts_a_period() {
    let dir = tempfile::tempdir().unwrap();
    let cloud = open(dir.path(), Duration::from_secs(1)).await;
    call(&cloud, "PutMetricAlarm", &errors("a")).unwrap();
    let set = json!({ "AlarmName": "a", "StateValue": "ALARM", "StateReason": "a drill" });
    call(&cloud, "SetAlarmState", &set).unwrap();
    assert_eq!(state(&cloud, "a"), "ALARM");
    let changed = json!({ "AlarmName": "b", "StateValue": "ALARM", "StateReason": "a drill" });
    assert_eq!(call(&cloud, "SetAlarmState", &changed).unwrap_err(), "404 ResourceNotFound: Alarm b does not exist");
}

#[tokio::test]
async fn a_change_keeps_state_and_tags_and_a_restart_keeps_all() {
    let dir = tempfile::tempdir().unwrap();
    let cloud = open(dir.path(), Duration::from_secs(1)).await;
    call(&cloud, "PutMetricAlarm", &errors("a")).unwrap();
    fail(&cloud);
    fail(&cloud);
    assert_eq!(state(&cloud, "a"), "ALARM");
    let mut other = errors("a");
    other["Threshold"] = json!(1.0);
    other.as_object_mut().unwrap().remove("Tags");
    call(&cloud, "PutMetricAlarm", &other).unwrap();
    let arn = "arn:aws:cloudwatch:us-east-1:123456789012:alarm:a";
    let tags = call(&cloud, "ListTagsForResource", &json!({ "ResourceARN": arn })).unwrap();
    assert_eq!(tags, json!({ "Tags": [{ "Key": "runner:pipeline", "Value": "fraud" }] }));
    drop(cloud);
    let cloud = open(dir.path(), Duration::ZERO).await;
    let described = cloud.cloudwatch.memory.read(|memory| memory.alarms["a"].describe());
    assert_eq!((&described["StateValue"], &described["Threshold"]), (&json!("ALARM"), &json!(1.0)));
}

#[tokio::test]
async fn alarms_are_found_by_name_prefix_and_page_and_all_or_none_are_deleted() {
    let dir = tempfile::tempdir().unwrap();
    let cloud = open(dir.path(), Duration::ZERO).await;
    for name in ["a-1", "a-2", "b"] {
        call(&cloud, "PutMetricAlarm", &errors(name)).unwrap();
    }
    let names = |answer: &Value| -> Vec<String> {
        let alarms = answer["MetricAlarms"].as_array().unwrap().iter();
        alarms.map(|alarm| alarm["AlarmName"].as_str().unwrap().to_owned()).collect()
    };
    let found = call(&cloud, "DescribeAlarms", &json!({ "AlarmNamePrefix": "a-" })).unwrap();
    assert_eq!(names(&found), ["a-1", "a-2"]);
    let first = call(&cloud, "DescribeAlarms", &json!({ "MaxRecords": 2 })).unwrap();
    let rest = call(&cloud, "DescribeAlarms", &json!({ "NextToken": first["NextToken"] })).unwrap();
    assert_eq!((names(&first).len(), names(&rest), rest.get("NextToken")), (2, vec!["b".to_owned()], None));
    let refused = call(&cloud, "DeleteAlarms", &json!({ "AlarmNames": ["a-1", "nope"] })).unwrap_err();
    assert_eq!(refused, "404 ResourceNotFound: Alarm nope does not exist");
    assert_eq!(state(&cloud, "a-1"), "OK");
    call(&cloud, "DeleteAlarms", &json!({ "AlarmNames": ["a-1", "a-2", "b"] })).unwrap();
    assert!(cloud.cloudwatch.is_empty());
}

#[tokio::test]
async fn what_is_put_can_be_read_as_statistics() {
    let dir = tempfile::tempdir().unwrap();
    let cloud = open(dir.path(), Duration::from_secs(1)).await;
    let datum = |rest: Value| {
        let mut datum = json!({ "MetricName": "m", "Timestamp": 1_700_000_010.0 });
        datum.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        datum
    };
    let data = [
        datum(json!({ "Value": 2.0 })),
        datum(json!({ "Values": [1.0, 4.0], "Counts": [2.0, 1.0] })),
        datum(json!({ "StatisticValues": { "SampleCount": 2.0, "Sum": 20.0, "Minimum": 9.0, "Maximum": 11.0 } })),
    ];
    call(&cloud, "PutMetricData", &json!({ "Namespace": "mine", "MetricData": data })).unwrap();
    let ask = json!({ "Namespace": "mine", "MetricName": "m", "StartTime": 1_700_000_000.0, "EndTime": 1_700_000_060.0,
                      "Period": 60, "Statistics": ["Sum", "SampleCount", "Maximum", "Minimum", "Average"] });
    let answer = call(&cloud, "GetMetricStatistics", &ask).unwrap();
    assert_eq!(answer["Datapoints"].as_array().unwrap().len(), 1, "{answer}");
    let point = &answer["Datapoints"][0];
    let values = ["Sum", "SampleCount", "Minimum", "Maximum"].map(|statistic| point[statistic].as_f64().unwrap());
    assert_eq!((values, &point["Unit"]), ([28.0, 6.0, 1.0, 11.0], &json!("None")));
    let listed = call(&cloud, "ListMetrics", &json!({ "Namespace": "mine" })).unwrap();
    assert_eq!(listed, json!({ "Metrics": [{ "Namespace": "mine", "MetricName": "m", "Dimensions": [] }] }));
}

#[tokio::test]
async fn metric_data_is_read_by_query_unit_and_order() {
    let dir = tempfile::tempdir().unwrap();
    let cloud = open(dir.path(), Duration::from_secs(1)).await;
    let mut data = vec![];
    for (at, value, unit) in [(0, 1.0, "Count"), (30, 2.0, "Count"), (60, 4.0, "Count"), (61, 8.0, "Seconds")] {
        data.push(json!({ "MetricName": "m", "Timestamp": 1_700_000_040 + at, "Value": value, "Unit": unit,
                          "Dimensions": [{ "Name": "d", "Value": "1" }] }));
    }
    call(&cloud, "PutMetricData", &json!({ "Namespace": "mine", "MetricData": data })).unwrap();
    let query = |id: &str, rest: Value| {
        let metric = json!({ "Namespace": "mine", "MetricName": "m", "Dimensions": [{ "Name": "d", "Value": "1" }] });
        let mut stat = json!({ "Metric": metric, "Period": 60, "Stat": "Sum" });
        stat.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        json!({ "Id": id, "MetricStat": stat })
    };
    let ask = |queries: Value, order: &str| {
        call(
            &cloud,
            "GetMetricData",
            &json!({ "StartTime": 1_700_000_000, "EndTime": 1_700_000_160, "ScanBy": order,
                                               "MetricDataQueries": queries }),
        )
    };
    let answer = ask(json!([query("a", json!({ "Unit": "Count" }))]), "TimestampAscending").unwrap();
    let of = json!({ "Id": "a", "Label": "m", "StatusCode": "Complete",
                     "Timestamps": [1_700_000_040.0, 1_700_000_100.0], "Values": [3.0, 4.0] });
    assert_eq!(answer["MetricDataResults"], json!([of]));
    let answer = ask(json!([query("b", json!({ "Unit": "Seconds" }))]), "TimestampDescending").unwrap();
    assert_eq!(answer["MetricDataResults"][0]["Values"], json!([8.0]));
    let mut hidden = query("c", json!({}));
    hidden["ReturnData"] = false.into();
    assert_eq!(ask(json!([hidden]), "TimestampDescending").unwrap()["MetricDataResults"], json!([]));
    let told = [
        ask(json!([query("a", json!({})), query("a", json!({}))]), "TimestampDescending").unwrap_err(),
        ask(json!([query("A", json!({}))]), "TimestampDescending").unwrap_err(),
        ask(json!([query("a", json!({ "Stat": "p90" }))]), "TimestampDescending").unwrap_err(),
        ask(json!([{ "Id": "a", "Expression": "m1 / m2" }]), "TimestampDescending").unwrap_err(),
    ];
    insta::assert_snapshot!(told.join("\n"), @"
    400 ValidationError: The values for parameter id in MetricDataQueries must be unique.
    400 ValidationError: 1 validation error detected: Value 'A' at 'metricDataQueries.1.member.id' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-z][a-zA-Z0-9_]*
    501 NotImplemented: the local cloud does not offer the statistic `p90` of GetMetricData
    501 NotImplemented: the local cloud does not offer `Expression` in `MetricDataQueries` of GetMetricData
    ");
    let listed = |rest: Value| call(&cloud, "ListMetrics", &rest).unwrap()["Metrics"].as_array().unwrap().len();
    assert_eq!(listed(json!({ "Dimensions": [{ "Name": "d" }] })), 1);
    assert_eq!(listed(json!({ "Dimensions": [{ "Name": "d", "Value": "2" }] })), 0);
}

#[tokio::test]
async fn data_that_aws_refuses_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let cloud = open(dir.path(), Duration::from_secs(1)).await;
    let put = |rest: Value| {
        let mut datum = json!({ "MetricName": "m" });
        datum.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        call(&cloud, "PutMetricData", &json!({ "Namespace": "mine", "MetricData": [datum] })).unwrap_err()
    };
    let get = |rest: Value| {
        let mut ask = json!({ "Namespace": "mine", "MetricName": "m", "StartTime": 0, "EndTime": 60, "Period": 60 });
        ask.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        call(&cloud, "GetMetricStatistics", &ask).unwrap_err()
    };
    let told = [
        put(json!({ "Value": 1, "Values": [1] })),
        put(json!({ "Value": 1, "StatisticValues": {} })),
        put(json!({ "Values": [1], "Counts": [1, 2] })),
        put(json!({})),
        put(json!({ "Value": 1, "Unit": "Parsecs" })).split(" [").next().unwrap().to_owned(),
        get(json!({})),
        get(json!({ "Statistics": ["Sum"], "EndTime": 0.9 })),
        get(json!({ "Statistics": ["p90"] })),
        get(json!({ "ExtendedStatistics": ["p90"] })),
        call(&cloud, "ListMetrics", &json!({ "NextToken": "made-up" })).unwrap_err(),
    ];
    insta::assert_snapshot!(told.join("\n"), @"
    400 InvalidParameterValue: The parameters MetricData.member.1.Value and MetricData.member.1.Values are mutually exclusive and you have specified both.
    400 InvalidParameterCombination: The parameters MetricData.member.1.Value and MetricData.member.1.StatisticValues are mutually exclusive and you have specified both.
    400 InvalidParameterValue: The parameters MetricData.member.1.Values and MetricData.member.1.Counts must be of the same size.
    400 MissingParameter: The parameter MetricData.member.1.Value is required, or Values, or StatisticValues.
    400 ValidationError: 1 validation error detected: Value 'Parsecs' at 'metricData.1.member.unit' failed to satisfy constraint: Member must satisfy enum value set:
    400 InvalidParameterCombination: Must specify either Statistics or ExtendedStatistics
    400 InvalidParameterValue: The parameter StartTime must be less than the parameter EndTime.
    400 ValidationError: 1 validation error detected: Value 'p90' at 'statistics' failed to satisfy constraint: Member must satisfy enum value set: [SampleCount, Average, Sum, Minimum, Maximum]
    501 NotImplemented: the local cloud does not offer `ExtendedStatistics` of GetMetricStatistics
    400 InvalidParameterValue: Request parameter NextToken is invalid
    ");
}

#[tokio::test]
async fn wrong_requests_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let cloud = open(dir.path(), Duration::ZERO).await;
    let with = |member: &str, value: Value| {
        let mut alarm = errors("a");
        alarm[member] = value;
        alarm
    };
    let mut told = vec![];
    for (operation, body) in [
        ("PutMetricAlarm", json!({})),
        ("PutMetricAlarm", with("Period", json!(45))),
        ("PutMetricAlarm", with("DatapointsToAlarm", json!(2))),
        ("PutMetricAlarm", with("TreatMissingData", json!("good"))),
        ("PutMetricAlarm", with("Statistic", json!("p90"))),
        ("PutMetricAlarm", with("Metrics", json!([]))),
        ("DescribeAlarms", json!({ "NextToken": "x" })),
        ("ListTagsForResource", json!({ "ResourceARN": "arn:aws:cloudwatch:us-east-1:123456789012:alarm:x" })),
        ("PutDashboard", json!({})),
    ] {
        told.push(call(&cloud, operation, &body).unwrap_err());
    }
    insta::assert_snapshot!(told.join("\n"), @"
    400 ValidationError: 8 validation errors detected: Value null at 'alarmName' failed to satisfy constraint: Member must not be null; Value null at 'metricName' failed to satisfy constraint: Member must not be null; Value null at 'namespace' failed to satisfy constraint: Member must not be null; Value null at 'statistic' failed to satisfy constraint: Member must not be null; Value null at 'period' failed to satisfy constraint: Member must not be null; Value null at 'evaluationPeriods' failed to satisfy constraint: Member must not be null; Value null at 'threshold' failed to satisfy constraint: Member must not be null; Value null at 'comparisonOperator' failed to satisfy constraint: Member must not be null
    400 InvalidParameterValue: The parameter Period must be 10, 20, 30 or a multiple of 60.
    400 InvalidParameterCombination: The parameter DatapointsToAlarm must not be greater than EvaluationPeriods.
    400 ValidationError: Parameter TreatMissingData must be one of the following: [missing, ignore, breaching, notBreaching]
    400 ValidationError: 1 validation error detected: Value 'p90' at 'statistic' failed to satisfy constraint: Member must satisfy enum value set: [SampleCount, Average, Sum, Minimum, Maximum]
    501 NotImplemented: the local cloud does not offer `Metrics` of PutMetricAlarm
    400 InvalidNextToken: The next token specified is invalid.
    404 ResourceNotFoundException: Unknown resource with identifier: arn:aws:cloudwatch:us-east-1:123456789012:alarm:x
    501 NotImplemented: the local cloud does not offer the operation `PutDashboard` of CloudWatch
    ");
}

#[tokio::test]
async fn a_role_may_only_what_its_policy_says() {
    let dir = tempfile::tempdir().unwrap();
    let cloud = open(dir.path(), Duration::ZERO).await;
    let mut put = request("PutMetricAlarm", &errors("a"));
    put.caller.role = Some("arn:aws:iam::123456789012:role/nobody".to_owned());
    let refused = dispatch(&cloud, Service::CloudWatch, &put).await.unwrap_err();
    assert_eq!((refused.status.as_u16(), &*refused.code), (403, "AccessDenied"));
    let on = "cloudwatch:PutMetricAlarm on resource: arn:aws:cloudwatch:us-east-1:123456789012:alarm:a";
    assert!(refused.message.contains(on), "{}", refused.message);
}
