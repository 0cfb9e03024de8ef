//! What JSON and UBJSON have in common.

use std::cell::Cell;
use std::collections::BTreeMap;

use crate::error::ModelError;

/// A parsed value. Truth values are the numbers 0 and 1, since releases of `XGBoost` differ in which they write.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Null,
    Number(f64),
    Text(String),
    /// A list of numbers only: most of a model file, and so kept compact.
    Numbers(Vec<f64>),
    List(Vec<Value>),
    /// Of two members of one name the last one counts, as in `XGBoost`.
    Object(BTreeMap<String, Value>),
}

/// How many values a file may hold outside lists of numbers; a tree has some twenty.
const VALUES_LIMIT: usize = 4_000_000;

/// What a parser says when a [`Budget`] is used up.
pub(crate) const TOO_MANY_VALUES: &str = "more values than a model can have";

/// Counts values down while a file is parsed, since each takes far more memory than its one or two bytes in the file.
#[derive(Debug)]
pub(crate) struct Budget(Cell<usize>);

impl Budget {
    pub(crate) fn new() -> Self {
        Self(Cell::new(VALUES_LIMIT))
    }

    /// Takes off a number of values; nothing if fewer are left.
    pub(crate) fn spend(&self, values: usize) -> Option<()> {
        self.0.set(self.0.get().checked_sub(values)?);
        Some(())
    }
}

/// Gathers the elements of a list, compactly as long as they are numbers.
#[derive(Debug)]
pub(crate) enum ListBuilder {
    Numbers(Vec<f64>),
    List(Vec<Value>),
}

impl ListBuilder {
    pub(crate) fn new() -> Self {
        Self::Numbers(Vec::new())
    }

    /// Adds an element; nothing if the budget does not allow it.
    pub(crate) fn push(&mut self, value: Value, budget: &Budget) -> Option<()> {
        match (&mut *self, value) {
            (Self::Numbers(numbers), Value::Number(number)) => numbers.push(number),
            (Self::Numbers(numbers), value) => {
                budget.spend(numbers.len() + 1)?;
                let mut list = numbers.drain(..).map(Value::Number).collect::<Vec<_>>();
                list.push(value);
                *self = Self::List(list);
            }
            (Self::List(list), value) => {
                budget.spend(1)?;
                list.push(value);
            }
        }
        Some(())
    }

    pub(crate) fn finish(self) -> Value {
        match self {
            Self::Numbers(numbers) => Value::Numbers(numbers),
            Self::List(list) => Value::List(list),
        }
    }
}

/// A value together with its path, so that a complaint can say where.
#[derive(Clone, Debug)]
pub(crate) struct Place<'a> {
    value: &'a Value,
    path: String,
}

impl<'a> Place<'a> {
    /// Starts at the top of the file.
    pub(crate) fn top(value: &'a Value) -> Self {
        Self { value, path: String::new() }
    }

    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// Goes to a member that must be there.
    pub(crate) fn member(&self, name: &str) -> Result<Place<'a>, ModelError> {
        let path = self.path_of(name);
        self.optional(name)?.ok_or(ModelError::Missing { member: path })
    }

    /// Goes to a member that may be absent; one that is null counts as absent.
    pub(crate) fn optional(&self, name: &str) -> Result<Option<Place<'a>>, ModelError> {
        let Value::Object(members) = self.value else { return Err(self.wrong_type("an object")) };
        Ok(members
            .get(name)
            .filter(|value| **value != Value::Null)
            .map(|value| Place { value, path: self.path_of(name) }))
    }

    pub(crate) fn text(&self) -> Result<&'a str, ModelError> {
        match self.value {
            Value::Text(text) => Ok(text),
            _ => Err(self.wrong_type("a text")),
        }
    }

    /// Reads a count, which `XGBoost` writes as text.
    pub(crate) fn count(&self) -> Result<u64, ModelError> {
        let count = match self.value {
            Value::Text(text) => text.trim().parse().ok(),
            Value::Number(number) => whole(*number).and_then(|number| u64::try_from(number).ok()),
            _ => None,
        };
        count.ok_or_else(|| self.wrong_type("a count"))
    }

    /// Visits the elements of a list that holds no numbers, one place at a time to stay small.
    pub(crate) fn list(&self, expected: &'static str) -> Result<impl ExactSizeIterator<Item = Place<'a>>, ModelError> {
        let list: &'a [Value] = match self.value {
            Value::List(list) => list,
            Value::Numbers(numbers) if numbers.is_empty() => &[],
            _ => return Err(self.wrong_type(expected)),
        };
        let path = self.path.clone();
        Ok(list.iter().enumerate().map(move |(index, value)| Place { value, path: format!("{path}[{index}]") }))
    }

    pub(crate) fn texts(&self) -> Result<Vec<String>, ModelError> {
        let list = self.list("a list of texts")?;
        list.map(|place| place.text().map(str::to_owned)).collect()
    }

    /// Reads a list of f32; a list in which any element is no number is refused.
    pub(crate) fn floats(&self) -> Result<Vec<f32>, ModelError> {
        Ok(self.numbers()?.iter().map(|number| *number as f32).collect())
    }

    pub(crate) fn integers(&self) -> Result<Vec<i64>, ModelError> {
        let integers = self.numbers()?.iter().map(|number| whole(*number)).collect::<Option<_>>();
        integers.ok_or_else(|| self.wrong_type("a list of whole numbers"))
    }

    pub(crate) fn numbers(&self) -> Result<&'a [f64], ModelError> {
        match self.value {
            Value::Numbers(numbers) => Ok(numbers),
            _ => Err(self.wrong_type("a list of numbers")),
        }
    }

    pub(crate) fn wrong_type(&self, expected: &'static str) -> ModelError {
        let member = if self.path.is_empty() { "the file".to_owned() } else { self.path.clone() };
        ModelError::WrongType { member, expected }
    }

    fn path_of(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }
}

/// Converts a number without a fraction; beyond 2^53 an f64 no longer tells neighbours apart.
fn whole(number: f64) -> Option<i64> {
    const LIMIT: f64 = 9_007_199_254_740_992.0;
    (number.fract() == 0.0 && number.abs() <= LIMIT).then_some(number as i64)
}
