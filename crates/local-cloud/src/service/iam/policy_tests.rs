use serde_json::{Value, json};

use super::*;

const MODEL: &str = "arn:aws:s3:::bucket/models/a.tar.gz";

fn ask(statements: &Value, action: &str, resource: &str, context: &[(&str, &str)]) -> Decision {
    let document = json!({"Version": "2012-10-17", "Statement": statements}).to_string();
    decide([document.as_str()], Question { action, resource: Some(resource), service: None, context })
}

fn trusts(statement: &Value, context: &[(&str, &str)]) -> bool {
    let document = json!({"Version": "2012-10-17", "Statement": [statement]}).to_string();
    let service = Some("sagemaker.amazonaws.com");
    let question = Question { action: "sts:AssumeRole", resource: None, service, context };
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
        json!({"Condition": {"StringEqualsIfExists": {"s3:prefix": "x"}}}),
        json!({"Condition": {"ForAnyValue:StringEquals": {"s3:prefix": "x"}}}),
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

#[test]
fn documents_are_refused_in_the_words_of_iam() {
    let statement = |statement: Value| json!({"Version": "2012-10-17", "Statement": statement}).to_string();
    let cases = [
        ("{".to_owned(), "This policy contains invalid Json"),
        ("[]".to_owned(), "Syntax errors in policy."),
        (json!({"Version": "2012-10-18", "Statement": []}).to_string(), "Syntax errors in policy."),
        (statement(json!([])), "Syntax errors in policy."),
        (statement(json!({"Effect": "Maybe", "Action": "*", "Resource": "*"})), "Syntax errors in policy."),
        (statement(json!({"Effect": "Allow", "Resource": "*"})), "Policy statement must contain actions."),
        (statement(json!({"Effect": "Allow", "Action": "*"})), "Policy statement must contain resources."),
        (
            statement(json!({"Effect": "Allow", "Action": "get", "Resource": "*"})),
            "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.",
        ),
        (
            statement(json!({"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"})),
            "Policy document should not specify a principal.",
        ),
    ];
    for (text, message) in cases {
        assert_eq!(check_identity(&text), Err(message), "{text}");
    }
    let trust = statement(json!({"Effect": "Allow", "Action": "sts:AssumeRole"}));
    assert_eq!(check_trust(&trust), Err("Missing required field Principal"));
    let trust = statement(json!({"Effect": "Allow", "Principal": {"Service": "a"}, "Action": "s3:GetObject"}));
    assert_eq!(check_trust(&trust), Err("AssumeRole policy may only specify STS AssumeRole actions."));
}
