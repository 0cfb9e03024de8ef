//! The tags are the state: what bears them is ours.

use std::collections::HashMap;

use crate::Names;

/// Says whose a resource is.
pub(crate) const PIPELINE: &str = "runner:pipeline";
const STAGE: &str = "runner:stage";
/// Says what it was made from.
pub(crate) const FINGERPRINT: &str = "runner:fingerprint";

/// The tags that a create call carries.
pub(crate) fn of(names: &Names, stage: &str) -> HashMap<String, String> {
    HashMap::from([(PIPELINE.to_owned(), names.pipeline.clone()), (STAGE.to_owned(), stage.to_owned())])
}

/// Says why a resource with these tags is not ours; none when it is.
pub(crate) fn foreign<'a>(names: &Names, tags: impl IntoIterator<Item = (&'a str, &'a str)>) -> Option<String> {
    match tags.into_iter().find(|(key, _)| *key == PIPELINE) {
        Some((_, owner)) if owner == names.pipeline => None,
        Some((_, owner)) => Some(format!("it bears `{PIPELINE}` = `{owner}`: it belongs to another pipeline")),
        None => Some(format!("it exists and does not bear the tag `{PIPELINE}`: it belongs to somebody else")),
    }
}
