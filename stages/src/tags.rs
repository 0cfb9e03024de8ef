//! The tags are the state: what bears them is ours.

use std::collections::HashMap;

use plan::Observation;

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

/// Whose a thing is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// It bears our tag.
    Ours,
    /// It has gone meanwhile: there are no tags to look at.
    Gone,
    /// It does not; why it is taken for somebody else's.
    Other(String),
}

impl Owner {
    /// Whose a thing with these tags is; without tags it is gone.
    pub(crate) fn of<'a>(names: &Names, tags: Option<impl IntoIterator<Item = (&'a str, &'a str)>>) -> Self {
        match tags {
            None => Self::Gone,
            Some(tags) => foreign(names, tags).map_or(Self::Ours, Self::Other),
        }
    }

    pub(crate) fn is_ours(&self) -> bool {
        *self == Self::Ours
    }

    /// What is observed of a thing that is not ours; none when it is.
    pub(crate) fn observation(self) -> Option<Observation> {
        match self {
            Self::Ours => None,
            Self::Gone => Some(Observation::Absent),
            Self::Other(owner) => Some(Observation::Foreign { owner }),
        }
    }
}

/// Says why a resource with these tags is not ours; none when it is.
pub(crate) fn foreign<'a>(names: &Names, tags: impl IntoIterator<Item = (&'a str, &'a str)>) -> Option<String> {
    match tags.into_iter().find(|(key, _)| *key == PIPELINE) {
        Some((_, owner)) if owner == names.pipeline => None,
        Some((_, owner)) => Some(format!("it bears `{PIPELINE}` = `{owner}`: it belongs to another pipeline")),
        None => Some(format!("it exists and does not bear the tag `{PIPELINE}`: it belongs to somebody else")),
    }
}
