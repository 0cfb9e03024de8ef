//! Whether every name is free or ours.

use futures::{StreamExt, stream};
use plan::Observation;

use super::Finding;
use crate::{Clients, Declared, Item};

const CHECK: &str = "names";
/// Looks in flight at once.
const CONCURRENCY: usize = 8;

/// Looks at everything that was declared; one finding for what is well, and one for each thing that is not.
pub async fn names(declared: &Declared, clients: &Clients) -> Vec<Finding> {
    let resources = declared.items().iter().filter_map(|item| match item {
        Item::Resource(resource) => Some(resource.clone()),
        Item::Check(_) => None,
    });
    let looks = stream::iter(resources).map(|resource| async move { (resource.observe(clients).await, resource) });
    let seen: Vec<_> = looks.buffered(CONCURRENCY).collect().await;
    let (mut free, mut ours, mut findings) = (0, 0, vec![]);
    for (seen, resource) in seen {
        let what = format!("{} `{}`", resource.kind(), resource.name());
        match seen {
            // What the file does not ask for needs no name.
            Ok(Observation::Absent | Observation::Foreign { .. }) if !declared.is_wanted(&resource.id()) => {}
            Ok(Observation::Absent) => free += 1,
            Ok(Observation::Present { .. }) => ours += 1,
            Ok(Observation::Ownerless { why, .. }) => {
                ours += 1;
                findings.push(Finding::warning(CHECK, format!("{what} has no owner: {why}"), "`apply` adopts it"));
            }
            Ok(Observation::Broken { why }) => {
                ours += 1;
                findings.push(Finding::warning(CHECK, format!("{what} is broken: {why}"), "`apply` mends it"));
            }
            Ok(Observation::Foreign { owner }) => findings.push(Finding::failed(
                CHECK,
                format!("{what}: {owner}"),
                "give the pipeline another `name`, or remove that thing",
            )),
            Err(error) => {
                let why = crate::inputs::with_sources(&error);
                findings.push(Finding::failed(
                    CHECK,
                    format!("{what} cannot be looked at: {why}"),
                    "`runner policy` prints what is needed",
                ));
            }
        }
    }
    findings.insert(
        0,
        Finding::fine(
            CHECK,
            format!("{ours} things are there and ours, {free} are not there yet and their names free"),
        ),
    );
    findings
}
