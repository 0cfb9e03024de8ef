//! The trust policy of a role that CI jobs assume by their identity token, without a stored key.

use serde_json::{Map, Value as Json, json};

use crate::{Site, policy};

/// Host of GitHub's identity provider, which begins the names of its condition keys.
const GITHUB: &str = "token.actions.githubusercontent.com";

/// Whose tokens a trust policy accepts.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Issuer {
    GitHub,
    /// A GitLab server by its host name.
    GitLab(String),
}

/// The jobs of one or more repositories that may assume a role.
///
/// A token's `sub` claim names the repository and what started the job. Sources: GitHub, "`OpenID` Connect reference";
/// GitLab, "ID token authentication"; IAM user guide, "Create a role for OIDC federation".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CiTrust {
    issuer: Issuer,
    /// Beginnings of the `sub` claim, one for each repository.
    repositories: Vec<String>,
    /// Endings of the `sub` claim that have to be equal.
    jobs: Vec<String>,
    /// Endings of the `sub` claim in which `*` and `?` stand for other characters.
    tags: Vec<String>,
    /// The reusable workflow that must contain the job, as the `job_workflow_ref` claim names it.
    workflow: Option<String>,
}

impl CiTrust {
    /// Trusts repositories on GitHub: `ORG/REPO`, or `ORG@ID/REPO@ID` with both ids.
    ///
    /// Tokens carry the ids if the repository was created, renamed or transferred since 2026-07-15, or has opted in.
    pub fn github(repositories: &[String]) -> Result<Self, String> {
        let repositories = repositories.iter().map(|name| github_repository(name)).collect::<Result<_, _>>()?;
        Ok(Self::new(Issuer::GitHub, repositories))
    }

    /// Trusts projects on the GitLab server with this host name: `GROUP/PROJECT`, subgroups between them.
    pub fn gitlab(host: &str, projects: &[String]) -> Result<Self, String> {
        if !is_made_of(host, ".-:") {
            return Err(format!("a GitLab server is a host name, for example `gitlab.com`, not `{host}`"));
        }
        let projects = projects.iter().map(|name| gitlab_project(name)).collect::<Result<_, _>>()?;
        Ok(Self::new(Issuer::GitLab(host.to_owned()), projects))
    }

    fn new(issuer: Issuer, repositories: Vec<String>) -> Self {
        Self { issuer, repositories, jobs: vec![], tags: vec![], workflow: None }
    }

    /// Adds jobs that run on a branch. On GitHub a job that names an environment is not one of them, because its token
    /// names the environment instead.
    pub fn branch(mut self, branch: &str) -> Result<Self, String> {
        check_ref("branch", "main", branch, "~^:?*[\\")?;
        self.jobs.push(match self.issuer {
            Issuer::GitHub => format!("ref:refs/heads/{branch}"),
            Issuer::GitLab(_) => format!("ref_type:branch:ref:{branch}"),
        });
        Ok(self)
    }

    /// Adds jobs that run on a tag. `*` stands for any characters, as in `v*`.
    pub fn tag(mut self, tag: &str) -> Result<Self, String> {
        check_ref("tag", "v1.0.0 or v*", tag, "~^:?[\\")?;
        let subject = match self.issuer {
            Issuer::GitHub => format!("ref:refs/tags/{tag}"),
            Issuer::GitLab(_) => format!("ref_type:tag:ref:{tag}"),
        };
        let named = if tag.contains('*') { &mut self.tags } else { &mut self.jobs };
        named.push(subject);
        Ok(self)
    }

    /// Adds jobs that name an environment, which GitHub can protect with reviewers. GitLab's `sub` has no environment.
    pub fn environment(mut self, environment: &str) -> Result<Self, String> {
        if self.issuer != Issuer::GitHub {
            return Err("GitLab's tokens do not name the environment in `sub`: give a protected `--branch` or `--tag`"
                .to_owned());
        }
        if environment.trim().is_empty() || environment.contains(char::is_control) {
            return Err("an environment has a name, for example `production`".to_owned());
        }
        // GitHub escapes the colon, which separates the parts of the claim.
        self.jobs.push(format!("environment:{}", environment.replace(':', "%3A")));
        Ok(self)
    }

