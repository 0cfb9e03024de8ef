//! An image of our own: `model-server`, linked statically, and nothing else.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use container_image::{Architecture, Entry, Image, Recipe};
use plan::{Facts, Observation, Output, Outputs, ResourceId};

use super::{cargo, short, triple};
use crate::inputs::{ImageInput, ImageSource};
use crate::resource::outputs;
use crate::{Cache, Clients, Ctx, Inputs, Names, Resource, Right, StageError, elf, upload};

/// The image.
pub const IMAGE: ResourceId = ResourceId::new("package/image");
/// Names the sources that it is made from.
pub(crate) const IMAGE_FINGERPRINT: Output<String> = Output::new(IMAGE, "fingerprint");

/// Folder of the static build below the workspace: it shares nothing with the other builds, and invalidates none.
const TARGET_DIR: &str = "target/image";
/// Where the program is in the image.
const PROGRAM: &str = "model-server";
/// What it is told, as `SageMaker` tells it too.
const COMMAND: &str = "serve";
/// Where it listens unless it is told otherwise.
const PORT: u16 = 8080;

#[derive(Debug)]
pub(super) struct OwnImage {
    pub(super) inputs: Arc<Inputs>,
    pub(super) names: Names,
}

#[async_trait]
impl Resource for OwnImage {
    fn id(&self) -> ResourceId {
        IMAGE
    }

    fn kind(&self) -> &'static str {
        "image"
    }

    fn name(&self) -> &'static str {
        PROGRAM
    }

    fn desired(&self) -> Facts {
        let Some(image) = &self.inputs.image else { return Facts::default() };
        let from = match &image.source {
            ImageSource::Prebuilt(path) => path.display().to_string(),
            ImageSource::Workspace { .. } => "built from source".to_owned(),
        };
        Facts::default()
            .fixed("sources", short(&image.fingerprint))
            .fixed("program", from)
            .fixed("architecture", image.architecture.as_str())
    }

    fn cached(&self, cache: &Cache) -> Result<Option<Observation>, StageError> {
        let Some(image) = &self.inputs.image else { return Ok(None) };
        Ok(cache.image(&image.fingerprint).map(|_| self.present()))
    }

    fn rights(&self) -> Vec<Right> {
        vec![upload::right_to_find_image(&self.names)]
    }

    /// Here, or in the registry: a machine that never built it need not build it again.
    async fn observe(&self, clients: &Clients) -> Result<Observation, StageError> {
        if let Some(seen) = self.cached(&clients.cache)? {
            return Ok(seen);
        }
        let pushed = upload::is_pushed(clients, &self.names).await?;
        Ok(if pushed { self.present() } else { Observation::Absent })
    }

    async fn create(&self, ctx: &Ctx<'_>) -> Result<Outputs, StageError> {
        if let Some(image) = &self.inputs.image {
            built_image(ctx, image).await?;
        }
        Ok(self.outputs())
    }

    async fn update(&self, ctx: &Ctx<'_>) -> Result<Outputs, StageError> {
        self.create(ctx).await
    }

    async fn delete(&self, _: &Ctx<'_>, _: &str) -> Result<(), StageError> {
        Ok(())
    }
}

impl OwnImage {
    fn present(&self) -> Observation {
        Observation::Present { facts: self.desired(), outputs: self.outputs() }
    }

    fn outputs(&self) -> Outputs {
        let fingerprint = self.inputs.image.as_ref().map(|image| short(&image.fingerprint));
        outputs([(IMAGE_FINGERPRINT.name(), fingerprint.into())])
    }
}

/// The image, from the cache or made now.
pub(crate) async fn built_image(ctx: &Ctx<'_>, input: &ImageInput) -> Result<Image, StageError> {
    if let Some(cached) = ctx.cache.image(&input.fingerprint) {
        let read = |path: &Path| ctx.cache.read(path);
        let (layer, config) = (read(&cached.layer)?, read(&cached.config)?);
        return Ok(Image { layer, config, manifest: read(&cached.manifest)? });
    }
    let executable = match &input.source {
        ImageSource::Prebuilt(path) => path.clone(),
        ImageSource::Workspace { dir, release } => {
            (ctx.say)("building a static `model-server`, about a minute the first time".to_owned());
            build(ctx, dir, *release, input.architecture).await?
        }
    };
    let program = ctx.cache.read(&executable)?;
    let architecture = input.architecture;
    // Compressing takes a while, and everything else goes on meanwhile.
    let packed = tokio::task::spawn_blocking(move || pack(&program, architecture)).await;
    let packed = packed.map_err(|error| StageError::here("could not write the image", error))?;
    let refused = |why| StageError::here(format!("`{}` could not run in an image", executable.display()), why);
    let image = packed.map_err(refused)?;
    let paths = ctx.cache.image_paths(&input.fingerprint);
    ctx.cache.write(&paths.layer, &image.layer)?;
    ctx.cache.write(&paths.config, &image.config)?;
    ctx.cache.write(&paths.manifest, &image.manifest)?;
    Ok(image)
}

