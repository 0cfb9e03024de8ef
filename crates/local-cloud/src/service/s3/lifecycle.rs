//! Lifecycle rules of a bucket: checked, kept, and not carried out.
//!
//! Source: the S3 API reference of `PutBucketLifecycleConfiguration`, and answers of AWS that `LocalStack`'s snapshot tests
//! recorded.

use std::collections::HashSet;

use s3s::dto::{
    DeleteBucketLifecycleInput, DeleteBucketLifecycleOutput, GetBucketLifecycleConfigurationInput,
    GetBucketLifecycleConfigurationOutput, LifecycleExpiration, LifecycleRule, LifecycleRuleFilter, LifecycleRules,
    PutBucketLifecycleConfigurationInput, PutBucketLifecycleConfigurationOutput, Timestamp, TimestampFormat,
    Transition, TransitionDefaultMinimumObjectSize as Size, TransitionStorageClass,
};
use s3s::{S3Response, S3Result};

use super::index::{Bucket, random_id};
use super::{S3, refuse};
use crate::call::Refusal;

/// Rules of a configuration.
const MAX_RULES: usize = 1000;
/// Values of `x-amz-transition-default-minimum-object-size`.
const SIZES: [&str; 2] = [DEFAULT_SIZE, "varies_by_storage_class"];
const DEFAULT_SIZE: &str = "all_storage_classes_128K";
/// Classes that an object can move to.
const CLASSES: [&str; 6] =
    ["STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER", "GLACIER_IR", "DEEP_ARCHIVE"];
/// Days before an object can move to a class of infrequent access.
const MIN_DAYS: i32 = 30;

impl S3 {
    pub(super) fn get_bucket_lifecycle(
        &self,
        input: &GetBucketLifecycleConfigurationInput,
    ) -> S3Result<S3Response<GetBucketLifecycleConfigurationOutput>> {
        let kept = |bucket: &Bucket| (bucket.lifecycle.clone(), bucket.transition_size.clone());
        let (rules, size) = self.look(&input.bucket, kept)?;
        let missing =
            || Refusal::new(404, "NoSuchLifecycleConfiguration", "The lifecycle configuration does not exist");
        Ok(S3Response::new(GetBucketLifecycleConfigurationOutput {
            rules: Some(rules.ok_or_else(missing)?),
            transition_default_minimum_object_size: Some(size.unwrap_or_else(|| DEFAULT_SIZE.to_owned()).into()),
        }))
    }

    pub(super) fn put_bucket_lifecycle(
        &self,
        input: &PutBucketLifecycleConfigurationInput,
    ) -> S3Result<S3Response<PutBucketLifecycleConfigurationOutput>> {
        let Some(configuration) = &input.lifecycle_configuration else { return Err(refuse::malformed_xml().into()) };
        let mut rules = configuration.rules.clone();
        check(&mut rules)?;
        let size = input.transition_default_minimum_object_size.as_ref().map_or(DEFAULT_SIZE, Size::as_str);
        if !SIZES.contains(&size) {
            let message = format!("Invalid TransitionDefaultMinimumObjectSize found: {size}");
            return Err(refuse::invalid_request(message).into());
        }
        self.change(&input.bucket, |bucket| {
            bucket.lifecycle = Some(rules);
            bucket.transition_size = Some(size.to_owned());
        })?;
        let transition_default_minimum_object_size = Some(size.to_owned().into());
        Ok(S3Response::new(PutBucketLifecycleConfigurationOutput { transition_default_minimum_object_size }))
    }

    pub(super) fn delete_bucket_lifecycle(
        &self,
        input: &DeleteBucketLifecycleInput,
    ) -> S3Result<S3Response<DeleteBucketLifecycleOutput>> {
        self.change(&input.bucket, |bucket| {
            bucket.lifecycle = None;
            bucket.transition_size = None;
        })?;
        Ok(S3Response::new(DeleteBucketLifecycleOutput {}))
    }
}