    /// Adds jobs of pull requests. Whoever may push a branch can change what these jobs run.
    pub fn pull_requests(mut self) -> Result<Self, String> {
        if self.issuer != Issuer::GitHub {
            return Err("GitLab's tokens of merge requests name the source branch: give it as `--branch`".to_owned());
        }
        self.jobs.push("pull_request".to_owned());
        Ok(self)
    }

    /// Accepts jobs of one reusable workflow only: `ORG/REPO/.github/workflows/FILE@REF`.
    pub fn workflow(mut self, workflow: &str) -> Result<Self, String> {
        let is_reference = workflow.split_once('@').is_some_and(|(path, reference)| {
            let parts: Vec<&str> = path.split('/').collect();
            let [owner, name, ".github", "workflows", file] = parts[..] else { return false };
            is_made_of(owner, "-_")
                && is_made_of(name, "-_.")
                && is_made_of(file, "-_.")
                && reference.starts_with("refs/")
                && !reference.contains(|c: char| c.is_whitespace() || "*?@".contains(c))
        });
        if self.issuer != Issuer::GitHub || !is_reference {
            return Err(format!(
                "a reusable workflow is `ORG/REPO/.github/workflows/FILE@refs/heads/BRANCH` on GitHub, not `{workflow}`"
            ));
        }
        self.workflow = Some(workflow.to_owned());
        Ok(self)
    }

    /// Returns whether any job is named. IAM refuses GitHub's provider without a condition on `sub`.
    pub fn names_any(&self) -> bool {
        !self.jobs.is_empty() || !self.tags.is_empty()
    }

    /// The URL of the identity provider, as `iam create-open-id-connect-provider` takes it.
    pub fn provider_url(&self) -> String {
        format!("https://{}", self.provider())
    }

    /// The audience that a job must ask its token for. `aws-actions/configure-aws-credentials` asks for the first by
    /// default, and for another with `audience`.
    pub fn audience(site: &Site) -> &'static str {
        if site.partition() == "aws-cn" { "sts.amazonaws.com.cn" } else { "sts.amazonaws.com" }
    }

    fn provider(&self) -> &str {
        match &self.issuer {
            Issuer::GitHub => GITHUB,
            Issuer::GitLab(host) => host,
        }
    }

    /// The role's trust policy.
    pub fn document(&self, site: &Site) -> Json {
        let statements: Vec<Json> = [("Jobs", "StringEquals", &self.jobs), ("Tags", "StringLike", &self.tags)]
            .into_iter()
            .filter(|(_, _, endings)| !endings.is_empty())
            .map(|(sid, operator, endings)| self.statement(site, sid, operator, endings))
            .collect();
        policy::document(&statements)
    }

    fn statement(&self, site: &Site, sid: &str, operator: &str, endings: &[String]) -> Json {
        let provider = self.provider();
        let subjects: Vec<String> = self
            .repositories
            .iter()
            .flat_map(|repository| endings.iter().map(move |ending| format!("{repository}:{ending}")))
            .collect();
        let subjects = match subjects.as_slice() {
            [only] => json!(only),
            _ => json!(subjects),
        };
        let mut equal = Map::new();
        equal.insert(format!("{provider}:aud"), json!(Self::audience(site)));
        if let Some(workflow) = &self.workflow {
            equal.insert(format!("{provider}:job_workflow_ref"), json!(workflow));
        }
        let subject = format!("{provider}:sub");
        let condition = if operator == "StringEquals" {
            equal.insert(subject, subjects);
            json!({ "StringEquals": equal })
        } else {
            json!({ "StringEquals": equal, operator: { subject: subjects } })
        };
        json!({
            "Sid": sid,
            "Effect": "Allow",
            "Principal": {
                "Federated": format!("arn:{}:iam::{}:oidc-provider/{provider}", site.partition(), site.account)
            },
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": condition
        })
    }
}

