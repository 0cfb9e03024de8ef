//! The work behind an endpoint's states: fetch, start, switch, roll back, retire, and begin again after a restart.

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use futures::future::{join_all, try_join_all};
use tokio::time::{sleep, timeout};

use super::archive::unpack;
use super::container::{self, Program};
use super::fleet::Running;
use super::image::Image;
use super::model::bucket_and_key;
use super::record::{Endpoint, Fleet, Status, Variant, log_group, now};
use super::server_process::{Launch, Log, Server, kill_left_over, variable_of};
use super::{PRINCIPAL, runtime};
use crate::Cloud;
use crate::call::Refusal;
use crate::service::s3;

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
pub(super) fn spawn_delete(cloud: &Arc<Cloud>, key: String, running: Option<Arc<Running>>) {
    let cloud = Arc::clone(cloud);
    let tasks = cloud.sagemaker.tasks.clone();
    tasks.spawn(async move {
        if let Some(running) = &running {
            retire(&cloud, running).await;
        }
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
            Status::InService | Status::Failed | Status::Deleting => {}
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
    let Some(pending) = endpoint.pending else {
        sleep(settle).await;
        return apply_weights(&cloud, &key);
    };
    match launch(&cloud, &endpoint.name, &pending, Proof::Wanted).await {
        Ok(running) => {
            sleep(settle).await;
            switch(&cloud, &key, &endpoint.name, running);
        }
        Err(reason) => {
            sleep(settle).await;
            remove_folder(&folder(&cloud, &endpoint.name, &pending));
            fail(&cloud, &key, &reason);
            finish_rollback(cloud, key).await;
        }
    }
}

/// From here on requests go to the new servers; the old ones finish theirs.
fn switch(cloud: &Arc<Cloud>, key: &str, name: &str, running: Running) {
    let sagemaker = &cloud.sagemaker;
    let old = sagemaker.running().insert(name.to_owned(), Arc::new(running));
    change(cloud, key, |endpoint| {
        endpoint.serving = endpoint.pending.take();
        if let Some(serving) = &endpoint.serving {
            endpoint.config_name.clone_from(&serving.config_name);
        }
        endpoint.status = Status::InService;
    });
    if let Some(old) = old {
        let folder = sagemaker.run_dir.join(key).join(&old.id);
        let cloud = Arc::clone(cloud);
        sagemaker.tasks.spawn(async move {
            retire(&cloud, &old).await;
            remove_folder(&folder);
        });
    }
}

fn fail(cloud: &Cloud, key: &str, reason: &str) {
    change(cloud, key, |endpoint| {
        endpoint.pending = None;
        endpoint.failure_reason = Some(reason.chars().take(MAX_REASON).collect());
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
        }
        endpoint.status = Status::InService;
    });
    let endpoint = cloud.sagemaker.memory.read(|memory| memory.endpoints.get(key).cloned());
    let Some(endpoint) = endpoint else { return };
    let Some(running) = cloud.sagemaker.running().get(&endpoint.name).cloned() else { return };
    for variant in endpoint.serving.iter().flat_map(|fleet| &fleet.variants) {
        running.set_weight(&variant.name, variant.current_weight);
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
                    all.entry(name).or_insert_with(|| Arc::new(running));
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

/// Whether servers have still to show that they come up, or have done so before.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Proof {
    Wanted,
    Given,
}

/// Starts a fleet and waits for its first pings. The error is a `FailureReason`.
async fn launch(cloud: &Arc<Cloud>, endpoint: &str, fleet: &Fleet, proof: Proof) -> Result<Running, String> {
    let prepared = fleet.variants.iter().map(|variant| prepare(cloud, endpoint, fleet, variant));
    let prepared = try_join_all(prepared).await?;
    let start = |(variant, (folder, program)): (&Variant, (PathBuf, Program))| {
        let launch = Launch {
            program,
            folder,
            environment: variant.container.environment.clone(),
            startup_limit: Duration::from_secs(variant.startup_limit_s),
            proven: proof == Proof::Given,
            log: log(cloud, endpoint, variant),
            http: cloud.sagemaker.http.clone(),
            ports: cloud.sagemaker.ports.clone(),
        };
        Server::start(launch, &cloud.sagemaker.tasks)
    };
    let servers: Vec<Server> = fleet.variants.iter().zip(prepared).map(start).collect();
    let up = join_all(servers.iter().map(Server::port)).await;
    let failed = fleet.variants.iter().zip(up).find(|(_, port)| port.is_none());
    if let Some((variant, _)) = failed {
        join_all(servers.iter().map(Server::stop)).await;
        return Err(format!(
            "The primary container for production variant {} did not pass the ping health check. Please check \
             CloudWatch logs for this endpoint.",
            variant.name
        ));
    }
    Ok(Running::new(fleet, servers))
}

/// Fetches as the role what a variant runs and serves, and unpacks it. A folder that is there from before a restart is
/// kept.
async fn prepare(
    cloud: &Arc<Cloud>,
    endpoint: &str,
    fleet: &Fleet,
    variant: &Variant,
) -> Result<(PathBuf, Program), String> {
    let folder = folder(cloud, endpoint, fleet).join(&variant.name);
    let model = folder.join("model");
    if !model.exists() {
        may_pull(cloud, variant)?;
    }
    let program = container::program(cloud, variant, &folder, &log(cloud, endpoint, variant)).await?;
    if model.exists() {
        return Ok((folder, program));
    }
    let archive = match &variant.container.model_data_url {
        Some(url) => Some((fetch(cloud, variant.role.as_deref(), url)?, url)),
        None => None,
    };
    let log = log(cloud, endpoint, variant);
    let url = archive.as_ref().map(|(_, url)| (*url).clone()).unwrap_or_default();
    let archive = archive.map(|(bytes, _)| bytes);
    let unpacked = tokio::task::spawn_blocking(move || match archive {
        Some(archive) => unpack(&archive, &model),
        None => Ok(fs::create_dir_all(&model)?),
    });
    let error: Box<dyn std::error::Error> = match unpacked.await {
        Ok(Ok(())) => return Ok((folder, program)),
        Ok(Err(error)) => Box::new(error),
        Err(error) => Box::new(error),
    };
    let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
    log.append(&format!("model data archive \"{url}\": {error}{cause}"));
    Err(format!(
        "Failed to extract model data archive for container \"container_1\" from URL \"{url}\". Please ensure that \
         the object located at the URL is a valid tar.gz archive."
    ))
}

fn may_pull(cloud: &Cloud, variant: &Variant) -> Result<(), String> {
    let (image, Some(role)) = (&variant.container.image, &variant.role) else { return Ok(()) };
    let Some(parts) = Image::parse(image) else { return Ok(()) };
    let repository = cloud.sagemaker.names.repository_arn(&parts);
    if cloud.iam.authorize(role, "ecr:BatchGetImage", &repository).is_err() {
        return Err(format!("The role '{role}' does not have BatchGetImage permission for the image: '{image}'."));
    }
    let rest = [("ecr:GetDownloadUrlForLayer", repository.as_str()), ("ecr:GetAuthorizationToken", "*")];
    if rest.iter().any(|(action, on)| cloud.iam.authorize(role, action, on).is_err()) {
        return Err(container::unavailable(variant));
    }
    Ok(())
}

fn fetch(cloud: &Cloud, role: Option<&str>, url: &str) -> Result<Bytes, String> {
    let names = &cloud.sagemaker.names;
    let object = bucket_and_key(url).and_then(|(bucket, key)| {
        let allowed = role.is_none_or(|role| {
            cloud.iam.may_assume(role, PRINCIPAL, &names.source_arn())
                && s3::may(cloud, role, "s3:GetObject", &names.object_arn(bucket, key), &[])
        });
        if allowed { cloud.s3.object(bucket, key) } else { None }
    });
    object.ok_or_else(|| {
        format!(
            "Failed to download model data for container \"container_1\" from URL: \"{url}\". Please ensure that \
             there is an object located at the URL and that the role passed to CreateModel has permissions to \
             download the object."
        )
    })
}

fn log(cloud: &Arc<Cloud>, endpoint: &str, variant: &Variant) -> Log {
    let stream = format!("{}/{}", variant.name, variant.instance_id);
    Log::new(cloud, variant.role.as_deref(), log_group(endpoint), stream)
}

fn folder(cloud: &Cloud, endpoint: &str, fleet: &Fleet) -> PathBuf {
    cloud.sagemaker.run_dir.join(endpoint.to_ascii_lowercase()).join(&fleet.id)
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
