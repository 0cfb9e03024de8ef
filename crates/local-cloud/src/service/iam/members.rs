//! The operations that are offered, and which members of each.
//!
//! Source: botocore's models of IAM and STS. What they have beyond this is refused by name, so that nothing is accepted
//! and then ignored.

/// The members that an operation takes; none for one that is not offered.
pub(super) fn offered(operation: &str) -> Option<&'static [&'static str]> {
    Some(match operation {
        "CreateRole" => &[
            "Path",
            "RoleName",
            "AssumeRolePolicyDocument",
            "Description",
            "MaxSessionDuration",
            "PermissionsBoundary",
            "Tags",
        ],
        "GetRole" | "DeleteRole" | "DeleteRolePermissionsBoundary" => &["RoleName"],
        "UpdateRole" => &["RoleName", "Description", "MaxSessionDuration"],
        "UpdateRoleDescription" => &["RoleName", "Description"],
        "UpdateAssumeRolePolicy" => &["RoleName", "PolicyDocument"],
        "PutRolePermissionsBoundary" => &["RoleName", "PermissionsBoundary"],
        "ListRoles" => &["PathPrefix", "Marker", "MaxItems"],
        "PutRolePolicy" => &["RoleName", "PolicyName", "PolicyDocument"],
        "GetRolePolicy" | "DeleteRolePolicy" => &["RoleName", "PolicyName"],
        "ListRolePolicies" | "ListRoleTags" | "ListInstanceProfilesForRole" => &["RoleName", "Marker", "MaxItems"],
        "TagRole" => &["RoleName", "Tags"],
        "UntagRole" => &["RoleName", "TagKeys"],
        "ListAttachedRolePolicies" => &["RoleName", "PathPrefix", "Marker", "MaxItems"],
        "AttachRolePolicy" | "DetachRolePolicy" => &["RoleName", "PolicyArn"],
        "CreatePolicy" => &["PolicyName", "Path", "PolicyDocument", "Description", "Tags"],
        "GetPolicy" | "DeletePolicy" => &["PolicyArn"],
        "ListPolicies" => &["Scope", "OnlyAttached", "PathPrefix", "PolicyUsageFilter", "Marker", "MaxItems"],
        "ListPolicyVersions" | "ListPolicyTags" => &["PolicyArn", "Marker", "MaxItems"],
        "GetPolicyVersion" | "SetDefaultPolicyVersion" | "DeletePolicyVersion" => &["PolicyArn", "VersionId"],
        "CreatePolicyVersion" => &["PolicyArn", "PolicyDocument", "SetAsDefault"],
        "ListEntitiesForPolicy" => {
            &["PolicyArn", "EntityFilter", "PathPrefix", "PolicyUsageFilter", "Marker", "MaxItems"]
        }
        "TagPolicy" => &["PolicyArn", "Tags"],
        "UntagPolicy" => &["PolicyArn", "TagKeys"],
        "SimulatePrincipalPolicy" => &[
            "PolicySourceArn",
            "PolicyInputList",
            "PermissionsBoundaryPolicyInputList",
            "ActionNames",
            "ResourceArns",
            "ContextEntries",
            "MaxItems",
            "Marker",
        ],
        _ => return None,
    })
}
