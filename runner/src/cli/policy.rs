//! `runner policy`: what whoever deploys must be allowed, as documents of IAM.

use std::path::PathBuf;

use spec::{Spec, Target};
use stages::clients::Connection;
use stages::rights::Github;
use stages::{Cache, Clients, Deployer, Site};

use crate::deployer::declared;
use crate::failure::Failure;
use crate::session::{LOCAL_ACCOUNT, pipeline};
use crate::terminal;

/// Characters without white space that IAM takes. Source: IAM and STS quotas.
const MANAGED_LIMIT: usize = 6144;
const INLINE_LIMIT: usize = 10_240;

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The pipeline file
    #[arg(default_value = "pipeline.yaml")]
    pub(super) file: PathBuf,
    /// Where it is deployed: an entry of `targets:` in the pipeline file
    #[arg(long, default_value = "local")]
    pub(super) target: String,
    /// Only what `plan` and `status` need
    #[arg(long, conflicts_with = "github")]
    read_only: bool,
    /// Also what `runner doctor` asks for
    #[arg(long, conflicts_with = "github")]
    doctor: bool,
    /// Print the trust policy of a role that this repository's workflows may take
    #[arg(long, value_name = "ORG/REPO")]
    github: Option<String>,
    /// Workflows on this branch
    #[arg(long, requires = "github")]
    branch: Vec<String>,
    /// Jobs that name this environment
    #[arg(long, requires = "github")]
    environment: Vec<String>,
    /// Workflows of pull requests
    #[arg(long, requires = "github")]
    pull_requests: bool,
}

pub(crate) async fn run(arguments: &Arguments) -> Result<u8, Failure> {
    let (spec, target) = pipeline(&arguments.file, &arguments.target)?;
    let site = site(&target).await?;
    let name = format!("{}-deployer", spec.name);
    let (document, advice) = if let Some(repository) = &arguments.github {
        (github(repository, arguments).map_err(Failure::Usage)?.trust(&site), how_to_trust(&name))
    } else {
        let deployer = deployer(&spec, &site, arguments);
        (deployer.document(), how_to_use(&name, &site, deployer.chars()))
    };
    terminal::json(&document);
    terminal::say(&advice);
    Ok(0)
}

/// Asks nobody where the file says the account.
async fn site(target: &Target) -> Result<Site, Failure> {
    match target {
        Target::Local(target) => {
            Ok(Site { account: LOCAL_ACCOUNT.to_owned(), region: target.region.clone(), plain_http: false })
        }
        Target::Aws(target) => {
            let clients = Clients::connect(&Connection::Aws(target.clone()), Cache::new(PathBuf::new())).await;
            match &target.account {
                Some(account) => Ok(clients.site_in(account)),
                None => Ok(clients.site().await?),
            }
        }
    }
}

fn deployer(spec: &Spec, site: &Site, arguments: &Arguments) -> Deployer {
    let (_, declared) = declared(spec, site);
    match (arguments.read_only, arguments.doctor) {
        (false, false) => Deployer::of(&declared),
        (true, false) => Deployer::reading(&declared),
        (read_only, true) => Deployer::with_doctor(&declared, site, read_only),
    }
}

fn github(repository: &str, arguments: &Arguments) -> Result<Github, String> {
    let mut github = Github::new(repository)?;
    for branch in &arguments.branch {
        github = github.branch(branch)?;
    }
    for environment in &arguments.environment {
        github = github.environment(environment)?;
    }
    if arguments.pull_requests {
        github = github.pull_requests();
    }
    if github.names_any() {
        Ok(github)
    } else {
        Err("any workflow of the repository could take the role: name a `--branch`, an `--environment` or \
             `--pull-requests`"
            .to_owned())
    }
}

fn how_to_use(name: &str, site: &Site, chars: usize) -> String {
    let Site { account, region, .. } = site;
    let partition = site.partition();
    let fits = if chars <= MANAGED_LIMIT {
        format!(
            "it fits a managed policy:\n  \
             aws iam create-policy --policy-name {name} --policy-document file://deployer.json\n  \
             aws iam attach-role-policy --role-name ROLE --policy-arn arn:{partition}:iam::{account}:policy/{name}"
        )
    } else if chars <= INLINE_LIMIT {
        format!(
            "too long for a managed policy ({MANAGED_LIMIT}), it fits a role's own:\n  \
             aws iam put-role-policy --role-name ROLE --policy-name {name} --policy-document file://deployer.json"
        )
    } else {
        format!(
            "too long for a managed policy ({MANAGED_LIMIT}) and for a role's own ({INLINE_LIMIT}): divide its statements"
        )
    };
    format!(
        "for account {account}, region {region}; saved as `deployer.json`, {chars} characters without white space, {fits}"
    )
}

fn how_to_trust(name: &str) -> String {
    format!(
        "saved as `trust.json`, for a role whose sessions last two hours, as a first deployment may:\n  \
         aws iam create-open-id-connect-provider --url https://token.actions.githubusercontent.com \
         --client-id-list sts.amazonaws.com    # once an account\n  \
         aws iam create-role --role-name {name} --assume-role-policy-document file://trust.json \
         --max-session-duration 7200"
    )
}
