mod attached;
mod boundaries;
mod versions;

use std::path::Path;

use bytes::Bytes;
use http::{HeaderMap, Method};
use jiff::ToSpan as _;
use serde_json::json;

use super::*;
use crate::Delays;

const ROLE: &str = "arn:aws:iam::123456789012:role/pipeline/Exec";
const SAGEMAKER: &str = "sagemaker.amazonaws.com";
const SOURCE: &str = "arn:aws:sagemaker:us-east-1:123456789012:*";
const MODEL: &str = "arn:aws:s3:::bucket/models/a.tar.gz";

fn config(dir: &Path, propagation: Duration) -> Config {
    Config {
        state_dir: dir.to_owned(),
        account: "123456789012".to_owned(),
        region: "us-east-1".to_owned(),
        access_key_id: "AKIATEST".to_owned(),
        secret_access_key: "secret".to_owned(),
        base_url: String::new(),
        model_server: Vec::new(),
        training_program: Vec::new(),
        delays: Delays { iam_propagation: propagation, ..Delays::default() },
    }
}

fn ask(iam: &Iam, operation: &str, members: &[(&str, &str)]) -> Result<String, (u16, String, String)> {
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(members).finish();
    let call = Call {
        operation: operation.to_owned(),
        method: Method::POST,
        path: "/".to_owned(),
        query: Vec::new(),
        headers: HeaderMap::new(),
        body: Bytes::from(body),
        caller: Caller { arn: String::new(), role: None },
        request_id: "request-1".to_owned(),
        outcome: None,
    };
    let form = Form::parse(&call.body);
    match operations::answer(iam, &call, &form) {
        Ok(response) => Ok(String::from_utf8(response.into_body().to_vec()).unwrap()),
        Err(refusal) => Err((refusal.status.as_u16(), refusal.code, refusal.message)),
    }
}

fn trust() -> String {
    trust_of("sagemaker.amazonaws.com")
}

fn trust_of(service: &str) -> String {
    let statement = json!({"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"});
    json!({"Version": "2012-10-17", "Statement": [statement]}).to_string()
}

fn reading() -> String {
    let statement = json!({"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::bucket/models/*"});
    json!({"Version": "2012-10-17", "Statement": statement}).to_string()
}

fn create(iam: &Iam) {
    let trust = trust();
    let members = [("RoleName", "Exec"), ("Path", "/pipeline/"), ("AssumeRolePolicyDocument", trust.as_str())];
    ask(iam, "CreateRole", &members).unwrap();
}

fn put(iam: &Iam, policy: &str) {
    let members = [("RoleName", "Exec"), ("PolicyName", "inline"), ("PolicyDocument", policy)];
    ask(iam, "PutRolePolicy", &members).unwrap();
}

fn fresh() -> (tempfile::TempDir, Iam) {
    let dir = tempfile::tempdir().unwrap();
    let iam = Iam::open(&config(dir.path(), Duration::ZERO)).unwrap();
    (dir, iam)
}

/// Operation, members, and the refusal's status, code and message.
type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], u16, &'a str, &'a str);

