//! The vocabulary of description: what is true, or should be, of one resource.

use serde_json::Value as Json;

use crate::id::{Output, OutputRef, ResourceId};

/// What a change of a fact means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// The resource is replaced: deleted, then created.
    Fixed,
    /// The resource is updated in place.
    Field,
    /// Nothing: it is never compared. It says how a change of another fact is made, and is shown beside that.
    Told {
        /// The other fact.
        of: &'static str,
    },
}

impl Rule {
    /// Whether the fact is held against what is.
    pub(crate) fn compares(self) -> bool {
        matches!(self, Self::Fixed | Self::Field)
    }
}

/// A value in a description.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Known now.
    Known(Json),
    /// Brought forth by another resource, and so an edge. Known now when `known` holds it.
    Output {
        /// Whose.
        output: OutputRef,
        /// The value, where the name alone decides it.
        known: Option<Json>,
    },
}

impl<T> Output<T> {
    /// The output with a value that is certain before the resource exists, such as a name derived from content.
    pub fn known(&self, value: impl Into<Json>) -> Value {
        Value::Output { output: self.reference(), known: Some(value.into()) }
    }
}

impl<T> From<&Output<T>> for Value {
    fn from(output: &Output<T>) -> Self {
        Self::Output { output: output.reference(), known: None }
    }
}

impl<T: Into<Json>> From<T> for Value {
    fn from(value: T) -> Self {
        Self::Known(value.into())
    }
}

/// One thing that is true, or should be.
#[derive(Clone, Debug, PartialEq)]
pub struct Fact {
    /// In the words of the resource's kind, units last: `memory_mb`.
    pub name: &'static str,
    /// An object is compared key by key, so a key too many is a difference.
    pub value: Value,
    /// What a change of it means.
    pub rule: Rule,
}

/// A description: facts in the order in which a person reads them. What is not mentioned is not compared.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts(Vec<Fact>);

impl Facts {
    /// Adds a fact whose change replaces the resource, also when what it mentions is about to be made anew.
    #[must_use]
    pub fn fixed(self, name: &'static str, value: impl Into<Value>) -> Self {
        self.with(name, value.into(), Rule::Fixed)
    }

    /// Adds a fact whose change updates the resource in place.
    #[must_use]
    pub fn field(self, name: &'static str, value: impl Into<Value>) -> Self {
        self.with(name, value.into(), Rule::Field)
    }

    /// Adds words on how a change of the fact `of` is made, for the plan alone.
    #[must_use]
    pub fn told(self, of: &'static str, name: &'static str, words: impl Into<Value>) -> Self {
        self.with(name, words.into(), Rule::Told { of })
    }

    /// Adds the facts of another description behind these.
    #[must_use]
    pub fn and(mut self, others: Self) -> Self {
        self.0.extend(others.0);
        self
    }

    /// All facts, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Fact> {
        self.0.iter()
    }

    /// The fact of that name.
    pub fn get(&self, name: &str) -> Option<&Fact> {
        self.0.iter().find(|fact| fact.name == name)
    }

    /// The resources whose outputs are mentioned.
    pub fn mentions(&self) -> impl Iterator<Item = &ResourceId> {
        self.0.iter().filter_map(|fact| match &fact.value {
            Value::Output { output, .. } => Some(&output.of),
            Value::Known(_) => None,
        })
    }

    fn with(mut self, name: &'static str, value: Value, rule: Rule) -> Self {
        self.0.push(Fact { name, value, rule });
        self
    }
}