/// Checks what the wire format leaves open, and names the nameless as AWS does.
fn check(rules: &mut LifecycleRules) -> Result<(), Refusal> {
    if rules.is_empty() || rules.len() > MAX_RULES {
        return Err(refuse::malformed_xml());
    }
    let mut ids = HashSet::new();
    for rule in rules {
        check_form(rule)?;
        check_filter(rule.filter.as_ref())?;
        if let Some(expiration) = &rule.expiration {
            check_expiration(expiration)?;
        }
        rule.transitions.iter().flatten().try_for_each(check_transition)?;
        let id = rule.id.get_or_insert_with(random_id);
        if id.len() > 255 {
            return Err(refuse::invalid_argument("ID", None, "ID length should not exceed allowed limit of 255"));
        }
        if !ids.insert(id.clone()) {
            let message = "Rule ID must be unique. Found same ID for more than one rule";
            return Err(refuse::invalid_argument("RuleId", Some(id.as_str()), message));
        }
    }
    Ok(())
}

/// A rule selects by a filter or, in the older form, by a prefix; it acts, and each of its actions is complete.
fn check_form(rule: &LifecycleRule) -> Result<(), Refusal> {
    let is_whole = rule.filter.is_some() != rule.prefix.is_some()
        && matches!(rule.status.as_str(), "Enabled" | "Disabled")
        && rule.noncurrent_version_expiration.as_ref().is_none_or(|expiration| expiration.noncurrent_days.is_some())
        && rule.abort_incomplete_multipart_upload.as_ref().is_none_or(|abort| abort.days_after_initiation.is_some())
        && rule.noncurrent_version_transitions.iter().flatten().all(|transition| {
            let class = transition.storage_class.as_ref();
            transition.noncurrent_days.is_some() && class.is_some_and(|class| CLASSES.contains(&class.as_str()))
        });
    if !is_whole {
        return Err(refuse::malformed_xml());
    }
    let acts = rule.expiration.is_some()
        || rule.transitions.is_some()
        || rule.noncurrent_version_expiration.is_some()
        || rule.noncurrent_version_transitions.is_some()
        || rule.abort_incomplete_multipart_upload.is_some();
    if acts { Ok(()) } else { Err(refuse::invalid_request("At least one action needs to be specified in a rule.")) }
}

/// A filter has one condition, or several within `And`.
fn check_filter(filter: Option<&LifecycleRuleFilter>) -> Result<(), Refusal> {
    let Some(filter) = filter else { return Ok(()) };
    let conditions = [
        filter.and.is_some(),
        filter.prefix.is_some(),
        filter.tag.is_some(),
        filter.object_size_greater_than.is_some(),
        filter.object_size_less_than.is_some(),
    ];
    if conditions.into_iter().filter(|is_there| *is_there).count() > 1 {
        return Err(refuse::malformed_xml());
    }
    let mut keys = HashSet::new();
    let tags = filter.and.iter().filter_map(|and| and.tags.as_ref()).flatten();
    if tags.into_iter().all(|tag| keys.insert(&tag.key)) {
        return Ok(());
    }
    Err(refuse::invalid_request("Duplicate Tag Keys are not allowed."))
}

fn check_expiration(expiration: &LifecycleExpiration) -> Result<(), Refusal> {
    let moments =
        [expiration.date.is_some(), expiration.days.is_some(), expiration.expired_object_delete_marker.is_some()];
    if moments.into_iter().filter(|is_there| *is_there).count() != 1 {
        return Err(refuse::malformed_xml());
    }
    if let Some(days) = expiration.days.filter(|days| *days < 1) {
        let message = "'Days' for Expiration action must be a positive integer";
        return Err(refuse::invalid_argument("Days", Some(&days.to_string()), message));
    }
    check_date(expiration.date.as_ref())
}

fn check_transition(transition: &Transition) -> Result<(), Refusal> {
    let class = transition.storage_class.as_ref().map(TransitionStorageClass::as_str).unwrap_or_default();
    if transition.days.is_some() == transition.date.is_some() || !CLASSES.contains(&class) {
        return Err(refuse::malformed_xml());
    }
    if let Some(days) = transition.days {
        let least = if matches!(class, "STANDARD_IA" | "ONEZONE_IA") { MIN_DAYS } else { 0 };
        if days < least {
            let message = format!(
                "'Days' in Transition action must be greater than or equal to {least} for storageClass '{class}'"
            );
            return Err(refuse::invalid_argument("Days", Some(&days.to_string()), message));
        }
    }
    check_date(transition.date.as_ref())
}

