//! moto's own tests, which run against the local cloud as another program would.
//!
//! The plugin of pytest that leads them there, and the list of the tests that fail, are in `e2e/moto`.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::harness::peer::python;
use crate::harness::{local_cloud, note};

/// The source distribution that carries the tests, at the version of `e2e/peers/moto.txt`.
const PACKAGE: &str = "moto==5.2.1";
/// The SHA-256 of its archive.
const SHA256: &str = "ccb2f3e1dfa82e50e054bda98b0be708d244d2668364dcc1d45e8d3de6091bde";
/// Folders of `tests/` with tests of operations that the local cloud offers.
const FOLDERS: [&str; 5] = ["test_s3", "test_iam", "test_sts", "test_logs", "test_cloudwatch"];
/// How many tests must pass that ask the local cloud something. Fewer mean that the plugin is broken.
const FLOOR: &str = "380";
/// How many tests run at the same time.
const WORKERS: &str = "2";

#[test]
fn tests_of_moto_fail_nowhere_but_where_the_list_has_a_reason() {
    let Some(python) = python() else { return };
    let root = match peers::source(&python, PACKAGE, SHA256) {
        Ok(root) => root,
        Err(why) => return peers::missing("NO TEST OF MOTO WAS RUN", &why),
    };
    let began = Instant::now();
    let plugin = Path::new(env!("CARGO_MANIFEST_DIR")).join("moto");
    let mut command = Command::new(&python);
    command.args(["-m", "pytest", "-p", "local_cloud", "--numprocesses", WORKERS, "--quiet", "--no-header"]);
    command.args(["-p", "no:cacheprovider", "--color", "no", "--tb", "no", "-r", "N"]);
    command.args(FOLDERS.map(|folder| format!("tests/{folder}"))).current_dir(&root).stdin(Stdio::null());
    command.env("PYTHONPATH", plugin).env("PYTHONDONTWRITEBYTECODE", "1").env("TEST_SERVER_MODE", "true");
    command.env("TESTS_SKIP_REQUIRES_DOCKER", "1");
    let output = command.env("LOCAL_CLOUD", local_cloud()).env("MOTO_FLOOR", FLOOR).output().unwrap();
    let (told, wrong) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{told}\n{wrong}");
    note(&format!("{}\n{:.1} s", told.lines().last().unwrap_or_default(), began.elapsed().as_secs_f64()));
}