#[track_caller]
fn refused(iam: &Iam, cases: &[Case<'_>]) {
    for (operation, members, status, code, message) in cases {
        let refusal = ask(iam, operation, members).unwrap_err();
        assert_eq!(refusal, (*status, (*code).to_owned(), (*message).to_owned()), "{operation} {members:?}");
    }
}

#[test]
fn what_is_wrong_with_a_new_role_is_told_in_the_words_of_aws() {
    let (_dir, iam) = fresh();
    create(&iam);
    let (trust, long) = (trust(), "x".repeat(65));
    let cases: &[Case<'_>] = &[
        (
            "CreateRole",
            &[("RoleName", "eXEC"), ("AssumeRolePolicyDocument", &trust)],
            409,
            "EntityAlreadyExists",
            "Role with name eXEC already exists.",
        ),
        (
            "CreateRole",
            &[("RoleName", "b"), ("AssumeRolePolicyDocument", "{")],
            400,
            "MalformedPolicyDocument",
            "This policy contains invalid Json",
        ),
        (
            "CreateRole",
            &[("RoleName", "a b"), ("AssumeRolePolicyDocument", &trust)],
            400,
            "ValidationError",
            "The specified value for roleName is invalid. It must contain only alphanumeric characters and/or the \
             following: +=,.@_-",
        ),
        (
            "CreateRole",
            &[("RoleName", "b"), ("Path", "pipeline"), ("AssumeRolePolicyDocument", &trust)],
            400,
            "ValidationError",
            "The specified value for path is invalid. It must begin and end with / and contain only alphanumeric \
             characters and/or / characters.",
        ),
        (
            "CreateRole",
            &[("RoleName", "b")],
            400,
            "ValidationError",
            "1 validation error detected: Value null at 'assumeRolePolicyDocument' failed to satisfy constraint: Member \
             must not be null",
        ),
        (
            "CreateRole",
            &[("RoleName", "b"), ("AssumeRolePolicyDocument", &trust), ("MaxSessionDuration", "60")],
            400,
            "ValidationError",
            "1 validation error detected: Value '60' at 'maxSessionDuration' failed to satisfy constraint: Member must \
             have value greater than or equal to 3600",
        ),
    ];
    refused(&iam, cases);
    let refusal = ask(&iam, "GetRole", &[("RoleName", &long)]).unwrap_err();
    assert!(refusal.2.ends_with("Member must have length less than or equal to 64"), "{refusal:?}");
}

#[test]
fn what_does_not_fit_a_known_role_is_told_in_the_words_of_aws() {
    let (_dir, iam) = fresh();
    create(&iam);
    put(&iam, &reading());
    let reading = reading();
    let spaces = json!({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:*", "Resource":
        (0..400).map(|n| format!("arn:aws:s3:::a-bucket-of-some-name/{n}")).collect::<Vec<_>>()}});
    let spaces = spaces.to_string();
    let cases: &[Case<'_>] = &[
        ("GetRole", &[("RoleName", "b")], 404, "NoSuchEntity", "The role with name b cannot be found."),
        ("DeleteRole", &[("RoleName", "b")], 404, "NoSuchEntity", "The role with name b cannot be found."),
        ("ListRolePolicies", &[("RoleName", "b")], 404, "NoSuchEntity", "The role with name b cannot be found."),
        (
            "PutRolePolicy",
            &[("RoleName", "b"), ("PolicyName", "p"), ("PolicyDocument", &reading)],
            404,
            "NoSuchEntity",
            "The role with name b cannot be found.",
        ),
        (
            "PutRolePolicy",
            &[("RoleName", "exec"), ("PolicyName", "p"), ("PolicyDocument", &spaces)],
            409,
            "LimitExceeded",
            "Maximum policy size of 10240 bytes exceeded for role Exec",
        ),
        (
            "GetRolePolicy",
            &[("RoleName", "Exec"), ("PolicyName", "p")],
            404,
            "NoSuchEntity",
            "The role policy with name p cannot be found.",
        ),
        (
            "DeleteRolePolicy",
            &[("RoleName", "Exec"), ("PolicyName", "p")],
            404,
            "NoSuchEntity",
            "The role policy with name p cannot be found.",
        ),
        (
            "DeleteRole",
            &[("RoleName", "EXEC")],
            409,
            "DeleteConflict",
            "Cannot delete entity, must delete policies first.",
        ),
        (
            "AttachRolePolicy",
            &[("RoleName", "Exec"), ("PolicyArn", "arn:aws:iam::123456789012:policy/None")],
            404,
            "NoSuchEntity",
            "Policy arn:aws:iam::123456789012:policy/None does not exist or is not attachable.",
        ),
        (
            "TagRole",
            &[
                ("RoleName", "Exec"),
                ("Tags.member.1.Key", "a"),
                ("Tags.member.1.Value", "1"),
                ("Tags.member.2.Key", "A"),
                ("Tags.member.2.Value", "2"),
            ],
            400,
            "InvalidInput",
            "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
        ),
        ("CreateUser", &[], 501, "NotImplemented", "the local cloud does not offer the operation `CreateUser` of IAM"),
    ];
    refused(&iam, cases);
}

