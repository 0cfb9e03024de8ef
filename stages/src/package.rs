//! Stage `package`: the model archive, the proxy's zip and an image of our own, byte for byte the same from the same
//! input, and checked before anything is uploaded.

mod image;

use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use plan::{Facts, Observation, Output, Outputs, ResourceId};
use sha2::{Digest, Sha256};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::inputs::{ProxyInput, ProxySource};
use crate::resource::outputs;
use crate::{
    Cache, Clients, Ctx, Declared, Inputs, Names, Resource, Right, Stage, StageError, Wanted, deploy_proxy, elf, tags,
    upload,
};

pub use image::IMAGE;
pub(crate) use image::{IMAGE_FINGERPRINT, built_image};

/// The stage.
pub const STAGE: Stage = Stage {
    name: "package",
    summary: "the model archive, the proxy's zip and an image of our own, checked before they are uploaded",
    declare,
};

/// The model archive.
pub const ARCHIVE: ResourceId = ResourceId::new("package/model");
/// Its SHA-256, in hexadecimal.
pub(crate) const ARCHIVE_SHA256: Output<String> = Output::new(ARCHIVE, "sha256");
/// The proxy's zip.
pub const PROXY: ResourceId = ResourceId::new("package/proxy");
/// Names the sources that it is built from.
pub(crate) const PROXY_FINGERPRINT: Output<String> = Output::new(PROXY, "fingerprint");

/// Lambda's limit for a zip in the call. Source: AWS documentation, Lambda quotas.
const ZIP_LIMIT_BYTES: usize = 52_428_800;
/// Lambda's limit for what is in the zip. Source: as above.
pub(crate) const UNZIPPED_LIMIT_BYTES: u64 = 262_144_000;

fn declare(wanted: &Wanted<'_>, declared: &mut Declared) {
    let inputs = || Arc::clone(wanted.inputs);
    declared.resource(Archive { inputs: inputs(), names: wanted.names.clone() });
    declared.resource(Proxy { inputs: inputs(), names: wanted.names.clone() });
    if wanted.inputs.image.is_some() {
        declared.resource(image::OwnImage { inputs: inputs(), names: wanted.names.clone() });
    }
}

/// The first 12 digits of a fingerprint: what people see.
pub(crate) fn short(fingerprint: &str) -> String {
    fingerprint[..fingerprint.len().min(12)].to_owned()
}

pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

#[derive(Debug)]
struct Archive {
    inputs: Arc<Inputs>,
    names: Names,
}

#[async_trait]
impl Resource for Archive {
    fn id(&self) -> ResourceId {
        ARCHIVE
    }

    fn kind(&self) -> &'static str {
        "archive"
    }

    fn name(&self) -> &'static str {
        "model.tar.gz"
    }

    fn desired(&self) -> Facts {
        Facts::default().fixed("model", short(&self.inputs.model.fingerprint))
    }

    fn cached(&self, cache: &Cache) -> Result<Option<Observation>, StageError> {
        let path = cache.archive(&self.inputs.model.fingerprint);
        Ok(if path.exists() { Some(self.present(hex::encode(sha256(&cache.read(&path)?)))) } else { None })
    }

    fn rights(&self) -> Vec<Right> {
        upload::rights_to_read(&self.names)
    }

    async fn observe(&self, clients: &Clients) -> Result<Observation, StageError> {
        if let Some(seen) = self.cached(&clients.cache)? {
            return Ok(seen);
        }
        let sha256 = upload::object_sha256(clients, &self.names, &self.names.model_key).await?;
        Ok(sha256.map_or(Observation::Absent, |sha256| self.present(sha256)))
    }

    async fn create(&self, ctx: &Ctx<'_>) -> Result<Outputs, StageError> {
        let fingerprint = &self.inputs.model.fingerprint;
        let missing = || StageError::here("could not package the model", "it is not in the cache");
        let model = ctx.cache.read(&ctx.cache.model(fingerprint).ok_or_else(missing)?.model)?;
        let archive = model::archive::pack(&model);
        ctx.cache.write(&ctx.cache.archive(fingerprint), &archive)?;
        Ok(outputs([(ARCHIVE_SHA256.name(), hex::encode(sha256(&archive)).into())]))
    }

    async fn update(&self, ctx: &Ctx<'_>) -> Result<Outputs, StageError> {
        self.create(ctx).await
    }

    async fn delete(&self, _: &Ctx<'_>, _: &str) -> Result<(), StageError> {
        Ok(())
    }
}

