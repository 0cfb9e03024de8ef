//! JSON in which no object has a key twice.

use std::collections::HashSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

/// Why a text is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The text is not JSON.
    NotJson,
    /// An object has a key twice.
    Doubled,
}

/// Reads a JSON text.
pub(crate) fn parse(text: &str) -> Result<Value, Fault> {
    let value = serde_json::from_str(text).map_err(|_| Fault::NotJson)?;
    serde_json::from_str::<Unique>(text).map_err(|_| Fault::Doubled)?;
    Ok(value)
}

/// Any value whose objects have each key once.
struct Unique;

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Walk)
    }
}

struct Walk;

impl<'de> Visitor<'de> for Walk {
    type Value = Unique;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_str<E>(self, _: &str) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_unit<E>(self) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Unique, A::Error> {
        while items.next_element::<Unique>()?.is_some() {}
        Ok(Unique)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Unique, A::Error> {
        let mut keys = HashSet::new();
        while let Some(key) = entries.next_key::<String>()? {
            if !keys.insert(key) {
                entries.next_value::<IgnoredAny>()?;
                return Err(A::Error::custom("a key stands twice"));
            }
            entries.next_value::<Unique>()?;
        }
        Ok(Unique)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_stands_twice_is_seen_at_every_depth() {
        assert!(parse(r#"{"a": [1, -1, 1.5, true, null, "x", {"b": {}}], "b": {}}"#).is_ok());
        assert_eq!(parse(r#"{"a": 1, "a": 2}"#), Err(Fault::Doubled));
        assert_eq!(parse(r#"{"a": [{"b": {"c": 1, "c": 2}}]}"#), Err(Fault::Doubled));
        assert_eq!(parse(r#"{"a": 1, "a"}"#), Err(Fault::NotJson));
    }
}
