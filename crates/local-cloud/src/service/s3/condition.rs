//! Conditions of requests: entity tags and times that must hold of an object, or must not.
//!
//! Precedence as in RFC 9110: entity tags beat times, and a time in the future says nothing.

use http::{HeaderMap, HeaderValue};
use s3s::dto::{ETagCondition, Timestamp};
use s3s::{S3Error, S3Result};

use super::error::with_headers;
use super::index::{Content, Version, wire_time};
use super::refuse;
use crate::call::Refusal;

/// What must hold of the present object for a write to happen.
#[derive(Clone, Debug, Default)]
pub(super) struct Condition {
    absent: bool,
    matching: Option<ETagCondition>,
}

impl Condition {
    /// Reads `If-None-Match`, of which writes know only `*`, and `If-Match`.
    pub(super) fn new(none: Option<&ETagCondition>, matching: Option<ETagCondition>) -> Result<Self, Refusal> {
        match none {
            Some(condition) if !condition.is_any() => Err(refuse::unknown_condition("If-None-Match")),
            _ => Ok(Self { absent: none.is_some(), matching }),
        }
    }

    /// Reads them from the headers of an operation for which `s3s` knows none.
    pub(super) fn of_headers(headers: &HeaderMap) -> Result<Self, Refusal> {
        let read = |name: &str| {
            let value = headers.get(name)?;
            ETagCondition::parse_http_header(value.as_bytes()).ok()
        };
        Self::new(read("if-none-match").as_ref(), read("if-match"))
    }

    /// Checks, under the lock of the write.
    pub(super) fn check(&self, key: &str, current: Option<&Content>) -> Result<(), Refusal> {
        if self.absent && current.is_some() {
            return Err(refuse::precondition_failed("If-None-Match"));
        }
        let Some(matching) = &self.matching else { return Ok(()) };
        let current = current.ok_or_else(|| refuse::no_such_key().with("Key", key))?;
        if matches(matching, &current.etag) { Ok(()) } else { Err(refuse::precondition_failed("If-Match")) }
    }
}

/// Whether a condition names this entity tag.
fn matches(condition: &ETagCondition, etag: &str) -> bool {
    condition.as_etag().is_none_or(|wanted| wanted.value() == etag)
}

/// Conditions of a read, or of a copy on its source.
#[derive(Debug, Default)]
pub(super) struct When<'a> {
    pub(super) matching: Option<&'a ETagCondition>,
    pub(super) none: Option<&'a ETagCondition>,
    pub(super) modified: Option<&'a Timestamp>,
    pub(super) unmodified: Option<&'a Timestamp>,
}

impl When<'_> {
    /// Returns the first condition that does not hold, as AWS spells its header.
    fn failed(&self, version: &Version, content: &Content) -> Option<&'static str> {
        let modified = wire_time(version.modified);
        let now = wire_time(jiff::Timestamp::now());
        match (self.matching, self.unmodified) {
            (Some(wanted), _) if !matches(wanted, &content.etag) => return Some("If-Match"),
            (None, Some(since)) if modified > *since => return Some("If-Unmodified-Since"),
            _ => {}
        }
        match (self.none, self.modified) {
            (Some(known), _) if matches(known, &content.etag) => Some("If-None-Match"),
            (None, Some(since)) if modified <= *since && *since <= now => Some("If-Modified-Since"),
            _ => None,
        }
    }

    /// Checks a read: what the client has already is not modified, all else that fails is refused.
    pub(super) fn check(&self, version: &Version, content: &Content) -> S3Result<()> {
        match self.failed(version, content) {
            None => Ok(()),
            Some("If-None-Match" | "If-Modified-Since") => {
                let etag = format!("\"{}\"", content.etag);
                Err(with_headers(S3Error::from(refuse::not_modified()), &[("etag", &etag)]))
            }
            Some(condition) => Err(refuse::precondition_failed(condition).into()),
        }
    }

    /// Checks the source of a copy.
    pub(super) fn check_source(&self, version: &Version, content: &Content) -> Result<(), Refusal> {
        let failed = self.failed(version, content);
        failed.map_or(Ok(()), |name| Err(refuse::precondition_failed(&format!("x-amz-copy-source-{name}"))))
    }
}

/// Headers whose values `s3s` takes only in their strict form, and AWS in more.
const ENTITY_TAGS: [&str; 4] =
    ["if-match", "if-none-match", "x-amz-copy-source-if-match", "x-amz-copy-source-if-none-match"];

/// Returns the headers as `s3s` takes them, when it does not take them as they are: an entity tag may have a blank, or one
/// quote, and a range that is not one range of bytes is ignored, as in RFC 9110.
pub(super) fn normalized(headers: &HeaderMap) -> Option<HeaderMap> {
    let mut normal = headers.clone();
    for name in ENTITY_TAGS {
        let Some(value) = headers.get(name) else { continue };
        if ETagCondition::parse_http_header(value.as_bytes()).is_err() {
            let text = value.to_str().unwrap_or_default().replace('"', "");
            normal.insert(name, HeaderValue::try_from(format!("\"{text}\"")).ok()?);
        }
    }
    let range = headers.get(http::header::RANGE).map(|range| range.to_str().unwrap_or_default());
    if range.is_some_and(|range| range == "bytes=-" || s3s::dto::Range::parse(range).is_err()) {
        normal.remove(http::header::RANGE);
    }
    (normal != *headers).then_some(normal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_entity_tags_and_ranges_are_made_those_that_they_stand_for() {
        let normal = |name: &'static str, value: &str| {
            let headers = HeaderMap::from_iter([(http::HeaderName::from_static(name), value.parse().unwrap())]);
            normalized(&headers).map(|headers| headers.get(name).map(|value| value.to_str().unwrap().to_owned()))
        };
        for strict in ["\"abc\"", "abc", "*", "W/\"abc\""] {
            assert_eq!(normal("if-match", strict), None, "{strict}");
        }
        assert_eq!(normal("if-match", "\"abc"), Some(Some("\"abc\"".to_owned())));
        assert_eq!(normal("x-amz-copy-source-if-none-match", "un known"), Some(Some("\"un known\"".to_owned())));
        for ranges in ["bytes=0-1", "bytes=5-", "bytes=-5", "bytes=-0"] {
            assert_eq!(normal("range", ranges), None, "{ranges}");
        }
        for none in ["bytes=1-0", "bytes=0-1,3-4", "bytes=-", "lines=1-2", "bytes=0--1"] {
            assert_eq!(normal("range", none), Some(None), "{none}");
        }
    }
}
