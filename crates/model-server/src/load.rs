//! Finds and reads the one model file.

use std::fs;
use std::path::{Path, PathBuf};

use model::Model;

use crate::ServeError;

/// Loads the only file of `dir` whose name does not start with a dot; directories do not count, as in the container.
pub(crate) fn load(dir: &Path) -> Result<(PathBuf, Model), ServeError> {
    let path = dir.join(only_file(dir)?);
    let bytes = fs::read(&path).map_err(|source| ServeError::ModelFile { path: path.clone(), source })?;
    let model =
        Model::read(&bytes).map_err(|source| ServeError::Model { path: path.clone(), source: source.into() })?;
    Ok((path, model))
}

fn only_file(dir: &Path) -> Result<String, ServeError> {
    let unreadable = |source| ServeError::ModelDir { dir: dir.to_owned(), source };
    let mut names = Vec::new();
    for entry in fs::read_dir(dir).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        // Through `fs::metadata`, because the platform may link to the model.
        if !fs::metadata(entry.path()).map_err(unreadable)?.is_file() {
            continue;
        }
        if name.starts_with('.') {
            tracing::warn!(name, "ignored a file whose name starts with a dot");
        } else {
            names.push(name);
        }
    }
    names.sort();
    match names.len() {
        0 => Err(ServeError::NoModel { dir: dir.to_owned() }),
        1 => Ok(names.swap_remove(0)),
        _ => Err(ServeError::SeveralModels { dir: dir.to_owned(), names }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dir_with(names: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for name in names {
            fs::write(dir.path().join(name), "no model").unwrap();
        }
        dir
    }

    #[test]
    fn dot_files_and_directories_do_not_count() {
        let dir = dir_with(&["._xgboost-model", "._.", "xgboost-model"]);
        fs::create_dir(dir.path().join("code")).unwrap();
        assert_eq!(only_file(dir.path()).unwrap(), "xgboost-model");
    }

    #[test]
    fn none_and_several_are_refused_with_the_reason() {
        let none = only_file(dir_with(&[".hidden"]).path()).unwrap_err().to_string();
        assert!(none.contains("holds no model file"), "{none}");
        let several = only_file(dir_with(&["b", "a"]).path()).unwrap_err().to_string();
        assert!(several.contains("holds 2 files (a, b), but ensembles are not supported"), "{several}");
    }

    #[test]
    fn a_missing_directory_and_a_broken_file_name_their_path() {
        let gone = load(Path::new("/nonexistent/model")).unwrap_err().to_string();
        assert_eq!(gone, "could not read model directory `/nonexistent/model`");
        let dir = dir_with(&["xgboost-model"]);
        let broken = load(dir.path()).unwrap_err();
        assert_eq!(broken.to_string(), format!("could not load model file `{}/xgboost-model`", dir.path().display()));
        assert!(std::error::Error::source(&broken).is_some());
    }
}
