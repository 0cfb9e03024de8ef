//! The work behind an endpoint's states: start, switch, roll back, retire, and begin again after a restart.

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures::future::join_all;
use tokio::time::{sleep, timeout};

use super::fleet::{Running, Serving};
use super::launch::{Proof, folder, launch};
use super::record::{Endpoint, Fleet, Status, now};
use super::rollout::{Deployment, Stage};
use super::runtime;
use super::server_process::{kill_left_over, variable_of};
use crate::Cloud;
use crate::call::Refusal;
use crate::faults::Outcome;

/// Longest text of a `FailureReason`.
const MAX_REASON: usize = 1024;
/// Between attempts to fetch what an endpoint served before a restart.
const RESUME_PAUSE: Duration = Duration::from_secs(5);
/// Longest that a restart waits for its endpoints before it answers requests.
const RESUME_LIMIT: Duration = Duration::from_secs(10);

/// Brings an endpoint from `Creating` or `Updating` to where that leads.
pub(super) fn spawn(cloud: &Arc<Cloud>, key: String) {
    spawn_until_stop(cloud, deploy(Arc::clone(cloud), key));
}

/// Ends what an endpoint runs and forgets it.
pub(super) fn spawn_delete(cloud: &Arc<Cloud>, key: String, serving: Option<Serving>) {
    let cloud = Arc::clone(cloud);
    let tasks = cloud.sagemaker.tasks.clone();
    tasks.spawn(async move {
        join_all(serving.iter().flat_map(Serving::all).map(|running| retire(&cloud, running))).await;
        let stopping = &cloud.sagemaker.stopping;
        if stopping.run_until_cancelled(sleep(cloud.config.delays.endpoint_settle)).await.is_none() {
            return;
        }
        remove_folder(&cloud.sagemaker.run_dir.join(&key));
        report(cloud.sagemaker.memory.write(|memory| Ok(memory.endpoints.remove(&key))));
    });
}

/// Takes up every endpoint where its state says it is. Returns when those in service answer, or a limit has passed.
pub(super) async fn resume(cloud: &Arc<Cloud>) {
    let endpoints = cloud.sagemaker.memory.read(|memory| memory.endpoints.clone());
    clear_left_overs(cloud, endpoints.values());
    let mut coming = Vec::new();
    for (key, endpoint) in endpoints {
        if endpoint.status == Status::Deleting {
            spawn_delete(cloud, key, None);
            continue;
        }
        if let Some(serving) = endpoint.serving {
            let (done, up) = tokio::sync::oneshot::channel();
            let task = serve_again(Arc::downgrade(cloud), endpoint.name, serving);
            spawn_until_stop(cloud, async move {
                task.await;
                // Nobody waits any more when the limit has passed.
                let _ = done.send(());
            });
            coming.push(up);
        }
        match endpoint.status {
            Status::Creating | Status::Updating => spawn(cloud, key),
            Status::RollingBack => spawn_until_stop(cloud, finish_rollback(Arc::clone(cloud), key)),
            Status::SystemUpdating => cloud.sagemaker.memory.correct(|memory| {
                if let Some(endpoint) = memory.endpoints.get_mut(&key) {
                    endpoint.status = Status::InService;
                }
            }),
            // Of two generations only the old one is known to be good.
            Status::InService | Status::UpdateRollbackFailed | Status::Failed | Status::Deleting => {}
        }
    }
    if timeout(RESUME_LIMIT, join_all(coming)).await.is_err() {
        tracing::warn!("some endpoints are not back yet");
    }
}

fn spawn_until_stop(cloud: &Arc<Cloud>, task: impl Future<Output = ()> + Send + 'static) {
    let stopping = cloud.sagemaker.stopping.clone();
    cloud.sagemaker.tasks.spawn(async move {
        // What is cut off here goes on at the next start, from the state.
        stopping.run_until_cancelled(task).await;
    });
}

