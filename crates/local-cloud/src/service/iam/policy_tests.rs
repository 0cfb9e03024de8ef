use serde_json::{Value, json};

use super::super::keys::Tags;
use super::*;

const MODEL: &str = "arn:aws:s3:::bucket/models/a.tar.gz";

fn ask(statements: &Value, action: &str, resource: &str, context: &[(&str, &str)]) -> Decision {
    ask_with(statements, action, resource, &Keys::from(context))
}

fn ask_with(statements: &Value, action: &str, resource: &str, keys: &Keys) -> Decision {
    let document = json!({"Version": "2012-10-17", "Statement": statements}).to_string();
    decide([document.as_str()], Question { action, resource: Some(resource), asker: Asker::Own, keys })
}

fn trusts(statement: &Value, context: &[(&str, &str)]) -> bool {
    let document = json!({"Version": "2012-10-17", "Statement": [statement]}).to_string();
    let (asker, keys) = (Asker::Service("sagemaker.amazonaws.com"), &Keys::from(context));
    let question = Question { action: "sts:AssumeRole", resource: None, asker, keys };
    decide([document.as_str()], question) == Decision::Allowed
}

#[test]
fn actions_ignore_case_and_resources_do_not() {
    let statement = || json!([{"Effect": "Allow", "Action": "S3:get*", "Resource": "arn:aws:s3:::bucket/models/*"}]);
    assert_eq!(ask(&statement(), "s3:GetObject", MODEL, &[]), Decision::Allowed);
    assert_eq!(ask(&statement(), "s3:PutObject", MODEL, &[]), Decision::Unmentioned);
    assert_eq!(ask(&statement(), "s3:GetObject", "arn:aws:s3:::bucket/Models/a", &[]), Decision::Unmentioned);
    assert_eq!(ask(&statement(), "s3:GetObject", "arn:aws:s3:::other/models/a", &[]), Decision::Unmentioned);
}

#[test]
fn a_denial_outweighs_every_permission() {
    let statements = json!([
        {"Effect": "Deny", "Action": "s3:*", "Resource": MODEL},
        {"Effect": "Allow", "Action": "*", "Resource": "*"},
    ]);
    assert_eq!(ask(&statements, "s3:GetObject", MODEL, &[]), Decision::Denied);
    assert_eq!(ask(&statements, "s3:GetObject", "arn:aws:s3:::bucket/b", &[]), Decision::Allowed);
}

#[test]
fn exceptions_turn_lists_around() {
    let statements = || json!([{"Effect": "Allow", "NotAction": ["iam:*"], "NotResource": [MODEL]}]);
    assert_eq!(ask(&statements(), "s3:GetObject", "arn:aws:s3:::bucket/b", &[]), Decision::Allowed);
    assert_eq!(ask(&statements(), "iam:PassRole", "arn:aws:s3:::bucket/b", &[]), Decision::Unmentioned);
    assert_eq!(ask(&statements(), "s3:GetObject", MODEL, &[]), Decision::Unmentioned);
}

#[test]
fn conditions_are_met_as_on_aws() {
    let cases = [
        ("StringEquals", json!("models/"), Some("models/"), true),
        ("StringEquals", json!("models/"), Some("Models/"), false),
        ("StringEquals", json!(["x", "models/"]), Some("models/"), true),
        ("StringEqualsIgnoreCase", json!("models/"), Some("Models/"), true),
        ("StringNotEquals", json!(["x", "y"]), Some("z"), true),
        ("StringNotEquals", json!(["x", "y"]), Some("y"), false),
        ("StringLike", json!("mod*"), Some("models/"), true),
        ("StringNotLike", json!("mod*"), Some("models/"), false),
        ("Bool", json!(true), Some("true"), true),
        ("Bool", json!("false"), Some("true"), false),
        ("ArnLike", json!("arn:aws:sagemaker:*:1:*"), Some("arn:aws:sagemaker:eu:1:*"), true),
        ("ArnLike", json!("arn:aws:*:1:*"), Some("arn:aws:sagemaker:eu:1:x"), false),
        ("ArnEquals", json!("arn:aws:sagemaker:eu:1:endpoint/a"), Some("arn:aws:sagemaker:eu:1:*"), false),
        ("ArnNotLike", json!("arn:aws:sagemaker:eu:1:*"), Some("arn:aws:sagemaker:us:1:x"), true),
    ];
    for (operator, wanted, actual, met) in cases {
        let condition = json!({operator: {"S3:Prefix": wanted}});
        let statements = json!([{"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": condition}]);
        let context: Vec<(&str, &str)> = actual.map(|actual| ("s3:prefix", actual)).into_iter().collect();
        let allowed = ask(&statements, "s3:ListBucket", "arn:aws:s3:::bucket", &context) == Decision::Allowed;
        assert_eq!(allowed, met, "{statements} under {context:?}");
    }
}