#[test]
fn an_answer_shows_the_role_with_its_documents_percent_encoded() {
    let (_dir, iam) = fresh();
    let trust =
        r#"{"Statement":{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}}"#;
    let members = [
        ("RoleName", "Exec"),
        ("AssumeRolePolicyDocument", trust),
        ("Description", "for <models> & more"),
        ("Tags.member.1.Key", "owner"),
        ("Tags.member.1.Value", "fraud"),
    ];
    ask(&iam, "CreateRole", &members).unwrap();
    let answer = ask(&iam, "GetRole", &[("RoleName", "exec")]).unwrap();
    let (id, created) = iam
        .roles
        .read(|roles| (roles.roles["exec"].id.clone(), roles.roles["exec"].created.strftime("%FT%TZ").to_string()));
    let answer = answer.replace(&id, "AROA").replace(&created, "CREATED").replace("><", ">\n<");
    insta::assert_snapshot!(answer, @r#"
    <GetRoleResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/">
    <GetRoleResult>
    <Role>
    <Path>/</Path>
    <RoleName>Exec</RoleName>
    <RoleId>AROA</RoleId>
    <Arn>arn:aws:iam::123456789012:role/Exec</Arn>
    <CreateDate>CREATED</CreateDate>
    <AssumeRolePolicyDocument>%7B%22Statement%22%3A%7B%22Effect%22%3A%22Allow%22%2C%22Principal%22%3A%7B%22Service%22%3A%22ec2.amazonaws.com%22%7D%2C%22Action%22%3A%22sts%3AAssumeRole%22%7D%7D</AssumeRolePolicyDocument>
    <Description>for &lt;models&gt; &amp; more</Description>
    <MaxSessionDuration>3600</MaxSessionDuration>
    <Tags>
    <member>
    <Key>owner</Key>
    <Value>fraud</Value>
    </member>
    </Tags>
    <RoleLastUsed/>
    </Role>
    </GetRoleResult>
    <ResponseMetadata>
    <RequestId>request-1</RequestId>
    </ResponseMetadata>
    </GetRoleResponse>
    "#);
}

#[test]
fn a_list_goes_on_where_its_page_ended() {
    let (_dir, iam) = fresh();
    let trust = trust();
    for name in ["a", "b", "c"] {
        ask(&iam, "CreateRole", &[("RoleName", name), ("AssumeRolePolicyDocument", &trust)]).unwrap();
    }
    create(&iam);
    let first = ask(&iam, "ListRoles", &[("MaxItems", "2")]).unwrap();
    assert!(first.contains("<IsTruncated>true</IsTruncated><Marker>b</Marker>"), "{first}");
    let second = ask(&iam, "ListRoles", &[("MaxItems", "2"), ("Marker", "b")]).unwrap();
    assert!(second.contains("<RoleName>c</RoleName>") && second.contains("<RoleName>Exec</RoleName>"), "{second}");
    assert!(second.contains("<IsTruncated>false</IsTruncated>"), "{second}");
    let under = ask(&iam, "ListRoles", &[("PathPrefix", "/pipeline/")]).unwrap();
    assert_eq!(under.matches("<RoleName>").count(), 1);
}

#[test]
fn roles_survive_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path(), Duration::ZERO);
    let iam = Iam::open(&config).unwrap();
    assert!(iam.is_empty());
    create(&iam);
    put(&iam, &reading());
    let before = ask(&iam, "GetRole", &[("RoleName", "Exec")]).unwrap();
    drop(iam);
    let iam = Iam::open(&config).unwrap();
    assert!(!iam.is_empty());
    assert_eq!(ask(&iam, "GetRole", &[("RoleName", "Exec")]).unwrap(), before);
    assert!(iam.may_assume(ROLE, SAGEMAKER, SOURCE));
    assert_eq!(iam.authorize(ROLE, "s3:GetObject", MODEL), Ok(()));
}

