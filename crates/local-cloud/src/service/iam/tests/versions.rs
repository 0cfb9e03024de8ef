//! Versions and tags of managed policies, and the policies of AWS's own.

use super::*;

const OWN: &str = "arn:aws:iam::123456789012:policy/reading";
const LAMBDA: &str = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole";

fn with_policy() -> (tempfile::TempDir, Iam) {
    let (dir, iam) = fresh();
    create(&iam);
    let members = [("PolicyName", "reading"), ("PolicyDocument", &*reading()), ("Description", "reads")];
    let made = ask(&iam, "CreatePolicy", &members).unwrap();
    assert!(!made.contains("Description") && !made.contains("Tags"), "{made}");
    let shown = ask(&iam, "GetPolicy", &[("PolicyArn", OWN)]).unwrap();
    assert!(shown.contains("<Description>reads</Description>") && shown.contains("<Tags/>"), "{shown}");
    (dir, iam)
}

fn of<'a>(answer: &'a str, name: &str) -> Vec<&'a str> {
    answer.split(&format!("<{name}>")).skip(1).map(|rest| rest.split('<').next().unwrap()).collect()
}

#[test]
fn a_roles_rights_follow_the_default_version() {
    let (_dir, iam) = with_policy();
    ask(&iam, "AttachRolePolicy", &[("RoleName", "Exec"), ("PolicyArn", OWN)]).unwrap();
    let writing = reading().replace("GetObject", "PutObject");
    let add = |default: &str| {
        let members = [("PolicyArn", OWN), ("PolicyDocument", writing.as_str()), ("SetAsDefault", default)];
        ask(&iam, "CreatePolicyVersion", &members)
    };
    assert_eq!(of(&add("false").unwrap(), "VersionId"), ["v2"]);
    assert_eq!(iam.authorize(ROLE, "s3:GetObject", MODEL), Ok(()));
    ask(&iam, "SetDefaultPolicyVersion", &[("PolicyArn", OWN), ("VersionId", "v2")]).unwrap();
    assert_eq!(iam.authorize(ROLE, "s3:PutObject", MODEL), Ok(()));
    assert!(iam.authorize(ROLE, "s3:GetObject", MODEL).is_err());
    let listed = ask(&iam, "ListPolicyVersions", &[("PolicyArn", OWN)]).unwrap();
    assert_eq!(of(&listed, "VersionId"), ["v2", "v1"]);
    assert_eq!(of(&listed, "IsDefaultVersion"), ["true", "false"]);
    let shown = ask(&iam, "GetPolicyVersion", &[("PolicyArn", OWN), ("VersionId", "v1")]).unwrap();
    assert!(of(&shown, "Document")[0].contains("GetObject"), "{shown}");
    assert_eq!(of(&ask(&iam, "GetPolicy", &[("PolicyArn", OWN)]).unwrap(), "DefaultVersionId"), ["v2"]);

    ask(&iam, "DetachRolePolicy", &[("RoleName", "Exec"), ("PolicyArn", OWN)]).unwrap();
    assert_eq!(ask(&iam, "DeletePolicy", &[("PolicyArn", OWN)]).unwrap_err().1, "DeleteConflict");
    ask(&iam, "DeletePolicyVersion", &[("PolicyArn", OWN), ("VersionId", "v1")]).unwrap();
    for _ in 0..4 {
        add("true").unwrap();
    }
    assert_eq!(add("true").unwrap_err().1, "LimitExceeded");
}

#[test]
fn what_is_wrong_with_a_version_is_told_in_the_words_of_aws() {
    let (_dir, iam) = with_policy();
    let absent = "arn:aws:iam::123456789012:policy/absent";
    let cases: &[Case<'_>] = &[
        (
            "GetPolicyVersion",
            &[("PolicyArn", OWN), ("VersionId", "v2")],
            404,
            "NoSuchEntity",
            "Policy arn:aws:iam::123456789012:policy/reading version v2 does not exist or is not attachable.",
        ),
        (
            "SetDefaultPolicyVersion",
            &[("PolicyArn", OWN), ("VersionId", "wrong")],
            400,
            "ValidationError",
            "1 validation error detected: Value 'wrong' at 'versionId' failed to satisfy constraint: Member must satisfy regular expression pattern: v[1-9][0-9]*(\\.[A-Za-z0-9-]*)?",
        ),
        (
            "DeletePolicyVersion",
            &[("PolicyArn", OWN), ("VersionId", "v1")],
            409,
            "DeleteConflict",
            "Cannot delete the default version of a policy.",
        ),
        (
            "ListPolicyVersions",
            &[("PolicyArn", absent)],
            404,
            "NoSuchEntity",
            "Policy arn:aws:iam::123456789012:policy/absent was not found.",
        ),
        (
            "CreatePolicyVersion",
            &[("PolicyArn", OWN), ("PolicyDocument", "{}")],
            400,
            "MalformedPolicyDocument",
            "Syntax errors in policy.",
        ),
        (
            "TagPolicy",
            &[("PolicyArn", absent)],
            404,
            "NoSuchEntity",
            "Policy arn:aws:iam::123456789012:policy/absent was not found.",
        ),
    ];
    refused(&iam, cases);
}

