//! The CI job for users in `ci/`: its scripts run as a CI server runs them, and its files are judged by linters.

mod github;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::json;
use tempfile::TempDir;

use self::github::GitHub;
use crate::harness::{Ran, answers, note, runner};

const LINTERS: &str = include_str!("../../peers/ci-lint.txt");

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A folder with what a fresh clone has, as it is in the working tree.
struct Checkout(TempDir);

impl Checkout {
    /// Copies the tracked files; says so and returns nothing where there is no repository.
    fn new() -> Option<Self> {
        let root = workspace();
        let listed = Command::new("git")
            .args(["-c", "safe.directory=*", "ls-files", "-z"])
            .current_dir(&root)
            .output()
            .ok()
            .filter(|listed| listed.status.success());
        let Some(listed) = listed else {
            note("SKIPPED: the scripts of the CI job were not run: this is not a git repository");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        for name in String::from_utf8(listed.stdout).unwrap().split_terminator('\0') {
            let (from, to) = (root.join(name), folder.path().join(name));
            // A tracked file may be deleted in the working tree.
            if from.is_file() {
                fs::create_dir_all(to.parent().unwrap()).unwrap();
                fs::copy(from, to).unwrap();
            }
        }
        Some(Self(folder))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// Runs a script with these variables and nothing else of a CI server.
    fn run(&self, script: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Ran {
        let mut command = Command::new(self.path(script));
        command.args(arguments).current_dir(self.0.path()).stdin(Stdio::null());
        for name in
            ["GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT", "RUST_LOG", "AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_REGION"]
        {
            command.env_remove(name);
        }
        command.env("RUNNER", runner()).env("TARGET", "local").envs(variables.iter().copied());
        let output = command.output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Ran { code: output.status.code().unwrap_or(-1), stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

impl Drop for Checkout {
    fn drop(&mut self) {
        // After a failed test the local cloud still runs.
        let stop = ["local", "stop"];
        _ = Command::new(runner()).args(stop).current_dir(self.0.path()).stdin(Stdio::null()).output();
    }
}

#[test]
fn the_scripts_plan_apply_what_was_reviewed_and_tear_down() {
    let Some(checkout) = Checkout::new() else { return };
    let (summary, output) = (checkout.path("summary.md"), checkout.path("output"));
    let on_github = [("GITHUB_STEP_SUMMARY", summary.to_str().unwrap()), ("GITHUB_OUTPUT", output.to_str().unwrap())];

    checkout.run("ci/plan.sh", &[], &on_github).exits(2);
    assert_eq!(checkout.read("output"), "changes=true\n");
    let planned = checkout.read("plan/plan.md");
    assert!(planned.starts_with("#### Plan of `pipeline.yaml` for `local`: 17 to create, 2 to check."), "{planned}");
    assert_eq!(checkout.read("summary.md"), planned);

    let applied = checkout.run("ci/apply.sh", &[], &on_github).exits(0);
    answers(applied.url());
    assert!(checkout.read("summary.md").contains("#### `pipeline.yaml` on `local`: applied"));

    checkout.run("ci/plan.sh", &[], &on_github).exits(0);
    assert_eq!(checkout.read("output"), "changes=true\nchanges=false\n");
    assert!(checkout.read("plan/plan.md").contains(": no changes"), "{}", checkout.read("plan/plan.md"));

    // What was reviewed is not what the file says by now.
    let file = checkout.read("pipeline.yaml");
    fs::write(checkout.path("pipeline.yaml"), file.replace("threshold: 0.5", "threshold: 0.6")).unwrap();
    let refused = checkout.run("ci/apply.sh", &[], &on_github).exits(6);
    assert!(refused.stderr.contains("nothing was changed"), "{}", refused.stderr);
    let planned = checkout.run("ci/plan.sh", &[], &[("OUT", "second")]).exits(2);
    assert!(planned.stdout.contains("threshold") && planned.stdout.contains("1 to update"), "{}", planned.stdout);
    checkout.run("ci/apply.sh", &[], &[("PLAN", "second/plan.json")]).exits(0);
    checkout.run("ci/plan.sh", &[], &[]).exits(0);
    let report = checkout.run("ci/gitlab-report.sh", &["second/plan.json"], &[]).exits(0).json();
    assert_eq!(report, json!({ "create": 0, "update": 1, "delete": 0 }));

    let preview = checkout.run("ci/preview.sh", &["pr-7"], &[]).exits(0);
    assert_eq!(preview.stdout, "pipeline.preview.yaml\n");
    let planned = checkout.run("ci/plan.sh", &["pipeline.preview.yaml"], &[("OUT", "preview")]).exits(2);
    assert!(planned.stdout.contains("fraud-detection-pr-7-proxy"), "{}", planned.stdout);
    checkout.run("ci/teardown.sh", &["pipeline.preview.yaml"], &[]).exits(0);
    checkout.run("ci/plan.sh", &[], &[]).exits(0);

    let refused = checkout.run("ci/teardown.sh", &[], &[("CONFIRM", "fraud")]).exits(64);
    assert!(refused.stderr.contains("nothing was deleted: the pipeline is `fraud-detection`"), "{}", refused.stderr);
    checkout.run("ci/plan.sh", &[], &[]).exits(0);
    checkout.run("ci/teardown.sh", &[], &[("CONFIRM", "fraud-detection")]).exits(0);
    checkout.run("ci/teardown.sh", &[], &[]).exits(0);
    checkout.run("ci/plan.sh", &[], &[]).exits(2);
}

#[test]
fn what_fails_says_so_and_leaves_no_plan() {
    let Some(checkout) = Checkout::new() else { return };
    fs::create_dir(checkout.path("plan")).unwrap();
    fs::write(checkout.path("plan/plan.json"), "of an earlier run").unwrap();
    let file = checkout.read("pipeline.yaml");
    fs::write(checkout.path("pipeline.yaml"), file.replace("threshold: 0.5", "threshold: 5")).unwrap();
    let failed = checkout.run("ci/plan.sh", &[], &[]).exits(64);
    assert!(failed.stderr.contains("threshold"), "{}", failed.stderr);
    let written = checkout.read("plan/plan.md");
    assert!(written.contains("failed with exit code 64") && written.contains("threshold"), "{written}");
    assert!(!checkout.path("plan/plan.json").exists());
    checkout.run("ci/apply.sh", &[], &[]).exits(64);
    checkout.run("ci/preview.sh", &["PR 7"], &[]).exits(64);
    fs::write(checkout.path("other.yaml"), "name: [a]\n").unwrap();
    checkout.run("ci/preview.sh", &["pr-7", "other.yaml"], &[]).exits(64);
    let absent = checkout.run("ci/plan.sh", &["absent.yaml"], &[("RUNNER", "/absent/runner")]);
    assert_eq!(absent.code, 127, "{}", absent.stderr);
}

#[test]
fn a_pull_request_has_one_comment_that_is_updated() {
    let Some(checkout) = Checkout::new() else { return };
    let github = GitHub::new();
    // The first page is full of what others wrote.
    for n in 0..100 {
        github.comment(&format!("looks good {n}"));
    }
    let variables = [("PULL_REQUEST", "7"), ("GITHUB_TOKEN", github::TOKEN), ("GITHUB_REPOSITORY", "acme/fraud")];
    let url = github.url();
    let variables = [&variables[..], &[("GITHUB_API_URL", &*url)]].concat();
    for text in ["the first plan: \"quoted\", `code` and \\\n", "the second plan\n"] {
        fs::write(checkout.path("plan.md"), text).unwrap();
        checkout.run("ci/comment.sh", &["plan.md"], &variables).exits(0);
        let comments = github.comments();
        assert_eq!(comments.len(), 101);
        assert_eq!(comments.last().unwrap(), &format!("<!-- runner plan: prod -->\n{text}"));
    }
    let other = [&variables[..], &[("COMMENT_KEY", "staging")]].concat();
    fs::write(checkout.path("plan.md"), "ä".repeat(200_000)).unwrap();
    checkout.run("ci/comment.sh", &["plan.md"], &other).exits(0);
    let comments = github.comments();
    assert_eq!(comments.len(), 102);
    let long = comments.last().unwrap();
    assert!(long.chars().count() < 65_536 && long.contains("longer than a comment can be"), "{}", long.len());

    let stranger = [&variables[..], &[("GITHUB_TOKEN", "another")]].concat();
    let refused = checkout.run("ci/comment.sh", &["plan.md"], &stranger);
    assert_ne!(refused.code, 0);
    assert!(refused.stderr.contains("401"), "{}", refused.stderr);
}

#[test]
fn the_plan_of_the_merged_pull_request_is_found() {
    let Some(checkout) = Checkout::new() else { return };
    let github = GitHub::new();
    let url = github.url();
    let fetch = |sha: &str| {
        let variables = [
            ("GITHUB_TOKEN", github::TOKEN),
            ("GITHUB_REPOSITORY", "acme/fraud"),
            ("GITHUB_API_URL", &*url),
            ("GITHUB_SHA", sha),
        ];
        checkout.run("ci/reviewed-plan.sh", &[], &variables)
    };
    let direct = fetch("direct").exits(0);
    assert!(direct.stderr.contains("no pull request was merged as direct"), "{}", direct.stderr);
    let expired = fetch("old").exits(0);
    assert!(expired.stderr.contains("pull request 6 has no artifact `plan`"), "{}", expired.stderr);
    assert!(!checkout.path("reviewed").exists());
    fetch("merged").exits(0);
    assert_eq!(checkout.read("reviewed/plan.json"), github::REVIEWED);
}

/// Runs a linter; its exit code and what it said.
fn judged(program: &Path, folder: &Path, arguments: &[&str]) -> (bool, String) {
    let path = format!("{}:/usr/bin:/bin", program.parent().unwrap().display());
    let mut command = Command::new(program);
    command.args(arguments).current_dir(folder).env("PATH", path).env_remove("GITHUB_ACTIONS");
    let output = command.stdin(Stdio::null()).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

#[test]
fn linters_accept_workflows_pipelines_and_scripts() {
    let python = peers::python("ci-lint", LINTERS);
    let python = python.inspect_err(|why| peers::missing("THE CI JOB'S FILES WERE NOT JUDGED", why));
    let (Ok(python), Some(checkout)) = (python, Checkout::new()) else { return };
    let workflows = ".github/workflows";
    fs::copy(checkout.path("ci/github-deploy.yml"), checkout.path(".github/workflows/deploy.yml")).unwrap();
    // actionlint knows a repository by this folder.
    fs::create_dir_all(checkout.path(".git")).unwrap();
    let folder = checkout.path("");
    let run = |program: &str, arguments: &[&str]| judged(&python.with_file_name(program), &folder, arguments);

    let scripts: Vec<_> = fs::read_dir(checkout.path("ci")).unwrap().map(|entry| entry.unwrap().path()).collect();
    let scripts = scripts.iter().filter(|path| path.extension().is_some_and(|it| it == "sh"));
    let scripts: Vec<_> = scripts.map(|path| path.to_str().unwrap()).collect();
    assert!(scripts.len() > 5, "{scripts:?}");
    for (program, arguments) in [
        ("actionlint", vec![]),
        ("zizmor", vec!["--offline", "--no-progress", workflows]),
        ("check-jsonschema", vec!["--builtin-schema", "vendor.gitlab-ci", "ci/gitlab-ci.yml"]),
        ("shellcheck", scripts),
    ] {
        let (accepted, said) = run(program, &arguments);
        assert!(accepted, "{program}:\n{said}");
    }

    // Each of them sees what is wrong.
    let workflow = checkout.read(".github/workflows/deploy.yml");
    let broken = workflow.replace("needs: plan\n", "needs: plans\n");
    fs::write(checkout.path(".github/workflows/deploy.yml"), broken).unwrap();
    assert!(run("actionlint", &[]).1.contains("plans"));
    let tagged = workflow.replace("actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1", "actions/checkout@v7");
    fs::write(checkout.path(".github/workflows/deploy.yml"), tagged).unwrap();
    assert!(!run("zizmor", &["--offline", "--no-progress", workflows]).0);
}

#[test]
fn the_oldest_rust_of_the_workflow_is_the_one_that_the_workspace_names() {
    let cargo = fs::read_to_string(workspace().join("Cargo.toml")).unwrap();
    let version = cargo.lines().find_map(|line| line.strip_prefix("rust-version = \"")).unwrap().trim_end_matches('"');
    let workflow = fs::read_to_string(workspace().join(".github/workflows/ci.yml")).unwrap();
    assert!(workflow.contains(&format!("rustup toolchain install {version} ")), "{version}");
}
