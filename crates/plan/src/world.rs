//! What is there, in the same words as what should be.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::facts::Facts;
use crate::id::{OutputRef, ResourceId};
use crate::planning::Desired;

/// Values that a resource brought forth, by name.
pub type Outputs = BTreeMap<String, Json>;

/// What was found under a resource's name.
#[derive(Clone, Debug, PartialEq)]
pub enum Observation {
    /// Nothing.
    Absent,
    /// Ours and usable.
    Present {
        /// What is true of it.
        facts: Facts,
        /// What it brought forth.
        outputs: Outputs,
    },
    /// Bears our name and nobody's tag, and is of a kind that a service makes by itself on our behalf. Planned as an update,
    /// which makes it ours.
    Ownerless {
        /// Who made it, for people.
        why: String,
        /// What is true of it.
        facts: Facts,
        /// What it brought forth.
        outputs: Outputs,
    },
    /// Ours but unusable, such as an endpoint in `Failed`. Planned as a replacement.
    Broken {
        /// The cause, for people.
        why: String,
    },
    /// The name is taken and lacks our tag. Blocks the plan; never touched.
    Foreign {
        /// What is known of the owner.
        owner: String,
    },
}

/// Something that bears our tag and that nothing desires any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stray {
    /// The resource that it is an older version, or a duplicate, of.
    pub of: ResourceId,
    /// Its name in the cloud.
    pub name: String,
    /// Why it is one, for people.
    pub why: String,
}

/// Everything that was observed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct World {
    /// By resource. A resource that is missing here is absent.
    pub observed: BTreeMap<ResourceId, Observation>,
    /// Deleted last.
    pub strays: Vec<Stray>,
    /// What checks can see before they are tried; a plan shows it beside what they will try.
    pub seen: BTreeMap<ResourceId, Facts>,
}

impl World {
    /// The world in which nothing needs doing, with made-up values for pending outputs.
    pub fn satisfying(desired: &[Desired]) -> Self {
        let mut world = Self::default();
        for resource in desired.iter().filter(|resource| !resource.unwanted) {
            let mut outputs = Outputs::new();
            let users = desired.iter().flat_map(|other| other.facts.iter());
            for fact in users {
                if let crate::Value::Output { output, known } = &fact.value
                    && output.of == resource.id
                {
                    let value = known.clone().unwrap_or_else(|| made_up(output));
                    outputs.insert(output.name.to_string(), value);
                }
            }
            let facts = resource.facts.iter().fold(Facts::default(), |facts, fact| {
                let value = match &fact.value {
                    crate::Value::Known(value) => value.clone(),
                    crate::Value::Output { output, known } => known.clone().unwrap_or_else(|| made_up(output)),
                };
                facts.field(fact.name, value)
            });
            world.observed.insert(resource.id.clone(), Observation::Present { facts, outputs });
        }
        world
    }

    /// The same world with one resource gone.
    #[must_use]
    pub fn without(mut self, id: &str) -> Self {
        self.observed.retain(|known, _| known.as_str() != id);
        self
    }

    /// The same world with something else found for one resource.
    #[must_use]
    pub fn with(mut self, id: ResourceId, observation: Observation) -> Self {
        self.observed.insert(id, observation);
        self
    }

    /// What was found for a resource.
    pub fn of(&self, id: &ResourceId) -> &Observation {
        self.observed.get(id).unwrap_or(&Observation::Absent)
    }
}

fn made_up(output: &OutputRef) -> Json {
    Json::String(format!("<{output}>"))
}