fn is_made_of(word: &str, others: &str) -> bool {
    !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || others.contains(c))
}

/// Returns the beginning of `sub` for a repository.
fn github_repository(repository: &str) -> Result<String, String> {
    let parts = repository.split_once('/').and_then(|(owner, name)| Some((with_id(owner)?, with_id(name)?)));
    match parts {
        Some(((owner, owner_id), (name, name_id)))
            if is_made_of(owner, "-_") && is_made_of(name, "-_.") && owner_id.is_some() == name_id.is_some() =>
        {
            Ok(format!("repo:{repository}"))
        }
        _ => Err(format!("a repository on GitHub is `ORG/REPO` or `ORG@ID/REPO@ID`, not `{repository}`")),
    }
}

/// Splits a name from the number after its `@`; `None` when what follows is not a number.
fn with_id(part: &str) -> Option<(&str, Option<&str>)> {
    let Some((name, id)) = part.split_once('@') else { return Some((part, None)) };
    let is_number = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then_some((name, Some(id)))
}

/// Returns the beginning of `sub` for a project.
fn gitlab_project(project: &str) -> Result<String, String> {
    let parts: Vec<&str> = project.split('/').collect();
    if parts.len() < 2 || !parts.iter().all(|part| is_made_of(part, "-_.")) {
        return Err(format!("a project on GitLab is `GROUP/PROJECT`, not `{project}`"));
    }
    Ok(format!("project_path:{project}"))
}

