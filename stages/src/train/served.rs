//! A model file from elsewhere, as it can be served.

use model::Model;

use crate::inputs::{Dialect, with_sources};

/// A model that was read completely, and its file as the container is to read it.
pub(crate) struct Served {
    pub(crate) model: Model,
    pub(crate) bytes: Vec<u8>,
    /// Why the bytes are not those that were brought; none when they are.
    pub(crate) rewritten: Option<String>,
}

/// Why a model file cannot be served.
pub(crate) struct Refusal {
    pub(crate) why: String,
    /// Whether the key `features` of pipeline.yaml is what should change.
    pub(crate) about_features: bool,
}

/// Reads a model file or an archive with one, and rewrites what the given `XGBoost` release would misread.
pub(crate) fn served(file: &[u8], features: &[String], release: Dialect) -> Result<Served, Refusal> {
    let refuse = |error: &dyn std::error::Error| Refusal { why: with_sources(error), about_features: false };
    let bytes = model::archive::model_bytes(file).map_err(|error| refuse(&error))?.into_owned();
    let model = Model::read(&bytes).map_err(|error| refuse(&error))?;
    if model.features() != features.len() {
        let why = format!("it has {} features, and {} are named", model.features(), features.len());
        return Err(Refusal { why, about_features: true });
    }
    let own = model.feature_names();
    if let Some((own, named)) = own.iter().zip(features).find(|(own, named)| own != named)
        && own_names_matter(model.feature_names())
    {
        let why = format!("it calls a feature `{own}` that is named `{named}` here; the order is the model's");
        return Err(Refusal { why, about_features: true });
    }
    let rewritten = release.and_then(|(major, minor)| {
        model.misread_by(major, minor).map(|it| format!("for XGBoost {major}.{minor}: {it}"))
    });
    let bytes = if rewritten.is_some() { model.to_json() } else { bytes };
    Ok(Served { model, bytes, rewritten })
}

/// Names such as `f0` and `0` are what tools give to columns that have none.
fn own_names_matter(names: &[String]) -> bool {
    names.iter().enumerate().any(|(index, name)| *name != format!("f{index}") && *name != index.to_string())
}
