//! Declared → World: looks at everything at once, and writes nothing.

use futures::{StreamExt, TryStreamExt, stream};
use plan::World;
use stages::{Cache, Check, Clients, Declared, Item, Resource, StageError};

use crate::failure::Failure;

/// Looks in flight at once. API Gateway allows 10 requests a second, with bursts of 40.
const CONCURRENCY: usize = 16;

/// Looks at everything that was declared.
pub(crate) async fn observe(declared: &Declared, clients: &Clients) -> Result<World, Failure> {
    let resources = declared.items().iter().filter_map(|item| match item {
        Item::Resource(resource) => Some(resource.clone()),
        Item::Check(_) => None,
    });
    let looks = stream::iter(resources).map(|resource| async move {
        let (observation, strays) = futures::join!(resource.observe(clients), resource.strays(clients));
        Ok((
            resource.id(),
            observation.map_err(|error| failed(&*resource, error))?,
            strays.map_err(|error| failed(&*resource, error))?,
        ))
    });
    let world = looks.buffered(CONCURRENCY).try_fold(World::default(), |mut world, (id, observation, strays)| async {
        world.observed.insert(id, observation);
        world.strays.extend(strays);
        Ok::<_, Failure>(world)
    });
    let checks = declared.items().iter().filter_map(|item| match item {
        Item::Check(check) => Some(check.clone()),
        Item::Resource(_) => None,
    });
    let seen = futures::future::try_join_all(checks.map(|check| async move {
        let seen = check.look(clients).await;
        Ok((check.id(), seen.map_err(|error| unseen(&*check, error))?))
    }));
    let (mut world, seen): (World, Vec<_>) = futures::try_join!(world, seen)?;
    world.seen = seen.into_iter().collect();
    Ok(world)
}

/// Looks at files on this machine alone, where there is no cloud yet.
pub(crate) fn observe_cache(declared: &Declared, cache: &Cache) -> Result<World, Failure> {
    let mut world = World::default();
    for item in declared.items() {
        match item {
            Item::Resource(resource) => {
                if let Some(seen) = resource.cached(cache).map_err(|error| failed(&**resource, error))? {
                    world.observed.insert(resource.id(), seen);
                }
            }
            Item::Check(check) => {
                let seen = check.cached(cache).map_err(|error| unseen(&**check, error))?;
                world.seen.insert(check.id(), seen);
            }
        }
    }
    Ok(world)
}

fn failed(resource: &dyn Resource, error: StageError) -> Failure {
    let doing = format!("look at {} `{}`", resource.kind(), resource.name());
    failure(&resource.id(), doing, error)
}

fn unseen(check: &dyn Check, error: StageError) -> Failure {
    failure(&check.id(), format!("look at {} `{}`", check.kind(), check.name()), error)
}

fn failure(id: &plan::ResourceId, doing: String, error: StageError) -> Failure {
    Failure::Stage { stage: id.stage().to_owned(), doing, error: Box::new(error), others: 0 }
}