/// Checks what git allows in a name of a branch or tag. Source: `git check-ref-format`.
fn check_ref(kind: &str, example: &str, name: &str, forbidden: &str) -> Result<(), String> {
    let is_bad = |c: char| c.is_whitespace() || c.is_control() || forbidden.contains(c);
    if name.is_empty() || name.contains(is_bad) || name.starts_with("refs/") {
        return Err(format!("`{name}` is not the name of a {kind}, for example `{example}`"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(region: &str) -> Site {
        Site { account: "123456789012".to_owned(), region: region.to_owned(), plain_http: false }
    }

    fn github(repository: &str) -> CiTrust {
        CiTrust::github(&[repository.to_owned()]).unwrap()
    }

    fn subjects(trust: &CiTrust) -> Json {
        trust.document(&site("ap-south-1"))["Statement"][0]["Condition"]["StringEquals"]
            [format!("{}:sub", trust.provider())]
        .clone()
    }

    #[test]
    fn only_named_jobs_may_assume_the_role() {
        let trust = github("acme/fraud.model");
        assert!(!trust.names_any());
        let trust = trust.branch("release/1.x").unwrap().environment("prod: eu").unwrap().tag("v*").unwrap();
        assert!(trust.names_any());
        insta::assert_snapshot!(serde_json::to_string_pretty(&trust.document(&site("ap-south-1"))).unwrap(), @r#"
        {
          "Statement": [
            {
              "Action": "sts:AssumeRoleWithWebIdentity",
              "Condition": {
                "StringEquals": {
                  "token.actions.githubusercontent.com:aud": "sts.amazonaws.com",
                  "token.actions.githubusercontent.com:sub": [
                    "repo:acme/fraud.model:ref:refs/heads/release/1.x",
                    "repo:acme/fraud.model:environment:prod%3A eu"
                  ]
                }
              },
              "Effect": "Allow",
              "Principal": {
                "Federated": "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"
              },
              "Sid": "Jobs"
            },
            {
              "Action": "sts:AssumeRoleWithWebIdentity",
              "Condition": {
                "StringEquals": {
                  "token.actions.githubusercontent.com:aud": "sts.amazonaws.com"
                },
                "StringLike": {
                  "token.actions.githubusercontent.com:sub": "repo:acme/fraud.model:ref:refs/tags/v*"
                }
              },
              "Effect": "Allow",
              "Principal": {
                "Federated": "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"
              },
              "Sid": "Tags"
            }
          ],
          "Version": "2012-10-17"
        }
        "#);
        assert_eq!(subjects(&github("acme/fraud").pull_requests().unwrap()), "repo:acme/fraud:pull_request");
        assert_eq!(subjects(&github("acme/fraud").tag("v1").unwrap()), "repo:acme/fraud:ref:refs/tags/v1");
    }

    #[test]
    fn repositories_with_ids_have_them_in_the_subject() {
        let trust = github("acme@12/fraud@345").branch("main").unwrap();
        assert_eq!(subjects(&trust), "repo:acme@12/fraud@345:ref:refs/heads/main");
        let both = CiTrust::github(&["acme/fraud".to_owned(), "acme@12/fraud@345".to_owned()]).unwrap();
        let expected = json!(["repo:acme/fraud:pull_request", "repo:acme@12/fraud@345:pull_request"]);
        assert_eq!(subjects(&both.pull_requests().unwrap()), expected);
    }

    #[test]
    fn a_reusable_workflow_is_a_condition_of_every_statement() {
        let workflow = "acme/ci/.github/workflows/deploy.yml@refs/heads/main";
        let trust = github("acme/fraud").branch("main").unwrap().tag("v*").unwrap().workflow(workflow).unwrap();
        let document = trust.document(&site("ap-south-1"));
        for statement in document["Statement"].as_array().unwrap() {
            assert_eq!(statement["Condition"]["StringEquals"][format!("{GITHUB}:job_workflow_ref")], workflow);
        }
        for wrong in ["acme/ci/deploy.yml@refs/heads/main", "acme/ci/.github/workflows/deploy.yml", "x@main", "*"] {
            assert!(github("acme/fraud").workflow(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn gitlab_names_project_and_ref() {
        let projects = ["acme/ml/fraud".to_owned()];
        let trust = CiTrust::gitlab("gitlab.com", &projects).unwrap();
        assert_eq!(trust.provider_url(), "https://gitlab.com");
        assert!(trust.clone().environment("production").is_err() && trust.clone().pull_requests().is_err());
        let trust = trust.branch("main").unwrap().tag("v1").unwrap();
        let expected = json!([
            "project_path:acme/ml/fraud:ref_type:branch:ref:main",
            "project_path:acme/ml/fraud:ref_type:tag:ref:v1"
        ]);
        assert_eq!(subjects(&trust), expected);
        for wrong in ["fraud", "acme/", "acme/*"] {
            assert!(CiTrust::gitlab("gitlab.com", &[wrong.to_owned()]).is_err(), "{wrong}");
        }
        assert!(CiTrust::gitlab("https://gitlab.com", &projects).is_err());
    }

    #[test]
    fn china_has_its_own_audience_and_partition() {
        let document = github("acme/fraud").branch("main").unwrap().document(&site("cn-north-1"));
        let statement = &document["Statement"][0];
        assert_eq!(statement["Condition"]["StringEquals"][format!("{GITHUB}:aud")], "sts.amazonaws.com.cn");
        assert!(statement["Principal"]["Federated"].as_str().unwrap().starts_with("arn:aws-cn:iam::"));
    }

    #[test]
    fn names_that_cannot_be_are_refused() {
        for wrong in [
            "acme",
            "acme/",
            "/fraud",
            "acme/*",
            "acme/fraud/x",
            "ac me/fraud",
            "acme@1/fraud",
            "acme/fraud@1",
            "acme@x/fraud@1",
            "acme@/fraud@",
        ] {
            assert!(CiTrust::github(&[wrong.to_owned()]).is_err(), "{wrong}");
        }
        for wrong in ["", "*", "refs/heads/main", "a b", "feature:1"] {
            assert!(github("acme/fraud").branch(wrong).is_err(), "{wrong}");
        }
        for wrong in ["", "refs/tags/v1", "v 1", "v?"] {
            assert!(github("acme/fraud").tag(wrong).is_err(), "{wrong}");
        }
        assert!(github("acme/fraud").environment(" ").is_err());
    }
}