impl Archive {
    fn present(&self, sha256: String) -> Observation {
        Observation::Present { facts: self.desired(), outputs: outputs([(ARCHIVE_SHA256.name(), sha256.into())]) }
    }
}

#[derive(Debug)]
struct Proxy {
    inputs: Arc<Inputs>,
    names: Names,
}

#[async_trait]
impl Resource for Proxy {
    fn id(&self) -> ResourceId {
        PROXY
    }

    fn kind(&self) -> &'static str {
        "archive"
    }

    fn name(&self) -> &'static str {
        "proxy.zip"
    }

    fn desired(&self) -> Facts {
        let from = match &self.inputs.proxy.source {
            ProxySource::Prebuilt(path) => path.display().to_string(),
            ProxySource::Workspace { .. } => "built from source".to_owned(),
        };
        Facts::default().fixed("sources", short(&self.inputs.proxy.fingerprint)).fixed("bootstrap", from)
    }

    fn cached(&self, cache: &Cache) -> Result<Option<Observation>, StageError> {
        Ok(cache.proxy_zip(&self.inputs.proxy.fingerprint).exists().then(|| self.present()))
    }

    fn rights(&self) -> Vec<Right> {
        deploy_proxy::rights_to_look(&self.names)
    }

    /// Here, or running already: a machine that never built it need not build it again.
    async fn observe(&self, clients: &Clients) -> Result<Observation, StageError> {
        if let Some(seen) = self.cached(&clients.cache)? {
            return Ok(seen);
        }
        let live = deploy_proxy::function(clients, &self.names).await?;
        let tag = live.as_ref().and_then(|function| function.tags()?.get(tags::FINGERPRINT));
        let same = tag == Some(&short(&self.inputs.proxy.fingerprint));
        Ok(if same { self.present() } else { Observation::Absent })
    }

    async fn create(&self, ctx: &Ctx<'_>) -> Result<Outputs, StageError> {
        proxy_zip(ctx, &self.inputs.proxy).await?;
        Ok(self.outputs())
    }

    async fn update(&self, ctx: &Ctx<'_>) -> Result<Outputs, StageError> {
        self.create(ctx).await
    }

    async fn delete(&self, _: &Ctx<'_>, _: &str) -> Result<(), StageError> {
        Ok(())
    }
}

impl Proxy {
    fn present(&self) -> Observation {
        Observation::Present { facts: self.desired(), outputs: self.outputs() }
    }

    fn outputs(&self) -> Outputs {
        outputs([(PROXY_FINGERPRINT.name(), short(&self.inputs.proxy.fingerprint).into())])
    }
}

/// The proxy's zip, from the cache or made now.
pub(crate) async fn proxy_zip(ctx: &Ctx<'_>, proxy: &ProxyInput) -> Result<Vec<u8>, StageError> {
    let path = ctx.cache.proxy_zip(&proxy.fingerprint);
    if path.exists() {
        return ctx.cache.read(&path);
    }
    let executable = match &proxy.source {
        ProxySource::Prebuilt(path) => path.clone(),
        ProxySource::Workspace { dir, release } => {
            (ctx.say)("building `lambda-proxy`, about a minute the first time".to_owned());
            build(ctx, dir, *release, proxy.architecture).await?
        }
    };
    let bootstrap = ctx.cache.read(&executable)?;
    let architecture = proxy.architecture;
    // Compressing takes a while, and everything else goes on meanwhile.
    let packed = tokio::task::spawn_blocking(move || pack(&bootstrap, architecture)).await;
    let packed = packed.map_err(|error| StageError::here("could not write the proxy's zip", error))?;
    let refused = |why| StageError::here(format!("Lambda could not run `{}`", executable.display()), why);
    let zip = packed.map_err(refused)?;
    ctx.cache.write(&path, &zip)?;
    Ok(zip)
}

