use std::path::Path;

use super::*;
use crate::Delays;

fn config(dir: &Path) -> Config {
    Config {
        state_dir: dir.to_owned(),
        account: "123456789012".to_owned(),
        region: "us-east-1".to_owned(),
        access_key_id: "AKIATEST".to_owned(),
        secret_access_key: "secret".to_owned(),
        base_url: String::new(),
        model_server: Vec::new(),
        training_program: Vec::new(),
        delays: Delays::default(),
    }
}

fn fresh() -> (tempfile::TempDir, Logs) {
    let dir = tempfile::tempdir().unwrap();
    let logs = Logs::open(&config(dir.path())).unwrap();
    (dir, logs)
}

fn messages(answer: &Value) -> Vec<&str> {
    answer["events"].as_array().unwrap().iter().map(|event| event["message"].as_str().unwrap()).collect()
}

#[test]
fn refusals_are_those_of_aws() {
    let (_dir, logs) = fresh();
    logs.answer("CreateLogGroup", &json!({"logGroupName": "/a"})).unwrap();
    let absent = "The specified log group does not exist.";
    let cases = [
        (
            "CreateLogGroup",
            json!({"logGroupName": "/a"}),
            "ResourceAlreadyExistsException",
            "The specified log group already exists",
        ),
        (
            "CreateLogGroup",
            json!({"logGroupName": "x".repeat(513)}),
            "InvalidParameterException",
            "Invalid LogGroup or LogStream, both must have length less than or equal to 512.",
        ),
        ("DeleteLogGroup", json!({"logGroupName": "/b"}), "ResourceNotFoundException", absent),
        (
            "PutRetentionPolicy",
            json!({"logGroupName": "/b", "retentionInDays": 7}),
            "ResourceNotFoundException",
            absent,
        ),
        (
            "DescribeLogGroups",
            json!({"logGroupNamePrefix": "/a", "logGroupNamePattern": "a"}),
            "InvalidParameterException",
            "LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.",
        ),
        (
            "PutLogEvents",
            json!({"logGroupName": "/a", "logStreamName": "s", "logEvents": [{"timestamp": 1, "message": "m"}]}),
            "ResourceNotFoundException",
            "The specified log stream does not exist.",
        ),
    ];
    for (operation, body, code, message) in cases {
        let refusal = logs.answer(operation, &body).unwrap_err();
        assert_eq!((refusal.status.as_u16(), &*refusal.code, &*refusal.message), (400, code, message), "{operation}");
    }
    let days = json!({"logGroupName": "/a", "retentionInDays": 2});
    let refusal = logs.answer("PutRetentionPolicy", &days).unwrap_err();
    assert!(refusal.message.starts_with("1 validation error detected: Value '2' at 'retentionInDays'"), "{refusal:?}");
}

#[test]
fn groups_tags_and_lines_survive_a_restart() {
    let (dir, logs) = fresh();
    logs.answer("CreateLogGroup", &json!({"logGroupName": "/a", "tags": {"owner": "fraud"}})).unwrap();
    logs.answer("PutRetentionPolicy", &json!({"logGroupName": "/a", "retentionInDays": 7})).unwrap();
    logs.append("/a", "s", "one");
    drop(logs);
    let logs = Logs::open(&config(dir.path())).unwrap();
    logs.append("/a", "s", "two");
    let group = &logs.answer("DescribeLogGroups", &json!({"logGroupNamePrefix": "/"})).unwrap()["logGroups"][0];
    assert_eq!(group["retentionInDays"], 7);
    assert_eq!(group["arn"], "arn:aws:logs:us-east-1:123456789012:log-group:/a:*");
    let tags = logs.answer("ListTagsForResource", &json!({"resourceArn": group["logGroupArn"]})).unwrap();
    assert_eq!(tags, json!({"tags": {"owner": "fraud"}}));
    assert_eq!(messages(&logs.answer("FilterLogEvents", &json!({"logGroupName": "/a"})).unwrap()), ["one", "two"]);
}

#[test]
fn a_line_makes_its_group_without_retention_and_a_deleted_group_forgets_its_lines() {
    let (_dir, logs) = fresh();
    logs.append("/aws/lambda/f", "s", "old");
    logs.answer("DeleteLogGroup", &json!({"logGroupName": "/aws/lambda/f"})).unwrap();
    assert!(logs.is_empty_but_for(""));
    logs.append("/aws/lambda/f", "s", "new");
    let group = &logs.answer("DescribeLogGroups", &json!({})).unwrap()["logGroups"][0];
    assert_eq!((&group["logGroupName"], group.get("retentionInDays")), (&json!("/aws/lambda/f"), None));
    let lines = logs.answer("FilterLogEvents", &json!({"logGroupName": "/aws/lambda/f"})).unwrap();
    assert_eq!(messages(&lines), ["new"]);
}

#[test]
fn lines_are_found_by_stream_time_and_words_and_come_in_pages() {
    let (_dir, logs) = fresh();
    logs.answer("CreateLogGroup", &json!({"logGroupName": "/a"})).unwrap();
    let begins = now_ms() - 1000;
    for (stream, at_ms, message) in [("x1", 10, "error one"), ("y1", 20, "fine"), ("x2", 30, "error two")] {
        logs.answer("CreateLogStream", &json!({"logGroupName": "/a", "logStreamName": stream})).unwrap();
        let events = json!([{"timestamp": begins + at_ms, "message": message}]);
        let body = json!({"logGroupName": "/a", "logStreamName": stream, "logEvents": events});
        logs.answer("PutLogEvents", &body).unwrap();
    }
    let find = |mut extra: Value| {
        extra["logGroupName"] = "/a".into();
        logs.answer("FilterLogEvents", &extra).unwrap()
    };
    assert_eq!(messages(&find(json!({}))), ["error one", "fine", "error two"]);
    assert_eq!(messages(&find(json!({"logStreamNamePrefix": "x"}))), ["error one", "error two"]);
    assert_eq!(messages(&find(json!({"startTime": begins + 20, "endTime": begins + 30}))), ["fine"]);
    assert_eq!(messages(&find(json!({"filterPattern": "error \"two\""}))), ["error two"]);
    let page = find(json!({"limit": 2}));
    assert_eq!(messages(&page), ["error one", "fine"]);
    assert_eq!(messages(&find(json!({"limit": 2, "nextToken": page["nextToken"]}))), ["error two"]);
}

