//! The stages of a pipeline: what each one owns, and how that is read and written.
//!
//! The only crate that names a deployment SDK. A stage is a pure function from the spec to resources; a resource
//! describes what should be and what is, in the same words, and never compares them: `plan` does.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod cache;
pub mod clients;
pub mod cloud_error;
pub mod create_endpoint;
pub mod create_role;
pub mod deploy_proxy;
pub mod deployer;
pub mod doctor;
mod elf;
#[cfg(test)]
mod fixture;
mod http;
pub mod inputs;
mod log_group;
pub mod names;
mod objects;
pub mod package;
mod policy;
pub mod resource;
pub mod rights;
mod signature;
pub mod smoke_test;
mod tags;
pub mod teardown;
#[cfg(test)]
mod tests;
pub mod train;
pub mod upload;

use std::collections::BTreeSet;
use std::sync::Arc;

pub use cache::Cache;
pub use clients::Clients;
pub use cloud_error::{CloudError, Meaning};
pub use create_role::Explained;
pub use inputs::Inputs;
pub use names::{Names, Site};
pub use resource::{Check, CheckError, Ctx, Evidence, Limits, Resource, StageError};
pub use rights::{Deployer, Right};

/// A named step of the pipeline: a pure function from what is wanted to resources.
#[derive(Clone, Copy, Debug)]
pub struct Stage {
    /// As in `pipeline.yaml`.
    pub name: &'static str,
    /// One line for people.
    pub summary: &'static str,
    /// Adds the stage's resources.
    pub declare: fn(&Wanted<'_>, &mut Declared),
}

/// All stages, in reading order.
pub const ALL: &[Stage] = &[
    train::STAGE,
    package::STAGE,
    upload::STAGE,
    create_role::STAGE,
    create_endpoint::STAGE,
    deploy_proxy::STAGE,
    smoke_test::STAGE,
    teardown::STAGE,
];

/// What stages declare from.
#[derive(Clone, Debug)]
pub struct Wanted<'a> {
    /// The pipeline file.
    pub spec: &'a spec::Spec,
    /// What the pipeline file points at, identified by content.
    pub inputs: &'a Arc<Inputs>,
    /// Every name in the cloud.
    pub names: &'a Names,
}

/// One thing that a stage declared.
#[derive(Clone)]
pub enum Item {
    /// Has a state.
    Resource(Arc<dyn Resource>),
    /// Is tried at every apply.
    Check(Arc<dyn Check>),
}

/// Everything that the stages declared.
#[derive(Clone, Default)]
pub struct Declared {
    items: Vec<Item>,
    kept: Vec<plan::ResourceId>,
    unwanted: Vec<plan::ResourceId>,
}

impl Declared {
    /// What every stage declares for this spec, at this place.
    pub fn of(wanted: &Wanted<'_>) -> Self {
        let mut declared = Self::default();
        for stage in ALL {
            (stage.declare)(wanted, &mut declared);
        }
        declared
    }

    /// Adds a resource.
    pub fn resource(&mut self, resource: impl Resource + 'static) {
        self.items.push(Item::Resource(Arc::new(resource)));
    }

    /// Adds a resource that another version of the pipeline file would ask for, and this one does not: what there is of
    /// ours goes.
    pub fn unwanted(&mut self, resource: impl Resource + 'static) {
        self.unwanted.push(resource.id());
        self.resource(resource);
    }

    /// Whether the pipeline file asks for what is declared under that id.
    pub fn is_wanted(&self, id: &plan::ResourceId) -> bool {
        !self.unwanted.contains(id)
    }

    /// Adds a check.
    pub fn check(&mut self, check: impl Check + 'static) {
        self.items.push(Item::Check(Arc::new(check)));
    }

    /// Makes a resource survive a teardown.
    pub fn keep(&mut self, id: plan::ResourceId) {
        self.kept.push(id);
    }

    /// Whether a teardown leaves it.
    pub fn keeps(&self, id: &plan::ResourceId) -> bool {
        self.kept.contains(id)
    }

    /// Everything, in declaration order.
    pub fn items(&self) -> &[Item] {
        &self.items
    }

    /// The item of that id.
    pub fn get(&self, id: &plan::ResourceId) -> Option<&Item> {
        self.items.iter().find(|item| match item {
            Item::Resource(resource) => resource.id() == *id,
            Item::Check(check) => check.id() == *id,
        })
    }

    /// The same in the planner's words.
    pub fn desired(&self) -> Vec<plan::Desired> {
        let mut all: Vec<plan::Desired> = self
            .items
            .iter()
            .map(|item| match item {
                Item::Resource(resource) => plan::Desired {
                    id: resource.id(),
                    kind: resource.kind(),
                    name: resource.name().to_owned(),
                    facts: resource.desired(),
                    after: resource.after(),
                    nature: plan::Nature::Resource,
                    keep: self.kept.contains(&resource.id()),
                    unwanted: self.unwanted.contains(&resource.id()),
                    warnings: resource.warnings(),
                },
                Item::Check(check) => plan::Desired {
                    id: check.id(),
                    kind: check.kind(),
                    name: check.name().to_owned(),
                    facts: check.desired(),
                    after: check.after(),
                    nature: plan::Nature::Check,
                    keep: false,
                    unwanted: false,
                    warnings: vec![],
                },
            })
            .collect();
        // Below the gate nothing is deployed: all waits for it but what training itself cannot do without.
        let before = before_the_gate(&all);
        for desired in all.iter_mut().filter(|desired| !before.contains(&desired.id)) {
            desired.after.push(train::GATE);
        }
        all
    }
}

/// The gate and whatever it waits for, directly or not.
fn before_the_gate(all: &[plan::Desired]) -> BTreeSet<plan::ResourceId> {
    let mut before = BTreeSet::new();
    let mut next = vec![train::GATE];
    while let Some(id) = next.pop() {
        if let Some(desired) = all.iter().find(|desired| desired.id == id) {
            next.extend(desired.facts.mentions().chain(&desired.after).filter(|id| !before.contains(*id)).cloned());
        }
        before.insert(id);
    }
    before
}
