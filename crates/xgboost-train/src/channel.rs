//! A channel's files: CSV without a header, the label in the first column.

use std::fs;
use std::path::{Path, PathBuf};

use csv::ByteRecord;
use serde_json::{Map, Value};
use trainer::Table;

use crate::TrainFailure;

/// Folders below a channel that are looked into, as in the image.
const MAX_FOLDER_DEPTH: usize = 3;
/// Characters of a cell that a message shows.
const TEXT_SHOWN: usize = 40;

/// Checks the names and content types of `inputdataconfig.json`.
pub(crate) fn check(channels: &Map<String, Value>) -> Result<(), TrainFailure> {
    if !channels.contains_key("train") {
        return Err(TrainFailure::User("Missing required channel: train".to_owned()));
    }
    for (name, channel) in channels {
        if name != "train" && name != "validation" {
            return Err(TrainFailure::User(format!("Extraneous channel found: {name}")));
        }
        let given = channel.get("ContentType").and_then(Value::as_str).unwrap_or_default().to_lowercase();
        let (kind, parameters) = given.split_once(';').unwrap_or((&given, ""));
        let sizes = parameters.split(';').filter_map(|it| it.trim().strip_prefix("label_size="));
        match kind.trim() {
            "csv" | "text/csv" if sizes.clone().all(|size| size == "1") => {}
            "csv" | "text/csv" => {
                return Err(TrainFailure::User(format!(
                    "{given} is not an accepted csv ContentType. Optional parameter label_size must be equal to 1"
                )));
            }
            "" => {
                let what = format!("channel `{name}` without a ContentType, which means libsvm; it takes text/csv");
                return Err(TrainFailure::Unsupported(what));
            }
            other => {
                return Err(TrainFailure::Unsupported(format!("ContentType `{other}` of channel `{name}`")));
            }
        }
    }
    Ok(())
}

/// Reads every file below a folder, in the order of their paths. None when there is no row.
///
/// An empty cell is a missing value. Features are called `f0`, `f1`, …, as `XGBoost` calls columns without a name.
pub(crate) fn read(folder: &Path) -> Result<Option<Table>, TrainFailure> {
    let mut files = Vec::new();
    find(folder, MAX_FOLDER_DEPTH, &mut files)?;
    files.sort();
    let mut table = None;
    for file in files {
        read_file(&file, &mut table)?;
    }
    Ok(table)
}

/// Collects data files: those whose names begin with neither `.` nor `_`.
fn find(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<(), TrainFailure> {
    for entry in fs::read_dir(folder).map_err(TrainFailure::io(folder))? {
        let entry = entry.map_err(TrainFailure::io(folder))?;
        let path = entry.path();
        let is_hidden = entry.file_name().to_string_lossy().starts_with(['.', '_']);
        if path.is_dir() {
            let Some(depth) = depth.checked_sub(1) else {
                return Err(TrainFailure::User(format!("Folder depth exceed the limit: {MAX_FOLDER_DEPTH}.")));
            };
            find(&path, depth, files)?;
        } else if !is_hidden {
            files.push(path);
        }
    }
    Ok(())
}

fn read_file(path: &Path, table: &mut Option<Table>) -> Result<(), TrainFailure> {
    let wrong = |line: u64, what: &str| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        TrainFailure::User(format!("Failed to load csv data with exception:\nline {line} of file '{name}': {what}"))
    };
    let unreadable = |error: csv::Error| TrainFailure::io(path)(error.into());
    let mut rows = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_path(path).map_err(unreadable)?;
    let (mut record, mut values) = (ByteRecord::new(), Vec::new());
    while rows.read_byte_record(&mut record).map_err(unreadable)? {
        let line = record.position().map_or(0, csv::Position::line);
        let width = record.len() - 1;
        if width == 0 {
            return Err(wrong(line, "a row needs a label and a feature, separated by a comma"));
        }
        let table = table.get_or_insert_with(|| Table::new("label", (0..width).map(|n| format!("f{n}")).collect()));
        if table.features().len() != width {
            let text = format!("{width} features, where the first row has {}", table.features().len());
            return Err(wrong(line, &text));
        }
        values.clear();
        for cell in record.iter().skip(1) {
            values.push(number(cell).ok_or_else(|| wrong(line, &format!("'{}' is no number", shown(cell))))?);
        }
        let label = match record.get(0).and_then(number) {
            Some(0.0) => false,
            Some(1.0) => true,
            _ => {
                let cell = shown(record.get(0).unwrap_or_default());
                return Err(wrong(line, &format!("the label must be 0 or 1 for binary:logistic, not '{cell}'")));
            }
        };
        table.push(&values, label);
    }
    Ok(())
}

/// Reads a cell; an empty one is missing, which is NaN.
fn number(cell: &[u8]) -> Option<f32> {
    match cell.trim_ascii() {
        [] => Some(f32::NAN),
        cell => std::str::from_utf8(cell).ok()?.parse().ok(),
    }
}

fn shown(cell: &[u8]) -> String {
    String::from_utf8_lossy(cell).chars().take(TEXT_SHOWN).collect()
}