#[test]
fn reading_a_stream_to_its_end_gives_the_same_token_again() {
    let (_dir, logs) = fresh();
    for n in 0..5 {
        logs.append("/a", "s", &n.to_string());
    }
    let get = |extra: Value| {
        let mut body = json!({"logGroupName": "/a", "logStreamName": "s", "limit": 3, "startFromHead": true});
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        logs.answer("GetLogEvents", &body).unwrap()
    };
    let first = get(json!({}));
    let second = get(json!({"nextToken": first["nextForwardToken"]}));
    let third = get(json!({"nextToken": second["nextForwardToken"]}));
    assert_eq!((messages(&first), messages(&second)), (vec!["0", "1", "2"], vec!["3", "4"]));
    assert_eq!((messages(&third).len(), &third["nextForwardToken"]), (0, &second["nextForwardToken"]));
    assert_eq!(messages(&get(json!({"startFromHead": false}))), ["2", "3", "4"]);
}

#[test]
fn events_too_old_or_too_new_are_told_and_not_kept() {
    let (_dir, logs) = fresh();
    logs.answer("CreateLogGroup", &json!({"logGroupName": "/a"})).unwrap();
    logs.answer("CreateLogStream", &json!({"logGroupName": "/a", "logStreamName": "s"})).unwrap();
    let hour = 60 * 60 * 1000;
    let put = |hours: &[i64]| {
        let now = now_ms();
        let event = |hours: &i64| json!({"timestamp": now + hours * hour, "message": hours.to_string()});
        let events: Vec<_> = hours.iter().map(event).collect();
        logs.answer("PutLogEvents", &json!({"logGroupName": "/a", "logStreamName": "s", "logEvents": events}))
    };
    let rejected = |hours: &[i64]| put(hours).unwrap()["rejectedLogEventsInfo"].clone();
    assert_eq!(rejected(&[-3, 0, 1]), Value::Null);
    assert_eq!(rejected(&[0, 3, 4]), json!({"tooNewLogEventStartIndex": 1}));
    assert_eq!(rejected(&[-340, -337, -335]), json!({"tooOldLogEventEndIndex": 2}));
    logs.answer("PutRetentionPolicy", &json!({"logGroupName": "/a", "retentionInDays": 1})).unwrap();
    assert_eq!(rejected(&[-30, -25, -23]), json!({"expiredLogEventEndIndex": 2}));
    logs.answer("DeleteRetentionPolicy", &json!({"logGroupName": "/a"})).unwrap();
    let kept = logs.answer("FilterLogEvents", &json!({"logGroupName": "/a"})).unwrap();
    assert_eq!(messages(&kept), ["-335", "-23", "-3", "0", "0", "1"]);
    let refused = |hours: &[i64]| put(hours).unwrap_err().message;
    assert!(refused(&[0, -1]).contains("chronological order"));
    assert!(refused(&[-24, 1]).contains("24 hours"));
    assert!(refused(&[]).contains("length greater than or equal to 1"));
}

#[test]
fn limits_orders_and_tokens_are_checked() {
    let (_dir, logs) = fresh();
    logs.append("/a", "s", "one");
    let of = |extra: Value| {
        let mut body = json!({"logGroupName": "/a", "logStreamName": "s"});
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        body
    };
    let cases = [
        ("DescribeLogStreams", json!({"limit": 51}), "Value '51' at 'limit'"),
        ("FilterLogEvents", json!({"limit": 10_001}), "have value less than or equal to 10000"),
        ("GetLogEvents", json!({"limit": 0}), "have value greater than or equal to 1"),
        ("DescribeLogStreams", json!({"orderBy": "Size"}), "enum value set: [LogStreamName, LastEventTime]"),
        (
            "DescribeLogStreams",
            json!({"orderBy": "LastEventTime", "logStreamNamePrefix": "s"}),
            "Cannot order by LastEventTime with a logStreamNamePrefix.",
        ),
        ("GetLogEvents", json!({"nextToken": "made-up"}), "The specified nextToken is invalid."),
        ("GetLogEvents", json!({"nextToken": "n/0"}), "The specified nextToken is invalid."),
        ("GetLogEvents", json!({"logGroupName": null, "logGroupIdentifier": "a:*"}), "at 'logGroupIdentifier'"),
        ("CreateLogGroup", json!({"logGroupName": "/b", "tags": {"NO!": "x"}}), "Value 'NO!' at 'tags'"),
        ("CreateLogGroup", json!({"logGroupName": "/b", "tags": {"": "x"}}), "length greater than or equal to 1"),
        ("UntagResource", json!({"tagKeys": vec!["k"; 51]}), "at 'tagKeys'"),
    ];
    for (operation, extra, words) in cases {
        let refusal = logs.answer(operation, &of(extra)).unwrap_err();
        assert!(refusal.message.contains(words), "{operation}: {refusal:?}");
    }
}
