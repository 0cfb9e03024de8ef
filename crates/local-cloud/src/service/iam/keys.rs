//! The condition keys of a request: those that have a value, and those that are known to have none.

use std::collections::BTreeMap;

/// Tags by key, as condition keys see them.
pub type Tags = BTreeMap<String, String>;

/// The condition keys that somebody supplied. Keys of tags are known as a whole or not at all: only then is one that is
/// missing known to be absent.
#[derive(Clone, Debug, Default)]
pub struct Keys {
    values: Vec<(String, String)>,
    absent: Vec<String>,
    request_tags: Option<Tags>,
    resource_tags: Option<Tags>,
}

/// What is known of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Known<'a> {
    /// It has these values.
    Values(Vec<&'a str>),
    /// The request has no such key.
    Absent,
    /// Nobody said.
    Unknown,
}

impl Keys {
    /// Adds a key with one value. The case of a key makes no difference.
    pub fn put(&mut self, key: impl Into<String>, value: impl Into<String>) {
        self.values.push((key.into(), value.into()));
    }

    /// Says that the request has no such key.
    pub fn put_absent(&mut self, key: impl Into<String>) {
        self.absent.push(key.into());
    }

    /// Says which tags the request would put: `aws:RequestTag/…` and `aws:TagKeys`.
    pub fn put_request_tags(&mut self, tags: Tags) {
        self.request_tags = Some(tags);
    }

    /// Says which tags the resource bears: `aws:ResourceTag/…`.
    pub fn put_resource_tags(&mut self, tags: Tags) {
        self.resource_tags = Some(tags);
    }

    /// What is known of a key.
    pub(super) fn get(&self, key: &str) -> Known<'_> {
        let lower = key.to_ascii_lowercase();
        for (prefix, tags) in [("aws:requesttag/", &self.request_tags), ("aws:resourcetag/", &self.resource_tags)] {
            if !lower.starts_with(prefix) {
                continue;
            }
            let Some(tags) = tags else { return Known::Unknown };
            // The tag's own key keeps its case.
            return tags.get(&key[prefix.len()..]).map_or(Known::Absent, |value| Known::Values(vec![value]));
        }
        if lower == "aws:tagkeys" {
            return match &self.request_tags {
                Some(tags) if tags.is_empty() => Known::Absent,
                Some(tags) => Known::Values(tags.keys().map(String::as_str).collect()),
                None => Known::Unknown,
            };
        }
        let named = self.values.iter().filter(|(name, _)| name.eq_ignore_ascii_case(key));
        let values: Vec<&str> = named.map(|(_, value)| value.as_str()).collect();
        if !values.is_empty() {
            return Known::Values(values);
        }
        let absent = self.absent.iter().any(|name| name.eq_ignore_ascii_case(key));
        if absent { Known::Absent } else { Known::Unknown }
    }
}

impl From<&[(&str, &str)]> for Keys {
    fn from(pairs: &[(&str, &str)]) -> Self {
        let values = pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Self { values, ..Self::default() }
    }
}
