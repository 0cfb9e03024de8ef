//! What the items share: settings, programs, peers, data; each made once, when first asked for.

use std::cell::OnceCell;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::error::{BenchError, Doing as _, Result};
use crate::measure::{Job, last_line};
use crate::peers::{Node, Python};
use crate::scene::Scene;
use crate::worker::Counted;

/// As many as the public card transactions are; 80 % of them, 228 thousand, are trained on.
const ROWS: u64 = 284_807;
/// Enough to see that the harness works.
const QUICK_ROWS: u64 = 20_000;

/// How to measure.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Small data and few repetitions: shows that the harness works, and nothing else.
    pub quick: bool,
    /// Which build of our programs.
    pub build: Build,
    /// Cargo's target directory; everything that the harness writes goes below.
    pub target: PathBuf,
    /// The harness's own executable.
    pub harness: PathBuf,
    /// Tells whoever waits what is being done.
    pub say: fn(&str),
}

/// A cargo profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Build {
    /// What users run.
    Release,
    /// To work on the harness: built sooner, and slow.
    Dev,
}

/// Our programs.
#[derive(Clone, Debug)]
pub(crate) struct Programs {
    pub(crate) runner: PathBuf,
    pub(crate) proxy: PathBuf,
}

/// Settings, and what was made so far.
#[derive(Debug)]
pub struct Setup {
    /// How to measure.
    pub settings: Settings,
    programs: Once<Programs>,
    training: Once<Python>,
    serving: Once<Python>,
    functions: Once<Python>,
    node: Once<Node>,
    csv: Once<PathBuf>,
    model: Once<PathBuf>,
    rows: Once<PathBuf>,
    scene: Once<Scene>,
}

/// A failure is kept as well: a peer that cannot be installed is not tried again.
type Once<T> = OnceCell<std::result::Result<T, String>>;

/// A data set that models are trained on.
#[derive(Clone, Debug)]
pub(crate) struct DataSet {
    pub(crate) name: String,
    pub(crate) csv: PathBuf,
}

