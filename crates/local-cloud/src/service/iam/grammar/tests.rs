use serde_json::{Value, json};

use super::*;

const BUCKET: &str = "arn:aws:s3:::bucket";
const ROLE: &str = "arn:aws:iam::123456789012:role/r";

fn statement(change: &Value) -> Value {
    changed(json!({"Effect": "Allow", "Action": "s3:ListBucket", "Resource": BUCKET}), change)
}

/// With other elements in place of its own; null takes an element away.
fn changed(mut statement: Value, change: &Value) -> Value {
    for (element, value) in change.as_object().unwrap() {
        match value {
            Value::Null => drop(statement.as_object_mut().unwrap().remove(element)),
            value => statement[element] = value.clone(),
        }
    }
    statement
}

fn document(statements: &Value) -> String {
    json!({"Version": "2012-10-17", "Statement": statements}).to_string()
}

fn managed(text: &str) -> Result<(), String> {
    check_identity(text, Identity::Managed, "aws")
}

#[track_caller]
fn refused(change: &Value, message: &str) {
    assert_eq!(managed(&document(&statement(change))), Err(message.to_owned()), "{change}");
}

#[track_caller]
fn taken(change: &Value) {
    assert_eq!(managed(&document(&statement(change))), Ok(()), "{change}");
}

#[test]
fn a_document_has_known_elements_of_the_right_types() {
    let whole = |document: Value| managed(&document.to_string());
    let good = statement(&json!({}));
    let syntax = Err(SYNTAX.to_owned());
    assert_eq!(whole(json!("a text")), syntax);
    assert_eq!(whole(json!([])), syntax);
    assert_eq!(whole(json!({"Version": "2012-10-17"})), syntax);
    for statements in [json!([]), json!(["a"]), json!("a"), Value::Null] {
        assert_eq!(whole(json!({"Version": "2012-10-17", "Statement": statements})), syntax);
    }
    assert_eq!(whole(json!({"Version": "2013-10-17", "Statement": good})), syntax);
    assert_eq!(whole(json!({"Version": "2012-10-17", "Statement": good, "More": "x"})), syntax);
    assert_eq!(whole(json!({"Version": "2012-10-17", "Statement": good, "Id": ["x"]})), syntax);
    assert_eq!(whole(json!({"Version": "2012-10-17", "Statement": good, "Id": "x"})), Ok(()));
    assert_eq!(managed("{"), Err("This policy contains invalid Json".to_owned()));
    let twice = r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:*", "Action": "*", "Resource": "*"}}"#;
    assert_eq!(managed(twice), syntax);
}

#[test]
fn a_statement_has_known_elements_of_the_right_types() {
    for change in [
        json!({"More": "x"}),
        json!({"Effect": null}),
        json!({"Effect": "Maybe"}),
        json!({"Effect": ["Allow"]}),
        json!({"Sid": {}}),
        json!({"Action": {}}),
        json!({"Action": [[]]}),
        json!({"Resource": {"a": BUCKET}}),
        json!({"Resource": ["x", {}]}),
        json!({"NotAction": "s3:GetObject"}),
        json!({"NotAction": []}),
        json!({"NotResource": "*"}),
        json!({"NotResource": []}),
        json!({"Principal": "*", "NotPrincipal": "*"}),
        json!({"Condition": []}),
        json!({"Condition": "a"}),
        json!({"Condition": {"StringEquals": "a"}}),
        json!({"Condition": {"StringEquals": []}}),
        json!({"Condition": {"StringEquals": {"a": {}}}}),
        json!({"Condition": {"StringEquals": {"a": [["b"]]}}}),
        json!({"Condition": {"StringEquals": {"a": null}}}),
        json!({"Condition": {"StringEqual": {"a": "b"}}}),
        json!({"Condition": {"ForAnyValue::StringEquals": {"a": "b"}}}),
        json!({"Condition": {"ForEachValue:StringEquals": {"a": "b"}}}),
        json!({"Condition": {"NullIfExists": {"a": "true"}}}),
        json!({"Condition": {"ForAllValues:Null": {"a": "true"}}}),
    ] {
        refused(&change, SYNTAX);
    }
    for change in [
        json!({"Sid": "", "Condition": {}}),
        json!({"Resource": [BUCKET, null, "*"]}),
        json!({"NotAction": "s3:GetObject", "Action": null}),
        json!({"NotResource": ["*"], "Resource": null}),
        json!({"Condition": {"Odd": {}}}),
        json!({"Condition": {"StringEquals": {"a": []}}}),
        json!({"Condition": {"ForAllValues:StringLikeIfExists": {"a": ["b", 1, true]}}}),
        json!({"Condition": {"Null": {"a": false, "b": "true"}, "Bool": {"c": "True"}}}),
    ] {
        taken(&change);
    }
}

