//! The peers, installed at exact versions under `target/`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::error::{BenchError, Doing as _, Result};
use crate::measure::{Job, last_line};
use crate::setup::Setup;

/// A virtual environment.
#[derive(Clone, Debug)]
pub(crate) struct Python {
    executable: PathBuf,
}

/// A folder with `node_modules` and the CDK app.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    folder: PathBuf,
}

impl Python {
    /// Makes it and installs what `requirements` names, unless that was done before.
    pub(crate) fn install(setup: &Setup, name: &str, requirements: &str) -> Result<Self> {
        let folder = setup.settings.target.join("python").join(format!("bench-{name}"));
        let python = Self { executable: folder.join("bin/python") };
        let done = folder.join("installed.txt");
        if fs::read_to_string(&done).is_ok_and(|installed| installed == requirements) {
            return Ok(python);
        }
        setup.say(format!("installing the Python peers: {name}"));
        done_by(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder))?;
        let pip =
            ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary", ":all:"];
        let list = Setup::workspace().join("e2e/benches/peers").join(format!("{name}.txt"));
        done_by(Command::new(&python.executable).args(pip).arg("-r").arg(list))?;
        fs::write(&done, requirements).doing("could not note what is installed")?;
        Ok(python)
    }

    /// One of the scripts in `peers/`, to measure.
    pub(crate) fn script(&self, name: &str) -> Job {
        Job::new(&self.executable).arg(script(name))
    }

    /// The same, to keep running.
    pub(crate) fn command(&self, name: &str) -> Command {
        let mut command = Command::new(&self.executable);
        command.arg(script(name));
        command
    }

    /// Python's version and those of some packages, in words.
    pub(crate) fn versions(&self, packages: &[&str]) -> Result<String> {
        let code = "import sys, importlib.metadata as m; \
                    print(', '.join(['Python ' + sys.version.split()[0]] + [p + ' ' + m.version(p) for p in sys.argv[1:]]))";
        done_by(Command::new(&self.executable).args(["-c", code]).args(packages))
    }
}

impl Node {
    /// Installs AWS CDK, unless that was done before, and puts the app beside it.
    pub(crate) fn install(setup: &Setup) -> Result<Self> {
        let manifest = include_str!("../peers/package.json");
        let node = Self { folder: setup.settings.target.join("node/bench-cdk") };
        fs::create_dir_all(&node.folder).doing("could not create the folder for AWS CDK")?;
        let write =
            |name: &str, text: &str| fs::write(node.folder.join(name), text).doing("could not write the CDK app");
        write("app.js", include_str!("../peers/app.js"))?;
        write("cdk.json", include_str!("../peers/cdk.json"))?;
        let done = node.folder.join("installed.json");
        if fs::read_to_string(&done).is_ok_and(|installed| installed == manifest) {
            return Ok(node);
        }
        setup.say("installing AWS CDK");
        write("package.json", manifest)?;
        let npm = ["install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock"];
        done_by(Command::new("npm").args(npm).current_dir(&node.folder))?;
        write("installed.json", manifest)?;
        Ok(node)
    }

    /// `cdk synth`, without asking for news or a newer version.
    pub(crate) fn synth(&self) -> Job {
        Job::new("node")
            .args(["node_modules/aws-cdk/bin/cdk", "synth", "--quiet"])
            .folder(&self.folder)
            .env("CDK_DISABLE_VERSION_CHECK", "1")
            .env("CDK_DISABLE_CLI_TELEMETRY", "1")
    }

    /// Versions in words.
    pub(crate) fn versions(&self) -> Result<String> {
        let node = done_by(Command::new("node").arg("--version"))?;
        let manifest = fs::read_to_string(self.folder.join("package.json")).doing("could not read package.json")?;
        let manifest: serde_json::Value = serde_json::from_str(&manifest).doing("could not read package.json")?;
        let version = |name: &str| manifest["dependencies"][name].as_str().unwrap_or("?").to_owned();
        Ok(format!("node {node}, aws-cdk {}, aws-cdk-lib {}", version("aws-cdk"), version("aws-cdk-lib")))
    }
}

fn script(name: &str) -> PathBuf {
    Setup::workspace().join("e2e/benches/peers").join(name)
}

/// Runs a command that must succeed; what it printed.
pub(crate) fn done_by(command: &mut Command) -> Result<String> {
    let name = Path::new(command.get_program()).file_name().unwrap_or_default().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output().doing(format!("could not start `{name}`"))?;
    if !output.status.success() {
        return Err(BenchError::new(format!("`{name}` failed: {}", last_line(&output.stderr))));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
