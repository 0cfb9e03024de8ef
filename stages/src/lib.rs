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
mod skip;
pub mod smoke_test;
mod tags;
pub mod teardown;
#[cfg(test)]
mod tests;
pub mod train;
pub mod upload;

use std::collections::BTreeSet;
use std::sync::Arc;

use plan::{Goal, ResourceId};

pub use cache::Cache;
pub use clients::Clients;
pub use cloud_error::{CloudError, Meaning};
pub use create_role::Explained;
pub use inputs::Inputs;
pub use names::{Names, Site};
pub use resource::{Check, CheckError, Ctx, Evidence, Limits, Resource, StageError};
pub use rights::{Deployer, Right};
pub use skip::{Skip, SkipError};

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
    /// Stages that are left out.
    pub skip: &'a Skip,
}

/// One thing that a stage declared.
#[derive(Clone)]
pub enum Item {
    /// Has a state.
    Resource(Arc<dyn Resource>),
    /// Is tried at every apply.
    Check(Arc<dyn Check>),
}

impl Item {
    /// Names it within the pipeline.
    pub fn id(&self) -> ResourceId {
        match self {
            Self::Resource(resource) => resource.id(),
            Self::Check(check) => check.id(),
        }
    }

    /// What it cannot do without: resources whose outputs it uses.
    fn needs(&self) -> Vec<ResourceId> {
        let (facts, more) = match self {
            Self::Resource(resource) => (resource.desired(), resource.needs()),
            Self::Check(check) => (check.desired(), vec![]),
        };
        facts.mentions().cloned().chain(more).collect()
    }
}

/// Everything that the stages declared.
#[derive(Clone, Default)]
pub struct Declared {
    items: Vec<Item>,
    kept: Vec<ResourceId>,
    unwanted: Vec<ResourceId>,
    skip: Skip,
    /// What the stages that are left out would have declared.
    left_out: Vec<Item>,
}

impl Declared {
    /// What every stage but those left out declares for this spec, at this place.
    pub fn of(wanted: &Wanted<'_>) -> Self {
        let mut declared = Self { skip: wanted.skip.clone(), ..Self::default() };
        for stage in ALL {
            (stage.declare)(wanted, &mut declared);
        }
        let (left_out, items) = declared.items.into_iter().partition(|item| wanted.skip.contains(item.id().stage()));
        Self { items, left_out, ..declared }
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

    /// Adds a resource that the pipeline file asks for, or does not.
    pub fn optional(&mut self, resource: impl Resource + 'static, wanted: bool) {
        if wanted { self.resource(resource) } else { self.unwanted(resource) }
    }

    /// Whether the pipeline file asks for what is declared under that id.
    pub fn is_wanted(&self, id: &ResourceId) -> bool {
        !self.unwanted.contains(id)
    }

    /// Adds a check.
    pub fn check(&mut self, check: impl Check + 'static) {
        self.items.push(Item::Check(Arc::new(check)));
    }

    /// Makes a resource survive a teardown.
    pub fn keep(&mut self, id: ResourceId) {
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
    pub fn get(&self, id: &ResourceId) -> Option<&Item> {
        self.items.iter().find(|item| item.id() == *id)
    }

    /// Refuses to leave out what other stages need. To delete, nothing is needed.
    pub fn check_skips(&self) -> Result<(), SkipError> {
        self.skip.check(&self.items)
    }

    /// Something that is left out and uses that resource.
    pub fn used_by_left_out(&self, id: &ResourceId) -> Option<ResourceId> {
        self.left_out_resources().find(|item| item.needs().contains(id)).map(Item::id)
    }

    fn left_out_resources(&self) -> impl Iterator<Item = &Item> {
        self.left_out.iter().filter(|item| matches!(item, Item::Resource(_)))
    }

    /// The same in the planner's words.
    pub fn desired(&self, goal: Goal) -> Vec<plan::Desired> {
        // What is asked for no longer may be what the stage that is left out uses now.
        let stays = |id: &ResourceId| goal == Goal::Present && self.stage_used_by_left_out(id.stage());
        let items = self.items.iter().filter(|item| self.is_wanted(&item.id()) || !stays(&item.id()));
        let mut all: Vec<plan::Desired> = items.map(|item| self.in_words(item, goal)).collect();
        // Below the gate nothing is deployed: all waits for it but what training itself cannot do without.
        if !self.skip.contains(train::GATE.stage()) {
            let before = before_the_gate(&all);
            for desired in all.iter_mut().filter(|desired| !before.contains(&desired.id)) {
                desired.after.push(train::GATE);
            }
        }
        all
    }

    fn in_words(&self, item: &Item, goal: Goal) -> plan::Desired {
        let mut words = match item {
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
        };
        match goal {
            // So may an older version.
            Goal::Present => words.keep |= self.stage_used_by_left_out(words.id.stage()),
            // What goes is compared with nothing: of what it mentions only the order counts.
            Goal::Absent => words.after.extend(std::mem::take(&mut words.facts).mentions().cloned()),
        }
        words.after.retain(|id| !self.skip.contains(id.stage()));
        words
    }

    fn stage_used_by_left_out(&self, stage: &str) -> bool {
        self.left_out_resources().any(|item| item.needs().iter().any(|need| need.stage() == stage))
    }
}

/// The gate and whatever it waits for, directly or not.
fn before_the_gate(all: &[plan::Desired]) -> BTreeSet<ResourceId> {
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
