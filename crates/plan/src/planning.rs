//! All resources, in dependency order, against the world.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::diff::{self, FieldChange};
use crate::facts::{Facts, Rule};
use crate::graph::{self, PlanError};
use crate::id::{OutputRef, ResourceId};
use crate::world::{Observation, World};

/// Whether a thing is compared or tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nature {
    /// Has a state that is observed and compared.
    Resource,
    /// Has no state, so it runs at every apply, after everything it mentions.
    Check,
}

/// What should be, of one resource.
#[derive(Clone, Debug, PartialEq)]
pub struct Desired {
    /// Which.
    pub id: ResourceId,
    /// For example `iam-role`.
    pub kind: &'static str,
    /// Its name in the cloud.
    pub name: String,
    /// What should be true of it.
    pub facts: Facts,
    /// What must exist before, beyond the outputs that `facts` mention.
    pub after: Vec<ResourceId>,
    /// Whether it is compared or tried.
    pub nature: Nature,
    /// Survives a plan with the goal *absent*.
    pub keep: bool,
    /// Nothing asks for it any more: what there is of ours goes, once everything else is proved.
    pub unwanted: bool,
    /// What whoever deploys it should know, whether or not anything changes.
    pub warnings: Vec<String>,
}

/// Where a plan leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Goal {
    /// Everything desired exists.
    Present,
    /// Nothing of ours exists.
    Absent,
}

/// What is done to a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Nothing.
    Keep,
    /// It is made.
    Create,
    /// It is changed in place.
    Update,
    /// It is deleted, then made.
    Replace,
    /// It is deleted.
    Delete,
    /// It is tried.
    Check,
    /// It is somebody else's; the plan cannot be applied.
    Blocked,
}

/// What is done to one resource, and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// Which; a stray bears the id of what it is an older version of.
    pub id: ResourceId,
    /// For example `iam-role`.
    pub kind: String,
    /// Its name in the cloud.
    pub name: String,
    /// What is done.
    pub action: Action,
    /// What differs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldChange>,
    /// The reason, where the fields do not tell it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Whether it is an older version or a duplicate that nothing desires.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stray: bool,
    /// Positions in the plan of the changes that must be done before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<usize>,
}

/// What apply does, and nothing else.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Where it leads.
    pub goal: Goal,
    /// In an order in which they could be done one by one.
    pub changes: Vec<Change>,
    /// What whoever applies it should know.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Warning>,
}

/// What whoever applies a plan should know of one resource, whether or not it changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warning {
    /// Of which.
    pub id: ResourceId,
    /// For people.
    pub text: String,
}

impl Plan {
    /// Whether applying would write anything.
    pub fn has_changes(&self) -> bool {
        self.changes
            .iter()
            .any(|change| matches!(change.action, Action::Create | Action::Update | Action::Replace | Action::Delete))
    }

    /// What keeps the plan from being applied.
    pub fn blocked(&self) -> impl Iterator<Item = &Change> {
        self.changes.iter().filter(|change| change.action == Action::Blocked)
    }
}

/// Compares what should be with what is.
pub fn plan(desired: &[Desired], world: &World, goal: Goal) -> Result<Plan, PlanError> {
    let (order, needs) = graph::order(desired)?;
    let mut changes = match goal {
        Goal::Present => present(desired, world, &order, &needs),
        Goal::Absent => vec![],
    };
    let before_all: Vec<usize> = (0..changes.len()).collect();
    delete(desired, world, goal, (&order, &needs), &before_all, &mut changes);
    let warned = desired.iter().filter(|_| goal == Goal::Present);
    let warnings = warned.flat_map(|resource| {
        resource.warnings.iter().map(|text| Warning { id: resource.id.clone(), text: text.clone() })
    });
    Ok(Plan { goal, changes, warnings: warnings.collect() })
}

fn present(desired: &[Desired], world: &World, order: &[usize], needs: &[Vec<usize>]) -> Vec<Change> {
    let mut changes: Vec<Change> = Vec::with_capacity(order.len());
    let mut at = BTreeMap::new();
    for &index in order.iter().filter(|&&index| !desired[index].unwanted) {
        let resource = &desired[index];
        let mut change = compare(resource, world, &|output| {
            let known = changes.iter().find(|change| change.id == output.of)?;
            outputs_survive(known.action).then(|| output_of(world, output)).flatten()
        });
        change.needs = needs[index].iter().filter_map(|need| at.get(need).copied()).collect();
        at.insert(index, changes.len());
        changes.push(change);
    }
    changes
}