#[test]
fn a_managed_policy_is_of_the_current_version_and_an_inline_one_of_any() {
    for version in [json!("2008-10-17"), Value::Null] {
        let mut document = json!({"Version": version, "Statement": statement(&json!({}))});
        if version.is_null() {
            document.as_object_mut().unwrap().remove("Version");
        }
        let text = document.to_string();
        assert_eq!(managed(&text), Err("Policy document must be version 2012-10-17 or greater.".to_owned()));
        assert_eq!(check_identity(&text, Identity::Inline, "aws"), Ok(()));
    }
}

#[test]
fn what_the_older_parser_does_not_take_is_refused_by_it() {
    for change in [
        json!({"Effect": "denY"}),
        json!({"Resource": "arn:aws:s3::bucket"}),
        json!({"Resource": "arn:aws::fdsasf"}),
        json!({"Resource": ["arn:aws::::bucket"]}),
        json!({"Resource": "arn:aws:s3::bucket", "Action": null}),
        json!({"Condition": {"NumericLessThan": {"s3:max-keys": "ten"}}}),
        json!({"Condition": {"Bool": {"aws:SecureTransport": "yes"}}}),
        json!({"Condition": {"Null": {"aws:TokenIssueTime": ["true", "no"]}}}),
        json!({"Condition": {"NotIpAddress": {"aws:SourceIp": "10.0.0.0/33"}}}),
        json!({"Condition": {"IpAddress": {"aws:SourceIp": "10.0.0"}}}),
    ] {
        refused(&change, LEGACY);
    }
    for date in [
        "soon",
        "234-13",
        "2016-12-13t2:00:00.5+1",
        "2016-12-13t2:00:00.1999999999Z",
        "9223372036854775808",
        "-5x",
        "2016-12-32",
        "2016-12-13T24:00",
        "2016-1-1-1",
    ] {
        refused(&json!({"Condition": {"DateLessThanEquals": {"a": date}}}), LEGACY);
    }
    for date in [
        "2017-07-01T00:00:00Z",
        "01T",
        "2016-12-13T21:20:37.593194+00:00",
        "2016-12-13t2:00:00.5+23",
        "-292275054",
        "1483228800",
        "2016-12",
        "${aws:CurrentTime}",
    ] {
        taken(&json!({"Condition": {"DateGreaterThan": {"a": date}}}));
    }
    taken(&json!({"Condition": {"IpAddress": {"aws:SourceIp": ["10.0.0.0/8", "2001:db8::/32", "192.0.2.1"]}}}));
    taken(&json!({"Condition": {"NumericLessThanEquals": {"s3:max-keys": [10, "1e3"]}}}));
}

#[test]
fn a_resource_is_an_arn_of_this_partition() {
    let paths = "IAM resource path must either be \"*\" or start with user/, federated-user/, role/, group/, \
                 instance-profile/, mfa/, server-certificate/, policy/, sms-mfa/, saml-provider/, oidc-provider/, \
                 report/, access-report/.";
    let vendor = "Resource vendor must be fully qualified and cannot contain regexes.";
    for (resource, message) in [
        ("bucket", "Resource bucket must be in ARN format or \"*\"."),
        ("", "Resource  must be in ARN format or \"*\"."),
        ("a:b", "Partition \"b\" is not valid for resource \"arn:b:*:*:*:*\"."),
        ("a:b:c", "Partition \"b\" is not valid for resource \"arn:b:c:*:*:*\"."),
        ("aws:s3:::bucket", "Partition \"s3\" is not valid for resource \"arn:s3:::bucket:*\"."),
        ("arn:error:s3:::bucket", "Partition \"error\" is not valid for resource \"arn:error:s3:::bucket\"."),
        ("arn:aws-cn:s3:::a:b", "Partition \"aws-cn\" is not valid for resource \"arn:aws-cn:s3:::a:b\"."),
        ("arn:aws", vendor),
        ("arn:aws:s*:::bucket", vendor),
        (
            "arn:aws:iam:us-east-1::role/r",
            "IAM resource arn:aws:iam:us-east-1::role/r cannot contain region information.",
        ),
        ("arn:aws:iam::123456789012:r", paths),
        ("arn:aws:s3:us-east-1::bucket", "Resource arn:aws:s3:us-east-1::bucket can not contain region information."),
        (
            "arn:aws:s3::123456789012:bucket",
            "Resource arn:aws:s3::123456789012:bucket can not contain account information.",
        ),
    ] {
        refused(&json!({"Resource": resource}), message);
        refused(&json!({"Resource": ["*", resource]}), message);
        refused(&json!({"Resource": null, "NotResource": resource}), message);
    }
    for resource in [
        "*",
        "arn:*:s3:::bucket/*",
        "arn:aws:fdsasf",
        "arn:aws:iam::123456789012:*",
        "arn:aws:iam::*:root",
        "arn:aws:iam:::user/${aws:username}",
        "arn:aws:sagemaker:*:*:endpoint/*",
        "arn:aws:odd:us-east-1::thing",
        "arn:aws:s3:us-west-2:123456789012:accesspoint/a/object/*",
        "arn:aws:s3::123456789012:accesspoint/a.mrap",
    ] {
        taken(&json!({"Resource": resource}));
    }
    let chinese = document(&statement(&json!({"Resource": "arn:aws-cn:s3:::bucket"})));
    assert_eq!(check_identity(&chinese, Identity::Inline, "aws-cn"), Ok(()));
}