#[test]
fn a_denial_is_told_in_the_words_of_aws() {
    let (_dir, iam) = fresh();
    create(&iam);
    let caller =
        Caller { arn: "arn:aws:sts::123456789012:assumed-role/Exec/s".to_owned(), role: Some(ROLE.to_owned()) };
    insta::assert_snapshot!(
        iam.ask(&caller, &Permission::new("s3:GetObject", MODEL)).unwrap_err(),
        @r#"User: arn:aws:sts::123456789012:assumed-role/Exec/s is not authorized to perform: s3:GetObject on resource: "arn:aws:s3:::bucket/models/a.tar.gz" because no identity-based policy allows the s3:GetObject action"#
    );
    put(&iam, &reading().replace("Allow", "Deny"));
    let denied = iam.authorize(ROLE, "s3:GetObject", MODEL).unwrap_err();
    assert!(denied.ends_with("with an explicit deny in an identity-based policy"), "{denied}");
}

#[test]
fn services_see_every_change_only_after_it_has_propagated() {
    let dir = tempfile::tempdir().unwrap();
    let iam = Iam::open(&config(dir.path(), Duration::from_secs(10))).unwrap();
    let caller = Caller { arn: ROLE.to_owned(), role: Some(ROLE.to_owned()) };
    let later = |seconds: i64| Timestamp::now() + seconds.seconds();
    let assumable = |at: Timestamp| iam.may_assume_at(at, ROLE, SAGEMAKER, SOURCE);
    let readable = |at: Timestamp| iam.ask_at(at, &caller, &Permission::new("s3:GetObject", MODEL)).is_ok();

    create(&iam);
    put(&iam, &reading());
    assert!(!assumable(later(0)) && !assumable(later(9)) && assumable(later(11)));
    assert!(!readable(later(9)) && readable(later(11)));

    let trust = trust_of("lambda.amazonaws.com");
    ask(&iam, "UpdateAssumeRolePolicy", &[("RoleName", "Exec"), ("PolicyDocument", &trust)]).unwrap();
    assert!(!assumable(later(11)));
}

#[test]
fn a_change_from_before_the_clock_was_set_back_is_seen_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let iam = Iam::open(&config(dir.path(), Duration::from_secs(10))).unwrap();
    create(&iam);
    let an_hour_ago = Timestamp::now() - 3600.seconds();
    assert!(iam.may_assume_at(an_hour_ago, ROLE, SAGEMAKER, SOURCE));
    let mut roles = iam.roles.read(Clone::clone);
    roles.roles.remove("exec");
    // What is changed after that takes its time again.
    roles.changed("exec", an_hour_ago, Duration::from_secs(10));
    let visible = |seconds: i64| roles.seen(ROLE, an_hour_ago + seconds.seconds(), Duration::from_secs(10)).is_some();
    assert!(visible(9) && !visible(11));
}

#[test]
fn services_see_a_deleted_role_until_the_deletion_has_propagated() {
    let dir = tempfile::tempdir().unwrap();
    let now = Timestamp::now();
    let propagation = Duration::from_secs(10);
    let iam = Iam::open(&config(dir.path(), propagation)).unwrap();
    create(&iam);
    let mut roles = iam.roles.read(Clone::clone);
    let visible = |roles: &Roles, seconds: i64| roles.seen(ROLE, now + seconds.seconds(), propagation).is_some();
    assert!(visible(&roles, 20));
    roles.roles.remove("exec");
    roles.changed("exec", now + 20.seconds(), propagation);
    assert!(visible(&roles, 29) && !visible(&roles, 31));
    // Nothing of it is kept for ever: the next change after that drops what nobody sees.
    roles.changed("exec", now + 60.seconds(), propagation);
    assert!(!visible(&roles, 60));
}