/// The image of a program that could run in it, or why it could not.
fn pack(program: &[u8], architecture: spec::Architecture) -> Result<Image, String> {
    elf::check_static(program, architecture).map_err(|error| match error.help() {
        Some(help) => format!("{error}; {help}"),
        None => error.to_string(),
    })?;
    image_of(program, architecture).map_err(|error| error.to_string())
}

/// A program that everybody may run, since a serverless endpoint runs it as a user of its own, and a place for files that
/// it might write.
fn image_of(program: &[u8], architecture: spec::Architecture) -> std::io::Result<Image> {
    Image::new(&Recipe {
        architecture: match architecture {
            spec::Architecture::X86_64 => Architecture::Amd64,
            spec::Architecture::Arm64 => Architecture::Arm64,
        },
        entries: vec![Entry::file(PROGRAM, 0o755, program), Entry::folder("tmp", 0o1777)],
        entrypoint: &["/model-server"],
        command: &[COMMAND],
        port: PORT,
        labels: &[
            ("org.opencontainers.image.title", PROGRAM),
            ("org.opencontainers.image.description", "GET /ping, POST /invocations: an XGBoost model for SageMaker"),
            // It listens where it is told to. Source: AWS documentation, multi-container endpoints.
            ("com.amazonaws.sagemaker.capabilities.accept-bind-to-port", "true"),
        ],
        history: "runner: a static model-server",
    })
}

/// Builds the program so that it needs neither a loader nor a library.
async fn build(
    ctx: &Ctx<'_>,
    workspace: &Path,
    release: bool,
    architecture: spec::Architecture,
) -> Result<PathBuf, StageError> {
    let triple = triple(architecture);
    let mut arguments = vec!["rustc", "--package", PROGRAM, "--bin", PROGRAM, "--target", &triple];
    // A target that is named keeps the flags away from build scripts and macros, which run here.
    arguments.extend(["--target-dir", TARGET_DIR]);
    if release {
        arguments.push("--release");
    }
    let flags = ["-C", "target-feature=+crt-static", "-C", "strip=symbols"];
    cargo(ctx, workspace, &arguments, &flags, "a static `model-server`").await.map_err(|error| match error {
        StageError::Here { what, source } => {
            let help = format!(
                "it needs the C library in its static form and, for another processor, its linker; or name a program by \
                 `package: {{ model-server: … }}`; cargo said:\n{source}"
            );
            StageError::here(what, help)
        }
        other => other,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_image_says_what_it_is_for_and_where_it_listens() {
        let image = image_of(b"program", spec::Architecture::Arm64).unwrap();
        let config: serde_json::Value = serde_json::from_slice(&image.config).unwrap();
        assert_eq!(config["architecture"], "arm64");
        assert_eq!(config["config"]["Entrypoint"], serde_json::json!(["/model-server"]));
        assert_eq!(config["config"]["Cmd"], serde_json::json!(["serve"]));
        assert_eq!(config["config"].get("User"), None, "SageMaker's containers run as root");
        assert_eq!(
            config["config"]["Labels"]["com.amazonaws.sagemaker.capabilities.accept-bind-to-port"], "true",
            "model-server takes the port of SAGEMAKER_BIND_TO_PORT"
        );
    }

    #[test]
    fn a_program_that_asks_for_a_loader_is_refused_before_it_is_packed() {
        let own = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let architecture =
            if cfg!(target_arch = "x86_64") { spec::Architecture::X86_64 } else { spec::Architecture::Arm64 };
        let why = pack(&own, architecture).unwrap_err();
        assert!(why.starts_with("it is linked dynamically, and the image holds no loader `/lib"), "{why}");
        assert!(why.contains("+crt-static"), "{why}");
        assert!(pack(b"#!/bin/sh", architecture).unwrap_err().starts_with("it is no 64-bit ELF file"));
    }
}