#[test]
fn an_action_has_a_vendor_and_a_name() {
    for (action, message) in [
        ("invalid", "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."),
        ("", "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."),
        ("a a:ListBucket", "Vendor a a is not valid"),
        ("s3*:ListBucket", "Vendor s3* is not valid"),
        ("s3:List:Bucket", "Actions/Condition can contain only one colon."),
    ] {
        refused(&json!({"Action": action}), message);
        refused(&json!({"Action": null, "NotAction": ["s3:GetObject", action]}), message);
    }
    for action in ["*", "*:*", "s3-s:ListBucket", "s3.s:*", "iam: odd name "] {
        taken(&json!({"Action": action}));
    }
}

#[test]
fn what_is_missing_is_said_after_what_is_wrong() {
    let (actions, resources) = ("Policy statement must contain actions.", "Policy statement must contain resources.");
    refused(&json!({"Action": null}), actions);
    refused(&json!({"Action": []}), actions);
    refused(&json!({"Action": null, "Resource": null}), actions);
    refused(&json!({"Resource": null}), resources);
    refused(&json!({"Resource": []}), resources);
    refused(
        &json!({"Action": "invalid", "Resource": null}),
        "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.",
    );
    refused(&json!({"Principal": "*"}), "Policy document should not specify a principal.");
    refused(&json!({"NotPrincipal": {"AWS": "*"}}), "Policy document should not specify a principal.");
}

#[test]
fn statement_ids_are_letters_and_digits_and_unique() {
    let two = |one: &str, other: &str| {
        managed(&document(&json!([statement(&json!({"Sid": one})), statement(&json!({"Sid": other}))])))
    };
    assert_eq!(two("a", "a"), Err("Statement IDs (SID) in a single policy must be unique.".to_owned()));
    assert_eq!(two("", ""), Ok(()));
    assert_eq!(two("a1", "A1"), Ok(()));
    let message = two("a", "read models").unwrap_err();
    assert!(message.starts_with("Statement IDs (SID) must be alpha-numeric."), "{message}");
}

fn trust(change: &Value) -> Result<(), String> {
    let service = json!({"Service": "sagemaker.amazonaws.com"});
    let statement = changed(json!({"Effect": "Allow", "Principal": service, "Action": "sts:AssumeRole"}), change);
    let exists = |who: &str| who == ROLE || who == "AROAEXAMPLE";
    let place = Place { partition: "aws", account: "123456789012", exists: &exists };
    check_trust(&document(&statement), &place)
}

#[test]
fn a_trust_policy_names_principals_and_actions_and_no_resources() {
    let sts = "Trust Policy statement actions can only be sts:AssumeRole, sts:AssumeRoleWithSAML,  and \
               sts:AssumeRoleWithWebIdentity";
    for (change, message) in [
        (json!({"Resource": "*"}), "Has prohibited field Resource"),
        (json!({"NotResource": "*"}), "Has prohibited field Resource"),
        (json!({"Principal": null}), "Missing required field Principal"),
        (json!({"Action": null}), "Missing required field Action"),
        (json!({"Action": []}), "Missing required field Action"),
        (json!({"Action": null, "NotAction": "sts:AssumeRole"}), "Missing required field Action"),
        (json!({"Action": "s3:GetObject"}), "AssumeRole policy may only specify STS AssumeRole actions."),
        (json!({"Action": "*"}), "AssumeRole policy may only specify STS AssumeRole actions."),
        (json!({"Action": ["sts:AssumeRole", "sts:BadAssumeRole"]}), sts),
        (json!({"Effect": "allow"}), LEGACY),
        (
            json!({"Sid": "not so"}),
            "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the \
                                    regular expression [0-9A-Za-z]*",
        ),
        (json!({"Condition": {"StringEqual": {"a": "b"}}}), SYNTAX),
    ] {
        assert_eq!(trust(&change), Err(message.to_owned()), "{change}");
    }
    assert_eq!(trust(&json!({"Action": ["sts:assumerole", "sts:TagSession"]})), Ok(()));
    let old = r#"{"Version": "2008-10-17", "Statement": [{"Sid": "", "Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}]}"#;
    let place = Place { partition: "aws", account: "123456789012", exists: &|_| false };
    assert_eq!(check_trust(old, &place), Ok(()));
}

