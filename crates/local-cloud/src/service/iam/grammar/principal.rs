//! Whom a trust policy names.

use serde_json::Value;

/// Names of services before `.amazonaws.com`. Sources: `iam-floyd` 0.851.0, "service principals"; the AWS-managed
/// policies' conditions on `iam:PassedToService` and `iam:AWSServiceName`.
const SERVICES: &str = include_str!("../service_principals.txt");

/// Identity providers that need no resource in the account. Source: IAM user guide, `Principal`.
const PROVIDERS: [&str; 4] =
    ["cognito-identity.amazonaws.com", "www.amazon.com", "graph.facebook.com", "accounts.google.com"];

/// One principal.
#[derive(Debug)]
pub(super) struct Named<'a> {
    /// `AWS`, `Service` or `Federated`.
    pub(super) kind: &'a str,
    pub(super) name: &'a str,
}

/// The principals of an element; none where its form is wrong. `*` is everybody, and no principal to look up.
pub(super) fn named(element: &Value) -> Option<Vec<Named<'_>>> {
    let kinds = match element {
        Value::String(text) => return (text == "*").then(Vec::new),
        element => element.as_object().filter(|kinds| !kinds.is_empty())?,
    };
    let mut all = Vec::new();
    for (kind, names) in kinds {
        let names = match names {
            Value::Array(names) if !names.is_empty() => names.iter().collect(),
            one => vec![one],
        };
        for name in names {
            all.push(Named { kind, name: name.as_str()? });
        }
    }
    Some(all)
}

/// Whether a principal can be trusted: its form is right and it is there. `exists` is asked about users, roles and
/// sessions of this account.
pub(super) fn is_known(named: &Named<'_>, partition: &str, account: &str, exists: &dyn Fn(&str) -> bool) -> bool {
    match named.kind {
        "AWS" => is_account(named.name) || named.name == "*" || is_aws(named.name, partition, account, exists),
        "Service" => is_service(named.name, partition),
        "Federated" => is_federated(named.name, partition),
        _ => false,
    }
}

/// Whether this is a service's principal, of one region or of all.
pub(crate) fn is_service(name: &str, partition: &str) -> bool {
    let china = (partition == "aws-cn").then(|| name.strip_suffix(".amazonaws.com.cn")).flatten();
    let Some(service) = china.or_else(|| name.strip_suffix(".amazonaws.com")) else { return false };
    let known = |service: &str| SERVICES.split_whitespace().any(|known| known.eq_ignore_ascii_case(service));
    // `states.eu-west-1`: a region has two hyphens and ends with a digit.
    let regional = service
        .rsplit_once('.')
        .filter(|(_, region)| region.matches('-').count() >= 2 && region.ends_with(|last: char| last.is_ascii_digit()));
    known(service) || regional.is_some_and(|(service, _)| known(service))
}

fn is_account(name: &str) -> bool {
    name.len() == 12 && name.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_aws(name: &str, partition: &str, account: &str, exists: &dyn Fn(&str) -> bool) -> bool {
    let parts: Vec<&str> = name.splitn(6, ':').collect();
    let ["arn", named, service @ ("iam" | "sts"), "", owner, path] = parts[..] else { return exists(name) };
    if named != partition || !is_account(owner) || path.contains(['*', '?']) {
        return false;
    }
    let (kind, rest) = path.split_once('/').unwrap_or((path, ""));
    match (service, kind) {
        ("iam", "root") => rest.is_empty() && !path.contains('/'),
        ("iam", "user" | "role") | ("sts", "assumed-role") if owner == account => exists(name),
        ("iam", "user" | "role") | ("sts", "assumed-role" | "federated-user") => !rest.is_empty(),
        _ => false,
    }
}

fn is_federated(name: &str, partition: &str) -> bool {
    let parts: Vec<&str> = name.splitn(6, ':').collect();
    match parts[..] {
        ["arn", named, "iam", "", owner, path] => {
            let provider = path.strip_prefix("oidc-provider/").or_else(|| path.strip_prefix("saml-provider/"));
            named == partition && is_account(owner) && provider.is_some_and(|name| !name.is_empty())
        }
        _ => PROVIDERS.contains(&name),
    }
}
