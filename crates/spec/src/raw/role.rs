//! `create-role`, key by key: statements in IAM's own words.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use crate::forms::TextOrList;

/// What the endpoint and the function may do. Default: what they need.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(rename = "CreateRole")]
pub(crate) struct RawCreateRole {
    /// The role that SageMaker assumes.
    pub(crate) sagemaker: Option<RawRole>,
    /// The role that Lambda assumes.
    pub(crate) proxy: Option<RawRole>,
}

/// The policy of one role.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(rename = "Role")]
pub(crate) struct RawRole {
    /// Statements instead of the default ones, in IAM's own words. Placeholders: {partition}, {region}, {account},
    /// {bucket}, {name}, {endpoint}, {function}.
    pub(crate) policy: Option<Vec<RawStatement>>,
    /// Statements beside the others.
    pub(crate) also: Option<Vec<RawStatement>>,
}

/// A statement of a policy, as IAM writes it.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
#[schemars(rename = "Statement")]
pub(crate) struct RawStatement {
    /// Letters and digits; no other statement of the policy has it.
    #[schemars(regex(pattern = r"^[A-Za-z0-9]*$"))]
    pub(crate) sid: Option<String>,
    /// Allow or Deny.
    #[schemars(extend("enum" = ["Allow", "Deny"]))]
    pub(crate) effect: String,
    /// For example s3:GetObject; one, or a list.
    pub(crate) action: Option<TextOrList>,
    /// All actions but these.
    pub(crate) not_action: Option<TextOrList>,
    /// ARNs with placeholders and wildcards, or "*"; one, or a list.
    pub(crate) resource: Option<TextOrList>,
    /// All resources but these.
    pub(crate) not_resource: Option<TextOrList>,
    /// Operator, key, value: StringEquals: { iam:PassedToService: … }.
    pub(crate) condition: Option<BTreeMap<String, BTreeMap<String, Value>>>,
}
