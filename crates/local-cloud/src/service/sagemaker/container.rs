//! What a container runs: the program that stands in for an image of somebody else's account, or the entry point of an
//! image that was pushed to this account's registry.
//!
//! A pushed image is unpacked into a folder of its own and its entry point run from there, as a process like any other:
//! nothing is isolated, and the image's paths are this machine's. A program that needs no file but itself, as a static
//! one, runs as it would in a container.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fs, io};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::archive::{ArchiveError, unpack_layer};
use super::deploy::remove_folder;
use super::image::Image;
use super::model::repository_refused;
use super::record::{Variant, invalid};
use super::server_process::Log;
use crate::Cloud;
use crate::call::Refusal;

/// The only form of image that a model can be made of. Source: what `CreateModel` answers to others, as users report it.
const MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// What the platform says to the container, in place of the image's own arguments.
const ARGUMENT: &str = "serve";
/// Name of the file that says how an unpacked image is run.
const HOW: &str = "image.json";

/// What is run, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Program {
    /// Program and arguments, `serve` included.
    pub(super) command: Vec<OsString>,
    /// The image's own variables.
    pub(super) environment: BTreeMap<String, String>,
    pub(super) working_dir: Option<PathBuf>,
    /// What a container's log calls it; none for what stands in for an image.
    entry_point: Option<String>,
}

impl Program {
    /// What a log says of a program that the system would not start, in the system's words.
    pub(super) fn not_started(&self, error: &io::Error) -> String {
        let Some(entry_point) = &self.entry_point else {
            return format!("could not start the model server: {error}");
        };
        let text = error.to_string();
        let words = text.split(" (os error").next().unwrap_or_default();
        format!("exec {entry_point}: {}", words.to_lowercase())
    }
}

/// Checks that a model can be made of an image, if it is one of this account.
pub(super) fn must_be_usable(cloud: &Cloud, name: &str, image: &Image<'_>) -> Result<(), Refusal> {
    if !is_own(cloud, image) {
        return Ok(());
    }
    // The registry of another region is another registry.
    if image.region != cloud.config.region || !cloud.ecr.has_repository(image.repository) {
        return Err(repository_refused(name));
    }
    let found = cloud.ecr.image(image.repository, image.reference)?;
    let found = found.ok_or_else(|| invalid(format!("Requested image {name} not found.")))?;
    if found.media_type == MANIFEST {
        return Ok(());
    }
    Err(invalid(format!(
        "Unsupported manifest media type {} for image {name}. Ensure that valid manifest media type is used for \
         specified image.",
        found.media_type
    )))
}

/// The digest that an image of this account has now.
pub(super) fn digest(cloud: &Cloud, name: &str) -> Option<String> {
    let image = Image::parse(name).filter(|image| is_own(cloud, image))?;
    cloud.ecr.image(image.repository, image.reference).ok().flatten().map(|found| found.digest)
}

/// What a variant runs. An image of this account is unpacked into `folder`, unless it was before a restart.
pub(super) async fn program(
    cloud: &Arc<Cloud>,
    variant: &Variant,
    folder: &Path,
    log: &Log,
) -> Result<Program, String> {
    let Some(image) = Image::parse(&variant.container.image).filter(|image| is_own(cloud, image)) else {
        let mut command = cloud.config.model_server.clone();
        command.push(ARGUMENT.into());
        return Ok(Program { command, ..Program::default() });
    };
    let how = folder.join(HOW);
    if let Some(known) = fs::read(&how).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()) {
        return Ok(known);
    }
    let pulled = pull(cloud, &image).ok_or_else(|| unavailable(variant))?;
    let root = folder.join("root");
    let unpacking = tokio::task::spawn_blocking(move || {
        // What an interrupted start left.
        remove_folder(&root);
        let program = unpack(&pulled, &root)?;
        fs::write(how, serde_json::to_vec(&program).map_err(io::Error::other)?)?;
        Ok::<_, ArchiveError>(program)
    });
    let error: Box<dyn std::error::Error> = match unpacking.await {
        Ok(Ok(program)) => return Ok(program),
        Ok(Err(error)) => Box::new(error),
        Err(error) => Box::new(error),
    };
    log.append(&format!("image \"{}\": {error}; the local cloud runs images of plain files", variant.container.image));
    Err(unavailable(variant))
}

/// The reason of an endpoint whose image cannot be had.
pub(super) fn unavailable(variant: &Variant) -> String {
    format!(
        "Please make sure all images included in the model for the production variant {} exist, and that the execution \
         role used to create the model has permissions to access them.",
        variant.name
    )
}

