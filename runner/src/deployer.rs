//! What whoever deploys may do: the policy that a local target names, and what is said when a right is missing.

use std::path::Path;
use std::sync::Arc;

use serde_json::Value as Json;
use spec::{Complaint, DeployerPolicy, Spec, Target};
use stages::clients::Connection;
use stages::rights::Denial;
use stages::{Clients, Declared, Deployer, Inputs, Meaning, Names, Site, Skip, Wanted, deployer};

use crate::failure::Failure;
use crate::session::read_text;

/// Where the pipeline file names the policy.
const KEY: &str = "targets.local.deployer-policy";

/// What is declared when nothing that the pipeline file points at has been read: rights do not hang on it.
pub(crate) fn declared(spec: &Spec, site: &Site) -> (Names, Declared) {
    let inputs = Arc::new(Inputs::none(spec));
    let names = Names::of(spec, &inputs, site.clone());
    let declared = Declared::of(&Wanted { spec, inputs: &inputs, names: &names, skip: &Skip::default() });
    (names, declared)
}

/// The policy that a local target names.
pub(crate) fn document(policy: &DeployerPolicy, spec: &Spec, base: &Path, site: &Site) -> Result<Json, Complaint> {
    match policy {
        DeployerPolicy::Own => Ok(Deployer::of(&declared(spec, site).1).document()),
        DeployerPolicy::File(file) => read(spec, &base.join(file)),
    }
}

/// The connection of a session that has exactly this policy, in a local cloud.
pub(crate) async fn connection(
    document: &Json,
    spec: &Spec,
    (clients, connection): (&Clients, Connection),
    site: &Site,
) -> Result<Connection, Failure> {
    let (names, _) = declared(spec, site);
    let key = deployer::session(clients, &names, document).await.map_err(|error| match error.meaning() {
        Meaning::Other => spec.complain(KEY, format!("IAM refuses this policy: {}", error.message())).into(),
        _ => Failure::from(error),
    })?;
    let Connection::Local { url, region, .. } = connection else { return Ok(connection) };
    Ok(Connection::Local {
        url,
        region,
        access_key_id: key.access_key_id,
        secret_access_key: key.secret_access_key,
        session_token: Some(key.session_token),
    })
}

fn read(spec: &Spec, file: &Path) -> Result<Json, Complaint> {
    let text =
        read_text(file).map_err(|error| spec.complain(KEY, format!("cannot read `{}`: {error}", file.display())))?;
    serde_json::from_str(&text).map_err(|error| spec.complain(KEY, format!("`{}` is no JSON: {error}", file.display())))
}

/// What a deployer who lacks a right can do about it. None when it is not the deployer who lacks it.
pub(crate) fn advice(spec: &Spec, target: (&str, &Target), denial: &Denial) -> Option<String> {
    let (name, target) = target;
    let (region, plain_http) = match target {
        Target::Local(local) => (&local.region, false),
        Target::Aws(aws) => (&aws.region, aws.endpoint_url.as_ref().is_some_and(|url| url.starts_with("http://"))),
    };
    let site = Site { account: denial.account().to_owned(), region: region.clone(), plain_http };
    let (names, declared) = declared(spec, &site);
    if denial.role().is_some_and(|role| [&names.execution_role, &names.proxy_role].contains(&&role.to_owned())) {
        return None;
    }
    let deployer = Deployer::of(&declared);
    let sid = deployer.statement_for(&denial.action, &denial.resource)?;
    let command = match target {
        Target::Local(_) => "runner policy".to_owned(),
        Target::Aws(_) => format!("runner policy --target {name}"),
    };
    let what = format!("statement `{sid}` of what `{command}` prints gives `{}`", denial.action);
    Some(if denial.taken_away {
        format!(
            "{what}, but something takes it away: an explicit deny, or a limit of the organisation, a boundary or the session"
        )
    } else {
        format!("{what}; finished steps are kept, so run the same command again when the credentials have it")
    })
}