/// Adds what goes: users before what they use, strays beside their kind, everything after `before_all`.
///
/// With the goal *present* only strays and what is unwanted go, after the checks: an old version is deleted once the new
/// one is proved.
fn delete(
    desired: &[Desired],
    world: &World,
    goal: Goal,
    (order, needs): (&[usize], &[Vec<usize>]),
    before_all: &[usize],
    changes: &mut Vec<Change>,
) {
    let mut last: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for &index in order.iter().rev() {
        let resource = &desired[index];
        let users = (0..needs.len()).filter(|&user| needs[user].contains(&index));
        let before: Vec<usize> = users.filter_map(|user| last.get(&user)).flatten().copied().collect();
        let goes = goal == Goal::Absent || resource.unwanted;
        let own = goes.then(|| removal(resource, world, goal)).flatten();
        let strays = world.strays.iter().filter(|stray| stray.of == resource.id && !resource.keep);
        let strays = strays.map(|stray| Change {
            name: stray.name.clone(),
            // When everything goes, being old is no reason of its own.
            why: (goal == Goal::Present).then(|| stray.why.clone()),
            stray: true,
            ..Change::new(resource, Action::Delete)
        });
        let mut here = Vec::new();
        for change in own.into_iter().chain(strays) {
            here.push(changes.len());
            let needs = before_all.iter().chain(&before).copied().collect::<BTreeSet<_>>();
            changes.push(Change { needs: needs.into_iter().collect(), ..change });
        }
        // Nothing here: whoever waits for this one waits for what it would have waited for.
        last.insert(index, if here.is_empty() { before } else { here });
    }
}

fn removal(resource: &Desired, world: &World, goal: Goal) -> Option<Change> {
    let (action, why) = match (resource.nature, world.of(&resource.id)) {
        (Nature::Check, _) | (_, Observation::Absent | Observation::Foreign { .. }) => return None,
        _ if resource.keep => (Action::Keep, Some("kept by `teardown: keep`".to_owned())),
        (_, Observation::Present { .. }) => {
            let unwanted = resource.unwanted && goal == Goal::Present;
            (Action::Delete, unwanted.then(|| "the pipeline file asks for it no longer".to_owned()))
        }
        (_, Observation::Broken { why } | Observation::Ownerless { why, .. }) => (Action::Delete, Some(why.clone())),
    };
    Some(Change { why, ..Change::new(resource, action) })
}

fn compare(resource: &Desired, world: &World, resolve: &dyn Fn(&OutputRef) -> Option<Json>) -> Change {
    if resource.nature == Nature::Check {
        let mut fields = diff::from_nothing(&resource.facts, resolve);
        let seen = world.seen.get(&resource.id);
        fields.extend(seen.map(|seen| diff::from_nothing(seen, resolve)).unwrap_or_default());
        return Change { fields, ..Change::new(resource, Action::Check) };
    }
    match world.of(&resource.id) {
        Observation::Absent => {
            Change { fields: diff::from_nothing(&resource.facts, resolve), ..Change::new(resource, Action::Create) }
        }
        Observation::Broken { why } => Change {
            fields: diff::from_nothing(&resource.facts, resolve),
            why: Some(why.clone()),
            ..Change::new(resource, Action::Replace)
        },
        Observation::Foreign { owner } => Change { why: Some(owner.clone()), ..Change::new(resource, Action::Blocked) },
        Observation::Present { facts, .. } => {
            let (fields, rule) = diff::between(&resource.facts, facts, resolve);
            let action = match rule {
                None | Some(Rule::Told { .. }) => Action::Keep,
                Some(Rule::Field) => Action::Update,
                Some(Rule::Fixed) => Action::Replace,
            };
            Change { fields, ..Change::new(resource, action) }
        }
        Observation::Ownerless { why, facts, .. } => {
            let (fields, rule) = diff::between(&resource.facts, facts, resolve);
            let action = if rule == Some(Rule::Fixed) { Action::Replace } else { Action::Update };
            Change { fields, why: Some(format!("adopted: {why}")), ..Change::new(resource, action) }
        }
    }
}

impl Change {
    fn new(resource: &Desired, action: Action) -> Self {
        Self {
            id: resource.id.clone(),
            kind: resource.kind.to_owned(),
            name: resource.name.clone(),
            action,
            fields: vec![],
            why: None,
            stray: false,
            needs: vec![],
        }
    }
}

/// Updates happen in place, so what a resource brought forth stays true.
fn outputs_survive(action: Action) -> bool {
    matches!(action, Action::Keep | Action::Update)
}

fn output_of(world: &World, output: &OutputRef) -> Option<Json> {
    match world.of(&output.of) {
        Observation::Present { outputs, .. } | Observation::Ownerless { outputs, .. } => {
            outputs.get(output.name.as_ref()).cloned()
        }
        _ => None,
    }
}
