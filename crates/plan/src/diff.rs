//! One resource against the world. Written once: no resource compares anything itself.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::facts::{Fact, Facts, Rule, Value};
use crate::id::OutputRef;

/// What a fact becomes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum To {
    /// This value.
    Known(Json),
    /// Whatever another resource of the plan brings forth.
    After(OutputRef),
    /// Nothing: it is removed.
    Gone,
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FieldChange {
    /// The fact; for an object-valued fact `<fact>.<key>`.
    pub name: String,
    /// What is true now, if anything. The same as `to` where it says how the other changes are made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Json>,
    /// What it becomes.
    pub to: To,
}

/// What a description looks like when nothing exists yet.
pub(crate) fn from_nothing(desired: &Facts, resolve: &dyn Fn(&OutputRef) -> Option<Json>) -> Vec<FieldChange> {
    let compared = desired.iter().filter(|fact| fact.rule.compares());
    compared.flat_map(|fact| compare(fact, None, resolve)).collect()
}

/// The differences between what should be and what is, and the strictest rule among them.
pub(crate) fn between(
    desired: &Facts,
    actual: &Facts,
    resolve: &dyn Fn(&OutputRef) -> Option<Json>,
) -> (Vec<FieldChange>, Option<Rule>) {
    let mut changes = Vec::new();
    let mut strictest = None;
    for fact in desired.iter().filter(|fact| fact.rule.compares()) {
        let now = actual.get(fact.name).and_then(|fact| match &fact.value {
            Value::Known(value) => Some(value),
            Value::Output { known, .. } => known.as_ref(),
        });
        let found = compare(fact, now, resolve);
        if !found.is_empty() && strictest != Some(Rule::Fixed) {
            strictest = Some(fact.rule);
        }
        changes.extend(found);
    }
    changes.extend(told(desired, &changes));
    (changes, strictest)
}

/// How some of the changes are made.
fn told(desired: &Facts, changes: &[FieldChange]) -> Vec<FieldChange> {
    let facts = desired.iter().filter_map(|fact| match (fact.rule, &fact.value) {
        (Rule::Told { of }, Value::Known(value)) => Some((of, fact.name, value)),
        _ => None,
    });
    let facts = facts.filter(|(of, ..)| changes.iter().any(|change| change.name == *of));
    facts.map(|(_, name, value)| change(name, Some(value.clone()), To::Known(value.clone()))).collect()
}

fn compare(fact: &Fact, now: Option<&Json>, resolve: &dyn Fn(&OutputRef) -> Option<Json>) -> Vec<FieldChange> {
    let wanted = match &fact.value {
        Value::Known(value) => value.clone(),
        Value::Output { output, known } => match known.clone().or_else(|| resolve(output)) {
            Some(value) => value,
            None => return vec![change(fact.name, now.cloned(), To::After(output.clone()))],
        },
    };
    match (&wanted, now) {
        (wanted, Some(now)) if wanted == now => vec![],
        (Json::Object(wanted), now @ (None | Some(Json::Object(_)))) => {
            let empty = serde_json::Map::new();
            let now = now.and_then(Json::as_object).unwrap_or(&empty);
            let added = wanted.iter().filter(|(key, value)| now.get(*key) != Some(*value)).map(|(key, value)| {
                change(&format!("{}.{key}", fact.name), now.get(key).cloned(), To::Known(value.clone()))
            });
            let gone = now
                .iter()
                .filter(|(key, _)| !wanted.contains_key(*key))
                .map(|(key, value)| change(&format!("{}.{key}", fact.name), Some(value.clone()), To::Gone));
            added.chain(gone).collect()
        }
        (_, now) => vec![change(fact.name, now.cloned(), To::Known(wanted))],
    }
}

fn change(name: &str, from: Option<Json>, to: To) -> FieldChange {
    FieldChange { name: name.to_owned(), from, to }
}