fn is_own(cloud: &Cloud, image: &Image<'_>) -> bool {
    image.registry == cloud.config.account
}

/// An image as the registry gave it.
struct Pulled {
    config: Value,
    /// The lowest first.
    layers: Vec<Bytes>,
}

fn pull(cloud: &Cloud, image: &Image<'_>) -> Option<Pulled> {
    let found = cloud.ecr.image(image.repository, image.reference).ok()??;
    let manifest: Value = serde_json::from_slice(&found.manifest).ok()?;
    let blob = |part: &Value| cloud.ecr.blob(image.repository, part["digest"].as_str()?);
    let config = serde_json::from_slice(&blob(&manifest["config"])?).ok()?;
    let layers = manifest["layers"].as_array()?.iter().map(blob).collect::<Option<_>>()?;
    Some(Pulled { config, layers })
}

fn unpack(pulled: &Pulled, root: &Path) -> Result<Program, ArchiveError> {
    fs::create_dir_all(root)?;
    for layer in &pulled.layers {
        unpack_layer(layer, root)?;
    }
    Ok(program_of(&pulled.config["config"], root))
}

/// How an image says that it is run; `serve` takes the place of its own arguments.
fn program_of(config: &Value, root: &Path) -> Program {
    let texts = |value: &Value| -> Vec<String> {
        value.as_array().into_iter().flatten().filter_map(|text| text.as_str().map(str::to_owned)).collect()
    };
    let variables = texts(&config["Env"]);
    let environment: BTreeMap<String, String> = variables
        .iter()
        .filter_map(|variable| variable.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let mut command = texts(&config["Entrypoint"]);
    command.push(ARGUMENT.to_owned());
    let working_dir = inside(root, config["WorkingDir"].as_str().unwrap_or("/"));
    let entry_point = command.remove(0);
    let path = environment.get("PATH").map_or("", String::as_str);
    let program = match entry_point.contains('/') {
        true if entry_point.starts_with('/') => inside(root, &entry_point),
        true => inside(&working_dir, &entry_point),
        false => {
            let folders = path.split(':').map(|folder| inside(root, folder).join(&entry_point));
            folders.into_iter().find(|file| file.exists()).unwrap_or_else(|| root.join(&entry_point))
        }
    };
    let arguments = command.into_iter().map(OsString::from);
    Program {
        command: [program.into_os_string()].into_iter().chain(arguments).collect(),
        environment,
        working_dir: working_dir.is_dir().then_some(working_dir),
        entry_point: Some(entry_point),
    }
}

/// A path of the image below the folder that stands for its root: `..` leads nowhere.
fn inside(root: &Path, path: &str) -> PathBuf {
    let parts = Path::new(path).components().filter_map(|part| match part {
        std::path::Component::Normal(name) => Some(name),
        _ => None,
    });
    root.join(parts.collect::<PathBuf>())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn words(config: &Value, root: &Path) -> Vec<String> {
        let program = program_of(config, root);
        program.command.iter().map(|word| word.display().to_string()).collect()
    }

    #[test]
    fn the_entry_point_is_found_below_the_images_root_and_told_to_serve() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        fs::create_dir_all(root.join("usr/bin")).unwrap();
        fs::write(root.join("usr/bin/serve"), "").unwrap();
        let at = |path: &str| root.join(path).display().to_string();
        let absolute = json!({ "Entrypoint": ["/model-server", "--x"], "Cmd": ["other"] });
        assert_eq!(words(&absolute, root), [at("model-server"), "--x".to_owned(), "serve".to_owned()]);
        let relative = json!({ "Entrypoint": ["./run"], "WorkingDir": "/usr" });
        assert_eq!(words(&relative, root), [at("usr/run"), "serve".to_owned()]);
        let none = json!({ "Env": ["PATH=/bin:/usr/bin"] });
        assert_eq!(words(&none, root), [at("usr/bin/serve")]);
        let outside = json!({ "Entrypoint": ["/../../bin/sh"] });
        assert_eq!(words(&outside, root), [at("bin/sh"), "serve".to_owned()]);
    }

    #[test]
    fn a_program_that_the_system_refuses_is_told_in_its_words() {
        let program = Program { entry_point: Some("/model-server".to_owned()), ..Program::default() };
        assert_eq!(program.not_started(&io::Error::from_raw_os_error(8)), "exec /model-server: exec format error");
        assert_eq!(
            program.not_started(&io::Error::from_raw_os_error(2)),
            "exec /model-server: no such file or directory"
        );
    }
}
