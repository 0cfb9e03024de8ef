//! Service Quotas: how much of what an account may have. Only those of `SageMaker`'s instances are known.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::Cloud;
use crate::call::{self, Call, Refusal, Reply};
use crate::cloud::Config;
use crate::permission::Permission;
use crate::service::sagemaker;
use crate::state::{Persisted, StateError};

/// The one service whose quotas are known.
const SERVICE: &str = "sagemaker";
/// What a quota is that nobody set. On AWS that differs from account to account, and is often 0; here nobody is held up.
const DEFAULT: u64 = 200;
/// Quotas on a page. Source: botocore, `MaxResults`.
const PAGE: usize = 100;

/// The service's state.
#[derive(Debug)]
pub struct Quotas {
    /// `arn:<partition>:servicequotas:<region>:<account>:`.
    arn: String,
    set: Persisted<BTreeMap<String, u64>>,
}

impl Quotas {
    /// Reads the state.
    pub fn open(config: &Config) -> Result<Self, StateError> {
        Ok(Self { arn: config.arn("servicequotas", ""), set: Persisted::open(&config.state_dir, "quotas")? })
    }

    /// A quota by its name, for example `ml.m5.large for endpoint usage`.
    pub fn of(&self, name: &str) -> u64 {
        self.set.read(|set| set.get(name).copied()).unwrap_or(DEFAULT)
    }

    /// Those that were set, by name.
    pub fn set(&self) -> BTreeMap<String, u64> {
        self.set.read(Clone::clone)
    }

    /// Sets quotas by name; the others keep what they have. One that does not exist is refused.
    pub fn put(&self, quotas: BTreeMap<String, u64>) -> Result<(), Refusal> {
        if let Some(unknown) = quotas.keys().find(|name| !names().any(|known| known == **name)) {
            return Err(Refusal::new(400, "IllegalArgument", format!("there is no quota `{unknown}`")));
        }
        self.set.write(|set| {
            set.extend(quotas);
            Ok(())
        })
    }

    fn shown(&self, name: &str) -> Value {
        let code = code(name);
        json!({
            "ServiceCode": SERVICE,
            "ServiceName": "Amazon SageMaker",
            "QuotaArn": format!("{}{SERVICE}/{code}", self.arn),
            "QuotaCode": code,
            "QuotaName": name,
            "Value": self.of(name) as f64,
            "Unit": "None",
            "Adjustable": true,
            "GlobalQuota": false,
            "QuotaAppliedAtLevel": "ACCOUNT",
        })
    }
}

/// What a call needs to be allowed. Source: "Actions, resources, and condition keys for Service Quotas".
pub fn needs(call: &Call) -> Vec<Permission> {
    vec![Permission::new(format!("servicequotas:{}", call.operation), "*")]
}

/// Answers one call in JSON 1.1.
#[expect(clippy::unused_async, reason = "every service is called alike")]
pub async fn handle(cloud: &Cloud, call: &Call) -> Reply {
    let answer = match call.operation.as_str() {
        "ListServiceQuotas" => list(&cloud.quotas, &request(call)?),
        "GetServiceQuota" => get(&cloud.quotas, &request(call)?),
        other => Err(Refusal::no_operation("Service Quotas", other)),
    };
    answer.map(|answer| call::json(&answer))
}

/// A request about the service that has quotas here.
fn request(call: &Call) -> Result<Value, Refusal> {
    let malformed = |error: serde_json::Error| Refusal::new(400, "SerializationException", error.to_string());
    let body: Value = serde_json::from_slice(&call.body).map_err(malformed)?;
    let service = body["ServiceCode"].as_str().ok_or_else(|| missing("serviceCode"))?;
    if service == SERVICE { Ok(body) } else { Err(Refusal::not_offered(format!("quotas of the service `{service}`"))) }
}

fn get(quotas: &Quotas, body: &Value) -> Result<Value, Refusal> {
    let wanted = body["QuotaCode"].as_str().ok_or_else(|| missing("quotaCode"))?;
    let name = names().find(|name| code(name) == wanted).ok_or_else(absent)?;
    Ok(json!({ "Quota": quotas.shown(&name) }))
}

fn list(quotas: &Quotas, body: &Value) -> Result<Value, Refusal> {
    let wanted = body["QuotaCode"].as_str();
    let all: Vec<String> = names().filter(|name| wanted.is_none_or(|wanted| code(name) == wanted)).collect();
    let size = match body["MaxResults"].as_u64() {
        None => PAGE,
        Some(size @ 1..=100) => usize::try_from(size).unwrap_or(PAGE),
        Some(size) => {
            let text =
                format!("1 validation error detected: Value '{size}' at 'maxResults' failed to satisfy constraint");
            return Err(Refusal::new(400, "IllegalArgumentException", text));
        }
    };
    let invalid = || Refusal::new(400, "InvalidPaginationTokenException", "The pagination token is invalid.");
    let start = match body["NextToken"].as_str() {
        None => 0,
        Some(token) => token.parse::<usize>().ok().filter(|start| *start <= all.len()).ok_or_else(invalid)?,
    };
    let page: Vec<Value> = all.iter().skip(start).take(size).map(|name| quotas.shown(name)).collect();
    let mut answer = json!({ "Quotas": page });
    if start + size < all.len() {
        answer["NextToken"] = (start + size).to_string().into();
    }
    Ok(answer)
}

fn names() -> impl Iterator<Item = String> {
    let hosting = sagemaker::hosting_types().map(|kind| sagemaker::endpoint_quota(&kind));
    hosting.chain(sagemaker::training_types().map(|kind| sagemaker::training_quota(&kind)))
}

/// Codes look like `L-` and eight capitals or digits; which quota has which is AWS's choice.
fn code(name: &str) -> String {
    format!("L-{}", hex::encode_upper(&Sha256::digest(name)[..4]))
}

fn missing(member: &str) -> Refusal {
    let text = format!(
        "1 validation error detected: Value null at '{member}' failed to satisfy constraint: Member must not be null"
    );
    Refusal::new(400, "ValidationException", text)
}

fn absent() -> Refusal {
    Refusal::new(400, "NoSuchResourceException", "The request failed because the specified service does not exist.")
}
