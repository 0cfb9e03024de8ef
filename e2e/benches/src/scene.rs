//! The repository's own pipeline, applied to a local cloud in a folder of its own.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::error::{BenchError, Doing as _, Result};
use crate::measure::Job;
use crate::setup::Setup;

/// A folder in which everything is applied; ended with its local cloud.
#[derive(Debug)]
pub(crate) struct Scene {
    folder: PathBuf,
    runner: PathBuf,
    harness: PathBuf,
}

impl Scene {
    /// Applies the pipeline.
    pub(crate) fn apply(setup: &Setup) -> Result<Self> {
        let runner = setup.programs()?.runner.clone();
        let scene = Self { folder: setup.folder("scene")?, runner, harness: setup.settings.harness.clone() };
        fs::copy(Setup::workspace().join("pipeline.yaml"), scene.folder.join("pipeline.yaml"))
            .doing("could not copy the pipeline file")?;
        setup.say("applying the pipeline");
        scene.runner(&["apply"]).run(&scene.harness)?;
        Ok(scene)
    }

    /// A command of the runner, to measure.
    pub(crate) fn runner(&self, arguments: &[&str]) -> Job {
        Job::new(&self.runner).args(arguments).folder(&self.folder)
    }

    /// How many writes the local cloud has seen since it was asked to forget them.
    pub(crate) fn writes(&self) -> Result<usize> {
        let log = self.local("GET", "requests?writes=true")?;
        let log: Vec<serde_json::Value> = serde_json::from_str(&log).doing("could not read the local cloud's log")?;
        Ok(log.len())
    }

    /// Makes the local cloud forget the requests so far.
    pub(crate) fn forget_requests(&self) -> Result<()> {
        self.local("DELETE", "requests").map(|_| ())
    }

    /// Size of the zip that the function is made of.
    pub(crate) fn proxy_zip_bytes(&self) -> Result<u64> {
        let zip = find_zip(&self.folder.join(".runner/cache")).ok_or_else(|| BenchError::new("apply made no zip"))?;
        Ok(zip.metadata().doing("could not look at the zip")?.len())
    }

    /// One of the local cloud's own routes. `curl` signs, and gets the key where nobody sees it.
    fn local(&self, method: &str, route: &str) -> Result<String> {
        let doing = "could not ask the local cloud";
        let address = fs::read(self.folder.join(".runner/local/cloud.json")).doing(doing)?;
        let address: serde_json::Value = serde_json::from_slice(&address).doing(doing)?;
        let text = |name: &str| address[name].as_str().unwrap_or_default();
        let settings = format!(
            "url = \"http://127.0.0.1:{}/_local/{route}\"\nrequest = \"{method}\"\nuser = \"{}:{}\"\naws-sigv4 = \
             \"aws:amz:{}:local\"\nfail-with-body\nsilent\nshow-error\n",
            address["port"],
            text("access_key_id"),
            text("secret_access_key"),
            text("region"),
        );
        let mut curl = Command::new("curl");
        curl.args(["--config", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut curl = curl.spawn().doing(doing)?;
        if let Some(mut stdin) = curl.stdin.take() {
            stdin.write_all(settings.as_bytes()).doing(doing)?;
        }
        let ended = curl.wait_with_output().doing(doing)?;
        let body = String::from_utf8_lossy(&ended.stdout).into_owned();
        if ended.status.success() {
            return Ok(body);
        }
        Err(BenchError::new(format!("{doing}: {body}{}", String::from_utf8_lossy(&ended.stderr))))
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        // A local cloud that is left running answers nobody and disturbs whoever measures next.
        _ = self.runner(&["local", "stop"]).run(&self.harness);
    }
}

fn find_zip(folder: &Path) -> Option<PathBuf> {
    let mut entries = fs::read_dir(folder).ok()?.filter_map(std::result::Result::ok).map(|it| it.path());
    entries.find_map(|it| if it.is_dir() { find_zip(&it) } else { it.extension()?.eq("zip").then_some(it) })
}