#[test]
fn a_principal_that_is_not_there_is_refused_by_name() {
    for (kind, name) in [
        ("AWS", "arn:aws:iam::123456789012:role/other"),
        ("AWS", "arn:aws:iam::123456789012:user/other"),
        ("AWS", "arn:aws:sts::123456789012:assumed-role/other/s"),
        ("AWS", "arn:aws:iam::*:root"),
        ("AWS", "arn:aws:iam::999999999999:role/*"),
        ("AWS", "arn:aws:iam::999999999999:group/g"),
        ("AWS", "arn:aws-cn:iam::999999999999:root"),
        ("AWS", "12345"),
        ("AWS", "AROAGONE"),
        ("Service", "sagemaker"),
        ("Service", "sagemakr.amazonaws.com"),
        ("Service", "*"),
        ("Service", "amazonaws.com"),
        ("Service", "tagging.amazonaws.com"),
        ("Service", "ec2.amazonaws.com.cn"),
        ("Federated", "arn:aws:iam::123456789012:oidc-provider/"),
        ("Federated", "accounts.example.com"),
        ("CanonicalUser", "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be"),
        ("Services", "ec2.amazonaws.com"),
    ] {
        let message = format!("Invalid principal in policy: \"{}\":\"{name}\"", kind.to_ascii_uppercase());
        assert_eq!(trust(&json!({"Principal": {kind: name}})), Err(message.clone()), "{kind} {name}");
        assert!(trust(&json!({"Principal": {kind: ["123456789012", name]}})).is_err(), "{kind} {name}");
    }
    for principal in [
        json!("*"),
        json!({"AWS": "*"}),
        json!({"AWS": ["123456789012", "999999999999", "arn:aws:iam::999999999999:root", ROLE, "AROAEXAMPLE"]}),
        json!({"AWS": "arn:aws:iam::999999999999:role/a/b"}),
        json!({"Service": ["lambda.amazonaws.com", "states.eu-west-1.amazonaws.com", "edgelambda.amazonaws.com"]}),
        json!({"Federated": "cognito-identity.amazonaws.com"}),
        json!({"Federated": "arn:aws:iam::123456789012:saml-provider/corp"}),
    ] {
        assert_eq!(trust(&json!({"Principal": principal})), Ok(()), "{principal}");
    }
    for principal in
        [json!("arn:aws:iam::123456789012:root"), json!({}), json!({"AWS": []}), json!({"AWS": {}}), json!(1)]
    {
        let refusal = trust(&json!({"Principal": principal}));
        assert_eq!(refusal, Err("Invalid principal in policy".to_owned()), "{principal}");
    }
    let china = Place { partition: "aws-cn", account: "123456789012", exists: &|_| false };
    let text = r#"{"Statement": {"Effect": "Allow", "Principal": {"Service": ["ec2.amazonaws.com.cn", "lambda.amazonaws.com"]}, "Action": "sts:AssumeRole"}}"#;
    assert_eq!(check_trust(text, &china), Ok(()));
}

#[test]
fn trust_in_github_looks_at_the_subject() {
    let provider = "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com";
    let github = |condition: Value| {
        let principal = json!({"Federated": provider});
        trust(&json!({"Principal": principal, "Action": "sts:AssumeRoleWithWebIdentity", "Condition": condition}))
    };
    let (sub, workflow) = (format!("{GITHUB}:sub"), format!("{GITHUB}:job_workflow_ref"));
    insta::assert_snapshot!(github(json!({"StringEquals": {format!("{GITHUB}:aud"): "sts.amazonaws.com"}})).unwrap_err(), @"Trust policy with trusted principal arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com must evaluate, using StringEquals, StringLike or StringEqualsIgnoreCase, token.actions.githubusercontent.com:sub or token.actions.githubusercontent.com:job_workflow_ref which is not scoped to all.");
    assert!(github(json!({"StringLike": {&sub: "*"}})).is_err());
    assert!(github(json!({"StringNotEquals": {&sub: "repo:a/b:*"}})).is_err());
    assert_eq!(github(json!({"StringLike": {&sub: "repo:a/b:*"}})), Ok(()));
    assert_eq!(github(json!({"StringEquals": {workflow: "a/b/.github/workflows/c.yml@refs/heads/main"}})), Ok(()));
}