#[test]
fn what_cannot_be_decided_neither_allows_nor_lets_pass() {
    let undecidable = [
        json!({"Condition": {"NumericLessThan": {"s3:max-keys": "10"}}}),
        json!({"Condition": {"StringEqualsIfExists": {"aws:nobody-said": "x"}}}),
        json!({"Condition": {"ForAnyValue:StringEquals": {"aws:TagKeys": "x"}}}),
        json!({"Condition": {"Null": {"aws:RequestTag/team": "false"}}}),
        json!({"Condition": {"StringEquals": {"aws:nobody-said": "x"}}}),
        json!({"Condition": {"StringNotEquals": {"aws:nobody-said": "x"}}}),
        json!({"Condition": {"StringLike": {"s3:prefix": "${aws:username}/*"}}}),
        json!({"Resource": "arn:aws:s3:::bucket/${aws:username}/*"}),
    ];
    for extra in undecidable {
        for (effect, decision) in [("Allow", Decision::Unmentioned), ("Deny", Decision::Denied)] {
            let mut statement = json!({"Effect": effect, "Action": "s3:*", "Resource": "*"});
            statement.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
            let statements = match effect {
                "Deny" => json!([{"Effect": "Allow", "Action": "*", "Resource": "*"}, statement]),
                _ => json!([statement]),
            };
            let context = [("s3:prefix", "x"), ("s3:max-keys", "5")];
            assert_eq!(
                ask(&statements, "s3:ListBucket", "arn:aws:s3:::bucket", &context),
                decision,
                "{extra} {effect}"
            );
        }
    }
}

#[test]
fn tags_are_known_to_be_there_or_not() {
    let mut keys = Keys::default();
    keys.put_request_tags([("team".to_owned(), "fraud".to_owned()), ("Cost".to_owned(), "7".to_owned())].into());
    keys.put_resource_tags(Tags::new());
    let cases = [
        ("StringEquals", "aws:RequestTag/team", json!("fraud"), true),
        ("StringEquals", "AWS:requesttag/team", json!("fraud"), true),
        ("StringEquals", "aws:RequestTag/Team", json!("fraud"), false),
        ("StringNotEquals", "aws:RequestTag/Team", json!("fraud"), true),
        ("StringEqualsIfExists", "aws:RequestTag/Team", json!("fraud"), true),
        ("StringEqualsIfExists", "aws:RequestTag/team", json!("other"), false),
        ("Null", "aws:RequestTag/team", json!("true"), false),
        ("Null", "aws:RequestTag/Team", json!(true), true),
        ("ForAllValues:StringEquals", "aws:TagKeys", json!(["team", "Cost", "more"]), true),
        ("ForAllValues:StringEquals", "aws:TagKeys", json!(["team"]), false),
        ("ForAnyValue:StringLike", "aws:TagKeys", json!(["te*"]), true),
        ("ForAnyValue:StringNotEquals", "aws:TagKeys", json!(["team", "Cost"]), false),
        ("StringEquals", "aws:ResourceTag/team", json!("fraud"), false),
        ("Null", "aws:ResourceTag/team", json!("true"), true),
    ];
    for (operator, key, wanted, met) in cases {
        let condition = json!({operator: {key: wanted}});
        let statements = json!([{"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": condition}]);
        let allowed = ask_with(&statements, "iam:CreateRole", "arn:aws:iam::1:role/r", &keys) == Decision::Allowed;
        assert_eq!(allowed, met, "{statements}");
    }
}

#[test]
fn a_role_trusts_the_principals_it_names() {
    let asks = |principal: Value, all: &[&str]| {
        let statement = json!({"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"});
        let document = json!({"Version": "2012-10-17", "Statement": [statement]}).to_string();
        let (asker, keys) = (Asker::Principals(all), &Keys::default());
        let question = Question { action: "sts:AssumeRole", resource: None, asker, keys };
        decide([document.as_str()], question) == Decision::Allowed
    };
    let role = "arn:aws:iam::1:role/r";
    assert!(asks(json!({"AWS": [role, "2"]}), &[role, "*"]));
    assert!(asks(json!("*"), &[role, "*"]));
    assert!(!asks(json!({"AWS": "arn:aws:iam::1:root"}), &[role, "*"]));
    assert!(asks(json!({"AWS": "1"}), &["1", "arn:aws:iam::1:root"]));
    assert!(!asks(json!({"Service": "lambda.amazonaws.com"}), &[role, "*"]));
}

#[test]
fn a_condition_that_fails_settles_a_statement_whatever_else_is_unknown() {
    let condition = json!({"StringEquals": {"s3:prefix": "y"}, "NumericLessThan": {"s3:max-keys": "10"}});
    let statements = json!([
        {"Effect": "Allow", "Action": "*", "Resource": "*"},
        {"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": condition},
    ]);
    let context = [("s3:prefix", "x")];
    assert_eq!(ask(&statements, "s3:ListBucket", "arn:aws:s3:::bucket", &context), Decision::Allowed);
}

#[test]
fn a_role_trusts_the_services_it_names_under_its_conditions() {
    let source = [("aws:SourceArn", "arn:aws:sagemaker:eu-west-1:1:*"), ("aws:SourceAccount", "1")];
    let trust = |principal: Value, condition: Value| json!({"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole", "Condition": condition});
    let service = || json!({"Service": ["lambda.amazonaws.com", "sagemaker.amazonaws.com"]});
    assert!(trusts(&trust(service(), json!({})), &source));
    assert!(trusts(
        &trust(service(), json!({"ArnLike": {"aws:SourceArn": "arn:aws:sagemaker:eu-west-1:1:*"}})),
        &source
    ));
    let narrow = json!({"ArnLike": {"aws:SourceArn": "arn:aws:sagemaker:eu-west-1:1:endpoint/a"}});
    assert!(!trusts(&trust(service(), narrow), &source));
    assert!(!trusts(&trust(service(), json!({"StringEquals": {"aws:SourceAccount": "2"}})), &source));
    assert!(!trusts(&trust(json!({"Service": "lambda.amazonaws.com"}), json!({})), &source));
    assert!(!trusts(&trust(json!({"AWS": "*"}), json!({})), &source));
    assert!(!trusts(&trust(json!("*"), json!({})), &source));
}
