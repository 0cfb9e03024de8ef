//! A model file from elsewhere, as it can be served.

use model::Model;

use crate::inputs::{Dialect, with_sources};

/// What is left out of a file, and why it is written anew.
const NOT_COUNTED: &str = "without the trees after the best iteration";

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

impl Served {
    /// Says which trees serve, where `XGBoost` stopped early, and why the file is rewritten.
    pub(crate) fn remarks(&self) -> Vec<String> {
        let stop = self.model.early_stop().map(|stop| format!("the trees that serve are {stop}"));
        stop.into_iter().chain(self.rewritten.iter().map(|why| format!("the model is rewritten {why}"))).collect()
    }
}

/// Reads a model file or an archive with one, and rewrites what the given `XGBoost` release would misread.
///
/// Trees that do not count are left out for every release and for our own server, so that no reader can take them.
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
    let left_out = model.early_stop().map(|_| NOT_COUNTED.to_owned());
    let misread = release.and_then(|(major, minor)| {
        model.misread_by(major, minor).map(|it| format!("for XGBoost {major}.{minor}: {it}"))
    });
    let reasons: Vec<String> = left_out.into_iter().chain(misread).collect();
    let rewritten = (!reasons.is_empty()).then(|| reasons.join("; "));
    let bytes = if rewritten.is_some() { model.to_json() } else { bytes };
    Ok(Served { model, bytes, rewritten })
}

/// Names such as `f0` and `0` are what tools give to columns that have none.
fn own_names_matter(names: &[String]) -> bool {
    names.iter().enumerate().any(|(index, name)| *name != format!("f{index}") && *name != index.to_string())
}

#[cfg(test)]
mod tests {
    use model::Tree;

    use super::*;

    /// Three trees, of which the first two count.
    fn stopped_early() -> Vec<u8> {
        let trees = [1.0, 2.0, 4.0].map(|value| Tree::constant(value).unwrap());
        let json = Model::boosted(&["a".to_owned()], 0.0, trees.to_vec()).unwrap().to_json();
        let attributes = r#""attributes":{"best_iteration":"1"}"#;
        String::from_utf8(json).unwrap().replace(r#""attributes":{}"#, attributes).into_bytes()
    }

    #[test]
    fn trees_after_the_best_iteration_are_left_out_for_every_container() {
        let file = stopped_early();
        for release in [None, Some((1, 3)), Some((1, 5)), Some((1, 7)), Some((3, 0)), Some((3, 2))] {
            let Ok(served) = served(&file, &["a".to_owned()], release) else { panic!("it is refused for {release:?}") };
            let packed = Model::read(&served.bytes).unwrap();
            assert_eq!((packed.trees().len(), packed.early_stop(), packed.margin(&[0.0])), (2, None, 3.0));
            assert!(!String::from_utf8(served.bytes.clone()).unwrap().contains("best_iteration"));
            insta::allow_duplicates! {
                insta::assert_snapshot!(served.remarks().join("\n"), @"
                the trees that serve are 2 of 3 (best iteration 1)
                the model is rewritten without the trees after the best iteration
                ");
            }
        }
    }

    #[test]
    fn a_file_whose_trees_all_count_is_packed_as_it_is() {
        let file = Model::boosted(&["a".to_owned()], 0.0, vec![Tree::constant(1.0).unwrap()]).unwrap().to_json();
        for release in [None, Some((1, 3)), Some((3, 2))] {
            let Ok(served) = served(&file, &["a".to_owned()], release) else { panic!("it is refused for {release:?}") };
            assert_eq!((served.remarks(), served.bytes == file), (vec![], true));
        }
    }
}
