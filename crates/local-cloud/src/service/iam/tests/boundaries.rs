//! Permissions boundaries, and members of requests that are not offered.

use super::*;

const BOUNDARY: &str = "arn:aws:iam::123456789012:policy/limit";
const SESSION: &str = "arn:aws:sts::123456789012:assumed-role/Exec/s";

fn all() -> String {
    document(&json!({"Effect": "Allow", "Action": "*", "Resource": "*"}))
}

fn document(statement: &serde_json::Value) -> String {
    json!({"Version": "2012-10-17", "Statement": statement}).to_string()
}

/// A role that may do anything, and a policy to limit it by.
fn bounded(limit: &serde_json::Value) -> (tempfile::TempDir, Iam) {
    let (dir, iam) = fresh();
    create(&iam);
    put(&iam, &all());
    let limit = document(limit);
    ask(&iam, "CreatePolicy", &[("PolicyName", "limit"), ("PolicyDocument", &limit)]).unwrap();
    ask(&iam, "PutRolePermissionsBoundary", &[("RoleName", "Exec"), ("PermissionsBoundary", BOUNDARY)]).unwrap();
    (dir, iam)
}

#[test]
fn a_boundary_limits_what_a_roles_policies_allow() {
    let (_dir, iam) = bounded(&json!([
        {"Effect": "Allow", "Action": "s3:Get*", "Resource": "*"},
        {"Effect": "Deny", "Action": "s3:GetObjectTagging", "Resource": "*"},
    ]));
    assert_eq!(iam.authorize(ROLE, "s3:GetObject", MODEL), Ok(()));
    insta::assert_snapshot!(iam.authorize(ROLE, "s3:PutObject", MODEL).unwrap_err(), @r#"User: arn:aws:iam::123456789012:role/pipeline/Exec is not authorized to perform: s3:PutObject on resource: "arn:aws:s3:::bucket/models/a.tar.gz" because no permissions boundary allows the s3:PutObject action"#);
    let denied = iam.authorize(ROLE, "s3:GetObjectTagging", MODEL).unwrap_err();
    assert!(denied.ends_with("with an explicit deny in a permissions boundary"), "{denied}");

    // A boundary allows nothing by itself.
    ask(&iam, "DeleteRolePolicy", &[("RoleName", "Exec"), ("PolicyName", "inline")]).unwrap();
    let denied = iam.authorize(ROLE, "s3:GetObject", MODEL).unwrap_err();
    assert!(denied.ends_with("because no identity-based policy allows the s3:GetObject action"), "{denied}");

    put(&iam, &all());
    ask(&iam, "DeleteRolePermissionsBoundary", &[("RoleName", "Exec")]).unwrap();
    assert_eq!(iam.authorize(ROLE, "s3:PutObject", MODEL), Ok(()));
}

#[test]
fn a_boundary_of_a_new_role_holds_and_is_shown() {
    let (_dir, iam) = fresh();
    let trust = trust();
    let new = |boundary| {
        [
            ("RoleName", "Exec"),
            ("AssumeRolePolicyDocument", trust.as_str()),
            ("PermissionsBoundary", boundary),
            ("Path", "/pipeline/"),
        ]
    };
    let cases: &[Case<'_>] = &[
        (
            "CreateRole",
            &new("arn:aws:iam::123456789:not_a_boundary"),
            400,
            "ValidationError",
            "Value (arn:aws:iam::123456789:not_a_boundary) for parameter PermissionsBoundary is invalid.",
        ),
        (
            "CreateRole",
            &new(BOUNDARY),
            404,
            "NoSuchEntity",
            "Policy arn:aws:iam::123456789012:policy/limit does not exist or is not attachable.",
        ),
        (
            "CreateRole",
            &new("arn:aws:iam::aws:policy/None"),
            501,
            "NotImplemented",
            "the local cloud does not offer the AWS-managed policy `None`",
        ),
    ];
    refused(&iam, cases);
    let made = ask(&iam, "CreateRole", &new("arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess")).unwrap();
    let member = "<PermissionsBoundary><PermissionsBoundaryType>PermissionsBoundaryPolicy</PermissionsBoundaryType>\
                  <PermissionsBoundaryArn>arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess</PermissionsBoundaryArn>\
                  </PermissionsBoundary>";
    assert!(made.contains(member), "{made}");
    assert!(ask(&iam, "GetRole", &[("RoleName", "Exec")]).unwrap().contains(member));
    assert!(!ask(&iam, "ListRoles", &[]).unwrap().contains("Boundary"));
    put(&iam, &all());
    assert_eq!(iam.authorize(ROLE, "s3:GetObject", MODEL), Ok(()));
    assert!(iam.authorize(ROLE, "s3:PutObject", MODEL).is_err());
}

#[test]
fn a_policy_that_limits_a_role_is_counted_and_stays() {
    let (_dir, iam) = bounded(&json!({"Effect": "Allow", "Action": "s3:*", "Resource": "*"}));
    let shown = ask(&iam, "GetPolicy", &[("PolicyArn", BOUNDARY)]).unwrap();
    assert!(shown.contains("<AttachmentCount>0</AttachmentCount>"), "{shown}");
    assert!(shown.contains("<PermissionsBoundaryUsageCount>1</PermissionsBoundaryUsageCount>"), "{shown}");
    let refusal = ask(&iam, "DeletePolicy", &[("PolicyArn", BOUNDARY)]).unwrap_err();
    assert_eq!(refusal.1, "DeleteConflict");
    let used = |filter: &str| {
        let members = [("PolicyArn", BOUNDARY), ("PolicyUsageFilter", filter)];
        ask(&iam, "ListEntitiesForPolicy", &members).unwrap().contains("<RoleName>Exec</RoleName>")
    };
    assert!(used("PermissionsBoundary") && !used("PermissionsPolicy"));
    let listed = |filter: &str| ask(&iam, "ListPolicies", &[("PolicyUsageFilter", filter)]).unwrap().contains(BOUNDARY);
    assert!(listed("PermissionsBoundary") && !listed("PermissionsPolicy"));
}

#[test]
fn what_a_resource_allows_to_the_session_itself_no_boundary_takes_away() {
    let (_dir, iam) = bounded(&json!({"Effect": "Allow", "Action": "iam:GetRole", "Resource": "*"}));
    let caller = Caller { arn: SESSION.to_owned(), role: Some(ROLE.to_owned()) };
    let may = |principal: &str| {
        let policy =
            document(&json!({"Effect": "Allow", "Action": "s3:*", "Resource": "*", "Principal": {"AWS": principal}}));
        iam.ask(&caller, &Permission::new("s3:GetObject", MODEL).under(Some(policy))).is_ok()
    };
    assert!(may(SESSION) && !may(ROLE) && !may("*"));
}

#[test]
fn a_simulation_counts_boundaries_and_documents_that_it_is_given() {
    let (_dir, iam) = bounded(&json!({"Effect": "Allow", "Action": "s3:Get*", "Resource": "*"}));
    let simulate = |more: &[(&str, &str)]| {
        let members = [
            &[
                ("PolicySourceArn", ROLE),
                ("ActionNames.member.1", "s3:GetObject"),
                ("ActionNames.member.2", "s3:PutObject"),
            ],
            more,
        ]
        .concat();
        let answer = ask(&iam, "SimulatePrincipalPolicy", &members).unwrap();
        let of = |name: &str| {
            let open = format!("<{name}>");
            let parts = answer.split(&open).skip(1);
            parts.map(|rest| rest.split('<').next().unwrap().to_owned()).collect::<Vec<_>>().join(" ")
        };
        format!("{} / {}", of("EvalDecision"), of("AllowedByPermissionsBoundary"))
    };
    assert_eq!(simulate(&[]), "allowed implicitDeny / true false");
    let wide = all();
    assert_eq!(simulate(&[("PermissionsBoundaryPolicyInputList.member.1", &wide)]), "allowed allowed / true true");
    let narrow = document(&json!({"Effect": "Deny", "Action": "s3:GetObject", "Resource": "*"}));
    assert_eq!(simulate(&[("PolicyInputList.member.1", &narrow)]), "explicitDeny implicitDeny / true false");
}

#[test]
fn a_condition_sees_the_boundary_that_a_call_sets_or_finds() {
    let (_dir, iam) = bounded(&json!({"Effect": "Allow", "Action": "*", "Resource": "*"}));
    let trust = trust();
    for (name, boundary) in [("free", None), ("held", Some(BOUNDARY))] {
        let mut members = vec![("RoleName", name), ("AssumeRolePolicyDocument", trust.as_str())];
        members.extend(boundary.map(|arn| ("PermissionsBoundary", arn)));
        let made = ask(&iam, "CreateRole", &members);
        assert!(made.is_ok(), "{made:?}");
    }
    let keys = |operation: &str, role: &str| {
        let body = Bytes::from(format!("RoleName={role}"));
        let main = Permission::new(format!("iam:{operation}"), "*");
        limited(&iam, &Form::parse(&body), operation, main).keys
    };
    let known = |value: &'static str| keys::Known::Values(vec![value]);
    assert_eq!(keys("PutRolePolicy", "held").get("iam:PermissionsBoundary"), known(BOUNDARY));
    assert_eq!(keys("PutRolePolicy", "free").get("iam:PermissionsBoundary"), keys::Known::Absent);
    assert_eq!(keys("CreateRole", "new").get("iam:PermissionsBoundary"), keys::Known::Absent);
    assert_eq!(keys("GetRole", "held").get("iam:PermissionsBoundary"), keys::Known::Unknown);
}

#[test]
fn members_that_are_not_offered_are_refused_by_name() {
    let (_dir, iam) = fresh();
    create(&iam);
    let cases: &[Case<'_>] = &[
        (
            "SimulatePrincipalPolicy",
            &[("PolicySourceArn", ROLE), ("ResourcePolicy", "{}")],
            501,
            "NotImplemented",
            "the local cloud does not offer `ResourcePolicy` of SimulatePrincipalPolicy",
        ),
        (
            "GetRole",
            &[("RoleName", "Exec"), ("New.member.1.Thing", "x")],
            501,
            "NotImplemented",
            "the local cloud does not offer `New` of GetRole",
        ),
        (
            "TagRole",
            &[("RoleName", "Exec"), ("Tags.member.1.Key", "NO!"), ("Tags.member.1.Value", "")],
            400,
            "ValidationError",
            "1 validation error detected: Value 'NO!' at 'tags.1.member.key' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]+",
        ),
        (
            "ListPolicies",
            &[("Scope", "Mine")],
            400,
            "ValidationError",
            "1 validation error detected: Value 'Mine' at 'scope' failed to satisfy constraint: Member must satisfy enum value set: [All, AWS, Local]",
        ),
    ];
    refused(&iam, cases);
}
