//! `runner policy`: what whoever deploys must be allowed, as documents of IAM.

use std::path::PathBuf;

use spec::{Spec, Target};
use stages::clients::Connection;
use stages::rights::CiTrust;
use stages::{Cache, Clients, Deployer, Site};

use crate::deployer::declared;
use crate::failure::Failure;
use crate::session::{LOCAL_ACCOUNT, pipeline};
use crate::terminal;

/// Characters without white space that IAM takes. Source: IAM and STS quotas.
const MANAGED_LIMIT: usize = 6144;
const INLINE_LIMIT: usize = 10_240;

/// Source: GitHub changelog, immutable subject claims of `OpenID` Connect.
const GITHUB_IDS: &str = "\
    hint: tokens of repositories created, renamed or transferred since 2026-07-15, or opted in, carry ids; this command \
    prints the repository as they name it, for `--github`:\n  \
    gh api repos/ORG/REPO --jq '\"\\(.owner.login)@\\(.owner.id)/\\(.name)@\\(.id)\"'";

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The pipeline file
    #[arg(default_value = "pipeline.yaml")]
    pub(super) file: PathBuf,
    /// Where it is deployed: an entry of `targets:` in the pipeline file
    #[arg(long, default_value = "local")]
    pub(super) target: String,
    /// Only what `plan` and `status` need
    #[arg(long, conflicts_with = "ci")]
    read_only: bool,
    /// Also what `runner doctor` asks for
    #[arg(long, conflicts_with = "ci")]
    doctor: bool,
    #[command(flatten)]
    trusted: Trusted,
}

/// The jobs that may assume the role whose trust policy is printed.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Trust policy for CI")]
struct Trusted {
    /// Print the trust policy of a role for jobs of this repository on GitHub; with ids for repositories created,
    /// renamed or transferred since 2026-07-15
    #[arg(long, value_name = "ORG[@ID]/REPO[@ID]", group = "ci")]
    github: Vec<String>,
    /// The same for jobs of this project on GitLab
    #[arg(long, value_name = "GROUP/PROJECT", group = "ci")]
    gitlab: Vec<String>,
    /// Host name of the GitLab server
    #[arg(long, value_name = "HOST", requires = "gitlab", default_value = "gitlab.com")]
    gitlab_host: String,
    /// Jobs on this branch
    #[arg(long, requires = "ci")]
    branch: Vec<String>,
    /// Jobs on this tag; `*` stands for any characters
    #[arg(long, requires = "ci")]
    tag: Vec<String>,
    /// Jobs that name this environment (GitHub)
    #[arg(long, requires = "github")]
    environment: Vec<String>,
    /// Jobs of pull requests (GitHub), for a role that can only read
    #[arg(long, requires = "github")]
    pull_requests: bool,
    /// Only jobs in this reusable workflow (GitHub)
    #[arg(long, value_name = "ORG/REPO/.github/workflows/FILE@REF", requires = "github")]
    workflow: Option<String>,
}

pub(crate) async fn run(arguments: &Arguments) -> Result<u8, Failure> {
    let (spec, target) = pipeline(&arguments.file, &arguments.target)?;
    let site = site(&target).await?;
    let (document, advice) = if let Some(trust) = arguments.trusted.trust().map_err(Failure::Usage)? {
        (trust.document(&site), arguments.trusted.advice(&trust, spec.name.as_str(), &arguments.target, &site))
    } else {
        let name = format!("{}-deployer", spec.name);
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

impl Trusted {
    /// Returns the trust policy; `None` when neither GitHub nor GitLab is named.
    fn trust(&self) -> Result<Option<CiTrust>, String> {
        let mut trust = match (self.github.as_slice(), self.gitlab.as_slice()) {
            ([], []) => return Ok(None),
            ([], projects) => CiTrust::gitlab(&self.gitlab_host, projects)?,
            (repositories, []) => CiTrust::github(repositories)?,
            _ => {
                return Err(
                    "a trust policy is for GitHub or for GitLab: print two, and join their statements".to_owned()
                );
            }
        };
        for branch in &self.branch {
            trust = trust.branch(branch)?;
        }
        for tag in &self.tag {
            trust = trust.tag(tag)?;
        }
        for environment in &self.environment {
            trust = trust.environment(environment)?;
        }
        if self.pull_requests {
            trust = trust.pull_requests()?;
        }
        if let Some(workflow) = &self.workflow {
            trust = trust.workflow(workflow)?;
        }
        if !trust.names_any() {
            return Err("any job of the repository could assume the role: name a `--branch`, a `--tag`, an \
                        `--environment` or `--pull-requests`"
                .to_owned());
        }
        Ok(Some(trust))
    }

    /// Says how to make the role, and what the role may be given.
    fn advice(&self, trust: &CiTrust, pipeline: &str, target: &str, site: &Site) -> String {
        let mut advice = Vec::new();
        let role = if self.pull_requests { "planner" } else { "deployer" };
        if self.pull_requests {
            advice.push(format!(
                "warning: whoever may push a branch of the repository can change what its pull requests run, so they \
                 can use all rights of this role: give it only what `runner policy --target {target} --read-only` \
                 prints, and deploy with another role"
            ));
        }
        if self.github.iter().any(|repository| !repository.contains('@')) {
            advice.push(GITHUB_IDS.to_owned());
        }
        advice.push(format!(
            "saved as `trust.json`, for a role with sessions of two hours, which a first deployment may need:\n  \
             aws iam create-open-id-connect-provider --url {} --client-id-list {}    # once per account\n  \
             aws iam create-role --role-name {pipeline}-{role} --assume-role-policy-document file://trust.json \
             --max-session-duration 7200",
            trust.provider_url(),
            CiTrust::audience(site),
        ));
        advice.join("\n")
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
