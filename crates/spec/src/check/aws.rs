//! What AWS takes: names of buckets and objects, machines, retentions.

use super::Checker;
use super::words::quoted;
use crate::{limits, machines};

/// Checks the name of a bucket by S3's rules for general purpose buckets; the error completes "a bucket's name …".
pub(super) fn check_bucket(name: &str) -> Result<(), String> {
    const PREFIXES: [&str; 3] = ["xn--", "sthree-", "amzn-s3-demo-"];
    const SUFFIXES: [&str; 5] = ["-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"];
    let length = name.chars().count();
    if let Some(wrong) = name.chars().find(|c| !matches!(c, 'a'..='z' | '0'..='9' | '-' | '.')) {
        return Err(format!("has only lower-case letters, digits, hyphens and dots, not `{wrong}`"));
    }
    if !(3..=63).contains(&length) {
        return Err(format!("has 3 to 63 characters, not {length}"));
    }
    let outer = |c: char| c.is_ascii_alphanumeric();
    if !(name.starts_with(outer) && name.ends_with(outer)) {
        return Err("begins and ends with a letter or a digit".to_owned());
    }
    if name.contains("..") {
        return Err("has no two dots in a row".to_owned());
    }
    if name.parse::<std::net::Ipv4Addr>().is_ok() {
        return Err("is no IP address".to_owned());
    }
    if let Some(prefix) = PREFIXES.iter().find(|prefix| name.starts_with(**prefix)) {
        return Err(format!("does not begin with `{prefix}`, which S3 keeps for itself"));
    }
    if let Some(suffix) = SUFFIXES.iter().find(|suffix| name.ends_with(**suffix)) {
        return Err(format!("does not end with `{suffix}`, which S3 keeps for itself"));
    }
    Ok(())
}

/// Checks the key of an object; the error completes "an object's key …".
pub(super) fn check_key(key: &str) -> Result<(), String> {
    if key.is_empty() {
        return Err("must not be empty".to_owned());
    }
    if key.ends_with('/') {
        return Err("does not end with `/`, as a folder's does".to_owned());
    }
    if key.len() > limits::S3_KEY_BYTES {
        return Err(format!("has at most {} bytes, not {}", limits::S3_KEY_BYTES, key.len()));
    }
    match key.chars().find(|c| c.is_control()) {
        Some(_) => Err("has no control characters".to_owned()),
        None => Ok(()),
    }
}

/// Checks that there could be such a machine, and that the prebuilt image, where it is the one, could run on it. Whether
/// it may be had is for AWS to say.
pub(super) fn check_instance_type(checker: &mut Checker<'_>, path: &str, instance_type: &str, prebuilt: bool) {
    match machines::family(instance_type) {
        None => {
            let message = format!("{} is no instance type", quoted(instance_type));
            let complaint = checker.places.complain(path, message);
            let help = match machines::family(&format!("ml.{instance_type}")) {
                Some(_) => format!("SageMaker's types begin with `ml.`: `ml.{instance_type}`"),
                None => "an instance type reads like `ml.t2.medium` or `ml.m5.large`".to_owned(),
            };
            checker.say(complaint.help(help));
        }
        Some(_) if prebuilt && machines::is_arm(instance_type) => {
            let message = format!("`{instance_type}` is an Arm machine, and the prebuilt image is for x86_64");
            let complaint = checker.places.complain(path, message);
            checker.say(complaint.help("there the container would crash; `ml.m5.large` would do"));
        }
        Some(_) => {}
    }
}

/// Days that `CloudWatch` Logs keeps lines.
pub(super) fn retention(checker: &mut Checker<'_>, path: &str, given: Option<i64>, default: i32) -> i32 {
    let Some(days) = given else { return default };
    if limits::RETENTION_DAYS.contains(&days) {
        return i32::try_from(days).unwrap_or(default);
    }
    let message = format!("CloudWatch Logs keeps lines for certain numbers of days, and {days} is none of them");
    let longer = limits::RETENTION_DAYS.iter().find(|known| **known > days);
    let complaint = checker.places.complain(path, message);
    let complaint = match longer.filter(|_| days > 0) {
        Some(longer) => complaint.help(format!("the next longer is {longer}")),
        None => complaint,
    };
    let known = limits::RETENTION_DAYS.map(|days| days.to_string());
    checker.say(complaint.help(format!("days: {}", known.join(", "))));
    default
}
