//! JSON text to [`Value`].

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use crate::error::ModelError;
use crate::value::{Budget, ListBuilder, TOO_MANY_VALUES, Value};

/// Parses a whole text; `serde_json` itself refuses nesting beyond 128 levels.
///
/// `XGBoost` writes numbers that are none as `NaN` and `Infinity`, which JSON lacks: for one as the threshold of every
/// split by category.
pub(crate) fn parse(text: &[u8]) -> Result<Value, ModelError> {
    parse_strictly(text, &Value::Null).or_else(|error| {
        let Some(text) = with_null_for_nan(text) else { return Err(error) };
        parse_strictly(&text, &Value::Number(f64::NAN)).map_err(|_| error)
    })
}

fn parse_strictly(text: &[u8], null: &Value) -> Result<Value, ModelError> {
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let value = Parser { budget: &Budget::new(), null }.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(value)
}

/// Replaces `XGBoost`'s own words for numbers, where they are no part of a text; nothing if there are none.
fn with_null_for_nan(text: &[u8]) -> Option<Vec<u8>> {
    const WORDS: [&[u8]; 3] = [b"NaN", b"Infinity", b"-Infinity"];
    let mut replaced = Vec::with_capacity(text.len());
    let (mut found, mut in_text, mut rest) = (false, false, text);
    while let [byte, after @ ..] = rest {
        if let Some(word) = WORDS.into_iter().find(|word| !in_text && rest.starts_with(word)) {
            replaced.extend_from_slice(b"null");
            rest = &rest[word.len()..];
            found = true;
            continue;
        }
        if in_text && *byte == b'\\' && !after.is_empty() {
            replaced.extend_from_slice(&rest[..2]);
            rest = &rest[2..];
            continue;
        }
        in_text ^= *byte == b'"';
        replaced.push(*byte);
        rest = after;
    }
    found.then_some(replaced)
}

#[derive(Clone, Copy)]
struct Parser<'a> {
    budget: &'a Budget,
    /// What `null` stands for.
    null: &'a Value,
}

impl<'de> DeserializeSeed<'de> for Parser<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Parser<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(self.null.clone())
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value as f64))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value as f64))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Number(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        let mut list = ListBuilder::new();
        while let Some(value) = elements.next_element_seed(self)? {
            list.push(value, self.budget).ok_or_else(|| A::Error::custom(TOO_MANY_VALUES))?;
        }
        Ok(list.finish())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = BTreeMap::new();
        while let Some(name) = members.next_key()? {
            self.budget.spend(1).ok_or_else(|| A::Error::custom(TOO_MANY_VALUES))?;
            object.insert(name, members.next_value_seed(self)?);
        }
        Ok(Value::Object(object))
    }
}