/// The zip of an executable that Lambda can run, or why it cannot.
fn pack(bootstrap: &[u8], architecture: spec::Architecture) -> Result<Vec<u8>, String> {
    check(bootstrap, architecture)?;
    let zip = zip_of(bootstrap).map_err(|error| error.to_string())?;
    if zip.len() > ZIP_LIMIT_BYTES {
        return Err(format!("its zip has {} bytes, and Lambda's limit is {ZIP_LIMIT_BYTES}", zip.len()));
    }
    Ok(zip)
}

/// Whether Lambda can run an executable, or why it cannot.
pub(crate) fn check(bootstrap: &[u8], architecture: spec::Architecture) -> Result<(), String> {
    elf::check(bootstrap, architecture).map_err(|error| error.to_string())?;
    if bootstrap.len() as u64 > UNZIPPED_LIMIT_BYTES {
        return Err(format!("it has {} bytes, and Lambda's limit is {UNZIPPED_LIMIT_BYTES}", bootstrap.len()));
    }
    Ok(())
}

/// One executable file `bootstrap`, without a time.
fn zip_of(bootstrap: &[u8]) -> zip::result::ZipResult<Vec<u8>> {
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .unix_permissions(0o755)
        .last_modified_time(zip::DateTime::default());
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    zip.start_file("bootstrap", options)?;
    zip.write_all(bootstrap)?;
    Ok(zip.finish()?.into_inner())
}

/// Builds the proxy and tells where it is.
async fn build(
    ctx: &Ctx<'_>,
    workspace: &Path,
    release: bool,
    architecture: spec::Architecture,
) -> Result<PathBuf, StageError> {
    let mut arguments = vec!["build"];
    // With `runner` named too, what both stand on has the features that it was built with a moment ago.
    arguments.extend(["--package", "runner", "--package", "lambda-proxy", "--bin", "lambda-proxy"]);
    if release {
        arguments.push("--release");
    }
    let triple = triple(architecture);
    if machine(architecture) != std::env::consts::ARCH {
        arguments.extend(["--target", &triple]);
    }
    cargo(ctx, workspace, &arguments, &[], "the proxy").await
}

/// As `rustc` spells it.
fn machine(architecture: spec::Architecture) -> &'static str {
    match architecture {
        spec::Architecture::X86_64 => "x86_64",
        spec::Architecture::Arm64 => "aarch64",
    }
}

fn triple(architecture: spec::Architecture) -> String {
    format!("{}-unknown-linux-gnu", machine(architecture))
}

/// Builds an executable and tells where it is, in `cargo`'s own words; `compiler` goes to `rustc`.
async fn cargo(
    ctx: &Ctx<'_>,
    workspace: &Path,
    arguments: &[&str],
    compiler: &[&str],
    what: &str,
) -> Result<PathBuf, StageError> {
    let mut command = supervisor::command(ctx.supervisor, "cargo".as_ref(), []);
    command.current_dir(workspace).args(arguments).args(["--locked", "--message-format", "json-render-diagnostics"]);
    if !compiler.is_empty() {
        command.arg("--").args(compiler);
    }
    let output = supervisor::output(command).await;
    let output = output.map_err(|error| StageError::here(format!("could not start `cargo` to build {what}"), error))?;
    let failed = |why: String| StageError::here(format!("could not build {what}"), why);
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr);
        let lines: Vec<&str> = errors.lines().collect();
        return Err(failed(lines[lines.len().saturating_sub(20)..].join("\n")));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let messages = text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let mut executables = messages.filter_map(|message| message["executable"].as_str().map(PathBuf::from));
    executables.next_back().ok_or_else(|| failed("cargo names no executable".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_bootstrap_gives_the_same_zip() {
        assert_eq!(zip_of(b"bootstrap").unwrap(), zip_of(b"bootstrap").unwrap());
    }

    #[test]
    fn the_zip_holds_one_executable_file() {
        let zip = zip_of(b"bootstrap").unwrap();
        let mut zip = zip::ZipArchive::new(Cursor::new(zip)).unwrap();
        assert_eq!(zip.len(), 1);
        let file = zip.by_index(0).unwrap();
        assert_eq!(file.last_modified(), Some(zip::DateTime::default()), "a time of making would change the bytes");
        assert_eq!((file.name(), file.unix_mode().unwrap() & 0o777), ("bootstrap", 0o755));
    }
}