fn check_date(date: Option<&Timestamp>) -> Result<(), Refusal> {
    let Some(date) = date else { return Ok(()) };
    let mut text = Vec::new();
    let written = date.format(TimestampFormat::DateTime, &mut text).is_ok();
    let text = String::from_utf8(text).unwrap_or_default();
    if written && text.contains("T00:00:00") {
        return Ok(());
    }
    Err(refuse::invalid_argument("Date", Some(&text), "'Date' must be at midnight GMT"))
}

#[cfg(test)]
mod tests {
    use s3s::dto::{ExpirationStatus, LifecycleRuleAndOperator, Tag};

    use super::*;

    fn rule() -> LifecycleRule {
        LifecycleRule {
            abort_incomplete_multipart_upload: None,
            expiration: Some(LifecycleExpiration { date: None, days: Some(7), expired_object_delete_marker: None }),
            filter: Some(LifecycleRuleFilter::default()),
            id: Some("rule".to_owned()),
            noncurrent_version_expiration: None,
            noncurrent_version_transitions: None,
            prefix: None,
            status: ExpirationStatus::from_static("Enabled"),
            transitions: None,
        }
    }

    fn said(change: impl FnOnce(&mut LifecycleRule)) -> String {
        let mut rule = rule();
        change(&mut rule);
        check(&mut vec![rule])
            .map_or_else(|refusal| format!("{}: {}", refusal.code, refusal.message), |()| "taken".to_owned())
    }

    #[test]
    fn impossible_rules_are_refused() {
        assert_eq!(said(|_| {}), "taken");
        let malformed = said(|rule| rule.filter = None);
        assert!(malformed.starts_with("MalformedXML"), "{malformed}");
        assert_eq!(said(|rule| rule.prefix = Some(String::new())), malformed);
        assert_eq!(said(|rule| rule.expiration.as_mut().unwrap().expired_object_delete_marker = Some(true)), malformed);
        assert_eq!(said(|rule| rule.expiration.as_mut().unwrap().days = None), malformed);
        let both = |rule: &mut LifecycleRule| {
            rule.filter = Some(LifecycleRuleFilter {
                prefix: Some(String::new()),
                object_size_greater_than: Some(500),
                ..LifecycleRuleFilter::default()
            });
        };
        assert_eq!(said(both), malformed);
        let tag = |value: &str| Tag { key: Some("k".to_owned()), value: Some(value.to_owned()) };
        let doubled = |rule: &mut LifecycleRule| {
            let and = LifecycleRuleAndOperator {
                tags: Some(vec![tag("1"), tag("2")]),
                ..LifecycleRuleAndOperator::default()
            };
            rule.filter = Some(LifecycleRuleFilter { and: Some(and), ..LifecycleRuleFilter::default() });
        };
        insta::assert_snapshot!(said(doubled), @"InvalidRequest: Duplicate Tag Keys are not allowed.");
        insta::assert_snapshot!(said(|rule| rule.expiration.as_mut().unwrap().days = Some(0)), @"InvalidArgument: 'Days' for Expiration action must be a positive integer");
        let soon = |rule: &mut LifecycleRule| {
            let class = Some("STANDARD_IA".to_owned().into());
            rule.transitions = Some(vec![Transition { date: None, days: Some(7), storage_class: class }]);
        };
        insta::assert_snapshot!(said(soon), @"InvalidArgument: 'Days' in Transition action must be greater than or equal to 30 for storageClass 'STANDARD_IA'");
        let date = Timestamp::parse(TimestampFormat::DateTime, "2030-01-01T02:02:00Z").unwrap();
        let at_two = |rule: &mut LifecycleRule| {
            rule.expiration =
                Some(LifecycleExpiration { date: Some(date), days: None, expired_object_delete_marker: None });
        };
        insta::assert_snapshot!(said(at_two), @"InvalidArgument: 'Date' must be at midnight GMT");
    }
}
