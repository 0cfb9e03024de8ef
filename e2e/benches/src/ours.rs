//! The only module that names `trainer`: what of it is measured, and the rows that it makes.

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use model::Model;
use trainer::{Algorithm, GENERATED_FEATURES, GENERATED_LABEL, GradientBoosting, Options, Table};

use crate::error::{Doing as _, Result};
use crate::rows::{Rows, visit};

/// Version of the trainer and its engines.
pub(crate) const VERSION: &str = trainer::VERSION;

/// The label in both data sets.
pub(crate) const LABEL: &str = GENERATED_LABEL;

/// The features in both data sets.
pub(crate) fn features() -> Vec<String> {
    GENERATED_FEATURES.map(str::to_owned).to_vec()
}

/// Writes generated card transactions as CSV.
pub(crate) fn generate_csv(rows: u64, path: &Path) -> Result<()> {
    let table = trainer::generate(rows, 42).doing("could not generate rows")?;
    let file = File::create(path).doing(format!("could not create `{}`", path.display()))?;
    trainer::write_csv(&table, BufWriter::new(file)).doing(format!("could not write `{}`", path.display()))
}

/// Reads a CSV file, gzip or not.
pub(crate) fn read_csv(path: &Path) -> Result<Rows> {
    let table = read(path)?;
    let mut rows = Rows::new(table.features().len());
    for (index, label) in table.labels().iter().enumerate() {
        rows.push(&table.row(index), *label);
    }
    Ok(rows)
}

/// What the stage `train` does: reads, trains on 80 % of the rows, judges on the rest, writes model and evaluation.
pub(crate) fn train_csv(csv: &Path, trees: u32, model: &Path) -> Result<()> {
    let options = Options { algorithm: boosting(trees), ..Options::default() };
    let trained = trainer::train(read(csv)?, None, &options, &mut |_| {}).doing("could not train")?;
    std::fs::write(model, &trained.model_json).doing("could not write the model")?;
    let evaluation = serde_json::to_vec(&trained.evaluation).doing("could not write the evaluation")?;
    std::fs::write(model.with_extension("evaluation.json"), evaluation).doing("could not write the evaluation")
}

/// Row files as a table.
pub(crate) fn table(files: &[PathBuf]) -> Result<Table> {
    let mut table = None;
    for file in files {
        visit(file, |width, row, label| {
            let names = || (0..width).map(|it| format!("f{it}")).collect();
            table.get_or_insert_with(|| Table::new("label", names())).push(row, label);
        })?;
    }
    table.ok_or_else(|| crate::error::BenchError::new("the files hold no rows"))
}

/// Trains on all rows, and reads the model file back.
pub(crate) fn fit(table: Table, trees: u32) -> Result<Model> {
    let options = Options { algorithm: boosting(trees), ..Options::default() };
    // The trainer insists on rows to judge by; the judging is the harness's, so one of either class will do.
    let mut test = Table::new(table.label(), table.features().to_vec());
    for wanted in [false, true] {
        if let Some(row) = table.labels().iter().position(|label| *label == wanted) {
            test.push(&table.row(row), wanted);
        }
    }
    let trained = trainer::train(table, Some(test), &options, &mut |_| {}).doing("could not train")?;
    Model::read(&trained.model_json).doing("could not read the model back")
}

fn read(csv: &Path) -> Result<Table> {
    trainer::read(csv, LABEL, &features(), &mut |_| {}).doing("could not read the rows")
}

/// `XGBoost`'s defaults, which are the trainer's too.
fn boosting(trees: u32) -> Algorithm {
    Algorithm::GradientBoosting(GradientBoosting { trees, ..GradientBoosting::default() })
}
