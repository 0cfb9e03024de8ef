//! Who may take the deployer's role: workflows of one GitHub repository, without a stored key.

use serde_json::{Value as Json, json};

use crate::{Site, policy};

/// Host of GitHub's identity provider, which begins the names of its condition keys.
const PROVIDER: &str = "token.actions.githubusercontent.com";
/// What `aws-actions/configure-aws-credentials` asks a token for.
const AUDIENCE: &str = "sts.amazonaws.com";

/// Workflows of a repository on GitHub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Github {
    repository: String,
    /// Endings of the `sub` claim.
    subjects: Vec<String>,
}

impl Github {
    /// Workflows of `ORG/REPO`; as yet none of them.
    pub fn new(repository: &str) -> Result<Self, String> {
        let is_word = |word: &str, others: &str| {
            !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || others.contains(c))
        };
        match repository.split_once('/') {
            Some((owner, name)) if is_word(owner, "-_") && is_word(name, "-_.") => {
                Ok(Self { repository: repository.to_owned(), subjects: vec![] })
            }
            _ => Err(format!("a repository on GitHub is `ORG/REPO`, not `{repository}`")),
        }
    }

    /// Those that run on a branch. A job that names an environment does not count: its token names that instead.
    pub fn branch(mut self, branch: &str) -> Result<Self, String> {
        // What git allows in a name: `git check-ref-format`.
        let bad = |c: char| c.is_whitespace() || c.is_control() || "~^:?*[\\".contains(c);
        if branch.is_empty() || branch.contains(bad) || branch.starts_with("refs/") {
            return Err(format!("`{branch}` is no name of a branch, for example `main`"));
        }
        self.subjects.push(format!("ref:refs/heads/{branch}"));
        Ok(self)
    }

    /// Those whose job names an environment, which GitHub can protect by reviewers.
    pub fn environment(mut self, environment: &str) -> Result<Self, String> {
        if environment.trim().is_empty() || environment.contains(char::is_control) {
            return Err("an environment has a name, for example `production`".to_owned());
        }
        // GitHub escapes the colon, which separates the parts of the claim.
        self.subjects.push(format!("environment:{}", environment.replace(':', "%3A")));
        Ok(self)
    }

    /// Those that pull requests run, for a role that only reads.
    #[must_use]
    pub fn pull_requests(mut self) -> Self {
        self.subjects.push("pull_request".to_owned());
        self
    }

    /// Whether it names any workflow. IAM refuses GitHub's provider without a condition on `sub`.
    pub fn names_any(&self) -> bool {
        !self.subjects.is_empty()
    }

    /// The role's trust policy. Source: IAM, "Create a role for OIDC federation".
    pub fn trust(&self, site: &Site) -> Json {
        let subjects: Vec<String> =
            self.subjects.iter().map(|subject| format!("repo:{}:{subject}", self.repository)).collect();
        let subjects = match subjects.as_slice() {
            [only] => json!(only),
            _ => json!(subjects),
        };
        policy::document(&[json!({
            "Sid": "GitHub",
            "Effect": "Allow",
            "Principal": {
                "Federated": format!("arn:{}:iam::{}:oidc-provider/{PROVIDER}", site.partition(), site.account)
            },
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": { "StringEquals": { (format!("{PROVIDER}:aud")): AUDIENCE, (format!("{PROVIDER}:sub")): subjects } }
        })])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_workflows_that_are_named_may_take_the_role() {
        let site = Site { account: "123456789012".to_owned(), region: "ap-south-1".to_owned(), plain_http: false };
        let github = Github::new("acme/fraud.model").unwrap();
        assert!(!github.names_any());
        let github = github.branch("release/1.x").unwrap().environment("prod: eu").unwrap();
        assert!(github.names_any());
        insta::assert_snapshot!(serde_json::to_string_pretty(&github.trust(&site)).unwrap(), @r#"
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
              "Sid": "GitHub"
            }
          ],
          "Version": "2012-10-17"
        }
        "#);
        let only = Github::new("acme/fraud").unwrap().pull_requests().trust(&site);
        assert_eq!(
            only["Statement"][0]["Condition"]["StringEquals"][format!("{PROVIDER}:sub")],
            "repo:acme/fraud:pull_request"
        );
        for wrong in ["acme", "acme/", "/fraud", "acme/*", "acme/fraud/x", "ac me/fraud"] {
            assert!(Github::new(wrong).is_err(), "{wrong}");
        }
        for wrong in ["", "*", "refs/heads/main", "a b", "feature:1"] {
            assert!(Github::new("acme/fraud").unwrap().branch(wrong).is_err(), "{wrong}");
        }
        assert!(Github::new("acme/fraud").unwrap().environment(" ").is_err());
    }
}
