//! The start of a fleet: fetched and unpacked as the role, then started until it answers pings.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::{join_all, try_join_all};

use super::PRINCIPAL;
use super::archive::unpack;
use super::container::{self, Program};
use super::fleet::Running;
use super::image::Image;
use super::model::bucket_and_key;
use super::permission::may_join_network;
use super::record::{Fleet, Variant, log_group};
use super::server_process::{Launch, Log, Server};
use crate::Cloud;
use crate::service::s3;

/// Whether servers have still to show that they come up, or have done so before.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Proof {
    Wanted,
    Given,
}

/// Starts a fleet and waits for its first pings. The error is a `FailureReason`.
pub(super) async fn launch(cloud: &Arc<Cloud>, endpoint: &str, fleet: &Fleet, proof: Proof) -> Result<Running, String> {
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
            guard: Arc::clone(&cloud.guard),
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
        may_join_network(cloud, variant).await?;
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

pub(super) fn folder(cloud: &Cloud, endpoint: &str, fleet: &Fleet) -> PathBuf {
    cloud.sagemaker.run_dir.join(endpoint.to_ascii_lowercase()).join(&fleet.id)
}
