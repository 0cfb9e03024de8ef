//! Ways of writing a value that serde does not know by itself.

use std::fmt;
use std::marker::PhantomData;

use schemars::JsonSchema;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{DeserializeOwned, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// A block of keys, where an empty value is a block without any.
pub(crate) struct Block<T>(pub(crate) T);

impl<'de, T: DeserializeOwned + Default> Deserialize<'de> for Block<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(Option::deserialize(deserializer)?.unwrap_or_default()))
    }
}

/// Tells a key with an empty value from one that is not written.
pub(crate) fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// A short form and a long form. Unlike serde's untagged enums it keeps the reason and the path of an error.
#[derive(JsonSchema)]
#[schemars(untagged, inline, description = "A short form, or a block of keys.")]
pub(crate) enum TextOr<T> {
    Text(String),
    Block(T),
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for TextOr<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Forms<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Forms<T> {
            type Value = TextOr<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text or a block of keys")
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(TextOr::Text(text.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(TextOr::Block)
            }
        }

        deserializer.deserialize_any(Forms(PhantomData))
    }
}

/// One text, or a list of them.
#[derive(JsonSchema)]
#[schemars(untagged, inline, description = "One, or a list.")]
pub(crate) enum TextOrList {
    One(String),
    List(Vec<String>),
}

impl TextOrList {
    /// All of them.
    pub(crate) fn all(&self) -> &[String] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::List(list) => list,
        }
    }

    /// Where the one with this index stands, below the path of all.
    pub(crate) fn path(&self, path: &str, index: usize) -> String {
        match self {
            Self::One(_) => path.to_owned(),
            Self::List(_) => format!("{path}[{index}]"),
        }
    }
}

impl<'de> Deserialize<'de> for TextOrList {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Forms;

        impl<'de> Visitor<'de> for Forms {
            type Value = TextOrList;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text or a list of texts")
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(TextOrList::One(text.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(list)).map(TextOrList::List)
            }
        }

        deserializer.deserialize_any(Forms)
    }
}