#[test]
fn policies_of_awss_own_can_be_read_attached_and_listed() {
    let (_dir, iam) = with_policy();
    let shown = ask(&iam, "GetPolicy", &[("PolicyArn", LAMBDA)]).unwrap();
    assert_eq!(of(&shown, "Path"), ["/service-role/"]);
    assert_eq!(of(&shown, "CreateDate"), ["2015-04-09T15:03:43Z"]);
    let version = ask(&iam, "GetPolicyVersion", &[("PolicyArn", LAMBDA), ("VersionId", "v1")]).unwrap();
    assert!(of(&version, "Document")[0].contains("logs%3APutLogEvents"), "{version}");
    let put = ("logs:PutLogEvents", "arn:aws:logs:us-east-1:123456789012:log-group:g:log-stream:s");
    assert!(iam.authorize(ROLE, put.0, put.1).is_err());
    ask(&iam, "AttachRolePolicy", &[("RoleName", "Exec"), ("PolicyArn", LAMBDA)]).unwrap();
    assert_eq!(iam.authorize(ROLE, put.0, put.1), Ok(()));
    let arns = |members: &[(&str, &str)]| of(&ask(&iam, "ListPolicies", members).unwrap(), "Arn").len();
    assert_eq!((arns(&[("Scope", "Local")]), arns(&[("Scope", "AWS")]), arns(&[])), (1, 59, 60));
    assert_eq!((arns(&[("OnlyAttached", "true")]), arns(&[("PathPrefix", "/service-role/")])), (1, 8));

    let cases: &[Case<'_>] = &[
        (
            "AttachRolePolicy",
            &[("RoleName", "Exec"), ("PolicyArn", "arn:aws:iam::aws:policy/AmazonBraketFullAccess")],
            501,
            "NotImplemented",
            "the local cloud does not offer the AWS-managed policy `AmazonBraketFullAccess`",
        ),
        (
            "AttachRolePolicy",
            &[("RoleName", "Exec"), ("PolicyArn", "arn:aws-cn:iam::aws:policy/AdministratorAccess")],
            404,
            "NoSuchEntity",
            "Policy arn:aws-cn:iam::aws:policy/AdministratorAccess does not exist or is not attachable.",
        ),
        (
            "GetPolicyVersion",
            &[("PolicyArn", "arn:aws:iam::aws:policy/PowerUserAccess"), ("VersionId", "v1")],
            501,
            "NotImplemented",
            "the local cloud does not offer version v1 of the AWS-managed policy `PowerUserAccess`, only v12",
        ),
    ];
    refused(&iam, cases);
}

#[test]
fn in_china_the_policies_of_awss_own_are_chinas() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config { region: "cn-north-1".to_owned(), ..config(dir.path(), Duration::ZERO) };
    let iam = Iam::open(&config).unwrap();
    let arn = "arn:aws-cn:iam::aws:policy/AWSLambdaExecute";
    let version = ask(&iam, "GetPolicyVersion", &[("PolicyArn", arn), ("VersionId", "v1")]).unwrap();
    assert!(version.contains("arn%3Aaws-cn%3As3%3A%3A%3A%2A"), "{version}");
}

#[test]
fn tags_of_a_policy_are_changed_in_place() {
    let (_dir, iam) = with_policy();
    let tag = |key: &str, value: &str| {
        ask(&iam, "TagPolicy", &[("PolicyArn", OWN), ("Tags.member.1.Key", key), ("Tags.member.1.Value", value)])
            .unwrap();
    };
    tag("team", "fraud");
    tag("cost", "1");
    tag("Team", "other");
    let listed = ask(&iam, "ListPolicyTags", &[("PolicyArn", OWN)]).unwrap();
    assert_eq!((of(&listed, "Key"), of(&listed, "Value")), (vec!["Team", "cost"], vec!["other", "1"]));
    ask(&iam, "UntagPolicy", &[("PolicyArn", OWN), ("TagKeys.member.1", "TEAM")]).unwrap();
    assert_eq!(of(&ask(&iam, "GetPolicy", &[("PolicyArn", OWN)]).unwrap(), "Key"), ["cost"]);
}
