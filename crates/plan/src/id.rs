//! Names for resources and for the values that they bring forth.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::{Deserialize, Serialize};

/// Names a resource within a pipeline: `<stage>/<slot>`, for example `create-role/proxy`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ResourceId(Cow<'static, str>);

impl ResourceId {
    /// Names a resource; the text before the slash is its stage.
    pub const fn new(id: &'static str) -> Self {
        Self(Cow::Borrowed(id))
    }

    /// The whole name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The stage that declares it.
    pub fn stage(&self) -> &str {
        self.0.split('/').next().unwrap_or(&self.0)
    }
}

impl fmt::Display for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A typed name for a value that is known once a resource exists.
#[derive(Debug)]
pub struct Output<T> {
    of: ResourceId,
    name: &'static str,
    kind: PhantomData<fn() -> T>,
}

impl<T> Output<T> {
    /// Names an output of a resource.
    pub const fn new(of: ResourceId, name: &'static str) -> Self {
        Self { of, name, kind: PhantomData }
    }

    /// The name without its type.
    pub fn reference(&self) -> OutputRef {
        OutputRef { of: self.of.clone(), name: Cow::Borrowed(self.name) }
    }

    /// The name that the resource uses for it.
    pub const fn name(&self) -> &'static str {
        self.name
    }
}

/// An [`Output`] without its type.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct OutputRef {
    /// The resource that brings it forth.
    pub of: ResourceId,
    /// What that resource calls it.
    pub name: Cow<'static, str>,
}

impl fmt::Display for OutputRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.of, self.name)
    }
}