async fn deploy(cloud: Arc<Cloud>, key: String) {
    let endpoint = cloud.sagemaker.memory.read(|memory| memory.endpoints.get(&key).cloned());
    let Some(endpoint) = endpoint else { return };
    let settle = cloud.config.delays.endpoint_settle;
    let outcome = endpoint.deployment.outcome;
    if let Some(Outcome::SlowMs(ms)) = outcome {
        sleep(Duration::from_millis(ms)).await;
    }
    let Some(pending) = &endpoint.pending else {
        sleep(settle).await;
        return apply_weights(&cloud, &key);
    };
    enter(&cloud, &key, Stage::Creating, 0.0);
    let up = match outcome {
        Some(Outcome::NoCapacity) => Err(NO_CAPACITY.to_owned()),
        _ => launch(&cloud, &endpoint.name, pending, Proof::Wanted).await.map(Arc::new),
    };
    sleep(settle).await;
    let moved = match (&up, outcome, &endpoint.deployment.rollout) {
        (Err(reason), ..) => Err(reason.clone()),
        (Ok(_), Some(Outcome::SilentRollback | Outcome::RollbackFailed), _) => Err(NOT_BACK.to_owned()),
        (Ok(_), _, None) => Ok(()),
        (Ok(new), _, Some(rollout)) => {
            let role = pending.variants.iter().find_map(|variant| variant.role.as_deref());
            rollout.drive(&cloud, (&key, &endpoint.name), role, new).await
        }
    };
    match (moved, up) {
        (Ok(()), Ok(new)) => switch(&cloud, &key, &endpoint.name, new).await,
        (Err(reason), Ok(new)) if outcome == Some(Outcome::RollbackFailed) => {
            mix(&cloud, &key, &endpoint.name, new, &reason);
        }
        (Err(reason), up) => {
            // Also ends what may be mixed in from an update before.
            share(&cloud, &key, &endpoint.name, None);
            if let Ok(new) = up {
                retire(&cloud, &new).await;
            }
            remove_folder(&folder(&cloud, &endpoint.name, pending));
            fail(&cloud, &key, &reason);
            finish_rollback(cloud, key).await;
        }
        (Ok(()), Err(_)) => {}
    }
}

/// Source: what people report of AWS.
const NO_CAPACITY: &str = "Unable to provision requested ML compute capacity due to InsufficientInstanceCapacity error. \
                           Please retry using a different ML instance type or after some time.";
/// Not verified.
const NOT_BACK: &str = "The update failed, and the endpoint could not be rolled back to its previous configuration.";

/// Says how far an endpoint is on its way.
pub(super) fn enter(cloud: &Cloud, key: &str, stage: Stage, share: f64) {
    change(cloud, key, |endpoint| {
        let deployment = &mut endpoint.deployment;
        (deployment.stage, deployment.since, deployment.share) = (stage, now(), share);
    });
}

/// Gives servers beside those in service a share of the requests. Others that had one before are ended.
pub(super) fn share(cloud: &Arc<Cloud>, key: &str, name: &str, next: Option<(Arc<Running>, f64)>) {
    let id = next.as_ref().map(|(next, _)| next.id.clone());
    let mut all = cloud.sagemaker.running();
    let Some(serving) = all.get_mut(name) else { return };
    let before = std::mem::replace(&mut serving.next, next);
    drop(all);
    if let Some((before, _)) = before.filter(|(before, _)| Some(&before.id) != id.as_ref()) {
        spawn_retire(cloud, key, before);
    }
}

fn spawn_retire(cloud: &Arc<Cloud>, key: &str, old: Arc<Running>) {
    let folder = cloud.sagemaker.run_dir.join(key).join(&old.id);
    let (cloud, tasks) = (Arc::clone(cloud), cloud.sagemaker.tasks.clone());
    tasks.spawn(async move {
        retire(&cloud, &old).await;
        remove_folder(&folder);
    });
}

/// From here on requests go to the new servers; the old ones finish theirs.
async fn switch(cloud: &Arc<Cloud>, key: &str, name: &str, new: Arc<Running>) {
    let id = new.id.clone();
    let old = cloud.sagemaker.running().insert(name.to_owned(), Serving::new(new));
    let mut maintained = None;
    change(cloud, key, |endpoint| {
        endpoint.serving = endpoint.pending.take();
        if let Some(serving) = &endpoint.serving {
            endpoint.config_name.clone_from(&serving.config_name);
        }
        if let Some(Outcome::MaintainedMs(ms)) = endpoint.deployment.outcome {
            maintained = Some(Duration::from_millis(ms));
        }
        endpoint.deployment = Deployment::default();
        endpoint.status = if maintained.is_some() { Status::SystemUpdating } else { Status::InService };
    });
    for old in old.iter().flat_map(Serving::all).filter(|old| old.id != id) {
        spawn_retire(cloud, key, Arc::clone(old));
    }
    if let Some(maintained) = maintained {
        sleep(maintained).await;
        change(cloud, key, |endpoint| endpoint.status = Status::InService);
    }
}

/// Neither there nor back: both generations take requests.
fn mix(cloud: &Arc<Cloud>, key: &str, name: &str, new: Arc<Running>, reason: &str) {
    share(cloud, key, name, Some((new, 0.5)));
    change(cloud, key, |endpoint| {
        endpoint.pending = None;
        endpoint.failure_reason = Some(reason.to_owned());
        endpoint.deployment = Deployment::default();
        endpoint.status = Status::UpdateRollbackFailed;
    });
}

