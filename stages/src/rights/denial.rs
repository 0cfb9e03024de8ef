//! What AWS says when a caller may not do something.

/// `User: … is not authorized to perform: … on resource: … because …`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    /// ARN of who asked.
    pub caller: String,
    /// For example `s3:CreateBucket`.
    pub action: String,
    /// An ARN; `*` where AWS names none.
    pub resource: String,
    /// Whether something takes the right away, so that a policy of the caller's own cannot give it: an explicit deny,
    /// or a limit that the organisation, a boundary or the session sets.
    pub taken_away: bool,
}

/// What a denial says when more than the caller's own policies is in the way. Source: IAM, "Troubleshoot access
/// denied error messages".
const TAKEN_AWAY: [&str; 5] = [
    "explicit deny",
    "no service control policy",
    "no resource control policy",
    "no permissions boundary",
    "no session policy",
];

impl Denial {
    /// The first denial in a text.
    pub fn find(text: &str) -> Option<Self> {
        let (_, rest) = text.split_once("User: ")?;
        let (caller, rest) = rest.split_once(" is not authorized to perform: ")?;
        if !caller.starts_with("arn:") || caller.contains(char::is_whitespace) {
            return None;
        }
        let (action, rest) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        // S3 puts the ARN in quotes, and some services put a full stop behind it.
        let resource = match rest.trim_start().strip_prefix("on resource: ") {
            None => "*".to_owned(),
            Some(rest) => {
                let mut words = rest.split_whitespace().map(|word| word.trim_matches('"').trim_end_matches('.'));
                match (words.next(), words.next()) {
                    // A role that is not there has no ARN.
                    (Some("role"), Some(name)) => {
                        format!("arn:{}:iam::{}:role/{name}", part(caller, 1), part(caller, 4))
                    }
                    (first, _) => first.unwrap_or("*").to_owned(),
                }
            }
        };
        let reason = rest.lines().next().unwrap_or_default();
        Some(Self {
            caller: caller.to_owned(),
            action: action.trim_end_matches('.').to_owned(),
            resource,
            taken_away: TAKEN_AWAY.iter().any(|words| reason.contains(words)),
        })
    }

    /// The account that the caller belongs to.
    pub fn account(&self) -> &str {
        part(&self.caller, 4)
    }

    /// Name of the role that the caller acts as; none for a user.
    pub fn role(&self) -> Option<&str> {
        self.caller.split_once(":assumed-role/")?.1.split('/').next()
    }
}

fn part(arn: &str, index: usize) -> &str {
    arn.split(':').nth(index).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn denials_are_found_however_a_service_words_them() {
        let found = |text: &str| {
            let denial = Denial::find(text)?;
            let taken = if denial.taken_away { "taken away" } else { "not given" };
            Some(format!("{} {} {} {taken}", denial.role().unwrap_or("-"), denial.action, denial.resource))
        };
        for (text, told) in [
            (
                "User: arn:aws:sts::123456789012:assumed-role/ci/run is not authorized to perform: lambda:GetFunction \
                 on resource: arn:aws:lambda:us-east-1:123456789012:function:fraud-proxy because no identity-based \
                 policy allows the lambda:GetFunction action",
                "ci lambda:GetFunction arn:aws:lambda:us-east-1:123456789012:function:fraud-proxy not given",
            ),
            (
                "because: AccessDenied: User: arn:aws:iam::123456789012:user/ann is not authorized to perform: \
                 s3:CreateBucket on resource: \"arn:aws:s3:::fraud\" with an explicit deny in a service control policy",
                "- s3:CreateBucket arn:aws:s3:::fraud taken away",
            ),
            (
                "User: arn:aws:sts::123456789012:assumed-role/ci/run is not authorized to perform: sagemaker:ListModels \
                 because no permissions boundary allows the sagemaker:ListModels action",
                "ci sagemaker:ListModels * taken away",
            ),
            (
                "User: arn:aws:iam::123456789012:user/ann is not authorized to perform: iam:GetRole on resource: role \
                 fraud-proxy because no identity-based policy allows the iam:GetRole action",
                "- iam:GetRole arn:aws:iam::123456789012:role/fraud-proxy not given",
            ),
            (
                "User: arn:aws:iam::123456789012:user/ann is not authorized to perform: iam:GetRole.",
                "- iam:GetRole * not given",
            ),
        ] {
            assert_eq!(found(text).as_deref(), Some(told));
        }
        assert_eq!(Denial::find("User: arn:aws:iam::123456789012:user/ann is unknown"), None);
        assert_eq!(Denial::find("the function may not call the model's endpoint"), None);
    }
}
