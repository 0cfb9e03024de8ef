//! What a job's folder holds before its process runs, and the archives that are made of it afterwards.
//!
//! ```text
//! input/config/{hyperparameters,inputdataconfig,resourceconfig}.json
//! input/data/<channel>/…
//! model/            becomes model.tar.gz
//! output/data/      becomes output.tar.gz
//! output/failure    becomes the failure reason
//! ```

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use super::request::{Asked, Channel};
use crate::Cloud;
use crate::service::s3;

/// Name of the one host that stands for all instances.
const HOST: &str = "algo-1";

/// Fetches the channels as the role. The error is a `FailureReason`.
pub(super) fn download(cloud: &Cloud, asked: &Asked, folder: &Path, stop: &CancellationToken) -> Result<(), String> {
    for channel in &asked.channels {
        let keys = cloud.s3.keys(&channel.bucket, &channel.prefix).unwrap_or_default();
        // A key that ends in a slash is what consoles show as an empty folder.
        for key in keys.iter().filter(|key| !key.ends_with('/')) {
            if stop.is_cancelled() {
                return Ok(());
            }
            fetch(cloud, asked, channel, key, folder)?;
        }
    }
    Ok(())
}

fn fetch(cloud: &Cloud, asked: &Asked, channel: &Channel, key: &str, folder: &Path) -> Result<(), String> {
    let uri = format!("s3://{}/{key}", channel.bucket);
    let object = cloud.sagemaker.names.object_arn(&channel.bucket, key);
    if !s3::may(cloud, &asked.role, "s3:GetObject", &object, &[]) {
        return Err(format!(
            "ClientError: Data download failed:Unable to download object {uri} (AccessDenied: Access Denied)"
        ));
    }
    let local = local_path(&channel.prefix, key).map_err(|sequence| {
        format!(
            "ClientError: Data download failed:Failed to download data. S3 key: {uri} has an illegal char \
             sub-sequence '{sequence}' in it"
        )
    })?;
    let path = folder.join("input/data").join(&channel.name).join(local);
    let copied = path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| {
        let found = cloud.s3.copy_to_file(&channel.bucket, key, &path)?;
        if found { Ok(()) } else { Err(io::ErrorKind::NotFound.into()) }
    });
    copied.map_err(|error| format!("ClientError: Data download failed:Unable to download object {uri} ({error})"))
}

/// Where below its channel an object goes: its key behind the prefix's last folder.
fn local_path(prefix: &str, key: &str) -> Result<PathBuf, &'static str> {
    let folder = prefix.rfind('/').map_or(0, |slash| slash + 1);
    let rest = key.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('/'));
    let local = rest.unwrap_or_else(|| key.get(folder..).unwrap_or_default());
    if local.split('/').any(str::is_empty) {
        return Err("//");
    }
    if local.split('/').any(|part| part == "." || part == "..") {
        return Err("..");
    }
    Ok(PathBuf::from(local))
}

/// Makes the folders and writes the three files that say what the job is.
pub(super) fn prepare(asked: &Asked, folder: &Path) -> io::Result<()> {
    for part in ["input/config", "model", "output/data"] {
        fs::create_dir_all(folder.join(part))?;
    }
    for channel in &asked.channels {
        fs::create_dir_all(folder.join("input/data").join(&channel.name))?;
    }
    let config = folder.join("input/config");
    let write = |name: &str, value: Value| fs::write(config.join(name), value.to_string());
    write("hyperparameters.json", json!(asked.hyperparameters))?;
    write("inputdataconfig.json", input_data_config(&asked.channels))?;
    write("resourceconfig.json", resource_config(&asked.instance_type))
}

fn input_data_config(channels: &[Channel]) -> Value {
    let describe = |channel: &Channel| {
        let mut value = json!({
            "TrainingInputMode": channel.input_mode,
            "S3DistributionType": channel.distribution,
            "RecordWrapperType": channel.record_wrapper,
        });
        if let Some(content_type) = &channel.content_type {
            value["ContentType"] = content_type.as_str().into();
        }
        (channel.name.clone(), value)
    };
    Value::Object(channels.iter().map(describe).collect::<Map<_, _>>())
}

fn resource_config(instance_type: &str) -> Value {
    json!({
        "current_host": HOST,
        "hosts": [HOST],
        "current_instance_type": instance_type,
        "current_group_name": "homogeneousCluster",
        "instance_groups": [{
            "instance_group_name": "homogeneousCluster",
            "instance_type": instance_type,
            "hosts": [HOST],
        }],
        "network_interface_name": "lo",
    })
}

/// Packs what is in `content` into a gzipped tar beside it. None when there is nothing.
pub(super) fn pack(content: &Path, archive: &Path) -> io::Result<Option<PathBuf>> {
    if fs::read_dir(content)?.next().is_none() {
        return Ok(None);
    }
    let mut tar = tar::Builder::new(GzEncoder::new(File::create(archive)?, Compression::default()));
    tar.follow_symlinks(false);
    tar.append_dir_all("", content)?;
    tar.into_inner()?.finish()?;
    Ok(Some(archive.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_lies_in_its_channel_as_behind_the_prefix() {
        let local = |prefix, key| local_path(prefix, key).map(|path| path.display().to_string());
        assert_eq!(local("data/train", "data/train/a.csv"), Ok("a.csv".into()));
        assert_eq!(local("data/train/", "data/train/2026/a.csv"), Ok("2026/a.csv".into()));
        assert_eq!(local("data/train.csv", "data/train.csv"), Ok("train.csv".into()));
        assert_eq!(local("data/tr", "data/train/a.csv"), Ok("train/a.csv".into()));
        assert_eq!(local("", "a.csv"), Ok("a.csv".into()));
        assert_eq!(local("data", "data//a.csv"), Err("//"));
        assert_eq!(local("data", "data/../../a.csv"), Err(".."));
    }
}