fn fail(cloud: &Cloud, key: &str, reason: &str) {
    change(cloud, key, |endpoint| {
        endpoint.pending = None;
        let silent = endpoint.deployment.outcome == Some(Outcome::SilentRollback);
        endpoint.failure_reason = (!silent).then(|| reason.chars().take(MAX_REASON).collect());
        endpoint.deployment = Deployment::default();
        endpoint.status = if endpoint.status == Status::Creating { Status::Failed } else { Status::RollingBack };
    });
}

async fn finish_rollback(cloud: Arc<Cloud>, key: String) {
    sleep(cloud.config.delays.endpoint_settle).await;
    change(&cloud, &key, |endpoint| {
        if endpoint.status == Status::RollingBack {
            endpoint.status = Status::InService;
        }
    });
}

fn apply_weights(cloud: &Cloud, key: &str) {
    change(cloud, key, |endpoint| {
        for variant in endpoint.serving.iter_mut().flat_map(|fleet| &mut fleet.variants) {
            variant.current_weight = variant.desired_weight;
            variant.current_count = variant.desired_count;
            if variant.desired_serverless.is_some() {
                variant.serverless.clone_from(&variant.desired_serverless);
            }
        }
        endpoint.status = Status::InService;
    });
    let endpoint = cloud.sagemaker.memory.read(|memory| memory.endpoints.get(key).cloned());
    let Some(endpoint) = endpoint else { return };
    let all = cloud.sagemaker.running();
    let Some(serving) = all.get(&endpoint.name) else { return };
    for variant in endpoint.serving.iter().flat_map(|fleet| &fleet.variants) {
        serving.now.follow(variant);
    }
}

fn change(cloud: &Cloud, key: &str, change: impl FnOnce(&mut Endpoint)) {
    report(cloud.sagemaker.memory.write(|memory| {
        if let Some(endpoint) = memory.endpoints.get_mut(key) {
            change(endpoint);
            endpoint.modified = now();
        }
        Ok(())
    }));
}

fn report<T>(written: Result<T, Refusal>) {
    if let Err(refusal) = written {
        tracing::error!(error = refusal.message, "an endpoint's state is not what its servers are");
    }
}

/// Lets the requests inside finish, then ends the servers. At shutdown it does not wait for requests.
async fn retire(cloud: &Cloud, running: &Running) {
    let drained = timeout(runtime::TIME_LIMIT, running.drain());
    cloud.sagemaker.stopping.run_until_cancelled(drained).await;
    running.stop().await;
}

/// Starts again what served before a restart, for as long as it takes.
async fn serve_again(cloud: Weak<Cloud>, name: String, serving: Fleet) {
    loop {
        let Some(cloud) = cloud.upgrade() else { return };
        if !is_wanted(&cloud, &name, &serving) {
            return;
        }
        match launch(&cloud, &name, &serving, Proof::Given).await {
            Ok(running) => {
                let mut all = cloud.sagemaker.running();
                // Under this lock, since a deletion says so first and takes the servers out afterwards.
                if is_wanted(&cloud, &name, &serving) {
                    // An update that was resumed beside may have been faster.
                    all.entry(name).or_insert_with(|| Serving::new(Arc::new(running)));
                }
                return;
            }
            Err(reason) => tracing::warn!(endpoint = name, reason, "cannot serve yet what was served before"),
        }
        drop(cloud);
        sleep(RESUME_PAUSE).await;
    }
}

/// Whether the endpoint is still to serve this, and has not been deleted or updated in the meantime.
fn is_wanted(cloud: &Cloud, name: &str, fleet: &Fleet) -> bool {
    cloud.sagemaker.memory.read(|memory| {
        memory.endpoints.get(&name.to_ascii_lowercase()).is_some_and(|endpoint| {
            endpoint.status != Status::Deleting
                && endpoint.serving.as_ref().is_some_and(|serving| serving.id == fleet.id)
        })
    })
}

/// A folder that is not there is removed already.
pub(super) fn remove_folder(folder: &std::path::Path) {
    if let Err(error) = fs::remove_dir_all(folder)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!(folder = %folder.display(), %error, "could not remove a folder");
    }
}

/// After a cloud that was killed: its servers may still run, and folders may belong to nothing any more.
fn clear_left_overs<'a>(cloud: &Cloud, endpoints: impl Iterator<Item = &'a Endpoint>) {
    let fleets = endpoints.flat_map(|endpoint| {
        endpoint.serving.iter().chain(&endpoint.pending).map(|fleet| folder(cloud, &endpoint.name, fleet))
    });
    let known: Vec<PathBuf> = fleets.collect();
    let children = |folder: PathBuf| fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    for fleet in children(cloud.sagemaker.run_dir.clone()).flat_map(children) {
        children(fleet.clone()).for_each(|variant| kill_left_over(&variant, &variable_of(&variant)));
        if !known.contains(&fleet) {
            remove_folder(&fleet);
        }
    }
}
