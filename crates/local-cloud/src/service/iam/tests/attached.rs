//! Managed policies, roles of the program's own, and simulations.

use super::*;

fn managed(iam: &Iam, name: &str, document: &str) -> Result<String, (u16, String, String)> {
    ask(iam, "CreatePolicy", &[("PolicyName", name), ("PolicyDocument", document)])
}

#[test]
fn a_managed_policy_counts_while_it_is_attached() {
    let (_dir, iam) = fresh();
    create(&iam);
    managed(&iam, "reading", &reading()).unwrap();
    let of_role = [("RoleName", "Exec"), ("PolicyArn", "arn:aws:iam::123456789012:policy/reading")];
    assert!(iam.authorize(ROLE, "s3:GetObject", MODEL).is_err());
    ask(&iam, "AttachRolePolicy", &of_role).unwrap();
    ask(&iam, "AttachRolePolicy", &of_role).unwrap();
    assert_eq!(iam.authorize(ROLE, "s3:GetObject", MODEL), Ok(()));
    let attached = ask(&iam, "ListAttachedRolePolicies", &of_role[..1]).unwrap();
    let member = "<PolicyName>reading</PolicyName><PolicyArn>arn:aws:iam::123456789012:policy/reading</PolicyArn>";
    assert_eq!(attached.matches(member).count(), 1, "{attached}");
    let shown = ask(&iam, "GetPolicy", &of_role[1..]).unwrap();
    assert!(shown.contains("<AttachmentCount>1</AttachmentCount>"), "{shown}");
    let cases: &[Case<'_>] = &[
        ("DeletePolicy", &of_role[1..], 409, "DeleteConflict", "Cannot delete a policy attached to entities."),
        ("DeleteRole", &of_role[..1], 409, "DeleteConflict", "Cannot delete entity, must detach all policies first."),
        (
            "CreatePolicy",
            &[("PolicyName", "Reading"), ("PolicyDocument", &reading())],
            409,
            "EntityAlreadyExists",
            "A policy called Reading already exists. Duplicate names are not allowed.",
        ),
    ];
    refused(&iam, cases);
    ask(&iam, "DetachRolePolicy", &of_role).unwrap();
    assert!(iam.authorize(ROLE, "s3:GetObject", MODEL).is_err());
    let again = ask(&iam, "DetachRolePolicy", &of_role).unwrap_err();
    assert_eq!((again.0, again.1.as_str()), (404, "NoSuchEntity"));
    ask(&iam, "DeleteRole", &of_role[..1]).unwrap();
    assert!(!iam.is_empty());
    ask(&iam, "DeletePolicy", &of_role[1..]).unwrap();
    assert!(iam.is_empty());
}

#[test]
fn roles_of_the_program_itself_do_not_count_and_are_there_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let iam = Iam::open(&config(dir.path(), Duration::from_mins(1))).unwrap();
    let anyone = json!({"Effect": "Allow", "Principal": {"AWS": "123456789012"}, "Action": "sts:AssumeRole"});
    let trust = json!({"Version": "2012-10-17", "Statement": [anyone]}).to_string();
    let members = [("RoleName", "own"), ("AssumeRolePolicyDocument", trust.as_str()), ("Path", "/_local/")];
    let owner = Caller { arn: "arn:aws:iam::123456789012:root".to_owned(), role: None };
    let begins = |arn: &str| iam.may_begin_session(&owner, arn, &Keys::default());
    ask(&iam, "CreateRole", &members).unwrap();
    assert!(iam.is_empty());
    assert!(begins("arn:aws:iam::123456789012:role/_local/own"));
    ask(&iam, "DeleteRole", &members[..1]).unwrap();
    ask(&iam, "CreateRole", &members[..2]).unwrap();
    assert!(!begins("arn:aws:iam::123456789012:role/own"));
}

#[test]
fn a_simulation_says_what_the_policies_say() {
    let (_dir, iam) = fresh();
    create(&iam);
    let condition = json!({"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}});
    let statements = json!([
        {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::bucket/models/*"},
        {"Effect": "Allow", "Action": "iam:PassRole", "Resource": ROLE, "Condition": condition},
        {"Effect": "Deny", "Action": "s3:DeleteObject", "Resource": "*"},
    ]);
    put(&iam, &json!({"Version": "2012-10-17", "Statement": statements}).to_string());
    let simulate = |members: &[(&str, &str)]| {
        let all = [&[("PolicySourceArn", ROLE)], members].concat();
        let answer = ask(&iam, "SimulatePrincipalPolicy", &all).unwrap();
        let decisions = answer.split("<EvalDecision>").skip(1).map(|rest| rest.split('<').next().unwrap());
        decisions.collect::<Vec<_>>().join(" ")
    };
    let told = simulate(&[
        ("ActionNames.member.1", "s3:GetObject"),
        ("ActionNames.member.2", "s3:DeleteObject"),
        ("ResourceArns.member.1", MODEL),
        ("ResourceArns.member.2", "arn:aws:s3:::other/a"),
    ]);
    assert_eq!(told, "allowed implicitDeny explicitDeny explicitDeny");
    let pass = [("ActionNames.member.1", "iam:PassRole"), ("ResourceArns.member.1", ROLE)];
    assert_eq!(simulate(&pass), "implicitDeny");
    let told = simulate(&[
        pass[0],
        pass[1],
        ("ContextEntries.member.1.ContextKeyName", "iam:PassedToService"),
        ("ContextEntries.member.1.ContextKeyType", "string"),
        ("ContextEntries.member.1.ContextKeyValues.member.1", "lambda.amazonaws.com"),
    ]);
    assert_eq!(told, "allowed");
    let of = |source: &str| {
        let members = [("PolicySourceArn", source), ("ActionNames.member.1", "s3:GetObject")];
        ask(&iam, "SimulatePrincipalPolicy", &members)
    };
    assert_eq!(of("arn:aws:iam::123456789012:role/none").unwrap_err().1, "NoSuchEntity");
    // Whoever holds the account's own key may do anything.
    assert!(of("arn:aws:iam::123456789012:user/local").unwrap().contains(">allowed<"));
}