impl Setup {
    /// Makes nothing yet.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            programs: OnceCell::new(),
            training: OnceCell::new(),
            serving: OnceCell::new(),
            functions: OnceCell::new(),
            node: OnceCell::new(),
            csv: OnceCell::new(),
            model: OnceCell::new(),
            rows: OnceCell::new(),
            scene: OnceCell::new(),
        }
    }

    /// The workspace's root.
    pub fn workspace() -> &'static Path {
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
    }

    /// The number of repetitions, or one in a quick run.
    pub(crate) fn rounds(&self, rounds: usize) -> usize {
        if self.settings.quick { 1 } else { rounds }
    }

    /// Tells whoever waits what is being done.
    pub(crate) fn say(&self, what: impl AsRef<str>) {
        (self.settings.say)(what.as_ref());
    }

    /// An empty folder for one item's files.
    pub(crate) fn folder(&self, name: &str) -> Result<PathBuf> {
        let folder = self.settings.target.join("bench").join(name);
        if folder.exists() {
            fs::remove_dir_all(&folder).doing(format!("could not empty `{}`", folder.display()))?;
        }
        fs::create_dir_all(&folder).doing(format!("could not create `{}`", folder.display()))?;
        Ok(folder)
    }

    /// A piece of work in a process of its own.
    pub(crate) fn worker(&self, name: &str) -> Job {
        Job::new(&self.settings.harness).args(["worker", name])
    }

    /// Runner and proxy.
    pub(crate) fn programs(&self) -> Result<&Programs> {
        once(&self.programs, || {
            self.say("building runner and lambda-proxy");
            build(self.settings.build)
        })
    }

    /// Python with XGBoost and the quickest readers of CSV.
    pub(crate) fn training(&self) -> Result<&Python> {
        once(&self.training, || Python::install(self, "train", include_str!("../peers/train.txt")))
    }

    /// Python with what AWS's container serves with.
    pub(crate) fn serving(&self) -> Result<&Python> {
        once(&self.serving, || Python::install(self, "serve", include_str!("../peers/serve.txt")))
    }

    /// Python with boto3.
    pub(crate) fn functions(&self) -> Result<&Python> {
        once(&self.functions, || Python::install(self, "proxy", include_str!("../peers/proxy.txt")))
    }

    /// Node with AWS CDK.
    pub(crate) fn node(&self) -> Result<&Node> {
        once(&self.node, || Node::install(self))
    }

    /// Generated card transactions as CSV, as many as the public set has.
    pub(crate) fn csv(&self) -> Result<&Path> {
        let made = once(&self.csv, || {
            self.say("generating rows");
            let csv = self.folder("generated")?.join("rows.csv");
            let rows = if self.settings.quick { QUICK_ROWS } else { ROWS };
            self.worker("generate")
                .args(["--rows", &rows.to_string()])
                .arg("--csv")
                .arg(&csv)
                .run(&self.settings.harness)?;
            Ok(csv)
        });
        made.map(PathBuf::as_path)
    }

    /// The generated rows, and those of the public set that lie beside the checkout, if any do.
    pub(crate) fn data_sets(&self) -> Result<Vec<DataSet>> {
        let mut sets = vec![self.data_set("generated", self.csv()?)?];
        let mut beside = Self::workspace().ancestors().map(|it| it.join("shared/data/creditcard.csv.gz"));
        if let Some(csv) = beside.find(|it| it.exists()) {
            sets.push(self.data_set("public", &csv)?);
        }
        Ok(sets)
    }

    /// The file may hold a part of the set, so its rows are counted.
    fn data_set(&self, name: &str, csv: &Path) -> Result<DataSet> {
        let counted = self.worker("count").arg("--csv").arg(csv).run(&self.settings.harness)?.stdout;
        let Counted { rows, positives } =
            serde_json::from_str(&counted).doing("could not read how many rows there are")?;
        let gzip = if csv.extension().is_some_and(|it| it == "gz") { "gzip, " } else { "" };
        Ok(DataSet { name: format!("{name}, {gzip}{rows} rows, {positives} positive"), csv: csv.to_owned() })
    }

    /// What [`Setup::data_sets`] lacks, as a sentence.
    pub(crate) fn missing_data(sets: &[DataSet]) -> Option<String> {
        let missing =
            "Public card transactions were not measured: no `shared/data/creditcard.csv.gz` lies beside the checkout.";
        (sets.len() < 2).then(|| missing.to_owned())
    }

    /// A model of 100 trees, trained by us on the generated rows.
    pub(crate) fn model(&self) -> Result<&Path> {
        let made = once(&self.model, || {
            let csv = self.csv()?;
            self.say("training the model to score with");
            let model = self.folder("model")?.join("xgboost-model");
            let job = self.worker("train").args(["--trees", "100"]).arg("--csv").arg(csv).arg("--model").arg(&model);
            job.run(&self.settings.harness)?;
            Ok(model)
        });
        made.map(PathBuf::as_path)
    }

    /// The generated rows as a row file.
    pub(crate) fn rows(&self) -> Result<&Path> {
        let made = once(&self.rows, || {
            let folder = self.folder("rows")?;
            let job = self.worker("folds").args(["--folds", "1"]).arg("--csv").arg(self.csv()?);
            job.arg("--folder").arg(&folder).run(&self.settings.harness)?;
            Ok(folder.join("fold-0"))
        });
        made.map(PathBuf::as_path)
    }

    /// The repository's own pipeline, applied to a local cloud.
    pub(crate) fn scene(&self) -> Result<&Scene> {
        once(&self.scene, || Scene::apply(self))
    }
}

fn once<T>(cell: &Once<T>, make: impl FnOnce() -> Result<T>) -> Result<&T> {
    cell.get_or_init(|| make().map_err(|error| error.line())).as_ref().map_err(BenchError::new)
}

/// Both programs in one call, so that they share their dependencies.
fn build(build: Build) -> Result<Programs> {
    let mut command = Command::new(env!("CARGO"));
    command.current_dir(Setup::workspace()).args([
        "build",
        "--locked",
        "--package",
        "runner",
        "--package",
        "lambda-proxy",
    ]);
    command.args(["--message-format", "json-render-diagnostics"]).stdin(Stdio::null());
    if build == Build::Release {
        command.arg("--release");
    }
    let output = command.output().doing("could not start `cargo`")?;
    if !output.status.success() {
        return Err(BenchError::new(format!("could not build our programs: {}", last_line(&output.stderr))));
    }
    let printed = String::from_utf8_lossy(&output.stdout);
    let messages = printed.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let executables: Vec<PathBuf> = messages.filter_map(|it| it["executable"].as_str().map(PathBuf::from)).collect();
    let find = |name: &str| {
        let found = executables.iter().find(|path| path.file_stem().is_some_and(|stem| stem == name));
        found.cloned().ok_or_else(|| BenchError::new(format!("cargo built no `{name}`")))
    };
    Ok(Programs { runner: find("runner")?, proxy: find("lambda-proxy")? })
}
