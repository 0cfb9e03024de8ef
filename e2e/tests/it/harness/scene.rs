//! A folder of its own, with a pipeline file, the runner run in it, and its local cloud ended behind it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value as Json, json};
use tempfile::TempDir;

use super::aws::Aws;
use super::http::{Answer, Http};
use super::pipeline::Pipeline;
use super::state_folder::make_own;
use super::tools::{note, tools};
use crate::wire;

/// The pipeline file's name.
const FILE: &str = "pipeline.yaml";

/// A folder with a pipeline file. Whatever `runner` sent to the local cloud in it is judged when the scene ends.
pub(crate) struct Scene {
    folder: TempDir,
    /// Holds the record of all requests.
    records: TempDir,
    /// Stands in for AWS's image instead of the server within.
    server: Option<PathBuf>,
}

/// What a command did.
#[derive(Clone, Debug)]
pub(crate) struct Ran {
    /// Exit code; -1 when a signal ended it.
    pub(crate) code: i32,
    /// What it printed as result.
    pub(crate) stdout: String,
    /// What it printed on the way.
    pub(crate) stderr: String,
}

impl Ran {
    /// Insists on an exit code.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, code, "\nstdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// Where the pipeline answers, as an apply tells.
    #[track_caller]
    pub(crate) fn url(&self) -> &str {
        let url = self.stdout.split(" answers at ").nth(1).and_then(|rest| rest.split(' ').next());
        url.unwrap_or_else(|| panic!("no URL: {}", self.stdout))
    }

    /// The result as JSON.
    pub(crate) fn json(&self) -> Json {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {}", self.stdout))
    }
}

impl Scene {
    /// A folder with this pipeline in `pipeline.yaml`.
    pub(crate) fn new(pipeline: &Pipeline) -> Self {
        let scene = Self::bare(pipeline);
        scene.borrow_zips();
        scene
    }

    /// The same, where nothing but the pipeline file is.
    pub(crate) fn bare(pipeline: &Pipeline) -> Self {
        Self::with_text(&pipeline.text())
    }

    /// A folder with this text in `pipeline.yaml`.
    pub(crate) fn with_text(text: &str) -> Self {
        let scene = Self { folder: tempfile::tempdir().unwrap(), records: tempfile::tempdir().unwrap(), server: None };
        fs::write(scene.path(FILE), text).unwrap();
        scene
    }

    /// The same, where models are served by a script that first does what [`Self::serve_after`] says.
    pub(crate) fn scripted(mut self) -> Self {
        let (script, first) = (self.path("serve.sh"), self.path("first.sh"));
        let runner = tools().runner.display();
        let text = format!("#!/bin/sh\n. '{}'\nexec '{runner}' model-server \"$@\"\n", first.display());
        fs::write(&script, text).unwrap();
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
        self.serve_after("");
        self.server = Some(script);
        self
    }

    /// What model servers that are started from now on do before they serve, in words of the shell.
    pub(crate) fn serve_after(&self, commands: &str) {
        fs::write(self.path("first.sh"), commands).unwrap();
    }

