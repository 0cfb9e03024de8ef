//! What documents name is there.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Folders that the table of ARCHITECTURE.md leaves out of names of files, by column.
const COLUMNS: [(usize, &str); 2] = [(1, "crates/local-cloud/src/service"), (2, "stages/src")];
/// Column of tests.
const TESTS: usize = 3;

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Cells of the table of what AWS does, without headings.
fn table(text: &str) -> Vec<Vec<&str>> {
    let section = text.split("\n## ").find(|section| section.starts_with("What AWS does")).unwrap();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
    let rows = rows.map(|row| row.split(" | ").collect::<Vec<_>>());
    rows.filter(|cells| cells.len() == 4 && !cells[0].starts_with("**")).skip(1).collect()
}

/// Words in backquotes.
fn quoted(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

/// Names of all functions below a folder.
fn functions(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            functions(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let names = text.split("fn ").skip(1).filter_map(|rest| rest.split('(').next());
            found.extend(names.map(str::to_owned));
        }
    }
}

#[test]
fn the_table_of_what_aws_does_names_files_and_tests_that_are_there() {
    let (root, mut tests) = (workspace(), BTreeSet::new());
    for folder in ["crates", "stages", "e2e", "runner", "lambda-proxy"] {
        functions(&root.join(folder), &mut tests);
    }
    let text = fs::read_to_string(root.join("ARCHITECTURE.md")).unwrap();
    let rows = table(&text);
    assert!(rows.len() >= 50, "{} rows", rows.len());
    let mut absent = vec![];
    for row in rows {
        for (column, folder) in COLUMNS {
            let files = quoted(row[column]).filter(|name| Path::new(name).extension().is_some_and(|it| it == "rs"));
            absent.extend(files.filter(|file| !root.join(folder).join(file).is_file()).map(str::to_owned));
        }
        let mut named = quoted(row[TESTS]).peekable();
        assert!(named.peek().is_some(), "no test holds: {}", row[0]);
        absent.extend(named.filter(|name| !tests.contains(*name)).map(str::to_owned));
    }
    assert_eq!(absent, Vec::<String>::new());
}