#[test]
fn a_session_has_the_same_credentials_whenever_it_is_asked_for() {
    let (_dir, iam) = fresh();
    let session = iam.session(ROLE, "fraud-proxy");
    let again = iam.session(ROLE, "fraud-proxy");
    assert_eq!((&session.access_key_id, &session.session_token), (&again.access_key_id, &again.session_token));
    assert_ne!(session.access_key_id, iam.session(ROLE, "other").access_key_id);
    assert_eq!((&session.access_key_id[..4], session.access_key_id.len()), ("ASIA", 20));
    let key = iam.key(&session.access_key_id).unwrap();
    assert_eq!(key.caller.arn, "arn:aws:sts::123456789012:assumed-role/Exec/fraud-proxy");
    assert_eq!(key.caller.role.as_deref(), Some(ROLE));
}

#[test]
fn a_resources_policy_is_asked_beside_the_callers_own() {
    let (_dir, iam) = fresh();
    create(&iam);
    put(&iam, &reading());
    let session = "arn:aws:sts::123456789012:assumed-role/Exec/s";
    let role = Caller { arn: session.to_owned(), role: Some(ROLE.to_owned()) };
    let owner = Caller { arn: "arn:aws:iam::123456789012:user/local".to_owned(), role: None };
    let gone =
        Caller { arn: "arn:aws:sts::123456789012:assumed-role/Gone/s".to_owned(), role: Some("arn:gone".into()) };
    let policy = |effect: &str, principal: serde_json::Value, more: serde_json::Value| {
        let mut statement = json!({"Effect": effect, "Action": "s3:*", "Resource": "arn:aws:s3:::bucket*"});
        statement.as_object_mut().unwrap().extend(principal.as_object().unwrap().clone());
        statement.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"Version": "2012-10-17", "Statement": statement}).to_string()
    };
    let may = |caller: &Caller, action: &str, policy: &str| {
        iam.ask(caller, &Permission::new(action, MODEL).under(Some(policy.to_owned()))).is_ok()
    };
    let (read, write, none) = ("s3:GetObject", "s3:PutObject", json!({}));
    let to = |whom: &str| json!({"Principal": {"AWS": whom}});

    // Whom it is about, and what that does to one action that the role may and one that it may not.
    let account = "arn:aws:iam::123456789012:root";
    for (principal, allows, denies) in [
        (json!({"Principal": "*"}), true, true),
        (to("*"), true, true),
        (to(ROLE), true, true),
        (to(session), true, true),
        (to("123456789012"), false, true),
        (to(account), false, true),
        (to("arn:aws:iam::123456789012:role/other"), false, false),
        (to("arn:aws:iam::999999999999:root"), false, false),
        (json!({"Principal": {"Service": "lambda.amazonaws.com"}}), false, false),
        (json!({"NotPrincipal": {"AWS": "arn:aws:iam::999999999999:root"}}), false, true),
    ] {
        let (allow, deny) =
            (policy("Allow", principal.clone(), none.clone()), policy("Deny", principal.clone(), none.clone()));
        assert_eq!(may(&role, write, &allow), allows, "allows {principal}");
        assert_eq!(!may(&role, read, &deny), denies, "denies {principal}");
        assert!(may(&role, read, &allow), "{principal}");
    }
    // A denial of the role's own outweighs the bucket's permission.
    put(&iam, &reading().replace("Allow", "Deny"));
    assert!(!may(&role, read, &policy("Allow", to(ROLE), none.clone())));
    assert!(!may(&gone, read, &policy("Allow", json!({"Principal": "*"}), none.clone())));

    // Conditions are those of IAM; what is unknown denies and does not allow.
    let tls = |value: &str| json!({"Condition": {"Bool": {"aws:SecureTransport": value}}});
    assert!(may(&owner, write, &policy("Deny", json!({"Principal": "*"}), tls("false"))));
    assert!(!may(&owner, write, &policy("Deny", json!({"Principal": "*"}), tls("true"))));
    let odd = json!({"Condition": {"OddOperator": {"aws:SecureTransport": "true"}}});
    assert!(!may(&owner, write, &policy("Deny", json!({"Principal": "*"}), odd.clone())));
    assert!(!may(&role, write, &policy("Allow", json!({"Principal": "*"}), odd)));
    // The owner is locked out like everybody else.
    assert!(!may(&owner, read, &policy("Deny", json!({"Principal": "*"}), none)));
}