    /// Something in the folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Everything in the folder but the pipeline file: paths, sorted.
    pub(crate) fn files(&self) -> Vec<String> {
        let mut files = vec![];
        let mut folders = vec![self.folder.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let name = path.strip_prefix(self.folder.path()).unwrap().display().to_string();
                if path.is_dir() {
                    folders.push(path);
                }
                files.push(name);
            }
        }
        files.retain(|file| file != FILE);
        files.sort();
        files
    }

    /// Replaces the pipeline.
    pub(crate) fn write(&self, pipeline: &Pipeline) {
        self.write_as(FILE, pipeline);
    }

    /// Writes another pipeline file beside the first.
    pub(crate) fn write_as(&self, file: &str, pipeline: &Pipeline) {
        fs::write(self.path(file), pipeline.text()).unwrap();
    }

    /// Starts the runner and leaves it running, with what it says on stderr in a pipe.
    pub(crate) fn start(&self, arguments: &[&str]) -> Child {
        let mut command = self.command(arguments);
        command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Runs the runner to its end.
    pub(crate) fn runner(&self, arguments: &[&str]) -> Ran {
        self.runner_with(arguments, &[])
    }

    /// The same with these variables.
    pub(crate) fn runner_with(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Ran {
        let output = self.command(arguments).envs(variables.iter().copied()).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let ran =
            Ran { code: output.status.code().unwrap_or(-1), stdout: text(output.stdout), stderr: text(output.stderr) };
        assert!(!ran.stderr.contains("panicked at"), "{}", ran.stderr);
        if arguments.first() == Some(&"apply") && ran.code == 0 {
            self.lend_zips();
        }
        ran
    }

    /// The runner in this folder, with these arguments and an environment of its own.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&tools().runner);
        command.args(arguments).current_dir(self.folder.path()).stdin(Stdio::null());
        for name in ["RUST_LOG", "NO_COLOR", "CLICOLOR_FORCE", "AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_REGION"] {
            command.env_remove(name);
        }
        command.env("RUNNER_LOCAL_RECORD", self.record());
        command.envs(self.server.iter().map(|script| ("RUNNER_LOCAL_MODEL_SERVER", script)));
        command
    }

    /// Starts the local cloud without a pipeline, told how long things take in it and which region it is.
    #[expect(clippy::zombie_processes, reason = "it lives until the scene ends, which ends it by its process id")]
    pub(crate) fn serve(&self, flags: &[&str]) -> Aws {
        let mut command = Command::new(&tools().runner);
        command.args(["local", "serve", "--state", ".runner/local"]).args(flags).current_dir(self.folder.path());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().unwrap();
        for _ in 0..600 {
            if self.address().is_some_and(|address| Aws::new(&address).is_up()) {
                return self.aws();
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("the local cloud did not start: {flags:?}");
    }

    /// Applies; it must succeed.
    #[track_caller]
    pub(crate) fn apply(&self) -> Ran {
        self.runner(&["apply"]).exits(0)
    }

    /// Plans; nothing may be left to do.
    #[track_caller]
    pub(crate) fn keeps_all(&self, file: &str) {
        self.runner(&["plan", file, "--detailed-exitcode"]).exits(0);
    }

    /// Where a pipeline answers.
    #[track_caller]
    pub(crate) fn url(&self, file: &str) -> String {
        let status = self.runner(&["status", file, "--format", "json"]).exits(0).json();
        status["url"].as_str().unwrap_or_else(|| panic!("no URL: {status}")).to_owned()
    }

    /// Asks a pipeline's URL for a score; it must answer.
    #[track_caller]
    pub(crate) fn answers(&self, file: &str) -> Answer {
        answers(&self.url(file))
    }

    /// A client of the running local cloud.
    #[track_caller]
    pub(crate) fn aws(&self) -> Aws {
        Aws::new(&self.address().unwrap())
    }

    /// A text in which what differs from run to run is replaced by as many other characters.
    pub(crate) fn steady(&self, text: &str) -> String {
        let folder = self.folder.path().display().to_string();
        let text = text.replace(&tools().proxy.display().to_string(), "<lambda-proxy>").replace(&folder, "<folder>");
        steady_names(&steady_urls(&text))
    }

    /// Every request that the local cloud was sent, whole.
    pub(crate) fn record(&self) -> PathBuf {
        self.records.path().join("requests.jsonl")
    }

    fn address(&self) -> Option<Json> {
        serde_json::from_slice(&fs::read(self.path(".runner/local/cloud.json")).ok()?).ok()
    }

    /// Processes that were started in or for this folder.
    pub(crate) fn processes(&self) -> Vec<String> {
        let Ok(all) = fs::read_dir("/proc") else {
            note("skipped: no /proc to find processes in");
            return vec![];
        };
        let folder = self.folder.path();
        let of_ours = |process: &Path| {
            let arguments = fs::read(process.join("cmdline")).unwrap_or_default();
            let arguments = String::from_utf8_lossy(&arguments).replace('\0', " ");
            let inside = fs::read_link(process.join("cwd")).is_ok_and(|cwd| cwd.starts_with(folder));
            (inside || arguments.contains(&folder.display().to_string())).then_some(arguments)
        };
        all.filter_map(|process| of_ours(&process.unwrap().path())).collect()
    }

    fn borrow_zips(&self) {
        if tools().zips.exists() {
            make_own(&self.path(".runner"));
            copy_zips(&tools().zips, &self.path(".runner/cache/proxies"));
        }
    }

    pub(crate) fn lend_zips(&self) {
        let zips = &tools().zips;
        if zips.exists() {
            return;
        }
        let new = zips.with_extension(std::process::id().to_string());
        copy_zips(&self.path(".runner/cache/proxies"), &new);
        if fs::rename(&new, zips).is_err() {
            // Another test was faster.
            _ = fs::remove_dir_all(&new);
        }
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.end();
        if !std::thread::panicking() && self.record().exists() {
            let verdict = wire::judge(&self.record()).unwrap_or_default();
            assert!(verdict.faults.is_empty(), "AWS would object to:\n{}", Vec::from_iter(verdict.faults).join("\n"));
        }
    }
}

impl Scene {
    /// Ends the local cloud.
    fn end(&self) {
        let Some(address) = self.address() else { return };
        // Whatever became of the test's pipeline file, this one names the local cloud.
        fs::write(self.path("stop.yaml"), "name: stop\nstages:\n  - train: {}\n").unwrap();
        let stop = Command::new(&tools().runner)
            .args(["local", "stop", "stop.yaml"])
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .output();
        if stop.is_ok_and(|stop| stop.status.success()) && self.processes().is_empty() {
            return;
        }
        let pid = address["pid"].as_i64().and_then(|pid| Pid::from_raw(pid.try_into().ok()?));
        if let Some(pid) = pid.filter(|_| !self.processes().is_empty()) {
            _ = kill_process(pid, Signal::KILL);
        }
    }
}

/// Asks a URL for a score; it must answer.
#[track_caller]
pub(crate) fn answers(url: &str) -> Answer {
    let answer = Http::new().post(url, &features());
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(answer.json()["fraud_score"].is_f64(), "{answer:?}");
    answer
}

/// A request that any of the tests' models scores.
pub(crate) fn features() -> Json {
    let columns = (1..=28).map(|n| (format!("V{n}"), json!(f64::from(n) / 8.0 - 1.5)));
    columns.chain([("Amount".to_owned(), json!(149.62))]).collect::<serde_json::Map<_, _>>().into()
}

/// Ports and API ids.
fn steady_urls(text: &str) -> String {
    let mut steady = String::new();
    for (index, part) in text.split("127.0.0.1:").enumerate() {
        if index == 0 {
            steady.push_str(part);
            continue;
        }
        let digits = part.len() - part.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        steady.push_str("127.0.0.1:54321");
        let rest = &part[digits..];
        match rest.strip_prefix("/execute-api/").and_then(|rest| rest.split_once('/')) {
            Some((id, rest)) => {
                steady.extend(["/execute-api/", &"i".repeat(id.len()), "/", rest]);
            }
            None => steady.push_str(rest),
        }
    }
    steady
}

/// Fingerprints: twelve or more hexadecimal digits that are no account's number.
fn steady_names(text: &str) -> String {
    const ACCOUNTS: [&str; 2] = ["000000000000", "683313688378"];
    let mut steady = String::new();
    let mut word = String::new();
    for c in text.chars().chain(['\n']) {
        if c.is_ascii_alphanumeric() {
            word.push(c);
            continue;
        }
        let hex = word.len() >= 12 && word.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f'));
        if hex && !ACCOUNTS.contains(&word.as_str()) {
            steady.push_str(&"f".repeat(word.len()));
        } else {
            steady.push_str(&word);
        }
        word.clear();
        steady.push(c);
    }
    steady.pop();
    steady
}

fn copy_zips(from: &Path, to: &Path) {
    let Ok(folders) = fs::read_dir(from) else { return };
    for folder in folders {
        let folder = folder.unwrap();
        let to = to.join(folder.file_name());
        fs::create_dir_all(&to).unwrap();
        for file in fs::read_dir(folder.path()).unwrap() {
            let file = file.unwrap();
            fs::copy(file.path(), to.join(file.file_name())).unwrap();
        }
    }
}
