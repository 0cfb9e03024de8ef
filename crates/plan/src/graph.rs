//! The order of resources, derived from the outputs that they mention.

use std::collections::BTreeMap;

use crate::id::ResourceId;
use crate::planning::Desired;

/// A broken invariant of what was declared: a bug in a stage, never the user's doing.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// Two resources bear one id.
    #[error("resource `{0}` is declared twice")]
    Twice(ResourceId),
    /// A description mentions an output of something that nobody declared.
    #[error("resource `{by}` mentions `{of}`, which no stage declares")]
    Undeclared {
        /// Whose description.
        by: ResourceId,
        /// What it mentions.
        of: ResourceId,
    },
    /// Resources wait for each other.
    #[error("resources wait for each other: {0}")]
    Cycle(String),
}

/// Positions of `desired` such that whatever a resource mentions comes before it; declaration order breaks ties.
/// The second part gives, for each resource of `desired`, the positions that it directly needs.
pub(crate) fn order(desired: &[Desired]) -> Result<(Vec<usize>, Vec<Vec<usize>>), PlanError> {
    let mut position = BTreeMap::new();
    for (index, resource) in desired.iter().enumerate() {
        if position.insert(&resource.id, index).is_some() {
            return Err(PlanError::Twice(resource.id.clone()));
        }
    }
    let mut needs = Vec::with_capacity(desired.len());
    for resource in desired {
        let mut of = resource
            .facts
            .mentions()
            .chain(&resource.after)
            .map(|id| {
                position
                    .get(id)
                    .copied()
                    .ok_or_else(|| PlanError::Undeclared { by: resource.id.clone(), of: id.clone() })
            })
            .collect::<Result<Vec<_>, _>>()?;
        of.sort_unstable();
        of.dedup();
        needs.push(of);
    }

    let mut placed = vec![false; desired.len()];
    let mut order = Vec::with_capacity(desired.len());
    while order.len() < desired.len() {
        let ready = (0..desired.len()).find(|&index| !placed[index] && needs[index].iter().all(|&need| placed[need]));
        let Some(ready) = ready else {
            let waiting = (0..desired.len()).filter(|&index| !placed[index]);
            let names: Vec<_> = waiting.map(|index| desired[index].id.as_str()).collect();
            return Err(PlanError::Cycle(names.join(", ")));
        };
        placed[ready] = true;
        order.push(ready);
    }
    Ok((order, needs))
}
