//! What a call needs to be allowed. Every service names it in one function; the server asks IAM before the call is done.

use crate::service::iam::{Keys, Tags};

/// One thing that a caller must be allowed.
#[derive(Clone, Debug)]
pub struct Permission {
    /// For example `sagemaker:CreateModel`.
    pub action: String,
    /// An older action that does as well.
    pub or: Option<&'static str>,
    /// ARN, or `*` for what is about no resource.
    pub resource: String,
    /// What a denial calls it, where that is not the ARN.
    pub called: Option<String>,
    /// Condition keys of the request.
    pub keys: Keys,
    /// The resource's own policy, where it has one: a bucket's.
    pub policy: Option<String>,
}

impl Permission {
    /// An action on an ARN, or on `*`.
    pub fn new(action: impl Into<String>, resource: impl Into<String>) -> Self {
        let (action, resource) = (action.into(), resource.into());
        Self { action, or: None, resource, called: None, keys: Keys::default(), policy: None }
    }

    /// Adds a condition key.
    #[must_use]
    pub fn with(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.keys.put(key, value);
        self
    }

    /// Says that the request has no such condition key.
    #[must_use]
    pub fn without(mut self, key: impl Into<String>) -> Self {
        self.keys.put_absent(key);
        self
    }

    /// Says which tags the request puts; none when it puts none.
    #[must_use]
    pub fn putting(mut self, tags: Tags) -> Self {
        self.keys.put_request_tags(tags);
        self
    }

    /// Says which tags the resource bears. Without it a condition on them is never met.
    #[must_use]
    pub fn bearing(mut self, tags: Tags) -> Self {
        self.keys.put_resource_tags(tags);
        self
    }

    /// Says which policy the resource has; none when it has none.
    #[must_use]
    pub fn under(mut self, policy: Option<String>) -> Self {
        self.policy = policy;
        self
    }

    /// Names an older action that does as well.
    #[must_use]
    pub fn or(mut self, action: &'static str) -> Self {
        self.or = Some(action);
        self
    }

    /// The right to hand a role to a service.
    pub fn pass_role(role_arn: &str, service: &str) -> Self {
        Self::new("iam:PassRole", role_arn).with("iam:PassedToService", service)
    }
}
