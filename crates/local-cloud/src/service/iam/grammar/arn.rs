//! What names resources in a policy.

/// Paths of resources of IAM. Source: IAM's refusal of others, as moto's tests have it.
const IAM_PATHS: [&str; 13] = [
    "user/",
    "federated-user/",
    "role/",
    "group/",
    "instance-profile/",
    "mfa/",
    "server-certificate/",
    "policy/",
    "sms-mfa/",
    "saml-provider/",
    "oidc-provider/",
    "report/",
    "access-report/",
];

/// Resources of S3 that have a region, an account or both in their ARN. Source: service authorization reference, S3.
const S3_WITH_REGION: [&str; 6] =
    ["accesspoint/", "accesspointobject/", "job/", "storage-lens", "access-grants/", "async-request/"];

/// Why IAM does not take a resource.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// In the words of AWS.
    Said(String),
    /// "The policy failed legacy parsing".
    Legacy,
}

/// Whether a statement's resources can be resources of this partition. What the form lacks is found before what the
/// older parser would not take, as on AWS.
pub(super) fn check(resources: &[String], partition: &str) -> Result<(), Fault> {
    let named = || resources.iter().filter(|resource| *resource != "*");
    named().try_for_each(|resource| form(resource, partition).map_err(Fault::Said))?;
    if named().all(|resource| legacy(resource)) { Ok(()) } else { Err(Fault::Legacy) }
}

fn form(resource: &str, partition: &str) -> Result<(), String> {
    let Some((_, rest)) = resource.split_once(':') else {
        return Err(format!("Resource {resource} must be in ARN format or \"*\"."));
    };
    let (named, rest) = rest.split_once(':').map_or((rest, None), |(named, rest)| (named, Some(rest)));
    if named != "*" && named != partition {
        return Err(format!("Partition \"{named}\" is not valid for resource \"{}\".", completed(named, rest)));
    }
    let vendor = rest.map(|rest| rest.split(':').next().unwrap_or_default());
    let Some(vendor) = vendor.filter(|vendor| !vendor.contains(['*', '?'])) else {
        return Err("Resource vendor must be fully qualified and cannot contain regexes.".to_owned());
    };
    let mut parts = rest.unwrap_or_default().splitn(4, ':').skip(1);
    let (Some(region), account) = (parts.next(), parts.next().unwrap_or_default()) else { return Ok(()) };
    let path = parts.next().unwrap_or_default();
    match vendor {
        "s3" if S3_WITH_REGION.iter().any(|known| path.starts_with(known)) => Ok(()),
        "s3" if !region.is_empty() => Err(format!("Resource {resource} can not contain region information.")),
        "s3" if is_account(account) && !path.is_empty() => {
            Err(format!("Resource {resource} can not contain account information."))
        }
        "iam" if !region.is_empty() => Err(format!("IAM resource {resource} cannot contain region information.")),
        // Policies of AWS's own name `root`, which the sentence does not.
        "iam" if path != "root" && !path.starts_with('*') && !IAM_PATHS.iter().any(|known| path.starts_with(known)) => {
            Err(format!("IAM resource path must either be \"*\" or start with {}.", IAM_PATHS.join(", ")))
        }
        _ => Ok(()),
    }
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The ARN that IAM names in its refusal: what is missing is `*`.
fn completed(partition: &str, rest: Option<&str>) -> String {
    let mut parts: Vec<&str> = rest.unwrap_or_default().splitn(4, ':').collect();
    if parts == [""] {
        parts[0] = "*";
    }
    parts.resize(4, "*");
    format!("arn:{partition}:{}", parts.join(":"))
}

/// What the older parser takes: six parts, unless no part is empty; and a vendor.
fn legacy(resource: &str) -> bool {
    let parts: Vec<&str> = resource.split(':').collect();
    (parts.len() >= 6 || !resource.contains("::")) && parts.get(2).is_some_and(|vendor| !vendor.is_empty())
}
