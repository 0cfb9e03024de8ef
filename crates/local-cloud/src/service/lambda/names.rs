//! The ways to name a function.

use crate::call::Refusal;
use crate::cloud::Config;

use super::refuse;

/// Longest bare function name.
const MAX_NAME: usize = 64;

/// Where the functions live, which is what their ARNs are made of.
#[derive(Debug)]
pub(super) struct Names {
    /// For example `us-east-1`.
    pub(super) region: String,
    /// Twelve digits.
    pub(super) account: String,
    partition: &'static str,
}

impl Names {
    pub(super) fn new(config: &Config) -> Self {
        Self { region: config.region.clone(), account: config.account.clone(), partition: config.partition() }
    }

    /// A function's ARN.
    pub(super) fn arn(&self, name: &str) -> String {
        format!("arn:{}:lambda:{}:{}:function:{name}", self.partition, self.region, self.account)
    }

    /// The bare name behind a name, a partial ARN (`account:function:name`) or an ARN, each with or without a
    /// qualifier. Only `$LATEST` exists here.
    pub(super) fn resolve(&self, given: &str, qualifier: Option<&str>) -> Result<String, Refusal> {
        let parts: Vec<&str> = given.split(':').collect();
        let (account, name, inline) = match parts.as_slice() {
            ["arn", _, "lambda", region, account, "function", rest @ ..] => {
                if *region != self.region {
                    return Err(Refusal::new(
                        404,
                        "ResourceNotFoundException",
                        format!("Functions from '{region}' are not reachable in this region ('{}')", self.region),
                    ));
                }
                let (name, inline) = name_and_qualifier(rest).ok_or_else(|| malformed(given))?;
                (*account, name, inline)
            }
            [account, "function", rest @ ..] => {
                let (name, inline) = name_and_qualifier(rest).ok_or_else(|| malformed(given))?;
                (*account, name, inline)
            }
            rest => {
                let (name, inline) = name_and_qualifier(rest).ok_or_else(|| malformed(given))?;
                (self.account.as_str(), name, inline)
            }
        };
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_') {
            return Err(malformed(given));
        }
        if name.len() > MAX_NAME {
            return Err(refuse::invalid(refuse::constraint(
                name,
                "functionName",
                &format!("Member must have length less than or equal to {MAX_NAME}"),
            )));
        }
        if account != self.account {
            return Err(refuse::no_function(given));
        }
        match inline.or(qualifier) {
            None | Some("$LATEST") => Ok(name.to_owned()),
            Some(other) => Err(refuse::no_function(&format!("{}:{other}", self.arn(name)))),
        }
    }
}

/// Splits what follows `function:`.
fn name_and_qualifier<'a>(rest: &[&'a str]) -> Option<(&'a str, Option<&'a str>)> {
    match rest {
        [name] => Some((name, None)),
        [name, qualifier] => Some((name, Some(qualifier))),
        _ => None,
    }
}

fn malformed(given: &str) -> Refusal {
    refuse::validation(&[refuse::violation(
        given,
        "functionName",
        "Member must satisfy regular expression pattern: (arn:(aws[a-zA-Z-]*)?:lambda:)?([a-z]{2}(-gov)?-[a-z]+-\\d{1}:)?\
         (\\d{12}:)?(function:)?([a-zA-Z0-9-_]+)(:(\\$LATEST|[a-zA-Z0-9-_]+))?",
    )])
}
