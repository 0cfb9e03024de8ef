//! A deployer with a policy of its own in the local cloud, so that a policy can be tried before it meets AWS.

use aws_sdk_sts::types::Credentials;
use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};

use crate::cloud_error::{Explain, or_already_there};
use crate::{Clients, CloudError, Meaning, Names, policy};

/// The local cloud leaves roles below this path out of its account, and has them at once.
const PATH: &str = "/_local/";
const POLICY: &str = "deployer";

/// Credentials of a session.
#[derive(Clone, Debug)]
pub struct SessionKey {
    /// Begins with `ASIA`.
    pub access_key_id: String,
    /// The secret of that key.
    pub secret_access_key: String,
    /// What says that it is a session.
    pub session_token: String,
}

/// A session of a role that has exactly this policy. The role is made when it is not there; its name says what is in
/// the policy, so that a command that still runs under another one keeps it.
pub async fn session(clients: &Clients, names: &Names, policy: &Json) -> Result<SessionKey, CloudError> {
    let text = policy.to_string();
    let name = format!("{}-deployer-{}", names.pipeline, &hex::encode(Sha256::digest(&text))[..12]);
    let arn = format!("arn:{}:iam::{}:role{PATH}{name}", names.site.partition(), names.site.account);
    match assume(clients, &arn).await {
        // STS says of a role that is not there that it may not be assumed.
        Err(error) if error.meaning() == Meaning::Refused => {}
        other => return other,
    }
    let subject = format!("role `{name}`");
    let trust = |effect: &str| {
        let principal = json!({ "AWS": names.site.account });
        policy::document(&[json!({ "Effect": effect, "Principal": principal, "Action": "sts:AssumeRole" })]).to_string()
    };
    // Whoever can assume it finds it whole: it trusts nobody until it has its policy.
    let request = clients.iam.create_role().path(PATH).role_name(&name).assume_role_policy_document(trust("Deny"));
    or_already_there(request.send().await.about("iam:CreateRole", &subject))?;
    let request = clients.iam.put_role_policy().role_name(&name).policy_name(POLICY).policy_document(text);
    request.send().await.about("iam:PutRolePolicy", &subject)?;
    let request = clients.iam.update_assume_role_policy().role_name(&name).policy_document(trust("Allow"));
    request.send().await.about("iam:UpdateAssumeRolePolicy", &subject)?;
    assume(clients, &arn).await
}

async fn assume(clients: &Clients, arn: &str) -> Result<SessionKey, CloudError> {
    let answer = clients.sts.assume_role().role_arn(arn).role_session_name("runner").send().await;
    let answer = answer.about("sts:AssumeRole", format!("role `{arn}`"))?;
    let key = answer.credentials();
    let text = |of: fn(&Credentials) -> &str| key.map(of).unwrap_or_default().to_owned();
    Ok(SessionKey {
        access_key_id: text(Credentials::access_key_id),
        secret_access_key: text(Credentials::secret_access_key),
        session_token: text(Credentials::session_token),
    })
}
