//! The JSON Schema of pipeline.yaml, and what it says about known keys.

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value};

use crate::raw::RawSpec;

/// The JSON Schema of pipeline.yaml, for editors. Draft 7, since that is what editors know best.
pub fn schema() -> Value {
    SchemaSettings::draft07().into_generator().into_root_schema_for::<RawSpec>().to_value()
}

/// The schema as a table of known keys, so that keys are listed in one place only.
pub(crate) struct Shapes {
    root: Value,
}

/// What is known about one key of a block.
pub(crate) enum Known<'a> {
    /// It exists, and its value looks like this.
    Key(&'a Value),
    /// It does not; these do.
    Not(Vec<&'a str>),
    /// No block is expected here, so that nothing is known about keys.
    Nothing,
}

impl Shapes {
    pub(crate) fn new() -> Self {
        Self { root: schema() }
    }

    /// What the whole file looks like.
    pub(crate) fn root(&self) -> &Value {
        &self.root
    }

    /// What is known about `key` in a block that looks like `shape`.
    pub(crate) fn key<'a>(&'a self, shape: &'a Value, key: &str) -> Known<'a> {
        let forms = self.forms(shape);
        let named = forms.iter().find_map(|form| form.get("properties")?.get(key));
        let other = || forms.iter().find_map(|form| form.get("additionalProperties").filter(|any| any.is_object()));
        if let Some(shape) = named.or_else(other) {
            return Known::Key(shape);
        }
        if !forms.iter().any(|form| form.get("additionalProperties") == Some(&Value::Bool(false))) {
            return Known::Nothing;
        }
        let mut keys: Vec<_> = forms
            .iter()
            .filter_map(|form| form.get("properties")?.as_object())
            .flat_map(|properties| properties.keys().map(String::as_str))
            .collect();
        keys.sort_unstable();
        Known::Not(keys)
    }

    /// The items of a list that looks like `shape`.
    pub(crate) fn items<'a>(&'a self, shape: &'a Value) -> Option<&'a Value> {
        self.forms(shape).into_iter().find_map(|form| form.get("items"))
    }

    /// Every form that a value may take.
    fn forms<'a>(&'a self, shape: &'a Value) -> Vec<&'a Map<String, Value>> {
        let mut forms = Vec::new();
        let mut left = vec![shape];
        while let Some(shape) = left.pop() {
            let Some(shape) = shape.as_object() else { continue };
            let definition =
                shape.get("$ref").and_then(Value::as_str).and_then(|path| self.root.pointer(path.strip_prefix('#')?));
            left.extend(definition);
            for combination in ["anyOf", "oneOf", "allOf"] {
                left.extend(shape.get(combination).and_then(Value::as_array).into_iter().flatten());
            }
            forms.push(shape);
        }
        forms
    }
}
