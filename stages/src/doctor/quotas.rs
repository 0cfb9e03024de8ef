//! Whether the account may have the machines.

use std::collections::BTreeMap;

use super::Finding;
use crate::cloud_error::{Explain, Meaning};
use crate::{Clients, CloudError, Declared, Item};

const CHECK: &str = "quotas";
/// The one service whose quotas are looked at.
const SERVICE: &str = "sagemaker";

/// How much of a quota a resource uses.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Quota {
    /// As Service Quotas writes it, for example `ml.m5.large for endpoint usage`.
    pub name: String,
    /// What it uses while nothing changes.
    pub uses: u32,
    /// What it uses while it is changed, when the old and the new are there at once.
    pub while_changed: u32,
}

/// Compares what was declared with the account's quotas. What others use of them is not known.
pub async fn quotas(declared: &Declared, clients: &Clients) -> Vec<Finding> {
    let wanted = wanted(declared);
    if wanted.is_empty() {
        return vec![Finding::fine(CHECK, "nothing here is counted in machines")];
    }
    let known = match known(clients, &wanted).await {
        Ok(known) => known,
        Err(error) if error.meaning() == Meaning::Refused => {
            return vec![Finding::unknown(
                CHECK,
                error.message(),
                "`runner policy --doctor` prints a policy with the right to see them",
            )];
        }
        Err(error) => return vec![Finding::unknown(CHECK, error.message(), "look at them in Service Quotas")],
    };
    wanted.iter().map(|quota| finding(quota, known.get(&quota.name).copied())).collect()
}

/// Several resources can use one quota.
pub(super) fn wanted(declared: &Declared) -> Vec<Quota> {
    let mut all: BTreeMap<String, Quota> = BTreeMap::new();
    for item in declared.items() {
        let Item::Resource(resource) = item else { continue };
        for quota in resource.quotas() {
            let known = all.entry(quota.name.clone()).or_insert(Quota { uses: 0, while_changed: 0, ..quota.clone() });
            known.uses += quota.uses;
            known.while_changed += quota.while_changed;
        }
    }
    all.into_values().collect()
}

/// Values by name: a quota's code is AWS's choice, and only its name says what it is about.
async fn known(clients: &Clients, wanted: &[Quota]) -> Result<BTreeMap<String, f64>, CloudError> {
    let mut pages = clients.quotas.list_service_quotas().service_code(SERVICE).into_paginator().send();
    let mut known = BTreeMap::new();
    while let Some(page) = pages.next().await {
        let page = page.about("servicequotas:ListServiceQuotas", "SageMaker's quotas")?;
        for quota in page.quotas() {
            if let (Some(name), Some(value)) = (quota.quota_name(), quota.value())
                && wanted.iter().any(|wanted| wanted.name == name)
            {
                known.insert(name.to_owned(), value);
            }
        }
        if known.len() == wanted.len() {
            break;
        }
    }
    Ok(known)
}

pub(super) fn finding(quota: &Quota, value: Option<f64>) -> Finding {
    let Quota { name, uses, while_changed } = quota;
    let Some(value) = value else {
        return Finding::unknown(CHECK, format!("Service Quotas does not tell `{name}`"), "look at it in the console");
    };
    let ask = format!("ask for more of `{name}` in Service Quotas, which can take a day");
    if value < f64::from(*uses) {
        Finding::failed(CHECK, format!("`{name}` is {value}; needed: {uses}"), ask)
    } else if value < f64::from(*while_changed) {
        let found = format!(
            "`{name}` is {value}; needed: {uses}, and {while_changed} while an update has the old and the new at once"
        );
        Finding::warning(CHECK, found, ask)
    } else {
        Finding::fine(CHECK, format!("`{name}` is {value}; needed: {while_changed} at most"))
    }
}
